"""``mistok resolve N --document NUMBER``: a document that a person found, or made by hand, becomes the order's own."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipeline.engine import adopting
from pipeline.errors import InDoubt
from pipeline.ports import DocumentOutcome, DocumentRef, ListedDocument
from pipeline.texts import T
from tests.engine.deciding_world import World, say


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def by_hand(*documents: ListedDocument) -> Any:
    """``Books.all_documents`` of books in which somebody has made these, too."""
    from plugins.systems.books.system import Books

    real = Books.all_documents

    def listed(self: Books) -> Iterator[ListedDocument]:
        yield from real(self)
        yield from documents

    return listed


def made(number: str, total: str = "779.00", order_id: str = "", source: str = "", ref: str = "") -> ListedDocument:
    return ListedDocument(
        DocumentRef(ref or f"hand-{number}", number, total=Decimal(total), currency="UAH"), source, order_id
    )


def in_doubt(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from plugins.systems.books.system import Books

    def lost(_self: Books, drafts: Any) -> Any:
        return [DocumentOutcome(draft.key, error=InDoubt(T("No answer came."))) for draft in drafts]

    with monkeypatch.context() as broken:
        broken.setattr(Books, "create", lost)
        world.drop(1)
        world.run()
    assert world.states() == {"1": "in_doubt"}


def test_a_document_that_was_found_is_that_of_the_order_in_doubt(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from plugins.systems.books.system import Books

    in_doubt(world, monkeypatch)
    (card,) = world.cards()
    n = card["id"]
    assert f"mistok resolve {n} --document" in say(world, "card", n).out
    assert f"mistok resolve {n} --document" in say(world, "resolve", n, "--accept").err
    assert say(world, "resolve", n, "--document", "000077").code == 2, "there is none of that number"
    monkeypatch.setattr(Books, "all_documents", by_hand(made("000076"), made("000077", "780.00")))
    said = say(world, "resolve", n, "--document", "77", "--why", "found it")
    assert said.code == 0, said.all
    assert "№00001 → document 000077" in said.out
    assert "780.00" in said.out, "it is told that the sums differ"
    assert world.rows("SELECT state, document_id, document_number FROM orders") == [
        ("created", "hand-000077", "000077")
    ]
    assert world.cards() == []
    assert [row["closed_by"] for row in world.cards(closed=True)] == ["anna"]
    (verdict,) = world.decided(card["subject"])
    assert (verdict["verdict"], verdict["codes"], verdict["why"]) == ("accept", ["document"], "found it")
    assert world.rows("SELECT count(*) FROM notices WHERE kind = 'order'") == [(1,)]
    trace = say(world, "trace", "00001").out
    assert "which document is its own" in trace
    assert "anna" in trace
    # it is never made: not by a run, not when the file comes again, and not by a second answer
    world.drop(1, name="again.xml")
    world.run()
    assert world.documents() == []
    again = say(world, "resolve", n, "--document", "000076", user="petro")
    assert (again.code, "anna" in again.out) == (0, True)
    assert say(world, "trace", "000077").out == say(world, "trace", "00001").out


def test_a_held_order_whose_document_was_made_by_hand(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from plugins.systems.books.system import Books

    world.drop(1, "NOPE")
    world.run()
    monkeypatch.setattr(Books, "all_documents", by_hand(made("H-5")))
    data = say(world, "resolve", 1, "--document", "H-5", "--json").json()
    assert data[0]["orders"][0]["document"] == "H-5"
    assert data[0]["said"] == []
    assert world.states() == {"1": "created"}
    world.run()
    assert world.documents() == []


def test_a_document_of_another_order_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from plugins.systems.books.system import Books

    world.drop(2)
    world.drop(1, "NOPE")
    world.drop(3, "NOPE")
    world.run()
    n, other = world.card(order_id="1")["id"], world.card(order_id="3")["id"]
    for number in ("000001", "1"):
        said = say(world, "resolve", n, "--document", number)
        assert (said.code, "№2" in said.err) == (2, True), said.all
    twice = by_hand(made("9", ref="a"), made("9", ref="b"), made("8"), made("7", order_id="1", source="market.example"))
    monkeypatch.setattr(Books, "all_documents", twice)
    assert "2 documents" in say(world, "resolve", n, "--document", "9").err
    assert say(world, "resolve", n, "--document", "7").code == 2, "another shop's order of the same number"
    assert say(world, "resolve", other, "--document", "8").code == 0
    said = say(world, "resolve", n, "--document", "8")
    assert (said.code, "№00003" in said.err) == (2, True), "an order of the ledger has it already"
    assert world.states() == {"1": "held", "2": "created", "3": "created"}


def test_wrong_calls(world: World) -> None:
    from pipeline.resources import samples

    world.drop(1, "NOPE")
    world.put("cut.xml", (samples() / "orders/bad/cut.xml").read_bytes())
    world.run()
    held, cut = world.card(kind="held")["id"], world.card(kind="quarantined")["id"]
    for words in ((held, cut, "--document", "1"), (held, "--document", " "), (held, "--document", "1", "--accept")):
        assert say(world, "resolve", *words).code == 2, words
    said = say(world, "resolve", cut, "--document", "1")
    assert (said.code, "not about an order" in said.err) == (2, True)
    assert say(world, "resolve", 99, "--document", "1").code == 1


def test_where_the_target_cannot_list_the_word_of_a_person_counts(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_doubt(world, monkeypatch)
    monkeypatch.setattr(adopting, "DocumentList", type("Nobody", (), {}))
    said = say(world, "resolve", 1, "--document", "РН-12/3")
    assert said.code == 0, said.all
    assert "on your word" in said.out
    assert world.rows("SELECT state, document_number FROM orders") == [("created", "РН-12/3")]
