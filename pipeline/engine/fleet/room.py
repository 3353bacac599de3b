"""The step processes of one worker: a bounded pool for all its clients, in a thread of its own.

Which of its runs begin, and which of them only wait, is decided as in one service of many clients
(:mod:`pipeline.engine.slots`): a run that does no more than wait for a server leaves its place to others. What is no
run of a job has places of its own.

They are forked off one process that has loaded everything but no client; each belongs to the client of its first run,
and is ended when its place is needed. Where nothing can be forked (Windows), only those that have loaded a client's own
plugins or environment belong to it, and the others serve all.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from multiprocessing import Pipe
from multiprocessing.connection import wait

import structlog

from pipeline.clock import SystemClock
from pipeline.config.model import ClientConfig
from pipeline.engine import history, offspring
from pipeline.engine.calling import servers_of
from pipeline.engine.endings import stopped, timed_out, worker_lost
from pipeline.engine.fleet import care
from pipeline.engine.fleet.steps import TELLING, FleetOrder, boot
from pipeline.engine.nursery import Nursery
from pipeline.engine.pool import Pool, Worker
from pipeline.engine.slots import Place, Slots
from pipeline.engine.worker import Boot, Calling, Ended, Failed, StepBegun
from pipeline.errors import Finding, MistokError
from pipeline.ledger.hasty import QuickLedger

log = structlog.get_logger("mistok.worker")

_LONGEST_WAIT = 1.0
#: The ledgers' way to their server, and our own part: longer than a run takes, if each process had to import it.
LOADED = (
    "psycopg",
    "sqlalchemy.dialects.postgresql.psycopg",
    "pipeline.engine.fleet.care",
    "pipeline.engine.fleet.steps",
)
#: Seconds that the end of a run is given to be written down when the worker stops.
_RECORDING = 10.0


@dataclass(frozen=True, slots=True)
class Broken:
    """A run that did not end by itself. ``state``: failed, timed_out, interrupted."""

    state: str
    finding: Finding


Answer = Ended | Broken


class _Telling(Pool):
    """Tells of the calls of its workers' runs."""

    told: Callable[[Worker, Calling], None] = staticmethod(lambda _worker, _message: None)

    def calls(self, worker: Worker, message: Calling) -> None:
        """To whoever shares out the places."""
        self.told(worker, message)


class _Forked(_Telling):
    """Workers that are forked off one process, where that can be done."""

    def __init__(self, start_with: Boot, size: int, nursery: Nursery | None) -> None:
        super().__init__(start_with, size)
        self._nursery = nursery

    def fill(self) -> None:
        """Start the workers that are missing, once the process that they come from has loaded."""
        if self._nursery is None or not self._nursery.ready or self.closing or time.monotonic() < self._refill_at:
            return
        while len(self.workers) < self.size:
            self.start(self._nursery.how)


@dataclass(slots=True, eq=False)
class Task:
    """An order that waits or is under way."""

    order: FleetOrder
    config: ClientConfig
    answer: Future[Answer] = field(default_factory=Future)
    began: datetime | None = None
    place: Place | None = None  #: None: it is no run of a job

    def limit(self, step: int | None = None) -> timedelta:
        """How long a step may take; without one: the run, until it tells of its steps."""
        spec = self.config.jobs.get(self.order.job)
        if spec is None:
            return care.LIMITS.get(self.order.trigger, TELLING)
        return spec.time_limit * (1 if step is not None else max(len(spec.steps), 1))


