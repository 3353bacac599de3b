"""The fake KeepinCRM does what the sources show of the real one, and each thing that they leave open both ways.

Here: the door, lists and filters, materials, categories, stock and prices; the rest: test_fake_agreements.py.
"""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest

from plugins.systems.keepincrm.fake import FREE_PLAN, FakeKeepin, Quirks
from tests.systems.keepincrm.conftest import Http
from tests.systems.keepincrm.world import Clock


def test_each_switch_has_a_test() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parent.glob("test_fake*.py")))
    assert [field.name for field in dataclasses.fields(Quirks) if f"{field.name}=" not in text] == []


# --- the door --------------------------------------------------------------------------------------------------------


def test_a_token_must_be_shown(http_: Http) -> None:
    assert http_.get("/clients/statuses").status == 200
    for token in ("", "wrong"):
        reply = Http(http_.url, token).get("/clients/statuses")
        assert (reply.status, reply.json) == (401, {"errors": ["Invalid auth token"]})
    assert Http(http_.url, "wrong").get("/nowhere").status == 401


@pytest.mark.parametrize("where", ["message", "errors", "error"])
def test_the_free_plan_answers_everything_with_402(fake: FakeKeepin, http_: Http, where: Any) -> None:
    fake.behave(free_plan=True, free_plan_body=where)
    reply = http_.get("/clients/statuses")
    assert (reply.status, reply.json) == (402, {where: [FREE_PLAN] if where == "errors" else FREE_PLAN})
    assert Http(http_.url, "wrong").get("/clients/statuses").status == 401
    fake.behave(free_plan=False)
    assert http_.get("/clients/statuses").status == 200


@pytest.mark.parametrize(
    ("how", "kind", "body"),
    [("html", "text/html", "<h1>"), ("text", "text/plain", "Not Found"), ("empty", "text/html", "")],
)
def test_404_is_no_json(fake: FakeKeepin, http_: Http, how: Any, kind: str, body: str) -> None:
    fake.behave(not_found=how)
    for path in (
        "/materials/999",
        "/materials/abc",
        "/materials/sku/none",
        "/agreements/999",
        "/clients/999",
        "/funnels",
    ):
        reply = http_.get(path)
        assert (reply.status, reply.headers["content-type"].split(";")[0]) == (404, kind)
        assert body in reply.text
        assert (reply.text == "") == (how == "empty")
    assert http_("GET", "/materials").status == 404  # outside of /v1
    assert http_.get("/products").status == 404


def test_too_many_requests(fake: FakeKeepin, http_: Http, clock: Clock) -> None:
    assert [http_.get("/clients/statuses").status for _ in range(5)] == [200] * 5
    fake.behave(rate_limit=3)
    assert [http_.get("/clients/statuses").status for _ in range(4)] == [200, 200, 200, 429]
    clock.pass_(seconds=20.5)
    refused = http_.get("/clients/statuses")
    assert (refused.status, refused.headers["retry-after"]) == (429, "40")
    fake.behave(retry_after="date")
    again = parsedate_to_datetime(http_.get("/clients/statuses").headers["retry-after"])
    assert 39 <= (again - clock.now()).total_seconds() <= 41
    fake.behave(retry_after="none")
    assert "retry-after" not in http_.get("/clients/statuses").headers
    clock.pass_(seconds=40)
    assert http_.get("/clients/statuses").status == 200


@pytest.mark.parametrize("status", [422, 400, 500])
def test_a_misshapen_body_is_refused_with_or_without_detail(fake: FakeKeepin, http_: Http, status: Any) -> None:
    fake.behave(refusal=status)
    key = fake.add_material("A")
    shapes: tuple[Any, ...] = ({"stock_rests_attributes": {"1": {}}}, {"title": {}}, {"custom_fields": ["a"]})
    bodies: tuple[Any, ...] = ([], "text", b"{", b"", *shapes)
    for body in bodies:
        reply = http_.patch(f"/materials/{key}", body)
        assert reply.status == status, body
        assert ("errors" in reply.json) == (status == 422)
    assert http_("PATCH", f"/v1/materials/{key}", b"title=x", headers={"Content-Type": "text/plain"}).status == status


