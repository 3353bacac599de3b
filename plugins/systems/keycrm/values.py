"""Single values of KeyCRM's JSON: numbers that may be texts, nulls, moments in two shapes. Pure.

Nothing here guesses: what is not of a known shape is None, and whoever asks decides what that means.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from pipeline.api import JsonRow, json_flag, json_id, json_number, json_part, json_rows, json_text

_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d:\d\d)(?:\.\d{1,9})?(Z|[+-]\d\d:?\d\d)?)?", re.ASCII)

Row = JsonRow
number = json_number
text = json_text
ident = json_id
flag = json_flag
rows = json_rows
part = json_part


def moment(value: object) -> datetime | None:
    """``2026-01-29T18:53:35.000000Z`` or ``2026-01-29 18:53:35``: all of KeyCRM's times are UTC. None for others."""
    found = _MOMENT.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        return None
    day, clock, zone = found.groups()
    zone = "+00:00" if zone in (None, "Z") else zone
    try:
        return datetime.fromisoformat(f"{day}T{clock or '00:00:00'}{zone}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def stamp(at: datetime) -> str:
    """A moment as bodies and filters take it: ``2026-01-29 18:53:35``, UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
