"""Pages of the catalogue out of SQLite, each column of a page as one text: no object is made of a cell on its way.

SQLite joins the cells itself, and Python's lock is free meanwhile: the next page is read by a thread while this one is
written. That is what an export's time hangs on; see tests/bench.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import ColumnElement, Connection, Select, Text, bindparam, func, literal_column, select

from pipeline.api import CELL, PART, Cells, TextColumn
from plugins.systems.books import tables as t

X = TypeVar("X")

_ASKED = 5_000  #: products that are named at once
_SPECIALS = "SELECT product_id, position, amount, start_at, end_at FROM specials WHERE product_id IN ({})"
AHEAD = 2  #: pages that are read before they are asked for
_MEMO = 65_536  #: amounts whose text is remembered
#: What stands between the cells of a page's column, and between parts of a cell; a cell that has the former is noticed
#: by their number. In SQL they stand as they are: char(30) would be called for each cell.
_SIGN, _PART = f"'{CELL}'", f"'{PART}'"
#: SQLite passes the order of a subquery with a LIMIT on to the aggregate over it.
_JOIN = f"group_concat(coalesce({{}}, ''), {_SIGN})"
_LEFT = "CASE WHEN on_hand > reserved THEN on_hand - reserved ELSE 0 END"
# its own pictures, or all those of its base product where it has none
_PICTURED = (
    "CASE WHEN products.parent_id IS NULL OR EXISTS (SELECT 1 FROM images i WHERE i.product_id = products.id) "
    "THEN products.id ELSE products.parent_id END"
)
#: Columns that need a look into tables with many rows a product: name -> SQL.
_EXTRA: Mapping[str, str] = {
    "#special": "EXISTS (SELECT 1 FROM specials s WHERE s.product_id = products.id)",
    "stock": "coalesce((SELECT sum({left}) FROM stock s WHERE s.product_id = products.id), "
    "(SELECT sum({left}) FROM products v JOIN stock s ON s.product_id = v.id WHERE v.parent_id = products.id), 0)",
    "image": "(SELECT i.name FROM images i WHERE i.product_id = {pictured} AND i.position = 0)",
    # a part's own separator becomes that of cells, so that it is noticed, too
    "images": "(SELECT group_concat(replace(name, {part}, {sign}), {part}) FROM (SELECT i.name FROM images i "
    "WHERE i.product_id = {pictured} AND i.position <> 0 ORDER BY i.position))",
}


@dataclass(frozen=True, slots=True)
class TextPage:
    """One page: how many rows, the code of the first and of the last, and by name the texts of each column."""

    length: int
    last: str
    texts: Mapping[str, Cells]


class TextPages:
    """Reads page after page. ``statement`` gives the columns ``names``, and is neither ordered nor limited."""

    def __init__(self, connection: Connection, statement: Select[Any], names: Sequence[str], fields: Sequence[str]):
        extra = [name for name in fields if name in _EXTRA]
        if any(name.startswith("special_") for name in fields):
            extra.append("#special")
        self._names = (*names, *extra)
        columns = [
            column.label(f"c{place}")
            for place, column in enumerate((*statement.selected_columns, *(_extra(name) for name in extra)))
        ]
        p = t.products.c
        page = (
            statement.with_only_columns(*columns)
            .where(p.code > bindparam("last"))
            .order_by(p.code)
            .limit(bindparam("size"))
            .subquery("page")
        )
        joined = [literal_column(_JOIN.format(f"page.c{place}"), Text()) for place in range(len(columns))]
        whole = select(func.count(), *joined).select_from(page)
        self._connection = connection
        # compiled once: to find a statement of sixty columns in the cache again takes as long as some hundred rows
        compiled = whole.compile(dialect=connection.dialect)
        self._sql = str(compiled)
        self._order: Sequence[str] = compiled.positiontup or ()
        self._params = compiled.params

    def after(self, last: str, size: int) -> TextPage | None:
        """The next ``size`` rows at most; None where a cell has a sign in it that stands between cells.

        A page with ``length`` 0 is the end. Raises what the database raises.
        """
        params = {**self._params, "last": last, "size": size}
        row = self._connection.exec_driver_sql(self._sql, tuple(params[name] for name in self._order)).one()
        length = int(row[0])
        if not length:
            return TextPage(0, last, {})
        texts = {name: Cells(text, length) for name, text in zip(self._names, row[1:], strict=True)}
        if any(len(cells) != length for cells in texts.values()):
            return None
        return TextPage(length, texts["#code"][-1], texts)


def _extra(name: str) -> ColumnElement[Any]:
    return literal_column(f"({_EXTRA[name].format(left=_LEFT, pictured=_PICTURED, part=_PART, sign=_SIGN)})")


class _Amounts(dict[str, str]):
    """Millionths, as text -> the text of the Decimal; "" stays."""

    def __missing__(self, micros: str) -> str:
        made = amount_text(int(micros)) if micros else ""
        if len(self) >= _MEMO:
            self.clear()
        self[micros] = made
        return made


_amounts = _Amounts()


def amount_text(micros: int) -> str:
    """What ``str(tables.from_micros(micros))`` gives, several times as fast."""
    whole, rest = divmod(abs(micros), 10**t.PLACES)
    return f"{'-' if micros < 0 else ''}{whole}.{f'{rest:06d}'.rstrip('0'):0<2}"


def column_of(name: str, cells: list[str]) -> Sequence[Any]:
    """A field's column, of the texts that a page has for it."""
    base = name.partition(".")[0]
    if base in ("price", "tax_rate", "weight", "stock"):
        return TextColumn(list(map(_amounts.__getitem__, cells)), decimal_of)
    parse = _PARSED.get(name)
    return TextColumn(cells, parse) if parse else cells


