"""Orders of a CRM become documents of the books, looked up afterwards by plain SQL."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest

from pipeline.config.load import load_config
from pipeline.config.model import ClientConfig
from pipeline.model import Delivery, Payment
from tests.engine.documents.making import D, line, order
from tests.engine.documents.world import CONFIG, STATUSES, World

RULES = """\
rules:
  New: nothing
  Confirmed: order
  To courier: [order, ship]
  Done: [order, pay, ship]
  Cancelled: cancel
  Returned: [return, cancel]
statuses: auto
account: desk
"""
PRODUCTS = "code;name;price;stock:main\nAB-1;Товар AB-1;100;10\nAB-2;Товар AB-2;50;10\n"
REFERENCES = "kind;code;name\naccount;desk;Каса\n"


@dataclass
class Shop(World):
    """A CRM and books."""

    rules: str = RULES
    target: str = "seed: [references.csv, products.csv]"

    def __post_init__(self) -> None:
        super().__post_init__()
        (self.folder / "products.csv").write_text(PRODUCTS, encoding="utf-8")
        (self.folder / "references.csv").write_text(REFERENCES, encoding="utf-8")

    def config(self) -> ClientConfig:
        more = "".join(f"        {row}\n" for row in self.rules.strip().splitlines())
        said = json.dumps(STATUSES, ensure_ascii=False)
        text = CONFIG.format(step=self.step, statuses=said, target=self.target, ledger=self.ledger, more=more)
        self.path.write_text(text.replace("type: documents-target", "type: books, "), encoding="utf-8")
        return load_config(self.path)

    def sql(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.folder / "books.sqlite3")) as file:
            return [tuple(row) for row in file.execute(query, values)]

    def stock(self) -> dict[str, tuple[int, int]]:
        """By article what is on hand and what of it is reserved."""
        query = "SELECT code, on_hand, reserved FROM stock JOIN products ON id = product_id ORDER BY code"
        return {code: (on_hand // 10**6, reserved // 10**6) for code, on_hand, reserved in self.sql(query)}

    def counts(self) -> list[int]:
        """How many order documents, shipments, returns and payments there are."""
        return [
            self.sql(f"SELECT count(*) FROM {table}")[0][0]
            for table in ("documents", "shipments", "returns", "payments")
        ]


@pytest.fixture
def shop(tmp_path: Any) -> Shop:
    return Shop(tmp_path)


def bought(**more: Any) -> Any:
    """An order that is paid and goes by post."""
    cost, lines = D("70.00"), (line(), line("AB-2", "1", "50.00"))
    values = {"delivery": Delivery(carrier="nova-poshta", city="Київ", branch="12", cost=cost)}
    return order(*lines, total=D("320.00"), payment=Payment(status="paid", paid=D("320.00")), **values | more)


def test_the_whole_life_of_an_order(shop: Shop) -> None:
    shop.put("1", bought())
    assert shop.run().counts == {"nothing": 1}
    shop.move("4")
    assert shop.run().counts["created"] == 1
    assert shop.stock() == {"AB-1": (10, 2), "AB-2": (10, 1)}
    shop.move("6")
    shop.run()
    assert shop.stock() == {"AB-1": (8, 0), "AB-2": (9, 0)}
    shop.move("12")
    shop.run()
    assert shop.counts() == [1, 1, 0, 1]
    assert shop.sql("SELECT total FROM documents") == [(320000000,)]
    assert shop.sql("SELECT p.total, a.code FROM payments p JOIN accounts a ON a.id = p.account_id") == [
        (320000000, "desk")
    ]
    assert shop.sql("SELECT first_name, last_name, phone FROM parties") == [("Олена", "Шевченко", "+380671234567")]
    query = "SELECT s.name FROM documents d JOIN statuses s ON s.id = d.status_id"
    assert shop.sql(query) == [("Done",)]
    shop.move("20")
    shop.run()
    assert shop.counts() == [1, 1, 1, 1]
    assert shop.stock() == {"AB-1": (10, 0), "AB-2": (10, 0)}
    assert shop.sql("SELECT count(*) FROM documents WHERE cancelled_at IS NOT NULL") == [(1,)]
    assert shop.cards() == []


def test_ten_runs_make_one_of_each(shop: Shop) -> None:
    shop.put("12", bought())
    for _ in range(10):
        shop.run(full=True)
    assert shop.counts() == [1, 1, 0, 1]
    assert shop.stock() == {"AB-1": (8, 0), "AB-2": (9, 0)}


def test_a_cancellation_after_the_goods_have_left_waits_for_a_person(shop: Shop) -> None:
    shop.put("6", bought())
    shop.run()
    shop.move("19")
    shop.run()
    assert shop.stock() == {"AB-1": (8, 0), "AB-2": (9, 0)}
    assert shop.sql("SELECT count(*) FROM documents WHERE cancelled_at IS NOT NULL") == [(0,)]
    assert shop.codes() == ["shipped-and-cancelled"]
    shop.move("20")
    shop.run()
    assert shop.counts() == [1, 1, 1, 0]
    assert shop.stock() == {"AB-1": (10, 0), "AB-2": (10, 0)}
    assert shop.cards() == []


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.full
def test_killed_at_every_point_it_goes_on_and_makes_one_of_each(tmp_path: Any) -> None:
    points: list[str] = []
    (tmp_path / "all").mkdir()
    whole = Shop(tmp_path / "all")
    whole.put("12", bought())
    whole.run(points.append)
    wanted = dict.fromkeys(point for point in points if point.startswith("documents:"))
    assert len(wanted) > 5
    for n, point in enumerate(wanted):
        folder = tmp_path / str(n)
        folder.mkdir()
        shop = Shop(folder)
        shop.put("12", bought())

        def die(reached: str, at: str = point) -> None:
            if reached == at:
                raise Killed

        with pytest.raises(Killed):
            shop.run(die)
        for _ in range(2):  # what was in doubt is looked up by the next one, and the one after it goes on
            shop.later(hours=1)
            shop.run()
        assert (point, shop.counts(), shop.stock()) == (point, [1, 1, 0, 1], {"AB-1": (8, 0), "AB-2": (9, 0)})
        assert shop.cards() == []


def test_another_currency_without_a_rate_is_held_and_with_one_the_rate_is_kept(shop: Shop) -> None:
    (shop.folder / "references.csv").write_text(REFERENCES + "currency;USD;Долар\n", encoding="utf-8")
    shop.put("4", bought(currency="USD"))
    shop.put("4", bought(id="8", currency="USD", rate=D("41.25")))
    shop.run()
    assert shop.codes() == ["no-rate"]
    assert shop.sql("SELECT order_id, rate FROM documents") == [("8", 41250000)]
    shop.target += ", rates: {USD: 41.50}"
    shop.run(full=True)
    assert shop.sql("SELECT order_id, rate FROM documents ORDER BY order_id") == [("7", 41500000), ("8", 41250000)]
