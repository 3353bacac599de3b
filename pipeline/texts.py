"""Texts for people: made once as values, rendered in the reader's language when shown.

A text is kept as its English pattern plus named arguments, so a card written by a night run in Ukrainian can be read by
support in English. Patterns are marked with ``T("…")`` (or ``TN`` for plurals), which is what the extraction finds; the
Ukrainian catalogue is ``pipeline/locales/uk/LC_MESSAGES/mistok.po`` and a test fails on a missing message.

This module is the lowest of all: everything may import it.
"""

from __future__ import annotations

import gettext
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, localcontext
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, Union

LANGUAGES = ("uk", "en")
_LOCALES = Path(__file__).with_name("locales")
_current: ContextVar[str] = ContextVar("mistok_language", default="en")
_hide: ContextVar[Callable[[str], str] | None] = ContextVar("mistok_hide", default=None)

#: What a text may carry. Decimals and datetimes are formatted for the reader's language when rendered.
Arg = Union[str, int, Decimal, datetime, date, "Text"]


@dataclass(frozen=True, slots=True)
class Text:
    """A message for a person: English pattern with ``{named}`` fields, and their values.

    ``str(text)`` renders in the current language (:func:`use_language`); :meth:`render` in a given one.
    """

    msgid: str
    args: tuple[tuple[str, Arg], ...] = ()
    plural: tuple[str, int] | None = None

    def render(self, language: str | None = None) -> str:
        """The text in ``language`` (``uk`` or ``en``; the current one when None)."""
        language = language or _current.get()
        catalogue = _catalogue(language)
        if self.plural is None:
            pattern = catalogue.gettext(self.msgid) if self.msgid else ""
        else:
            pattern = catalogue.ngettext(self.msgid, *self.plural)
        return pattern.format_map({name: _show(value, language) for name, value in self.args}) if self.args else pattern

    def __str__(self) -> str:
        return self.render()

    def to_json(self) -> dict[str, Any]:
        """A JSON-able form that :meth:`from_json` reads back exactly."""
        data: dict[str, Any] = {"t": self.msgid}
        if self.args:
            data["a"] = {name: _pack(value) for name, value in self.args}
        if self.plural:
            data["p"] = list(self.plural)
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Text:
        """The text that :meth:`to_json` wrote."""
        plural = data.get("p")
        return cls(
            data["t"],
            tuple((name, _unpack(value)) for name, value in data.get("a", {}).items()),
            (plural[0], plural[1]) if plural else None,
        )


def T(msgid: str, /, **args: Arg) -> Text:  # noqa: N802 - the short name that stands for gettext's underscore
    """Mark and make a text: ``T("Product {sku} is not in {system}", sku=sku, system=name)``."""
    return Text(msgid, tuple(args.items()))


def TN(singular: str, plural: str, n: int, /, **args: Arg) -> Text:  # noqa: N802 - see T
    """A text with a number: ``TN("{n} order", "{n} orders", 3)``; ``n`` is given to the pattern as well."""
    return Text(singular, (("n", n), *args.items()), (plural, n))


def verbatim(words: str) -> Text:
    """Words that are not ours to translate (a server's answer, a parser's message, a person's reason)."""
    return Text("{words}", (("words", words),))


def use_language(language: str) -> None:
    """Set the language that ``str(text)`` uses from here on in this thread or task."""
    _current.set(language if language in LANGUAGES else "en")


def current_language() -> str:
    """The language in use here: ``uk`` or ``en``."""
    return _current.get()


def hide_from_now_on(how: Callable[[str], str]) -> None:
    """Pass every word that texts carry through ``how`` (which takes secrets out), when they are shown or stored."""
    _hide.set(how)


@contextmanager
def hiding(how: Callable[[str], str]) -> Iterator[None]:
    """The same for as long as the block runs."""
    before = _hide.set(how)
    try:
        yield
    finally:
        _hide.reset(before)


