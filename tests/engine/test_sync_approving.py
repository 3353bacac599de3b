"""What approving a plan does and says, and how a run counts what a target did not take."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from pipeline.engine import deciding
from pipeline.errors import Held, Transient
from pipeline.ledger import cards
from pipeline.texts import T
from tests.engine.in_step import World, good
from tests.engine.sync_world import put, single


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def approve(world: World) -> deciding.Resolved:
    with world.opened() as client:
        with client.ledger.read() as conn:
            (card,) = [one for one in cards.listing(conn, "acme") if one["kind"] == "plan"]
        return deciding.accept(client, card, by="anna")


def words(done: deciding.Resolved) -> str:
    return " ".join(text.render("en") for text in done.said)


def ten_times_dearer(world: World) -> None:
    for amount in ("10.00", "1000.00"):
        put(world.shop, single("1", "A", price=amount), single("2", "B", price=amount))
        good(world.run())


@pytest.mark.parametrize("refused", ["A", "AB"])
def test_rows_that_are_refused_are_told_as_refused_and_not_as_a_source_that_has_changed(
    world: World, refused: str
) -> None:
    ten_times_dearer(world)
    world.crm.refuse = {name: Held(T("locked")) for name in refused}
    done = approve(world)
    assert done.waits
    assert "has changed since" not in words(done)
    assert "locked" in words(done)
    (card,) = world.open_cards()
    assert card["kind"] == "sync"
    assert f"card {card['id']} tells" in words(done)
    newest = world.plans()[0]
    taken = 2 - len(refused)
    assert (newest["state"], newest["counts"]["updated"]) == ("applied" if taken else "undone", taken)
    assert newest["counts"]["refused"] == len(refused)
    assert len(world.crm.updates) == taken


def test_a_source_that_has_changed_is_told_so(world: World) -> None:
    ten_times_dearer(world)
    put(world.shop, single("1", "A", price="2000.00"))
    done = approve(world)
    assert done.waits
    assert "has changed since" in words(done)
    assert world.crm.updates == []


def test_a_plan_of_a_look_at_everything_is_applied_by_one(world: World) -> None:
    world.more = "vanished: hide"
    put(world.shop, *[single(str(n), f"S-{n}", published=True) for n in range(1, 7)])
    good(world.run())
    for own in "3456":
        del world.shop.content[own]
    assert good(world.run(full=True)).exit_code == 1
    done = approve(world)
    assert not done.waits
    assert sum(one.values["published"] is False for one in world.crm.content.values()) == 4


def test_a_run_counts_what_was_done(world: World) -> None:
    put(world.shop, *[single(name, name, price="1.00") for name in "ABCD"])
    world.crm.refuse = {"B": Held(T("locked")), "C": Transient(T("busy"))}
    counts = world.run().counts
    assert (counts["new"], counts["refused"], counts["later"]) == (2, 1, 1)
    world.crm.refuse.clear()
    assert good(world.run(full=True)).counts == {"new": 2, "matched": 2}


def test_levels_of_a_target_that_goes_away_in_between_are_counted_as_far_as_it_came(tmp_path: Path) -> None:
    world = World(tmp_path, step="sync-stock")
    for one in "12345":
        put(world.shop, single(one, f"S-{one}"))
        put(world.crm, single(f"c{one}", f"S-{one}"))
        for system, own in ((world.shop, one), (world.crm, f"c{one}")):
            system.stock[own, ""] = (Decimal(10), Decimal(0))
    good(world.run())
    for one in "12345":
        world.shop.stock[one, ""] = (Decimal(9), Decimal(0))
    world.crm.strike, world.crm.strike_after = Transient(T("away")), 1
    assert world.run().exit_code == 3
    assert world.plans()[0]["counts"]["updated"] == 3, "a batch of three"
