"""The versions of an order that came, one after the other: rows of ``sightings``, by what was done about each.

An outcome says what became of that appearance: ``new`` and ``same``, ``twin`` (beside another of its id in one file)
and ``later`` (the target is not asked yet); ``changed`` (a person is asked), ``ignored``,
``rejected`` (a person said no to it), ``older`` (newer content was known); ``amending`` (decided: its document is being
brought to it), ``blocked`` (decided, but it cannot be done yet), ``amended`` (it was done) and ``cancelled`` (its
document was marked so).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipeline.ledger import cards
from pipeline.ledger.tables import FileState, OrderState, files, orders, row_dict, sightings
from pipeline.ledger.tables import cards as cards_table

Row = dict[str, Any]
_CHUNK = 400
#: Content that is newer than what the document has, as far as is known: nobody has said no to it.
OPEN = ("changed", "amending", "blocked")
#: Decided, and not done yet.
WAITING = ("amending", "blocked")
#: Content that a document was made of, or brought to, with its items and sums.
BOOKED = ("new", "amended")
#: Content that stood for the order once.
STOOD = (*BOOKED, "same", "cancelled")


def of_orders(conn: sa.Connection, ids: Collection[int]) -> dict[int, list[Row]]:
    """The appearances of each order, oldest first."""
    found: dict[int, list[Row]] = {}
    known = sorted(ids)
    for start in range(0, len(known), _CHUNK):
        here = sightings.c.order_row.in_(known[start : start + _CHUNK])
        for row in conn.execute(sa.select(sightings).where(here).order_by(sightings.c.id)):
            found.setdefault(row.order_row, []).append(row_dict(row))
    return found


def asked(order: Mapping[str, Any], seen: Sequence[Row], *, carded: bool) -> Row | None:
    """The newer content that a person is asked about (``carded``: the order has an open card of that), or that waits.

    ``seen`` are the order's appearances, oldest first.
    """
    wanted = OPEN if carded else WAITING
    newer = [row for row in seen if row["outcome"] in wanted and row["revision"] != order["revision"]]
    return newer[-1] if newer else None


def asked_about(conn: sa.Connection, client: str, order: Mapping[str, Any]) -> Row | None:
    """The same, looked up."""
    subject = f"order:{order['id']}"
    carded = subject in cards.carded(conn, client, [subject], "changed")
    return asked(order, of_orders(conn, [order["id"]]).get(order["id"], []), carded=carded)


def write(conn: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write appearances down; one that is there already (a run that was resumed, a replay) gets the new outcome."""
    for row in rows:
        here = (sightings.c.order_row == row["order_row"]) & (sightings.c.file_id == row["file_id"])
        here &= sightings.c.line == row["line"] if row["line"] is not None else sightings.c.line.is_(None)
        if not conn.execute(sightings.update().where(here).values(outcome=row["outcome"])).rowcount:
            conn.execute(sightings.insert().values(dict(row)))


def mark(conn: sa.Connection, sighting_id: int, outcome: str) -> None:
    """Set what became of one appearance."""
    conn.execute(sightings.update().where(sightings.c.id == sighting_id).values(outcome=outcome))


def supersede(conn: sa.Connection, order_row: int, revision: str) -> None:
    """Content that was decided on and is not done yet is not done any more: ``revision`` takes its place."""
    here = (sightings.c.order_row == order_row) & sightings.c.outcome.in_(WAITING) & (sightings.c.revision != revision)
    conn.execute(sightings.update().where(here).values(outcome="changed"))


def with_waiting(conn: sa.Connection, ids: Collection[int]) -> set[int]:
    """Which of these orders have newer content that is decided on and not done yet."""
    found: set[int] = set()
    known = sorted(ids)
    for start in range(0, len(known), _CHUNK):
        here = sightings.c.order_row.in_(known[start : start + _CHUNK]) & sightings.c.outcome.in_(WAITING)
        found.update(conn.execute(sa.select(sightings.c.order_row).where(here).distinct()).scalars())
    return found


