"""Orders that come again with other content after they were settled: their documents are amended, or a person is asked.

As with creation there are two transactions around the call of the target: before it, that the document is to be
brought to this content (a sighting ``amending``, which keeps its file unfinished); after it, that it was. Killed in
between, the next run does it again, which is the same as once: an amendment is absolute, and has a key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
import structlog

from pipeline.alerts import notices
from pipeline.engine import booking, mending, parts, patience, planning, telling
from pipeline.engine.planning import Work
from pipeline.engine.sorting import Sorted
from pipeline.engine.weighing import CANCELLED, Change, Scales, Verdict
from pipeline.errors import Finding, Held, InDoubt, MistokError, Rejected, Where, Who
from pipeline.flow import CreateDocument
from pipeline.ledger import cards, revisions
from pipeline.ledger import files as file_rows
from pipeline.ledger import orders as order_rows
from pipeline.ledger.tables import OrderState
from pipeline.model import cents
from pipeline.ports import AmendDocuments, Amendment, Cancellation, DocumentOutcome, DocumentRef, finished
from pipeline.rules.differences import main_differences
from pipeline.texts import T

if TYPE_CHECKING:
    from pipeline.engine.inbound import Inbound

log = structlog.get_logger("mistok.inbound")
Row = dict[str, Any]
CODE = "changed-order"  #: of the finding that a person may accept
UNFIT = "changed-unfit"  #: the same, of content that is wrong in itself: nobody can accept it
GONE_BACK = "gone-back"  #: of the remark that what the document has came again since
SHOWN = 5  #: differences in the table of a run; the card has them all
MOST = 200  #: differences on a card
AT_ONCE = 50
_SEEN_AS = {
    Verdict.EQUAL: "same",
    Verdict.NOTHING: "same",
    Verdict.OLDER: "older",
    Verdict.REJECTED: "rejected",
    Verdict.IGNORE: "ignored",
    Verdict.HOLD: "changed",
    Verdict.BLOCKED: "blocked",
    Verdict.AMEND: "amending",
    Verdict.CANCEL: "amending",
}


def scales(walk: Inbound) -> Scales:
    """What this walk weighs changes with."""

    def decode(data: bytes, name: str) -> Sequence[Any]:
        return walk.format.decode(data, walk.format_settings, walk.format_context(name)).orders

    def large(file: Row) -> Any:
        settings, context = walk.format_settings, walk.format_context(file["name"])
        return parts.archived(walk.ctx, walk.format, walk.settings.stream_from, settings, context, file)

    return Scales(walk.ctx, walk.step, walk.settings, decode, large)


def weigh(walk: Inbound, sorted_out: Sorted) -> list[Change]:
    """A verdict on each changed order. Those that are to have their first document now join the fresh ones.

    Raises Transient or Refused when the target cannot be asked.
    """
    if not sorted_out.changed:
        return []
    with patience.asking(walk):
        changes = scales(walk).weigh(sorted_out.changed)
    sorted_out.fresh.extend(change.work for change in changes if change.verdict is Verdict.CREATE)
    return changes


def settle_left_behind(walk: Inbound, works: Sequence[Work], known: Mapping[str, Row]) -> Mapping[str, Row]:
    """Orders that a killed run was about to book, of which newer content has come: what was booked is found first.

    Otherwise the newer content would be taken for what the document has. Gives the ledger's rows as they are then.
    """
    left = {
        work.key: known[work.key]
        for work in works
        if work.key in known
        and OrderState(known[work.key]["state"]) in order_rows.UNFINISHED
        and known[work.key]["revision"] != work.revision
    }
    if not left:
        return known
    ctx = walk.ctx
    with patience.asking(walk):
        found = finished(planning.documents(ctx.system(walk.settings.into)).find(left))
    done = []
    for work in mending.works_of(walk, [row for key, row in left.items() if key in found]):
        work.order = work.decoded.order
        done.append((work, DocumentOutcome(work.key, found[work.key], existed=True)))
    read = {work.key for work, _outcome in done}
    by_row = [(left[key], ref) for key, ref in found.items() if key not in read and _of_row(left[key], ref)]
    if not (done or by_row):
        return known
    now = ctx.clock.now()
    with walk.begin() as conn:
        booking.commit(walk, conn, done, now)
        for row, ref in by_row:  # its file cannot be read any more
            place = booking.document_columns(ref, now)
            order_rows.update(conn, row["id"], now, state=OrderState.CREATED, findings=None, **place)
            ctx.event(conn, f"order:{row['id']}", "existed", document=ref.number, id=ref.id)
            ctx.notify(conn, telling.row_notice(row, ref))
    with ctx.ledger.read() as conn:
        return {**known, **order_rows.by_keys(conn, left)}


def _of_row(row: Row, ref: DocumentRef) -> bool:
    """Whether a document has the sum that the ledger knows of the order."""
    return bool(row["total"]) and ref.total is not None and cents(Decimal(row["total"])) == cents(ref.total)


# --- before the target -------------------------------------------------------------------------------------------


def begin(walk: Inbound, conn: sa.Connection, changes: Sequence[Change], now: datetime) -> list[Change]:
    """Write down what was decided about each, in the caller's transaction; gives those that the target is called for.

    All others end here, with their events, cards and notices.
    """
    for change in changes:
        if change.verdict is Verdict.CREATE:  # it goes on as any order does
            telling.close_cards(walk, conn, change.work.subject, ("changed",), T("its document is made"))
            continue
        if change.goes or change.verdict in (Verdict.BLOCKED, Verdict.HOLD):
            revisions.supersede(conn, change.work.row["id"], change.work.revision)
        _see(conn, change, now)
        _end(walk, conn, change, now)
    return [change for change in changes if change.goes]


def _see(conn: sa.Connection, change: Change, now: datetime) -> None:
    work = change.work
    revisions.write(
        conn,
        [
            {
                "order_row": work.row["id"],
                "file_id": work.file_id,
                "revision": work.revision,
                "line": work.decoded.line,
                "outcome": _SEEN_AS[change.verdict],
                "at": now,
            }
        ],
    )


def _end(walk: Inbound, conn: sa.Connection, change: Change, now: datetime) -> None:
    work, ctx = change.work, walk.ctx
    document = work.row.get("document_number")
    status = _status(work)
    late = change.verdict is Verdict.OLDER or change.returned
    if status is not None and not late and work.row["status"] != status:
        order_rows.update(conn, work.row["id"], now, status=status)
    match change.verdict:
        case Verdict.EQUAL | Verdict.NOTHING:
            newer = change.asked is None or _newer_than_asked(walk, change)
            if newer is None:
                # what waits to be done may not be the shop's last word any more: it is not done by itself
                revisions.supersede(conn, work.row["id"], work.revision)
                if (finding := _gone_back(walk, conn, change)) is not None:
                    walk.count("changed")
                    walk.tell(**booking.row_of(work), outcome="changed", document=document, findings=[finding])
                    return
            elif newer:
                values = {"revision": work.revision, "file_id": work.file_id, "line": work.decoded.line}
                order_rows.update(conn, work.row["id"], now, **values)
                revisions.supersede(conn, work.row["id"], work.revision)
                why = T("it came again with the content that the document has")
                telling.close_cards(walk, conn, work.subject, ("changed",), why)
            ctx.event(conn, work.subject, "known", file=work.file_id)
            walk.count("known")
            walk.tell(**booking.row_of(work), outcome="known", document=document)
        case Verdict.OLDER | Verdict.REJECTED:
            word = "older" if change.verdict is Verdict.OLDER else "rejected-again"
            ctx.event(conn, work.subject, word, **_event(change))
            walk.count("known")
            walk.tell(**booking.row_of(work), outcome=word, document=document)
        case Verdict.IGNORE:
            ctx.event(conn, work.subject, "ignored", **_event(change))
            walk.count("ignored")
            walk.tell(
                **booking.row_of(work), outcome="ignored", document=document, findings=differences_told(change, SHOWN)
            )
        case Verdict.HOLD | Verdict.BLOCKED:
            _ask(walk, conn, change, now)
        case _:
            pass


def _gone_back(walk: Inbound, conn: sa.Connection, change: Change) -> Finding | None:
    """A person is asked about other content, and what the document has came again: the card says so, told once.

    Gives what is told; None when it was told before, or nobody is asked.
    """
    work, ctx = change.work, walk.ctx
    document = work.row.get("document_number")
    words = {"number": work.number, "file": work.file_name, "document": document or ""}
    if document:
        text = T(
            "Since then №{number} came again in {file} with what document {document} has. It may be a late copy of an "
            "old file, or the shop has gone back to it: the order does not say when it was changed.",
            **words,
        )
    else:
        text = T(
            "Since then №{number} came again in {file} as it was before. It may be a late copy of an old file, or the "
            "shop has gone back to it: the order does not say when it was changed.",
            **words,
        )
    hint = T("Accept what this card shows, or reject it and leave the document as it is: ask the site which one holds.")
    finding = Finding(GONE_BACK, text, _where(work), hint, Who.ACCOUNTANT)
    if not cards.remark(conn, ctx.client, work.subject, "changed", finding):
        return None
    ctx.event(conn, work.subject, "gone-back", file=work.file_id)
    ctx.notify(conn, notices.held(work.subject, work.number, finding))
    return finding


def _newer_than_asked(walk: Inbound, change: Change) -> bool | None:
    """Whether the order was changed after the content that a person is asked about, or that waits: by its own word,
    else by arrival; None when it came before, so that nobody can tell."""
    asked, order = change.asked, change.work.decoded.order
    if asked is None or change.reread:
        return False
    other = scales(walk).content(asked["file_id"], change.work.key, asked["revision"])
    if order is not None and order.updated_at is not None and other is not None and other.updated_at is not None:
        return other.updated_at < order.updated_at
    return None if change.known else True


def _ask(
    walk: Inbound,
    conn: sa.Connection,
    change: Change,
    now: datetime,
    *,
    by_target: bool = False,
    quietly: bool = False,
) -> None:
    """Open (or bring up to date) the card that shows a person every difference; told once for one content.

    ``quietly``: nothing came; when the card says all that already, it is not worth a word.
    """
    work, ctx = change.work, walk.ctx
    finding = _asked_of(change)
    findings = (finding, *change.findings, *differences_told(change))
    asked = change.asked
    again = asked is not None and asked["revision"] == work.revision
    tries = work.row["tries"] + 1 if by_target else 0
    later = now + mending.pause(tries) if by_target else None
    if work.row["state"] == OrderState.CREATED:
        order_rows.update(conn, work.row["id"], now, tries=tries, next_try=later)
    before = telling.card_findings(walk, conn, work.subject, "changed")
    # its first words name the file that it came in, which is no news
    told = [one for one in before or () if one["code"] not in (CODE, UNFIT)]
    known = again and before is not None and telling.same_trouble(findings[1:], {"findings": told})
    if known and quietly:
        return
    telling.open_card(walk, conn, "changed", work.subject, findings, work.file_id)
    if not known:
        ctx.event(conn, work.subject, "changed", document=work.row.get("document_number"), **_event(change))
        what = change.findings[0].text if change.findings else main_differences(change.differences)
        ctx.notify(conn, notices.changed(work.subject, work.number, finding, what))
    walk.count("changed")
    shown = [finding, *change.findings, *differences_told(change, SHOWN)]
    walk.tell(**booking.row_of(work), outcome="changed", document=work.row.get("document_number"), findings=shown)


def _asked_of(change: Change) -> Finding:
    """What is told of a change first: what came, and what became of the document."""
    work = change.work
    document = work.row.get("document_number")
    words: dict[str, Any] = {"number": work.number, "file": work.file_name, "document": document or ""}
    hint = T("Accept it or reject it: `mistok cards` tells how.")
    if change.cancelled:
        text = T(
            "Order №{number} came again in {file} as {status}; its document {document} was left as it is.",
            status=_status(work) or "?",
            **words,
        )
        hint = T(
            "Accept it (`mistok cards` shows how), and the document is marked so and its stock is free; "
            "or reject it, and the document stays."
        )
    elif document:
        text = T(
            "Order №{number} came again in {file} with other content; its document {document} was left as it is.",
            **words,
        )
    elif work.row["state"] == OrderState.IN_DOUBT:
        text = T("Order №{number} came again in {file} with other content, while its document is in doubt.", **words)
    else:
        text = T(
            "Order №{number} came again in {file} with other content; it was settled before, and nothing was made.",
            **words,
        )
    if change.remark is not None:
        text = T("{text} {remark}", text=text, remark=change.remark)
    if change.unfit:
        hint = T("It cannot be taken as it is: have the site send it rightly, or reject it and all stays as it is.")
    return Finding(UNFIT if change.unfit else CODE, text, _where(work), hint, Who.ACCOUNTANT)


def differences_told(change: Change, most: int = MOST) -> list[Finding]:
    """Every difference as a finding, each with its line in the newer file; of more than ``most``, how many are left."""
    work = change.work
    found = []
    for one in change.differences[:most]:
        element, line, column = work.decoded.places.get(one.path, (None, one.line, None))
        where = Where(file=work.file_name, line=line, column=column, element=element, order=work.number)
        found.append(Finding("difference", one.text, where, None, Who.ACCOUNTANT))
    if len(change.differences) > most:
        text = T("… and {n} more", n=len(change.differences) - most)
        found.append(Finding("difference", text, _where(work), None, Who.ACCOUNTANT))
    return found


def _event(change: Change) -> dict[str, Any]:
    work = change.work
    told = [{"path": one.path, "text": one.text.to_json()} for one in change.differences[:MOST]]
    return {"file": work.file_id, "revision": work.revision, "differences": told}


def _where(work: Work) -> Where:
    return Where(file=work.file_name, line=work.decoded.line, order=work.number)


def _status(work: Work) -> str | None:
    order = work.order or work.decoded.order
    return order.status[:64] if order is not None else None


# --- the target --------------------------------------------------------------------------------------------------


def apply(walk: Inbound, changes: Sequence[Change], files: Sequence[Row]) -> None:
    """Have the target bring documents to their new content, or mark them cancelled; then write down that it did.

    ``files`` are those that the orders came in with; none for what went on later.
    """
    ctx = walk.ctx
    system = ctx.system(walk.settings.into)
    assert isinstance(system, AmendDocuments)
    ctx.reach("amend:begun")
    amendments, cancellations, by_key = [], [], {}
    for change in changes:
        key, ref = key_of(change), _ref(change.work.row)
        by_key[key] = change
        if isinstance(change.work.action, CreateDocument):
            amendments.append(Amendment(key=key, ref=ref, draft=change.work.action.draft))
        else:
            cancellations.append(Cancellation(key=key, ref=ref, status=_status(change.work) or "cancelled"))
    walk.hold_on()
    ctx.reach("amend:before")
    with patience.asking(walk):
        outcomes = [
            *(system.amend(amendments) if amendments else ()),
            *(system.cancel(cancellations) if cancellations else ()),
        ]
    ctx.reach("amend:applied")
    now = ctx.clock.now()
    with walk.begin() as conn:
        for outcome in outcomes:
            change = by_key[outcome.key]
            if outcome.error is None:
                _done(walk, conn, change, outcome, now)
            else:
                _not_done(walk, conn, change, outcome.error, now)
        booking.finish_files(walk, conn, files, now)
    ctx.reach("amend:committed")


def key_of(change: Change) -> str:
    """The key of an amendment: the same for every try of it, another one when the shop goes there and back.

    Its revision is the hash of the new content, of the content that it replaces, and of when that was put in place.
    """
    row = change.work.row
    words = f"{change.work.revision}/{row['revision']}/{row['amended'].isoformat() if row['amended'] else ''}"
    what = "cancel" if change.verdict is Verdict.CANCEL else "amend"
    return f"{row['key'].rsplit('/', 2)[0]}/{what}/{hashlib.sha256(words.encode()).hexdigest()[:32]}"


def _ref(row: Row) -> DocumentRef:
    return DocumentRef(row["document_id"], row["document_number"], row["key"])


def _done(walk: Inbound, conn: sa.Connection, change: Change, outcome: DocumentOutcome, now: datetime) -> None:
    work, ctx = change.work, walk.ctx
    document = work.row["document_number"]
    order = work.order or work.decoded.order
    values: dict[str, Any] = {
        "revision": work.revision,
        "file_id": work.file_id,
        "line": work.decoded.line,
        "status": _status(work),
        "amended": now,
        "tries": 0,
        "next_try": None,
    }
    if isinstance(work.action, CreateDocument):
        values |= booking.columns_of(order) | {"findings": file_rows.findings_json(work.action.notes) or None}
        values["decided"] = booking.decided(ctx, walk.settings, work.action.choices)
        word = "amended"
    else:
        text = T(
            "Document {document} is marked cancelled: the shop says {status}.",
            document=document,
            status=values["status"] or "?",
        )
        values |= {"findings": file_rows.findings_json((Finding(CANCELLED, text, _where(work), None, Who.ACCOUNTANT),))}
        word = "cancelled"
    if outcome.ref is not None and (said := booking.says(outcome.ref, now)) is not None:
        values["document_says"] = said
    order_rows.update(conn, work.row["id"], now, **values)
    _mark(conn, change, word, now)
    revisions.supersede(conn, work.row["id"], work.revision)
    telling.close_cards(
        walk, conn, work.subject, ("changed",), T("document {number} was brought to it", number=document)
    )
    data = _event(change) | {"document": document}
    ctx.event(conn, work.subject, word, **data, **({"again": True} if outcome.existed else {}))
    if word == "amended" and order is not None:
        what = main_differences(change.differences)
        ctx.notify(conn, notices.amended(work.subject, work.number, document, order.total_money, what))
    else:
        ctx.notify(conn, notices.cancelled(work.subject, work.number, document, values["status"] or "?"))
    walk.count(word)
    walk.tell(**booking.row_of(work), outcome=word, document=document, findings=differences_told(change, SHOWN))


def _not_done(walk: Inbound, conn: sa.Connection, change: Change, error: MistokError, now: datetime) -> None:
    work = change.work
    if isinstance(error, (Held, Rejected)):
        change.verdict = Verdict.BLOCKED
        change.findings = tuple(
            Finding(one.code, one.text, _where(work), one.hint, one.who, one.about) for one in error.findings
        )
        _mark(conn, change, "blocked", now)
        _ask(walk, conn, change, now, by_target=True)
        return
    # also when nobody knows whether it was done: it is absolute, and done again with the same key
    walk.ctx.event(conn, work.subject, "not-amended", findings=file_rows.findings_json(error.findings))
    walk.trouble(error)
    walk.count("in_doubt" if isinstance(error, InDoubt) else "failed")
    walk.tell(
        **booking.row_of(work), outcome="failed", document=work.row["document_number"], findings=list(error.findings)
    )


def _mark(conn: sa.Connection, change: Change, outcome: str, now: datetime) -> None:
    if change.sighting is not None:
        revisions.mark(conn, change.sighting["id"], outcome)
        return
    work = change.work
    place = {"order_row": work.row["id"], "file_id": work.file_id, "revision": work.revision}
    revisions.write(conn, [{**place, "line": work.decoded.line, "outcome": outcome, "at": now}])


# --- later -------------------------------------------------------------------------------------------------------


def carry_on(walk: Inbound, only: Collection[int] | None = None) -> None:
    """Bring documents to the content that was decided on and is not in them yet (``only`` those of these order rows).

    A person has accepted it, or what stood in its way may be mended, or a run was killed. Raises Transient, Refused.
    """
    ctx = walk.ctx
    now = ctx.clock.now()
    due = None if ctx.trigger == "person" else now
    inbox = (walk.settings.inbox, walk.settings.folder)
    with ctx.ledger.read() as conn:
        rows = revisions.waiting(conn, ctx.client, inbox, due, AT_ONCE, only)
        orders = order_rows.by_ids(conn, {row["order_row"] for row in rows})
    rows = [row for row in rows if row["at"] < walk.started or only is not None]  # not what this very run has put off
    if not rows:
        return
    works: dict[int, tuple[Work, Row]] = {}
    for row in rows:
        order = {**orders[row["order_row"]], "file_id": row["file_id"], "revision": row["revision"]}
        for work in mending.works_of(walk, [order]):
            work.row = orders[row["order_row"]]
            works[work.row["id"]] = (work, row)  # the newest one, when there are several
    with patience.asking(walk):
        changes = scales(walk).weigh([work for work, _row in works.values()], decided=True)
    for change in changes:
        change.sighting = works[change.work.row["id"]][1]
    with walk.begin() as conn:
        for change in changes:
            _mark(conn, change, _SEEN_AS[change.verdict], now)
            if not change.goes:  # whoever has just accepted it is told that it cannot be done
                again = change.sighting is not None and change.sighting["outcome"] == "blocked"
                _ask(walk, conn, change, now, quietly=again)
    if going := [change for change in changes if change.goes]:
        apply(walk, going, [])


# --- a person's word ---------------------------------------------------------------------------------------------


def accept_change(conn: sa.Connection, client: str, row: Row, now: datetime) -> str | None:
    """A person accepts the newer content of an order: its revision, or None when there is nothing to accept (any more).

    ``row`` is the order's ledger row. Only the ledger is told here, in the caller's transaction; the walk does it
    (:func:`carry_on`, or for an order without a document :func:`pipeline.engine.mending.mend`), now or at the next run.
    """
    asked = revisions.asked_about(conn, client, row)
    if asked is None:
        return None
    if OrderState(row["state"]) in (OrderState.CREATED, OrderState.IN_DOUBT):
        revisions.mark(conn, asked["id"], "amending" if row["state"] == OrderState.CREATED else "blocked")
        order_rows.update(conn, row["id"], now, tries=0, next_try=None)
    else:
        revisions.mark(conn, asked["id"], "new")
        values = {"revision": asked["revision"], "file_id": asked["file_id"], "line": asked["line"]}
        order_rows.update(conn, row["id"], now, state=OrderState.NEW, findings=None, tries=0, next_try=None, **values)
    return str(asked["revision"])


def reject_change(conn: sa.Connection, client: str, row: Row) -> str | None:
    """A person leaves the document as it is: the revision that is not asked about again, or None when there is none."""
    asked = revisions.asked_about(conn, client, row)
    if asked is None:
        return None
    revisions.mark(conn, asked["id"], "rejected")
    return str(asked["revision"])
