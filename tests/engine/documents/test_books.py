"""The same walk into the embedded books, and with a ledger on PostgreSQL; read back by plain SQL of our own."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pipeline.model import Delivery, Discount, Party, Payment
from tests.engine.documents.making import D, line, order
from tests.engine.documents.world import World

REFERENCES = "kind;code;name\nparty;0042;Роздріб\nwarehouse;main;Основний\nuser;anna;Анна\naccount;bank;Рахунок\n"
PRODUCTS = "code;name_uk-UA;price;currency;stock:main\nAB-1;Товар AB-1;100.00;UAH;10\nAB-2;Товар AB-2;50.00;UAH;5\n"
#: The books keep amounts on SQLite as whole millionths.
SCALE = 1_000_000
RULES = """\
rules:
  New: nothing
  Confirmed: order
  To courier: [order, ship]
  Done: [order, pay, ship]
  Cancelled: cancel
  Returned: [return, cancel]
statuses: auto
products: {by_name: true, create: true}
account: bank
"""


class IntoBooks(World):
    """The target is the embedded books."""

    def config(self) -> Any:
        (self.folder / "products.csv").write_text(PRODUCTS, encoding="utf-8")
        (self.folder / "references.csv").write_text(REFERENCES, encoding="utf-8")
        super().config()
        seed = "seed: [products.csv, references.csv]"
        books = f'{{type: books, url: "sqlite:///books.sqlite3", {seed}, default_account: bank}}'
        text = self.path.read_text("utf-8").replace("{type: documents-target}", books)
        self.path.write_text(text, encoding="utf-8")
        from pipeline.config.load import load_config

        return load_config(self.path)

    def books(self, query: str) -> list[tuple[Any, ...]]:
        engine = sa.create_engine(f"sqlite:///{self.folder / 'books.sqlite3'}")
        try:
            with engine.connect() as conn:
                return [tuple(row) for row in conn.execute(sa.text(query))]
        finally:
            engine.dispose()


@pytest.fixture
def world(tmp_path: Path) -> IntoBooks:
    return IntoBooks(tmp_path, rules=RULES)


def stock(world: IntoBooks) -> dict[str, tuple[Decimal, Decimal]]:
    """Article -> (on hand, reserved)."""
    rows = world.books(
        "SELECT p.code, s.on_hand, s.reserved FROM stock s JOIN products p ON p.id = s.product_id ORDER BY p.code"
    )
    return {code: (Decimal(hand) / SCALE, Decimal(kept) / SCALE) for code, hand, kept in rows}


def test_the_whole_life_of_an_order_in_the_books(world: IntoBooks) -> None:
    world.put("4", order(payment=Payment(status="paid", paid=D("250.00"))))
    assert world.run().counts == {"created": 1, "restated": 1, "parties": 1}
    assert stock(world) == {"AB-1": (D(10), D(2)), "AB-2": (D(5), D(1))}
    world.move("12")
    assert world.run().counts == {"shipped": 1, "paid": 1, "restated": 1}
    assert stock(world) == {"AB-1": (D(8), D(0)), "AB-2": (D(4), D(0))}
    world.move("20")
    assert world.run().counts == {"returned": 1, "cancelled": 1, "restated": 1}
    assert stock(world) == {"AB-1": (D(10), D(0)), "AB-2": (D(5), D(0))}
    assert len(world.books("SELECT id FROM documents WHERE order_id = '7'")) == 1
    for _ in range(3):
        world.later(hours=9)
        world.run(full=True)
    assert stock(world) == {"AB-1": (D(10), D(0)), "AB-2": (D(5), D(0))}
    assert (world.states(), world.cards()) == ({"7": "created"}, [])


def test_totals_agree_to_the_cent_with_discounts_delivery_and_gifts(world: IntoBooks) -> None:
    goods = (line("AB-1", "3", "33.33"), line("AB-2", "1", "0.00"), line("AB-1", "1", "10.01"))
    of = order(*goods, discounts=(Discount(amount=D("7.77")),), delivery=Delivery(cost=D("65.50")))
    world.put("4", of)
    assert world.run().counts["created"] == 1
    ((total,),) = world.books("SELECT total FROM documents")
    assert Decimal(total) / SCALE == of.total


def test_names_arrive_a_buyer_is_found_again_and_a_new_product_is_added(world: IntoBooks) -> None:
    buyer = Party(last_name="Їжак", first_name="Анна", middle_name="Іванівна", phone="067 123 45 67", email="a@b.ua")
    world.put("4", order(line("НОВИЙ-1"), customer=buyer))
    world.put("4", order(id="8", number="8", customer=Party(last_name="Ї.", phone="+380671234567")))
    assert world.run().counts == {"created": 2, "restated": 2, "parties": 1, "products": 1}
    found = world.books("SELECT last_name, first_name, middle_name, phone, email FROM parties WHERE last_name = 'Їжак'")
    assert found == [("Їжак", "Анна", "Іванівна", "+380671234567", "a@b.ua")]
    assert world.books("SELECT count(*) FROM parties WHERE phone = '+380671234567'") == [(1,)]


def test_a_ledger_on_postgresql_keeps_the_same_story(tmp_path: Path, postgres: str) -> None:
    world = World(tmp_path, ledger=postgres)
    world.put("4")
    world.run()
    for status in ("6", "20", "12", "20", "4"):
        world.move(status)
        world.run()
    kinds = [kind for kind, _key in world.documents()]
    assert kinds == ["create", "ship", "return", "ship", "return"]
    assert (world.states(), world.cards()) == ({"7": "created"}, [])
    with world.opened() as client, client.ledger.read() as conn:
        states = set(conn.execute(sa.text("SELECT state FROM acts")).scalars())
    assert states == {"done"}
