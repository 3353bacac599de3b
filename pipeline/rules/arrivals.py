"""When silence is unusual: learned from when files came before, by weekday and hour of the client's own time. Pure.

Time is measured by how much usually comes in it: an hour of a Monday morning is long, a night is nothing. By that
measure the pauses of a shop are much alike, whatever its hours, so a pause is unusual when it is longer than nearly all
pauses before it, by a margin. Nothing is assumed about how files spread: a shop that sends one file a day on the minute
is missed after a day and a half, one that sends at random gets more time.

Public holidays are not known. One that lay in the history does no harm (the few longest pauses are left out); a new one
may raise one false alarm.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

#: Older arrivals say little about how it goes now.
HISTORY = timedelta(weeks=8)
#: Before this much is known, nothing is said.
ENOUGH_TIME = timedelta(days=14)
ENOUGH_ARRIVALS = 12
#: Files that come together are one arrival.
TOGETHER = timedelta(minutes=10)
#: However much usually comes: a shorter pause is never called unusual.
SHORTEST = timedelta(minutes=30)
#: How much longer than the long pauses before a pause must be.
MARGIN = 1.7
#: So many of the pauses, the longest, are taken for holidays and failures, and left out; of few pauses only one.
ODD = 3
_FEW = 250

_HOUR = timedelta(hours=1)
_WEEK = 168
#: An old week counts half as much as one this many weeks younger, so that the habit follows the shop.
_HALF_LIFE = 4
#: How much the hours beside an hour say about it; and the same hours of the other days of its kind.
_BESIDE = (1.0, 0.5, 0.2)
_OTHER_DAY = 0.2


@dataclass(frozen=True, slots=True)
class Habit:
    """How files usually come. ``rates``: arrivals in each hour of the week, Monday 00:00 first; ``pause``: how much may
    usually have come before a pause is unusual."""

    zone: ZoneInfo
    rates: tuple[float, ...]
    pause: float
    arrivals: int
    since: datetime
    until: datetime
    gaps: tuple[float, ...] = field(default=(), repr=False)  #: all pauses by that measure, shortest first

    @property
    def each_week(self) -> float:
        """How many arrivals a week has."""
        return sum(self.rates)


def together(moments: Iterable[datetime]) -> list[datetime]:
    """One moment (the first) for files that came together, oldest first, in UTC."""
    found: list[datetime] = []
    for moment in sorted(moment.astimezone(UTC) for moment in moments):
        if not found or moment - found[-1] >= TOGETHER:
            found.append(moment)
    return found


def learn(moments: Iterable[datetime], zone: ZoneInfo, now: datetime) -> Habit | None:
    """The habit that the arrivals of the last weeks show, or None when they are too few to tell.

    ``moments`` are aware. What came after ``now`` (a clock was wrong) is left out, and so is the pause that lasts.
    """
    now = now.astimezone(UTC)
    arrivals = [moment for moment in together(moments) if now - HISTORY <= moment <= now]
    if len(arrivals) < ENOUGH_ARRIVALS or arrivals[-1] - arrivals[0] < ENOUGH_TIME:
        return None
    rates = _rates(arrivals, zone)
    clock = _Clock(rates, zone, arrivals[0], arrivals[-1])
    read = [clock.at(moment) for moment in arrivals]
    gaps = sorted(later - earlier for earlier, later in pairwise(read))
    odd = ODD if len(gaps) > _FEW else 1
    return Habit(zone, rates, gaps[-1 - odd] * MARGIN, len(arrivals), arrivals[0], arrivals[-1], tuple(gaps))


def expected(habit: Habit, start: datetime, end: datetime) -> float:
    """How many arrivals there usually are from ``start`` to ``end`` (aware)."""
    if end <= start:
        return 0.0
    clock = _Clock(habit.rates, habit.zone, start, end)
    return clock.at(end) - clock.at(start)


def unusual(habit: Habit, last: datetime, now: datetime) -> bool:
    """Whether it is unusual that nothing came between ``last`` and ``now``."""
    return now - last >= SHORTEST and expected(habit, last, now) > habit.pause


def alarm_at(habit: Habit, last: datetime) -> datetime | None:
    """The moment (UTC) from which silence since ``last`` is unusual; None when that takes more than eight weeks."""
    last = last.astimezone(UTC)
    left, hour = habit.pause, last
    while hour < last + HISTORY:
        step = _hour_after(hour) - hour
        comes = _rate(habit.rates, habit.zone, hour) * (step / _HOUR)
        if comes > left:
            return max(hour + step * (left / comes), last + SHORTEST)
        left -= comes
        hour += step
    return None


def slot(moment: datetime, zone: ZoneInfo) -> int:
    """The hour of the week on the clock of ``zone``: 0 is Monday 00:00 to 01:00."""
    local = moment.astimezone(zone)
    return local.weekday() * 24 + local.hour


def _rate(rates: Sequence[float], zone: ZoneInfo, hour: datetime) -> float:
    """What usually comes in this hour. Of an hour that the clock shows twice, all comes the first time."""
    return 0.0 if hour.astimezone(zone).fold else rates[slot(hour, zone)]


# --- learning ----------------------------------------------------------------------------------------------------


def _rates(arrivals: Sequence[datetime], zone: ZoneInfo) -> tuple[float, ...]:
    """Arrivals in each hour of the week. Hours that the clock skips or repeats bend nothing."""
    end = arrivals[-1]
    came, passed = [0.0] * _WEEK, [0.0] * _WEEK

    def weight(moment: datetime) -> float:
        return float(0.5 ** ((end - moment) / timedelta(weeks=_HALF_LIFE)))

    hour = arrivals[0]
    while hour < end:
        following = min(_hour_after(hour), end)
        if not hour.astimezone(zone).fold:
            passed[slot(hour, zone)] += weight(hour) * ((following - hour) / _HOUR)
        hour = following
    for moment in arrivals[1:]:  # the first only marks the beginning
        if not moment.astimezone(zone).fold:
            came[slot(moment, zone)] += weight(moment)
    return tuple(_smooth(came, passed, index) for index in range(_WEEK))


def _smooth(came: Sequence[float], passed: Sequence[float], index: int) -> float:
    day, _ = divmod(index, 24)
    kind = range(5) if day < 5 else range(5, 7)
    top = bottom = 0.0
    for other in kind:
        share = 1.0 if other == day else _OTHER_DAY
        for away, near in enumerate(_BESIDE):
            for side in {-away, away}:
                place = (index + (other - day) * 24 + side) % _WEEK
                top += share * near * came[place]
                bottom += share * near * passed[place]
    return top / bottom if bottom > 0 else 0.0


class _Clock:
    """Reads how much usually came from ``start`` on."""

    def __init__(self, rates: Sequence[float], zone: ZoneInfo, start: datetime, end: datetime) -> None:
        self._rates, self._zone = rates, zone
        self._marks: list[datetime] = []
        self._sums: list[float] = []
        hour, total, stop = start.astimezone(UTC), 0.0, end.astimezone(UTC)
        while hour <= stop:
            self._marks.append(hour)
            self._sums.append(total)
            following = _hour_after(hour)
            total += _rate(rates, zone, hour) * ((following - hour) / _HOUR)
            hour = following

    def at(self, moment: datetime) -> float:
        """The reading at ``moment``, which lies within."""
        moment = moment.astimezone(UTC)
        place = bisect_right(self._marks, moment) - 1
        hour = self._marks[place]
        return self._sums[place] + _rate(self._rates, self._zone, hour) * ((moment - hour) / _HOUR)


def _hour_after(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0) + _HOUR
