"""What of a stock may be sold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from pipeline.model import StockLevel

ZERO = Decimal(0)


def sellable(levels: Iterable[tuple[Decimal, Decimal]]) -> Decimal:
    """Sum of on hand - reserved over the warehouses, each clamped to 0: a debt in one never eats another's goods.

    ``levels`` are (on hand, reserved) of one product, one pair a warehouse. A row of totals must not be among them.
    """
    return sum((max(on_hand - reserved, ZERO) for on_hand, reserved in levels), ZERO)


def without_totals(levels: Sequence[StockLevel]) -> Sequence[StockLevel]:
    """The levels of one offer without a row of totals (warehouse ""), where levels of warehouses are told beside it."""
    real = [level for level in levels if level.warehouse]
    return real or levels
