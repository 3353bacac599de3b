"""What an order comes to in lines, discounts and delivery, so that its total is the shop's to the cent. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from typing import Literal

from pipeline.api import CENT, DocumentDraft, Order, T, added_tax, cents, order_totals, spread
from plugins.systems.quincefin.refusals import held

ZERO = Decimal(0)
_HUNDRED = Decimal(100)
#: Places of a price that is no whole number of cents, for goods by weight.
_FINE = Decimal("0.0000000001")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a document. ``price x quantity - discount`` is its sum."""

    product: int
    quantity: Decimal
    price: Decimal
    discount: Decimal = ZERO

    @property
    def sum(self) -> Decimal:
        """Exactly."""
        return self.price * self.quantity - self.discount


@dataclass(frozen=True, slots=True)
class Reckoned:
    """The parts of an order. ``sum(lines) + delivery - discount``, rounded, is ``total``."""

    lines: tuple[Line, ...]
    delivery: Decimal
    discount: Decimal
    total: Decimal


@dataclass(frozen=True, slots=True)
class Services:
    """Services that are booked as lines. None: there is none, or it stands elsewhere."""

    delivery: int | None = None
    fee: int | None = None


Way = Literal["document", "lines", "prices"]


def reckon(draft: DocumentDraft, products: Sequence[int], way: Way, services: Services) -> Reckoned:
    """The parts of an order. Raises Held for one without lines, or whose parts do not make its total.

    Taxes on top of prices, and cents that are evened out upwards, have no field: they go into the prices.
    """
    order, totals = draft.order, order_totals(draft.order)
    rounding = draft.rounding or ZERO
    if not order.lines:
        raise held(
            T("Order {number} has no lines: Quincefin would make an empty document of it.", number=order.number),
            code="empty-order",
        )
    if totals.total + rounding != cents(order.total):
        raise held(
            T("Order {number} says {stated}, its parts make {made}.", number=order.number, stated=cents(order.total),
              made=totals.total + rounding),
            code="totals",
        )  # fmt: skip
    if totals.fee and services.fee is None:
        raise held(
            T("Order {number} has a fee of the payment, {fee}, and Quincefin has no field for it.",
              number=order.number, fee=totals.fee),
            T("Name the service that it is booked as: `orders: {fee_service: …}` of the connection."),
            code="quincefin-fee",
        )  # fmt: skip
    wanted = cents(order.total)
    if way == "document" and order.prices_include_tax:
        made = _as_it_is(order, products, services, totals.discount, wanted)
        if made is not None:
            return made
    by_line: Literal["lines", "prices"] = "lines" if way != "prices" and order.prices_include_tax else "prices"
    return _spread(order, products, services, wanted, by_line)


def _extra(delivery: Decimal, fee: Decimal, services: Services) -> tuple[list[Line], Decimal]:
    """Services as lines, and what of the delivery stands in its own field."""
    lines = []
    if delivery and services.delivery is not None:
        lines.append(Line(services.delivery, Decimal(1), delivery))
        delivery = ZERO
    if fee and services.fee is not None:
        lines.append(Line(services.fee, Decimal(1), fee))
    return lines, delivery


def _as_it_is(
    order: Order, products: Sequence[int], services: Services, discount: Decimal, wanted: Decimal
) -> Reckoned | None:
    """As the order has them; None where cents would have to be added."""
    lines = [
        Line(product, one.quantity, one.price, one.discount) for product, one in zip(products, order.lines, strict=True)
    ]
    extra, delivery = _extra(order.delivery.cost, order.payment.fee, services)
    lines += extra
    exact = sum((one.sum for one in lines), ZERO) + delivery - discount
    discount += cents(exact) - wanted
    return Reckoned(tuple(lines), delivery, discount, wanted) if discount >= 0 else None


def _spread(
    order: Order, products: Sequence[int], services: Services, wanted: Decimal, way: Literal["lines", "prices"]
) -> Reckoned:
    """All that the total is less than its parts, or more, shared out to the lines, to the cent."""
    included = order.prices_include_tax
    delivery = cents(_gross(order.delivery.cost, order.delivery.tax_rate, included=included))
    fee = cents(_gross(order.payment.fee, order.payment.tax_rate, included=included))
    sums = [max(one.sum, ZERO) for one in order.lines]
    weights = [_gross(part, one.tax_rate, included=included) for part, one in zip(sums, order.lines, strict=True)]
    goods = wanted - delivery - fee
    if goods < 0:  # a discount larger than all goods takes from the delivery, too
        delivery, goods = max(delivery + goods, ZERO), ZERO
        fee = wanted - delivery
    nets = spread(goods, weights)
    lines: list[Line] = []
    for product, one, net in zip(products, order.lines, nets, strict=True):
        discount = one.price * one.quantity - net
        if way == "lines" and discount >= 0:
            lines.append(Line(product, one.quantity, one.price, discount))
        else:
            lines += _priced(product, one.quantity, net)
    extra, rest = _extra(delivery, fee, services)
    return Reckoned((*lines, *extra), rest, ZERO, wanted)


def _gross(amount: Decimal, rate: Decimal | None, *, included: bool) -> Decimal:
    return amount if included or rate is None else amount + added_tax(amount, rate)


def _priced(product: int, quantity: Decimal, net: Decimal) -> Iterator[Line]:
    """One line of this sum, or two whose prices are a cent apart."""
    if quantity <= 0:
        yield Line(product, quantity, ZERO)
        return
    low = (net / quantity).quantize(CENT, ROUND_FLOOR)
    rest = net - low * quantity
    if not rest:
        yield Line(product, quantity, low)
    elif quantity == quantity.to_integral_value():
        more = Decimal(int(rest / CENT))
        yield Line(product, more, low + CENT)
        yield Line(product, quantity - more, low)
    else:
        yield Line(product, quantity, (net / quantity).quantize(_FINE))
