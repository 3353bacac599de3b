"""Who is told of what, and when: plans of values."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from pipeline.rules.telling import (
    AWAY,
    PATIENCE,
    Choice,
    Escalation,
    Facts,
    Held,
    Quiet,
    Rule,
    came_meanwhile,
    escalates_at,
    popups,
    quiet_until,
    receivers,
)

KYIV = ZoneInfo("Europe/Kyiv")
PCS = {1: "olena", 2: "petro"}
KINDS = ("order", "held")
ORDER = Facts("order", job="orders", warehouse="main", status="paid", total=Decimal("1240.50"))
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
NIGHT = Quiet(time(21), time(8))


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=KYIV)  # type: ignore[misc, arg-type] # year to minute


@pytest.mark.parametrize(
    ("choice", "fits"),
    [
        (Choice(), True),
        (Choice(kinds=frozenset({"held"})), False),
        (Choice(jobs=frozenset({"orders"})), True),
        (Choice(warehouses=frozenset({"shop"})), False),
        (Choice(statuses=frozenset({"paid", "new"}), warehouses=frozenset({"main"})), True),
        (Choice(least=Decimal("1240.50"), most=Decimal("1240.50")), True),
        (Choice(least=Decimal("1240.51")), False),
        (Choice(most=Decimal("1240.49")), False),
    ],
)
def test_a_choice_takes_what_fits_all_of_it(choice: Choice, fits: bool) -> None:
    assert choice.fits(ORDER) is fits


def test_what_is_asked_for_and_not_known_does_not_fit() -> None:
    failure = Facts("failure", job="orders")
    assert Choice(jobs=frozenset({"orders"})).fits(failure)
    assert not Choice(least=Decimal(0)).fits(failure)
    assert not Choice(warehouses=frozenset({"main"})).fits(failure)


def test_without_rules_everybody_is_told_of_the_kinds() -> None:
    assert receivers((), KINDS, PCS, ORDER) == [1, 2]
    assert receivers((), KINDS, PCS, Facts("catalogue")) == []
    assert receivers((), (*KINDS, "summary"), PCS, Facts("summary")) == []


def test_rules_say_who_is_told_and_each_is_told_once() -> None:
    rules = (
        Rule(Choice(least=Decimal(1000)), frozenset({"olena"})),
        Rule(Choice(warehouses=frozenset({"main"})), frozenset({"olena", "petro"})),
        Rule(Choice(kinds=frozenset({"catalogue"})), frozenset({"petro"})),
    )
    assert receivers(rules, KINDS, PCS, ORDER) == [1, 2]
    assert receivers(rules, KINDS, PCS, Facts("order", warehouse="shop", total=Decimal(2000))) == [1]
    assert receivers(rules, KINDS, PCS, Facts("order", warehouse="shop", total=Decimal(5))) == []
    # a kind that is not among the common ones goes only where a rule names it
    assert receivers(rules, KINDS, PCS, Facts("catalogue")) == [2]
    assert receivers((Rule(Choice()),), KINDS, PCS, ORDER) == [1, 2]


def test_quiet_hours_over_midnight_and_in_the_clients_zone() -> None:
    assert quiet_until([NIGHT], KYIV, at(2026, 11, 23, 20, 59)) is None
    assert quiet_until([NIGHT], KYIV, at(2026, 11, 23, 21, 0)) == at(2026, 11, 24, 8, 0)
    assert quiet_until([NIGHT], KYIV, at(2026, 11, 24, 7, 59)) == at(2026, 11, 24, 8, 0)
    assert quiet_until([NIGHT], KYIV, at(2026, 11, 24, 8, 0)) is None
    # 19:30 in UTC is 21:30 in Kyiv in winter, and 22:30 in summer
    assert quiet_until([NIGHT], KYIV, datetime(2026, 11, 23, 19, 30, tzinfo=UTC)) == at(2026, 11, 24, 8, 0)


def test_quiet_hours_that_follow_one_another_end_together() -> None:
    weekend = Quiet(time(0), time(0), frozenset({5, 6}))
    friday_night = at(2026, 11, 27, 22, 0)
    assert quiet_until([NIGHT, weekend], KYIV, friday_night) == at(2026, 11, 30, 8, 0)
    assert quiet_until([weekend], KYIV, friday_night) is None
    always = Quiet(time(0), time(0))
    assert quiet_until([always], KYIV, friday_night) is not None


def test_quiet_hours_end_by_the_wall_clock_when_the_clocks_change() -> None:
    # on 2026-10-25 Kyiv goes back an hour at four
    end = quiet_until([NIGHT], KYIV, at(2026, 10, 24, 22, 0))
    assert end is not None
    assert end.astimezone(UTC) == datetime(2026, 10, 25, 6, 0, tzinfo=UTC)


def waiting(*ages: float, quiet: bool = False) -> list[Held]:
    return [Held(n, NOW - timedelta(seconds=age), quiet) for n, age in enumerate(ages, 1)]


def test_few_are_shown_alone_and_a_burst_as_one_once_it_is_whole() -> None:
    def plan(*ages: float, just: int = 0) -> list[list[int]]:
        return popups(waiting(*ages), now=NOW, is_quiet=False, shown_just_now=just, burst=4)

    assert plan() == []
    assert plan(0.1, 0.1) == [[1], [2]]
    assert plan(3, 3, 3, 3, 3) == [[1, 2, 3, 4, 5]]
    assert plan(3, 3, 3, 3, 0.2) == []  # still grows
    assert plan(PATIENCE.total_seconds(), 3, 3, 3, 0.2) == [[1, 2, 3, 4, 5]]  # but not for ever
    assert plan(3, 3, just=3) == [[1, 2]]  # what was shown just now counts
    assert plan(0.1, just=9) == [[1]]  # one is one, whatever came before


def test_what_came_in_quiet_hours_comes_as_one_after_them() -> None:
    held = [*waiting(7200, 3600, quiet=True), Held(3, NOW)]
    assert popups(held, now=NOW, is_quiet=True, shown_just_now=0, burst=4) == [[3]]
    assert popups(held, now=NOW, is_quiet=False, shown_just_now=0, burst=4) == [[1, 2], [3]]


def test_who_was_away_gets_one_summary() -> None:
    minute = timedelta(minutes=1)
    assert not came_meanwhile([], NOW, 4)
    assert not came_meanwhile([NOW - 2 * AWAY], NOW, 4)  # one is told as it is, however old
    assert not came_meanwhile([NOW - minute] * 4, NOW, 4)
    assert came_meanwhile([NOW - minute] * 5, NOW, 4)
    assert came_meanwhile([NOW - AWAY - minute, NOW], NOW, 4)
    late = [NOW - 9 * minute, NOW - 5 * minute, NOW - minute]  # the last minutes of an hour asleep
    assert not came_meanwhile(late, NOW, 4, away=AWAY)
    assert came_meanwhile(late, NOW, 4, away=timedelta(hours=1))
    assert not came_meanwhile(late[:1], NOW, 4, away=timedelta(hours=1))


def test_time_to_click_begins_when_people_can_see_it() -> None:
    rule = Escalation("boss", Choice(kinds=frozenset({"order"}), least=Decimal(1000)), timedelta(minutes=10))

    def due(created: datetime, hours: tuple[Quiet, ...] = (NIGHT,), facts: Facts = ORDER) -> datetime | None:
        return escalates_at(rule, KINDS, facts, created, hours, KYIV)

    assert due(at(2026, 11, 23, 12, 0)) == at(2026, 11, 23, 12, 10)
    assert due(at(2026, 11, 23, 23, 0)) == at(2026, 11, 24, 8, 10)
    assert due(at(2026, 11, 23, 20, 55)) == at(2026, 11, 24, 8, 0)  # would end in the quiet hours
    assert due(at(2026, 11, 23, 23, 0), ()) == at(2026, 11, 23, 23, 10)
    assert due(NOW, facts=Facts("order", total=Decimal(5))) is None
    assert due(NOW, facts=Facts("summary")) is None
