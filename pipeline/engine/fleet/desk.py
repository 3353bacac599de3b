"""What a worker tells the ledgers of its clients, and what people ask for there.

Each worker is a service at work on its clients: its signs of life lie in their ledgers as those of a single service do,
so that ``mistok status``, the page and the metrics show it. What somebody asks for on the page is asked of the queue.
Clients that share a ledger database are seen to in one transaction.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects.postgresql import ARRAY

from pipeline.clock import SystemClock
from pipeline.config.model import ClientConfig
from pipeline.engine import asking, history
from pipeline.engine.fleet import queue, signs, standing
from pipeline.engine.fleet.queue import Ask
from pipeline.engine.sidebyside import in_a_thread, side_by_side
from pipeline.engine.supervisor import LEASE as SERVE
from pipeline.errors import MistokError
from pipeline.ledger import tables as t
from pipeline.ledger.hasty import FIRST, LONGEST, QuickLedger
from pipeline.ledger.store import Ledger
from pipeline.repeats import Repeats, in_short

log = structlog.get_logger("mistok.worker")

#: Seconds between two looks at what people ask for: where the ledger is a server, and where it is a file.
LOOK_EVERY, LOOK_AT_FILES_EVERY = 3.0, 15.0
#: Seconds between two signs of life; after a minute of silence a service is not called alive.
BEAT_EVERY = 20.0
#: Seconds that the queue may take to tell what is said of it to each client; at the worker's end even less.
QUEUE_PATIENCE, QUEUE_LAST = 5.0, 1.0
#: Ledger servers that are kept open between two looks; of more, each is opened anew.
_KEPT_OPEN = 8
#: So many ledgers are looked into side by side; one that takes longer than so many seconds is waited for no more, at
#: the worker's end even less.
AT_ONCE, PATIENCE, LAST = 4, 5.0, 3.0


@dataclass(frozen=True, slots=True)
class _Trouble:
    """A ledger that could not be used: for how many seconds it is left alone, and until when."""

    wait: float
    until: float


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look at the ledgers found: what people ask for, and clients whose ``mistok serve`` is at work."""

    asked: tuple[Ask, ...] = ()
    serving: frozenset[str] = frozenset()


#: How the queue stands, and by client and job when the schedule wants it next.
_QueueSeen = tuple[standing.FleetState, dict[str, dict[str, str]]]


@dataclass
class Desk:
    """The worker's door to its clients' ledgers. Visited by one thread at a time."""

    owner: str
    url: str  #: of the queue
    _open: dict[str, Ledger] = field(default_factory=dict)
    _beaten: float = float("-inf")
    _files_at: float = float("-inf")
    _serving: dict[str, frozenset[str]] = field(default_factory=dict)  #: by ledger
    _away: dict[str, _Trouble] = field(default_factory=dict)  #: by ledger
    _under_way: set[str] = field(default_factory=set)  #: ledgers that are looked into now, maybe since long ago
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _heard: signs.Heard = field(default_factory=signs.Heard)
    _repeats: Repeats = field(default_factory=Repeats)
    _queue_seen: Future[_QueueSeen] | None = None  #: a look at the queue that is under way, maybe since long ago

    def visit(self, configs: Sequence[ClientConfig], said: Mapping[str, Any], *, last: bool = False) -> Seen:
        """Look into all ledgers, and give a sign of life when it is time (``last``: it is the last one). Never raises:
        a ledger that does not answer is told in the log and left alone for a while; it holds up no other.
        """
        now = time.monotonic()
        beat = last or now - self._beaten >= BEAT_EVERY
        files = beat or now - self._files_at >= LOOK_AT_FILES_EVERY
        groups: dict[str, list[ClientConfig]] = {}
        for config in configs:
            url = config.ledger.url
            file = url.startswith("sqlite")
            if files or not file:
                groups.setdefault(f"{config.base} {url}" if file else url, []).append(config)
        values = self._values(said, QUEUE_LAST if last else QUEUE_PATIENCE) if beat else {}
        if beat:
            self._beaten = now
        if files:
            self._files_at = now
        with self._lock:
            away = self._under_way | {key for key, trouble in self._away.items() if trouble.until > now}
        keys = sorted(groups.keys() - away, key=lambda key: key in self._away)  # those that answered go first
        answers = side_by_side(
            keys, lambda key: self._one(key, groups[key], values), at_once=AT_ONCE, seconds=LAST if last else PATIENCE
        )
        asked: list[Ask] = []
        for key, answer in answers.items():
            found = answer.result()  # it raises nothing
            if found is not None:
                asked += found.asked
                self._serving[key] = found.serving
        serving = frozenset(name for key, names in self._serving.items() for name in names)
        return Seen(tuple(asked), serving & {config.client for config in configs})

    def close(self) -> None:
        """Let go of the ledgers."""
        with self._lock:
            ledgers = list(self._open.values())
            self._open.clear()
        for ledger in ledgers:
            ledger.close()

    def _values(self, said: Mapping[str, Any], seconds: float) -> dict[str, dict[str, Any]]:
        """What is said to each client beside what is said to all: its part of the queue, if that is known in time."""
        if self._queue_seen is not None and not self._queue_seen.done():
            return {"": dict(said)}
        self._queue_seen = in_a_thread(self._look_at_queue)
        try:
            state, following = self._queue_seen.result(seconds)
        except (TimeoutError, MistokError) as error:  # it is away
            if (met := self._repeats.met("queue_not_seen", error)) is not None:
                words = in_short(error) if isinstance(error, MistokError) else f"no answer in {seconds:g} seconds"
                log.warning("queue_not_seen", error=words, times=met.times)
            return {"": dict(said)}
        except Exception as error:  # noqa: BLE001 - the ledgers are looked into all the same
            self._repeats.tell(log, "queue_not_seen", error)
            return {"": dict(said)}
        self._repeats.well(log, "queue_not_seen")
        found = {"": dict(said)}
        for name, one in state.clients.items():
            numbers = {"waiting": one.waiting, "running": one.running, "workers": one.workers, "oldest": one.oldest}
            found[name] = {**said, "queue": numbers, "next": following.get(name, {})}
        return found

    def _look_at_queue(self) -> _QueueSeen:
        return standing.look(self.url, heard=self._heard), _following(self.url)

    def _one(self, key: str, configs: Sequence[ClientConfig], values: Mapping[str, Mapping[str, Any]]) -> Seen | None:
        """One ledger. None: it does not answer, which is told (see :mod:`pipeline.repeats`)."""
        with self._lock:
            self._under_way.add(key)
        names = [config.client for config in configs][:5]
        try:
            found = self._look_into(key, configs, values)
        except MistokError as error:
            self._failed(key)
            self._repeats.tell(log, "ledger_failed", error, key, clients=names, code=error.code)
        except Exception as error:  # noqa: BLE001 - it is the affair of that client
            self._failed(key)
            self._repeats.tell(log, "ledger_failed", error, key, clients=names)
        else:
            if self._away.pop(key, None) is not None:
                log.info("ledger_back", clients=names, times=self._repeats.over(key))
            return found
        finally:
            with self._lock:
                self._under_way.discard(key)
        return None

    def _look_into(self, key: str, configs: Sequence[ClientConfig], values: Mapping[str, Mapping[str, Any]]) -> Seen:
        ledger = self._open.get(key)
        if ledger is not None:
            return _look(ledger, self.owner, configs, values)
        first = configs[0]
        ledger = QuickLedger(first.ledger.url, client=first.client, base=first.base, clock=SystemClock())
        with ExitStack() as opened:
            opened.callback(ledger.close)
            found = _look(ledger, self.owner, configs, values)
            with self._lock:
                if ledger.path is None and len(self._open) < _KEPT_OPEN:
                    self._open[key] = ledger
                    opened.pop_all()
        return found

    def _failed(self, key: str) -> None:
        """Leave it alone for a while, ever longer."""
        before = self._away.get(key)
        wait = min(before.wait * 2, LONGEST) if before is not None else FIRST
        self._away[key] = _Trouble(wait, time.monotonic() + wait)


