"""The queue: Procrastinate's tables in a PostgreSQL database, and beside them which workers are alive.

Two kinds of jobs lie in it. A *run* is to be begun as soon as a worker is free; its ``lock`` is the client, so that one
run of a client is under way at a time, and its ``queueing_lock`` the client, the job and what asks for it, so that none
waits twice. A *timer* waits for its moment (``schedule_at``) and then only asks for a run; it has no lock, since a job
that waits for its moment would hold up all later jobs of the same lock (``procrastinate_fetch_job_v2``). The schedules
of Procrastinate itself know UTC only: the moments are ours.

Each client is a queue of its own, named after it, and its timers are another: a worker listens to those of its clients,
and takes nothing that it could not run. What is no run of a job, such as notices and looking after, is in more of them,
for which a worker has places besides those of the runs: a channel that never answers takes none from an import, and
what takes long takes none from what is quick. Workers of an older Mistok know some of them only, and ask for the rest
among the runs. Jobs are deleted as they end; what came of them is in the
client's ledger.

Delivery is at least once: a worker that falls silent has its jobs put back, and what was done twice is recognised by
the ledger's leases and keys.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from pipeline.engine.fleet import schema, signs
from pipeline.engine.fleet.clock import Asked, FleetClock
from pipeline.errors import ConfigError, Transient
from pipeline.pgsilence import to_connect
from pipeline.sqlstates import passing
from pipeline.texts import T

if TYPE_CHECKING:
    import psycopg

log = structlog.get_logger("mistok.queue")

RUN, TIMER, KEEP = "mistok.run", "mistok.timer", "mistok.keep"
#: The queue of what workers do for each other, such as putting back the jobs of one that died.
KEEPERS = "mistok-keepers"
#: The lock of a database that becomes a queue: one at a time.
_MAKING = 727276
#: The lock of who has which clients: one worker at a time adds to what it has.
_SETTLING = 727277
#: Seconds for which its server may say nothing to one who looks, or asks for a run.
SILENCE = 15.0
#: What is to be done where it does not answer.
_CHECK = T("Check that its PostgreSQL runs and lets this machine in.")
GO_ON = T("Check that its PostgreSQL runs and lets this machine in; workers go on by themselves.")
#: A queue's name is a part of a notification channel, of at most 63 bytes with ``procrastinate_queue_v1#`` before it.
_LONGEST = 34
_TIMERS = ":t"
#: What is no run of a job, by why it is asked for: the end of the name of its queue.
LANES = {"tell": ":n", "care": ":c", "escalate": ":e", "tidy": ":a"}
#: What a person asks for goes before what the clock does. What is no run of a job is behind all runs: those who look
#: for runs need not pass over it, and it is looked for by others.
FIRST, LAST = 1_000_000, -1_000_000_000


@dataclass(frozen=True, slots=True)
class Ask:
    """A run that is asked for. ``why``: ``plan`` (look what the schedule says), ``watch``, ``retry``, ``webhook``,
    ``wake``, ``person``. Without a job: ``tell`` (deliver the notices that wait), and what
    :mod:`pipeline.engine.fleet.care` tells of.
    """

    client: str
    job: str
    why: str
    by: str = ""
    tries: int = 0
    schedule: str = ""  #: of a timer, by which schedule it was set
    pause: float = 0.0  #: of a timer, for how many seconds a server is left alone until then

    @property
    def once(self) -> str:
        """What no two of may wait. What is in a queue that older workers do not know has a name that they do not use:
        nothing in it keeps them from asking for their own.
        """
        return f"{self.client}/{self.job}/{family(self.why)}{LANES.get(self.why, '')}"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A run or a timer that is not over, as it lies in the queue. ``at``: its moment. ``idle``: nobody has it yet."""

    id: int
    timer: bool
    idle: bool
    at: datetime | None
    client: str
    job: str
    why: str
    schedule: str = ""
    pause: float = 0.0


def read_ask(given: Mapping[str, Any]) -> Ask:
    """A run as :func:`arguments` wrote it, also by a newer Mistok that tells more."""
    return Ask(**{name: given[name] for name in Ask.__dataclass_fields__ if name in given})


