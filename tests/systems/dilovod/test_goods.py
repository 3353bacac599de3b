"""Goods, prices and stock as Dilovod tells them: what is none, what may not be read, and what nobody knows."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from pipeline.api import ConfigError, Offer, Refused, StockLevel, Transient, sellable
from plugins.systems.dilovod import mapping
from plugins.systems.dilovod._fake_posting import SERVICE_POLICY
from plugins.systems.dilovod._fake_schema import GOODS, ORDER
from plugins.systems.dilovod._fake_seeds import FIRM, PIECE, RETAIL, STORAGE, UAH
from plugins.systems.dilovod.fake import Quirks, action
from plugins.systems.dilovod.mapping import Good
from plugins.systems.dilovod.values import link, moment, name_in, named, number, plain, text
from tests.systems.dilovod.base import Base, base


@pytest.fixture
def one() -> Iterator[Base]:
    with base() as opened:
        yield opened


def told(one: Base, **settings: Any) -> dict[str, Offer]:
    return {offer.keys.get("sku", offer.id): offer for offer in one.open(**settings).offers()}


def levels(one: Base, **settings: Any) -> dict[tuple[str, str], StockLevel]:
    return {(level.code, level.warehouse): level for level in one.open(**settings).levels()}


# --- goods -----------------------------------------------------------------------------------------------------------


def test_a_shop_is_told_good_by_good(one: Base) -> None:
    one.fake.seed()
    offers = told(one)
    assert set(offers) == {"COF-1", "COF-2", "TEA-1", "SET-1", "DELIVERY"}
    coffee = offers["COF-1"]
    assert coffee.kind == "single"
    assert coffee.product == coffee.id
    assert coffee.values == {
        "name": "Кава зернова 1 кг",
        "description": "",
        "price": Decimal("460.00"),
        "price.cost": Decimal("300.00"),
        "currency": "UAH",
        "category": ("Напої", "Кава"),
        "unit": "шт",
        "barcode": "4820000000017",
        "manufacturer": "",
    }
    assert offers["COF-2"].values["price"] == Decimal("135.50")
    assert "price.cost" not in offers["TEA-1"].values, "nothing lies there, so that nothing is known of its cost"
    assert len(list(one.open().offers())) == 6, "two with one article are two"


def test_weights_are_never_told_unless_somebody_says_what_they_are_in(one: Base) -> None:
    one.fake.add_good("Кава", "COF-1", weight="1.05")
    assert "weight" not in told(one)["COF-1"].values
    assert "weight" not in one.open().offer_traits().reads
    assert told(one, weight="kg")["COF-1"].values["weight"] == Decimal("1.05")
    assert told(one, weight="g")["COF-1"].values["weight"] == Decimal("0.00105")


def test_what_is_to_be_deleted_is_not_told(one: Base) -> None:
    good = one.fake.add_good("Кава", "COF-1")
    one.fake.mark(good)
    assert told(one) == {}
    assert one.open().find_products(["COF-1"]) == {}


@pytest.mark.parametrize("parents", [["Напої"], ["Напої", "Кава"], []])
def test_categories_are_the_folders_above(one: Base, parents: list[str]) -> None:
    parent = "0"
    for title in parents:
        parent = one.fake.add_folder(title, parent)
    one.fake.add_good("Кава", "COF-1", parent=parent)
    assert told(one)["COF-1"].values["category"] == tuple(parents)


def test_a_folder_within_itself_ends(one: Base) -> None:
    outer = one.fake.add_folder("Зовнішня")
    inner = one.fake.add_folder("Внутрішня", outer)
    one.fake.edit(outer, parent=inner)
    one.fake.add_good("Кава", "COF-1", parent=inner)
    assert told(one)["COF-1"].values["category"] == ("Зовнішня", "Внутрішня")


def test_a_price_of_zero_is_none_and_a_finer_one_is_rounded(one: Base) -> None:
    one.fake.add_good("Дар", "ZERO", price=0)
    one.fake.add_good("Дріб", "FINE", price="9.98765")
    one.fake.add_good("Без ціни", "NONE")
    prices = {code: offer.values["price"] for code, offer in told(one).items()}
    assert prices == {"ZERO": None, "FINE": Decimal("9.99"), "NONE": None}


def test_the_price_that_counts_is_the_last_one_of_its_type(one: Base) -> None:
    good = one.fake.add_good("Кава", "COF-1")
    one.fake.set_price(good, 400, date="2026-11-01 09:00:00")
    one.fake.set_price(good, 450, date="2026-11-20 09:00:00")
    one.fake.set_price(good, 999, date="2026-12-24 09:00:00")
    wholesale = one.fake.add_element("catalogs.priceTypes", "Оптова")
    one.fake.set_price(good, 380, kind=wholesale)
    values = told(one, prices={"wholesale": "Оптова"})["COF-1"].values
    assert (values["price"], values["price.wholesale"]) == (Decimal("450.00"), Decimal("380.00"))
    assert told(one, retail="Оптова")["COF-1"].values["price"] == Decimal("380.00")


def test_a_price_in_another_currency_is_not_told_beside_the_retail_one(one: Base) -> None:
    good = one.fake.add_good("Кава", "COF-1", price=450, stock=2, cost=10)
    dollars = one.fake.add_element("catalogs.priceTypes", "Долари")
    one.fake.set_price(good, 11, kind=dollars, currency="1101200000001002")
    values = told(one, prices={"export": "Долари"})["COF-1"].values
    assert values["currency"] == "UAH"
    assert "price.export" not in values
    values = told(one, retail="Долари")["COF-1"].values
    assert (values["currency"], values["price"]) == ("USD", Decimal("11.00"))
    assert "price.cost" not in values, "the balance is in the base's own currency"


def test_cost_is_the_mean_of_what_lies_there(one: Base) -> None:
    good = one.fake.add_good("Кава", "COF-1", stock=10, cost=300)
    one.fake.receive(good, 5, cost="330.30", storage=one.second)
    one.fake.add_good("Подарунок", "GIFT", stock=3, cost=0)
    offers = told(one)
    assert offers["COF-1"].values["price.cost"] == Decimal("310.10")
    assert "price.cost" not in offers["GIFT"].values
    assert "price.cost" not in one.open(cost=None).offer_traits().reads


def test_a_price_type_that_is_not_there_is_told_with_those_that_are(one: Base) -> None:
    with pytest.raises(ConfigError) as caught:
        one.open(retail="Акційна").offers()
    assert "Роздрібна" in str(caught.value.hint)
    one.fake.add_element("catalogs.priceTypes", "Роздрібна")
    with pytest.raises(ConfigError):
        one.open(retail="Роздрібна").offers()
    assert list(one.open(retail=RETAIL).offers()) == [], "two of one name are told apart by id"


def test_barcodes_that_are_switched_off_or_of_a_batch_are_left_out(one: Base) -> None:
    good = one.fake.add_good("Кава", "COF-1")
    part = one.fake.add_element("catalogs.goodParts", "Партія 1", owner=good)
    record = {"id": "informationRegisters.barCodes", "object": good}
    for code, more in (("4820000000017", {"activity": 0}), ("4820000000031", {}), ("4820000000024", {}),
                       ("1000000000000", {"goodPart": part})):  # fmt: skip
        one.fake.saves.save({"header": {**record, "code": code, **more}}, None)
    assert told(one)["COF-1"].values["barcode"] == "4820000000024"


def test_the_language_of_names_is_chosen(one: Base) -> None:
    one.fake.add_good("Кава", "COF-1", name={"uk": "Кава", "ru": "Кофе"})
    one.fake.add_good("Чай", "TEA-1", name={"uk": "Чай", "ru": ""})
    assert [offer.values["name"] for offer in one.open(language="ru").offers()] == ["Кофе", "Чай"]


# --- rights ----------------------------------------------------------------------------------------------------------


def test_what_the_role_may_not_read_is_not_told_and_noticed(one: Base) -> None:
    one.fake.add_good("Кава", "COF-1", price=450)
    rights = {"*": "read", "catalogs.units": "", "informationRegisters.barCodes": ""}
    one.fake.add_key("narrow", rights)
    session = one.open(key="narrow")
    (offer,) = session.offers()
    assert offer.values["price"] == Decimal("450.00")
    assert not {"unit", "barcode"} & set(offer.values)
    assert {finding.code for finding in session.noticed()} == {"dilovod-rights"}
    assert session.noticed() == ()


@pytest.mark.parametrize("name", [GOODS, "informationRegisters.goodsPrices", "balanceRegisters.goods"])
def test_a_right_without_which_nothing_can_be_told_is_a_refusal(one: Base, name: str) -> None:
    one.fake.add_key("narrow", {"*": "read", name: ""})
    with pytest.raises(Refused, match=name):
        list(one.open(key="narrow").offers())


def test_reserves_that_may_not_be_read_are_no_reserves_of_zero(one: Base) -> None:
    one.fake.add_good("Кава", "COF-1", stock=5)
    one.fake.add_key("narrow", {"*": "read", "accumulationRegisters.saleOrderControl": ""})
    with pytest.raises(Refused, match="saleOrderControl"):
        list(one.open(key="narrow").levels())
    assert {level.on_hand for level in one.open(key="narrow", reserves=False).levels()} == {Decimal(5), Decimal(0)}


# --- stock -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zero_rows", [True, False])
def test_a_good_without_a_row_lies_nowhere(zero_rows: bool) -> None:
    with base(Quirks(zero_rows=zero_rows)) as one:
        good = one.fake.add_good("Кава", "COF-1", stock=5)
        one.fake.add_good("Чай", "TEA-1")
        one.fake.document("documents.goodWriteOff", [{"good": good, "qty": 5, "baseQty": 5}], post=True,
                          storage=STORAGE, docMode="1004000000000343")  # fmt: skip
        found = levels(one)
        assert {place: level.on_hand for place, level in found.items()} == {
            (code, storage): Decimal(0) for code in ("COF-1", "TEA-1") for storage in ("Основний склад", "Магазин")
        }


def test_only_storages_of_the_settings_are_told(one: Base) -> None:
    good = one.fake.add_good("Кава", "COF-1", stock=5)
    one.fake.receive(good, 2, storage=one.second)
    found = levels(one, warehouses={"main": STORAGE})
    assert {place: level.on_hand for place, level in found.items()} == {("COF-1", "main"): Decimal(5)}
    session = one.open(warehouses={"b": "магазин", "a": STORAGE})
    assert [(ref.code, ref.name) for ref in session.warehouses()] == [("a", "Основний склад"), ("b", "Магазин")]
    with pytest.raises(ConfigError, match="Підвал"):
        one.open(warehouses={"main": "Підвал"}).warehouses()


def test_storages_of_one_name_are_told_by_id(one: Base) -> None:
    twin = one.fake.add_element("catalogs.storages", "Магазин")
    assert [ref.code for ref in one.open().warehouses()] == sorted([one.second, twin, "Основний склад"])


@pytest.mark.parametrize("reserves", [True, False])
def test_what_orders_reserve_is_told_apart(reserves: bool) -> None:
    with base(Quirks(posting_reserves=True)) as one:
        good = one.fake.add_good("Кава", "COF-1", stock=5)
        line = {"good": good, "qty": 2, "baseQty": 2}
        one.fake.document(ORDER, [line], post=True, storage=STORAGE, firm=FIRM, currency=UAH)
        level = levels(one, reserves=reserves)["COF-1", "Основний склад"]
        assert (level.on_hand, level.reserved) == (Decimal(5), Decimal(2 if reserves else 0))


@pytest.mark.parametrize("kits", ["components", "own"])
def test_a_kit_has_as_many_as_its_components_make(one: Base, kits: Any) -> None:
    beans = one.fake.add_good("Кава", "COF-1", stock=7)
    cup = one.fake.add_good("Чашка", "CUP-1", stock=3)
    one.fake.receive(beans, 100, storage=one.second)
    one.fake.add_good("Набір", "SET-1", kit=[(beans, 2), (cup, 1)])
    found = levels(one, kits=kits)
    own = kits == "own"
    assert sellable([(found["SET-1", "Основний склад"].on_hand, Decimal(0))]) == (0 if own else 3)
    assert found["SET-1", "Магазин"].on_hand == 0, "a set is not made of parts of several storages"


def test_services_are_not_counted_where_the_settings_name_their_policy(one: Base) -> None:
    one.fake.add_good("Доставка", "DELIVERY", service=True)
    assert {level.counted for level in one.open().levels()} == {True}
    assert {level.counted for level in one.open(goods={"services": "Послуги"}).levels()} == {False}
    assert {level.counted for level in one.open(goods={"services": SERVICE_POLICY}).levels()} == {False}


# --- looking up ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text_match", ["exact", "folded"])
def test_products_are_found_by_article_then_by_its_normal_form(text_match: Any) -> None:
    with base(Quirks(text_match=text_match)) as one:
        exact = one.fake.add_good("Кава", "COF-1")
        cyrillic = one.fake.add_good("Чай", "ТЕА 1")
        twins = [one.fake.add_good("Цукор", "SUG-1"), one.fake.add_good("Цукор 2", "SUG-1")]
        found = one.open().find_products(["COF-1", "cof-1", "TEA1", "SUG-1", "NONE", ""])
        assert {code: [ref.id for ref in refs] for code, refs in found.items()} == {
            "COF-1": [exact], "cof-1": [exact], "TEA1": [cyrillic], "SUG-1": twins,
        }  # fmt: skip


def test_products_are_found_by_name_blanks_and_case_aside(one: Base) -> None:
    first = one.fake.add_good("Кава  зернова", "COF-1")
    second = one.fake.add_good("КАВА ЗЕРНОВА", "COF-2")
    found = one.open().find_by_name(["кава зернова", "Кава"])
    assert {name: [ref.id for ref in refs] for name, refs in found.items()} == {"кава зернова": [first, second]}


# --- bad values ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, "", "x", "1,5", "NaN", "1e5", True, [], {}, "9" * 30, "١٢"])
def test_what_is_no_number_is_none(value: Any) -> None:
    assert number(value) is None


@pytest.mark.parametrize(
    ("value", "wanted"),
    [("1100300000001001", "1100300000001001"), (1100300000001001, "1100300000001001"),
     ({"id": "1100300000001001", "pr": "x"}, "1100300000001001"), ("0", ""), (0, ""), ("", ""), (None, ""), ([], ""),
     ("0000000000000000", ""), ("x", ""), ({"id": None}, "")],
)  # fmt: skip
def test_links_come_in_three_shapes(value: Any, wanted: str) -> None:
    assert link(value) == wanted


def test_names_and_times_and_words() -> None:
    assert named({"uk": "", "ru": "Кофе"}) == "Кофе"
    assert named(None) == ""
    assert name_in({"name__uk": None, "name__ru": "Кофе"}, "name", "uk") == "Кофе"
    assert name_in({"name": "Кава"}, "name", "uk") == "Кава"
    assert text("[access restricted]") == ""
    assert moment("2026-11-22 14:00:00") is not None
    assert str(moment("2026-07-01")) == "2026-07-01 00:00:00+03:00"
    assert [moment(value) for value in (None, "", "0000-00-00 00:00:00", "2026-13-01", 17)] == [None] * 5
    assert plain("<b>Ціна</b><script>x()</script> &lt; 5&nbsp;грн") == "Ціна < 5 грн"


def test_a_row_with_nulls_is_a_good_without_values(one: Base) -> None:
    columns = ["id", "code", "sku", "name__uk", "parent", "isGroup", "delMark", "unit", "policy", "tradeMark"]
    rows = [["1100300000001001", *[None] * 9], ["1100300000001002", *[{}] * 9], [None, *["x"] * 9]]
    session = one.open()
    session.client.attributes(GOODS)
    one.fake.fail(200, {"columns": columns, "data": rows}, when=action("request", GOODS))
    with pytest.raises(Transient, match="cannot be read"):
        list(session.offers())
    one.fake.fail(200, {"columns": columns, "data": rows[:2]}, when=action("request", GOODS))
    offers = list(one.open().offers())
    assert [(offer.keys, offer.values["name"], offer.values["price"]) for offer in offers] == [({}, "", None)] * 2


def test_prices_costs_and_levels_of_broken_rows() -> None:
    types, currencies = {"retail": "13"}, {"12": "UAH"}
    rows: list[dict[str, Any]] = [{}, {"good": None}, {"good": "3", "priceType": "13", "price": "x", "currency": "99"},
            {"good": "4", "priceType": "14", "price": "5"}]  # fmt: skip
    assert mapping.prices(rows, types, currencies)["retail"]["3"].amount is None
    assert "4" not in mapping.prices(rows, types, currencies)["retail"]
    assert mapping.costs([{"good": "3", "qty": "-2", "amount": "10"}, {"qty": "1"}, {"good": "4", "qty": None}]) == {}
    assert mapping.summed([{"good": "3", "storage": None, "qty": "2"}, {"qty": "9"}], "qty") == {("3", ""): Decimal(2)}
    assert mapping.components([{"owner": "5", "good": "3", "qty": "0"}, {"owner": "5"}]) == {}
    assert Good.of({"id": "0"}, "uk") is None


def test_the_unit_of_a_good_that_has_none_is_empty(one: Base) -> None:
    one.fake.add_good("Кава", "COF-1", mainUnit=0)
    one.fake.add_good("Чай", "TEA-1", mainUnit=PIECE)
    assert {code: offer.values["unit"] for code, offer in told(one).items()} == {"COF-1": "", "TEA-1": "шт"}
