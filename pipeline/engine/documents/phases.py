"""The acts themselves: begun in the ledger, looked for, done by the target, written down. One phase for each kind.

Between ``begin`` and what the target says lies one call; killed in between, the act is still ``begun``, and the next
run looks for its document before anything is done again. What is in doubt is only looked up until a person decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import structlog

from pipeline.engine import patience, telling
from pipeline.engine.booking import document_columns, says
from pipeline.engine.documents import comparing, money, parties, products, settling
from pipeline.engine.documents.plan import Doing, act_key, content_of
from pipeline.engine.documents.standing import writing
from pipeline.engine.documents.work import Work
from pipeline.errors import Finding, Held, InDoubt, MistokError, Rejected, Where, Who
from pipeline.ledger import acts
from pipeline.ledger import orders as order_rows
from pipeline.ledger.tables import OrderState
from pipeline.ports import (
    AddProducts,
    AmendDocuments,
    Amendment,
    Cancellation,
    DocumentDraft,
    DocumentOutcome,
    DocumentRef,
    Documents,
    DocumentStatuses,
    NewProduct,
    Offers,
    Parties,
    PaymentDraft,
    Payments,
    Ref,
    Return,
    ReturnDocuments,
    ShipDocuments,
    Shipment,
    StatusChange,
    finished,
)
from pipeline.texts import T

if TYPE_CHECKING:
    from pipeline.engine.documents.walk import DocumentsRun

log = structlog.get_logger("mistok.documents")
Pair = tuple[Work, Doing]
#: What is counted for each act.
COUNTED = {
    "create": "created",
    "amend": "amended",
    "pay": "paid",
    "ship": "shipped",
    "return": "returned",
    "cancel": "cancelled",
    "status": "restated",
}
#: Done again, they are as done once: what came of them need not be looked up.
ABSOLUTE = frozenset({"amend", "cancel", "status"})


def run_phase(run: DocumentsRun, works: Sequence[Work], what: str, *, early: bool = False) -> None:
    """Do one kind of act for all of these orders that are to have it (``early``: those that cannot wait)."""
    going = [(work, doing) for work in works if not work.stopped for doing in work.plan.doings]
    pairs = [(work, doing) for work, doing in going if doing.what == what and doing.early == early]
    if not pairs:
        return
    pairs = _with_statuses(run, pairs) if what == "status" else pairs
    ctx = run.ctx
    with run.begin() as conn:
        now = ctx.clock.now()
        # not those that a person has rejected since they were planned
        pairs = [pair for pair in pairs if _goes(conn, pair[0], now)]
        ids = acts.begin(conn, [_row(run, work, doing) for work, doing in pairs], now)
    if not pairs:
        return
    ctx.reach(f"documents:{what}-begun")
    existing = _find(run, pairs, what)
    outcomes = {key: DocumentOutcome(key, ref, existed=True) for key, ref in existing.items()}
    outcomes |= {
        doing.key: DocumentOutcome(doing.key, doing.exists, existed=True) for _, doing in pairs if doing.exists
    }
    left = [pair for pair in pairs if pair[1].key not in outcomes]
    run.hold_on()
    ctx.reach(f"documents:{what}-before")
    if left:
        outcomes |= {one.key: one for one in _call(run, left, what)}
    ctx.reach(f"documents:{what}-applied")
    with run.begin() as conn:
        for (work, doing), act_id in zip(pairs, ids, strict=True):
            _commit(run, conn, work, doing, act_id, outcomes.get(doing.key))
        if what in ("ship", "return"):
            comparing.keep(run, conn)
    ctx.reach(f"documents:{what}-done")


def _goes(conn: Any, work: Work, now: datetime) -> bool:
    if not order_rows.settle(conn, work.row["id"], settling.NOT_REJECTED, now, state=OrderState.CREATING):
        work.stopped = True
        return False
    work.row = {**work.row, "state": OrderState.CREATING}
    return True


def _row(run: DocumentsRun, work: Work, doing: Doing) -> dict[str, Any]:
    return {
        "client": run.ctx.client,
        "order_row": work.row["id"],
        "act": doing.what,
        "key": doing.key,
        "revision": doing.booked or doing.revision,
        "content": dict(doing.content) or None,
        "run_id": run.ctx.run_id,
    }


# --- the target ------------------------------------------------------------------------------------------------------


def finder(target: object, what: str) -> Callable[[list[str]], Mapping[str, DocumentRef]] | None:
    """How documents of such acts are looked up by their keys; None where that is not needed or cannot be."""
    match what:
        case "create" if isinstance(target, Documents):
            return target.find
        case "ship" if isinstance(target, ShipDocuments):
            return target.find_shipments
        case "return" if isinstance(target, ReturnDocuments):
            return target.find_returns
        case "pay" if isinstance(target, Payments):
            return target.find_payments
        case _:
            return None


def _find(run: DocumentsRun, pairs: Sequence[Pair], what: str) -> Mapping[str, DocumentRef]:
    find = finder(run.target, what)
    keys = [doing.key for _work, doing in pairs if doing.exists is None]
    if find is None or not keys:
        return {}
    with patience.asking(run):
        return finished(find(keys))


def _call(run: DocumentsRun, pairs: Sequence[Pair], what: str) -> Sequence[DocumentOutcome]:
    """What came of each. A doubt about all of them is a doubt about each: none is sent again blindly."""
    with patience.asking(run):
        try:
            return _asked(run, pairs, what)
        except InDoubt as error:
            return tuple(DocumentOutcome(doing.key, error=error) for _work, doing in pairs)


def _asked(run: DocumentsRun, pairs: Sequence[Pair], what: str) -> Sequence[DocumentOutcome]:
    target: Any = run.target
    match what:
        case "create":
            assert isinstance(target, Documents)
            return target.create([_draft(work, doing, work.key) for work, doing in pairs])
        case "amend":
            assert isinstance(target, AmendDocuments)
            return target.amend(
                [Amendment(key=d.key, ref=_ref(work), draft=_draft(work, d, work.key)) for work, d in pairs]
            )
        case "cancel":
            assert isinstance(target, AmendDocuments)
            return target.cancel(
                [Cancellation(key=d.key, ref=_ref(work), status=_status_word(work)) for work, d in pairs]
            )
        case "ship":
            assert isinstance(target, ShipDocuments)
            return target.ship(
                [Shipment(key=d.key, order=_ref(work), draft=_draft(work, d, d.key)) for work, d in pairs]
            )
        case "return":
            assert isinstance(target, ReturnDocuments)
            return target.take_back([_return(work, doing) for work, doing in pairs])
        case "pay":
            assert isinstance(target, Payments)
            return target.pay([_payment(run, work, doing) for work, doing in pairs])
        case _:
            assert isinstance(target, DocumentStatuses)
            wanted = [(work, doing, run.desk.status(doing.status)) for work, doing in pairs]
            return target.set_statuses(
                [StatusChange(key=d.key, ref=_ref(work), status=ref) for work, d, ref in wanted if ref is not None]
            )


def _ref(work: Work) -> DocumentRef:
    ref = work.target_ref
    assert ref is not None
    return ref


def _draft(work: Work, doing: Doing, key: str) -> DocumentDraft:
    """The draft of an act, with what was added for it meanwhile: products and buyer."""
    assert doing.draft is not None
    draft = doing.draft
    if doing.what in ("create", "amend") and work.buyer.found and work.order is not None and work.buyer.ref is not None:
        draft = replace(draft, comment=parties.naming(draft.comment, work.order, work.buyer.ref))
    given = {ref.code: ref for ref in work.chosen.products if ref is not None and ref.id}
    found = tuple(ref if ref.id else given.get(ref.code, ref) for ref in draft.products)
    return replace(draft, key=key, products=found, client=work.buyer.ref or draft.client)


def _return(work: Work, doing: Doing) -> Return:
    assert doing.base is not None
    return Return(key=doing.key, order=_ref(work), shipment=doing.base.ref, draft=_draft(work, doing, doing.key))


def _payment(run: DocumentsRun, work: Work, doing: Doing) -> PaymentDraft:
    assert work.order is not None
    assert doing.draft is not None
    return PaymentDraft(
        key=doing.key,
        order=_ref(work),
        amount=doing.amount,
        currency=doing.draft.order.currency,
        account=work.references.get("account"),
        payer=work.buyer.ref,
        at=work.order.payment.paid_at,
        comment=doing.draft.comment if run.settings.comment else "",
    )


def _status_word(work: Work) -> str:
    return (work.order.status if work.order else "") or "cancelled"


def _with_statuses(run: DocumentsRun, pairs: Sequence[Pair]) -> list[Pair]:
    """Those whose status the target knows; of the others a person is told, and the order stands as it is."""
    known = []
    for work, doing in pairs:
        with patience.asking(run):
            ref = run.desk.status(doing.status)
        if ref is not None:
            known.append((work, doing))
            continue
        text = T("{system} has no status {status} for order {number}.", system=run.settings.to, status=doing.status,
                 number=work.number)  # fmt: skip
        hint = T("Add it there, say which one is meant (`mistok cards` tells how), or correct `statuses` of the step.")
        if (refused := run.desk.refused.get(("status", doing.status))) is not None:
            hint = T("{words} Add it there by hand, or say which one is meant: `mistok cards` tells how.",
                     words=refused.text)  # fmt: skip
        about = f"status:{doing.status}"
        lacking = Finding(settling.NO_STATUS, text, Where(order=work.number), hint, Who.ADMIN, about)
        work.notes = (*work.notes, lacking)
        lacks = T("{system} has no status {status}: its documents keep the one that they have.", system=run.settings.to,
                  status=doing.status)  # fmt: skip
        if lacks not in run.notes:
            run.notes.append(lacks)
    return known


# --- what came of it -------------------------------------------------------------------------------------------------


def _commit(
    run: DocumentsRun, conn: Any, work: Work, doing: Doing, act_id: int, outcome: DocumentOutcome | None
) -> None:
    now = run.ctx.clock.now()
    if outcome is None or outcome.ref is None:
        error = outcome.error if outcome is not None else None
        _failed(
            run, conn, work, doing.what, act_id, error or MistokError(T("The target gave no answer for this order."))
        )
        return
    ref = outcome.ref
    run.remark(work, outcome.notes)
    acts.settle(conn, act_id, acts.DONE, now, **place_of(ref, doing.content))
    by_hand = bool(doing.content.get("by_hand"))
    done(run, conn, work, doing.what, ref, existed=outcome.existed, by_hand=by_hand)
    if doing.what in ("create", "amend") and work.draft is not None:
        # what a target says of a sum is believed: what is not as in the source is told, and nothing more is done
        order = work.draft.order
        if money.differs(order, ref) and settling.OTHER_TOTAL not in work.accepted:
            settling.hold(run, conn, work, (settling.other_total(work, order, ref),))


def place_of(ref: DocumentRef, content: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the ledger keeps of a document that is there."""
    values: dict[str, Any] = {"document_id": ref.id, "document_number": ref.number}
    return values | ({"content": {**(content or {}), "tracking": ref.tracking}} if ref.tracking else {})


