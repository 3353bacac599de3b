"""Declared tables as a system: what the engine asks for, by capability."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from zoneinfo import ZoneInfo

from pipeline.api import (
    AmendDocuments,
    Amendment,
    Cancellation,
    DocumentDraft,
    DocumentList,
    DocumentOutcome,
    DocumentRef,
    Documents,
    DocumentStatuses,
    Finding,
    Held,
    ListedDocument,
    Parties,
    Party,
    PaymentDraft,
    Payments,
    ProductLookup,
    ProductNames,
    Ref,
    ReferenceLists,
    References,
    Return,
    ReturnDocuments,
    ShipDocuments,
    Shipment,
    StatusChange,
    System,
    SystemEnv,
    T,
    Who,
)
from plugins.systems.sql import following, paying
from plugins.systems.sql.buyers import Buyers, refs
from plugins.systems.sql.checking import findings
from plugins.systems.sql.database import Again, Database
from plugins.systems.sql.documents import TRIES, Book
from plugins.systems.sql.goods import Listed, known
from plugins.systems.sql.schema import Tables, look
from plugins.systems.sql.settings import PartyTable, SqlSettings


class SqlTables:
    """Orders, their lines, and what they refer to. The database is asked only when something of it is wanted."""

    def __init__(self, settings: SqlSettings, env: SystemEnv) -> None:
        self.name = env.name
        self.settings, self.env = settings, env
        self.database = Database(settings, env)
        self._tables: Tables | None = None
        self._lists: dict[str, Listed] = {}

    # --- System --------------------------------------------------------------------------------------------------

    def check(self) -> Sequence[Finding]:
        """Look whether tables, columns, types and rights are as the settings declare them; nothing is written."""
        with self.database.read() as connection:
            return findings(connection, self.settings)

    def close(self) -> None:
        """Let go of the connections."""
        self.database.close()

    def tables(self) -> Tables:
        """The declared tables, looked at once. Raises ConfigError, Transient, Refused."""
        if self._tables is None:
            with self.database.read() as connection:
                self._tables = look(connection, self.settings)
        return self._tables

    def book(self) -> Book:
        """What documents are written with."""
        zone = ZoneInfo(self.settings.timezone or self.env.timezone)
        book = Book(
            self.database,
            self.settings,
            self.tables(),
            self.env.client,
            self.env.currency,
            zone,
            self.env.clock.now(),
            self.listed("products"),
        )
        if self.settings.shipments is None:
            return book
        shipments = following.Shipments(book, self.settings.shipments, self.settings.returns)
        return replace(book, away=shipments.away)

    def listed(self, path: str) -> Listed | None:
        """A list of the settings: ``products``, ``lists.KIND``; None where it is not declared."""
        if path not in self._lists:
            kind = path.removeprefix("lists.")
            declared = self.settings.products if path == "products" else self.settings.lists.get(kind)  # type: ignore[call-overload]
            if declared is None:
                return None
            self._lists[path] = Listed(self.database, self.tables()[path], declared)
        return self._lists[path]

    # --- ProductLookup, References, ReferenceLists ---------------------------------------------------------------

    def find_products(self, codes: Collection[str]) -> Mapping[str, Sequence[Ref]]:
        """See ProductLookup. Without a table of articles each is taken as it is."""
        products = self.listed("products")
        if products is None:
            return {code: [Ref(code.strip(), code.strip())] for code in codes if code.strip()}
        return products.find(codes)

    def find_references(self, kind: str, codes: Collection[str]) -> Mapping[str, Ref]:
        """See References: those of the declared table of that kind; without one each code is taken as it is."""
        wanted = [code for code in codes if code.strip()]
        if kind == "party" and self.settings.parties is not None:
            return self._coded(self.settings.parties, wanted)
        listed = self.listed("products") if kind == "service" else self.listed(f"lists.{kind}")
        if listed is None:
            return {code: Ref(code, code, code) for code in wanted}
        return known(listed.find(wanted))

    def _coded(self, declared: PartyTable, codes: Collection[str]) -> Mapping[str, Ref]:
        if declared.match.code is None:
            return {}
        with self.database.read() as connection:
            buyers = Buyers(connection, self.tables()["parties"], declared, self.book().fitting())
            found = {code: [one for one in buyers.all() if one.matched["code"] == code.strip()] for code in codes}
        return {code: some[0].ref for code, some in found.items() if len(some) == 1}

    def references(self, kind: str) -> Sequence[Ref]:
        """See ReferenceLists."""
        listed = self.listed("products") if kind == "service" else self.listed(f"lists.{kind}")
        return listed.all() if listed is not None else ()

    def ensure(self, kind: str, code: str, name: str = "") -> Ref:
        """See References. Lists of the program are not added to: Held for what is not there."""
        found = self.find_references(kind, [code]).get(code)
        if found is None:
            raise Held(
                T("{code} is not in the table of kind {kind}.", code=name or code, kind=kind),
                hint=T("Add it in the program itself, or map it in the step."),
                who=Who.ADMIN,
                code="sql-unknown",
            )
        return found

    # --- Documents, DocumentList, AmendDocuments -----------------------------------------------------------------

    def find(self, keys: Collection[str]) -> Mapping[str, DocumentRef]:
        """See Documents."""
        return self.book().find(keys) if keys else {}

    def all_documents(self) -> Iterator[ListedDocument]:
        """See DocumentList."""
        yield from self.book().listed()

    def create(self, drafts: Sequence[DocumentDraft]) -> Sequence[DocumentOutcome]:
        """See Documents: each order in one transaction."""
        return self.book().create(drafts) if drafts else ()

    def amend(self, amendments: Sequence[Amendment]) -> Sequence[DocumentOutcome]:
        """See AmendDocuments: the row of the order is changed, and its lines are put in the place of those before."""
        return self.book().amend(amendments) if amendments else ()

    def cancel(self, cancellations: Sequence[Cancellation]) -> Sequence[DocumentOutcome]:
        """See AmendDocuments: marked as `cancel` of the settings says; nothing is deleted."""
        return self.book().cancel(cancellations) if cancellations else ()


class _Buys(SqlTables):
    """With a table of buyers."""

    def find_parties(self, parties: Sequence[Party]) -> Sequence[Sequence[Ref]]:
        """See Parties."""
        if not parties:
            return []
        with self.database.read() as connection:
            buyers = Buyers(connection, self.tables()["parties"], self._declared(), self.book().fitting())
            return [refs(buyers.matches(party)) for party in parties]

    def near_parties(self, party: Party) -> Sequence[Ref]:
        """See Parties."""
        with self.database.read() as connection:
            return Buyers(connection, self.tables()["parties"], self._declared(), self.book().fitting()).near(party)

    def create_party(self, party: Party) -> Ref:
        """See Parties. One who is there by now is given as he is."""
        book = self.book()
        last: Again | None = None
        for _ in range(TRIES):
            try:
                with self.database.write() as connection:
                    buyers = Buyers(connection, book.tables["parties"], self._declared(), book.fitting())
                    return buyers.ensure(party, book.now).ref
            except Again as error:
                last = error
        assert last is not None
        raise last.error

    def _declared(self) -> PartyTable:
        assert self.settings.parties is not None
        return self.settings.parties


class _Names(SqlTables):
    """With names of articles."""

    def find_by_name(self, names: Collection[str]) -> Mapping[str, Sequence[Ref]]:
        """See ProductNames."""
        products = self.listed("products")
        assert products is not None
        return products.find_by_name(names) if names else {}


class _Statuses(SqlTables):
    """With a column of the status."""

    def set_statuses(self, changes: Sequence[StatusChange]) -> Sequence[DocumentOutcome]:
        """See DocumentStatuses."""
        column = self.settings.orders.status
        assert column is not None
        return paying.set_statuses(self.book(), changes, column, self.listed("lists.status")) if changes else ()


class _Pays(SqlTables):
    """With a table of payments."""

    def find_payments(self, keys: Collection[str]) -> Mapping[str, DocumentRef]:
        """See Payments."""
        return self._payments().find(keys) if keys else {}

    def pay(self, payments: Sequence[PaymentDraft]) -> Sequence[DocumentOutcome]:
        """See Payments."""
        return self._payments().pay(payments) if payments else ()

    def _payments(self) -> paying.Payments:
        assert self.settings.payments is not None
        return paying.Payments(self.book(), self.settings.payments)


class _Ships(SqlTables):
    """With a table of shipments."""

    def find_shipments(self, keys: Collection[str]) -> Mapping[str, DocumentRef]:
        """See ShipDocuments."""
        return self._shipments().table.find(keys) if keys else {}

    def shipments_of(self, orders: Collection[DocumentRef]) -> Mapping[str, Sequence[DocumentRef]]:
        """See ShipDocuments."""
        return self._shipments().on(orders) if orders else {}

    def ship(self, shipments: Sequence[Shipment]) -> Sequence[DocumentOutcome]:
        """See ShipDocuments."""
        return self._shipments().ship(shipments) if shipments else ()

    def _shipments(self) -> following.Shipments:
        assert self.settings.shipments is not None
        return following.Shipments(self.book(), self.settings.shipments, self.settings.returns)


class _Returns(SqlTables):
    """With a table of returns."""

    def find_returns(self, keys: Collection[str]) -> Mapping[str, DocumentRef]:
        """See ReturnDocuments."""
        return self._returns().table.find(keys) if keys else {}

    def returns_of(self, shipments: Collection[DocumentRef]) -> Mapping[str, Sequence[DocumentRef]]:
        """See ReturnDocuments."""
        return self._returns().on(shipments) if shipments else {}

    def take_back(self, returns: Sequence[Return]) -> Sequence[DocumentOutcome]:
        """See ReturnDocuments."""
        return self._returns().take_back(returns) if returns else ()

    def _returns(self) -> following.Returns:
        assert self.settings.returns is not None
        assert self.settings.shipments is not None
        return following.Returns(self.book(), self.settings.returns, self.settings.shipments)


class WithAll(_Buys, _Names, _Statuses, _Pays, _Ships, _Returns):
    """With all that settings can declare."""


@cache
def _kind(parts: tuple[type[SqlTables], ...]) -> type[SqlTables]:
    """The class of just these abilities."""
    return type("SqlTables", parts, {}) if parts else SqlTables


def opened(settings: SqlSettings, env: SystemEnv) -> SqlTables:
    """The tables, with the abilities that the settings declare tables and columns for."""
    able = {
        _Buys: settings.parties is not None,
        _Names: settings.products is not None and settings.products.name is not None,
        _Statuses: settings.orders.status is not None,
        _Pays: settings.payments is not None,
        _Ships: settings.shipments is not None,
        _Returns: settings.returns is not None,
    }
    return _kind(tuple(one for one, has in able.items() if has))(settings, env)


_system: type[System] = SqlTables
_documents: type[Documents] = SqlTables
_listed: type[DocumentList] = SqlTables
_amend: type[AmendDocuments] = SqlTables
_lookup: type[ProductLookup] = SqlTables
_references: type[References] = SqlTables
_reference_lists: type[ReferenceLists] = SqlTables
_parties: type[Parties] = WithAll
_names: type[ProductNames] = WithAll
_statuses: type[DocumentStatuses] = WithAll
_pay: type[Payments] = WithAll
_ship: type[ShipDocuments] = WithAll
_return: type[ReturnDocuments] = WithAll
