"""A second process, on another core, for half of a large import: it makes the archive's copies and reads the orders.

It is forked off the run, so that it needs no start and little memory of its own. It is given the bytes of small files,
puts them into the archive (synced and read back) and decodes them. Everything that the ledger, the server or the target
sees is done by the run alone, in the same order as ever. Nothing here is needed: both may be done again, so what this
process does not do (it died, it hangs, a file cannot be read, an answer cannot be passed on) the run does by itself,
and tells then what is wrong.

How it is forked, and how it ends, serves the second half of a large catalogue, too (:mod:`pipeline.engine.halves`).
"""

from __future__ import annotations

import gc
import logging
import os
import pickle
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import structlog

from pipeline.archive import ArchiveCopy, ArchiveItem
from pipeline.ports import Decoded

log = structlog.get_logger("mistok.inbound")

#: Files whose orders are handed back together.
AT_ONCE = 50
#: Seconds without an answer after which it is thought to hang.
PATIENCE = 120.0

#: Windows has neither: then nothing of this is used, and types are checked all the same.
_fork: Callable[[], int] = getattr(os, "fork", lambda: -1)
_KILL: int = getattr(signal, "SIGKILL", signal.SIGTERM)

Keep = Callable[[Sequence[ArchiveItem]], Sequence[ArchiveCopy]]
Read = Callable[[ArchiveItem], Decoded]


class Lost(Exception):
    """It does not answer any more."""


def cores() -> int:
    """How many there are for us."""
    ours = getattr(os, "sched_getaffinity", None)
    # elsewhere no process is forked off a run
    return len(ours(0)) if ours is not None and sys.platform.startswith("linux") else 1


class Second:
    """The process, as the run sees it. One thread at a time talks with it (:meth:`turn`)."""

    def __init__(self, pid: int, pipe: Any) -> None:
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
            self._pipe.send_bytes(pickle.dumps(items, pickle.HIGHEST_PROTOCOL))
        except (OSError, ValueError) as error:
            raise Lost from error
        copies: Sequence[ArchiveCopy] | None = pickle.loads(self.answer())  # noqa: S301 - of our own
        return copies

    def tell(self, words: object) -> None:
        """Something of ours, which it can unpickle. Raises Lost."""
        try:
            self._pipe.send(words)
        except (OSError, ValueError) as error:
            raise Lost from error

    def has_answered(self) -> bool:
        """Whether there is something to hear: an answer, or that it is gone."""
        try:
            return bool(self._pipe.poll())
        except (OSError, EOFError):
            return True

    def answer(self, patience: float = PATIENCE) -> bytes:
        """The next answer: after the copies, the orders of AT_ONCE files each, for :func:`orders_of`. Raises Lost."""
        try:
            if not self._pipe.poll(patience):
                raise Lost
            answer: bytes = self._pipe.recv_bytes()
        except (OSError, EOFError, ValueError) as error:
            raise Lost from error
        return answer

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


def orders_of(answer: bytes) -> Sequence[Decoded | None]:
    """What was read of each file; None of one that the run has to read by itself."""
    try:
        found: Sequence[Decoded | None] = pickle.loads(answer)  # noqa: S301 - of our own
    except Exception as error:  # noqa: BLE001 - of a class that a client's format made as it liked
        log.debug("orders_not_passed_on", error=type(error).__name__)
        return ()
    return found


def start(keep: Keep, read: Read) -> Second | None:
    """Fork one that helps an import; None as of :func:`fork`."""
    return fork(lambda pipe: _serve(pipe, keep, read))


def fork(serve: Callable[[Any], None]) -> Second | None:
    """Fork a process that runs ``serve`` with its end of the pipe, and ends; None where there is no second core, or no
    fork. Nothing else may be under way in other threads."""
    if cores() < 2:
        return None
    from multiprocessing.connection import Pipe

    ours, theirs = Pipe()
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
            serve(theirs)
        finally:
            os._exit(0)
    theirs.close()
    return Second(pid, ours)


def _settle(pipe: int, run: int) -> None:
    """In the child: it ends with the run, and has no hold on anything of it."""
    import ctypes

    set_death_signal = 1  # PR_SET_PDEATHSIG, see prctl(2)
    ctypes.CDLL(None).prctl(set_death_signal, _KILL)
    if os.getppid() != run:
        os._exit(1)
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


def _serve(pipe: Any, keep: Keep, read: Read) -> None:
    """In the child: answer until the run closes the pipe or ends."""
    while True:
        try:
            items: Sequence[ArchiveItem] = pickle.loads(pipe.recv_bytes())  # noqa: S301 - of our own
        except EOFError:
            return
        try:
            copies: Sequence[ArchiveCopy] | None = keep(items)
        except Exception:  # noqa: BLE001 - the run tries it again, and tells what is wrong
            copies = None
        pipe.send_bytes(pickle.dumps(copies, pickle.HIGHEST_PROTOCOL))
        if copies is None:
            continue
        for start_at in range(0, len(items), AT_ONCE):
            pipe.send_bytes(_read(items[start_at : start_at + AT_ONCE], read))


def _read(items: Sequence[ArchiveItem], read: Read) -> bytes:
    found: list[Decoded | None] = []
    for item in items:
        try:
            found.append(read(item))
        except (Exception, SystemExit):  # noqa: BLE001 - a format may raise anything; the run reads it, and tells
            found.append(None)
    try:
        return pickle.dumps(found, pickle.HIGHEST_PROTOCOL)
    except Exception:  # noqa: BLE001 - __reduce__ of a client's own class may raise anything; what cannot go is read there
        return pickle.dumps([_passable(one) for one in found], pickle.HIGHEST_PROTOCOL)


def _passable(decoded: Decoded | None) -> Decoded | None:
    try:
        pickle.dumps(decoded, pickle.HIGHEST_PROTOCOL)
    except Exception:  # noqa: BLE001 - __reduce__ of a client's own class; None: the run reads it by itself, and tells
        return None
    return decoded
