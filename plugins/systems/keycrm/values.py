"""Single values of KeyCRM's JSON: numbers that may be texts, nulls, moments in two shapes. Pure.

Nothing here guesses: what is not of a known shape is None, and whoever asks decides what that means.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

_NUMBER = re.compile(r"-?\d{1,20}(\.\d{1,20})?", re.ASCII)
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d:\d\d)(?:\.\d{1,9})?(Z|[+-]\d\d:?\d\d)?)?", re.ASCII)
_BIGGEST = Decimal(10) ** 15  # no price, weight or quantity reaches it

Row = Mapping[str, Any]


def number(value: object) -> Decimal | None:
    """A JSON number, or one that came as a text (``"90247.69"``, as sums do); None for null and for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | Decimal):
        exact = Decimal(value)
    elif isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        exact = Decimal(value.strip())
    else:
        return None
    return exact if exact.is_finite() and abs(exact) < _BIGGEST else None


def text(value: object) -> str:
    """A text, or a number as one (an article may be told so); "" for null and for what is none."""
    if isinstance(value, str):
        return value
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return f"{value:f}" if isinstance(value, Decimal) else str(value)
    return ""


def ident(value: object) -> int | None:
    """An id: a whole number above 0, also as a text; None for anything else."""
    exact = number(value)
    return int(exact) if exact is not None and exact > 0 and exact == exact.to_integral_value() else None


def flag(value: object) -> bool:
    """Whether a yes-or-no is set: true, 1 or "1", "true"."""
    return value in (True, 1, "1", "true")


def rows(value: object) -> Sequence[Row]:
    """The objects of a list; what is no object, or no list, is left out."""
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def part(value: object) -> Row:
    """An object inside of another; an empty one for null and for anything else."""
    return value if isinstance(value, Mapping) else {}


def moment(value: object) -> datetime | None:
    """``2026-01-29T18:53:35.000000Z`` or ``2026-01-29 18:53:35``: all of KeyCRM's times are UTC. None for others."""
    found = _MOMENT.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        return None
    day, clock, zone = found.groups()
    zone = "+00:00" if zone in (None, "Z") else zone
    try:
        return datetime.fromisoformat(f"{day}T{clock or '00:00:00'}{zone}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def stamp(at: datetime) -> str:
    """A moment as bodies and filters take it: ``2026-01-29 18:53:35``, UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
