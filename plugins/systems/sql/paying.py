"""Payments and statuses of orders that are there."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, select, update

from pipeline.api import DocumentOutcome, DocumentRef, Held, PaymentDraft, StatusChange, T, Where, cents
from plugins.systems.sql.documents import Book, each, settled
from plugins.systems.sql.fitting import same
from plugins.systems.sql.goods import CHUNK, Listed, id_in, text_of
from plugins.systems.sql.settings import PaymentTable
from plugins.systems.sql.words import Row
from plugins.systems.sql.writing import insert_row


class Payments:
    """The table of payments."""

    def __init__(self, book: Book, declared: PaymentTable) -> None:
        self._book, self._declared = book, declared

    def find(self, keys: Collection[str]) -> dict[str, DocumentRef]:
        """The payments that exist for ``keys``."""
        wanted, found = sorted(set(keys)), {}
        with self._book.database.read() as connection:
            for start in range(0, len(wanted), CHUNK):
                for row in self._rows(connection, wanted[start : start + CHUNK]):
                    found[text_of(row.key)] = self._ref(row)
        return {key: found[key] for key in wanted if key in found}

    def _rows(self, connection: Connection, keys: Sequence[str]) -> list[Any]:
        declared, bound = self._declared, self._book.tables["payments"]
        columns = [
            bound[declared.key].label("key"),
            bound[declared.id].label("id"),
            bound[declared.number or declared.id].label("number"),
        ]
        amount = next((name for name, one in declared.columns.items() if one.value == "pay.amount"), None)
        columns += [bound[amount].label("amount")] if amount is not None else []
        return list(connection.execute(select(*columns).where(bound[declared.key].in_(keys))))

    def _ref(self, row: Any) -> DocumentRef:
        told = getattr(row, "amount", None)
        total = cents(Decimal(str(told))) if told is not None else None
        return DocumentRef(text_of(row.id), text_of(row.number), text_of(row.key), total=total)

    def pay(self, payments: Sequence[PaymentDraft]) -> list[DocumentOutcome]:
        """Note each; one outcome each, in order."""
        return each(payments, self._pay, lambda one: one.key)

    def _pay(self, one: PaymentDraft) -> DocumentOutcome:
        book, declared = self._book, self._declared
        where = Where(order=one.order.number or None)

        def work(connection: Connection) -> DocumentOutcome:
            there = [row for row in self._rows(connection, [one.key]) if text_of(row.key) == one.key]
            if there:
                return DocumentOutcome(one.key, self._ref(there[0]), existed=True)
            if one.amount <= 0:
                raise Held(
                    T("A payment of {amount} is none.", amount=one.amount),
                    hint=T("Look at what the source says was paid."),
                    where=where,
                    code="amount",
                )
            order = order_of(book, connection, one.order)
            currency = book.ref(order).currency or book.currency
            if one.currency != currency:
                raise Held(
                    T("Order {number} is in {currency}, the payment in {other}.", number=one.order.number,
                      currency=currency, other=one.currency),
                    hint=T("Enter it in the program itself, at its rate."),
                    where=where,
                    code="currency",
                )  # fmt: skip
            row, bound = Row(now=book.now, pay=one), book.tables["payments"]
            given = {declared.key: one.key, declared.order: order.id}
            fitting = book.fitting(one.order.number)
            insert_row(connection, bound, declared.columns, row, fitting, declared.id, given)
            (made,) = self._rows(connection, [one.key])
            return DocumentOutcome(one.key, self._ref(made))

        return settled(book.database, work)


def order_of(book: Book, connection: Connection, ref: DocumentRef) -> Any:
    """The row of an order document. Raises Held for one that is not there."""
    orders, bound = book.settings.orders, book.tables["orders"]
    own = id_in(bound, orders.id, ref.id, ref.number)
    row = connection.execute(select(*book.shown()).where(bound[orders.id] == own)).first()
    if row is None:
        raise Held(
            T("Document {number} is not there any more.", number=ref.number),
            hint=T("Find out who took it out. It is not made a second time by itself."),
            where=Where(order=ref.number or None),
            code="sql-gone",
        )
    return row


def set_statuses(
    book: Book, changes: Sequence[StatusChange], column: str, statuses: Listed | None
) -> list[DocumentOutcome]:
    """Set each; one outcome each, in order. ``statuses``: the table of them, where there is one."""

    def one(change: StatusChange) -> DocumentOutcome:
        def work(connection: Connection) -> DocumentOutcome:
            orders, bound = book.settings.orders, book.tables["orders"]
            there = book.open_row(connection, change.ref, change.ref.number)
            if statuses is not None and statuses.gone(connection, [change.status]):
                raise Held(
                    T("There is no status {name}.", name=change.status.name or change.status.code),
                    hint=T("Look at `statuses` of the step, and at the table of statuses."),
                    where=Where(order=change.ref.number or None),
                    code="sql-status",
                )
            target = bound.columns[column]
            cell = change.status.id if statuses is not None else change.status.code
            value = book.fitting(change.ref.number).fit(cell, target)
            where = bound[orders.id] == there[bound.columns[orders.id].name]
            existed = same(there[target.name], value)
            if not existed:
                connection.execute(update(bound.table).where(where).values({target.name: value}))
            row = connection.execute(select(*book.shown()).where(where)).one()
            return DocumentOutcome(change.key, book.ref(row), existed=existed)

        return settled(book.database, work)

    return each(changes, one, lambda change: change.key)
