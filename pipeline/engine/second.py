"""A second process, on another core, for half of a large import: it makes the archive's copies and reads the orders.

It is given the bytes of small files, puts them into the archive (synced and read back) and decodes them
(:mod:`pipeline.engine.helping`). Everything that the ledger, the server or the target sees is done by the run alone, in
the same order as ever. Nothing here is needed: both may be done again, so what this process does not do (it died, it
hangs, a file cannot be read, an answer cannot be passed on) the run does by itself, and tells then what is wrong.

Where the format reads apart from all else, the process is started anew: forked off the run it would hold half of the
run's memory a second time, as counting references writes to whatever is used on either side. It is forked for formats
that need more than their own reader, such as a client's own.

How it is forked, and how it ends, serves the second half of a large catalogue, too (:mod:`pipeline.engine.halves`).
"""

from __future__ import annotations

import gc
import logging
import os
import pickle
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from pipeline.archive import ArchiveCopy, ArchiveItem
from pipeline.decoded import Decoded, FormatContext, ReadApart
from pipeline.engine.helping import AT_ONCE, Keep, Read, end_with, serve
from pipeline.engine.wire import Wire

__all__ = ["AT_ONCE", "Helpers", "Lost", "Second", "cores", "fork", "launch", "orders_of", "start"]

log = structlog.get_logger("mistok.inbound")

#: Files of an import from which one is started anew: it takes a tenth of a second to come up, and is worth less memory.
ANEW = 300
#: Seconds without an answer after which it is thought to hang.
PATIENCE = 120.0

#: Windows has none of these: then nothing of this is used, and types are checked all the same.
_fork: Callable[[], int] = getattr(os, "fork", lambda: -1)
_spawn: Callable[..., int] | None = getattr(os, "posix_spawn", None)
_OPEN: int = getattr(os, "POSIX_SPAWN_OPEN", 0)
_DUP2: int = getattr(os, "POSIX_SPAWN_DUP2", 0)
_KILL: int = getattr(signal, "SIGKILL", signal.SIGTERM)
#: A process that is started anew looks for modules where the run does.
_BEGIN = "import sys; sys.path[:] = sys.argv[3:]; from pipeline.engine.helping import main; main()"
#: What glibc gets for a message goes back to the system as soon as it is free (mallopt(3)).
_ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072", "MALLOC_ARENA_MAX": "1"}
_WIRE = 3  #: the number that its end of the wire has there


class Lost(Exception):
    """It does not answer any more."""


def cores() -> int:
    """How many there are for us."""
    ours = getattr(os, "sched_getaffinity", None)
    # elsewhere no process is forked off a run
    return len(ours(0)) if ours is not None and sys.platform.startswith("linux") else 1


