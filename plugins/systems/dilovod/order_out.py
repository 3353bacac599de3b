"""An order of ours as Dilovod takes it: the lines of a document to the cent, and what one that is there says. Pure.

Dilovod reckons no sums of what comes by its API: each line is sent with its own, after its share of the discounts, and
together they make the total of the order. Cards of goods are named and never sent: no price, weight or size of a good
is touched by an order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pipeline.api import DocumentDraft, T, cents, check_items, order_totals, spread
from plugins.systems.dilovod.mapping import Good
from plugins.systems.dilovod.refusals import held
from plugins.systems.dilovod.values import ZERO, Row, link, number, part, rows, text

PRICE, MILLI = Decimal("0.00001"), Decimal("0.001")
LINES = "tpGoods"


@dataclass(frozen=True, slots=True)
class Sums:
    """What the lines of a document come to, after discounts, with taxes in them; together the order's total."""

    lines: tuple[Decimal, ...]
    delivery: Decimal
    fee: Decimal
    total: Decimal

    @classmethod
    def of(cls, draft: DocumentDraft) -> Sums:
        """Raises Held where the parts do not make the stated total."""
        order, totals = draft.order, order_totals(draft.order)
        rounding = draft.rounding or ZERO
        if totals.total + rounding != cents(order.total):
            raise held(
                T("Order {number} says {stated}, its parts make {made}.",
                  number=order.number, stated=cents(order.total), made=totals.total + rounding),
                code="totals",
            )  # fmt: skip
        nets = [*totals.line_sums, totals.delivery, totals.fee]
        nets = _less(nets, len(order.lines), totals.discount - rounding)
        if not order.prices_include_tax:
            rates = [*(line.tax_rate for line in order.lines), order.delivery.tax_rate, order.payment.tax_rate]
            for share in totals.taxes:
                own = [
                    n for n, rate in enumerate(rates) if (totals.assumed_rate if rate is None else rate) == share.rate
                ]
                for n, tax in zip(own, spread(share.tax, [max(nets[n], ZERO) for n in own]), strict=True):
                    nets[n] += tax
        if any(net < 0 for net in nets):
            raise held(T("A line of order {number} comes to less than 0.", number=order.number), code="totals")
        return cls(tuple(nets[:-2]), nets[-2], nets[-1], sum(nets, ZERO))


def _less(nets: Sequence[Decimal], lines: int, off: Decimal) -> list[Decimal]:
    """A discount shared out to the lines, and what is left of it to the others; below 0 it is added to the largest."""
    if off <= 0:
        largest = max(range(len(nets)), key=lambda n: nets[n])
        return [net - off if n == largest else net for n, net in enumerate(nets)]
    weights = [max(net, ZERO) for net in nets]
    within = min(off, sum(weights[:lines], ZERO))
    shares = [*spread(within, weights[:lines]), *spread(off - within, weights[lines:])]
    return [net - share for net, share in zip(nets, shares, strict=True)]


@dataclass(frozen=True, slots=True)
class Services:
    """The goods by which the cost of delivery and the surcharge of a payment are booked."""

    delivery: Good | None = None
    fee: Good | None = None


def check_not_empty(draft: DocumentDraft) -> None:
    """Raises Held for a document without goods: Dilovod would make it all the same."""
    check_items(draft.order, len(draft.products), MILLI, "Dilovod")


def new_lines(draft: DocumentDraft, goods: Sequence[Good], services: Services, sums: Sums) -> list[dict[str, Any]]:
    """The rows of ``tpGoods``. ``goods`` pairs with the order's lines."""
    order = draft.order
    made = [
        _row(good, line.quantity, line.price, net, line.comment, taxed=not order.prices_include_tax)
        for line, good, net in zip(order.lines, goods, sums.lines, strict=True)
    ]
    for good, net in ((services.delivery, sums.delivery), (services.fee, sums.fee)):
        if good is not None and net:
            made.append(_row(good, Decimal(1), net, net, "", taxed=False))
    return [{"rowNum": n, **row} for n, row in enumerate(made, 1)]


