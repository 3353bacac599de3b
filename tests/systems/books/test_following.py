"""What follows an order in the books: the contracts, processes that die, and what only books can say."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, text, update

from pipeline.api import Cancellation, Held, NewProduct, PaymentDraft
from pipeline.testing.documents_contract import MOMENT, amendment_of, drafts_of, larger, order
from pipeline.testing.following_contract import ReturnContract, ShipContract
from pipeline.testing.following_subject import Subject, coming_back, held, one, ordered, part, shipment
from pipeline.testing.naming_contract import AddProductsContract, PartiesContract, ProductNamesContract
from pipeline.testing.settling_contract import PaymentsContract, StatusesContract
from plugins.systems.books import tables as t
from plugins.systems.books.views import document_view
from tests.systems.books.following import CODES, subject

if TYPE_CHECKING:
    from tests.systems.books.conftest import Place


@pytest.fixture(name="subject")
def _subject(place: Place) -> Subject:
    return subject(place)


class TestShipments(ShipContract):
    """On SQLite and PostgreSQL."""


class TestReturns(ReturnContract):
    """On SQLite and PostgreSQL."""


class TestPayments(PaymentsContract):
    """On SQLite and PostgreSQL."""


class TestStatuses(StatusesContract):
    """On SQLite and PostgreSQL."""


class TestParties(PartiesContract):
    """On SQLite and PostgreSQL."""


class TestProductNames(ProductNamesContract):
    """On SQLite and PostgreSQL."""


class TestAddProducts(AddProductsContract):
    """On SQLite and PostgreSQL."""


# --- what only the books can say ---------------------------------------------------------------------------------


def test_what_is_still_with_the_buyer_bounds_every_change_of_the_order(place: Place) -> None:
    subject(place)
    books = place.open()
    draft, ref = ordered(books, subject(place))
    shipped = one(books.ship([shipment(ref, part(draft, 2, 0, 0))]))
    (cancelled,) = books.cancel([Cancellation(key="demo/shop/1/cancel/2", ref=ref, status="cancelled")])
    assert "have left" in held(cancelled)
    fewer = replace(draft.order.lines[0], quantity=Decimal(1))
    smaller = replace(draft.order, lines=(fewer, *draft.order.lines[1:]), total=Decimal("580.30"))
    (less,) = books.amend([amendment_of(books, smaller, ref, "3")])
    assert "More has left" in held(less)
    assert [place.reserved(code) for code in CODES] == [0, 3, 1]
    (more,) = books.amend([amendment_of(books, larger(CODES), ref, "4")])
    assert more.error is None
    assert [place.reserved(code) for code in CODES] == [1, 3, 1], "two of the three have left"
    one(books.take_back([coming_back(ref, shipped, part(draft, 2, 0, 0))]))
    assert place.reserved(CODES[0]) == 1, "what came back is not held back for the order again"
    one(books.cancel([Cancellation(key="demo/shop/1/cancel/5", ref=ref, status="cancelled")]))
    assert [place.reserved(code) for code in CODES] == [0, 0, 0]


def test_what_came_back_may_leave_again(place: Place) -> None:
    subject_ = subject(place)
    books = place.open()
    draft, ref = ordered(books, subject_)
    before = subject_.stock()
    first = one(books.ship([shipment(ref, draft)]))
    one(books.take_back([coming_back(ref, first, draft)]))
    second = one(books.ship([shipment(ref, draft, "2")]))
    assert [first.number, second.number] == ["S000001", "S000002"]
    assert subject_.stock() == [before[0] - 2, before[1] - 3, before[2] - 1]
    assert subject_.reserve() == [0, 0, 0]
    held(books.take_back([coming_back(ref, first, part(draft, 1, 0, 0), "2")])[0])
    one(books.take_back([coming_back(ref, second, part(draft, 1, 0, 0), "3")]))


def test_goods_leave_the_warehouse_that_is_named_and_the_reserve_of_the_orders_own(lite: Place) -> None:
    subject(lite)
    books = lite.open()
    draft, ref = ordered(books, subject(lite))
    shop = books.find_references("warehouse", ["shop"])["shop"]
    shipped = one(books.ship([shipment(ref, replace(draft, warehouse=shop))]))
    levels = {(level.code, level.warehouse): level for level in books.levels()}
    shop_level, main = levels["0042", "shop"], levels["0042", "main"]
    assert [shop_level.on_hand, main.on_hand, shop_level.reserved, main.reserved] == [4, 24, 0, 0]
    one(books.take_back([coming_back(ref, shipped, draft)]))
    assert {level.warehouse: level.on_hand for level in books.levels() if level.code == "0042"} == {
        "main": 24,
        "shop": 6,
    }


def test_with_oversell_hold_no_more_leaves_than_is_there(lite: Place) -> None:
    subject(lite)
    books = lite.open(oversell="hold")
    draft, ref = ordered(books, subject(lite))
    shop = books.find_references("warehouse", ["shop"])["shop"]
    other, base = ordered(books, subject(lite), 2)
    with books.database.write() as connection:
        connection.execute(update(t.stock).values(on_hand=Decimal(2)))
    assert "2 are to leave and 0 are there" in held(books.ship([shipment(ref, part(draft, 2, 0, 0))])[0])
    one(books.ship([shipment(ref, replace(part(draft, 2, 0, 0), warehouse=shop), "2")]))
    held(books.ship([shipment(base, replace(part(other, 2, 0, 0), warehouse=shop))])[0])
    assert lite.reserved("0042") == 2


def test_services_have_no_stock_and_books_without_a_warehouse_get_one(lite: Place) -> None:
    books = lite.open()
    books.add_products([NewProduct(code="A", name="Лак"), NewProduct(code="S", name="Монтаж", service=True)])
    plain = order(1, ("A", "S", "A"))
    (draft,) = drafts_of(books, [plain])
    (outcome,) = books.create([draft])
    assert outcome.ref is not None
    one(books.ship([shipment(outcome.ref, part(draft, 0, 3, 0), "1")]))
    assert list(books.levels()) == []
    one(books.ship([shipment(outcome.ref, part(draft, 2, 0, 1), "2")]))
    assert [(level.code, level.warehouse, level.on_hand) for level in books.levels()] == [("A", "main", Decimal(-3))]


def test_what_a_draft_names_besides_is_in_its_document(place: Place) -> None:
    books = place.sample()
    status = books.ensure("status", "packed", "Зібрано")
    delivery = books.ensure("service", "DELIVERY", "Доставка")
    assert books.ensure("service", "delivery") == delivery
    assert delivery in books.references("service")
    assert books.find_references("service", ["DELIVERY", "0042"]) == {"DELIVERY": delivery}
    with pytest.raises(Held, match="not as a service"):
        books.ensure("service", "0042")
    (draft,) = drafts_of(books, [order(1, CODES)])
    shop = books.ensure("source", "instagram", "Instagram")
    (outcome,) = books.create([replace(draft, delivery=delivery, references={"status": status, "source": shop})])
    assert outcome.ref is not None
    found = document_view(books, outcome.ref.number)
    assert found is not None
    assert [found[name] for name in ("source", "shop", "status", "delivery_product")] == [
        *("shop", "instagram", "packed", "DELIVERY"),
    ]


def test_a_payment_goes_to_the_account_that_is_meant(lite: Place) -> None:
    subject(lite)
    books = lite.open()
    draft, ref = ordered(books, subject(lite))

    def account(n: int, using: Any, **more: Any) -> str:
        one(using.pay([PaymentDraft(key=f"{draft.key}{n}", order=ref, amount=Decimal(1), currency="UAH", **more)]))
        with books.reading() as connection:
            c = t.accounts.c
            query = select(c.code).outerjoin_from(t.payments, t.accounts, c.id == t.payments.c.account_id)
            return str(connection.execute(query.order_by(t.payments.c.id.desc())).scalars().first())

    assert account(1, books) == "None"
    bank = books.ensure("account", "bank", "Банк")
    assert account(2, books) == "bank", "the only one"
    desk = books.ensure("account", "desk", "Каса")
    assert account(3, books) == "None"
    assert account(4, books, account=desk) == "desk"
    assert account(5, lite.open(default_account="bank")) == "bank"
    assert bank.code == "bank"
    (lost,) = lite.open(default_account="nowhere").pay(
        [PaymentDraft(key="lost", order=ref, amount=Decimal(1), currency="UAH")]
    )
    assert "no account nowhere" in held(lost)
    assert [finding.code for finding in lite.open(default_account="nowhere").check()] == ["unknown-account"]
    assert lite.open(default_account="bank").check() == ()


def test_a_period_is_closed_up_to_the_end_of_a_day_and_opened_again(lite: Place) -> None:
    subject(lite)
    books = lite.open()
    draft, ref = ordered(books, subject(lite))
    day = lite.clock.moment.date()
    assert books.closed_period() is None
    books.close_period(day)
    assert books.closed_period() == day
    for outcome in (
        *books.ship([shipment(ref, draft)]),
        *books.amend([amendment_of(books, larger(CODES), ref, "2")]),
        *books.cancel([Cancellation(key="demo/shop/1/cancel/3", ref=ref, status="cancelled")]),
    ):
        assert "The books are closed for what is dated before" in held(outcome)
    late = datetime(2026, 11, 22, 22, 0, tzinfo=UTC)  # midnight in Kyiv
    held(books.ship([shipment(ref, draft, "1", late - timedelta(seconds=1))])[0])
    one(books.ship([shipment(ref, draft, "2", late)]))
    books.close_period(None)
    assert books.closed_period() is None


def test_products_of_older_books_are_found_by_name(place: Place) -> None:
    books = place.sample()
    (ref,) = books.find_products(["0042"])["0042"]
    with books.database.write() as connection:
        connection.execute(update(t.product_texts).values(name_key=""))
        connection.execute(update(t.version).values(version=4))
    newer = place.open()
    assert [found.id for found in newer.find_by_name([ref.name])[ref.name]] == [ref.id]
    newer.load(newer.read(table(place.base, "code;name\n0042;Зовсім інша назва\n")))
    assert not newer.find_by_name([ref.name])
    assert set(newer.find_by_name(["зовсім  ІНША назва"])) == {"зовсім  ІНША назва"}


def table(folder: Path, text: str) -> Path:
    path = folder / "t.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_closing_a_document_takes_what_is_left_of_it(place: Place) -> None:
    subject_ = subject(place)
    books = place.open()
    before = subject_.stock()
    draft, ref = ordered(books, subject_)
    parcel = replace(draft.order.delivery, tracking="20450987654321", cost=Decimal(0))
    some = part(draft, 1, 3, 0)
    some = replace(some, order=replace(some.order, delivery=parcel))
    assert one(books.ship([shipment(ref, some)])).tracking == "20450987654321"
    assert [told.tracking for told in books.shipments_of([ref])[ref.id]] == ["20450987654321"]
    assert books.close_document(ref.number)
    assert subject_.stock() == [before[0] - 2, before[1] - 3, before[2] - 1]
    assert subject_.reserve() == [0, 0, 0]
    assert books.reopen_document(ref.number)
    assert subject_.stock() == [before[0] - 1, before[1] - 3, before[2]]
    assert subject_.reserve() == [1, 0, 1]


@pytest.mark.parametrize("wrong", ["NaN", "Infinity", "-1", "1E+40", "0.00000001"])
def test_numbers_that_cannot_be_are_held(lite: Place, wrong: str) -> None:
    subject_ = subject(lite)
    books = lite.open()
    draft, ref = ordered(books, subject_)
    some = part(draft, 1, 0, 0)
    line = replace(some.order.lines[0], quantity=Decimal(wrong))
    held(books.ship([shipment(ref, replace(some, order=replace(some.order, lines=(line,))))])[0])
    held(books.pay([PaymentDraft(key="pay", order=ref, amount=Decimal(wrong), currency="UAH")])[0])
    for strange in ("²", "9" * 30, "-1", "x"):
        odd = replace(draft, products=tuple(replace(product, id=strange) for product in draft.products))
        held(books.ship([shipment(replace(ref, key="", id=strange), draft)])[0])
        held(books.ship([shipment(ref, odd)])[0])
    assert (subject_.count("ship"), subject_.count("pay")) == (0, 0)


def test_goods_that_leave_and_a_sync_that_sets_the_stock_never_wait_for_each_other(
    postgres: str, tmp_path: Path
) -> None:
    from tests.systems.books.conftest import Place

    place = Place(postgres, tmp_path)
    subject_ = subject(place)
    books = place.open()
    known = {code: int(books.find_products([code])[code][0].id) for code in CODES}
    places = sorted(range(3), key=lambda n: known[CODES[n]])
    low, high = places[0], places[-1]
    wanted = []
    for n, position in enumerate((high, low), 1):  # against the order in which everybody else writes them
        draft, ref = ordered(books, subject_, n)
        wanted.append(shipment(ref, part(draft, *(int(n == position) for n in range(3)))))
    s = t.stock.c
    with ThreadPoolExecutor(1) as pool, place.open().database.write() as sync:
        sync.execute(update(t.stock).where(s.product_id == known[CODES[low]]).values(updated_at=place.clock.now()))
        shipping = pool.submit(books.ship, wanted)
        waits = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        for _ in range(2000):
            if sync.execute(waits).scalar_one():
                break
            sleep(0.01)
        sync.execute(update(t.stock).where(s.product_id == known[CODES[high]]).values(updated_at=place.clock.now()))
        sync.commit()
        assert [outcome.error for outcome in shipping.result(60)] == [None, None]
    for opened in place.opened:
        opened.close()


CHILD = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from pipeline.api import SystemEnv
from pipeline.testing.documents_contract import drafts_of, order
from pipeline.testing.following_subject import coming_back, shipment
from plugins.systems.books.settings import BooksSettings
from plugins.systems.books.system import Books

class Clock:
    def now(self): return datetime(2026, 11, 22, 12, tzinfo=UTC)
    def sleep(self, seconds): pass

url, base, codes, what = sys.argv[1], Path(sys.argv[2]), sys.argv[3].split(","), sys.argv[4]
books = Books(BooksSettings(url=url), SystemEnv("books", "demo", base, "UAH", "Europe/Kyiv", Clock()))
drafts = drafts_of(books, [order(n, codes) for n in range(1, 13)])
refs = [outcome.ref for outcome in books.create(drafts)]
if what == "die":
    from sqlalchemy import event
    event.listen(books.database._engine, "commit", lambda connection: os._exit(9))
new = 0
for n in range(0, 12, 3):
    several = list(zip(drafts[n : n + 3], refs[n : n + 3]))
    gone = books.ship([shipment(ref, draft) for draft, ref in several])
    assert not [outcome.error for outcome in gone if outcome.error], gone
    back = books.take_back([coming_back(ref, one.ref, draft) for (draft, ref), one in zip(several, gone)])
    assert not [outcome.error for outcome in back if outcome.error], back
    new += sum(not outcome.existed for outcome in (*gone, *back))
print(new)
"""


