"""One statement for many rows, without SQLAlchemy's work for each value of each row; and look-ups that are asked again
and again, without its work for each statement.

On SQLite the driver takes a row in a microsecond, while SQLAlchemy prepares it in a hundred: it makes a dict of
parameters for each, and asks every column's type again. Here the columns are prepared one after another, with the same
processors of the same types, and what a column repeats (a moment, a sum) is prepared once. On PostgreSQL SQLAlchemy
itself does better than row by row, and is left to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import Connection, Select, Table
    from sqlalchemy.sql.dml import Delete, Insert, Update

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


def look_up(conn: Connection, statement: Select[Any], **given: Any) -> Sequence[Sequence[Any]]:
    """The rows that ``statement`` finds for its parameters.

    The statement is one that is kept and used again: how it is prepared is kept with it. A parameter that is
    ``expanding`` is given a sequence (of some hundred values at most: SQLite's oldest limit is 999 in a statement).
    Raises what ``Connection.execute`` raises.
    """
    if conn.dialect.name == "sqlite":
        prepared = _prepared_look_up(statement, _Same(conn.dialect))
        asked = prepared.asked(given) if prepared is not None else None
        if prepared is not None and asked is not None:
            return prepared.told(conn.exec_driver_sql(*asked).all())
    return conn.execute(statement, given).all()


def change(conn: Connection, statement: Update | Delete, **given: Any) -> int:
    """Run ``statement`` once for its parameters, which are given as to :func:`look_up`; gives how many rows it met."""
    if conn.dialect.name == "sqlite":
        prepared = _prepared_look_up(statement, _Same(conn.dialect))
        asked = prepared.asked(given) if prepared is not None else None
        if asked is not None:
            return conn.exec_driver_sql(*asked).rowcount
    return conn.execute(statement, given).rowcount


_Process = Callable[[Any], Any] | None
_SEVERAL = re.compile(r"__\[POSTCOMPILE_(\w+)\]")
#: So many places stand in a statement for a list; the last value is repeated, so that there are few different ones.
_PLACES = (1, 2, 5, 10, 25, 50, 100, 200, 400)


class _LookUp:
    """A statement's words, its parameters, and what makes values of what the driver gives."""

    def __init__(self, compiled: Any, dialect: Any, columns: Sequence[Any]) -> None:
        # words, the name of a list, words, the name of a list, …
        self._words = _SEVERAL.split(str(compiled))
        self._lists = set(self._words[1::2])
        self._fixed = {name: value for name, value in compiled.params.items() if value is not None}
        self._binds: list[tuple[str, _Process]] = [
            (name, compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect))
            for name in compiled.positiontup or ()
        ]
        from sqlalchemy import JSON

        #: The place of a column; what makes of its value what is given; whether it may be one for all that are alike.
        self._made: list[tuple[int, Callable[[Any], Any], bool]] = []
        for place, column in enumerate(columns):
            kind = column.type.dialect_impl(dialect)
            make = kind.result_processor(dialect, None)
            if make is not None:
                self._made.append((place, make, not isinstance(kind, JSON)))

    def asked(self, given: Mapping[str, Any]) -> tuple[str, tuple[Any, ...]] | None:
        """The words and values for the driver; None: SQLAlchemy is to say what is wrong with them."""
        values: list[Any] = []
        places: dict[str, str] = {}
        try:
            for name, make in self._binds:
                value = given[name] if name in given else self._fixed[name]
                if name not in self._lists:
                    values.append(make(value) if make else value)
                    continue
                some = [make(one) for one in value] if make else list(value)
                room = next(size for size in _PLACES if size >= len(some))
                values += some + [some[-1]] * (room - len(some))
                places[name] = ", ".join("?" * room)
        except Exception:  # noqa: BLE001 - an empty list, too many, a type that the column does not take
            return None
        words = "".join(places[part] if odd % 2 else part for odd, part in enumerate(self._words))
        return words, tuple(values)

    def told(self, rows: Sequence[Any]) -> Sequence[Sequence[Any]]:
        """The rows with their values as SQLAlchemy gives them."""
        if not self._made or not rows:
            return rows
        made = [list(row) for row in rows]
        for place, make, alike in self._made:
            if not alike:
                for row in made:
                    row[place] = make(row[place])
                continue
            known: dict[str, Any] = {}  # of many rows: moments come again
            for row in made:
                value = row[place]
                if type(value) is not str:
                    row[place] = make(value)
                    continue
                if value not in known:
                    known[value] = make(value)
                row[place] = known[value]
        return made


@lru_cache(maxsize=128)
def _prepared_look_up(statement: Select[Any] | Update | Delete, same: _Same) -> _LookUp | None:
    """None: it has something that is written only when it is run."""
    compiled: Any = statement.compile(dialect=same.dialect)
    if compiled.literal_execute_params:
        return None
    return _LookUp(compiled, same.dialect, list(getattr(statement, "selected_columns", ())))


def _column(given: list[Any], make: Callable[[Any], Any] | None, alike: bool) -> list[Any]:
    if make is None:
        return given
    if alike and len(set(map(type, given))) == 1:
        made = {value: make(value) for value in dict.fromkeys(given)}
        return [made[value] for value in given]
    # the very same object (None, as a rule) is written once
    known: dict[int, Any] = {}
    for value in given:
        if id(value) not in known:
            known[id(value)] = make(value)
    return [known[id(value)] for value in given]


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
