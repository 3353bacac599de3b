"""Everything of a product that can be mapped, field by field: the keys of ``fields`` in the YAML."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from pipeline.api import Settings, T
from plugins.formats._declared.fields import NamedValues
from plugins.formats._declared.rule import Kind, Rule
from plugins.formats._declared.settings import WaysSettings

Text = Rule | None
Note = Annotated[Rule | None, Kind("note")]
Number = Annotated[Rule | None, Kind("decimal")]
Moment = Annotated[Rule | None, Kind("moment")]


class OfferFields(Settings):
    """What a product without variants, or a variant, has."""

    code: Rule
    """Article: what it is found by in the other system. A row without it is left out and told."""
    id: Text = None
    """The file's own number of it, which stays the same for ever; the article when there is none."""
    model: Text = None
    """A second article, for `match: {keys: [sku, model]}`."""
    name: Text = None
    """Name."""
    description: Note = None
    """Description; HTML is kept as it is."""
    short_description: Note = None
    """Short description."""
    price: Number = None
    """Price, without any special price."""
    prices: Annotated[dict[str, Rule], Kind("decimal")] = Field(default_factory=dict)
    """Further prices by their kinds: `{cost: purchase_price}`."""
    currency: Annotated[Rule | None, Kind("currency")] = None
    """Currency of the prices: a code of ISO 4217, a word or a sign; the client's when there is none."""
    special_price: Number = None
    """Special price; an empty one means that there is none."""
    special_start: Moment = None
    """When it begins."""
    special_end: Moment = None
    """When it ends; a day without a time is its last day."""
    stock: Number = None
    """How much of it lies there, all together."""
    stocks: Annotated[dict[str, Rule], Kind("decimal")] = Field(default_factory=dict)
    """How much of it lies in each warehouse, by names of your own: `{main: rest_1}`."""
    unit: Text = None
    """Unit."""
    barcode: Text = None
    """Barcode."""
    manufacturer: Text = None
    """Manufacturer."""
    images: Text = None
    """Addresses of its pictures: everything that all of the paths have."""
    weight: Number = None
    """Weight in kilograms."""
    length: Number = None
    """Length in centimetres."""
    width: Number = None
    """Width in centimetres."""
    height: Number = None
    """Height in centimetres."""
    published: Annotated[Rule | None, Kind("flag")] = None
    """Whether it is shown to buyers."""
    options: dict[str, Rule] = Field(default_factory=dict)
    """What makes it a variant, by name: `{Колір: color}`."""
    named_options: NamedValues | None = None
    """Options that the file itself names."""

    @model_validator(mode="after")
    def _one_stock(self) -> OfferFields:
        if self.stock is not None and self.stocks:
            raise ValueError(T("Stock is either `stock` or `stocks`."))
        return self


class GoodsFields(OfferFields):
    """What a product has."""

    category: Text = None
    """Category: its path from the root down, or its number in `categories`."""
    group: Text = None
    """What the rows of one product's variants have in common. A row that it names by its article or number, and that
    has none itself, is the product; without such a row the product is as the first of them."""
    group_code: Text = None
    """Article of that product where it has no row of its own. Without it the product has none, and is known by its
    variants; a system that needs one (the books) refuses it."""


class GoodsSettings(WaysSettings):
    """What catalogue XML, CSV and JSON of any shape have in common."""

    fields: GoodsFields
    """Field of a product -> where it stands."""
    path_separator: str = Field(default="/", min_length=1)
    """Between the categories of a path."""
    list_separator: str = ""
    """Between addresses of pictures that stand in one value."""
    special_end: Literal["included", "excluded"] = "included"
    """Whether a day without a time, as the end of a special price, is its last day."""
    allow_empty: bool = False
    """A file without any product is fine; else it is refused."""

    @field_validator("fields")
    @classmethod
    def _special_has_price(cls, value: GoodsFields) -> GoodsFields:
        if value.special_price is None and (value.special_start or value.special_end):
            raise ValueError(T("`special_start` and `special_end` belong to `special_price`."))
        return value


class Variants(Settings):
    """Variants that stand inside of their product."""

    each: str
    """Path of the variants, beginning at the product."""
    fields: OfferFields
    """Field of a variant -> where it stands, beginning at the variant."""


class Categories(Settings):
    """A tree of categories that stands in the file for itself."""

    each: str
    """Path of the categories, from the root of the file."""
    id: Rule
    """Number, by which products name it."""
    parent: Text = None
    """Number of the category above it."""
    name: Rule
    """Name."""


class TreeSettings(GoodsSettings):
    """What formats with things inside of one another have, too."""

    product: str
    """Path of the products."""
    variants: Variants | None = None
    """Variants that stand inside of their product."""
    categories: Categories | None = None
    """A tree of categories that products name by number."""
