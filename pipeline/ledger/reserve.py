"""A little room that is kept free for bad days: on a full disk, the ledger can still write down that the disk is full.

``ledger.sqlite3.reserve`` is a file of nothing. When the disk of the ledger is full it is deleted, so that the one
alert about it, and the end of the run, can be written. It is made again when there is room.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

SIZE = 256 * 1024  #: bytes; an alert takes a tenth of it
_PLENTY = 16 * SIZE  #: so much must be free before it is made
_NONE = 64 * 1024  #: with less than this free, a disk is full


class Reserve:
    """The reserve beside a SQLite ledger."""

    def __init__(self, ledger: Path) -> None:
        self.path = ledger.with_name(ledger.name + ".reserve")

    def ensure(self) -> None:
        """Make it where it is missing and there is room. That it cannot be made is no trouble: it is a precaution."""
        with contextlib.suppress(OSError):
            if not self.path.exists() and shutil.disk_usage(self.path.parent).free > _PLENTY:
                # noise: a disk that packs what it stores would keep nothing free for a file of zeros
                self.path.write_bytes(os.urandom(SIZE))

    def free(self) -> bool:
        """Give the room away; False when that was done before."""
        try:
            self.path.unlink()
        except OSError:
            return False
        return True

    def disk_is_full(self) -> bool:
        """Whether the ledger's disk has no room to speak of."""
        try:
            return shutil.disk_usage(self.path.parent).free < _NONE
        except OSError:
            return False
