"""Single values and rows of WooCommerce, both ways; lists that shift while they are read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.api import Finding, Held, Money, SpecialPrice, Transient
from plugins.systems.woocommerce import mapping
from plugins.systems.woocommerce import values as v
from plugins.systems.woocommerce._fake_wordpress import filtered, price_text
from plugins.systems.woocommerce.mapping import View
from plugins.systems.woocommerce.paging import Page, read_pages
from plugins.systems.woocommerce.settings import LENGTHS, WEIGHTS, WooSettings

NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=60)
PRICES = st.decimals(0, 10_000_000, places=4, allow_nan=False)


def settings(**more: Any) -> WooSettings:
    return WooSettings.model_validate({"url": "https://shop.example", "key": "ck_1", "secret": "cs_1", **more})


# --- values ----------------------------------------------------------------------------------------------------------


@given(NAMES)
def test_a_name_is_the_same_after_wordpress_has_saved_it(name: str) -> None:
    assert v.name_read(filtered(v.name_written(name))) == name


@given(NAMES)
def test_a_description_is_the_same_after_wordpress_has_saved_it(said: str) -> None:
    if "&#" in said or v.removed_tag(said):  # numbers of signs are read as signs; removed tags are refused before
        return
    assert v.html_read(filtered(v.html_written(said))) == said


@given(PRICES, st.sampled_from([".", ","]))
def test_a_price_is_the_same_whatever_the_shops_separator_is(price: Decimal, separator: str) -> None:
    assert v.number(price_text(v.decimal_text(price), separator)) == price


@pytest.mark.parametrize("said", ["1 234,50", "1\u00a0234.50", "12,50", "1e5", "NaN", "Infinity", "١٢", "--5", "."])
def test_what_is_no_plain_number_is_no_price(said: str) -> None:
    assert v.number(said) is None
    assert not v.is_number(said)


def test_no_price_is_not_0() -> None:
    assert v.is_number("")
    assert v.number("") is None
    assert v.number(None) is None
    assert v.number("0") == 0


@given(st.decimals(0, 5000, places=3, allow_nan=False), st.sampled_from(sorted(WEIGHTS)))
def test_a_weight_in_any_unit_comes_back(weight: Decimal, unit: str) -> None:
    assert v.from_unit(v.to_unit(weight, WEIGHTS[unit]), WEIGHTS[unit]) == weight


@given(st.decimals(0, 5000, places=2, allow_nan=False), st.sampled_from(sorted(LENGTHS)))
def test_a_length_in_any_unit_comes_back(length: Decimal, unit: str) -> None:
    assert v.from_unit(v.to_unit(length, LENGTHS[unit]), LENGTHS[unit]) == length


def test_units_are_those_of_the_shop() -> None:
    body = mapping.body_of(
        {"weight": Decimal("1.5"), "length": Decimal(25), "width": None},
        "single",
        settings(weight_unit="g", dimension_unit="mm"),
    )
    assert body == {"weight": "1500", "dimensions": {"length": "250", "width": ""}}


# --- special prices --------------------------------------------------------------------------------------------------

MOMENTS = st.integers(1_500_000_000, 2_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


@given(PRICES, st.none() | MOMENTS, st.none() | st.integers(1, 10**8))
def test_a_special_price_comes_back(price: Decimal, start: datetime | None, seconds: int | None) -> None:
    end = None if seconds is None else (start or datetime(2026, 1, 1, tzinfo=UTC)) + timedelta(seconds=seconds)
    special = SpecialPrice(Money(price, "UAH"), start, end)
    body = mapping.body_of({"specials": (special,)}, "single", settings())
    assert mapping.specials_of(body, "UAH") == (special,)


def test_the_last_second_of_a_special_price_is_in_it() -> None:
    row = {
        "sale_price": "9",
        "date_on_sale_from_gmt": "2026-11-20T22:00:00",
        "date_on_sale_to_gmt": "2026-11-30T21:59:59",
    }
    (special,) = mapping.specials_of(row, "UAH")
    assert special.active(datetime(2026, 11, 30, 21, 59, 59, tzinfo=UTC))
    assert special.end == datetime(2026, 11, 30, 22, 0, tzinfo=UTC)


def test_parts_of_seconds_are_on_the_safe_side() -> None:
    special = SpecialPrice(
        Money(Decimal(9), "UAH"),
        datetime(2026, 11, 20, 0, 0, 0, 1, tzinfo=UTC),
        datetime(2026, 11, 30, 0, 0, 0, 500_000, tzinfo=UTC),
    )
    body = mapping.body_of({"specials": (special,)}, "single", settings())
    assert body["date_on_sale_from_gmt"] == "2026-11-20T00:00:01"
    assert body["date_on_sale_to_gmt"] == "2026-11-30T00:00:00"


def test_no_special_price_clears_all_of_it() -> None:
    body = mapping.body_of({"specials": ()}, "single", settings())
    assert body == {"sale_price": "", "date_on_sale_from_gmt": "", "date_on_sale_to_gmt": ""}


# --- rows ------------------------------------------------------------------------------------------------------------

ROW = {
    "id": 7, "name": "Болти &amp; гайки", "type": "simple", "status": "publish", "sku": " B-7 ",
    "regular_price": "10.5", "sale_price": "", "weight": "", "dimensions": {"length": "1", "width": "", "height": ""},
    "categories": [{"id": 1}, {"id": 3}, {"id": 15}, {"id": 99}], "date_modified_gmt": "2026-11-22T10:00:00",
}  # fmt: skip
PATHS = {1: ("Акції",), 2: ("Метизи",), 3: ("Метизи", "Болти")}


def test_a_product_is_told() -> None:
    offer = View(settings(), "UAH", PATHS).product(ROW, base=False)
    assert offer.keys == {"sku": "B-7"}
    assert offer.values["name"] == "Болти & гайки"
    assert offer.values["category"] == ("Метизи", "Болти")
    assert offer.values["categories"] == (("Метизи", "Болти"), ("Акції",))
    assert offer.values["length"] == Decimal(1)
    assert offer.values["width"] is None
    assert offer.updated_at == datetime(2026, 11, 22, 10, tzinfo=UTC)


def test_a_price_that_cannot_be_read_is_not_known_and_told() -> None:
    found: list[Finding] = []
    offer = View(settings(), "UAH", {}, found.append).product({**ROW, "regular_price": "12,50"}, base=False)
    assert "price" not in offer.values
    assert offer.values["specials"] == ()
    assert [one.code for one in found] == ["price-unreadable"]


WEIRD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=10)
    | st.decimals(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys((*mapping.PRODUCT_FIELDS, "image"), WEIRD)))
def test_a_row_of_any_shape_is_told_and_never_breaks(row: Mapping[str, Any]) -> None:
    view = View(settings(), "UAH", PATHS)
    offer = view.product(row, base=False)
    assert offer.values["price"] is None if "price" in offer.values and not row.get("regular_price") else True
    view.variation(row, "5")
    assert mapping.level_of(row).on_hand.is_finite()


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"name": "  "}, "woo-name"),
        ({"name": None}, "woo-name"),
        ({"price": Decimal(-1)}, "woo-price"),
        ({"price": Decimal("NaN")}, "woo-price"),
        ({"weight": Decimal(-1)}, "woo-size"),
        ({"description": "<p>a</p><iframe src='x'></iframe>"}, "woo-html"),
        ({"barcode": "482-ABC"}, "woo-barcode"),
    ],
)
def test_what_the_shop_would_change_in_silence_is_held(values: dict[str, Any], code: str) -> None:
    with pytest.raises(Held) as held:
        mapping.body_of(values, "single", settings())
    assert held.value.code == code


def test_frames_may_be_stripped() -> None:
    said = "<p>Огляд</p><iframe src='x'>alt</iframe><script>alert(1)</script><input type=text>"
    body = mapping.body_of({"description": said}, "single", settings(foreign_html="strip"))
    assert body == {"description": "<p>Огляд</p>"}


def test_attributes_are_joined_with_those_that_are_there() -> None:
    there = [
        {"id": 4, "name": "Колір", "position": 0, "visible": True, "variation": True, "options": ["Синій"]},
        {"id": 0, "name": "Матеріал", "position": 1, "visible": True, "variation": False, "options": ["Сталь"]},
    ]
    bodies = mapping.attribute_bodies(there, [{"колір": "Червоний", "Об'єм": "1 л"}, {"колір": "Синій"}], {"об'єм": 9})
    assert [(one.get("id"), one.get("name"), one["variation"], one["options"]) for one in bodies] == [
        (4, None, True, ["Синій", "Червоний"]),
        (None, "Матеріал", False, ["Сталь"]),
        (9, None, True, ["1 л"]),
    ]


# --- pages -----------------------------------------------------------------------------------------------------------


@given(
    st.sets(st.integers(1, 200), min_size=1, max_size=80),
    st.lists(st.tuples(st.integers(0, 6), st.integers(1, 200)), max_size=40),
    st.integers(2, 12),
    st.booleans(),
)
def test_whatever_goes_or_comes_meanwhile_what_stays_is_told_once(
    ids: set[int], events: list[tuple[int, int]], size: int, counted: bool
) -> None:
    rows = sorted(ids)
    gone: set[int] = set()
    asked = 0

    def ask(offset: int, count: int) -> Page:
        nonlocal asked
        for at, own in events:
            if at == asked:
                if own in rows:
                    rows.remove(own)
                    gone.add(own)
                else:
                    rows.append(rows[-1] + own if rows else 1000 + own)
        asked += 1
        part = rows[offset : offset + count]
        return Page([{"id": own} for own in part], len(rows) if counted else None)

    told = [row["id"] for row in read_pages(ask, size, "list")]
    assert len(told) == len(set(told))
    assert ids - gone <= set(told)


@pytest.mark.parametrize("total", [120, 101])
def test_a_page_that_is_capped_is_a_failure(total: int) -> None:
    rows = [{"id": own} for own in range(1, total + 1)]
    with pytest.raises(Transient, match="capped"):
        list(read_pages(lambda offset, _size: Page(rows[offset : offset + 50], total), 100, "list"))


@pytest.mark.parametrize("ids", [[3, 1], [1, 1], list(range(1, 20))])
def test_a_list_that_is_in_no_order_is_a_failure(ids: list[int]) -> None:
    with pytest.raises(Transient):
        list(read_pages(lambda _offset, _size: Page([{"id": own} for own in ids], None), 10, "list"))


def test_a_list_without_an_end_is_a_failure() -> None:
    with pytest.raises(Transient, match="more than 30 pages"):
        list(read_pages(lambda at, size: Page([{"id": at + n} for n in range(1, size + 1)], None), 10, "list", 30))


# --- settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url", ["https://shop.example/", "https://shop.example/wp-json/wc/v3", "https://shop.example/wp-json/"]
)
def test_the_address_may_be_given_with_that_of_the_api(url: str) -> None:
    assert settings(url=url).url == "https://shop.example"


@pytest.mark.parametrize("url", ["http://127.0.0.1:8091", "http://localhost/shop", "http://[::1]:80"])
def test_plain_http_may_be_used_on_this_machine(url: str) -> None:
    assert settings(url=url).url == url


@pytest.mark.parametrize(
    "url", ["http://shop.example", "http://127.0.0.1.example", "https://ck:cs@shop.example", "ftp://x"]
)
def test_addresses_that_would_give_the_key_away_are_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        settings(url=url)
    assert url == "ftp://x" or "@" in url or settings(url=url, allow_http=True).url == url
