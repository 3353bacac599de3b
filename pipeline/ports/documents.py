"""Order documents of a system, and all that follows them: shipments, returns, payments, statuses, parties."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol, runtime_checkable

from pipeline.errors import Finding, MistokError
from pipeline.model import Order, Party
from pipeline.ports.syncing import RowOutcome
from pipeline.ports.systems import Ref


@dataclass(frozen=True, slots=True)
class DocumentRef:
    """A document in a system."""

    id: str
    number: str
    key: str = ""  #: the idempotency key that it was created with
    created_at: datetime | None = None
    total: Decimal | None = None  #: what the document says, so that an order can be compared with it; None: not told
    currency: str = ""  #: of ``total``
    tracking: str = ""  #: of a shipment: the parcel's number, where the system knows it
    #: Its making was broken off half way. Asked for it once more, with the same key, its system finishes this very one.
    unfinished: bool = False
    cancelled: bool = False  #: the system shows it as cancelled, or marked for deletion; where it does not tell, False


def finished(found: Mapping[str, DocumentRef]) -> dict[str, DocumentRef]:
    """Of documents that were looked up by their keys, those that are there whole: the others have still to be made."""
    return {key: ref for key, ref in found.items() if not ref.unfinished}


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentDraft:
    """An order document to be made. ``key`` is its idempotency key; ``products`` pairs with ``order.lines``."""

    key: str
    order: Order
    products: tuple[Ref, ...]
    client: Ref | None = None  #: party to book it on; None: find or create from ``order.customer``
    object: Ref | None = None  #: shop or branch
    warehouse: Ref | None = None
    user: Ref | None = None  #: author
    executor: Ref | None = None
    comment: str = ""
    rounding: Any = None  #: Decimal by which the document's total is evened out, or None
    delivery: Ref | None = None  #: the service that the delivery's cost is booked as; None: the system's own way
    #: what else it names, by kind as in :class:`References`: ``status``, ``source``, ``account``, ``firm`` …
    references: Mapping[str, Ref] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DocumentOutcome:
    """What came of one draft: ``ref`` (``existed``: it was there before), or ``error`` (Held, InDoubt, Transient …)."""

    key: str
    ref: DocumentRef | None = None
    existed: bool = False
    error: MistokError | None = None
    notes: tuple[Finding, ...] = ()  #: what a person should know of what was done; nobody is waited for


@runtime_checkable
class Documents(Protocol):
    """It can hold order documents. Find first; never post blindly twice."""

    def find(self, keys: Collection[str]) -> Mapping[str, DocumentRef]:
        """The documents that exist for ``keys``."""
        ...

    def create(self, drafts: Sequence[DocumentDraft]) -> Sequence[DocumentOutcome]:
        """Make a document for each draft, idempotent by key; one outcome for each, in order.

        A failure of one never spoils its siblings. A time-out after sending is InDoubt, not Transient.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    """A document that is to be brought to a newer content of its order."""

    key: str  #: ``client/source/order-id/amend/<revision>``: the same one is never applied twice
    ref: DocumentRef
    draft: DocumentDraft  #: all of the new content; what is not in it any more goes from the document


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancellation:
    """A document that is to be marked cancelled, because its order was."""

    key: str  #: ``client/source/order-id/cancel/<revision>``
    ref: DocumentRef
    status: str  #: of the order: ``cancelled``, ``refunded``, or a shop's own word


@runtime_checkable
class AmendDocuments(Protocol):
    """It can change documents that it holds. Both are absolute: a second time is the same as once.

    One outcome for each, in order; a failure of one never spoils its siblings. ``existed``: it was so already. A
    document that may not be changed any more (closed, sold, in a closed period, gone) is Held with the reason.
    """

    def amend(self, amendments: Sequence[Amendment]) -> Sequence[DocumentOutcome]:
        """Bring documents to a new content: lines, sums, status, and what they reserve of the stock."""
        ...

    def cancel(self, cancellations: Sequence[Cancellation]) -> Sequence[DocumentOutcome]:
        """Mark documents cancelled, whatever else they say stays; what they reserve is free again, once."""
        ...


@dataclass(frozen=True, slots=True)
class ListedDocument:
    """A document of a system, and the order that it says it was made for."""

    ref: DocumentRef
    source: str
    order_id: str


@runtime_checkable
class DocumentList(Protocol):
    """It can tell all its order documents: what they are counted and compared by."""

    def all_documents(self) -> Iterator[ListedDocument]:
        """Every document, oldest first."""
        ...


# --- what follows an order ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipment:
    """Goods that leave the warehouse on an order: the document that writes them off."""

    key: str  #: ``client/source/order-id/ship/<revision>``
    order: DocumentRef  #: the order document that it is made on the base of
    draft: DocumentDraft  #: what leaves: all of the order, or a part; never without lines
    at: datetime | None = None  #: when they left; None: now


