"""The next runs of a job, on plain days and on the two odd nights, in any zone."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pipeline.config.model import ScheduleSettings
from pipeline.engine import schedule
from pipeline.errors import ConfigError
from tests.everyday import examples

KYIV = ZoneInfo("Europe/Kyiv")
ZONES = [ZoneInfo(name) for name in sorted(zoneinfo.available_timezones()) if name not in ("localtime", "Factory")]


def spec(**fields: object) -> ScheduleSettings:
    return ScheduleSettings.model_validate(fields)


def local(text: str, zone: ZoneInfo = KYIV, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold)


def shown(runs: list[schedule.Run]) -> list[str]:
    return [run.at.strftime("%m-%d %H:%M%z") for run in runs]


def test_at_runs_each_day_at_that_time_of_the_clients_zone() -> None:
    runs = schedule.next_runs(spec(at=["03:00", "15:00"]), KYIV, local("2026-11-22T12:00"), 3)
    assert shown(runs) == ["11-22 15:00+0200", "11-23 03:00+0200", "11-23 15:00+0200"]
    assert [run.note for run in runs] == [None, None, None]
    assert {run.at.tzinfo for run in runs} == {KYIV}


def test_a_run_due_exactly_now_is_not_next() -> None:
    assert shown(schedule.next_runs(spec(at=["3:00"]), KYIV, local("2026-11-22T03:00"), 1)) == ["11-23 03:00+0200"]


def test_f29_a_time_that_does_not_exist_runs_once_at_the_first_that_does() -> None:
    runs = schedule.next_runs(spec(at=["03:00"]), KYIV, local("2026-03-28T12:00"), 2)
    assert shown(runs) == ["03-29 04:00+0300", "03-30 03:00+0300"]
    assert str(runs[0].note) == "03:00 does not exist on this night: runs at 04:00"
    assert runs[1].note is None


def test_f29_a_time_that_comes_twice_runs_the_first_time_only() -> None:
    runs = schedule.next_runs(spec(at=["03:00"]), KYIV, local("2026-10-24T12:00"), 2)
    assert shown(runs) == ["10-25 03:00+0300", "10-26 03:00+0200"]
    assert str(runs[0].note) == "03:00 comes twice on this night: runs the first time only"


def test_f29_between_the_two_threes_of_autumn_nothing_is_due() -> None:
    for minute in (0, 20, 59):
        for fold in (0, 1):
            after = local(f"2026-10-25T03:{minute:02}", fold=fold)
            assert shown(schedule.next_runs(spec(at=["03:00"]), KYIV, after, 1)) == ["10-26 03:00+0200"]


def test_a_missing_time_that_falls_on_a_real_one_is_one_run() -> None:
    runs = schedule.next_runs(spec(at=["03:00", "03:30", "04:00"]), KYIV, local("2026-03-29T00:00"), 2)
    assert shown(runs) == ["03-29 04:00+0300", "03-30 03:00+0300"]


def test_cron_with_hours_keeps_the_wall_clock_on_both_nights() -> None:
    spring = schedule.next_runs(spec(cron="*/30 3 * * *"), KYIV, local("2026-03-29T00:00"), 2)
    assert shown(spring) == ["03-29 04:00+0300", "03-30 03:00+0300"]
    autumn = schedule.next_runs(spec(cron="0 */3 * * *"), KYIV, local("2026-10-25T01:00"), 3)
    assert shown(autumn) == ["10-25 03:00+0300", "10-25 06:00+0200", "10-25 09:00+0200"]


def test_cron_of_every_hour_goes_by_elapsed_time() -> None:
    spring = schedule.next_runs(spec(cron="30 * * * *"), KYIV, local("2026-03-29T02:00"), 2)
    assert shown(spring) == ["03-29 02:30+0200", "03-29 04:30+0300"]
    autumn = schedule.next_runs(spec(cron="*/30 * * * *"), KYIV, local("2026-10-25T02:45"), 5)
    assert shown(autumn) == [
        "10-25 03:00+0300",
        "10-25 03:30+0300",
        "10-25 03:00+0200",
        "10-25 03:30+0200",
        "10-25 04:00+0200",
    ]


def test_cron_workdays() -> None:
    runs = schedule.next_runs(spec(cron="30 6 * * 1-5"), KYIV, local("2026-11-20T07:00"), 2)
    assert shown(runs) == ["11-23 06:30+0200", "11-24 06:30+0200"]


def test_an_expression_that_never_comes_ends() -> None:
    # a day that most years do not have
    rare = schedule.next_runs(spec(cron="0 0 29 2 *"), KYIV, local("2026-01-01T00:00"), 2)
    assert [run.at.year for run in rare] == [2028, 2032]
    with pytest.raises(ConfigError):
        schedule.next_runs(spec(cron="0 0 31 2 *"), KYIV, local("2026-01-01T00:00"), 1)


def test_every_is_anchored_at_the_last_run() -> None:
    every = spec(every="10m")
    now = local("2026-11-22T12:00")
    assert schedule.next_runs(every, KYIV, now, 2, now - timedelta(minutes=4))[0].at == now + timedelta(minutes=6)
    assert schedule.next_runs(every, KYIV, now, 1, now - timedelta(hours=4))[0].at == now, "overdue: at once"
    assert schedule.next_runs(every, KYIV, now, 1)[0].at == now, "never ran: at once"
    ahead = schedule.next_runs(every, KYIV, now, 1, now + timedelta(days=400))[0].at
    assert ahead == now + timedelta(minutes=10), "a last run of a clock that was wrong does not stop the job"


def test_every_is_even_over_the_odd_nights() -> None:
    runs = schedule.next_runs(spec(every="1h"), KYIV, local("2026-10-25T00:30"), 6, local("2026-10-25T00:00"))
    moments = [run.at.astimezone(UTC) for run in runs]
    assert {b - a for a, b in pairwise(moments)} == {timedelta(hours=1)}


def test_watch_alone_has_no_next_run() -> None:
    assert schedule.next_runs(spec(watch=True), KYIV, local("2026-11-22T12:00"), 5) == []


def test_f28_missed_runs_by_policy() -> None:
    nightly, last, now = spec(at=["03:00"]), local("2026-11-18T03:00"), local("2026-11-21T08:00")
    assert shown(schedule.missed(nightly, KYIV, last, now)) == ["11-21 03:00+0200"]
    assert shown(schedule.missed(nightly, KYIV, last, now, "all")) == [
        "11-19 03:00+0200",
        "11-20 03:00+0200",
        "11-21 03:00+0200",
    ]
    assert schedule.missed(nightly, KYIV, last, now, "none") == []
    assert schedule.missed(nightly, KYIV, now, now, "all") == []
    assert schedule.missed(nightly, KYIV, now + timedelta(days=9), now, "all") == [], "the clock was set back"


def test_missed_intervals_are_one_run() -> None:
    every, last = spec(every="30m"), local("2026-11-22T00:00")
    assert shown(schedule.missed(every, KYIV, last, local("2026-11-22T08:10"), "all")) == ["11-22 08:00+0200"]
    assert schedule.missed(every, KYIV, last, local("2026-11-22T00:10"), "all") == []


def test_years_asleep_cost_no_time_and_are_bounded() -> None:
    last, now = local("2001-01-01T00:00"), local("2026-11-22T12:00:30")
    runs = schedule.missed(spec(cron="* * * * *"), KYIV, last, now, "all")
    assert len(runs) == schedule.MOST_MISSED
    assert shown(runs[-1:]) == ["11-22 12:00+0200"]
    assert shown(schedule.missed(spec(cron="0 0 1 1 *"), KYIV, last, now)) == ["01-01 00:00+0200"]


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"at": ["25:00"]}, "'25:00' is not a time of day"),
        ({"at": ["03"]}, "'03' is not a time of day"),
        ({"at": ["03:00+02:00"]}, "is not a time of day"),
        ({"cron": "61 * * * *"}, "cannot be read: Bad minute"),
        ({"cron": "@daily"}, "cannot be read"),
        ({"every": "0s"}, "longer than nothing"),
        ({"watch": True, "poll": "0s"}, "longer than nothing"),
        ({"every": "5m", "at": ["03:00"]}, "not every + at"),
    ],
)
def test_what_cannot_be_kept_is_said(fields: dict[str, object], word: str) -> None:
    with pytest.raises(ConfigError) as caught:
        schedule.check(spec(**fields))
    assert word in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"every": "90s"}, "every 1 min 30 s"),
        ({"every": "250ms"}, "every 250 ms"),
        ({"at": ["03:00", "15:00"]}, "at 03:00, 15:00"),
        ({"cron": "30 6 * * 1-5"}, "by cron 30 6 * * 1-5"),
        ({"watch": True}, "as files come (looked at every 10 s)"),
        ({"watch": True, "every": "1h"}, "every 1 h; as files come (looked at every 10 s)"),
        ({"enabled": False, "every": "1h"}, "off"),
        ({}, "by hand"),
    ],
)
def test_a_schedule_in_words(fields: dict[str, object], words: str) -> None:
    assert str(schedule.in_words(spec(**fields))) == words
    schedule.check(spec(**fields))


# --- any zone, any moment ----------------------------------------------------------------------------------------

minutes = st.integers(0, 59)
hours = st.integers(0, 23)
times = st.builds("{:02}:{:02}".format, hours, minutes)
crons = st.one_of(
    st.builds("{} {} * * *".format, minutes, hours),
    st.builds("*/{} {} * * *".format, st.integers(1, 59), hours),
    st.builds("{} */{} * * *".format, minutes, st.integers(2, 12)),
    st.builds("{} {} * * {}".format, minutes, hours, st.integers(0, 6)),
)
moments = st.datetimes(datetime(1975, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
zones = st.sampled_from(ZONES)


def changes(zone: ZoneInfo, year: int) -> list[datetime]:
    """Moments just before which the zone's clock changes."""
    day, found = datetime(year, 1, 1, tzinfo=UTC), []
    for _ in range(366):
        if day.astimezone(zone).utcoffset() != (day + timedelta(days=1)).astimezone(zone).utcoffset():
            found.append(day)
        day += timedelta(days=1)
    return found


