"""Which timers are missing, and which lie further away than they can, by the time of the queue's database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from pipeline.config.load import load_config
from pipeline.engine.fleet import care
from pipeline.engine.fleet.queue import Ask, Waiting, timer_of
from pipeline.engine.fleet.roster import Member
from pipeline.engine.fleet.steps import Load
from pipeline.engine.fleet.timers import LONGEST_AWAY, LONGEST_BREAK, furthest, see_to
from pipeline.engine.history import schedule_print
from tests.engine.fleet import clients

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
KYIV = ZoneInfo("Europe/Kyiv")


def member(folder: Path, schedule: str = "every: 5m") -> Member:
    path = clients.write(folder, "acme")
    text = path.read_text("utf-8")
    if not schedule.startswith("every"):
        text = text.replace("    watch: true\n", "")
    path.write_text(text.replace("every: 5m", schedule), encoding="utf-8")
    return Member(load_config(path), Load("acme", b"", False, frozenset()))


def set_for(one: Member, why: str, away: timedelta, number: int = 1, pause: float = 0.0) -> dict[str, Waiting]:
    """A timer that lies so far away."""
    job = "" if why in care.EVERY else "orders"
    schedule = schedule_print(one.config.jobs["orders"]) if job else ""
    ask = Ask("acme", job, why)
    return {timer_of(ask): Waiting(number, True, True, NOW + away, "acme", job, why, schedule, pause)}


def all_set(one: Member, plan: timedelta) -> dict[str, Waiting]:
    found = set_for(one, "plan", plan) | set_for(one, "watch", timedelta(seconds=1), 2)
    for number, why in enumerate(one.cares, 3):
        found |= set_for(one, why, timedelta(minutes=1), number)
    return found


def test_what_is_missing_is_asked_for_and_what_is_there_stays(tmp_path: Path) -> None:
    one = member(tmp_path)
    seen = see_to({"acme": one}, {}, NOW, {})
    assert {(ask.why, at is None) for ask, at in seen.missing} == {
        ("plan", True),
        ("watch", True),
        *((why, False) for why in one.cares),
    }
    assert all(at is None or NOW < at <= NOW + timedelta(minutes=10) for _, at in seen.missing)
    assert seen.astray == ()
    there = see_to({"acme": one}, all_set(one, timedelta(minutes=5)), NOW, {})
    assert (there.missing, there.astray) == ((), ())


@pytest.mark.parametrize("away", [timedelta(minutes=10), timedelta(days=1)])
def test_a_timer_that_a_clock_ahead_has_set_is_astray(tmp_path: Path, away: timedelta) -> None:
    one = member(tmp_path)
    seen = see_to({"acme": one}, all_set(one, away), NOW, {})
    assert (seen.missing, seen.astray) == ((), (1,))


@pytest.mark.parametrize(
    ("why", "allowed"),
    [
        ("plan", 300.0),
        ("watch", 10.0),
        ("retry", LONGEST_BREAK),
        ("care", care.LONGEST["care"]),
        ("escalate", care.LONGEST["escalate"]),
        ("tidy", 86400.0),
    ],
)
def test_each_kind_has_its_limit(tmp_path: Path, why: str, allowed: float) -> None:
    one = member(tmp_path)
    for seconds, astray in ((allowed, ()), (allowed + 60, (1,))):
        waiting = set_for(one, why, timedelta(seconds=seconds))
        assert see_to({"acme": one}, waiting, NOW, {}).astray == astray, seconds


@pytest.mark.parametrize("why", ["watch", "retry"])
def test_while_a_server_is_left_alone_its_timer_may_be_far_away(tmp_path: Path, why: str) -> None:
    one = member(tmp_path)
    pause = timedelta(hours=30)
    assert see_to({"acme": one}, set_for(one, why, pause, pause=pause.total_seconds()), NOW, {}).astray == ()
    assert see_to({"acme": one}, set_for(one, why, 2 * pause, pause=pause.total_seconds()), NOW, {}).astray == (1,)


def test_a_moment_that_was_set_by_hand_may_be_any(tmp_path: Path) -> None:
    one = member(tmp_path)
    assert see_to({"acme": one}, set_for(one, "wake", timedelta(days=100)), NOW, {}).astray == ()


@pytest.mark.parametrize("schedule", ['at: ["08:00"]', 'cron: "0 8 * * *"'])
def test_a_time_of_the_day_is_known_by_its_schedule(tmp_path: Path, schedule: str) -> None:
    one = member(tmp_path, schedule)
    following = datetime(2026, 11, 30, 8, 0, tzinfo=KYIV) - NOW
    well: dict[str, datetime] = {}
    right = set_for(one, "plan", following)
    assert see_to({"acme": one}, right, NOW, well).astray == ()
    assert well == {"timer/acme/orders/plan": NOW + following}
    again = see_to({"acme": one}, right, NOW + timedelta(hours=3), well)
    assert again.astray == ()
    wrong = set_for(one, "plan", following + timedelta(days=1))
    assert see_to({"acme": one}, wrong, NOW, well).astray == (1,)
    assert see_to({"acme": one}, {}, NOW, well).missing
    assert well == {}, "what is gone is forgotten"


def test_a_run_that_is_put_back_waits_for_no_moment(tmp_path: Path) -> None:
    one = member(tmp_path)
    late = Waiting(7, False, True, NOW + timedelta(minutes=5), "acme", "orders", "plan")
    once = Ask("acme", "orders", "plan").once
    assert see_to({"acme": one}, {once: late}, NOW, {}).astray == (7,)
    begun = replace(late, idle=False)
    assert see_to({"acme": one}, {once: begun}, NOW, {}).astray == (), "somebody has it"
    assert see_to({"acme": one}, {once: replace(late, at=None)}, NOW, {}).astray == ()
    assert see_to({}, {once: late}, NOW, {}).astray == (), "not a client of this worker"


def test_the_limits_are_those_of_what_is_set(tmp_path: Path) -> None:
    job = member(tmp_path, "every: 5s").config.jobs["orders"]
    assert furthest("plan", job, KYIV, NOW) == NOW + timedelta(seconds=LONGEST_AWAY)
    assert furthest("plan", None, KYIV, NOW) is None
    assert furthest("wake", job, KYIV, NOW) is None
