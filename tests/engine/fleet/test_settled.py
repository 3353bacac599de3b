"""Two workers that begin in one moment with a client that they do not share: one has it, from the first run on."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pipeline.engine.fleet import queue
from pipeline.engine.fleet.queue import Queue
from pipeline.engine.fleet.roster import APART, Clients, Other
from tests.engine.fleet import clients
from tests.engine.fleet.queues import within
from tests.faults.fleet import Fleet
from tests.faults.serving import started


def has(heard: list[dict[str, Any]]) -> list[str]:
    return [name for row in heard for name in row["clients"]]


def test_of_workers_that_begin_in_one_moment_one_has_it(queue_url: str) -> None:
    async def work(first: Queue, _worker: int) -> None:
        second = Queue(queue_url)
        async with second.app.open_async():
            for number in range(20):
                mine: dict[str, dict[str, str]] = {f"c{number}": {}, f"one-{number}": {}}
                theirs: dict[str, dict[str, str]] = {f"c{number}": {}, f"two-{number}": {}}
                await asyncio.gather(
                    first.say("one", {}, mine, lambda heard, mine=mine: mine.keys() & has(heard)),  # type: ignore[misc]
                    second.say("two", {}, theirs, lambda heard, it=theirs: it.keys() & has(heard)),  # type: ignore[misc]
                )
                with queue.connect(queue_url) as conn:
                    rows = conn.execute("SELECT clients FROM mistok_workers").fetchall()
                found = sorted(name for row in rows for name in row["clients"])
                assert found == [f"c{number}", f"one-{number}", f"two-{number}"]

    within(queue_url, work)


def test_who_stops_in_the_midst_holds_up_nobody_and_settles_it_anew(queue_url: str) -> None:
    asked: list[list[str]] = []

    async def work(it: Queue, _worker: int) -> None:
        other = Queue(queue_url)
        tries: list[int] = []

        async def stopping(cursor: psycopg.AsyncCursor[dict[str, Any]]) -> int:
            tries.append(len(tries))
            await cursor.execute("SELECT set_config('idle_in_transaction_session_timeout', '100ms', true)")
            await cursor.execute("SELECT pg_advisory_xact_lock(%s)", [queue._SETTLING])
            if len(tries) == 1:
                async with other.app.open_async():
                    await other.say("other", {}, {"acme": {}}, lambda heard: asked.append(has(heard)) or ())  # type: ignore[func-returns-value]
            await cursor.execute("SELECT 1")
            return len(tries)

        assert await it.connector.in_transaction(stopping) == 2
        assert asked == [[]]

    within(queue_url, work)


def test_what_another_one_has_is_not_served_whoever_began_first(tmp_path: Path) -> None:
    clients.write(tmp_path, "local")
    clients.write(tmp_path, "shared", "postgresql+psycopg://u:p@h/d")
    roster = Clients(tmp_path)
    roster.settled = frozenset()
    assert not roster.served, "it is not settled yet"
    said = roster.said()
    assert sorted(said) == ["local", "shared"]
    theirs = {**said["local"], "ledger": "pc2:/clients/local/ledger.sqlite3"}
    other = Other("pc2:1:1:aa", "2026-01-03", "pc2", {"local": theirs, "shared": said["shared"]})
    assert roster.settle([other], said) == {"local"}
    roster.compare([other], "2026-01-02", "me", said)
    assert sorted(roster.served) == ["shared"]
    assert roster.findings["local"].code == APART
    said = roster.said()
    assert sorted(said) == ["shared"], "which is what the others are told"
    assert not roster.settle([other], said)
    roster.compare([other], "2026-01-02", "me", said)
    assert sorted(roster.served) == ["shared"]
    # the other one is gone
    roster.compare([], "2026-01-02", "me", said)
    assert sorted(roster.served) == ["shared"], "not settled yet"
    assert not roster.settle([], roster.said())
    assert sorted(roster.served) == ["local", "shared"]
    # an older Mistok settles nothing: who came later leaves it alone
    for since, served in (("2026-01-03", ["local", "shared"]), ("2026-01-01", ["shared"])):
        roster.compare([Other("pc2:1:1:aa", since, "pc2", {"local": theirs})], "2026-01-02", "me", roster.said())
        assert sorted(roster.served) == served


@pytest.mark.full
@pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM is POSIX; who has what is settled in the same way there")
def test_of_two_workers_that_start_together_one_runs_the_client_of_a_copied_folder(
    tmp_path: Path, queue_url: str
) -> None:
    fleets = []
    for name in ("one", "two"):
        (tmp_path / name / "clients").mkdir(parents=True)
        fleets.append(Fleet(tmp_path / name / "clients", None, "sqlite:///ledger.sqlite3", queue_url, every="1s"))
        fleets[-1].add("acme", 2)
        fleets[-1].add(name, 1)
    with ExitStack() as running:
        for fleet in fleets:
            words = ("worker", str(fleet.folder), "--silence", "60")
            env = {**os.environ, "MISTOK_QUEUE": queue_url}
            running.enter_context(started(words, fleet.folder / "worker.log", env=env))
        for fleet, name in zip(fleets, ("one", "two"), strict=True):
            inbox = fleet.inbox(name)
            fleet.until(lambda inbox=inbox: not list(inbox.iterdir()))  # type: ignore[misc]
        served = [fleet for fleet in fleets if "clients-apart" not in fleet.said()]
        assert len(served) == 1, [fleet.said() for fleet in fleets]
        served[0].until(lambda: not served[0].left())
        (other,) = [fleet for fleet in fleets if fleet is not served[0]]
        assert len(list(other.inbox("acme").iterdir())) == 2, "nobody has taken them"
        assert not (other.folder / "acme" / "ledger.sqlite3").exists()
