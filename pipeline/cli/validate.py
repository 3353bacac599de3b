"""``mistok validate FILE…``: what an import would make of order files, without a server or a ledger.

For the developer of a site. Products, currencies and whether an order came before are known to the import only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path
from tempfile import gettempdir
from typing import Annotated, Any

import typer

from pipeline.cli import common
from pipeline.cli.formats import ByFormat, ByJob, Chosen, choose, zone_of
from pipeline.engine import parts
from pipeline.errors import ConfigError, Finding, MistokError, Rejected, Where, Who, system_words
from pipeline.flow import InboundSettings, InboundStep, PlanContext, StepPlugin
from pipeline.model import Order
from pipeline.ports import DecodedOrder, FormatContext, OrderFormat, OrderStream
from pipeline.settings import Settings
from pipeline.texts import TN, T, Text

VERDICTS = {
    "accepted": T("good"),
    "held": T("would be held: some orders wait for a person"),
    "quarantined": T("refused: nothing of it would be taken"),
}
LISTED = 1000  #: orders of a large file that are listed, and remarks on it
_AT_ONCE = 50
_LEFT_OUT: Mapping[str, Callable[[int], Text]] = {
    "accepted": lambda n: TN("{n} more order is good.", "{n} more orders are good.", n),
    "held": lambda n: TN("{n} more order would be held.", "{n} more orders would be held.", n),
    "notes": lambda n: TN("{n} more remark is left out.", "{n} more remarks are left out.", n),
}


@dataclass(frozen=True, slots=True)
class Judged:
    """One order of a file with everything that would hold it."""

    decoded: DecodedOrder
    order: Order | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What would come of one file: ``accepted``, ``held`` (some orders), or ``quarantined``."""

    file: Path
    outcome: str
    orders: tuple[Judged, ...] = ()
    findings: tuple[Finding, ...] = ()  #: of the file itself
    notes: tuple[Finding, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)  #: of a large file: what is counted, and not listed

    @property
    def count(self) -> int:
        """How many orders there are."""
        return len(self.orders) + self.left_out.get("accepted", 0) + self.left_out.get("held", 0)

    def to_json(self) -> dict[str, Any]:
        """For ``--json``; findings in the language in use, amounts as strings."""
        return {
            "file": str(self.file),
            "outcome": self.outcome,
            "findings": list(self.findings),
            "notes": list(self.notes),
            "orders": [
                {
                    "id": one.decoded.id,
                    "number": one.decoded.number,
                    "line": one.decoded.line,
                    "outcome": "held" if one.findings else "accepted",
                    "total": one.order.total if one.order else None,
                    "currency": one.order.currency if one.order else None,
                    "items": len(one.order.lines) if one.order else None,
                    "findings": list(one.findings),
                }
                for one in self.orders
            ],
            **({"left_out": dict(self.left_out)} if self.left_out else {}),
        }


def validate(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(help=str(T("Order files, or folders of them.")), metavar="FILE…")],
    xsd: Annotated[Path | None, typer.Option(help=str(T("An XSD of your own instead of the built-in one.")))] = None,
    encoding: Annotated[
        str | None, typer.Option(help=str(T("Encoding of files that declare none, such as windows-1251.")))
    ] = None,
    timezone: Annotated[
        str | None, typer.Option(show_default="Europe/Kyiv", help=str(T("Time zone of times without one.")))
    ] = None,
    chosen: ByFormat = None,
    job: ByJob = None,
    as_json: Annotated[bool, typer.Option("--json", help=str(T("Print JSON.")))] = False,
) -> None:
    """Check order files: exit code 0 when all are good, 1 when something is wrong, 2 when called wrongly."""
    with common.cards(as_json=as_json):
        parameters: dict[str, Any] = {"encoding": encoding, "xsd": str(xsd.resolve()) if xsd else None}
        if chosen is None and job is None:
            verdicts = judge(files, parameters, timezone or "Europe/Kyiv")
        elif encoding or xsd:
            common.usage(T("--xsd and --encoding go with the native format; another says these things itself."))
        else:
            verdicts = judge_by(files, choose(context, chosen, job, timezone))
        if as_json:
            common.print_json([verdict.to_json() for verdict in verdicts])
        else:
            show(verdicts)
        if any(verdict.outcome != "accepted" for verdict in verdicts):
            raise typer.Exit(common.WAITING)


def judge(files: Sequence[Path], parameters: dict[str, Any], timezone: str = "Europe/Kyiv") -> tuple[Verdict, ...]:
    """A verdict for each file, folders taken apart, in the order given.

    ``parameters`` are those of the format ``order-xml``. Raises ConfigError: no such file, a bad XSD or parameter.
    """
    from pydantic import ValidationError

    from pipeline.registry import load_registry

    registry = load_registry()
    plugin = registry.formats["order-xml"]
    try:
        settings = plugin.settings.model_validate({name: value for name, value in parameters.items() if value})
    except ValidationError as error:
        raise ConfigError(str(error.errors()[0]["msg"])) from error
    chosen = Chosen(plugin=plugin, settings=settings, zone=zone_of(timezone), step=registry.steps.get("import-orders"))
    return judge_by(files, chosen)


