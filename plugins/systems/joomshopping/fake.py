"""A JoomShopping shop as far as files show it: what its export add-ons write, and what a task plug-in takes.

From the sheet of facts (docs/catalogue-format.md tells them): the export quotes a cell only when it has ``;`` or ``"``,
turns line breaks into spaces, and ends without a line end; the plug-in "WT update JShopping prices and quantity" reads
three columns by ``fgetcsv`` when the file is newer than its last run, finds products by a code without regard to case,
updates all that have it, skips an empty cell and a bare ``0``, dies at a price that is no number, and creates nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Literal

from pipeline.api import PhpCsvReader

CORE = ("product_id", "ean", "qty", "date", "price", "tax", "category", "name", "short_description", "description")
NR = (*CORE, "category_id", "product_manufacturer_id", "meta_description", "meta_keyword", "product_publish",
      "product_template", "delivery_times_id")  # fmt: skip
#: named columns, as the add-ons in which columns are chosen write them
NAMED = (
    "product_id", "ean", "manufacturer_code", "real_ean", "parent_ean", "attributes", "categories", "name_uk-UA",
    "name_ru-RU", "short_description_uk-UA", "description_uk-UA", "price", "old_price", "buy_price", "currency", "qty",
    "unlimited", "unit", "weight", "publish", "manufacturer", "image", "images", "date_modify", "hits",
)  # fmt: skip
LAYOUTS: Mapping[str, tuple[str, ...]] = {"core": CORE, "nr": NR, "named": NAMED}
_NUMERIC = re.compile(r"\s*[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?\s*", re.ASCII)


@dataclass(frozen=True)
class Quirks:
    """What is not known for sure, or differs from site to site."""

    deletes: bool = False  #: a script of the site's own that deletes the file when it has taken it
    old_price: bool = False  #: and knows a fourth column; what the plug-in does with one is not known
    variants: bool = True  #: the plug-in is set to look among variants as well
    latin: bool = False  #: the built-in export: every letter that ISO-8859-1 lacks becomes ``?``
    key: Literal["product_ean", "manufacturer_code", "real_ean"] = "product_ean"


class TaskDied(Exception):
    """The plug-in's task ended in the middle, as PHP 8 does at a TypeError."""


@dataclass
class Product:
    """A row of the shop's tables, with the names that they have there; a variant has a ``parent``."""

    id: int
    product_ean: str = ""
    manufacturer_code: str = ""
    real_ean: str = ""
    parent: int = 0
    attributes: str = ""
    categories: str = ""
    names: dict[str, str] = field(default_factory=dict)
    short_description: str = ""
    description: str = ""
    product_price: Decimal = Decimal("0.000000")
    product_old_price: Decimal = Decimal("0.000000")
    product_buy_price: Decimal = Decimal("0.000000")
    product_quantity: Decimal = Decimal("0.00")
    unlimited: bool = False
    unit: str = ""
    product_weight: Decimal = Decimal("0.0000")
    product_publish: bool = True
    manufacturer: str = ""
    image: str = ""
    images: str = ""
    date_modify: str = "2026-11-20 10:00:00"
    hits: int = 7


