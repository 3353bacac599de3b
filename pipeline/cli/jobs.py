"""``mistok jobs``: every job, its schedule in words, how it went last, and when it runs next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli import common
from pipeline.engine.shown.jobs import gather, last_words, left_out_words, paused_words
from pipeline.texts import T, Text

if TYPE_CHECKING:
    from pipeline.ledger.store import Ledger


COLUMNS = (
    ("job", T("Job")),
    ("schedule", T("Schedule")),
    ("last", T("Last run")),
    ("next", T("Next runs")),
)


def jobs(
    context: typer.Context,
    pause: Annotated[
        str | None,
        typer.Option(
            "--pause",
            metavar="JOB",
            help=str(T("Let no schedule and no file start this job; `mistok run` does.")),
        ),
    ] = None,
    resume: Annotated[
        str | None, typer.Option("--resume", metavar="JOB", help=str(T("Let this job run by itself again.")))
    ] = None,
    why: Annotated[str, typer.Option("--why", help=str(T("Why it is paused, for the record.")))] = "",
    as_json: Annotated[bool, typer.Option("--json", help=str(T("Print JSON.")))] = False,
) -> None:
    """List the jobs with their last and next runs; pause one."""
    with common.cards(as_json=as_json):
        if pause or resume:
            _hold(context, pause, resume, why)
    with common.cards(as_json=as_json), common.client(context) as client:
        found = gather(client.config, client.ledger)
        serving = _service(client.ledger)
    if as_json:
        common.print_json({"timezone": client.config.timezone, "serving": serving, "jobs": found})
        return
    rows = [{**row, "last": _last_cell(row), "next": _next_words(row)} for row in found]
    common.table(COLUMNS, rows, empty=T("The config has no jobs."))
    out = common.console()
    out.print(str(T("Times are those of {zone}.", zone=client.config.timezone)))
    if serving is None:
        out.print(str(T("`mistok serve` is not at work: jobs run only by `mistok run JOB` until it is started.")))


def _hold(context: typer.Context, pause: str | None, resume: str | None, why: str) -> None:
    from pipeline.engine import asking

    with common.client(context, read_only=False) as client:
        for name in (pause, resume):
            if name and name not in client.config.jobs:
                common.usage(
                    T("There is no job {name} in {file}.", name=name, file=str(client.config.source)),
                    T("Its jobs are: {names}.", names=", ".join(client.config.jobs)),
                )
        if pause:
            asking.pause(client.ledger, pause, by=common.person(), why=why.strip())
        if resume:
            asking.resume(client.ledger, resume, by=common.person())


def _last_cell(row: dict[str, Any]) -> Text:
    words, left_out = last_words(row["last"]), left_out_words(row["left_out"])
    if row["paused"]:
        words = T("{one}\n{other}", one=words, other=paused_words(row["paused"]))
    return T("{one}\n{other}", one=words, other=left_out) if left_out else words


def _next_words(row: dict[str, Any]) -> str:
    if not row["enabled"]:
        return ""
    lines = [common.cell(run["at"]) + (f"  ({run['note']})" if run["note"] else "") for run in row["next"]]
    return "\n".join([*([str(T("when a file comes"))] if row["watch"] else []), *lines])


def _service(ledger: Ledger) -> dict[str, Any] | None:
    """What the service at work said last, or None when there is none or it is silent."""
    from pipeline.engine import history

    beat = history.at_work(ledger)
    return {"last_sign": beat.at, **beat.value} if beat else None
