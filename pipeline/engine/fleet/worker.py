"""``mistok worker``: takes the runs of its clients from the queue, and has them done in step processes.

It computes nothing that another worker could not compute as well: what the schedule says is asked of the ledger in the
step process, and what comes next is a timer in the queue. So workers come and go as they like.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import platform
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog

from pipeline import __version__
from pipeline.engine.fleet.care import EVERY, following
from pipeline.engine.fleet.clock import FleetClock, is_off
from pipeline.engine.fleet.desk import LOOK_EVERY as LOOK_EVERY_LEDGER
from pipeline.engine.fleet.desk import Desk, forget_asked
from pipeline.engine.fleet.front import Front
from pipeline.engine.fleet.gate import RunGate
from pipeline.engine.fleet.queue import (
    KEEP,
    KEEPERS,
    LANES,
    RUN,
    TIMER,
    Ask,
    Names,
    Queue,
    clock_of,
    has_ended,
    prepare,
    queue_of,
    read_ask,
)
from pipeline.engine.fleet.room import Broken, Room
from pipeline.engine.fleet.roster import Clients, Member, Other
from pipeline.engine.fleet.steps import FleetEnded, FleetOrder
from pipeline.engine.fleet.timers import LONGEST_AWAY, LONGEST_BREAK, see_to
from pipeline.engine.history import schedule_print
from pipeline.engine.sidebyside import in_a_thread
from pipeline.engine.watch import poll_every
from pipeline.errors import Transient
from pipeline.ledger.store import owner_name
from pipeline.repeats import Repeats

if TYPE_CHECKING:
    from procrastinate import JobContext
    from procrastinate.worker import Worker

log = structlog.get_logger("mistok.worker")

#: Seconds between two looks for runs and timers that nobody has told of.
LOOK_EVERY = 1.0
TIMERS_EVERY = 0.5
#: What is no run of a job has so many places in each worker, besides those of the runs: whatever hangs or takes long
#: there, it keeps none of them waiting, and they do not keep it waiting either. What may take long, such as the tidying
#: of a large archive, has its own place, so that what is quick does not wait for it.
PLACES = {"tell": 2, "care": 2, "escalate": 2, "tidy": 1}
#: Seconds between two looks for each: for what is done every few minutes nobody waits a moment.
LOOKS = {"tell": LOOK_EVERY, "care": 5.0, "escalate": 5.0, "tidy": 5.0}
#: Seconds that the signs of life in the ledgers wait for the queue.
PATIENCE = 10.0
#: Seconds that a sign of life waits for the clients' folders.
FOLDERS = 5.0
#: Seconds that the first sign of life may take before runs are taken all the same.
FIRST_SIGN = 10.0
#: Seconds between two looks at whether each job has its timer.
SEEN_TO_EVERY = 60.0
#: How many runs a worker has taken at most, those that wait here for their turn among them.
TAKEN = 1000
#: Seconds after which a run that broke off is looked at again.
AFTER_BREAK = 10.0
#: Seconds after which what has failed by a mistake of the program is begun anew.
AFTER_FAULT = 5.0
#: What has worked for so many seconds since is taken for mended.
CALM = 60.0
#: Whose ledger was away, or whose process died, is made up for so often in a row.
MADE_UP_FOR = 10


class FleetWorker:
    """One worker.

    Args:
        clients: those that it has.
        url: of the queue's database.
        concurrency: how many runs at once.
        waiting: how many more that only wait for a server; None: by ``concurrency``.
        silence: seconds without a sign of life after which a worker's jobs are put back; all workers of a queue should
            have the same.
        drain: seconds that running steps are given when it is stopped.
        at_work: called once, when it begins to take runs.
        front: takes the clients' webhooks, if this worker is to.
    """

    def __init__(
        self,
        clients: Clients,
        url: str,
        *,
        concurrency: int = 4,
        waiting: int | None = None,
        silence: float = 30.0,
        drain: float = 20.0,
        at_work: Callable[[], None] = lambda: None,
        front: Front | None = None,
    ) -> None:
        self.clients, self.url = clients, url
        self.concurrency, self.silence, self.drain = concurrency, silence, drain
        self.owner = owner_name()
        clients.settled = frozenset()  # nobody's runs are taken before it is settled whose they are
        self._clock, self._off = FleetClock(), False
        self._well: dict[str, datetime] = {}
        self._since = self._clock.now().isoformat()
        self._at_work: Callable[[], None] | None = at_work
        self._front = front
        self._room = Room(concurrency, besides=sum(PLACES.values()), waiting=waiting, freed=self._place_freed)
        self._gate = RunGate(self._room.takes)
        self._desk = Desk(self.owner, url)
        self._stops = 0
        self._stopping = asyncio.Event()
        self._workers: list[Worker] = []
        self._mine: set[int] = set()  #: ids of the jobs that are really under way here
        self._astray: set[int] = set()
        self._runs = Names(gate=self._gate)  # these two are chosen anew when clients come and go
        self._timers = Names(timers=True)
        self._lanes = {why: Names() for why in LANES}
        self._chosen: frozenset[str] = frozenset()  #: clients whose queues are listened to
        self._ended = {"done": 0, "failed": 0}
        self._repeats = Repeats()  #: what goes wrong again and again here
        self._folders: asyncio.Future[bool] | None = None  #: a look at the clients' folders that is under way
        self._folders_hang = False

    # --- life ----------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Work until SIGTERM or Ctrl-C. Raises ConfigError or Transient when the queue cannot be used at the start."""
        try:
            prepare(self.url)
            self._clock = clock_of(self.url)
        except Transient as error:
            raise has_ended(error) from error
        self._since = self._clock.now().isoformat()
        # psycopg waits on sockets, which the usual loop of Windows cannot do
        factory = asyncio.SelectorEventLoop if sys.platform == "win32" else None
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(self._live())

    async def _live(self) -> None:
        logging.getLogger("procrastinate").setLevel(logging.CRITICAL)  # what it meets is told by us
        logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)
        self._loop = loop = asyncio.get_running_loop()
        for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
            if hasattr(signal, name):
                number = signal.Signals[name]
                signal.signal(number, lambda *_: loop.call_soon_threadsafe(self._asked_to_stop))
        self._room.start()
        self._queue = Queue(self.url, clock=self._clock)
        self._add_tasks()
        try:
            async with self._queue.app.open_async():
                with contextlib.suppress(TimeoutError):  # before the first run: which clients fit with other workers
                    await asyncio.wait_for(self._say("working"), FIRST_SIGN)
                self._choose_queues()
                work = [
                    asyncio.create_task(self._keep_at(self._runs, TAKEN, LOOK_EVERY, listen=True), name="runs"),
                    asyncio.create_task(self._keep_at(self._timers, 4, TIMERS_EVERY), name="timers"),
                ]
                for why, names in self._lanes.items():
                    work.append(asyncio.create_task(self._keep_at(names, PLACES[why], LOOKS[why]), name=why))
                alive = asyncio.create_task(self._say_so(), name="alive")
                besides = [asyncio.create_task(self._look_into_ledgers(), name="ledgers")]
                if self._front is not None:
                    besides.append(asyncio.create_task(self._take_hooks(self._front), name="hooks"))
                await self._until_done(work, alive)
                for task in (alive, *besides):
                    task.cancel()
                await asyncio.gather(alive, *besides, return_exceptions=True)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._say("stopped"), 2)
                    await asyncio.wait_for(self._visit_ledgers(last=True), 5)
        finally:
            if self._front is not None:
                await asyncio.to_thread(self._front.close)
            await asyncio.wait([asyncio.wrap_future(in_a_thread(self.clients.close))], timeout=FOLDERS)
            await asyncio.to_thread(self._room.end)
            self._desk.close()

    def _asked_to_stop(self) -> None:
        self._stops += 1
        if self._stops == 1:
            log.info("draining", running=[f"{c}/{j}" for c, j, _ in self._room.under_way()], seconds=self.drain)
        self._gate.shut()
        self._room.begin_no_more()
        for worker in self._workers:
            worker.stop()  # type: ignore[no-untyped-call]  # the library's own
        self._stopping.set()
        if self._stops > 1:
            self._cut_off()

    def _place_freed(self) -> None:
        """From the room's thread."""
        with contextlib.suppress(RuntimeError):  # the loop is over
            self._loop.call_soon_threadsafe(self._gate.freed)

    def _cut_off(self) -> None:
        self._queue.connector.give_up()
        self._loop.set_exception_handler(_unheard)
        self._room.cut_off()

    async def _until_done(self, work: list[asyncio.Task[None]], alive: asyncio.Task[None]) -> None:
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait([stopping, *work, alive], return_when=asyncio.FIRST_COMPLETED)
        if alive.done():
            alive.result()  # it never ends by itself: this raises what went wrong
        stopping.cancel()
        done, pending = await asyncio.wait(work, timeout=self.drain)
        if pending:
            self._cut_off()
            # what was cut off is put back for others; a queue that is away learns of it by our silence
            _done, pending = await asyncio.wait(pending, timeout=15)
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
        for task in done:
            task.result()

    async def _keep_at(self, queues: Names, concurrency: int, every: float, *, listen: bool = False) -> None:
        """Take jobs from these queues; begin anew when Procrastinate's worker ends though nobody stopped it.

        ``listen``: hear of what is asked for, besides looking ``every`` so many seconds.
        """
        from procrastinate.exceptions import ConnectorException
        from procrastinate.worker import Worker

        while not self._stopping.is_set():
            worker = Worker(
                self._queue.app,
                queues=queues,
                name=self.owner,
                concurrency=concurrency,
                fetch_job_polling_interval=every,
                abort_job_polling_interval=60.0,
                delete_jobs="always",
                install_signal_handlers=False,
                listen_notify=listen,  # a timer that is set is not due yet, and notices may wait for a second
                update_heartbeat_interval=self.silence / 3,
                stalled_worker_timeout=self.silence,
            )
            self._workers.append(worker)
            what = f"begins_anew {id(queues)}"
            works = self._loop.call_later(CALM, self._repeats.well, log, "begins_anew", what)
            try:
                try:
                    await worker.run()  # type: ignore[no-untyped-call]  # the same
                finally:
                    works.cancel()
            except ConnectorException as error:  # as when it was taken for dead, and its name was struck off
                if (met := self._repeats.met(what, error)) is not None:
                    log.warning("begins_anew", error=str(error.__cause__ or error).strip(), times=met.times)
                await asyncio.sleep(1)
            except Exception as error:  # noqa: BLE001 - nothing that a job does may end it
                self._repeats.tell(log, "begins_anew", error, what)
                await asyncio.sleep(AFTER_FAULT)
            finally:
                self._workers.remove(worker)

    def _choose_queues(self) -> None:
        names = list(self.clients.served)
        self._chosen = frozenset(names)
        self._runs.choose(queue_of(name) for name in names)
        self._timers.choose(queue_of(name, timers=True) for name in names)
        for why, lane in self._lanes.items():
            lane.choose(queue_of(name, why) for name in names)

    # --- jobs ----------------------------------------------------------------------------------------------------

    def _add_tasks(self) -> None:
        app = self._queue.app
        app.task(name=RUN, pass_context=True, retry=_again(self._clock))(self._run)
        app.task(name=TIMER, pass_context=True, retry=_again(self._clock))(self._timer)
        keep = app.task(name=KEEP, queue=KEEPERS, queueing_lock=KEEP)(self._keep)
        app.periodic(cron="* * * * * */5")(keep)  # the sixth field: every five seconds

    async def _run(self, context: JobContext, /, **given: Any) -> None:
        ask = read_ask(given)
        if context.job.queue == queue_of(ask.client):
            self._gate.arrived()  # nothing else has its turn before it is submitted, or turns out to be no run
        member = self._member(ask)
        assert context.job.id is not None
        self._mine.add(context.job.id)
        try:
            if ask.why in LANES and context.job.queue != queue_of(ask.client, ask.why):
                await self._queue.ask(ask)  # an older worker asked for it among the runs
                return
            again, clock = context.job.attempts > 0, self._clock.reading
            order = FleetOrder(
                0, ask.job, ask.why, None, ask.by, load=member.load, again=again, tries=ask.tries, clock=clock
            )
            answer = await asyncio.wrap_future(self._room.submit(order, member.config))
            if isinstance(answer, Broken) and answer.state == "interrupted" and self._stopping.is_set():
                raise PutBack(ask.once)
            assert isinstance(answer, (Broken, FleetEnded))
            failed = isinstance(answer, Broken) or answer.state == "failed"
            self._ended["failed" if failed else "done"] += 1
            if ask.why in EVERY:
                await self._cared_for(member, ask, answer)
            elif ask.why != "tell":
                await self._afterwards(member, ask, answer)
        finally:
            self._mine.discard(context.job.id)

    def _member(self, ask: Ask) -> Member:
        member = self.clients.served.get(ask.client)
        if member is None:  # its folder went while the job was on its way to us
            log.error("client_not_here", client=ask.client, job=ask.job)
            raise PutBack(ask.once)
        return member

    async def _afterwards(self, member: Member, ask: Ask, answer: FleetEnded | Broken) -> None:
        """Set the timers of what comes next, before the run is over for the queue."""
        spec = member.config.jobs.get(ask.job)
        if spec is None:
            return
        queue, now = self._queue, self._clock.now()
        planned = replace(ask, why="plan", by="", tries=0, pause=0.0, schedule=schedule_print(spec))
        look = replace(planned, why="watch")
        if isinstance(answer, Broken):
            if spec.enabled:
                wait = AFTER_BREAK
                if answer.finding.code == "ledger":  # each run that waits for it in vain holds a place
                    wait = min(AFTER_BREAK * 2.0 ** min(ask.tries, 10), LONGEST_AWAY)
                    planned = replace(planned, tries=ask.tries + 1)
                await queue.set_timer(planned, now + timedelta(seconds=wait), again=True)
                if (seconds := made_up_for(answer, ask.tries)) is not None:
                    later = replace(look, why="retry", tries=ask.tries + 1)
                    await queue.set_timer(later, now + timedelta(seconds=seconds), again=True)
                if spec.watch:
                    await queue.set_timer(look, now + poll_every(spec))
            return
        if answer.more:  # its slice was over: behind those who have waited meanwhile
            await queue.ask(replace(look, why="retry"))
        if answer.due:
            await queue.ask(planned)
        elif answer.following is not None:
            await queue.set_timer(planned, answer.following, again=True)
        again = answer.again_in
        if again is not None and (spec.watch or answer.state in ("failed", "skipped")):
            tries = ask.tries + 1 if answer.state == "skipped" else 0
            why = "watch" if spec.watch else "retry"
            later = replace(look, why=why, tries=tries, pause=again)
            await queue.set_timer(later, now + timedelta(seconds=again), again=True)
        elif spec.watch and spec.enabled:
            await queue.set_timer(look, now + poll_every(spec))
        if answer.wake_in is not None:
            await queue.set_timer(
                replace(look, why="wake"), now + timedelta(seconds=max(answer.wake_in, 0)), again=True
            )
        if answer.state != "idle":
            await self._tell(member, answer)

    async def _tell(self, member: Member, answer: FleetEnded) -> None:
        if answer.notices and member.tells:
            await self._queue.ask(Ask(member.config.client, "", "tell"))

    async def _cared_for(self, member: Member, ask: Ask, answer: FleetEnded | Broken) -> None:
        """When it is looked after next, before this look is over for the queue."""
        now = self._clock.now()
        hung = isinstance(answer, Broken) and answer.state == "timed_out"
        tries = ask.tries + 1 if hung else 0
        at = now + timedelta(seconds=following(ask.why, tries))
        if isinstance(answer, FleetEnded) and answer.following is not None:
            at = max(at, answer.following)
        if ask.why in member.cares:  # else its config was edited
            await self._queue.set_timer(replace(ask, by="", tries=tries), at, again=True)
        if isinstance(answer, FleetEnded):
            for job, moment in answer.moments.items():
                await self._queue.set_timer(Ask(ask.client, job, "wake"), max(moment, now), again=True)
            await self._tell(member, answer)

    async def _timer(self, context: JobContext, /, **given: Any) -> None:
        """A moment has come: ask for the run."""
        assert context.job.id is not None
        self._mine.add(context.job.id)
        try:
            ask = read_ask(given)
            self._member(ask)
            await self._queue.ask(ask)
        finally:
            self._mine.discard(context.job.id)

    async def _keep(self, timestamp: int) -> None:
        """Put back what workers that died have left. After the database was away all have been silent for a while."""
        del timestamp
        if time.monotonic() - self._queue.connector.back > self.silence:
            await self._queue.put_back(self.silence)

    # --- signs of life -------------------------------------------------------------------------------------------

    async def _say_so(self) -> None:
        seen_to, changed = float("-inf"), False
        while True:
            try:
                changed = await self._look_at_folders() or changed
            except Exception as error:  # noqa: BLE001 - the other folders' work goes on, and it is looked at again
                self._repeats.tell(log, "folders_not_seen", error)
            else:
                self._repeats.well(log, "folders_not_seen")
            await self._say("draining" if self._stops else "working")
            if self._chosen != frozenset(self.clients.served) or changed:
                self._choose_queues()
            if not self._stops and (changed or time.monotonic() - seen_to > SEEN_TO_EVERY):
                await self._see_to_timers()
                seen_to, changed = time.monotonic(), False
                if self._at_work is not None:
                    log.info("working", clients=len(self.clients.served), concurrency=self.concurrency)
                    self._at_work()
                    self._at_work = None
            await self._look_for_astray()
            await asyncio.sleep(min(self.silence / 3, LOOK_EVERY_LEDGER))

    async def _look_at_folders(self) -> bool:
        """Whether something changed there. Where one hangs, as on a dead share, it is heard of at a later look."""
        if self._folders is None:
            self._folders = asyncio.wrap_future(in_a_thread(self.clients.look))
        done, _ = await asyncio.wait([self._folders], timeout=FOLDERS)
        if not done:
            if not self._folders_hang:
                log.error("folders_silent", folder=str(self.clients.folder), why="what changes there is not seen")
            self._folders_hang = True
            return False
        look, self._folders = self._folders, None
        if self._folders_hang:
            self._folders_hang = False
            log.info("folders_back", folder=str(self.clients.folder))
        return look.result()

    async def _say(self, state: str) -> None:
        clients = await asyncio.wrap_future(in_a_thread(self.clients.said, FOLDERS))
        said, before = {**self._said(), "state": state}, self.clients.settled

        def refuse(heard: list[dict[str, Any]]) -> frozenset[str]:
            self.clients.settled = before  # it may be settled more than once, as after a break
            return self.clients.settle(self._others(heard), clients)

        rows = await self._queue.say(self.owner, said, clients, refuse)
        if (off := is_off(self._clock.ahead)) != self._off:
            self._off = off
            if off:
                log.warning("clock_is_off", seconds_ahead=round(self._clock.ahead, 1), goes_by="the queue's database")
            else:
                log.info("clock_is_right")
        others = self._others(rows)
        compare = in_a_thread(self.clients.compare, others, self._since, self.owner, clients, FOLDERS)
        await asyncio.wrap_future(compare)

    def _others(self, rows: list[dict[str, Any]]) -> list[Other]:
        """The other workers that are alive."""
        return [
            Other(
                str(row["owner"]), str(row["said"].get("since", "")), str(row["said"].get("host", "")), row["clients"]
            )
            for row in rows
            if row["owner"] != self.owner and row["silence"] <= self.silence and row["said"]["state"] != "stopped"
        ]

    async def _look_into_ledgers(self) -> None:
        """Beside the signs of life, which wait for no client's ledger."""
        while True:
            try:
                await self._visit_ledgers()
            except TimeoutError as error:  # the queue does not answer
                self._repeats.tell(log, "asked_later", error)
            except Exception as error:  # noqa: BLE001 - the others are seen to
                self._repeats.tell(log, "ledgers_not_seen", error)
            else:
                self._repeats.well(log, "ledgers_not_seen")
            await asyncio.sleep(min(self.silence / 3, LOOK_EVERY_LEDGER))

    async def _take_hooks(self, front: Front) -> None:
        """The same with the clients' webhooks, whose addresses may have to be told of in their ledgers."""
        while not self._stops:
            try:
                await asyncio.wrap_future(in_a_thread(front.follow, self.clients.served, self._hooked))
            except Exception as error:  # noqa: BLE001 - it is told, and the loop goes on
                self._repeats.tell(log, "hooks_failed", error)
            else:
                self._repeats.well(log, "hooks_failed")
            await asyncio.sleep(min(self.silence / 3, LOOK_EVERY_LEDGER))

    async def _visit_ledgers(self, *, last: bool = False) -> None:
        """Signs of life for each client's own service page; what people ask for; who is served by somebody else."""
        members = self.clients.members
        state = "stopped" if last else "draining" if self._stops else "serving"
        said = {**self._said(), "state": state, "workers": self.concurrency}
        said = {key: value for key, value in said.items() if key not in ("apart", "ended", "folder")}
        configs = [one.config for name, one in members.items() if name not in self.clients.left_alone]
        seen = await asyncio.wrap_future(in_a_thread(self._desk.visit, configs, said, last=last))
        self.clients.leave_to_serve(seen.serving)
        for ask in seen.asked if not self._stops else ():
            if ask.client in self.clients.served and ask.job in members[ask.client].config.jobs:
                await asyncio.wait_for(self._queue.ask(ask), PATIENCE)  # a queue that is away is asked at the next look
                await asyncio.wrap_future(in_a_thread(forget_asked, members[ask.client].config, ask))

    def _said(self) -> dict[str, Any]:
        return {
            "host": platform.node(),
            "pid": os.getpid(),
            "version": __version__,
            "since": self._since,
            "concurrency": self.concurrency,
            "silence": self.silence,
            "ahead": round(self._clock.ahead, 1),
            "folder": str(self.clients.folder),
            "running": [{"client": client, "job": job, "step": step} for client, job, step in self._room.under_way()],
            "ended": self._ended,
            "apart": {name: finding.code for name, finding in self.clients.findings.items()},
        }

    async def _see_to_timers(self) -> None:
        """Every job of every client has its timer, or a run that will set it. Twice is once, by the queue's locks."""
        served = self.clients.served
        waiting = await self._queue.waiting_for(list(served))
        seen = see_to(served, waiting, self._clock.now(), self._well)
        await self._queue.ask_all(seen.missing)
        if seen.astray:
            log.warning("moments_set_right", count=len(seen.astray), why="further away than any schedule has it")
            await self._queue.bring_on(seen.astray)

    def _hooked(self, ask: Ask) -> None:
        """A system says that something has changed. From a thread of the webhooks."""
        if not self._stops:
            asyncio.run_coroutine_threadsafe(self._queue.ask(ask), self._loop)

    async def _look_for_astray(self) -> None:
        """Jobs that the queue believes to be here, and that never arrived, seen so twice."""
        astray: set[int] = set()
        for worker in self._workers:
            if worker.worker_id is not None:
                found = await self._queue.app.job_manager.list_jobs_async(worker_id=worker.worker_id, status="doing")
                astray |= {job.id for job in found if job.id is not None and job.id not in self._mine}
        for job_id in astray & self._astray:
            await self._queue.put_back_one(job_id)
        self._astray = astray


def _unheard(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What nobody waits for any more cannot be told to a queue that is away: others have it when they miss us."""
    from procrastinate.exceptions import ConnectorException

    if not isinstance(context.get("exception"), ConnectorException):
        loop.default_exception_handler(context)


def made_up_for(broken: Broken, tries: int) -> float | None:
    """Seconds after which a run that broke off is made up for; None: at its next time by the schedule.

    Made up for is what was no fault of the run: its ledger was away, or its process died; ``tries`` times in a row.
    """
    if broken.state != "interrupted" and broken.finding.code != "ledger":
        return None
    return min(AFTER_BREAK * 2.0**tries, LONGEST_BREAK) if tries < MADE_UP_FOR else None


class PutBack(Exception):
    """Another worker is to have this job, or this one later."""


def _again(clock: FleetClock) -> Any:
    """Puts back what is to be put back; a job that failed is not begun anew by the queue: its timers see to it."""
    from procrastinate import BaseRetryStrategy, RetryDecision

    class Again(BaseRetryStrategy):
        def get_retry_decision(self, *, exception: BaseException, job: Any) -> RetryDecision | None:
            del job
            return RetryDecision(retry_at=clock.now()) if isinstance(exception, PutBack) else None

    return Again()
