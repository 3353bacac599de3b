"""What a rebuild adds to the ledger, and how it is written: in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pipeline.alerts import notices
from pipeline.archive import Entry
from pipeline.engine.booking import document_columns, says
from pipeline.engine.carrying import Place
from pipeline.engine.published import UNDER_WAY
from pipeline.engine.runtime import Client
from pipeline.errors import Finding, Where, Who
from pipeline.ledger import cards
from pipeline.ledger import orders as order_rows
from pipeline.ledger import tables as t
from pipeline.ledger.store import Ledger
from pipeline.ledger.tables import FileState, OrderState
from pipeline.model import Money
from pipeline.ports import DocumentRef
from pipeline.texts import T


@dataclass(frozen=True, slots=True)
class Seen:
    """One appearance of an order in an archived file."""

    key: str
    source: str
    order_id: str
    number: str
    revision: str
    line: int | None
    customer: str | None
    phone: str | None
    total: Decimal | None
    currency: str | None
    items: int | None
    placed: datetime | None = None
    payment_method: str | None = None
    payment_status: str | None = None
    status: str | None = None


@dataclass
class FileRow:
    """A file that is to be written down. ``state``: acknowledged, done, archived, quarantined, pruned, published."""

    entry: Entry
    place: Place | None
    state: str = "archived"
    seen: list[Seen] = field(default_factory=list)
    unread: tuple[Finding, ...] = ()
    twin_of: FileRow | None = None
    settled: bool = True
    policy: str = "gone"  #: what became of one that is done with: of an order's paper, that it was never on a server
    id: int = 0

    @property
    def name(self) -> str:
        """As the server gave it."""
        return self.entry.name

    @property
    def sha256(self) -> str:
        """Of its copy."""
        return self.entry.sha256


@dataclass
class OrderRow:
    """An order that is to be written down. ``state``: created, new, rejected; other: its document has another sum."""

    seen: Seen
    home: FileRow
    state: str = "new"
    ref: DocumentRef | None = None

    @property
    def number(self) -> str:
        """As people call it."""
        return self.seen.number

    @property
    def order_id(self) -> str:
        """As the shop calls it."""
        return self.seen.order_id

    @property
    def source(self) -> str:
        """The shop."""
        return self.seen.source

    @property
    def total(self) -> Decimal | None:
        """As the file says."""
        return self.seen.total

    @property
    def currency(self) -> str:
        """Of the total."""
        return self.seen.currency or ""

    @property
    def document(self) -> str | None:
        """Its number in the target."""
        return self.ref.number if self.ref else None

    @property
    def file(self) -> str:
        """Name of the file that it came in."""
        return self.home.name


@dataclass
class Rebuild:
    """What a rebuild adds to the ledger."""

    files: list[FileRow] = field(default_factory=list)
    orders: list[OrderRow] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)  #: copies that nothing could be made of
    known: dict[str, int] = field(default_factory=dict)  #: rows of orders by key that the ledger has already
    outgrown: set[tuple[Entry, str]] = field(default_factory=set)  #: appearances by key, older than what it knows
    found: list[tuple[Mapping[str, Any], DocumentRef]] = field(
        default_factory=list
    )  #: held orders, by row, that have one
    before: Path | None = None  #: where a damaged ledger was set aside

    def counts(self) -> dict[str, dict[str, int]]:
        """Files and orders by what becomes of them."""
        return {
            "files": dict(Counter(one.state for one in self.files)),
            "orders": dict(Counter(one.state for one in self.orders) + Counter(found=len(self.found))),
        }


def write(client: Client, done: Rebuild, by: str) -> None:
    """Write a rebuild down, in one transaction. Raises Transient when the ledger does not answer."""
    ledger = client.ledger
    now = ledger.clock.now()
    with ledger.begin() as conn:
        for row in done.files:
            if row.state == "published":
                _publication(conn, client, row.entry)
            else:
                row.id = _insert(conn, t.files, _file_values(client, row, now))
        for row in done.files:
            if row.twin_of is not None and row.state in ("done", "acknowledged"):
                conn.execute(t.files.update().where(t.files.c.id == row.id).values(duplicate_of=row.twin_of.id))
        numbers: dict[str, int] = {}
        for order in done.orders:
            numbers[order.seen.key] = _insert(conn, t.orders, _order_values(client, order, now))
        _sight(conn, done, numbers, now)
        _settle(conn, ledger, done, now)
        _told(conn, ledger, done, numbers)
        _under_way(conn, ledger, done)
        ledger.event(conn, "ledger", "rebuilt", {**done.counts(), **({"by": by} if by else {})})


def _insert(conn: sa.Connection, table: sa.Table, values: Mapping[str, Any]) -> int:
    key = conn.execute(table.insert().values(**values)).inserted_primary_key
    assert key is not None
    return int(key[0])


def _file_values(client: Client, row: FileRow, now: datetime) -> dict[str, Any]:
    entry = row.entry
    states = {"pruned": FileState.ACKNOWLEDGED}
    state = states.get(row.state) or FileState(row.state)
    return {
        "client": client.config.client,
        "connection": entry.connection,
        "folder": entry.folder,
        "name": entry.name,
        "raw": entry.raw or None,
        "size": entry.size,
        "modified": entry.modified,
        "sha256": entry.sha256,
        "state": state,
        "first_seen": entry.at,
        "last_look": entry.at,
        "stable_since": entry.at,
        "tries": 0,
        "fence": 0,
        "findings": [one.to_json() for one in row.unread] or sa.null(),
        "policy": row.policy if state == FileState.ACKNOWLEDGED else None,
        "config_hash": client.config.config_hash if row.state == "quarantined" else None,
        "pruned": now if row.state == "pruned" else None,
        "updated": now,
    }


def _order_values(client: Client, order: OrderRow, now: datetime) -> dict[str, Any]:
    seen, place = order.seen, order.home.place
    assert place is not None
    ref = order.ref if order.state == "created" else None
    why = Finding(
        "rebuilt",
        T("Order №{number} had no document when the ledger was made anew.", number=seen.number),
        Where(file=order.home.name, order=seen.number, line=seen.line),
        T("To book it all the same: mistok replay {number}", number=seen.number),
        Who.ACCOUNTANT,
    )
    return {
        "client": client.config.client,
        "source": seen.source,
        "order_id": seen.order_id,
        "number": seen.number,
        "revision": seen.revision,
        "state": OrderState.NEW if order.state == "other" else OrderState(order.state),
        "key": seen.key,
        "file_id": order.home.id,
        "line": seen.line,
        "into": place.settings.into,
        "job": place.job,
        "document_id": ref.id if ref else None,
        "document_number": ref.number if ref else None,
        "document_says": says(ref, now) if ref else None,
        "customer": seen.customer,
        "phone": seen.phone,
        "total": str(seen.total) if seen.total is not None else None,
        "currency": seen.currency,
        "items": seen.items,
        "placed": seen.placed,
        "payment_method": seen.payment_method,
        "payment_status": seen.payment_status,
        "status": seen.status,
        "findings": [why.to_json()] if order.state == "rejected" else sa.null(),
        "tries": 0,
        "created": order.home.entry.at,
        "updated": now,
    }


def _sight(conn: sa.Connection, done: Rebuild, numbers: Mapping[str, int], now: datetime) -> None:
    """The appearances in files that are settled; those of the others the next run writes down.

    Older ones are written down in any case, so that the next run does not take them for news.
    """
    first = set(done.known)
    ids = {**done.known, **numbers}
    rows = []
    for row in done.files:
        for seen in row.seen:
            older = (row.entry, seen.key) in done.outgrown
            if not older and row.state not in ("done", "acknowledged"):
                continue
            rows.append(
                {
                    "order_row": ids[seen.key],
                    "file_id": row.id,
                    "revision": seen.revision,
                    "line": seen.line,
                    "outcome": "older" if older else "same" if seen.key in first else "new",
                    "at": row.entry.at,
                }
            )
            first.add(seen.key)
    order_rows.add_sightings(conn, rows)
    for order in done.orders:
        if order.state == "created":
            order_rows.update(conn, numbers[order.seen.key], now)


def _settle(conn: sa.Connection, ledger: Ledger, done: Rebuild, now: datetime) -> None:
    """Held orders that have their document wait for nobody."""
    for row, ref in done.found:
        place = {**document_columns(ref, now), "findings": None}
        if not order_rows.settle(conn, row["id"], [OrderState.HELD], now, state=OrderState.CREATED, **place):
            continue
        subject = f"order:{row['id']}"
        ledger.event(conn, subject, "existed", {"document": ref.number, "id": ref.id})
        why = T("document {number} exists", number=ref.number)
        cards.close(conn, ledger.client, subject, ["held"], now, state="resolved", why=why)


def _told(conn: sa.Connection, ledger: Ledger, done: Rebuild, numbers: Mapping[str, int]) -> None:
    """The notices of documents that are there: people were told when they were made, and are not told again."""
    why = T("The ledger was made anew; this was told before it was lost.").to_json()
    rows = []
    for order in done.orders:
        seen = order.seen
        if order.state == "created" and order.ref is not None:
            notice = notices.order(
                f"order:{numbers[seen.key]}",
                number=seen.number,
                customer=seen.customer or "",
                total=Money(seen.total or Decimal(0), seen.currency or order.ref.currency),
                items=seen.items or 0,
                document=order.ref.number,
                source=seen.source,
            )
            rows.append({**ledger.notice_row(notice), "state": "muted", "why": why, "routed": ledger.clock.now()})
    ledger.append(conn, (), rows)


def _publication(conn: sa.Connection, client: Client, entry: Entry) -> None:
    conn.execute(
        t.publications.insert().values(
            client=client.config.client,
            job=entry.job,
            connection=entry.connection,
            folder=entry.folder,
            name=entry.name,
            sha256=entry.sha256,
            size=entry.size,
            rows=entry.rows or 0,
            at=entry.at,
            pruned=None if client.archive.find(entry.sha256) else client.ledger.clock.now(),
        )
    )


def _under_way(conn: sa.Connection, ledger: Ledger, done: Rebuild) -> None:
    """Whether the last publication reached the server nobody knows now: the next export sends it again."""
    last = {
        f"{one.entry.connection}/{one.entry.folder}/{one.name}": one.sha256
        for one in done.files
        if one.state == "published"
    }
    for place, sha in last.items():
        ledger.set_value(conn, UNDER_WAY, place, {"sha256": sha})
