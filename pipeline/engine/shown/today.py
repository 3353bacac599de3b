"""A client's day in numbers: orders that came, by state and sum, and their hours against those of usual days."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from pipeline.ledger.tables import orders

#: Usual is what the same weekday was in so many weeks before.
WEEKS = 4


@dataclass(frozen=True, slots=True)
class Day:
    """One day of a client, of midnight to midnight in its zone."""

    day: date
    count: int
    states: Mapping[str, int]  #: state -> orders
    sums: Mapping[str, Decimal]  #: currency -> what the day's orders come to, without those that were rejected
    hours: tuple[int, ...]  #: orders that came in each hour, 24 of them
    usual: tuple[float, ...]  #: the mean of the same weekday before; empty where too little is known
    held: int  #: orders of any day that wait now


def day_of(conn: sa.Connection, client: str, zone: ZoneInfo, now: datetime, day: date | None = None) -> Day:
    """The numbers of ``day`` (the present one when not given)."""
    day = day or now.astimezone(zone).date()
    since, until = _midnight(day, zone), _midnight(day + timedelta(days=1), zone)
    o = orders.c
    mine = (o.client == client) & (o.created >= since) & (o.created < until)
    states: dict[str, int] = defaultdict(int)
    sums: dict[str, Decimal] = defaultdict(Decimal)
    hours = [0] * 24
    for row in conn.execute(sa.select(o.state, o.total, o.currency, o.created).where(mine)):
        states[row.state] += 1
        hours[row.created.astimezone(zone).hour] += 1
        if row.total and row.state not in ("rejected", "nothing_to_do"):
            sums[row.currency or ""] += Decimal(row.total)
    waiting = (o.client == client) & o.state.in_(("held", "in_doubt"))
    held = conn.execute(sa.select(sa.func.count()).where(waiting)).scalar_one()
    return Day(day, sum(states.values()), dict(states), dict(sums), tuple(hours), _usual(conn, client, zone, day), held)


def _usual(conn: sa.Connection, client: str, zone: ZoneInfo, day: date) -> tuple[float, ...]:
    """Orders by hour of the same weekday, as a mean over the weeks since the first order came, at most ``WEEKS``."""
    o = orders.c
    first = conn.execute(
        sa.select(sa.func.min(o.created, type_=orders.c.created.type)).where(o.client == client)
    ).scalar()
    if first is None:
        return ()
    days = [day - timedelta(weeks=back) for back in range(1, WEEKS + 1)]
    days = [one for one in days if _midnight(one, zone) >= first.astimezone(zone) - timedelta(hours=12)]
    if not days:
        return ()
    hours = [0] * 24
    for one in days:
        since, until = _midnight(one, zone), _midnight(one + timedelta(days=1), zone)
        query = sa.select(o.created).where(o.client == client, o.created >= since, o.created < until)
        for moment in conn.execute(query).scalars():
            hours[moment.astimezone(zone).hour] += 1
    return tuple(count / len(days) for count in hours)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


def as_data(day: Day) -> dict[str, Any]:
    """For JSON."""
    return {
        "day": day.day,
        "count": day.count,
        "states": dict(day.states),
        "sums": dict(day.sums),
        "hours": list(day.hours),
        "usual": [round(one, 2) for one in day.usual],
        "waiting": day.held,
    }
