"""``mistok notices``: what people were told, or should have been, and why not."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from pipeline.cli import common
from pipeline.cli.orders import Limit, asked, cut
from pipeline.engine.shown.stories import NOTICE_STATES as STATES
from pipeline.engine.shown.told import told_rows
from pipeline.texts import T

if TYPE_CHECKING:
    from pipeline.ledger.store import Ledger


def notices(
    context: typer.Context,
    state: Annotated[
        str | None,
        typer.Option("--state", "-s", help=str(T("Only notices in this state: {names}.", names=", ".join(STATES)))),
    ] = None,
    limit: Limit = None,
    as_json: Annotated[bool, typer.Option("--json", help=str(T("Print JSON.")))] = False,
) -> None:
    """List notices, newest first, with what was not shown and why."""
    with common.cards(as_json=as_json):
        if state is not None and state not in STATES:
            common.usage(T("There is no state {name}.", name=state), T("States: {names}.", names=", ".join(STATES)))
        with common.client(context) as client:
            most = asked(limit, as_json=as_json)
            rows = notice_rows(client.ledger, client.config.zone, state=state, limit=most)
        if as_json:
            common.print_json(rows)
            return
        rows = cut(rows, limit)
        common.table(
            (
                ("created", T("When")),
                ("title", T("What")),
                ("body", T("Text")),
                ("state_text", T("State")),
                ("how", T("Where, or why not")),
            ),
            [{**row, "how": _how(row)} for row in rows],
            empty=T("No notices yet."),
        )


def _how(row: Mapping[str, Any]) -> str | None:
    """Which channel showed it or why not, and what became of it on people's PCs."""
    told = [one["text"] for one in row["told"]]
    own = row["channel"] if row["channel"] not in [one["pc"] for one in row["told"]] else None
    first = own or (row["why"] if not told else None)
    return "; ".join([*([first] if first else []), *told]) or None


def notice_rows(
    ledger: Ledger, zone: ZoneInfo, *, state: str | None = None, limit: int = 50, subject: str | None = None
) -> list[dict[str, Any]]:
    """Notices of the ledger's client for tables and JSON, newest first, with times in ``zone``."""
    from pipeline.alerts.outbox import listing

    return [_row(row, zone) for row in listing(ledger, state=state, limit=limit, subject=subject)]


def _row(row: Mapping[str, Any], zone: ZoneInfo) -> dict[str, Any]:
    def local(moment: datetime | None) -> datetime | None:
        return moment.astimezone(zone) if moment else None

    return {
        "id": row["id"],
        "kind": row["kind"],
        "subject": row["subject"],
        "created": local(row["created"]),
        "title": str(row["title"]),
        "body": str(row["body"]),
        "state": row["state"],
        "state_text": str(STATES[row["state"]]),
        "channel": row["channel"],
        "shown": local(row["shown"]),
        "why": str(row["why"]) if row["why"] else None,
        "tries": row["tries"],
        "next_try": local(row["next_try"]) if row["state"] == "undelivered" else None,
        "summary": row["summary_id"],
        "told": told_rows(row["told"], zone),
    }
