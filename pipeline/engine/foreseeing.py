"""What would come of the orders of some files: the middle of dry runs and of replays. It asks, and never writes."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import structlog

from pipeline.archive import digest
from pipeline.engine import booking, parts, planning
from pipeline.engine.context import RunContext
from pipeline.engine.parts import Part
from pipeline.engine.planning import Work
from pipeline.engine.sorting import Standing, by_state, sort_out
from pipeline.engine.weighing import Change, Scales, Verdict
from pipeline.errors import Finding, MistokError, Rejected, Where, Who
from pipeline.flow import CreateDocument, HoldOrder, InboundSettings, InboundStep, NothingToDo
from pipeline.ledger import orders as order_rows
from pipeline.ledger.tables import OrderState
from pipeline.ports import Decoded, DocumentRef, FormatContext, OrderFormat, StreamedFormat, finished
from pipeline.settings import Settings
from pipeline.texts import T

log = structlog.get_logger("mistok.inbound")

Row = dict[str, Any]
#: ``created``, ``held`` and ``nothing`` would come; ``exists``: its document is in the target already, and the ledger
#: would take note of it; ``same`` and ``older``: it is known, and nothing would come. Of an order that comes again
#: with other content: ``changed`` (a person is asked), ``amended``, ``cancelled``, ``ignored`` (by the policy) or
#: ``refused`` (a person has said no to it).
Outcome = Literal[
    "created",
    "held",
    "nothing",
    "exists",
    "same",
    "changed",
    "older",
    "amended",
    "cancelled",
    "ignored",
    "refused",
]
_CHANGED: dict[str, Outcome] = {"hold": "changed", "amend": "amended", "ignore": "ignored"}
_CANCELLED: dict[str, Outcome] = {"hold": "changed", "mark": "cancelled", "ignore": "ignored"}
WEIGHED: dict[Verdict, Outcome] = {
    Verdict.EQUAL: "same",
    Verdict.NOTHING: "same",
    Verdict.OLDER: "older",
    Verdict.REJECTED: "refused",
    Verdict.IGNORE: "ignored",
    Verdict.HOLD: "changed",
    Verdict.BLOCKED: "changed",
    Verdict.AMEND: "amended",
    Verdict.CANCEL: "cancelled",
}
_STATE = {
    "created": OrderState.CREATED,
    "exists": OrderState.CREATED,
    "held": OrderState.HELD,
    "nothing": OrderState.NOTHING_TO_DO,
}


@dataclass(frozen=True, slots=True)
class Unread:
    """A file that gives no orders: ``quarantined`` (rejected by its format), ``waiting`` or ``failed``, and why."""

    outcome: Literal["quarantined", "waiting", "failed"]
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What would come of one order."""

    work: Work
    outcome: Outcome
    findings: tuple[Finding, ...] = ()
    document: str | None = None  #: number of the one that is there
    change: Change | None = None  #: of an order that comes again with other content: how it differs


