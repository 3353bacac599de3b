"""An account of Quincefin as a system: what the engine asks for, by capability.

Shipments, returns and payments are capabilities of an account whose settings switch them on: a job that needs them is
told so before anything runs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime

from pipeline.api import (
    AddProducts,
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
    ListedDocument,
    NewProduct,
    Offer,
    Offers,
    OfferTraits,
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
    Stock,
    StockLevel,
    System,
    SystemEnv,
    Tried,
    UntriedWrites,
    WriteProbe,
)
from plugins.systems.quincefin import checking, mapping
from plugins.systems.quincefin.client import Client
from plugins.systems.quincefin.documents import DocumentBook
from plugins.systems.quincefin.following import PaymentBook, Returns, Shipments
from plugins.systems.quincefin.goods import Shelf
from plugins.systems.quincefin.listing import ORDER, Listing
from plugins.systems.quincefin.naming import Naming
from plugins.systems.quincefin.parties import Partners
from plugins.systems.quincefin.probe import Probe
from plugins.systems.quincefin.settings import QuincefinSettings


class Quincefin:
    """One account. Asks nothing before it is needed."""

    def __init__(self, settings: QuincefinSettings, env: SystemEnv) -> None:
        self.name = env.name
        self.settings, self.env = settings, env
        self.client = Client(settings, env)
        self.shelf = Shelf(self.client, settings, env)
        self.partners = Partners(self.client, settings, env)
        self.order_list = Listing(ORDER, self.client, settings, env)
        self.naming = Naming(self.client, settings, self.order_list, self.shelf, self.partners)
        self.documents = DocumentBook(
            self.client, settings, env, self.order_list, self.shelf, self.partners, self.naming
        )
        self.shipment_book = Shipments(self.documents)
        self.return_book = Returns(self.documents, self.shipment_book)
        self.payment_book = PaymentBook(self.documents)

    # --- System, WriteProbe ------------------------------------------------------------------------------------------

    def check(self) -> Sequence[Finding]:
        """Log in, and look what of the settings the account shows; nothing is written."""
        return checking.check(self.client, self.settings, self.env)

    def try_writes(self) -> Iterator[Tried]:
        """Make a partner, marked as ours, look how it is kept and changed, and archive it. See WriteProbe."""
        return Probe(self.client, self.settings, self.env).run()

    @property
    def account(self) -> str:
        """See UntriedWrites."""
        return self.client.http.account_key()

    def untried(self) -> Mapping[str, frozenset[str]]:
        """See UntriedWrites: how bodies are made and what becomes of what a change leaves out; the probe tells."""
        settings = self.settings
        if settings.untried_writes:
            return {}
        marks = (f"body: {settings.body}", f"update: {settings.update}", f"contacts: {settings.contacts}")
        return dict.fromkeys(marks, frozenset({"documents"}))

    def close(self) -> None:
        """Let go of connections."""
        self.client.close()

    # --- Offers, Stock -----------------------------------------------------------------------------------------------

    def offer_traits(self) -> OfferTraits:
        """See Offers."""
        return mapping.traits(self.settings)

    def offers(self, since: datetime | None = None) -> Iterator[Offer]:  # noqa: ARG002 - there is no filter by change
        """All goods, whatever ``since`` is."""
        return self.shelf.offers()

    def levels(self, since: datetime | None = None) -> Iterator[StockLevel]:  # noqa: ARG002 - there is no such filter
        """All levels, whatever ``since`` is."""
        return self.shelf.levels()

    def warehouses(self) -> Sequence[Ref]:
        """Those that the settings name."""
        return tuple(Ref(str(number), name, name) for name, number in self.settings.warehouses.items())

    # --- ProductLookup, ProductNames, AddProducts --------------------------------------------------------------------

    def find_products(self, codes: Collection[str]) -> Mapping[str, Sequence[Ref]]:
        """See ProductLookup."""
        return self.shelf.find_products(codes)

    def find_by_name(self, names: Collection[str]) -> Mapping[str, Sequence[Ref]]:
        """See ProductNames; of several the oldest first."""
        return self.shelf.find_by_name(names)

    def add_products(self, products: Sequence[NewProduct]) -> Sequence[RowOutcome]:
        """See AddProducts: goods, services, and SKUs below their base."""
        with self.documents.lock:
            return self.shelf.add(products)

    # --- References, ReferenceLists, Parties -------------------------------------------------------------------------

    def find_references(self, kind: str, codes: Collection[str]) -> Mapping[str, Ref]:
        """See References: by name as the settings have it, or by number."""
        return self.naming.find(kind, codes)

    def ensure(self, kind: str, code: str, name: str = "") -> Ref:
        """See References: a status or source may be made by its first order; raises ConfigError for anything else."""
        return self.naming.ensure(kind, code, name)

    def adds_references(self) -> Collection[str]:
        """See AddsReferences: what the first order makes, where `new_names` says so."""
        return self.naming.made()

    def references(self, kind: str) -> Sequence[Ref]:
        """See ReferenceLists: what the settings name, with what orders of the account tell."""
        return self.naming.all(kind)

    def find_parties(self, parties: Sequence[Party]) -> Sequence[Sequence[Ref]]:
        """See Parties."""
        if parties:
            self.partners.look_again()
        return [[one.ref for one in self.partners.matches(party)] for party in parties]

    def near_parties(self, party: Party) -> Sequence[Ref]:
        """See Parties."""
        return self.partners.near(party)

    def create_party(self, party: Party) -> Ref:
        """See Parties: one that is there by now is taken as it is."""
        with self.documents.lock:
            return self.partners.ensure(party).ref

    # --- Documents, AmendDocuments, DocumentStatuses, DocumentList ---------------------------------------------------

    def find(self, keys: Collection[str]) -> Mapping[str, DocumentRef]:
        """See Documents."""
        return self.documents.find(keys)

    def create(self, drafts: Sequence[DocumentDraft]) -> Sequence[DocumentOutcome]:
        """See Documents."""
        return self.documents.create(drafts)

    def amend(self, amendments: Sequence[Amendment]) -> Sequence[DocumentOutcome]:
        """See AmendDocuments."""
        return self.documents.amend(amendments)

    def cancel(self, cancellations: Sequence[Cancellation]) -> Sequence[DocumentOutcome]:
        """See AmendDocuments."""
        return self.documents.cancel(cancellations)

    def set_statuses(self, changes: Sequence[StatusChange]) -> Sequence[DocumentOutcome]:
        """See DocumentStatuses."""
        return self.documents.set_statuses(changes)

    def all_documents(self) -> Iterator[ListedDocument]:
        """See DocumentList."""
        return self.documents.all()


class _Ships(Quincefin):
    """An account whose API has shipments."""

    def find_shipments(self, keys: Collection[str]) -> Mapping[str, DocumentRef]:
        """See ShipDocuments."""
        return self.shipment_book.followers.find(keys)

    def shipments_of(self, orders: Collection[DocumentRef]) -> Mapping[str, Sequence[DocumentRef]]:
        """See ShipDocuments."""
        return self.shipment_book.of(orders)

    def ship(self, shipments: Sequence[Shipment]) -> Sequence[DocumentOutcome]:
        """See ShipDocuments."""
        return self.shipment_book.ship(shipments)

    def goods_alone(self) -> bool:
        """See ShipsGoodsAlone: the order's tab of delivery is no line of a shipment."""
        return self.settings.orders.delivery == "field" and bool(self.settings.fields.delivery)


