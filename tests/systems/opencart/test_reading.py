"""What a shop's goods read as: the demo goods whole, then each thing that shops do to them. Both versions alike."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pipeline.model import Money, Offer, SpecialPrice
from tests.systems.opencart.shops import HERE, NOW, Shop

pytestmark = [pytest.mark.server("mariadb"), pytest.mark.xdist_group("mariadb")]
KYIV = ZoneInfo("Europe/Kyiv")


def told(shop: Shop, since: datetime | None = None, **settings: Any) -> dict[str, Offer]:
    """The offers of the shop by id, in their order."""
    system = shop.open(**settings)
    found = list(system.offers(since))
    system.close()
    assert len({offer.id for offer in found}) == len(found)
    return {offer.id: offer for offer in found}


def noticed(shop: Shop, **settings: Any) -> list[tuple[str, str]]:
    """(code, about) of what a reading came upon."""
    system = shop.open(**settings)
    list(system.offers())
    found = [(finding.code, finding.about) for finding in system.noticed()]
    assert system.noticed() == ()
    system.close()
    return found


def shown(value: Any) -> Any:
    """As the golden has it."""
    if isinstance(value, SpecialPrice):
        return [str(value.money.amount), str(value.start), str(value.end)]
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, tuple):
        return [shown(one) for one in value]
    return dict(value) if isinstance(value, dict) else value


# --- the demo goods --------------------------------------------------------------------------------------------------


def test_the_demo_goods_are_told_exactly(demo_shop: Shop) -> None:
    made = [
        {"id": offer.id, "product": offer.product, "kind": offer.kind, "keys": dict(offer.keys),
         "updated_at": str(offer.updated_at), **{name: shown(value) for name, value in offer.values.items()}}
        for offer in told(demo_shop, image_url="https://shop.example/image/").values()
    ]  # fmt: skip
    expected = json.loads((HERE / "demo.expected.json").read_text(encoding="utf-8"))
    assert made == expected
    assert len({offer["product"] for offer in made}) == 19


def test_all_option_combinations_of_the_demo_goods_are_there(demo_shop: Shop) -> None:
    offers = told(demo_shop)
    variants = {
        one: [o for o in offers.values() if o.product == one and o.kind == "variant"] for one in ("30", "35", "42")
    }
    assert {one: len(found) for one, found in variants.items()} == {"30": 2, "35": 3, "42": 3 * 4}
    combinations = {(o.values["options"]["Radio"], o.values["options"]["Select"]) for o in variants["42"]}
    assert combinations == {(size, colour) for size in ("Small", "Medium", "Large")
                            for colour in ("Red", "Blue", "Green", "Yellow")}  # fmt: skip
    assert offers["47"].kind == "single"  # its only option is a date


def test_the_categories_of_the_demo_shop_are_paths_from_the_root_down(demo_shop: Shop) -> None:
    system = demo_shop.open()
    tree = system.reader().tree()
    system.close()
    assert tree.findings == ()
    assert len(tree.paths) == 38
    level = {}
    for row in demo_shop.run("select category_id, max(level) as depth from {p}category_path group by category_id"):
        level[row["category_id"]] = row["depth"]
    assert {one: len(path) - 1 for one, path in tree.paths.items()} == level
    names = {tuple(path) for path in tree.paths.values()}
    assert {("Desktops", "Mac"), ("Components", "Monitors", "test 1"), ("Phones & PDAs",),
            ("Laptops & Notebooks", "Windows"), ("MP3 Players", "test 20", "test 25")} <= names  # fmt: skip


# --- texts, languages, stores ----------------------------------------------------------------------------------------


def test_texts_are_unescaped_exactly_once(bare_shop: Shop) -> None:
    stored = "ФОП &quot;О&amp;О&quot; &lt;b&gt; &amp;lt; &amp;amp; &#039;д&#039; &nbsp; 🎨\u00a0ґ"
    number = bare_shop.product(name=stored, model="А&amp;Б")
    offer = told(bare_shop)[str(number)]
    assert offer.values["name"] == "ФОП \"О&О\" <b> &lt; &amp; 'д' &nbsp; 🎨\u00a0ґ"
    assert offer.keys == {"model": "А&Б"}


def test_the_language_that_is_named_is_told_and_another_stands_in(bare_shop: Shop) -> None:
    bare_shop.load({"language": [
        {"language_id": 2, "name": "Українська", "code": "uk-ua", "locale": "uk", "sort_order": 2, "status": 1,
         "image": "", "directory": ""},
    ]})  # fmt: skip
    both = bare_shop.product(texts={1: "Paint", 2: "Фарба"})
    english = bare_shop.product(texts={1: "Primer"})
    offers = told(bare_shop, language="uk_UA")
    assert [offers[str(one)].values["name"] for one in (both, english)] == ["Фарба", "Primer"]
    assert noticed(bare_shop, language="uk-ua") == [("no-texts", f"product:{english}")]
    assert told(bare_shop)[str(both)].values["name"] == "Paint"  # the shop's own, where none is named
    assert noticed(bare_shop) == []


def test_a_language_that_was_removed_is_told_of_and_the_shops_own_stands_in(bare_shop: Shop) -> None:
    number = bare_shop.product(texts={1: "Paint", 7: "Фарба"})
    assert told(bare_shop, language="ru-ru")[str(number)].values["name"] == "Paint"
    assert noticed(bare_shop, language="ru-ru") == [("language-gone", "language:ru-ru")]
    system = bare_shop.open(language="ru-ru")
    (finding,) = system.check()
    assert "ru-ru" in str(finding.text)
    assert "en-gb" in str(finding.text)
    system.close()


def test_a_product_without_any_text_is_told_by_its_article(bare_shop: Shop) -> None:
    number = bare_shop.product(texts={}, model="НТ-1")
    offer = told(bare_shop)[str(number)]
    assert "name" not in offer.values
    assert offer.title == "НТ-1"


def test_only_goods_of_the_store_are_told(bare_shop: Shop) -> None:
    one, other = bare_shop.product(), bare_shop.product()
    bare_shop.run("update {p}product_to_store set store_id = 5 where product_id = %s", [other])
    assert list(told(bare_shop)) == [str(one)]
    assert list(told(bare_shop, store=5)) == [str(other)]


def test_a_store_has_settings_of_its_own(bare_shop: Shop) -> None:
    bare_shop.insert("setting", {"store_id": 5, "code": "config", "key": "config_currency", "value": "EUR"})
    number = bare_shop.product()
    bare_shop.insert("product_to_store", {"product_id": number, "store_id": 5})
    assert told(bare_shop)[str(number)].values["currency"] == "USD"
    assert told(bare_shop, store=5)[str(number)].values["currency"] == "EUR"


# --- numbers ---------------------------------------------------------------------------------------------------------


def test_f46_a_price_of_nothing_and_no_price_are_two_things(bare_shop: Shop) -> None:
    free = bare_shop.product(price="0.0000")
    assert told(bare_shop)[str(free)].values["price"] == Decimal(0)
    if bare_shop.version == "4.1":  # its columns take NULL
        none = bare_shop.product(price=None, quantity=None, weight=None, status=None, date_available=None, image=None)
        values = told(bare_shop)[str(none)].values
        assert values["price"] is None
        assert values["published"] is False
        assert "weight" not in values


def test_weights_and_sizes_are_in_kilograms_and_centimetres(bare_shop: Shop) -> None:
    rows = {
        "grams": {"weight": "250.5", "weight_class_id": 2},
        "pounds": {"weight": "10", "weight_class_id": 5},
        "millimetres": {"length": "15.5", "width": "2000", "height": "0", "length_class_id": 2},
        "no class": {"weight": "3", "weight_class_id": 0},
    }
    pounds = Decimal(10) / Decimal("2.2046")
    made = {name: bare_shop.product(**row) for name, row in rows.items()}
    offers = told(bare_shop)
    values = {name: offers[str(number)].values for name, number in made.items()}
    assert values["grams"]["weight"] == Decimal("0.2505")
    assert values["pounds"]["weight"] == pounds.quantize(Decimal("0.000001"))
    assert (values["millimetres"]["length"], values["millimetres"]["width"]) == (Decimal("1.55"), Decimal(200))
    assert "height" not in values["millimetres"]
    assert "weight" not in values["no class"]


def test_a_shop_that_weighs_in_grams_is_understood_by_its_units(bare_shop: Shop) -> None:
    bare_shop.run("delete from {p}weight_class")
    bare_shop.run("delete from {p}weight_class_description")
    bare_shop.insert("weight_class", {"weight_class_id": 1, "value": "1"}, {"weight_class_id": 2, "value": "0.001"})
    bare_shop.insert(
        "weight_class_description",
        {"weight_class_id": 1, "language_id": 1, "title": "Грам", "unit": "г."},
        {"weight_class_id": 2, "language_id": 1, "title": "Мішок", "unit": "мш"},
    )
    one, other = bare_shop.product(weight="750"), bare_shop.product(weight="2", weight_class_id=2)
    offers = told(bare_shop)
    assert offers[str(one)].values["weight"] == Decimal("0.75")
    assert offers[str(other)].values["weight"] == Decimal(2)


def test_what_is_shown_to_buyers_is_published(bare_shop: Shop) -> None:
    bare_shop.clock.moment = datetime(2026, 11, 30, 22, 30, tzinfo=UTC)  # in Kyiv it is the next day already
    made = {
        "on": bare_shop.product(),
        "off": bare_shop.product(status=0),
        "today": bare_shop.product(date_available="2026-12-01"),
        "tomorrow": bare_shop.product(date_available="2026-12-02"),
        "any day": bare_shop.product(date_available="0000-00-00"),
    }
    offers = told(bare_shop, timezone="Europe/Kyiv")
    assert {name: offers[str(number)].values["published"] for name, number in made.items()} == {
        "on": True, "off": False, "today": True, "tomorrow": False, "any day": True,
    }  # fmt: skip


def test_images_are_addresses_in_the_shops_order(bare_shop: Shop) -> None:
    number = bare_shop.product(image="catalog/фарба №1 &amp; 2.jpg")
    bare_shop.insert(
        "product_image",
        {"product_id": number, "image": "catalog/c.jpg", "sort_order": 3},
        {"product_id": number, "image": "catalog/b.jpg", "sort_order": 1},
        {"product_id": number, "image": "", "sort_order": 2},
        {"product_id": number, "image": "catalog/c.jpg", "sort_order": 4},
    )
    images = told(bare_shop, image_url="https://shop.example/image")[str(number)].values["images"]
    assert images == (
        "https://shop.example/image/catalog/%D1%84%D0%B0%D1%80%D0%B1%D0%B0%20%E2%84%961%20%26%202.jpg",
        "https://shop.example/image/catalog/b.jpg",
        "https://shop.example/image/catalog/c.jpg",
    )
    assert "images" not in told(bare_shop)[str(number)].values


def test_articles_are_told_by_field_the_one_that_is_meant_first(bare_shop: Shop) -> None:
    number = bare_shop.product(model="M-1", sku=" S-1 ", ean="4820000000017", mpn="", isbn="978")
    assert list(told(bare_shop)[str(number)].keys.items()) == [
        ("model", "M-1"), ("sku", "S-1"), ("ean", "4820000000017"), ("isbn", "978"),
    ]  # fmt: skip
    assert next(iter(told(bare_shop, article="sku")[str(number)].keys.items())) == ("sku", "S-1")
    system = bare_shop.open(article="sku")
    assert system.offer_traits().keys[:2] == ("sku", "model")
    bare = bare_shop.product(model="M-2")
    codes = {level.offer: level.code for level in system.levels()}
    assert codes == {str(number): "S-1", str(bare): "M-2"}
    system.close()


def test_a_main_category_that_an_extension_marks_is_the_main_one(demo_shop: Shop) -> None:
    assert told(demo_shop)["42"].values["category"] == ("Components", "Monitors")  # the deepest
    demo_shop.run("alter table {p}product_to_category add main_category tinyint(1) not null default 0")
    demo_shop.run("update {p}product_to_category set main_category = 1 where product_id = 42 and category_id = 20")
    assert told(demo_shop)["42"].values["category"] == ("Desktops",)


def test_categories_that_go_round_in_a_circle_do_not_hang_and_are_told(demo_shop: Shop) -> None:
    demo_shop.run("update {p}category set parent_id = 28 where category_id = 25")  # 25 > 28 > 25
    offers = told(demo_shop)
    assert offers["42"].values["categories"] == (("Desktops",),)
    assert noticed(demo_shop) == [("category-loop", "category:25")]
    system = demo_shop.open()
    (finding,) = system.check()
    assert "Components → Monitors → Components" in str(finding.text) or "Monitors → Components → Monitors" in str(
        finding.text
    )
    system.close()


# --- special prices --------------------------------------------------------------------------------------------------


def usd(amount: str) -> Money:
    """So many dollars, the demo shop's currency."""
    return Money(Decimal(amount), "USD")


