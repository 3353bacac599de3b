"""Report: a day's shop against books, with the workbook to take along."""

from __future__ import annotations

from datetime import date, timedelta
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException

from pipeline.engine.report.day import DayReport, yesterday
from pipeline.engine.report.reading import day_report
from pipeline.engine.report.sheet import workbook
from pipeline.engine.report.words import notes, on_screen, tables, title
from pipeline.web.access import Person
from pipeline.web.entry import Someone, TheSite
from pipeline.web.render import page
from pipeline.web.site import Site

router = APIRouter(include_in_schema=False)
#: Rows of one table on the page; the workbook has them all.
SHOWN = 200
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_FIRST = date(1990, 1, 1)


@router.get("/report")
def report(request: Request, site: TheSite, who: Someone, day: str = "") -> Response:
    """Yesterday, or the day that was chosen in the form."""
    if day:
        return RedirectResponse(f"/report/{_day(site, day).isoformat()}", HTTPStatus.SEE_OTHER)
    return page(request, "report.html", who, view(site, who, _newest(site)), here="report")


@router.get("/report/{day}.xlsx")
def sheet(site: TheSite, who: Someone, day: str) -> Response:
    """The workbook of a day, in the language of the page; for viewers without customers."""
    made = day_report(site.client, _day(site, day))
    site.record(who, "report", f"day:{made.day.isoformat()}")
    name = f"report-{made.day.isoformat()}.xlsx"
    return Response(
        workbook(made, names=who.may("personal")),
        media_type=XLSX,
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


@router.get("/report/{day}")
def one_day(request: Request, site: TheSite, who: Someone, day: str) -> Response:
    """A day that is named."""
    return page(request, "report.html", who, view(site, who, _day(site, day)), here="report")


def of_day(site: Site, day: date) -> DayReport:
    """The sheet of a day."""
    return day_report(site.client, day)


def view(site: Site, who: Person, day: date) -> dict[str, Any]:
    """What the page shows."""
    made = of_day(site, day)
    today = site.now().astimezone(site.client.config.zone).date()
    names = who.may("personal")
    shown: list[dict[str, Any]] = []
    for table in tables(made, names=names):
        columns = on_screen(table, names=names)
        shown.append({"table": table, "columns": columns, "rows": table.rows[:SHOWN], "left": len(table.rows) - SHOWN})
    return {
        "report": made,
        "title": title(made),
        "notes": notes(made),
        "sums": shown[0],
        "tables": [one for one in shown[1:] if one["rows"] or one["table"].name in ("differences", "waiting")],
        "before": day - timedelta(days=1) if day > _FIRST else None,
        "after": day + timedelta(days=1) if day < today else None,
        "today": today,
    }


def _newest(site: Site) -> date:
    return yesterday(site.now(), site.client.config.zone)


def _day(site: Site, word: str) -> date:
    """Raises HTTPException for what is no day, or one that has not come."""
    try:
        day = date.fromisoformat(word)
    except ValueError:
        raise HTTPException(HTTPStatus.NOT_FOUND) from None
    if not _FIRST <= day <= site.now().astimezone(site.client.config.zone).date():
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return day
