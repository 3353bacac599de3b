"""Parameters of a Quincefin account. What of its API is not known is a setting, with the likeliest value."""

from __future__ import annotations

from datetime import timedelta
from string import Formatter
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from pipeline.api import ApiKey, Duration, ServiceUrl, Settings, T

Id = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(min_length=1)]
#: A name of a field in bodies; blank: the account does not have it, and it is never sent.
Word = Annotated[str, Field(pattern=r"^\w*$")]
Kind = Literal["orders", "shipments", "returns", "payments"]


class FieldNames(Settings):
    """Names of fields that the articles on the API do not show; `""`: the account has none, and it is not sent.

    `mistok check --connect` tells which of them the account shows.
    """

    sum: Word = "Sum"
    """Of a document: its total, when it is written."""
    company: Word = "Company"
    """Of a document: the own organisation."""
    partner: Word = "Partner"
    """Of a document: the buyer."""
    contract: Word = "Contract"
    """Of a document: the contract with the buyer."""
    store: Word = "Store"
    """Of a document: the warehouse."""
    currency: Word = "Currency"
    """Of a document: its currency."""
    status: Word = "Status"
    """Of an order: its status."""
    source: Word = "Source"
    """Of an order: its source."""
    manager: Word = "Manager"
    """Of an order: who carries it out."""
    author: Word = "Author"
    """Of an order: who made it."""
    address: Word = "Address"
    """Of an order: where it is delivered to."""
    comment: Word = "Comment"
    """Of a document, or a partner: the comment. Shipments, returns and payments are known again by a mark in it."""
    discount: Word = "Discount"
    """Of an order: the discount off all of it."""
    delivery: Word = "Delivery"
    """Of an order: what its delivery costs."""
    delivery_service: Word = "DeliveryService"
    """Of an order: the service that its delivery is."""
    lines: Word = "Products"
    """Of a document: its lines."""
    line_product: Word = "Product"
    """Of a line: the goods or service."""
    line_quantity: Word = "Quantity"
    """Of a line: how many."""
    line_price: Word = "Price"
    """Of a line: the price of one."""
    line_discount: Word = "Discount"
    """Of a line: the discount off all of it."""
    order: Word = "Order"
    """Of a shipment or payment: its order."""
    shipment: Word = "Outgoing"
    """Of a return: its shipment."""
    account: Word = "MoneyAccount"
    """Of a payment: the bank account or cash desk."""
    article: Word = "Article"
    """Of goods: the article."""
    unit: Word = "Unit"
    """Of goods: the unit."""
    barcode: Word = "Barcode"
    """Of goods: the barcode."""
    base: Word = "Base"
    """Of an SKU: the base that it belongs to."""
    balances: Word = "Balances"
    """Of goods: the balances by warehouse."""
    balance: Word = "Quantity"
    """Of a balance: how much lies there."""
    edrpou: Word = ""
    """Of a partner: the EDRPOU. Without it the EDRPOU stands in the partner's comment, and is found there again."""
    phone: Word | None = None
    """Of a partner: type of a telephone in the list of contacts, or the field of it; `phone` or `Phone` when not
    given."""
    email: Word | None = None
    """Of a partner: type of a mail address in the list of contacts, or the field of it; `email` or `Email` when not
    given."""

    @model_validator(mode="after")
    def _needed(self) -> FieldNames:
        for name in ("lines", "line_product", "line_quantity", "line_price", "article"):
            if not getattr(self, name):
                raise ValueError(T("`{name}` must have a name: no order can do without it.", name=name))
        return self


class MoneyPlace(Settings):
    """A bank account or cash desk."""

    id: Id
    """Its number in Quincefin."""
    kind: Literal["bank", "cash"] = "bank"
    """Whether it is a bank account or a cash desk: receipts of the two are different documents."""


class OrderDocuments(Settings):
    """How orders are made in Quincefin."""

    statuses: dict[str, str] = Field(default_factory=dict)
    """Status of an order -> status in Quincefin (name, or number); of others none is sent."""
    sources: dict[str, str] = Field(default_factory=dict)
    """Source of an order -> source in Quincefin (name, or number)."""
    discounts: Literal["document", "lines", "prices"] = "document"
    """Where discounts stand: `document`: as the order has them, off the lines and off the whole; `lines`: all are
    spread over the lines, to the cent; `prices`: they are in the prices themselves."""
    delivery: Literal["field", "line"] = "field"
    """Where the cost of delivery stands: in the order's own field (its tab), or as a line with the delivery service."""
    delivery_service: Id | None = None
    """Service that delivery is booked as, where the step names none."""
    fee_service: Id | None = None
    """Service that a fee of the payment is booked as. Without it an order with such a fee is held."""
    partners: Literal["create", "find"] = "create"
    """`create`: a buyer who is not there is made a partner; `find`: the order is held then."""
    default_partner: Id | None = None
    """Partner for orders that name no buyer at all."""
    contracts: Literal["create", "find", "off"] = "create"
    """Contract of an order: found by organisation, partner and currency; and made where there is none (`create`)."""
    contract_name: str = "Основний договір"
    """Name of a contract that is made."""
    foreign: Literal["hold", "own_rate"] = "hold"
    """Orders in another currency than the client's: `hold`, as Quincefin takes no rate with them; or `own_rate`: they
    are made in their currency, Quincefin reckons by its own rate, and the order's stands in the comment alone."""
    twins: Literal["hold", "ignore"] = "hold"
    """`hold`: an order is held when another program, such as Quincefin's own exchange with the CRM, has brought one
    with its number; `ignore`: it is made all the same."""


