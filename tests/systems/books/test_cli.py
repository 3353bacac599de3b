"""The verbs of ``mistok books``, as a person uses them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from lxml import etree
from typer.testing import CliRunner, Result

from pipeline.api import FormatContext, Held, PaymentDraft
from pipeline.testing.documents_contract import drafts_of, order
from pipeline.testing.following_subject import coming_back, part, shipment
from plugins.formats.order_xml import OrderXml, OrderXmlSettings
from plugins.systems.books import tables as t
from plugins.systems.books import verbs
from tests.systems.books.conftest import SAMPLES

if TYPE_CHECKING:
    from tests.systems.books.conftest import Place

Run = Callable[..., Result]


@pytest.fixture
def run(lite: Place) -> Run:
    books = lite.sample()
    orders = [order(n, ("0042", "TAPE-19", "MIX-600")) for n in (1, 2)]
    assert not [outcome.error for outcome in books.create(drafts_of(books, orders)) if outcome.error]
    app = verbs(lambda: (books.settings, books.env))

    def call(*words: Any, raising: bool = False) -> Result:
        return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=not raising)

    return call


def test_load_counts_and_a_trial_writes_nothing(run: Run, lite: Place) -> None:
    path = lite.base / "t.csv"
    path.write_text("код;назва;ціна\n0042;Ґрунт;1 000,50\nНОВИЙ;Новий;2\n", encoding="utf-8")
    trial = run("load", path, "--dry-run")
    assert trial.exit_code == 0
    assert "1 new, 1 changed" in trial.output
    assert "this was a trial" in trial.output
    assert json.loads(run("load", path, "--json").output) == [
        {"file": "t.csv", "new": 1, "changed": 1, "unchanged": 0, "notes": [], "left_out": []}
    ]
    found = json.loads(run("products", "НОВИЙ", "--limit", 9, "--json").output)
    assert [(row["code"], row["price"]) for row in found] == [("АНТ-05", "134.25"), ("НОВИЙ", "2.00")]


def test_load_tells_every_mistake_and_exits_1(run: Run, lite: Place) -> None:
    path = lite.base / "t.csv"
    path.write_text("code;price\n1;x\n;2\n", encoding="utf-8")
    done = run("load", path)
    assert done.exit_code == 1
    assert "x is not a number" in done.output
    assert "The code is missing" in done.output


def test_a_row_without_a_code_is_left_out_and_told_and_the_others_are_loaded(run: Run, lite: Place) -> None:
    path = lite.base / "t.csv"
    path.write_text("код;назва;ціна\nA-1;Перший;10\n;Безкодовий;багато\nA-2;Другий;20\n", encoding="utf-8")
    done = run("load", path)
    assert done.exit_code == 1
    assert "t.csv: 2 new, 0 changed, 0 as they were." in done.output
    assert "t.csv: 1 row is left out." in done.output
    assert "The code is missing: the row is left out. Fill the code in and load" in done.output
    (row,) = json.loads(run("load", path, "--json").output)
    assert (row["unchanged"], [(one["row"], one["column"], one["header"]) for one in row["left_out"]]) == (
        2,
        [(3, 1, "код")],
    )
    path = lite.base / "r.csv"
    path.write_text("kind;name;code\nobject;Склад;09\nobject;Безкодовий;\nobject;Ще один;10\n", encoding="utf-8")
    done = run("load", path)
    assert (done.exit_code, "2 references" in done.output) == (1, True)


def test_a_table_that_mostly_has_no_codes_is_not_loaded_at_all(run: Run, lite: Place) -> None:
    """Its cells are shifted, or it is another table."""
    path = lite.base / "t.csv"
    path.write_text("code;name\nQ-1;Один\n;Два\n;Три\n", encoding="utf-8")
    done = run("load", path)
    assert done.exit_code == 1
    assert "was not loaded" in done.output
    assert json.loads(run("products", "Q-1", "--json").output) == []


def test_references_are_known_by_their_columns(run: Run, lite: Place) -> None:
    path = lite.base / "r.csv"
    path.write_text("вид;код;назва\nobject;09;Склад-магазин\n", encoding="utf-8")
    assert "1 references" in run("load", path).output
    assert lite.open().find_references("object", ["09"])["09"].name == "Склад-магазин"
    path.write_text("kind;code;name\nobjekt;09;x\n", encoding="utf-8")
    done = run("load", path)
    assert done.exit_code == 1
    assert "no reference of kind objekt" in done.output


def test_documents_and_one_of_them(run: Run) -> None:
    found = json.loads(run("documents", "--json").output)
    assert [(row["number"], row["total"], row["order_number"]) for row in found] == [
        ("000002", "969.80", "00000002"),
        ("000001", "969.80", "00000001"),
    ]
    assert "000001" in run("documents", "00000001").output
    shown = run("document", "000001").output
    for words in ("Order 000001", "shop № 00000001", "969.80", "Nova Poshta", "included"):
        assert words in shown
    assert json.loads(run("document", "000001", "--json").output)["lines"][1]["sum"] == "140.80"
    missing = run("document", "999")
    assert missing.exit_code == 1
    assert "no document 999" in missing.output


def test_leading_zeros_of_a_number_may_be_left_out(run: Run, lite: Place) -> None:
    """As `mistok resolve --document` takes it."""
    assert run("document", "1").output == run("document", "000001").output
    assert "Document 000002 is closed." in run("close", "2").output
    assert "Document 000002 is open again." in run("reopen", "02").output
    assert run("document", "0").exit_code == 1
    with lite.open().database.write() as connection:
        connection.execute(t.documents.update().where(t.documents.c.number == "000002").values(number="01"))
    with pytest.raises(Held, match=r"1 may be any of these documents: 000001, 01\."):
        run("document", "1", raising=True)
    assert "Order 01" in run("document", "01").output


def test_everything_that_an_order_says_is_shown(lite: Place) -> None:
    books = lite.sample()
    sample = (SAMPLES / "orders" / "good" / "full.xml").read_bytes()
    context = FormatContext("demo", ZoneInfo("Europe/Kyiv"), "UAH", "uk-UA", datetime(2026, 11, 22, tzinfo=UTC))
    (decoded,) = OrderXml().decode(sample, OrderXmlSettings(), context).orders
    assert decoded.order is not None
    (outcome,) = books.create(drafts_of(books, [decoded.order]))
    assert outcome.error is None
    app = verbs(lambda: (books.settings, books.env))
    shown = CliRunner().invoke(app, ["document", "000001"]).output
    told = CliRunner().invoke(app, ["document", "000001", "--json"]).output
    for words in (
        *("2026-11-21 12:02", "uk-UA", "anna", "Рахунок надіслано", "4820001004441", "Перевірити дату виготовлення"),
        *(
            "м. Київ, вул. Велика Кільцева, 4, оф. 12",
            "Під'їзд з двору.",
            "Хакі 303",
            "3150.00",
            "24 місяці",
            "ПЛЮС100",
        ),
        *("32855961", "LP-2291003399", "20450987654321", "google", "R-778812345"),
    ):
        assert words in shown, words
        assert words in told or words == "2026-11-21 12:02", words
    assert json.loads(told)["modified_at"] == "2026-11-21T10:02:00+00:00"
    leaves = [e for e in etree.fromstring(sample).iter("{*}*") if len(e) == 0 and (e.text or "").strip()]
    written_otherwise = {"created", "modified", "draft", "phone", "rate", "warehouse"}  # in UTC, as E.164, by name …
    lost = [
        etree.QName(leaf).localname
        for leaf in leaves
        if json.dumps((leaf.text or "").strip(), ensure_ascii=False)[1:-1] not in told
    ]
    assert set(lost) <= written_otherwise


def test_stock_and_parties(run: Run) -> None:
    levels = json.loads(run("stock", "0042", "--json").output)
    assert [(row["warehouse"], row["on_hand"], row["reserved"], row["sellable"]) for row in levels] == [
        ("main", "24.00", "4.00", "20.00"),
        ("shop", "6.00", "0.00", "6.00"),
    ]
    parties = json.loads(run("parties", "шевченко", "--json").output)
    assert [(row["code"], row["documents"]) for row in parties] == [("B000001", 1), ("B000002", 1)]
    assert "Nothing matches zzz." in run("parties", "zzz").output


def test_what_people_type_finds_and_nothing_found_says_so(run: Run) -> None:
    assert "000001" in run("documents", "000001").output
    [buyer, *_] = [row for row in json.loads(run("parties", "--json").output) if row["documents"]]
    for words in (buyer["name"].swapcase(), " ".join(reversed(buyer["name"].split())), "0" + buyer["phone"][-9:]):
        assert buyer["code"] in run("parties", words).output, words
        assert run("documents", words).output.count("00000") >= 1, words
    for verb in ("documents", "parties", "products", "stock"):
        assert run(verb, "зовсім ніщо").output == "Nothing matches зовсім ніщо.\n"


def test_known_codes_are_told_in_words_and_kept_in_json(run: Run) -> None:
    from pipeline.texts import use_language

    use_language("uk")
    try:
        listed, shown = run("documents").output, run("document", "000001").output
    finally:
        use_language("en")
    for text in (listed, shown):
        assert " new" not in text, text
    assert "unpaid" not in shown
    assert json.loads(run("documents", "--json").output)[0]["status"] == "new"
    assert run("document", "nosuch").exit_code == 1


@pytest.fixture
def followed(run: Run, lite: Place) -> Run:
    """The first of the two orders was shipped in two parts and paid, and a part of it came back."""
    books = lite.open()
    (draft, _) = drafts_of(books, [order(n, ("0042", "TAPE-19", "MIX-600")) for n in (1, 2)])
    ref = books.find([draft.key])[draft.key]
    parcel = replace(part(draft, 1, 3, 0), comment="НП")
    delivery = replace(draft.order.delivery, tracking="20450987654321", cost=Decimal(0))
    parcel = replace(parcel, order=replace(parcel.order, delivery=delivery))
    first, second = books.ship([shipment(ref, parcel, "1"), shipment(ref, part(draft, 1, 0, 1), "2")])
    assert first.ref is not None
    assert second.error is None
    (back,) = books.take_back([coming_back(ref, first.ref, part(draft, 1, 0, 0))])
    assert back.error is None
    desk = books.ensure("account", "desk", "Каса")
    money = [
        PaymentDraft(key=f"{draft.key}/{n}", order=ref, amount=amount, currency="UAH", account=desk, comment="LiqPay")
        for n, amount in enumerate((Decimal("69.80"), Decimal("900.00")))
    ]
    assert not [outcome.error for outcome in books.pay(money) if outcome.error]
    return run


def test_what_stands_on_a_document_is_shown_with_it(followed: Run) -> None:
    shown = followed("document", "000001").output
    for words in (
        *("Shipments", "S000001", "S000002", "0042 × 1, TAPE-19 × 3", "20450987654321", "530.30"),
        *("Returns", "R000001", "0042 × 1", "389.50"),
        *("Payments", "P000001", "P000002", "Каса", "LiqPay", "Paid 969.80 of 969.80."),
    ):
        assert words in shown, words
    told = json.loads(followed("document", "000001", "--json").output)
    assert [one["number"] for one in told["shipments"]] == ["S000001", "S000002"]
    assert [line["quantity"] for line in told["shipments"][0]["lines"]] == ["1.00", "3.00"]
    assert [(one["shipment"], one["total"]) for one in told["returns"]] == [("S000001", "389.50")]
    assert [(one["account"], one["total"]) for one in told["payments"]] == [("Каса", "69.80"), ("Каса", "900.00")]
    for number in ("S000002", "R000001", "P000001"):
        assert json.loads(followed("document", number, "--json").output) == told
    assert followed("document", "S000003").exit_code == 1
    assert followed("close", "S000002").exit_code == 1, "a shipment is not its order"
    other = json.loads(followed("document", "000002", "--json").output)
    assert (other["shipments"], other["returns"], other["payments"]) == ([], [], [])
    assert "Shipments" not in followed("document", "000002").output


def test_shipments_returns_and_payments_are_listed_and_found(followed: Run) -> None:
    rows = json.loads(followed("shipments", "--json").output)
    assert [(row["number"], row["document"], row["items"], row["total"]) for row in rows] == [
        ("S000002", "000001", 2, "389.50"),
        ("S000001", "000001", 2, "530.30"),
    ]
    assert json.loads(followed("shipments", "20450987654321", "--json").output) == rows[1:]
    assert [row["shipment"] for row in json.loads(followed("returns", "шевченко", "--json").output)] == ["S000001"]
    assert [row["account"] for row in json.loads(followed("payments", "--limit", 1, "--json").output)] == ["Каса"]
    for verb, number in (("shipments", "S000001"), ("returns", "R000001"), ("payments", "P000002")):
        assert number in followed(verb).output
        assert followed(verb, "ніщо").output == "Nothing matches ніщо.\n"


def test_where_nothing_has_followed_it_says_so(run: Run) -> None:
    for verb, words in (("shipments", "No shipment"), ("returns", "No return"), ("payments", "No payment")):
        assert run(verb).output == f"{words} found.\n"


def test_the_period_is_closed_and_opened(run: Run) -> None:
    assert run("period").output == "No period is closed.\n"
    assert "2026-10-31" in run("period", "--close", "2026-10-31").output
    assert json.loads(run("period", "--json").output) == {"closed_until": "2026-10-31"}
    wrong = run("period", "--close", "31.10.2026")
    assert wrong.exit_code == 1
    assert "no day such as" in wrong.output
    assert run("period", "--open").output == "No period is closed.\n"
