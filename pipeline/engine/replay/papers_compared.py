"""What another config would have made of orders of a system, which came in no file, beside what was made of them.

Each is planned under both configs as if it were new, in the state in which it was read last, so that what is done, the
status and the document can be compared field by field; what really happened is taken from the ledger.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pipeline.engine import carrying
from pipeline.engine.carrying import DocumentsPlace
from pipeline.engine.context import Progress, no_progress
from pipeline.engine.documents import phases, planning, store
from pipeline.engine.documents.walk import DocumentsRun
from pipeline.engine.documents.work import Work
from pipeline.engine.replay import lines
from pipeline.engine.replay.drafts import of_drafts
from pipeline.engine.replay.lines import Compared
from pipeline.engine.replay.papers import AT_ONCE, Papers, joined
from pipeline.engine.runtime import Client
from pipeline.ledger import files as file_rows
from pipeline.ledger.tables import OrderState
from pipeline.model import cents
from pipeline.ports import DocumentDraft
from pipeline.rules.differences import Difference
from pipeline.texts import T, Text, verbatim

Row = dict[str, Any]
_REAL = {OrderState.CREATED: "created", OrderState.HELD: "held", OrderState.NOTHING_TO_DO: "nothing"}


def compare(
    client: Client, other: Client, some: Sequence[Papers], report: Progress = no_progress
) -> Iterator[Compared]:
    """Each order: as it was, and as it would be under the config of ``other``.

    Raises Transient or Refused when a system cannot be asked.
    """
    for papers in some:
        place = _place(other, papers.place)
        for start in range(0, len(papers.orders), AT_ONCE):
            rows = papers.orders[start : start + AT_ONCE]
            present = _planned(client, papers.place, rows)
            would = _planned(other, place, rows) if place is not None else {}
            for row in rows:
                yield _of_order(papers, row, present.get(row["id"]), would.get(row["id"]), place)
            report(start + len(rows), len(papers.orders), T("orders"))


def _place(other: Client, present: DocumentsPlace) -> DocumentsPlace | None:
    """The step of the other config that takes the orders of this system; of several the one with the same target."""
    found = [one for one in carrying.document_places(other) if one.settings.inbox == present.settings.inbox]
    found.sort(key=lambda one: (one.settings.into != present.settings.into, one.job != present.job))
    return found[0] if found else None


def _planned(client: Client, place: DocumentsPlace, rows: Sequence[Row]) -> dict[int, Work]:
    """By ledger row, each as if nothing were known of it."""
    with carrying.opened_any(client, place, by="", dry_run=True) as walk:
        assert isinstance(walk, DocumentsRun)
        seen = store.papers_of(walk.ctx, rows)
        works = {row["id"]: planning.make_work(walk, seen[row["id"]]) for row in rows if row["id"] in seen}
        found = {number: work for number, work in works.items() if work is not None}
        planning.plan(walk, list(found.values()))
        return found


def _of_order(
    papers: Papers, row: Row, present: Work | None, would: Work | None, place: DocumentsPlace | None
) -> Compared:
    number, file = row["number"], papers.files[row["file_id"]]["name"]
    was = _REAL.get(OrderState(row["state"]), _outcome(present))
    if place is None:
        words = T("№{number} {was}; no job would take it", number=number, was=_happened(was, row))
        return Compared(was, "untaken", file, number, words)
    if present is None or would is None:
        words = T("{file}: there is no sound copy of it to compare, or a step drops it.", file=file)
        return Compared("unsound", "unsound", file, number, words)
    outcome = _outcome(would)
    if was != outcome:
        words = T("№{number} {was}; {would}", number=number, was=_happened(was, row), would=_would(would))
        if _outcome(present) == outcome:
            words = T("{words} (the present config would now do so too)", words=words)
        return Compared(was, outcome, file, number, words, findings=would.plan.findings)
    # where the present config would not do today what it did then, there is nothing to hold the other one against
    fields = tuple(_fields(present, would)) if _outcome(present) == was else ()
    if not fields:
        return Compared(was, outcome, file, number)
    words = T("№{number}: {what}", number=number, what=fields[0].text)
    for field in fields[1:]:
        words = T("{first}; {second}", first=words, second=field.text)
    return Compared(was, outcome, file, number, words, fields)


def _outcome(work: Work | None) -> str:
    if work is None:
        return "nothing"
    if work.plan.findings:
        return "held"
    return "created" if work.plan.doings else "nothing"


def _happened(was: str, row: Row) -> Text:
    why = lines.reasons(file_rows.findings_of(row))
    match was:
        case "created" if row["document_number"]:
            return T("is document {document}", document=row["document_number"])
        case "created":
            return T("was created")
        case "held":
            return T("was held ({why})", why=why)
        case _:
            return T("was nothing to do ({why})", why=why)


def _would(work: Work) -> Text:
    match _outcome(work):
        case "held":
            return T("would be held: {why}", why=lines.reasons(work.plan.findings))
        case "created":
            assert work.order is not None
            total = T("{total} {currency}", total=cents(work.order.total), currency=work.order.currency)
            return T("would be: {what} ({total})", what=_acts(work), total=total)
        case _:
            return T("nothing would be done: {why}", why=work.plan.nothing or verbatim(work.status))


def _fields(present: Work, would: Work) -> Iterator[Difference]:
    """What is done, the status that the document gets, and the document itself."""
    if present.plan.words != would.plan.words:
        yield Difference("acts", (T("what is done"),), _acts(present), _acts(would))
    if present.target_status != would.target_status:
        before, after = (verbatim(one.target_status) if one.target_status else None for one in (present, would))
        yield Difference("document_status", (T("status of the document"),), before, after)
    old, new = _draft(present), _draft(would)
    if old is not None and new is not None:
        yield from of_drafts(old, new)


def _acts(work: Work) -> Text:
    return joined([phases.COUNTED[one] for one in work.plan.words]) if work.plan.words else T("nothing")


def _draft(work: Work) -> DocumentDraft | None:
    return next((one.draft for one in work.plan.doings if one.what == "create"), None)
