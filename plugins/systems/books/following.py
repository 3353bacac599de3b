"""What follows an order, as the books take it: shipments, returns, payments, statuses; and who and what orders name."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from pipeline.api import (
    AddProducts,
    DocumentOutcome,
    DocumentRef,
    DocumentStatuses,
    NewProduct,
    Parties,
    Party,
    PaymentDraft,
    Payments,
    ProductNames,
    Ref,
    Return,
    ReturnDocuments,
    RowOutcome,
    ShipDocuments,
    Shipment,
    StatusChange,
)
from plugins.systems.books import buyers, closing, naming, paying, shipping
from plugins.systems.books import tables as t
from plugins.systems.books.applying import Taking
from plugins.systems.books.opened import OpenBooks
from plugins.systems.books.periods import closed_until


class Following(OpenBooks):
    """Books that take what follows an order."""

    # --- ShipDocuments -------------------------------------------------------------------------------------------

    def find_shipments(self, keys: Collection[str]) -> Mapping[str, DocumentRef]:
        """The shipments that exist for ``keys``."""
        with self.reading() as connection:
            return shipping.find(connection, t.shipments, keys)

    def shipments_of(self, orders: Collection[DocumentRef]) -> Mapping[str, Sequence[DocumentRef]]:
        """By the id of an order document its shipments, oldest first; none: absent."""
        with self.reading() as connection:
            return shipping.standing(connection, t.shipments, t.shipments.c.document_id, orders)

    def ship(self, shipments: Sequence[Shipment]) -> Sequence[DocumentOutcome]:
        """Take goods off the stock on order documents: one transaction, one outcome each, in order."""
        self.make_ready()
        return shipping.ship(self.database, shipments, self.settings, self.local_now(), client=self.env.client)

    # --- ReturnDocuments -----------------------------------------------------------------------------------------

    def find_returns(self, keys: Collection[str]) -> Mapping[str, DocumentRef]:
        """The returns that exist for ``keys``."""
        with self.reading() as connection:
            return shipping.find(connection, t.returns, keys)

    def returns_of(self, shipments: Collection[DocumentRef]) -> Mapping[str, Sequence[DocumentRef]]:
        """By the id of a shipment its returns, oldest first; none: absent."""
        with self.reading() as connection:
            return shipping.standing(connection, t.returns, t.returns.c.shipment_id, shipments)

    def take_back(self, returns: Sequence[Return]) -> Sequence[DocumentOutcome]:
        """Take goods into stock again on the base of their shipments; one outcome each, in order."""
        self.make_ready()
        return shipping.take_back(self.database, returns, self.settings, self.local_now(), client=self.env.client)

    # --- Payments, DocumentStatuses ------------------------------------------------------------------------------

    def find_payments(self, keys: Collection[str]) -> Mapping[str, DocumentRef]:
        """The payments that exist for ``keys``."""
        with self.reading() as connection:
            return shipping.find(connection, t.payments, keys)

    def pay(self, payments: Sequence[PaymentDraft]) -> Sequence[DocumentOutcome]:
        """Note what was paid on order documents; one outcome each, in order."""
        self.make_ready()
        return paying.pay(self.database, payments, self.settings, self.local_now(), client=self.env.client)

    def set_statuses(self, changes: Sequence[StatusChange]) -> Sequence[DocumentOutcome]:
        """Give order documents their statuses; one outcome each, in order."""
        self.make_ready()
        return paying.set_statuses(self.database, changes, self.local_now())

    # --- the closed period ---------------------------------------------------------------------------------------

    def close_period(self, day: date | None) -> None:
        """Close everything dated up to the end of ``day`` (in the client's zone); None opens all again."""
        self.make_ready()
        zone = ZoneInfo(self.env.timezone)
        closing.close_period(self.database, datetime.combine(day + timedelta(days=1), time(), zone) if day else None)

    def closed_period(self) -> date | None:
        """The last day that is closed; None: all is open."""
        with self.reading() as connection:
            until = closed_until(connection)
        return (until - timedelta(microseconds=1)).astimezone(ZoneInfo(self.env.timezone)).date() if until else None

    # --- Parties -------------------------------------------------------------------------------------------------

    def find_parties(self, parties: Sequence[Party]) -> Sequence[Sequence[Ref]]:
        """For each all that are the same, ordered by code."""
        with self.reading() as connection:
            return buyers.same(connection, parties, self.env.clock.now())

    def near_parties(self, party: Party) -> Sequence[Ref]:
        """At most ten with names like it, best first."""
        with self.reading() as connection:
            return buyers.near(connection, party)

    def create_party(self, party: Party) -> Ref:
        """Add one; when the same one has come meanwhile, it is given. Raises Held, InDoubt, Transient."""
        self.make_ready()
        return buyers.create(self.database, party, self.env.clock.now())

    # --- ProductNames, AddProducts -------------------------------------------------------------------------------

    def find_by_name(self, names: Collection[str]) -> Mapping[str, Sequence[Ref]]:
        """For each name all products of just that name, in any language; none: absent."""
        with self.reading() as connection:
            return naming.by_name(connection, names)

    def add_products(self, products: Sequence[NewProduct]) -> Sequence[RowOutcome]:
        """Add the card of each that is not there by its article; one outcome each, in order."""
        self.make_ready()
        return naming.add(self.database, products, self.taking())

    def taking(self) -> Taking:
        """What a write of products needs to know."""
        return Taking(self.settings, self.rules, self.env.currency, self.env.clock.now())


_ship: type[ShipDocuments] = Following
_return: type[ReturnDocuments] = Following
_pay: type[Payments] = Following
_statuses: type[DocumentStatuses] = Following
_parties: type[Parties] = Following
_names: type[ProductNames] = Following
_add: type[AddProducts] = Following