def day(number: int, month: int = 12) -> datetime:
    """Midnight of a day of 2026 in Kyiv."""
    return datetime(2026, month, number, tzinfo=KYIV)


def test_f47_special_prices_are_days_of_the_shop_and_end_as_their_last_day_begins(bare_shop: Shop) -> None:
    number = bare_shop.product()
    bare_shop.special(number, "90", "2026-12-01", "2026-12-10")
    bare_shop.special(number, "80", "2026-12-05", "2026-12-07", priority=0)
    bare_shop.special(number, "10", "2026-12-01", "2026-12-31", customer_group_id=2)
    specials = told(bare_shop, timezone="Europe/Kyiv")[str(number)].values["specials"]
    assert specials == (
        SpecialPrice(usd("90.00"), day(1), day(5)),
        SpecialPrice(usd("80.00"), day(5), day(7)),
        SpecialPrice(usd("90.00"), day(7), day(10)),
    )
    assert specials[2].active(datetime(2026, 12, 9, 21, 59, tzinfo=UTC))
    assert not specials[2].active(datetime(2026, 12, 9, 22, 0, tzinfo=UTC))
    group = told(bare_shop, customer_group=2, timezone="Europe/Kyiv")[str(number)].values["specials"]
    assert group == (SpecialPrice(usd("10.00"), day(1), day(31)),)


