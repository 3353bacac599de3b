"""The fake of KeyCRM: key, limit, pages, sorts, filters, includes, and the looks of refusals."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from plugins.systems.keycrm.fake import FakeKeyCrm
from tests.systems.keycrm.conftest import Api, Clock, Make

# --- the key ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["", "Bearer wrong", "Bearer ", "key key"])
def test_without_its_key_nothing_is_answered(api: Api, fake: FakeKeyCrm, given: str) -> None:
    reply = api.ask("POST", "/products", {"name": "Кава"}, Authorization=given)
    assert (reply.status, reply.body) == (401, {"message": "Unauthenticated."})
    assert not fake.account.table("products")


def test_several_keys_are_good(make: Make) -> None:
    fake, api = make()
    fake.keys |= {"other"}
    assert api.ask("GET", "/order", Authorization="Bearer other").status == 200


# --- the limit ---------------------------------------------------------------------------------------------------


def test_sixty_requests_a_minute(api: Api, fake: FakeKeyCrm, clock: Clock) -> None:
    fake.per_minute = 60
    first = api.get("/order/tag")
    assert (first.headers["X-RateLimit-Limit"], first.headers["X-RateLimit-Remaining"]) == ("60", "59")
    clock.move(20)
    for _ in range(59):
        last = api.get("/order/tag")
    assert (last.status, last.headers["X-RateLimit-Remaining"]) == (200, "0")
    refused = api.post("/products", {"name": "Кава"})
    assert (refused.status, refused.body) == (429, {"message": "Too Many Attempts."})
    assert (refused.headers["Retry-After"], refused.headers["X-RateLimit-Remaining"]) == ("40", "0")
    assert not fake.account.table("products")
    clock.move(39.5)
    assert api.get("/order/tag").headers["Retry-After"] == "1"
    clock.move(0.5)  # what was refused was not counted
    assert api.get("/order/tag").headers["X-RateLimit-Remaining"] == "59"


def test_a_refused_key_costs_nothing_and_another_key_has_its_own_minute(make: Make) -> None:
    fake, api = make()
    fake.per_minute, fake.keys = 1, {"key", "other"}
    refused = api.ask("GET", "/order/tag", Authorization="Bearer wrong")
    assert (refused.status, "X-RateLimit-Limit" in refused.headers) == (401, False)
    assert api.get("/order/tag").status == 200
    assert api.get("/order/tag").status == 429
    assert api.ask("GET", "/order/tag", Authorization="Bearer other").status == 200


def test_the_limit_may_be_by_address_alone(make: Make) -> None:
    fake, api = make(rate_scope="ip")
    fake.per_minute, fake.keys = 1, {"key", "other"}
    assert api.get("/order/tag").status == 200
    assert api.ask("GET", "/order/tag", Authorization="Bearer other").status == 429


def test_the_minute_may_slide_and_the_headers_be_missing(make: Make, clock: Clock) -> None:
    fake, api = make(rate_window="sliding", rate_headers=False, retry_after=False, rate_scope="key")
    fake.per_minute = 2
    assert api.get("/order/tag").status == 200
    clock.move(30)
    assert api.get("/order/tag").status == 200
    clock.move(30)
    assert api.get("/order/tag").status == 200  # only the first is a minute old
    refused = api.get("/order/tag")
    assert refused.status == 429
    assert not {"Retry-After", "X-RateLimit-Limit", "X-RateLimit-Remaining"} & set(refused.headers)


@pytest.mark.parametrize(("window", "status"), [("fixed", 200), ("sliding", 429)])
def test_a_fixed_minute_begins_anew_with_all_of_its_requests(
    make: Make, clock: Clock, window: str, status: int
) -> None:
    fake, api = make(rate_window=window)
    fake.per_minute = 3
    for seconds in (0, 50, 0, 10):
        clock.move(seconds)
        assert api.get("/order/tag").status == 200
    assert [api.get("/order/tag").status for _ in range(2)] == [200 if window == "fixed" else 429, status]


# --- refusals ----------------------------------------------------------------------------------------------------


def test_paths_and_methods_that_are_none(api: Api) -> None:
    for path in ("/warehouses", "/warehouse", "/storages", "/offers/warehouses", "/order/warehouse"):
        assert api.get(path).status == 404
    reply = api.delete("/order/1")
    assert (reply.status, reply.headers["Allow"]) == (405, "GET, PUT")
    assert "DELETE method is not supported" in reply.body["message"]
    for path in (
        "/order/1",
        "/order/x",
        "/order/%C2%B2",
        "/products/1",
        "/buyer/-1",
        "/companies/99999999999999999999",
    ):
        assert api.get(path).status == 404, path


def test_who_does_not_accept_json_gets_pages_for_refusals(make: Make) -> None:
    _, api = make()
    refused = api.ask("GET", "/order", Authorization="", Accept="*/*")
    assert (refused.status, refused.headers["Location"]) == (302, "https://openapi.keycrm.app/login")
    assert api.ask("POST", "/products", {}, Accept="").status == 302
    missing = api.ask("GET", "/order/1", Accept="*/*")
    assert (missing.status, missing.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert api.ask("GET", "/order", Accept="*/*").body["data"] == []
    _, other = make(html_without_accept=False)
    assert other.ask("GET", "/order/1", Accept="*/*").body == {"message": "Not found."}


def test_a_refused_body_names_its_fields_or_does_not(make: Make) -> None:
    body = {"products": [{"name": "a"}, {"price": "x", "pictures": "url"}]}
    _, api = make()
    assert api.post("/products/import", body).body == {
        "message": "The given data was invalid.",
        "errors": {
            "products.1.name": ["The name field is required."],
            "products.1.price": ["The price must be a number."],
            "products.1.pictures": ["The pictures must be an array."],
        },
    }
    _, other = make(errors_map=False)
    reply = other.post("/products/import", body)
    assert (reply.status, reply.body) == (422, {"message": "The given data was invalid."})


def test_a_body_must_say_that_it_is_json(api: Api) -> None:
    headers: dict[str, Any] = {"Content-Type": "application/x-www-form-urlencoded"}
    assert api.ask("POST", "/products", b"name=Coffee", **headers).status == 422
    assert api.ask("POST", "/products", b'{"name": "Coffee"}', **headers).status == 422
    assert api.ask("POST", "/products", b'{"name": ', **{**headers, "Content-Type": "application/json"}).status == 400
    body: Any
    for body in ([], "text", 5):
        assert api.post("/products", body).status == 422


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", 5),
        ("name", ""),
        ("name", None),
        ("name", ["x"]),
        ("price", "5"),
        ("price", True),
        ("price", 10**15),
        ("category_id", 1.5),
        ("category_id", 77),
        ("pictures", ["u"] * 7),
        ("pictures", [5]),
        ("custom_fields", {}),
        ("custom_fields", ["CT_1"]),
        ("custom_fields", [{"value": "x"}]),
    ],
)
def test_wrong_types_are_refused(api: Api, fake: FakeKeyCrm, field: str, value: Any) -> None:
    assert api.post("/products", {"name": "Кава", field: value}).status == 422
    assert not fake.account.table("products")


def test_types_may_be_taken_loosely(make: Make) -> None:
    fake, api = make(strict_types=False)
    assert api.post("/products", {"name": 5, "price": "10.50", "sku": 7}).status == 201
    assert (fake.offer("7")["price"], fake.account.table("products")[1]["name"]) == (10.5, "5")
    assert api.post("/products", {"name": "x", "price": "ten"}).status == 422
    assert api.post("/products", {"name": True}).status == 422


@pytest.mark.parametrize(("nulls", "status", "price"), [("wipe", 202, 0), ("keep", 202, 450), ("refuse", 422, 450)])
def test_null_in_a_field_that_is_not_nullable(make: Make, nulls: str, status: int, price: int) -> None:
    fake, api = make(nulls=nulls)
    fake.add_product("Кава", "COF-1", price=450)
    assert api.put("/offers", {"offers": [{"sku": "COF-1", "price": None}]}).status == status
    assert fake.offer("COF-1")["price"] == price
    assert api.put("/order/1", {}).status == 404
    fake.add_order(manager_comment="був")
    assert api.put("/order/1", {"manager_comment": None}).body["manager_comment"] is None  # declared nullable


# --- pages -------------------------------------------------------------------------------------------------------


def test_the_envelope(api: Api, fake: FakeKeyCrm) -> None:
    for index in range(107):
        fake.add_product(f"Товар {index}")
    body = api.get("/offers", limit=50, page=2, filter_is_archived="false", include="product").body
    data = body.pop("data")
    path = f"http://127.0.0.1:{api.port}/v1/offers"
    kept = "filter%5Bis_archived%5D=false&include=product"
    assert [row["id"] for row in data] == list(range(51, 101))
    assert body == {
        "current_page": 2,
        "first_page_url": f"{path}?{kept}&page=1",
        "from": 51,
        "last_page": 3,
        "last_page_url": f"{path}?{kept}&page=3",
        "next_page_url": f"{path}?{kept}&page=3",
        "path": path,
        "per_page": 50,
        "prev_page_url": f"{path}?{kept}&page=1",
        "to": 100,
        "total": 107,
    }
    last = api.get("/offers", limit=50, page=3).body
    assert (len(last["data"]), last["next_page_url"], last["from"], last["to"]) == (7, None, 101, 107)
    beyond = api.get("/offers", limit=50, page=4).body
    assert (beyond["data"], beyond["from"], beyond["to"], beyond["next_page_url"]) == ([], None, None, None)
    empty = api.get("/order").body
    assert (empty["data"], empty["total"], empty["last_page"], empty["per_page"]) == ([], 0, 1, 15)


def test_wrong_names_of_the_limit_are_ignored(api: Api, fake: FakeKeyCrm) -> None:
    for index in range(20):
        fake.add_category(str(index))
    assert api.get("/products/categories", perPage=50, per_page=50).body["per_page"] == 15
    assert api.get("/products/categories", page=0).body["current_page"] == 1
    assert api.get("/products/categories", page="x").body["current_page"] == 1


@pytest.mark.parametrize(
    ("quirk", "big", "small"), [("clamp", (200, 50), (200, 15)), ("default", (200, 15), (200, 15))]
)
def test_a_limit_out_of_bounds(make: Make, quirk: str, big: Any, small: Any) -> None:
    _, api = make(over_limit=quirk)
    for limit, (status, size) in ((51, big), (1000, big), (0, small), (-1, small), ("x", small)):
        reply = api.get("/order", limit=limit)
        assert (reply.status, reply.body["per_page"]) == (status, size)
    assert api.get("/order", limit=1).body["per_page"] == 1


def test_a_limit_out_of_bounds_may_be_refused(make: Make) -> None:
    _, api = make(over_limit="refuse")
    assert [api.get("/order", limit=limit).status for limit in (50, 51, 0, "x")] == [200, 422, 422, 422]


@pytest.mark.parametrize("kept", [False, True])
def test_who_follows_the_urls_of_pages_may_lose_his_limit(make: Make, kept: bool) -> None:
    fake, api = make(page_urls_keep_limit=kept)
    for index in range(40):
        fake.add_category(str(index))
    following = api.get("/products/categories", limit=20).body["next_page_url"]
    names = [name for name, _ in parse_qsl(urlsplit(following).query)]
    assert ("limit" in names) is kept
    second = api.ask("GET", "/products/categories?" + urlsplit(following).query)
    assert second.ids()[0] == (21 if kept else 16)


def test_links_of_the_paginator(make: Make) -> None:
    fake, api = make(paginator_links=True)
    for index in range(20):
        fake.add_category(str(index))
    links = api.get("/products/categories").body["links"]
    assert [(one["label"], one["active"], one["url"] is None) for one in links] == [
        ("&laquo; Previous", False, True),
        ("1", True, False),
        ("2", False, False),
        ("Next &raquo;", False, False),
    ]


# --- sorts, filters, includes ------------------------------------------------------------------------------------


def test_sorts(api: Api, fake: FakeKeyCrm, clock: Clock) -> None:
    for _ in range(3):
        clock.move(60)
        fake.add_order()
    clock.move(60)
    fake.change_order(1, manager_comment="останнє")
    assert api.get("/order", sort="id").ids() == [1, 2, 3]
    assert api.get("/order", sort="-id").ids() == [3, 2, 1]
    assert api.get("/order", sort="-updated_at").ids() == [1, 3, 2]
    assert api.get("/order", sort="created_at").ids() == [1, 2, 3]
    assert api.get("/order/status", sort="-id").ids() == [19, 12, 3, 2, 1]


@pytest.mark.parametrize(("quirk", "status"), [("ignore", 200), ("refuse", 400)])
def test_a_sort_that_is_none(make: Make, quirk: str, status: int) -> None:
    fake, api = make(unknown_sort=quirk)
    fake.add_product("Кава")
    for path, sort in (("/order", "grand_total"), ("/products", "id"), ("/offers/stocks", "-id")):
        reply = api.get(path, sort=sort)
        assert reply.status == status
        if status == 400:
            assert reply.body["message"].startswith(f"Requested sort(s) `{sort.lstrip('-')}` are not allowed.")


@pytest.mark.parametrize("order", ["id", "-id", "shuffled"])
def test_the_order_without_a_sort_is_nobodys_promise(make: Make, order: str) -> None:
    fake, api = make(default_order=order)
    for index in range(9):
        fake.add_product(str(index))
    ids = api.get("/products").ids()
    assert sorted(ids) == list(range(1, 10))
    assert (ids == sorted(ids)) is (order == "id")
    assert (ids == sorted(ids, reverse=True)) is (order == "-id")
    paged = [one for page in (1, 2, 3) for one in api.get("/products", limit=4, page=page).ids()]
    assert paged == ids  # whatever it is, it stays


@pytest.mark.parametrize(("quirk", "status"), [("ignore", 200), ("refuse", 400)])
def test_a_filter_that_is_none_gives_the_whole_list(make: Make, quirk: str, status: int) -> None:
    fake, api = make(unknown_filter=quirk)
    fake.add_product("Кава", "COF-1")
    fake.add_product("Чай", "TEA-1")
    reply = api.get("/products", filter_sku="COF-1")
    assert reply.status == status
    if status == 200:
        assert reply.ids() == [1, 2]
    else:
        assert reply.body["message"] == (
            "Requested filter(s) `sku` are not allowed. Allowed filter(s) are `product_id, category_id, is_archived`."
        )
    stocks = api.get("/offers/stocks", filter_warehouse_id="5", filter_offers_sku="TEA-1")
    assert (stocks.status, stocks.ids()) == (200, [2])  # seen live: there it is never refused


def test_filters_take_lists_and_are_anded(api: Api, fake: FakeKeyCrm) -> None:
    for index in range(4):
        fake.add_product(f"Товар {index}", f"S-{index}", is_archived=index == 3)
    assert api.get("/products", filter_product_id="1, 3,9").ids() == [1, 3]
    assert api.get("/products", filter_is_archived="true").ids() == [4]
    assert api.get("/products", filter_product_id="3,4", filter_is_archived="false").ids() == [3]
    reply = api.ask("GET", "/offers?filter[sku][]=S-0&filter[sku][]=S-2")
    assert reply.ids() == [1, 3]


def test_ranges_of_moments(api: Api, fake: FakeKeyCrm, clock: Clock) -> None:
    fake.add_order(ordered_at="2026-01-15 08:01:27")
    fake.add_order(ordered_at="2026-01-16 00:00:00")
    both = {"filter_created_between": "2026-01-15 08:01:27, 2026-01-16 00:00:00"}
    assert api.get("/order", **both).ids() == [1, 2]  # by ordered_at; both were created on the 29th
    assert api.get("/order", filter_created_between="2026-01-29 00:00:00,2026-01-30 00:00:00").ids() == []
    assert api.get("/order", filter_created_between="2026-01-15,2026-01-16").ids() == [1, 2]
    assert api.get("/order", filter_created_between="2026-01-14,2026-01-15").ids() == []  # until its midnight
    assert api.get("/order", filter_updated_between="2026-01-29 18:53:35,2026-01-29 18:53:35").ids() == [1, 2]
    for wrong in ("2026-01-15", "", "a,b", "2026-01-15,2026-01-16,2026-01-17", "2026-01-15T00:00:00Z,2026-01-16"):
        assert api.get("/order", filter_created_between=wrong).status == 422


def test_an_include_that_is_not_allowed_is_refused_with_the_allowed(api: Api, fake: FakeKeyCrm) -> None:
    fake.add_order()
    for path in ("/order", "/order/1"):
        reply = api.get(path, include="buyer,products.warehouse")
        assert reply.status == 400
        found = re.fullmatch(
            r"Requested include\(s\) `products\.warehouse` are not allowed\. Allowed include\(s\) are `(.+)`\.",
            reply.body["message"],
        )
        assert found
        allowed = found[1].split(", ")
        for name in ("products", "products.offer", "customFields", "tagsCount", "buyerExists", "attachments.file"):
            assert name in allowed
            assert api.get(path, include=name).status == 200


def test_the_refusal_of_an_include_may_be_another(make: Make) -> None:
    _, api = make(bad_include=422)
    assert api.get("/offers", include="products").status == 422


def test_includes_are_ignored_where_there_are_none(api: Api) -> None:
    for path in ("/offers/stocks", "/users", "/products/categories", "/order/status"):
        assert api.get(path, include="anything").status == 200


# --- the looks of values -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dates", "ordered", "shipped"),
    [
        ("iso", "2026-01-15T08:01:27.000000Z", "2026-02-01T00:00:00.000000Z"),
        ("plain", "2026-01-15 08:01:27", "2026-02-01T00:00:00.000000Z"),
    ],
)
def test_dates_come_in_both_forms(make: Make, dates: str, ordered: str, shipped: str) -> None:
    fake, api = make(dates=dates)
    fake.add_order(ordered_at="2026-01-15 08:01:27", shipping={"shipping_date": "2026-02-01"})
    order = api.get("/order/1", include="shipping").body
    assert (order["ordered_at"], order["shipping"]["shipping_date_actual"]) == (ordered, shipped)


@pytest.mark.parametrize(
    ("strings", "total", "price", "quantity"),
    [("none", 901, 450.5, 2), ("sums", "901.00", 450.5, 2), ("all", "901.00", "450.5", "2")],
)
def test_numbers_come_as_numbers_and_as_texts(make: Make, strings: str, total: Any, price: Any, quantity: Any) -> None:
    fake, api = make(strings=strings)
    fake.add_order([{"name": "Кава", "price": Decimal("450.5"), "quantity": 2}])
    order = api.get("/order/1", include="products").body
    line = order["products"][0]
    assert (order["grand_total"], line["price"], line["quantity"]) == (total, price, quantity)
    assert order["id"] == 1
