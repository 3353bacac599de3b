"""Orders of a real database: read in the order in which they changed, and told what became of them. Both versions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr

from pipeline.errors import ConfigError, Held, Refused, Transient
from pipeline.model import Order
from pipeline.ports import OrderChange, RowOutcome, SeenOrder
from pipeline.rules.pricing import order_totals
from pipeline.testing.tcpproxy import TcpProxy
from tests.systems.opencart.shops import Shop, demo
from tests.systems.opencart.test_connecting import grants
from tests.systems.opencart.test_reading import told

pytestmark = [pytest.mark.server("mariadb"), pytest.mark.xdist_group("mariadb-2")]


def seen(shop: Shop, *args: Any, **settings: Any) -> list[SeenOrder]:
    """The orders that a session of its own tells."""
    system = shop.open(**settings)
    found = list(system.orders(*args))
    system.close()
    return found


def the_order(shop: Shop, number: str = "1", **settings: Any) -> Order:
    """One of them, whole."""
    (found,) = (one.order for one in seen(shop, **settings) if one.id == number)
    assert found is not None
    return found


def apply(shop: Shop, *changes: OrderChange, **settings: Any) -> list[RowOutcome]:
    """Write back."""
    system = shop.open(**settings)
    outcomes = list(system.apply_orders(changes))
    system.close()
    return outcomes


def history(shop: Shop, number: int = 1) -> list[tuple[int, int, str]]:
    """(status, notify, comment) of the order's history after the first row."""
    rows = shop.run("select * from {p}order_history where order_id = %s order by order_history_id", [number])
    return [(row["order_status_id"], row["notify"], row["comment"]) for row in rows[1:]]


def add(shop: Shop, number: int, at: str, **columns: Any) -> None:
    """Another order like the demo shop's, placed at a time of the shop's clock (UTC)."""
    rows = {name: [dict(one) for one in demo()[name]] for name in ("order", "order_product", "order_total")}
    for name, found in rows.items():
        for row in found:
            row["order_id"] = number
            if name != "order":
                del row[f"{name}_id"]
    rows["order"][0] |= {"date_added": at, "date_modified": at, **columns}
    shop.load(rows)


# --- reading ---------------------------------------------------------------------------------------------------------


def test_the_demo_order_is_told_to_the_cent(demo_shop: Shop) -> None:
    (found,) = seen(demo_shop)
    order = found.order
    assert order is not None
    assert (found.id, found.number, found.status, found.findings) == ("1", "1", "1", ())
    assert found.updated_at == order.updated_at == datetime(2026, 11, 22, 3, 59, 13, tzinfo=UTC)
    assert (order.source, order.currency, order.total) == ("shop", "USD", Decimal("307.00"))
    assert order_totals(order).total == Decimal("307.00")
    assert [(one.code, one.name, one.quantity, one.price, dict(one.attributes)) for one in order.lines] == [
        ("product 11", "iPhone", Decimal(2), Decimal("101.00"), {}),
        ("Product 21", "HP LP3065", Decimal(1), Decimal("100.00"), {"Delivery Date": "2026-11-25"}),
    ]
    assert order.customer.company == 'ФОП Шевченко "О&О"'
    assert (order.customer.first_name, order.customer.phone) == ("Олена", "+380671234567")
    assert (order.delivery.cost, order.delivery.method) == (Decimal("5.00"), "Flat Shipping Rate")
    assert (order.delivery.address.country, order.delivery.address.city) == ("UA", "Київ")
    assert order.delivery.recipient is None
    assert (order.payment.method, order.payment.status) == ("Cash On Delivery", "unpaid")
    assert order.extra["payment_code"] == "cod"
    assert order.extra["shipping_code"] == "flat.flat"
    assert order.comment == "Передзвоніть"
    assert order.language == "en-gb"
    assert order.rate is None


def test_carts_that_were_never_finished_are_no_orders(demo_shop: Shop) -> None:
    add(demo_shop, 2, "2026-11-23 10:00:00", order_status_id=0)
    assert [one.id for one in seen(demo_shop)] == ["1"]
    demo_shop.run("update {p}order set order_status_id = 1 where order_id = 2")
    assert [one.id for one in seen(demo_shop)] == ["1", "2"]


