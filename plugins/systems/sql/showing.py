"""The statements that an order becomes, as text for a person: made of the config alone, the database is not asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import (
    Boolean,
    Date,
    DateTime,
    Integer,
    Numeric,
    Sequence,
    Unicode,
    delete,
    insert,
    literal,
    literal_column,
    make_url,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.engine import Dialect

from pipeline.api import (
    Address,
    Delivery,
    DocumentDraft,
    DocumentRef,
    Order,
    OrderLine,
    Party,
    Payment,
    PaymentDraft,
    Ref,
    SystemEnv,
    T,
    Text,
    key_of,
)
from plugins.systems.sql.buyers import key_of as key_of_buyer
from plugins.systems.sql.fitting import said
from plugins.systems.sql.reckoning import Way, reckon
from plugins.systems.sql.schema import Bound, untyped
from plugins.systems.sql.settings import DRIVERS, Columns, ListTable, ReturnTable, SqlSettings
from plugins.systems.sql.words import Row

_MOMENT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def script(settings: SqlSettings, env: SystemEnv, dialect: str = "") -> str:
    """All statements of an example order. ``dialect``: a kind of database, in place of that of the settings."""
    return _Script(settings, env, dialect).text()


class _Script:
    def __init__(self, settings: SqlSettings, env: SystemEnv, dialect: str) -> None:
        self._settings, self._env = settings, env
        self._tables = untyped(settings)
        self._zone = ZoneInfo(settings.timezone or env.timezone)
        kind = DRIVERS[dialect][0] if dialect else make_url(settings.url).drivername
        self._dialect: Dialect = make_url(f"{kind}://").get_dialect()()
        self._draft = _example(env)
        way = Way(settings.discounts, settings.lines.delivery, settings.lines.fee, settings.wrote("order.rounding"))
        order = self._draft.order
        self._row = Row(
            now=_MOMENT, draft=self._draft, reckoned=reckon(self._draft, way), buyer=order.customer, buyer_id="1"
        )

    def text(self) -> str:
        """Everything, with a remark before each statement."""
        parts = []
        for remark, statement in self._all():
            shown = self._compiled(statement) + ";" if statement is not None else ""
            parts.append(f"-- {remark}\n{shown}".rstrip())
        return "\n\n".join(parts)

    def _all(self) -> Iterator[tuple[Text, Any]]:
        settings = self._settings
        orders, lines = settings.orders, settings.lines
        above, below = self._tables["orders"], self._tables["lines"]
        key = key_of(self._env.client, self._draft.order.source, self._draft.order.id)
        look = select(above[orders.id], above[orders.number or orders.id]).where(above[orders.key] == _shown(key))
        yield from self._looked_up()
        yield T("Is the order there already?"), look
        yield from self._buyer()
        yield T("No: its row, in a transaction of its own."), self._insert(above, orders.columns, {orders.key: key})
        yield T("Which id did it get?"), look
        for place, line in enumerate(self._row.sums.lines, 1):
            row = replace(self._row, line=line, number=place, product=Ref(str(place), line.code, line.name))
            yield T("Line {n}.", n=place), self._insert(below, lines.columns, {lines.order: literal_column(":id")}, row)
        yield T("COMMIT: all of it, or nothing."), None
        changed = {name: one for name, one in orders.columns.items() if one.sequence is None and one.value != "now"}
        undo = settings.cancel.undo if settings.cancel is not None else {}
        where = above[orders.id] == literal_column(":id")
        values = self._values(above, {**undo, **changed}, self._row)
        yield (
            T("The order came again with other content: its row is changed, its lines are written anew."),
            (update(above.table).where(where).values(values)),
        )
        yield (
            T("Only lines of this order, and only when they differ."),
            (delete(below.table).where(below[lines.order] == literal_column(":id"))),
        )
        if settings.cancel is not None:
            row = Row(now=_MOMENT, status="cancelled")
            mark = update(above.table).where(where).values(self._values(above, settings.cancel.set, row))
            yield T("The order was cancelled: marked, never deleted."), mark
        if orders.status is not None:
            mark = update(above.table).where(where).values({above.columns[orders.status].name: _shown("packed")})
            yield T("The order got another status."), mark
        if (pays := settings.payments) is not None:
            pay = PaymentDraft(
                key=f"{self._env.client}/shop/1/pay/1",
                order=_NONE,
                amount=Decimal("500.00"),
                currency="UAH",
                at=_MOMENT,
            )
            given = {pays.key: pay.key, pays.order: literal_column(":id")}
            bound = self._tables["payments"]
            yield T("Is the payment there already?"), select(bound[pays.id]).where(bound[pays.key] == _shown(pay.key))
            yield T("A payment."), self._insert(bound, pays.columns, given, Row(now=_MOMENT, pay=pay))

        for path, follow in (("shipments", settings.shipments), ("returns", settings.returns)):
            if follow is None:
                continue
            key_ = f"{self._env.client}/shop/1/{'ship' if path == 'shipments' else 'return'}/1"
            given = {follow.key: key_, follow.order: literal_column(":id")}
            if isinstance(follow, ReturnTable):
                given[follow.shipment] = literal_column(":shipment")
            row = replace(self._row, at=_MOMENT)
            bound = self._tables[path]
            yield (
                T("Have these goods left, or come back, already?"),
                select(bound[follow.id]).where(bound[follow.key] == _shown(key_)),
            )
            yield T("Goods leave, or come back."), self._insert(self._tables[path], follow.columns, given, row)
            line = self._row.sums.lines[0]
            row = replace(row, line=line, number=1, product=Ref("1", line.code, line.name))
            given = {follow.lines.document: literal_column(":document")}
            table = self._tables[f"{path}.lines"]
            yield T("Line {n}.", n=1), self._insert(table, follow.lines.columns, given, row)

    def _looked_up(self) -> Iterator[tuple[Text, Any]]:
        """What the order refers to."""
        settings, order = self._settings, self._draft.order
        if settings.products is not None:
            codes = [_shown(line.code) for line in order.lines]
            query = self._listed("products", settings.products)
            bound = self._tables["products"]
            yield T("Which goods are meant? By their articles."), query.where(bound[settings.products.code].in_(codes))
            yield (
                T("Only for articles that are not there as they are: all, compared in normal form, and by name."),
                query,
            )
        for kind, declared in settings.lists.items():
            query, bound = self._listed(f"lists.{kind}", declared), self._tables[f"lists.{kind}"]
            example = _shown(order.status if kind == "status" else order.currency if kind == "currency" else "…")
            yield T("What is meant? Of the list {kind}.", kind=kind), query.where(bound[declared.code].in_([example]))

    def _listed(self, path: str, declared: ListTable) -> Any:
        names = [declared.id, declared.code, *([declared.name] if declared.name is not None else [])]
        return select(*(self._tables[path][name] for name in dict.fromkeys(names)))

    def _buyer(self) -> Iterator[tuple[Text, Any]]:
        """The buyer, where buyers have a table."""
        parties, customer = self._settings.parties, self._draft.order.customer
        if parties is None:
            return
        bound, named = self._tables["parties"], parties.match.named()
        names = [parties.id, *named.values(), *([parties.name] if parties.name is not None else [])]
        yield (
            T("Is the buyer there? All are read once for a batch, and compared however they are written."),
            select(*(bound[name] for name in dict.fromkeys(names))).order_by(bound[parties.id]),
        )
        given = {column: value for kind, column in named.items() if (value := getattr(customer, kind))}
        if not parties.create:
            return
        if given:
            fits = or_(*(bound[column] == _shown(value) for column, value in given.items()))
            yield T("Has another program added the buyer meanwhile?"), select(bound[parties.id]).where(fits)
        key = {parties.key: key_of_buyer(customer)} if parties.key is not None else {}
        yield T("No: the buyer's row."), self._insert(bound, parties.columns, key, Row(now=_MOMENT, buyer=customer))

    def _insert(self, bound: Bound, columns: Columns, given: dict[str, Any], row: Row | None = None) -> Any:
        values = self._values(bound, columns, row or self._row)
        for name, declared in columns.items():
            if declared.sequence is not None:
                values[name] = Sequence(declared.sequence).next_value()
        values |= {name: _shown(one) if isinstance(one, str) else one for name, one in given.items()}
        # in the order of the config, as a person reads it; the key first
        return insert(bound.table).values({bound.table.c[name]: value for name, value in values.items()})

    def _values(self, bound: Bound, columns: Columns, row: Row) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, declared in columns.items():
            if declared.sequence is None:
                cell = said(declared, row)
                if isinstance(cell, datetime):
                    cell = cell.astimezone(self._zone).replace(tzinfo=None, microsecond=0)
                elif (declared.value or "").endswith(".id") and isinstance(cell, str) and cell.isdecimal():
                    cell = Decimal(cell)  # as most tables have ids; the real ones are as their column is
                found[bound.columns[name].name] = _shown(cell)
        return found

    def _compiled(self, statement: Any) -> str:
        made = str(statement.compile(dialect=self._dialect, compile_kwargs={"literal_binds": True}))
        return "\n".join(line.rstrip() for line in made.splitlines())


def _shown(cell: Any) -> Any:
    """A value as a literal of its own kind."""
    if cell is None:
        return null()
    kinds = ((bool, Boolean()), (int, Integer()), (datetime, DateTime()), (date, Date()), (str, Unicode()))
    if isinstance(cell, Decimal):
        return literal(cell, Numeric(asdecimal=True))
    return literal(cell, next((kind for python, kind in kinds if isinstance(cell, python)), Unicode()))


_NONE = DocumentRef("1", "1")


def _example(env: SystemEnv) -> DocumentDraft:
    order = Order(
        id="1",
        number="00000001",
        source="shop",
        created_at=_MOMENT,
        currency=env.currency,
        customer=Party(first_name="Олена", last_name="Шевченко", phone="+380671234567", email="olena@example.com"),
        lines=(
            OrderLine(code="AB-1", name="Ґрунт 10 л", quantity=Decimal(2), price=Decimal("389.50"), unit="шт"),
            OrderLine(code="AB-2", name="Стрічка", quantity=Decimal(3), price=Decimal("48.60"), unit="шт"),
        ),
        delivery=Delivery(
            carrier="nova-poshta", city="Київ", branch="12", address=Address(city="Київ"), cost=Decimal("70.00")
        ),
        payment=Payment(method="Післяплата"),
        total=Decimal("994.80"),
    )
    products = tuple(Ref(str(n), line.code, line.name) for n, line in enumerate(order.lines, 1))
    return DocumentDraft(key=key_of(env.client, "shop", "1"), order=order, products=products)
