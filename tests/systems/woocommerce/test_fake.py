"""The fake WooCommerce does what the real one's source says, and what differs from shop to shop both ways.

Here: the door, lists, products, categories; variations and batches: test_fake_variations.py; orders and the rest:
test_fake_orders.py.
"""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from plugins.systems.woocommerce.fake import DEFAULT_CATEGORY, HOME, FakeWoo, Quirks
from tests.systems.woocommerce.conftest import Clock, Http

STOCK: dict[str, Any] = {"manage_stock": True, "stock_quantity": Decimal(5)}


def test_each_switch_has_a_test() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parent.glob("test_fake*.py")))
    assert [field.name for field in dataclasses.fields(Quirks) if f"{field.name}=" not in text] == []


# --- the door --------------------------------------------------------------------------------------------------------


def test_keys_go_in_the_header_or_the_query(fake: FakeWoo, http_: Http) -> None:
    stranger = Http(http_.url, "")
    assert http_.get("/products").status == 200
    assert stranger.get("/products", consumer_key="ck_fake", consumer_secret="cs_fake").status == 200
    fake.behave(authorization_header=False)
    assert http_.get("/products").code == (401, "woocommerce_rest_cannot_view")
    assert stranger.get("/products", consumer_key="ck_fake", consumer_secret="cs_fake").status == 200
    fake.behave(https=False)  # over plain HTTP no key is looked at
    assert stranger.get("/products", consumer_key="ck_fake", consumer_secret="cs_fake").status == 401


def test_wrong_keys_and_wrong_secrets_are_told_apart(http_: Http) -> None:
    for login in ("", "ck_other:cs_fake", "ck_fake"):
        stranger = Http(http_.url, login)
        assert stranger.get("/products").code == (401, "woocommerce_rest_cannot_view")
    assert stranger.get("/products/1").json["message"] == "Sorry, you cannot view this resource."
    assert stranger.post("/products", {}).code == (401, "woocommerce_rest_cannot_create")
    assert stranger.put("/products/1", {}).code == (401, "woocommerce_rest_cannot_edit")
    assert stranger.delete("/products/1").code == (401, "woocommerce_rest_cannot_delete")
    assert stranger.post("/products/batch", {}).code == (401, "woocommerce_rest_cannot_batch")
    refused = Http(http_.url, "ck_fake:cs_other").get("/products")
    assert refused.code == (401, "woocommerce_rest_authentication_error")
    assert (refused.json["message"], "www-authenticate" in refused.headers) == ("Consumer secret is invalid.", True)
    broken = Http(http_.url, "")("GET", "/wp-json/wc/v3/products", headers={"Authorization": "Basic ~~~"})
    assert broken.code == (401, "woocommerce_rest_cannot_view")


def test_keys_may_only_read_or_only_write(fake: FakeWoo, http_: Http) -> None:
    fake.add_key("ck_r", "cs", "read")
    fake.add_key("ck_w", "cs", "write")
    reader, writer = Http(http_.url, "ck_r:cs"), Http(http_.url, "ck_w:cs")
    assert reader.get("/products").status == 200
    assert reader.post("/products", {"name": "А"}).json["message"].endswith("does not have write permissions.")
    assert writer.post("/products", {"name": "А"}).status == 201
    assert writer.get("/products").code == (401, "woocommerce_rest_authentication_error")


def test_routes(fake: FakeWoo, http_: Http) -> None:
    fake.add_product("A")
    assert http_.get("/nothing").code == (404, "rest_no_route")
    assert http_("PUT", "/wp-json/wc/v3/products").code == (404, "rest_no_route")
    assert http_.get("/products/abc").code == (404, "rest_no_route")
    page = http_("GET", "/shop/")
    assert (page.status, page.headers["content-type"].split(";")[0]) == (404, "text/html")
    index = Http(http_.url, "")("GET", "/wp-json/").json
    assert (index["timezone_string"], index["gmt_offset"], "wc/v3" in index["namespaces"]) == ("Europe/Kyiv", "2", True)
    assert http_("GET", "/?rest_route=/wc/v3/products&per_page=1").ids == http_.get("/products").ids
    fake.behave(pretty_permalinks=False)
    assert http_.get("/products").headers["content-type"].startswith("text/html")
    assert http_("GET", "/index.php?rest_route=/wc/v3/products").status == 200


