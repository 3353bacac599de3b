"""Stock by office in KeepinCRM: totals that are not counted twice, and levels that really are what was sent."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from pipeline.api import Held, InDoubt, Refused, RowOutcome, StockTarget
from plugins.systems.keepincrm.stock import level_in, rests
from plugins.systems.keepincrm.system import Keepin
from tests.systems.keepincrm.world import World


@pytest.fixture
def offices(world: World) -> dict[str, int]:
    return {name: world.fake.add_office(name) for name in ("Магазин", "Склад")}


def goods(world: World, offices: dict[str, int], **rests: tuple[int, ...]) -> dict[str, int]:
    """Materials with a rest in each office, in order; the id of each."""
    return {
        sku: world.fake.add_material(sku, rests=dict(zip(offices.values(), numbers, strict=False)))
        for sku, numbers in rests.items()
    }


def levels(system: Keepin) -> dict[tuple[str, str], Decimal]:
    return {(level.code, level.warehouse): level.on_hand for level in system.levels()}


def put(system: Keepin, *rows: tuple[str, str, object]) -> Sequence[RowOutcome]:
    offers = {offer.keys["sku"]: offer for offer in system.offers()}
    return system.apply_stock(
        [StockTarget(offer=offers[sku], warehouse=place, quantity=Decimal(str(number))) for sku, place, number in rows]
    )


def available(world: World, key: int) -> list[Decimal]:
    return [one["available"] for one in world.row(key)["rests"]]


# --- reading ---------------------------------------------------------------------------------------------------------


def test_f48_the_total_is_not_counted_beside_the_offices(world: World, offices: dict[str, int]) -> None:
    goods(world, offices, A=(9, 3), B=(0, 0), C=())
    system = world.open(offices=offices)
    assert levels(system) == {
        ("A", "Магазин"): 9, ("A", "Склад"): 3, ("B", "Магазин"): 0, ("B", "Склад"): 0,
        ("C", "Магазин"): 0, ("C", "Склад"): 0,
    }  # fmt: skip
    assert [(ref.id, ref.code) for ref in system.warehouses()] == [(str(own), name) for name, own in offices.items()]


def test_f48_a_debt_is_told_as_it_is(world: World, offices: dict[str, int]) -> None:
    ids = goods(world, offices, A=(2, 5))
    world.fake.move_stock(ids["A"], offices["Магазин"], -6)
    assert levels(world.open(offices=offices)) == {("A", "Магазин"): -4, ("A", "Склад"): 5}


def test_offices_that_the_config_does_not_name_are_called_by_their_numbers(
    world: World, offices: dict[str, int]
) -> None:
    goods(world, offices, A=(9, 3))
    shop, depot = (str(own) for own in offices.values())
    system = world.open()
    assert [ref.code for ref in system.warehouses()] == [shop, depot]
    assert levels(system) == {("A", shop): 9, ("A", depot): 3}
    assert put(system, ("A", depot, 4))[0].error is None
    half = world.open(offices={"Магазин": offices["Магазин"]})
    assert levels(half) == {("A", "Магазин"): 9, ("A", depot): 4}
    assert [ref.code for ref in half.warehouses()] == ["Магазин", depot]


def test_an_account_without_offices_tells_totals(world: World) -> None:
    world.fake.add_material("A", own=Decimal("2.5"))
    for told in (True, False):
        world.fake.behave(rests_read=told)
        system = world.open()
        assert levels(system) == {("A", ""): Decimal("2.5")}
        assert system.warehouses() == []


def test_f48_a_total_that_lies_in_no_office_is_told_as_one(world: World, offices: dict[str, int]) -> None:
    goods(world, offices, A=(1, 2))
    world.fake.add_material("B", own=Decimal(7))
    assert levels(world.open(offices=offices)) == {("A", "Магазин"): 1, ("A", "Склад"): 2, ("B", ""): 7}


def test_rests_that_lists_do_not_tell_are_asked_for_office_by_office(world: World, offices: dict[str, int]) -> None:
    goods(world, offices, A=(9, 3), B=(0, 4))
    world.fake.behave(rests_read=False)
    expected = {("A", "Магазин"): 9, ("A", "Склад"): 3, ("B", "Магазин"): 0, ("B", "Склад"): 4}
    assert levels(world.open(offices=offices)) == expected


def test_f48_an_account_that_tells_the_same_for_every_office_is_not_believed(
    world: World, offices: dict[str, int]
) -> None:
    goods(world, offices, A=(9, 3), B=(0, 4))
    world.fake.behave(rests_read=False, office_filter=False)
    system = world.open(offices=offices, stock_write="add")
    with pytest.raises(Refused, match="the same stock for every office"):
        levels(system)
    with pytest.raises(Refused, match="the same stock for every office"):
        put(system, ("A", "Магазин", 1))
    assert world.fake.asked("PATCH") == []


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ({"15": {"available": 9}, "16": {"available": "1 234,5"}}, {"15": Decimal(9), "16": Decimal("1234.5")}),
        ({"15": 9}, {"15": Decimal(9)}),
        ([{"office_id": 15, "available": 4}, {"office_id": 15, "available": "5.0"}], {"15": Decimal(9)}),
        ({"15": {"available": None}, "16": {"available": "багато"}}, {"15": None, "16": None}),
        ({}, {}),
        (None, None),
        ("багато", None),
    ],
)
def test_rests_are_read_in_each_form(told: Any, found: Any) -> None:
    assert rests({"stock_rests": told}) == found


def test_f46_a_rest_that_cannot_be_read_is_not_0(world: World, offices: dict[str, int]) -> None:
    goods(world, offices, A=(9, 3))
    row = {"id": 1, "sku": "A", "stock_rests": {str(offices["Магазин"]): {"available": None}}}
    world.fake.fail(200, {"items": [row], "pagination": {"total_pages": 1}}, path="/v1/materials$")
    assert levels(world.open(offices=offices)) == {("A", "Склад"): 0}
    assert level_in(row, str(offices["Магазин"])) is None


# --- writing ---------------------------------------------------------------------------------------------------------


def test_one_reading_of_the_list_serves_offers_and_levels(world: World, offices: dict[str, int]) -> None:
    goods(world, offices, A=(9, 3))
    system = world.open(offices=offices)
    list(system.offers())
    levels(system)
    assert len(world.fake.asked(path="/v1/materials$")) == 1
    levels(system)
    assert len(world.fake.asked(path="/v1/materials$")) == 2
    put(system, ("A", "Магазин", 1))
    assert levels(system)["A", "Магазин"] == 1


def test_a_level_that_was_once_seen_to_be_set_needs_no_look_before(world: World, offices: dict[str, int]) -> None:
    goods(world, offices, A=(9, 3), B=(1, 0), C=(2, 0))
    system = world.open(offices=offices)
    list(system.offers())
    world.fake.forget()
    outcomes = put(system, ("A", "Магазин", 5), ("B", "Магазин", 7), ("C", "Склад", 8))
    assert [outcome.error for outcome in outcomes] == [None] * 3
    assert len(world.fake.asked("GET", r"/v1/materials/\d+$")) == 1
    assert len(world.fake.asked("PATCH")) == 3


def test_an_account_that_adds_is_found_out_and_put_right_at_once(world: World, offices: dict[str, int]) -> None:
    world.fake.behave(rests_write="append")
    ids = goods(world, offices, N=(0, 0), A=(9, 3), B=(1, 0))
    system = world.open(offices=offices)
    outcomes = put(system, ("N", "Магазин", 6), ("A", "Магазин", 5), ("B", "Магазин", 7))
    assert outcomes[0].error is None  # 0 + 6: nothing can be seen of it yet
    for outcome in outcomes[1:]:
        assert isinstance(outcome.error, Refused)
        assert "showed 14 instead of 5. It was put right at once" in str(outcome.error)
        assert "stock_write: add" in str(outcome.error.hint)
    assert levels(world.open(offices=offices))["A", "Магазин"] == 5
    assert available(world, ids["B"]) == [1, 0]
    with pytest.raises(Refused):
        put(system, ("B", "Магазин", 7))
    assert available(world, ids["B"]) == [1, 0]
    adding = world.open(offices=offices, stock_write="add")
    assert [one.error for one in put(adding, ("A", "Магазин", 2), ("B", "Магазин", 7), ("B", "Магазин", 7))] == [
        None
    ] * 3
    told = levels(world.open(offices=offices))
    assert [told["A", "Магазин"], told["B", "Магазин"]] == [Decimal(2), Decimal(7)]


@pytest.mark.parametrize(("how", "writes"), [("set", "set"), ("add", "append")])
def test_f07_a_lost_reply_never_adds_twice(world: World, offices: dict[str, int], how: str, writes: Any) -> None:
    world.fake.behave(rests_write=writes)
    goods(world, offices, A=(9, 3))
    system = world.open(offices=offices, stock_write=how)
    world.fake.lose_reply(method="PATCH")
    assert put(system, ("A", "Магазин", 5))[0].error is None
    assert len(world.fake.asked("PATCH")) == 1
    world.fake.drop(method="PATCH", times=9)
    system = world.open(offices=offices, stock_write=how)
    assert isinstance(put(system, ("A", "Магазин", 8))[0].error, InDoubt)
    world.fake.forget()
    assert put(world.open(offices=offices, stock_write=how), ("A", "Магазин", 8))[0].error is None
    assert levels(world.open(offices=offices))["A", "Магазин"] == 8


@pytest.mark.parametrize(
    ("quirks", "code"),
    [
        ({"rests_write": "refused"}, "keepin-refused"),
        ({"unknown_office": "ignored"}, "keepin-not-kept"),
        ({"unknown_office": "refused"}, "keepin-refused"),
    ],
)
def test_what_the_account_does_not_take_is_held(world: World, offices: dict[str, int], quirks: Any, code: str) -> None:
    world.fake.behave(**quirks)
    goods(world, offices, A=(9, 3))
    strange = {"Магазин": offices["Магазин"], "Нема": 99999}
    place = "Магазин" if "rests_write" in quirks else "Нема"
    (outcome,) = put(world.open(offices=strange), ("A", place, 4))
    assert isinstance(outcome.error, Held)
    assert outcome.error.code == code


@pytest.mark.parametrize("switch", ["sets", "ignored"])
def test_a_total_is_set_where_there_are_no_offices(world: World, switch: Any) -> None:
    world.fake.behave(available_write=switch)
    key = world.fake.add_material("A", own=Decimal(3))
    (outcome,) = put(world.open(), ("A", "", 8))
    assert (outcome.error is None) == (switch == "sets")
    assert world.row(key)["own"] == (8 if switch == "sets" else 3)


def test_a_level_without_an_office_goes_to_the_only_one(world: World) -> None:
    own = world.fake.add_office("Магазин")
    key = world.fake.add_material("A", rests={own: 1})
    assert put(world.open(offices={"Магазин": own}), ("A", "", 4))[0].error is None
    assert put(world.open(), ("A", "", 5))[0].error is None
    assert available(world, key) == [5]
    world.fake.add_material("B", rests={world.fake.add_office("Склад"): 2})
    (outcome,) = put(world.open(), ("A", "", 6))
    assert isinstance(outcome.error, Held)
    assert outcome.error.code == "keepin-office"


def test_rests_are_written_where_only_lists_of_offices_tell_them(
    world: World, offices: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.fake.behave(rests_read=False)
    ids = goods(world, offices, A=(9, 3), B=(4, 0))
    assert put(world.open(offices=offices), ("A", "Склад", 5), ("B", "Магазин", 1))[1].error is None
    assert available(world, ids["A"]) == [9, 5]
    assert available(world, ids["B"]) == [1, 0]
    monkeypatch.setattr("plugins.systems.keepincrm._fake_lists.PREDICATES", ())  # q[id_eq] is not listened to
    assert put(world.open(offices=offices), ("A", "Склад", 6))[0].error is None
    assert available(world, ids["A"]) == [9, 6]
