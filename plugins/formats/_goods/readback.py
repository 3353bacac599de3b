"""Columns and elements that are declared for writing a catalogue, as a mapping by which such a file is read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pipeline.api import ConfigError, T
from plugins.formats._columns.settings import Column

#: Field of a catalogue -> field of a mapping. What is not here, no product is known by.
_FIELDS = {
    "code": "code", "parent": "group", "name": "name", "short_description": "short_description",
    "description": "description", "category": "category", "price": "price", "currency": "currency",
    "special_price": "special_price", "special_start": "special_start", "special_end": "special_end",
    "stock": "stock", "unit": "unit", "barcode": "barcode", "manufacturer": "manufacturer", "weight": "weight",
    "published": "published",
}  # fmt: skip
_NUMBERS = frozenset({"price", "special_price", "stock", "weight"})
_DATES = frozenset({"special_start", "special_end"})
_WHOLE = "\0"  #: stands in no text: what is one name is not divided


def mapping_of(
    columns: Iterable[tuple[str, Column]], *, path_separator: str, list_separator: str, language: str
) -> dict[str, Any]:
    """``fields`` and what goes with them, of columns with their paths. Raises ConfigError without a column of codes.

    Args:
        language: of the texts that are taken where there are several; else the first.
    """
    fields: dict[str, Any] = {}
    prices: dict[str, Any] = {}
    images: list[str] = []
    more: dict[str, Any] = {"path_separator": path_separator, "list_separator": list_separator}
    texts: dict[str, str] = {}
    for path, column in columns:
        base, _, detail = (column.field or "").partition(".")
        rule = _rule(path, column, base)
        if base == "price" and detail:
            prices[detail] = rule
        elif base in ("image", "images"):
            images.append(path)
            more["list_separator"] = column.separator or list_separator
        elif base in _FIELDS:
            if base in texts and detail != language:
                continue  # a text of another language
            texts[base] = detail
            fields[_FIELDS[base]] = rule
            if base == "category":
                more["path_separator"] = _WHOLE if column.kind == "leaf" else column.separator or path_separator
    if "code" not in fields:
        raise ConfigError(
            T("No column or element is declared for `code`: nothing could be found by it."),
            hint=T("Add one with `field: code`."),
        )
    if images:
        fields["images"] = {"path": images}
    if prices:
        fields["prices"] = prices
    if "special_price" not in fields:
        fields = {name: rule for name, rule in fields.items() if name not in _DATES}
    # what is written there is the moment from which on it holds no more
    return {"fields": fields, "special_end": "excluded", **more}


def _rule(path: str, column: Column, base: str) -> dict[str, Any]:
    rule: dict[str, Any] = {"path": path}
    if base in _NUMBERS and column.decimal_mark == ",":
        rule["convert"] = [{"numbers": "1234,56"}]
    elif base in _DATES:
        rule["convert"] = [{"dates": column.date_format}]
    elif base == "published":
        rule["convert"] = [{"yes": [column.yes], "no": [column.no]}]
    if column.table:
        rule |= {"table": {there: ours for ours, there in column.table.items()}, "keep": True}
    return rule
