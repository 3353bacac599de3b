"""The stream of notices to people's own PCs: one thread looks at the ledger, however many PCs follow it."""

from __future__ import annotations

import asyncio
import logging
import threading

import structlog

from pipeline.alerts.routing import route
from pipeline.engine.runtime import Client
from pipeline.engine.tell import ways_of
from pipeline.errors import Transient
from pipeline.ledger import pcs
from pipeline.repeats import Repeats

_log = logging.getLogger("mistok.alerts")
_slog = structlog.get_logger("mistok.alerts")
#: Seconds between two looks at the ledger.
EVERY = 0.4
#: Streams of one PC at once: the new one, and those of which nobody knows yet that they are broken.
MOST = 4


class Listener:
    """One stream that is open. ``awake`` is set when there may be news for it."""

    def __init__(self, pc_id: int, token: str) -> None:
        self.pc_id, self.token = pc_id, token
        self.awake = asyncio.Event()
        self.over = False
        self._loop = asyncio.get_running_loop()

    def wake(self, *, over: bool = False) -> None:
        """From any thread."""
        self.over = self.over or over
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.awake.set)


class Streams:
    """All streams of one client's page.

    Args:
        client: whose notices.
        every: seconds between two looks at the ledger.
    """

    def __init__(self, client: Client, every: float = EVERY) -> None:
        alerts = client.config.alerts
        self._ledger, self._every = client.ledger, every
        self.language = alerts.language or client.config.language
        self.ways = ways_of(client.config)
        self._lock = threading.Lock()
        self._listeners: list[Listener] = []
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._repeats = Repeats()
        self._said = False

    def start(self) -> None:
        """Look at the ledger from now on, in a thread of its own."""
        with self._lock:
            if self._thread is None and not self._stop.is_set():
                self._thread = threading.Thread(target=self._run, name="mistok-streams", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """End every stream, and the thread."""
        self._stop.set()
        with self._lock:
            listeners, thread = list(self._listeners), self._thread
        for one in listeners:
            one.wake(over=True)
        if thread is not None:
            thread.join(5)

    @property
    def listened(self) -> bool:
        """Whether any PC follows."""
        with self._lock:
            return bool(self._listeners)

    def join(self, pc_id: int, token: str) -> Listener:
        """A new stream of a PC that came with this token (its hash); the oldest of too many ends."""
        made = Listener(pc_id, token)
        made.over = self._stop.is_set()
        with self._lock:
            mine = [one for one in self._listeners if one.pc_id == pc_id]
            self._listeners.append(made)
        for one in mine[: max(0, len(mine) + 1 - MOST)]:
            one.wake(over=True)
        self.start()
        return made

    def leave(self, listener: Listener) -> None:
        """A stream is over."""
        with self._lock:
            if listener in self._listeners:
                self._listeners.remove(listener)

    def tick(self) -> None:
        """Look once: decide of new notices, and wake the streams that may have news or have lost their right."""
        with self._ledger.read() as conn:
            live = {row["id"]: row for row in pcs.listing(conn, self._ledger.client, live=True)}
        tokens = {number: row["token"] for number, row in live.items()}
        news = route(self._ledger, self.ways, {number: row["name"] for number, row in live.items()})
        with self._lock:
            listeners = list(self._listeners)
        for one in listeners:
            if tokens.get(one.pc_id) != one.token:
                one.wake(over=True)
            elif news:
                one.wake()

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            try:
                self.tick()
                self._said = False
                self._repeats.well(_slog, "streams_failed")
            except Transient as error:
                if not self._said:
                    self._said = True
                    _log.warning("%s", error.text)
            except Exception as error:  # noqa: BLE001 - the thread outlives what nobody thought of; the notices stay
                self._repeats.tell(_slog, "streams_failed", error)
