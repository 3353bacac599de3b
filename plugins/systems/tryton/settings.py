"""Parameters of a database of Tryton."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SecretStr

from pipeline.api import ServiceUrl, Settings


class DocumentSettings(Settings):
    """How sales, shipments, returns and payments are made in Tryton."""

    state: Literal["draft", "quotation", "processing"] = "quotation"
    """How far a new order is taken: `draft` has no number; `quotation` has one, and can be amended and cancelled;
    `processing` makes invoice and shipment at once, and Tryton changes nothing of it any more."""
    warehouse: str | None = None
    """Warehouse of orders that name none, by code or name; Tryton's own choice when not given."""
    shipping: Literal["order", "manual", "invoice"] | None = None
    """Shipment method of new sales; Tryton's own choice when not given."""
    invoicing: Literal["order", "manual", "fulfillment"] | None = None
    """Invoice method of new sales; Tryton's own choice when not given."""
    party: str | None = None
    """Code of the party of orders that name nobody: no name, no telephone, no mail. Such orders are held when not
    given."""
    delivery: str | None = None
    """Code of the service by which the cost of delivery is booked. Orders with such a cost are held when not given."""
    fee: str | None = None
    """Code of the service by which the surcharge of a payment method is booked. Orders with one are held when not
    given."""
    rounding: str | None = None
    """Code of the service by which a cent is booked that cannot be had otherwise: 99.99 with 20 % of tax is 99.98 or
    100.00 there. A line without a product when not given."""
    taxes: dict[str, str] = Field(default_factory=dict)
    """Rate of an order's line in percent -> tax of Tryton by name, such as `{"20": ПДВ 20 %}`. Without it a line has
    the taxes that Tryton itself puts on it, by product and party."""
    other_rates: Literal["hold", "take"] = "hold"
    """An order that states another rate of tax than Tryton has is held, or taken with Tryton's taxes."""
    foreign: Literal["hold", "own_rate"] = "hold"
    """Orders in another currency than the client's: `hold`, as Tryton takes no rate with them; or `own_rate`: they
    are made in their currency, Tryton reckons by its own rate, and the order's stands in the comment alone."""
    force: bool = False
    """Ship goods that Tryton does not find in stock. Else such a shipment is held."""
    account: str | None = None
    """Payment journal of payments that name none, by name; the only one of the currency when not given."""
    payments: Literal["draft", "submitted"] = "draft"
    """How far a payment is taken: a draft waits for a person, a submitted one for the bank."""


class GoodsSettings(Settings):
    """How products are made that an order names and Tryton does not have."""

    category: str | None = None
    """Accounting category of new products, by name: its accounts and taxes. Without it no product is made."""
    unit: str = "Unit"
    """Unit of products that name none, or pieces, by name or symbol."""
    units: dict[str, str] = Field(default_factory=dict)
    """Unit of an order -> unit of Tryton by name or symbol."""


class TrytonSettings(Settings):
    """A database of a Tryton server."""

    url: ServiceUrl
    """Address of the server, such as `https://tryton.example:8000`."""
    database: Annotated[str, Field(pattern=r"^[\w.\-]+$")]
    """Name of the database."""
    user: str
    """Login of a user of Mistok's own."""
    password: SecretStr
    """Its password: `${env:TRYTON_PASSWORD}`."""
    company: str | None = None
    """Company of the documents, by name; that of the user when not given."""
    language: Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(_[A-Za-z]+)?$")] | None = None
    """Language of Tryton's words and of names, such as `uk`; that of the user when not given."""
    timeout: Annotated[float, Field(gt=0)] = 60.0
    """Seconds to wait for an answer."""
    page: Annotated[int, Field(ge=2, le=1000)] = 500
    """Records of one answer. The server's own limit is 1000 unless its administrator set another."""
    price_digits: Annotated[int, Field(ge=2, le=12)] = 4
    """Digits after the point of a unit price: `product_price_decimal` of the database."""

    documents: DocumentSettings = Field(default_factory=DocumentSettings)
    """How documents are made."""

    goods: GoodsSettings = Field(default_factory=GoodsSettings)
    """How missing products are made."""
