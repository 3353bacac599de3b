"""Orders of files become agreements, and agreements documents of the books, by the engine's own walks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import stamina

from pipeline.config.load import load_config
from pipeline.engine.runtime import Client, RunReport, run_job
from pipeline.ledger import cards
from pipeline.registry import load_registry
from pipeline.testing.fakehttp import FakeServer
from plugins.systems.keepincrm.fake import TOKEN, FakeKeepin
from tests.engine.revised import version
from tests.systems.keepincrm.test_jobs import At

CONFIG = """\
client: acme
timezone: Europe/Kyiv
language: en
connections:
  site: {{type: local, path: inbox, create: true}}
  crm: {crm}
  books: {{type: books, seed: goods.csv}}
ledger: {{url: "sqlite:///ledger.sqlite3"}}
log: {{file: null}}
jobs:
  orders:
    steps:
      - {{step: import-orders, inbox: site, into: crm, after: delete, changed: amend, cancelled: mark}}
  documents:
    steps:
      - step: sync-orders
        from: crm
        to: books
        since: 2026-11-01
        rules: {{Нове: nothing, Підтверджено: order, cancelled: cancel}}
        back: {{number: true, statuses: {{order: Прийнято}}}}
"""
BOOKS = "code;name;price;stock;category\n0042;Ґрунт;389.50;10;Ґрунти\n"


@dataclass
class Shop:
    """A folder that a shop's files come to, and an account of the CRM."""

    folder: Path
    fake: FakeKeepin
    url: str
    clock: At
    orders: dict[str, Any] = field(default_factory=dict)
    files: int = 0

    def config(self) -> Any:
        crm = {"type": "keepincrm", "token": TOKEN, "url": f"{self.url}/v1", "pace": 50, "per_minute": None}
        path = self.folder / "config.yaml"
        (self.folder / "goods.csv").write_text(BOOKS, encoding="utf-8")
        text = json.dumps({**crm, "orders": self.orders}, ensure_ascii=False)
        path.write_text(CONFIG.format(crm=text), encoding="utf-8")
        return load_config(path, registry=load_registry())

    def run(self, data: bytes = b"", job: str = "orders") -> RunReport:
        if data:
            self.files += 1
            (self.folder / "inbox").mkdir(exist_ok=True)
            (self.folder / "inbox" / f"order-{self.files}.xml").write_bytes(data)
        return run_job(self.config(), job, registry=load_registry(), clock=self.clock)

    def row(self) -> dict[str, Any]:
        (row,) = self.fake.account.tables["agreements"].values()
        return row

    def codes(self) -> set[str]:
        """Of what waits for a person."""
        with (
            Client.open(self.config(), registry=load_registry(), clock=self.clock) as client,
            client.ledger.read() as conn,
        ):
            found = cards.listing(conn, "acme")
        return {finding["code"] for card in found for finding in card["findings"]}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    fake = FakeKeepin()
    fake.add_material("0042", "Ґрунт", price=Decimal("389.50"))
    funnel = fake.add_named("funnels", "Продажі")
    stages = {name: fake.add_stage(name, funnel) for name in ("Нове", "Підтверджено", "Прийнято", "Скасовано")}
    with FakeServer(fake) as server, stamina.set_testing(True, attempts=4):
        orders = {"stages": stages, "stage": "Нове", "stage_for": {"cancelled": "Скасовано"}}
        yield Shop(tmp_path, fake, server.url, At(), orders)


def test_an_order_of_a_file_becomes_one_agreement_that_follows_it(shop: Shop) -> None:
    assert shop.run(version()).state == "done"
    row = shop.row()
    assert (row["total"], row["currency"]) == (Decimal("849.00"), "UAH")
    assert row["title"].startswith("Замовлення 4701 (")
    assert [(job["sku"], job["amount"], job["price"]) for job in row["jobs"]] == [
        ("0042", 2, Decimal("389.50")),
        ("DELIVERY", 1, Decimal(70)),
    ]
    assert shop.run(version()).state == "done"
    assert shop.run(version(comment="Подзвонити")).state == "done"
    assert shop.codes() == set()
    assert "Подзвонити" in shop.row()["comment"]
    assert shop.run(version(status="cancelled", comment="Подзвонити")).state == "done"
    assert shop.row()["stage_id"] == shop.orders["stages"]["Скасовано"]
    assert shop.codes() == set()


def test_lines_that_the_api_does_not_change_wait_for_a_person(shop: Shop) -> None:
    shop.run(version())
    shop.run(version(3))
    assert shop.codes() & {"keepin-lines"}
    assert shop.row()["total"] == Decimal("849.00")
    assert shop.fake.asked("PATCH") == []


def test_lines_are_exchanged_where_the_config_says_that_the_account_takes_it(shop: Shop) -> None:
    shop.orders["change_lines"] = True
    shop.run(version())
    shop.run(version(3))
    assert shop.codes() == set()
    assert shop.row()["total"] == Decimal("1238.50")
    assert [(job["sku"], job["amount"]) for job in shop.row()["jobs"]] == [("DELIVERY", 1), ("0042", 3)]


def test_f07_an_order_in_doubt_is_found_by_the_run_that_follows(shop: Shop) -> None:
    shop.fake.lose_reply(method="POST")
    there = shop.fake.account.tables["agreements"]
    shop.fake.fail(503, method="GET", path="/v1/agreements$", times=4, when=lambda _asked: bool(there))
    assert shop.run(version()).state == "waiting"
    assert len(there) == 1
    shop.clock.put(shop.clock.now() + timedelta(hours=1))
    assert shop.run().state == "done"
    assert shop.run(version()).state == "done"
    assert len(shop.fake.asked("POST")) == len(there) == 1


def test_a_product_that_the_crm_does_not_have_is_a_card(shop: Shop) -> None:
    shop.run(version(code="0099"))
    assert shop.codes() == {"unknown-product"}
    assert shop.fake.asked("POST") == []


def test_an_agreement_becomes_a_document_of_the_books_and_is_told_its_number_once(shop: Shop) -> None:
    stages = shop.orders["stages"]
    shop.orders["statuses"] = {"Скасовано": "cancelled"}
    client = shop.fake.add_client("Тестовий Іван", person="Тестовий Іван", phones=["+380501112233"])
    job = {"sku": "0042", "title": "Ґрунт", "amount": 2, "price": Decimal("389.50")}
    links = {"client_id": client, "stage_id": stages["Підтверджено"], "comment": "Подзвонити"}
    ordered = shop.clock.now().isoformat()
    own = shop.fake.add_agreement("Дзвінок", [job], ordered_at=ordered, **links)
    shop.fake.add_agreement("Ще думає", [job], ordered_at=ordered, stage_id=stages["Нове"])
    report = shop.run(job="documents")
    assert shop.codes() == set()
    assert (report.state, report.counts["created"]) == ("done", 1)
    row = shop.fake.account.tables["agreements"][own]
    assert row["comment"].startswith("Подзвонити\nДокумент ")
    assert row["stage_id"] == stages["Прийнято"]
    for _ in range(2):  # what we wrote ourselves causes nothing
        shop.clock.put(shop.clock.now() + timedelta(minutes=10))
        assert shop.run(job="documents").state == "done"
    assert shop.codes() == set()
    assert len(shop.fake.asked("PATCH")) == 1
    row["stage_id"] = stages["Скасовано"]
    shop.fake.account.touch(row)
    report = shop.run(job="documents")
    assert report.counts.get("cancelled") == 1
    assert shop.codes() == set()
