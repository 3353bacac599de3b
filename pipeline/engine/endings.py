"""How runs end: the row of the ledger, and what is said of those that did not end by themselves."""

from __future__ import annotations

import contextlib
import hashlib
import json
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from pipeline.engine import alarms
from pipeline.errors import Finding, Where, Who
from pipeline.ledger import tables as t
from pipeline.ledger.store import Ledger
from pipeline.texts import T, Text

IDLE_KEPT = timedelta(days=7)


def timed_out(job: str, step: str, limit: timedelta) -> Finding:
    """What is said of a step that was ended by its time limit."""
    return Finding(
        "time-limit",
        T(
            "Step {step} of job {job} was ended: it took longer than {seconds} s.",
            step=step,
            job=job,
            seconds=f"{limit.total_seconds():g}",
        ),
        hint=T("The next run goes on where it stopped. If it is always too short, raise time_limit of the job."),
        who=Who.ADMIN,
    )


def record_end(
    ledger: Ledger,
    run_id: int | None,
    job: str,
    state: str,
    *,
    counts: Mapping[str, int] | None = None,
    finding: Finding | None = None,
    reference: str = "",
    mark: str = "",
    well: bool = False,
    room: Callable[[], bool] = lambda: True,
) -> None:
    """Write down how a run ended; a failure is told to people once, until it changes or the job works again.

    ``well``: it did work. One that was broken off, or that found somebody else at work, says nothing about a trouble
    that was told. ``mark`` and ``room`` as for :mod:`pipeline.engine.alarms`.
    """
    now = ledger.clock.now()
    with ledger.begin() as conn:
        written = conn.execute(
            t.runs.update()
            .where(t.runs.c.id == run_id, t.runs.c.state == "running")
            .values(
                ended=now,
                state=state,
                counts=dict(counts) if counts else sa.null(),
                error=finding.to_json() if finding else None,
                reference=reference or None,
            )
        )
        if not written.rowcount:
            return  # it was given up and its job taken over: its successor tells how it goes
        if finding is not None:
            alarms.failed(ledger, conn, job, finding, mark=mark)
        elif well:
            alarms.well(ledger, conn, job, room=room)
        if state == "done" and not counts:
            _forget_idle_runs(conn, ledger, job, now)


def _forget_idle_runs(conn: sa.Connection, ledger: Ledger, job: str, now: datetime) -> None:
    """A look every few seconds that finds nothing would fill the history: such runs are kept for a week."""
    runs = t.runs
    conn.execute(
        runs.delete().where(
            runs.c.client == ledger.client,
            runs.c.job == job,
            runs.c.state == "done",
            runs.c.counts.is_(None),
            runs.c.started < now - IDLE_KEPT,
        )
    )


def mark_of(findings: Sequence[Finding]) -> str:
    """Tells these troubles from others."""
    words = json.dumps([finding.to_json() for finding in findings], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(words.encode()).hexdigest()[:16]


def no_result(step: str, result: object) -> Finding:
    """What is said of a client's step that gave back something else than it must."""
    return Finding(
        "plugin-error",
        T("Step {step} gave back {kind} instead of a StepResult.", step=step, kind=type(result).__name__),
        hint=T("Let its run function end with `return StepResult(…)`."),
        who=Who.US,
    )


def unexpected(what: str, error: BaseException, reference: str) -> Finding:
    """The short card of an error that nobody foresaw; the log has it whole."""
    return Finding(
        "unexpected",
        T(
            "{what} failed by a mistake of the program ({kind}); reference {reference}.",
            what=what,
            kind=type(error).__name__,
            reference=reference,
        ),
        Where(),
        T("Nothing was lost: the next run goes on. Send the log lines with this reference to support."),
        Who.US,
    )


def stopped(job: str) -> Finding:
    """What is said of a job that was cut off by the end of the service."""
    return Finding(
        "stopped",
        T("Job {job} was cut off, as Mistok was stopped and the job did not end in time.", job=job),
        hint=T("Nothing was lost: the next run goes on where it stopped."),
        who=Who.ADMIN,
    )


def worker_lost(job: str, exit_code: int | None) -> Finding:
    """What is said of a job whose process died; ``exit_code`` as of multiprocessing, None where it is not known."""
    return Finding(
        "worker-lost",
        T("The process that ran job {job} ended by itself ({how}).", job=job, how=_how(exit_code)),
        hint=T("Nothing was lost: the next run goes on where it stopped. If it comes again, look into the log."),
        who=Who.ADMIN,
    )


def _how(exit_code: int | None) -> Text:
    if exit_code is not None and exit_code < 0 and sys.platform != "win32":
        with contextlib.suppress(ValueError):
            return T("signal {name}", name=signal.Signals(-exit_code).name)
    return T("exit code {code}", code=exit_code if exit_code is not None else "?")
