"""Rows that a target refuses: tried again by themselves, and no reason for each run to read everything."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipeline.engine.runtime import RunReport
from pipeline.errors import Held
from pipeline.texts import T
from tests.engine.in_step import NOW, World, by_sku, good
from tests.engine.sync_world import put, single

NO = Held(T("Not so."))


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    put(made.shop, *[single(str(n), f"S-{n}", price="10.00", published=True, updated_at=NOW) for n in range(1, 5)])
    return made


def scheduled(world: World, **later: Any) -> RunReport:
    """A run by the schedule; what both sides were asked before is forgotten."""
    world.later(**later)
    world.shop.reads.clear()
    world.crm.reads.clear()
    return good(world.run(trigger="schedule"))


def refused(world: World) -> bool:
    return "Not so." in str([card["findings"] for card in world.open_cards()])


@pytest.mark.parametrize("which", ["new", "changed"])
def test_a_refused_row_makes_no_run_look_at_everything_and_is_tried_again_each_hour(world: World, which: str) -> None:
    if which == "changed":
        good(world.run())
        put(world.shop, single("1", "S-1", price="11.00", published=True, updated_at=NOW))
    world.crm.refuse["S-1"] = NO
    scheduled(world)
    assert refused(world)
    scheduled(world, minutes=40)
    assert world.shop.reads == [NOW.replace(hour=9, minute=50)], "what was just changed is told once more"
    scheduled(world, minutes=10)
    assert (world.shop.reads, world.crm.reads) == ([NOW.replace(minute=30)], []), "the cursor has moved"
    assert refused(world), "and the card stays"
    scheduled(world, minutes=15)
    assert world.shop.reads == [None], "an hour is over"
    assert (refused(world), len(world.crm.updates)) == (True, 0)
    world.crm.refuse.clear()
    scheduled(world, minutes=15)
    assert None not in world.shop.reads
    scheduled(world, minutes=50)
    assert by_sku(world.crm, "S-1")[0].values["price"] == Decimal("11.00" if which == "changed" else "10.00")
    assert world.open_cards() == []
    scheduled(world, minutes=90)
    assert None not in world.shop.reads, "it is over"


def test_a_person_who_has_mended_it_need_not_wait(world: World) -> None:
    world.crm.refuse["S-1"] = NO
    scheduled(world)
    scheduled(world, minutes=40)
    world.crm.refuse.clear()
    assert good(world.run()).counts["new"] == 1
    assert world.open_cards() == []


def test_a_row_that_the_source_tells_anew_is_tried_at_once(world: World) -> None:
    world.crm.refuse["S-1"] = NO
    scheduled(world)
    scheduled(world, minutes=40)
    world.crm.refuse.clear()
    put(world.shop, single("1", "S-1", price="12.00", published=True, updated_at=world.clock.now()))
    scheduled(world, minutes=5)
    assert None not in world.shop.reads
    assert by_sku(world.crm, "S-1")[0].values["price"] == Decimal("12.00")
    scheduled(world, minutes=90)
    assert None not in world.shop.reads, "nothing is left to be tried"


def test_what_has_gone_and_could_not_be_hidden_is_tried_again_by_a_look_at_both_sides(world: World) -> None:
    world.more = "vanished: hide"
    good(world.run())
    world.later(minutes=5)
    del world.shop.content["1"]
    world.crm.refuse["S-1"] = NO
    good(world.run(full=True))
    assert refused(world)
    scheduled(world, minutes=30)
    assert world.crm.reads == []
    world.crm.refuse.clear()
    scheduled(world, minutes=40)
    assert by_sku(world.crm, "S-1")[0].values["published"] is False
    assert world.open_cards() == []


def test_a_refused_level_of_something_new_is_tried_in_each_run_without_reading_all_products(world: World) -> None:
    world.step = "sync-stock"
    for n in range(1, 5):
        put(world.crm, single(f"c{n}", f"S-{n}"))
        world.shop.stock[str(n), ""] = world.crm.stock[f"c{n}", ""] = (Decimal(10), Decimal(0))
    good(world.run())
    put(world.shop, single("5", "S-5"))
    put(world.crm, single("c5", "S-5"))
    world.shop.stock["5", ""], world.crm.stock["c5", ""] = (Decimal(7), Decimal(0)), (Decimal(1), Decimal(0))
    world.crm.refuse["S-5"] = NO
    scheduled(world)
    assert refused(world)
    scheduled(world, minutes=5)
    assert (world.shop.reads, world.crm.reads, refused(world)) == ([], [], True)
    world.crm.refuse.clear()
    scheduled(world, minutes=5)
    assert world.crm.pushes == [("c5", "", Decimal(7))]
    assert world.open_cards() == []