def judge_by(files: Sequence[Path], chosen: Chosen) -> tuple[Verdict, ...]:
    """A verdict for each file as the chosen format reads it, folders taken apart. Raises ConfigError: no such file.

    Of a folder what a job would take; without one the files that are named as the format is (``csv``, ``order-xml``).
    """
    pattern = chosen.pattern or f"*.{chosen.plugin.name.rpartition('-')[2]}"
    return tuple(judge_file(path, chosen) for path in _flat(files, pattern))


def context_for(path: Path, chosen: Chosen) -> FormatContext:
    """What a format is told about a file of this machine."""
    return FormatContext(
        client=chosen.client or path.parent.name or "site",
        timezone=chosen.zone,
        currency=chosen.currency,
        language=chosen.language,
        now=datetime.now(UTC),
        file=str(path),
        source=chosen.source,
        base=chosen.base,
    )


def _flat(files: Sequence[Path], pattern: str) -> list[Path]:
    found: list[Path] = []
    for path in files:
        if path.is_dir():
            inside = sorted(one for one in path.rglob("*") if fnmatch(one.name.lower(), pattern.lower()))
            inside = [one for one in inside if one.is_file()]
            if not inside:
                raise ConfigError(T("There is no file {pattern} in {path}.", pattern=pattern, path=str(path)))
            found.extend(inside)
        elif path.is_file():
            found.append(path)
        else:
            raise ConfigError(T("There is no file {path}.", path=str(path)), hint=T("Check the name and the folder."))
    return found


def judge_file(path: Path, chosen: Chosen) -> Verdict:
    """What would come of one file. Raises ConfigError when the format reads no orders."""
    order_format, context = chosen.plugin.format, context_for(path, chosen)
    if not isinstance(order_format, OrderFormat):
        common.usage(T("Format `{name}` reads no orders.", name=chosen.plugin.name))
    least = getattr(chosen.step_settings, "stream_from", InboundSettings.model_fields["stream_from"].default)
    try:
        stream = parts.opened(order_format, path, least, chosen.settings, context, Path(gettempdir()))
        if stream is not None:
            with closing(stream):
                return _judge_large(path, stream, context, chosen)
        data = path.read_bytes()
    except Rejected as error:
        return Verdict(path, "quarantined", findings=error.findings)
    except OSError as error:
        finding = Finding(
            "unreadable",
            T("{path} cannot be read: {words}.", path=str(path), words=system_words(error)),
            Where(str(path)),
            T("Check the rights of the file."),
            Who.ADMIN,
        )
        return Verdict(path, "quarantined", findings=(finding,))
    try:
        decoded = order_format.decode(data, chosen.settings, context)
    except Rejected as error:
        return Verdict(path, "quarantined", findings=error.findings)
    judged = [_judge_order(one, context, chosen.step, chosen.step_settings) for one in decoded.orders]
    orders, twins = _twins(judged, context.file)
    outcome = "held" if any(one.findings for one in orders) else "accepted"
    return Verdict(path, outcome, orders, (), (*decoded.notes, *twins))


def _judge_large(path: Path, stream: OrderStream, context: FormatContext, chosen: Chosen) -> Verdict:
    """The same of a large file: what is wrong is listed, LISTED orders at most, and all else is counted."""
    twins: dict[int, Finding] = {}
    notes: list[Finding] = list(stream.notes)
    for places in stream.repeated:
        first = next(iter(stream.pick(places[:1])))
        for start in range(1, len(places), _AT_ONCE):
            here = places[start : start + _AT_ONCE]
            for place, other in zip(here, stream.pick(here), strict=True):
                if (first.source, first.id) != (other.source, other.id):
                    continue
                found = _twin(first, other, context.file)
                if first.fragment == other.fragment:
                    notes.append(found)
                else:
                    twins[place] = replace(found, where=replace(found.where, line=other.line))
                    twins.setdefault(places[0], replace(found, where=replace(found.where, line=first.line)))
    listed: list[Judged] = []
    left_out: Counter[str] = Counter()
    place = 0
    for batch in stream.batches(_AT_ONCE):
        for decoded in batch.orders:
            one = _judge_order(decoded, context, chosen.step, chosen.step_settings)
            if place in twins:
                one = replace(one, findings=(twins[place], *one.findings))
            place += 1
            if one.findings and len(listed) < LISTED:
                listed.append(one)
            else:
                left_out["held" if one.findings else "accepted"] += 1
        notes.extend(batch.notes)
        left_out["notes"] += max(len(notes) - LISTED, 0)
        del notes[LISTED:]
    outcome = "held" if listed else "accepted"
    return Verdict(path, outcome, tuple(listed), (), tuple(notes), {word: n for word, n in left_out.items() if n})


