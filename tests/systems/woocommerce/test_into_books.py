"""The life of an order of WooCommerce in the books: confirmed, completed, cancelled, refunded."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from pipeline.testing.fakehttp import FakeServer
from plugins.systems.woocommerce.fake import KEY, SECRET, FakeWoo
from tests.systems.into_books import IntoBooks
from tests.systems.woocommerce.test_orders import BUYER

RULES = {
    "pending": "nothing", "processing": "order", "completed": ["order", "ship"], "cancelled": "cancel",
    "refunded": ["return", "cancel"],
}  # fmt: skip


@pytest.fixture
def shop() -> Iterator[tuple[FakeWoo, str]]:
    fake = FakeWoo(now=lambda: datetime.now(UTC))
    with FakeServer(fake) as server:
        yield fake, server.url


def test_an_order_lives_in_the_books_as_it_lives_in_the_shop(shop: tuple[FakeWoo, str], tmp_path: Path) -> None:
    fake, url = shop
    source = {"type": "woocommerce", "url": url, "key": KEY, "secret": "${env:WOO_SECRET}"}
    books = IntoBooks(tmp_path, source, RULES, ["LMP-9", "EM-B"], {"back": {"number": True}}, {"WOO_SECRET": SECRET})
    leaf = fake.add_product("LMP-9", "Лак", "450.50")
    base = fake.add_variable("Емаль", {"Колір": ["Синя"]})
    blue = fake.add_variation(base, "EM-B", {"Колір": "Синя"}, "180")
    lines = [(leaf, 2), (blue, 1)]
    first = fake.add_order(lines, "pending", billing=BUYER, total="1081.00")
    done = fake.add_order(lines, "completed", billing=BUYER, total="1081.00")

    def move(number: int, status: str) -> None:
        row = fake.shop.row("orders", number)
        assert row is not None
        with fake.lock:
            fake.orders.set_status(row, status)
            row["date_modified"] = row["date_modified_gmt"] = fake.shop.stamp()

    counts = books.run()
    assert (counts["created"], counts["shipped"], counts["nothing"]) == (1, 1, 1)
    assert books.documents() == {str(done): Decimal("1081.00")}
    assert books.sql("SELECT last_name, first_name, phone FROM parties") == [("Коваленко", "Олена", "+380500000000")]
    move(first, "processing")
    counts = books.run()
    assert (counts["created"], "shipped" in counts) == (1, False)
    assert [books.stock("LMP-9"), books.stock("EM-B")] == [48, 49]
    move(first, "cancelled")
    move(done, "refunded")
    counts = books.run()
    assert (counts["returned"], counts["cancelled"]) == (1, 2)
    assert [books.stock("LMP-9"), books.stock("EM-B")] == [50, 50]
    assert len(books.documents()) == 2
    assert books.cards() == []
    assert not {"created", "shipped", "returned", "cancelled", "told"} & set(books.run())
