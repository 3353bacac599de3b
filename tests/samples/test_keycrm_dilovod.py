"""samples/keycrm-dilovod as it stands: set up in the order of its README, then the whole life of orders.

Every document is looked up afterwards by plain HTTP with the vendors' own calls (tests/samples/witness.py). The faults
of the first project of this kind are here: empty orders and shipments, weights and sizes of goods blown up, a stock
that did not follow its shipment, names that did not arrive.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipeline.engine.pacing import LedgerPacer
from pipeline.resources import samples
from pipeline.testing.fakehttp import FakeServer
from plugins.systems.dilovod.fake import FakeDilovod
from plugins.systems.keycrm.fake import FakeKeyCrm
from tests.e2e.command import Said, here
from tests.faults import forks
from tests.samples.run_and_die import at_once
from tests.samples.witness import Dilovod, KeyCrm, Row, amount
from tests.signals import SIGKILL

AGREED, SENT, DONE, CANCELLED, RETURNED = 2, 3, 12, 19, 20
SHOP = 2  #: the second warehouse
KINDS = ("saleOrder", "sale", "saleReturn")
#: Weights and sizes as both systems keep them.
SIZES = ("weight", "length", "width", "height", "packageRatio")


@dataclass
class World:
    """The client's folder, and both systems as other programs see them."""

    folder: Path
    crm: KeyCrm
    erp: Dilovod
    fake_crm: FakeKeyCrm  #: for what people do in the cabinet
    fake_erp: FakeDilovod

    def run(self, *words: object, code: int | None = 0) -> Said:
        """``mistok …`` with the config of the sample."""
        said = here("-c", self.folder / "config.yaml", "--language", "en", *words)
        assert code is None or said.code == code, said.all
        return said

    def orders(self, code: int = 0) -> dict[str, int]:
        """One run of the job of orders: what was done, by count."""
        counts: dict[str, int] = self.run("run", "orders", "--json", code=code).json()["counts"]
        counts.pop("known", None)  # read again, since KeyCRM's clock and ours may differ
        return counts

    def written(self) -> set[str]:
        """The articles whose stock the job of stock has written in KeyCRM, in one run."""
        before = len(self.fake_crm.movements())
        self.run("run", "stock")
        made = self.fake_crm.movements()[before:]
        offers = {row["id"]: sku for sku, row in self.crm.offers().items()}
        return {offers[line["offer_id"]] for one in made for line in one["lines"]}

    def cards(self) -> list[Row]:
        """What is open."""
        found: list[Row] = self.run("cards", "--json").json()
        return found

    def live(self) -> None:
        """Count the stock of both, make it equal, compare: with nothing left to differ the jobs go without a brake."""
        copy = next(row for row in self.erp.request("catalogs.goods", "id name") if "копія" in row["name"])
        self.fake_erp.mark(copy["id"])
        self.run("run", "load")
        self.run("run", "prices", code=1)
        self.run("run", "stock", code=1)
        for plan in self.run("plans", "--json").json():
            self.run("approve", plan["number"])
        self.run("compare", "erp", "crm")

    def equal(self) -> None:
        """As it is when both sides have been in step for long: the same goods, and the same stock of them."""
        self.crm.call("POST", "/products", {"name": "Кава зернова 1 кг", "sku": "COF-1", "price": 460})
        stocks = [{"sku": "COF-1", "quantity": 12}, {"sku": "COF-2", "quantity": 40}]
        self.crm.call("PUT", "/offers/stocks", {"warehouse_id": 1, "stocks": stocks})
        self.agree()

    def buy(self, *items: tuple[str, str, int], **more: Any) -> int:
        """The site sends an order of (article, price, quantity)."""
        products = [{"sku": sku, "price": float(price), "quantity": n} for sku, price, n in items]
        return self.crm.order(products=products, **{"buyer": BUYER, "shipping_price": 70, "shipping": ADDRESS, **more})

    def counts(self) -> list[int]:
        """How many orders, shipments and returns there are, marked ones too."""
        return [len(self.erp.documents(kind)) for kind in KINDS]

    def agree(self) -> None:
        """What KeyCRM may sell is what lies in the main storage of Dilovod."""
        here_, there = self.crm.stock(), self.erp.stock()
        assert {sku: free for sku, (_lies, free) in here_.items() if sku in there} == there


