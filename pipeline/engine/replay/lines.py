"""What a replay says of each order and file: what would come of it, what has come of it, or why nothing does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from pipeline.engine import telling
from pipeline.engine.foreseeing import Foreseen
from pipeline.engine.planning import Work
from pipeline.engine.weighing import Change
from pipeline.errors import Finding
from pipeline.ledger import files as file_rows
from pipeline.ledger.tables import OrderState
from pipeline.model import cents
from pipeline.rules.differences import Difference
from pipeline.texts import TN, T, Text, verbatim

Row = dict[str, Any]
#: Of an order: ``created``, ``held``, ``in_doubt``, ``amended``, ``cancelled`` (its document is marked so); nothing is
#: done for one that is ``known``, ``nothing``, ``rejected``, ``older`` (newer content of it came), ``changed`` or
#: ``ignored`` (its document has other content). Of a whole file: ``read`` (its orders follow), ``quarantined``,
#: ``rejected``, ``pruned``, ``unsound``, ``unfetched``, ``strange`` (it was read once, and is rejected by its format
#: now). Of either: ``failed``.
Outcome = Literal[
    "created",
    "held",
    "in_doubt",
    "known",
    "nothing",
    "rejected",
    "older",
    "changed",
    "amended",
    "cancelled",
    "ignored",
    "read",
    "quarantined",
    "pruned",
    "unsound",
    "unfetched",
    "strange",
    "failed",
]
_WAITS = frozenset({"held", "in_doubt", "changed", "quarantined", "pruned", "unsound", "strange", "failed"})


@dataclass(frozen=True, slots=True)
class Compared:
    """One order, or one file as a whole (``order`` is empty): what it was, what it would be, and in what they differ.

    Outcomes are ``created``, ``held``, ``nothing``, ``changed``, ``amended``, ``cancelled`` and ``ignored`` of orders,
    ``read``, ``quarantined`` and ``untaken`` of files; ``unsound``: there is no sound copy to compare.
    """

    was: str
    would: str
    file: str
    order: str = ""
    text: Text | None = None  #: how they differ; None: they do not
    fields: tuple[Difference, ...] = ()
    findings: tuple[Finding, ...] = ()  #: why it would be held or quarantined


@dataclass(frozen=True, slots=True)
class Line:
    """One order, or one file as a whole (``order`` is empty). ``acts``: something is, or would be, done for it."""

    outcome: Outcome
    text: Text
    file: str
    file_id: int
    order: str = ""
    customer: str = ""
    total: Decimal | None = None
    currency: str = ""
    document: str | None = None
    findings: tuple[Finding, ...] = ()
    acts: bool = False
    sha256: str | None = None

    @property
    def waits(self) -> bool:
        """Whether a person is waited for, or must look."""
        return self.outcome in _WAITS


@dataclass(frozen=True, slots=True)
class Story:
    """What the ledger tells about known orders besides their rows."""

    files: Mapping[int, str]  #: names of the files that hold the newest content of the orders, by id
    rejected_by: Mapping[str, tuple[str, str]]  #: who rejected a subject, and why
    cards: Mapping[str, int]  #: open cards by subject


def foreseen(one: Foreseen, story: Story, found: str | None = None) -> Line:
    """What would come of an order. ``found``: number of the document that the target has of an order in doubt."""
    number = one.work.number
    if one.outcome == "created":
        return _line(one.work, "created", _would_be_created(one.work), one.findings, acts=True)
    if one.outcome == "exists":
        words = T(
            "№{number} is document {document} in the target: the ledger would take note of it.",
            number=number,
            document=one.document or "?",
        )
        return _line(one.work, "known", words, one.findings, document=one.document, acts=True)
    if one.outcome == "held":
        known = one.work.row.get("state") == OrderState.HELD and telling.same_trouble(one.findings, one.work.row)
        why = reasons(one.findings)
        words = (
            T("№{number} would stay held: {why}", number=number, why=why)
            if known
            else T("№{number} would be held: {why}", number=number, why=why)
        )
        return _line(one.work, "held", words, one.findings, acts=not known)
    if one.outcome == "nothing":
        words = T("№{number}: nothing is to be done: {why}", number=number, why=reasons(one.findings))
        acts = one.work.row.get("state") != OrderState.NOTHING_TO_DO
        return _line(one.work, "nothing", words, one.findings, acts=acts)
    if one.change is not None and one.outcome != "same":
        return weighed(one.work, one.outcome, story, one.change)
    return settled(one.work, one.outcome, story, found)


def weighed(work: Work, outcome: str, story: Story, change: Change) -> Line:
    """What would come of an order that has other content here than what was settled."""
    number, document = work.number, work.row.get("document_number") or "?"
    if outcome == "amended":
        what = _joined([one.text for one in change.differences])
        words = T(
            "№{number}: its document {document} would be amended: {what}", number=number, document=document, what=what
        )
        return _line(work, "amended", words, document=document, acts=True)
    if outcome == "cancelled":
        words = T("№{number}: its document {document} would be marked cancelled.", number=number, document=document)
        return _line(work, "cancelled", words, document=document, acts=True)
    if outcome == "ignored":
        words = T("№{number} has other content here, which is ignored as the config says: nothing.", number=number)
        return _line(work, "ignored", words, document=document)
    if outcome == "older":
        words = T("№{number} has content here that newer content has taken the place of: nothing.", number=number)
        return _line(work, "older", words, document=document)
    if outcome == "refused":
        words = T("№{number} has content here that a person said no to: nothing.", number=number)
        return _line(work, "rejected", words, document=document)
    return settled(work, outcome, story)


def amended(work: Work, row: Row, change: Change) -> Line:
    """What has come of an order whose document was to be brought to other content; ``row`` is as it is now."""
    number, document = work.number, row["document_number"] or "?"
    if row["revision"] != work.revision:
        words = T("№{number}: its document {document} could not be changed now.", number=number, document=document)
        return _line(work, "failed", words, document=document, acts=True)
    if change.cancelled:
        words = T("№{number}: its document {document} is marked cancelled.", number=number, document=document)
        return _line(work, "cancelled", words, document=document, acts=True)
    what = _joined([one.text for one in change.differences])
    words = T("№{number}: its document {document} is amended: {what}", number=number, document=document, what=what)
    return _line(work, "amended", words, document=document, acts=True)


def settled(work: Work, outcome: str, story: Story, found: str | None = None) -> Line:
    """Why nothing is done for a known order (``same``, ``changed``, ``older``)."""
    number, row = work.number, work.row
    document = row.get("document_number")
    if outcome == "older":
        name = story.files.get(row["file_id"], "?")
        words = T("№{number}: newer content of it came in {file}: nothing.", number=number, file=name)
        return _line(work, "older", words, document=document)
    if outcome == "changed":
        card = story.cards.get(f"order:{row['id']}")
        text = (
            T(
                "№{number} has other content here than its document {document}: nothing.",
                number=number,
                document=document,
            )
            if document
            else T("№{number} has other content here than what was settled: nothing.", number=number)
        )
        if card is not None:
            text = T("{words} Card {n} waits for a person.", words=text, n=card)
        return _line(work, "changed", text, document=document)
    if not row:  # nothing of it is in the ledger yet: the one before it is told of
        words = T("№{number} stands here more than once with the same content: nothing.", number=number)
        return _line(work, "known", words)
    match OrderState(row["state"]):
        case OrderState.CREATED:
            words = T("№{number} is already document {document}: nothing.", number=number, document=document or "?")
            return _line(work, "known", words, document=document)
        case OrderState.REJECTED:
            return _line(work, "rejected", _rejected(number, row, story), file_rows.findings_of(row))
        case OrderState.IN_DOUBT if found:
            words = T(
                "№{number} is in doubt, and document {document} of it was found: the ledger would take note of it.",
                number=number,
                document=found,
            )
            return _line(work, "known", words, document=found, acts=True)
        case OrderState.IN_DOUBT:
            words = T(
                "№{number} is in doubt, and the target shows no document of it: it is looked up, never made again.",
                number=number,
            )
            return _line(work, "in_doubt", words, file_rows.findings_of(row))
        case _:
            findings = file_rows.findings_of(row)
            words = T("№{number}: nothing is to be done: {why}", number=number, why=reasons(findings))
            return _line(work, "nothing", words, findings)


def done(work: Work, row: Row) -> Line:
    """What has come of an order that was carried on; ``row`` is its ledger row afterwards."""
    number, findings = work.number, file_rows.findings_of(row)
    why = reasons(findings)
    match OrderState(row["state"]):
        case OrderState.CREATED:
            return _line(work, "created", _created(work, row), findings, document=row["document_number"], acts=True)
        case OrderState.HELD:
            acts = not (work.row.get("state") == OrderState.HELD and telling.same_trouble(findings, work.row))
            words = T("№{number} is held: {why}", number=number, why=why)
            return _line(work, "held", words, findings, acts=acts)
        case OrderState.IN_DOUBT:
            words = T("№{number} is in doubt: {why}", number=number, why=why)
            return _line(work, "in_doubt", words, findings, acts=True)
        case OrderState.NOTHING_TO_DO:
            words = T("№{number}: nothing is to be done: {why}", number=number, why=why)
            return _line(work, "nothing", words, findings, acts=work.row.get("state") != OrderState.NOTHING_TO_DO)
        case OrderState.REJECTED:
            words = T("№{number} was rejected meanwhile: nothing.", number=number)
            return _line(work, "rejected", words, findings)
        case OrderState.NEW | OrderState.CREATING:
            words = T(
                "№{number} could not be made now; the next run of its job tries again. {why}", number=number, why=why
            )
            return _line(work, "failed", words, findings, acts=True)


def lost(order: Row, now: Work | None, file: str) -> Line:
    """What is said of a held order that its file gives no more; ``now`` is the order that stands in its place."""
    if now is not None:
        words = T("№{number} can be read now: it is order №{other}.", number=order["number"], other=now.number)
        return Line("nothing", words, file, order["file_id"], order["number"], acts=True)
    words = T(
        "№{number} was held, and is not found in {file} any more: it stays held, with its card.",
        number=order["number"],
        file=file,
    )
    return Line("held", words, file, order["file_id"], order["number"], findings=file_rows.findings_of(order))


def of_file(row: Row, outcome: Outcome, text: Text, findings: Sequence[Finding] = (), *, acts: bool = False) -> Line:
    """A line about a whole file."""
    return Line(outcome, text, row["name"], row["id"], findings=tuple(findings), acts=acts, sha256=row["sha256"])


def would_be_read(row: Row, orders: int) -> Line:
    """A quarantined file that can be read now."""
    words = TN("{file} would now be read: {n} order", "{file} would now be read: {n} orders", orders, file=row["name"])
    return of_file(row, "read", words, acts=True)


def was_read(row: Row, orders: int) -> Line:
    """A quarantined file that could be read now."""
    words = TN("{file} is read now: {n} order", "{file} is read now: {n} orders", orders, file=row["name"])
    return of_file(row, "read", words, acts=True)


def reasons(findings: Sequence[Finding]) -> Text:
    """What is wrong, in one line: up to three findings, each with its line of the file."""
    return _joined(
        [
            T("line {line}: {words}", line=finding.where.line, words=finding.text)
            if finding.where.line
            else finding.text
            for finding in findings
        ]
    )


def _joined(texts: Sequence[Text], most: int = 3) -> Text:
    if not texts:
        return verbatim("")
    words = texts[0]
    for text in texts[1:most]:
        words = T("{first}; {second}", first=words, second=text)
    if len(texts) > most:
        words = TN("{first} (and {n} more)", "{first} (and {n} more)", len(texts) - most, first=words)
    return words


def amount(work: Work) -> Text:
    """``1 240,50 UAH``, in the reader's way of writing numbers."""
    order = work.order or work.decoded.order
    assert order is not None
    return T("{total} {currency}", total=cents(order.total), currency=order.currency)


