"""``mistok ledger``: back up, restore, rebuild from the archive, or begin anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli import common
from pipeline.cli.orders import SHOWN, AsJson
from pipeline.cli.run import progress
from pipeline.cli.words import Verb, VerbGroup
from pipeline.texts import TN, T, Text

if TYPE_CHECKING:
    from pipeline.engine.rebuilt import Rebuild

group = typer.Typer(
    cls=VerbGroup,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=str(common.EXIT_CODES),
)


def _add(help_text: Text, name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return group.command(name, help=str(help_text), epilog=str(common.EXIT_CODES), cls=Verb)


@_add(T("Write a backup, also while jobs run; any ledger can be made of it again."), "backup")
def backup(
    context: typer.Context,
    file: Annotated[
        str | None,
        typer.Argument(
            help=str(T("File or folder; backups/ in the client's folder when not given.")), show_default=False
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Back the ledger up."""
    with common.cards(as_json=as_json):
        from pipeline.engine.restoring import back_up

        config = common.load(context)
        with progress() as tell:
            path, outcome = back_up(config, file or None, tell=lambda done, total: tell(done, total, T("rows")))
        if as_json:
            common.print_json({"path": path, "version": outcome.head.version, "rows": dict(outcome.rows)})
            return
        rows = TN("{n} row", "{n} rows", outcome.total)
        common.console().print(str(T("{path}: {rows}, read back.", path=str(path), rows=rows)), soft_wrap=True)


@_add(T("Put a backup in the ledger's place."), "restore")
def restore(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(help=str(T("The backup: of mistok ledger backup, or a SQLite ledger.")), show_default=False),
    ],
    replace: Annotated[
        bool, typer.Option("--replace", help=str(T("Also when there is a ledger; what is there is kept beside.")))
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Restore the ledger from a backup of this version or an older one, into SQLite or PostgreSQL."""
    with common.cards(as_json=as_json):
        from pipeline.engine.restoring import restore as put_back

        config = common.load(context)
        with progress() as tell:
            done = put_back(config, file, replace=replace, tell=lambda n, total: tell(n, total, T("rows")))
        if as_json:
            common.print_json(
                {
                    "made": done.outcome.head.made,
                    "version": done.outcome.head.version,
                    "rows": dict(done.outcome.rows),
                    "before": done.before,
                }
            )
            return
        out = common.console()
        rows = TN("{n} row", "{n} rows", done.outcome.total)
        when = done.outcome.head.made.astimezone(config.zone)
        out.print(str(T("Restored: {rows}, as of {when}.", rows=rows, when=when)))
        if done.before is not None:
            out.print(str(T("What was there before is now {path}", path=str(done.before))), soft_wrap=True)
        out.print(str(T("What came after that moment is in the archive: mistok ledger rebuild adds it.")))


@_add(T("Make the ledger anew, or complete it, from the archive and the documents in the target."), "rebuild")
def rebuild(
    context: typer.Context,
    apply: Annotated[bool, typer.Option("--apply", help=str(T("Do it; without this it is only shown.")))] = False,
    reject: Annotated[
        bool,
        typer.Option(
            "--reject-without-document",
            help=str(T("Orders without a document are rejected; without this the next run makes their documents.")),
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Read every archived order file again, and find its documents by their keys; nothing is made twice."""
    with common.cards(as_json=as_json):
        from pipeline.engine.rebuild import rebuild as make

        config = common.load(context)
        with progress() as tell:
            done = make(config, apply=apply, reject=reject, by=common.person(), tell=tell)
        if as_json:
            common.print_json(
                {
                    "applied": apply,
                    "counts": done.counts(),
                    "orders": [
                        {
                            "number": one.number,
                            "id": one.order_id,
                            "source": one.source,
                            "state": one.state,
                            "document": one.document,
                            "file": one.file,
                        }
                        for one in done.orders
                    ],
                    "found": [
                        {"number": row["number"], "id": row["order_id"], "document": ref.number}
                        for row, ref in done.found
                    ],
                    "files": [{"name": one.name, "state": one.state, "sha256": one.sha256} for one in done.files],
                    "findings": [common.finding_row(one) for one in done.findings],
                    "before": done.before,
                }
            )
        else:
            _tell(done, applied=apply, reject=reject)


#: What becomes of an order, and of a file.
ORDERS = {
    "created": T("its document is there"),
    "new": T("has no document: the next run makes it, holds it, or finds nothing to do"),
    "other": T("its document has another sum: the next run asks about it"),
    "rejected": T("has no document: rejected"),
    "found": T("was held here, and its document is there"),
}
FILES = {
    "acknowledged": T("done"),
    "done": T("done, still on the server"),
    "archived": T("the next run carries on with it"),
    "quarantined": T("could not be read, and a newer one took its place"),
    "pruned": T("done long ago; its copy was dropped"),
    "published": T("published"),
}


def _tell(done: Rebuild, *, applied: bool, reject: bool) -> None:
    out = common.console()
    open_orders = [one for one in done.orders if one.state != "created"]
    if open_orders:
        rows = [
            {
                "number": one.number,
                "file": one.file,
                "total": one.total,
                "currency": one.currency,
                "what": ORDERS[one.state],
            }
            for one in open_orders[:SHOWN]
        ]
        columns = (
            ("number", T("Order")),
            ("file", T("File")),
            ("total", T("Sum")),
            ("currency", T("Currency")),
            ("what", T("What happens")),
        )
        common.table(columns, rows, empty=T("Nothing."))
        if len(open_orders) > SHOWN:
            out.print(str(T("… and {n} more; --json lists them all.", n=len(open_orders) - SHOWN)))
    common.show_findings(done.findings, of_story=True)
    for state, number in done.counts()["files"].items():
        out.print(str(T("{files}: {what}", files=TN("{n} file", "{n} files", number), what=FILES[state])))
    for state, number in done.counts()["orders"].items():
        out.print(str(T("{orders}: {what}", orders=TN("{n} order", "{n} orders", number), what=ORDERS[state])))
    if not (done.files or done.orders or done.found):
        out.print(str(T("The ledger knows all that the archive has; nothing is to be added.")))
        return
    if applied:
        if done.before is not None:
            out.print(str(T("What was there before is now {path}", path=str(done.before))), soft_wrap=True)
        out.print(str(T("Done. The next run goes on from here.")))
        return
    out.print(str(T("Nothing was changed yet: mistok ledger rebuild --apply does it.")))
    if any(one.state == "new" for one in open_orders) and not reject:
        out.print(
            str(
                T(
                    "Orders that were rejected by a person or deleted in the target have no document either: "
                    "--reject-without-document keeps the next run from making them."
                )
            )
        )


@_add(T("Begin with a new, empty ledger on purpose, although the archive has files."), "new")
def new(context: typer.Context, as_json: AsJson = False) -> None:
    """Make an empty ledger where the one before was lost and is not wanted back."""
    with common.cards(as_json=as_json):
        from pipeline.engine.restoring import begin_anew

        config = common.load(context)
        begin_anew(config, common.person())
        if as_json:
            common.print_json({"begun": True})
            return
        words = T("A new ledger is begun. Orders that come again are known by their documents in the target.")
        common.console().print(str(words))
