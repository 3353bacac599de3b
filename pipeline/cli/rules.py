"""``mistok rules JOB``: what is done with the orders of each status of a source, and where the rules have gaps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli import common
from pipeline.cli.orders import AsJson
from pipeline.errors import Finding, MistokError
from pipeline.texts import T, Text

if TYPE_CHECKING:
    from pipeline.config.model import ClientConfig
    from pipeline.documents import DocumentsSettings
    from pipeline.engine.documents.rules import RuleRow
    from pipeline.ports import Ref

#: What each act does, for people.
ACTS: Mapping[str, Text] = {
    "order": T("order document"),
    "pay": T("payment noted"),
    "ship": T("shipment"),
    "return": T("return on the base of its shipment"),
    "cancel": T("order marked cancelled"),
    "nothing": T("nothing"),
    "hold": T("waits for a person"),
}
COLUMNS = (
    ("status", T("Status")),
    ("rule", T("Rule")),
    ("done", T("What is done")),
    ("target", T("Status in the target")),
)


def rules(
    context: typer.Context,
    job: Annotated[str, typer.Argument(help=str(T("Name of the job in the config.")), show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Show what is done with the orders of each status, and what the rules leave open."""
    code = common.DONE
    told = []
    with common.cards(as_json=as_json):
        config = common.load(context)
        for number, settings in _steps(config, job):
            known, error = statuses_of(config, settings)
            rows, found = looked_at(settings, known)
            found = placed(config, job, number, [*found, *unknown_names(config, settings, known)])
            if error is not None:
                found = [*error.findings, *found]
                code = max(code, common.exit_code(error))
            elif found:
                code = max(code, common.WAITING)
            told.append({"from": settings.source, "to": settings.to, "rules": rows, "findings": found})
            if not as_json:
                _show(settings, rows, found)
        if as_json:
            common.print_json({"job": job, "steps": told})
    raise typer.Exit(code)


def _steps(config: ClientConfig, job: str) -> list[tuple[int, DocumentsSettings]]:
    from pipeline.documents import DocumentsSettings

    def of(name: str) -> list[tuple[int, DocumentsSettings]]:
        steps = enumerate(config.jobs[name].steps)
        return [(number, spec.params) for number, spec in steps if isinstance(spec.params, DocumentsSettings)]

    if job not in config.jobs or not of(job):
        names = [name for name in config.jobs if of(name)]
        text = T("Job {job} makes no documents by status rules.", job=job)
        if job not in config.jobs:
            text = T("There is no job {name} in {file}.", name=job, file=str(config.source))
        common.usage(text, T("Jobs that do: {names}.", names=", ".join(names)) if names else None)
    return of(job)


def statuses_of(config: ClientConfig, settings: DocumentsSettings) -> tuple[Sequence[Ref] | None, MistokError | None]:
    """The statuses of a step's source; None, with why, when it cannot be asked now."""
    from pipeline.cli.sync import looking
    from pipeline.ports import Orders

    try:
        with looking(config) as ctx:
            source = ctx.system(settings.source)
            if not isinstance(source, Orders):
                return None, None
            return tuple(source.order_statuses()), None
    except MistokError as error:
        return None, error


def unknown_names(config: ClientConfig, settings: DocumentsSettings, known: Sequence[Ref] | None) -> list[Finding]:
    """The names that the step itself fixes and its target lacks; none when the target cannot be asked now."""
    from pipeline.cli.sync import looking
    from pipeline.engine.documents import fixed
    from pipeline.ledger.decisions import mappings_of

    try:
        with looking(config) as ctx:
            with ctx.ledger.read() as conn:
                mappings = mappings_of(conn, config.client)
            found = fixed.lacking(settings, ctx.system(settings.to), known or (), mappings)
            return [finding for _one, finding in found]
    except MistokError:
        return []  # that a system cannot be asked is told of its connection


def placed(config: ClientConfig, job: str, number: int, found: Sequence[Finding]) -> list[Finding]:
    """The findings about keys of a step, each with its line in the config where one says it."""
    from pipeline.config.includes import read_config

    root = read_config(config.source)[0]
    return [_at(root, ("jobs", job, "steps", str(number)), finding) for finding in found]


