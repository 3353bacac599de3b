"""Delivers the notices of many clients in a few threads: a channel that hangs holds up its own client's alone."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from pipeline.alerts.deliverer import Deliverer
from pipeline.alerts.escalating import Escalator
from pipeline.errors import Transient

THREADS = 4
#: Seconds between two looks at a client's notices without a reason, and after a run of it, in which bursts settle.
OFTEN, AFTER = 30.0, (0.5, 4.0)


@dataclass(slots=True)
class _One:
    deliverer: Deliverer | None
    escalator: Escalator | None
    due: list[float]
    under_way: bool = False


class Tellers:
    """Whose notices are due. All methods but the threads' own are called by the service's loop.

    ``failed``: told of what nobody thought of, by client.
    """

    def __init__(self, failed: Callable[[str, BaseException], None], threads: int = THREADS) -> None:
        self._ones: dict[str, _One] = {}
        self._queue: queue.SimpleQueue[tuple[str, _One] | None] = queue.SimpleQueue()
        self._failed, self._threads = failed, threads
        self._running: list[threading.Thread] = []

    def add(self, client: str, deliverer: Deliverer | None, escalator: Escalator | None) -> None:
        """From now on this client's notices are delivered; it owns the two, and closes them."""
        if deliverer is None and escalator is None:
            return
        # spread, so that not all are looked at in one moment
        first = time.monotonic() + (hash(client) % 1000) / 1000 * OFTEN
        self._ones[client] = _One(deliverer, escalator, [first])

    def nudge(self, client: str) -> None:
        """A run of it is over: there may be news."""
        one = self._ones.get(client)
        if one is not None:
            now = time.monotonic()
            one.due = sorted({*(now + wait for wait in AFTER), *one.due})[:3]

    def drop(self, client: str) -> None:
        """No more of this client. What is under way ends by itself."""
        one = self._ones.pop(client, None)
        if one is not None and not one.under_way:
            _close(one)

    def tick(self) -> float:
        """Hand out what is due; gives the seconds until the next one."""
        now = time.monotonic()
        soonest = OFTEN
        for client, one in self._ones.items():
            if one.under_way:
                continue
            if one.due[0] <= now:
                one.due = [moment for moment in one.due if moment > now] or [now + OFTEN]
                one.under_way = True
                self._queue.put((client, one))
                if len(self._running) < self._threads:
                    self._start()
            else:
                soonest = min(soonest, one.due[0] - now)
        return soonest

    def close(self, seconds: float = 10.0) -> None:
        """Deliver what is due once more, for so long at most, and end."""
        for client, one in self._ones.items():
            if not one.under_way:
                self._queue.put((client, one))
        if self._ones and not self._running:
            self._start()
        for _ in self._running:
            self._queue.put(None)
        until = time.monotonic() + seconds
        for thread in self._running:
            thread.join(max(until - time.monotonic(), 0.0))
        for one in self._ones.values():
            _close(one)
        self._ones.clear()

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="mistok-alerts", daemon=True)
        self._running.append(thread)
        thread.start()

    def _run(self) -> None:
        while (taken := self._queue.get()) is not None:
            client, one = taken
            try:
                with structlog.contextvars.bound_contextvars(client=client):
                    if one.deliverer is not None:
                        one.deliverer.tick()
                    if one.escalator is not None:
                        one.escalator.tick()
            except Transient:
                pass  # the ledger does not answer, which the service tells of; the notices wait in it
            except Exception as error:  # noqa: BLE001 - of a client's channel; the thread is for the others, too
                self._failed(client, error)
            finally:
                one.under_way = False


def _close(one: _One) -> None:
    if one.deliverer is not None:
        one.deliverer.stop()
    if one.escalator is not None:
        one.escalator.stop()
