"""Goods and offers as an accounting program writes them: a file of the catalogue and one of offers. Pure.

Fields are those that :mod:`.goods` reads. Both files say ``СодержитТолькоИзменения``: what is not in them stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from plugins.commerceml.goods import Group, PriceType, Warehouse
from plugins.commerceml.order_out import put_element, xml_of

CATALOGUE, CLASSIFIER = "mistok-catalogue", "mistok-classifier"


@dataclass(frozen=True, slots=True)
class Item:
    """A good, or an offer of one with characteristics."""

    id: str
    fields: Mapping[str, Any]
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Export:
    """What is written. ``groups`` are all that there are: shops take a classifier for whole."""

    goods: Sequence[Item] = ()
    offers: Sequence[Item] = ()
    groups: Sequence[Group] = ()
    price_types: Sequence[PriceType] = ()
    warehouses: Sequence[Warehouse] = ()
    full: bool = False
    owner: str = "Mistok"
    currencies: Mapping[str, str] = field(default_factory=dict)


def catalogue_parts(export: Export) -> list[str]:
    """``Классификатор`` and ``Каталог``."""
    sort = _named("Классификатор", CLASSIFIER, "Класифікатор")
    _owner(sort, export.owner)
    if export.groups:
        _groups(put_element(sort, "Группы"), export.groups, "")
    book = _named("Каталог", CATALOGUE, "Каталог")
    book.set("СодержитТолькоИзменения", _flag(not export.full))
    put_element(book, "ИдКлассификатора", CLASSIFIER, after="Ид")
    _owner(book, export.owner)
    goods = put_element(book, "Товары")
    for item in export.goods:
        _good(goods, item)
    return [xml_of(sort), xml_of(book)]


def offer_parts(export: Export) -> list[str]:
    """``ПакетПредложений``."""
    packet = _named("ПакетПредложений", f"{CATALOGUE}#", "Пакет пропозицій")
    packet.set("СодержитТолькоИзменения", _flag(not export.full))
    put_element(packet, "ИдКаталога", CATALOGUE)
    put_element(packet, "ИдКлассификатора", CLASSIFIER)
    _owner(packet, export.owner)
    if export.price_types:
        kinds = put_element(packet, "ТипыЦен")
        for kind in export.price_types:
            one = put_element(kinds, "ТипЦены")
            put_element(one, "Ид", kind.id)
            put_element(one, "Наименование", kind.name)
            put_element(one, "Валюта", export.currencies.get(kind.currency, kind.currency))
    if export.warehouses:
        houses = put_element(packet, "Склады")
        for house in export.warehouses:
            one = put_element(houses, "Склад")
            put_element(one, "Ид", house.id)
            put_element(one, "Наименование", house.name)
    offers = put_element(packet, "Предложения")
    for item in export.offers:
        _offer(offers, item, export)
    return [xml_of(packet)]


def _named(tag: str, own: str, name: str) -> Any:
    one = put_element(None, tag)
    put_element(one, "Ид", own)
    put_element(one, "Наименование", name)
    return one


def _owner(parent: Any, name: str) -> None:
    owner = put_element(parent, "Владелец")
    put_element(owner, "Ид", "mistok")
    put_element(owner, "Наименование", name)
    put_element(owner, "ПолноеНаименование", name)


def _groups(parent: Any, groups: Sequence[Group], above: str) -> None:
    for group in groups:
        if group.parent == above:
            one = put_element(parent, "Группа")
            put_element(one, "Ид", group.id)
            put_element(one, "Наименование", group.name)
            if any(other.parent == group.id for other in groups):
                _groups(put_element(one, "Группы"), groups, group.id)


def _head(parent: Any, tag: str, item: Item) -> Any:
    fields, one = item.fields, put_element(parent, tag)
    if item.deleted:
        one.set("Статус", "Удален")
    put_element(one, "Ид", item.id)
    for name, inner in (("barcode", "Штрихкод"), ("article", "Артикул")):
        if name in fields:
            put_element(one, inner, fields[name])
    put_element(one, "Наименование", fields.get("name", ""))
    unit = put_element(one, "БазоваяЕдиница", fields.get("unit") or "шт")
    if (fields.get("unit") or "шт") == "шт":
        unit.set("Код", "796")
        unit.set("НаименованиеПолное", "Штука")
        unit.set("МеждународноеСокращение", "PCE")
    return one


def _good(parent: Any, item: Item) -> None:
    fields, one = item.fields, _head(parent, "Товар", item)
    if fields.get("groups"):
        groups = put_element(one, "Группы")
        for own in fields["groups"]:
            put_element(groups, "Ид", own)
    put_element(one, "Описание", fields.get("description", ""))
    for path in fields.get("images", ()):
        put_element(one, "Картинка", path)
    if fields.get("manufacturer"):
        maker = put_element(one, "Изготовитель")
        put_element(maker, "Ид", fields["manufacturer"])
        put_element(maker, "Наименование", fields["manufacturer"])
    told = {"ВидНоменклатуры": "Товар", "ТипНоменклатуры": "Товар"}
    if fields.get("weight"):
        told["Вес"] = fields["weight"]
    inner = put_element(one, "ЗначенияРеквизитов")
    for name, value in told.items():
        pair = put_element(inner, "ЗначениеРеквизита")
        put_element(pair, "Наименование", name)
        put_element(pair, "Значение", value)


def _offer(parent: Any, item: Item, export: Export) -> None:
    fields, one = item.fields, _head(parent, "Предложение", item)
    if fields.get("options"):
        several = put_element(one, "ХарактеристикиТовара")
        for name, value in fields["options"].items():
            pair = put_element(several, "ХарактеристикаТовара")
            put_element(pair, "Наименование", name)
            put_element(pair, "Значение", value)
    if fields.get("prices"):
        prices = put_element(one, "Цены")
        for kind, price in fields["prices"].items():
            entry, money = put_element(prices, "Цена"), price.get("currency", "")
            shown = export.currencies.get(money, money)
            unit = fields.get("unit") or "шт"
            put_element(entry, "Представление", f"{price['price']} {shown} за {unit}")
            put_element(entry, "ИдТипаЦены", kind)
            put_element(entry, "ЦенаЗаЕдиницу", price["price"])
            put_element(entry, "Валюта", shown)
            put_element(entry, "Единица", unit)
            put_element(entry, "Коэффициент", "1")
    stock: Mapping[str, str] = fields.get("stock", {})
    if stock:
        total = sum((Decimal(left) for left in stock.values()), Decimal(0))
        put_element(one, "Количество", f"{total:f}")
        for place, left in stock.items():
            if place:
                house = put_element(one, "Склад")
                house.set("ИдСклада", place)
                house.set("КоличествоНаСкладе", left)


def _flag(value: bool) -> str:
    return "true" if value else "false"
