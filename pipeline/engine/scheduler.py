"""The clock of the service: says which jobs are due, catches up, and does not lose its head when clocks jump.

Intervals tick by the `schedule` library, corrected where it trusts the wall clock too much; wall-clock times come from
:mod:`pipeline.engine.schedule` and the ledger's record of what ran.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast
from zoneinfo import ZoneInfo

import schedule as ticking
import structlog

from pipeline.config.model import JobConfig
from pipeline.engine.schedule import due_runs, missed, next_runs

log = structlog.get_logger("mistok.scheduler")

#: A run that begins this much after its time was missed and is caught up, rather than a little late.
LATE = timedelta(seconds=60)
#: A clock that goes back by more than this was set; by less it was adjusted, and no run comes twice for that.
SET_BACK = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Due:
    """A job is due. ``passed_over``: earlier times that get no run of their own. ``run`` False: only to be recorded."""

    job: str
    trigger: str
    scheduled_for: datetime
    passed_over: int = 0
    run: bool = True


class Ticks(ticking.Scheduler):
    """Intervals that keep their pace: over late ticks, a clock set back, and the nights when local time jumps.

    The library compares naive local times. A jump of local time that is no jump of UTC (summer time), and a jump back
    of UTC itself, move every next tick along. A jump forward is left: the machine slept, and what is over is due.
    """

    def __init__(self) -> None:
        super().__init__()
        self._steady, self._utc, self._local = _three_clocks()

    def add(self, every: timedelta, act: Callable[[], object], first_in: float | None = None) -> None:
        """Call ``act`` every so often, the first time after ``first_in`` seconds (one interval when None)."""
        # seconds as a fraction are fine for the library; only its annotation says int
        job = self.every(cast(int, every.total_seconds())).seconds.do(act)
        if first_in is not None:
            job.next_run = _local_now() + timedelta(seconds=first_in)

    def run_pending(self) -> None:
        """Call what is due, once however late, and keep to the beat."""
        self.settle()
        due = [(job, job.next_run) for job in self.jobs if job.should_run]
        super().run_pending()
        now = _local_now()
        for job, was in due:
            every = timedelta(seconds=job.interval)
            assert was is not None
            job.next_run = was + ((now - was) // every + 1) * every

    def settle(self) -> float:
        """Move the ticks along with a clock that jumped; gives by how many seconds."""
        steady, utc, local = _three_clocks()
        passed, utc_passed, local_passed = steady - self._steady, utc - self._utc, local - self._local
        self._steady, self._utc, self._local = steady, utc, local
        shift = local_passed - utc_passed + min(utc_passed - passed, 0)
        if abs(shift) < 1:
            return 0.0
        log.warning("clock_jumped", seconds=round(shift))
        for job in self.jobs:
            assert job.next_run is not None
            job.next_run += timedelta(seconds=shift)
        return shift

    def idle(self) -> float | None:
        """Seconds to the next tick (not below 0), or None."""
        seconds = self.idle_seconds
        return None if seconds is None else max(seconds, 0.0)


class Scheduler:
    """Which jobs are due now. ``wall`` gives the time (aware); ``last`` each job's last time that was dealt with."""

    def __init__(
        self,
        jobs: Mapping[str, JobConfig],
        zone: ZoneInfo,
        wall: Callable[[], datetime],
        last: Mapping[str, datetime | None],
    ) -> None:
        self._zone, self._wall = zone, wall
        self._jobs = {name: job for name, job in jobs.items() if job.enabled}
        self.ticks = Ticks()
        self._due: list[Due] = []
        self._reached: dict[str, datetime] = {}
        self._next: dict[str, datetime | None] = {}
        now = wall().astimezone(UTC)
        for name, job in self._jobs.items():
            before = last.get(name)
            if before and before - now > SET_BACK:
                log.warning("last_run_in_the_future", job=name, last=before.isoformat())
                before = now
            if job.every is not None:
                self._start_interval(name, job, job.every, before, now)
            elif job.at or job.cron:
                self._reached[name] = before or now
                self._plan(name, self._reached[name])

    def due(self) -> list[Due]:
        """What is due and was not said before, in the order to run it."""
        self.ticks.run_pending()
        found, self._due = self._due, []
        now = self._wall().astimezone(UTC)
        for name, reached in self._reached.items():
            if reached - now > SET_BACK:
                log.warning("clock_set_back", job=name, by=str(reached - now))
                self._reached[name] = now
                self._plan(name, now)
                continue
            following = self._next[name]
            if following is not None and following <= now:
                found += self._slots_due(name, reached, now)
                self._reached[name] = now
                self._plan(name, now)
        return found

    def idle(self) -> float | None:
        """Seconds until something is due, or None."""
        now = self._wall()
        waits = [(moment - now).total_seconds() for moment in self._next.values() if moment is not None]
        tick = self.ticks.idle()
        return max(min([*waits, *([tick] if tick is not None else [])], default=0.0), 0.0) if waits or tick else tick

    def coming(self) -> dict[str, datetime]:
        """When each job runs next by its schedule; jobs that only watch are absent."""
        found = {name: moment for name, moment in self._next.items() if moment is not None}
        now = self._wall().astimezone(UTC)
        for name, job in self._jobs.items():
            if job.every is not None and (following := self.ticks.get_next_run(name)) is not None:
                found[name] = now + max(following - _local_now(), timedelta(0))
        return found

    # --- wall-clock times ----------------------------------------------------------------------------------------

    def _plan(self, name: str, after: datetime) -> None:
        following = next_runs(self._jobs[name], self._zone, after, 1)
        self._next[name] = following[0].at.astimezone(UTC) if following else None

    def _slots_due(self, name: str, reached: datetime, now: datetime) -> list[Due]:
        job = self._jobs[name]
        slots = [run.at.astimezone(UTC) for run in due_runs(job, self._zone, reached, now)]
        if not slots:
            return []
        on_time = now - slots[-1] <= LATE
        if on_time and job.catch_up != "all":
            return [Due(name, "schedule", slots[-1], len(slots) - 1)]
        kept = [run.at.astimezone(UTC) for run in missed(job, self._zone, reached, now)]
        if not kept:
            return [Due(name, "catch-up", slots[-1], len(slots), run=False)]
        passed_over = len(slots) - len(kept)
        return [
            Due(name, "schedule" if on_time and slot == slots[-1] else "catch-up", slot, passed_over if not n else 0)
            for n, slot in enumerate(kept)
        ]

    # --- intervals -----------------------------------------------------------------------------------------------

    def _start_interval(
        self, name: str, job: JobConfig, every: timedelta, last: datetime | None, now: datetime
    ) -> None:
        first = next_runs(job, self._zone, now, 1, last)[0].at.astimezone(UTC)
        wait = (first - now).total_seconds()
        if last is not None and first == now:
            over = (now - last) // every
            if job.catch_up == "none" and now - last - every > LATE:
                self._due.append(Due(name, "catch-up", last + over * every, over, run=False))
            else:
                slot = last + over * every
                self._due.append(Due(name, _trigger(now - (last + every)), slot, over - 1))
            wait = (last + (over + 1) * every - now).total_seconds()

        def tick() -> None:
            late = -self.ticks_overdue(name)
            self._due.append(Due(name, _trigger(late), self._wall().astimezone(UTC) - late))

        self.ticks.add(every, tick, max(wait, 0.0))
        self.ticks.jobs[-1].tag(name)

    def ticks_overdue(self, name: str) -> timedelta:
        """How far ahead the tick of a job is; below zero when it is over."""
        following = self.ticks.get_next_run(name)
        assert following is not None
        return min(following - _local_now(), timedelta(0))


def _trigger(late: timedelta) -> str:
    return "catch-up" if late > LATE else "schedule"


def _local_now() -> datetime:
    return datetime.now()  # noqa: DTZ005 - the library's own notion of now


def _three_clocks() -> tuple[float, float, float]:
    """Seconds by the steady clock, by UTC, and by the wall of this machine's own zone."""
    utc = datetime.now(UTC)
    local = utc.astimezone().replace(tzinfo=UTC)
    return time.monotonic(), utc.timestamp(), local.timestamp()
