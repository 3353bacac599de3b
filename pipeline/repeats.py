"""What a loop says of a trouble that comes back each time: whole the first time, then counted, ever more seldom.

A loop that looks every few seconds and fails each time would fill the log with the same lines, in which nobody finds
anything else. Here the same trouble is told whole once; then a line says how often it came, after a minute, ten minutes
and every hour; and one line says that it is over.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pipeline.errors import MistokError

#: Seconds after which a trouble that is still there is told again; the last one repeats.
PAUSES = (60.0, 600.0, 3600.0)
#: Of one thing no more troubles than these are told apart: one that is another each time must not fill the memory.
_MOST = 20
_NUMBERS = re.compile(r"[0-9]+")


@dataclass(frozen=True, slots=True)
class Met:
    """What is to be said of a trouble now. ``whole``: it is new; else it came so many ``times``."""

    whole: bool
    times: int


@dataclass(slots=True)
class _Known:
    times: int = 0
    told: int = 0  #: how often it was told
    again_at: float = 0.0


class Repeats:
    """Troubles of a loop, or of what it does for each client. Safe from threads. ``clock``: gives steady seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, dict[object, _Known]] = {}
        self._last: dict[str, float] = {}

    def met(self, what: str, error: BaseException) -> Met | None:
        """``what`` failed by ``error``: gives what is to be said of it, or None: nothing now.

        The same trouble is one of the same class, raised at the same place; its words may be others each time.
        """
        now = self._clock()
        with self._lock:
            self._last[what] = now
            known = self._known.setdefault(what, {})
            kind = _kind(error)
            one = known.setdefault(kind if kind in known or len(known) < _MOST else None, _Known())
            one.times += 1
            if one.told and now < one.again_at:
                return None
            one.again_at = now + PAUSES[min(one.told, len(PAUSES) - 1)]
            one.told += 1
            return Met(one.told == 1, one.times)

    def over(self, what: str, calm: float = 0.0) -> int:
        """``what`` went well: gives how often it failed before, 0 where that was told. ``calm``: it is over when it has
        not failed for so many seconds.
        """
        if what not in self._last:
            return 0
        with self._lock:
            if self._clock() - self._last.get(what, 0.0) < calm:
                return 0
            self._last.pop(what, None)
            return sum(one.times for one in self._known.pop(what, {}).values())

    def tell(self, log: Any, event: str, error: BaseException, what: str = "", **words: Any) -> bool:
        """Log (by structlog) what is to be said of it; gives whether it was told whole. ``what``: the event, else."""
        met = self.met(what or event, error)
        if met is None:
            return False
        ours = isinstance(error, MistokError)
        if not met.whole:
            words["times"] = met.times
        if met.whole and not ours:
            log.error(event, exc_info=error, **words)
        else:
            log.error(event, error=in_short(error), **words)
        return met.whole

    def well(self, log: Any, event: str, what: str = "", *, calm: float = 0.0, **words: Any) -> None:
        """Log that it is over, if there was something (see :meth:`over`). ``event``: that of the trouble."""
        if times := self.over(what or event, calm):
            log.info("well_again", after=event, times=times, **words)


def in_short(error: BaseException) -> str:
    """An error in a line."""
    return error.text.render("en") if isinstance(error, MistokError) else f"{type(error).__name__}: {error}"


def _kind(error: BaseException) -> object:
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = (place.tb_frame.f_code.co_filename, place.tb_lineno) if place is not None else None
    if isinstance(error, MistokError):  # ours are told by what they say, whatever ports and times are in it
        return type(error), error.code, _NUMBERS.sub("", error.text.render("en"))
    return type(error), where