BUYER = {"full_name": "Шевченко Олена Петрівна", "phone": "+380671112233", "email": "olena@example.com"}
ADDRESS = {
    "shipping_address_city": "Київ",
    "shipping_receive_point": "Відділення 12",
    "recipient_full_name": "Бойко Ганна",
    "recipient_phone": "+380671112234",
}


def sizes(cards: dict[str, Row]) -> dict[str, list[Any]]:
    """Weights and sizes of the cards of goods."""
    return {sku: [(row.get("product") or row).get(name) for name in SIZES] for sku, row in cards.items()}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    folder = tmp_path / "client"
    shutil.copytree(samples() / "keycrm-dilovod", folder)
    config = folder / "config.yaml"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("type: dilovod\n", "type: dilovod\n    untried_writes: true\n"), encoding="utf-8")
    crm, erp = FakeKeyCrm(now=now, per_minute=None), FakeDilovod(now=now)
    crm.seed()
    erp.seed()
    monkeypatch.setattr(LedgerPacer, "turn", at_once)
    with FakeServer(crm) as one, FakeServer(erp) as other:
        for name, value in (
            ("KEYCRM_URL", f"{one.url}/v1"), ("KEYCRM_KEY", "key"), ("DILOVOD_URL", other.url), ("DILOVOD_KEY", "key"),
        ):  # fmt: skip
            monkeypatch.setenv(name, value)
        made = World(folder, KeyCrm(f"{one.url}/v1"), Dilovod(other.url), crm, erp)
        before = sizes(made.crm.offers()), sizes(made.erp.goods())
        yield made
        after = sizes(made.crm.offers()), sizes(made.erp.goods())
        assert {sku: after[0][sku] for sku in before[0]} == before[0], "weights or sizes of the CRM's goods"
        assert {sku: after[1][sku] for sku in before[1]} == before[1], "weights of Dilovod's goods"
        for kind in KINDS:
            for row in made.erp.documents(kind):
                assert row["lines"], f"an empty document: {kind} {row['number']}"
                assert all(amount(line["qty"]) > 0 for line in row["lines"])
                assert row["person"]["id"] != "0"
                assert row["storage"]["pr"] == "Основний склад"


def now() -> datetime:
    return datetime.now(UTC)


def test_goods_are_loaded_and_prices_and_stock_wait_until_they_are_compared(world: World) -> None:
    world.run("check", "--connect")
    assert "order document, shipment" in world.run("rules", "orders").out
    found = world.run("run", "load", code=1).all
    assert "TEA-1: 2 products of the source have one article" in found, "as the base has it: one is mended there"
    copy = next(row for row in world.erp.request("catalogs.goods", "id name") if "копія" in row["name"])
    world.fake_erp.mark(copy["id"])
    assert world.run("run", "load", "--json").json()["counts"]["new"] == 1
    assert set(world.crm.offers()) == {"COF-1", "COF-2", "TEA-1", "SET-1", "DELIVERY"}
    assert world.crm.offers()["COF-2"]["product"]["name"] == "Кава мелена 250 г"

    # the first prices and the first stock change nothing before a person has looked
    differ = world.run("compare", "erp", "crm", "--json", code=1).json()
    assert {row["field"] for row in differ["rows"]} == {"price", "price.cost", "stock main"}
    for job in ("prices", "stock", "prices", "stock"):
        assert "never in step" in world.run("run", job, code=1).all
    assert world.crm.offers()["COF-2"]["price"] == 150
    assert world.crm.stock()["COF-2"][0] == 35
    for plan in world.run("plans", "--json").json():
        world.run("approve", plan["number"], "--why", "counted on both sides")
    world.run("compare", "erp", "crm")
    offers = world.crm.offers()
    assert (offers["COF-1"]["price"], offers["COF-1"]["purchased_price"]) == (460, 300)
    assert offers["COF-2"]["price"] == Decimal("135.5")
    world.agree()

    # from now on changes travel by themselves, and nothing is deleted on either side
    good = world.erp.goods()["COF-1"]["id"]["id"]
    world.fake_erp.receive(good, 5, cost=300)
    world.fake_erp.set_price(good, 470)
    world.crm.call("POST", "/products", {"name": "Лише в CRM", "sku": "OWN-1", "price": 5})
    for job in ("prices", "stock", "goods"):
        world.run("run", job)
    assert world.crm.offers()["COF-1"]["price"] == 470
    assert world.crm.stock()["COF-1"][0] == 17
    assert "OWN-1" in world.crm.offers()
    for job in ("prices", "stock", "goods"):
        told = world.run("run", job, "--json").json()["counts"]
        assert set(told) <= {"matched", "extra"}, (job, told)


