"""Goods, prices and balances are read as they hold, and cards of new goods are made once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from pipeline.api import Held, InDoubt, NewProduct, Refused
from plugins.systems.quincefin.fake import Quirks
from plugins.systems.quincefin.mapping import folders, prices, variant_name
from tests.systems.quincefin.account import Account, account

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def one() -> Iterator[Account]:
    with account() as opened:
        opened.settings |= {"price_types": {"retail": opened.ids["retail"]}}
        yield opened


# --- offers and stock ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("quirks", [{}, {"arrays": "first", "selectors": "narrow", "references": "objects"}])
def test_every_kind_of_goods_is_told_with_the_price_that_holds(quirks: dict[str, Any]) -> None:
    with account(Quirks(**quirks)) as one:
        seeds = one.fake.seed()
        types = {"retail": seeds["retail"], "wholesale": seeds["dollars"]}
        system = one.open(price_types=types)
        offers = {offer.keys.get("sku", offer.id): offer for offer in system.offers()}
        assert {"COF-1", "COF-2", "TS-M", "SET", "PIE"} <= set(offers)
        assert "COF-0" not in offers, "archived"
        coffee = offers["COF-1"]
        assert coffee.values["price"] == 460, "the newest that holds"
        assert "price.wholesale" not in coffee.values, "a price in another currency cannot be compared"
        assert (coffee.values["currency"], coffee.values["category"], coffee.kind) == ("UAH", ("Кава",), "single")
        assert offers["COF-2"].values["price"] is None
        assert (offers["TS-M"].kind, offers["TS-M"].product) == ("variant", str(seeds["base"]))
        assert offers[str(seeds["base"])].kind == "base"
        order = [offer.id for offer in system.offers()]
        assert order.index(str(seeds["base"])) < order.index(str(seeds["variant"]))
        assert system.offer_traits().reads >= {"price", "price.wholesale", "currency", "name", "category"}
        assert system.offer_traits().writes == frozenset()


def test_prices_of_one_day_and_of_the_future() -> None:
    def row(key: int, date: Any, price: Any, product: Any = 5, kind: Any = 7) -> dict[str, Any]:
        return {"Id": key, "Date": date, "Product": product, "PriceType": kind, "Price": price, "Currency": "uah "}

    rows = [
        row(1, "2026-01-01T00:00:00Z", Decimal("10.50")),
        row(2, "2026-11-22T00:00:00Z", "11.00"),
        row(3, "2026-11-22T00:00:00Z", 12),
        row(4, "2026-11-23T00:00:00Z", 99),
        row(5, None, 98),
        row(6, "2026-11-22T00:00:00Z", None),
        row(7, "не дата", 97),
        row(8, "2026-11-22T00:00:00Z", "дорого"),
        row(9, "2026-11-22T00:00:00Z", True),
        row(10, "2026-11-22T00:00:00Z", 1, product={"Id": 6, "Name": "Чай"}, kind="7"),
        row(11, "2026-11-22T00:00:00Z", 1, product=None),
    ]
    found = prices(rows, NOW, "UTC")
    assert {key: (tag.amount, tag.currency) for key, tag in found.items()} == {
        (5, 7): (Decimal(12), "UAH"),
        (6, 7): (Decimal(1), "UAH"),
    }


def test_folders_that_stand_in_one_another_have_an_end() -> None:
    rows: list[dict[str, Any]] = [
        {"Id": 1, "Name": "Корінь", "ParentFolder": None},
        {"Id": 2, "Name": "Гілка", "ParentFolder": {"Id": 1, "Name": "Корінь"}},
        {"Id": 3, "Name": None, "ParentFolder": 2},
        {"Id": 4, "Name": "А", "ParentFolder": 5},
        {"Id": 5, "Name": "Б", "ParentFolder": 4},
        {"Id": 6, "Name": "В", "ParentFolder": 999},
    ]
    assert folders(rows) == {
        1: ("Корінь",), 2: ("Корінь", "Гілка"), 3: ("Корінь", "Гілка", "3"),
        4: ("Б", "А"), 5: ("А", "Б"), 6: ("В",),
    }  # fmt: skip


def test_levels_are_told_by_warehouse(one: Account) -> None:
    second = one.fake.put("stores", Name="Другий")
    debt = one.fake.add_product("Борг", "DEBT", stock={second: -3, one.ids["main"]: "1.5"})
    found = {(level.code, level.warehouse): level.on_hand for level in one.open(
        warehouses={"main": one.ids["main"], "second": second}).levels()}  # fmt: skip
    assert found["COF-1", "main"] == 1000
    assert found["COF-1", "second"] == 0
    assert (found["DEBT", "second"], found["DEBT", "main"]) == (Decimal(-3), Decimal("1.5")), "a debt is told as it is"
    assert {level.offer for level in one.open().levels() if level.code == "DEBT"} == {str(debt)}


@pytest.mark.parametrize("quirks", [{"balance_field": ""}, {"balance_field": "Rests"}, {"selectors": "narrow"}])
def test_balances_that_are_not_told_are_never_taken_for_nothing(quirks: dict[str, Any]) -> None:
    with account(Quirks(**quirks)) as one:
        with pytest.raises(Refused, match="does not tell what lies"):
            list(one.open().levels())
        if quirks.get("balance_field"):
            levels = one.open(fields={"balances": "Rests"}).levels()
            assert next(iter(levels)).on_hand == 1000


def test_warehouses_must_be_named(one: Account) -> None:
    with pytest.raises(Refused, match="does not tell its warehouses"):
        list(one.open(warehouses={}, warehouse=None).levels())


# --- finding ---------------------------------------------------------------------------------------------------------


def test_goods_are_found_by_article_and_else_by_its_normal_form(one: Account) -> None:
    twin = one.fake.add_product("Товар COF-1", "COF-1")
    service = one.fake.put("service", Name="Монтаж", Article="ПОСЛ", ParentFolder=None)
    found = one.open().find_products(["COF-1", "tea‑1", "ПОСЛ", "", "нема"])
    assert [ref.id for ref in found["COF-1"]] == [str(one.ids["COF-1"]), str(twin)], "the older first"
    assert [ref.id for ref in found["tea‑1"]] == [str(one.ids["TEA-1"])]
    assert [ref.id for ref in found["ПОСЛ"]] == [str(service)]
    assert set(found) == {"COF-1", "tea‑1", "ПОСЛ"}
    assert [ref.id for ref in one.open().find_by_name(["товар  cof-1"])["товар  cof-1"]] == [
        str(one.ids["COF-1"]), str(twin),
    ]  # fmt: skip


# --- new cards -------------------------------------------------------------------------------------------------------


def test_a_card_has_no_price_size_or_stock(one: Account) -> None:
    folder = one.fake.put("product/folder", Name="Нові", ParentFolder=None)
    system = one.open(product_folder=folder)
    (outcome,) = system.add_products([NewProduct(code="N-1", name="  Щітка\u00a05 см ", unit="шт", barcode="482")])
    assert one.sent("product/add") == {
        "Name": "Щітка 5 см", "Kind": "P", "Article": "N-1", "Unit": "шт", "Barcode": "482", "ParentFolder": folder,
    }  # fmt: skip
    assert outcome.ids == (str(one.fake.rows("product", Article="N-1")[0]["Id"]),)


def test_a_service_stands_among_services(one: Account) -> None:
    folder = one.fake.put("service/folder", Name="Послуги", ParentFolder=None)
    (outcome,) = one.open(service_folder=folder).add_products([NewProduct(code="S-1", name="Монтаж", service=True)])
    assert outcome.error is None
    (row,) = one.fake.rows("service", Article="S-1")
    assert (row["ParentFolder"], row.get("Kind")) == (folder, None)
    assert one.fake.rows("product", Article="S-1") == []


def test_goods_with_variants_are_skus_below_a_base(one: Account) -> None:
    base = one.fake.add_product("Футболка", "", kind="B")  # a person made it, without an article
    wanted = [
        NewProduct(code=f"TS-{size}", name="Футболка", base="TS", base_name="футболка", options={"Розмір": size})
        for size in ("S", "M")
    ]
    outcomes = one.open().add_products(wanted)
    assert [outcome.ids[0] for outcome in outcomes] == [str(base)] * 2
    rows = one.fake.rows("product", Base=base)
    assert [(row["Kind"], row["Name"], row["Article"]) for row in rows] == [
        ("U", "Футболка, S", "TS-S"), ("U", "Футболка, M", "TS-M"),
    ]  # fmt: skip
    assert variant_name(NewProduct(code="X", name="", base="B", base_name="")) == "X"


def test_plain_goods_do_not_become_a_base(one: Account) -> None:
    (outcome,) = one.open().add_products([NewProduct(code="COF-1-A", name="А", base="COF-1", base_name="Кава")])
    assert isinstance(outcome.error, Held)
    assert "plain goods" in str(outcome.error)
    assert one.asked("product/add") == []


@pytest.mark.parametrize("archive", ["also", "only"])
def test_what_is_archived_is_not_made_again(archive: Any) -> None:
    with account(Quirks(archive=archive)) as one:
        one.fake.add_product("Стара", "OLD", Archive=True)
        one.fake.put("service", Name="Стара послуга", Article="OLD-S", Archive=True, ParentFolder=None)
        system = one.open()
        assert system.find_products(["OLD"]) == {}
        for code in ("OLD", "OLD-S"):
            (outcome,) = system.add_products([NewProduct(code=code, name="Стара")])
            assert isinstance(outcome.error, Held)
            assert outcome.error.code == "quincefin-archived"


def test_f03_a_lost_answer_of_a_new_card_is_looked_up(one: Account) -> None:
    one.fake.lose_reply(path="/api/v2/product/add")
    (outcome,) = one.open().add_products([NewProduct(code="N-1", name="Нове")])
    assert outcome.error is None
    assert len(one.fake.rows("product", Article="N-1")) == 1
    one.fake.drop(path="/api/v2/product/add")
    (outcome,) = one.open().add_products([NewProduct(code="N-2", name="Нове")])
    assert isinstance(outcome.error, InDoubt)


def test_an_article_in_another_field_is_noticed(one: Account) -> None:
    one.fake.behave(article_field="Code")
    (outcome,) = one.open().add_products([NewProduct(code="N-1", name="Нове")])
    # the fake keeps the unknown field, and shows it: only one that drops it tells the mistake
    assert outcome.error is None
    one.fake.behave(unknown_fields="dropped")
    (outcome,) = one.open().add_products([NewProduct(code="N-2", name="Нове")])
    assert isinstance(outcome.error, Held)
    assert outcome.error.code == "quincefin-kept"
    assert one.open(fields={"article": "Code"}).add_products([NewProduct(code="N-3", name="Нове")])[0].error is None


def test_what_strikes_one_card_spares_the_others(one: Account) -> None:
    one.fake.fail(500, path="/api/v2/product/list", when=lambda asked: "Id" in str(asked.json()), times=4)
    one.fake.fail(400, {"success": False, "error": "Ні"}, path="/api/v2/service/add")
    outcomes = one.open().add_products(
        [
            NewProduct(code="N-1", name="А"),
            NewProduct(code="S-1", name="Б", service=True),
            NewProduct(code="N-2", name="В"),
        ]
    )
    assert [type(outcome.error) for outcome in outcomes] == [InDoubt, Held, type(None)]
    assert one.open().add_products([NewProduct(code="N-1", name="А")])[0].existed


def test_offers_tell_a_price_from_tomorrow_tomorrow(one: Account) -> None:
    one.fake.add_price(one.ids["COF-1"], one.ids["retail"], 10, NOW - timedelta(days=1))
    one.fake.add_price(one.ids["COF-1"], one.ids["retail"], 20, NOW + timedelta(hours=12))
    system = one.open()
    assert next(offer for offer in system.offers() if offer.keys["sku"] == "COF-1").values["price"] == 10
    one.clock.pass_(days=1)
    assert next(offer for offer in system.offers() if offer.keys["sku"] == "COF-1").values["price"] == 20
