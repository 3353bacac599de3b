"""Offers and levels of a sync as a catalogue to export, and an export from a system that has nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from pipeline.engine.selling import Selling
from pipeline.errors import ConfigError
from pipeline.flow import FormatPlugin
from pipeline.model import Money, Offer, SpecialPrice, StockLevel
from pipeline.ports import CATALOGUE_FIELDS, OfferTraits, ProductDraft
from pipeline.testing.memory_shop import FULL, MemoryOffers, MemoryShop, Store
from plugins.formats import catalogue_xml, keepincrm_yml, keycrm_import
from tests.engine.outbound_world import Deaf, World

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = timedelta(days=1)
TRAITS = OfferTraits(keys=("sku", "model"), reads=FULL)
EVERY = tuple(name.replace("LANG", "uk-UA").replace("KIND", "cost") for name in CATALOGUE_FIELDS)


def rows(
    *offers: Offer, levels: list[StockLevel] | None = None, fields: tuple[str, ...] = EVERY, at: datetime = NOW
) -> dict[str, dict[str, Any]]:
    """Code -> the row."""
    made = Selling(offers, levels, keys=("sku", "model"), language="uk-UA")
    found: dict[str, dict[str, Any]] = {}
    for batch in made.batches(fields, at=at, size=2):
        assert set(batch.columns) == set(fields)
        assert {len(column) for column in batch.columns.values()} == {batch.length}
        found |= {
            row["code"]: row
            for row in (
                dict(zip(batch.columns, cells, strict=True)) for cells in zip(*batch.columns.values(), strict=True)
            )
        }
    assert len(found) == made.count()
    return found


def shirt() -> tuple[Offer, ...]:
    """A base with two variants, of which one tells hardly anything itself."""
    base = Offer(
        id="7",
        product="7",
        kind="base",
        keys={"model": "SHIRT"},
        values={
            "name": "Сорочка", "description": "<p>Льон</p>", "price": Decimal(100), "price.cost": Decimal(60),
            "currency": "UAH", "category": ("Одяг", "Сорочки"), "images": ("https://s.example/a.jpg", "b.jpg"),
            "barcode": "482", "manufacturer": "Льон", "weight": Decimal("0.3"), "unit": "шт", "published": True,
        },
    )  # fmt: skip
    red = Offer(id="7:1", product="7", kind="variant", keys={"sku": "S-RED"}, values={"options": {"Колір": "Червоний"}})
    blue = Offer(
        id="7:2",
        product="7",
        kind="variant",
        keys={"sku": "S-BLUE", "model": "SHIRT"},
        values={
            "name": "Сорочка синя", "price": Decimal(120), "options": {"Колір": "Синій"}, "barcode": "483",
            "images": ("c.jpg",), "published": False,
        },
        updated_at=NOW,
    )  # fmt: skip
    return base, red, blue


def test_a_variant_has_what_it_does_not_tell_from_its_base() -> None:
    found = rows(*shirt(), levels=[])
    assert list(found) == ["S-BLUE", "S-RED", "SHIRT"], "by code"
    base, red, blue = found["SHIRT"], found["S-RED"], found["S-BLUE"]
    assert [one["parent"] for one in (base, red, blue)] == ["", "SHIRT", "SHIRT"]
    assert [one["price"] for one in (base, red, blue)] == [100, 100, 120]
    assert [one["name.uk-UA"] for one in (red, blue)] == ["Сорочка", "Сорочка синя"]
    assert red["category"] == blue["category"] == ("Одяг", "Сорочки")
    assert (red["image"], red["images"]) == ("https://s.example/a.jpg", ("b.jpg",))
    assert (blue["image"], blue["images"]) == ("c.jpg", ())
    assert [one["barcode"] for one in (base, red, blue)] == ["482", "", "483"], "a barcode is of one thing"
    assert [one["published"] for one in (base, red, blue)] == [True, True, False]
    assert [one["options"] for one in (base, red)] == [{}, {"Колір": "Червоний"}]
    assert (red["price.cost"], red["weight"], red["unit"]) == (60, Decimal("0.3"), "шт")
    assert (red["tax_rate"], red["category_id"], red["short_description.uk-UA"]) == (None, "", "")
    assert (red["updated_at"], blue["updated_at"]) == (None, NOW)


def test_what_nobody_shows_has_variants_that_nobody_shows() -> None:
    base, red, blue = shirt()
    hidden = Offer(id="7", product="7", kind="base", keys=base.keys, values={**base.values, "published": False})
    assert not any(row["published"] for row in rows(hidden, red, blue).values())


def test_stock_is_what_may_be_sold_over_all_warehouses() -> None:
    levels = [
        StockLevel("S-RED", "a", Decimal(5), Decimal(2), "7:1"),
        StockLevel("S-RED", "b", Decimal(1), Decimal(4), "7:1"),  # a debt eats nobody else's goods
        StockLevel("S-RED", "", Decimal(6), Decimal(6), "7:1"),  # the total beside them
        StockLevel("S-BLUE", "a", Decimal("1.5")),
    ]
    found = rows(*shirt(), levels=levels)
    assert {code: row["stock"] for code, row in found.items()} == {
        "S-RED": 3,
        "S-BLUE": Decimal("1.5"),
        "SHIRT": Decimal("4.5"),
    }
    assert rows(*shirt(), levels=levels[:1])["S-BLUE"]["stock"] == 0


def test_what_is_not_counted_or_not_told_has_no_number() -> None:
    levels = [
        StockLevel("S-RED", "", Decimal(0), offer="7:1", counted=False),
        StockLevel("S-BLUE", "", Decimal(2), offer="7:2"),
    ]
    assert [row["stock"] for row in rows(*shirt(), levels=levels).values()] == [2, None, None]
    assert {row["stock"] for row in rows(*shirt()).values()} == {None}


@pytest.mark.parametrize(
    ("at", "price"),
    [(NOW - 9 * DAY, 90), (NOW, 90), (NOW + DAY, 80), (NOW + 2 * DAY, 80), (NOW + 3 * DAY, None)],
    ids=["to-come", "holds", "ended-and-next", "holds-too", "over"],
)
def test_the_special_price_that_holds_else_the_next(at: datetime, price: int | None) -> None:
    specials = (
        SpecialPrice(Money(Decimal(90), "UAH"), NOW - DAY, NOW + DAY),
        SpecialPrice(Money(Decimal(80), "UAH"), NOW + 2 * DAY, NOW + 3 * DAY),
    )
    offer = Offer(id="1", product="1", keys={"sku": "A"}, values={"price": Decimal(100), "specials": specials})
    row = rows(offer, at=at)["A"]
    assert (row["price"], row["special_price"]) == (100, price)
    assert (row["special_start"] is None) == (price is None)
    assert row["special_end"] in (None, NOW + DAY, NOW + 3 * DAY)


def test_what_has_no_article_is_left_out_and_told_and_a_base_is_called_by_its_id() -> None:
    base, red, _ = shirt()
    nameless = Offer(id="7", product="7", kind="base", values=base.values)
    lost = Offer(id="9", product="9", keys={"ean": "482"}, values={"name": "Загублене"})
    made = Selling([nameless, red, lost], None, keys=("sku", "model"), language="uk-UA")
    (batch,) = made.batches(("code", "parent"), at=NOW)
    assert list(zip(*batch.columns.values(), strict=True)) == [("#7", ""), ("S-RED", "#7")]
    assert [finding.code for finding in made.findings] == ["no-article"]
    assert "Загублене" in str(made.findings[0].text)


def test_texts_are_in_one_language_and_never_pass_for_another() -> None:
    offer = Offer(id="1", product="1", keys={"sku": "A"}, values={"name": "Чай"})
    assert rows(offer, fields=("code", "name.ru-RU"))["A"]["name.ru-RU"] == "Чай", "there is no other"
    both = rows(offer, fields=("code", "name.uk-UA", "name.ru-RU"))["A"]
    assert (both["name.uk-UA"], both["name.ru-RU"]) == ("Чай", "")


@pytest.mark.parametrize("name", ["colour", "name", "price.", "weight.uk-UA"])
def test_a_field_that_no_catalogue_has_is_told(name: str) -> None:
    with pytest.raises(ConfigError, match="catalogue field"):
        list(Selling([], None, keys=("sku",), language="uk-UA").batches(("code", name), at=NOW))


def priced(*prices: str | None, **base: Any) -> dict[str, dict[str, Any]]:
    """The rows of a base product with a variant of each price."""
    offers = [Offer(id="7", product="7", kind="base", keys={"sku": "B"}, values={"price": None, **base})]
    for n, price in enumerate(prices, 1):
        values: dict[str, Any] = {"price": price and Decimal(price), "currency": "UAH"}
        values["specials"] = (SpecialPrice(Money(Decimal(n), "UAH")),)
        offers.append(Offer(id=f"7:{n}", product="7", kind="variant", keys={"sku": f"B-{n}"}, values=values))
    return rows(*offers, levels=[])


def test_a_base_product_without_a_price_has_that_of_its_cheapest_variant() -> None:
    """As WooCommerce and OpenCart show it, whose prices stand at the variants alone."""
    found = priced("120", "100", None)
    assert [found[code]["price"] for code in ("B", "B-1", "B-2", "B-3")] == [100, 120, 100, None]
    assert (found["B"]["special_price"], found["B"]["currency"]) == (2, "UAH"), "its special price comes along"
    assert priced(None, None)["B"]["price"] is None
    own = priced("120", price=Decimal(150))
    assert (own["B"]["price"], own["B-1"]["price"]) == (150, 120), "a price of its own stays"


# --- exports ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def store() -> Store:
    """A shop in memory: a product, and a base with two variants."""
    made = Store()
    single = Offer(keys={"sku": "TEA"}, values={
        "name": "Чай", "price": Decimal("99.50"), "category": ("Напої", "Чай"),
        "images": ("https://s.example/tea.jpg", "https://s.example/cup.jpg"),
    })  # fmt: skip
    made.add(ProductDraft(base=single), FULL)
    base, *variants = shirt()
    ids = made.add(ProductDraft(base=base, variants=tuple(variants)), FULL)
    made.rows[ids[2]].values["published"] = True
    for own in made.rows:
        made.levels[own, "main"] = [Decimal(4), Decimal(1), NOW]
    return made


def parsed(world: World) -> Iterator[Any]:
    yield from etree.fromstring(world.files["feed.xml"]).iter("offer")


FEED = keepincrm_yml.PLUGIN
ITEMS = {"root": "goods", "item": "good", "elements": [
    {"name": "code", "field": "code"}, {"name": "price", "field": "price"}, {"name": "left", "field": "stock"},
]}  # fmt: skip


def test_the_feed_for_keepincrm_from_a_shop_that_only_syncs(tmp_path: Path, store: Store) -> None:
    world = World(tmp_path)
    result = world.run(system=MemoryShop(store, TRAITS), plugin=FEED, name="feed.xml")
    assert result.counts["rows"] == 3
    found = {one.get("id"): one for one in parsed(world)}
    assert set(found) == {"TEA", "S-RED", "S-BLUE"}
    assert found["S-RED"].get("group_id") == "SHIRT"
    assert found["TEA"].findtext("stock_quantity") == "3"
    assert [one.text for one in found["TEA"].findall("picture")] == [
        "https://s.example/tea.jpg",
        "https://s.example/cup.jpg",
    ]
    again = world.run(system=MemoryShop(store, TRAITS), plugin=FEED, name="feed.xml")
    assert again.counts["unchanged"] == 1, "the same goods are the same file"


@pytest.mark.parametrize(
    ("plugin", "settings"),
    [(keycrm_import.PLUGIN, {}), (keycrm_import.PLUGIN, {"file": "csv"}), (catalogue_xml.PLUGIN, ITEMS)],
    ids=["keycrm-xlsx", "keycrm-csv", "declared-xml"],
)
def test_other_formats_from_a_shop_that_only_syncs(
    tmp_path: Path, store: Store, plugin: FormatPlugin, settings: dict[str, Any]
) -> None:
    world = World(tmp_path)
    result = world.run(system=MemoryShop(store, TRAITS), plugin=plugin, shop=settings, name="goods")
    assert result.counts["rows"] == 4
    assert world.files["goods"]


@pytest.mark.parametrize(
    ("plugin", "settings", "rows_"), [(FEED, {}, 2), (keycrm_import.PLUGIN, {}, 3)], ids=["yml", "keycrm"]
)
def test_a_shop_whose_prices_stand_at_its_variants_is_written(
    tmp_path: Path, store: Store, plugin: FormatPlugin, settings: dict[str, Any], rows_: int
) -> None:
    """What has no price anywhere is told, and the others go on."""
    for row in store.rows.values():
        own = {"TEA": None, "SHIRT": None, "S-RED": Decimal(110), "S-BLUE": Decimal(120)}
        row.values["price"] = own[row.keys.get("sku") or row.keys["model"]]
    world = World(tmp_path)
    result = world.run(system=MemoryShop(store, TRAITS), plugin=plugin, shop=settings, name="feed.xml")
    assert result.counts["rows"] == rows_
    assert [str(one) for one in result.notes] == ["Product TEA has no price and is left out of the file."]
    if plugin is FEED:
        assert {one.get("id"): one.findtext("price") for one in parsed(world)} == {
            "S-RED": "110.00", "S-BLUE": "120.00",
        }  # fmt: skip


def test_the_file_for_joomshopping_from_a_shop_that_only_syncs(tmp_path: Path, store: Store) -> None:
    world = World(tmp_path)
    world.run(system=MemoryShop(store, TRAITS))
    assert "TEA" in world.codes()


def test_a_system_without_stock_is_told(tmp_path: Path, store: Store) -> None:
    result = World(tmp_path).run(system=MemoryOffers(store, TRAITS), plugin=FEED, name="feed.xml")
    assert [str(note) for note in result.notes if "stock" in str(note)]


def test_files_of_images_cannot_be_sent_where_there_are_only_addresses(tmp_path: Path, store: Store) -> None:
    with pytest.raises(ConfigError, match="addresses of its images"):
        World(tmp_path).run(system=MemoryShop(store, TRAITS), images={"from": "disk", "folder": "photos"})


def test_a_system_that_tells_no_products_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="tells no products"):
        World(tmp_path).run(system=Deaf())
