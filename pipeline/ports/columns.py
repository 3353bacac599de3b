"""Columns of a catalogue that came as text: what only hands cells on never makes an object of each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import compress
from typing import Any, TypeVar, overload

V = TypeVar("V")
X = TypeVar("X")

PART = "\x1f"  #: between the parts of a value that is a tuple of texts
CELL = "\x1e"  #: between cells that are one text


class Cells(list[str]):
    """Cells that were one text, which is kept: a look for a sign in all of them is one look, and nothing is joined.

    ``whole``: the cells with :data:`CELL` between them, so that none has that sign. They are not to be changed.
    """

    __slots__ = ("whole",)

    def __init__(self, whole: str, length: int) -> None:
        """``length``: how many they are expected to be."""
        end = whole.find(CELL)
        same = end >= 0 and len(whole) == (end + 1) * length - 1
        if same and whole == (first := whole[:end]) + (CELL + first) * (length - 1):
            super().__init__([first] * length)  # such as a currency: one text serves them all
        else:
            super().__init__(whole.split(CELL))
        self.whole = whole


def joined_cells(column: Sequence[str]) -> str:
    """The cells as one text, :data:`CELL` between them. Where one has that sign itself, it has one more than that."""
    return column.whole if isinstance(column, Cells) else CELL.join(column)


class TextColumn(Sequence[V]):
    """Values that are told as texts first, and made of these only where somebody looks at them.

    Equal texts are equal values. A Decimal's text is what ``str`` gives, "" for None; a tuple of texts is joined by
    :data:`PART`, "" for none; of other kinds the text is the system's own.
    """

    __slots__ = ("_parse", "_values", "texts")

    def __init__(self, texts: list[str], parse: Callable[[str], V]) -> None:
        self.texts = texts
        self._parse = parse
        self._values: list[V] | None = None

    @property
    def values(self) -> list[V]:
        """All values."""
        if self._values is None:
            self._values = self.mapped(lambda value: value)
        return self._values

    def mapped(self, make: Callable[[V], X]) -> list[X]:
        """``make`` of each value, called once for each different one."""
        made = {text: make(self._parse(text)) for text in set(self.texts)}
        return list(map(made.__getitem__, self.texts))

    def kept(self, keep: Sequence[bool]) -> TextColumn[V]:
        """The values for which ``keep`` holds."""
        return TextColumn(list(compress(self.texts, keep)), self._parse)

    def __len__(self) -> int:
        return len(self.texts)

    @overload
    def __getitem__(self, index: int) -> V: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[V]: ...
    def __getitem__(self, index: int | slice) -> V | Sequence[V]:
        return self.values[index]

    def __iter__(self) -> Iterator[V]:
        return iter(self.values)


def texts_of(column: Sequence[Any]) -> list[str] | None:
    """The texts of a column that has them; None of any other."""
    return column.texts if isinstance(column, TextColumn) else None


def kept_of(column: Sequence[V], keep: Sequence[bool]) -> Sequence[V]:
    """The values of a column for which ``keep`` holds; a column of texts stays one."""
    return column.kept(keep) if isinstance(column, TextColumn) else list(compress(column, keep))


def mapped_column(column: Sequence[V], make: Callable[[V], X]) -> list[X]:
    """``make`` of each value; of a column of texts it is called once for each different text."""
    return column.mapped(make) if isinstance(column, TextColumn) else [make(value) for value in column]


class ColumnRows(Sequence[Sequence[str]]):
    """Rows of cells that are kept as columns, and put together only where somebody looks at rows."""

    __slots__ = ("_length", "columns")

    def __init__(self, columns: Sequence[Sequence[str]], length: int) -> None:
        self.columns = columns
        self._length = length

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> Sequence[str]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Sequence[str]]: ...
    def __getitem__(self, index: int | slice) -> Sequence[str] | Sequence[Sequence[str]]:
        if isinstance(index, slice):
            return list(zip(*(column[index] for column in self.columns), strict=True))
        return tuple(column[index] for column in self.columns)

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        return zip(*self.columns, strict=True)


def columns_of(rows: Sequence[Sequence[str]]) -> Sequence[Sequence[str]]:
    """The columns of rows that all have as many cells as the first one."""
    return rows.columns if isinstance(rows, ColumnRows) else list(zip(*rows, strict=True))