def timer_of(ask: Ask) -> str:
    """What no two timers of may be set."""
    return f"timer/{ask.client}/{ask.job}/{ask.why}"


def family(why: str) -> str:
    """Hints are one and the same; what the schedule says, and what a person wants, are runs of their own."""
    return why if why in ("plan", "person", *LANES) else "look"


def lock_of(ask: Ask) -> str | None:
    """What no two runs of are under way. Notices are told whatever of the client runs, and so is it looked after."""
    if ask.why in LANES:
        return None if ask.why == "tell" else f"{ask.client}/{ask.why}"
    return ask.client


def queue_of(client: str, why: str = "", *, timers: bool = False) -> str:
    """The name of a client's queue for what is asked for so: the client's own, or the beginning of it and a hash where
    that is long.
    """
    name = client
    if len(name) > _LONGEST:
        name = f"{name[: _LONGEST - 9]}-{hashlib.sha256(client.encode()).hexdigest()[:8]}"
    return name + (_TIMERS if timers else LANES.get(why, ""))


def conninfo(url: str) -> str:
    """A queue's URL as libpq has it. Raises ConfigError for one that is not of PostgreSQL."""
    scheme, colon, rest = url.partition("://")
    if not colon or scheme.partition("+")[0] not in ("postgresql", "postgres"):
        raise ConfigError(
            T("The queue is a PostgreSQL database, and this is no address of one."),
            hint=T("Write postgresql://USER:PASSWORD@HOST/DATABASE."),
        )
    return f"postgresql://{rest}"


def needed() -> None:
    """Raise ConfigError where the extra is not installed."""
    try:
        import procrastinate  # noqa: F401 - only whether it is there
        import psycopg_pool  # noqa: F401 - the same
    except ImportError as error:
        raise ConfigError(
            T("A queue needs an extra: {words}", words=str(error)), hint=T("pip install mistok[fleet]")
        ) from error


def connect(url: str, *, silence: float | None = SILENCE) -> psycopg.Connection[Any]:
    """A plain connection to the queue's database, each statement a transaction; ``silence``: for so many seconds the
    server may say nothing to one (None: for ever). Raises ConfigError or Transient.
    """
    needed()
    import psycopg
    from psycopg.rows import dict_row

    from pipeline.pgwatched import Watched

    try:
        made = Watched.connect(conninfo(url), autocommit=True, row_factory=dict_row, **_told(url))
        made.patience = lambda: silence
        return made
    except psycopg.ProgrammingError as error:
        raise ConfigError(T("The queue's address cannot be used: {words}", words=str(error))) from error
    except psycopg.OperationalError as error:
        raise silent(error) from error


def _told(url: str) -> dict[str, Any]:
    """What the driver is told of how long to wait for the server, where its address does not say."""
    from psycopg.conninfo import conninfo_to_dict

    return dict(to_connect(but=conninfo_to_dict(conninfo(url))))


@contextmanager
def answering() -> Iterator[None]:
    """Raises Transient for a queue that stops answering meanwhile, or cannot be used now (read-only, no rights)."""
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        if not isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)) and passing(error) is None:
            raise
        raise silent(error) from error


def silent(error: Exception) -> Transient:
    """What is said of a queue that does not answer, or cannot be used now."""
    if (known := passing(error)) is not None:
        return Transient(T("The queue cannot be used now: {words}.", words=known[0]), code="queue", hint=known[1])
    return Transient(
        T("The queue does not answer: {words}", words=str(error).strip()),
        code="queue",
        hint=GO_ON,
    )


def has_ended(error: Transient) -> Transient:
    """The same, of a worker that could not begin: unlike those that are at work it waits for nothing."""
    first = error.findings[0]
    mend = first.hint if first.hint and first.hint != GO_ON else _CHECK
    hint = T(
        "{mend} This worker has ended: start it again then, or have it started again (Restart=always of systemd, "
        "--restart always of Docker). Workers that are at work wait, and go on by themselves.",
        mend=mend,
    )
    return Transient(findings=(replace(first, hint=hint),))


