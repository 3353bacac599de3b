"""What the service reads from and writes to the ledger about runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from pipeline.alerts import notices
from pipeline.config.model import JobConfig, ScheduleSettings
from pipeline.engine import alarms
from pipeline.errors import Finding
from pipeline.ledger import tables as t
from pipeline.ledger.store import Ledger, owner_is_dead


@dataclass(frozen=True, slots=True)
class LastRun:
    """The latest run of a job."""

    state: str
    trigger: str
    started: datetime
    ended: datetime | None
    counts: Mapping[str, int]
    error: Finding | None


def last_runs(ledger: Ledger, jobs: Iterable[str]) -> dict[str, LastRun]:
    """Each job's latest run that was more than a skipped one.

    One that was never ended, and whose process is gone, is ``interrupted``: nobody was left to write that down.
    """
    found: dict[str, LastRun] = {}
    with ledger.read() as conn:
        for job in jobs:
            query = (
                sa.select(t.runs)
                .where(t.runs.c.client == ledger.client, t.runs.c.job == job, t.runs.c.state != "skipped")
                .order_by(t.runs.c.started.desc(), t.runs.c.id.desc())
                .limit(1)
            )
            row = conn.execute(query).first()
            if row:
                error = Finding.from_json(row.error) if row.error else None
                state = "interrupted" if row.state == "running" and not _held(conn, ledger, job) else row.state
                found[job] = LastRun(state, row.trigger, row.started, row.ended, row.counts or {}, error)
    return found


def last_begun(ledger: Ledger) -> datetime | None:
    """When the latest run of any job began, of those that were more than a skipped one."""
    r = t.runs.c
    query = sa.select(r.started).where(r.client == ledger.client, r.state != "skipped").order_by(r.id.desc()).limit(1)
    with ledger.read() as conn:
        return conn.execute(query).scalar()


def last_ended(ledger: Ledger, jobs: Iterable[str]) -> dict[str, LastRun]:
    """Each job's latest run that is over: how it went, while the next one is under way."""
    found: dict[str, LastRun] = {}
    runs = t.runs
    with ledger.read() as conn:
        for job in jobs:
            over = runs.c.state.not_in(("skipped", "running"))
            query = (
                sa.select(runs)
                .where(runs.c.client == ledger.client, runs.c.job == job, over)
                .order_by(runs.c.started.desc(), runs.c.id.desc())
                .limit(1)
            )
            if row := conn.execute(query).first():
                error = Finding.from_json(row.error) if row.error else None
                found[job] = LastRun(row.state, row.trigger, row.started, row.ended, row.counts or {}, error)
    return found


def _held(conn: sa.Connection, ledger: Ledger, job: str) -> bool:
    """Whether somebody alive holds the job's lease: a run has it from before its record begins until that is ended."""
    lease = t.leases
    query = sa.select(lease.c.owner, lease.c.until).where(lease.c.client == ledger.client, lease.c.name == f"job:{job}")
    row = conn.execute(query).first()
    return row is not None and bool(row.owner) and row.until > ledger.clock.now() and not owner_is_dead(row.owner)


def last_slots(
    ledger: Ledger, jobs: Mapping[str, JobConfig], *, remember: bool = True, until: datetime | None = None
) -> dict[str, datetime | None]:
    """Up to which scheduled time each job was dealt with; None for a job that is new or has a new schedule.

    ``until``: times after it are left out, as written down by a clock that was wrong.

    A job is known by its schedule: when that changes, the times of the new one that lie behind are not missed runs.
    With ``remember`` False nothing is written: somebody only wants to know.
    """
    found: dict[str, datetime | None] = {}
    now = ledger.clock.now()
    with ledger.begin() if remember else ledger.read() as conn:
        for name, job in jobs.items():
            known = ledger.get_value(conn, "schedule", name) or {}
            print_now = schedule_print(job)
            if known.get("schedule") != print_now:
                if remember:
                    ledger.set_value(conn, "schedule", name, {"schedule": print_now, "since": now.isoformat()})
                found[name] = None
                continue
            since = datetime.fromisoformat(known["since"])
            if until is not None and since > until:
                since = now
                if remember:
                    ledger.set_value(conn, "schedule", name, {**known, "since": now.isoformat()})
            query = sa.select(sa.func.max(t.runs.c.scheduled_for)).where(
                t.runs.c.client == ledger.client, t.runs.c.job == name
            )
            if until is not None:
                query = query.where(t.runs.c.scheduled_for <= until)
            last = conn.execute(query).scalar_one_or_none()
            # a new interval job has not run yet: it is due at once, also when the service was stopped before it was
            found[name] = max(last, since) if last else (None if job.every else since)
    return found