def done(
    run: DocumentsRun, conn: Any, work: Work, what: str, ref: DocumentRef, *, existed: bool, by_hand: bool = False
) -> None:
    """Write down that an act on an order is done, in the caller's transaction. ``by_hand``: a person has done it."""
    ctx, now = run.ctx, run.ctx.clock.now()
    word = COUNTED[what] if ref.id or what != "pay" else "paid-back"
    work.did.append(word)
    data = {"document": ref.number, "id": ref.id} if what != "status" else {}
    event = "existed" if existed and what == "create" else "amended-by-hand" if by_hand else word
    ctx.event(conn, work.subject, event, **data)
    run.count(word)
    if what == "create":
        values = document_columns(ref, now)
        order_rows.update(conn, work.row["id"], now, **values)
        work.row = {**work.row, **values}
        work.ref = DocumentRef(ref.id, ref.number, work.key, ref.created_at, ref.total, ref.currency)
        if work.order is not None:
            ctx.notify(conn, telling.order_notice(work.row["id"], work.order, ref))
    elif what == "amend":
        said = says(ref, now)
        order_rows.update(conn, work.row["id"], now, amended=now, **({"document_says": said} if said else {}))
    elif what in ("ship", "return"):
        # what comes back may not be in the order any more: the shipments tell it
        orders = [one.order for one in work.standing.shipments] if what == "return" else []
        orders += [work.order] if work.order is not None else []
        run.moved |= {line.code for one in orders for line in one.lines if line.code}


