"""What a step process does for a fleet: one run of any client, or what the clock wants of one of its jobs.

A process that has loaded a client's own plugins serves that client alone (the room sees to it). What is read and
written in the ledger about a run is read and written here, where it can be ended.
"""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
import structlog

from pipeline.config.model import ClientConfig, JobConfig
from pipeline.engine import asking, backoff, history, worker
from pipeline.engine.fleet.clock import Reading
from pipeline.engine.fleet.settling import Before, Settled, settle
from pipeline.engine.ownplugins import plugin_folder
from pipeline.engine.runtime import Client, RunOptions, RunReport, run_job
from pipeline.engine.scheduler import Due
from pipeline.engine.worker import Boot, Ended, Order, Runner
from pipeline.flow import InboundSettings
from pipeline.ledger import tables as t
from pipeline.ledger.store import Ledger
from pipeline.registry import Registry, Source, load_registry, own_sources

log = structlog.get_logger("mistok.run")

RUN_ANY = "pipeline.engine.fleet.steps:any_runner"
#: Seconds after which a run makes room for other clients, where it can, and comes back when it is its turn.
SLICE = 3.0
#: How many clients' plugins and configs a process keeps at hand.
KEPT = 256


@dataclass(frozen=True, slots=True)
class Load:
    """A client as it is sent to a step process. ``own``: it has plugins, or an environment, of its own."""

    client: str
    payload: bytes
    own: bool
    secrets: frozenset[str] = field(repr=False)
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetOrder(Order):
    """What a step process is to do for ``load``: ``trigger`` is why (see :class:`pipeline.engine.fleet.queue.Ask`).

    ``again``: the run was begun before by a worker that died. ``tries``: how often in a row it found somebody else at
    work. ``clock``: by which it goes, and what it writes in the ledger; None: the machine's.
    """

    load: Load
    again: bool = False
    tries: int = 0
    clock: Reading | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetEnded(Ended):
    """How it ended. ``state`` may be ``idle``: there was nothing to run.

    ``following``: when the schedule wants the job again. ``due``: there is more to make up for at once. ``notices``:
    how many wait to be told. ``moments``: by job, when it wants to run besides.
    """

    following: datetime | None = None
    due: bool = False
    notices: int = 0
    moments: Mapping[str, datetime] = field(default_factory=dict)


def load_of(
    config: ClientConfig, environ: Mapping[str, str] | None = None, read: tuple[tuple[Source, ...], bytes] | None = None
) -> Load:
    """A client, to be sent. ``environ``: what is set for its processes alone; ``read``: its plugins and pickled config,
    where they were read by a process of their own.
    """
    # pickled by itself: the client's own classes can be read only after its plugins were loaded
    sources, pickled = read or (own_sources(plugin_folder(config)), pickle.dumps(config))
    payload = pickle.dumps((sources, pickled))
    return Load(config.client, payload, bool(sources or environ), config.secrets, dict(environ or {}))


def boot() -> Boot:
    """How a step process of a fleet starts: it belongs to nobody yet."""
    return Boot(RUN_ANY, None)


def any_runner(_payload: None) -> Runner:
    """The runner, with what the first run would stop to import."""
    from pipeline.engine.warming import import_for_orders

    import_for_orders()
    import pipeline.engine.acknowledge
    import pipeline.engine.inbound
    import pipeline.engine.outbound  # noqa: F401 - as above

    def run(order: Order, step_begins: Callable[[int], None]) -> Ended:
        assert isinstance(order, FleetOrder)
        worker.known_secrets.update(order.load.secrets)
        os.environ.update(order.load.environ)
        config, registry = _opened(hashlib.sha256(order.load.payload).digest(), order.load.payload)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(client=config.client)
        if order.trigger == "tell":
            return _tell(config, registry, order)
        if order.trigger in CARES:
            return CARES[order.trigger](config, registry, order)
        return _Turn(config, registry, order, step_begins).take()

    return run


_payloads: dict[bytes, bytes] = {}


def _opened(digest: bytes, payload: bytes) -> tuple[ClientConfig, Registry]:
    _payloads[digest] = payload
    try:
        return _open(digest)
    finally:
        _payloads.clear()


@lru_cache(maxsize=KEPT)
def _open(digest: bytes) -> tuple[ClientConfig, Registry]:
    sources, pickled = pickle.loads(_payloads[digest])  # noqa: S301 - made by our own parent a moment ago
    registry = _registry(sources)
    config: ClientConfig = pickle.loads(pickled)  # noqa: S301 - the same
    return config, registry


@lru_cache(maxsize=4)
def _registry(sources: tuple[Source, ...]) -> Registry:
    return load_registry(sources=sources)


def _tell(config: ClientConfig, registry: Registry, order: FleetOrder) -> Ended:
    from pipeline.engine.tell import deliver_waiting

    with Client.open(config, registry=registry, clock=order.clock) as client:
        deliver_waiting(client)
    return FleetEnded(order.number, "done")


def _care(config: ClientConfig, registry: Registry, order: FleetOrder) -> Ended:
    from pipeline.engine.fleet.care import care

    with Client.open(config, registry=registry, clock=order.clock) as client:
        moments = care(client)
        return FleetEnded(order.number, "done", notices=_notices(client.ledger), moments=moments)


def _escalate(config: ClientConfig, registry: Registry, order: FleetOrder) -> Ended:
    from pipeline.engine.fleet.care import escalate

    with Client.open(config, registry=registry, clock=order.clock) as client:
        escalate(client)
    return FleetEnded(order.number, "done")


def _tidy(config: ClientConfig, registry: Registry, order: FleetOrder) -> Ended:
    from pipeline.engine.fleet.care import tidy

    with Client.open(config, registry=registry, clock=order.clock) as client:
        following = tidy(client)
        return FleetEnded(order.number, "done", following=following, notices=_notices(client.ledger))


