"""Which header means what, in English and Ukrainian, and what may stand below it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from pipeline.api import T, Text
from plugins.systems.books.cells import Numbers, moment, not_negative, number, parts, yes

#: field -> the headers that mean it; the first is the one that documentation names
PRODUCT_HEADERS: dict[str, tuple[str, ...]] = {
    "code": ("code", "sku", "article", "model", "артикул", "код", "код товару"),
    "parent": ("parent", "base", "основний товар", "базовий товар"),
    "category": ("category", "категорія", "група"),
    "unit": ("unit", "одиниця", "одиниця виміру", "од."),
    "price": ("price", "ціна", "роздрібна ціна"),
    "price:cost": ("cost", "cost price", "собівартість", "ціна закупівлі"),
    "price:old": ("old_price", "old price", "стара ціна"),
    "special_price": ("special_price", "special price", "акційна ціна"),
    "special_start": ("special_start", "початок акції", "акція з"),
    "special_end": ("special_end", "кінець акції", "акція до"),
    "currency": ("currency", "валюта"),
    "tax_rate": ("tax_rate", "tax", "vat", "пдв", "податок"),
    "stock": ("stock", "quantity", "залишок", "кількість"),
    "image": ("image", "main image", "зображення", "головне зображення"),
    "images": ("images", "other images", "інші зображення", "додаткові зображення"),
    "barcode": ("barcode", "ean", "штрихкод", "штрих-код"),
    "manufacturer": ("manufacturer", "brand", "виробник", "бренд"),
    "weight": ("weight", "вага", "вага, кг"),
    "published": ("published", "publish", "опубліковано", "на сайті"),
    "service": ("service", "послуга"),
    "name": ("name", "назва", "найменування"),
    "short_description": ("short_description", "short description", "короткий опис"),
    "description": ("description", "опис"),
}
#: header before a colon -> field; what stands after it is a price's kind, a warehouse's code, an option's name
PREFIXES = {
    "price": "price",
    "ціна": "price",
    "stock": "stock",
    "залишок": "stock",
    "option": "option",
    "опція": "option",
    "варіант": "option",
}
TEXTS = ("name", "short_description", "description")

REFERENCE_HEADERS: dict[str, tuple[str, ...]] = {
    "kind": ("kind", "вид", "довідник"),
    "code": ("code", "код"),
    "name": ("name", "назва"),
    "first_name": ("first_name", "ім'я", "ім’я"),
    "last_name": ("last_name", "прізвище"),
    "middle_name": ("middle_name", "по батькові"),
    "edrpou": ("edrpou", "єдрпоу"),
    "tax_number": ("tax_number", "іпн"),
    "phone": ("phone", "телефон"),
    "email": ("email", "пошта", "e-mail"),
}


@dataclass(frozen=True, slots=True)
class ColumnOf:
    """A column: its field, what was named after the colon or language mark, and how a filled cell is read."""

    field: str
    detail: str
    read: Callable[[str], Any]


def product_column(header: str, numbers: Numbers, zone: ZoneInfo, language: str) -> ColumnOf | Text | None:
    """What ``header`` means: a column, None for one to leave out (empty, or beginning with #), or what is wrong."""
    if not header or header.startswith("#"):
        return None
    name, colon, detail = (part.strip() for part in header.partition(":"))
    if colon and (field := PREFIXES.get(name.casefold())):
        if not detail:
            return T("Column {header} names nothing after the colon.", header=header)
        return ColumnOf(field, detail, _reader(field, numbers, zone))
    plain = _plain(header)
    if match := re.fullmatch(r"(.+?)[ _.]\(?([a-z]{2}-[a-z]{2})\)?", plain):
        field = _BY_HEADER.get(match[1].strip(), "")
        if field in TEXTS:
            tag = f"{match[2][:2]}-{match[2][3:].upper()}"
            return ColumnOf(field, tag, str.strip)
    found = _BY_HEADER.get(plain)
    if found is None:
        return _unknown(header, list(_BY_HEADER))
    if found in TEXTS:
        return ColumnOf(found, language, str.strip)
    field, _, kind = found.partition(":")
    if field == "price":
        kind = kind or "retail"
    return ColumnOf(field, kind, _reader(field, numbers, zone))


def reference_column(header: str) -> str | Text | None:
    """The field that ``header`` of a references table means, None for one to leave out, or what is wrong."""
    if not header or header.startswith("#"):
        return None
    for field, names in REFERENCE_HEADERS.items():
        if _plain(header) in {_plain(name) for name in names}:
            return field
    return _unknown(header, [name for names in REFERENCE_HEADERS.values() for name in names])


def _reader(field: str, numbers: Numbers, zone: ZoneInfo) -> Callable[[str], Any]:
    decimal = partial(number, numbers=numbers)
    match field:
        case "price" | "special_price" | "weight" | "tax_rate":
            return not_negative(decimal)
        case "stock":
            return decimal
        case "special_start":
            return partial(moment, zone=zone)
        case "special_end":
            return partial(moment, zone=zone, end=True)
        case "published" | "service":
            return yes
        case "category":
            return partial(parts, separator="/")
        case "images":
            return partial(parts, separator="|")
        case "currency":
            return lambda cell: cell.strip().upper()
        case _:
            return str.strip


def _plain(header: str) -> str:
    return " ".join(header.casefold().replace("_", " ").split())


def _unknown(header: str, known: list[str]) -> Text:
    close = difflib.get_close_matches(_plain(header), known, 1, 0.6)
    if close:
        return T("There is no column {header}; did you mean {name}?", header=header, name=close[0])
    return T("There is no column {header}. Begin its name with # to leave it out.", header=header)


_BY_HEADER = {_plain(name): field for field, names in PRODUCT_HEADERS.items() for name in names}
