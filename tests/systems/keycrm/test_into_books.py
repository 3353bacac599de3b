"""The whole life of an order from (a fake) KeyCRM into the books, by the status rules of the client."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pipeline.clock import SystemClock
from pipeline.config.load import load_config
from pipeline.engine.runtime import Client, RunOptions, RunReport, run_job
from pipeline.ledger import cards
from plugins.systems.keycrm.fake import FakeKeyCrm
from tests.systems.keycrm.account import Account, account

NEW, AGREED, SENT, DONE, CANCELLED = 1, 2, 3, 12, 19
#: The books keep amounts on SQLite as whole millionths.
SCALE = 1_000_000
CONFIG = """\
client: acme
timezone: Europe/Kyiv
language: en
connections:
  crm: {{type: keycrm, key: key, url: {url}/v1, warehouses: {{main: 1, second: 2}}}}
  erp: {{type: books, url: "sqlite:///books.sqlite3", seed: [products.csv, references.csv], default_account: bank}}
ledger: {{url: "sqlite:///ledger.sqlite3"}}
log: {{file: null}}
jobs:
  orders:
    every: 5m
    steps:
      - step: sync-orders
        from: crm
        to: erp
        since: 2026-01-01
        rules:
          Новий: nothing
          Погоджено: order
          Відправлено: [order, ship]
          Виконано: [order, ship]
          Скасовано: [return, cancel]
        statuses: auto
        back: {{number: true}}
"""
PRODUCTS = "code;name_uk-UA;price;currency;stock:main\nCOF-1;Кава;450.00;UAH;50\nTEA-1;Чай;100.00;UAH;50\n"
REFERENCES = "kind;code;name\nwarehouse;main;Основний\naccount;bank;Рахунок\n"


class Moving(SystemClock):
    """The account's own clock, and a little later with each run."""

    def __init__(self, one: Account) -> None:
        self.one = one

    def now(self) -> datetime:
        return self.one.clock.now()

    def sleep(self, seconds: float) -> None:
        self.one.clock.move(seconds)


@pytest.fixture
def one() -> Iterator[Account]:
    with account() as opened:
        opened.clock.at = datetime(2026, 1, 29, 18, 0, tzinfo=UTC)
        opened.fake.add_product("Кава", "COF-1", price=450, stock={1: 50})
        opened.fake.add_product("Чай", "TEA-1", price=100, stock={1: 50})
        yield opened


def run(folder: Path, one: Account, **options: Any) -> RunReport:
    one.clock.move(timedelta(minutes=5).total_seconds())
    path = folder / "config.yaml"
    path.write_text(CONFIG.format(url=one.url), encoding="utf-8")
    (folder / "products.csv").write_text(PRODUCTS, encoding="utf-8")
    (folder / "references.csv").write_text(REFERENCES, encoding="utf-8")
    return run_job(load_config(path), "orders", RunOptions(**options), clock=Moving(one))


def move(fake: FakeKeyCrm, one: Account, number: int, status: int) -> None:
    one.clock.move(60)
    fake.set_status(number, status)


def books(folder: Path, query: str) -> list[tuple[Any, ...]]:
    engine = sa.create_engine(f"sqlite:///{folder / 'books.sqlite3'}")
    try:
        with engine.connect() as conn:
            return [tuple(row) for row in conn.execute(sa.text(query))]
    finally:
        engine.dispose()


def coffee(folder: Path) -> Decimal:
    query = "SELECT s.on_hand FROM stock s JOIN products p ON p.id = s.product_id WHERE p.code = 'COF-1'"
    return Decimal(books(folder, query)[0][0]) / SCALE


def test_an_order_lives_in_the_books_as_it_lives_in_keycrm(tmp_path: Path, one: Account) -> None:
    number = one.fake.add_order(
        [
            {"sku": "COF-1", "price": Decimal("399.5"), "quantity": 2, "discount_amount": 9},
            {"sku": "TEA-1", "price": 100, "quantity": 3},
        ],
        status_id=NEW, discount_amount=Decimal("20.07"), shipping_price=70, ordered_at="2026-01-29 10:00:00",
        buyer={"full_name": "Шевченко Олена Петрівна", "phone": "+380501112233", "email": "o@example.com"},
        shipping={"shipping_address_city": "Київ", "shipping_receive_point": "Відділення 12"},
    )  # fmt: skip
    assert run(tmp_path, one).counts == {"nothing": 1}
    move(one.fake, one, number, AGREED)
    assert run(tmp_path, one).counts == {"created": 1, "restated": 1, "told": 1, "parties": 1}
    ((total, order_id),) = books(tmp_path, "SELECT total, order_id FROM documents")
    assert Decimal(total) / SCALE == Decimal(str(one.fake.order(number)["grand_total"]))
    assert order_id == str(number)
    assert books(tmp_path, "SELECT last_name, first_name, middle_name FROM parties") == [
        ("Шевченко", "Олена", "Петрівна")
    ]
    move(one.fake, one, number, SENT)
    assert run(tmp_path, one).counts["shipped"] == 1
    assert coffee(tmp_path) == 48
    move(one.fake, one, number, DONE)
    counts = run(tmp_path, one).counts
    assert "shipped" not in counts
    move(one.fake, one, number, CANCELLED)
    counts = run(tmp_path, one).counts
    assert (counts["returned"], counts["cancelled"]) == (1, 1)
    assert coffee(tmp_path) == 50
    for _ in range(3):
        counts = run(tmp_path, one, full=True).counts
        assert not {"created", "amended", "shipped", "returned", "cancelled", "told"} & set(counts)
    assert len(books(tmp_path, "SELECT id FROM documents WHERE order_id IS NOT NULL")) == 1
    with Client.open(load_config(tmp_path / "config.yaml"), clock=Moving(one)) as client, client.ledger.read() as conn:
        held = [card for card in cards.listing(conn, "acme") if card["kind"] != "sync"]
    assert held == []
    assert one.undocumented() == []
