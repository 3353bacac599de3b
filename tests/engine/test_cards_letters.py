"""What a card shows of a file, and the letters about it: to each person, in both languages, about all of one file."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from pipeline.engine.cards.excerpt import WIDE, drawn, excerpt
from pipeline.engine.cards.letters import SHOWN, Known, addressees, letter
from pipeline.engine.cards.story import Story
from pipeline.engine.cards.ways import mapping_command, shell_word, ways
from pipeline.engine.nearest import Proposal, alike, meant
from pipeline.engine.shown.cards import KINDS
from pipeline.errors import ConfigError, Finding, Where, Who
from pipeline.flow import Explained
from pipeline.ports import Ref
from pipeline.texts import T

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
FILE = {
    "id": 1,
    "name": "order-7.xml",
    "first_seen": NOW,
    "sha256": "ab" * 32,
    "connection": "site",
    "folder": "orders",
}
ORDER = {
    "id": 7,
    "number": "00007",
    "source": "shop",
    "customer": "Шевченко Олена",
    "total": "779.00",
    "currency": "UAH",
    "document_number": None,
}


def finding(
    code: str = "xsd-value", who: Who = Who.SITE, about: str = "", line: int = 2, text: str = "Wrong."
) -> Finding:
    return Finding(
        code,
        T("{words}", words=text),
        Where("order-7.xml", line, 3, "orders/order/total", "7"),
        T("Mend it."),
        who,
        about,
    )


def story(*findings: Finding, kind: str = "held", number: int = 12, state: str = "open") -> Story:
    card = {
        "id": number,
        "kind": kind,
        "state": state,
        "findings": [one.to_json() for one in findings],
        "subject": "order:7",
    }
    text = "first\nsecond <total>\nthird\n"
    return Story(
        card,
        findings,
        FILE,
        ORDER if kind == "held" else None,
        tuple(excerpt(text, one.where.line or 0, 3) for one in findings),
        2,
    )


KNOWN = Known(
    "acme",
    ZoneInfo("Europe/Kyiv"),
    lambda _story, one: Explained(T("A sum has a dot."), f"<total>{len(one.code)}.00</total>"),
)

# --- lines of the file -----------------------------------------------------------------------------------------------


def test_the_line_is_marked_among_its_neighbours() -> None:
    text = "\n".join(f"line {n}" for n in range(1, 12))
    assert drawn(excerpt(text, 10, 3)) == "   8 | line 8\n   9 | line 9\n> 10 | line 10\n     |   ^\n  11 | line 11"


def test_at_the_edges_there_are_fewer_lines() -> None:
    assert [one.number for one in excerpt("a\nb\nc", 1, 1)] == [1, 2, 3]
    assert [one.number for one in excerpt("a\nb\nc", 3)] == [1, 2, 3]
    assert excerpt("a\nb\nc", 4) == ()
    assert excerpt("", 1, 1)[0].text == ""


def test_lines_are_counted_as_xml_counts_them() -> None:
    assert [one.text for one in excerpt("a\r\nb\rc\nd", 3, 1, around=1)] == ["b", "c", "d"]


@pytest.mark.parametrize("column", [1, 60, 4_999_990, 5_000_000, 9_000_000])
def test_a_huge_line_is_cut_to_the_part_that_matters(column: int) -> None:
    text = "x" * 4_999_990 + "WRONG" + "y" * 5
    (only,) = excerpt(text, 1, column)
    assert len(only.text) <= WIDE + 2
    assert only.caret is not None
    assert 0 <= only.caret <= len(only.text)
    if column == 4_999_991:
        assert only.text[only.caret] == "W"


def test_the_caret_stands_under_the_column_in_a_cut_line_and_behind_tabs() -> None:
    (cut,) = excerpt("x" * 500 + "W" + "y" * 500, 1, 501)
    assert cut.caret is not None
    assert cut.text[cut.caret] == "W"
    (tabbed,) = excerpt("\t\tW", 1, 3)
    assert tabbed.caret is not None
    assert tabbed.text[tabbed.caret] == "W"


def test_what_a_terminal_would_obey_is_only_shown() -> None:
    (line,) = excerpt("a\x1b[31m\x07\u202eb", 1, 1)
    assert line.text == "a\ufffd[31m\ufffd\ufffdb"


@pytest.mark.parametrize("language", ["en", "uk"])
@pytest.mark.parametrize(
    ("code", "about", "answer"),
    [
        ("unknown-product", "sku:AB-1", "mistok resolve 12 --map sku:AB-1=0042"),
        ("in-doubt", "", "mistok resolve 12 --document 77"),
        ("shipped-more", "", "mistok resolve 12 --retry"),
        ("brake", "", "mistok resolve 12 --accept"),
    ],
)
def test_those_inside_are_told_the_rule_and_a_right_answer(code: str, about: str, answer: str, language: str) -> None:
    known = replace(KNOWN, explain=lambda _story, _one: None)
    written = letter([story(finding(code, Who.ACCOUNTANT, about))], Who.ACCOUNTANT, language, known)
    heading, rightly = {"en": ("The rule: ", "rightly written so:"), "uk": ("Правило: ", "")}[language]
    assert heading in written.body
    assert rightly in written.body
    assert f"       {answer}\n" in written.body


def test_those_inside_are_told_the_rule_of_the_format_too() -> None:
    written = letter([story(finding("quantity", Who.ACCOUNTANT))], Who.ACCOUNTANT, "en", KNOWN)
    assert "The rule: A sum has a dot." in written.body


def test_a_hint_leads_to_the_card_itself() -> None:
    one = replace(finding("unknown-product", Who.ACCOUNTANT), hint=T("Say which: `mistok cards` tells how."))
    assert "Say which: `mistok card 12` tells how." in letter([story(one)], Who.ACCOUNTANT, "en", KNOWN).body


def test_a_quarantined_file_is_not_said_to_have_given_orders() -> None:
    written = letter([story(finding(), kind="quarantined")], Who.SITE, "en", KNOWN)
    assert "no order was taken from it" in written.body
    assert "orders that are right are taken" not in written.body


def test_two_faults_on_one_line_draw_it_once() -> None:
    written = letter([story(finding(), finding(text="Wrong, too."))], Who.SITE, "en", KNOWN)
    assert written.body.count("> 2 | second <total>") == 1
    assert "Wrong, too." in written.body


# --- letters ---------------------------------------------------------------------------------------------------------


def test_a_letter_to_the_site_tells_place_text_rule_example_and_what_next() -> None:
    written = letter([story(finding())], Who.SITE, "en", KNOWN)
    assert written.subject == "Order №00007 in order-7.xml has to be mended"
    for words in (
        "Good day!",
        "order-7.xml came on 2026-11-22 14:00",
        "1. Line 2, column 3, orders/order/total, order №7",
        "Wrong.",
        "> 2 | second <total>",
        "Advice: Mend it.",
        "The rule: A sum has a dot.",
        "<total>9.00</total>",
        "send the order file again",
        "Nothing was lost",
        "Nothing is booked twice",
        "2 other orders of this file are booked.",
        "card 12",
    ):
        assert words in written.body, words
    assert "mistok resolve" not in written.body  # that is not theirs to do


def test_the_site_is_asked_which_content_of_a_changed_order_holds() -> None:
    """Nothing is wrong with it, so nothing is to be mended; unless something is."""
    card = replace(story(finding("changed-order", Who.ACCOUNTANT), kind="changed"), order=ORDER)
    written = letter([card], Who.SITE, "en", KNOWN)
    assert written.subject == "Which content of order №00007 holds?"
    assert "Tell us whether the order holds as order-7.xml has it." in written.body
    assert "mend" not in written.body.lower().replace("mend it.", "")
    assert "WRONG" not in written.body
    wrong = replace(story(finding("changed-order", Who.ACCOUNTANT), finding(), kind="changed"), order=ORDER)
    assert "has to be mended" in letter([wrong], Who.SITE, "en", KNOWN).subject


def test_all_cards_of_a_file_go_into_one_letter_and_a_rule_is_told_once() -> None:
    both = [story(finding(), number=12), story(finding(text="Wrong again."), number=13)]
    written = letter(both, Who.SITE, "en", KNOWN)
    assert "2 orders in order-7.xml wait for you" in written.subject
    assert "card 12, 13" in written.body
    assert written.body.count("The rule: A sum has a dot.") == 1
    assert "Rule and example: as in 1." in written.body
    assert "Wrong again." in written.body


def test_each_person_is_told_what_is_theirs() -> None:
    mixed = story(finding(), finding("unknown-product", Who.ACCOUNTANT, "sku:AB-1", text="No such product."))
    assert addressees([mixed]) == (Who.SITE, Who.ACCOUNTANT)
    site = letter([mixed], Who.SITE, "en", KNOWN)
    assert "Wrong." in site.body
    assert "No such product." not in site.body
    known = Known("acme", KNOWN.zone, KNOWN.explain, {"sku:AB-1": (Proposal("AB1", "Ґрунт", 92),)}, {12: {"totals"}})
    inside = letter([mixed], Who.ACCOUNTANT, "en", known)
    assert inside.subject == "Order №00007 waits for you"
    assert "No such product." in inside.body
    assert "Wrong." not in inside.body
    assert "Near to it is AB1 (Ґрунт)." in inside.body
    assert "mistok resolve 12 --map sku:AB-1=…" in inside.body
    assert "mistok resolve 12 --accept" in inside.body
    assert "779.00 UAH" in inside.body
    whole = replace(mixed, order={**ORDER, "total": "800"})
    assert "800.00 UAH" in letter([whole], Who.ACCOUNTANT, "en", known).body
    us = letter([mixed], Who.US, "en", known)
    assert "SHA-256 " + "ab" * 32 in us.body
    assert "Шевченко" not in us.body  # support needs no names of buyers


def test_a_letter_of_very_many_mistakes_says_how_many_more() -> None:
    written = letter([story(*(finding(text=f"Wrong {n}.") for n in range(SHOWN + 5)))], Who.SITE, "en", KNOWN)
    assert f"Wrong {SHOWN - 1}." in written.body
    assert f"Wrong {SHOWN}." not in written.body
    assert "… and 5 more." in written.body


@pytest.mark.parametrize(
    "kind", ["quarantined", "held", "changed", "in_doubt", "lost", "unread", "inbox", "brake", "of-a-plugin"]
)
@pytest.mark.parametrize("who", list(Who))
@pytest.mark.parametrize("language", ["en", "uk"])
def test_every_kind_of_card_gives_a_letter_to_everybody(kind: str, who: Who, language: str) -> None:
    written = letter([story(finding(), kind=kind)], who, language, KNOWN)
    assert written.subject.strip()
    assert "\n" not in written.subject
    assert "Wrong." in written.body
    assert written.body.endswith("\n")
    assert "{" not in written.body.replace("{…}", "")


def test_every_kind_of_card_that_is_opened_has_its_words() -> None:
    opened = set()
    for path in sorted((ROOT / "pipeline").rglob("*.py")):
        text = path.read_text("utf-8")
        names = dict(re.findall(r'^([A-Z]+) = "([a-z_]+)"', text, re.MULTILINE))
        if pairs := re.search(r'^UNREAD, INBOX = "(\w+)", "(\w+)"', text, re.MULTILINE):
            names |= {"UNREAD": pairs[1], "INBOX": pairs[2]}
        for kind in re.findall(r"open_card\([^)]*?conn, (?:\w+\.client, )?([\w\"]+)", text):
            opened.add(names.get(kind, kind).strip('"'))
    opened -= {"client", "kind", "walk", "run"}
    assert {"quarantined", "held", "changed", "in_doubt", "lost", "brake"} <= opened
    assert opened <= KINDS.keys(), f"pipeline/cli/cards.py has no words for {opened - KINDS.keys()}"


# --- what can be done ------------------------------------------------------------------------------------------------


def test_commands_can_be_copied() -> None:
    assert shell_word("sku:AB-1=AB1") == "sku:AB-1=AB1"
    assert shell_word("warehouse:Склад 3=main") == "'warehouse:Склад 3=main'"
    assert shell_word("warehouse:Склад 3=main", windows=True) == '"warehouse:Склад 3=main"'
    assert shell_word("sku:O'Neil=1") == """'sku:O'"'"'Neil=1'"""
    assert mapping_command([12, 13], "sku:AB-1", "") == "mistok resolve 12 13 --map sku:AB-1=…"


def test_a_card_offers_what_goes_with_it() -> None:
    asked = story(finding("unknown-product", Who.ACCOUNTANT, "sku:AB-1"))
    commands = [way.command for way in ways(asked, frozenset(), {"sku:AB-1": (Proposal("AB1", "Ґрунт", 92),)})]
    assert commands[0] == "mistok resolve 12 --map sku:AB-1=AB1"
    assert "mistok resolve 12 --retry" in commands
    assert not any("--accept" in command for command in commands)
    totals = [way.command for way in ways(story(finding("totals")), {"totals"})]
    assert totals[0] == "mistok resolve 12 --accept"
    assert any("--reject" in command for command in totals)
    quarantined = [way.command for way in ways(story(finding(), kind="quarantined"), frozenset())]
    assert "mistok replay --card 12" in quarantined
    assert ways(story(finding(), state="resolved"), frozenset()) == ()


# --- what comes near -------------------------------------------------------------------------------------------------


def test_near_things_are_found_by_code_and_by_name() -> None:
    known = {"R-646-1": "Розчинник 646, 1 л", "0042": "Ґрунт акриловий 4+1 сірий", "L-HS-21": "Лак акриловий HS"}
    assert alike(known, "R-646-2", "")[0].code == "R-646-1"
    assert alike(known, "НЕМА", "ґрунт акриловий сірий 4+1")[0].code == "0042"
    assert alike(known, "Лак акриловий HS", "")[0].code == "L-HS-21"  # its name stands in the place of its code
    assert alike(known, "ZZZ-999-QQ", "") == ()
    assert alike({}, "R-646-2", "Розчинник") == ()


def test_a_code_in_other_letters_is_the_nearest() -> None:
    known = {"E-303-1": "Емаль", "E-303-10": "Емаль 10"}
    first = alike(known, "Е-303-1", "")[0]  # Cyrillic Е
    assert (first.code, first.alike) == ("E-303-1", 100)


def test_near_things_are_found_among_very_many() -> None:
    known = {f"P-{n:06}": f"Товар {n}" for n in range(100_000)}
    assert alike(known, "P-04242", "")[0].code.startswith("P-0")


class Shelf:
    """A system with three products, two of which nobody can tell apart."""

    name = "shelf"

    def check(self) -> Sequence[Finding]:
        return ()

    def close(self) -> None:
        pass

    def find_products(self, codes: Collection[str]) -> Mapping[str, Sequence[Ref]]:
        known = {"A-1": (Ref("1", "A-1"),), "B-2": (Ref("2", "B-2"), Ref("3", "b-2"))}
        return {code: known[code] for code in codes if code in known}


def test_what_is_meant_is_one_known_thing() -> None:
    assert meant(Shelf(), "sku", "A-1", NOW, "uk-UA").id == "1"
    for code, words in (("B-2", "B-2, b-2"), ("C-3", "knows no sku:C-3")):
        with pytest.raises(ConfigError) as refused:
            meant(Shelf(), "sku", code, NOW, "uk-UA")
        assert words in refused.value.text.render("en")
        assert refused.value.hint is not None
    with pytest.raises(ConfigError):
        meant(Shelf(), "warehouse", "main", NOW, "uk-UA")  # it keeps no such list


def test_why_a_card_was_closed_is_in_the_readers_language_and_a_persons_words_stay() -> None:
    from pipeline.ledger.cards import reason
    from pipeline.texts import T, current_language, use_language

    before = current_language()
    stored = json.dumps(T("document {number} exists", number="77").to_json(), ensure_ascii=False)
    try:
        use_language("uk")
        assert reason(stored) == "документ 77 існує"
        use_language("en")
        assert reason(stored) == "document 77 exists"
    finally:
        use_language(before)
    assert reason("замовник передумав") == "замовник передумав"
    for odd in ('{"t": ', '{"t": "x"', '{"t": "{y}", "a": {"x": 1}}', '{"t": 5, "a": []}'):
        assert reason(odd) == odd, "a person may write anything"
    assert reason(None) is None