def schedule_print(job: ScheduleSettings) -> str:
    """What tells a job's times from other ones."""
    words = {"every": str(job.every), "at": list(job.at), "cron": job.cron}
    return hashlib.sha256(json.dumps(words, sort_keys=True).encode()).hexdigest()[:16]


def record_skip(
    ledger: Ledger, job: str, trigger: str, scheduled_for: datetime, why: str, passed_over: int = 0
) -> None:
    """A time of the schedule that got no run: ``why`` is ``busy`` (the run before goes on) or ``missed``."""
    now = ledger.clock.now()
    with ledger.begin() as conn:
        conn.execute(
            t.runs.insert().values(
                client=ledger.client,
                job=job,
                trigger=trigger,
                scheduled_for=scheduled_for,
                started=now,
                ended=now,
                state="skipped",
                counts={why: max(passed_over, 1)},
            )
        )


def record_passed_over(ledger: Ledger, job: str, count: int, scheduled_for: datetime) -> None:
    """Several times were missed; one run makes up for them."""
    with ledger.begin() as conn:
        ledger.event(conn, f"job:{job}", "missed", {"count": count, "caught_up": scheduled_for.isoformat()})


def record_broken_end(
    ledger: Ledger,
    job: str,
    state: str,
    finding: Finding,
    *,
    trigger: str,
    scheduled_for: datetime | None,
    begun: datetime | None = None,
) -> None:
    """A run broke off: write down how it ended (made up when it had not begun one), and tell people once, until the job
    works again.

    ``begun``: when it was handed out. A run that has said since then just how it ended is not written down twice.
    """
    now = ledger.clock.now()
    runs = t.runs
    with ledger.begin() as conn:
        open_run = conn.execute(
            sa.select(runs.c.id)
            .where(runs.c.client == ledger.client, runs.c.job == job, runs.c.state == "running")
            .order_by(runs.c.id.desc())
            .limit(1)
        ).scalar_one_or_none()
        values: dict[str, Any] = {"state": state, "ended": now, "error": finding.to_json()}
        if open_run is not None:
            conn.execute(runs.update().where(runs.c.id == open_run).values(**values))
        elif begun is None or not _said_it(conn, ledger, job, state, finding, begun):
            values |= {
                "client": ledger.client,
                "job": job,
                "trigger": trigger,
                "scheduled_for": scheduled_for,
                "started": now,
            }
            conn.execute(runs.insert().values(**values))
        alarms.failed(ledger, conn, job, finding)


def _said_it(conn: sa.Connection, ledger: Ledger, job: str, state: str, finding: Finding, begun: datetime) -> bool:
    runs = t.runs
    mine = (runs.c.client == ledger.client, runs.c.job == job, runs.c.state == state, runs.c.started >= begun)
    errors = conn.execute(sa.select(runs.c.error).where(*mine)).scalars()
    return any(error and error["code"] == finding.code for error in errors)


def skipped(ledger: Ledger, jobs: Iterable[str], since: datetime) -> dict[str, dict[str, int]]:
    """Times of the schedule that got no run of their own since then: ``busy`` (the run before went on), ``missed``
    (nothing ran then). Jobs without any are absent."""
    found: dict[str, dict[str, int]] = {}
    runs, events = t.runs, t.events
    names = list(jobs)

    def add(job: str, why: str, count: int) -> None:
        counts = found.setdefault(job, {})
        counts[why] = counts.get(why, 0) + count

    left_out = sa.select(runs.c.job, runs.c.counts).where(
        runs.c.client == ledger.client, runs.c.state == "skipped", runs.c.started >= since, runs.c.job.in_(names)
    )
    caught_up = sa.select(events.c.subject, events.c.data).where(
        events.c.client == ledger.client,
        events.c.event == "missed",
        events.c.at >= since,
        events.c.subject.in_([f"job:{name}" for name in names]),
    )
    with ledger.read() as conn:
        for job, counts in conn.execute(left_out):
            for why, count in (counts or {"busy": 1}).items():
                add(job, why, count)
        for subject, data in conn.execute(caught_up):
            add(subject.removeprefix("job:"), "missed", int((data or {}).get("count", 0)))
    return found


