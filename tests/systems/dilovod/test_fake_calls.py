"""Prices and properties in the fake Dilovod, orders by ``call``, and what a test looks up in it."""

from __future__ import annotations

from typing import Any

import pytest

from plugins.systems.dilovod._fake_seeds import FIRM, PROPERTY, RETAIL, STORAGE, UAH
from plugins.systems.dilovod.fake import FakeDilovod
from tests.systems.dilovod.conftest import Clock, Wire, cant_set, error, told

GOODS, ORDER = "catalogs.goods", "documents.saleOrder"
PRICES, PROPS = "informationRegisters.goodsPrices", "informationRegisters.propValues"


# --- prices and properties -------------------------------------------------------------------------------------------


def test_one_price_a_day(fake: FakeDilovod, wire: Wire, clock: Clock) -> None:
    good = fake.add_good("Кава")
    header = {"good": good, "priceType": RETAIL, "currency": UAH}
    record = wire.made(PRICES, date="2026-11-22 10:00:00", price="460", **header)
    assert fake.price(good) == 460
    assert "price already set" in error(wire.save(PRICES, date="2026-11-22 23:59:59", price=470, **header))
    assert fake.price(good) == 460
    found = wire.rows(PRICES, "id date good", ("good", "=", good), ("date", ">=", "2026-11-22"))
    assert [(row["id"], row["date"]) for row in found] == [(record, "2026-11-22 10:00:00")]
    assert wire.made(record, date="2026-11-22 10:00:00", price=470) == record
    assert fake.price(good) == 470
    assert wire.made(PRICES, date="2026-11-23 00:00:00", price=480, **header) != record
    assert "price already set" in error(wire.save(record, date="2026-11-23", price=1))
    assert fake.price(good) == 470
    clock.moment = clock.moment.replace(hour=22)  # the next day has begun in Kyiv
    assert fake.price(good) == 480
    assert "price already set" in error(wire.save(PRICES, price=1, **header))
    for wrong in ("good", "priceType"):
        assert "emptyRequiredReq" in error(wire.save(PRICES, **{**header, wrong: 0}))
    assert cant_set(wire.save(PRICES, sum=1)) == "header.sum"
    fake.behave(price_id=False)
    assert wire.save(PRICES, date="2026-12-01", price=1, **header) == {"result": "ok", "id": 0}


def test_our_mark_in_a_property(fake: FakeDilovod, wire: Wire) -> None:
    order = wire.made(ORDER)
    answer = wire.save(PROPS, object=order, propKind=PROPERTY, strValue="KC-17")
    assert answer == {"result": "ok", "id": 0}
    found = wire.rows(
        PROPS, {"object": "id", "strValue": "v", "propKind": "k"}, ("v", "=", "KC-17"), ("k", "=", PROPERTY)
    )
    assert found == [
        {
            "id": order,
            "id__pr": "22.11.2026 Замовлення 0000000001",
            "v": "KC-17",
            "k": PROPERTY,
            "k__pr": "Код у CRM",
        }
    ]
    wire.save(PROPS, object=order, propKind=PROPERTY, strValue="KC-18")
    assert fake.prop(order) == "KC-18"
    assert wire.rows(PROPS, {"object": "id", "strValue": "v"}, ("v", "=", "KC-17")) == []
    assert cant_set(wire.save(PROPS, object="1109100000009999", propKind=PROPERTY)) == "header.object"
    assert "emptyRequiredReq" in error(wire.save(PROPS, propKind=PROPERTY, strValue="x"))


# --- saleOrderCreate -------------------------------------------------------------------------------------------------


def create(wire: Wire, **arguments: Any) -> Any:
    return wire("call", {"method": "saleOrderCreate", "arguments": arguments})


def test_an_empty_call_makes_an_empty_order(fake: FakeDilovod, wire: Wire) -> None:
    empties: tuple[Any, ...] = ({"header": [], "goods": []}, {"header": {}}, {})
    for arguments in empties:
        answer = create(wire, **arguments)
        assert answer["status"] == "success"
        assert answer["data"]["header"]["id"]["id"] in [row["id"] for row in fake.orders()]
    assert len(fake.orders()) == 3
    header = answer["data"]["header"]
    assert (header["firm"]["id"], header["currency"]["id"], header["storage"]["id"]) == (FIRM, UAH, STORAGE)
    assert (header["priceType"]["id"], header["number"]) == (RETAIL, "0000000003")


