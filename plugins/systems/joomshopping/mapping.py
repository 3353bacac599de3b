"""Names of JoomShopping's columns, and what stands in their cells. Pure.

Headers are those of the shop's own "Simple Export" (ten columns), of "NR Import/Export UTF-8" (seventeen), of the
official "Universal CSV Import/Export" and of "Complex import/export", and those that Mistok's own export has. Numbers
are written as MySQL tells them: ``249.900000``, never with thousands apart.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from typing import Any
from zoneinfo import ZoneInfo

from pipeline.api import T, Text
from plugins.systems.joomshopping.settings import LEFT_OUT, ExportSettings

#: header, in small letters -> what it is; texts also with a language, as ``name_uk-UA``
HEADERS: Mapping[str, str] = {
    "product_id": "id",
    "id": "id",
    "ean": "code",
    "product_ean": "code",
    "manufacturer_code": "manufacturer_code",
    "real_ean": "barcode",
    "parent_ean": "parent",
    "attributes": "options",
    "name": "name",
    "short_description": "short_description",
    "description": "description",
    "category": "category_leaf",
    "categories": "category",
    "price": "price",
    "product_price": "price",
    "old_price": "price.old",
    "product_old_price": "price.old",
    "buy_price": "price.cost",
    "purchase_price": "price.cost",
    "product_buy_price": "price.cost",
    "currency": "currency",
    "qty": "stock",
    "quantity": "stock",
    "product_quantity": "stock",
    "unlimited": "unlimited",
    "unit": "unit",
    "weight": "weight",
    "product_weight": "weight",
    "publish": "published",
    "published": "published",
    "product_publish": "published",
    "manufacturer": "manufacturer",
    "image": "image",
    "images": "images",
    "date_modify": "updated_at",
    "modyfy_date": "updated_at",  # so spelt by the official add-on
}
_TEXTS = ("name", "short_description", "description")
_PRICES = ("price", "price.old", "price.cost")
#: Fields that offers of a shop may tell; those that its export has no column for are not in their values.
READS = frozenset((*_TEXTS, *_PRICES, "currency", "category", "images", "options", "unit", "barcode")) | {
    "manufacturer", "weight", "published",
}  # fmt: skip
KEYS = ("code", "manufacturer_code", "barcode")
CODE_LENGTH = 32  #: product_ean varchar(32)
_QUANTITY = Decimal(10) ** 10  # DECIMAL(12,2)
_PRICE = Decimal(10) ** 12  # DECIMAL(18,6)
_NUMBER = re.compile(r"-?\d{1,18}(?:\.\d{1,18})?", re.ASCII)
_COMMA = re.compile(r"-?\d{1,18},(?:\d{1,2}|\d{4,18})", re.ASCII)  # 1,234 can be read two ways
_DATE = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d:\d\d))?", re.ASCII)


class BadCell(ValueError):
    """A cell that cannot be what its column is; ``text`` says why."""

    def __init__(self, column: str, text: Text) -> None:
        super().__init__(str(text))
        self.column, self.text = column, text


def columns_of(headers: Sequence[str], settings: ExportSettings, language: str) -> dict[str, int]:
    """Field -> place of its column. Raises BadCell for a column that is missing, or there twice."""
    given = {_plain(header): field for header, field in settings.columns.items()}
    missing = [header for header in settings.columns if _plain(header) not in {_plain(one) for one in headers}]
    if missing:
        raise BadCell(missing[0], T("The export has no column {header}.", header=missing[0]))
    found: dict[str, int] = {}
    rank: dict[str, int] = {}
    for place, header in enumerate(headers):
        plain = _plain(header)
        own = given.get(plain)
        field, sure = (own, 2) if own else _by_name(plain, language)
        if not field or field == LEFT_OUT:
            continue
        if field in found and rank[field] == sure:
            raise BadCell(
                header, T("Columns {first} and {second} mean the same.", first=headers[found[field]], second=header)
            )
        if field not in found or rank[field] < sure:
            found[field], rank[field] = place, sure
    return found


def _by_name(plain: str, language: str) -> tuple[str, int]:
    """The field of a known header, and how sure that is: a text in the language is surer than one without."""
    base, line, tag = plain.rpartition("_")
    if line and base in _TEXTS and re.fullmatch(r"[a-z]{2}-[a-z]{2}", tag):
        return (base, 1) if tag == language.casefold() else ("", 0)
    return HEADERS.get(plain, ""), 0


def _plain(header: str) -> str:
    return header.strip().casefold()


def keys_of(cells: Mapping[str, str]) -> dict[str, str]:
    """The article fields that are filled in."""
    return {name: text for name in KEYS if (text := cells.get(name, "").strip())}


def values_of(
    cells: Mapping[str, str],
    settings: ExportSettings,
    currency: str,
    bad: Callable[[BadCell], None],
    *,
    variant: bool,
) -> dict[str, Any]:
    """Values of an offer, by OFFER_FIELDS, as far as there are columns.

    Args:
        bad: hears of each cell that cannot be what its column is; its value is not known, and left out. Where that is
            the currency, no price is known either.
    """
    values: dict[str, Any] = {name: cells[name] for name in _TEXTS if name in cells}
    values |= {name: cells[name].strip() for name in ("unit", "manufacturer", "barcode") if name in cells}

    def put(name: str, read: Callable[[], Any]) -> None:
        try:
            values[name] = read()
        except BadCell as error:
            bad(error)

    if "price" in cells:
        put("price", lambda: number(cells, "price"))
    for name in ("price.old", "price.cost", "weight"):
        if name in cells:
            put(name, lambda name=name: number(cells, name) or None)  # type: ignore[misc]  # 0 is the database's none
    put("currency", lambda: _currency(cells, currency))
    if "currency" not in values:
        values = {name: value for name, value in values.items() if name not in _PRICES}
    if "category" in cells:
        values["category"] = _parts(cells["category"], settings.path_separator)
    elif "category_leaf" in cells:
        leaf = cells["category_leaf"].strip()
        values["category"] = (leaf,) if leaf else ()
    if "image" in cells or "images" in cells:
        first = cells.get("image", "").strip()
        others = _parts(cells.get("images", ""), settings.list_separator)
        values["images"] = tuple(dict.fromkeys((first, *others) if first else others))
    if "published" in cells:
        put("published", lambda: _flag(cells, "published"))
    if variant and "options" in cells:
        values["options"] = _pairs(cells["options"], settings.list_separator)
    return values


def stock_of(cells: Mapping[str, str]) -> Decimal | None:
    """How much there is; None: it is sold without a limit. Raises BadCell."""
    if cells.get("stock", "").strip() == "+" or ("unlimited" in cells and _flag(cells, "unlimited")):
        return None
    return number(cells, "stock") or Decimal(0)


def number(cells: Mapping[str, str], column: str) -> Decimal | None:
    """``249.900000`` -> 249.90; an empty cell is None. Raises BadCell."""
    text = cells.get(column, "").strip()
    if not text:
        return None
    if _COMMA.fullmatch(text):
        text = text.replace(",", ".")
    if not _NUMBER.fullmatch(text):
        raise BadCell(column, T("{cell} is not a number.", cell=text[:40]))
    whole, _, fraction = text.partition(".")
    return Decimal(f"{whole}.{fraction.rstrip('0').ljust(2, '0')}")


def moment(cells: Mapping[str, str], zone: ZoneInfo) -> datetime | None:
    """``2026-01-31 14:05:00``, the shop's wall clock -> aware; empty and MySQL's zero date are None. Raises BadCell."""
    text = cells.get("updated_at", "").strip()
    if not text or text.startswith("0000-00-00"):
        return None
    found = _DATE.fullmatch(text)
    try:
        if found:
            return datetime.fromisoformat(f"{found[1]}T{found[2] or '00:00:00'}").replace(tzinfo=zone)
    except ValueError:
        pass  # the 31st of February: said below
    raise BadCell("updated_at", T("{cell} is not a date such as 2026-01-31 14:05:00.", cell=text[:40]))


def _currency(cells: Mapping[str, str], default: str) -> str:
    text = cells.get("currency", "").strip().upper()
    if text and not re.fullmatch(r"[A-Z]{3}", text):
        raise BadCell("currency", T("{value} is not a currency code such as UAH.", value=text[:40]))
    return text or default


def _flag(cells: Mapping[str, str], column: str) -> bool:
    text = cells[column].strip()
    if text not in {"0", "1", ""}:
        raise BadCell(column, T("{cell} is neither 1 nor 0.", cell=text[:40]))
    return text == "1"


def _parts(text: str, separator: str) -> tuple[str, ...]:
    return tuple(part for one in text.split(separator) if (part := one.strip()))


def _pairs(text: str, separator: str) -> dict[str, str]:
    """``Колір:Червоний|Об'єм:1 л`` -> its options."""
    pairs = (part.partition(":") for part in _parts(text, separator))
    return {name.strip(): value.strip() for name, _, value in pairs}


