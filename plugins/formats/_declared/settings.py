"""The parameters that the declared formats have in common, and how their mistakes are found before any file comes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pydantic import Field, ValidationError, field_validator
from pydantic_core import InitErrorDetails

from pipeline.api import Settings, T, Text, known_encoding
from plugins.formats._declared.convert import check_dates, check_zone, unknown
from plugins.formats._declared.fields import ItemFields, OrderFields
from plugins.formats._declared.numbers import PLAIN, NumberStyle
from plugins.formats._declared.rule import KindName, Loc, Rule, rules
from plugins.formats._declared.values import ALLOWED, check_plain

#: Says what is wrong with a path at a place of the mapping; None: nothing.
PathCheck = Callable[[Loc, str], ValueError | None]
_FITS = {"number": {"decimal", "percent"}, "date": {"moment", "day"}, "flag": {"flag"}}


class WaysSettings(Settings):
    """How values are written in files of a client's own shape."""

    numbers: NumberStyle = PLAIN
    """How numbers are written, by an example; anything else is no number. `1 234,56` has blanks between thousands and a
    decimal comma."""
    dates: str | tuple[str, ...] = "iso"
    """How dates are written: `iso`, `unix` (seconds), `unix-ms`, or a pattern such as `%d.%m.%Y %H:%M`; of several the
    first that fits is taken."""
    timezone: str = ""
    """Time zone of dates that name none, such as `UTC`; the client's by default."""
    yes: tuple[str, ...] = ()
    """Words that mean yes, besides `true` and `1`."""
    no: tuple[str, ...] = ()
    """Words that mean no, besides `false` and `0`."""
    encoding: str | None = None
    """Encoding of files that declare none and have no byte order mark, such as `windows-1251`."""
    region: str = Field(default="UA", pattern="^[A-Z]{2}$")
    """Country (ISO 3166) that telephones without a country code belong to."""

    @field_validator("encoding")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is not None and known_encoding(value) is None:
            raise ValueError(T("`{value}` is no encoding; write windows-1251, utf-8 or utf-16.", value=value))
        return value

    @field_validator("dates")
    @classmethod
    def _dates_known(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        return check_dates(value)

    @field_validator("timezone")
    @classmethod
    def _zone_known(cls, value: str) -> str:
        return check_zone(value)


class DeclaredSettings(WaysSettings):
    """What XML, CSV and JSON of a client's own have in common."""

    fields: OrderFields
    """Field of an order -> where it stands."""
    item: ItemFields
    """Field of an item -> where it stands, beginning at the item."""
    reckon_total: bool = False
    """The file states no total: it is reckoned from the items, and nothing proves that all of them were read."""
    allow_empty: bool = False
    """A file without any order is fine; else it is refused."""
    source: str = ""
    """Name of the source for orders that name none; the inbox's name when left out."""


def check_mapping(settings: DeclaredSettings, own: dict[Loc, str], path_check: PathCheck) -> None:
    """Raises ValidationError with every mistake of a mapping, each at its place. ``own``: the format's own paths."""
    found: list[tuple[Loc, ValueError]] = []
    if (settings.fields.total is None) != settings.reckon_total:
        text = T("An order has no `total`.")
        hint = T("Map `total`, or write `reckon_total: true` when the file has none.")
        if settings.reckon_total:
            text = T("`reckon_total` is for files without a total, and `total` is mapped.")
            hint = T("Leave out one of them.")
        found.append((("fields",), ValueError(text, hint)))
    check_rules(settings, {**own, **dict(_eaches(settings))}, path_check, found)


def paths_of(settings: DeclaredSettings) -> Iterator[str]:
    """All paths of a mapping, but for those of the format itself."""
    yield from (path for _loc, path in _eaches(settings))
    for part in (settings.fields, settings.item):
        yield from (path for _loc, _kind, rule in rules(part) for path in rule.path)


def check_rules(
    settings: Settings, paths: dict[Loc, str], path_check: PathCheck, found: list[tuple[Loc, ValueError]]
) -> None:
    """Raises ValidationError with what is wrong in the rules and ``paths`` of a mapping, and what was ``found``."""
    for loc, path in paths.items():
        if wrong := path_check(loc, path):
            found.append((loc, wrong))
    for loc, kind, rule in rules(settings):
        found += [(where, ValueError(*words)) for where, words in _plain_mistakes(loc, kind, rule)]
        found += [
            ((*loc, "convert", index), _no_fit(kind))
            for index, one in enumerate(rule.convert)
            if one.kind != "text" and kind not in _FITS[one.kind]
        ]
        for index, path in enumerate(rule.path):
            if wrong := path_check((*loc, "path", index), path):
                found.append(((*loc, "path", index), wrong))
    raise_all(type(settings).__name__, found)


def raise_all(title: str, found: list[tuple[Loc, ValueError]]) -> None:
    """Raises all mistakes at once, as pydantic itself would, so that each is told at its own line.

    The input is an empty text, as none at all would be told at the key instead of the value.
    """
    if found:
        errors = [InitErrorDetails(type="value_error", loc=loc, input="", ctx={"error": error}) for loc, error in found]
        raise ValidationError.from_exception_data(title, errors)


def _plain_mistakes(loc: Loc, kind: KindName, rule: Rule) -> Iterator[tuple[Loc, tuple[Text, Text | None]]]:
    plain: dict[Loc, str] = {(*loc, "table", key): value for key, value in rule.table.items()}
    for name in ("value", "default"):
        if (value := getattr(rule, name)) is not None:
            plain[*loc, name] = value
    for where, value in plain.items():
        words = check_plain(kind, value)
        if words is None:
            continue
        if kind in ALLOWED:
            error = unknown(words[0], value, list(ALLOWED[kind]))
            words = (words[0], error.args[1])
        yield where, words


def _no_fit(kind: KindName) -> ValueError:
    names = {
        "decimal": "numbers",
        "percent": "numbers",
        "moment": "dates",
        "day": "dates",
        "flag": "yes",
    }
    if kind in names:
        return ValueError(T("This field takes `{name}`, not this.", name=names[kind]))
    return ValueError(
        T("This field holds a text: `numbers`, `dates`, `yes` and `no` do not belong here."),
        T("Use `regex`, `replace` or a `table`."),
    )


def _eaches(settings: DeclaredSettings) -> Iterator[tuple[Loc, str]]:
    fields, item = settings.fields, settings.item
    groups: list[tuple[Loc, str | None]] = []
    groups += [(("fields", "discounts", index), one.each) for index, one in enumerate(fields.discounts)]
    groups += [(("fields", "taxes", index), one.each) for index, one in enumerate(fields.taxes)]
    yield from (((*loc, "each"), each) for loc, each in groups if each is not None)
    if fields.named_extra is not None:
        yield ("fields", "named_extra", "each"), fields.named_extra.each
    if item.named_attributes is not None:
        yield ("item", "named_attributes", "each"), item.named_attributes.each