class Room(threading.Thread):
    """So many step processes. Start it, :meth:`submit`, and :meth:`end` it; safe from any thread.

    ``besides``: so many more are started when more than ``size`` orders are there at once, and stay. ``spare`` and
    ``waiting``: so many more runs than ``size`` may work for long, or only wait (see ``Slots``); their processes go
    again.
    ``freed``: called when a run may begin (:meth:`takes`), in the room's thread.
    """

    def __init__(
        self,
        size: int,
        start_with: Boot | None = None,
        *,
        besides: int = 0,
        spare: int | None = None,
        waiting: int | None = None,
        freed: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(name="mistok-room", daemon=True)
        self._nursery = None if start_with else Nursery(LOADED)
        self.pool = _Telling(start_with, size) if start_with else _Forked(boot(), size, self._nursery)
        self.pool.told = self._heard
        # of a client one run is handed out at a time: that is the queue's affair
        self.slots = Slots(size, each=size + besides + 1, spare=spare, room=waiting, elsewhere=True)
        self._stay, self._most = size + besides, self.slots.most + besides
        self._freed, self._free_places, self._gives_back = freed, size, False
        self._came: list[Task] = []  #: not looked at yet
        self._parked: dict[str, deque[Task]] = {}  #: runs that wait for a place, by client
        #: where a process is there in milliseconds, each belongs to one client from its first run on
        self._one_client_each = self._nursery is not None and self._nursery.forks
        self._lock = threading.Lock()
        self._waiting: deque[Task] = deque()
        self._running: dict[Worker, Task] = {}
        self._bound: dict[Worker, str] = {}  #: whose each process is
        self._recording: list[threading.Thread] = []
        self._numbers = 0
        self._ending = False
        self._cut = False
        self._wake_in, self._wake_out = Pipe(duplex=False)

    def submit(self, order: FleetOrder, config: ClientConfig) -> Future[Answer]:
        """Have it done as soon as a process is free."""
        with self._lock:
            self._numbers += 1
            task = Task(replace(order, number=self._numbers), config)
            self._came.append(task)
        self._wake()
        return task.answer

    def takes(self) -> int:
        """How many runs more would begin now, as far as is known."""
        with self._lock:
            return self._free_places - sum(bool(task.order.job) for task in self._came)

    def begin_no_more(self) -> None:
        """Give back the runs that wait for a place."""
        self._gives_back = True
        self._wake()

    def cut_off(self) -> None:
        """End all that runs, now: the drain's time is over."""
        self._cut = True
        self._wake()

    def end(self) -> None:
        """End the processes and the thread; returns when they are gone."""
        self._ending = True
        self._wake()
        self.join()

    @property
    def ready(self) -> bool:
        """Whether its processes have loaded."""
        return self.pool.warm()

    def under_way(self) -> list[tuple[str, str, int]]:
        """Client, job and step of what runs now."""
        with self._lock:
            return [(task.order.load.client, task.order.job, one.step) for one, task in self._running.items()]

    def _wake(self) -> None:
        with self._lock:
            if not self._wake_in.poll():
                self._wake_out.send_bytes(b"!")

    # --- the thread ----------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Hand orders out, listen, and end what takes too long, until :meth:`end`."""
        try:
            if self._nursery is not None:
                self._nursery.open(self._wake)
            while not self._ending:
                self._listen()
                self._share()
                wanted = len(self._running) + len(self._waiting)
                stay = min(self._stay, max(self.pool.size, wanted))
                self.pool.size = min(self._most, max(stay, wanted))
                self.pool.fill()
                self._hand_out()
                self._beat()
                self._thin_out()
                self._sleep()
        finally:
            for worker in list(self._running):
                worker.end("drain", now=True)
                worker.process.join()
                self._lost(worker)
            self.pool.close()
            self._give_back()
            for one in self._recording:
                one.join(_RECORDING)

    def _sleep(self) -> None:
        moments = (_LONGEST_WAIT, self.pool.next_moment(), self.slots.next_moment(time.monotonic()))
        wait([self._wake_in, *self.pool.waitables()], min(moment for moment in moments if moment is not None))
        while self._wake_in.poll():
            self._wake_in.recv_bytes()

    def _beat(self) -> None:
        if self._cut:
            for worker in self._running:
                worker.end("drain")
            self._give_back()
        for worker in self.pool.beat():
            worker.end("limit" if worker.order else "loading")

    def _give_back(self) -> None:
        """What waits is not begun any more."""
        while self._waiting:
            self._never_begun(self._waiting.popleft())
        self._give_back_parked()

    def _give_back_parked(self) -> None:
        for client, tasks in self._parked.items():
            self.slots.forget(client)
            for task in tasks:
                self._never_begun(task)
        self._parked.clear()

    def _never_begun(self, task: Task) -> None:
        if task.place is not None:
            self.slots.back(task.place, time.monotonic(), well=None)
        self._answer(task, Broken("interrupted", stopped("")))

    def _share(self) -> None:
        """Let those begin whose turn it is."""
        with self._lock:
            came, self._came = self._came, []
        for task in came:
            if task.order.job:
                self._parked.setdefault(task.order.load.client, deque()).append(task)
            else:
                self._waiting.append(task)
        if self._gives_back or self._cut:
            self._give_back_parked()
        for client, tasks in self._parked.items():
            spec = tasks[0].config.jobs.get(tasks[0].order.job)
            own = tasks[0].order.load.own
            self.slots.want(client, servers_of(tasks[0].config, [spec] if spec else (), own=own))
        now = time.monotonic()
        for place in self.slots.to_look_at(now):
            worker = next((one for one, task in self._running.items() if task.place is place), None)
            self.slots.look(place, now, offspring.spent_by(worker.process.pid) if worker else None)
        while (given := self.slots.give(now)) is not None:
            tasks = self._parked[given.client]
            task = tasks.popleft()
            task.place = given
            self._waiting.append(task)
            if not tasks:
                del self._parked[given.client]
        with self._lock:
            self._free_places = self.slots.free()
        if self._free_places:
            self._freed()

    def _heard(self, worker: Worker, message: Calling) -> None:
        task = self._running.get(worker)
        if task is not None and task.place is not None:
            self.slots.told(task.place, message.server, time.monotonic(), answered=message.answered)

    def _thin_out(self) -> None:
        """Processes that came for runs that only waited go again."""
        beyond = len(self.pool.workers) - self.pool.size
        for worker in [one for one in self.pool.workers if one.free][: max(beyond, 0)]:
            worker.end("room", now=True)

    def _hand_out(self) -> None:
        while self._waiting and not self._cut:
            task = self._waiting[0]
            worker = self._free_for(task)
            if worker is None:
                return
            with self._lock:
                self._waiting.popleft()
            if not self.pool.give(worker, task.order):
                self._waiting.appendleft(task)
                return
            if task.order.load.own or self._one_client_each:
                self._bound[worker] = task.order.load.client
            task.began = (task.order.clock or SystemClock()).now()
            if task.place is not None:
                self.slots.begins(task.place, time.monotonic(), offspring.spent_by(worker.process.pid))
            worker.deadline = time.monotonic() + task.limit().total_seconds()
            with self._lock:
                self._running[worker] = task

    def _free_for(self, task: Task) -> Worker | None:
        free = [worker for worker in self.pool.workers if worker.free]
        load = task.order.load
        if load.own or self._one_client_each:
            mine = [worker for worker in free if self._bound.get(worker) == load.client]
            if mine:
                return mine[0]
        unbound = [worker for worker in free if worker not in self._bound]
        if unbound:
            return unbound[0]
        for worker in free[:1]:  # it makes room: a new one, that belongs to nobody, takes its place
            worker.end("room", now=True)
        return None

    def _listen(self) -> None:
        dead = self.pool.dead()
        for worker, _order, message in self.pool.messages():
            task = self._running[worker]
            match message:
                case StepBegun(step=step):
                    worker.step = step
                    worker.deadline = time.monotonic() + task.limit(step).total_seconds()
                case Ended() as ended:
                    nothing = ended.state in ("idle", "skipped")  # what is known of its servers stays as it is
                    self._free(worker, well=None if nothing else ended.state != "failed")
                    self._answer(task, ended)
                case Failed(finding=finding):
                    self._free(worker, well=False)
                    self._answer(task, Broken("failed", finding))
        for worker in dead:
            self._lost(worker)

    def _lost(self, worker: Worker) -> None:
        task, why, code = self._running.get(worker), worker.why, worker.process.exitcode
        if task is not None:
            job, step = task.order.job, worker.step
            self._free(worker, well=None if why == "drain" else False)
            spec = task.config.jobs.get(job)
            if why == "limit":
                name = spec.steps[step].step if spec and spec.steps else ""
                broken = Broken("timed_out", timed_out(job, name, task.limit(step)))
            elif why == "drain":
                broken = Broken("interrupted", stopped(job))
            else:
                broken = Broken("interrupted", worker_lost(job, code))
            log.error("run_broken", client=task.order.load.client, job=job, state=broken.state, exit_code=code)
            self._answer(task, broken)
        if worker in self.pool.workers:
            self._bound.pop(worker, None)
            if worker.process.exitcode is not None:
                self.pool.bury(worker)

    def _free(self, worker: Worker, *, well: bool | None) -> None:
        worker.order, worker.deadline = None, None
        with self._lock:
            task = self._running.pop(worker, None)
        if task is not None and task.place is not None:
            self.slots.back(task.place, time.monotonic(), well=well)

    def _answer(self, task: Task, answer: Answer) -> None:
        if not isinstance(answer, Broken) or task.began is None or not task.order.job:
            task.answer.set_result(answer)
            return
        # a ledger that hangs must not hold up the others
        recording = threading.Thread(target=self._record, args=(task, answer), name="mistok-record", daemon=True)
        self._recording = [one for one in self._recording if one.is_alive()] + [recording]
        recording.start()

    def _record(self, task: Task, broken: Broken) -> None:
        """Nobody was left to write down how it ended. The ledger may not answer: then the next run says so."""
        config, order = task.config, task.order
        try:
            clock = order.clock or SystemClock()
            ledger = QuickLedger(config.ledger.url, client=config.client, base=config.base, clock=clock)
            try:
                history.record_broken_end(
                    ledger,
                    order.job,
                    broken.state,
                    broken.finding,
                    trigger="schedule" if order.trigger == "plan" else order.trigger,
                    scheduled_for=order.scheduled_for,
                    begun=task.began,
                )
            finally:
                ledger.close()
        except MistokError as error:
            log.error("end_not_written", client=config.client, job=order.job, error=error.text.render("en"))
        finally:
            task.answer.set_result(broken)
