"""The runs of a job, newest first, as rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.errors import Finding

if TYPE_CHECKING:
    from pipeline.engine.runtime import Client


#: Of so many runs those are sought that have found something: an inbox is looked at eight thousand times a day.
SOUGHT = 20_000


def runs_of(
    client: Client, job: str = "", most: int = 50, *, skipped: bool = False, idle: bool = True
) -> list[dict[str, Any]]:
    """The newest runs of a job, or of all: when, how, for how long, what came of them, by which config.

    ``skipped``: also the times of the schedule that got no run. ``idle``: also looks of ``watch`` that found nothing;
    without them only the newest SOUGHT runs are gone through.
    """
    import sqlalchemy as sa

    from pipeline.ledger.tables import runs

    query = sa.select(runs).where(runs.c.client == client.config.client)
    if job:
        query = query.where(runs.c.job == job)
    if not skipped:
        query = query.where(runs.c.state != "skipped")
    if not idle:
        newest = query.order_by(runs.c.started.desc(), runs.c.id.desc()).limit(SOUGHT).subquery()
        nothing = (newest.c.state == "done") & newest.c.counts.is_(sa.null()) & newest.c.error.is_(sa.null())
        query = sa.select(newest).where(~((newest.c.trigger == "watch") & nothing))
        runs = newest  # type: ignore[assignment] # the same columns
    zone = client.config.zone
    with client.ledger.read() as conn:
        found = conn.execute(query.order_by(runs.c.started.desc(), runs.c.id.desc()).limit(most)).all()
    return [
        {
            "run": row.id,
            "job": row.job,
            "trigger": row.trigger,
            "started": row.started.astimezone(zone),
            "ended": row.ended.astimezone(zone) if row.ended else None,
            "took": row.ended - row.started if row.ended else None,
            "state": row.state,
            "counts": dict(row.counts or {}),
            "error": Finding.from_json(row.error) if row.error else None,
            "reference": row.reference,
            "config": row.config_hash,
        }
        for row in found
    ]