def show_decimal(value: Decimal, language: str | None = None) -> str:
    """``Decimal("1240.50")`` -> ``1 240,50`` in Ukrainian, ``1,240.50`` in English: never fewer digits than given."""
    from babel.numbers import format_decimal

    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or abs(value.adjusted()) > 40 or exponent < -40:
        return str(value)  # no number that people write; it may be a hostile one
    pattern = "#,##0" + ("." + "0" * -exponent if exponent < 0 else "")
    with localcontext(prec=100):  # babel quantizes, which fails on more digits than the context has (28)
        return str(format_decimal(value, format=pattern, locale=language or _current.get()))


def show_datetime(value: datetime, language: str | None = None) -> str:
    """An aware datetime as people write it: ``22.11.2026, 14:05`` in Ukrainian."""
    from babel.dates import format_datetime

    pattern = "dd.MM.yyyy, HH:mm" if (language or _current.get()) == "uk" else "yyyy-MM-dd HH:mm"
    # babel converts to UTC unless told the value's own zone
    return str(format_datetime(value, pattern, tzinfo=value.tzinfo, locale=language or _current.get()))


def show_date(value: date, language: str | None = None) -> str:
    """A day as people write it: ``22.11.2026`` in Ukrainian, ``2026-11-22`` in English."""
    return f"{value:%d.%m.%Y}" if (language or _current.get()) == "uk" else value.isoformat()


@cache
def _catalogue(language: str) -> gettext.NullTranslations:
    path = _LOCALES / language / "LC_MESSAGES" / "mistok.po"
    if language == "en" or not path.exists():
        return gettext.NullTranslations()
    state = path.stat()
    # beside Python's own compiled modules, and as they are: made anew when the source has changed, never in git
    kept = _LOCALES / "__pycache__" / f"{language}-{state.st_mtime_ns:x}-{state.st_size:x}.mo"
    try:
        with kept.open("rb") as compiled:
            return gettext.GNUTranslations(compiled)
    except (OSError, ValueError, UnicodeError, struct.error):  # not there yet, or damaged
        return gettext.GNUTranslations(BytesIO(_compiled(path, kept)))


def _compiled(path: Path, kept: Path) -> bytes:
    """The catalogue that people edit as gettext reads it, kept for the next process where that is allowed."""
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    with path.open("rb") as source:
        catalogue = read_po(source)
    out = BytesIO()
    write_mo(out, catalogue)
    data = out.getvalue()
    new = kept.with_suffix(f".{os.getpid()}.tmp")
    try:
        kept.parent.mkdir(exist_ok=True)
        new.write_bytes(data)
        new.replace(kept)
        for old in kept.parent.glob(f"{kept.name.partition('-')[0]}-*.mo"):
            if old != kept:
                old.unlink()
    except OSError:
        pass  # a folder of the system, or another process was there first: this one has it in memory
    return data


def _show(value: Arg, language: str) -> str:
    if isinstance(value, Text):
        return value.render(language)
    if isinstance(value, Decimal):
        return show_decimal(value, language)
    if isinstance(value, datetime):
        return show_datetime(value, language)
    if isinstance(value, date):
        return show_date(value, language)
    return _hidden(value) if isinstance(value, str) else str(value)


def _hidden(words: str) -> str:
    hide = _hide.get()
    return hide(words) if hide else words


def _pack(value: Arg) -> Any:
    if isinstance(value, str):  # as most are
        return _hidden(value)
    if isinstance(value, Text):
        return {"text": value.to_json()}
    if isinstance(value, Decimal):
        return {"dec": str(value)}
    if isinstance(value, datetime):
        return {"dt": value.isoformat()}
    if isinstance(value, date):
        return {"d": value.isoformat()}
    return value


def _unpack(value: Any) -> Arg:
    match value:
        case {"text": data}:
            return Text.from_json(data)
        case {"dec": digits}:
            return Decimal(digits)
        case {"dt": moment}:
            return datetime.fromisoformat(moment)
        case {"d": day}:
            return date.fromisoformat(day)
        case _:
            plain: str | int = value
            return plain
