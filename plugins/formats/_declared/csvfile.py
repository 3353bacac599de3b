"""Order CSV of any shape, looked into by the names (or numbers) of its columns."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from dataclasses import field as made_by
from difflib import get_close_matches
from functools import lru_cache
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from pipeline.api import Finding, Rejected, T, Text, Unread, Where, tidy
from plugins.formats._declared.convert import Wrong
from plugins.formats._declared.record import Value, summed

#: Characters of one cell; the csv library's own limit is the same.
MAX_CELL = 131_072
MAX_CELLS = 3_000_000  #: a few hundred MB of memory
_NUMBERED = re.compile(r"#([1-9][0-9]{0,3})")


def _tab(value: object) -> object:
    return "\t" if value in ("tab", "\\t") else value


#: One character of the settings; ``tab`` for a tab.
Sign = Annotated[str, Field(min_length=1, max_length=1), BeforeValidator(_tab)]


@dataclass(frozen=True, slots=True)
class Row:
    """A row, and the line of the file that it begins on."""

    cells: tuple[str, ...]
    line: int


#: What stands between cells in the files that people have, as the mapping names it.
_SIGNS = {";": ";", "tab": "\t", "|": "|", ",": ","}


@dataclass(slots=True)
class CsvFile:
    """The rows of a file, and its columns by name."""

    header: tuple[str, ...]  #: names of the columns; empty where there are none
    rows: list[Row]
    width: int
    file: str
    seen: set[int] | None = None  #: columns that were read, when somebody wants to know
    twins: frozenset[str] = frozenset()  #: names that several columns have
    _places: dict[str, int] = made_by(default_factory=dict)

    def column(self, path: str) -> int | None:
        """Index of the column that a path names; None when there is none."""
        numbered = _NUMBERED.fullmatch(path)
        if numbered is not None:
            index = int(numbered[1]) - 1
            return index if index < self.width else None
        return self._places.get(tidy(path))

    def named(self) -> None:
        """Put the header in use."""
        names = [tidy(name) for name in self.header]
        self.twins = frozenset(name for name, times in Counter(names).items() if times > 1)
        self._places = {name: index for index, name in reversed(list(enumerate(names)))}

    def name(self, index: int) -> str:
        """What a column is called."""
        return (self.header[index] if index < len(self.header) else "") or f"#{index + 1}"

    def look(self, index: int) -> None:
        """Remember what was read."""
        if self.seen is not None:
            self.seen.add(index)

    def unread(self) -> tuple[Unread, ...]:
        """Columns that nothing was read of, since ``seen`` is kept."""
        seen = self.seen or set()
        free = [index for index in range(self.width) if index not in seen]
        return summed(
            (self.name(index), row.cells[index], row.line)
            for index in free
            for row in self.rows
            if index < len(row.cells) and row.cells[index].strip()
        )

    def missing(self, paths: Sequence[str]) -> tuple[Text, Text | None] | None:
        """What is said when no column of ``paths`` is there; None when one is."""
        for path in paths:
            if tidy(path) in self.twins:
                text = T("Two columns are called “{name}”.", name=path)
                return text, T("Name the right one by its number: `#{n}`.", n=(self.column(path) or 0) + 1)
        if any(self.column(path) is not None for path in paths):
            return None
        names = ", ".join(f"“{path}”" for path in paths)
        known = [tidy(name) for name in self.header]
        wanted = tidy(paths[0])
        near = [name for name in known if wanted.casefold() in name.casefold()]
        near = near or get_close_matches(wanted, known, n=1, cutoff=0.75)
        hint = T("The columns are: {names}.", names=", ".join(self.header)[:300] or f"#1 … #{self.width}")
        sign = next((name for name, one in _SIGNS.items() if len(known) == 1 and one in self.header[0]), None)
        if sign is not None:
            hint = T(
                "It is one column as it is read now; if `{sign}` stands between cells, name it: `delimiter`.", sign=sign
            )
        elif near:
            hint = T("Did you mean “{name}”?", name=near[0])
        return T("The file has no column {names}.", names=names), hint


def read_csv(text: str, *, file: str, delimiter: str, quote: str, header: bool, skip: int) -> CsvFile:
    """The rows of ``text`` that have something; ``skip`` lines before the header are left out.

    Raises Rejected with code ``not-csv``, ``truncated`` or ``too-large``.
    """
    source = io.StringIO(text, newline="")
    for _ in range(skip):
        source.readline()
    rows: list[Row] = []
    names: tuple[str, ...] | None = None if header else ()
    cells = 0
    for found, line, _start in rows_in(source, file=file, delimiter=delimiter, quote=quote, before=skip):
        cells += len(found)
        if cells > MAX_CELLS:
            raise too_many(file, line)
        if not any(cell.strip() for cell in found):
            continue
        if names is None:
            names = tuple(cell.strip() for cell in found)
            continue
        rows.append(Row(tuple(found), line))
    width = len(names) if names else max((len(row.cells) for row in rows), default=0)
    parsed = CsvFile(names or (), rows, width, file)
    parsed.named()
    return parsed


def rows_in(
    lines: Iterable[str], *, file: str, delimiter: str, quote: str, before: int, reached: Callable[[], int] = lambda: 0
) -> Iterator[tuple[list[str], int, int]]:
    """All rows of these lines, with the line of the file that each begins on, and what was ``reached`` then.

    Args:
        before: how many lines of the file come before the first one.
        reached: how much of the lines was given so far, for whoever wants to know where rows begin.

    Raises Rejected with code ``not-csv`` or ``truncated``.
    """
    reader = csv.reader(
        lines,
        delimiter=delimiter,
        quotechar=quote or None,
        quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
        strict=True,
    )
    base = before
    while True:
        start = reached()
        try:
            found = next(reader, None)
        except csv.Error as error:
            raise _refused(error, file, base + reader.line_num, before + 1) from error
        if found is None:
            return
        line, before = before + 1, base + reader.line_num
        # the library's own limit is one of the whole process, which others may have moved
        if any(len(cell) > MAX_CELL for cell in found):
            raise _refused(csv.Error(f"field larger than field limit ({MAX_CELL})"), file, before, line)
        yield found, line, start


def too_many(file: str, line: int) -> Rejected:
    """What is said of more cells than are kept in memory."""
    return Rejected(
        T("The file has more than {limit} cells.", limit=MAX_CELLS),
        code="too-large",
        where=Where(file, line),
        hint=T("Send fewer orders in one file."),
    )


def _refused(error: csv.Error, file: str, line: int, begun: int) -> Rejected:
    words = str(error)
    if "unexpected end" in words:
        return Rejected(
            T("The file is cut off: a quote of line {line} is never closed.", line=begun),
            code="truncated",
            where=Where(file, begun),
            hint=T("Write the file under a temporary name and rename it when it is whole; send this one again."),
        )
    if "field larger" in words:
        return Rejected(
            T("A cell is longer than any of an order: a quote before it is not closed."),
            code="not-csv",
            where=Where(file, begun),
            hint=_QUOTES,
        )
    return Rejected(T("The quotes of this row are wrong."), code="not-csv", where=Where(file, line), hint=_QUOTES)


_QUOTES = T("Write a quote inside of a cell twice, and the cell in quotes; or say which quotes there are (`quote`).")


class CsvRecord:
    """An order or an item: one row, or several that belong together. ``below``: further rows that are part of it."""

    def __init__(
        self, file: CsvFile, rows: Sequence[Row], items: Sequence[Any] = (), below: Sequence[Row] = ()
    ) -> None:
        self._file = file
        self._rows = rows
        self._items = items
        self._below = below

    def values(self, path: str) -> Sequence[Value]:
        """What the rows have in a column; the same again is one value."""
        index = self._file.column(path)
        if index is None:
            return ()
        self._file.look(index)
        found: dict[str, Value] = {}
        for row in self._rows:
            cell = row.cells[index] if index < len(row.cells) else ""
            if cell.strip() and cell not in found:
                found[cell] = Value(cell, (index, row.line))
        return list(found.values())

    def records(self, path: str) -> Sequence[CsvRecord]:
        """There is nothing below a row."""
        raise Wrong(T("a row has nothing below it for `{path}`", path=path), T("Leave out `each`."))

    def items(self) -> Sequence[Any]:
        """The order's items."""
        return self._items

    def place(self, at: Any = None) -> tuple[str, int, int]:
        """Column and line of a value; the line of the first row without one."""
        if at is None:
            return "", self._rows[0].line, 0
        index, line = at
        return self._file.name(index), line, 0

    def fragment(self) -> bytes:
        """The cells of its rows, as they stand there."""
        cells = [row.cells for row in (*self._rows, *self._below)]
        return json.dumps(cells, ensure_ascii=True, separators=(",", ":")).encode("ascii")


