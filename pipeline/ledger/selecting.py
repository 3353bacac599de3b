"""What people mean by the words of a replay: which files of the ledger, and which of their orders."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipeline.ledger.tables import FileState, OrderState, files, orders, row_dict
from pipeline.rules.searching import fold

Row = dict[str, Any]
_PAGE = 2000
_SHA = re.compile(r"[0-9a-f]{6,64}")
_KIND = re.compile(r"(order|document|file|sha):(.+)", re.DOTALL)
_AGE = (files.c.id, files.c.first_seen, files.c.modified, files.c.name)
_LISTED = (files.c.id, files.c.name, files.c.sha256, files.c.duplicate_of, files.c.first_seen, files.c.connection)


@dataclass
class Matches:
    """What some words match exactly: orders by number or id, orders by their document's number, files."""

    orders: list[Row] = field(default_factory=list)
    documents: list[Row] = field(default_factory=list)
    files: list[Row] = field(default_factory=list)
    pattern: bool = False  #: the words were a pattern, so that several files are what was meant

    @property
    def one(self) -> bool:
        """Whether it is clear what is meant. Several files of the same bytes are one thing, in several places."""
        contents = len({row["sha256"] or row["id"] for row in self.files})
        return self.pattern or len(self.orders) + len(self.documents) + contents == 1

    def __bool__(self) -> bool:
        return bool(self.orders or self.documents or self.files)


def matching(conn: sa.Connection, client: str, words: str) -> Matches:
    """What ``words`` match: an order's number or id (``SOURCE/NUMBER`` where two shops have it), a document's number,
    a file's name (with ``*`` and ``?`` a pattern), or the beginning (six digits or more) of a SHA-256. Where nothing is
    called just so, the leading zeros of a document's number may be left out.

    ``order:``, ``document:``, ``file:`` and ``sha:`` before it say which one is meant.
    """
    asked = _KIND.fullmatch(words.strip())
    kind = asked[1] if asked else ""
    text = (asked[2] if asked else words).strip()
    found = Matches()
    if kind in ("", "order"):
        found.orders = _orders(conn, client, text.removeprefix("№").strip())
    if kind in ("", "document"):
        known = {row["id"] for row in found.orders}
        query = sa.select(orders).where(orders.c.client == client, orders.c.document_number == text)
        found.documents = [row for row in _rows(conn, query.order_by(orders.c.id)) if row["id"] not in known]
    if kind in ("", "file"):
        found.pattern = any(sign in text for sign in "*?[")
        found.files = _files_named(conn, client, text, found.pattern)
    if kind in ("", "document") and not found and text.isdecimal():  # 77 for 000077, as people say it
        bare = sa.func.ltrim(orders.c.document_number, "0") == text.lstrip("0")
        query = sa.select(orders).where(orders.c.client == client, bare)
        found.documents = list(_rows(conn, query.order_by(orders.c.id)))
    if kind == "sha" or (not kind and not found):
        sha = text.lower()
        if _SHA.fullmatch(sha):
            query = sa.select(*_LISTED).where(files.c.client == client, files.c.sha256.startswith(sha))
            found.files = _once(_rows(conn, query.order_by(files.c.id)))
    return found


def quarantined_naming(conn: sa.Connection, client: str, number: str) -> list[int]:
    """Ids of the quarantined files whose findings name this order: its number could be read, the file could not."""
    query = (
        sa.select(files.c.id, files.c.findings)
        .where(files.c.client == client, files.c.state == FileState.QUARANTINED)
        .order_by(files.c.id)
    )
    wanted = number.strip().removeprefix("№").strip()
    return [
        row.id
        for row in conn.execute(query)
        if any(finding.get("where", {}).get("order") == wanted for finding in row.findings or ())
    ]


def quarantined(conn: sa.Connection, client: str) -> list[int]:
    """Ids of the quarantined files that have a copy in the archive, oldest first."""
    return _in_states(conn, client, (FileState.QUARANTINED,))


def waiting_files(conn: sa.Connection, client: str) -> list[int]:
    """The same, with those whose orders a killed run left on their way."""
    return _in_states(conn, client, (FileState.QUARANTINED, FileState.ARCHIVED, FileState.CHECKED))


