"""Loops that fail each time say so whole once, and that it is over; their work goes on meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from pipeline.alerts.deliverer import Deliverer
from pipeline.config.load import load_config
from pipeline.engine import supervisor as supervisor_module
from pipeline.engine.fleet import worker as worker_module
from pipeline.engine.fleet.desk import Desk
from pipeline.engine.fleet.front import Front
from pipeline.engine.fleet.queue import Names, Queue
from pipeline.engine.fleet.roster import Clients
from pipeline.engine.fleet.worker import FleetWorker
from pipeline.engine.house import House
from pipeline.engine.members import Member
from pipeline.engine.runtime import Client
from pipeline.engine.supervisor import Supervisor
from pipeline.errors import Transient
from pipeline.ledger.store import owner_name
from pipeline.repeats import Repeats
from pipeline.texts import T
from tests.engine.fleet import clients
from tests.engine.fleet.test_desk import SAID

NOWHERE = "postgresql://nobody@127.0.0.1:9/none"


def told(said: list[Any], event: str) -> list[bool]:
    """Of each line about it, whether it was told whole."""
    return ["exc_info" in line for line in said if line["event"] == event]


def fail(error: Exception) -> None:
    raise error


class Fails:
    """Fails so many times, and then is well until it was called often."""

    def __init__(self, times: int) -> None:
        self.times, self.calls = times, 0

    def __call__(self, *_words: object, **_more: object) -> Any:
        self.calls += 1
        if self.calls <= self.times:
            raise RuntimeError(f"for the {self.calls}th time")


def worker_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FleetWorker:
    clients.write(tmp_path, "acme")
    monkeypatch.setattr(worker_module, "LOOK_EVERY_LEDGER", 0.001)
    monkeypatch.setattr(worker_module, "AFTER_FAULT", 0.001)
    monkeypatch.setattr(worker_module, "CALM", 0.01)
    return FleetWorker(Clients(tmp_path), NOWHERE)


async def while_working(loop: Any, true: Callable[[], bool]) -> None:
    task = asyncio.create_task(loop)
    begun = time.monotonic()
    while not true():
        assert time.monotonic() - begun < 200
        await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("loop", ["ledgers", "hooks"])
def test_a_workers_loops_beside_its_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loop: str) -> None:
    worker, fails, front = worker_of(tmp_path, monkeypatch), Fails(30), Front()

    async def visit() -> None:
        fails()

    monkeypatch.setattr(worker, "_visit_ledgers", visit)
    monkeypatch.setattr(front, "follow", fails)
    work = worker._look_into_ledgers() if loop == "ledgers" else worker._take_hooks(front)
    with capture_logs() as said:
        asyncio.run(while_working(work, lambda: fails.calls > 32))
    assert told(said, f"{loop}_not_seen" if loop == "ledgers" else "hooks_failed") == [True]
    assert [(line["event"], line.get("times")) for line in said][1:] == [("well_again", 30)]


def test_a_workers_signs_of_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker, fails, signs = worker_of(tmp_path, monkeypatch), Fails(30), list[str]()

    async def look() -> bool:
        fails()
        return False

    async def say(state: str) -> None:
        signs.append(state)

    async def nothing() -> None:
        pass

    monkeypatch.setattr(worker, "_look_at_folders", look)
    monkeypatch.setattr(worker, "_say", say)
    for name in ("_see_to_timers", "_look_for_astray"):
        monkeypatch.setattr(worker, name, nothing)
    with capture_logs() as said:
        asyncio.run(while_working(worker._say_so(), lambda: fails.calls > 32))
    assert told(said, "folders_not_seen") == [True]
    assert [line["times"] for line in said if line["event"] == "well_again"] == [30]
    assert len(signs) >= 32


def test_what_takes_the_jobs_of_a_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from procrastinate.worker import Worker

    fails, worker = Fails(30), worker_of(tmp_path, monkeypatch)

    async def run(_self: Worker) -> None:
        fails()
        await asyncio.sleep(1000)

    monkeypatch.setattr(Worker, "run", run)

    async def live() -> None:
        worker._loop = asyncio.get_running_loop()
        worker._queue = Queue(NOWHERE)
        await while_working(
            worker._keep_at(Names(), 1, 1.0), lambda: any(line["event"] == "well_again" for line in said)
        )

    with capture_logs() as said:
        asyncio.run(live())
    assert told(said, "begins_anew") == [True]
    assert fails.calls == 31


def test_a_queue_that_the_signs_of_life_do_not_see(tmp_path: Path) -> None:
    here = load_config(clients.write(tmp_path, "here"))
    desk = Desk(owner_name(), NOWHERE)
    with capture_logs() as said:
        for _ in range(4):
            desk._beaten = float("-inf")
            desk.visit([here], SAID)
    desk.close()
    assert len([line for line in said if line["event"] == "queue_not_seen"]) == 1


def test_one_client_of_a_house(tmp_path: Path) -> None:
    house, member = House(tmp_path), Member(clients.write(tmp_path, "acme").parent)
    references = set()
    with capture_logs() as said:
        for _ in range(5):
            with house._guarded(member):
                fail(RuntimeError("no"))
            references.add(member.findings[0].text.render("en"))
        for _ in range(5):
            with house._guarded(member):
                fail(Transient(T("No."), code="ledger"))
    assert told(said, "client_failed") == [True]
    (first,) = (line["reference"] for line in said if line["event"] == "client_failed")
    assert len(references) == 1, "which the log has"
    assert member.reference == first
    assert told(said, "client_not_served") == [False]


def test_a_ledger_that_a_service_fails_by(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Supervisor.__new__(Supervisor)
    service._repeats = Repeats()
    monkeypatch.setattr(supervisor_module, "STILL_THE_SAME", 0.0)
    with capture_logs() as said:
        for _ in range(5):
            with service._ledger_may_fail("beat"):
                fail(Transient(T("No."), code="ledger"))
        for _ in range(5):
            with service._ledger_may_fail("beat"):
                pass
    assert [line["event"] for line in said] == ["ledger_failed", "well_again"]


def test_a_thread_that_delivers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fails = Fails(30)
    with Client.open(load_config(clients.write(tmp_path, "acme"))) as client:
        one = Deliverer(client.ledger, [], burst=3, kinds=(), language="en")
        monkeypatch.setattr(one, "tick", fails)
        with capture_logs() as said:
            one.start(every=0.001)
            begun = time.monotonic()
            while fails.calls < 32:
                assert time.monotonic() - begun < 200
                time.sleep(0.01)
            one.stop()
    assert told(said, "alerts_thread_failed") == [True]
    assert [line["times"] for line in said if line["event"] == "well_again"] == [30]
