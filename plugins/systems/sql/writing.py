"""Rows as they are written, within a transaction."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Sequence, func, insert, select

from pipeline.api import ConfigError, Held, T, Where
from plugins.systems.sql.fitting import Fitting
from plugins.systems.sql.goods import text_of
from plugins.systems.sql.schema import Bound
from plugins.systems.sql.settings import Columns
from plugins.systems.sql.words import Row


def values_of(bound: Bound, columns: Columns, row: Row, fitting: Fitting) -> dict[str, Any]:
    """What stands in each declared column, by its name in the database; those of sequences are left out."""
    found = {}
    for name, declared in columns.items():
        if declared.sequence is None:
            column = bound.columns[name]
            found[column.name] = fitting.value(declared, column, row)
    return found


def new_row(
    connection: Connection, bound: Bound, columns: Columns, row: Row, fitting: Fitting, given: Mapping[str, Any]
) -> dict[str, Any]:
    """All of a new row: what is declared, numbers of sequences, and ``given`` (by name in the config).

    What has nothing to say is left to the column's default. Raises Held for a column that must have something.
    """
    values = values_of(bound, columns, row, fitting)
    for name, declared in columns.items():
        if declared.sequence is not None:
            number = next_number(connection, declared.sequence)
            column = bound.columns[name]
            values[column.name] = fitting.fit(number, column)
    for name, cell in given.items():
        column = bound.columns[name]
        values[column.name] = fitting.fit(cell, column) if isinstance(cell, str) else cell
    filled = {column.name: column for column in bound.all}
    for name in [name for name, value in values.items() if value is None]:
        column = filled[name]
        if column.default:
            del values[name]
        elif not column.nullable:
            raise Held(
                T("Order {order} has nothing for {table}.{column}, which must have something.", order=fitting.order,
                  table=column.table, column=name),
                hint=T("Give it a value by `{key}` in the config, or mend it at the source.", key="else"),
                where=Where(order=fitting.order or None),
                code="not-null",
            )  # fmt: skip
    return values


def insert_row(
    connection: Connection,
    bound: Bound,
    columns: Columns,
    row: Row,
    fitting: Fitting,
    id_column: str,
    given: Mapping[str, Any],
) -> str:
    """Add a row; its id. Where the database numbers rows by itself, the newest row of the same values is it."""
    values = new_row(connection, bound, columns, row, fitting, given)
    own = bound.columns[id_column].name
    connection.execute(insert(bound.table).values(values))
    if own in values:
        return text_of(values[own])
    # not by what a driver says of the last id: triggers number rows as well
    unique = [bound.columns[name].name for name in given]
    known = {name: values[name] for name in unique or values if values.get(name) is not None}
    query = select(func.max(bound.table.c[own]))
    for name, value in known.items():
        if not isinstance(value, float):
            query = query.where(bound.table.c[name] == value)
    return text_of(connection.execute(query).scalar())


def next_number(connection: Connection, name: str) -> Any:
    """The next number of a sequence. Raises ConfigError for a database that has none."""

    if not connection.dialect.supports_sequences:
        raise ConfigError(
            T("This database has no sequences, and `{name}` is asked for.", name=name),
            hint=T("Let the database number the column by itself, or write something else into it."),
        )
    schema, _, short = name.rpartition(".")
    return Decimal(connection.scalar(select(Sequence(short, schema=schema or None).next_value())) or 0)
