"""What is measured on: order files of about 3 KB, products with Ukrainian and Russian texts, a client's folder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

LANGUAGES = ("uk-UA", "ru-RU")
GOODS = 1000  #: products that order lines choose from
NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)

_ORDER = """\
<?xml version="1.0" encoding="UTF-8"?>
<orders xmlns="urn:mistok:order:1" generator="JoomShopping 5.4 / order-export 1.2">
  <order>
    <id>{id}</id>
    <number>{id:08d}</number>
    <created>{created}</created>
    <source>farbashop.example</source>
    <customer>
      <type>person</type>
      <last-name>Бондаренко</last-name>
      <first-name>Ірина</first-name>
      <middle-name>Василівна</middle-name>
      <phone>+38050{phone:07d}</phone>
      <email>buyer{phone}@example.com</email>
    </customer>
    <delivery>
      <carrier>nova-poshta</carrier>
      <service>branch</service>
      <method>Нова Пошта: на відділення</method>
      <method-id>3</method-id>
      <city>Дніпро</city>
      <city-ref>db5c88f0-391c-11dd-90d9-001a92567626</city-ref>
      <branch-number>14</branch-number>
      <branch-name>Відділення №14: вул. Соборна, 73</branch-name>
      <branch-ref>9ad9b9a2-5e78-454d-f065-a1c284cc4549</branch-ref>
      <cost>70.00</cost>
    </delivery>
    <payment>
      <method>Післяплата</method>
      <method-id>cod</method-id>
      <status>unpaid</status>
    </payment>
    <items>
{items}
    </items>
    <currency>UAH</currency>
    <subtotal>{subtotal}</subtotal>
    <total>{total}</total>
  </order>
</orders>
"""
_ITEM = """\
      <item>
        <code>{code}</code>
        <name>{name}</name>
        <quantity>{quantity}</quantity>
        <unit>шт</unit>
        <price>{price}</price>
        <tax-rate>20</tax-rate>
        <barcode>{barcode}</barcode>
        <manufacturer>Novol</manufacturer>
      </item>"""

CONFIG = """\
client: bench
timezone: Europe/Kyiv
language: en
connections:
  site: {site}
  out: {{type: local, path: out, create: true}}
  books: {{type: books, url: "sqlite:///books.sqlite3"}}
log: {{file: null}}
jobs:
  orders:
    steps:
      - step: import-orders
        inbox: site
        folder: inbox
        into: books
        stable: 10ms
        client: "0042"
  catalogue:
    steps:
      - step: export-catalogue
        from: books
        to: out
        format: {{type: joomshopping-csv, profile: extended, languages: [{languages}]}}
"""


def code(number: int) -> str:
    """A product's code."""
    return f"F-{number:07d}"


def order(number: int) -> bytes:
    """One order file of about 3 KB: five lines, a buyer of its own for every third."""
    items, subtotal = [], Decimal(0)
    for line in range(5):
        product = (number * 7 + line * 131) % GOODS
        quantity = 1 + (number + line) % 4
        price = Decimal(1990 + product * 5) / 100
        subtotal += price * quantity
        name = f"Ґрунт акриловий {product}, 0,8 л"
        items.append(
            _ITEM.format(code=code(product), name=name, quantity=quantity, price=price, barcode=4820001000000 + product)
        )
    return _ORDER.format(
        id=10_000 + number,
        created=(NOW + timedelta(seconds=number)).strftime("%Y-%m-%d %H:%M:%S"),
        phone=1_000_000 + number // 3,
        items="\n".join(items),
        subtotal=subtotal,
        total=subtotal + 70,
    ).encode()


def orders(count: int) -> Iterator[tuple[str, bytes]]:
    """Names and contents of ``count`` order files."""
    for number in range(count):
        yield f"order-{10_000 + number:08d}.xml", order(number)


