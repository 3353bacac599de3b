"""Bytes that are kept until they are asked for: a few in memory, more in a temporary file, however many there are."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator
from typing import IO

HELD = 1 << 18  #: bytes that are kept in memory
_LENGTH = 4  #: bytes in which the length of a piece is written before it


class Spool:
    """Pieces of bytes, in the order in which they were added. Not for several threads.

    The file has no name, lies where temporary files do, and is gone with this object. Adding and looking raise OSError:
    the disk is full, or does not answer.
    """

    def __init__(self, held: int = HELD) -> None:
        self._most = held
        self._held: list[bytes] = []
        self._size = 0  #: bytes in memory
        self._file: IO[bytes] | None = None
        self._pieces = 0

    def __len__(self) -> int:
        """How many pieces there are."""
        return self._pieces

    def add(self, piece: bytes) -> None:
        """One more, at the end."""
        self._held.append(piece)
        self._pieces += 1
        self._size += len(piece)
        if self._size > self._most:
            self._write()

    def __iter__(self) -> Iterator[bytes]:
        """All of them, from the first on; as often as one likes, but nothing may be added meanwhile."""
        if self._file is not None:
            place = 0
            while True:
                self._file.seek(place)  # somebody else may be reading as well
                head = self._file.read(_LENGTH)
                if not head:
                    break
                length = int.from_bytes(head)
                yield self._file.read(length)
                place += _LENGTH + length
        yield from self._held

    def _write(self) -> None:
        if self._file is None:
            import tempfile  # loads much, and is seldom needed

            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it is open as long as this object is there
            weakref.finalize(self, self._file.close)
        self._file.seek(0, os.SEEK_END)
        for piece in self._held:
            self._file.write(len(piece).to_bytes(_LENGTH) + piece)
        self._file.flush()  # a full disk is told now, not as it is closed
        self._held.clear()
        self._size = 0