def test_equal_sides_go_live_by_a_clean_compare(world: World) -> None:
    """Stock counted and made equal first: then nobody has to approve anything."""
    copy = next(row for row in world.erp.request("catalogs.goods", "id name") if "копія" in row["name"])
    world.fake_erp.mark(copy["id"])
    world.run("run", "load")
    prices = {"COF-1": (460, 300), "COF-2": (135.5, 80.25), "TEA-1": (90, 0), "SET-1": (580, 0)}
    rows = [{"sku": sku, "price": one, "purchased_price": cost} for sku, (one, cost) in prices.items()]
    world.crm.call("PUT", "/offers", {"offers": rows})
    stocks = [{"sku": "COF-1", "quantity": 12}, {"sku": "COF-2", "quantity": 40}, {"sku": "SET-1", "quantity": 12}]
    world.crm.call("PUT", "/offers/stocks", {"warehouse_id": 1, "stocks": stocks})
    world.run("compare", "erp", "crm")
    assert world.run("run", "prices").code == world.run("run", "stock").code == 0
    assert world.run("plans", "--json").json() == []


def test_the_whole_life_of_an_order(world: World) -> None:
    world.live()
    number = world.buy(("COF-1", "460", 2), ("COF-2", "135.50", 3), discount_amount=20.07)
    total = amount(world.crm.one(number)["grand_total"])
    assert world.orders() == {"nothing": 1}
    assert world.counts() == [0, 0, 0]

    world.crm.move(number, AGREED)
    assert world.orders() == {"created": 1, "parties": 1, "restated": 1, "told": 1}
    (order,) = world.erp.documents("saleOrder")
    assert (order["posted"], order["state"]["pr"], order["tradeChanel"]["pr"]) == ("1", "Прийнято", "Сайт")
    assert sum(amount(line["amountCur"]) for line in order["lines"]) == total
    assert [line["good"]["pr"] for line in order["lines"]] == ["Кава зернова 1 кг", "Кава мелена 250 г", "Доставка"]
    assert "Відділення 12" in order["remark"]
    assert "Бойко Ганна" in order["remark"]
    assert order["number"] in world.crm.one(number)["manager_comment"]
    person = world.erp.call("getObject", id=order["person"]["id"])["header"]
    assert person["name"]["uk"] == "Шевченко Олена Петрівна", "first and last names arrive"
    assert "380671112233" in person["details"]
    assert "olena@example.com" in person["details"]
    assert "Відділення" not in str(person), "the address is the order's own"
    assert world.erp.stock()["COF-1"] == 12

    world.crm.move(number, SENT)
    assert world.orders() == {"shipped": 1, "restated": 1}
    (sale,) = world.erp.documents("sale")
    assert (sale["posted"], sale["baseDoc"]["id"]) == ("1", order["id"]["id"])
    assert sum(amount(line["amountCur"]) for line in sale["lines"]) == total
    assert world.erp.stock() == {"COF-1": Decimal(10), "COF-2": Decimal(37)}
    world.agree()
    assert world.written() == {"SET-1"}, "KeyCRM has written off by itself what left; the kit it does not know"

    world.crm.move(number, DONE)
    assert world.orders() == {"restated": 1}
    world.agree()

    world.crm.move(number, RETURNED)
    assert world.orders() == {"returned": 1, "cancelled": 1, "restated": 1}
    (back,) = world.erp.documents("saleReturn")
    assert back["posted"] == "1"
    assert sale["id"]["id"] in (back["baseDoc"]["id"], back["contract"]["id"])
    (order,) = world.erp.documents("saleOrder")
    assert (order["delMark"], order["posted"], order["state"]["pr"]) == ("1", "0", "Відмова")
    assert world.erp.stock() == {"COF-1": Decimal(12), "COF-2": Decimal(40)}
    world.agree()
    assert world.written() == {"SET-1"}

    # a second run plans nothing, and a full one neither
    assert "known already: 1" in world.run("run", "orders", "--dry-run").out
    assert world.orders() == {}
    assert world.run("run", "orders", "--since", "2026-11-01", "--json").json()["counts"] == {"known": 1}
    assert world.counts() == [1, 1, 1]
    assert world.cards() == []
    assert "done" in world.run("jobs").out
    story = world.run("trace", number).out
    assert "read from its system" in story
    assert "on the server" not in story, "it was asked for, and is no file"


