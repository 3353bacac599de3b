"""Goods that leave and come back: what is still to be shipped of an order, and how the stock moves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select, update

from pipeline.api import DocumentDraft, Finding, Held, T, Text, Totals, Where, Who
from plugins.systems.books import tables as t
from plugins.systems.books.documents import add_reserve, default_warehouse, sums
from plugins.systems.books.settings import BooksSettings
from plugins.systems.books.store import ensure

_NONE = Decimal("0.00")
_L = t.document_lines.c
Amounts = dict[int, Decimal]  # product -> quantity


def shipped(connection: Connection, *where: ColumnElement[bool]) -> Amounts:
    """How much of each product has left by the shipments for which ``where`` holds."""
    lines, paper = t.shipment_lines.c, t.shipments.c
    query = select(lines.product_id, func.sum(lines.quantity).label("quantity"))
    query = query.join_from(t.shipment_lines, t.shipments, paper.id == lines.shipment_id).where(*where)
    return {row.product_id: row.quantity for row in connection.execute(query.group_by(lines.product_id))}


def returned(connection: Connection, *where: ColumnElement[bool]) -> Amounts:
    """How much of each product has come back by the returns for which ``where`` holds."""
    lines, paper = t.return_lines.c, t.returns.c
    query = select(lines.product_id, func.sum(lines.quantity).label("quantity"))
    query = query.join_from(t.return_lines, t.returns, paper.id == lines.return_id).where(*where)
    return {row.product_id: row.quantity for row in connection.execute(query.group_by(lines.product_id))}


def away(connection: Connection, document: int) -> Amounts:
    """What has left on an order document and has not come back; products of which that is nothing are absent."""
    left = shipped(connection, t.shipments.c.document_id == document)
    for product, quantity in returned(connection, t.returns.c.document_id == document).items():
        left[product] = left.get(product, _NONE) - quantity
    return {product: quantity for product, quantity in left.items() if quantity}


def still_away(connection: Connection, document: int, number: str) -> None:
    """Raises Held when goods of the document are with the buyer."""
    if away(connection, document):
        raise Held(
            T("Goods of document {number} have left by its shipments.", number=number),
            hint=T("Enter what came back as a return first, or correct it by hand."),
            code="document-shipped",
        )


def asked(
    draft: DocumentDraft, document: Any, allowed: Amounts, more: Callable[[str, Decimal, Decimal], Text]
) -> tuple[Amounts, Totals]:
    """What a draft moves by product, and its sums. ``more`` says that of CODE QUANTITY is asked and LEFT is allowed.

    Raises Held for a draft without goods, with wrong sums, or that asks for more than is ``allowed``.
    """
    order = draft.order
    where = Where(order=order.number or order.id)
    if len(draft.products) != len(order.lines):
        raise Held(T("The lines of the order and their products do not pair up."), where=where, who=Who.US)
    if not order.lines or any(not line.quantity.is_finite() or line.quantity <= 0 for line in order.lines):
        raise Held(
            T("There is nothing in it: a document without goods is never made."),
            hint=T("Look at the order at its source: it should have at least one item, and no quantity of 0."),
            where=where,
            code="empty",
        )
    if order.currency != document.currency:
        raise Held(
            T(
                "Document {number} is in {theirs}, and this is in {ours}.",
                number=document.number,
                theirs=document.currency,
                ours=order.currency,
            ),
            where=where,
            code="currency",
        )
    totals, _ = sums(draft, where)
    wanted: Amounts = {}
    codes: dict[int, str] = {}
    for ref, line in zip(draft.products, order.lines, strict=True):
        product = int(ref.id) if ref.id.isascii() and ref.id.isdecimal() else -1
        wanted[product] = wanted.get(product, _NONE) + line.quantity
        codes[product] = ref.code
    for product, quantity in wanted.items():
        left = allowed.get(product, _NONE)
        if quantity > left:
            raise Held(more(codes[product], _count(quantity), _count(left)), where=where, code="too-many")
    return wanted, totals


def goods_of(connection: Connection, amounts: Amounts) -> Amounts:
    """``amounts`` without services, which lie in no warehouse."""
    p = t.products.c
    services = set(connection.execute(select(p.id).where(p.id.in_(sorted(amounts)), p.service)).scalars())
    return {product: quantity for product, quantity in amounts.items() if product not in services}


def warehouse_for(connection: Connection, settings: BooksSettings, *named: int | None) -> int:
    """The first warehouse that is named, else the one that the books would use. Raises Held when none is meant."""
    for one in named:
        if one is not None:
            return one
    found = default_warehouse(connection, settings)
    if isinstance(found, Held):
        raise found
    if found is None:  # books that have none yet get the one that they would use
        found = ensure(connection, t.warehouses, [settings.default_warehouse])[settings.default_warehouse]
    return found


def free_reserve(connection: Connection, document: Any, amounts: Amounts, now: datetime) -> Amounts:
    """Give up what the lines of a document hold back of these goods, as they leave; tells how much it was."""
    left = dict(amounts)
    freed: Amounts = {}
    rows = connection.execute(
        select(_L.position, _L.product_id, _L.reserved)
        .where(_L.document_id == document.id, _L.reserved > _NONE)
        .order_by(_L.position)
    ).all()
    for row in rows:
        if part := min(row.reserved, left.get(row.product_id, _NONE)):
            left[row.product_id] -= part
            freed[row.product_id] = freed.get(row.product_id, _NONE) + part
            here = update(t.document_lines).where(_L.document_id == document.id, _L.position == row.position)
            connection.execute(here.values(reserved=row.reserved - part))
    if document.warehouse_id is not None:
        add_reserve(connection, {(i, document.warehouse_id): -quantity for i, quantity in freed.items()}, now)
    return freed


def enough(connection: Connection, amounts: Amounts, warehouse: int, codes: Sequence[str]) -> None:
    """Raises Held when less is free in the warehouse than is to leave it."""
    s = t.stock.c
    rows = connection.execute(
        select(s.product_id, s.on_hand, s.reserved).where(s.warehouse_id == warehouse, s.product_id.in_(amounts))
    )
    free = {row.product_id: row.on_hand - row.reserved for row in rows}
    for (product, quantity), code in zip(amounts.items(), codes, strict=True):
        if quantity > free.get(product, _NONE):
            raise Held(
                T(
                    "Of {code} {quantity} are to leave and {free} are there.",
                    code=code,
                    quantity=_count(quantity),
                    free=_count(max(free.get(product, _NONE), _NONE)),
                ),
                hint=T("Restock it in the books, or ship what is there."),
                code="no-stock",
            )


def below_nothing(connection: Connection, amounts: Amounts, warehouse: int, order: str | None) -> tuple[Finding, ...]:
    """What is told of goods of which more has left than lay there: with `oversell: allow` it leaves all the same."""
    s, p, w = t.stock.c, t.products.c, t.warehouses.c
    rows = connection.execute(
        select(p.code, s.on_hand, w.code.label("place"))
        .join_from(t.stock, t.products, p.id == s.product_id)
        .join(t.warehouses, w.id == s.warehouse_id)
        .where(s.warehouse_id == warehouse, s.product_id.in_(amounts), s.on_hand < _NONE)
        .order_by(p.code)
    )
    return tuple(
        Finding(
            "below-nothing",
            T("More of {code} has left {place} than lay there: the books have {n} of it now.", code=row.code,
              place=row.place, n=_count(row.on_hand)),
            Where(order=order),
            T("Count it and load what is there; `oversell: hold` of the books asks a person before."),
            Who.ACCOUNTANT,
        )
        for row in rows
    )  # fmt: skip


def _count(quantity: Decimal) -> Decimal:
    """A quantity as people write it: 30 pieces are not 30.00."""
    return quantity.quantize(Decimal(1)) if quantity == quantity.to_integral() else quantity
