"""The fake of KeyCRM: products, variants, prices, stocks, categories and custom fields."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from plugins.systems.keycrm.fake import FakeKeyCrm
from tests.systems.keycrm.conftest import Api, Clock, Make, held

FULL = {
    "name": "Кава зернова 1 кг",
    "description": "<p>Арабіка</p>",
    "pictures": ["https://shop.test/1.jpg", "https://shop.test/2.jpg"],
    "currency_code": "UAH",
    "sku": "COF-1",
    "barcode": "4820000000017",
    "price": 450.5,
    "purchased_price": 300,
    "unit_type": "кг",
    "weight": 1.02,
    "length": 25,
    "width": 10,
    "height": 7.5,
    "custom_fields": [{"uuid": "CT_1107", "value": "399.00"}],
}


def found(api: Api, *skus: str) -> dict[str, dict[str, Any]]:
    """Offers by SKU, as a client reads them back."""
    return {row["sku"]: row for row in api.get("/offers", filter_sku=",".join(skus)).data}


# --- products ----------------------------------------------------------------------------------------------------


def test_a_product_without_variants_has_one_offer(api: Api, fake: FakeKeyCrm) -> None:
    fake.add_custom_field("CT_1107", "crm_product", name="Стара ціна")
    category = fake.add_category("Кава")
    reply = api.post("/products", {**FULL, "category_id": category, "image_url": "dropped", "id": 99})
    assert reply.status == 201
    assert reply.body == {
        "id": 1,
        "name": "Кава зернова 1 кг",
        "description": "<p>Арабіка</p>",
        "thumbnail_url": "https://shop.test/1.jpg",
        "attachments_data": FULL["pictures"],
        "quantity": 0,
        "in_reserve": 0,
        "unit_type": "кг",
        "currency_code": "UAH",
        "min_price": Decimal("450.5"),
        "max_price": Decimal("450.5"),
        "weight": Decimal("1.02"),
        "length": 25,
        "width": 10,
        "height": Decimal("7.5"),
        "has_offers": False,
        "is_archived": False,
        "category_id": category,
        "created_at": "2026-01-29T18:53:35.000000Z",
        "updated_at": "2026-01-29T18:53:35.000000Z",
        "sources": [],
        "sku": "COF-1",
        "barcode": "4820000000017",
        "price": Decimal("450.5"),
        "purchased_price": 300,
    }
    offer = api.get("/offers", filter_sku="COF-1").data[0]
    assert (offer["product_id"], offer["is_default"], offer["properties"]) == (1, True, [])
    assert (offer["barcode"], offer["price"], offer["weight"]) == ("4820000000017", Decimal("450.5"), None)
    custom = api.get("/products/1", include="custom_fields,customFieldsCount,customFieldsExists").body
    assert custom["custom_fields"] == [
        {"id": 1, "uuid": "CT_1107", "name": "Стара ціна", "type": "text", "value": "399.00"}
    ]
    assert (custom["custom_fields_count"], custom["custom_fields_exists"]) == (1, True)


def test_such_an_offer_may_not_be_listed(make: Make) -> None:
    fake, api = make(simple_offer=False)
    fake.add_product("Кава", "COF-1", stock=5)
    fake.add_product("Сукня", variants=[{"sku": "D-1"}])
    assert [row["sku"] for row in api.get("/offers").data] == ["D-1"]
    assert api.get("/offers/stocks", filter_offers_sku="COF-1").data == []
    assert api.put("/offers", {"offers": [{"id": 1, "price": 5}, {"sku": "COF-1", "price": 5}]}).status == 202
    assert api.get("/products/1").body["price"] == 0
    assert api.get("/products/1").body["quantity"] == 5


def test_pieces_are_null(api: Api) -> None:
    assert api.post("/products", {"name": "Чашка", "unit_type": "шт"}).body["unit_type"] is None
    assert api.put("/products/1", {"unit_type": "кг"}).body["unit_type"] == "кг"
    assert api.put("/products/1", {"unit_type": "шт"}).body["unit_type"] is None


def test_a_put_changes_what_it_has(api: Api, clock: Clock) -> None:
    before = api.post("/products", FULL).body
    clock.move(60)
    after = api.put("/products/1", {"name": "Кава"})
    assert after.status == 202
    assert {name for name in before if before[name] != after.body[name]} == {"name", "updated_at"}
    changed = api.put("/products/1", {"sku": "COF-2", "price": 460, "barcode": None}).body
    assert (changed["sku"], changed["price"], changed["barcode"]) == ("COF-2", 460, None)
    assert list(found(api, "COF-1", "COF-2")) == ["COF-2"]
    assert api.put("/products/1", {"name": None}).status == 422
    assert api.put("/products/2", {"name": "x"}).status == 404
    assert api.put("/products/1", {"category_id": 5}).status == 422
    assert api.put("/products/1", {"category_id": None}).body["category_id"] is None


@pytest.mark.parametrize(("replace", "pictures"), [(True, ["c"]), (False, ["a", "b", "c"])])
def test_pictures_of_a_put(make: Make, replace: bool, pictures: list[str]) -> None:
    fake, api = make(pictures_replace=replace)
    fake.add_product("Кава", pictures=["a", "b"])
    assert api.put("/products/1", {"pictures": ["c"]}).body["attachments_data"] == pictures
    assert api.put("/products/1", {"pictures": list("defghi")}).body["attachments_data"] == (
        list("defghi") if replace else list("abcdef")
    )
    assert api.put("/products/1", {"pictures": None}).body["thumbnail_url"] == (None if replace else "a")


def test_an_import_gives_no_ids_and_takes_a_hundred(api: Api) -> None:
    rows = [{"name": f"Товар {index}", "sku": f"S-{index}", "price": index} for index in range(100)]
    reply = api.post("/products/import", {"products": rows})
    assert (reply.status, reply.body) == (201, {"status": True})
    assert set(found(api, "S-0", "S-99", "S-100")) == {"S-0", "S-99"}
    assert api.post("/products/import", {"products": [*rows, {"name": "one more"}]}).status == 422
    assert api.post("/products/import", {"products": []}).status == 422
    bad = api.post("/products/import", {"products": [{"name": "good"}, {"name": "bad", "category_id": 7}]})
    assert (bad.status, list(bad.body["errors"])) == (422, ["products.1.category_id"])
    assert api.get("/products").body["total"] == 100  # all or nothing


def test_skus_may_be_there_twice_or_not_at_all(api: Api) -> None:
    for name in ("Кава", "Кава інша"):
        api.post("/products", {"name": name, "sku": "COF-1"})
    api.post("/products", {"name": "без артикулу"})
    assert [row["product_id"] for row in api.get("/offers", filter_sku="COF-1").data] == [1, 2]
    assert api.get("/products/3").body["sku"] is None
    assert api.get("/offers", filter_sku="").data == []


# --- variants ----------------------------------------------------------------------------------------------------


def test_variants_take_the_place_of_the_one_offer(api: Api, fake: FakeKeyCrm) -> None:
    fake.add_product("Сукня", "D", price=690, stock=3, pictures=["p"])
    reply = api.post(
        "/products/1/offers",
        {
            "offers": [
                {
                    "sku": "D-S",
                    "price": 690,
                    "image_url": "s",
                    "properties": [
                        {"name": "Колір", "value": "білий"},
                        {"name": "Розмір", "value": "s"},
                        {"name": "Без значення"},
                        {"value": "без назви"},
                    ],
                },
                {
                    "sku": "D-M",
                    "price": 720.5,
                    "properties": [{"name": "Колір", "value": "білий"}, {"name": "Розмір", "value": "m"}],
                },
            ]
        },
    )
    assert (reply.status, reply.body) == (201, {"status": True})
    product = api.get("/products/1").body
    assert (product["has_offers"], product["min_price"], product["max_price"]) == (True, 690, Decimal("720.5"))
    assert not {"sku", "barcode", "price", "purchased_price"} & set(product)
    small, middle = api.get("/offers", filter_product_id="1", include="product").data
    assert small["properties"] == [{"name": "Колір", "value": "білий"}, {"name": "Розмір", "value": "s"}]
    assert (small["thumbnail_url"], middle["thumbnail_url"]) == ("s", "p")
    assert middle["product"]["properties_agg"] == {"Колір": ["білий"], "Розмір": ["s", "m"]}
    assert found(api, "D") == {}
    assert api.put("/products/1", {"sku": "D", "price": 1}).body["min_price"] == 690  # it is not the product's any more


def test_the_one_offer_may_stay_beside_them(make: Make) -> None:
    fake, api = make(first_variant_drops_it=False)
    fake.add_product("Сукня", "D", price=1, stock=3)
    assert api.post("/products/1/offers", {"offers": [{"sku": "D-S", "price": 690}]}).status == 201
    assert [(row["sku"], row["is_default"]) for row in api.get("/offers").data] == [("D", True), ("D-S", False)]
    assert api.get("/products/1").body["quantity"] == 3


def test_wrong_variants_are_refused_by_400(api: Api, fake: FakeKeyCrm) -> None:
    fake.add_product("Сукня")
    rows: tuple[list[dict[str, Any]], ...] = ([], [{"price": "x"}], [{"sku": "a"}] * 101)
    for wrong in ({}, *({"offers": one} for one in rows)):
        assert api.post("/products/1/offers", wrong).status == 400
    assert api.post("/products/2/offers", {"offers": [{"sku": "a"}]}).status == 404
    assert api.get("/products/1").body["has_offers"] is False


def test_archived_goods_are_listed_until_they_are_filtered_out(api: Api, fake: FakeKeyCrm) -> None:
    fake.add_product("Старе", "OLD", is_archived=True)
    fake.add_product("Сукня", variants=[{"sku": "D-S"}, {"sku": "D-M", "is_archived": True}])
    assert [row["sku"] for row in api.get("/offers").data] == ["OLD", "D-S", "D-M"]
    assert [row["sku"] for row in api.get("/offers", filter_is_archived="false").data] == ["D-S"]
    assert [row["sku"] for row in api.get("/offers", filter_is_archived="true").data] == ["OLD", "D-M"]
    assert api.get("/products", filter_is_archived="true").ids() == [1]


# --- prices ------------------------------------------------------------------------------------------------------


def test_prices_by_id_and_by_sku(api: Api, fake: FakeKeyCrm, clock: Clock) -> None:
    fake.add_product("Кава", "COF-1", price=450, purchased_price=300, barcode="1")
    fake.add_product("Чай", "TEA-1", price=100)
    clock.move(60)
    reply = api.put(
        "/offers",
        {
            "offers": [
                {"sku": "COF-1", "price": 460.25, "weight": 1.1, "barcode": "2", "properties": [], "image_url": "u"},
                {"id": 2, "sku": "COF-1", "purchased_price": 70},
            ]
        },
    )
    assert (reply.status, reply.body) == (202, {"status": True})
    coffee, tea = found(api, "COF-1", "TEA-1").values()
    assert (coffee["price"], coffee["purchased_price"], coffee["weight"]) == (Decimal("460.25"), 300, Decimal("1.1"))
    assert (coffee["barcode"], coffee["thumbnail_url"]) == ("1", "u")  # a barcode cannot be changed here
    assert (tea["sku"], tea["price"], tea["purchased_price"]) == ("TEA-1", 100, 70)  # an id goes before a SKU
    assert coffee["updated_at"] == api.get("/products/1").body["updated_at"] == "2026-01-29T18:54:35.000000Z"


@pytest.mark.parametrize("path", ["/offers", "/offers/stocks"])
def test_a_row_needs_an_id_or_a_sku_and_ten_thousand_are_the_most(api: Api, fake: FakeKeyCrm, path: str) -> None:
    name = path.rpartition("/")[2]
    fake.add_product("Кава", "COF-1")

    def put(rows: list[dict[str, Any]]) -> Any:
        return api.put(path, {"warehouse_id": 1, name: [{"price": 5, "quantity": 5, **row} for row in rows]})

    for row in ({}, {"sku": ""}, {"sku": None}, {"id": None}):
        refused = put([{"sku": "COF-1"}, row])
        assert (refused.status, list(refused.body["errors"])) == (422, [f"{name}.1.id"])
    assert put([{"sku": "COF-1"}] * 10_001).status == 422
    assert api.put(path, {}).status == 422
    assert (fake.offer("COF-1")["price"], *held(fake, "COF-1")) == (0, 0, 0)
    assert put([{"sku": f"S-{index}"} for index in range(9_999)] + [{"sku": "COF-1"}]).status == 202
    assert 5 in (fake.offer("COF-1")["price"], fake.quantity("COF-1"))


@pytest.mark.parametrize(("quirk", "status", "price"), [("ignore", 202, 5), ("refuse", 422, 450)])
def test_rows_that_nobody_has(make: Make, quirk: str, status: int, price: int) -> None:
    fake, api = make(unknown_rows=quirk)
    fake.add_product("Кава", "COF-1", price=450)
    rows = [{"sku": "COF-1", "price": 5}, {"sku": "NONE", "price": 5}, {"id": 77, "price": 5}]
    reply = api.put("/offers", {"offers": rows})
    assert (reply.status, fake.offer("COF-1")["price"]) == (status, price)
    if status == 422:
        assert set(reply.body["errors"]) == {"offers.1.sku", "offers.2.id"}
    stock = api.put("/offers/stocks", {"warehouse_id": 1, "stocks": [{"sku": "NONE", "quantity": 5}]})
    assert stock.status == status


@pytest.mark.parametrize(("quirk", "prices"), [("first", [5, 0]), ("all", [5, 5])])
def test_a_row_whose_sku_several_have(make: Make, quirk: str, prices: list[int]) -> None:
    fake, api = make(duplicate_sku=quirk)
    for _ in range(2):
        fake.add_product("Кава", "COF-1")
    api.put("/offers", {"offers": [{"sku": "COF-1", "price": 5}]})
    assert [row["price"] for row in api.get("/offers").data] == prices


# --- stocks ------------------------------------------------------------------------------------------------------


def test_stocks_are_absolute_and_by_warehouse(api: Api, fake: FakeKeyCrm) -> None:
    shop = fake.add_warehouse("Магазин", number=3)
    fake.add_product("Кава", "COF-1", price=Decimal("450.5"), purchased_price=300, stock={1: 9, shop: "0.5"})
    fake.add_order([{"sku": "COF-1", "quantity": 2}])
    assert api.get("/offers/stocks").data == [
        {"id": 1, "sku": "COF-1", "price": Decimal("450.5"), "purchased_price": 300, "quantity": 9.5, "reserve": 2}
    ]
    detailed = api.get("/offers/stocks", filter_details="true", filter_offers_sku="COF-1").data[0]
    assert detailed["warehouse"] == [
        {"id": 1, "name": "Основний", "quantity": 9, "reserve": 2},
        {"id": 3, "name": "Магазин", "quantity": 0.5, "reserve": 0},
    ]
    reply = api.put("/offers/stocks", {"warehouse_id": 3, "stocks": [{"id": 1, "quantity": 4}]})
    assert (reply.status, reply.body) == (202, {"status": True})
    assert api.put("/offers/stocks", {"warehouse_id": 3, "stocks": [{"id": 1, "quantity": 4}]}).status == 202
    assert (held(fake, "COF-1"), held(fake, "COF-1", 3)) == ((13, 2), (4, 0))
    assert api.get("/offers", filter_sku="COF-1").data[0]["in_reserve"] == 2
    assert api.get("/products/1").body["quantity"] == 13


def test_stocks_need_a_warehouse_that_is_there(api: Api, fake: FakeKeyCrm) -> None:
    fake.add_product("Кава", "COF-1")
    rows = [{"sku": "COF-1", "quantity": 4}]
    for body in (
        {"stocks": rows},
        {"warehouse_id": 2, "stocks": rows},
        {"warehouse_id": 1, "stocks": [{"sku": "COF-1"}]},
        {"warehouse_id": 1, "stocks": [{"offer_id": 1, "quantity": 4}]},
        rows,
    ):
        assert api.put("/offers/stocks", body).status == 422
    assert fake.quantity("COF-1") == 0


@pytest.mark.parametrize(("idle", "documents"), [(True, 2), (False, 1)])
def test_every_put_of_stocks_writes_a_movement(make: Make, idle: bool, documents: int) -> None:
    fake, api = make(idle_movement=idle)
    fake.add_product("Кава", "COF-1")
    fake.add_product("Чай", "TEA-1")
    body = {"warehouse_id": 1, "stocks": [{"sku": "COF-1", "quantity": 4}, {"sku": "TEA-1", "quantity": 0}]}
    for _ in range(2):
        assert api.put("/offers/stocks", body).status == 202
    movements = fake.movements("api")
    assert len(movements) == documents
    lines = [{"offer_id": 1, "before": 0, "after": 4}, {"offer_id": 2, "before": 0, "after": 0}]
    assert movements[0]["lines"] == lines[: 2 if idle else 1]
    assert movements[0]["warehouse_id"] == 1


@pytest.mark.parametrize(("quirk", "names"), [(False, ["Основний"]), (True, ["Основний", "Порожній"])])
def test_a_warehouse_where_nothing_ever_lay(make: Make, quirk: bool, names: list[str]) -> None:
    fake, api = make(empty_warehouses=quirk)
    fake.add_warehouse("Порожній")
    fake.add_product("Кава", "COF-1", stock=0)
    row = api.get("/offers/stocks", filter_details="true").data[0]
    assert [one["name"] for one in row["warehouse"]] == names


def test_what_was_accepted_may_be_read_back_only_later(make: Make, clock: Clock) -> None:
    fake, api = make(lag=5)
    fake.add_product("Кава", "COF-1", price=450, stock=1)
    assert api.put("/offers", {"offers": [{"sku": "COF-1", "price": 5}]}).status == 202
    clock.move(3)
    assert api.put("/offers/stocks", {"warehouse_id": 1, "stocks": [{"sku": "COF-1", "quantity": 7}]}).status == 202

    def now() -> tuple[Any, Any]:
        row = api.get("/offers/stocks").data[0]
        return row["price"], row["quantity"]

    assert now() == (450, 1)
    clock.move(2)
    assert now() == (5, 1)
    clock.move(3)
    assert fake.quantity("COF-1") == 7
    assert now() == (5, 7)


# --- categories and custom fields --------------------------------------------------------------------------------


def test_categories(api: Api, fake: FakeKeyCrm) -> None:
    fake.add_category("Чай", number=7)
    assert api.post("/products/categories", {"name": "Взуття", "parent_id": None}).body == {
        "id": 8,
        "name": "Взуття",
        "parent_id": None,
    }
    fake.add_category("Черевики", parent_id=8, number=2)
    assert [row["id"] for row in api.get("/products/categories").data] == [2, 7, 8]  # not parents first
    assert api.get("/products/categories", filter_parent_id="8").ids() == [2]
    assert api.get("/products/categories", filter_category_id="7,8").ids() == [7, 8]
    assert api.post("/products/categories", {"full_name": "Взуття"}).status == 422  # as the document has it, wrongly
    assert api.post("/products/categories", {"name": "x", "parent_id": 5}).status == 422


def test_custom_fields_are_a_bare_list(api: Api, fake: FakeKeyCrm) -> None:
    fake.add_custom_field("OR_1", "order", name="Колір", kind="select", options=["білий", "чорний"])
    fake.add_custom_field("CT_2", "crm_product", name="Матеріал")
    fake.add_custom_field("CT_3", "client")
    rows = api.get("/custom-fields", filter_model="order,crm_product", include="options", sort="-position").body
    assert [row["uuid"] for row in rows] == ["CT_2", "OR_1"]
    assert [one["value"] for one in rows[1]["options"]] == ["білий", "чорний"]
    assert {one["field_id"] for one in rows[1]["options"]} == {1}
    assert rows[0]["options"] == []
    plain = api.get("/custom-fields", limit=1).body
    assert len(plain) == 3
    assert "options" not in plain[0]
    assert api.get("/custom-fields", include="values").status == 400


def test_custom_fields_are_filled_and_emptied(api: Api, fake: FakeKeyCrm) -> None:
    fake.add_custom_field("CT_1", "crm_product", kind="select", options=["a", "b"])
    fake.add_custom_field("CT_2", "crm_product")
    fake.add_custom_field("CT_3", "client")

    def put(*fields: tuple[str, Any]) -> Any:
        body = {"custom_fields": [{"uuid": uuid, "value": value} for uuid, value in fields]}
        reply = api.put("/products/1", body)
        if reply.status != 202:
            return reply.status
        shown = api.get("/products/1", include="custom_fields").body["custom_fields"]
        return {one["uuid"]: one["value"] for one in shown}

    api.post("/products", {"name": "Кава"})
    assert put(("CT_1", ["a"]), ("CT_2", "x")) == {"CT_1": ["a"], "CT_2": "x"}
    assert put(("CT_1", "a")) == 422  # a select takes a list
    assert put(("CT_1", ["a", 5])) == 422
    assert put(("CT_2", 19.9), ("CT_3", "of a client"), ("CT_9", "of nobody")) == {"CT_1": ["a"], "CT_2": "19.9"}
    assert put(("CT_2", True)) == {"CT_1": ["a"], "CT_2": "true"}
    assert put(("CT_2", None), ("CT_1", [])) == {}
