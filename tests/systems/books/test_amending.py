"""Documents of the books that are amended, cancelled, closed; and books of the version before."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from pipeline.api import AmendDocuments, Cancellation, Held
from pipeline.testing.documents_contract import AmendContract, Subject, amendment_of, drafts_of, larger, order
from plugins.systems.books import tables as t
from plugins.systems.books.system import Books
from plugins.systems.books.views import document_view

if TYPE_CHECKING:
    from tests.systems.books.conftest import Place

CODES = ("0042", "TAPE-19", "MIX-600")


class TestBooks(AmendContract):
    @pytest.fixture
    def subject(self, place: Place) -> Subject:
        place.sample().check()

        def close(number: str) -> None:
            assert place.open().close_document(number)

        return Subject(place.open, CODES, place.count, place.total, place.reserved, place.status, close)


def on_hand(place: Place, code: str) -> Decimal:
    with place.open().reading() as connection:
        rows = connection.execute(select(t.stock.c.on_hand).join(t.products).where(t.products.c.code == code))
        return sum((row.on_hand for row in rows), Decimal(0))


def made(books: Books, n: int = 1) -> Any:
    (outcome,) = books.create(drafts_of(books, [order(n, CODES)]))
    assert outcome.ref is not None
    return outcome.ref


def test_every_field_of_the_document_is_that_of_the_new_content(place: Place) -> None:
    books = place.sample()
    ref = made(books)
    before = document_view(books, ref.number)
    newer = replace(larger(CODES), comment="Дзвоніть після 18:00", extra={"ip": "10.0.0.1"})
    books.amend([amendment_of(books, newer, ref, "2")])
    fresh = made_elsewhere = replace(newer, id="2", number="00000002")
    books.create(drafts_of(books, [made_elsewhere]))
    amended, plain = document_view(books, ref.number), document_view(books, "000002")
    assert before is not None
    assert amended is not None
    assert plain is not None
    own = {"number", "order_number", "order_id", "id", "key", "amended_key", "amended_at", "created_at"}
    assert {k: v for k, v in amended.items() if k not in own} == {k: v for k, v in plain.items() if k not in own}
    assert {k: before[k] for k in ("number", "order_number", "key", "created_at")} == {
        k: amended[k] for k in ("number", "order_number", "key", "created_at")
    }
    assert fresh.total == amended["total"]


def test_a_closed_document_takes_its_goods_off_the_stock_once(place: Place) -> None:
    books = place.sample()
    there = on_hand(place, CODES[0])
    ref = made(books)
    assert books.close_document(ref.number)
    assert not books.close_document(ref.number)
    assert on_hand(place, CODES[0]) == there - 2
    assert place.reserved(CODES[0]) == 0
    assert books.reopen_document(ref.number)
    assert not books.reopen_document(ref.number)
    assert on_hand(place, CODES[0]) == there
    assert place.reserved(CODES[0]) == 2
    (outcome,) = books.amend([amendment_of(books, larger(CODES), ref, "2")])
    assert outcome.error is None
    assert place.reserved(CODES[0]) == 3


def test_no_goods_leave_for_a_cancelled_document(place: Place) -> None:
    books = place.sample()
    ref = made(books)
    books.cancel([Cancellation(key="demo/shop/1/cancel/2", ref=ref, status="cancelled")])
    with pytest.raises(Held) as refused:
        books.close_document(ref.number)
    assert refused.value.code == "document-cancelled"
    with pytest.raises(Held):
        books.close_document("999999")


def test_what_the_document_itself_reserves_counts_as_free_for_it(lite: Place) -> None:
    books = lite.sample(oversell="hold")
    with books.reading() as connection:
        here = select(t.stock.c.on_hand).join(t.products).join(t.warehouses)
        free = connection.execute(here.where(t.products.c.code == CODES[0], t.warehouses.c.code == "main")).scalar_one()
    all_of_it = order(1, CODES)
    lines = (replace(all_of_it.lines[0], quantity=free, price=Decimal(0)), *all_of_it.lines[1:])
    (outcome,) = books.create(drafts_of(books, [replace(all_of_it, lines=lines, total=Decimal("190.80"))]))
    assert outcome.ref is not None
    fewer = (replace(lines[0], quantity=free - 1), *lines[1:])
    more = (replace(lines[0], quantity=free + 1), *lines[1:])
    for revision, these, held in (("2", more, True), ("3", fewer, False)):
        newer = replace(all_of_it, lines=these, total=Decimal("190.80"))
        (changed,) = books.amend([amendment_of(books, newer, outcome.ref, revision)])
        assert isinstance(changed.error, Held) == held
    assert lite.reserved(CODES[0]) == free - 1


def test_books_of_the_version_before_know_what_their_documents_reserve(lite: Place) -> None:
    books = lite.sample()
    ref = made(books)
    with books.database.write() as connection:
        for column in ("amended_key", "amended_at", "cancelled_at", "closed_at"):
            connection.exec_driver_sql(f"ALTER TABLE documents DROP COLUMN {column}")
        connection.exec_driver_sql("ALTER TABLE document_lines DROP COLUMN reserved")
        connection.exec_driver_sql("UPDATE books_version SET version = 2")
    books.close()
    newer = lite.open()
    newer.make_ready()
    assert isinstance(newer, AmendDocuments)
    newer.cancel([Cancellation(key="demo/shop/1/cancel/2", ref=ref, status="cancelled")])
    assert lite.reserved(CODES[0]) == 0
