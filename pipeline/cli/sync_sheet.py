"""Plans and comparisons as workbooks, for people who would rather look at a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import ConfigError, Finding, system_words
from pipeline.texts import T, Text

if TYPE_CHECKING:
    from pipeline.engine.runtime import RunReport
    from pipeline.engine.sync.compare import Comparison

_CHARACTERS = 32_000  #: of one cell; the format itself allows 32,767


def write_plan(path: Path, report: RunReport) -> None:
    """The plan, or what was done, of each step: counts, differences field by field, remarks. Raises ConfigError."""
    from pipeline.cli.sync import findings_of

    sheets: list[tuple[Text, Sequence[Text], Iterable[Sequence[Any]]]] = []
    counts = [(step.step, word, n) for step in report.steps if step.result for word, n in step.result.counts.items()]
    sheets.append((T("Counts"), (T("Step"), T("What"), T("How many")), counts))
    rows = [row for step in report.steps if step.result for row in step.result.details]
    headings = (T("What"), T("Article"), T("Name"), T("Number there"), T("Field"), T("Before"), T("After"))
    sheets.append((T("Differences"), headings, [line for row in rows for line in _lines(row)]))
    findings = [one for step in report.steps for one in findings_of(step)]
    sheets.append(_remarks(findings))
    write_book(path, sheets)


def write_comparison(path: Path, first: str, second: str, found: Comparison, rows: Sequence[Mapping[str, Any]]) -> None:
    """A comparison. Raises ConfigError."""
    from pipeline.cli.sync import COUNTS, WHAT
    from pipeline.texts import verbatim

    counts = [(str(COUNTS[name]), n) for name, n in found.counts.items()]
    headings = (
        T("What"), T("Article"), T("Name"), T("Number there"), T("Field"), verbatim(first), verbatim(second),
        T("Step"),
    )  # fmt: skip
    lines = [
        (str(WHAT.get(row["what"], row["what"])), row["article"], row["name"], row["id"], row.get("field", ""),
         row.get("first"), row.get("second"), ", ".join(row["steps"]))
        for row in rows
    ]  # fmt: skip
    write_book(
        path,
        [
            (T("Counts"), (T("What"), T("How many")), counts),
            (T("Differences"), headings, lines),
            _remarks((*found.findings, *found.remarks)),
        ],
    )


def _remarks(findings: Sequence[Finding]) -> tuple[Text, Sequence[Text], Iterable[Sequence[Any]]]:
    rows = [(one.where.element or "", str(one.text), str(one.hint or "")) for one in findings]
    return T("Remarks"), (T("Article"), T("What"), T("What to do")), rows


def _lines(row: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    from pipeline.engine.shown.syncs import PLAN_ACTS as ACTS
    from pipeline.engine.shown.syncs import flat

    head = (str(ACTS.get(row["act"], row["act"])), row["article"], row["name"], row["id"])
    if "warehouse" in row:
        return [(*head, row["warehouse"], row["before"], row["after"])]
    lines = [(*head, one["field"], flat(one["before"]), flat(one["after"])) for one in row["changes"]]
    for variant in row.get("variants", ()):
        own = (head[0], variant["article"], row["name"], "")
        lines += [(*own, name, "", flat(value)) for name, value in variant["values"].items()]
    return lines or [(*head, "", "", row.get("then", ""))]


#: Narrowest and widest column, in characters.
_NARROW, _WIDE = 8, 60


def write_book(
    path: Path, sheets: Sequence[tuple[Text, Sequence[Text], Iterable[Sequence[Any]]]], *, as_text: bool = False
) -> None:
    """A workbook of these sheets: title, headings, rows. Raises ConfigError.

    Args:
        as_text: its cells are for typing, too, and a spreadsheet keeps what is typed as it is: ``0042`` stays a text.
            An empty text is an empty cell of that kind.
    """
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    try:
        with path.open("wb") as file:  # first of all: a workbook that was begun cannot be given up quietly
            book = Workbook(write_only=True)
            for title, headings, given in sheets:
                sheet = book.create_sheet(str(title)[:31])
                rows = list(given)
                sheet.freeze_panes = "A2"
                for place, heading in enumerate(headings):
                    longest = max((len(str(row[place] or "")) for row in rows if place < len(row)), default=0)
                    width = min(max(longest, len(str(heading)), _NARROW) + 2, _WIDE)
                    sheet.column_dimensions[get_column_letter(place + 1)].width = width
                if rows:
                    sheet.auto_filter.ref = f"A1:{get_column_letter(len(headings))}{len(rows) + 1}"
                cells = [WriteOnlyCell(sheet, value=str(one)) for one in headings]
                for cell in cells:
                    cell.font = Font(bold=True)
                sheet.append(cells)
                for row in rows:
                    sheet.append([_cell(sheet, value, as_text=as_text) for value in row])
            book.save(file)
    except OSError as error:
        raise ConfigError(
            T("{path} cannot be written: {words}", path=str(path), words=system_words(error)),
            hint=T("Name a file in a folder that exists."),
        ) from error


def _cell(sheet: Any, value: Any, *, as_text: bool = False) -> Any:
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    if not isinstance(value, str):
        return value
    if as_text and not value:
        cell = WriteOnlyCell(sheet)
        cell.number_format = "@"
        return cell
    cell = WriteOnlyCell(sheet, value=ILLEGAL_CHARACTERS_RE.sub("", value)[:_CHARACTERS])
    cell.data_type = "s"  # a text that begins with = is a text, and no formula
    if as_text:
        cell.number_format = "@"
    return cell
