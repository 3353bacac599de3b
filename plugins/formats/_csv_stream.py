"""A large order CSV, some rows at a time: what it gives is what reading it as a whole would give."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from pipeline.api import FormatContext, OrderStream
from plugins.formats._declared import csvfile
from plugins.formats._declared.csvfile import CsvFile, Row, rows_in, too_many
from plugins.formats._declared.orders import orders_of
from plugins.formats._declared.streaming import DeclaredStream, Read, Units, open_declared
from plugins.formats.csv_orders import check_columns, nothing_in, records_of

_ANY = 1 << 30  #: a width that no file has


def open_stream(path: Path, settings: Any, context: FormatContext, scratch: Path) -> OrderStream:
    """The file's orders, after it was looked through. Raises Rejected as ``decode`` does."""
    text, notes = open_declared(path, settings, context.file, scratch)
    try:
        units, file = _look_through(text, settings, context)
        return DeclaredStream(text, units, _Reader(file, settings, context), notes, "csv", single=True)
    except BaseException:
        text.close()
        raise


class _Lines:
    """The lines of a text, as the csv library takes them, and how many bytes were given so far."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self.end = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = next(self._text)
        self.end += len(line) if line.isascii() else len(line.encode("utf-8", "surrogatepass"))
        return line


def _look_through(text: IO[bytes], settings: Any, context: FormatContext) -> tuple[Units, CsvFile]:
    """Where orders begin, and the columns. Raises Rejected for what cannot be read at all."""
    units = Units(text, context.file)
    text.seek(0)
    wrapped = io.TextIOWrapper(text, "utf-8", "surrogatepass", newline="")
    try:
        lines = _Lines(wrapped)
        for _ in range(settings.skip):
            next(lines, "")
        file = None if settings.header else CsvFile((), [], _ANY, context.file)
        begins = _begins(file, settings) if file is not None else None
        width = cells = 0
        for found, line, start in rows_in(
            lines,
            file=context.file,
            delimiter=settings.delimiter,
            quote=settings.quote,
            before=settings.skip,
            reached=lambda: lines.end,
        ):
            cells += len(found)
            if cells > csvfile.MAX_CELLS:
                raise too_many(context.file, line)
            if not any(cell.strip() for cell in found):
                continue
            if file is None or begins is None:
                file = CsvFile(tuple(cell.strip() for cell in found), [], len(found), context.file)
                file.named()
                begins = _begins(file, settings)
                continue
            width = max(width, len(found))
            if begins(found) or not units:
                units.add(start, line)
                cells = len(found)
        units.end = lines.end
    finally:
        wrapped.detach()
    if file is None or not file.header:
        file = CsvFile((), [], width, context.file)
        file.named()
    check_columns(file, settings, context)
    if not units and not settings.allow_empty:
        raise nothing_in(settings, context.file)
    return units, file


def _begins(file: CsvFile, settings: Any) -> Callable[[Sequence[str]], bool]:
    """Whether a row, of all in their order, is the first one of an order."""
    if settings.order is not None:
        return _by_value(file.column(settings.order) or 0)
    if settings.rows is not None:
        return _by_kind(file.column(settings.rows.column) or 0, settings.rows.order)
    return lambda _row: True


def _by_value(column: int) -> Callable[[Sequence[str]], bool]:
    last: list[str] = []

    def begins(row: Sequence[str]) -> bool:
        key = row[column].strip() if column < len(row) else ""
        if last and key in ("", last[0]):
            return False
        last[:] = [key]
        return True

    return begins


def _by_kind(column: int, order: str) -> Callable[[Sequence[str]], bool]:
    seen = False

    def begins(row: Sequence[str]) -> bool:
        nonlocal seen
        if (row[column].strip() if column < len(row) else "") != order:
            return False
        before, seen = seen, True
        return before  # what stands before the first order is told with it

    return begins


class _Reader:
    """Reads the rows of some orders."""

    def __init__(self, file: CsvFile, settings: Any, context: FormatContext) -> None:
        self._file, self._settings, self._context = file, settings, context

    def read(self, words: str, unit: int, line: int) -> Read:  # noqa: ARG002 - the protocol's signature
        """As the protocol says."""
        settings = self._settings
        found = rows_in(
            io.StringIO(words, newline=""),
            file=self._context.file,
            delimiter=settings.delimiter,
            quote=settings.quote,
            before=line - 1,
        )
        rows = [Row(tuple(cells), at) for cells, at, _start in found if any(cell.strip() for cell in cells)]
        file = replace(self._file, rows=rows)
        return orders_of(records_of(file, settings), settings, self._context, thorough=False)
