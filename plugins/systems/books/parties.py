"""Finds the buyer of an order among the parties, or adds one. Two parties are never made one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from pipeline.api import Held, Party, T, Who
from plugins.systems.books import tables as t
from plugins.systems.books.counters import take
from plugins.systems.books.keys import email_key, phone_key

_P = t.parties.c
_KNOWN = (_P.id, _P.code, _P.kind, _P.edrpou, _P.tax_number, _P.phone_key, _P.email_key)


class Parties:
    """The parties that a batch of orders may mean, read at once; new ones are known to the orders that follow."""

    def __init__(self, connection: Connection, buyers: Iterable[Party], *, create: bool, now: datetime) -> None:
        self._connection, self._create, self._now = connection, create, now
        self._by: dict[tuple[str, str], list[Any]] = {}
        self._seen: set[int] = set()
        wanted = list(buyers)
        p = t.parties.c
        for column, values in (
            (p.code, {b.code for b in wanted}),
            (p.edrpou, {b.edrpou for b in wanted}),
            (p.tax_number, {b.tax_number for b in wanted}),
            (p.phone_key, {phone_key(b.phone) for b in wanted}),
            (p.email_key, {email_key(b.email) for b in wanted}),
        ):
            if values := values - {""}:
                for row in connection.execute(select(*_KNOWN).where(column.in_(sorted(values)))):
                    self._know(row)

    def _know(self, row: Any) -> None:
        if row.id in self._seen:
            return
        self._seen.add(row.id)
        for name in ("code", "edrpou", "tax_number", "phone_key", "email_key"):
            if value := getattr(row, name):
                self._by.setdefault((name, value), []).append(row)

    def same(self, buyer: Party) -> list[Any]:
        """All parties that are ``buyer``: by code, else by EDRPOU, tax number, phone, mail, in this order.

        Phone and mail only match a party of the same kind whose EDRPOU is no other.
        """
        kind = _kind(buyer)
        for name, value in (
            ("code", buyer.code),
            ("edrpou", buyer.edrpou),
            ("tax_number", buyer.tax_number),
            ("phone_key", phone_key(buyer.phone)),
            ("email_key", email_key(buyer.email)),
        ):
            found = self._by.get((name, value), []) if value else []
            if name in ("phone_key", "email_key"):
                found = [r for r in found if r.kind == kind and (not buyer.edrpou or r.edrpou in ("", buyer.edrpou))]
            if found:
                return found
        return []

    def id_of(self, buyer: Party) -> int:
        """The party of ``buyer`` (see :meth:`same`); added when there is none.

        Raises Held when several match, or when none does and parties are not to be added.
        """
        found = self.same(buyer)
        if len(found) > 1:
            raise Held(
                T(
                    "{n} parties have {value}: {codes}.",
                    n=len(found),
                    value=self._shared(buyer, found),
                    codes=", ".join(sorted(row.code for row in found)),
                ),
                hint=T("Name the party by its code, or mend the twins in the books."),
                code="ambiguous-party",
            )
        if found:
            return int(found[0].id)
        if not self._create:
            raise Held(
                T("The books do not know the buyer {name}.", name=buyer.title or buyer.phone or buyer.email),
                hint=T("Add the party to the books, or give the step a `client`."),
                code="unknown-party",
                who=Who.ACCOUNTANT,
            )
        return self._add(buyer)

    @staticmethod
    def _shared(buyer: Party, found: list[Any]) -> str:
        """What all of ``found`` have in common with the buyer."""
        for name, value in (
            *(("edrpou", buyer.edrpou), ("tax_number", buyer.tax_number)),
            *(("phone_key", phone_key(buyer.phone)), ("email_key", email_key(buyer.email))),
        ):
            if value and all(getattr(row, name) == value for row in found):
                return value
        return buyer.title

    def _add(self, buyer: Party) -> int:
        address = {name: value for name in buyer.address.__slots__ if (value := getattr(buyer.address, name))}
        # a number of its own for a buyer without a code; never one that a person has given already
        code = buyer.code
        while not code:
            candidate = f"B{take(self._connection, 'party', 1):06d}"
            if self._connection.execute(select(t.parties.c.id).where(t.parties.c.code == candidate)).first() is None:
                code = candidate
        done = self._connection.execute(
            insert(t.parties)
            .values(
                code=code,
                kind=_kind(buyer),
                name=buyer.title or buyer.phone or buyer.email or code,
                first_name=buyer.first_name,
                last_name=buyer.last_name,
                middle_name=buyer.middle_name,
                edrpou=buyer.edrpou,
                tax_number=buyer.tax_number,
                phone=buyer.phone,
                phone_key=phone_key(buyer.phone),
                email=buyer.email,
                email_key=email_key(buyer.email),
                address=address or None,
                created_at=self._now,
            )
            .returning(*_KNOWN)
        )
        row = done.one()
        self._know(row)
        return int(row.id)


def _kind(buyer: Party) -> str:
    return "company" if buyer.kind == "company" or buyer.company or len(buyer.edrpou) == 8 else "person"
