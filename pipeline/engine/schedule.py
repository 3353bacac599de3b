"""When a job runs next, and what it missed: pure, time is an argument.

Wall-clock times (`at`, and a `cron` that names hours) belong to the client's time zone. On the night when a time does
not exist it runs at the first moment that does; on the night when it comes twice it runs the first time. A `cron` that
names every hour is an interval in disguise and goes by elapsed time. cronsim gives the slots as the clock on the wall
shows them; the two odd nights are settled here, for any zone and any width of the change.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

from pipeline.config.model import ScheduleSettings
from pipeline.errors import ConfigError
from pipeline.texts import TN, T, Text

if TYPE_CHECKING:
    from cronsim import CronSim

#: Of more missed slots than this, `catch_up: all` runs the newest only: a year asleep must not become a year of work.
MOST_MISSED = 1000
_LAST_DAY = datetime(9990, 1, 1)  # noqa: DTZ001 - a wall-clock slot has no zone; near the end of time arithmetic breaks
_DAY = timedelta(hours=25)  # wider than any change of a zone's clock
_SECOND = timedelta(seconds=1)
CatchUp = Literal["last", "all", "none"]


@dataclass(frozen=True, slots=True)
class Run:
    """One moment at which a job is due: aware, in the client's zone; ``note`` tells what is odd about that night."""

    at: datetime
    note: Text | None = None


def next_runs(
    spec: ScheduleSettings, zone: ZoneInfo, after: datetime, n: int, last: datetime | None = None
) -> list[Run]:
    """The next ``n`` runs later than ``after``, strictly increasing; fewer when there are no more.

    ``last`` anchors `every`: the run after it is one interval later, or at once (``after`` itself) when that is over.
    A job that only watches has none. Raises ConfigError for a time or an expression that cannot be read.
    """
    return list(islice(upcoming(spec, zone, after, last), n))


def upcoming(spec: ScheduleSettings, zone: ZoneInfo, after: datetime, last: datetime | None = None) -> Iterator[Run]:
    """As :func:`next_runs`, without an end."""
    if spec.every is not None:
        return _intervals(spec.every, zone, after, last)
    return _slots(spec, zone, after)


def missed(
    spec: ScheduleSettings, zone: ZoneInfo, last: datetime, now: datetime, catch_up: CatchUp | None = None
) -> list[Run]:
    """Which of the runs due in (``last``, ``now``] to make up for, oldest first, by policy (the job's own when None).

    An interval has no times of its own to make up for: what is overdue is one run.
    """
    due = due_runs(spec, zone, last, now)
    match catch_up or spec.catch_up:
        case "all":
            return due
        case "last":
            return due[-1:]
        case "none":
            return []


def due_runs(spec: ScheduleSettings, zone: ZoneInfo, last: datetime, now: datetime) -> list[Run]:
    """The runs due in (``last``, ``now``], oldest first: all of them, or the newest :data:`MOST_MISSED`."""
    # in UTC: Python compares two times of one zone by the wall, which is wrong on the odd nights
    last, now = last.astimezone(UTC), now.astimezone(UTC)
    if now <= last:
        return []
    if spec.every is not None:
        over = (now - last) // spec.every
        return [Run((last + over * spec.every).astimezone(zone))] if over else []
    # From far behind, start near the end: the cost is bounded by what is kept, not by how long nothing ran.
    newest = islice(_wall_backwards(spec, _wall(now, zone) + _DAY), MOST_MISSED + 1)
    oldest = min(newest, default=None)
    start = last if oldest is None else max(last, _instant(oldest, zone) - _DAY)
    found: list[Run] = []
    for run in _slots(spec, zone, start):
        if run.at.astimezone(UTC) > now:
            break
        found.append(run)
    return found[-MOST_MISSED:]


def check(spec: ScheduleSettings) -> None:
    """Raise ConfigError when the schedule cannot be kept: a time, an expression or an interval that makes no sense."""
    ways = [word for word in ("every", "at", "cron") if getattr(spec, word)]
    if len(ways) > 1:
        raise ConfigError(
            T("A job has one of `every`, `at` and `cron`, not {ways}.", ways=" + ".join(ways)),
            hint=T("Make two jobs of it."),
        )
    if spec.every is not None and spec.every <= timedelta(0):
        raise ConfigError(T("`every` must be longer than nothing."), hint=T("Write 30s, 5m or 1h, for example."))
    if spec.poll <= timedelta(0):
        raise ConfigError(T("`poll` must be longer than nothing."), hint=T("Write 10s, for example."))
    _cursors(spec, datetime(2026, 1, 1))  # noqa: DTZ001 - a wall-clock slot has no zone


def in_words(spec: ScheduleSettings) -> Text:
    """The schedule as a person says it."""
    if not spec.enabled:
        return T("off")
    ways: list[Text] = []
    if spec.every is not None:
        ways.append(T("every {duration}", duration=duration_words(spec.every)))
    if spec.at:
        ways.append(T("at {times}", times=", ".join(spec.at)))
    if spec.cron:
        ways.append(T("by cron {expression}", expression=spec.cron))
    if spec.watch:
        ways.append(T("as files come (looked at every {duration})", duration=duration_words(spec.poll)))
    if not ways:
        return T("by hand")
    words = ways[0]
    for way in ways[1:]:
        words = T("{one}; {other}", one=words, other=way)
    return words


