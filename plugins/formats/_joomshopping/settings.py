"""Parameters of the format ``joomshopping-csv``."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.api import CATALOGUE_FIELDS, Settings, T

Kind = Literal["text", "path", "leaf", "list", "pairs", "decimal", "integer", "date", "flag"]
Profile = Literal["core", "extended", "stock", "own"]
Encoding = Literal["utf-8", "windows-1251", "iso-8859-1"]

TEMPLATE_FIELD = re.compile(r"\{([^{}]*)\}")
_LANGUAGE = re.compile(r"[a-z]{2}-[A-Z]{2}")
_LOCALISED = frozenset(name.removesuffix(".LANG") for name in CATALOGUE_FIELDS if name.endswith(".LANG"))


def known_field(name: str) -> bool:
    """Whether a catalogue can be asked for ``name``. Without a language ``name`` means the main one."""
    base, _, detail = name.partition(".")
    if base in _LOCALISED:
        return not detail or _LANGUAGE.fullmatch(detail) is not None
    return name in CATALOGUE_FIELDS or (base == "price" and bool(detail))


class Column(Settings):
    """One column of an own layout: what its header says and what stands in it."""

    header: str
    """Text of the header cell."""
    field: str | None = None
    """Field of the catalogue: `code`, `name`, `name.ru-RU`, `price`, `price.old`, `stock`, `category`, `images`, …"""
    value: str | None = None
    """The same text in every row, instead of a field."""
    template: str | None = None
    """Text with fields in braces, such as `{manufacturer} {code}`, instead of a field."""
    kind: Annotated[Kind | None, Field(alias="as")] = None
    """How the field is written: `text`, `decimal`, `integer`, `date`, `flag`, `path` (category from the root down),
    `leaf` (the last category alone), `list`, `pairs`. By default as suits the field."""
    decimals: Annotated[int, Field(ge=0, le=6)] | None = None
    """Places after the point; by default two for stock, two to six (as many as the number has) for prices."""
    decimal_mark: Literal[".", ","] = "."
    """The point of decimals. JoomShopping itself only understands the dot."""
    separator: str | None = None
    """Between the parts of a `path`, `list` or `pairs`."""
    date_format: str = "%Y-%m-%d %H:%M:%S"
    """How dates are written (strftime), in the client's time zone."""
    yes: str = "1"
    """What a `flag` that holds is written as."""
    no: str = "0"
    """What a `flag` that does not hold is written as."""
    required: bool = False
    """An empty cell is an error."""
    max_length: Annotated[int, Field(ge=1)] | None = None
    """A longer cell is an error."""

    @model_validator(mode="after")
    def _one_source(self) -> Column:
        given = [name for name in ("field", "value", "template") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(T("A column has exactly one of `field`, `value`, `template`."))
        used = TEMPLATE_FIELD.findall(self.template) if self.template is not None else [self.field or ""]
        if self.value is None:
            for name in used:
                if not known_field(name):
                    near = get_close_matches(name, CATALOGUE_FIELDS, n=1)
                    if near:
                        raise ValueError(
                            T("`{name}` is no field of the catalogue; did you mean `{near}`?", name=name, near=near[0])
                        )
                    known = ", ".join(CATALOGUE_FIELDS)
                    raise ValueError(
                        T("`{name}` is no field of the catalogue; there are: {known}.", name=name, known=known)
                    )
        return self


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
