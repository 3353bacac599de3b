"""samples/keycrm-quincefin as it stands: all that Quincefin's own page on KeyCRM describes, through the life of orders.

Every document is looked up afterwards by plain HTTP with the vendors' own calls (tests/samples/witness.py). The table
of docs/systems/quincefin.md names the test of each feature.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipeline.engine.pacing import LedgerPacer
from pipeline.resources import samples
from pipeline.testing.fakehttp import FakeServer
from plugins.systems.keycrm.fake import FakeKeyCrm
from plugins.systems.quincefin.fake import FakeQuincefin, Quirks
from tests.e2e.command import Said, here
from tests.faults import forks
from tests.samples.run_and_die import at_once
from tests.samples.witness import KeyCrm, Quincefin, Row, amount
from tests.signals import SIGKILL

NEW, AGREED, SENT, DONE, CANCELLED, RETURNED = 1, 2, 3, 12, 19, 20
KINDS = ("order", "document/outgoing", "document/outgoing_return", "document/money_bank_income",
         "document/money_cash_income")  # fmt: skip
#: Numbers that the config names: those of the fake's small account.
STORE, BANK, CASH, AUTHOR, MANAGER, DELIVERY, ANYBODY, IN_WORK = 102, 103, 521, 104, 522, 116, 120, 523
BUYER = {"full_name": "Шевченко Олена Петрівна", "phone": "+380671112233", "email": "olena@example.com"}
ADDRESS = {"shipping_address_city": "Київ", "shipping_receive_point": "Відділення 12"}


@dataclass
class World:
    """The client's folder, and both systems as other programs see them."""

    folder: Path
    crm: KeyCrm
    books: Quincefin
    fake_crm: FakeKeyCrm  #: for what people do in the cabinet

    def run(self, *words: object, code: int | None = 0) -> Said:
        """``mistok …`` with the config of the sample."""
        said = here("-c", self.folder / "config.yaml", "--language", "en", *words)
        assert code is None or said.code == code, said.all
        return said

    def orders(self, *words: object, code: int = 0) -> dict[str, int]:
        """One run of the job of orders: what was done, by count."""
        counts: dict[str, int] = self.run("run", "orders", *words, "--json", code=code).json()["counts"]
        counts.pop("known", None)
        return counts

    def buy(self, *items: tuple[str, str, int], status: int = NEW, **more: Any) -> int:
        """The site sends an order of (article, price, quantity), and a manager moves it on."""
        products = [{"sku": sku, "price": float(price), "quantity": n} for sku, price, n in items]
        number = self.crm.order(products=products, **{"buyer": BUYER, "shipping": ADDRESS, **more})
        if status != NEW:
            self.crm.move(number, status)
        return number

    def counts(self) -> list[int]:
        """How many orders, shipments, returns, bank and cash receipts there are."""
        return [len(self.books.rows(kind)) for kind in KINDS]

    def order(self, number: int) -> Row:
        """The document of an order of the CRM."""
        (row,) = (row for row in self.books.rows("order") if row["NumberOrderSite"] == f"crm/{number}")
        return row


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    def now() -> datetime:
        return datetime.now(UTC)

    folder = tmp_path / "client"
    shutil.copytree(samples() / "keycrm-quincefin", folder)
    config = folder / "config.yaml"  # the probe makes a partner, which no test here is about
    text = config.read_text(encoding="utf-8")
    config.write_text(
        text.replace("type: quincefin\n", "type: quincefin\n    untried_writes: true\n"), encoding="utf-8"
    )
    crm = FakeKeyCrm(now=now, per_minute=None)
    books = FakeQuincefin(Quirks(outgoing=True, return_writes=True, cash_income=True), now)
    crm.seed()
    crm.add_product("Кава", "COF-1", price=460, stock={1: 12})
    assert books.seed()["in work"] == IN_WORK, "the numbers that the config names"
    monkeypatch.setattr(LedgerPacer, "turn", at_once)
    with FakeServer(crm) as one, FakeServer(books) as other:
        for name, value in (
            ("KEYCRM_URL", f"{one.url}/v1"), ("KEYCRM_KEY", "key"), ("QUINCEFIN_URL", other.url),
            ("QUINCEFIN_TOKEN", "key"),
        ):  # fmt: skip
            monkeypatch.setenv(name, value)
        made = World(folder, KeyCrm(f"{one.url}/v1"), Quincefin(other.url), crm)
        cards = made.books.goods()
        yield made
        now_there = made.books.goods()
        assert {key: now_there[key] for key in cards} == cards, "a card that was there was touched"
        for kind in KINDS[:3]:
            for row in made.books.rows(kind):
                assert row["Products"], f"an empty document: {kind} {row['Number']}"
                assert row["Partner"]