# --- the file that the shop takes ------------------------------------------------------------------------------------


def fold(code: str) -> str:
    """What the shop's database takes for one code: MySQL compares without case and without blanks at the end."""
    return code.casefold().rstrip(" ")


def quantity_text(quantity: Decimal) -> str:
    """A level as the shop's plug-in takes it: two decimals, rounded down. A bare ``0`` it would skip, so ``0.00``.

    Raises ValueError with words for what the shop cannot keep.
    """
    if not quantity.is_finite() or abs(quantity) >= _QUANTITY:
        raise ValueError(T("{value} has too many digits.", value=str(quantity)[:40]))
    if quantity < 0:
        raise ValueError(T("{cell} is below 0.", cell=str(quantity)))
    return str(quantity.quantize(Decimal("0.01"), ROUND_DOWN))


def price_text(price: object) -> str:
    """A price with a dot, two to six decimals. Raises ValueError with words for what the shop cannot keep."""
    if price is None:
        raise ValueError(T("The shop's plug-in takes no price away: an empty one stays as it is."))
    if not isinstance(price, Decimal) or not price.is_finite() or abs(price) >= _PRICE:
        raise ValueError(T("{value} has too many digits.", value=str(price)[:40]))
    if price < 0:
        raise ValueError(T("{cell} is below 0.", cell=str(price)))
    whole, _, fraction = f"{price:f}".partition(".")
    fraction = fraction.rstrip("0").ljust(2, "0")
    if len(fraction) > 6:
        raise ValueError(T("{value} has too many digits.", value=str(price)[:40]))
    return f"{whole}.{fraction}"
