"""What the database's texts, dates and numbers mean, and back. Pure.

Facts of OpenCart 3.0.5 and 4.1.0.4: texts are HTML-escaped when they are saved (PHP's htmlspecialchars), dates are
days of the shop's own time zone with ``0000-00-00`` for none, ``date_end`` is the first day on which a special price
does not hold any more, and classes of weight and length tell how many of their unit are one of the unit of value 1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from pipeline.api import Money, SpecialCandidate, SpecialPrice, timeline

ZERO = Decimal(0)
Row = Mapping[str, Any]  #: a row of a table, by its columns' names
_ESCAPED = {"&amp;": "&", "&quot;": '"', "&#039;": "'", "&#39;": "'", "&lt;": "<", "&gt;": ">"}
_ESCAPE = re.compile("|".join(_ESCAPED))
_PLACES = Decimal("0.000001")
#: Units of weight and length classes, as shops write them in English, Ukrainian and Russian: in kilograms, centimetres.
KILOGRAMS = {
    "kg": Decimal(1), "кг": Decimal(1), "g": Decimal("0.001"), "г": Decimal("0.001"), "гр": Decimal("0.001"),
    "t": Decimal(1000), "т": Decimal(1000), "lb": Decimal("0.45359237"), "oz": Decimal("0.028349523125"),
}  # fmt: skip
CENTIMETRES = {
    "cm": Decimal(1), "см": Decimal(1), "mm": Decimal("0.1"), "мм": Decimal("0.1"), "m": Decimal(100),
    "м": Decimal(100), "in": Decimal("2.54"), "ft": Decimal("30.48"),
}  # fmt: skip


# --- texts -----------------------------------------------------------------------------------------------------------


def text_of(stored: object) -> str:
    """The text that was typed: unescaped exactly once, so that ``&amp;lt;`` is ``&lt;``; "" for NULL."""
    return "" if stored is None else _ESCAPE.sub(lambda found: _ESCAPED[found[0]], str(stored))


def stored_text(text: str) -> str:
    """As the shop itself saves ``text``."""
    for sign, escaped in (("&", "&amp;"), ('"', "&quot;"), ("'", "&#039;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(sign, escaped)
    return text


def image_url(base: str, path: object) -> str | None:
    """The address of an image below the shop's image folder; None for none."""
    relative = text_of(path).strip().lstrip("/")
    return base.rstrip("/") + "/" + quote(relative) if relative else None


# --- dates -----------------------------------------------------------------------------------------------------------


def day_of(stored: object) -> date | None:
    """A date column; None for ``0000-00-00``, NULL, and what is no day."""
    try:
        return date.fromisoformat(str(stored)[:10])
    except ValueError:
        return None


def midnight(stored: object, zone: ZoneInfo) -> datetime | None:
    """The moment at which the day in a date column begins in the shop."""
    day = day_of(stored)
    return None if day is None else datetime(day.year, day.month, day.day, tzinfo=zone)


def moment_of(stored: object, zone: ZoneInfo) -> datetime | None:
    """A datetime column, written by the shop's clock; of an hour that comes twice, the first. None for none."""
    try:
        naive = datetime.fromisoformat(str(stored))
    except ValueError:
        return None
    return naive.replace(tzinfo=zone).astimezone(UTC)


def clock_of(moment: datetime, zone: ZoneInfo) -> str:
    """What the shop's clock shows then, as a datetime column keeps it."""
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


def since_clock(moment: datetime, zone: ZoneInfo, overlap: timedelta) -> str:
    """The lowest that a datetime column can hold that was written at ``moment - overlap`` or later.

    In the night in which the clock goes back, what is written later may show an earlier time: by up to that hour.
    """
    begin = moment.astimezone(UTC) - overlap
    soon = begin + timedelta(hours=3)
    offset = min(at.astimezone(zone).utcoffset() or timedelta() for at in (begin, soon))
    return (begin.replace(tzinfo=None) + offset).strftime("%Y-%m-%d %H:%M:%S")


