"""How often somebody may try to log in: by address, by name, and by both. Kept in memory, for one page."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta

WINDOW = timedelta(minutes=15)
#: Failures within the window after which no more is tried: one name from one address, one address, one name.
EACH, ADDRESS, NAME = 5, 25, 50
_MOST_KEYS = 10_000


class Attempts:
    """Counts failures of the last quarter of an hour. Safe from threads."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._failed: dict[tuple[str, str], deque[datetime]] = {}

    def wait(self, name: str, address: str) -> timedelta | None:
        """For how long nobody may try this; None: now."""
        now = self._now()
        longest: timedelta | None = None
        with self._lock:
            for key, most in _keys(name, address):
                times = self._recent(key, now)
                if len(times) >= most:
                    left = times[-most] + WINDOW - now
                    longest = left if longest is None else max(left, longest)
        return longest

    def failed(self, name: str, address: str) -> None:
        """A wrong name or password."""
        now = self._now()
        with self._lock:
            if len(self._failed) > _MOST_KEYS:
                self._failed = {key: times for key, times in self._failed.items() if now - times[-1] < WINDOW}
            for key, most in _keys(name, address):
                self._failed.setdefault(key, deque(maxlen=most)).append(now)

    def went_well(self, name: str, address: str) -> None:
        """Somebody has logged in: its own mistakes before are forgotten."""
        with self._lock:
            self._failed.pop(_keys(name, address)[0][0], None)

    def _recent(self, key: tuple[str, str], now: datetime) -> deque[datetime]:
        times = self._failed.get(key, deque())
        while times and now - times[0] >= WINDOW:
            times.popleft()
        return times


def _keys(name: str, address: str) -> tuple[tuple[tuple[str, str], int], ...]:
    folded = name.casefold()[:64]
    return ((folded, address), EACH), (("", address), ADDRESS), ((folded, ""), NAME)