def test_unknown_fields_are_dropped_or_refused(fake: FakeKeepin, http_: Http) -> None:
    key = fake.add_material("A", price=Decimal(5))
    reply = http_.patch(f"/materials/{key}", {"price_amount": 9, "title": "Новий"})  # the name for reading
    assert (reply.status, reply.json["price_amount"], reply.json["title"]) == (200, "5.0", "Новий")
    fake.behave(unknown_fields="refused")
    reply = http_.patch(f"/materials/{key}", {"price_amount": 9, "title": "Інший"})
    assert (reply.status, reply.json["errors"]) == (422, {"price_amount": ["is unknown"]})
    assert http_.get(f"/materials/{key}").json["title"] == "Новий"


def test_times_have_a_zone(fake: FakeKeepin, http_: Http) -> None:
    key = fake.add_client("А")
    assert http_.get(f"/clients/{key}").json["created_at"] == "2026-11-22T14:00:00.000+02:00"
    fake.behave(zone="UTC", milliseconds=False)
    assert http_.get(f"/clients/{key}").json["created_at"] == "2026-11-22T12:00:00Z"


def test_material_times_are_told_or_not(fake: FakeKeepin, http_: Http, clock: Clock) -> None:
    key = fake.add_material("A")
    assert {"created_at", "updated_at"} & set(http_.get(f"/materials/{key}").json) == set()
    fake.behave(material_times=True)
    clock.pass_(hours=1)
    told = http_.patch(f"/materials/{key}", {"title": "Б"}).json
    assert (told["created_at"], told["updated_at"]) == (
        "2026-11-22T14:00:00.000+02:00",
        "2026-11-22T15:00:00.000+02:00",
    )


# --- lists -----------------------------------------------------------------------------------------------------------


def test_pages(fake: FakeKeepin, http_: Http) -> None:
    assert http_.get("/materials").json == {
        "items": [],
        "pagination": {"total_pages": 0, "current_page": 1, "total_count": 0},
    }
    keys = [fake.add_material(str(number)) for number in range(7)]
    fake.behave(per_page=3, per_page_max=5, order="oldest_first")
    seen = [[row["id"] for row in http_.get("/materials", page=str(page)).items] for page in (1, 2, 3, 4)]
    assert seen == [keys[:3], keys[3:6], keys[6:], []]
    assert http_.get("/materials", page="2").json["pagination"] == {
        "total_pages": 3,
        "current_page": 2,
        "total_count": 7,
    }
    assert http_.get("/materials", page="x").json["pagination"]["current_page"] == 1
    assert len(http_.get("/materials", per_page="2").items) == 2
    assert len(http_.get("/materials", per_page="50").items) == 5  # cut to the most
    fake.behave(per_page_max=0)
    assert len(http_.get("/materials", per_page="2").items) == 3  # not listened to
    fake.behave(pagination_counts=False, order="newest_first")
    reply = http_.get("/materials").json
    assert reply["pagination"] == {"total_pages": 3}
    assert [row["id"] for row in reply["items"]] == keys[:-4:-1]


def test_statuses_are_a_bare_array_or_items(fake: FakeKeepin, http_: Http) -> None:
    key = fake.add_named("client_statuses", "Новий")
    assert http_.get("/clients/statuses").json == [{"id": key, "name": "Новий"}]
    fake.behave(statuses_bare=False)
    assert http_.get("/clients/statuses").items[0]["name"] == "Новий"


