"""What is usual, and what silence is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.rules import arrivals
from pipeline.rules.arrivals import Habit, alarm_at, expected, learn, slot, together, unusual
from tests.everyday import examples
from tests.rules.arrivals_figures import SHOPS, START, ZONE, at_random, measure, on_the_hour, shop_hours


def habit_of(moments: list[datetime], now: datetime | None = None) -> Habit:
    found = learn(moments, ZONE, now or moments[-1])
    assert found is not None
    return found


def test_too_little_is_known_before_two_weeks_and_a_dozen_arrivals() -> None:
    daily = on_the_hour([3], 1)
    assert learn(daily[:14], ZONE, daily[13]) is None, "13 days"
    assert learn(daily[:16], ZONE, daily[15]) is not None
    assert learn([daily[0], daily[30]], ZONE, daily[30]) is None
    assert learn([], ZONE, START) is None


def test_one_export_a_day_is_missed_before_the_second_one_fails() -> None:
    daily = on_the_hour([3], 1)
    habit = habit_of(daily[:30])
    alarm = alarm_at(habit, daily[29])
    assert alarm is not None
    assert timedelta(hours=24) < alarm - daily[29] < timedelta(hours=49)


def test_a_night_and_a_weekend_are_no_silence_for_an_office() -> None:
    hourly = [at for at in on_the_hour(range(9, 18), 2) if at.astimezone(ZONE).weekday() < 5]
    habit = habit_of(hourly)
    friday = next(at for at in reversed(hourly) if at.astimezone(ZONE).weekday() == 4)
    monday = friday.astimezone(ZONE).replace(hour=9, minute=0) + timedelta(days=3)
    assert expected(habit, friday, monday) < 2
    assert not unusual(habit, friday, monday)
    assert unusual(habit, friday, monday + timedelta(hours=8))


def test_files_that_come_together_are_one_arrival() -> None:
    burst = [START + timedelta(seconds=n) for n in range(500)]
    assert together(burst) == [START]
    steady = [START + timedelta(minutes=4 * n) for n in range(10)]
    assert together(steady) == [steady[0], steady[3], steady[6], steady[9]], "a steady stream is more than one"


def test_what_came_after_now_or_long_ago_is_not_counted() -> None:
    daily = on_the_hour([3], 1)
    now = daily[40]
    assert habit_of([*daily[:41], now + timedelta(days=300)], now) == habit_of(daily[:41], now)
    assert habit_of([daily[0] - timedelta(weeks=30), *daily[:41]], now).arrivals == 41


def test_the_clocks_of_the_odd_nights_bend_nothing() -> None:
    daily = on_the_hour([3], 3)  # through 25 October, when 03:00 comes twice
    habit = habit_of(daily)
    assert sum(habit.rates) == pytest.approx(7, rel=0.1)
    assert all(gap < 1.5 for gap in habit.gaps)
    hour = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert slot(hour, ZONE) == slot(hour + timedelta(hours=1), ZONE) == 6 * 24 + 3
    assert slot(datetime(2026, 3, 29, 0, 30, tzinfo=UTC), ZONE) == 6 * 24 + 2
    assert slot(datetime(2026, 3, 29, 1, 30, tzinfo=UTC), ZONE) == 6 * 24 + 4


def test_a_holiday_in_the_history_does_not_blunt_the_alarm() -> None:
    came = at_random(40, shop_hours, 5)
    without = [at for at in came if at.astimezone(ZONE).date() != datetime(2026, 10, 14).date()]  # noqa: DTZ001
    now = came[-1]
    assert habit_of(without, now).pause < habit_of(came, now).pause * 1.5


#: The rhythms that are simulated every day: few files at random, and many by the clock.
EVERY_DAY = frozenset({"online shop, 2 files a day", "hourly exports, 9 to 18"})


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in EVERY_DAY else pytest.mark.full) for name in SHOPS]
)
def test_few_false_alarms_and_silences_are_seen(name: str) -> None:
    figures = measure(SHOPS[name], 2)
    assert figures.alarms <= 2, "in eight weeks"
    assert figures.share(0.5) < {"online shop, 2 files a day": 100.0}.get(name, 48.0)
    if name == "online shop, 200 files a day":
        assert figures.share(0.5) < 5


rhythms = st.lists(st.floats(0.1, 30.0), min_size=60, max_size=200)
zones = st.sampled_from([ZONE, ZoneInfo("UTC"), ZoneInfo("Australia/Lord_Howe"), ZoneInfo("America/New_York")])


@settings(max_examples=examples(60), deadline=None)
@given(rhythms, zones)
def test_however_files_come(gaps: list[float], zone: ZoneInfo) -> None:
    moments = [START]
    for gap in gaps:
        moments.append(moments[-1] + timedelta(hours=gap))
    now = moments[-1]
    habit = learn(moments, zone, now)
    if habit is None:
        return
    assert all(rate >= 0 for rate in habit.rates)
    assert list(habit.gaps) == sorted(habit.gaps)
    # more time, more expected; in parts as in one
    middle = now + timedelta(hours=31, minutes=17)
    end = middle + timedelta(hours=55)
    whole = expected(habit, now, end)
    assert whole == pytest.approx(expected(habit, now, middle) + expected(habit, middle, end))
    assert 0 <= expected(habit, now, middle) <= whole
    # the alarm's moment is where silence becomes unusual
    alarm = alarm_at(habit, now)
    if alarm is not None:
        assert alarm - now >= arrivals.SHORTEST
        assert not unusual(habit, now, alarm - timedelta(seconds=30))
        assert unusual(habit, now, alarm + timedelta(minutes=1)) or expected(
            habit, alarm, alarm + timedelta(minutes=1)
        ) == pytest.approx(0)
    # few of the pauses that it was learned from would have been called unusual
    recent = [one for one in together(moments) if one >= now - arrivals.HISTORY]
    called = sum(unusual(habit, a, b) for a, b in pairwise(recent))
    assert called <= arrivals.ODD


@settings(max_examples=examples(40), deadline=None)
@given(rhythms)
def test_the_order_of_what_is_told_does_not_matter(gaps: list[float]) -> None:
    moments = [START + timedelta(hours=sum(gaps[:n])) for n in range(len(gaps))]
    assert learn(moments, ZONE, moments[-1]) == learn(reversed(moments), ZONE, moments[-1])
