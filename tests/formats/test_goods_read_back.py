"""A catalogue that is declared for writing is read by the same declaration, whoever wrote it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from pipeline.errors import ConfigError
from pipeline.flow import FormatPlugin
from pipeline.model import Offer
from pipeline.ports import Goods, GoodsFormat
from plugins.formats import catalogue_csv, catalogue_xml
from tests.formats.catalogues import CONTEXT, DECEMBER, NOVEMBER, ROWS, make, settings_of

CSV: dict[str, Any] = {
    "encoding": "utf-8",
    "delimiter": "tab",
    "columns": [
        {"header": "Код", "field": "code"},
        {"header": "Група", "field": "parent"},
        {"header": "Назва", "field": "name"},
        {"header": "Назва рос.", "field": "name.ru-RU"},
        {"header": "Ціна", "field": "price", "decimal_mark": ",", "decimals": 2},
        {"header": "Акція", "field": "special_price"},
        {"header": "Акція з", "field": "special_start"},
        {"header": "Акція до", "field": "special_end"},
        {"header": "Залишок", "field": "stock", "decimal_mark": ","},
        {"header": "Є", "field": "published", "yes": "так", "no": "ні"},
        {"header": "Од.", "field": "unit", "table": {"шт": "pcs"}},
        {"header": "Шлях", "field": "category", "separator": " > "},
        {"header": "Фото", "field": "image"},
        {"header": "Ще фото", "field": "images"},
        {"header": "Валюта", "value": "UAH"},
    ],
}
XML: dict[str, Any] = {
    "root": "catalogue/goods",
    "root_attributes": {"xmlns:g": "urn:g"},
    "item": "g:product",
    "attributes": [{"name": "id", "field": "code"}, {"name": "group", "field": "parent"}],
    "elements": [
        {"name": "title", "field": "name"},
        {"name": "price", "field": "price", "attributes": [{"name": "currency", "field": "currency"}]},
        {"name": "old", "field": "price.old"},
        {"name": "rest", "field": "stock"},
        {"name": "images/image", "field": "image"},
        {"name": "images/image", "field": "images", "each": True},
        {"name": "path/step", "field": "category", "each": True},
        {"name": "g:param", "field": "options", "each": True, "key": "name"},
        {"name": "unit", "field": "unit", "table": {"шт": "pcs"}},
    ],
}


def read(plugin: FormatPlugin, settings: dict[str, Any], data: bytes) -> Goods:
    assert isinstance(plugin.format, GoodsFormat)
    return plugin.format.goods(data, settings_of(plugin, settings), CONTEXT)


def written(plugin: FormatPlugin, settings: dict[str, Any]) -> dict[str, Offer]:
    """What was written and read again, by article."""
    rows = [{"name.ru-RU": "Грунт", "price.old": None, **one} for one in ROWS]
    goods = read(plugin, settings, make(plugin, settings, rows).data)
    assert [str(one.text) for one in goods.findings] == []
    return {one.keys["sku"]: one for one in goods.offers}


def test_columns_are_read_as_they_were_written() -> None:
    found = written(catalogue_csv.PLUGIN, CSV)
    assert list(found) == ["0042", "E-303", "E-303-2", "ЛК-500"]
    assert [found[code].kind for code in found] == ["single", "base", "variant", "single"]
    values = found["0042"].values
    assert values["name"] == 'Ґрунт «4+1»; & <лак>, "сірий"'
    assert values["price"] == Decimal("389.50")
    assert values["unit"] == "шт"
    assert values["category"] == ("Авто", "Ґрунти")
    assert values["published"] is True
    (special,) = values["specials"]
    assert (special.money.amount, special.start, special.end) == (350, NOVEMBER, DECEMBER)
    assert {"a b.png", "set.jpg"} <= set(values["images"])


def test_elements_are_read_as_they_were_written() -> None:
    found = written(catalogue_xml.PLUGIN, XML)
    assert list(found) == ["0042", "E-303", "E-303-2", "ЛК-500"]
    assert found["E-303-2"].kind == "variant"
    assert found["E-303-2"].values["options"]
    assert found["0042"].values["category"] == ("Авто", "Ґрунти")
    assert found["0042"].values["unit"] == "шт"
    assert found["0042"].values["currency"] == "UAH"
    shape = catalogue_xml.PLUGIN.format.shape(settings_of(catalogue_xml.PLUGIN, XML))  # type: ignore[union-attr]
    assert shape.stock
    assert {"name", "price", "price.old", "images", "options", "category"} <= shape.fields


def test_a_foreign_file_of_such_columns_is_read_in_any_order_of_them() -> None:
    settings = {"columns": CSV["columns"][:1] + CSV["columns"][4:5], "encoding": "windows-1251"}
    goods = read(catalogue_csv.PLUGIN, settings, "Інше;Ціна;Код\n?;12,50;А-1\n?;дорого;А-2\n".encode("cp1251"))
    assert [(one.keys["sku"], one.values.get("price")) for one in goods.offers] == [
        ("А-1", Decimal("12.50")), ("А-2", None),
    ]  # fmt: skip
    assert len(goods.findings) == 1


@pytest.mark.parametrize(
    ("plugin", "settings"),
    [
        (catalogue_csv.PLUGIN, {"columns": [{"header": "Ціна", "field": "price"}]}),
        (catalogue_xml.PLUGIN, {"elements": [{"name": "price", "field": "price"}]}),
    ],
)
def test_without_a_column_of_codes_nothing_is_read(plugin: FormatPlugin, settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="`code`"):
        read(plugin, settings, b"x")
