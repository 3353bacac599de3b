"""F59: thousands of files at once. MISTOK_FULL: ten thousand."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing

import pytest

from pipeline.alerts.outbox import deliver
from pipeline.engine.runtime import Client, RunOptions, run_job
from pipeline.ports import Delivered, Notice
from pipeline.resources import samples
from tests.faults import tally
from tests.faults.conftest import Victim

Make = Callable[[str, str], Victim]
GOOD = next(samples().glob("orders/good/single.xml")).read_text("utf-8")
MANY = 10_000 if os.environ.get("MISTOK_FULL") else 600


class Screen:
    """A channel that keeps what it shows."""

    name = "screen"

    def __init__(self) -> None:
        self.shown: list[Notice] = []

    def available(self) -> Delivered:
        return Delivered(shown=True)

    def send(self, notice: Notice, language: str) -> Delivered:
        self.shown.append(notice)
        return Delivered(shown=True)

    def close(self) -> None:
        """Nothing to let go of."""


def pour(victim: Victim, numbers: Sequence[int]) -> None:
    """A file for each number; the smaller the number, the newer the file on the server."""
    for n in numbers:
        path = victim.drop(f"{n:06}.xml", GOOD.replace("4701", f"{10_000_000 + n}"))
        os.utime(path, (1_780_000_000 - 60 * n,) * 2)


def booked(victim: Victim) -> list[int]:
    """Numbers of the documents' orders, in the order in which they were made."""
    with closing(sqlite3.connect(victim.folder / "books.sqlite3")) as conn:
        return [int(row[0]) - 10_000_000 for row in conn.execute("SELECT order_id FROM documents ORDER BY id")]


@pytest.mark.timeout(900)
def test_f59_thousands_of_files_at_once_take_little_memory_and_make_one_popup(make_victim: Make) -> None:
    victim = make_victim("local", "sqlite")
    victim.step = "batch: 50"
    few = MANY // 6
    pour(victim, range(few))
    small = victim.measure()
    assert small["counts"]["created"] == few
    pour(victim, range(few, few + MANY))
    large = victim.measure()
    tally.note("files", MANY)
    assert large["counts"]["created"] == MANY
    assert large["state"] == "done"
    # six times as many files: what is kept of each is its line in the listing and its rows, some KB
    assert large["rise"] < small["rise"] + 30 + MANY * 0.012, (small, large)
    assert list(victim.inbox.iterdir()) == []
    made = booked(victim)
    assert sorted(made) == list(range(few + MANY))
    assert made == [*range(few - 1, -1, -1), *range(few + MANY - 1, few - 1, -1)], "oldest first"
    screen = Screen()
    with Client.open(victim.config()) as client:
        deliver(client.ledger, [screen], burst=4, kinds=["order"], language="uk")
    assert [notice.kind for notice in screen.shown] == ["summary"]
    told = screen.shown[0].title.render("en") + screen.shown[0].body.render("en")
    assert f"{few + MANY:,}".replace(",", "") in told.replace(",", "").replace("\u00a0", "").replace(" ", "")
    victim.check()


def test_f59_batches_are_bounded_and_each_is_done_with_before_the_next(make_victim: Make) -> None:
    victim = make_victim("sftp", "sqlite")
    victim.step = "batch: 9"
    pour(victim, range(40))
    left: list[int] = []
    staged: list[int] = []

    def reach(point: str) -> None:
        if point == "inbound:archived":
            staged.append(len(victim.ledger_rows("SELECT id FROM files WHERE state IN ('archived', 'claimed')")))
        if point == "inbound:acknowledged":
            left.append(len(list(victim.inbox.iterdir())))

    run_job(victim.config(), "orders", RunOptions(), reach=reach)
    assert left[:5] == [31, 22, 13, 4, 0]
    assert max(staged) <= 9
    assert len(booked(victim)) == 40
    victim.check()


@pytest.mark.parametrize("ledger", ["sqlite", "postgres"])
def test_f59_killed_in_the_middle_of_many_nothing_is_lost(make_victim: Make, ledger: str) -> None:
    victim = make_victim("local", ledger)
    pour(victim, range(60))
    for point, nth in (("inbound:archived", 3), ("inbound:created", 2), ("inbound:before-delete", 2)):
        assert victim.die(point, nth) == -9
    assert victim.run().state == "done"
    assert sorted(booked(victim)) == list(range(60))
    assert list(victim.inbox.iterdir()) == []
    victim.check()
