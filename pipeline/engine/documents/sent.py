"""What has left with one price, and has another by now: shipments held against the order as it is. Pure.

A shipment is written once, with the sums that its order had then. Where a price, discount, quantity or the cost of
delivery is changed in the source afterwards, the two documents would disagree for ever: whoever keeps the accounts
decides, in every target alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

from pipeline.engine.documents import money
from pipeline.engine.documents.standing import Moved, Standing
from pipeline.errors import Finding, Where, Who
from pipeline.model import Order, OrderLine
from pipeline.rules.differences import Difference, differences
from pipeline.texts import T, Text

#: Code of what is asked: a person may accept it.
SENT = "shipped-changed"
SHOWN = 20  #: differences on one card
#: The last part of the paths that make a document's sums.
_OF_LINE = frozenset({"quantity", "price", "discount", "tax_rate"})
_OF_ORDER = frozenset({"currency", "total", "prices_include_tax", "delivery/cost", "delivery/tax_rate", "payment/fee"})
_CENT = Decimal("0.01")


def sums_of(found: tuple[Difference, ...]) -> tuple[Difference, ...]:
    """Those of the differences that change what a document comes to."""
    return tuple(one for one in found if _is_sum(one))


def _is_sum(one: Difference) -> bool:
    if one.path in _OF_ORDER or one.path.startswith(("discounts/", "taxes/")):
        return True
    if not one.path.startswith("lines/"):
        return False
    return one.before is None or one.after is None or one.path.rsplit("/", 1)[-1] in _OF_LINE


def changed(
    order: Order, standing: Standing, *, goods_alone: bool = False
) -> tuple[tuple[Moved, tuple[Difference, ...]], ...]:
    """The shipments whose goods are away, and in what their sums are not those that the order has for them now.

    Nothing where the order's own sums are what its document was made with: that was asked about before.

    Args:
        order: as its document would be written now.
        goods_alone: shipments have no delivery and no fee there, so these change nothing of one.
    """
    before = standing.written
    if before is not None and not sums_of(differences(before, order)):
        return ()
    found = []
    for shipment in standing.shipments:
        if not any(quantity > 0 for quantity in standing.left(shipment).values()):
            continue
        was = money.with_line_discounts(shipment.order)
        told = sums_of(differences(was, _now(order, shipment, was, goods_alone=goods_alone)))
        if told:
            found.append((shipment, told))
    return tuple(found)


def _now(order: Order, shipment: Moved, was: Order, *, goods_alone: bool) -> Order:
    """What that shipment would say if it were made now."""
    whole = money.with_line_discounts(order)
    part, _places = money.part_of(whole, shipment.quantities)
    # only a whole one has delivery and fee, if any has
    bears = not goods_alone and (shipment.whole or bool(was.delivery.cost or was.payment.fee))
    cost, fee = (whole.delivery.cost, whole.payment.fee) if bears else (was.delivery.cost, was.payment.fee)
    lines = _without_cents(was, part)
    # where more was ordered its total is that of a part: the items tell the difference
    return replace(
        part,
        lines=lines,
        delivery=replace(part.delivery, cost=cost),
        payment=replace(part.payment, fee=fee),
        taxes=was.taxes,
        total=whole.total if bears and part is whole else was.total,
    )


def _without_cents(was: Order, part: Order) -> tuple[OrderLine, ...]:
    """The lines, where a discount of the whole order spread anew moved a cent of an item: as it was."""
    before: dict[str, list[OrderLine]] = {}
    for line in was.lines:
        before.setdefault(money.line_key(line), []).append(line)
    lines = []
    for line in part.lines:
        same = before.get(money.line_key(line), ())
        if len(same) == 1 and (line.price, line.quantity) == (same[0].price, same[0].quantity):
            little = line.discount and same[0].discount and abs(line.discount - same[0].discount) <= _CENT
            lines.append(replace(line, discount=same[0].discount) if little else line)
        else:
            lines.append(line)
    return tuple(lines)


def ask(order: Order, standing: Standing, found: tuple[tuple[Moved, tuple[Difference, ...]], ...]) -> list[Finding]:
    """The card: what changed after the goods had left, field by field, and what can be done about it."""
    ref = standing.ref
    where = Where(order=order.number)
    text = T(
        "Order {number} was changed after it was shipped: its shipment {shipments} says other sums than it has now.",
        number=order.number,
        shipments=names(found),
    )
    hint = T(
        "Accept it, and order document {document} is brought to it; then put shipment {shipments} right by hand, its "
        "sum does not change by itself. Or reject it, and all stays as it is; or set the order back in its source.",
        document=(ref.number or ref.id) if ref else "—",
        shipments=names(found),
    )
    some = {(one.path, one.before, one.after): one for _shipment, several in found for one in several}
    return [Finding(SENT, text, where, hint, Who.ACCOUNTANT), *told(tuple(some.values()), order)]


def told(found: Sequence[Difference], order: Order) -> list[Finding]:
    """Differences for a card, each as a finding; of many, how many more there are."""
    where = Where(order=order.number)
    findings = [Finding("difference", one.text, where, None, Who.ACCOUNTANT) for one in found[:SHOWN]]
    if len(found) > SHOWN:
        more = T("… and {n} more", n=len(found) - SHOWN)
        findings.append(Finding("difference", more, where, None, Who.ACCOUNTANT))
    return findings


def remark(order: Order, found: tuple[tuple[Moved, tuple[Difference, ...]], ...]) -> Iterator[Finding]:
    """What is told of each shipment that keeps its sums although its order was brought to others."""
    for shipment, some in found:
        text = T(
            "Shipment {shipment} of order {number} keeps the sums with which it left; of what changed since: "
            "{differences}.",
            shipment=shipment.ref.number or shipment.ref.id,
            number=order.number,
            differences=_joined(some),
        )
        hint = T("Put it right in the target by hand.")
        yield Finding("shipment-differs", text, Where(order=order.number), hint, Who.ACCOUNTANT)


def names(found: tuple[tuple[Moved, tuple[Difference, ...]], ...]) -> str:
    """The shipments, for people."""
    return ", ".join(shipment.ref.number or shipment.ref.id for shipment, _some in found)


def _joined(some: tuple[Difference, ...]) -> Text:
    text = some[0].text
    for one in some[1:SHOWN]:
        text = T("{first}; {second}", first=text, second=one.text)
    return text
