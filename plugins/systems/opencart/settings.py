"""Parameters of a shop on OpenCart."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, field_validator, model_validator

from pipeline.api import Duration, Settings, T, parse_duration

Article = Literal["model", "sku", "upc", "ean", "jan", "isbn", "mpn"]
#: The article fields of a product, as 3.0 has columns and 4.1 has codes for them.
ARTICLES: tuple[Article, ...] = ("model", "sku", "upc", "ean", "jan", "isbn", "mpn")
_FIELDS = {"key", "ids", "values", "articles"}
_TEN, _SIXTY = parse_duration("10s"), parse_duration("60s")


class OpenCartSettings(Settings):
    """A shop on OpenCart 3.0 or 4.1, through its MySQL or MariaDB database."""

    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """Name or address of the database server, or this end of the tunnel to it."""
    port: Annotated[int, Field(ge=1, le=65535)] = 3306
    """Its port, or the tunnel's."""
    socket: Path | None = None
    """Unix socket of a server on this machine, in place of `host` and `port`."""
    user: Annotated[str, Field(min_length=1)]
    """Login name in the database; docs/systems/opencart.md has the rights that it needs."""
    password: SecretStr
    """Password: `${env:NAME}`, `${file:PATH}` or `${keyring:SERVICE/NAME}`."""
    database: Annotated[str, Field(min_length=1)]
    """Name of the shop's database (`DB_DATABASE` in its config.php)."""
    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]*$")] = "oc_"
    """What the names of its tables begin with (`DB_PREFIX` in its config.php)."""
    tls: Literal["none", "verify"] = "none"
    """`verify` encrypts, and checks the server's certificate and name; `none` is for a tunnel or the same machine."""
    ca: Path | None = None
    """File with the CA certificates (PEM) to trust, relative to the config file; the system's when not given."""
    connect_timeout: Duration = Field(default=_TEN, validate_default=True)
    """How long connecting may take."""
    timeout: Duration = Field(default=_SIXTY, validate_default=True)
    """How long the server may take over one question."""
    store: Annotated[int, Field(ge=0)] = 0
    """Number of the store whose goods and orders are meant; the default one is 0."""
    language: Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z]{2,4})?$")] | None = None
    """Code of the language of names and descriptions, such as `uk-ua`; the store's own when not given."""
    customer_group: Annotated[int, Field(ge=1)] | None = None
    """Number of the customer group whose special prices are meant; the store's default group when not given."""
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] | None = None
    """Currency of the catalogue (ISO 4217); the store's own when not given."""
    timezone: str | None = None
    """Time zone of the shop, such as `Europe/Kyiv`, by which its dates count; what the shop has set when not given,
    else the client's."""
    image_url: Annotated[str, Field(pattern=r"^https?://\S+$")] | None = None
    """Address of the shop's `image/` folder, such as `https://shop.example/image/`; without it images are not told."""
    article: Article = "model"
    """Which field is the article: what items of orders and stock levels are named by. Where it is empty, `model` is."""
    variant_key: str = "{key}-{ids}"
    """How the article of an option combination is made: `{key}` is the product's article, `{ids}` the numbers of the
    option values, `{values}` their names, `{articles}` what `option_article` holds for them; several are joined by
    dashes."""
    option_article: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$")] | None = None
    """Column of `product_option_value` in which an extension keeps articles of option values, for `{articles}`."""
    checkboxes: bool = False
    """`true`: options of type checkbox make variants too, each set of ticks one."""
    max_variants: Annotated[int, Field(ge=1, le=100_000)] = 500
    """A product with more option combinations than this is told without them, with a remark."""
    fractions: Literal["hold", "down"] = "hold"
    """A stock that is no whole number: `hold` tells a person, `down` writes the whole number below it."""
    page: Annotated[int, Field(ge=1, le=1000)] = 200
    """Products, or orders, that are read at once."""
    source: str | None = None
    """What orders name as their source; the connection's name when not given."""
    carriers: dict[str, str] = Field(default_factory=dict)
    """Code of a shipping method (the part before the dot) -> carrier: `{novaposhta: nova-poshta}`."""
    tracking_comment: str = "ТТН {tracking}"
    """What is written into an order's history for a parcel's number."""
    number_comment: str = "Документ {number}"
    """What is written into an order's history for the number of its document."""
    show_to_buyer: bool = False
    """`true`: the buyer sees in the account the comments that are written into the history."""

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                ZoneInfo(value)
            except (KeyError, ValueError, OSError):  # its errors for unknown names, absolute paths, folders
                raise ValueError(T("`{value}` is not a time zone such as Europe/Kyiv.", value=value)) from None
        return value

    @field_validator("variant_key")
    @classmethod
    def _template(cls, value: str) -> str:
        fields = _fields_of(value)
        if not fields <= _FIELDS or not fields & {"ids", "values", "articles"}:
            raise ValueError(
                T("Write `variant_key` of {key} and of {ids}, {values} or {articles}, such as {key}-{ids}.")
            )
        return value

    @field_validator("tracking_comment", "number_comment")
    @classmethod
    def _comment(cls, value: str, info: object) -> str:
        name = str(getattr(info, "field_name", "")).removesuffix("_comment")
        if _fields_of(value) != {name}:
            raise ValueError(T("This text must have {field} in it, and nothing else in braces.", field=f"{{{name}}}"))
        return value

    @model_validator(mode="after")
    def _together(self) -> OpenCartSettings:
        if "articles" in _fields_of(self.variant_key) and self.option_article is None:
            raise ValueError(T("{articles} in `variant_key` needs `option_article`."))
        if self.ca is not None and self.tls == "none":
            raise ValueError(T("`ca` needs `tls: verify`."))
        return self


def _fields_of(template: str) -> set[str]:
    """Names in braces; what is no template at all has the field "?"."""
    try:
        parsed = list(Formatter().parse(template))
    except ValueError:
        return {"?"}
    plain = re.compile(r"[a-z]+")
    return {
        name if name and plain.fullmatch(name) and not spec and not conversion else "?"
        for _, name, spec, conversion in parsed
        if name is not None
    }