def test_f47_a_special_price_over_the_night_of_the_clock_change(bare_shop: Shop) -> None:
    number = bare_shop.product()
    bare_shop.special(number, "90", "2026-10-25", "2026-10-26")
    (special,) = told(bare_shop, timezone="Europe/Kyiv")[str(number)].values["specials"]
    assert special.end.astimezone(UTC) - special.start.astimezone(UTC) == timedelta(hours=25)


def test_the_time_zone_is_the_shops_own_where_none_is_named(bare_shop: Shop) -> None:
    number = bare_shop.product()
    bare_shop.special(number, "90", "2026-12-01")
    bare_shop.run("update {p}setting set value = 'Europe/Warsaw' where `key` = 'config_timezone'")
    (special,) = told(bare_shop)[str(number)].values["specials"]
    assert special.start == datetime(2026, 11, 30, 23, tzinfo=UTC)
    bare_shop.run("delete from {p}setting where `key` = 'config_timezone'")
    (special,) = told(bare_shop)[str(number)].values["specials"]
    assert special.start == datetime(2026, 11, 30, 22, tzinfo=UTC)  # the client's: Kyiv


def test_open_ends_and_dates_that_are_none(bare_shop: Shop) -> None:
    number = bare_shop.product()
    bare_shop.special(number, "95", "0000-00-00", "2026-12-01")
    bare_shop.special(number, "90", "2026-12-05", "0000-00-00")
    specials = told(bare_shop, timezone="Europe/Kyiv")[str(number)].values["specials"]
    assert specials == (SpecialPrice(usd("95.00"), None, day(1)), SpecialPrice(usd("90.00"), day(5), None))


