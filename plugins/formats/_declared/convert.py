"""Converters: what is done to a text before it becomes the value of a field, each a word or a mapping in the YAML."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, GetJsonSchemaHandler, field_validator, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from pipeline.api import Settings, T, Text, full_name, phone, tidy
from plugins.formats._declared.numbers import NumberStyle

Word = Literal[
    "upper",
    "lower",
    "digits",
    "phone",
    "last-name",
    "first-name",
    "middle-name",
    "currency",
    "money",
    "percent",
    "positive",
    "html",
]
WORDS: tuple[str, ...] = get_args(Word)
#: Directives of strptime that mean the same on every machine.
_DIRECTIVES = frozenset("YymdHMSfz%")
_NAMED = ("iso", "unix", "unix-ms")
#: The least and the most that is a year of an order.
YEARS = range(1970, 2200)

#: Words and signs for currencies, without case and points; the codes of ISO 4217 themselves need no entry.
CURRENCIES: Mapping[str, str] = {
    "₴": "UAH", "грн": "UAH", "гривня": "UAH", "гривні": "UAH", "гривень": "UAH", "гривна": "UAH", "гривен": "UAH",
    "гривны": "UAH", "hrn": "UAH", "grn": "UAH",
    "$": "USD", "дол": "USD", "долар": "USD", "долари": "USD", "доларів": "USD", "доллар": "USD", "долларов": "USD",
    "€": "EUR", "євро": "EUR", "евро": "EUR", "euro": "EUR",
    "zł": "PLN", "зл": "PLN", "злотий": "PLN", "злотих": "PLN", "злотых": "PLN",
    "£": "GBP",
}  # fmt: skip
_CURRENCY_WORD = re.compile(r"[₴$€£]|[^\W\d_]+", re.UNICODE)
_AMOUNT = 80  #: characters of an amount with its currency; a longer text is none
_AROUND = re.compile(r"^(?:[₴$€£]|[^\W\d_]+\.?)?\s*(.*?)\s*(?:[₴$€£]|[^\W\d_]+\.?)?$", re.DOTALL)


class Wrong(ValueError):
    """A value cannot be what it should; carries the words for people: what is wrong, what to do, where it stands."""

    def __init__(self, text: Text, hint: Text | None = None, at: Any = None) -> None:
        super().__init__(text, hint)
        self.text = text
        self.hint = hint
        self.at = at


def or_shorter(mapping: JsonSchemaValue, *shorter: JsonSchemaValue) -> None:
    """For editors: what may stand in the place of a mapping, beside it."""
    inner = dict(mapping)
    meaning = inner.pop("description", "")
    mapping.clear()
    mapping.update({"description": meaning, "anyOf": [*shorter, inner]})


class Convert(Settings):
    """One step on the way from what a file says to a value."""

    takes = T("a word, or a mapping of keys")

    to: Word | None = None
    """A word: `upper`, `lower`, `digits` (only these are kept), `phone` (+380…), `last-name`, `first-name` and
    `middle-name` (of a full name), `currency` (грн → UAH), `money` (drops the currency beside a number), `percent`
    (drops the sign), `positive` (drops a minus), `html` (drops tags and entities). The word alone is enough."""
    regex: str | None = None
    """A regular expression that the value must hold; the value becomes its `group`."""
    group: int | str | None = None
    """Number or name of the group of `regex`; the first one, or the whole find where there is none."""
    replace: dict[str, str] = Field(default_factory=dict)
    """What is replaced by what, in the order given."""
    strip: str = ""
    """Characters that are taken off both ends, such as `№# `."""
    numbers: NumberStyle | None = None
    """How this number is written, by an example; `1 234,56` has blanks between thousands and a decimal comma."""
    dates: str | tuple[str, ...] = ()
    """How this date is written: `iso`, `unix` (seconds), `unix-ms`, or a pattern such as `%d.%m.%Y %H:%M`; the first
    of several that fits is taken."""
    timezone: str = ""
    """Time zone of this date, such as `UTC`; the client's by default."""
    yes: tuple[str, ...] = ()
    """Words that mean yes, besides `true` and `1`; without `no`, everything else means no."""
    no: tuple[str, ...] = ()
    """Words that mean no, besides `false` and `0`."""

    @model_validator(mode="before")
    @classmethod
    def _word_alone(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        if value not in WORDS:
            raise unknown(T("`{name}` is no converter.", name=value), value, [*WORDS, *cls.model_fields])
        return {"to": value}

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """For editors: a word, or the mapping."""
        whole = super().__get_pydantic_json_schema__(schema, handler)
        or_shorter(handler.resolve_ref_schema(whole), {"enum": list(WORDS)})
        return whole

    @field_validator("regex")
    @classmethod
    def _regex_compiles(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                re.compile(value)
            except re.error as error:
                raise ValueError(
                    T("`{regex}` is no regular expression: {words}.", regex=value, words=str(error))
                ) from error
        return value

    @field_validator("dates")
    @classmethod
    def _dates_known(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        return check_dates(value)

    @field_validator("timezone")
    @classmethod
    def _zone_known(cls, value: str) -> str:
        return check_zone(value)

    @model_validator(mode="after")
    def _one_thing(self) -> Convert:
        ways = ("to", "regex", "replace", "strip", "numbers", "dates")
        given = [name for name in ways if getattr(self, name)]
        if self.yes or self.no:
            given.append("yes")
        if len(given) != 1:
            raise ValueError(
                T("A converter is one of `to`, `regex`, `replace`, `strip`, `numbers`, `dates`, `yes` and `no`."),
                T("Write several as a list: `[digits, {example}]`.", example='{regex: "^38(.*)"}'),
            )
        if self.group is not None:
            self._check_group(self.group)
        if self.timezone and not self.dates:
            raise ValueError(T("`timezone` belongs to `dates`."))
        return self

    def _check_group(self, group: int | str) -> None:
        if self.regex is None:
            raise ValueError(T("`group` belongs to `regex`."))
        compiled = re.compile(self.regex)
        known = compiled.groupindex if isinstance(group, str) and not group.isdigit() else range(compiled.groups + 1)
        if (int(group) if isinstance(group, str) and group.isdigit() else group) not in known:
            raise ValueError(T("`{regex}` has no group {group}.", regex=self.regex, group=str(group)))

    @property
    def kind(self) -> str:
        """``number``, ``date`` or ``flag`` for what says how a value is written; ``text`` for what changes a text."""
        return "number" if self.numbers else "date" if self.dates else "flag" if self.yes or self.no else "text"

    def text(self, words: str, region: str) -> str:
        """What becomes of a text. Raises Wrong."""
        if self.to is not None:
            return _TEXTS[self.to](words, region)
        if self.regex is not None:
            found = re.search(self.regex, words)
            if found is None:
                raise Wrong(T("it is not of the form {regex}", regex=self.regex))
            group = int(self.group) if isinstance(self.group, str) and self.group.isdigit() else self.group
            return str(found[(1 if found.re.groups else 0) if group is None else group] or "").strip()
        for old, new in self.replace.items():
            words = words.replace(old, new)
        return words.strip(self.strip) if self.strip else words


def unknown(text: Text, name: str, known: list[str]) -> ValueError:
    """An error about a name that is none of ``known``, with the nearest of them."""
    near = get_close_matches(name, known, n=1)
    if near:
        return ValueError(text, T("Did you mean `{name}`?", name=near[0]))
    return ValueError(text, T("Known: {names}.", names=", ".join(known)))


def check_dates(value: str | tuple[str, ...]) -> str | tuple[str, ...]:
    """Raises ValueError for a pattern that no date can be read by, or not on every machine."""
    for pattern in (value,) if isinstance(value, str) else value:
        if not pattern or pattern in _NAMED:
            continue
        directives = set(re.findall(r"%(.?)", pattern, re.DOTALL))
        if "%" not in pattern or directives - _DIRECTIVES:
            raise ValueError(
                T("`{pattern}` is no pattern of a date.", pattern=pattern),
                T("Write `iso`, `unix`, `unix-ms`, or one such as `%d.%m.%Y %H:%M`."),
            )
        if not directives & set("Yy") or not {"m", "d"} <= directives:
            raise ValueError(
                T("`{pattern}` has no day, month and year.", pattern=pattern),
                T("Write `iso`, `unix`, `unix-ms`, or one such as `%d.%m.%Y %H:%M`."),
            )
    return value


def check_zone(value: str) -> str:
    """Raises ValueError for a time zone that is not known."""
    if value:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(
                T("There is no time zone {name}.", name=value), T("Write it such as {example}", example="Europe/Kyiv")
            ) from error
    return value


def parse_date(words: str, patterns: tuple[str, ...], zone: ZoneInfo) -> datetime | None:
    """The moment that ``words`` are by the first of ``patterns`` that fits, in ``zone`` unless they say another."""
    for pattern in patterns:
        found = _by_pattern(words, pattern)
        if found is not None:
            moment = found if found.tzinfo else found.replace(tzinfo=zone)
            return moment if moment.year in YEARS else None
    return None


def _by_pattern(words: str, pattern: str) -> datetime | None:
    try:
        if pattern == "iso":
            return datetime.fromisoformat(words)
        if pattern in ("unix", "unix-ms"):
            if not re.fullmatch(r"[0-9]{1,13}", words):
                return None
            seconds, rest = divmod(int(words), 1000) if pattern == "unix-ms" else (int(words), 0)
            return datetime.fromtimestamp(seconds, ZoneInfo("UTC")).replace(microsecond=rest * 1000)
        return _strptime(words, pattern)
    except (ValueError, OverflowError, OSError):
        return None


def _strptime(words: str, pattern: str) -> datetime:
    return datetime.strptime(words, pattern)  # noqa: DTZ007 - the zone is given by whoever asked


@lru_cache(maxsize=512)
def currency_of(words: str) -> str:
    """``грн.``, ``₴`` or ``uah`` -> ``UAH``; what is not known stays as it is, in capitals where it is a code."""
    plain = words.strip()
    known = {CURRENCIES[word] for word in _CURRENCY_WORD.findall(plain.casefold()) if word in CURRENCIES}
    if len(known) == 1:
        return known.pop()
    return plain.upper() if re.fullmatch(r"[A-Za-z]{3}", plain) else plain


def _currency(words: str, _region: str) -> str:
    found = currency_of(words)
    if re.fullmatch(r"[A-Z]{3}", found):
        return found
    codes: set[str] = set(re.findall(r"\b[A-Z]{3}\b", words))
    if len(codes) == 1:
        return codes.pop()
    raise Wrong(T("no currency is known by it"), T("Put it into a `table`: what the file says -> code of ISO 4217."))


def _money(words: str, _region: str) -> str:
    found = _AROUND.fullmatch(words.strip()) if len(words) <= _AMOUNT else None
    return str(found[1]) if found else words


def _percent(words: str, _region: str) -> str:
    return words.strip().removesuffix("%").rstrip().removeprefix("%").lstrip()


def _html(words: str, _region: str) -> str:
    return tidy(html.unescape(re.sub(r"<[^<>]*>", " ", words)))


_TEXTS: Mapping[Any, Callable[[str, str], str]] = {
    "upper": lambda words, _region: words.upper(),
    "lower": lambda words, _region: words.lower(),
    "digits": lambda words, _region: re.sub(r"[^0-9]", "", words),
    "phone": lambda words, region: phone(words, region) or words,
    "last-name": lambda words, _region: full_name(words)[0],
    "first-name": lambda words, _region: full_name(words)[1],
    "middle-name": lambda words, _region: full_name(words)[2],
    "currency": _currency,
    "money": _money,
    "percent": _percent,
    "positive": lambda words, _region: words.strip().removeprefix("-").removeprefix("\u2212").strip(),
    "html": _html,
}
