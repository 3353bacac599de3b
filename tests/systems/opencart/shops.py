"""Shops for the tests: the tables of OpenCart 3.0.5 and 4.1.0.4 in a real MariaDB, with the demo goods of a fresh shop.

``schema-3.0.sql`` is what an installed 3.0.5 has (MyISAM), ``schema-4.1.sql`` what the installer of 4.1.0.4 makes
(InnoDB, most columns nullable), both cut down to the tables that matter. ``demo.json`` holds the rows of an installed
3.0.5 with an order that was placed in its own checkout; descriptions are made up. For 4.1 they are moved to where 4.1
keeps them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from pipeline.flow import SystemEnv
from plugins.systems.opencart.settings import OpenCartSettings
from plugins.systems.opencart.system import OpenCart
from tests.servers.mariadb import MariaDb

HERE = Path(__file__).parent
NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
VERSIONS = ("3.0", "4.1")
_CODES = ("sku", "upc", "ean", "jan", "isbn", "mpn")


class HandClock:
    """A clock that the test moves; sleeping moves it as well, and takes no time."""

    def __init__(self) -> None:
        self.moment = NOW
        self.slept: list[float] = []

    def now(self) -> datetime:
        """The moment."""
        return self.moment

    def sleep(self, seconds: float) -> None:
        """Let so much pass at once."""
        self.slept.append(seconds)
        self.moment += timedelta(seconds=seconds)


@dataclass
class Shop:
    """A shop's database."""

    server: MariaDb
    database: str
    version: str
    prefix: str = "oc_"
    clock: HandClock = field(default_factory=HandClock)
    host: str = ""
    port: int = 0
    base: Path = HERE
    line: Any = field(default=None, repr=False)
    needs: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False)

    # --- its tables ------------------------------------------------------------------------------------------------

    def run(self, statement: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """The rows of one statement, decimals and dates as Python has them; ``{p}`` is the prefix."""
        with self._line().cursor() as cursor:
            cursor.execute(statement.replace("{p}", self.prefix), values or None)
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def insert(self, table: str, *rows: Mapping[str, Any]) -> int:
        """Rows of one shape, empty texts and zero dates where a column needs something; the last one's id."""
        needed = self._needed(table)
        wholes = [{**{name: value for name, value in needed.items() if name not in row}, **row} for row in rows]
        names = ", ".join(f"`{name}`" for name in wholes[0])
        marks = ", ".join(["%s"] * len(wholes[0]))
        with self._line().cursor() as cursor:
            cursor.executemany(
                f"insert into `{self.prefix}{table}` ({names}) values ({marks})",
                [list(whole.values()) for whole in wholes],
            )
            return int(cursor.lastrowid or 0)

    def _needed(self, table: str) -> dict[str, Any]:
        """A value for each column that must have one and has no default of its own."""
        texts, days = ("varchar", "text", "mediumtext", "char"), {"date": "0000-00-00"}
        days["datetime"] = "0000-00-00 00:00:00"
        if not self.needs:
            rows = self.run(
                "select table_name, column_name, data_type from information_schema.columns where is_nullable = 'NO'"
                " and table_schema = database() and column_default is null and extra = ''"
            )
            for row in rows:
                kind = row["data_type"]
                own = self.needs.setdefault(row["table_name"], {})
                own[row["column_name"]] = "" if kind in texts else days.get(kind, 0)
        return self.needs.get(self.prefix + table, {})

    def _line(self) -> Any:
        if self.line is None:
            self.line = self.server.connect(self.database)
            with self.line.cursor() as cursor:
                cursor.execute("set session sql_mode = 'NO_AUTO_VALUE_ON_ZERO'")
        return self.line

    def close(self) -> None:
        """Let go of the connection, and drop the database."""
        if self.line is not None:
            self.line.close()
            self.line = None
        self.server.drop(self.database)

    def has(self, table: str, column: str = "") -> bool:
        """Whether the table (and its column) is there."""
        found = self.run(
            "select column_name from information_schema.columns where table_schema = database() and table_name = %s",
            [self.prefix + table],
        )
        return bool(found) and (not column or any(row["column_name"] == column for row in found))

    def stamp(self) -> str:
        """What the shop's clock (in UTC) would write now."""
        return self.clock.now().strftime("%Y-%m-%d %H:%M:%S")

    # --- goods ------------------------------------------------------------------------------------------------------

    def load(self, data: Mapping[str, Iterable[Mapping[str, Any]]]) -> None:
        """Rows of 3.0's shape, moved to where this version keeps them."""
        ready: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        for table, found in data.items():
            for name, row in self._moved(table, found):
                ready.setdefault((name, *row), []).append(row)
        for (name, *_), rows in ready.items():
            self.insert(name, *rows)

    def _moved(self, table: str, rows: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, dict[str, Any]]]:
        for given in rows:
            row = dict(given)
            if self.version == "3.0":
                yield table, row
                continue
            match table:
                case "product":
                    codes = {name: row.pop(name) for name in _CODES if name in row}
                    row.pop("viewed", None)
                    yield table, row
                    for name, value in codes.items():
                        if value:
                            one = {"product_id": row["product_id"], "code": name.upper(), "value": value}
                            yield "product_code", one
                case "product_special":
                    row.pop("product_special_id", None)
                    yield "product_discount", {**row, "quantity": 1, "type": "F", "special": 1}
                case "product_discount":
                    row.pop("product_discount_id", None)
                    yield table, {**row, "type": "F", "special": 0}
                case "category":
                    for name in ("top", "column", "date_added", "date_modified"):
                        row.pop(name, None)
                    yield table, row
                case "language":
                    for name in ("image", "directory"):
                        row.pop(name, None)
                    yield table, row
                case "country":
                    for name in ("name", "address_format"):
                        row.pop(name, None)
                    yield table, row
                case "currency":
                    yield table, {**row, "decimal_place": int(row["decimal_place"])}
                case "order":
                    for kind in ("payment", "shipping"):
                        code, name = row.pop(f"{kind}_code"), row.pop(f"{kind}_method")
                        row[f"{kind}_method"] = json.dumps({"name": name, "code": code})
                    row.pop("fax", None)
                    yield table, row
                case "order_total":
                    yield table, {**row, "extension": "opencart"}
                case _:
                    yield table, row

    def product(self, **columns: Any) -> int:
        """A product of the store, with the name that is given by ``name``; its number."""
        name = columns.pop("name", "Товар")
        texts = columns.pop("texts", {1: name})
        number = int(columns.pop("product_id", 0)) or self._next()
        row = {
            "product_id": number, "model": f"M-{number}", "quantity": 10, "price": "100.0000", "status": 1,
            "date_added": self.stamp(), "date_modified": self.stamp(), "date_available": "2009-02-03",
            "weight_class_id": 1, "length_class_id": 1, "image": "", "manufacturer_id": 0, "weight": 0,
        }  # fmt: skip
        if self.version == "3.0":
            row |= dict.fromkeys(_CODES, "")
        self.load({"product": [row | columns]})
        for language, text in texts.items():
            self.insert("product_description", {
                "product_id": number, "language_id": language, "name": text, "description": "",
            })  # fmt: skip
        self.insert("product_to_store", {"product_id": number, "store_id": 0})
        return number

    def _next(self) -> int:
        return int(self.run("select coalesce(max(product_id), 0) + 1 as n from {p}product")[0]["n"])

    def option(self, product: int, kind: str, name: str, values: Iterable[Mapping[str, Any]], **row: Any) -> list[int]:
        """An option of a product with values (``name`` and columns of product_option_value); the rows' ids."""
        option = self.insert("option", {"type": kind, "sort_order": 1})
        self.insert("option_description", {"option_id": option, "language_id": 1, "name": name})
        own = self.insert(
            "product_option", {"product_id": product, "option_id": option, "value": "", "required": 1, **row}
        )
        made = []
        for n, given in enumerate(values):
            value = dict(given)
            title = value.pop("name")
            number = self.insert("option_value", {"option_id": option, "image": "", "sort_order": n})
            self.insert("option_value_description", {
                "option_value_id": number, "language_id": 1, "option_id": option, "name": title,
            })  # fmt: skip
            made.append(self.insert("product_option_value", {
                "product_option_id": own, "product_id": product, "option_id": option, "option_value_id": number,
                "quantity": 10, "subtract": 1, "price": 0, "price_prefix": "+", "weight": 0, "weight_prefix": "+",
                "points": 0, "points_prefix": "+", **value,
            }))  # fmt: skip
        return made

    def special(self, product: int, price: str, start: str = "0000-00-00", end: str = "0000-00-00", **row: Any) -> None:
        """A special price of the default customer group."""
        self.load({"product_special": [{
            "product_id": product, "customer_group_id": 1, "priority": 1, "price": price, "date_start": start,
            "date_end": end, **row,
        }]})  # fmt: skip

    # --- the connector ---------------------------------------------------------------------------------------------

    def settings(self, **settings: Any) -> OpenCartSettings:
        """How this shop is connected to, as its admin."""
        return OpenCartSettings(**{
            "host": self.host or self.server.host, "port": self.port or self.server.port, "user": self.server.user,
            "password": SecretStr(self.server.password), "database": self.database, "prefix": self.prefix,
            **settings,
        })  # fmt: skip

    def open(self, *, dry_run: bool = False, **settings: Any) -> OpenCart:
        """The connector."""
        env = SystemEnv("shop", "demo", self.base, "UAH", "Europe/Kyiv", self.clock, dry_run=dry_run)
        return OpenCart(self.settings(**settings), env)