def test_filters(fake: FakeKeepin, http_: Http) -> None:
    root = fake.add_category("Лаки")
    first = fake.add_material("LMP-9", "Лампа LED", category_id=root, price=Decimal("100.5"))
    second = fake.add_material("lmp-10", "Клей 50%", price=Decimal(20), irrelevant=True)
    third = fake.add_material("", "Пензель", unit=None, price=Decimal(30))
    fake.behave(order="oldest_first")
    for condition, value, found in [
        ("sku_eq", "LMP-9", [first]),
        ("sku_eq", "lmp-9", []),
        ("sku_not_eq", "LMP-9", [second, third]),
        ("sku_i_cont", "LMP", [first, second]),
        ("title_cont", "ла", [first]),
        ("title_not_cont", "ла", [second, third]),
        ("title_start", "Пен", [third]),
        ("title_end", "50%", [second]),
        ("sku_present", "1", [first, second]),
        ("sku_blank", "true", [third]),
        ("unit_null", "true", [third]),
        ("unit_null", "false", [first, second]),
        ("unit_not_null", "1", [first, second]),
        ("irrelevant_true", "1", [second]),
        ("irrelevant_false", "1", [first, third]),
        ("category_id_eq", str(root), [first]),
        ("category_id_null", "1", [second, third]),
        ("price_gt", "20", [first, third]),
        ("price_gteq", "20", [first, second, third]),
        ("price_lt", "30", [second]),
        ("price_lteq", "30.0", [second, third]),
        ("price_eq", "100.50", [first]),
        ("price_gt", "many", [first, second, third]),
        ("title_eq", "", [first, second, third]),
    ]:
        assert http_.q("/materials", {f"q[{condition}]": value}) == found, condition
    assert (
        http_("GET", f"/v1/materials?q[id_in][]={first}&q[id_in][]={third}").items == http_.get("/materials").items[::2]
    )
    assert http_.q("/materials", {"q[sku_cont]": "l", "q[price_lt]": "50"}) == [second]


def test_sorting(fake: FakeKeepin, http_: Http) -> None:
    first, second, third = (
        fake.add_material(sku, price=Decimal(price)) for sku, price in (("b", 2), ("c", 10), ("a", 1))
    )
    assert http_.q("/materials", {"q[s]": "sku asc"}) == [third, first, second]
    assert http_.q("/materials", {"q[s]": "price desc"}) == [second, first, third]
    assert http_.q("/materials", {"q[s]": "id asc"}) == [first, second, third]
    fake.behave(sorting=False)
    assert http_.q("/materials", {"q[s]": "id asc"}) == [third, second, first]


def test_the_updated_at_filter_works_is_ignored_or_refused(fake: FakeKeepin, http_: Http, clock: Clock) -> None:
    old = fake.add_material("old")
    clock.pass_(hours=1)
    new = fake.add_material("new")
    since = {"q[updated_at_gteq]": "2026-11-22T12:30:00Z"}
    assert http_.q("/materials", since) == [new]
    assert http_.q("/materials", {"q[updated_at_gteq]": "2026-11-22 14:30"}) == [new]  # of the account's zone
    assert http_.q("/materials", {"q[updated_at_lteq]": "2026-11-22"}) == []  # a date alone is its beginning
    assert http_.q("/materials", {"q[updated_at_eq]": "2026-11-22T13:00:00Z"}) == [new]
    assert http_.q("/materials", {"q[updated_at_gteq]": "yesterday"}) == [new, old]
    fake.behave(zone="UTC")
    assert http_.q("/materials", {"q[updated_at_gteq]": "2026-11-22 14:30"}) == []
    fake.behave(updated_at_filter="ignored")
    assert http_.q("/materials", since) == [new, old]
    fake.behave(updated_at_filter="refused")
    assert http_("GET", "/v1/materials", query=since).status == 400


def test_unknown_filters_are_ignored_or_refused(fake: FakeKeepin, http_: Http) -> None:
    key = fake.add_material("A")
    queries = ({"q[colour_eq]": "1"}, {"q[sku_like]": "B"}, {"q[sku]": "B"})
    assert [http_.q("/materials", query) for query in queries] == [[key]] * 3
    fake.behave(unknown_filter="refused")
    assert [http_("GET", "/v1/materials", query=query).status for query in queries] == [400] * 3
    assert http_.q("/materials", {"q[sku_eq]": "B", "page": "1", "unknown": "x"}) == []


# --- materials -------------------------------------------------------------------------------------------------------


def test_reading_and_writing_have_other_names(fake: FakeKeepin, http_: Http) -> None:
    root = fake.add_category("Лампи")
    body = {
        "sku": "LMP-9", "title": "Лампа «LED» 9 Вт", "unit": "шт.", "price": 150, "currency": "UAH", "cost": "90.50",
        "cost_currency": "USD", "weight": 0.25, "volume": 1, "link_url": "https://shop.example/lmp-9",
        "category_id": root, "asset_url": "https://shop.example/lmp-9.jpg", "vat_group_title": "20%",
        "irrelevant": False,
    }  # fmt: skip
    made = http_.post("/materials", body)
    assert made.status == 201
    told = http_.get(f"/materials/{made.json['id']}").json
    assert told == made.json
    assert {name: told[name] for name in body if name not in {"price", "cost"}} == {
        name: value for name, value in body.items() if name not in {"price", "cost"}
    }
    assert (told["price_amount"], told["cost_amount"]) == ("150.0", "90.5")
    assert "price" not in told
    assert told["category"] == {"id": root, "name": "Лампи"}
    assert http_.get("/materials/sku/LMP-9").json == told