def test_php_may_speak_before_the_json(fake: FakeWoo, http_: Http) -> None:
    fake.behave(php_notice=True)
    reply = http_.get("/products")
    assert (reply.text[:6], reply.text[-2:], reply.status) == ("<br />", "[]", 200)
    fake.behave(php_notice=False)
    assert http_.get("/products").json == []


def test_settings_that_a_client_may_ask_for(fake: FakeWoo, http_: Http) -> None:
    assert http_.get("/data/currencies/current").json["code"] == "UAH"
    assert http_.get("/system_status").json["environment"]["version"] == "10.5.0"
    assert http_.get("/settings/products/woocommerce_weight_unit").json["value"] == "kg"
    assert http_.get("/settings/products/woocommerce_manage_stock").json["value"] == "yes"
    fake.behave(manage_stock=False)
    assert http_.get("/settings/products/woocommerce_manage_stock").json["value"] == "no"
    assert http_.get("/settings/general/other").code == (404, "rest_setting_setting_invalid")


# --- lists -----------------------------------------------------------------------------------------------------------


def test_pages_tell_their_counts_in_headers(fake: FakeWoo, http_: Http, clock: Clock) -> None:
    keys = []
    for number in range(12):
        keys.append(fake.add_product(str(number)))
        clock.pass_(seconds=1)
    reply = http_.get("/products")
    assert reply.ids == keys[:1:-1]  # ten, the newest first
    assert (reply.headers["x-wp-total"], reply.headers["x-wp-totalpages"]) == ("12", "2")
    assert 'page=2>; rel="next"' in reply.headers["link"]
    reply = http_.get("/products", per_page="5", page="3", order="asc", orderby="id")
    assert (reply.ids, reply.headers["x-wp-totalpages"]) == (keys[10:], "3")
    assert 'rel="prev"' in reply.headers["link"]
    assert "next" not in reply.headers["link"]
    assert http_.get("/products", page="9").ids == []
    assert http_.get("/products", offset="10", order="asc").ids == keys[10:]
    assert http_.get("/products", include=f"{keys[3]},{keys[1]}", orderby="include").ids == [keys[3], keys[1]]
    assert len(http_.get("/products", exclude=str(keys[0]), per_page="100").ids) == 11
    assert http_.get("/products", per_page="1", _fields="id,sku").json == [{"id": keys[11], "sku": "11"}]


def test_what_is_no_parameter_is_refused_with_its_name(http_: Http) -> None:
    for name, value, words in [
        ("per_page", "101", "per_page must be between 1 (inclusive) and 100 (inclusive)"),
        ("per_page", "0", "per_page must be between 1 (inclusive) and 100 (inclusive)"),
        ("page", "0", "page must be greater than or equal to 1"),
        ("page", "x", "page is not of type integer."),
        ("order", "up", "order is not one of asc and desc."),
        ("orderby", "colour", "orderby is not one of date, id, include, title, slug, modified"),
        ("status", "sold", "status is not one of any, future, trash, draft, pending, private, and publish."),
        ("modified_after", "yesterday", "Invalid date."),
        ("modified_after", "2026-11-22", "Invalid date."),
        ("modified_after", "2026-13-22T00:00:00", "Invalid date."),
        ("on_sale", "maybe", "on_sale is not of type boolean."),
    ]:
        reply = http_.get("/products", **{name: value})
        assert reply.code == (400, "rest_invalid_param")
        assert reply.json["message"] == f"Invalid parameter(s): {name}"
        assert reply.json["data"]["params"][name].startswith(words)


