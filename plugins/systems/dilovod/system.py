"""A base of Dilovod as a system: what the engine asks for, by capability."""

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
    Noticing,
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
    Text,
    Tried,
    UntriedWrites,
    WriteProbe,
)
from plugins.systems.dilovod import checking, mapping
from plugins.systems.dilovod.adding import Adder
from plugins.systems.dilovod.client import Client
from plugins.systems.dilovod.documents import OrderBook
from plugins.systems.dilovod.following import Following
from plugins.systems.dilovod.lists import Lists
from plugins.systems.dilovod.names import CASH_IN, RETURN, SALE
from plugins.systems.dilovod.naming import Naming
from plugins.systems.dilovod.papers import Papers
from plugins.systems.dilovod.parties import PartyBook
from plugins.systems.dilovod.probe import Probe
from plugins.systems.dilovod.reading import Reader
from plugins.systems.dilovod.settings import DilovodSettings


class Dilovod:
    """One base. Asks nothing before it is needed."""

    def __init__(self, settings: DilovodSettings, env: SystemEnv) -> None:
        self.name = env.name
        self.settings, self.env = settings, env
        self.client = Client(settings, env)
        self.lists = Lists(self.client)
        self.reader = Reader(self.client, self.lists, settings, env)
        self.papers = Papers(self.client, self.lists)
        self.parties = PartyBook(self.client)
        self.naming = Naming(self.reader, self.lists, self.parties)
        self.following = Following(self.papers, self.naming, env)
        self.book = OrderBook(self.papers, self.naming, self.following)

    # --- System ------------------------------------------------------------------------------------------------------

    def check(self) -> Sequence[Finding]:
        """Log in, and look whether the base has what the settings name, and the role may read what is needed.

        Remarks tell what the API cannot do, and what of it is only inferred.
        """
        return checking.check(self.reader, self.naming)

    def inferred(self) -> Mapping[str, Text]:
        """See OnlyInferred."""
        return checking.PROBED

    def try_writes(self) -> Iterator[Tried]:
        """See WriteProbe: a good, a buyer and documents of our own, which have a deletion mark in the end."""
        return Probe(self.client, self.papers, self.naming, self.env.clock.now).run()

    @property
    def account(self) -> str:
        """See UntriedWrites."""
        return self.client.http.account_key()

    def untried(self) -> Mapping[str, frozenset[str]]:
        """See UntriedWrites: what docs/systems/dilovod.md calls inferred, and the probe tries. Prices and balances are
        only read here: what of them is inferred is told by ``check``, and by the comparison before the first run."""
        if self.settings.untried_writes:
            return {}
        documents = self.settings.documents
        marks = [f"documents.post: {'true' if documents.post else 'false'}"]
        if documents.post_payments:
            marks.append("documents.post_payments: true")
        return dict.fromkeys(marks, frozenset({"documents"}))

    def close(self) -> None:
        """Let go of connections."""
        self.client.close()

    # --- Offers, Stock, Noticing -------------------------------------------------------------------------------------

    def offer_traits(self) -> OfferTraits:
        """See Offers."""
        return mapping.traits(self.settings)

    def offers(self, since: datetime | None = None) -> Iterator[Offer]:  # noqa: ARG002 - the API has no filter by time
        """All offers, whatever ``since`` is."""
        return self.reader.offers()

    def levels(self, since: datetime | None = None) -> Iterator[StockLevel]:  # noqa: ARG002 - as above
        """All levels, whatever ``since`` is."""
        return self.reader.levels()

    def warehouses(self) -> Sequence[Ref]:
        """Those that the settings name, else all storages."""
        found = (Ref(ref.id, code, ref.name) for code, ref in self.reader.storages().items())
        return tuple(sorted(found, key=lambda ref: ref.code))

    def noticed(self) -> Sequence[Finding]:
        """See Noticing: what the role may not read."""
        return self.reader.noticed()

    # --- ProductLookup, ProductNames ---------------------------------------------------------------------------------

    def find_products(self, codes: Collection[str]) -> Mapping[str, Sequence[Ref]]:
        """See ProductLookup."""
        return self.reader.find_products(codes)

    def find_by_name(self, names: Collection[str]) -> Mapping[str, Sequence[Ref]]:
        """See ProductNames."""
        return self.reader.find_by_name(names)

    # --- References, ReferenceLists, Parties, AddProducts ------------------------------------------------------------

    def find_references(self, kind: str, codes: Collection[str]) -> Mapping[str, Ref]:
        """See References: by id, code or name. An ``object`` is a trade channel."""
        return self.naming.find(kind, codes)

    def ensure(self, kind: str, code: str, name: str = "") -> Ref:
        """See References: a source is made as a trade channel; raises ConfigError for anything else that is missing."""
        return self.naming.ensure(kind, code, name)

    def adds_references(self) -> Collection[str]:
        """See AddsReferences: trade channels alone."""
        return frozenset({"source"})

    def references(self, kind: str) -> Sequence[Ref]:
        """See ReferenceLists: firms, storages, currencies, states, users, employees, accounts and more."""
        return self.naming.all(kind)

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

    def add_products(self, products: Sequence[NewProduct]) -> Sequence[RowOutcome]:
        """See AddProducts. A variant is a good of its own."""
        return Adder(self.reader, self.papers).add(products)

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
        """See AmendDocuments: marked for deletion."""
        return self.book.cancel(cancellations)

    def all_documents(self) -> Iterator[ListedDocument]:
        """See DocumentList."""
        return self.book.all(self.env.client)

    def set_statuses(self, changes: Sequence[StatusChange]) -> Sequence[DocumentOutcome]:
        """See DocumentStatuses: states of orders."""
        return self.book.set_statuses(changes)

    # --- ShipDocuments, ReturnDocuments, Payments --------------------------------------------------------------------

    def find_shipments(self, keys: Collection[str]) -> Mapping[str, DocumentRef]:
        """See ShipDocuments."""
        return self.following.find(SALE, keys)

    def shipments_of(self, orders: Collection[DocumentRef]) -> Mapping[str, Sequence[DocumentRef]]:
        """See ShipDocuments."""
        return self.following.shipments_of(orders)

    def ship(self, shipments: Sequence[Shipment]) -> Sequence[DocumentOutcome]:
        """See ShipDocuments."""
        return self.following.ship(shipments)

    def find_returns(self, keys: Collection[str]) -> Mapping[str, DocumentRef]:
        """See ReturnDocuments."""
        return self.following.find(RETURN, keys)

    def returns_of(self, shipments: Collection[DocumentRef]) -> Mapping[str, Sequence[DocumentRef]]:
        """See ReturnDocuments."""
        return self.following.returns_of(shipments)

    def take_back(self, returns: Sequence[Return]) -> Sequence[DocumentOutcome]:
        """See ReturnDocuments."""
        return self.following.take_back(returns)

    def find_payments(self, keys: Collection[str]) -> Mapping[str, DocumentRef]:
        """See Payments."""
        return self.following.find(CASH_IN, keys)

    def pay(self, payments: Sequence[PaymentDraft]) -> Sequence[DocumentOutcome]:
        """See Payments: saved, and posted only where the settings say so."""
        return self.following.pay(payments)


_system: type[System] = Dilovod
_offers: type[Offers] = Dilovod
_stock: type[Stock] = Dilovod
_noticing: type[Noticing] = Dilovod
_lookup: type[ProductLookup] = Dilovod
_names: type[ProductNames] = Dilovod
_references: type[References] = Dilovod
_reference_lists: type[ReferenceLists] = Dilovod
_parties: type[Parties] = Dilovod
_add: type[AddProducts] = Dilovod
_documents: type[Documents] = Dilovod
_amend: type[AmendDocuments] = Dilovod
_listed: type[DocumentList] = Dilovod
_statuses: type[DocumentStatuses] = Dilovod
_ship: type[ShipDocuments] = Dilovod
_return: type[ReturnDocuments] = Dilovod
_pay: type[Payments] = Dilovod
_probe: type[WriteProbe] = Dilovod
_untried: type[UntriedWrites] = Dilovod