def write_orders(folder: Path, count: int) -> None:
    """The order files, in an empty folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in orders(count):
        (folder / name).write_bytes(data)


def open_books(folder: Path) -> Any:
    """The books of a folder."""
    from pipeline.api import SystemEnv
    from pipeline.clock import SystemClock
    from plugins.systems.books.settings import BooksSettings
    from plugins.systems.books.system import Books

    env = SystemEnv("books", "bench", folder, "UAH", "Europe/Kyiv", SystemClock())
    return Books(BooksSettings(url="sqlite:///books.sqlite3"), env)


def fill_books(folder: Path, count: int) -> None:
    """Books with ``count`` products, straight into the tables, and the parties that the jobs name."""
    from sqlalchemy import insert

    from pipeline.api import MatchRules, normal_form
    from plugins.systems.books import tables as t
    from plugins.systems.books.store import SEPARATOR

    folder.mkdir(parents=True, exist_ok=True)
    books = open_books(folder)
    books.make_ready()
    rules = MatchRules()
    with books.database.write() as connection:
        connection.execute(insert(t.warehouses), [{"id": 1, "code": "main"}, {"id": 2, "code": "shop"}])
        values = {"id": 1, "code": "0042", "kind": "person", "name": "Роздрібний покупець", "created_at": NOW}
        connection.execute(insert(t.parties), [values])
        groups = [f"Група {number}" for number in range(40)]
        connection.execute(insert(t.categories), [{"id": 1, "parent_id": None, "name": "Фарби", "path": "Фарби"}])
        connection.execute(
            insert(t.categories),
            [
                {"id": 2 + n, "parent_id": 1, "name": group, "path": f"Фарби{SEPARATOR}{group}"}
                for n, group in enumerate(groups)
            ],
        )
        for numbers in _pieces(range(count), 5000):
            for table, rows in _rows(numbers, len(groups), lambda text: normal_form(text, rules)).items():
                if rows:
                    connection.execute(insert(t.metadata.tables[table]), rows)
    books.close()


def _rows(numbers: Iterable[int], groups: int, normal: Any) -> dict[str, list[dict[str, Any]]]:
    rows: dict[str, list[dict[str, Any]]] = {
        name: [] for name in ("products", "product_texts", "prices", "specials", "images", "stock")
    }
    for n in numbers:
        i = n + 1
        rows["products"].append(
            {
                "id": i,
                "code": code(n),
                "normal": normal(code(n)),
                "category_id": 2 + n % groups,
                "unit": "шт",
                "currency": "UAH",
                "tax_rate": Decimal(20),
                "barcode": str(4820001000000 + n),
                "manufacturer": "Novol",
                "weight": Decimal("1.350"),
                "updated_at": NOW,
            }
        )
        for language, word in zip(LANGUAGES, ("Ґрунт акриловий", "Грунт акриловый"), strict=True):
            rows["product_texts"].append(
                {
                    "product_id": i,
                    "language": language,
                    "name": f"{word} {n}, 0,8 л",
                    "short_description": f"{word}: швидко сохне; для кузова",
                    "description": f"<p>{word} 4+1 для ремонту.</p><ul><li>Залишок: 62&nbsp;%</li>"
                    f'<li>Висихання при 20&nbsp;°C: "3&nbsp;год"</li></ul><p>Артикул {n}.</p>',
                }
            )
        price = Decimal(1990 + n % GOODS * 5) / 100
        rows["prices"].append({"product_id": i, "kind": "retail", "amount": price})
        rows["prices"].append({"product_id": i, "kind": "old", "amount": price + 10})
        if n % 10 == 0:
            start, end = NOW, NOW + timedelta(days=365)
            rows["specials"].append(
                {"product_id": i, "position": 0, "amount": price - 1, "start_at": start, "end_at": end}
            )
        for position in range(3):
            rows["images"].append({"product_id": i, "position": position, "name": f"f-{n}-{position}.jpg"})
        for warehouse in (1, 2):
            rows["stock"].append(
                {"product_id": i, "warehouse_id": warehouse, "on_hand": Decimal(5 + n % 9), "reserved": Decimal(1)}
            )
    return rows


def _pieces(numbers: range, size: int) -> Iterator[range]:
    for start in range(0, len(numbers), size):
        yield numbers[start : start + size]


def write_config(folder: Path, site: Mapping[str, Any]) -> Path:
    """The client's config.yaml; ``site`` is the connection to its inbox."""
    path = folder / "config.yaml"
    path.write_text(CONFIG.format(site=json.dumps(dict(site)), languages=", ".join(LANGUAGES)), encoding="utf-8")
    return path


def make_ledger(config: Path) -> None:
    """The client's ledger, empty, at its newest version: making it belongs to no run that is measured."""
    from pipeline.config.load import load_config
    from pipeline.engine.runtime import Client

    Client.open(load_config(config)).close()