def test_products_are_filtered(fake: FakeWoo, http_: Http) -> None:
    root = fake.add_category("Фарби")
    leaf = fake.add_category("Емалі", root)
    first = fake.add_product("LMP-9", "Лампа", "10", categories=[leaf], **STOCK)
    second = fake.add_product("a,b", "Клей", "20", status="draft", sale_price="15")
    paint = fake.add_variable("Емаль", {"Колір": ["Синя"]}, "EM")
    blue = fake.add_variation(paint, "EM-B", {"Колір": "Синя"}, "30")
    gone = fake.add_product("old", status="trash")
    for query, found in [
        ({}, [first, second, paint]),
        ({"sku": "lmp-9"}, [first]),
        ({"sku": "EM-B"}, [blue]),  # a variation is found by its article
        ({"sku": "a,b"}, [second]),
        ({"sku": "LMP-9,EM-B"}, [first, blue]),
        ({"sku": "none"}, []),
        ({"search_sku": "em"}, [paint, blue]),
        ({"search_name_or_sku": "синя"}, [blue]),
        ({"search": "лам"}, [first]),
        ({"status": "draft"}, [second]),
        ({"status": "trash"}, [gone]),
        ({"type": "variable"}, [paint]),
        ({"category": str(root)}, [first]),  # with what is below
        ({"category": "999"}, []),
        ({"stock_status": "outofstock"}, []),
        ({"on_sale": "true"}, [second]),
        ({"on_sale": "false"}, [first, paint]),
        ({"min_price": "15", "max_price": "29"}, [second]),
        ({"slug": http_.get(f"/products/{first}").json["slug"]}, [first]),
    ]:
        assert http_.get("/products", orderby="id", order="asc", **query).ids == found, query
    told = http_.get("/products", sku="EM-B").json[0]
    assert (told["type"], told["parent_id"], told["name"]) == ("variation", paint, "Емаль - Синя")
    assert http_.get("/products", orderby="price", order="asc").ids == [first, second, paint]
    assert http_.get("/products", orderby="title", order="asc").ids == [paint, second, first]


def test_modified_after_excludes_its_second_and_knows_the_sites_zone(fake: FakeWoo, http_: Http, clock: Clock) -> None:
    old = fake.add_product("old")  # 12:00 UTC, 14:00 of the site
    clock.pass_(hours=1)
    new = fake.add_product("new")
    assert http_.get("/products", modified_after="2026-11-22T12:30:00Z").ids == [new]
    assert http_.get("/products", modified_after="2026-11-22T14:30:00").ids == [new]  # of the site
    assert http_.get("/products", modified_after="2026-11-22T13:00:00Z").ids == []
    assert http_.get("/products", modified_after="2026-11-22T12:59:59Z").ids == [new]
    assert http_.get("/products", modified_before="2026-11-22T13:00:00Z").ids == [old]
    assert http_.get("/products", after="2026-11-22T12:30:00Z").ids == [new]
    assert http_.get("/products", before="2026-11-22T12:30:00Z").ids == [old]
    gmt = {"dates_are_gmt": "true"}
    assert http_.get("/products", modified_after="2026-11-22T12:30:00", **gmt).ids == [new]
    assert http_.get("/products", modified_after="2026-11-22T12:30:00Z", **gmt).ids == []  # taken for 14:30 in GMT
    fake.behave(zone="UTC")
    assert http_.get("/products", modified_after="2026-11-22T12:30:00").ids == [new]


# --- products --------------------------------------------------------------------------------------------------------


