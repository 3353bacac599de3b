"""``csv``: order CSV of a client's own shape. The YAML says by columns what stands where; see docs/formats.md.

An order is one row; or the rows that have the same value in a column; or a row of one kind with rows of another below
it. Its items are its rows, or stand in one cell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from pipeline.api import (
    Decoded,
    Finding,
    FormatContext,
    FormatPlugin,
    OrderFormat,
    OrderStream,
    Rejected,
    Settings,
    T,
    Unread,
    Where,
)
from plugins.formats._declared.convert import Wrong
from plugins.formats._declared.csvfile import (
    CsvFile,
    CsvRecord,
    Row,
    Sign,
    bad_width,
    finding,
    group_names,
    parts_of,
    read_csv,
)
from plugins.formats._declared.explain import explain
from plugins.formats._declared.orders import no_orders, orders_of, text_of
from plugins.formats._declared.rule import Loc, rules
from plugins.formats._declared.settings import DeclaredSettings, check_mapping, raise_all

_NUMBERED = re.compile(r"#[1-9][0-9]{0,3}")
_ALLOW_EMPTY = T("If files without orders are right, write `allow_empty: true`.")
Records = Iterator[tuple[CsvRecord, Sequence[Finding]]]


class RowKinds(Settings):
    """Rows of two kinds: one for the order, and those of its items below it."""

    column: str
    """Column that says which kind a row is."""
    order: str
    """What it says in the row of an order."""
    item: str
    """What it says in the row of an item."""


class CellItems(Settings):
    """Items that stand in one cell of the order's row."""

    column: str
    """Column that holds them."""
    between: Annotated[str, BeforeValidator(lambda v: "\n" if v in ("line", "\\n") else v)] = "\n"
    """What stands between two items; a line break by default."""
    parts: str | None = None
    """What stands between the parts of an item; `item` names them by number: `#1`, `#2`."""
    pattern: str | None = None
    """A regular expression that an item has as a whole; `item` names its groups: `(?P<sku>\\S+) x (?P<n>\\d+)`."""

    @model_validator(mode="after")
    def _readable(self) -> CellItems:
        if self.pattern is not None:
            try:
                re.compile(self.pattern)
            except re.error as error:
                raise ValueError(
                    T("`{regex}` is no regular expression: {words}.", regex=self.pattern, words=str(error))
                ) from error
        if (self.parts is None) == (self.pattern is None):
            raise ValueError(T("Items of a cell have either `parts` or a `pattern`."))
        if not self.between or self.parts == "":
            raise ValueError(T("What stands between items, or between their parts, is no empty text."))
        return self


class CsvSettings(DeclaredSettings):
    """Parameters of order CSV of a client's own shape; a path is the name of a column, or its number: `#3`."""

    delimiter: Sign = ";"
    """What stands between cells; `tab` for a tab."""
    quote: Annotated[str, Field(max_length=1)] = '"'
    """What stands around cells that need it; nothing (`""`) when quotes are plain letters."""
    header: bool = True
    """The first row names the columns; without it they are `#1`, `#2`, …"""
    skip: int = Field(default=0, ge=0, le=100)
    """Lines before the header that are left out."""
    order: str | None = None
    """Column that is the same in all rows of one order, one row for each item; empty cells belong to the row above."""
    rows: RowKinds | None = None
    """Rows of two kinds: one for the order, and those of its items below it."""
    items: CellItems | None = None
    """Items that stand in one cell of the order's row."""
    ends: Literal["line-break", "anyhow"] = "line-break"
    """How a whole file ends. With `anyhow` a file that was cut between two rows is taken for a whole one."""

    @model_validator(mode="after")
    def _mapping_is_right(self) -> CsvSettings:
        given = [name for name in ("order", "rows", "items") if getattr(self, name) is not None]
        if len(given) > 1:
            text = T("Orders are told apart by one of `order`, `rows` and `items`.")
            raise ValueError(text, T("Without any, each row is an order of one item."))
        if self.quote == self.delimiter:
            raise ValueError(T("`quote` and `delimiter` are the same."))
        own: dict[Loc, str] = {("order",): self.order} if self.order is not None else {}
        if self.rows is not None:
            own["rows", "column"] = self.rows.column
        if self.items is not None:
            own["items", "column"] = self.items.column
        check_mapping(self, own, self._mistake)
        raise_all("CsvSettings", self._eaches())
        return self

    def _mistake(self, loc: Loc, path: str) -> ValueError | None:
        if loc[0] == "item" and self.items is not None:
            return self._part_mistake(path)
        if not self.header and not _NUMBERED.fullmatch(path):
            return ValueError(T("Without a header a column goes by its number: `#1`, `#2`, …"))
        return None

    def _part_mistake(self, path: str) -> ValueError | None:
        assert self.items is not None
        if self.items.pattern is None:
            if _NUMBERED.fullmatch(path):
                return None
            return ValueError(T("The parts of an item go by their numbers: `#1`, `#2`, …"))
        names = list(group_names(self.items.pattern))
        numbered = _NUMBERED.fullmatch(path)
        if path in names or (numbered and int(path[1:]) <= re.compile(self.items.pattern).groups):
            return None
        return ValueError(
            T("`{name}` is no group of `pattern`.", name=path), T("Known: {names}.", names=", ".join(names) or "#1, …")
        )

    def _eaches(self) -> list[tuple[Loc, ValueError]]:
        """Nothing stands below a row, so nothing can be gone through there."""
        wrong = ValueError(T("A row of CSV has nothing below it: `each` has no meaning here."))
        found: list[tuple[Loc, ValueError]] = []
        for at, discount in enumerate(self.fields.discounts):
            found += [(("fields", "discounts", at, "each"), wrong)] if discount.each is not None else []
        for at, tax in enumerate(self.fields.taxes):
            found += [(("fields", "taxes", at, "each"), wrong)] if tax.each is not None else []
        if self.fields.named_extra is not None:
            found.append((("fields", "named_extra"), wrong))
        if self.item.named_attributes is not None:
            found.append((("item", "named_attributes"), wrong))
        return found


