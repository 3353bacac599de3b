"""The log's file: put aside by size, dropped by number and age, written to by several processes at once."""

from __future__ import annotations

import logging
import logging.handlers
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

#: A lock of a process that was killed while it put the file aside counts for so many seconds.
STALE = 60.0


class LogFile(logging.handlers.RotatingFileHandler):
    """A rotating file that several processes share: ``mistok serve``, and whoever runs ``mistok`` beside it.

    One process at a time puts the file aside; the others see that it is another one now, and follow. On Windows a file
    that somebody has open cannot be renamed, so it is opened for each line there. What cannot be written (a full disk)
    is left out: a log must not stop the work that it tells of. A file that cannot be put aside takes no more than twice
    its size.
    """

    def __init__(self, path: Path, *, max_size: int, keep: int, keep_days: int, share: bool | None = None) -> None:
        """``max_size`` in bytes; ``keep`` put-aside files, none older than ``keep_days``.

        ``share``: open the file for each line; by default on Windows.
        """
        super().__init__(path, maxBytes=max_size, backupCount=keep, encoding="utf-8", delay=True)
        self._keep_days = keep_days
        self._share = sys.platform == "win32" if share is None else share
        self._stuck = False
        self.drop_old()

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line; to the file that has the name now."""
        self._follow()
        if self._stuck and self._size() > 2 * self.maxBytes:
            return
        super().emit(record)
        if self._share:
            self._let_go()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the field's own name
        """Leave the line out: Python would print a traceback to the screen of whoever works there."""

    def doRollover(self) -> None:  # noqa: N802 - the field's own name
        """Put the file aside, unless another process does, or has just done so."""
        with self._alone() as alone:
            if not alone or self._size() < self.maxBytes // 2:
                self._let_go()
                return
            try:
                super().doRollover()
                self._stuck = False
            except OSError:  # somebody has it open, or nobody may rename there: it goes on growing, to its limit
                self._stuck = True
                self._let_go()
            self.drop_old()

    def drop_old(self) -> None:
        """Drop put-aside files that are too old, or one too many: ``keep`` may have been more before."""
        path = Path(self.baseFilename)
        oldest = time.time() - self._keep_days * 86400
        with suppress(OSError):
            for one in path.parent.glob(f"{path.name}.*"):
                number = one.name.removeprefix(f"{path.name}.")
                if number.isdigit() and (int(number) > self.backupCount or one.stat().st_mtime < oldest):
                    with suppress(OSError):
                        one.unlink()

    def _follow(self) -> None:
        if self.stream is None:
            return
        try:
            named, opened = Path(self.baseFilename).stat(), os.fstat(self.stream.fileno())
        except OSError:
            self._let_go()
            return
        if (named.st_dev, named.st_ino) != (opened.st_dev, opened.st_ino):
            self._let_go()

    def _let_go(self) -> None:
        if self.stream is not None:
            with suppress(OSError):
                self.stream.close()
            vars(self)["stream"] = None  # as with delay: it is opened when something is written

    def _size(self) -> int:
        try:
            return Path(self.baseFilename).stat().st_size
        except OSError:
            return 0

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        lock = Path(f"{self.baseFilename}.lock")
        try:
            if time.time() - lock.stat().st_mtime > STALE:
                lock.unlink()
        except OSError:
            pass  # there is none, or it is another's
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except OSError:
            # nobody may write there, or somebody else is at it
            self._stuck = self._stuck or not os.access(lock.parent, os.W_OK)
            yield False
            return
        try:
            yield True
        finally:
            with suppress(OSError):
                lock.unlink()