#: What looks after a client, by why it was asked for.
CARES: Mapping[str, Callable[[ClientConfig, Registry, FleetOrder], Ended]] = {
    "care": _care,
    "escalate": _escalate,
    "tidy": _tidy,
}


def _notices(ledger: Ledger) -> int:
    """How many wait to be told."""
    n = t.notices.c
    waiting = sa.select(sa.func.count()).where(n.client == ledger.client, n.state == "waiting")
    with ledger.read() as conn:
        return int(conn.execute(waiting).scalar_one())


@dataclass
class _Turn:
    config: ClientConfig
    registry: Registry
    order: FleetOrder
    step_begins: Callable[[int], None]

    def take(self) -> Ended:
        """Run what is due, or what was asked for."""
        order, job = self.order, self.order.job
        spec = self.config.jobs.get(job)
        if spec is None or not (spec.enabled or order.trigger == "person"):
            return FleetEnded(order.number, "idle")
        with Client.open(self.config, registry=self.registry, clock=order.clock) as client:
            ledger = client.ledger
            paused = asking.standing(ledger).paused
            due = self._due(ledger, spec, paused=job in paused) if order.trigger == "plan" else None
            asked = order.trigger != "plan" and (
                order.trigger == "person" or not self._left_alone(ledger, spec, paused)
            )
            if order.again and due is None and not asked and job not in paused:
                asked = True  # it was under way when its worker died
            if due is None and not asked:
                ended: Ended = FleetEnded(order.number, "idle")
            else:
                trigger = due.trigger if due else "retry" if order.trigger == "plan" else order.trigger
                ended = self._run(client, trigger, due.scheduled_for if due else None)
            return self._afterwards(ledger, spec, ended)

    def _left_alone(self, ledger: Ledger, spec: JobConfig, paused: Any) -> bool:
        """Whether a mere look is not wanted now: the job is paused, or the server of its inbox is backing off."""
        if self.order.job in paused:
            return True
        names = {step.params.inbox for step in spec.steps if isinstance(step.params, InboundSettings)}
        inboxes = {name: self.config.connections[name] for name in sorted(names)}
        return self.order.trigger == "watch" and backoff.left_alone(ledger, inboxes)

    def _due(self, ledger: Ledger, spec: JobConfig, *, paused: bool) -> Due | None:
        """What the schedule wants now; what it gets no run for is written down."""
        job = self.order.job
        for due in self._settle(ledger, spec).due:
            if due.passed_over or not due.run:
                log.warning("runs_missed", job=job, count=due.passed_over, catch_up=spec.catch_up)
            if not due.run or paused:
                why = "paused" if due.run else "missed"
                history.record_skip(ledger, job, due.trigger, due.scheduled_for, why, due.passed_over)
                continue
            if due.passed_over:
                history.record_passed_over(ledger, job, due.passed_over, due.scheduled_for)
            return due
        return None

    def _settle(self, ledger: Ledger, spec: JobConfig) -> Settled:
        """What is due; times that came while the run before was under way are written down."""
        job = self.order.job
        now = ledger.clock.now()
        last = history.last_slots(ledger, {job: spec}, until=now + _LATER)[job]
        settled = settle(job, spec, self.config.zone, last, now, _before(ledger, job))
        if settled.busy:
            log.warning("run_skipped", job=job, why="the run before it was still under way", count=len(settled.busy))
            history.record_skip(ledger, job, "schedule", settled.busy[-1], "busy", len(settled.busy))
        return settled

    def _run(self, client: Client, trigger: str, scheduled_for: datetime | None) -> Ended:
        order, clock = self.order, client.clock

        def reach(point: str) -> None:
            kind, _, number = point.partition(":")
            if kind == "step":
                self.step_begins(int(number))

        options = RunOptions(trigger=trigger, scheduled_for=scheduled_for, by=order.by, slice=SLICE)
        report = run_job(self.config, order.job, options, reach=reach, opened=client)
        wake_in = (report.wake_at - clock.now()).total_seconds() if report.wake_at else None
        if report.state == "skipped" and report.again_in is None:
            # somebody runs it by hand, or a worker that died holds its lease still: what was due then is due yet
            return Ended(order.number, "skipped", {}, min(15.0 * 2 ** min(order.tries, 3), 120.0), wake_in)
        again_in = report.again_in
        if report.state == "failed" and again_in is None and _ledger_was_away(report):
            again_in = AFTER_LEDGER
        return Ended(order.number, report.state, dict(report.counts), again_in, wake_in, report.more)

    def _afterwards(self, ledger: Ledger, spec: JobConfig, ended: Ended) -> FleetEnded:
        """The same, with what the schedule wants next."""
        settled = self._settle(ledger, spec)
        return FleetEnded(
            ended.number,
            ended.state,
            ended.counts,
            ended.again_in,
            ended.wake_in,
            ended.more,
            following=settled.following,
            due=bool(settled.due) and ended.state != "skipped",
            notices=_notices(ledger),
        )


def _ledger_was_away(report: RunReport) -> bool:
    """Whether that is what the run failed by, and it was back in time to have that written down."""
    return any(finding.code == "ledger" for step in report.steps for finding in step.findings)


def _before(ledger: Ledger, job: str) -> Before | None:
    found = history.last_ended(ledger, [job]).get(job)
    return Before(found.started, found.ended) if found is not None and found.ended is not None else None


#: Times that were dealt with lie behind us. Such as lie further ahead were written down by a clock that was wrong.
_LATER = timedelta(minutes=1)
#: Seconds after which a run whose ledger was away is made up for.
AFTER_LEDGER = 10.0
#: A run that tells people has so long.
TELLING = timedelta(minutes=2)