def prepare(url: str) -> None:
    """Make the database a queue, or see that it is one that the installed Procrastinate can use.

    Raises ConfigError for one of another version, Transient when it does not answer.
    """
    needed()
    import psycopg
    from procrastinate.schema import SchemaManager

    with connect(url, silence=None) as conn, answering():
        try:
            conn.execute("SELECT pg_advisory_lock(%s)", [_MAKING])
            if not is_there(conn):
                with conn.transaction():
                    conn.execute(SchemaManager.get_schema())
            missing = [name for name in _FUNCTIONS if not schema.has(conn, name)]
            if missing:
                raise ConfigError(
                    T(
                        "The queue was made by another version of Procrastinate: it lacks {names}.",
                        names=", ".join(missing),
                    ),
                    hint=T(
                        "Stop all workers and apply Procrastinate's migrations, or give them a new, empty database: "
                        "timers are set anew from the ledgers."
                    ),
                )
            schema.make(conn)
        except psycopg.errors.InsufficientPrivilege as error:
            raise ConfigError(
                T("The queue's tables cannot be made: {words}", words=str(error)),
                hint=T("Let its user create tables in the database, at the first start at least."),
            ) from error


def clock_of(url: str) -> FleetClock:
    """What time it is for the queue's database. Raises ConfigError, or Transient when it does not answer."""
    found = FleetClock()
    with connect(url) as conn, answering():
        asked = Asked.now()
        row = conn.execute("SELECT clock_timestamp() AS now").fetchone()
        assert row is not None
        found.told(row["now"], asked, Asked.now())
    return found


#: What Procrastinate's statements call, in the versions that this was written for.
_FUNCTIONS = (
    "procrastinate_defer_jobs_v1",
    "procrastinate_fetch_job_v2",
    "procrastinate_finish_job_v1",
    "procrastinate_retry_job_v2",
    "procrastinate_register_worker_v1",
)


def is_there(conn: psycopg.Connection[Any]) -> bool:
    """Whether the database is a queue."""
    row = conn.execute("SELECT to_regclass('procrastinate_jobs') AS it").fetchone()
    return row is not None and row["it"] is not None


class Gate(Protocol):
    """Before a look for work. What passed it is counted until it has its place."""

    async def opens(self) -> bool:
        """Wait until it is open, but not for long; gives whether it is."""

    def passed(self) -> None:
        """Work was found."""


class Names:
    """Names of queues that a worker listens to, as Procrastinate's worker is given them; they may be chosen anew.

    Args:
        names: of the queues.
        timers: whether they are those of timers.
        gate: opens while there is a place for what lies in them; None: there is always one.
    """

    def __init__(self, names: Iterable[str] = (), *, timers: bool = False, gate: Gate | None = None) -> None:
        self.timers, self.gate = timers, gate
        self.told = float("-inf")  #: when the database was told of them, by the steady clock
        self.choose(names)

    def choose(self, names: Iterable[str]) -> None:
        """Listen to these from now on."""
        chosen = tuple(sorted(set(names)))
        self.set_id = hashlib.sha256("\n".join(chosen).encode()).hexdigest()
        self._names, self.told = chosen, float("-inf")

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)


# --- asking ------------------------------------------------------------------------------------------------------

#: The place of a new run in the row: by turns, so that a client with many runs waits behind one with few. Each run of a
#: client is a turn behind its last one that is not over, and none is before the turn that is served now
#: (start-time fair queueing, Goyal, Vin and Cheng 1996, with runs of one size).
_TURN = f"""
SELECT GREATEST(
    COALESCE((
        SELECT -priority FROM procrastinate_jobs
        WHERE status IN ('todo', 'doing') AND lock IS NOT NULL AND priority <= 0 AND priority > {LAST}
        ORDER BY priority DESC LIMIT 1
    ), 0),
    COALESCE((
        SELECT max(-priority) + 1 FROM procrastinate_jobs
        WHERE status IN ('todo', 'doing') AND lock = %(lock)s AND priority <= 0 AND priority > {LAST}
    ), 0)
) AS turn
"""  # noqa: S608 - a constant of our own


