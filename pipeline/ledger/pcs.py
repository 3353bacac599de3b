"""PCs that notices go to: who they are, what each is told of, and what became of it there."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from pipeline.ledger import orders as order_rows
from pipeline.ledger.tables import deliveries, escalations, notices, pcs, row_dict

Row = dict[str, Any]
#: That a PC is connected is written down this often at most.
TOUCH = timedelta(minutes=1)
#: What became of a popup, and the columns of ``deliveries`` that say so: who opens or deals with it has seen it.
DID: Mapping[str, tuple[str, ...]] = {"shown": ("shown",), "clicked": ("shown", "clicked"), "done": ("shown", "done")}
_CHUNK = 400


# --- the PCs ---------------------------------------------------------------------------------------------------------


def listing(conn: sa.Connection, client: str, *, live: bool = False) -> list[Row]:
    """The client's PCs by name; ``live``: without those that were revoked."""
    query = sa.select(pcs).where(pcs.c.client == client).order_by(pcs.c.name)
    if live:
        query = query.where(pcs.c.token.is_not(None))
    return [row_dict(row) for row in conn.execute(query)]


def by_name(conn: sa.Connection, client: str, name: str) -> Row | None:
    """The PC of that name; names differ in more than case."""
    row = conn.execute(sa.select(pcs).where(pcs.c.client == client, pcs.c.name == name.casefold())).first()
    return row_dict(row) if row else None


def by_token(conn: sa.Connection, client: str, token: str) -> Row | None:
    """The PC whose token has this hash."""
    row = conn.execute(sa.select(pcs).where(pcs.c.client == client, pcs.c.token == token)).first()
    return row_dict(row) if row else None


def invite(conn: sa.Connection, client: str, name: str, *, token: str, by: str, now: datetime) -> tuple[int, bool]:
    """Let a PC in by the hash of its token; the one that it had before counts no more.

    Gives its number and whether it is new. The first one is not told of what came before it.
    """
    if not listing(conn, client, live=True):
        unrouted = (notices.c.client == client) & notices.c.routed.is_(None)
        conn.execute(notices.update().where(unrouted).values(routed=now))
    values = {"token": token, "created": now, "created_by": by[:128], "revoked": None}
    known = by_name(conn, client, name)
    if known is None:
        result = conn.execute(pcs.insert().values(client=client, name=name.casefold(), **values))
        assert result.inserted_primary_key is not None
        return int(result.inserted_primary_key[0]), True
    conn.execute(pcs.update().where(pcs.c.id == known["id"]).values(**values))
    return int(known["id"]), False


def revoke(conn: sa.Connection, client: str, name: str, now: datetime) -> bool:
    """Let a PC in no more; False when there is none. What it was told stays written down."""
    here = (pcs.c.client == client) & (pcs.c.name == name.casefold()) & pcs.c.token.is_not(None)
    gone = conn.execute(pcs.update().where(here).values(token=None, revoked=now)).rowcount
    if gone:
        known = by_name(conn, client, name)
        assert known is not None
        # what it never got is not held for it
        held = (deliveries.c.pc_id == known["id"]) & deliveries.c.seq.is_(None)
        conn.execute(deliveries.delete().where(held))
    return bool(gone)


def is_stale(row: Mapping[str, Any], now: datetime) -> bool:
    """Whether :func:`touch` has something to write."""
    return row["seen"] is None or now - row["seen"] >= TOUCH


def touch(conn: sa.Connection, pc_id: int, now: datetime, **values: str) -> None:
    """It is connected; ``address`` and ``program`` as they are now."""
    conn.execute(pcs.update().where(pcs.c.id == pc_id).values(seen=now, **values))


# --- what each is told of --------------------------------------------------------------------------------------------


def is_work(conn: sa.Connection, client: str) -> bool:
    """Whether a notice waits to be routed, or is held back for a PC."""
    unrouted = sa.select(notices.c.id).where(notices.c.client == client, notices.c.routed.is_(None)).limit(1)
    held = sa.select(deliveries.c.id).where(deliveries.c.client == client, deliveries.c.seq.is_(None)).limit(1)
    return any(conn.execute(query).first() is not None for query in (unrouted, held))


def alone(conn: sa.Connection) -> None:
    """Nobody else gives numbers to popups until this transaction ends, so that they are seen in their order."""
    if conn.dialect.name == "postgresql":
        conn.execute(sa.text("SELECT pg_advisory_xact_lock(727276)"))


def unrouted(conn: sa.Connection, client: str, limit: int) -> list[Row]:
    """Notices of which nobody has decided yet who is told, oldest first."""
    n = notices
    query = sa.select(n.c.id, n.c.kind, n.c.subject, n.c.data, n.c.created)
    query = query.where(n.c.client == client, n.c.routed.is_(None)).order_by(n.c.id).limit(limit)
    return [row_dict(row) for row in conn.execute(query)]


def order_facts(conn: sa.Connection, subjects: Collection[str]) -> dict[str, Row]:
    """The ledger's row of the order that each subject names, where it names one."""
    numbers = {int(one[6:]): one for one in subjects if one.startswith("order:") and one[6:].isdigit()}
    found: dict[str, Row] = {}
    wanted = sorted(numbers)
    for start in range(0, len(wanted), _CHUNK):
        rows = order_rows.by_ids(conn, wanted[start : start + _CHUNK])
        found.update({numbers[number]: dict(row) for number, row in rows.items()})
    return found


