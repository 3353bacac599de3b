"""``keepincrm-yml``: the feed of KeepinCRM's own module, with variants; the same catalogue is the same file."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from lxml import etree
from pydantic import ValidationError

from pipeline.api import Held
from plugins.formats import keepincrm_yml
from plugins.formats.keepincrm_yml import PLUGIN, category_id
from tests.formats.catalogues import CONTEXT, ROWS, check, make, row, settings_of

BY = {"shop": "Автофарба", "image_url": "https://s.example/i/", "product_url": "https://s.example/p/{code}"}


def offers(data: bytes) -> dict[str, Any]:
    return {one.get("id"): one for one in etree.fromstring(data).iter("offer")}


def test_the_feed_has_the_shape_of_the_module() -> None:
    made = make(PLUGIN, BY)
    assert made.findings == []
    shop = etree.fromstring(made.data)[0]
    assert [one.tag for one in shop] == ["platform", "name", "company", "categories", "offers"]
    assert [shop.findtext(name) for name in ("platform", "name", "company")] == ["KeepinCRM", "Автофарба", "Автофарба"]
    categories = {one.text: one for one in shop.find("categories")}
    assert list(categories) == ["Авто", "Фарби", "Ґрунти"]
    assert categories["Авто"].get("parentId") is None
    assert categories["Ґрунти"].get("parentId") == categories["Авто"].get("id")
    first = offers(made.data)["0042"]
    assert [one.tag for one in first] == [
        "name", "url", "price", "currencyId", "description", "categoryId", "picture", "picture", "picture",
        "stock_quantity", "vendor", "vendorCode", "param", "param",
    ]  # fmt: skip
    assert first.get("available") == "true"
    assert first.findtext("categoryId") == categories["Ґрунти"].get("id")
    assert [one.text for one in first.findall("picture")] == [
        "https://s.example/i/primer.png",
        "https://s.example/i/a%20b.png",
        "https://s.example/i/set.jpg",
    ]
    assert (first.findtext("price"), first.findtext("stock_quantity")) == ("389.50", "24")
    assert [(one.get("name"), one.text) for one in first.findall("param")] == [("sku", "0042"), ("weight", "1.35")]


def test_variants_are_offers_of_a_group_in_place_of_their_base() -> None:
    found = offers(make(PLUGIN, BY).data)
    assert list(found) == ["0042", "E-303-2", "ЛК-500"]
    variant = found["E-303-2"]
    assert variant.get("group_id") == "E-303"
    assert [(one.get("name"), one.text) for one in variant.findall("param")] == [
        ("sku", "E-303-2"),
        ("Об'єм", "2 л"),
        ("Колір & тон", "хакі"),
    ]
    assert list(offers(make(PLUGIN, {**BY, "variants": False}).data)) == ["0042", "E-303", "ЛК-500"]


def test_a_base_product_that_comes_after_its_variants_is_left_out_as_well() -> None:
    assert list(offers(make(PLUGIN, BY, tuple(reversed(ROWS)), size=1).data)) == ["ЛК-500", "E-303-2", "0042"]


def test_a_special_price_holds_for_its_time() -> None:
    def prices(**special: Any) -> tuple[str | None, str | None]:
        made = make(PLUGIN, {**BY, "specials": True}, [row("1", **special)])
        assert made.findings == []
        one = offers(made.data)["1"]
        return one.findtext("price"), one.findtext("oldprice")

    past, now, future = (datetime(2026, month, 28, tzinfo=UTC) for month in (10, 11, 12))
    assert CONTEXT.now == now
    assert prices() == ("389.50", None)
    assert prices(special_price=Decimal(350)) == ("350.00", "389.50")
    assert prices(special_price=Decimal(350), special_start=now, special_end=future) == ("350.00", "389.50")
    assert prices(special_price=Decimal(350), special_start=past, special_end=now) == ("389.50", None)
    assert prices(special_price=Decimal(350), special_start=future) == ("389.50", None)


def test_the_same_catalogue_is_the_same_file_whenever_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    first = make(PLUGIN, BY).data
    monkeypatch.setattr("tests.formats.catalogues.CONTEXT", replace(CONTEXT, now=datetime(2027, 1, 1, tzinfo=UTC)))
    assert make(PLUGIN, BY).data == first
    assert b'date="2026-11-21 02:00"' in first


def test_ids_of_categories_stay_whatever_else_comes_and_goes() -> None:
    few = make(PLUGIN, BY, ROWS[:1]).data
    assert offers(few)["0042"].findtext("categoryId") == category_id(("Авто", "Ґрунти"))
    assert category_id(("Авто", "Ґрунти")) != category_id(("Авто/Ґрунти",))
    assert category_id(("Авто",)).isdigit()


def test_two_categories_of_one_id_stop_the_feed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keepincrm_yml, "category_id", lambda _path: "7")
    with pytest.raises(Held) as held:
        make(PLUGIN, BY)
    assert held.value.code == "twin-category"


def test_products_that_cannot_be_written_are_told() -> None:
    with pytest.raises(Held) as held:
        make(PLUGIN, BY, [row("1", price=None), row("2", name=""), row("3", name="\x01")])
    assert [one.code for one in held.value.findings] == ["csv-empty", "letters"]


def test_what_has_no_price_is_left_out_and_told_line_by_line() -> None:
    rows = [row("B", price=None), row("B-1", parent="B"), row("B-2", parent="B", price=None), row("C", price=None)]
    made = make(PLUGIN, BY, [*rows, row("D")])
    assert made.findings == []
    assert list(offers(made.data)) == ["B-1", "D"]
    assert [str(one.text) for chunk in made.chunks for one in chunk.notes] == [
        "Product B-2 has no price and is left out of the file.",
        "Product C has no price and is left out of the file.",
    ], "nothing is said of the product itself, which is no offer where its variants are"
    many = make(PLUGIN, BY, [row(f"{n:04}", price=None) for n in range(103)] + [row("X")])
    notes = [str(one.text) for chunk in many.chunks for one in chunk.notes]
    assert (len(notes), notes[-1]) == (101, "3 more products have no price and are left out of the file.")


def test_further_params_and_addresses() -> None:
    by = {**BY, "params": {"Штрихкод": "barcode", "ПДВ": "tax_rate"}, "url": "https://s.example"}
    made = make(PLUGIN, by, [row("a/б", images=("https://cdn.example/x.png",), tax_rate=Decimal("20.00"))])
    assert made.findings == []
    (one,) = offers(made.data).values()
    assert one.findtext("url") == "https://s.example/p/a%2F%D0%B1"
    assert one.findall("picture")[-1].text == "https://cdn.example/x.png"
    params = {param.get("name"): param.text for param in one.findall("param")}
    assert (params["Штрихкод"], params["ПДВ"]) == ("4820001000375", "20")
    assert "picture" not in make(PLUGIN, {**BY, "image_url": ""}).text


def test_a_feed_without_a_category_of_an_offer_is_found() -> None:
    made = make(PLUGIN, BY)
    head, *rest = made.chunks
    cut = replace(head, data=head.data.replace(b"<category ", b"<kategory ").replace(b"</category>", b"</kategory>"))
    said = check(PLUGIN, BY, [cut, *rest])
    assert said == [
        "Product 0042: its category is not in the file.",
        "Product E-303-2: its category is not in the file.",
    ]


def test_an_empty_catalogue_is_a_feed_all_the_same() -> None:
    made = make(PLUGIN, BY, [])
    assert made.findings == []
    assert offers(made.data) == {}


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"product_url": "https://s.example/{name}"}, "is not known in an address"),
        ({"params": {"x": "nosuch"}}, "cannot be a param"),
        ({"language": "uk"}, "pattern"),
    ],
)
def test_settings_that_make_no_sense(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match="(?s)" + words):
        settings_of(PLUGIN, keys)
