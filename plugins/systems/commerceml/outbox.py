"""Documents for an accounting program: made once for each order, handed out until it says that it has them.

A document stands in the store before anything else is done with it. ``revision`` grows with its content, ``taken`` is
the one that was acknowledged: what is below is handed out again, and the other side knows it again by its ``Ид``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from pipeline.api import (
    Amendment,
    Cancellation,
    DocumentDraft,
    DocumentOutcome,
    DocumentRef,
    Held,
    ListedDocument,
    MistokError,
    Ref,
    StatusChange,
    SystemEnv,
    T,
    cents,
)
from plugins.commerceml.documents import CANCELLED, STATUS
from plugins.commerceml.order_out import OrderWriting, document, set_requisites
from plugins.systems.commerceml.settings import CommerceMLSettings
from plugins.systems.commerceml.store import Store


class Outbox:
    """The documents of one exchange."""

    def __init__(self, store: Store, settings: CommerceMLSettings, env: SystemEnv) -> None:
        self._store, self._settings, self._env = store, settings, env
        self.writing = OrderWriting(
            ZoneInfo(env.timezone),
            settings.currency or env.currency,
            delivery_id=settings.delivery_id,
            fee_id=settings.fee_id,
            currencies=settings.currencies,
            statuses=settings.statuses,
            rates=settings.rates,
        )

    # --- finding -----------------------------------------------------------------------------------------------------

    def find(self, keys: Collection[str]) -> dict[str, DocumentRef]:
        """The documents that there are for ``keys``."""
        found: dict[str, DocumentRef] = {}
        with self._store.reading() as db:
            for key in keys:
                order = order_of_key(key)
                asked = "SELECT * FROM documents WHERE source = ? AND order_id = ?"
                row = db.execute(asked, order).fetchone() if order else None
                row = row or db.execute("SELECT * FROM documents WHERE key = ?", [key]).fetchone()
                if row is not None:
                    found[key] = _ref(db, row)
        return found

    def all(self) -> list[ListedDocument]:
        """Every document, oldest first."""
        with self._store.reading() as db:
            rows = db.execute("SELECT * FROM documents ORDER BY place").fetchall()
            return [ListedDocument(_ref(db, row), row["source"], row["order_id"]) for row in rows]

    # --- making ------------------------------------------------------------------------------------------------------

    def create(self, drafts: Sequence[DocumentDraft]) -> list[DocumentOutcome]:
        """A document for each draft, in one transaction; one outcome each, in order."""
        now = self._env.clock.now()
        with self._store.writing() as db:
            return [_each(draft.key, partial(self._create, db, draft, now)) for draft in drafts]

    def _create(self, db: sqlite3.Connection, draft: DocumentDraft, now: datetime) -> DocumentOutcome:
        order = draft.order
        asked = "SELECT * FROM documents WHERE source = ? AND order_id = ?"
        row = db.execute(asked, [order.source, order.id]).fetchone()
        if row is not None:
            return DocumentOutcome(draft.key, _ref(db, row), existed=True)
        own = self._settings.document_id.format(source=order.source, id=order.id)
        if db.execute("SELECT 1 FROM documents WHERE id = ?", [own]).fetchone():
            raise Held(
                T("Another order has the document {id} already.", id=own),
                hint=T("Let `document_id` tell the sources apart."),
                code="document-id",
            )
        body = self._body(db, draft, own)
        db.execute(
            "INSERT INTO documents (id, key, source, order_id, number, total, currency, body, status, revision, taken,"
            " created) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1, 0, ?)",
            [
                own, draft.key, order.source, order.id, order.number or order.id, str(cents(order.total)),
                order.currency, body, order.status, now.isoformat(),
            ],
        )  # fmt: skip
        return DocumentOutcome(draft.key, _ref(db, self._row(db, own)))

    def _body(self, db: sqlite3.Connection, draft: DocumentDraft, own: str) -> str:
        if not draft.order.lines:
            raise Held(
                T("Order {number} has no lines: no document is made of it.", number=draft.order.number), code="empty"
            )
        for ref in draft.products:
            if not self._known(db, ref):
                raise Held(
                    T(
                        "The accounting program has told no goods with the id {id} ({article}).",
                        id=ref.id,
                        article=ref.code,
                    ),
                    code="gone",
                )
        return document(draft, own, self.writing)

    def _known(self, db: sqlite3.Connection, ref: Ref) -> bool:
        if self._settings.goods == "any" and ref.id == ref.code:
            return True
        return any(
            db.execute(f"SELECT 1 FROM {table} WHERE id = ?", [ref.id]).fetchone()  # noqa: S608 - two names of ours
            for table in ("goods", "offers")
        )

    # --- changing ----------------------------------------------------------------------------------------------------

    def amend(self, amendments: Sequence[Amendment]) -> list[DocumentOutcome]:
        """Bring documents to a new content; one outcome each, in order."""

        def act(db: sqlite3.Connection, one: Amendment) -> DocumentOutcome:
            self._row(db, one.ref.id)
            body, order = self._body(db, one.draft, one.ref.id), one.draft.order
            sums = (str(cents(order.total)), order.currency, order.number or order.id)
            return self._change(db, one.key, one.ref.id, body, order.status, sums)

        with self._store.writing() as db:
            return [_each(one.key, partial(act, db, one)) for one in amendments]

    def cancel(self, cancellations: Sequence[Cancellation]) -> list[DocumentOutcome]:
        """Mark documents cancelled; one outcome each, in order."""

        def act(db: sqlite3.Connection, one: Cancellation) -> DocumentOutcome:
            said = self._settings.statuses.get(one.status, one.status)
            body = set_requisites(self._row(db, one.ref.id)["body"], {CANCELLED[0]: "true", STATUS[0]: said})
            return self._change(db, one.key, one.ref.id, body, one.status)

        with self._store.writing() as db:
            return [_each(one.key, partial(act, db, one)) for one in cancellations]

    def set_statuses(self, changes: Sequence[StatusChange]) -> list[DocumentOutcome]:
        """Set the status that documents tell; one outcome each, in order."""

        def act(db: sqlite3.Connection, one: StatusChange) -> DocumentOutcome:
            known = self._settings.statuses
            if known and one.status.code not in (*known, "cancelled", "refunded"):
                names = ", ".join(known)
                raise Held(
                    T("`statuses` of the exchange names no status {name}.", name=one.status.code or "—"),
                    hint=T("It names: {names}.", names=names),
                    code="unknown-status",
                )
            said = one.status.name or self._settings.statuses.get(one.status.code, one.status.code)
            cancelled = "true" if one.status.code in ("cancelled", "refunded") else "false"
            body = set_requisites(self._row(db, one.ref.id)["body"], {CANCELLED[0]: cancelled, STATUS[0]: said})
            return self._change(db, one.key, one.ref.id, body, one.status.code)

        with self._store.writing() as db:
            return [_each(one.key, partial(act, db, one)) for one in changes]

    def _change(
        self,
        db: sqlite3.Connection,
        key: str,
        own: str,
        body: str,
        status: str,
        sums: tuple[str, str, str] | None = None,
    ) -> DocumentOutcome:
        row = self._row(db, own)
        if (row["body"], row["status"]) == (body, status):
            return DocumentOutcome(key, _ref(db, row), existed=True)
        total, money, number = sums or (row["total"], row["currency"], row["number"])
        db.execute(
            "UPDATE documents SET body = ?, status = ?, total = ?, currency = ?, number = ?, revision = revision + 1"
            " WHERE id = ?",
            [body, status, total, money, number, own],
        )
        return DocumentOutcome(key, _ref(db, self._row(db, own)))

    @staticmethod
    def _row(db: sqlite3.Connection, own: str) -> sqlite3.Row:
        row: sqlite3.Row | None = db.execute("SELECT * FROM documents WHERE id = ?", [own]).fetchone()
        if row is None:
            raise Held(T("There is no document {id} in the exchange.", id=own), code="gone")
        return row


# --- handing out -----------------------------------------------------------------------------------------------------


def waiting(db: sqlite3.Connection) -> list[sqlite3.Row]:
    """The documents whose newest content was not acknowledged, oldest first."""
    return db.execute("SELECT * FROM documents WHERE taken < revision ORDER BY place").fetchall()


def remember(db: sqlite3.Connection, holder: str, rows: Sequence[sqlite3.Row]) -> None:
    """Write down what was handed out under ``holder`` (a session, a file), in place of what was before."""
    db.execute("DELETE FROM snapshots WHERE holder = ?", [holder])
    db.executemany("INSERT INTO snapshots VALUES (?, ?, ?)", [(holder, row["id"], row["revision"]) for row in rows])


def acknowledge(db: sqlite3.Connection, holder: str) -> int:
    """The other side has what was handed out under ``holder``, and only that; gives how many."""
    rows = db.execute("SELECT document, revision FROM snapshots WHERE holder = ?", [holder]).fetchall()
    db.executemany(
        "UPDATE documents SET taken = max(taken, ?) WHERE id = ?", [(row["revision"], row["document"]) for row in rows]
    )
    db.execute("DELETE FROM snapshots WHERE holder = ?", [holder])
    return len(rows)


# --- small things ----------------------------------------------------------------------------------------------------


def order_of_key(key: str) -> tuple[str, str] | None:
    """(source, order id) of an idempotency key ``client/source/order-id/action/revision``."""
    parts = [unquote(part) for part in key.split("/")]
    return (parts[1], parts[2]) if len(parts) == 5 and parts[1] and parts[2] else None


def _ref(db: sqlite3.Connection, row: sqlite3.Row) -> DocumentRef:
    state = db.execute("SELECT number FROM states WHERE id = ?", [row["id"]]).fetchone()
    return DocumentRef(
        id=row["id"],
        number=(state["number"] if state else "") or row["number"],
        key=row["key"],
        created_at=datetime.fromisoformat(row["created"]),
        total=Decimal(row["total"]),
        currency=row["currency"],
    )


def _each(key: str, act: Callable[[], DocumentOutcome]) -> DocumentOutcome:
    try:
        return act()
    except Held as error:
        return DocumentOutcome(key, error=error)


def strike(drafts: Sequence[Any], error: MistokError) -> list[DocumentOutcome]:
    """The same trouble for each."""
    return [DocumentOutcome(one.key, error=error) for one in drafts]


def statuses_of(settings: CommerceMLSettings) -> Mapping[str, str]:
    """The other side's name of a status -> ours."""
    return {said: ours for ours, said in settings.statuses.items()}
