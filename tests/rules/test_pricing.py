"""Money to the cent."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model import Delivery, Discount, Order, OrderLine, Party, Payment
from pipeline.rules.pricing import added_tax, included_tax, line_sum, order_totals, spread

D = Decimal
amounts = st.decimals("-1000000", "1000000", places=2)
weights = st.lists(st.decimals("0", "100000", places=4), min_size=1, max_size=30)


@given(amounts, weights)
def test_spreading_loses_no_cent_and_is_fair(amount: Decimal, shares: list[Decimal]) -> None:
    parts = spread(amount, shares)
    assert sum(parts) == amount
    whole = sum(shares)
    for part, share in zip(parts, shares, strict=True):
        exact = amount * share / whole if whole else amount / len(shares)
        assert abs(part - exact) < D("0.01") + D("1e-15")
        assert part == part.quantize(D("0.01"))
        if whole and not share:
            assert part == 0


@given(amounts, weights)
def test_spreading_is_the_same_with_the_sign_turned(amount: Decimal, shares: list[Decimal]) -> None:
    assert spread(-amount, shares) == tuple(-part for part in spread(amount, shares))


def test_the_cents_left_over_go_by_largest_remainder_then_first_come() -> None:
    assert spread(D("0.10"), [D(1), D(1), D(1)]) == (D("0.04"), D("0.03"), D("0.03"))
    assert spread(D("1.00"), [D("0.2"), D("0.7"), D("0.1")]) == (D("0.20"), D("0.70"), D("0.10"))
    assert spread(D("0.01"), [D(1), D(3)]) == (D("0.00"), D("0.01"))
    assert spread(D("0.05"), [D(0), D(0)]) == (D("0.03"), D("0.02"))
    assert spread(D(0), []) == ()


@pytest.mark.parametrize(
    ("amount", "shares"), [(D("0.005"), [D(1)]), (D(1), []), (D(1), [D(-1), D(3)])], ids=["fine", "nobody", "negative"]
)
def test_what_cannot_be_spread_is_refused(amount: Decimal, shares: list[Decimal]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the kind is the contract, the words are for developers
        spread(amount, shares)


def test_line_sums_and_taxes_round_half_up() -> None:
    assert line_sum(D("0.125"), D(1)) == D("0.13")
    assert line_sum(D("9.99"), D("0.5"), D("1.00")) == D("4.00")
    assert included_tax(D("120.00"), D(20)) == D("20.00")
    assert included_tax(D("100.00"), D(7)) == D("6.54")
    assert added_tax(D("0.25"), D(10)) == D("0.03")


def line(price: str, quantity: str = "1", discount: str = "0", rate: str | None = None) -> OrderLine:
    tax = D(rate) if rate else None
    return OrderLine(code="x", name="x", quantity=D(quantity), price=D(price), discount=D(discount), tax_rate=tax)


def order(*lines: OrderLine) -> Order:
    return Order(
        id="1",
        number="1",
        source="shop",
        created_at=datetime(2026, 11, 22, tzinfo=UTC),
        currency="UAH",
        customer=Party(),
        lines=lines,
        total=D(0),
    )


def test_a_total_is_lines_less_discounts_plus_delivery_and_fee() -> None:
    full = replace(
        order(line("100.00", "2", "10.00"), line("0.335", "3")),
        discounts=(Discount(amount=D("5.00")), Discount(amount=D("1.01"))),
        delivery=Delivery(cost=D("70.00")),
        payment=Payment(fee=D("2.50")),
    )
    totals = order_totals(full)
    assert (totals.lines, totals.discount, totals.delivery, totals.fee) == (
        D("191.01"),
        D("6.01"),
        D("70.00"),
        D("2.50"),
    )
    assert totals.total == D("257.50")
    assert totals.taxes == ()


def test_tax_inside_prices_is_told_and_not_added() -> None:
    totals = order_totals(order(line("120.00", rate="20"), line("107.00", rate="7"), line("50.00")))
    assert totals.total == D("277.00")
    assert [(share.rate, share.base, share.tax) for share in totals.taxes] == [
        (D(7), D("100.00"), D("7.00")),
        (D(20), D("100.00"), D("20.00")),
    ]


def test_tax_outside_prices_is_added_after_discounts() -> None:
    net = replace(
        order(line("100.00", rate="20"), line("100.00", rate="0")),
        prices_include_tax=False,
        discounts=(Discount(amount=D("20.00")),),
    )
    totals = order_totals(net)
    assert totals.tax == D("18.00")
    assert totals.total == D("198.00")
    stated = order_totals(replace(net, taxes=((D(20), D("17.99")),)))
    assert stated.tax == D("17.99")
    assert stated.total == D("197.99")


def test_a_coupon_larger_than_the_order_brings_it_to_nothing() -> None:
    totals = order_totals(replace(order(line("10.00")), discounts=(Discount(amount=D("15.00")),)))
    assert totals.total == 0
    assert totals.discount == D("10.00")


@given(
    st.lists(
        st.tuples(
            st.decimals("0", "9999", places=3),
            st.decimals("0", "99", places=3),
            st.sampled_from([None, "0", "7", "20"]),
        ),
        min_size=1,
        max_size=12,
    ),
    st.decimals("0", "500", places=2),
    st.decimals("0", "500", places=2),
    st.booleans(),
)
def test_the_parts_always_make_the_total(
    lines: list[tuple[Decimal, Decimal, str | None]], discount: Decimal, delivery: Decimal, included: bool
) -> None:
    one = replace(
        order(*(line(str(price), str(quantity), rate=rate) for price, quantity, rate in lines)),
        discounts=(Discount(amount=discount),),
        delivery=Delivery(cost=delivery),
        prices_include_tax=included,
    )
    totals = order_totals(one)
    added = D(0) if included else totals.tax
    assert totals.total == totals.lines - totals.discount + totals.delivery + totals.fee + added
    assert totals.total >= 0
    assert totals.total == totals.total.quantize(D("0.01"))
    assert sum((share.tax for share in totals.taxes), D(0)) == totals.tax
