"""The service of many clients: one loop, one bounded pool of workers, and nothing of one client in another's way.

Each client has its own supervisor, ledger, schedule and right to be at work, as if it had a service of its own; what is
shared is the loop that calls them, the places for runs (:mod:`pipeline.engine.slots`) and the process that workers are
forked off (:mod:`pipeline.engine.nursery`). A client whose config is wrong, whose ledger does not answer or whose part
of the service fails is told of, and tried again; the others do not notice.
"""

from __future__ import annotations

import heapq
import os
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path
from secrets import token_hex
from typing import Any

import structlog

from pipeline.alerts.deliverer import Deliverer
from pipeline.config.clients import (
    ENVIRONMENT,
    TWIN,
    Found,
    Roster,
    own_environment,
    without_twins,
)
from pipeline.config.masking import mask
from pipeline.engine.calling import servers_of
from pipeline.engine.clientread import AT_ONCE, Read, Reading, has_own
from pipeline.engine.configwatch import ConfigWatch, Turns
from pipeline.engine.history import record_config
from pipeline.engine.inotify import inotify, shared_watch
from pipeline.engine.members import FIRST_AGAIN, LAST_AGAIN, Hint, Member, is_gone, stamp
from pipeline.engine.nursery import ClientPool, Left, Nursery, boot_of, has_left
from pipeline.engine.openfiles import LEDGERS_OPEN, ledgers_open, more_files
from pipeline.engine.runtime import Client
from pipeline.engine.slots import Lane, Slots
from pipeline.engine.supervisor import Supervisor
from pipeline.engine.tell import escalator, open_channels
from pipeline.engine.tellers import Tellers
from pipeline.engine.waking import STOPPING, Pace, Waker, calls_on
from pipeline.engine.worker import Boot
from pipeline.errors import Finding, MistokError, Transient
from pipeline.ledger.hasty import HastyLedger
from pipeline.registry import Registry, load_registry
from pipeline.repeats import Repeats
from pipeline.texts import hiding

log = structlog.get_logger("mistok.serve")

#: The longest sleep of the loop, and how often it looks for clients that came or went (seconds).
LONGEST_WAIT, LOOK_EVERY = 0.5, 2.0
#: For so long (seconds) clients are opened in one go, before those that are open have their turns.
OPENING = 0.1
#: A client that was served for so many seconds since its part failed is well again.
CALM = 60.0
#: What is said of a client whose folder was taken away while it was served.
FOLDER_GONE = "its folder is gone"
#: Seconds that a run has before it makes room, when it can.
SLICE = 3.0


