"""The lines of an archived file that are about an order, or about what is wrong in it, with the failing ones marked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline.engine.cards.excerpt import AROUND, Line, excerpt, lines_between

if TYPE_CHECKING:
    from pipeline.engine.runtime import Client

#: Lines of one order that are shown at most; of a file without orders its beginning.
MOST = 400


def of_order(client: Client, row_id: int) -> list[Line]:
    """The order's own lines of the file that holds its newest content; nothing when there is no sound copy of it."""
    from pipeline.engine.cards.story import text_of
    from pipeline.ledger import files as file_rows
    from pipeline.ledger import orders as order_rows

    with client.ledger.read() as conn:
        row = order_rows.by_ids(conn, [row_id])[row_id]
        file = file_rows.by_id(conn, row["file_id"])
        beside = order_rows.in_file(conn, row["file_id"])
    text = text_of(client, file) if file else ""
    if not text:
        return []
    marks = _marks(row["findings"] or ())
    first = row["line"] or 1
    later = [one["line"] for one in beside if one["line"] and one["line"] > first]
    last = min(later) - 1 if later else first + MOST
    return _marked(lines_between(text, first, min(last, first + MOST)), marks)


def of_file(client: Client, row_id: int) -> list[Line]:
    """The lines around each mistake of a file; without any, the beginning of it."""
    from pipeline.engine.cards.story import text_of
    from pipeline.ledger import files as file_rows

    with client.ledger.read() as conn:
        file = file_rows.by_id(conn, row_id)
    text = text_of(client, file) if file else ""
    if not file or not text:
        return []
    marks = _marks(file["findings"] or ())
    if not marks:
        return lines_between(text, 1, 60)
    shown: dict[int, Line] = {}
    for number in sorted(marks)[:40]:
        for line in excerpt(text, number, around=AROUND + 1):
            shown.setdefault(line.number, line)
    return _marked(sorted(shown.values(), key=lambda line: line.number), marks)


def _marks(findings: Sequence[dict[str, Any]]) -> set[int]:
    places = (one.get("where", {}).get("line") for one in findings)
    return {int(line) for line in places if line}


def _marked(lines: Sequence[Line], marks: set[int]) -> list[Line]:
    return [Line(line.number, line.text, line.number in marks) for line in lines]
