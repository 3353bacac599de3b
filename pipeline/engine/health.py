"""How a client stands, gathered for one screen and for monitoring: services, jobs, connections, inboxes, cards, disks.

Read only, and by whoever can reach the ledger: the service itself need not answer, since it may be what is dead.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pipeline.alerts.claims import NoticeState
from pipeline.archive import Archive
from pipeline.clock import SystemClock
from pipeline.config.model import ClientConfig, JobConfig
from pipeline.config.salvage import names_its_ledger, salvage
from pipeline.engine import backoff, guard, history, quiet, sharing
from pipeline.engine.backoff import Standing
from pipeline.engine.fleet.clock import is_off
from pipeline.engine.history import Beat, LastRun
from pipeline.engine.quiet import Inbox
from pipeline.engine.schedule import next_runs
from pipeline.errors import Finding
from pipeline.ledger import tables as t
from pipeline.ledger.store import Ledger, owner_is_dead
from pipeline.texts import Text

#: A service that is still loading after this is not going to work.
STARTING = timedelta(minutes=2)
#: A job that should have begun this long ago, while a service is at work, is overdue.
OVERDUE = timedelta(minutes=5)
#: Room on a disk is scarce below this many bytes, or this share of a small disk.
SCARCE, SCARCE_SHARE = 500_000_000, 0.05
#: A notice that could not be shown for so long is a trouble of its own.
UNTOLD = timedelta(minutes=15)
#: Services that ended longer ago than this are not shown beside one that is alive.
_FORGOTTEN = timedelta(hours=1)


class Life(StrEnum):
    """What the last sign of life of a service means."""

    ALIVE = "alive"  #: it runs the client's jobs
    STANDBY = "standby"  #: it waits until the one at work is gone
    STARTING = "starting"
    STOPPING = "stopping"
    STOPPED = "stopped"  #: somebody ended it
    STUCK = "stuck"  #: its process is there, and silent
    DEAD = "dead"  #: its process of this machine is gone
    SILENT = "silent"  #: it ran on another machine: dead, stuck or cut off
    NEVER = "never"  #: none was ever started


class Level(StrEnum):
    """How bad it is."""

    WELL = "well"
    TROUBLE = "trouble"  #: somebody is waited for, or something fails
    DOWN = "down"  #: nobody does the work


@dataclass(frozen=True, slots=True)
class Service:
    """One service, by its last sign of life."""

    life: Life
    host: str = ""
    pid: int = 0
    version: str = ""
    since: datetime | None = None
    last: datetime | None = None
    age: timedelta | None = None
    other_config: bool = False  #: it works by another config than the one in the file
    source: str = ""  #: the file of the config that it works by, on its machine
    #: Of one that is a worker beside others: what of the client lies in the queue.
    queue: Mapping[str, Any] | None = None
    ahead: float = 0.0  #: of such a one, seconds by which its clock is ahead of the queue's; below zero: behind

    @property
    def clock_is_off(self) -> bool:
        """Whether it is at work, and its machine's clock has to be set."""
        return self.life is Life.ALIVE and is_off(self.ahead)


@dataclass(frozen=True, slots=True)
class Job:
    """One job: how it went, and when it runs next."""

    name: str
    enabled: bool
    last: LastRun | None
    over: LastRun | None  #: the last one that is over; ``last`` may be under way
    running_since: datetime | None
    over_limit: bool
    due: datetime | None  #: when it runs next; in the past: it is overdue
    overdue: bool
    left_out: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Connection:
    """One server, by what the runs have seen of it."""

    name: str
    type: str
    standing: Standing


@dataclass(frozen=True, slots=True)
class Room:
    """Room on the disk of the ledger or the archive, in bytes."""

    what: str
    path: Path
    free: int
    total: int

    @property
    def scarce(self) -> bool:
        """Whether it is too little."""
        return self.free < min(SCARCE, self.total * SCARCE_SHARE)


@dataclass(frozen=True, slots=True)
class Health:
    """All of it, as of ``at``."""

    at: datetime
    services: tuple[Service, ...]
    jobs: tuple[Job, ...]
    connections: tuple[Connection, ...]
    inboxes: tuple[Inbox, ...]
    cards: Mapping[str, int]  #: open ones, by kind
    untold: int  #: notices that nothing could show so far
    untold_since: datetime | None
    untold_why: Text | None
    rooms: tuple[Room, ...]
    archive: Finding | None  #: copies are not in this machine's archive, but in another one
    config_trouble: Finding | None  #: the config was edited and is wrong: the service goes on with the old one
    last_begun: datetime | None = None  #: of a wrong config, whose jobs nobody knows: when a run began last

    @property
    def down(self) -> bool:
        """Whether nobody does the work that a service should do."""
        working = (Life.ALIVE, Life.STARTING, Life.STANDBY)
        return not any(service.life in working for service in self.services)

    @property
    def queue(self) -> Mapping[str, Any] | None:
        """What of the client lies in the queue of workers (``waiting``, ``running``, ``workers``, ``oldest`` in
        seconds), as the last worker said; None: no workers have it.
        """
        return next((one.queue for one in self.services if one.life is Life.ALIVE and one.queue), None)


