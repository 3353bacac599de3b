"""The clock of a fleet: the queue's database's, whatever a machine's own shows; and what is said of one that is off."""

from __future__ import annotations

import pickle
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.config.load import load_config
from pipeline.engine import history
from pipeline.engine.fleet import clock, queue
from pipeline.engine.fleet.clock import Asked, FleetClock, Reading
from pipeline.engine.fleet.queue import Ask, Queue
from pipeline.engine.runtime import Client
from pipeline.ledger import tables as t
from tests.engine.fleet import clients
from tests.engine.fleet.queues import within

AT = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)


@pytest.mark.parametrize(
    ("asked", "answered", "seconds"),
    [
        (-SECOND, SECOND, 0.0),
        (timedelta(0), timedelta(0), 0.0),
        (HOUR, HOUR + SECOND, 3600.0),
        (-HOUR - SECOND, -HOUR, -3600.0),
        (-SECOND, 40 * SECOND, 0.0),  # a slow database is no wrong clock
    ],
)
def test_how_far_a_clock_is_off_at_the_least(asked: timedelta, answered: timedelta, seconds: float) -> None:
    assert clock.ahead(AT, AT + asked, AT + answered) == seconds


def test_it_goes_by_what_the_database_said(monkeypatch: pytest.MonkeyPatch) -> None:
    steady = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: steady)
    it = FleetClock()
    it.told(AT, Asked(AT + HOUR, 100.0), Asked(AT + HOUR, 100.1))
    steady = 105.1
    assert (it.now(), it.ahead) == (AT + 5 * SECOND, 3600.0)
    assert pickle.loads(pickle.dumps(it.reading)).now() == it.now()
    it.told(AT + 50 * SECOND, Asked(AT, 105.0), Asked(AT + 50 * SECOND, 155.0))
    assert it.now() == AT + 5 * SECOND, "an answer that took so long tells less than what is known"
    it.told(AT + 90 * SECOND, Asked(AT, 105.0), Asked(AT + 90 * SECOND, 195.0))
    steady = 195.0
    assert it.now() == AT + 90 * SECOND, "but more than what is old"
    assert it.ahead == 0.0


def test_the_first_answer_counts_however_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 60.0)
    it = FleetClock()
    it.told(AT, Asked(AT, 10.0), Asked(AT + 50 * SECOND, 60.0))
    assert it.now() == AT


@pytest.mark.parametrize(("seconds", "off"), [(0.0, False), (29.0, False), (-29.0, False), (30.0, True), (-90.5, True)])
def test_people_are_told_from_half_a_minute_on(seconds: float, off: bool) -> None:
    assert clock.is_off(seconds) is off


def test_what_is_said_of_it() -> None:
    found = clock.finding("pc7", 3600.0)
    assert found.text.render("en") == "The clock of pc7 is 1 h ahead of that of the queue's database."
    assert clock.finding("pc7", -90.0).text.render("en").startswith("The clock of pc7 is 1 min 30 s behind")
    assert "на 1 год" in found.text.render("uk")
    assert found.hint is not None
    assert "NTP" in found.hint.render("en")


def an_hour_ahead() -> FleetClock:
    """As of a worker whose machine is an hour ahead, before it has asked."""
    made = FleetClock()
    made.reading = Reading(datetime.now(UTC) + HOUR, time.monotonic())
    return made


def test_a_sign_of_life_tells_the_time(queue_url: str) -> None:
    async def work(it: Queue, _worker: int) -> None:
        it.clock = an_hour_ahead()
        await it.say("one", {}, {"acme": {}})
        assert it.clock.now() < datetime.now(UTC) + HOUR / 2

    within(queue_url, work)
    assert queue.clock_of(queue_url).now() < datetime.now(UTC) + HOUR / 2


def test_what_waits_for_a_moment_that_no_schedule_has_is_brought_on(queue_url: str) -> None:
    async def work(it: Queue, worker: int) -> None:
        await it.set_timer(Ask("acme", "orders", "watch", pause=40.0), datetime.now(UTC) + HOUR)
        await it.ask(Ask("acme", "orders", "plan"))
        waiting = await it.waiting_for(["acme"])
        timer, run = waiting["timer/acme/orders/watch"], waiting["acme/orders/plan"]
        assert (timer.timer, timer.idle, timer.why, timer.pause) == (True, True, "watch", 40.0)
        assert (run.timer, run.idle, run.at, run.why) == (False, True, None, "plan")
        await it.bring_on([timer.id])
        names = queue.Names([queue.queue_of("acme", timers=True)], timers=True)
        job = await it.app.job_manager.fetch_job(names, worker)
        assert job is not None
        assert queue.read_ask(job.task_kwargs).pause == 40.0
        runs = queue.Names([queue.queue_of("acme")])
        begun = await it.app.job_manager.fetch_job(runs, worker)
        assert begun is not None
        assert not (await it.waiting_for(["acme"]))["acme/orders/plan"].idle
        await it.put_back_one(run.id)
        assert await it.app.job_manager.fetch_job(runs, worker) is not None, "put back for now, by the database's clock"

    within(queue_url, work)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with closing(Client.open(load_config(clients.write(tmp_path, "acme")))) as made:
        yield made


def test_times_that_a_wrong_clock_wrote_down_are_left_out(client: Client) -> None:
    ledger, jobs = client.ledger, {"orders": client.config.jobs["orders"]}
    now = datetime.now(UTC)
    assert history.last_slots(ledger, jobs)["orders"] is None
    for at in (now - SECOND, now + HOUR):
        history.record_skip(ledger, "orders", "schedule", at, "missed")
    assert history.last_slots(ledger, jobs)["orders"] == now + HOUR
    found = history.last_slots(ledger, jobs, until=now + SECOND)["orders"]
    assert found is not None
    assert found < now + HOUR / 2


def test_a_schedule_that_a_wrong_clock_saw_first_is_known_from_now_on(client: Client) -> None:
    job = client.config.jobs["orders"].model_copy(update={"every": None, "at": ("08:00",)})
    jobs, now = {"orders": job}, datetime.now(UTC)
    with client.ledger.begin() as conn:
        known = {"schedule": history.schedule_print(job), "since": (now + HOUR).isoformat()}
        client.ledger.set_value(conn, "schedule", "orders", known)
    found = history.last_slots(client.ledger, jobs, until=now + SECOND)["orders"]
    assert found is not None
    assert found < now + HOUR / 2
    with client.ledger.read() as conn:
        assert conn.execute(t.values.select()).all()
        told = client.ledger.get_value(conn, "schedule", "orders") or {}
    assert datetime.fromisoformat(told["since"]) == found