def test_the_kinds_of_special_price_of_the_newer_version(copied: Any) -> None:
    shop = copied("4.1", False)
    number = shop.product(price="200.0000")
    (red, blue) = shop.option(number, "select", "Колір", [{"name": "Red", "price": "50"}, {"name": "Blue"}])
    row = {"product_id": number, "customer_group_id": 1, "priority": 1, "quantity": 1, "special": 1,
           "date_start": "0000-00-00", "date_end": "0000-00-00"}  # fmt: skip

    def specials(**columns: Any) -> list[Any]:
        shop.run("delete from {p}product_discount")
        shop.insert("product_discount", row | columns)
        return [
            [str(one.money.amount) for one in offer.values["specials"]] for offer in told(shop).values()
        ]  # base, Red, Blue

    assert red < blue
    assert specials(type="F", price="150") == [["150.00"], ["200.00"], ["150.00"]]
    assert specials(type="S", price="20") == [["180.00"], ["230.00"], ["180.00"]]
    assert specials(type="P", price="10") == [["180.00"], ["225.00"], ["180.00"]]
    assert specials(type="P", price="33.3333") == [["133.3334"], ["166.6668"], ["133.3334"]]
    assert specials(type="S", price="220") == [[], ["30.00"], []]  # below nothing is no price
    assert specials(type="F", price="150", special=0) == [[], [], []]  # a price for quantities
    assert specials(type="F", price="150", quantity=10) == [[], [], []]
    assert specials(type="F", price=None) == [[], [], []]


