"""Shipments and returns: rows that stand on an order, never for more than was ordered, or has left.

The row of the order is held while quantities are counted, so that two at once cannot ship the same goods.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from sqlalchemy import Connection, RowMapping, insert, select

from pipeline.api import DocumentDraft, DocumentOutcome, DocumentRef, Held, Return, Shipment, T, Text, Where, cents
from plugins.systems.sql.documents import Book, each, settled
from plugins.systems.sql.fitting import same
from plugins.systems.sql.goods import CHUNK, fitting_ids, id_in, text_of
from plugins.systems.sql.reckoning import Way, reckon
from plugins.systems.sql.settings import FollowTable, ReturnTable
from plugins.systems.sql.words import Row
from plugins.systems.sql.writing import insert_row, new_row, values_of

Quantities = dict[str, Decimal]  #: by the product, as lines name it
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Making:
    """One that is to be made."""

    key: str
    order: DocumentRef
    draft: DocumentDraft
    at: datetime | None
    shipment: DocumentRef | None = None


class Following:
    """The table of shipments, or of returns."""

    def __init__(self, book: Book, path: Literal["shipments", "returns"], declared: FollowTable) -> None:
        self._book, self._path, self._declared = book, path, declared

    # --- looking -------------------------------------------------------------------------------------------------

    def find(self, keys: Collection[str]) -> dict[str, DocumentRef]:
        """Those that exist for ``keys``."""
        wanted, found = sorted(set(keys)), {}
        bound = self._book.tables[self._path]
        with self._book.database.read() as connection:
            for start in range(0, len(wanted), CHUNK):
                asked = wanted[start : start + CHUNK]
                for row in self._rows(connection, bound[self._declared.key].in_(asked)):
                    found[text_of(row.key)] = self._ref(row)
        return {key: found[key] for key in wanted if key in found}

    def standing_on(self, bases: Collection[DocumentRef], column: str) -> dict[str, list[DocumentRef]]:
        """By the id of a base: every one that stands on it, whoever made it. ``column`` refers to the base."""
        bound, found = self._book.tables[self._path], dict[str, list[DocumentRef]]()
        ids = fitting_ids(bound, column, {base.id for base in bases})
        with self._book.database.read() as connection:
            for start in range(0, len(ids), CHUNK):
                asked = ids[start : start + CHUNK]
                for row in self._rows(connection, bound[column].in_(asked), bound[column].label("base")):
                    found.setdefault(text_of(row.base), []).append(self._ref(row))
        return found

    def _rows(self, connection: Connection, where: Any, *more: Any) -> list[Any]:
        declared, bound = self._declared, self._book.tables[self._path]
        columns = [
            bound[declared.key].label("key"),
            bound[declared.id].label("id"),
            bound[declared.number or declared.id].label("number"),
            *more,
        ]
        total = next((name for name, one in declared.columns.items() if one.value == "order.total"), None)
        columns += [bound[total].label("total")] if total is not None else []
        return list(connection.execute(select(*columns).where(where).order_by(bound[declared.id])))

    def _ref(self, row: Any) -> DocumentRef:
        told = getattr(row, "total", None)
        total = cents(Decimal(str(told))) if told is not None else None
        return DocumentRef(text_of(row.id), text_of(row.number), text_of(row.key), total=total)

    # --- making --------------------------------------------------------------------------------------------------

    def make(
        self,
        wanted: Sequence[Making],
        allowed: Callable[[Connection, Making, RowMapping], Quantities],
        more: Callable[[Connection, Making], Mapping[str, Any]],
    ) -> list[DocumentOutcome]:
        """Make each; one outcome each, in order.

        Args:
            allowed: how much may still be made of each product, with the order's row; raises Held for none of it.
            more: what refers to its base, besides the order, by column.
        """
        return each(wanted, lambda one: self._make(one, allowed, more), lambda one: one.key)

    def _make(self, one: Making, allowed: Any, more: Any) -> DocumentOutcome:
        book, declared = self._book, self._declared
        number = one.draft.order.number or one.draft.order.id
        where = Where(order=number or None)

        def work(connection: Connection) -> DocumentOutcome:
            bound, below = book.tables[self._path], book.tables[f"{self._path}.lines"]
            # first of all, so that whatever is read after it is as whoever held the row before has left it
            order = book.row_of(connection, one.order, number)
            there = self._rows(connection, bound[declared.key] == one.key)
            if there:
                return DocumentOutcome(one.key, self._ref(there[0]), existed=True)
            reckoned = reckon(one.draft, Way(book.settings.discounts, rounding=True))
            own: Quantities = {}
            for ordered, ref in zip(one.draft.order.lines, one.draft.products, strict=True):
                name = ref.id if declared.lines.by_id else ref.code
                own[name] = own.get(name, ZERO) + ordered.quantity
            if not any(quantity > 0 for quantity in own.values()):
                raise Held(T("There is nothing in it."), where=where, code="empty")
            rest = allowed(connection, one, order)
            for name, quantity in own.items():
                if quantity > rest.get(name, ZERO):
                    raise Held(
                        _too_much(self._path, name, quantity, rest.get(name, ZERO)),
                        hint=T("Look at what stands on the order in the program itself."),
                        where=where,
                        code="too-much",
                    )
            fitting = book.fitting(number)
            row = Row(
                now=book.now, at=one.at or book.now, draft=one.draft, reckoned=reckoned,
                buyer=one.draft.order.customer, buyer_id=one.draft.client.id if one.draft.client is not None else "",
            )  # fmt: skip
            parent = order[book.tables["orders"].columns[book.settings.orders.id].name]
            given = {declared.key: one.key, declared.order: parent, **more(connection, one)}
            made = insert_row(connection, bound, declared.columns, row, fitting, declared.id, given)
            base = id_in(bound, declared.id, made, number)
            for place, line in enumerate(reckoned.lines, 1):
                product = one.draft.products[line.place] if line.place >= 0 else None
                values = new_row(
                    connection, below, declared.lines.columns,
                    replace(row, line=line, number=place, product=product), fitting, {declared.lines.document: base},
                )  # fmt: skip
                connection.execute(insert(below.table).values(values))
            (now,) = self._rows(connection, bound[declared.key] == one.key)
            return DocumentOutcome(one.key, self._ref(now))

        return settled(book.database, work)

    # --- counting ------------------------------------------------------------------------------------------------

    def quantities(self, connection: Connection, column: str, base: Any) -> Quantities:
        """How much of each product stands on ``base``, to which ``column`` refers."""
        declared = self._declared
        bound, below = self._book.tables[self._path], self._book.tables[f"{self._path}.lines"]
        product, quantity = declared.lines.counted
        query = (
            select(below[product], below[quantity])
            .join_from(below.table, bound.table, bound[declared.id] == below[declared.lines.document])
            .where(bound[column] == base)
        )
        return counted(connection.execute(query))


def counted(rows: Any) -> Quantities:
    """The sums of (product, quantity)."""
    found: Quantities = {}
    for product, quantity in rows:
        name = text_of(product)
        found[name] = found.get(name, ZERO) + Decimal(str(quantity))
    return found


def _too_much(path: str, name: str, quantity: Decimal, rest: Decimal) -> Text:
    rest = max(rest, ZERO)
    if path == "shipments":
        return T("Of {product} {quantity} would leave, and {rest} are left to leave.", product=name,
                 quantity=quantity, rest=rest)  # fmt: skip
    return T("Of {product} {quantity} would come back, and {rest} are away.", product=name, quantity=quantity,
             rest=rest)  # fmt: skip


class Shipments:
    """What leaves on orders."""

    def __init__(self, book: Book, declared: FollowTable, returns: ReturnTable | None) -> None:
        self._book, self._declared = book, declared
        self.table = Following(book, "shipments", declared)
        self._returns = Following(book, "returns", returns) if returns is not None else None

    def on(self, orders: Collection[DocumentRef]) -> dict[str, list[DocumentRef]]:
        """Those that stand on orders."""
        return self.table.standing_on(orders, self._declared.order)

    def ship(self, shipments: Sequence[Shipment]) -> list[DocumentOutcome]:
        """Make each; one outcome each, in order."""
        wanted = [Making(one.key, one.order, one.draft, one.at) for one in shipments]
        return self.table.make(wanted, self._left, lambda _connection, _one: {})

    def _left(self, connection: Connection, one: Making, order: RowMapping) -> Quantities:
        book = self._book
        book.must_be_open(order, one.order)
        if cancelled(book, order):
            raise Held(
                T("Document {number} is cancelled: nothing leaves on it.", number=one.order.number),
                hint=T("Look at the status of the order."),
                where=Where(order=one.order.number or None),
                code="cancelled",
            )
        own = order[book.tables["orders"].columns[book.settings.orders.id].name]
        below, lines = book.tables["lines"], book.settings.lines
        product, quantity = lines.counted
        ordered = counted(connection.execute(select(below[product], below[quantity]).where(below[lines.order] == own)))
        for name, gone in self.away(connection, own).items():
            ordered[name] = ordered.get(name, ZERO) - gone
        return ordered

    def away(self, connection: Connection, order: Any) -> Quantities:
        """What has left on an order, and did not come back."""
        found = self.table.quantities(connection, self._declared.order, order)
        if self._returns is not None:
            for name, back in self._returns.quantities(connection, self._declared_order(), order).items():
                found[name] = found.get(name, ZERO) - back
        return found

    def _declared_order(self) -> str:
        returns = self._book.settings.returns
        assert returns is not None
        return returns.order


class Returns:
    """What comes back of shipments."""

    def __init__(self, book: Book, declared: ReturnTable, shipments: FollowTable) -> None:
        self._book, self._declared, self._shipments = book, declared, shipments
        self.table = Following(book, "returns", declared)
        self._shipped = Following(book, "shipments", shipments)

    def on(self, shipments: Collection[DocumentRef]) -> dict[str, list[DocumentRef]]:
        """Those that stand on shipments."""
        return self.table.standing_on(shipments, self._declared.shipment)

    def take_back(self, returns: Sequence[Return]) -> list[DocumentOutcome]:
        """Make each; one outcome each, in order."""
        wanted = [Making(one.key, one.order, one.draft, one.at, one.shipment) for one in returns]
        return self.table.make(wanted, self._left, self._base)

    def _base(self, connection: Connection, one: Making) -> dict[str, Any]:
        return {self._declared.shipment: self._shipment(connection, one)}

    def _shipment(self, connection: Connection, one: Making) -> Any:
        assert one.shipment is not None
        bound = self._book.tables["shipments"]
        own = id_in(bound, self._shipments.id, one.shipment.id, one.order.number)
        there = connection.execute(select(bound[self._shipments.id]).where(bound[self._shipments.id] == own)).first()
        if there is None:
            raise Held(
                T("Document {number} is not there any more.", number=one.shipment.number),
                hint=T("Find out who took it out. It is not made a second time by itself."),
                where=Where(order=one.order.number or None),
                code="sql-gone",
            )
        return own

    def _left(self, connection: Connection, one: Making, _order: RowMapping) -> Quantities:
        base = self._shipment(connection, one)
        shipped = self._shipped.quantities(connection, self._shipments.id, base)
        for name, back in self.table.quantities(connection, self._declared.shipment, base).items():
            shipped[name] = shipped.get(name, ZERO) - back
        return shipped


def cancelled(book: Book, order: RowMapping) -> bool:
    """Whether the row of an order has the mark of a cancelled one."""
    rule, bound = book.settings.cancel, book.tables["orders"]
    if rule is None:
        return False
    for word in ("cancelled", "refunded"):
        marks = values_of(bound, rule.set, Row(now=book.now, status=word), book.fitting())
        if all(same(order[name], value) for name, value in marks.items()):
            return True
    return False
