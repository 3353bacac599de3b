"""The two ends of a sync: what is sold, and how much there is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, Protocol, runtime_checkable

from pipeline.errors import Finding, MistokError
from pipeline.model import Offer, StockLevel
from pipeline.ports.systems import Ref

#: Fields of an Offer's ``values``. Texts are in the one language that the connection names.
OFFER_FIELDS = {
    "name": "str",
    "description": "str, HTML allowed",
    "short_description": "str, HTML allowed",
    "price": "Decimal or None: retail, without any special",
    "price.KIND": "Decimal or None: the price of that kind (cost, old, wholesale …)",
    "currency": "str: ISO 4217 of the prices",
    "specials": "tuple of SpecialPrice, disjoint and by start: at any moment at most one holds",
    "category": "tuple of str: path of the main category from the root down; empty: none",
    "categories": "tuple of such paths: all categories it stands in",
    "images": "tuple of str: URLs, the main one first",
    "options": "mapping of str to str: what makes a variant (Колір -> Червоний)",
    "unit": "str",
    "barcode": "str",
    "manufacturer": "str",
    "weight": "Decimal kilograms or None",
    "length": "Decimal centimetres or None",
    "width": "Decimal centimetres or None",
    "height": "Decimal centimetres or None",
    "published": "bool: it is shown to buyers",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferTraits:
    """What a system can do as an end of a sync."""

    keys: tuple[str, ...]  #: the article fields that its offers may have, the usual one first
    reads: frozenset[str]  #: fields that ``offers`` tells
    writes: frozenset[str] = frozenset()  #: fields that ``update_offers`` changes; others are never touched
    creates: frozenset[str] = frozenset()  #: fields that ``create_products`` takes; empty: it creates nothing
    fixed: frozenset[str] = frozenset()  #: fields of ``writes`` that a variant keeps as it was created with
    #: fields of ``writes`` that a variant has of its own only where it tells them: else they stand at its product
    of_products: frozenset[str] = frozenset()
    #: ``offers``: variants stand below their product; ``flat``: each variant is a product of its own; ``none``: it has
    #: no variants, and base products alone are sent
    variants: Literal["offers", "flat", "none"] = "offers"
    dated_specials: bool = False  #: it keeps special prices with their dates, and switches them itself
    special_in_price: bool = False  #: it keeps them so, and we switch: its price is the special one while it holds
    delta: bool = False  #: ``offers(since)`` really tells only what changed
    batch: int = 50  #: rows that one write takes

    def hides(self, offer: Offer) -> bool:
        """Whether it can hide this offer of its own from buyers, and show it again."""
        own = offer.kind != "variant" or "published" not in self.of_products or "published" in offer.values
        return own and "published" in self.writes


@runtime_checkable
class Offers(Protocol):
    """It can tell what it sells, offer by offer."""

    def offer_traits(self) -> OfferTraits:
        """What it can do. Never asks the network."""
        ...

    def offers(self, since: datetime | None = None) -> Iterator[Offer]:
        """All offers, or those changed since; the base of a product before its variants, each exactly once.

        Pages are read in a stable order with overlap, so that what shifts between them is neither lost nor told twice.
        A page cap or an unreadable page is an error, never a shorter list. Raises Refused, Transient.
        """
        ...


@runtime_checkable
class OneCurrency(Protocol):
    """All that it sells is priced in one currency, as in a shop. What takes one with each price leaves it out."""

    def prices_in(self) -> str:
        """ISO code of that currency. Raises Refused, Transient."""
        ...


@runtime_checkable
class Noticing(Protocol):
    """It can tell what it noticed while it was read: what was left out, or told otherwise than the system has it."""

    def noticed(self) -> Sequence[Finding]:
        """What the readings since the last call came upon, each thing once. Never asks the network."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductDraft:
    """A product to be created: a single one, or a base with all its variants. ``category`` in values is a path.

    Where ``base.id`` is given, the product is there already, and only the variants are new.
    """

    base: Offer
    variants: tuple[Offer, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferChange:
    """What is to change of an offer that a system has. Fields that are not in ``values`` are not touched."""

    offer: Offer  #: as it told it
    values: Mapping[str, Any]


#: Code of the Transient of a row that the system has accepted and does not show yet: the next run looks at it again.
NOT_SHOWN = "not-shown"


@dataclass(frozen=True, slots=True)
class RowOutcome:
    """What came of one row of a write, in the order of the rows.

    ``ids``: of what was created, the base first (its variants in their order, where the system tells them).
    ``error``: Held (refused, with the system's words), InDoubt, Transient. ``existed``: it was so already.
    """

    ids: tuple[str, ...] = ()
    existed: bool = False
    error: MistokError | None = None
    shown: Mapping[str, Any] = field(default_factory=dict)  #: fields as the system then shows them, where it says so


@runtime_checkable
class ApplyCatalogue(Protocol):
    """It can take products. Absolute: a second time is the same as once. A failure of one row spoils no other."""

    def create_products(self, drafts: Sequence[ProductDraft]) -> Sequence[RowOutcome]:
        """Create each; what is there under the same article is found first and ``existed``.

        Categories on the way are created where missing. Raises nothing but Transient and Refused that strike all rows.
        """
        ...

    def update_offers(self, changes: Sequence[OfferChange]) -> Sequence[RowOutcome]:
        """Change just the fields named in each."""
        ...


@runtime_checkable
class Stock(Protocol):
    """It can tell how much there is."""

    def levels(self, since: datetime | None = None) -> Iterator[StockLevel]:
        """All levels, or those changed since: one for each offer and warehouse. Raises Refused, Transient."""
        ...

    def warehouses(self) -> Sequence[Ref]:
        """The warehouses that it knows or has been seen to have; none where it keeps one total only."""
        ...


@dataclass(frozen=True, slots=True)
class Reserve:
    """So many of an article are held back for one order."""

    order: str  #: its number, as people know it
    document: str  #: number of the document that holds them back
    warehouse: str
    quantity: Decimal


@runtime_checkable
class Reserves(Protocol):
    """It can tell for which orders it holds stock back; a system that tells stock need not."""

    def reserves(self, code: str) -> Sequence[Reserve]:
        """All that is held back of this article, oldest first. Raises Refused, Transient."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StockTarget:
    """The level that an offer is to have in a warehouse: absolute. ``warehouse`` "": the only one."""

    offer: Offer  #: as it told it
    warehouse: str
    quantity: Decimal
    #: True: what lies there, and the system's own reserves stay. False: what may be sold, so that a system which keeps
    #: reserves sets what lies there to this and its own reserves together.
    on_hand: bool = False


@runtime_checkable
class ApplyStock(Protocol):
    """It can take stock levels. Absolute; rows that are not named keep theirs."""

    def apply_stock(self, targets: Sequence[StockTarget]) -> Sequence[RowOutcome]:
        """Set each level."""
        ...
