"""Numbers, times, materials and offers: what the API writes is read as it is meant, or not at all."""

from __future__ import annotations

import json
from dataclasses import replace
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
from plugins.systems.keepincrm import values as v
from plugins.systems.keepincrm._fake_account import money
from plugins.systems.keepincrm.mapping import Reading, offer_of, traits
from plugins.systems.keepincrm.settings import KeepinSettings
from plugins.systems.keepincrm.writing import body_of, current, dropped, needs_row, shown_otherwise
from tests.systems.keepincrm.world import RICH

KYIV = ZoneInfo("Europe/Kyiv")
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
PATHS = {7: ("Фарби",), 8: ("Фарби", "Емалі"), 9: ("Акції",), 10: ("Лаки", "Емалі")}
AMOUNTS = st.decimals(min_value=0, max_value=Decimal("9999999.99"), places=2)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30)


def settings(**more: Any) -> KeepinSettings:
    return KeepinSettings.model_validate({"token": "t", **RICH, **more})


def reading(**more: Any) -> Reading:
    return Reading(settings=settings(**more), zone=KYIV, currency="UAH", paths=PATHS)


def told(row: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The values of a material."""
    return dict(offer_of({"id": 5, **row}, reading(**more)).values)


def test_f46_what_cannot_be_read_is_told_and_left_out() -> None:
    heard: list[Finding] = []
    how = replace(reading(), notice=heard.append)
    offer = offer_of({"id": 5, "sku": "A-1", "title": "Лак", "price_amount": "abc", "cost_amount": None}, how)
    assert offer.values["name"] == "Лак"
    assert offer.values["price.cost"] is None, "null is no price"
    assert "price" not in offer.values
    (finding,) = heard
    assert (finding.code, finding.about) == ("value-unreadable", "price:5")
    assert "A-1" in str(finding.text)
    assert "abc" in str(finding.text)


# --- numbers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (150, "150"), (Decimal("150.5"), "150.5"), ("150.0", "150.0"), ("150", "150"), ("1 234,50", "1234.50"),
        ("1\u00a0234,50", "1234.50"), ("1\u202f234\u202f567,5", "1234567.5"), ("1234,5", "1234.5"), ("0,500", "0.500"),
        ("1.234,50", "1234.50"), ("1,234.50", "1234.50"), ("1,234,567.8", "1234567.8"), ("1 234,500", "1234.500"),
        ("-3", "-3"), ("\u22123,5", "-3.5"), ("+7", "7"), (0, "0"), ("0", "0"), ("1234.567", "1234.567"),
    ],
)  # fmt: skip
def test_f46_numbers_are_read_in_every_form_that_was_seen(written: Any, meant: str) -> None:
    assert v.number(written) == Decimal(meant)


@pytest.mark.parametrize("written", [None, "", " ", "\u00a0"])
def test_f46_nothing_is_none_and_not_0(written: Any) -> None:
    assert v.number(written) is None


@pytest.mark.parametrize(
    "written",
    [
        "1,234", "12,345", "1.2.3", "1,2,3", "1,23,4.5", "12.34,5", "abc", "12 грн", "1e5", "NaN", "Infinity", "--1",
            "1-", True, [], {}, [5], Decimal("NaN"), Decimal("Infinity"), Decimal("1e400"), 10**40, "9" * 40, "٣", ",5",
            "5,", ".", ",",
    ],
)  # fmt: skip
def test_f46_what_is_no_number_or_two_is_refused(written: Any) -> None:
    with pytest.raises(ValueError, match=r"|"):
        v.number(written)


@given(AMOUNTS, st.sampled_from(["number", "text", "comma"]))
def test_f46_an_amount_is_the_same_in_each_form_of_the_api(amount: Decimal, form: str) -> None:
    wire = json.loads(dumps(money(amount, form)), parse_float=Decimal)
    assert v.number(wire) == amount


@given(st.text(max_size=12))
def test_any_text_is_a_number_or_refused(text: str) -> None:
    try:
        found = v.number(text)
    except ValueError:
        return
    assert found is None or found.is_finite()


@pytest.mark.parametrize(
    ("written", "amount", "currency"),
    [
        ("12 USD", "12", "USD"),
        ("12.5usd", "12.5", "USD"),
        ("1 234,50 UAH", "1234.50", "UAH"),
        (7, "7", ""),
        ("7", "7", ""),
    ],
)
def test_a_price_may_bear_its_currency(written: Any, amount: str, currency: str) -> None:
    assert v.priced(written) == (Decimal(amount), currency)


# --- times -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "start", "end"),
    [
        ("2026-11-20T00:00+02:00", "2026-11-20T00:00+02:00", None),
        ("2026-11-20T08:30:00.000+02:00", "2026-11-20T08:30+02:00", None),
        ("2026-11-20T00:00:00Z", "2026-11-20T00:00+00:00", None),
        ("2026-11-20 09:15", "2026-11-20T09:15+02:00", None),
        ("2026-11-20", "2026-11-20T00:00+02:00", "2026-11-21T00:00+02:00"),
        ("20.11.2026", "2026-11-20T00:00+02:00", "2026-11-21T00:00+02:00"),
        ("1.7.2026 9:05", "2026-07-01T09:05+03:00", None),
        # the night in which clocks go back: the day that ends has twenty-five hours
        ("2026-10-25", "2026-10-25T00:00+03:00", "2026-10-26T00:00+02:00"),
        ("2026-03-28", "2026-03-28T00:00+02:00", "2026-03-29T00:00+02:00"),
    ],
)
def test_f47_dates_of_people_and_of_the_api(written: str, start: str, end: str | None) -> None:
    assert v.moment(written, KYIV) == datetime.fromisoformat(start)
    assert v.moment(written, KYIV, end=True) == datetime.fromisoformat(end or start)


@pytest.mark.parametrize("written", ["завтра", "31.02.2026", "2026-13-01", "2026-11-20T25:00", "20.11", "12"])
def test_what_is_no_date_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"|"):
        v.moment(written, KYIV)


@given(st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31, 23, 59, 59), timezones=st.just(UTC)))  # noqa: DTZ001
def test_f47_a_moment_comes_back_as_it_was_written_also_in_the_odd_nights(at: datetime) -> None:
    at = at.replace(microsecond=0)
    assert v.moment(v.written(at, KYIV), KYIV, end=True) == at


# --- reading ---------------------------------------------------------------------------------------------------------


def test_a_material_of_the_sheet_is_read() -> None:
    row = {
        "id": 901, "sku": "COF-1", "title": "Кава зернова 1 кг", "unit": "шт", "price_amount": Decimal("450.5"),
        "currency": "UAH", "cost_amount": 300, "cost_currency": "UAH", "stock_available": 12, "category_id": 8,
        "irrelevant": False, "stock_rests": {"15": {"available": 9}}, "custom_fields": {"Стара ціна": "399"},
        "named_custom_prices": {"Опт": 410}, "asset_url": "https://x.example/a.jpg", "weight": "1,5",
        "updated_at": "2026-11-22T14:00:00.000+02:00",
    }  # fmt: skip
    offer = offer_of(row, reading())
    assert (offer.id, offer.product, offer.kind, offer.keys) == ("901", "901", "single", {"sku": "COF-1"})
    assert offer.updated_at == NOW
    assert offer.values == {
        "name": "Кава зернова 1 кг", "unit": "шт", "price": Decimal("450.5"), "currency": "UAH",
        "price.cost": Decimal(300), "category": ("Фарби", "Емалі"), "published": True, "price.old": Decimal(399),
        "price.wholesale": Decimal(410), "images": ("https://x.example/a.jpg",), "weight": Decimal("1.5"),
        "description": "", "manufacturer": "", "specials": (),
    }  # fmt: skip
    assert set(offer.values) == traits(settings()).reads


def test_what_is_not_told_is_not_known() -> None:
    assert told({}) == {"currency": "UAH"}
    assert offer_of({"id": 5, "sku": None}, reading()).keys == {}
    assert offer_of({"id": 5, "sku": " "}, reading()).keys == {}
    assert offer_of({"id": 5, "sku": 42}, reading()).keys == {"sku": "42"}
    assert offer_of({"id": "5", "sku": "0042"}, reading()).keys == {"sku": "0042"}


@pytest.mark.parametrize(
    ("row", "price"),
    [
        ({"price_amount": "150.0"}, Decimal(150)),
        ({"price": 150}, Decimal(150)),
        ({"price_amount": "149,90", "price": 150}, Decimal("149.90")),
        ({"price_amount": None}, None),
        ({"price_amount": ""}, None),
    ],
)
def test_f46_a_price_under_each_of_its_names(row: dict[str, Any], price: Decimal | None) -> None:
    assert told(row)["price"] == price


@pytest.mark.parametrize("wrong", ["1,234", "договірна", [], True])
def test_f46_a_price_that_cannot_be_read_is_not_known(wrong: Any) -> None:
    assert "price" not in told({"price_amount": wrong, "title": "Кава"})


@pytest.mark.parametrize(
    "shown",
    [
        {"Опт": 410, "VIP": 1},
        {"Опт": "410.00 UAH"},
        {"Опт": "410"},
        [{"name": "Опт", "price": "410,00", "currency": "UAH"}],
        [{"title": "Опт", "amount": 410}],
    ],
)
def test_further_prices_are_read_in_each_form(shown: Any) -> None:
    assert told({"named_custom_prices": shown})["price.wholesale"] == Decimal(410)


def test_a_price_in_another_currency_is_not_known() -> None:
    row = {"currency": "UAH", "named_custom_prices": {"Опт": "12 USD"}, "cost_amount": 8, "cost_currency": "USD"}
    assert not {"price.wholesale", "price.cost"} & told(row).keys()
    assert told({**row, "currency": "usd"}) == {
        "currency": "USD", "price.wholesale": Decimal(12), "price.cost": Decimal(8),
    }  # fmt: skip
    assert told({"named_custom_prices": {}, "cost_amount": None, "cost_currency": "USD"})["price.cost"] is None


@pytest.mark.parametrize(
    ("row", "path"),
    [
        ({"category_id": 8}, ("Фарби", "Емалі")),
        ({"category_id": "8"}, ("Фарби", "Емалі")),
        ({"category_id": None}, ()),
        ({"category": {"id": 9, "name": "Акції"}}, ("Акції",)),
        ({"category": "Акції"}, ("Акції",)),
        ({"category": None}, ()),
    ],
)
def test_a_category_by_its_id_or_its_name(row: dict[str, Any], path: tuple[str, ...]) -> None:
    assert told(row)["category"] == path


@pytest.mark.parametrize("row", [{"category": "Емалі"}, {"category_id": 99}, {"category_id": "x"}, {}])
def test_a_category_that_is_none_or_two_is_not_known(row: dict[str, Any]) -> None:
    assert "category" not in told(row)


def special(price: str = "135", start: str = "", end: str = "") -> dict[str, Any]:
    return {"named_custom_prices": {"Акція": price}, "custom_fields": {"Акція з": start, "Акція до": end}}


def test_f47_a_special_price_with_its_dates() -> None:
    start, end = datetime(2026, 11, 20, tzinfo=KYIV), datetime(2026, 12, 1, tzinfo=KYIV)
    price = Money(Decimal(135), "UAH")
    assert told(special("135", "20.11.2026", "30.11.2026"))["specials"] == (SpecialPrice(price, start, end),)
    assert told(special("135"))["specials"] == (SpecialPrice(price),)
    assert told(special("", "2026-11-20"))["specials"] == ()
    assert "specials" not in told(special("135", "незабаром"))
    assert "specials" not in told(special("135", "2026-12-01", "2026-11-01"))
    assert "specials" not in told({"custom_fields": {}})


@pytest.mark.parametrize(("told_as", "shown"), [(True, False), (False, True), ("true", False), ("0", True), (1, False)])
def test_an_archived_material_is_not_published(told_as: Any, *, shown: bool) -> None:
    assert told({"irrelevant": told_as})["published"] is shown


# --- writing ---------------------------------------------------------------------------------------------------------


def body(values: dict[str, Any], row: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return body_of(values, row or {}, reading(**more), NOW)


def test_the_other_prices_and_fields_are_sent_as_they_are() -> None:
    row = {
        "currency": "UAH",
        "named_custom_prices": {"VIP": "99.90", "Опт": 1, "Дивна": "договірна", "Долар": "12 USD", "Порожня": None},
        "custom_fields": {"Колір": "синій", "Так": True, "Список": ["a"], "Опис": "старий"},
    }
    assert body({"price.wholesale": Decimal(120), "description": "новий"}, row) == {
        "named_custom_prices": {
            "VIP": "99.90", "Опт": Decimal(120), "Дивна": "договірна", "Долар": "12 USD", "Порожня": None,
        },
        "custom_fields": [
            {"name": "Колір", "value": "синій"},
            {"name": "Так", "value": True},
            {"name": "Список", "value": ["a"]},
            {"name": "Опис", "value": "новий"},
        ],
    }  # fmt: skip


def test_prices_keep_their_currency_when_that_of_the_material_changes() -> None:
    row = {"currency": "UAH", "named_custom_prices": {"VIP": 99, "Долар": "12 USD"}}
    assert body({"price.wholesale": Decimal(3), "currency": "USD"}, row)["named_custom_prices"] == {
        "VIP": "99 UAH", "Долар": "12 USD", "Опт": Decimal(3),
    }  # fmt: skip
    rows = [{"name": "Євро", "price": 5, "currency": "EUR"}, {"name": "Грн", "price": 7, "currency": "UAH"}]
    listed = {"currency": "UAH", "named_custom_prices": rows}
    assert body({"price.wholesale": Decimal(3)}, listed)["named_custom_prices"] == {
        "Євро": "5 EUR", "Грн": 7, "Опт": Decimal(3),
    }  # fmt: skip


def test_values_go_under_their_names_for_writing() -> None:
    values = {
        "name": "Кава", "unit": None, "price": Decimal("1.50"), "price.cost": Decimal(1), "currency": "UAH",
        "images": ("https://x.example/a.jpg", "https://x.example/b.jpg"), "published": False, "weight": Decimal("0.25"),
        "category": ("Фарби",),
    }  # fmt: skip
    assert body(values, weight="g") == {
        "title": "Кава", "unit": "", "price": Decimal("1.50"), "cost": Decimal(1), "cost_currency": "UAH",
        "currency": "UAH", "asset_url": "https://x.example/a.jpg", "irrelevant": True, "weight": Decimal(250),
    }  # fmt: skip
    assert body({"images": None, "weight": None, "price": None}) == {"asset_url": None, "weight": None, "price": None}


def test_f47_of_several_special_prices_the_one_that_holds_or_comes_next() -> None:
    def at(day: int, month: int = 11) -> datetime:
        return datetime(2026, month, day, tzinfo=KYIV)

    old = SpecialPrice(Money(Decimal(1), "UAH"), at(1), at(10))
    now = SpecialPrice(Money(Decimal(2), "UAH"), at(20), at(25))
    next_ = SpecialPrice(Money(Decimal(3), "UAH"), at(25), None)
    assert current((old, now, next_), NOW) == now
    assert current((old, next_), NOW) == next_
    assert current((old, now, next_), at(25)) == next_  # the end does not belong to it
    assert current((old,), NOW) is None
    assert body({"specials": (old, now, next_)}, {"currency": "UAH"}) == {
        "named_custom_prices": {"Акція": Decimal(2)},
        "custom_fields": [
            {"name": "Акція з", "value": "2026-11-20T00:00+02:00"},
            {"name": "Акція до", "value": "2026-11-25T00:00+02:00"},
        ],
    }
    cleared = {
        "named_custom_prices": {"Акція": None},
        "custom_fields": [{"name": "Акція з", "value": ""}, {"name": "Акція до", "value": ""}],
    }
    assert body({"specials": (old,)}) == body({"specials": ()}) == body({"specials": None}) == cleared


def test_a_special_price_may_stand_in_plain_fields() -> None:
    places = {"price": {"field": "promo"}, "from": {"field": "promo_from"}, "to": {"field": "promo_to"}}
    one = SpecialPrice(Money(Decimal(2), "UAH"), NOW, None)
    sent = body({"specials": (one,)}, special_price=places)
    assert sent == {"promo": Decimal(2), "promo_from": "2026-11-22T14:00+02:00", "promo_to": ""}
    assert told({"promo": "2.0", "promo_from": "2026-11-22T12:00:00Z", "promo_to": None}, special_price=places)[
        "specials"
    ] == (one,)


@pytest.mark.parametrize(
    "values",
    [
        {"name": ""}, {"name": " \u00a0"}, {"name": None}, {"name": 5}, {"name": "A\x00B"}, {"name": "\ud800"},
        {"price": Decimal("-0.01")}, {"price": Decimal("NaN")}, {"price": 1.5}, {"price": Decimal("1e400")},
        {"price.cost": Decimal(-1)}, {"price.wholesale": "5"}, {"weight": Decimal(-1)}, {"currency": "грн"},
        {"currency": None}, {"published": None}, {"published": 1}, {"images": ("",)}, {"images": (None,)},
        {"category": ("A", " ")}, {"unit": 5}, {"description": b"x"}, {"length": Decimal(1)}, {"price.vip": Decimal(1)},
        {"specials": (SpecialPrice(Money(Decimal(-1), "UAH")),)},
        {"specials": (SpecialPrice(Money(Decimal(1), "USD")),)},
        {"specials": (SpecialPrice(Money(Decimal(1), "UAH"), NOW, NOW),)},
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_sent_is_held(values: dict[str, Any]) -> None:
    with pytest.raises(Held) as caught:
        body(values)
    assert caught.value.code in ("keepin-value", "keepin-field", "keepin-currency")
    assert caught.value.findings[0].where.element == next(iter(values))


@given(
    name=TEXTS.filter(str.strip),
    price=AMOUNTS,
    cost=AMOUNTS,
    wholesale=AMOUNTS,
    old=AMOUNTS,
    description=TEXTS,
    weight=st.decimals(min_value=0, max_value=1000, places=3),
    published=st.booleans(),
    days=st.tuples(st.integers(0, 400), st.integers(1, 60)),
)
def test_what_is_written_reads_back_equal(
    name: str, price: Decimal, cost: Decimal, wholesale: Decimal, old: Decimal, description: str, weight: Decimal,
    *, published: bool, days: tuple[int, int],
) -> None:  # fmt: skip
    start = NOW + timedelta(days=days[0])
    one = SpecialPrice(Money(price, "UAH"), start, start + timedelta(days=days[1]))
    values = {
        "name": name, "price": price, "price.cost": cost, "price.wholesale": wholesale, "price.old": old,
        "description": description, "weight": weight, "published": published, "currency": "UAH", "specials": (one,),
    }  # fmt: skip
    sent = json.loads(dumps(body(values, weight="g")), parse_float=Decimal)
    row = {
        **sent,
        "price_amount": sent.pop("price"),
        "cost_amount": sent.pop("cost"),
        "custom_fields": {one["name"]: one["value"] for one in sent.pop("custom_fields")},
    }
    offer = offer_of({"id": 1, **row}, reading(weight="g"))
    assert {key: offer.values.get(key) for key in values} == values
    assert shown_otherwise(values, offer) == {}


def test_what_an_answer_shows_otherwise_is_told_and_what_it_drops_is_found() -> None:
    def compare(sent: dict[str, Any], shown: dict[str, Any]) -> tuple[dict[str, Any], str]:
        different = shown_otherwise(sent, Offer(id="1", values=shown))
        return different, dropped(sent, different, NOW)

    assert compare({"price": Decimal(5)}, {"price": Decimal("5.00")}) == ({}, "")
    assert compare({"price": Decimal(5)}, {}) == ({}, "")
    assert compare({"price": Decimal("5.555")}, {"price": Decimal("5.56")})[1] == "price"
    assert compare({"name": " Кава  1\u00a0кг"}, {"name": "Кава 1 кг"}) == ({}, "")
    assert compare({"description": "<p>а</p>"}, {"description": "а"}) == ({"description": "а"}, "")
    assert compare({"description": "а"}, {"description": ""})[1] == "description"
    assert compare({"description": None}, {"description": ""}) == ({}, "")
    pictures = ("https://x.example/a", "https://x.example/b")
    assert compare({"images": pictures}, {"images": pictures[:1]}) == ({"images": pictures[:1]}, "")
    assert compare({"category": ("A\u00a0Б",)}, {"category": ("A Б",)}) == ({}, "")
    assert compare({"category": ("A",)}, {"category": ()})[1] == "category"


@pytest.mark.parametrize(
    ("values", "offered", "needed"),
    [
        ({"name": "a", "price": Decimal(1)}, {}, False),
        ({"price.wholesale": Decimal(1)}, {"currency": "UAH"}, True),
        ({"description": "a"}, {}, True),
        ({"specials": ()}, {}, True),
        ({"price.cost": Decimal(1)}, {}, True),
        ({"price.cost": Decimal(1)}, {"currency": "UAH"}, False),
        ({"price.cost": Decimal(1), "currency": "UAH"}, {}, False),
    ],
)
def test_the_material_is_read_first_only_where_it_matters(
    values: dict[str, Any], offered: dict[str, Any], *, needed: bool
) -> None:
    assert needs_row(values, settings(), Offer(id="1", values=offered)) is needed


# --- settings --------------------------------------------------------------------------------------------------------


def test_traits_follow_what_is_switched_on() -> None:
    plain = traits(KeepinSettings.model_validate({"token": "t"}))
    assert plain.reads == {"name", "price", "price.cost", "currency", "unit", "images", "published"}
    assert plain.writes == plain.reads
    assert plain.creates == frozenset()
    assert (plain.variants, plain.dated_specials, plain.special_in_price, plain.delta) == ("flat", False, False, False)
    rich = traits(settings())
    assert rich.reads == rich.writes == rich.creates
    assert rich.reads - plain.reads == {
        "category", "price.wholesale", "price.old", "description", "manufacturer", "specials", "weight",
    }  # fmt: skip
    assert (rich.dated_specials, rich.special_in_price) == (True, True)
    by_itself = traits(settings(special_price={**RICH["special_price"], "switched_by": "crm"}))
    assert (by_itself.dated_specials, by_itself.special_in_price) == (True, False)


@pytest.mark.parametrize(
    "wrong",
    [
        {"token": ""},
        {"url": "api.keepincrm.com"},
        {"prices": {"cost": "Собівартість"}},
        {"prices": {"a": {"named": "Опт", "custom": "Опт"}}},
        {"prices": {"a": {}}},
        {"prices": {"a": "Опт", "b": "Опт"}},
        {"prices": {"a": "Акція"}},
        {"texts": {"description": {"named": "Опт"}}},
        {"texts": {"description": "Опис", "barcode": {"custom": "Опис"}}},
        {"texts": {"name": "Назва"}},
        {"special_price": {"price": "Акція"}},
        {"special_price": {"price": "Акція", "from": {"named": "А"}, "to": "Б"}},
        {"offices": {"А": 5, "Б": {"id": 5}}},
        {"offices": {"А": 0}},
        {"pace": 0},
        {"page": 0},
    ],
    ids=str,
)
def test_settings_that_cannot_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings(**wrong)
