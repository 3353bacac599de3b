"""Settings and values of a sync: two systems kept in step. The engine owns the walk; see pipeline/engine/sync."""

from __future__ import annotations

from datetime import time
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator, model_validator

from pipeline.ports import OFFER_FIELDS
from pipeline.rules.matching import MatchRules
from pipeline.settings import Settings, SystemName
from pipeline.texts import T

PRICE_FIELDS = ("price", "specials")


def _time_of_day(value: object) -> object:
    if not isinstance(value, str):
        return value
    hours, _, minutes = value.partition(":")
    digits = hours.isascii() and hours.isdigit() and minutes.isascii() and minutes.isdigit()
    if not digits or len(minutes) != 2 or int(hours) > 23 or int(minutes) > 59:
        raise ValueError(T("`{value}` is not a time such as 03:00.", value=value))
    return time(int(hours), int(minutes))


def _one_or_many(value: object) -> object:
    return (value,) if isinstance(value, str) else value


TimeOfDay = Annotated[
    time, BeforeValidator(_time_of_day), WithJsonSchema({"type": "string", "pattern": r"^\d{1,2}:\d{2}$"})
]
Names = Annotated[tuple[str, ...], BeforeValidator(_one_or_many, json_schema_input_type=str | tuple[str, ...])]


class MatchSettings(Settings):
    """``match:`` of a sync: by which article two things are the same."""

    keys: Names = ("sku", "model", "code")
    """Article fields of the source: the first that is filled in decides, such as `[sku, model]`."""
    target: str | None = None
    """Article field of the target; its usual one when not given."""
    compatibility: bool = True
    """Unicode forms of one character are the same."""
    case: bool = True
    """Capitals do not matter: `AB-1` = `ab-1`."""
    spaces: bool = True
    """Blanks, also unseen ones, do not matter."""
    dashes: Literal["keep", "unify", "drop"] = "unify"
    """All kinds of dashes are one (`unify`), do not matter (`drop`), or differ (`keep`)."""
    lookalikes: bool = True
    """Cyrillic letters that look like Latin ones are the same: `А` = `A`."""
    leading_zeros: bool = False
    """Zeros in front do not matter: `0042` = `42`."""
    ambiguous: Literal["hold", "first"] = "hold"
    """When several products of the source have one article: ask a person, or take the first and tell."""

    aliases: dict[str, str] = Field(default_factory=dict)
    """Article of the source -> the target's article for the same thing; `#ID` stands for the source's own id."""

    def rules(self) -> MatchRules:
        """As the rules of the normal form."""
        return MatchRules(
            compatibility=self.compatibility,
            case=self.case,
            spaces=self.spaces,
            dashes=self.dashes,
            lookalikes=self.lookalikes,
            leading_zeros=self.leading_zeros,
        )


class SyncSettings(Settings):
    """What every step that keeps two systems in step has."""

    source: SystemName = Field(alias="from")
    """System that is read: what it says holds."""
    to: SystemName
    """System that is kept in step with it."""
    match: MatchSettings = Field(default_factory=MatchSettings)
    """By which article two things are the same."""
    full_at: TimeOfDay | None = time(3)
    """The first run after this time of day compares everything of both sides; the others only look for what changed."""
    min_rows: Annotated[int, Field(ge=0)] = 1
    """A source that tells fewer than this is taken for broken: nothing is applied before a person approves."""
    max_shrink: Annotated[int, Field(ge=0, le=100)] = 50
    """Percent of what was in step that may vanish from the source before a person is asked."""


class CatalogueSyncSettings(SyncSettings):
    """What a step that keeps products and prices in step has."""

    fields: tuple[str, ...] | None = None
    """Fields of the target that are kept in step; all that both sides have when not given. Others are never touched."""
    map: dict[str, str] = Field(default_factory=dict)
    """Target field -> source field, where they differ: `{price.cost: price}`."""
    create: bool = True
    """Create products that the target does not have."""
    vanished: Literal["keep", "zero-stock", "hide"] = "keep"
    """What happens in the target to what was in step and has gone from the source. Nothing is ever deleted."""
    only_published: bool = True
    """Leave out products that the source does not show to buyers."""
    categories: Names = ()
    """Only products of these categories (paths such as `Фарби/Емалі`, with all below them); all when not given."""
    base_only: Names = ()
    """Categories whose products are sent without their variants."""
    root: str = ""
    """Path in the target below which the source's category tree is mirrored."""
    variant_name: str = "{name} ({options})"
    """Name of a variant where the target has no variants: `{name}` of the product, `{options}`, `{article}`."""
    max_price_change: Annotated[Decimal, Field(gt=1)] | None = Decimal(10)
    """How many times higher or lower a price may become before a person is asked, as for one that becomes 0; `null`:
    prices are not looked at."""
    other_currency: Literal["hold", "ignore"] = "hold"
    """A price in another currency than the target's: it is not written and told (`hold`), or written by its mere number
    (`ignore`). Nothing is ever converted."""

    @field_validator("fields")
    @classmethod
    def _known(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for name in value or ():
            _check_field(name)
        return value

    @field_validator("map")
    @classmethod
    def _mapped(cls, value: dict[str, str]) -> dict[str, str]:
        for pair in value.items():
            for name in pair:
                _check_field(name)
        return value

    @field_validator("variant_name")
    @classmethod
    def _template(cls, value: str) -> str:
        try:
            value.format(name="", options="", article="")
        except (KeyError, IndexError, ValueError):
            raise ValueError(T("Only {name}, {options} and {article} stand for something here.")) from None
        return value


class PriceSyncSettings(CatalogueSyncSettings):
    """What a step that keeps only prices in step has."""

    fields: tuple[str, ...] | None = ("price", "price.cost", "specials")
    """Price fields that are kept in step, as far as both sides have them."""
    create: Literal[False] = False
    """Products are not created by a step that is about prices."""

    @model_validator(mode="after")
    def _prices_only(self) -> PriceSyncSettings:
        wrong = [name for name in self.fields or () if not is_price(name)]
        if wrong:
            raise ValueError(T("`{name}` is no price.", name=wrong[0]))
        return self


class StockSyncSettings(SyncSettings):
    """What a step that keeps stock levels in step has."""

    warehouses: dict[str, Names] = Field(default_factory=dict)
    """Warehouse of the target -> warehouses of the source whose stock it shows: `{Основний: [main, shop]}`. Without it,
    all of the source together go to the only warehouse of the target."""
    buffer: Annotated[Decimal, Field(ge=0)] = Decimal(0)
    """So many of each are held back."""
    level: Literal["sellable", "on-hand"] = "sellable"
    """`sellable`: the target is to sell what the source may sell (on hand less reserved). `on-hand`: it is to have on
    hand what the source has, and subtracts its own reserves itself, as when a CRM reserves for orders of its own."""
    vanished: Literal["keep", "zero"] = "keep"
    """What happens to the stock of what was in step and has gone from the source."""
    max_stock_cut: Annotated[int, Field(ge=0, le=100)] | None = 50
    """Percent of the whole stock, or of the products that have any, that may go before a person is asked; `null`: it
    is not looked at."""


def is_price(name: str) -> bool:
    """Whether an offer's field is about prices."""
    return name in PRICE_FIELDS or name.startswith("price.")


def _check_field(name: str) -> None:
    if name not in OFFER_FIELDS and not (name.startswith("price.") and len(name) > len("price.")):
        raise ValueError(
            T("`{name}` is no field of a product.", name=name),
            T("Fields are: {names}.", names=", ".join(OFFER_FIELDS)),
        )
