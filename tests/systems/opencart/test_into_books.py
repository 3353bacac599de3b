"""The life of an order of a real shop's database, in the books: confirmed, shipped, complete, refunded, cancelled."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.systems.into_books import IntoBooks
from tests.systems.opencart.shops import Shop
from tests.systems.opencart.test_orders import add

pytestmark = [pytest.mark.server("mariadb"), pytest.mark.xdist_group("mariadb-2")]
PENDING, PROCESSING, SHIPPED, COMPLETE, CANCELED, REFUNDED = 1, 2, 3, 5, 7, 11
RULES = {
    "1": "nothing", "2": "order", "3": ["order", "ship"], "5": ["order", "ship"], "7": "cancel",
    "11": ["return", "cancel"],
}  # fmt: skip
#: Stock is counted in the books alone.
MORE = {"back": {"number": True}, "compare_stock": "off"}
GOODS = ("product 11", "Product 21")


def move(shop: Shop, number: int, status: int) -> None:
    """Somebody moves an order on in the shop's cabinet."""
    shop.run("update {p}order set order_status_id = %s, date_modified = utc_timestamp() where order_id = %s",
             [status, number])  # fmt: skip


def test_an_order_lives_in_the_books_as_it_lives_in_the_shop(
    copied: Callable[[str, bool], Shop], tmp_path: Path
) -> None:
    shop = copied("4.1", True)
    source: dict[str, Any] = {
        "type": "opencart", "host": shop.host or shop.server.host, "port": shop.port or shop.server.port,
        "user": shop.server.user, "password": "${env:DB_PASSWORD}", "database": shop.database, "prefix": shop.prefix,
    }  # fmt: skip
    books = IntoBooks(tmp_path, source, RULES, GOODS, MORE, {"DB_PASSWORD": shop.server.password})
    add(shop, 2, "2026-11-23 10:00:00", order_status_id=PROCESSING)
    add(shop, 3, "2026-11-23 11:00:00", order_status_id=COMPLETE)
    counts = books.run()
    assert (counts["created"], counts["shipped"], counts["nothing"]) == (2, 1, 1)
    assert books.documents() == {"2": Decimal("307.00"), "3": Decimal("307.00")}
    ((company, phone),) = books.sql("SELECT name, phone FROM parties")
    assert ("Шевченко" in company, phone) == (True, "+380671234567")
    assert books.stock("product 11") == 48
    move(shop, 1, SHIPPED)
    move(shop, 2, CANCELED)
    counts = books.run()
    assert (counts["created"], counts["shipped"], counts["cancelled"]) == (1, 1, 1)
    assert books.stock("product 11") == 46
    move(shop, 1, REFUNDED)
    counts = books.run()
    assert (counts["returned"], counts["cancelled"]) == (1, 1)
    assert books.stock("product 11") == 48
    assert len(books.documents()) == 3
    assert books.cards() == []
    assert not {"created", "shipped", "returned", "cancelled", "told"} & set(books.run())
    notes = shop.run("select comment from {p}order_history where order_id = 2 and comment like 'Документ%%'")
    assert len(notes) == 1, "the shop is told the number once"
