"""A bounded pool of worker processes: each can be ended alone, and a new one takes its place."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from pipeline.engine import offspring
from pipeline.engine.worker import Boot, Calling, Failed, LogLine, Message, Order, Ready, main

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

log = structlog.get_logger("mistok.pool")

#: Seconds between asking a worker to end and ending it.
POLITE = 2.0
#: Seconds a worker may take to load; a client's plugin that hangs while it is imported is no reason to wait for ever.
LOADING = 60.0


class Wire(Protocol):
    """A pipe's end: of one class on Windows, of another elsewhere."""

    def send(self, obj: Any, /) -> None:
        """Pickle and send."""

    def recv(self) -> Any:
        """Wait for an object."""

    def poll(self) -> bool:
        """Whether one is there."""

    def close(self) -> None:
        """Tell the other end that there is no more."""


@dataclass(slots=True, eq=False)
class Worker:
    """One process as the pool sees it. Times are of the steady clock."""

    process: BaseProcess
    pipe: Wire
    ready: bool = False
    order: Order | None = None
    step: int = 0
    deadline: float | None = None  #: when the present step is out of time
    why: str = ""  #: why it is being ended: ``limit`` or ``drain``; "" when it ended by itself
    kill_at: float | None = None
    gave_way: bool = False  #: to other processes (:mod:`pipeline.engine.priority`), from which there is no way back

    @property
    def free(self) -> bool:
        """Whether it can be given an order."""
        return self.ready and self.order is None and not self.why

    def end(self, why: str, *, now: bool = False) -> None:
        """Ask it to end (with ``now``: end it); :meth:`Pool.beat` sees to it that it does."""
        if not self.why:
            self.why = why
        if now or sys.platform == "win32" or self.process.pid is None:
            self.kill()
        elif self.kill_at is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGUSR2 if why == "limit" else signal.SIGUSR1)
        if self.kill_at is None:
            self.kill_at = time.monotonic() + POLITE

    def kill(self) -> None:
        """End it now, with the programs that its step has started."""
        started = offspring.of_process(self.process.pid) if self.process.pid is not None else []
        self.process.kill()
        offspring.kill(started)


