"""``mistok selftest CONNECTION``: try a client's real server, and with ``--kill`` what killed runs leave on it."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli import common
from pipeline.errors import ConfigError, Finding, system_words
from pipeline.texts import TN, T, Text, show_datetime

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.engine.selftest.conduct import Progress
    from pipeline.engine.selftest.report import Line, Report, Setting

ORDERS = 3
STOPPED = 130

_MARKS: Mapping[str, tuple[str, str]] = {
    "ok": ("✓", "green"),
    "remark": ("!", "yellow"),
    "fault": ("✗", "red"),
    "untried": ("·", "dim"),
}


def selftest(
    context: typer.Context,
    connection: Annotated[
        str, typer.Argument(help=str(T("Name of the connection in the config.")), show_default=False)
    ],
    kill: Annotated[
        bool,
        typer.Option(
            "--kill", help=str(T("Kill runs on made-up orders at every point, and see what the next run does."))
        ),
    ] = False,
    orders: Annotated[int, typer.Option("--orders", min=1, help=str(T("Made-up orders for each point.")))] = ORDERS,
    point: Annotated[
        list[str] | None,
        typer.Option(
            "--point",
            help=str(T("Only these points, such as `created`, `inbound` or `outbound:uploaded`; may be repeated.")),
        ),
    ] = None,
    folder: Annotated[
        str | None,
        typer.Option(help=str(T("Folder on the server in which the test's own one is made; the root by default."))),
    ] = None,
    report_file: Annotated[
        Path | None,
        typer.Option("--report", help=str(T("Write the report to this file too: .json, or text by any other name."))),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help=str(T("Print JSON.")))] = False,
) -> None:
    """Try a server."""
    with common.cards(as_json=as_json):
        from pipeline.clock import SystemClock
        from pipeline.engine.ownplugins import plugin_folder
        from pipeline.engine.selftest.conduct import Options, selftest
        from pipeline.registry import load_registry

        points = _points(kill, point or [])
        config = common.load(context)
        if report_file is not None:
            _writable(report_file)
        options = Options(points=points, orders=orders, folder=folder)
        with _progress(quiet=as_json) as tell, _terminated_is_stopped():
            report = selftest(
                config, load_registry(plugin_folder(config)), connection, options, clock=SystemClock(), tell=tell
            )
        data = _masked(as_data(report), config.secrets)
        if report_file is not None:
            _write(report_file, report, data, config.zone)
        if as_json:
            common.print_json(data)
        else:
            show(report, common.console(), config.zone)
            if report_file is not None:
                common.console().print(str(T("The report is in {path}.", path=str(report_file))), soft_wrap=True)
    raise typer.Exit(STOPPED if report.interrupted else report.exit_code)


def _points(kill: bool, wanted: Sequence[str]) -> list[str]:
    from pipeline.engine.selftest.killing import known
    from pipeline.engine.selftest.points import POINTS

    if not kill:
        if wanted:
            common.usage(T("--point goes with --kill."))
        return []
    try:
        return known(POINTS, wanted)
    except KeyError as error:
        raise ConfigError(
            T("There is no point {name}.", name=str(error.args[0])),
            hint=T("Points are: {names}.", names=", ".join(POINTS)),
        ) from error


# --- progress -------------------------------------------------------------------------------------------------------


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Progress]:
    """A bar on a terminal, nothing elsewhere."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=common.console(stderr=True),
        transient=True,
        disable=quiet or not sys.stderr.isatty(),
    )
    with bar:
        task = bar.add_task("", total=None)
        yield lambda done, total, what: bar.update(task, completed=done, total=total, description=str(what))