#: The same for many clients at once: the turn behind the last one of each.
_TURNS = """
SELECT lock, max(-priority) + 1 AS turn FROM procrastinate_jobs
WHERE status IN ('todo', 'doing') AND lock = ANY(%(locks)s) AND priority <= 0 GROUP BY lock
"""
#: How many are asked for by one statement.
_AT_ONCE = 500
#: What ``procrastinate_defer_jobs_v1`` does, but that what waits already is passed over.
_ASK_ALL = """
INSERT INTO procrastinate_jobs (queue_name, task_name, priority, lock, queueing_lock, args, scheduled_at)
SELECT "queue", "task", priority, lock, once, args, at
FROM jsonb_to_recordset(%(asks)s::jsonb)
    AS asked("queue" text, "task" text, priority integer, lock text, once text, args jsonb, at timestamptz)
ON CONFLICT DO NOTHING
"""


_WAITING = """
SELECT id, queueing_lock AS once, task_name = %(timer)s AS timer, status = 'todo' AS idle, scheduled_at AS at,
    COALESCE(args->>'client', '') AS client, COALESCE(args->>'job', '') AS job, COALESCE(args->>'why', '') AS why,
    COALESCE(args->>'schedule', '') AS schedule, COALESCE(args->>'pause', '0')::float AS pause
FROM procrastinate_jobs WHERE status IN ('todo', 'doing') AND queue_name = ANY(%(queues)s)
"""
_BRING_ON = """
UPDATE procrastinate_jobs SET scheduled_at = clock_timestamp() WHERE id = ANY(%(ids)s) AND status = 'todo'
"""


def arguments(ask: Ask) -> dict[str, Any]:
    """A run as Procrastinate keeps it."""
    return {
        "client": ask.client,
        "job": ask.job,
        "why": ask.why,
        "by": ask.by,
        "tries": ask.tries,
        "schedule": ask.schedule,
        **({"pause": ask.pause} if ask.pause else {}),
    }


def options(ask: Ask, turn: int) -> dict[str, Any]:
    """How Procrastinate treats it."""
    return {
        "lock": lock_of(ask),
        "queueing_lock": ask.once,
        "queue": queue_of(ask.client, ask.why),
        "priority": LAST if ask.why in LANES else FIRST if ask.why == "person" else -turn,
    }


def ask_now(url: str, ask: Ask) -> bool:
    """Ask for a run from outside of a worker, such as the page; False: it waits already. Raises ConfigError, Transient.

    A database that is no queue yet has no worker either: nothing is asked.
    """
    with connect(url) as conn, answering():
        return is_there(conn) and ask_on(conn, ask)


def ask_on(conn: psycopg.Connection[Any], ask: Ask) -> bool:
    """The same over a connection to a database that is a queue."""
    import psycopg
    from psycopg.types.json import Jsonb

    row = conn.execute(_TURN, {"lock": lock_of(ask)}).fetchone()
    chosen = options(ask, int(row["turn"]) if row else 0)
    try:
        conn.execute(
            "SELECT procrastinate_defer_jobs_v1(ARRAY[ROW(%s, %s, %s, %s, %s, %s, NULL)]"
            "::procrastinate_job_to_defer_v1[])",
            [chosen["queue"], RUN, chosen["priority"], chosen["lock"], ask.once, Jsonb(arguments(ask))],
        )
    except psycopg.errors.UniqueViolation:
        return False
    return True


