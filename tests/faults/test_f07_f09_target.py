"""F7-F9: the target times out after it created, asks to wait, breaks, or says no. Every call of it is counted."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.engine import mending
from pipeline.resources import samples
from pipeline.testing.target import Answer, calls, tell
from tests.faults import tally
from tests.faults.conftest import Victim

Make = Callable[[str, str], Victim]
LEDGERS = pytest.mark.parametrize("ledger", ["sqlite", "postgres"])
MINUTE = timedelta(minutes=1)


def documents(target: Path) -> list[str]:
    """Order ids of the documents in the target, by plain SQL."""
    with closing(sqlite3.connect(target)) as conn:
        return [row[0] for row in conn.execute("SELECT order_id FROM documents ORDER BY order_id")]


def creates(target: Path, order_id: str) -> list[str]:
    """How the target answered when it was asked to create this order."""
    return [answer for one, answer in calls(target) if one == order_id]


def states(victim: Victim) -> dict[str, str]:
    return dict(victim.ledger_rows("SELECT order_id, state FROM orders ORDER BY order_id"))


def two(victim: Victim) -> tuple[str, str]:
    """Two sample orders; gives their ids."""
    victim.drop("single.xml")
    victim.drop("company.xml")
    return "4701", "4705"


# --- F7 ----------------------------------------------------------------------------------------------------------


@LEDGERS
def test_f07_a_time_out_after_it_created_is_looked_up_and_never_posted_again(make_victim: Make, ledger: str) -> None:
    victim = make_victim("local", ledger)
    target = victim.scripted()
    # it makes the document, no answer comes, and the document is to be seen after three more look-ups only
    tell(target, Answer(504, order_id="4701", made=True, late=3))
    doubtful, good = two(victim)
    assert victim.run(trigger="watch").exit_code == 1
    assert states(victim) == {doubtful: "in_doubt", good: "created"}
    victim.check(lasting=True)

    asked = []
    for _ in range(40):  # the schedule looks in every ten seconds: it is not asked every time
        victim.clock.ahead += timedelta(seconds=10)
        before = len(calls(target, "find"))
        victim.run(trigger="watch")
        asked.append(len(calls(target, "find")) > before)
        if states(victim)[doubtful] == "created":
            break
    assert asked.count(True) == 3
    gaps = [place for place, was in enumerate(asked) if was]
    assert gaps[1] - gaps[0] < gaps[2] - gaps[1], "the pauses grow"
    assert creates(target, doubtful) == ["in-doubt"], "asked to create once, and never again"
    assert documents(target) == [doubtful, good]
    assert victim.ledger_rows("SELECT kind, state FROM cards") == [("in_doubt", "resolved")]
    assert list(victim.inbox.iterdir()) == []
    victim.check()


def left_half(target: Path, order_id: str) -> None:
    """As a system that makes a document by several calls: the first was done, the others were not."""
    with closing(sqlite3.connect(target)) as conn:
        conn.execute("UPDATE documents SET half = 1 WHERE order_id = ?", [order_id])
        conn.commit()


def halves(target: Path) -> int:
    """How many documents are not finished."""
    with closing(sqlite3.connect(target)) as conn:
        return int(conn.execute("SELECT count(*) FROM documents WHERE half").fetchone()[0])


@LEDGERS
def test_f07_what_a_lost_answer_left_half_way_is_finished_and_not_made_twice(make_victim: Make, ledger: str) -> None:
    victim = make_victim("local", ledger)
    target = victim.scripted()
    tell(target, Answer(504, order_id="4701", made=True, times=1))
    doubtful, good = two(victim)
    assert victim.run(trigger="watch").exit_code == 1
    left_half(target, doubtful)
    victim.clock.ahead += timedelta(minutes=1)
    assert victim.run(trigger="watch").exit_code == 0
    assert states(victim) == {doubtful: "created", good: "created"}
    assert (documents(target), halves(target)) == ([doubtful, good], 0)
    assert victim.ledger_rows("SELECT kind, state FROM cards") == [("in_doubt", "resolved")]
    victim.check()


@LEDGERS
def test_f03_f07_what_a_killed_run_left_half_way_is_finished(make_victim: Make, ledger: str) -> None:
    victim = make_victim("local", ledger)
    target = victim.scripted()
    order, good = two(victim)
    assert victim.die("inbound:created") == -9
    left_half(target, order)
    assert victim.run().exit_code == 0
    assert (documents(target), halves(target)) == ([order, good], 0)
    victim.check()


def test_f07_what_stays_in_doubt_is_told_again_and_waits_for_a_person(make_victim: Make) -> None:
    victim = make_victim("local", "sqlite")
    target = victim.scripted()
    tell(target, Answer(504, order_id="4701"))  # nothing was made, and nobody can know
    doubtful, _good = two(victim)
    for _ in range(mending.DOUBT_TOLD + 3):
        victim.run(trigger="watch")
        victim.clock.ahead += timedelta(hours=2)
    assert creates(target, doubtful) == ["in-doubt"]
    assert victim.ledger_rows("SELECT kind, state FROM cards") == [("in_doubt", "open")]
    told = victim.ledger_rows("SELECT count(*) FROM notices WHERE kind = 'held'")
    assert told == [(2,)], "told at once, and again after several look-ups; not at each of them"
    victim.check(work_left=True)  # it is looked up once more


@LEDGERS
def test_f07_killed_while_the_answer_was_on_its_way(make_victim: Make, ledger: str) -> None:
    victim = make_victim("local", ledger)
    target = victim.scripted()
    order, good = two(victim)
    assert victim.die("inbound:created") == -9
    assert documents(target) == [order, good], "it was made, and the ledger does not know"
    assert victim.run().exit_code == 0
    assert creates(target, order) == ["ok"]
    assert documents(target) == [order, good]
    victim.check()


DOUBTING = """
from pipeline.api import *
from pipeline.testing.target import PLUGIN as ORIGINAL, ScriptedTarget

