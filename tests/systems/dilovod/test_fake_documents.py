"""What is written in the fake Dilovod: objects, documents and what they move, deletion marks."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from plugins.systems.dilovod._fake_seeds import FIRM, NATURAL, NEW, SHIPPED, STORAGE, UAH
from plugins.systems.dilovod.fake import FakeDilovod
from tests.systems.dilovod.conftest import Wire, cant_set, error, told

GOODS, PERSONS, ORDER = "catalogs.goods", "catalogs.persons", "documents.saleOrder"
SALE, RETURN = "documents.sale", "documents.saleReturn"
PRICES, PROPS = "informationRegisters.goodsPrices", "informationRegisters.propValues"
SHIPMENT = "1004000000000350"


def line(good: str, qty: Any = 1, price: Any = 100, **more: Any) -> dict[str, Any]:
    return {"good": good, "qty": qty, "baseQty": qty, "price": price, "amountCur": str(Decimal(qty) * price), **more}


def ship(wire: Wire, good: str, qty: Any = 1, *, save_type: int = 1, **header: Any) -> Any:
    return wire.save(SALE, [line(good, qty)], save_type, firm=FIRM, storage=STORAGE, docMode=SHIPMENT, **header)


# --- objects ---------------------------------------------------------------------------------------------------------


def test_a_party_lives(fake: FakeDilovod, wire: Wire) -> None:
    names = {"uk": "Іван Тестовий", "ru": "Иван Тестовый"}
    person = wire.made(PERSONS, name=names, personType=NATURAL, code="77")
    assert person == "1100100000001001"
    found = wire("getObject", {"id": person})
    assert set(found) == {"header", "misc"}  # a catalogue without table parts has none
    assert found["misc"] is False
    header = found["header"]
    assert (header["id"], header["name"]) == ({"id": person, "pr": "Іван Тестовий"}, names)
    assert header["personType"] == {"id": NATURAL, "pr": "Фізична особа"}
    assert (header["parent"], header["delMark"], header["code"]) == ({"id": "0", "pr": ""}, "0", "77")
    assert wire.made(person, name={"uk": "Петро"}) == person
    assert wire("getObject", {"id": person})["header"]["name"] == {"uk": "Петро", "ru": ""}
    assert wire("saveObject", {"header": {"id": int(person), "remark": "постійний"}})["id"] == person
    assert fake.one(person)["code"] == "77"
    assert wire.mark(person) == "ok"
    assert wire.made(PERSONS, name="Двійник") != wire.made(PERSONS, name="Двійник")


def test_goods_have_parts_even_when_they_are_empty(fake: FakeDilovod, wire: Wire) -> None:
    folder = wire.made(GOODS, isGroup=1, name={"uk": "Група"})
    good = wire.made(GOODS, name={"uk": "Товар"}, parent=folder, weight="0.1205")
    found = wire("getObject", {"id": good})
    assert (found["tableParts"], found["header"]["parent"]["id"]) == ({"tpGoods": []}, folder)
    assert found["header"]["weight"] == "0.121"
    kit = wire.made(GOODS, [{"good": good, "qty": 2, "remark": "у набір"}], name="Набір")
    rows = wire("getObject", {"id": kit})["tableParts"]["tpGoods"]
    assert [(row["rowNum"], row["good"]["pr"], row["qty"], row["remark"]) for row in rows] == [
        ("1", "Товар", "2.000", "у набір")
    ]


def test_what_is_not_there_is_not_found(wire: Wire) -> None:
    for id_ in ("0000000000000000", "1100100000009999"):
        assert error(wire("getObject", {"id": id_})) == f"object with id {id_} not found"
        assert error(wire.save(id_, name="x")) == f"object with id {id_} not found"
        assert error(wire.mark(id_)) == f"object with id {id_} not found"
    for what in ("nonexistent.object", "documents.sale_order"):
        assert "not found" in error(wire.save(what))
    nothings: tuple[Any, ...] = ({}, {"header": {}}, {"header": []})
    for params in nothings:
        assert error(wire("saveObject", params))


@pytest.mark.parametrize(
    ("header", "where"),
    [
        ({"color": "red"}, "header.color"),
        ({"parent": "1100300000009999"}, "header.parent"),
        ({"parent": "1100700000000001"}, "header.parent"),  # a storage
        ({"parent": True}, "header.parent"),
        ({"weight": "0,5"}, "header.weight"),
        ({"weight": {}}, "header.weight"),
        ({"weight": True}, "header.weight"),
        ({"weight": "1e30"}, "header.weight"),
        ({"isGroup": 2}, "header.isGroup"),
        ({"isGroup": "так"}, "header.isGroup"),
        ({"name": {"en": "Coffee"}}, "header.name"),
        ({"name": ["Кава"]}, "header.name"),
        ({"name": {"uk": None}}, "header.name"),
        ({"productNum": {"a": 1}}, "header.productNum"),
        ({"price": 5}, "header.price"),
    ],
)
def test_wrong_values_save_nothing(fake: FakeDilovod, wire: Wire, header: Any, where: str) -> None:
    assert cant_set(wire.save(GOODS, **header)) == where
    good = wire.made(GOODS, name="Кава")
    assert cant_set(wire.save(good, description="нове", **header)) == where
    assert fake.one(good)["description"] == ""
    assert len(fake.rows(GOODS)) == 1


def test_wrong_parts_save_nothing(fake: FakeDilovod, wire: Wire) -> None:
    good = fake.add_good("Кава")
    for lines, where in (
        ([{"good": good, "sum": 1}], "tableParts.tpGoods.sum"),
        ([{"good": good}, {"good": "1100300000009999"}], "tableParts.tpGoods.good"),
        ([{"good": good, "qty": "багато"}], "tableParts.tpGoods.qty"),
    ):
        assert cant_set(wire.save(ORDER, lines)) == where
    params = {"header": {"id": ORDER}, "tableParts": {"tpBarcodes": []}}
    assert cant_set(wire("saveObject", params)) == "tableParts.tpBarcodes"
    assert error(wire.save(ORDER, ["row"]))
    assert fake.orders() == []


def test_empty_values_empty_an_attribute(fake: FakeDilovod, wire: Wire) -> None:
    folder = fake.add_folder("Напої")
    good = wire.made(GOODS, name="Кава", parent={"id": folder}, weight=2, isGroup=True, productNum=5)
    assert (fake.one(good)["parent"], fake.one(good)["isGroup"], fake.one(good)["productNum"]) == (folder, "1", "5")
    for empty in ("", 0, "0", None):
        wire.made(good, parent=empty, weight=empty, isGroup=empty)
        assert (fake.one(good)["parent"], fake.one(good)["weight"], fake.one(good)["isGroup"]) == ("0", "0.000", "0")
        wire.made(good, parent=folder)


def test_phones_come_from_the_details(fake: FakeDilovod, wire: Wire) -> None:
    details = json.dumps({"phones": [{"pr": "0980000000", "kind": "phone"}], "emails": [{"pr": "i@example.com"}]})
    person = wire.made(PERSONS, name="Іван", details=details)
    assert wire.ids(PERSONS, ("phone", "=", "0980000000")) == [person]
    assert wire.ids(PERSONS, ("phone", "=", "380980000000")) == []  # as it was typed
    assert fake.one(person)["email"] == "i@example.com"
    assert cant_set(wire.save(PERSONS, phone="380500000000")) == "header.phone"
    wrongs: tuple[Any, ...] = ("{", "[]", {"phones": []})
    for wrong in wrongs:
        assert cant_set(wire.save(PERSONS, details=wrong)) == "header.details"
    fake.behave(phone="both")
    person = wire.made(PERSONS, phone="380500000001")
    assert fake.one(person)["phone"] == "380500000001"
    assert fake.one(wire.made(PERSONS, details=details))["phone"] == "0980000000"
    fake.behave(phone="own")
    person = wire.made(PERSONS, phone="380500000002", details=details)
    assert (fake.one(person)["phone"], fake.one(person)["email"]) == ("380500000002", "")


# --- documents -------------------------------------------------------------------------------------------------------


def test_an_empty_create_makes_a_document(fake: FakeDilovod, wire: Wire) -> None:
    order = wire.made(ORDER)
    assert order == "1109100000001001"
    row = fake.orders()[0]
    assert (row["id"], row["number"], row["date"]) == (order, "0000000001", "2026-11-22 14:00:00")
    assert (row["posted"], row["firm"], row["parts"]) == ("0", "0", {"tpGoods": []})
    assert wire.made(SALE, save_type=1)
    assert [row["posted"] for row in fake.documents("sale")] == ["1"]


def test_an_order_is_saved_posted_and_unposted(fake: FakeDilovod, wire: Wire) -> None:
    good, person = fake.add_good("Кава", stock=5), wire.made(PERSONS, name="Іван")
    order = wire.made(ORDER, [line(good, 2)], 1, firm=FIRM, person=person, currency=UAH, state=NEW, storage=STORAGE)
    found = wire("getObject", {"id": order})
    assert (found["header"]["posted"], found["header"]["state"]["pr"]) == ("1", "Прийнято")
    assert found["header"]["id"]["pr"] == "22.11.2026 Замовлення 0000000001"
    row = found["tableParts"]["tpGoods"][0]
    assert (row["good"], row["qty"], row["price"], row["amountCur"]) == (
        {"id": good, "pr": "Кава"},
        "2.000",
        "100.00000",
        "200.00",
    )
    assert told(fake.stock(good), fake.outstanding(good), fake.reserved(good)) == (5, 2, 0)
    control = {"type": "balance", "register": "saleOrderControl", "dimensions": ["good", "baseDoc"]}
    rows = wire.rows(control, "good baseDoc qty qtyReserve")
    assert [(row["baseDoc"], row["qty"], row["qtyReserve"]) for row in rows] == [(order, "2.000", "0.000")]
    assert wire.made(order, save_type=2) == order
    assert told(fake.one(order)["posted"], fake.outstanding(good)) == ("0", 0)
    for wrong in (3, "x", -1):
        assert error(wire.save(order, save_type=wrong))


def test_save_type_is_zero_unless_said(fake: FakeDilovod, wire: Wire) -> None:
    assert fake.one(wire.made(ORDER))["posted"] == "0"
    fake.behave(default_save_type=1)
    assert fake.one(wire.made(ORDER))["posted"] == "1"
    assert fake.one(wire.made(ORDER, save_type=0))["posted"] == "0"


def test_posted_in_the_header_is_ignored_or_obeyed(fake: FakeDilovod, wire: Wire) -> None:
    assert fake.one(wire.made(ORDER, posted=1))["posted"] == "0"
    assert fake.one(wire.made(ORDER, save_type=1, posted=0))["posted"] == "1"
    fake.behave(header_posted="obeyed")
    order = wire.made(ORDER, posted=1)
    assert fake.one(order)["posted"] == "1"
    wire.made(order, posted=0)
    assert fake.one(order)["posted"] == "0"
    assert fake.one(wire.made(ORDER, save_type=0, posted=1))["posted"] == "0"


def test_a_change_leaves_the_rest(fake: FakeDilovod, wire: Wire) -> None:
    good = fake.add_good("Кава")
    order = wire.made(ORDER, [line(good, 2)], remark="KC-1", state=NEW)
    wire.made(order, state=SHIPPED)
    row = fake.one(order)
    assert (row["remark"], row["state"], row["parts"]["tpGoods"][0]["qty"]) == ("KC-1", SHIPPED, "2.000")


def test_a_part_that_is_sent_replaces_it_or_joins_it(fake: FakeDilovod, wire: Wire) -> None:
    a, b = fake.add_good("А"), fake.add_good("Б")
    order = wire.made(ORDER, [line(a, 1, rowNum=1), line(b, 2, rowNum=2)])
    wire.made(order, [line(b, 5, rowNum=2)])
    assert [(row["good"], row["qty"], row["rowNum"]) for row in fake.one(order)["parts"]["tpGoods"]] == [
        (b, "5.000", "2")
    ]
    wire.made(order, [line(a), line(b, 2)])
    fake.behave(parts_replace=False)
    wire.made(order, [{"rowNum": 2, "qty": 7}])
    assert [(row["good"], row["qty"]) for row in fake.one(order)["parts"]["tpGoods"]] == [(a, "1.000"), (b, "7.000")]
    fake.behave(parts_replace=True)
    wire.made(order, [])
    assert fake.one(order)["parts"]["tpGoods"] == []


def test_a_posted_document_is_unposted_before_it_is_changed(fake: FakeDilovod, wire: Wire) -> None:
    good = fake.add_good("Кава", stock=5)
    sale = ship(wire, good, 2)["id"]
    for save_type in (None, 0, 1):
        assert error(wire.save(sale, [line(good, 3)], save_type)).startswith("applicationLayerError ")
    assert fake.stock(good) == 3
    assert wire.made(sale, save_type=1) == sale  # nothing is changed: posted anew
    wire.made(sale, [line(good, 3)], 2)
    assert fake.stock(good) == 5
    wire.made(sale, save_type=1)
    assert fake.stock(good) == 2
    fake.behave(edit_posted="kept")
    wire.made(sale, [line(good, 1)])
    assert told(fake.stock(good), fake.one(sale)["posted"]) == (4, "1")
    fake.behave(edit_posted="unposted")
    wire.made(sale, [line(good, 1)])
    assert told(fake.stock(good), fake.one(sale)["posted"]) == (5, "0")


def test_totals_are_not_computed_unless_the_base_does(fake: FakeDilovod, wire: Wire) -> None:
    good = fake.add_good("Кава")
    rows = [{"good": good, "qty": 3, "price": "33.33", "discount": "0.99"}, {"good": good, "qty": 1, "amountCur": 5}]

    def sums(order: str) -> list[str]:
        row = fake.one(order)
        return [row["amountCur"], *(one["amountCur"] for one in row["parts"]["tpGoods"])]

    assert sums(wire.made(ORDER, rows)) == ["0.00", "0.00", "5.00"]
    fake.behave(totals="header")
    assert sums(wire.made(ORDER, rows)) == ["5.00", "0.00", "5.00"]
    fake.behave(totals="all")
    assert sums(wire.made(ORDER, rows)) == ["104.00", "99.00", "5.00"]
    assert sums(wire.made(ORDER, rows, amountCur=104))[0] == "104.00"


def test_an_order_has_an_amount_or_not(fake: FakeDilovod, wire: Wire) -> None:
    order = wire.made(ORDER, amountCur="10.5")
    assert wire.rows(ORDER, "amountCur") == [{"amountCur": "10.50"}]
    fake.behave(order_amount=False)
    assert error(wire.rows(ORDER, "amountCur"))
    assert cant_set(wire.save(ORDER, amountCur=1)) == "header.amountCur"
    assert "amountCur" not in wire("getObject", {"id": order})["header"]


def test_an_orders_number_is_kept_or_given(fake: FakeDilovod, wire: Wire) -> None:
    first = wire.made(ORDER, number="KC-17")
    assert fake.one(first)["number"] == "KC-17"
    assert fake.one(wire.made(ORDER, number="KC-17"))["number"] == "KC-17"  # no key: a twin
    fake.behave(order_number="auto")
    assert fake.one(wire.made(ORDER, number="KC-18"))["number"] == "0000000001"
    wire.made(first, number="other")
    assert fake.one(first)["number"] == "KC-17"
    assert cant_set(wire.save(SALE, number="1")) == "header.number"


# --- shipments, returns and stock ------------------------------------------------------------------------------------


def test_a_shipment_moves_stock_when_it_is_posted(fake: FakeDilovod, wire: Wire) -> None:
    good = fake.add_good("Кава", stock=10, cost="30.10")
    order = wire.made(ORDER, [line(good, 4)], 1, firm=FIRM, storage=STORAGE)
    draft = ship(wire, good, 3, save_type=0, baseDoc=order, contract=order)["id"]
    assert told(fake.stock(good), fake.outstanding(good, order)) == (10, 4)
    wire.made(draft, save_type=1)
    assert told(fake.stock(good), fake.outstanding(good, order)) == (7, 1)
    assert fake.cost(good) == Decimal("210.70")
    found = wire.rows(SALE, "id baseDoc contract", ("contract", "IL", [order]))
    assert [(row["id"], row["baseDoc__pr"]) for row in found] == [(draft, "22.11.2026 Замовлення 0000000001")]
    wire.made(draft, save_type=2)
    assert told(fake.stock(good), fake.outstanding(good, order)) == (10, 4)


@pytest.mark.parametrize(
    "name", ["tradeChanel", "paymentForm", "cashAccount", "remarkFromPerson", "deliveryRemark_forDel", "number"]
)
def test_a_shipment_lacks_what_an_order_has(wire: Wire, name: str) -> None:
    values = {"tradeChanel": "1103200000001001", "paymentForm": "1110300000000001"}
    wire.made(ORDER, **{name: values.get(name, "")})
    assert cant_set(wire.save(SALE, **{name: values.get(name, "")})) == f"header.{name}"


def test_too_little_stock_refuses_and_saves_nothing(fake: FakeDilovod, wire: Wire) -> None:
    good = fake.add_good("Кава", stock=2)
    text = error(ship(wire, good, 3))
    assert text.startswith("applicationLayerError Документ не збережено. Недостатня кількість. <span>Кава")
    assert told(fake.documents("sale"), fake.stock(good)) == ([], 2)
    draft = ship(wire, good, 3, save_type=0)["id"]
    assert draft == "1109200000001001"  # the refused one has left no gap
    assert "Недостатня" in error(wire.save(draft, save_type=1))
    assert fake.one(draft)["posted"] == "0"
    purchase = fake.documents("purchase")[0]["id"]
    wire.made(draft, [line(good, 2)], 1)
    assert "Недостатня" in error(wire.save(purchase, save_type=2))  # what was shipped must have come in
    assert "Недостатня" in error(wire.mark(purchase))
    fake.behave(stock_control=False)
    assert ship(wire, good, 3)["result"] == "ok"
    assert fake.stock(good) == -3


def test_stock_is_by_storage(fake: FakeDilovod, wire: Wire) -> None:
    other = fake.add_element("catalogs.storages", "Склад 2")
    good = fake.add_good("Кава", stock=2)
    params = {"docMode": SHIPMENT, "firm": FIRM, "storage": other}
    assert "Недостатня" in error(wire.save(SALE, [line(good)], 1, **params))
    fake.receive(good, 1, storage=other)
    wire.made(SALE, [line(good)], 1, **params)
    assert told(fake.stock(good, other), fake.stock(good, STORAGE), fake.stock(good)) == (0, 2, 2)


def test_posting_asks_for_what_the_register_needs(fake: FakeDilovod, wire: Wire) -> None:
    good = fake.add_good("Кава", stock=2)
    begin = "emptyRequiredReq balanceRegisters.goods (Складські запаси)|"
    assert error(wire.save(SALE, [line(good)], 1, firm=FIRM)) == f"{begin}storage (Місце зберігання)"
    assert error(wire.save(SALE, [line(good)], 1, storage=STORAGE)) == f"{begin}firm (Фірма)"
    assert error(wire.save(SALE, [{"qty": 1}], 1, storage=STORAGE, firm=FIRM)) == f"{begin}good (Товар)"
    business = fake.add_element("catalogs.business", "Основний")
    fake.behave(business_required=True)
    assert error(ship(wire, good)) == f"{begin}business (Бізнес)"
    assert ship(wire, good, business=business)["result"] == "ok"
    fake.behave(business_required=False)
    assert ship(wire, good)["result"] == "ok"


def test_stock_moves_by_the_base_quantity(fake: FakeDilovod, wire: Wire) -> None:
    good = fake.add_good("Кава", stock=20)
    header = {"firm": FIRM, "storage": STORAGE}
    wire.made(SALE, [{"good": good, "qty": 2, "ratio": 6}], 1, **header)
    assert fake.stock(good) == 8
    wire.made(SALE, [{"good": good, "qty": 2, "baseQty": 3}], 1, **header)
    assert fake.stock(good) == 5
    fake.behave(base_qty="sent")
    wire.made(SALE, [{"good": good, "qty": 2}], 1, **header)
    assert fake.stock(good) == 5  # posted, and nothing has moved
    wire.made(SALE, [{"good": good, "qty": 2, "baseQty": 2}], 1, **header)
    assert fake.stock(good) == 3


def test_services_and_kits(fake: FakeDilovod, wire: Wire) -> None:
    a, b = fake.add_good("Кава", stock=10), fake.add_good("Чашка", stock=10)
    kit, delivery = fake.add_good("Набір", kit=[(a, 2), (b, 1)]), fake.add_good("Доставка", service=True)
    header = {"firm": FIRM, "storage": STORAGE}
    wire.made(SALE, [line(kit, 3), line(delivery)], 1, **header)
    assert [fake.stock(one) for one in (a, b, kit, delivery)] == [4, 7, 0, 0]
    wire.made(SALE, [line(a, 4)], 1, docMode="1004000000000351", **header)  # services
    assert fake.stock(a) == 4
    fake.behave(kits="itself")
    assert "Недостатня" in error(wire.save(SALE, [line(kit)], 1, **header))
    fake.receive(kit, 1)
    wire.made(SALE, [line(kit)], 1, **header)
    assert [fake.stock(one) for one in (a, b, kit)] == [4, 7, 0]


def test_the_mode_of_a_shipment(fake: FakeDilovod, wire: Wire) -> None:
    assert fake.one(wire.made(SALE))["docMode"] == SHIPMENT
    assert fake.one(wire.made(RETURN))["docMode"] == "1004000000000354"
    fake.behave(sale_mode="required")
    assert error(wire.save(SALE)).startswith("emptyRequiredReq documents.sale")
    assert wire.made(SALE, docMode=SHIPMENT)
    assert cant_set(wire.save(SALE, docMode="shipment")) == "header.docMode"
    assert error(wire.save("documents.goodWriteOff")).startswith("emptyRequiredReq documents.goodWriteOff")


def test_a_return_brings_stock_back(fake: FakeDilovod, wire: Wire) -> None:
    good = fake.add_good("Кава", stock=10, cost=30)
    order = wire.made(ORDER, [line(good, 4)], 1, firm=FIRM, storage=STORAGE)
    sale = ship(wire, good, 4, baseDoc=order, contract=order)["id"]
    header = {"firm": FIRM, "storage": STORAGE, "docMode": "1004000000000354"}
    back = wire.made(RETURN, [line(good, 1)], 1, baseDoc=sale, contract=order, **header)
    assert told(fake.stock(good), fake.cost(good)) == (7, 210)
    assert [row["id"] for row in fake.documents("saleReturn", contract=order)] == [back]
    for name in ("state", "number", "remarkFromPerson"):
        assert cant_set(wire.save(RETURN, **{name: "1"})) == f"header.{name}"
    assert wire.made(RETURN, [line(good, 9)], 1, baseDoc=sale, **header)
    fake.behave(return_over="refused")
    assert "більша за відвантажену" in error(wire.save(RETURN, [line(good, 1)], 1, baseDoc=sale, **header))
    other = ship(wire, good, 2)["id"]
    assert wire.made(RETURN, [line(good, 2)], 1, baseDoc=other, **header)
    fake.behave(return_link="contract")
    assert cant_set(wire.save(RETURN, baseDoc=sale)) == "header.baseDoc"
    assert wire.made(RETURN, contract=order)
    fake.behave(return_link="baseDoc")
    assert cant_set(wire.save(RETURN, contract=order)) == "header.contract"
    assert wire.made(RETURN, baseDoc=sale)


def test_write_ons_and_write_offs(fake: FakeDilovod, wire: Wire) -> None:
    good = fake.add_good("Кава")
    header = {"firm": FIRM, "storage": STORAGE}
    wire.made("documents.goodWriteOn", [line(good, 5)], 1, incomeItem="1106500000000001", **header)
    assert cant_set(wire.save("documents.goodWriteOff", incomeItem="1106500000000001")) == "header.incomeItem"
    wire.made("documents.goodWriteOff", [line(good, 2)], 1, docMode=SHIPMENT, **header)
    assert fake.stock(good) == 3
    cash = wire.made("documents.cashIn", save_type=1, firm=FIRM, amountCur="250.5", baseDoc=wire.made(ORDER))
    assert fake.one(cash)["amountCur"] == "250.50"
    assert error(wire.save("balanceRegisters.goods", good=good, qty=5))  # never directly


def test_reserves_by_posting_or_by_placement_only(fake: FakeDilovod, wire: Wire) -> None:
    good = fake.add_good("Кава", stock=5)
    header = {"firm": FIRM, "storage": STORAGE}
    order = wire.made(ORDER, [line(good, 4)], 1, **header)
    assert fake.reserved(good) == 0
    wire.mark(order)
    fake.behave(posting_reserves=True)
    order = wire.made(ORDER, [line(good, 4)], 1, **header)
    more = wire.made(ORDER, [line(good, 4)], 1, **header)
    assert told(fake.reserved(good, order), fake.reserved(good, more), fake.outstanding(good)) == (4, 1, 8)
    ship(wire, good, 4, baseDoc=order)
    assert told(fake.reserved(good, order), fake.outstanding(good, order), fake.stock(good)) == (0, 0, 1)


# --- deletion marks --------------------------------------------------------------------------------------------------


def test_a_mark_twice_is_the_same_as_once_and_may_be_lifted(fake: FakeDilovod, wire: Wire) -> None:
    order = wire.made(ORDER)
    assert [wire.mark(order), wire.mark(order)] == ["ok", "ok"]
    assert wire.post(json.dumps(wire.packet("setDelMark", {"header": {"id": order}})).encode()).text == '"ok"'
    assert [row["id"] for row in fake.orders(marked=True)] == [order]
    assert fake.orders() == []
    wire.made(order, delMark=0)
    assert [row["id"] for row in fake.orders()] == [order]
    fake.behave(lift_mark=False)
    wire.mark(order)
    assert cant_set(wire.save(order, delMark=0)) == "header.delMark"
    assert wire.form("setDelMark", {"header": {"id": order}}) == "ok"


def test_a_mark_on_a_posted_document(fake: FakeDilovod, wire: Wire) -> None:
    good = fake.add_good("Кава", stock=9)
    first, second, third = (ship(wire, good, 2)["id"] for _ in range(3))
    wire.mark(first)
    assert told(fake.stock(good), fake.one(first)["posted"]) == (5, "0")
    fake.behave(mark_posted="keeps")
    wire.mark(second)
    assert told(fake.stock(good), fake.one(second)["posted"], fake.one(second)["delMark"]) == (5, "1", "1")
    fake.behave(mark_posted="refused")
    assert error(wire.mark(third)).startswith("applicationLayerError")
    assert fake.one(third)["delMark"] == "0"


def test_a_mark_on_an_order_that_is_shipped(fake: FakeDilovod, wire: Wire) -> None:
    good = fake.add_good("Кава", stock=9)
    first, second = wire.made(ORDER), wire.made(ORDER)
    sales = [ship(wire, good, baseDoc=order)["id"] for order in (first, second)]
    assert wire.mark(first) == "ok"
    assert fake.one(sales[0])["delMark"] == "0"
    fake.behave(mark_shipped="refused")
    assert error(wire.mark(second)).startswith("applicationLayerError")
    wire.mark(sales[1])
    assert wire.mark(second) == "ok"
