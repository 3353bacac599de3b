"""Cards: what waits for a person, each with its number, its findings, and how it was closed."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipeline.errors import Finding
from pipeline.ledger.tables import OrderState, cards, files, orders, row_dict
from pipeline.manyrows import look_up
from pipeline.texts import Text

Row = dict[str, Any]
_CHUNK = 400


def open_card(
    conn: sa.Connection,
    client: str,
    kind: str,
    subject: str,
    findings: Iterable[Finding],
    now: datetime,
    file_id: int | None = None,
) -> int:
    """Open a card, or bring the open one of this subject and kind up to date. Gives its number."""
    words = [finding.to_json() for finding in findings]
    query = sa.select(cards.c.id).where(
        cards.c.client == client, cards.c.subject == subject, cards.c.kind == kind, cards.c.state == "open"
    )
    if (number := conn.execute(query).scalar()) is not None:
        conn.execute(cards.update().where(cards.c.id == number).values(findings=words, file_id=file_id))
        return int(number)
    result = conn.execute(
        cards.insert().values(
            client=client, kind=kind, subject=subject, file_id=file_id, state="open", findings=words, opened=now
        )
    )
    assert result.inserted_primary_key is not None
    return int(result.inserted_primary_key[0])


def remark(conn: sa.Connection, client: str, subject: str, kind: str, finding: Finding) -> bool:
    """Put a finding behind the first one of an open card, in place of one of its code; False when there was one of it,
    or there is no such card."""
    query = sa.select(cards.c.id, cards.c.findings).where(
        cards.c.client == client, cards.c.subject == subject, cards.c.kind == kind, cards.c.state == "open"
    )
    row = conn.execute(query).first()
    if row is None:
        return False
    others = [one for one in row.findings if one["code"] != finding.code]
    words = [*others[:1], finding.to_json(), *others[1:]]
    conn.execute(cards.update().where(cards.c.id == row.id).values(findings=words))
    return len(others) == len(row.findings)


def said(conn: sa.Connection, client: str, subject: str, kind: str) -> list[Finding]:
    """What the open card of this subject and kind says; nothing where there is none."""
    query = sa.select(cards.c.findings).where(
        cards.c.client == client, cards.c.subject == subject, cards.c.kind == kind, cards.c.state == "open"
    )
    return [Finding.from_json(one) for one in conn.execute(query).scalar() or ()]


def close(
    conn: sa.Connection,
    client: str,
    subject: str,
    kinds: Collection[str],
    now: datetime,
    *,
    state: str,
    why: str | Text,
    by: str = "",
) -> bool:
    """Close the open cards of a subject; False when there was none. ``by``: the person who decided it, whose own words
    ``why`` then may be; see :func:`reason`."""
    if isinstance(why, Text):
        why = json.dumps(why.to_json(), ensure_ascii=False)
    result = conn.execute(
        cards.update()
        .where(
            cards.c.client == client,
            cards.c.subject == subject,
            cards.c.kind.in_(list(kinds)),
            cards.c.state == "open",
        )
        .values(state=state, closed=now, why=why, closed_by=by or None)
    )
    return bool(result.rowcount)


def reason(stored: str | None) -> str | None:
    """Why a card was closed, in the reader's language where it is not a person's own words."""
    if stored is None or not stored.startswith('{"t": '):
        return stored
    try:
        return str(Text.from_json(json.loads(stored)))
    except (ValueError, LookupError, TypeError, AttributeError):  # a person wrote what only begins like a text of ours
        return stored


def close_one(conn: sa.Connection, client: str, number: int, now: datetime, *, by: str, why: str | None) -> bool:
    """Close the open card of that number by a person's decision; False when somebody was quicker."""
    result = conn.execute(
        cards.update()
        .where(cards.c.client == client, cards.c.id == number, cards.c.state == "open")
        .values(state="resolved", closed=now, closed_by=by, why=why)
    )
    return bool(result.rowcount)


def lock(conn: sa.Connection, client: str, number: int) -> Row:
    """The card as it is now; nobody else changes it until the transaction ends."""
    query = sa.select(cards).where(cards.c.client == client, cards.c.id == number).with_for_update()
    return row_dict(conn.execute(query).one())


