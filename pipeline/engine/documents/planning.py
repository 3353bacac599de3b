"""From orders as they were read to plans: rules, what the target has, what it knows of what they name. Asks only."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import structlog

from pipeline.documents import DocumentsSettings, OnlySettings
from pipeline.engine import patience
from pipeline.engine.documents import money, paper, rules, settling
from pipeline.engine.documents import plan as planner
from pipeline.engine.documents.standing import standing_of, without
from pipeline.engine.documents.work import Work
from pipeline.errors import Finding, MistokError, Where, Who
from pipeline.ledger import acts as act_rows
from pipeline.ledger import decisions
from pipeline.model import Order, cents
from pipeline.ports import AmendDocuments, DocumentRef, Documents, SeenOrder, ShipDocuments, ShipsGoodsAlone
from pipeline.ports.choices import Choice
from pipeline.rules.keys import key_of
from pipeline.rules.orders import is_currency, normal_order, order_findings
from pipeline.texts import T

if TYPE_CHECKING:
    from pipeline.engine.documents.walk import DocumentsRun

log = structlog.get_logger("mistok.documents")
#: How systems tell the warehouse of each item where they are several.
_OF_ITEM = re.compile(r"item\[\d+\]\.warehouse")


def make_work(run: DocumentsRun, seen: SeenOrder) -> Work | None:
    """The work for one order of the source; None when the client's own step drops it."""
    settings, order = run.settings, seen.order
    source = settings.known_as or (order.source if order is not None else settings.source)
    broken: tuple[Finding, ...] = ()
    if order is not None:
        order = normal_order(replace(order, source=source))
        if run.step.change is not None:
            try:
                order = run.step.change(order, settings)
            except (Exception, SystemExit) as error:
                log.exception("plugin_failed", order=seen.number)
                broken, order = (_plugin_failed(seen, error),), None
            else:
                if order is None:
                    return None
    key = key_of(run.ctx.client, source, seen.id)
    return Work(seen=seen, revision=paper.revision_of(seen), key=key, source=source, order=order, broken=broken)


def other_job(work: Work, settings: DocumentsSettings) -> MistokError:
    """What is told when orders of this name go into another system already."""
    text = T(
        "Orders of {source} go into {other} already (№{number}): their documents in {to} would have the same keys.",
        source=work.source,
        other=work.row["into"],
        number=work.number,
        to=settings.to,
    )
    hint = T("Give this step a name of its own for them: `known_as: …`.")
    return MistokError(text, hint=hint, code="two-targets", who=Who.ADMIN)


def plan(run: DocumentsRun, works: Sequence[Work]) -> None:
    """Set the plan of each work. Raises Transient and Refused of the systems; then nothing has happened."""
    know(run, works)
    for work in works:
        _rule(run, work)
    with patience.asking(run):
        _documents(run, works)
        for work in works:
            work.untouched = not work.findings and _untouched(run, work)
        run.desk.look([work for work in works if not work.findings and _needs_draft(work) and not work.untouched])
    for work in works:
        _plan(run, work)


def know(run: DocumentsRun, works: Sequence[Work]) -> None:
    """What the ledger knows of each: acts that are done, and what people have accepted."""
    known = [work for work in works if work.row.get("id")]
    with run.ctx.ledger.read() as conn:
        before = act_rows.of_orders(conn, {work.row["id"] for work in known})
        accepted = decisions.accepted_codes(conn, run.ctx.client, {work.subject for work in known})
    for work in known:
        work.acts_before = before.get(work.row["id"], [])
        done = [row for row in work.acts_before if row["state"] == act_rows.DONE]
        work.standing = standing_of(work.row, done)
        if (begun := begun_back(work)) is not None and begun.get("status"):
            # nobody knows whether the source has it: if its order says so, it was we
            told = {**work.standing.told, "group": begun.get("group", "")}
            wrote = {"wrote": begun["status"], "wrote_over": begun.get("over", ""), "told": told}
            work.standing = replace(work.standing, **wrote)
        work.ref = work.standing.ref
        work.accepted = accepted.get((work.subject, work.row["revision"]), frozenset())


def begun_back(work: Work) -> Mapping[str, Any] | None:
    """What the source was about to be told by a run that did not end; None when there is no such thing."""
    begun = [row for row in work.acts_before if row["act"] == "back" and row["state"] == act_rows.BEGUN]
    return begun[-1]["content"] if begun else None


