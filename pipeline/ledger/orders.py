"""Rows of orders, and their appearances in files."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipeline.ledger.tables import FileState, OrderState, files, orders, row_dict, set_each, sightings
from pipeline.manyrows import insert_rows, look_up

Row = dict[str, Any]
_CHUNK = 400

#: States from which an order still has a way to go; a file is done when none of its orders is in them. An order in
#: doubt has an open card and is looked up on its own.
UNFINISHED = (OrderState.NEW, OrderState.CREATING)
#: States that are no end: whoever carries an order on leaves the others alone.
STILL_OPEN = (*UNFINISHED, OrderState.HELD, OrderState.IN_DOUBT)

#: a row of which no column was given; ``insert`` is given those that have another default
_EMPTY: Row = dict.fromkeys(orders.columns.keys())
_BY_KEYS = sa.select(orders).where(orders.c.key.in_(sa.bindparam("keys", expanding=True)))
_IDS = sa.select(orders.c.key, orders.c.id).where(orders.c.key.in_(sa.bindparam("keys", expanding=True)))
_SIGHTED = sa.select(sightings.c.order_row, sightings.c.file_id, sightings.c.line).where(
    sightings.c.order_row.in_(sa.bindparam("ids", expanding=True))
)
_UNFINISHED_FILES = (
    sa.select(sightings.c.file_id)
    .join(orders, orders.c.id == sightings.c.order_row)
    .where(
        sightings.c.file_id.in_(sa.bindparam("ids", expanding=True)),
        orders.c.state.in_(UNFINISHED) | (sightings.c.outcome == "amending"),
    )
    .distinct()
)


def by_keys(conn: sa.Connection, keys: Collection[str]) -> dict[str, Row]:
    """Rows by key."""
    found: dict[str, Row] = {}
    wanted = sorted(keys)
    for start in range(0, len(wanted), _CHUNK):
        for row in look_up(conn, _BY_KEYS, keys=wanted[start : start + _CHUNK]):
            named = dict(zip(_EMPTY, row, strict=True))
            found[named["key"]] = named
    return found


def insert(conn: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> dict[str, Row]:
    """New orders, all columns given alike; gives their rows by key."""
    insert_rows(conn, orders, rows)
    ids: dict[str, int] = {}
    wanted = sorted(row["key"] for row in rows)
    for start in range(0, len(wanted), _CHUNK):
        ids.update((key, row_id) for key, row_id in look_up(conn, _IDS, keys=wanted[start : start + _CHUNK]))
    return {row["key"]: {**_EMPTY, **row, "id": ids[row["key"]]} for row in rows}


def update(conn: sa.Connection, row_id: int, now: datetime, **values: Any) -> None:
    """Set values on one order."""
    conn.execute(orders.update().where(orders.c.id == row_id).values(updated=now, **values))


def set_creating(conn: sa.Connection, ids: Collection[int], now: datetime) -> set[int]:
    """Set orders on their way to CREATING; gives those that were: an end state that a person gave them stands."""
    known = sorted(ids)
    going: set[int] = set()
    open_states = (*UNFINISHED, OrderState.HELD)
    for start in range(0, len(known), _CHUNK):
        here = orders.c.id.in_(known[start : start + _CHUNK]) & orders.c.state.in_(open_states)
        conn.execute(orders.update().where(here).values(updated=now, state=OrderState.CREATING))
        going.update(
            conn.execute(
                sa.select(orders.c.id).where(
                    orders.c.id.in_(known[start : start + _CHUNK]), orders.c.state == OrderState.CREATING
                )
            ).scalars()
        )
    return going


def by_ids(conn: sa.Connection, ids: Collection[int]) -> dict[int, Row]:
    """Rows by id, in order of their ids."""
    found: dict[int, Row] = {}
    known = sorted(ids)
    for start in range(0, len(known), _CHUNK):
        query = sa.select(orders).where(orders.c.id.in_(known[start : start + _CHUNK])).order_by(orders.c.id)
        found.update((row.id, row_dict(row)) for row in conn.execute(query))
    return found


def settle(conn: sa.Connection, row_id: int, states: Collection[OrderState], now: datetime, **values: Any) -> bool:
    """Set values on an order that is in one of these states; False, and nothing is set, when it is in another."""
    here = (orders.c.id == row_id) & orders.c.state.in_([str(state) for state in states])
    return bool(conn.execute(orders.update().where(here).values(updated=now, **values)).rowcount)


def update_each(conn: sa.Connection, rows: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """Set values order by order: each mapping has ``id`` and the columns to set (the same ones in all)."""
    set_each(conn, orders, rows, now)


def add_sightings(conn: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write down appearances; one that is there already (a run that was resumed) stays as it is."""
    known: set[tuple[int, int, int | None]] = set()
    # by their orders: a large file has very many appearances
    wanted = sorted({row["order_row"] for row in rows})
    for start in range(0, len(wanted), _CHUNK):
        some = wanted[start : start + _CHUNK]
        known.update((row[0], row[1], row[2]) for row in look_up(conn, _SIGHTED, ids=some))
    fresh = []
    for row in rows:
        place = (row["order_row"], row["file_id"], row["line"])
        if place not in known:
            known.add(place)
            fresh.append(dict(row))
    insert_rows(conn, sightings, fresh)


