"""Today: what came, what waits, what fails, what runs next."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from pipeline.engine import health
from pipeline.engine.shown.jobs import gather
from pipeline.engine.shown.rows import ORDER_STATES
from pipeline.engine.shown.today import day_of
from pipeline.engine.shown.troubles import KINDS, headline, service_words, troubles
from pipeline.web.entry import Someone, TheSite
from pipeline.web.render import page
from pipeline.web.site import Site

router = APIRouter(include_in_schema=False)


@router.get("/")
def today(request: Request, site: TheSite, who: Someone) -> Response:
    """The first page."""
    return page(request, "today.html", who, view(site), here="today")


def view(site: Site) -> dict[str, Any]:
    """Everything that the page shows."""
    client, now = site.client, site.now()
    config = client.config
    found = health.examine(config, client.ledger)
    level = health.level(config, found)
    with client.ledger.read() as conn:
        day = day_of(conn, config.client, config.zone, now)
    coming = [
        {"job": row["job"], "at": run["at"], "note": run["note"], "watch": row["watch"]}
        for row in gather(config, client.ledger)
        if row["enabled"]
        for run in row["next"][:1]
    ]
    return {
        "day": day,
        "states": [(str(words), name, day.states[name]) for name, words in ORDER_STATES.items() if name in day.states],
        "level": level.value,
        "headline": headline(config, level),
        "troubles": list(troubles(config, found)),
        "services": [service_words(one, config.zone) for one in found.services],
        "cards": [(kind, KINDS.get(kind, kind), n) for kind, n in found.cards.items()],
        "coming": sorted(coming, key=lambda run: run["at"]),
        "watching": [name for name, job in config.jobs.items() if job.enabled and job.watch],
        "connections": found.connections,
        "inboxes": found.inboxes,
    }
