"""What a letter to a site's developer says of a mistake in a file of the client's own shape: the rule that it breaks.

There is no schema to quote: the mapping itself says where a field stands and how it is written. A test holds that every
code which can reach a site is explained.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.api import Explained, Finding, T, Text, field_name
from plugins.formats._declared.rule import KindName, Loc, Rule, rules
from plugins.formats._declared.settings import DeclaredSettings
from plugins.formats._declared.values import ALLOWED

_MOMENT = datetime(2026, 11, 28, 14, 5, tzinfo=UTC)
_MANY = 20  #: words of a table that a rule repeats
_BESIDE = frozenset({"money", "percent", "positive"})  #: what they drop may stand beside a number, and need not
#: What no order and no item goes without, whatever the mapping says.
_ALWAYS = frozenset({("id",), ("created_at",), ("total",), ("lines", "quantity"), ("lines", "price")})

_WHOLE = T("A file is written under a temporary name, and gets its own name when it is whole.")
_SMALL = T(
    "A file has at most as many bytes, elements and levels as the settings allow: a few hundred orders always fit."
)
_ENCODING = T("A file is in the encoding that was agreed, from its first letter to its last; UTF-8 is best.")
_LINE = T("A line is price x quantity minus its discount, to the cent; the discount is at most the sum of the line.")
_SUMS = T(
    "The total is the sum of the lines, minus the discounts of the order, plus delivery and the payment's fee; taxes "
    "come on top of it only where prices are without them. It is right to the cent."
)
_TAXES = T(
    "Tax is reckoned by rate, after discounts: it is inside of the prices, or added to them when they are without tax; "
    "each item then says its rate."
)
_WRITTEN = T(
    "A field says one thing, in the way that was agreed; an order in which it says another waits for a person."
)
_THERE = T("The fields that were agreed are there in every order.")

_BY_CODE: Mapping[str, Text] = {
    "not-xml": T(
        "The file is one XML document: <?xml …?> is the very first thing in it, and nothing stands after the end of "
        "its root. In texts & is written &amp; and < is written &lt;; control characters stand nowhere."
    ),
    "unsafe": T("The file has no <!DOCTYPE …> and no entities of its own."),
    "not-json": T("The file is JSON as RFC 8259 has it: one document, or one order a line where that was agreed."),
    "twin-key": T("A key stands once in an object."),
    "not-csv": T(
        "The file is CSV as RFC 4180 has it: a cell with the separator, a line break or a quote stands in quotes, and "
        "a quote inside of it is written twice."
    ),
    "columns": T("The columns are those that were agreed, each there once, and every row has as many cells."),
    "no-orders": T("The file is built as was agreed: the orders stand where they always did, under the same names."),
    "truncated": _WHOLE,
    "incomplete": _WHOLE,
    "too-large": _SMALL,
    "too-deep": _SMALL,
    "encoding": _ENCODING,
    "guessed-encoding": _ENCODING,
    "bom": _ENCODING,
    "garbled": T("Texts are in the encoding of the file; the site reads its database as UTF-8 and writes UTF-8."),
    "missing": _THERE,
    "value": _WRITTEN,
    "no-items": T("An order has one item at least."),
    "no-code": T("Each item has its article, just as the catalogue that the site was given has it."),
    "quantity": T("A quantity is more than 0."),
    "price": T("A price is 0 or more; a gift is an item of price 0.00."),
    "number": T("Numbers are those of an order: at most 10 digits before the point, and 4 after it."),
    "negative": T("Discounts, delivery cost and total are 0 or more: a discount is written without a minus."),
    "discount": _LINE,
    "line-total": _LINE,
    "subtotal": T("The sum of the items is the sum of their lines, to the cent."),
    "totals": _SUMS,
    "taxes": _TAXES,
    "tax-rate": _TAXES,
    "draft": T("An order is sent when it is placed, not while the buyer is still filling it in."),
    "currency": T("The currency is its three letters of ISO 4217: UAH, USD, EUR."),
    "phone": T("A telephone has its country code, or is a Ukrainian one."),
    "edrpou": T("EDRPOU has 8 digits, and its last one proves the others."),
    "email": T("A mail address is name@domain."),
}


def explain(finding: Finding, settings: Any, base: Path, language: str) -> Explained | None:
    """The rule that a finding of a declared format tells of; None for what the engine explains itself."""
    del base, language  # nothing is read from the disk, and the rule is a text, which is put into any language later
    if finding.code in ("missing", "value") and isinstance(settings, DeclaredSettings):
        field = dict(finding.text.args).get("field")
        meant = [one for one in _mapped(settings) if one[2].path and field_name(one[0]) == field]
        if len(meant) == 1:  # of several discounts nobody can say here which one it was
            return Explained(_of_field(*meant[0], settings))
    found = _BY_CODE.get(finding.code)
    return Explained(found) if found is not None else None


def _of_field(names: tuple[str, ...], kind: KindName, rule: Rule, settings: DeclaredSettings) -> Text:
    places: dict[str, str | Text] = {
        "field": field_name(names),
        "path": ", ".join(f"`{one}`" for one in rule.path),
    }
    words = T("{field} stands at {path}.", **places)
    if rule.table and not rule.keep:
        known = list(rule.table)
        told = ", ".join(known[:_MANY]) + (", …" if len(known) > _MANY else "")
        words = T("{field} stands at {path} and is one of these: {known}.", **places, known=told)
    elif example := _example(kind, rule, settings):
        words = T("{field} stands at {path} and is written as here: {example}.", **places, example=example)
    if not rule.required and names not in _ALWAYS:
        return words
    if names[0] == "lines":
        return T("{rule} Every item has it.", rule=words)
    return T("{rule} Every order has it.", rule=words)


def _example(kind: KindName, rule: Rule, settings: DeclaredSettings) -> str:
    """How a value of this kind is written there; nothing where any text will do, or it is cut out of another."""
    if any(one.kind == "text" and one.to not in _BESIDE for one in rule.convert):
        return ""
    match kind:
        case "decimal" | "percent":
            number = rule.last("number")
            return number.numbers if number is not None and number.numbers else settings.numbers
        case "moment" | "day":
            day = rule.last("date")
            dates = day.dates if day is not None else settings.dates
            return ", ".join(_date(one) for one in ((dates,) if isinstance(dates, str) else dates))
        case "flag":
            flag = rule.last("flag")
            yes, no = (flag.yes, flag.no) if flag is not None else (settings.yes, settings.no)
            return ", ".join([*(yes or ("true",)), *(no or (() if yes else ("false",)))])
        case "currency":
            return "UAH"
        case "status" | "paid" | "service" | "party":
            return ", ".join(ALLOWED[kind])
        case "text" | "note":
            return ""


def _date(pattern: str) -> str:
    match pattern:
        case "iso" | "":
            return _MOMENT.replace(tzinfo=None).isoformat()
        case "unix":
            return str(int(_MOMENT.timestamp()))
        case "unix-ms":
            return str(int(_MOMENT.timestamp()) * 1000)
    return _MOMENT.strftime(pattern)


def _mapped(settings: DeclaredSettings) -> Iterator[tuple[tuple[str, ...], KindName, Rule]]:
    """Every rule of the mapping by the name that findings call its field."""
    for loc, kind, rule in rules(settings):
        yield _names(loc), kind, rule


def _names(loc: Loc) -> tuple[str, ...]:
    first, *rest = (part for part in loc if isinstance(part, str))
    if first == "item":
        return ("lines", *(part for part in rest if part not in ("attributes", "extra", "named_attributes")))
    if rest[0] == "taxes":
        return ("taxes", {"rate": "tax_rate", "sum": "amount"}[rest[1]])
    return tuple(rest)
