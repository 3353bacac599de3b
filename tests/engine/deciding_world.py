"""A client with two inboxes into one set of books, and what a person does at its cards."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pipeline.config.load import load_config
from pipeline.config.model import ClientConfig
from pipeline.engine import deciding
from pipeline.engine.deciding import Resolved
from pipeline.engine.runtime import Client, RunOptions, RunReport, run_job
from pipeline.ledger import cards, decisions
from pipeline.resources import samples
from pipeline.texts import use_language
from tests.e2e.command import Said, here

CONFIG = """\
client: acme
timezone: Europe/Kyiv
language: en
connections:
  site: {{type: local, path: site}}
  books: {{type: books, url: "sqlite:///books.sqlite3", seed: [products.csv, "{samples}/references.csv"]}}
ledger: {{url: "{ledger}"}}
log: {{file: null}}
jobs:
  shop:
    steps:
      - {{step: import-orders, inbox: site, folder: shop, into: books, stable: 10ms, grace: 0s,
          client: "0042", object: "01", user: anna, executor: petro{more}}}
  market:
    steps:
      - {{step: import-orders, inbox: site, folder: market, into: books, stable: 10ms, grace: 0s,
          client: "0042", object: "01", user: anna, executor: petro}}
"""

ORDER = """\
<?xml version="1.0" encoding="UTF-8"?>
<orders xmlns="urn:mistok:order:1">
  <order>
    <id>{id}</id>
    <number>0000{id}</number>
    <created>2026-11-20T14:05:00</created>
    <source>{source}</source>
    <customer><last-name>Шевченко</last-name><first-name>Олена</first-name><phone>+380671234567</phone></customer>
    <items>
      <item><code>{code}</code><name>Ґрунт</name><quantity>2</quantity><price>389.50</price></item>
    </items>
    <currency>UAH</currency>{more}
    <total>{total}</total>
  </order>
</orders>
"""


#: A few of the sample products: a set of books that is made quickly.
PRODUCTS = """\
code;name_uk-UA;price;currency;tax_rate;stock:main
0042;Ґрунт акриловий 4+1 сірий, 0,8 л;389.50;UAH;20;24
0043;Ґрунт епоксидний антикорозійний, 1 кг;512.00;UAH;20;11
L-HS-21;Лак акриловий HS 2:1, 1 л + 0,5 л;786.00;UAH;20;18
"""


@dataclass
class World:
    """The client's folder and both of its shops."""

    folder: Path
    ledger: str = "sqlite:///ledger.sqlite3"
    more: str = ""  #: further parameters of the shop's step
    dropped: dict[str, dict[str, bytes]] = field(default_factory=lambda: {"shop": {}, "market": {}})

    def __post_init__(self) -> None:
        for name in self.dropped:
            (self.folder / "site" / name).mkdir(parents=True)
        (self.folder / "products.csv").write_text(PRODUCTS, encoding="utf-8")

    @property
    def path(self) -> Path:
        return self.folder / "config.yaml"

    def config(self) -> ClientConfig:
        text = CONFIG.format(samples=samples().as_posix(), ledger=self.ledger, more=self.more)
        self.path.write_text(text, encoding="utf-8")
        return load_config(self.path)

    def drop(
        self,
        order_id: int,
        code: str = "0042",
        *,
        to: str = "shop",
        total: str = "779.00",
        more: str = "",
        name: str = "",
    ) -> Path:
        """An order file, as that site writes it: two pieces of ``code`` at 389.50."""
        text = ORDER.format(id=order_id, code=code, source=f"{to}.example", total=total, more=more)
        return self.put(name or f"order-{order_id}.xml", text.encode(), to=to)

    def put(self, name: str, data: bytes, *, to: str = "shop") -> Path:
        path = self.folder / "site" / to / name
        path.write_bytes(data)
        self.dropped[to][name] = data
        return path

    def run(self, job: str = "shop", **options: Any) -> RunReport:
        """Run until every file that lies there was whole for long enough, however slow the machine is."""
        while True:
            report = run_job(self.config(), job, RunOptions(**options))
            if not report.counts.get("waiting"):
                return report

    def cards(self, *, closed: bool = False) -> list[dict[str, Any]]:
        with Client.open(self.config()) as client, client.ledger.read() as conn:
            return cards.listing(conn, "acme", closed=closed)

    def card(self, **values: Any) -> dict[str, Any]:
        """The one open card with these values."""
        (found,) = (row for row in self.cards() if all(row[name] == value for name, value in values.items()))
        return found

    def resolve(self, what: str, card: dict[str, Any] | None = None, by: str = "anna", **values: Any) -> Resolved:
        """``accept``, ``reject`` or ``try_again`` the card (the only open one when none is named)."""
        with Client.open(self.config()) as client:
            return getattr(deciding, what)(client, card or self.card(), by=by, **values)  # type: ignore[no-any-return]

    def map(self, pair: tuple[str, str], meant: str, card: dict[str, Any] | None = None, by: str = "anna") -> Resolved:
        with Client.open(self.config()) as client:
            return deciding.give_mappings(client, [card or self.cards()[0]], {pair: meant}, by=by)[0]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with Client.open(self.config()) as client, client.ledger.read() as conn:
            return [tuple(row) for row in conn.execute(sa.text(query))]

    def decided(self, subject: str) -> list[dict[str, Any]]:
        with Client.open(self.config()) as client, client.ledger.read() as conn:
            return decisions.of_subject(conn, "acme", subject)

    def states(self) -> dict[str, str]:
        """Order id -> its state."""
        return dict(self.rows("SELECT order_id, state FROM orders ORDER BY order_id"))

    def documents(self) -> list[tuple[str, str]]:
        """(order id, total) of each document, by a query of our own."""
        path = self.folder / "books.sqlite3"
        if not path.exists():
            return []
        engine = sa.create_engine(f"sqlite:///{path}")
        try:
            with engine.connect() as conn:
                rows = conn.execute(sa.text("SELECT order_id, total FROM documents ORDER BY order_id")).all()
        finally:
            engine.dispose()
        return [(row[0], re.sub(r"0000$", "", str(row[1]))) for row in rows]


def say(world: World, *words: object, language: str = "en", user: str = "anna") -> Said:
    """The call in this process, for speed: what ``mistok -c … WORDS`` does."""
    use_language(language)
    return here("-c", world.path, "--language", language, *words, env={"MISTOK_USER": user})
