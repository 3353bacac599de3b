"""The workbook of the SKU doctor: what to mend, and a column in which a person decides; and reading it back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.engine.shown.doctor import KIND_WORDS, advice, mark_words, marks_words
from pipeline.errors import ConfigError, Finding, Where, Who, system_words
from pipeline.texts import LANGUAGES, T, Text

if TYPE_CHECKING:
    from pipeline.engine.doctor.aliases import Decision
    from pipeline.engine.doctor.checking import Diagnosis, Problem

DECISIONS = T("Decisions")
HEADINGS = (
    T("What"), T("System"), T("Article"), T("Number there"), T("Name"), T("Other system"), T("Proposed"),
    T("Name there"), T("Why"), T("Same as: yes, no or an article"), T("Remark"),
)  # fmt: skip
_SYSTEM, _ARTICLE, _ID, _OTHER, _PROPOSED, _DECISION, _REMARK = 1, 2, 3, 5, 6, 9, 10
#: Cells of a row of a decision that say what it is about.
_TEXTS = (_SYSTEM, _ARTICLE, _ID, _OTHER, _PROPOSED, _DECISION, _REMARK)


def write(path: Path, found: Diagnosis) -> None:
    """The workbook: decisions first, then all that was found, then the counts. Raises ConfigError."""
    from pipeline.cli.sync_sheet import write_book

    counts = [(str(KIND_WORDS[kind]), n) for kind, n in found.counts.items()]
    counts += [(str(T("Articles of {system}", system=name)), n) for name, n in found.articles.items()]
    mend = (T("What"), T("System"), T("Article"), T("Number there"), T("Name"), T("Why"), T("What to do"))
    write_book(
        path,
        [
            (DECISIONS, HEADINGS, _decisions(found)),
            (T("To mend"), mend, [line for problem in found.problems for line in _lines(problem)]),
            (T("Counts"), (T("What"), T("How many")), counts),
        ],
        as_text=True,
    )


def _decisions(found: Diagnosis) -> Iterator[Sequence[str]]:
    names = list(found.articles)
    for problem in found.problems:
        if problem.kind in ("written", "twins") or len(names) < 2:
            continue
        if problem.kind == "damaged":
            continue  # it stands among those that are in one system only, or are proposed, too
        for article in problem.articles:
            others = [name for name in names if name != article.system]
            head = (str(KIND_WORDS[problem.kind]), article.system, article.text, article.id, article.name)
            for each in problem.proposals:
                theirs = each.article
                why = ", ".join(str(mark_words(mark)) for mark in each.why)
                yield (*head, theirs.system, theirs.bare, theirs.name, why, "", "")
            if not problem.proposals:
                yield (*head, others[0] if len(others) == 1 else "", "", "", marks_words(problem), "", "")


def _lines(problem: Problem) -> Iterator[Sequence[str]]:
    for article in problem.articles:
        yield (
            str(KIND_WORDS[problem.kind]), article.system, article.text, article.id, article.name,
            marks_words(problem), str(advice(problem)),
        )  # fmt: skip


def read(path: Path) -> list[Decision]:
    """The filled rows. Raises ConfigError that tells every row that cannot be read, and what is no such workbook."""
    from zipfile import BadZipFile

    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    from pipeline.engine.doctor.aliases import Decision

    titles = {DECISIONS.render(language) for language in LANGUAGES}
    known = [tuple(one.render(language) for one in HEADINGS) for language in LANGUAGES]
    try:
        with path.open("rb") as file:
            book = load_workbook(file, read_only=True)
            title = next((one for one in book.sheetnames if one in titles), None)
            rows = list(book[title].iter_rows(values_only=True)) if title else []
    except (OSError, BadZipFile, InvalidFileException, KeyError, ValueError) as error:
        raise ConfigError(
            T("{path} cannot be read: {words}", path=str(path), words=system_words(error)),
            hint=T("It is to be a workbook that mistok doctor sku --xlsx wrote, saved as XLSX."),
        ) from error
    width = len(HEADINGS)
    if not rows or tuple(rows[0][:width]) not in known:
        raise ConfigError(
            T("{path} has no sheet of decisions as mistok doctor sku --xlsx writes it.", path=str(path)),
            hint=T("Leave its sheets, headings and columns as they were; rows may be sorted and taken out."),
        )
    findings: list[Finding] = []
    found: list[Decision] = []
    for number, row in enumerate(rows[1:], 2):
        cells = [*row, *[None] * width][:width]
        if cells[_DECISION] is None or (isinstance(cells[_DECISION], str) and not cells[_DECISION].strip()):
            continue
        if wrong := next((place for place in _TEXTS if not isinstance(cells[place], str | None)), None):
            findings.append(_damaged(path, number, HEADINGS[wrong], cells[wrong]))
            continue
        texts = ["" if one is None else str(one) for one in cells]
        found.append(
            Decision(
                number, texts[_SYSTEM].strip(), texts[_ARTICLE], texts[_ID], texts[_OTHER].strip(),
                texts[_PROPOSED].strip(), texts[_DECISION].strip(), texts[_REMARK].strip(),
            )
        )  # fmt: skip
    if findings:
        raise ConfigError(findings=tuple(findings))
    return found


def _damaged(path: Path, row: int, heading: Text, value: Any) -> Finding:
    return Finding(
        "decision",
        T(
            "{heading}: {value} is no text any more; what it was is lost.",
            heading=heading,
            value=str(value),
        ),
        Where(file=path.name, line=row),
        T("Format the cell as text, and type it anew."),
        Who.ACCOUNTANT,
    )
