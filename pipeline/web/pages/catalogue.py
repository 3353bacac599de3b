"""Catalogues: what was published last, as the shop's parser reads it, and what differs from the one before."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from pipeline.engine.shown.catalogues import SHOWN, catalogues, told
from pipeline.web.entry import Someone, TheSite
from pipeline.web.render import page
from pipeline.web.site import Site

router = APIRouter(include_in_schema=False)


@router.get("/catalogue")
def all_of_them(request: Request, site: TheSite, who: Someone) -> Response:
    """Every file that a job publishes."""
    return page(request, "catalogues.html", who, {"catalogues": catalogues(site.client)}, here="catalogue")


@router.get("/catalogue/{job}/{step}")
def one(request: Request, site: TheSite, who: Someone, job: str, step: int, q: str = "") -> Response:
    """One of them, read back."""
    return page(request, "catalogue.html", who, view(site, job, step, q.strip()[:200]), here="catalogue")


def view(site: Site, job: str, step: int, q: str = "") -> dict[str, Any]:
    """What the page shows; ``q``: only rows with these words. Raises HTTPException when there is no such step."""
    found = next((row for row in catalogues(site.client) if (row["job"], row["step"]) == (job, step)), None)
    if found is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    rows, difference, trouble = told(site.client, found)
    body = rows[1:]
    if q:
        body = [row for row in body if any(q.casefold() in cell.casefold() for cell in row)]
    return {
        "one": found,
        "header": rows[0] if rows else (),
        "rows": body[:SHOWN],
        "count": len(body),
        "difference": difference,
        "trouble": trouble,
        "words": q,
        "shown": SHOWN,
    }
