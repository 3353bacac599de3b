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
    assert (stated.tax, stated.total, stated.differences) == (D("18.00"), D("198.00"), ())
    (wrong,) = order_totals(replace(net, taxes=((D(20), D("1.00")),))).differences
    assert (wrong.rate, wrong.stated, wrong.made) == (D(20), D("1.00"), D("18.00"))


def test_a_coupon_larger_than_the_order_brings_it_to_nothing() -> None:
    totals = order_totals(replace(order(line("10.00")), discounts=(Discount(amount=D("15.00")),)))
    assert totals.total == 0
    assert totals.discount == D("10.00")


def test_parts_finer_than_a_cent_are_rounded_once_and_shared_out() -> None:
    one = replace(order(line("100.00", discount="33.3333")), total=D("66.6667"))
    assert (order_totals(one).total, order_totals(one).line_sums) == (D("66.67"), (D("66.67"),))
    five = order(*[line("33.335")] * 5)
    exact = order_totals(replace(five, total=D("166.675")))
    assert exact.total == D("166.68")
    assert exact.line_sums == (D("33.34"), D("33.34"), D("33.34"), D("33.33"), D("33.33"))
    each = order_totals(replace(five, total=D("166.70")))  # a shop that rounds every line is right as well
    assert (each.total, set(each.line_sums)) == (D("166.70"), {D("33.34")})


def test_a_discount_rounded_up_to_the_cent_leaves_nothing_and_not_less() -> None:
    assert order_totals(order(line("33.335", discount="33.34"))).total == 0


def test_delivery_and_fee_are_taxed_at_their_own_rates() -> None:
    one = replace(
        order(line("120.00", rate="20")),
        delivery=Delivery(cost=D("107.00"), tax_rate=D(7)),
        payment=Payment(fee=D("12.00"), tax_rate=D(20)),
    )
    assert [(s.rate, s.base, s.tax) for s in order_totals(one).taxes] == [
        (D(7), D("100.00"), D("7.00")),
        (D(20), D("110.00"), D("22.00")),
    ]


def test_what_is_left_of_a_discount_reduces_delivery_and_fee() -> None:
    one = replace(
        order(line("10.00", rate="20")),
        discounts=(Discount(amount=D("15.00")),),
        delivery=Delivery(cost=D("20.00"), tax_rate=D(20)),
    )
    totals = order_totals(one)
    assert (totals.total, [(s.base, s.tax) for s in totals.taxes]) == (D("15.00"), [(D("12.50"), D("2.50"))])


def test_a_stated_tax_may_differ_by_a_cent_a_line_and_by_two() -> None:
    lines = [line("0.33", rate="20") for _ in range(5)]  # 0.275 of 1.65: each line rounded 0.06, all 0.28
    for stated, agrees in (("0.30", True), ("0.33", True), ("0.34", False), ("0.22", False)):
        one = replace(order(*lines), taxes=((D("20.00"), D(stated)),))
        assert (order_totals(one).differences == ()) == agrees, stated
        assert [share.tax for share in order_totals(one).taxes] == [D("0.28")]


def test_a_rate_that_is_stated_or_left_out_wrongly_is_a_difference() -> None:
    seven = order_totals(replace(order(line("100.00", rate="20")), taxes=((D(7), D("6.54")),)))
    assert [(d.rate, d.stated, d.made) for d in seven.differences] == [
        (D(7), D("6.54"), D("0.00")),
        (D(20), None, D("16.67")),
    ]
    assert [(s.rate, s.base, s.tax) for s in seven.taxes] == [(D(20), D("83.33"), D("16.67"))]


def test_lines_without_a_rate_take_the_only_one_whose_sum_confirms_it() -> None:
    sure = order_totals(replace(order(line("100.00")), taxes=((D(20), D("16.67")),)))
    assert (sure.assumed_rate, sure.untaxed) == (D(20), D("0.00"))
    assert [(s.rate, s.base, s.tax) for s in sure.taxes] == [(D(20), D("83.33"), D("16.67"))]
    unsure = order_totals(replace(order(line("100.00")), taxes=((D(20), D("99.00")),)))
    assert (unsure.assumed_rate, unsure.taxes, unsure.untaxed) == (None, (), D("100.00"))
    assert (unsure.unplaced, unsure.differences) == (((D(20), D("99.00")),), ())