def test_only_orders_of_the_store(demo_shop: Shop) -> None:
    add(demo_shop, 2, "2026-11-23 10:00:00", store_id=3)
    assert [one.id for one in seen(demo_shop)] == ["1"]
    assert [one.id for one in seen(demo_shop, store=3)] == ["2"]


def test_they_come_by_the_time_of_their_change_and_of_the_statuses_that_are_asked_for(demo_shop: Shop) -> None:
    add(demo_shop, 2, "2026-11-24 10:00:00", order_status_id=5)
    add(demo_shop, 3, "2026-11-23 10:00:00", order_status_id=2)
    add(demo_shop, 4, "2026-11-23 10:00:00", order_status_id=5)
    assert [one.id for one in seen(demo_shop)] == ["1", "3", "4", "2"]
    assert [one.id for one in seen(demo_shop, page=1)] == ["1", "3", "4", "2"]
    assert [one.id for one in seen(demo_shop, None, None, ["5"])] == ["4", "2"]
    assert seen(demo_shop, None, None, ["99"]) == []
    since, until = datetime(2026, 11, 23, 10, 4, tzinfo=UTC), datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
    assert [one.id for one in seen(demo_shop, since)] == ["3", "4", "2"]  # with five minutes of overlap
    assert [one.id for one in seen(demo_shop, since, until)] == ["3", "4"]
    assert [one.id for one in seen(demo_shop, since + timedelta(minutes=2))] == ["2"]


def test_a_change_of_status_that_only_the_history_tells_is_a_change(demo_shop: Shop) -> None:
    # 4.1 leaves date_modified alone
    before = seen(demo_shop)[0].revision
    since = datetime(2026, 11, 26, tzinfo=UTC)
    assert seen(demo_shop, since) == []
    demo_shop.run("update {p}order set order_status_id = 2")
    row = {"order_id": 1, "order_status_id": 2, "notify": 0, "comment": "", "date_added": "2026-11-27 08:00:00"}
    demo_shop.insert("order_history", row)
    (found,) = seen(demo_shop, since)
    assert (found.status, found.updated_at) == ("2", datetime(2026, 11, 27, 8, tzinfo=UTC))
    assert found.revision != before
    demo_shop.run("update {p}order set order_status_id = 1")
    assert seen(demo_shop)[0].revision == before


def test_times_are_of_the_shops_zone(demo_shop: Shop) -> None:
    order = the_order(demo_shop, timezone="Europe/Kyiv")
    assert order.created_at == datetime(2026, 11, 22, 1, 59, 13, tzinfo=UTC)
    since = datetime(2026, 11, 22, 2, 10, tzinfo=UTC)
    assert seen(demo_shop, since, timezone="Europe/Kyiv") == []
    assert len(seen(demo_shop, since, timezone="UTC")) == 1


def test_an_item_has_the_article_that_its_variant_has_in_the_catalogue(demo_shop: Shop) -> None:
    offers = told(demo_shop)
    options = [(6, "radio", "Radio", "Medium"), (4, "select", "Select", "Red"), (0, "text", "Text", "Вітаю")]
    demo_shop.run("update {p}order_product set product_id = 42, model = 'Product 15' where order_product_id = 1")
    for value, kind, name, chosen in options:
        demo_shop.insert("order_option", {
            "order_id": 1, "order_product_id": 1, "product_option_id": 218, "product_option_value_id": value,
            "name": name, "value": chosen, "type": kind,
        })  # fmt: skip
    line = the_order(demo_shop).lines[0]
    assert line.code == "Product 15-31-39"
    assert line.code in {offer.keys["model"] for offer in offers.values()}
    assert dict(line.attributes) == {"Radio": "Medium", "Select": "Red", "Text": "Вітаю"}
    named = the_order(demo_shop, variant_key="{key}/{values}").lines[0].code
    assert named in {offer.keys["model"] for offer in told(demo_shop, variant_key="{key}/{values}").values()}
    demo_shop.run("delete from {p}product_option_value where product_option_value_id = 6")
    assert the_order(demo_shop).lines[0].code == "Product 15 [Radio: Medium, Select: Red]"
    demo_shop.run("delete from {p}product where product_id = 42")
    assert the_order(demo_shop).lines[0].code == "Product 15 [Radio: Medium, Select: Red]"


