"""Money to the cent: line sums, order totals, taxes by rate, and spreading an amount without losing a cent.

The parts of an order are reckoned exactly, as finely as the shop writes them; only their sum is rounded:

    total = round(sum(price x quantity - line discount) - order discounts + delivery + payment fee)

and the cents of that total are shared out to its parts by largest remainder, so that every part is in cents, none is a
cent away from what it exactly is, and together they make the total. A shop that rounds each part before it adds them
up is right as well: of the two totals the one is taken that is nearer to what the order states.

The total is never below 0: a coupon larger than the order brings it to 0, as shops do. Order discounts reduce the
lines, each by its weight, and what is left of them delivery and fee. Tax is reckoned by rate on what remains of lines,
delivery and fee: inside of it, or added to it when prices are without tax. What an order states of taxes is compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

from pipeline.model import CENT, Order, cents

ZERO = Decimal("0.00")
_HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True)
class TaxShare:
    """Tax of one rate: ``base`` is the amount without it."""

    rate: Decimal  #: percent
    base: Decimal
    tax: Decimal


@dataclass(frozen=True, slots=True)
class TaxDifference:
    """A tax that the order states otherwise than its parts make it; ``stated`` is None where it states only others."""

    rate: Decimal  #: percent
    stated: Decimal | None
    made: Decimal


@dataclass(frozen=True, slots=True)
class Totals:
    """The sums of an order, each to the cent, in the order's currency.

    ``total`` is ``lines - discount + delivery + fee``, plus ``tax`` when prices are without it; it is also the sum of
    all bases and taxes and of what is ``untaxed``.
    """

    lines: Decimal  #: after line discounts
    discount: Decimal  #: order discounts, as far as there was something to reduce
    delivery: Decimal
    fee: Decimal
    tax: Decimal  #: all tax: inside ``total`` when prices include it, else a part added to it
    total: Decimal
    taxes: tuple[TaxShare, ...] = ()
    line_sums: tuple[Decimal, ...] = ()  #: of each line, after its discount; together ``lines``
    untaxed: Decimal = ZERO  #: of what has no tax rate, after order discounts
    assumed_rate: Decimal | None = None  #: rate of what names none: the only one stated, when its sum confirms it
    unplaced: tuple[tuple[Decimal, Decimal], ...] = ()  #: stated rate and sum that no part has, while some name none
    differences: tuple[TaxDifference, ...] = ()  #: beyond the tolerance


def line_sum(price: Decimal, quantity: Decimal, discount: Decimal = ZERO) -> Decimal:
    """Price x quantity less the discount of the whole line, rounded half up to the cent."""
    return cents(price * quantity - discount)


def spread(amount: Decimal, weights: Sequence[Decimal]) -> tuple[Decimal, ...]:
    """Share ``amount`` out by ``weights``, to the cent, by largest remainder: the parts add up to it exactly.

    Among equal remainders the earlier part gets the cent. Weights of nothing but zeros share equally; no weights give
    no parts. A part of weight 0 beside others gets 0. Raises ValueError for a negative weight, for an amount finer
    than a cent, and for an amount with nobody to give it to.
    """
    if amount != cents(amount):
        raise ValueError(f"{amount} is finer than a cent")
    if not weights:
        if amount:
            raise ValueError("there is nothing to spread over")
        return ()
    if min(weights) < 0:
        raise ValueError("a weight below 0")
    if not amount:
        return (0 * CENT,) * len(weights)
    whole = sum(weights)
    shares = list(weights) if whole else [Decimal(1)] * len(weights)
    whole = whole or Decimal(len(weights))
    sign = -1 if amount < 0 else 1
    left = int((abs(amount) / CENT).to_integral_value())
    # Integers from here on: a cent is one, and no division can lose a digit.
    scale = max(0, *(-_exponent(share) for share in shares), -_exponent(whole))
    units = [int(share.scaleb(scale)) for share in shares]
    total = sum(units)
    parts = [left * unit // total for unit in units]
    rest = left - sum(parts)
    order = sorted(range(len(units)), key=lambda i: (-(left * units[i] % total), i))
    for i in order[:rest]:
        parts[i] += 1
    return tuple(sign * part * CENT for part in parts)


def included_tax(gross: Decimal, rate: Decimal) -> Decimal:
    """The tax inside ``gross`` at ``rate`` percent, to the cent: 120.00 at 20 -> 20.00."""
    return cents(gross * rate / (_HUNDRED + rate))


def added_tax(net: Decimal, rate: Decimal) -> Decimal:
    """The tax on top of ``net`` at ``rate`` percent, to the cent."""
    return cents(net * rate / _HUNDRED)


def order_totals(order: Order) -> Totals:
    """The sums of ``order`` as its lines, discounts, delivery and fee make them.

    What the order states as its total only decides between the two ways of rounding, and the taxes that it states
    are compared: see ``tax_tolerance``. Quantities and prices are taken as they are: validate first.
    """
    # An order is reckoned when it is validated, when it is planned and when it is booked. Nothing here can change, so
    # that the very same parts make the very same sums; they are kept with them, as a number of an object says nothing
    # of the next one at its place.
    kept = (order.lines, order.delivery, order.payment, order.discounts, order.taxes, order.total)
    if not all(type(part) is tuple for part in (order.lines, order.discounts, order.taxes)):
        return _reckoned(order)
    key = (*map(id, kept), bool(order.prices_include_tax))
    found = _known.get(key)
    if found is None:
        if len(_known) >= _KEPT:
            _known.clear()
        found = _known[key] = (_reckoned(order), kept)
    return found[0]


#: Sums by the identities of what they were made of, with these.
_known: dict[tuple[int, ...], tuple[Totals, object]] = {}
_KEPT = 256  # a few batches of orders


def _reckoned(order: Order) -> Totals:
    parts = _parts(order)
    exact = _reckon(order, parts)
    rounded = [cents(part) for part in parts]
    if rounded == parts:
        return exact
    each = _reckon(order, rounded)
    stated = cents(order.total)
    return each if abs(stated - each.total) < abs(stated - exact.total) else exact


def _parts(order: Order) -> list[Decimal]:
    """Exactly: each line, delivery, fee, and last all order discounts as what they take off."""
    parts = [line.price * line.quantity - line.discount for line in order.lines]
    # a discount that was rounded up to the cent may be more than its line by less than a cent
    parts = [ZERO if -CENT < part < 0 else part for part in parts]
    parts += [order.delivery.cost, order.payment.fee]
    parts.append(-min(sum((d.amount for d in order.discounts), ZERO), max(sum(parts, ZERO), ZERO)))
    return parts


def _in_cents(parts: Sequence[Decimal]) -> list[Decimal]:
    """Each part in cents, by largest remainder, so that they make the rounded sum of the exact ones."""
    down = [part.quantize(CENT, ROUND_FLOOR) for part in parts]
    left = int((cents(sum(parts, ZERO)) - sum(down, ZERO)) / CENT)
    if not left:
        return down
    order = sorted(range(len(parts)), key=lambda i: (down[i] - parts[i], i))
    for i in order[:left]:
        down[i] += CENT
    return down


def _reckon(order: Order, parts: Sequence[Decimal]) -> Totals:
    *sums, delivery, fee, off = _in_cents(parts)
    lines, discount = sum(sums, ZERO), -off
    nets = [*sums, delivery, fee]
    if discount:
        within = min(discount, sum((max(s, ZERO) for s in sums), ZERO))
        nets = [s - part for s, part in zip(sums, spread(within, [max(s, ZERO) for s in sums]), strict=True)]
        others = spread(discount - within, [max(delivery, ZERO), max(fee, ZERO)])
        nets += [delivery - others[0], fee - others[1]]
    rates = [*(line.tax_rate for line in order.lines), order.delivery.tax_rate, order.payment.tax_rate]
    included = order.prices_include_tax
    by_rate: dict[Decimal, Decimal] = {}
    counts: dict[Decimal, int] = {}
    untaxed, without = ZERO, 0
    for rate, net in zip(rates, nets, strict=True):
        if rate is None:
            untaxed += net
            without += bool(net)
        elif net:
            by_rate[rate] = by_rate.get(rate, ZERO) + net
            counts[rate] = counts.get(rate, 0) + 1
    stated: dict[Decimal, Decimal] = {}
    for rate, tax in order.taxes:
        stated[rate] = stated.get(rate, ZERO) + tax
    stated = {rate: cents(tax) for rate, tax in stated.items()}
    assumed, unplaced = None, tuple((rate, tax) for rate, tax in stated.items() if tax and rate not in by_rate)
    if untaxed and len(unplaced) == 1:
        ((rate, tax),) = unplaced
        if abs(_tax(untaxed, rate, included=included) - tax) <= tax_tolerance(without):
            assumed, by_rate[rate], counts[rate] = rate, untaxed, without
            untaxed, unplaced = ZERO, ()
    shares = []
    for rate in sorted(by_rate):
        amount = by_rate[rate]
        tax = _tax(amount, rate, included=included)
        shares.append(TaxShare(rate, amount - tax if included else amount, tax))
    made = {share.rate: share.tax for share in shares}
    differences = []
    for rate in sorted({*made, *stated}) if stated else ():
        if untaxed and rate not in made:
            continue  # nothing to compare it with
        ours, theirs = made.get(rate, ZERO), stated.get(rate)
        if abs((theirs or ZERO) - ours) > tax_tolerance(counts.get(rate, 0)):
            differences.append(TaxDifference(rate, theirs, ours))
    tax = sum(made.values(), ZERO)
    return Totals(
        lines=lines,
        discount=discount,
        delivery=delivery,
        fee=fee,
        tax=tax,
        total=lines + delivery + fee - discount + (ZERO if included else tax),
        taxes=tuple(shares),
        line_sums=tuple(sums),
        untaxed=untaxed,
        assumed_rate=assumed,
        unplaced=unplaced if untaxed else (),
        differences=tuple(differences),
    )


def tax_tolerance(parts: int) -> Decimal:
    """By how much a stated tax may differ: a cent for each part (line, delivery, fee) of its rate, at least two.

    Shops round the tax of each line, or only that of their sum.
    """
    return max(2, parts) * CENT


def _tax(amount: Decimal, rate: Decimal, *, included: bool) -> Decimal:
    return included_tax(amount, rate) if included else added_tax(amount, rate)


def _exponent(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0
