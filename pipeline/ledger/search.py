"""Looking for orders and files by what people type: any case, words in any order, telephones as they are written.

The comparison is made here and not by the database, because SQLite folds the case of Latin letters only and PostgreSQL
folds by the locale it was set up with: the same words must find the same rows everywhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipeline.ledger.tables import files, orders, publications, row_dict, sightings
from pipeline.rules.searching import matcher

Row = dict[str, Any]
_CHUNK = 400
#: Rows that are asked of the database at a time; the search ends with the first ``limit`` matches.
_PAGE = 2000


def find_orders(
    conn: sa.Connection,
    client: str,
    text: str | None = None,
    states: Collection[str] = (),
    limit: int = 50,
    *,
    personal: bool = True,
) -> list[Row]:
    """Orders, newest first: by number, id, document, customer, telephone, source, or a file that they came in.

    Not ``personal``: neither by customer nor by telephone, for somebody who is not to know of whom an order is.
    """
    query = sa.select(orders).where(orders.c.client == client)
    if states:
        query = query.where(orders.c.state.in_(list(states)))
    if not text or not text.strip():
        return [row_dict(row) for row in conn.execute(query.order_by(orders.c.id.desc()).limit(limit))]
    matches = matcher(text)
    found: list[Row] = []
    for page in _pages(conn, query, orders):
        names = _file_names(conn, [row["id"] for row in page])
        for row in page:
            fields = (row["number"], row["order_id"], row["document_number"], row["source"])
            people = (row["customer"],) if personal else ()
            if matches((*fields, *people, *names.get(row["id"], ())), (row["phone"],) if personal else ()):
                found.append(row)
                if len(found) == limit:
                    return found
    return found


def orders_called(conn: sa.Connection, client: str, name: str, limit: int = 20) -> list[Row]:
    """Orders whose number, id or document number is exactly ``name``; newest first."""
    same = sa.or_(orders.c.number == name, orders.c.order_id == name, orders.c.document_number == name)
    query = sa.select(orders).where(orders.c.client == client, same).order_by(orders.c.id.desc()).limit(limit)
    return [row_dict(row) for row in conn.execute(query)]


def find_files(
    conn: sa.Connection,
    client: str,
    text: str | None = None,
    limit: int = 50,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[Row]:
    """Files that came, newest first: by words of the name or folder, or the beginning of the SHA-256; those that were
    first seen from ``since`` on and before ``until``."""
    return _named(conn, client, files, text, limit, files.c.first_seen, since, until)


def find_publications(
    conn: sa.Connection,
    client: str,
    text: str | None = None,
    limit: int = 50,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[Row]:
    """Files that were published, newest first: by words of the name or folder, or the beginning of the SHA-256; from
    ``since`` on and before ``until``."""
    return _named(conn, client, publications, text, limit, publications.c.at, since, until)


def _named(
    conn: sa.Connection,
    client: str,
    table: sa.Table,
    text: str | None,
    limit: int,
    moment: sa.Column[datetime],
    since: datetime | None,
    until: datetime | None,
) -> list[Row]:
    query = sa.select(table).where(table.c.client == client)
    if since is not None:
        query = query.where(moment >= since)
    if until is not None:
        query = query.where(moment < until)
    if not text or not text.strip():
        return [row_dict(row) for row in conn.execute(query.order_by(table.c.id.desc()).limit(limit))]
    matches = matcher(text)
    sha = text.strip().lower()
    found: list[Row] = []
    for page in _pages(conn, query, table):
        for row in page:
            if (row["sha256"] or "").startswith(sha) or matches((row["name"], row["folder"]), ()):
                found.append(row)
                if len(found) == limit:
                    return found
    return found


def _pages(conn: sa.Connection, query: sa.Select[Any], table: sa.Table) -> Iterator[list[Row]]:
    """The rows of a query on ``table`` from the newest on, some at a time."""
    below: int | None = None
    while True:
        part = query if below is None else query.where(table.c.id < below)
        page = [row_dict(row) for row in conn.execute(part.order_by(table.c.id.desc()).limit(_PAGE))]
        if page:
            yield page
        if len(page) < _PAGE:
            return
        below = page[-1]["id"]


def _file_names(conn: sa.Connection, ids: list[int]) -> dict[int, list[str]]:
    """Names of the files in which each of these orders appeared."""
    found: dict[int, list[str]] = {}
    for start in range(0, len(ids), _CHUNK):
        query = (
            sa.select(sightings.c.order_row, files.c.name)
            .join(files, files.c.id == sightings.c.file_id)
            .where(sightings.c.order_row.in_(ids[start : start + _CHUNK]))
        )
        for order_row, name in conn.execute(query):
            found.setdefault(order_row, []).append(name)
    return found
