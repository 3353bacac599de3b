"""Numbers, money and moments as KeepinCRM writes them. Pure; strict: what could be read two ways is no value."""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from pipeline.api import tidy

#: Amounts beyond this are no money: what would be written out digit by digit must not fill the memory.
HUGE = 30
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?", re.ASCII)
_AMBIGUOUS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
_PRICED = re.compile(r"(?P<number>[^A-Za-z]*?)\s*(?P<currency>[A-Za-z]{3})?")
_DAY = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})(?:[ T,]+(\d{1,2}):(\d{2}))?")


def number(value: object) -> Decimal | None:
    """A number of the API: ``150``, ``"150.0"``, ``"1 234,50"`` (any blanks); null and blank text are none.

    Raises ValueError for what is no number, and for ``1,234``, which may be a thousand or a fraction.
    """
    match value:
        case None:
            return None
        case bool():
            raise ValueError(value)
        case int():
            found = Decimal(value)
        case Decimal():
            found = value
        case str():
            text = "".join(value.split()).replace("\u2212", "-")
            if not text:
                return None
            found = Decimal(_plain(text, grouped=len(value.split()) > 1))
        case _:
            raise ValueError(value)
    if not found.is_finite() or found.adjusted() > HUGE or found.as_tuple().exponent < -HUGE:  # type: ignore[operator]
        raise ValueError(value)
    return found


def _plain(text: str, *, grouped: bool) -> str:
    """``1.234,50``, ``1,234.50`` and ``1234,50`` as ``1234.50``. Raises ValueError."""
    point, comma = text.rfind("."), text.rfind(",")
    if comma >= 0 and point >= 0:
        thousands = "," if point > comma else "."
        whole, _, rest = text.rpartition("." if point > comma else ",")
        if not re.fullmatch(rf"[+-]?\d{{1,3}}(?:\{thousands}\d{{3}})+", whole):
            raise ValueError(text)
        text = f"{whole.replace(thousands, '')}.{rest}"
    elif comma >= 0:
        if not grouped and _AMBIGUOUS.fullmatch(text):
            raise ValueError(text)
        text = text.replace(",", ".")
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    return text


def priced(value: object) -> tuple[Decimal | None, str]:
    """A price that may bear its currency: ``12``, ``"12.5 USD"`` -> (amount, currency or ""). Raises ValueError."""
    if not isinstance(value, str):
        return number(value), ""
    found = _PRICED.fullmatch(value.strip())
    if found is None or (found["currency"] and not found["number"]):
        raise ValueError(value)
    return number(found["number"]), (found["currency"] or "").upper()


def yes(value: object) -> bool:
    """``true``, ``"true"``, ``1``, ``"1"``."""
    return value in (True, 1) or (isinstance(value, str) and value.strip().lower() in ("true", "1", "t"))


def text(value: object) -> str:
    """Text of the API; a number where a text is meant (an article of digits) as its digits; anything else is none."""
    if isinstance(value, str):
        return value
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return format(value, "f") if isinstance(value, Decimal) else str(value)
    return ""


def moment(value: object, zone: ZoneInfo, *, end: bool = False) -> datetime | None:
    """A time of the API or of a person's field: ISO 8601, or ``20.11.2026 09:00``; blank is none.

    Without a zone it is one of ``zone``. A day alone is its first moment; for an ``end`` the day counts with all of it.
    Raises ValueError.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    written = text(value).strip()
    if found := _DAY.fullmatch(written):
        day, month, year, hour, minute = found.groups()
        found_at = datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), tzinfo=zone)
        alone = hour is None
    else:
        found_at = datetime.fromisoformat(written)
        alone = "T" not in written and ":" not in written
        if found_at.tzinfo is None:
            found_at = found_at.replace(tzinfo=zone)
    if alone and end:
        found_at = datetime.combine(found_at.date() + timedelta(days=1), time(), zone)
    return found_at


def written(at: datetime | None, zone: ZoneInfo) -> str:
    """A moment as it is put into a field: ISO 8601 with the offset of ``zone``; none is blank."""
    if at is None:
        return ""
    local = at.astimezone(zone)
    if local.microsecond:
        return local.isoformat()
    return local.isoformat(timespec="seconds" if local.second else "minutes")


def same(one: Any, other: Any) -> bool:
    """Whether what was sent and what is shown mean the same; the kind and number of blanks in texts does not count."""
    if isinstance(one, str) and isinstance(other, str):
        return tidy(one) == tidy(other)
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)