def _failed(run: DocumentsRun, conn: Any, work: Work, what: str, act_id: int, error: MistokError) -> None:
    now = run.ctx.clock.now()
    findings = tuple(
        Finding(
            one.code, one.text, replace(one.where, order=one.where.order or work.number), one.hint, one.who, one.about
        )
        for one in error.findings
    )
    if isinstance(error, (Held, Rejected)):
        acts.settle(conn, act_id, acts.REFUSED, now)
        settling.hold(run, conn, work, findings, by_target=True)
    elif isinstance(error, InDoubt) and what not in ABSOLUTE:
        acts.settle(conn, act_id, acts.IN_DOUBT, now)
        settling.doubt(run, conn, work, findings)
    else:
        settling.later(run, conn, work, findings, error)


def remember(run: DocumentsRun, conn: Any, work: Work) -> None:
    """Of a document that a person named: what its order was then, so that a later change of it is seen."""
    if work.ref is None or work.order is None or not work.standing.adopted or work.standing.booked:
        return
    now = run.ctx.clock.now()
    row = {
        "client": run.ctx.client,
        "order_row": work.row["id"],
        "act": "create",
        "key": work.key,
        "revision": content_of(work.order, run.settings),
        "content": {"adopted": True, **(writing(work.draft) if work.draft is not None else {})},
        "run_id": run.ctx.run_id,
    }
    (number,) = acts.begin(conn, [row], now)
    acts.settle(conn, number, acts.DONE, now, **place_of(work.ref, row["content"]))


# --- what is added first ---------------------------------------------------------------------------------------------


