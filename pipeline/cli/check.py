"""``mistok check``: is the config right, and do the servers allow what the jobs need? In words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli import common, many, pc_names, step_sizes
from pipeline.cli.many import Folder
from pipeline.errors import ConfigError, Finding, FolderMissing, MistokError, Refused, Transient, Who
from pipeline.flow import InboundSettings, Move, OutboundSettings
from pipeline.ports import WriteProbe
from pipeline.texts import T, Text

if TYPE_CHECKING:
    from pipeline.config.model import ClientConfig
    from pipeline.documents import DocumentsSettings
    from pipeline.engine.context import RunContext
    from pipeline.ports import Capabilities, System


#: Codes of what stands in the way of every folder of a connection alike.
_NOBODY_THERE = frozenset({"transient", "login", "host-key"})


@dataclass
class Need:
    """A folder of a connection, and what the jobs do there."""

    connection: str
    folder: str
    reads: bool = False
    deletes: bool = False
    writes: bool = False
    jobs: set[str] = field(default_factory=set)


@dataclass
class Answer:
    """What came of looking at one connection."""

    name: str
    kind: str
    folder: str = ""
    lines: list[tuple[bool | None, Text]] = field(default_factory=list)  #: (good, words); None: no matter here
    remarks: list[Finding] = field(default_factory=list)  #: what stands in no job's way, such as books still empty
    findings: list[Finding] = field(default_factory=list)
    exit_code: int = common.DONE


def check(
    context: typer.Context,
    folder: Folder = None,
    connect: Annotated[
        bool,
        typer.Option("--connect", help=str(T("Try every server: login, rights, rename, delete (with an own file)."))),
    ] = False,
    write_probe: Annotated[
        bool,
        typer.Option(
            "--write-probe",
            help=str(
                T("Try also what only a write can tell: a product of our own is made in a CRM and deleted again.")
            ),
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help=str(T("Print JSON.")))] = False,
) -> None:
    """Check the config, and with --connect every server."""
    with common.cards(as_json=as_json):
        clients = many.many(context, folder)
        if clients is not None:
            raise typer.Exit(many.check(context, clients, connect=connect, write_probe=write_probe, as_json=as_json))
        config = common.load(context)
        answers, code = look(config, connect=connect, write_probe=write_probe)
        if as_json:
            common.print_json(as_data(config, answers, code))
        else:
            show(config, answers)
    raise typer.Exit(code)


@dataclass(frozen=True, slots=True)
class Begun:
    """What is looked at now: a connection, or a step of a job, and which systems' code runs for it (their types)."""

    name: str
    kind: str
    systems: frozenset[str] = frozenset()


def look(
    config: ClientConfig,
    *,
    connect: bool = False,
    write_probe: bool = False,
    tell: Callable[[Begun | Answer], None] = lambda _what: None,
) -> tuple[list[Answer], int]:
    """What is found about the jobs, and with ``connect`` about every server; and the exit code.

    ``tell``: hears of what is looked at, and of each answer, at once: a system may never answer.
    """
    answers = []
    for answer in _looks(config, tell, connect=connect or write_probe, write_probe=write_probe):
        answers.append(answer)
        tell(answer)
    return answers, max((answer.exit_code for answer in answers), default=common.DONE)


def _looks(
    config: ClientConfig, begins: Callable[[Begun], None], *, connect: bool, write_probe: bool
) -> Iterator[Answer]:
    if connect:
        begins(Begun(config.client, ""))  # the ledger is opened
        yield from _connect(config, begins, write_probe=write_probe)
    else:
        yield from _ledger(config)
    yield from _rules(config, begins, connect=connect)
    yield from _exports(config, begins)
    begins(Begun(config.client, ""))
    for job, step, remark in step_sizes.remarks(config):
        yield Answer(job, step, remarks=[remark])
    if found := pc_names.remarks(config, connect=connect):
        yield Answer("alerts", "tell", remarks=found)


def as_data(config: ClientConfig, answers: list[Answer], code: int) -> dict[str, Any]:
    """For --json."""
    return {
        "config": config.source,
        "client": config.client,
        "connections": [
            {
                "name": answer.name,
                "type": answer.kind,
                "folder": answer.folder,
                "checks": [{"ok": good, "text": str(words)} for good, words in answer.lines],
                "findings": answer.findings,
                "remarks": answer.remarks,
            }
            for answer in answers
        ],
        "exit_code": code,
    }


