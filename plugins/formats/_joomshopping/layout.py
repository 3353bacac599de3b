"""Which columns a profile has. The tables in docs/catalogue-format.md are held to these by a test."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from pipeline.api import FormatContext
from plugins.formats._joomshopping.settings import TEMPLATE_FIELD, Column, JoomShoppingSettings, Kind

#: What the consumer does with a cell, as far as we know it: see check.py.
Rule = Literal["", "code", "name", "text", "price", "quantity", "stock", "tax", "date", "category"]

DATE = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True, slots=True)
class Spec:
    """One column: where its cells come from, how they are written, and how the shop reads them."""

    header: str
    field: str = ""
    value: str | None = None
    template: str | None = None
    kind: Kind = "text"
    places: tuple[int, int] = (2, 2)  #: fewest and most digits after the point
    decimal_mark: str = "."
    round_down: bool = False
    separator: str = "/"
    date_format: str = DATE
    yes: str = "1"
    no: str = "0"
    required: bool = False
    max_length: int | None = None
    rule: Rule = ""


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


def used_fields(spec: Spec) -> list[str]:
    """Fields that a column looks at."""
    if spec.template is not None:
        return TEMPLATE_FIELD.findall(spec.template)
    return [spec.field] if spec.field else []


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

#: How a field is written when an own column does not say.
_BY_FIELD: dict[str, Spec] = {
    "code": Spec("", required=True, rule="code"),
    "name": Spec("", rule="name"),
    "short_description": Spec("", rule="text"),
    "description": Spec("", rule="text"),
    "category": Spec("", kind="path", rule="category"),
    "price": Spec("", kind="decimal", places=(2, 6), rule="price"),
    "special_price": Spec("", kind="decimal", places=(2, 6), rule="price"),
    "special_start": Spec("", kind="date"),
    "special_end": Spec("", kind="date"),
    "stock": Spec("", kind="decimal", round_down=True, required=True, rule="quantity"),
    "tax_rate": Spec("", kind="decimal", places=(0, 6)),
    "weight": Spec("", kind="decimal", places=(0, 6)),
    "images": Spec("", kind="list"),
    "published": Spec("", kind="flag"),
    "updated_at": Spec("", kind="date"),
    "options": Spec("", kind="pairs"),
}


def default_spec(field: str) -> Spec:
    """How ``field`` is written when nothing is said about it."""
    return _BY_FIELD.get(field.partition(".")[0], Spec(""))


def localised(field: str, language: str) -> str:
    """``name`` -> ``name.uk-UA``; fields that have no language stay."""
    return f"{field}.{language}" if field in {"name", "short_description", "description"} else field


def _own(column: Column, settings: JoomShoppingSettings, language: str) -> Spec:
    if column.field is None:
        template = column.template and TEMPLATE_FIELD.sub(
            lambda found: "{" + localised(found[1], language) + "}", column.template
        )
        return Spec(
            column.header,
            value=column.value,
            template=template,
            required=column.required,
            max_length=column.max_length,
        )
    base = default_spec(column.field)
    kind = column.kind or (settings.category if column.field == "category" and settings.category else base.kind)
    numeric = kind in {"decimal", "integer"}
    places = base.places if base.kind == "decimal" else (2, 6)
    if column.decimals is not None:
        places = (column.decimals, column.decimals)
    # A decimal comma, finer stock or a word in place of a number is what the client's importer wants: it does not hand
    # the cell to the shop's database as it stands, so the database's rules for numbers do not hold.
    rule = base.rule
    finer = column.field == "stock" and places[1] > base.places[1]
    if (column.decimal_mark != "." and numeric) or (base.kind == "decimal" and not numeric) or finer:
        rule = ""
    return replace(
        base,
        header=column.header,
        field=localised(column.field, language),
        kind=kind,
        places=(0, 0) if kind == "integer" else places,
        decimal_mark=column.decimal_mark,
        separator=column.separator or (settings.path_separator if kind == "path" else settings.list_separator),
        date_format=column.date_format,
        yes=column.yes,
        no=column.no,
        required=base.required or column.required or column.field == "price",
        max_length=column.max_length,
        rule=rule,
    )


def _with_separators(spec: Spec, settings: JoomShoppingSettings) -> Spec:
    if spec.field == "category" and settings.category:
        spec = replace(spec, kind=settings.category)
    if spec.kind == "path":
        return replace(spec, separator=settings.path_separator)
    return replace(spec, separator=settings.list_separator) if spec.kind in {"list", "pairs"} else spec
