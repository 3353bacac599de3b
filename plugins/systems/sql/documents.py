"""Orders as rows: each order in one transaction of its own, found by its key before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, RowMapping, Select, delete, insert, select, update

from pipeline.api import (
    Amendment,
    Cancellation,
    ConfigError,
    DocumentDraft,
    DocumentOutcome,
    DocumentRef,
    Held,
    ListedDocument,
    MistokError,
    Refused,
    T,
    Transient,
    Where,
    Who,
    cents,
    key_of,
    key_parts,
    rate_of,
)
from plugins.systems.sql.buyers import Buyers, Read
from plugins.systems.sql.database import Again, Database
from plugins.systems.sql.fitting import Fitting, rows_are_same, same
from plugins.systems.sql.goods import CHUNK, Listed, id_in, text_of
from plugins.systems.sql.reckoning import DELIVERY, FEE, Way, nameless, reckon
from plugins.systems.sql.schema import Bound, Tables, backend
from plugins.systems.sql.settings import SqlSettings
from plugins.systems.sql.words import Row
from plugins.systems.sql.writing import new_row, values_of

TRIES = 3  #: of one order, where the database rolled it back for another transaction's sake
PATIENCE = 2  #: waits for another program's lock, each as long as `timeout`, before the rest is left for later
Change = TypeVar("Change")


@dataclass(frozen=True, slots=True)
class Book:
    """What is written with."""

    database: Database
    settings: SqlSettings
    tables: Tables
    client: str
    currency: str
    zone: ZoneInfo
    now: datetime
    products: Listed | None
    buyers: Read = field(default_factory=Read)
    #: (connection, id of an order) -> what of each product has left on it and did not come back; None: not kept
    away: Callable[[Connection, Any], Mapping[str, Decimal]] | None = None

    def fitting(self, order: str = "") -> Fitting:
        """How values of an order are written."""
        return Fitting(self.zone, self.database.dialect, order)

    # --- looking -------------------------------------------------------------------------------------------------

    def find(self, keys: Collection[str]) -> dict[str, DocumentRef]:
        """The documents that exist for ``keys``; whatever the key's action is, an order is one document."""
        wanted = {key: own for key in keys if (own := self._own_key(key)) is not None}
        found: dict[str, DocumentRef] = {}
        with self.database.read() as connection:
            asked = sorted(set(wanted.values()))
            for start in range(0, len(asked), CHUNK):
                for row in self._rows(connection, asked[start : start + CHUNK]):
                    found[text_of(row.key)] = self.ref(row)
        return {key: found[own] for key, own in wanted.items() if own in found}

    def listed(self) -> Iterator[ListedDocument]:
        """Every document of this client, oldest first."""
        with self.database.read() as connection:
            rows = self._rows(connection, None)
        for row in rows:
            parts = key_parts(text_of(row.key))
            if parts is not None and parts[0] == self.client:
                yield ListedDocument(self.ref(row), parts[1], parts[2])

    def _own_key(self, key: str) -> str | None:
        parts = key_parts(key)
        return key_of(*parts) if parts is not None else None

    def key(self, draft: DocumentDraft) -> str:
        """What an order is known again by."""
        return key_of(self.client, draft.order.source, draft.order.id)

    def shown(self) -> list[Any]:
        """What :meth:`ref` reads of the table of orders."""
        orders, bound = self.settings.orders, self.tables["orders"]
        columns = [bound[orders.key].label("key"), bound[orders.id].label("id")]
        columns.append(bound[orders.number or orders.id].label("number"))
        for word in ("total", "currency"):
            column = self.settings.column_of(f"order.{word}")
            if column is not None:
                columns.append(bound[column].label(word))
        return columns

    def _rows(self, connection: Connection, keys: Sequence[str] | None) -> list[Any]:
        orders, bound = self.settings.orders, self.tables["orders"]
        query = select(*self.shown()).order_by(bound[orders.id])
        key = bound[orders.key]
        query = query.where(key.in_(keys)) if keys is not None else query.where(key.is_not(None))
        return list(connection.execute(query))

    def ref(self, row: Any) -> DocumentRef:
        """A row of :meth:`_rows` as others see it."""
        told = getattr(row, "total", None)
        total = cents(Decimal(str(told))) if told is not None else None
        currency = text_of(getattr(row, "currency", None)) or (self.currency if total is not None else "")
        return DocumentRef(text_of(row.id), text_of(row.number), text_of(row.key), total=total, currency=currency)

    # --- creating ------------------------------------------------------------------------------------------------

    def create(self, drafts: Sequence[DocumentDraft]) -> list[DocumentOutcome]:
        """A document for each draft; one outcome each, in order."""
        return each(drafts, self._create, lambda draft: draft.key)

    def _create(self, draft: DocumentDraft) -> DocumentOutcome:
        key = self.key(draft)

        def work(connection: Connection) -> DocumentOutcome:
            there = self._there(connection, key)
            if there is not None:
                return DocumentOutcome(draft.key, self.ref(there), existed=True)
            row, lines, fitting = self._rows_of(connection, draft)
            orders, bound = self.settings.orders, self.tables["orders"]
            header = new_row(connection, bound, orders.columns, row, fitting, {orders.key: key})
            connection.execute(insert(bound.table).values(header))
            made = self._there(connection, key)
            if made is None:
                raise Held(T("The row of the order is not there after it was written."), code="database-refuses")
            self._add_lines(connection, lines, fitting, made.id)
            made = self._there(connection, key)  # triggers on the lines may have reckoned anew
            self._same_total(draft, made)
            return DocumentOutcome(draft.key, self.ref(made))

        return settled(self.database, work, self._forget)

    def _forget(self) -> None:
        """Buyers that were added are not there."""
        self.buyers.all = None

    def _there(self, connection: Connection, key: str) -> Any:
        rows = self._rows(connection, [key])
        exact = [row for row in rows if text_of(row.key) == key]
        if rows and not exact:
            raise Held(
                T("The key {key} stands in the table as {other}: the column does not tell small letters from capitals.",
                  key=key, other=text_of(rows[0].key)),
                hint=T("Let the column of the key compare exactly (a binary collation)."),
                who=Who.ADMIN,
                code="key-case",
            )  # fmt: skip
        return exact[0] if exact else None

    def _same_total(self, draft: DocumentDraft, row: Any) -> None:
        told = self.ref(row).total
        if told is not None and told != cents(draft.order.total):
            number = draft.order.number or draft.order.id
            raise Held(
                T("Order {number} says {stated}, and the database made {made} of it.", number=number,
                  stated=cents(draft.order.total), made=told),
                hint=T("A rule or trigger of the database changes the sum; nothing was kept."),
                where=Where(order=number),
                code="total-differs",
            )  # fmt: skip

    def _rows_of(self, connection: Connection, draft: DocumentDraft) -> tuple[Row, list[Row], Fitting]:
        """What the rows of a draft are made of: its header and its lines. Raises Held."""
        settings, order = self.settings, draft.order
        number = order.number or order.id
        where, fitting = Where(order=number), self.fitting(number)
        if len(draft.products) != len(order.lines):
            raise Held(T("The lines of the order and their products do not pair up."), where=where, who=Who.US)
        way = Way(
            settings.discounts,
            draft.delivery.code if draft.delivery is not None else settings.lines.delivery,
            settings.lines.fee,
            settings.wrote("order.rounding"),
        )
        reckoned = reckon(draft, way)
        for word, amount in nameless(reckoned, [one.value or "" for one in settings.orders.columns.values()]):
            raise Held(
                T("Of order {number} {amount} would be lost: no column has {word}.", number=number, amount=amount,
                  word=f"`{word}`"),
                hint=T("Name such a column in `orders.columns`; delivery and fee may be lines: `lines.delivery`."),
                where=where,
                who=Who.ADMIN,
                code="nowhere",
            )  # fmt: skip
        if any(line.discount for line in reckoned.lines) and not settings.line_has("line.discount", "line.sum"):
            raise Held(
                T("Of order {number} {amount} would be lost: no column has {word}.", number=number,
                  amount=sum((line.discount for line in reckoned.lines), Decimal(0)), word="`line.discount`"),
                hint=T("Name such a column in `lines.columns`."),
                where=where,
                who=Who.ADMIN,
                code="nowhere",
            )  # fmt: skip
        if order.currency != self.currency and not settings.wrote("order.currency"):
            raise Held(
                T("Order {number} is in {currency}, and no column says so.", number=number, currency=order.currency),
                hint=T("Name a column with `order.currency`."),
                where=where,
                who=Who.ADMIN,
                code="nowhere",
            )
        if order.currency != self.currency and settings.wrote("order.rate"):
            rate = rate_of(order, self.currency, settings.rates, "rates")
            draft = replace(draft, order=replace(order, rate=rate))
        products = self._products(connection, draft, way, where)
        buyer = draft.client.id if draft.client is not None else ""
        if not buyer and settings.parties is not None:
            buyers = Buyers(connection, self.tables["parties"], settings.parties, fitting, self.buyers)
            buyer = buyers.ensure(order.customer, self.now, number).id
        row = Row(now=self.now, draft=draft, reckoned=reckoned, buyer=order.customer, buyer_id=buyer)
        lines = [
            replace(row, line=line, number=number_, product=products[line.place])
            for number_, line in enumerate(reckoned.lines, 1)
        ]
        return row, lines, fitting

    def _products(self, connection: Connection, draft: DocumentDraft, way: Way, where: Where) -> Mapping[int, Any]:
        """The product of each line by its place, those of services as well. Raises Held for one that is not there."""
        found: dict[int, Any] = dict(enumerate(draft.products))
        services = {DELIVERY: way.delivery, FEE: way.fee}
        if self.products is None:
            return found | dict.fromkeys(services)
        for place, code in services.items():
            if place == DELIVERY and draft.delivery is not None:
                found[place] = draft.delivery
            else:
                refs = self.products.find([code]).get(code, ()) if code is not None else ()
                found[place] = refs[0] if len(refs) == 1 else None
        if gone := self.products.gone(connection, draft.products):
            raise Held(
                T("The table of articles has no {article} any more.", article=gone[0].code),
                hint=T("Find out who took it out; when it is there again, try the order once more."),
                where=where,
                code="sql-gone",
            )
        return found

    def _add_lines(self, connection: Connection, lines: Sequence[Row], fitting: Fitting, order: Any) -> None:
        below, declared = self.tables["lines"], self.settings.lines
        for line in lines:
            values = new_row(connection, below, declared.columns, line, fitting, {declared.order: order})
            connection.execute(insert(below.table).values(values))

    # --- changing ------------------------------------------------------------------------------------------------

    def _renewed(self, bound: Bound, row: Row, fitting: Fitting) -> dict[str, Any]:
        """The header of an amended order: what says when or by which number it was made stays."""
        settings = self.settings
        kept = {settings.orders.id.casefold(), settings.orders.key.casefold()}
        kept |= {name.casefold() for name, one in settings.orders.columns.items() if one.value == "now"}
        columns = {name: one for name, one in settings.orders.columns.items() if name.casefold() not in kept}
        if settings.cancel is not None:
            columns = {**settings.cancel.undo, **columns}
        values = values_of(bound, columns, row, fitting)
        status = bound.columns[settings.orders.status].name if settings.orders.status is not None else None
        by_name = {column.name: column for column in bound.all}
        # nothing to say of a status, or of a column that must have something: what is there stays
        return {
            name: value
            for name, value in values.items()
            if value is not None or (name != status and by_name[name].nullable)
        }

    def amend(self, amendments: Sequence[Amendment]) -> list[DocumentOutcome]:
        """Bring documents to a new content; one outcome each, in order."""
        return each(amendments, self._amend, lambda one: one.key)

    def _amend(self, one: Amendment) -> DocumentOutcome:
        settings = self.settings
        number = one.draft.order.number or one.draft.order.id

        def work(connection: Connection) -> DocumentOutcome:
            there = self.open_row(connection, one.ref, number)
            row, lines, fitting = self._rows_of(connection, one.draft)
            bound, below = self.tables["orders"], self.tables["lines"]
            header = self._renewed(bound, row, fitting)
            changed = not all(same(there[name], value) for name, value in header.items())
            own = there[bound.columns[settings.orders.id].name]
            parent, here = below[settings.lines.order], bound[settings.orders.id] == own
            self._not_less_than_away(connection, lines, own, number)
            compared = {name: each_ for name, each_ in settings.lines.columns.items()
                        if each_.sequence is None and each_.value != "now"}  # fmt: skip
            query = select(*(below[name] for name in compared)).where(parent == own)
            before = [dict(found) for found in connection.execute(query).mappings()]
            other = not rows_are_same([values_of(below, compared, line, fitting) for line in lines], before)
            if changed:
                connection.execute(update(bound.table).where(here).values(header))
            if other:
                connection.execute(delete(below.table).where(parent == own))
                self._add_lines(connection, lines, fitting, own)
            now = connection.execute(select(*self.shown()).where(here)).one()
            self._same_total(one.draft, now)
            return DocumentOutcome(one.key, self.ref(now), existed=not (changed or other))

        return settled(self.database, work, self._forget)

    def _not_less_than_away(self, connection: Connection, lines: Sequence[Row], order: Any, number: str) -> None:
        product = self.settings.lines.counted[0]
        if self.away is None or not product:
            return
        by_id = self.settings.lines.columns[product].value == "product.id"
        left = {name: Decimal(quantity) for name, quantity in self.away(connection, order).items()}
        for line in lines:
            if line.product is not None:
                name = line.product.id if by_id else line.product.code
                left[name] = left.get(name, Decimal(0)) - line.item.quantity
        if more := [name for name, quantity in left.items() if quantity > 0]:
            raise Held(
                T("Of {product} more has left than order {number} would have.", product=more[0], number=number),
                hint=T("Take it back first, or change the order in the program itself."),
                where=Where(order=number),
                code="left",
            )

    def cancel(self, cancellations: Sequence[Cancellation]) -> list[DocumentOutcome]:
        """Mark documents cancelled; one outcome each, in order."""
        return each(cancellations, self._cancel, lambda one: one.key)

    def _cancel(self, one: Cancellation) -> DocumentOutcome:
        rule, orders = self.settings.cancel, self.settings.orders
        if rule is None:
            raise Held(
                T("The config does not say how an order is marked cancelled."),
                hint=T("Declare `cancel` of the connection, or mark it in the program itself."),
                who=Who.ADMIN,
                code="sql-no-cancel",
            )

        def work(connection: Connection) -> DocumentOutcome:
            bound = self.tables["orders"]
            there = self.open_row(connection, one.ref, one.ref.number)
            wanted = values_of(bound, rule.set, Row(now=self.now, status=one.status), self.fitting(one.ref.number))
            where = bound[orders.id] == there[bound.columns[orders.id].name]
            changed = not all(same(there[name], value) for name, value in wanted.items())
            if changed:
                connection.execute(update(bound.table).where(where).values(wanted))
            row = connection.execute(select(*self.shown()).where(where)).one()
            return DocumentOutcome(one.key, self.ref(row), existed=not changed)

        return settled(self.database, work)

    def open_row(self, connection: Connection, ref: DocumentRef, number: str) -> RowMapping:
        """The whole row of a document that may be changed, held for this transaction. Raises Held."""
        told = self.row_of(connection, ref, number)
        self.must_be_open(told, ref)
        return told

    def row_of(self, connection: Connection, ref: DocumentRef, number: str) -> RowMapping:
        """The whole row of a document, held for this transaction. Raises Held for one that is not there."""
        orders, bound = self.settings.orders, self.tables["orders"]
        where = Where(order=number or None)
        own = id_in(bound, orders.id, ref.id, number)
        query = held_for_us(select(bound.table).where(bound[orders.id] == own), bound, backend(connection))
        told = connection.execute(query).mappings().first()
        if told is None:
            raise Held(
                T("Document {number} is not there any more.", number=ref.number),
                hint=T("Find out who took it out. It is not made a second time by itself."),
                where=where,
                code="sql-gone",
            )
        return told

    def must_be_open(self, told: RowMapping, ref: DocumentRef) -> None:
        """Raises Held for a row of an order that is closed."""
        orders, bound = self.settings.orders, self.tables["orders"]
        where = Where(order=ref.number or None)
        for column, values in orders.closed_when.items():
            value = told[bound.columns[column].name]
            if any(same(value, each_) or text_of(value) == str(each_) for each_ in values):
                raise Held(
                    T("Document {number} is closed: {column} is {value}.", number=ref.number, column=column,
                      value=text_of(value)),
                    hint=T("Change it in the program itself, or open it there and try again."),
                    where=where,
                    code="closed",
                )  # fmt: skip


