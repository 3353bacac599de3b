"""The workers of many clients. They are forked off one process that has loaded everything but no client.

That process (``forkserver`` of multiprocessing) has neither a client's plugins nor its secrets, so nothing of one
client ever is in a process of another, and a worker is there in milliseconds. Windows cannot fork, and libraries of
macOS do not bear it: there each is started anew.
"""

from __future__ import annotations

import gc
import multiprocessing
import pickle
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import structlog

from pipeline.config.model import ClientConfig
from pipeline.engine import offspring
from pipeline.engine.pool import Pool, Worker
from pipeline.engine.slots import Place, Slots
from pipeline.engine.worker import Boot, Calling, Ended, LogLine, Order, Runner, job_runner

if TYPE_CHECKING:
    from pipeline.registry import Source

log = structlog.get_logger("mistok.pool")

RUN_ONE = "pipeline.engine.nursery:client_runner"
#: Whether workers are forked here. Of macOS see the documentation of multiprocessing: its libraries may start threads,
#: so a fork of a process that uses them may crash.
FORKS = sys.platform not in ("win32", "darwin")
#: Seconds that a worker which was let go is given to end by itself.
LEAVING = 5.0


class Nursery:
    """How workers are made here. ``forks``: off one process, else each anew; ``ready``: whether one can be had without
    a wait.

    Args:
        more: modules that it loads besides, where they are installed.
    """

    def __init__(self, more: Sequence[str] = ()) -> None:
        self.forks = FORKS
        self.ready = not self.forks
        self.how: Any = multiprocessing.get_context("forkserver" if self.forks else "spawn")
        if self.forks:
            self.how.set_forkserver_preload([*more, __name__])

    def open(self, wake: Callable[[], None]) -> None:
        """Let the process that workers come from load, meanwhile; ``wake`` is called when it is through."""
        if self.ready:
            return

        def first() -> None:
            try:
                process = self.how.Process(target=_nothing, name="mistok-nursery")
                process.start()
                process.join()
            except OSError as error:  # what comes next is told of by whoever needs a worker
                log.error("no_worker", error=str(error))
            self.ready = True
            wake()

        threading.Thread(target=first, name="mistok-nursery", daemon=True).start()


def _nothing() -> None:
    """The first child is there to see that there is one."""


Payload = tuple[tuple["Source", ...], bytes, bool]


def boot_of(config: ClientConfig, payload: Payload, environ: Mapping[str, str]) -> Boot:
    """What a worker of this client is started with. ``payload``: its own plugins, its pickled config, and whether its
    notices go out by a channel of its own plugins."""
    return Boot(RUN_ONE, payload, config.log.level, config.secrets, dict(environ))


def client_runner(payload: Payload) -> Runner:
    """The runner of one of many clients: it asks no system to be warm, since a run waits for it."""
    sources, pickled, tells = payload
    run = job_runner((sources, pickled), warmed=False)
    if not tells:
        return run

    def and_tell(order: Order, step_begins: Callable[[int], None]) -> Ended:
        ended = run(order, step_begins)
        _tell(sources, pickled)
        return ended

    return and_tell


def _tell(sources: tuple[Source, ...], pickled: bytes) -> None:
    """Deliver by the client's own channels, which the service does not load."""
    from pipeline.engine.runtime import Client
    from pipeline.engine.tell import deliver_waiting
    from pipeline.errors import Transient
    from pipeline.registry import load_registry

    with suppress(Transient), Client.open(pickle.loads(pickled), registry=load_registry(sources=sources)) as client:  # noqa: S301 - of our own
        deliver_waiting(client)


@dataclass(slots=True)
class Left:
    """A worker that is not wanted any more, on its way out."""

    worker: Worker
    until: float


