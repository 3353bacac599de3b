"""``/healthz`` and ``/metrics``: how it stands, for programs. No customer, file or order is named in either."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from http import HTTPStatus
from ipaddress import ip_address, ip_network
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from pipeline import __version__
from pipeline.engine import health
from pipeline.engine.health import Health, Life
from pipeline.ledger import tables as t
from pipeline.web.entry import Forbidden, TheSite
from pipeline.web.proxy import is_trusted
from pipeline.web.site import Site

router = APIRouter(include_in_schema=False)
CONTENT = "text/plain; version=0.0.4; charset=utf-8"


@router.get("/healthz")
def healthz(site: TheSite) -> Response:
    """200 while somebody does the work, 503 when nobody does; ``status``: well, trouble, down."""
    found = health.examine(site.client.config, site.client.ledger)
    level = health.level(site.client.config, found)
    status = HTTPStatus.SERVICE_UNAVAILABLE if level is health.Level.DOWN else HTTPStatus.OK
    return JSONResponse({"status": level.value, "version": __version__}, status)


@router.get("/metrics")
def metrics(request: Request, site: TheSite) -> Response:
    """For Prometheus. Raises Forbidden for whoever does not come from where the settings let metrics be read from."""
    if not may_measure(request, site):
        raise Forbidden("role")
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collector(site))
    return Response(generate_latest(registry), media_type=CONTENT)


def may_measure(request: Request, site: Site) -> bool:
    """Whether whoever asks comes from where the settings let metrics be read from."""
    proxied = "x-forwarded-for" in request.headers and not is_trusted(request.state.peer, site.settings.proxy)
    return not proxied and _is_within(request.state.address, site.settings.metrics)


def _is_within(address: str, networks: Iterable[str]) -> bool:
    try:
        here = ip_address(address)
    except ValueError:
        return False
    return any(here in ip_network(one, strict=False) for one in networks)


class Collector:
    """Reads everything anew at each look."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def describe(self) -> list[Metric]:
        """Nothing is known before it is looked at."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All of it."""
        config, ledger = self._site.client.config, self._site.client.ledger
        found = health.examine(config, ledger)
        level = health.level(config, found)
        yield _gauge("mistok_level", "How it stands: 1 for the level that holds.", "level",
                     {one.value: float(one is level) for one in health.Level})  # fmt: skip
        yield from _service(found)
        yield _gauge("mistok_cards_open", "What waits for a person.", "kind", dict(found.cards))
        yield from self._orders()
        yield from _jobs(found)
        yield from self._runs()
        up = {one.name: float(one.standing.since is None) for one in found.connections}
        yield _gauge("mistok_connection_up", "0: it fails since its last success.", "connection", up)
        yield GaugeMetricFamily("mistok_notices_untold", "Notices that could not be shown.", value=found.untold)
        free = {room.what: float(room.free) for room in found.rooms}
        yield _gauge("mistok_disk_free_bytes", "Room on the disks of ledger and archive.", "place", free)

    def _orders(self) -> Iterator[Metric]:
        ledger, o = self._site.client.ledger, t.orders.c
        query = sa.select(o.state, sa.func.count()).where(o.client == ledger.client).group_by(o.state)
        with ledger.read() as conn:
            rows = {row[0]: float(row[1]) for row in conn.execute(query)}
        yield _gauge("mistok_orders", "Orders that ever came, by where they stand now.", "state", rows)

    def _runs(self) -> Iterator[Metric]:
        ledger, r = self._site.client.ledger, t.runs.c
        query = sa.select(r.job, r.state, sa.func.count()).where(r.client == ledger.client).group_by(r.job, r.state)
        made = CounterMetricFamily("mistok_runs", "Runs of jobs by how they ended.", labels=["job", "state"])
        with ledger.read() as conn:
            for job, state, count in conn.execute(query):
                if state != "running":
                    made.add_metric([job, state], float(count))
        yield made


def _service(found: Health) -> Iterator[Metric]:
    at_work = any(one.life is Life.ALIVE for one in found.services)
    yield GaugeMetricFamily("mistok_service_at_work", "1 while a service runs the jobs.", value=float(at_work))
    ages = [one.age.total_seconds() for one in found.services if one.age is not None and one.life is Life.ALIVE]
    if ages:
        name, words = "mistok_service_last_sign_seconds", "Seconds since the service's last sign of life."
        yield GaugeMetricFamily(name, words, value=min(ages))
    if found.queue is not None:
        for what, words in _QUEUE.items():
            yield GaugeMetricFamily(f"mistok_queue_{what}", words, value=float(found.queue.get(what.split("_")[0], 0)))


#: Of a client whose jobs come over the queue of workers.
_QUEUE = {
    "waiting": "Runs that wait in the queue.",
    "running": "Runs of the queue that are under way.",
    "workers": "Workers that are alive and have the client.",
    "oldest_seconds": "How long the oldest of them has waited.",
}


def _jobs(found: Health) -> Iterator[Metric]:
    over = {job.name: job.over for job in found.jobs if job.over is not None and job.over.ended is not None}
    ended = {name: run.ended.timestamp() for name, run in over.items() if run.ended}
    took = {name: (run.ended - run.started).total_seconds() for name, run in over.items() if run.ended}
    well = {name: float(run.state in ("done", "waiting")) for name, run in over.items()}
    yield _gauge("mistok_job_last_end_timestamp_seconds", "When its last run ended.", "job", ended)
    yield _gauge("mistok_job_last_duration_seconds", "How long its last run took.", "job", took)
    yield _gauge("mistok_job_last_well", "Whether its last run did its work.", "job", well)
    running = {job.name: float(job.running_since is not None) for job in found.jobs}
    yield _gauge("mistok_job_running", "Whether it runs now.", "job", running)


def _gauge(name: str, words: str, label: str, values: dict[str, Any]) -> Metric:
    made = GaugeMetricFamily(name, words, labels=[label])
    for key, value in values.items():
        made.add_metric([key], float(value))
    return made
