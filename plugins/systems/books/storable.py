"""Which orders the books can keep: whether their numbers fit the columns."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from pipeline.api import DocumentDraft, Held, T, Where, cents
from plugins.systems.books import tables as t

_FAR = t.LIMIT - 1


def storable(draft: DocumentDraft, where: Where) -> None:
    """Look at the numbers of a draft's order. Raises Held when one does not fit."""
    order = draft.order
    stored = [order.rate, order.payment.paid, order.payment.tax_rate, order.delivery.tax_rate]
    sums = [order.total, order.delivery.cost, order.payment.fee, *(discount.amount for discount in order.discounts)]
    sums += [tax for _, tax in order.taxes]
    for line in order.lines:
        stored += [line.quantity, line.price, line.discount, line.tax_rate]
        sums.append(line.price * line.quantity)
    # sums are rounded before they are stored, so they may be as fine as they like; what is far from the limit, as
    # nearly all are, need not be rounded for it
    large = [number for number in sums if not (number.is_finite() and -_FAR < number < _FAR)]
    large = [cents(number) if number.is_finite() and abs(number) < t.LIMIT else number for number in large]
    keepable(where, [*stored, *large])


def keepable(where: Where, numbers: Sequence[Decimal | None]) -> None:
    """Look at these. Raises Held, as of the order at ``where``."""
    for number in numbers:
        if number is not None and not t.fits(number):
            raise Held(
                T(
                    "Order {order} has a number that the books cannot keep: {number}.",
                    order=where.order or "",
                    number=str(number),
                ),
                hint=T("At most six digits stand after the decimal point, and twelve before it."),
                where=where,
                code="number",
            )
