"""Catalogue and offers of a file: classifier, goods, offers with prices and stock. Pure.

What a good or an offer does not mention is absent from its fields, so that a file of changes leaves the rest alone.
Values are such as JSON keeps: texts, lists and mappings of texts; numbers are texts with a dot.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from pipeline.api import Finding, T, Text, Who
from plugins.commerceml.words import (
    BadValue,
    Parsed,
    child,
    children,
    currency,
    flag,
    ident,
    number,
    requisites,
    said,
    text,
    words,
)

Fields = Mapping[str, Any]
_BRACKETS = re.compile(r"\s*\([^()]*\)$")


@dataclass(frozen=True, slots=True)
class Group:
    """A category."""

    id: str
    name: str
    parent: str = ""
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Property:
    """A property of goods; ``values`` are those of a list, by their id."""

    id: str
    name: str
    values: Mapping[str, str] = field(default_factory=dict)
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class PriceType:
    """A kind of price. ``currency`` as it is written; empty where it is not said."""

    id: str
    name: str
    currency: str = ""


@dataclass(frozen=True, slots=True)
class Warehouse:
    """A warehouse."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Row:
    """A good, or an offer. ``deleted`` None: it is not said."""

    id: str
    fields: Fields
    deleted: bool | None = None
    line: int = 0

    @property
    def good(self) -> str:
        """The part of its id before ``#``: the good that an offer is of."""
        return self.id.partition("#")[0]

    @property
    def variant(self) -> bool:
        """Whether it is one of a good with characteristics."""
        return "#" in self.id


@dataclass(frozen=True, slots=True)
class Package:
    """What a file says of goods. ``full`` of each part: True all there is, False changes, None not said (changes)."""

    groups: tuple[Group, ...] = ()
    properties: tuple[Property, ...] = ()
    price_types: tuple[PriceType, ...] = ()
    warehouses: tuple[Warehouse, ...] = ()
    goods: tuple[Row, ...] = ()
    offers: tuple[Row, ...] = ()
    has_groups: bool = False
    goods_full: bool | None = None
    offers_full: bool | None = None
    catalogue: bool = False  #: it has a Каталог
    moysklad: bool = False  #: the dialect in which the full name is the description
    findings: tuple[Finding, ...] = ()  #: what was left out: such a file is no whole one
    notes: tuple[Finding, ...] = ()  #: what is only remarked

    @property
    def empty(self) -> bool:
        """Whether it says nothing of goods at all."""
        return not (self.catalogue or self.offers or self.groups or self.price_types or self.warehouses)


def read_goods(parsed: Parsed) -> Package:
    """All that the file says of goods, wherever it stands in it; documents are read by :mod:`.documents`."""
    return _Reader(parsed).package()


