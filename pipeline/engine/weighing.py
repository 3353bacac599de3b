"""What becomes of an order that comes again with other content, after it was settled. Asks and reads; changes nothing.

Three questions, in this order. Is it really other content: is there a field that the document has and that differs? Is
it newer than what is known: by the order's own moment of change, where both versions have one, else by arrival; content
that was seen before and is brought again without such a moment may be a late copy as well as a change of mind, so a
person is asked. And what does the client's policy say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal

import structlog

from pipeline.engine import planning
from pipeline.engine.context import RunContext
from pipeline.engine.parts import Parts
from pipeline.engine.planning import Work
from pipeline.engine.sorting import UNSETTLED, Standing
from pipeline.errors import Finding, MistokError
from pipeline.flow import CreateDocument, HoldOrder, InboundSettings, InboundStep, NothingToDo, PlanContext
from pipeline.ledger import cards, decisions, revisions
from pipeline.ledger import files as file_rows
from pipeline.ledger.tables import OrderState
from pipeline.model import Order
from pipeline.ports import AmendDocuments, DecodedOrder
from pipeline.rules.differences import Difference, differences, known_differences
from pipeline.texts import T, Text

log = structlog.get_logger("mistok.inbound")
Row = dict[str, Any]
CANCELLED = "document-cancelled"  #: code of the remark on an order whose document is marked cancelled
Decode = Callable[[bytes, str], Sequence[DecodedOrder]]


class Verdict(StrEnum):
    """What comes of it."""

    EQUAL = "equal"  #: no field that the document has is different
    OLDER = "older"  #: newer content is known: the document is not brought back
    REJECTED = "rejected"  #: a person has said no to this very content
    NOTHING = "nothing"  #: it has no document, and is to have none
    IGNORE = "ignore"
    HOLD = "hold"  #: a person is asked
    BLOCKED = "blocked"  #: it is to be amended, but something stands in the way
    AMEND = "amend"
    CANCEL = "cancel"
    CREATE = "create"  #: it had no document, and is to have one now


@dataclass
class Change:
    """One such order, weighed."""

    work: Work
    verdict: Verdict
    differences: tuple[Difference, ...] = ()
    findings: tuple[Finding, ...] = ()  #: why it cannot be done, of HOLD and BLOCKED
    remark: Text | None = None  #: what a person should know besides
    returned: bool = False  #: whether it is newer nobody can tell
    cancelled: bool = False  #: the order is to have no document any more
    marked: bool = False  #: its document has this very status already, as one that is cancelled
    unfit: bool = False  #: what is wrong with it is in the file itself: nobody can accept it as it is
    known: bool = False  #: this content came before, or the document has it
    reread: bool = False  #: in this very file
    asked: Row | None = None  #: the appearance that a person is asked about, or that waits, from before
    sighting: Row | None = None  #: the appearance itself, when it is an old one that is carried on

    @property
    def goes(self) -> bool:
        """Whether the target is to be called for it."""
        return self.verdict in (Verdict.AMEND, Verdict.CANCEL)


@dataclass
class Scales:
    """What weighing needs: the step with its settings, and how an archived file is read.

    ``decode`` takes bytes and a file's name, and raises what the format raises.
    """

    ctx: RunContext
    step: InboundStep
    settings: InboundSettings
    decode: Decode
    #: a large archived file, to be read at places; None for one that is decoded as a whole
    parts: Callable[[Row], Parts | None] = lambda _file: None
    _read: dict[int, Mapping[tuple[str, str], Order]] = field(default_factory=dict)
    _values: PlanContext | None = None

    def weigh(self, works: Sequence[Work], *, decided: bool = False) -> list[Change]:
        """A verdict on each of ``works``, which have the rows of orders that were settled with other content.

        ``decided``: that they are to be done is no question any more. Raises Transient or Refused when the ledger or
        the target cannot be asked.
        """
        if not works:
            return []
        ctx = self.ctx
        ids = {work.row["id"] for work in works}
        subjects = {work.subject for work in works}
        with ctx.ledger.read() as conn:
            seen = revisions.of_orders(conn, ids)
            carded = cards.carded(conn, ctx.client, subjects, "changed")
            verdicts = {
                (work.subject, work.revision): decisions.verdict_on(conn, ctx.client, work.subject, work.revision)
                for work in works
            }
        changes = []
        for work in works:
            asked = revisions.asked(work.row, seen.get(work.row["id"], []), carded=work.subject in carded)
            change = Change(work, Verdict.HOLD, asked=asked)
            self._compare(change, seen.get(work.row["id"], []), verdicts[work.subject, work.revision], decided)
            changes.append(change)
        open_ones = [change for change in changes if change.verdict is Verdict.HOLD]
        if open_ones:
            system = ctx.system(self.settings.into)
            planning.plan([change.work for change in open_ones], self.step, self.settings, system, ctx)
            able = isinstance(system, AmendDocuments)
            for change in open_ones:
                self._apply_policy(change, able=able, decided=decided or _under_way(change))
        return changes

    def standing(self, by_row: Callable[[Work], Standing]) -> Callable[[Work], Standing]:
        """Where an order that comes stands, given where it would stand by its ledger row alone.

        One that is on its way or held waits with its own content, when what comes now says that it is older.
        """
        return lambda work: "older" if self._is_late(work) else by_row(work)

    def _is_late(self, work: Work) -> bool:
        row, order = work.row, work.decoded.order
        if not row or OrderState(row["state"]) not in UNSETTLED or row["revision"] == work.revision:
            return False
        if order is None or order.updated_at is None:
            return False
        other = self.content(row["file_id"], work.key, row["revision"])
        return other is not None and _earlier(order, other)

    # --- is it other content, and is it newer --------------------------------------------------------------------

    def _compare(self, change: Change, seen: Sequence[Row], said: str | None, decided: bool) -> None:
        work = change.work
        before = self.content(work.row["file_id"], work.key, work.row["revision"])
        now = self._normal(work.decoded.order)
        same = False
        if now is not None:
            if before is not None:
                change.differences = differences(before, now)
                same = not change.differences
                if any(one["code"] == CANCELLED for one in work.row["findings"] or ()):
                    change.marked = before.status == now.status
                    change.differences = differences(self._of_document(work, seen, before), now)
            else:
                change.differences = _by_the_row(work.row, now)
                change.remark = T(
                    "The copy of the earlier file is not in the archive any more: this is all that is known."
                )
        change.known = same or any(row["revision"] == work.revision for row in seen)
        change.reread = _known_file(work, seen)
        if decided:
            return
        if now is not None and before is not None and same:
            change.verdict = Verdict.OLDER if _earlier(now, before) else Verdict.EQUAL
        elif now is not None and self._is_older(change, now, before):
            change.verdict = Verdict.OLDER
        elif said == "reject":
            change.verdict = Verdict.REJECTED
        elif _came_before(change, seen):
            if _known_file(work, seen) and not _is_asked(change):
                change.verdict = Verdict.OLDER  # the very same file, read once more
            else:
                change.remark, change.returned = _RETURNED, True

    def _of_document(self, work: Work, seen: Sequence[Row], before: Order) -> Order:
        """What a cancelled document has: the content that it was last made of, and the status of ``before``."""
        for row in reversed(seen):
            if row["outcome"] in revisions.BOOKED:
                order = self.content(row["file_id"], work.key, row["revision"])
                return before if order is None else replace(order, status=before.status)
        return before

    def _is_older(self, change: Change, now: Order, before: Order | None) -> bool:
        newest = [] if before is None else [before]
        asked = change.asked
        if asked is not None and asked["revision"] != change.work.revision:
            waiting = self.content(asked["file_id"], change.work.key, asked["revision"])
            newest += [] if waiting is None else [waiting]
        return any(_earlier(now, one) for one in newest)

    # --- reading -------------------------------------------------------------------------------------------------

    def content(self, file_id: int, key: str, revision: str) -> Order | None:
        """The order of that revision as a file had it, normalised; None when the file cannot be read any more."""
        if file_id not in self._read:
            with self.ctx.ledger.read() as conn:
                file = file_rows.by_id(conn, file_id)
            if file is None or not file["sha256"]:
                return None
            if (found := self._single(file, key, revision)) is not None:
                return found or None
            self._read[file_id] = self._contents(file)
        return self._read[file_id].get((key, revision))

    def _single(self, file: Row, key: str, revision: str) -> Order | Literal[False] | None:
        """That order of a large file; False when it cannot be read any more, None for a file that is none."""
        try:
            large = self.parts(file)
            if large is None:
                return None
            with self.ctx.ledger.read() as conn:
                lines = revisions.lines_of(conn, file["id"], key, revision)
            for work in large.at_lines(lines, twins=True):
                if (work.key, work.revision) == (key, revision):
                    return self._normal(work.decoded.order) or False
        except MistokError as error:
            log.warning("not_read_again", file=file["name"], code=error.code, error=error.text.render("en"))
        except Exception:
            log.exception("format_failed", file=file["name"])
        return False

    def _contents(self, file: Row) -> Mapping[tuple[str, str], Order]:
        try:
            decoded = self.decode(self.ctx.archive.read(file["sha256"]), file["name"])
        except MistokError as error:
            log.warning("not_read_again", file=file["name"], code=error.code, error=error.text.render("en"))
            return {}
        except Exception:
            log.exception("format_failed", file=file["name"])
            return {}
        works = [planning.make_work(file, index, one, self.ctx.client) for index, one in enumerate(decoded)]
        found = {(work.key, work.revision): self._normal(work.decoded.order) for work in works}
        return {place: order for place, order in found.items() if order is not None}

    def _normal(self, order: Order | None) -> Order | None:
        """As the step makes it, so that two ways of writing one thing are no difference."""
        if order is None:
            return None
        self._values = self._values or planning.plain_context(self.settings, self.ctx)
        try:
            return self.step.normalise(order, self.settings, self._values)
        except Exception:  # a client's plugin may raise anything; planning makes a card of it
            log.exception("plugin_failed", order=order.number)
            return order

    # --- what the policy says ------------------------------------------------------------------------------------

    def _apply_policy(self, change: Change, *, able: bool, decided: bool) -> None:
        work = change.work
        state = OrderState(work.row["state"])
        change.cancelled = isinstance(work.action, NothingToDo)
        documented = state in (OrderState.CREATED, OrderState.IN_DOUBT)
        if change.cancelled and not documented:
            change.verdict = Verdict.NOTHING
            return
        if change.cancelled and change.marked:
            change.verdict = Verdict.EQUAL  # of a cancelled document nothing but its status counts
            return
        policy = self.settings.cancelled if change.cancelled else self.settings.changed
        goes = decided or policy in ("mark", "amend")
        if policy == "ignore" and not decided:
            change.verdict = Verdict.IGNORE
            return
        if isinstance(work.action, HoldOrder):
            change.findings = work.action.findings
            # what is wrong with the bytes themselves mends no mapping and no setting
            change.unfit = bool(work.decoded.findings) or work.decoded.order is None
            change.verdict = Verdict.BLOCKED if goes and documented and not change.unfit else Verdict.HOLD
            return
        if not goes or (change.returned and not decided):
            return
        if not documented:
            # a person who has rejected it decides again; otherwise there was nothing to be done, and now there is
            change.verdict = Verdict.CREATE if state is OrderState.NOTHING_TO_DO or decided else Verdict.HOLD
        elif state is OrderState.IN_DOUBT:
            change.verdict = Verdict.BLOCKED
        elif not able:
            change.remark = T("{system} cannot change documents: correct it by hand.", system=self.settings.into)
        else:
            change.verdict = Verdict.CANCEL if change.cancelled else Verdict.AMEND
            assert change.cancelled or isinstance(work.action, CreateDocument)


_RETURNED = T(
    "This content came before and was replaced since. It may be a late copy of an old file, or the shop has gone back "
    "to it: the order does not say when it was changed."
)


def _earlier(one: Order, other: Order) -> bool:
    return one.updated_at is not None and other.updated_at is not None and one.updated_at < other.updated_at


def _is_asked(change: Change) -> bool:
    """Whether this is the very content that a person is asked about, or that is under way."""
    return change.asked is not None and change.asked["revision"] == change.work.revision


def _under_way(change: Change) -> bool:
    """Whether it was decided on already (by the policy, or by a person) and only is not done yet."""
    return _is_asked(change) and change.asked is not None and change.asked["outcome"] in revisions.WAITING


def _came_before(change: Change, seen: Sequence[Row]) -> bool:
    """Whether this content was there before and other content after it: it has come back, or comes late."""
    revision = change.work.revision
    # what is asked about or under way stood for nothing yet; nor did what stood twice in one file
    pending = {"twin", "later", *(revisions.OPEN if _is_asked(change) else revisions.WAITING)}
    for place, row in enumerate(seen):
        if row["revision"] == revision and row["outcome"] not in pending:
            return any(later["revision"] != revision for later in seen[place:])
    return False


def _known_file(work: Work, seen: Sequence[Row]) -> bool:
    return any(row["file_id"] == work.file_id and row["revision"] == work.revision for row in seen)


def _by_the_row(row: Row, now: Order) -> tuple[Difference, ...]:
    return known_differences(
        total=(Decimal(row["total"]) if row["total"] else None, now.total),
        currency=(row["currency"], now.currency),
        customer=(row["customer"], now.customer.title),
        status=(row["status"], now.status),
        items=(row["items"], len(now.lines)),
    )
