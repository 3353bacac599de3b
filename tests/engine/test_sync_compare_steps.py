"""`mistok compare` looks at every step of every job between the two, and says which of them a difference is of."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from pipeline.engine.context import RunContext
from pipeline.engine.sync.compare import Comparison, compare, rows_of
from tests.engine.in_step import World
from tests.engine.sync_world import BELOW, put, single, with_variants


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def compared(world: World, first: str = "shop", second: str = "crm", *keys: str) -> Comparison:
    config = world.config()
    with world.opened() as client:
        ctx = RunContext(
            config=config, registry=world.registry(), ledger=client.ledger, archive=client.archive, clock=world.clock,
            job="compare", temp=world.folder, dry_run=True,
        )  # fmt: skip
        try:
            return compare(ctx, first, second, keys)
        finally:
            ctx.close()


def told(found: Comparison) -> list[tuple[str, str, str]]:
    return [(row["article"], row.get("field", row["what"]), ", ".join(row["steps"])) for row in rows_of(found)]


def job(name: str, *steps: str) -> str:
    lines = "".join(f"      - {{step: {step}}}\n" for step in steps)
    return f"  {name}:\n    steps:\n{lines}"


def test_several_steps_about_products_of_several_categories_are_all_compared(world: World) -> None:
    world.more = "categories: [Фарби]\nfields: [price]"
    world.jobs = job("more", "sync-catalogue, from: shop, to: crm, categories: [Одяг], fields: [price.cost]")
    put(
        world.shop,
        single("1", "A-1", price="10", category=("Фарби",)),
        single("2", "A-2", price="10", category=("Одяг",), **{"price.cost": Decimal(3)}),
        single("3", "A-3", price="10", category=("Одяг",)),
        single("4", "A-4", price="10", category=("Інше",)),
    )
    put(
        world.crm,
        single("c1", "A-1", price="11", **{"price.cost": Decimal(9)}),
        single("c2", "A-2", price="11", **{"price.cost": Decimal(4)}),
        single("c4", "A-4", price="99"),
    )
    found = compared(world)
    assert told(found) == [
        ("A-1", "price", "goods/sync-catalogue"),
        ("A-2", "price.cost", "more/sync-catalogue"),
        ("A-3", "only-first", "more/sync-catalogue"),
    ]
    assert found.counts["matched"] == 2


def test_two_steps_of_a_kind_in_one_job_are_told_apart_and_one_difference_is_told_once(world: World) -> None:
    world.jobs = job(
        "prices", "sync-prices, from: shop, to: crm, fields: [price]",
        "sync-prices, from: shop, to: crm, fields: [price, price.cost]",
    )  # fmt: skip
    world.more = "fields: [name]"
    put(world.shop, single("1", "A-1", price="10", **{"price.cost": Decimal(1)}))
    put(world.crm, single("c1", "A-1", price="11", **{"price.cost": Decimal(2)}))
    assert sorted(told(compared(world))) == [
        ("A-1", "price", "prices/sync-prices, prices/sync-prices#2"),
        ("A-1", "price.cost", "prices/sync-prices#2"),
    ]


def test_a_step_about_prices_and_one_about_stock_are_compared_beside_the_products(world: World) -> None:
    world.jobs = job("levels", "sync-stock, from: shop, to: crm, buffer: 1") + job(
        "prices", "sync-prices, from: shop, to: crm, fields: [price]"
    )
    world.more = "fields: [name]"
    put(world.shop, single("1", "A-1", price="10"))
    put(world.crm, single("c1", "A-1", price="11"))
    world.shop.stock = {("1", ""): (Decimal(5), Decimal(0))}
    world.crm.stock = {("c1", ""): (Decimal(5), Decimal(0))}
    assert told(compared(world)) == [
        ("A-1", "stock", "levels/sync-stock"),
        ("A-1", "price", "prices/sync-prices"),
    ]


def test_steps_that_go_the_other_way_are_compared_too_whichever_is_named_first(world: World) -> None:
    """A CRM that is master of the stock and a shop that is master of the products."""
    world.more = "fields: [name, price]"
    world.jobs = job("back", "sync-stock, from: crm, to: shop, buffer: 2")
    put(world.shop, single("1", "A-1", price="10"))
    put(world.crm, single("c1", "A-1", price="11"))
    world.crm.stock = {("c1", ""): (Decimal(5), Decimal(0))}
    world.shop.stock = {("1", ""): (Decimal(9), Decimal(0))}
    assert [(one.field, one.first, one.second, one.id, one.steps) for one in compared(world).differences] == [
        ("price", Decimal(10), Decimal(11), "c1", ("goods/sync-catalogue",)),
        ("stock", Decimal(9), Decimal(3), "c1", ("back/sync-stock",)),
    ]
    assert [(one.field, one.first, one.second, one.id) for one in compared(world, "crm", "shop").differences] == [
        ("price", Decimal(11), Decimal(10), "1"),
        ("stock", Decimal(3), Decimal(9), "1"),
    ]
    world.shop.stock = {("1", ""): (Decimal(3), Decimal(0))}
    put(world.crm, single("c1", "A-1", price="10"))
    assert compared(world).clean
    assert compared(world, "crm", "shop").clean


def test_what_only_one_has_is_told_once_whichever_way_steps_go(world: World) -> None:
    world.jobs = job("back", "sync-stock, from: crm, to: shop")
    put(world.shop, single("1", "A-1"), single("2", "A-2"))
    put(world.crm, single("c1", "A-1"), single("c3", "A-3"))
    assert told(compared(world)) == [
        ("A-2", "only-first", "goods/sync-catalogue"),
        ("A-3", "only-second", "back/sync-stock"),
    ]
    assert [(one.article, one.steps) for one in compared(world, "crm", "shop").only_first] == [
        ("A-3", ("back/sync-stock",))
    ]


def test_twins_are_told_once_by_steps_of_both_directions(world: World) -> None:
    world.jobs = job("back", "sync-stock, from: crm, to: shop")
    put(world.shop, single("1", "A-1"))
    put(world.crm, single("c1", "A-1"), single("c2", "A-1"))
    found = compared(world)
    assert [one.code for one in found.findings] == ["twins"]
    assert (found.counts["twins"], found.counts["ambiguous"]) == (1, 0)
    again = compared(world, "crm", "shop")
    assert (again.counts["twins"], again.counts["ambiguous"]) == (0, 1)


def test_prices_are_looked_for_where_products_are_sent_without_their_variants(world: World) -> None:
    world.crm.traits = BELOW
    world.more = "base_only: [Одяг]\nfields: [name]"
    world.jobs = job("prices", "sync-prices, from: shop, to: crm, fields: [price]")
    put(
        world.shop,
        *with_variants("1", "B-1", ("v1", "B-1-S", {"price": Decimal(5)}), category=("Одяг",), price="5"),
    )
    put(world.crm, single("c1", "B-1", name="Товар 1", price="4"))
    assert told(compared(world)) == [("B-1", "price", "prices/sync-prices")]
    report = world.run("prices", dry_run=True)
    (result,) = [step.result for step in report.steps]
    assert result is not None
    assert [row["article"] for row in result.details] == ["B-1"]
    assert result.remarks == ()


def test_articles_named_on_the_command_line_are_those_of_the_first(world: World) -> None:
    put(world.shop, single("1", "A-1", model="M-1", price="10"))
    put(world.crm, single("c1", "M-1", price="10"))
    assert not compared(world).clean
    assert compared(world, "shop", "crm", "model").clean


def test_a_product_that_the_second_has_with_variants_is_in_both_and_keeps_nobody_from_being_in_step(
    world: World,
) -> None:
    world.crm.traits = BELOW
    world.more = "base_only: [Одяг]"
    base, variant = with_variants(
        "1", "B-1", ("v1", "B-1-S", {"price": Decimal(5)}), category=("Одяг",), price="5"
    )  # fmt: skip
    put(world.shop, base, variant)
    put(world.crm, replace(base, id="c1", product="c1"), replace(variant, id="c2", product="c1"))
    found = compared(world)
    assert found.clean
    assert found.counts["matched"] == 1
    assert [one.code for one in found.remarks] == ["has-variants"]
