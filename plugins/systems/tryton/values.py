"""Single values of Tryton's JSON: numbers, days and moments are objects that name their class. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

Row = Mapping[str, Any]
ZERO = Decimal(0)


def encoded(value: Any) -> Any:
    """A value of ours as Tryton's decoder takes it (``{"__class__": "Decimal", "decimal": "1.20"}``)."""
    match value:
        case Decimal():
            return {"__class__": "Decimal", "decimal": f"{value:f}"}
        case datetime():
            at = value.astimezone(UTC)
            parts = ("year", "month", "day", "hour", "minute", "second", "microsecond")
            return {"__class__": "datetime", **{name: getattr(at, name) for name in parts}}
        case date():
            return {"__class__": "date", "year": value.year, "month": value.month, "day": value.day}
        case Mapping():
            return {name: encoded(one) for name, one in value.items()}
        case list() | tuple():
            return [encoded(one) for one in value]
        case _:
            return value


def decoded(value: Any) -> Any:
    """What Tryton's encoder wrote as values of ours; moments are of UTC. A class that is not known stays as it is."""
    match value:
        case {"__class__": "Decimal", "decimal": str(digits)}:
            return Decimal(digits)
        case {"__class__": "datetime"}:
            parts = ("year", "month", "day", "hour", "minute", "second", "microsecond")
            year, month, day, hour, minute, second, micro = (int(value.get(name, 0)) for name in parts)
            return datetime(year, month, day, hour, minute, second, micro, tzinfo=UTC)
        case {"__class__": "date", "year": int(year), "month": int(month), "day": int(day)}:
            return date(year, month, day)
        case {"__class__": "timedelta", "seconds": seconds}:
            return timedelta(seconds=float(seconds))
        case dict():
            return {name: decoded(one) for name, one in value.items()}
        case list():
            return [decoded(one) for one in value]
        case _:
            return value


def number(value: object) -> Decimal:
    """A number that was read; 0 for null."""
    if isinstance(value, bool) or value is None:
        return ZERO
    return Decimal(str(value)) if isinstance(value, int | float | Decimal) else ZERO


def text(value: object) -> str:
    """A text that was read; "" for null."""
    return value if isinstance(value, str) else ""


def link(value: object) -> int:
    """The id in a link; 0 for none. A reference (``sale.sale,3``) is the id behind its comma."""
    if isinstance(value, bool):
        return 0
    if isinstance(value, int):
        return value
    if isinstance(value, str):
        tail = value.rpartition(",")[2]
        return int(tail) if tail.isascii() and tail.isdigit() else 0
    return 0


def ids(value: object) -> list[int]:
    """The ids in a list of links."""
    return (
        [one for one in value if isinstance(one, int) and not isinstance(one, bool)] if isinstance(value, list) else []
    )


def part(row: Row, name: str) -> Row:
    """What was read beside a link: ``party.`` of ``party.name``."""
    found = row.get(f"{name}.")
    return found if isinstance(found, Mapping) else {}
