"""The verbs of ``mistok books``, as a person uses them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner, Result

from pipeline.testing.documents_contract import drafts_of, order
from plugins.systems.books import verbs

if TYPE_CHECKING:
    from tests.systems.books.conftest import Place

Run = Callable[..., Result]


@pytest.fixture
def run(lite: Place) -> Run:
    books = lite.sample()
    orders = [order(n, ("0042", "TAPE-19", "MIX-600")) for n in (1, 2)]
    assert not [outcome.error for outcome in books.create(drafts_of(books, orders)) if outcome.error]
    app = verbs(lambda: (books.settings, books.env))

    def call(*words: Any) -> Result:
        return CliRunner().invoke(app, [str(word) for word in words])

    return call


def test_load_counts_and_a_trial_writes_nothing(run: Run, lite: Place) -> None:
    path = lite.base / "t.csv"
    path.write_text("код;назва;ціна\n0042;Ґрунт;1 000,50\nНОВИЙ;Новий;2\n", encoding="utf-8")
    trial = run("load", path, "--dry-run")
    assert trial.exit_code == 0
    assert "1 new, 1 changed" in trial.output
    assert "this was a trial" in trial.output
    assert json.loads(run("load", path, "--json").output) == [
        {"file": "t.csv", "new": 1, "changed": 1, "unchanged": 0, "notes": []}
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
    for words in ("Order 000001", "shop № 00000001", "969.80", "nova-poshta", "included"):
        assert words in shown
    assert json.loads(run("document", "000001", "--json").output)["lines"][1]["sum"] == "140.80"
    missing = run("document", "999")
    assert missing.exit_code == 2
    assert "no document 999" in missing.output


def test_stock_and_parties(run: Run) -> None:
    levels = json.loads(run("stock", "0042", "--json").output)
    assert [(row["warehouse"], row["on_hand"], row["reserved"], row["sellable"]) for row in levels] == [
        ("main", "24.00", "4.00", "20.00"),
        ("shop", "6.00", "0.00", "6.00"),
    ]
    parties = json.loads(run("parties", "шевченко", "--json").output)
    assert [(row["code"], row["documents"]) for row in parties] == [("B000001", 1), ("B000002", 1)]
    assert "No party found" in run("parties", "zzz").output