def needs(config: ClientConfig) -> list[Need]:
    """Which folders the jobs use, and for what."""
    found: dict[tuple[str, str], Need] = {}

    def need(connection: str, folder: str, job: str) -> Need:
        one = found.setdefault((connection, folder), Need(connection, folder))
        one.jobs.add(job)
        return one

    for name, job in config.jobs.items():
        for step in job.steps:
            params: Any = step.params
            if isinstance(params, InboundSettings):
                inbox = need(params.inbox, params.folder, name)
                inbox.reads = True
                inbox.deletes |= params.after != "keep"
                if isinstance(params.after, Move):
                    inbox.writes = True
            elif isinstance(params, OutboundSettings):
                need(params.to, params.folder, name).writes = True
                if params.images is not None:
                    need(params.to, params.images.to, name).writes = True
                    need(params.images.copy_from, params.images.folder, name).reads = True
    return list(found.values())


def _connect(config: ClientConfig, begins: Callable[[Begun], None], *, write_probe: bool = False) -> Iterator[Answer]:
    from tempfile import TemporaryDirectory

    from pipeline.engine.context import RunContext
    from pipeline.engine.runtime import Client

    wanted = needs(config)
    with Client.open(config, read_only=not write_probe) as client, TemporaryDirectory(prefix="mistok-") as temp:
        ctx = RunContext(
            config=config,
            registry=client.registry,
            ledger=client.ledger,
            archive=client.archive,
            clock=client.clock,
            job="check",
            temp=Path(temp),
        )
        try:
            for name, spec in config.connections.items():
                systems = {spec.type} if spec.kind == "system" else ()
                begins(Begun(name, spec.type, frozenset(systems)))
                if spec.kind == "system":
                    yield _system(ctx, name, spec.type, write_probe=write_probe)
                    continue
                uses = [need for need in wanted if need.connection == name] or [Need(name, "")]
                for need in uses:
                    answer = _folder(ctx, need, spec.type)
                    yield answer
                    if any(finding.code in _NOBODY_THERE for finding in answer.findings):
                        break  # the other folders would say the same, and one more bad login may lock the account
        finally:
            ctx.close()


def _ledger(config: ClientConfig) -> Iterator[Answer]:
    """Told where its file is missing and could not be made; nothing is written, and no database is loaded."""
    from pipeline.config.clients import ledger_file
    from pipeline.errors import Transient
    from pipeline.ledger.place import can_be_made

    if file := ledger_file(config):
        try:
            can_be_made(file)
        except Transient as error:
            yield Answer("ledger", "sqlite", findings=list(error.findings), exit_code=common.exit_code(error))


def _rules(config: ClientConfig, begins: Callable[[Begun], None], *, connect: bool) -> Iterator[Answer]:
    """What the status rules of each documents step leave open; those that leave nothing are told only with the servers.

    ``connect``: the statuses of the source, and what both systems can do, are looked at, too.
    """
    from pipeline.cli.rules import placed, ruled, statuses_of, unknown_names
    from pipeline.documents import DocumentsSettings
    from pipeline.engine.documents import rules

    for name, job in config.jobs.items():
        for number, step in enumerate(job.steps):
            if not isinstance(step.params, DocumentsSettings):
                continue
            begins(Begun(name, step.step, _types(config, step.params.source, step.params.to)))
            answer = Answer(name, step.step)
            known, error = statuses_of(config, step.params) if connect else (None, None)
            if error is not None:
                answer.lines.append((None, T("the statuses of {name} could not be asked", name=step.params.source)))
            found = rules.gaps(step.params, known)
            if connect:
                found += [*unknown_names(config, step.params, known), *_unable(config, step.params)]
            answer.findings.extend(placed(config, name, number, found))
            if not answer.findings and known is not None:
                answer.lines.extend(ruled(step.params, known))
                words = T("every name that the step gives is known to {name}", name=step.params.to)
                answer.lines.append((True, words))
            if answer.findings:
                answer.exit_code = common.WAITING
            if connect or answer.findings:
                yield answer


def _types(config: ClientConfig, *names: str) -> frozenset[str]:
    """The types of these connections, as far as they are there."""
    return frozenset(config.connections[name].type for name in names if name in config.connections)