def record_config(ledger: Ledger, file: str, findings: Sequence[Finding]) -> None:
    """The config was edited: tell its mistakes once, until they change; without any, that what was told is over."""
    code = hashlib.sha256(json.dumps([one.to_json() for one in findings]).encode()).hexdigest()[:16] if findings else ""
    with ledger.begin() as conn:
        before = (ledger.get_value(conn, "alarm", "config") or {}).get("code", "")
        if before == code:
            return
        if findings:
            ledger.notify(conn, notices.config_wrong("config", file, findings[0], len(findings) - 1))
        elif before:
            ledger.notify(conn, notices.config_right("config:right", file))
        finding = findings[0].to_json() if findings else None
        now = ledger.clock.now().isoformat()
        ledger.set_value(conn, "alarm", "config", {"code": code, "at": now, "finding": finding})


# --- signs of life -----------------------------------------------------------------------------------------------

#: a service whose last word is older than this is not at work
SILENT = timedelta(seconds=60)
#: what services that are gone said last is kept for so long
_BEATS_KEPT = timedelta(days=7)
BEATS = "heartbeat"  #: the kind of these small values


@dataclass(frozen=True, slots=True)
class Beat:
    """The last sign of life of one service. ``value``: what it said (see ``Supervisor``)."""

    owner: str
    at: datetime
    value: Mapping[str, Any]


def beat(ledger: Ledger, value: Mapping[str, Any], *, owner: str | None = None) -> None:
    """Say that this service is alive, and how it goes. Times are the database's, which all machines share."""
    name = owner or ledger.owner
    with ledger.begin_lightly() as conn:
        now = ledger.database_now(conn)
        ledger.set_value(conn, BEATS, name, {**value, "at": now.isoformat()})


def forget_old_beats(ledger: Ledger) -> None:
    """Drop the last words of services that stopped or fell silent long ago. For one that is at work itself."""
    v = t.values
    with ledger.begin() as conn:
        old = ledger.clock.now() - _BEATS_KEPT
        conn.execute(v.delete().where(v.c.client == ledger.client, v.c.kind == BEATS, v.c.updated < old))


def beats(ledger: Ledger) -> tuple[list[Beat], datetime]:
    """The last sign of life of every service of the client, newest first, and what time it is by the same clock."""
    v = t.values
    query = sa.select(v.c.name, v.c.updated, v.c.value).where(v.c.client == ledger.client, v.c.kind == BEATS)
    with ledger.read() as conn:
        rows = conn.execute(query).all()
        now = ledger.database_now(conn)
    heard = [
        Beat(row.name, datetime.fromisoformat(row.value["at"]) if "at" in row.value else row.updated, row.value)
        for row in rows
    ]
    return sorted(heard, key=lambda one: one.at, reverse=True), now


def client_of(ledger: Ledger, source: str) -> str | None:
    """The client whose jobs the newest service that was started with the config ``source`` runs; None: there is none.

    For a config that does not say any more whose it is. Raises Transient when the ledger does not answer.
    """
    v = t.values
    query = sa.select(v.c.client, v.c.value).where(v.c.kind == BEATS).order_by(v.c.updated.desc())
    with ledger.read() as conn:
        return next((str(row.client) for row in conn.execute(query) if row.value.get("config") == source), None)


def at_work(ledger: Ledger) -> Beat | None:
    """The service that runs the client's jobs now, or None when there is none or it is silent."""
    heard, now = beats(ledger)
    return next(
        (
            one
            for one in heard
            if one.value.get("state", "serving") in ("serving", "draining", "restarting")
            and now - one.at <= SILENT
            and not owner_is_dead(one.owner)
        ),
        None,
    )
