"""What the service knows of each job: what is due, what runs, and when it is to look again."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

from pipeline.config.model import JobConfig
from pipeline.engine.pool import Worker
from pipeline.engine.scheduler import Due

#: Because of hints a job begins so many runs at once, as files are dropped one by one, and on average not more often
#: than every ``GAP`` seconds: a folder in which something changes all the time is no reason to do nothing else.
AT_ONCE, GAP = 4, 0.5

#: Runs that begin because something changed, or may have.
LOOKS = frozenset({"watch", "webhook", "wake", "retry"})


@dataclass(slots=True)
class Desk:
    """One job's affairs. Times are of the steady clock."""

    name: str
    spec: JobConfig
    waiting: deque[Due] = field(default_factory=deque)  #: due by the clock, not begun
    worker: Worker | None = None
    trigger: str = ""  #: of the run that is under way, or was last
    slot: datetime | None = None
    began: float = float("-inf")
    began_at: datetime | None = None  #: the same by the clock on the wall, for people
    look_at: float | None = None  #: when to look because something changed, or may have
    look_for: str = "retry"  #: what that look is for: watch, webhook, wake (a price begins or ends) or retry
    looked: datetime | None = None  #: when its last run began that was not one of another process, by the wall
    asked: str = ""  #: who wants it run now; "" nobody
    goes_on: bool = False  #: its last run made room for others in the middle of a flood: the next one goes on there
    broken: str = ""  #: why its last run could not even be told of by itself; the log has it once
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=AT_ONCE))  #: when its last runs began

    @property
    def busy(self) -> bool:
        """Whether a run by schedule would meet the one before it. One that meets a mere look waits until that is over:
        where both come at round times, looks would swallow each time of the schedule.
        """
        meets = self.worker is not None and (self.trigger not in LOOKS or self.goes_on)
        return meets or any(due.trigger == "schedule" for due in self.waiting)

    def begins(self, now: float, trigger: str) -> None:
        """A run of it begins."""
        self.began, self.trigger = now, trigger
        self.recent.append(now)

    def not_before(self, moment: float) -> float:
        """When the job may look that is to look at ``moment``."""
        return max(moment, self.recent[0] + AT_ONCE * GAP) if len(self.recent) == AT_ONCE else moment