class _Reader:
    def __init__(self, parsed: Parsed) -> None:
        self.parsed, self.root = parsed, parsed.root
        self.findings: list[Finding] = []
        self.notes: list[Finding] = []

    def package(self) -> Package:
        root = self.root
        sorts = list(root.iterchildren("Классификатор"))
        catalogues = list(root.iterchildren("Каталог"))
        packets = [*root.iterchildren("ПакетПредложений"), *root.iterchildren("ИзмененияПакетаПредложений")]
        moysklad = any(one.get("СинхронизацияТоваров") is not None for one in (root, *sorts, *catalogues, *packets))
        groups = [group for one in sorts for group in self._groups(child(one, "Группы"), "")]
        types = [one for parent in (*sorts, *packets, *catalogues) for one in self._price_types(parent)]
        places = [one for parent in (*packets, *sorts) for one in self._warehouses(parent)]
        goods, goods_full = self._rows(catalogues, "Товары/Товар", self._good(moysklad))
        offers, offers_full = self._rows(packets, "Предложения/Предложение", self._offer)
        return Package(
            groups=tuple(groups),
            properties=tuple(one for parent in sorts for one in self._properties(parent)),
            price_types=tuple({one.id: one for one in types}.values()),
            warehouses=tuple({one.id: one for one in places}.values()),
            goods=goods,
            offers=offers,
            has_groups=any(child(one, "Группы") is not None for one in sorts),
            goods_full=goods_full,
            offers_full=offers_full,
            catalogue=bool(catalogues),
            moysklad=moysklad,
            findings=tuple(self.findings),
            notes=tuple(self.notes),
        )

    # --- classifier --------------------------------------------------------------------------------------------------

    def _groups(self, parent: Any, above: str) -> Iterator[Group]:
        for one in parent.iterchildren("Группа") if parent is not None else ():
            own = ident(text(one, "Ид"))
            if not own:
                self._lacks(one)
                continue
            yield Group(own, text(one, "Наименование"), above, bool(flag(text(one, "ПометкаУдаления"))))
            yield from self._groups(child(one, "Группы"), own)

    def _properties(self, sort: Any) -> Iterator[Property]:
        for parent in sort.iterchildren("Свойства"):
            for one in (*parent.iterchildren("Свойство"), *parent.iterchildren("СвойствоНоменклатуры")):
                if not (own := ident(text(one, "Ид"))):
                    self._lacks(one)
                    continue
                values = {
                    ident(text(value, "ИдЗначения", "Ид")): text(value, "Значение")
                    for value in children(one, "ВариантыЗначений/Справочник")
                }
                deleted = bool(flag(text(one, "ПометкаУдаления")))
                yield Property(own, text(one, "Наименование"), values, deleted)

    @staticmethod
    def _price_types(parent: Any) -> Iterator[PriceType]:
        for one in children(parent, "ТипыЦен/ТипЦены"):
            if (own := ident(text(one, "Ид"))) and not flag(text(one, "ПометкаУдаления")):
                yield PriceType(own, text(one, "Наименование"), text(one, "Валюта"))

    @staticmethod
    def _warehouses(parent: Any) -> Iterator[Warehouse]:
        for one in children(parent, "Склады/Склад"):
            if own := ident(text(one, "Ид")):
                yield Warehouse(own, text(one, "Наименование"))

    # --- rows --------------------------------------------------------------------------------------------------------

    def _rows(self, parents: list[Any], path: str, read: Any) -> tuple[tuple[Row, ...], bool | None]:
        """The rows of one kind, of twins the last one; and whether they are all that there are."""
        rows: dict[str, Row] = {}
        fulls: list[bool | None] = []
        for parent in parents:
            light = parent.tag == "ИзмененияПакетаПредложений"
            fulls.append(False if light else _full(parent))
            for element in children(parent, path):
                own = ident(text(element, "Ид"))
                if light and (part := ident(text(element, "ИдХарактеристики"))) and "#" not in own:
                    own = f"{own}#{part}"
                if not own:
                    self._lacks(element)
                    continue
                try:
                    row = Row(own, read(element, light), _deleted(element), element.sourceline)
                except BadValue as error:
                    self._left_out("value", element, T("{code}: {what}", code=own, what=said(error)))
                    continue
                before = rows.get(own)
                if before is not None and _differ(before, row):
                    self.notes.append(
                        Finding(
                            "twice",
                            T("{id} stands in lines {first} and {second}, with other content: the second was taken.",
                              id=own, first=before.line, second=row.line),
                            self.parsed.where(element),
                            T("An export names each good once."),
                        )
                    )  # fmt: skip
                if before is not None:  # one of prices and one of stock, each in a packet of its own, are one
                    row = replace(row, fields={**before.fields, **row.fields})
                rows[own] = row
        full = None if not fulls or None in fulls else all(fulls)
        return tuple(rows.values()), False if False in fulls else full

    def _good(self, moysklad: bool) -> Any:
        def read(element: Any, _light: bool) -> Fields:
            found = self._head(element)
            if (groups := child(element, "Группы")) is not None:
                found["groups"] = [own for one in groups.iterchildren("Ид") if (own := ident(words(one)))]
            told = requisites(element)
            first = {name: values[0] for name, values in told.items() if values}
            for name, tag in (("code", "Код"), ("kind", "ТипНоменклатуры"), ("description", "ОписаниеВФорматеHTML")):
                if tag in first:
                    found[name] = first[tag]
            if moysklad and "Полное наименование" in first:
                found["description"] = first["Полное наименование"]
            if (weight := number(first.get("Вес", ""))) is not None:
                found["weight"] = str(weight)
            if "weight" not in found and (weight := number(text(element, "Вес"))) is not None:
                found["weight"] = str(weight)
            if (about := child(element, "Описание")) is not None and not (moysklad and "description" in found):
                found.setdefault("description", words(about))
            pictures = list(element.iterchildren("Картинка"))
            if pictures:
                found["images"] = [path for one in pictures if (path := words(one))]
            maker = child(element, "Изготовитель", "Производитель")
            if maker is not None:
                found["manufacturer"] = text(maker, "Наименование") or (words(maker) if not len(maker) else "")
            elif brand := text(element, "ТорговаяМарка"):
                found["manufacturer"] = brand
            if (values_of := child(element, "ЗначенияСвойств")) is not None:
                found["properties"] = dict(_values(values_of))
            rate = next((text(one, "Ставка") for one in children(element, "СтавкиНалогов/СтавкаНалога")), None)
            if rate is not None:
                found["tax"] = _rate(rate)
            return found

        return read

    def _offer(self, element: Any, light: bool) -> Fields:
        found = self._head(element)
        prices: dict[str, dict[str, str]] = {}
        if child(element, "Цены") is not None:
            for one in children(element, "Цены/Цена"):
                self._price(one, prices)
            found["prices"] = prices
        stock = _stock(element)
        if stock is not None:
            found["stock"] = {place: str(left) for place, left in stock.items()}
            found["stock_part"] = light and "" not in stock
        return found

    def _price(self, element: Any, prices: dict[str, dict[str, str]]) -> None:
        amount = number(text(element, "ЦенаЗаЕдиницу"))
        if amount is None:
            return
        if amount < 0:
            raise BadValue(T("The price {price} is below 0.", price=amount))
        kind = ident(text(element, "ИдТипаЦены"))
        least = number(text(element, "МинКоличество")) or Decimal(0)
        if kind in prices and Decimal(prices[kind].get("least", "0")) <= least:
            return  # a price for larger quantities
        said_currency = text(element, "Валюта")
        currency(said_currency)
        factor = number(text(element, "Коэффициент"))
        prices[kind] = {
            name: value
            for name, value in (
                ("price", str(amount)),
                ("currency", said_currency),
                ("factor", "" if factor in (None, Decimal(1)) else str(factor)),
                ("least", str(least) if least else ""),
            )
            if value
        }

    def _head(self, element: Any) -> dict[str, Any]:
        """What goods and offers both have."""
        found: dict[str, Any] = {}
        for name, tags in (
            ("article", ("Артикул",)),
            ("name", ("Наименование",)),
            ("barcode", ("Штрихкод", "ШтрихКод")),
        ):
            if (one := child(element, *tags)) is not None:
                found[name] = " ".join(words(one).split()) if name == "name" else words(one)
        unit = child(element, "БазоваяЕдиница")
        if unit is not None:
            found["unit"] = _unit(unit)
        if child(element, "ХарактеристикиТовара") is not None:
            found["options"] = {
                _BRACKETS.sub("", text(one, "Наименование")): text(one, "Значение")
                for one in children(element, "ХарактеристикиТовара/ХарактеристикаТовара")
            }
        return found

    # --- what is wrong -----------------------------------------------------------------------------------------------

    def _lacks(self, element: Any) -> None:
        self._left_out("no-id", element, T("<{name}> has no <Ид>, and was left out.", name=str(element.tag)))

    def _left_out(self, code: str, element: Any, what: Text) -> None:
        hint = T("Mend it in the accounting program; the other rows of the file are taken.")
        self.findings.append(Finding(code, what, self.parsed.where(element), hint, Who.ACCOUNTANT))