@pytest.mark.parametrize("by_master", [False, True])  # as 4.1 and as 4.0 keep it
def test_a_variant_product_in_an_order_has_its_own_article(
    copied: Callable[[str, bool], Shop], by_master: bool
) -> None:
    import json

    shop = copied("4.1", True)
    master = shop.product(model="AB")
    small, _ = shop.option(master, "select", "Розмір", [{"name": "S"}, {"name": "M"}])
    red, blue = shop.option(master, "radio", "Колір", [{"name": "Red"}, {"name": "Blue"}])
    own = shop.run("select product_option_value_id as v, product_option_id as o from {p}product_option_value")
    option = {row["v"]: row["o"] for row in own}
    child = shop.product(
        model="AB-S", master_id=master, variant=json.dumps({option[small]: str(small)}),
        override=json.dumps({"variant": {option[small]: "1"}}),
    )  # fmt: skip
    plain = shop.product(model="AB-X", master_id=master)
    product = (master, 0) if by_master else (child, master)
    shop.run(
        "update {p}order_product set product_id = %s, master_id = %s, model = 'x' where order_product_id = 1", product
    )
    shop.run("update {p}order_product set product_id = %s, master_id = %s where order_product_id = 2", [plain, master])
    for value, kind, name, said in ((small, "select", "Розмір", "S"), (blue, "radio", "Колір", "Blue")):
        shop.insert("order_option", {
            "order_id": 1, "order_product_id": 1, "product_option_id": option[value], "product_option_value_id": value,
            "name": name, "value": said, "type": kind,
        })  # fmt: skip
    assert red < blue
    codes = [line.code for line in the_order(shop).lines]
    assert codes[0].startswith("AB-S-")
    assert codes[1] == "AB-X"
    articles = {offer.keys["model"] for offer in told(shop).values()}
    assert set(codes) <= articles
    capped = [line.code for line in the_order(shop, max_variants=1).lines]
    assert capped == ["AB" if by_master else "AB-S", "AB-X"]


def test_an_item_of_a_product_that_is_told_without_variants_has_the_products_article(demo_shop: Shop) -> None:
    demo_shop.run("update {p}order_product set product_id = 42, model = 'Product 15' where order_product_id = 1")
    chosen = [(6, "radio", "Radio", "Medium"), (4, "select", "Select", "Red")]
    for value, kind, name, said in chosen:
        demo_shop.insert("order_option", {
            "order_id": 1, "order_product_id": 1, "product_option_id": 218, "product_option_value_id": value,
            "name": name, "value": said, "type": kind,
        })  # fmt: skip
    assert the_order(demo_shop, max_variants=12).lines[0].code == "Product 15-31-39"
    line = the_order(demo_shop, max_variants=11).lines[0]
    assert line.code == "Product 15"
    assert line.code in {offer.keys["model"] for offer in told(demo_shop, max_variants=11).values()}
    assert dict(line.attributes) == {"Radio": "Medium", "Select": "Red"}
    # one of two options that the product must have: that combination is not sold
    demo_shop.run("delete from {p}order_option where product_option_value_id = 4")
    assert the_order(demo_shop, max_variants=12).lines[0].code == "Product 15 [Radio: Medium]"


def test_the_article_that_is_meant_is_looked_up(demo_shop: Shop) -> None:
    if demo_shop.version == "3.0":
        demo_shop.run("update {p}product set sku = 'IP-&amp;1' where product_id = 40")
    else:
        demo_shop.insert("product_code", {"product_id": 40, "code": "SKU", "value": "IP-&amp;1"})
    assert [one.code for one in the_order(demo_shop, article="sku").lines] == ["IP-&1", "Product 21"]


def test_gift_vouchers_of_the_older_version_are_items(copied: Callable[[str, bool], Shop]) -> None:
    shop = copied("3.0", True)
    shop.insert("order_voucher", {
        "order_id": 1, "voucher_id": 1, "description": "100 $", "code": "GIFT", "amount": "100.0000", "message": "",
    })  # fmt: skip
    shop.run("update {p}order set total = 407")
    order = the_order(shop)
    assert order.lines[2].code == "voucher GIFT"
    assert order_totals(order).total == order.total == Decimal("407.00")


