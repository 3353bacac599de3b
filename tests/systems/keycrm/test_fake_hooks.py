"""The fake of KeyCRM: webhooks, and the state that it keeps."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipeline.testing.fakehttp import FakeApi, FakeServer
from pipeline.testing.fakerun import load_state, save_state
from plugins.systems.keycrm.fake import FakeKeyCrm, Quirks
from tests.systems.keycrm.conftest import Api, Clock, Make, held


class Listener(FakeApi):
    """Somebody who is told."""

    def __init__(self) -> None:
        super().__init__()
        self.add("POST", "/hook/{which}", lambda _asked, which: {"which": which})

    def told(self, which: str) -> list[Any]:
        """The bodies that came."""
        return [json.loads(one.body, parse_float=Decimal) for one in self.asked("POST", f"/hook/{which}")]


@pytest.fixture
def listener() -> Iterator[tuple[Listener, str]]:
    """It, and its URL."""
    api = Listener()
    with FakeServer(api) as server:
        yield api, server.url


def test_a_change_of_status_is_told(api: Api, fake: FakeKeyCrm, clock: Clock, listener: tuple[Listener, str]) -> None:
    fake.hooks.on_order(f"{listener[1]}/hook/status?secret=s")
    fake.hooks.on_order(f"{listener[1]}/hook/paid", "order.change_payment_status")
    api.post(
        "/order", {"source_id": 1, "source_uuid": "JS-10452", "buyer": {"full_name": "Олена"}, "buyer_comment": "!"}
    )
    clock.move(60)
    api.put("/order/1", {"status_id": 3})
    api.put("/order/1", {"status_id": 3, "manager_comment": "нічого нового"})
    assert [status for _, status in fake.send_webhooks()] == [200]
    (body,) = listener[0].told("status")
    context = body["context"]
    assert body["event"] == "order.change_order_status"
    assert (context["id"], context["status_id"], context["status_group_id"]) == (1, 3, 4)
    assert context["status_changed_at"] == "2026-01-29T18:54:35.000000Z"
    assert (context["source_uuid"], context["client_id"], context["payment_status"]) == ("JS-10452", 1, "not_paid")
    assert context["client_comment"] == "!"
    assert not {"products", "buyer", "shipping", "buyer_comment", "lines"} & set(context)
    fake.set_status(1, 12)  # by somebody in the cabinet
    assert len(fake.send_webhooks()) == 1
    assert listener[0].told("paid") == []
    api.post("/order/1/payment", {"amount": 5, "payment_method_id": 1})
    fake.send_webhooks()
    assert [one["context"]["payment_status"] for one in listener[0].told("paid")] == ["overpaid"]
    assert fake.send_webhooks() == []
    with pytest.raises(ValueError, match=r"order\.deleted"):
        fake.hooks.on_order("http://x", "order.deleted")


def test_dates_of_webhooks_are_iso_whatever_the_api_shows(make: Make) -> None:
    fake, api = make(dates="plain", strings="all")
    fake.hooks.on_order("http://127.0.0.1:9/hook")
    fake.add_order([{"name": "Кава", "price": Decimal("4.50")}])
    api.put("/order/1", {"status_id": 3})
    (hook,) = fake.hooks.waiting
    context = json.loads(fake.hooks.raw(hook.body))["context"]
    assert (context["status_changed_at"], context["grand_total"]) == ("2026-01-29T18:53:35.000000Z", 4.5)


def test_a_change_of_stock_is_told_over_the_chosen_warehouses(
    api: Api, fake: FakeKeyCrm, listener: tuple[Listener, str]
) -> None:
    fake.add_warehouse("Магазин", number=3)
    fake.add_product("Кава", "COF-1", stock={1: 10, 3: 5})
    fake.add_product("Чай", "TEA-1", stock=7)
    fake.hooks.on_stock(f"{listener[1]}/hook/all")
    fake.hooks.on_stock(f"{listener[1]}/hook/shop", [3])
    api.put(
        "/offers/stocks",
        {"warehouse_id": 1, "stocks": [{"id": 1, "quantity": Decimal("2.5")}, {"id": 2, "quantity": 7}]},
    )
    fake.send_webhooks()
    assert listener[0].told("all") == [[{"offer_id": 1, "sku": "COF-1", "in_stock": Decimal("7.5"), "in_reserve": 0}]]
    assert listener[0].told("shop") == [[{"offer_id": 1, "sku": "COF-1", "in_stock": 5, "in_reserve": 0}]]
    api.post("/order", {"source_id": 1, "buyer": {"full_name": "О"}, "products": [{"sku": "TEA-1", "quantity": 3}]})
    fake.send_webhooks()
    assert listener[0].told("all")[1] == [{"offer_id": 2, "sku": "TEA-1", "in_stock": 7, "in_reserve": 3}]
    fake.set_stock("TEA-1", 9)  # by somebody in the cabinet
    fake.send_webhooks()
    assert [one["in_stock"] for one in listener[0].told("all")[2]] == [9]
    api.put("/offers", {"offers": [{"id": 2, "price": 5}]})
    fake.account.stock_control = False
    fake.set_stock("TEA-1", 8)
    assert fake.send_webhooks() == []  # a price is no stock, and without stock control there is none


def test_who_cannot_be_told_is_not_told_again(api: Api, fake: FakeKeyCrm, listener: tuple[Listener, str]) -> None:
    fake.add_order()
    fake.hooks.on_order(f"{listener[1]}/nowhere")
    fake.hooks.on_order("http://127.0.0.1:9/refused")
    api.put("/order/1", {"status_id": 3})
    assert [status for _, status in fake.send_webhooks()] == [404, 0]
    assert fake.send_webhooks() == []


def test_the_state_outlives_the_fake(tmp_path: Path, clock: Clock) -> None:
    fake = FakeKeyCrm(Quirks(lag=60), clock.now)
    fake.add_custom_field("CT_1", "crm_product")
    fake.add_product("Кава", "COF-1", price=450, stock=10, custom_fields=[{"uuid": "CT_1", "value": "x"}])
    fake.add_product("Сукня", variants=[{"sku": "D-1", "price": Decimal("690.50"), "stock": "0.5"}])
    fake.add_order([{"sku": "COF-1", "quantity": 2}], payments=[{"amount": 900, "payment_method_id": 1}], wrap_price=5)
    with FakeServer(fake) as server:
        api = Api(server.port)
        api.put("/offers", {"offers": [{"sku": "COF-1", "price": 460}]})
        before = [api.get(path, include=include).body["data"] for path, include in LISTS]
    save_state(tmp_path / "state.json", fake.dump())
    other = FakeKeyCrm(now=clock.now)
    other.load(load_state(tmp_path / "state.json"))
    with FakeServer(other) as server:
        api = Api(server.port)
        assert [api.get(path, include=include).body["data"] for path, include in LISTS] == before
        clock.move(60)
        assert api.get("/offers", filter_sku="COF-1").data[0]["price"] == 460  # what was accepted is still done
        assert api.put("/order/1", {"status_id": 12}).body["grand_total"] == 905
        assert api.post("/products", {"name": "Чай", "sku": "TEA-1"}).body["id"] == 3
    assert held(other, "COF-1") == (8, 0)
    line = other.order(1)["lines"][0]
    assert all(isinstance(line[name], Decimal) for name in ("price", "quantity", "purchased_price", "total_discount"))
    assert load_state(tmp_path / "nothing.json") == {}


LISTS = [
    ("/products", "custom_fields"),
    ("/offers", "product"),
    ("/order", "products.offer,payments"),
    ("/buyer", ""),
    ("/order/status", ""),
]


def test_seeds_are_held_to_what_the_api_takes(fake: FakeKeyCrm) -> None:
    with pytest.raises(ValueError, match="price"):
        fake.add_product("Кава", price="450")
    fake.add_product("Кава", number=5)
    with pytest.raises(ValueError, match="products has a row 5"):
        fake.add_product("Кава", number=5)
    with pytest.raises(ValueError, match="aware"):
        fake.add_order(created_at=Clock().at.replace(tzinfo=None))
    fake.add_order(created_at=Clock().at.replace(year=2025), updated_at="2025-01-01T00:00:00.000000Z", status_id=12)
    row = fake.order(max(fake.account.table("orders")))
    assert (row["created_at"][:4], row["updated_at"][:4], row["status_id"]) == ("2025", "2025", 12)
    with pytest.raises(LookupError):
        fake.offer("NONE")


def test_it_runs_as_a_process(tmp_path: Path, listener: tuple[Listener, str]) -> None:
    state = tmp_path / "state.json"
    command = [sys.executable, "-m", "plugins.systems.keycrm.fake", "--state", str(state), "--token", "secret"]
    command += ["--per-minute", "0", "--stock-webhook", f"{listener[1]}/hook/stock"]
    command += ["--order-webhook", f"{listener[1]}/hook/order"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for names in (["Кава"], ["Кава", "Чай"]):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
            try:
                assert process.stdout
                url = process.stdout.readline().strip()
                api = Api(int(url.rpartition(":")[2]), {"Authorization": "Bearer secret", "Accept": "application/json"})
                reply = api.post("/products", {"name": names[-1], "sku": names[-1]})
                assert (reply.status, "X-RateLimit-Limit" in reply.headers) == (201, False)
                assert [row["name"] for row in api.get("/products").data] == names
                stocks = [{"sku": names[-1], "quantity": 5}]
                assert api.put("/offers/stocks", {"warehouse_id": 1, "stocks": stocks}).status == 202
            finally:
                process.terminate()
                process.wait(10)
    assert [one[0]["sku"] for one in listener[0].told("stock")] == ["Кава", "Чай"]
    assert len(load_state(state)["tables"]["products"]) == 2
