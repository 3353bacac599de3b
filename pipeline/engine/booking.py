"""The booking half of the inbound walk: orders become documents, held orders with a card, or end states.

``begin(keys)`` is one transaction (rows, keys, holds with their cards and notices); then the target is asked and
called; then ``commit(outcomes)`` is one more. Between the two a killed run leaves CREATING rows, which the next run
looks up. Every transaction checks the lease of the inbox, so that a run that was overtaken writes nothing more.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
import structlog

from pipeline.alerts import notices
from pipeline.engine import amending, mending, patience, planning, telling
from pipeline.engine.planning import Work
from pipeline.engine.sorting import Sorted, Standing, by_state, sort_out
from pipeline.errors import Finding, Held, InDoubt, MistokError, Rejected, Where, Who
from pipeline.flow import CreateDocument, HoldOrder, NothingToDo
from pipeline.ledger import cards, revisions
from pipeline.ledger import files as file_rows
from pipeline.ledger import orders as order_rows
from pipeline.ledger.store import Written, to_json
from pipeline.ledger.tables import FileState, OrderState
from pipeline.model import Order, cents
from pipeline.ports import Decoded, DocumentDraft, DocumentOutcome, DocumentRef, Documents, finished
from pipeline.ports.choices import Choice
from pipeline.settings import Settings
from pipeline.texts import T

if TYPE_CHECKING:
    from pipeline.engine.context import RunContext
    from pipeline.engine.inbound import Inbound
    from pipeline.engine.parts import Part
    from pipeline.engine.walking import Walk
    from pipeline.engine.weighing import Scales

log = structlog.get_logger("mistok.inbound")
Row = dict[str, Any]
#: Orders whose documents are made and written down together: of a target that takes seconds for each, a killed run
#: leaves no more than these to be looked up, and the others are not kept waiting.
AT_ONCE = 50
OTHER_DOCUMENT = "other-document"  #: a person may accept that the document is the order's own all the same


def book(walk: Inbound, read: Sequence[tuple[Row, Decoded]]) -> None:
    """Carry the orders of ``read`` files to an end state or an open card, and mark the files done.

    Raises Transient or Refused when the target cannot be reached: nothing is lost, the next run goes on.
    """
    pending = list(read)
    scales = amending.scales(walk)
    while pending:
        works = [
            planning.make_work(row, index, one, walk.ctx.client)
            for row, decoded in pending
            for index, one in enumerate(decoded.orders)
        ]
        found = _sorted(walk, works, scales)
        carry(walk, found, [row for row, _decoded in pending if row["id"] not in found.deferred])
        pending = [pair for pair in pending if pair[0]["id"] in found.deferred]


def book_part(walk: Inbound, row: Row, part: Part, scales: Scales) -> None:
    """The same for some of the orders of a large file, whose ``row`` is marked done when all of them were booked."""
    found = _sorted(walk, part.works, scales, part.again)
    carry(walk, found, ())
    if found.fresh and row.get("counted"):  # it was read up to here, and that is more than last time
        with walk.begin() as conn:
            file_rows.update(conn, [row["id"]], walk.ctx.clock.now(), tries=0)
        row["counted"] = False


def _sorted(walk: Inbound, works: Sequence[Work], scales: Scales, again: Collection[int] = ()) -> Sorted:
    """Works sorted by what the ledger knows; ``again``: places in their file that only repeat one before."""
    with walk.ctx.ledger.read() as conn:
        known = order_rows.by_keys(conn, {work.key for work in works})
        ids = {row["id"] for row in known.values()}
        outdated = revisions.outdated(conn, {work.file_id for work in works}, ids)
        waiting = revisions.with_waiting(conn, ids) | revisions.asked_of(conn, walk.ctx.client, ids)

    def standing(work: Work) -> Standing:
        if work.index in again:
            return "same"
        order = work.row.get("id")
        if (order, work.file_id, work.revision) in outdated:
            return "older"
        stands = by_state(work)
        # what its document has comes again while other content is on its way there, or a person is asked about it:
        # which is the shop's last word?
        return "changed" if stands == "same" and order in waiting else stands

    return sort_out(works, amending.settle_left_behind(walk, works, known), scales.standing(standing))


# --- carrying ----------------------------------------------------------------------------------------------------


def carry(walk: Inbound, sorted_out: Sorted, files: Sequence[Row]) -> None:
    """Carry sorted orders to an end state or an open card, and mark ``files`` (those that they came in with) done."""
    ctx = walk.ctx
    changes = amending.weigh(walk, sorted_out)
    sorted_out.later = patience.put_off(walk, sorted_out.fresh, ctx.clock.now())
    if sorted_out.fresh:
        with patience.asking(walk):
            system = ctx.system(walk.settings.into)
            planning.documents(system)
            planning.plan(sorted_out.fresh, walk.step, walk.settings, system, ctx)
    ctx.reach("inbound:planned")
    now = ctx.clock.now()
    with walk.begin() as conn:
        file_rows.update(conn, [row["id"] for row in files if row.get("counted")], now, tries=0)
        _write_rows(walk, conn, sorted_out.fresh, now)
        settle_planned(walk, conn, sorted_out.fresh, now)
        _sight(conn, walk, sorted_out, now)
        for work in sorted_out.same:
            walk.count("known")
            walk.tell(**row_of(work), outcome="known", document=work.row.get("document_number"))
        for work in sorted_out.older:
            walk.count("known")
            walk.tell(**row_of(work), outcome="older", document=work.row.get("document_number"))
        to_amend = amending.begin(walk, conn, changes, now)
        to_create = [work for work in sorted_out.fresh if isinstance(work.action, CreateDocument)]
        if not (to_create or to_amend):
            finish_files(walk, conn, files, now)
    ctx.reach("inbound:begun")
    if to_create:
        create(walk, to_create, files, begun=True)
    if to_amend:
        amending.apply(walk, to_amend, files)


def settle_planned(walk: Inbound, conn: sa.Connection, works: Sequence[Work], now: datetime) -> None:
    """Write down the orders whose plan is no document: held ones with their cards, and end states."""
    for work in works:
        match work.action:
            case HoldOrder(findings=findings):
                _hold(walk, conn, work, findings, now)
            case NothingToDo(reason=reason):
                finding = Finding("nothing-to-do", reason, Where(file=work.file_name, order=work.number))
                words = file_rows.findings_json((finding,))
                order_rows.update(conn, work.row["id"], now, state=OrderState.NOTHING_TO_DO, findings=words)
                walk.ctx.event(conn, _subject(work), "nothing_to_do", findings=words)
                telling.close_cards(walk, conn, _subject(work), ("held",), T("nothing is to be done for it"))
                walk.count("nothing")
                walk.tell(**row_of(work), outcome="nothing", findings=[finding])
            case CreateDocument() | None:
                pass


def _write_rows(walk: Inbound, conn: sa.Connection, works: Sequence[Work], now: datetime) -> None:
    ctx = walk.ctx
    new = [work for work in works if not work.row]
    known = [work for work in works if work.row]
    rows = order_rows.insert(conn, [_columns(walk, work, now) for work in new])
    for work in new:
        work.row = rows[work.key]
    for work in known:
        values = _columns(walk, work, now)
        for fixed in ("client", "source", "order_id", "key", "created"):
            del values[fixed]
        order_rows.update(conn, work.row["id"], now, **{k: v for k, v in values.items() if k != "updated"})
    for work in works:
        ctx.event(conn, f"order:{work.row['id']}", "read", file=work.file_id, line=work.decoded.line)


def _columns(walk: Inbound, work: Work, now: datetime) -> dict[str, Any]:
    creating = isinstance(work.action, CreateDocument)
    return {
        "client": walk.ctx.client,
        "source": work.source,
        "order_id": work.order_id,
        "number": work.number,
        "revision": work.revision,
        "state": OrderState.CREATING if creating else OrderState.NEW,
        "key": work.key,
        "file_id": work.file_id,
        "line": work.decoded.line,
        "into": walk.settings.into,
        "job": walk.ctx.job,
        **columns_of(work.order or work.decoded.order),
        "decided": decided(walk.ctx, walk.settings, work.action.choices if work.action else ()),
        "findings": None,
        "tries": 0,
        "next_try": None,
        "created": now,
        "updated": now,
    }


def columns_of(order: Order | None) -> dict[str, Any]:
    """What the ledger keeps of an order's content, to find and show it by."""
    return {
        "customer": order.customer.title if order else None,
        "phone": order.customer.phone if order else None,
        "total": str(order.total) if order else None,
        "currency": order.currency if order else None,
        "items": len(order.lines) if order else None,
        "status": order.status[:64] if order else None,
        "warehouse": order.warehouse[:64] or None if order else None,
        "placed": order.created_at if order else None,
        "payment_method": order.payment.method if order else None,
        "payment_status": order.payment.status[:16] if order else None,
    }


