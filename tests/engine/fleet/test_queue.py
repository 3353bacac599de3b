"""The queue in a real PostgreSQL: no twins, turns, timers, what is put back, what people are shown."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline.engine.fleet import queue, standing
from pipeline.engine.fleet.queue import Ask, Queue
from pipeline.errors import ConfigError, Transient


def within(url: str, work: Callable[[Queue], Awaitable[Any]]) -> Any:
    """Do it with an open queue."""

    async def live() -> Any:
        it = Queue(url)
        async with it.app.open_async():
            return await work(it)

    return asyncio.run(live())


async def taken(it: Queue, *clients: str) -> list[str]:
    """Whose run each of so many fetches gives, each being over before the next; all that wait."""
    from procrastinate.jobs import Status

    manager = it.app.job_manager
    worker = await manager.register_worker()
    found = []
    names = queue.Names(queue.queue_of(one) for one in clients)
    while (job := await manager.fetch_job(names, worker)) is not None:
        found.append(f"{job.task_kwargs['client']}/{job.task_kwargs['job']}")
        await manager.finish_job(job, Status.SUCCEEDED, delete_job=True)
    return found


def test_a_database_becomes_a_queue_once_and_the_second_time_changes_nothing(postgres: str) -> None:
    assert standing.look(postgres) == standing.FleetState()
    assert not queue.ask_now(postgres, Ask("acme", "orders", "person"))
    queue.prepare(postgres)
    assert queue.ask_now(postgres, Ask("acme", "orders", "person", by="olena"))
    queue.prepare(postgres)
    assert standing.look(postgres).clients["acme"].waiting == 1


def test_none_waits_twice_and_what_a_person_wants_goes_first(queue_url: str) -> None:
    async def work(it: Queue) -> list[str]:
        assert await it.ask(Ask("acme", "orders", "plan"))
        assert not await it.ask(Ask("acme", "orders", "plan"))
        assert await it.ask(Ask("acme", "orders", "watch"))
        assert not await it.ask(Ask("acme", "orders", "webhook")), "one hint is as good as another"
        assert await it.ask(Ask("bravo", "stock", "plan"))
        assert queue.ask_now(queue_url, Ask("bravo", "goods", "person"))
        assert not queue.ask_now(queue_url, Ask("bravo", "goods", "person"))
        return await taken(it, "acme", "bravo")

    assert within(queue_url, work) == ["bravo/goods", "acme/orders", "bravo/stock", "acme/orders"]


def test_a_client_with_many_runs_takes_its_turn(queue_url: str) -> None:
    async def work(it: Queue) -> list[str]:
        for number in range(5):
            await it.ask(Ask("flood", f"job{number}", "plan"))
        for name in ("one", "two"):
            await it.ask(Ask(name, "orders", "plan"))
            await it.ask(Ask(name, "stock", "plan"))
        return [name.partition("/")[0] for name in await taken(it, "flood", "one", "two")]

    order = within(queue_url, work)
    assert order == ["flood", "one", "two", "flood", "one", "two", "flood", "flood", "flood"]


def test_who_comes_while_others_are_served_is_neither_before_them_nor_behind_them_all(queue_url: str) -> None:
    async def work(it: Queue) -> list[str]:
        from procrastinate.jobs import Status

        manager, found = it.app.job_manager, []
        worker = await manager.register_worker()
        queues = queue.Names(queue.queue_of(one) for one in ("flood", "small"))
        for number in range(20):
            await it.ask(Ask("flood", f"job{number}", "plan"))
        for _ in range(12):
            await it.ask(Ask("small", "orders", "plan"))  # as often as it is done
            job = await manager.fetch_job(queues, worker)
            assert job is not None
            found.append(str(job.task_kwargs["client"]))
            await manager.finish_job(job, Status.SUCCEEDED, delete_job=True)
        return found

    found = within(queue_url, work)
    assert 5 <= found.count("small") <= 7, f"by turns: {found}"


def test_one_run_of_a_client_at_a_time_and_a_timer_holds_nothing_up(queue_url: str) -> None:
    async def work(it: Queue) -> None:
        manager = it.app.job_manager
        worker = await manager.register_worker()
        await it.set_timer(Ask("acme", "orders", "plan"), datetime.now(UTC) + timedelta(hours=3))
        await it.ask(Ask("acme", "orders", "plan"))
        await it.ask(Ask("acme", "stock", "plan"))
        runs = queue.Names([queue.queue_of("acme")])
        timers = queue.Names([queue.queue_of("acme", timers=True)], timers=True)
        assert await manager.fetch_job(runs, worker) is not None
        assert await manager.fetch_job(runs, worker) is None, "its client is busy"
        assert await manager.fetch_job(timers, worker) is None, "not yet"

    within(queue_url, work)


def test_many_are_asked_for_at_once_as_if_one_by_one(queue_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "_AT_ONCE", 3)
    soon, later = (datetime.now(UTC) + timedelta(hours=hours) for hours in (1, 2))

    async def work(it: Queue) -> list[str]:
        await it.ask(Ask("flood", "job0", "plan"))
        await it.set_timer(Ask("one", "orders", "plan"), soon)
        flood = [(Ask("flood", f"job{number}", "plan"), None) for number in (1, 2, 0)]
        others = [(Ask(name, job, "plan"), None) for name in ("one", "two") for job in ("orders", "stock")]
        timers = [(Ask(name, "orders", "plan", schedule="abc"), later) for name in ("one", "two")]
        await it.ask_all([*flood, *others, *timers, (Ask("two", "orders", "person"), None)])
        await it.ask_all([])
        state = standing.look(queue_url).clients
        assert [(state[name].waiting, state[name].timers) for name in ("flood", "one", "two")] == [
            (3, 0),
            (2, 1),
            (3, 1),
        ]
        assert (state["one"].following, state["two"].following) == (soon, later), "one that is set stays"
        assert (await it.waiting_for(["two"]))[queue.timer_of(timers[1][0])].schedule == "abc"
        return [name.partition("/")[0] for name in await taken(it, "flood", "one", "two")]

    assert within(queue_url, work) == ["two", "flood", "one", "two", "flood", "one", "two", "flood"]


def test_a_timer_is_set_once_or_anew(queue_url: str) -> None:
    soon, later = (datetime.now(UTC) + timedelta(hours=hours) for hours in (1, 2))

    async def work(it: Queue) -> None:
        ask = Ask("acme", "orders", "plan", schedule="abc")
        await it.set_timer(ask, later)
        await it.set_timer(ask, soon)
        assert standing.look(queue_url).clients["acme"].following == later
        await it.set_timer(ask, soon, again=True)
        assert standing.look(queue_url).clients["acme"].following == soon
        assert standing.look(queue_url).clients["acme"].timers == 1
        waiting = await it.waiting_for(["acme", "bravo"])
        assert {once: (one.schedule, one.at) for once, one in waiting.items()} == {queue.timer_of(ask): ("abc", soon)}

    within(queue_url, work)


def test_what_a_dead_worker_had_is_put_back_once(queue_url: str) -> None:
    async def work(it: Queue) -> None:
        manager = it.app.job_manager
        dead, alive = await manager.register_worker(), await manager.register_worker()
        for name in ("acme", "bravo", "charlie"):
            await it.ask(Ask(name, "orders", "plan"))
        queues = queue.Names(queue.queue_of(name) for name in ("acme", "bravo", "charlie"))
        for worker in (dead, dead, alive):
            assert await manager.fetch_job(queues, worker) is not None
        await it.ask(Ask("bravo", "orders", "plan"))  # one like it waits already
        with queue.connect(queue_url) as conn:
            conn.execute(
                "UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 minute' WHERE id = %s", [dead]
            )
        assert await it.put_back(30) == 2
        assert await it.put_back(30) == 0
        state = standing.look(queue_url).clients
        assert [(state[name].waiting, state[name].running) for name in ("acme", "bravo", "charlie")] == [
            (1, 0),
            (1, 0),
            (0, 1),
        ]

    within(queue_url, work)


def test_the_end_of_a_job_that_is_over_is_no_error(queue_url: str) -> None:
    async def work(it: Queue) -> None:
        from procrastinate.jobs import Status

        manager = it.app.job_manager
        worker = await manager.register_worker()
        await it.ask(Ask("acme", "orders", "plan"))
        job = await manager.fetch_job(None, worker)
        assert job is not None
        await manager.finish_job(job, Status.SUCCEEDED, delete_job=True)
        await manager.finish_job(job, Status.SUCCEEDED, delete_job=True)

    within(queue_url, work)


def test_signs_of_life_are_shown_and_silence_is_called_so(queue_url: str) -> None:
    said = {
        "host": "one",
        "pid": 7,
        "version": "1",
        "since": "2026-11-29T00:00:00+00:00",
        "state": "working",
        "silence": 30,
    }

    async def work(it: Queue) -> None:
        await it.say("one:7", said, {"acme": {"config": "x"}})
        await it.say("two:8", {**said, "host": "two", "state": "stopped"}, {"bravo": {}})
        heard = await it.say("three:9", {**said, "host": "three"}, {"acme": {}})
        assert [row["owner"] for row in heard] == ["one:7", "three:9", "two:8"]
        await it.ask(Ask("acme", "orders", "plan"))
        await it.ask(Ask("bravo", "orders", "plan"))

    within(queue_url, work)
    with queue.connect(queue_url) as conn:
        conn.execute("UPDATE mistok_workers SET seen = seen - interval '2 minutes' WHERE owner = 'three:9'")
    state = standing.look(queue_url)
    assert [(one.host, one.state, one.alive) for one in state.workers] == [
        ("one", "working", True),
        ("three", "silent", False),
        ("two", "stopped", False),
    ]
    assert state.clients["acme"].workers == 1
    assert state.unserved == ("bravo",)
    assert set(standing.look(queue_url, "bravo").clients) == {"bravo"}
    assert [row["client"] for row in state.as_data()["clients"]] == ["acme", "bravo"]


def test_what_clients_a_worker_has_is_sent_and_read_when_it_changes(queue_url: str) -> None:
    said = {"state": "working"}
    has: dict[str, dict[str, str]] = {"acme": {"config": "x"}}

    async def work(it: Queue) -> None:
        async def heard() -> dict[str, Any]:
            return {row["owner"]: row["clients"] for row in await it.say("me", said, has)}

        with queue.connect(queue_url) as conn:
            assert await heard() == {"me": has}
            before = conn.execute("SELECT seen, clients FROM mistok_workers").fetchone()
            conn.execute("UPDATE mistok_workers SET clients = '{\"seen\": {}}'")  # which is not read, nor written over
            assert await heard() == {"me": has}
            after = conn.execute("SELECT seen, clients FROM mistok_workers").fetchone()
            assert before is not None
            assert after is not None
            assert after["seen"] > before["seen"]
            assert after["clients"] == {"seen": {}}
            has_more = {**has, "bravo": {"config": "y"}}
            assert (await it.say("me", said, has_more))[0]["clients"] == has_more
            conn.execute("DELETE FROM mistok_workers")
            assert (await it.say("me", said, has_more))[0]["clients"] == has_more
            # a worker of an older Mistok gives no print
            conn.execute(
                "INSERT INTO mistok_workers (owner, said, clients) VALUES ('old', '{}', '{\"acme\": {}}')",
            )
            assert (await it.say("me", said, has_more))[1]["clients"] == {"acme": {}}
            conn.execute("UPDATE mistok_workers SET clients = '{}' WHERE owner = 'old'")
            assert (await it.say("me", said, has_more))[1]["clients"] == {}
            assert standing.look(queue_url).workers[0].clients == {"acme", "bravo"}

    within(queue_url, work)


def test_names_of_queues_are_short_enough_for_a_channel_and_tell_clients_apart() -> None:
    names = ["a", "acme-Lviv_2.shop", "x" * 64, "x" * 63 + "y"]
    queues = [queue.queue_of(name, timers=timers) for name in names for timers in (False, True)]
    assert len(set(queues)) == 8
    assert max(len(f"procrastinate_queue_v1#{one}") for one in queues) <= 63
    assert queue.queue_of("acme-Lviv_2.shop") == "acme-Lviv_2.shop"


def test_addresses() -> None:
    assert queue.conninfo("postgresql+psycopg://u:p@h/d") == "postgresql://u:p@h/d"
    for wrong in ("sqlite:///queue.db", "h/d", ""):
        with pytest.raises(ConfigError, match="PostgreSQL"):
            queue.conninfo(wrong)
    with pytest.raises(Transient, match="does not answer"):
        queue.prepare("postgresql://nobody@127.0.0.1:9/none")


def test_a_queue_of_another_version_is_refused(queue_url: str) -> None:
    queue.prepare(queue_url)
    with queue.connect(queue_url) as conn:
        conn.execute("ALTER FUNCTION procrastinate_fetch_job_v2 RENAME TO procrastinate_fetch_job_v9")
    with pytest.raises(ConfigError, match="procrastinate_fetch_job_v2"):
        queue.prepare(queue_url)
