"""The first time of each step between two systems: a person looks once, and one step's look is not another's."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipeline.engine.context import RunContext
from pipeline.engine.sync import compare as comparing
from pipeline.errors import Held
from pipeline.texts import T
from tests.engine.in_step import World, good, notes
from tests.engine.sync_world import FLAT, put, single


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    for n in "12":
        put(made.shop, single(n, f"S-{n}", price="10.00"))
        put(made.crm, single(f"c{n}", f"S-{n}", price="10.00"))
        made.shop.stock[n, ""] = (Decimal(5), Decimal(0))
        made.crm.stock[f"c{n}", ""] = (Decimal(4), Decimal(0))
    return made


def prices(world: World, amount: str) -> None:
    for n in "12":
        put(world.shop, single(n, f"S-{n}", price=amount))


def test_prices_that_are_in_step_say_nothing_of_stock(world: World) -> None:
    world.step = "sync-prices"
    assert good(world.run()).counts == {"matched": 2}
    world.step = "sync-stock"
    assert good(world.run()).exit_code == 1
    assert world.crm.pushes == []


def test_stock_that_is_in_step_says_nothing_of_prices(world: World) -> None:
    world.step = "sync-stock"
    good(world.run())
    world.decide("accept")
    assert good(world.run()).exit_code == 0
    world.step = "sync-prices"
    prices(world, "11.00")
    assert good(world.run()).exit_code == 1
    assert world.crm.updates == []


def test_a_clean_comparison_is_good_for_both(world: World) -> None:
    with world.opened() as client:
        ctx = RunContext(
            config=client.config, registry=client.registry, ledger=client.ledger, archive=client.archive,
            clock=client.clock, job="compare", temp=world.folder,
        )  # fmt: skip
        comparing.remember(ctx, "shop", "crm", "anna")
        ctx.close()
    prices(world, "11.00")
    for step in ("sync-prices", "sync-stock"):
        world.step = step
        assert good(world.run()).exit_code == 0
    assert (len(world.crm.updates), len(world.crm.pushes)) == (2, 2)


@pytest.mark.parametrize("step", ["sync-stock", "sync-prices"])
def test_a_first_run_that_finds_nothing_lets_nothing_pass_later(world: World, step: str) -> None:
    world.step = step
    left = dict(world.shop.content), dict(world.shop.stock)
    there, world.crm.content = world.crm.content, {}
    for kept in (world.crm.stock, world.shop.stock, world.shop.content):
        kept.clear()
    if step == "sync-stock":
        put(world.shop, single("9", "S-9"))  # the source keeps no stock of it
    else:
        world.more = "min_rows: 0"
    assert good(world.run()).exit_code == 0
    world.crm.content = there
    world.shop.content, world.shop.stock = left
    prices(world, "11.00")
    assert good(world.run(full=True)).exit_code == 1
    assert (world.crm.updates, world.crm.pushes) == ([], [])


@pytest.mark.parametrize("create", ["create: false", "create: true"])
def test_a_catalogue_of_nothing_but_prices_is_looked_at_as_prices_are(world: World, create: str) -> None:
    world.more = f"fields: [price]\n{create}"
    prices(world, "11.00")
    assert good(world.run()).exit_code == 1
    assert world.crm.updates == []
    world.decide("accept")
    assert good(world.run()).exit_code == 0
    assert len(world.crm.updates) == 2
    prices(world, "12.00")
    assert good(world.run()).exit_code == 0


def test_an_approved_first_time_with_nothing_in_step_is_not_asked_for_each_time(world: World) -> None:
    world.step = "sync-stock"
    for n in "12":
        put(world.crm, single(f"d{n}", f"S-{n}"))  # twins: the stock of none is touched
    assert good(world.run()).exit_code == 1
    world.decide("accept")
    for _ in range(3):
        good(world.run(full=True))
        assert [one["kind"] for one in world.open_cards()] == ["sync"]


def test_a_catalogue_writes_no_price_over_one_that_is_there_before_a_person_has_looked(world: World) -> None:
    prices(world, "11.00")
    put(world.shop, single("3", "S-3", price="30.00"))
    report = good(world.run())
    assert report.exit_code == 1
    assert (world.crm.created, world.crm.updates) == (0, []), "the plan waits as a whole"
    (card,) = world.open_cards()
    assert [one["code"] for one in card["findings"]] == ["brake-first", "differs", "differs"]
    world.decide("accept")
    assert good(world.run()).counts == {"new": 1, "updated": 2}
    prices(world, "12.00")
    assert good(world.run(full=True)).counts == {"matched": 1, "updated": 2}, "from now on prices travel by themselves"


def test_a_catalogue_that_leaves_the_prices_alone_or_finds_them_equal_asks_nobody(world: World) -> None:
    for n in "12":
        put(world.shop, single(n, f"S-{n}", price="10.00", name="Нова назва"))
    put(world.shop, single("3", "S-3", price="30.00"))
    assert good(world.run()).counts == {"new": 1, "updated": 2}
    assert {tuple(values) for _id, values in world.crm.updates} == {("name",)}


def test_a_catalogue_of_two_systems_that_were_compared_asks_nobody(world: World) -> None:
    with world.opened() as client:
        ctx = RunContext(
            config=client.config, registry=client.registry, ledger=client.ledger, archive=client.archive,
            clock=client.clock, job="compare", temp=world.folder,
        )  # fmt: skip
        comparing.remember(ctx, "shop", "crm", "anna")
        ctx.close()
    prices(world, "11.00")
    assert good(world.run()).counts == {"updated": 2}


def by_category(world: World, policy: str = "hide") -> None:
    """One step for each of two categories, in one job."""
    world.step = "sync-catalogue"
    world.more = f"categories: [A]\nvanished: {policy}"
    world.jobs = (
        f"      - step: sync-catalogue\n        from: shop\n        to: crm\n"
        f"        categories: [B]\n        vanished: {policy}\n"
    )


def test_what_another_step_of_the_same_kind_keeps_in_step_has_not_vanished(tmp_path: Path) -> None:
    world = World(tmp_path)
    by_category(world)
    for n in range(1, 5):
        for category in "AB":
            put(world.shop, single(f"{category}{n}", f"{category}-{n}", published=True, category=(category,)))
    good(world.run())
    for _ in range(2):
        report = good(world.run(full=True))
        assert (report.exit_code, report.counts) == (0, {"matched": 8})
    assert all(offer.values["published"] for offer in world.crm.content.values())


def test_a_second_step_of_the_same_kind_is_looked_at_by_itself_the_first_time(tmp_path: Path) -> None:
    world = World(tmp_path)
    by_category(world)
    for category, there in (("A", "10.00"), ("B", "20.00")):
        put(world.shop, single(f"{category}1", f"{category}-1", price="10.00", category=(category,)))
        put(world.crm, single(f"c{category}", f"{category}-1", price=there, category=(category,)))
    assert good(world.run()).exit_code == 1
    assert [own for own, _values in world.crm.updates] == ["cA"]


# --- a kind of price, or a warehouse, that the step did not keep in step before --------------------------------------


def touch(world: World, n: str, **values: Any) -> None:
    """The source changes one product."""
    world.later(minutes=20)
    put(world.shop, single(n, f"S-{n}", **values, updated_at=world.clock.moment))


@pytest.mark.parametrize("full", [False, True])
def test_prices_that_a_step_takes_on_later_are_looked_at_by_a_person_first(world: World, full: bool) -> None:
    world.more = "fields: [name]"
    prices(world, "11.00")
    good(world.run())
    world.crm.updates.clear()
    world.more = "fields: [name, price]"
    touch(world, "1", price="12.00", name="Нова назва")
    report = good(world.run(full=full))
    assert (report.exit_code, world.crm.updates) == (1, [])
    (card,) = world.open_cards()
    assert [one["code"] for one in card["findings"]] == ["brake-first", "differs", "differs"]
    assert "Prices of this kind were never in step (price): 2 products would change." in notes(report)
    world.decide("accept")
    assert good(world.run(full=full)).exit_code == 0
    assert {own: values.get("price") for own, values in world.crm.updates} == {
        "c1": Decimal("12.00"), "c2": Decimal("11.00"),
    }  # fmt: skip
    touch(world, "2", price="13.00")
    assert good(world.run()).exit_code == 0, "from now on they travel by themselves"


def test_prices_that_are_equal_or_not_there_yet_are_taken_on_without_a_word(world: World) -> None:
    world.more = "fields: [name]"
    good(world.run())
    world.more = "fields: [name, price, price.cost]"
    touch(world, "1", **{"price": "10.00", "price.cost": Decimal(7)})
    assert good(world.run()).exit_code == 0
    assert [values for _own, values in world.crm.updates if "price.cost" in values] == [{"price.cost": Decimal(7)}]
    touch(world, "2", price="12.00")
    assert good(world.run()).exit_code == 0


def test_another_trouble_is_shown_beside_the_new_prices(world: World) -> None:
    good(world.run())
    for n in "12":
        put(
            world.crm,
            replace(world.crm.content[f"c{n}"], values={**world.crm.content[f"c{n}"].values, "price.cost": Decimal(5)}),
        )
    touch(world, "1", **{"price": "0", "price.cost": Decimal(7)})
    assert good(world.run()).exit_code == 1
    (card,) = world.open_cards()
    assert [one["code"] for one in card["findings"]] == ["brake-first", "differs", "brake-prices", "price"]


@pytest.mark.parametrize(("after", "held"), [("0.00", True), ("500.00", True), ("12.00", False)])
def test_a_price_that_appears_is_held_against_what_the_target_has(world: World, after: str, held: bool) -> None:
    """The source had none: a short look does not know what the target shows."""
    put(world.shop, single("1", "S-1", price=None))
    good(world.run())
    touch(world, "1", price=after)
    world.shop.reads.clear()
    assert good(world.run()).exit_code == int(held)
    assert world.shop.reads[-1] is None
    assert world.crm.content["c1"].values["price"] == Decimal("10.00" if held else after)
    touch(world, "2", price="13.00")
    world.shop.reads.clear()
    good(world.run())
    assert (None in world.shop.reads) is held, "once it is known, a short look is enough"


def test_a_price_of_nothing_is_held_where_the_target_does_not_tell_its_prices(world: World) -> None:
    """What was last sent is what stands there."""
    world.crm.traits = replace(FLAT, reads=FLAT.reads - {"price"})
    for n in "12":
        kept = world.crm.content[f"c{n}"]
        put(world.crm, replace(kept, values={"name": kept.values["name"]}))
    good(world.run())
    world.decide("accept")
    good(world.run())
    world.crm.content = {
        own: replace(one, values={"name": one.values["name"]}) for own, one in world.crm.content.items()
    }
    for amount in ("0.00", "5000.00"):
        touch(world, "1", price=amount)
        assert good(world.run(full=True)).exit_code == 1
    touch(world, "1", price="11.00")
    assert good(world.run(full=True)).exit_code == 0


def test_a_warehouse_that_a_step_takes_on_later_is_looked_at_by_a_person_first(world: World) -> None:
    world.step = "sync-stock"
    world.shop.places = ("main", "far")
    world.crm.places = ("first", "second")
    world.shop.stock = {(n, place): (Decimal(5), Decimal(0)) for n in "12" for place in ("main", "far")}
    world.crm.stock = {(f"c{n}", "first"): (Decimal(5), Decimal(0)) for n in "12"}
    world.crm.stock |= {(f"c{n}", "second"): (Decimal(80), Decimal(0)) for n in "12"}
    world.more = "warehouses: {first: [main]}\nmax_stock_cut: null"
    good(world.run())
    world.decide("accept")  # that `far` goes nowhere
    good(world.run())
    world.more = "warehouses: {first: [main], second: [far]}\nmax_stock_cut: null"
    report = good(world.run())
    assert (report.exit_code, world.crm.pushes) == (1, [])
    (card,) = [one for one in world.open_cards() if one["kind"] == "plan"]
    assert card["findings"][0]["code"] == "brake-first"
    assert "Stock of this warehouse was never in step (second): 2 levels would change." in notes(report)
    world.decide("accept")
    assert good(world.run()).exit_code == 0
    assert world.crm.pushes == [("c1", "second", Decimal(5)), ("c2", "second", Decimal(5))]


# --- two steps by category -------------------------------------------------------------------------------------------


def shown(world: World) -> dict[str, bool]:
    return {one.keys["sku"]: one.values["published"] for one in world.crm.content.values()}


def stands(world: World, article: str, category: str, price: str = "10.00") -> None:
    world.later(minutes=20)
    put(
        world.shop,
        single(article, article, published=True, category=(category,), price=price, updated_at=world.clock.moment),
    )


@pytest.fixture
def halves(tmp_path: Path) -> World:
    """One step for A and one for B; three products of each are in step, and may be hidden."""
    world = World(tmp_path)
    by_category(world)
    for n in range(1, 4):
        for category in "AB":
            stands(world, f"{category}-{n}", category)
    good(world.run())
    return world


@pytest.mark.parametrize("full", [(True, True), (False, True), (True, False)])
def test_what_moves_to_the_category_of_another_step_is_not_hidden(halves: World, full: tuple[bool, bool]) -> None:
    stands(halves, "A-1", "B", "12.00")
    texts = notes(good(halves.run(full=full[0])))
    assert (
        "1 product stands in none of the categories of this step any more: A-1. The step leaves it as it is." in texts
    )
    stands(halves, "A-1", "B", "13.00")
    for _ in range(2):
        report = good(halves.run(full=full[1]))
        assert (report.exit_code, notes(report)) == (0, "")
    assert set(shown(halves).values()) == {True}
    assert [one.values["price"] for one in halves.crm.content.values() if one.keys["sku"] == "A-1"] == [
        Decimal("13.00")
    ]
    stands(halves, "A-1", "A", "14.00")  # and back
    good(halves.run(full=full[0]))
    assert [one.values["price"] for one in halves.crm.content.values() if one.keys["sku"] == "A-1"] == [
        Decimal("14.00")
    ]
    del halves.shop.content["A-1"]
    good(halves.run(full=True))
    assert shown(halves)["A-1"] is False, "what the source tells no more has gone"


@pytest.mark.parametrize("full", [True, False])
def test_what_returns_into_the_category_of_another_step_is_shown_again(halves: World, full: bool) -> None:
    del halves.shop.content["A-1"]
    good(halves.run(full=True))
    assert shown(halves)["A-1"] is False
    stands(halves, "A-1", "B")
    good(halves.run(full=full))
    assert shown(halves)["A-1"] is True
    person = next(one for one in halves.crm.content.values() if one.keys["sku"] == "A-1")
    halves.more += "\nfields: [price]"
    halves.jobs += "        fields: [price]\n"
    put(halves.crm, replace(person, values={**person.values, "published": False}))
    good(halves.run(full=True))
    assert shown(halves)["A-1"] is False, "what a person hides after that stays hidden"


def test_a_category_that_is_chosen_no_more_hides_nothing(halves: World) -> None:
    halves.more = "categories: [C]\nvanished: hide\nmin_rows: 0"
    report = good(halves.run(full=True))
    assert "3 products stand in none of the categories of this step any more: A-1, A-2, A-3." in notes(report)
    assert set(shown(halves).values()) == {True}
    assert notes(good(halves.run(full=True))) == ""


def test_a_refused_price_is_looked_up_once_and_tried_again_by_short_looks(world: World) -> None:
    put(world.shop, single("1", "S-1", price=None))
    good(world.run())
    world.crm.refuse["S-1"] = Held(T("Not now."))
    touch(world, "1", price="12.00")
    assert good(world.run()).exit_code == 1
    world.crm.reads.clear()
    assert good(world.run()).exit_code == 1
    touch(world, "1", price="0.00")
    assert good(world.run()).exit_code == 1
    assert world.crm.reads == [], "and what stands there is known"
    assert [one["findings"][0]["code"] for one in world.open_cards() if one["kind"] == "plan"] == ["brake-prices"]
    world.crm.refuse.clear()
    touch(world, "1", price="12.00")
    assert good(world.run()).counts["updated"] == 1


def test_a_refused_level_of_a_new_warehouse_is_looked_up_once(world: World) -> None:
    world.step = "sync-stock"
    world.shop.places = world.crm.places = ("main", "far")
    world.shop.stock = {(n, place): (Decimal(5), Decimal(0)) for n in "12" for place in ("main", "far")}
    world.crm.stock = {(f"c{n}", "main"): (Decimal(5), Decimal(0)) for n in "12"}
    world.more = "warehouses: {main: [main]}"
    good(world.run())
    world.decide("accept")
    good(world.run())
    world.crm.refuse["S-1"] = Held(T("Not now."))
    world.more = "warehouses: {main: [main], far: [far]}"
    assert good(world.run()).exit_code == 1
    assert world.crm.pushes == [("c2", "far", Decimal(5))]
    world.crm.reads.clear()
    assert good(world.run()).exit_code == 1
    world.crm.refuse.clear()
    assert good(world.run()).counts["updated"] == 1
    assert world.crm.reads == []