def _at(root: Any, step: tuple[str, ...], finding: Finding) -> Finding:
    from pipeline.config.yaml import Mapping as Node
    from pipeline.config.yaml import Sequence as Nodes

    key = finding.where.element
    if key is None or finding.where.file is not None:
        return finding
    node, mark = root, None
    wanted = list(step)
    parts = [*wanted, *key.split(".")]
    while parts:
        if isinstance(node, Nodes) and parts[0].isdigit() and int(parts[0]) < len(node.items):
            node = node.items[int(parts.pop(0))]
            continue
        # a key may have dots of its own: the longest that is there
        several = [
            n for n in range(len(parts), 0, -1) if isinstance(node, Node) and ".".join(parts[:n]) in node.entries
        ]
        if not several:
            break
        entry = node.entries[".".join(parts[: several[0]])]
        node, mark, parts = entry.node, entry.key_mark, parts[several[0] :]
    inside = len(parts) < len(key.split("."))
    return replace(finding, where=mark.where(key)) if mark is not None and inside else finding


def looked_at(settings: DocumentsSettings, known: Sequence[Ref] | None) -> tuple[list[dict[str, Any]], list[Finding]]:
    """The table, and what the rules leave open. Where the source was not asked, the rules as they are written."""
    from pipeline.engine.documents import rules as rule_words

    if known is not None:
        rows = [_row(row) for row in rule_words.table(settings, known)]
    else:
        rows = [{"status": key, "rule": key, "acts": list(acts), "target": ""} for key, acts in settings.rules.items()]
    groups = [key for key in settings.rules if known is not None and rule_words.is_group(key, known)]
    shown = {row["rule"] for row in rows}
    rows += [
        {"status": "", "rule": key, "acts": list(settings.rules[key]), "target": ""}
        for key in groups
        if key not in shown
    ]
    return rows, rule_words.gaps(settings, known)


def _row(row: RuleRow) -> dict[str, Any]:
    from pipeline.engine.documents import rules as rule_words

    told = {"status": rule_words.title(row.status), "rule": row.rule, "acts": list(row.acts), "target": row.target}
    return told if row.taken else {**told, "with_document": list(row.followed)}


def _show(settings: DocumentsSettings, rows: Sequence[Mapping[str, Any]], found: Sequence[Finding]) -> None:
    out = common.console()
    heading = T("Orders of {source} → documents of {target}", source=settings.source, target=settings.to)
    out.print(str(heading), style="bold")
    told = [
        {
            **row,
            "status": row["status"] or str(T("(any of the group)")),
            "rule": row["rule"] or "—",
            "done": ", ".join(_acts(row["acts"])) or _not_taken(row.get("with_document", ())),
            "target": row["target"] or "—",
        }
        for row in rows
    ]
    columns = COLUMNS if any(row["target"] != "—" for row in told) else COLUMNS[:-1]
    common.table(columns, told, empty=T("The source has no statuses."))
    common.show_findings(found, of_story=True)


def _not_taken(acts: Sequence[str]) -> str:
    if not acts:
        return str(T("not taken"))
    return str(T("not taken; one that has its document: {acts}", acts=", ".join(_acts(acts))))


def ruled(settings: DocumentsSettings, known: Sequence[Ref]) -> Iterator[tuple[bool | None, Text]]:
    """Lines of `mistok check --connect`: that every status has its rule, or what becomes of orders of the others."""
    from pipeline.engine.documents import rules as rule_words

    taken, passed = rule_words.without_rule(settings, known)
    if not taken and not passed:
        yield True, T("every status of {name} has its rule", name=settings.source)
        return
    if not taken:
        yield True, T("every status of {name} whose orders are taken has its rule", name=settings.source)
    policy = {"hold": "hold", "create-order": "order", "nothing": "nothing"}[settings.unknown_status]
    done: dict[str, str | Text] = {"name": settings.source, "what": ACTS[policy]}
    # what a system sorts into a group is known of each order only
    groups = any(rule_words.is_group(key, known) for key in settings.rules)

    def titles(some: Sequence[Ref]) -> str:
        return ", ".join(rule_words.title(one) for one in some)

    if taken and groups:
        yield None, T("statuses of {name} without a rule of their own: {statuses}. Their orders go by the rule of "
                      "their group, else: {what}", statuses=titles(taken), **done)  # fmt: skip
    elif taken:
        yield None, T("statuses of {name} without a rule: {statuses}. With their orders: {what}",
                      statuses=titles(taken), **done)  # fmt: skip
    if passed:
        yield None, T("statuses of {name} that are not taken and have no rule: {statuses}. With an order that has its "
                      "document and comes to one of them: {what}", statuses=titles(passed), **done)  # fmt: skip


def _acts(acts: Sequence[str]) -> Iterator[str]:
    yield from (str(ACTS[act]) for act in acts)
