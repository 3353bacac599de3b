"""Words for people, and values for JSON, that every list and story is made of."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

from pipeline.errors import Finding, Where, Who
from pipeline.texts import T, Text

WHO: Mapping[Who, Text] = {
    Who.SITE: T("the site's developer"),
    Who.ACCOUNTANT: T("the accountant"),
    Who.ADMIN: T("the administrator"),
    Who.US: T("Mistok's developers"),
}


def where(place: Where) -> str:
    """``file:line:column element`` as editors understand it, with the order in words."""
    head = place.file or ""
    if place.line:
        head += f":{place.line}" if head else str(T("line {line}", line=place.line))
        if place.column:
            head += f":{place.column}"
    parts = [head, place.element or ""]
    if place.order:
        parts.append(f"№{place.order}")
    if place.order_line:
        parts.append(str(T("item {number}", number=place.order_line)))
    return " ".join(part for part in parts if part)


def place_of(finding: Finding) -> str:
    """The same for a line that begins with it: nothing where the words themselves begin with that very article."""
    place, element = where(finding.where), finding.where.element
    return "" if element and place == element and str(finding.text).startswith(element) else place


def where_short(place: Where) -> str:
    """``line 12: `` or nothing, for a column beside the file's name."""
    return f"{T('line {line}', line=place.line)}: " if place.line else ""


def finding_row(finding: Finding) -> dict[str, Any]:
    """A finding for --json: code, words in the language in use, place, who mends it."""
    return {
        "code": finding.code,
        "text": str(finding.text),
        "hint": str(finding.hint) if finding.hint else None,
        "who": str(finding.who),
        **finding.where.to_json(),
    }


def jsonable(value: Any) -> Any:
    """Values of tables as JSON: exact decimals as strings, times in ISO form."""
    match value:
        case Finding():
            return finding_row(value)
        case Decimal() | Path() | Text():
            return str(value)
        case datetime() | date():
            return value.isoformat()
        case Enum():
            return value.value
        case Mapping():
            return {str(key): jsonable(one) for key, one in value.items()}
        case list() | tuple() | set() | frozenset():
            return [jsonable(one) for one in value]
        case _:
            return value


def cell(value: Any) -> str:
    """One value for a person."""
    from pipeline.texts import show_date, show_datetime, show_decimal

    match value:
        case None:
            return ""
        case Decimal():
            return show_decimal(value)
        case datetime():
            return show_datetime(value)
        case date():
            return show_date(value)
        case list() | tuple():
            return ", ".join(cell(one) for one in value)
        case _:
            return str(value)


def size_words(size: int) -> str:
    """Bytes as people say them: ``1.5 MB``."""

    def tenths(unit: int) -> str:
        return cell((Decimal(size) / unit).quantize(Decimal("0.1")))

    if size >= 10**9:
        return str(T("{n} GB", n=tenths(10**9)))
    if size >= 10**6:
        return str(T("{n} MB", n=tenths(10**6)))
    if size >= 10**3:
        return str(T("{n} KB", n=tenths(10**3)))
    return str(T("{n} B", n=size))


OUTCOMES: Mapping[str, Text] = {
    "created": T("document made"),
    "known": T("known already"),
    "held": T("held: waits for a person"),
    "changed": T("came again with other content"),
    "amended": T("document amended"),
    "cancelled": T("document marked cancelled"),
    "shipped": T("shipment made"),
    "returned": T("return made"),
    "paid": T("payment noted"),
    "restated": T("status set"),
    "ignored": T("other content ignored, as the config says"),
    "older": T("older than what is known: left as it is"),
    "rejected-again": T("rejected before: left as it is"),
    "quarantined": T("quarantined"),
    "waiting": T("not complete yet"),
    "failed": T("failed, will be tried again"),
    "nothing": T("nothing to do"),
    "in_doubt": T("in doubt, is being looked up"),
    "later": T("to be tried later"),
}


def counts_line(counts: Mapping[str, int]) -> str:
    """``12 files · 10 document made …`` in the language in use."""
    from pipeline.flow import COUNT_WORDS

    words = [f"{COUNT_WORDS.get(word, word)}: {n}" for word, n in counts.items() if n]
    return " · ".join(words) if words else str(T("nothing new"))
