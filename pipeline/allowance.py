"""What one API key has used of what it is allowed. Pure: time is an argument, in seconds.

A server counts a request at some moment between its sending and its answer. A request that has an answer is therefore
counted by the moment of that, and one under way as if it came just now: however long each of them travels, no 60
seconds of the server's own hold more of them than are allowed, whether it counts by a sliding window or by a fixed one.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from pipeline.ports import Limits

#: A minute of a server that counts in whole seconds is up to this long.
MINUTE = 61.0
#: A request under way counts so long at most when its process is gone without a word.
FLIGHT = 120.0


@dataclass
class Allowance:
    """The requests of one key."""

    hits: deque[float] = field(default_factory=deque)  #: when the last ones were answered, oldest first
    flying: dict[str, float] = field(default_factory=dict)  #: name of one under way -> when it was sent
    last: float | None = None  #: when the last one was sent
    until: float = 0.0  #: the server asked to be left alone until then

    @classmethod
    def read(cls, said: Any, now: float) -> Allowance:
        """What ``said`` has kept. What lies in the future was written by a clock that was set back since: it must not
        make anybody wait for hours."""
        if not isinstance(said, dict):
            return cls()
        last, until = said.get("last"), float(said.get("until", 0.0))
        return cls(
            deque(hit for hit in said.get("hits", ()) if hit <= now),
            {name: at for name, at in said.get("flying", {}).items() if at <= now},
            last if last is not None and last <= now else None,
            until if until <= now + 24 * 3600 else 0.0,
        )

    @property
    def said(self) -> dict[str, Any]:
        """It as JSON."""
        return {"hits": list(self.hits), "flying": self.flying, "last": self.last, "until": self.until}

    def wait(self, now: float, limits: Limits) -> float:
        """Seconds until one more request is allowed; 0: now. Forgets what counts no more."""
        while self.hits and self.hits[0] <= now - MINUTE:
            self.hits.popleft()
        self.flying = {name: at for name, at in self.flying.items() if at > now - FLIGHT}
        wait = self.until - now
        if limits.per_minute and len(self.hits) + len(self.flying) >= limits.per_minute:
            first = len(self.hits) + len(self.flying) - limits.per_minute  # the last that must have left the window
            wait = max(wait, (self.hits[first] if first < len(self.hits) else now) + MINUTE - now)
        if limits.per_second and self.last is not None:
            wait = max(wait, self.last + 1 / limits.per_second - now)
        return max(wait, 0.0)

    def take(self, name: str, now: float, limits: Limits) -> None:
        """A request is sent."""
        self.last = now
        if limits.per_minute:
            self.flying[name] = now

    def land(self, name: str, now: float) -> None:
        """It was answered, or has failed."""
        if self.flying.pop(name, None) is not None:
            self.hits.append(now)
