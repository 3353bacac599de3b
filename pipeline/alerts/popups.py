"""What a person's own PC is told, as values: one popup for one notice, or one for several. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from itertools import groupby
from typing import Any

from pipeline.alerts import notices
from pipeline.rules.telling import came_meanwhile
from pipeline.texts import TN, T, Text

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Popup:
    """One popup. It stands for those numbered from ``first`` to ``last``; ``path``: its page on the server."""

    first: int
    last: int
    kind: str
    title: Text
    body: Text
    path: str
    created: datetime
    count: int = 1

    def to_json(self, language: str) -> dict[str, Any]:
        """What is sent, in the language of the reader."""
        return {
            "first": self.first,
            "last": self.last,
            "kind": self.kind,
            "title": self.title.render(language),
            "body": self.body.render(language),
            "path": self.path,
            "created": self.created.isoformat(),
            "count": self.count,
        }


def popups_of(rows: Sequence[Row], now: datetime, burst: int, away: timedelta = timedelta(0)) -> list[Popup]:
    """The popups of what a PC has not got yet (``rows`` as ``pipeline.ledger.pcs.after`` gives them).

    Several that have come while it was ``away`` for long, or more than ``burst``, are one.
    """
    groups = [list(group) for _, group in groupby(rows, key=lambda row: row["seq"])]
    if came_meanwhile([group[0]["released"] for group in groups], now, burst, away):
        return [_summary(rows, T("They came while this PC did not listen."))]
    return [_popup(group) for group in groups]


def _popup(rows: Sequence[Row]) -> Popup:
    if len(rows) > 1:
        quiet = all(row["quiet"] for row in rows)
        return _summary(rows, T("They came in the quiet hours.") if quiet else None)
    (row,) = rows
    title, body = Text.from_json(row["title"]), Text.from_json(row["body"])
    return Popup(row["seq"], row["seq"], row["kind"], title, body, path_of(row["subject"], row["kind"]), row["created"])


def _summary(rows: Sequence[Row], why: Text | None) -> Popup:
    title, lines = digest(rows)
    body = notices.stacked([*lines, *([why] if why else [])] or [T("See the page.")])
    kinds = {row["kind"] for row in rows}
    path = path_of("", kinds.pop() if len(kinds) == 1 else "")
    first, last = rows[0]["seq"], rows[-1]["seq"]
    return Popup(first, last, "summary", title, body, path, rows[-1]["created"], len(rows))


def digest(rows: Sequence[Row]) -> tuple[Text, list[Text]]:
    """Title and lines that stand for many notices: rows with ``kind`` and ``data``."""
    by_kind: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_kind[row["kind"] if row["kind"] in _APART else ""].append(row)
    if len(by_kind) == 1:
        kind = next(iter(by_kind))
        return notices.headline(kind, len(rows)), list(_lines(kind, rows))
    lines: list[Text] = []
    for kind in sorted(by_kind, key=lambda one: _APART.index(one) if one else len(_APART)):
        told = by_kind[kind]
        inside = list(_lines(kind, told))
        head = notices.headline(kind, len(told))
        lines.append(T("{kind}: {what}", kind=head, what=inside[0]) if inside else head)
        lines.extend(inside[1:])
    return TN("{n} new message", "{n} new messages", len(rows)), lines


#: Kinds that have a line of their own in a summary, in this order.
_APART = ("order", "held", "amended", "quarantined")


def _lines(kind: str, rows: Sequence[Row]) -> Iterator[Text]:
    totals: dict[str, Decimal] = defaultdict(Decimal)
    names: dict[str, None] = {}
    for row in rows:
        said = row["data"] or {}
        if kind == "order" and said.get("currency"):
            totals[said["currency"]] += decimal(said.get("total")) or Decimal(0)
        if name := said.get("number") or said.get("name") or said.get("job"):
            names[str(name)] = None
    count = len(rows) if kind in ("order", "held", "amended") else len(names)
    yield from notices.contents(count, list(names)[: notices.NAMED], totals)


def decimal(value: object) -> Decimal | None:
    """A sum as it is kept; None when it is none."""
    try:
        return Decimal(str(value)) if value not in (None, "") else None
    except InvalidOperation:
        return None


def path_of(subject: str, kind: str) -> str:
    """The page that tells of it."""
    what, _, number = subject.partition(":")
    if what in ("order", "file") and number.isascii() and number.isdigit():
        return f"/{what}s/{number}"
    return {"order": "/orders", "amended": "/orders", "held": "/cards", "quarantined": "/cards", "brake": "/cards"}.get(
        kind, "/"
    )
