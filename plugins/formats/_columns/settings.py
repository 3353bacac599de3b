"""A column of a catalogue as the config declares it, for every format that writes columns."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.api import CATALOGUE_FIELDS, Settings, T

Kind = Literal["text", "path", "leaf", "list", "pairs", "decimal", "integer", "date", "flag"]

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
    """The point of decimals."""
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
    table: dict[str, str] = Field(default_factory=dict)
    """What would be written -> what is written instead, such as `{шт: pcs}`; other values stay."""

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
