"""Names in the lists of an account, and what a person means by one. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pipeline.api import Ref
from plugins.systems.keycrm.values import Row, ident, text


def find(rows: Sequence[Row], code: str) -> Ref | None:
    """The one that a person means by ``code``: its id, else its alias, else its name. None: none, or several.

    Capitals and blanks at the ends do not matter for a name.
    """
    wanted = code.strip()
    for found in (
        [row for row in rows if str(ident(row.get("id"))) == wanted],
        [row for row in rows if wanted and text(row.get("alias")) == wanted],
        [row for row in rows if wanted and _same(name_of(row), wanted)],
    ):
        if len(found) == 1:
            return ref(found[0])
        if found:
            return None
    return None


def find_all(rows: Sequence[Row], codes: Collection[str]) -> dict[str, Ref]:
    """Each code with what it means."""
    return {code: one for code in codes if (one := find(rows, code)) is not None}


def ref(row: Row) -> Ref:
    """A row of a list: its id is what KeyCRM takes, and its code."""
    number = str(ident(row.get("id")) or "")
    return Ref(number, number, name_of(row))


def name_of(row: Row) -> str:
    """Its name for people."""
    return text(row.get("name")).strip() or text(row.get("full_name")).strip()


def _same(one: str, other: str) -> bool:
    return one.casefold() == other.casefold()


def refs(rows: Sequence[Row]) -> tuple[Ref, ...]:
    """All of a list, by code."""
    return tuple(sorted(map(ref, rows), key=lambda one: one.code))
