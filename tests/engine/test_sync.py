"""Two systems kept in step by the engine's own walk: what is created, changed, left alone and asked about."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.engine.in_step import NOW, World, by_sku, good, names
from tests.engine.sync_world import (
    ALL,
    BELOW,
    FLAT,
    put,
    single,
    special,
    with_variants,
)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


# --- new, changed, unchanged -----------------------------------------------------------------------------------------


def test_new_products_are_created_and_a_second_run_plans_nothing(world: World) -> None:
    put(world.shop, single("1", "AB-1", price="10.50", category=("Фарби", "Емалі"), description="<p>x</p>"))
    put(world.shop, *[single(str(n), f"S-{n}", price="1.00") for n in range(2, 9)])
    first = good(world.run())
    assert first.counts == {"new": 8}
    made = by_sku(world.crm, "AB-1")[0]
    assert made.values["price"] == Decimal("10.50")
    assert made.values["category"] == ("Фарби", "Емалі")
    again = good(world.run(full=True))
    assert again.counts == {"matched": 8}
    assert (world.crm.created, world.crm.updates) == (8, [])


def test_one_changed_price_is_one_update_of_one_field(world: World) -> None:
    put(world.shop, *[single(str(n), f"S-{n}", price="1.00", weight=Decimal(1)) for n in range(1, 6)])
    good(world.run())
    put(world.shop, single("3", "S-3", price="1.20", weight=Decimal(1)))
    for full in (True, False):
        good(world.run(full=full))
        assert world.crm.updates == [(by_sku(world.crm, "S-3")[0].id, {"price": Decimal("1.20")})]


def test_between_two_full_looks_the_target_is_not_read_and_changes_are_seen_by_fingerprints(world: World) -> None:
    put(world.shop, *[single(str(n), f"S-{n}", price="1.00", updated_at=NOW) for n in range(1, 4)])
    good(world.run())
    world.later(hours=1)
    put(world.shop, single("2", "S-2", price="1.00", name="Інша назва", updated_at=world.clock.now()))
    good(world.run())
    assert world.crm.reads == [None], "only the first run read it"
    assert world.shop.reads[1] is not None, "the source was asked for its changes only"
    assert [values for _id, values in world.crm.updates] == [{"name": "Інша назва"}]


def test_everything_is_compared_once_after_three_at_night(world: World) -> None:
    put(world.shop, single("1", "S-1", price="1.00", updated_at=NOW))
    good(world.run())
    offer = by_sku(world.crm, "S-1")[0]
    put(world.crm, replace(offer, values={**offer.values, "price": Decimal(7)}))  # somebody's hand
    world.later(hours=14)  # 02:00 in Kyiv
    good(world.run())
    assert world.crm.updates == []
    world.later(hours=1, minutes=1)
    good(world.run())
    assert world.crm.updates == [(offer.id, {"price": Decimal("1.00")})]
    world.later(minutes=5)
    reads = len(world.crm.reads)
    good(world.run())
    assert len(world.crm.reads) == reads


@pytest.mark.parametrize(("night", "before"), [("2026-03-29T00:30:00+00:00", "S"), ("2026-10-25T00:30:00+00:00", "S")])
def test_the_nightly_look_comes_once_on_both_odd_nights(world: World, night: str, before: str) -> None:
    put(world.shop, single("1", f"{before}-1", price="1.00"))
    world.clock.moment = datetime.fromisoformat(night) - timedelta(hours=20)
    good(world.run())
    full = 0
    world.clock.moment = datetime.fromisoformat(night) - timedelta(hours=2)
    for _ in range(16):
        reads = len(world.crm.reads)
        good(world.run())
        full += len(world.crm.reads) - reads
        world.later(minutes=15)
    assert full == 1


def test_fields_that_are_not_mapped_are_never_touched(world: World) -> None:
    put(world.crm, single("c1", "S-1", price="5.00", weight=Decimal("2.5"), **{"price.cost": Decimal(3)}))
    world.more = "fields: [name, price]"
    put(world.shop, single("1", "S-1", price="6.00", weight=None, name="Нова"))
    good(world.run(approve=True))
    assert world.crm.updates == [("c1", {"name": "Нова", "price": Decimal("6.00")})]


def test_a_price_of_none_is_not_sent_and_zero_is_braked(world: World) -> None:
    put(world.crm, single("c1", "S-1", price="5.00"), single("c2", "S-2", price="5.00"))
    put(world.shop, single("1", "S-1", price=None, name="Товар c1"), single("2", "S-2", price="0.00", name="Товар c2"))
    report = good(world.run())
    assert report.exit_code == 1
    assert world.crm.updates == []
    card = world.open_cards()[0]
    assert card["kind"] == "plan"
    assert "0" in str(card["findings"])
    world.decide("accept")
    good(world.run())
    assert world.crm.updates == [("c2", {"price": Decimal("0.00")})]


def test_how_a_target_tidies_a_text_does_not_make_updates_for_ever(world: World) -> None:
    world.crm.tidy = True
    put(world.shop, single("1", "S-1", description="<p>a</p>"))
    good(world.run())
    for _ in range(3):
        good(world.run(full=True))
    assert world.crm.updates == []
    put(world.shop, single("1", "S-1", description="<p>b</p>"))
    good(world.run(full=True))
    assert [values for _id, values in world.crm.updates] == [{"description": "<p>b</p>"}]
    good(world.run(full=True))
    offer = by_sku(world.crm, "S-1")[0]
    put(world.crm, replace(offer, values={**offer.values, "description": "чуже"}))
    good(world.run(full=True))
    assert len(world.crm.updates) == 2, "what somebody wrote there by hand is put right"


# --- matching --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("other", ["ab-1", "АВ-1", " AB - 1", "AB‑1", "AB-1\u00a0", "ＡＢ-1"])
def test_one_article_written_in_two_ways_is_one_product(world: World, other: str) -> None:
    put(world.crm, single("c1", other, price="5.00", name="Товар 1"))
    put(world.shop, single("1", "AB-1", price="6.00"))
    good(world.run(approve=True))
    assert (world.crm.created, world.crm.updates) == (0, [("c1", {"price": Decimal("6.00")})])


def test_leading_zeros_are_part_of_an_article(world: World) -> None:
    put(world.crm, single("c1", "42", price="5.00"))
    put(world.shop, single("1", "0042", price="6.00"))
    assert good(world.run()).counts == {"new": 1}


def test_the_model_is_the_article_where_the_shop_left_the_sku_empty(world: World) -> None:
    world.more = "match: {keys: [sku, model]}"
    put(world.crm, single("c1", "M-1", price="5.00", name="Товар 1"))
    put(world.shop, single("1", "", model="M-1", price="6.00"))
    good(world.run(approve=True))
    assert world.crm.updates == [("c1", {"price": Decimal("6.00")})]


def test_all_twins_of_the_target_are_kept_in_step_and_reported(world: World) -> None:
    put(world.crm, single("c1", "AB-1", price="5.00", name="Старий"), single("c2", "аb-1", price="4.00", name="Ще"))
    put(world.shop, single("1", "AB-1", price="6.00", name="Товар"))
    report = good(world.run(approve=True))
    assert report.counts == {"updated": 2, "twins": 1}
    wanted = {"name": "Товар", "price": Decimal("6.00")}
    assert sorted(world.crm.updates) == [("c1", wanted), ("c2", wanted)]
    (card,) = world.open_cards()
    assert card["kind"] == "sync"
    assert "c1" in str(card["findings"])
    assert "c2" in str(card["findings"])


def test_twins_of_the_source_are_held_and_the_others_go_on(world: World) -> None:
    put(
        world.shop, single("1", "AB-1", price="1.00"), single("2", "аb-1", price="2.00"), single("3", "C", price="3.00")
    )
    report = good(world.run())
    assert names(world.crm) == {"Товар 3"}
    assert report.counts == {"new": 1, "ambiguous": 1}
    assert report.exit_code == 1
    (card,) = world.open_cards()
    assert "#1" in str(card["findings"])
    world.map("#1", "AB-1-FIRST")
    good(world.run(full=True))
    assert names(world.crm) == {"Товар 1", "Товар 2", "Товар 3"}
    assert world.open_cards() == []


def test_of_twins_the_one_that_a_person_names_is_kept_in_step_and_the_other_is_left_out(world: World) -> None:
    put(world.shop, single("1", "AB-1", price="1.00"), single("2", "аb-1", price="2.00"))
    put(world.crm, single("c1", "AB-1", price="3.00", name="Є"))
    assert good(world.run()).exit_code == 1
    world.map("#2", "AB-1")
    report = good(world.run(full=True, approve=True))
    assert names(world.crm) == {"Товар 2"}
    assert (report.counts, report.exit_code) == ({"updated": 1}, 0)
    assert world.open_cards() == []
    (result,) = [step.result for step in report.steps]
    assert result is not None
    assert ["Товар 1 (1)" in str(one.text) for one in result.remarks] == [True]
    world.map("#1", "AB-1")
    assert good(world.run(full=True)).counts["ambiguous"] == 1, "two of them cannot be it"


def test_the_first_is_taken_by_the_clients_choice_and_told(world: World) -> None:
    world.more = "match: {ambiguous: first}"
    put(world.shop, single("1", "AB-1", price="1.00"), single("2", "ab-1", price="2.00"))
    report = good(world.run())
    assert names(world.crm) == {"Товар 1"}
    assert report.counts["ambiguous"] == 1
    assert any("first" in str(note) for step in report.steps for note in step.result.notes)  # type: ignore[union-attr]


def test_what_has_no_article_or_no_name_is_told_and_the_others_go_on(world: World) -> None:
    put(world.shop, single("1", ""), single("2", "B", name="  "), single("3", "C", name="Є"))
    report = good(world.run())
    assert names(world.crm) == {"Є"}
    assert report.counts["keyless"] == 1
    words = str(world.open_cards()[0]["findings"])
    assert "no-article" in words
    assert "no-name" in words
    world.map("#1", "A-1")
    assert good(world.run(full=True)).counts["new"] == 1
    assert by_sku(world.crm, "A-1")


def test_an_alias_of_the_config_says_what_an_article_is_there(world: World) -> None:
    world.more = "match: {aliases: {OLD-1: AB1}}"
    put(world.crm, single("c1", "AB1", price="5.00", name="Товар 1"))
    put(world.shop, single("1", "OLD-1", price="6.00"))
    good(world.run(approve=True))
    assert world.crm.updates == [("c1", {"price": Decimal("6.00")})]


# --- variants --------------------------------------------------------------------------------------------------------

SHIRT = with_variants(
    "10", "SH",
    ("11", "SH-R", {"options": {"Колір": "Червоний"}, "price": Decimal(100)}),
    ("12", "SH-B", {"options": {"Колір": "Синій"}, "price": Decimal(110)}),
    name="Сорочка", price="100.00", category=("Одяг",),
)  # fmt: skip


def test_variants_become_products_of_their_own_where_the_target_has_none(world: World) -> None:
    put(world.shop, *SHIRT)
    good(world.run())
    assert names(world.crm) == {"Сорочка (Червоний)", "Сорочка (Синій)"}
    assert by_sku(world.crm, "SH-B")[0].values["price"] == 110
    assert good(world.run(full=True)).counts == {"matched": 2}


def test_variants_stand_below_their_product_where_the_target_can(world: World) -> None:
    world.crm.traits = BELOW
    put(world.shop, *SHIRT)
    good(world.run())
    kinds = sorted((one.kind, one.keys.get("sku")) for one in world.crm.content.values())
    assert kinds == [("base", "SH"), ("variant", "SH-B"), ("variant", "SH-R")]
    assert good(world.run(full=True)).counts == {"matched": 3}
    more = with_variants(
        "10", "SH", *[(o.id, o.keys["sku"], dict(o.values)) for o in SHIRT[1:]],
        ("13", "SH-G", {"options": {"Колір": "Зелений"}, "price": Decimal(90)}),
        name="Сорочка нова", price="100.00", category=("Одяг",),
    )  # fmt: skip
    put(world.shop, *more)
    good(world.run(full=True))
    green = by_sku(world.crm, "SH-G")[0]
    assert (green.kind, green.product) == ("variant", by_sku(world.crm, "SH-R")[0].product)
    assert [values for _id, values in world.crm.updates] == [{"name": "Сорочка нова"}]


@pytest.mark.parametrize("empty", [None, Decimal(0)])
def test_what_the_source_lacks_never_empties_the_target(world: World, empty: object) -> None:
    world.crm.traits = replace(BELOW, writes=ALL | {"barcode", "manufacturer", "categories", "length"})
    by_hand = {
        "weight": Decimal("1.5"), "length": Decimal(7), "description": "<p>d</p>", "images": ("http://x/a.jpg",),
        "manufacturer": "М", "barcode": "482", "category": ("А",), "categories": (("А",),), "published": True,
        "specials": (special("1.00"),), "options": {"Колір": "Синій"},
    }  # fmt: skip
    put(world.crm, single("c1", "S-1", price="5.00", name="Товар 1", **by_hand))
    lacking = {
        "weight": empty, "length": empty, "description": " ", "images": (), "manufacturer": "", "barcode": None,
        "category": (), "categories": (), "price": None, "options": {}, "published": False, "specials": (),
    }  # fmt: skip
    put(world.shop, single("1", "S-1", name="Товар 1", **lacking))
    world.more = "only_published: false\nroot: Сайт"
    good(world.run(approve=True))
    assert world.crm.updates == [("c1", {"published": False, "specials": ()})], "these two are said, and travel"
    good(world.run(full=True))
    assert len(world.crm.updates) == 1


def test_a_price_of_nothing_is_a_value_and_an_empty_name_is_asked_about(world: World) -> None:
    put(world.crm, single("c1", "S-1", price="5.00"), single("c2", "S-2", name="Є", price="1.00"))
    world.more = "max_price_change: null"
    put(world.shop, single("1", "S-1", price="0", name="Товар c1"), single("2", "S-2", name=None, price="1.00"))
    report = good(world.run(approve=True))
    assert world.crm.updates == [("c1", {"price": Decimal(0)})]
    assert report.exit_code == 1
    assert [one["code"] for one in world.open_cards()[0]["findings"]] == ["no-name"]


def test_what_stands_in_no_category_is_new_in_the_root(world: World) -> None:
    world.more = "root: Сайт"
    put(world.shop, single("1", "A", category=()))
    good(world.run())
    assert by_sku(world.crm, "A")[0].values["category"] == ("Сайт",)
    assert good(world.run(full=True)).counts == {"matched": 1}


def test_a_variant_without_a_text_or_a_weight_of_its_own_has_its_products(world: World) -> None:
    bare = {"options": {"Колір": "Синій"}, "price": Decimal(5), "weight": None, "images": (), "description": ""}
    texts = {"weight": Decimal(2), "images": ("http://x/a.jpg",), "description": "<p>d</p>"}
    for traits, most in ((FLAT, set(texts)), (BELOW, {"weight"})):
        world.crm.traits = traits
        world.crm.content.clear()
        put(world.shop, *with_variants("1", "A", ("2", "A-B", bare), name="Товар", price="5.00", **texts))
        good(world.run(full=True))
        made = by_sku(world.crm, "A-B")[0].values
        assert {name: made.get(name) for name in most} == {name: texts[name] for name in most}


def test_categories_of_the_config_send_base_products_only(world: World) -> None:
    world.more = "base_only: [Одяг]"
    put(world.shop, *SHIRT)
    good(world.run())
    assert names(world.crm) == {"Сорочка"}


def test_the_category_tree_is_mirrored_below_a_root_and_only_chosen_categories_go(world: World) -> None:
    world.more = "root: Сайт\ncategories: [Одяг]"
    put(world.shop, single("1", "A", category=("Одяг", "Зима")), single("2", "B", category=("Інше",)))
    good(world.run())
    assert [one.values["category"] for one in world.crm.content.values()] == [("Сайт", "Одяг", "Зима")]


# --- special prices --------------------------------------------------------------------------------------------------


def test_a_special_begins_and_ends_where_the_target_has_no_dates(world: World) -> None:
    start, end = NOW + timedelta(hours=2), NOW + timedelta(hours=4)
    put(world.shop, single("1", "A", price="10.00", specials=(special("8.00", start, end),), updated_at=NOW))
    first = good(world.run())
    assert by_sku(world.crm, "A")[0].values["price"] == 10
    assert first.steps[0].result is not None
    assert first.steps[0].result.wake_at == start
    for hours, price in ((1, 10), (2, 8), (3, 8), (4, 10)):
        world.clock.moment = NOW + timedelta(hours=hours)
        good(world.run())
        assert by_sku(world.crm, "A")[0].values["price"] == price, hours
    assert len(world.crm.updates) == 2
    assert world.crm.reads == [None]


def test_specials_with_dates_go_as_they_are_and_are_cleared_when_over(world: World) -> None:
    world.crm.traits = BELOW
    end = NOW + timedelta(hours=4)
    put(world.shop, single("1", "A", price="10.00", specials=(special("8.00", None, end),), updated_at=NOW))
    good(world.run())
    assert by_sku(world.crm, "A")[0].values["specials"] == (special("8.00", None, end),)
    world.later(hours=5)
    good(world.run())
    assert by_sku(world.crm, "A")[0].values["specials"] == ()
