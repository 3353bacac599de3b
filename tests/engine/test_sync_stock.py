"""Stock kept in step: absolute levels by warehouse, clamped, reserves, twins, brakes, the first time."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.engine.sync import store
from pipeline.engine.sync.stock import sellable_by_warehouse
from pipeline.model import StockLevel
from pipeline.syncing import StockSyncSettings
from tests.engine.in_step import World, good
from tests.engine.sync_world import BELOW, put, single, with_variants


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path, step="sync-stock")
    for n in range(1, 5):
        put(made.shop, single(str(n), f"S-{n}"))
        put(made.crm, single(f"c{n}", f"S-{n}"))
        made.shop.stock[str(n), ""] = (Decimal(10), Decimal(0))
        made.crm.stock[f"c{n}", ""] = (Decimal(10), Decimal(0))
    return made


def settings(**more: object) -> StockSyncSettings:
    return StockSyncSettings.model_validate({"from": "shop", "to": "crm", **more})


def test_a_stock_that_is_in_step_needs_no_word_and_then_changes_flow(world: World) -> None:
    assert good(world.run()).counts == {"matched": 4}
    world.shop.stock["2", ""] = (Decimal(7), Decimal(1))
    good(world.run())
    assert world.crm.pushes == [("c2", "", Decimal(6))]
    good(world.run())
    good(world.run(full=True))
    assert len(world.crm.pushes) == 1
    assert world.crm.reads == [None, None], "read at the first run and at the full one"
    assert len(world.shop.reads) == 2, "who is who is known by ids in between"


def test_the_first_push_waits_until_a_person_has_seen_the_differences(world: World) -> None:
    world.shop.stock["2", ""] = (Decimal(7), Decimal(0))
    report = good(world.run())
    assert report.exit_code == 1
    assert world.crm.pushes == []
    (card,) = world.open_cards()
    assert card["kind"] == "plan"
    assert "S-2" in str(card["findings"])
    world.decide("accept")
    good(world.run())
    assert world.crm.pushes == [("c2", "", Decimal(7))]


def test_what_only_the_source_has_stops_the_first_push_too(world: World) -> None:
    put(world.shop, single("9", ""))
    world.shop.stock["9", ""] = (Decimal(1), Decimal(0))
    assert good(world.run()).exit_code == 1
    assert world.crm.pushes == []


def test_warehouses_are_mapped_and_a_total_is_not_counted_twice(world: World) -> None:
    world.more = "warehouses: {Основний: [main, shop]}"
    world.shop.places, world.crm.places = ("main", "shop", "far"), ("Основний",)
    world.shop.stock.clear()
    world.crm.stock = {(f"c{n}", "Основний"): (Decimal(10), Decimal(0)) for n in range(1, 5)}
    for n in range(1, 5):
        world.shop.stock |= {
            (str(n), "main"): (Decimal(7), Decimal(0)), (str(n), "shop"): (Decimal(3), Decimal(0)),
            (str(n), "far"): (Decimal(100), Decimal(0)), (str(n), ""): (Decimal(110), Decimal(0)),
        }  # fmt: skip
    report = good(world.run())
    assert world.crm.pushes == []
    assert report.exit_code == 1, "a warehouse that goes nowhere is asked about the first time"
    assert "far" in str(world.open_cards()[0]["findings"])
    world.decide("accept")
    assert good(world.run()).counts["matched"] == 4


def test_a_warehouse_that_is_not_there_is_a_mistake_of_the_config(world: World) -> None:
    world.more = "warehouses: {Головний: [main]}"
    world.shop.places, world.crm.places = ("main",), ("Основний",)
    report = world.run()
    assert report.exit_code == 2
    assert "Головний" in str(report.steps[0].findings[0].text)


def test_several_warehouses_need_a_mapping(world: World) -> None:
    world.crm.places = ("a", "b")
    report = world.run()
    assert report.exit_code == 2
    assert "warehouses" in str(report.steps[0].findings[0].hint)


def test_twins_of_the_target_are_not_sold_twice(world: World) -> None:
    put(world.crm, single("c1b", "s-1"))
    report = good(world.run())
    assert report.exit_code == 1
    world.decide("accept")
    world.shop.stock["1", ""] = (Decimal(5), Decimal(0))
    good(world.run(full=True))
    assert world.crm.pushes == []
    told = world.run(dry_run=True).steps[0].result.plan.findings  # type: ignore[union-attr]
    assert [one.code for one in told] == ["twin-stock"], "one remark, which says what becomes of their stock"


def test_with_first_the_stock_of_one_twin_is_kept_and_it_is_said_which(world: World) -> None:
    world.more = "match: {ambiguous: first}"
    put(world.crm, single("c10", "S-1"), single("c9", "S-1"))
    del world.crm.content["c1"], world.crm.stock["c1", ""]
    plan = world.run(dry_run=True).steps[0].result.plan  # type: ignore[union-attr]
    assert [one.target.offer.id for one in plan.pushes] == ["c9"], "9 comes before 10"
    assert ["Only Товар c9 (c9) has its stock" in str(one.text) for one in plan.findings] == [True]


def test_what_there_is_some_of_and_the_target_lacks_is_told(world: World) -> None:
    for own, left in (("8", 3), ("9", 0)):
        put(world.shop, single(own, f"S-{own}", category=("Інше",)))
        world.shop.stock[own, ""] = (Decimal(left), Decimal(0))
    assert good(world.run()).exit_code == 1, "it is looked at before the first push"
    assert [(one["code"], one.get("where", {}).get("element")) for one in world.open_cards()[0]["findings"]][1:] == [
        ("not-there", "S-8")
    ]
    world.jobs = BASE_ONLY.replace("base_only", "categories")
    assert good(world.run()).exit_code == 0, "it is left out there on purpose"


BASE_ONLY = "  catalogue:\n    steps: [{step: sync-catalogue, from: shop, to: crm, base_only: Фарби}]\n"


def paint(world: World, *, own: int | None = None) -> None:
    """A paint in two colours, 3 and 4 of them; the CRM has the paint alone."""
    colours = [("p1", "P-R", {"options": {"Колір": "R"}}), ("p2", "P-G", {"options": {"Колір": "G"}})]
    put(world.shop, *with_variants("p", "P", *colours, category=("Фарби",)))
    world.shop.stock |= {("p1", ""): (Decimal(3), Decimal(0)), ("p2", ""): (Decimal(5), Decimal(1))}
    if own is not None:
        world.shop.stock["p", ""] = (Decimal(own), Decimal(0))
    put(world.crm, single("cp", "P"))
    world.crm.stock["cp", ""] = (Decimal(7), Decimal(0))


@pytest.mark.parametrize("none", [False, True])
def test_a_product_that_is_sent_without_variants_shows_what_they_have_together(world: World, none: bool) -> None:
    paint(world)
    world.crm.traits = replace(world.crm.traits, variants="none") if none else BELOW
    world.jobs = "" if none else BASE_ONLY
    report = good(world.run())
    assert (report.counts, report.exit_code) == ({"matched": 5}, 0)
    reads = len(world.shop.reads)
    world.shop.stock["p2", ""] = (Decimal(2), Decimal(0))
    good(world.run())
    assert world.crm.pushes == [("cp", "", Decimal(5))]
    assert len(world.shop.reads) == reads, "whose variants they are is known between two full looks"
    good(world.run(full=True))
    assert len(world.crm.pushes) == 1


def test_without_a_base_only_category_variants_are_not_in_the_target(world: World) -> None:
    paint(world)
    assert good(world.run(dry_run=True)).counts == {"matched": 4}


@pytest.mark.parametrize(("own", "shown"), [(None, 7), (0, 7), (5, 5)])
def test_a_stock_that_the_variants_share_is_counted_once(own: int | None, shown: int) -> None:
    told = [StockLevel("R", "", Decimal(3), offer="r"), StockLevel("G", "", Decimal(6), offer="g")]
    if own is not None:
        told.append(StockLevel("P", "", Decimal(own), offer="p"))
    found, _ = sellable_by_warehouse(told, settings(buffer=2), {"r": "p", "g": "p"})
    assert found == {"p": {"": Decimal(shown if own == 0 or own is None else own - 2)}}


def test_half_of_the_stock_gone_waits(world: World) -> None:
    good(world.run())
    for n in range(1, 4):
        world.shop.stock[str(n), ""] = (Decimal(0), Decimal(0))
    assert good(world.run()).exit_code == 1
    assert world.crm.pushes == []
    world.decide("accept")
    good(world.run())
    assert len(world.crm.pushes) == 3


def test_on_hand_goes_as_it_is_and_the_target_keeps_its_reserves(world: World) -> None:
    world.more = "level: on-hand"
    world.crm.stock["c1", ""] = (Decimal(10), Decimal(3))
    good(world.run())
    world.shop.stock["1", ""] = (Decimal(9), Decimal(4))
    good(world.run())
    assert world.crm.stock["c1", ""] == (Decimal(9), Decimal(3))


def test_sellable_leaves_the_targets_reserves_on_top(world: World) -> None:
    world.crm.stock["c1", ""] = (Decimal(13), Decimal(3))
    assert good(world.run()).counts == {"matched": 4}
    world.shop.stock["1", ""] = (Decimal(8), Decimal(0))
    good(world.run())
    assert world.crm.stock["c1", ""] == (Decimal(11), Decimal(3))


def test_vanished_stock_is_zero_by_choice_only(world: World) -> None:
    for policy, left in (("keep", Decimal(10)), ("zero", Decimal(0))):
        world.more = f"vanished: {policy}"
        good(world.run(full=True))
        del world.shop.content["4"], world.shop.stock["4", ""]
        good(world.run(full=True))
        assert world.crm.stock["c4", ""][0] == left
        put(world.shop, single("4", "S-4"))
        world.shop.stock["4", ""] = (Decimal(10), Decimal(0))
    good(world.run(full=True))


def test_a_new_product_between_two_full_looks_is_found(world: World) -> None:
    good(world.run())
    put(world.shop, single("5", "S-5"))
    world.shop.stock["5", ""] = (Decimal(2), Decimal(0))
    put(world.crm, single("c5", "S-5"))
    good(world.run())
    assert ("c5", "", Decimal(2)) in world.crm.pushes
    reads = len(world.crm.reads)
    put(world.shop, single("6", "S-6"))
    world.shop.stock["6", ""] = (Decimal(2), Decimal(0))
    good(world.run())
    good(world.run())
    assert len(world.crm.reads) == reads + 1, "what the target has not got is not looked for again each time"


levels = st.lists(
    st.builds(
        StockLevel,
        st.just("A"), st.sampled_from(["", "main", "shop", "far"]),
        st.decimals(-50, 50, places=2), st.decimals(0, 20, places=2), st.just("1"),
    ),
    max_size=4, unique_by=lambda one: one.warehouse,
)  # fmt: skip


@given(levels, st.integers(0, 5))
def test_f48_what_may_be_sold_is_never_below_zero_nor_a_total_counted_twice(told: list[StockLevel], held: int) -> None:
    found, _ = sellable_by_warehouse(told, settings(buffer=held))
    real = [one for one in told if one.warehouse] or told
    free = sum((max(one.on_hand - one.reserved, Decimal(0)) for one in real), Decimal(0))
    if told:
        assert found["1"][""] == max(free - held, Decimal(0))
    mapped, unmapped = sellable_by_warehouse(told, settings(warehouses={"T": ["main", "shop"]}))
    if told:
        some = [one for one in real if one.warehouse in ("main", "shop")]
        assert mapped["1"]["T"] == sum((max(one.on_hand - one.reserved, Decimal(0)) for one in some), Decimal(0))
        assert set(unmapped) == {one.warehouse for one in real} - {"main", "shop"}


def test_a_source_that_changed_is_left_out_between(world: World) -> None:
    good(world.run())
    offer = world.shop.content["1"]
    put(world.shop, replace(offer, values={**offer.values, "name": "Інша"}))
    good(world.run())
    assert world.crm.updates == []


# --- a feed that is empty or shrunk: between two looks at everything -------------------------------------------------


@pytest.fixture
def ten(tmp_path: Path) -> World:
    """Ten products are in step."""
    world = World(tmp_path, step="sync-stock")
    for n in range(1, 11):
        put(world.shop, single(str(n), f"S-{n}"))
        put(world.crm, single(f"c{n}", f"S-{n}"))
        world.shop.stock[str(n), ""] = world.crm.stock[f"c{n}", ""] = (Decimal(5), Decimal(0))
    assert good(world.run()).counts == {"matched": 10}
    return world


def links(world: World) -> int:
    with world.opened() as client, client.ledger.read() as conn:
        return len(store.read_links(conn, "acme", "goods/shop>crm/sync-stock"))


@pytest.mark.parametrize("left", [0, 4])
@pytest.mark.parametrize("vanished", ["keep", "zero"])
def test_a_feed_that_tells_too_little_waits_and_nothing_is_forgotten(ten: World, left: int, vanished: str) -> None:
    ten.more = f"vanished: {vanished}\nmax_stock_cut: null"
    gone = {place: ten.shop.stock.pop(place) for place in list(ten.shop.stock)[left:]}
    for full in (False, False, True, False):
        assert good(ten.run(full=full)).exit_code == 1
    assert (ten.crm.pushes, links(ten)) == ([], 10)
    (card,) = ten.open_cards()
    assert [one["code"] for one in card["findings"]] == ["brake-shrunk" if left else "brake-empty"]
    ten.shop.stock |= gone
    assert good(ten.run()).exit_code == 0
    assert (ten.crm.pushes, links(ten), ten.open_cards()) == ([], 10, [])


def test_the_same_said_of_a_short_look_and_of_a_whole_one_is_one_trouble(ten: World) -> None:
    """So that what was approved is applied, by a look at everything."""
    ten.more = "vanished: zero"
    for n in range(5, 11):
        del ten.shop.stock[str(n), ""], ten.shop.content[str(n)]
    assert good(ten.run()).exit_code == 1
    ten.decide("accept")
    report = good(ten.run(full=True))
    assert (report.exit_code, report.counts["vanished"], report.counts["updated"]) == (0, 6, 6)
    assert links(ten) == 4
    again = good(ten.run(full=True))
    assert (again.exit_code, again.counts) == (0, {"matched": 4})


@pytest.mark.parametrize(("there", "level"), [(True, 5), (False, 0)])
def test_little_that_is_told_no_more_is_looked_at_at_once(ten: World, there: bool, level: int) -> None:
    """What the source has and keeps no stock of is left alone; what has gone is dealt with by the step's word."""
    ten.more = "vanished: zero"
    lay = ten.shop.stock.pop(("1", ""))
    back = ten.shop.content["1"]
    if not there:
        del ten.shop.content["1"]
    report = good(ten.run())
    assert (report.exit_code, int(ten.crm.stock["c1", ""][0]), links(ten)) == (0, level, 9)
    ten.shop.reads.clear()
    good(ten.run())
    assert ten.shop.reads == [], "once"
    put(ten.shop, back)
    ten.shop.stock["1", ""] = (Decimal(3), lay[1])
    good(ten.run())
    assert (int(ten.crm.stock["c1", ""][0]), links(ten)) == (3, 10)


