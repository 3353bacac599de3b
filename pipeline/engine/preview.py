"""What an inbound step would do: reads into a temporary place and plans. No claim, no copy, no row, no document."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline.engine import amending, reading
from pipeline.engine.context import RunContext
from pipeline.engine.foreseeing import Foreseen, Foresight, Unread, decode
from pipeline.engine.inbox import chosen, in_period
from pipeline.engine.weighing import Scales
from pipeline.errors import Finding, Where
from pipeline.flow import FormatPlugin, InboundSettings, InboundStep, StepResult
from pipeline.ports import Decoded, DecodedOrder, OrderFormat, ReadResult
from pipeline.settings import Settings
from pipeline.texts import T

Row = dict[str, Any]
#: What a run says of orders for which nothing is to be done.
_WORDS = {"same": "known", "exists": "known", "refused": "rejected-again"}
_COUNTED = {"older": "known", "rejected-again": "known"}


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
    large = [file for file in listed if file.size > settings.max_size]
    details: list[Row] = [
        _whole(file.name, "quarantined", reading.too_large(file, settings.max_size)) for file in large
    ]
    taken = [file for file in listed if file not in set(large)]
    source = f"{settings.inbox}/{settings.folder}".strip("/")
    order_format = plugin.format

    def again(data: bytes, name: str) -> Sequence[DecodedOrder]:
        return order_format.decode(data, format_settings, replace(ctx.format_context(name), source=source)).orders

    foresight = Foresight(step, settings, ctx, scales=Scales(ctx, step, settings, again))
    batch: list[tuple[Row, Decoded]] = []
    with TemporaryDirectory(dir=ctx.temp, prefix="preview-") as folder:
        for number, result in enumerate(transport.read_many(taken, Path(folder)), 1):
            ctx.progress(number, len(taken), T("files"))
            context = replace(ctx.format_context(result.file.name), source=source)
            match _read(result, order_format, format_settings, context):
                case Unread(outcome=outcome, findings=findings):
                    details.append(_whole(result.file.name, outcome, findings))
                case (sha256, Decoded() as decoded):
                    # a number that no file of the ledger has
                    batch.append(({"id": -number, "name": result.file.name, "sha256": sha256}, decoded))
            if len(batch) == settings.batch:
                details.extend(_row(one) for one in foresight.look(batch))
                batch.clear()
        details.extend(_row(one) for one in foresight.look(batch))
    counts: dict[str, int] = {"files": len(listed)}
    for row in details:
        word = _COUNTED.get(row["outcome"], row["outcome"])
        counts[str(word)] = counts.get(str(word), 0) + 1
    waits = any(counts.get(word) for word in ("held", "quarantined", "changed"))
    return StepResult(counts, waiting=waits, details=details)


def _read(
    result: ReadResult, order_format: OrderFormat, format_settings: Settings, context: Any
) -> Unread | tuple[str, Decoded]:
    if result.error is not None or result.path is None:
        return Unread("failed", result.error.findings if result.error else ())
    data = result.path.read_bytes()
    result.path.unlink()
    if not order_format.complete(data[-4096:], format_settings):
        name = result.file.name
        words = T("The end of {file} is missing; it may still be on its way.", file=name)
        return Unread("waiting", (Finding("incomplete", words, Where(file=name)),))
    decoded = decode(order_format, data, format_settings, context)
    return decoded if isinstance(decoded, Unread) else (hashlib.sha256(data).hexdigest(), decoded)


def _whole(name: str, outcome: str, findings: tuple[Finding, ...]) -> Row:
    return {"file": name, "outcome": outcome, "findings": list(findings)}


def _row(one: Foreseen) -> Row:
    work = one.work
    order = work.order or work.decoded.order
    row: Row = {
        "file": work.file_name,
        "order": work.number,
        "customer": order.customer.title if order else "",
        "total": order.total if order else None,
        "currency": order.currency if order else "",
        "outcome": _WORDS.get(one.outcome, one.outcome),
    }
    if one.outcome in ("created", "held"):
        row["findings"] = list(one.findings)
    elif one.change is not None and one.outcome not in ("same", "older", "refused"):
        row["findings"] = [*one.findings, *amending.differences_told(one.change, amending.SHOWN)]
    if one.document:
        row["document"] = one.document
    return row