def child(place: Place, what: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", CHILD, place.url, str(place.base), ",".join(CODES), what]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=Path(__file__).parents[3])


def test_f03_f25_killed_before_a_commit_and_two_processes_at_once_ship_and_take_back_once(place: Place) -> None:
    subject_ = subject(place)
    before = subject_.stock()
    assert child(place, "die").returncode == 9
    assert subject_.count("ship") == 0
    assert subject_.stock() == before
    with ThreadPoolExecutor(2) as pool:
        done = [future.result() for future in [pool.submit(child, place, "work") for _ in range(2)]]
    assert [one_.returncode for one_ in done] == [0, 0], [one_.stderr for one_ in done]
    assert sum(int(one_.stdout) for one_ in done) == 24
    assert (subject_.count("ship"), subject_.count("return")) == (12, 12)
    assert subject_.stock() == before
    assert subject_.reserve() == [0, 0, 0]


# --- what leaves although it is not there, and what is dated into a closed period ---------------------------------


def test_what_leaves_below_nothing_is_told_with_the_order(lite: Place) -> None:
    subject(lite)
    books = lite.open()
    draft, ref = ordered(books, subject(lite))
    with books.database.write() as connection:
        connection.execute(update(t.stock).values(on_hand=Decimal(2)))
    (first,) = books.ship([shipment(ref, part(draft, 1, 0, 0))])
    assert (first.error, first.notes) == (None, ())
    (second,) = books.ship([shipment(ref, part(draft, 1, 3, 1), "2")])
    assert second.error is None
    (note,) = second.notes
    assert (note.code, note.where.order) == ("below-nothing", draft.order.number)
    assert "TAPE-19" in str(note.text)
    assert "-1" in str(note.text)
    assert "oversell: hold" in str(note.hint)


def test_f09_an_order_that_is_dated_into_a_closed_period_is_refused_and_its_siblings_are_not(place: Place) -> None:
    subject(place)
    books = place.open()
    books.close_period(date(2026, 11, 21))
    moments = (datetime(2026, 11, 21, 21, 59, tzinfo=UTC), datetime(2026, 11, 21, 22, 0, tzinfo=UTC), MOMENT)
    old, edge, new = (replace(order(n, CODES), created_at=at) for n, at in enumerate(moments, 1))
    outcomes = books.create(drafts_of(books, [old, edge, new]))
    assert [outcome.error is None for outcome in outcomes] == [False, True, True], "Kyiv's midnight is the edge"
    assert isinstance(outcomes[0].error, Held)
    (finding,) = outcomes[0].error.findings
    assert (finding.code, finding.where.order) == ("closed-period", old.number)
    assert place.count() == 2
    books.close_period(None)
    (late,) = books.create(drafts_of(books, [old]))
    assert late.error is None