def test_a_product_is_created_and_told(fake: FakeWoo, http_: Http) -> None:
    body = {
        "name": "Лак & емаль",
        "type": "simple",
        "sku": " LMP-9 ",
        "regular_price": "450.50",
        "description": "Опис\n\nДругий",
        "manage_stock": True,
        "stock_quantity": 3,
        "weight": "0.25",
        "dimensions": {"length": "10", "width": "5"},
        "categories": [{"id": 999}],
        "meta_data": [{"key": "_ours", "value": {"a": 1}}],
        "global_unique_id": "4820000000000",
    }
    made = http_.post("/products", body)
    told = made.json
    assert (made.status, made.headers["location"]) == (201, f"{HOME}/wp-json/wc/v3/products/{told['id']}")
    assert (told["name"], told["sku"], told["price"], told["regular_price"]) == (
        "Лак &amp; емаль",
        "LMP-9",
        "450.50",
        "450.50",
    )
    assert (told["sale_price"], told["date_on_sale_from"], told["date_on_sale_to_gmt"]) == ("", None, None)
    assert (told["manage_stock"], told["stock_quantity"], told["stock_status"]) == (True, 3, "instock")
    assert told["dimensions"] == {"length": "10", "width": "5", "height": ""}
    assert [one["id"] for one in told["categories"]] == [DEFAULT_CATEGORY]  # an unknown one is none
    assert (told["status"], told["images"], told["variations"], told["tags"]) == ("publish", [], [], [])
    assert told["meta_data"][0]["value"] == {"a": 1}
    assert told["global_unique_id"] == "4820000000000"
    assert told["date_created"] == "2026-11-22T14:00:00"
    assert told["date_created_gmt"] == "2026-11-22T12:00:00"
    assert told["description"] == "Опис\n\nДругий"  # as it is saved
    shown = http_.get(f"/products/{told['id']}").json
    assert shown["description"] == "<p>Опис</p>\n<p>Другий</p>\n"  # as it is shown
    assert http_.get(f"/products/{told['id']}", context="edit").json["description"] == "Опис\n\nДругий"
    assert fake.shop.tables["products"][told["id"]]["regular_price"] == "450.50"


def test_a_write_changes_what_it_names_and_moves_the_date(fake: FakeWoo, http_: Http, clock: Clock) -> None:
    key = fake.add_product("A", "Лак", "100", **STOCK)
    clock.pass_(hours=1)
    for method in ("PUT", "PATCH", "POST"):
        told = http_(method, f"/wp-json/wc/v3/products/{key}", {"name": "Емаль", "sku": None, "sale_price": None}).json
        assert (told["name"], told["sku"], told["regular_price"], told["stock_quantity"]) == ("Емаль", "A", "100", 5)
    assert told["date_modified_gmt"] == "2026-11-22T13:00:00"
    clock.pass_(hours=1)
    assert http_.put(f"/products/{key}", {}).json["date_modified_gmt"] == "2026-11-22T14:00:00"  # even without a change
    assert http_.put(f"/products/{key}", {"sku": "", "unknown": 1}).json["sku"] == ""
    assert http_.put("/products/999", {}).code == (400, "woocommerce_rest_product_invalid_id")
    assert http_.get("/products/999").code == (404, "woocommerce_rest_product_invalid_id")


def test_types_are_checked_one_by_one_but_not_in_batches(fake: FakeWoo, http_: Http) -> None:
    key = fake.add_product("A", "Лак", "100", **STOCK)
    cases: list[tuple[dict[str, Any], str]] = [
        ({"regular_price": 12.5}, "regular_price is not of type string."),
        ({"name": 5}, "name is not of type string."),
        ({"stock_quantity": "5.5"}, "stock_quantity is not of type integer."),
        ({"manage_stock": "yes"}, "manage_stock is not of type boolean."),
        ({"stock_status": "some"}, "stock_status is not one of instock, outofstock, and onbackorder."),
        ({"type": "bundle"}, "type is not one of simple, grouped, external, and variable."),
        ({"categories": 5}, "categories is not of type array."),
        ({"dimensions": [1]}, "dimensions is not of type object."),
    ]
    for body, words in cases:
        reply = http_.put(f"/products/{key}", {"name": "Інше", **body})
        assert reply.code == (400, "rest_invalid_param")
        assert list(reply.json["data"]["params"].values()) == [words]
    assert http_.get(f"/products/{key}").json["name"] == "Лак"
    body = {"id": key, "regular_price": 12.5, "stock_quantity": "5.5", "manage_stock": "yes", "stock_status": "some"}
    told = http_.post("/products/batch", {"update": [body]}).json["update"][0]
    assert (told["regular_price"], told["stock_quantity"], told["stock_status"]) == ("12.5", 5, "instock")
    fake.behave(stock_decimals=True)
    assert http_.put(f"/products/{key}", {"stock_quantity": 5.5}).json["stock_quantity"] == 5.5


