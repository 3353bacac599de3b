"""How a worker looks for work: only what its clients have, only what is due, in turns, however much else lies there."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from pipeline.engine.fleet import looking, queue, schema
from pipeline.engine.fleet.queue import Ask, Names, Queue
from tests.engine.fleet.queues import within


def runs(*clients: str) -> Names:
    return Names(queue.queue_of(one) for one in clients)


def timers(*clients: str) -> Names:
    return Names((queue.queue_of(one, timers=True) for one in clients), timers=True)


async def taken(it: Queue, names: Any, worker: int) -> str | None:
    """Whose job is handed out, and of what kind."""
    job = await it.app.job_manager.fetch_job(names, worker)
    return f"{job.task_name} {job.task_kwargs.get('client', '')}".strip() if job else None


def rows_read(conn: psycopg.Connection[Any]) -> int:
    """How many rows of the queue this connection has read so far."""
    row = conn.execute(
        "SELECT sum(seq_tup_read + idx_tup_fetch)::int AS rows FROM pg_stat_xact_user_tables "
        "WHERE relname IN ('procrastinate_jobs', 'mistok_set_queues')"
    ).fetchone()
    assert row is not None
    return int(row["rows"])


def test_a_worker_is_given_nothing_of_a_client_that_it_has_not(queue_url: str) -> None:
    past = datetime.now(UTC) - timedelta(hours=1)

    async def work(it: Queue, worker: int) -> None:
        for name in ("acme", "bravo"):
            await it.ask(Ask(name, "orders", "plan"))
            await it.set_timer(Ask(name, "orders", "watch"), past)
        await it.set_timer(Ask("bravo", "orders", "plan"), datetime.now(UTC) + timedelta(hours=1))
        assert await taken(it, runs(), worker) is None
        assert await taken(it, timers(), worker) is None
        assert await taken(it, runs("bravo"), worker) == "mistok.run bravo"
        assert await taken(it, runs("bravo"), worker) is None
        assert await taken(it, timers("bravo"), worker) == "mistok.timer bravo"
        assert await taken(it, timers("bravo"), worker) is None
        assert await taken(it, runs("bravo", "acme"), worker) == "mistok.run acme"

    within(queue_url, work)


def test_timers_come_by_their_moments_and_keepers_before_them(queue_url: str) -> None:
    now = datetime.now(UTC)

    async def work(it: Queue, worker: int) -> list[str | None]:
        for hours, name in ((1, "late"), (3, "early"), (2, "middle")):
            await it.set_timer(Ask(name, "orders", "plan"), now - timedelta(hours=hours))
        await it.app.configure_task(queue.KEEP, queue=queue.KEEPERS, queueing_lock=queue.KEEP).defer_async()
        names = timers("late", "early", "middle")
        return [await taken(it, names, worker) for _ in range(5)]

    assert within(queue_url, work) == [
        "mistok.keep",
        "mistok.timer early",
        "mistok.timer middle",
        "mistok.timer late",
        None,
    ]


def test_what_was_put_back_is_handed_out_again_when_its_moment_has_come(queue_url: str) -> None:
    async def work(it: Queue, worker: int) -> None:
        manager, names = it.app.job_manager, runs("acme")
        await it.ask(Ask("acme", "orders", "plan"))
        job = await manager.fetch_job(names, worker)
        assert job is not None
        await manager.retry_job(job, retry_at=datetime.now(UTC) + timedelta(hours=1))
        assert await taken(it, names, worker) is None
        with queue.connect(queue_url) as conn:
            conn.execute("UPDATE procrastinate_jobs SET scheduled_at = now() - interval '1 second'")
        assert await taken(it, names, worker) == "mistok.run acme"

    within(queue_url, work)


def test_a_look_reads_what_is_due_and_not_all_that_lies_there(queue_url: str) -> None:
    count = 3000
    names = [f"c{number}" for number in range(count)]
    mine = (timers(*names), runs(*names))
    with queue.connect(queue_url) as conn:
        conn.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, queueing_lock, scheduled_at, args) "
            "SELECT 'c' || n || ':t', %s, 'made-' || n, now() + interval '1 day', '{}' "
            "FROM generate_series(0, %s) AS n",
            [queue.TIMER, count - 1],
        )
        for one in mine:
            conn.execute(looking.KEEP_SET, {"set_id": one.set_id, "names": list(one)})
        queue.ask_on(conn, Ask("c7", "orders", "plan"))
        with conn.transaction():
            before = rows_read(conn)
            for one in mine:
                words = {"set_id": one.set_id, "timers": one.timers, "worker_id": None}
                row = conn.execute(looking.FETCH_ONE, words).fetchone()
                assert row is not None
                assert (row["queue_name"] == "c7") is (one is mine[1])
            assert rows_read(conn) - before < 20


def test_workers_of_an_older_mistok_take_turns_with_newer_ones(queue_url: str) -> None:
    async def work(it: Queue, worker: int) -> list[str]:
        from procrastinate.jobs import Status

        manager, names, found = it.app.job_manager, runs("flood", "one", "two"), []
        for number in range(3):
            await it.ask(Ask("flood", f"job{number}", "plan"))
        for name in ("one", "two"):
            await it.ask(Ask(name, "orders", "plan"))
        both: tuple[Any, Any] = (names, list(names))  # Procrastinate's own way, by names, is that of the older ones
        for number in range(5):
            job = await manager.fetch_job(both[number % 2], worker)
            assert job is not None
            found.append(str(job.task_kwargs["client"]))
            second = await manager.fetch_job(both[(number + 1) % 2], worker)
            assert second is None or second.task_kwargs["client"] != found[-1], "one run of a client at a time"
            if second is not None:
                await manager.retry_job(second, retry_at=datetime.now(UTC) - timedelta(minutes=1))
            await manager.finish_job(job, Status.SUCCEEDED, delete_job=True)
        return found

    assert within(queue_url, work) == ["flood", "one", "two", "flood", "flood"]


def test_a_set_that_was_forgotten_is_told_anew_and_may_be_chosen_anew(queue_url: str) -> None:
    async def work(it: Queue, worker: int) -> None:
        names = runs("acme")
        await it.ask(Ask("acme", "orders", "plan"))
        await it.ask(Ask("bravo", "orders", "plan"))
        assert await taken(it, names, worker) == "mistok.run acme"
        with queue.connect(queue_url) as conn:
            conn.execute("UPDATE mistok_queue_sets SET used = used - interval '8 days'")
            conn.execute(looking.FORGET_SETS)
            for table in ("mistok_queue_sets", "mistok_set_queues"):
                assert conn.execute(f"SELECT 1 FROM {table}").fetchone() is None
        assert await taken(it, names, worker) is None
        names.choose(["bravo"])
        assert await taken(it, names, worker) == "mistok.run bravo"

    within(queue_url, work)


def test_two_runs_of_a_client_that_are_handed_out_in_the_same_moment_are_one(queue_url: str) -> None:
    async def work(it: Queue, worker: int) -> None:
        names = runs("acme")
        await it.ask(Ask("acme", "orders", "plan"))
        with closing(queue.connect(queue_url)) as other, closing(queue.connect(queue_url)) as third:
            other.autocommit = False
            assert queue.ask_on(other, Ask("acme", "orders", "person"))  # is not seen yet, and is handed out
            other.execute("UPDATE procrastinate_jobs SET status = 'doing' WHERE priority > 0")

            def let_go() -> None:
                begun = time.monotonic()
                while not third.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone():
                    assert time.monotonic() - begun < 120
                    time.sleep(0.01)
                other.commit()

            letting_go = threading.Thread(target=let_go)
            letting_go.start()
            assert await taken(it, names, worker) is None
            letting_go.join()

    within(queue_url, work)


def test_a_run_wakes_those_who_listen_and_a_timer_does_not(queue_url: str) -> None:
    async def work(it: Queue, _worker: int) -> None:
        await it.set_timer(Ask("acme", "orders", "plan"), datetime.now(UTC) + timedelta(hours=1))
        await it.ask(Ask("acme", "orders", "plan"))

    with queue.connect(queue_url) as conn:
        conn.execute(f"LISTEN {schema.RUNS}")
        within(queue_url, work)
        (heard,) = conn.notifies(timeout=60, stop_after=1)
        row = conn.execute("SELECT id FROM procrastinate_jobs WHERE task_name = %s", [queue.RUN]).fetchone()
        assert row is not None
        assert f'"job_id" : {row["id"]}' in heard.payload


@pytest.mark.parametrize("apart", [600.0, 0.01])
def test_of_many_runs_that_are_asked_for_workers_hear_at_once_and_then_together(
    monkeypatch: pytest.MonkeyPatch, apart: float
) -> None:
    monkeypatch.setattr(looking, "WAKE_EVERY", apart)
    asked = 0
    heard: list[int] = []

    class Connector:
        async def listen_notify(self, on_notification: Any, channels: list[str]) -> None:
            nonlocal asked
            assert channels == [schema.RUNS]
            for number in range(5):
                asked += 1
                await on_notification(channel=schema.RUNS, payload=f'{{"type": "job_inserted", "job_id": {number}}}')
            await asyncio.Event().wait()

    async def told(*, channel: str, notification: Any) -> None:
        assert (channel, notification["type"]) == (schema.RUNS, "job_inserted")
        heard.append(asked)

    async def live() -> None:
        manager = looking.LookingManager(Connector())  # type: ignore[arg-type]
        listening = asyncio.create_task(manager.listen_for_jobs(on_notification=told))
        begun = time.monotonic()
        while asked < 5 or (apart < 1 and heard[-1] < 5):
            await asyncio.sleep(0.005)
            assert time.monotonic() - begun < 120
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        while len(asyncio.all_tasks()) > 1:  # nothing is left behind
            await asyncio.sleep(0.005)
            assert time.monotonic() - begun < 120

    asyncio.run(live())
    assert heard[0] == 1, "the first at once"
    if apart > 1:
        assert heard == [1]


def test_a_queue_of_an_older_mistok_is_added_to_with_what_waits_in_it(queue_url: str) -> None:
    with queue.connect(queue_url) as conn:
        assert queue.ask_on(conn, Ask("acme", "orders", "plan"))
        conn.execute(f"DROP FUNCTION {schema.FETCH}")
        conn.execute("DROP FUNCTION mistok_tell_of_run_v1 CASCADE")
        conn.execute("DROP TABLE mistok_queue_sets, mistok_set_queues")
        conn.execute("DROP INDEX mistok_runs_by_turn, mistok_runs_waiting, mistok_timers_waiting")
        assert not queue.ask_on(conn, Ask("acme", "orders", "plan")), "asked by a newer page before any newer worker"
        with pytest.raises(psycopg.errors.UndefinedFunction):
            conn.execute(looking.FETCH_ONE, {"set_id": "", "timers": False, "worker_id": None})
    queue.prepare(queue_url)
    queue.prepare(queue_url)

    async def work(it: Queue, worker: int) -> None:
        assert await taken(it, runs("acme"), worker) == "mistok.run acme"

    within(queue_url, work)
