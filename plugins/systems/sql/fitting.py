"""A value made fit for its column: nothing is cut, rounded or changed in silence. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import types

from pipeline.api import Held, T, Text, Where
from plugins.systems.sql.schema import Column
from plugins.systems.sql.settings import Value
from plugins.systems.sql.words import Cell, Row, read

#: Of no use in any text, and refused by most databases.
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
_LEAST = {types.SmallInteger: 2**15, types.BigInteger: 2**63}


@dataclass(frozen=True, slots=True)
class Fitting:
    """How values are written."""

    zone: ZoneInfo
    dialect: str
    order: str = ""  #: number of the order, for messages

    def value(self, declared: Value, column: Column, row: Row) -> Any:
        """What ``declared`` writes into ``column``. Raises Held where it does not fit."""
        return self.fit(said(declared, row), column)

    def fit(self, cell: Cell, column: Column) -> Any:
        """``cell`` as the column takes it; None for nothing."""
        kind = column.type
        if cell is None:
            # a database tells no text and an empty one apart; a column that must have something gets the latter
            return "" if not column.nullable and isinstance(kind, types.String) and not column.default else None
        match kind:
            case types.Boolean():
                return self._flag(cell, column)
            case types.Integer():
                return self._integer(cell, column)
            case types.Float():
                return float(self._number(cell, column))
            case types.Numeric():
                return self._decimal(cell, column, kind.precision, kind.scale)
            case types.DateTime():
                return self._moment(cell, column, aware=bool(kind.timezone))
            case types.Date():
                return self._local(cell, column).date()
            case types.Time():
                return self._local(cell, column).time()
            case types.String():
                return self._text(cell, column)
        return cell if not isinstance(cell, datetime) else self._local(cell, column)

    # --- kinds ---------------------------------------------------------------------------------------------------

    def _flag(self, cell: Cell, column: Column) -> bool:
        if isinstance(cell, bool):
            return cell
        known = {"1": True, "true": True, "0": False, "false": False}.get(str(cell).strip().lower())
        if known is None:
            raise self._held(column, T("{value} is neither yes nor no", value=_short(cell)))
        return known

    def _integer(self, cell: Cell, column: Column) -> int:
        number = self._number(cell, column)
        if number != number.to_integral_value():
            raise self._held(column, T("{value} is no whole number", value=_short(cell)))
        limit = next((most for kind, most in _LEAST.items() if isinstance(column.type, kind)), 2**31)
        limit = 2**63 if self.dialect == "sqlite" else limit
        if not -limit <= number < limit:
            raise self._held(column, T("{value} is too large", value=_short(cell)))
        return int(number)

    def _number(self, cell: Cell, column: Column) -> Decimal:
        if isinstance(cell, bool):
            return Decimal(int(cell))
        if isinstance(cell, Decimal) and cell.is_finite():
            return cell
        if isinstance(cell, str) and _NUMBER.fullmatch(cell.strip()):
            try:
                return Decimal(cell.strip())
            except InvalidOperation:  # more digits than a number can have
                pass
        raise self._held(column, T("{value} is no number", value=_short(cell)))

    def _decimal(self, cell: Cell, column: Column, precision: int | None, scale: int | None) -> Any:
        number = self._number(cell, column)
        if scale is not None and -_exponent(number.normalize()) > scale:
            raise self._held(
                column, T("{value} has more places after the point than the {n} of the column", value=number, n=scale)
            )
        if precision is not None and number and number.adjusted() >= precision - (scale or 0):
            raise self._held(column, T("{value} is too large", value=number))
        if scale is not None:
            number = number.quantize(Decimal(1).scaleb(-scale))
        return f"{number:f}" if self.dialect == "sqlite" else number

    def _moment(self, cell: Cell, column: Column, *, aware: bool) -> datetime:
        local = self._local(cell, column)
        return local.replace(tzinfo=self.zone) if aware else local

    def _local(self, cell: Cell, column: Column) -> datetime:
        """By the clock of the declared zone, to the second: not every database keeps parts of one."""
        if isinstance(cell, datetime):
            return cell.astimezone(self.zone).replace(tzinfo=None, microsecond=0)
        if isinstance(cell, date):
            return datetime.combine(cell, time())
        raise self._held(column, T("{value} is no date", value=_short(cell)))

    def _text(self, cell: Cell, column: Column) -> str:
        if isinstance(cell, Decimal):
            value = f"{cell:f}"
        elif isinstance(cell, bool):
            value = "1" if cell else "0"
        elif isinstance(cell, datetime):
            value = self._local(cell, column).isoformat(" ")
        else:
            value = _UNFIT.sub("", str(cell))
        if column.length is not None and len(value) > column.length:
            raise self._held(
                column,
                T("“{value}” has {n} characters, and the column takes {most}", value=_short(value), n=len(value),
                  most=column.length),
                code="too-long",
            )  # fmt: skip
        if char := column.unfit(value):
            raise self._held(
                column,
                T("“{value}” has the character {char}, which {charset} does not have", value=_short(value),
                  char=f"{char} (U+{ord(char):04X})", charset=column.charset),
                code="charset",
            )  # fmt: skip
        return value

    def _held(self, column: Column, words: Text, code: str = "column") -> Held:
        return Held(
            T("Order {order}, {table}.{column}: {words}.", order=self.order, table=column.table, column=column.name,
              words=words),
            hint=T("Mend it at the source, or let the column of the database take it; nothing is cut or rounded."),
            where=Where(order=self.order or None),
            code=code,
        )  # fmt: skip


def said(declared: Value, row: Row) -> Cell:
    """What a declared value says for a row, before it is made fit."""
    const = declared.const
    if const is not None:
        return Decimal(const) if isinstance(const, int) and not isinstance(const, bool) else const
    cell = read(declared.value, row) if declared.value is not None else None
    if declared.map and cell is not None and str(cell) in declared.map:
        return _plain(declared.map[str(cell)])
    if declared.otherwise is not None and (cell is None or declared.map):
        return _plain(declared.otherwise)
    return cell


def _plain(value: str | int) -> Cell:
    return value if isinstance(value, str) else Decimal(value)


def _short(cell: Cell) -> str:
    words = " ".join(str(cell).split())
    return words if len(words) <= 60 else words[:59] + "…"


def _exponent(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0


def same(one: Any, other: Any) -> bool:
    """Whether a column holds already what would be written: types of drivers differ in what they give back."""
    return bool(_comparable(one) == _comparable(other))


def _comparable(value: Any) -> Any:
    if isinstance(value, bool):
        return Decimal(int(value))
    if isinstance(value, (int, float, Decimal)):
        return Decimal(str(value)).normalize() + 0
    if isinstance(value, datetime):
        return value.timestamp() if value.tzinfo is not None else value.replace(microsecond=0)
    if isinstance(value, str):
        if _NUMBER.fullmatch(value):
            return Decimal(value).normalize() + 0  # as SQLite is given numbers
        return value.rstrip() or None  # CHAR is filled up with blanks
    return value


def rows_are_same(wanted: Sequence[Mapping[str, Any]], there: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the lines of an order are there already, whatever order the database gives them in."""
    left = list(there)
    for row in wanted:
        fits = next((one for one in left if all(same(one[name], value) for name, value in row.items())), None)
        if fits is None:
            return False
        left.remove(fits)
    return not left