class CsvOrders:
    """Reads order CSV by a mapping."""

    def decode(self, data: bytes, settings: CsvSettings, context: FormatContext) -> Decoded:
        """The orders in ``data``. Raises Rejected: no CSV, or without a column that the mapping names."""
        return _decode(data, settings, context, thorough=False)[0]

    def decode_stream(
        self, path: Path, settings: CsvSettings, context: FormatContext, scratch: Path
    ) -> OrderStream | None:
        """The same some rows at a time."""
        from plugins.formats._csv_stream import open_stream

        return open_stream(path, settings, context, scratch)

    def complete(self, tail: bytes, settings: CsvSettings) -> bool:
        """Whether the end is there: a line break, as far as one can tell."""
        end = tail.replace(b"\0", b"")  # UTF-16 of ASCII signs is the signs with NULs between
        if not end.strip():
            return False
        return settings.ends == "anyhow" or end.endswith((b"\n", b"\r"))


def unread(data: bytes, settings: CsvSettings, context: FormatContext) -> tuple[Unread, ...]:
    """Columns that the mapping does not read. Raises Rejected as decoding does."""
    return _decode(data, settings, context, thorough=True)[1].unread()


def _decode(data: bytes, settings: CsvSettings, context: FormatContext, *, thorough: bool) -> tuple[Decoded, CsvFile]:
    text, notes = text_of(data, settings, context.file)
    file = read_csv(
        text,
        file=context.file,
        delimiter=settings.delimiter,
        quote=settings.quote,
        header=settings.header,
        skip=settings.skip,
    )
    file.seen = set() if thorough else None
    check_columns(file, settings, context)
    if not file.rows and not settings.allow_empty:
        raise nothing_in(settings, context.file)
    orders, more = orders_of(records_of(file, settings), settings, context, thorough=thorough)
    return Decoded(tuple(orders), (*notes, *more), "csv"), file


def nothing_in(settings: CsvSettings, file: str) -> Rejected:
    """What is said of a file without orders."""
    return no_orders(settings.order or "#1", Where(file, 1), _ALLOW_EMPTY)


def records_of(file: CsvFile, settings: CsvSettings) -> Records:
    """The orders of a file. Raises Rejected for what begins with the middle of one."""
    if settings.order is not None:
        return _grouped(file, settings)
    if settings.rows is not None:
        return _kinds(file, settings)
    if settings.items is not None:
        return _cells(file, settings)
    return _single(file, settings)


