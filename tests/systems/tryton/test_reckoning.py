"""Prices of lines so that Tryton reckons the total of an order, to the cent, however it rounds its taxes."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.api import Held
from plugins.systems.tryton.order_out import pieces
from plugins.systems.tryton.reckoning import Rules, Tax, Wanted, priced, total_of
from tests.everyday import examples

VAT, REDUCED = Tax(1, "ПДВ 20 %", Decimal("0.20")), Tax(2, "ПДВ 7 %", Decimal("0.07"))


def wanted(total: str, quantity: str = "1", *taxes: Tax, product: int = 1) -> Wanted:
    return Wanted(product, Decimal(quantity), Decimal(total), taxes)


@pytest.mark.parametrize(
    ("lines", "prices"),
    [
        ([wanted("120.00", "1", VAT)], ["100.0000"]),
        ([wanted("389.50", "1", VAT)], ["324.5833"]),
        ([wanted("100.00", "3")], ["33.3333"]),
        ([wanted("0.00", "1", VAT), wanted("1.00", "1")], ["0.0000", "1.0000"]),
    ],
)
def test_a_price_that_can_be_written_is_written(lines: list[Wanted], prices: list[str]) -> None:
    total = sum((line.sum for line in lines), Decimal(0))
    made = priced(lines, total, Rules())
    assert [f"{line.price:f}" for line in made] == prices
    assert total_of(made, Rules()) == total


def test_a_thousand_pieces_of_a_price_that_cannot_be_written_are_two_lines() -> None:
    made = priced([wanted("1000.00", "1000", VAT)], Decimal(1000), Rules())
    assert [line.quantity for line in made] == [999, 1]
    assert [f"{line.price:f}" for line in made] == ["0.8333", "0.8650"]
    assert total_of(made, Rules()) == Decimal("1000.00")


@pytest.mark.parametrize("total", ["0.03", "99.99"])
def test_a_sum_that_cannot_be_had_gets_a_cent_of_its_own(total: str) -> None:
    """83.32 and 20 % are 99.98, 83.33 and 20 % are 100.00."""
    made = priced([wanted(total, "1", VAT)], Decimal(total), Rules(), 7, 1)
    assert [(line.wanted.product, line.wanted.taxes, line.quantity) for line in made[1:]] == [(7, (), Decimal(1))]
    assert abs(made[1].price) == Decimal("0.01")
    assert total_of(made, Rules()) == Decimal(total)


def test_what_nothing_makes_right_is_held() -> None:
    with pytest.raises(Held, match=r"5\.00"):
        priced([wanted("0.00", "1", VAT)], Decimal("5.00"), Rules())


def test_a_gift_stays_one() -> None:
    lines = [wanted("0.00", "2", VAT), wanted("99.99", "7", VAT, product=2)]
    made = priced(lines, Decimal("99.99"), Rules())
    assert all(line.price == 0 for line in made if line.wanted.product == 1)


LINES = st.lists(
    st.builds(
        lambda cents, quantity, taxes: Wanted(1, Decimal(quantity), Decimal(cents) / 100, taxes),
        st.integers(1, 5_000_000),
        st.sampled_from(["1", "2", "3", "7", "12", "250", "0.5", "1.25"]),
        st.sampled_from([(), (VAT,), (REDUCED,)]),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=examples(150))
@given(LINES, st.sampled_from(["document", "line"]))
def test_any_order_comes_to_its_total(lines: list[Wanted], rounding: str) -> None:
    rules = Rules("line" if rounding == "line" else "document")
    total = sum((line.sum for line in lines), Decimal(0))
    made = priced(lines, total, rules)
    assert total_of(made, rules) == total
    goods = [line for line in made if line.wanted.product]
    assert sum(line.quantity for line in goods) == sum(line.quantity for line in lines)
    assert all(line.price == line.price.quantize(rules.step) >= 0 for line in goods)
    assert sum(abs(line.price) for line in made if not line.wanted.product) <= rules.cent


def test_quantities_go_as_plain_numbers() -> None:
    assert [pieces(Decimal(one)) for one in ("3", "3.000", "0.125")] == [3, 3, 0.125]
    assert isinstance(pieces(Decimal("3.000")), int)
