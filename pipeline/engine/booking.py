"""The booking half of the inbound walk: orders become documents, held orders with a card, or ends.

``begin(keys)`` is one transaction (rows, keys, holds with their cards and notices); then the target is asked and
called; then ``commit(outcomes)`` is one more. Between the two a killed run leaves CREATING rows, which the next run
looks up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
import structlog

from pipeline.alerts import notices
from pipeline.engine import planning
from pipeline.engine.planning import Work
from pipeline.errors import Finding, Held, InDoubt, MistokError, Rejected, Where, Who
from pipeline.flow import CreateDocument, HoldOrder, NothingToDo
from pipeline.ledger import files as file_rows
from pipeline.ledger import orders as order_rows
from pipeline.ledger.tables import FileState, OrderState
from pipeline.model import Order
from pipeline.ports import Decoded, DocumentOutcome, DocumentRef, Notice
from pipeline.texts import T

if TYPE_CHECKING:
    from pipeline.engine.inbound import Inbound

log = structlog.get_logger("mistok.inbound")
Row = dict[str, Any]

#: Findings that can be mended outside of the file (a product loaded, an object added): such orders are planned again
#: at each run, until they pass.
MENDABLE = frozenset(
    {
        "unknown-product",
        "ambiguous-product",
        "unknown-currency",
        "unknown-client",
        "unknown-party",
        "unknown-object",
        "unknown-user",
        "unknown-executor",
        "unknown-warehouse",
        "target",
    }
)
MEND_AT_ONCE = 50


@dataclass
class _Pass:
    """What one pass over a batch of files came to."""

    fresh: list[Work] = field(default_factory=list)  #: to be planned
    same: list[Work] = field(default_factory=list)  #: known with the same content, settled
    changed: list[Work] = field(default_factory=list)  #: known with other content, and booked already
    deferred: set[int] = field(default_factory=set)  #: files that wait for another file of the batch


def book(walk: Inbound, read: Sequence[tuple[Row, Decoded]]) -> None:
    """Carry the orders of ``read`` files to an end state or an open card, and mark the files done.

    Raises Transient or Refused when the target cannot be reached: nothing is lost, the next run goes on.
    """
    pending = list(read)
    while pending:
        sorted_out = _sort_out(walk, pending)
        _carry(walk, sorted_out, [row for row, _decoded in pending if row["id"] not in sorted_out.deferred])
        pending = [pair for pair in pending if pair[0]["id"] in sorted_out.deferred]


def mend_held(walk: Inbound) -> None:
    """Plan held orders again whose trouble may have been mended outside; those that pass are booked.

    Orders that a killed run left on their way although their file is settled are carried on as well.
    """
    ctx = walk.ctx
    with ctx.ledger.read() as conn:
        rows = order_rows.to_mend(conn, ctx.client, ctx.job, MENDABLE, MEND_AT_ONCE)
        files = file_rows.by_ids(conn, {row["file_id"] for row in rows})
    works: list[Work] = []
    for row in rows:
        file = files.get(row["file_id"])
        if file is None or not file["sha256"] or ctx.archive.find(file["sha256"]) is None:
            continue
        try:
            decoded = walk.format.decode(
                ctx.archive.read(file["sha256"]), walk.format_settings, ctx.format_context(file["name"])
            )
        except Rejected:
            continue  # the schema changed meanwhile; the card still tells what is wrong
        for index, one in enumerate(decoded.orders):
            work = planning.make_work(file["id"], file["name"], file["sha256"], index, one, ctx.client)
            if work.key == row["key"] and work.revision == row["revision"]:
                work.row = row
                works.append(work)
    if not works:
        return
    planning.plan(works, walk.step, walk.settings, ctx.system(walk.settings.into), ctx)
    passed = [work for work in works if isinstance(work.action, CreateDocument)]
    if passed:
        _create(walk, passed, [])
    now = ctx.clock.now()
    with ctx.begin() as conn:
        for work in works:
            stuck = work.row["state"] != OrderState.HELD
            if isinstance(work.action, HoldOrder) and (stuck or _codes(work.action.findings) != _codes_of(work.row)):
                _hold(walk, conn, work, work.action.findings, now)


# --- sorting out -------------------------------------------------------------------------------------------------


def _sort_out(walk: Inbound, read: Sequence[tuple[Row, Decoded]]) -> _Pass:
    ctx = walk.ctx
    works: list[Work] = []
    for row, decoded in read:
        for index, one in enumerate(decoded.orders):
            works.append(planning.make_work(row["id"], row["name"], row["sha256"], index, one, ctx.client))
    with ctx.ledger.read() as conn:
        known = order_rows.by_keys(conn, {work.key for work in works})
    result = _Pass()
    first: dict[str, Work] = {}
    for work in works:
        if work.file_id in result.deferred:
            continue
        earlier = first.get(work.key)
        if earlier is not None and earlier.file_id != work.file_id:
            # The same order in two files of one batch: the second file waits until the first is settled.
            result.deferred.add(work.file_id)
            for bucket in (result.fresh, result.same, result.changed):
                bucket[:] = [one for one in bucket if one.file_id != work.file_id]
            first = {key: one for key, one in first.items() if one.file_id != work.file_id}
            continue
        work.row = known.get(work.key, {})
        if earlier is not None:
            (result.same if earlier.revision == work.revision else result.changed).append(work)
            continue
        first[work.key] = work
        _bucket(work, result).append(work)
    return result


def _bucket(work: Work, result: _Pass) -> list[Work]:
    row = work.row
    if not row:
        return result.fresh
    state = OrderState(row["state"])
    if row["revision"] == work.revision:
        if state in order_rows.UNFINISHED:
            return result.fresh
        again = state is OrderState.HELD and row["findings"] and all(f["code"] in MENDABLE for f in row["findings"])
        return result.fresh if again else result.same
    if state in (OrderState.CREATED, OrderState.REJECTED):
        return result.changed
    return result.fresh  # held, or on its way: the newer content takes its place


# --- carrying ----------------------------------------------------------------------------------------------------


def _carry(walk: Inbound, sorted_out: _Pass, files: Sequence[Row]) -> None:
    ctx = walk.ctx
    if sorted_out.fresh:
        system = ctx.system(walk.settings.into)
        planning.documents(system)
        planning.plan(sorted_out.fresh, walk.step, walk.settings, system, ctx)
    ctx.reach("inbound:planned")
    now = ctx.clock.now()
    with ctx.begin() as conn:
        _write_rows(walk, conn, sorted_out.fresh, now)
        for work in sorted_out.fresh:
            match work.action:
                case HoldOrder(findings=findings):
                    _hold(walk, conn, work, findings, now)
                case NothingToDo(reason=reason):
                    finding = Finding("nothing-to-do", reason, Where(file=work.file_name, order=work.number))
                    _settle(walk, conn, work, OrderState.NOTHING_TO_DO, (finding,), now)
                    walk.count("nothing")
                    walk.tell(**_row(work), outcome="nothing", findings=[finding])
                case CreateDocument() | None:
                    pass
        _sight(conn, walk, sorted_out, now)
        for work in sorted_out.same:
            walk.count("known")
            walk.tell(**_row(work), outcome="known", document=work.row.get("document_number"))
        for work in sorted_out.changed:
            _tell_changed(walk, conn, work)
        to_create = [work for work in sorted_out.fresh if isinstance(work.action, CreateDocument)]
        if not to_create:
            _finish_files(walk, conn, files, now)
    ctx.reach("inbound:begun")
    if to_create:
        _create(walk, to_create, files)


def _write_rows(walk: Inbound, conn: sa.Connection, works: Sequence[Work], now: datetime) -> None:
    ctx = walk.ctx
    new = [work for work in works if not work.row]
    known = [work for work in works if work.row]
    order_rows.insert(conn, [_columns(walk, work, now) for work in new])
    rows = order_rows.by_keys(conn, {work.key for work in new})
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
    order = work.order or work.decoded.order
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
        "customer": order.customer.title if order else None,
        "phone": order.customer.phone if order else None,
        "total": str(order.total) if order else None,
        "currency": order.currency if order else None,
        "items": len(order.lines) if order else None,
        "findings": None,
        "tries": 0,
        "created": now,
        "updated": now,
    }


def _create(walk: Inbound, works: Sequence[Work], files: Sequence[Row]) -> None:
    ctx = walk.ctx
    target = planning.documents(ctx.system(walk.settings.into))
    by_key = {work.key: work for work in works}
    if not files:  # mended orders: their key is written down before the target is called, as for new ones
        with ctx.begin() as conn:
            order_rows.update_many(conn, [work.row["id"] for work in works], ctx.clock.now(), state=OrderState.CREATING)
    existing = target.find(by_key)
    outcomes = [DocumentOutcome(key, ref, existed=True) for key, ref in existing.items()]
    drafts = [
        work.action.draft for work in works if work.key not in existing and isinstance(work.action, CreateDocument)
    ]
    walk.hold_on()
    ctx.reach("inbound:before-create")
    if drafts:
        outcomes.extend(target.create(drafts))
    ctx.reach("inbound:created")
    now = ctx.clock.now()
    with ctx.begin() as conn:
        _commit(walk, conn, [(by_key[outcome.key], outcome) for outcome in outcomes], now)
        _finish_files(walk, conn, files, now)
    ctx.reach("inbound:committed")


def _commit(walk: Inbound, conn: sa.Connection, done: Sequence[tuple[Work, DocumentOutcome]], now: datetime) -> None:
    made = [(work, outcome.ref) for work, outcome in done if outcome.ref is not None]
    order_rows.update_each(
        conn,
        [
            {
                "id": work.row["id"],
                "state": OrderState.CREATED,
                "document_id": ref.id,
                "document_number": ref.number,
                "findings": file_rows.findings_json(_notes(work)) or None,
            }
            for work, ref in made
        ],
        now,
    )
    carded = order_rows.carded(conn, walk.ctx.client, [_subject(work) for work, _ref in made], "held")
    for work, ref in made:
        if _subject(work) in carded:
            why = f"document {ref.number} exists"
            order_rows.close_cards(conn, walk.ctx.client, _subject(work), ("held",), now, state="resolved", why=why)
    for work, outcome in done:
        if outcome.ref is not None:
            _created(walk, conn, work, outcome.ref, existed=outcome.existed)
        else:
            _not_created(walk, conn, work, outcome.error, now)


def _created(walk: Inbound, conn: sa.Connection, work: Work, ref: DocumentRef, *, existed: bool) -> None:
    ctx = walk.ctx
    ctx.event(conn, _subject(work), "existed" if existed else "created", document=ref.number, id=ref.id)
    # A document that was found is one that a killed run made: its notice was not written, so it is written now.
    if work.order is not None:
        ctx.notify(conn, _order_notice(work.row["id"], work.order, ref))
    walk.count("created")
    walk.tell(**_row(work), outcome="created", document=ref.number, findings=list(_notes(work)))
    if existed and work.row["revision"] != work.revision:
        # a killed run had booked the earlier content before this one came
        work.row["document_number"] = ref.number
        _tell_changed(walk, conn, work)


def _not_created(walk: Inbound, conn: sa.Connection, work: Work, error: MistokError | None, now: datetime) -> None:
    error = error or MistokError(T("The target gave no answer for this order."))
    findings = tuple(
        Finding(
            finding.code,
            finding.text,
            Where(file=work.file_name, order=work.number, line=work.decoded.line, order_line=finding.where.order_line),
            finding.hint,
            finding.who,
        )
        for finding in error.findings
    )
    if isinstance(error, (Held, Rejected)):
        _hold(walk, conn, work, findings, now)
        return
    doubt = isinstance(error, InDoubt)
    words = file_rows.findings_json(findings)
    state = OrderState.IN_DOUBT if doubt else OrderState.NEW
    order_rows.update(conn, work.row["id"], now, state=state, tries=work.row["tries"] + 1, findings=words)
    walk.ctx.event(conn, _subject(work), "in-doubt" if doubt else "not-created", findings=words)
    walk.count("in_doubt" if doubt else "failed")
    walk.tell(**_row(work), outcome="in_doubt" if doubt else "failed", findings=list(findings))


def _subject(work: Work) -> str:
    return f"order:{work.row['id']}"


def _notes(work: Work) -> Sequence[Finding]:
    return work.action.notes if isinstance(work.action, CreateDocument) else ()


def _hold(walk: Inbound, conn: sa.Connection, work: Work, findings: Sequence[Finding], now: datetime) -> None:
    known = work.row["state"] == OrderState.HELD and _codes(findings) == _codes_of(work.row)
    _settle(walk, conn, work, OrderState.HELD, findings, now, event="" if known else "held")
    subject = f"order:{work.row['id']}"
    open_card(walk, conn, "held", subject, findings, work.file_id)
    if not known:
        walk.ctx.notify(conn, notices.held(subject, work.number, findings[0]))
    walk.count("held")
    walk.tell(**_row(work), outcome="held", findings=list(findings))


def _settle(
    walk: Inbound,
    conn: sa.Connection,
    work: Work,
    state: OrderState,
    findings: Sequence[Finding],
    now: datetime,
    event: str | None = None,
) -> None:
    words = file_rows.findings_json(findings)
    order_rows.update(conn, work.row["id"], now, state=state, findings=words)
    if event is None or event:
        walk.ctx.event(conn, f"order:{work.row['id']}", event or str(state), findings=words)


def _sight(conn: sa.Connection, walk: Inbound, sorted_out: _Pass, now: datetime) -> None:
    missing = {work.key for work in (*sorted_out.same, *sorted_out.changed) if not work.row}
    rows = order_rows.by_keys(conn, missing)
    seen = []
    for outcome, works in (("new", sorted_out.fresh), ("same", sorted_out.same), ("changed", sorted_out.changed)):
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
    for work in sorted_out.same:
        walk.ctx.event(conn, f"order:{work.row['id']}", "known", file=work.file_id)


def _tell_changed(walk: Inbound, conn: sa.Connection, work: Work) -> None:
    """An order that is booked came again with other content: never a second document; a person decides."""
    document = work.row.get("document_number") or ""
    finding = Finding(
        "changed-order",
        T(
            "Order №{number} came again in {file} with other content; its document {document} was left as it is.",
            number=work.number,
            file=work.file_name,
            document=document,
        ),
        Where(file=work.file_name, line=work.decoded.line, order=work.number),
        T("Compare the two files (mistok trace {number}) and correct the document by hand.", number=work.number),
        Who.ACCOUNTANT,
    )
    subject = f"order:{work.row['id']}"
    walk.ctx.event(conn, subject, "changed", file=work.file_id, revision=work.revision)
    open_card(walk, conn, "changed", subject, (finding,), work.file_id)
    walk.ctx.notify(conn, notices.held(subject, work.number, finding))
    walk.count("changed")
    walk.tell(**_row(work), outcome="changed", document=document, findings=[finding])


def _finish_files(walk: Inbound, conn: sa.Connection, files: Sequence[Row], now: datetime) -> None:
    ids = {row["id"] for row in files}
    unfinished = order_rows.unfinished_files(conn, ids)
    if unfinished:
        file_rows.update(conn, unfinished, now, state=FileState.CHECKED)
    file_rows.update(conn, ids - unfinished, now, state=FileState.DONE, findings=None)
    for row in files:
        state = "checked" if row["id"] in unfinished else "done"
        if row["state"] != state:
            walk.ctx.event(conn, f"file:{row['id']}", state)


# --- cards and notices -------------------------------------------------------------------------------------------


def open_card(
    walk: Inbound, conn: sa.Connection, kind: str, subject: str, findings: Sequence[Finding], file_id: int | None
) -> int:
    """Open (or bring up to date) a card of this client."""
    return order_rows.open_card(conn, walk.ctx.client, kind, subject, findings, walk.ctx.clock.now(), file_id)


def quarantine_notice(row: Row, findings: Sequence[Finding]) -> Notice:
    """What is told when a file is quarantined."""
    return notices.quarantined(f"file:{row['id']}", row["name"], findings[0])


def once(walk: Inbound, conn: sa.Connection, subject: str, kind: str, findings: Sequence[Finding]) -> None:
    """Tell of a trouble of ``subject`` once, until it changes."""
    _alarm(walk, conn, subject, kind, findings, timedelta.max)


def daily(walk: Inbound, conn: sa.Connection, subject: str, kind: str, findings: Sequence[Finding]) -> None:
    """Tell of a trouble of ``subject`` once a day, until it changes."""
    _alarm(walk, conn, subject, kind, findings, timedelta(days=1))


def _alarm(
    walk: Inbound, conn: sa.Connection, subject: str, kind: str, findings: Sequence[Finding], every: timedelta
) -> None:
    ctx = walk.ctx
    now = ctx.clock.now()
    code = findings[0].code if findings else kind
    before = ctx.ledger.get_value(conn, "alarm", subject)
    if before and before["code"] == code and now - datetime.fromisoformat(before["at"]) < every:
        return
    ctx.ledger.set_value(conn, "alarm", subject, {"code": code, "at": now.isoformat()})
    if findings:
        ctx.notify(conn, notices.failure(subject, ctx.job, findings[0]))


def _order_notice(row_id: int, order: Order, ref: DocumentRef) -> Notice:
    return notices.order(
        f"order:{row_id}",
        number=order.number,
        customer=order.customer.title,
        total=order.total_money,
        items=len(order.lines),
        document=ref.number,
        source=order.source,
    )


def _row(work: Work) -> dict[str, Any]:
    order = work.order or work.decoded.order
    return {
        "file": work.file_name,
        "order": work.number,
        "customer": order.customer.title if order else "",
        "total": order.total if order else None,
        "currency": order.currency if order else "",
    }


def _codes(findings: Sequence[Finding]) -> list[str]:
    return sorted(f"{finding.code}:{finding.where.order_line}" for finding in findings)


def _codes_of(row: Row) -> list[str]:
    return sorted(f"{data['code']}:{data.get('where', {}).get('order_line')}" for data in row.get("findings") or ())