def test_columns_that_are_empty_are_no_trouble(copied: Callable[[str, bool], Shop]) -> None:
    shop = copied("4.1", False)
    shop.insert("order", {
        "order_id": 9, "order_status_id": 1, "store_id": 0, "total": 0, "currency_code": "USD", "currency_value": 1,
        "date_added": "2026-11-22 03:59:13", "date_modified": "2026-11-22 03:59:13",
    })  # fmt: skip
    order = the_order(shop, "9")
    assert order.lines == ()
    assert order.customer.title == ""
    assert order.payment.method == ""


def test_the_statuses_are_told_by_number(demo_shop: Shop) -> None:
    system = demo_shop.open()
    refs = system.order_statuses()
    assert len(refs) == 14
    assert [(one.id, one.code, one.name) for one in refs[:2]] == [("1", "1", "Pending"), ("2", "2", "Processing")]
    assert system.references("status") == refs
    assert system.references("party") == ()
    system.close()


def test_a_line_that_breaks_in_the_middle_of_reading_orders_loses_none(demo_shop: Shop) -> None:
    for number in range(2, 12):
        add(demo_shop, number, f"2026-11-23 10:00:{number:02d}")
    with TcpProxy((demo_shop.server.host, demo_shop.server.port)) as proxy:
        system = demo_shop.open(host=proxy.host, port=proxy.port, page=2)
        reading = system.orders()
        found = [next(reading).id]
        proxy.cut(after=1500, times=1)
        found += [one.id for one in reading]
        system.close()
    assert proxy.fired == 1
    assert found == [str(number) for number in range(1, 12)]


# --- writing ---------------------------------------------------------------------------------------------------------


def test_a_status_is_written_once_with_its_history(demo_shop: Shop) -> None:
    change = OrderChange(id="1", status="5")
    (first,) = apply(demo_shop, change, timezone="Europe/Kyiv")
    assert (first.error, first.existed, first.ids) == (None, False, ("1",))
    assert history(demo_shop) == [(5, 0, "")]
    (row,) = demo_shop.run("select order_status_id, date_modified from {p}order")
    assert (row["order_status_id"], str(row["date_modified"])) == (5, "2026-11-28 14:00:00")
    (step,) = demo_shop.run("select date_added from {p}order_history order by order_history_id desc limit 1")
    assert str(step["date_added"]) == "2026-11-28 14:00:00"
    (again,) = apply(demo_shop, change)
    assert again.existed
    assert history(demo_shop) == [(5, 0, "")]
    assert seen(demo_shop)[0].status == "5"
    (back,) = apply(demo_shop, OrderChange(id="1", status="1"))
    assert not back.existed
    assert [step[0] for step in history(demo_shop)] == [5, 1]


def test_f43_cancelled_twice_is_cancelled_once_and_stock_is_left_alone(demo_shop: Shop) -> None:
    before = demo_shop.run("select sum(quantity) as n from {p}product")
    for expected in (False, True):
        (outcome,) = apply(demo_shop, OrderChange(id="1", status="7"))
        assert outcome.existed is expected
    assert len(history(demo_shop)) == 1
    assert demo_shop.run("select sum(quantity) as n from {p}product") == before


def test_number_parcel_and_comment_are_told_in_the_history_once(demo_shop: Shop) -> None:
    change = OrderChange(id="1", status="3", number="000017", tracking="20450000000000", comment="Рядок <1>\nрядок 2")
    (outcome,) = apply(demo_shop, change)
    assert outcome.error is None
    text = "Документ 000017\nТТН 20450000000000\nРядок &lt;1&gt;\nрядок 2"
    assert history(demo_shop) == [(3, 0, text)]
    (again,) = apply(demo_shop, change)
    assert again.existed
    (other,) = apply(demo_shop, OrderChange(id="1", tracking="2045000000000"), show_to_buyer=True)  # a shorter number
    assert not other.existed
    assert history(demo_shop)[1:] == [(3, 1, "ТТН 2045000000000")]
    (none,) = apply(demo_shop, OrderChange(id="1", number="", comment=" \n"))
    assert none.existed
    # the column that OpenCart calls tracking is of its affiliates, and none of ours
    (row,) = demo_shop.run("select tracking from {p}order")
    assert row["tracking"] == ""