def test_json_that_is_none(http_: Http) -> None:
    assert http_.post("/products", b"{").code == (400, "rest_invalid_json")
    assert http_.post("/products", []).json["name"] == ""  # no object: nothing was sent
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    made = http_("POST", "/wp-json/wc/v3/products", b"name=x&regular_price=5", headers=form)
    assert (made.status, made.json["regular_price"]) == (201, "5")


def test_prices_as_text_are_read_by_the_shops_separator(fake: FakeWoo, http_: Http) -> None:
    key = fake.add_product("A")
    assert http_.put(f"/products/{key}", {"regular_price": "12,50"}).json["regular_price"] == "1250"
    assert http_.put(f"/products/{key}", {"regular_price": "1.234.50 грн"}).json["regular_price"] == "1234.50"
    fake.behave(decimal_separator=",")
    assert http_.put(f"/products/{key}", {"regular_price": "1\u00a0234,50"}).json["regular_price"] == "1234.50"
    told = http_.put(f"/products/{key}", {"regular_price": ""}).json
    assert (told["regular_price"], told["price"], told["purchasable"]) == ("", "", False)


def test_articles_are_unique_among_products_and_variations(fake: FakeWoo, http_: Http) -> None:
    paint = fake.add_variable("Емаль", {"Колір": ["Синя"]})
    blue = fake.add_variation(paint, "EM-B", {"Колір": "Синя"})
    refused = http_.post("/products", {"name": "Лак", "sku": "em-b"})
    assert refused.code == (400, "product_invalid_sku")
    assert refused.json["data"] == {"status": 400, "resource_id": blue, "unique_sku": "em-b-1"}
    fake.behave(sku_conflict="not_created")
    refused = http_.post("/products", {"name": "Лак", "sku": "EM-B"})
    assert refused.code == (400, "woocommerce_rest_product_not_created")
    assert "already present in the lookup table" in refused.json["message"]
    assert len(fake.products.parents()) == 1
    assert http_.put(f"/products/{paint}/variations/{blue}", {"sku": "EM-B"}).status == 200  # its own
    fake.add_product("trashed", status="trash")
    assert http_.post("/products", {"name": "Лак", "sku": "trashed"}).status == 201
    fake.add_product("trashed-2", status="trash")
    fake.behave(trashed_sku="not_created")
    assert (
        http_.post("/products", {"name": "Лак", "sku": "trashed-2"}).code[1] == "woocommerce_rest_product_not_created"
    )
    fake.add_product("gtin", global_unique_id="4820000000000")
    reply = http_.post("/products", {"name": "Лак", "global_unique_id": "4820000000000"})
    assert reply.code == (400, "product_invalid_global_unique_id")