class FakeShop:
    """A shop with a folder that it exports into, and one that it takes updates from."""

    def __init__(self, exports: Path, updates: Path, quirks: Quirks | None = None, *, header: bool = True) -> None:
        self.exports, self.updates, self.quirks, self.header = exports, updates, quirks or Quirks(), header
        self.products: dict[int, Product] = {}
        self.taken: list[list[list[str]]] = []  #: the rows of each file that was taken
        self._last = 0
        self._run = 0.0  #: modification time of the file at the plug-in's last run

    def add(self, **values: object) -> Product:
        """A new row; gives it with its id."""
        self._last += 1
        product = Product(id=self._last, **values)  # type: ignore[arg-type]  # names of the record's own fields
        self.products[self._last] = product
        return product

    # --- the export --------------------------------------------------------------------------------------------------

    def export(self, layout: str = "named", name: str = "export.csv", *, delimiter: str = ";") -> Path:
        """Write the catalogue; gives the file."""
        headers = LAYOUTS[layout]
        rows = [self._row(product, headers) for product in self.products.values()]
        lines = [delimiter.join(_cell(cell, delimiter) for cell in row) for row in ([*headers], *rows)]
        path = self.exports / name
        path.write_bytes("\n".join(lines).encode())
        return path

    def _row(self, product: Product, headers: Sequence[str]) -> list[str]:
        p = product
        parent = self.products.get(p.parent)
        name = p.names.get("uk-UA", "")
        values = {
            "product_id": "" if parent else str(p.id),
            "ean": p.product_ean,
            "manufacturer_code": p.manufacturer_code,
            "real_ean": p.real_ean,
            "parent_ean": parent.product_ean if parent else "",
            "attributes": p.attributes,
            "category": p.categories.rpartition("/")[2],
            "categories": p.categories,
            "name": name,
            "name_uk-UA": name,
            "name_ru-RU": p.names.get("ru-RU", ""),
            "short_description": p.short_description,
            "short_description_uk-UA": p.short_description,
            "description": p.description,
            "description_uk-UA": p.description,
            "price": f"{p.product_price:.6f}",
            "old_price": f"{p.product_old_price:.6f}",
            "buy_price": f"{p.product_buy_price:.6f}",
            "currency": "UAH",
            "qty": f"{p.product_quantity:.2f}",
            "unlimited": str(int(p.unlimited)),
            "unit": p.unit,
            "weight": f"{p.product_weight:.4f}",
            "publish": str(int(p.product_publish)),
            "product_publish": str(int(p.product_publish)),
            "manufacturer": p.manufacturer,
            "image": p.image,
            "images": p.images,
            "date": p.date_modify,
            "date_modify": p.date_modify,
            "hits": str(p.hits),
        }
        row = [values.get(header, "") for header in headers]
        if self.quirks.latin:
            row = [cell.encode("latin-1", "replace").decode("latin-1") for cell in row]
        return row

    # --- the plug-in -------------------------------------------------------------------------------------------------

    def run_task(self, name: str = "stock.csv") -> bool:
        """Take the file if it is newer than at the last run; whether it was. Raises TaskDied as the real one dies."""
        path = self.updates / name
        if not path.exists() or path.stat().st_mtime <= self._run:
            return False
        self._run = path.stat().st_mtime
        reader = PhpCsvReader()
        rows = [[(cell or b"").decode() for cell in row] for row in (*reader.feed(path.read_bytes()), *reader.close())]
        self.taken.append(rows)
        for row in rows[1:] if self.header else rows:
            self._take(row)
        if self.quirks.deletes:
            path.unlink()
            self._run = 0.0
        return True

    def _take(self, row: Sequence[str]) -> None:
        code, quantity, price = (*row, "", "", "")[:3]
        price = self._number(price)
        for product in self.products.values():
            theirs = str(getattr(product, self.quirks.key))
            if not code or _compared(theirs) != _compared(code) or (product.parent and not self.quirks.variants):
                continue
            if quantity not in ("", "0"):
                product.product_quantity = _stored(quantity, "0.01")
            if price:
                product.product_price = _stored(price, "0.000001")
            if self.quirks.old_price and len(row) > 3 and row[3]:
                product.product_old_price = _stored(self._number(row[3]), "0.000001")

    @staticmethod
    def _number(price: str) -> str:
        """``number_format`` of PHP 8: a text that is no number is a TypeError."""
        if price and not _NUMERIC.fullmatch(price):
            raise TaskDied(price)
        return price


def _cell(text: str, delimiter: str) -> str:
    """As the shop's own ``Csv::implodeCSV`` writes a cell."""
    text = re.sub(r"[\n\r\t]", " ", text)
    return '"' + text.replace('"', '""') + '"' if delimiter in text or '"' in text else text


def _compared(code: str) -> str:
    """As MySQL compares in a collation without case."""
    return code.casefold().rstrip(" ")


def _stored(text: str, step: str) -> Decimal:
    """As a DECIMAL column keeps a number that is one."""
    return Decimal(text.strip()).quantize(Decimal(step), ROUND_HALF_UP)