class PartRecord:
    """An item that is a part of a cell: its values are the parts of the part, by number, or by name of a group."""

    def __init__(self, parts: Sequence[str], names: dict[str, int], column: str, line: int) -> None:
        self._parts = parts
        self._names = names
        self._column = column
        self._line = line

    def values(self, path: str) -> Sequence[Value]:
        """The part of that number or name."""
        numbered = _NUMBERED.fullmatch(path)
        index = int(numbered[1]) - 1 if numbered else self._names.get(path, -1)
        words = self._parts[index] if 0 <= index < len(self._parts) else ""
        return (Value(words, index),) if words.strip() else ()

    def records(self, path: str) -> Sequence[PartRecord]:
        """There is nothing below a part."""
        raise Wrong(T("a row has nothing below it for `{path}`", path=path), T("Leave out `each`."))

    def place(self, at: Any = None) -> tuple[str, int, int]:  # noqa: ARG002 - the port's signature
        """The column that holds the items, and the line of its row."""
        return self._column, self._line, 0

    def fragment(self) -> bytes:
        """Its parts."""
        return json.dumps(list(self._parts)).encode("ascii")


@lru_cache(maxsize=64)
def group_names(pattern: str) -> dict[str, int]:
    """Name of each group of a pattern -> its index among the groups."""
    return {name: index - 1 for name, index in re.compile(pattern).groupindex.items()}


