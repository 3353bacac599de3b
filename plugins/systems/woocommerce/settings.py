"""Parameters of a shop on WooCommerce."""

from __future__ import annotations

import ipaddress
from decimal import Decimal
from pathlib import Path
from string import Formatter
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from pipeline.api import Duration, Settings, T, parse_duration

#: What of an order a shop may keep in a field (meta key) of a plugin.
MetaField = Literal[
    "middle_name", "edrpou", "tax_number", "carrier", "city_ref", "branch", "branch_ref", "tracking", "manager",
]  # fmt: skip
_MINUTE = parse_duration("60s")
#: Kilograms, and centimetres, of one unit that WooCommerce can be set to.
WEIGHTS = {"kg": Decimal(1), "g": Decimal("0.001"), "lbs": Decimal("0.45359237"), "oz": Decimal("0.028349523125")}
LENGTHS = {
    "m": Decimal(100),
    "cm": Decimal(1),
    "mm": Decimal("0.1"),
    "in": Decimal("2.54"),
    "yd": Decimal("91.44"),
}


class WooSettings(Settings):
    """A shop on WordPress with WooCommerce, through its REST API (wc/v3)."""

    url: Annotated[str, Field(pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$")]
    """Address of the shop, as its settings in WordPress say it: `https://shop.example`."""
    key: SecretStr
    """Consumer key (`ck_…`) with the right to read and write: `${env:NAME}`, `${file:PATH}` or
    `${keyring:SERVICE/NAME}`."""
    secret: SecretStr
    """Consumer secret (`cs_…`) of that key."""
    auth: Literal["header", "query"] = "header"
    """`header` sends the key by HTTP Basic. `query` is for servers that do not hand that header on: the key then stands
    in addresses, and in the logs of the shop's server."""
    allow_http: bool = False
    """`true` allows an address without encryption that is not on this machine: all on the way can read the key."""
    permalinks: Literal["pretty", "plain"] = "pretty"
    """`plain` when the shop's addresses are like `/?p=123` (WordPress: Settings, Permalinks), where `/wp-json` is a
    page that is not found."""
    ca_file: Path | None = None
    """File with the CA certificates (PEM) to trust, relative to the config file; the system's when not given."""
    timeout: Duration = Field(default=_MINUTE, validate_default=True)
    """How long the shop may take over one request; a batch of products with pictures takes long."""
    per_minute: Annotated[int, Field(ge=1)] | None = None
    """Requests that are sent within a minute at most; the shop itself has no limit, its host may have one."""
    page: Annotated[int, Field(ge=2, le=100)] = 100
    """Products, or orders, that are read at once."""
    max_pages: Annotated[int, Field(ge=1)] = 20_000
    """A list of more pages than this is a failure, and never read in part."""
    batch: Annotated[int, Field(ge=1, le=100)] = 100
    """Products that are written at once."""
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] | None = None
    """Currency of the prices (ISO 4217); the shop is asked for it when not given."""
    weight_unit: Literal["kg", "g", "lbs", "oz"] = "kg"
    """Unit of weights, as the shop has set it (WooCommerce: Settings, Products)."""
    dimension_unit: Literal["m", "cm", "mm", "in", "yd"] = "cm"
    """Unit of lengths, as the shop has set it."""
    barcodes: Literal["off", "read", "write"] = "read"
    """The field “GTIN, UPC, EAN, or ISBN”: `read` tells it as the barcode and as a second article `gtin`; `write`
    also sets it (the shop refuses a product whose barcode another one has); `off` leaves it alone."""
    default_category: str = "uncategorized"
    """Slug of the category in which the shop puts what has none: standing in it is standing in none."""
    foreign_html: Literal["hold", "strip"] = "hold"
    """What WordPress takes out of descriptions in silence (scripts, frames, forms): `hold` tells a person, `strip`
    writes the text without it."""
    fractions: Literal["hold", "down", "keep"] = "hold"
    """A stock that is no whole number: `hold` tells a person, `down` writes the whole number below it, `keep` is for
    shops with a plugin for fractions."""
    statuses: tuple[str, ...] = ()
    """Statuses of the orders that are read, such as `[processing, completed]`; all but unfinished ones when not
    given."""
    source: str | None = None
    """What orders name as their source; the connection's name when not given."""
    meta: dict[MetaField, str] = Field(default_factory=dict)
    """Field of an order -> key of the meta field in which a plugin keeps it: `{edrpou: billing_edrpou}`."""
    carriers: dict[str, str] = Field(default_factory=dict)
    """Shipping method (`method_id`, or the name of the method) -> carrier: `{nova_poshta_shipping: nova-poshta}`."""
    number_note: str = "Документ {number}"
    """Note that an order gets when its document has been made."""
    tracking_note: str = "ТТН {tracking}"
    """Note that an order gets for a parcel's number."""
    tell_buyer: bool = False
    """`true`: notes with a parcel's number are notes to the buyer, whom the shop then writes a mail."""
    webhook_secret: SecretStr | None = None
    """Secret of the shop's webhooks; without it a webhook's signature is not looked at."""

    @field_validator("url")
    @classmethod
    def _no_slash(cls, value: str) -> str:
        return value.rstrip("/").removesuffix("/wp-json/wc/v3").removesuffix("/wp-json").rstrip("/")

    @field_validator("number_note", "tracking_note")
    @classmethod
    def _note(cls, value: str, info: object) -> str:
        name = str(getattr(info, "field_name", "")).removesuffix("_note")
        try:
            found = {part for _, part, _, _ in Formatter().parse(value) if part is not None}
        except ValueError:
            found = set()
        if found != {name}:
            raise ValueError(T("This text must have {field} in it, and nothing else in braces.", field=f"{{{name}}}"))
        return value

    @model_validator(mode="after")
    def _encrypted(self) -> WooSettings:
        parts = urlsplit(self.url)
        if parts.scheme == "http" and not self.allow_http and not _is_here(parts.hostname or ""):
            raise ValueError(
                T("`{url}` is not encrypted: everybody on the way could read the key.", url=self.url),
                T("Write https://, or `allow_http: true` when you know what you do."),
            )
        if parts.username or parts.password:
            raise ValueError(T("The key belongs into `key` and `secret`, not into `url`."))
        return self


def _is_here(host: str) -> bool:
    """Whether it is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
