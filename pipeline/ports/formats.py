"""What the engine asks of a format: bytes of orders, and of the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from pipeline.decoded import Decoded, DecodedOrder, FormatContext, ReadApart
from pipeline.errors import Finding
from pipeline.model import Offer, StockLevel


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


@runtime_checkable
class ApartFormat(OrderFormat, Protocol):
    """An :class:`OrderFormat` that reads in a process of its own which loads little else; a format need not."""

    def apart(self, settings: Any) -> ReadApart | None:
        """What gives for each file what ``decode`` gives with these settings.

        It can be pickled, and its module loads no more than is needed for reading: no pydantic, no ``pipeline.api``.
        None: it reads beside everything else only.
        """
        ...


class OrderStream(Protocol):
    """A file of many orders that was looked through to its end: nothing outside of its orders is wrong with it.

    Orders are read anew each time they are asked for, and are the same each time; no more of them is in memory than is
    asked for. An order is known by its place in the file, counted from 0.
    """

    @property
    def notes(self) -> tuple[Finding, ...]:
        """Remarks on the file itself, as of :class:`Decoded`."""
        ...

    @property
    def version(self) -> str:
        """Of the format."""
        ...

    @property
    def lines(self) -> Sequence[int]:
        """The line of each order, as its ``line`` says; as many as there are orders."""
        ...

    @property
    def repeated(self) -> Sequence[Sequence[int]]:
        """The places of orders that have one name (source and id), for each name that stands more than once."""
        ...

    def batches(self, size: int) -> Iterator[Decoded]:
        """All orders in their order, at most ``size`` of them in each batch, with the remarks on these."""
        ...

    def pick(self, places: Sequence[int]) -> Sequence[DecodedOrder]:
        """The orders at these places, in this order."""
        ...

    def close(self) -> None:
        """Nothing is read any more."""
        ...


@runtime_checkable
class StreamedFormat(Protocol):
    """An :class:`OrderFormat` that reads a large file without holding it in memory; a format need not."""

    def decode_stream(self, path: Path, settings: Any, context: FormatContext, scratch: Path) -> OrderStream | None:
        """What ``decode`` would give for the file at ``path``, batch by batch.

        The file is looked through once before this returns, so that the first order is given only when the last one
        was seen. ``scratch``: a folder for what does not belong into memory; the stream leaves nothing there when it
        is closed. None: a file of these settings can only be decoded as a whole.

        Raises Rejected, just as ``decode``, when the file as a whole cannot be accepted.
        """
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
    "stock": "Decimal: sellable over all warehouses (on hand - reserved, not below 0); None: sold without counting",
    "unit": "str",
    "tax_rate": "Decimal percent or None",
    "barcode": "str",
    "manufacturer": "str",
    "weight": "Decimal kilograms or None",
    "image": "str: file name of the main image, or its address where the system tells addresses",
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
class CatalogueReader(Protocol):
    """It can show a file of its own as its consumer reads it; a format need not."""

    def read(self, data: bytes, settings: Any, context: FormatContext) -> Iterator[Sequence[str]]:
        """The rows with their cells, the names of the columns first. Raises Rejected for what is no such file."""
        ...


@runtime_checkable
class CatalogueFormat(Protocol):
    """Columns -> bytes, and bytes as the shop will read them.

    A format may have an attribute ``steady`` that is true: the bytes then depend on the batches, the settings, and the
    context's time zone, currency and language alone (not on the time of the run, nor on a file). Of such a format the
    engine need not write an unchanged catalogue again to know that it is the same.
    """

    def fields(self, settings: Any, context: FormatContext) -> Sequence[str]:
        """Which CATALOGUE_FIELDS it needs."""
        ...

    def encode(self, batches: Iterable[Batch], settings: Any, context: FormatContext) -> Iterator[Chunk]:
        """The file, header first. Raises Held with findings (product and reason) for what cannot be written at all."""
        ...

    def checker(self, settings: Any, context: FormatContext) -> CatalogueChecker:
        """A fresh checker for one file."""
        ...


@runtime_checkable
class PartChecker(CatalogueChecker, Protocol):
    """Checks one of the two parts of a file."""

    def fits(self, rest: Path) -> bool:
        """Whether the part whose checker has left ``rest`` may follow what was fed to this one.

        True: were the whole file fed to one checker, it would surely find nothing but what these two have found.
        False: not sure; this checker can go on with what follows as if it had not been asked.
        """
        ...


@runtime_checkable
class DividedFormat(CatalogueFormat, Protocol):
    """Its file may be written in two parts at the same time, by two processes; a format need not.

    The bytes of the two parts, one after the other, are those of ``encode`` over all batches.
    """

    def divides(self, settings: Any, context: FormatContext) -> bool:
        """Whether it is so with these settings: what is written of a batch depends on no batch before it."""
        ...

    def encode_rest(self, batches: Iterable[Batch], settings: Any, context: FormatContext) -> Iterator[Chunk]:
        """As ``encode``, of batches that follow others: nothing stands in front of the first one."""
        ...

    def checker(self, settings: Any, context: FormatContext) -> PartChecker:
        """A fresh checker for one file, or for its first part."""
        ...

    def rest_checker(self, settings: Any, context: FormatContext, rest: Path) -> CatalogueChecker:
        """A fresh checker for the second part. Closed, it leaves in ``rest`` what :meth:`PartChecker.fits` asks of."""
        ...


# --- catalogues of others ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class GoodsShape:
    """What files of a mapping tell."""

    fields: frozenset[str]  #: of OFFER_FIELDS
    keys: tuple[str, ...] = ("sku",)  #: article fields of its offers, the usual one first
    stock: bool = False  #: it tells how much there is
    warehouses: tuple[str, ...] = ()  #: of its levels; none: they are totals


@dataclass(frozen=True, slots=True)
class Goods:
    """The products of a catalogue file; each one with variants is followed by these."""

    offers: tuple[Offer, ...]
    levels: tuple[StockLevel, ...] = ()
    findings: tuple[Finding, ...] = ()  #: rows that are left out, values that could not be read, remarks on the file
    rows: int = 0  #: how many rows or elements it has for products and variants


@runtime_checkable
class GoodsFormat(Protocol):
    """Bytes of a catalogue -> what is sold by it. Pure: same bytes, same answer."""

    def goods(self, data: bytes, settings: Any, context: FormatContext) -> Goods:
        """All that can be read. Raises Rejected (with every finding) when the file as a whole is no such catalogue."""
        ...

    def shape(self, settings: Any) -> GoodsShape:
        """What files of these settings tell, whatever stands in them."""
        ...


@dataclass(frozen=True, slots=True)
class GoodsReader:
    """A catalogue format with its parameters, as a connection of the config names it."""

    shape: GoodsShape
    read: Callable[[bytes, str], Goods]  #: bytes and the file's name; raises Rejected
