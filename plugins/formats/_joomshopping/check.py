"""Reads the file back as the shop would: first its CSV parser, then what its database makes of each cell."""

from __future__ import annotations

import csv
import io
import re
from collections import deque
from collections.abc import Sequence
from itertools import islice, repeat, starmap
from operator import eq
from pathlib import Path

from pipeline.api import (
    CELL,
    PHP_LINE_LIMIT,
    Chunk,
    ColumnRows,
    Finding,
    PhpCsvReader,
    PhpRow,
    T,
    Text,
    Where,
    joined_cells,
)
from plugins.formats._joomshopping.layout import Layout
from plugins.formats._joomshopping.shop import Shop

LIMIT = 100  #: findings that are told one by one; the rest is a number
_BLANKS = frozenset(" \t\v\f")
_LATE_QUOTE = re.compile(rf'[{CELL}\n][ \t\v\f]+"')
WINDOW = 5_000  #: rows that are waited for before they count as lost


class Checker:
    """One file's check; see :class:`pipeline.api.PartChecker`. With ``rest`` it is that of a file's second part."""

    def __init__(self, layout: Layout, rest: Path | None = None) -> None:
        self._layout = layout
        self._delimiter = layout.settings.delimiter.encode()
        self._readings = tuple(_Reading(layout, utf8=utf8) for utf8 in (True, False))
        self._header = layout.settings.header and rest is None
        self._rest = rest
        self._shop = Shop(layout, rest)
        self._told = 0

    def feed(self, chunk: Chunk) -> Sequence[Finding]:
        """What of ``chunk`` would be read otherwise than meant."""
        codes, rows = chunk.codes, chunk.rows
        if self._header:
            self._header = False
            codes, rows = ("", *codes), (tuple(spec.header for spec in self._layout.specs), *rows)
        found: list[Finding] = []
        if any(not reading.idle for reading in self._readings) or not self._plainly_equal(chunk.data, rows):
            for reading in self._readings:
                found += [finding for finding in reading.feed(chunk.data, codes, rows) if finding not in found]
        if chunk.rows:
            found += self._shop.check(chunk)
        return self._limited(found)

    def fits(self, rest: Path) -> bool:
        """Whether PHP has read each row of this part to its end, and the shop confuses none with one of the rest."""
        met = not self._header and not self._told and all(reading.idle for reading in self._readings)
        return met and self._shop.apart(rest)

    def close(self) -> Sequence[Finding]:
        """What the end of the file shows."""
        if self._rest is not None:
            self._shop.leave()
        found: list[Finding] = []
        for reading in self._readings:
            found += [finding for finding in reading.close() if finding not in found]
        found = self._limited(found)
        if self._told > LIMIT:
            found.append(Finding("csv-more", T("{n} more rows would be read otherwise.", n=self._told - LIMIT)))
        return found

    def _limited(self, found: list[Finding]) -> list[Finding]:
        room = max(0, LIMIT - self._told)
        self._told += len(found)
        return found[:room]

    def _plainly_equal(self, data: bytes, rows: Sequence[Sequence[str]]) -> bool:
        """Whether ``data`` surely reads as ``rows``, by the fast reader of the standard library.

        Without backslashes, carriage returns, blanks before a quote, very long lines or half a row, PHP and it agree
        (tests/formats/test_joomshopping_php.py). False means: not sure.
        """
        if b"\\" in data or b"\r" in data or not data.endswith(b"\n"):
            return False
        raw = data.split(b"\n")
        raw.pop()  # what follows the last line: nothing
        if len(data) >= PHP_LINE_LIMIT and max(map(len, raw)) >= PHP_LINE_LIMIT - 1:
            return False
        codec = self._layout.codec
        try:
            # where every line is a row, they are decoded and read one by one, which is faster than a stream of them
            one_by_one = len(raw) == len(rows)
            text = map(bytes.decode, raw, repeat(codec)) if one_by_one else io.StringIO(data.decode(codec), newline="")
            # strict: a quote that is still open at the end, or followed by more, is left to the slow reader.
            read = csv.reader(text, delimiter=self._layout.settings.delimiter, strict=True)
            # row by row, so that the next row's cells take the memory of the last one's
            if not all(starmap(eq, zip(read, map(list, rows), strict=True))):
                return False
        except (csv.Error, ValueError):  # no text, or another number of rows
            return False
        return not any(map(_opens_late, rows.columns if isinstance(rows, ColumnRows) else rows))