def _exports(config: ClientConfig, begins: Callable[[Begun], None]) -> Iterator[Answer]:
    """The exports whose system tells no products, or has no files of images to send."""
    from pipeline.engine.exportable import unable_of
    from pipeline.engine.ownplugins import plugin_folder
    from pipeline.registry import load_registry

    registry = load_registry(plugin_folder(config))
    for name, job in config.jobs.items():
        for step in job.steps:
            if not isinstance(step.params, OutboundSettings):
                continue
            source = step.params.source
            begins(Begun(name, step.step, _types(config, source)))
            plugin = registry.systems[config.connections[source].type]
            if wrong := unable_of(plugin, source, step.params):
                answer = Answer(name, step.step, exit_code=common.WAITING)
                answer.findings.append(Finding("capability", wrong[0], hint=wrong[1], who=Who.ADMIN))
                yield answer


def _unable(config: ClientConfig, settings: DocumentsSettings) -> Iterator[Finding]:
    """What a documents step asks of its systems that they cannot do."""
    from pipeline.cli.sync import looking
    from pipeline.engine.documents import needs

    try:
        with looking(config) as ctx:
            source, target = ctx.system(settings.source), ctx.system(settings.to)
            for name, system, capability, what in needs.wanted(settings, source, target):
                if not isinstance(system, capability):
                    text = T("{name} cannot do what step {step} needs of it: {what}.", name=name, step="sync-orders",
                             what=what)  # fmt: skip
                    hint = T("mistok plugins tells what each system can do.")
                    yield Finding("capability", text, hint=hint, who=Who.ADMIN)
    except MistokError:
        return  # that a system cannot be opened is told of its connection


def _system(ctx: RunContext, name: str, kind: str, *, write_probe: bool) -> Answer:
    answer = Answer(name, kind)
    try:
        system = ctx.system(name)
        told = system.check()
        answer.lines.append((True, T("answers")))
        told = [_placed(ctx.config.source, name, finding) for finding in told]
        # what the accountant has yet to enter is no fault of the set-up
        answer.remarks.extend(finding for finding in told if finding.who is Who.ACCOUNTANT)
        answer.findings.extend(finding for finding in told if finding.who is not Who.ACCOUNTANT)
        if write_probe:
            _try_writes(ctx, name, answer, system)
        else:
            _tell_untried(ctx, name, answer)
        _tell_verified(ctx, name, answer, system)
        if answer.findings:
            answer.exit_code = common.WAITING
    except MistokError as error:
        _failed(answer, error)
    return answer


def _tell_untried(ctx: RunContext, name: str, answer: Answer) -> None:
    """What a first run would wait for."""
    from pipeline.engine import proving

    if marks := proving.untried(ctx, name):
        text = T("not tried on this account yet: {marks}", marks=", ".join(f"`{one}`" for one in marks))
        answer.lines.append((None, text))
        hint = T("Runs that need it wait until `mistok check --connect --write-probe` was passed.")
        answer.remarks.append(Finding("untried-writes", text, hint=hint, who=Who.ADMIN))


def _tell_verified(ctx: RunContext, name: str, answer: Answer, system: System) -> None:
    """Of what is only inferred, say so no more where a probe has shown it on this account."""
    from pipeline.engine import proving

    if not proving.is_inferred(system) or not (shown := proving.verified(ctx, name, system)):
        return
    words, zone = system.inferred(), ctx.config.zone
    for n, remark in enumerate(answer.remarks):
        what = remark.about.removeprefix("inferred:")
        if remark.about != what and what in shown and what in words:
            day = datetime.fromisoformat(shown[what]).astimezone(zone).date()
            text = T("Verified on this account on {day}: {what}.", day=day, what=words[what])
            answer.remarks[n] = replace(remark, code="verified", text=text, hint=None)


def _placed(path: Path, name: str, finding: Finding) -> Finding:
    """A finding about a key of a connection, with the place of that key in the file; any other as it is."""
    key = finding.where.element
    if key is None or finding.where.file is not None:
        return finding
    from pipeline.config.includes import read_config
    from pipeline.config.yaml import Mapping, Node

    node: Node | None = read_config(path)[0]
    mark = None
    for part in ("connections", name, *key.split(".")):
        if not isinstance(node, Mapping) or part not in node.entries:
            return finding
        mark, node = node.entries[part].key_mark, node.entries[part].node
    return replace(finding, where=mark.where(f"{name}.{key}")) if mark is not None else finding


def _try_writes(ctx: RunContext, name: str, answer: Answer, system: System) -> None:
    if not isinstance(system, WriteProbe):
        answer.lines.append((None, T("has nothing that only a write could tell")))
        return
    from pipeline.engine import proving

    passed, shown = True, dict[str, bool]()
    try:
        for one in system.try_writes():
            if one.proves and one.works is not None:
                shown[one.proves] = one.works
            if one.works is False and one.needed:
                passed = False
                answer.findings.append(Finding("write-probe", one.text, hint=one.hint, who=Who.ADMIN))
            else:
                answer.lines.append((True if one.works else None, one.text))
    except MistokError:
        passed = False
        raise
    finally:
        proving.remember(ctx, name, system, passed=passed, shown=shown)


