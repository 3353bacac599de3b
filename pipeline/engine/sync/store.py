"""What the ledger keeps of a sync: what is in step (links), plans, cursors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from pipeline.engine.sync.plan import Known
from pipeline.errors import Finding
from pipeline.ledger.store import Ledger
from pipeline.ledger.tables import links, plans, row_dict
from pipeline.model import Offer

CURSOR, FULL, COMPARED, WAKE = "sync-cursor", "sync-full", "sync-compared", "wake"
#: Rows of a plan that are kept, and plans of one link that are.
ROWS_KEPT, PLANS_KEPT = 500, 50


@dataclass(frozen=True, slots=True)
class Link:
    """One offer of the target that is kept in step, as it was last left."""

    target: Offer  #: id, kind, product and keys; its values are the prices as last sent
    source_key: str
    source_id: str
    wanted: Mapping[str, str] = field(default_factory=dict)
    seen: Mapping[str, str] = field(default_factory=dict)
    sent: Mapping[str, str] = field(default_factory=dict)  #: prices by field, stock by ``stock:WAREHOUSE``

    @property
    def known(self) -> Known:
        """For the plan."""
        return Known(self.target.id, self.source_key, self.wanted, self.seen)

    def stock(self) -> dict[str, Decimal]:
        """Warehouse -> the level last sent."""
        return {name[6:]: Decimal(text) for name, text in self.sent.items() if name.startswith("stock:")}


def read_links(conn: sa.Connection, client: str, link: str) -> dict[str, Link]:
    """All that is in step, by the target's id."""
    query = sa.select(links).where(links.c.client == client, links.c.link == link)
    found: dict[str, Link] = {}
    for row in conn.execute(query):
        prices = {name: Decimal(text) for name, text in row.sent.items() if not name.startswith("stock:")}
        offer = Offer(id=row.target_id, product=row.product, kind=row.kind, keys=row.keys, values=prices)
        found[row.target_id] = Link(offer, row.source_key, row.source_id, row.wanted, row.seen, row.sent)
    return found


def write_links(conn: sa.Connection, client: str, link: str, rows: Iterable[Link], now: datetime) -> None:
    """Keep what was done."""
    values = [
        {
            "client": client,
            "link": link,
            "target_id": one.target.id,
            "source_key": one.source_key,
            "source_id": one.source_id,
            "kind": one.target.kind,
            "product": one.target.product,
            "keys": dict(one.target.keys),
            "wanted": dict(one.wanted),
            "seen": dict(one.seen),
            "sent": dict(one.sent),
            "updated": now,
        }
        for one in rows
    ]
    if not values:
        return
    insert: Any = (postgresql if conn.dialect.name == "postgresql" else sqlite).insert(links)
    keys = ("client", "link", "target_id")
    changes = {name: insert.excluded[name] for name in values[0] if name not in keys}
    conn.execute(insert.on_conflict_do_update(index_elements=list(keys), set_=changes), values)


def forget_links(conn: sa.Connection, client: str, link: str, ids: Iterable[str]) -> None:
    """What is not kept in step any more."""
    gone = [{"gone": one} for one in ids]
    if gone:
        where = (links.c.client == client) & (links.c.link == link) & (links.c.target_id == sa.bindparam("gone"))
        conn.execute(links.delete().where(where), gone)


# --- cursors ---------------------------------------------------------------------------------------------------------


def get_moment(ledger: Ledger, conn: sa.Connection, kind: str, name: str) -> datetime | None:
    """A moment kept under ``kind`` and ``name``."""
    value = ledger.get_value(conn, kind, name)
    return datetime.fromisoformat(value["at"]) if value and value.get("at") else None


def set_moment(ledger: Ledger, conn: sa.Connection, kind: str, name: str, at: datetime | None) -> None:
    """Keep a moment; None forgets it."""
    ledger.set_value(conn, kind, name, {"at": at.isoformat() if at else None})


# --- plans -----------------------------------------------------------------------------------------------------------


def keep_plan(
    conn: sa.Connection,
    client: str,
    *,
    job: str,
    link: str,
    subject: str,
    state: str,
    digest: str,
    counts: Mapping[str, int],
    findings: Sequence[Finding],
    rows: Sequence[Mapping[str, Any]],
    now: datetime,
    run_id: int | None,
) -> int:
    """Write a plan down and give its number. One that waits for the same reason keeps its number; other waiting plans
    of the link are superseded. Only the newest plans of a link are kept."""
    mine = (plans.c.client == client) & (plans.c.link == link)
    values = {
        "counts": dict(counts),
        "findings": [one.to_json() for one in findings[:ROWS_KEPT]],
        "rows": [dict(row) for row in rows[:ROWS_KEPT]],
        "run_id": run_id,
    }
    waiting = mine & (plans.c.state == "waiting")
    if state == "waiting":
        same = conn.execute(sa.select(plans.c.id).where(waiting, plans.c.digest == digest)).scalar()
        if same is not None:
            conn.execute(plans.update().where(plans.c.id == same).values(**values))
            return int(same)
    conn.execute(plans.update().where(waiting).values(state="superseded", decided=now))
    result = conn.execute(
        plans.insert().values(
            client=client, job=job, link=link, subject=subject, state=state, digest=digest, created=now, **values
        )
    )
    old = sa.select(plans.c.id).where(mine).order_by(plans.c.id.desc()).offset(PLANS_KEPT)
    conn.execute(plans.delete().where(plans.c.id.in_(list(conn.execute(old).scalars()))))
    assert result.inserted_primary_key is not None
    return int(result.inserted_primary_key[0])


def decide_plan(
    conn: sa.Connection, client: str, number: int, state: str, *, by: str, why: str | None, now: datetime
) -> bool:
    """Write a person's word on a waiting plan down; False when it does not wait any more."""
    where = (plans.c.client == client) & (plans.c.id == number) & (plans.c.state == "waiting")
    result = conn.execute(plans.update().where(where).values(state=state, decided=now, decided_by=by, why=why))
    return bool(result.rowcount)


def plan_row(conn: sa.Connection, client: str, number: int) -> dict[str, Any] | None:
    """The plan of that number."""
    row = conn.execute(sa.select(plans).where(plans.c.client == client, plans.c.id == number)).first()
    return row_dict(row) if row else None


def plan_rows(conn: sa.Connection, client: str, *, waiting: bool = False, most: int = 50) -> list[dict[str, Any]]:
    """The newest plans first; ``waiting``: only those that wait for a person."""
    query = sa.select(plans).where(plans.c.client == client)
    if waiting:
        query = query.where(plans.c.state == "waiting")
    return [row_dict(row) for row in conn.execute(query.order_by(plans.c.id.desc()).limit(most))]