def _rule(run: DocumentsRun, work: Work) -> None:
    """The acts of its status; of a status that we wrote ourselves those of the one before it."""
    settings, seen = run.settings, work.seen
    group = work.order.status if work.order is not None else ""
    work.status, work.group = seen.status, group
    if work.standing.wrote and _is(run, work.standing.wrote, seen.status):
        work.status, work.group = work.standing.wrote_over, str(work.standing.told.get("group", ""))
    if _is_left_out(run, work):
        work.acts, work.target_status = ("nothing",), None
        return
    found = rules.acts_for(settings, work.status, run.statuses, work.group)
    work.target_status = rules.target_status(settings, work.status, run.statuses, work.group)
    work.choices = rules.choices(settings, work.status, run.statuses, work.group)
    if work.order is not None and work.order.rate is not None:
        work.choices = (*work.choices, Choice(field="rate", value=f"{work.order.rate:f}", by="order"))
    if found is None:
        name = rules.find(work.status, run.statuses)
        words, key = (rules.title(name), name.name or name.id) if name is not None else (work.status, work.status)
        work.findings = (planner.unknown_status(work.number, words, key),)
        return
    work.acts = found
    if work.order is None and found != ("nothing",):
        work.findings = work.broken or seen.findings or (_unreadable(work),)
    elif work.order is not None and _needs_draft(work):
        work.findings = tuple(
            order_findings(
                work.order,
                currency_known=is_currency(run.mappings.get(("currency", work.order.currency), work.order.currency))
                or work.order.currency in settings.currencies,
                tolerance=settings.tolerance,
                accepted=work.accepted,
                codes_needed=not (settings.products.by_name or settings.products.create),
            )
        )
        if elsewhere(settings.only, work.order):
            work.findings = (*work.findings, _moved_away(run, work))
        if settings.only.warehouses and not work.order.warehouse:
            work.findings = (*work.findings, _of_which_warehouse(run, work.order))


def warehouses_of(order: Order) -> tuple[str, ...]:
    """The warehouses that an order says it is sent from: none, the one of all its items, or one for each item."""
    of_items = (place for name, place in order.extra.items() if _OF_ITEM.fullmatch(name))
    return tuple(dict.fromkeys(place for place in (order.warehouse, *of_items) if place))


def elsewhere(only: OnlySettings, order: Order) -> bool:
    """Whether an order is sent from other warehouses than those whose orders are taken."""
    places = warehouses_of(order)
    return bool(only.warehouses and places) and not _named(only.warehouses, *places)


def of_shops(only: OnlySettings, order: Order) -> bool:
    """Whether an order is of a shop whose orders are taken."""
    return _named(only.sources, order.extra.get("source"), order.extra.get("source_id"), order.source)


def _named(wanted: Sequence[str], *names: str | None) -> bool:
    return any(rules.same(one, name) for one in wanted for name in names if name)


def _is_left_out(run: DocumentsRun, work: Work) -> bool:
    """Whether it is none of those that are taken, and there is nothing of it: it was taken when it was another."""
    only, order = run.settings.only, work.order
    if work.ref is not None:
        return False
    if only.statuses and not rules.called(only.statuses, work.status, run.statuses, work.group):
        return True
    if order is None:
        return False
    return elsewhere(only, order) or bool(only.sources and not of_shops(only, order))


def _moved_away(run: DocumentsRun, work: Work) -> Finding:
    ref, order = work.standing.ref, work.order
    assert ref is not None
    assert order is not None
    text = T("Order {number} has its document {document}, and is sent from {names} now. Only orders from {wanted} are "
             "taken.", number=order.number, document=ref.number or ref.id, names=", ".join(warehouses_of(order)),
             wanted=", ".join(run.settings.only.warehouses))  # fmt: skip
    hint = T("Set its warehouse back in {source}; or cancel the document by hand, and reject this card.",
             source=run.settings.source)  # fmt: skip
    return Finding("moved-away", text, Where(order=order.number, element="warehouse"), hint, Who.ACCOUNTANT)


def _of_which_warehouse(run: DocumentsRun, order: Order) -> Finding:
    places = warehouses_of(order)
    wanted = ", ".join(run.settings.only.warehouses)
    if places:
        text = T("The items of order {number} are sent from several warehouses: {names}. Only orders from {wanted} are "
                 "taken.", number=order.number, names=", ".join(places), wanted=wanted)  # fmt: skip
        hint = T("Divide it in the source, or make its document by hand and reject this card.")
    else:
        text = T("Order {number} does not say from which warehouse it is sent. Only orders from {wanted} are taken.",
                 number=order.number, wanted=wanted)  # fmt: skip
        hint = T("Set its warehouse in {source}. Where no order has one, take `warehouses` out of `only`.",
                 source=run.settings.source)  # fmt: skip
    return Finding("which-warehouse", text, Where(order=order.number, element="warehouse"), hint, Who.ADMIN)


def _is(run: DocumentsRun, wrote: str, status: str) -> bool:
    """Whether the status that we wrote is the one that the order has."""
    ref = rules.find(wrote, run.statuses)
    names = rules.names(ref) if ref is not None else (wrote,)
    return any(rules.same(one, status) for one in names)