def asked_of(conn: sa.Connection, client: str, ids: Collection[int]) -> set[int]:
    """Which of these orders a person is asked about: other content of them came, and their cards are open."""
    subjects = cards.carded(conn, client, [f"order:{one}" for one in ids], "changed")
    return {int(subject.partition(":")[2]) for subject in subjects}


def waiting(
    conn: sa.Connection,
    client: str,
    inbox: tuple[str, str],
    now: datetime | None,
    limit: int,
    only: Collection[int] | None = None,
) -> list[Row]:
    """Appearances whose document is to be brought to them, though their file is settled; ``only`` of these orders.

    With ``now`` only those whose next try has come.
    """
    connection, folder = inbox
    due = orders.c.next_try.is_(None) | (orders.c.next_try <= now) if now is not None else sa.true()
    query = (
        sa.select(sightings)
        .join(orders, orders.c.id == sightings.c.order_row)
        .join(files, files.c.id == sightings.c.file_id)
        .where(
            sightings.c.outcome.in_(WAITING),
            orders.c.client == client,
            orders.c.state == OrderState.CREATED,
            files.c.connection == connection,
            files.c.folder == folder,
            files.c.state.in_([FileState.DONE, FileState.ACKNOWLEDGED]),
            due,
        )
        .order_by(sightings.c.id)
        .limit(limit)
    )
    if only is not None:
        query = query.where(orders.c.id.in_(list(only)))
    return [row_dict(row) for row in conn.execute(query)]


def outgrown(conn: sa.Connection, file_ids: Collection[int]) -> set[int]:
    """Which of these files hold content that other content took the place of since, or is about to, or that a person is
    asked about: sent again, they are no mere repetition."""
    found: set[int] = set()
    known = sorted(file_ids)
    if not known:  # as nearly always, and the question takes longer to make than to ask
        return found
    newer, card = sightings.alias(), cards_table
    another = orders.c.revision != sightings.c.revision
    waits = sa.select(newer.c.id).where(
        newer.c.order_row == orders.c.id, newer.c.outcome.in_(WAITING), newer.c.revision != sightings.c.revision
    )
    asks = sa.select(card.c.id).where(
        card.c.client == orders.c.client,
        card.c.subject == sa.literal("order:") + sa.cast(orders.c.id, sa.String),
        card.c.kind == "changed",
        card.c.state == "open",
    )
    replaced_soon = waits.exists() | asks.exists()
    for start in range(0, len(known), _CHUNK):
        query = (
            sa.select(sightings.c.file_id)
            .join(orders, orders.c.id == sightings.c.order_row)
            .where(
                sightings.c.file_id.in_(known[start : start + _CHUNK]),
                ((orders.c.amended.is_not(None) | sightings.c.outcome.in_(STOOD)) & another) | replaced_soon,
            )
            .distinct()
        )
        found.update(conn.execute(query).scalars())
    return found


def outdated(conn: sa.Connection, file_ids: Collection[int], order_ids: Collection[int]) -> set[tuple[int, int, str]]:
    """(order, file, revision) of what these files hold of these orders and was found older than what is known."""
    found: set[tuple[int, int, str]] = set()
    wanted, known = set(file_ids), sorted(order_ids)
    columns = (sightings.c.order_row, sightings.c.file_id, sightings.c.revision)
    for start in range(0, len(known), _CHUNK):
        here = sightings.c.order_row.in_(known[start : start + _CHUNK]) & (sightings.c.outcome == "older")
        found.update(
            (row[0], row[1], row[2]) for row in conn.execute(sa.select(*columns).where(here)) if row[1] in wanted
        )
    return found


def lines_of(conn: sa.Connection, file_id: int, key: str, revision: str) -> set[int | None]:
    """Where in that file the order of this key stands with this content."""
    query = (
        sa.select(sightings.c.line)
        .join(orders, orders.c.id == sightings.c.order_row)
        .where(orders.c.key == key, sightings.c.file_id == file_id, sightings.c.revision == revision)
    )
    return set(conn.execute(query).scalars())