def test_prices_are_told_in_many_forms(fake: FakeKeepin, http_: Http) -> None:
    key = fake.add_material("A", price=Decimal("1234.50"), cost=None)
    fake.behave(price_names="both", price_form="number")
    told = http_.get(f"/materials/{key}").json
    assert (told["price_amount"], told["price"], told["cost_amount"]) == (1234.5, 1234.5, None)
    fake.behave(price_names="plain", price_form="comma")
    told = http_.get(f"/materials/{key}").json
    assert (told.get("price_amount"), told["price"]) == (None, "1 234,50")
    fake.behave(price_names="amount", price_form="text")
    assert http_.get(f"/materials/{key}").json["price_amount"] == "1234.5"


def test_what_is_no_value_is_refused_whole(fake: FakeKeepin, http_: Http) -> None:
    key = fake.add_material("A", price=Decimal(5))
    for body, field in [
        ({"title": "Б", "price": "12,5"}, "price"),
        ({"title": "Б", "price": True}, "price"),
        ({"title": "Б", "cost": "many"}, "cost"),
        ({"title": "Б", "category_id": 5}, "category"),
        ({"title": "Б", "available": "x"}, "available"),
        ({"title": "  "}, "title"),
        ({"title": None}, "title"),
    ]:
        reply = http_.patch(f"/materials/{key}", body)
        assert (reply.status, list(reply.json["errors"])) == (422, [field])
        assert reply.json["message"]
    assert http_.get(f"/materials/{key}").json["title"] == "Товар"
    assert http_.post("/materials", {"sku": "Б"}).json["errors"] == {"title": ["is required"]}
    assert len(fake.materials.rows()) == 1
    assert http_.patch(f"/materials/{key}", {"category_id": 0, "price": None, "weight": ""}).status == 200


def test_creating_materials_works_or_this_account_refuses(fake: FakeKeepin, http_: Http) -> None:
    assert http_.post("/materials", {"sku": "A", "title": "А"}).status == 201
    assert http_.post("/materials", {"sku": "A", "title": "А знову"}).status == 201  # several with one SKU
    assert http_.post("/materials", {"title": "Без артикула"}).status == 201
    fake.behave(create_material="not_found")
    assert http_.post("/materials", {"sku": "B", "title": "Б"}).status == 404
    fake.behave(create_material="unprocessable")
    assert http_.post("/materials", {"sku": "B", "title": "Б"}).json["errors"]
    assert len(fake.materials.rows()) == 3
    fake.behave(create_material="works", sku_unique=True)
    assert http_.post("/materials", {"sku": "A", "title": "А"}).json["errors"] == {"sku": ["has already been taken"]}
    assert http_.post("/materials", {"sku": "", "title": "Без артикула"}).status == 201


def test_put_by_sku_changes_and_may_create(fake: FakeKeepin, http_: Http) -> None:
    key = fake.add_material("A", "А", unit="кг")
    reply = http_.put("/materials/sku/A", {"price": 7})
    assert (reply.status, reply.json["id"], reply.json["price_amount"], reply.json["unit"]) == (200, key, "7.0", "кг")
    assert http_.put("/materials/sku/B", {"title": "Б"}).status == 404
    fake.behave(upsert_by_sku="unprocessable")
    assert http_.put("/materials/sku/B", {"title": "Б"}).status == 422
    fake.behave(upsert_by_sku="creates")
    reply = http_.put("/materials/sku/B", {"title": "Б"})
    assert (reply.status, reply.json["sku"]) == (201, "B")
    assert http_.put("/materials/sku/B", {"sku": "C"}).json["sku"] == "C"