class Doubting(ScriptedTarget):
    def create(self, drafts):
        super().create(drafts)
        raise InDoubt(T("No answer came."))

PLUGIN = SystemPlugin("doubting", T("x"), ORIGINAL.settings, Doubting)
"""


def test_f07_a_target_that_doubts_a_whole_batch_is_asked_once_for_each(make_victim: Make) -> None:
    victim = make_victim("local", "sqlite")
    target = victim.scripted()
    victim.plugin("doubting", DOUBTING)
    victim.target = victim.target.replace("scripted-target", "doubting")
    two(victim)
    for _ in range(4):
        victim.run()
        victim.clock.ahead += timedelta(hours=1)
    assert sorted(calls(target)) == [("4701", "ok"), ("4705", "ok")]
    assert set(states(victim).values()) == {"created"}
    assert victim.ledger_rows("SELECT state FROM cards") == [("resolved",), ("resolved",)]
    victim.check()


# --- F8 ----------------------------------------------------------------------------------------------------------


@LEDGERS
@pytest.mark.parametrize("status", [429, 503])
def test_f08_the_time_that_the_target_names_is_kept_whoever_runs_the_job(
    make_victim: Make, ledger: str, status: int
) -> None:
    victim = make_victim("local", ledger)
    target = victim.scripted()
    tell(target, Answer(status, order_id="4701", words="slow down", retry_after="600", times=1))
    later, good = two(victim)
    first = victim.run(trigger="watch")
    assert first.exit_code == 3
    assert first.again_in is not None
    assert 590 <= first.again_in <= 600
    assert states(victim) == {later: "new", good: "created"}
    assert [path.name for path in victim.inbox.iterdir()] == ["single.xml"], "the other one is done with"
    for _ in range(3):
        for trigger in ("watch", "person", "schedule"):
            again = victim.run(trigger=trigger)
            assert again.counts["later"] == 1
            assert again.exit_code == 3
        victim.clock.ahead += 3 * MINUTE
    assert creates(target, later) == [f"http-{status}"], "not asked before its time"
    victim.drop("discounts.xml")
    assert victim.run(trigger="watch").counts["created"] == 1, "the others go on"
    victim.clock.ahead += MINUTE
    assert victim.run(trigger="watch").counts["created"] == 1
    assert creates(target, later) == [f"http-{status}", "ok"]
    assert set(states(victim).values()) == {"created"}
    assert victim.ledger_rows("SELECT count(*) FROM cards") == [(0,)], "nothing is refused for it"
    assert victim.ledger_rows("SELECT count(*) FROM notices WHERE kind = 'failure'") == [(1,)]
    assert list(victim.inbox.iterdir()) == []
    victim.check()


def test_f08_a_date_in_retry_after_is_a_time_as_well(make_victim: Make) -> None:
    from email.utils import format_datetime

    victim = make_victim("local", "sqlite")
    target = victim.scripted()
    when = format_datetime(victim.clock.now() + 5 * MINUTE, usegmt=True)
    tell(target, Answer(503, order_id="4701", retry_after=when, times=1))
    later, _good = two(victim)
    report = victim.run(trigger="watch")
    assert report.again_in is not None
    assert 280 <= report.again_in <= 300
    victim.clock.ahead = 6 * MINUTE
    victim.run(trigger="watch")
    assert creates(target, later) == ["http-503", "ok"]
    victim.check()


@pytest.mark.full
def test_f08_without_a_time_the_pauses_are_ours_and_grow_and_a_person_need_not_wait(make_victim: Make) -> None:
    victim = make_victim("local", "sqlite")
    target = victim.scripted()
    tell(target, Answer(500, order_id="4701", words="oops"))
    broken, _good = two(victim)
    for _ in range(60):  # ten minutes of a poll
        victim.run(trigger="watch")
        victim.clock.ahead += timedelta(seconds=10)
    asked = len(creates(target, broken))
    assert 4 <= asked <= 6, "after 30 s, 1 min, 2 min, 4 min …"
    victim.run()
    assert len(creates(target, broken)) == asked + 1
    tell(target)
    assert victim.run().counts["created"] == 1
    assert victim.ledger_rows("SELECT count(*) FROM notices WHERE kind = 'failure'") == [(1,)]
    victim.check()


def test_f08_a_target_that_wants_to_be_left_alone_altogether_is(make_victim: Make) -> None:
    victim = make_victim("local", "sqlite")
    target = victim.scripted()
    tell(target, Answer(429, call="find", retry_after="60", times=1))
    two(victim)
    assert victim.run(trigger="watch").exit_code == 3
    for _ in range(5):
        report = victim.run()
        assert report.exit_code == 3
        assert "left alone until" in report.steps[0].findings[0].text.render("en")
        victim.clock.ahead += timedelta(seconds=10)
    assert calls(target, "find") == [("", "http-429")]
    assert calls(target, "create") == []
    victim.clock.ahead = 2 * MINUTE
    assert victim.run().counts["created"] == 2
    assert victim.ledger_rows("SELECT count(*) FROM notices WHERE kind = 'failure'") == [(1,)]
    victim.check()


def test_f08_newer_content_that_comes_meanwhile_is_not_lost(make_victim: Make) -> None:
    victim = make_victim("local", "sqlite")
    target = victim.scripted()
    tell(target, Answer(429, order_id="4701", retry_after="600", times=1))
    victim.drop("single.xml")
    victim.run()
    text = next(samples().glob("orders/good/single.xml")).read_text("utf-8").replace("Шевченко", "Шевчук")
    victim.drop("newer.xml", text)
    assert victim.run().counts["later"] >= 1
    assert len(list(victim.inbox.iterdir())) == 2, "neither is done with"
    victim.clock.ahead = timedelta(minutes=11)
    victim.run()
    assert creates(target, "4701") == ["http-429", "ok"]
    assert victim.run().counts.get("failed") is None
    assert documents(target) == ["4701"]
    assert list(victim.inbox.iterdir()) == []
    assert victim.ledger_rows("SELECT count(*) FROM sightings") == [(2,)]
    victim.check()


def test_f08_killed_while_it_waits_it_keeps_the_time(make_victim: Make) -> None:
    victim = make_victim("local", "sqlite")
    target = victim.scripted()
    tell(target, Answer(429, order_id="4701", retry_after="600", times=1))
    later, good = two(victim)
    victim.run()
    victim.drop("discounts.xml")
    assert victim.die("inbound:committed") == -9
    victim.run()
    assert creates(target, later) == ["http-429"]
    victim.clock.ahead = timedelta(minutes=11)
    victim.run()
    assert documents(target) == [later, good, "4706"]
    victim.check()


# --- F9 ----------------------------------------------------------------------------------------------------------

SAID = (
    ("sqlite", "Період закрито до 01.12.2026"),
    ("postgres", "Недостатньо товару 0042: є 1, треба 2"),
    ("sqlite", "422 Unprocessable: field `sum`"),
)


@pytest.mark.parametrize(("ledger", "words"), SAID)
def test_f09_a_refusal_is_a_card_with_the_targets_words_and_no_storm(
    make_victim: Make, ledger: str, words: str
) -> None:
    victim = make_victim("local", ledger)
    target = victim.scripted()
    tell(target, Answer(422, order_id="4701", words=words))
    tally.note("inputs")
    held, good = two(victim)
    victim.drop("three-orders.xml")  # siblings in one file with others
    assert victim.run(trigger="watch").exit_code == 1
    found = states(victim)
    assert found.pop(held) == "held"
    assert set(found.values()) == {"created"}
    assert len(found) == 4
    ((card,),) = victim.ledger_rows("SELECT findings FROM cards WHERE state = 'open'")
    assert words in str(card).encode("latin-1", "backslashreplace").decode("unicode_escape") or words in str(card)
    for _ in range(30):  # an hour of a poll
        victim.run(trigger="watch")
        victim.clock.ahead += 2 * MINUTE
    assert 3 <= len(creates(target, held)) <= 5, "after 5, 10, 20 minutes …"
    assert victim.ledger_rows("SELECT count(*) FROM notices WHERE kind = 'held'") == [(1,)]
    assert list(victim.inbox.iterdir()) == []
    tell(target)  # the accountant opens the period
    assert victim.run().counts == {"created": 1}
    assert good in found
    assert documents(target) == sorted([held, *found])
    assert victim.ledger_rows("SELECT state FROM cards") == [("resolved",)]
    victim.check()
