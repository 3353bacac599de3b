"""A variant that the source does not show to buyers is sold nowhere: hidden where the target can, else told."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipeline.flow import StepResult
from pipeline.model import Offer
from tests.engine.in_step import World, by_sku, good
from tests.engine.sync_world import BELOW, FLAT, put, with_variants


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.crm.traits = BELOW
    return made


def shirt(*, white: bool = True, red: bool = True) -> list[Offer]:
    def variant(sku: str, shown: bool) -> tuple[str, str, dict[str, Any]]:
        return sku.lower(), sku, {"price": Decimal(5), "options": {"Колір": sku}, "published": shown}

    return with_variants("1", "S", variant("S-W", white), variant("S-R", red), price="5", published=True)


def result(world: World, **options: Any) -> StepResult:
    report = good(world.run(full=True, **options))
    (step,) = report.steps
    assert step.result is not None
    return step.result


@pytest.mark.parametrize("traits", [BELOW, FLAT], ids=["below", "flat"])
def test_it_is_hidden_with_the_source_and_shown_again_with_it(world: World, traits: Any) -> None:
    world.crm.traits = traits
    put(world.shop, *shirt())
    good(world.run())
    put(world.shop, *shirt(red=False))
    assert result(world).counts["updated"] == 1
    assert [one.values["published"] for one in by_sku(world.crm, "S-R")] == [False]
    assert [one.values.get("published", True) for one in by_sku(world.crm, "S-W")] == [True]
    assert "updated" not in result(world).counts
    put(world.shop, *shirt())
    assert result(world).counts["updated"] == 1
    assert [one.values["published"] for one in by_sku(world.crm, "S-R")] == [True]


def test_it_is_not_created(world: World) -> None:
    put(world.shop, *shirt(red=False))
    made = result(world)
    assert made.counts == {"new": 1}
    assert not made.waiting
    assert by_sku(world.crm, "S-R") == []
    assert result(world).counts == {"matched": 2}
    put(world.shop, *shirt())
    assert result(world).counts["new"] == 1
    assert len(by_sku(world.crm, "S-R")) == 1


@pytest.mark.parametrize(
    "traits",
    [replace(BELOW, writes=BELOW.writes - {"published"}), replace(BELOW, of_products=frozenset({"published"}))],
    ids=["hides-nothing", "hides-products"],
)
def test_it_is_told_where_the_target_cannot_hide_it(world: World, traits: Any) -> None:
    put(world.shop, *shirt())
    good(world.run())
    for offer in world.crm.content.values():  # such a target tells it of the product alone
        if offer.kind == "variant":
            world.crm.content[offer.id] = replace(
                offer, values={name: value for name, value in offer.values.items() if name != "published"}
            )
    world.crm.traits = traits
    put(world.shop, *shirt(red=False))
    for _ in range(2):
        found = result(world)
        assert [one.code for one in found.remarks] == ["still-shown"]
        assert "crm cannot hide it: S-R" in str(found.remarks[0].text)
        assert found.waiting
    assert world.crm.updates == []
    assert [card["kind"] for card in world.open_cards()] == ["sync"]
    put(world.shop, *shirt())
    assert result(world).remarks == ()
    assert world.open_cards() == []


def test_a_step_that_is_not_about_what_is_shown_touches_it_not(world: World) -> None:
    put(world.shop, *shirt())
    good(world.run())
    world.more = "fields: [name, price]"
    put(world.shop, *shirt(red=False))
    found = result(world)
    assert found.counts == {"matched": 3}
    assert found.remarks == ()


def test_with_only_published_off_it_is_created_hidden(world: World) -> None:
    world.more = "only_published: false"
    put(world.shop, *shirt(red=False))
    good(world.run())
    assert [one.values["published"] for one in by_sku(world.crm, "S-R")] == [False]
    assert "published" not in by_sku(world.crm, "S-W")[0].values


def test_its_stock_is_missing_nowhere(world: World) -> None:
    put(world.shop, *shirt(red=False))
    world.shop.stock = {("s-r", ""): (Decimal(4), Decimal(0))}
    world.jobs = "  levels:\n    steps: [{step: sync-stock, from: shop, to: crm}]\n"
    good(world.run())
    report = good(world.run("levels"))
    (step,) = report.steps
    assert step.result is not None
    assert step.result.remarks == ()
