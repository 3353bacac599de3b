"""What was begun on the page: how far it is, and what came of it."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from pipeline.engine.shown.answers import came_words
from pipeline.engine.shown.words import OUTCOMES, counts_line
from pipeline.web.entry import Someone, TheSite
from pipeline.web.render import page

router = APIRouter(include_in_schema=False)
PLACES = {
    "answer": "cards",
    "replay-look": "archive",
    "replay-apply": "archive",
    "dry-run": "jobs",
    "stock": "sync",
    "bundle": "support",
}


@router.get("/tasks/{task_id}")
def task(request: Request, site: TheSite, who: Someone, task_id: str) -> Response:
    """One task of whoever began it."""
    found = site.tasks.find(task_id, who.name)
    if found is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    data = {
        "task": found,
        "came_words": came_words,
        "outcomes": OUTCOMES,
        "counts_line": counts_line,
    }
    return page(request, "task.html", who, data, here=PLACES.get(found.kind, ""))
