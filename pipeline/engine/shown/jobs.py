"""Every job: its schedule in words, how it went last, and when it runs next."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pipeline.texts import TN, T, Text

if TYPE_CHECKING:
    from pipeline.config.model import ClientConfig
    from pipeline.engine.asking import Pause
    from pipeline.engine.history import LastRun
    from pipeline.engine.schedule import Run
    from pipeline.ledger.store import Ledger

NEXT = 5
LEFT_OUT_DAYS = 7  #: for so long the times that got no run are counted
STATES: Mapping[str, Text] = {
    "running": T("is running"),
    "done": T("done"),
    "waiting": T("done; something waits for a person"),
    "failed": T("failed"),
    "timed_out": T("ended by its time limit"),
    "interrupted": T("interrupted"),
    "skipped": T("skipped"),
}
TRIGGERS: Mapping[str, Text] = {
    "schedule": T("by schedule"),
    "watch": T("by watching"),
    "catch-up": T("caught up"),
    "person": T("by hand"),
    "retry": T("tried again"),
    "webhook": T("by a webhook"),
    "wake": T("when a special price began or ended"),
}


def gather(config: ClientConfig, ledger: Ledger) -> list[dict[str, Any]]:
    """One row a job: ``job``, ``schedule`` (in words), ``enabled``, ``last`` run, ``next`` runs with their notes."""
    from pipeline.engine import asking, history
    from pipeline.engine.schedule import in_words, next_runs

    now = ledger.clock.now()
    last = history.last_runs(ledger, config.jobs)
    left_out = history.skipped(ledger, config.jobs, now - timedelta(days=LEFT_OUT_DAYS))
    asked = asking.standing(ledger)
    anchors = history.last_slots(ledger, config.jobs, remember=False)
    rows = []
    for name, job in config.jobs.items():
        coming = next_runs(job, config.zone, now, NEXT, anchors[name]) if job.enabled else []
        rows.append(
            {
                "job": name,
                "schedule": in_words(job),
                "enabled": job.enabled,
                "watch": job.watch,
                "last": _last(last.get(name), config),
                "next": [_run(run) for run in coming],
                "left_out": left_out.get(name, {}),
                "paused": _paused(asked.paused.get(name), config),
                "asked": asked.now.get(name),
            }
        )
    return rows


def _paused(pause: Pause | None, config: ClientConfig) -> dict[str, Any] | None:
    return {"by": pause.by, "at": pause.at.astimezone(config.zone), "why": pause.why} if pause else None


def paused_words(paused: Mapping[str, Any]) -> Text:
    """Since when, by whom and why a job is paused."""
    if paused["why"]:
        return T("paused by {who} since {when}: {why}", who=paused["by"], when=paused["at"], why=paused["why"])
    return T("paused by {who} since {when}", who=paused["by"], when=paused["at"])


def _last(run: LastRun | None, config: ClientConfig) -> dict[str, Any] | None:
    if run is None:
        return None
    return {
        "state": run.state,
        "trigger": run.trigger,
        "started": run.started.astimezone(config.zone),
        "ended": run.ended.astimezone(config.zone) if run.ended else None,
        "counts": dict(run.counts),
        "error": run.error,
    }


def _run(run: Run) -> dict[str, Any]:
    return {"at": run.at, "note": run.note}


def last_words(last: dict[str, Any] | None) -> Text:
    if last is None:
        return T("never")
    words = T(
        "{when}: {state}, {trigger}",
        when=last["started"],
        state=STATES.get(last["state"], Text(last["state"])),
        trigger=TRIGGERS.get(last["trigger"], Text(last["trigger"])),
    )
    return T("{one}\n{other}", one=words, other=last["error"].text) if last["error"] else words


def left_out_words(counts: Mapping[str, int], days: int = LEFT_OUT_DAYS) -> Text | None:
    """Times of the schedule that got no run of their own in the last days, or None."""
    parts: list[Text] = []
    if busy := counts.get("busy", 0):
        parts.append(TN("{n} skipped (the run before went on)", "{n} skipped (the run before went on)", busy))
    if missed := counts.get("missed", 0):
        parts.append(TN("{n} missed (nothing ran then)", "{n} missed (nothing ran then)", missed))
    if paused := counts.get("paused", 0):
        parts.append(TN("{n} left out (paused)", "{n} left out (paused)", paused))
    if not parts:
        return None
    words = parts[0]
    for part in parts[1:]:
        words = T("{one}; {other}", one=words, other=part)
    return TN("in {n} day: {what}", "in {n} days: {what}", days, what=words)
