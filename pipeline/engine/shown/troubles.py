"""How a client stands, in words."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from pipeline.engine.fleet import clock
from pipeline.engine.fleet.hinting import ENVIRONMENT
from pipeline.engine.shown.jobs import STATES
from pipeline.engine.shown.words import cell, where
from pipeline.errors import Finding
from pipeline.texts import TN, T, Text, verbatim

if TYPE_CHECKING:
    from pathlib import Path
    from zoneinfo import ZoneInfo

    from pipeline.config.model import ClientConfig
    from pipeline.engine.health import Health, Job, Level, Service

LIVES: Mapping[str, Text] = {
    "alive": T("alive"),
    "standby": T("stands by"),
    "starting": T("is starting"),
    "stopping": T("is stopping"),
    "stopped": T("was stopped"),
    "stuck": T("STUCK: its process is there, but says nothing"),
    "dead": T("DEAD: its process is gone"),
    "silent": T("SILENT: dead, stuck, or cut off from the ledger"),
    "never": T("was never started"),
}
KINDS: Mapping[str, Text] = {
    "held": T("orders held"),
    "quarantined": T("files in quarantine"),
    "changed": T("orders that came again with other content"),
    "in_doubt": T("orders in doubt"),
    "brake": T("catalogues stopped by a brake"),
    "plan": T("plans stopped by a brake"),
    "sync": T("syncs with products that are not in step"),
    "alike": T("buyers of a like name"),
    "status": T("statuses that the target lacks"),
    "lost": T("files whose copy was lost"),
}
ROOMS: Mapping[str, Text] = {"ledger": T("Disk of the ledger"), "archive": T("Disk of the archive")}


def other_troubles(found: Health) -> Iterator[Text]:
    if found.cards:
        yield T("Open cards: {cards}.", cards=_cards_words(found.cards))
    if found.untold:
        words = TN("{n} notice could not be shown", "{n} notices could not be shown", found.untold)
        yield T("{what}: {why}", what=words, why=found.untold_why) if found.untold_why else words


def headline(config: ClientConfig, level: Level) -> Text:
    match level.value:
        case "well":
            return T("{client}: all is well.", client=config.client)
        case "trouble":
            return T("{client}: something fails, or waits for a person.", client=config.client)
        case _:
            return T("{client}: nobody does the work.", client=config.client)


def troubles(config: ClientConfig, found: Health, house: Path | None = None) -> Iterator[Text]:
    """All that is not well, one sentence each, the worst first. ``house``: the folder of many clients that it is in."""
    from pipeline.engine import health

    if found.down and health.scheduled(config):
        if os.environ.get(ENVIRONMENT) or any(service.queue is not None for service in found.services):
            yield T("No worker has this client: start `mistok worker`.")
        elif house is None:
            yield T("No service is at work: start `mistok serve`.")
        else:
            yield T("No service is at work: start `mistok serve {folder}`.", folder=str(house))
    for service in found.services:
        if service.life.value in ("stuck", "silent", "dead") and service.last is not None:
            yield T(
                "The service on {host} (process {pid}) is not to be trusted: {life}.",
                host=service.host,
                pid=str(service.pid),
                life=LIVES[service.life.value],
            )
    off = {service.host: service.ahead for service in found.services if service.clock_is_off}
    for host, seconds in off.items():  # several workers of a machine have one clock
        yield clock.finding(host, seconds).text
    if found.config_trouble is not None:
        yield T(
            "The config was edited and is wrong, the service goes on with the old one: {words}",
            words=placed(found.config_trouble),
        )
    elif any(service.other_config for service in found.services if service.life.value == "alive"):
        yield T("The config was edited; the service does not work by it yet.")
    for connection in found.connections:
        if connection.standing.since is not None and connection.standing.finding is not None:
            yield T(
                "Connection {name} fails since {since}: {words}",
                name=connection.name,
                since=connection.standing.since.astimezone(config.zone),
                words=connection.standing.finding.text,
            )
    for inbox in found.inboxes:
        if inbox.finding is not None:
            yield inbox.finding.text
    for job in found.jobs:
        yield from _job_troubles(job, config.zone)
    yield from other_troubles(found)
    if found.archive is not None:
        yield found.archive.text
    for room in found.rooms:
        if room.scarce:
            yield T("{what} is nearly full: {free} GB free.", what=ROOMS[room.what], free=gigabytes(room.free))


def _job_troubles(job: Job, zone: ZoneInfo) -> Iterator[Text]:
    if not job.enabled:
        return
    if job.over_limit and job.running_since is not None:
        since = job.running_since.astimezone(zone)
        yield T("Job {job} runs since {since}, longer than its time limit.", job=job.name, since=since)
    if job.overdue and job.due is not None:
        yield T("Job {job} should have run at {due}, and did not.", job=job.name, due=job.due.astimezone(zone))
    last = job.over
    if last is not None and last.state in ("failed", "timed_out", "interrupted"):
        words = T("Job {job}: {state}", job=job.name, state=STATES[last.state])
        of_connection = last.error is not None and last.error.about.startswith("connection:")
        if last.error is not None and not of_connection:
            words = T("{what}: {why}", what=words, why=last.error.text)
        yield words


def placed(finding: Finding) -> Text:
    place = where(finding.where)
    return T("{what}: {why}", what=verbatim(place), why=finding.text) if place else finding.text


def _cards_words(cards: Mapping[str, int]) -> str:
    return ", ".join(f"{KINDS.get(kind, kind)}: {count}" for kind, count in cards.items())


def service_words(service: Service, zone: ZoneInfo) -> Text:
    from pipeline.engine.schedule import duration_words

    if service.last is None or service.age is None:
        return T("The service: {life}.", life=LIVES[service.life.value])
    words = T(
        "The service on {host}: {life}; process {pid}, version {version}, started {since}; last sign {age} ago",
        host=service.host,
        life=LIVES[service.life.value],
        pid=str(service.pid),
        version=service.version or "?",
        since=service.since.astimezone(zone) if service.since else "?",
        age=duration_words(max(service.age, timedelta(seconds=1))),
    )
    if service.queue is None or service.life.value != "alive":
        return words
    waiting, running = service.queue.get("waiting", 0), service.queue.get("running", 0)
    return T("{one}; in the queue: {waiting} waiting, {running} under way", one=words, waiting=waiting, running=running)


def gigabytes(count: int) -> str:
    return cell(round(Decimal(count) / 1_000_000_000, 1))
