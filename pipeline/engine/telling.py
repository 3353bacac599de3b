"""What the inbound walk tells people: cards, notices, alarms that are told once until they change."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from pipeline.alerts import notices
from pipeline.errors import Finding
from pipeline.ledger import cards
from pipeline.model import Money, Order
from pipeline.ports import DocumentRef, Notice
from pipeline.texts import Text

if TYPE_CHECKING:
    from pipeline.engine.walking import Walk

Row = dict[str, Any]


def open_card(
    walk: Walk, conn: sa.Connection, kind: str, subject: str, findings: Sequence[Finding], file_id: int | None
) -> int:
    """Open (or bring up to date) a card of this client."""
    return cards.open_card(conn, walk.ctx.client, kind, subject, findings, walk.ctx.clock.now(), file_id)


def card_findings(walk: Walk, conn: sa.Connection, subject: str, kind: str) -> list[Any] | None:
    """What the open card of a subject says, as it is kept; None when there is none."""
    rows = cards.of_subjects(conn, walk.ctx.client, [subject])
    return next((row["findings"] for row in reversed(rows) if row["kind"] == kind and row["state"] == "open"), None)


def close_cards(walk: Walk, conn: sa.Connection, subject: str, kinds: tuple[str, ...], why: str | Text) -> None:
    """Close the open cards of a subject, because what they asked for has happened."""
    ctx = walk.ctx
    cards.close(conn, ctx.client, subject, kinds, ctx.clock.now(), state="resolved", why=why, by=ctx.by)


def quarantine_notice(row: Row, findings: Sequence[Finding]) -> Notice:
    """What is told when a file is quarantined."""
    return notices.quarantined(f"file:{row['id']}", row["name"], findings[0])


def order_notice(row_id: int, order: Order, ref: DocumentRef) -> Notice:
    """What is told when an order has become a document."""
    return notices.order(
        f"order:{row_id}",
        number=order.number,
        customer=order.customer.title,
        total=order.total_money,
        items=len(order.lines),
        document=ref.number,
        source=order.source,
    )


def row_notice(row: Row, ref: DocumentRef) -> Notice:
    """The same of an order of which only the ledger's ``row`` is left."""
    return notices.order(
        f"order:{row['id']}",
        number=row["number"],
        customer=row["customer"] or "",
        total=Money(Decimal(row["total"]), row["currency"]),
        items=row["items"] or 0,
        document=ref.number,
        source=row["source"],
    )


def once(walk: Walk, conn: sa.Connection, subject: str, findings: Sequence[Finding]) -> None:
    """Tell of a trouble of ``subject`` once, until it changes."""
    _alarm(walk, conn, subject, findings, None)


def daily(walk: Walk, conn: sa.Connection, subject: str, findings: Sequence[Finding]) -> None:
    """Tell of a trouble of ``subject`` once a day, until it changes."""
    _alarm(walk, conn, subject, findings, timedelta(days=1))


def _alarm(walk: Walk, conn: sa.Connection, subject: str, findings: Sequence[Finding], every: timedelta | None) -> None:
    ctx = walk.ctx
    now = ctx.clock.now()
    before = ctx.ledger.get_value(conn, "alarm", subject)
    told = before is not None and before["code"] == findings[0].code
    if told and (every is None or now - datetime.fromisoformat(before["at"]) < every):
        return
    ctx.ledger.set_value(conn, "alarm", subject, {"code": findings[0].code, "at": now.isoformat()})
    ctx.notify(conn, notices.failure(subject, ctx.job, findings[0]))


def same_trouble(findings: Sequence[Finding], row: Row) -> bool:
    """Whether an order is held for just what it was held for before, whatever file it came in this time."""
    return sorted(_words(finding.to_json()) for finding in findings) == sorted(
        _words(data) for data in row.get("findings") or ()
    )


def _words(data: dict[str, Any]) -> str:
    return json.dumps([data["code"], data["text"], data.get("where", {}).get("order_line")], sort_keys=True)
