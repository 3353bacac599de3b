"""Stock of KeyCRM by warehouse: told, set, and never moved without need, as every write is a document there."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from pipeline.api import Held, Offer, Refused, RowOutcome, StockTarget, Transient
from pipeline.testing.sync_subject import done
from plugins.systems.keycrm.fake import Quirks
from tests.systems.keycrm.account import SECOND, Account, account, set_stock


@pytest.fixture
def one() -> Iterator[Account]:
    with account() as opened:
        for n in range(1, 4):
            opened.fake.add_product(f"Товар {n}", f"A-{n}")
        yield opened


def put(one: Account, *rows: tuple[int | str, str, str], on_hand: bool = False, **settings: Any) -> list[RowOutcome]:
    targets = [
        StockTarget(offer=Offer(id=str(n), product=str(n)), warehouse=place, quantity=Decimal(number), on_hand=on_hand)
        for n, place, number in rows
    ]
    return list(one.open(**settings).apply_stock(targets))


def told(one: Account, **settings: Any) -> dict[tuple[str, str], Any]:
    """What lies where, and what of it is reserved."""
    session = one.open(**settings)
    return {(level.code, level.warehouse): (level.on_hand, level.reserved) for level in session.levels()}


def test_stock_of_many_is_one_document_a_warehouse(one: Account) -> None:
    rows = [(n, place, "5") for n in (1, 2, 3) for place in ("main", "second")]
    before = len(one.fake.movements("api"))
    done(put(one, *rows))
    assert one.asked() == ["GET /offers/stocks", "PUT /offers/stocks", "PUT /offers/stocks", "GET /offers/stocks"]
    assert len(one.fake.movements("api")) - before == 2
    assert one.fake.asked("PUT")[1].json() == {
        "warehouse_id": SECOND,
        "stocks": [{"id": n, "quantity": 5} for n in (1, 2, 3)],
    }
    assert one.undocumented() == []


def test_f48_a_level_that_is_so_already_makes_no_document(one: Account) -> None:
    set_stock(one, {("1", "main"): (Decimal(7), Decimal(2))})
    first, second = put(one, (1, "main", "5"), (2, "main", "0"))
    assert first.existed
    assert second.existed
    assert one.asked("PUT") == []


def test_f48_reserves_stay_and_each_warehouse_is_by_itself(one: Account) -> None:
    set_stock(one, {("1", "main"): (Decimal(10), Decimal(3)), ("1", "second"): (Decimal(1), Decimal(1))})
    done(put(one, (1, "main", "4"), (1, "second", "0")))
    assert one.fake.quantity("A-1", 1) == 7, "four to sell and three that are reserved"
    assert one.fake.quantity("A-1", SECOND) == 1
    done(put(one, (1, "main", "4"), on_hand=True))
    assert one.fake.quantity("A-1", 1) == 4, "what lies there, whatever is reserved of it"
    assert one.fake.reserve("A-1", 1) == 3


@pytest.mark.parametrize(
    ("offer", "place", "number", "words"),
    [
        (1, "main", "-1", "cannot be"),
        (1, "main", "NaN", "cannot be"),
        (1, "main", "1E+30", "cannot be"),
        (1, "Київ", "1", "no warehouse Київ"),
        (1, "", "1", "several warehouses"),
        (99, "main", "1", "no stock of offer 99"),
        ("p1", "main", "1", "no stock of offer p1"),
        ("x", "main", "1", "no stock of offer x"),
    ],
)
def test_f48_what_cannot_be_is_held_and_spoils_no_other(
    one: Account, offer: int | str, place: str, number: str, words: str
) -> None:
    bad, good = put(one, (offer, place, number), (2, "main", "3"))
    assert isinstance(bad.error, Held)
    assert words in str(bad.error)
    done([good])
    assert one.fake.quantity("A-2", 1) == 3


def test_the_only_warehouse_needs_no_name(one: Account) -> None:
    done(put(one, (1, "", "4"), warehouses={"main": 1}))
    assert one.fake.quantity("A-1", 1) == 4


def test_without_names_in_the_settings_warehouses_are_those_that_something_lies_in(one: Account) -> None:
    set_stock(one, {("1", "main"): (Decimal(7), Decimal(2)), ("2", "second"): (Decimal(1), Decimal(0))})
    session = one.open(warehouses={})
    assert [(ref.id, ref.code, ref.name) for ref in session.warehouses()] == [
        ("1", "Основний", "Основний"),
        ("2", "Магазин", "Магазин"),
    ]
    assert {level.warehouse for level in session.levels()} == {"Основний", "Магазин"}
    assert one.asked("GET", "/offers/stocks") == ["GET /offers/stocks"], "one reading answers both"
    one.clock.move(200)
    list(session.levels())
    assert len(one.asked("GET", "/offers/stocks")) == 2, "but not for long"
    done(put(one, (3, "Магазин", "2"), warehouses={}))
    assert one.fake.quantity("A-3", SECOND) == 2


def test_what_was_written_is_not_answered_from_memory(one: Account) -> None:
    set_stock(one, {("1", "main"): (Decimal(7), Decimal(0))})
    session = one.open()
    assert [level.on_hand for level in session.levels() if level.code == "A-1"] == [7, 0]
    done(session.apply_stock([StockTarget(offer=Offer(id="1"), warehouse="main", quantity=Decimal(9))]))
    assert [level.on_hand for level in session.levels() if level.code == "A-1"] == [9, 0]


def test_f48_offers_that_lie_nowhere_are_told_as_none(one: Account) -> None:
    set_stock(one, {("1", "main"): (Decimal(7), Decimal(2))})
    assert told(one) == {
        ("A-1", "main"): (7, 2), ("A-1", "second"): (0, 0), ("A-2", "main"): (0, 0),
        ("A-2", "second"): (0, 0), ("A-3", "main"): (0, 0), ("A-3", "second"): (0, 0),
    }  # fmt: skip


def test_two_levels_of_one_place_in_one_call_are_what_came_last(one: Account) -> None:
    done(put(one, (1, "main", "4"), (1, "main", "5"), (1, "main", "4")))
    assert one.fake.quantity("A-1", 1) == 4


def test_stock_that_is_accepted_and_shown_late_is_waited_for_or_compared_again() -> None:
    for lag, shown in ((6.0, True), (600.0, False)):
        with account(Quirks(lag=lag)) as one:
            one.fake.add_product("Товар", "A-1")
            (outcome,) = put(one, (1, "main", "4"))
            assert (outcome.error is None) is shown
            if not shown:
                assert isinstance(outcome.error, Transient)
                (outcome,) = put(one, (1, "main", "5"), read_back=False)
                assert outcome.error is None


def test_a_refused_row_spoils_no_other_and_no_warehouse_the_next(one: Account) -> None:
    one.fake.fail(422, {"message": "No.", "errors": {"stocks.1.quantity": ["Too much."]}}, method="PUT")
    outcomes = put(one, (1, "main", "4"), (2, "main", "4"), (3, "main", "4"))
    assert [str(outcome.error or "") for outcome in outcomes] == [
        "",
        "KeyCRM refuses it: stocks.1.quantity: Too much.",
        "",
    ]
    outcomes = put(one, (1, "gone", "4"), (1, "second", "4"), warehouses={"gone": 77, "second": SECOND})
    assert isinstance(outcomes[0].error, Held)
    assert "warehouse id is invalid" in str(outcomes[0].error)
    assert one.fake.quantity("A-1", SECOND) == 4


def test_f51_what_was_done_before_the_server_went_away_is_known(one: Account) -> None:
    one.fake.fail(503, method="GET", path="/v1/offers/stocks", times=4)
    with pytest.raises(Transient):
        put(one, (1, "main", "4"))
    one.fake.forget()
    outcomes = put(one, (1, "main", "4"), (1, "main", "6"))
    done(outcomes)
    one.fake.fail(401, {"message": "Unauthenticated."}, method="PUT")
    with pytest.raises(Refused):
        put(one, (1, "main", "7"))


def test_an_account_that_tells_no_warehouses_is_not_written_to(one: Account) -> None:
    row = {"id": 1, "sku": "A-1", "price": 1, "purchased_price": 1, "quantity": 5, "reserve": 0}
    for _ in range(2):
        one.fake.fail(200, {"data": [row], "total": 1, "next_page_url": None}, method="GET")
    assert told(one) == {("A-1", ""): (5, 0)}
    (outcome,) = put(one, (1, "main", "4"))
    assert isinstance(outcome.error, Held)
    assert "by warehouse" in str(outcome.error)
