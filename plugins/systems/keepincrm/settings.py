"""Parameters of an account of KeepinCRM."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from pipeline.api import Duration, Settings, T, parse_duration
from plugins.systems.keepincrm.order_settings import Id, Name, OrderSettings

#: texts of a product that the API has no field for
TextField = Literal["description", "short_description", "manufacturer", "barcode"]
_TWENTY_FIVE = parse_duration("25s")


class Place(Settings):
    """Where a value stands in a material: exactly one of these."""

    named: Name | None = None
    """Name of a further price of the account, as its price list shows it: `Опт`."""
    custom: Name | None = None
    """Name of a field of the account's own, as the API tells it (mostly its title): `Акційна ціна`."""
    field: Name | None = None
    """Name of a plain field of the API's materials, for an account that has one: `special_price`."""

    @model_validator(mode="after")
    def _just_one(self) -> Place:
        if sum(one is not None for one in (self.named, self.custom, self.field)) != 1:
            raise ValueError(T("Write just one of `named`, `custom` and `field`."))
        return self


class SpecialPlaces(Settings):
    """``special_price:``: where a special price and its dates are kept."""

    price: str | Place
    """Where the price is kept: the name of a further price, or `{custom: …}`, or `{field: …}`."""
    start: str | Place = Field(alias="from")
    """Where its first moment is kept: the name of a field of the account's own, or `{field: …}`."""
    end: str | Place = Field(alias="to")
    """Where the moment is kept at which it is over: the name of a field of the account's own, or `{field: …}`."""
    switched_by: Literal["mistok", "crm"] = "mistok"
    """`mistok`: the price itself is changed too, at the special price's start and end; `crm`: the account does that by
    itself, and the price stays the usual one."""

    @field_validator("start", "end")
    @classmethod
    def _no_price(cls, value: str | Place) -> str | Place:
        if isinstance(value, Place) and value.named is not None:
            raise ValueError(T("A date cannot stand in a price: write `custom` or `field`."))
        return value


class Office(Settings):
    """One branch of the company with stock of its own."""

    id: Id
    """Its number in the CRM."""
    hash: Name | None = None
    """Its other sign in the API (`office_hash_id`): the branch whose stock an agreement takes is named by it."""


class KeepinSettings(Settings):
    """An account of KeepinCRM."""

    token: Annotated[SecretStr, Field(min_length=1)]
    """API key (Settings → Company profile → API): `${env:NAME}`, `${file:PATH}` or `${keyring:SERVICE/NAME}`."""
    url: Annotated[str, Field(pattern=r"^https?://\S+$")] = "https://api.keepincrm.com/v1"
    """Address of the API."""
    ca_file: Path | None = None
    """File with the CA certificates (PEM) to trust, relative to the config file; the system's when not given."""
    pace: Annotated[float, Field(gt=0, le=50)] = 2.0
    """Requests in a second, of all jobs of this client that use this key together."""
    per_minute: Annotated[int, Field(ge=1)] | None = 100
    """Requests in a minute; `null`: no such limit."""
    timeout: Duration = Field(default=_TWENTY_FIVE, validate_default=True)
    """How long an answer may take."""
    page: Annotated[int, Field(ge=1, le=500)] = 50
    """Rows of a list that are asked for at once."""
    max_pages: Annotated[int, Field(ge=1)] = 20_000
    """A list of more pages than this is a failure, and never read in part."""
    materials_create: Literal["off", "auto", "post", "put"] = "off"
    """Whether new products are created, and how: `post`, or `put` by their article, or `auto`, whichever of the two the
    account takes. `mistok check --write-probe` tells what it takes."""
    categories: Literal["off", "match", "create"] = "off"
    """`match`: products are put into categories that are there; `create`: missing ones are made; `off`: categories are
    neither read nor written."""
    category_separator: Annotated[str, Field(min_length=1)] | None = None
    """For an account whose categories are not a tree: what stands between the parts of a path in a category's name."""
    prices: dict[str, str | Place] = Field(default_factory=dict)
    """Kind of a price -> where it is kept: `{wholesale: Опт, old: {custom: Стара ціна}}`; a sync sees it as
    `price.KIND`. `cost` is there by itself."""
    texts: dict[TextField, str | Place] = Field(default_factory=dict)
    """Text of a product -> the field of the account's own that takes it: `{description: Опис}`."""
    special_price: SpecialPlaces | None = None
    """Where a special price and its dates are kept. Without it the price itself is changed when one begins and ends."""
    weight: Literal["kg", "g"] | None = None
    """Unit in which the account keeps weights; without it weights are neither read nor written."""
    changed_since: bool = False
    """`true`: only products that have changed are asked for, where the account tells when they did."""
    offices: dict[Name, Id | Office] = Field(default_factory=dict)
    """Name of a branch -> its number: `{Магазин: 501}`, or `{Магазин: {id: 501, hash: a1b2}}`. The API does not tell
    them; a branch that is not named here is called by its number."""
    stock_write: Literal["set", "add"] = "set"
    """What the account does with a level that is sent: `set` puts it in the place of the one before, `add` adds it.
    `mistok check --write-probe` tells which."""

    untried_writes: bool = False
    """`true`: what nobody has seen on an account (new products and categories, special prices with dates, stock) is
    sent there untried. Without it such a run waits until `mistok check --connect --write-probe` was passed."""
    orders: OrderSettings = OrderSettings()
    """How agreements are read, made and changed."""

    @field_validator("prices")
    @classmethod
    def _kinds(cls, value: dict[str, str | Place]) -> dict[str, str | Place]:
        for kind in value:
            if kind in ("cost", "KIND") or not kind.strip():
                raise ValueError(T("`{name}` cannot be the name of a further price.", name=kind))
        return value

    @field_validator("texts")
    @classmethod
    def _no_price(cls, value: dict[str, str | Place]) -> dict[str, str | Place]:
        if any(isinstance(one, Place) and one.named is not None for one in value.values()):
            raise ValueError(T("A text cannot stand in a price: write `custom` or `field`."))
        return value

    @model_validator(mode="after")
    def _each_place_once(self) -> KeepinSettings:
        places = [price_place(one) for one in self.prices.values()]
        places += [text_place(one) for one in self.texts.values()]
        if self.special_price is not None:
            special = self.special_price
            places += [price_place(special.price), text_place(special.start), text_place(special.end)]
        twice = next((one for n, one in enumerate(places) if one in places[:n]), None)
        if twice is not None:
            name = twice.named or twice.custom or twice.field or ""
            raise ValueError(T("`{name}` is named twice: each value needs a place of its own.", name=name))
        numbers = [office.id for office in self.all_offices().values()]
        if len(set(numbers)) < len(numbers):
            raise ValueError(T("Two branches have the same number."))
        return self

    def all_offices(self) -> dict[str, Office]:
        """The named branches, each with all that is known of it."""
        return {name: one if isinstance(one, Office) else Office(id=one) for name, one in self.offices.items()}


def price_place(value: str | Place) -> Place:
    """A place of a price; a name alone is that of a further price."""
    return Place(named=value) if isinstance(value, str) else value


def text_place(value: str | Place) -> Place:
    """A place of a text or a date; a name alone is that of a field of the account's own."""
    return Place(custom=value) if isinstance(value, str) else value
