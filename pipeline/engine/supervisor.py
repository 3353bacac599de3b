"""The service's main process: says which job runs when, hands runs to worker processes, and ends what takes too long.

It loads no client's plugin code into a run: that is the workers' part, and any of them can be killed without harm. One
service is at work on a client at a time; a second one stands by and takes over when the first is gone.
"""

from __future__ import annotations

import contextlib
import os
import platform
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import wait
from typing import Any

import structlog

from pipeline import __version__
from pipeline.archive import Archive
from pipeline.config.model import ClientConfig, ConnectionSpec, JobConfig
from pipeline.engine import alarms, asking, backoff, history, quiet, sharing
from pipeline.engine.configwatch import LISTEN_EVERY, ConfigWatch, Verdict
from pipeline.engine.desks import Desk
from pipeline.engine.endings import stopped, timed_out, worker_lost
from pipeline.engine.hooks import Hooks, start_hooks
from pipeline.engine.pool import Pool, Worker
from pipeline.engine.retention import Daily
from pipeline.engine.scheduler import Due, Scheduler
from pipeline.engine.sync.store import wakes
from pipeline.engine.waking import STOPPING, Pace, Waker, calls_on
from pipeline.engine.watch import Watch, poll_every, watch_for
from pipeline.engine.worker import Boot, Ended, Failed, Order, StepBegun, boot_for
from pipeline.errors import Finding, Transient
from pipeline.flow import InboundSettings
from pipeline.ledger.store import Lease, Ledger
from pipeline.repeats import Repeats

log = structlog.get_logger("mistok.serve")

LEASE = "serve"
#: A ledger that failed within so many seconds before fails still: on a full disk one write works and the next does not.
STILL_THE_SAME = 60.0
#: A hint of a change waits this long for others (seconds): what a site does in one go is one run.
SETTLE = 0.02
#: Seconds between two thoughts on whether the inboxes are unusually quiet.
QUIET_EVERY = 60.0


