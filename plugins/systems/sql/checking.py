"""What `mistok check --connect` says of the tables: all of it by looking; the statements of the probe change no row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import Connection, delete, false, insert, inspect, literal, select, types, update
from sqlalchemy.exc import DBAPIError

from pipeline.api import Finding, T, Text, Where, Who
from plugins.systems.sql.refusals import kind_of, words_of
from plugins.systems.sql.schema import (
    Bound,
    Column,
    Tables,
    backend,
    fills_by_trigger,
    is_unique,
    look,
    sequences,
    without_transactions,
)
from plugins.systems.sql.settings import Columns, ReturnTable, SqlSettings, Value
from plugins.systems.sql.words import MOMENTS, MONEY

#: A key of an order is seldom longer.
_KEY_LENGTH = 80


def findings(connection: Connection, settings: SqlSettings) -> Sequence[Finding]:
    """All that is not as it should be, for the person who mends the config or the database."""
    tables = look(connection, settings)
    if tables.problems:
        return tables.problems
    found = [*_keys(connection, settings, tables), *_sequences(connection, settings)]
    for path, columns, given in _written(settings):
        bound = tables[path]
        found += _must_have(connection, path, bound, columns, given)
        for name, declared in columns.items():
            found += _suits(f"{path}.columns.{name}", declared, bound.columns[name])
        if without_transactions(connection, bound):
            found.append(
                _finding(
                    "sql-engine",
                    f"{path}.table",
                    T("Table {table} takes nothing back: half an order could stay in it.", table=bound.table.name),
                    T("Make it InnoDB: ALTER TABLE {table} ENGINE = InnoDB", table=bound.table.name),
                )
            )
        found += _charset(connection, path, bound)
    found += _rights(connection, settings, tables)
    return found


def _finding(code: str, place: str, words: Text, hint: Text | None = None) -> Finding:
    return Finding(code, words, Where(element=place), hint, Who.ADMIN)


def _written(settings: SqlSettings) -> Iterator[tuple[str, Columns, set[str]]]:
    """(place, columns, columns that we fill besides) of every table that rows are added to."""
    orders, lines = settings.orders, settings.lines
    yield "orders", orders.columns, {orders.key}
    yield "lines", lines.columns, {lines.order}
    if (parties := settings.parties) is not None and parties.create:
        yield "parties", parties.columns, {parties.key} if parties.key else set()
    if (pays := settings.payments) is not None:
        yield "payments", pays.columns, {pays.key, pays.order}
    for path, follow in (("shipments", settings.shipments), ("returns", settings.returns)):
        if follow is not None:
            more = {follow.shipment} if isinstance(follow, ReturnTable) else set()
            yield path, follow.columns, {follow.key, follow.order} | more
            yield f"{path}.lines", follow.lines.columns, {follow.lines.document}


def _keys(connection: Connection, settings: SqlSettings, tables: Tables) -> Iterator[Finding]:
    keys = [("orders", settings.orders.key)]
    if settings.payments is not None:
        keys.append(("payments", settings.payments.key))
    if settings.parties is not None and settings.parties.key is not None:
        keys.append(("parties", settings.parties.key))
    for path, follow in (("shipments", settings.shipments), ("returns", settings.returns)):
        if follow is not None:
            keys.append((path, follow.key))
    for path, name in keys:
        bound = tables[path]
        column, table = bound.columns[name], str(bound.table.name)
        if not is_unique(connection, bound, name):
            quote = connection.dialect.identifier_preparer.quote
            made = f"CREATE UNIQUE INDEX {quote(f'{table}_mistok')} ON {quote(table)} ({quote(column.name)})"
            yield _finding(
                "sql-not-unique",
                f"{path}.key",
                T("Column {table}.{column} is not unique: two runs at once could write an order twice.", table=table,
                  column=column.name),
                T("Make it unique: {statement}", statement=made),
            )  # fmt: skip
        if not isinstance(column.type, types.String):
            yield _finding(
                "sql-type",
                f"{path}.key",
                T("Column {table}.{column} is no text, and a key is one.", table=table, column=column.name),
            )
        elif column.length is not None and column.length < _KEY_LENGTH:
            yield _finding(
                "sql-short",
                f"{path}.key",
                T("Column {table}.{column} takes {n} characters; a key needs {most}.", table=table,
                  column=column.name, n=column.length, most=_KEY_LENGTH),
            )  # fmt: skip


def _sequences(connection: Connection, settings: SqlSettings) -> Iterator[Finding]:
    inspector = inspect(connection)
    for place, name in sequences(settings).items():
        schema, _, short = name.rpartition(".")
        there: list[str] = []
        if connection.dialect.supports_sequences:
            with suppress(NotImplementedError):  # a dialect that has them, and cannot tell which
                there = [one.casefold() for one in inspector.get_sequence_names(schema or None)]
        if short.casefold() not in there:
            hint = T("There are: {names}.", names=", ".join(sorted(there))) if there else None
            yield _finding("sql-missing", place, T("There is no sequence {name}.", name=name), hint)


def _must_have(connection: Connection, path: str, bound: Bound, columns: Columns, given: set[str]) -> Iterator[Finding]:
    filled = {bound.columns[name].name for name in (*columns, *given)}
    bare = [one for one in bound.all if not one.nullable and not one.default and one.name not in filled]
    keys = set(inspect(connection).get_pk_constraint(str(bound.table.name), bound.table.schema)["constrained_columns"])
    if backend(connection) == "sqlite":  # it numbers its whole-number key by itself
        bare = [one for one in bare if not (one.name in keys and isinstance(one.type, types.Integer))]
    if bare and not fills_by_trigger(connection, bound):
        yield _finding(
            "sql-not-null",
            f"{path}.columns",
            T("Table {table} must have something in {columns}, and nothing is declared for it.",
              table=bound.table.name, columns=", ".join(one.name for one in bare)),
            T("Name these columns in the config, or give them a default in the database."),
        )  # fmt: skip


def _suits(place: str, declared: Value, column: Column) -> Iterator[Finding]:
    """Whether a column can keep what is declared for it."""
    kind, word = column.type, declared.value or ""
    words: Text | None = None
    text = isinstance(kind, types.String)
    named = {"table": column.table, "column": column.name, "word": word, "type": _type_name(kind)}
    if declared.map or declared.otherwise is not None or not word:
        return
    exact, moment = word in MONEY, isinstance(kind, (types.DateTime, types.Date, types.Time))
    if exact and isinstance(kind, types.Float):
        words = T("Column {table}.{column} ({type}) does not keep `{word}` exactly: it is no decimal number.", **named)
    elif exact and (
        isinstance(kind, types.Integer)
        or (isinstance(kind, types.Numeric) and kind.scale is not None and kind.scale < 2)
    ):
        words = T("Column {table}.{column} ({type}) keeps no cents of `{word}`.", **named)
    elif (moment and word not in MOMENTS) or (
        word in MOMENTS and not (moment or text or isinstance(kind, types.NullType))
    ):
        words = T("Column {table}.{column} ({type}) cannot keep `{word}`.", **named)
    if words is not None:
        yield _finding("sql-type", place, words)


def _type_name(kind: Any) -> str:
    return str(kind.__visit_name__).upper()


def _charset(connection: Connection, path: str, bound: Bound) -> Iterator[Finding]:
    used = {column.name for column in bound.columns.values()}
    bare = [one.name for one in bound.all if one.charset.upper() == "NONE" and one.name in used]
    own = str(connection.engine.url.query.get("charset", "UTF8")).upper()
    if bare and own in ("UTF8", "UTF-8"):
        yield _finding(
            "sql-charset",
            f"{path}.table",
            T("Columns of {table} are without a character set ({columns}): other programs would read UTF-8 wrongly.",
              table=bound.table.name, columns=", ".join(bare)),
            T("Add the character set that the program uses to `url`: ?charset=WIN1251"),
        )  # fmt: skip


# --- rights ------------------------------------------------------------------------------------------------------


def _rights(connection: Connection, settings: SqlSettings, tables: Tables) -> Iterator[Finding]:
    """Statements that touch no row are refused just as those that do."""
    for path, columns, given in _written(settings):
        bound = tables[path]
        names = sorted({bound.columns[name].name for name in (*columns, *given)})
        nothing = select(*(bound.table.c[name] for name in names)).where(false())
        tried: list[tuple[str, Any]] = [("INSERT", insert(bound.table).from_select(names, nothing))]
        if path == "orders":
            key = bound.columns[settings.orders.key].name
            tried.append(("UPDATE", update(bound.table).where(false()).values({key: bound.table.c[key]})))
        if path == "lines":
            tried.append(("DELETE", delete(bound.table).where(false())))
        yield from _tried(connection, path, bound, tried)
    for path in tables.found:
        yield from _tried(
            connection,
            path,
            tables[path],
            [("SELECT", select(literal(1)).select_from(tables[path].table).where(false()))],
        )


def _tried(connection: Connection, path: str, bound: Bound, tried: Sequence[tuple[str, Any]]) -> Iterator[Finding]:
    for right, statement in tried:
        try:
            with connection.begin_nested():
                connection.execute(statement).close()
        except DBAPIError as error:
            if kind_of(backend(connection), error) == "lost":
                raise
            yield _finding(
                "sql-rights",
                f"{path}.table",
                T("{right} on {table} is refused: {words}", right=right, table=bound.table.name, words=words_of(error)),
                T("Give the user this right: GRANT {right} ON {table} TO …", right=right, table=bound.table.name),
            )