def decided(ctx: RunContext, settings: Settings, choices: Sequence[Choice]) -> dict[str, Any] | None:
    """What the ledger keeps of why an order became what it did: the config, the step in it, and each choice."""
    if not choices:
        return None
    job = ctx.config.jobs.get(ctx.job)
    steps = [spec.params for spec in job.steps] if job else []
    # the very same one, as a rule: comparing two is work for each order
    number = next((place for place, params in enumerate(steps) if params is settings or params == settings), 0)
    head = {
        "config": ctx.config.config_hash,
        "job": ctx.job,
        "step": number,
        "at": ctx.clock.now().isoformat(),
    }
    try:
        kept, words = _in_words(tuple(choices))
    except TypeError:  # of a client's step, which gives what cannot be compared
        return {**head, "choices": [choice.to_json() for choice in choices]}
    made = Written({**head, "choices": kept})
    made.words = f'{to_json(head)[:-1]},"choices":{words}}}'
    return made


@lru_cache(maxsize=256)
def _in_words(choices: tuple[Choice, ...]) -> tuple[list[dict[str, Any]], str]:
    """Choices as the ledger keeps them. Nearly all orders of a run have the same: they are written once."""
    kept = [choice.to_json() for choice in choices]
    return kept, to_json(kept)


def document_columns(ref: DocumentRef, now: datetime) -> dict[str, Any]:
    """What the ledger keeps of an order's document, and of what it says."""
    return {"document_id": ref.id, "document_number": ref.number, "document_says": says(ref, now)}