rates = st.sampled_from([None, D(0), D(7), D(20)])


@given(
    st.lists(
        st.tuples(
            st.decimals("0", "9999", places=4),
            st.decimals("0.0001", "99", places=4),
            rates,
            st.decimals("0", 1, places=4),
        ),
        max_size=12,
    ),
    st.decimals("0", "500", places=4),
    st.decimals("0", "500", places=4),
    st.decimals("0", "50", places=4),
    rates,
    rates,
    st.booleans(),
    st.decimals("0", "1000000", places=4),
    st.lists(st.tuples(rates.filter(lambda rate: rate is not None), st.decimals("0", "500", places=2)), max_size=2),
)
def test_the_parts_always_make_the_total(
    lines: list[tuple[Decimal, Decimal, Decimal | None, Decimal]],
    discount: Decimal,
    delivery: Decimal,
    fee: Decimal,
    delivery_rate: Decimal | None,
    fee_rate: Decimal | None,
    included: bool,
    total: Decimal,
    stated: list[tuple[Decimal, Decimal]],
) -> None:
    one = replace(
        order(
            *(
                OrderLine(code="x", name="x", quantity=q, price=price, discount=price * q * share, tax_rate=rate)
                for price, q, rate, share in lines
            )
        ),
        discounts=(Discount(amount=discount),),
        delivery=Delivery(cost=delivery, tax_rate=delivery_rate),
        payment=Payment(fee=fee, tax_rate=fee_rate),
        prices_include_tax=included,
        taxes=tuple(stated),
        total=total,
    )
    totals = order_totals(one)
    added = D(0) if included else totals.tax
    assert totals.total == totals.lines - totals.discount + totals.delivery + totals.fee + added
    assert totals.lines == sum(totals.line_sums, D(0))
    assert sum((share.tax for share in totals.taxes), D(0)) == totals.tax
    assert sum((share.base + share.tax for share in totals.taxes), D(0)) + totals.untaxed == totals.total
    assert min((share.base for share in totals.taxes), default=D(0)) >= 0
    parts = (totals.total, totals.lines, totals.delivery, totals.fee, totals.untaxed, *totals.line_sums)
    assert min(*parts, totals.discount) >= 0
    assert all(part == part.quantize(D("0.01")) for part in parts)
    for made, of in zip(totals.line_sums, one.lines, strict=True):
        assert abs(made - (of.price * of.quantity - of.discount)) < D("0.01")


def test_the_same_parts_are_reckoned_once_and_other_ones_anew() -> None:
    one = order(line("10.00", "3", rate="20"))
    assert order_totals(one) is order_totals(replace(one, currency="EUR", status="paid"))
    assert order_totals(replace(one, lines=(line("11.00", "3"),))).total == D("33.00")
    assert order_totals(replace(one, delivery=Delivery(cost=D(5)))).total == D("35.00")
    assert order_totals(replace(one, discounts=(Discount(amount=D(5)),))).total == D("25.00")
    assert order_totals(replace(one, payment=Payment(fee=D(2)))).total == D("32.00")
    assert order_totals(replace(one, prices_include_tax=False)).total == D("36.00")


def test_parts_that_can_change_are_reckoned_each_time() -> None:
    lines = [line("10.00")]
    loose = replace(order(line("1.00")), lines=lines)  # type: ignore[arg-type]
    assert order_totals(loose).total == D("10.00")
    lines.append(line("5.00"))
    assert order_totals(loose).total == D("15.00")


def test_sums_stay_right_when_very_many_orders_come() -> None:
    for number in range(1, 600):
        assert order_totals(order(line(f"{number}.00"))).total == D(number)
