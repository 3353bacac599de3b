"""``mistok report day``: yesterday's shop against books, on the screen, as JSON and as a workbook."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli import common
from pipeline.cli.orders import AsJson
from pipeline.cli.words import Verb, VerbGroup
from pipeline.errors import ConfigError, system_words
from pipeline.texts import T

if TYPE_CHECKING:
    from pipeline.engine.report.day import DayReport
    from pipeline.engine.report.words import Column
    from pipeline.engine.runtime import Client

group = typer.Typer(
    cls=VerbGroup,
    no_args_is_help=True,
    epilog=str(common.EXIT_CODES),
)
SHOWN = 40  #: rows of one table on the screen


@group.command(
    "day",
    cls=Verb,
    help=str(
        T("The sheet of a day (yesterday): counts and sums by source, status and payment, differences, what waits.")
    ),
    epilog=str(common.EXIT_CODES),
)
def day(
    context: typer.Context,
    which: Annotated[
        str | None,
        typer.Argument(metavar="DATE", help=str(T("The day, such as 2026-11-27; yesterday when not given."))),
    ] = None,
    xlsx: Annotated[
        Path | None,
        typer.Option("--xlsx", help=str(T("Write it to this file, too, as a workbook.")), show_default=False),
    ] = None,
    connect: Annotated[
        bool, typer.Option("--connect", help=str(T("Ask the accounting systems first what their documents say now.")))
    ] = False,
    as_json: AsJson = False,
) -> None:
    """The sheet of a day."""
    with common.cards(as_json=as_json):
        with common.client(context, read_only=not connect) as client:
            wanted = _day(which, client)
            troubles = _ask(client, wanted) if connect else ()
            from pipeline.engine.report.reading import day_report
            from pipeline.engine.report.words import as_data

            report = day_report(client, wanted)
        if xlsx is not None:
            _write(xlsx, report)
        if as_json:
            common.print_json(as_data(report))
        else:
            _show(report, xlsx)
        common.show_findings(troubles)
    if troubles:
        raise typer.Exit(common.UNREACHABLE)


def _day(which: str | None, client: Client) -> date:
    from pipeline.engine.report.day import yesterday

    today = client.clock.now().astimezone(client.config.zone).date()
    if which is None:
        return yesterday(client.clock.now(), client.config.zone)
    try:
        wanted = date.fromisoformat(which.strip())
    except ValueError:
        common.usage(T("{word} is no day.", word=which), T("Write it as 2026-11-27."))
    if wanted > today:
        common.usage(T("{word} has not come yet.", word=which), T("Write it as 2026-11-27."))
    if wanted.year < 1990:
        common.usage(T("{word} is before any order.", word=which), T("Write it as 2026-11-27."))
    return wanted


def _ask(client: Client, wanted: date) -> tuple[Any, ...]:
    from pipeline.engine.report.asking import ask

    with _asking(client) as ctx:
        return ask(ctx, wanted)


@contextmanager
def _asking(client: Client) -> Iterator[Any]:
    from tempfile import TemporaryDirectory

    from pipeline.engine.context import RunContext

    with TemporaryDirectory(prefix="mistok-", ignore_cleanup_errors=True) as temp:
        ctx = RunContext(
            config=client.config, registry=client.registry, ledger=client.ledger, archive=client.archive,
            clock=client.clock, job="", temp=Path(temp),
        )  # fmt: skip
        try:
            yield ctx
        finally:
            ctx.close()


def _write(path: Path, report: DayReport) -> None:
    from pipeline.engine.report.sheet import workbook

    try:
        path.write_bytes(workbook(report))
    except OSError as error:
        raise ConfigError(
            T("{path} cannot be written: {words}", path=str(path), words=system_words(error)),
            hint=T("Name a file in a folder that exists."),
        ) from error


def _show(report: DayReport, xlsx: Path | None) -> None:
    from rich.text import Text as Rich

    from pipeline.engine.report.words import notes, on_screen, tables, title

    out = common.console()
    out.print(Rich(str(title(report)), style="bold"))
    for note in notes(report):
        out.print(Rich(f"  {note}", style="dim"), soft_wrap=True)
    for table in tables(report):
        if not table.rows and table.name in ("counts", "changes", "files", "late"):
            continue
        if table.name == "products" and not table.rows:
            continue
        out.print()
        out.print(Rich(str(table.title), style="bold"))
        columns = on_screen(table)
        heads = [(column.name, column.heading) for column in columns]
        common.table(heads, [_cells(columns, row) for row in table.rows[:SHOWN]], empty=table.empty)
        if len(table.rows) > SHOWN:
            words = T("… and {n} more: --xlsx or --json has them all.", n=len(table.rows) - SHOWN)
            out.print(Rich(str(words), style="dim"))
    if xlsx is not None:
        out.print(str(T("Written to {path}.", path=str(xlsx))))


def _cells(columns: Sequence[Column], row: Any) -> dict[str, Any]:
    return {column.name: row[column.name] for column in columns}