def _needs_draft(work: Work) -> bool:
    """Whether its document, or one that follows it, may have to be written."""
    return bool({"order", "ship", "pay", "hold"} & set(work.acts))


def _untouched(run: DocumentsRun, work: Work) -> bool:
    """Whether its document is there with just this content, and nothing is left to be shipped or paid.

    What it names need not be looked up then: that somebody has put a product away since is no matter of an old order.
    """
    order, standing = work.order, work.standing
    if order is None or work.ref is None or standing.written is None or standing.cancelled or "hold" in work.acts:
        return False
    if standing.booked != planner.content_of(order, run.settings):
        return False
    if "ship" in work.acts and without(money.quantities(order), standing.away):
        return False
    return "pay" not in work.acts or money.paid(order) == cents(standing.paid)


def _documents(run: DocumentsRun, works: Sequence[Work]) -> None:
    """Whether documents are there as they were made, and who else has shipped on them."""
    target = run.target
    there = [work for work in works if work.ref is not None and not work.findings]
    ours = {work.key: work for work in there if not work.standing.adopted}
    if ours and isinstance(target, Documents):
        found = target.find(list(ours))
        for key, work in ours.items():
            ref = found.get(key)
            if ref is None:
                work.findings = (settling.gone(work),)
            else:
                work.ref = ref if ref.key else replace(ref, key=key)
                if ref.cancelled and not work.standing.cancelled and _needs_draft(work):
                    work.findings = (settling.cancelled_there(work),)
    # in a full look those that have been shipped, too: whether their shipments are there
    shipping = [
        work for work in there if not work.findings and ("ship" in work.acts or (run.full and work.standing.shipments))
    ]
    if shipping and isinstance(target, ShipDocuments):
        refs: dict[str, DocumentRef] = {}
        for work in shipping:
            ref = work.target_ref
            if ref is not None and ref.id:
                refs[work.key] = ref
        made = target.shipments_of(list(refs.values())) if refs else {}
        for work in shipping:
            if work.key not in refs:
                continue
            # what was begun and is not known to be done may be among them: it is ours by its key
            keys = {row["key"] for row in work.acts_before if row["act"] == "ship"}
            known = {one.ref.id for one in work.standing.shipments}
            some = made.get(refs[work.key].id, ())
            work.others = [one for one in some if one.id not in known and one.key not in keys]
            ids = {one.id for one in some}
            lost = [one for one in work.standing.shipments if one.ref.id not in ids] if run.full else []
            # a target that does not tell what stands on an order is asked by our keys
            found = target.find_shipments([one.ref.key for one in lost]) if lost else {}
            if lost := [one for one in lost if one.ref.key not in found]:
                work.findings = (settling.shipment_gone(work, lost[0].ref),)


def _plan(run: DocumentsRun, work: Work) -> None:
    settings = run.settings
    if work.findings:
        work.plan = planner.Plan(findings=work.findings)
        return
    if work.order is None:
        words = T("Order {number} came as {status}.", number=work.number, status=work.seen.status)
        work.plan = planner.Plan(nothing=words) if work.ref is None else planner.Plan()
        return
    work.plan = planner.plan(
        work.order,
        work.acts,
        work.standing,
        work.draft,
        settings,
        status=work.target_status if work.acts != ("hold",) else None,
        accepted=work.accepted,
        others=work.others,
        amends=isinstance(run.target, AmendDocuments),
        goods_alone=isinstance(run.target, ShipsGoodsAlone) and run.target.goods_alone(),
    )
    # of an order whose document is not what it was made as nothing more is done before a person has looked
    amended = "amend" in work.plan.words
    written = work.draft.order if work.draft is not None else work.standing.written if work.untouched else None
    if work.ref is not None and written is not None and not (amended or work.plan.findings):
        booked = work.standing.booked in ("", planner.content_of(work.order, settings))
        told = booked and not (work.standing.cancelled or work.standing.by_hand)
        differs = told and money.differs(written, work.ref)
        if differs and settling.OTHER_TOTAL not in work.accepted:
            work.plan = planner.Plan(findings=(settling.other_total(work, written, work.ref),))
            return
    work.notes = (*work.notes, *work.plan.notes)


def _plugin_failed(seen: SeenOrder, error: BaseException) -> Finding:
    text = T("The step failed on this order by a mistake of its own ({kind}).", kind=type(error).__name__)
    return Finding("plugin-error", text, Where(order=seen.number), None, Who.US)


def _unreadable(work: Work) -> Finding:
    text = T("Order {number} could not be read.", number=work.number)
    return Finding("unreadable", text, Where(order=work.number), T("Look at it in the source."), Who.ADMIN)
