"""``mistok serve DIR``: the clients of a folder in one service."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pipeline.cli import common
from pipeline.texts import TN, T, use_language

if TYPE_CHECKING:
    from pipeline.config.service import ServiceConfig
    from pipeline.engine.house import House
from pipeline.engine.members import Member

#: Clients are told one by one up to so many; of more, only those that are not served.
EACH = 20


def settings_of(context: typer.Context, folder: Path) -> ServiceConfig:
    """The service's own settings, with their language in use."""
    import os

    from pipeline.config.service import load_service

    settings = load_service(folder)
    use_language(common.options(context).language or os.environ.get("MISTOK_LANGUAGE") or settings.language)
    return settings


def serve_many(
    context: typer.Context, folder: Path, workers: int | None, drain: float, *, web: bool | None = None
) -> None:
    """Serve every client in ``folder`` until it is stopped."""
    from pipeline import logs
    from pipeline.engine.house import House

    settings = settings_of(context, folder)
    out = common.console()
    out.print(str(T("Starting…")))
    logs.for_many(settings.log, folder)
    house = House(
        folder,
        workers or settings.workers,
        each=settings.each,
        waiting=settings.waiting,
        slice=settings.slice.total_seconds(),
        drain=drain,
    )
    house.opened = lambda member: _opened(house, member)
    house.begun = lambda: _begun(house, settings)
    with house.signals(), page(folder, settings, web):
        house.run()
    out.print(str(T("Stopped.")))


@contextmanager
def page(folder: Path, settings: ServiceConfig, web: bool | None) -> Iterator[None]:
    """The page of all clients beside the service, where it is wanted. Raises ConfigError when its address is taken."""
    from pipeline.config.model import WebConfig

    if web is False or (web is None and settings.web is None):
        yield
        return
    from pipeline.cli.support import parts
    from pipeline.engine.runtime import Client
    from pipeline.web.server import ManyPage
    from pipeline.web.street import house_config

    config, wanted = house_config(folder, settings.language), settings.web or WebConfig()
    out = common.console()
    page = ManyPage(config, wanted, lambda line: out.print(line, soft_wrap=True, markup=False), parts)
    with Client.open(config) as client:
        page.start(client.ledger)
    try:
        yield
    finally:
        page.stop()


def _opened(house: House, member: Member) -> None:
    """Its log; and a line for people."""
    from pipeline import logs

    found = member.read.found if member.read is not None else None
    if member.supervisor is not None and found is not None and found.config is not None:
        logs.add_client(found.config)
        if len(house.members) <= EACH:
            jobs = sum(job.enabled for job in found.config.jobs.values())
            line = TN("Client {client}: {n} job", "Client {client}: {n} jobs", jobs, client=member.name)
            common.console().print(str(line), markup=False)
        return
    common.console().print(str(T("Client {client} is not served:", client=member.name)), markup=False)
    common.show_findings(member.findings, of_story=True)


def _begun(house: House, settings: ServiceConfig) -> None:
    served = sum(member.supervisor is not None for member in house.members.values())
    out = common.console()
    out.print(str(TN("{n} client is served.", "{n} clients are served.", served)))
    slots = house.slots
    out.print(str(T("Runs at a time: {n}, and {spare} more that are slow.", n=slots.size, spare=slots.spares)))
    out.print(str(T("Besides them up to {n} may wait for a server that does not answer.", n=slots.rooms)))
    where = house.folder / settings.log.file if settings.log.file else None
    out.print(str(T("The log: {path}", path=str(where)) if where else T("The log goes to this screen only.")))
    out.print(str(T("Ctrl-C stops it: what is running is given its time; a second Ctrl-C ends at once.")))
