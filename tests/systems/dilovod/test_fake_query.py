"""The fake Dilovod's queries: fields, filters, pages, links; balances, turnovers and prices by virtual tables."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from plugins.systems.dilovod._fake_seeds import STORAGE, UAH
from plugins.systems.dilovod.fake import FakeDilovod
from tests.systems.dilovod.conftest import Clock, Wire, error

GOODS, ORDER = "catalogs.goods", "documents.saleOrder"
RETAIL = "1101300000001001"


# --- fields and rows -------------------------------------------------------------------------------------------------


def test_rows_are_texts_and_links_have_their_words(fake: FakeDilovod, wire: Wire) -> None:
    folder = fake.add_folder("Напої")
    good = fake.add_good("Кава", "COF-1", parent=folder, weight="1.05")
    fields = {
        "id": "id",
        "productNum": "sku",
        "parent": "folder",
        "weight": "weight",
        "isGroup": "isGroup",
        "name": "n",
    }
    assert wire.rows(GOODS, fields, ("sku", "=", "COF-1")) == [
        {
            "id": good,
            "id__pr": "Кава",
            "sku": "COF-1",
            "folder": folder,
            "folder__pr": "Напої",
            "weight": "1.050",
            "isGroup": "0",
            "n": "Кава",
        }
    ]
    assert wire.rows(GOODS, fields, ("sku", "=", "none")) == []
    row = wire.rows(GOODS, "parent parent.code", ("parent", "=", "0"))[0]
    assert row == {"parent": "0", "parent__pr": "", "parent.code": ""}


def test_without_links_there_are_columns_and_data(fake: FakeDilovod, wire: Wire) -> None:
    good = fake.add_good("Кава", "COF-1")
    fields = {"id": "id", "name": "name", "mainUnit.code": "unit"}
    assert wire.rows(GOODS, fields, assembleLinks=False) == {
        "columns": ["id", "name", "unit"],
        "data": [[good, "Кава", "шт"]],
    }
    none = wire.rows(GOODS, {"id": "id", "code": "c"}, ("c", "=", "none"), assembleLinks=False)
    assert none == {"columns": ["id", "c"], "data": []}
    both = wire.rows(GOODS, "name", multilang=True, assembleLinks=False)
    assert both == {"columns": ["name__uk", "name__ru"], "data": [["Кава", "Кава"]]}


def test_names_in_all_languages(fake: FakeDilovod, wire: Wire) -> None:
    wire.made(GOODS, name={"uk": "Лампа", "ru": "Лампа рус"})
    wire.made(GOODS, name="Лише українська")
    assert wire.rows(GOODS, "name") == [{"name": "Лампа"}, {"name": "Лише українська"}]
    assert wire.rows(GOODS, "name parent.name", multilang=True) == [
        {"name__uk": uk, "name__ru": ru, "parent.name__uk": "", "parent.name__ru": ""}
        for uk, ru in (("Лампа", "Лампа рус"), ("Лише українська", ""))
    ]


def test_no_rows_may_be_an_object_and_rows_may_be_inside_of_one(fake: FakeDilovod, wire: Wire) -> None:
    assert wire.rows(GOODS, "id") == []
    fake.behave(empty_rows="object")
    assert wire.rows(GOODS, "id") == {}
    fake.behave(empty_rows="array")
    for name in ("data", "rows", "result", "items"):
        fake.behave(rows_in=name)
        assert wire.rows(GOODS, "id") == {name: []}
    fake.behave(rows_in="bare")
    assert wire.rows(GOODS, "id") == []


@pytest.mark.parametrize("source", ["catalogs.cars", "documents.sale_order", "goods", {"type": "balance"}, 5,
                                    {"type": "balance", "register": "goodsPrices"}, f"{ORDER}.tpNothing",
                                    {"type": "sliceLast", "register": "goods"},
                                    {"type": "balance", "register": "goods", "dimensions": ["color"]}])  # fmt: skip
def test_sources_that_are_none(wire: Wire, source: Any) -> None:
    assert error(wire.rows(source, "id"))


@pytest.mark.parametrize("fields", [{}, [], "id", {"id": 1}, {"color": "c"}, {"mainUnit.color": "c"}, {"name.uk": "c"}])
def test_fields_that_are_none(wire: Wire, fields: Any) -> None:
    assert error(wire("request", {"from": GOODS, "fields": fields}))


# --- filters ---------------------------------------------------------------------------------------------------------


def test_every_operator(fake: FakeDilovod, wire: Wire) -> None:
    root = fake.add_folder("Напої")
    leaf = fake.add_folder("Кава", root)
    a = fake.add_good("Зернова", "A-1", parent=leaf, weight=1)
    b = fake.add_good("Мелена", "B-2", parent=root, weight=2)
    c = fake.add_good("Папір", "C-3", weight=3)

    def found(alias: str, operator: str, value: Any) -> set[str]:
        return set(wire.ids(GOODS, (alias, operator, value), ("isGroup", "=", 0)))

    assert found("productNum", "=", "A-1") == {a}
    assert found("productNum", "!=", "A-1") == {b, c}
    assert found("productNum", "IL", ["A-1", "C-3", "none"]) == {a, c}
    assert found("productNum", "!IL", ["A-1", "C-3"]) == {b}
    assert found("name", "%", "ЕЛЕ") == {b}
    assert found("name", "!%", "еле") == {a, c}
    for value in (2, "2", "2.000"):
        assert found("weight", "=", value) == {b}
    assert (found("weight", ">", 1), found("weight", ">=", 2)) == ({b, c}, {b, c})
    assert (found("weight", "<", "2.5"), found("weight", "<=", 1)) == ({a, b}, {a})
    assert (found("parent", "IH", root), found("parent", "!IH", root)) == ({a, b}, {c})
    assert (found("parent", "ILH", [leaf]), found("parent", "!ILH", [leaf])) == ({a}, {b, c})
    assert (found("id", "IH", leaf), found("id", "IPL", [root])) == ({a}, {b})
    for link in (leaf, int(leaf), {"id": leaf}):
        assert found("parent", "=", link) == {a}
    assert set(wire.ids(GOODS, ("parent", "=", "0"))) == {root, c}
    assert wire.ids(GOODS, ("productNum", "%", "-"), ("weight", ">", 1), ("weight", "<", 3)) == [b]  # all of them
    for filters in (("weight", "~", 1), ("weight", ">", "x"), ("productNum", "IL", "A-1")):
        assert error(wire.rows(GOODS, f"id {filters[0]}", filters))


def test_a_filter_by_an_alias_that_is_not_among_the_fields(fake: FakeDilovod, wire: Wire) -> None:
    fake.add_good("Кава", "A-1")
    wanted = ("productNum", "=", "none")
    assert error(wire.rows(GOODS, {"id": "id", "productNum": "sku"}, wanted))
    fake.behave(unlisted_filter="ignored")
    assert len(wire.rows(GOODS, {"id": "id", "productNum": "sku"}, wanted)) == 1
    assert wire.rows(GOODS, {"id": "id", "productNum": "sku"}, ("sku", "=", "none")) == []


def test_letters_are_told_apart_by_case_or_not(fake: FakeDilovod, wire: Wire) -> None:
    fake.add_good("Кава", "КАВ-1")
    assert wire.ids(GOODS, ("productNum", "=", "кав-1")) == []
    fake.behave(text_match="folded")
    assert len(wire.ids(GOODS, ("productNum", "=", "кав-1"))) == 1
    assert len(wire.ids(GOODS, ("productNum", "IL", ["кав-1"]))) == 1


def test_lists_may_be_limited(fake: FakeDilovod, wire: Wire) -> None:
    articles = [f"A-{number}" for number in range(60)]
    assert wire.ids(GOODS, ("productNum", "IL", articles)) == []
    fake.behave(list_limit=50)
    assert error(wire.rows(GOODS, "id productNum", ("productNum", "IL", articles)))
    assert wire.ids(GOODS, ("productNum", "IL", articles[:50])) == []


def test_marked_objects_stay_in_the_rows(fake: FakeDilovod, wire: Wire) -> None:
    good, gone = fake.add_good("Кава"), fake.add_good("Чай")
    assert wire.mark(gone) == "ok"
    assert wire.rows(GOODS, "id delMark", ("delMark", "=", 1))[0]["delMark"] == "1"
    assert set(wire.ids(GOODS)) == {good, gone}
    assert wire.ids(GOODS, ("delMark", "=", "0")) == wire.ids(GOODS, ("delMark", "=", False)) == [good]
    fake.behave(json_false=False)
    assert wire.ids(GOODS, ("delMark", "=", False)) == []
    assert wire.ids(GOODS, ("delMark", "=", 0)) == [good]
    fake.behave(marked_listed=False)
    assert wire.ids(GOODS) == [good]
    assert wire("getObject", {"id": gone})["header"]["delMark"] == "1"


def test_dates_are_days_and_local_moments(fake: FakeDilovod, wire: Wire, clock: Clock) -> None:
    first = wire.made(ORDER)
    clock.pass_(days=1)
    second = wire.made(ORDER, date="2026-11-23")
    dates = [row["date"] for row in wire.rows(ORDER, "id date")]
    assert dates == ["2026-11-22 14:00:00", "2026-11-23 00:00:00"]
    assert wire.ids(ORDER, ("date", ">=", "2026-11-23")) == [second]
    assert wire.ids(ORDER, ("date", "<=", "2026-11-22 14:00:00")) == [first]
    assert wire.ids(ORDER, ("date", "=", "2026-11-23")) == [second]
    for wrong in ("2026-11-22T14:00:00", "22.11.2026", "2026-11-22 14:00:00+02:00", "2026-13-01", ""):
        assert error(wire.rows(ORDER, "date", ("date", ">", wrong)))
    assert wire.rows(ORDER, "supplyDate")[0] == {"supplyDate": ""}
    fake.behave(empty_date="0000-00-00 00:00:00")
    assert wire.rows(ORDER, "supplyDate")[0] == {"supplyDate": "0000-00-00 00:00:00"}
    assert wire("getObject", {"id": first})["header"]["supplyDate"] == "0000-00-00 00:00:00"


def test_the_hour_that_comes_twice_is_local_time_too(fake: FakeDilovod, wire: Wire, clock: Clock) -> None:
    clock.moment = clock.moment.replace(month=10, day=25, hour=0, minute=30)
    stamps = []
    for _ in range(3):
        stamps.append(fake.one(wire.made(ORDER))["date"])
        clock.pass_(hours=1)
    assert stamps == ["2026-10-25 03:30:00", "2026-10-25 03:30:00", "2026-10-25 04:30:00"]


# --- pages -----------------------------------------------------------------------------------------------------------


def test_pages_are_by_offset_and_count_inside_of_limit(fake: FakeDilovod, wire: Wire) -> None:
    goods = [fake.add_good(f"Товар {number}") for number in range(7)]
    assert wire.ids(GOODS, limit=3) == goods[:3]
    assert wire.ids(GOODS, limit={"offset": 3, "count": 3}) == goods[3:6]
    assert wire.ids(GOODS, limit={"offset": "6", "count": "3"}) == goods[6:]
    assert wire.ids(GOODS, limit={"offset": 9, "count": 3}) == []
    assert wire.ids(GOODS, limit=3, offset=3) == goods[:3]  # page one for ever
    assert wire.ids(GOODS) == goods
    for wrong in ("x", -1, [1]):
        assert error(wire.rows(GOODS, "id", limit=wrong))
    fake.behave(row_limit=5)
    assert wire.ids(GOODS) == wire.ids(GOODS, limit=100) == goods[:5]
    assert wire.ids(GOODS, limit={"offset": 5, "count": 100}) == goods[5:]


def test_the_order_of_rows_is_not_known(fake: FakeDilovod, wire: Wire) -> None:
    goods = [fake.add_good(f"Товар {number}") for number in range(9)]
    fake.behave(order="newest")
    assert wire.ids(GOODS) == goods[::-1]
    fake.behave(order="shuffled")
    found = wire.ids(GOODS)
    assert sorted(found) == goods != found
    pages = [wire.ids(GOODS, limit={"offset": offset, "count": 4}) for offset in (0, 4, 8)]
    assert [one for page in pages for one in page] == found  # pages of one order


def test_rows_of_table_parts_and_groups_of_them(fake: FakeDilovod, wire: Wire) -> None:
    a, b = fake.add_good("Кава", "A-1"), fake.add_good("Чай", "B-1")
    first = wire.made(ORDER, [{"good": a, "qty": 2, "amountCur": 10}, {"good": b, "qty": "1.5", "amountCur": 20}])
    wire.made(ORDER, [{"good": a, "qty": 1, "amountCur": "5.5"}])
    part = f"{ORDER}.tpGoods"
    rows = wire.rows(part, {"owner": "order", "owner.date": "d", "good.productNum": "sku", "qty": "qty", "rowNum": "n"},
                     ("order", "=", first))  # fmt: skip
    assert [(row["sku"], row["qty"], row["n"], row["d"]) for row in rows] == [
        ("A-1", "2.000", "1", "2026-11-22 14:00:00"),
        ("B-1", "1.500", "2", "2026-11-22 14:00:00"),
    ]
    assert rows[0]["order__pr"] == "22.11.2026 Замовлення 0000000001"
    for dimensions in (["good.productNum"], ["sku"]):
        grouped = wire.rows(part, {"good.productNum": "sku", "qty": "qty", "amountCur": "sum"}, dimensions=dimensions)
        assert grouped == [
            {"sku": "A-1", "qty": "3.000", "sum": "15.50"},
            {"sku": "B-1", "qty": "1.500", "sum": "20.00"},
        ]
    assert error(wire.rows(part, "qty", dimensions=["color"]))
    assert error(wire.rows(part, "qty", dimensions="good"))


# --- registers -------------------------------------------------------------------------------------------------------


def balance(wire: Wire, fields: str, *filters: Any, date: str = "2026-11-22 14:00:00", **more: Any) -> Any:
    return wire.rows({"type": "balance", "register": "goods", "date": date, **more}, fields, *filters)


def test_balances_by_storage_and_at_a_moment(fake: FakeDilovod, wire: Wire) -> None:
    other = fake.add_element("catalogs.storages", "Склад 2")
    a, b = fake.add_good("Кава", "A-1", stock=5, cost="10.10"), fake.add_good("Чай", "B-1")
    fake.receive(a, 3, storage=other, cost=20, date="2026-11-20 10:00:00")
    rows = wire.rows(
        {"type": "balance", "register": "goods", "date": "2026-11-22 14:00:00", "dimensions": ["good", "storage"]},
        {"good": "good", "good.productNum": "sku", "storage": "storage", "qty": "qty", "amount": "amount"},
        ("sku", "IL", ["A-1", "B-1"]),
    )
    assert [(row["storage"], row["qty"], row["amount"], row["good__pr"]) for row in rows] == [
        (STORAGE, "5.000", "50.50", "Кава"),
        (other, "3.000", "60.00", "Кава"),
    ]
    assert balance(wire, "good qty", dimensions=["good"])[0]["qty"] == "8.000"
    assert balance(wire, "qty") == [{"qty": "8.000"}]
    assert balance(wire, "good qty", ("good", "=", a), date="2026-11-19")[0]["qty"] == "5.000"
    assert balance(wire, "qty", date="2025-12-31") == []
    assert wire.rows({"type": "balance", "register": "goods"}, "qty") == [{"qty": "8.000"}]
    assert balance(wire, "good qty", ("good", "=", b)) == []  # never was there
    assert error(balance(wire, "storage qty", dimensions=["good"]))
    assert error(balance(wire, "qtyFinal"))
    assert error(balance(wire, "qty", date="2026-11-22T14:00:00Z"))


def test_dimensions_that_are_not_named(fake: FakeDilovod, wire: Wire) -> None:
    fake.add_good("Кава", stock=5)
    fake.add_good("Чай", stock=2)
    assert balance(wire, "storage qty") == [{"storage": STORAGE, "storage__pr": "Основний склад", "qty": "7.000"}]
    fake.behave(default_dimensions="all")
    assert [row["qty"] for row in balance(wire, "storage qty")] == ["5.000", "2.000"]


def test_a_balance_of_zero_has_no_row_or_one(fake: FakeDilovod, wire: Wire) -> None:
    good = fake.add_good("Кава", stock=2, cost=1)
    fake.document("documents.sale", [{"good": good, "qty": 2}], post=True, storage=STORAGE)
    assert balance(wire, "good qty") == []
    fake.behave(zero_rows=True)
    assert [(row["good"], row["qty"]) for row in balance(wire, "good qty")] == [(good, "0.000")]
    fake.add_good("Чай")
    assert len(balance(wire, "good qty")) == 1  # what never lay there has no row all the same


def test_turnovers(fake: FakeDilovod, wire: Wire) -> None:
    good = fake.add_good("Кава", stock=10, cost=1)
    for day, qty in (("2026-02-01", 3), ("2026-03-01", 2)):
        fake.document("documents.sale", [{"good": good, "qty": qty}], post=True, storage=STORAGE, date=day)
    fake.receive(good, 4, date="2026-03-05")
    period = {"register": "goods", "startDate": "2026-02-15", "endDate": "2026-03-31", "dimensions": ["good"]}
    names = {"good": "g", "qtyStart": "s", "qtyReceipt": "r", "qtyExpense": "e", "qtyFinal": "f"}
    row = wire.rows({"type": "balanceAndTurnover", **period}, names)[0]
    assert [row[name] for name in "sref"] == ["7.000", "4.000", "2.000", "9.000"]
    fields = {"good": "g", "qty": "q", "qtyReceipt": "r", "qtyReciept": "same", "qtyExpense": "e"}
    row = wire.rows({"type": "turnover", **period}, fields)[0]
    assert [row[name] for name in ("q", "r", "same", "e")] == ["2.000", "4.000", "4.000", "2.000"]
    assert error(wire.rows({"type": "turnover", **period}, {"qtyFinal": "f"}))
    moved = wire.rows(
        "balanceRegisters.goods", {"doc": "doc", "qty": "qty", "date": "date"}, ("date", ">", "2026-03-01")
    )
    assert [(row["qty"], row["date"]) for row in moved] == [("4.000", "2026-03-05 00:00:00")]


def test_prices_are_the_last_of_their_type_until_a_moment(fake: FakeDilovod, wire: Wire) -> None:
    good = fake.add_good("Кава", "A-1")
    fake.set_price(good, 450, date="2026-10-01 00:00:00")
    fake.set_price(good, "399.90", date="2026-11-20 00:00:00")
    fake.set_price(good, 500, date="2026-12-01 00:00:00")

    def price(date: str) -> list[str]:
        source = {"type": "sliceLast", "register": "goodsPrices", "date": date}
        rows = wire.rows(source, {"good.productNum": "sku", "priceType": "t", "price": "price", "currency": "c"},
                         ("t", "=", RETAIL), ("sku", "=", "A-1"))  # fmt: skip
        assert {(row["c"], row["c__pr"]) for row in rows} <= {(UAH, "Гривня")}
        return [row["price"] for row in rows]

    assert [price(day) for day in ("2026-09-30", "2026-11-19", "2026-11-22 14:00:00", "2026-12-01")] == [
        [],
        ["450.00000"],
        ["399.90000"],
        ["500.00000"],
    ]
    assert fake.price(good) == Decimal("399.9")
    fake.behave(future_prices=False)
    assert price("2026-11-22 14:00:00") == ["500.00000"]
    assert wire.rows({"type": "sliceLast", "register": "goodsPrices"}, "price") == [{"price": "500.00000"}]


def test_goods_have_a_price_of_their_own_or_not(fake: FakeDilovod, wire: Wire) -> None:
    fake.add_good("Кава", price="399.90")
    fake.add_good("Чай")
    assert error(wire.rows(GOODS, "price"))
    fake.behave(goods_price=True)
    assert wire.rows(GOODS, "price") == [{"price": "399.90"}, {"price": "0.00"}]


def test_barcodes_are_a_register_without_dates(fake: FakeDilovod, wire: Wire) -> None:
    good = fake.add_good("Кава")
    fake.add_barcode(good, "4820000000017")
    assert wire.save("informationRegisters.barCodes", object=good, code="4820000000024") == {"result": "ok", "id": 0}
    wire.save("informationRegisters.barCodes", object=good, code="4820000000017", activity=0)
    rows = wire.rows({"type": "sliceLast", "register": "barCodes"}, "object code activity")
    assert [(row["object"], row["code"], row["activity"]) for row in rows] == [
        (good, "4820000000017", "0"),
        (good, "4820000000024", "1"),
    ]
    assert "emptyRequiredReq" in error(wire.save("informationRegisters.barCodes", object=good))
