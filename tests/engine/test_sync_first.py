"""The first time of each step between two systems: a person looks once, and one step's look is not another's."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from pipeline.engine.context import RunContext
from pipeline.engine.sync import compare as comparing
from tests.engine.in_step import World, good
from tests.engine.sync_world import put, single


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
