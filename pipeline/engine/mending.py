"""Orders that wait and may go on: held ones whose trouble was mended outside of their file, and those in doubt.

Held orders are planned again a few at each run, in turn, so that a loaded product, a changed setting or a new schema
frees them by itself. Those that the target itself refused are tried again with growing pauses only. Orders in doubt
are looked up, never created a second time.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog

from pipeline.engine import amending, booking, parts, patience, planning, sharing, telling
from pipeline.engine.planning import Work
from pipeline.engine.sorting import sort_out
from pipeline.errors import MistokError, Refused, Transient
from pipeline.flow import CreateDocument, HoldOrder
from pipeline.ledger import files as file_rows
from pipeline.ledger import orders as order_rows
from pipeline.ledger.tables import OrderState
from pipeline.ports import DocumentOutcome

if TYPE_CHECKING:
    from pipeline.engine.inbound import Inbound

log = structlog.get_logger("mistok.inbound")
Row = dict[str, Any]

AT_ONCE = 50
FIRST_PAUSE = timedelta(minutes=5)
LONGEST_PAUSE = timedelta(hours=6)
DOUBT_PAUSE = timedelta(seconds=30)
LONGEST_DOUBT = timedelta(hours=1)
REST = 20  #: so many times as long as it took, a large file with held orders is left alone
DOUBT_TOLD = 5  #: after so many look-ups a person is told again


def pause(tries: int, first: timedelta = FIRST_PAUSE, longest: timedelta = LONGEST_PAUSE) -> timedelta:
    """How long to wait before try number ``tries`` (from 1): doubled each time, up to the longest."""
    doubled: timedelta = first * int(2 ** min(max(tries - 1, 0), 20))
    return min(doubled, longest)


def mend(walk: Inbound) -> None:
    """Carry on what waits in this inbox. What cannot be read now is left as it is, with its card."""
    ctx = walk.ctx
    inbox = (walk.settings.inbox, walk.settings.folder)
    now = ctx.clock.now()
    cursor = f"{inbox[0]}/{inbox[1]}"
    with ctx.ledger.read() as conn:
        stuck = order_rows.left_on_their_way(conn, ctx.client, inbox, now, ctx.trigger == "person", AT_ONCE)
        after = ctx.ledger.get_value(conn, "mended", cursor) or 0
        # a person who runs the job wants an answer now; the schedule keeps the pauses
        due = None if ctx.trigger == "person" else now
        held = order_rows.held_and_due(conn, ctx.client, inbox, due, after, AT_ONCE)
        doubtful = order_rows.in_doubt_and_due(conn, ctx.client, inbox, now, AT_ONCE)
    # in turn: the next run goes on behind the last one of these, and begins again when it came to the end
    following = held[-1]["id"] if len(held) == AT_ONCE else 0
    if following != after:
        with walk.begin() as conn:
            ctx.ledger.set_value(conn, "mended", cursor, following)
    held = [row for row in held if row["updated"] < walk.started]  # not those that this very run has held
    held = _rested(walk, held, now)
    if stuck or held:
        plan_again(walk, [*stuck, *held], now)
        _remember(walk, held, now)
    if doubtful:
        look_up(walk, doubtful, now)
    amending.carry_on(walk)


def _rested(walk: Inbound, held: Sequence[Row], now: datetime) -> list[Row]:
    """Without those whose large file was looked through not long ago: that takes its time, and may not at every run."""
    with walk.ctx.ledger.read() as conn:
        wait = {
            file: walk.ctx.ledger.get_value(conn, "mended", f"file:{file}") for file in {row["file_id"] for row in held}
        }
    if walk.ctx.trigger == "person":
        return list(held)
    return [row for row in held if not (until := wait[row["file_id"]]) or datetime.fromisoformat(until) <= now]


def _remember(walk: Inbound, held: Sequence[Row], begun: datetime) -> None:
    with walk.ctx.ledger.read() as conn:
        files = file_rows.by_ids(conn, {row["file_id"] for row in held})
    large = [file for file, row in files.items() if row["size"] >= walk.settings.stream_from]
    if large:
        now = walk.ctx.clock.now()
        until = now + REST * (now - begun)
        with walk.begin() as conn:
            for file in large:
                walk.ctx.ledger.set_value(conn, "mended", f"file:{file}", until.isoformat())


def plan_again(walk: Inbound, rows: Sequence[Row], now: datetime) -> None:
    """Plan orders on their way again, from the archive: documents are made, what still is wrong stays held."""
    if works := works_of(walk, rows):
        plan_works_again(walk, works, now)


def plan_works_again(walk: Inbound, works: Sequence[Work], now: datetime) -> None:
    """The same for orders that were read already; each has its ledger row."""
    ctx = walk.ctx
    with patience.asking(walk):
        planning.plan(works, walk.step, walk.settings, ctx.system(walk.settings.into), ctx)
    passed = [work for work in works if isinstance(work.action, CreateDocument)]
    if passed:
        booking.create(walk, passed, [])
    others = [work for work in works if not isinstance(work.action, CreateDocument)]
    changed = [work for work in others if _changed(work)]
    if changed:
        with walk.begin() as conn:
            booking.settle_planned(walk, conn, changed, now)


def _changed(work: Work) -> bool:
    if not isinstance(work.action, HoldOrder):
        return True
    return work.row["state"] != OrderState.HELD or not telling.same_trouble(work.action.findings, work.row)


def works_of(walk: Inbound, rows: Sequence[Row]) -> list[Work]:
    """The works of these ledger rows, read again from the archive: those whose file still gives that very content."""
    ctx = walk.ctx
    with ctx.ledger.read() as conn:
        files = file_rows.by_ids(conn, {row["file_id"] for row in rows})
    works: list[Work] = []
    for file_id, file in files.items():
        wanted = {row["key"]: row for row in rows if row["file_id"] == file_id}
        for work in _works_in(walk, file, wanted.values()):
            row = wanted.get(work.key)
            if row is not None and row["revision"] == work.revision:
                work.row = row
                works.append(work)
    return works


def _works_in(walk: Inbound, file: Row, rows: Collection[Row]) -> Sequence[Work]:
    """The works of a file, of a large one those of ``rows``; an order that stands twice in it stays held."""
    ctx = walk.ctx
    if not file["sha256"]:
        return ()
    try:
        context = walk.format_context(file["name"])
        large = parts.archived(ctx, walk.format, walk.settings.stream_from, walk.format_settings, context, file)
        if large is not None:
            return list(large.at_lines({row["line"] for row in rows}))
        data = ctx.archive.read(file["sha256"])
        orders = walk.format.decode(data, walk.format_settings, context).orders
        # sorted as when it came
        whole = [planning.make_work(file, index, one, ctx.client) for index, one in enumerate(orders)]
        return sort_out(whole, {}).fresh
    except (Transient, Refused):
        raise
    except MistokError as error:
        # rejected by a changed schema, or its copy is damaged: the card still tells what the order waits for
        log.warning("not_read_again", file=file["name"], code=error.code, error=error.text.render("en"))
        if error.code == "archive" and (other := sharing.missing_here(ctx.ledger, ctx.archive)) is not None:
            sharing.alarm(ctx.ledger, other)  # one word for all such files
            return ()
        with walk.begin() as conn:
            telling.once(walk, conn, f"file:{file['id']}", error.findings)
    except (Exception, SystemExit):
        log.exception("format_failed", file=file["name"])
    return ()


def look_up(walk: Inbound, rows: Sequence[Row], now: datetime) -> None:
    """Ask the target for the documents of orders in doubt, and take note of those that are there. None is made.

    One that was left half way is finished: its system knows it by its key.
    """
    ctx = walk.ctx
    target = planning.documents(ctx.system(walk.settings.into))
    with patience.asking(walk):
        found = target.find({row["key"] for row in rows})
    works = {work.key: work for work in works_of(walk, rows)}
    going = []
    with walk.begin() as conn:
        for row in rows:
            ref = found.get(row["key"])
            work = works.get(row["key"])
            if ref is not None and ref.unfinished and work is not None:
                fresh = {"state": OrderState.NEW, "tries": 0, "next_try": None}
                if order_rows.settle(conn, row["id"], (OrderState.IN_DOUBT,), now, **fresh):
                    work.row = {**work.row, **fresh}
                    going.append(work)
                continue
            if ref is not None and work is not None:
                work.order = work.decoded.order
                booking.commit(walk, conn, [(work, DocumentOutcome(row["key"], ref, existed=True))], now)
                continue
            tries = row["tries"] + 1
            wait = pause(tries, DOUBT_PAUSE, LONGEST_DOUBT)
            order_rows.update(conn, row["id"], now, tries=tries, next_try=now + wait)
            ctx.event(conn, f"order:{row['id']}", "looked-up", tries=tries)
            walk.count("in_doubt")
            if tries == DOUBT_TOLD:
                booking.tell_doubt(walk, conn, row)
    if going:
        plan_works_again(walk, going, now)
