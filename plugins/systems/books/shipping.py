"""Shipments and returns: the documents by which goods leave the stock and come back into it, each once.

A shipment takes from the stock what it says and frees what its order held back of it; all of an order, or part after
part, never more than was ordered and has not come back. A return stands on its shipment, and never takes in more than
left by it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Select, Table, func, insert, literal, select

from pipeline.api import (
    DocumentDraft,
    DocumentOutcome,
    DocumentRef,
    Finding,
    Held,
    Return,
    Shipment,
    T,
    Text,
    Totals,
    Where,
)
from plugins.systems.books import tables as t
from plugins.systems.books.counters import take
from plugins.systems.books.database import Database
from plugins.systems.books.documents import add_on_hand, id_of
from plugins.systems.books.goods import (
    Amounts,
    asked,
    away,
    below_nothing,
    enough,
    free_reserve,
    goods_of,
    returned,
    shipped,
    warehouse_for,
)
from plugins.systems.books.periods import check_period
from plugins.systems.books.settings import BooksSettings
from plugins.systems.books.writing import closed, document_of, each, gone, number_of

_L = t.document_lines.c


def ship(
    database: Database, shipments: Sequence[Shipment], settings: BooksSettings, now: datetime, *, client: str
) -> Sequence[DocumentOutcome]:
    """Take goods off the stock on order documents; one outcome each, in order. ``now`` is in the zone of the client."""

    def write(connection: Connection, one: Shipment) -> DocumentOutcome:
        if there := find(connection, t.shipments, [one.key]).get(one.key):
            return DocumentOutcome(one.key, there, existed=True)
        document = document_of(connection, one.order)
        if document.cancelled_at is not None:
            raise Held(
                T("Document {number} is cancelled: no goods leave for it.", number=document.number),
                code="document-cancelled",
            )
        if document.closed_at is not None:
            raise closed(document.number, document.closed_at, now.tzinfo)
        at = one.at or now
        check_period(connection, at, now.tzinfo)

        def too_many(code: str, quantity: Decimal, left: Decimal) -> Text:
            return T(
                "Of {code} {quantity} are to leave on document {number}, where {left} are still to be shipped.",
                code=code,
                quantity=quantity,
                number=document.number,
                left=left,
            )

        amounts, totals = asked(one.draft, document, _to_ship(connection, document.id), too_many)
        place, notes = _write_off(connection, one.draft, document, amounts, settings, now)
        values = {"warehouse_id": place, "tracking": one.draft.order.delivery.tracking, "at": at, "created_at": now}
        values |= {"client": client, "key": one.key, "document_id": document.id, "comment": one.draft.comment}
        return DocumentOutcome(one.key, _keep(connection, "shipment", values, one.draft, totals, settings), notes=notes)

    return each(database, shipments, write, [one.draft for one in shipments])


def take_back(
    database: Database, returns: Sequence[Return], settings: BooksSettings, now: datetime, *, client: str
) -> Sequence[DocumentOutcome]:
    """Take goods into stock again on the base of their shipments; one outcome each, in order. ``now`` as for ship."""

    def write(connection: Connection, one: Return) -> DocumentOutcome:
        if there := find(connection, t.returns, [one.key]).get(one.key):
            return DocumentOutcome(one.key, there, existed=True)
        c = t.shipments.c
        here = c.key == one.shipment.key if one.shipment.key else c.id == number_of(one.shipment)
        left = connection.execute(select(t.shipments).where(here)).first()
        if left is None:
            raise gone(one.shipment)
        document = document_of(connection, one.order)
        if left.document_id != document.id:
            raise Held(
                T("Shipment {number} does not stand on document {order}.", number=left.number, order=document.number),
                where=Where(order=document.order_number),
                code="shipment-of-another",
            )
        at = one.at or now
        check_period(connection, at, now.tzinfo)

        def too_many(code: str, quantity: Decimal, left_: Decimal) -> Text:
            return T(
                "Of {code} {quantity} are to come back, and {left} of shipment {number} are with the buyer.",
                code=code,
                quantity=quantity,
                number=left.number,
                left=left_,
            )

        out = shipped(connection, c.id == left.id)
        back = returned(connection, t.returns.c.shipment_id == left.id)
        allowed = {product: quantity - back.get(product, quantity * 0) for product, quantity in out.items()}
        amounts, totals = asked(one.draft, document, allowed, too_many)
        goods = goods_of(connection, amounts)
        place = None
        if goods:
            named = id_of(one.draft.warehouse, Where(order=document.order_number))
            place = warehouse_for(connection, settings, named, left.warehouse_id)
            add_on_hand(connection, {(product, place): quantity for product, quantity in goods.items()}, now)
        values = {"shipment_id": left.id, "warehouse_id": place, "at": at, "created_at": now, "client": client}
        values |= {"key": one.key, "document_id": document.id, "comment": one.draft.comment}
        return DocumentOutcome(one.key, _keep(connection, "return", values, one.draft, totals, settings))

    return each(database, returns, write, [one.draft for one in returns])


def find(connection: Connection, table: Table, keys: Collection[str]) -> dict[str, DocumentRef]:
    """The shipments, returns or payments (by their ``table``) that exist for ``keys``."""
    wanted = list(keys)
    found: dict[str, DocumentRef] = {}
    for start in range(0, len(wanted), 5000):
        for row in connection.execute(shown(table).where(table.c.key.in_(wanted[start : start + 5000]))):
            found[row.key] = ref_of(row)
    return found


def standing(connection: Connection, table: Table, column: Any, refs: Collection[DocumentRef]) -> Mapping[str, Any]:
    """By the id of each of ``refs`` what stands on it by ``column``, oldest first; none: absent."""
    wanted = sorted({number_of(ref) for ref in refs})
    found: dict[str, list[DocumentRef]] = {}
    for start in range(0, len(wanted), 5000):
        some = shown(table).add_columns(column.label("base")).where(column.in_(wanted[start : start + 5000]))
        for row in connection.execute(some.order_by(table.c.id)):
            found.setdefault(str(row.base), []).append(ref_of(row))
    return found


def shown(table: Table) -> Select[Any]:
    """What is told of the rows of a table of shipments, returns or payments."""
    c = table.c
    tracking = c.tracking if table is t.shipments else literal("").label("tracking")
    return (
        select(c.id, c.number, c.key, c.created_at, c.total, t.currencies.c.code.label("currency"), tracking)
        .join_from(table, t.documents, t.documents.c.id == c.document_id)
        .join(t.currencies, t.currencies.c.id == t.documents.c.currency_id)
    )


def ref_of(row: Any) -> DocumentRef:
    """A row of :func:`shown` as it is told."""
    return DocumentRef(str(row.id), row.number, row.key, row.created_at, row.total, row.currency, row.tracking)


def _to_ship(connection: Connection, document: int) -> Amounts:
    """What was ordered and has not left, or has come back."""
    query = select(_L.product_id, func.sum(_L.quantity).label("quantity")).where(_L.document_id == document)
    gone_ = away(connection, document)
    return {
        row.product_id: row.quantity - gone_.get(row.product_id, row.quantity * 0)
        for row in connection.execute(query.group_by(_L.product_id))
    }


def _write_off(
    connection: Connection,
    draft: DocumentDraft,
    document: Any,
    amounts: Amounts,
    settings: BooksSettings,
    now: datetime,
) -> tuple[int | None, tuple[Finding, ...]]:
    """Take goods from the warehouse that they leave: which (None: services only), and what is below 0 by that."""
    goods = goods_of(connection, amounts)
    if not goods:
        return None, ()
    named = id_of(draft.warehouse, Where(order=document.order_number))
    place = warehouse_for(connection, settings, named, document.warehouse_id)
    free_reserve(connection, document, goods, now)
    if settings.oversell == "hold":
        codes = {ref.id: ref.code for ref in draft.products}
        enough(connection, goods, place, [codes[str(product)] for product in goods])
    add_on_hand(connection, {(product, place): -quantity for product, quantity in goods.items()}, now)
    return place, below_nothing(connection, goods, place, document.order_number)


def _keep(
    connection: Connection,
    kind: str,
    values: dict[str, Any],
    draft: DocumentDraft,
    totals: Totals,
    settings: BooksSettings,
) -> DocumentRef:
    """Write a shipment or return with its lines."""
    table, lines = (t.shipments, t.shipment_lines) if kind == "shipment" else (t.returns, t.return_lines)
    number = take(connection, kind, 1)
    total = totals.total + (draft.rounding or 0)
    values |= {"id": number, "number": f"{settings.number_prefix}{kind[0].upper()}{number:06d}", "total": total}
    connection.execute(insert(table).values(**values))
    connection.execute(
        insert(lines),
        [
            {
                f"{kind}_id": number,
                "position": n,
                "product_id": int(ref.id),
                "code": line.code,
                "name": line.name,
                "quantity": line.quantity,
                "unit": line.unit,
                "price": line.price,
                "discount": line.discount,
                "sum": line_sum,
            }
            for n, (line, ref, line_sum) in enumerate(
                zip(draft.order.lines, draft.products, totals.line_sums, strict=True), 1
            )
        ],
    )
    return ref_of(connection.execute(shown(table).where(table.c.id == number)).one())