class Queue:
    """The queue as a worker uses it, from its event loop. It waits for a database that is away, as long as that takes.

    Args:
        url: of its database.
        connections: how many it may hold open, besides the one that listens.
        clock: what time it is for its database, which is asked again with each sign of life.
    """

    def __init__(self, url: str, *, connections: int = 4, clock: FleetClock | None = None) -> None:
        needed()
        import procrastinate

        from pipeline.engine.fleet.looking import LookingManager
        from pipeline.engine.fleet.patient import PatientConnector

        self.connector = PatientConnector(conninfo=conninfo(url), kwargs=_told(url), min_size=1, max_size=connections)
        self.app = procrastinate.App(connector=self.connector)
        self.app.job_manager = LookingManager(self.connector)
        self._told: tuple[Mapping[str, Any], str] | None = None  #: our clients as they were sent, and their print
        self._heard = signs.Heard()
        self.clock = clock or FleetClock()

    async def ask(self, ask: Ask) -> bool:
        """Ask for a run; False: one of its kind waits already."""
        from procrastinate.exceptions import AlreadyEnqueued

        row = await self.connector.execute_query_one_async(_TURN, lock=lock_of(ask))
        task = self.app.configure_task(RUN, **options(ask, int(row["turn"])))
        try:
            await task.defer_async(**arguments(ask))
        except AlreadyEnqueued:
            return False
        return True

    async def set_timer(self, ask: Ask, at: datetime, *, again: bool = False) -> None:
        """Ask for a run at a moment. One that is set already stays, or with ``again`` is set anew."""
        from procrastinate.exceptions import AlreadyEnqueued

        once = timer_of(ask)
        queue = queue_of(ask.client, timers=True)
        task = self.app.configure_task(TIMER, queueing_lock=once, queue=queue, schedule_at=at)
        for _ in range(3):
            try:
                await task.defer_async(**arguments(ask))
                return
            except AlreadyEnqueued:
                if not again:
                    return
                await self.connector.execute_query_async(
                    "DELETE FROM procrastinate_jobs WHERE queueing_lock = %(once)s AND status = 'todo'", once=once
                )

    async def ask_all(self, asks: Sequence[tuple[Ask, datetime | None]]) -> None:
        """Ask for many at once, each now or, as a timer, at its moment; what waits or is set already stays as it is."""
        for start in range(0, len(asks), _AT_ONCE):
            part = asks[start : start + _AT_ONCE]
            locks = sorted({lock for ask, at in part if at is None and (lock := lock_of(ask))})
            served = (await self.connector.execute_query_one_async(_TURN, lock=None))["turn"]
            rows = await self.connector.execute_query_all_async(_TURNS, locks=locks) if locks else []
            turns = {str(row["lock"]): int(row["turn"]) for row in rows}
            made: list[dict[str, Any]] = []
            for ask, at in part:
                if at is not None:
                    queue = queue_of(ask.client, timers=True)
                    chosen = {"queue": queue, "task": TIMER, "priority": 0, "lock": None, "once": timer_of(ask)}
                else:
                    lock = lock_of(ask)
                    turn = max(int(served), turns.get(lock, 0)) if lock else int(served)
                    how = options(ask, turn)
                    if lock and LAST < how["priority"] <= 0:
                        turns[lock] = turn + 1
                    chosen = {"queue": how["queue"], "task": RUN, "priority": how["priority"], "lock": lock}
                    chosen["once"] = ask.once
                made.append({**chosen, "args": arguments(ask), "at": at.isoformat() if at is not None else None})
            await self.connector.execute_query_async(_ASK_ALL, asks=json.dumps(made))

    async def waiting_for(self, clients: Sequence[str]) -> dict[str, Waiting]:
        """All runs and timers of these clients that are not over, by their queueing locks."""
        queues = [queue_of(client, why) for client in clients for why in ("", *LANES)]
        queues += [queue_of(client, timers=True) for client in clients]
        rows = await self.connector.execute_query_all_async(_WAITING, timer=TIMER, queues=queues)
        found: dict[str, Waiting] = {}
        for row in rows:
            once = str(row.pop("once"))
            if row["idle"] or once not in found:  # one may wait while another one of its kind is under way
                found[once] = Waiting(**row)
        return found

    async def bring_on(self, ids: Sequence[int]) -> None:
        """Let these jobs wait for no moment any more; who has set a timer anew meanwhile has made another job of it."""
        await self.connector.execute_query_async(_BRING_ON, ids=list(ids))

    async def put_back(self, silence: float) -> int:
        """Let others have the jobs of workers that said nothing for so many seconds; gives how many."""
        manager = self.app.job_manager
        count = 0
        for job in await manager.get_stalled_jobs(seconds_since_heartbeat=silence):
            count += await self._put_back(job)
        return count

    async def put_back_one(self, job_id: int) -> None:
        """Let somebody have a job that is said to be under way and is not: the answer was lost on its way."""
        for job in await self.app.job_manager.list_jobs_async(id=job_id, status="doing"):
            await self._put_back(job)

    async def _put_back(self, job: Any) -> int:
        from procrastinate.exceptions import ConnectorException
        from procrastinate.jobs import Status

        log.warning("job_put_back", job=job.queueing_lock, tries=job.attempts + 1)
        try:
            await self.app.job_manager.retry_job(job, retry_at=self.clock.now())
        except ConnectorException:  # another one like it waits already, or another worker was quicker
            try:
                await self.app.job_manager.finish_job(job, Status.FAILED, delete_job=True)
            except ConnectorException:
                return 0
        return 1

    async def say(
        self,
        owner: str,
        said: Mapping[str, Any],
        clients: Mapping[str, Any],
        refuse: Callable[[list[dict[str, Any]]], Collection[str]] = lambda _heard: (),
    ) -> list[dict[str, Any]]:
        """A sign of life of a worker; gives all that were heard in the last days, with the seconds since.

        What its clients are is sent when they are others than the last time, and so is it read. ``refuse``: tells then,
        by what all the others have, which clients it must not have. That is settled in one transaction, one worker at a
        time: of two that begin in the same moment the later one sees what the other has. It may be called again.
        """
        from psycopg.types.json import Jsonb

        known: list[dict[str, Any]] = []
        if self._told is not None and self._told[0] is clients:
            sign = {"owner": owner, "said": Jsonb({**said, "print": self._told[1]})}
            known = await self.connector.execute_query_all_async(signs.ALIVE, **sign)
        if not known:
            self._told = clients, await self._settle(owner, said, clients, refuse)
        await self.connector.execute_query_async(
            "DELETE FROM mistok_workers WHERE seen < clock_timestamp() - interval '7 days'"
        )
        asked = Asked.now()
        rows = await self.connector.execute_query_all_async(signs.HEARD)
        if rows:
            self.clock.told(rows[0]["now"], asked, Asked.now())
        missing = self._heard.missing(rows)
        told = await self.connector.execute_query_all_async(signs.HAVE, owners=missing) if missing else []
        self._heard.keep(rows, told)
        return [{**row, "clients": self._heard.clients(str(row["owner"]))} for row in rows]

    async def _settle(
        self,
        owner: str,
        said: Mapping[str, Any],
        clients: Mapping[str, Any],
        refuse: Callable[[list[dict[str, Any]]], Collection[str]],
    ) -> str:
        """Write down what clients a worker has; gives the print of it."""
        from psycopg.types.json import Jsonb

        async def work(cursor: psycopg.AsyncCursor[dict[str, Any]]) -> str:
            # one that stops in the midst must not hold up the others' signs of life
            await cursor.execute("SELECT set_config('idle_in_transaction_session_timeout', '10s', true)")
            await cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_SETTLING])
            rows = await (await cursor.execute(signs.HEARD)).fetchall()
            missing = self._heard.missing(rows)
            told = await (await cursor.execute(signs.HAVE, {"owners": missing})).fetchall() if missing else []
            self._heard.keep(rows, told)
            others = [{**row, "clients": self._heard.clients(str(row["owner"]))} for row in rows]
            refused = set(refuse([row for row in others if row["owner"] != owner]))
            mine = {name: one for name, one in clients.items() if name not in refused}
            print_ = hashlib.sha256(json.dumps(mine, sort_keys=True, default=str).encode()).hexdigest()
            sign = {"owner": owner, "said": Jsonb({**said, "print": print_}), "clients": Jsonb(mine)}
            await cursor.execute(signs.BORN, sign)
            return print_

        return await self.connector.in_transaction(work)
