"""Asks the accounting systems what the documents of a day's orders say now, and keeps it in the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import sqlalchemy as sa

from pipeline.engine.booking import says
from pipeline.engine.context import RunContext
from pipeline.engine.report.day import bounds
from pipeline.engine.report.reading import orders_of
from pipeline.errors import Finding, MistokError
from pipeline.ledger import tables as t
from pipeline.ports import Documents

#: Keys that are asked for at once.
AT_ONCE = 200


def ask(ctx: RunContext, day: date) -> tuple[Finding, ...]:
    """Look at each document of the day's orders once more. What cannot be asked stays as it was known, and is told.

    A document that a person named is not looked for: its system knows it by no key of ours.
    """
    since, until = bounds(day, ctx.config.zone)
    with ctx.ledger.read() as conn:
        rows = [row for row in orders_of(conn, ctx.client, since, until) if row["state"] == "created"]
        named = _named_by_people(conn, ctx.client, rows)
    rows = [row for row in rows if row["id"] not in named]
    findings: list[Finding] = []
    for into in sorted({row["into"] for row in rows}):
        try:
            _ask(ctx, into, [row for row in rows if row["into"] == into])
        except MistokError as error:
            findings.extend(error.findings)
    return tuple(findings)


def _ask(ctx: RunContext, into: str, rows: Sequence[dict[str, Any]]) -> None:
    system = ctx.system(into)
    if not isinstance(system, Documents):
        return
    for start in range(0, len(rows), AT_ONCE):
        some = rows[start : start + AT_ONCE]
        found = system.find({row["key"] for row in some})
        now = ctx.clock.now()
        told = []
        for row in some:
            ref = found.get(row["key"])
            if ref is None:
                told.append({"id": row["id"], "document_says": _gone(row, now.isoformat())})
            elif not ref.unfinished and (said := says(ref, now)) is not None:
                told.append({"id": row["id"], "document_says": said})
        with ctx.begin() as conn:
            _keep(conn, told)


def _gone(row: dict[str, Any], at: str) -> dict[str, Any]:
    return {**(row["document_says"] or {}), "gone": True, "at": at}


def _keep(conn: sa.Connection, told: Sequence[dict[str, Any]]) -> None:
    """Without a new ``updated``: nothing has become of the orders, which is what that says."""
    if told:
        conn.execute(
            t.orders.update()
            .where(t.orders.c.id == sa.bindparam("row_id"))
            .values(document_says=sa.bindparam("said", type_=t.orders.c.document_says.type)),
            [{"row_id": one["id"], "said": one["document_says"]} for one in told],
        )


def _named_by_people(conn: sa.Connection, client: str, rows: Sequence[dict[str, Any]]) -> set[int]:
    subjects = {f"order:{row['id']}": row["id"] for row in rows}
    e = t.events.c
    query = sa.select(e.subject).where(e.client == client, e.event == "adopted")
    return {subjects[one] for one in conn.execute(query).scalars() if one in subjects}
