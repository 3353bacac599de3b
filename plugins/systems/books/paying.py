"""Payments on order documents, and the statuses of those."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from pipeline.api import (
    DocumentOutcome,
    DocumentRef,
    Held,
    PaymentDraft,
    StatusChange,
    T,
    Where,
    Who,
    cents,
)
from plugins.systems.books import tables as t
from plugins.systems.books.counters import take
from plugins.systems.books.database import Database
from plugins.systems.books.documents import id_of
from plugins.systems.books.periods import check_period
from plugins.systems.books.settings import BooksSettings
from plugins.systems.books.shipping import find, ref_of, shown
from plugins.systems.books.writing import closed, document_of, each

_D = t.documents.c


def pay(
    database: Database, payments: Sequence[PaymentDraft], settings: BooksSettings, now: datetime, *, client: str
) -> Sequence[DocumentOutcome]:
    """Note what was paid; one outcome each, in order. ``now`` is in the zone of the client."""

    def write(connection: Connection, one: PaymentDraft) -> DocumentOutcome:
        if there := find(connection, t.payments, [one.key]).get(one.key):
            return DocumentOutcome(one.key, there, existed=True)
        document = document_of(connection, one.order)
        where = Where(order=document.order_number)
        _check_amount(one, document, where)
        check_period(connection, one.at or now, now.tzinfo)
        number = take(connection, "payment", 1)
        values = {
            "id": number,
            "number": f"{settings.number_prefix}P{number:06d}",
            "client": client,
            "key": one.key,
            "document_id": document.id,
            "account_id": id_of(one.account, where) or _account(connection, settings, where),
            "party_id": id_of(one.payer, where) or document.party_id,
            "at": one.at or now,
            "created_at": now,
            "total": one.amount,
            "comment": one.comment,
        }
        connection.execute(insert(t.payments).values(**values))
        return DocumentOutcome(
            one.key, ref_of(connection.execute(shown(t.payments).where(t.payments.c.id == number)).one())
        )

    return each(database, payments, write)


def set_statuses(database: Database, changes: Sequence[StatusChange], now: datetime) -> Sequence[DocumentOutcome]:
    """Give order documents their statuses; one outcome each, in order. Absolute: one that it has is ``existed``."""

    def write(connection: Connection, one: StatusChange) -> DocumentOutcome:
        document = document_of(connection, one.ref)
        where = Where(order=document.order_number)
        status = id_of(one.status, where)
        there = DocumentRef(
            str(document.id), document.number, document.key, document.created_at, document.total, document.currency
        )
        if document.status_id == status:
            return DocumentOutcome(one.key, there, existed=True)
        if connection.execute(select(t.statuses.c.id).where(t.statuses.c.id == status)).first() is None:
            raise Held(
                T("The books have no status {code}.", code=one.status.name or one.status.code),
                hint=T("Load it into the books, or map it to one that they have."),
                where=where,
                code="unknown-status",
            )
        if document.closed_at is not None:
            raise closed(document.number, document.closed_at, now.tzinfo)
        connection.execute(update(t.documents).where(_D.id == document.id).values(status_id=status))
        return DocumentOutcome(one.key, there)

    return each(database, changes, write)


def _check_amount(one: PaymentDraft, document: Any, where: Where) -> None:
    if one.currency != document.currency:
        raise Held(
            T(
                "Document {number} is in {theirs}, and this is in {ours}.",
                number=document.number,
                theirs=document.currency,
                ours=one.currency,
            ),
            hint=T("Enter the payment by hand, at the rate that it was taken at."),
            where=where,
            code="currency",
        )
    if not t.fits(one.amount) or one.amount <= 0 or one.amount != cents(one.amount):
        raise Held(
            T("A payment of {amount} cannot be.", amount=str(one.amount)[:40]),
            hint=T("It must be above 0, and in whole cents."),
            where=where,
            code="amount",
        )


def _account(connection: Connection, settings: BooksSettings, where: Where) -> int | None:
    """The account of payments that name none: the one of the settings, else the only one, else none."""
    c = t.accounts.c
    rows = {row.code: int(row.id) for row in connection.execute(select(c.id, c.code))}
    if settings.default_account:
        if settings.default_account not in rows:
            raise Held(
                T("The books have no account {code}.", code=settings.default_account),
                hint=T("Load it into the books, or correct `default_account`."),
                where=where,
                code="unknown-account",
                who=Who.ADMIN,
            )
        return rows[settings.default_account]
    return next(iter(rows.values())) if len(rows) == 1 else None
