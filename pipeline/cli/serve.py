"""``mistok serve``: run the jobs on their schedules until it is told to stop."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli import common
from pipeline.cli.many import Folder, many
from pipeline.errors import ConfigError, MistokError
from pipeline.texts import TN, T

if TYPE_CHECKING:
    import socket

    from pipeline.config.model import ClientConfig, WebConfig
    from pipeline.engine.runtime import Client
    from pipeline.web.server import Door


def serve(
    context: typer.Context,
    folder: Folder = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=64,
            help=str(T("How many jobs run at once (default: up to 4; for many clients, more).")),
        ),
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
    from pipeline.web.server import Door

    with common.cards(), closing(Door()) as door:
        clients = many(context, folder)
        if clients is not None:
            from pipeline.cli.serve_many import serve_many

            serve_many(context, clients, workers, drain, web=web)
            return
        config, refused = common.load(context), ""
        if not _jobs_on(config):
            common.usage(T("{file} has no job that is enabled.", file=str(config.source)))
        words = T("Starting…")
        while True:
            _log_to_the_screen_too(config)
            common.console().print(str(words))
            with Client.open(config) as client:
                edited = _serve(client, workers, drain, door, web=web, refused=refused)
            if not edited:
                break
            before = config
            config, refused = _edited(context, before, door, web)
            words = T("The config was changed: starting with the new one…")
            if config is before:
                words = T("The new config cannot be used: starting with the old one again…")
        common.console().print(str(T("Stopped.")))


def _edited(context: typer.Context, old: ClientConfig, door: Door, web: bool | None) -> tuple[ClientConfig, str]:
    """The config as it is now; the old one when that one cannot be used after all, and the hash of what is refused."""
    from pipeline.config.load import hash_now
    from pipeline.engine.history import record_config
    from pipeline.engine.runtime import Client
    from pipeline.engine.tell import escalator, open_channels

    now = hash_now(old.source)
    try:
        new = common.load(context)
        if not _jobs_on(new):
            common.usage(T("{file} has no job that is enabled.", file=str(new.source)))
        with Client.open(new) as client:
            for channel in open_channels(client):
                channel.close()
            escalator(client).stop()
            _open(door, new, web)
            record_config(client.ledger, str(new.source), ())
        return new, ""
    except MistokError as error:
        common.show_findings(error.findings)
        with Client.open(old) as client:
            record_config(client.ledger, str(old.source), error.findings)
        return old, now


def _open(door: Door, config: ClientConfig, web: bool | None) -> socket.socket | None:
    """What the page listens at; None: no page is wanted. Raises ConfigError, with the line, when it cannot be had."""
    settings = _wanted(config, web)
    if settings is None:
        return None
    try:
        return door.open(settings)
    except ConfigError as error:
        from pipeline.config.includes import read_config
        from pipeline.config.places import mark_of

        mark = mark_of(read_config(config.source)[0], "web", "listen")
        if mark is None:
            raise
        placed = [replace(finding, where=mark.where("web.listen")) for finding in error.findings]
        raise ConfigError(findings=tuple(placed)) from error


def _wanted(config: ClientConfig, web: bool | None) -> WebConfig | None:
    """The settings of the page, where it is wanted."""
    from pipeline.config.model import WebConfig

    if web is False or (web is None and config.web is None):
        return None
    return config.web or WebConfig()


def _jobs_on(config: ClientConfig) -> bool:
    return any(job.enabled for job in config.jobs.values())


def _serve(client: Client, workers: int | None, drain: float, door: Door, *, web: bool | None, refused: str) -> bool:
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
        edits=ConfigWatch(config, refused),
    )
    deliverer = Deliverer(
        client.ledger,
        open_channels(client),
        burst=config.alerts.burst,
        kinds=config.alerts.kinds,
        language=config.alerts.language or config.language,
    )
    elsewhere = escalator(client)
    with supervisor.signals(), _page(client, door, web):
        deliverer.start()
        elsewhere.start()
        try:
            supervisor.run()
        finally:
            deliverer.stop()
            elsewhere.stop()
    return supervisor.edited


@contextmanager
def _page(client: Client, door: Door, web: bool | None) -> Iterator[None]:
    """The page beside the service, where it is wanted. Raises ConfigError when its address cannot be had."""
    settings, listening = _wanted(client.config, web), _open(door, client.config, web)
    if settings is None:
        door.close()  # what an older config had
        yield
        return
    from pipeline.cli.support import parts
    from pipeline.web.server import Page

    page = Page(
        client.config,
        settings,
        lambda line: common.console().print(line, soft_wrap=True, markup=False),
        parts,
    )
    page.start(client.ledger, listening)
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