def held_for_us(query: Select[Any], bound: Bound, database: str) -> Select[Any]:
    """``query`` of rows that nobody else changes until the transaction ends. SQLite locks all of itself before."""
    query = query.with_hint(bound.table, "WITH (UPDLOCK, HOLDLOCK)", "mssql")
    if database not in ("postgresql", "mysql", "mariadb", "firebird"):
        return query
    # Firebird's plain FOR UPDATE holds nothing; what its dialect writes for `nowait` does, and waits all the same
    return query.with_for_update(nowait=database == "firebird")


def settled(
    database: Database, work: Callable[[Connection], DocumentOutcome], undone: Callable[[], None] = lambda: None
) -> DocumentOutcome:
    """``work`` in a transaction, begun anew where the database rolled it back. Raises Held, InDoubt, Transient …

    Args:
        undone: called after each transaction of which nothing, or nobody knows what, was kept.
    """
    last: Again | None = None
    for _ in range(TRIES):
        try:
            with database.write() as connection:
                return work(connection)
        except Again as error:
            last = error
            undone()
        except MistokError:
            undone()
            raise
    assert last is not None
    raise last.error


def each(
    changes: Sequence[Change], work: Callable[[Change], DocumentOutcome], key: Callable[[Change], str]
) -> list[DocumentOutcome]:
    """One outcome for each; what would strike all that follow as well is not tried on them."""
    outcomes: list[DocumentOutcome] = []
    strike: MistokError | None = None
    waited = 0  # in vain for another program, one change after the other: it holds more than a row
    for change in changes:
        if strike is not None:
            outcomes.append(DocumentOutcome(key(change), error=strike))
            continue
        try:
            outcomes.append(work(change))
            waited = 0
        except ConfigError:
            raise  # nothing of the tables is as it should be: a matter of the run, and not of one order
        except Refused as error:
            strike = error
            outcomes.append(DocumentOutcome(key(change), error=error))
        except Transient as error:
            waited = waited + 1 if error.code == "database-busy" else PATIENCE
            strike = error if waited >= PATIENCE else None
            outcomes.append(DocumentOutcome(key(change), error=error))
        except MistokError as error:
            outcomes.append(DocumentOutcome(key(change), error=error))
    return outcomes
