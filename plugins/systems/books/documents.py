"""Makes order documents: each once, whatever happens, and in few statements a batch.

A batch is one transaction. Its rows are written together; if the database refuses them, they are written again one
draft at a time, each behind a savepoint, so that only the draft at fault fails.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any

from sqlalchemy import BigInteger, Connection, Insert, bindparam, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError

from pipeline.api import (
    DocumentDraft,
    DocumentOutcome,
    DocumentRef,
    Held,
    InDoubt,
    ListedDocument,
    MistokError,
    Party,
    Ref,
    Refused,
    T,
    Totals,
    Transient,
    Where,
    Who,
    cents,
    change,
    insert_rows,
    look_up,
    order_totals,
    rate_of,
    run_rows,
)
from plugins.systems.books import tables as t
from plugins.systems.books.counters import lock
from plugins.systems.books.database import Database, in_doubt
from plugins.systems.books.parties import Parties
from plugins.systems.books.periods import check_open, closed_until
from plugins.systems.books.plain import plain
from plugins.systems.books.settings import BooksSettings
from plugins.systems.books.storable import keepable, storable
from plugins.systems.books.store import ensure, known_codes

KIND = "order"
_D = t.documents.c
_SHOWN = select(
    _D.id, _D.number, _D.key, _D.created_at, _D.total, _D.order_id, t.currencies.c.code.label("currency")
).join_from(t.documents, t.currencies, t.currencies.c.id == _D.currency_id)
_BY_KEY = _SHOWN.where(_D.key.in_(bindparam("keys", expanding=True)))
#: By ids of sources and of orders, each for itself: pairs of them would have SQLite look through all documents of the
#: client. A pair more than is wanted does no harm.
_OF_SOURCE = _SHOWN.add_columns(_D.source_id).where(
    _D.kind == KIND,
    _D.client == bindparam("client"),
    _D.source_id == bindparam("source"),
    _D.order_id.in_(bindparam("ids", expanding=True)),
)
_CURRENCIES = select(t.currencies.c.code, t.currencies.c.id).where(
    t.currencies.c.code.in_(bindparam("codes", expanding=True))
)
_SERVICES = select(t.products.c.id).where(t.products.c.id.in_(bindparam("ids", expanding=True)), t.products.c.service)
_WAREHOUSES = select(t.warehouses.c.id, t.warehouses.c.code)
_NUMBER = bindparam("number", type_=BigInteger)
_COUNT = (
    update(t.counters).where(t.counters.c.name == bindparam("kind"), t.counters.c.last < _NUMBER).values(last=_NUMBER)
)
_CHUNK = 400
_NONE = Decimal("0.00")
OrderKey = tuple[str, str]


@dataclass(slots=True)
class Rows:
    """What one draft puts into the tables."""

    draft: DocumentDraft
    document: dict[str, Any]
    lines: list[dict[str, Any]]
    taxes: list[dict[str, Any]]
    reserve: dict[tuple[int, int], Decimal]  # (product, warehouse) -> quantity
    ref: DocumentRef


def find(connection: Connection, keys: Collection[str]) -> dict[str, DocumentRef]:
    """The documents that exist for ``keys``."""
    wanted = list(keys)
    found: dict[str, DocumentRef] = {}
    for start in range(0, len(wanted), _CHUNK):
        for row in look_up(connection, _BY_KEY, keys=wanted[start : start + _CHUNK]):
            ref = _ref(row)
            found[ref.key] = ref
    return found


def listed(connection: Connection) -> list[ListedDocument]:
    """Every document, oldest first."""
    rows = connection.execute(
        _SHOWN.add_columns(t.sources.c.code.label("source"))
        .join(t.sources, t.sources.c.id == _D.source_id)
        .order_by(_D.id)
    )
    return [ListedDocument(_ref(row), row.source, row.order_id) for row in rows]


def create(
    database: Database,
    drafts: Sequence[DocumentDraft],
    settings: BooksSettings,
    now: datetime,
    *,
    client: str,
    currency: str,
) -> Sequence[DocumentOutcome]:
    """A document for each draft, idempotent by key and by (client, source, order id); one outcome each, in order.

    ``currency``: the client's own, in which the books are kept.
    """
    if not drafts:
        return ()
    outcomes: dict[int, DocumentOutcome] = {}
    try:
        with database.write() as connection:
            outcomes = Batch(connection, drafts, settings, now, client, currency).run()
            commit(database, connection)
    except Held as error:
        # something in one of them cannot even be looked up or prepared: each for itself, so that only that one fails
        if len(drafts) > 1:
            return tuple(
                create(database, (draft,), settings, now, client=client, currency=currency)[0] for draft in drafts
            )
        return (DocumentOutcome(drafts[0].key, error=error),)
    except (Transient, Refused, InDoubt) as error:
        return tuple(DocumentOutcome(draft.key, error=error) for draft in drafts)
    return tuple(outcomes[n] for n in range(len(drafts)))


def commit(database: Database, connection: Connection) -> None:
    """Commit what was written. Raises InDoubt when nobody can say whether it was."""
    try:
        connection.commit()
    except DBAPIError as error:
        if not database.sqlite and in_doubt(error):
            raise InDoubt(
                T("The books broke off in the middle of a write: {words}", words=str(error.orig)),
                hint=T("What was written is looked up again by itself."),
            ) from error
        raise


class Batch:
    """One transaction of drafts."""

    def __init__(
        self,
        connection: Connection,
        drafts: Sequence[DocumentDraft],
        settings: BooksSettings,
        now: datetime,
        client: str,
        currency: str,
    ) -> None:
        self._client, self._own = client, currency
        self._connection, self._drafts, self._settings, self._now = connection, drafts, settings, now
        self._outcomes: dict[int, DocumentOutcome] = {}
        self._free: dict[tuple[int, int], Decimal] = {}  # (product, warehouse) -> not reserved by anybody
        self._later: list[tuple[int, int]] = []  # (draft, the earlier draft of this batch for the same order)

    def run(self) -> dict[int, DocumentOutcome]:
        """The outcome of each draft by its position. The caller commits."""
        # Whoever creates holds this row until commit: what is looked up below cannot change before we write.
        last = lock(self._connection, KIND)
        fresh = self._not_there()
        self.prepare([self._drafts[n] for n in fresh])
        rows: dict[int, Rows] = {}
        until = closed_until(self._connection)
        for n in fresh:
            order = self._drafts[n].order
            try:
                check_open(until, order.created_at, self._now.tzinfo, order.number or order.id)
                made = self.rows(self._drafts[n], last + 1)
            except Held as error:
                self._outcomes[n] = DocumentOutcome(self._drafts[n].key, error=error)
                continue
            rows[n] = made
            last += 1
        self._write(rows)
        for n, first in self._later:
            of = self._outcomes[first]
            self._outcomes[n] = DocumentOutcome(self._drafts[n].key, of.ref, existed=of.ref is not None, error=of.error)
        return self._outcomes

    def prepare(self, drafts: Sequence[DocumentDraft]) -> None:
        """Look up what these drafts refer to, so that :meth:`rows` can be asked for each."""
        self._lists = self._reference_ids(drafts)
        self._parties = Parties(
            self._connection,
            [draft.order.customer for draft in drafts if draft.client is None],
            create=self._settings.create_parties,
            now=self._now,
        )
        self._warehouse = self._default_warehouse(drafts)
        self._services = self._service_ids(drafts)
        self._free = self._free_stock(drafts) if self._settings.oversell == "hold" else {}

    # --- what is there -------------------------------------------------------------------------------------------

    def _not_there(self) -> list[int]:
        by_key = find(self._connection, {draft.key for draft in self._drafts})
        by_order = self._of_orders({(draft.order.source, draft.order.id) for draft in self._drafts})
        fresh: list[int] = []
        first: dict[str | OrderKey, int] = {}
        for n, draft in enumerate(self._drafts):
            order = (draft.order.source, draft.order.id)
            if ref := by_key.get(draft.key) or by_order.get(order):
                self._outcomes[n] = DocumentOutcome(draft.key, ref, existed=True)
            elif (earlier := first.get(draft.key, first.get(order))) is not None:
                self._later.append((n, earlier))
            else:
                first[draft.key] = first[order] = n
                fresh.append(n)
        return fresh

    def _of_orders(self, wanted: set[OrderKey]) -> dict[OrderKey, DocumentRef]:
        by_source: dict[str, list[str]] = {}
        for source, order in sorted(wanted):
            by_source.setdefault(source, []).append(order)
        found: dict[OrderKey, DocumentRef] = {}
        for source, number in known_codes(self._connection, t.sources, by_source).items():
            orders = by_source[source]
            for start in range(0, len(orders), _CHUNK):
                some = orders[start : start + _CHUNK]
                rows = look_up(self._connection, _OF_SOURCE, client=self._client, source=number, ids=some)
                found.update(((source, row[5]), _ref(row)) for row in rows)
        return found

    def _reference_ids(self, drafts: Sequence[DocumentDraft]) -> dict[str, dict[str, int]]:
        orders = [draft.order for draft in drafts]
        codes = sorted({order.currency for order in orders})
        return {
            "source": ensure(self._connection, t.sources, {order.source for order in orders}),
            "status": ensure(self._connection, t.statuses, {order.status for order in orders}),
            "currency": {code: int(number) for code, number in look_up(self._connection, _CURRENCIES, codes=codes)},
        }

    def _default_warehouse(self, drafts: Sequence[DocumentDraft]) -> int | Held | None:
        if all(draft.warehouse is not None for draft in drafts):
            return None
        return default_warehouse(self._connection, self._settings)

    def _service_ids(self, drafts: Sequence[DocumentDraft]) -> set[str]:
        # strings, as refs carry them
        ids = {int(ref.id) for draft in drafts for ref in draft.products if ref.id.isdecimal()}
        known = sorted(ids)
        return {
            str(row[0])
            for start in range(0, len(known), _CHUNK)
            for row in look_up(self._connection, _SERVICES, ids=known[start : start + _CHUNK])
        }

    def _free_stock(self, drafts: Sequence[DocumentDraft]) -> dict[tuple[int, int], Decimal]:
        ids = {int(ref.id) for draft in drafts for ref in draft.products if ref.id.isdecimal()}
        s = t.stock.c
        lock_rows = select(s.product_id, s.warehouse_id, s.on_hand, s.reserved).where(s.product_id.in_(sorted(ids)))
        rows = self._connection.execute(lock_rows.order_by(s.product_id, s.warehouse_id).with_for_update())
        return {(row.product_id, row.warehouse_id): row.on_hand - row.reserved for row in rows}

    # --- a draft as rows -----------------------------------------------------------------------------------------

    def free(self, reserve: Mapping[tuple[int, int], Decimal]) -> None:
        """Count what a document reserves as free, because it is about to be written anew."""
        for place, quantity in reserve.items():
            self._free[place] = self._free.get(place, _NONE) + quantity

    def rows(self, draft: DocumentDraft, number: int) -> Rows:
        """The rows of a draft as document ``number``. Raises Held when the books cannot take it."""
        order = draft.order
        where = Where(order=order.number or order.id)
        if len(draft.products) != len(order.lines):
            raise Held(T("The lines of the order and their products do not pair up."), where=where, who=Who.US)
        totals, rounding = sums(draft, where)
        currency = self._lists["currency"].get(order.currency)
        if currency is None:
            raise Held(
                T("The books do not keep the currency {code}.", code=order.currency),
                hint=T("Add the currency to the books."),
                where=where,
                code="unknown-currency",
            )
        rate = order.rate
        if order.currency != self._own:  # never as if it were one of the books' own for one
            rate = rate_of(order, self._own, self._settings.rates, "rates")
        warehouse = id_of(draft.warehouse, where)
        if draft.warehouse is None:
            if isinstance(self._warehouse, Held):
                raise self._warehouse
            warehouse = self._warehouse
        products = [id_of(ref, where) or 0 for ref in draft.products]
        reserve: dict[tuple[int, int], Decimal] = {}
        if warehouse is not None:
            for product, ref, line in zip(products, draft.products, order.lines, strict=True):
                if ref.id not in self._services:
                    place = (product, warehouse)
                    reserve[place] = reserve.get(place, _NONE) + line.quantity
        self._reserve(draft, reserve, where)
        party = id_of(draft.client, where) or self._parties.id_of(order.customer)
        full = f"{self._settings.number_prefix}{number:06d}"
        delivery, payment = order.delivery, order.payment
        recipient = delivery.recipient or order.customer
        document = {
            "id": number,
            "kind": KIND,
            "number": full,
            "client": self._client,
            "key": draft.key,
            "source_id": self._lists["source"][order.source],
            "order_id": order.id,
            "order_number": order.number,
            "source_number": order.source_number,
            "ordered_at": order.created_at,
            "modified_at": order.updated_at,
            "created_at": self._now,
            "status_id": id_of(draft.references.get("status"), where) or self._lists["status"][order.status],
            "party_id": party,
            "shop_id": id_of(draft.references.get("source"), where),
            "object_id": id_of(draft.object, where),
            "warehouse_id": warehouse,
            "user_id": id_of(draft.user, where),
            "executor_id": id_of(draft.executor, where),
            "currency_id": currency,
            "rate": rate,
            "prices_include_tax": order.prices_include_tax,
            "lines_sum": totals.lines,
            "discount": totals.discount,
            "delivery_cost": totals.delivery,
            "payment_fee": totals.fee,
            "tax": totals.tax,
            "rounding": rounding,
            "total": cents(order.total),
            "discounts": [plain(d) for d in order.discounts] or None,
            "customer": _party(order.customer),
            "delivery_carrier": delivery.carrier,
            "delivery_service": delivery.service,
            "delivery_city": delivery.city,
            "delivery_branch": delivery.branch,
            "delivery_recipient": recipient.title,
            "delivery_phone": recipient.phone,
            "delivery_tracking": delivery.tracking,
            "delivery_date": delivery.planned_for,
            "delivery": plain(delivery),
            "delivery_product_id": id_of(draft.delivery, where),
            "payment_method": payment.method,
            "payment_status": payment.status,
            "paid": payment.paid,
            "payment": plain(payment),
            "comment": draft.comment,
            "buyer_comment": order.comment,
            "language": order.language,
            "manager": order.manager,
            "manager_comment": order.manager_comment,
            "extra": dict(order.extra) or None,
        }
        lines = [
            {
                "document_id": number,
                "position": n,
                "product_id": product,
                "code": line.code,
                "name": line.name,
                "quantity": line.quantity,
                "unit": line.unit,
                "price": line.price,
                "discount": line.discount,
                "tax_rate": line.tax_rate,
                "sum": line_sum,
                "attributes": dict(line.attributes) or None,
                "barcode": line.barcode,
                "comment": line.comment,
                "reserved": line.quantity if warehouse is not None and ref.id not in self._services else _NONE,
            }
            for n, (line, ref, product, line_sum) in enumerate(
                zip(order.lines, draft.products, products, totals.line_sums, strict=True), 1
            )
        ]
        taxes = [
            {"document_id": number, "position": n, "rate": share.rate, "base": share.base, "tax": share.tax}
            for n, share in enumerate(totals.taxes, 1)
        ]
        made = DocumentRef(str(number), full, draft.key, self._now, cents(order.total), order.currency)
        return Rows(draft, document, lines, taxes, reserve, made)

    def _reserve(self, draft: DocumentDraft, reserve: Mapping[tuple[int, int], Decimal], where: Where) -> None:
        if self._settings.oversell == "allow":
            return
        for place, quantity in reserve.items():
            free = self._free.get(place, _NONE)
            if quantity > free:
                ref = next(ref for ref in draft.products if ref.id == str(place[0]))
                raise Held(
                    T(
                        "Of {code} {quantity} are ordered and {free} are free.",
                        code=ref.code,
                        quantity=quantity,
                        free=max(free, _NONE),
                    ),
                    hint=T(
                        "Restock it, and the next run takes the order; or agree with the buyer, and let it come again."
                    ),
                    where=where,
                    code="no-stock",
                )
        for place, quantity in reserve.items():
            self._free[place] -= quantity

    # --- writing -------------------------------------------------------------------------------------------------

    def _write(self, rows: Mapping[int, Rows]) -> None:
        if not rows:
            return
        try:
            with self._connection.begin_nested():
                self._insert(list(rows.values()))
        except (IntegrityError, StatementError) as error:
            if isinstance(error, DBAPIError) and not isinstance(error, IntegrityError) and in_doubt(error):
                raise
            self._write_each(rows)
            return
        self._outcomes |= {n: DocumentOutcome(made.draft.key, made.ref) for n, made in rows.items()}

    def _write_each(self, rows: Mapping[int, Rows]) -> None:
        for n, made in rows.items():
            try:
                with self._connection.begin_nested():
                    self._insert([made])
            except (IntegrityError, StatementError) as error:
                if isinstance(error, DBAPIError) and not isinstance(error, IntegrityError) and in_doubt(error):
                    raise
                self._outcomes[n] = DocumentOutcome(
                    made.draft.key, error=held_by_database(made.draft.order.number or made.draft.order.id, error)
                )
                continue
            self._outcomes[n] = DocumentOutcome(made.draft.key, made.ref)

    def _insert(self, rows: Sequence[Rows]) -> None:
        connection = self._connection
        insert_rows(connection, t.documents, [made.document for made in rows])
        insert_rows(connection, t.document_lines, [line for made in rows for line in made.lines])
        insert_rows(connection, t.document_taxes, [tax for made in rows for tax in made.taxes])
        reserve: dict[tuple[int, int], Decimal] = {}
        for made in rows:
            for place, quantity in made.reserve.items():
                reserve[place] = reserve.get(place, _NONE) + quantity
        add_reserve(connection, reserve, self._now)
        last = max(made.document["id"] for made in rows)
        change(connection, _COUNT, kind=KIND, number=last)


def sums(draft: DocumentDraft, where: Where) -> tuple[Totals, Decimal]:
    """The sums of a draft, and by what its total is evened out.

    Raises Held when they do not make the total that it states, or when a number cannot be kept.
    """
    order = draft.order
    storable(draft, where)
    totals = order_totals(order)
    keepable(where, [totals.lines, totals.discount, totals.total])
    rounding = cents(draft.rounding) if draft.rounding is not None else _NONE
    if totals.total + rounding != cents(order.total):
        raise Held(
            T(
                "Order {number} says {stated}, its parts make {made}.",
                number=order.number,
                stated=cents(order.total),
                made=totals.total + rounding,
            ),
            hint=T("Find out which is right, mend it at the source, and let the order come again."),
            where=where,
            code="totals",
        )
    return totals, rounding


def default_warehouse(connection: Connection, settings: BooksSettings) -> int | Held | None:
    """The warehouse of orders that name none; None where there is none yet, Held where none of several is meant."""
    rows = look_up(connection, _WAREHOUSES)
    found = next((int(number) for number, code in rows if code == settings.default_warehouse), None)
    if found is not None:
        return found
    if len(rows) < 2:
        return int(rows[0][0]) if rows else None
    return Held(
        T(
            "The order names no warehouse, and {code} is none of the {n} that the books have.",
            code=settings.default_warehouse,
            n=len(rows),
        ),
        hint=T("Set `default_warehouse` of the books, or `warehouse` of the step."),
        code="unknown-warehouse",
        who=Who.ADMIN,
    )


def add_reserve(connection: Connection, reserve: Mapping[tuple[int, int], Decimal], now: datetime) -> None:
    """Add to what is reserved, by (product, warehouse); less than 0 takes away. ``now``: when it changes."""
    _add(connection, "reserved", reserve, now)


def add_on_hand(connection: Connection, amounts: Mapping[tuple[int, int], Decimal], now: datetime) -> None:
    """Add to what is on hand, by (product, warehouse); less than 0 takes away."""
    _add(connection, "on_hand", amounts, now)


def _add(connection: Connection, column: str, amounts: Mapping[tuple[int, int], Decimal], now: datetime) -> None:
    if not amounts:
        return
    # ordered, so that two writers lock rows in one order
    rows = [
        {"product_id": product, "warehouse_id": place, "on_hand": _NONE, "reserved": _NONE, "updated_at": now}
        | {column: quantity}
        for (product, place), quantity in sorted(amounts.items())
    ]
    run_rows(connection, _adding(column, connection.dialect.name), rows)


@cache
def _adding(column: str, dialect: str) -> Insert:
    if dialect == "sqlite":
        from sqlalchemy.dialects.sqlite import insert as add
    else:
        from sqlalchemy.dialects.postgresql import insert as add  # type: ignore[assignment]
    new = add(t.stock)
    return new.on_conflict_do_update(
        index_elements=["product_id", "warehouse_id"],
        set_={column: t.stock.c[column] + new.excluded[column], "updated_at": new.excluded.updated_at},
    )


def _ref(row: Any) -> DocumentRef:
    number, shown, key, created_at, total, _order, currency = row[:7]  # of _SHOWN
    return DocumentRef(str(number), shown, key, created_at, total, currency)


def id_of(ref: Ref | None, where: Where) -> int | None:
    """What a reference names, as the database has it. Raises Held for what can be nothing of the books."""
    if ref is None:
        return None
    if not (ref.id.isascii() and ref.id.isdecimal() and len(ref.id) < 19):
        raise Held(T("{code} is nothing that the books know.", code=ref.code), where=where, who=Who.US)
    return int(ref.id)


def held_by_database(order: str, error: Exception) -> MistokError:
    """What is said of an order that the database itself refuses."""
    words = str(getattr(error, "orig", None) or error).splitlines()[0]
    return Held(
        T("The books refuse order {order}: {words}", order=order, words=words),
        hint=T(
            "Look whether all that the order refers to is still in the books, and whether nothing of it is too long."
        ),
        where=Where(order=order),
        code="books-refuse",
    )


def _party(party: Party) -> dict[str, Any]:
    made: dict[str, Any] = plain(party)
    return made
