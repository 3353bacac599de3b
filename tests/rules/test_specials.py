"""Rules with priorities become a timeline: by examples, and against asking at each moment which rule would win."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model import Money, SpecialPrice
from pipeline.rules.specials import SpecialCandidate, timeline

KYIV = ZoneInfo("Europe/Kyiv")
START = datetime(2026, 3, 1, tzinfo=UTC)


def day(number: int) -> datetime:
    """A moment of March and April 2026."""
    return START + timedelta(days=number)


def uah(amount: str | int) -> Money:
    """So many hryvnias."""
    return Money(Decimal(amount), "UAH")


def rule(price: int, start: int | None = None, end: int | None = None, priority: int = 1) -> SpecialCandidate:
    """A rule by numbers of days."""
    return SpecialCandidate(
        price=uah(price),
        priority=priority,
        start=None if start is None else day(start),
        end=None if end is None else day(end),
    )


def special(price: int, start: int | None = None, end: int | None = None) -> SpecialPrice:
    """What a timeline should have."""
    return SpecialPrice(uah(price), None if start is None else day(start), None if end is None else day(end))


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([], ()),
        ([rule(90)], (special(90),)),
        ([rule(90, priority=2), rule(80, priority=1)], (special(80),)),
        ([rule(90, priority=1), rule(80, priority=2)], (special(90),)),
        ([rule(90), rule(80)], (special(80),)),
        # a better rule for some days cuts a lasting one in two
        ([rule(90, priority=2), rule(95, 3, 5)], (special(90, None, 3), special(95, 3, 5), special(90, 5))),
        # one begins as the other ends
        ([rule(90, 1, 3), rule(80, 3, 5)], (special(90, 1, 3), special(80, 3, 5))),
        # a hole stays a hole, also between equal prices
        ([rule(90, 1, 3), rule(90, 4, 5)], (special(90, 1, 3), special(90, 4, 5))),
        # neighbours of one price are one, whichever rules they come from
        ([rule(90, 1, 3), rule(90, 3, 5, priority=7), rule(90, 2, 4, priority=3)], (special(90, 1, 5),)),
        # a worse rule that outlives a better one comes back; one that ended under it does not
        ([rule(80, 1, 9, priority=2), rule(70, 1, 3, priority=3), rule(90, 2, 6)],
         (special(80, 1, 2), special(90, 2, 6), special(80, 6, 9))),
        # no time at all
        ([rule(90, 3, 3), rule(80, 5, 2)], ()),
    ],
)  # fmt: skip
def test_examples(rules: list[SpecialCandidate], expected: tuple[SpecialPrice, ...]) -> None:
    assert timeline(rules) == expected


def test_a_rank_compares_where_the_shop_compares_by_something_else_than_the_price() -> None:
    ten_percent = SpecialCandidate(price=uah(90), priority=1, rank=Decimal(10))
    fixed = SpecialCandidate(price=uah(50), priority=1)
    assert timeline([fixed, ten_percent])[0].money == uah(90)


def test_currencies_do_not_mix() -> None:
    with pytest.raises(ValueError, match="currencies"):
        timeline([rule(90), SpecialCandidate(price=Money(Decimal(1), "USD"))])


def test_f47_days_of_a_zone_across_the_night_of_the_clock_change() -> None:
    # 29 March 2026 has 23 hours in Kyiv: a day's special ends as the next one's begins, and lasts 23 hours
    change = SpecialCandidate(
        price=uah(80), start=datetime(2026, 3, 29, tzinfo=KYIV), end=datetime(2026, 3, 30, tzinfo=KYIV)
    )
    after = SpecialCandidate(price=uah(70), start=datetime(2026, 3, 30, tzinfo=KYIV))
    first, second = timeline([after, change])
    assert (first.money, second.money) == (uah(80), uah(70))
    assert first.end == second.start
    assert first.start is not None
    assert first.end is not None
    assert first.end.astimezone(UTC) - first.start.astimezone(UTC) == timedelta(hours=23)
    assert first.active(datetime(2026, 3, 29, 20, 59, tzinfo=UTC))
    assert not first.active(datetime(2026, 3, 29, 21, 0, tzinfo=UTC))


DAYS = st.one_of(st.none(), st.integers(0, 12))
RULES = st.lists(st.builds(rule, st.integers(1, 4), DAYS, DAYS, st.integers(1, 3)), max_size=9)


def naive(rules: list[SpecialCandidate], at: datetime) -> Money | None:
    """What a shop does for each visitor: of the rules that hold now, the lowest priority, then the lowest price."""
    holding = [
        one for one in rules if (one.start is None or one.start <= at) and (one.end is None or one.end > at)
    ]  # fmt: skip
    holding.sort(key=lambda one: (one.priority, one.price.amount))
    return holding[0].price if holding else None


@given(RULES)
def test_it_says_at_every_moment_what_the_shop_would(rules: list[SpecialCandidate]) -> None:
    made = timeline(rules)
    # moments before, at and just before each day, and after them all
    for hours in range(-24, 14 * 24, 12):
        at = START + timedelta(hours=hours)
        for moment in (at, at - timedelta(microseconds=1)):
            active = [one for one in made if one.active(moment)]
            assert len(active) <= 1
            assert (active[0].money if active else None) == naive(rules, moment)


@given(RULES)
def test_it_is_in_order_disjoint_and_has_no_needless_cuts(rules: list[SpecialCandidate]) -> None:
    made = timeline(rules)
    for one, other in pairwise(made):
        assert one.end is not None
        assert other.start is not None
        assert one.end <= other.start
        assert one.end < other.start or one.money != other.money
    for one in made:
        assert one.start is None or one.end is None or one.start < one.end


@given(RULES)
def test_the_order_of_the_rules_does_not_matter(rules: list[SpecialCandidate]) -> None:
    assert timeline(rules) == timeline(rules[::-1])


@given(RULES)
def test_a_timeline_of_its_own_timeline_is_the_same(rules: list[SpecialCandidate]) -> None:
    made = timeline(rules)
    again = timeline(SpecialCandidate(price=one.money, start=one.start, end=one.end) for one in made)
    assert again == made