def supply(run: DocumentsRun, works: Sequence[Work]) -> None:
    """Add the products that orders name and the target does not have. What is there is found first, by the target."""
    wanting = [work for work in works if not work.stopped and work.chosen.missing and work.plan.doings]
    if not wanting:
        return
    target = run.target
    assert isinstance(target, AddProducts)
    wanted: dict[str, NewProduct] = {}
    for work in wanting:
        for line in work.chosen.missing:
            if line.code not in wanted:
                wanted[line.code] = products.new_product(line, _shelf(run), run.settings.products)
    run.hold_on()
    with patience.asking(run):
        outcomes = dict(zip(wanted, target.add_products(list(wanted.values())), strict=True))
    run.ctx.reach("documents:products-added")
    added = {code for code, one in outcomes.items() if one.error is None and not one.existed}
    run.count("products", len(added))
    with run.begin() as conn:
        for work in wanting:
            codes = {line.code for line in work.chosen.missing}
            error = next((outcomes[code].error for code in codes if outcomes[code].error is not None), None)
            if error is None:
                _filled(work, {code: outcomes[code].ids for code in codes})
                for code in sorted(codes & added):
                    run.ctx.event(conn, work.subject, "product-added", code=code)
            elif isinstance(error, (Held, Rejected)):
                settling.hold(run, conn, work, error.findings, by_target=True)
            else:  # it is found by its article, the next time
                settling.later(run, conn, work, error.findings, error)


def _shelf(run: DocumentsRun) -> products.Shelf:
    """The source's goods, read once in a run, where it can tell them and somebody wants to know."""
    if run.shelf is None:
        source = run.source
        run.shelf = products.Shelf.of(source.offers()) if isinstance(source, Offers) else products.Shelf()
    return run.shelf


def _filled(work: Work, ids: Mapping[str, Sequence[str]]) -> None:
    made = iter(
        [Ref(ids[line.code][-1] if ids[line.code] else "", line.code, line.name) for line in work.chosen.missing]
    )
    refs = tuple(ref if ref is not None else next(made) for ref in work.chosen.products)
    work.chosen = replace(work.chosen, products=refs)


def buyers(run: DocumentsRun, works: Sequence[Work]) -> None:
    """Add the buyers that the target does not have: each once, also when several orders name them."""
    target, ctx = run.target, run.ctx
    # one who was added by a run that did not end is found by now
    with run.begin() as conn:
        for work in works:
            found = work.buyer.ref
            for row in work.acts_before:
                if row["act"] == "party" and row["state"] in acts.OPEN and found is not None:
                    place = {"document_id": found.id, "document_number": found.code}
                    acts.settle(conn, row["id"], acts.DONE, ctx.clock.now(), **place)
    for work in works:
        party = work.buyer.create
        if work.stopped or party is None or not work.plan.doings:
            continue
        assert isinstance(target, Parties)
        run.newcomers.meet(work, run.settings.parties)
        if work.buyer.findings:
            with run.begin() as conn:
                settling.hold(run, conn, work, work.buyer.findings)
        if work.buyer.create is None:
            continue
        with run.begin() as conn:
            (act_id,) = acts.begin(conn, [_party_act(run, work)], ctx.clock.now())
            order_rows.update(conn, work.row["id"], ctx.clock.now(), state=OrderState.CREATING)
        run.hold_on()
        ctx.reach("documents:party-before")
        ref: Ref | None = None
        failure: MistokError | None = None
        with patience.asking(run):
            try:
                ref = target.create_party(party)
            except (Held, InDoubt) as error:
                failure = error
        ctx.reach("documents:party-applied")
        with run.begin() as conn:
            now = ctx.clock.now()
            if ref is None:
                assert failure is not None
                _failed(run, conn, work, "party", act_id, failure)
                continue
            acts.settle(conn, act_id, acts.DONE, now, document_id=ref.id, document_number=ref.code)
            ctx.event(conn, work.subject, "party-added", code=ref.code, name=ref.name)
            if work.buyer.alike:
                settling.alike(run, conn, work)
        run.count("parties")
        run.newcomers.add(party, ref)
        work.buyer = replace(work.buyer, ref=ref, create=None)
    for work in works:
        ref = work.buyer.ref
        written = bool({"create", "amend"} & set(work.plan.words))
        if written and work.buyer.found and ref is not None and work.order is not None:
            work.notes = (*work.notes, *parties.other_name(work.order, ref))


def _party_act(run: DocumentsRun, work: Work) -> dict[str, Any]:
    return {
        "client": run.ctx.client,
        "order_row": work.row["id"],
        "act": "party",
        "key": act_key(work.key, "party", "0"),
        "revision": work.revision,
        "content": None,
        "run_id": run.ctx.run_id,
    }
