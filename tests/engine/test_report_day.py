"""The sheet of a day as a value: every grouping adds up to the total, to the cent, each currency by itself."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.engine.report.day import OrderFact, Rows, Sums, bounds, build, payment_of, yesterday
from tests.everyday import examples

D = Decimal
KYIV = ZoneInfo("Europe/Kyiv")
DAY = date(2026, 11, 27)
NOW = datetime(2026, 11, 28, 6, tzinfo=UTC)
SINCE, UNTIL = bounds(DAY, KYIV)
STATES = ("new", "creating", "created", "held", "in_doubt", "rejected", "nothing_to_do")

money = st.decimals(min_value=0, max_value=10**9, places=2)
moments = st.datetimes(min_value=datetime(2026, 11, 25), max_value=datetime(2026, 11, 30), timezones=st.just(UTC))  # noqa: DTZ001 - the strategy gives the zone
orders = st.lists(
    st.builds(
        OrderFact,
        row=st.integers(min_value=1, max_value=10**6),
        number=st.text(min_size=1, max_size=8),
        source=st.sampled_from(["farbashop", "rozetka", ""]),
        total=st.none() | money,
        currency=st.sampled_from(["UAH", "EUR", "USD", ""]),
        state=st.sampled_from(STATES),
        status=st.none() | st.sampled_from(["new", "paid", "cancelled", "Своє слово"]),
        payment_method=st.none() | st.sampled_from(["", "card", "Післяплата"]),
        payment_status=st.none() | st.sampled_from(["paid", "unpaid"]),
        placed=st.none() | moments,
        taken=moments,
        document_total=st.none() | money,
        document_currency=st.sampled_from(["", "UAH", "EUR"]),
        gone=st.booleans(),
        cancelled=st.booleans(),
    ),
    max_size=40,
)


def one(**more: Any) -> OrderFact:
    given_values: dict[str, Any] = {
        "row": 1, "number": "1", "source": "shop", "total": D("100.00"), "currency": "UAH", "state": "created",
        "status": "new", "placed": SINCE + timedelta(hours=1), "taken": SINCE + timedelta(hours=1),
        "document_total": D("100.00"), "document_currency": "UAH",
    }  # fmt: skip
    return OrderFact(**given_values | more)


def made(*some: OrderFact) -> Any:
    return build(Rows(orders=some), client="acme", day=DAY, zone=KYIV, now=NOW)


def added(some: tuple[Sums, ...], currency: str, name: str) -> Any:
    return sum((getattr(line, name) for line in some if line.currency == currency), start=D(0))


@settings(max_examples=examples(60), deadline=None)
@given(orders)
def test_every_grouping_adds_up_to_the_total(some: list[OrderFact]) -> None:
    report = made(*some)
    assert len({line.currency for line in report.totals}) == len(report.totals), "one line for each currency"
    for total in report.totals:
        mine = [fact for fact in report.orders if fact.currency == total.currency]
        assert total.orders == len(mine)
        assert total.total == sum((fact.total or D(0) for fact in mine), start=D(0))
        assert total.orders == total.booked + total.waiting + total.apart
        assert total.total == total.booked_total + total.waiting_total + total.apart_total
        assert total.compared <= total.booked
        for group in (report.by_source, report.by_status, report.by_payment, report.by_state):
            for name in (
                "orders", "total", "booked", "booked_total", "waiting", "waiting_total", "apart", "apart_total",
                "compared", "compared_total", "documents_total", "difference", "without_sum",
            ):  # fmt: skip
                assert added(group, total.currency, name) == getattr(total, name), name
    assert sum(line.orders for line in report.totals) == len(report.orders)


@settings(max_examples=examples(60), deadline=None)
@given(orders)
def test_a_difference_of_sums_is_that_of_its_orders(some: list[OrderFact]) -> None:
    report = made(*some)
    for total in report.totals:
        mine = [fact for fact in report.differences if fact.currency == total.currency and fact.comparable]
        apart = sum(((fact.document_total or D(0)) - (fact.total or D(0)) for fact in mine), start=D(0))
        assert total.difference == apart, "what is not among the differences does not differ by a cent"


@settings(max_examples=examples(60), deadline=None)
@given(orders)
def test_an_order_is_of_one_day_and_no_order_that_came_is_in_no_sheet(some: list[OrderFact]) -> None:
    days = [date(2026, 11, 24) + timedelta(days=n) for n in range(8)]
    seen: list[int] = []
    for day in days:
        report = build(Rows(orders=some), client="acme", day=day, zone=KYIV, now=NOW)
        seen += [id(fact) for fact in report.orders]
    assert sorted(seen) == sorted(id(fact) for fact in some)


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ({}, None),
        ({"document_total": D("100.01")}, "sum"),
        ({"document_total": D("100.000")}, None),
        ({"document_total": D("100.004")}, None),
        ({"document_currency": "EUR"}, "currency"),
        ({"document_currency": ""}, None),
        ({"document_currency": "980", "booked_as": "980"}, None),
        ({"gone": True}, "gone"),
        ({"status": "cancelled"}, "cancelled"),
        ({"status": "cancelled", "cancelled": True}, None),
        ({"document_total": None}, None),
        ({"state": "held", "document_total": None}, None),
    ],
)
def test_why_shop_and_books_differ(more: dict[str, Any], kind: str | None) -> None:
    report = made(one(**more))
    assert [fact.difference for fact in report.differences] == ([kind] if kind else [])


def test_a_document_of_which_nothing_is_known_is_in_no_comparison() -> None:
    report = made(one(), one(row=2, total=D("5.55"), document_total=None))
    (total,) = report.totals
    assert (total.booked, total.compared, total.compared_total, total.documents_total) == (2, 1, D(100), D(100))
    assert report.unasked == 1


def test_what_waits_stays_in_the_sheets_until_it_is_settled() -> None:
    old = one(row=2, state="held", placed=SINCE - timedelta(days=9), taken=SINCE - timedelta(days=9), cards=(7,))
    report = made(one(), old, one(row=3, state="in_doubt"), one(row=4, state="creating"))
    assert [fact.row for fact in report.waiting] == [2, 3, 4]
    assert len(report.orders) == 3


def test_late_orders_are_told_on_both_days() -> None:
    late = one(row=2, placed=SINCE + timedelta(hours=2), taken=UNTIL + timedelta(hours=3))
    earlier = one(row=3, placed=SINCE - timedelta(hours=2), taken=SINCE + timedelta(hours=3))
    ahead = one(row=4, placed=UNTIL + timedelta(days=2), taken=SINCE + timedelta(hours=4))
    report = made(late, earlier, ahead)
    assert {fact.row: how for fact, how in report.late} == {2: "after", 3: "earlier"}
    assert [fact.row for fact in report.orders] == [2, 4], "a shop's clock that goes ahead loses no order"


@pytest.mark.parametrize(
    ("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 11, 27), 24)]
)
def test_a_day_is_from_midnight_to_midnight(day: date, hours: int) -> None:
    since, until = bounds(day, KYIV)
    assert until - since == timedelta(hours=hours)
    assert since.astimezone(KYIV).hour == 0
    just_before, just_in = (
        build(Rows(orders=[one(placed=moment, taken=moment)]), client="a", day=day, zone=KYIV, now=NOW)
        for moment in (until, until - timedelta(microseconds=1))
    )
    assert (len(just_before.orders), len(just_in.orders)) == (0, 1)


def test_yesterday_is_the_clients() -> None:
    assert yesterday(datetime(2026, 11, 27, 22, 30, tzinfo=UTC), KYIV) == date(2026, 11, 27)
    assert yesterday(datetime(2026, 11, 27, 21, 30, tzinfo=UTC), KYIV) == date(2026, 11, 26)


def test_payments_are_known_or_said_not_to_be() -> None:
    assert payment_of(one(payment_method=None, payment_status=None)) is None
    report = made(one(payment_method="card", payment_status="paid"), one(row=2))
    assert [line.name for line in report.by_payment] == ["card\tpaid", None]
    assert report.unknown_payment == 1