@st.composite
def near_a_change(draw: st.DrawFn) -> tuple[ZoneInfo, datetime]:
    """A zone, and a moment that often is close to a change of its clock."""
    zone = draw(zones)
    if draw(st.booleans()):
        found = changes(zone, draw(st.integers(1980, 2036)))
        if found:
            return zone, draw(st.sampled_from(found)) + timedelta(minutes=draw(st.integers(-1500, 3000)))
    return zone, draw(moments)


@settings(max_examples=examples(150), deadline=None)
@given(near_a_change(), st.one_of(st.lists(times, min_size=1, max_size=3), crons))
def test_never_twice_for_a_slot_and_always_forwards(place: tuple[ZoneInfo, datetime], when: list[str] | str) -> None:
    zone, after = place
    sched = spec(at=when) if isinstance(when, list) else spec(cron=when)
    runs = schedule.next_runs(sched, zone, after, 12)
    assert len(runs) == 12
    moments = [run.at.astimezone(UTC) for run in runs]
    assert moments[0] > after
    assert all(a < b for a, b in pairwise(moments))
    walls = [run.at.replace(tzinfo=None) for run in runs]
    assert len(set(walls)) == len(walls), "one wall-clock slot, one run"
    assert all(m.astimezone(zone).replace(tzinfo=None) == w for m, w in zip(moments, walls, strict=True)), "they exist"


