"""KeepinCRM as a system: what the engine asks for, by capability."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

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
    Notices,
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
    Tried,
    UntriedWrites,
    Webhooks,
    WriteProbe,
)
from plugins.systems.keepincrm import hooks, mapping, probe
from plugins.systems.keepincrm.catalogue import Catalogue
from plugins.systems.keepincrm.categories import Categories
from plugins.systems.keepincrm.client import KeepinApi
from plugins.systems.keepincrm.documents import DocumentBook
from plugins.systems.keepincrm.goods import Goods
from plugins.systems.keepincrm.orders import OrderBook
from plugins.systems.keepincrm.references import Lists
from plugins.systems.keepincrm.settings import KeepinSettings
from plugins.systems.keepincrm.stock import Offices


class Keepin:
    """One account. It is asked at first use."""

    def __init__(self, settings: KeepinSettings, env: SystemEnv) -> None:
        self.name = env.name
        self.settings, self.env = settings, env
        self.api = KeepinApi(settings, env)
        self._zone = ZoneInfo(env.timezone)
        self._notices = Notices()
        self._goods = Goods(self.api, settings)
        self._categories = Categories(self.api, settings)
        self._catalogue = Catalogue(self.api, settings, self._goods, self._categories, self._reading, env.clock.now)
        self._offices = Offices(self.api, settings, self._goods)
        self._lists = Lists(self.api, settings, self._offices)
        self._orders = OrderBook(self.api, settings.orders, env)
        self._documents = DocumentBook(self.api, settings, self._goods, env)

    # --- System --------------------------------------------------------------------------------------------------

    def check(self) -> Sequence[Finding]:
        """Log in and look at the first pages: what the config names and the account does not show. Changes nothing."""
        return probe.look(self.api, self.settings, self._categories)

    def try_writes(self) -> Iterator[Tried]:
        """Make one product, marked as ours, try on it what the account takes, and delete it. See WriteProbe."""
        return probe.Probe(
            self.api, self.settings, self._catalogue, self._categories, self.env.clock.now, self.env.currency
        ).run()

    @property
    def account(self) -> str:
        """See UntriedWrites."""
        return self.api.account

    def untried(self) -> Mapping[str, frozenset[str]]:
        """See UntriedWrites: what docs/systems/keepincrm.md calls unseen, and the probe tries."""
        settings = self.settings
        if settings.untried_writes:
            return {}
        found = {f"stock_write: {settings.stock_write}": frozenset({"stock"})}
        if settings.materials_create != "off":
            found[f"materials_create: {settings.materials_create}"] = frozenset({"new"})
        if settings.categories == "create":
            found["categories: create"] = frozenset({"category"})
        if settings.special_price is not None:
            found["special_price"] = frozenset({"specials"})
        return found

    def close(self) -> None:
        """Let go of connections."""
        self.api.close()

    # --- the two ends of a sync ----------------------------------------------------------------------------------

    def offer_traits(self) -> OfferTraits:
        """What the settings say that this account can do."""
        return mapping.traits(self.settings)

    def offers(self, since: datetime | None = None) -> Iterator[Offer]:
        """All materials, or those changed since; each is an offer of its own. Raises Refused, Transient."""
        if self.settings.categories != "off":
            self._categories.load()
            self._notices.extend(self._categories.findings)
        how = self._reading()
        for row in self._goods.rows("offers", since):
            yield mapping.offer_of(row, how)

    def noticed(self) -> Sequence[Finding]:
        """See Noticing: what could not be read."""
        return self._notices.take()

    def create_products(self, drafts: Sequence[ProductDraft]) -> Sequence[RowOutcome]:
        """Create each that is not there by its article. Raises Refused and Transient when nothing was done."""
        return self._catalogue.create_products(drafts)

    def update_offers(self, changes: Sequence[OfferChange]) -> Sequence[RowOutcome]:
        """Change just the fields named in each. Raises Refused and Transient when nothing was done."""
        return self._catalogue.update_offers(changes)

    def levels(self, since: datetime | None = None) -> Iterator[StockLevel]:
        """A level for each material and office. Raises Refused, Transient."""
        return self._offices.levels(since)

    def warehouses(self) -> Sequence[Ref]:
        """The offices that are named in the config or were seen; none where only totals are told."""
        return self._offices.warehouses()

    def apply_stock(self, targets: Sequence[StockTarget]) -> Sequence[RowOutcome]:
        """Set each level. Raises Refused and Transient when nothing was done."""
        return self._offices.apply_stock(targets)

    # --- orders ----------------------------------------------------------------------------------------------------

    def orders(
        self, since: datetime | None = None, until: datetime | None = None, statuses: Collection[str] = ()
    ) -> Iterator[SeenOrder]:
        """Agreements that have changed since, the oldest change first. Raises Refused, Transient."""
        return self._orders.read(since, until, statuses)

    def order_statuses(self) -> Sequence[Ref]:
        """The stages that the config names, and the ways in which an agreement is closed."""
        return self._orders.statuses()

    def apply_orders(self, changes: Sequence[OrderChange]) -> Sequence[RowOutcome]:
        """Move agreements to their stages, and add lines to their comments."""
        return self._orders.apply(changes)

    def hint(self, headers: Mapping[str, str], body: bytes) -> Hint:  # noqa: ARG002 - the secret is in the address
        """What a webhook of the operator's own template may mean."""
        return hooks.hint(body)

    # --- documents and what they refer to ----------------------------------------------------------------------------

    def find(self, keys: Collection[str]) -> Mapping[str, DocumentRef]:
        """The agreements that exist for ``keys``."""
        return self._documents.find(keys)

    def create(self, drafts: Sequence[DocumentDraft]) -> Sequence[DocumentOutcome]:
        """An agreement for each draft: found first, then made, one outcome each."""
        return self._documents.create(drafts)

    def amend(self, amendments: Sequence[Amendment]) -> Sequence[DocumentOutcome]:
        """Bring agreements to the new content of their orders, as far as the API goes."""
        return self._documents.amend(amendments)

    def cancel(self, cancellations: Sequence[Cancellation]) -> Sequence[DocumentOutcome]:
        """Move agreements to the stage of cancelled ones, or close them as lost."""
        return self._documents.cancel(cancellations)

    def all_documents(self) -> Iterator[ListedDocument]:
        """Every agreement that was made of an order, oldest first."""
        return self._documents.listed()

    def find_references(self, kind: str, codes: Collection[str]) -> Mapping[str, Ref]:
        """The known ones of ``codes``: what the config names, and clients by their numbers."""
        return self._lists.find(kind, codes)

    def references(self, kind: str) -> Sequence[Ref]:
        """What the config names of that kind."""
        return self._lists.all(kind)

    def ensure(self, kind: str, code: str, name: str = "") -> Ref:  # noqa: ARG002 - nothing is made of it
        """One that is known. Raises ConfigError for another: the API makes none."""
        return self._lists.ensure(kind, code)

    # --- ProductLookup -------------------------------------------------------------------------------------------

    def find_products(self, codes: Collection[str]) -> Mapping[str, Sequence[Ref]]:
        """For each code the materials of just that article, else all of the same normal form."""
        return self._goods.find(codes)

    def _reading(self) -> mapping.Reading:
        paths = self._categories.paths() if self.settings.categories != "off" else None
        return mapping.Reading(
            settings=self.settings, zone=self._zone, currency=self.env.currency, paths=paths, notice=self._notices.add
        )


_system: type[System] = Keepin
_offers: type[Offers] = Keepin
_noticing: type[Noticing] = Keepin
_catalogue: type[ApplyCatalogue] = Keepin
_stock: type[Stock] = Keepin
_apply_stock: type[ApplyStock] = Keepin
_lookup: type[ProductLookup] = Keepin
_probe: type[WriteProbe] = Keepin
_untried: type[UntriedWrites] = Keepin
_orders: type[Orders] = Keepin
_apply_orders: type[ApplyOrders] = Keepin
_documents: type[Documents] = Keepin
_amend: type[AmendDocuments] = Keepin
_list: type[DocumentList] = Keepin
_references: type[References] = Keepin
_lists: type[ReferenceLists] = Keepin
_webhooks: type[Webhooks] = Keepin
