"""What has gone from the source, where products have variants: hidden, told, and back again when it returns."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from pipeline.engine.sync.match import match
from pipeline.engine.sync.rows import shape
from pipeline.engine.sync.vanishing import Vanished, vanished
from pipeline.model import Offer
from pipeline.ports import OfferTraits
from pipeline.syncing import CatalogueSyncSettings
from tests.engine.in_step import World, by_sku, good
from tests.engine.sync_world import BELOW, FLAT, put, single, with_variants

WHOLE = replace(BELOW, of_products=frozenset({"published"}))  #: as OpenCart: it hides products only
NOWHERE = replace(BELOW, writes=BELOW.writes - {"published"})  #: as KeyCRM


def family(own: str, *articles: str, **values: object) -> list[Offer]:
    return with_variants(own, f"{own}-BASE", *[(f"{own}-{one}", one, {}) for one in articles], **values)


def shown(world: World, *articles: str) -> dict[str, bool]:
    return {one: by_sku(world.crm, one)[0].values.get("published", True) for one in articles}


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.more = "vanished: hide\nfields: [name, price]"
    world.crm.traits = BELOW
    put(world.shop, *family("p", "V-1", "V-2"), *[single(str(n), f"S-{n}") for n in range(1, 5)])
    good(world.run())
    return world


def test_a_variant_that_returns_is_shown_again(world: World) -> None:
    """Though the step keeps no `published` in step: what Mistok has hidden, it shows again."""
    back = world.shop.content.pop("p-V-2")
    report = good(world.run(full=True))
    assert (report.exit_code, report.counts["vanished"]) == (0, 1)
    assert shown(world, "p-BASE", "V-1", "V-2") == {"p-BASE": True, "V-1": True, "V-2": False}
    assert good(world.run(full=True)).counts == {"matched": 6}
    put(world.shop, back)
    assert good(world.run()).counts["updated"] == 1
    assert shown(world, "V-1", "V-2") == {"V-1": True, "V-2": True}
    updates = list(world.crm.updates)
    assert good(world.run(full=True)).counts == {"matched": 7}
    assert world.crm.updates == updates


def test_a_product_whose_variants_have_all_gone_is_hidden_itself_and_returns(world: World) -> None:
    gone = {name: world.shop.content.pop(name) for name in ("p", "p-V-1", "p-V-2")}
    assert good(world.run(full=True)).counts["vanished"] == 2, "what is sold is counted"
    assert shown(world, "p-BASE", "V-1", "V-2", "S-1") == {
        "p-BASE": False, "V-1": False, "V-2": False, "S-1": True,
    }  # fmt: skip
    assert good(world.run(full=True)).counts == {"matched": 4}
    put(world.shop, *gone.values())
    good(world.run())
    assert set(shown(world, "p-BASE", "V-1", "V-2").values()) == {True}
    assert good(world.run(full=True)).counts == {"matched": 7}


def test_what_a_person_has_hidden_stays_hidden_when_it_returns(world: World) -> None:
    offer = by_sku(world.crm, "S-1")[0]
    put(world.crm, replace(offer, values={**offer.values, "published": False}))
    back = world.shop.content.pop("1")
    good(world.run(full=True))
    put(world.shop, back)
    good(world.run(full=True))
    assert shown(world, "S-1") == {"S-1": False}


def test_a_run_that_dies_right_after_hiding_knows_later_that_it_was_mistok(world: World) -> None:
    class Death(BaseException):
        pass

    def die(point: str) -> None:
        if point == "sync:applied":
            raise Death

    back = world.shop.content.pop("1")
    with pytest.raises(Death):
        world.run(full=True, reach=die)
    assert shown(world, "S-1") == {"S-1": False}
    good(world.run(full=True))
    put(world.shop, back)
    good(world.run())
    assert shown(world, "S-1") == {"S-1": True}


def test_a_target_that_hides_products_only_says_so_once_of_a_variant_and_hides_the_product(world: World) -> None:
    world.crm.traits = WHOLE
    gone = {"p-V-2": world.shop.content.pop("p-V-2")}
    report = good(world.run(full=True))
    (note,) = report.steps[0].result.notes  # type: ignore[union-attr]
    assert "1 variant has gone from the source, and the target hides whole products only: V-2." in str(note)
    assert shown(world, "p-BASE", "V-2") == {"p-BASE": True, "V-2": True}
    again = good(world.run(full=True))
    assert (again.exit_code, again.counts, world.open_cards()) == (0, {"matched": 6}, [])
    gone |= {name: world.shop.content.pop(name) for name in ("p", "p-V-1")}
    assert good(world.run(full=True)).exit_code == 0
    assert shown(world, "p-BASE", "V-1") == {"p-BASE": False, "V-1": True}
    assert good(world.run(full=True)).counts == {"matched": 4}
    put(world.shop, gone["p"], gone["p-V-1"])
    good(world.run())
    assert shown(world, "p-BASE") == {"p-BASE": True}
    assert good(world.run(full=True)).exit_code == 0


def test_variants_without_stock_get_it_again_when_they_return(world: World) -> None:
    """Also where the stock is sent while they are gone."""
    world.more = "vanished: zero-stock"
    world.jobs = "  levels: {steps: [{step: sync-stock, from: shop, to: crm}]}\n"
    sold = ("p-V-1", "p-V-2", "1", "2", "3", "4")
    world.shop.stock |= {(own, ""): (Decimal(5), Decimal(0)) for own in sold}
    world.run("levels")
    world.decide("accept")
    good(world.run("levels"))
    gone = {name: world.shop.content.pop(name) for name in ("p", "p-V-1", "p-V-2")}
    lay = {name: world.shop.stock.pop((name, "")) for name in ("p-V-1", "p-V-2")}
    good(world.run(full=True))
    ids = [by_sku(world.crm, one)[0].id for one in ("V-1", "V-2")]
    assert [world.crm.stock[own, ""][0] for own in ids] == [0, 0]
    good(world.run("levels"))
    assert good(world.run(full=True)).counts == {"matched": 4}
    put(world.shop, *gone.values())
    world.shop.stock |= {(name, ""): level for name, level in lay.items()}
    good(world.run())
    good(world.run("levels"))
    assert [world.crm.stock[own, ""][0] for own in ids] == [5, 5]
    pushes = list(world.crm.pushes)
    assert good(world.run("levels", full=True)).exit_code == 0
    assert good(world.run(full=True)).counts == {"matched": 7}
    assert world.crm.pushes == pushes


# --- what each kind of target makes of it: pure ----------------------------------------------------------------------


def looked_at(
    traits: OfferTraits, target: list[Offer], *left: Offer, policy: str = "hide", went: tuple[str, ...] = ()
) -> Vanished:
    """All of ``target`` was in step, but what is called ``own``; the source has ``left``."""
    settings = CatalogueSyncSettings(**{"from": "shop"}, to="crm", vanished=policy)
    rows = shape(left, settings, traits, {})
    links = {one.id: one.keys.get("sku", "").lower() for one in target if not one.id.startswith("own")}
    found = match(rows, target, "sku", settings.match)
    return vanished(rows, found, traits, settings, links, went)


def acts(found: Vanished) -> dict[str, str]:
    return {one.target.id: one.act + ("*" if one.by_product else "") for one in found.gone}


THERE = family("p", "V-1", "V-2")


@pytest.mark.parametrize(
    ("traits", "policy", "expected"),
    [
        (BELOW, "hide", {"p": "hide", "p-V-1": "hide", "p-V-2": "hide"}),
        (WHOLE, "hide", {"p": "hide", "p-V-1": "hide*", "p-V-2": "hide*"}),
        (NOWHERE, "hide", {"p": "keep", "p-V-1": "keep", "p-V-2": "keep"}),
        (BELOW, "zero-stock", {"p": "keep", "p-V-1": "zero-stock", "p-V-2": "zero-stock"}),
        (BELOW, "keep", {"p": "keep", "p-V-1": "keep", "p-V-2": "keep"}),
    ],
)
def test_all_of_a_product_has_gone(traits: OfferTraits, policy: str, expected: dict[str, str]) -> None:
    found = looked_at(traits, THERE, policy=policy)
    assert acts(found) == expected
    told = [str(one.text) for one in found.findings]
    assert told == (
        ["1 product has gone from the source, and the target cannot hide products: what is there stays as it is."]
        if traits is NOWHERE
        else []
    ), "the product is told, and not each of its variants"


def test_a_product_stays_while_something_of_it_is_sold() -> None:
    mine = Offer(id="own-1", product="p", kind="variant", keys={"sku": "OWN"})
    assert acts(looked_at(BELOW, [*THERE, mine])) == {"p-V-1": "hide", "p-V-2": "hide"}, "one is the target's own"
    left = family("p", "V-2")
    assert acts(looked_at(BELOW, THERE, *left)) == {"p-V-1": "hide"}
    renamed = [replace(one, keys={"sku": one.keys["sku"] + "X"}) if one.kind == "base" else one for one in left]
    assert acts(looked_at(BELOW, THERE, *renamed)) == {"p-V-1": "hide"}, "the article of the product has changed"


def test_what_had_gone_before_keeps_no_product_up() -> None:
    there = [replace(one, id=f"own-{one.id}") if one.id == "p-V-2" else one for one in THERE]
    assert acts(looked_at(WHOLE, there)) == {"p-V-1": "keep"}
    assert acts(looked_at(WHOLE, there, went=("own-p-V-2",))) == {"p": "hide", "p-V-1": "hide*"}


def test_flat_targets_hide_each_variant_as_a_product_of_its_own() -> None:
    there = [single("1", "V-1"), single("2", "V-2")]
    assert acts(looked_at(FLAT, there, *family("p", "V-1"))) == {"2": "hide"}


def test_what_is_hidden_already_is_left_and_nothing_is_said_of_it() -> None:
    there = [replace(one, values={"published": False}) for one in THERE]
    for traits in (BELOW, WHOLE, NOWHERE):
        found = looked_at(traits, there)
        assert (set(acts(found).values()), found.findings) == ({"keep"}, ())
