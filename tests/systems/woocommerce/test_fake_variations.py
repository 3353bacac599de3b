"""The fake WooCommerce does what the real one's source says: variations and batches."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from plugins.systems.woocommerce.fake import HOME, FakeWoo
from tests.systems.woocommerce.conftest import Clock, Http

STOCK: dict[str, Any] = {"manage_stock": True, "stock_quantity": Decimal(5)}


# --- variations ------------------------------------------------------------------------------------------------------


def test_variations_are_listed_below_their_product(fake: FakeWoo, http_: Http, clock: Clock) -> None:
    paint = fake.add_variable("Емаль", {"Колір": ["Червона", "Синя"]})
    clock.pass_(hours=1)
    red = fake.add_variation(paint, "EM-R", {"Колір": "Червона"}, "320", **STOCK)
    blue = fake.add_variation(paint, "EM-B", {"Колір": "Синя"}, "180", stock_status="outofstock")
    told = http_.get(f"/products/{paint}").json
    assert (told["variations"], told["price"], told["regular_price"], told["has_options"]) == (
        [red, blue],
        "180",
        "",
        True,
    )
    assert told["stock_status"] == "instock"  # one of them is
    assert (told["attributes"][0]["options"], told["attributes"][0]["variation"]) == (["Червона", "Синя"], True)
    assert http_.get(f"/products/{paint}/variations", orderby="id", order="asc").ids == [red, blue]
    assert http_.get(f"/products/{paint}/variations", sku="EM-B").ids == [blue]
    one = http_.get(f"/products/{paint}/variations/{red}").json
    assert (one["sku"], one["price"], one["stock_quantity"], one["image"]) == ("EM-R", "320", 5, None)
    assert one["attributes"] == [{"id": 0, "name": "Колір", "slug": "Колір", "option": "Червона"}]
    assert http_.get("/products/999/variations").ids == []
    assert http_.get(f"/products/{paint}/variations/999").code == (404, "woocommerce_rest_product_variation_invalid_id")
    listed = http_.get("/variations").json
    assert {row["id"]: row["parent_id"] for row in listed} == {red: paint, blue: paint}
    fake.behave(all_variations=False)
    assert http_.get("/variations").code == (404, "rest_no_route")
    assert http_.get(f"/products/{red}").json["type"] == "variation"
    assert http_.put(f"/products/{red}", {"name": "x"}).code == (404, "woocommerce_rest_invalid_product_id")
    assert http_.delete(f"/products/{red}").code == (404, "woocommerce_rest_invalid_product_id")


def test_variations_are_made_and_changed(fake: FakeWoo, http_: Http, clock: Clock) -> None:
    attribute = {"name": "Колір", "variation": True, "visible": True, "options": ["Червона", "Синя"]}
    more = {"name": "Матеріал", "options": ["Акрил"]}
    body = {"name": "Емаль", "type": "variable", "regular_price": "5", "attributes": [attribute, more, {"name": "x"}]}
    paint = http_.post("/products", body).json
    assert (paint["regular_price"], len(paint["attributes"])) == ("", 2)  # its price is that of its variations
    clock.pass_(hours=1)
    chosen = [
        {"name": "колір", "option": "Синя"},
        {"name": "Матеріал", "option": "Акрил"},
        {"name": "Розмір", "option": "1"},
    ]
    path = f"/products/{paint['id']}/variations"
    made = http_.post(
        path, {"sku": "EM-B", "regular_price": "180", "attributes": chosen, "image": {"src": "https://s.example/b.jpg"}}
    )
    told = made.json
    assert (made.status, told["image"]["src"]) == (201, f"{HOME}/wp-content/uploads/2026/11/b.jpg")
    assert [(one["name"], one["option"]) for one in told["attributes"]] == [
        ("Колір", "Синя")
    ]  # others drop out silently
    assert http_.get(f"/products/{paint['id']}").json["price"] == "180"
    assert http_.get(f"/products/{paint['id']}").json["date_modified_gmt"] == "2026-11-22T12:00:00"
    fake.behave(variations_move_date=True)
    assert http_.put(f"{path}/{told['id']}", {"regular_price": "200", "image": {}}).json["image"] is None
    assert http_.get(f"/products/{paint['id']}").json["date_modified_gmt"] == "2026-11-22T13:00:00"
    assert http_.put(f"{path}/999", {}).code == (400, "woocommerce_rest_product_variation_invalid_id")
    other = fake.add_variable("Лак", {"Колір": ["Синя"]})
    assert http_.put(f"/products/{other}/variations/{told['id']}", {}).code == (403, "woocommerce_rest_cannot_edit")
    assert http_.post("/products/999/variations", {"attributes": chosen}).code[0] == 404
    assert http_.delete(f"{path}/{told['id']}").json["id"] == told["id"]
    assert http_.get(f"/products/{paint['id']}").json["variations"] == []
    assert http_.delete(f"{path}/{told['id']}", force="true").status == 200
    assert http_.delete(f"{path}/{told['id']}").code == (404, "woocommerce_rest_product_variation_invalid_id")


def test_a_product_may_keep_the_stock_of_its_variations(fake: FakeWoo, http_: Http) -> None:
    paint = fake.add_variable("Емаль", {"Колір": ["Синя"]}, **STOCK)
    blue = fake.add_variation(paint, "EM-B", {"Колір": "Синя"})
    told = http_.get(f"/products/{paint}/variations/{blue}").json
    assert (told["manage_stock"], told["stock_quantity"], told["stock_status"]) == ("parent", 5, "instock")
    told = http_.put(f"/products/{paint}/variations/{blue}", {"manage_stock": True, "stock_quantity": 0}).json
    assert (told["manage_stock"], told["stock_quantity"], told["stock_status"]) == (True, 0, "outofstock")
    assert http_.get(f"/products/{paint}").json["stock_quantity"] == 5


def test_shared_attributes_have_an_id_and_terms(http_: Http) -> None:
    made = http_.post("/products/attributes", {"name": "Size"})
    key = made.json["id"]
    assert (made.status, made.json["slug"], http_.get("/products/attributes").ids) == (201, "pa-size", [key])
    assert http_.post(f"/products/attributes/{key}/terms", {"name": "S"}).status == 201
    attribute = {"id": key, "variation": True, "options": ["S", "M"]}
    paint = http_.post("/products", {"name": "Футболка", "type": "variable", "attributes": [attribute]}).json
    assert [term["name"] for term in http_.get(f"/products/attributes/{key}/terms").json] == ["M", "S"]
    chosen = {"attributes": [{"id": key, "option": "M"}], "regular_price": "5"}
    told = http_.post(f"/products/{paint['id']}/variations", chosen).json
    assert told["attributes"] == [{"id": key, "name": "Size", "slug": "pa-size", "option": "M"}]
    assert http_.get("/products/attributes/999/terms").code == (404, "woocommerce_rest_taxonomy_invalid")
    for path in ("/products/attributes", f"/products/attributes/{key}/terms"):
        assert http_.post(path, {}).code == (400, "rest_missing_callback_param")


# --- batches ---------------------------------------------------------------------------------------------------------


def test_a_batch_tells_what_came_of_each(fake: FakeWoo, http_: Http) -> None:
    first, second = fake.add_product("A"), fake.add_product("B")
    body = {
        "create": [{"name": "Новий", "sku": "C"}, {"name": "Двійник", "sku": "A"}],
        "update": [
            {"id": first, "regular_price": "7"},
            {"id": 999, "name": "x"},
            {"id": second, "sku": "C"},
            {"name": "x"},
        ],
        "delete": [second, 999, 0],
    }
    reply = http_.post("/products/batch", body)
    assert reply.status == 200
    create, update, delete = (reply.json[name] for name in ("create", "update", "delete"))
    assert (create[0]["sku"], create[1]["id"], create[1]["error"]["code"]) == ("C", 0, "product_invalid_sku")
    assert create[1]["error"]["data"]["resource_id"] == first
    assert update[0]["regular_price"] == "7"
    assert [(row["id"], row["error"]["code"]) for row in update[1:]] == [
        (999, "woocommerce_rest_product_invalid_id"),
        (second, "product_invalid_sku"),
        (None, "woocommerce_rest_product_invalid_id"),
    ]
    assert (delete[0]["id"], delete[1]["error"]["data"], len(delete)) == (second, {"status": 404}, 2)
    assert http_.get(f"/products/{second}").status == 404  # for good
    assert http_.post("/products/batch", {}).json == {}
    assert http_.post("/products/batch", {"update": {"id": 1}}).code == (500, "internal_server_error")


def test_a_batch_has_a_limit(fake: FakeWoo, http_: Http) -> None:
    rows = [{"name": str(number)} for number in range(101)]
    refused = http_.post("/products/batch", {"create": rows})
    assert refused.code == (413, "woocommerce_rest_request_entity_too_large")
    assert fake.products.parents() == []
    assert len(http_.post("/products/batch", {"create": rows[:100]}).json["create"]) == 100
    fake.behave(batch_limit=2)
    assert http_.post("/products/batch", {"create": rows[:2], "delete": [1]}).status == 413


def test_variations_in_batches_come_below_the_product_of_the_path(fake: FakeWoo, http_: Http) -> None:
    paint, other = fake.add_variable("Емаль", {"Колір": ["Синя"]}), fake.add_variable("Лак", {"Колір": ["Синя"]})
    blue = fake.add_variation(paint, "EM-B", {"Колір": "Синя"})
    body = {
        "create": [{"sku": "EM-R", "regular_price": 5}],
        "update": [{"id": blue, "regular_price": "9"}, {"id": paint}],
    }
    told = http_.post(f"/products/{other}/variations/batch", body).json
    assert told["create"][0]["regular_price"] == "5"
    assert told["update"][1]["error"]["code"] == "woocommerce_rest_product_variation_invalid_id"
    assert fake.shop.tables["products"][blue]["parent_id"] == other  # moved
    red = told["create"][0]["id"]
    assert http_.post(f"/products/{other}/variations/batch", {"delete": [red]}).json["delete"][0]["id"] == red
