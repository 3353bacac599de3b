"""Notices that nobody clicked, and what was told elsewhere because of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipeline.ledger.tables import deliveries, escalations, notices, row_dict

Row = dict[str, Any]
#: Waits for another try, is being told, was told.
FAILED, SENDING, SENT = "failed", "sending", "sent"
_CHUNK = 400


def candidates(conn: sa.Connection, client: str, rule: str, now: datetime, since: datetime) -> list[Row]:
    """Notices since ``since`` that nobody has clicked or dealt with anywhere, and that the rule has not told yet.

    One whose teller was killed, or whose channel refused, is there again at its next try.
    """
    n, d, e = notices, deliveries, escalations
    answered = sa.exists().where(d.c.notice_id == n.c.id, d.c.clicked.is_not(None) | d.c.done.is_not(None))
    settled = e.c.id.is_not(None) & ((e.c.state == SENT) | (e.c.next_try > now))
    query = (
        sa.select(n, e.c.tries.label("told_tries"))
        .outerjoin(e, (e.c.notice_id == n.c.id) & (e.c.rule == rule))
        .where(n.c.client == client, n.c.created > since, n.c.kind != "summary", ~answered, ~settled)
        .order_by(n.c.id)
    )
    return [row_dict(row) for row in conn.execute(query)]


def claim(
    conn: sa.Connection, client: str, ids: Sequence[int], rule: str, channel: str, now: datetime, until: datetime
) -> list[int]:
    """Take these for the rule, until then; those that nobody else has taken meanwhile."""
    e = escalations
    mine: list[int] = []
    for start in range(0, len(ids), _CHUNK):
        part = list(ids[start : start + _CHUNK])
        here = (e.c.rule == rule) & e.c.notice_id.in_(part)
        known = {row.notice_id: row for row in conn.execute(sa.select(e).where(here).with_for_update())}
        free = [row.notice_id for row in known.values() if row.state != SENT and (row.next_try or now) <= now]
        new = [one for one in part if one not in known]
        values = {"state": SENDING, "at": now, "next_try": until}
        if free:
            conn.execute(e.update().where(e.c.rule == rule, e.c.notice_id.in_(free)).values(**values))
        if new:
            rows = [{"client": client, "rule": rule, "channel": channel, "tries": 0, **values} for _ in new]
            conn.execute(e.insert(), [{**row, "notice_id": one} for row, one in zip(rows, new, strict=True)])
        mine += [*free, *new]
    return sorted(mine)


def settle(conn: sa.Connection, ids: Sequence[int], rule: str, **values: Any) -> None:
    """Write down what came of it."""
    e = escalations
    for start in range(0, len(ids), _CHUNK):
        here = (e.c.rule == rule) & e.c.notice_id.in_(list(ids[start : start + _CHUNK]))
        conn.execute(e.update().where(here, e.c.state == SENDING).values(tries=e.c.tries + 1, **values))
