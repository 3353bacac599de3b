"""The declared tables as the database has them: names, types, defaults and character sets, read once.

Names are found whatever their case is, where just one fits: databases fold it differently.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from sqlalchemy import Column as SqlColumn
from sqlalchemy import Connection, MetaData, Table, inspect, text
from sqlalchemy.engine.interfaces import ReflectedColumn
from sqlalchemy.exc import NoSuchTableError
from sqlalchemy.types import Float, NullType, Numeric, String, TypeEngine

from pipeline.api import ConfigError, Finding, T, Text, Where, Who
from plugins.systems.sql.settings import Columns, ListTable, ReturnTable, SqlSettings, Value

#: Firebird's and MariaDB's names of character sets -> Python's.
_CODECS = {
    "win1251": "cp1251", "win1252": "cp1252", "win1250": "cp1250", "koi8u": "koi8-u", "koi8r": "koi8-r",
    "iso8859_1": "latin-1", "iso8859_5": "iso8859-5", "dos866": "cp866", "ascii": "ascii", "cp1251": "cp1251",
    "latin1": "cp1252", "koi8ru": "koi8-u",
}  # fmt: skip
_THREE_BYTES = {"utf8mb3", "utf8", "ucs2", "unicode_fss"}


@dataclass(frozen=True, slots=True)
class Column:
    """A column, and how it is declared in the config."""

    name: str
    type: TypeEngine[Any]
    nullable: bool = True
    default: bool = False  #: the database fills it by itself
    charset: str = ""  #: as the database calls it; "" where it takes every character, or that is not known
    table: str = ""

    @property
    def length(self) -> int | None:
        """How many characters it takes; None: as many as there are."""
        return self.type.length if isinstance(self.type, String) else None

    def takes(self, value: str) -> bool:
        """Whether it can hold this text at all, so that asking for it is no error."""
        if not isinstance(self.type, String):
            return False
        return (self.length is None or len(value) <= self.length) and not self.unfit(value)

    def unfit(self, value: str) -> str:
        """The first character of ``value`` that its character set does not have, or ""."""
        name = self.charset.lower()
        if name in _THREE_BYTES:
            return next((char for char in value if ord(char) > 0xFFFF), "") if name != "unicode_fss" else ""
        codec = _CODECS.get(name)
        if codec is None:
            return ""
        try:
            codecs.encode(value, codec)
        except UnicodeEncodeError as error:
            return value[error.start]
        return ""


@dataclass(frozen=True, slots=True)
class Bound:
    """A declared table as the database has it."""

    table: Table
    columns: Mapping[str, Column]  #: by the name in the config
    all: tuple[Column, ...]  #: every column that it has

    def __getitem__(self, name: str) -> Any:
        """The column of that name in the config, for statements."""
        return self.table.c[self.columns[name].name]


@dataclass(slots=True)
class Tables:
    """All that the settings declare. ``problems`` is empty where nothing is missing."""

    found: dict[str, Bound] = field(default_factory=dict)
    problems: list[Finding] = field(default_factory=list)

    def __getitem__(self, path: str) -> Bound:
        """The table declared at this place of the config. Raises ConfigError when something of it is missing."""
        if self.problems:
            raise ConfigError(findings=tuple(self.problems))
        return self.found[path]

    def has(self, path: str) -> bool:
        """Whether a table is declared there, and was found."""
        return path in self.found


def declared(settings: SqlSettings) -> dict[str, tuple[str, dict[str, str]]]:
    """Every table that the settings name: place in the config -> (table, {column: place in the config})."""
    orders, lines = settings.orders, settings.lines
    found: dict[str, tuple[str, dict[str, str]]] = {
        "orders": (
            orders.table,
            _at("orders", key=orders.key, id=orders.id, number=orders.number)
            | _columns("orders.columns", orders.columns)
            | _columns("orders.closed_when", orders.closed_when),
        ),
        "lines": (lines.table, _at("lines", order=lines.order) | _columns("lines.columns", lines.columns)),
    }
    if settings.cancel is not None:
        found["orders"][1].update(_columns("cancel.set", settings.cancel.set))
        found["orders"][1].update(_columns("cancel.undo", settings.cancel.undo))
    if (parties := settings.parties) is not None:
        named = _at("parties", id=parties.id, name=parties.name, key=parties.key)
        named |= {column: f"parties.match.{kind}" for kind, column in parties.match.named().items()}
        found["parties"] = (parties.table, named | _columns("parties.columns", parties.columns))
    if (pays := settings.payments) is not None:
        named = _at("payments", key=pays.key, id=pays.id, number=pays.number, order=pays.order)
        found["payments"] = (pays.table, named | _columns("payments.columns", pays.columns))
    for path, follow in (("shipments", settings.shipments), ("returns", settings.returns)):
        if follow is not None:
            named = _at(path, key=follow.key, id=follow.id, number=follow.number, order=follow.order)
            named |= _at(path, shipment=follow.shipment) if isinstance(follow, ReturnTable) else {}
            found[path] = (follow.table, named | _columns(f"{path}.columns", follow.columns))
            own = _at(f"{path}.lines", document=follow.lines.document)
            found[f"{path}.lines"] = (follow.lines.table, own | _columns(f"{path}.lines.columns", follow.lines.columns))
    lists: dict[str, ListTable] = {f"lists.{kind}": one for kind, one in settings.lists.items()}
    if settings.products is not None:
        lists["products"] = settings.products
    for path, one in lists.items():
        found[path] = (one.table, _at(path, id=one.id, code=one.code, name=one.name))
    return found


def _at(path: str, **columns: str | None) -> dict[str, str]:
    return {column: f"{path}.{key}" for key, column in columns.items() if column is not None}


def _columns(path: str, columns: Columns | Mapping[str, Any]) -> dict[str, str]:
    return {column: f"{path}.{column}" for column in columns}


def sequences(settings: SqlSettings) -> dict[str, str]:
    """Place in the config -> sequence that it names."""
    tables: dict[str, Mapping[str, Value]] = {
        "orders.columns": settings.orders.columns,
        "lines.columns": settings.lines.columns,
    }
    if settings.parties is not None:
        tables["parties.columns"] = settings.parties.columns
    if settings.payments is not None:
        tables["payments.columns"] = settings.payments.columns
    for path, follow in (("shipments", settings.shipments), ("returns", settings.returns)):
        if follow is not None:
            tables[f"{path}.columns"] = follow.columns
            tables[f"{path}.lines.columns"] = follow.lines.columns
    return {
        f"{path}.{column}": one.sequence
        for path, columns in tables.items()
        for column, one in columns.items()
        if one.sequence is not None
    }


def look(connection: Connection, settings: SqlSettings) -> Tables:
    """The declared tables, and what of them is missing."""
    tables = Tables()
    inspector = inspect(connection)
    listed: dict[str | None, list[str]] = {}
    metadata = MetaData()
    for path, (name, columns) in declared(settings).items():
        schema, _, short = name.rpartition(".")
        if (schema or None) not in listed:
            listed[schema or None] = [
                *inspector.get_table_names(schema or None),
                *inspector.get_view_names(schema or None),
            ]
        there = _fitting(short, listed[schema or None])
        if there is None:
            text_ = T("There is no table {table}.", table=name)
            tables.problems.append(_missing(f"{path}.table", text_, short, listed[schema or None]))
            continue
        try:
            reflected = inspector.get_columns(there, schema or None)
        except NoSuchTableError:
            tables.problems.append(_missing(f"{path}.table", T("There is no table {table}.", table=name), short, ()))
            continue
        charsets = _charsets(connection, there, schema)
        every = tuple(_column(one, name, charsets) for one in reflected)
        bound: dict[str, Column] = {}
        for column, place in columns.items():
            fits = _fitting(column, [one.name for one in every])
            if fits is None:
                words = T("Table {table} has no column {column}.", table=name, column=column)
                tables.problems.append(_missing(place, words, column, [one.name for one in every]))
            else:
                bound[column] = next(one for one in every if one.name == fits)
        # without a key, so that no dialect asks for what it made in a way of its own
        own = Table(
            there,
            metadata,
            *(SqlColumn(one.name, _written_as(connection, one.type)) for one in every),
            schema=schema or None,
            implicit_returning=False,
            extend_existing=True,
        )
        tables.found[path] = Bound(own, bound, every)
    return tables


def _written_as(connection: Connection, kind: TypeEngine[Any]) -> TypeEngine[Any]:
    """SQLite has no exact numbers: it makes its own of a text, and SQLAlchemy would make a float before that."""
    exact = isinstance(kind, Numeric) and not isinstance(kind, Float)
    return String() if exact and backend(connection) == "sqlite" else kind


def backend(connection: Connection) -> str:
    """The kind of database: that of Firebird tells its driver as well."""
    return str(connection.dialect.name).partition(".")[0]


def _column(one: ReflectedColumn, table: str, charsets: Mapping[str, str]) -> Column:
    filled = one.get("default") is not None or bool(one.get("identity")) or bool(one.get("computed"))
    filled = filled or one.get("autoincrement") is True
    return Column(
        one["name"], one["type"], bool(one["nullable"]), filled, charsets.get(one["name"].casefold(), ""), table
    )


def _fitting(name: str, known: Iterable[str]) -> str | None:
    """The one of exactly this name, else the only one that differs in case alone."""
    names = list(known)
    if name in names:
        return names[names.index(name)]
    alike = [one for one in names if one.casefold() == name.casefold()]
    return alike[0] if len(alike) == 1 else None


def _missing(place: str, words: Text, name: str, known: Iterable[str]) -> Finding:
    names = list(known)
    folded = {one.casefold(): one for one in names}
    near = get_close_matches(name.casefold(), folded, 1, 0.6)
    hint: Text | None = T("Did you mean `{name}`?", name=folded[near[0]]) if near else None
    if hint is None and names:
        hint = T("There are: {names}.", names=", ".join(sorted(names)[:40]))
    return Finding("sql-missing", words, Where(element=place), hint, Who.ADMIN)


# --- what SQLAlchemy does not tell -------------------------------------------------------------------------------


def _charsets(connection: Connection, table: str, schema: str) -> dict[str, str]:
    """Column, in small letters -> its character set."""
    ask = _CHARSETS.get(backend(connection))
    if ask is None:
        return {}
    rows = connection.execute(text(ask), {"table": table, "upper": table.upper(), "schema": schema or None})
    return {str(row[0]).strip().casefold(): str(row[1] or "").strip() for row in rows}


_CHARSETS = {
    "firebird": "SELECT f.rdb$field_name, c.rdb$character_set_name FROM rdb$relation_fields f"
    " JOIN rdb$fields t ON t.rdb$field_name = f.rdb$field_source"
    " JOIN rdb$character_sets c ON c.rdb$character_set_id = t.rdb$character_set_id"
    " WHERE f.rdb$relation_name IN (CAST(:table AS VARCHAR(63)), CAST(:upper AS VARCHAR(63)))",
    "mysql": "SELECT column_name, character_set_name FROM information_schema.columns"
    " WHERE table_name = :table AND table_schema = coalesce(:schema, database())",
    "mariadb": "SELECT column_name, character_set_name FROM information_schema.columns"
    " WHERE table_name = :table AND table_schema = coalesce(:schema, database())",
}
_TRIGGERS = {
    "firebird": "SELECT count(*) FROM rdb$triggers WHERE rdb$trigger_inactive = 0 AND rdb$trigger_type = 1"
    " AND rdb$relation_name IN (CAST(:table AS VARCHAR(63)), CAST(:upper AS VARCHAR(63)))",
    "mysql": "SELECT count(*) FROM information_schema.triggers WHERE event_object_table = :table"
    " AND event_object_schema = database() AND event_manipulation = 'INSERT' AND action_timing = 'BEFORE'",
    "postgresql": "SELECT count(*) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE c.relname = :table"
    " AND NOT t.tgisinternal AND t.tgtype & 4 <> 0 AND t.tgtype & 2 <> 0",
    "mssql": "SELECT count(*) FROM sys.triggers t JOIN sys.objects o ON o.object_id = t.parent_id"
    " WHERE o.name = :table AND t.is_instead_of_trigger = 1",
}
_TRIGGERS["mariadb"] = _TRIGGERS["mysql"]


def fills_by_trigger(connection: Connection, bound: Bound) -> bool:
    """Whether a trigger may fill columns of new rows before they are kept."""
    ask = _TRIGGERS.get(backend(connection))
    if ask is None:
        return False
    name = str(bound.table.name)
    return bool(connection.execute(text(ask), {"table": name, "upper": name.upper()}).scalar())


def without_transactions(connection: Connection, bound: Bound) -> bool:
    """Whether the table is of an engine that takes nothing back (MyISAM, Aria)."""
    if backend(connection) not in ("mysql", "mariadb"):
        return False
    ask = "SELECT engine FROM information_schema.tables WHERE table_name = :table AND table_schema = database()"
    engine = str(connection.execute(text(ask), {"table": bound.table.name}).scalar() or "")
    return bool(engine) and engine.lower() not in ("innodb", "rocksdb", "tokudb", "xtradb")


def is_unique(connection: Connection, bound: Bound, column: str) -> bool:
    """Whether the database itself keeps the column unique."""
    inspector, name, schema = inspect(connection), str(bound.table.name), bound.table.schema
    own = [bound.columns[column].name]
    sets: list[list[str | None]] = [list(inspector.get_pk_constraint(name, schema)["constrained_columns"])]
    sets += [list(one["column_names"]) for one in inspector.get_unique_constraints(name, schema)]
    # SQLite keeps a constraint as an index of its own, and SQLAlchemy does not read every way to write one
    more = {"include_auto_indexes": True} if backend(connection) == "sqlite" else {}
    sets += [list(one["column_names"]) for one in inspector.get_indexes(name, schema, **more) if one["unique"]]
    return own in sets


def untyped(settings: SqlSettings) -> Tables:
    """The declared tables without a look at the database: to show what would be written."""
    tables, metadata = Tables(), MetaData()
    for path, (name, columns) in declared(settings).items():
        schema, _, short = name.rpartition(".")
        known = {column: Column(column, NullType(), table=name) for column in columns}
        names = {column.casefold(): column for column in columns}
        own = Table(
            short,
            metadata,
            *(SqlColumn(column, NullType()) for column in names.values()),
            schema=schema or None,
            implicit_returning=False,
            extend_existing=True,
        )
        tables.found[path] = Bound(own, known, tuple(known.values()))
    return tables
