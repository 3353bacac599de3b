"""The fake of KeyCRM: orders, their sums, payments, expenses, tags, and the goods that they reserve and take."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from plugins.systems.keycrm.fake import FakeKeyCrm
from tests.systems.keycrm.conftest import Api, Clock, Make, held

BUYER = {"full_name": "Олена Коваленко", "phone": "+380500000000", "email": "buyer@example.test"}
ORDER = {
    "source_id": 1,
    "source_uuid": "oc-5501",
    "ordered_at": "2026-01-15 08:01:27",
    "buyer_comment": "Подзвонити",
    "shipping_price": 50,
    "buyer": BUYER,
    "shipping": {
        "delivery_service_id": 1,
        "shipping_address_city": "Київ",
        "shipping_receive_point": "Відділення 12",
        "recipient_full_name": "Олена Коваленко",
        "recipient_phone": "+380500000000",
        "warehouse_ref": "1ec09d2e-e1c2-11e3-8c4a-0050568002cf",
        "shipping_date": "2026-01-17",
    },
    "products": [
        {
            "sku": "COF-1",
            "name": "Кава зернова 1 кг",
            "price": 399,
            "quantity": 2,
            "properties": [{"name": "Помел", "value": "зерно"}, {"name": "без значення"}],
        }
    ],
    "payments": [{"payment_method_id": 2, "amount": 848, "status": "not_paid"}],
}
EVERYTHING = (
    "buyer,products.offer,manager,tags,status,marketing,payments,shipping.lastHistory,shipping.deliveryService,"
    "expenses,custom_fields,assigned,attachments.file"
)

SUMS = ("products_total", "total_discount", "grand_total")


@pytest.fixture
def shop(fake: FakeKeyCrm) -> FakeKeyCrm:
    """The fake with a few goods."""
    fake.add_product("Кава", "COF-1", price=450, purchased_price=300, stock=10)
    fake.add_product("Чай", "TEA-1", price=100, purchased_price=70, stock=10, unit_type="кг")
    return fake


# --- making ------------------------------------------------------------------------------------------------------


def test_an_order_with_all_that_belongs_to_it(api: Api, shop: FakeKeyCrm) -> None:
    reply = api.post("/order", ORDER)
    assert reply.status == 201
    assert "products" not in reply.body
    order = api.get("/order/1", include=EVERYTHING).body
    assert (order["id"], order["source_id"], order["source_uuid"]) == (1, 1, "oc-5501")
    assert (order["ordered_at"], order["created_at"]) == ("2026-01-15T08:01:27.000000Z", "2026-01-29T18:53:35.000000Z")
    assert (order["status_id"], order["status_group_id"], order["status"]["name"]) == (1, 1, "Новий")
    assert (order["grand_total"], order["products_total"], order["payments_total"]) == (848, 798, 0)
    assert (order["payment_status"], order["has_reserves"], order["closed_at"]) == ("not_paid", True, None)
    assert order["margin_sum"] == 848 - 600
    assert order["buyer"] == {**BUYER, "id": 1, "company_id": None, "manager_id": None}
    assert order["manager"] is None
    assert order["assigned"] == order["tags"] == order["expenses"] == order["custom_fields"] == []
    assert order["shipping"]["delivery_service"]["name"] == "Нова Пошта"
    assert order["shipping"]["shipping_date_actual"] == "2026-01-17T00:00:00.000000Z"
    assert (order["shipping"]["tracking_code"], order["shipping"]["shipping_address_city"]) == (None, "Київ")
    assert order["shipping"]["address_payload"]["warehouse_ref"] == "1ec09d2e-e1c2-11e3-8c4a-0050568002cf"
    assert (order["marketing"]["utm_source"], order["currency"]) == (None, "UAH")
    (line,) = order["products"]
    assert (line["name"], line["sku"], line["price"], line["price_sold"]) == ("Кава зернова 1 кг", "COF-1", 399, 399)
    assert (line["purchased_price"], line["quantity"], line["unit_type"]) == (300, 2, None)
    assert line["properties"] == [{"name": "Помел", "value": "зерно"}]
    assert (line["offer"]["id"], line["offer"]["price"], line["offer"]["in_reserve"]) == (1, 450, 2)
    assert line["warehouse"] == {"id": 1, "name": "Основний", "description": "", "is_active": True}
    (payment,) = order["payments"]
    assert (payment["destination_id"], payment["amount"], payment["status"]) == (1, 848, "not_paid")
    assert (payment["actual_currency"], payment["payment_method_id"]) == ("UAH", 2)


def test_lines_come_without_their_offers_when_those_are_not_asked_for(api: Api, shop: FakeKeyCrm) -> None:
    api.post("/order", ORDER)
    assert not {"offer", "warehouse"} & set(api.get("/order/1", include="products").body["products"][0])
    assert "products" not in api.get("/order/1", include="productsCount").body
    assert api.get("/order", include="productsCount").data[0]["products_count"] == 1


def test_the_warehouse_of_a_line_may_not_be_told(make: Make) -> None:
    fake, api = make(line_warehouse=False)
    fake.add_product("Кава", "COF-1", stock=10)
    fake.add_order([{"sku": "COF-1"}])
    assert "warehouse" not in api.get("/order/1", include="products.offer").body["products"][0]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"source_id": None}, "source_id"),
        ({"source_id": 9}, "source_id"),
        ({"source_id": "1"}, "source_id"),
        ({"buyer": None}, "buyer"),
        ({"buyer": {}}, "buyer"),
        ({"buyer": {"phone": ["+380500000000"]}}, "buyer.phone"),
        ({"ordered_at": "2026-01-15T08:01:27+02:00"}, "ordered_at"),
        ({"ordered_at": "15.01.2026"}, "ordered_at"),
        ({"manager_id": 9}, "manager_id"),
        ({"shipping": {"delivery_service_id": 9}}, "shipping.delivery_service_id"),
        ({"products": [{"quantity": "2"}]}, "products.0.quantity"),
        ({"payments": [{"payment_method_id": 1}]}, "payments.0.amount"),
        ({"payments": [{"amount": 5}]}, "payments.0.payment_method_id"),
        ({"payments": [{"amount": 5, "payment_method": "бартер"}]}, "payments.0.payment_method_id"),
        ({"payments": [{"amount": 5, "payment_method_id": 1, "status": "done"}]}, "payments.0.status"),
    ],
)
def test_an_order_that_cannot_be(api: Api, shop: FakeKeyCrm, change: dict[str, Any], field: str) -> None:
    reply = api.post("/order", {**ORDER, **change})
    assert (reply.status, list(reply.body["errors"])) == (422, [field])
    assert (api.get("/order").data, api.get("/buyer").data) == ([], [])


def test_what_is_not_known_is_dropped_in_silence(api: Api, shop: FakeKeyCrm) -> None:
    body = {
        **ORDER,
        "status_id": 12,
        "external_id": "x",
        "shipping": {"shipping_cost": 99, "shipping_service": "нова пошта"},
        "products": [{"sku": "COF-1", "image_url": "x"}],
    }
    order = api.post("/order", body).body
    assert (order["status_id"], order["shipping_price"]) == (1, 50)
    full = api.get("/order/1", include="products,shipping").body
    assert full["products"][0]["price"] == 450  # none given: the offer's
    assert full["shipping"]["delivery_service_id"] is None
    api.post("/order", {**ORDER, "shipping": {"shipping_service": "Нова Пошта"}})
    assert api.get("/order/2", include="shipping").body["shipping"]["delivery_service_id"] == 1


def test_an_order_goes_in_once_for_each_time_it_is_posted(api: Api, shop: FakeKeyCrm) -> None:
    assert [api.post("/order", ORDER).status for _ in range(2)] == [201, 201]
    shop.add_source("Інший", number=7)
    api.post("/order", {**ORDER, "source_id": 7})
    assert api.get("/order", filter_source_uuid="oc-5501", filter_source_id="1").ids() == [1, 2]


def test_a_second_one_may_be_refused(make: Make) -> None:
    fake, api = make(duplicate_source_uuid="refuse")
    fake.add_source("Інший", number=7)
    assert api.post("/order", ORDER).status == 201
    refused = api.post("/order", ORDER)
    assert (refused.status, list(refused.body["errors"])) == (422, ["source_uuid"])
    assert api.post("/order", {**ORDER, "source_id": 7}).status == 201
    assert api.post("/order", {**ORDER, "source_uuid": None}).status == 201
    assert api.post("/order", {**ORDER, "source_uuid": None}).status == 201


@pytest.mark.parametrize(("quirk", "status"), [(True, 201), (False, 422)])
def test_a_source_by_name(make: Make, quirk: bool, status: int) -> None:
    fake, api = make(source_by_name=quirk)
    body = {**ORDER, "source_id": None, "source_name": "OpenCart"}
    assert [api.post("/order", body).status for _ in range(2)] == [status, status]
    names = [row["name"] for row in api.get("/order/source").data]
    assert names == (["Сайт", "OpenCart"] if quirk else ["Сайт"])
    assert [one["source_id"] for one in fake.account.table("orders").values()] == ([2, 2] if quirk else [])


@pytest.mark.parametrize("links", [True, False])
def test_a_line_is_linked_by_its_sku_or_is_a_one_off(make: Make, links: bool) -> None:
    fake, api = make(sku_links=links)
    fake.add_product("Кава", "COF-1", price=450, stock=5)
    fake.add_order([{"sku": "COF-1"}, {"sku": "NONE", "name": "Листівка", "price": 10}, {"name": "Стрічка"}])
    lines = api.get("/order/1", include="products.offer").body["products"]
    assert [line["offer"] and line["offer"]["id"] for line in lines] == [1 if links else None, None, None]
    assert [line["name"] for line in lines] == ["Кава" if links else None, "Листівка", "Стрічка"]
    assert (held(fake, "COF-1")[1], lines[0]["price"]) == ((1, 450) if links else (0, 0))


@pytest.mark.parametrize("answer", ["status", "empty", "orders"])
def test_an_import_of_orders(make: Make, answer: str) -> None:
    fake, api = make(import_answer=answer)
    body = {"orders": [{**ORDER, "source_uuid": str(index), "manager_id": 1} for index in range(50)]}
    reply = api.post("/order/import", body)
    assert reply.status == 201
    if answer == "orders":
        assert [one["source_uuid"] for one in reply.body] == [str(index) for index in range(50)]
    else:
        assert reply.body == ({"status": True} if answer == "status" else b"")
    assert fake.order(1)["manager_id"] is None  # an import does not know it
    assert api.post("/order/import", {"orders": body["orders"] * 2}).status == 422
    bad = api.post("/order/import", {"orders": [ORDER, {**ORDER, "source_id": 9}]})
    assert (bad.status, list(bad.body["errors"])) == (422, ["orders.1.source_id"])
    assert api.get("/order").body["total"] == 50


# --- sums --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quirk", "sums"),
    [
        ("line", ("31.20", "90.27", "270.80", "60.18", "289.82")),
        ("unit", ("33.20", "89.60", "268.80", "61.98", "288.02")),
    ],
)
def test_discounts_and_sums(make: Make, quirk: str, sums: tuple[str, ...]) -> None:
    fake, api = make(line_discount=quirk)
    fake.add_order(
        [{"name": "Чай", "price": Decimal("100.666"), "quantity": 3, "discount_percent": 10, "discount_amount": 1}],
        discount_percent=10,
        discount_amount=Decimal("1.90"),
        shipping_price=40,
        wrap_price=Decimal("5.50"),
        taxes=Decimal("2.50"),
    )
    order = api.get("/order/1", include="products").body
    line = order["products"][0]
    shown = [line["total_discount"], line["price_sold"], *(order[name] for name in SUMS)]
    assert shown == [Decimal(one) for one in sums]


def test_what_the_grand_total_adds(make: Make) -> None:
    _, api = make(total_adds=("wrap_price",))
    assert api.post("/order", {**ORDER, "wrap_price": 5, "taxes": 3}).body["grand_total"] == 803


def test_parts_of_units(api: Api, shop: FakeKeyCrm) -> None:
    shop.add_order([{"sku": "TEA-1", "quantity": Decimal("0.333")}, {"name": "нічого", "price": 5, "quantity": 0}])
    order = api.get("/order/1", include="products").body
    assert (order["grand_total"], shop.reserve("TEA-1")) == (Decimal("33.3"), Decimal("0.333"))
    assert [line["price_sold"] for line in order["products"]] == [100, 5]
    assert order["products"][0]["unit_type"] == "кг"


@pytest.mark.parametrize(
    ("amounts", "status"),
    [((), "not_paid"), ((100,), "part_paid"), ((100, 748), "paid"), ((849,), "overpaid"), ((0,), "not_paid")],
)
def test_how_an_order_is_paid(api: Api, shop: FakeKeyCrm, amounts: tuple[int, ...], status: str) -> None:
    api.post("/order", {**ORDER, "payments": [{"payment_method": "Картка", "amount": one} for one in amounts]})
    order = api.get("/order/1").body
    assert (order["payment_status"], order["payments_total"]) == (status, sum(amounts))
    assert api.get("/order", filter_payment_status=f"{status},none").ids() == [1]


@pytest.mark.parametrize(("quirk", "status"), [("paid", "paid"), ("not_paid", "not_paid")])
def test_a_payment_that_comes_without_a_status(make: Make, quirk: str, status: str) -> None:
    _, api = make(inline_payment=quirk)
    api.post("/order", {**ORDER, "payments": [{"payment_method_id": 2, "amount": 848}]})
    assert api.get("/order/1").body["payment_status"] == status
    api.post("/order/1/payment", {"payment_method_id": 2, "amount": 1})
    assert api.get("/order/1", include="payments").body["payments"][1]["status"] == "paid"  # documented there


# --- finding -----------------------------------------------------------------------------------------------------


def test_orders_are_found(api: Api, shop: FakeKeyCrm) -> None:
    api.post("/order", ORDER)
    api.post("/order", {**ORDER, "buyer": {"full_name": "Інша", "phone": "+380671112233"}})
    api.put(
        "/order/2", {"shipping": {"tracking_code": "20450644192161", "shipping_date": "2026-02-01"}, "status_id": 3}
    )
    found = {
        "filter_status_id": "3,4",
        "filter_buyer_phone": "+380671112233, +380990000000",
        "filter_has_tracking_code": "true",
        "filter_shipping_between": "2026-02-01 00:00:00,2026-02-01 23:59:59",
    }
    for name, value in found.items():
        assert api.get("/order", **{name: value}).ids() == [2], name
    assert api.get("/order", filter_buyer_email="buyer@example.test").ids() == [1]
    assert api.get("/order", filter_has_tracking_code="false").ids() == [1]
    assert api.get("/order", filter_status_id="3", filter_buyer_email="buyer@example.test").ids() == []
    # a plus that is not sent as %2B is a blank
    assert api.ask("GET", "/order?filter[buyer_phone]=+380671112233").ids() == []


# --- changing ----------------------------------------------------------------------------------------------------


def test_a_put_changes_what_it_may(api: Api, shop: FakeKeyCrm, clock: Clock) -> None:
    shop.add_custom_field("OR_1", "order")
    api.post("/order", ORDER)
    clock.move(60)
    reply = api.put(
        "/order/1",
        {
            "manager_comment": "Передзвонили",
            "discount_amount": 8,
            "custom_fields": [{"uuid": "OR_1", "value": "1С-17"}],
            "source_uuid": "dropped",
            "buyer": {"full_name": "dropped"},
            "ordered_at": "2020-01-01 00:00:00",
            "shipping_price": 1,
        },
    )
    assert reply.status == 202
    order = api.get("/order/1", include="buyer,custom_fields,shipping").body
    assert (order["manager_comment"], order["buyer_comment"]) == ("Передзвонили", "Подзвонити")
    assert (order["grand_total"], order["shipping_price"], order["source_uuid"]) == (840, 50, "oc-5501")
    assert (order["buyer"]["full_name"], order["ordered_at"][:4]) == ("Олена Коваленко", "2026")
    assert order["custom_fields"][0]["value"] == "1С-17"
    assert (order["updated_at"], order["status_changed_at"]) == (
        "2026-01-29T18:54:35.000000Z",
        "2026-01-29T18:53:35.000000Z",
    )
    assert api.put("/order/1", {"status_id": 99}).status == 422
    assert api.put("/order/2", {}).status == 404


@pytest.mark.parametrize("touches", [True, False])
def test_a_put_that_changes_nothing(make: Make, clock: Clock, touches: bool) -> None:
    _, api = make(idle_put_touches=touches)
    before = api.post("/order", ORDER).body["updated_at"]
    clock.move(60)
    for body in ({}, {"status_id": 1}, {"buyer_comment": "Подзвонити"}):
        assert (api.put("/order/1", body).body["updated_at"] != before) is touches
    assert api.put("/order/1", {"buyer_comment": "інше"}).body["updated_at"] != before


def test_lines_are_changed_but_never_added_or_removed(api: Api, shop: FakeKeyCrm) -> None:
    shop.add_order([{"sku": "COF-1", "quantity": 2, "comment": "був"}, {"sku": "X", "name": "Листівка", "price": 10}])
    lines = api.get("/order/1", include="products").body["products"]
    body = {
        "products": [
            {"sku": "COF-1", "price": 400, "quantity": 3, "comment": "став", "name": "not of the catalogue"},
            {"id": lines[1]["id"], "name": "Листівка велика", "product_status_id": 1, "sku": "NEW"},
            {"sku": "TEA-1", "price": 1, "quantity": 1},
            {"id": 999, "price": 1},
            {"price": 1},
        ]
    }
    assert api.put("/order/1", body).status == 202
    coffee, card = api.get("/order/1", include="products").body["products"]
    assert (coffee["name"], coffee["price"], coffee["quantity"], coffee["comment"]) == ("Кава", 400, 3, "став")
    assert (card["name"], card["sku"], card["price"], card["product_status_id"]) == ("Листівка велика", "X", 10, 1)
    assert api.get("/order/1").body["grand_total"] == 1210
    assert [held(shop, sku)[1] for sku in ("COF-1", "TEA-1")] == [3, 0]


@pytest.mark.parametrize(("nested", "kept"), [("merge", True), ("replace", False)])
def test_keys_that_a_nested_put_does_not_have(make: Make, nested: str, kept: bool) -> None:
    fake, api = make(nested_put=nested)
    fake.add_order(
        [{"name": "Кава", "price": 10, "comment": "був", "discount_amount": 1}],
        shipping={"shipping_address_city": "Київ", "tracking_code": "1"},
    )
    body = {"products": [{"id": 1, "price": 20}], "shipping": {"shipping_receive_point": "12"}}
    assert api.put("/order/1", body).status == 202
    order = api.get("/order/1", include="products,shipping").body
    assert order["products"][0]["comment"] == ("був" if kept else None)
    assert order["grand_total"] == (19 if kept else 20)
    assert order["shipping"]["shipping_address_city"] == ("Київ" if kept else None)
    assert (order["shipping"]["shipping_receive_point"], order["shipping"]["tracking_code"]) == ("12", "1")


@pytest.mark.parametrize("status", [422, 400])
def test_a_tracking_code_is_set_once(make: Make, status: int) -> None:
    _, api = make(tracking_again=status)
    api.post("/order", ORDER)
    assert api.put("/order/1", {"shipping": {"tracking_code": "1"}}).status == 202
    assert api.put("/order/1", {"shipping": {"recipient_phone": "+380990000000"}}).status == 202
    for code in ("1", "2"):
        assert api.put("/order/1", {"shipping": {"tracking_code": code}, "manager_comment": "x"}).status == status
    order = api.get("/order/1", include="shipping").body
    assert (order["shipping"]["tracking_code"], order["manager_comment"]) == ("1", None)


# --- payments, expenses, tags ------------------------------------------------------------------------------------


def test_payments(api: Api, shop: FakeKeyCrm, clock: Clock) -> None:
    api.post("/order", {**ORDER, "payments": []})
    clock.move(60)
    body = {"amount": 848, "payment_method_id": 2, "payment_date": "2026-01-15 08:05:00", "description": "Картка"}
    reply = api.post("/order/1/payment", body)
    assert reply.status == 201
    assert (reply.body["id"], reply.body["status"], reply.body["payment_method"]["name"]) == (1, "paid", "Картка")
    assert reply.body["payment_date"] == "2026-01-15T08:05:00.000000Z"
    order = api.get("/order/1").body
    assert (order["payment_status"], order["updated_at"]) == ("paid", "2026-01-29T18:54:35.000000Z")
    canceled = api.put("/order/1/payment/1", {"status": "canceled", "amount": 1})
    assert (canceled.status, canceled.body["status"], canceled.body["amount"]) == (202, "canceled", 848)
    assert canceled.body["description"] == "Картка"
    assert api.get("/order/1").body["payment_status"] == "not_paid"
    assert api.put("/order/1/payment/1", {"description": None}).body["description"] is None
    shop.add_order()
    for path in ("/order/2/payment/1", "/order/1/payment/2", "/order/9/payment/1"):
        assert api.put(path, {"status": "paid"}).status == 404
    assert api.put("/order/1/payment/1", {"status": "done"}).status == 422
    for wrong in ({}, {"amount": 1}, {"payment_method_id": 1}, {"amount": 1, "payment_method_id": 9}):
        assert api.post("/order/1/payment", wrong).status == 422


def test_the_answer_to_a_payment_may_have_no_id(make: Make) -> None:
    fake, api = make(payment_has_id=False)
    fake.add_order()
    assert "id" not in api.post("/order/1/payment", {"amount": 1, "payment_method_id": 1}).body
    assert api.get("/order/1", include="payments").body["payments"][0]["id"] == 1


def test_expenses(api: Api, shop: FakeKeyCrm) -> None:
    api.post("/order", ORDER)
    reply = api.post("/order/1/expense", {"amount": 60, "expense_type": "Доставка"})
    assert (reply.status, reply.body["status"], reply.body["expense_type"]["id"]) == (201, "paid", 1)
    order = api.get("/order/1", include="expenses").body
    assert (order["expenses_sum"], order["margin_sum"], len(order["expenses"])) == (60, 188, 1)
    assert api.put("/order/1/expense/1", {"status": "paid"}).status == 422
    assert api.put("/order/1/expense/1", {"status": "canceled"}).body["status"] == "canceled"
    assert api.get("/order/1").body["expenses_sum"] == 0
    assert api.post("/order/1/expense", {"amount": 60}).status == 422


def test_tags(api: Api, shop: FakeKeyCrm) -> None:
    shop.add_order()
    tag = shop.add_tag("VIP")
    assert [api.post(f"/order/1/tag/{tag}").status for _ in range(2)] == [202, 202]
    assert [one["name"] for one in api.get("/order/1", include="tags").body["tags"]] == ["VIP"]
    assert (api.delete(f"/order/1/tag/{tag}").status, api.delete(f"/order/1/tag/{tag}").status) == (204, 400)
    assert api.post("/order/1/tag/9").status == api.post("/order/9/tag/1").status == 404


# --- goods -------------------------------------------------------------------------------------------------------


def test_an_order_reserves_takes_and_frees_by_its_status(api: Api, shop: FakeKeyCrm) -> None:
    api.post("/order", ORDER)
    assert held(shop, "COF-1") == (10, 2)
    api.put("/order/1", {"status_id": 3})
    assert held(shop, "COF-1") == (10, 2)
    done = api.put("/order/1", {"status_id": 12}).body
    assert (held(shop, "COF-1"), done["has_reserves"], done["closed_at"] is None) == ((8, 0), False, False)
    assert [one["lines"] for one in shop.movements("order 1")] == [[{"offer_id": 1, "before": 10, "after": 8}]]
    back = api.put("/order/1", {"status_id": 2}).body
    assert (held(shop, "COF-1"), back["has_reserves"], back["closed_at"]) == ((10, 2), True, None)
    cancelled = api.put("/order/1", {"status_id": 19}).body
    assert (held(shop, "COF-1"), cancelled["has_reserves"], cancelled["status_group_id"]) == ((10, 0), False, 6)


def test_statuses_do_to_the_goods_what_the_account_says(api: Api, shop: FakeKeyCrm) -> None:
    shop.add_status("Зібрано", group=4, number=8, stock="write_off")
    shop.add_status("Передзамовлення", group=2, number=9, stock="free", is_active=False)
    api.post("/order", ORDER)
    assert api.put("/order/1", {"status_id": 8}).body["closed_at"] is None
    assert held(shop, "COF-1") == (8, 0)
    api.put("/order/1", {"status_id": 12})  # written off already
    assert (held(shop, "COF-1"), len(shop.movements("order 1"))) == ((8, 0), 1)
    api.put("/order/1", {"status_id": 9})
    assert held(shop, "COF-1") == (10, 0)
    assert 9 not in api.get("/order/status", limit=50).ids()  # only active ones are listed


def test_more_may_be_reserved_than_there_is(api: Api, shop: FakeKeyCrm) -> None:
    api.post("/order", {**ORDER, "products": [{"sku": "COF-1", "quantity": 12}]})
    row = api.get("/offers/stocks", filter_offers_sku="COF-1").data[0]
    assert (row["quantity"], row["reserve"]) == (10, 12)


def test_a_line_is_served_from_a_warehouse_that_has_enough(api: Api, shop: FakeKeyCrm) -> None:
    shop.add_warehouse("Закритий", number=2, is_active=False)
    shop.add_warehouse("Магазин", number=3)
    shop.add_product("Чашка", "CUP", stock={1: 1, 2: 50, 3: 5})
    shop.add_order([{"sku": "CUP", "quantity": 4}, {"sku": "CUP", "quantity": 1}, {"sku": "CUP", "quantity": 9}])
    lines = api.get("/order/1", include="products.offer").body["products"]
    assert [line["warehouse"]["id"] for line in lines] == [3, 1, 1]
    assert [shop.reserve("CUP", number) for number in (1, 2, 3)] == [10, 0, 4]


def test_without_stock_control_orders_move_nothing(api: Api, shop: FakeKeyCrm) -> None:
    shop.account.stock_control = False
    api.post("/order", ORDER)
    api.put("/order/1", {"status_id": 12})
    assert held(shop, "COF-1") == (10, 0)


def test_an_offer_that_went_leaves_its_orders_alone(api: Api, shop: FakeKeyCrm) -> None:
    api.post("/order", ORDER)
    shop.add_order([{"sku": "COF-1"}])
    api.post("/products/1/offers", {"offers": [{"sku": "COF-1-S"}]})
    assert api.put("/order/1", {"status_id": 12}).status == 202
    assert api.get("/order/1", include="products.offer").body["products"][0]["offer"] is None
