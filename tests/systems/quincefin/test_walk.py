"""Orders of a CRM become documents of Quincefin by the engine's walk, looked up in the account itself."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from pipeline.clock import SystemClock
from pipeline.config.load import load_config
from pipeline.config.model import ClientConfig
from pipeline.model import Delivery, Payment
from plugins.systems.quincefin.fake import Quirks
from tests.engine.documents.making import D, line, order
from tests.engine.documents.world import CONFIG, STATUSES, World
from tests.systems.quincefin.account import Account, account
from tests.systems.quincefin.conftest import Clock

RULES = """\
rules:
  New: nothing
  Confirmed: order
  To courier: [order, ship]
  Done: [order, pay, ship]
  Cancelled: cancel
  Returned: [return, cancel]
statuses: auto
account: Рахунок
delivery_service: Доставка
"""


class At(SystemClock):
    """A clock that goes on from where it is put: the pace of requests is reckoned by it."""

    def __init__(self) -> None:
        self.put(Clock.moment)

    def put(self, moment: Any) -> None:
        self._moment, self._since = moment, time.monotonic()

    @property
    def moment(self) -> Any:
        return self._moment + timedelta(seconds=time.monotonic() - self._since)

    @moment.setter
    def moment(self, value: Any) -> None:
        self.put(value)

    def now(self) -> Any:
        return self.moment


@dataclass
class Shop(World):
    """A CRM and an account of Quincefin."""

    clock: Any = field(default_factory=At)
    one: Any = None  #: the account
    settings: dict[str, Any] = field(default_factory=dict)

    def config(self) -> ClientConfig:
        more = "".join(f"        {row}\n" for row in RULES.strip().splitlines())
        target = json.dumps(
            {"url": self.one.url, "token": "key", "pace": 50, "untried_writes": True, **self.settings},
            ensure_ascii=False,
        )
        text = CONFIG.format(
            step=self.step,
            statuses=json.dumps(STATUSES, ensure_ascii=False),
            target=f", {target[1:-1]}",
            ledger=self.ledger,
            more=more,
        )
        self.path.write_text(text.replace("type: documents-target", "type: quincefin"), encoding="utf-8")
        return load_config(self.path)

    def counts(self) -> list[int]:
        """How many orders, shipments, returns and receipts there are."""
        paths = ("order", "document/outgoing", "document/outgoing_return", "document/money_bank_income")
        return [len(self.one.fake.rows(path)) for path in paths]

    def stock(self) -> list[Decimal]:
        """What lies there of both products."""
        return [self.one.fake.balance(self.one.ids[code]) for code in ("AB-1", "AB-2")]

    def status(self) -> str:
        """Of the only order."""
        key = self.one.order()["Status"]
        return next(str(row["Name"]) for row in self.one.fake.rows("statuses") if row["Id"] == key)


@pytest.fixture
def one() -> Iterator[Account]:
    with account(Quirks(outgoing=True, return_writes=True)) as opened:
        for code in ("AB-1", "AB-2"):
            opened.ids[code] = opened.fake.add_product(f"Товар {code}", code, stock={opened.ids["main"]: 10})
        yield opened


@pytest.fixture
def shop(tmp_path: Any, one: Account) -> Shop:
    statuses = {name: one.fake.put("statuses", Name=name) for name in STATUSES.values()}
    settings = {**one.settings, "statuses": statuses, "shipments": True, "returns": True, "payments": True}
    settings["orders"] = {"statuses": {"cancelled": "Cancelled", "refunded": "Returned"}}
    return Shop(tmp_path, one=one, settings=settings)


def bought(**more: Any) -> Any:
    """An order that is paid and goes by post."""
    cost, lines = D("70.00"), (line(), line("AB-2", "1", "50.00"))
    values = {"delivery": Delivery(carrier="nova-poshta", city="Київ", branch="12", cost=cost)}
    return order(*lines, total=D("320.00"), payment=Payment(status="paid", paid=D("320.00")), **values | more)


def test_the_whole_life_of_an_order(shop: Shop) -> None:
    shop.put("1", bought())
    assert shop.run().counts == {"nothing": 1}
    shop.move("4")
    shop.run()
    assert shop.counts() == [1, 0, 0, 0]
    row = shop.one.order()
    assert (row["Sum"], row["Delivery"], row["DeliveryService"]) == (320, 70, shop.one.ids["delivery"])
    shop.move("6")
    shop.run()
    assert shop.stock() == [8, 9]
    shop.move("12")
    shop.run()
    assert shop.counts() == [1, 1, 0, 1]
    assert shop.status() == "Done"
    assert shop.one.fake.rows("document/money_bank_income")[0]["MoneyAccount"] == shop.one.ids["bank"]
    assert [row["Name"] for row in shop.one.fake.rows("partner")] == ["Шевченко Олена"]
    shop.move("20")
    shop.run()
    assert shop.counts() == [1, 1, 1, 1]
    assert shop.stock() == [10, 10]
    assert shop.cards() == []


def test_ten_runs_make_one_of_each_and_an_old_order_is_still_known(shop: Shop) -> None:
    shop.put("12", bought())
    for _ in range(3):
        shop.run()
        shop.later(minutes=5)
    assert shop.counts() == [1, 1, 0, 1]
    shop.later(days=60)
    shop.move("20")
    shop.run()
    assert shop.counts() == [1, 1, 1, 1]
    assert shop.cards() == []


def test_a_cancelled_order_has_its_status_and_nothing_leaves(shop: Shop) -> None:
    shop.put("4", bought())
    shop.run()
    shop.move("19")
    shop.run()
    assert shop.status() == "Cancelled"
    assert shop.counts() == [1, 0, 0, 0]
    assert shop.stock() == [10, 10]
