"""Parameters of a base of Dilovod."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from pipeline.api import ApiKey, ServiceUrl, Settings, T

#: help.dilovod.ua, "API Dilovod"; a base on a server of one's own has another host.
URL = "https://api.dilovod.ua"
#: The version that current client code sends with every packet.
VERSION = "0.25"


class DocumentSettings(Settings):
    """How orders, shipments, returns and payments are made in Dilovod. Things of its lists are named by id, code or
    name."""

    firm: str | None = None
    """Firm of the documents; the only one of the base when not given."""
    storage: str | None = None
    """Storage of orders that name no warehouse; the only one of the base when not given."""
    business: str | None = None
    """Business of the documents, where the base keeps several."""
    person: str | None = None
    """Buyer of orders that name nobody: no name, no telephone, no mail. Such orders are held when not given."""
    delivery: str | None = None
    """Article of the service by which the cost of delivery is booked. Orders with such a cost are held when not
    given."""
    fee: str | None = None
    """Article of the service by which the surcharge of a payment method is booked. Orders with one are held when not
    given."""
    states: dict[str, str] = Field(default_factory=dict)
    """Status of an order -> its state in Dilovod; others leave the state as it is."""
    sources: dict[str, str] = Field(default_factory=dict)
    """Source of an order -> trade channel; one of the same name when not given, else none."""
    payments: dict[str, str] = Field(default_factory=dict)
    """Payment method of an order -> payment form; one of the same name when not given, else a line of the remark."""
    deliveries: dict[str, str] = Field(default_factory=dict)
    """Delivery method or carrier of an order -> delivery method; one of the same name when not given, else a line of
    the remark."""
    foreign: Literal["hold", "own_rate"] = "hold"
    """Orders in another currency than the client's: `hold`, as Dilovod takes no rate with them; or `own_rate`: they
    are made in their currency, Dilovod reckons by its own rate, and the order's stands in the remark alone."""
    post: bool = True
    """Post orders, and not only save them. Shipments and returns are always posted: else no stock moves."""
    post_payments: bool = False
    """Post payments. It is not known whether Dilovod posts one that came by its API; a saved one waits for a person."""
    account: str | None = None
    """Bank account or cash desk of payments that name none."""


class GoodsSettings(Settings):
    """How goods are made that an order names and the base does not have."""

    folder: str | None = None
    """Folder of new goods (id, code or name); the root when not given."""
    policy: str | None = None
    """Accounting policy of new goods; Dilovod's own choice when not given."""
    services: str | None = None
    """Accounting policy of services. Without it no service is made, and services are told with stock."""


class DilovodSettings(Settings):
    """A base of Dilovod."""

    key: ApiKey
    """API key of an API node of Mistok's own: `${env:DILOVOD_KEY}`. A key takes one request at a time, so that another
    program on the same one is in the way."""
    url: ServiceUrl = URL
    """Address of the API."""
    version: Annotated[str, Field(pattern=r"^\d+(\.\d+)*$")] = VERSION
    """Version of the API that is asked for."""
    body: Literal["json", "form"] = "json"
    """How packets are sent: as JSON, or as the field `packet` of a form."""
    timeout: Annotated[float, Field(gt=0)] = 60.0
    """Seconds to wait for an answer."""
    per_second: Annotated[float, Field(gt=0, le=50)] = 5.0
    """Requests in a second, of all programs of this client together. Dilovod publishes no limit."""
    page: Annotated[int, Field(ge=2, le=5000)] = 500
    """Rows of one answer."""
    list_size: Annotated[int, Field(ge=1, le=1000)] = 50
    """Values of one filter."""
    max_pages: Annotated[int, Field(ge=1)] = 2000
    """A list of more pages than this is a failure, and never read in part."""
    language: Literal["uk", "ru"] = "uk"
    """Language of names that are read."""
    retail: str | None = None
    """Price type of retail prices (id, code or name); the base's own retail type when not given."""
    cost: str | None = "balance"
    """Cost prices: `balance` is the mean cost of what lies in stock; else a price type."""
    prices: dict[str, str] = Field(default_factory=dict)
    """Further prices: kind -> price type, such as `{wholesale: Оптова}`."""
    weight: Literal["kg", "g"] | None = None
    """Unit of the weights in the base. Without it weights are not told, as the API does not say what they are in."""
    warehouses: dict[str, str] = Field(default_factory=dict)
    """Warehouses by the names that jobs use, with their storages in Dilovod (id, code or name). Without it all
    storages are told, by their names."""
    reserves: bool = True
    """Tell what is reserved by orders, so that it is not sold twice."""
    kits: Literal["components", "own"] = "components"
    """Stock of a kit: as many as its components make, or what is kept of the kit itself."""

    documents: DocumentSettings = Field(default_factory=DocumentSettings)
    """How documents are made."""
    untried_writes: bool = False
    """`true`: documents are made although nobody has tried on this base what is only inferred of them (how they are
    posted, changed and marked for deletion). Without it runs wait until `mistok check --connect --write-probe` was
    passed."""

    goods: GoodsSettings = Field(default_factory=GoodsSettings)
    """How missing goods are made."""

    @field_validator("prices")
    @classmethod
    def _kinds(cls, value: dict[str, str]) -> dict[str, str]:
        if wrong := {"retail", "cost"} & set(value):
            raise ValueError(T("`{name}` is a setting of its own.", name=min(wrong)))
        return value
