"""What the SKU doctor says, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline.texts import T, Text, verbatim

if TYPE_CHECKING:
    from pipeline.engine.doctor.checking import Problem

KIND_WORDS: Mapping[str, Text] = {
    "duplicate": T("several times in one system"),
    "twins": T("several spellings in one system"),
    "empty": T("without an article"),
    "damaged": T("damaged by a spreadsheet"),
    "apart": T("perhaps the same, not matched"),
    "only": T("in one system only"),
    "written": T("written otherwise, matched"),
}
MARK_WORDS: Mapping[str, Text] = {
    "case": T("capitals"),
    "spaces": T("blanks, also unseen ones"),
    "lookalikes": T("Cyrillic and Latin letters that look alike"),
    "dashes": T("dashes"),
    "zeros": T("zeros in front"),
    "apostrophe": T("an apostrophe in front"),
    "decimal": T(".0 at the end"),
    "forms": T("Unicode forms of one character"),
    "error": T("an error of a formula"),
    "exponent": T("a number with an exponent"),
    "date": T("made a date"),
    "truncated": T("digits after the fifteenth are lost"),
    "barcode": T("the barcode"),
    "name": T("the name's brackets"),
    "id": T("the system's own number"),
    "near": T("a near article or name"),
    "sku": verbatim("sku"),
    "model": verbatim("model"),
}


def mark_words(mark: str) -> Text:
    """A kind of difference or damage, or a field."""
    return MARK_WORDS.get(mark, verbatim(mark))


def marks_words(problem: Problem) -> str:
    """Why it is a problem: its marks, with the codes that stand elsewhere."""
    if problem.kind == "empty":
        elsewhere = problem.articles[0].elsewhere or {}
        return ", ".join(f"{mark_words(mark)}: {code}" for mark, code in elsewhere.items())
    return ", ".join(str(mark_words(mark)) for mark in problem.marks)


def advice(problem: Problem) -> Text:
    """What a person can do about it."""
    match problem.kind:
        case "duplicate" | "twins":
            return T("Keep one of them, or give each an article of its own in the system.")
        case "empty":
            return T("Fill the article in, in the system; or decide what it is in the workbook.")
        case "damaged":
            return T("Write it anew in the system, as text; or decide what it is in the workbook.")
        case "apart":
            return T("Write it in both in the same way, or decide in the workbook.")
        case "only":
            return T("Decide in the workbook what it is in the other system, if it is there.")
        case _:
            return T("Nothing needs to be done: matching takes them as one.")


def row_of(problem: Problem) -> dict[str, Any]:
    """A problem for JSON."""
    return {
        "kind": problem.kind,
        "marks": list(problem.marks),
        "articles": [
            {
                "system": one.system, "article": one.text, "id": one.id, "name": one.name,
                "elsewhere": dict(one.elsewhere or {}),
            }
            for one in problem.articles
        ],
        "proposals": [
            {
                "system": one.article.system, "article": one.article.bare, "id": one.article.id,
                "name": one.article.name, "why": list(one.why),
            }
            for one in problem.proposals
        ],
    }  # fmt: skip
