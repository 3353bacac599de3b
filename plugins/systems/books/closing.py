"""Closes documents: the goods have left. What was reserved goes off the stock; the document may not change any more."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from pipeline.api import Held, T
from plugins.systems.books import tables as t
from plugins.systems.books.amending import Reserve, reserved
from plugins.systems.books.counters import lock
from plugins.systems.books.database import Database
from plugins.systems.books.documents import KIND
from plugins.systems.books.periods import check_period, close_until

_D = t.documents.c


def close(database: Database, number: str, now: datetime) -> bool:
    """Close the document of that number; False when it is closed already. Raises Held when it cannot be."""
    with database.write() as connection:
        row = _document(connection, number)
        if row.cancelled_at is not None:
            raise Held(
                T("Document {number} is cancelled: no goods leave for it.", number=number), code="document-cancelled"
            )
        if row.closed_at is not None:
            return False
        _move(connection, reserved(connection, [row.id]), 1, now)
        connection.execute(update(t.documents).where(_D.id == row.id).values(closed_at=now))
    return True


def reopen(database: Database, number: str, now: datetime) -> bool:
    """Take the closing back; False when it is open. Raises Held when it cannot be."""
    with database.write() as connection:
        row = _document(connection, number)
        if row.closed_at is None:
            return False
        check_period(connection, row.closed_at, now.tzinfo)
        _move(connection, reserved(connection, [row.id]), -1, now)
        connection.execute(update(t.documents).where(_D.id == row.id).values(closed_at=None))
    return True


def close_period(database: Database, until: datetime | None) -> None:
    """Close what is dated before ``until`` (aware) for everybody; None opens all again."""
    with database.write() as connection:
        lock(connection, KIND)
        close_until(connection, until)


def _document(connection: Connection, number: str) -> Any:
    lock(connection, KIND)
    row = connection.execute(select(_D.id, _D.cancelled_at, _D.closed_at).where(_D.number == number)).first()
    if row is None:
        raise Held(T("There is no document {number}.", number=number), code="document-gone")
    return row


def _move(connection: Connection, goods: Reserve, sign: int, now: datetime) -> None:
    s = t.stock.c
    for (product, warehouse), quantity in sorted(goods.items()):
        connection.execute(
            update(t.stock)
            .where(s.product_id == product, s.warehouse_id == warehouse)
            .values(on_hand=s.on_hand - sign * quantity, reserved=s.reserved - sign * quantity, updated_at=now)
        )