def test_the_first_orders_wait_until_the_base_was_tried(world: World) -> None:
    shutil.copyfile(samples() / "keycrm-dilovod" / "config.yaml", world.folder / "config.yaml")
    said = world.run("run", "orders", code=1).all
    assert "erp: nobody has seen yet" in said
    assert "mistok check --connect --write-probe" in said
    assert "not tried on this account yet: `documents.post: true`" in world.run("check", "--connect", code=None).all
    world.run("check", "--connect", "--write-probe", code=None)
    assert "nobody has seen" not in world.run("run", "orders", code=None).all


def test_done_at_once_cancelled_and_what_is_never_made(world: World) -> None:
    world.equal()
    done = world.buy(("COF-1", "460", 1))
    world.crm.move(done, DONE)
    cancelled = world.buy(("COF-2", "135.50", 2))
    world.crm.move(cancelled, AGREED)
    waits = world.buy(("COF-1", "460", 4))
    world.crm.move(waits, AGREED)
    never = world.buy(("COF-1", "460", 1))
    world.crm.move(never, CANCELLED)
    other = world.buy(("COF-1", "460", 1))
    world.fake_crm.order(other)["lines"][0]["warehouse_id"] = SHOP
    world.crm.move(other, AGREED)
    assert world.orders() == {"created": 3, "shipped": 1, "parties": 1, "restated": 3, "told": 3, "nothing": 1}
    assert world.counts() == [3, 1, 0], "of what was cancelled before, or is sent from the shop, nothing is made"
    assert world.erp.stock()["COF-1"] == 11
    assert world.crm.stock()["COF-1"] == (Decimal(11), Decimal(6)), (
        "five are reserved, of which Dilovod's balance knows nothing"
    )
    assert world.cards() == [], "that is no disagreement"

    world.crm.move(cancelled, CANCELLED)
    assert world.orders() == {"cancelled": 1, "restated": 1}
    marked = [row for row in world.erp.documents("saleOrder") if row["delMark"] == "1"]
    assert [line["good"]["pr"] for line in marked[0]["lines"]] == ["Кава мелена 250 г", "Доставка"]
    assert len(marked) == 1

    # an order without goods, and one of goods that nobody knows, wait for a person; nothing is made of them
    empty = world.buy()
    strange = world.buy(("НЕМА-1", "10", 1))
    for number in (empty, strange):
        world.crm.move(number, DONE)
    assert world.orders(code=1)["held"] == 2
    assert world.counts() == [3, 1, 0]
    assert len(world.cards()) == 2


def test_what_came_back_is_sent_again(world: World) -> None:
    world.equal()
    number = world.buy(("COF-1", "460", 2))
    for status in (DONE, RETURNED, DONE):
        world.crm.move(number, status)
        counts = world.orders()
    assert counts == {"amended": 1, "shipped": 1, "restated": 1}
    assert world.counts() == [1, 2, 1]
    (order,) = world.erp.documents("saleOrder")
    assert (order["delMark"], order["posted"], order["state"]["pr"]) == ("0", "1", "Виконано")
    assert world.erp.stock()["COF-1"] == 10
    world.agree()


def test_a_stock_that_did_not_follow_its_shipment_is_told(world: World) -> None:
    world.equal()
    number = world.buy(("COF-1", "460", 2))
    world.crm.move(number, DONE)
    world.fake_crm.set_stock("COF-1", 12)  # KeyCRM's own stock stands still
    assert world.orders(code=1)["disagree"] == 1
    ((card),) = world.cards()
    assert "COF-1" in str(card["findings"])


@pytest.mark.full
def test_a_run_that_is_killed_between_a_document_and_its_record_goes_on(world: World) -> None:
    world.equal()
    points = ["create", "ship"] if os.environ.get("MISTOK_FULL") else ["ship"]
    for n, point in enumerate(points, 1):
        number = world.buy(("COF-1", "460", 1))
        world.crm.move(number, DONE)
        ended = forks.run(
            "tests.faults.run_and_die", world.folder / "config.yaml", "orders", f"documents:{point}-applied", 1
        )
        assert ended.returncode == -SIGKILL, ended.stderr
        for _ in range(2):
            world.orders()
        assert world.counts() == [n, n, 0]
        assert world.erp.stock()["COF-1"] == 12 - n
        world.agree()
    assert world.cards() == []