def test_the_whole_life_of_an_order(world: World) -> None:
    world.run("check", "--connect")
    assert "not taken" in world.run("rules", "orders").out
    money = {"payment_method": "Готівка", "amount": 1000, "status": "paid"}
    number = world.buy(
        ("COF-1", "460", 2), shipping_price=70, discount_amount=20.07, source_uuid="oc-5501", payments=[money],
        buyer_comment="Подзвонити",
    )  # fmt: skip
    world.fake_crm.change_order(number, manager_id=7)
    total = amount(world.crm.one(number)["grand_total"])
    assert world.orders() == {}, "only chosen statuses"

    world.crm.move(number, AGREED)
    assert world.orders() == {"created": 1, "parties": 1, "restated": 1}
    order = world.order(number)
    assert (order["Status"], order["Source"]) == (IN_WORK, "Сайт")
    assert (order["Manager"], order["Author"], order["Company"], order["Store"]) == (MANAGER, AUTHOR, 101, STORE)
    assert amount(order["Sum"]) == total
    (line,) = order["Products"]
    assert amount(line["Discount"]) == Decimal("20.07")
    assert (order["Delivery"], order["DeliveryService"]) == (70, DELIVERY)
    assert order["Address"] == "Київ, Відділення 12"
    assert order["Comment"].split("\n") == ["№ oc-5501", "Подзвонити"]
    partner = world.books.rows("partner")[-1]
    assert partner["Name"] == "Шевченко Олена Петрівна"
    assert {(one["Type"], one["Value"]) for one in partner["Contacts"]} == {
        ("phone", "+380671112233"), ("email", "olena@example.com"),
    }  # fmt: skip
    assert "Відділення" not in str(partner)

    world.crm.move(number, SENT)
    assert world.orders() == {"shipped": 1, "restated": 1}
    (sale,) = world.books.rows("document/outgoing")
    assert (sale["Order"], sale["Fixed"], sale["Partner"]) == (order["Id"], True, partner["Id"])
    assert world.books.stock(STORE)["COF-1"] == world.crm.stock()["COF-1"][0] == 10
    assert world.order(number)["Status"] == "Відправлено"

    world.crm.move(number, DONE)
    assert world.orders() == {"paid": 1, "restated": 1}
    (receipt,) = world.books.rows("document/money_cash_income")
    assert amount(receipt["Sum"]) == 1000
    assert receipt["MoneyAccount"]["Id"] == CASH

    world.crm.move(number, RETURNED)
    assert world.orders() == {"returned": 1, "cancelled": 1, "restated": 1}
    (back,) = world.books.rows("document/outgoing_return")
    assert (back["Outgoing"], back["Fixed"]) == (sale["Id"], True)
    assert world.order(number)["Status"] == "Повернено"
    assert world.books.stock(STORE)["COF-1"] == world.crm.stock()["COF-1"][0] == 12

    assert "known already: 1" in world.run("run", "orders", "--dry-run").out
    assert world.orders() == {}
    assert world.counts() == [1, 1, 1, 0, 1]
    assert world.run("cards", "--json").json() == []


def test_the_last_exchange_is_told(world: World) -> None:
    assert "never" in world.run("jobs").out
    world.run("run", "orders")
    assert "done, by hand" in world.run("jobs").out


def test_what_came_back_is_sent_again(world: World) -> None:
    number = world.buy(("COF-1", "460", 2), status=SENT)
    world.orders()
    for status in (RETURNED, SENT):
        world.crm.move(number, status)
        counts = world.orders()
    assert counts == {"amended": 1, "shipped": 1, "restated": 1}
    assert world.counts()[:3] == [1, 2, 1]
    assert world.order(number)["Status"] == "Відправлено"
    assert world.orders("--since", "2026-11-01") == {}


def test_a_period_is_loaded_by_hand_and_an_order_that_is_loaded_again_is_updated(world: World) -> None:
    old = datetime(2026, 10, 15, 9, tzinfo=UTC)
    number = world.buy(("COF-1", "460", 1), status=AGREED, ordered_at=f"{old:%Y-%m-%d %H:%M:%S}")
    before = world.buy(("COF-1", "460", 1), status=AGREED, ordered_at=f"{old - timedelta(days=30):%Y-%m-%d %H:%M:%S}")
    assert world.orders() == {}, "before the day of going live"
    period = ("--since", "2026-10-01", "--until", "2026-11-01")
    assert world.orders(*period)["created"] == 1
    assert amount(world.order(number)["Sum"]) == 460
    world.crm.call("PUT", f"/order/{number}", {"status_id": CANCELLED, "discount_amount": 10})
    line = world.crm.one(number)["products"][0]
    world.crm.call("PUT", f"/order/{number}", {"products": [{"id": line["id"], "price": 450, "quantity": 2}]})
    world.crm.move(number, AGREED)
    assert world.orders(*period) == {"amended": 1}
    assert amount(world.order(number)["Sum"]) == 890
    world.crm.move(number, CANCELLED)
    assert world.orders(*period) == {"cancelled": 1, "restated": 1}
    assert world.order(number)["Status"] == "Скасовано"
    assert str(before) not in str([row["NumberOrderSite"] for row in world.books.rows("order")])
    assert world.counts() == [1, 0, 0, 0, 0]


