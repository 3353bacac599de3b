"""Orders of files become orders of Quincefin, or its import files, by the engine's own walk."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipeline.clock import SystemClock
from pipeline.config.load import load_config
from pipeline.engine.runtime import Client, RunReport, run_job
from pipeline.ledger import cards
from pipeline.registry import load_registry
from tests.engine.revised import version
from tests.systems.quincefin.account import Account, account
from tests.systems.quincefin.conftest import Clock
from tests.systems.quincefin.test_files import read

CONFIG = """\
client: acme
timezone: Europe/Kyiv
language: en
connections:
  site: {{type: local, path: inbox, create: true}}
  out: {{type: local, path: out, create: true}}
  books: {books}
ledger: {{url: "sqlite:///ledger.sqlite3"}}
log: {{file: null}}
jobs:
  orders:
    steps:
      - {{step: import-orders, inbox: site, into: books, after: delete{more}}}
"""


class At(SystemClock):
    """A clock that goes on from where it is put: the pace of requests is reckoned by it."""

    def __init__(self) -> None:
        self.put(Clock.moment)

    def put(self, moment: datetime) -> None:
        self.moment, self._since = moment, time.monotonic()

    def now(self) -> datetime:
        return self.moment + timedelta(seconds=time.monotonic() - self._since)


@dataclass
class Shop:
    """A folder that a shop's files come to, and what its orders go into."""

    folder: Path
    books: dict[str, Any]
    more: str = ", changed: amend, cancelled: mark"
    clock: At = field(default_factory=At)
    files: int = 0

    def config(self) -> Any:
        path = self.folder / "config.yaml"
        text = json.dumps(self.books, ensure_ascii=False)
        path.write_text(CONFIG.format(books=text, more=self.more), encoding="utf-8")
        return load_config(path, registry=load_registry())

    def run(self, data: bytes = b"") -> RunReport:
        if data:
            self.files += 1
            (self.folder / "inbox").mkdir(exist_ok=True)
            (self.folder / "inbox" / f"order-{self.files}.xml").write_bytes(data)
        return run_job(self.config(), "orders", registry=load_registry(), clock=self.clock)

    def codes(self) -> set[str]:
        """Of what waits for a person."""
        with (
            Client.open(self.config(), registry=load_registry(), clock=self.clock) as client,
            client.ledger.read() as conn,
        ):
            found = cards.listing(conn, "acme")
        return {finding["code"] for card in found for finding in card["findings"]}


@pytest.fixture
def one() -> Iterator[Account]:
    with account() as opened:
        opened.fake.add_product("Ґрунт", "0042")
        yield opened


@pytest.fixture
def shop(tmp_path: Path, one: Account) -> Shop:
    return Shop(
        tmp_path,
        {"type": "quincefin", "url": one.url, "token": "key", "pace": 50, "untried_writes": True, **one.settings},
    )


def test_an_order_of_a_file_becomes_one_order_that_follows_it(shop: Shop, one: Account) -> None:
    assert shop.run(version()).state == "done"
    row = one.order()
    assert (row["Sum"], row.get("Discount", 0)) == (Decimal("849.00"), 0)
    partner = one.fake.one("partner", row["Partner"])
    assert partner["Name"].split()[0]
    assert shop.run(version()).state == "done"
    assert shop.run(version(3, comment="Подзвонити")).state == "done"
    assert shop.codes() == set()
    assert (one.order()["Sum"], "Подзвонити" in one.order()["Comment"]) == (Decimal("1238.50"), True)
    assert shop.run(version(3, status="cancelled", comment="Подзвонити")).state == "done"
    assert one.order()["Status"] == one.ids["cancelled"]
    assert shop.codes() == set()
    assert len(one.fake.orders()) == 1


def test_f07_an_order_in_doubt_is_found_by_the_run_that_follows(shop: Shop, one: Account) -> None:
    one.fake.lose_reply(path="/api/v2/order/add")
    one.fake.fail(503, path="/api/v2/order/list", times=4, when=lambda _asked: bool(one.fake.orders()))
    assert shop.run(version()).state == "waiting"
    assert len(one.fake.orders()) == 1
    shop.clock.put(shop.clock.now() + timedelta(hours=1))
    assert shop.run().state == "done"
    assert shop.run(version()).state == "done"
    assert one.asked("order/add") == ["order/add"]


def test_goods_that_are_not_there_are_a_card(shop: Shop, one: Account) -> None:
    shop.run(version(code="0099"))
    assert shop.codes() == {"unknown-product"}
    assert one.fake.orders() == []


def test_an_order_of_a_file_goes_into_one_import_file(tmp_path: Path) -> None:
    (tmp_path / "goods.csv").write_text("Артикул;Назва\n0042;Ґрунт\n", "utf-8-sig")
    books = {
        "type": "quincefin-file",
        "to": "out",
        "folder": "import",
        "delivery": "DEL",
        "goods": {"path": "goods.csv"},
    }
    shop = Shop(tmp_path, books, more="")
    assert shop.run(version()).state == "done"
    assert shop.run(version()).state == "done"
    (path,) = (tmp_path / "out" / "import").glob("*")
    rows = read(path)
    assert [row["Артикул"] for row in rows] == ["0042", "DEL"]
    assert sum(Decimal(row["Сума"]) for row in rows) == Decimal("849.00")
