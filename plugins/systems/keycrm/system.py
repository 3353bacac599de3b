"""An account of KeyCRM as a system: what the engine asks for, by capability."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime

from pipeline.api import (
    AmendDocuments,
    Amendment,
    ApplyCatalogue,
    ApplyOrders,
    ApplyStock,
    Cancellation,
    DocumentDraft,
    DocumentList,
    DocumentOutcome,
    DocumentRef,
    Documents,
    Finding,
    Hint,
    ListedDocument,
    Noticing,
    Offer,
    OfferChange,
    Offers,
    OfferTraits,
    OrderChange,
    Orders,
    ProductDraft,
    ProductLookup,
    Ref,
    ReferenceLists,
    References,
    RowOutcome,
    SeenOrder,
    Stock,
    StockLevel,
    StockTarget,
    System,
    SystemEnv,
    Webhooks,
)
from plugins.systems.keycrm import checking, hooks, mapping
from plugins.systems.keycrm.categories import Categories
from plugins.systems.keycrm.client import Client
from plugins.systems.keycrm.creating import Creator
from plugins.systems.keycrm.documents import DocumentBook
from plugins.systems.keycrm.lists import Lists
from plugins.systems.keycrm.naming import Naming
from plugins.systems.keycrm.orders import OrderBook
from plugins.systems.keycrm.reading import Reader
from plugins.systems.keycrm.settings import KeyCrmSettings
from plugins.systems.keycrm.stock import StockWriter
from plugins.systems.keycrm.updating import Updater


class KeyCrm:
    """One account. Asks nothing before it is needed."""

    def __init__(self, settings: KeyCrmSettings, env: SystemEnv) -> None:
        self.name = env.name
        self.settings, self.env = settings, env
        self.client = Client(settings, env)
        self.lists = Lists(self.client)
        self.reader = Reader(self.client, self.lists, settings, env)
        self.categories = Categories(self.reader)
        self.naming = Naming(self.reader, env)
        self.documents = DocumentBook(self.reader, self.naming, env)

    # --- System ------------------------------------------------------------------------------------------------------

    def check(self) -> Sequence[Finding]:
        """Log in, and look whether the account has what the settings name; remarks tell what it has."""
        return checking.check(self.reader)

    def close(self) -> None:
        """Let go of connections."""
        self.client.close()

    # --- Offers, ApplyCatalogue --------------------------------------------------------------------------------------

    def offer_traits(self) -> OfferTraits:
        """See Offers."""
        return mapping.traits(self.settings)

    def offers(self, since: datetime | None = None) -> Iterator[Offer]:  # noqa: ARG002 - there is no filter by time
        """All offers, whatever ``since`` is."""
        return self.reader.offers()

    def noticed(self) -> Sequence[Finding]:
        """See Noticing: what could not be read."""
        return self.reader.notices.take()

    def create_products(self, drafts: Sequence[ProductDraft]) -> Sequence[RowOutcome]:
        """See ApplyCatalogue."""
        return Creator(self.reader, self.categories).run(drafts)

    def update_offers(self, changes: Sequence[OfferChange]) -> Sequence[RowOutcome]:
        """See ApplyCatalogue."""
        return Updater(self.reader, self.categories, self.env).run(changes)

    # --- Stock, ApplyStock -------------------------------------------------------------------------------------------

    def levels(self, since: datetime | None = None) -> Iterator[StockLevel]:  # noqa: ARG002 - there is no filter by time
        """All levels, whatever ``since`` is."""
        return mapping.levels(*self.reader.stock())

    def warehouses(self) -> Sequence[Ref]:
        """Those that the settings name; else all in which something lies."""
        known = self.reader.warehouses()
        return tuple(Ref(str(number), code, known.names.get(number, code)) for code, number in known.ids.items())

    def apply_stock(self, targets: Sequence[StockTarget]) -> Sequence[RowOutcome]:
        """See ApplyStock."""
        return StockWriter(self.reader, self.env).run(targets)

    # --- Orders, ApplyOrders -----------------------------------------------------------------------------------------

    def orders(
        self, since: datetime | None = None, until: datetime | None = None, statuses: Collection[str] = ()
    ) -> Iterator[SeenOrder]:
        """See Orders. ``statuses`` by id, alias or name."""
        return OrderBook(self.reader, self.env).read(since, until, statuses)

    def order_statuses(self) -> Sequence[Ref]:
        """See Orders."""
        return OrderBook(self.reader, self.env).statuses()

    def apply_orders(self, changes: Sequence[OrderChange]) -> Sequence[RowOutcome]:
        """See ApplyOrders."""
        return OrderBook(self.reader, self.env).apply(changes)

    # --- ProductLookup, References, ReferenceLists -------------------------------------------------------------------

    def find_products(self, codes: Collection[str]) -> Mapping[str, Sequence[Ref]]:
        """See ProductLookup."""
        return self.reader.find_products(codes)

    def find_references(self, kind: str, codes: Collection[str]) -> Mapping[str, Ref]:
        """See References: by id, alias or name. An ``object`` is a source of orders."""
        return self.naming.find(kind, codes)

    def ensure(self, kind: str, code: str, name: str = "") -> Ref:
        """See References: a source is made by its first order; raises ConfigError for anything else that is missing."""
        return self.naming.ensure(kind, code, name)

    def adds_references(self) -> Collection[str]:
        """See AddsReferences: a source is made by its first order."""
        return frozenset({"source"})

    def references(self, kind: str) -> Sequence[Ref]:
        """See ReferenceLists: statuses, sources, users, payment methods, delivery services, warehouses, currencies."""
        return self.naming.all(kind)

    # --- Documents, AmendDocuments, DocumentList ---------------------------------------------------------------------

    def find(self, keys: Collection[str]) -> Mapping[str, DocumentRef]:
        """See Documents."""
        return self.documents.find(keys)

    def create(self, drafts: Sequence[DocumentDraft]) -> Sequence[DocumentOutcome]:
        """See Documents."""
        return self.documents.create(drafts)

    def amend(self, amendments: Sequence[Amendment]) -> Sequence[DocumentOutcome]:
        """See AmendDocuments, as far as the API goes: lines cannot be added or taken away."""
        return self.documents.amend(amendments)

    def cancel(self, cancellations: Sequence[Cancellation]) -> Sequence[DocumentOutcome]:
        """See AmendDocuments."""
        return self.documents.cancel(cancellations)

    def all_documents(self) -> Iterator[ListedDocument]:
        """See DocumentList."""
        return self.documents.all()

    # --- Webhooks ----------------------------------------------------------------------------------------------------

    def hint(self, headers: Mapping[str, str], body: bytes) -> Hint:  # noqa: ARG002 - no header says anything
        """See Webhooks."""
        return hooks.hint(body)


_system: type[System] = KeyCrm
_offers: type[Offers] = KeyCrm
_noticing: type[Noticing] = KeyCrm
_catalogue: type[ApplyCatalogue] = KeyCrm
_stock: type[Stock] = KeyCrm
_apply_stock: type[ApplyStock] = KeyCrm
_orders: type[Orders] = KeyCrm
_apply_orders: type[ApplyOrders] = KeyCrm
_lookup: type[ProductLookup] = KeyCrm
_references: type[References] = KeyCrm
_reference_lists: type[ReferenceLists] = KeyCrm
_documents: type[Documents] = KeyCrm
_amend: type[AmendDocuments] = KeyCrm
_listed: type[DocumentList] = KeyCrm
_webhooks: type[Webhooks] = KeyCrm
