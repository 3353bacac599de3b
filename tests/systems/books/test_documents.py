"""Documents of the books: the contract, processes that die or race, parties, stock."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert, select

from pipeline.api import ConfigError, Discount, FormatContext, Held, Order, Party, Schema, Transient, schemas
from pipeline.testing.documents_contract import DocumentsContract, Subject, drafts_of, order
from plugins.formats.order_xml import OrderXml, OrderXmlSettings
from plugins.systems.books import tables as t
from plugins.systems.books.documents import _OF_SOURCE, KIND
from plugins.systems.books.views import document_view

if TYPE_CHECKING:
    from tests.systems.books.conftest import Place

CODES = ("0042", "TAPE-19", "MIX-600")

CHILD = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from pipeline.api import SystemEnv
from pipeline.testing.documents_contract import drafts_of, order
from plugins.systems.books.settings import BooksSettings
from plugins.systems.books.system import Books

class Clock:
    def now(self): return datetime(2026, 11, 22, 12, tzinfo=UTC)
    def sleep(self, seconds): pass

url, base, codes, what = sys.argv[1], Path(sys.argv[2]), sys.argv[3].split(","), sys.argv[4]
books = Books(BooksSettings(url=url), SystemEnv("books", "demo", base, "UAH", "Europe/Kyiv", Clock()))
drafts = drafts_of(books, [order(n, codes) for n in range(1, 31)])
if what == "die":
    from sqlalchemy import event
    event.listen(books.database._engine, "commit", lambda connection: os._exit(9))
made = [outcome for n in range(0, 30, 3) for outcome in books.create(drafts[n : n + 3])]
assert not [outcome.error for outcome in made if outcome.error], made
print(sum(not outcome.existed for outcome in made))
"""