def _in_states(conn: sa.Connection, client: str, states: Collection[FileState]) -> list[int]:
    here = (files.c.client == client) & files.c.state.in_([str(state) for state in states])
    query = sa.select(files.c.id).where(here, files.c.sha256.is_not(None)).order_by(files.c.id)
    return list(conn.execute(query).scalars())


def waiting_orders(conn: sa.Connection, client: str) -> list[tuple[int, int]]:
    """(file, order) ids of the orders that are held, in doubt or left on their way, by the file of their content."""
    states = (OrderState.NEW, OrderState.CREATING, OrderState.HELD, OrderState.IN_DOUBT)
    query = sa.select(orders.c.file_id, orders.c.id).where(
        orders.c.client == client, orders.c.state.in_([str(state) for state in states])
    )
    return [(row[0], row[1]) for row in conn.execute(query.order_by(orders.c.file_id, orders.c.id))]


def of_period(conn: sa.Connection, client: str, since: datetime | None, until: datetime | None) -> list[int]:
    """Ids of the files that were first seen from ``since`` on and before ``until``, oldest first; each content once."""
    query = sa.select(*_AGE).where(files.c.client == client, files.c.duplicate_of.is_(None))
    return _oldest_first(conn.execute(_seen_within(query, since, until)))


def within(conn: sa.Connection, ids: list[int], since: datetime | None, until: datetime | None) -> list[int]:
    """Those of these files that were first seen from ``since`` on and before ``until``, oldest first."""
    rows: list[sa.Row[Any]] = []
    for start in range(0, len(ids), 400):
        query = sa.select(*_AGE).where(files.c.id.in_(ids[start : start + 400]))
        rows += conn.execute(_seen_within(query, since, until))
    return _oldest_first(rows)


def _seen_within(query: sa.Select[Any], since: datetime | None, until: datetime | None) -> sa.Select[Any]:
    if since is not None:
        query = query.where(files.c.first_seen >= since)
    return query if until is None else query.where(files.c.first_seen < until)


def _oldest_first(rows: Iterable[sa.Row[Any]]) -> list[int]:
    """In the order in which a run takes them; a ledger that was completed knows older files by higher numbers."""

    def age(row: sa.Row[Any]) -> tuple[Any, ...]:
        return (row.first_seen, row.modified or row.first_seen, row.name, row.id)

    return [row.id for row in sorted(rows, key=age)]


def _orders(conn: sa.Connection, client: str, text: str) -> list[Row]:
    named = sa.or_(orders.c.number == text, orders.c.order_id == text)
    source, slash, number = text.rpartition("/")
    if slash:
        of_source = sa.or_(orders.c.number == number, orders.c.order_id == number) & (orders.c.source == source)
        named = sa.or_(named, of_source)
    return list(_rows(conn, sa.select(orders).where(orders.c.client == client, named).order_by(orders.c.id)))


def _files_named(conn: sa.Connection, client: str, text: str, pattern: bool) -> list[Row]:
    wanted = fold(text)
    found: list[Row] = []
    above = 0
    while True:
        query = sa.select(*_LISTED).where(files.c.client == client, files.c.id > above)
        page = list(_rows(conn, query.order_by(files.c.id).limit(_PAGE)))
        for row in page:
            name = fold(row["name"])
            if name == wanted or (pattern and fnmatch.fnmatchcase(name, wanted)):
                found.append(row)
        if len(page) < _PAGE:
            return _once(found)
        above = page[-1]["id"]


def _once(found: Iterator[Row] | list[Row]) -> list[Row]:
    """The files in which something came for the first time; versions that were never fetched only if there is no other.

    A file that came again with the same bytes has its story with the first one.
    """
    rows = list(found)
    fetched = [{**row, "id": row["duplicate_of"] or row["id"]} for row in rows if row["sha256"]]
    return list({row["id"]: row for row in (fetched or rows)}.values())


def _rows(conn: sa.Connection, query: sa.Select[Any]) -> Iterator[Row]:
    return (row_dict(row) for row in conn.execute(query))
