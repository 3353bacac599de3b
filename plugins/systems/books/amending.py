"""Changes documents that are there: to a newer content of their order, or marked cancelled.

Both are absolute. What a document reserves stands in its lines, so that exactly that is freed, and only once. A closed
document is changed by nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import Any, TypeVar

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError

from pipeline.api import (
    Amendment,
    Cancellation,
    DocumentOutcome,
    DocumentRef,
    Held,
    InDoubt,
    MistokError,
    Refused,
    T,
    Transient,
)
from plugins.systems.books import tables as t
from plugins.systems.books.counters import lock
from plugins.systems.books.database import Database, in_doubt
from plugins.systems.books.documents import KIND, Batch, add_reserve, commit, held_by_database
from plugins.systems.books.settings import BooksSettings
from plugins.systems.books.store import ensure

_D = t.documents.c
_L = t.document_lines.c
#: What a document keeps whatever its order says now.
_KEPT = ("id", "kind", "number", "client", "key", "source_id", "order_id", "created_at")
Change = TypeVar("Change", Amendment, Cancellation)
Reserve = dict[tuple[int, int], Decimal]  # (product, warehouse) -> quantity


def amend(
    database: Database, amendments: Sequence[Amendment], settings: BooksSettings, now: datetime, *, client: str
) -> Sequence[DocumentOutcome]:
    """Bring documents to a new content; one outcome each, in order. ``now`` is in the zone that times are told in."""

    def change(connection: Connection, one: Amendment, row: Any) -> None:
        batch = Batch(connection, (one.draft,), settings, now, client)
        batch.prepare((one.draft,))
        before = reserved(connection, [row.id])
        batch.free(before)
        made = batch.rows(one.draft, row.id)
        values = {name: value for name, value in made.document.items() if name not in _KEPT}
        values |= {"amended_key": one.key, "amended_at": now, "cancelled_at": None}
        add_reserve(connection, {place: -quantity for place, quantity in before.items()}, now)
        for table in (t.document_lines, t.document_taxes):
            connection.execute(delete(table).where(table.c.document_id == row.id))
        connection.execute(update(t.documents).where(_D.id == row.id).values(**values))
        if made.lines:
            connection.execute(insert(t.document_lines), made.lines)
        if made.taxes:
            connection.execute(insert(t.document_taxes), made.taxes)
        add_reserve(connection, made.reserve, now)

    return _each(database, amendments, change, now.tzinfo)


def cancel(database: Database, cancellations: Sequence[Cancellation], now: datetime) -> Sequence[DocumentOutcome]:
    """Mark documents cancelled and free what they reserve; one outcome each, in order. ``now`` as for :func:`amend`."""

    def change(connection: Connection, one: Cancellation, row: Any) -> None:
        freed = {place: -quantity for place, quantity in reserved(connection, [row.id]).items()}
        add_reserve(connection, freed, now)
        connection.execute(update(t.document_lines).where(_L.document_id == row.id).values(reserved=Decimal(0)))
        status = ensure(connection, t.statuses, {one.status})[one.status]
        values = {"status_id": status, "cancelled_at": row.cancelled_at or now}
        values |= {"amended_key": one.key, "amended_at": now}
        connection.execute(update(t.documents).where(_D.id == row.id).values(**values))

    return _each(database, cancellations, change, now.tzinfo)


def reserved(connection: Connection, ids: Sequence[int]) -> Reserve:
    """What these documents reserve, by product and warehouse."""
    found: Reserve = {}
    query = (
        select(_L.product_id, _D.warehouse_id, _L.reserved)
        .join_from(t.document_lines, t.documents, _D.id == _L.document_id)
        .where(_L.document_id.in_(list(ids)), _L.reserved != Decimal(0), _D.warehouse_id.is_not(None))
    )
    for row in connection.execute(query):
        place = (row.product_id, row.warehouse_id)
        found[place] = found.get(place, Decimal("0.00")) + row.reserved
    return found


def _each(
    database: Database,
    changes: Sequence[Change],
    change: Callable[[Connection, Change, Any], None],
    zone: tzinfo | None,
) -> Sequence[DocumentOutcome]:
    """Each change behind a savepoint of one transaction, so that one that fails leaves the others alone."""
    if not changes:
        return ()
    outcomes: list[DocumentOutcome] = []
    try:
        with database.write() as connection:
            lock(connection, KIND)  # as whoever creates: amounts and reserves are looked up and then written
            outcomes = [_one(connection, one, change, zone) for one in changes]
            commit(database, connection)
    except (Transient, Refused, InDoubt, Held) as error:
        return tuple(DocumentOutcome(one.key, error=error) for one in changes)
    return tuple(outcomes)


def _one(
    connection: Connection,
    one: Change,
    change: Callable[[Connection, Change, Any], None],
    zone: tzinfo | None,
) -> DocumentOutcome:
    row = connection.execute(_found(one.ref).with_for_update(of=t.documents)).first()
    if row is None:
        return DocumentOutcome(one.key, error=_gone(one.ref))
    if row.amended_key == one.key:
        return DocumentOutcome(one.key, _ref(connection, row.id), existed=True)
    if row.closed_at is not None:
        return DocumentOutcome(one.key, error=_closed(row.number, row.closed_at, zone))
    try:
        with connection.begin_nested():
            change(connection, one, row)
    except Held as error:
        return DocumentOutcome(one.key, error=error)
    except (IntegrityError, StatementError) as error:
        if isinstance(error, DBAPIError) and not isinstance(error, IntegrityError) and in_doubt(error):
            raise
        return DocumentOutcome(one.key, error=held_by_database(row.order_number, error))
    return DocumentOutcome(one.key, _ref(connection, row.id))


def _found(ref: DocumentRef) -> Any:
    columns = (_D.id, _D.number, _D.order_number, _D.amended_key, _D.cancelled_at, _D.closed_at)
    here = _D.key == ref.key if ref.key else _D.id == (int(ref.id) if ref.id.isdecimal() else -1)
    return select(*columns).where(here)


def _ref(connection: Connection, document: int) -> DocumentRef:
    row = connection.execute(
        select(_D.id, _D.number, _D.key, _D.created_at, _D.total, t.currencies.c.code)
        .join_from(t.documents, t.currencies, t.currencies.c.id == _D.currency_id)
        .where(_D.id == document)
    ).one()
    return DocumentRef(str(row.id), row.number, row.key, row.created_at, row.total, row.code)


def _gone(ref: DocumentRef) -> MistokError:
    return Held(
        T("Document {number} is not in the books any more.", number=ref.number),
        hint=T("Find out who took it out. It is not made a second time by itself."),
        code="document-gone",
    )


def _closed(number: str, when: datetime, zone: tzinfo | None) -> MistokError:
    return Held(
        T("Document {number} is closed since {when}: its goods have left.", number=number, when=when.astimezone(zone)),
        hint=T("Reopen it (mistok books reopen {number}) and accept the change, or correct it by hand.", number=number),
        code="document-closed",
    )