def test_stock_counts_only_where_it_is_kept(fake: FakeWoo, http_: Http) -> None:
    key = fake.add_product("A")
    told = http_.put(f"/products/{key}", {"stock_quantity": 5}).json
    assert (told["manage_stock"], told["stock_quantity"], told["stock_status"]) == (False, None, "instock")
    assert http_.put(f"/products/{key}", {"stock_status": "outofstock"}).json["stock_status"] == "outofstock"
    told = http_.put(f"/products/{key}", {"manage_stock": True, "stock_quantity": 5}).json
    assert (told["stock_quantity"], told["stock_status"]) == (5, "instock")
    told = http_.put(f"/products/{key}", {"stock_quantity": 0, "stock_status": "instock"}).json
    assert told["stock_status"] == "outofstock"  # the quantity decides
    told = http_.put(f"/products/{key}", {"backorders": "notify", "stock_quantity": -2}).json
    assert (told["stock_status"], told["backordered"], told["stock_quantity"]) == ("onbackorder", True, -2)
    told = http_.put(f"/products/{key}", {"manage_stock": False}).json
    assert (told["stock_quantity"], told["backorders"], told["stock_status"]) == (None, "no", "onbackorder")
    fake.behave(manage_stock=False)
    assert http_.put(f"/products/{key}", {"manage_stock": True, "stock_quantity": 5}).json["stock_quantity"] is None


def test_special_prices_hold_for_their_dates(fake: FakeWoo, http_: Http, clock: Clock) -> None:
    key = fake.add_product("A", price="100")
    body = {
        "sale_price": "80",
        "date_on_sale_from": "2026-11-22T15:00:00",
        "date_on_sale_to_gmt": "2026-11-22T14:00:00",
    }
    told = http_.put(f"/products/{key}", body).json
    assert (told["price"], told["on_sale"]) == ("100", False)
    assert (told["date_on_sale_from_gmt"], told["date_on_sale_to"]) == ("2026-11-22T13:00:00", "2026-11-22T16:00:00")
    clock.pass_(hours=1)
    told = http_.get(f"/products/{key}").json
    assert (told["price"], told["on_sale"], told["regular_price"]) == ("80", True, "100")
    assert told["date_modified_gmt"] == "2026-11-22T13:00:00"  # the beginning is a save
    clock.pass_(hours=1, seconds=1)
    told = http_.get(f"/products/{key}").json
    assert (told["price"], told["on_sale"], told["sale_price"], told["date_on_sale_to_gmt"]) == (
        "100",
        False,
        "80",
        "2026-11-22T14:00:00",
    )
    told = http_.put(f"/products/{key}", {"date_on_sale_from": None, "date_on_sale_to": ""}).json
    assert (told["date_on_sale_from_gmt"], told["date_on_sale_to"]) == ("2026-11-22T13:00:00", None)  # null is not sent
    assert told["on_sale"] is True
    told = http_.put(f"/products/{key}", {"sale_price": ""}).json
    assert (told["sale_price"], told["price"]) == ("", "100")


def test_before_10_5_a_daily_job_begins_special_prices_and_clears_them(
    fake: FakeWoo, http_: Http, clock: Clock
) -> None:
    fake.behave(exact_sales=False)
    moment = clock.now()
    dates: dict[str, Any] = {
        "date_on_sale_from": moment + timedelta(hours=1),
        "date_on_sale_to": moment + timedelta(hours=2),
    }
    key = fake.add_product("A", price="100", sale_price="80", **dates)
    clock.pass_(minutes=90)
    told = http_.get(f"/products/{key}").json
    assert (told["price"], told["on_sale"]) == ("100", True)  # it holds, and the price does not say so yet
    fake.run_daily_job()
    told = http_.get(f"/products/{key}").json
    assert (told["price"], told["date_on_sale_from"], told["date_on_sale_to_gmt"]) == (
        "80",
        None,
        "2026-11-22T14:00:00",
    )
    clock.pass_(hours=1)
    fake.run_daily_job()
    told = http_.get(f"/products/{key}").json
    assert (told["price"], told["sale_price"], told["date_on_sale_to"]) == ("100", "", None)


def test_a_special_price_that_is_none_is_dropped(fake: FakeWoo, http_: Http) -> None:
    key = fake.add_product("A", price="100")
    for special in ("100", "120"):
        assert http_.put(f"/products/{key}", {"sale_price": special}).json["sale_price"] == ""
    assert http_.put(f"/products/{key}", {"sale_price": "99.99"}).json["price"] == "99.99"
    assert http_.put(f"/products/{key}", {"regular_price": "50"}).json["sale_price"] == ""


