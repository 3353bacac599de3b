"""Buyers among the parties: found, proposed, added. Two parties are never made one, and none is ever changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, select

from pipeline.api import Address, Party, Ref, fold
from plugins.systems.books import tables as t
from plugins.systems.books.counters import lock
from plugins.systems.books.database import Database
from plugins.systems.books.documents import KIND, commit
from plugins.systems.books.parties import Parties

_P = t.parties.c
_PROPOSED, _ALIKE = 10, 70  # at most so many, from so many percent on


def same(connection: Connection, buyers: Sequence[Party], now: datetime) -> list[tuple[Ref, ...]]:
    """For each buyer all parties that are the same, ordered by code."""
    known = Parties(connection, buyers, create=False, now=now)
    found = [known.same(buyer) for buyer in buyers]
    ids = sorted({row.id for rows in found for row in rows})
    names = {row.id: row.name for row in connection.execute(select(_P.id, _P.name).where(_P.id.in_(ids)))}
    return [
        tuple(Ref(str(row.id), row.code, names[row.id]) for row in sorted(rows, key=lambda row: str(row.code)))
        for rows in found
    ]


def near(connection: Connection, buyer: Party) -> tuple[Ref, ...]:
    """At most ten parties whose names are like the buyer's, words in any order, best first: for a person to choose."""
    from rapidfuzz import fuzz, process  # only when somebody asks

    asked = fold(buyer.title)
    if not asked:
        return ()
    rows = connection.execute(select(_P.id, _P.code, _P.name).order_by(_P.code)).all()
    best = process.extract(
        asked,
        [fold(row.name) for row in rows],
        scorer=fuzz.token_sort_ratio,
        limit=_PROPOSED,
        score_cutoff=_ALIKE,
    )
    return tuple(Ref(str(rows[n].id), rows[n].code, rows[n].name) for _, _, n in best)


def create(database: Database, buyer: Party, now: datetime) -> Ref:
    """Add a party without an address; one that is the same and came meanwhile is given instead.

    Raises Held when several are the same, or when the database refuses it; Transient, InDoubt.
    """
    with database.write() as connection:
        lock(connection, KIND)  # as whoever creates documents: two never add one buyer twice
        found = Parties(connection, [buyer], create=True, now=now).id_of(replace(buyer, address=Address()))
        row = connection.execute(select(_P.id, _P.code, _P.name).where(_P.id == found)).one()
        commit(database, connection)
    return Ref(str(row.id), row.code, row.name)