def examine(config: ClientConfig, ledger: Ledger, *, max_age: timedelta = history.SILENT) -> Health:
    """How the client stands now. ``max_age``: a service silent for longer is not alive. Raises Transient (ledger)."""
    now = ledger.clock.now()
    services = _services(config, ledger, max_age)
    alive = any(service.life is Life.ALIVE for service in services)
    with ledger.read() as conn:
        cards = _cards(conn, ledger.client)
        # who set up no channel at all reads `mistok notices`, and misses no popup
        untold, since, why = _untold(conn, ledger.client, now) if config.alerts.channels else (0, None, None)
        alarm = ledger.get_value(conn, "alarm", "config") or {}
    return Health(
        now,
        services,
        _jobs(config, ledger, now, alive=alive),
        _connections(config, ledger),
        tuple(quiet.examine(ledger, config, quiet.Habits())),
        cards,
        untold,
        since,
        why,
        rooms(config),
        sharing.missing_here(ledger, Archive(config.path(config.archive.path))),
        Finding.from_json(alarm["finding"]) if alarm.get("finding") else None,
    )


def examine_without_config(
    path: Path, *, max_age: timedelta = history.SILENT, environ: Mapping[str, str] | None = None
) -> tuple[ClientConfig, Health] | None:
    """How the client of a wrong config stands, by what its ledger tells of services, cards and notices.

    ``environ`` is where ``${env:NAME}`` looks. Gives what is left of the config with it; None when the file does not
    say for sure where the ledger is, so that nobody can tell whether a service is at work. Where no ledger is yet, none
    was ever started. Raises ConfigError or Transient when the ledger is there and cannot be used.
    """
    config = salvage(path, environ=environ)
    if config is None:
        return None
    clock = SystemClock()
    if guard.file_missing(config):
        if not names_its_ledger(path):
            return None
        return config, Health(
            clock.now(), (Service(Life.NEVER),), (), (), (), {}, 0, None, None, rooms(config), None, None
        )
    ledger = Ledger(config.ledger.url, client=config.client, base=config.base, clock=clock)
    try:
        # whose service was started with this very file, whatever the file says by now
        if (client := history.client_of(ledger, str(config.source))) is not None and client != config.client:
            ledger.close()
            config = config.model_copy(update={"client": client})
            ledger = Ledger(config.ledger.url, client=client, base=config.base, clock=clock)
        found = replace(examine(config, ledger, max_age=max_age), last_begun=history.last_begun(ledger))
    finally:
        ledger.close()
    never = all(service.life is Life.NEVER for service in found.services)
    return None if never and not names_its_ledger(path) else (config, found)


def scheduled(config: ClientConfig) -> bool:
    """Whether a job is to run by itself."""
    return any(job.enabled and (job.every or job.at or job.cron or job.watch) for job in config.jobs.values())


def level(config: ClientConfig, health: Health) -> Level:
    """The worst of it all."""
    if health.down and scheduled(config):
        return Level.DOWN
    troubles = (
        any(service.life in (Life.STUCK, Life.DEAD, Life.SILENT) for service in health.services),
        any(service.clock_is_off for service in health.services),
        any(_broken(job) for job in health.jobs),
        any(connection.standing.since is not None for connection in health.connections),
        any(inbox.finding is not None for inbox in health.inboxes),
        bool(health.cards),
        health.untold_since is not None and health.at - health.untold_since >= UNTOLD,
        any(room.scarce for room in health.rooms),
        health.archive is not None,
        health.config_trouble is not None,
    )
    return Level.TROUBLE if any(troubles) else Level.WELL


def _broken(job: Job) -> bool:
    failed = job.over is not None and job.over.state in ("failed", "timed_out", "interrupted", "waiting")
    return job.enabled and (failed or job.over_limit or job.overdue)


# --- services ----------------------------------------------------------------------------------------------------


def _services(config: ClientConfig, ledger: Ledger, max_age: timedelta) -> tuple[Service, ...]:
    heard, now = history.beats(ledger)
    # one that starts anew with an edited config has no last word once it speaks again
    heard = [beat for place, beat in enumerate(heard) if not _restarted(beat, heard[:place])]
    found = [_service(config, beat, now, max_age) for beat in heard]
    if not found:
        return (Service(Life.NEVER),)
    there = (Life.ALIVE, Life.STARTING, Life.STANDBY, Life.STOPPING)
    if any(service.life in there for service in found):
        # one that ended orderly, or was replaced, is no news any more
        return tuple(one for one in found if one.life in there or _still_matters(one))
    return tuple(found[:1])


def _restarted(beat: Beat, newer: Sequence[Beat]) -> bool:
    """Whether the same process said something after it had ended to start anew."""
    names = ("host", "pid")
    return beat.value.get("state") == "restarting" and any(
        all(beat.value.get(name) == other.value.get(name) for name in names) for other in newer
    )


def _still_matters(service: Service) -> bool:
    return service.life in (Life.STUCK, Life.SILENT) and service.age is not None and service.age < _FORGOTTEN


