"""``mistok cards``, ``card``, ``resolve`` and ``mappings`` as a person types them: words, exit codes, JSON."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipeline.engine.carrying import Came
from pipeline.engine.shown.answers import came_words, parse_map
from pipeline.errors import ConfigError, Finding
from pipeline.resources import samples
from pipeline.texts import T, use_language
from tests.engine.deciding_world import World, say


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A held order, one of a total that disagrees, an order that breaks the schema in three places, a cut file."""
    made = World(tmp_path_factory.mktemp("cards"))
    made.drop(1, "0042-X")
    made.drop(2, total="780.00")
    for name in ("breaks-schema", "cut"):
        shutil.copy(samples() / "orders" / "bad" / f"{name}.xml", made.folder / "site/shop")
    made.run()
    return made


def number(world: World, **values: object) -> int:
    return int(world.card(**values)["id"])


def test_cards_lists_what_waits_with_place_and_person(world: World) -> None:
    said = say(world, "cards")
    assert said.code == 0
    for words in ("order waits", "file in quarantine", "№00001", "cut.xml", "the accountant", "the site's developer"):
        assert words in said.out
    rows = say(world, "cards", "--json").json()
    assert len(rows) == 4
    row = next(one for one in rows if one["order_id"] == "1")
    assert (row["kind"], row["state"], row["file"], row["line"], row["who"]) == (
        "held",
        "open",
        "order-1.xml",
        10,
        ["accountant"],
    )
    assert [one["order_id"] for one in say(world, "cards", "--who", "accountant", "--json").json()] == ["1"]
    assert {one["kind"] for one in say(world, "cards", "--kind", "quarantined", "--json").json()} == {"quarantined"}
    assert [one["order_id"] for one in say(world, "cards", "--order", "00002", "--json").json()] == ["2"]
    assert say(world, "cards", "--kind", "nonsense").code == 2
    assert say(world, "cards", "--who", "boss").code == 2


def test_a_card_shows_the_failing_line_the_history_and_what_can_be_done(world: World) -> None:
    n = number(world, order_id="1")
    said = say(world, "card", n)
    assert said.code == 0
    for words in (
        "For the accountant:",
        "<code>0042-X</code>",
        "Near to sku:0042-X:",
        "0042  Ґрунт",
        f"card {n} opened",
    ):
        assert words in said.out, words
    assert f"mistok resolve {n} --map sku:0042-X=0042" in said.out
    assert f"mistok resolve {n} --reject" in said.out
    data = say(world, "card", n, "--json").json()
    assert any(line["marked"] and "0042-X" in line["text"] for line in data["excerpts"][0])
    assert data["near"]["sku:0042-X"][0]["code"] == "0042"
    assert data["acceptable"] == []
    assert say(world, "card", 999).code == 1


@pytest.mark.parametrize("language", ["en", "uk"])
def test_a_letter_comes_in_the_language_that_is_asked_for(world: World, language: str) -> None:
    n = number(world, order_id="4803")
    said = say(world, "card", n, "--letter", "--lang", language, language="uk" if language == "en" else "en")
    assert said.code == 0
    assert said.err == ""
    rule = {"en": "A sum: a decimal point", "uk": "Сума: крапка між цілим і дробовим"}[language]
    assert rule in said.out
    for words in (">389,50</price>", "<price>620.25</price>", "<currency>UAH</currency>", "breaks-schema.xml"):
        assert words in said.out, words
    assert "mistok resolve" not in said.out


def test_letters_go_to_whom_one_says(world: World) -> None:
    n = number(world, order_id="1")
    data = say(world, "card", n, "--letter", "--json").json()
    assert (data["to"], data["language"]) == ("accountant", "en")
    admin = say(world, "card", n, "--letter", "--to", "admin")
    assert f"mistok resolve {n} --map sku:0042-X=…" in admin.out
    assert say(world, "card", n, "--letter", "--to", "boss").code == 2
    assert say(world, "card", n, "--to", "admin").code == 2


