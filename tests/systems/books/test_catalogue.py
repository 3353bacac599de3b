"""The catalogue of the books, by column and by product."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from pipeline.api import CATALOGUE_FIELDS, ConfigError, Product

if TYPE_CHECKING:
    from tests.systems.books.conftest import Place

EVERY = tuple(
    name.replace("LANG", "uk-UA").replace("KIND", "cost") for name in (*CATALOGUE_FIELDS, "name.ru-RU", "price.old")
)


def test_pages_make_the_same_whole(place: Place) -> None:
    books = place.sample()
    at = place.clock.now()
    (whole,) = books.batches(EVERY, at=at)
    pages = list(books.batches(EVERY, at=at, size=7))
    assert len(pages) == 7
    assert whole.length == books.count() == 43
    for name in EVERY:
        assert [value for page in pages for value in page.columns[name]] == list(whole.columns[name]), name
        assert len(whole.columns[name]) == whole.length
    codes = list(whole.columns["code"])
    assert codes == sorted(codes)


def test_columns_agree_with_products(place: Place) -> None:
    books = place.sample()
    (batch,) = books.batches(EVERY, at=place.clock.now())
    rows = {batch.columns["code"][n]: {name: batch.columns[name][n] for name in EVERY} for n in range(batch.length)}
    products = list(books.products())
    assert [product.code for product in products] == [code for code, row in rows.items() if not row["parent"]]
    for product in products:
        row = rows[product.code]
        prices = {price.kind: price.money.amount for price in product.prices}
        assert row["name.uk-UA"] == product.name["uk-UA"]
        assert row["category"] == product.category
        assert (row["price"], row["price.cost"]) == (prices.get("retail"), prices.get("cost"))
        assert (row["image"], row["images"]) == (product.image, product.images)
        assert row["stock"] == product.stock
        assert row["published"] == product.published
        for variant in product.variants:
            assert rows[variant.code]["parent"] == product.code
            assert rows[variant.code]["options"] == variant.options
            assert rows[variant.code]["stock"] == variant.stock
            assert rows[variant.code]["name.ru-RU"]


def test_f47_the_special_price_in_force_else_the_next_else_none(place: Place) -> None:
    books = place.sample()

    def special(code: str, at: datetime) -> tuple[Decimal | None, datetime | None, datetime | None]:
        fields = ["code", "special_price", "special_start", "special_end"]
        (batch,) = books.batches(fields, at=at)
        n = list(batch.columns["code"]).index(code)
        return tuple(batch.columns[name][n] for name in fields[1:])

    start, end = datetime(2026, 11, 19, 22, tzinfo=UTC), datetime(2026, 12, 1, 22, tzinfo=UTC)
    running = (Decimal("699.00"), start, end)
    moment = timedelta(microseconds=1)
    assert special("L-HS-21", start - timedelta(days=300)) == running  # the next to come
    assert special("L-HS-21", start) == running
    assert special("L-HS-21", end - moment) == running
    assert special("L-HS-21", end) == (None, None, None)
    assert special("0042", start) == (None, None, None)


def test_f48_stock_is_clamped_by_warehouse_and_a_base_has_that_of_its_variants(lite: Place) -> None:
    books = lite.sample()
    path = lite.base / "t.csv"
    path.write_text(
        "code;stock:main;stock:shop\n0042;-5;6\nE-303-2;1;2\nE-303-08;0;0\nE-303-10;4;0\n", encoding="utf-8"
    )
    books.load(books.read(path))
    (batch,) = books.batches(["code", "stock"], at=lite.clock.now())
    stock = dict(zip(batch.columns["code"], batch.columns["stock"], strict=True))
    assert (stock["0042"], stock["E-303-2"], stock["E-303"]) == (6, 3, 7)


def test_only_what_changed_since(place: Place) -> None:
    books = place.sample()
    loaded = place.clock.now()
    assert list(books.products(loaded)) == []
    place.clock.moment = loaded + timedelta(hours=1)
    path = place.base / "t.csv"
    path.write_text("code;price\n0042;1\nE-303-2;2\n0043;512.00\n", encoding="utf-8")
    books.load(books.read(path))
    changed: dict[str, Product] = {product.code: product for product in books.products(loaded)}
    # 0043 was said anew with other columns, so it counts as changed; E-303 by its variant
    assert set(changed) == {"0042", "0043", "E-303"}
    assert changed["0042"].prices[-1].money.amount == 1


def test_a_batch_reads_one_moment_while_others_write(place: Place) -> None:
    books = place.sample()
    pages = books.batches(["code", "price"], at=place.clock.now(), size=10)
    first = next(pages)
    other = place.open()
    path = place.base / "t.csv"
    path.write_text("code;price\nШП-УНІ-2;1\nяяя;1\n", encoding="utf-8")
    other.load(other.read(path))
    rest = list(pages)
    prices = {c: p for b in (first, *rest) for c, p in zip(b.columns["code"], b.columns["price"], strict=True)}
    assert prices["ШП-УНІ-2"] == 356
    assert "яяя" not in prices


def test_a_field_that_is_none_is_told(lite: Place) -> None:
    for name in ("colour", "name", "price.", "code.uk-UA"):
        with pytest.raises(ConfigError, match="no catalogue field"):
            next(lite.sample().batches([name], at=lite.clock.now()))
