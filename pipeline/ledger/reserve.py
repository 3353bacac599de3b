"""A little room that is kept free for bad days: on a full disk, the ledger can still write down that the disk is full.

``ledger.sqlite3.reserve`` is a file of nothing. When the disk of the ledger is full it is deleted, so that the one
alert about it, and the end of the run, can be written; a smaller one beside it lets the ledger be opened at all. They
are made again when there is room.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

SIZE = 256 * 1024  #: bytes; an alert takes a tenth of it
_TO_OPEN = 96 * 1024  #: a database that is opened makes two small files of its own
ROOM = 1024 * 1024  #: bytes; with less than this free it is not made, and a disk that was full has no room yet
_NONE = 64 * 1024  #: with less than this free, a disk is full


class Reserve:
    """The reserve beside a SQLite ledger."""

    def __init__(self, ledger: Path) -> None:
        self.path = ledger.with_name(ledger.name + ".reserve")
        self._to_open = ledger.with_name(ledger.name + ".reserve-open")

    def ensure(self) -> None:
        """Make it where it is missing and there is room. That it cannot be made is no trouble: it is a precaution."""
        with contextlib.suppress(OSError):
            for path, size in ((self.path, SIZE), (self._to_open, _TO_OPEN)):
                if not path.exists() and free_bytes(path.parent) > ROOM:
                    # noise: a disk that packs what it stores would keep nothing free for a file of zeros
                    path.write_bytes(os.urandom(size))

    def free(self, *, to_open: bool = False) -> bool:
        """Give the room away, or only what it takes to open the ledger; False when that was done before."""
        try:
            (self._to_open if to_open else self.path).unlink()
        except OSError:
            return False
        return True

    def disk_is_full(self) -> bool:
        """Whether the ledger's disk has no room to speak of."""
        try:
            return free_bytes(self.path.parent) < _NONE
        except OSError:
            return False

    def has_room(self) -> bool:
        """Whether the ledger's disk has more room than what the reserve gave away; makes the reserve again if so."""
        self.ensure()
        try:
            return (self.path.exists() and self._to_open.exists()) or free_bytes(self.path.parent) > ROOM
        except OSError:
            return False


def free_bytes(place: Path) -> int:
    """Room on the disk of a folder, or of the nearest one above it that is there. Raises OSError."""
    there = next(folder for folder in (place, *place.absolute().parents) if folder.exists())
    return shutil.disk_usage(there).free
