"""What a plan of products and prices would do, in rows and sentences for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, tzinfo
from decimal import Decimal
from typing import Any

from pipeline.engine.sync.plan import (
    UNKNOWN,
    SyncPlan,
    Update,
)
from pipeline.engine.sync.rows import Row
from pipeline.errors import Finding
from pipeline.syncing import is_price
from pipeline.texts import T


def article_of(row: Row) -> str:
    """What people know a row by."""
    return row.article or row.offer.title


def prices_told(updates: Sequence[Update], zone: tzinfo) -> list[Finding]:
    """A finding for each price that would change."""
    return [
        Finding(
            "differs",
            T(
                "{article}: {name} {after} instead of {before}.",
                article=article_of(one.row),
                name=change.name,
                after=_shown(change.after, zone),
                before=_shown(change.before, zone),
            ),
        )
        for one in updates
        for change in one.changes
        if is_price(change.name)
    ]


def _shown(value: Any, zone: tzinfo) -> Any:
    if isinstance(value, Decimal):
        return value
    words = plain(value, zone)
    return (" / ".join(words) if isinstance(words, list) else words) or "—"


def plan_rows(made: SyncPlan, zone: tzinfo = UTC) -> list[dict[str, Any]]:
    """The plan as rows for tables, JSON and XLSX: times in ``zone``; one for each product that differs."""
    rows: list[dict[str, Any]] = []
    for create in made.creates:
        base = create.draft.base
        rows.append(
            {
                "act": "new" if not base.id else "new-variants",
                "near": [
                    {"article": next(iter(one.keys.values()), ""), "name": one.title, "id": one.id}
                    for row in create.rows
                    for one in made.near.get(row.key, ())
                ],
                "article": article_of(create.rows[0]),
                "name": base.title,
                "id": base.id,
                "changes": [
                    {"field": name, "before": None, "after": plain(value, zone)} for name, value in base.values.items()
                ],
                "variants": [
                    {"article": row.article, "values": {name: plain(value, zone) for name, value in one.values.items()}}
                    for row, one in zip(create.rows[1:], create.draft.variants, strict=True)
                ],
            }
        )
    rows += [
        {
            "act": "changed",
            "article": article_of(update.row),
            "name": update.row.offer.title if update.row.offer.values.get("name") else update.target.title,
            "id": update.target.id,
            "changes": [
                {"field": change.name, "before": plain(change.before, zone), "after": plain(change.after, zone)}
                for change in update.changes
            ],
        }
        for update in made.updates
    ]
    rows += [
        {
            "act": "vanished",
            "article": next(iter(gone.target.keys.values()), ""),
            "name": gone.target.title,
            "id": gone.target.id,
            "changes": [],
            "then": gone.act,
        }
        for gone in made.vanished
    ]
    return rows


def plain(value: Any, zone: tzinfo = UTC) -> Any:
    """A value of a field for JSON and tables: numbers as text, special prices in words with times of ``zone``."""
    from pipeline.model import SpecialPrice

    match value:
        case Decimal():
            return format(value, "f")
        case SpecialPrice():
            amount = f"{value.money.amount} {value.money.currency}"
            if value.start is None and value.end is None:
                return amount
            start, end = (f"{one.astimezone(zone):%Y-%m-%d %H:%M}" if one else "…" for one in (value.start, value.end))
            return f"{amount}, {start} – {end}"
        case Mapping():
            return {str(name): plain(one, zone) for name, one in value.items()}
        case tuple() | list():
            return [plain(one, zone) for one in value]
        case str() | bool() | int() | None:
            return value
        case _ if value is UNKNOWN:
            return "?"
        case _:
            return str(value)
