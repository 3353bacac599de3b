"""A CRM whose orders become documents of an accounting system, both scripted, and a client between them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pipeline.clock import SystemClock
from pipeline.config.load import load_config
from pipeline.config.model import ClientConfig
from pipeline.engine import deciding
from pipeline.engine.deciding import Resolved
from pipeline.engine.runtime import Client, RunOptions, RunReport, run_job
from pipeline.ledger import cards
from pipeline.model import Order
from pipeline.ports import SeenOrder
from pipeline.testing import documents_target, orders_source
from pipeline.testing.documents_target import Say
from tests.engine.documents.making import order

NOW = datetime(2026, 11, 28, 10, tzinfo=UTC)
STATUSES = {"1": "New", "4": "Confirmed", "6": "To courier", "12": "Done", "19": "Cancelled", "20": "Returned"}
GROUPS = {"1": "new", "4": "confirmed", "6": "shipped", "12": "completed", "19": "cancelled", "20": "refunded"}
CONFIG = """\
client: acme
timezone: Europe/Kyiv
language: en
connections:
  crm: {{type: orders-source, statuses: {statuses}}}
  erp: {{type: documents-target{target}}}
ledger: {{url: "{ledger}"}}
log: {{file: null}}
jobs:
  orders:
    every: 5m
    steps:
      - step: {step}
        from: crm
        to: erp
        since: 2026-11-01
{more}
"""
RULES = """\
rules:
  New: nothing
  Confirmed: order
  To courier: [order, ship]
  Done: [order, ship]
  Cancelled: cancel
  Returned: [return, cancel]
"""
PLUGINS = {
    "source.py": "from pipeline.testing.orders_source import PLUGIN as PLUGIN\n",
    "target.py": "from pipeline.testing.documents_target import PLUGIN as PLUGIN\n",
}


class At(SystemClock):
    """A clock that stands where it is put."""

    def __init__(self) -> None:
        self.moment = NOW

    def now(self) -> datetime:
        return self.moment


@dataclass
class World:
    """The client's folder, the CRM in it, and the accounting system."""

    folder: Path
    rules: str = RULES
    more: str = ""
    target: str = ""
    step: str = "sync-orders"
    ledger: str = "sqlite:///ledger.sqlite3"
    clock: At = field(default_factory=At)

    def __post_init__(self) -> None:
        plugins = self.folder / "plugins"
        plugins.mkdir(exist_ok=True)
        for name, text in PLUGINS.items():
            (plugins / name).write_text(text, encoding="utf-8")

    @property
    def crm(self) -> Path:
        return self.folder / "crm"

    @property
    def path(self) -> Path:
        return self.folder / "config.yaml"

    @property
    def file(self) -> Path:
        return self.folder / "target.sqlite3"

    def config(self) -> ClientConfig:
        lines = (self.rules + self.more).strip().splitlines()
        more = "".join(f"        {line}\n" for line in lines)
        said = json.dumps(STATUSES, ensure_ascii=False)
        target = f", {self.target}" if self.target else ""
        text = CONFIG.format(step=self.step, statuses=said, target=target, ledger=self.ledger, more=more)
        self.path.write_text(text, encoding="utf-8")
        return load_config(self.path)

    # --- the CRM -----------------------------------------------------------------------------------------------------

    def put(self, status: str = "4", of: Order | None = None, **more: Any) -> SeenOrder:
        """An order of the CRM with this status, from now on."""
        one = of or order(**more)
        seen = SeenOrder(id=one.id, number=one.number, status=status, order=replace(one, status=GROUPS[status]))
        orders_source.put(self.crm, seen, self.clock.now())
        return seen

    def move(self, status: str, order_id: str = "7", **more: Any) -> None:
        """The order gets another status, and other content where that is given."""
        self.later(minutes=5)
        seen = orders_source.read(self.crm, order_id)
        assert seen.order is not None
        one = replace(seen.order, status=GROUPS[status], **more)
        orders_source.put(self.crm, replace(seen, order=one, status=status), self.clock.now())

    def write(self, name: str, data: object) -> None:
        """A file of the CRM: stock.json, offers.json, refuse.json."""
        self.crm.mkdir(exist_ok=True)
        (self.crm / name).write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")

    def told(self) -> list[dict[str, str | None]]:
        return orders_source.told(self.crm)

    def later(self, **by: float) -> None:
        self.clock.moment += timedelta(**by)

    # --- the accounting system ---------------------------------------------------------------------------------------

    def say(self, *answers: Say) -> None:
        documents_target.say(self.file, *answers)

    def sql(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return documents_target.rows(self.file, query, *values)

    def documents(self) -> list[tuple[str, str]]:
        """(kind, last parts of its key) of all documents, oldest first."""
        return [(kind, key.split("/", 2)[2]) for kind, key in self.sql("SELECT kind, key FROM documents ORDER BY id")]

    # --- the client --------------------------------------------------------------------------------------------------

    def run(self, reach: Callable[[str], None] = lambda _point: None, **options: Any) -> RunReport:
        self.later(minutes=1)
        return run_job(self.config(), "orders", RunOptions(**options), clock=self.clock, reach=reach)

    def opened(self) -> Client:
        return Client.open(self.config(), clock=self.clock)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.opened() as client, client.ledger.read() as conn:
            return [tuple(row) for row in conn.execute(sa.text(query))]

    def states(self) -> dict[str, str]:
        return dict(self.rows("SELECT order_id, state FROM orders ORDER BY order_id"))

    def cards(self) -> list[dict[str, Any]]:
        with self.opened() as client, client.ledger.read() as conn:
            return cards.listing(conn, "acme")

    def codes(self) -> list[str]:
        """Of the first finding of each open card."""
        return [card["findings"][0]["code"] for card in self.cards()]

    def resolve(self, what: str, **values: Any) -> Resolved:
        """``accept``, ``reject`` or ``try_again`` the only open card."""
        self.later(minutes=1)
        with self.opened() as client, client.ledger.read() as conn:
            (card,) = cards.listing(conn, "acme")
        with self.opened() as client:
            return getattr(deciding, what)(client, card, by="anna", **values)  # type: ignore[no-any-return]

    def map(self, pair: tuple[str, str], meant: str) -> Resolved:
        self.later(minutes=1)
        shown = self.cards()
        with self.opened() as client:
            return deciding.give_mappings(client, shown, {pair: meant}, by="anna")[0]
