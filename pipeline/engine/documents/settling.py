"""How an order of the documents walk ends in a run: settled, held with its card, in doubt, or to be tried later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pipeline.alerts import notices
from pipeline.engine import mending, patience, telling
from pipeline.engine.documents.work import Work
from pipeline.errors import Finding, MistokError, Where, Who
from pipeline.ledger import cards
from pipeline.ledger import files as file_rows
from pipeline.ledger import orders as order_rows
from pipeline.ledger.tables import OrderState
from pipeline.model import Order, cents
from pipeline.ports import DocumentRef
from pipeline.texts import T

if TYPE_CHECKING:
    from pipeline.engine.documents.walk import DocumentsRun

OTHER_TOTAL = "total-differs"  #: a person may accept that the document has another sum
STATUS = "status"  #: kind of the card about a status that the target lacks
NO_STATUS = "unknown-status"  #: the document is there, and keeps the status that it has
#: What a person has rejected stays so, whatever a run had planned.
NOT_REJECTED = tuple(state for state in OrderState if state is not OrderState.REJECTED)


def hold(run: DocumentsRun, conn: Any, work: Work, findings: Sequence[Finding], *, by_target: bool = False) -> None:
    """Hold an order with its card. ``by_target``: the target itself refused, so it is asked again with pauses."""
    ctx, now = run.ctx, run.ctx.clock.now()
    work.stopped = True
    findings = _placed(work, findings)
    before = telling.card_findings(run, conn, work.subject, "held")
    known = before is not None and telling.same_trouble(findings, {"findings": before})
    tries = (work.row.get("tries") or 0) + 1 if by_target else 0
    later = now + mending.pause(tries) if by_target else None
    words = file_rows.findings_json(findings)
    values = {"state": OrderState.HELD, "findings": words, "tries": tries, "next_try": later}
    if not order_rows.settle(conn, work.row["id"], NOT_REJECTED, now, **values):
        return
    work.row = {**work.row, **values}
    telling.open_card(run, conn, "held", work.subject, findings, work.row["file_id"])
    if not known:
        ctx.event(conn, work.subject, "held", findings=words)
        ctx.notify(conn, notices.held(work.subject, work.number, findings[0]))
    run.count("held")
    run.tell(work, "held", findings=list(findings))


def doubt(run: DocumentsRun, conn: Any, work: Work, findings: Sequence[Finding]) -> None:
    """From here on it is only looked up: whether the target has done it nobody knows, so nobody does it again."""
    ctx, now = run.ctx, run.ctx.clock.now()
    work.stopped = True
    findings = _placed(work, findings)
    words = file_rows.findings_json(findings)
    later_at = now + mending.pause(1, mending.DOUBT_PAUSE)
    values = {"state": OrderState.IN_DOUBT, "tries": 1, "next_try": later_at, "findings": words}
    order_rows.update(conn, work.row["id"], now, **values)
    work.row = {**work.row, **values}
    ctx.event(conn, work.subject, "in-doubt", findings=words)
    telling.open_card(run, conn, "in_doubt", work.subject, findings, work.row["file_id"])
    ctx.notify(conn, notices.held(work.subject, work.number, findings[0]))
    run.count("in_doubt")
    run.tell(work, "in_doubt", findings=list(findings))


def later(run: DocumentsRun, conn: Any, work: Work, findings: Sequence[Finding], error: MistokError) -> None:
    """It did not work now: it is tried again, at the time that the target named, else with pauses."""
    ctx, now = run.ctx, run.ctx.clock.now()
    work.stopped = True
    findings = _placed(work, findings)
    tries, at = patience.next_try(error, (work.row.get("tries") or 0) + 1, now)
    words = file_rows.findings_json(findings)
    values = {"state": OrderState.NEW, "tries": tries, "next_try": at, "findings": words}
    order_rows.update(conn, work.row["id"], now, **values)
    work.row = {**work.row, **values}
    ctx.event(conn, work.subject, "not-created", findings=words)
    run.come_back((at - now).total_seconds())
    run.trouble(error)
    run.count("failed")
    run.tell(work, "failed", findings=list(findings))


def nothing(run: DocumentsRun, conn: Any, work: Work) -> None:
    """There is no document of it, and as it is now there is to be none."""
    now = run.ctx.clock.now()
    assert work.plan.nothing is not None
    words = file_rows.findings_json((Finding("nothing-to-do", work.plan.nothing, Where(order=work.number)),))
    values = {"state": OrderState.NOTHING_TO_DO, "findings": words, "tries": 0, "next_try": None}
    order_rows.update(conn, work.row["id"], now, **values)
    run.ctx.event(conn, work.subject, "nothing_to_do", findings=words)
    telling.close_cards(run, conn, work.subject, ("held", "in_doubt"), T("nothing is to be done for it"))
    run.count("nothing")
    run.tell(work, "nothing")


def settle(run: DocumentsRun, conn: Any, work: Work) -> None:
    """All that its status asks for is there."""
    now = run.ctx.clock.now()
    values = {
        "state": OrderState.CREATED,
        "findings": file_rows.findings_json(work.notes) or None,
        "tries": 0,
        "next_try": None,
    }
    if work.untouched and not work.notes and work.row.get("state") == OrderState.CREATED:
        del values["findings"]  # what was told of it when it was written still holds
    order_rows.update(conn, work.row["id"], now, **values)
    work.row = {**work.row, **values}
    number = work.ref.number if work.ref is not None else ""
    telling.close_cards(
        run, conn, work.subject, ("held", "in_doubt"), T("document {number} is as it should be", number=number)
    )
    _statuses(run, conn, work)
    if work.did:
        told = tuple(one for one in work.notes if one.code != "alike")  # which has an event of its own
        if told:
            run.ctx.event(conn, work.subject, "remarks", findings=file_rows.findings_json(told))
        run.tell(work, work.did[0], did=list(work.did), findings=list(work.notes))
    else:
        run.count("known")


def _statuses(run: DocumentsRun, conn: Any, work: Work) -> None:
    """A card for each status that the target lacks, on the first order that was to have it; nothing waits for it.

    Once a person has answered, it is not asked about again; what somebody has added by hand closes it.
    """
    client = run.ctx.client
    lacking = [one for one in work.notes if one.code == NO_STATUS and one.about]
    if not lacking:
        telling.close_cards(run, conn, work.subject, (STATUS,), T("its document has its status"))
        return
    if not work.did:
        return
    asked = {
        finding.get("about")
        for card in cards.listing(conn, client, closed=True, kinds=[STATUS])
        if card["state"] == "open" or card["closed_by"]
        for finding in card["findings"]
    }
    if new := [one for one in lacking if one.about not in asked]:
        telling.open_card(run, conn, STATUS, work.subject, new, work.row["file_id"])


def alike(run: DocumentsRun, conn: Any, work: Work) -> None:
    """A buyer was added, and others of a like name are there: a card shows both; the order does not wait for it."""
    findings = [one for one in work.buyer.notes if one.code == "alike"]
    known = cards.carded(conn, run.ctx.client, [work.subject], "alike")
    cards.open_card(conn, run.ctx.client, "alike", work.subject, findings, run.ctx.clock.now(), work.row["file_id"])
    if not known:
        run.ctx.event(conn, work.subject, "alike", findings=file_rows.findings_json(findings))


def other_total(work: Work, order: Order, ref: DocumentRef) -> Finding:
    """What is told of a document that says another sum than its order."""
    assert ref.total is not None
    text = T(
        "Document {document} of order {number} says {there} {currency}, the order {here} {own}.",
        document=ref.number or ref.id,
        number=work.number,
        there=cents(ref.total),
        currency=ref.currency or order.currency,
        here=cents(order.total),
        own=order.currency,
    )
    hint = T("Compare the two: nothing more is done with it. If the document is right so, accept it.")
    return Finding(OTHER_TOTAL, text, Where(order=work.number, element="total"), hint, Who.ACCOUNTANT)


def gone(work: Work) -> Finding:
    """What is told of an order whose document the target does not have any more."""
    assert work.ref is not None
    text = T(
        "Document {document} of order {number} is not in the target any more.",
        document=work.ref.number or work.ref.id,
        number=work.number,
    )
    hint = T("Find out who took it out. It is not made a second time by itself; reject the order if it was right so.")
    return Finding("document-gone", text, Where(order=work.number), hint, Who.ACCOUNTANT)


def shipment_gone(work: Work, shipment: DocumentRef) -> Finding:
    """What is told of an order whose shipment the target does not have any more."""
    text = T(
        "Shipment {document} of order {number} is not in the target any more.",
        document=shipment.number or shipment.id,
        number=work.number,
    )
    hint = T("Find out who took it out. Nothing is written off a second time by itself; reject the order if it was "
             "right so.")  # fmt: skip
    return Finding("shipment-gone", text, Where(order=work.number), hint, Who.ACCOUNTANT)


def cancelled_there(work: Work) -> Finding:
    """What is told of an order whose document somebody else has cancelled in the target."""
    assert work.ref is not None
    text = T(
        "Document {document} of order {number} was cancelled, or marked for deletion, in the target by somebody else.",
        document=work.ref.number or work.ref.id,
        number=work.number,
    )
    hint = T("Lift the mark there if the order holds, and it goes on by itself; reject the order if it was right so.")
    return Finding("cancelled-there", text, Where(order=work.number), hint, Who.ACCOUNTANT)


def _placed(work: Work, findings: Sequence[Finding]) -> tuple[Finding, ...]:
    return tuple(
        replace(finding, where=replace(finding.where, order=finding.where.order or work.number)) for finding in findings
    )