def test_a_new_level_is_held_against_what_the_target_shows(ten: World) -> None:
    put(ten.shop, single("11", "S-11"))
    put(ten.crm, single("c11", "S-11"))
    ten.crm.stock["c11", ""] = (Decimal(500), Decimal(0))
    ten.shop.stock["11", ""] = (Decimal(0), Decimal(0))
    assert good(ten.run()).exit_code == 1
    assert ten.crm.pushes == []
    (card,) = ten.open_cards()
    assert card["findings"][0]["code"] == "brake-stock"


def test_what_has_gone_is_emptied_in_the_warehouses_of_the_step_and_in_no_other(ten: World) -> None:
    ten.crm.stock["c1", "far"] = (Decimal(8), Decimal(0))
    del ten.shop.stock["1", ""], ten.shop.content["1"]
    ten.more = "vanished: zero"
    assert good(ten.run()).counts["updated"] == 1
    assert ten.crm.pushes == [("c1", "", Decimal(0))]
    assert ten.crm.stock["c1", "far"][0] == 8


def test_what_has_gone_is_emptied_once_where_the_target_names_its_only_warehouse(tmp_path: Path) -> None:
    world = World(tmp_path, step="sync-stock", more="vanished: zero")
    world.crm.places = ("main",)
    for n in range(1, 4):
        put(world.shop, single(str(n), f"S-{n}"))
        put(world.crm, single(f"c{n}", f"S-{n}"))
        world.shop.stock[str(n), ""] = world.crm.stock[f"c{n}", "main"] = (Decimal(5), Decimal(0))
    good(world.run())
    del world.shop.stock["1", ""], world.shop.content["1"]
    good(world.run(full=True))
    assert world.crm.pushes == [("c1", "", Decimal(0))]


def test_what_was_right_in_one_warehouse_is_remembered_beside_what_was_sent_to_another(tmp_path: Path) -> None:
    world = World(tmp_path, step="sync-stock", more="warehouses: {first: [main], second: [far]}")
    world.shop.places, world.crm.places = ("main", "far"), ("first", "second")
    put(world.shop, single("1", "S-1"))
    put(world.crm, single("c1", "S-1"))
    world.shop.stock = {("1", "main"): (Decimal(5), Decimal(0)), ("1", "far"): (Decimal(7), Decimal(0))}
    world.crm.stock = {("c1", "first"): (Decimal(5), Decimal(0)), ("c1", "second"): (Decimal(6), Decimal(0))}
    good(world.run())
    world.decide("accept")
    good(world.run())
    with world.opened() as client, client.ledger.read() as conn:
        (kept,) = store.read_links(conn, "acme", "goods/shop>crm/sync-stock").values()
    assert kept.stock() == {"first": 5, "second": 7}
    world.shop.reads.clear()
    good(world.run())
    assert (world.shop.reads, world.crm.pushes) == ([], [("c1", "second", Decimal(7))])