@contextmanager
def _terminated_is_stopped() -> Iterator[None]:
    """A polite end from outside (SIGTERM) cleans up as Ctrl-C does."""

    def stop(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


# --- the report -----------------------------------------------------------------------------------------------------


def as_data(report: Report) -> dict[str, Any]:
    """A report for --json and for a file. No secret is in it."""
    return {
        "client": report.client,
        "connection": report.connection,
        "type": report.type,
        "server": report.server,
        "mistok": report.version,
        "started": report.started,
        "ended": report.ended,
        "seconds": _seconds(report),
        "folder": report.folder,
        "exit_code": STOPPED if report.interrupted else report.exit_code,
        "interrupted": report.interrupted,
        "unreachable": report.unreachable,
        "profile": [
            {
                "about": line.about,
                "heading": str(line.heading),
                "state": str(line.state),
                "seen": str(line.seen),
                "means": str(line.means) if line.means else None,
                "value": line.value,
            }
            for line in report.lines
        ],
        "settings": [
            {
                "place": one.place,
                "key": one.key,
                "value": one.value,
                "now": one.now,
                "differs": one.differs,
                "why": str(one.why),
            }
            for one in report.settings
        ],
        "yaml": "\n".join(yaml_lines(report)),
        "kill": {
            "asked": report.killed,
            "points": [
                {
                    "point": one.point,
                    "what": str(one.what),
                    "state": str(one.state),
                    "files": one.files,
                    "lost": one.lost,
                    "doubled": one.doubled,
                    "left": one.left,
                    "seconds": one.seconds,
                    "findings": list(one.findings),
                }
                for one in report.points
            ],
            "tried": _tried(report),
            "orders": report.orders,
            "documents": report.documents,
            "lost": report.lost,
            "doubled": report.doubled,
            "left": report.left,
        },
        "findings": list(report.findings),
        "remarks": list(report.remarks),
        "left_over": list(report.left_over),
    }


def _tried(report: Report) -> int:
    """At how many points a run was killed."""
    return sum(
        1
        for one in report.points
        if one.state != "untried" and not any(finding.code == "not-reached" for finding in one.findings)
    )


def _seconds(report: Report) -> float | None:
    return round((report.ended - report.started).total_seconds(), 1) if report.ended else None


def _masked(data: dict[str, Any], secrets: frozenset[str]) -> dict[str, Any]:
    from pipeline.config.masking import mask_any

    masked: dict[str, Any] = mask_any(common.jsonable(data), secrets)
    return masked


def yaml_lines(report: Report) -> Iterator[str]:
    """The settings that suit, as YAML ready to paste: those of the connection, then those of a job's step."""
    places: dict[str, list[Setting]] = {}
    for one in report.settings:
        places.setdefault(one.place, []).append(one)
    for place, settings in places.items():
        if place == "connection":
            yield "connections:"
            yield f"  {report.connection}:"
            inset = "    "
        else:
            job, _, step = place.partition("/")
            yield f"# {T('in step {step} of job {job}:', step=step, job=job)}"
            inset = "        "
        width = max(len(f"{one.key}: {one.value}") for one in settings)
        for one in settings:
            words = f"{one.key}: {one.value}".ljust(width)
            mark = T("now {value}: {why}", value=one.now or "-", why=one.why) if one.differs else one.why
            yield f"{inset}{words}  # {mark}"


def show(report: Report, out: Console, zone: Any) -> None:
    """Print the report in the reader's language."""
    from rich.text import Text as Rich

    started = report.started.astimezone(zone)
    head = T(
        "Selftest of {connection} ({type}), client {client}, {at}, Mistok {version}",
        connection=report.connection,
        type=report.type,
        client=report.client,
        at=show_datetime(started),
        version=report.version,
    )
    out.print(Rich(str(head), style="bold"), soft_wrap=True)
    if report.folder:
        out.print(str(T("In folder {folder}, with made-up files.", folder=report.folder)), soft_wrap=True, markup=False)
    if report.lines:
        out.print()
        _show_profile(out, report.lines)
    if report.points:
        out.print()
        _show_points(out, report)
    if report.settings:
        out.print()
        out.print(Rich(str(T("Settings that suit this server:")), style="bold"))
        for line in yaml_lines(report):
            out.print(Rich(line), soft_wrap=True)
    for finding in report.remarks:
        _card(out, finding, "yellow")
    for finding in report.findings:
        _card(out, finding, "red")
    out.print()
    out.print(Rich(str(_verdict(report)), style="bold green" if report.exit_code == 0 else "bold red"), soft_wrap=True)


def _show_profile(out: Console, lines: Sequence[Line]) -> None:
    from rich.table import Table
    from rich.text import Text as Rich

    shown = Table.grid(padding=(0, 2))
    for _column in range(3):
        shown.add_column(overflow="fold")
    for line in lines:
        mark, style = _MARKS[line.state]
        words = Rich(str(line.seen), style="red" if line.state == "fault" else "")
        if line.means:
            words.append("\n→ " + str(line.means), style="cyan")
        shown.add_row(Rich(mark, style=style), Rich(str(line.heading), style="bold"), words)
    out.print(shown)


def _show_points(out: Console, report: Report) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text as Rich

    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading, justify in (
        ("", "left"),
        (T("Killed at"), "left"),
        (T("What was going on"), "left"),
        (T("Lost"), "right"),
        (T("Doubled"), "right"),
        (T("Left over"), "right"),
        (T("Seconds"), "right"),
    ):
        shown.add_column(str(heading), justify=justify, overflow="fold")  # type: ignore[arg-type]  # a word of rich's
    for one in report.points:
        mark, style = _MARKS[one.state]
        numbers = [str(one.lost), str(one.doubled), str(one.left), str(one.seconds)]
        if one.state == "untried":
            numbers = ["-"] * 4
        shown.add_row(Rich(mark, style=style), one.point, str(one.what), *numbers)
    out.print(shown)
    told: set[Finding] = set()
    for one in report.points:
        for finding in one.findings:
            if finding not in told:
                told.add(finding)
                _card(out, finding, "red", one.point if one.state != "untried" else "")


def _card(out: Console, finding: Finding, style: str, place: str = "") -> None:
    from rich.text import Text as Rich

    line = Rich()
    if place:
        line.append(place + ": ", style="bold")
    line.append(str(finding.text), style=style)
    out.print(line, soft_wrap=True)
    if finding.hint:
        out.print(Rich("  → " + str(finding.hint), style="cyan"), soft_wrap=True)


def _verdict(report: Report) -> Text:
    seconds = T("{n} s", n=str(_seconds(report)))
    if report.interrupted:
        if report.left_over:
            return T("Stopped. Left on the server: {folders}", folders=", ".join(report.left_over))
        return T("Stopped; nothing was left on the server.")
    if report.unreachable:
        return T("The server could not be tried.")
    faults = sum(1 for line in report.lines if line.state == "fault")
    remarks = sum(1 for line in report.lines if line.state == "remark")
    parts = T(
        "{faults}, {remarks}",
        faults=TN("{n} fault", "{n} faults", faults),
        remarks=TN("{n} remark", "{n} remarks", remarks),
    )
    if not report.killed:
        words = T("Server profile: {parts}.", parts=parts)
    elif not _tried(report):
        words = T("Server profile: {parts}. No run was killed.", parts=parts)
    else:
        words = T(
            "Server profile: {parts}. Killed at {points}: {orders} came in, {documents} were made; lost: {lost}, "
            "doubled: {doubled}, left over: {left}.",
            parts=parts,
            points=TN("{n} point", "{n} points", _tried(report)),
            orders=TN("{n} made-up order", "{n} made-up orders", report.orders),
            documents=TN("{n} document", "{n} documents", report.documents),
            lost=report.lost,
            doubled=report.doubled,
            left=report.left,
        )
    if report.exit_code == 0:
        return T("Clean. {words} Nothing was left on the server. {seconds}.", words=words, seconds=seconds)
    return T("Not clean. {words} {seconds}.", words=words, seconds=seconds)


# --- the file -------------------------------------------------------------------------------------------------------


def _writable(path: Path) -> None:
    """Said before minutes of work, not after."""
    if path.is_dir() or not path.absolute().parent.is_dir():
        common.usage(
            T("{path} cannot be written: {words}", path=str(path), words=T("there is no such folder, or it is one")),
            T("Name a file in a folder that exists."),
        )


def _write(path: Path, report: Report, data: Mapping[str, Any], zone: Any) -> None:
    from rich.console import Console

    try:
        with path.open("w", encoding="utf-8", newline="\n") as stream:
            if path.suffix.lower() == ".json":
                json.dump(data, stream, ensure_ascii=False, indent=2)
                stream.write("\n")
            else:
                text: IO[str] = stream
                show(report, Console(file=text, width=120, highlight=False, no_color=True), zone)
    except OSError as error:
        common.usage(
            T("{path} cannot be written: {words}", path=str(path), words=system_words(error)),
            T("Name a file in a folder that exists."),
        )
