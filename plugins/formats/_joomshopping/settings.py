"""Parameters of the format ``joomshopping-csv``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.api import Settings, T
from plugins.formats._columns.settings import Column

Profile = Literal["core", "extended", "stock", "own"]
Encoding = Literal["utf-8", "windows-1251", "iso-8859-1"]


class JoomShoppingSettings(Settings):
    """Parameters of the catalogue CSV for JoomShopping."""

    profile: Profile = "extended"
    """`core`: the ten columns of the shop's own importer. `extended`: named columns with everything. `stock`: code,
    stock and price. `own`: the columns listed in `columns` (which alone is enough to choose it)."""
    columns: tuple[Column, ...] = ()
    """Own columns, in order."""
    encoding: Encoding = "utf-8"
    """A character that it does not have stops the export, naming product and character."""
    languages: tuple[Annotated[str, Field(pattern=r"^[a-z]{2}-[A-Z]{2}$")], ...] = ()
    """Languages of texts, the main one first; the client's catalogue language when not given."""
    header: bool = True
    """Write the header row."""
    delimiter: Literal[";", ",", "|", "\t"] = ";"
    """Between cells. The shop's own importer only knows `;`."""
    variants: Literal["skip", "rows"] = "skip"
    """`skip`: base products only. `rows`: a row for each variant too, with `parent_ean` and `attributes`."""
    category: Literal["path", "leaf"] | None = None
    """The whole path of the category, or its last part; by default the leaf in `core`, the path elsewhere."""
    path_separator: Annotated[str, Field(min_length=1)] = "/"
    """Between the categories of a path."""
    list_separator: Annotated[str, Field(min_length=1)] = "|"
    """Between image names, and between the attributes of a variant."""
    newlines: Literal["space", "keep"] = "space"
    """Line breaks and tabs inside a text: one space instead, as the shop itself writes, or kept inside quotes."""
    backslash: Literal["space", "refuse"] = "space"
    """A backslash before a quote, or at the end of a quoted cell, makes PHP swallow what follows: put a space behind
    it, or stop the export."""
    four_byte: Literal["refuse", "keep"] = "refuse"
    """Characters such as emoji become `?` in the shop's tables, unless they are utf8mb4 (`keep`)."""
    same_leaf: Literal["refuse", "allow"] = "refuse"
    """Two categories of the same last name become one in the shop when only the leaf is written."""

    @model_validator(mode="before")
    @classmethod
    def _columns_choose_own(cls, data: object) -> object:
        if isinstance(data, dict) and data.get("columns") and "profile" not in data:
            return {**data, "profile": "own"}
        return data

    @model_validator(mode="after")
    def _fits(self) -> JoomShoppingSettings:
        if (self.profile == "own") != bool(self.columns):
            raise ValueError(T("`columns` belong to profile `own`, and `own` needs `columns`."))
        headers = [column.header for column in self.columns]
        if len(set(headers)) != len(headers):
            raise ValueError(T("Two columns have the same header."))
        if self.profile == "core" and self.variants == "rows":
            raise ValueError(T("The shop's importer (profile `core`) knows no variants."))
        if self.profile == "core" and (self.delimiter != ";" or not self.header):
            raise ValueError(T("The shop's importer (profile `core`) needs the delimiter `;` and skips the first row."))
        return self