def _look(ledger: Ledger, owner: str, configs: Sequence[ClientConfig], values: Mapping[str, Mapping[str, Any]]) -> Seen:
    names = [config.client for config in configs]
    v, lease = t.values.c, t.leases.c
    with ledger.read() as conn:
        now = ledger.database_now(conn)
        query = sa.select(v.client, v.name, v.value).where(v.kind == asking.NOW, _one_of(v.client, names, conn))
        asked = tuple(Ask(row.client, row.name, "person", by=str(row.value["by"])) for row in conn.execute(query))
        held = sa.select(lease.client).where(lease.name == SERVE, _one_of(lease.client, names, conn), lease.until > now)
        serving = frozenset(conn.execute(held.where(lease.owner != "")).scalars())
    if values:
        with ledger.begin() as conn:
            _beat(ledger, conn, owner, configs, values)
    return Seen(asked, serving)


def _one_of(column: sa.ColumnElement[str], names: list[str], conn: sa.Connection) -> sa.ColumnElement[bool]:
    """That it is one of these: of thousands, PostgreSQL is sent one list and not a parameter for each."""
    if conn.dialect.name == "postgresql":
        return column == sa.any_(sa.cast(names, ARRAY(sa.Text)))
    return column.in_(names)


def _beat(
    ledger: Ledger,
    conn: sa.Connection,
    owner: str,
    configs: Iterable[ClientConfig],
    values: Mapping[str, Mapping[str, Any]],
) -> None:
    now, rows = ledger.database_now(conn), []
    for config in configs:
        said = dict(values.get(config.client, values[""]))
        running = {
            one["job"]: {"since": None, "step": one["step"]}
            for one in said["running"]
            if one["client"] == config.client
        }
        own = {"config": str(config.source), "config_hash": config.config_hash, "running": running}
        row = {
            "client": config.client,
            "kind": history.BEATS,
            "name": owner,
            "value": {**said, **own, "at": now.isoformat()},
            "updated": ledger.clock.now(),
        }
        rows.append(row)
    ledger.upsert_many(conn, t.values, rows, keys=("client", "kind", "name"))


def forget_asked(config: ClientConfig, ask: Ask) -> None:
    """It is in the queue now. A ledger that does not answer keeps it: then it is asked for once more, and runs once."""
    try:
        ledger = QuickLedger(config.ledger.url, client=config.client, base=config.base, clock=SystemClock())
        try:
            asking.taken(ledger, ask.job)
        finally:
            ledger.close()
    except MistokError as error:
        log.warning("asked_again", client=ask.client, job=ask.job, error=error.text.render("en"))


def _following(url: str) -> dict[str, dict[str, str]]:
    """By client and job, when the schedule wants it next (ISO, UTC)."""
    found: dict[str, dict[str, str]] = {}
    with queue.connect(url) as conn, queue.answering():
        rows = conn.execute(
            "SELECT args->>'client' AS client, args->>'job' AS job, scheduled_at FROM procrastinate_jobs "
            "WHERE task_name = %s AND status = 'todo' AND args->>'why' = 'plan' AND scheduled_at IS NOT NULL",
            [queue.TIMER],
        )
        for row in rows:
            found.setdefault(row["client"], {})[row["job"]] = row["scheduled_at"].isoformat()
    return found