class _Returns(Quincefin):
    """An account whose API makes returns."""

    def find_returns(self, keys: Collection[str]) -> Mapping[str, DocumentRef]:
        """See ReturnDocuments."""
        return self.return_book.followers.find(keys)

    def returns_of(self, shipments: Collection[DocumentRef]) -> Mapping[str, Sequence[DocumentRef]]:
        """See ReturnDocuments."""
        return self.return_book.of(shipments)

    def take_back(self, returns: Sequence[Return]) -> Sequence[DocumentOutcome]:
        """See ReturnDocuments."""
        return self.return_book.take_back(returns)


class _Pays(Quincefin):
    """An account in which payments are noted."""

    def find_payments(self, keys: Collection[str]) -> Mapping[str, DocumentRef]:
        """See Payments."""
        return self.payment_book.followers.find(keys)

    def pay(self, payments: Sequence[PaymentDraft]) -> Sequence[DocumentOutcome]:
        """See Payments."""
        return self.payment_book.pay(payments)


class _ShipsReturns(_Ships, _Returns):
    pass


class _ShipsPays(_Ships, _Pays):
    pass


class _ReturnsPays(_Returns, _Pays):
    pass


class WithAll(_Ships, _Returns, _Pays):
    """An account with all that settings can switch on."""


def opened(settings: QuincefinSettings, env: SystemEnv) -> Quincefin:
    """An account with the capabilities that its settings switch on."""
    kinds: Mapping[tuple[bool, bool, bool], type[Quincefin]] = {
        (False, False, False): Quincefin,
        (True, False, False): _Ships,
        (False, True, False): _Returns,
        (False, False, True): _Pays,
        (True, True, False): _ShipsReturns,
        (True, False, True): _ShipsPays,
        (False, True, True): _ReturnsPays,
        (True, True, True): WithAll,
    }
    return kinds[settings.shipments, settings.returns, settings.payments](settings, env)


_system: type[System] = Quincefin
_probe: type[WriteProbe] = Quincefin
_untried: type[UntriedWrites] = Quincefin
_offers: type[Offers] = Quincefin
_stock: type[Stock] = Quincefin
_lookup: type[ProductLookup] = Quincefin
_names: type[ProductNames] = Quincefin
_add: type[AddProducts] = Quincefin
_references: type[References] = Quincefin
_reference_lists: type[ReferenceLists] = Quincefin
_parties: type[Parties] = Quincefin
_documents: type[Documents] = Quincefin
_amend: type[AmendDocuments] = Quincefin
_statuses: type[DocumentStatuses] = Quincefin
_listed: type[DocumentList] = Quincefin
_ship: type[ShipDocuments] = WithAll
_return: type[ReturnDocuments] = WithAll
_pay: type[Payments] = WithAll