@dataclass
class House:
    """The service of the clients in ``folder``.

    Args:
        workers: how many runs there are at once (see ``Slots``); None: by the machine's cores.
        waiting: how many more that only wait for a server; None: by ``workers``.
        each: how many of them one client may have at once.
        drain: seconds that running steps are given after a stop was asked for.
        opened: called for each client that is at work, or is not (``findings``).
        begun: called once, when every client of the folder was opened or told of.
        boot: how a client's workers start (the real way by default; tests hand in their own runner).
    """

    folder: Path
    workers: int | None = None
    each: int = 1
    waiting: int | None = None
    slice: float = SLICE
    drain: float = 20.0
    environ: Mapping[str, str] | None = None
    opened: Callable[[Member], None] = lambda _member: None
    begun: Callable[[], None] = lambda: None
    boot: Callable[[Read], Boot] | None = None
    members: dict[Path, Member] = field(default_factory=dict)
    _stops: int = 0
    _reread: bool = False

    def __post_init__(self) -> None:
        cores = os.cpu_count() or 1
        self.slots = Slots(self.workers or min(max(4, 2 * cores), 32), self.each, room=self.waiting)
        self._waker = Waker()
        self._nursery = Nursery()
        self._heap: list[tuple[float, int, Member]] = []
        self._pushed = 0
        self._leaving: list[Left] = []
        self._open_ledgers: OrderedDict[Path, Member] = OrderedDict()
        self._ledgers_open = LEDGERS_OPEN
        self._tellers = Tellers(self._channel_failed)
        self._hinted: deque[Member] = deque()  #: by other threads, too
        self._to_open: list[Member] = []
        self._to_read: deque[Member] = deque()  #: those with plugins of their own, which are read apart, some at once
        self._under_way: list[Member] = []
        self._turns = Turns(AT_ONCE)
        self._look_at = 0.0
        self._twins_again = False  #: whether who was told to be a twin may be none by now
        self._said_begun = False
        self._pace = Pace()
        self._repeats = Repeats()

    # --- from other threads and from signals ---------------------------------------------------------------------

    def stop(self) -> None:
        """Begin no more runs and drain; asked a second time, end at once. Safe from threads and signal handlers."""
        self._stops += 1
        self._waker.wake()

    def reread(self) -> None:
        """Look at every config and folder now."""
        self._reread = True
        self._waker.wake()

    @contextmanager
    def signals(self) -> Iterator[None]:
        """Ctrl-C, SIGTERM and Windows' Ctrl-Break stop the service while this lasts; SIGHUP: see :meth:`reread`."""
        with calls_on(STOPPING, self.stop), calls_on(("SIGHUP",), self.reread):
            yield

    # --- the loop ------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Serve until :meth:`stop`. Raises ConfigError when the folder has no client at all."""
        self._ledgers_open = ledgers_open(more_files())
        self._nursery.open(self._waker.wake)
        self._registry: Registry = load_registry()
        self._inotify = inotify()
        self._roster = Roster(self.folder, edits=False)
        try:
            self._take_in()
            while not self._done():
                self._round()
                self._sleep()
        finally:
            for member in list(self.members.values()):
                self._shut(member)
            self._tellers.close()
            if self._inotify is not None:
                self._inotify.close()

    def _done(self) -> bool:
        return bool(self._stops) and all(member.supervisor is None for member in self.members.values())

    def _round(self) -> None:
        now = time.monotonic()
        if self._stops:
            self._stop_all()
        else:
            self._look(now)
            self._open_some(now + OPENING)
        for member in self._whose_turn(now):
            self._turn(member)
        self._share()
        self._clear()
        self._next_news = self._tellers.tick()

    def _sleep(self) -> None:
        now = time.monotonic()
        waits = [LONGEST_WAIT, self._next_news]
        if self._heap:
            waits.append(self._heap[0][0] - now)
        if self._to_open and not self._stops:
            waits.append(0.0)
        if (moment := self.slots.next_moment(now)) is not None:
            waits.append(moment)
        if self._leaving:
            waits.append(0.1)
        whose: dict[Any, Member] = {}
        for member in self.members.values():
            if member.pool is not None and member.pool.workers:
                whose |= dict.fromkeys(member.pool.waitables(), member)
            if member.reading is not None and (one := member.reading.waitable) is not None:
                whose[one] = member
        watched = [self._inotify.fileno()] if self._inotify is not None else []
        sentinels = [left.worker.process.sentinel for left in self._leaving]
        ready = wait([self._waker.waitable, *watched, *whose, *sentinels], max(min(waits), 0.0))
        self._waker.heard()
        for thing in ready:
            if self._inotify is not None and thing == self._inotify.fileno():
                self._inotify.read()
            elif (found := whose.get(thing)) is not None:
                self._plan(found, 0.0)

    # --- turns ---------------------------------------------------------------------------------------------------

    def _plan(self, member: Member, moment: float) -> None:
        member.next = moment
        self._pushed += 1
        heapq.heappush(self._heap, (moment, self._pushed, member))

    def _whose_turn(self, now: float) -> list[Member]:
        found: dict[Member, None] = {}
        while self._hinted:
            found[self._hinted.popleft()] = None
        while self._heap and self._heap[0][0] <= now:
            moment, _, member = heapq.heappop(self._heap)
            if moment == member.next:  # else it was planned anew since
                found[member] = None
        return list(found)

    def _turn(self, member: Member) -> None:
        supervisor, pool = member.supervisor, member.pool
        if member.reading is not None:
            self._read(member)
            return
        if supervisor is None or pool is None:
            return
        with self._guarded(member):
            supervisor.turn()
            pool.settle()
            self._plan(member, time.monotonic() + supervisor.idle())
            self._hold(member)
            if member.failed is not None and time.monotonic() - member.failed > CALM:
                member.failed = None
                self._repeats.well(log, "client_failed", member.name)
            if supervisor.done:
                self._ended(member)

    def _ended(self, member: Member) -> None:
        self._shut(member)
        if member.going:
            del self.members[member.folder]
            self._look_at, self._twins_again = 0.0, True
            log.info("client_gone", client=member.name, folder=str(member.folder))
        elif not self._stops:  # edited; or its folder went, and came back before its runs had ended
            self._to_open.append(member)
            member.read = None

    @contextmanager
    def _guarded(self, member: Member) -> Iterator[None]:
        """Whatever happens here is the affair of one client, and is logged with its name and without its secrets."""
        secrets = member.read.found.config.secrets if member.read and member.read.found.config else frozenset()
        with structlog.contextvars.bound_contextvars(client=member.name), hiding(lambda words: mask(words, secrets)):
            try:
                yield
            except MistokError as error:
                self._failed(member, error, error.findings)
            except Exception as error:  # noqa: BLE001 - it is the affair of one client
                if is_gone(member):  # which is no fault of the program's; the next look takes it off
                    self._shut(member)
                    self._look_at = member.again_at = 0.0
                    log.warning("client_failed", error=FOLDER_GONE)
                    return
                from pipeline.engine.endings import unexpected  # it loads much

                reference = token_hex(4)
                if self._repeats.tell(
                    log, "client_failed", error, member.name, reference=reference, again_in=member.again_in
                ):
                    member.reference = reference
                self._failed(member, None, (unexpected("mistok", error, member.reference),))

    def _failed(self, member: Member, error: MistokError | None, findings: tuple[Finding, ...]) -> None:
        """Shut this client's part, and try again later. ``error``: what is not told of yet."""
        member.findings, member.failed = findings, time.monotonic()
        self._shut(member)
        member.again_at = time.monotonic() + member.again_in
        if error is not None:
            self._repeats.tell(log, "client_not_served", error, member.name, again_in=member.again_in)
        member.again_in = min(member.again_in * 2, LAST_AGAIN)
        self.opened(member)

    def _channel_failed(self, client: str, error: BaseException) -> None:
        self._repeats.tell(log, "channel_failed", error, f"channel {client}", client=client)

    def _hold(self, member: Member) -> None:
        """Its ledger was used; of files, the ones that were used longest ago are closed."""
        if member.client is None or member.client.ledger.path is None:
            return
        self._open_ledgers[member.folder] = member
        self._open_ledgers.move_to_end(member.folder)
        while len(self._open_ledgers) > self._ledgers_open:
            _, oldest = self._open_ledgers.popitem(last=False)
            if oldest.client is not None:
                oldest.client.ledger.close()  # it opens again by itself

    # --- sharing -------------------------------------------------------------------------------------------------

    def _share(self) -> None:
        if not self._nursery.ready:
            return
        names = {member.pool.name: member for member in self.members.values() if member.pool is not None}
        now = time.monotonic()
        for held in self.slots.to_look_at(now):
            found = names.get(held.client)
            if found is None or found.pool is None or not found.pool.look(held, now):
                self.slots.look(held, now, None)
        while (place := self.slots.give(time.monotonic())) is not None:
            member = names.get(place.client)
            if member is None or member.pool is None:
                self.slots.drop(place.client)
                continue
            try:
                member.pool.turn(place)
            except OSError as error:  # no memory, no process left: not this client's fault
                self._repeats.tell(log, "no_worker", error)
                member.pool.settle()
                self.slots.back(place, time.monotonic(), well=None)
                break
            self._repeats.well(log, "no_worker")
            self._plan(member, 0.0)

    def _clear(self) -> None:
        """Let workers go whose room is needed, or whom nobody needs."""
        pools = [member.pool for member in self.members.values() if member.pool is not None and member.pool.workers]
        alive = sum(len(pool.workers) for pool in pools)
        idle = sorted(
            ((since, id(worker), pool, worker) for pool in pools for since, worker in pool.idle()),
            key=lambda one: one[:2],
        )
        while idle and alive > self.slots.size + self.slots.spares + self.slots.taken(Lane.WAITING):
            *_, pool, worker = idle.pop(0)
            pool.let_go(worker)
            alive -= 1
        self._leaving[:] = [left for left in self._leaving if not has_left(left)]

    # --- clients that come and go --------------------------------------------------------------------------------

    def _take_in(self) -> None:
        """All that are there at the start: read first, so that twins are known before any of them works."""
        for folder in self._roster.folders:
            self.members[folder] = Member(folder)
        for member in self.members.values():
            with self._guarded(member):
                if has_own(member.folder):
                    self._wait_to_be_read(member)
                    continue
                member.reading = Reading(member.folder, self._nursery.how, self.environ)
                if (result := member.reading.result()) is not None:
                    member.read, member.reading = result, None
                    member.as_read = result.found
        read = [member.read.found for member in self.members.values() if member.read is not None]
        for found in without_twins(read):
            member = self.members[found.folder]
            if found.config is None and member.read is not None:
                member.read = Read(found)
        self._set_pace()
        self._to_open = [member for member in self.members.values() if member.read is not None]
        log.info("opening", clients=len(self.members), workers=self.slots.size, spare=self.slots.spare)

    def _set_pace(self) -> None:
        """The more clients there are, the more seldom each one is looked after without a reason."""
        many = len(self.members)
        beat = min(max(5.0, many / 10), 20.0)
        self._pace = Pace(beat, min(max(1.0, many / 60), 5.0), min(max(LONGEST_WAIT, many / 60), 5.0), self.slice)

    def _look(self, now: float) -> None:
        if self._reread:
            self._look_at = 0.0
        if now < self._look_at:
            return
        self._look_at = now + LOOK_EVERY
        changes = self._roster.look()
        for folder in changes.gone:
            member = self.members[folder]
            member.going = True
            if member.supervisor is None:
                self._ended(member)
            else:
                member.supervisor.stop()
                self._plan(member, 0.0)
        for folder in changes.added:
            self.members.setdefault(folder, Member(folder)).going = False
        if changes:
            self._set_pace()
        self._look_at_twins()
        for member in self.members.values():
            if member.supervisor is not None or member.reading is not None or member.waits or member in self._to_open:
                continue
            if self._reread or now >= member.again_at or (member.stamp and stamp(member.folder) != member.stamp):
                member.read, member.findings = None, ()
                self._to_open.append(member)
        self._reread = False

    def _look_at_twins(self) -> None:
        """Who was a twin is read anew when the other one has gone, or is somebody else by now."""
        if not self._twins_again:
            return
        self._twins_again = False
        for member in self.members.values():
            if member.supervisor is not None or member.as_read is None:
                continue
            told = any(finding.code == TWIN for finding in member.findings)
            if told and self._no_twin(member, Read(member.as_read)).found.config is not None:
                member.again_at = 0.0

    def _open_some(self, until: float) -> None:
        while self._to_open and time.monotonic() < until:
            member = self._to_open.pop(0)
            if member.folder not in self.members:
                continue
            with self._guarded(member):
                if member.read is not None:
                    self._open(member, member.read)
                elif has_own(member.folder):
                    self._wait_to_be_read(member)
                else:
                    member.reading = Reading(member.folder, self._nursery.how, self.environ)
                    self._read(member)
        self._read_some()
        under_way = self._to_open or self._to_read or any(one.reading for one in self.members.values())
        if not self._said_begun and not under_way:
            self._said_begun = True
            self.begun()

    def _wait_to_be_read(self, member: Member) -> None:
        member.waits = True
        self._to_read.append(member)

    def _read_some(self) -> None:
        """Begin to read those that wait for it, as many as may be under way."""
        self._under_way = [one for one in self._under_way if one.reading is not None]
        while self._to_read and len(self._under_way) < AT_ONCE:
            member = self._to_read.popleft()
            member.waits = False
            if self.members.get(member.folder) is not member or member.reading is not None:
                continue
            with self._guarded(member):
                member.reading = Reading(member.folder, self._nursery.how, self.environ)
                self._under_way.append(member)
                self._read(member)
            self._under_way = [one for one in self._under_way if one.reading is not None]

    def _read(self, member: Member) -> None:
        assert member.reading is not None
        result = member.reading.result()
        if result is None:
            self._plan(member, time.monotonic() + LONGEST_WAIT)
            return
        member.read, member.as_read, member.reading = result, result.found, None
        self._twins_again = True
        with self._guarded(member):
            checked = self._no_twin(member, result)
            if checked.found.config is None and self._no_twin(member, result, with_going=False) is result:
                # its folder has another name now, and what runs under the old one is given its time
                member.again_at = time.monotonic() + LOOK_EVERY
                return
            self._open(member, checked)

    def _no_twin(self, member: Member, read: Read, *, with_going: bool = True) -> Read:
        """Who is at work stays so; the newcomer is told of."""
        others = [
            other
            for other in self.members.values()
            if other is not member and other.as_read is not None and (with_going or not other.going)
        ]
        at_work = {other.folder for other in others if other.supervisor is not None}
        all_read = [other.as_read for other in others if other.as_read is not None]
        found = without_twins([*all_read, read.found], at_work)[-1]
        return read if found.config is not None else Read(found)

    def _open(self, member: Member, read: Read) -> None:
        """Begin to serve a client. Raises MistokError when its ledger cannot be used."""
        found, config = read.found, read.found.config
        member.read, member.findings = read, found.findings
        member.again_at, member.stamp = float("inf"), ()
        if config is None or read.payload is None:
            self._wrong(member)
            return
        if not any(job.enabled for job in config.jobs.values()):
            log.warning("no_jobs", config=str(config.source))
            member.stamp = stamp(member.folder)
            self.opened(member)
            return
        client = Client.open(config, registry=self._registry, kind=HastyLedger)
        with ExitStack() as until_it_works:
            until_it_works.callback(client.close)
            boot = self.boot(read) if self.boot else boot_of(config, read.payload, found.own)
            servers = servers_of(config, own=bool(read.payload[0]))
            pool = ClientPool(config.client, boot, self.slots, self._nursery.how, self._leaving.append, servers)
            supervisor = Supervisor(
                config,
                client.ledger,
                drain=self.drain,
                pool=pool,
                pace=self._pace,
                waker=Hint(self._waker, self._hinted, member),
                watch=lambda job, hint: shared_watch(self._inotify, config, job, hint),
                edits=ConfigWatch(
                    config,
                    environ=lambda: Found(member.folder, own=own_environment(member.folder)).environ(self.environ),
                    more=member.folder / ENVIRONMENT,
                    every=LOOK_EVERY,
                    turns=self._turns,
                ),
            )
            self._tell(client, read)
            with suppress(Transient):
                record_config(client.ledger, str(config.source), ())
            until_it_works.pop_all()
        member.client, member.pool, member.supervisor = client, pool, supervisor
        pool.ended = lambda: self._tellers.nudge(config.client)
        member.again_in = FIRST_AGAIN
        self._plan(member, 0.0)
        self.opened(member)

    def _tell(self, client: Client, read: Read) -> None:
        alerts = client.config.alerts
        deliverer = None
        if not read.tells_itself:
            language = alerts.language or client.config.language
            channels = open_channels(client)
            deliverer = Deliverer(client.ledger, channels, burst=alerts.burst, kinds=alerts.kinds, language=language)
        self._tellers.add(client.config.client, deliverer, escalator(client) if alerts.escalate else None)

    def _wrong(self, member: Member) -> None:
        """Its config is wrong: told with its place, and tried again when it was edited."""
        member.stamp = stamp(member.folder)
        for finding in member.findings:
            place = ":".join(str(part) for part in (finding.where.file, finding.where.line) if part)
            log.error("config_wrong", where=place, error=finding.text.render("en"), instead="this client is not served")
        self.opened(member)

    def _shut(self, member: Member) -> None:
        """End this client's part, whatever state it is in."""
        supervisor, client, pool = member.supervisor, member.client, member.pool
        member.supervisor = member.client = member.pool = None
        member.next = float("inf")
        if member.reading is not None:
            member.reading.close()
            member.reading = None
        self._open_ledgers.pop(member.folder, None)
        if supervisor is not None:
            try:
                supervisor.close()
            except MistokError as error:
                log.error("client_failed", client=member.name, error=error.text.render("en"))
            except Exception:
                if is_gone(member):
                    log.warning("client_failed", client=member.name, error=FOLDER_GONE)
                else:
                    log.exception("client_failed", client=member.name)
        if pool is not None:
            self._tellers.drop(pool.name)
            self.slots.drop(pool.name)
        if client is not None:
            client.close()

    def _stop_all(self) -> None:
        for member in self.members.values():
            if member.supervisor is None:
                continue
            while member.supervisor.stops < self._stops:
                member.supervisor.stop()
            if not member.supervisor.edited:
                continue
            member.supervisor.edited = False
        self._to_open.clear()
        self._to_read.clear()
        for member in list(self.members.values()):
            if member.supervisor is not None and member.next > time.monotonic():
                self._plan(member, 0.0)
