"""Single values of the JSON that APIs answer: numbers that may be texts, nulls, ids, yes-or-no. Pure.

Nothing here guesses: what is not of a known shape is None or empty, and whoever asks decides what that means.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeAlias

_NUMBER = re.compile(r"-?\d{1,20}(\.\d{1,20})?", re.ASCII)
_BIGGEST = Decimal(10) ** 15  # no price, weight or quantity reaches it

#: An object of an answer.
Row: TypeAlias = Mapping[str, Any]


def json_number(value: object) -> Decimal | None:
    """A JSON number, or one that came as a text (``"90247.69"``); None for null, blank and anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | Decimal):
        exact = Decimal(value)
    elif isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        exact = Decimal(value.strip())
    else:
        return None
    return exact if exact.is_finite() and abs(exact) < _BIGGEST else None


def json_text(value: object) -> str:
    """A text, or a number as one (an article may be told so); "" for null and for what is none."""
    if isinstance(value, str):
        return value
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return f"{value:f}" if isinstance(value, Decimal) else str(value)
    return ""


def json_id(value: object) -> int | None:
    """An id: a whole number above 0, also as a text; None for anything else."""
    exact = json_number(value)
    return int(exact) if exact is not None and exact > 0 and exact == exact.to_integral_value() else None


def json_flag(value: object) -> bool:
    """Whether a yes-or-no is set: true, 1 or "1", "true"."""
    return value in (True, 1, "1", "true")


def json_rows(value: object) -> Sequence[Row]:
    """The objects of a list; what is no object, or no list, is left out."""
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def json_part(value: object) -> Row:
    """An object inside of another; an empty one for null and for anything else."""
    return value if isinstance(value, Mapping) else {}