@settings(max_examples=examples(100), deadline=None)
@given(near_a_change(), times)
def test_a_daily_run_comes_on_every_day_that_the_zone_has(place: tuple[ZoneInfo, datetime], at: str) -> None:
    zone, after = place
    runs = schedule.next_runs(spec(at=[at]), zone, after, 8)
    for earlier, later in pairwise(runs):
        days = (later.at.date() - earlier.at.date()).days
        # a day that the zone leaves out (Samoa, 2011-12-30) has its run at the first moment after it
        assert days == 1 or (days <= 2 and (earlier.note or later.note)), (zone, at, earlier, later)


@settings(max_examples=examples(60), deadline=None)
@given(near_a_change(), times)
def test_cronsim_agrees_on_plain_daily_times(place: tuple[ZoneInfo, datetime], at: str) -> None:
    zone, after = place
    start = after.astimezone(zone)
    assume(not start.fold)  # from inside the second pass of an hour cronsim goes back into the first
    assume(zone.key not in ("Pacific/Apia", "Pacific/Fakaofo", "Pacific/Kwajalein", "Kwajalein", "Pacific/Enderbury"))
    theirs = CronSim(f"{int(at[3:])} {int(at[:2])} * * *", start)
    expected = [next(theirs).astimezone(UTC) for _ in range(4)]
    ours = [run.at.astimezone(UTC) for run in schedule.next_runs(spec(at=[at]), zone, after, 4)]
    # cronsim looks for the end of a gap minute by minute from the slot: the same moment
    assert ours == expected


@pytest.mark.full
@settings(max_examples=examples(100), deadline=None)
@given(near_a_change(), st.one_of(times, crons), st.integers(1, 5000))
def test_what_was_missed_is_what_would_have_run(
    place: tuple[ZoneInfo, datetime], when: str, minutes_asleep: int
) -> None:
    zone, last = place
    now = last + timedelta(minutes=minutes_asleep)
    sched = spec(cron=when) if " " in when else spec(at=[when])
    due = schedule.missed(sched, zone, last, now, "all")
    ahead = schedule.next_runs(sched, zone, last, len(due) + 1)
    assert due == ahead[:-1]
    assert ahead[-1].at.astimezone(UTC) > now
    assert schedule.missed(sched, zone, last, now, "last") == due[-1:]


@settings(max_examples=examples(60), deadline=None)
@given(near_a_change(), st.integers(1, 59))
def test_every_hour_crons_go_on_evenly(place: tuple[ZoneInfo, datetime], minute: int) -> None:
    zone, after = place
    runs = schedule.next_runs(spec(cron=f"{minute} * * * *"), zone, after, 40)
    moments = [run.at.astimezone(UTC) for run in runs]
    assert all(a < b for a, b in pairwise(moments))
    assert all(run.at.minute == minute for run in runs)


@given(near_a_change(), st.integers(1, 10**6), st.integers(0, 10**7))
def test_intervals_are_even_and_never_late(place: tuple[ZoneInfo, datetime], every: int, ago: int) -> None:
    zone, after = place
    runs = schedule.next_runs(spec(every=every), zone, after, 5, after - timedelta(seconds=ago))
    moments = [run.at.astimezone(UTC) for run in runs]
    assert after <= moments[0] <= after + timedelta(seconds=every)
    assert {b - a for a, b in pairwise(moments)} == {timedelta(seconds=every)}
