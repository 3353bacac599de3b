"""What a cell of a table means: exact numbers, moments, yes and no. Pure and strict: what is not clear is an error."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Literal
from zoneinfo import ZoneInfo

from pipeline.api import T, Text

Numbers = Literal["auto", "uk", "en"]

_SPACES = " \u00a0\u202f\u2009"
_GROUPED = re.compile(rf"(?a)[+-]?\d{{1,3}}([{_SPACES}]\d{{3}})+([.,]\d+)?")
_YES = {"1", "true", "yes", "y", "так", "т", "да", "+"}
_NO = {"0", "false", "no", "n", "ні", "н", "нет", "-"}
_DATE = re.compile(
    r"(?a)(?:(\d{4})-(\d{2})-(\d{2})|(\d{1,2})\.(\d{1,2})\.(\d{4}))"
    r"(?:[T ]+(\d{1,2}):(\d{2})(?::(\d{2}))?)?(Z|[+-]\d{2}:?\d{2})?"
)


class BadCell(ValueError):
    """A cell that cannot be taken; ``text`` says why, for the person who mends the table."""

    def __init__(self, text: Text) -> None:
        super().__init__(str(text))
        self.text = text


def number(cell: str, numbers: Numbers = "auto") -> Decimal:
    """A number as people write it -> Decimal, exactly. Raises BadCell.

    ``uk``: ``1 234,50`` (blanks or no-break spaces between thousands, a decimal comma). ``en``: ``1,234.50``.
    ``auto`` takes both, and plain ``1234.50``; it refuses what can be read two ways, such as ``1,234``.
    """
    text = cell.strip()
    if _GROUPED.fullmatch(text):
        text = re.sub(f"[{_SPACES}]", "", text)
        if numbers == "auto":
            return Decimal(text.replace(",", "."))  # blanks between thousands leave only one reading
    match numbers:
        case "uk":
            if re.fullmatch(r"(?a)[+-]?\d+(,\d+)?", text):
                return Decimal(text.replace(",", "."))
        case "en":
            if re.fullmatch(r"(?a)[+-]?(\d+|\d{1,3}(,\d{3})+)(\.\d+)?", text):
                return Decimal(text.replace(",", ""))
        case "auto":
            if re.fullmatch(r"(?a)[+-]?\d+(\.\d+)?", text):
                return Decimal(text)
            if re.fullmatch(r"(?a)[+-]?[1-9]\d{0,2},\d{3}", text):
                raise BadCell(T("{cell} can be read as thousands or as a fraction.", cell=cell))
            if re.fullmatch(r"(?a)[+-]?\d+,\d+", text):
                return Decimal(text.replace(",", "."))
            if re.fullmatch(r"(?a)[+-]?\d{1,3}(,\d{3})+\.\d+|[+-]?\d{1,3}(,\d{3}){2,}", text):
                return Decimal(text.replace(",", ""))
            if re.fullmatch(r"(?a)[+-]?\d{1,3}(\.\d{3})+,\d+", text):
                return Decimal(text.replace(".", "").replace(",", "."))
    raise BadCell(T("{cell} is not a number.", cell=cell))


def moment(cell: str, zone: ZoneInfo, *, end: bool = False) -> datetime:
    """``2026-11-20``, ``20.11.2026``, either with a time and an offset -> aware datetime. Raises BadCell.

    Without an offset it is wall-clock time in ``zone``. ``end``: a day alone means all of that day, so the moment
    given is the midnight after it (ends are exclusive).
    """
    found = _DATE.fullmatch(cell.strip())
    if not found:
        raise BadCell(T("{cell} is not a date such as 2026-11-20 or 20.11.2026 09:00.", cell=cell))
    y, m, d, d2, m2, y2, hour, minute, second, offset = found.groups()
    try:
        day = date(int(y or y2), int(m or m2), int(d or d2))
        if hour is None:
            return datetime.combine(day + timedelta(days=1 if end else 0), time(), zone)
        clock = time(int(hour), int(minute), int(second or 0))
        if offset:
            return datetime.fromisoformat(f"{day.isoformat()}T{clock.isoformat()}{offset}")
        return datetime.combine(day, clock, zone)
    except (ValueError, OverflowError):
        raise BadCell(T("{cell} is not a real date.", cell=cell)) from None


def yes(cell: str) -> bool:
    """``так``/``ні``, ``yes``/``no``, ``1``/``0``, ``true``/``false`` -> bool. Raises BadCell."""
    word = cell.strip().casefold()
    if word in _YES:
        return True
    if word in _NO:
        return False
    raise BadCell(T("{cell} is neither yes nor no (так, ні, 1, 0).", cell=cell))


def parts(cell: str, separator: str) -> tuple[str, ...]:
    """``a.jpg|b.jpg`` -> its parts, trimmed, empty ones left out."""
    return tuple(part.strip() for part in cell.split(separator) if part.strip())


def not_negative(read: Callable[[str], Decimal]) -> Callable[[str], Decimal]:
    """``read`` that refuses what is below 0."""

    def wrapped(cell: str) -> Decimal:
        value = read(cell)
        if value < 0:
            raise BadCell(T("{cell} is below 0.", cell=cell))
        return value

    return wrapped
