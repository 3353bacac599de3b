"""Values of an order as JSON keeps them."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any


def plain(value: Any) -> Any:
    """For JSON: records as objects, exact numbers and dates as text, empty things left out."""
    kind: Any = type(value)
    if kind is str or value is None:
        return value
    if kind is Decimal:
        return str(value)
    if names := _fields(kind):
        made = {}
        for name in names:
            part = getattr(value, name)
            if type(part) is str:  # as most are
                if part:
                    made[name] = part
            elif part is not None and part not in _NOTHING:
                made[name] = plain(part)
        return made
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items() if part not in _NOTHING}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    if isinstance(value, Decimal):
        return str(value)
    return value.isoformat() if isinstance(value, (datetime, date)) else value


_NOTHING: tuple[Any, ...] = (None, "", {}, ())


@cache
def _fields(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind)) if isinstance(kind, type) and is_dataclass(kind) else ()
