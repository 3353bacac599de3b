"""The list of many clients: how each stands, and the way to its page. For those who look after all of them."""

from __future__ import annotations

import os
from http import HTTPStatus

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily

from pipeline import __version__
from pipeline.engine.fleet.hinting import ENVIRONMENT
from pipeline.engine.shown.standings import LEVELS, WORSE, in_short, worst
from pipeline.errors import MistokError
from pipeline.web.entry import Forbidden, Someone, TheSite
from pipeline.web.metrics import CONTENT, may_measure
from pipeline.web.render import page

router = APIRouter(include_in_schema=False)


@router.get("/")
def clients(request: Request, site: TheSite, who: Someone, q: str = "", level: str = "") -> Response:
    """All of them, the worst first; ``q``: part of a name, ``level``: those that stand so."""
    assert site.standings is not None
    rows = site.standings.rows()
    wanted = [
        row for row in rows if q.casefold() in row.client.casefold() and (level not in LEVELS or row.level == level)
    ]
    wanted.sort(key=lambda row: -WORSE.index(row.level))
    data = {
        "rows": wanted,
        "short": in_short(rows),
        "levels": LEVELS,
        "level": level,
        "find": q,
        "looking": not site.standings.through.is_set(),
    }
    return page(request, "clients.html", who, data, here="clients")


@router.get("/healthz")
def healthz(site: TheSite) -> Response:
    """200 while every client is served, 503 when one is not or they were not looked at yet; ``status``: of the one that
    stands worst, or ``starting``.
    """
    assert site.standings is not None
    level = worst(site.standings.rows())
    if level != "down" and not site.standings.through.is_set():
        level = "starting"
    status = HTTPStatus.SERVICE_UNAVAILABLE if level in ("down", "starting") else HTTPStatus.OK
    return JSONResponse({"status": level, "version": __version__}, status)


@router.get("/metrics")
def metrics(request: Request, site: TheSite) -> Response:
    """How many stand how, and how the queue of workers stands, for Prometheus; the metrics of each client are below its
    address. Raises Forbidden.
    """
    assert site.standings is not None
    if not may_measure(request, site):
        raise Forbidden("role")
    made = GaugeMetricFamily("mistok_clients", "Clients by how they stand.", labels=["level"])
    levels = [row.level for row in site.standings.rows()]
    for level in LEVELS:
        made.add_metric([level], float(levels.count(level)))
    registry = CollectorRegistry(auto_describe=False)
    for family in (made, *_queue()):
        registry.register(_Once(family))
    return Response(generate_latest(registry), media_type=CONTENT)


def _queue() -> list[GaugeMetricFamily]:
    """The queue of the workers as a whole, where this is the page of one; of one that gives no answer, that it does
    not.
    """
    url = os.environ.get(ENVIRONMENT, "")
    if not url:
        return []
    from pipeline.engine.fleet import queue, standing

    up = GaugeMetricFamily("mistok_queue_up", "1 while the queue's database answers.")
    try:
        queue.needed()
        state = standing.look(url)
    except MistokError:
        up.add_metric([], 0.0)
        return [up]
    up.add_metric([], 1.0)
    clients = state.clients.values()
    values = {
        "waiting": sum(one.waiting for one in clients),
        "running": sum(one.running for one in clients),
        "workers": sum(one.alive for one in state.workers),
        "oldest_seconds": max((one.oldest for one in clients), default=0.0),
    }
    return [up, *(GaugeMetricFamily(f"mistok_queue_{what}", QUEUE[what], value=float(n)) for what, n in values.items())]


#: The same names as of one client's part of the queue.
QUEUE = {
    "waiting": "Runs that wait in the queue.",
    "running": "Runs of the queue that are under way.",
    "workers": "Workers that are alive.",
    "oldest_seconds": "How long the oldest of them has waited.",
}


class _Once:
    def __init__(self, family: GaugeMetricFamily) -> None:
        self._family = family

    def describe(self) -> list[GaugeMetricFamily]:
        """What it gives."""
        return [self._family]

    def collect(self) -> list[GaugeMetricFamily]:
        """It."""
        return [self._family]
