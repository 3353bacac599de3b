"""What the service knows of each job: what is due, what runs, and when it is to look again."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

from pipeline.config.model import JobConfig
from pipeline.engine.pool import Worker
from pipeline.engine.scheduler import Due


@dataclass(slots=True)
class Desk:
    """One job's affairs. Times are of the steady clock."""

    name: str
    spec: JobConfig
    waiting: deque[Due] = field(default_factory=deque)  #: due by the clock, not begun
    worker: Worker | None = None
    trigger: str = ""
    slot: datetime | None = None
    began: float = float("-inf")
    began_at: datetime | None = None  #: the same by the clock on the wall, for people
    look_at: float | None = None  #: when to look because something changed, or may have
    look_for: str = "retry"  #: what that look is for: watch, webhook, wake (a price begins or ends) or retry
    looked: datetime | None = None  #: when its last run began that was not one of another process, by the wall
    asked: str = ""  #: who wants it run now; "" nobody
    broken: str = ""  #: why its last run could not even be told of by itself; the log has it once

    @property
    def busy(self) -> bool:
        """Whether a run by schedule would meet the one before it."""
        return self.worker is not None or any(due.trigger == "schedule" for due in self.waiting)
