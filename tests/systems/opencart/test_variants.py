"""Options of products become variants with articles of their own, as many as a shop can bear."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.errors import ConfigError
from tests.systems.opencart.shops import Shop
from tests.systems.opencart.test_reading import levels, noticed, told

pytestmark = [pytest.mark.server("mariadb"), pytest.mark.xdist_group("mariadb")]
SIZES = ({"name": "S", "price": "1"}, {"name": "M", "price": "2"})
COLOURS = ({"name": "Red", "price": "10", "weight": "0.5"}, {"name": "Blue", "price": "20", "price_prefix": "-"})


def variants(shop: Shop, **settings: Any) -> dict[str, tuple[dict[str, str], Decimal]]:
    """Options and price of each variant, by article."""
    found = [offer for offer in told(shop, **settings).values() if offer.kind == "variant"]
    return {offer.keys["model"]: (dict(offer.values["options"]), offer.values["price"]) for offer in found}


def test_prices_and_weights_are_those_of_the_choice(bare_shop: Shop) -> None:
    number = bare_shop.product(model="AB", weight="2")
    bare_shop.option(number, "select", "Розмір", SIZES)
    bare_shop.option(number, "radio", "Колір", COLOURS)
    assert variants(bare_shop) == {
        "AB-1-3": ({"Розмір": "S", "Колір": "Red"}, Decimal("111.00")),
        "AB-1-4": ({"Розмір": "S", "Колір": "Blue"}, Decimal("81.00")),
        "AB-2-3": ({"Розмір": "M", "Колір": "Red"}, Decimal("112.00")),
        "AB-2-4": ({"Розмір": "M", "Колір": "Blue"}, Decimal("82.00")),
    }
    offers = told(bare_shop)
    assert [str(offer.values["weight"]) for offer in offers.values()] == ["2", "2.5", "2", "2.5", "2"]
    assert {offer.product for offer in offers.values()} == {str(number)}
    assert offers[str(number)].kind == "base"


def test_articles_survive_renaming_and_sorting(bare_shop: Shop) -> None:
    number = bare_shop.product(model="AB", sku="S-7", ean="4820000000017")
    bare_shop.option(number, "select", "Розмір", SIZES)
    bare_shop.option(number, "radio", "Колір", COLOURS)
    before = {offer.id: dict(offer.keys) for offer in told(bare_shop).values()}
    assert before[f"{number}:1-3"] == {"model": "AB-1-3", "sku": "S-7-1-3"}  # a barcode is the product's alone
    bare_shop.run("update {p}option_value_description set name = concat('new ', name)")
    bare_shop.run("update {p}option set sort_order = 9 - option_id")
    bare_shop.run("update {p}option_value set sort_order = 9 - option_value_id")
    assert {offer.id: dict(offer.keys) for offer in told(bare_shop).values()} == before


def test_articles_of_names_are_made_as_told_and_twins_get_numbers(bare_shop: Shop) -> None:
    number = bare_shop.product(model="AB")
    bare_shop.option(number, "select", "Розмір", [{"name": "S"}, {"name": "M &amp; L"}, {"name": "S"}])
    assert list(variants(bare_shop, variant_key="{key}/{values}")) == ["AB-1", "AB/M & L", "AB-3"]
    assert noticed(bare_shop, variant_key="{key}/{values}") == [("variant-twins", f"product:{number}")]
    assert noticed(bare_shop) == []


def test_articles_of_an_extensions_column(bare_shop: Shop) -> None:
    bare_shop.run("alter table {p}product_option_value add sku varchar(64) not null default ''")
    bare_shop.needs.clear()
    number = bare_shop.product(model="AB")
    bare_shop.option(number, "select", "Колір", [{"name": "Red", "sku": "AB-R"}, {"name": "Blue", "sku": ""}])
    settings = {"option_article": "sku", "variant_key": "{articles}"}
    assert list(variants(bare_shop, **settings)) == ["AB-R", "AB-2"]
    assert noticed(bare_shop, **settings) == [("variant-article", f"product:{number}")]
    with pytest.raises(ConfigError, match="no column gtin"):
        told(bare_shop, option_article="gtin")


def test_checkboxes_make_variants_only_on_request(bare_shop: Shop) -> None:
    number = bare_shop.product(model="AB")
    bare_shop.option(number, "checkbox", "Додатково", [{"name": n, "price": "5"} for n in ("Кришка", "Ручка", "Сумка")])
    assert [offer.kind for offer in told(bare_shop).values()] == ["single"]
    found = variants(bare_shop, checkboxes=True)
    assert len(found) == 7
    assert found["AB-1-3"] == ({"Додатково": "Кришка, Сумка"}, Decimal("110.00"))


def test_what_may_be_left_out_may_be_left_out(bare_shop: Shop) -> None:
    number = bare_shop.product(model="AB", quantity=4)
    bare_shop.option(number, "select", "Розмір", SIZES)
    bare_shop.option(number, "radio", "Пакунок", [{"name": "Так", "price": "3", "quantity": 2}], required=0)
    assert {article: options for article, (options, _) in variants(bare_shop).items()} == {
        "AB-1": {"Розмір": "S"}, "AB-1-3": {"Розмір": "S", "Пакунок": "Так"},
        "AB-2": {"Розмір": "M"}, "AB-2-3": {"Розмір": "M", "Пакунок": "Так"},
    }  # fmt: skip
    other = bare_shop.product(model="CD", quantity=4)
    bare_shop.option(other, "radio", "Пакунок", [{"name": "Так", "quantity": 2}], required=0)
    # without the bag it is the product itself, which is sold and has a stock
    own = {one: found for one, found in levels(bare_shop).items() if one.startswith(str(other))}
    assert own == {str(other): ("CD", Decimal(4)), f"{other}:4": ("CD-4", Decimal(2))}


@pytest.mark.parametrize("kind", ["text", "textarea", "file", "date", "time", "datetime"])
def test_what_a_buyer_writes_makes_no_variants(bare_shop: Shop, kind: str) -> None:
    number = bare_shop.product(model="AB")
    bare_shop.option(number, kind, "Напис", [])
    assert [offer.kind for offer in told(bare_shop).values()] == ["single"]
    bare_shop.option(number, "select", "Розмір", SIZES)
    assert list(variants(bare_shop)) == ["AB-1", "AB-2"]


def test_an_option_without_values_makes_none(bare_shop: Shop) -> None:
    bare_shop.option(bare_shop.product(), "select", "Розмір", [])
    assert [offer.kind for offer in told(bare_shop).values()] == ["single"]


def test_a_value_or_an_option_that_is_there_twice_counts_once(bare_shop: Shop) -> None:
    number = bare_shop.product(model="AB")
    (first, _) = bare_shop.option(number, "select", "Розмір", SIZES)
    row = bare_shop.run("select * from {p}product_option_value where product_option_value_id = %s", [first])[0]
    bare_shop.insert("product_option_value", row | {"product_option_value_id": 90, "price": "7"})
    option = bare_shop.run("select * from {p}product_option")[0]
    bare_shop.insert("product_option", option | {"product_option_id": 91})
    bare_shop.insert("product_option_value", row | {"product_option_value_id": 92, "product_option_id": 91})
    assert {article: str(price) for article, (_, price) in variants(bare_shop).items()} == {
        "AB-1": "101.00", "AB-2": "102.00",
    }  # fmt: skip


def test_too_many_combinations_are_told_and_not_made(bare_shop: Shop) -> None:
    number = bare_shop.product(name="Набір")
    for n in range(8):
        bare_shop.option(number, "select", f"О{n}", [{"name": str(v)} for v in range(10)])
    few = bare_shop.product()
    bare_shop.option(few, "select", "Розмір", SIZES)
    assert [offer.kind for offer in told(bare_shop).values()] == ["single", "base", "variant", "variant"]
    assert noticed(bare_shop) == [("too-many-variants", f"product:{number}")]
    assert [offer.kind for offer in told(bare_shop, max_variants=1).values()] == ["single", "single"]
    system = bare_shop.open()
    list(system.offers())
    (finding,) = system.noticed()
    assert "100000000" in str(finding.text).replace("\u00a0", "").replace(",", "")
    assert "Набір" in str(finding.text)
    system.close()


def test_findings_of_one_kind_are_not_a_thousand(bare_shop: Shop) -> None:
    for _ in range(25):
        bare_shop.option(bare_shop.product(), "select", "Розмір", SIZES)
    found = noticed(bare_shop, max_variants=1)
    assert len(found) == 21
    system = bare_shop.open(max_variants=1)
    list(system.offers())
    assert str(system.noticed()[-1].text) == "5 more products like this."
    system.close()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("variant_key", "{key}"), ("variant_key", "{key}-{colour}"), ("variant_key", "{key}-{ids:5}"),
        ("variant_key", "{key}-{ids"), ("variant_key", "{key}-{ids.real}"), ("variant_key", "{articles}"),
        ("timezone", "Europe/Kyyiv"), ("timezone", "/etc"), ("image_url", "shop.example"), ("prefix", "oc-"),
        ("tracking_comment", "ТТН"), ("number_comment", "{tracking}"), ("ca", "ca.pem"), ("language", "українська"),
        ("option_article", "a b"), ("max_variants", 0),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(key: str, value: object) -> None:
    from plugins.systems.opencart.settings import OpenCartSettings

    with pytest.raises(ValidationError):
        OpenCartSettings(**{"user": "u", "password": "p", "database": "d", key: value})


# --- variant products of the newer version ---------------------------------------------------------------------------


@pytest.fixture
def family(copied: Callable[[str, bool], Shop]) -> tuple[Shop, int, dict[str, int]]:
    """A master with sizes and colours, and a variant product that is S and Red; product options by name."""
    shop = copied("4.1", False)
    master = shop.product(model="AB", quantity=50, name="Майка")
    small, medium = shop.option(master, "select", "Розмір", SIZES)
    red, blue = shop.option(master, "radio", "Колір", COLOURS)
    rows = {"S": small, "M": medium, "Red": red, "Blue": blue}
    own = shop.run("select product_option_value_id as v, product_option_id as o from {p}product_option_value")
    option = {row["v"]: row["o"] for row in own}
    fixed = {str(option[rows[name]]): str(rows[name]) for name in ("S", "Red")}
    child(shop, master, fixed, model="AB-S-RED", quantity=7, price="90", ean="4820000000024", name="Майка червона S")
    return shop, master, {"size": option[small], "colour": option[red], **rows}


def child(shop: Shop, master: int, fixed: dict[str, str], **columns: Any) -> int:
    """A variant product."""
    marks = {"variant": dict.fromkeys(fixed, "1")} if fixed else []
    variant = json.dumps(fixed) if fixed else ""
    return shop.product(master_id=master, variant=variant, override=json.dumps(marks), **columns)


def test_a_variant_product_stands_for_its_combination(family: tuple[Shop, int, dict[str, int]]) -> None:
    shop, master, _ = family
    offers = told(shop)
    assert [(offer.id, offer.kind, offer.product) for offer in offers.values()] == [
        (str(master), "base", str(master)),
        ("2", "variant", str(master)),
        *((f"{master}:{ids}", "variant", str(master)) for ids in ("1-4", "2-3", "2-4")),
    ]
    own = offers["2"]
    assert own.keys == {"model": "AB-S-RED", "ean": "4820000000024"}
    assert own.values["name"] == "Майка червона S"
    assert own.values["options"] == {"Розмір": "S", "Колір": "Red"}
    assert own.values["price"] == Decimal("101.00")  # 90 + 1 + 10: the shop adds what the values cost
    assert levels(shop) == {
        "2": ("AB-S-RED", Decimal(7)),
        **{f"{master}:{ids}": (f"AB-{ids}", Decimal(10)) for ids in ("1-4", "2-3", "2-4")},
    }


def test_a_variant_product_that_leaves_a_choice_is_several(family: tuple[Shop, int, dict[str, int]]) -> None:
    shop, master, rows = family
    number = child(shop, master, {str(rows["size"]): str(rows["M"])}, model="AB-M", quantity=3)
    offers = told(shop)
    ids = list(offers)
    assert ids == [str(master), "2", f"{master}:1-4", f"{number}:3", f"{number}:4"]
    assert [offers[one].keys["model"] for one in ids] == ["AB", "AB-S-RED", "AB-1-4", "AB-M-3", "AB-M-4"]
    assert levels(shop)[f"{number}:3"] == ("AB-M-3", Decimal(3))


def test_variant_products_that_fix_nothing_are_variants_all_the_same(family: tuple[Shop, int, dict[str, int]]) -> None:
    shop, master, rows = family
    plain = child(shop, master, {}, model="AB-X")
    gone = child(shop, master, {str(rows["size"]): "999"}, model="AB-Y")
    offers = told(shop)
    assert [offers[str(one)].kind for one in (plain, gone)] == ["variant"] * 2
    assert [offers[str(one)].values["options"] for one in (plain, gone)] == [{}, {}]
    assert len(offers) == 7


def test_a_master_with_too_many_options_still_has_its_variant_products(
    family: tuple[Shop, int, dict[str, int]],
) -> None:
    shop, master, _ = family
    offers = told(shop, max_variants=3)
    assert [(offer.id, offer.kind) for offer in offers.values()] == [(str(master), "base"), ("2", "variant")]
    assert offers["2"].values["options"] == {"Розмір": "S", "Колір": "Red"}


def test_a_variant_product_without_its_master_is_a_product(family: tuple[Shop, int, dict[str, int]]) -> None:
    shop, master, _ = family
    shop.run("delete from {p}product where product_id = %s", [master])
    assert [(offer.id, offer.kind, offer.product) for offer in told(shop).values()] == [("2", "single", "2")]


def test_a_variant_product_that_was_saved_is_told_with_all_of_its_product(
    family: tuple[Shop, int, dict[str, int]],
) -> None:
    from datetime import timedelta

    shop, master, _ = family
    since = shop.clock.now() + timedelta(hours=1)
    assert told(shop, since) == {}
    later = (since + timedelta(minutes=1)).strftime("%Y-%m-%d %H:%M:%S")
    shop.run("update {p}product set date_modified = %s where product_id = 2", [later])
    assert len(told(shop, since)) == 5
    assert told(shop, since)[str(master)].product == str(master)
