"""One statement for many rows, without SQLAlchemy's work for each value of each row.

On SQLite the driver takes a row in a microsecond, while SQLAlchemy prepares it in a hundred: it makes a dict of
parameters for each, and asks every column's type again. Here the columns are prepared one after another, with the same
processors of the same types, and what a column repeats (a moment, a sum) is prepared once. On PostgreSQL SQLAlchemy
itself does better than row by row, and is left to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table
    from sqlalchemy.sql.dml import Insert, Update

#: A column's name in the rows; what makes of its value what the driver takes (None: it is taken as it is); whether
#: equal values are written alike, which is not so of JSON (1 and true).
_Column = tuple[str, Callable[[Any], Any] | None, bool]


def insert_rows(conn: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert ``rows``; all of them name the same columns. Raises what ``Connection.execute`` raises."""
    if rows:
        run_rows(conn, _insert(table), rows)


def run_rows(conn: Connection, statement: Insert | Update, rows: Sequence[Mapping[str, Any]]) -> None:
    """Run ``statement`` for each of ``rows``, which name the same parameters.

    The statement is one that is kept and used again, with no values of its own: how it is prepared is kept with it.
    """
    if conn.dialect.name == "sqlite" and len(rows) > 1:
        prepared = _prepared(statement, tuple(rows[0]), _Same(conn.dialect))
        if prepared is not None:
            words, columns = prepared
            try:
                values = [_column([row[name] for row in rows], make, alike) for name, make, alike in columns]
            except Exception:  # noqa: BLE001, S110 - whatever it was, SQLAlchemy says it in its own way, below
                pass
            else:
                conn.exec_driver_sql(words, list(zip(*values, strict=True)))
                return
    conn.execute(statement, [dict(row) for row in rows])


def _column(given: list[Any], make: Callable[[Any], Any] | None, alike: bool) -> list[Any]:
    if make is None:
        return given
    if alike and len(set(map(type, given))) == 1:
        made = {value: make(value) for value in dict.fromkeys(given)}
        return [made[value] for value in given]
    return [make(value) for value in given]


class _Same:
    """A dialect as part of a key: each engine has its own, with its own way of writing JSON."""

    def __init__(self, dialect: Any) -> None:
        self.dialect = dialect

    def __hash__(self) -> int:
        return hash(id(self.dialect))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.dialect is self.dialect


@lru_cache(maxsize=128)
def _prepared(
    statement: Insert | Update, names: tuple[str, ...], same: _Same
) -> tuple[str, tuple[_Column, ...]] | None:
    """The words of a statement and its parameters in their order; None when it has others than those of the rows."""
    from sqlalchemy import JSON

    compiled: Any = statement.compile(dialect=same.dialect, column_keys=list(names))
    order = compiled.positiontup or ()
    if set(order) != set(names):  # defaults of columns, values of its own
        return None
    columns: list[_Column] = []
    for name in order:
        kind = compiled.binds[name].type.dialect_impl(same.dialect)
        columns.append((name, kind.bind_processor(same.dialect), not isinstance(kind, JSON)))
    return str(compiled), tuple(columns)


@lru_cache(maxsize=128)
def _insert(table: Table) -> Insert:
    return table.insert()
