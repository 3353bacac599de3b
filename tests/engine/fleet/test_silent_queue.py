"""A queue whose server falls silent on open connections: all goes on by itself, nothing is lost, nothing is twice."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.load import load_config
from pipeline.engine import health
from pipeline.engine.fleet import desk as desk_module
from pipeline.engine.fleet import patient, queue, standing
from pipeline.engine.fleet.desk import Desk
from pipeline.engine.fleet.queue import Ask, Names, Queue
from pipeline.engine.health import Life
from pipeline.engine.runtime import Client
from pipeline.errors import Transient
from pipeline.ledger.store import owner_name
from pipeline.testing.tcpproxy import TcpProxy
from tests.engine.fleet import clients
from tests.engine.fleet.test_desk import SAID
from tests.faults.fleet import Fleet
from tests.faults.serving import started
from tests.servers.silentdb import silenced


@pytest.fixture
def through(queue_url: str) -> Iterator[tuple[TcpProxy, str]]:
    """The proxy before the queue's server, and the queue's URL through it."""
    with silenced(queue_url) as (proxy, url):
        yield proxy, url


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tested is what happens, not how long it takes."""
    monkeypatch.setattr(patient, "SILENCE", 0.5)
    monkeypatch.setattr(patient, "SILENCE_IN_TURN", 0.5)


def within(url: str, work: Callable[[Queue], Awaitable[Any]]) -> Any:
    async def live() -> Any:
        it = Queue(url)
        async with it.app.open_async():
            return await work(it)

    return asyncio.run(live())


async def until(true: Callable[[], object]) -> None:
    begun = time.monotonic()
    while not true():
        assert time.monotonic() - begun < 200
        await asyncio.sleep(0.02)


@pytest.mark.usefixtures("impatient")
def test_what_was_asked_of_a_silent_queue_is_done_once_when_it_answers(through: tuple[TcpProxy, str]) -> None:
    proxy, url = through

    async def work(it: Queue) -> None:
        assert await it.ask(Ask("acme", "orders", "plan"))
        manager = it.app.job_manager
        worker = await manager.register_worker()
        names = Names([queue.queue_of("acme"), queue.queue_of("bravo")])
        first = await manager.fetch_job(names, worker)
        assert first is not None
        proxy.hang()
        asked = [asyncio.create_task(it.ask(Ask("bravo", job, "plan"))) for job in ("orders", "stock")]
        said = asyncio.create_task(it.say("me", {"state": "working"}, {"bravo": {}}))
        await until(lambda: it.connector.away)
        proxy.release()
        for one in asked:
            await one  # whether it was the first or the second try that was heard
        assert [row["owner"] for row in await said] == ["me"]
        assert not it.connector.away
        assert it.connector.back > 0, "signs of life may be old now"
        found = await it.waiting_for(["acme", "bravo"])
        assert sorted(found) == ["acme/orders/plan", "bravo/orders/plan", "bravo/stock/plan"]

    within(url, work)


@pytest.mark.usefixtures("impatient")
def test_who_listens_is_not_cut_off_and_hears_again_after_a_silence(
    through: tuple[TcpProxy, str], queue_url: str
) -> None:
    proxy, url = through
    heard: list[str] = []

    async def hear(*, channel: str, payload: str) -> None:
        heard.append(channel)

    async def work(it: Queue) -> None:
        listens = asyncio.create_task(it.connector.listen_notify(hear, ["mistok_runs"]))
        await asyncio.sleep(2)  # longer than a statement may be silent
        number = 0

        async def is_heard() -> None:
            nonlocal number
            before, begun = len(heard), time.monotonic()
            while len(heard) == before:  # it may not listen yet
                assert time.monotonic() - begun < 200
                number += 1
                await asyncio.to_thread(queue.ask_now, queue_url, Ask("acme", f"job{number}", "plan"))
                await asyncio.sleep(0.1)

        await is_heard()
        assert not listens.done()
        proxy.hang()
        sign = asyncio.create_task(it.connector.execute_query_one_async("SELECT 1 AS it"))
        await until(lambda: it.connector.away)
        proxy.release()
        await sign
        await is_heard()
        listens.cancel()
        await asyncio.gather(listens, return_exceptions=True)

    within(url, work)


@pytest.mark.parametrize("how", ["cancelled", "given up"])
def test_a_statement_to_a_silent_queue_can_be_ended(through: tuple[TcpProxy, str], how: str) -> None:
    proxy, url = through
    ends: list[str] = []

    async def work(it: Queue) -> None:
        await it.waiting_for(["acme"])
        proxy.hang()
        task = asyncio.create_task(it.waiting_for(["acme"]))
        await until(lambda: proxy.hanging)
        if how == "cancelled":
            task.cancel()
        else:
            it.connector.give_up()
        done, _ = await asyncio.wait({task}, timeout=200)
        ends.extend("cancelled" if one.cancelled() else type(one.exception()).__name__ for one in done)

    within(url, work)
    assert ends == ["cancelled" if how == "cancelled" else "ConnectorException"]


def test_a_statement_that_takes_long_gets_through_and_leaves_the_others_jobs_alone(
    queue_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patient, "SILENCE", 0.3)
    monkeypatch.setattr(patient, "AS_GOOD_AS_AWAY", 0.5)

    async def work(it: Queue) -> None:
        assert it.connector.back == float("-inf")
        row = await it.connector.execute_query_one_async("SELECT pg_sleep(1.5), 7 AS it")
        assert row["it"] == 7
        assert it.connector.back > float("-inf")

    within(queue_url, work)