def child(place: Place, what: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", CHILD, place.url, str(place.base), ",".join(CODES), what]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=Path(__file__).parents[3])


class TestBooks(DocumentsContract):
    @pytest.fixture
    def subject(self, place: Place) -> Subject:
        place.sample().check()
        return Subject(place.open, CODES, place.count, place.total, place.reserved)


def test_f25_two_processes_at_once_make_one_document_each(place: Place) -> None:
    place.sample().check()
    with ThreadPoolExecutor(2) as pool:
        done = [future.result() for future in [pool.submit(child, place, "work") for _ in range(2)]]
    assert [one.returncode for one in done] == [0, 0], [one.stderr for one in done]
    assert sum(int(one.stdout) for one in done) == 30
    assert place.count() == 30
    assert place.reserved(CODES[0]) == 60


def test_f03_killed_before_its_commit_leaves_nothing_and_the_next_makes_one(place: Place) -> None:
    place.sample().check()
    assert child(place, "die").returncode == 9
    assert place.count() == 0
    assert place.reserved(CODES[0]) == 0
    again = child(place, "work")
    assert again.returncode == 0, again.stderr
    assert place.count() == 30


def test_numbers_follow_one_another(place: Place) -> None:
    books = place.sample(number_prefix="INT-")
    drafts = drafts_of(books, [order(n, CODES) for n in range(1, 6)])
    drafts[2] = replace(drafts[2], order=replace(drafts[2].order, total=Decimal(1)))  # is refused
    numbers = [outcome.ref.number for outcome in books.create(drafts) if outcome.ref]
    assert numbers == ["INT-000001", "INT-000002", "INT-000003", "INT-000004"]


def test_f07_a_locked_database_is_transient_and_nothing_is_lost(lite: Place) -> None:
    lite.sample().check()
    books = lite.open(lock_timeout=0.2)
    drafts = drafts_of(books, [order(1, CODES)])
    with lite.open().database.write() as holder:
        holder.execute(insert(t.sources).values(code="x", name=""))
        (outcome,) = books.create(drafts)
    assert isinstance(outcome.error, Transient)
    assert "in use" in outcome.error.text.render("en")
    (outcome,) = books.create(drafts)
    assert outcome.error is None


def test_an_unreachable_server_is_transient_and_its_password_is_not_told(lite: Place) -> None:
    place = replace(lite, url="postgresql+psycopg://nobody:s3cret@127.0.0.1:1/none?connect_timeout=1")
    with pytest.raises(Transient) as caught:
        place.open().check()
    assert "127.0.0.1" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_everything_of_the_order_is_in_the_document(place: Place) -> None:
    books = place.sample()
    (draft,) = drafts_of(books, [order(7, CODES)])
    draft = replace(
        draft,
        client=books.find_references("party", ["0100"])["0100"],
        object=books.find_references("object", ["01"])["01"],
        user=books.find_references("user", ["anna"])["anna"],
        executor=books.find_references("executor", ["petro"])["petro"],
        warehouse=books.find_references("warehouse", ["shop"])["shop"],
        comment="shop № 00000007",
    )
    (outcome,) = books.create([draft])
    assert outcome.ref is not None
    found = document_view(books, outcome.ref.number)
    assert found is not None
    assert (found["party"], found["object"], found["user"], found["executor"], found["warehouse"]) == (
        "ТОВ «Автофарба Плюс»",
        "Інтернет-магазин",
        "Анна Коваленко",
        "Петро Шевчук",
        "Магазин на Подолі",
    )
    assert found["customer"]["phone"] == "+380670000007"
    assert (found["delivery_carrier"], found["delivery_branch"], found["payment_method"]) == (
        "nova-poshta",
        "12",
        "Післяплата",
    )
    assert [line["sum"] for line in found["lines"]] == [Decimal("779.00"), Decimal("140.80"), Decimal("0.00")]
    assert (found["lines_sum"], found["discount"], found["delivery_cost"], found["total"]) == (
        Decimal("919.80"),
        Decimal("20.00"),
        Decimal("70.00"),
        Decimal("969.80"),
    )
    assert [(tax["rate"], tax["tax"], tax["base"]) for tax in found["taxes"]] == [
        (Decimal("20.00"), Decimal("149.97"), Decimal("749.83"))
    ]


def test_taxes_are_reckoned_by_rate_with_delivery_and_fee_and_not_as_stated(place: Place) -> None:
    books = place.sample()
    one = order(1, CODES)
    one = replace(
        one,
        delivery=replace(one.delivery, tax_rate=Decimal(7)),
        payment=replace(one.payment, fee=Decimal("12.00"), tax_rate=Decimal(20)),
        taxes=((Decimal(20), Decimal("999.99")),),
        total=Decimal("981.80"),
    )
    (outcome,) = books.create(drafts_of(books, [one]))
    assert outcome.ref is not None, outcome.error
    found = document_view(books, outcome.ref.number)
    assert found is not None
    assert [(tax["rate"], tax["base"], tax["tax"]) for tax in found["taxes"]] == [
        (Decimal(7), Decimal("65.42"), Decimal("4.58")),
        (Decimal(20), Decimal("759.83"), Decimal("151.97")),
    ]
    assert found["tax"] == Decimal("156.55")
    assert sum(tax["base"] + tax["tax"] for tax in found["taxes"]) == found["total"]


def test_parts_finer_than_a_cent_make_lines_of_cents_and_the_shops_total(place: Place) -> None:
    books = place.sample()
    one = order(1, CODES)
    lines = tuple(
        replace(line, quantity=Decimal(1), price=Decimal("33.335"), discount=Decimal(0)) for line in one.lines
    )
    one = replace(one, lines=lines, discounts=(Discount(amount=Decimal("33.3333")),), total=Decimal("136.6717"))
    (outcome,) = books.create(drafts_of(books, [one]))
    assert outcome.ref is not None, outcome.error
    found = document_view(books, outcome.ref.number)
    assert found is not None
    assert [line["sum"] for line in found["lines"]] == [Decimal("33.34"), Decimal("33.33"), Decimal("33.33")]
    assert (found["lines_sum"], found["discount"], found["total"], found["rounding"]) == (
        Decimal("100.00"),
        Decimal("33.33"),
        Decimal("136.67"),
        Decimal("0.00"),
    )


def test_two_clients_of_one_database_keep_orders_of_the_same_source_and_id_apart(place: Place) -> None:
    ours = place.sample()
    theirs = replace(place, client="other").open()
    (first,) = ours.create(drafts_of(ours, [order(42, CODES)]))
    other = replace(order(42, CODES), customer=Party(last_name="Інший"), discounts=(), total=Decimal("989.80"))
    (draft,) = drafts_of(theirs, [other])
    (second,) = theirs.create([replace(draft, key="other/shop/42/create/0")])
    (again,) = theirs.create([replace(draft, key="other/shop/42/create/1")])
    assert first.ref is not None
    assert second.ref is not None
    assert (second.existed, second.ref.number, again.existed) == (False, "000002", True)
    assert again.ref == replace(second.ref, key="other/shop/42/create/0")
    found = [document_view(ours, ref.number) for ref in (first.ref, second.ref)]
    assert [(one["client"], one["customer"]["last_name"], one["total"]) for one in found if one] == [
        ("demo", "Шевченко", Decimal("969.80")),
        ("other", "Інший", Decimal("989.80")),
    ]


def test_what_is_there_already_tells_its_sum(place: Place) -> None:
    books = place.sample()
    drafts = drafts_of(books, [order(1, CODES)])
    (made,) = books.create(drafts)
    changed = replace(drafts[0], order=replace(drafts[0].order, discounts=(), total=Decimal("989.80")))
    (again,) = books.create([changed])
    (under_another_key,) = books.create([replace(changed, key="demo/shop/1/create/9")])
    for ref in (made.ref, again.ref, under_another_key.ref, books.find([drafts[0].key])[drafts[0].key]):
        assert ref is not None
        assert (ref.total, ref.currency, ref.key) == (Decimal("969.80"), "UAH", drafts[0].key)
    assert again.existed
    assert under_another_key.existed


# the longest that schemas/order.xsd lets through, of letters that take four bytes and that no index can press together
NOTE = "".join(chr(0x20000 + (n * n * 7919 + n * 31) % 40000) for n in range(10000))
LINE, CODE = NOTE[:500], NOTE[:100]
WIDTHS = {"Line": LINE, "Note": NOTE, "Code": CODE}


def widest() -> Order:
    """An order with the longest text that the schema allows in every element, read from its file."""
    from lxml import etree

    sample = Path(__file__).parents[3] / "samples" / "orders" / "good" / "full.xml"
    root = etree.fromstring(sample.read_bytes())
    declared = dict(Schema.load(schemas() / "order.xsd").declarations.walk())
    for element in root.iter("{*}*"):
        names = [etree.QName(one).localname for one in (*reversed(list(element.iterancestors())), element)]
        form = declared["/".join(names)].type_name
        if form in WIDTHS and names[-1] != "code":
            element.text = WIDTHS[form]
        elif form == "Named":
            element.text = NOTE
        if names[-2:] == ["customer", "code"]:
            element.text = LINE
    context = FormatContext("demo", ZoneInfo("Europe/Kyiv"), "UAH", "uk-UA", datetime(2026, 11, 22, tzinfo=UTC))
    data = etree.tostring(root, encoding="utf-8")
    (decoded,) = OrderXml().decode(data, OrderXmlSettings(), context).orders
    assert decoded.findings == ()
    assert decoded.order is not None
    return decoded.order


def test_the_longest_values_that_the_schema_allows_are_kept_whole(place: Place) -> None:
    books = place.sample()
    one = widest()
    one = replace(one, customer=replace(one.customer, edrpou=""))  # a new party, of its own code
    (draft,) = drafts_of(books, [one])
    key = f"demo/{one.source}/{one.id}/create/0"
    (outcome,) = books.create([replace(draft, key=key, comment=NOTE)])
    assert outcome.error is None, outcome.error
    assert outcome.ref is not None
    found = document_view(books, outcome.ref.number)
    assert found is not None
    assert (found["source"], found["order_id"], found["source_number"], found["manager"]) == (LINE, CODE, LINE, LINE)
    assert (found["customer"]["phone"], found["delivery_phone"], found["party_code"]) == (LINE, LINE, LINE)
    assert (found["lines"][0]["unit"], found["lines"][0]["barcode"], found["manager_comment"]) == (LINE, LINE, NOTE)


def test_what_is_no_telephone_finds_nobody(place: Place) -> None:
    books = place.sample()
    digits = "дзвонити на 0671234567, 0671234568, 0671234569 " * 3
    orders = [with_buyer(n, Party(first_name="Х", phone=digits, email="x" * 300 + "@example.com")) for n in (1, 2)]
    assert not [one.error for one in books.create(drafts_of(books, orders)) if one.error]
    assert party_codes(place) == ["B000001", "B000002"]


def test_f42_the_same_product_twice_and_a_gift_keep_their_lines(lite: Place) -> None:
    books = lite.sample()
    base = order(1, (CODES[0], CODES[0], CODES[2]))
    (outcome,) = books.create(drafts_of(books, [base]))
    assert outcome.ref is not None
    found = document_view(books, outcome.ref.number)
    assert found is not None
    assert [line["price"] for line in found["lines"]] == [Decimal("389.50"), Decimal("48.60"), Decimal("0.00")]
    assert lite.reserved(CODES[0]) == 5


def test_f48_over_stock_is_reserved_and_the_shop_is_told_none(lite: Place) -> None:
    books = lite.sample()
    big = order(1, CODES)
    lines = (replace(big.lines[0], quantity=Decimal(100)), *big.lines[1:])
    (outcome,) = books.create(drafts_of(books, [replace(big, lines=lines, total=Decimal("39140.80"))]))
    assert outcome.error is None, outcome.error
    (batch,) = books.batches(["code", "stock"], at=lite.clock.now())
    levels = dict(zip(batch.columns["code"], batch.columns["stock"], strict=True))
    assert levels["0042"] == 6  # main is 76 short and counts as 0; the shop on Podil has 6


def test_oversell_hold_asks_a_person_within_one_batch_too(lite: Place) -> None:
    books = lite.sample(oversell="hold")
    orders = []
    for n in (1, 2):
        one = order(n, CODES)
        lines = (replace(one.lines[0], quantity=Decimal(20)), *one.lines[1:])
        orders.append(replace(one, lines=lines, total=Decimal("7980.80")))
    first, second = books.create(drafts_of(books, orders))
    assert first.error is None
    assert isinstance(second.error, Held)
    assert second.error.findings[0].code == "no-stock"
    assert lite.reserved("0042") == 20


def test_an_order_without_a_warehouse_is_held_when_none_is_meant(lite: Place) -> None:
    books = lite.sample(default_warehouse="nowhere")
    (outcome,) = books.create(drafts_of(books, [order(1, CODES)]))
    assert isinstance(outcome.error, Held)
    assert outcome.error.findings[0].code == "unknown-warehouse"
    assert [finding.code for finding in books.check()] == ["unknown-warehouse"]


def test_a_number_that_is_too_fine_is_held(lite: Place) -> None:
    books = lite.sample()
    one = order(1, CODES)
    lines = (replace(one.lines[0], price=Decimal("389.50000001")), *one.lines[1:])
    (outcome,) = books.create(drafts_of(books, [replace(one, lines=lines)]))
    assert isinstance(outcome.error, Held)
    assert outcome.error.findings[0].code == "number"


# --- parties -----------------------------------------------------------------------------------------------------


def with_buyer(n: int, buyer: Party) -> Order:
    return replace(order(n, CODES), customer=buyer)


def party_codes(place: Place) -> list[str]:
    """The code of the party of each document, by number."""
    with place.open().reading() as connection:
        rows = connection.execute(select(t.parties.c.code).join(t.documents).order_by(t.documents.c.id))
        return [row.code for row in rows]


def test_a_buyer_is_found_again_by_edrpou_phone_or_mail(place: Place) -> None:
    books = place.sample()
    buyers = [
        Party(kind="company", company="ТОВ «Автофарба»", edrpou="32855961"),  # 0100 by EDRPOU
        Party(first_name="Ігор", phone="067 111-22-33", email="igor@example.com"),
        Party(first_name="Ігор", phone="+380671112233"),
        Party(first_name="Ігор", email="Igor@Example.com "),
        Party(code="0042", first_name="Хтось", phone="+380671112233"),
        Party(kind="company", company="ТОВ «Інше»", edrpou="14360570", phone="+380671112233"),  # never the person
    ]
    orders = [with_buyer(n, buyer) for n, buyer in enumerate(buyers, 1)]
    assert not [outcome.error for outcome in books.create(drafts_of(books, orders)) if outcome.error]
    codes = party_codes(place)
    assert codes == ["0100", "B000001", "B000001", "B000001", "0042", "B000002"]


def test_two_parties_of_one_phone_are_not_guessed_between(lite: Place) -> None:
    books = lite.sample()
    books.load_references(
        [
            {"kind": "party", "code": "A", "name": "Перший", "phone": "0671112233"},
            {"kind": "party", "code": "B", "name": "Другий", "phone": "+380671112233"},
        ]
    )
    (outcome,) = books.create(drafts_of(books, [with_buyer(1, Party(phone="067 111 22 33"))]))
    assert isinstance(outcome.error, Held)
    assert "A, B" in outcome.error.text.render("en")


def test_without_create_parties_an_unknown_buyer_is_held(lite: Place) -> None:
    books = lite.sample(create_parties=False)
    (outcome,) = books.create(drafts_of(books, [order(1, CODES)]))
    assert isinstance(outcome.error, Held)
    assert outcome.error.findings[0].code == "unknown-party"


def test_a_buyer_that_the_database_refuses_spares_the_others(place: Place) -> None:
    books = place.sample()
    orders = [order(1, CODES), with_buyer(2, Party(first_name="Х", edrpou="1" * 40)), order(3, CODES)]
    outcomes = books.create(drafts_of(books, orders))
    assert [outcome.error is None for outcome in (outcomes[0], outcomes[2])] == [True, True]
    if not books.database.sqlite:  # SQLite takes text of any length
        assert isinstance(outcomes[1].error, Held)


def test_references_are_found_and_ensured(place: Place) -> None:
    books = place.sample()
    assert set(books.find_references("user", ["anna", "nobody"])) == {"anna"}
    made = books.ensure("status", "packed", "Зібрано")
    assert made == books.ensure("status", "packed")
    assert books.ensure("party", "0042").name == "Роздрібний покупець"
    with pytest.raises(ConfigError, match="no references of kind colour"):
        books.find_references("colour", ["red"])


def test_orders_are_looked_up_by_the_whole_of_their_index(lite: Place) -> None:
    """By a part of it SQLite would look through all documents of the client for each batch."""
    with lite.open().reading() as connection:
        words = str(_OF_SOURCE.compile(dialect=connection.dialect)).replace("__[POSTCOMPILE_ids]", "?, ?")
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {words}", (KIND, "demo", 1, "1", "2")).all()
    assert any("source_id=? AND order_id=?" in row[3] for row in plan), plan
