"""Orders of a CRM become sales of a real Tryton by the engine's own walk, looked up afterwards by plain SQL."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.load import load_config
from pipeline.config.model import ClientConfig
from pipeline.model import Delivery, Payment
from tests.engine.documents.making import D, line, order
from tests.engine.documents.world import CONFIG, STATUSES
from tests.engine.documents.world import World as Walk
from tests.servers.tryton import NAME
from tests.systems.tryton.world import DOCUMENTS, GOODS, World, long, method

pytestmark = [pytest.mark.server("tryton"), pytest.mark.xdist_group("tryton")]
RULES = """\
rules:
  New: nothing
  Confirmed: order
  To courier: [order, ship]
  Done: [order, pay, ship]
  Cancelled: cancel
  Returned: [return, cancel]
products: {create: true}
"""


@dataclass
class Shop(Walk):
    """A CRM, and a real Tryton."""

    rules: str = RULES
    erp: World | None = None

    def config(self) -> ClientConfig:
        assert self.erp is not None
        more = "".join(f"        {row}\n" for row in self.rules.strip().splitlines())
        settings = {
            "url": self.erp.url, "database": NAME, "user": "admin", "password": self.erp.server.password,
            "documents": DOCUMENTS, "goods": GOODS,
        }  # fmt: skip
        target = "".join(f", {name}: {json.dumps(value, ensure_ascii=False)}" for name, value in settings.items())
        text = CONFIG.format(
            step=self.step,
            statuses=json.dumps(STATUSES, ensure_ascii=False),
            target=target,
            ledger=self.ledger,
            more=more,
        )
        self.path.write_text(text.replace("type: documents-target", "type: tryton"), encoding="utf-8")
        return load_config(self.path)

    def counts(self) -> list[int]:
        """How many sales, shipments that are done, returns that came in and payments there are."""
        assert self.erp is not None
        return [
            self.erp.count("sale_sale", "origin is null"),
            self.erp.count("stock_shipment_out", "state = 'done'"),
            self.erp.count("stock_shipment_out_return", "state = 'done'"),
            self.erp.count("account_payment"),
        ]

    def stock(self) -> list[Decimal]:
        assert self.erp is not None
        return [self.erp.on_hand(code) for code in ("COF-1", "TEA-1")]


@pytest.fixture
def shop(world: World, tmp_path: Path) -> Iterator[Shop]:
    one = Shop(tmp_path, erp=world)
    one.clock.moment = datetime.now(UTC)  # Tryton has a clock of its own, and warns of days to come
    yield one
    assert world.count("sale_sale", "id not in (select sale from sale_line)") == 0, "an empty sale"


def bought(**more: Any) -> Any:
    """An order that is paid and goes by post."""
    lines = (line("COF-1"), line("TEA-1", "1", "50.00"))
    values = {"delivery": Delivery(carrier="nova-poshta", city="Київ", branch="12", cost=D("70.00"))}
    return order(*lines, total=D("320.00"), payment=Payment(status="paid", paid=D("320.00")), **values | more)


@pytest.mark.full
def test_d_the_whole_life_of_an_order(shop: Shop, world: World) -> None:
    shop.put("1", bought())
    assert shop.run().counts == {"nothing": 1}
    shop.move("4")
    assert shop.run().counts["created"] == 1
    (sale,) = world.server.model("sale.sale").find([])
    assert (sale.state, sale.total_amount, sale.party.name) == ("quotation", Decimal("320.00"), "Шевченко Олена")
    shop.move("4", lines=(*bought().lines, line("NEW-1", "1", "10.00")), total=D("330.00"))
    shop.run()
    assert world.total(sale.id) == Decimal("330.00"), "amended, with a product that was made"
    assert shop.stock() == [1000, 1000]
    shop.move("4", lines=bought().lines, total=D("320.00"))
    shop.run()
    shop.move("6")
    shop.run()
    assert shop.stock() == [998, 999]
    shop.move("12")
    shop.run()
    assert shop.counts() == [1, 1, 0, 1]
    assert world.server.one("select cast(amount as text) from account_payment") == "320.00"
    assert shop.cards() == []
    shop.move("20")
    shop.run()
    assert shop.counts() == [1, 1, 1, 1]
    assert shop.stock() == [1000, 1000]
    assert "(Mistok cancelled" in world.sale(sale.id).comment
    assert shop.cards() == []
    shop.run(full=True)
    assert shop.counts() == [1, 1, 1, 1]


@long
def test_f03_answers_that_are_lost_make_nothing_twice(shop: Shop, world: World) -> None:
    shop.clock.moment -= timedelta(hours=12)
    for call in ("party.party.create", "sale.sale.create", "account.payment.create", "stock.shipment.out.do"):
        world.between.lose_reply(when=method(call))
    shop.put("12", bought())
    for _ in range(9):
        shop.later(hours=1)
        shop.run()
    assert shop.counts() == [1, 1, 0, 1]
    assert shop.stock() == [998, 999]
    assert world.count("party_party", "name like '%Шевченко%'") == 1
    assert shop.cards() == []
