"""Looks at some of a source: an article that is, or was, of another product is looked up in all of it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.engine.in_step import NOW, World, by_sku, good, names
from tests.engine.sync_world import put, single


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Four products in step, each changed before the last look."""
    made = World(tmp_path)
    put(made.shop, *[single(str(n), f"S-{n}", price="10.00", updated_at=NOW) for n in range(1, 5)])
    good(made.run())
    made.later(hours=1)
    made.shop.reads.clear()
    return made


def edit(world: World, own: str, sku: str, **values: Any) -> None:
    """In the shop, now."""
    put(world.shop, single(own, sku, **{"price": "10.00", "updated_at": world.clock.now(), **values}))


def findings(world: World) -> str:
    return str([card["findings"] for card in world.open_cards()])


def looked_at_all(world: World) -> bool:
    told, world.shop.reads[:] = list(world.shop.reads), []
    return told[-1] is None


def test_a_product_that_takes_anothers_article_does_not_overwrite_it(world: World) -> None:
    edit(world, "9", "S-1", price="60.00", name="Чужий")
    assert good(world.run()).exit_code == 1
    assert (looked_at_all(world), names(world.crm)) == (True, {f"Товар {n}" for n in range(1, 5)})
    assert "ambiguous-article" in findings(world)
    assert world.crm.updates == []
    # nor does a change of the one that was in step decide it
    world.later(hours=1)
    edit(world, "1", "S-1", price="11.00")
    assert good(world.run()).exit_code == 1
    assert (looked_at_all(world), world.crm.updates) == (True, [])
    # mended at the other one, which the look at changes tells under another article
    world.later(hours=1)
    edit(world, "9", "S-9", price="60.00", name="Чужий")
    assert good(world.run()).exit_code == 0
    assert world.open_cards() == []
    assert by_sku(world.crm, "S-1")[0].values["price"] == Decimal("11.00")
    assert by_sku(world.crm, "S-9")[0].values["name"] == "Чужий"
    # and then a change needs nothing but itself again
    world.later(hours=1)
    edit(world, "1", "S-1", price="12.00")
    assert good(world.run()).counts == {"updated": 1}
    assert not looked_at_all(world)


def test_twins_that_were_never_in_step_are_held_whichever_of_them_is_changed(world: World) -> None:
    for own in ("8", "9"):
        edit(world, own, "DUP")
    assert good(world.run()).exit_code == 1
    looked_at_all(world)
    for own in ("8", "9"):
        world.later(hours=1)
        edit(world, own, "dup", price="111.00")
        assert good(world.run()).exit_code == 1
        assert (looked_at_all(world), by_sku(world.crm, "DUP") + by_sku(world.crm, "dup")) == (True, [])
        assert "ambiguous-article" in findings(world)
    world.later(hours=1)
    good(world.run())  # what was changed shortly before the last look is told once more
    world.later(hours=1)
    edit(world, "3", "S-3", price="12.00")
    good(world.run())
    assert not looked_at_all(world)
    assert "ambiguous-article" in findings(world), "only a look at everything knows that it is over"


@pytest.mark.parametrize("left", ["unpublished", "no article"])
def test_when_one_of_twins_leaves_the_others_it_is_seen_at_once(world: World, left: str) -> None:
    edit(world, "9", "S-1")
    good(world.run())
    world.later(hours=1)
    edit(world, "1", "S-1", price="11.00")
    good(world.run())
    world.later(hours=1)
    edit(world, "9", *(("",) if left == "no article" else ("S-1",)), published=left != "unpublished")
    good(world.run())
    assert "ambiguous-article" not in findings(world)
    assert by_sku(world.crm, "S-1")[0].values["price"] == Decimal("11.00")


def test_with_first_it_is_the_first_of_all_whichever_is_changed(world: World) -> None:
    world.more = "match: {ambiguous: first}"
    edit(world, "9", "S-1", price="60.00", name="Чужий")
    good(world.run())
    assert (world.crm.updates, names(world.crm)) == ([], {f"Товар {n}" for n in range(1, 5)})


