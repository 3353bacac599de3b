"""What is due of a job, found anew at each look, is what a service that never stopped would find."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pipeline.config.model import JobConfig
from pipeline.engine.fleet.settling import Before, settle

KYIV = ZoneInfo("Europe/Kyiv")
NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)


def job(**words: Any) -> JobConfig:
    return JobConfig(steps=(), **words)


def at(hour: int, minute: int = 0, second: int = 0, *, day: int = 29) -> datetime:
    return datetime(2026, 11, day, hour, minute, second, tzinfo=UTC)


def test_a_new_interval_job_is_due_at_once_and_then_keeps_its_beat() -> None:
    spec = job(every="5m")
    first = settle("it", spec, KYIV, None, NOW)
    assert [(one.trigger, one.scheduled_for) for one in first.due] == [("schedule", NOW)]
    assert first.following == NOW + timedelta(minutes=5)
    later = settle("it", spec, KYIV, NOW, NOW + timedelta(minutes=3))
    assert later.due == ()
    assert later.following == NOW + timedelta(minutes=5)
    late = settle("it", spec, KYIV, NOW, NOW + timedelta(minutes=5, seconds=40))
    assert [one.scheduled_for for one in late.due] == [NOW + timedelta(minutes=5)]
    assert late.following == NOW + timedelta(minutes=10)


def test_the_clients_own_clock_counts() -> None:
    spec = job(at=["14:00"])
    settled = settle("it", spec, KYIV, at(0), at(11, 59))
    assert settled.due == ()
    assert settled.following == at(12), "14:00 in Kyiv in winter"
    due = settle("it", spec, KYIV, at(0), at(12, 0, 3))
    assert [one.scheduled_for for one in due.due] == [at(12)]
    assert due.following == at(12, day=30)


@pytest.mark.parametrize(("catch_up", "runs", "left"), [("last", 1, 2), ("all", 3, 0), ("none", 0, 3)])
def test_what_was_missed_is_made_up_for_as_the_config_says(catch_up: str, runs: int, left: int) -> None:
    spec = job(cron="0 * * * *", catch_up=catch_up)
    settled = settle("it", spec, KYIV, at(8), at(11, 30))
    assert sum(one.run for one in settled.due) == runs
    assert sum(one.passed_over for one in settled.due) == left
    assert {one.trigger for one in settled.due} == {"catch-up"}
    assert settled.following == at(12)


@pytest.mark.parametrize("catch_up", ["last", "all", "none"])
def test_times_while_the_run_before_was_under_way_are_counted_and_not_made_up_for(catch_up: str) -> None:
    for spec in (job(every="1m", catch_up=catch_up), job(cron="* * * * *", catch_up=catch_up)):
        before = Before(at(11, 50), at(11, 52, 30))
        settled = settle("it", spec, KYIV, at(11, 50), at(11, 52, 31), before)
        assert settled.busy == (at(11, 51), at(11, 52))
        assert settled.due == ()
        assert settled.following == at(11, 53)


def test_a_run_that_was_over_in_time_makes_nothing_busy() -> None:
    settled = settle("it", job(every="1m"), KYIV, at(11, 50), at(11, 51), Before(at(11, 50), at(11, 50, 20)))
    assert settled.busy == ()
    assert [one.scheduled_for for one in settled.due] == [at(11, 51)]


def test_a_job_that_ran_for_days_counts_its_times_without_listing_them_all() -> None:
    settled = settle("it", job(every="1s"), KYIV, at(0, day=20), NOW, Before(at(0, day=20), NOW))
    assert len(settled.busy) == 1
    assert settled.due == ()


def test_a_last_run_in_the_future_is_not_waited_for() -> None:
    assert settle("it", job(every="1m"), KYIV, NOW + timedelta(days=3), NOW).following == NOW + timedelta(minutes=1)
    # the scheduler looks on from now, when a clock was set back by days
    assert settle("it", job(at=["14:00"]), KYIV, NOW + timedelta(days=3), NOW).following == at(12, day=30)


def test_jobs_without_times_of_their_own_have_none() -> None:
    for spec in (job(watch=True), job(), job(every="1m", enabled=False)):
        assert settle("it", spec, KYIV, None, NOW).following is None
        assert settle("it", spec, KYIV, None, NOW).due == ()


@pytest.mark.parametrize(
    ("last", "now", "due", "following"),
    [
        # 03:30 on 29 March 2026 does not exist in Kyiv: it runs at the first moment that does
        (
            datetime(2026, 3, 28, 12, tzinfo=UTC),
            datetime(2026, 3, 29, 1, 0, 5, tzinfo=UTC),
            1,
            datetime(2026, 3, 30, 0, 30, tzinfo=UTC),
        ),
        # 03:30 on 25 October comes twice: it runs the first time only
        (
            datetime(2026, 10, 24, 12, tzinfo=UTC),
            datetime(2026, 10, 25, 0, 30, 5, tzinfo=UTC),
            1,
            datetime(2026, 10, 26, 1, 30, tzinfo=UTC),
        ),
        (
            datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
            datetime(2026, 10, 25, 1, 30, 5, tzinfo=UTC),
            0,
            datetime(2026, 10, 26, 1, 30, tzinfo=UTC),
        ),
    ],
)
def test_the_two_odd_nights(last: datetime, now: datetime, due: int, following: datetime) -> None:
    settled = settle("it", job(at=["03:30"]), KYIV, last, now)
    assert len(settled.due) == due
    assert settled.following == following