def test_one_of_several_with_a_sku_answers(fake: FakeKeepin, http_: Http, clock: Clock) -> None:
    first, second, third = (fake.add_material("A", title) for title in ("1", "2", "3"))
    clock.pass_(minutes=1)
    http_.patch(f"/materials/{second}", {"unit": "кг"})
    for which, key in (("touched", second), ("first", first), ("last", third)):
        fake.behave(duplicate_sku=which)
        assert http_.get("/materials/sku/A").json["id"] == key
        assert http_.put("/materials/sku/A", {}).json["id"] == key
    assert sorted(http_.q("/materials", {"q[sku_eq]": "A"})) == [first, second, third]


def test_skus_in_the_path(fake: FakeKeepin, http_: Http) -> None:
    odd = fake.add_material("ГР-2 К/1")
    dotted = fake.add_material("A.5")
    plain = fake.add_material("007")
    assert http_.get("/materials/sku/%D0%93%D0%A0-2%20%D0%9A%2F1").json["id"] == odd
    assert http_.get("/materials/sku/A.5").json["id"] == dotted
    assert http_.get("/materials/sku/007").json["id"] == plain
    assert http_.get("/materials/sku/7").status == 404
    assert http_.get("/materials/sku/a.5").status == 404
    assert http_.get("/materials/sku/").status == 404
    fake.behave(sku_slash=False, sku_dot=False, sku_case=False)
    assert http_.get("/materials/sku/%D0%93%D0%A0-2%20%D0%9A%2F1").status == 404
    assert http_.get("/materials/sku/A.5").status == 404
    dot = fake.add_material("A")
    assert http_.get("/materials/sku/A.5").json["id"] == dot
    assert http_.get("/materials/sku/a").json["id"] == dot


def test_deleting_removes_archives_or_is_not_there(fake: FakeKeepin, http_: Http) -> None:
    first, second, third = (fake.add_material(sku) for sku in "ABC")
    assert http_.delete(f"/materials/{first}").json["id"] == first
    assert http_.get(f"/materials/{first}").status == 404
    assert http_.delete(f"/materials/{first}").status == 404
    fake.behave(delete_material="archives", delete_answer="empty")
    reply = http_.delete(f"/materials/{second}")
    assert (reply.status, reply.text) == (204, "")
    assert http_.get(f"/materials/{second}").json["irrelevant"] is True
    fake.behave(delete_material="not_found")
    assert http_.delete(f"/materials/{third}").status == 404
    assert http_.get(f"/materials/{third}").status == 200


def test_archived_materials_are_listed_or_not(fake: FakeKeepin, http_: Http) -> None:
    key = fake.add_material("A")
    assert http_.patch(f"/materials/{key}", {"irrelevant": True}).json["irrelevant"] is True
    assert http_.q("/materials", {}) == [key]
    fake.behave(archived_listed=False)
    assert http_.q("/materials", {}) == []
    assert http_.get(f"/materials/{key}").status == 200


def test_extra_fields_such_as_a_special_price_are_there_only_where_the_account_has_them(
    fake: FakeKeepin, http_: Http
) -> None:
    key = fake.add_material("A")
    body = {"special": 99.5, "special_until": "2026-12-01"}
    assert set(body) & set(http_.patch(f"/materials/{key}", body).json) == set()
    fake.behave(extra_fields=("special", "special_until"))
    told = http_.get(f"/materials/{key}").json
    assert (told["special"], told["special_until"]) == (None, None)
    told = http_.patch(f"/materials/{key}", body).json
    assert {name: told[name] for name in body} == body
    assert http_.patch(f"/materials/{key}", {"special": None}).json["special_until"] == "2026-12-01"


# --- categories ------------------------------------------------------------------------------------------------------


def test_categories_make_a_tree(fake: FakeKeepin, http_: Http) -> None:
    root = http_.post("/materials/categories", {"name": " Емалі "})
    assert (root.status, root.json["name"], root.json["parent_id"]) == (201, "Емалі", None)
    leaf = http_.post("/materials/categories", {"name": "Акрилові", "parent_id": root.json["id"]}).json
    fake.behave(order="oldest_first")
    assert http_.get("/materials/categories").items == [root.json, leaf]
    for body, field in (({"name": " "}, "name"), ({}, "name"), ({"name": "А", "parent_id": 5}, "parent")):
        assert list(http_.post("/materials/categories", body).json["errors"]) == [field]
    fake.behave(category_name="title", category_parents=False)
    assert http_.get("/materials/categories").items[1] == {"id": leaf["id"], "title": "Акрилові"}
    assert http_.post("/materials/categories", {"title": "Інші"}).status == 201
    assert http_.post("/materials/categories", {"name": "Інші"}).status == 422