class ClientPool(Pool):
    """The workers of one client among many: made when it is its turn, and kept as long as nobody needs their room.

    ``leave`` takes those that are let go, and sees to it that they end. ``servers``: those that its runs may call.
    """

    def __init__(
        self,
        name: str,
        boot: Boot,
        slots: Slots,
        how: Any,
        leave: Callable[[Left], None],
        servers: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(boot, slots.size)
        self.name, self._slots, self._how, self._leave, self._servers = name, slots, how, leave, servers
        self._turns: list[Place] = []  #: given, not used yet
        self._used: dict[Worker, Place] = {}
        self._idle_since: dict[Worker, float] = {}
        self.ended: Callable[[], None] = lambda: None  #: called when a run is over

    def turn(self, place: Place) -> None:
        """It is this client's turn: a worker of it runs, or begins to load."""
        self._turns.append(place)
        self.fill()

    def settle(self) -> None:
        """Give back a turn that a ready worker could have used and did not."""
        while self._turns and super().free() is not None:
            self._slots.back(self._turns.pop(), time.monotonic(), well=None)

    def fill(self) -> None:
        """Start the workers for which it is this client's turn."""
        if self.closing or time.monotonic() < self._refill_at:
            return
        while sum(worker.order is None and not worker.why for worker in self.workers) < len(self._turns):
            self.start(self._how)

    def free(self, *, goes_on: bool = False) -> Worker | None:
        """A worker that may be given work now; None: this client waits for its turn, or for a worker that loads."""
        if self.closing or time.monotonic() < self._refill_at:
            return None
        if not self._turns:
            self._slots.want(self.name, self._servers)
            return None
        free = [worker for worker in self.workers if worker.free]
        if goes_on:  # any will do; the one that gave way to others already is good for nothing else
            return max(free, key=lambda worker: worker.gave_way, default=None)
        for worker in free:
            if not worker.gave_way:
                return worker
            self.let_go(worker)  # a new one takes its place
        return None

    def warm(self) -> bool:
        """Workers are made when they are needed."""
        return True

    def give(self, worker: Worker, order: Order) -> bool:
        """Hand an order over; the turn is used by it."""
        if not super().give(worker, order):
            return False
        place = self._used[worker] = self._turns.pop()
        self._slots.begins(place, time.monotonic(), offspring.spent_by(worker.process.pid))
        self._idle_since.pop(worker, None)
        return True

    def calls(self, worker: Worker, message: Calling) -> None:
        """Who waits for a server that is silent is no news to one client alone."""
        place = self._used.get(worker)
        if place is not None:
            self._slots.told(place, message.server, time.monotonic(), answered=message.answered)

    def look(self, place: Place, now: float) -> bool:
        """See whether the run of this place only waits; False: it is not of this client."""
        worker = next((one for one, used in self._used.items() if used is place), None)
        if worker is None and place not in self._turns:
            return False
        self._slots.look(place, now, offspring.spent_by(worker.process.pid) if worker else None)
        return True

    def over(self, worker: Worker, *, well: bool | None, more: bool = False) -> None:
        """The turn is over."""
        super().over(worker, well=well, more=more)
        self._idle_since[worker] = time.monotonic()
        place = self._used.pop(worker, None)
        if place is not None:
            self._slots.back(place, time.monotonic(), well=well, more=more)
        self.ended()

    def bury(self, worker: Worker) -> None:
        """Take a dead worker out; one that ended while it loaded has used its turn."""
        loading = not worker.ready
        super().bury(worker)
        self._idle_since.pop(worker, None)
        if loading and self._turns:
            self._slots.back(self._turns.pop(), time.monotonic(), well=False)

    def next_moment(self) -> float | None:
        """Seconds until a worker is out of time, or may be started again after it could not load."""
        now = time.monotonic()
        moments = [m for worker in self.workers for m in (worker.deadline, worker.kill_at) if m is not None]
        if self._refill_at > now:
            moments.append(self._refill_at)
        return max(min(moments) - now, 0.0) if moments else None

    def write(self, line: LogLine) -> None:
        """With the client's name."""
        super().write(replace(line, event={**line.event, "client": self.name}))

    def idle(self) -> list[tuple[float, Worker]]:
        """Workers that nobody needs now, and since when."""
        if self._turns:
            return []
        free = [worker for worker in self.workers if worker.free]
        return [(self._idle_since.get(worker, 0.0), worker) for worker in free]

    def let_go(self, worker: Worker) -> None:
        """Make room: its process ends, as it is told no more."""
        self.workers.remove(worker)
        self._idle_since.pop(worker, None)
        worker.pipe.close()
        self._leave(Left(worker, time.monotonic() + LEAVING))

    def close(self) -> None:
        """End every worker, and want nothing more."""
        super().close()
        for place in (*self._turns, *self._used.values()):
            self._slots.back(place, time.monotonic(), well=None)
        self._turns.clear()
        self._used.clear()
        self._slots.forget(self.name)


def has_left(left: Left) -> bool:
    """Whether its process is gone; one that does not go by itself is ended."""
    process = left.worker.process
    if process.is_alive():
        if time.monotonic() >= left.until:
            left.worker.kill()
        return False
    process.join()
    process.close()
    return True


def _load() -> None:
    """What a run needs, loaded once, before any client is known."""
    import importlib

    from pipeline import logs
    from pipeline.engine.rehearsal import rehearse
    from pipeline.engine.warming import import_for_orders
    from pipeline.registry import load_registry

    for name in (
        "pipeline.lightssh",
        "psutil",
        "sqlalchemy.dialects.sqlite",
        "pipeline.engine.acknowledge",
        "pipeline.engine.inbound",
        "pipeline.engine.outbound",
        "pipeline.engine.runtime",
        "pipeline.engine.sync.catalogue",
        "pipeline.engine.sync.levels",
        "pipeline.engine.documents.walk",
        "pipeline.transports.ftp",
        "pipeline.transports.sftp",
    ):
        importlib.import_module(name)
    import_for_orders()
    registry = load_registry()
    for plugins in (registry.formats, registry.systems, registry.steps):
        for name in plugins:
            plugins[name]
    logs.configure(level="critical", file=None, console=False, secrets=frozenset())
    rehearse(registry)
    gc.freeze()  # what all share is not looked through again in each


def _is_nursery() -> bool:
    """Whether this process is the one that workers are forked off: it imports this module, and nobody else has."""
    return multiprocessing.current_process().name == "MainProcess" and "from multiprocessing.forkserver" in " ".join(
        sys.orig_argv
    )


if _is_nursery():
    if sys.platform != "win32":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it reaches the whole group; the service says when to end
    _load()
