"""What people look at: products, stock, parties and documents as plain rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, Select, func, select

from pipeline.api import Held, T, Text, matcher, sellable
from plugins.systems.books import tables as t
from plugins.systems.books.papers import papers_of

if TYPE_CHECKING:
    from plugins.systems.books.system import Books

#: the name of a product as a person is shown it
NAME = (
    select(t.product_texts.c.name)
    .where(t.product_texts.c.product_id == t.products.c.id)
    .order_by(t.product_texts.c.language != "uk-UA", t.product_texts.c.language)
    .limit(1)
    .scalar_subquery()
)

_SHOPS, _DELIVERY = t.sources.alias("shops"), t.products.alias("delivered")

#: What the known codes of an order say; a client's own codes are shown as they are.
STATUSES: Mapping[str, Text] = {
    "new": T("new"),
    "confirmed": T("confirmed"),
    "paid": T("paid"),
    "shipped": T("shipped"),
    "completed": T("completed"),
    "cancelled": T("cancelled"),
    "refunded": T("refunded"),
}
SERVICES: Mapping[str, Text] = {
    "branch": T("to a branch"),
    "locker": T("to a parcel locker"),
    "courier": T("by courier"),
    "pickup": T("pickup by the buyer"),
    "other": T("another way"),
    "nova-poshta": T("Nova Poshta"),
    "ukrposhta": T("Ukrposhta"),
    "meest": T("Meest"),
    "rozetka": T("Rozetka"),
}
PAYMENTS: Mapping[str, Text] = {"unpaid": T("unpaid"), "partly": T("partly paid"), "paid": T("paid")}

_CALLED = 5  #: documents that are named where one number may mean several


def in_words(code: str | None, known: Mapping[str, Text]) -> str:
    """What a known code says in the reader's language; any other as it is."""
    return str(known.get(code or "", code or ""))


def product_rows(books: Books, find: str, limit: int) -> list[dict[str, Any]]:
    """Products whose code or name has ``find`` in it, ordered by code."""
    fields = (
        "code",
        "name.uk-UA",
        "category",
        "price",
        "special_price",
        "special_start",
        "special_end",
        "stock",
        "unit",
    )
    rows: list[dict[str, Any]] = []
    now = books.env.clock.now()
    matches = matcher(find)
    for batch in books.batches(fields, at=now):
        for n in range(batch.length):
            row = {name.removesuffix(".uk-UA"): batch.columns[name][n] for name in fields}
            if matches((row["code"], row["name"]), ()):
                starts = row.pop("special_start")
                if starts is not None and starts > now:
                    row["special_price"] = None  # to come; the table shows what holds today
                row["category"] = "/".join(row["category"])
                rows.append(row)
                if len(rows) == limit:
                    return rows
    return rows


def stock_rows(books: Books, find: str, limit: int) -> list[dict[str, Any]]:
    """Stock levels, one row a product and warehouse."""
    s = t.stock.c
    statement = (
        select(
            t.products.c.code,
            NAME.label("name"),
            t.warehouses.c.code.label("warehouse"),
            t.warehouses.c.name.label("place"),
            s.on_hand,
            s.reserved,
        )
        .join_from(t.stock, t.products)
        .join(t.warehouses)
        .order_by(t.products.c.code, t.warehouses.c.code)
    )
    with books.reading() as connection:
        rows = _found(connection, statement, find, limit, "code", "name")
    return [row | {"sellable": sellable([(row["on_hand"], row["reserved"])])} for row in rows]


def party_rows(books: Books, find: str, limit: int) -> list[dict[str, Any]]:
    """Parties, ordered by code, each with how many documents it has."""
    p = t.parties.c
    of = select(func.count()).where(t.documents.c.party_id == p.id).scalar_subquery()
    statement = select(p.code, p.name, p.edrpou, p.phone, p.email, of.label("documents")).order_by(p.code)
    with books.reading() as connection:
        return _found(connection, statement, find, limit, "code", "name", "email", "edrpou", phones=("phone",))


def document_rows(books: Books, find: str, limit: int) -> list[dict[str, Any]]:
    """Documents, newest first."""
    items = select(func.count()).where(t.document_lines.c.document_id == t.documents.c.id).scalar_subquery()
    statement = _documents(items.label("items"), t.parties.c.phone.label("phone")).order_by(t.documents.c.id.desc())
    with books.reading() as connection:
        rows = _found(
            connection, statement, find, limit, "number", "order_number", "party", "source", phones=("phone",)
        )
    return [_without(row, "phone") for row in rows]


