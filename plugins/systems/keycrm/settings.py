"""Parameters of a KeyCRM account."""

from __future__ import annotations

from datetime import timedelta
from string import Formatter
from typing import Annotated, Literal

from pydantic import Field, field_validator

from pipeline.api import ApiKey, Duration, ServiceUrl, Settings, T

#: https://openapi.keycrm.app/v1 of the vendor's OpenAPI document, version 1.2.0.
URL = "https://openapi.keycrm.app/v1"
#: Requests a minute that are allowed (the same document).
PER_MINUTE = 60


class SpecialFields(Settings):
    """Custom fields of products in which a special price is kept: their `uuid`, such as `CT_1042`."""

    price: str
    """Field of the price."""
    start: str | None = None
    """Field of the day or moment from which it holds."""
    end: str | None = None
    """Field of its last day, or of the moment at which it ends."""


class OrderSettings(Settings):
    """How orders of KeyCRM are read, and what is written back to them."""

    statuses: dict[str, str] = Field(default_factory=dict)
    """Status in KeyCRM (id, alias or name) -> status of the order format; by its group when not given."""
    names: Literal["last-first", "first-last"] = "last-first"
    """What stands first in a buyer's name of two words."""
    overlap: Duration = timedelta(minutes=10)
    """Orders are read again from so long before the last look: clocks differ."""
    number_field: str | None = None
    """Custom field of orders (`OR_1037`) that takes the number of their document; without it the number goes into the
    manager's comment."""
    number_comment: str = "Документ {number}"
    """How the number of a document stands in the manager's comment."""

    @field_validator("number_comment")
    @classmethod
    def _template(cls, value: str) -> str:
        try:
            fields = {(name, spec, how) for _, name, spec, how in Formatter().parse(value) if name is not None}
        except ValueError:
            fields = set()
        if fields != {("number", "", None)}:
            raise ValueError(T("This text must have {field} in it, and nothing else in braces.", field="{number}"))
        return value


class DocumentSettings(Settings):
    """How orders are made in KeyCRM."""

    sources: dict[str, str] = Field(default_factory=dict)
    """Source of an order -> source in KeyCRM (id, alias or name); one of the same name when not given, made by its
    first order."""
    payments: dict[str, str] = Field(default_factory=dict)
    """Payment method of an order -> method in KeyCRM (id, alias or name), or `""` for none; one of the same name when
    not given."""
    deliveries: dict[str, str] = Field(default_factory=dict)
    """Delivery method or carrier of an order -> delivery service in KeyCRM (id, alias or name); one of the same name
    when not given."""
    statuses: dict[str, str] = Field(default_factory=dict)
    """Status of an order -> status in KeyCRM (id, alias or name); others stay in KeyCRM's first one."""


class KeyCrmSettings(Settings):
    """An account of KeyCRM."""

    key: ApiKey
    """API key of the account, from its general settings: `${env:KEYCRM_KEY}`."""
    url: ServiceUrl = URL
    """Base address of the API."""
    per_minute: Annotated[int, Field(ge=1, le=60)] = PER_MINUTE
    """Requests in a minute, of all programs of this client together; KeyCRM allows 60 a key: give each of several
    clients of one key its part."""
    timeout: Annotated[float, Field(gt=0)] = 60.0
    """Seconds to wait for an answer."""
    batch: Annotated[int, Field(ge=1, le=1000)] = 500
    """Rows that one write takes."""
    max_pages: Annotated[int, Field(ge=1)] = 2000
    """A list of more pages (of 50 rows) than this is a failure, and never read in part."""
    read_back: bool = True
    """Look after each write of prices and stock whether KeyCRM shows it: its answer tells nothing of single rows."""
    warehouses: dict[str, int] = Field(default_factory=dict)
    """Warehouses by the names that jobs use, with their ids in KeyCRM: `{main: 1}`. Without it they are known by the
    names in KeyCRM, for which all stock is read."""
    weight_unit: Literal["kg", "g"] = "kg"
    """Unit of weights in the account's settings."""
    size_unit: Literal["mm", "cm", "m"] = "cm"
    """Unit of lengths in the account's settings."""
    unit: str = "шт"
    """What the account counts in by itself: such products have no unit in the API."""
    special: SpecialFields | None = None
    """Custom fields that keep a special price. Without them Mistok changes the price itself when a special begins and
    ends."""

    orders: OrderSettings = Field(default_factory=OrderSettings)
    """How orders are read, and what is written back to them."""

    documents: DocumentSettings = Field(default_factory=DocumentSettings)
    """How orders of files and of other systems are made in KeyCRM."""
