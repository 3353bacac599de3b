"""Orders of a shop: read to the cent, in their order, written back once; and webhooks as hints."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.api import Held, Hint, InDoubt, OrderChange, Refused, RowOutcome, SeenOrder, Transient, order_totals
from pipeline.testing.sync_subject import done
from plugins.systems.woocommerce.ordering import Desk
from plugins.systems.woocommerce.settings import WooSettings
from tests.systems.woocommerce.conftest import Clock
from tests.systems.woocommerce.shops import Shop, served

ORDERS = "/wp-json/wc/v3/orders"
BUYER = {
    "first_name": "Олена", "last_name": "Коваленко", "phone": "+380500000000", "email": "o@example.com",
    "city": "Львів", "address_1": "вул. Зелена, 5", "address_2": "кв. 3", "postcode": "79000", "country": "UA",
}  # fmt: skip


@pytest.fixture
def shop(clock: Clock) -> Iterator[Shop]:
    with served(clock, page=5) as made:
        yield made


def told(shop: Shop, since: datetime | None = None, until: datetime | None = None, **more: Any) -> list[SeenOrder]:
    statuses = more.pop("only", ())
    return list(shop.open(**more).orders(since, until, statuses))


def apply(shop: Shop, *changes: OrderChange, **more: Any) -> list[RowOutcome]:
    return list(shop.open(**more).apply_orders(changes))


def notes(shop: Shop, order: int) -> list[str]:
    found = [row["note"] for row in shop.fake.shop.tables["notes"].values() if row["order"] == order]
    return [one for one in found if not one.startswith("Order status changed")]


# --- reading ---------------------------------------------------------------------------------------------------------


def test_an_order_is_read_whole(shop: Shop) -> None:
    leaf = shop.fake.add_product("LMP-9", "Лак & ґрунт", "450.50")
    base = shop.fake.add_variable("Емаль", {"Колір": ["Синя"]})
    blue = shop.fake.add_variation(base, "EM-B", {"Колір": "Синя"}, "180")
    key = shop.fake.add_order(
        [(leaf, 2), (blue, 1)],
        billing={**BUYER, "company": ""},
        shipping={"first_name": "Іван", "last_name": "Франко", "city": "Київ", "address_1": "Відділення №5"},
        payment_method="cod",
        payment_method_title="Накладений платіж",
        transaction_id="T-1",
        customer_note="Подзвоніть",
        shipping_lines=[{"id": 1, "method_id": "nova_poshta", "method_title": "Нова Пошта", "total": "70"}],
        fee_lines=[
            {"id": 2, "name": "Пакування", "total": "15.50", "total_tax": "0"},
            {"id": 3, "name": "Постійний покупець", "total": "-10", "total_tax": "0"},
        ],
        coupon_lines=[{"id": 4, "code": "літо", "discount": "0", "discount_tax": "0"}],
        meta=[
            {"id": 1, "key": "billing_edrpou", "value": "12345678"},
            {"id": 2, "key": "np_ref", "value": "abc-1"},
            {"id": 3, "key": "_hidden", "value": "x"},
            {"id": 4, "key": "gift", "value": "так"},
            {"id": 5, "key": "parts", "value": {"a": 1}},
        ],
    )
    (seen,) = told(
        shop,
        carriers={"nova_poshta": "nova-poshta"},
        meta={"edrpou": "billing_edrpou", "branch_ref": "np_ref"},
    )
    order = seen.order
    assert order is not None
    assert (seen.id, seen.number, seen.status, seen.findings) == (str(key), str(key), "processing", ())
    assert [(one.code, one.name, one.quantity, one.price) for one in order.lines] == [
        ("LMP-9", "Лак & ґрунт", Decimal(2), Decimal("450.50")),
        ("EM-B", "Емаль - Синя", Decimal(1), Decimal("180.00")),
    ]
    assert order.lines[1].attributes == {"Колір": "Синя"}
    assert order.total == Decimal("1156.50") == order_totals(order).total
    assert order.customer.title == "Коваленко Олена"
    assert (order.customer.edrpou, order.customer.phone) == ("12345678", "+380500000000")
    assert order.customer.address.street == "вул. Зелена, 5, кв. 3"
    assert (order.delivery.carrier, order.delivery.method) == ("nova-poshta", "Нова Пошта")
    assert (order.delivery.city, order.delivery.branch_ref, order.delivery.service) == ("Київ", "abc-1", "branch")
    assert order.delivery.recipient is not None
    assert order.delivery.recipient.title == "Франко Іван"
    assert order.delivery.cost == Decimal(70)
    assert (order.payment.method, order.payment.fee, order.payment.transaction) == (
        "Накладений платіж", Decimal("15.50"), "T-1",
    )  # fmt: skip
    assert [(one.name, one.amount) for one in order.discounts] == [("Постійний покупець", Decimal(10))]
    assert order.comment == "Подзвоніть"
    assert (order.source, order.currency) == ("shop", "UAH")
    assert order.extra == {
        "payment_code": "cod", "shipping_code": "nova_poshta", "coupons": "літо", "created_via": "checkout",
        "gift": "так", "billing_edrpou": "12345678", "np_ref": "abc-1",
    }  # fmt: skip


def test_a_product_that_is_gone_is_named_as_a_mapping_names_it(shop: Shop) -> None:
    key = shop.fake.add_product("A-1", "Лак", "10")
    shop.fake.add_order([(key, 1)])
    before = told(shop)[0]
    shop.remove(str(key))
    after = told(shop)[0]
    assert before.order is not None
    assert after.order is not None
    assert (before.order.lines[0].code, after.order.lines[0].code) == ("A-1", f"#{key}")
    assert before.revision == after.revision, "it is the same order all the same"


def test_orders_come_by_their_changes_each_once(shop: Shop) -> None:
    product = shop.fake.add_product("A-1", "Лак", "10")
    keys = []
    for _ in range(12):
        keys.append(shop.fake.add_order([(product, 1)]))
        shop.clock.pass_(minutes=1)
    with shop.fake.lock:
        shop.fake.shop.tables["orders"][keys[0]]["modified"] = shop.fake.shop.stamp()
    assert [one.id for one in told(shop)] == [str(key) for key in [*keys[1:], keys[0]]]


def test_orders_since_and_until_and_by_status(shop: Shop) -> None:
    product = shop.fake.add_product("A-1", "Лак", "10")
    early = shop.fake.add_order([(product, 1)], status="completed")
    since = shop.tick()
    late = shop.fake.add_order([(product, 1)])
    until = shop.tick()
    shop.fake.add_order([(product, 1)], status="on-hold")
    assert [one.id for one in told(shop, since, until)] == [str(late)]
    assert [one.status for one in told(shop, since)] == ["processing", "on-hold"]
    assert [one.id for one in told(shop, only=("completed",))] == [str(early)]
    assert [one.status for one in told(shop, statuses=["on-hold", "completed"])] == ["completed", "on-hold"]


@pytest.mark.parametrize("status", ["checkout-draft", "trash"])
def test_carts_and_the_trash_are_no_orders(shop: Shop, status: str) -> None:
    product = shop.fake.add_product("A-1", "Лак", "10")
    shop.fake.add_order([(product, 1)], status=status)
    assert told(shop) == []
    assert [one.status for one in told(shop, only=(status,))] == [status]


def test_a_status_that_the_shop_has_not_is_told(shop: Shop) -> None:
    with pytest.raises(Refused, match="is not one of"):
        told(shop, only=("shiped",))


def test_an_order_that_cannot_be_read_is_told_with_what_is_wrong() -> None:
    seen = Desk(settings(), "shop").read({"id": 5, "number": "A5", "status": "processing", "total": "багато"})
    assert seen.order is None
    assert {one.where.element for one in seen.findings} == {"total", "date_created_gmt", "currency"}
    assert (seen.id, seen.number) == ("5", "A5")


def test_an_order_is_another_event_when_its_content_or_status_changes(shop: Shop) -> None:
    product = shop.fake.add_product("A-1", "Лак", "10")
    key = shop.fake.add_order([(product, 1)])
    row = shop.fake.shop.tables["orders"][key]
    first = told(shop)[0].revision
    shop.clock.pass_(hours=1)
    row |= {"modified": shop.fake.shop.stamp(), "meta": [{"id": 1, "key": "_seen_by", "value": "bot"}]}
    assert told(shop)[0].revision == first
    row["customer_note"] = "Швидше"
    second = told(shop)[0].revision
    row["status"] = "completed"
    assert len({first, second, told(shop)[0].revision}) == 3


def test_statuses_are_told(shop: Shop) -> None:
    core = ["pending", "processing", "on-hold", "completed", "cancelled", "refunded", "failed"]
    assert [one.code for one in shop.open().order_statuses()] == core
    rows = [{"slug": "processing", "name": "В обробці", "total": 3}, {"slug": "packed", "name": "Зібрано", "total": 0}]
    shop.fake.add("GET", "/wp-json/wc/v3/reports/orders/totals", lambda _asked: rows)
    refs = shop.open().order_statuses()
    assert [(one.code, one.name) for one in refs] == [("processing", "В обробці"), ("packed", "Зібрано")]


# --- money -----------------------------------------------------------------------------------------------------------


def settings(**more: Any) -> WooSettings:
    return WooSettings.model_validate({"url": "https://shop.example", "key": "ck_1", "secret": "cs_1", **more})


def cents(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.01"), ROUND_HALF_UP)


MONEY = st.decimals(0, 5000, places=2, allow_nan=False)
LINE = st.tuples(MONEY, MONEY, st.integers(1, 40))


@given(st.lists(LINE, min_size=1, max_size=8), MONEY, MONEY, st.sampled_from([0, 7, 20]), st.booleans())
def test_the_parts_of_an_order_make_its_total(
    lines: list[tuple[Decimal, Decimal, int]], shipping: Decimal, fee: Decimal, rate: int, at_the_end: bool
) -> None:
    def taxed(net: Decimal) -> dict[str, Any]:
        tax = net * rate / 100
        return {"total": f"{net:.2f}", "total_tax": f"{cents(tax):.2f}", "taxes": [{"id": 1, "total": f"{tax:.6f}"}]}

    rows = []
    for one, other, count in lines:
        net = min(one, other)
        before = max(one, other)
        sums = {"subtotal": f"{before:.2f}", "subtotal_tax": f"{cents(before * rate / 100):.2f}"}
        rows.append({"quantity": count, "name": "x", "sku": "A", **taxed(net), **sums})
    parts = [min(one, other) for one, other, _ in lines] + [shipping, fee]
    # a shop may round the tax of each part, or only their sum
    tax = cents(sum(parts, Decimal(0)) * rate / 100) if at_the_end else sum(cents(one * rate / 100) for one in parts)
    total = sum(parts, Decimal(0)) + tax
    row = {
        "id": 1, "status": "processing", "currency": "UAH", "date_created_gmt": "2026-11-22T10:00:00",
        "total": f"{total:.2f}", "line_items": rows, "shipping_lines": [taxed(shipping)], "fee_lines": [taxed(fee)],
        "tax_lines": [{"rate_id": 1, "rate_percent": rate, "tax_total": f"{tax:.2f}", "shipping_tax_total": "0"}],
    }  # fmt: skip
    order = Desk(settings(), "shop").read(row).order
    assert order is not None
    assert order_totals(order).total == order.total == total
    assert all(line.discount >= 0 and line.price >= 0 for line in order.lines)


def test_what_is_off_by_more_than_rounding_is_left_to_be_told() -> None:
    row = {
        "id": 1, "status": "processing", "currency": "UAH", "date_created_gmt": "2026-11-22T10:00:00", "total": "12.00",
        "line_items": [{"quantity": 1, "name": "x", "sku": "A", "subtotal": "10.00", "total": "10.00"}],
    }  # fmt: skip
    order = Desk(settings(), "shop").read(row).order
    assert order is not None
    assert (order.total, order_totals(order).total) == (Decimal("12.00"), Decimal("10.00"))


def test_taxes_coupons_and_refunds() -> None:
    taxes = [{"id": 3, "total": "16.00", "subtotal": "20.00"}]
    row = {
        "id": 1, "status": "refunded", "currency": "UAH", "date_created_gmt": "2026-11-22T10:00:00",
        "date_paid_gmt": "2026-11-22T10:05:00", "total": "96.00",
        "line_items": [{
            "quantity": 2, "name": "x", "sku": "A", "subtotal": "100.00", "subtotal_tax": "20.00", "total": "80.00",
            "total_tax": "16.00", "taxes": taxes,
        }],
        "tax_lines": [{"rate_id": 3, "rate_percent": Decimal("20.0"), "tax_total": "16.00", "shipping_tax_total": "0"}],
        "coupon_lines": [{"code": "літо"}], "refunds": [{"id": 1, "total": "-96.00"}],
    }  # fmt: skip
    order = Desk(settings(), "shop").read(row).order
    assert order is not None
    (line,) = order.lines
    assert (line.price, line.discount, line.tax_rate) == (Decimal("60.00"), Decimal("24.00"), Decimal(20))
    assert order.taxes == ((Decimal(20), Decimal("16.00")),)
    assert order.discounts == (), "a coupon is in the lines"
    assert (order.payment.status, order.payment.paid) == ("paid", Decimal("96.00"))
    assert order.extra["refunded"] == "96.00"
    assert order_totals(order).differences == ()


WEIRD = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=8) | st.decimals(-9, 9, allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "total", "key", "value", "taxes", "quantity", "meta_data"]), inner)
    ),
    max_leaves=8,
)
NAMES = ("id", "total", "line_items", "shipping_lines", "fee_lines", "tax_lines", "meta_data", "billing", "shipping")


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, WEIRD)))
def test_a_row_of_any_shape_never_breaks(row: Mapping[str, Any]) -> None:
    seen = Desk(settings(), "shop").read({"date_created_gmt": "2026-11-22T10:00:00", "currency": "UAH", **row})
    assert (seen.order is None) == bool(seen.findings)


# --- writing back ----------------------------------------------------------------------------------------------------


def order_in(shop: Shop, **values: Any) -> int:
    product = shop.fake.products.by_sku("A-1") or [{"id": shop.fake.add_product("A-1", "Лак", "10")}]
    return shop.fake.add_order([(product[0]["id"], 1)], **values)


def test_an_order_is_told_what_became_of_it_once(shop: Shop) -> None:
    key = order_in(shop)
    change = OrderChange(id=str(key), status="completed", number="INT-7", tracking="2045 00", comment="Зібрано & є")
    (outcome,) = apply(shop, change)
    done([outcome])
    assert not outcome.existed
    row = shop.fake.shop.tables["orders"][key]
    assert row["status"] == "completed"
    assert notes(shop, key) == ["Документ INT-7", "ТТН 2045 00", "Зібрано &amp; є"]
    (outcome,) = apply(shop, change)
    assert outcome.existed
    assert len(notes(shop, key)) == 3
    assert told(shop)[0].order.delivery.tracking == "2045 00"  # type: ignore[union-attr]


def test_what_is_not_named_stays(shop: Shop) -> None:
    key = order_in(shop)
    done(apply(shop, OrderChange(id=str(key), tracking="1", number=None)))
    row = shop.fake.shop.tables["orders"][key]
    assert (row["status"], notes(shop, key)) == ("processing", ["ТТН 1"])
    done(apply(shop, OrderChange(id=str(key), tracking="2")))
    assert notes(shop, key) == ["ТТН 1", "ТТН 2"]


def test_the_buyer_is_told_of_a_parcel_when_so_set_and_a_plugins_field_is_filled(shop: Shop) -> None:
    key = order_in(shop)
    done(apply(shop, OrderChange(id=str(key), tracking="1"), tell_buyer=True, meta={"tracking": "_ttn"}))
    row = shop.fake.shop.tables["orders"][key]
    assert {one["key"]: one["value"] for one in row["meta"]}["_ttn"] == "1"
    (note,) = [one for one in shop.fake.shop.tables["notes"].values() if one["note"] == "ТТН 1"]
    assert note["customer_note"]


def test_a_bad_row_spoils_no_other(shop: Shop) -> None:
    one, other = order_in(shop), order_in(shop)
    outcomes = apply(
        shop,
        OrderChange(id=str(one), status="shiped"),
        OrderChange(id="987654321", status="completed"),
        OrderChange(id=str(other), status="completed"),
    )
    assert [isinstance(each.error, Held) for each in outcomes] == [True, True, False]
    assert "status is not one of" in str(outcomes[0].error)
    assert shop.fake.shop.tables["orders"][other]["status"] == "completed"


def test_a_note_whose_reply_is_lost_is_not_written_twice(shop: Shop) -> None:
    key = order_in(shop)
    shop.fake.lose_reply(method="POST", path=rf"{ORDERS}/{key}/notes")
    done(apply(shop, OrderChange(id=str(key), number="INT-7")))
    assert notes(shop, key) == ["Документ INT-7"]


def test_a_note_that_was_not_written_stays_in_doubt_and_is_written_later(shop: Shop) -> None:
    key = order_in(shop)
    shop.fake.drop(method="POST", path=rf"{ORDERS}/{key}/notes")
    (outcome,) = apply(shop, OrderChange(id=str(key), number="INT-7", status="completed"))
    assert isinstance(outcome.error, InDoubt)
    assert shop.fake.shop.tables["orders"][key]["status"] == "processing"
    done(apply(shop, OrderChange(id=str(key), number="INT-7", status="completed")))
    assert notes(shop, key) == ["Документ INT-7"]


def test_a_run_that_dies_between_note_and_status_goes_on_without_a_second_note(shop: Shop) -> None:
    key = order_in(shop)
    shop.fake.fail(503, times=4, method="PUT", path=ORDERS)
    with pytest.raises(Transient):
        apply(shop, OrderChange(id=str(key), number="INT-7", status="completed"))
    done(apply(shop, OrderChange(id=str(key), number="INT-7", status="completed")))
    assert notes(shop, key) == ["Документ INT-7"]


# --- webhooks --------------------------------------------------------------------------------------------------------


def signed(body: bytes, secret: str) -> str:
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


@pytest.mark.parametrize(
    ("topic", "kinds"),
    [
        ("order.updated", {"orders"}),
        ("order.deleted", {"orders"}),
        ("product.created", {"catalogue", "stock"}),
        ("coupon.created", set()),
        ("", set()),
    ],
)
def test_a_webhook_says_what_may_have_changed(shop: Shop, topic: str, kinds: set[str]) -> None:
    hint = shop.open().hint({"X-WC-Webhook-Topic": topic}, json.dumps({"id": 12}).encode())
    assert hint == Hint(frozenset(kinds), ("12",) if kinds else ())


@pytest.mark.parametrize("body", [b"", b"webhook_id=5", b"[1]", b'{"id": "x"}', b"[" * 100_000, b"\xff"])
def test_a_webhook_of_any_shape_never_breaks(shop: Shop, body: bytes) -> None:
    assert shop.open().hint({"x-wc-webhook-topic": "order.updated"}, body) == Hint(frozenset({"orders"}))


def test_a_signature_is_looked_at_when_there_is_a_secret(shop: Shop) -> None:
    body = b'{"id": 12}'
    system = shop.open(webhook_secret="hush")
    for signature, believed in (
        (signed(body, "hush"), True),
        (signed(body, "other"), False),
        ("ключ", False),
        ("", False),
    ):
        headers = {"X-WC-Webhook-Topic": "order.created", "X-WC-Webhook-Signature": signature}
        assert bool(system.hint(headers, body).kinds) == believed


def test_changes_wait_for_their_overlap(shop: Shop) -> None:
    key = order_in(shop)
    assert [one.id for one in told(shop, shop.clock.moment + timedelta(minutes=1))] == [str(key)]
