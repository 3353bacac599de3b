"""The fake WooCommerce's orders, notes and webhooks; its state in a file; it as a process."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import plugins
from pipeline.testing.fakehttp import FakeApi, FakeServer
from pipeline.testing.fakerun import load_state, save_state
from plugins.systems.woocommerce import fake as fake_module
from plugins.systems.woocommerce.fake import FakeWoo
from tests.systems.woocommerce.conftest import Clock, Http

STOCK: dict[str, Any] = {"manage_stock": True, "stock_quantity": Decimal(5)}


def test_an_order_is_told(fake: FakeWoo, http_: Http) -> None:
    lamp = fake.add_product("LMP-9", "Лампа", "10.05")
    paint = fake.add_variable("Емаль", {"Колір": ["Синя"]})
    blue = fake.add_variation(paint, "EM-B", {"Колір": "Синя"}, "33.33")
    shipping = [{"id": 1, "method_id": "nova", "method_title": "Нова Пошта", "total": "70", "total_tax": "0"}]
    key = fake.add_order([(lamp, 3), (blue, 1)], shipping_lines=shipping, customer_note="дзвоніть")
    told = http_.get(f"/orders/{key}").json
    assert (told["number"], told["status"], told["currency"], told["customer_note"]) == (
        str(key),
        "processing",
        "UAH",
        "дзвоніть",
    )
    assert (told["total"], told["shipping_total"], told["discount_total"], told["total_tax"]) == (
        "133.48",
        "70.00",
        "0.00",
        "0.00",
    )
    first, second = told["line_items"]
    assert (first["sku"], first["quantity"], first["total"], first["price"]) == ("LMP-9", 3, "30.15", 10.05)
    assert (first["product_id"], first["variation_id"], first["parent_name"]) == (lamp, 0, None)
    assert (second["product_id"], second["variation_id"], second["name"]) == (paint, blue, "Емаль - Синя")
    assert second["meta_data"][0]["display_value"] == "Синя"
    assert (told["shipping_lines"][0]["method_title"], told["shipping_lines"][0]["total"]) == ("Нова Пошта", "70.00")
    assert (told["date_created"], told["date_created_gmt"]) == ("2026-11-22T14:00:00", "2026-11-22T12:00:00")
    assert (told["date_paid_gmt"], told["date_completed"]) == ("2026-11-22T12:00:00", None)
    del fake.shop.tables["products"][lamp]
    assert http_.get(f"/orders/{key}").json["line_items"][0]["sku"] is None  # sold, and in the shop no more
    assert http_.get("/orders/999").code == (404, "woocommerce_rest_shop_order_invalid_id")


def test_orders_are_filtered(fake: FakeWoo, http_: Http, clock: Clock) -> None:
    lamp = fake.add_product("LMP-9")
    first = fake.add_order([(lamp, 1)], "processing", customer_id=7)
    clock.pass_(hours=1)
    second = fake.add_order([], "completed")
    gone = fake.add_order([], "trash")
    for query, found in [
        ({}, [first, second]),
        ({"status": "processing"}, [first]),
        ({"status": "processing,completed"}, [first, second]),
        ({"status[]": "completed"}, [second]),
        ({"status": "trash"}, [gone]),
        ({"modified_after": "2026-11-22T12:30:00Z"}, [second]),
        ({"modified_after": "2026-11-22T12:30:00", "dates_are_gmt": "true"}, [second]),
        ({"customer": "7"}, [first]),
        ({"product": str(lamp)}, [first]),
        ({"search": str(second)}, [second]),
    ]:
        assert http_.get("/orders", orderby="id", order="asc", **query).ids == found, query
    refused = http_.get("/orders", status="sold")
    assert refused.code == (400, "rest_invalid_param")
    assert refused.json["data"]["params"]["status"].startswith("status[0] is not one of any, trash, pending")
    fake.shop.settings["order_statuses"].append("shipped")  # by a plugin
    assert http_.get("/orders", status="shipped").ids == []
    assert http_.put(f"/orders/{first}", {"status": "shipped"}).json["status"] == "shipped"


def test_a_status_change_leaves_its_traces(fake: FakeWoo, http_: Http, clock: Clock) -> None:
    lamp = fake.add_product("LMP-9", **STOCK)
    key = fake.add_order([(lamp, 2)], "pending")
    clock.pass_(hours=1)
    told = http_.put(f"/orders/{key}", {"status": "completed", "meta_data": [{"key": "_doc", "value": "7"}]}).json
    assert (told["status"], told["date_completed_gmt"]) == ("completed", "2026-11-22T13:00:00")
    assert (told["date_modified_gmt"], told["meta_data"][0]["value"]) == ("2026-11-22T13:00:00", "7")
    assert http_.get(f"/products/{lamp}").json["stock_quantity"] == 3
    assert [note["note"] for note in http_.get(f"/orders/{key}/notes").json] == [
        "Order status changed from pending to completed."
    ]
    http_.put(f"/orders/{key}", {"status": "completed"})
    assert len(http_.get(f"/orders/{key}/notes").json) == 1
    http_.put(f"/orders/{key}", {"status": "cancelled"})
    assert http_.get(f"/products/{lamp}").json["stock_quantity"] == 5
    refused = http_.put(f"/orders/{key}", {"status": "sold"})
    assert refused.code == (400, "rest_invalid_param")
    assert http_.put("/orders/999", {"status": "completed"}).code == (400, "woocommerce_rest_shop_order_invalid_id")


def test_sales_move_the_date_of_a_product_or_not(fake: FakeWoo, http_: Http, clock: Clock) -> None:
    paint = fake.add_variable("Емаль", {"Колір": ["Синя"]}, **STOCK)
    blue = fake.add_variation(paint, "EM-B", {"Колір": "Синя"})
    clock.pass_(hours=1)
    fake.add_order([(blue, 5)])
    told = http_.get(f"/products/{paint}").json
    assert (told["stock_quantity"], told["stock_status"]) == (0, "outofstock")  # its product keeps the stock
    assert told["date_modified_gmt"] == "2026-11-22T12:00:00"
    fake.behave(sales_move_date=True)
    fake.add_order([(blue, 1)])
    told = http_.get(f"/products/{paint}").json
    assert (told["stock_quantity"], told["date_modified_gmt"]) == (-1, "2026-11-22T13:00:00")


def test_orders_are_made_and_deleted(fake: FakeWoo, http_: Http) -> None:
    lamp = fake.add_product("LMP-9", "Лампа", "10", **STOCK)
    body = {
        "billing": {"first_name": "Олена", "phone": "+380500000000", "unknown": 1},
        "line_items": [{"product_id": lamp, "quantity": 2}, {"sku": "LMP-9", "quantity": 1, "total": "9.50"}],
        "shipping_lines": [{"method_id": "nova", "method_title": "Нова Пошта", "total": "70"}],
        "set_paid": True,
    }
    made = http_.post("/orders", body)
    told = made.json
    assert (made.status, told["status"], told["total"]) == (201, "processing", "99.50")
    assert (told["billing"]["first_name"], told["created_via"]) == ("Олена", "rest-api")
    assert http_.get(f"/products/{lamp}").json["stock_quantity"] == 2
    refused = http_.post("/orders", {"line_items": [{"quantity": 1}]})
    assert refused.code == (400, "woocommerce_rest_required_product_reference")
    assert http_.delete(f"/orders/{told['id']}").json["id"] == told["id"]
    assert http_.get("/orders").ids == []
    assert http_.delete(f"/orders/{told['id']}").code == (410, "woocommerce_rest_already_trashed")
    assert http_.delete(f"/orders/{told['id']}", force="true").status == 200
    assert http_.get(f"/orders/{told['id']}").status == 404


def test_orders_in_batches(fake: FakeWoo, http_: Http) -> None:
    first, second = fake.add_order(), fake.add_order()
    body = {"update": [{"id": first, "status": "completed"}, {"id": 999}], "delete": [second], "create": [{}]}
    told = http_.post("/orders/batch", body).json
    assert told["update"][0]["status"] == "completed"
    assert told["update"][1]["error"]["code"] == "woocommerce_rest_shop_order_invalid_id"
    assert (told["delete"][0]["id"], told["create"][0]["error"]["data"]["status"]) == (second, 400)


def test_notes(fake: FakeWoo, http_: Http, clock: Clock) -> None:
    key = fake.add_order([], "pending")
    clock.pass_(hours=1)
    made = http_.post(f"/orders/{key}/notes", {"note": "Документ №7"})
    assert (made.status, made.json["customer_note"], made.json["author"]) == (201, False, "system")
    other = http_.post(f"/orders/{key}/notes", {"note": "ТТН 2045…", "customer_note": True}).json["id"]
    assert [note["note"] for note in http_.get(f"/orders/{key}/notes").json] == ["ТТН 2045…", "Документ №7"]
    assert http_.get(f"/orders/{key}/notes", type="customer").ids == [other]
    assert http_.get(f"/orders/{key}/notes", type="internal").ids == [made.json["id"]]
    assert http_.get(f"/orders/{key}/notes/{other}").json["note"] == "ТТН 2045…"
    assert http_.get(f"/orders/{key}").json["date_modified_gmt"] == "2026-11-22T12:00:00"  # notes do not move it
    assert http_.post(f"/orders/{key}/notes", {}).code == (400, "rest_missing_callback_param")
    assert http_.post("/orders/999/notes", {"note": "x"}).code == (404, "woocommerce_rest_order_invalid_id")
    assert http_.delete(f"/orders/{key}/notes/{other}").code == (501, "woocommerce_rest_trash_not_supported")
    assert http_.delete(f"/orders/{key}/notes/{other}", force="true").json["id"] == other
    assert http_.get(f"/orders/{key}/notes/{other}").code == (404, "woocommerce_rest_invalid_id")


def test_a_lost_reply_leaves_the_note_written(fake: FakeWoo, http_: Http) -> None:
    key = fake.add_order()
    before = len(http_.get(f"/orders/{key}/notes").json)
    fake.lose_reply(method="POST", path="/wp-json/wc/v3/orders/")
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        http_.post(f"/orders/{key}/notes", {"note": "Документ №7"})
    assert len(http_.get(f"/orders/{key}/notes").json) == before + 1


# --- webhooks --------------------------------------------------------------------------------------------------------


@pytest.fixture
def receiver() -> Iterator[FakeServer]:
    api = FakeApi()
    api.add("POST", "/hook", lambda _asked: {})
    with FakeServer(api) as server:
        yield server


def test_webhooks_are_signed_and_carry_what_the_api_tells(fake: FakeWoo, http_: Http, receiver: FakeServer) -> None:
    hook = fake.add_webhook("order.updated", receiver.url + "/hook", "s3cret")
    fake.add_webhook("product.deleted", receiver.url + "/hook")
    key, lamp = fake.add_order([], "pending"), fake.add_product("LMP-9", "Лампа")
    told = http_.put(f"/orders/{key}", {"status": "completed"}).json
    http_.delete(f"/products/{lamp}")
    assert fake.send_webhooks() == [200, 200]
    first, second = receiver.api.asked()
    assert first.json() == told
    digest = hmac.new(b"s3cret", first.body, hashlib.sha256).digest()
    assert first.headers["x-wc-webhook-signature"] == base64.b64encode(digest).decode()
    assert (first.headers["x-wc-webhook-topic"], first.headers["x-wc-webhook-id"]) == ("order.updated", str(hook))
    assert second.json() == {"id": lamp}
    assert fake.send_webhooks() == []


def test_a_webhook_that_fails_five_times_is_disabled(fake: FakeWoo, http_: Http, receiver: FakeServer) -> None:
    hook = fake.add_webhook("order.updated", receiver.url + "/hook")
    key = fake.add_order([], "pending")
    receiver.api.fail(500, times=5)
    told = []
    for _ in range(6):
        http_.put(f"/orders/{key}", {})
        told += fake.send_webhooks()
    assert told == [500] * 5
    assert fake.shop.tables["webhooks"][hook]["status"] == "disabled"


# --- state and process -----------------------------------------------------------------------------------------------


def test_the_state_goes_through_a_file(fake: FakeWoo, http_: Http, tmp_path: Path) -> None:
    fake.seed()
    http_.post("/products", {"name": "Лак", "images": [{"src": "https://s.example/a.png"}]})
    save_state(tmp_path / "state.json", fake.dump())
    again = FakeWoo(now=fake.now)
    again.restore(load_state(tmp_path / "state.json"))
    with FakeServer(again) as server:
        other = Http(server.url)
        for path in ("/products", "/products/categories", "/variations", "/orders"):
            assert other.get(path).json == http_.get(path).json, path
            assert other.get(path).json
        assert other.post("/products", {"name": "Далі"}).json["id"] == fake.shop.last + 1


def test_a_state_written_by_hand_needs_only_what_matters(fake: FakeWoo, http_: Http) -> None:
    fake.restore(
        {
            "keys": {"ck_own": {"secret": "cs_own", "permissions": "read"}},
            "products": [{"id": 7, "name": "Лак", "regular_price": "5", "price": "5"}],
            "orders": [{"id": 9}],
        }
    )
    own = Http(http_.url, "ck_own:cs_own")
    assert own.get("/products/7").json["price"] == "5"
    assert own.get("/orders/9").json["total"] == "0.00"
    assert fake.add_product("B") > 9


def test_it_runs_as_a_process_and_keeps_its_state(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    root = Path(next(iter(plugins.__path__))).parent
    command = [sys.executable, "-m", fake_module.__name__, "--state", str(state), "--token", "ck:cs", "--seed"]
    command += ["--quirk", "all_variations=false"]

    def run() -> subprocess.Popen[str]:
        env = {**os.environ, "PYTHONUTF8": "1"}
        return subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True, env=env)

    with run() as process:
        assert process.stdout
        http_ = Http(process.stdout.readline().strip(), "ck:cs")
        assert len(http_.get("/products").ids) == 3
        assert http_.get("/variations").status == 404
        assert http_.post("/products", {"name": "Нова", "sku": "NEW"}).status == 201
        end = time.monotonic() + 10
        while not state.exists():
            assert time.monotonic() < end
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0 or os.name == "nt"
    with run() as process:
        assert process.stdout
        http_ = Http(process.stdout.readline().strip(), "ck:cs")
        assert http_.get("/products", sku="NEW").json[0]["name"] == "Нова"
        assert len(http_.get("/products").ids) == 4  # seeded once
        process.terminate()
