"""What the documents walk does about orders: one row for each act, written before the target is called and after.

``begun``: the target may have been called. ``done``: it is there. ``in_doubt``: nobody knows; it is looked up, and not
done again before a person has said so. ``refused``: the target said no. ``dropped``: it was not done, and something
else took its place.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipeline.ledger.tables import OrderState, acts, files, orders, row_dict

Row = dict[str, Any]
_CHUNK = 400
BEGUN, DONE, IN_DOUBT, REFUSED, DROPPED = "begun", "done", "in_doubt", "refused", "dropped"
#: Nobody knows yet what came of them.
OPEN = (BEGUN, IN_DOUBT)


def of_orders(conn: sa.Connection, ids: Collection[int]) -> dict[int, list[Row]]:
    """The acts on each order, oldest first."""
    found: dict[int, list[Row]] = {}
    known = sorted(ids)
    for start in range(0, len(known), _CHUNK):
        here = acts.c.order_row.in_(known[start : start + _CHUNK])
        for row in conn.execute(sa.select(acts).where(here).order_by(acts.c.id)):
            found.setdefault(row.order_row, []).append(row_dict(row))
    return found


def begin(conn: sa.Connection, rows: Sequence[Mapping[str, Any]], now: datetime) -> list[int]:
    """Write down that these are about to be done; one that was begun, refused or dropped before is begun anew.

    Each has client, order_row, act, key, revision, content and run_id. Gives their ids, in order.
    """
    ids: list[int] = []
    for row in rows:
        here = (acts.c.order_row == row["order_row"]) & (acts.c.act == row["act"]) & (acts.c.key == row["key"])
        number = conn.execute(sa.select(acts.c.id).where(here)).scalar()
        if number is None:
            result = conn.execute(acts.insert().values(**row, state=BEGUN, created=now, updated=now))
            assert result.inserted_primary_key is not None
            number = result.inserted_primary_key[0]
        else:
            conn.execute(acts.update().where(acts.c.id == number).values(**row, state=BEGUN, updated=now))
        ids.append(int(number))
    return ids


def settle(conn: sa.Connection, act_id: int, state: str, now: datetime, **values: Any) -> None:
    """Write down what came of one."""
    conn.execute(acts.update().where(acts.c.id == act_id).values(state=state, updated=now, **values))


def stand(conn: sa.Connection, ids: Collection[int]) -> dict[int, tuple[str, ...]]:
    """How far the documents of these orders have come: ``shipped`` or ``returned``, and ``cancelled``; () before."""
    here: dict[int, dict[str, bool]] = {}
    known = sorted(ids)
    for start in range(0, len(known), _CHUNK):
        some = acts.c.order_row.in_(known[start : start + _CHUNK]) & (acts.c.state == DONE)
        for row in conn.execute(sa.select(acts.c.order_row, acts.c.act).where(some).order_by(acts.c.id)):
            one = here.setdefault(row.order_row, {})
            match row.act:
                case "ship":
                    one |= {"shipped": True, "returned": False}
                case "return":
                    one |= {"shipped": False, "returned": True}
                case "cancel":
                    one["cancelled"] = True
                case "create" | "amend":
                    one["cancelled"] = False
    return {
        number: tuple(word for word in ("shipped", "returned", "cancelled") if one.get(word))
        for number, one in here.items()
    }


def drop_open(conn: sa.Connection, order_row: int, now: datetime) -> None:
    """A person has said what became of an order: what nobody knew of its acts is not looked up any more."""
    here = (acts.c.order_row == order_row) & acts.c.state.in_(OPEN)
    conn.execute(acts.update().where(here).values(state=DROPPED, updated=now))


def of_link(conn: sa.Connection, client: str, source: str, into: str, states: Collection[str]) -> list[Row]:
    """The acts in these states on orders that came from ``source`` and go into ``into``, oldest first."""
    query = (
        sa.select(acts)
        .join(orders, orders.c.id == acts.c.order_row)
        .join(files, files.c.id == orders.c.file_id)
        .where(
            acts.c.client == client,
            acts.c.state.in_(list(states)),
            orders.c.into == into,
            files.c.connection == source,
        )
        .order_by(acts.c.id)
    )
    return [row_dict(row) for row in conn.execute(query)]


def shipped(
    conn: sa.Connection, client: str, source: str, into: str, since: datetime, ended: Collection[str]
) -> list[Row]:
    """What the shipments made since then moved, of orders of a link whose status is none of ``ended``."""
    query = (
        sa.select(acts.c.content)
        .join(orders, orders.c.id == acts.c.order_row)
        .join(files, files.c.id == orders.c.file_id)
        .where(
            acts.c.client == client,
            acts.c.act == "ship",
            acts.c.state == DONE,
            acts.c.created >= since,
            orders.c.into == into,
            files.c.connection == source,
            orders.c.status.is_(None) | orders.c.status.not_in(list(ended)),
        )
    )
    return [content for content in conn.execute(query).scalars() if content]


def waiting_orders(
    conn: sa.Connection, client: str, source: str, into: str, now: datetime | None, limit: int
) -> list[Row]:
    """Orders of a link that are on their way or held; with ``now``, only those whose next try has come."""
    states = (OrderState.NEW, OrderState.CREATING, OrderState.HELD)
    due = orders.c.next_try.is_(None) | (orders.c.next_try <= now) if now is not None else sa.true()
    query = (
        sa.select(orders)
        .join(files, files.c.id == orders.c.file_id)
        .where(
            orders.c.client == client,
            orders.c.into == into,
            files.c.connection == source,
            orders.c.state.in_([str(state) for state in states]),
            due,
        )
        .order_by(orders.c.updated, orders.c.id)
        .limit(limit)
    )
    return [row_dict(row) for row in conn.execute(query)]


def doubtful_orders(conn: sa.Connection, client: str, source: str, into: str, now: datetime | None) -> list[Row]:
    """Orders of a link that are in doubt; with ``now``, only those that are to be looked up again."""
    due = orders.c.next_try.is_(None) | (orders.c.next_try <= now) if now is not None else sa.true()
    query = (
        sa.select(orders)
        .join(files, files.c.id == orders.c.file_id)
        .where(
            orders.c.client == client,
            orders.c.into == into,
            files.c.connection == source,
            orders.c.state == OrderState.IN_DOUBT,
            due,
        )
        .order_by(orders.c.id)
    )
    return [row_dict(row) for row in conn.execute(query)]
