"""How KeyCRM reckons an order: found out from its parts and its stated total. Pure.

What is not known for certain is whether a line's discount is for the line or for a piece, what the head's
``total_discount`` holds, and which of delivery, gift wrap and taxes are in ``grand_total``. So the ways are tried, the
likeliest first, until the parts make the stated total to the cent. Where none does, the first is told, and the engine
holds the order for the difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from pipeline.api import cents
from plugins.systems.keycrm.mapping import ZERO
from plugins.systems.keycrm.values import Row, number

_HUNDRED = Decimal(100)


class Unreadable(Exception):
    """A field that an order cannot do without is not there, or not of its type."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


@dataclass(frozen=True, slots=True)
class Sold:
    """A line's numbers."""

    row: Row
    price: Decimal
    quantity: Decimal

    @classmethod
    def of(cls, row: Row) -> Sold:
        """Of a line. Raises Unreadable."""
        return cls(row, needed(row, "price"), needed(row, "quantity"))

    @property
    def gross(self) -> Decimal:
        """Before its discount."""
        return self.price * self.quantity

    def amount(self, name: str) -> Decimal:
        """One of its amounts; 0 where it has none."""
        return number(self.row.get(name)) or ZERO

    def off(self, pieces: Decimal) -> Decimal:
        """Its own discounts: a percentage, and an amount for so many pieces."""
        return self.gross * self.amount("discount_percent") / _HUNDRED + self.amount("discount_amount") * pieces


@dataclass(frozen=True, slots=True)
class Sums:
    """The parts of a total: each line's discount, the order's, delivery, and what else is added."""

    lines: tuple[Decimal, ...]
    discount: Decimal
    delivery: Decimal
    fee: Decimal

    def total(self, sold: Sequence[Sold]) -> tuple[Decimal, Decimal]:
        """Rounded at the end, and with each line rounded."""
        nets = [one.gross - off for one, off in zip(sold, self.lines, strict=True)]
        rest = self.delivery + self.fee - self.discount
        return cents(sum(nets, ZERO) + rest), cents(sum(map(cents, nets), ZERO) + rest)


def reckon(row: Row, sold: Sequence[Sold], total: Decimal) -> Sums:
    """The parts that make the stated total, by the first way of reckoning that does."""
    first: Sums | None = None
    for sums in _ways(row, sold):
        first = first or sums
        if cents(total) in sums.total(sold):
            return sums
    assert first is not None, "there is always a way"
    return first


def _ways(row: Row, sold: Sequence[Sold]) -> Iterator[Sums]:
    delivery, wrap, taxes = (number(row.get(name)) or ZERO for name in ("shipping_price", "wrap_price", "taxes"))
    stated = number(row.get("total_discount")) or ZERO
    for of_line in _LINES:
        lines = tuple(_rounded(of_line(one)) for one in sold)
        within = sum(lines, ZERO)
        goods = sum((one.gross for one in sold), ZERO) - within
        percent, amount = (number(row.get(name)) or ZERO for name in ("discount_percent", "discount_amount"))
        heads = [stated - within, _rounded(goods * percent / _HUNDRED + amount), stated, ZERO]
        for discount in dict.fromkeys(one for one in heads if one >= 0):
            for added in dict.fromkeys([(delivery, wrap + taxes), (delivery, wrap), (delivery, ZERO), (ZERO, ZERO)]):
                yield Sums(lines, discount, *added)


def _rounded(amount: Decimal) -> Decimal:
    """Discounts are in cents: KeyCRM shows them so."""
    return cents(max(amount, ZERO))


#: What is off a line: as it is told, as the price that was paid tells it, or as its own fields do.
_LINES: Sequence[Callable[[Sold], Decimal]] = (
    lambda one: one.amount("total_discount"),
    lambda one: one.off(Decimal(1)),
    lambda one: one.off(one.quantity),
    lambda one: one.gross - one.amount("price_sold") * one.quantity if "price_sold" in one.row else ZERO,
)


def needed(row: Row, name: str) -> Decimal:
    """A number that must be there. Raises Unreadable."""
    found = number(row.get(name))
    if found is None:
        raise Unreadable(name)
    return found