class Second:
    """The process, as the run sees it. One thread at a time talks with it (:meth:`turn`)."""

    def __init__(self, pid: int, pipe: Wire) -> None:
        self._pid, self._pipe = pid, pipe
        self._turn = threading.Lock()
        self.alive = True

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Ask, and hear all answers. Raises Lost."""
        with self._turn:
            if not self.alive:
                raise Lost
            try:
                yield
            except BaseException:
                self.close()  # what it still answers nobody would understand
                raise

    def give(self, items: Sequence[ArchiveItem]) -> Sequence[ArchiveCopy] | None:
        """Have small files (their bytes) kept; None when they could not be. Raises Lost."""
        try:
            self._pipe.send(items)
        except OSError as error:
            raise Lost from error
        copies: Sequence[ArchiveCopy] | None = pickle.loads(self.answer())  # noqa: S301 - of our own
        return copies

    def tell(self, words: object) -> None:
        """Something of ours, which it can unpickle. Raises Lost."""
        try:
            self._pipe.send(words)
        except OSError as error:
            raise Lost from error

    def has_answered(self) -> bool:
        """Whether there is something to hear: an answer, or that it is gone."""
        try:
            return self._pipe.poll()
        except OSError:
            return True

    def answer(self, patience: float = PATIENCE) -> bytearray:
        """The next answer: after the copies, the orders of AT_ONCE files each, for :func:`orders_of`. Raises Lost."""
        try:
            if not self._pipe.poll(patience):
                raise Lost
            return self._pipe.recv_bytes()
        except (OSError, EOFError) as error:
            raise Lost from error

    def close(self) -> None:
        """It ends, at once."""
        if not self.alive:
            return
        self.alive = False
        with suppress(ProcessLookupError):
            os.kill(self._pid, _KILL)
        with suppress(ChildProcessError):
            os.waitpid(self._pid, 0)


@dataclass
class Helpers:
    """One process at a time, and a new one in place of one that was lost, as often as ``left`` says."""

    make: Callable[[], Second | None]
    left: int = 2
    now: Second | None = None

    def get(self) -> Second | None:
        """It, as long as there is one."""
        if (self.now is None or not self.now.alive) and self.left:
            self.left -= 1
            self.now = self.make()
        return self.now if self.now is not None and self.now.alive else None

    def close(self) -> None:
        """There is nothing to do for it any more."""
        self.left = 0
        if self.now is not None:
            self.now.close()


def orders_of(answer: bytearray) -> Sequence[Decoded | None]:
    """What was read of each file; None of one that the run has to read by itself."""
    try:
        found: Sequence[Decoded | None] = pickle.loads(answer)  # noqa: S301 - of our own
    except Exception as error:  # noqa: BLE001 - of a class that a client's format made as it liked
        log.debug("orders_not_passed_on", error=type(error).__name__)
        return ()
    return found


def launch(root: Path, read: ReadApart, context: FormatContext) -> Second | None:
    """Start one anew that helps an import with the archive at ``root``; ``context`` is that of each file but its name.
    None where there is no second core, or it cannot be started so."""
    if cores() < 2 or _spawn is None or not sys.executable or getattr(sys, "frozen", False):
        return None
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-c", _BEGIN, str(_WIRE), str(os.getpid()), *map(str, sys.path)]
    with theirs:
        files = [
            *((_OPEN, number, os.devnull, os.O_RDWR, 0) for number in range(3)),
            (_DUP2, theirs.fileno(), _WIRE),
        ]
        try:
            pid = _spawn(sys.executable, command, {**os.environ, **_ALLOCATOR}, file_actions=files)
        except OSError:  # no room for one more
            ours.close()
            return None
    made = Second(pid, Wire(ours.detach(), PATIENCE))
    with suppress(Lost):  # that is found out when it is needed
        made.tell((root, read, context))
    return made


def start(keep: Keep, read: Read) -> Second | None:
    """Fork one that helps an import; None as of :func:`fork`."""
    return fork(lambda wire: serve(wire, keep, read))


def fork(work: Callable[[Wire], None]) -> Second | None:
    """Fork a process that does ``work`` with its end of the wire, and ends; None where there is no second core, or no
    fork. Nothing else may be under way in other threads."""
    if cores() < 2:
        return None
    ours, theirs = socket.socketpair()
    run = os.getpid()
    with warnings.catch_warnings():
        # since Python 3.12, of threads: those that are there sleep, and the child touches nothing of theirs
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            pid = _fork()
        except OSError:  # no room for one more: then there is one less
            ours.close()
            theirs.close()
            return None
    if pid == 0:
        try:
            _settle(theirs.fileno(), run)
            work(Wire(theirs.fileno()))
        finally:
            os._exit(0)
    theirs.close()
    return Second(pid, Wire(ours.detach(), PATIENCE))


def _settle(pipe: int, run: int) -> None:
    """In the child: it ends with the run, and has no hold on anything of it."""
    end_with(run)
    gc.freeze()  # what the run holds is not looked through, nor let go of
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in ("SIGTERM", "SIGUSR1", "SIGUSR2"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    logging.disable()
    nothing = os.open(os.devnull, os.O_RDWR)
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - numbers, not paths
        # its number stays taken: whatever thinks that it is its own may close it
        if (number := int(name)) > 2 and number not in (pipe, nothing):
            with suppress(OSError):  # that of the listing itself
                os.fstat(number)
                os.dup2(nothing, number)