def test_orders_without_a_buyer_go_to_the_default_partner(world: World) -> None:
    number = world.buy(("COF-1", "460", 1), status=AGREED, buyer={"full_name": "Невідомий"}, shipping={})
    partners = len(world.books.rows("partner"))
    assert world.orders() == {"created": 1, "restated": 1}
    order = world.order(number)
    assert (order["Partner"], order["Manager"], order["Author"]) == (ANYBODY, AUTHOR, AUTHOR)
    assert len(world.books.rows("partner")) == partners


def test_products_are_found_by_article_then_by_name_and_made_where_they_are_missing(world: World) -> None:
    services = world.crm.call("POST", "/products/categories", {"name": "Послуги", "parent_id": None})["id"]
    world.crm.call("POST", "/products", {"name": "Пакування", "sku": "PACK", "price": 15, "category_id": services})
    world.crm.call("POST", "/products", {"name": "Чашка", "sku": "CUP-1", "price": 90, "weight": 0.4})
    hoodie = world.crm.call("POST", "/products", {"name": "Худі"})["id"]
    sizes = [{"sku": f"HD-{one}", "price": 900, "properties": [{"name": "Розмір", "value": one}]} for one in "ML"]
    world.crm.call("POST", f"/products/{hoodie}/offers", {"offers": sizes})
    number = world.crm.order(
        buyer=BUYER,
        products=[
            *({"sku": sku, "price": 10, "quantity": 1} for sku in ("COF-1", "HD-M", "HD-L", "CUP-1", "PACK")),
            {"name": "Кава", "price": 10, "quantity": 1},
            {"name": "Без артикула", "price": 10, "quantity": 1},
        ],
    )
    world.crm.move(number, AGREED)
    assert world.orders() == {"products": 4, "created": 1, "parties": 1, "restated": 1}
    goods = world.books.goods()
    lines = [goods[line["Product"]] for line in world.order(number)["Products"]]
    assert [row["Name"] for row in lines] == [
        "Кава",
        "Худі, M",
        "Худі, L",
        "Чашка",
        "Пакування",
        "Кава",
        "Без артикула",
    ]
    assert [row.get("Kind", "service") for row in lines] == ["P", "U", "U", "P", "service", "P", "P"]
    assert lines[0]["Id"] == lines[5]["Id"] == 108, "by article; and of two of one name the first"
    assert lines[1]["Base"] == lines[2]["Base"]
    base = goods[lines[1]["Base"]]
    assert (base["Kind"], base["Name"]) == ("B", "Худі")
    assert [row.get("Article") for row in lines[1:5]] == ["HD-M", "HD-L", "CUP-1", "PACK"]
    assert not {"Weight", "Price"} & set(lines[3]), "a card of an order has no price and no sizes"


def test_money_goes_to_the_account_of_its_method_else_to_the_default_one(world: World) -> None:
    card = {"payment_method": "Картка", "amount": 460, "status": "paid"}
    world.buy(("COF-1", "460", 1), status=DONE, payments=[card])
    assert world.orders() == {"created": 1, "paid": 1, "shipped": 1, "parties": 1, "restated": 1}
    (receipt,) = world.books.rows("document/money_bank_income")
    assert (receipt["MoneyAccount"]["Id"], receipt["Fixed"]) == (BANK, True)
    assert amount(receipt["Sum"]) == 460


def test_stock_goes_to_the_crm_after_a_person_has_seen_it(world: World) -> None:
    assert "never in step" in world.run("run", "stock", code=1).all
    (plan,) = world.run("plans", "--json").json()
    world.run("approve", plan["number"], code=None)
    assert world.crm.stock()["COF-2"][0] == world.books.stock(STORE)["COF-2"] == 0
    world.buy(("COF-1", "460", 5), status=DONE)
    world.orders()
    world.run("run", "stock")
    assert world.crm.stock()["COF-1"] == (Decimal(7), Decimal(7))
    assert world.books.stock(STORE)["COF-1"] == 7


def test_a_run_that_is_killed_after_the_order_was_made_goes_on(world: World) -> None:
    number = world.buy(("COF-1", "460", 1), status=DONE)
    ended = forks.run(
        "tests.samples.run_and_die", world.folder / "config.yaml", "orders", "documents:create-applied", 1
    )
    assert ended.returncode == -SIGKILL, ended.stderr
    assert world.counts() == [1, 0, 0, 0, 0]
    for _ in range(2):
        world.orders()
    assert world.counts() == [1, 1, 0, 0, 0]
    assert world.order(number)["Status"] == "Виконано"
    assert world.books.stock(STORE)["COF-1"] == 11
    assert world.run("cards", "--json").json() == []
