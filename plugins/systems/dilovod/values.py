"""Single values of Dilovod's JSON: decimal texts, flags ``"0"`` and ``"1"``, links in three shapes, local times. Pure.

Nothing here guesses: what is not of a known shape is None or empty, and whoever asks decides what that means.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from pipeline.api import JsonRow, json_flag, json_number, json_part, json_rows, json_text

Row = JsonRow
number = json_number
flag = json_flag
rows = json_rows
part = json_part

#: All of Dilovod's times are local ones of Kyiv, without a zone.
KYIV = ZoneInfo("Europe/Kyiv")
ZERO = Decimal(0)
LANGUAGES = ("uk", "ru")
#: What stands in place of a name that the role may not read; the id is valid all the same.
RESTRICTED = "[access restricted]"

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d)?", re.ASCII)
_IDENT = re.compile(r"\d{1,20}", re.ASCII)
_TAGS = re.compile(r"(?is)<(script|style)\b.*?</\1>|<[^>]*>")


def text(value: object) -> str:
    """A text, or a number as one; "" for null, for what is restricted, and for what is none."""
    return "" if value == RESTRICTED else json_text(value)


def link(value: object) -> str:
    """The id in a link: ``"1100300000001001"``, the number, or ``{"id": …, "pr": …}``; "" for an empty one."""
    if isinstance(value, Mapping):
        value = value.get("id")
    found = text(value).strip()
    return found if _IDENT.fullmatch(found) and found.strip("0") else ""


def named(value: object, language: str = "uk") -> str:
    """A name: a text, or one of ``{"uk": …, "ru": …}``, in another language where that one has none."""
    if not isinstance(value, Mapping):
        return text(value).strip()
    found = [text(value.get(one)).strip() for one in (language, *LANGUAGES)]
    return next(filter(None, found), "")


def name_in(row: Row, alias: str, language: str) -> str:
    """A name of a query's row: its columns by language, or the one of the account's language."""
    found = [text(row.get(f"{alias}__{one}")).strip() for one in (language, *LANGUAGES)]
    return next(filter(None, found), "") or named(row.get(alias), language)


def both(name: str) -> dict[str, str]:
    """A name as it is written: the same in each language, so that it shows in every account."""
    return dict.fromkeys(LANGUAGES, name)


def moment(value: object) -> datetime | None:
    """``2026-11-22 14:00:00``, of Kyiv, as an aware moment. None for an empty date and for anything else."""
    if not isinstance(value, str) or not _MOMENT.fullmatch(value.strip()):
        return None
    try:
        return datetime.fromisoformat(value.strip()).replace(tzinfo=KYIV)
    except ValueError:  # 0000-00-00
        return None


def stamp(at: datetime) -> str:
    """A moment as attributes and filters take it."""
    return at.astimezone(KYIV).strftime("%Y-%m-%d %H:%M:%S")


def plain(words: str) -> str:
    """Words of an error without the HTML that some of them have."""
    import html

    return " ".join(html.unescape(_TAGS.sub(" ", words)).split())