def parts_of(
    cell: str, between: str, parts: str | None, pattern: str | None, column: str, line: int
) -> Iterator[PartRecord]:
    """The items that stand in one cell. Raises Wrong for one that has not the declared form."""
    pieces = re.split(r"\r\n|\r|\n", cell) if between == "\n" else cell.split(between)
    for piece in pieces:
        if not piece.strip():
            continue
        if pattern is not None:
            found = re.fullmatch(pattern, piece.strip())
            if found is None:
                raise Wrong(
                    T("“{piece}” is no item of the form {pattern}", piece=tidy(piece)[:80], pattern=pattern),
                    T("Correct `pattern`, or the file."),
                )
            yield PartRecord([one or "" for one in found.groups()], group_names(pattern), column, line)
        else:
            yield PartRecord(piece.split(parts) if parts else [piece], {}, column, line)


def bad_width(file: CsvFile, row: Row) -> Finding | None:
    """A row with more cells than there are columns, or fewer: its cells may stand in wrong columns."""
    extra = any(cell.strip() for cell in row.cells[file.width :])
    if not extra and len(row.cells) >= file.width:
        return None
    text = T("The row has {n} cells, and there are {columns} columns.", n=len(row.cells), columns=file.width)
    hint = T("A cell that has the delimiter or a line break inside stands in quotes.")
    return Finding("columns", text, Where(file.file, row.line), hint)


def finding(error: Wrong, file: str, line: int, column: str) -> Finding:
    """What is wrong in a row."""
    return Finding("value", T("{what}.", what=error.text), Where(file, line, None, column or None), error.hint)
