"""How the cells of one column are made of the catalogue's fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from dataclasses import field as made_by

from plugins.formats._columns.settings import TEMPLATE_FIELD, Column, Kind

DATE = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True, slots=True)
class Spec:
    """One column: where its cells come from, and how they are written."""

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
    table: Mapping[str, str] = made_by(default_factory=dict)
    rule: str = ""  #: what the consumer does with the cells, in a format's own words


def used_fields(spec: Spec) -> list[str]:
    """Fields that a column looks at."""
    if spec.template is not None:
        return TEMPLATE_FIELD.findall(spec.template)
    return [spec.field] if spec.field else []


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


def spec_of(
    column: Column, language: str, *, path_separator: str, list_separator: str, category: Kind | None = None
) -> Spec:
    """How a declared column is written; ``language`` is that of texts that name none."""
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
            table=column.table,
        )
    base = default_spec(column.field)
    kind = column.kind or (category if column.field == "category" and category else base.kind)
    places = base.places if base.kind == "decimal" else (2, 6)
    if column.decimals is not None:
        places = (column.decimals, column.decimals)
    return replace(
        base,
        header=column.header,
        field=localised(column.field, language),
        kind=kind,
        places=(0, 0) if kind == "integer" else places,
        decimal_mark=column.decimal_mark,
        separator=column.separator or (path_separator if kind == "path" else list_separator),
        date_format=column.date_format,
        yes=column.yes,
        no=column.no,
        required=base.required or column.required,
        max_length=column.max_length,
        table=column.table,
    )