def decimal_of(text: str) -> Decimal | None:
    """An amount's text -> the amount."""
    return Decimal(text) if text else None


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@lru_cache(4096)  # one special offer is that of many products
def _special_moment(text: str) -> datetime:
    return _moment(text)


iso_of = lru_cache(4096)(datetime.isoformat)  #: of times in UTC: equal ones of other zones have other texts


class Special(NamedTuple):
    """A row of the specials, its amount as text."""

    position: int
    amount: str
    start_at: datetime | None
    end_at: datetime | None


def specials(connection: Connection, products: Sequence[int]) -> dict[int, list[Special]]:
    """The specials of products (their ids), by product; as rows of the table are, but made in a quarter of the time."""
    found: dict[int, list[Special]] = {}
    for start in range(0, len(products), _ASKED):
        some = tuple(products[start : start + _ASKED])
        sql = _SPECIALS.format(", ".join("?" * len(some)))
        for product, position, amount, begins, ends in connection.exec_driver_sql(sql, some).all():
            one = Special(
                position,
                _amounts[str(amount)],
                None if begins is None else _special_moment(begins),
                None if ends is None else _special_moment(ends),
            )
            found.setdefault(product, []).append(one)
    return found


def parts(text: str) -> tuple[str, ...]:
    """A tuple's text -> the tuple."""
    return tuple(text.split(PART)) if text else ()


_PARSED: Mapping[str, Callable[[str], Any]] = {
    "published": lambda text: text == "1",
    "updated_at": _moment,
    "images": parts,
    "options": lambda text: (json.loads(text) if text else None) or {},
}


def ahead(make: Callable[[], X | None]) -> Generator[X, None, None]:
    """What ``make`` gives until it gives None, called by one thread that is AHEAD calls in front.

    It is never called again once the iterator is closed, and not running any more either.
    """
    with ThreadPoolExecutor(1, "catalogue") as pool:
        waiting: list[Future[X | None]] = [pool.submit(make) for _ in range(AHEAD)]
        try:
            while (made := waiting.pop(0).result()) is not None:
                waiting.append(pool.submit(make))
                yield made
        finally:
            for one in waiting:
                one.cancel()
