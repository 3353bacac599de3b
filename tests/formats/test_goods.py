"""`xml-goods`, `csv-goods` and `json-goods`: what of a catalogue of any shape is read, and what is told of the rest."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from pipeline.errors import Rejected
from pipeline.model import Offer
from pipeline.ports import FormatContext, Goods
from plugins.formats._goods.csvgoods import CsvGoods, CsvGoodsSettings
from plugins.formats._goods.xmlgoods import XmlGoods, XmlGoodsSettings
from plugins.formats.json_goods import JsonGoods, JsonGoodsSettings

CONTEXT = FormatContext(
    "acme", ZoneInfo("Europe/Kyiv"), "UAH", "uk-UA", datetime(2026, 11, 28, tzinfo=UTC), "goods.file"
)


def xml(inner: str, **settings: Any) -> Goods:
    mapping = {"product": "/g/p", "fields": {"code": "@c", "name": "n", "price": "v"}, **settings}
    return XmlGoods().goods(f"<g>{inner}</g>".encode(), XmlGoodsSettings.model_validate(mapping), CONTEXT)


def table(text: str, **settings: Any) -> Goods:
    mapping: dict[str, Any] = {"fields": {"code": "A", "name": "N", "price": "P"}, **settings}
    return CsvGoods().goods(
        text.encode(mapping.get("encoding", "utf-8")), CsvGoodsSettings.model_validate(mapping), CONTEXT
    )


def document(data: Any, **settings: Any) -> Goods:
    mapping = {"fields": {"code": "a", "name": "n", "price": "p"}, **settings}
    return JsonGoods().goods(json.dumps(data).encode(), JsonGoodsSettings.model_validate(mapping), CONTEXT)


def by_code(goods: Goods) -> dict[str, Offer]:
    return {one.keys.get("sku", ""): one for one in goods.offers}


def told(goods: Goods) -> list[tuple[str, str]]:
    return [(one.code, str(one.text)) for one in goods.findings]


def test_what_cannot_be_read_is_told_and_left_out() -> None:
    goods = table("A;N;P\nX-1;Один;12,50\n;Без артикула;1\nX-2;Два;12.5O\nX-3;Три;зайва;клітинка\nX-4;Чотири;\n")
    offers = by_code(goods)
    assert list(offers) == ["X-1", "X-2", "X-4"]
    assert "price" not in offers["X-1"].values, "a comma is no decimal point here"
    assert "price" not in offers["X-2"].values
    assert offers["X-4"].values["price"] is None
    assert sorted(code for code, _ in told(goods)) == ["goods-row", "goods-row", "goods-value", "goods-value"]
    words = " ".join(text for _, text in told(goods))
    assert "Line 3 is left out" in words
    assert "Line 5 is left out" in words
    assert "X-2 (line 4)" in words
    assert "12.5O" in words
    assert all("send the order" not in str(one.hint) for one in goods.findings)


def test_numbers_letters_and_days_are_read_as_they_are_declared() -> None:
    goods = table(
        "Прайс\nA;N;P;S;З;По;Р\n0042;Ґрунт\xa0сірий;1\xa0234,50;999,00;01.12.2026;31.12.2026;Фарби > Ґрунти\n",
        encoding="windows-1251",
        skip=1,
        numbers="1 234,56",
        dates="%d.%m.%Y",
        path_separator=">",
        fields={
            "code": "A", "name": "N", "price": "P", "special_price": "S", "special_start": "З", "special_end": "По",
            "category": "Р",
        },
    )  # fmt: skip
    assert told(goods) == []
    (offer,) = goods.offers
    assert offer.keys == {"sku": "0042"}
    assert offer.values["price"] == Decimal("1234.50")
    assert offer.values["category"] == ("Фарби", "Ґрунти")
    (special,) = offer.values["specials"]
    assert special.money.amount == 999
    assert special.start == datetime(2026, 11, 30, 22, tzinfo=UTC)
    assert special.end == datetime(2026, 12, 31, 22, tzinfo=UTC), "the last day is a day of it"


def test_what_makes_no_sense_is_told_and_left_out() -> None:
    fields = {"code": "A", "price": "P", "special_price": "S", "special_start": "F", "special_end": "T", "stock": "R"}
    goods = table("A;P;S;F;T;R\nX;-5;1;2026-11-29;2026-11-20;-3\nY;5;-1;;;2\n", fields=fields)
    assert {code: dict(one.values) for code, one in by_code(goods).items()} == {
        "X": {"currency": "UAH"}, "Y": {"price": Decimal(5), "currency": "UAH"},
    }  # fmt: skip
    words = " ".join(text for _, text in told(goods))
    assert "ends before it begins" in words
    assert words.count("is below 0") == 2
    assert [one.on_hand for one in goods.levels] == [Decimal(-3), Decimal(2)], "a debt is one: the engine clamps it"


def test_a_number_of_json_is_exact_and_html_stays() -> None:
    goods = document(
        [{"a": "X", "n": "Ім'я", "p": 0.1, "d": "<p>Опис &amp; ще</p>"}],
        fields={"code": "a", "name": "n", "price": "p", "description": "d"},
    )
    (offer,) = goods.offers
    assert offer.values["price"] == Decimal("0.1")
    assert offer.values["description"] == "<p>Опис &amp; ще</p>"


def test_rows_with_something_in_common_are_variants_of_one_product() -> None:
    goods = table(
        "A;N;P;G;C\nB;Сорочка;;;\nB-R;;5;B;червона\nZ;Інше;1;;\nB-W;;6;B;біла\nS-1;Самотня;2;S;\n",
        fields={"code": "A", "name": "N", "price": "P", "group": "G", "options": {"Колір": "C"}},
    )
    assert [(one.kind, one.keys["sku"], one.product) for one in goods.offers] == [
        ("base", "B", "B"), ("variant", "B-R", "B"), ("variant", "B-W", "B"), ("single", "Z", "Z"),
        ("single", "S-1", "S-1"),
    ]  # fmt: skip
    assert by_code(goods)["B-R"].values["options"] == {"Колір": "червона"}


@pytest.mark.parametrize("code", ["", "@g"])
def test_a_group_without_a_row_of_its_own_is_as_its_first_variant(code: str) -> None:
    fields = {"code": "@c", "name": "n", "price": "v", "group": "@g", "published": "@s"}
    goods = xml(
        '<p c="V-1" g="7" s="0"><n>Назва</n><v>1</v></p><p c="V-2" g="7" s="1"><n>Друга</n><v>2</v></p>',
        fields={**fields, **({"group_code": code} if code else {})},
    )
    base, *variants = goods.offers
    assert (base.kind, base.id, dict(base.keys)) == ("base", "group:7", {"sku": "7"} if code else {})
    assert base.values == {"name": "Назва", "published": True}
    assert [(one.kind, one.product) for one in variants] == [("variant", "group:7")] * 2


def test_variants_inside_of_their_product() -> None:
    goods = document(
        {"list": [
            {"a": "T", "n": "Футболка", "o": [{"a": "T-M", "p": 1, "q": 3}, {"p": 2}, {"a": "T-L", "p": 2, "q": None}]},
            {"a": "M", "n": "Горня", "o": []},
            {"a": "C", "n": "Кепка", "o": "?"},
        ]},
        product="list", variants={"each": "o", "fields": {"code": "a", "price": "p", "stock": "q"}},
        fields={"code": "a", "name": "n"},
    )  # fmt: skip
    assert [(one.kind, one.keys["sku"]) for one in goods.offers] == [
        ("base", "T"), ("variant", "T-M"), ("variant", "T-L"), ("single", "M"), ("single", "C"),
    ]  # fmt: skip
    assert [(one.code, one.on_hand) for one in goods.levels] == [("T-M", Decimal(3))], "nothing said is no zero"


def test_a_tree_of_categories_with_a_loop_and_a_stranger() -> None:
    goods = xml(
        '<c i="1">A</c><c i="2" u="1">B</c><c i="3" u="4">L</c><c i="4" u="3">K</c>'
        '<p c="X"><k>2</k></p><p c="Y"><k>3</k></p><p c="Z"><k>9</k></p><p c="W"/>',
        categories={"each": "/g/c", "id": "@i", "parent": "@u", "name": "."},
        fields={"code": "@c", "category": "k"},
    )
    assert {code: one.values.get("category") for code, one in by_code(goods).items()} == {
        "X": ("A", "B"), "Y": ("L",), "Z": None, "W": (),
    }  # fmt: skip
    assert [code for code, _ in told(goods)] == ["category-loop", "category-loop", "goods-value"]


def test_two_rows_of_one_article_stay_two() -> None:
    goods = table("A;N;P\nX;Один;1\nX;Два;2\n")
    assert [(one.id, one.keys["sku"]) for one in goods.offers] == [("X", "X"), ("X#2", "X")]


def test_stock_by_warehouses_and_what_is_told_of_the_shape() -> None:
    fields = {"code": "A", "stocks": {"main": "M", "second": "S"}, "prices": {"cost": "P"}, "model": "N"}
    goods = table("A;N;P;M;S\nX;m-1;2;1;багато\n", fields=fields)
    assert [(one.warehouse, one.on_hand, one.offer) for one in goods.levels] == [("main", Decimal(1), "X")]
    assert goods.offers[0].keys == {"sku": "X", "model": "m-1"}
    shape = CsvGoods().shape(CsvGoodsSettings.model_validate({"fields": fields}))
    assert shape.fields == {"price.cost", "currency"}
    assert (shape.keys, shape.stock, shape.warehouses) == (("sku", "model"), True, ("main", "second"))
    assert not CsvGoods().shape(CsvGoodsSettings.model_validate({"fields": {"code": "A"}})).stock


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "The file is empty"),
        (b"<g/>", "There is no product at `/g/p`"),
        (b"<g><p", "cut off"),
        (b"{}", ""),
        (b'<!DOCTYPE g [<!ENTITY e "x">]><g><p c="&e;"/></g>', "DOCTYPE"),
    ],
)
def test_what_is_no_such_catalogue_is_refused_whole(data: bytes, words: str) -> None:
    settings = XmlGoodsSettings.model_validate({"product": "/g/p", "fields": {"code": "@c"}})
    with pytest.raises(Rejected) as caught:
        XmlGoods().goods(data, settings, CONTEXT)
    assert words in str(caught.value)


def test_a_plain_doctype_is_passed_over_and_lines_stay_right() -> None:
    data = b'<?xml version="1.0"?>\n<!DOCTYPE g SYSTEM\n "shops.dtd">\n<g>\n<p/>\n<p c="X"/></g>'
    settings = XmlGoodsSettings.model_validate({"product": "/g/p", "fields": {"code": "@c"}})
    goods = XmlGoods().goods(data, settings, CONTEXT)
    assert [one.keys["sku"] for one in goods.offers] == ["X"]
    assert [one.where.line for one in goods.findings] == [5]


def test_a_column_that_is_gone_is_no_empty_one() -> None:
    with pytest.raises(Rejected, match="no column “P”"):
        table("A;N;Ціна\nX;Один;1\n")
    with pytest.raises(Rejected, match="never closed"):
        table('A;N;P\nX;"Один;1\n')


def test_no_product_is_fine_only_where_that_is_said() -> None:
    with pytest.raises(Rejected):
        document([])
    assert document([], allow_empty=True).offers == ()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"fields": {"name": "n"}, "product": "/g/p"}, "code"),
        ({"fields": {"code": "p[", "stock": "s"}, "product": "/g/p"}, "no XPath"),
        ({"fields": {"code": "c", "stock": "s", "stocks": {"a": "b"}}, "product": "/g/p"}, "`stocks`"),
        ({"fields": {"code": "c", "special_end": "s"}, "product": "/g/p"}, "special_price"),
        (
            {
                "fields": {"code": "c", "group": "g"},
                "product": "/g/p",
                "variants": {"each": "v", "fields": {"code": "c"}},
            },
            "`group`",
        ),
    ],
)  # fmt: skip
def test_a_wrong_mapping_is_told_before_any_file(settings: Any, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        XmlGoodsSettings.model_validate(settings)