def test_pictures_are_copied_anew_each_time(fake: FakeWoo, http_: Http) -> None:
    body = {
        "name": "Лак",
        "images": [{"src": "https://site.example/i/lak.jpg", "alt": "Лак"}, {"src": "https://s.example/2.png"}],
    }
    told = http_.post("/products", body).json
    main, other = told["images"]
    assert (main["src"], main["alt"]) == (f"{HOME}/wp-content/uploads/2026/11/lak.jpg", "Лак")
    told = http_.put(
        f"/products/{told['id']}", {"images": [{"id": other["id"]}, {"src": "https://site.example/i/lak.jpg"}]}
    ).json
    assert told["images"][0]["id"] == other["id"]
    assert told["images"][1]["src"].endswith("/lak-1.jpg")  # a second copy
    fake.shop.unreachable.add("https://site.example/gone.jpg")
    for images, code in [
        ([{"src": "https://site.example/gone.jpg"}], "woocommerce_product_image_upload_error"),
        ([{"src": "ftp://site.example/a.jpg"}], "woocommerce_product_image_upload_error"),
        ([{"src": "https://site.example/a.pdf"}], "woocommerce_product_image_upload_error"),
        ([{"id": 99999}], "woocommerce_product_invalid_image_id"),
    ]:
        assert http_.put(f"/products/{told['id']}", {"name": "Інше", "images": images}).code == (400, code)
    assert http_.get(f"/products/{told['id']}").json["name"] == "Лак"
    assert http_.put(f"/products/{told['id']}", {"images": []}).json["images"] == []


def test_deleting_goes_into_the_trash_or_for_good(fake: FakeWoo, http_: Http) -> None:
    key = fake.add_product("A")
    assert http_.delete(f"/products/{key}").json["status"] == "publish"  # as it was
    assert http_.get(f"/products/{key}").json["status"] == "trash"
    assert http_.get("/products").ids == []
    assert http_.delete(f"/products/{key}").code == (410, "woocommerce_rest_already_trashed")
    assert http_.put(f"/products/{key}", {"status": "publish"}).json["status"] == "publish"
    assert http_.delete(f"/products/{key}", force="true").json["id"] == key
    assert http_.get(f"/products/{key}").status == 404
    assert http_.delete(f"/products/{key}").code == (404, "woocommerce_rest_product_invalid_id")
    paint = fake.add_variable("Емаль", {"Колір": ["Синя"]})
    fake.add_variation(paint, "EM-B", {"Колір": "Синя"})
    http_.delete(f"/products/{paint}", force="true")
    assert list(fake.products.rows()) == []  # with its variations


def test_tags_and_texts_of_others(http_: Http) -> None:
    told = http_.post("/products", {"name": "<b>Лак</b><script>x</script> &copy;", "tags": [{"name": "нове"}]}).json
    assert told["name"] == "<b>Лак</b>x &copy;"
    assert [tag["name"] for tag in told["tags"]] == ["нове"]
    again = http_.post("/products", {"name": "Лак", "tags": [{"name": "нове"}]}).json
    assert again["tags"] == told["tags"]
    key, meta = again["id"], {"key": "_crm", "value": "7"}
    assert http_.put(f"/products/{key}", {"meta_data": [meta]}).json["meta_data"][0]["value"] == "7"
    assert http_.put(f"/products/{key}", {"meta_data": [{"key": "_crm", "value": None}]}).json["meta_data"] == []
    slugs = [http_.post("/products", {"name": "Nail polish"}).json["slug"] for _ in range(2)]
    assert slugs == ["nail-polish", "nail-polish-2"]
    assert http_.post("/products", {"name": "Лак"}).json["slug"].startswith("%d0%bb%d0%b0%d0%ba")


