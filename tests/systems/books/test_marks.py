"""The mark of the books' catalogue: the same as long as nothing changes of what the fields show."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from pipeline.engine import unchanged
from plugins.systems.books import marks
from plugins.systems.books.pages import TextPages
from tests.engine.outbound_world import World
from tests.systems.books.test_pages import EVERY

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from plugins.systems.books.system import Books
    from tests.systems.books.conftest import Place

FIELDS = ("code", "name.uk-UA", "price", "published")
ONE = "(SELECT min(id) FROM products)"


def marked(books: Books, at: datetime, fields: tuple[str, ...] = EVERY) -> str | None:
    with books.moment() as moment:
        return moment.mark(fields, at=at)


def do(books: Books, sql: str) -> None:
    with books.database.write() as connection:
        assert connection.exec_driver_sql(sql).rowcount != 0


@pytest.mark.parametrize(
    "sql",
    [
        f"UPDATE products SET barcode = '1' WHERE id = {ONE}",
        f"UPDATE products SET weight = NULL WHERE id = {ONE}",
        f"UPDATE products SET published = NOT published WHERE id = {ONE}",
        f"UPDATE products SET category_id = NULL WHERE id = {ONE}",
        "UPDATE products SET options = NULL WHERE id IN (SELECT max(id) FROM products WHERE parent_id IS NOT NULL)",
        f"UPDATE product_texts SET name = name || ' ' WHERE product_id = {ONE} AND language = 'uk-UA'",
        f"UPDATE prices SET amount = amount + 1 WHERE product_id = {ONE} AND kind = 'retail'",
        "DELETE FROM specials",
        "UPDATE specials SET end_at = NULL",
        "UPDATE images SET name = 'x.jpg' WHERE rowid = (SELECT min(rowid) FROM images)",
        "DELETE FROM images WHERE rowid = (SELECT max(rowid) FROM images)",
        "UPDATE stock SET reserved = reserved + 1 WHERE rowid = (SELECT min(rowid) FROM stock)",
        "UPDATE categories SET path = path || 'x' WHERE id = (SELECT max(id) FROM categories)",
    ],
)
def test_every_change_that_a_field_shows_changes_the_mark(lite: Place, sql: str) -> None:
    books, at = lite.sample(), lite.clock.now()
    before = marked(books, at)
    assert before == marked(books, at)
    do(books, sql)
    assert marked(books, at) != before


def test_what_no_field_shows_does_not(lite: Place) -> None:
    books, at = lite.sample(), lite.clock.now()
    before = marked(books, at, FIELDS)
    do(books, "UPDATE stock SET on_hand = on_hand + 1")
    do(books, "UPDATE product_texts SET name = 'x' WHERE language = 'ru-RU'")
    do(books, "UPDATE prices SET amount = 1 WHERE kind <> 'retail'")
    do(books, "UPDATE products SET updated_at = '2020-01-01 00:00:00.000000'")
    assert marked(books, at, FIELDS) == before
    assert marked(books, at, (*FIELDS, "stock")) != before


def test_a_special_that_begins_or_ends_changes_it(lite: Place) -> None:
    books, at = lite.sample(), lite.clock.now()
    with books.moment() as moment:
        prices = [
            tuple(
                value
                for batch in moment.batches(["special_price"], at=at + timedelta(days=days))
                for value in batch.columns["special_price"]
            )
            for days in range(-400, 400, 10)
        ]
        found = [moment.mark(EVERY, at=at + timedelta(days=days)) for days in range(-400, 400, 10)]
    assert len(set(prices)) > 1
    for (one, other), (mark, later) in zip(pairwise(prices), pairwise(found), strict=True):
        assert one == other or mark != later
    assert len(set(found)) < len(found)


def test_pieces_make_the_same_mark_and_odd_signs_none(lite: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    books, at = lite.sample(), lite.clock.now()
    before = marked(books, at)
    monkeypatch.setattr(marks, "ROWS", 7)
    assert marked(books, at) not in (None, before)  # the size of pieces is a part of it
    do(books, f"UPDATE products SET unit = 'a' || char(29) WHERE id = {ONE}")
    assert marked(books, at) is None
    assert marked(books, at, FIELDS) is not None


def test_the_books_are_read_once_more_and_then_no_more(
    lite: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unchanged, "FROM", 1)
    pages: list[str] = []
    real = TextPages.after

    def after(self: TextPages, last: str, size: int) -> object:
        pages.append(last)
        return real(self, last, size)

    monkeypatch.setattr(TextPages, "after", after)
    books, world = lite.sample(), World(tmp_path / "world")
    world.base.mkdir()
    seen = []
    for _ in range(4):
        counts = world.run(system=books).counts
        seen.append((counts.get("uploaded", 0), bool(pages)))
        pages.clear()
    assert seen == [(1, True), (0, True), (0, False), (0, False)]
    do(books, "UPDATE prices SET amount = amount + 10000 WHERE kind = 'retail'")
    assert world.run(system=books).counts["uploaded"] == 1
