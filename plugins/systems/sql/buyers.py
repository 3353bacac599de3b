"""Buyers in their table: found in any spelling, added once, never changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from difflib import SequenceMatcher
from typing import Any

from sqlalchemy import Connection, or_, select

from pipeline.api import Held, Party, Ref, T, Where, normal_party, phone, tidy
from plugins.systems.sql.fitting import Fitting
from plugins.systems.sql.goods import text_of
from plugins.systems.sql.schema import Bound
from plugins.systems.sql.settings import PartyTable
from plugins.systems.sql.words import Row
from plugins.systems.sql.writing import insert_row

_ALIKE = 0.6
_NEAR = 10


@dataclass(frozen=True, slots=True)
class Buyer:
    """One that is there, with what it is matched by in normal form."""

    id: str
    name: str
    matched: dict[str, str]

    @property
    def ref(self) -> Ref:
        """As others name it."""
        return Ref(self.id, self.matched.get("code") or self.id, self.name)


def normal(kind: str, value: str) -> str:
    """``value`` as it is compared; "" where it is nothing."""
    if kind == "phone":
        return phone(value)
    value = tidy(value)
    if kind == "email":
        return value.lower() if "@" in value else ""
    return value


def key_of(party: Party) -> str:
    """What two orders of one buyer have in common; "" where they have nothing."""
    found = ((kind, normal(kind, getattr(party, kind))) for kind in ("code", "edrpou", "tax_number", "phone", "email"))
    return next((f"{kind}:{value}" for kind, value in found if value), "")


@dataclass(slots=True)
class Read:
    """All buyers, as they were read once for a whole batch; None: not yet, or a transaction that added some failed."""

    all: list[Buyer] | None = field(default=None)


class Buyers:
    """The table of buyers, within one transaction; read when somebody is asked for."""

    def __init__(
        self, connection: Connection, bound: Bound, declared: PartyTable, fitting: Fitting, read: Read | None = None
    ) -> None:
        self._connection, self._bound, self._declared, self._fitting = connection, bound, declared, fitting
        self._read = read if read is not None else Read()

    def all(self) -> list[Buyer]:
        """Every one, by id."""
        if self._read.all is None:
            declared, bound = self._declared, self._bound
            named = declared.match.named()
            columns = [bound[declared.id], *(bound[column] for column in named.values())]
            columns += [bound[declared.name]] if declared.name is not None else []
            query = select(*(column.label(f"c{n}") for n, column in enumerate(columns))).order_by(bound[declared.id])
            self._read.all = [self._buyer(row, list(named)) for row in self._connection.execute(query)]
        return self._read.all

    def _buyer(self, row: Any, kinds: list[str]) -> Buyer:
        values = [text_of(one) for one in row]
        matched = {kind: normal(kind, value) for kind, value in zip(kinds, values[1:], strict=False)}
        return Buyer(values[0], values[-1] if self._declared.name is not None else "", matched)

    def matches(self, party: Party) -> list[Buyer]:
        """All that are the same: by the first thing that both have and that fits anybody."""
        for kind in self._declared.match.named():
            wanted = normal(kind, getattr(party, kind))
            found = [one for one in self.all() if one.matched.get(kind) == wanted] if wanted else []
            if found:
                return found
        return []

    def near(self, party: Party) -> list[Ref]:
        """Those of like names, best first."""
        wanted = tidy(party.title).casefold()
        if not wanted:
            return []
        alike = SequenceMatcher(b=wanted, autojunk=False)
        scored = []
        for place, one in enumerate(self.all()):
            alike.set_seq1(tidy(one.name).casefold())
            if alike.quick_ratio() >= _ALIKE and (score := alike.ratio()) >= _ALIKE:
                scored.append((-score, place, one.ref))
        return [ref for _score, _place, ref in sorted(scored, key=lambda each: each[:2])[:_NEAR]]

    def ensure(self, party: Party, now: datetime, order: str = "") -> Buyer:
        """The one that is there, or a new one. Raises Held."""
        where = Where(order=order or None)
        found = self.matches(party)
        if len(found) > 1:
            raise Held(
                T("Several buyers fit: {names}.", names=", ".join(f"{one.name} ({one.id})" for one in found[:10])),
                hint=T("Make them one in the program, or name the buyer's code at the source."),
                where=where,
                code="ambiguous",
            )
        found = found or self._come_since(party)
        if found:
            return found[0]
        if not self._declared.create:
            raise Held(
                T("The buyer {name} is not there.", name=party.title or party.phone or party.email or "—"),
                hint=T("Add the buyer in the program, or set `parties.create: true` of the connection."),
                where=where,
                code="unknown-party",
            )
        return self._create(party, now)

    def _come_since(self, party: Party) -> list[Buyer]:
        """One that another program has added since all were read, as we would have written it."""
        own, bound = normal_party(party), self._bound
        named = self._declared.match.named()
        given = {column: value for kind, column in named.items() if (value := getattr(own, kind))}
        fits = [bound[column] == value for column, value in given.items() if bound.columns[column].takes(value)]
        if not fits or self._connection.execute(select(bound[self._declared.id]).where(or_(*fits))).first() is None:
            return []
        self._read.all = None
        return self.matches(party)

    def _create(self, party: Party, now: datetime) -> Buyer:
        declared, bound = self._declared, self._bound
        own = normal_party(party)
        row = Row(now=now, buyer=own)
        extra = {}
        if declared.key is not None and (key := key_of(own)):
            extra[declared.key] = key
        made = insert_row(self._connection, bound, declared.columns, row, self._fitting, declared.id, extra)
        kinds = declared.match.named()
        buyer = Buyer(made, own.title, {kind: normal(kind, getattr(own, kind)) for kind in kinds})
        self.all().append(buyer)
        return buyer


def refs(found: Sequence[Buyer]) -> list[Ref]:
    """As others name them."""
    return [one.ref for one in found]
