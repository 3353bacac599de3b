"""How a plan is told: special prices in the client's time, remarks without an article twice, the target by its name."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from pipeline.engine.shown.stories import event_words
from pipeline.engine.shown.words import place_of
from pipeline.engine.sync.planrows import plain
from pipeline.engine.sync.walk import Applied, judge
from pipeline.errors import Finding, Held, Where
from pipeline.ledger import tables
from pipeline.model import SpecialPrice
from pipeline.ports import RowOutcome
from pipeline.texts import use_language, verbatim
from tests.engine.in_step import World, good
from tests.engine.sync_world import BELOW, put, single, special, uah, with_variants

KYIV = ZoneInfo("Europe/Kyiv")
START, END = datetime(2026, 11, 30, 22, tzinfo=UTC), datetime(2026, 12, 5, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (SpecialPrice(uah("8.00")), "8.00 UAH"),
        (SpecialPrice(uah("8.00"), START, END), "8.00 UAH, 2026-12-01 00:00 – 2026-12-06 00:00"),
        (SpecialPrice(uah("8.00"), None, END), "8.00 UAH, … – 2026-12-06 00:00"),
        (SpecialPrice(uah("8.00"), START, None), "8.00 UAH, 2026-12-01 00:00 – …"),
        (SpecialPrice(uah("8.00"), datetime(2026, 7, 1, 21, tzinfo=UTC)), "8.00 UAH, 2026-07-02 00:00 – …"),
    ],
)
def test_a_special_price_is_told_in_the_clients_time(one: SpecialPrice, words: str) -> None:
    assert plain((one,), KYIV) == [words]


def test_a_plan_that_waits_tells_special_prices_so_and_counts_its_remarks(tmp_path: Path) -> None:
    world = World(tmp_path, step="sync-prices")
    world.crm.traits = BELOW
    put(world.shop, single("1", "A", price="10.00", specials=(special("8.00", START, END),)), single("2", "B"))
    put(world.crm, single("c1", "A", price="10.00", specials=()))
    report = good(world.run())
    (first, *rest) = world.open_cards()[0]["findings"]
    text = str(Finding.from_json(first).text)
    assert text == "These prices were never in step: 1 product would change, and 1 remark is open."
    told = [str(Finding.from_json(one).text) for one in rest]
    assert "B (Товар 2) is not in crm." in told
    assert "A: specials 8.00 UAH, 2026-12-01 00:00 – 2026-12-06 00:00 instead of —." in told
    (row,) = [one for one in report.steps[0].result.details if one["act"] == "changed"]  # type: ignore[union-attr]
    assert row["changes"] == [
        {"field": "specials", "before": [], "after": ["8.00 UAH, 2026-12-01 00:00 – 2026-12-06 00:00"]}
    ]


@pytest.mark.parametrize(
    ("text", "place", "expected"),
    [
        ("AB-1: the target has two.", Where(element="AB-1"), ""),
        ("Two products have AB-1.", Where(element="AB-1"), "AB-1"),
        ("AB-1 is not there.", Where(file="a.csv", line=3, element="AB-1"), "a.csv:3 AB-1"),
        ("It has no article.", Where(), ""),
    ],
)
def test_an_article_is_told_once_in_a_line(text: str, place: Where, expected: str) -> None:
    assert place_of(Finding("x", verbatim(text), place)) == expected


@pytest.mark.parametrize("words", ["It costs more.", "AB-1: It costs more."])
def test_a_refusal_begins_with_its_article_once(words: str) -> None:
    applied = Applied()
    judge([RowOutcome(error=Held(verbatim(words)))], lambda _place: "AB-1", applied)
    assert [str(one.text) for one in applied.findings] == ["AB-1: It costs more."]
    assert applied.refused == 1


def test_sums_in_a_plan_are_written_as_people_of_the_language_do() -> None:
    from pipeline.engine.shown.syncs import plan_lines
    from pipeline.texts import use_language

    head = {"article": "0042", "name": "Фарба", "act": "changed"}
    change = {"before": "1389.50", "after": "1400.00"}
    rows: list[dict[str, Any]] = [
        {
            **head,
            "changes": [
                {"field": "price", **change},
                {"field": "price.wholesale", "before": None, "after": "0.99"},
                {"field": "specials", "before": [], "after": ["1250.00 UAH, 2026-12-01 00:00 – …"]},
                {"field": "barcode", "before": "4820001000740", "after": "0042"},
                {"field": "options", "before": {"вага": "1.5"}, "after": None},
            ],
        },
        {**head, "warehouse": "main", "before": "12345.5", "after": "?"},
        {**head, "act": "new", "changes": [{"field": "price", "before": None, "after": "1000"}]},
    ]
    use_language("uk")
    shown = [(line["before"], line["after"]) for line in plan_lines(rows)]
    use_language("en")
    english = [(line["before"], line["after"]) for line in plan_lines(rows)]
    raw = [(line["before"], line["after"]) for line in plan_lines(rows, raw=True)]
    assert shown == [
        ("1\xa0389,50", "1\xa0400,00"),
        ("", "0,99"),
        ("", "1\xa0250,00 UAH, 2026-12-01 00:00 – …"),
        ("4820001000740", "0042"),
        ("вага: 1.5", ""),
        ("12\xa0345,5", "?"),
        ("", "1\xa0000"),
    ]
    assert english[0] == ("1,389.50", "1,400.00")
    assert (raw[0], raw[5]) == (("1389.50", "1400.00"), ("12345.5", "?"))


@pytest.mark.parametrize(
    ("language", "words", "of_file"),
    [
        ("en", "vanished from the source: Фарба", "taken away by the site"),
        ("uk", "зникло з джерела: Фарба", "сайт забрав його"),
    ],
)
def test_what_has_gone_from_a_source_is_no_file_that_a_site_took_away(
    tmp_path: Path, language: str, words: str, of_file: str
) -> None:
    world = World(tmp_path)
    world.crm.traits = BELOW
    size = {"options": {"Розмір": "M"}, "price": Decimal(5)}
    both = with_variants("10", "T", ("11", "T-1", size), ("12", "T-2", size))
    put(world.shop, *both)
    good(world.run())
    del world.shop.content["12"]
    good(world.run(full=True))
    with world.opened() as client, client.ledger.read() as conn:
        events = conn.execute(sa.select(tables.events.c.data).where(tables.events.c.event == "vanished"))
        (data,) = events.scalars()
    use_language(language)
    assert event_words("vanished", {**data, "title": "Фарба"}) == words
    assert event_words("vanished", {}) == of_file