def says(ref: DocumentRef, now: datetime) -> dict[str, Any] | None:
    """What a document said when it was seen; None where its system does not tell its sum."""
    if ref.total is None:
        return None
    return {"total": f"{ref.total:f}", "currency": ref.currency, "at": now.isoformat()}


def create(walk: Inbound, works: Sequence[Work], files: Sequence[Row], *, begun: bool = False) -> None:
    """Have the target make the documents of planned works: found first, then made, then committed.

    ``files`` are those that are done with these works. ``begun``: their keys are written down; else they are, first.
    """
    ctx = walk.ctx
    target = planning.documents(ctx.system(walk.settings.into))
    if not begun:  # as for new ones, before the target is called
        with walk.begin() as conn:
            # not those that a person has rejected since they were planned
            going = order_rows.set_creating(conn, [work.row["id"] for work in works], ctx.clock.now())
            for work in works:  # one that could not be read when it came says only now what it is
                if work.row["id"] in going:
                    values = columns_of(work.order or work.decoded.order)
                    if work.action is not None and work.action.choices:
                        values["decided"] = decided(ctx, walk.settings, work.action.choices)
                    order_rows.update(conn, work.row["id"], ctx.clock.now(), **values)
        works = [work for work in works if work.row["id"] in going]
        if not works:
            return
    for start in range(0, len(works), AT_ONCE):
        last = start + AT_ONCE >= len(works)
        _create(walk, target, works[start : start + AT_ONCE], files if last else ())


def _create(walk: Inbound, target: Documents, works: Sequence[Work], files: Sequence[Row]) -> None:
    ctx = walk.ctx
    by_key = {work.key: work for work in works}
    with patience.asking(walk):
        existing = finished(target.find(by_key))
    outcomes = [DocumentOutcome(key, ref, existed=True) for key, ref in existing.items()]
    drafts = [
        work.action.draft for work in works if work.key not in existing and isinstance(work.action, CreateDocument)
    ]
    walk.hold_on()
    ctx.reach("inbound:before-create")
    if drafts:
        outcomes.extend(_made(walk, target, drafts))
    ctx.reach("inbound:created")
    now = ctx.clock.now()
    with walk.begin() as conn:
        commit(walk, conn, [(by_key[outcome.key], outcome) for outcome in outcomes], now)
        finish_files(walk, conn, files, now)
    ctx.reach("inbound:committed")


def _made(walk: Inbound, target: Documents, drafts: Sequence[DocumentDraft]) -> Sequence[DocumentOutcome]:
    """What came of the drafts. A doubt about all of them is a doubt about each: none is sent again blindly."""
    with patience.asking(walk):
        try:
            return target.create(drafts)
        except InDoubt as error:
            return tuple(DocumentOutcome(draft.key, error=error) for draft in drafts)


