"""Sync: each pair of systems, how it went last, what its plan waits for, and why a stock is what it is."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException

from pipeline.engine.shown.jobs import STATES
from pipeline.engine.shown.runs import runs_of
from pipeline.engine.shown.stock_why import why
from pipeline.engine.shown.syncs import PLAN_STATES, pairs, plan
from pipeline.engine.shown.words import counts_line
from pipeline.errors import ConfigError
from pipeline.texts import T
from pipeline.web import plots
from pipeline.web.access import Person, Right
from pipeline.web.entry import Form, Someone, TheSite, acting
from pipeline.web.render import page
from pipeline.web.site import Site
from pipeline.web.tasks import Task

router = APIRouter(include_in_schema=False)
Asker = Annotated[Person, Depends(acting(Right.SEE))]


@router.get("/sync")
def syncs(request: Request, site: TheSite, who: Someone) -> Response:
    """All pairs."""
    return page(request, "syncs.html", who, view(site), here="sync")


def view(site: Site) -> dict[str, Any]:
    """What the page shows."""
    found = pairs(site.client)
    for one in found:
        one["plot"] = pushes(site, one) if one["stock"] else ""
    return {"pairs": found, "states": STATES, "plan_states": PLAN_STATES, "counts_line": counts_line}


def pushes(site: Site, one: dict[str, Any]) -> Any:
    """How many stock levels each run of the job has sent, the oldest at the left."""
    runs = [run for run in reversed(runs_of(site.client, one["job"], 60)) if run["ended"]]
    made = []
    for run in runs:
        sent = run["counts"].get("pushed", 0)
        told = T("{when}: {n} sent", when=run["started"], n=sent)
        made.append(plots.Bar(sent, str(told), run["state"]))
    if not any(bar.value for bar in made):
        return ""
    most = max(bar.value for bar in made)
    return plots.bars(made, T("Stock levels sent by each run"), top=str(T("most: {n}", n=f"{most:.0f}")))


@router.get("/sync/plans/{number}")
def one_plan(request: Request, site: TheSite, who: Someone, number: int) -> Response:
    """One plan, with its rows."""
    found = plan(site.client, number) if 0 < number < 2**63 else None
    if found is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    data = {"plan": found, "plan_states": PLAN_STATES, "counts_line": counts_line}
    return page(request, "plan.html", who, data, here="sync")


@router.post("/sync/why")
def ask(site: TheSite, who: Asker, fields: Form) -> Response:
    """Ask both systems about one article."""
    job, _, step = fields.get("step", "").rpartition(":")
    article = fields.get("article", "").strip()[:200]
    if not article:
        raise ConfigError(T("An article is needed."))
    if job not in site.client.config.jobs or not (step.isascii() and step.isdigit() and len(step) < 4):
        raise HTTPException(HTTPStatus.NOT_FOUND)

    def work(task: Task) -> Any:
        return why(site.client, job, int(step), article, report=task.report)

    task = site.tasks.start("stock", who.name, T("Stock of {article}", article=article), work)
    return RedirectResponse(f"/tasks/{task.id}", HTTPStatus.SEE_OTHER)