@runtime_checkable
class ShipDocuments(Protocol):
    """It can write goods off on an order document. Find first; never ship blindly twice."""

    def find_shipments(self, keys: Collection[str]) -> Mapping[str, DocumentRef]:
        """The shipments that exist for ``keys``."""
        ...

    def shipments_of(self, orders: Collection[DocumentRef]) -> Mapping[str, Sequence[DocumentRef]]:
        """By the id of an order document: every shipment that stands on it, whoever made it; none: absent."""
        ...

    def ship(self, shipments: Sequence[Shipment]) -> Sequence[DocumentOutcome]:
        """Make and post each, idempotent by key; one outcome for each, in order.

        Held with the system's words where it may not be (closed period, too little stock, the order is cancelled). A
        failure of one never spoils its siblings; a shipment that was made but could not be posted is Held, not left
        half done in silence.
        """
        ...


@runtime_checkable
class ShipsGoodsAlone(Protocol):
    """Its shipments may have the goods of an order without what delivery and payment cost."""

    def goods_alone(self) -> bool:
        """Whether they do, as its settings are."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """Goods that come back: the document that takes them in again, on the base of their shipment."""

    key: str  #: ``client/source/order-id/return/<revision>``
    order: DocumentRef
    shipment: DocumentRef
    draft: DocumentDraft  #: what comes back: all that was shipped, or a part
    at: datetime | None = None


@runtime_checkable
class ReturnDocuments(Protocol):
    """It can take goods back."""

    def find_returns(self, keys: Collection[str]) -> Mapping[str, DocumentRef]:
        """The returns that exist for ``keys``."""
        ...

    def returns_of(self, shipments: Collection[DocumentRef]) -> Mapping[str, Sequence[DocumentRef]]:
        """By the id of a shipment: every return that stands on it, whoever made it; none: absent."""
        ...

    def take_back(self, returns: Sequence[Return]) -> Sequence[DocumentOutcome]:
        """Make and post each, idempotent by key, as :meth:`ShipDocuments.ship` does."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentDraft:
    """Money that came for an order."""

    key: str  #: ``client/source/order-id/pay/<revision>``
    order: DocumentRef
    amount: Decimal  #: above 0, in ``currency``
    currency: str
    account: Ref | None = None  #: bank account or cash desk; None: the system's own choice
    payer: Ref | None = None  #: party; None: that of the order document
    at: datetime | None = None
    comment: str = ""


@runtime_checkable
class Payments(Protocol):
    """It can note what was paid on an order document."""

    def find_payments(self, keys: Collection[str]) -> Mapping[str, DocumentRef]:
        """The payments that exist for ``keys``."""
        ...

    def pay(self, payments: Sequence[PaymentDraft]) -> Sequence[DocumentOutcome]:
        """Note each, idempotent by key; one outcome for each, in order."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusChange:
    """The status that an order document is to have."""

    key: str  #: ``client/source/order-id/status/<revision>``
    ref: DocumentRef
    status: Ref  #: of References, kind ``status``


@runtime_checkable
class DocumentStatuses(Protocol):
    """Its order documents have statuses that can be set. Its list of them: ReferenceLists, kind ``status``."""

    def set_statuses(self, changes: Sequence[StatusChange]) -> Sequence[DocumentOutcome]:
        """Set each; absolute: one that it has already is ``existed``. One outcome for each, in order."""
        ...


# --- who and what documents name ---------------------------------------------------------------------------------


@runtime_checkable
class Parties(Protocol):
    """It keeps buyers. Two parties are never made one; a party that is there is never changed."""

    def find_parties(self, parties: Sequence[Party]) -> Sequence[Sequence[Ref]]:
        """For each all that are the same: by code, else EDRPOU or tax number, else phone, else mail, in normal form."""
        ...

    def near_parties(self, party: Party) -> Sequence[Ref]:
        """Those that a person may mean, by name, best first; for a person only. At most ten."""
        ...

    def create_party(self, party: Party) -> Ref:
        """Add one with its names, phone and mail, EDRPOU and tax number; without the address of an order.

        Raises Held (refused, with the system's words), InDoubt, Transient.
        """
        ...


@runtime_checkable
class ProductNames(Protocol):
    """It can find products by name."""

    def find_by_name(self, names: Collection[str]) -> Mapping[str, Sequence[Ref]]:
        """For each asked name all products of just that name (blanks and case aside); none: absent."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class NewProduct:
    """A product that an order names and the system does not have: its card only, no price, weight or stock."""

    code: str  #: article; of a variant its own
    name: str
    unit: str = ""
    barcode: str = ""
    service: bool = False
    base: str = ""  #: of a variant: article of the product that it is one of, else empty
    base_name: str = ""
    options: Mapping[str, str] = field(default_factory=dict)  #: of a variant: Колір -> Червоний


@runtime_checkable
class AddProducts(Protocol):
    """It can be given the card of a product that an order names."""

    def add_products(self, products: Sequence[NewProduct]) -> Sequence[RowOutcome]:
        """Add each; what is there under the same article is found first and ``existed``. The id made comes last."""
        ...