def commit(walk: Inbound, conn: sa.Connection, done: Sequence[tuple[Work, DocumentOutcome]], now: datetime) -> None:
    """Write the outcomes down, with their notices and cards, in the caller's transaction."""
    for work, outcome in done:
        if outcome.notes and isinstance(work.action, CreateDocument):
            work.action = replace(work.action, notes=(*work.action.notes, *outcome.notes))
    made = [
        (work, outcome.ref, outcome.existed)
        for work, outcome in done
        if outcome.ref is not None and not (outcome.existed and differs(work, outcome.ref))
    ]
    order_rows.update_each(
        conn,
        [
            {
                "id": work.row["id"],
                "state": OrderState.CREATED,
                **document_columns(ref, now),
                "findings": file_rows.findings_json(_notes(work)) or None,
            }
            for work, ref, _existed in made
        ],
        now,
    )
    subjects = [_subject(work) for work, _ref, _existed in made]
    carded = cards.carded(conn, walk.ctx.client, subjects, "held", "in_doubt")
    for work, ref, existed in made:
        if _subject(work) in carded:
            telling.close_cards(
                walk, conn, _subject(work), ("held", "in_doubt"), T("document {number} exists", number=ref.number)
            )
        _created(walk, conn, work, ref, existed=existed)
    for work, outcome in done:
        if outcome.ref is None:
            _not_created(walk, conn, work, outcome.error, now)
        elif outcome.existed and differs(work, outcome.ref):
            _hold(walk, conn, work, (other_document(work, outcome.ref),), now, by_target=True)


def differs(work: Work, ref: DocumentRef) -> bool:
    """Whether a document that was found is of another sum than this order: then it is not this order's."""
    order = work.order
    if order is None or ref.total is None or OTHER_DOCUMENT in work.accepted:
        return False
    return cents(ref.total) != cents(order.total) or bool(ref.currency and ref.currency != order.currency)


def other_document(work: Work, ref: DocumentRef) -> Finding:
    """What is told of an order whose key has a document of another sum."""
    order = work.order
    assert order is not None
    assert ref.total is not None
    return Finding(
        OTHER_DOCUMENT,
        T(
            "Document {document} is there already for order №{number}, but with {there} {currency} instead of {here}.",
            document=ref.number,
            number=work.number,
            there=cents(ref.total),
            currency=ref.currency or order.currency,
            here=cents(order.total),
        ),
        Where(file=work.file_name, order=work.number, line=work.decoded.line),
        T(
            "Compare the two. If it is this order's own, accept it: `mistok cards` tells how; "
            "two shops that use one source name need different ones."
        ),
        Who.ACCOUNTANT,
    )


def _created(walk: Inbound, conn: sa.Connection, work: Work, ref: DocumentRef, *, existed: bool) -> None:
    ctx = walk.ctx
    ctx.event(conn, _subject(work), "existed" if existed else "created", document=ref.number, id=ref.id)
    # A document that was found is one that a killed run made: its notice was not written, so it is written now.
    if work.order is not None:
        ctx.notify(conn, telling.order_notice(work.row["id"], work.order, ref))
    walk.count("created")
    walk.tell(**row_of(work), outcome="created", document=ref.number, findings=list(_notes(work)))


def _not_created(walk: Inbound, conn: sa.Connection, work: Work, error: MistokError | None, now: datetime) -> None:
    error = error or MistokError(T("The target gave no answer for this order."))
    findings = tuple(
        Finding(
            finding.code,
            finding.text,
            Where(file=work.file_name, order=work.number, line=work.decoded.line, order_line=finding.where.order_line),
            finding.hint,
            finding.who,
            finding.about,
        )
        for finding in error.findings
    )
    if isinstance(error, (Held, Rejected)):
        _hold(walk, conn, work, findings, now, by_target=True)
        return
    words = file_rows.findings_json(findings)
    tries = work.row["tries"] + 1
    if isinstance(error, InDoubt):
        # From here on it is only looked up: whether the target has made it nobody knows, so nobody makes it again.
        later = now + mending.pause(1, mending.DOUBT_PAUSE)
        order_rows.update(conn, work.row["id"], now, state=OrderState.IN_DOUBT, tries=1, next_try=later, findings=words)
        walk.ctx.event(conn, _subject(work), "in-doubt", findings=words)
        telling.open_card(walk, conn, "in_doubt", _subject(work), findings, work.file_id)
        walk.ctx.notify(conn, notices.held(_subject(work), work.number, findings[0]))
        walk.count("in_doubt")
        walk.tell(**row_of(work), outcome="in_doubt", findings=list(findings))
        return
    tries, later = patience.next_try(error, tries, now)
    order_rows.update(conn, work.row["id"], now, state=OrderState.NEW, tries=tries, next_try=later, findings=words)
    walk.come_back((later - now).total_seconds())
    walk.ctx.event(conn, _subject(work), "not-created", findings=words)
    walk.trouble(error)
    walk.count("failed")
    walk.tell(**row_of(work), outcome="failed", findings=list(findings))


