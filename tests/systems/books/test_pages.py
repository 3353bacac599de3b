"""Columns that SQLite joins are the same as those that are made of rows, whatever stands in the cells."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select, update

from pipeline.api import CATALOGUE_FIELDS, TextColumn
from plugins.systems.books import catalogue, pages
from plugins.systems.books import tables as t
from plugins.systems.books.system import Books

if TYPE_CHECKING:
    from tests.systems.books.conftest import Place

EVERY = tuple(
    name.replace("LANG", "uk-UA").replace("KIND", "cost") for name in (*CATALOGUE_FIELDS, "name.ru-RU", "price.old")
)


def by_texts_and_by_rows(books: Books, at: datetime, size: int) -> tuple[list[Any], list[Any], int]:
    """The same columns both ways, and how many pages came as texts."""
    ways: list[list[Any]] = []
    texts = 0
    for rows_only in (False, True):
        with books.database.read() as connection:
            reader = catalogue._Reader(connection, EVERY, at, size)
            if rows_only:
                reader._texts = None
            columns: dict[str, list[Any]] = {name: [] for name in EVERY}
            while batch := reader.next():
                texts += isinstance(batch.columns["price"], TextColumn)
                for name in EVERY:
                    assert len(batch.columns[name]) == batch.length
                    columns[name] += batch.columns[name]
            ways.append(list(columns.items()))
    return ways[0], ways[1], texts


@pytest.mark.parametrize("size", [7, 1000])
def test_both_ways_give_the_same(lite: Place, size: int) -> None:
    books = lite.sample()
    for days in (-400, 0, 400):
        texts, rows, count = by_texts_and_by_rows(books, lite.clock.now() + timedelta(days=days), size)
        assert texts == rows
        assert count == -(-43 // size)


def test_odd_signs_and_pictures_of_variants(lite: Place) -> None:
    books = lite.sample()
    with books.database.write() as connection:
        ids = list(connection.execute(select(t.products.c.id).where(t.products.c.parent_id.isnot(None))).scalars())
        connection.execute(t.images.delete())
        base = connection.execute(select(t.products.c.parent_id).where(t.products.c.id == ids[0])).scalar_one()
        for product, position, name in ((base, 0, "a.jpg"), (base, 2, "c.jpg"), (base, 1, "b.jpg"), (ids[0], 3, "")):
            connection.execute(insert(t.images).values(product_id=product, position=position, name=name))
        connection.execute(update(t.products).where(t.products.c.id == ids[1]).values(options=None, weight=None))
        connection.execute(update(t.product_texts).values(description="кінець\r\n;\"\\ \x00\x1f '"))
    texts, rows, count = by_texts_and_by_rows(books, lite.clock.now(), 1000)
    assert texts == [
        (name, [value if value != ("",) else () for value in column] if name == "images" else column)
        for name, column in rows
    ]
    assert count == 1


@pytest.mark.parametrize("sign", ["\x1e", "\x1f"])
def test_a_sign_that_stands_between_cells_is_noticed(lite: Place, sign: str) -> None:
    books = lite.sample()
    with books.database.write() as connection:
        product = connection.execute(select(t.products.c.id).order_by(t.products.c.code).limit(1)).scalar_one()
        connection.execute(t.images.delete())
        connection.execute(insert(t.images).values(product_id=product, position=1, name=f"a{sign}b.jpg"))
    texts, rows, count = by_texts_and_by_rows(books, lite.clock.now(), 10)
    assert texts == rows
    assert count == 4  # the first of the five pages came row by row


@given(st.integers(-(10**18), 10**18))
def test_the_text_of_an_amount_is_that_of_its_decimal(micros: int) -> None:
    assert pages.amount_text(micros) == str(t.from_micros(micros))


@pytest.mark.parametrize("micros", [0, 1, -1, 10, 999_999, 1_000_000, -1_500_000, 389_500_000, 1_350_000, 123_456])
def test_the_text_of_amounts_at_the_edges(micros: int) -> None:
    (value,) = pages.column_of("price", [str(micros)])
    assert pages.amount_text(micros) == str(t.from_micros(micros)) == str(value)
    assert isinstance(value, Decimal)


def test_reading_stops_when_nobody_asks_any_more() -> None:
    calls: list[int] = []

    def make() -> int | None:
        calls.append(1)
        return len(calls) if len(calls) < 50 else None

    pages_read = pages.ahead(make)
    assert [next(pages_read), next(pages_read)] == [1, 2]
    pages_read.close()
    made = len(calls)
    assert made <= 2 + pages.AHEAD
    assert list(pages.ahead(make))[-1] == 49


def test_what_the_reader_raises_is_raised_where_it_is_asked_for() -> None:
    def make() -> int | None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        next(pages.ahead(make))


def test_specials_are_those_of_the_table(lite: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    books = lite.sample()
    with books.database.write() as connection:
        ids = list(connection.execute(select(t.products.c.id).limit(7)).scalars())
        connection.execute(t.specials.delete())
        now = lite.clock.now()
        for place, product in enumerate(ids[:6]):
            for position in range(1 + place % 3):
                start = None if position == 0 else now + timedelta(days=position, microseconds=place)
                end = None if place == 3 else now + timedelta(days=9)
                amount = Decimal(place) + Decimal("12.3456") * position
                connection.execute(
                    insert(t.specials).values(
                        product_id=product, position=position, amount=amount, start_at=start, end_at=end
                    )
                )
    for asked in (1, 3, 5_000):
        monkeypatch.setattr(pages, "_ASKED", asked)
        with books.database.read() as connection:
            rows = catalogue._group(connection, select(t.specials), ids)
            found = pages.specials(connection, ids)
            assert pages.specials(connection, []) == {}
        assert len(rows) == 6
        assert {
            product: [(one.position, one.amount, one.start_at, one.end_at) for one in group]
            for product, group in found.items()
        } == {
            product: [(row.position, str(row.amount), row.start_at, row.end_at) for row in group]
            for product, group in rows.items()
        }
        for at in (now, now + timedelta(days=2), now + timedelta(days=10)):
            for product in ids[:6]:
                one, row = catalogue._choose(found[product], at), catalogue._choose(rows[product], at)
                assert (one and one.position) == (row and row.position)