@cache
def demo() -> dict[str, list[dict[str, Any]]]:
    """The rows of demo.json."""
    found = json.loads((HERE / "demo.json").read_text(encoding="utf-8"))
    return {table: [dict(zip(head, row, strict=True)) for row in rows] for table, (head, *rows) in found.items()}


def make(server: MariaDb, version: str, *, prefix: str = "oc_", goods: bool = True) -> Shop:
    """A shop with the demo goods and order, or with just what a shop without goods has."""
    shop = Shop(server, server.create(), version, prefix)
    schema = (HERE / f"schema-{version}.sql").read_text(encoding="utf-8").replace("`oc_", f"`{prefix}")
    with server.cursor(shop.database) as cursor:
        cursor.execute("set session sql_mode = ''")
        for statement in schema.splitlines():
            cursor.execute(statement)
    bare = {"country", "currency", "customer_group", "language", "length_class", "length_class_description",
            "order_status", "setting", "stock_status", "weight_class", "weight_class_description"}  # fmt: skip
    shop.load({table: rows for table, rows in demo().items() if goods or table in bare})
    if version == "4.1":
        for number, name in enumerate(_CODES, 1):
            shop.insert("identifier", {"identifier_id": number, "name": name, "code": name.upper(), "status": 1})
    return shop


