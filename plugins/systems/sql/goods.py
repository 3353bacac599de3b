"""Lists that orders refer to: articles, warehouses, statuses … each a table with id, code and name."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select

from pipeline.api import Held, Ref, T, Where, fold, normal_form, tidy
from plugins.systems.sql.database import Database
from plugins.systems.sql.schema import Bound
from plugins.systems.sql.settings import ListTable

CHUNK = 500  #: values that one question names: some databases take no more than a thousand


class Listed:
    """One such table. All of it is read only when something is not found by its exact code, and then once."""

    def __init__(self, database: Database, bound: Bound, declared: ListTable) -> None:
        self._database, self._bound, self._declared = database, bound, declared
        self._all: list[Ref] | None = None

    def find(self, codes: Collection[str]) -> dict[str, Sequence[Ref]]:
        """For each asked code all of exactly that code, else all of its normal form; unknown ones are absent."""
        wanted = sorted({code for code in codes if code.strip()})
        exact: dict[str, list[Ref]] = {}
        with self._database.read() as connection:
            for start in range(0, len(wanted), CHUNK):
                for ref in self._rows(connection, wanted[start : start + CHUNK]):
                    exact.setdefault(ref.code, []).append(ref)
        found: dict[str, Sequence[Ref]] = {code: exact[code] for code in wanted if code in exact}
        if missing := [code for code in wanted if code not in exact]:
            forms: dict[str, list[Ref]] = {}
            for ref in self.all():
                forms.setdefault(normal_form(ref.code), []).append(ref)
            found |= {code: some for code in missing if (some := forms.get(normal_form(code)))}
        return found

    def find_by_name(self, names: Collection[str]) -> dict[str, Sequence[Ref]]:
        """For each asked name all of just that name, blanks and case aside."""
        forms: dict[str, list[Ref]] = {}
        for ref in self.all():
            forms.setdefault(fold(tidy(ref.name)), []).append(ref)
        return {name: some for name in names if tidy(name) and (some := forms.get(fold(tidy(name))))}

    def all(self) -> Sequence[Ref]:
        """Every row, by code."""
        if self._all is None:
            with self._database.read() as connection:
                self._all = sorted(self._rows(connection, None), key=lambda ref: (ref.code, ref.id))
        return self._all

    def _rows(self, connection: Connection, codes: Sequence[str] | None) -> list[Ref]:
        bound, declared = self._bound, self._declared
        columns = [bound[declared.id], bound[declared.code]]
        if declared.name is not None:
            columns.append(bound[declared.name])
        query = select(*(column.label(f"c{n}") for n, column in enumerate(columns)))
        if codes is not None:
            query = query.where(bound[declared.code].in_(fitting_ids(bound, declared.code, codes)))
        return [
            Ref(text_of(row[0]), text_of(row[1]), text_of(row[2]) if len(row) > 2 else "")
            for row in connection.execute(query)
        ]

    def gone(self, connection: Connection, refs: Collection[Ref]) -> list[Ref]:
        """Those of ``refs`` that the table does not have, within a transaction."""
        ids = fitting_ids(self._bound, self._declared.id, {ref.id for ref in refs})
        own = self._bound[self._declared.id]
        there = {text_of(one) for one in connection.execute(select(own).where(own.in_(ids))).scalars()}
        return [ref for ref in refs if ref.id not in there]


def text_of(value: Any) -> str:
    """An id or a code as a text; CHAR is filled up with blanks by databases."""
    return "" if value is None else str(value).rstrip()


def fitting_ids(bound: Bound, column: str, ids: Collection[str]) -> list[Any]:
    """``ids`` as the column has them; those that it cannot have are left out."""
    kind = bound.columns[column].type
    try:
        whole = kind.python_type is int
    except NotImplementedError:  # a kind of column that SQLAlchemy has no Python type for
        whole = False
    if not whole:
        return sorted(ids)
    return sorted(int(one) for one in ids if one.isascii() and one.isdecimal() and len(one) < 19)


def id_in(bound: Bound, column: str, own: str, order: str) -> Any:
    """An id as the column has it. Raises Held for one that it cannot have."""
    found = fitting_ids(bound, column, [own])
    if not found:
        raise Held(
            T("There is no row {id} in {table}.", id=own, table=str(bound.table.name)),
            where=Where(order=order or None),
            code="sql-gone",
        )
    return found[0]


def known(refs: Mapping[str, Sequence[Ref]]) -> dict[str, Ref]:
    """The only one of each code; where there are several, none is taken for granted."""
    return {code: some[0] for code, some in refs.items() if len(some) == 1}
