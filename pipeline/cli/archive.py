"""``mistok archive``: check, list, extract and prune the copies of every file that ever came or was published."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli import common
from pipeline.cli.orders import SHOWN, AsJson, Limit
from pipeline.cli.run import moment, progress
from pipeline.cli.words import Verb, VerbGroup
from pipeline.errors import Finding, Where, Who
from pipeline.texts import TN, T, Text

if TYPE_CHECKING:
    from pipeline.archive.upkeep import Checked
    from pipeline.engine.copies import Found
    from pipeline.engine.retention import Plan
    from pipeline.engine.runtime import Client

group = typer.Typer(
    cls=VerbGroup,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=str(common.EXIT_CODES),
)
STAYS = {
    "waits": T("a card about it is open"),
    "on_its_way": T("it is not done yet"),
    "last": T("it is the last one published"),
    "young": T("not old enough, or there is room for it"),
    "unknown": T("the ledger knows nothing of it"),
}


def _add(help_text: Text, name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return group.command(name, help=str(help_text), epilog=str(common.EXIT_CODES), cls=Verb)


@_add(T("Read every copy again and compare it with its name."), "verify")
def verify(
    context: typer.Context,
    mend: Annotated[
        bool,
        typer.Option("--mend", help=str(T("Put sound copies in the place of bad ones, where the view has them."))),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Read every copy again; list what is unsound, missing, or known to the ledger and not here."""
    with common.cards(as_json=as_json):
        from pipeline.archive import Index, upkeep
        from pipeline.engine import verifying
        from pipeline.engine.runtime import Client

        # read by the archive alone where there is no ledger; that there is none is one of the findings
        with Client.open(common.load(context), read_only=True, guarded=False) as client, progress() as tell:
            archive = client.archive
            checked = upkeep.check(archive, lambda done, total: tell(done, total, T("copies")))
            mended: list[str] = []
            bad = [*checked.unsound, *checked.missing]
            if mend and bad:
                mended = upkeep.mend(archive, bad, Index.of(archive.journal))
            verified = verifying.verified(client, checked, set(mended))
            findings = verified.findings
        if as_json:
            common.print_json(
                {
                    "folder": archive.root,
                    "copies": checked.copies,
                    "bytes": checked.bytes,
                    "unsound": [sha for sha in checked.unsound if sha not in mended],
                    "missing": list(verified.missing),
                    "elsewhere": list(verified.elsewhere),
                    "mended": mended,
                    "aside": list(checked.aside),
                    "without_line": list(checked.unknown),
                    "torn_lines": checked.torn,
                    "findings": [common.finding_row(finding) for finding in findings],
                }
            )
        else:
            _tell_checked(checked, findings, mended)
    if findings:
        raise typer.Exit(common.WAITING)


def _tell_checked(checked: Checked, findings: Sequence[Finding], mended: list[str]) -> None:
    out = common.console()
    common.show_findings(findings, of_story=True)
    if mended:
        out.print(str(TN("{n} copy was mended.", "{n} copies were mended.", len(mended))))
    if checked.aside:
        words = TN(
            "{n} damaged copy lies aside, a sound one took its place.",
            "{n} damaged copies lie aside, sound ones took their place.",
            len(checked.aside),
        )
        out.print(str(words))
    if checked.torn:
        out.print(str(TN("{n} line of the journal is torn.", "{n} lines of the journal are torn.", checked.torn)))
    size = common.size_words(checked.bytes)
    if bad := sum(finding.code in ("archive-unsound", "archive-missing") for finding in findings):
        wrong = TN("{n} is not sound", "{n} are not sound", bad)
        out.print(str(T("{copies} read, {size}: {wrong}.", copies=_copies(checked.copies), size=size, wrong=wrong)))
    else:
        out.print(str(T("{copies} read, {size}: all are sound.", copies=_copies(checked.copies), size=size)))


def _copies(number: int) -> Text:
    return TN("{n} copy", "{n} copies", number)


Since = Annotated[
    str | None, typer.Option(help=str(T("Only files from this time on: 2026-11-01 or 2026-11-01T08:00.")))
]
Until = Annotated[str | None, typer.Option(help=str(T("Only files before this time.")))]