# --- categories ------------------------------------------------------------------------------------------------------


def test_categories_make_a_tree(fake: FakeWoo, http_: Http) -> None:
    made = http_.post("/products/categories", {"name": "Фарби & лаки", "description": "x", "menu_order": 3})
    root = made.json
    assert (made.status, root["name"], root["parent"], root["count"], root["image"]) == (
        201,
        "Фарби &amp; лаки",
        0,
        0,
        None,
    )
    leaf = http_.post("/products/categories", {"name": "Емалі", "parent": root["id"]}).json
    refused = http_.post("/products/categories", {"name": "емалі", "parent": root["id"]})
    assert refused.code == (400, "term_exists")
    assert refused.json["data"]["resource_id"] == leaf["id"]
    assert http_.post("/products/categories", {"name": "Емалі"}).status == 201  # below another parent
    assert http_.post("/products/categories", {"name": "Нова", "parent": 999}).code == (400, "missing_parent")
    assert http_.post("/products/categories", {}).code == (400, "rest_missing_callback_param")
    assert http_.post("/products/categories", {"name": " "}).code == (400, "empty_term_name")
    assert [row["name"] for row in http_.get("/products/categories").json] == [
        "Uncategorized",
        "Емалі",
        "Емалі",
        "Фарби &amp; лаки",
    ]
    assert http_.get("/products/categories", parent=str(root["id"])).ids == [leaf["id"]]
    assert http_.get("/products/categories", search="фарб").ids == [root["id"]]
    key = http_.post("/products", {"name": "Лак", "categories": [{"id": leaf["id"]}, {"id": leaf["id"]}]}).json["id"]
    assert http_.get(f"/products/categories/{leaf['id']}").json["count"] == 1
    assert http_.get("/products/categories", product=str(key)).ids == [leaf["id"]]
    assert http_.get("/products/categories", hide_empty="true").ids == [leaf["id"]]
    assert http_.put(f"/products/categories/{leaf['id']}", {"name": "Емалі 2"}).json["name"] == "Емалі 2"
    assert http_.get("/products/categories/999").code == (404, "woocommerce_rest_term_invalid")
    assert http_.delete(f"/products/categories/{leaf['id']}").code == (501, "woocommerce_rest_trash_not_supported")
    assert http_.delete(f"/products/categories/{leaf['id']}", force="true").status == 200
    assert [one["id"] for one in http_.get(f"/products/{key}").json["categories"]] == [DEFAULT_CATEGORY]
    assert http_.delete(f"/products/categories/{DEFAULT_CATEGORY}", force="true").code[0] == 500


def test_categories_in_batches_and_with_pictures(http_: Http) -> None:
    body = {
        "create": [{"name": "А", "image": {"src": "https://s.example/a.png"}}, {"name": "А"}],
        "update": [{"id": 999}],
    }
    told = http_.post("/products/categories/batch", body).json
    assert told["create"][0]["image"]["src"].endswith("/a.png")
    assert told["create"][1]["error"]["code"] == "term_exists"
    assert told["update"][0]["error"]["code"] == "woocommerce_rest_term_invalid"
    key = told["create"][0]["id"]
    assert http_.post("/products/categories/batch", {"delete": [key]}).json["delete"][0]["name"] == "А"


def test_dates_in_seeds_are_kept(fake: FakeWoo, http_: Http) -> None:
    key = fake.add_product("A", sale_price="5", date_on_sale_to=datetime(2026, 12, 1, tzinfo=UTC))
    assert http_.get(f"/products/{key}").json["date_on_sale_to"] == "2026-12-01T02:00:00"


@pytest.mark.parametrize("path", ["/products", "/products/1/variations", "/orders", "/products/categories"])
def test_lists_can_be_empty(http_: Http, path: str) -> None:
    reply = http_.get(path, per_page="100", page="2")
    assert (reply.json, reply.headers["content-type"]) == ([], "application/json; charset=UTF-8")