def route(conn: sa.Connection, ids: Sequence[int], rows: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """It is decided: ``rows`` are new deliveries with client, pc_id, notice_id, created and quiet."""
    for start in range(0, len(ids), _CHUNK):
        here = notices.c.id.in_(ids[start : start + _CHUNK])
        conn.execute(notices.update().where(here).values(routed=now))
    if rows:
        conn.execute(deliveries.insert(), [dict(row) for row in rows])


def held(conn: sa.Connection, client: str) -> dict[int, list[Row]]:
    """What waits to become a popup, oldest first, by the number of the PC; of those that are not revoked."""
    d = deliveries
    query = (
        sa.select(d.c.id, d.c.pc_id, d.c.created, d.c.quiet)
        .join(pcs, pcs.c.id == d.c.pc_id)
        .where(d.c.client == client, d.c.seq.is_(None), pcs.c.token.is_not(None))
        .order_by(d.c.id)
    )
    found: dict[int, list[Row]] = {}
    for row in conn.execute(query):
        found.setdefault(row.pc_id, []).append(row_dict(row))
    return found


def released_since(conn: sa.Connection, pc_id: int, since: datetime) -> int:
    """How many popups a PC got since then."""
    d = deliveries
    query = sa.select(sa.func.count(d.c.seq.distinct())).where(d.c.pc_id == pc_id, d.c.released > since)
    newest = sa.select(sa.func.max(d.c.seq)).where(d.c.pc_id == pc_id).scalar_subquery()
    return int(conn.execute(query.where(d.c.seq > newest - 200)).scalar_one())


def release(conn: sa.Connection, client: str, groups: Sequence[Sequence[int]], now: datetime) -> None:
    """Give each group of deliveries the next number: it is a popup now."""
    last = conn.execute(sa.select(sa.func.max(deliveries.c.seq)).where(deliveries.c.client == client)).scalar() or 0
    for seq, group in enumerate(groups, last + 1):
        for start in range(0, len(group), _CHUNK):
            here = deliveries.c.id.in_(group[start : start + _CHUNK])
            conn.execute(deliveries.update().where(here).values(seq=seq, released=now))


def begin_at(conn: sa.Connection, client: str, pc_id: int, last: int) -> int:
    """After which popup a PC goes on that says it has seen those up to ``last`` (0: it does not know).

    What it has reported counts as well. A number that was never given comes from a ledger that is no more (this one
    was restored, or made anew): then only what it has reported counts.
    """
    d = deliveries
    given = conn.execute(sa.select(sa.func.max(d.c.seq)).where(d.c.client == client)).scalar() or 0
    seen = sa.select(sa.func.max(d.c.seq)).where(d.c.pc_id == pc_id, d.c.shown.is_not(None))
    reported = conn.execute(seen).scalar() or 0
    return max(reported, last if last <= given else 0)


def after(conn: sa.Connection, pc_id: int, seq: int) -> list[Row]:
    """What a PC is to be told after that popup: its deliveries with their notices, in the order of popups."""
    d, n = deliveries, notices
    columns = (n.c.kind, n.c.subject, n.c.title, n.c.body, n.c.data, n.c.created)
    query = (
        sa.select(d.c.seq, d.c.released, d.c.quiet, *columns)
        .join(n, n.c.id == d.c.notice_id)
        .where(d.c.pc_id == pc_id, d.c.seq > seq)
        .order_by(d.c.seq, d.c.id)
    )
    return [row_dict(row) for row in conn.execute(query)]


def report(conn: sa.Connection, pc: Mapping[str, Any], first: int, last: int, did: str, at: datetime) -> int:
    """A person saw, opened or dealt with the popups from ``first`` to ``last``; said twice it is the same.

    A notice that no channel of the server could show is shown now. Gives of how many notices it was news.
    """
    d, n = deliveries, notices
    here = (d.c.pc_id == pc["id"]) & d.c.seq.between(first, last)
    count = 0
    for column in DID[did]:
        news = d.update().where(here, d.c[column].is_(None)).values(**{column: at})
        count = conn.execute(news).rowcount
    untold = n.c.id.in_(sa.select(d.c.notice_id).where(here)) & (n.c.state == "undelivered")
    conn.execute(n.update().where(untold).values(state="shown", channel=pc["name"], shown=at, why=None, next_try=None))
    return count


def of_notices(conn: sa.Connection, ids: Sequence[int]) -> dict[int, list[Row]]:
    """What became of each notice on each PC, and where else it was told: rows by the notice's number."""
    found: dict[int, list[Row]] = {}
    d, e = deliveries, escalations
    for start in range(0, len(ids), _CHUNK):
        part = list(ids[start : start + _CHUNK])
        query = sa.select(d, pcs.c.name.label("pc")).join(pcs, pcs.c.id == d.c.pc_id).where(d.c.notice_id.in_(part))
        for row in conn.execute(query.order_by(d.c.id)):
            found.setdefault(row.notice_id, []).append(row_dict(row))
        for row in conn.execute(sa.select(e).where(e.c.notice_id.in_(part)).order_by(e.c.id)):
            found.setdefault(row.notice_id, []).append({**row_dict(row), "pc": None})
    return found
