"""Which notices are due, and how a deliverer takes them: by one conditional update, with bursts put into summaries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from itertools import islice
from typing import Any

import sqlalchemy as sa

from pipeline.alerts import notices as words
from pipeline.ledger.store import Ledger
from pipeline.ledger.tables import Moment, notices
from pipeline.ports import Notice
from pipeline.texts import Text

#: How long a deliverer may take to show what it claimed, before another may.
LEASE = timedelta(minutes=2)
#: Older than this is told in a summary only.
LATE = timedelta(hours=12)
#: While a burst still grows, its summary waits, but no longer than this.
PATIENCE = timedelta(minutes=5)
#: What was shown alone within this time counts towards a burst.
JUST_NOW = timedelta(seconds=30)
_CHUNK = 500


class NoticeState(StrEnum):
    """Where a notice is on its way."""

    WAITING = "waiting"  #: written, not yet tried
    SENDING = "sending"  #: a deliverer holds it, until ``next_try``
    SHOWN = "shown"
    SUMMARISED = "summarised"  #: a summary stands for it
    UNDELIVERED = "undelivered"  #: no channel could show it; ``why``. Tried again.
    MUTED = "muted"  #: of a kind that ``alerts.kinds`` leaves out


def is_due(now: datetime) -> sa.ColumnElement[bool]:
    """The condition of rows that may be shown now."""
    n = notices
    fresh = n.c.state == NoticeState.WAITING
    # Never tried, because nothing could show it then: due as soon as a channel answers. Refused: after its back-off.
    again = (n.c.state == NoticeState.UNDELIVERED) & ((n.c.tries == 0) | (n.c.next_try <= now))
    abandoned = (n.c.state == NoticeState.SENDING) & (n.c.next_try <= now)
    return fresh | again | abandoned


def claim(ledger: Ledger, now: datetime, burst: int, settle: timedelta) -> tuple[list[tuple[Notice, int]], int]:
    """Take all that is due; bursts and late ones go into summaries. What to show, and how many were summarised."""
    n = notices
    hold = {"state": NoticeState.SENDING, "next_try": now + LEASE}
    with ledger.begin() as conn:
        due = (n.c.client == ledger.client) & is_due(now)
        recent = _recent(conn, ledger.client, now)
        growing = _growing(conn, due, recent, now, burst, settle) if settle else []
        mine = conn.execute(
            n.update().where(due, n.c.kind.not_in(growing)).values(**hold).returning(n.c.id, n.c.kind, n.c.created)
        ).all()
        groups: dict[str, list[tuple[int, datetime]]] = defaultdict(list)
        for row_id, kind, created in sorted(mine, key=lambda row: row[0]):
            groups[kind].append((row_id, created))
        show: list[int] = []
        summarised = 0
        for kind, rows in groups.items():
            crowd, alone, late = (
                _split(rows, now, burst - recent.get(kind, 0))
                if kind != "summary"
                else ([], [i for i, _ in rows], False)
            )
            show.extend(alone)
            if crowd:
                show.append(_summarise(ledger, conn, kind, crowd, hold, late=late))
                summarised += len(crowd)
        return list(_load(conn, sorted(show))), summarised


def _growing(
    conn: sa.Connection,
    due: sa.ColumnElement[bool],
    recent: Mapping[str, int],
    now: datetime,
    burst: int,
    settle: timedelta,
) -> list[str]:
    """The kinds of which a burst is under way: ten thousand orders that come in batches are still one summary."""
    n = notices
    newest, oldest = sa.func.max(n.c.created, type_=Moment), sa.func.min(n.c.created, type_=Moment)
    query = sa.select(n.c.kind, sa.func.count(), newest, oldest).where(due).group_by(n.c.kind)
    return [
        kind
        for kind, count, last, first in conn.execute(query)
        if count + recent.get(kind, 0) > burst and now - last < settle and now - first < PATIENCE
    ]


def _recent(conn: sa.Connection, client: str, now: datetime) -> dict[str, int]:
    """How many of each kind were shown alone just now. Only the newest rows are looked at."""
    n = notices
    newest = sa.select(sa.func.max(n.c.id)).scalar_subquery()
    shown = (n.c.client == client) & (n.c.state == NoticeState.SHOWN) & (n.c.shown > now - JUST_NOW)
    query = sa.select(n.c.kind, sa.func.count()).where(n.c.id > newest - 1000, shown).group_by(n.c.kind)
    return {row[0]: row[1] for row in conn.execute(query)}


def _split(rows: Sequence[tuple[int, datetime]], now: datetime, burst: int) -> tuple[list[int], list[int], bool]:
    """(ids for a summary, ids shown alone, whether the summary tells of old ones)."""
    old = [row_id for row_id, created in rows if now - created > LATE]
    if len(rows) > max(burst, 1):
        return [row_id for row_id, _ in rows], [], len(old) == len(rows)
    if len(old) > 1:
        return old, [row_id for row_id, created in rows if now - created <= LATE], True
    return [], [row_id for row_id, _ in rows], False


def _summarise(
    ledger: Ledger,
    conn: sa.Connection,
    kind: str,
    ids: Sequence[int],
    hold: Mapping[str, Any],
    *,
    late: bool,
) -> int:
    n = notices
    totals: dict[str, Decimal] = defaultdict(Decimal)
    names: list[str] = []
    for chunk in _chunks(ids):
        for (data,) in conn.execute(sa.select(n.c.data).where(n.c.id.in_(chunk)).order_by(n.c.id)):
            said = data or {}
            if kind == "order" and said.get("currency"):
                totals[said["currency"]] += Decimal(said["total"])
            if len(names) < words.NAMED:
                names.append(said.get("number") or said.get("name") or said.get("job") or "")
    names = list(dict.fromkeys(name for name in names if name))
    summary_id = ledger.notify(conn, words.summary(kind, len(ids), names, totals, late=late))
    conn.execute(n.update().where(n.c.id == summary_id).values(**hold))
    for chunk in _chunks(ids):
        told = {"state": NoticeState.SUMMARISED, "summary_id": summary_id, "next_try": None, "why": None}
        conn.execute(n.update().where(n.c.id.in_(chunk)).values(**told))
    return summary_id


def _load(conn: sa.Connection, ids: Sequence[int]) -> Iterator[tuple[Notice, int]]:
    n = notices
    for chunk in _chunks(ids):
        for row in conn.execute(sa.select(n).where(n.c.id.in_(chunk)).order_by(n.c.id)):
            notice = Notice(
                kind=row.kind,
                subject=row.subject,
                title=Text.from_json(row.title),
                body=Text.from_json(row.body),
                created_at=row.created,
                id=row.id,
                data=row.data or {},
            )
            yield notice, row.tries


def _chunks(ids: Sequence[int]) -> Iterator[list[int]]:
    rest = iter(ids)
    while chunk := list(islice(rest, _CHUNK)):
        yield chunk
