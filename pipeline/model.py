"""What is carried: products out, orders in. Frozen values, standard library only.

Money is Decimal with a currency, codes are strings (``0042`` stays ``0042``), datetimes are aware.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from operator import attrgetter
from typing import Any, Literal, TypeVar

CENT = Decimal("0.01")


def cents(amount: Decimal) -> Decimal:
    """``amount`` rounded half up to two places, as Ukrainian accounting rounds."""
    return amount.quantize(CENT, ROUND_HALF_UP)


_Record = TypeVar("_Record")


def changed(record: _Record, news: Mapping[str, Any]) -> _Record:
    """The record with these values, or itself when it has them already: as a rule nothing is to be put right, and a
    new record takes longer than a look."""
    if all(getattr(record, name) == value for name, value in news.items()):
        return record
    return replace(record, **news)  # type: ignore[type-var]


def quickly_pickled(record: type[_Record]) -> type[_Record]:
    """A decorator of a frozen dataclass with slots, of two fields and more: it is pickled in half the time.

    What the library itself writes for such a class looks its fields up anew for each record.
    """
    names = [one.name for one in fields(record)]  # type: ignore[arg-type]
    values: Callable[[Any], Sequence[Any]] = attrgetter(*names)
    places = [getattr(record, name).__set__ for name in names]  # past the refusal of a frozen record

    def getstate(self: _Record) -> Sequence[Any]:
        return values(self)

    def setstate(self: _Record, state: Sequence[Any]) -> None:
        for put, value in zip(places, state, strict=True):
            put(self, value)

    record.__getstate__ = getstate  # type: ignore[assignment,method-assign]
    record.__setstate__ = setstate  # type: ignore[attr-defined]
    return record


@dataclass(frozen=True, slots=True, order=True)
class Money:
    """An amount in a currency (ISO 4217 alphabetic code). Different currencies do not mix: ValueError."""

    amount: Decimal
    currency: str

    def __post_init__(self) -> None:
        if not isinstance(self.amount, Decimal):
            raise TypeError(f"money is Decimal, not {type(self.amount).__name__}")

    def __add__(self, other: Money) -> Money:
        return Money(self.amount + self._same(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.amount - self._same(other), self.currency)

    def _same(self, other: Money) -> Decimal:
        if other.currency != self.currency:
            raise ValueError(f"{self.currency} and {other.currency} do not mix")
        return other.amount

    def rounded(self) -> Money:
        """To the cent, half up."""
        return Money(cents(self.amount), self.currency)


# --- catalogue ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Price:
    """What one unit costs. ``kind``: ``retail``, ``cost``, ``old``, or a price list's own code."""

    money: Money
    kind: str = "retail"


