"""The steps that bring a database of books from one version of its schema to the next."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, Table, bindparam, inspect, select, update

from plugins.systems.books import tables as t
from plugins.systems.books.keys import name_key

_DOCUMENTS: tuple[Table, ...] = (t.documents, t.document_lines, t.document_taxes)  # parents first
_CODES = (*("warehouses", "objects", "users", "executors", "currencies", "statuses", "sources"), "parties", "products")
_TEXTS = {
    "parties": ("phone",),
    "documents": ("key", "source_number", "delivery_phone"),
    "document_lines": ("unit",),
}
_NEW_TEXTS = {"documents": ("buyer_comment", "language", "manager", "manager_comment"), "document_lines": ("barcode",)}
_OLD_UNIQUE = "uq_documents_kind_source_id_order_id"
_CLIENT = {  # the first part of the key, which is client/source/order/…
    "sqlite": "CASE WHEN instr(key, '/') > 0 THEN substr(key, 1, instr(key, '/') - 1) ELSE key END",
    "postgresql": "split_part(key, '/', 1)",
}


def _first(connection: Connection) -> None:
    """All tables, as they are now: what later steps would change is found changed by them."""
    t.metadata.create_all(connection)


def _clients_and_every_field(connection: Connection) -> None:
    """Documents of several clients side by side; fields that were dropped; columns as wide as orders may be."""
    if any(column["name"] == "client" for column in inspect(connection).get_columns("documents")):
        return  # just made by the first step
    if connection.dialect.name == "sqlite":
        _rebuild_documents(connection)
    else:
        _alter_documents(connection)


def _rebuild_documents(connection: Connection) -> None:
    # SQLite cannot change a constraint. The lines go before their documents, so that no delete runs on to them.
    run = connection.exec_driver_sql
    had = {
        table.name: [column["name"] for column in inspect(connection).get_columns(table.name)] for table in _DOCUMENTS
    }
    for table in _DOCUMENTS:
        run(f"CREATE TABLE old_{table.name} AS SELECT * FROM {table.name}")  # noqa: S608 - own names
    for table in reversed(_DOCUMENTS):
        run(f"DROP TABLE {table.name}")
    t.metadata.create_all(connection, tables=list(_DOCUMENTS))
    for table in _DOCUMENTS:
        values = {f'"{name}"': f'"{name}"' for name in had[table.name]}
        values |= {f'"{name}"': "''" for name in _NEW_TEXTS.get(table.name, ())}
        if table is t.documents:
            values['"client"'] = _CLIENT["sqlite"]
        columns, sources = ", ".join(values), ", ".join(values.values())
        run(f"INSERT INTO {table.name} ({columns}) SELECT {sources} FROM old_{table.name}")  # noqa: S608 - own names
    for table in _DOCUMENTS:
        run(f"DROP TABLE old_{table.name}")


def _alter_documents(connection: Connection) -> None:
    run = connection.exec_driver_sql
    code = f'VARCHAR({t.CODE_LENGTH}) COLLATE "C"'
    for table in _CODES:
        run(f"ALTER TABLE {table} ALTER COLUMN code TYPE {code}")
    run(f"ALTER TABLE products ALTER COLUMN normal TYPE {code}")
    for table, columns in _TEXTS.items():
        for column in columns:
            run(f'ALTER TABLE {table} ALTER COLUMN "{column}" TYPE TEXT')
    for table, columns in _NEW_TEXTS.items():
        for column in columns:
            run(f"ALTER TABLE {table} ADD COLUMN {column} TEXT NOT NULL DEFAULT ''")
            run(f"ALTER TABLE {table} ALTER COLUMN {column} DROP DEFAULT")
    run("ALTER TABLE documents ADD COLUMN modified_at TIMESTAMP WITH TIME ZONE")
    run(f"ALTER TABLE documents ADD COLUMN client {code}")
    run(f"UPDATE documents SET client = {_CLIENT['postgresql']}")  # noqa: S608 - own words
    run("ALTER TABLE documents ALTER COLUMN client SET NOT NULL")
    run(f"ALTER TABLE documents DROP CONSTRAINT {_OLD_UNIQUE}")
    run(
        "ALTER TABLE documents ADD CONSTRAINT uq_documents_kind_client_source_id_order_id"
        " UNIQUE (kind, client, source_id, order_id)"
    )


def _amendments(connection: Connection) -> None:
    """Documents that can be amended, cancelled and closed; lines that tell what they reserve."""
    dialect, run = connection.dialect, connection.exec_driver_sql
    for table, names in (
        (t.documents, ("amended_key", "amended_at", "cancelled_at", "closed_at")),
        (t.document_lines, ("reserved",)),
    ):
        there = {column["name"] for column in inspect(connection).get_columns(table.name)}
        for name in names:
            if name not in there:  # made anew by an earlier step, they are there already
                kind = table.c[name].type.compile(dialect=dialect)
                rule = "" if table.c[name].nullable else " NOT NULL DEFAULT 0"
                run(f"ALTER TABLE {table.name} ADD COLUMN {name} {kind}{rule}")
    run(
        "UPDATE document_lines SET reserved = quantity"
        " WHERE document_id IN (SELECT id FROM documents WHERE warehouse_id IS NOT NULL)"
        " AND product_id NOT IN (SELECT id FROM products WHERE service)"
    )


def _stock_times(connection: Connection) -> None:
    """Levels that tell when they changed last, for whoever asks what has changed since."""
    if not any(column["name"] == "updated_at" for column in inspect(connection).get_columns("stock")):
        kind = t.stock.c.updated_at.type.compile(dialect=connection.dialect)
        connection.exec_driver_sql(f"ALTER TABLE stock ADD COLUMN updated_at {kind}")


def _what_follows(connection: Connection) -> None:
    """Shipments, returns, payments and the accounts that they go to; products that are found by name."""
    run, tables = connection.exec_driver_sql, inspect(connection)
    for column, rule in (
        (t.product_texts.c.name_key, " NOT NULL DEFAULT ''"),
        (t.documents.c.delivery_product_id, " REFERENCES products (id)"),
        (t.documents.c.shop_id, " REFERENCES sources (id)"),
    ):
        if not any(there["name"] == column.name for there in tables.get_columns(column.table.name)):
            kind = column.type.compile(dialect=connection.dialect)
            run(f"ALTER TABLE {column.table.name} ADD COLUMN {column.name} {kind}{rule}")
    texts = t.product_texts.c
    rows = connection.execute(select(texts.product_id, texts.language, texts.name).where(texts.name != "")).all()
    keyed = [{"product": row.product_id, "tag": row.language, "form": name_key(row.name)} for row in rows]
    for start in range(0, len(keyed), 5000):
        connection.execute(
            update(t.product_texts)
            .where(texts.product_id == bindparam("product"), texts.language == bindparam("tag"))
            .values(name_key=bindparam("form")),
            keyed[start : start + 5000],
        )
    for table, name in ((t.product_texts, "ix_product_texts_name_key"), (t.parties, "ix_parties_tax_number")):
        if not any(there["name"] == name for there in tables.get_indexes(table.name)):
            next(index for index in table.indexes if index.name == name).create(connection)
    t.metadata.create_all(
        connection,
        tables=[t.accounts, t.shipments, t.shipment_lines, t.returns, t.return_lines, t.payments],
    )


#: each brings the schema from its place in the list to the next version; never edited once released, only appended
MIGRATIONS: tuple[Callable[[Connection], None], ...] = (
    _first,
    _clients_and_every_field,
    _amendments,
    _stock_times,
    _what_follows,
)
