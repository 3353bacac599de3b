"""Changes documents that are there: to a newer content of their order, or marked cancelled.

Both are absolute. What a document reserves stands in its lines, so that exactly that is freed, and only once. A closed
document is changed by nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import Any, TypeVar

from sqlalchemy import Connection, delete, insert, select, update

from pipeline.api import Amendment, Cancellation, DocumentOutcome, DocumentRef, Held, T
from plugins.systems.books import tables as t
from plugins.systems.books.database import Database
from plugins.systems.books.documents import Batch, Rows, add_reserve
from plugins.systems.books.goods import away, goods_of, still_away
from plugins.systems.books.periods import check_period
from plugins.systems.books.settings import BooksSettings
from plugins.systems.books.store import ensure
from plugins.systems.books.writing import closed, document_of, each

_D = t.documents.c
_L = t.document_lines.c
#: What a document keeps whatever its order says now.
_KEPT = ("id", "kind", "number", "client", "key", "source_id", "order_id", "created_at")
Change = TypeVar("Change", Amendment, Cancellation)
Reserve = dict[tuple[int, int], Decimal]  # (product, warehouse) -> quantity


def amend(
    database: Database,
    amendments: Sequence[Amendment],
    settings: BooksSettings,
    now: datetime,
    *,
    client: str,
    currency: str,
) -> Sequence[DocumentOutcome]:
    """Bring documents to a new content; one outcome each, in order. ``now`` is in the zone that times are told in."""

    def change(connection: Connection, one: Amendment, row: Any) -> None:
        batch = Batch(connection, (one.draft,), settings, now, client, currency)
        batch.prepare((one.draft,))
        before = reserved(connection, [row.id])
        batch.free(before)
        gone = goods_of(connection, away(connection, row.id))
        if row.warehouse_id is not None:  # what has left already need not be there once more
            batch.free({(product, row.warehouse_id): quantity for product, quantity in gone.items()})
        made = batch.rows(one.draft, row.id)
        _less(made, gone, row.number)
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

    return _one(database, amendments, change, now.tzinfo)


def cancel(database: Database, cancellations: Sequence[Cancellation], now: datetime) -> Sequence[DocumentOutcome]:
    """Mark documents cancelled and free what they reserve; one outcome each, in order. ``now`` as for :func:`amend`."""

    def change(connection: Connection, one: Cancellation, row: Any) -> None:
        still_away(connection, row.id, row.number)
        freed = {place: -quantity for place, quantity in reserved(connection, [row.id]).items()}
        add_reserve(connection, freed, now)
        connection.execute(update(t.document_lines).where(_L.document_id == row.id).values(reserved=Decimal(0)))
        status = ensure(connection, t.statuses, {one.status})[one.status]
        values = {"status_id": status, "cancelled_at": row.cancelled_at or now}
        values |= {"amended_key": one.key, "amended_at": now}
        connection.execute(update(t.documents).where(_D.id == row.id).values(**values))

    return _one(database, cancellations, change, now.tzinfo)


def _less(made: Rows, gone: Mapping[int, Decimal], number: str) -> None:
    """Take what has left by shipments out of what the lines of the new content reserve. Raises Held when it is more."""
    left = dict(gone)
    for line in made.lines:
        part = min(line["quantity"], left.get(line["product_id"], Decimal(0)))
        if part:
            left[line["product_id"]] -= part
            if line["reserved"]:
                line["reserved"] -= part
                made.reserve[line["product_id"], made.document["warehouse_id"]] -= part
    if any(left.values()):
        raise Held(
            T("More has left by the shipments of document {number} than the order now has.", number=number),
            hint=T("Enter what came back as a return first, or correct it by hand."),
            code="document-shipped",
        )


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


def _one(
    database: Database,
    changes: Sequence[Change],
    change: Callable[[Connection, Change, Any], None],
    zone: tzinfo | None,
) -> Sequence[DocumentOutcome]:
    """Each change of a document that is there, may be changed, and has not been changed by it already."""

    def write(connection: Connection, one: Change) -> DocumentOutcome:
        row = document_of(connection, one.ref)
        if row.amended_key == one.key:
            return DocumentOutcome(one.key, _ref(connection, row.id), existed=True)
        if row.closed_at is not None:
            raise closed(row.number, row.closed_at, zone)
        check_period(connection, row.created_at, zone)
        change(connection, one, row)
        return DocumentOutcome(one.key, _ref(connection, row.id))

    drafts = [draft for one in changes if (draft := getattr(one, "draft", None)) is not None]
    return each(database, changes, write, drafts, [one.ref for one in changes])


def _ref(connection: Connection, document: int) -> DocumentRef:
    row = connection.execute(
        select(_D.id, _D.number, _D.key, _D.created_at, _D.total, t.currencies.c.code)
        .join_from(t.documents, t.currencies, t.currencies.c.id == _D.currency_id)
        .where(_D.id == document)
    ).one()
    return DocumentRef(str(row.id), row.number, row.key, row.created_at, row.total, row.code)
