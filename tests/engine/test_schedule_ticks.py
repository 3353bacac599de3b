"""The service's clock: what it says is due when time goes on, jumps, or was slept through."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine

from pipeline.config.model import JobConfig
from pipeline.engine.scheduler import Due, Scheduler

KYIV = ZoneInfo("Europe/Kyiv")


class Time:
    """Time as the test wants it. The machine itself stands in Kyiv, so that its local time has odd nights too."""

    def __init__(self, traveller: time_machine.Traveller) -> None:
        self._traveller, self.steady = traveller, 1000.0

    def go_on(self, **span: float) -> None:
        """Time passes."""
        self.steady += timedelta(**span).total_seconds()
        self._traveller.shift(timedelta(**span))

    def jump(self, **span: float) -> None:
        """The clock is set, or the machine sleeps."""
        self._traveller.shift(timedelta(**span))


@pytest.fixture
def clock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Time]:
    start = datetime.fromisoformat(getattr(request, "param", "2026-11-22T12:00")).replace(tzinfo=KYIV)
    with time_machine.travel(start, tick=False) as traveller:
        found = Time(traveller)
        monkeypatch.setattr("time.monotonic", lambda: found.steady)
        yield found


def now() -> datetime:
    return datetime.now(UTC)


def scheduler(last: datetime | None = None, **fields: object) -> Scheduler:
    return Scheduler({"job": JobConfig.model_validate({**fields, "steps": ()})}, KYIV, now, {"job": last})


def told(dues: list[Due]) -> list[tuple[str, str, int]]:
    return [(due.trigger, due.scheduled_for.astimezone(KYIV).strftime("%d %H:%M"), due.passed_over) for due in dues]


def test_an_interval_keeps_its_beat(clock: Time) -> None:
    sched = scheduler(every="10m")
    assert told(sched.due()) == [("schedule", "22 12:00", 0)], "a new job runs at once"
    clock.go_on(minutes=9)
    assert sched.due() == []
    assert sched.idle() == pytest.approx(60)
    clock.go_on(minutes=1, seconds=7)
    assert len(sched.due()) == 1
    assert sched.idle() == pytest.approx(600 - 7), "a late tick does not shift the next"


def test_a_restart_does_not_shift_an_interval(clock: Time) -> None:
    sched = scheduler(now() - timedelta(minutes=4), every="10m")
    assert sched.due() == []
    assert sched.idle() == pytest.approx(360)


def test_an_interval_slept_over_is_caught_up_once(clock: Time) -> None:
    sched = scheduler(now() - timedelta(minutes=95), every="10m", catch_up="all")
    assert told(sched.due()) == [("catch-up", "22 11:55", 8)]
    assert sched.idle() == pytest.approx(300)
    clock.jump(hours=8)
    assert [due.trigger for due in sched.due()] == ["catch-up"]
    assert sched.due() == []


def test_an_interval_slept_over_waits_for_its_beat_where_nothing_is_caught_up(clock: Time) -> None:
    sched = scheduler(now() - timedelta(minutes=95), every="10m", catch_up="none")
    assert [due.run for due in sched.due()] == [False]
    assert sched.idle() == pytest.approx(300)


def test_f30_intervals_do_not_stall_when_the_clock_is_set_back(clock: Time) -> None:
    sched = scheduler(every="10m")
    sched.due()
    clock.go_on(minutes=2)
    clock.jump(hours=-9)
    assert sched.due() == []
    assert sched.idle() == pytest.approx(480)
    clock.go_on(minutes=8)
    assert len(sched.due()) == 1


@pytest.mark.parametrize("clock", ["2026-03-29T02:50", "2026-10-25T03:50"], indirect=True)
def test_intervals_do_not_notice_the_odd_nights(clock: Time) -> None:
    sched = scheduler(every="30m")
    sched.due()
    found = 0
    for _ in range(12):
        clock.go_on(minutes=10)
        found += len(sched.due())
    assert found == 4


def test_a_time_of_day_is_due_once(clock: Time) -> None:
    sched = scheduler(at=["12:30"])
    assert sched.idle() == pytest.approx(1800)
    clock.go_on(minutes=30)
    assert told(sched.due()) == [("schedule", "22 12:30", 0)]
    assert sched.due() == []
    assert sched.idle() == pytest.approx(86400)


def test_f28_asleep_at_the_time(clock: Time) -> None:
    jobs = {policy: scheduler(at=["03:00", "15:00"], catch_up=policy) for policy in ("last", "all", "none")}
    clock.jump(days=2)
    assert told(jobs["last"].due()) == [("catch-up", "24 03:00", 3)]
    assert told(jobs["all"].due()) == [
        ("catch-up", "22 15:00", 0),
        ("catch-up", "23 03:00", 0),
        ("catch-up", "23 15:00", 0),
        ("catch-up", "24 03:00", 0),
    ]
    assert [(due.run, due.passed_over) for due in jobs["none"].due()] == [(False, 4)]


def test_waking_at_the_time_is_on_time(clock: Time) -> None:
    jobs = {policy: scheduler(at=["03:00", "15:00"], catch_up=policy) for policy in ("last", "all", "none")}
    clock.jump(hours=27, seconds=5)
    assert told(jobs["last"].due()) == [("schedule", "23 15:00", 2)]
    assert [trigger for trigger, _, _ in told(jobs["all"].due())] == ["catch-up", "catch-up", "schedule"]
    assert told(jobs["none"].due()) == [("schedule", "23 15:00", 2)]


def test_what_was_missed_while_nothing_ran_is_known_by_the_ledger(clock: Time) -> None:
    assert told(scheduler(now() - timedelta(days=3), at=["03:00"]).due()) == [("catch-up", "22 03:00", 2)]
    assert told(scheduler(now() - timedelta(hours=8), at=["03:00"]).due()) == []


@pytest.mark.parametrize("clock", ["2026-10-25T02:30"], indirect=True)
def test_f29_autumn_in_the_service(clock: Time) -> None:
    sched = scheduler(at=["03:00"])
    found: list[Due] = []
    for _ in range(60):
        clock.go_on(minutes=3)
        found += sched.due()
    assert told(found) == [("schedule", "25 03:00", 0)]


@pytest.mark.parametrize("clock", ["2026-03-29T02:30"], indirect=True)
def test_f29_spring_in_the_service(clock: Time) -> None:
    sched = scheduler(at=["03:00"])
    found: list[Due] = []
    for _ in range(60):
        clock.go_on(minutes=3)
        found += sched.due()
    assert told(found) == [("schedule", "29 04:00", 0)]


def test_f30_a_clock_adjusted_back_runs_nothing_twice(clock: Time) -> None:
    sched = scheduler(at=["12:30"])
    clock.go_on(minutes=31)
    assert len(sched.due()) == 1
    clock.jump(minutes=-5)
    assert sched.due() == []
    clock.go_on(minutes=10)
    assert sched.due() == []


def test_f30_a_clock_that_was_days_ahead_does_not_stop_the_job(clock: Time) -> None:
    clock.jump(days=400)
    sched = scheduler(at=["12:30"])
    clock.go_on(hours=1)
    assert len(sched.due()) == 1
    clock.jump(days=-400)
    sched.due()
    assert sched.idle() == pytest.approx(23.5 * 3600), "tomorrow at 12:30"
    again = scheduler(now() + timedelta(days=400), at=["12:30"])
    assert again.idle() == pytest.approx(23.5 * 3600), "and so says the ledger's record of it"


def test_jobs_that_are_off_or_only_watch_are_never_due(clock: Time) -> None:
    assert scheduler(every="1s", enabled=False).due() == []
    assert scheduler(watch=True).due() == []
    assert scheduler(watch=True).idle() is None