def test_a_called_order_fills_in_prices_units_and_sums(fake: FakeDilovod, wire: Wire) -> None:
    good = fake.add_good("Кава", "COF-1", price="460.50")
    answer = create(
        wire,
        header={"remark": "KC-1", "discountPercent": 5},
        goods=[{"productNum": "COF-1", "qty": 2}, {"good": good, "qty": 1, "price": 400, "discount": 10}],
        deliveryData={},
    )
    row = fake.one(answer["data"]["header"]["id"]["id"])
    assert [(one["good"], one["price"], one["amountCur"], one["unit"]) for one in row["parts"]["tpGoods"]] == [
        (good, "460.50000", "921.00", "1103600000000001"),
        (good, "400.00000", "390.00", "1103600000000001"),
    ]
    assert (row["amountCur"], row["posted"], row["remark"]) == ("1311.00", "0", "KC-1")
    fake.behave(call_posts=True)
    assert fake.one(create(wire)["data"]["header"]["id"]["id"])["posted"] == "1"


def test_placement_reserves_what_is_there(fake: FakeDilovod, wire: Wire) -> None:
    fake.behave(call_posts=True)
    good = fake.add_good("Кава", "COF-1", stock=3)
    goods = [{"good": good, "qty": 5}]
    create(wire, goods=goods)
    assert fake.reserved(good) == 0
    create(wire, goods=goods, placement={"autoPlacement": True})
    control = {"type": "balance", "register": "saleOrderControl", "dimensions": ["good"]}
    rows = wire.rows(control, "qty qtyReserve qtyPurchase")
    assert rows == [{"qty": "10.000", "qtyReserve": "3.000", "qtyPurchase": "2.000"}]


def test_errors_of_a_call_have_their_own_shape(fake: FakeDilovod, wire: Wire) -> None:
    good = fake.add_good("Кава", "COF-1")
    for arguments, word in (
        ({"header": {"person": "0000000000000000"}}, "person"),
        ({"header": {"color": 1}}, "color"),
        ({"goods": [{"good": "0000000000000000", "qty": 1}]}, "good"),
        ({"goods": [{"productNum": "none", "qty": 1}]}, "productNum"),
        ({"goods": [{"qty": 1}]}, "good"),
        ({"goods": [{"good": good, "qty": "дві"}]}, "qty"),
        ({"goods": ["row"]}, "goods"),
    ):
        answer = create(wire, **arguments)
        assert answer == {"status": "error", "errorMessage": f"Bad value type for column {word}", "data": []}
    wrongs: tuple[Any, ...] = ({"header": 5}, {"goods": {"good": good}}, {"placement": "auto"})
    assert [create(wire, **wrong)["status"] for wrong in wrongs] == ["error"] * 3
    assert wire("call", {"method": "orderCreate", "arguments": {}})["status"] == "error"
    assert wire("call", {"method": "saleOrderCreate", "arguments": "x"})["status"] == "error"
    assert fake.orders() == []


def test_an_article_that_several_goods_have(fake: FakeDilovod, wire: Wire) -> None:
    first = fake.add_good("Чай", "TEA-1")
    fake.add_good("Чай (копія)", "TEA-1")
    goods = [{"productNum": "TEA-1", "qty": 1}]
    row = fake.one(create(wire, goods=goods)["data"]["header"]["id"]["id"])
    assert row["parts"]["tpGoods"][0]["good"] == first
    fake.behave(call_ambiguous="refused")
    assert create(wire, goods=goods)["status"] == "error"


# --- what a test looks up --------------------------------------------------------------------------------------------


def test_looks_and_the_cabinet(fake: FakeDilovod) -> None:
    fake.seed()
    good = fake.good("COF-1")
    assert told(good["name"], good["weight"], fake.price(good["id"])) == (
        {"uk": "Кава зернова 1 кг", "ru": "Кава зернова 1 кг"},
        "1.050",
        460,
    )
    for article in ("TEA-1", "none"):
        with pytest.raises(LookupError, match=article):
            fake.good(article)
    fake.set_price(good["id"], 470)  # the same day: changed in the cabinet
    assert fake.price(good["id"]) == 470
    with pytest.raises(ValueError, match="has no color"):
        fake.add_element(GOODS, "x", color="red")
    with pytest.raises(ValueError, match="there is an object"):
        fake.add_element("catalogs.storages", "x", number=1)
    looked = fake.one(good["id"])
    looked["name"]["uk"] = "інше"
    assert fake.good("COF-1")["name"]["uk"] == "Кава зернова 1 кг"  # looks are copies
    fake.edit(good["id"], name="Нова")
    fake.mark(good["id"])
    assert fake.rows(GOODS, marked=None, productNum="COF-1")[0]["name"]["uk"] == "Нова"
    with pytest.raises(KeyError):
        fake.one("0")