@_add(T("List what came and what was published, newest first."), "list")
def list_(
    context: typer.Context,
    text: Annotated[
        str | None,
        typer.Argument(
            help=str(
                T("Words of the name or a pattern (*.xml), the beginning of a SHA-256, or the number of an order.")
            )
        ),
    ] = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """List copies by the archive's own journal."""
    with common.cards(as_json=as_json):
        from pipeline.engine import copies

        with common.client(context, guarded=False) as client:
            zone = client.config.zone
            with client.ledger.read() as conn:
                found = copies.search(
                    client.archive,
                    client.config.client,
                    text,
                    conn=conn,
                    since=moment(since, zone),
                    until=moment(until, zone),
                )
            unlisted = copies.without_line(client.archive)
        if unlisted:
            words = TN(
                "{n} copy has no line in the journal, and is not listed: mistok archive index writes it.",
                "{n} copies have no line in the journal, and are not listed: mistok archive index writes them.",
                unlisted,
            )
            common.console(stderr=True).print(str(words), soft_wrap=True)
        rows = [_row(one, client) for one in found]
        if as_json:
            common.print_json(rows[:limit] if limit else rows)
            return
        most = limit or SHOWN
        if len(rows) > most:
            words = T("Only the newest {n} are shown; -n {more} shows more, --json all.", n=most, more=most * 10)
            common.console(stderr=True).print(str(words))
        nothing = T("Nothing matches {text}.", text=text.strip()) if text and text.strip() else T("No copies yet.")
        if not text and (since or until):
            nothing = T("No copies of that time.")
        if unlisted and not rows and not text:
            nothing = T("No copies that the journal tells of.")
        common.table(
            (
                ("name", T("File")),
                ("way", T("Direction")),
                ("place", T("Connection")),
                ("at", T("When")),
                ("size", T("Bytes")),
                ("numbers", T("Orders")),
                ("state_text", T("Copy")),
                ("sha", T("SHA-256")),
            ),
            [
                {
                    **row,
                    "way": copies.DIRECTIONS[row["direction"]],
                    "place": f"{row['connection']}/{row['folder']}".strip("/"),
                    "numbers": _few(row["orders"]),
                    "sha": row["sha256"][:12],
                }
                for row in rows[:most]
            ],
            empty=nothing,
        )


def _few(orders: list[str]) -> str:
    return ", ".join(orders[:3]) + (" …" if len(orders) > 3 else "")


def _row(one: Found, client: Client) -> dict[str, Any]:
    from pipeline.engine import copies

    entry = one.entry
    zone = client.config.zone
    return {
        "name": entry.name,
        "direction": entry.direction,
        "connection": entry.connection,
        "folder": entry.folder,
        "at": entry.at.astimezone(zone),
        "modified": entry.modified.astimezone(zone) if entry.modified else None,
        "size": entry.size,
        "rows": entry.rows,
        "sha256": entry.sha256,
        "orders": list(one.orders),
        "state": one.state,
        "state_text": str(copies.STATES[one.state]),
        "copy": client.archive.find(entry.sha256),
        "view": client.archive.root / entry.view if entry.view else None,
    }


@_add(T("Write copies of files into a folder."), "extract")
def extract(
    context: typer.Context,
    selector: Annotated[
        str, typer.Argument(help=str(T("Name of a file, beginning of a SHA-256, or number of an order.")))
    ],
    to: Annotated[Path, typer.Option("--to", help=str(T("Folder; it is made if it is missing.")))] = Path(),
    as_json: AsJson = False,
) -> None:
    """Write copies out, under names that are free there."""
    with common.cards(as_json=as_json):
        from pipeline.engine import copies

        with common.client(context, guarded=False) as client:
            with client.ledger.read() as conn:
                found = copies.search(client.archive, client.config.client, selector, conn=conn, exact=True)
            if not found:
                raise copies.none_found(selector)
            dropped = [one for one in found if one.state == copies.DROPPED]
            written = copies.extract(client.archive, [one for one in found if one not in dropped], to)
        findings = [
            Finding(
                "archive-dropped",
                T("The copy of {name} was dropped by the archive's retention.", name=one.entry.name),
                Where(file=one.entry.name),
                T("What is known of it: mistok trace {name}", name=one.entry.name),
                Who.ADMIN,
            )
            for one in dropped
        ]
        if as_json:
            rows = [{"name": one.entry.name, "sha256": one.entry.sha256, "path": path} for one, path in written]
            common.print_json({"written": rows, "findings": [common.finding_row(one) for one in findings]})
        else:
            for _one, path in written:
                common.console().print(str(path), markup=False, soft_wrap=True)
            common.show_findings(findings)
    if findings:
        raise typer.Exit(common.WAITING)


@_add(T("Drop old copies that nobody needs, as the config says."), "prune")
def prune(
    context: typer.Context,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help=str(T("Show what would be done; change nothing.")))
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Let go of copies by age and size; never of what is not done."""
    with common.cards(as_json=as_json):
        from pipeline.archive import Index
        from pipeline.engine import retention

        with common.client(context, read_only=dry_run) as client:
            settings = client.config.archive
            left: list[Path] = []
            with progress() as tell:
                if dry_run:
                    with client.ledger.read() as conn:
                        plan = retention.plan(
                            conn,
                            client.config.client,
                            Index.of(client.archive.journal),
                            settings,
                            client.clock.now(),
                        )
                else:
                    done = retention.prune(
                        client.ledger,
                        client.archive,
                        settings,
                        by=common.person(),
                        tell=lambda number, total: tell(number, total, T("copies")),
                    )
                    plan, left = done.plan, done.dropped.views_left
            limits = retention.wanted(settings)
        if as_json:
            common.print_json(
                {
                    "dry_run": dry_run,
                    "drop": [
                        {"sha256": one.sha256, "names": list(one.names), "bytes": one.room, "done": one.done}
                        for one in plan.drop
                    ],
                    "bytes": plan.frees,
                    "room_before": plan.room,
                    "over": plan.over,
                    "stays": plan.stays,
                    "views_left": left,
                }
            )
        else:
            _tell_pruned(plan, left, dry_run=dry_run, limits=limits)


def _tell_pruned(plan: Plan, left: list[Path], *, dry_run: bool, limits: bool) -> None:
    out = common.console()
    rows = [
        {"names": ", ".join(one.names), "done": one.done.astimezone(), "bytes": one.room, "sha": one.sha256[:12]}
        for one in plan.drop[:SHOWN]
    ]
    if rows:
        columns = (
            ("names", T("File")),
            ("done", T("Done since")),
            ("bytes", T("Bytes")),
            ("sha", T("SHA-256")),
        )
        common.table(columns, rows, empty=T("Nothing."))
    more = len(plan.drop) - SHOWN
    if more > 0:
        out.print(str(T("… and {n} more; --json lists them all.", n=more)))
    words = T("{copies}, {size}", copies=_copies(len(plan.drop)), size=common.size_words(plan.frees))
    if dry_run:
        out.print(str(T("Would be dropped: {words}. Nothing was changed.", words=words)))
    else:
        out.print(str(T("Dropped: {words}.", words=words)))
    for reason, number in plan.stays.items():
        out.print(str(T("  stay: {copies} ({why})", copies=_copies(number), why=STAYS[reason])))
    for path in left:
        out.print(str(T("  {path} was edited by somebody and is left.", path=str(path))), soft_wrap=True)
    if plan.over:
        size = common.size_words(plan.over)
        out.print(str(T("That is still {size} over keep_size: the rest is needed, or too young.", size=size)))
    if not limits:
        out.print(str(T("The config keeps every copy for ever; archive: keep_days and keep_size set limits.")))


@_add(T("Write a table of everything that came and was published, from the archive alone."), "index")
def index(
    context: typer.Context,
    to: Annotated[
        Path | None, typer.Option("--to", help=str(T("The table (CSV); index.csv in the archive when not given.")))
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Complete the journal where copies have no line, then write it as a table for people."""
    with common.cards(as_json=as_json):
        from pipeline.archive import Index, upkeep
        from pipeline.engine import copies

        with common.client(context, guarded=False) as client, progress() as tell:
            archive = client.archive
            with client.ledger.read() as conn:
                known = list(copies.from_ledger(conn, client.config.client))
            added = upkeep.complete(
                archive,
                Index.of(archive.journal),
                known,
                lambda done, total: tell(done, total, T("names in the view")),
            )
            target = to or archive.root / "index.csv"
            rows = copies.write_table(archive, target)
        if as_json:
            common.print_json({"table": target, "rows": rows, "lines_added": len(added)})
            return
        if added:
            words = TN(
                "{n} copy had no line in the journal; now it has.",
                "{n} copies had no line in the journal; now they have.",
                len(added),
            )
            common.console().print(str(words))
        lines = TN("{n} row", "{n} rows", rows)
        common.console().print(str(T("{path}: {rows}.", path=str(target), rows=lines)), soft_wrap=True)
