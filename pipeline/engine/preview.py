"""What an inbound step would do: reads into a temporary place and plans. No claim, no copy, no row, no document."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline.archive import digest
from pipeline.engine import amending, parts, reading
from pipeline.engine.context import RunContext
from pipeline.engine.foreseeing import Foreseen, Foresight, Unread, decode
from pipeline.engine.inbox import chosen, in_period
from pipeline.engine.parts import Parts
from pipeline.engine.weighing import Scales
from pipeline.errors import Finding, MistokError, Rejected, Where
from pipeline.flow import FormatPlugin, InboundSettings, InboundStep, StepResult
from pipeline.ports import Decoded, DecodedOrder, FormatContext, OrderFormat, OrderStream, ReadResult
from pipeline.settings import Settings
from pipeline.texts import TN, T

Row = dict[str, Any]
LISTED = 1000  #: orders of one large file in the table; the others are counted
TAIL = 4096
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

    def about(name: str) -> FormatContext:
        return replace(ctx.format_context(name), source=source)

    def again(data: bytes, name: str) -> Sequence[DecodedOrder]:
        return order_format.decode(data, format_settings, about(name)).orders

    def in_parts(row: Row) -> Parts | None:
        return parts.archived(ctx, order_format, settings.stream_from, format_settings, about(row["name"]), row)

    foresight = Foresight(step, settings, ctx, scales=Scales(ctx, step, settings, again, in_parts))
    batch: list[tuple[Row, Decoded]] = []
    more: Counter[str] = Counter()
    with TemporaryDirectory(dir=ctx.temp, prefix="preview-") as folder:
        size = min(settings.batch, reading.PART)
        for number, result in enumerate(transport.read_many(taken, Path(folder)), 1):
            ctx.progress(number, len(taken), T("files"))
            # a number that no file of the ledger has
            row = {"id": -number, "name": result.file.name}
            match _read(result, order_format, settings.stream_from, format_settings, about(result.file.name), ctx.temp):
                case Unread(outcome=outcome, findings=findings):
                    details.append(_whole(result.file.name, outcome, findings))
                case (sha256, Decoded() as decoded):
                    batch.append(({**row, "sha256": sha256}, decoded))
                case (sha256, stream):
                    details.extend(_row(one) for one in foresight.look(batch))
                    batch.clear()
                    with closing(stream):
                        file = {**row, "sha256": sha256}
                        last = number == len(taken)
                        _look_through(ctx, foresight, Parts(stream, file, ctx.client, size), details, more,
                                      last=last)  # fmt: skip
            if result.path is not None:
                result.path.unlink(missing_ok=True)
            if len(batch) == size:
                details.extend(_row(one) for one in foresight.look(batch))
                batch.clear()
        details.extend(_row(one) for one in foresight.look(batch))
    counts: dict[str, int] = {"files": len(listed)}
    for told in (*(row["outcome"] for row in details), *more.elements()):
        word = str(_COUNTED.get(told, told))
        counts[word] = counts.get(word, 0) + 1
    waits = any(counts.get(word) for word in ("held", "quarantined", "changed"))
    notes = (TN("{n} more order is counted, and not listed.", "{n} more orders are counted, and not listed.",
                more.total()),) if more else ()  # fmt: skip
    return StepResult(counts, waiting=waits, details=details, notes=notes)


def _look_through(
    ctx: RunContext, foresight: Foresight, whole: Parts, details: list[Row], more: Counter[str], *, last: bool
) -> None:
    """What would come of the orders of a large file: the first ones are listed, the others counted (``more``)."""
    name, listed = whole.name, 0
    try:
        whole.compare()
        for part in whole:
            for one in foresight.look_at(part, last=last):
                if listed < LISTED:
                    details.append(_row(one))
                    listed += 1
                else:
                    more[_WORDS.get(one.outcome, one.outcome)] += 1
            ctx.progress(part.done, len(whole), T("orders"))
    except Rejected as error:
        details.append(_whole(name, "quarantined", error.findings))


def _read(
    result: ReadResult,
    order_format: OrderFormat,
    least: int,
    format_settings: Settings,
    context: FormatContext,
    scratch: Path,
) -> Unread | tuple[str, Decoded | OrderStream]:
    if result.error is not None or result.path is None:
        return Unread("failed", result.error.findings if result.error else ())
    path, name = result.path, result.file.name
    with path.open("rb") as source:
        source.seek(max(path.stat().st_size - TAIL, 0))
        if not order_format.complete(source.read(), format_settings):
            words = T("The end of {file} is missing; it may still be on its way.", file=name)
            return Unread("waiting", (Finding("incomplete", words, Where(file=name)),))
    try:
        stream = parts.opened(order_format, path, least, format_settings, context, scratch)
    except Rejected as error:
        return Unread("quarantined", error.findings)
    except MistokError:
        raise
    except (Exception, SystemExit):  # noqa: BLE001 - read as a whole, it says what happened
        stream = None
    if stream is not None:
        return digest(path), stream
    decoded = decode(order_format, path, sys.maxsize, format_settings, context, scratch)
    return decoded if isinstance(decoded, Unread) else (digest(path), decoded)


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