def _differ(one: Row, other: Row) -> bool:
    shared = one.fields.keys() & other.fields.keys()
    return one.deleted != other.deleted or any(one.fields[name] != other.fields[name] for name in shared)


def _full(parent: Any) -> bool | None:
    """``СодержитТолькоИзменения`` turned round; it is an attribute, or an element in some programs."""
    told = parent.get("СодержитТолькоИзменения") or text(parent, "СодержитТолькоИзменения")
    only = flag(told or "")
    return None if only is None else not only


def _deleted(element: Any) -> bool | None:
    """The mark of deletion in any of its spellings; None: nothing is said, an empty one says False."""
    status = (element.get("Статус") or text(element, "Статус")).casefold()
    mark = flag(text(element, "ПометкаУдаления"))
    if status in ("удален", "удалён", "видалений") or mark:
        return True
    return False if status or mark is False else None


def _unit(element: Any) -> str:
    """``шт``; newer versions have the code of the unit as its text and no name of it but in attributes."""
    told = " ".join(words(element).split())
    named = element.get("НаименованиеКраткое") or element.get("НаименованиеПолное") or ""
    if told and not told.isdigit():
        return told
    return {"796": "шт", "166": "кг", "006": "м", "112": "л"}.get(told or element.get("Код", ""), named or told)


def _values(parent: Any) -> Iterator[tuple[str, list[str]]]:
    for one in (*parent.iterchildren("ЗначенияСвойства"), *parent.iterchildren("ЗначенияСвойств")):
        own = ident(text(one, "Ид"))
        if own:
            yield own, [told for value in one.iterchildren("Значение") if (told := words(value))]


def _rate(raw: str) -> str:
    """Percent, or nothing for “Без НДС”."""
    try:
        found = number(raw.replace("%", ""))
    except BadValue:
        return ""
    return "" if found is None else str(found)


def _stock(element: Any) -> dict[str, Decimal] | None:
    """Warehouse -> quantity, ``""`` for one number over all; None: nothing is said of it.

    Three forms are met: ``Остатки/Остаток`` (2.08 and newer), ``Склад`` with attributes, a bare ``Количество``.
    """
    found: dict[str, Decimal] = {}
    rests = child(element, "Остатки")
    if rests is not None:
        for rest in rests.iterchildren("Остаток"):
            places = list(rest.iterchildren("Склад"))
            for place in places:
                _add(found, ident(text(place, "Ид")), text(place, "Количество"))
            if not places:
                _add(found, "", text(rest, "Количество") or words(rest))
        return _named(found) or {"": Decimal(0)}
    for tag in ("Склад", "Склады"):
        for place in element.iterchildren(tag):
            if place.get("ИдСклада") is not None:
                _add(found, ident(place.get("ИдСклада")), place.get("КоличествоНаСкладе") or "")
    if found:
        return _named(found)
    total = number(text(element, "Количество"))
    return None if total is None else {"": total}


def _add(found: dict[str, Decimal], place: str, raw: str) -> None:
    found[place] = found.get(place, Decimal(0)) + (number(raw) or Decimal(0))


def _named(found: dict[str, Decimal]) -> dict[str, Decimal]:
    """Without a total beside warehouses."""
    return {place: left for place, left in found.items() if place} or found
