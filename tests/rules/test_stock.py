"""What may be sold."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from pipeline.rules.stock import sellable

quantity = st.decimals("-1000", "1000", places=3)
levels = st.lists(st.tuples(quantity, quantity), max_size=6)


def test_f48_a_debt_in_one_warehouse_never_eats_anothers_goods() -> None:
    assert sellable([(Decimal(5), Decimal(2)), (Decimal(1), Decimal(9)), (Decimal(-4), Decimal(0))]) == 3
    assert sellable([]) == 0


@given(levels, levels)
def test_warehouses_add_up_and_are_never_below_nothing(
    some: list[tuple[Decimal, Decimal]], more: list[tuple[Decimal, Decimal]]
) -> None:
    assert sellable([*some, *more]) == sellable(some) + sellable(more)
    assert sellable(some) >= 0