class QuincefinSettings(Settings):
    """An account of Quincefin."""

    url: ServiceUrl
    """Address of the service, as Quincefin gives it to you, without the path of the API: `https://…`."""
    token: ApiKey
    """Key of the API: `${env:QUINCEFIN_TOKEN}`."""
    header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")] = "Authorization"
    """Header in which the key is sent."""
    header_value: str = "Bearer {token}"
    """What stands in that header, with `{token}` in it."""
    prefix: Annotated[str, Field(pattern=r"^(/[\w.-]+)*$")] = "/api/v2"
    """Path before the names of methods."""
    pace: Annotated[float, Field(gt=0, le=50)] = 2.0
    """Requests in a second, of all jobs of this client that use this key together; one at a time."""
    timeout: Annotated[float, Field(gt=0)] = 30.0
    """Seconds to wait for an answer."""
    max_pages: Annotated[int, Field(ge=1)] = 2000
    """A list of more pages (of 100 rows) than this is a failure, and never read in part."""
    look_back: Duration = timedelta(days=366)
    """Documents of so many days are ours to be found: the API finds them by their dates alone. The last month is read
    first, and what is before it only for what is not there; an older document that changes is told as gone."""

    dates: Literal["moment", "day"] = "moment"
    """How dates are written: `2026-01-05T00:00:00Z`, or `2026-01-05`."""
    zone: str = "UTC"
    """Zone of the moments that the account writes with a `Z`: `UTC`, or the client's own, such as `Europe/Kyiv`."""
    body: Literal["object", "array"] = "object"
    """How a record is written: by itself, or as an array of one."""
    update: Literal["partial", "full"] = "partial"
    """What the account does with fields that a change does not name: `partial` keeps them; `full` empties them, so that
    all are sent."""
    update_lines: Literal["replace", "merge"] = "replace"
    """What the account does with the lines of a change: they take the place of those before, or are added to them."""
    contacts: Literal["list", "flat"] = "list"
    """How partners have telephone and mail: a list of typed contacts, or fields of their own."""
    fields: FieldNames = Field(default_factory=FieldNames)
    """Names of fields."""
    untried_writes: bool = False
    """`true`: orders are sent although nobody has tried on this account how records are written (`body`, `update`,
    `contacts`). Without it runs wait until `mistok check --connect --write-probe` was passed."""

    company: Id | None = None
    """Number of the own organisation that documents are of."""
    companies: dict[Name, Id] = Field(default_factory=dict)
    """Own organisations by name, with their numbers, where there are several."""
    warehouses: dict[Name, Id] = Field(default_factory=dict)
    """Warehouses by the names that jobs use, with their numbers: `{main: 12}`. The API does not tell them."""
    warehouse: Name | None = None
    """Warehouse of documents, where the step names none: one of `warehouses`."""
    statuses: dict[Name, Id] = Field(default_factory=dict)
    """Statuses of orders by name, with their numbers. The API does not tell them."""
    sources: dict[Name, Id] = Field(default_factory=dict)
    """Sources of orders by name, with their numbers."""
    users: dict[Name, Id] = Field(default_factory=dict)
    """Users by name, or by their ids in the CRM, with their numbers."""
    accounts: dict[Name, Id | MoneyPlace] = Field(default_factory=dict)
    """Bank accounts and cash desks by name: `{Приват: 31, Каса: {id: 5, kind: cash}}`."""
    account: Name | None = None
    """Bank account or cash desk of payments, where the step names none: one of `accounts`."""
    new_names: bool = False
    """Send statuses and sources that are not listed here by their names, so that the account makes them."""

    price_types: dict[Name, Id] = Field(default_factory=dict)
    """Price types that are told, with their numbers: `{retail: 7, cost: 8}`; `retail` is the price itself."""
    partner_folder: Id | None = None
    """Folder for new partners."""
    product_folder: Id | None = None
    """Folder for new goods."""
    service_folder: Id | None = None
    """Folder for new services."""

    orders: OrderDocuments = Field(default_factory=OrderDocuments)
    """How orders are made."""
    shipments: bool = False
    """The account's API has shipments, as `mistok check --connect` tells. Without it nothing is shipped."""
    returns: bool = False
    """The account's API makes returns of buyers. Of it the list of returns alone was seen: ask Quincefin first."""
    payments: bool = False
    """Payments are noted, as receipts of a bank account or cash desk."""
    post: tuple[Kind, ...] = ("shipments", "returns", "payments")
    """Documents that are posted as they are made; others stay drafts for a person."""
    change_posted: bool = False
    """Also change orders that are posted already. Without it they are left as they are, and the change is held."""

    @field_validator("header_value")
    @classmethod
    def _template(cls, value: str) -> str:
        try:
            fields = [(name, spec, how) for _, name, spec, how in Formatter().parse(value) if name is not None]
        except ValueError:
            fields = []
        if fields != [("token", "", None)] or not value.isascii() or not value.isprintable():
            raise ValueError(T("This text must have {field} in it, and nothing else in braces.", field="{token}"))
        return value

    @field_validator("zone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(T("There is no time zone {name}.", name=value)) from error
        return value

    @model_validator(mode="after")
    def _named(self) -> QuincefinSettings:
        if self.warehouse is not None and self.warehouse not in self.warehouses:
            raise ValueError(T("`{name}` is not one of `{list}`.", name=self.warehouse, list="warehouses"))
        if self.account is not None and self.account not in self.accounts:
            raise ValueError(T("`{name}` is not one of `{list}`.", name=self.account, list="accounts"))
        return self

    def money_places(self) -> dict[str, MoneyPlace]:
        """The accounts, each with all that is known of it."""
        return {name: one if isinstance(one, MoneyPlace) else MoneyPlace(id=one) for name, one in self.accounts.items()}
