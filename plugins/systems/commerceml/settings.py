"""Parameters of an exchange by CommerceML."""

from __future__ import annotations

import ipaddress
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from pipeline.api import Duration, Move, Settings, Size, T, TransportName

Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
Version = Literal["2.03", "2.04", "2.05", "2.06", "2.07", "2.08", "2.09", "2.10"]


class FilesSettings(Settings):
    """An exchange over folders of a connection."""

    on: TransportName
    """Connection (a folder, SFTP or FTP) on which the files lie."""
    take: str = ""
    """Folder from which the other side's files are taken, relative to the connection's root."""
    put: str = ""
    """Folder into which ours are put."""
    after: Literal["delete", "keep"] | Move = "keep"
    """What happens to a file that was taken: `keep`, `delete` or `{move: FOLDER}`. A kept one is not taken twice."""
    marker: str | None = None
    """Name of a file that the other side writes when all the others are whole: nothing is taken before it is there, and
    it is deleted then. Without it goods that a full export does not name are never hidden."""

    @model_validator(mode="after")
    def _apart(self) -> FilesSettings:
        if self.take.strip("/") == self.put.strip("/"):
            raise ValueError(
                T("`take` and `put` must be two folders: our own files would be taken for the other side's.")
            )
        return self


class ServerSettings(Settings):
    """An address at which a 1C, BAS or MoySklad asks us, as it asks any site."""

    user: str = Field(min_length=1, pattern=r"^[^:]+$")
    """User name that the accounting program logs in with."""
    password: SecretStr
    """Its password: `${env:NAME}`, `${file:PATH}` or `${keyring:SERVICE/NAME}`."""
    listen: str = "127.0.0.1"
    """Address to listen on; a web server with HTTPS in front of it passes requests on to it."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8077
    """Port to listen on; 0: any free one."""
    path: Annotated[str, Field(pattern=r"^/[^?#\s]*$")] = "/1c_exchange"
    """Path of the address that is entered in the accounting program."""
    zip: bool = True
    """Let the accounting program send its files as ZIP archives."""
    file_limit: Size = 10_000_000
    """Bytes of one part of a file; larger files come in parts."""
    session_limit: Size = 2_000_000_000
    """Bytes that one session may send, unpacked; more is refused."""
    session_time: Duration = timedelta(hours=1)
    """A session that has been silent for so long has ended."""
    step: Duration = timedelta(seconds=20)
    """An import that takes longer answers `progress`, and is asked for again."""
    version: Version | None = None
    """Version of CommerceML that is answered to `init`: the accounting program then writes the newer packets. Left out,
    it writes what it is set to."""


class HttpSettings(Settings):
    """The exchange address of a shop."""

    url: Annotated[str, Field(pattern=r"^https?://[^\s/?#]+(/[^\s#]*)?$")]
    """Address as it would be entered in 1C: `https://shop.example/bitrix/admin/1c_exchange.php`."""
    user: str = Field(min_length=1, pattern=r"^[^:]+$")
    """User name."""
    password: SecretStr
    """Its password: `${env:NAME}`, `${file:PATH}` or `${keyring:SERVICE/NAME}`."""
    timeout: Duration = timedelta(minutes=2)
    """How long the shop may take over one request."""
    patience: Duration = timedelta(minutes=30)
    """How long the shop may go on answering `progress` to one file."""
    pause: Duration = timedelta(seconds=1)
    """Between two questions of that kind."""
    zip: bool = True
    """Pack what is sent where the shop takes ZIP archives."""
    part: Size = 1_000_000
    """Largest part of a file, where the shop allows more or says nothing."""
    append: bool = True
    """`false`: the shop overwrites a file instead of appending to it; one larger than a part is then refused."""
    finish: tuple[Literal["deactivate", "complete"], ...] = ()
    """Further commands that the shop wants at the end of a full export."""


class CommerceMLSettings(Settings):
    """An exchange by CommerceML 2, with an accounting program or with a shop, over files or HTTP."""

    role: Literal["shop", "accounting"] = "shop"
    """What we are to the other side. `shop`: a 1C, BAS or MoySklad gives us its goods and takes our orders.
    `accounting`: a shop takes our goods and gives us its orders, as it would a 1C."""
    files: FilesSettings | None = None
    """Exchange over folders."""
    server: ServerSettings | None = None
    """As a shop: the address at which the accounting program asks us; `mistok commerceml serve` opens it."""
    http: HttpSettings | None = None
    """As an accounting program: the shop's exchange address."""
    folder: str = "commerceml"
    """Folder, relative to the config, that keeps what has come and what is to go out."""
    prices: dict[str, str] = Field(default_factory=dict)
    """Price of ours -> name or id of a price type: `{price: Роздрібна, price.cost: Собівартість}`. Not needed where
    there is only one."""
    pack_prices: Literal["multiply", "ignore"] = "multiply"
    """What `Коэффициент` of a price means: `multiply` the price by it, as shops' modules do, or `ignore` it."""
    image_url: str | None = None
    """Address before the paths of pictures; without it pictures are not told."""
    variant_articles: Literal["own", "all"] = "own"
    """`own`: a variant that repeats the article of its product has none of its own. `all`: it is taken as it is."""
    currency: Currency | None = None
    """Currency of prices and orders that name none, in which the accounting program keeps its books; the client's own
    by default."""
    max_hidden: Annotated[int, Field(ge=0, le=100)] = 20
    """Percent of the shown goods that a full export may leave out before a person is asked."""
    hide: Literal["end", "offers", "never"] = "end"
    """When goods that a full export did not name are hidden. `end`: once the accounting program has said that it is
    over (`deactivate` or `complete`, or the marker file). `offers`: also when it has gone on to prices and begun anew,
    for older programs that never say so. `never`: they stay."""
    goods: Literal["known", "any"] = "known"
    """Goods of orders: those that the accounting program has told, or `any`, which it finds by their article itself."""
    code: Literal["article", "id"] = "article"
    """By what goods of orders are known that the shop gives us: `Артикул` (else `Ид`), or `Ид`."""
    document_id: str = "{source}-{id}"
    """`Ид` of an order's document."""
    delivery_id: str = Field(default="ORDER_DELIVERY", min_length=1)
    """`Ид` of the line that is the delivery."""
    fee_id: str = Field(default="ORDER_FEE", min_length=1)
    """`Ид` of the line that is a fee of the payment."""
    currencies: dict[str, str] = Field(default_factory=dict)
    """Currency (ISO 4217) -> its name in the accounting program: `{UAH: грн}`."""
    rates: dict[Currency, Annotated[Decimal, Field(gt=0)]] = Field(default_factory=dict)
    """Rate of orders in another currency that state none: `{USD: 41.50}` of `currency` for one. An order without any
    rate is held, and never told at a rate of 1."""
    statuses: dict[str, str] = Field(default_factory=dict)
    """Status of ours -> its name on the other side: `{new: "[N] Прийнято"}`; names are read back by it, too."""
    warehouses: dict[str, str] = Field(default_factory=dict)
    """As an accounting program: `Ид` of a warehouse -> its name; without them one number for all is sent."""
    version: Version = "2.08"
    """Version of CommerceML that is written."""
    encoding: Literal["utf-8", "windows-1251"] = "utf-8"
    """Encoding that is written; some older configurations read orders in windows-1251 only."""
    batch: Annotated[int, Field(ge=1, le=10_000)] = 500
    """As an accounting program: products of one export."""

    @field_validator("document_id")
    @classmethod
    def _template(cls, value: str) -> str:
        try:
            made = value.format(source="\0", id="\1")
        except (KeyError, IndexError, ValueError):
            made = ""
        if "\1" not in made:
            raise ValueError(T("Only {source} and {id} stand for something here, and {id} must be there."))
        return value

    @field_validator("prices")
    @classmethod
    def _kinds(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            if name != "price" and not (name.startswith("price.") and len(name) > 6):
                raise ValueError(T("`{name}` is no price.", name=name))
        return value

    @model_validator(mode="after")
    def _one_way(self) -> CommerceMLSettings:
        ways = {"files": self.files, "server": self.server, "http": self.http}
        allowed = ("files", "server") if self.role == "shop" else ("files", "http")
        given = [name for name, way in ways.items() if way is not None]
        if len(given) != 1 or given[0] not in allowed:
            raise ValueError(
                T("With `role: {role}` exactly one of {names} is needed.", role=self.role, names=" / ".join(allowed))
            )
        if self.http is not None:
            parts = urlsplit(self.http.url)
            if parts.scheme == "http" and not _is_here(parts.hostname or ""):
                raise ValueError(
                    T("`{url}` is not encrypted: everybody on the way could read the password.", url=self.http.url)
                )
        return self

    @property
    def most_hidden(self) -> Decimal:
        """``max_hidden`` as a share."""
        return Decimal(self.max_hidden) / 100


def _is_here(host: str) -> bool:
    """Whether it is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