def unfinished_files(conn: sa.Connection, file_ids: Collection[int]) -> set[int]:
    """Which of these files still have an order on its way."""
    found: set[int] = set()
    known = sorted(file_ids)
    for start in range(0, len(known), _CHUNK):
        found.update(row[0] for row in look_up(conn, _UNFINISHED_FILES, ids=known[start : start + _CHUNK]))
    return found


def left_on_their_way(
    conn: sa.Connection, client: str, inbox: tuple[str, str], now: datetime, person: bool, limit: int
) -> list[Row]:
    """Orders that a killed run left unfinished although their file is settled, or that the target did not take.

    Of the latter only those whose time has come; a ``person`` waits only for a time that the target named (0 tries).
    """
    due = (orders.c.state != OrderState.NEW) | orders.c.next_try.is_(None) | (orders.c.next_try <= now)
    if person:
        due |= orders.c.tries > 0
    return _of_inbox(conn, client, inbox, orders.c.state.in_(UNFINISHED) & due, limit)


def held_and_due(
    conn: sa.Connection, client: str, inbox: tuple[str, str], now: datetime | None, after: int, limit: int
) -> list[Row]:
    """Held orders of an inbox with an id beyond ``after``; with ``now``, only those whose next try has come."""
    due = orders.c.next_try.is_(None) | (orders.c.next_try <= now) if now is not None else sa.true()
    return _of_inbox(conn, client, inbox, (orders.c.state == OrderState.HELD) & (orders.c.id > after) & due, limit)


def in_doubt_and_due(conn: sa.Connection, client: str, inbox: tuple[str, str], now: datetime, limit: int) -> list[Row]:
    """Orders in doubt that are to be looked up now."""
    due = orders.c.next_try.is_(None) | (orders.c.next_try <= now)
    return _of_inbox(conn, client, inbox, (orders.c.state == OrderState.IN_DOUBT) & due, limit)


def _of_inbox(
    conn: sa.Connection, client: str, inbox: tuple[str, str], which: sa.ColumnElement[bool], limit: int
) -> list[Row]:
    connection, folder = inbox
    settled = (FileState.DONE, FileState.ACKNOWLEDGED)
    query = (
        sa.select(orders)
        .join(files, files.c.id == orders.c.file_id)
        .where(
            orders.c.client == client,
            files.c.connection == connection,
            files.c.folder == folder,
            files.c.state.in_([str(state) for state in settled]),
            which,
        )
        .order_by(orders.c.id)
        .limit(limit)
    )
    return [row_dict(row) for row in conn.execute(query)]


def in_state(conn: sa.Connection, client: str, state: OrderState) -> list[Row]:
    """All orders of a client in that state, oldest first."""
    query = sa.select(orders).where(orders.c.client == client, orders.c.state == str(state)).order_by(orders.c.id)
    return [row_dict(row) for row in conn.execute(query)]


def held_of_files(conn: sa.Connection, file_ids: Collection[int]) -> list[Row]:
    """The held orders whose present content came in one of these files."""
    found: list[Row] = []
    known = sorted(file_ids)
    for start in range(0, len(known), _CHUNK):
        here = orders.c.file_id.in_(known[start : start + _CHUNK]) & (orders.c.state == OrderState.HELD)
        found.extend(row_dict(row) for row in conn.execute(sa.select(orders).where(here).order_by(orders.c.id)))
    return found


def held_keys(conn: sa.Connection, file_id: int) -> dict[str, tuple[int, str]]:
    """The same of one file: id and order id of each by its key."""
    here = (orders.c.file_id == file_id) & (orders.c.state == OrderState.HELD)
    query = sa.select(orders.c.key, orders.c.id, orders.c.order_id).where(here)
    return {row.key: (row.id, row.order_id) for row in conn.execute(query)}


def in_file(conn: sa.Connection, file_id: int) -> list[Row]:
    """The orders that appeared in a file, with the line and outcome of their appearance."""
    query = (
        sa.select(orders, sightings.c.line.label("seen_line"), sightings.c.outcome.label("seen_as"))
        .join(sightings, sightings.c.order_row == orders.c.id)
        .where(sightings.c.file_id == file_id)
        .order_by(sightings.c.id)
    )
    return [row_dict(row) for row in conn.execute(query)]


def count_in_file(conn: sa.Connection, file_id: int, state: OrderState, without: Collection[int]) -> int:
    """How many orders in that state appeared in a file, those ``without`` aside."""
    here = (sightings.c.file_id == file_id) & (orders.c.state == str(state))
    query = sa.select(sa.func.count()).select_from(sightings.join(orders, orders.c.id == sightings.c.order_row))
    count = int(conn.execute(query.where(here)).scalar_one())
    known = sorted(without)
    for start in range(0, len(known), _CHUNK):
        some = orders.c.id.in_(known[start : start + _CHUNK])
        count -= int(conn.execute(query.where(here & some)).scalar_one())
    return count


def files_of(conn: sa.Connection, order_row: int) -> list[int]:
    """Ids of the files that an order appeared in, first one first."""
    query = sa.select(sightings.c.file_id).where(sightings.c.order_row == order_row).order_by(sightings.c.id)
    return list(dict.fromkeys(conn.execute(query).scalars()))
