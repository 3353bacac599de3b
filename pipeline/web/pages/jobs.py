"""Jobs: when they ran and how long it took, when they run next; run now, try, pause."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException

from pipeline.engine import asking, history
from pipeline.engine.runtime import RunOptions, RunReport, run_job
from pipeline.engine.shown.jobs import STATES, TRIGGERS, gather, left_out_words, paused_words
from pipeline.engine.shown.runs import runs_of
from pipeline.engine.shown.words import counts_line
from pipeline.texts import T
from pipeline.web import plots
from pipeline.web.access import Person, Right
from pipeline.web.entry import Form, Someone, TheSite, acting
from pipeline.web.render import page
from pipeline.web.site import Site
from pipeline.web.tasks import Task

router = APIRouter(include_in_schema=False)
Runner = Annotated[Person, Depends(acting(Right.RUN))]
SHOWN, PLOTTED = 60, 60


@router.get("/jobs")
def jobs(request: Request, site: TheSite, who: Someone) -> Response:
    """All of them."""
    return page(request, "jobs.html", who, view(site), here="jobs")


def view(site: Site) -> dict[str, Any]:
    """What the page shows."""
    client = site.client
    rows = gather(client.config, client.ledger)
    return {
        "jobs": rows,
        "serving": history.at_work(client.ledger) is not None,
        "states": STATES,
        "triggers": TRIGGERS,
        "counts_line": counts_line,
        "left_out_words": left_out_words,
        "paused_words": paused_words,
    }


@router.get("/jobs/{name}")
def job(request: Request, site: TheSite, who: Someone, name: str, every: bool = False) -> Response:
    """One job with its history; looks at an inbox that found nothing are left out of it, but for ``every``."""
    check(site, name)
    watched = site.client.config.jobs[name].watch
    runs = runs_of(site.client, name, SHOWN, idle=every or not watched)
    data = {
        **view(site),
        "name": name,
        "runs": runs,
        "every": every,
        "watched": watched,
        "plot": durations(runs[:PLOTTED]),
        "took": plots.took,
    }
    return page(request, "job.html", who, data, here="jobs")


def check(site: Site, name: str) -> None:
    """Raises HTTPException when there is no such job."""
    if name not in site.client.config.jobs:
        raise HTTPException(HTTPStatus.NOT_FOUND)


def durations(runs: list[dict[str, Any]]) -> Any:
    """How long each run took, the oldest at the left."""
    over = [run for run in reversed(runs) if run["took"] is not None]
    made = [
        plots.Bar(
            run["took"].total_seconds(),
            str(
                T(
                    "{when}: {took}, {state}",
                    when=run["started"],
                    took=plots.took(run["took"]),
                    state=STATES.get(run["state"], run["state"]),
                )
            ),
            run["state"],
        )
        for run in over
    ]
    if not made:
        return ""
    longest = max(bar.value for bar in made)
    return plots.bars(made, T("How long the runs took"), top=str(T("longest: {n}", n=plots.seconds_words(longest))))


@router.post("/jobs/{name}/run")
def run(site: TheSite, who: Runner, name: str) -> Response:
    """Have the service run it now."""
    ask(site, who, name)
    return RedirectResponse(f"/jobs/{name}", HTTPStatus.SEE_OTHER)


def ask(site: Site, who: Person, name: str) -> None:
    """The same, as an act that is written down."""
    check(site, name)
    asking.run_now(site.client.ledger, name, by=who.name)
    site.record(who, "run", f"job:{name}")


@router.post("/jobs/{name}/dry-run")
def dry_run(site: TheSite, who: Runner, name: str) -> Response:
    """Look what a run would do; nothing is changed."""
    task = begin_dry_run(site, who, name)
    return RedirectResponse(f"/tasks/{task.id}", HTTPStatus.SEE_OTHER)


def begin_dry_run(site: Site, who: Person, name: str) -> Task:
    """Begin a dry run."""
    check(site, name)

    def work(task: Task) -> RunReport:
        client = site.client
        options = RunOptions(dry_run=True)
        return run_job(client.config, name, options, registry=client.registry, clock=client.clock, report=task.report)

    site.record(who, "dry-run", f"job:{name}")
    return site.tasks.start("dry-run", who.name, T("Dry run of {job}", job=name), work, asked={"job": name})


@router.post("/jobs/{name}/pause")
def pause(site: TheSite, who: Runner, name: str, fields: Form) -> Response:
    """Let nothing but a person start it."""
    hold(site, who, name, fields.get("why", "").strip()[:500])
    return RedirectResponse(f"/jobs/{name}", HTTPStatus.SEE_OTHER)


def hold(site: Site, who: Person, name: str, why: str) -> None:
    """The same, as an act that is written down."""
    check(site, name)
    asking.pause(site.client.ledger, name, by=who.name, why=why)
    site.record(who, "pause", f"job:{name}", data={"why": why} if why else None)


@router.post("/jobs/{name}/resume")
def resume(site: TheSite, who: Runner, name: str) -> Response:
    """Let it run by itself again."""
    let_go(site, who, name)
    return RedirectResponse(f"/jobs/{name}", HTTPStatus.SEE_OTHER)


def let_go(site: Site, who: Person, name: str) -> bool:
    """The same, as an act that is written down; False when it was not paused."""
    check(site, name)
    was = asking.resume(site.client.ledger, name, by=who.name)
    site.record(who, "resume", f"job:{name}")
    return was
