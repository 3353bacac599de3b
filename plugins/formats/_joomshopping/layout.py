"""Which columns a profile has. The tables in docs/catalogue-format.md are held to these by a test."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from pipeline.api import FormatContext
from plugins.formats._columns.settings import Column
from plugins.formats._columns.spec import Spec, default_spec, spec_of, used_fields
from plugins.formats._joomshopping.settings import JoomShoppingSettings

#: What the consumer does with a cell, as far as we know it: see check.py.
Rule = Literal["", "code", "name", "text", "price", "quantity", "stock", "tax", "date", "category"]


@dataclass(frozen=True, slots=True)
class Layout:
    """All that writing and checking need to know of one file's shape."""

    settings: JoomShoppingSettings
    context: FormatContext
    specs: tuple[Spec, ...]
    codec: str

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields to ask the catalogue for."""
        names = ["code", "parent"]
        for spec in self.specs:
            names += used_fields(spec)
        return tuple(dict.fromkeys(names))


def layout(settings: JoomShoppingSettings, context: FormatContext) -> Layout:
    """The columns that ``settings`` ask for."""
    languages = settings.languages or (context.language,)
    match settings.profile:
        case "core":
            specs = _core(languages[0])
        case "stock":
            specs = _stock()
        case "extended":
            specs = _extended(languages, with_variants=settings.variants == "rows")
        case "own":
            specs = tuple(_own(column, settings, languages[0]) for column in settings.columns)
    if settings.profile != "own":
        specs = tuple(_with_separators(spec, settings) for spec in specs)
    return Layout(
        settings, context, specs, {"windows-1251": "cp1251", "iso-8859-1": "latin-1"}.get(settings.encoding, "utf-8")
    )


def _core(language: str) -> tuple[Spec, ...]:
    return (
        # The importer ignores the id and inserts; an add-on that does read it takes an empty one for "new".
        Spec("product_id", value=""),
        Spec("ean", "code", required=True, rule="code"),
        Spec("qty", "stock", kind="decimal", round_down=True, required=True, rule="quantity"),
        Spec("date", "updated_at", kind="date", rule="date"),
        Spec("price", "price", kind="decimal", places=(6, 6), required=True, rule="price"),
        Spec("tax", "tax_rate", kind="decimal", rule="tax"),
        Spec("category", "category", kind="leaf", rule="category"),
        Spec("name", f"name.{language}", required=True, rule="name"),
        Spec("short_description", f"short_description.{language}", rule="text"),
        Spec("description", f"description.{language}", rule="text"),
    )


def _stock() -> tuple[Spec, ...]:
    return (
        Spec("id", "code", required=True, rule="code"),
        Spec("qty", "stock", kind="decimal", round_down=True, required=True, rule="stock"),
        Spec("price", "price", kind="decimal", places=(2, 6), required=True, rule="price"),
    )


def _extended(languages: tuple[str, ...], *, with_variants: bool) -> tuple[Spec, ...]:
    price = Spec("price", "price", kind="decimal", places=(2, 6), rule="price")
    texts = [
        Spec(
            f"{name}_{language}", f"{name}.{language}", required=rule == "name" and language == languages[0], rule=rule
        )
        for language in languages
        for name, rule in _TEXTS
    ]
    variants = (Spec("parent_ean", "parent"), Spec("attributes", "options", kind="pairs")) if with_variants else ()
    return (
        Spec("ean", "code", required=True, rule="code"),
        *variants,
        Spec("categories", "category", kind="path", rule="category"),
        *texts,
        replace(price, required=True),
        replace(price, header="old_price", field="price.old"),
        replace(price, header="special_price", field="special_price"),
        Spec("special_price_start", "special_start", kind="date", rule="date"),
        Spec("special_price_end", "special_end", kind="date", rule="date"),
        Spec("currency", "currency"),
        Spec("tax", "tax_rate", kind="decimal"),
        Spec("qty", "stock", kind="decimal", round_down=True, required=True, rule="quantity"),
        Spec("unlimited", value="0"),
        Spec("unit", "unit"),
        Spec("weight", "weight", kind="decimal", places=(4, 4)),
        Spec("publish", "published", kind="flag"),
        Spec("manufacturer", "manufacturer"),
        Spec("real_ean", "barcode"),
        Spec("image", "image", rule="name"),
        Spec("images", "images", kind="list"),
        Spec("date_modify", "updated_at", kind="date", rule="date"),
    )


_TEXTS: tuple[tuple[str, Rule], ...] = (("name", "name"), ("short_description", "text"), ("description", "text"))


def _own(column: Column, settings: JoomShoppingSettings, language: str) -> Spec:
    spec = spec_of(
        column,
        language,
        path_separator=settings.path_separator,
        list_separator=settings.list_separator,
        category=settings.category,
    )
    if column.field is None:
        return spec
    base = default_spec(column.field)
    numeric = spec.kind in {"decimal", "integer"}
    # A decimal comma, finer stock or a word in place of a number is what the client's importer wants: it does not hand
    # the cell to the shop's database as it stands, so the database's rules for numbers do not hold.
    finer = column.field == "stock" and spec.places[1] > base.places[1] and spec.kind != "integer"
    odd = (column.decimal_mark != "." and numeric) or (base.kind == "decimal" and not numeric) or finer or column.table
    return replace(
        spec,
        required=spec.required or column.field == "price",
        rule="" if odd else base.rule,
    )


def _with_separators(spec: Spec, settings: JoomShoppingSettings) -> Spec:
    if spec.field == "category" and settings.category:
        spec = replace(spec, kind=settings.category)
    if spec.kind == "path":
        return replace(spec, separator=settings.path_separator)
    return replace(spec, separator=settings.list_separator) if spec.kind in {"list", "pairs"} else spec