def test_who_looks_at_a_silent_queue_is_told(through: tuple[TcpProxy, str]) -> None:
    proxy, url = through
    assert standing.look(url) == standing.FleetState()
    with queue.connect(url, silence=0.5) as conn:
        proxy.hang()
        with pytest.raises(Transient, match="said nothing for 0"), queue.answering():
            conn.execute("SELECT 1")
    proxy.release()
    assert standing.look(url) == standing.FleetState()


def test_a_silent_queue_holds_up_no_sign_of_life(
    through: tuple[TcpProxy, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, url = through
    here = load_config(clients.write(tmp_path, "here"))
    monkeypatch.setattr(desk_module, "QUEUE_PATIENCE", 0.5)
    monkeypatch.setattr(desk_module, "LAST", 100.0)
    monkeypatch.setattr(queue, "SILENCE", 100.0)
    monkeypatch.setattr(queue, "to_connect", lambda **_more: {"connect_timeout": "100"})
    desk = Desk(owner_name(), url)
    try:
        proxy.hang()
        desk.visit([here], SAID)
        desk.visit([here], SAID, last=True)
        assert desk._queue_seen is not None
        assert not desk._queue_seen.done(), "it is asked still, and not again"
    finally:
        proxy.release()
        desk.close()
    with Client.open(here) as client:
        assert [one.life for one in health.examine(here, client.ledger).services] == [Life.ALIVE]


@pytest.mark.full
@pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM ends a process of Windows at once")
def test_a_worker_goes_on_after_its_queue_was_silent_and_ends_while_it_is(
    through: tuple[TcpProxy, str], tmp_path: Path
) -> None:
    proxy, url = through
    fleet = Fleet(tmp_path / "clients", None, "sqlite:///ledger.sqlite3", url)
    fleet.folder.mkdir()
    fleet.add("acme", 1)
    with fleet.worker("w1", "--drain", "5") as worker:
        fleet.until(lambda: worker.poll() is not None or not fleet.left())
        proxy.hang()
        fleet.until(lambda: worker.poll() is not None or "queue_away" in fleet.said())
        fleet.drop("acme", 2)
        proxy.release()
        fleet.until(lambda: worker.poll() is not None or fleet.settled())
        fleet.until(lambda: worker.poll() is not None or "queue_back" in fleet.said())
        proxy.hang()
        fleet.until(lambda: proxy.hanging)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(200) == 0, fleet.said()
        proxy.release()
    assert "Traceback" not in fleet.said()
    fleet.check()


@pytest.mark.full
@pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM ends a process of Windows at once")
def test_a_worker_is_alive_for_the_others_while_one_ledger_is_silent(
    queue_url: str, postgres_ledger: str, tmp_path: Path
) -> None:
    fleet = Fleet(tmp_path / "clients", None, "sqlite:///ledger.sqlite3", queue_url, concurrency=3)
    fleet.folder.mkdir()
    with silenced(postgres_ledger) as (proxy, url):
        fleet.add("near", 1)
        fleet.ledger = url
        fleet.add("far", 1)
        with fleet.worker("w1", "--drain", "5") as worker:
            fleet.until(lambda: worker.poll() is not None or not fleet.left())
            proxy.hang()
            fleet.drop("far", 1)
            fleet.until(lambda: worker.poll() is not None or proxy.hanging)
            fleet.drop("near", 1)
            fleet.until(lambda: worker.poll() is not None or not list(fleet.inbox("near").iterdir()))
            near = load_config(fleet.folder / "near")
            with Client.open(near) as client:
                before = [one.last for one in health.examine(near, client.ledger).services]
                fleet.until(lambda: [one.last for one in health.examine(near, client.ledger).services] != before)
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(200) == 0, fleet.said()
            proxy.release()
        with fleet.worker("w2") as worker:  # what was cut off is made up for
            fleet.until(lambda: worker.poll() is not None or fleet.settled())
            assert worker.poll() is None, fleet.said()
        fleet.check()


@pytest.mark.full
@pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM ends a process of Windows at once")
def test_one_service_works_on_the_others_while_one_ledger_is_silent(postgres_ledger: str, tmp_path: Path) -> None:
    fleet = Fleet(tmp_path / "clients", None, "sqlite:///ledger.sqlite3", "")
    fleet.folder.mkdir()
    (fleet.folder / "service.yaml").write_text("language: en\nworkers: 2\n", encoding="utf-8")
    with silenced(postgres_ledger) as (proxy, url):
        fleet.add("near", 1)
        fleet.ledger = url
        fleet.add("far", 1)
        words = ("serve", str(fleet.folder), "--drain", "5")
        with started(words, fleet.folder / "serve.log") as service:
            fleet.until(lambda: service.poll() is not None or not fleet.left())
            proxy.hang()
            fleet.drop("far", 1)
            fleet.until(lambda: service.poll() is not None or proxy.hanging)
            for _ in range(3):  # the silent one has its turns meanwhile
                fleet.drop("near", 1)
                fleet.until(lambda: service.poll() is not None or not list(fleet.inbox("near").iterdir()))
            service.send_signal(signal.SIGTERM)
            assert service.wait(200) == 0, fleet.said()
            proxy.release()
        with started(words, fleet.folder / "serve2.log") as service:
            fleet.until(lambda: service.poll() is not None or fleet.settled())
            assert service.poll() is None, fleet.said()
        fleet.check()