@dataclass(frozen=True, slots=True)
class SpecialPrice:
    """A price for a time: from ``start`` inclusive to ``end`` exclusive; None is open."""

    money: Money
    start: datetime | None = None
    end: datetime | None = None

    def active(self, at: datetime) -> bool:
        """Whether it holds at the aware moment ``at``."""
        return (self.start is None or self.start <= at) and (self.end is None or at < self.end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One option combination of a product, with its own code."""

    code: str
    options: Mapping[str, str] = field(default_factory=dict)  #: option name -> value, such as Колір -> Червоний
    prices: tuple[Price, ...] = ()
    barcode: str = ""
    stock: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One good or service. Texts are per language tag (``uk-UA``); ``category`` is the path from the root down."""

    code: str
    name: Mapping[str, str]
    short_description: Mapping[str, str] = field(default_factory=dict)
    description: Mapping[str, str] = field(default_factory=dict)
    category: tuple[str, ...] = ()
    unit: str = ""
    tax_rate: Decimal | None = None  #: percent
    prices: tuple[Price, ...] = ()
    specials: tuple[SpecialPrice, ...] = ()
    stock: Decimal | None = None  #: sellable, over all warehouses
    image: str = ""  #: file name of the main image
    images: tuple[str, ...] = ()  #: the others
    barcode: str = ""
    manufacturer: str = ""
    weight: Decimal | None = None  #: kilograms
    published: bool = True
    updated_at: datetime | None = None
    variants: tuple[Variant, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One thing that a system sells under an article of its own, as a sync sees it: see OFFER_FIELDS of the ports.

    ``kind``: a ``single`` product, the ``base`` of a product with variants, or a ``variant`` of one. ``keys`` are the
    article fields as the system has them (``sku``, ``model``, ``ean`` …), empty ones left out. ``values`` holds what
    the system tells: a field that is absent is not known and never compared; None says that there is none.
    """

    id: str = ""  #: the system's own; "" where it is not there yet
    product: str = ""  #: what a base and its variants have in common (the product's id); a single one's own id
    kind: Literal["single", "base", "variant"] = "single"
    keys: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    updated_at: datetime | None = None

    @property
    def title(self) -> str:
        """Its name for people, else an article, else its id."""
        return str(self.values.get("name") or next(iter(self.keys.values()), "") or self.id)


@dataclass(frozen=True, slots=True)
class StockLevel:
    """How much of one thing lies in one warehouse. ``warehouse`` "" is a total over all of them."""

    code: str  #: article
    warehouse: str
    on_hand: Decimal
    reserved: Decimal = Decimal(0)
    offer: str = ""  #: id of the offer in its system, where levels are told by id
    counted: bool = True  #: False: the system sells it without counting, and ``on_hand`` says nothing


# --- orders ------------------------------------------------------------------------------------------------------


@quickly_pickled
@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A place. Free parts are empty strings."""

    country: str = ""  #: ISO 3166 alpha-2
    region: str = ""
    city: str = ""
    street: str = ""
    house: str = ""
    apartment: str = ""
    zip: str = ""
    text: str = ""  #: all of it in one line, as the source wrote it


@quickly_pickled
@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """A buyer or recipient: a person, or a company (``kind="company"``) with its EDRPOU."""

    kind: str = "person"
    code: str = ""  #: its code in the accounting system, when the site knows it
    first_name: str = ""
    last_name: str = ""
    middle_name: str = ""
    company: str = ""
    edrpou: str = ""  #: 8 digits of a company, 10 of a sole trader
    tax_number: str = ""  #: VAT payer's number (ІПН)
    phone: str = ""
    email: str = ""
    address: Address = Address()

    @property
    def title(self) -> str:
        """As people call them: the company, or last, first and middle name."""
        return self.company or " ".join(part for part in (self.last_name, self.first_name, self.middle_name) if part)


@quickly_pickled
@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How and where to. ``service``: ``branch``, ``locker``, ``courier``, ``pickup`` or ``other``."""

    carrier: str = ""  #: such as nova-poshta, ukrposhta, meest, pickup
    service: str = ""
    city: str = ""
    city_ref: str = ""  #: the carrier's own id
    branch: str = ""  #: number, or name, of the branch or locker
    branch_ref: str = ""
    address: Address = Address()
    recipient: Party | None = None
    tracking: str = ""
    cost: Decimal = Decimal(0)  #: in the order's currency, in the total
    tax_rate: Decimal | None = None
    planned_for: date | None = None
    method: str = ""  #: the shop's own name of the method


@quickly_pickled
@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """How it is paid. ``status``: ``unpaid``, ``paid`` or ``partly``."""

    method: str = ""
    status: str = "unpaid"
    paid: Decimal | None = None
    transaction: str = ""
    fee: Decimal = Decimal(0)  #: surcharge of the payment method, in the total
    tax_rate: Decimal | None = None  #: of the fee, percent
    paid_at: datetime | None = None


@quickly_pickled
@dataclass(frozen=True, slots=True, kw_only=True)
class Discount:
    """An order-level reduction: a positive ``amount`` in the order's currency."""

    amount: Decimal
    code: str = ""  #: coupon
    name: str = ""


@quickly_pickled
@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLine:
    """One bought item. ``price`` is for one unit before the line's ``discount`` (which is for the whole line).

    Tax is inside ``price`` unless the order says ``prices_include_tax=False``.
    """

    code: str
    name: str
    quantity: Decimal
    price: Decimal
    unit: str = ""
    discount: Decimal = Decimal(0)
    tax_rate: Decimal | None = None  #: percent
    attributes: Mapping[str, str] = field(default_factory=dict)
    barcode: str = ""
    number: int = 0  #: position in the source, from 1
    comment: str = ""
    source_line: int | None = None  #: line in the file, for messages

    @property
    def sum(self) -> Decimal:
        """Price x quantity - discount, rounded half up to the cent; in an order's total see ``pricing``."""
        return cents(self.price * self.quantity - self.discount)


@quickly_pickled
@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One order of one source. ``id`` is unique within ``source`` and never reused; ``number`` is what people say."""

    id: str
    number: str
    source: str
    created_at: datetime
    currency: str
    customer: Party
    lines: tuple[OrderLine, ...]
    total: Decimal  #: as the source states it
    status: str = "new"
    updated_at: datetime | None = None
    delivery: Delivery = Delivery()
    payment: Payment = Payment()
    discounts: tuple[Discount, ...] = ()
    prices_include_tax: bool = True
    taxes: tuple[tuple[Decimal, Decimal], ...] = ()  #: (rate in percent, sum) as the source states them
    rate: Decimal | None = None  #: units of the client's currency for one of ``currency``
    comment: str = ""  #: the buyer's
    manager_comment: str = ""
    manager: str = ""
    language: str = ""
    source_number: str = ""  #: the number in a marketplace behind the source
    warehouse: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)  #: what a client's own format carries besides

    @property
    def total_money(self) -> Money:
        """The stated total with its currency."""
        return Money(self.total, self.currency)
