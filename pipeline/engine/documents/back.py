"""What the source is told of its orders: document number, tracking, status. Each once, and never as an order of ours.

What we write comes back as a change of the order. That it was we who wrote the status is in the ledger, so that it
causes nothing: the order's rules stay those of the status before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline.engine.documents import paper, planning, rules, store
from pipeline.engine.documents.plan import act_key
from pipeline.engine.documents.standing import Standing
from pipeline.engine.documents.work import Work
from pipeline.errors import Held, Rejected
from pipeline.ledger import acts
from pipeline.ledger import orders as order_rows
from pipeline.ports import ApplyOrders, OrderChange
from pipeline.texts import T

if TYPE_CHECKING:
    from pipeline.engine.documents.walk import DocumentsRun

Row = dict[str, Any]


def stage(standing: Standing) -> str:
    """How far the documents of an order have come: ``order``, ``ship``, ``return`` or ``cancel``; "" without any."""
    if standing.ref is None:
        return ""
    if standing.cancelled:
        return "cancel"
    if any(quantity > 0 for quantity in standing.away.values()):
        return "ship"
    return "return" if standing.returns else "order"


def change_of(run: DocumentsRun, work: Work) -> tuple[OrderChange, dict[str, Any]] | None:
    """What the source is to be told now, and what the ledger keeps of it; None when it knows all."""
    said, told, standing = run.settings.back, work.standing.told, work.standing
    ref = work.ref
    if ref is None:
        return None
    content: dict[str, Any] = {}
    number = status = tracking = None
    if said.number and ref.number and told.get("number") != ref.number:
        number = content["number"] = ref.number
    shipped = next((one.ref.tracking for one in reversed(standing.shipments) if one.ref.tracking), "")
    if said.tracking and shipped and told.get("tracking") != shipped:
        content["tracking"] = shipped
        there = work.order.delivery.tracking if work.order is not None else ""
        tracking = shipped if there != shipped else None
    at = stage(standing)
    if at in said.statuses and told.get("stage") != at:
        content["stage"] = at
        wanted = said.statuses[at]
        ref_there = rules.find(wanted, run.statuses)
        names = rules.names(ref_there) if ref_there is not None else (wanted,)
        if not any(rules.same(one, work.seen.status) for one in names):
            status = ref_there.id if ref_there is not None else wanted
            content |= {"status": status, "over": work.status, "group": work.group}
        elif (begun := planning.begun_back(work)) is not None:
            # a killed run has written it, as it seems: it is ours all the same
            content |= {name: begun[name] for name in ("status", "over", "group") if name in begun}
    if not content:
        return None
    return OrderChange(id=work.seen.id, status=status, number=number, tracking=tracking), content


def tell(run: DocumentsRun, works: Sequence[Work]) -> None:
    """Tell the source of these orders what became of them. What it refuses is told to people, and not asked again."""
    if not (run.settings.back.number or run.settings.back.tracking or run.settings.back.statuses):
        return
    _reload(run, works)
    changes = [(work, *found) for work in works if (found := change_of(run, work)) is not None]
    if not changes:
        return
    ctx, source = run.ctx, run.source
    assert isinstance(source, ApplyOrders)
    with run.begin() as conn:
        ids = acts.begin(conn, [_row(run, work, content) for work, _change, content in changes], ctx.clock.now())
    ctx.reach("documents:back-begun")
    asked = [change for _work, change, _content in changes if change.status or change.number or change.tracking]
    run.hold_on()
    outcomes = iter(source.apply_orders(asked) if asked else ())
    ctx.reach("documents:back-applied")
    with run.begin() as conn:
        now = ctx.clock.now()
        for (work, change, content), act_id in zip(changes, ids, strict=True):
            error = None
            asked_for = bool(change.status or change.number or change.tracking)
            if asked_for:
                error = next(outcomes).error
            if error is None and not asked_for:  # it has all of it already
                acts.settle(conn, act_id, acts.DONE, now)
            elif error is None:
                acts.settle(conn, act_id, acts.DONE, now)
                told = {name: value for name, value in content.items() if name != "group"}
                ctx.event(conn, work.subject, "told-back", **told)
                run.count("told")
            elif isinstance(error, (Held, Rejected)):
                # asked again it would say no again: what it was to be told is told as far as we are concerned
                kept = {name: value for name, value in content.items() if name not in ("status", "over", "group")}
                acts.settle(conn, act_id, acts.DONE, now, content=kept)
                ctx.event(conn, work.subject, "not-told-back", words=error.text.to_json())
                run.notes.append(
                    T("{source} did not take what became of order {number}: {words}", source=run.settings.source,
                      number=work.number, words=error.text)
                )  # fmt: skip
            else:  # it stays begun: absolute, it is told again by the next run
                run.trouble(error)
    ctx.reach("documents:back-done")


def catch_up(run: DocumentsRun) -> None:
    """Tell again what a killed run, or a source that did not answer, has left."""
    ctx, settings = run.ctx, run.settings
    with ctx.ledger.read() as conn:
        open_acts = acts.of_link(conn, ctx.client, settings.source, settings.to, (acts.BEGUN,))
        left = {row["order_row"] for row in open_acts if row["act"] == "back" and row["run_id"] != ctx.run_id}
        rows = list(order_rows.by_ids(conn, left).values())
    if not rows:
        return
    seen = store.papers_of(ctx, rows)
    works = []
    for row in rows:
        work = planning.make_work(run, seen[row["id"]]) if row["id"] in seen else None
        if work is not None:
            work.row = row
            works.append(work)
    planning.know(run, works)
    tell(run, works)


def _reload(run: DocumentsRun, works: Sequence[Work]) -> None:
    """What is there after this run's acts."""
    status = {id(work): (work.status, work.group) for work in works}
    refs = {id(work): work.ref for work in works}
    planning.know(run, works)
    for work in works:
        work.status, work.group = status[id(work)]
        work.ref = refs[id(work)] or work.ref


def _row(run: DocumentsRun, work: Work, content: dict[str, Any]) -> Row:
    revision = paper.fingerprint(content, len([row for row in work.acts_before if row["act"] == "back"]))
    begun = next((row for row in work.acts_before if row["act"] == "back" and row["state"] == acts.BEGUN), None)
    return {
        "client": run.ctx.client,
        "order_row": work.row["id"],
        "act": "back",
        "key": begun["key"] if begun is not None else act_key(work.key, "back", revision),
        "revision": revision,
        "content": content,
        "run_id": run.ctx.run_id,
    }
