"""What people look at of that which follows an order: shipments, returns and payments as plain rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Select, Table, func, select

from pipeline.api import matcher
from plugins.systems.books import tables as t

if TYPE_CHECKING:
    from plugins.systems.books.system import Books


def shipment_rows(books: Books, find: str, limit: int) -> list[dict[str, Any]]:
    """Shipments, newest first, each with the order that it stands on."""
    statement = _goods(t.shipments, t.shipment_lines.c.shipment_id).add_columns(t.shipments.c.tracking)
    with books.reading() as connection:
        return _found(connection, statement, find, limit)


def return_rows(books: Books, find: str, limit: int) -> list[dict[str, Any]]:
    """Returns, newest first, each with its shipment and order."""
    statement = _goods(t.returns, t.return_lines.c.return_id).add_columns(t.shipments.c.number.label("shipment"))
    statement = statement.join(t.shipments, t.shipments.c.id == t.returns.c.shipment_id)
    with books.reading() as connection:
        return _found(connection, statement, find, limit)


def payment_rows(books: Books, find: str, limit: int) -> list[dict[str, Any]]:
    """Payments, newest first, each with its order and the account that it went to."""
    with books.reading() as connection:
        return _found(connection, _money(), find, limit)


def document_under(books: Books, number: str) -> str:
    """The number of the order document that the shipment, return or payment of this number stands on, else ""."""
    d = t.documents.c
    for table in (t.shipments, t.returns, t.payments):
        query = select(d.number).join_from(table, t.documents, d.id == table.c.document_id)
        with books.reading() as connection:
            if (found := connection.execute(query.where(table.c.number == number)).scalar()) is not None:
                return str(found)
    return ""


def papers_of(connection: Connection, document: int) -> dict[str, list[dict[str, Any]]]:
    """All that stands on an order document, oldest first: ``shipments``, ``returns`` with their lines, ``payments``."""
    found: dict[str, list[dict[str, Any]]] = {}
    for name, table, lines, own in (
        ("shipments", t.shipments, t.shipment_lines, t.shipment_lines.c.shipment_id),
        ("returns", t.returns, t.return_lines, t.return_lines.c.return_id),
    ):
        statement = _goods(table, own).add_columns(table.c.id.label("paper"), table.c.key, table.c.comment)
        if table is t.returns:
            statement = statement.add_columns(t.shipments.c.number.label("shipment"))
            statement = statement.join(t.shipments, t.shipments.c.id == t.returns.c.shipment_id)
        else:
            statement = statement.add_columns(t.shipments.c.tracking)
        rows = connection.execute(statement.where(table.c.document_id == document).order_by(table.c.id)).mappings()
        papers = [dict(row) for row in rows]
        for row in papers:
            c = lines.c
            goods = select(c.position, t.products.c.code.label("product_code"), c.name, c.quantity, c.unit, c.price)
            goods = goods.add_columns(c.discount, c.sum).join_from(lines, t.products, t.products.c.id == c.product_id)
            inside = connection.execute(goods.where(own == row.pop("paper")).order_by(c.position)).mappings()
            row["lines"] = [dict(line) for line in inside]
        found[name] = papers
    money = _money().add_columns(t.payments.c.key, t.payments.c.comment)
    money = money.where(t.payments.c.document_id == document).order_by(t.payments.c.id)
    found["payments"] = [dict(row) for row in connection.execute(money).mappings()]
    return found


def _paper(table: Table) -> Select[Any]:
    c, d = table.c, t.documents.c
    party = t.payments.c.party_id if table is t.payments else d.party_id
    return (
        select(
            c.number,
            c.at,
            d.number.label("document"),
            d.order_number,
            t.parties.c.name.label("party"),
            c.total,
            t.currencies.c.code.label("currency"),
        )
        .select_from(table)
        .join(t.documents, d.id == c.document_id)
        .join(t.parties, t.parties.c.id == party)
        .join(t.currencies, t.currencies.c.id == d.currency_id)
    )


def _money() -> Select[Any]:
    account = func.coalesce(func.nullif(t.accounts.c.name, ""), t.accounts.c.code, "")
    statement = _paper(t.payments).add_columns(account.label("account"))
    return statement.outerjoin(t.accounts, t.accounts.c.id == t.payments.c.account_id)


def _goods(table: Table, own: Any) -> Select[Any]:
    items = select(func.count()).where(own == table.c.id).scalar_subquery()
    place = func.coalesce(func.nullif(t.warehouses.c.name, ""), t.warehouses.c.code, "")
    return (
        _paper(table)
        .add_columns(items.label("items"), place.label("warehouse"))
        .outerjoin(t.warehouses, t.warehouses.c.id == table.c.warehouse_id)
    )


def _found(connection: Connection, statement: Select[Any], find: str, limit: int) -> list[dict[str, Any]]:
    number = statement.selected_columns["number"]
    statement = statement.order_by(statement.selected_columns["at"].desc(), number.desc())
    if not find.strip():
        return [dict(row) for row in connection.execute(statement.limit(limit)).mappings()]
    rows: list[dict[str, Any]] = []
    matches = matcher(find)
    for row in connection.execute(statement).mappings():
        if matches((row["number"], row["document"], row["order_number"], row["party"], row.get("tracking")), ()):
            rows.append(dict(row))
            if len(rows) == limit:
                break
    return rows
