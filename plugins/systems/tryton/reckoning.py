"""Prices of lines so that Tryton's own reckoning comes to the total of an order, to the cent. Pure.

Tryton keeps prices without tax, of a few digits, and reckons by itself: the amount of a line is its quantity by its
unit price, rounded to the cent (half to even); taxes are reckoned on the unrounded amounts, and rounded for each set of
taxes of the document, or for each line where the configuration says so (``tax_rounding``). So a price with tax cannot
always be written: 1000 pieces of 1.00 at 20 % are 0.8333 each, and 999.96. Then one unit price is changed by the
smallest step that makes the total right; where no step does, one piece of a line becomes a line of its own; and where
that does not help, a cent does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Literal

from pipeline.api import CENT, DocumentDraft, T, cents, order_totals, spread
from plugins.systems.tryton.refusals import held
from plugins.systems.tryton.values import ZERO

Rounding = Literal["document", "line"]
#: Smallest changes of a unit price that are tried on each line.
STEPS = 400


@dataclass(frozen=True, slots=True)
class Tax:
    """A tax of percents."""

    id: int
    name: str
    rate: Decimal  #: 0.20


@dataclass(frozen=True, slots=True)
class Wanted:
    """A line as it is to be: what it comes to after discounts, with its taxes in it."""

    product: int
    quantity: Decimal
    sum: Decimal
    taxes: tuple[Tax, ...]
    unit: int = 0
    note: str = ""

    @property
    def rate(self) -> Decimal:
        """Of all its taxes together."""
        return sum((tax.rate for tax in self.taxes), ZERO)


@dataclass(frozen=True, slots=True)
class Priced:
    """A line as it is sent."""

    wanted: Wanted
    quantity: Decimal
    price: Decimal

    @property
    def base(self) -> Decimal:
        """Not rounded."""
        return self.quantity * self.price


@dataclass(frozen=True, slots=True)
class Rules:
    """How this database reckons."""

    rounding: Rounding = "document"
    digits: int = 4
    cent: Decimal = CENT
    step: Decimal = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "step", Decimal(1).scaleb(-self.digits))


def sums_of(draft: DocumentDraft) -> tuple[tuple[Decimal, ...], Decimal, Decimal, Decimal]:
    """What lines, delivery and fee come to after discounts, with taxes in them, and the total that they make.

    Raises Held where the parts do not make the stated total, or one is below 0.
    """
    order, totals = draft.order, order_totals(draft.order)
    rounding = draft.rounding or ZERO
    if totals.total + rounding != cents(order.total):
        raise held(
            T("Order {number} says {stated}, its parts make {made}.",
              number=order.number, stated=cents(order.total), made=totals.total + rounding),
            code="totals",
        )  # fmt: skip
    parts = [*totals.line_sums, totals.delivery, totals.fee]
    nets = _less(parts, len(order.lines), totals.discount - rounding)
    if not order.prices_include_tax:
        rates = [*(line.tax_rate for line in order.lines), order.delivery.tax_rate, order.payment.tax_rate]
        for share in totals.taxes:
            own = [n for n, rate in enumerate(rates) if (totals.assumed_rate if rate is None else rate) == share.rate]
            for n, tax in zip(own, spread(share.tax, [max(nets[n], ZERO) for n in own]), strict=True):
                nets[n] += tax
    if any(net < 0 for net in nets):
        raise held(T("A line of order {number} comes to less than 0.", number=order.number), code="totals")
    return tuple(nets[:-2]), nets[-2], nets[-1], sum(nets, ZERO)


def _less(nets: Sequence[Decimal], lines: int, off: Decimal) -> list[Decimal]:
    """A discount shared out to the lines, and what is left of it to the others; below 0 it is added to the largest."""
    if off <= 0:
        largest = max(range(len(nets)), key=lambda n: nets[n])
        return [net - off if n == largest else net for n, net in enumerate(nets)]
    weights = [max(net, ZERO) for net in nets]
    within = min(off, sum(weights[:lines], ZERO))
    shares = [*spread(within, weights[:lines]), *spread(off - within, weights[lines:])]
    return [net - share for net, share in zip(nets, shares, strict=True)]


def total_of(lines: Sequence[Priced], rules: Rules) -> Decimal:
    """What Tryton makes of these lines."""
    amounts = sum((_round(line.base, rules) for line in lines), ZERO)
    groups: dict[tuple[tuple[int, ...], bool], list[Priced]] = {}
    for line in lines:
        if line.wanted.taxes:
            key = (tuple(tax.id for tax in line.wanted.taxes), line.base >= 0)
            groups.setdefault(key, []).append(line)
    taxes = ZERO
    for some in groups.values():
        own = some[0].wanted.taxes
        if rules.rounding == "line":
            taxes += sum((_taxes({tax.id: line.base * tax.rate for tax in own}, rules) for line in some), ZERO)
        else:
            taxes += _taxes({tax.id: sum((line.base for line in some), ZERO) * tax.rate for tax in own}, rules)
    return amounts + taxes


def _taxes(exact: Mapping[int, Decimal], rules: Rules) -> Decimal:
    """Each rounded; what that loses or wins is made up for in whole cents."""
    rounded = {id_: _round(amount, rules) for id_, amount in exact.items()}
    rest = sum((rounded[id_] - exact[id_] for id_ in exact), ZERO)
    return sum(rounded.values(), ZERO) - _round(rest, rules)


def _round(amount: Decimal, rules: Rules) -> Decimal:
    return amount.quantize(rules.cent, ROUND_HALF_EVEN)


def priced(wanted: Sequence[Wanted], total: Decimal, rules: Rules, product: int = 0, unit: int = 0) -> list[Priced]:
    """Lines with unit prices that come to ``total``; with a cent as a line of its own where no prices do.

    Some sums cannot be had at all: 83.32 and 20 % are 99.98, 83.33 and 20 % are 100.00. Raises Held where even a cent
    does not help.

    Args:
        product: the service that the cent is booked as, in ``unit``; 0: a line without a product.
    """
    lines = [
        Priced(one, one.quantity, (one.sum / one.quantity / (1 + one.rate)).quantize(rules.step)) for one in wanted
    ]
    if total_of(lines, rules) == total:
        return lines
    for off in (ZERO, rules.cent, -rules.cent):
        cent = [Priced(Wanted(product, Decimal(1), off, (), unit), Decimal(1), off)] if off else []
        for attempt in (lines, *_split(lines)):
            if total_of([*attempt, *cent], rules) == total:
                return [*attempt, *cent]
            if (found := _moved(attempt, total - off, rules)) is not None:
                return [*found, *cent]
    raise held(
        T("Tryton cannot reckon {total} with these lines and taxes: it makes {made}.", total=total,
          made=total_of(lines, rules)),
        T("Prices are kept there without tax, with {n} digits. Make the document by hand.", n=rules.digits),
        code="tryton-total",
    )  # fmt: skip


def _moved(lines: Sequence[Priced], total: Decimal, rules: Rules) -> list[Priced] | None:
    """With one unit price changed by as little as will do; prices of 0 stay."""
    places = [n for n, line in enumerate(lines) if line.price > 0]
    # one piece is moved in the finest steps, and the dearer line feels it least
    places.sort(key=lambda n: (lines[n].quantity != 1, -lines[n].price))
    for n in places:
        line = lines[n]
        middle = (total - total_of(lines, rules)) / line.quantity / (1 + line.wanted.rate)
        start = (middle / rules.step).to_integral_value()
        for step in _around(start):
            price = line.price + step * rules.step
            if price <= 0:
                continue
            moved = [*lines[:n], replace(line, price=price), *lines[n + 1 :]]
            if total_of(moved, rules) == total:
                return moved
    return None


def _around(start: Decimal) -> Iterator[Decimal]:
    yield start
    for n in range(1, STEPS):
        yield start + n
        yield start - n


def _split(lines: Sequence[Priced]) -> Iterator[list[Priced]]:
    """With one piece of a line as a line of its own, the cheaper lines first."""
    several = [n for n, line in enumerate(lines) if line.quantity > 1 and line.price > 0]
    for n in sorted(several, key=lambda one: lines[one].price):
        line = lines[n]
        yield [
            *lines[:n],
            replace(line, quantity=line.quantity - 1),
            replace(line, quantity=Decimal(1)),
            *lines[n + 1 :],
        ]
