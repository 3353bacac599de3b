"""Before a worker's looks for runs: it takes one only where that could begin at once, so that none lies here in vain.

Those of servers that are known to be silent are taken as well and wait here, without a process, for their turn: they
are in nobody's way, and whoever took them would have to wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

#: The longest wait of a look (seconds): whoever looks has to see besides whether it is to stop.
_LONGEST = 1.0


class RunGate:
    """Open while ``takes`` says that there are places, those left out that are on their way to one. Of one loop."""

    def __init__(self, takes: Callable[[], int]) -> None:
        self._takes, self._changed, self._on_their_way, self._shut = takes, asyncio.Event(), 0, False

    async def opens(self) -> bool:
        """Wait until it is open, but not for long; gives whether it is."""
        if not self._is_open():
            self._changed.clear()
            if not self._is_open() and not self._shut:
                try:
                    await asyncio.wait_for(self._changed.wait(), _LONGEST)
                except TimeoutError:
                    return self._is_open()
        return self._is_open()

    def passed(self) -> None:
        """A run is on its way."""
        self._on_their_way += 1

    def arrived(self) -> None:
        """It has come, or is given back."""
        self._on_their_way = max(self._on_their_way - 1, 0)

    def freed(self) -> None:
        """A place may be free."""
        self._changed.set()

    def shut(self) -> None:
        """For good."""
        self._shut = True
        self._changed.set()

    def _is_open(self) -> bool:
        return not self._shut and self._takes() > self._on_their_way
