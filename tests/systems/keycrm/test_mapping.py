"""Goods of KeyCRM in our words and back: what is told, what is not known, and that nothing hostile breaks it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.api import Finding, Held, Money, Offer, SpecialPrice
from pipeline.http import dumps
from pipeline.testing.sync_subject import faults_of
from plugins.systems.keycrm import hooks, values
from plugins.systems.keycrm.mapping import (
    SIZES,
    Balance,
    Goods,
    Place,
    Tree,
    Units,
    Warehouses,
    balance,
    levels,
    offer_body,
    product_body,
    traits,
    variant_body,
    with_reserve,
)
from plugins.systems.keycrm.settings import KeyCrmSettings, SpecialFields
from plugins.systems.keycrm.specials import Specials, price

KYIV = ZoneInfo("Europe/Kyiv")
FIELDS = SpecialFields(price="CT_1", start="CT_2", end="CT_3")

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(
        ["", " ", "0", "-1", "1e9", "1 234,50", "1\u00a0234.5", "\x00", "null", "2026-02-30", "٣", "9" * 40]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = (
    *("id", "product_id", "name", "description", "sku", "barcode", "price", "purchased_price", "unit_type"),
    *("currency_code", "category_id", "attachments_data", "thumbnail_url", "has_offers", "is_archived", "updated_at"),
    *("properties", "custom_fields", "quantity", "reserve", "warehouse", "uuid", "value", *SIZES),
)
hostile = st.dictionaries(st.sampled_from(NAMES), anything)


def moments(first: int, last: int) -> st.SearchStrategy[datetime]:
    """Moments in Kyiv between two years. (Hypothesis wants the ends naive.)"""
    ends = [datetime(year, 1, 1, tzinfo=UTC).replace(tzinfo=None) for year in (first, last)]
    return st.datetimes(*ends, timezones=st.just(KYIV))


def settings(**more: Any) -> KeyCrmSettings:
    return KeyCrmSettings(**{"key": "key", **more})


def goods(tree: Tree | None = None, *, special: bool = True, **more: Any) -> Goods:
    return Goods.of(settings(**more), tree or Tree(), Specials(FIELDS, KYIV, "UAH") if special else None)


def told(product: Mapping[str, Any], *own: Mapping[str, Any], **more: Any) -> list[Offer]:
    return list(goods(**more).offers({"id": 7, **product}, own))


# --- single values ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (0, Decimal(0)),
        (Decimal("450.5"), Decimal("450.5")),
        ("90247.69", Decimal("90247.69")),
        (" 12 ", Decimal(12)),
        (None, None),
        ("", None),
        (True, None),
        ("1 234,50", None),
        ("1,5", None),
        ("1e3", None),
        ("NaN", None),
        (Decimal("Infinity"), None),
        (10**30, None),
        ([], None),
        ({}, None),
        ("٣", None),
    ],
)
def test_f46_a_number_is_read_strictly_and_null_is_not_0(said: object, meant: Decimal | None) -> None:
    found = values.number(said)
    assert found == meant
    assert type(found) is type(meant)


@pytest.mark.parametrize("said", ["2026-01-29T18:53:35.000000Z", "2026-01-29 18:53:35", "2026-01-29T20:53:35+02:00"])
def test_both_shapes_of_a_moment_are_utc(said: str) -> None:
    assert values.moment(said) == datetime(2026, 1, 29, 18, 53, 35, tzinfo=UTC)
    assert values.stamp(datetime(2026, 1, 29, 20, 53, 35, tzinfo=KYIV)) == "2026-01-29 18:53:35"


@given(anything)
def test_no_value_breaks_a_reader(said: Any) -> None:
    assert values.number(said) is None or values.number(said).is_finite()  # type: ignore[union-attr]
    assert isinstance(values.text(said), str)
    assert values.ident(said) is None or values.ident(said) > 0  # type: ignore[operator]
    assert values.moment(said) is None or values.moment(said).tzinfo is UTC  # type: ignore[union-attr]
    assert all(isinstance(row, Mapping) for row in values.rows(said))


@given(moments(1970, 2200))
def test_a_moment_that_was_written_is_read_back(at: datetime) -> None:
    assert values.moment(values.stamp(at)) == at.astimezone(UTC).replace(microsecond=0)


# --- units -----------------------------------------------------------------------------------------------------------


@given(
    st.decimals(min_value=0, max_value=10**6, places=4),
    st.sampled_from(["kg", "g"]),
    st.sampled_from(["mm", "cm", "m"]),
    st.sampled_from(SIZES),
)
def test_a_size_goes_there_and_back_exactly(value: Decimal, weight: str, length: str, name: str) -> None:
    units = Units.of(settings(weight_unit=weight, size_unit=length))
    written = units.write(name, value)
    assert "E" not in str(written)
    assert units.read(name, written) == value
    assert units.read(name, json.loads(dumps(written), parse_float=Decimal)) == value


def test_grams_and_millimetres_are_not_kilograms_and_centimetres() -> None:
    # weights and sizes of a whole assortment were blown up once, where this was overlooked
    units = Units.of(settings(weight_unit="g", size_unit="mm"))
    body = offer_body({"weight": Decimal("1.35"), "length": Decimal("10.5"), "width": None}, units)
    assert body == {"weight": Decimal(1350), "length": Decimal(105), "width": None}
    assert [units.read("weight", 1350), units.read("length", "105"), units.read("width", None)] == [
        Decimal("1.35"),
        Decimal("10.5"),
        None,
    ]


# --- products --------------------------------------------------------------------------------------------------------

SINGLE = {
    "name": "Кава зернова 1 кг",
    "description": "<p>Арабіка</p>",
    "attachments_data": ["https://shop.test/1.jpg", "https://shop.test/2.jpg", "https://shop.test/1.jpg", None, ""],
    "unit_type": None,
    "currency_code": "UAH",
    "has_offers": False,
    "is_archived": False,
    "category_id": 3,
    "weight": Decimal("1.02"),
    "updated_at": "2026-01-29T18:53:35.000000Z",
}
OWN = {
    "id": 22,
    "product_id": 7,
    "sku": "COF-1",
    "barcode": None,
    "price": Decimal("450.5"),
    "purchased_price": "300.00",
    "weight": None,
    "length": 25,
    "updated_at": "2026-01-30 10:00:00",
}


def test_a_product_without_variants_is_its_offer() -> None:
    tree = Tree.of([{"id": 3, "name": "Зернова", "parent_id": 1}, {"id": 1, "name": "Кава", "parent_id": None}])
    (offer,) = told(SINGLE, OWN, tree=tree)
    assert (offer.id, offer.product, offer.kind, offer.keys) == ("22", "22", "single", {"sku": "COF-1"})
    assert offer.updated_at == datetime(2026, 1, 30, 10, tzinfo=UTC)
    assert offer.values == {
        "name": "Кава зернова 1 кг",
        "description": "<p>Арабіка</p>",
        "images": ("https://shop.test/1.jpg", "https://shop.test/2.jpg"),
        "unit": "шт",
        "currency": "UAH",
        "published": True,
        "category": ("Кава", "Зернова"),
        "price": Decimal("450.5"),
        "price.cost": Decimal("300.00"),
        "barcode": "",
        "weight": Decimal("1.02"),
        "length": Decimal(25),
        "width": None,
        "height": None,
    }


def test_variants_come_below_their_product_with_what_is_theirs() -> None:
    product = {**SINGLE, "has_offers": True, "unit_type": "кг", "category_id": None, "is_archived": 1}
    red = {**OWN, "properties": [{"name": "Колір", "value": "червоний"}, {"name": "Колір", "value": "алий"}]}
    bare = {"id": 23, "sku": "COF-2", "price": None, "properties": [{"name": "Колір", "value": None}, "x"]}
    base, one, two = told(product, red, bare)
    assert (base.id, base.product, base.kind, base.keys) == ("p7", "p7", "base", {})
    assert (base.values["unit"], base.values["category"], base.values["published"]) == ("кг", (), False)
    assert "price" not in base.values
    assert (one.id, one.product, one.kind) == ("22", "p7", "variant")
    assert one.values == {
        "currency": "UAH",
        "price": Decimal("450.5"),
        "price.cost": Decimal("300.00"),
        "barcode": "",
        "length": Decimal(25),  # its weight is that of its product
        "options": {"Колір": "червоний, алий"},
    }
    assert two.values["price"] is None
    assert "price.cost" not in two.values, "what is not told is not known"


def test_what_is_left_of_a_product_s_own_offer_is_no_variant() -> None:
    product = {**SINGLE, "has_offers": True}
    shells: list[dict[str, Any]] = [{"id": 30, "sku": "base:FAM-1"}, {"id": 31, "sku": None, "properties": []}]
    assert [offer.id for offer in told(product, *shells, OWN)] == ["p7", "22"]


def test_a_product_that_has_no_offer_is_known_by_its_own_number() -> None:
    (offer,) = told({**SINGLE, "sku": "COF-1", "price": 5, "purchased_price": None, "barcode": "482"})
    assert (offer.id, offer.product, offer.kind, offer.keys) == ("p7", "p7", "single", {"sku": "COF-1"})
    assert (offer.values["price"], offer.values["price.cost"], offer.values["barcode"]) == (Decimal(5), None, "482")


def test_a_category_that_is_not_in_the_list_is_not_known() -> None:
    (offer,) = told(SINGLE, OWN)
    assert "category" not in offer.values


def test_a_price_that_is_no_number_is_not_known() -> None:
    (offer,) = told(SINGLE, {**OWN, "price": "1 234,50", "purchased_price": {}})
    assert offer.values.keys().isdisjoint({"price", "price.cost"})


@given(hostile, st.lists(hostile, max_size=3), st.booleans())
def test_whatever_comes_is_told_in_the_types_that_the_fields_have(
    product: dict[str, Any], own: list[dict[str, Any]], variants: bool
) -> None:
    offers = told({**product, "id": 7, "has_offers": variants}, *({**row, "id": n} for n, row in enumerate(own, 1)))
    assert offers
    for offer in offers:
        assert faults_of(offer, traits(settings(special=FIELDS))) == []


# --- categories ------------------------------------------------------------------------------------------------------


def test_the_tree_is_made_of_a_list_in_any_order() -> None:
    rows: list[dict[str, Any]] = [
        {"id": "4", "name": " Емалі ", "parent_id": 2},
        {"id": 2, "name": "Фарби", "parent_id": None},
        {"id": 5, "name": "Без батька", "parent_id": 99},
        {"id": 6, "name": "Фарби", "parent_id": None},
        {"id": 7, "name": "", "parent_id": None},
        {"id": None, "name": "x"},
    ]
    tree = Tree.of(rows)
    assert tree.paths == {4: ("Фарби", "Емалі"), 2: ("Фарби",), 5: ("Без батька",), 6: ("Фарби",)}
    assert tree.ids[("Фарби",)] == 2, "of twins the older one"


def test_categories_that_are_each_others_parents_have_no_path_and_are_told() -> None:
    tree = Tree.of(
        [
            {"id": 1, "name": "а", "parent_id": 2},
            {"id": 2, "name": "б", "parent_id": 1},
            {"id": 3, "name": "в", "parent_id": 1},
            {"id": 4, "name": "г", "parent_id": None},
        ]
    )
    assert tree.paths == {4: ("г",)}
    (finding,) = tree.findings
    assert (finding.code, finding.about) == ("category-loop", "category:1")
    assert "а → б → а" in str(finding.text)
    (offer,) = told({"category_id": 3}, tree=tree)
    assert "category" not in offer.values, "it is not known, which is not none"


@pytest.mark.parametrize("wrong", ["1 234,50", "abc", True, [], {"amount": 5}])
def test_f46_a_number_that_cannot_be_read_is_told_and_left_out(wrong: Any) -> None:
    heard: list[Finding] = []
    how = Goods.of(settings(), Tree(), None, heard.append)
    row = {"id": 1, "sku": "A-1", "price": wrong, "purchased_price": None, "weight": wrong}
    (offer,) = how.offers({"id": 7, "name": "Лак"}, [row])
    assert offer.keys == {"sku": "A-1"}
    assert offer.values["price.cost"] is None, "null is no price"
    assert "price" not in offer.values
    assert [finding.code for finding in heard] == ["number-unreadable"] * 2
    assert all("A-1" in str(finding.text) and str(wrong) in str(finding.text) for finding in heard)


@given(st.lists(hostile, max_size=6))
def test_no_list_of_categories_breaks_the_tree(rows: list[dict[str, Any]]) -> None:
    tree = Tree.of(rows)
    assert all(path and all(path) for path in tree.paths.values())


# --- special prices --------------------------------------------------------------------------------------------------


def special(amount: str, start: datetime | None = None, end: datetime | None = None) -> SpecialPrice:
    return SpecialPrice(Money(Decimal(amount), "UAH"), start, end)


def filled(**fields: Any) -> list[dict[str, Any]]:
    return [{"uuid": uuid, "value": value} for uuid, value in fields.items()]


DAYS = Specials(FIELDS, KYIV, "UAH", {"CT_1": "float", "CT_2": "date", "CT_3": "date"})
TIMES = Specials(FIELDS, KYIV, "UAH", {"CT_1": "text", "CT_2": "datetime", "CT_3": "datetime"})
TEXTS = Specials(FIELDS, KYIV, "UAH")


def test_f47_the_last_day_of_a_special_price_is_whole_and_in_the_shop_s_time_zone() -> None:
    said = filled(CT_1="399.00", CT_2="2026-03-29", CT_3="2026-10-25")  # both nights of the clock change
    (one,) = DAYS.read(said) or ()
    assert one == special("399.00", datetime(2026, 3, 29, tzinfo=KYIV), datetime(2026, 10, 26, tzinfo=KYIV))
    assert one.active(datetime(2026, 10, 25, 21, 59, tzinfo=UTC))
    assert not one.active(datetime(2026, 10, 25, 22, 0, tzinfo=UTC))
    assert DAYS.write([one]) == filled(CT_1="399.00", CT_2="2026-03-29", CT_3="2026-10-25")


def test_f47_a_special_price_that_is_over_leaves_the_fields_empty() -> None:
    assert DAYS.write(()) == filled(CT_1="", CT_2="", CT_3="")


@pytest.mark.parametrize(
    ("said", "amount"),
    [
        ("399", "399"),
        ("399,5", "399.5"),
        ("1 234,50", "1234.50"),
        ("1\u00a0234.50", "1234.50"),
        (Decimal("12.345"), "12.345"),
        ("1,234", None),  # a thousand, or one and a bit?
        ("1.234,50", None),
        ("12 34", None),
        ("грн", None),
        ("-5", None),
    ],
)
def test_f46_a_price_that_people_typed_is_read_strictly(said: Any, amount: str | None) -> None:
    assert price(said) == (None if amount is None else Decimal(amount))


def test_days_and_moments_are_read_as_people_write_them() -> None:
    said = filled(CT_1="10", CT_2="20.11.2026 08:30", CT_3="2026-11-30")
    assert TEXTS.read(said) == (
        special("10", datetime(2026, 11, 20, 8, 30, tzinfo=KYIV), datetime(2026, 12, 1, tzinfo=KYIV)),
    )
    said = filled(CT_1="10", CT_2="2026-11-20 06:30:00", CT_3="2026-11-30T22:00:00.000000Z")
    assert TIMES.read(said) == (
        special("10", datetime(2026, 11, 20, 6, 30, tzinfo=UTC), datetime(2026, 11, 30, 22, tzinfo=UTC)),
    )


def test_what_cannot_be_read_is_not_known_and_what_is_empty_is_none() -> None:
    assert TEXTS.read([]) == ()
    assert TEXTS.read(filled(CT_1="", CT_2="2026-11-20")) == ()
    assert TEXTS.read(filled(CT_1="0")) == ()
    assert TEXTS.read(filled(CT_1="10", CT_2="2026-11-20", CT_3="2026-11-10")) == ()
    assert TEXTS.read(filled(CT_1="до 10")) is None
    assert TEXTS.read(filled(CT_1="10", CT_2="завтра")) is None
    assert TEXTS.read(filled(CT_1="10", CT_2="2026-02-30")) is None


def test_what_a_field_of_days_cannot_keep_is_held() -> None:
    with pytest.raises(Held, match="whole days"):
        DAYS.write([special("10", datetime(2026, 11, 20, 18, tzinfo=KYIV))])
    with pytest.raises(Held, match="no custom field"):
        Specials(SpecialFields(price="CT_1"), KYIV, "UAH").write(
            [special("10", None, datetime(2026, 12, 1, tzinfo=KYIV))]
        )


@given(
    st.decimals(min_value=Decimal("0.01"), max_value=10**6, places=2),
    st.none() | moments(2020, 2030),
    st.none() | st.timedeltas(timedelta(days=2), timedelta(days=400)),
    st.sampled_from(["days", "times", "texts"]),
)
def test_a_special_price_that_was_written_is_read_back(
    amount: Decimal, start: datetime | None, span: timedelta | None, how: str
) -> None:
    start = start and start.replace(microsecond=0)
    end = (start or datetime(2026, 5, 1, 7, 30, tzinfo=KYIV)) + span if span else None
    if how == "days":
        start = start and datetime.combine(start.date(), datetime.min.time(), KYIV)
        end = end and datetime.combine(end.date(), datetime.min.time(), KYIV)
    end = end and end.replace(microsecond=0)
    one = special(str(amount), start, end)
    keeper = {"days": DAYS, "times": TIMES, "texts": TEXTS}[how]
    (back,) = keeper.read(keeper.write([one])) or (None,)
    assert back is not None
    assert (back.money, back.start, back.end) == (one.money, one.start, one.end)


# --- bodies ----------------------------------------------------------------------------------------------------------


def test_only_what_is_named_is_sent() -> None:
    assert offer_body({"price": Decimal("1.50")}, Units()) == {"price": Decimal("1.50")}
    assert product_body({"name": "x"}, goods(), None) == {"name": "x"}
    assert product_body({"category": ()}, goods(), None) == {"category_id": None}
    assert product_body({"unit": ""}, goods(), None) == {"unit_type": "шт"}


def test_no_more_than_six_pictures_are_sent() -> None:
    pictures = tuple(f"https://shop.test/{n}.jpg" for n in range(9))
    assert product_body({"images": pictures}, goods(), None) == {"pictures": list(pictures[:6])}


def test_a_new_variant_brings_its_options_and_no_empty_ones() -> None:
    offer = Offer(
        kind="variant",
        keys={"sku": "A-1"},
        values={"price": Decimal(5), "price.cost": None, "options": {"Колір": "червоний", "Розмір": ""}, "barcode": ""},
    )
    assert variant_body(offer, Units()) == {
        "sku": "A-1",
        "price": Decimal(5),
        "properties": [{"name": "Колір", "value": "червоний"}],
    }


# --- stock -----------------------------------------------------------------------------------------------------------

STOCK = {
    "id": 22,
    "sku": "COF-1",
    "quantity": 12,
    "reserve": 2,
    "warehouse": [
        {"id": 1, "name": "Основний", "quantity": 9, "reserve": 2},
        {"id": 3, "name": "Магазин", "quantity": "3.5", "reserve": None},
    ],
}


def test_f48_stock_is_told_by_warehouse_and_its_total_is_not_told_again() -> None:
    one, bare = balance(STOCK), balance({"id": 23, "sku": "X", "quantity": None, "warehouse": []})
    assert one is not None
    assert bare is not None
    found = [one, bare]
    told = list(levels(found, Warehouses.of({}, found)))
    assert [(x.code, x.warehouse, x.on_hand, x.reserved, x.offer) for x in told] == [
        ("COF-1", "Основний", Decimal(9), Decimal(2), "22"),
        ("COF-1", "Магазин", Decimal("3.5"), Decimal(0), "22"),
        ("X", "Основний", Decimal(0), Decimal(0), "23"),
        ("X", "Магазин", Decimal(0), Decimal(0), "23"),
    ]


def test_where_nothing_is_told_by_warehouse_the_total_is() -> None:
    one = balance({"id": 22, "sku": "COF-1", "quantity": -3, "reserve": -1})
    assert one is not None
    (level,) = levels([one], Warehouses())
    assert (level.warehouse, level.on_hand, level.reserved) == ("", Decimal(-3), Decimal(0))


def test_f46_a_quantity_that_is_no_number_is_not_known() -> None:
    assert balance({**STOCK, "quantity": "багато"}) is None
    assert balance({**STOCK, "warehouse": [{"id": 1, "quantity": {}}]}) is None


@pytest.mark.parametrize(("reserve", "on_hand", "written"), [("3", False, "10"), ("3", True, "7"), ("-2", False, "7")])
def test_f48_what_may_be_sold_is_written_with_the_reserve_on_top(reserve: str, on_hand: bool, written: str) -> None:
    place = Place(1, "Основний", Decimal(50), Decimal(reserve))
    assert with_reserve(Decimal(7), place, on_hand=on_hand) == Decimal(written)


def test_warehouses_of_one_name_are_told_apart_by_their_ids() -> None:
    zero = Decimal(0)
    places = tuple(Place(n, name, zero, zero) for n, name in ((1, "Склад"), (2, "Склад"), (3, "")))
    found = [Balance("22", "A", places, Place(0, "", zero, zero))]
    assert Warehouses.of({}, found).ids == {"Склад (1)": 1, "Склад (2)": 2, "3": 3}
    assert Warehouses.of({"main": 2}, found).ids == {"main": 2}


@given(hostile)
def test_no_row_of_stock_breaks_its_reader(row: dict[str, Any]) -> None:
    one = balance(row)
    assert one is None or all(x.on_hand.is_finite() for x in levels([one], Warehouses.of({}, [one])))


# --- webhooks --------------------------------------------------------------------------------------------------------


def test_webhooks_say_what_to_look_at() -> None:
    order = b'{"event":"order.change_order_status","context":{"id":23196,"status_id":4}}'
    assert hooks.hint(order).kinds == {"orders"}
    assert hooks.hint(order).ids == ("23196",)
    stock = '[{"offer_id":22,"sku":"Кава","in_stock":12,"in_reserve":2},{"offer_id":"22","in_stock":0}]'.encode()
    assert (hooks.hint(stock).kinds, hooks.hint(stock).ids) == (frozenset({"stock"}), ("22",))


@given(st.binary(max_size=60) | anything.map(dumps))
def test_a_webhook_that_is_not_understood_says_nothing(body: bytes) -> None:
    assert hooks.hint(body).kinds <= {"orders", "stock"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[" * 100_000,
        b'{"event":"lead.change","context":{"id":1}}',
        b'{"event":"order.x","context":[]}',
        b'[{"offer_id":1}]',
        b" " * 2_000_000,
        b"\xff\xfe",
    ],
)
def test_other_bodies_say_nothing(body: bytes) -> None:
    assert hooks.hint(body) == hooks.NOTHING


# --- settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": ""},
        {"key": "ключ"},
        {"key": "two\nlines"},
        {"url": "openapi.keycrm.app"},
        {"url": "http://openapi.keycrm.app/v1"},
        {"url": "https://x.test/v1?a=1"},
        {"per_minute": 61},
        {"per_minute": 0},
        {"batch": 0},
        {"nonsense": 1},
    ],
)
def test_settings_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings(**wrong)


def test_the_key_is_never_shown() -> None:
    assert "s3cret" not in repr(settings(key=" s3cret "))
    assert settings(key=" s3cret ").key.get_secret_value() == "s3cret"
