"""What is due of one job: from its schedule, the ledger and the time alone. Pure, so that any worker may find it out.

A single service keeps its scheduler in memory and hears the clock tick; here every look begins with nothing. The rules
are the scheduler's own: one is made for the moment of the look.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from pipeline.config.model import JobConfig
from pipeline.engine.schedule import due_runs, next_runs
from pipeline.engine.scheduler import Due, Scheduler


@dataclass(frozen=True, slots=True)
class Before:
    """The run before, when it is over: from when to when it worked."""

    started: datetime
    ended: datetime


@dataclass(frozen=True, slots=True)
class Settled:
    """What a look at a job's schedule finds.

    ``busy``: times that came while the run before was under way, which get none of their own. ``due``: what is due now,
    oldest first. ``following``: when to look again by the schedule; None: the schedule has no more times.
    """

    busy: tuple[datetime, ...] = ()
    due: tuple[Due, ...] = ()
    following: datetime | None = None


def settle(
    name: str, job: JobConfig, zone: ZoneInfo, last: datetime | None, now: datetime, before: Before | None = None
) -> Settled:
    """What is due of ``job`` at ``now``. ``last``: the scheduled time that was dealt with last, or None.

    Times are aware; those that are given back are in UTC. A job without times of its own has none.
    """
    if not job.enabled or not (job.every or job.at or job.cron):
        return Settled()
    now = now.astimezone(UTC)
    if job.every is not None and last is None:  # new: at once
        return Settled((), (Due(name, "schedule", now),), now + job.every)
    busy = _while_busy(job, zone, last, now, before)
    if busy:
        last = busy[-1]
    scheduler = Scheduler({name: job}, zone, lambda: now, {name: last})
    due = tuple(scheduler.due())
    reached = max((one.scheduled_for for one in due), default=last)
    return Settled(busy, due, following(job, zone, reached, now))


def following(job: JobConfig, zone: ZoneInfo, last: datetime | None, now: datetime) -> datetime | None:
    """The first time of the schedule after ``now``, when everything up to now is dealt with."""
    if job.every is not None and last is not None:
        last = last.astimezone(UTC)
        over = max((now - last) // job.every, 0)
        return min(last + (over + 1) * job.every, now + job.every)  # a last run in the future: nobody waits for that
    runs = next_runs(job, zone, now, 2, last)
    return next((run.at.astimezone(UTC) for run in runs if run.at > now), None)


def _while_busy(
    job: JobConfig, zone: ZoneInfo, last: datetime | None, now: datetime, before: Before | None
) -> tuple[datetime, ...]:
    if before is None or last is None:
        return ()
    last, started, ended = (moment.astimezone(UTC) for moment in (last, before.started, before.ended))
    ended = min(ended, now)
    if job.every is not None:
        first = last + max((started - last) // job.every + 1, 1) * job.every
        count = (ended - first) // job.every + 1 if first <= ended else 0
        return tuple(first + n * job.every for n in range(count)) if count < _MANY else (ended,)
    slots = [run.at.astimezone(UTC) for run in due_runs(job, zone, max(last, started), ended)]
    return tuple(slots)


#: Of more times than these the last one stands for all: a job every second that took a day.
_MANY = 1000