def test_a_wrong_call_of_resolve_says_how_it_is_called(world: World) -> None:
    n = number(world, order_id="1")
    for words in (
        ["resolve"],
        ["resolve", n],
        ["resolve", n, "--accept", "--reject", "--why", "x"],
        ["resolve", n, "--reject"],
        ["resolve", n, "--reject", "--why", "  "],
        ["resolve", n, "--map", "nonsense"],
        ["resolve", n, "--accept"],
        ["resolve", number(world, kind="quarantined"), "--map", "sku:A=B"],
    ):
        said = say(world, *words)
        assert said.code == 2, (words, said.all)
        assert "→" in said.err, (words, said.err)
    assert say(world, "resolve", 999, "--accept").code == 1
    assert len(world.cards()) == 4


def test_several_cards_are_answered_in_one_call_and_told_in_json(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.drop(1, total="780.00")
    world.drop(2, total="781.00")
    world.drop(3, "NOPE")
    world.run()
    refused = say(world, "resolve", 1, 2, 3, "--accept")
    assert refused.code == 2  # all or none: the third is no question
    assert world.documents() == []
    done = say(world, "resolve", 1, 2, "--accept", "--why", "agreed", "--json")
    assert done.code == 0
    assert [one["orders"][0]["state"] for one in done.json()] == ["created", "created"]
    assert world.documents() == [("1", "78000"), ("2", "78100")]
    again = say(world, "resolve", 1, "--accept", user="petro")
    assert again.code == 0
    assert "anna" in again.out
    closed = say(world, "cards", "--all", "--json").json()
    assert {one["closed_by"] for one in closed if one["state"] == "resolved"} == {"anna"}
    story = say(world, "trace", "00001").out
    assert "accepted as it is: anna (agreed)" in story

    both = say(world, "resolve", 3, "--map", "sku:NOPE=0043", "--map", "sku:NOPE=0042")
    assert (both.code, "cannot mean both 0043 and 0042" in both.err) == (2, True)
    assert "it has no document yet" in say(world, "card", 3, "--letter").out
    mapped = say(world, "resolve", 3, "--map", "sku:NOPE=0043")
    assert mapped.code == 0
    assert "№00003 → document" in mapped.out
    late = say(world, "card", 3, "--letter")
    assert late.code == 0
    assert "no document yet" not in late.out
    assert "mistok resolve" not in late.out
    assert "Card 3 is resolved: by anna" in late.err
    (row,) = say(world, "mappings", "--json").json()
    assert (row["kind"], row["code"], row["meant"], row["by"], row["card"]) == ("sku", "NOPE", "0043", "anna", 3)
    assert say(world, "mappings", "--forget", "sku:NOPES").code == 2
    assert say(world, "mappings", "--forget", "sku:NOPE").code == 0
    assert say(world, "mappings", "--json").json() == []
    world.drop(4, "NOPE")
    world.run()
    assert world.states()["4"] == "held"
    rejected = say(world, "resolve", 4, "--reject", "--why", "a test order")
    assert rejected.code == 0
    assert "a test order" in say(world, "trace", "00004").out


def test_what_waits_all_the_same_ends_with_one(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.drop(1, "NOPE")
    world.run()
    said = say(world, "resolve", 1, "--retry")
    assert said.code == 1
    assert "№00001" in said.out
    assert "(card 1)" in said.out


def test_who_was_quicker_is_told_of_an_order_that_was_rejected_meanwhile() -> None:
    use_language("en")
    why = Finding("rejected", T("Rejected by {who}: {why}", who="petro", why="a test order"))
    order = {"number": "00007", "state": "rejected", "document_number": None, "findings": [why.to_json()]}
    assert str(came_words(Came(order))) == "№00007: Rejected by petro: a test order"


def test_a_code_may_hold_what_separates() -> None:
    asked = ["sku:A=B", "sku:A", "warehouse:x:y"]
    assert parse_map("sku:A=B=C", asked) == (("sku", "A=B"), "C")
    assert parse_map("sku:A=C", asked) == (("sku", "A"), "C")
    assert parse_map("warehouse:x:y=main", asked) == (("warehouse", "x:y"), "main")
    for wrong in ("sku:A=", "sku:Z=1", "A=B", ""):
        with pytest.raises(ConfigError):
            parse_map(wrong, asked)
