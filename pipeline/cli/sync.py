"""``mistok sync JOB``, ``plans``, ``approve``, ``compare``: two systems kept in step, seen before it is done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli import common
from pipeline.cli.orders import AsJson, Limit, asked, cut
from pipeline.engine.shown.syncs import PLAN_STATES as STATES
from pipeline.engine.shown.syncs import plan_lines, short
from pipeline.errors import Finding
from pipeline.rules.matching import normal_form
from pipeline.texts import TN, T, Text

if TYPE_CHECKING:
    from pipeline.config.model import ClientConfig
    from pipeline.engine.context import RunContext
    from pipeline.engine.runtime import Client, RunReport

SHOWN = 50  #: rows of a plan

Xlsx = Annotated[
    Path | None, typer.Option("--xlsx", help=str(T("Write it to this file, too, as a workbook.")), show_default=False)
]


def sync(
    context: typer.Context,
    job: Annotated[str, typer.Argument(help=str(T("Name of the job in the config.")), show_default=False)],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help=str(T("Show what would be done; change nothing.")))
    ] = False,
    full: Annotated[
        bool, typer.Option("--full", help=str(T("Compare everything of both sides, not only what changed.")))
    ] = False,
    explain: Annotated[
        str | None,
        typer.Option(
            "--explain", help=str(T("Tell how this article is read and matched; change nothing.")), show_default=False
        ),
    ] = None,
    xlsx: Xlsx = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """Bring two systems in step now."""
    with common.cards(as_json=as_json):
        from pipeline.cli.run import as_data, progress, tell_people
        from pipeline.engine.runtime import RunOptions, run_job

        config = common.load(context)
        _check_job(config, job)
        if explain is not None and not normal_form(explain).strip():
            common.usage(
                T("`--explain` names no article."), T("Write one, such as: mistok sync {job} --explain AB-1", job=job)
            )
        chosen = RunOptions(dry_run=dry_run or explain is not None, full=full)
        with progress() as tell:
            report = run_job(config, job, chosen, report=tell, end_at_limit=True)
        if not chosen.dry_run:
            tell_people(config, report)
        if xlsx is not None:
            from pipeline.cli.sync_sheet import write_plan

            write_plan(xlsx, report)
        if explain is not None:
            from pipeline.cli.sync_explain import explained

            told = explained(config, job, report, explain)
            common.print_json(told) if as_json else _print_explained(told)
            raise typer.Exit(common.DONE if told["found"] else common.WAITING)
        if as_json:
            data = as_data(report)
            data["findings"] = [one for step in report.steps for one in findings_of(step)]
            common.print_json(data)
        else:
            _show(report, dry_run=dry_run, limit=limit)
            if xlsx is not None:
                common.console().print(str(T("The workbook is in {path}.", path=str(xlsx))), soft_wrap=True)
    raise typer.Exit(report.exit_code)


def _check_job(config: ClientConfig, job: str) -> None:
    from pipeline.syncing import SyncSettings

    syncs = [
        name for name, one in config.jobs.items() if any(isinstance(spec.params, SyncSettings) for spec in one.steps)
    ]
    if job in config.jobs and job not in syncs:
        common.usage(
            T("Job {job} keeps no systems in step.", job=job),
            T("Jobs that do: {names}.", names=", ".join(syncs)) if syncs else T("Run it by: mistok run {job}", job=job),
        )


def findings_of(step: Any) -> list[Finding]:
    """What failed, and all that the step came upon: the same in a dry run and a real one."""
    return [*step.findings, *(step.result.remarks if step.result else ())]


def _show(report: RunReport, *, dry_run: bool, limit: int | None) -> None:
    """Counts first, then the difference, then what waits for a person."""
    from pipeline.engine.shown.jobs import STATES as RUN_STATES

    out = common.console()
    if report.state == "skipped":
        out.print(str(T("Job {job}: the run before it is still under way; this one was skipped.", job=report.job)))
        return
    for step in report.steps:
        if step.result is None:
            continue
        heading = T("{step}: {counts}", step=step.step, counts=common.counts_line(step.result.counts))
        out.print(str(heading), style="bold")
        show_rows(step.result.details, limit)
        plan = step.result.plan
        if plan is not None:
            common.show_findings(plan.findings[:SHOWN], of_story=True)
        for note in step.result.notes:
            out.print(str(note), soft_wrap=True)
    for step in report.steps:
        common.show_findings(step.findings, of_story=True)
    if dry_run:
        out.print(str(T("Nothing was changed.")))
    elif report.state != "done":
        out.print(str(T("Job {job}: {counts}", job=report.job, counts=str(RUN_STATES[report.state]))))


def show_rows(rows: Sequence[Mapping[str, Any]], limit: int | None) -> None:
    """A plan as a readable difference: one line for each field that changes."""
    lines = plan_lines(rows)
    most = asked(limit, as_json=False) or SHOWN
    columns = [
        ("act", T("What")), ("article", T("Article")), ("name", T("Name")), ("field", T("Field")),
        ("before", T("Before")), ("after", T("After")),
    ]  # fmt: skip
    if lines:
        common.table(columns, lines[:most], empty=T("Nothing would change."))
    if len(lines) > most:
        common.console().print(str(T("… and {n} more lines (-n shows more, --xlsx all).", n=len(lines) - most)))


def _print_explained(told: Mapping[str, Any]) -> None:
    out = common.console()
    for line in told["lines"]:
        out.print(line, soft_wrap=True)


# --- plans -----------------------------------------------------------------------------------------------------------


def plans(
    context: typer.Context,
    every: Annotated[bool, typer.Option("--all", help=str(T("Also plans that do not wait any more.")))] = False,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """List the plans that wait for a person."""
    with common.cards(as_json=as_json):
        with common.client(context) as client:
            from pipeline.ledger import plans as kept

            with client.ledger.read() as conn:
                rows = kept.listing(conn, client.config.client, waiting=not every, most=500)
            shown = [_plan_row(row, client) for row in rows]
        if as_json:
            common.print_json(shown[: asked(limit, as_json=True)])
            return
        columns = [
            ("number", T("Plan")), ("since", T("Since")), ("job", T("Job")), ("state_text", T("State")),
            ("counts_text", T("What it would do")), ("words", T("Why it waits")),
        ]  # fmt: skip
        common.table(columns, cut(shown, limit), empty=T("No plan waits for you."))
        waiting = [row for row in shown if row["state"] == "waiting"]
        if waiting:
            common.console().print(str(T("If it is right so: mistok approve {n}", n=waiting[0]["number"])))


def _plan_row(row: Mapping[str, Any], client: Client) -> dict[str, Any]:
    findings = [Finding.from_json(data) for data in row["findings"]]
    return {
        "number": row["id"],
        "since": row["created"].astimezone(client.config.zone),
        "job": row["job"],
        "link": row["link"],
        "state": row["state"],
        "state_text": str(STATES.get(row["state"], row["state"])),
        "counts": row["counts"],
        "counts_text": common.counts_line(row["counts"]),
        "words": str(findings[0].text) if findings and row["state"] not in ("applied", "undone") else "",
        "decided_by": row["decided_by"],
        "decided": row["decided"],
        "why": row["why"],
        "findings": findings,
        "rows": row["rows"],
    }


def approve(
    context: typer.Context,
    number: Annotated[int, typer.Argument(help=str(T("Number of the plan.")), metavar="N", show_default=False)],
    reject: Annotated[
        bool, typer.Option("--reject", help=str(T("It is not right: nothing of it is done. Needs --why.")))
    ] = False,
    why: Annotated[str | None, typer.Option("--why", help=str(T("The reason, for the record.")))] = None,
    show: Annotated[bool, typer.Option("--show", help=str(T("Only show what it would do.")))] = False,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """Approve a plan that a brake stopped, and apply it."""
    from pipeline.cli.resolve import _data, _exit_code, _tell

    with common.cards(as_json=as_json):
        if reject and not (why and why.strip()):
            common.usage(T("--reject needs a reason."), T("Write it such as {example}", example='--why "a test feed"'))
        with common.client(context, read_only=show) as client:
            from pipeline.cli.run import progress
            from pipeline.engine import deciding
            from pipeline.engine.tell import deliver_waiting
            from pipeline.ledger import cards as card_rows
            from pipeline.ledger import plans as kept

            with client.ledger.read() as conn:
                row = kept.by_number(conn, client.config.client, number)
                cards = card_rows.of_subjects(conn, client.config.client, [row["subject"]]) if row else []
            if row is None:
                common.not_found(
                    T("There is no plan {n}.", n=number), T("mistok plans --all lists them."), as_json=as_json
                )
            if show:
                told = _plan_row(row, client)
                if as_json:
                    common.print_json(told)
                else:
                    _show_plan(told, limit)
                raise typer.Exit(common.DONE)
            card = next((one for one in cards if one["kind"] == "plan" and one["state"] == "open"), None)
            if row["state"] != "waiting" or card is None:
                common.usage(
                    T("Plan {n} does not wait any more: {state}.", n=number, state=STATES[row["state"]]),
                    T("mistok plans lists those that wait."),
                )
            by = common.person()
            with progress() as report:
                if reject:
                    done = deciding.reject(client, card, by=by, why=(why or "").strip())
                else:
                    done = deciding.accept(client, card, by=by, why=why, report=report)
            deliver_waiting(client)
        if as_json:
            common.print_json(_data(done))
        else:
            _tell(done)
    raise typer.Exit(_exit_code([done]))


def _show_plan(told: Mapping[str, Any], limit: int | None) -> None:
    out = common.console()
    out.print(str(T("Plan {n}, job {job}: {counts}", n=told["number"], job=told["job"], counts=told["counts_text"])))
    common.show_findings(told["findings"], of_story=True)
    show_rows(told["rows"], limit)


# --- compare ---------------------------------------------------------------------------------------------------------

WHAT: Mapping[str, Text] = {
    "differs": T("differs"),
    "only-first": T("only in the first"),
    "only-second": T("only in the second"),
}
COUNTS: Mapping[str, Text] = {
    "matched": T("in both"),
    "differ": T("differ in price or stock"),
    "only_first": T("only in the first"),
    "only_second": T("only in the second"),
    "twins": T("twins in the second"),
    "ambiguous": T("twins in the first"),
    "keyless": T("without an article"),
}


def compare(
    context: typer.Context,
    first: Annotated[str, typer.Argument(help=str(T("A system of the config: the one that holds.")))],
    second: Annotated[str, typer.Argument(help=str(T("Another one.")))],
    keys: Annotated[
        str | None,
        typer.Option("--keys", help=str(T("Article fields of the first, such as sku,model.")), show_default=False),
    ] = None,
    xlsx: Xlsx = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """Compare two systems by their articles: what is the same, what differs, what is only in one."""
    with common.cards(as_json=as_json):
        from pipeline.cli.run import progress
        from pipeline.engine.sync import compare as comparing

        config = common.load(context)
        chosen = tuple(one.strip() for one in (keys or "").split(",") if one.strip())
        with looking(config) as ctx, progress() as tell:
            ctx.report = tell
            found = comparing.compare(ctx, first, second, chosen)
        mine = comparing.match_settings(config, first, second).keys
        # by other articles than those of the jobs it says nothing of what these would write
        begin = found.clean and (not chosen or chosen == mine)
        if begin:
            with looking(config, writing=True) as ctx:
                comparing.remember(ctx, first, second, common.person())
        rows = comparing.rows_of(found, config.zone)
        if xlsx is not None:
            from pipeline.cli.sync_sheet import write_comparison

            write_comparison(xlsx, first, second, found, rows)
        if as_json:
            data = {
                "clean": found.clean, "counts": found.counts, "rows": rows, "findings": list(found.findings),
                "remarks": list(found.remarks),
            }  # fmt: skip
            common.print_json(data)
        else:
            _show_comparison(found, rows, limit, first, second)
            if begin:
                words = T("{first} and {second} are in step: jobs between them may begin.", first=first, second=second)
                common.console().print(str(words))
            elif found.clean:
                words = T(
                    "They are in step by {keys}; the jobs between them match by {own}: compare by these before they "
                    "begin.",
                    keys=", ".join(chosen),
                    own=", ".join(mine),
                )
                common.console().print(str(words), soft_wrap=True)
            if xlsx is not None:
                common.console().print(str(T("The workbook is in {path}.", path=str(xlsx))), soft_wrap=True)
    raise typer.Exit(common.DONE if found.clean else common.WAITING)


@contextmanager
def looking(config: ClientConfig, *, writing: bool = False) -> Iterator[RunContext]:
    """A context of a person who looks, outside of any job."""
    from tempfile import TemporaryDirectory

    from pipeline.engine.context import RunContext
    from pipeline.engine.runtime import Client

    with Client.open(config, read_only=not writing) as client, TemporaryDirectory(prefix="mistok-") as temp:
        ctx = RunContext(
            config=config, registry=client.registry, ledger=client.ledger, archive=client.archive,
            clock=client.clock, job="compare", temp=Path(temp), dry_run=not writing,
        )  # fmt: skip
        try:
            yield ctx
        finally:
            ctx.close()


def _show_comparison(found: Any, rows: Sequence[Mapping[str, Any]], limit: int | None, first: str, second: str) -> None:
    out = common.console()
    words = [f"{COUNTS[name]}: {n}" for name, n in found.counts.items() if n]
    out.print(" · ".join(words) or str(T("There is nothing to compare.")), style="bold")
    most = asked(limit, as_json=False) or SHOWN
    told = [
        {
            **row,
            "what": str(WHAT.get(row["what"], row["what"])),
            "name": short(row["name"]),
            "steps": ", ".join(row["steps"]),
        }
        for row in rows
    ]
    columns = [
        ("what", T("What")), ("article", T("Article")), ("name", T("Name")), ("field", T("Field")),
        ("first", _verbatim(first)), ("second", _verbatim(second)),
    ]  # fmt: skip
    if any(row["steps"] for row in told):
        columns.append(("steps", T("Step")))
    if told:
        common.table(columns, told[:most], empty=T("Nothing differs."))
    if len(told) > most:
        out.print(str(T("… and {n} more lines (-n shows more, --xlsx all).", n=len(told) - most)))
    findings = (*found.findings, *found.remarks)
    common.show_findings(findings[:SHOWN], of_story=True)
    if len(findings) > SHOWN:
        out.print(str(TN("… and {n} more remark.", "… and {n} more remarks.", len(findings) - SHOWN)))


def _verbatim(words: str) -> Text:
    from pipeline.texts import verbatim

    return verbatim(words)