def check_columns(file: CsvFile, settings: CsvSettings, context: FormatContext) -> None:
    """Raises Rejected for every column that the mapping names and the file does not have.

    A column that was renamed must not look like one that is empty.
    """
    wanted: list[tuple[str, ...]] = []
    if settings.order is not None:
        wanted.append((settings.order,))
    if settings.rows is not None:
        wanted.append((settings.rows.column,))
    if settings.items is not None:
        wanted.append((settings.items.column,))
    wanted += [rule.path for _, _, rule in rules(settings.fields) if rule.path and rule.default is None]
    if settings.items is None:
        wanted += [rule.path for _, _, rule in rules(settings.item) if rule.path and rule.default is None]
    wrong = [words for paths in dict.fromkeys(wanted) if (words := file.missing(paths)) is not None]
    if wrong:
        line = settings.skip + 1
        raise Rejected(
            findings=tuple(Finding("columns", text, Where(context.file, line), hint) for text, hint in wrong)
        )


def _widths(file: CsvFile, rows: Sequence[Row]) -> list[Finding]:
    return [wrong for row in rows if (wrong := bad_width(file, row)) is not None]


def _single(file: CsvFile, _settings: CsvSettings) -> Records:
    for row in file.rows:
        yield CsvRecord(file, [row], [CsvRecord(file, [row])]), _widths(file, [row])


def _grouped(file: CsvFile, settings: CsvSettings) -> Records:
    """Rows that follow one another and have the same value, or none. The same value further on is another order, which
    is told as a twin: nobody can say whether it goes on or comes again."""
    assert settings.order is not None
    column = file.column(settings.order) or 0
    file.look(column)
    columns = _item_columns(file, settings)
    groups: list[tuple[str, list[Row]]] = []
    for row in file.rows:
        key = row.cells[column].strip() if column < len(row.cells) else ""
        if groups and key in ("", groups[-1][0]):
            groups[-1][1].append(row)
        else:
            groups.append((key, [row]))
    for _key, rows in groups:
        items = [CsvRecord(file, [row]) for row in rows if any(_filled(row, one) for one in columns)]
        yield CsvRecord(file, rows, items), _widths(file, rows)


def _item_columns(file: CsvFile, settings: CsvSettings) -> set[int]:
    """Columns that are the items' alone: a row in which they are empty is none."""
    of_order = {path for _, _, rule in rules(settings.fields) for path in rule.path}
    paths = [path for _, _, rule in rules(settings.item) for path in rule.path if path not in of_order]
    return {index for path in paths if (index := file.column(path)) is not None}


def _filled(row: Row, column: int) -> bool:
    return column < len(row.cells) and bool(row.cells[column].strip())


def _kinds(file: CsvFile, settings: CsvSettings) -> Records:
    assert settings.rows is not None
    kinds = settings.rows
    column = file.column(kinds.column) or 0
    file.look(column)
    order: Row | None = None
    items: list[Row] = []
    wrong: list[Finding] = []
    for row in [*file.rows, None]:
        kind = kinds.order if row is None else (row.cells[column].strip() if column < len(row.cells) else "")
        if kind == kinds.order:
            if order is not None:
                inner = [CsvRecord(file, [one]) for one in items]
                yield CsvRecord(file, [order], inner, items), wrong
            order, items, wrong = row, [], [] if row is None else _widths(file, [row])
            continue
        assert row is not None
        if kind != kinds.item:
            words = Wrong(
                T("“{kind}” is no kind of row", kind=kind),
                T("Known: {names}.", names=f"{kinds.order}, {kinds.item}"),
            )
            wrong = [*wrong, finding(words, file.file, row.line, file.name(column))]
        elif order is None:
            raise Rejected(
                T("The file begins with an item: its order is missing."),
                code="not-csv",
                where=Where(file.file, row.line),
                hint=T("The row of an order stands before those of its items."),
            )
        else:
            wrong = [*wrong, *_widths(file, [row])]
            items.append(row)


def _cells(file: CsvFile, settings: CsvSettings) -> Records:
    assert settings.items is not None
    cell = settings.items
    column = file.column(cell.column) or 0
    file.look(column)
    for row in file.rows:
        wrong = _widths(file, [row])
        words = row.cells[column] if column < len(row.cells) else ""
        try:
            items = list(parts_of(words, cell.between, cell.parts, cell.pattern, file.name(column), row.line))
        except Wrong as error:
            items = []
            wrong.append(finding(error, file.file, row.line, file.name(column)))
        yield CsvRecord(file, [row], items), wrong


_: type[OrderFormat] = CsvOrders

PLUGIN = FormatPlugin(
    name="csv",
    summary=T("Order CSV of any shape, mapped by columns in the config"),
    format=CsvOrders(),
    settings=CsvSettings,
    explain=explain,
    unread=unread,
)