def duration_words(span: timedelta) -> Text:
    """`90s` as *1 min 30 s*: the two largest parts that are there."""
    seconds = span.total_seconds()
    if seconds < 1:
        return T("{n} ms", n=round(seconds * 1000))
    whole = round(seconds)
    parts = [
        (TN("{n} day", "{n} days", whole // 86400), whole // 86400),
        (T("{n} h", n=whole // 3600 % 24), whole // 3600 % 24),
        (T("{n} min", n=whole // 60 % 60), whole // 60 % 60),
        (T("{n} s", n=whole % 60), whole % 60),
    ]
    shown = [text for text, n in parts if n][:2]
    return shown[0] if len(shown) == 1 else T("{one} {other}", one=shown[0], other=shown[1])


# --- intervals ---------------------------------------------------------------------------------------------------


def _intervals(every: timedelta, zone: ZoneInfo, after: datetime, last: datetime | None) -> Iterator[Run]:
    after = after.astimezone(UTC)
    at = after if last is None else last.astimezone(UTC) + every
    if at < after:
        at = after
    elif at - after > every:
        at = after + every  # a last run in the future: the clock was set back, and nobody waits for that
    while True:
        yield Run(at.astimezone(zone))
        at += every


# --- the wall clock ----------------------------------------------------------------------------------------------


def _slots(spec: ScheduleSettings, zone: ZoneInfo, after: datetime) -> Iterator[Run]:
    """Runs later than ``after``: strictly increasing, one for each slot."""
    after = after.astimezone(UTC)
    reached = after
    for run in _settled(spec, zone, after):
        at = run.at.astimezone(UTC)
        # a slot that does not exist may fall on one that does: one run
        if at > reached:
            reached = at
            yield run


def _settled(spec: ScheduleSettings, zone: ZoneInfo, after: datetime) -> Iterator[Run]:
    """Slots as runs in the order of real time; some may be ``after`` or earlier, or fall together."""
    start = _wall(after, zone)
    if _changes_near(after, zone):
        start -= _DAY  # a slot that comes twice may lie behind on the wall and ahead in time
    second_time: list[datetime] = []
    for slot, elapsed in _wall_forwards(spec, start):
        first, second = _instant(slot, zone), _instant(slot, zone, fold=1)
        exists = _wall(first, zone) == slot
        while second_time and second_time[0] < first:
            yield Run(heapq.heappop(second_time).astimezone(zone))
        if elapsed:
            if exists:
                yield Run(first.astimezone(zone))
                if second > first:
                    heapq.heappush(second_time, second)
        elif not exists:
            at = _end_of_gap(second, first, zone).astimezone(zone)
            yield Run(at, T("{time} does not exist on this night: runs at {actual}", time=_hm(slot), actual=_hm(at)))
        elif second > first:
            yield Run(
                first.astimezone(zone),
                T("{time} comes twice on this night: runs the first time only", time=_hm(slot)),
            )
        else:
            yield Run(first.astimezone(zone))
    yield from (Run(at.astimezone(zone)) for at in sorted(second_time))


def _wall_forwards(spec: ScheduleSettings, start: datetime) -> Iterator[tuple[datetime, bool]]:
    """Slots later than ``start`` as the wall shows them, and whether they go by elapsed time."""
    cursors = _cursors(spec, start)
    elapsed = any(len(cursor.hours) == 24 for cursor in cursors)
    for slot in heapq.merge(*cursors):
        if slot > _LAST_DAY:
            return
        yield slot, elapsed


def _wall_backwards(spec: ScheduleSettings, start: datetime) -> Iterator[datetime]:
    return heapq.merge(*_cursors(spec, start, reverse=True), reverse=True)


def _cursors(spec: ScheduleSettings, start: datetime, *, reverse: bool = False) -> list[CronSim]:
    from cronsim import CronSim, CronSimError

    if start > _LAST_DAY:
        return []
    expressions = [_daily(at) for at in spec.at]
    if spec.cron:
        expressions.append(spec.cron)
    cursors = []
    for expression in expressions:
        try:
            cursors.append(CronSim(expression, start, reverse))
        except CronSimError as error:
            raise ConfigError(
                T(
                    "Cron expression {expression} cannot be read: {words}",
                    expression=repr(expression),
                    words=str(error),
                ),
                hint=T("Write minute, hour, day of month, month and day of week: `30 6 * * 1-5`."),
            ) from error
    return cursors


def _daily(at: str) -> str:
    try:
        moment = time.fromisoformat(at if at[1:2] != ":" else f"0{at}")
    except ValueError as error:
        raise ConfigError(
            T("{time} is not a time of day.", time=repr(at)), hint=T('Write hours and minutes in quotes: "03:00".')
        ) from error
    if ":" not in at or moment.second or moment.microsecond or moment.tzinfo:
        raise ConfigError(
            T("{time} is not a time of day.", time=repr(at)),
            hint=T('Write hours and minutes in quotes: "03:00"; the zone is the `timezone` of the config.'),
        )
    return f"{moment.minute} {moment.hour} * * *"


def _wall(instant: datetime, zone: ZoneInfo) -> datetime:
    """What the clock on the wall shows."""
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


def _instant(slot: datetime, zone: ZoneInfo, *, fold: int = 0) -> datetime:
    """The moment, in UTC; the first (or with ``fold`` the second) of two; for none, by the rules before (after) it."""
    return slot.replace(tzinfo=zone, fold=fold).astimezone(UTC)


def _end_of_gap(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    """The moment between ``low`` and ``high`` at which the zone's clock jumps: the first one that exists."""
    before = low.astimezone(zone).utcoffset()
    while high - low > _SECOND:
        middle = low + (high - low) / 2
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)


def _changes_near(instant: datetime, zone: ZoneInfo) -> bool:
    offsets = {(instant + step * _DAY).astimezone(zone).utcoffset() for step in (-1, 0, 1)}
    return len(offsets) > 1


def _hm(moment: datetime) -> str:
    return moment.strftime("%H:%M")