def tell_doubt(walk: Walk, conn: sa.Connection, row: Row) -> None:
    """Tell again of an order that stays in doubt although it was looked up several times."""
    finding = Finding(
        "in-doubt",
        T(
            "Nobody knows whether order №{number} has its document: it was looked up several times.",
            number=row["number"],
        ),
        Where(order=row["number"]),
        T("Look for it in the accounting system; it is not made a second time by itself."),
        Who.ACCOUNTANT,
    )
    telling.open_card(walk, conn, "in_doubt", f"order:{row['id']}", (finding,), row["file_id"])
    walk.ctx.notify(conn, notices.held(f"order:{row['id']}", row["number"], finding))


def _subject(work: Work) -> str:
    return f"order:{work.row['id']}"


def _notes(work: Work) -> Sequence[Finding]:
    return work.action.notes if isinstance(work.action, CreateDocument) else ()


def _hold(
    walk: Inbound,
    conn: sa.Connection,
    work: Work,
    findings: Sequence[Finding],
    now: datetime,
    *,
    by_target: bool = False,
) -> None:
    """Hold an order with its card. ``by_target``: the target itself refused it, so it is asked again with pauses."""
    known = work.row["state"] == OrderState.HELD and telling.same_trouble(findings, work.row)
    words = file_rows.findings_json(findings)
    tries = work.row["tries"] + 1 if by_target else 0
    later = now + mending.pause(tries) if by_target else None
    values = {"state": OrderState.HELD, "findings": words, "tries": tries, "next_try": later}
    if not order_rows.settle(conn, work.row["id"], order_rows.STILL_OPEN, now, **values):
        return  # a person has rejected it meanwhile
    telling.open_card(walk, conn, "held", _subject(work), findings, work.file_id)
    if not known:
        walk.ctx.event(conn, _subject(work), "held", findings=words)
        walk.ctx.notify(conn, notices.held(_subject(work), work.number, findings[0]))
    walk.count("held")
    walk.tell(**row_of(work), outcome="held", findings=list(findings))


def _sight(conn: sa.Connection, walk: Inbound, sorted_out: Sorted, now: datetime) -> None:
    missing = {work.key for work in (*sorted_out.same, *sorted_out.twins, *sorted_out.older) if not work.row}
    rows = order_rows.by_keys(conn, missing)
    seen = []
    for outcome, works in (
        ("new", sorted_out.fresh),
        ("same", sorted_out.same),
        ("twin", sorted_out.twins),
        ("later", sorted_out.later),
        ("older", sorted_out.older),
    ):
        for work in works:
            work.row = work.row or rows[work.key]
            seen.append(
                {
                    "order_row": work.row["id"],
                    "file_id": work.file_id,
                    "revision": work.revision,
                    "line": work.decoded.line,
                    "outcome": outcome,
                    "at": now,
                }
            )
    order_rows.add_sightings(conn, seen)
    for word, works in (("known", sorted_out.same), ("older", sorted_out.older)):
        for work in works:
            walk.ctx.event(conn, f"order:{work.row['id']}", word, file=work.file_id)


def finish_files(walk: Inbound, conn: sa.Connection, files: Sequence[Row], now: datetime) -> None:
    """Mark files done, or read when an order of them is still on its way, in the caller's transaction."""
    ids = {row["id"] for row in files}
    unfinished = order_rows.unfinished_files(conn, ids)
    if unfinished:
        file_rows.update(conn, unfinished, now, state=FileState.CHECKED)
    file_rows.update(conn, ids - unfinished, now, state=FileState.DONE, findings=None, tries=0)
    for older in file_rows.older_quarantined(conn, walk.ctx.client, ids):
        # the site has mended the file: what was wrong with the one before waits for nobody any more
        telling.close_cards(walk, conn, f"file:{older}", ("quarantined",), T("a newer file took its place"))
    for row in files:
        state = "checked" if row["id"] in unfinished else "done"
        if row["state"] != state:
            walk.ctx.event(conn, f"file:{row['id']}", state)


def row_of(work: Work) -> dict[str, Any]:
    """An order in the table of what happened."""
    order = work.order or work.decoded.order
    return {
        "file": work.file_name,
        "order": work.number,
        "customer": order.customer.title if order else "",
        "total": order.total if order else None,
        "currency": order.currency if order else "",
    }
