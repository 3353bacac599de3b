"""Money to the cent: line sums, order totals, taxes by rate, and spreading an amount without losing a cent.

The total of an order is

    sum(round(price x quantity) - line discount) - order discounts + delivery + payment fee (+ tax, when not in prices)

and never below 0: a coupon larger than the order brings it to 0, as shops do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

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
class Totals:
    """The sums of an order, each to the cent, in the order's currency."""

    lines: Decimal  #: after line discounts
    discount: Decimal  #: order discounts, as far as there was something to reduce
    delivery: Decimal
    fee: Decimal
    tax: Decimal  #: all tax: inside ``total`` when prices include it, else a part added to it
    total: Decimal
    taxes: tuple[TaxShare, ...] = ()


def line_sum(price: Decimal, quantity: Decimal, discount: Decimal = ZERO) -> Decimal:
    """Price x quantity, rounded half up to the cent, less the discount of the whole line."""
    return cents(price * quantity) - discount


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
    """The sums of ``order`` as its lines, discounts, delivery and fee make them (not as it states them).

    When prices exclude tax, the tax is what the source states by rate; where it states none it is reckoned by rate on
    the lines after discounts and on delivery. Quantities and prices are taken as they are: validate first.
    """
    sums = [line.sum for line in order.lines]
    lines = sum(sums, ZERO)
    delivery, fee = cents(order.delivery.cost), cents(order.payment.fee)
    wanted = sum((cents(discount.amount) for discount in order.discounts), ZERO)
    stated = tuple((rate, cents(tax)) for rate, tax in order.taxes)
    plain = not wanted and all(line.tax_rate is None for line in order.lines) and order.delivery.tax_rate is None
    if plain and not stated:
        return Totals(lines, ZERO, delivery, fee, ZERO, max(lines + delivery + fee, ZERO))
    over = max(lines, ZERO)
    within = min(wanted, over)
    nets = [s - part for s, part in zip(sums, spread(within, [max(s, ZERO) for s in sums]), strict=True)]
    amounts = [(line.tax_rate, net) for line, net in zip(order.lines, nets, strict=True)]
    amounts.append((order.delivery.tax_rate, delivery))
    taxes = _taxes(amounts, stated, included=order.prices_include_tax)
    tax = sum((share.tax for share in taxes), ZERO)
    before = lines + delivery + fee + (ZERO if order.prices_include_tax else tax)
    discount = min(wanted, max(before, ZERO))
    return Totals(lines, discount, delivery, fee, tax, max(before - discount, ZERO), taxes)


def _taxes(
    amounts: Iterable[tuple[Decimal | None, Decimal]], stated: tuple[tuple[Decimal, Decimal], ...], *, included: bool
) -> tuple[TaxShare, ...]:
    by_rate: dict[Decimal, Decimal] = {}
    for rate, amount in amounts:
        if rate is not None and amount:
            by_rate[rate] = by_rate.get(rate, ZERO) + amount
    if stated:
        shares = []
        for rate, tax in stated:
            amount = by_rate.get(rate, ZERO)
            shares.append(TaxShare(rate, amount - tax if included else amount, tax))
        return tuple(shares)
    found = []
    for rate in sorted(by_rate):
        amount = by_rate[rate]
        tax = included_tax(amount, rate) if included else added_tax(amount, rate)
        found.append(TaxShare(rate, amount - tax if included else amount, tax))
    return tuple(found)


def _exponent(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0
