"""Which timers are missing, and which lie further away than they can: pure, time is an argument."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from pipeline.config.model import JobConfig
from pipeline.engine.fleet import care
from pipeline.engine.fleet.queue import Ask, Waiting, family, timer_of
from pipeline.engine.fleet.roster import Member
from pipeline.engine.history import schedule_print
from pipeline.engine.schedule import next_runs
from pipeline.engine.watch import poll_every

#: Whose ledger was away, or whose process died, is made up for ever later, up to so many seconds.
LONGEST_BREAK = 600.0
#: What the schedule wants of a client whose ledger is away is looked at ever later, up to so many seconds.
LONGEST_AWAY = 60.0
#: What is tidied once a day is looked at again when that is over.
_DAY = 86400.0
#: Seconds by which a moment may lie further away than it can, before it is set right.
SLACK = 5.0


@dataclass(frozen=True, slots=True)
class Seen:
    """``missing``: what is to be asked for, now or as a timer at its moment. ``astray``: ids of jobs in the queue whose
    moment no schedule has, as one that was set by a clock that is ahead.
    """

    missing: tuple[tuple[Ask, datetime | None], ...]
    astray: tuple[int, ...]


def see_to(
    served: Mapping[str, Member], waiting: Mapping[str, Waiting], now: datetime, well: dict[str, datetime]
) -> Seen:
    """What is to be done so that every job of every client has its timer, or a run that will set it, in time.

    ``waiting``: by queueing lock, what lies in the queue. ``now``: by the queue's database. ``well``: by queueing lock,
    the moments of timers that were found right; kept here from one look to the next.
    """
    missing: list[tuple[Ask, datetime | None]] = []
    for number, (name, member) in enumerate(served.items()):
        for why in member.cares:
            cares = Ask(name, "", why)
            if not {cares.once, timer_of(cares)} & waiting.keys():  # spread, so that not all are there at once
                first = timedelta(seconds=care.EVERY[why] * (number + 1) / len(served))
                missing.append((cares, now + first))
        for job, spec in member.config.jobs.items():
            if not spec.enabled:
                continue
            schedule = schedule_print(spec)
            plan, look = Ask(name, job, "plan", schedule=schedule), Ask(name, job, "watch", schedule=schedule)
            timer = waiting.get(timer_of(plan))
            known = schedule if plan.once in waiting else timer.schedule if timer is not None else None
            if (spec.every or spec.at or spec.cron) and known != schedule:
                missing.append((plan, None))
            if spec.watch and not {timer_of(look), f"{name}/{job}/{family('watch')}"} & waiting.keys():
                missing.append((look, None))
    astray: list[int] = []
    for once, one in waiting.items():
        seconds = (one.at - now).total_seconds() if one.at is not None and one.idle else 0.0
        found = served.get(one.client)
        if seconds <= SLACK or found is None:
            continue
        if not one.timer:  # a run is put back for now
            astray.append(one.id)
        elif well.get(once) != one.at and one.at is not None:
            latest = furthest(one.why, found.config.jobs.get(one.job), found.config.zone, now, one.pause)
            if latest is None or one.at <= latest + timedelta(seconds=SLACK):
                well[once] = one.at  # what is not too far away now will not be later
            else:
                astray.append(one.id)
    for once in well.keys() - waiting.keys():
        del well[once]
    return Seen(tuple(missing), tuple(astray))


def furthest(why: str, job: JobConfig | None, zone: ZoneInfo, now: datetime, pause: float = 0.0) -> datetime | None:
    """When a timer that is set now comes at the latest; None: its moment may be any, such as one that a person named.

    ``pause``: for how many seconds a server is left alone, as the timer itself says.
    """
    if why in care.EVERY:
        return now + timedelta(seconds=max(care.LONGEST[why], _DAY if why == "tidy" else 0.0))
    if why == "retry":
        return now + timedelta(seconds=max(LONGEST_BREAK, pause))
    if job is None:
        return None
    if why == "watch":
        return now + max(poll_every(job), timedelta(seconds=pause))
    if why != "plan":
        return None
    soon = now + timedelta(seconds=LONGEST_AWAY)
    if job.every is not None:
        return max(now + job.every, soon)
    coming = next_runs(job, zone, now, 1)
    return max(coming[0].at, soon) if coming else None
