"""Orders of a shop or CRM become documents of the books by the command itself; the books are read by plain SQL."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tests.e2e.command import here

#: The books keep amounts on SQLite as whole millionths.
SCALE = 1_000_000


@dataclass
class IntoBooks:
    """A client whose orders come from ``source`` (its settings). ``goods``: articles of the books, 50 of each."""

    folder: Path
    source: Mapping[str, Any]
    rules: Mapping[str, str | Sequence[str]]
    goods: Sequence[str]
    more: Mapping[str, Any]
    secret: Mapping[str, str]  #: in the environment

    def __post_init__(self) -> None:
        step = {
            "step": "sync-orders", "from": "shop", "to": "books", "since": "2020-01-01", "rules": self.rules,
            "unknown_status": "nothing", **self.more,
        }  # fmt: skip
        config = {
            "client": "acme", "timezone": "Europe/Kyiv", "language": "en",
            "connections": {
                "shop": self.source,
                # shops whose dumps are tried sell in dollars; the books are in hryvnias
                "books": {
                    "type": "books", "seed": ["goods.csv", "lists.csv"], "default_account": "bank",
                    "rates": {"USD": "41.50"},
                },
            },
            "log": {"file": None}, "alerts": {"channels": []},
            "jobs": {"orders": {"steps": [step]}},
        }  # fmt: skip
        # YAML takes JSON as it is
        (self.folder / "config.yaml").write_text(json.dumps(config, ensure_ascii=False), encoding="utf-8")
        rows = "".join(f"{code};Товар {code};100;50\n" for code in self.goods)
        (self.folder / "goods.csv").write_text(f"code;name;price;stock\n{rows}", encoding="utf-8")
        lists = "kind;code;name\naccount;bank;Рахунок\nwarehouse;main;Основний\ncurrency;USD;Долар\n"
        (self.folder / "lists.csv").write_text(lists, encoding="utf-8")

    def run(self, code: int = 0) -> dict[str, int]:
        """One run: what was done, by count."""
        said = here("-c", self.folder / "config.yaml", "run", "orders", "--json", env=self.secret)
        assert said.code == code, said.all
        counts: dict[str, int] = said.json()["counts"]
        counts.pop("known", None)
        return counts

    def sql(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of the books."""
        (file,) = self.folder.glob("*books*.sqlite3")
        engine = sa.create_engine(f"sqlite:///{file}")
        try:
            with engine.connect() as conn:
                return [tuple(row) for row in conn.execute(sa.text(query))]
        finally:
            engine.dispose()

    def stock(self, code: str) -> Decimal:
        """What lies there of an article."""
        query = f"SELECT s.on_hand FROM stock s JOIN products p ON p.id = s.product_id WHERE p.code = '{code}'"
        return sum((Decimal(row[0]) for row in self.sql(query)), Decimal(0)) / SCALE

    def documents(self) -> dict[str, Decimal]:
        """Id of an order -> total of its only document."""
        rows = self.sql("SELECT order_id, total FROM documents WHERE order_id IS NOT NULL")
        found = {str(order): Decimal(total) / SCALE for order, total in rows}
        assert len(found) == len(rows), "two documents of one order"
        return found

    def cards(self) -> list[Any]:
        """What is open."""
        found: list[Any] = here("-c", self.folder / "config.yaml", "cards", "--json", env=self.secret).json()
        return found
