"""What time it is for a fleet: one clock, that of the queue's database, which all its workers ask.

A timer is written by one worker and handed out by the database, and what a run has written of a file is read by the
next run on another machine. So each worker reads the time of the database, whatever its machine says: as it starts, and
with each sign of life, which asks the database anyway. In between a steady clock counts on, which nobody sets.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pipeline.errors import Finding, Who
from pipeline.ports import Clock
from pipeline.texts import T

#: People are told of a clock that is off by so many seconds; what is not told does no harm.
LIMIT = 30.0
#: An answer that took more than so many seconds tells the time less well than one that is younger than a minute.
QUICK, FRESH = 1.0, 60.0


@dataclass(frozen=True, slots=True)
class Reading:
    """The database's time at a moment of this machine's steady clock, which all its processes share; itself a clock.

    While the machine sleeps it may stand still. Then it is behind until the next reading, and what is done too early
    finds nothing to do.
    """

    at: datetime
    steady: float

    def now(self) -> datetime:
        """The aware moment, in UTC."""
        return self.at + timedelta(seconds=time.monotonic() - self.steady)

    def sleep(self, seconds: float) -> None:
        """Wait; nothing for zero and less."""
        if seconds > 0:
            time.sleep(seconds)


_: type[Clock] = Reading


@dataclass(frozen=True, slots=True)
class Asked:
    """When the database was asked: by this machine's clock, and by its steady one."""

    wall: datetime
    steady: float

    @classmethod
    def now(cls) -> Asked:
        """In this moment."""
        return cls(datetime.now(UTC), time.monotonic())


class FleetClock:
    """A worker's. Until the database has told the time it is the machine's."""

    def __init__(self) -> None:
        asked = Asked.now()
        self.reading = Reading(asked.wall, asked.steady)
        self.ahead = 0.0  #: seconds by which the machine's clock is ahead of the database's; below zero: behind
        self._told = False

    def now(self) -> datetime:
        """The database's time, in UTC."""
        return self.reading.now()

    def told(self, at: datetime, asked: Asked, answered: Asked) -> None:
        """The database said ``at``, between these two moments. It is never taken to be later than it is."""
        self.ahead = ahead(at, asked.wall, answered.wall)
        slow = answered.steady - asked.steady > QUICK
        if not (slow and self._told and answered.steady - self.reading.steady < FRESH):
            self.reading, self._told = Reading(at.astimezone(UTC), answered.steady), True


def ahead(at: datetime, asked: datetime, answered: datetime) -> float:
    """Seconds by which a clock is ahead at the least, that showed ``asked`` before and ``answered`` after the true time
    was ``at``; below zero: behind; zero: it may be right.
    """
    least, most = (asked - at).total_seconds(), (answered - at).total_seconds()
    return max(least, 0.0) or min(most, 0.0)


def is_off(seconds: float) -> bool:
    """Whether people are to be told of a clock that is ahead, or behind, by so much."""
    return abs(seconds) >= LIMIT


def finding(host: str, seconds: float) -> Finding:
    """What is said of the clock of a machine."""
    from pipeline.engine.schedule import duration_words

    span = duration_words(timedelta(seconds=round(abs(seconds))))
    if seconds > 0:
        text = T("The clock of {host} is {span} ahead of that of the queue's database.", host=host, span=span)
    else:
        text = T("The clock of {host} is {span} behind that of the queue's database.", host=host, span=span)
    hint = T("Have it set by NTP; where all machines are said to be off, that of the database. Runs go on by its time.")
    return Finding("clock", text, hint=hint, who=Who.ADMIN)
