"""Who was told of a notice on a PC of its own, what became of it there, and where else it was told: in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from pipeline.texts import T, Text


def told_rows(rows: Sequence[Mapping[str, Any]], zone: ZoneInfo) -> list[dict[str, Any]]:
    """Deliveries and escalations of one notice (of ``pipeline.ledger.pcs.of_notices``) for people and JSON."""

    def local(moment: datetime | None) -> datetime | None:
        return moment.astimezone(zone) if moment else None

    found: list[dict[str, Any]] = []
    for row in rows:
        if row["pc"] is None:
            found.append(
                {
                    "pc": None,
                    "channel": row["channel"],
                    "rule": row["rule"],
                    "state": row["state"],
                    "at": local(row["at"]),
                    "why": str(Text.from_json(row["why"])) if row["why"] else None,
                }
            )
        else:
            moments = {name: local(row[name]) for name in ("released", "shown", "clicked", "done")}
            found.append({"pc": row["pc"], **moments})
    return [{**row, "text": str(_words(row))} for row in found]


def _words(row: Mapping[str, Any]) -> Text:
    if row["pc"] is None:
        channel, rule = row["channel"], row["rule"]
        if row["state"] == "sent":
            return T("told by {channel}, as nobody had clicked ({rule})", channel=channel, rule=rule)
        words = T("to be told by {channel}, as nobody has clicked ({rule})", channel=channel, rule=rule)
        return T("{one}: {why}", one=words, why=row["why"]) if row["why"] else words
    pc = row["pc"]
    if row["done"]:
        return T("{pc}: done {when}", pc=pc, when=row["done"])
    if row["clicked"]:
        return T("{pc}: opened {when}", pc=pc, when=row["clicked"])
    if row["shown"]:
        return T("{pc}: shown {when}", pc=pc, when=row["shown"])
    if row["released"]:
        return T("{pc}: not there yet", pc=pc)
    return T("{pc}: held back until the quiet hours end", pc=pc)