_CARDED = sa.select(cards.c.subject).where(
    cards.c.client == sa.bindparam("client"),
    cards.c.subject.in_(sa.bindparam("subjects", expanding=True)),
    cards.c.kind.in_(sa.bindparam("kinds", expanding=True)),
    cards.c.state == "open",
)


def carded(conn: sa.Connection, client: str, subjects: Collection[str], *kinds: str) -> set[str]:
    """Which of these subjects have an open card of one of these kinds."""
    found: set[str] = set()
    wanted = sorted(subjects)
    for start in range(0, len(wanted), _CHUNK):
        some = wanted[start : start + _CHUNK]
        found.update(row[0] for row in look_up(conn, _CARDED, client=client, subjects=some, kinds=kinds))
    return found


def listing(conn: sa.Connection, client: str, *, closed: bool = False, kinds: Collection[str] = ()) -> list[Row]:
    """The open cards (with ``closed`` all of them), oldest first, each with ``file`` (its name) and ``order``'s row.

    ``order_number`` and ``order_id`` are those of a card about an order, else None.
    """
    query = _with_names().where(cards.c.client == client)
    if not closed:
        query = query.where(cards.c.state == "open")
    if kinds:
        query = query.where(cards.c.kind.in_(list(kinds)))
    return [row_dict(row) for row in conn.execute(query.order_by(cards.c.id))]


def by_numbers(conn: sa.Connection, client: str, numbers: Collection[int]) -> dict[int, Row]:
    """Cards of the client by their numbers, with the names that :func:`listing` gives."""
    found: dict[int, Row] = {}
    wanted = sorted(numbers)
    for start in range(0, len(wanted), _CHUNK):
        query = _with_names().where(cards.c.client == client, cards.c.id.in_(wanted[start : start + _CHUNK]))
        found.update((row.id, row_dict(row)) for row in conn.execute(query))
    return found


def open_of_file(conn: sa.Connection, client: str, file_id: int) -> list[Row]:
    """The open cards that a file has brought, oldest first, with the names that :func:`listing` gives."""
    query = _with_names().where(cards.c.client == client, cards.c.state == "open", cards.c.file_id == file_id)
    return [row_dict(row) for row in conn.execute(query.order_by(cards.c.id))]


def of_subjects(conn: sa.Connection, client: str, subjects: Collection[str]) -> list[Row]:
    """Every card of these subjects, open or closed, oldest first."""
    found: list[Row] = []
    wanted = sorted(subjects)
    for start in range(0, len(wanted), _CHUNK):
        query = sa.select(cards).where(cards.c.client == client, cards.c.subject.in_(wanted[start : start + _CHUNK]))
        found.extend(row_dict(row) for row in conn.execute(query))
    return sorted(found, key=lambda row: row["id"])


def held_for(conn: sa.Connection, client: str, abouts: Collection[str]) -> list[int]:
    """Ids of the held orders, in any inbox of the client, that wait for one of these mappings (``sku:AB-1``)."""
    query = (
        sa.select(orders.c.id, orders.c.findings)
        .where(orders.c.client == client, orders.c.state == OrderState.HELD)
        .order_by(orders.c.id)
    )
    wanted = set(abouts)
    return [
        row.id for row in conn.execute(query) if any(finding.get("about") in wanted for finding in row.findings or ())
    ]


def changed_for(conn: sa.Connection, client: str, abouts: Collection[str]) -> list[Row]:
    """Open cards of orders whose newer content waits for one of these mappings, as :func:`listing` gives them."""
    wanted = set(abouts)
    query = _with_names().where(cards.c.client == client, cards.c.state == "open", cards.c.kind == "changed")
    rows = [row_dict(row) for row in conn.execute(query.order_by(cards.c.id))]
    return [row for row in rows if any(finding.get("about") in wanted for finding in row["findings"])]


def _with_names() -> sa.Select[Any]:
    # computed from the card's side, so that the order is found by its id
    of_order = sa.case((cards.c.subject.like("order:%"), sa.cast(sa.func.substr(cards.c.subject, 7), sa.BigInteger)))
    return (
        sa.select(
            cards,
            files.c.name.label("file"),
            orders.c.id.label("order_row"),
            orders.c.number.label("order_number"),
            orders.c.order_id.label("order_id"),
            orders.c.source.label("order_source"),
            orders.c.customer.label("order_customer"),
        )
        .outerjoin(files, files.c.id == cards.c.file_id)
        .outerjoin(orders, orders.c.id == of_order)
    )