def _folder(ctx: RunContext, need: Need, kind: str) -> Answer:
    answer = Answer(need.connection, kind, need.folder)
    try:
        transport = ctx.transport(need.connection)
        if need.writes or need.deletes:
            seen = transport.probe(need.folder)
            _judge(answer, need, seen)
        else:
            answer.lines.append((True, T("can be listed: {n} files", n=len(transport.list(need.folder)))))
    except FolderMissing as error:
        if need.writes and not (need.reads or need.deletes):
            answer.lines.append((None, T("is not there yet; the job makes it")))
        else:
            _failed(answer, error)
    except MistokError as error:
        _failed(answer, error)
    return answer


def _judge(answer: Answer, need: Need, seen: Capabilities) -> None:
    if seen.server:
        answer.lines.append((True, T("server: {name}", name=seen.server)))
    rows: list[tuple[bool | None, bool, Text, Text]] = [
        (seen.listing, True, T("can be listed"), T("cannot be listed")),
        (seen.write, need.writes, T("can be written to"), T("cannot be written to")),
        (seen.rename, need.writes, T("files can be renamed"), T("files cannot be renamed")),
        (
            seen.rename_over,
            False,
            T("a rename replaces the old file in one act"),
            T("a rename does not replace: the old file is set aside for a moment"),
        ),
        (seen.delete, need.deletes or need.writes, T("files can be deleted"), T("files cannot be deleted")),
        (seen.exact_times, False, T("tells exact times"), T("does not tell exact times")),
    ]
    for value, needed, good, bad in rows:
        if value is None:
            continue
        answer.lines.append((True if value else False if needed else None, good if value else bad))
        if needed and not value:
            answer.exit_code = common.UNREACHABLE
    idle = {"rights-write", "rights-rename"} if not need.writes else set()
    answer.findings.extend(finding for finding in seen.findings if finding.code not in idle)
    if need.deletes and seen.delete is None and seen.write is False:
        _delete_untried(answer, need, seen)


def _delete_untried(answer: Answer, need: Need, seen: Capabilities) -> None:
    """Nothing of our own can be put there to be deleted; where nothing may be written, nothing can be deleted."""
    answer.lines.append((False, T("files cannot be deleted, as far as can be seen")))
    answer.exit_code = common.UNREACHABLE
    refused = next((finding.text for finding in seen.findings if finding.code == "rights-write"), None)
    answer.findings.append(
        Finding(
            "rights-delete",
            T(
                "{jobs} must take files away from {connection}/{folder}, but nothing may be changed there: {words}",
                jobs=", ".join(sorted(need.jobs)),
                connection=need.connection,
                folder=need.folder,
                words=refused or T("writing is refused"),
            ),
            hint=T("Let the account delete files in this folder, or set `after: keep` in the job."),
            who=Who.ADMIN,
        )
    )


def _failed(answer: Answer, error: MistokError) -> None:
    answer.findings.extend(error.findings)
    answer.exit_code = (
        common.WRONG
        if isinstance(error, ConfigError)
        else common.UNREACHABLE
        if isinstance(error, (Refused, Transient))
        else common.WAITING
    )


def show(config: ClientConfig, answers: list[Answer]) -> None:
    from rich.text import Text as Rich

    out = common.console()
    out.print(
        str(
            T(
                "{file} is right: client {client}; connections: {connections}, jobs: {jobs}.",
                file=str(config.source),
                client=config.client,
                connections=len(config.connections),
                jobs=len(config.jobs),
            )
        )
    )
    for answer in answers:
        head = f"{answer.name} ({answer.kind})" + (f" /{answer.folder.strip('/')}" if answer.folder else "")
        out.print(Rich(head, style="bold"))
        for good, words in answer.lines:
            mark, style = {True: ("✓", "green"), False: ("✗", "red"), None: ("·", "dim")}[good]
            out.print(Rich(f"  {mark} ", style=style) + Rich(str(words)))
        common.show_findings(answer.findings, of_story=True)
        for remark in answer.remarks:
            out.print(Rich("  · ", style="dim") + Rich(str(T("Remark: {words}", words=remark.text))))
            if remark.hint:
                out.print(Rich("    → " + str(remark.hint), style="cyan"))
