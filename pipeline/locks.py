"""A lock on an open file that every process takes; the system lets go of it when a process dies, however it dies."""

from __future__ import annotations

import errno
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

#: A disk or share that knows no locks says one of these.
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})
_PAUSE = 0.01  #: seconds between tries


@contextmanager
def held(file: IO[bytes], patience: float = 0.0) -> Iterator[bool]:
    """Hold the lock of a file that is open for writing; gives False where the disk knows no locks, and goes on without.

    Args:
        file: stays open meanwhile; its contents mean nothing.
        patience: seconds to wait for whoever holds it.

    Raises BlockingIOError when somebody else holds it to the end, and OSError when the disk fails.
    """
    until = time.monotonic() + patience
    while (got := _take(file)) is None:
        if time.monotonic() >= until:
            raise BlockingIOError(errno.EAGAIN, "the lock is held by another process")
        time.sleep(_PAUSE)
    try:
        yield got
    finally:
        if got:
            _let_go(file)


if sys.platform == "win32":
    import msvcrt

    #: What Windows says while another holds it.
    _HELD = frozenset({errno.EACCES, errno.EAGAIN, errno.EDEADLK})

    def _take(file: IO[bytes]) -> bool | None:
        file.seek(0)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError as error:
            if error.errno in _HELD:
                return None
            if error.errno in _NO_LOCKS:
                return False
            raise
        return True

    def _let_go(file: IO[bytes]) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)
else:
    import fcntl

    def _take(file: IO[bytes]) -> bool | None:
        """True: taken; None: somebody holds it; False: there are no locks here."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno in _NO_LOCKS:
                return False
            raise
        return True

    def _let_go(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)
