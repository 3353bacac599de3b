"""Texts -> typed values of the order's fields, by what the mapping declares."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from pipeline.api import T, Text
from plugins.formats._declared.convert import YEARS, Wrong, currency_of, parse_date
from plugins.formats._declared.numbers import PLAIN, NumberStyle, parse_number
from plugins.formats._declared.rule import KindName, Rule

#: Words that a field may have and no others, as ``schemas/order.xsd`` has them.
ALLOWED: Mapping[str, tuple[str, ...]] = {
    "status": ("new", "confirmed", "paid", "shipped", "completed", "cancelled", "refunded"),
    "paid": ("unpaid", "partly", "paid"),
    "service": ("branch", "locker", "courier", "pickup", "other"),
    "party": ("person", "company"),
}
_YES, _NO = frozenset({"true", "1"}), frozenset({"false", "0"})
_EXAMPLE = "2026-11-28T14:05:00"
_SHOWN = 60  #: characters of a wrong value that a message repeats


@dataclass(frozen=True, slots=True)
class Ways:
    """How values are written where a rule does not say it itself."""

    numbers: NumberStyle
    dates: tuple[str, ...]
    zone: ZoneInfo
    yes: tuple[str, ...] = ()
    no: tuple[str, ...] = ()
    region: str = "UA"


def plain_value(kind: KindName, text: str, zone: ZoneInfo) -> Any:
    """The value that a setting writes plainly. Raises Wrong."""
    return typed(kind, text, Ways(PLAIN, ("iso",), zone, yes=("yes",), no=("no",)))


def converted(rule: Rule, kind: KindName, words: str, ways: Ways, *, number: bool) -> Any:
    """What a value of the file becomes. ``number``: it stands there as a number of the file's own (JSON).

    Raises Wrong, whose text is about the value as it stood in the file.
    """
    text = words
    for step in rule.convert:
        if step.kind == "text":
            text = step.text(text, ways.region)
    if rule.table:
        found = _looked_up(rule, text)
        if found is not None:
            return plain_value(kind, found, ways.zone)
    if number and kind in ("decimal", "percent") and text == words:
        return _json_number(words)
    return typed(kind, text, _ways_of(rule, ways))


def _looked_up(rule: Rule, text: str) -> str | None:
    """The value that the table gives; None when it has none and ``keep`` lets it stay. Raises Wrong."""
    folded = text.casefold()
    for key, value in rule.table.items():
        if key.casefold() == folded:
            return value
    for key, value in rule.table.items():
        if "*" in key and _pattern(key).fullmatch(folded):
            return value
    if rule.keep:
        return None
    known = ", ".join(list(rule.table)[:20])
    raise Wrong(
        T("the table of the mapping does not have it"),
        T("Add it to the `table` of this field; known are: {known}.", known=known),
    )


@lru_cache(maxsize=1024)
def _pattern(key: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in key.casefold().split("*")), re.DOTALL)


def _ways_of(rule: Rule, ways: Ways) -> Ways:
    number, day, flag = rule.last("number"), rule.last("date"), rule.last("flag")
    if number is None and day is None and flag is None:
        return ways
    dates = ways.dates
    if day is not None:
        dates = (day.dates,) if isinstance(day.dates, str) else day.dates
    return Ways(
        numbers=number.numbers if number is not None and number.numbers else ways.numbers,
        dates=dates,
        zone=ZoneInfo(day.timezone) if day is not None and day.timezone else ways.zone,
        yes=flag.yes if flag is not None else ways.yes,
        no=flag.no if flag is not None else ways.no,
        region=ways.region,
    )


def typed(kind: KindName, text: str, ways: Ways) -> Any:
    """``text`` as the value of a field of this kind. Raises Wrong."""
    match kind:
        case "decimal" | "percent":
            return _number(text.removesuffix("%").rstrip() if kind == "percent" else text, ways.numbers)
        case "moment":
            return _moment(text, ways)
        case "day":
            return _moment(text, ways).date()
        case "flag":
            return _flag(text, ways)
        case "currency":
            return currency_of(text)
        case "status":
            return text  # what is no status of ours is asked for by the import step
        case "paid" | "service" | "party":
            return _one_of(text, ALLOWED[kind])
        case "text" | "note":
            return text


def _number(text: str, style: NumberStyle) -> Decimal:
    number = parse_number(text, style)
    if number is None:
        raise Wrong(
            T("it is no number as {example}", example=style),
            T("Write the number so, or say how numbers are written there (`numbers`)."),
        )
    return number


def _json_number(words: str) -> Decimal:
    number = Decimal(words) if len(words) <= 40 else Decimal("NaN")
    # an exponent makes numbers of any size out of a few characters
    if not number.is_finite() or (number and abs(number.adjusted()) > 30) or -int(number.as_tuple().exponent) > 30:
        raise Wrong(T("it is no number of an order"))
    return number if int(number.as_tuple().exponent) <= 0 else number.quantize(Decimal(1))


def _moment(text: str, ways: Ways) -> datetime:
    moment = parse_date(text, ways.dates, ways.zone)
    if moment is None:
        example = _EXAMPLE if ways.dates == ("iso",) else ", ".join(ways.dates)
        raise Wrong(
            T("it is no date as {example}, of the years {first} to {last}", example=example, **_years()),
            T("Write the date so, or say how dates are written there (`dates`)."),
        )
    return moment


def _years() -> dict[str, int]:
    return {"first": YEARS[0], "last": YEARS[-1]}


def _flag(text: str, ways: Ways) -> bool:
    word = text.casefold()
    yes = _YES | {one.casefold() for one in ways.yes}
    no = _NO | {one.casefold() for one in ways.no}
    if word in yes:
        return True
    if word in no or (ways.yes and not ways.no):
        return False
    raise Wrong(
        T("it is neither yes nor no; known are {words}", words=", ".join(sorted(yes | no))),
        T("Name the words in `yes` and `no`."),
    )


def _one_of(text: str, allowed: tuple[str, ...]) -> str:
    word = text.casefold()
    if word not in allowed:
        raise Wrong(
            T("it is none of {words}", words=", ".join(allowed)),
            T("Give the field a `table`: what the file says -> one of these words."),
        )
    return word


def shown(words: str) -> str:
    """A value as a message repeats it."""
    line = " ".join(words.split())
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"


def check_plain(kind: KindName, value: str) -> tuple[Text, Text | None] | None:
    """What is wrong with a value that a setting writes plainly; None when nothing is."""
    if kind in ALLOWED and value not in ALLOWED[kind]:
        words = {
            "status": T("`{value}` is no status of an order.", value=value),
            "paid": T("`{value}` is no status of a payment.", value=value),
            "service": T("`{value}` is no kind of delivery.", value=value),
            "party": T("`{value}` is no kind of customer.", value=value),
        }
        return words[kind], T("Known: {names}.", names=", ".join(ALLOWED[kind]))
    if kind == "currency" and not re.fullmatch(r"[A-Z]{3}", value):
        return T("`{value}` is no code of a currency.", value=value), T("Write the three letters of ISO 4217: UAH.")
    try:
        plain_value(kind, value, ZoneInfo("UTC"))
    except Wrong:
        match kind:
            case "decimal" | "percent":
                return T("`{value}` is no number.", value=value), T("Write it with a point, without blanks: 1240.50.")
            case "flag":
                return T("`{value}` is neither true nor false.", value=value), T("Write `true` or `false`.")
            case _:
                return T("`{value}` is no date.", value=value), T("Write it as 2026-11-28 or 2026-11-28T14:05:00.")
    return None