class Supervisor:
    """The service of one client.

    Args:
        config: the checked config; what is edited later is looked at by ``edits``.
        ledger: the client's, open.
        workers: how many jobs run at once.
        drain: seconds that running steps are given after a stop was asked for.
        boot: how workers start (the real way by default; tests hand in their own runner).
        at_work_now: called once, when this service begins to run the client's jobs: what comes from then on is taken
            in time.
        edits: watches the config's files. A wrong edit is told, and changes nothing. After a right one the service
            stops, with ``edited`` set, so that its owner starts it anew: in the first moment in which no run is under
            way. After ``drain`` seconds it begins no further ones, so that this moment comes.
        pool, pace, waker, watch: what it shares with other clients, when it is one of many: where its workers come
            from, how often it looks, what ends the sleep of the loop, and how a job's inboxes are watched.
    """

    def __init__(
        self,
        config: ClientConfig,
        ledger: Ledger,
        *,
        workers: int | None = None,
        drain: float = 20.0,
        boot: Boot | None = None,
        at_work_now: Callable[[], None] | None = None,
        edits: ConfigWatch | None = None,
        pool: Pool | None = None,
        pace: Pace | None = None,
        waker: Waker | None = None,
        watch: Callable[[str, Callable[[], None]], Watch] | None = None,
    ) -> None:
        self.config, self.ledger, self.drain = config, ledger, drain
        self.desks = {name: Desk(name, job) for name, job in config.jobs.items() if job.enabled}
        size = workers or min(4, max(1, len(self.desks)))
        self.pool = pool or Pool(boot or boot_for(config), size)
        self._pace = pace or Pace()
        self._watch_for = watch or (lambda job, hint: watch_for(config, job, hint))
        self.scheduler: Scheduler | None = None
        self.watches: list[Watch] = []
        self.hooks: Hooks | None = None  #: None: it listens for none now
        self._lease: Lease | None = None
        self._renewed = 0.0
        self._orders = 0
        self._stops = 0
        self._drained_by: float | None = None
        self._hints: dict[str, str] = {}  #: job -> what it looks for
        self._hints_lock = threading.Lock()
        self._waker = waker or Waker()
        self._standing_by = False
        self._repeats = Repeats()  #: what the ledger fails by
        self._at_work_now = at_work_now
        self.edited = False
        self._edits = edits
        self._edit_waits: float | None = None  #: since when a right edit waits for runs to end
        self._habits = quiet.Habits()
        self._retention = Daily(config, ledger)
        self._listened = time.monotonic()
        self._since = ledger.clock.now()
        self._beaten = float("-inf")
        self._heard_people = float("-inf")
        self._read_at: Hashable | None = None  #: how the ledger stood when it was asked what people ask for
        self._heard_wakes = float("-inf")
        self._paused: frozenset[str] = frozenset()
        self._inboxes = {name: _inboxes(config, job) for name, job in config.jobs.items()}

    @property
    def at_work(self) -> bool:
        """Whether this service, and no other, runs the client's jobs now."""
        return self._lease is not None and self.scheduler is not None

    # --- from other threads and from signals ---------------------------------------------------------------------

    def stop(self) -> None:
        """Begin no more runs and drain; asked a second time, end at once. Safe from threads and signal handlers."""
        self._stops += 1
        self._waker.wake()

    def hint(self, job: str, trigger: str = "watch") -> None:
        """Something changed where ``job`` takes its files from, or what it reads. Safe from threads."""
        with self._hints_lock:
            self._hints[job] = trigger
        self._waker.wake()

    @contextmanager
    def signals(self) -> Iterator[None]:
        """Ctrl-C, SIGTERM and Windows' Ctrl-Break stop the service while this lasts (main thread only)."""

        def asked() -> None:
            self.edited = False  # whoever wants it to end does not want it to start anew
            self.stop()

        with calls_on(STOPPING, asked):
            yield

    # --- the loop ------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Serve until :meth:`stop`. Raises Transient when the ledger does not answer at the start."""
        self.pool.fill()
        try:
            while not self.done:
                self.turn()
                wait([self._waker.waitable, *self.pool.waitables()], self.idle())
                self._waker.heard()
        finally:
            self.close()

    def close(self) -> None:
        """End at once whatever still runs, and say so."""
        if self._edits is not None:
            self._edits.close()
        self._stop_watching()
        self._stop_hooks()
        self._end_all()
        self.pool.close()
        self._resign()

    def turn(self) -> None:
        """Do what is to be done now. Whoever runs the loop calls it when :meth:`idle` is over or something came."""
        self._listen()
        if self._stops:
            self._drain()
        elif self._in_office():
            assert self.scheduler is not None
            self._listen_to_people()
            self._listen_for_wakes()
            for due in self.scheduler.due():
                self._take(due)
            self._look()
            if self._edit_waits is None or time.monotonic() - self._edit_waits < self.drain:
                self._begin()
            self._listen_for_silence()
            self._retention.tick()
        if self._edits is not None and not self._stops and (verdict := self._edits.look()) is not None:
            self._judge(verdict)
        if self._edit_waits is not None and not self._stops and not self.pool.busy():
            self.edited = True
            self.stop()
        for worker in self.pool.beat():
            worker.end("limit" if worker.order else "loading")
        self.pool.fill()
        self._beat()

    def _beat(self) -> None:
        """A sign of life, from the very loop that works: who is stuck falls silent."""
        now = time.monotonic()
        if now - self._beaten < self._pace.beat:
            return
        self._beaten = now
        with self._ledger_may_fail("beat"):
            history.beat(self.ledger, self._state())

    def _listen_to_people(self) -> None:
        """Jobs that are to run now, and those that are to be left alone."""
        now = time.monotonic()
        if now - self._heard_people < self._pace.asked:
            return
        self._heard_people = now
        written = self.ledger.written()
        if written is not None and written == self._read_at:
            return  # nobody wrote anything since
        with self._ledger_may_fail("asked"):
            asked = asking.standing(self.ledger)
            self._read_at = written
            self._paused = frozenset(asked.paused)
            for job, by in asked.now.items():
                desk = self.desks.get(job)
                if desk is None:
                    log.warning("asked_for_nothing", job=job, why="no such job is on")
                else:
                    desk.asked = by
                asking.taken(self.ledger, job)

    def _listen_for_wakes(self) -> None:
        """When prices begin or end, whoever has applied them: this service, one before it, a person by hand.

        What is over and was not looked at since is looked at once: a run that a brake stops leaves its moment as it is.
        """
        now = time.monotonic()
        if now - self._heard_wakes < self._pace.beat:
            return
        self._heard_wakes = now
        with self._ledger_may_fail("wakes"):
            for job, moment in wakes(self.ledger):
                desk = self.desks.get(job)
                if desk is None or desk.worker is not None or job in self._paused:
                    continue
                if desk.looked is None or desk.looked < moment:
                    seconds = (moment - self.ledger.clock.now()).total_seconds()
                    self._look_in(desk, max(seconds, 0.0), "wake")

    def _listen_for_silence(self) -> None:
        now = time.monotonic()
        if now - self._listened < QUIET_EVERY:
            return
        self._listened = now
        with self._ledger_may_fail("quiet"):
            quiet.alarm(self.ledger, self.config, quiet.examine(self.ledger, self.config, self._habits))

    def _judge(self, verdict: Verdict) -> None:
        """The config was edited: a wrong one is told once, a right one is taken up by starting anew."""
        self._edit_waits = None  # of two edits the last one counts, also when it takes the first one back
        if verdict.changed:
            log.info("config_changed", file=str(self.config.source), running=len(self.pool.busy()))
            self._edit_waits = time.monotonic()
            return
        for finding in verdict.findings[:1]:
            place = ":".join(str(part) for part in (finding.where.file, finding.where.line) if part)
            log.error("config_wrong", where=place, error=finding.text.render("en"), instead="the old one works on")
        with self._ledger_may_fail("config"):
            history.record_config(self.ledger, str(self.config.source), verdict.findings)

    def idle(self) -> float:
        """Seconds until the next turn, when nothing comes before."""
        now = time.monotonic()
        waits = [self._pace.longest_wait]
        if self._edits is not None and self._edits.under_way:
            waits.append(LISTEN_EVERY)
        if self.scheduler is not None and not self._stops and (seconds := self.scheduler.idle()) is not None:
            waits.append(seconds)
        if (moment := self.pool.next_moment()) is not None:
            waits.append(moment)
        # what is over already waits for a worker, which is heard
        looks = [desk.look_at for desk in self.desks.values() if desk.look_at is not None and desk.worker is None]
        waits += [at - now for at in looks if at > now]
        return max(min(waits), 0.0)

    @property
    def stops(self) -> int:
        """How often it was asked to stop."""
        return self._stops

    @property
    def done(self) -> bool:
        """Whether it was asked to stop, and nothing runs any more."""
        return bool(self._stops) and not self.pool.busy()

    # --- workers -------------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        dead = self.pool.dead()
        for worker, order, message in self.pool.messages():
            match message:
                case StepBegun(step=step):
                    worker.step = step
                    worker.deadline = time.monotonic() + self.desks[order.job].spec.time_limit.total_seconds()
                case Ended() as ended:
                    self._ended(worker, order, ended)
                case Failed(finding=finding):
                    desk = self.desks[order.job]
                    if desk.broken != finding.code:  # such as a ledger that is taken away: not at every look
                        desk.broken = finding.code
                        log.error("run_failed", job=order.job, code=finding.code, error=finding.text.render("en"))
                    self._broken(order, "failed", finding)
                    self._free(worker, order, well=False)
        for worker in dead:
            self._lost(worker)

    def _ended(self, worker: Worker, order: Order, ended: Ended) -> None:
        desk = self.desks[order.job]
        desk.broken = ""
        desk.goes_on = ended.more
        self._free(worker, order, well=ended.state != "failed")
        # a server that was away or refused us, an inbox that somebody else held: the run is made up for later
        if ended.again_in is not None and (desk.spec.watch or ended.more or ended.state in ("failed", "skipped")):
            self._look_in(desk, ended.again_in, "watch" if desk.spec.watch else "retry")
        if ended.wake_in is not None:
            self._look_in(desk, max(ended.wake_in, 0), "wake")
        if ended.state == "skipped":
            # somebody runs it by hand just now; what it leaves is seen at the next look
            desk.looked = None
            log.info("job_busy_elsewhere", job=order.job)

    def _lost(self, worker: Worker) -> None:
        order, why = worker.order, worker.why
        code = worker.process.exitcode
        if order is not None:
            desk = self.desks[order.job]
            if why == "limit":
                log.error("time_limit", job=order.job, step=worker.step, limit=str(desk.spec.time_limit))
                step = desk.spec.steps[worker.step].step if desk.spec.steps else ""
                self._broken(order, "timed_out", timed_out(desk.name, step, desk.spec.time_limit))
            elif why == "drain":
                log.warning("run_cut_off", job=order.job)
                self._broken(order, "interrupted", stopped(order.job))
            else:
                log.error("worker_lost", job=order.job, exit_code=code)
                self._broken(order, "interrupted", worker_lost(order.job, code))
            self._free(worker, order, well=None if why == "drain" else False)
        elif worker.ready and not self._stops:
            log.warning("idle_worker_lost", exit_code=code)
        self.pool.bury(worker)

    def _free(self, worker: Worker, order: Order, *, well: bool | None) -> None:
        desk = self.desks[order.job]
        self.pool.over(worker, well=well, more=desk.goes_on)
        desk.worker = None

    def _broken(self, order: Order, state: str, finding: Finding) -> None:
        with self._ledger_may_fail("record"):
            history.record_broken_end(
                self.ledger,
                order.job,
                state,
                finding,
                trigger=order.trigger,
                scheduled_for=order.scheduled_for,
                begun=self.desks[order.job].began_at,
            )

    # --- what is due ---------------------------------------------------------------------------------------------

    def _take(self, due: Due) -> None:
        desk = self.desks[due.job]
        if due.passed_over or not due.run:
            log.warning("runs_missed", job=due.job, count=due.passed_over, catch_up=desk.spec.catch_up)
        with self._ledger_may_fail("record"):
            if not due.run:
                history.record_skip(self.ledger, due.job, due.trigger, due.scheduled_for, "missed", due.passed_over)
                return
            if due.job in self._paused:
                history.record_skip(self.ledger, due.job, due.trigger, due.scheduled_for, "paused", due.passed_over)
                return
            if due.passed_over:
                history.record_passed_over(self.ledger, due.job, due.passed_over, due.scheduled_for)
            if due.trigger == "schedule" and desk.busy:
                log.warning("run_skipped", job=due.job, why="the run before it is still under way")
                history.record_skip(self.ledger, due.job, due.trigger, due.scheduled_for, "busy")
                return
        desk.waiting.append(due)

    def _look(self) -> None:
        with self._hints_lock:
            hints, self._hints = self._hints, {}
        for name, trigger in hints.items():
            self._look_in(self.desks[name], SETTLE, trigger)

    def _look_in(self, desk: Desk, seconds: float, trigger: str) -> None:
        at = desk.not_before(time.monotonic() + seconds)
        if desk.look_at is None or at <= desk.look_at:
            desk.look_at, desk.look_for = at, trigger

    def _begin(self) -> None:
        now = time.monotonic()
        # who waits longest begins first, so that a busy job cannot starve another
        for desk in sorted(self.desks.values(), key=lambda desk: desk.began):
            if desk.worker is not None:
                continue
            looks = desk.look_at is not None and desk.look_at <= now
            if desk.name in self._paused and not desk.asked:
                continue  # a person still may
            if not (desk.waiting or looks or desk.asked):
                continue
            worker = self.pool.free(goes_on=desk.goes_on)
            if worker is None:
                return
            due = desk.waiting[0] if desk.waiting and not desk.asked else None
            self._orders += 1
            trigger = due.trigger if due else "person" if desk.asked else desk.look_for
            slot = due.scheduled_for if due else None
            order = Order(self._orders, desk.name, trigger, slot, desk.asked, self._pace.slice, desk.goes_on)
            if not self.pool.give(worker, order):
                continue
            if due:
                desk.waiting.popleft()
            desk.look_at = None  # any run looks
            desk.asked = ""
            desk.begins(now, trigger)
            desk.worker, desk.began_at = worker, self.ledger.clock.now()
            desk.looked = desk.began_at
            # until it tells of its steps, the run as a whole has the time of all of them
            worker.deadline = now + desk.spec.time_limit.total_seconds() * max(len(desk.spec.steps), 1)

    # --- office: one service at a time ---------------------------------------------------------------------------

    def _in_office(self) -> bool:
        """Whether this is the service at work on the client; becomes it when there is no other."""
        now = time.monotonic()
        # before a worker is warm there is nobody to run what would be due
        waits_for_workers = self._lease is not None and self.scheduler is None and self.pool.warm()
        if now - self._renewed < self._pace.beat and self._renewed and not waits_for_workers:
            return self.at_work
        self._renewed = now
        with self._ledger_may_fail("lease"):
            if self._lease is None:
                self._lease = self.ledger.acquire(LEASE, self._pace.lease)
                if self._lease is None:
                    if not self._standing_by:
                        self._standing_by = True
                        log.warning("standing_by", why="another mistok serve is at work on this client")
                    return False
            elif not self.ledger.renew(self._lease, self._pace.lease):
                log.warning("taken_over", why="another mistok serve took over while this one did not answer")
                self._lease, self._standing_by = None, True
                self._leave_office()
                return False
            if self.scheduler is None and self.pool.warm():
                self._take_office()
        return self.at_work

    def _take_office(self) -> None:
        self._standing_by = False
        jobs = {name: desk.spec for name, desk in self.desks.items()}
        last = history.last_slots(self.ledger, jobs)
        scheduler = Scheduler(jobs, self.config.zone, self.ledger.clock.now, last)
        for desk in self.desks.values():
            if desk.spec.watch:
                self._watch(desk, scheduler)
        self._heard_wakes = float("-inf")
        self._listen_for_wakes()
        if self.hooks is None:
            with self._ledger_may_fail("record"):
                self.hooks = start_hooks(self.config, self.ledger, lambda job: self.hint(job, "webhook"))
        self.scheduler = scheduler
        history.forget_old_beats(self.ledger)
        self._see_the_archive()
        self._beaten = float("-inf")  # that it is at work now is a sign of its own
        log.info("serving", client=self.config.client, jobs=len(jobs), workers=self.pool.size)
        if self._at_work_now is not None:
            self._at_work_now()
            self._at_work_now = None

    def _see_the_archive(self) -> None:
        """A machine that takes over from another must have its copies, too."""
        finding = sharing.missing_here(self.ledger, Archive(self.config.path(self.config.archive.path)))
        if finding is not None:
            log.error(finding.code, error=finding.text.render("en"))
        sharing.alarm(self.ledger, finding)

    def _watch(self, desk: Desk, scheduler: Scheduler) -> None:
        watch = self._watch_for(desk.name, lambda: self.hint(desk.name))
        self.watches.append(watch)
        watch.ensure()

        def poll() -> None:
            watch.ensure()
            if not self._left_alone(desk):
                self._look_in(desk, 0, "watch")

        scheduler.ticks.add(poll_every(desk.spec), poll, first_in=0)

    def _left_alone(self, desk: Desk) -> bool:
        """Whether the server of this job's inbox is backing off: a mere look would only be turned away."""
        standing: list[bool] = []
        with self._ledger_may_fail("connection"):
            standing.append(backoff.left_alone(self.ledger, self._inboxes[desk.name]))
        return any(standing)

    def _leave_office(self) -> None:
        self.scheduler = None
        self._stop_hooks()
        self._stop_watching()
        for desk in self.desks.values():
            desk.waiting.clear()
            desk.look_at = None
        for worker in self.pool.busy():
            worker.end("drain")

    def _stop_hooks(self) -> None:
        if self.hooks is not None:
            self.hooks.stop()
            self.hooks = None

    def _resign(self) -> None:
        with self._ledger_may_fail("lease"):
            history.beat(self.ledger, {**self._state(), "state": "restarting" if self.edited else "stopped"})
            if self._lease is not None:
                self.ledger.release(self._lease)
                self._lease = None

    def _state(self) -> dict[str, Any]:
        """What a sign of life says: who, since when, by which config, what runs and what is next."""
        running = [(desk, desk.worker) for desk in self.desks.values() if desk.worker is not None]
        coming = self.scheduler.coming() if self.scheduler is not None else {}
        if self._stops:
            state = "restarting" if self.edited else "draining"
        elif self.at_work:
            state = "serving"
        else:
            state = "standing-by" if self._standing_by else "starting"
        return {
            "state": state,
            "host": platform.node(),
            "pid": os.getpid(),
            "version": __version__,
            "since": self._since.isoformat(),
            "config": str(self.config.source),
            "config_hash": self.config.config_hash,
            "workers": self.pool.size,
            "running": {
                desk.name: {"since": desk.began_at.isoformat() if desk.began_at else None, "step": worker.step}
                for desk, worker in running
            },
            "next": {name: moment.isoformat() for name, moment in coming.items()},
        }

    # --- the end -------------------------------------------------------------------------------------------------

    def _drain(self) -> None:
        now = time.monotonic()
        if self._drained_by is None:
            self._drained_by = now + self.drain
            self._stop_watching()
            for desk in self.desks.values():
                desk.waiting.clear()  # not begun, so the ledger knows nothing of them: caught up at the next start
                desk.look_at = None
            running = [worker.order.job for worker in self.pool.busy() if worker.order]
            log.info("draining", running=running, seconds=self.drain)
        if self._stops > 1 or now >= self._drained_by:
            for worker in self.pool.busy():
                worker.end("drain", now=self._stops > 1)

    def _end_all(self) -> None:
        """Whatever still runs (the loop itself failed) is cut off and recorded so."""
        for worker in self.pool.busy():
            worker.end("drain", now=True)
            worker.process.join()
            self._lost(worker)

    def _stop_watching(self) -> None:
        for watch in self.watches:
            watch.stop()
        self.watches.clear()

    @contextmanager
    def _ledger_may_fail(self, what: str) -> Iterator[None]:
        """The ledger may be locked or its disk full: said once, and the service goes on."""
        try:
            yield
        except Transient as error:
            self._repeats.tell(log, "ledger_failed", error, doing=what)
            if error.code == alarms.FULL:
                self._tell_in_spite(error)
        else:
            self._repeats.well(log, "ledger_failed", calm=STILL_THE_SAME)

    def _tell_in_spite(self, error: Transient) -> None:
        """There is a reserve for telling that the disk is full, also when no run comes to say so."""
        self.ledger.make_room()
        with contextlib.suppress(Transient), self.ledger.begin() as conn:
            alarms.failed(self.ledger, conn, LEASE, error.findings[0])


def _inboxes(config: ClientConfig, job: JobConfig) -> dict[str, ConnectionSpec]:
    names = {step.params.inbox for step in job.steps if isinstance(step.params, InboundSettings)}
    return {name: config.connections[name] for name in sorted(names)}
