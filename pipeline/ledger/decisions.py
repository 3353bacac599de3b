"""What people decided: mappings that are kept for the client, and verdicts on one card."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipeline.ledger.tables import decisions, mappings, row_dict
from pipeline.manyrows import look_up

Row = dict[str, Any]
_CHUNK = 400
_MAPPINGS = sa.select(mappings.c.kind, mappings.c.code, mappings.c.meant).where(
    mappings.c.client == sa.bindparam("client")
)


def mappings_of(conn: sa.Connection, client: str) -> dict[tuple[str, str], str]:
    """Every mapping of the client: (kind, code) -> what is meant."""
    return {(kind, code): meant for kind, code, meant in look_up(conn, _MAPPINGS, client=client)}


def mapping_of(conn: sa.Connection, client: str, kind: str, code: str) -> str | None:
    """What one code means; None when nobody has said so."""
    where = (mappings.c.client == client) & (mappings.c.kind == kind) & (mappings.c.code == code)
    found: str | None = conn.execute(sa.select(mappings.c.meant).where(where)).scalar()
    return found


def of_pair(code: str, source: str, target: str) -> str:
    """The code under which a mapping is kept that holds between two systems only: ``erp>shop:#41``."""
    return f"{source}>{target}:{code}"


def articles_of(conn: sa.Connection, client: str, source: str, target: str) -> dict[tuple[str, str], str]:
    """(``sku``, article or ``#ID`` of the source) -> the target's article, as people said between these two systems.

    What was said for the whole client (of an order, or before mappings were kept by pair) holds as well, unless
    something else was said of this pair.
    """
    given = {code: meant for (kind, code), meant in mappings_of(conn, client).items() if kind == "sku"}
    prefix = of_pair("", source, target)
    own = {code.removeprefix(prefix): meant for code, meant in given.items() if code.startswith(prefix)}
    return {("sku", code): meant for code, meant in {**given, **own}.items()}


def give_mapping(
    conn: sa.Connection,
    client: str,
    kind: str,
    code: str,
    meant: str,
    *,
    by: str,
    now: datetime,
    card_id: int | None = None,
    why: str | None = None,
) -> str | None:
    """Keep what ``code`` means. Gives what it meant before, or None when it is new."""
    here = (mappings.c.client == client) & (mappings.c.kind == kind) & (mappings.c.code == code)
    before: str | None = conn.execute(sa.select(mappings.c.meant).where(here)).scalar()
    values = {"meant": meant, "by": by, "at": now, "card_id": card_id, "why": why}
    if before is None:
        conn.execute(mappings.insert().values(client=client, kind=kind, code=code, **values))
    else:
        conn.execute(mappings.update().where(here).values(**values))
    return before


def forget_mapping(conn: sa.Connection, client: str, kind: str, code: str) -> bool:
    """Take a mapping back; False when there is none."""
    result = conn.execute(
        mappings.delete().where(mappings.c.client == client, mappings.c.kind == kind, mappings.c.code == code)
    )
    return bool(result.rowcount)


def decide(
    conn: sa.Connection,
    client: str,
    subject: str,
    revision: str,
    verdict: str,
    codes: Iterable[str],
    *,
    by: str,
    now: datetime,
    card_id: int | None = None,
    why: str | None = None,
) -> None:
    """Write a person's verdict (``accept`` or ``reject``) on the content ``revision`` of ``subject`` down."""
    conn.execute(
        decisions.insert().values(
            client=client,
            subject=subject,
            revision=revision,
            verdict=verdict,
            codes=sorted(codes),
            by=by,
            at=now,
            card_id=card_id,
            why=why,
        )
    )


def accepted_codes(
    conn: sa.Connection, client: str, subjects: Collection[str]
) -> dict[tuple[str, str], frozenset[str]]:
    """(subject, revision) -> codes of findings that were accepted for it. A later rejection takes them back."""
    found: dict[tuple[str, str], frozenset[str]] = {}
    wanted = sorted(subjects)
    for start in range(0, len(wanted), _CHUNK):
        query = (
            sa.select(decisions)
            .where(decisions.c.client == client, decisions.c.subject.in_(wanted[start : start + _CHUNK]))
            .order_by(decisions.c.id)
        )
        for row in conn.execute(query):
            place = (row.subject, row.revision)
            if row.verdict == "accept":
                found[place] = found.get(place, frozenset()) | frozenset(row.codes)
            else:
                found.pop(place, None)
    return found


def verdict_on(conn: sa.Connection, client: str, subject: str, revision: str) -> str | None:
    """The newest verdict on this very content of a subject: ``accept``, ``reject``, or None."""
    found = verdict_after(conn, client, subject, revision, 0)
    return found[1] if found else None


def verdict_after(conn: sa.Connection, client: str, subject: str, revision: str, after: int) -> tuple[int, str] | None:
    """Number and verdict of the newest one on this very content, among those with a number above ``after``."""
    d = decisions.c
    query = (
        sa.select(d.id, d.verdict)
        .where(d.client == client, d.subject == subject, d.revision == revision, d.id > after)
        .order_by(d.id.desc())
        .limit(1)
    )
    row = conn.execute(query).first()
    return (int(row.id), str(row.verdict)) if row else None


def newest(conn: sa.Connection, client: str, subject: str) -> int:
    """Number of the last verdict on a subject; 0 when there is none."""
    query = sa.select(sa.func.max(decisions.c.id)).where(decisions.c.client == client, decisions.c.subject == subject)
    return int(conn.execute(query).scalar() or 0)


def all_mappings(conn: sa.Connection, client: str) -> list[Row]:
    """Every mapping of the client with who gave it, by kind and code."""
    query = sa.select(mappings).where(mappings.c.client == client).order_by(mappings.c.kind, mappings.c.code)
    return [row_dict(row) for row in conn.execute(query)]


def of_subject(conn: sa.Connection, client: str, subject: str) -> list[Row]:
    """The verdicts on a subject, oldest first."""
    query = (
        sa.select(decisions)
        .where(decisions.c.client == client, decisions.c.subject == subject)
        .order_by(decisions.c.id)
    )
    return [row_dict(row) for row in conn.execute(query)]


def rejections(conn: sa.Connection, client: str, subjects: Collection[str]) -> dict[str, Row]:
    """The newest verdict of each of these subjects, where it is a rejection."""
    newest: dict[str, Row] = {}
    wanted = sorted(subjects)
    for start in range(0, len(wanted), _CHUNK):
        query = (
            sa.select(decisions)
            .where(decisions.c.client == client, decisions.c.subject.in_(wanted[start : start + _CHUNK]))
            .order_by(decisions.c.id)
        )
        newest.update((row.subject, row_dict(row)) for row in conn.execute(query))
    return {subject: row for subject, row in newest.items() if row["verdict"] == "reject"}
