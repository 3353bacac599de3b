"""Orders to the cent, without a database: rows as a shop's checkout reckons and rounds them, in floats as PHP does."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model import Order, cents
from pipeline.rules.pricing import order_totals
from plugins.systems.opencart.ordering import Desk, OrderRows, method_of, revision_of
from plugins.systems.opencart.settings import OpenCartSettings

SETTINGS = OpenCartSettings(user="u", password="p", database="d")


def desk(**changes: Any) -> Desk:
    """A desk of a shop in hryvnias."""
    return Desk(**{
        "settings": SETTINGS, "zone": ZoneInfo("Europe/Kyiv"), "own": "UAH", "client": "UAH", "source": "shop",
        "countries": {220: "UA"}, "languages": {1: "uk-ua"}, "codes": {}, **changes,
    })  # fmt: skip


def row(**columns: Any) -> dict[str, Any]:
    """A row of ``order``."""
    return {
        "order_id": 7, "store_id": 0, "firstname": "Олена", "lastname": "Шевченко", "email": "o@example.com",
        "telephone": "+380671234567", "total": "0.0000", "order_status_id": 1, "currency_code": "UAH",
        "currency_value": "1.00000000", "date_added": "2026-11-22 03:59:13", "date_modified": "2026-11-22 03:59:13",
        "payment_method": "Готівка", "payment_code": "cod", "shipping_method": "Кур’єр", "shipping_code": "flat.flat",
        "comment": "", **columns,
    }  # fmt: skip


def stored(amount: float) -> str:
    """As decimal(15,4) keeps a float."""
    return str(Decimal(repr(amount)).quantize(Decimal("0.0001"), ROUND_HALF_UP))


def total(code: str, value: float, title: str = "") -> Mapping[str, Any]:
    """A row of ``order_total``."""
    return {"code": code, "title": title or code, "value": stored(value), "sort_order": 1}


def item(price: float, quantity: int, tax: float = 0.0, **columns: Any) -> Mapping[str, Any]:
    """A row of ``order_product``."""
    return {
        "order_product_id": 1, "order_id": 7, "product_id": 3, "name": "Фарба", "model": "AB", "quantity": quantity,
        "price": stored(price), "total": stored(price * quantity), "tax": stored(tax), **columns,
    }  # fmt: skip


def read(order: OrderRows, **changes: Any) -> Order:
    """The order, which must be whole."""
    seen = desk(**changes).read(order, None)
    assert seen.findings == ()
    assert seen.order is not None
    return seen.order


def made(order: Order) -> Decimal:
    """What the parts of it make."""
    return order_totals(order).total


ITEMS = st.lists(
    st.tuples(st.integers(1, 10**7), st.integers(1, 300), st.sampled_from([0.0, 7.0, 20.0])), min_size=1, max_size=6
)


@given(
    items=ITEMS,
    places=st.sampled_from([2, 4]),
    percent=st.sampled_from([0, 0, 5, 33.3]),
    fixed=st.integers(0, 50_000),
    shipping=st.integers(0, 20_000),
    shipping_tax=st.booleans(),
    rate=st.sampled_from([1.0, 1.0, 0.02412345, 41.55, 0.78460002]),
)
def test_what_a_checkout_reckons_comes_out_to_the_cent(
    items: list[tuple[int, int, float]], places: int, percent: float, fixed: int, shipping: int,
    shipping_tax: bool, rate: float,
) -> None:  # fmt: skip
    """Items, a coupon that takes its share of the tax, shipping with or without tax, in any currency."""
    rows, whole, tax, off = [], 0.0, 0.0, 0.0
    goods = sum(number / 10**places * quantity for number, quantity, _ in items)
    coupon = min(fixed / 100, goods)
    for number, quantity, taxed in items:
        price = number / 10**places
        rows.append(item(price, quantity, price * taxed / 100))
        whole += price * quantity
        share = price * quantity * percent / 100 if percent else coupon * (price * quantity / goods)
        off += share
        tax += (price * quantity - share) * taxed / 100
    delivery = shipping / 100
    tax += delivery * 0.2 if shipping_tax else 0.0
    totals = [total("sub_total", whole), total("coupon", -off, "Купон (2026)"), total("shipping", delivery)]
    totals += [total("tax", tax, "ПДВ"), total("total", whole - off + delivery + tax)]
    order = read(
        OrderRows(
            row(total=stored(whole - off + delivery + tax), currency_code="EUR", currency_value=f"{rate:.8f}"),
            rows, {}, totals,
        )
    )  # fmt: skip
    stated = cents(Decimal(stored(whole - off + delivery + tax)) * Decimal(f"{rate:.8f}"))
    assert order.total == stated
    assert made(order) == stated


@given(items=ITEMS, shipping=st.integers(0, 20_000))
def test_prices_in_cents_without_tax_are_exact(items: list[tuple[int, int, float]], shipping: int) -> None:
    rows = [item(number / 100, quantity) for number, quantity, _ in items]
    whole = sum(Decimal(number) / 100 * quantity for number, quantity, _ in items) + Decimal(shipping) / 100
    order = read(OrderRows(row(total=str(whole)), rows, {}, [total("shipping", shipping / 100)]))
    assert made(order) == order.total == whole
    assert order.discounts == ()
    assert order.delivery.cost == Decimal(shipping) / 100


def test_a_price_finer_than_its_column_is_taken_from_the_sum() -> None:
    # 300 pieces at a third of a hryvnia: 0.3333 x 300 would be 99.99
    order = read(OrderRows(row(total="100.0000"), [item(1 / 3, 300)], {}, [total("sub_total", 100.0)]))
    assert made(order) == Decimal("100.00")
    assert order.lines[0].price == Decimal("0.33333333")
    # a row whose sum is something else is taken as it says
    odd = item(10.0, 2, total="15.0000")
    assert read(OrderRows(row(total="20"), [odd], {}, [])).lines[0].price == Decimal(10)


def test_tax_is_inside_of_prices_and_the_rest_of_it_is_the_deliverys() -> None:
    order = read(
        OrderRows(
            row(total="252.0000"), [item(100.0, 2, 20.0)], {},
            [total("sub_total", 200.0), total("shipping", 10.0), total("tax", 42.0, "ПДВ")],
        )
    )  # fmt: skip
    assert order.prices_include_tax
    assert (order.lines[0].price, order.lines[0].tax_rate) == (Decimal("120.00"), Decimal(20))
    assert order.delivery.cost == Decimal("12.00")
    assert made(order) == Decimal("252.00")
    assert order_totals(order).tax == Decimal("40.00")


def test_tax_that_a_coupon_took_off_is_a_discount() -> None:
    order = read(
        OrderRows(
            row(total="216.0000"), [item(100.0, 2, 20.0)], {},
            [total("coupon", -20.0, "Купон (ОСІНЬ-10)"), total("tax", 36.0, "ПДВ (20%)")],
        )
    )  # fmt: skip
    assert [(one.amount, one.code, one.name) for one in order.discounts] == [
        (Decimal("20.00"), "ОСІНЬ-10", "Купон (ОСІНЬ-10)"), (Decimal("4.00"), "", "ПДВ (20%)"),
    ]  # fmt: skip
    assert made(order) == Decimal("216.00")


def test_every_kind_of_total_finds_its_place() -> None:
    order = read(
        OrderRows(
            row(total="135.5000"), [item(100.0, 1)], {},
            [
                total("sub_total", 100.0), total("shipping", 50.0), total("handling", 5.5),
                total("low_order_fee", 10.0),
                total("voucher", -20.0, "Сертифікат (GIFT-1)"), total("reward", -3.0, "Бали (300)"),
                total("credit", -7.0, "Рахунок"), total("cod_fee", 0.0), total("total", 135.5),
            ],
        )
    )  # fmt: skip
    assert order.delivery.cost == Decimal("50.00")
    assert order.payment.fee == Decimal("15.50")
    assert [(one.amount, one.code, one.name) for one in order.discounts] == [
        (Decimal("20.00"), "GIFT-1", "Сертифікат (GIFT-1)"), (Decimal("3.00"), "", "Бали (300)"),
        (Decimal("7.00"), "", "Рахунок"),
    ]  # fmt: skip
    assert made(order) == order.total == Decimal("135.50")


def test_a_gift_voucher_that_was_bought_is_an_item() -> None:
    voucher = {"description": "Подарунок &quot;100&quot;", "code": "AbC", "amount": "100.0000"}
    order = read(OrderRows(row(total="110"), [item(10.0, 1)], {}, [total("sub_total", 110.0)], [voucher]))
    assert [(one.code, one.name, one.price) for one in order.lines][1] == (
        "voucher AbC", 'Подарунок "100"', Decimal("100.00"),
    )  # fmt: skip
    assert made(order) == Decimal("110.00")


def test_f42_the_same_product_twice_and_a_gift_stay_lines() -> None:
    rows = [item(10.0, 1), item(9.0, 2), item(0.0, 1)]
    order = read(OrderRows(row(total="28"), rows, {}, []))
    assert [(one.price, one.quantity, one.number) for one in order.lines] == [
        (Decimal(10), Decimal(1), 1), (Decimal(9), Decimal(2), 2), (Decimal(0), Decimal(1), 3),
    ]  # fmt: skip


def test_an_order_in_another_currency_is_in_that_currency() -> None:
    order = read(
        OrderRows(row(total="1000.0000", currency_code="eur", currency_value="0.02000000"), [item(1000.0, 1)], {}, [])
    )
    assert (order.currency, order.total, order.lines[0].price) == ("EUR", Decimal("20.00"), Decimal("20.00"))
    assert order.rate == Decimal(50)  # hryvnias for one euro
    own = read(OrderRows(row(total="1", currency_code="UAH"), [item(1.0, 1)], {}, []))
    assert own.rate is None
    strange = read(OrderRows(row(total="1", currency_code="EUR"), [item(1.0, 1)], {}, []), own="USD")
    assert strange.rate is None  # dollars and euros say nothing of hryvnias


@pytest.mark.parametrize(
    "columns",
    [{"currency_code": "EUR", "currency_value": "0.00000000"}, {"currency_code": "EUR", "currency_value": None},
     {"date_added": "0000-00-00 00:00:00"}, {"total": None}],
)  # fmt: skip
def test_an_order_that_cannot_be_read_is_held_with_its_number(columns: dict[str, Any]) -> None:
    seen = desk().read(OrderRows(row(**columns), [item(1.0, 1)], {}, []), None)
    assert seen.order is None
    assert [finding.where.order for finding in seen.findings] == ["7"]
    assert (seen.id, seen.number, seen.status) == ("7", "7", "1")


# --- articles --------------------------------------------------------------------------------------------------------


def chosen(kind: str, name: str, value: str, number: int) -> Mapping[str, Any]:
    """A row of ``order_option``."""
    return {"order_product_id": 1, "product_option_value_id": number, "type": kind, "name": name, "value": value}


def test_what_was_chosen_and_written_is_told_and_ticks_of_one_option_together() -> None:
    options = [chosen("checkbox", "Додатково", "Кришка", 12), chosen("text", "Напис", "Вітаю &amp; люблю", 0),
               chosen("checkbox", "Додатково", "Ручка", 11)]  # fmt: skip
    order = read(OrderRows(row(total="1"), [item(1.0, 1)], {1: options}, []))
    assert dict(order.lines[0].attributes) == {"Додатково": "Кришка, Ручка", "Напис": "Вітаю & люблю"}


def test_an_item_is_named_by_its_model_or_by_what_the_catalogue_says() -> None:
    bare = item(1.0, 1, model=" А&amp;Б ")
    assert read(OrderRows(row(total="1"), [bare], {}, [])).lines[0].code == "А&Б"
    assert read(OrderRows(row(total="1"), [bare], {}, []), codes={1: "S-7"}).lines[0].code == "S-7"


# --- people, places, methods -----------------------------------------------------------------------------------------


def test_methods_are_columns_or_json() -> None:
    assert method_of({"payment_method": "ФОП &amp; Ко", "payment_code": "cod"}, "payment") == ("ФОП & Ко", "cod")
    json_text = '{"code":"flat.flat","name":"\\u041a\\u0443\\u0440\\u2019\\u0454\\u0440","cost":5.5}'
    assert method_of({"shipping_method": json_text}, "shipping") == ("Кур’єр", "flat.flat")
    for odd in ("", None, "[]", "null"):
        assert method_of({"shipping_method": odd}, "shipping") == ("", "")
    assert method_of({"shipping_method": "{щось"}, "shipping") == ("{щось", "")


def test_who_ordered_and_where_it_goes() -> None:
    place = {
        "payment_firstname": "Олена", "payment_lastname": "Шевченко", "payment_company": "ФОП &quot;О&amp;О&quot;",
        "payment_city": "Київ", "payment_country": "Ukraine", "payment_country_id": 220,
        "shipping_firstname": "Тарас", "shipping_lastname": "Шевченко", "shipping_company": "",
        "shipping_address_1": "вул. Хрещатик, 1", "shipping_address_2": "кв. 5", "shipping_city": "Київ",
        "shipping_postcode": "01001", "shipping_country": "Ukraine", "shipping_country_id": 220,
        "shipping_zone": "Kyiv",
        "custom_field": '{"1":"Іванівна","2":["а","б"],"3":""}', "payment_custom_field": "[]",
        "store_name": "Крамниця", "invoice_prefix": "INV-", "invoice_no": 12, "comment": "Дзвоніть &lt;після 9&gt;\r\n",
        "shipping_code": "pickup.pickup",
    }  # fmt: skip
    order = read(OrderRows(row(total="1", **place), [item(1.0, 1)], {}, []))
    assert (order.customer.kind, order.customer.company) == ("company", 'ФОП "О&О"')
    assert (order.customer.first_name, order.customer.last_name) == ("Олена", "Шевченко")
    assert order.customer.address.country == "UA"
    address = order.delivery.address
    assert (address.street, address.zip, address.region) == ("вул. Хрещатик, 1, кв. 5", "01001", "Kyiv")
    assert address.text == "Ukraine, Kyiv, Київ, вул. Хрещатик, 1, кв. 5, 01001"
    assert order.delivery.recipient is not None
    assert order.delivery.recipient.title == "Шевченко Тарас"
    assert (order.delivery.carrier, order.delivery.service) == ("pickup", "pickup")
    assert order.comment == "Дзвоніть <після 9>"
    assert dict(order.extra) == {
        "payment_code": "cod", "shipping_code": "pickup.pickup", "store": "Крамниця", "invoice": "INV-12",
        "custom_field.1": "Іванівна", "custom_field.2": "а, б",
    }  # fmt: skip


def test_a_carrier_is_known_by_the_code_of_its_method() -> None:
    settings = SETTINGS.model_copy(update={"carriers": {"novaposhta": "nova-poshta"}})
    order = read(
        OrderRows(row(total="1", shipping_code="novaposhta.department"), [item(1.0, 1)], {}, []), settings=settings
    )
    assert order.delivery.carrier == "nova-poshta"


def test_a_revision_is_of_the_content_and_the_status() -> None:
    one = OrderRows(row(), [item(1.0, 1)], {1: [chosen("select", "Розмір", "M", 11)]}, [total("total", 1.0)])
    same = OrderRows(row(date_modified="2027-01-01 00:00:00"), one.products, one.options, one.totals)
    assert revision_of(one) == revision_of(same)
    others = [
        OrderRows(row(order_status_id=2), one.products, one.options, one.totals),
        OrderRows(row(), [item(1.0, 2)], one.options, one.totals),
        OrderRows(row(), one.products, {}, one.totals),
        OrderRows(row(), one.products, one.options, []),
    ]
    assert len({revision_of(other) for other in (one, *others)}) == 5
