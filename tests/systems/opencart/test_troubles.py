"""A shop's database in trouble: rows that somebody holds, deadlocks, columns that are null or hold what is unknown."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from pipeline.api import Offer, OfferChange, RowOutcome, StockTarget, Transient
from pipeline.testing.wire_contract import NEVER_HEARD, spared
from tests.systems.opencart.shops import Shop

pytestmark = [pytest.mark.server("mariadb"), pytest.mark.xdist_group("mariadb-2")]
FOUR = ("28", "29", "31", "32")


def told(shop: Shop) -> dict[str, Offer]:
    system = shop.open()
    found = {offer.id: offer for offer in system.offers()}
    system.close()
    return found


def price(shop: Shop, offers: dict[str, Offer], amount: int) -> list[RowOutcome]:
    system = shop.open()
    changes = [OfferChange(offer=offers[own], values={"price": Decimal(amount)}) for own in FOUR]
    outcomes = list(system.update_offers(changes))
    system.close()
    return outcomes


def prices(shop: Shop) -> list[Any]:
    rows = shop.run("select price from {p}product where product_id in (28, 29, 31, 32) order by product_id")
    return [row["price"] for row in rows]


def test_f51_a_row_that_somebody_holds_is_for_later_and_what_was_written_before_is_told(
    copied: Callable[[str, bool], Shop],
) -> None:
    shop = copied("4.1", True)
    offers = told(shop)
    before = prices(shop)
    other = shop.server.connect(shop.database)
    (was,) = shop.run("select @@global.innodb_lock_wait_timeout as n")
    shop.run("set global innodb_lock_wait_timeout = 1")
    try:
        with other.cursor() as cursor:
            cursor.execute("start transaction")
            cursor.execute("select * from oc_product where product_id = 31 for update")
        outcomes = price(shop, offers, 7)
    finally:
        other.close()
        shop.run(f"set global innodb_lock_wait_timeout = {was['n']}")
    errors = [outcome.error for outcome in outcomes]
    assert errors[:2] == [None, None]
    assert all(isinstance(error, Transient) for error in errors[2:])
    assert "Lock wait timeout" in str(errors[2])
    assert prices(shop) == [Decimal(7), Decimal(7), *before[2:]]
    assert [outcome.error for outcome in price(shop, offers, 7)] == [None] * 4
    assert prices(shop) == [Decimal(7)] * 4


@pytest.mark.parametrize("kind", ["price", "stock"])
def test_f51_a_deadlock_leaves_nothing_half_written(demo_shop: Shop, kind: str) -> None:
    offers = told(demo_shop)
    demo_shop.run(
        "create trigger oc_trouble before update on oc_product for each row"
        " if new.product_id = 31 then signal sqlstate '40001' set mysql_errno = 1213,"
        " message_text = 'Deadlock found when trying to get lock'; end if"
    )
    before = demo_shop.run("select * from {p}product where product_id in (31, 32) order by product_id")
    try:
        if kind == "price":
            outcomes = price(demo_shop, offers, 7)
        else:
            system = demo_shop.open()
            rows = [StockTarget(offer=offers[own], warehouse="", quantity=Decimal(7)) for own in FOUR]
            outcomes = list(system.apply_stock(rows))
            system.close()
        after = demo_shop.run("select * from {p}product where product_id in (31, 32) order by product_id")
    finally:
        demo_shop.run("drop trigger oc_trouble")
    errors = [outcome.error for outcome in outcomes]
    assert errors[:2] == [None, None]
    assert isinstance(errors[2], Transient)
    assert "Deadlock" in str(errors[2])
    assert after[0] == before[0]
    assert (after[1] == before[1]) == (errors[3] is not None), "what is told as done is done"


@pytest.mark.parametrize("value", [None, NEVER_HEARD], ids=["null", "unknown"])
def test_f46_a_column_that_is_null_or_holds_what_is_unknown_spoils_no_other(bare_shop: Shop, value: Any) -> None:
    columns = {
        row["column_name"]: row
        for row in bare_shop.run(
            "select column_name, data_type, column_type, is_nullable from information_schema.columns"
            " where table_schema = database() and table_name = 'oc_product' and column_name not in"
            " ('product_id', 'model', 'master_id', 'date_added')"
        )
    }
    for name, row in columns.items():
        if value is None and row["is_nullable"] == "NO":  # as one that moved the shop by hand may have left it
            bare_shop.run(f"alter table {{p}}product modify `{name}` {row['column_type']} null")
    numbers = {bare_shop.product(price="100.0000", quantity=5): name for name in ["", *columns]}
    before = told(bare_shop)
    victims = {}
    for number, name in numbers.items():
        if not name:
            continue
        strange = value
        if value is not None:
            kind = columns[name]["data_type"]
            strange = {"tinyint": 99, "date": "0000-00-00", "datetime": "0000-00-00 00:00:00"}.get(kind, value)
            if kind in ("int", "decimal") and name != "price":
                strange = 9999
            elif kind == "decimal":
                continue  # a price is a number in any shop
        bare_shop.run(f"update {{p}}product set `{name}` = %s where product_id = %s", [strange, number])
        victims[str(number)] = name
    system = bare_shop.open()
    traits = system.offer_traits()
    system.close()
    spared(before, told(bare_shop), victims, traits)
