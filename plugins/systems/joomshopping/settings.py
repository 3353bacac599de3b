"""Parameters of a JoomShopping shop that is reached by files."""

from __future__ import annotations

from datetime import timedelta
from difflib import get_close_matches
from typing import Annotated, Literal

from pydantic import Field, field_validator

from pipeline.api import Duration, Settings, T, TransportName

#: What a column of the export can be; further prices are ``price.KIND``.
COLUMN_FIELDS = (
    "id", "code", "manufacturer_code", "barcode", "parent", "options", "name", "short_description", "description",
    "category", "category_leaf", "price", "price.old", "price.cost", "currency", "stock", "unlimited", "unit", "weight",
    "published", "manufacturer", "image", "images", "updated_at",
)  # fmt: skip
LEFT_OUT = "-"


class ExportSettings(Settings):
    """The catalogue that the shop itself puts out."""

    folder: str = ""
    """Folder that the shop exports into, relative to the connection's root."""
    pattern: str = "*.csv"
    """Names of the exports (shell pattern, case ignored); of several the newest is read."""
    encoding: Literal["utf-8", "windows-1251", "iso-8859-1"] = "utf-8"
    """Encoding of the export; a file that is not in it is refused."""
    delimiter: Literal[";", ",", "|", "\t"] = ";"
    """Between cells."""
    columns: dict[str, str] = Field(default_factory=dict)
    """What columns with headers of your own are: `{Артикул: code, Ціна: price}`; `-` leaves a column out. The headers
    of JoomShopping and its usual add-ons are known."""
    path_separator: Annotated[str, Field(min_length=1)] = "/"
    """Between the categories of a path."""
    list_separator: Annotated[str, Field(min_length=1)] = "|"
    """Between image names, and between the attributes of a variant."""

    @field_validator("columns")
    @classmethod
    def _known(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value.values():
            if name not in (*COLUMN_FIELDS, LEFT_OUT):
                near = get_close_matches(name, COLUMN_FIELDS, n=1)
                if near:
                    raise ValueError(
                        T("`{name}` is nothing that a column can be; did you mean `{near}`?", name=name, near=near[0])
                    )
                raise ValueError(
                    T("`{name}` is nothing that a column can be: {names}.", name=name, names=", ".join(COLUMN_FIELDS))
                )
        return value


class UpdatesSettings(Settings):
    """The file of stock and prices that the shop takes."""

    folder: str = ""
    """Folder that the shop takes the file from, relative to the connection's root."""
    name: str = "stock.csv"
    """Name of the file."""
    header: bool = True
    """Write a header row; say the same to the shop's plug-in."""
    old_price: bool = False
    """Add a fourth column `old_price`, for a script of the shop's own; the plug-in knows three columns."""
    taken_after: Duration | None = timedelta(hours=1)
    """After so long a row counts as taken by the shop's plug-in, which leaves the file in its place: its interval,
    with room to spare. `null`: only when the shop has deleted the file."""

    @field_validator("taken_after")
    @classmethod
    def _some_time(cls, value: timedelta | None) -> timedelta | None:
        if value is not None and value <= timedelta(0):
            raise ValueError(T("`taken_after` must be longer than nothing."))
        return value


class ShopSettings(Settings):
    """A JoomShopping shop that is reached by files: it exports its catalogue, and takes stock and prices."""

    files: TransportName
    """Connection (a folder, SFTP or FTP) on which the shop's files lie."""
    export: ExportSettings = ExportSettings()
    """Where the shop puts its catalogue, and how it is written."""
    updates: UpdatesSettings | None = None
    """Where the shop takes stock and prices from; without it the shop is only read."""
    key: Literal["code", "manufacturer_code", "barcode"] = "code"
    """By what the shop's plug-in finds a product: the product code (`product_ean`), the manufacturer's code or the
    barcode (`real_ean`)."""
    language: Annotated[str, Field(pattern=r"^[a-z]{2}-[A-Z]{2}$")] = "uk-UA"
    """Language of the texts to read, where the export has several: `name_uk-UA`."""
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] | None = None
    """The shop's main currency, of prices in an export that has no column for it; the client's own by default."""