@dataclass(slots=True)
class Pool:
    """``size`` workers started with ``boot``."""

    boot: Boot
    size: int
    workers: list[Worker] = field(default_factory=list)
    closing: bool = False
    _failures: int = 0  #: workers in a row that ended before they were ready
    _refill_at: float = 0.0

    def fill(self) -> None:
        """Start the workers that are missing; after failures, less and less eagerly."""
        if self.closing or time.monotonic() < self._refill_at:
            return
        while len(self.workers) < self.size:
            self.start(multiprocessing.get_context("spawn"))

    def start(self, context: Any) -> None:
        """Start one worker, in the way of this context of ``multiprocessing``."""
        ours, theirs = context.Pipe()
        process = context.Process(target=main, args=(theirs, self.boot), name="mistok-worker")
        process.start()
        theirs.close()
        self.workers.append(Worker(process, ours, deadline=time.monotonic() + LOADING))

    def free(self, *, goes_on: bool = False) -> Worker | None:  # noqa: ARG002 - nobody else wants the processor here
        """A worker that waits for work. ``goes_on``: for an order of that kind."""
        return next((worker for worker in self.workers if worker.free), None)

    def warm(self) -> bool:
        """Whether all workers have loaded, or some cannot, which is no reason to wait for them."""
        return self._failures > 0 or (len(self.workers) == self.size and all(worker.ready for worker in self.workers))

    def busy(self) -> list[Worker]:
        """Workers that run a job."""
        return [worker for worker in self.workers if worker.order is not None]

    def give(self, worker: Worker, order: Order) -> bool:
        """Hand an order over. False: the worker is gone, which the next :meth:`messages` will tell."""
        try:
            worker.pipe.send(order)
        except (BrokenPipeError, ConnectionError):
            return False
        worker.order, worker.step = order, 0
        worker.gave_way |= order.goes_on
        return True

    def waitables(self) -> list[Any]:
        """What to wait on: pipes, and processes that end."""
        return [thing for worker in self.workers for thing in (worker.pipe, worker.process.sentinel)]

    def messages(self) -> Iterator[tuple[Worker, Order, Message]]:
        """What the workers say of the runs that they are at; of a run that was given up already, nothing.

        The log's lines are written on the way, ready workers are marked so, and calls of servers are told of.
        """
        for worker in list(self.workers):
            for message in _read(worker.pipe):
                match message:
                    case LogLine():
                        self.write(message)
                    case Ready():
                        worker.ready, worker.deadline = True, None
                        self._failures = 0
                    case Calling():
                        if worker.order is not None and worker.order.number == message.number:
                            self.calls(worker, message)
                    case Failed(number=None):
                        log.error("worker_cannot_start", error=message.finding.text.render("en"))
                    case _:
                        order = worker.order
                        if order is not None and getattr(message, "number", None) == order.number:
                            yield worker, order, message

    def calls(self, worker: Worker, message: Calling) -> None:
        """A worker's run calls a server, or has done so."""

    def write(self, line: LogLine) -> None:
        """Write a worker's line of the log down."""
        write_line(line)

    def over(self, worker: Worker, *, well: bool | None, more: bool = False) -> None:  # noqa: ARG002 - of one client
        """Its run is over; ``well``: whether it did its work (None: it was cut off), ``more``: whether it is to go on
        with what it left."""
        worker.order, worker.deadline = None, None

    def dead(self) -> list[Worker]:
        """Workers whose process has ended. What they said last is still to be read before they are buried."""
        return [worker for worker in self.workers if not worker.process.is_alive()]

    def bury(self, worker: Worker) -> None:
        """Take a dead worker out of the pool."""
        self.workers.remove(worker)
        worker.process.join()
        if not worker.ready:
            self._failures += 1
            wait = min(2.0**self._failures, 60.0)
            self._refill_at = time.monotonic() + wait
            log.error("worker_ended_while_loading", exit_code=worker.process.exitcode, next_try_in=wait)
        worker.pipe.close()
        worker.process.close()

    def beat(self) -> list[Worker]:
        """Kill those that were asked to end and did not; gives the workers whose step is out of time."""
        now = time.monotonic()
        late = []
        for worker in self.workers:
            if worker.kill_at is not None and now >= worker.kill_at:
                worker.kill()
            elif worker.deadline is not None and now >= worker.deadline and not worker.why:
                late.append(worker)
        return late

    def next_moment(self) -> float | None:
        """Seconds until :meth:`beat` or :meth:`fill` has something to do."""
        moments = [m for worker in self.workers for m in (worker.deadline, worker.kill_at) if m is not None]
        if not self.closing and len(self.workers) < self.size:
            moments.append(self._refill_at)
        return max(min(moments) - time.monotonic(), 0.0) if moments else None

    def close(self) -> None:
        """End every worker: those that wait by closing their pipe, the others by force."""
        self.closing = True
        for worker in self.workers:
            if worker.order is not None or not worker.ready:
                worker.kill()
            worker.pipe.close()
        until = time.monotonic() + POLITE
        for worker in self.workers:
            worker.process.join(max(until - time.monotonic(), 0.0))
            if worker.process.is_alive():
                worker.kill()
                worker.process.join()
            worker.process.close()
        self.workers.clear()


def _read(pipe: Wire) -> Iterator[Message]:
    try:
        while pipe.poll():
            yield pipe.recv()
    except (EOFError, ConnectionError):
        return  # its process has ended, or is about to


def write_line(line: LogLine) -> None:
    """Write a line of another process down as if it were one of ours."""
    record = logging.LogRecord(line.logger, line.level, "", 0, dict(line.event), None, None)
    # so that structlog's formatter takes it for one of its own
    record.__dict__.update(_logger=None, _name=logging.getLevelName(line.level).lower())
    logging.getLogger(line.logger).handle(record)
