"""F59: very many orders in one file, which is read in parts."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence

import pytest

from pipeline.resources import samples
from tests.faults import forks, invariants, tally
from tests.faults.conftest import Victim
from tests.faults.pairs import in_turn

Make = Callable[[str, str], Victim]
SINGLE = next(samples().glob("orders/good/single.xml")).read_text("utf-8")
ORDER = re.search(r"<order>.*</order>", SINGLE, re.DOTALL)
assert ORDER is not None
MANY = 60
PARTS = "stream_from: 1, batch: 7"
POINTS = ("inbound:begun", "inbound:before-create", "inbound:created", "inbound:committed", "inbound:part")


def file(orders: Sequence[str]) -> str:
    assert ORDER is not None
    return SINGLE[: ORDER.start()] + "\n".join(orders) + SINGLE[ORDER.end() :]


def order(number: int) -> str:
    assert ORDER is not None
    return ORDER[0].replace("4701", str(10_000_000 + number))


def booked(victim: Victim) -> list[int]:
    return sorted(int(row[0]) - 10_000_000 for row in invariants.books_rows(victim.config()))


@pytest.mark.parametrize(("point", "nth", "ledger"), in_turn(POINTS, (2, 5, 8), ("sqlite", "postgres")))
def test_f59_killed_in_the_midst_of_a_large_file(make_victim: Make, point: str, nth: int, ledger: str) -> None:
    victim = make_victim("local", ledger)
    victim.step = PARTS
    victim.drop("big.xml", file([order(n) for n in range(MANY)]))
    assert victim.die(point, nth) == -9, victim.last_words
    before = booked(victim)
    assert 0 < len(before) < MANY, "it is in the midst of it"
    assert [path.name for path in victim.inbox.iterdir()] == ["big.xml"]
    assert victim.ledger_rows("SELECT state FROM files") == [("archived",)]
    report = victim.run()
    assert report.state == "done", report
    assert booked(victim) == list(range(MANY))
    assert list(victim.inbox.iterdir()) == []
    victim.check()


@pytest.mark.full
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")
@pytest.mark.parametrize(("point", "nth"), [("replay:part", 2), ("inbound:created", 4)])
def test_f59_killed_in_the_midst_of_a_replay_of_a_large_file(make_victim: Make, point: str, nth: int) -> None:
    victim = make_victim("local", "sqlite")
    victim.step = f"{PARTS}, format: {{type: order-xml, max_depth: 4}}"
    victim.drop("big.xml", file([order(n) for n in range(MANY)]))
    assert victim.run().counts["quarantined"] == 1
    victim.step = PARTS
    victim.config()
    done = forks.run("tests.faults.replay_and_die", victim.path, point, nth)
    assert done.returncode == -9, done.stderr
    tally.note("kills")
    tally.note("point", point)
    assert 0 < len(booked(victim)) < MANY, "it is in the midst of it"
    report = victim.run()
    assert report.state == "done", report
    assert booked(victim) == list(range(MANY))
    assert list(victim.inbox.iterdir()) == []
    victim.check()


def test_f59_a_large_file_that_is_wrong_at_its_end_is_set_aside_whole(make_victim: Make) -> None:
    victim = make_victim("local", "sqlite")
    victim.step = PARTS
    victim.drop("big.xml", file([*(order(n) for n in range(MANY)), "<more/>"]))
    report = victim.run()
    assert report.counts["quarantined"] == 1
    assert booked(victim) == []
    victim.check()


def test_f59_of_a_large_file_what_is_wrong_waits_alone_wherever_it_stands(make_victim: Make) -> None:
    """An order that breaks the schema, one that stands twice alike, and one that stands twice with other content."""
    victim = make_victim("local", "sqlite")
    victim.step = PARTS
    orders = [order(n) for n in range(30)]
    bad = re.sub("<total>.*?</total>", "<total>1,00</total>", orders[10])
    other = re.sub("<comment>.*?</comment>", "", orders[3]).replace("</order>", "<comment>Інше</comment></order>")
    victim.drop("big.xml", file([*orders[:10], bad, *orders[11:], orders[4], other]))
    report = victim.run()
    assert (report.counts["created"], report.counts["held"], report.counts["known"]) == (28, 2, 1), report
    assert booked(victim) == [n for n in range(30) if n not in (3, 10)]
    held = victim.ledger_rows("SELECT order_id FROM orders WHERE state = 'held' ORDER BY id")
    assert [int(row[0]) - 10_000_000 for row in held] == [3, 10]
    victim.drop("mended.xml", file([orders[10], orders[3]]))
    assert victim.run().counts["created"] == 2
    assert booked(victim) == list(range(30))
    victim.check()
