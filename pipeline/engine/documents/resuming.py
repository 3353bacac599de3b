"""What was begun and not written down, or is in doubt: looked up by its key, and never done again blindly.

A document that cannot be found stays in doubt until a person decides, as a second one would be booked twice. A buyer is
found by telephone, mail or EDRPOU: one who is not there when he is looked up after a pause is added by the same run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.engine import booking, mending, patience
from pipeline.engine.documents import comparing, phases, planning, store
from pipeline.engine.documents.work import Work
from pipeline.ledger import acts
from pipeline.ledger import orders as order_rows
from pipeline.ledger.tables import OrderState
from pipeline.ports import DocumentRef

if TYPE_CHECKING:
    from pipeline.engine.documents.walk import DocumentsRun

Row = dict[str, Any]


def resume(run: DocumentsRun, only: int | None = None) -> None:
    """Look up all acts of this link of which nobody knows what came of them (``only`` those of one order row).

    What is there is written down as done, and its order goes on. What is there half way, and what is not there and was
    begun by a run that was killed, is planned again; what is in doubt stays so. Raises Transient and Refused of the
    target.
    """
    ctx, settings = run.ctx, run.settings
    with ctx.ledger.read() as conn:
        rows = acts.of_link(conn, ctx.client, settings.source, settings.to, acts.OPEN)
        orders = order_rows.by_ids(conn, {row["order_row"] for row in rows})
    rows = [row for row in rows if only is None or row["order_row"] == only]
    if not rows:
        return
    found: dict[int, DocumentRef] = {}
    for act in dict.fromkeys(row["act"] for row in rows):
        find = phases.finder(run.target, act)
        some = {row["key"]: row for row in rows if row["act"] == act}
        if find is None:
            continue
        with patience.asking(run):
            for key, ref in find(list(some)).items():
                found[some[key]["id"]] = ref
    ctx.reach("documents:looked-up")
    works = _works(run, [orders[row["order_row"]] for row in rows if row["id"] in found])
    with run.begin() as conn:
        now = ctx.clock.now()
        for row in rows:
            if row["id"] in found and found[row["id"]].unfinished:
                # as one that was begun by a run that was killed: asked for again, its system finishes it
                acts.settle(conn, row["id"], acts.BEGUN, now)
                order_rows.update(conn, row["order_row"], now, state=OrderState.CREATING, next_try=None)
            elif row["id"] in found and row["order_row"] not in works:
                run.trouble(store.unread(orders[row["order_row"]]))
            elif row["id"] in found:
                ref = found[row["id"]]
                acts.settle(conn, row["id"], acts.DONE, now, **phases.place_of(ref, row["content"]))
                phases.done(run, conn, works[row["order_row"]], row["act"], ref, existed=True)
                # whatever else there is to do about it is planned now that this is known
                order_rows.update(conn, row["order_row"], now, state=OrderState.CREATING, next_try=None)
            elif row["act"] in phases.ABSOLUTE:
                acts.settle(conn, row["id"], acts.DROPPED, now)  # planned again, it has the same key
        comparing.keep(run, conn)
        unsure = {row["order_row"]: row for row in rows if row["id"] not in found and row["state"] == acts.IN_DOUBT}
        known = {row["order_row"] for row in rows if row["id"] in found}
        for order_row, row in unsure.items():
            order = orders[order_row]
            if order["state"] != OrderState.IN_DOUBT or order_row in known:
                continue
            if row["act"] == "party":  # found again by the buyer's own telephone, when the order is planned
                continue
            _still(run, conn, order)
    doubtful = [orders[one] for one, row in unsure.items() if row["act"] == "party"]
    _buyers(run, [order for order in doubtful if order["state"] == OrderState.IN_DOUBT])


def _works(run: DocumentsRun, rows: list[Row]) -> dict[int, Work]:
    seen = store.papers_of(run.ctx, rows)
    works: dict[int, Work] = {}
    for row in rows:
        work = planning.make_work(run, seen[row["id"]]) if row["id"] in seen else None
        if work is not None:
            work.row = row
            works[row["id"]] = work
    return works


def _still(run: DocumentsRun, conn: Any, order: Row) -> None:
    """It is not there, or cannot be seen yet: it is looked up again, and a person hears of it now and then."""
    now = run.ctx.clock.now()
    tries = order["tries"] + 1
    wait = mending.pause(tries, mending.DOUBT_PAUSE, mending.LONGEST_DOUBT)
    order_rows.update(conn, order["id"], now, tries=tries, next_try=now + wait)
    run.ctx.event(conn, f"order:{order['id']}", "looked-up", tries=tries)
    run.count("in_doubt")
    run.come_back(wait.total_seconds())
    if tries == mending.DOUBT_TOLD:
        booking.tell_doubt(run, conn, order)


def _buyers(run: DocumentsRun, orders: list[Row]) -> None:
    """Orders whose buyer may have been added: they go on when he is found, or is not there after the pause."""
    works = list(_works(run, orders).values())
    if not works:
        return
    planning.plan(run, works)
    with run.begin() as conn:
        now = run.ctx.clock.now()
        for work in works:
            found = work.buyer.ref if work.buyer.create is None else None
            due = work.row["next_try"] is None or work.row["next_try"] <= now
            if found is None and not (due and work.buyer.create is not None):
                _still(run, conn, work.row)
                continue
            for row in work.acts_before:
                if row["act"] == "party" and row["state"] == acts.IN_DOUBT and found is not None:
                    acts.settle(conn, row["id"], acts.DONE, now, document_id=found.id)
                elif row["act"] == "party" and row["state"] == acts.IN_DOUBT:
                    acts.settle(conn, row["id"], acts.DROPPED, now)
            order_rows.update(conn, work.row["id"], now, state=OrderState.CREATING, next_try=None)
