"""How the fleet stands, for people: which workers are alive, and what waits, runs and is late, client by client."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pipeline.engine.fleet import queue, signs

#: A run that waits for longer than so many seconds, and nobody has the client: nobody will take it.
LATE = 60.0


@dataclass(frozen=True, slots=True)
class WorkerState:
    """One worker: its last sign of life, and what it said."""

    owner: str
    host: str
    pid: int
    version: str
    state: str  #: working, draining, stopped; ``silent`` when it said nothing for too long
    since: str
    silence: float  #: seconds since its last sign of life
    concurrency: int
    running: tuple[Mapping[str, Any], ...]
    clients: frozenset[str]
    apart: Mapping[str, str]  #: clients that do not fit with another worker's: the finding's code
    ended: Mapping[str, int]
    ahead: float = 0.0  #: seconds by which its machine's clock is ahead of the queue's database; below zero: behind

    @property
    def alive(self) -> bool:
        """Whether it takes runs, or ends those that it has."""
        return self.state in ("working", "draining")


@dataclass(frozen=True, slots=True)
class ClientState:
    """One client's jobs in the queue; notices and looking after are none. ``oldest``: for how many seconds the first
    one has waited.
    """

    client: str
    waiting: int = 0
    running: int = 0
    timers: int = 0
    oldest: float = 0.0
    following: datetime | None = None  #: its next timer
    workers: int = 0  #: that are alive and have it


@dataclass(frozen=True, slots=True)
class FleetState:
    """All of it."""

    workers: tuple[WorkerState, ...] = ()
    clients: Mapping[str, ClientState] = field(default_factory=dict)

    @property
    def unserved(self) -> tuple[str, ...]:
        """Clients of which something waits, or is to come, and that no worker has."""
        return tuple(name for name, one in self.clients.items() if not one.workers)

    def as_data(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "workers": [
                {
                    "owner": one.owner,
                    "host": one.host,
                    "pid": one.pid,
                    "version": one.version,
                    "state": one.state,
                    "since": one.since,
                    "silence": round(one.silence, 1),
                    "concurrency": one.concurrency,
                    "running": [dict(run) for run in one.running],
                    "clients": len(one.clients),
                    "apart": dict(one.apart),
                    "ahead": one.ahead,
                }
                for one in self.workers
            ],
            "clients": [
                {
                    "client": one.client,
                    "waiting": one.waiting,
                    "running": one.running,
                    "timers": one.timers,
                    "oldest": round(one.oldest, 1),
                    "next": one.following.isoformat() if one.following else None,
                    "workers": one.workers,
                }
                for one in self.clients.values()
            ],
            "unserved": list(self.unserved),
        }


_JOBS = """
SELECT args->>'client' AS client,
       count(*) FILTER (WHERE task_name = %(run)s AND status = 'todo' AND args->>'job' <> '') AS waiting,
       count(*) FILTER (WHERE task_name = %(run)s AND status = 'doing' AND args->>'job' <> '') AS running,
       count(*) FILTER (WHERE task_name = %(timer)s AND status = 'todo') AS timers,
       min(scheduled_at) FILTER (WHERE task_name = %(timer)s AND status = 'todo') AS following,
       COALESCE(max(extract(epoch FROM clock_timestamp() - asked.at))
                FILTER (WHERE task_name = %(run)s AND status = 'todo' AND args->>'job' <> ''), 0)::float AS oldest
FROM procrastinate_jobs AS job
LEFT JOIN LATERAL (
    SELECT max(at) AS at FROM procrastinate_events AS e
    WHERE e.job_id = job.id AND e.type IN ('deferred', 'deferred_for_retry')
) AS asked ON job.task_name = %(run)s
WHERE status IN ('todo', 'doing') AND args ? 'client' AND (%(client)s::text IS NULL OR args->>'client' = %(client)s)
GROUP BY 1 ORDER BY 1
"""


def look(url: str, client: str | None = None, *, heard: signs.Heard | None = None) -> FleetState:
    """How it stands; of one client, where one is named. A database that is no queue yet has nothing.

    ``heard``: what was heard of the workers' clients before, for who looks again and again.

    Raises ConfigError or Transient when the queue does not answer.
    """
    import psycopg

    with queue.connect(url) as conn, queue.answering():
        if not queue.is_there(conn):
            return FleetState()
        try:
            signed = conn.execute(signs.HEARD).fetchall()
            heard = heard if heard is not None else signs.Heard()
            missing = heard.missing(signed)
            told = conn.execute(signs.HAVE, {"owners": missing}).fetchall() if missing else []
            heard.keep(signed, told)
            rows = conn.execute(_JOBS, {"run": queue.RUN, "timer": queue.TIMER, "client": client}).fetchall()
        except psycopg.errors.UndefinedTable:
            return FleetState()
    workers = tuple(_worker(row, heard.clients(str(row["owner"]))) for row in signed)
    found = {
        str(row["client"]): ClientState(
            str(row["client"]),
            row["waiting"],
            row["running"],
            row["timers"],
            max(row["oldest"], 0.0),
            row["following"],
            sum(one.alive and row["client"] in one.clients for one in workers),
        )
        for row in rows
    }
    return FleetState(workers, found)


def _worker(row: Mapping[str, Any], clients: Mapping[str, Any]) -> WorkerState:
    said = row["said"]
    state = str(said.get("state", "working"))
    if state != "stopped" and row["silence"] > 2 * float(said.get("silence", 30)):
        state = "silent"
    return WorkerState(
        str(row["owner"]),
        str(said.get("host", "")),
        int(said.get("pid", 0)),
        str(said.get("version", "")),
        state,
        str(said.get("since", "")),
        float(row["silence"]),
        int(said.get("concurrency", 0)),
        tuple(said.get("running", ())),
        frozenset(clients),
        dict(said.get("apart", {})),
        dict(said.get("ended", {})),
        float(said.get("ahead", 0.0)),
    )
