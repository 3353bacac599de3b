"""Two systems kept in step: what has no price, and what is priced in another currency."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipeline.model import Offer
from tests.engine.in_step import NOW, World, by_sku, good
from tests.engine.sync_world import BELOW, FLAT, MemorySystem, put, single, with_variants


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


# --- no price --------------------------------------------------------------------------------------------------------


def test_nothing_is_created_for_nothing_and_each_is_told(world: World) -> None:
    put(
        world.shop, single("1", "A", price="0.00"), single("2", "B", price=None), single("3", "C", price="1.00"),
        single("4", "D", price="-5.00"), single("5", "E"),
    )  # fmt: skip
    report = good(world.run())
    assert (report.exit_code, report.counts) == (1, {"new": 1})
    assert [one.keys["sku"] for one in world.crm.content.values()] == ["C"]
    (card,) = world.open_cards()
    assert [(one["code"], one["where"]["element"]) for one in card["findings"]] == [("no-price", n) for n in "ABDE"]
    assert all("is not created" in str(one["text"]) for one in card["findings"])
    priced = [single(n, sku, price="2.00") for n, sku in (("1", "A"), ("2", "B"), ("4", "D"), ("5", "E"))]
    put(world.shop, *priced)
    assert good(world.run(full=True)).counts == {"matched": 1, "new": 4}
    assert world.open_cards() == []


def test_what_comes_later_without_a_price_that_could_be_read_is_not_created(world: World) -> None:
    put(world.shop, single("1", "A", price="1.00", updated_at=NOW))
    good(world.run())
    world.later(hours=1)
    put(world.shop, single("2", "B", updated_at=world.clock.now()))  # between two looks at everything, alone
    good(world.run())
    assert [one.keys["sku"] for one in world.crm.content.values()] == ["A"]
    world.more = "fields: [name]"  # a step that is not about prices
    good(world.run(full=True))
    assert [one.keys["sku"] for one in world.crm.content.values()] == ["A", "B"]


def test_variants_without_a_price_are_not_created_and_their_product_only_with_one_that_has(world: World) -> None:
    world.crm.traits = BELOW
    options = {"options": {"Розмір": "M"}}
    put(world.shop, *with_variants("10", "T", ("11", "T-1", {**options, "price": Decimal(5)}), ("12", "T-2", options)))
    put(world.shop, *with_variants("20", "U", ("21", "U-1", {**options, "price": Decimal(0)})))
    assert good(world.run()).counts == {"new": 1}
    assert [one.keys["sku"] for one in world.crm.content.values()] == ["T", "T-1"]


# --- currencies ------------------------------------------------------------------------------------------------------


def in_euros(own: str, sku: str, price: str, **more: Any) -> Offer:
    return single(own, sku, price=price, currency="EUR", **more)


def test_a_price_in_another_currency_waits_and_the_other_fields_go_on(world: World) -> None:
    put(world.crm, single("c1", "A", price="10.00", currency="UAH", name="Стара"))
    put(world.shop, in_euros("1", "A", "450.00", name="Нова"), in_euros("2", "B", "7.00"))
    dry = world.run(dry_run=True).steps[0].result
    assert dry is not None
    assert [one.code for one in dry.remarks] == ["other-currency"] * 2
    assert good(world.run()).exit_code == 1
    assert world.crm.updates == [("c1", {"name": "Нова"})]
    assert world.crm.created == 0, "the target's goods are in hryvnias"
    (card,) = world.open_cards()
    assert [one["where"]["element"] for one in card["findings"]] == ["A", "B"]
    put(world.shop, single("1", "A", price="11.00", currency="UAH", name="Нова"))
    good(world.run(approve=True, full=True))
    assert world.crm.updates[1:] == [("c1", {"price": Decimal("11.00")})]


def test_a_price_whose_currency_changes_between_two_looks_at_everything_waits(world: World) -> None:
    put(world.shop, single("1", "A", price="10.00", currency="UAH", updated_at=NOW))
    good(world.run())
    world.later(hours=1)
    put(world.shop, in_euros("1", "A", "9.00", updated_at=world.clock.now()))
    assert good(world.run()).exit_code == 1
    assert (world.crm.updates, world.crm.reads) == ([], [None])


@pytest.mark.parametrize("takes", [True, False])
def test_something_new_takes_its_currency_with_its_price(world: World, takes: bool) -> None:
    world.crm.traits = replace(FLAT, creates=FLAT.creates | ({"currency"} if takes else set()))
    world.more = "fields: [name, price]"
    put(world.crm, single("c1", "A", price="10.00", currency="UAH"))
    put(world.shop, in_euros("2", "B", "7.00"), single("1", "A", price="10.00", currency="UAH"))
    good(world.run())
    made = by_sku(world.crm, "B")
    assert [(one.values["price"], one.values["currency"]) for one in made] == ([(Decimal(7), "EUR")] if takes else [])


def test_a_shop_without_goods_tells_its_currency_itself(world: World) -> None:
    world.crm = OneCurrencyOnly(FLAT)
    put(world.shop, in_euros("2", "B", "7.00"), single("1", "A", price="10.00", currency="UAH"))
    assert good(world.run()).counts == {"new": 1}
    assert by_sku(world.crm, "A")


def test_the_mere_numbers_are_written_where_the_step_says_so(world: World) -> None:
    world.more = "other_currency: ignore"
    put(world.crm, single("c1", "A", price="10.00", currency="UAH"))
    put(world.shop, in_euros("1", "A", "11.00"), in_euros("2", "B", "7.00"))
    assert good(world.run(approve=True)).counts == {"new": 1, "updated": 1}
    assert [values["price"] for _id, values in world.crm.updates] == [Decimal("11.00")]
    assert world.open_cards() == []


class OneCurrencyOnly(MemorySystem):
    """A shop, whose prices are all in hryvnias."""

    def prices_in(self) -> str:
        return "UAH"
