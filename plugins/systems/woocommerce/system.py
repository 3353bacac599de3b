"""A shop on WooCommerce: what it can do."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime

from pipeline.api import (
    ApplyCatalogue,
    ApplyOrders,
    ApplyStock,
    Finding,
    Hint,
    Notices,
    Noticing,
    Offer,
    OfferChange,
    Offers,
    OfferTraits,
    OrderChange,
    Orders,
    ProductDraft,
    Ref,
    RowOutcome,
    SeenOrder,
    Stock,
    StockLevel,
    StockTarget,
    System,
    SystemEnv,
    Webhooks,
    account_mark,
    place_of,
)
from plugins.systems.woocommerce import mapping
from plugins.systems.woocommerce.checking import check
from plugins.systems.woocommerce.client import WooApi
from plugins.systems.woocommerce.creating import Creator
from plugins.systems.woocommerce.orders import OrderBook, hint_of
from plugins.systems.woocommerce.reading import Reader
from plugins.systems.woocommerce.settings import WooSettings
from plugins.systems.woocommerce.updating import Updater


class WooCommerce:
    """See the ports. It asks nothing before the first use."""

    def __init__(self, settings: WooSettings, env: SystemEnv) -> None:
        self.name = env.name
        self.settings, self.env = settings, env
        self.notices = Notices()
        self.api = WooApi(settings, env)
        self.reader = Reader(self.api, settings, self.notices.add)
        self.book = OrderBook(self.api, settings, settings.source or env.name)

    def check(self) -> Sequence[Finding]:
        """Log in, and see whether units, currency and rights are as the connection says. Raises Refused, Transient."""
        return check(self.api, self.settings, self.reader)

    def noticed(self) -> Sequence[Finding]:
        """What the readings since the last call told otherwise than it is in the shop, or not at all."""
        return self.notices.take()

    @property
    def account(self) -> str:
        """See KnowsAccount: the shop itself, whoever logs in."""
        return account_mark(place_of(self.settings.url))

    def close(self) -> None:
        """Let go of connections."""
        self.api.close()

    # --- Offers and Stock --------------------------------------------------------------------------------------------

    def offer_traits(self) -> OfferTraits:
        """What it can do."""
        return mapping.traits(self.settings)

    def offers(self, since: datetime | None = None) -> Iterator[Offer]:
        """Every product with its variations, or those of which something was saved since: by product's id."""
        return self.reader.offers(since)

    def prices_in(self) -> str:
        """The shop's currency. Raises Refused, Transient."""
        return self.reader.currency()

    def levels(self, since: datetime | None = None) -> Iterator[StockLevel]:  # noqa: ARG002
        """All levels, whatever ``since`` is: a sale leaves no time at the product."""
        return self.reader.levels()

    def warehouses(self) -> Sequence[Ref]:
        """None: a shop on WooCommerce has one stock."""
        return ()

    # --- ApplyCatalogue and ApplyStock -------------------------------------------------------------------------------

    def create_products(self, drafts: Sequence[ProductDraft]) -> Sequence[RowOutcome]:
        """Products, single ones or with variations; what is there under an article is found first."""
        if not drafts:
            return []
        return Creator(self.api, self.settings, self.reader).create(drafts)

    def update_offers(self, changes: Sequence[OfferChange]) -> Sequence[RowOutcome]:
        """Just the fields named in each."""
        return self._updater().update(changes) if changes else []

    def apply_stock(self, targets: Sequence[StockTarget]) -> Sequence[RowOutcome]:
        """Quantities; from then on the shop counts what it counted not before."""
        return self._updater().stock(targets) if targets else []

    # --- Orders, ApplyOrders and Webhooks ----------------------------------------------------------------------------

    def orders(
        self, since: datetime | None = None, until: datetime | None = None, statuses: Collection[str] = ()
    ) -> Iterator[SeenOrder]:
        """Orders that were saved since, and before ``until``; without statuses those that the connection names."""
        return self.book.read(since, until, statuses)

    def order_statuses(self) -> Sequence[Ref]:
        """All statuses that the shop has, by their slugs."""
        return self.book.statuses()

    def apply_orders(self, changes: Sequence[OrderChange]) -> Sequence[RowOutcome]:
        """Status, and notes with the document's number, the parcel's and a comment: each once."""
        return self.book.apply(changes) if changes else []

    def hint(self, headers: Mapping[str, str], body: bytes) -> Hint:
        """What a webhook says; nothing of one whose signature is wrong."""
        secret = self.settings.webhook_secret
        return hint_of(headers, body, secret.get_secret_value() if secret is not None else "")

    def _updater(self) -> Updater:
        return Updater(self.api, self.settings, self.reader)


_: type[System] = WooCommerce
_offers: type[Offers] = WooCommerce
_catalogue: type[ApplyCatalogue] = WooCommerce
_stock: type[Stock] = WooCommerce
_take_stock: type[ApplyStock] = WooCommerce
_noticing: type[Noticing] = WooCommerce
_orders: type[Orders] = WooCommerce
_apply_orders: type[ApplyOrders] = WooCommerce
_webhooks: type[Webhooks] = WooCommerce
