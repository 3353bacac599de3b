"""``mistok run JOB``: run one job now, with progress, and say in one line what came of it."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli import common
from pipeline.engine.shown.jobs import STATES
from pipeline.engine.shown.stories import STARTED_BY
from pipeline.texts import T, Text

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from pipeline.engine.runtime import RunReport


def run(
    context: typer.Context,
    job: Annotated[str, typer.Argument(help=str(T("Name of the job in the config.")), show_default=False)],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help=str(T("Show what would be done; change nothing.")))
    ] = False,
    since: Annotated[
        str | None,
        typer.Option(help=str(T("Only files, or orders, from this time on: 2026-11-01 or 2026-11-01T08:00."))),
    ] = None,
    until: Annotated[str | None, typer.Option(help=str(T("Only files, or orders, before this time.")))] = None,
    full: Annotated[
        bool, typer.Option("--full", help=str(T("Look at everything of both sides, not only at what changed.")))
    ] = False,
    approve: Annotated[
        bool, typer.Option("--approve", help=str(T("Publish although a brake stopped the last run.")))
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help=str(T("Print JSON.")))] = False,
) -> None:
    """Run a job now."""
    with common.cards(as_json=as_json):
        from pipeline.engine.runtime import RunOptions, run_job

        config = common.load(context)
        chosen = RunOptions(
            dry_run=dry_run,
            approve=approve,
            full=full,
            since=moment(since, config.zone),
            until=moment(until, config.zone),
        )
        if chosen.since and chosen.until and chosen.since >= chosen.until:
            common.usage(
                T("--since {since} is not before --until {until}.", since=chosen.since, until=chosen.until),
                T("Files from --since on and before --until are taken."),
            )
        if as_json:
            report = run_job(config, job, chosen, end_at_limit=True)
        else:
            with progress() as tell:
                report = run_job(config, job, chosen, report=tell, end_at_limit=True)
        later = False
        if not dry_run:
            tell_people(config, report)
            if report.state == "skipped":
                from pipeline.engine.fleet.hinting import run_soon

                later = run_soon(config, job, by=common.person())
        if as_json:
            common.print_json(as_data(report))
        else:
            show(report, dry_run=dry_run)
            if later:
                words = T("Job {job} waits in the queue now: a worker runs it when the client is free.", job=job)
                common.console().print(str(words))
    raise typer.Exit(report.exit_code)


def tell_people(config: Any, report: RunReport | None = None) -> None:
    """Write down who ran it, and deliver the notices that wait.

    A popup that cannot be shown stops nothing: it stays in ``mistok notices``.
    """
    from pipeline.engine.runtime import Client
    from pipeline.engine.tell import deliver_waiting

    with Client.open(config) as client:
        if report is not None and report.run_id is not None:
            with client.ledger.begin() as conn:
                by = {"user": _user(), "host": socket.gethostname()}
                client.ledger.event(conn, f"job:{report.job}", STARTED_BY, by, run_id=report.run_id)
        deliver_waiting(client)


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # an account without a name, as in some containers
        return "?"


def moment(text: str | None, zone: ZoneInfo) -> datetime | None:
    """A date or time of the client's zone as an aware datetime. Raises ConfigError when it is neither."""
    if text is None:
        return None
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        common.usage(T("{text} is not a date.", text=text), T("Write it as 2026-11-01 or 2026-11-01T08:00."))
    return value if value.tzinfo else value.replace(tzinfo=zone)


class progress:  # noqa: N801 - used as a function: `with progress() as tell`
    """A progress bar on a terminal, nothing elsewhere."""

    def __enter__(self) -> Callable[[int, int | None, Text], None]:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            console=common.console(stderr=True),
            transient=True,
            disable=not sys.stderr.isatty(),
        )
        self._tasks: dict[str, Any] = {}
        self._bar.start()
        return self._tell

    def _tell(self, done: int, total: int | None, what: Text) -> None:
        words = str(what)
        if words not in self._tasks:
            self._tasks[words] = self._bar.add_task(words, total=total)
        self._bar.update(self._tasks[words], completed=done, total=total)

    def __exit__(self, *_exc: object) -> None:
        self._bar.stop()


def as_data(report: RunReport) -> dict[str, Any]:
    """A report for --json."""
    return {
        "job": report.job,
        "state": report.state,
        "run": report.run_id,
        "exit_code": report.exit_code,
        "counts": dict(report.counts),
        "steps": [
            {
                "step": step.step,
                "counts": dict(step.result.counts) if step.result else {},
                "details": list(step.result.details) if step.result else [],
                "notes": [str(note) for note in step.result.notes] if step.result else [],
                "findings": list(step.findings),
                "reference": step.reference or None,
            }
            for step in report.steps
        ],
    }


COLUMNS = (
    ("file", T("File")),
    ("order", T("Order")),
    ("customer", T("Customer")),
    ("total", T("Sum")),
    ("currency", T("Currency")),
    ("result", T("Result")),
    ("document", T("Document")),
)


#: Columns and words of what an export did.
HEADINGS = {
    "file": T("File"),
    "to": T("To"),
    "action": T("Action"),
    "rows": T("Rows"),
    "rows_before": T("Rows before"),
    "bytes": T("Bytes"),
}
ACTIONS = {
    "upload": T("would be uploaded"),
    "uploaded": T("uploaded"),
    "unchanged": T("unchanged"),
    "brake": T("stopped by a brake"),
}


def show(report: RunReport, *, dry_run: bool) -> None:
    """Print what came of a run: rows, what is wrong, and one line of counts."""
    from pipeline.cli.sync import show_rows

    out = common.console()
    for step in report.steps:
        if step.result is not None:
            rows = step.result.details
            if any("outcome" in row for row in rows):
                common.table(COLUMNS, [{**row, "result": _result(row)} for row in rows], empty=T("Nothing new."))
                for row in rows:
                    for act in row.get("acts") or ():
                        words = T("№{number}: {what}, key {key}", number=row["order"], key=act["key"],
                                  what=common.OUTCOMES.get(act["does"], act["does"]))  # fmt: skip
                        out.print(str(words), soft_wrap=True, highlight=False)
            elif any("act" in row for row in rows):
                show_rows(rows, 0)
            elif rows:
                told = [{**row, "action": ACTIONS.get(str(row.get("action")), row.get("action", ""))} for row in rows]
                common.table([(name, _heading(name)) for name in rows[0]], told, empty=T("Nothing new."))
            for row in step.result.details:
                common.show_findings(row.get("findings") or (), of_story=True)
            for note in step.result.notes:
                out.print(str(note))
        common.show_findings(step.findings, of_story=True)
    if report.state == "skipped":
        if not report.steps:  # else the step has said so
            out.print(str(T("Job {job}: the run before it is still under way; this one was skipped.", job=report.job)))
        return
    # "nothing new" would be no word for a run that did nothing because it could not
    said = any(report.counts.get(word) for word in report.counts if word != "rows")
    line = common.counts_line(report.counts) if said or report.state == "done" else str(STATES[report.state])
    if dry_run:
        out.print(str(T("Dry run of {job}, nothing was changed. {counts}", job=report.job, counts=line)))
    else:
        out.print(str(T("Job {job}: {counts}", job=report.job, counts=line)))


def _result(row: Mapping[str, Any]) -> str:
    """What came of an order: all that was done, where it was more than one thing."""
    words = row.get("did") or (row.get("outcome", ""),)
    return ", ".join(str(common.OUTCOMES.get(str(word), word)) for word in words)


def _heading(name: str) -> Text:
    from pipeline.texts import verbatim

    return HEADINGS.get(name) or verbatim(name.replace("_", " "))
