"""How long a person's word on a plan holds: for the trouble that was shown, and once."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from pipeline.errors import Held, Transient
from pipeline.texts import T
from tests.engine.in_step import World, good
from tests.engine.sync_world import put, single


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def priced(world: World, amount: str) -> None:
    put(world.shop, single("1", "A", price=amount), single("2", "B", price="10.00"))


def price(world: World) -> Decimal:
    (found,) = [one.values["price"] for one in world.crm.content.values() if one.keys["sku"] == "A"]
    return Decimal(found)


@pytest.mark.parametrize("full", [True, False])
def test_an_approved_price_that_comes_a_second_time_is_asked_about_a_second_time(world: World, full: bool) -> None:
    priced(world, "10.00")
    good(world.run())
    priced(world, "0")
    assert good(world.run(full=full)).exit_code == 1
    world.decide("accept")
    assert good(world.run(full=full)).exit_code == 0
    assert price(world) == 0
    priced(world, "10.00")
    assert good(world.run(full=full)).exit_code == 0
    priced(world, "0")
    assert good(world.run(full=full)).exit_code == 1
    assert price(world) == 10


def test_a_price_that_was_put_right_by_hand_in_the_target_is_asked_about_again(world: World) -> None:
    priced(world, "10.00")
    good(world.run())
    priced(world, "0")
    good(world.run())
    world.decide("accept")
    good(world.run())
    for own, offer in world.crm.content.items():
        if offer.keys["sku"] == "A":
            put(world.crm, single(own, "A", **{**offer.values, "price": "10.00"}))
    assert good(world.run(full=True)).exit_code == 1
    assert price(world) == 10


def test_an_approval_of_which_nothing_came_is_still_good_and_a_refused_neighbour_does_not_keep_it(world: World) -> None:
    priced(world, "10.00")
    good(world.run())
    priced(world, "0")
    good(world.run())
    world.decide("accept")
    world.crm.strike = Transient(T("away"))
    assert world.run().exit_code == 3
    put(world.shop, single("2", "B", price="12.00"))
    world.crm.refuse["B"] = Held(T("locked"))
    assert good(world.run()).exit_code == 1, "of the refused one"
    assert price(world) == 0
    priced(world, "10.00")
    good(world.run())
    priced(world, "0")
    good(world.run())
    assert [one["kind"] for one in world.open_cards()].count("plan") == 1
    assert price(world) == 10


def test_a_rejection_is_over_when_the_source_has_said_something_else(world: World) -> None:
    priced(world, "10.00")
    good(world.run())
    priced(world, "0")
    good(world.run())
    world.decide("reject")
    assert good(world.run()).exit_code == 0
    assert good(world.run()).exit_code == 0, "it is not asked about again meanwhile"
    priced(world, "11.00")
    good(world.run())
    priced(world, "0")
    good(world.run())
    priced(world, "11.00")
    good(world.run())
    priced(world, "0")
    assert good(world.run()).exit_code == 1


def gone(world: World, *left: int) -> None:
    world.shop.content.clear()
    put(world.shop, *[single(str(n), f"S-{n}", published=True) for n in left])


def hidden(world: World) -> set[str]:
    return {one.keys["sku"] for one in world.crm.content.values() if one.values["published"] is False}


def test_other_products_that_vanish_are_another_trouble_even_when_they_are_as_many(world: World) -> None:
    world.more = "vanished: hide"
    gone(world, 1, 2, 3, 4, 5, 6)
    good(world.run())
    gone(world, 1, 2)
    assert good(world.run(full=True)).exit_code == 1
    gone(world, 5, 6)
    world.decide("accept")
    assert good(world.run(full=True)).exit_code == 1, "these four are not those that were approved"
    assert hidden(world) == set()
    gone(world, 1, 2)
    good(world.run(full=True))
    assert hidden(world) == {"S-3", "S-4", "S-5", "S-6"}
    gone(world, 1, 2, 3, 4, 5, 6)
    good(world.run(full=True))
    assert hidden(world) == set()
    gone(world, 1, 2)
    assert good(world.run(full=True)).exit_code == 1, "back, and gone again"
    assert hidden(world) == set()


def test_a_source_that_stays_small_is_asked_about_once(world: World) -> None:
    gone(world, 1, 2, 3, 4, 5, 6, 7, 8)
    good(world.run())
    gone(world, 1, 2, 3)
    assert good(world.run(full=True)).exit_code == 1
    world.decide("accept")
    for full in (True, False, True, False, True):
        assert good(world.run(full=full)).exit_code == 0
    gone(world, 1)
    assert good(world.run(full=True)).exit_code == 1, "two of the three that are left"


def test_what_a_look_at_everything_found_is_not_forgotten_by_the_next_short_look(world: World) -> None:
    gone(world, 1, 2, 3, 4, 5, 6)
    good(world.run())
    gone(world, 1, 2)
    assert good(world.run(full=True)).exit_code == 1
    assert good(world.run()).exit_code == 1
    (card,) = world.open_cards()
    assert card["kind"] == "plan"


def test_an_empty_stock_is_approved_once(tmp_path: Path) -> None:
    world = World(tmp_path, step="sync-stock")

    def all_have(n: int) -> None:
        for one in "1234":
            world.shop.stock[one, ""] = (Decimal(n), Decimal(0))

    for one in "1234":
        put(world.shop, single(one, f"S-{one}"))
        put(world.crm, single(f"c{one}", f"S-{one}"))
        world.crm.stock[f"c{one}", ""] = (Decimal(10), Decimal(0))
    all_have(10)
    good(world.run())
    all_have(0)
    assert good(world.run()).exit_code == 1
    world.decide("accept")
    assert good(world.run()).exit_code == 0
    assert world.crm.stock["c1", ""][0] == 0
    all_have(10)
    good(world.run())
    all_have(0)
    assert good(world.run()).exit_code == 1
    assert world.crm.stock["c1", ""][0] == 10
