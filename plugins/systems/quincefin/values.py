"""Single values of Quincefin's JSON: numbers that may be texts, references in two shapes, nulls, moments. Pure.

Nothing here guesses: what is not of a known shape is None, and whoever asks decides what that means.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from pipeline.api import JsonRow, json_id, json_number, json_rows, json_text

_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(?:\.\d{1,9})?(Z|[+-]\d\d:?\d\d)?)?", re.ASCII)
#: ``С`` (U+0421) in place of the Latin letter, as one edition of the article on contracts has it.
CYRILLIC_CURRENCY = "\u0421urrency"

Row = JsonRow
number = json_number
text = json_text
ident = json_id
rows = json_rows


def refers(value: object) -> int | None:
    """The id that a reference leads to: a bare id in contracts, ``{Id, Name}`` in bank receipts."""
    return ident(value.get("Id", value.get("ID"))) if isinstance(value, Mapping) else ident(value)


def named(value: object) -> str:
    """The name in a reference ``{Id, Name}``, or a text that is no id; "" where there is none."""
    if isinstance(value, Mapping):
        return text(value.get("Name")).strip()
    return value.strip() if isinstance(value, str) and ident(value) is None else ""


def flag(value: object) -> bool | None:
    """A yes or no, in any form that JSON has for it; None where nothing is said."""
    if value in (True, 1, "1", "true"):
        return True
    return False if value in (False, 0, "0", "false") else None


def own(row: Row) -> int | None:
    """The id of a record: ``Id``, or ``ID`` as one example has it."""
    return ident(row.get("Id", row.get("ID")))


def currency(row: Row) -> str:
    """The currency of a contract, in either spelling."""
    return text(row.get("Currency") or row.get(CYRILLIC_CURRENCY)).strip().upper()


def moment(value: object, zone: str = "UTC") -> datetime | None:
    """``2026-01-05T00:00:00Z``, aware. A ``Z`` is taken for an ornament where the account's zone is another."""
    found = _MOMENT.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        return None
    day, clock, offset = found.groups()
    try:
        if offset in (None, "Z"):
            return datetime.fromisoformat(f"{day}T{clock or '00:00:00'}").replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
        return datetime.fromisoformat(f"{day}T{clock}{offset}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def stamp(at: datetime, form: str, zone: str) -> str:
    """A moment as bodies and filters take it, by the settings ``dates`` and ``zone``."""
    local = at.astimezone(ZoneInfo(zone))
    return local.strftime("%Y-%m-%dT%H:%M:%SZ" if form == "moment" else "%Y-%m-%d")


def around(first: datetime, last: datetime, form: str, zone: str) -> dict[str, str]:
    """``DateFrom`` and ``DateTo`` that surely hold both moments: whether bounds belong to the range is not known, nor
    is the zone, so that the range is a day wider at either end."""
    day = timedelta(days=1)
    start, end = first.astimezone(ZoneInfo(zone)) - day, last.astimezone(ZoneInfo(zone)) + 2 * day
    ends = (one.replace(hour=0, minute=0, second=0, microsecond=0) for one in (start, end))
    return {name: stamp(one, form, zone) for name, one in zip(("DateFrom", "DateTo"), ends, strict=True)}


def flat(value: Any) -> Any:
    """A record as it is written back: references by their ids alone."""
    if isinstance(value, Mapping):
        if set(value) <= {"Id", "ID", "Name"} and refers(value) is not None:
            return refers(value)
        return {name: flat(one) for name, one in value.items()}
    return [flat(one) for one in value] if isinstance(value, list) else value