# --- what changed ----------------------------------------------------------------------------------------------------


def test_what_was_saved_since_is_told_with_some_overlap(bare_shop: Shop) -> None:
    old = bare_shop.product()
    bare_shop.clock.moment = NOW + timedelta(hours=1)
    recent = bare_shop.product()
    since = bare_shop.clock.moment + timedelta(minutes=4)
    assert list(told(bare_shop, since)) == [str(recent)]
    assert told(bare_shop, since + timedelta(minutes=2)) == {}
    assert list(told(bare_shop)) == [str(old), str(recent)]
    assert told(bare_shop)[str(recent)].updated_at == NOW + timedelta(hours=1)


def test_the_database_is_asked_by_the_shops_clock(bare_shop: Shop) -> None:
    number = bare_shop.product(date_modified="2026-11-28 14:30:00", date_added="2020-01-01 00:00:00")  # 12:30 UTC
    since = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
    assert list(told(bare_shop, since, timezone="Europe/Kyiv")) == [str(number)]
    assert told(bare_shop, since + timedelta(hours=1), timezone="Europe/Kyiv") == {}
    offer = told(bare_shop, timezone="Europe/Kyiv")[str(number)]
    assert offer.updated_at == datetime(2026, 11, 28, 12, 30, tzinfo=UTC)


# --- stock -----------------------------------------------------------------------------------------------------------


def levels(shop: Shop, **settings: Any) -> dict[str, tuple[str, Decimal]]:
    """Article and quantity by offer."""
    system = shop.open(**settings)
    found = list(system.levels())
    assert system.warehouses() == ()
    assert {level.warehouse for level in found} <= {""}
    assert {level.reserved for level in found} <= {Decimal(0)}
    system.close()
    return {level.offer: (level.code, level.on_hand) for level in found}


def test_f48_a_products_total_is_not_told_beside_that_of_its_variants(demo_shop: Shop) -> None:
    found = levels(demo_shop)
    # the product has 7, its values 2 and 5: told is what can be sold of each
    assert {one: found.get(one) for one in ("30", "30:39", "30:40")} == {
        "30": None, "30:39": ("Product 3-39", Decimal(2)), "30:40": ("Product 3-40", Decimal(5)),
    }  # fmt: skip
    # Blue and Green of product 42 do not subtract: what limits them is the size, and the product's 990
    assert found["42:32-41"] == ("Product 15-32-41", Decimal(96))
    assert found["42:43-39"] == ("Product 15-43-39", Decimal(92))
    assert found["49"] == ("SAM1", Decimal(0))
    assert len(found) == 16 + 12 + 2 + 3


def test_f48_a_variant_has_no_more_than_its_product_and_a_debt_stays_one(bare_shop: Shop) -> None:
    number = bare_shop.product(quantity=3)
    red, blue = bare_shop.option(
        number, "select", "Колір", [{"name": "Red", "quantity": 8}, {"name": "Blue", "quantity": -2}]
    )
    assert red != blue
    assert [on_hand for _, on_hand in levels(bare_shop).values()] == [Decimal(3), Decimal(-2)]


def test_values_that_do_not_subtract_share_the_products_stock(bare_shop: Shop) -> None:
    number = bare_shop.product(quantity=3)
    bare_shop.option(number, "select", "Колір", [{"name": "Red", "subtract": 0}, {"name": "Blue", "subtract": 0}])
    assert [on_hand for _, on_hand in levels(bare_shop).values()] == [Decimal(3)] * 3  # the product, and each colour


def test_levels_are_always_all_told_since_a_sale_leaves_no_time(demo_shop: Shop) -> None:
    system = demo_shop.open()
    assert len(list(system.levels(NOW))) == len(list(system.levels())) == 33
    system.close()
