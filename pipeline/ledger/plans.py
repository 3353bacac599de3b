"""Plans of syncs: those that a brake stopped and that wait for a person, and what the last ones did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipeline.errors import Finding
from pipeline.ledger.tables import plans, row_dict

#: Rows of a plan that are kept, and plans of one link that are.
ROWS_KEPT, PLANS_KEPT = 500, 50


def keep(
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


def decide(
    conn: sa.Connection, client: str, subject: str, state: str, *, by: str, why: str | None, now: datetime
) -> bool:
    """Write a person's word on the waiting plan of a card's subject down; False when none waits."""
    where = (plans.c.client == client) & (plans.c.subject == subject) & (plans.c.state == "waiting")
    result = conn.execute(plans.update().where(where).values(state=state, decided=now, decided_by=by, why=why))
    return bool(result.rowcount)


def digest(conn: sa.Connection, client: str, subject: str) -> str:
    """Of what the brake holds now: the newest plan of this subject that waits."""
    query = (
        sa.select(plans.c.digest)
        .where(plans.c.client == client, plans.c.subject == subject, plans.c.state == "waiting")
        .order_by(plans.c.id.desc())
        .limit(1)
    )
    return str(conn.execute(query).scalar() or "")


def by_number(conn: sa.Connection, client: str, number: int) -> dict[str, Any] | None:
    """The plan of that number."""
    row = conn.execute(sa.select(plans).where(plans.c.client == client, plans.c.id == number)).first()
    return row_dict(row) if row else None


def listing(conn: sa.Connection, client: str, *, waiting: bool = False, most: int = 50) -> list[dict[str, Any]]:
    """The newest plans first; ``waiting``: only those that wait for a person."""
    query = sa.select(plans).where(plans.c.client == client)
    if waiting:
        query = query.where(plans.c.state == "waiting")
    return [row_dict(row) for row in conn.execute(query.order_by(plans.c.id.desc()).limit(most))]
