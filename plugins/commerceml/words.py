"""The small change of CommerceML: its root, local names, numbers, flags, currencies and ids. Pure.

Facts: versions 2.03 to 2.10 as their samples show them. The namespace ``urn:1C.ru:commerceml_2`` stands in some of them
only, so that names are compared without it; numbers come with a comma and no-break spaces; currencies as ``грн``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from pipeline.api import Finding, Rejected, T, Where, parse_xml, verbatim

NAMESPACE = "urn:1C.ru:commerceml_2"
ROOT = "КоммерческаяИнформация"
MAX_SIZE = 200_000_000  #: bytes; a catalogue of a hundred thousand goods with its texts
MAX_NODES = 5_000_000
_GUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")
_DIGITS = 40  # a number written longer is none
_CONTROL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_CURRENCIES = {
    "UAH": ("грн", "₴", "980", "гривня", "гривна"),
    "RUB": ("руб", "rur", "643", "810", "₽"),
    "USD": ("дол", "долл", "$", "840"),
    "EUR": ("євро", "евро", "€", "978"),
    "PLN": ("зл", "злотий", "985"),
}
_ALIASES = {alias: code for code, aliases in _CURRENCIES.items() for alias in aliases}
_YES, _NO = {"true", "1", "да", "так", "истина"}, {"false", "0", "нет", "ні", "ложь"}


class BadValue(Exception):
    """A value that cannot be what its element is; ``args[0]`` is a Text."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """A file of CommerceML 2. Elements have plain names, without a namespace."""

    root: Any
    file: str
    version: str  #: ``ВерсияСхемы``; empty where it is not said
    formed: str  #: ``ДатаФормирования`` as it is written
    encoding: str
    notes: tuple[Finding, ...]

    def where(self, element: Any, *, order: str | None = None) -> Where:
        """The place of an element."""
        return Where(self.file, element.sourceline, None, str(element.tag), order)


def open_file(data: bytes, file: str, *, default_encoding: str | None = None, max_size: int = MAX_SIZE) -> Parsed:
    """A file as a tree. Raises Rejected: as ``parse_xml`` does, for another root, and for CommerceML 1."""
    from lxml import etree

    found = parse_xml(
        data, file=file, default_encoding=default_encoding, max_size=max_size, max_depth=200, max_nodes=MAX_NODES
    )
    root = found.root
    for element in root.iter():
        element.tag = str(element.tag).rpartition("}")[2]
    etree.cleanup_namespaces(root)
    where = Where(file, root.sourceline, None, str(root.tag))
    if root.tag != ROOT:
        raise Rejected(
            T("This is XML, but no CommerceML: it begins with <{name}>.", name=str(root.tag)),
            code="wrong-root",
            where=where,
            hint=T("A file of the exchange begins with <{name}>.", name=ROOT),
        )
    if any(child.get("Идентификатор") is not None for child in root):
        raise Rejected(
            T("This is CommerceML 1, as 1C 7.7 writes it; versions 2.03 to 2.10 are read."),
            code="version",
            where=where,
            hint=T("Set the exchange of the accounting program to CommerceML 2."),
        )
    version, formed = root.get("ВерсияСхемы", "").strip(), root.get("ДатаФормирования", "").strip()
    return Parsed(root, file, version, formed, found.encoding, found.notes)


# --- elements --------------------------------------------------------------------------------------------------------


def child(parent: Any, *names: str) -> Any:
    """The first child with one of ``names``, in their order; None where there is none."""
    if parent is not None:
        for name in names:
            for found in parent.iterchildren(name):
                return found
    return None


def children(parent: Any, path: str) -> Iterator[Any]:
    """All elements at ``a/b`` below ``parent``: every ``b`` in every ``a``."""
    name, _, rest = path.partition("/")
    for found in parent.iterchildren(name) if parent is not None else ():
        if rest:
            yield from children(found, rest)
        else:
            yield found


def words(element: Any) -> str:
    """The text of an element without blanks around; newlines inside stay. Also of one with elements before its text."""
    if element is None:
        return ""
    return "".join([element.text or "", *((one.tail or "") for one in element)]).strip()


def text(parent: Any, *names: str) -> str:
    """The text of the first child with one of ``names``, in one line; empty where there is none."""
    return " ".join(words(child(parent, *names)).split())


def requisites(element: Any) -> dict[str, list[str]]:
    """``ЗначенияРеквизитов``: name -> values."""
    found: dict[str, list[str]] = {}
    for one in children(element, "ЗначенияРеквизитов/ЗначениеРеквизита"):
        values = [said for value in one.iterchildren("Значение") if (said := words(value))]
        if name := text(one, "Наименование"):
            found.setdefault(name, []).extend(values)
    return found


# --- values ----------------------------------------------------------------------------------------------------------


def ident(raw: str) -> str:
    """An ``Ид`` as it is compared: trimmed, GUIDs in it in small letters; anything else is opaque."""
    return _GUID.sub(lambda found: found[0].lower(), raw.strip())


def number(raw: str) -> Decimal | None:
    """``1 234,50`` -> 1234.50; nothing -> None. Raises BadValue."""
    clean = re.sub(r"[\s\u00a0\u202f']", "", raw)
    if not clean:
        return None
    point, comma = clean.rfind("."), clean.rfind(",")
    if point >= 0 and comma >= 0:  # the last of them divides
        clean = clean.replace("," if point > comma else ".", "")
    clean = clean.replace(",", ".")
    if len(clean) > _DIGITS or not _NUMBER.fullmatch(clean):
        raise BadValue(T("{cell} is not a number.", cell=raw.strip()[:40]))
    value = Decimal(clean)
    return value or abs(value)


def flag(raw: str) -> bool | None:
    """``true``, ``1``, ``Да``, ``так`` … -> True; anything that is no flag is None."""
    said = raw.strip().casefold()
    return True if said in _YES else False if said in _NO else None


def currency(raw: str, default: str = "") -> str:
    """ISO 4217 of a currency as 1C names it (``грн.``, ``980``, ``UAH``); nothing: ``default``. Raises BadValue."""
    said = raw.strip().rstrip(".").casefold()
    if not said:
        return default
    if said in _ALIASES:
        return _ALIASES[said]
    if re.fullmatch(r"[a-z]{3}", said):
        return said.upper()
    raise BadValue(T("{value} is not a currency code such as UAH.", value=raw.strip()[:40]))


def moment(day: str, hour: str = "") -> datetime | None:
    """``2026-11-22`` and ``10:15:00`` as a wall-clock time (naive); nothing: None. Raises BadValue."""
    said = day.strip().replace(" ", "T")
    if not said:
        return None
    try:
        found = datetime.fromisoformat(said)
        if "T" not in said and hour.strip():
            found = datetime.combine(date.fromisoformat(said), time.fromisoformat(hour.strip()))
    except ValueError:
        raise BadValue(
            T("{cell} is not a date such as 2026-01-31 14:05:00.", cell=f"{day} {hour}".strip()[:40])
        ) from None
    if not 1970 <= found.year < 2200:
        raise BadValue(T("{cell} is not a date such as 2026-01-31 14:05:00.", cell=said[:40]))
    return found


def clean(raw: str) -> str:
    """``raw`` without the characters that XML cannot hold."""
    return _CONTROL.sub("", raw)


def said(error: BadValue) -> Any:
    """Its words."""
    return error.args[0] if error.args else verbatim("?")
