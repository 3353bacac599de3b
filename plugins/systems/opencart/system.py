"""A shop on OpenCart as an end of a sync."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from pipeline.api import (
    ApplyCatalogue,
    ApplyOrders,
    ApplyStock,
    Finding,
    Held,
    MistokError,
    Noticing,
    Offer,
    OfferChange,
    Offers,
    OfferTraits,
    OrderChange,
    Orders,
    ProductDraft,
    Ref,
    ReferenceLists,
    Refused,
    RowOutcome,
    SeenOrder,
    Stock,
    StockLevel,
    StockTarget,
    System,
    SystemEnv,
    T,
    Transient,
    Who,
)
from plugins.systems.opencart.database import Database
from plugins.systems.opencart.goods import Family, Item, View
from plugins.systems.opencart.mapping import since_clock
from plugins.systems.opencart.notices import Notices
from plugins.systems.opencart.orders import OrderBook
from plugins.systems.opencart.pages import Reader
from plugins.systems.opencart.settings import ARTICLES, OpenCartSettings
from plugins.systems.opencart.shop import ORDERS, Facts, Tables, learn, look
from plugins.systems.opencart.writing import WRITES, Writer

#: How far before the asked moment is looked, so that clocks which differ a little lose nothing.
OVERLAP = timedelta(minutes=5)
_READS = frozenset({
    "name", "description", "price", "currency", "specials", "category", "categories", "options", "manufacturer",
    "weight", "length", "width", "height", "published",
})  # fmt: skip


class OpenCart:
    """One store of one shop. It asks the database only when something of it is wanted."""

    def __init__(self, settings: OpenCartSettings, env: SystemEnv) -> None:
        self.name = env.name
        self.settings, self.env = settings, env
        self.database = Database(settings, env)
        self.notices = Notices()
        self._tables: Tables | None = None

    # --- System ------------------------------------------------------------------------------------------------------

    def check(self) -> Sequence[Finding]:
        """Log in, and see whether there are a shop's tables under the prefix, its language, and sound categories.

        Raises Refused and Transient; what is wrong with the settings is a finding.
        """
        try:
            self.notices.take()
            reader = self.reader()
            self.notices.extend(reader.tree().findings)
            for table in reader.tables.missing(ORDERS):
                self.notices.add(_unreadable(table))
            return self.notices.take()
        except (Refused, Transient):
            raise
        except MistokError as error:
            return error.findings

    def noticed(self) -> Sequence[Finding]:
        """What the readings since the last call told otherwise than it is in the shop, or not at all."""
        return self.notices.take()

    def close(self) -> None:
        """Let go of the connection."""
        self.database.close()

    # --- Offers and Stock ----------------------------------------------------------------------------------------

    def offer_traits(self) -> OfferTraits:
        """What it can do."""
        first = self.settings.article
        return OfferTraits(
            keys=(first, *(name for name in ARTICLES if name != first)),
            reads=_READS | ({"images"} if self.settings.image_url else set()),
            writes=WRITES,
            of_products=frozenset({"published"}),
            dated_specials=True,
            delta=True,
            batch=100,
        )

    def offers(self, since: datetime | None = None) -> Iterator[Offer]:
        """Every product of the store with its variants, or those that were saved since: by product's number."""
        return (item.offer for item in self._items(since))

    def prices_in(self) -> str:
        """The store's currency."""
        return self.facts().currency

    def levels(self, since: datetime | None = None) -> Iterator[StockLevel]:  # noqa: ARG002
        """All levels, whatever ``since`` is: the shop keeps no time of changes of stock, a sale leaves none."""
        for item in self._items(None):
            if item.on_hand is not None:
                yield StockLevel(item.code, "", item.on_hand, offer=item.offer.id)

    def warehouses(self) -> Sequence[Ref]:
        """None: a shop on OpenCart has one stock."""
        return ()

    # --- ApplyCatalogue and ApplyStock -------------------------------------------------------------------------------

    def create_products(self, drafts: Sequence[ProductDraft]) -> Sequence[RowOutcome]:
        """None is created: a shop's product is more than what a sync knows of it. Each is Held."""
        return [RowOutcome(error=_made_in_the_shop(draft.base)) for draft in drafts]

    def update_offers(self, changes: Sequence[OfferChange]) -> Sequence[RowOutcome]:
        """Prices, special prices, and whether it is shown."""
        return self._writer().update(changes) if changes else []

    def apply_stock(self, targets: Sequence[StockTarget]) -> Sequence[RowOutcome]:
        """Quantities of products, and of the values of a product's only option."""
        return self._writer().stock(targets) if targets else []

    def _writer(self) -> Writer:
        reader = self.reader()
        return Writer(reader, self._view(reader))

    # --- Orders, ApplyOrders, ReferenceLists ---------------------------------------------------------------------

    def orders(
        self, since: datetime | None = None, until: datetime | None = None, statuses: Collection[str] = ()
    ) -> Iterator[SeenOrder]:
        """Finished orders of the store, the oldest change first."""
        return self._orders().read(since, until, frozenset(statuses), OVERLAP)

    def order_statuses(self) -> Sequence[Ref]:
        """All statuses, by number."""
        return self._orders().statuses()

    def apply_orders(self, changes: Sequence[OrderChange]) -> Sequence[RowOutcome]:
        """Status, and what is told of number, parcel and comment, with a row in the order's history."""
        return self._orders().apply(changes) if changes else []

    def references(self, kind: str) -> Sequence[Ref]:
        """Statuses of orders; no other list is kept."""
        return self.order_statuses() if kind == "status" else ()

    def _orders(self) -> OrderBook:
        reader = self.reader()
        view: list[View] = []

        def goods(products: Collection[int]) -> Mapping[int, Family]:
            view.extend([] if view else [self._view(reader)])  # the tree is read only where goods are asked for
            return {one: view[0].family(bundle) for one, bundle in reader.some(products).items()}

        return OrderBook(self.database, reader.tables, reader.facts, self.settings, self.env, goods)

    # --- how it is read ------------------------------------------------------------------------------------------

    def _items(self, since: datetime | None) -> Iterator[Item]:
        reader = self.reader()
        view = self._view(reader)
        asked = None if since is None else since_clock(since, reader.facts.zone, OVERLAP)
        for page in reader.pages(asked):
            for bundle in page:
                yield from view.items(bundle)

    def tables(self) -> Tables:
        """The shop's tables, looked at once."""
        if self._tables is None:
            self._tables = self.database.read(lambda connection: look(connection, self.settings))
        return self._tables

    def facts(self) -> Facts:
        """The shop's languages, currency and the like, as they are now."""
        tables = self.tables()
        return self.database.read(lambda connection: learn(connection, tables, self.settings, self.env, self.notices))

    def reader(self) -> Reader:
        """What reads its products, with the facts of now."""
        return Reader(self.database, self.tables(), self.facts(), self.settings, self.env.clock)

    def _view(self, reader: Reader) -> View:
        tree = reader.tree()
        self.notices.extend(tree.findings)
        return View(self.settings, reader.facts, tree, self.env.clock.now(), self.notices)


def _unreadable(table: str) -> Finding:
    return Finding(
        "table-missing",
        T("{table} is missing, or may not be read: orders cannot be read.", table=table),
        hint=T("docs/systems/opencart.md has the rights that the user needs, ready to be given."),
        who=Who.ADMIN,
        about=f"table:{table}",
    )


def _made_in_the_shop(offer: Offer) -> Held:
    return Held(
        T("{name}: products are made in the shop's admin, or by its import.", name=offer.title), code="shop-cannot"
    )


_: type[System] = OpenCart
_catalogue: type[ApplyCatalogue] = OpenCart
_take_stock: type[ApplyStock] = OpenCart
_orders: type[Orders] = OpenCart
_take_orders: type[ApplyOrders] = OpenCart
_lists: type[ReferenceLists] = OpenCart
_offers: type[Offers] = OpenCart
_stock: type[Stock] = OpenCart
_noticing: type[Noticing] = OpenCart
