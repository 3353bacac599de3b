"""What `mistok compare` measures by: what the jobs between the two systems would leave."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipeline.engine.context import RunContext
from pipeline.engine.sync.compare import Comparison, compare, rows_of
from pipeline.flow import SyncStep
from pipeline.model import Offer
from tests.engine.in_step import NOW, World, good
from tests.engine.sync_world import BELOW, put, single, special


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def compared(world: World) -> Comparison:
    config = world.config()
    with world.opened() as client:
        ctx = RunContext(
            config=config, registry=world.registry(), ledger=client.ledger, archive=client.archive, clock=world.clock,
            job="compare", temp=world.folder, dry_run=True,
        )  # fmt: skip
        try:
            return compare(ctx, "shop", "crm")
        finally:
            ctx.close()


def told(found: Comparison) -> list[tuple[str, str, str | None, str | None]]:
    return [(row["article"], row["field"], row["first"], row["second"]) for row in rows_of(found)]


def test_a_special_price_that_holds_is_the_price_where_the_target_keeps_no_dates(world: World) -> None:
    put(world.shop, single("1", "A-1", price="1000", specials=(special("900"),)))
    good(world.run())
    assert compared(world).clean
    world.crm.content = {
        name: replace(one, values={**one.values, "price": Decimal(1000)}) for name, one in world.crm.content.items()
    }
    assert told(compared(world)) == [("A-1", "price", "900", "1000")]


def test_special_prices_with_dates_are_compared_where_the_target_keeps_them(world: World) -> None:
    world.crm.traits = BELOW
    put(world.shop, single("1", "A-1", price="1000", specials=(special("900", NOW),)))
    put(world.crm, single("c1", "A-1", price="1000", specials=()))
    assert told(compared(world)) == [("A-1", "specials", "900 UAH, 2026-11-28 10:00 – …", "")]
    good(world.run(approve=True))
    assert compared(world).clean


def test_a_price_that_the_source_does_not_have_is_no_difference(world: World) -> None:
    put(world.shop, single("1", "A-1", price="10", **{"price.cost": None}))
    put(world.crm, single("c1", "A-1", price="10", **{"price.cost": Decimal(0)}))
    assert compared(world).clean
    put(world.shop, single("1", "A-1", price="10", **{"price.cost": Decimal(7)}))
    assert told(compared(world)) == [("A-1", "price.cost", "7", "0")]


def test_only_the_prices_that_jobs_keep_are_compared_as_they_map_them(world: World) -> None:
    world.more = "fields: [price.cost]\nmap: {price.cost: price}"
    put(world.shop, single("1", "A-1", price="10"))
    put(world.crm, single("c1", "A-1", price="99", **{"price.cost": Decimal(11)}))
    assert told(compared(world)) == [("A-1", "price.cost", "10", "11")]


def test_what_no_job_sends_is_missing_nowhere(world: World) -> None:
    world.more = "categories: [Фарби]"
    put(
        world.shop,
        single("1", "A-1", price="10", category=("Фарби",)),
        single("2", "A-2", price="10", category=("Фарби",), published=False),
        single("3", "A-3", price="10", category=("Інше",)),
    )
    put(world.crm, single("c1", "A-1", price="10"), single("c2", "A-2", price="7"), single("c3", "A-3"))
    found = compared(world)
    assert found.clean
    assert found.counts["matched"] == 1
    put(world.crm, single("c9", "ELSE", price="1"))
    assert [one.id for one in compared(world).only_second] == ["c9"]


def test_another_currency_is_a_difference_and_told_by_the_plan(world: World) -> None:
    world.step = "sync-prices"
    put(world.shop, single("1", "A-1", price="10", currency="USD"), single("2", "A-2", price="5", currency="UAH"))
    put(world.crm, single("c1", "A-1", price="10", currency="UAH"), single("c2", "A-2", price="5"))
    assert told(compared(world)) == [("A-1", "currency", "USD", "UAH")]
    report = world.run(dry_run=True)
    (result,) = [step.result for step in report.steps]
    assert result is not None
    assert [(one.code, one.where.element) for one in result.remarks] == [("other-currency", "A-1")]
    assert "USD" in str(result.remarks[0].text)
    world.more = "other_currency: ignore"
    assert compared(world).clean, "the step says that the numbers are right as they are"
    world.more = ""
    put(world.crm, single("c1", "A-1", price="10", currency="usd"))
    assert compared(world).clean
    assert world.run(dry_run=True).steps[0].result.remarks == ()  # type: ignore[union-attr]


def test_the_stock_is_compared_by_warehouse_and_buffer_of_the_job(world: World) -> None:
    world.step = "sync-stock"
    world.more = "warehouses: {Основний: [a, b]}\nbuffer: 2"
    world.shop.places, world.crm.places = ("a", "b", "c"), ("Основний", "Другий")
    put(world.shop, single("1", "A-1", price="10", published=False), single("2", "A-2", price="10"))
    put(world.crm, single("c1", "A-1", price="10"), single("c2", "A-2", price="10"))
    world.shop.stock = {
        ("1", "a"): (Decimal(3), Decimal(1)), ("1", "b"): (Decimal(4), Decimal(0)),
        ("1", "c"): (Decimal(9), Decimal(0)), ("2", "a"): (Decimal(1), Decimal(0)),
    }  # fmt: skip
    world.crm.stock = {
        ("c1", "Основний"): (Decimal(5), Decimal(1)), ("c1", "Другий"): (Decimal(8), Decimal(0)),
    }  # fmt: skip
    assert compared(world).clean
    world.crm.stock["c1", "Основний"] = (Decimal(6), Decimal(1))
    assert told(compared(world)) == [("A-1", "stock Основний", "4", "5")]


class Altered(World):
    """A client whose own step doubles the prices of the source and leaves one product out."""

    def registry(self) -> Any:
        registry = super().registry()
        step = registry.steps["sync-catalogue"]
        assert isinstance(step.kind, SyncStep)

        def change(offer: Offer, params: Any) -> Offer | None:
            assert params.source == "shop", "the parameters of the step itself"
            if offer.keys["sku"] == "GONE":
                return None
            return replace(offer, values={**offer.values, "price": offer.values["price"] * 2})

        mine = replace(step, kind=replace(step.kind, change=change))
        return replace(registry, steps={**registry.steps, "sync-catalogue": mine})


def test_what_a_clients_own_step_makes_of_an_offer_is_compared(tmp_path: Path) -> None:
    world = Altered(tmp_path)
    put(world.shop, single("1", "A-1", price="10"), single("2", "GONE", price="1"))
    good(world.run())
    (there,) = world.crm.content.values()
    assert there.values["price"] == 20
    assert compared(world).clean
    put(world.crm, replace(there, values={**there.values, "price": Decimal(10)}))
    assert told(compared(world)) == [("A-1", "price", "20", "10")]
