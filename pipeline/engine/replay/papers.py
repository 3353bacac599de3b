"""Orders of a system, which came in no file: planned and carried on from the archive, by the step that takes them.

Each state in which such an order was read is a small file of its own in the archive. A replay goes by the newest one:
an older state is told and left alone. The system that they came from is asked for its statuses, and for nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from pipeline.engine import carrying, proving, telling
from pipeline.engine.carrying import DocumentsPlace
from pipeline.engine.context import Progress, go_on, no_progress
from pipeline.engine.documents import phases, planning, resuming, store
from pipeline.engine.documents.walk import DocumentsRun
from pipeline.engine.documents.work import Work
from pipeline.engine.replay import lines
from pipeline.engine.replay.choose import Pick
from pipeline.engine.replay.lines import Line, Outcome
from pipeline.engine.runtime import Client
from pipeline.errors import Finding, MistokError, Where, Who
from pipeline.flow import COUNT_WORDS
from pipeline.ledger import files as file_rows
from pipeline.ledger import orders as order_rows
from pipeline.ledger.tables import OrderState
from pipeline.model import cents
from pipeline.ports import DocumentRef
from pipeline.texts import T, Text

Row = dict[str, Any]
AT_ONCE = 50  #: orders
#: A person has said no to the one, and the other is looked up by its own walk.
LEFT = (OrderState.REJECTED, OrderState.IN_DOUBT)
_SAME: dict[str, Outcome] = {"created": "created", "cancelled": "cancelled"}


@dataclass
class Papers:
    """Orders of one system, by the step that makes documents of them now."""

    place: DocumentsPlace
    orders: list[Row] = field(default_factory=list)
    older: list[Row] = field(default_factory=list)  #: files with a state that newer content has taken the place of
    files: dict[int, Row] = field(default_factory=dict)


def apart(client: Client, picks: Sequence[Pick]) -> tuple[list[Pick], list[Papers]]:
    """The picks that are files of an inbox, and the orders of systems among them. Those of a system whose orders no job
    takes any more stay among the first, to be told as such."""
    with client.ledger.read() as conn:
        rows = file_rows.by_ids(conn, [pick.file_id for pick in picks])
        files: list[Pick] = []
        found: dict[tuple[str, int], Papers] = {}
        known = list(carrying.document_places(client))
        for pick in picks:
            row = rows.get(pick.file_id)
            place = None
            if row is not None:
                place = next((one for one in known if _takes(one, row)), None)
            if row is None or place is None:
                files.append(pick)
                continue
            papers = found.setdefault((place.job, place.number), Papers(place))
            papers.files[row["id"]] = row
            wanted = pick.orders
            seen = {
                one["id"]: one for one in order_rows.in_file(conn, row["id"])
            }  # it may have come back to this state
            some = [one for one in seen.values() if wanted is None or one["id"] in wanted]
            now = [one for one in some if one["file_id"] == row["id"] and one["into"] == place.settings.into]
            papers.orders += now
            if not now:
                papers.older.append(row)
    return files, list(found.values())


def _takes(place: DocumentsPlace, file: Row) -> bool:
    return (place.settings.inbox, place.settings.folder) == (file["connection"], file["folder"])


def look(client: Client, some: Sequence[Papers], report: Progress = no_progress) -> Iterator[Line]:
    """What would come of each. Raises Transient or Refused when the target cannot be asked."""
    for papers in some:
        with carrying.opened_any(client, papers.place, by="", dry_run=True) as walk:
            assert isinstance(walk, DocumentsRun)
            yield from _older(papers)
            for start in range(0, len(papers.orders), AT_ONCE):
                rows = papers.orders[start : start + AT_ONCE]
                left = [row for row in rows if OrderState(row["state"]) in LEFT]
                yield from (_left(papers, row, acts=True) for row in left)
                works = _works(walk, [row for row in rows if row not in left])
                planning.plan(walk, list(works.values()))
                for row in rows:
                    if row in left:
                        continue
                    yield _foreseen(papers, row, works[row["id"]]) if row["id"] in works else _no_copy(papers, row)
                report(start + len(rows), len(papers.orders), T("orders"))


def apply(
    client: Client,
    some: Sequence[Papers],
    *,
    by: str,
    run_id: int,
    patience: timedelta,
    report: Progress = no_progress,
    reach: Callable[[str], None] = go_on,
) -> Iterator[Line]:
    """Carry them on, as a run of their job would; gives what has come of each.

    Raises Transient or Refused when a target cannot be used, Held when it was never tried, MistokError (``busy``) when
    a run keeps them too long.
    """
    for papers in some:
        with (
            carrying.opened_any(client, papers.place, by=by, report=report, reach=reach, run_id=run_id) as walk,
            carrying.holding(walk, patience) as ours,
        ):
            assert isinstance(walk, DocumentsRun)
            if not ours:
                raise busy(papers.place.job)
            proving.look(walk.ctx, walk.settings)
            yield from _older(papers)
            if papers.orders:
                resuming.resume(walk)  # what was begun, or is in doubt, is looked up first
            for start in range(0, len(papers.orders), AT_ONCE):
                walk.hold_on()
                rows = _now(client, papers.orders[start : start + AT_ONCE])
                works = _works(walk, [row for row in rows if OrderState(row["state"]) not in LEFT])
                walk.carry(list(works.values()))
                for row in _now(client, rows):
                    if OrderState(row["state"]) in LEFT and row["id"] not in works:
                        yield _left(papers, row, acts=False)
                    else:
                        yield _done(papers, row, works[row["id"]]) if row["id"] in works else _no_copy(papers, row)
                report(start + len(rows), len(papers.orders), T("orders"))


def busy(job: str) -> MistokError:
    """Another run works on them."""
    return MistokError(
        T("A run of job {job} is working on this inbox; it did not end in time.", job=job),
        code="busy",
        hint=T("Replay again when it is over (`mistok jobs` shows it): nothing is made twice."),
        who=Who.ADMIN,
    )


def _now(client: Client, rows: Sequence[Row]) -> list[Row]:
    with client.ledger.read() as conn:
        found = order_rows.by_ids(conn, [row["id"] for row in rows])
    return [found[row["id"]] for row in rows if row["id"] in found]


def _works(walk: DocumentsRun, rows: Sequence[Row]) -> dict[int, Work]:
    """By order row; without those of which the archive has no sound copy, or that the client's own step drops."""
    seen = store.papers_of(walk.ctx, rows)
    works = {}
    for row in rows:
        work = planning.make_work(walk, seen[row["id"]]) if row["id"] in seen else None
        if work is not None:
            work.row, work.fresh = row, False
            works[row["id"]] = work
    return works


