"""A large order file of a client's own shape, unit by unit: what it gives is what reading it as a whole would give.

A unit is what can be read by itself: the rows of an order, a line of a file that has a document in each, an element of
a list. The file is looked through once, which finds where units begin and what cannot be read at all; each unit is then
read from its bytes whenever it is asked for.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Protocol

from pipeline.api import Decoded, DecodedOrder, Finding, Rejected, Repetitions, T, Where, open_text
from plugins.formats._declared.orders import ENCODING, empty
from plugins.formats._declared.settings import WaysSettings

PIECE = 1 << 20  #: bytes from which no further unit is read together with the ones before
MAX_UNIT = 50_000_000  #: bytes of one unit, as much as of a file that is read as a whole
Read = tuple[list[DecodedOrder], list[Finding]]


def open_declared(
    path: Path, settings: WaysSettings, file: str, scratch: Path
) -> tuple[IO[bytes], tuple[Finding, ...]]:
    """The file as UTF-8, and remarks, as :func:`text_of` has them. Raises Rejected, and OSError."""
    with path.open("rb") as source:
        if not any(chunk.strip(b" \t\r\n\0") for chunk in iter(lambda: source.read(1 << 18), b"")):
            raise empty(file)
    text, _encoding, notes = open_text(
        path, file=file, default_encoding=settings.encoding, scratch=scratch, hint=ENCODING
    )
    return text, notes


class Reader(Protocol):
    """How units of a format are read."""

    def read(self, words: str, unit: int, line: int) -> Read:
        """The orders in the text of some units, the first of which is ``unit`` and begins on that line of the file."""
        ...


class Units:
    """Where the units of a file begin: offsets in its bytes, and lines."""

    def __init__(self, text: IO[bytes], file: str) -> None:
        self._text, self._file = text, file
        self.starts = array("Q")
        self.lines = array("L")
        self.end = 0

    def __len__(self) -> int:
        return len(self.starts)

    def add(self, start: int, line: int) -> None:
        """One more."""
        self.starts.append(start)
        self.lines.append(line)

    def words(self, first: int, end: int) -> str:
        """The text of units from the first one on, before ``end``. Raises Rejected for one that is too large."""
        begin = self.starts[first]
        size = (self.starts[end] if end < len(self.starts) else self.end) - begin
        if size > MAX_UNIT:
            raise Rejected(
                T("One order has {size} bytes; at most {limit} are read.", size=size, limit=MAX_UNIT),
                code="too-large",
                where=Where(self._file, self.lines[first]),
            )
        self._text.seek(begin)
        return self._text.read(size).decode("utf-8", "surrogatepass")

    def cuts(self, most: int) -> Iterator[tuple[int, int]]:
        """Units that are read together: at most so many, and no more bytes than a piece has, or one."""
        first = 0
        while first < len(self.starts):
            end = first + 1
            limit = self.starts[first] + PIECE
            while end < len(self.starts) and end - first < most and self.starts[end] < limit:
                end += 1
            yield first, end
            first = end


class DeclaredStream:
    """A file that was looked through, and whose units were found; it is an OrderStream."""

    def __init__(
        self, text: IO[bytes], units: Units, reader: Reader, notes: Sequence[Finding], version: str, *, single: bool
    ) -> None:
        """``single``: each unit is one order. Raises Rejected as reading as a whole does."""
        self.version = version
        self.notes: tuple[Finding, ...] = tuple(notes)
        self._text, self._units, self._reader = text, units, reader
        self._single = single
        self._unit_of = array("L")  #: of each order, where units hold several
        self._first = array("L")  #: the first order of each unit, the same
        lines, names = array("L"), Repetitions()
        for first, end in units.cuts(50 if single else 1):
            orders = self._read(first, end)[0]
            if not single:
                self._first.append(len(lines))
                self._unit_of.extend([first] * len(orders))
            for order in orders:
                lines.append(order.line or 0)
                source = order.order.source if order.order else order.source
                names.add(source, (order.order.id if order.order else order.id) or "")
        self.lines: Sequence[int] = lines
        self.repeated: Sequence[Sequence[int]] = names.groups()

    def batches(self, size: int) -> Iterator[Decoded]:
        """As the port says."""
        for first, end in self._units.cuts(size if self._single else 1):
            orders, notes = self._read(first, end)
            for start in range(0, len(orders) or bool(notes), size):
                yield Decoded(tuple(orders[start : start + size]), () if start else tuple(notes), self.version)

    def pick(self, places: Sequence[int]) -> Sequence[DecodedOrder]:
        """As the port says."""
        found: list[DecodedOrder] = []
        known: tuple[int, list[DecodedOrder]] = (-1, [])
        for place in places:
            unit = place if self._single else self._unit_of[place]
            if unit != known[0]:
                known = unit, self._read(unit, unit + 1)[0]
            found.append(known[1][0 if self._single else place - self._first[unit]])
        return found

    def close(self) -> None:
        """As the port says."""
        self._text.close()

    def _read(self, first: int, end: int) -> Read:
        return self._reader.read(self._units.words(first, end), first, self._units.lines[first])