def _twin(first: DecodedOrder, second: DecodedOrder, file: str) -> Finding:
    """What is said of an order that stands there a second time."""
    values: dict[str, Any] = {"number": second.number, "first": first.line or 0, "second": second.line or 0}
    if first.fragment == second.fragment:
        text = T("Order №{number} stands twice with the same content (lines {first} and {second}).", **values)
        hint = T("It is taken once. Write each order once.")
    else:
        text = T("Order №{number} stands twice with different content (lines {first} and {second}).", **values)
        hint = T("Nobody can say which one is meant: send a file in which it stands once.")
    return Finding("twin-order", text, Where(file, second.line, order=second.id), hint)


def _twins(orders: Sequence[Judged], file: str) -> tuple[tuple[Judged, ...], tuple[Finding, ...]]:
    """The orders, held where one number stands for different content; and remarks on those that stand there twice."""
    first: dict[tuple[str, str], int] = {}
    judged = list(orders)
    remarks: list[Finding] = []
    for place, one in enumerate(orders):
        decoded = one.decoded
        if not decoded.id:
            continue
        earlier = first.setdefault((decoded.source, decoded.id), place)
        if earlier == place:
            continue
        other = orders[earlier].decoded
        found = _twin(other, decoded, file)
        if other.fragment == decoded.fragment:
            remarks.append(found)
            continue
        for at in (earlier, place):
            held = judged[at]
            if all(known.code != found.code for known in held.findings):
                finding = replace(found, where=replace(found.where, line=held.decoded.line))
                judged[at] = replace(held, findings=(finding, *held.findings))
    return tuple(judged), tuple(remarks)


def _judge_order(
    decoded: DecodedOrder, context: FormatContext, step: StepPlugin | None, step_settings: Settings | None
) -> Judged:
    """The format's findings, and the import's own checks of sums and completeness, which need no system."""
    order, findings = decoded.order, decoded.findings
    if order is not None and step is not None and isinstance(step.kind, InboundStep):
        settings = step_settings or step.settings.model_construct()
        plan = PlanContext(client=context.client, currency=context.currency, now=context.now)
        try:
            findings = (*findings, *step.kind.validate(step.kind.normalise(order, settings, plan), settings, plan))
        except MistokError as error:
            findings = (*findings, *error.findings)
    return Judged(decoded, order, tuple(_placed(finding, decoded, context.file) for finding in findings))


def _placed(finding: Finding, decoded: DecodedOrder, file: str) -> Finding:
    """With file, line and element, which a step's checks do not know: those of the field, the item, or the order."""
    where = decoded.where(finding.where, file)
    return replace(finding, where=replace(where, order=where.order or decoded.id))


def show(verdicts: Sequence[Verdict]) -> None:
    """Print verdicts for a person, a line for each order, and a last line of counts."""
    from rich.text import Text as Rich

    out = common.console()
    styles = {"accepted": "green", "held": "yellow", "quarantined": "red"}
    for verdict in verdicts:
        out.print(
            Rich.assemble((str(verdict.file), "bold"), ": ", (str(VERDICTS[verdict.outcome]), styles[verdict.outcome]))
        )
        _show_findings(out, verdict.findings, "  ")
        for one in verdict.orders:
            out.print(Rich("  " + str(_order_line(one)), style="yellow" if one.findings else ""))
            _show_findings(out, one.findings, "    ")
        for word, count in verdict.left_out.items():
            out.print("  " + str(_LEFT_OUT[word](count)))
        for note in verdict.notes:
            out.print(Rich("  " + str(T("Remark: {words}", words=note.text)), style="dim"))
            if note.hint:
                out.print(Rich("    → " + str(note.hint), style="dim"))
    counts = {outcome: sum(verdict.outcome == outcome for verdict in verdicts) for outcome in VERDICTS}
    orders = sum(verdict.count for verdict in verdicts)
    out.print(
        str(
            T(
                "Files: {files} (good: {accepted}, holding: {held}, refused: {quarantined}). Orders: {orders}.",
                files=len(verdicts),
                orders=orders,
                **counts,
            )
        )
    )


def _order_line(one: Judged) -> Text:
    number = one.decoded.number or one.decoded.id or "?"
    if one.order is None:
        return T("№{number} (line {line}): held", number=number, line=one.decoded.line or 0)
    items = TN("{n} item", "{n} items", len(one.order.lines))
    pattern: dict[str, Any] = {
        "number": number,
        "customer": one.order.customer.title or "—",
        "sum": one.order.total,
        "currency": one.order.currency,
        "items": items,
    }
    if one.findings:
        return T("№{number} {customer}, {sum} {currency}, {items}: held", **pattern)
    return T("№{number} {customer}, {sum} {currency}, {items}: good", **pattern)


def _show_findings(out: Any, findings: Sequence[Finding], indent: str) -> None:
    from rich.padding import Padding
    from rich.text import Text as Rich

    for finding in findings:
        place = common.where(Where(finding.where.file, finding.where.line, finding.where.column, finding.where.element))
        line = Rich.assemble((place, "bold"), ": " if place else "", (str(finding.text), "red"))
        out.print(Padding(line, (0, 0, 0, len(indent)), expand=False))
        if finding.hint:
            out.print(Padding(Rich("→ " + str(finding.hint), style="cyan"), (0, 0, 0, len(indent) + 2), expand=False))
