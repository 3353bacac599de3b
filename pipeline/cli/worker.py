"""``mistok worker DIR``: take the runs of the clients in a folder from a queue, beside other workers."""

from __future__ import annotations

import os
import platform
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli import common
from pipeline.engine.fleet.hinting import ENVIRONMENT
from pipeline.errors import ConfigError
from pipeline.texts import TN, T

if TYPE_CHECKING:
    from pipeline.engine.fleet.roster import Clients


def worker(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help=str(T("Folder with the clients' folders; or one client's own.")))
    ] = Path(),
    queue: Annotated[
        str,
        typer.Option(
            "--queue-database",
            help=str(T("PostgreSQL address of the queue; ${env:NAME} takes it from the environment.")),
        ),
    ] = f"${{env:{ENVIRONMENT}}}",
    only: Annotated[
        list[str] | None,
        typer.Option(help=str(T("Only clients whose names fit, such as 'a*'; may be given again."))),
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=256, help=str(T("How many runs at once.")))] = 4,
    waiting: Annotated[
        int | None,
        typer.Option(min=0, max=2048, help=str(T("How many more runs may only wait for a server; 0: none."))),
    ] = None,
    drain: Annotated[
        float, typer.Option(min=0, help=str(T("Seconds that running steps are given when it is stopped.")))
    ] = 20.0,
    silence: Annotated[
        float,
        typer.Option(
            min=2,
            help=str(T("Seconds without a sign of life after which a worker's jobs go to others; the same for all.")),
        ),
    ] = 30.0,
    front: Annotated[
        bool,
        typer.Option(
            "--front", help=str(T("Offer the page of all clients and take their webhooks, as one worker does."))
        ),
    ] = False,
    check: Annotated[
        bool,
        typer.Option("--check", help=str(T("Show what it would work on, and whether the queue answers; then end."))),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help=str(T("Print JSON.")))] = False,
) -> None:
    """Take runs from a queue, beside other workers, until Ctrl-C or SIGTERM; a second one ends at once."""
    with common.cards(as_json=as_json), ExitStack() as open_till_the_end:
        from pipeline import logs
        from pipeline.engine.fleet.queue import conninfo, needed, prepare
        from pipeline.engine.fleet.roster import Clients

        needed()
        url = _address(queue)
        conninfo(url)
        clients = Clients(folder, only or ())
        open_till_the_end.callback(clients.close)
        clients.wait(for_all=check)
        for one in clients.broken:
            common.show_findings(one.findings, as_json=as_json and not check)
        if check:
            prepare(url)
            raise typer.Exit(_show(clients, url, as_json=as_json))
        if not clients.members:
            common.usage(T("No client in {folder} can be worked on.", folder=str(folder)))
        passwords = frozenset(_passwords(url))
        logs.configure(level="info", secrets_of=lambda _line: passwords | clients.secrets)
        from pipeline.engine.fleet.front import Front
        from pipeline.engine.fleet.worker import FleetWorker

        out = common.console()
        names = len(clients.members)
        out.print(str(TN("Starting with {n} client…", "Starting with {n} clients…", names)))
        with _page(folder, url) if front else nullcontext():
            FleetWorker(
                clients,
                url,
                concurrency=concurrency,
                waiting=waiting,
                silence=silence,
                drain=drain,
                at_work=lambda: out.print(
                    str(T("At work. Ctrl-C stops it: what is running is given its time; a second one ends at once."))
                ),
                front=Front() if front else None,
            ).run()
        out.print(str(T("Stopped.")))


def _page(folder: Path, url: str) -> AbstractContextManager[None]:
    """The page of all clients. Raises ConfigError where the folder is a single client's."""
    from pipeline.cli.serve_many import page
    from pipeline.config.clients import is_folder_of_clients
    from pipeline.config.service import load_service

    if not is_folder_of_clients(folder):
        common.usage(
            T("{folder} is no folder of clients: --front is for the page of all of them.", folder=str(folder)),
        )
    os.environ[ENVIRONMENT] = url  # who answers a card on the page has a worker look at what waited
    return page(folder.resolve(), load_service(folder), web=True)


def _address(given: str) -> str:
    """The queue's address, from the environment where it says so. Raises ConfigError when it is not there."""
    if given.startswith("${env:") and given.endswith("}"):
        name = given[len("${env:") : -1]
        found = os.environ.get(name, "")
        if not found:
            raise ConfigError(
                T("The queue has no address: {name} is not set.", name=name),
                hint=T("Give --queue-database, or set {name}: postgresql://USER:PASSWORD@HOST/DATABASE.", name=name),
            )
        return found
    return given


def _passwords(url: str) -> list[str]:
    from pipeline.config.masking import secrets_of

    return list(secrets_of(url))


def _show(clients: Clients, url: str, *, as_json: bool) -> int:
    """What there is to work on, and who works on it now; gives the exit code."""
    from pipeline.config.clients import ledger_file
    from pipeline.engine.fleet import clock
    from pipeline.engine.fleet.queue import clock_of
    from pipeline.engine.fleet.roster import told_by
    from pipeline.engine.fleet.standing import look
    from pipeline.engine.runtime import OWN_TROUBLE
    from pipeline.engine.shown.standings import ledger_troubles

    state = look(url)
    here = (platform.node(), clock_of(url).ahead)
    seen = [here, *((one.host, one.ahead) for one in state.workers if one.alive)]
    off = dict(sorted(seen, key=lambda one: abs(one[1])))  # of containers of one name the worst
    clocks = [clock.finding(host, seconds) for host, seconds in off.items() if clock.is_off(seconds)]
    said: dict[tuple[str, str], list[str]] = {}
    for one in state.workers:
        for name, code in one.apart.items() if one.alive else ():
            if name in clients.members:
                said.setdefault((name, code), []).append(one.host)
    apart = {(name, code): told_by(hosts, name, code) for (name, code), hosts in sorted(said.items())}
    troubles = ledger_troubles([one.config for one in clients.members.values()])
    rows: list[dict[str, Any]] = [
        {
            "client": name,
            "jobs": sum(job.enabled for job in member.config.jobs.values()),
            "ledger": "SQLite" if ledger_file(member.config) else "PostgreSQL",
            "workers": [one.host for one in state.workers if one.alive and name in one.clients],
        }
        for name, member in clients.members.items()
    ]
    broken = [{"client": one.name, "findings": [common.finding_row(f) for f in one.findings]} for one in clients.broken]
    if as_json:
        differ = [{"client": name, **common.finding_row(finding)} for (name, _), finding in apart.items()]
        away = [{"client": name, **common.finding_row(finding)} for name, finding in troubles.items()]
        common.print_json(
            {
                "clients": rows,
                "broken": broken,
                "apart": differ,
                "ledgers": away,
                "clocks": [common.finding_row(one) for one in clocks],
                "queue": state.as_data(),
            }
        )
    else:
        columns = (
            ("client", T("Client")),
            ("jobs", T("Jobs")),
            ("ledger", T("Ledger")),
            ("workers", T("Workers at work")),
        )
        shown = [{**row, "workers": ", ".join(row["workers"])} for row in rows]
        common.table(columns, shown, empty=T("There is no client to work on."))
        common.show_findings(list(apart.values()), of_story=True)
        for name, finding in troubles.items():
            common.console().print(str(T("Client {client} cannot be worked on now:", client=name)), markup=False)
            common.show_findings([finding], of_story=True)
        common.show_findings(clocks, of_story=True)
    if broken or apart or not rows or any(finding.code not in OWN_TROUBLE for finding in troubles.values()):
        return common.WRONG
    return common.WAITING if troubles or clocks else common.DONE