def days_of(special: SpecialPrice, zone: ZoneInfo) -> tuple[str, str] | None:
    """(date_start, date_end) of a special price; None when it does not begin and end at the shop's midnights.

    An end within a day's last minute means that whole day, as many programs write it.
    """
    start, end = special.start, special.end
    if end is not None:
        local = end.astimezone(zone)
        if (local.hour, local.minute) == (23, 59):
            following = local.date() + timedelta(days=1)
            end = datetime(following.year, following.month, following.day, tzinfo=zone)
    days = []
    for moment in (start, end):
        if moment is None:
            days.append("0000-00-00")
            continue
        local = moment.astimezone(zone)
        if local.time().isoformat() != "00:00:00":
            return None
        days.append(local.date().isoformat())
    return days[0], days[1]


# --- numbers ---------------------------------------------------------------------------------------------------------


def number_of(stored: object) -> Decimal | None:
    """A decimal column; None for NULL, which is not 0."""
    return None if stored is None else Decimal(str(stored))


def price_of(stored: object) -> Decimal | None:
    """A price column, without the zeros that decimal(15,4) adds beyond cents."""
    number = number_of(stored)
    return None if number is None else short(number)


def short(number: Decimal) -> Decimal:
    """Without needless zeros behind the cents: 100.0000 -> 100.00, 0.1250 -> 0.125."""
    number = number.normalize()
    return number if _exponent(number) < -2 else number.quantize(Decimal("0.01"))


def signed(value: Row, column: str) -> Decimal:
    """What an option value adds to the product's price or weight, by its prefix; 0 for a prefix that is no sign.

    A shop adds and takes off; ``=`` and other signs are those of extensions, and of no meaning to itself.
    """
    amount = number_of(value[column]) or ZERO
    return {"+": amount, "-": -amount}.get(str(value[f"{column}_prefix"] or ""), ZERO)


def class_factors(
    classes: Iterable[Row], units: Iterable[Row], key: str, known: Mapping[str, Decimal]
) -> dict[int, Decimal]:
    """By id of a class, what one of its unit is in kilograms or centimetres; {} when no class has a unit that is known.

    A class's ``value`` is how many of it are one of value 1. One class whose unit is known anchors them all: kilograms
    (centimetres) before others, so that the shop's own ratios hold.
    """
    values = {int(row[key]): number for row in classes if (number := number_of(row["value"])) and number > 0}
    told = {
        int(row[key]): known[unit]
        for row in units
        if (unit := text_of(row["unit"]).strip().rstrip(".").casefold()) in known and int(row[key]) in values
    }
    if not told:
        return {}
    anchor = min(told, key=lambda one: (told[one] != 1, one))
    whole = values[anchor] * told[anchor]
    return {one: whole / value for one, value in values.items()}


def measure(stored: object, of_class: object, factors: Mapping[int, Decimal]) -> Decimal | None:
    """Kilograms or centimetres, to a millionth; None where it is 0 (which is what OpenCart has for not given)."""
    number, factor = number_of(stored), factors.get(int(str(of_class or 0)))
    if not number or factor is None:
        return None
    return (number * factor).quantize(_PLACES).normalize() + ZERO


def _exponent(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0


# --- special prices --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pricing:
    """What a special price depends on besides its own row."""

    price: Decimal  #: of the product alone
    surcharge: Decimal  #: of the chosen option values, together
    currency: str
    zone: ZoneInfo


def specials_of(rows: Sequence[Row], pricing: Pricing) -> tuple[SpecialPrice, ...]:
    """The timeline that the rows make; one that would be below 0 is left out.

    ``type`` is there in 4.1 only: F a fixed price for the product (options are added to it), S an amount off, P a
    percentage off, both of the price with its options. The shop compares rows of one priority by the number in them,
    whatever their type.
    """
    candidates = []
    for row in rows:
        number = number_of(row["price"])
        if number is None:
            continue
        amount = _special(str(row.get("type") or "F"), number, pricing)
        if amount < 0:
            continue
        candidates.append(
            SpecialCandidate(
                price=Money(short(amount), pricing.currency),
                priority=int(row["priority"] or 0),
                start=midnight(row["date_start"], pricing.zone),
                end=midnight(row["date_end"], pricing.zone),
                rank=number,
            )
        )
    return timeline(candidates)


def _special(kind: str, number: Decimal, pricing: Pricing) -> Decimal:
    whole = pricing.price + pricing.surcharge
    if kind == "P":
        return (whole - whole * number / 100).quantize(Decimal("0.0001"))
    return whole - number if kind == "S" else number + pricing.surcharge