def document_called(books: Books, said: str) -> str:
    """The number of the document that a person calls ``said``: as it stands, or with its leading zeros left out.

    ``said`` itself when there is no such document. Raises Held when several have that number without its zeros.
    """
    number = t.documents.c.number
    with books.reading() as connection:
        if connection.execute(select(number).where(number == said)).first() is not None or not said.isdecimal():
            return said
        bare = func.ltrim(number, "0") == said.lstrip("0")
        found = connection.execute(select(number).where(bare).order_by(number).limit(_CALLED)).scalars().all()
    if len(found) > 1:
        words = T("{number} may be any of these documents: {names}.", number=said, names=", ".join(found))
        raise Held(words, code="document-ambiguous", hint=T("Write its number with the zeros."))
    return found[0] if found else said


def document_view(books: Books, number: str) -> dict[str, Any] | None:
    """One document with its lines and taxes; None when there is none of that number."""
    d = t.documents.c
    extra = [
        column
        for column in t.documents.c
        if column.name not in {"number", "created_at", "client", "order_number", "total"}
    ]
    statement = _documents(
        t.parties.c.code.label("party_code"),
        _SHOPS.c.code.label("shop"),
        _DELIVERY.c.code.label("delivery_product"),
        t.objects.c.name.label("object"),
        t.warehouses.c.name.label("warehouse"),
        t.warehouses.c.code.label("warehouse_code"),
        t.users.c.name.label("user"),
        t.executors.c.name.label("executor"),
        *extra,
    )
    statement = (
        statement.outerjoin(_SHOPS, _SHOPS.c.id == d.shop_id)
        .outerjoin(_DELIVERY, _DELIVERY.c.id == d.delivery_product_id)
        .outerjoin(t.objects, t.objects.c.id == d.object_id)
        .outerjoin(t.warehouses, t.warehouses.c.id == d.warehouse_id)
        .outerjoin(t.users, t.users.c.id == d.user_id)
        .outerjoin(t.executors, t.executors.c.id == d.executor_id)
        .where(d.number == number)
    )
    with books.reading() as connection:
        row = connection.execute(statement).mappings().first()
        if row is None:
            return None
        found = {name: value for name, value in row.items() if not name.endswith("_id") or name == "order_id"}
        lines = select(t.document_lines, t.products.c.code.label("product_code")).join(t.products)
        lines = lines.where(t.document_lines.c.document_id == row["id"]).order_by(t.document_lines.c.position)
        taxes = select(t.document_taxes).where(t.document_taxes.c.document_id == row["id"])
        found["lines"] = [_without(line, "document_id", "product_id") for line in connection.execute(lines).mappings()]
        found["taxes"] = [
            _without(tax, "document_id", "position")
            for tax in connection.execute(taxes.order_by(t.document_taxes.c.position)).mappings()
        ]
        found |= papers_of(connection, row["id"])
    found["warehouse"] = found["warehouse"] or found.pop("warehouse_code") or ""
    found.pop("warehouse_code", None)
    delivery = ("carrier", "service", "city", "branch", "recipient", "phone", "tracking")
    parts = [in_words(found[f"delivery_{name}"], SERVICES) for name in delivery[:2]]
    parts += [found[f"delivery_{name}"] for name in delivery[2:]]
    # a buyer who comes for it is told once: the carrier and the service are the same word then
    found["delivery_words"] = ", ".join(dict.fromkeys(words for words in parts if words))
    payment = (found["payment_method"], in_words(found["payment_status"], PAYMENTS))
    found["payment_words"] = ", ".join(words for words in payment if words)
    return found


def _documents(*further: ColumnElement[Any]) -> Select[Any]:
    d = t.documents.c
    return (
        select(
            d.number,
            d.created_at,
            d.client,
            t.sources.c.code.label("source"),
            d.order_number,
            t.parties.c.name.label("party"),
            d.total,
            t.currencies.c.code.label("currency"),
            t.statuses.c.code.label("status"),
            *further,
        )
        .select_from(t.documents)
        .join(t.sources, t.sources.c.id == d.source_id)
        .join(t.parties, t.parties.c.id == d.party_id)
        .join(t.currencies, t.currencies.c.id == d.currency_id)
        .join(t.statuses, t.statuses.c.id == d.status_id)
    )


def _found(
    connection: Connection, statement: Select[Any], find: str, limit: int, *names: str, phones: Sequence[str] = ()
) -> list[dict[str, Any]]:
    if not find.strip():
        return [dict(row) for row in connection.execute(statement.limit(limit)).mappings()]
    # compared here: SQLite folds the case of Latin letters only
    rows: list[dict[str, Any]] = []
    matches = matcher(find)
    for row in connection.execute(statement).mappings():
        if matches([row[name] for name in names], [row[name] for name in phones]):
            rows.append(dict(row))
            if len(rows) == limit:
                break
    return rows


def _without(row: Any, *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}
