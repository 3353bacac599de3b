"""How documents are written: several in one transaction, each behind a savepoint, so that one that fails leaves the
others alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, tzinfo
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, or_, select
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError

from pipeline.api import DocumentDraft, DocumentOutcome, DocumentRef, Held, InDoubt, Refused, T, Transient
from plugins.systems.books import tables as t
from plugins.systems.books.counters import lock
from plugins.systems.books.database import Database, in_doubt
from plugins.systems.books.documents import KIND, commit, held_by_database

_D = t.documents.c


class Keyed(Protocol):
    """What is to be written has a key."""

    @property
    def key(self) -> str:
        """The idempotency key."""
        ...


Item = TypeVar("Item", bound=Keyed)


def each(
    database: Database,
    items: Sequence[Item],
    write: Callable[[Connection, Item], DocumentOutcome],
    drafts: Sequence[DocumentDraft] = (),
    orders: Sequence[DocumentRef] = (),
) -> Sequence[DocumentOutcome]:
    """``write`` for each of ``items`` in one transaction; one outcome each, in order. It may raise Held.

    The stock of the products in ``drafts``, and of those on the documents ``orders``, is theirs until the end.
    """
    if not items:
        return ()
    try:
        with database.write() as connection:
            lock(connection, KIND)  # as whoever creates: amounts and reserves are looked up and then written
            _hold_stock(connection, drafts, orders)
            outcomes = [_guarded(connection, one, write) for one in items]
            commit(database, connection)
    except (Transient, Refused, InDoubt, Held) as error:
        return tuple(DocumentOutcome(one.key, error=error) for one in items)
    return tuple(outcomes)


def _hold_stock(connection: Connection, drafts: Sequence[DocumentDraft], orders: Sequence[DocumentRef]) -> None:
    """Lock the rows of the stock in the order in which everybody does, or two writers could wait for each other."""
    if connection.dialect.name == "sqlite":
        return  # there is one writer at a time
    s, lines = t.stock.c, t.document_lines.c
    ids = {number_of(DocumentRef(ref.id, "")) for draft in drafts for ref in draft.products}
    keys = sorted({ref.key for ref in orders if ref.key})
    numbers = sorted({number_of(ref) for ref in orders if not ref.key})
    of_orders = select(lines.product_id).join_from(t.document_lines, t.documents, _D.id == lines.document_id)
    of_orders = of_orders.where(or_(_D.key.in_(keys), _D.id.in_(numbers)))
    rows = select(s.product_id).where(or_(s.product_id.in_(sorted(ids)), s.product_id.in_(of_orders)))
    connection.execute(rows.order_by(s.product_id, s.warehouse_id).with_for_update()).all()


def _guarded(
    connection: Connection, item: Item, write: Callable[[Connection, Item], DocumentOutcome]
) -> DocumentOutcome:
    try:
        with connection.begin_nested():
            return write(connection, item)
    except Held as error:
        return DocumentOutcome(item.key, error=error)
    except (IntegrityError, StatementError) as error:
        if isinstance(error, DBAPIError) and not isinstance(error, IntegrityError) and in_doubt(error):
            raise
        order = item.key.split("/")[2] if item.key.count("/") > 1 else item.key
        return DocumentOutcome(item.key, error=held_by_database(order, error))


def document_of(connection: Connection, ref: DocumentRef) -> Any:
    """The row of an order document, held until the transaction ends. Raises Held when it is gone."""
    here = _D.key == ref.key if ref.key else _D.id == number_of(ref)
    row = connection.execute(
        select(t.documents, t.currencies.c.code.label("currency"))
        .join_from(t.documents, t.currencies, t.currencies.c.id == _D.currency_id)
        .where(here)
        .with_for_update(of=t.documents)
    ).first()
    if row is None:
        raise gone(ref)
    return row


def number_of(ref: DocumentRef) -> int:
    """The id of a document as the database has it; -1 for what can be none."""
    return int(ref.id) if ref.id.isascii() and ref.id.isdecimal() and len(ref.id) < 19 else -1


def gone(ref: DocumentRef) -> Held:
    """What is said of a document that is not there."""
    return Held(
        T("Document {number} is not in the books any more.", number=ref.number),
        hint=T("Find out who took it out. It is not made a second time by itself."),
        code="document-gone",
    )


def closed(number: str, when: datetime, zone: tzinfo | None) -> Held:
    """What is said of a document that nobody may change."""
    return Held(
        T("Document {number} is closed since {when}: its goods have left.", number=number, when=when.astimezone(zone)),
        hint=T("Reopen it (mistok books reopen {number}) and accept the change, or correct it by hand.", number=number),
        code="document-closed",
    )
