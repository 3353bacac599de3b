"""What an inbound step would do: reads into a temporary place and plans. No claim, no copy, no row, no document."""

from __future__ import annotations

import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline.engine import planning
from pipeline.engine.context import RunContext
from pipeline.engine.inbox import chosen, in_period
from pipeline.engine.planning import Work
from pipeline.errors import Finding, Rejected, Where
from pipeline.flow import CreateDocument, FormatPlugin, HoldOrder, InboundSettings, InboundStep, Settings, StepResult
from pipeline.ledger import orders as order_rows
from pipeline.ledger.tables import OrderState
from pipeline.ports import OrderFormat
from pipeline.texts import T


def preview(
    step: InboundStep, settings: InboundSettings, plugin: FormatPlugin, format_settings: Settings, ctx: RunContext
) -> StepResult:
    """The plan for every file that lies in the inbox now, as rows with what would come of each order."""
    assert isinstance(plugin.format, OrderFormat)
    transport = ctx.transport(settings.inbox)
    now = ctx.clock.now()
    listed = [
        file
        for file in transport.list(settings.folder)
        if chosen(file.name, settings) and in_period(file, now, ctx.since, ctx.until)
    ]
    details: list[dict[str, Any]] = []
    works: list[Work] = []
    with TemporaryDirectory(dir=ctx.temp, prefix="preview-") as folder:
        for number, result in enumerate(transport.read_many(listed, Path(folder))):
            ctx.progress(number + 1, len(listed), T("files"))
            if result.error is not None or result.path is None:
                findings = result.error.findings if result.error else ()
                details.append({"file": result.file.name, "outcome": "failed", "findings": list(findings)})
                continue
            data = result.path.read_bytes()
            result.path.unlink()
            if not plugin.format.complete(data[-4096:], format_settings):
                words = Finding(
                    "incomplete",
                    T("The end of {file} is missing; it may still be on its way.", file=result.file.name),
                    Where(file=result.file.name),
                )
                details.append({"file": result.file.name, "outcome": "waiting", "findings": [words]})
                continue
            try:
                decoded = plugin.format.decode(data, format_settings, ctx.format_context(result.file.name))
            except Rejected as error:
                details.append({"file": result.file.name, "outcome": "quarantined", "findings": list(error.findings)})
                continue
            sha = hashlib.sha256(data).hexdigest()
            file = {"id": 0, "name": result.file.name, "sha256": sha}
            works.extend(planning.make_work(file, index, one, ctx.client) for index, one in enumerate(decoded.orders))
    if works:
        details.extend(_orders(works, step, settings, ctx))
    counts: dict[str, int] = {"files": len(listed)}
    for row in details:
        counts[row["outcome"]] = counts.get(row["outcome"], 0) + 1
    waits = any(counts.get(word) for word in ("held", "quarantined", "changed"))
    return StepResult(counts, waiting=waits, details=details)


def _orders(works: list[Work], step: InboundStep, settings: InboundSettings, ctx: RunContext) -> list[dict[str, Any]]:
    system = ctx.system(settings.into)
    with ctx.ledger.read() as conn:
        known = order_rows.by_keys(conn, {work.key for work in works})
    for work in works:
        work.row = known.get(work.key, {})  # what people decided about it counts here too
    planning.plan(works, step, settings, system, ctx)
    existing = planning.documents(system).find({work.key for work in works})
    rows = []
    seen: dict[str, str] = {}
    for work in works:
        order = work.order or work.decoded.order
        row: dict[str, Any] = {
            "file": work.file_name,
            "order": work.number,
            "customer": order.customer.title if order else "",
            "total": order.total if order else None,
            "currency": order.currency if order else "",
        }
        ledger_row = known.get(work.key)
        settled = ledger_row is not None and ledger_row["state"] in (OrderState.CREATED, OrderState.REJECTED)
        if work.key in existing or settled or work.key in seen:
            before = seen.get(work.key) or (ledger_row["revision"] if ledger_row else work.revision)
            row["outcome"] = "known" if before == work.revision else "changed"
            ref = existing.get(work.key)
            row["document"] = ref.number if ref else (ledger_row or {}).get("document_number")
        elif isinstance(work.action, HoldOrder):
            row |= {"outcome": "held", "findings": list(work.action.findings)}
        elif isinstance(work.action, CreateDocument):
            row |= {"outcome": "created", "findings": list(work.action.notes)}
        else:
            row["outcome"] = "nothing"
        seen.setdefault(work.key, work.revision)
        rows.append(row)
    return rows