def _would_be_created(work: Work) -> Text:
    return T("№{number} would be created: {sum}", number=work.number, sum=amount(work))


def _created(work: Work, row: Row) -> Text:
    document = row["document_number"] or "?"
    if work.order is None and work.decoded.order is None:
        return T("№{number} is document {document} now.", number=work.number, document=document)
    return T("№{number} is document {document} now: {sum}", number=work.number, document=document, sum=amount(work))


def _rejected(number: str, row: Row, story: Story) -> Text:
    by, why = story.rejected_by.get(f"order:{row['id']}", ("", ""))
    if by and why:
        return T("№{number} was rejected by {who} ({why}): nothing.", number=number, who=by, why=why)
    if by:
        return T("№{number} was rejected by {who}: nothing.", number=number, who=by)
    return T("№{number} was rejected ({why}): nothing.", number=number, why=reasons(file_rows.findings_of(row)))


def _line(
    work: Work,
    outcome: Outcome,
    text: Text,
    findings: Sequence[Finding] = (),
    *,
    document: str | None = None,
    acts: bool = False,
) -> Line:
    order = work.order or work.decoded.order
    return Line(
        outcome,
        text,
        work.file_name,
        work.file_id,
        work.number,
        order.customer.title if order else "",
        order.total if order else None,
        order.currency if order else "",
        document,
        tuple(findings),
        acts,
    )