def _opens_late(cells: Sequence[str]) -> bool:
    """Whether one of ``cells`` begins with blanks and then a quote: PHP takes it for the cell's own, csv does not."""
    joined = joined_cells(cells)
    if '"' not in joined:
        return False
    inside = "\n" in joined and any("\n" + blank in joined for blank in _BLANKS if blank in joined)
    if not inside and _BLANKS.isdisjoint({cell[:1] for cell in cells}):
        return False
    return _LATE_QUOTE.search(CELL + joined) is not None


class _Reading:
    """One PHP that reads the file, and the rows that it should still see."""

    def __init__(self, layout: Layout, *, utf8: bool) -> None:
        self._layout = layout
        self._reader = PhpCsvReader(layout.settings.delimiter.encode(), utf8=utf8)
        self._meant: deque[tuple[str, tuple[bytes, ...]]] = deque()
        self._stray: list[PhpRow] = []

    @property
    def idle(self) -> bool:
        """Whether every row so far has been met."""
        return not self._meant and not self._stray and self._reader.between_rows

    def feed(self, data: bytes, codes: Sequence[str], rows: Sequence[Sequence[str]]) -> list[Finding]:
        """What is known to be read otherwise, now that ``rows`` should have come out of ``data`` too."""
        codec = self._layout.codec
        self._meant.extend(
            (code, tuple(cell.encode(codec) for cell in row)) for code, row in zip(codes, rows, strict=True)
        )
        return self._compare(self._reader.feed(data))

    def close(self) -> list[Finding]:
        """The rows that never came out, and those that nobody meant."""
        found = self._compare(self._reader.close())
        found += self._missed(len(self._meant))
        return found

    def _compare(self, rows: list[PhpRow]) -> list[Finding]:
        found: list[Finding] = []
        for row in rows:
            if self._meant and row == self._meant[0][1]:
                if self._stray:
                    found += self._missed(0)
                self._meant.popleft()
                continue
            # A row that swallowed others: what comes out again further on tells which were lost.
            at = next((at for at, (_, meant) in enumerate(islice(self._meant, WINDOW)) if meant == row), None)
            if at is None:
                self._stray.append(row)
            else:
                found += self._missed(at)
                self._meant.popleft()
        if len(self._meant) > WINDOW:
            found += self._missed(len(self._meant))
        return found

    def _missed(self, count: int) -> list[Finding]:
        """Findings for the next ``count`` rows, which PHP reads otherwise or not at all; strays are told with them."""
        found: list[Finding] = []
        culprit = ""
        for _ in range(count):
            code, meant = self._meant.popleft()
            got = self._stray.pop(0) if self._stray else None
            reason = self._reason(meant, got, culprit)
            culprit = culprit or code
            found.append(self._finding(code, reason))
        found += [
            self._finding("", T("a row that nobody wrote is read: {row}", row=_shown(row))) for row in self._stray
        ]
        self._stray.clear()
        return found

    def _finding(self, code: str, reason: Text) -> Finding:
        text = (
            T("PHP reads the row of product {code} otherwise than meant: {reason}.", code=code, reason=reason)
            if code
            else T("PHP reads the file otherwise than meant: {reason}.", reason=reason)
        )
        return Finding("csv-read-back", text, Where(file=self._layout.context.file or None), _hint())

    def _reason(self, meant: tuple[bytes, ...], got: PhpRow | None, culprit: str) -> Text:
        if sum(map(len, meant)) + 3 * len(meant) >= PHP_LINE_LIMIT:
            return T("its line is longer than {limit} bytes and is cut in two", limit=PHP_LINE_LIMIT)
        if any(b"\\" in cell for cell in meant):
            return T("a backslash before a quote, or at the end of a quoted cell, makes it read on")
        if got is None and culprit:
            return T("it was swallowed by the row of product {code}", code=culprit)
        if got is None:
            return T("it is not read at all")
        for spec, cell, read in zip(self._layout.specs, meant, got, strict=False):
            if cell != read:
                return T("{column} is read as “{read}”", column=spec.header, read=_shown((read,)))
        return T("it has {n} cells instead of {meant}", n=len(got), meant=len(meant))


def _hint() -> Text:
    return T("Take the odd characters out of the product's texts, or tell Mistok's developers.")


def _shown(row: PhpRow) -> str:
    words = b";".join(cell or b"" for cell in row).decode("utf-8", "replace")
    return words if len(words) <= 80 else words[:79] + "…"
