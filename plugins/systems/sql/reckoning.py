"""What an order comes to in lines, delivery, fee and discount, so that its total is the shop's to the cent. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from pipeline.api import DocumentDraft, Held, Order, T, Where, cents, order_totals, spread

ZERO = Decimal("0.00")
DELIVERY, FEE = -1, -2  #: in the place of a line of the order


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a document: ``price x quantity - discount`` is ``sum``, to the cent."""

    place: int  #: of the order's own line, from 0; or DELIVERY, FEE
    code: str
    name: str
    quantity: Decimal
    price: Decimal
    discount: Decimal
    sum: Decimal
    unit: str = ""
    barcode: str = ""
    comment: str = ""
    tax_rate: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Reckoned:
    """The parts of an order: ``goods + delivery + fee - discount + tax + rounding`` is ``total``."""

    lines: tuple[Line, ...]
    goods: Decimal  #: sum of all lines, those of services as well
    delivery: Decimal
    fee: Decimal
    discount: Decimal
    tax: Decimal  #: on top of prices; 0 where it is inside of them
    rounding: Decimal
    total: Decimal


@dataclass(frozen=True, slots=True)
class Way:
    """How an order is taken apart: what has a place of its own is left as it is."""

    discounts: Literal["lines", "order"] = "lines"
    delivery: str | None = None  #: article of the line that it is
    fee: str | None = None
    rounding: bool = False


def reckon(draft: DocumentDraft, way: Way) -> Reckoned:
    """The parts of an order. Raises Held for one without lines, or whose parts do not make its total."""
    order, where = draft.order, Where(order=draft.order.number or draft.order.id)
    if not order.lines:
        raise Held(T("Order {number} has no lines.", number=where.order or ""), where=where, code="empty-order")
    totals, rounding, wanted = order_totals(order), cents(draft.rounding or ZERO), cents(order.total)
    if totals.total + rounding != wanted:
        raise Held(
            T("Order {number} says {stated}, its parts make {made}.", number=where.order or "", stated=wanted,
              made=totals.total + rounding),
            hint=T("Find out which is right, mend it at the source, and let the order come again."),
            where=where,
            code="totals",
        )  # fmt: skip
    discount, tax = totals.discount, ZERO if order.prices_include_tax else totals.tax
    sums = list(totals.line_sums)
    if way.discounts == "lines":
        moved = min(discount, sum((max(one, ZERO) for one in sums), ZERO))
        less = moved - (ZERO if way.rounding else rounding)
        weights = [max(one, ZERO) for one in sums]
        sums = [one - part for one, part in zip(sums, spread(less, weights), strict=True)]
        discount -= moved
        rounding = rounding if way.rounding else ZERO
    lines = [_line(order, place, amount) for place, amount in enumerate(sums)]
    delivery, fee = totals.delivery, totals.fee
    if delivery and way.delivery is not None:
        name = order.delivery.method or order.delivery.carrier or str(T("Delivery"))
        lines.append(_service(DELIVERY, way.delivery, name, delivery, order.delivery.tax_rate))
        delivery = ZERO
    if fee and way.fee is not None:
        lines.append(_service(FEE, way.fee, order.payment.method or str(T("Payment fee")), fee, order.payment.tax_rate))
        fee = ZERO
    goods = sum((line.sum for line in lines), ZERO)
    return Reckoned(tuple(lines), goods, delivery, fee, discount, tax, rounding, wanted)


def _line(order: Order, place: int, amount: Decimal) -> Line:
    one = order.lines[place]
    discount = cents(one.price * one.quantity) - amount
    return Line(
        place, one.code, one.name, one.quantity, one.price, discount, amount, one.unit, one.barcode, one.comment,
        one.tax_rate,
    )  # fmt: skip


def _service(place: int, code: str, name: str, amount: Decimal, rate: Decimal | None) -> Line:
    return Line(place, code, name, Decimal(1), amount, ZERO, amount, tax_rate=rate)


def nameless(reckoned: Reckoned, has: Sequence[str]) -> list[tuple[str, Decimal]]:
    """The parts of the sum that no column keeps: (word, amount). ``has``: the words that are written."""
    parts = {
        "order.delivery": reckoned.delivery,
        "order.fee": reckoned.fee,
        "order.discount": reckoned.discount,
        "order.tax": reckoned.tax,
        "order.rounding": reckoned.rounding,
    }
    return [(word, amount) for word, amount in parts.items() if amount and word not in has]
