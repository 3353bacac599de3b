"""What ends the sleep of the service's loop: its own pace, other threads, signals."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import Pipe
from types import FrameType
from typing import Any


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a service does what it does again and again (seconds). One of many clients does it less often."""

    beat: float = 5.0  #: between two signs of life; the right to be at work is renewed then, too
    asked: float = 1.0  #: between two looks at what people ask for
    longest_wait: float = 0.5  #: the longest sleep: Windows sees Ctrl-C only between waits, and a clock may be set
    slice: float | None = None  #: of one of many: what a run has at a time, before others are let in

    @property
    def lease(self) -> timedelta:
        """For how long nobody else is at work after the last sign of life."""
        return timedelta(seconds=4 * self.beat)


class Waker:
    """Something to wait on that :meth:`wake` makes ready. Safe from threads and signal handlers."""

    def __init__(self) -> None:
        self.waitable, self._out = Pipe(duplex=False)
        self._lock = threading.Lock()

    def wake(self) -> None:
        """End the loop's sleep."""
        if self._lock.acquire(blocking=False):  # whoever holds it is waking the loop right now
            try:
                if not self.waitable.poll():
                    self._out.send_bytes(b"!")
            finally:
                self._lock.release()

    def heard(self) -> None:
        """The loop is awake."""
        while self.waitable.poll():
            self.waitable.recv_bytes()


@contextmanager
def calls_on(names: tuple[str, ...], act: Callable[[], None]) -> Iterator[None]:
    """Call ``act`` at each of these signals, where the system has them, while this lasts (main thread only)."""
    before: dict[signal.Signals, Any] = {}

    def called(_signal: int, _frame: FrameType | None) -> None:
        act()

    for name in names:
        if hasattr(signal, name):
            number = signal.Signals[name]
            before[number] = signal.signal(number, called)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


#: Ctrl-C, what service managers send, and Windows' Ctrl-Break.
STOPPING = ("SIGINT", "SIGTERM", "SIGBREAK")
