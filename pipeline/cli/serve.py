"""``mistok serve``: run the jobs on their schedules until it is told to stop."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli import common
from pipeline.errors import MistokError
from pipeline.texts import TN, T

if TYPE_CHECKING:
    from pipeline.config.model import ClientConfig
    from pipeline.engine.runtime import Client


def serve(
    context: typer.Context,
    workers: Annotated[
        int | None, typer.Option(min=1, max=64, help=str(T("How many jobs run at once (default: up to 4).")))
    ] = None,
    drain: Annotated[
        float, typer.Option(min=0, help=str(T("Seconds that running steps are given when it is stopped.")))
    ] = 20.0,
    web: Annotated[
        bool | None,
        typer.Option(
            "--web/--no-web",
            help=str(T("Offer the page, or do not (default: when the config has `web`).")),
            show_default=False,
        ),
    ] = None,
) -> None:
    """Run the jobs on their schedules until Ctrl-C or SIGTERM; a second Ctrl-C ends at once."""
    from pipeline.engine.runtime import Client

    with common.cards():
        config = common.load(context)
        if not _jobs_on(config):
            common.usage(T("{file} has no job that is enabled.", file=str(config.source)))
        words = T("Starting…")
        while True:
            _log_to_the_screen_too(config)
            common.console().print(str(words))
            with Client.open(config) as client:
                edited = _serve(client, workers, drain, web=web)
            if not edited:
                break
            config, words = _edited(context, config), T("The config was changed: starting with the new one…")
        common.console().print(str(T("Stopped.")))


def _edited(context: typer.Context, old: ClientConfig) -> ClientConfig:
    """The config as it is now; the old one when that one cannot be used after all."""
    from pipeline.engine.history import record_config
    from pipeline.engine.runtime import Client

    try:
        new = common.load(context)
        if not _jobs_on(new):
            common.usage(T("{file} has no job that is enabled.", file=str(new.source)))
        with Client.open(new) as client:
            record_config(client.ledger, str(new.source), ())
        return new
    except MistokError as error:
        common.show_findings(error.findings)
        with Client.open(old) as client:
            record_config(client.ledger, str(old.source), error.findings)
        return old


def _jobs_on(config: ClientConfig) -> bool:
    return any(job.enabled for job in config.jobs.values())


def _serve(client: Client, workers: int | None, drain: float, *, web: bool | None) -> bool:
    """Serve until it is stopped; True when that was because the config was edited."""
    from pipeline.alerts.deliverer import Deliverer
    from pipeline.engine.configwatch import ConfigWatch
    from pipeline.engine.supervisor import Supervisor
    from pipeline.engine.tell import escalator, open_channels

    config = client.config
    supervisor = Supervisor(
        config,
        client.ledger,
        workers=workers,
        drain=drain,
        at_work_now=lambda: _banner(client),
        edits=ConfigWatch(config),
    )
    deliverer = Deliverer(
        client.ledger,
        open_channels(client),
        burst=config.alerts.burst,
        kinds=config.alerts.kinds,
        language=config.alerts.language or config.language,
    )
    elsewhere = escalator(client)
    with supervisor.signals(), _page(client, web):
        deliverer.start()
        elsewhere.start()
        try:
            supervisor.run()
        finally:
            deliverer.stop()
            elsewhere.stop()
    return supervisor.edited


@contextmanager
def _page(client: Client, web: bool | None) -> Iterator[None]:
    """The page beside the service, where it is wanted. Raises ConfigError when its address cannot be had."""
    settings = client.config.web
    if web is False or (web is None and settings is None):
        yield
        return
    from pipeline.cli.support import parts
    from pipeline.config.model import WebConfig
    from pipeline.web.server import Page

    page = Page(
        client.config,
        settings or WebConfig(),
        lambda line: common.console().print(line, soft_wrap=True, markup=False),
        parts,
    )
    page.start(client.ledger)
    try:
        yield
    finally:
        page.stop()


def _log_to_the_screen_too(config: ClientConfig) -> None:
    from pipeline import logs

    logs.for_client(config, console=True)


def _banner(client: Client) -> None:
    from pipeline.engine.shown.jobs import gather

    config, out = client.config, common.console()
    on = [row for row in gather(config, client.ledger) if row["enabled"]]
    out.print(str(TN("Client {client}: {n} job", "Client {client}: {n} jobs", len(on), client=config.client)))
    for row in on:
        line = T("  {job}: {schedule}", job=row["job"], schedule=row["schedule"])
        if row["next"]:
            first = row["next"][0]
            line = T("{one}; next {when}", one=line, when=first["at"])
            if first["note"]:
                line = T("{one} ({note})", one=line, note=first["note"])
        out.print(str(line))
    where = config.path(config.log.file) if config.log.file else None
    out.print(str(T("The log: {path}", path=str(where)) if where else T("The log goes to this screen only.")))
    out.print(str(T("Ctrl-C stops it: what is running is given its time; a second Ctrl-C ends at once.")))
