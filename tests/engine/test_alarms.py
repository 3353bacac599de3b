"""A trouble is told once until it changes, whoever tells of it: a run, a run that could not begin, or the service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.clock import SystemClock
from pipeline.engine import alarms
from pipeline.engine.endings import record_end
from pipeline.engine.history import record_broken_end
from pipeline.errors import Finding
from pipeline.ledger import tables as t
from pipeline.ledger.store import Ledger
from pipeline.texts import T

FULL = Finding("disk-full", T("The disk is full."))
PRICE = Finding("no-price", T("A product has no price."))
AWAY = Finding("connect", T("It does not answer."), about="connection:site")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ledger")


@pytest.fixture
def ledger(folder: Path, request: pytest.FixtureRequest) -> Iterator[Ledger]:
    """One file for all tests here, and a client of its own for each."""
    made = Ledger("sqlite:///ledger.sqlite3", client=request.node.name[-64:], base=folder, clock=SystemClock())
    yield made
    made.close()


def told(ledger: Ledger) -> list[str]:
    n = t.notices.c
    with ledger.read() as conn:
        return list(conn.execute(sa.select(n.subject).where(n.client == ledger.client).order_by(n.id)).scalars())


def count_runs(ledger: Ledger) -> int:
    with ledger.read() as conn:
        query = sa.select(sa.func.count()).select_from(t.runs).where(t.runs.c.client == ledger.client)
        return int(conn.execute(query).scalar_one())


def begun(ledger: Ledger, job: str) -> int:
    values = {
        "client": ledger.client,
        "job": job,
        "trigger": "watch",
        "started": ledger.clock.now(),
        "state": "running",
    }
    with ledger.begin() as conn:
        key = conn.execute(t.runs.insert().values(**values)).inserted_primary_key
    assert key is not None
    return int(key[0])


def ended(ledger: Ledger, finding: Finding | None, mark: str = "", job: str = "orders", state: str = "failed") -> None:
    well = state in ("done", "waiting")
    record_end(ledger, begun(ledger, job), job, state, finding=finding, mark=mark, well=well)


def broken(ledger: Ledger, finding: Finding, job: str = "orders") -> None:
    record_broken_end(ledger, job, "failed", finding, trigger="watch", scheduled_for=None)


def not_begun(ledger: Ledger, finding: Finding, job: str = "orders") -> None:
    with ledger.begin() as conn:
        alarms.failed(ledger, conn, job, finding)


#: every way in which one trouble reaches the alarm
WAYS: tuple[Callable[[Ledger, Finding], None], ...] = (
    lambda ledger, finding: ended(ledger, finding, mark="0123456789abcdef"),
    ended,
    broken,
    not_begun,
)


@pytest.mark.parametrize("finding", [FULL, PRICE, AWAY], ids=lambda one: one.code)
@pytest.mark.parametrize("first", range(len(WAYS)))
def test_one_trouble_is_told_once_whoever_tells_of_it(ledger: Ledger, finding: Finding, first: int) -> None:
    for _ in range(2):
        for way in (*WAYS[first:], *WAYS[:first]):
            way(ledger, finding)
    assert len(told(ledger)) == 1


def test_a_full_disk_is_one_trouble_for_all_jobs_until_there_is_room(ledger: Ledger) -> None:
    for job in ("orders", "catalogue"):
        ended(ledger, FULL, mark="x" + job, job=job)
        broken(ledger, FULL, job)
    assert told(ledger) == ["disk"]
    # a look that finds nothing to do works on a full disk, too
    record_end(ledger, begun(ledger, "orders"), "orders", "done", well=True, room=lambda: False)
    broken(ledger, FULL)
    assert told(ledger) == ["disk"]
    ended(ledger, None, state="done")
    broken(ledger, FULL)
    assert told(ledger) == ["disk", "disk"], "full again is news"


def test_another_mark_is_another_trouble_and_so_is_the_same_one_after_it_was_over(ledger: Ledger) -> None:
    ended(ledger, PRICE, "a")
    broken(ledger, PRICE)
    ended(ledger, PRICE, "a")
    assert len(told(ledger)) == 1
    ended(ledger, PRICE, "b")
    assert len(told(ledger)) == 2
    ended(ledger, None, state="waiting")
    ended(ledger, PRICE, "b")
    assert len(told(ledger)) == 3


def test_a_run_that_somebody_broke_off_says_nothing_about_the_trouble(ledger: Ledger) -> None:
    ended(ledger, PRICE, "a")
    ended(ledger, None, state="interrupted")
    ended(ledger, PRICE, "a")
    assert len(told(ledger)) == 1


def test_a_run_that_told_how_it_ended_is_not_written_down_twice(ledger: Ledger) -> None:
    def broken_since(begun: datetime) -> int:
        record_broken_end(ledger, "orders", "failed", FULL, trigger="watch", scheduled_for=None, begun=begun)
        return count_runs(ledger)

    since = ledger.clock.now()
    ended(ledger, FULL)
    assert broken_since(since) == 1
    assert broken_since(ledger.clock.now()) == 2, "that was the run before"
