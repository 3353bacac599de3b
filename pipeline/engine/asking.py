"""What people ask of the service besides its schedules: a job now, a job left alone for a while.

It is kept in the ledger, so that the page, the command line and the service, on whichever machines, mean the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipeline.ledger import tables as t
from pipeline.ledger.store import Ledger

NOW, _PAUSED = "asked-for", "paused"  #: kinds of small values of the ledger


@dataclass(frozen=True, slots=True)
class Pause:
    """A job that no schedule and no file starts, until somebody says so."""

    by: str
    at: datetime
    why: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked now: who wants which job run, and which jobs are paused."""

    now: Mapping[str, str] = field(default_factory=dict)
    paused: Mapping[str, Pause] = field(default_factory=dict)


def standing(ledger: Ledger) -> Asked:
    """What is asked. Raises Transient when the ledger does not answer."""
    v = t.values
    query = sa.select(v.c.kind, v.c.name, v.c.value).where(v.c.client == ledger.client, v.c.kind.in_((NOW, _PAUSED)))
    now: dict[str, str] = {}
    paused: dict[str, Pause] = {}
    with ledger.read() as conn:
        for kind, name, value in conn.execute(query):
            if kind == NOW:
                now[name] = str(value["by"])
            else:
                at = datetime.fromisoformat(value["at"])
                paused[name] = Pause(str(value["by"]), at, str(value.get("why", "")))
    return Asked(now, paused)


def run_now(ledger: Ledger, job: str, *, by: str) -> None:
    """Ask the service to run a job as soon as a worker is free; asked twice before it began, it runs once."""
    _set(ledger, NOW, job, {"by": by, "at": ledger.clock.now().isoformat()})


def taken(ledger: Ledger, job: str) -> None:
    """The service will run it."""
    _forget(ledger, NOW, job)


def pause(ledger: Ledger, job: str, *, by: str, why: str = "") -> None:
    """Have no schedule and no file start the job; a person still can."""
    _set(ledger, _PAUSED, job, {"by": by, "at": ledger.clock.now().isoformat(), "why": why}, "paused")


def resume(ledger: Ledger, job: str, *, by: str) -> bool:
    """Let the job run by itself again; False when it was not paused."""
    return _forget(ledger, _PAUSED, job, {"event": "resumed", "by": by})


def _set(ledger: Ledger, kind: str, job: str, value: Mapping[str, Any], event: str = "") -> None:
    with ledger.begin() as conn:
        ledger.set_value(conn, kind, job, value)
        if event:
            ledger.event(conn, f"job:{job}", event, {"by": value["by"], "why": value.get("why") or None})


def _forget(ledger: Ledger, kind: str, job: str, told: Mapping[str, str] | None = None) -> bool:
    v = t.values
    with ledger.begin() as conn:
        here = (v.c.client == ledger.client) & (v.c.kind == kind) & (v.c.name == job)
        gone = bool(conn.execute(v.delete().where(here)).rowcount)
        if gone and told:
            ledger.event(conn, f"job:{job}", told["event"], {"by": told["by"]})
        return gone