def test_categories_may_be_missing_or_only_read(fake: FakeKeepin, http_: Http) -> None:
    fake.add_category("Емалі")
    fake.behave(create_category="not_found")
    assert http_.post("/materials/categories", {"name": "Нова"}).status == 404
    fake.behave(create_category="unprocessable")
    assert http_.post("/materials/categories", {"name": "Нова"}).status == 422
    assert len(http_.get("/materials/categories").items) == 1
    fake.behave(categories="not_found", create_category="works")
    assert http_.get("/materials/categories").status == 404
    assert http_.post("/materials/categories", {"name": "Нова"}).status == 404
    fake.behave(categories="unprocessable")
    assert http_.get("/materials/categories").status == 422


def test_a_material_tells_its_category_in_many_forms(fake: FakeKeepin, http_: Http) -> None:
    root = fake.add_category("Емалі")
    key, bare = fake.add_material("A", category_id=root), fake.add_material("B")
    fake.behave(category_read="name")
    assert http_.get(f"/materials/{key}").json["category"] == "Емалі"
    assert http_.get(f"/materials/{bare}").json["category"] is None
    fake.behave(category_read="absent")
    told = http_.get(f"/materials/{key}").json
    assert ("category" in told, told["category_id"]) == (False, root)
    fake.behave(category_read="object")
    assert http_.patch(f"/materials/{bare}", {"category_id": str(root)}).json["category"] == {
        "id": root,
        "name": "Емалі",
    }


# --- prices, stock, custom fields ------------------------------------------------------------------------------------


def test_named_prices(fake: FakeKeepin, http_: Http) -> None:
    fake.add_named("price_kinds", "Опт")
    fake.add_named("price_kinds", "Акція")
    key = fake.add_material("A")
    told = http_.patch(f"/materials/{key}", {"named_custom_prices": {"Опт": 120, "Акція": "12.5 USD"}}).json
    assert told["named_custom_prices"] == {"Опт": 120, "Акція": 12.5}
    fake.behave(named_prices="text")
    assert http_.get(f"/materials/{key}").json["named_custom_prices"] == {"Опт": "120.0 UAH", "Акція": "12.5 USD"}
    fake.behave(named_prices="list")
    assert http_.get(f"/materials/{key}").json["named_custom_prices"][1] == {
        "name": "Акція",
        "price": 12.5,
        "currency": "USD",
    }
    fake.behave(named_prices="absent")
    assert "named_custom_prices" not in http_.get(f"/materials/{key}").json
    fake.behave(named_prices="map")
    assert http_.patch(f"/materials/{key}", {"named_custom_prices": {"Опт": None}}).json["named_custom_prices"] == {
        "Акція": 12.5
    }
    fake.behave(named_prices_merge=False)
    assert http_.patch(f"/materials/{key}", {"named_custom_prices": {"Опт": "7"}}).json["named_custom_prices"] == {
        "Опт": 7
    }
    assert http_.patch(f"/materials/{key}", {"named_custom_prices": {"Опт": "x"}}).status == 422
    assert http_.patch(f"/materials/{key}", {"named_custom_prices": [1]}).status == 422


def test_price_kinds_that_the_account_does_not_have(fake: FakeKeepin, http_: Http) -> None:
    key = fake.add_material("A")
    body = {"title": "Б", "named_custom_prices": {"Нова": 1}}
    assert http_.patch(f"/materials/{key}", body).json["errors"] == {"named_custom_prices": ["Нова: is unknown"]}
    assert http_.get(f"/materials/{key}").json["title"] == "Товар"
    fake.behave(unknown_price_kind="ignored")
    assert http_.patch(f"/materials/{key}", body).json["named_custom_prices"] == {}
    fake.behave(unknown_price_kind="made")
    assert http_.patch(f"/materials/{key}", body).json["named_custom_prices"] == {"Нова": 1}