def _service(config: ClientConfig, beat: Beat, now: datetime, max_age: timedelta) -> Service:
    value, age = beat.value, max(now - beat.at, timedelta(0))
    said = value.get("state", "serving")
    since = datetime.fromisoformat(value["since"]) if value.get("since") else None
    if said == "stopped" or (said == "restarting" and age > max_age):
        life = Life.STOPPED
    elif owner_is_dead(beat.owner):
        life = Life.DEAD
    elif age > max_age:
        life = Life.STUCK if _is_here(beat.owner) else Life.SILENT
    elif said == "starting":
        life = Life.STUCK if since is not None and now - since > STARTING else Life.STARTING
    elif said == "restarting":
        life = Life.STARTING
    else:
        life = {"standing-by": Life.STANDBY, "draining": Life.STOPPING}.get(said, Life.ALIVE)
    return Service(
        life,
        str(value.get("host", "")),
        int(value.get("pid", 0)),
        str(value.get("version", "")),
        since,
        beat.at,
        age,
        bool(value.get("config_hash")) and value["config_hash"] != config.config_hash,
        str(value.get("config", "")),
        value.get("queue"),
        float(value.get("ahead", 0.0)),
    )


def _is_here(owner: str) -> bool:
    import socket

    return owner.rsplit(":", 3)[0] == socket.gethostname()


# --- the rest ----------------------------------------------------------------------------------------------------


def _jobs(config: ClientConfig, ledger: Ledger, now: datetime, *, alive: bool) -> tuple[Job, ...]:
    last = history.last_runs(ledger, config.jobs)
    # one that fails each time is no better while it is trying once more
    under_way = [name for name, run in last.items() if run.state == "running"]
    over = {**last, **dict.fromkeys(under_way), **history.last_ended(ledger, under_way)}
    slots = history.last_slots(ledger, config.jobs, remember=False)
    left_out = history.skipped(ledger, config.jobs, now - timedelta(days=1))
    return tuple(
        _job(config, name, job, last.get(name), over.get(name), slots[name], left_out.get(name, {}), now, alive=alive)
        for name, job in config.jobs.items()
    )


def _job(
    config: ClientConfig,
    name: str,
    job: JobConfig,
    last: LastRun | None,
    over: LastRun | None,
    slot: datetime | None,
    left_out: Mapping[str, int],
    now: datetime,
    *,
    alive: bool,
) -> Job:
    running = last.started if last is not None and last.state == "running" else None
    limit = job.time_limit * max(len(job.steps), 1) + timedelta(minutes=1)
    due = None
    if job.enabled:
        # counted from what was dealt with last: a time that passed without a run stays visible
        anchor = slot if slot is not None and alive and running is None else now
        coming = next_runs(job, config.zone, min(anchor, now), 1, slot)
        due = coming[0].at if coming else None
    overdue = alive and due is not None and slot is not None and now - due > OVERDUE
    return Job(
        name, job.enabled, last, over, running, running is not None and now - running > limit, due, overdue, left_out
    )


def _connections(config: ClientConfig, ledger: Ledger) -> tuple[Connection, ...]:
    known = backoff.standings(ledger, config.connections)
    return tuple(
        Connection(name, spec.type, known.get(name, Standing()))
        for name, spec in config.connections.items()
        if spec.kind == "transport" and (spec.type != "local" or name in known)
    )


def _cards(conn: sa.Connection, client: str) -> dict[str, int]:
    query = (
        sa.select(t.cards.c.kind, sa.func.count())
        .where(t.cards.c.client == client, t.cards.c.state == "open")
        .group_by(t.cards.c.kind)
        .order_by(t.cards.c.kind)
    )
    return {row[0]: int(row[1]) for row in conn.execute(query)}


def _untold(conn: sa.Connection, client: str, now: datetime) -> tuple[int, datetime | None, Text | None]:
    n = t.notices.c
    late = (n.state == NoticeState.UNDELIVERED) | ((n.state == NoticeState.WAITING) & (n.created < now - UNTOLD))
    oldest = sa.func.min(n.created, type_=t.Moment)
    count, since = conn.execute(sa.select(sa.func.count(), oldest).where(n.client == client, late)).one()
    newest = sa.select(n.why).where(n.client == client, late, n.why.is_not(None)).order_by(n.id.desc()).limit(1)
    why = conn.execute(newest).scalar_one_or_none() if count else None
    return int(count), since, Text.from_json(why) if why else None


def rooms(config: ClientConfig) -> tuple[Room, ...]:
    """Room on the disks of this machine that hold the ledger (when it is a file) and the archive."""
    places: list[tuple[str, Path]] = [("archive", config.path(config.archive.path))]
    file = config.ledger.url.removeprefix("sqlite:///")
    if file != config.ledger.url:
        places.insert(0, ("ledger", config.path(file).parent))
    return tuple(room for what, path in places if (room := _room(what, path)) is not None)


def _room(what: str, path: Path) -> Room | None:
    there = next((place for place in (path, *path.parents) if place.exists()), None)
    if there is None:
        return None
    usage = shutil.disk_usage(there)
    return Room(what, path, usage.free, usage.total)
