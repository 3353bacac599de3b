"""The sheet of a day as a workbook: numbers are numbers with a format, headers stay in sight, columns have widths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from io import BytesIO
from typing import TYPE_CHECKING, Any

from pipeline.engine.report.day import DayReport
from pipeline.engine.report.words import Column, Table, notes, tables, title
from pipeline.texts import current_language

if TYPE_CHECKING:
    from openpyxl.worksheet.worksheet import Worksheet

_WHEN = {"uk": "dd.mm.yyyy hh:mm", "en": "yyyy-mm-dd hh:mm"}
_MONEY, _COUNT = "#,##0.00", "#,##0"
_CHARACTERS = 32_000  #: of one cell; the format itself allows 32,767
_NARROW, _WIDE = 9, 60  #: widths of columns, in characters
_HEAD = "DDE7F0"


def workbook(report: DayReport, *, names: bool = True) -> bytes:
    """The sheet in the language in use. ``names`` False: without customers."""
    from openpyxl import Workbook

    book = Workbook()
    book.remove(book.active)
    for table in tables(report, names=names):
        sheet = book.create_sheet(str(table.title)[:31])
        first = table.name == "sums"
        lines = [str(title(report)), *map(str, notes(report))] if first else [str(table.title)]
        _write(sheet, table, lines)
    book.properties.title = str(title(report))
    book.properties.creator = "Mistok"
    out = BytesIO()
    book.save(out)
    return out.getvalue()


def _write(sheet: Worksheet, table: Table, lines: Sequence[str]) -> None:
    from openpyxl.styles import Alignment, Font, PatternFill
    from openpyxl.utils import get_column_letter

    for place, words in enumerate(lines, 1):
        _put(sheet, place, 1, words)
    sheet.cell(1, 1).font = Font(bold=True, size=14)
    head = len(lines) + 2
    for place, column in enumerate(table.columns, 1):
        _put(sheet, head, place, str(column.heading))
        cell = sheet.cell(head, place)
        cell.font = Font(bold=True)
        cell.fill = PatternFill("solid", fgColor=_HEAD)
        cell.alignment = Alignment(
            wrap_text=True, vertical="top", horizontal="left" if column.kind == "text" else "right"
        )
    for line, row in enumerate(table.rows, head + 1):
        for place, column in enumerate(table.columns, 1):
            _put(sheet, line, place, row[column.name], column.kind)
        if table.name == "sums" and (line == head + 1 or row["group"] != table.rows[line - head - 2]["group"]):
            sheet.cell(line, 1).font = Font(bold=True)
    if not table.rows:
        _put(sheet, head + 1, 1, str(table.empty))
    for place, column in enumerate(table.columns, 1):
        sheet.column_dimensions[get_column_letter(place)].width = _width(column, table.rows)
    sheet.freeze_panes = f"{get_column_letter(1)}{head + 1}"
    if table.rows:
        last = get_column_letter(len(table.columns))
        sheet.auto_filter.ref = f"A{head}:{last}{head + len(table.rows)}"
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight = 1, 0
    sheet.sheet_properties.pageSetUpPr.fitToPage = True
    sheet.print_title_rows = f"{head}:{head}"


def _put(sheet: Worksheet, line: int, place: int, value: Any, kind: str = "text") -> None:
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    cell = sheet.cell(line, place)
    match value:
        case None:
            return
        case datetime():
            cell.value = value.replace(tzinfo=None, second=0, microsecond=0)  # a workbook knows no zones: the client's
            cell.number_format = _WHEN.get(current_language(), _WHEN["en"])
        case Decimal():
            cell.value = value
            # a price of three places is shown as it is
            exponent = value.as_tuple().exponent
            finer = -exponent if isinstance(exponent, int) else 2
            cell.number_format = _MONEY if finer <= 2 else "#,##0." + "0" * min(finer, 10)
        case int():
            cell.value = value
            cell.number_format = _COUNT if kind == "count" else "General"
        case _:
            cell.value = ILLEGAL_CHARACTERS_RE.sub("", str(value))[:_CHARACTERS]
            cell.data_type = "s"  # a text that begins with = is a text, and no formula; 0042 stays 0042


def _width(column: Column, rows: Sequence[Mapping[str, Any]]) -> int:
    match column.kind:
        case "when":
            return 17
        case "money":
            return 16
        case "count":
            return 11
    longest = max((len(str(row[column.name] or "")) for row in rows[:500]), default=0)
    return min(max(longest + 2, len(str(column.heading)) + 2, _NARROW), _WIDE)