def test_two_of_one_article_among_the_changes_are_held(world: World) -> None:
    edit(world, "1", "S-1", price="11.00")
    edit(world, "9", "s-1", price="12.00")
    assert good(world.run()).exit_code == 1
    assert world.crm.updates == []


def test_a_product_that_is_new_or_changed_under_its_own_article_needs_no_look_at_everything(world: World) -> None:
    edit(world, "1", "S-1", price="11.00")
    edit(world, "9", "S-9")
    assert good(world.run()).counts["new"] == 1
    assert not looked_at_all(world)
    world.later(hours=1)
    edit(world, "9", "S-9", price="12.00")
    good(world.run())
    assert not looked_at_all(world)
    assert by_sku(world.crm, "S-9")[0].values["price"] == Decimal("12.00")


def test_what_a_look_at_changes_comes_upon_is_carded_at_once_and_taken_off_when_mended(world: World) -> None:
    edit(world, "8", "")
    edit(world, "9", "S-9", name=" ")
    assert good(world.run()).exit_code == 1
    assert not looked_at_all(world)
    told = findings(world)
    assert "no-article" in told
    assert "no-name" in told
    world.later(hours=1)
    edit(world, "3", "S-3", price="12.00")
    good(world.run())
    assert findings(world).count("'code'") == told.count("'code'"), "of what was not told nothing new is known"
    world.later(hours=1)
    edit(world, "8", "S-8")
    good(world.run())
    assert "no-article" not in findings(world)
    edit(world, "9", "S-9", name="Є")
    good(world.run())
    assert world.open_cards() == []


def test_when_two_have_swapped_their_articles_the_stock_follows(world: World) -> None:
    world.jobs = "  levels:\n    steps: [{step: sync-stock, from: shop, to: crm}]\n"
    crm = {one.keys["sku"]: one.id for one in world.crm.content.values()}
    for n in range(1, 5):
        world.shop.stock[str(n), ""] = world.crm.stock[crm[f"S-{n}"], ""] = (Decimal(100 + n), Decimal(0))
    good(world.run("levels"))
    good(world.run("levels"))
    assert world.crm.pushes == []
    edit(world, "1", "S-2")
    edit(world, "2", "S-1")
    good(world.run())
    assert (looked_at_all(world), len(world.crm.updates)) == (True, 2)
    good(world.run("levels"))
    assert {(one, int(level)) for one, _, level in world.crm.pushes} == {(crm["S-1"], 102), (crm["S-2"], 101)}
    looked_at_all(world)
    good(world.run())
    world.shop.reads.clear()
    good(world.run("levels"))
    assert world.shop.reads == [], "once"


def test_one_that_changes_its_article_is_matched_anew_and_its_stock_goes_there(world: World) -> None:
    world.jobs = "  levels:\n    steps: [{step: sync-stock, from: shop, to: crm}]\n"
    crm = {one.keys["sku"]: one.id for one in world.crm.content.values()}
    put(world.crm, single("c9", "S-9", price="10.00", name="Товар 1"))
    for n in range(1, 5):
        world.shop.stock[str(n), ""] = world.crm.stock[crm[f"S-{n}"], ""] = (Decimal(100 + n), Decimal(0))
    good(world.run("levels"))
    edit(world, "1", "S-9")
    good(world.run())
    good(world.run("levels"))
    assert world.crm.pushes == [("c9", "", Decimal(101))]


def test_also_when_both_had_the_same_level(world: World) -> None:
    world.jobs = "  levels:\n    steps: [{step: sync-stock, from: shop, to: crm}]\n"
    crm = {one.keys["sku"]: one.id for one in world.crm.content.values()}
    for n in range(1, 5):
        world.shop.stock[str(n), ""] = world.crm.stock[crm[f"S-{n}"], ""] = (Decimal(100), Decimal(0))
    good(world.run("levels"))
    edit(world, "1", "S-2")
    edit(world, "2", "S-1")
    good(world.run())
    good(world.run("levels"))
    world.shop.stock["1", ""] = (Decimal(90), Decimal(0))
    good(world.run("levels"))
    assert world.crm.pushes == [(crm["S-2"], "", Decimal(90))]
