"""``mistok doctor``: what is wrong with the articles of the client's systems, and what was decided about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli import common
from pipeline.cli.orders import AsJson, Limit, asked
from pipeline.cli.words import Verb, VerbGroup
from pipeline.texts import TN, T, Text

if TYPE_CHECKING:
    from pipeline.engine.context import RunContext
    from pipeline.engine.doctor.checking import Diagnosis
    from pipeline.engine.doctor.reading import Article

group = typer.Typer(
    cls=VerbGroup,
    no_args_is_help=True,
    epilog=str(common.EXIT_CODES),
)
SHOWN = 50  #: problems that a screen tells one by one


@group.command(
    "sku",
    cls=Verb,
    help=str(T("Look for twins, damage, empty articles, and what is in one system only; write and apply a workbook.")),
    epilog=str(common.EXIT_CODES),
)
def sku(
    context: typer.Context,
    systems: Annotated[
        list[str] | None,
        typer.Argument(help=str(T("Systems of the config; all when none is named.")), show_default=False),
    ] = None,
    xlsx: Annotated[
        Path | None,
        typer.Option("--xlsx", help=str(T("Write it to this file, too, as a workbook.")), show_default=False),
    ] = None,
    apply: Annotated[
        Path | None,
        typer.Option("--apply", help=str(T("Keep what is decided in this workbook.")), show_default=False),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help=str(T("Only tell what would be done.")))] = False,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """Look at the articles, or apply what a person decided about them."""
    with common.cards(as_json=as_json):
        if apply is not None and (xlsx is not None or systems):
            common.usage(T("{names} do not go together.", names="--apply, --xlsx, SYSTEMS"))
        if dry_run and apply is None:
            common.usage(T("--dry-run goes with --apply: looking changes nothing anyway."))
        if apply is not None:
            _apply(context, apply, dry_run=dry_run, as_json=as_json)
            return
        found, skipped = _look(context, systems or ())
        if xlsx is not None:
            from pipeline.cli.doctor_sheet import write

            write(xlsx, found)
        if as_json:
            _print(found, skipped)
        else:
            _show(found, skipped, limit, xlsx)
    raise typer.Exit(common.DONE if found.clean else common.WAITING)


def _look(context: typer.Context, names: Sequence[str]) -> tuple[Diagnosis, list[str]]:
    from pipeline.cli.run import progress
    from pipeline.cli.sync import looking
    from pipeline.engine.doctor import aliases, checking, reading
    from pipeline.engine.sync.compare import match_settings

    config = common.load(context)
    with looking(config) as ctx, progress() as tell:
        ctx.report = tell
        chosen, skipped = reading.chosen_systems(ctx, names)
        told = _read(ctx, chosen)
        with ctx.ledger.read() as conn:
            known = aliases.of_pairs(conn, ctx.client, config, chosen)
            refused = aliases.refused(conn, ctx.client)
        found = checking.check(
            told, lambda one, other: match_settings(config, one, other).rules(), known, refused, tell
        )
    return found, skipped


def _read(ctx: RunContext, names: Sequence[str]) -> dict[str, list[Article]]:
    from pipeline.engine.doctor import reading

    return {name: reading.read(ctx, name) for name in names}


def _print(found: Diagnosis, skipped: Sequence[str]) -> None:
    from pipeline.engine.shown.doctor import row_of

    common.print_json(
        {
            "clean": found.clean,
            "articles": dict(found.articles),
            "cannot_tell": list(skipped),
            "counts": dict(found.counts),
            "unsearched": found.unsearched,
            "problems": [row_of(one) for one in found.problems],
        }
    )


def _show(found: Diagnosis, skipped: Sequence[str], limit: int | None, xlsx: Path | None) -> None:
    from pipeline.engine.shown.doctor import KIND_WORDS, marks_words

    out = common.console()
    articles = ", ".join(f"{name}: {n}" for name, n in found.articles.items())
    out.print(str(T("Articles: {systems}", systems=articles)), style="bold", soft_wrap=True)
    if skipped:
        out.print(str(T("These systems cannot tell their articles: {names}.", names=", ".join(skipped))))
    counts = [{"what": str(KIND_WORDS[kind]), "n": n} for kind, n in found.counts.items() if n]
    common.table((("what", T("What")), ("n", T("How many"))), counts, empty=T("Nothing is wrong with them."))
    most = asked(limit, as_json=False) or SHOWN
    rows = [
        {
            "what": str(KIND_WORDS[one.kind]),
            "articles": " · ".join(f"{each.system}: {shown(each.text) or '#' + each.id}" for each in one.articles),
            "name": next((each.name[:40] for each in one.articles if each.name), ""),
            "why": marks_words(one),
            "near": " · ".join(f"{each.article.system}: {shown(each.article.text)}" for each in one.proposals),
        }
        for one in found.problems[:most]
    ]
    if rows:
        columns: tuple[tuple[str, Text], ...] = (
            ("what", T("What")), ("articles", T("Articles")), ("name", T("Name")), ("why", T("Why")),
            ("near", T("Proposed")),
        )  # fmt: skip
        common.table(columns, rows, empty=T("Nothing is wrong with them."))
    if len(found.problems) > most:
        out.print(str(T("… and {n} more lines (-n shows more, --xlsx all).", n=len(found.problems) - most)))
    if found.unsearched:
        out.print(
            str(
                TN(
                    "{n} article is in one system only; near ones were not looked for, it would take too long.",
                    "{n} articles are in one system only; near ones were not looked for, it would take too long.",
                    found.unsearched,
                )
            )
        )
    if xlsx is not None:
        out.print(str(T("The workbook is in {path}.", path=str(xlsx))), soft_wrap=True)


def shown(text: str) -> str:
    """An article with its unseen characters made visible: a no-break space as ``⍽``, others as ``·``."""
    import unicodedata

    def one(c: str) -> str:
        if c == "\u00a0":
            return "⍽"
        return "·" if unicodedata.category(c) in ("Cf", "Cc") else c

    return "".join(map(one, text))


def _apply(context: typer.Context, path: Path, *, dry_run: bool, as_json: bool) -> None:
    from pipeline.cli.doctor_sheet import read
    from pipeline.cli.run import progress
    from pipeline.cli.sync import looking
    from pipeline.engine.doctor import aliases, reading

    rows = read(path)
    config = common.load(context)
    with looking(config) as ctx, progress() as tell:
        ctx.report = tell
        named = dict.fromkeys(name for row in rows for name in (row.system, row.other) if name in config.connections)
        chosen = reading.chosen_systems(ctx, tuple(named))[0] if named else []
        systems = _read(ctx, chosen)
        with ctx.ledger.read() as conn:
            kept = aliases.of_pairs(conn, ctx.client, config, chosen)
        decided = aliases.judge(rows, systems, config, kept, path.name)
    if decided.findings:
        from pipeline.errors import ConfigError

        raise ConfigError(findings=tuple(decided.findings))
    told: list[tuple[aliases.Alias, str | None]] = [(one, None) for one in decided.aliases]
    if not dry_run:
        with common.client(context, read_only=False) as client:
            told = aliases.keep(client, decided, file=path.name, by=common.person())
    data: list[Mapping[str, Any]] = [
        {"row": one.row, "from": one.source, "to": one.target, "article": one.code, "means": one.meant}
        | ({} if dry_run else {"before": before})
        for one, before in told
    ]
    different = [
        {"row": one.row, "system": one.source, "article": one.code, "other": one.target, "proposed": one.other}
        for one in decided.refusals
    ]
    if as_json:
        common.print_json({"rows": decided.rows, "applied": not dry_run, "aliases": data, "different": different})
        return
    out = common.console()
    columns = (
        ("row", T("Row")), ("from", T("From")), ("to", T("To")), ("article", T("Article")), ("means", T("Means")),
    )  # fmt: skip
    common.table(columns, data, empty=T("No alias is decided in this workbook."))
    if different:
        out.print(str(TN("{n} proposal is not the same.", "{n} proposals are not the same.", len(different))))
    if dry_run:
        out.print(str(T("Nothing was changed: this only tells what would have been.")))
    elif data or different:
        out.print(str(T("It is kept; the next sync of these systems compares everything by it.")))


@group.command(
    "aliases",
    cls=Verb,
    help=str(T("List what articles of one system mean in another, as people decided; take one back.")),
    epilog=str(common.EXIT_CODES),
)
def aliases_(
    context: typer.Context,
    remove: Annotated[
        list[int] | None,
        typer.Option("--remove", help=str(T("Take back the alias of this number (may be repeated).")), metavar="ID",
                     show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """List aliases, or take some back."""
    with common.cards(as_json=as_json):
        from pipeline.engine.doctor import aliases

        gone: list[dict[str, Any]] = []
        with common.client(context, read_only=not remove) as client:
            if remove:
                gone = aliases.remove(client, remove, by=common.person())
            rows = aliases.listed(client)
        if as_json:
            common.print_json({"removed": gone, "aliases": rows} if remove else rows)
            return
        out = common.console()
        for one in gone:
            out.print(
                str(
                    T(
                        "{article} of {source} does not mean {means} of {target} any more.",
                        article=one["article"], source=one["from"], means=one["means"], target=one["to"],
                    )
                )
            )  # fmt: skip
        columns = (
            ("id", T("Number")), ("from", T("From")), ("to", T("To")), ("article", T("Article")),
            ("means", T("Means")), ("by", T("By whom")), ("at", T("When")), ("why", T("Why")),
        )  # fmt: skip
        common.table(columns, rows, empty=T("No aliases yet: mistok doctor sku --xlsx FILE proposes some."))