def _row(good: Good, qty: Decimal, price: Decimal, net: Decimal, remark: str, *, taxed: bool) -> dict[str, Any]:
    full = cents(price * qty)
    if taxed or full < net:  # taxes are in it, or a cent that evens the total out
        full, price = net, net / qty
    row = {
        "good": good.id,
        "qty": f"{qty:.3f}",
        "baseQty": f"{qty:.3f}",
        "price": f"{price.quantize(PRICE):f}",
        "priceAmount": f"{full:.2f}",
        "discount": f"{full - net:.2f}",
        "amountCur": f"{net:.2f}",
    }
    return row | ({"unit": good.unit} if good.unit else {}) | ({"remark": remark} if remark else {})


# --- what there is ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Standing:
    """A document as ``getObject`` tells it."""

    id: str
    header: Row
    lines: tuple[Row, ...]

    @classmethod
    def of(cls, id_: str, found: Row) -> Standing:
        """Of an answer."""
        return cls(id_, part(found.get("header")), tuple(rows(part(found.get("tableParts")).get(LINES))))

    @property
    def number(self) -> str:
        """As people call it."""
        return text(self.header.get("number")).strip() or self.id

    @property
    def marked(self) -> bool:
        """Whether it has a deletion mark."""
        return text(self.header.get("delMark")) == "1"

    @property
    def posted(self) -> bool:
        """Whether it is posted."""
        return text(self.header.get("posted")) == "1"

    @property
    def total(self) -> Decimal:
        """The sum of its lines, or of its header where it has no lines."""
        if not self.lines:
            return cents(number(self.header.get("amountCur")) or ZERO)
        return cents(sum((number(row.get("amountCur")) or ZERO for row in self.lines), ZERO))

    def quantities(self) -> dict[str, Decimal]:
        """How much of each good it is of."""
        found: dict[str, Decimal] = {}
        for row in self.lines:
            good = link(row.get("good"))
            found[good] = found.get(good, ZERO) + (number(row.get("baseQty")) or number(row.get("qty")) or ZERO)
        return found


def same_lines(there: Sequence[Row], wanted: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the lines that are there say what is wanted; rows of nothing do not count."""
    return sorted(map(_line, _live(there))) == sorted(map(_line, wanted))


def _live(lines: Iterable[Row]) -> list[Row]:
    return [row for row in lines if number(row.get("qty")) or number(row.get("amountCur"))]


def _line(row: Mapping[str, Any]) -> tuple[Any, ...]:
    numbers = (number(row.get(name)) or ZERO for name in ("qty", "price", "amountCur"))
    return (link(row.get("good")), *numbers, text(row.get("remark")))


def left_over(there: Sequence[Row], wanted: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows that were not taken out when fewer were sent, as rows of nothing: some bases may keep them."""
    sent = {text(row.get("rowNum")) for row in wanted}
    nothing = dict.fromkeys(("qty", "baseQty", "price", "priceAmount", "discount", "amountCur"), "0")
    return [
        {"rowNum": text(row.get("rowNum")), "good": link(row.get("good")), **nothing}
        for row in _live(there)
        if text(row.get("rowNum")) not in sent
    ]


def changes(there: Row, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of a header that are otherwise than wanted."""
    return {name: value for name, value in wanted.items() if not _same(there.get(name), value)}


def _same(there: object, wanted: object) -> bool:
    if isinstance(there, Mapping):
        return link(there) == link(wanted)
    before, after = number(there), number(wanted)
    if before is not None and after is not None:
        return before == after
    return text(there).split() == text(wanted).split()


def beyond(wanted: Mapping[str, Decimal], allowed: Mapping[str, Decimal]) -> list[str]:
    """The goods of which more is wanted than is allowed."""
    return [good for good, qty in wanted.items() if qty > allowed.get(good, ZERO)]
