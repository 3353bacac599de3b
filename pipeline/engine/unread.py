"""What could not be fetched: a file that its server does not hand out, an inbox that is not there. As cards.

The card of a file closes by itself when the file is read or taken away; that of an inbox when it can be listed again.
A file that keeps failing is asked for less and less often, so that a locked one does not fill the history.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
import structlog

from pipeline.engine import telling
from pipeline.engine.inbox import UNREAD_TRIES
from pipeline.errors import Changed, Finding, MistokError, Refused, Where, Who
from pipeline.flow import InboundSettings
from pipeline.ledger import cards
from pipeline.ledger import files as file_rows
from pipeline.ledger.tables import FileState
from pipeline.texts import T, Text

if TYPE_CHECKING:
    from pipeline.engine.inbound import Inbound

log = structlog.get_logger("mistok.inbound")
Row = dict[str, Any]
UNREAD, INBOX = "unread", "inbox"  #: kinds of cards


def tell(walk: Inbound, row: Row, error: MistokError) -> None:
    """A file could not be fetched now: it stays where it is and is tried again; one that is refused gets its card."""
    ctx = walk.ctx
    now = ctx.clock.now()
    tries = row["tries"] + 1
    log.warning("file_not_read", file=row["name"], error=error.text.render("en"), code=error.code, tries=tries)
    # a server that refuses us altogether is told of once, and not for each of its files
    away = error.findings[0].about.startswith("connection:")
    if away:
        walk.trouble(error)
    changed = isinstance(error, Changed)
    lasting = not away and (isinstance(error, Refused) or tries >= UNREAD_TRIES)
    findings = tuple(_placed(finding, row["name"]) for finding in error.findings)
    if changed and lasting:
        findings = (_never_the_same(row["name"], error),)
    with walk.begin() as conn:
        again = {"stable_since": now} if changed else {}
        file_rows.update(conn, [row["id"]], now, state=FileState.SEEN, tries=tries, **again)
        ctx.event(conn, f"file:{row['id']}", "not-read", findings=file_rows.findings_json(findings))
        if lasting:
            telling.open_card(walk, conn, UNREAD, f"file:{row['id']}", findings, row["id"])
            telling.once(walk, conn, f"file:{row['id']}", findings)
    walk.count("refused" if lasting else "failed")
    walk.tell(file=row["name"], outcome="failed", findings=list(findings))


def over(walk: Inbound, conn: sa.Connection, rows: Iterable[Mapping[str, Any]], why: Text) -> None:
    """Close the cards of files that were read at last, or are gone."""
    for row in rows:
        if row["tries"]:
            telling.close_cards(walk, conn, f"file:{row['id']}", (UNREAD,), why)


def no_inbox(walk: Inbound, error: Refused) -> None:
    """The inbox cannot be listed: its folder is missing, or we may not look into it."""
    if error.findings[0].about.startswith("connection:"):
        return  # we did not even come in
    with walk.begin() as conn:
        telling.open_card(walk, conn, INBOX, _inbox(walk), error.findings, None)


def inbox_found(walk: Inbound) -> None:
    """It was listed: what was wrong with it is over."""
    with walk.ctx.ledger.read() as conn:
        known = telling.card_findings(walk, conn, _inbox(walk), INBOX)
    if known is not None:
        with walk.begin() as conn:
            telling.close_cards(walk, conn, _inbox(walk), (INBOX,), T("the folder can be listed again"))


def forget_inboxes(conn: sa.Connection, client: str, taken: Iterable[InboundSettings], now: datetime) -> None:
    """Close the cards of inboxes that no step of the config (``taken``: its steps) takes files from any more."""
    subjects = {_subject(settings) for settings in taken}
    for card in cards.listing(conn, client, kinds=(INBOX,)):
        if card["subject"] not in subjects:
            why = T("no step of the config takes files from there any more")
            cards.close(conn, client, card["subject"], (INBOX,), now, state="superseded", why=why)


def _inbox(walk: Inbound) -> str:
    return _subject(walk.settings)


def _subject(settings: InboundSettings) -> str:
    return f"inbox:{settings.inbox}/{settings.folder}"[:80]


def _never_the_same(name: str, error: MistokError) -> Finding:
    return Finding(
        "unread",
        T(
            "{file} cannot be taken: what the server hands out is never what it has just listed. {words}",
            file=name,
            words=error.text,
        ),
        Where(file=name),
        T("Look on the server whether a program writes to this file all the time, or its disk is damaged."),
        Who.ADMIN,
    )


def _placed(finding: Finding, name: str) -> Finding:
    return finding if finding.where.file else replace(finding, where=replace(finding.where, file=name))
