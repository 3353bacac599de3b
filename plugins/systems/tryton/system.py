"""A database of Tryton as a system: what the engine asks for, by capability."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from pipeline.api import (
    AddProducts,
    AmendDocuments,
    Amendment,
    Cancellation,
    ConfigError,
    DocumentDraft,
    DocumentList,
    DocumentOutcome,
    DocumentRef,
    Documents,
    DocumentStatuses,
    Finding,
    ListedDocument,
    NewProduct,
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
    RowOutcome,
    ShipDocuments,
    Shipment,
    StatusChange,
    System,
    SystemEnv,
    T,
)
from plugins.systems.tryton import checking
from plugins.systems.tryton.client import Client
from plugins.systems.tryton.goods import Goods
from plugins.systems.tryton.lists import Lists
from plugins.systems.tryton.names import TITLES
from plugins.systems.tryton.papers import Papers
from plugins.systems.tryton.parties import PartyBook
from plugins.systems.tryton.paying import Paying
from plugins.systems.tryton.sales import OrderBook
from plugins.systems.tryton.settings import TrytonSettings
from plugins.systems.tryton.shipping import Shipping


class Tryton:
    """One database. Asks nothing before it is needed."""

    def __init__(self, settings: TrytonSettings, env: SystemEnv) -> None:
        self.name = env.name
        self.settings, self.env = settings, env
        self.client = Client(settings, env)
        self.lists = Lists(self.client)
        self.goods = Goods(self.client, self.lists)
        self.parties = PartyBook(self.client)
        self.papers = Papers(self.client, self.lists)
        self.shipping = Shipping(self.papers, self.goods, env)
        self.paying = Paying(self.papers, env)
        self.book = OrderBook(self.papers, self.goods, self.parties, self.shipping, env)

    # --- System ------------------------------------------------------------------------------------------------------

    def check(self) -> Sequence[Finding]:
        """Log in, and look whether modules, rights and names are as needed; remarks tell what Tryton cannot do."""
        return checking.check(self.client, self.lists, self.goods, self.parties)

    def close(self) -> None:
        """Let go of connections."""
        self.client.close()

    # --- ProductLookup, ProductNames, AddProducts --------------------------------------------------------------------

    def find_products(self, codes: Collection[str]) -> Mapping[str, Sequence[Ref]]:
        """See ProductLookup."""
        return self.goods.find_products(codes)

    def find_by_name(self, names: Collection[str]) -> Mapping[str, Sequence[Ref]]:
        """See ProductNames."""
        return self.goods.find_by_name(names)

    def add_products(self, products: Sequence[NewProduct]) -> Sequence[RowOutcome]:
        """See AddProducts. A variant stands below the template of its base where its code begins as the base's."""
        with self.papers.lock:
            return self.goods.add(products)

    # --- References, ReferenceLists, Parties -------------------------------------------------------------------------

    def find_references(self, kind: str, codes: Collection[str]) -> Mapping[str, Ref]:
        """See References: by id, code or name; a party by its code, a service by its code."""
        if kind == "party":
            return self.parties.coded(codes)
        if kind == "service":
            found = self.goods.by_code(codes).items()
            return {code: same[0].ref for code, same in found if len(same) == 1}
        return {code: ref for code in codes if (ref := self.lists.named(kind, code)) is not None}

    def ensure(self, kind: str, code: str, name: str = "") -> Ref:
        """See References. Raises ConfigError for what is missing: lists of Tryton are kept by its people."""
        found = self.find_references(kind, [code]).get(code)
        if found is None:
            raise ConfigError(
                T("Tryton has no {kind} {name}, or several.", kind=TITLES.get(kind, kind), name=name or code or "—"),
                hint=T("Make it in Tryton."),
            )
        return found

    def references(self, kind: str) -> Sequence[Ref]:
        """See ReferenceLists: warehouses, currencies, payment journals, states of a sale."""
        return tuple(sorted(self.lists.all(kind), key=lambda ref: (ref.code, ref.id)))

    def find_parties(self, parties: Sequence[Party]) -> Sequence[Sequence[Ref]]:
        """See Parties."""
        return self.parties.find(parties)

    def near_parties(self, party: Party) -> Sequence[Ref]:
        """See Parties."""
        return self.parties.near(party)

    def create_party(self, party: Party) -> Ref:
        """See Parties. One that is there by its numbers or mail is not made a second time."""
        with self.papers.lock:
            (same,) = self.parties.find([party])
            return same[0] if same else self.parties.create(party)

    # --- Documents, AmendDocuments, DocumentList, DocumentStatuses ---------------------------------------------------

    def find(self, keys: Collection[str]) -> Mapping[str, DocumentRef]:
        """See Documents."""
        return self.book.find(keys)

    def create(self, drafts: Sequence[DocumentDraft]) -> Sequence[DocumentOutcome]:
        """See Documents."""
        return self.book.create(drafts)

    def amend(self, amendments: Sequence[Amendment]) -> Sequence[DocumentOutcome]:
        """See AmendDocuments."""
        return self.book.amend(amendments)

    def cancel(self, cancellations: Sequence[Cancellation]) -> Sequence[DocumentOutcome]:
        """See AmendDocuments."""
        return self.book.cancel(cancellations)

    def all_documents(self) -> Iterator[ListedDocument]:
        """See DocumentList."""
        return self.book.all(self.env.client)

    def set_statuses(self, changes: Sequence[StatusChange]) -> Sequence[DocumentOutcome]:
        """See DocumentStatuses: states of sales."""
        return self.book.set_statuses(changes)

    # --- ShipDocuments, ReturnDocuments, Payments --------------------------------------------------------------------

    def find_shipments(self, keys: Collection[str]) -> Mapping[str, DocumentRef]:
        """See ShipDocuments."""
        return self.shipping.find_shipments(keys) if keys else {}

    def shipments_of(self, orders: Collection[DocumentRef]) -> Mapping[str, Sequence[DocumentRef]]:
        """See ShipDocuments."""
        return self.shipping.shipments_of(orders)

    def ship(self, shipments: Sequence[Shipment]) -> Sequence[DocumentOutcome]:
        """See ShipDocuments."""
        return self.shipping.ship(shipments)

    def find_returns(self, keys: Collection[str]) -> Mapping[str, DocumentRef]:
        """See ReturnDocuments."""
        return self.shipping.find_returns(keys)

    def returns_of(self, shipments: Collection[DocumentRef]) -> Mapping[str, Sequence[DocumentRef]]:
        """See ReturnDocuments."""
        return self.shipping.returns_of(shipments)

    def take_back(self, returns: Sequence[Return]) -> Sequence[DocumentOutcome]:
        """See ReturnDocuments."""
        return self.shipping.take_back(returns)

    def find_payments(self, keys: Collection[str]) -> Mapping[str, DocumentRef]:
        """See Payments."""
        return self.paying.find(keys)

    def pay(self, payments: Sequence[PaymentDraft]) -> Sequence[DocumentOutcome]:
        """See Payments: needs Tryton's module `sale_payment`."""
        return self.paying.pay(payments)


_system: type[System] = Tryton
_lookup: type[ProductLookup] = Tryton
_names: type[ProductNames] = Tryton
_add: type[AddProducts] = Tryton
_references: type[References] = Tryton
_reference_lists: type[ReferenceLists] = Tryton
_parties: type[Parties] = Tryton
_documents: type[Documents] = Tryton
_amend: type[AmendDocuments] = Tryton
_listed: type[DocumentList] = Tryton
_statuses: type[DocumentStatuses] = Tryton
_ship: type[ShipDocuments] = Tryton
_return: type[ReturnDocuments] = Tryton
_pay: type[Payments] = Tryton