def test_a_status_or_an_order_that_is_not_there_is_held_and_spoils_no_other(demo_shop: Shop) -> None:
    add(demo_shop, 2, "2026-11-23 10:00:00", order_status_id=0)
    add(demo_shop, 3, "2026-11-23 10:00:00", store_id=4)
    outcomes = apply(
        demo_shop,
        OrderChange(id="1", status="99"),
        OrderChange(id="77", status="5"),
        OrderChange(id="щось", status="5"),
        OrderChange(id="2", status="5"),  # a cart
        OrderChange(id="3", status="5"),  # another store's
        OrderChange(id="1", status="5"),
    )
    assert [type(one.error) for one in outcomes] == [Held] * 5 + [type(None)]
    assert "no order status 99" in str(outcomes[0].error)
    assert "1 Pending" in str(outcomes[0].error.hint if outcomes[0].error else "")
    rows = demo_shop.run("select order_id, order_status_id from {p}order order by order_id")
    assert [row["order_status_id"] for row in rows] == [5, 0, 1]


def test_a_run_that_died_between_the_two_writes_is_made_good(demo_shop: Shop) -> None:
    demo_shop.insert("order_history", {
        "order_id": 1, "order_status_id": 5, "notify": 0, "comment": "", "date_added": "2026-11-27 08:00:00",
    })  # fmt: skip
    (outcome,) = apply(demo_shop, OrderChange(id="1", status="5"))
    assert not outcome.existed
    assert history(demo_shop) == [(5, 0, "")]  # its row was there, and is not written again
    assert seen(demo_shop)[0].status == "5"


def test_a_dry_run_changes_no_order(demo_shop: Shop) -> None:
    system = demo_shop.open(dry_run=True)
    with pytest.raises(Refused, match="dry run"):
        system.apply_orders([OrderChange(id="1", status="5")])
    assert system.apply_orders([]) == []
    system.close()
    assert history(demo_shop) == []


def test_a_line_that_breaks_tells_what_was_not_written(demo_shop: Shop) -> None:
    for number in (2, 3):
        add(demo_shop, number, "2026-11-23 10:00:00")
    done = "select count(*) as n from {p}order where order_status_id = 5"
    with TcpProxy((demo_shop.server.host, demo_shop.server.port)) as proxy:
        system = demo_shop.open(host=proxy.host, port=proxy.port)
        proxy.cut(when=lambda: demo_shop.run(done)[0]["n"] >= 2, times=None)
        outcomes = system.apply_orders([OrderChange(id=str(one), status="5") for one in (1, 2, 3)])
        system.close()
    assert outcomes[0].error is None
    assert isinstance(outcomes[2].error, Transient)
    again = apply(demo_shop, *(OrderChange(id=str(one), status="5") for one in (1, 2, 3)))
    assert [one.error for one in again] == [None] * 3
    assert again[0].existed
    assert [len(history(demo_shop, one)) for one in (1, 2, 3)] == [1, 0, 0]  # what add() makes has no first row


def test_the_rights_of_the_docs_are_enough_for_orders(demo_shop: Shop) -> None:
    user, password = demo_shop.server.login(*grants(demo_shop, writing=True))
    login: dict[str, Any] = {"user": user, "password": SecretStr(password)}
    assert the_order(demo_shop, **login).delivery.address.country == "UA"
    (outcome,) = apply(demo_shop, OrderChange(id="1", status="5", tracking="1"), **login)
    assert outcome.error is None
    system = demo_shop.open(**login)
    assert system.check() == ()
    system.close()


def test_without_rights_for_orders_it_is_told_which(demo_shop: Shop) -> None:
    user, password = demo_shop.server.login(*grants(demo_shop))
    with pytest.raises(ConfigError, match=r"no table oc_order\w*, or no right"):
        seen(demo_shop, user=user, password=SecretStr(password))
