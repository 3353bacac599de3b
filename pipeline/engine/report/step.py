"""The step that writes the sheet of a day: to a folder, and told on request by the channels of the client."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from datetime import date, timedelta
from typing import TYPE_CHECKING, TypeVar

from pipeline.alerts import notices
from pipeline.engine.report import words
from pipeline.engine.report.asking import ask
from pipeline.engine.report.day import DayReport
from pipeline.engine.report.reading import day_report
from pipeline.engine.report.sheet import workbook
from pipeline.engine.runtime import Client
from pipeline.errors import FolderMissing
from pipeline.flow import ReportSettings, ReportStep, StepResult
from pipeline.ports import Notice
from pipeline.texts import T, use_language

if TYPE_CHECKING:
    from pipeline.engine.context import RunContext

X = TypeVar("X")


def run(step: ReportStep, settings: ReportSettings, ctx: RunContext) -> StepResult:
    """Write the sheet of the day that the settings mean, or of the one that ``--since`` names.

    Raises Transient and Refused of the connection; an accounting system that does not answer is told, and the sheet has
    what its documents said last.
    """
    now = (ctx.since or ctx.clock.now()).astimezone(ctx.config.zone)
    day = now.date() if ctx.since else now.date() - timedelta(days=settings.days_back)
    troubles = ask(ctx, day) if settings.ask and not ctx.dry_run else ()
    keep = step.keep
    client = Client(ctx.config, ctx.registry, ctx.ledger, ctx.archive, ctx.clock)
    report = day_report(client, day, keep=(lambda row: keep(row, settings)) if keep else None)
    name = settings.name.replace("{day}", day.isoformat())
    place = f"{settings.to}/{settings.folder}".rstrip("/") + f"/{name}"
    counts = {"orders": len(report.orders), "differences": len(report.differences), "open": len(report.waiting)}
    said = T("The sheet of {day} would be written to {place}.", day=day.isoformat(), place=place)
    if not ctx.dry_run:
        _write(ctx, settings, name, in_language(ctx.config.language, lambda: workbook(report)))
        said = T("The sheet of {day} is in {place}.", day=day.isoformat(), place=place)
        with ctx.begin() as conn:
            ctx.event(conn, f"job:{ctx.job}", "reported", day=day.isoformat(), place=place, name=name)
            if settings.tell:
                language = ctx.config.alerts.language or ctx.config.language
                ctx.notify(conn, in_language(language, lambda: notice(report, place, page_of(ctx, day), ctx.job)))
    told = (said, *(finding.text for finding in troubles))
    return StepResult(counts, notes=told, remarks=troubles)


def page_of(ctx: RunContext, day: date) -> str:
    """Where the same is on the page; "" where none is offered, or it is not known how people reach it."""
    web = ctx.config.web
    if web is None:
        return ""
    return f"{(web.url or f'http://{web.listen}').rstrip('/')}/report/{day.isoformat()}"


def notice(report: DayReport, place: str, page: str, job: str) -> Notice:
    """What people are told of the sheet."""
    return notices.report(
        f"job:{job}",
        day=report.day,
        shop=words.amounts(report.totals, "total"),
        books=words.amounts(report.totals, "documents_total"),
        orders=len(report.orders),
        differences=len(report.differences),
        waiting=len(report.waiting),
        late=len(report.late),
        place=place,
        page=page,
    )


def in_language(language: str, make: Callable[[], X]) -> X:
    """What is made while this language is in use."""

    def there() -> X:
        use_language(language)
        return make()

    return contextvars.copy_context().run(there)


def _write(ctx: RunContext, settings: ReportSettings, name: str, data: bytes) -> None:
    transport = ctx.transport(settings.to)
    try:
        transport.write(settings.folder, name, data)
    except FolderMissing:
        transport.make_folder(settings.folder)
        transport.write(settings.folder, name, data)