def test_rests_by_office(fake: FakeKeepin, http_: Http) -> None:
    shop, depot = fake.add_office("Магазин"), fake.add_office("Склад", "h-2")
    key = fake.add_material("A", rests={shop: 9, depot: "3.5"})
    told = http_.get(f"/materials/{key}").json
    assert (told["available"], "stock_available" in told) == (12.5, False)
    assert told["stock_rests"] == {str(shop): {"available": 9}, str(depot): {"available": 3.5}}
    listed = http_.get("/materials").items[0]
    assert (listed["stock_available"], "available" in listed) == (12.5, False)
    assert http_.get("/materials", office_id=str(depot)).items[0]["stock_available"] == 3.5
    assert http_.get("/materials", office_id="5").items[0]["stock_available"] == 0
    fake.behave(office_filter=False, stock_names="both", rests_read=False)
    listed = http_.get("/materials", office_id=str(depot)).items[0]
    assert (listed["stock_available"], listed["available"], "stock_rests" in listed) == (12.5, 12.5, False)
    fake.behave(rests_read=True)
    rests = [{"office_hash_id": "h-2", "office_name": "Склад", "available": 0}]
    told = http_.patch(f"/materials/{key}", {"stock_rests_attributes": rests, "available": 500}).json
    assert told["stock_rests"] == {str(shop): {"available": 9}, str(depot): {"available": 0}}
    assert told["available"] == 9
    fake.move_stock(key, shop, -11)
    assert http_.get(f"/materials/{key}").json["available"] == -2  # sold below what there was


def test_rests_that_are_written_may_add_up_or_be_refused(fake: FakeKeepin, http_: Http) -> None:
    shop = fake.add_office("Магазин")
    key = fake.add_material("A", rests={shop: 9})
    body = {"stock_rests_attributes": [{"office_id": shop, "available": 4}]}
    fake.behave(rests_write="append")
    assert http_.patch(f"/materials/{key}", body).json["available"] == 13
    assert http_.get(f"/materials/{key}").json["stock_rests"] == {str(shop): {"available": 13}}
    fake.behave(rests_write="refused")
    assert list(http_.patch(f"/materials/{key}", body).json["errors"]) == ["stock_rests"]
    fake.behave(rests_write="set")
    unknown = {"title": "Б", "stock_rests_attributes": [{"office_name": "Магазин", "available": 1}]}
    assert http_.patch(f"/materials/{key}", unknown).status == 422
    fake.behave(unknown_office="ignored")
    told = http_.patch(f"/materials/{key}", unknown).json
    assert (told["title"], told["available"]) == ("Б", 13)


def test_stock_without_offices(fake: FakeKeepin, http_: Http) -> None:
    key = fake.add_material("A")
    assert http_.patch(f"/materials/{key}", {"available": 4}).json["available"] == 4
    assert http_.get(f"/materials/{key}").json["stock_rests"] == {}
    fake.behave(available_write="ignored")
    assert http_.patch(f"/materials/{key}", {"available": 5}).json["available"] == 4


def test_custom_fields(fake: FakeKeepin, http_: Http) -> None:
    about, code = fake.add_custom_field("Описание UA"), fake.add_custom_field("Мій код")
    fake.add_custom_field("Описание UA", "agreement")
    key = fake.add_material("A")
    slug = f"opisaniie_ua_{about}"
    body: dict[str, Any] = {
        "custom_fields": [{"name": slug, "value": "<p>Лак</p>"}, {"name": f"field_{code}", "value": "7"}]
    }
    told = http_.patch(f"/materials/{key}", body).json
    assert told["custom_fields"] == {"Описание UA": "<p>Лак</p>", "Мій код": "7"}
    fake.behave(custom_fields_read="slugs")
    assert http_.get(f"/materials/{key}").json["custom_fields"][slug] == "<p>Лак</p>"
    fake.behave(custom_fields_read="titles")
    body = {"custom_fields": [{"name": "Мій код", "value": None}, {"name": "Інше", "value": "x"}]}
    assert http_.patch(f"/materials/{key}", body).json["custom_fields"] == {
        "Описание UA": "<p>Лак</p>",
        "Мій код": None,
    }
    fake.behave(custom_fields_merge=False)
    assert http_.patch(f"/materials/{key}", {"custom_fields": []}).json["custom_fields"] == {}
