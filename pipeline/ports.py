"""The ports: what the engine asks of transports, formats, systems, channels and the clock. Protocols, no code.

An adapter states its conformance in one line, ``_: type[Transport] = SftpTransport``, and runs the contract suite of
``pipeline.testing``. Errors are those of :mod:`pipeline.errors`; an adapter never lets a library's own error out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable
from zoneinfo import ZoneInfo

from pipeline.errors import Finding, MistokError, Where
from pipeline.model import Offer, Order, Product, StockLevel
from pipeline.texts import Text

# --- transports --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file in a listing. ``size`` and ``modified`` are what the server said, and identify the version seen."""

    folder: str  #: as asked for, ``/``-separated, relative to the connection's start
    name: str  #: decoded for people; never used to build a local path
    size: int  #: bytes
    modified: datetime | None = None  #: aware; None where the server does not say. A hint, never an age.
    raw: bytes | None = None  #: the name on the wire when it differs from ``name`` in UTF-8


def wire_text(file: RemoteFile) -> str:
    """The name of a listed file as its server has it, bytes that are no UTF-8 as lone surrogates: one for each file.

    Two names may read alike (one in UTF-8, one in windows-1251). Never to be stored or shown.
    """
    return file.name if file.raw is None else file.raw.decode("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True)
class ReadResult:
    """What came of one file of ``read_many``: a whole local copy at ``path``, or ``error``."""

    file: RemoteFile
    path: Path | None = None
    size: int = 0
    sha256: str = ""
    error: MistokError | None = None


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """What came of one file of ``delete_many`` or ``move_many``. ``gone``: it was not there, which counts as done."""

    file: RemoteFile
    done: bool
    gone: bool = False
    error: MistokError | None = None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a server was seen to allow, by :meth:`Transport.probe`. None: not tried or not known."""

    listing: bool | None = None
    write: bool | None = None
    rename: bool | None = None
    rename_over: bool | None = None  #: a rename replaces an existing file in one act
    delete: bool | None = None
    rename_by: Literal["", "rename", "posix-rename", "swap"] = ""  #: how a file is put in the place of an older one
    exact_times: bool | None = None  #: modification times with seconds, in a known zone
    compare_and_delete: bool = False  #: False: between the last look and the delete a window remains
    server: str = ""  #: banner or product, as it says
    features: tuple[str, ...] = ()  #: protocol extensions that it names, such as ``MLST`` or ``fsync@openssh.com``
    empty_reply: str = ""  #: its words, when it answers the listing of an empty folder with an error
    round_trip: float | None = None  #: seconds of one small question and its answer: the median of a few
    findings: tuple[Finding, ...] = ()  #: what was refused, in words


@runtime_checkable
class Transport(Protocol):
    """Files in folders, somewhere. One object serves one thread at a time; it connects at first use.

    Folders are ``/``-separated and relative to the connection's configured root; ``""`` is the root itself.
    """

    name: str  #: the connection's name in the YAML

    def list(self, folder: str) -> Sequence[RemoteFile]:
        """The regular files directly in ``folder``, in any order; an empty folder is an empty list.

        Raises FolderMissing (no such folder), Refused (login, rights, host), Transient (network).
        """
        ...

    def read_many(self, files: Iterable[RemoteFile], into: Path) -> Iterator[ReadResult]:
        """Fetch each file whole into the existing local folder ``into`` under a name of our own making.

        One result a file, in any order. A result is an error when the size differs from the listing (Changed), the
        file is gone (Changed), unreadable (Refused) or the connection broke (Transient); partial copies are removed.
        A dead connection is reopened for the files that follow.
        """
        ...

    def write(self, folder: str, name: str, source: Path | bytes) -> RemoteFile:
        """Put ``source`` as ``name``: upload under a partial name, verify its size, rename over.

        A reader of the server sees the old file or the new one, whole. On failure the partial is removed and the old
        file still stands. Raises FolderMissing, Refused, Transient.
        """
        ...

    def delete_many(self, files: Iterable[RemoteFile]) -> Sequence[FileOutcome]:
        """Delete each file if it still is the version listed. Gone is done; altered is an outcome with Changed."""
        ...

    def move_many(self, files: Iterable[RemoteFile], to: str) -> Sequence[FileOutcome]:
        """Move each file into folder ``to`` (made if missing); an existing name there is never overwritten."""
        ...

    def make_folder(self, folder: str) -> None:
        """Make ``folder`` and its parents; existing is fine. Raises Refused, Transient."""
        ...

    def folders(self, folder: str) -> Sequence[str]:
        """The names of the folders directly in ``folder``, in any order. Raises as ``list`` does."""
        ...

    def remove_folder(self, folder: str) -> None:
        """Remove an empty folder below the root; gone is fine. Raises Refused (not empty, rights), Transient."""
        ...

    def probe(self, folder: str) -> Capabilities:
        """Try what the server allows in ``folder`` with a file of our own, and clean up. Raises as ``list`` does."""
        ...

    def local_path(self, folder: str) -> Path | None:
        """The real path of ``folder`` when it lies on this machine (for watching), else None."""
        ...

    def close(self) -> None:
        """End the session; the next call opens a new one."""
        ...


# --- formats -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FormatContext:
    """What a format may need to know besides the bytes. Everything in it is a value; time included."""

    client: str
    timezone: ZoneInfo
    currency: str  #: the client's own, ISO 4217
    language: str  #: tag of catalogue texts, such as ``uk-UA``
    now: datetime
    file: str = ""  #: name for messages
    source: str = ""  #: of orders that name none: the inbox that they came by
    base: Path = Path()  #: the config's folder, for paths in settings


@dataclass(frozen=True, slots=True)
class DecodedOrder:
    """One order of a file: read, or held with what is wrong with it. ``id`` is given whenever it could be read."""

    order: Order | None
    findings: tuple[Finding, ...] = ()
    id: str = ""
    number: str = ""
    source: str = ""
    line: int | None = None
    fragment: bytes = b""  #: this order's own bytes, canonical, for its content hash
    #: where fields of the order stand (element, line, column): ``total``, ``currency``, ``lines``, ``lines[2].code``
    places: Mapping[str, tuple[str, int, int]] = field(default_factory=dict, compare=False, repr=False)

    def where(self, place: Where, file: str) -> Where:
        """``place`` of a finding with file, line, column and element of this file, as far as the format tells them.

        A step names a field of the order in ``place.element``; where the format knows it, its own name takes its place.
        """
        element, line, column = place.element, place.line, place.column
        name = f"lines[{place.order_line}].{element}" if place.order_line else element or ""
        if name in self.places:
            element, line, column = self.places[name]
        elif line is None and place.order_line and self.order and place.order_line <= len(self.order.lines):
            line = self.order.lines[place.order_line - 1].source_line
        return Where(
            file=place.file or file,
            line=line or self.line,
            column=column,
            element=element,
            order=place.order,
            order_line=place.order_line,
        )


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a file holds. ``notes`` are remarks that do not stop anything (a BOM, a guessed encoding)."""

    orders: tuple[DecodedOrder, ...]
    notes: tuple[Finding, ...] = ()
    version: str = ""


@dataclass(frozen=True, slots=True)
class Unread:
    """Something that files of a declared format hold and its mapping does not read."""

    path: str  #: element, attribute, column or key, without the positions of what stands there several times
    count: int  #: how often it stands there with a value
    sample: str  #: the first value, shortened
    line: int | None = None  #: of the first value


@runtime_checkable
class OrderFormat(Protocol):
    """Bytes -> orders. Pure: same bytes, same answer."""

    def decode(self, data: bytes, settings: Any, context: FormatContext) -> Decoded:
        """The orders in ``data``. Raises Rejected (with every finding) when the file as a whole cannot be accepted."""
        ...

    def complete(self, tail: bytes, settings: Any) -> bool:
        """Whether a file that ends with ``tail`` (its last 4 KiB) looks whole, such as by its closing root element."""
        ...


@dataclass(frozen=True, slots=True)
class Batch:
    """A slice of the catalogue, column by column: every column has ``length`` values. See CATALOGUE_FIELDS."""

    length: int
    columns: Mapping[str, Sequence[Any]]


#: Fields that a Catalogue can be asked for. ``.LANG`` is a language tag such as ``uk-UA``; KIND a price's kind.
CATALOGUE_FIELDS = {
    "code": "str, never empty",
    "parent": "str: code of the base product when the row is a variant, else empty",
    "name.LANG": "str",
    "short_description.LANG": "str, HTML allowed",
    "description.LANG": "str, HTML allowed",
    "category": "tuple of str, from the root down; empty: none",
    "category_id": "str: the category's code in the system",
    "price": "Decimal or None: retail",
    "price.KIND": "Decimal or None: the price of that kind (cost, old, …)",
    "currency": "str: ISO 4217 of the prices",
    "special_price": "Decimal or None: the special in force at the asked moment, else the next to come",
    "special_start": "aware datetime or None (inclusive)",
    "special_end": "aware datetime or None (exclusive)",
    "stock": "Decimal: sellable over all warehouses (on hand - reserved, not below 0)",
    "unit": "str",
    "tax_rate": "Decimal percent or None",
    "barcode": "str",
    "manufacturer": "str",
    "weight": "Decimal kilograms or None",
    "image": "str: file name of the main image",
    "images": "tuple of str: the other images",
    "published": "bool",
    "updated_at": "aware datetime",
    "options": "mapping of str to str: a variant's options",
}


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of an encoded catalogue: bytes to append, and what the consumer must read out of them."""

    data: bytes
    codes: Sequence[str]  #: product code of each row in it (the header has none)
    rows: Sequence[Sequence[str]]  #: the cells of each row as the consumer must see them
    notes: Sequence[Finding] = ()  #: remarks that stop nothing, such as a backslash made harmless


class CatalogueChecker(Protocol):
    """Reads the stream back as its consumer would, chunk by chunk."""

    def feed(self, chunk: Chunk) -> Sequence[Finding]:
        """What would be read otherwise than meant, so far."""
        ...

    def close(self) -> Sequence[Finding]:
        """What is left at the end of the file."""
        ...


@runtime_checkable
class CatalogueFormat(Protocol):
    """Columns -> bytes, and bytes as the shop will read them."""

    def fields(self, settings: Any, context: FormatContext) -> Sequence[str]:
        """Which CATALOGUE_FIELDS it needs."""
        ...

    def encode(self, batches: Iterable[Batch], settings: Any, context: FormatContext) -> Iterator[Chunk]:
        """The file, header first. Raises Held with findings (product and reason) for what cannot be written at all."""
        ...

    def checker(self, settings: Any, context: FormatContext) -> CatalogueChecker:
        """A fresh checker for one file."""
        ...


# --- systems: an object has any of these capabilities; the engine asks by isinstance, never by vendor ----------------


@dataclass(frozen=True, slots=True)
class Ref:
    """A thing in a system: its id there, its code, and its name for people."""

    id: str
    code: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class DocumentRef:
    """A document in a system."""

    id: str
    number: str
    key: str = ""  #: the idempotency key that it was created with
    created_at: datetime | None = None
    total: Decimal | None = None  #: what the document says, so that an order can be compared with it; None: not told
    currency: str = ""  #: of ``total``


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


@dataclass(frozen=True, slots=True)
class DocumentOutcome:
    """What came of one draft: ``ref`` (``existed``: it was there before), or ``error`` (Held, InDoubt, Transient …)."""

    key: str
    ref: DocumentRef | None = None
    existed: bool = False
    error: MistokError | None = None


@runtime_checkable
class System(Protocol):
    """A shop, CRM, ERP or accounting program. Its capabilities are the further protocols that it fulfils."""

    name: str

    def check(self) -> Sequence[Finding]:
        """Log in and look whether all is as needed; what is not, in words. Raises Refused, Transient."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of one thing that was tried on a system, in words."""

    works: bool | None  #: None: it cannot be told
    text: Text
    needed: bool = False  #: the config has it switched on
    hint: Text | None = None


@runtime_checkable
class WriteProbe(Protocol):
    """It can try by writing what its API takes, where only that can tell."""

    def try_writes(self) -> Iterator[Tried]:
        """Make something of our own, marked as such, look what comes of it, and take it away again.

        Only when a person asked for it. Raises Refused, Transient; what was made is taken away then, too.
        """
        ...


@runtime_checkable
class Catalogue(Protocol):
    """It can tell its products."""

    def products(self, since: datetime | None = None) -> Iterator[Product]:
        """All products, or those changed since, ordered by code."""
        ...

    def batches(self, fields: Sequence[str], *, at: datetime, size: int = 1000) -> Iterator[Batch]:
        """All products column by column, ordered by code; ``at`` decides which special price holds."""
        ...

    def count(self) -> int:
        """How many products ``batches`` will give (for progress)."""
        ...


@runtime_checkable
class ProductLookup(Protocol):
    """It can find products by article."""

    def find_products(self, codes: Collection[str]) -> Mapping[str, Sequence[Ref]]:
        """For each asked code all that match it: exactly, else by normal form. Several: ambiguous. Absent: unknown."""
        ...


@runtime_checkable
class References(Protocol):
    """It keeps lists that documents refer to. Kinds: party, object, warehouse, user, currency, status, source …"""

    def find_references(self, kind: str, codes: Collection[str]) -> Mapping[str, Ref]:
        """The known ones of ``codes``; unknown codes are absent."""
        ...

    def ensure(self, kind: str, code: str, name: str = "") -> Ref:
        """Find or create."""
        ...


@runtime_checkable
class ReferenceLists(Protocol):
    """It can tell all of a list that documents refer to, so that a person can be shown what may be meant."""

    def references(self, kind: str) -> Sequence[Ref]:
        """All of that kind, ordered by code; of a kind that it does not keep, none."""
        ...


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


# --- the two ends of a sync ------------------------------------------------------------------------------------------

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
    #: ``offers``: variants stand below their product; ``flat``: each variant is a product of its own; ``none``: it has
    #: no variants, and base products alone are sent
    variants: Literal["offers", "flat", "none"] = "offers"
    dated_specials: bool = False  #: it keeps special prices with their dates, and switches them itself
    special_in_price: bool = False  #: it keeps them so, and we switch: its price is the special one while it holds
    delta: bool = False  #: ``offers(since)`` really tells only what changed
    batch: int = 50  #: rows that one write takes


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


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenOrder:
    """An order of a system, read, or held with what is wrong with it."""

    id: str
    number: str
    status: str  #: the system's own id or code of its status
    order: Order | None
    findings: tuple[Finding, ...] = ()
    updated_at: datetime | None = None
    revision: str = ""  #: of its content and status: another one is another event


@runtime_checkable
class Orders(Protocol):
    """It can tell its orders."""

    def orders(
        self, since: datetime | None = None, until: datetime | None = None, statuses: Collection[str] = ()
    ) -> Iterator[SeenOrder]:
        """Finished orders changed since, oldest change first; of ``statuses`` only, or of all when it is empty."""
        ...

    def order_statuses(self) -> Sequence[Ref]:
        """All statuses that it knows."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderChange:
    """What is to be written back to an order. None is left as it is."""

    id: str
    status: str | None = None  #: the system's own id or code
    number: str | None = None  #: of the document that was made of it
    tracking: str | None = None
    comment: str | None = None


@runtime_checkable
class ApplyOrders(Protocol):
    """It can be told what became of its orders. Absolute: what is so already is ``existed``."""

    def apply_orders(self, changes: Sequence[OrderChange]) -> Sequence[RowOutcome]:
        """Write each."""
        ...


@dataclass(frozen=True, slots=True)
class Hint:
    """What a webhook says may have changed. Never believed: the poll decides. Kinds: orders, stock, catalogue."""

    kinds: frozenset[str]
    ids: tuple[str, ...] = ()


@runtime_checkable
class Webhooks(Protocol):
    """It can read what its system posts to us."""

    def hint(self, headers: Mapping[str, str], body: bytes) -> Hint:
        """What is meant; Hint of nothing for what is not understood. Never raises, never asks the network."""
        ...


# --- what connections share ------------------------------------------------------------------------------------------

R = TypeVar("R")


class Gate(Protocol):
    """Decides whether a server may be asked now, and hears how it went."""

    def __call__(self, connect: Callable[[], R]) -> R:
        """``connect()``'s answer. Raises what it raises, or BackingOff without having called it."""
        ...


def open_gate(connect: Callable[[], R]) -> R:
    """The gate that is always open: for a person who tries one server, and for tests."""
    return connect()


@dataclass(frozen=True, slots=True)
class Limits:
    """What an API allows one key. None: no limit."""

    per_minute: int | None = None  #: requests in any 60 seconds
    per_second: float | None = None  #: the pace within them
    in_flight: int | None = None  #: requests at one time


class Pacer(Protocol):
    """Shares one API key's allowance between all threads, processes and machines that use it."""

    def turn(self, key: str, limits: Limits) -> AbstractContextManager[None]:
        """Wait until one more request is allowed, and count it; held while it is under way. Raises Transient."""
        ...

    def leave_alone(self, key: str, seconds: float) -> None:
        """The server asked for patience: no request of this key for so long."""
        ...


# --- alerts and time ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to tell a person. Written with the order, delivered after it."""

    kind: str  #: order, held, quarantined, catalogue, failure, summary …
    title: Text
    body: Text
    subject: str = ""  #: what it is about: ``order:<id>``, ``file:<id>``, ``job:<name>``
    created_at: datetime | None = None
    id: int = 0
    data: Mapping[str, Any] = field(default_factory=dict)  #: number, customer, sum … for rules and summaries


@dataclass(frozen=True, slots=True)
class Delivered:
    """Whether a channel showed a notice, and why not."""

    shown: bool
    why: Text | None = None


class Notifier(Protocol):
    """A channel to a person. ``send`` never raises."""

    name: str

    def available(self) -> Delivered:
        """Whether it could show anything now, and why not."""
        ...

    def send(self, notice: Notice, language: str) -> Delivered:
        """Show it; shown only when the far end said so."""
        ...

    def close(self) -> None:
        """Let go of what it holds."""
        ...


class Clock(Protocol):
    """Time, so that tests can own it."""

    def now(self) -> datetime:
        """The aware moment, in UTC."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...