def fresh(server: MariaDb, like: Shop) -> Shop:
    """A copy of a shop, table by table: quicker than loading it."""
    shop = Shop(server, server.create(), like.version, like.prefix)
    tables = [next(iter(row.values())) for row in like.run("show tables")]
    with server.cursor(shop.database) as cursor:
        cursor.execute("set session sql_mode = 'NO_AUTO_VALUE_ON_ZERO'")
        for table in tables:
            cursor.execute(f"create table `{table}` like {like.database}.`{table}`")
            cursor.execute(f"insert into `{table}` select * from {like.database}.`{table}`")
    return shop


def reset(shop: Shop, like: Shop) -> None:
    """Make a copy what it was: only tables that a test has changed are written anew."""

    def state(one: Shop) -> dict[str, tuple[Any, str]]:
        columns: dict[str, list[str]] = {}
        for row in one.run(
            "select table_name, column_name, column_type from information_schema.columns"
            " where table_schema = database() order by table_name, ordinal_position"
        ):
            columns.setdefault(row["table_name"], []).append(f"{row['column_name']} {row['column_type']}")
        sums = one.run("checksum table " + ", ".join(f"`{name}`" for name in columns))
        return {row["Table"].partition(".")[2]: (row["Checksum"], "") for row in sums} | {
            f"{name} columns": (None, ", ".join(found)) for name, found in columns.items()
        }

    now, then = state(shop), state(like)
    tables = {name.partition(" ")[0] for name in now.keys() | then.keys() if now.get(name) != then.get(name)}
    for table in sorted(tables):
        shop.run(f"drop table if exists `{table}`")
        if table in then:
            shop.run(f"create table `{table}` like {like.database}.`{table}`")
            shop.run(f"insert into `{table}` select * from {like.database}.`{table}`")
    shop.clock = HandClock()
    shop.host, shop.port = "", 0