@dataclass
class Foresight:
    """Foresees the orders of files as they would be taken one after the other.

    Args:
        standing: where a known order stands, as for :func:`sort_out`.
        scales: weighs orders that come again with other content; without them a person would be asked.
        blank: as if neither the ledger nor the target knew any order (what people decided counts all the same).
    """

    step: InboundStep
    settings: InboundSettings
    ctx: RunContext
    standing: Callable[[Work], Standing] = by_state
    scales: Scales | None = None
    blank: bool = False
    _come: dict[str, Row] = field(default_factory=dict)  #: what was foreseen so far, as the ledger would have it

    def look(
        self, read: Sequence[tuple[Row, Decoded]], wanted: Callable[[Work], bool] = lambda _work: True
    ) -> list[Foreseen]:
        """The outcome of each order of these files, in their order; ``wanted`` leaves orders out.

        Raises Transient or Refused when the ledger or the target cannot be asked.
        """
        pending = list(read)
        told: dict[int, Foreseen] = {}
        works: list[Work] = []
        while pending:
            together = [work for work in works_of(pending, self.ctx.client) if wanted(work)]
            found, deferred = self._foreseen(together)
            told.update(found)
            works.extend(work for work in together if work.file_id not in deferred)
            pending = [pair for pair in pending if pair[0]["id"] in deferred]
        files = {row["id"]: place for place, (row, _decoded) in enumerate(read)}
        works.sort(key=lambda work: files[work.file_id])
        return [told[id(work)] for work in works if id(work) in told]

    def look_at(self, part: Part, *, last: bool) -> list[Foreseen]:
        """The same of a part of a large file. ``last``: no other file comes after it, so that nothing of it is kept."""
        told, _deferred = self._foreseen(part.works, part.again)
        if last:
            for work in part.works:
                self._come.pop(work.key, None)
        return [told[id(work)] for work in part.works if id(work) in told]

    def _foreseen(self, works: Sequence[Work], again: Collection[int] = ()) -> tuple[dict[int, Foreseen], set[int]]:
        """The outcome of each work (by identity), and the files that wait for another one of these."""
        usual = self.scales.standing(self.standing) if self.scales is not None else self.standing
        rows = self._rows(works)
        found = sort_out(
            works,
            ChainMap(self._come, {} if self.blank else rows),
            lambda work: "same" if work.index in again else usual(work),
        )
        for work in found.fresh if self.blank else ():
            work.row = rows.get(work.key, {})
        told: dict[int, Foreseen] = {}
        if found.fresh:
            told.update((id(one.work), one) for one in self._plan(found.fresh))
        if self.blank and found.changed:
            told.update((id(one.work), one) for one in self._by_policy(found.changed))
            found.changed = []
        elif found.changed and self.scales is not None:
            told.update((id(one.work), one) for one in self._weighed(found.changed, self.scales))
        for outcome, known in _known(found.same, found.changed, found.older):
            for work in known:
                told.setdefault(id(work), Foreseen(work, outcome, (), work.row.get("document_number")))
        return told, found.deferred

    def _rows(self, works: Sequence[Work]) -> dict[str, Row]:
        with self.ctx.ledger.read() as conn:
            return order_rows.by_keys(conn, {work.key for work in works})

    def _plan(self, works: Sequence[Work]) -> list[Foreseen]:
        system = self.ctx.system(self.settings.into)
        target = planning.documents(system)
        planning.plan(works, self.step, self.settings, system, self.ctx)
        creating = {work.key for work in works if isinstance(work.action, CreateDocument)}
        existing = finished(target.find(creating)) if creating and not self.blank else {}
        foreseen = [_outcome(work, existing) for work in works]
        for one in foreseen:
            # of thousands of orders only what sorting the next ones needs
            known = {"id": one.work.row.get("id", 0)} if self.blank else one.work.row
            row = {**known, "revision": one.work.revision, "file_id": one.work.file_id}
            self._come[one.work.key] = {
                "id": 0,
                **row,
                "state": _STATE[one.outcome],
                "document_number": one.document,
            }
        return foreseen

    def _weighed(self, works: Sequence[Work], scales: Scales) -> Iterator[Foreseen]:
        # of what was only foreseen the ledger has nothing to weigh against
        real = [work for work in works if work.key not in self._come]
        for change in scales.weigh(real):
            work = change.work
            if change.verdict is Verdict.CREATE:
                yield replace(_outcome(work, {}), change=change)
            else:
                document = work.row.get("document_number")
                yield Foreseen(work, WEIGHED[change.verdict], change.findings, document, change)

    def _by_policy(self, works: Sequence[Work]) -> Iterator[Foreseen]:
        """What the policy says of orders that come again with other content; how it differs is not looked at."""
        settings = self.settings
        planning.plan(works, self.step, settings, self.ctx.system(settings.into), self.ctx)
        for work in works:
            match work.action:
                case HoldOrder(findings=findings):
                    yield Foreseen(work, "changed", findings, work.row.get("document_number"))
                    continue
                case NothingToDo():
                    outcome = _CANCELLED[settings.cancelled]
                case _:
                    outcome = _CHANGED[settings.changed]
            if outcome in ("amended", "cancelled"):
                self._come[work.key] = {**work.row, "revision": work.revision, "file_id": work.file_id}
            yield Foreseen(work, outcome, (), work.row.get("document_number"))


def decode(
    order_format: OrderFormat, path: Path, least: int, settings: Settings, context: FormatContext, scratch: Path
) -> Decoded | Unread:
    """The orders of a file (read in parts from ``least`` bytes on), or why there are none.

    A mistake of a client's own format is logged with a reference.
    """
    try:
        if path.stat().st_size < least or not isinstance(order_format, StreamedFormat):
            return order_format.decode(path.read_bytes(), settings, context)
        return Decoded(tuple(parts.orders(order_format, path, least, settings, context, scratch)))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a format may raise anything
        return unread_by(error, path, context.file)


def unread_by(error: BaseException, path: Path, name: str) -> Unread:
    """What is said of a file whose format raised this. A mistake of a program is logged with a reference."""
    match error:
        case Rejected(findings=findings):
            return Unread("quarantined", findings)
        case MistokError(findings=findings):
            return Unread("failed", findings)
    reference = digest(path)[:8]
    log.error("format_failed", reference=reference, file=name, exc_info=error)
    return Unread("failed", (program_failed(name, error, reference),))


def program_failed(name: str, error: BaseException, reference: str) -> Finding:
    """What is told of a file over which a program of ours, or of the client's, stumbled."""
    return Finding(
        "plugin-error",
        T("Reading {file} failed by a mistake of the program ({kind}).", file=name, kind=type(error).__name__),
        Where(file=name),
        T("Send the file and the log lines with reference {reference} to support.", reference=reference),
        Who.US,
    )


def works_of(read: Sequence[tuple[Row, Decoded]], client: str) -> list[Work]:
    """The works for the orders of read files, in their order."""
    return [
        planning.make_work(row, index, one, client) for row, decoded in read for index, one in enumerate(decoded.orders)
    ]


def _known(
    same: Collection[Work], changed: Collection[Work], older: Collection[Work]
) -> Sequence[tuple[Outcome, Collection[Work]]]:
    return (("same", same), ("changed", changed), ("older", older))


def _outcome(work: Work, existing: Mapping[str, DocumentRef]) -> Foreseen:
    match work.action:
        case CreateDocument(notes=notes):
            ref = existing.get(work.key)
            if ref is None:
                return Foreseen(work, "created", tuple(notes))
            if booking.differs(work, ref):
                return Foreseen(work, "held", (booking.other_document(work, ref),), ref.number)
            return Foreseen(work, "exists", tuple(notes), ref.number)
        case HoldOrder(findings=findings):
            return Foreseen(work, "held", tuple(findings))
        case NothingToDo(reason=reason):
            return Foreseen(work, "nothing", (Finding("nothing-to-do", reason),))
        case None:
            raise AssertionError("every planned work has an action")