# --- lines -----------------------------------------------------------------------------------------------------------


def _line(papers: Papers, row: Row, outcome: Outcome, text: Text, work: Work | None = None, **more: Any) -> Line:
    file = papers.files.get(row["file_id"])
    order = work.order if work is not None else None
    return Line(
        outcome,
        text,
        file["name"] if file else "",
        row["file_id"],
        order=row["number"],
        customer=row["customer"] or "",
        total=order.total if order else None,
        currency=row["currency"] or "",
        document=row["document_number"],
        sha256=file["sha256"] if file else None,
        **more,
    )


def _older(papers: Papers) -> Iterator[Line]:
    for file in papers.older:
        words = T("{file}: newer content of this order came: nothing.", file=file["name"])
        yield lines.of_file(file, "older", words)


def _left(papers: Papers, row: Row, *, acts: bool) -> Line:
    findings = file_rows.findings_of(row)
    why = lines.reasons(findings)
    if row["state"] == OrderState.REJECTED:
        words = T("№{number} was rejected ({why}): nothing.", number=row["number"], why=why)
        return _line(papers, row, "rejected", words)
    words = T("№{number} is in doubt: {why}", number=row["number"], why=why)
    return _line(papers, row, "in_doubt", words, findings=findings, acts=acts)


def _foreseen(papers: Papers, row: Row, work: Work) -> Line:
    number, plan = row["number"], work.plan
    if plan.findings:
        known = row["state"] == OrderState.HELD and telling.same_trouble(plan.findings, row)
        why = lines.reasons(plan.findings)
        words = (
            T("№{number} would stay held: {why}", number=number, why=why)
            if known
            else T("№{number} would be held: {why}", number=number, why=why)
        )
        return _line(papers, row, "held", words, work, findings=plan.findings, acts=not known)
    if plan.words:
        did = [phases.COUNTED[one] for one in plan.words]
        words = T("№{number} would be: {what}.", number=number, what=joined(did))
        if did[0] == "created" and work.order is not None:
            total = T("{total} {currency}", total=cents(work.order.total), currency=work.order.currency)
            words = T("№{number} would be: {what} ({total}).", number=number, what=joined(did), total=total)
        return _line(papers, row, _SAME.get(did[0], "amended"), words, work, findings=work.notes, acts=True)
    return _settled(papers, row, work, work.ref)


def _done(papers: Papers, row: Row, work: Work) -> Line:
    number, state = row["number"], OrderState(row["state"])
    findings = file_rows.findings_of(row)
    why = lines.reasons(findings)
    if state is OrderState.HELD:
        return _line(papers, row, "held", T("№{number} is held: {why}", number=number, why=why), work,
                     findings=findings, acts=bool(work.did))  # fmt: skip
    if state is OrderState.IN_DOUBT:
        words = T("№{number} is in doubt: {why}", number=number, why=why)
        return _line(papers, row, "in_doubt", words, work, findings=findings, acts=True)
    if state in (OrderState.NEW, OrderState.CREATING):
        words = T("№{number}: {what}", number=number, what=why)
        return _line(papers, row, "failed", words, work, findings=findings)
    if work.did:
        words = T("№{number} is now: {what}.", number=number, what=joined(work.did))
        if row["document_number"]:
            words = T("№{number} is document {document} now: {what}.", number=number, what=joined(work.did),
                      document=row["document_number"])  # fmt: skip
        return _line(papers, row, _SAME.get(work.did[0], "amended"), words, work, findings=work.notes, acts=True)
    return _settled(papers, row, work, work.ref)


def _settled(papers: Papers, row: Row, work: Work, ref: DocumentRef | None) -> Line:
    number = row["number"]
    if ref is None:
        why = work.plan.nothing or lines.reasons(file_rows.findings_of(row))
        words = T("№{number}: nothing is to be done: {why}", number=number, why=why)
        return _line(papers, row, "nothing", words, work)
    words = T("№{number} is already document {document}: nothing.", number=number, document=ref.number or ref.id)
    return _line(papers, row, "known", words, work)


def _no_copy(papers: Papers, row: Row) -> Line:
    file = papers.files.get(row["file_id"], {"name": row["number"], "sha256": "?"})
    words = T("{file}: its archive copy is missing or damaged (SHA-256 {sha}): nothing.", file=file["name"],
              sha=file["sha256"])  # fmt: skip
    hint = T("Job {job} reads it again: mistok run {job} --since its day.", job=papers.place.job)
    finding = Finding("archive", words, Where(order=row["number"]), hint, Who.ADMIN)
    return _line(papers, row, "unsound", words, findings=(finding,))


def joined(words: Sequence[str]) -> Text:
    """What is done, or was, in words of the closing line."""
    texts = [COUNT_WORDS[word] for word in words]
    found = texts[0]
    for text in texts[1:]:
        found = T("{first}; {second}", first=found, second=text)
    return found
