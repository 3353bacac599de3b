"""The sums of a document: discounts on its lines, and a part of an order as an order of its own. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from pipeline.errors import Finding, Where, Who
from pipeline.model import Order, OrderLine, cents
from pipeline.ports import DocumentRef
from pipeline.rules.matching import normal_form
from pipeline.rules.pricing import order_totals, spread
from pipeline.texts import T

ZERO = Decimal(0)


def line_key(line: OrderLine) -> str:
    """By what an item is known over the versions of its order: its article, else its name."""
    return normal_form(line.code) or f"name:{' '.join(line.name.casefold().split())}"


def quantities(order: Order) -> dict[str, Decimal]:
    """How much of each thing an order has; the same thing in two lines counts together."""
    found: dict[str, Decimal] = {}
    for line in order.lines:
        found[line_key(line)] = found.get(line_key(line), ZERO) + line.quantity
    return found


def with_line_discounts(order: Order) -> Order:
    """The order with its discounts spread over lines, delivery and fee to the cent, by largest remainder.

    Its total stays what it is. An order without discounts of its own stays as it is.
    """
    if not any(one.amount for one in order.discounts):
        return order
    totals = order_totals(order)
    within = min(totals.discount, sum((max(one, ZERO) for one in totals.line_sums), ZERO))
    shares = spread(within, [max(one, ZERO) for one in totals.line_sums])
    lines = list(order.lines)
    gap = ZERO  # what rounding gives to the lines that get no share, above what they are
    for place, (line, net, share) in enumerate(zip(order.lines, totals.line_sums, shares, strict=True)):
        worth = line.price * line.quantity
        if share:
            # what the line makes less its share: exact, so that a line's sum is in cents whatever its price is
            lines[place] = replace(line, discount=worth - (net - share))
        else:
            gap += net - (worth - line.discount)
    # sums are rounded once, of all lines together: those with a share make up for the others' parts of a cent
    # (and where they are too small for it, the others give up their parts of a cent themselves)
    order_of_giving = sorted(range(len(lines)), key=lambda n: (not shares[n], -totals.line_sums[n]))
    for place in order_of_giving if any(shares) else ():
        if not gap:
            break
        line = lines[place]
        least, most = ZERO, line.price * line.quantity
        discount = min(max(line.discount - gap, least), most)
        gap -= line.discount - discount
        lines[place] = replace(line, discount=discount)
    delivery, payment = order.delivery, order.payment
    if rest := totals.discount - within:
        others = spread(rest, [max(totals.delivery, ZERO), max(totals.fee, ZERO)])
        delivery = replace(delivery, cost=totals.delivery - others[0])
        payment = replace(payment, fee=totals.fee - others[1])
    return replace(order, lines=tuple(lines), discounts=(), delivery=delivery, payment=payment)


def part_of(order: Order, wanted: Mapping[str, Decimal]) -> tuple[Order, tuple[int, ...]]:
    """So much of an order as an order of its own, and the places of its lines in the whole one.

    All of it is the order itself. A part has neither delivery nor fee, and its total is that of its lines.
    """
    left = {key: quantity for key, quantity in wanted.items() if quantity > 0}
    if left == quantities(order):
        return order, tuple(range(len(order.lines)))
    whole = with_line_discounts(order)
    lines, places = [], []
    for place, line in enumerate(whole.lines):
        taken = min(line.quantity, left.get(line_key(line), ZERO))
        if taken <= 0:
            continue
        left[line_key(line)] -= taken
        discount = line.discount if taken == line.quantity else cents(line.discount * taken / line.quantity)
        lines.append(replace(line, quantity=taken, discount=discount))
        places.append(place)
    part = replace(
        whole,
        lines=tuple(lines),
        delivery=replace(whole.delivery, cost=ZERO),
        payment=replace(whole.payment, fee=ZERO),
        taxes=(),
        total=ZERO,
    )
    return replace(part, total=order_totals(part).total), tuple(places)


def differs(order: Order, ref: DocumentRef) -> bool:
    """Whether a document says another sum than the order; one that says none does not."""
    if ref.total is None:
        return False
    return cents(ref.total) != cents(order.total) or bool(ref.currency and ref.currency != order.currency)


def rounded(order: Order, parts: Decimal, difference: Decimal) -> Finding:
    """What is told of an order whose stated total is not the sum of its parts, by so little that it is taken."""
    text = T(
        "Order {number} says {total} {currency}, its parts make {parts}: the document has {difference} as rounding.",
        number=order.number,
        total=cents(order.total),
        currency=order.currency,
        parts=parts,
        difference=f"{difference:+f}",
    )
    hint = T("`tolerance: 0` of the step holds such orders.")
    return Finding("rounding", text, Where(order=order.number, element="total"), hint, Who.ACCOUNTANT)


def paid(order: Order) -> Decimal:
    """What was paid by now: as the source tells, else all of a paid order."""
    if order.payment.paid is not None:
        return cents(order.payment.paid)
    return cents(order.total) if order.payment.status == "paid" else Decimal("0.00")
