"""What a letter to a site's developer says of a mistake in an order file: the rule, and a right example.

Rules about one element come from the schema's own documentation, the others from docs/order-format.md. A test holds
that every example is valid and that every code which can reach a site is explained.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pipeline.api import (
    Declared,
    Explained,
    Finding,
    Schema,
    T,
    Text,
    example_of,
    find_declared,
    schemas,
    verbatim,
)

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<orders xmlns="urn:mistok:order:1">\n'
_TAIL = "\n</orders>"
_CUSTOMER = """\
    <customer>
      <last-name>Шевченко</last-name>
      <first-name>Олена</first-name>
      <phone>+380671234567</phone>
    </customer>"""
_ITEM = """\
      <item>
        <code>0042</code>
        <name>Ґрунт акриловий 4+1 сірий, 0,8 л</name>
        <quantity>2</quantity>
        <price>389.50</price>
      </item>"""
_TAXED = _ITEM.replace("      </item>", "        <tax-rate>20</tax-rate>\n      </item>")


def _order(*more: str, item: str = _ITEM, total: str = "779.00", number: int = 4711) -> str:
    """A whole right order of two pieces at 389.50, by lines that begin at the depth of a file's orders."""
    lines = [
        "  <order>",
        f"    <id>{number}</id>",
        f"    <number>{number:08}</number>",
        "    <created>2026-11-20T14:05:00</created>",
        _CUSTOMER,
        f"    <items>\n{item}\n    </items>",
        *(f"    {one}" for one in more),
        "    <currency>UAH</currency>",
        f"    <total>{total}</total>",
        "  </order>",
    ]
    return "\n".join(lines)


def _file(*orders: str) -> str:
    return _HEAD + "\n".join(orders or (_order(),)) + _TAIL


def _bare(lines: str) -> str:
    """The same lines, from the edge on."""
    every = lines.split("\n")
    edge = len(every[0]) - len(every[0].lstrip())
    return "\n".join(line[edge:] for line in every)


_WHOLE = T(
    "The file is written under a temporary name that ends in .part, and renamed to .xml when it is whole. "
    "It ends with </orders>."
)
_ONE_DOCUMENT = T(
    "The file is one XML document: <?xml …?> is the very first thing in it, nothing stands after </orders>. "
    "In texts & is written &amp; and < is written &lt;; control characters stand nowhere."
)
_ROOT = T(
    "An order file begins with <orders xmlns={quoted}>, and holds one or more <order>.", quoted='"urn:mistok:order:1"'
)
_SMALL = T(
    "A file has at most as many bytes, elements and levels as the settings allow: a few hundred orders always fit."
)
_ENCODING = T("The file is in the encoding that its first line declares; UTF-8 is best.")
_SUMS = T(
    "total = sum of the lines - discounts of the order + delivery/cost + payment/fee + taxes, these only when "
    "prices-include-tax is false. A line is price x quantity - discount. The total is right to the cent."
)
_TAXES = T(
    "Tax is reckoned by rate: on items, delivery and fee of that tax-rate, after discounts. It is inside of the "
    "prices (sum x rate / (100 + rate)), or added to them when prices-include-tax is false; then <taxes> must be there."
)
_LINE = T(
    "A line is price x quantity - discount, to the cent; its discount is for the whole line, and at most its sum."
)
_STAYS = T("A file stays where it was put until Mistok takes it away; the site neither deletes nor changes it.")

_SUMMED = _order(
    "<discounts><discount><amount>50.00</amount></discount></discounts>",
    "<delivery><cost>80.00</cost></delivery>",
    total="809.00",
)
_WITH_TAX = _order(
    "<prices-include-tax>true</prices-include-tax>",
    "<taxes><tax><rate>20</rate><sum>129.83</sum></tax></taxes>",
    item=_TAXED,
)
_DISCOUNTED = _ITEM.replace("      </item>", "        <discount>79.00</discount>\n      </item>")

#: Code -> the rule, and the example. What is not here is explained by the schema.
_BY_CODE: Mapping[str, tuple[Text, str]] = {
    "not-xml": (_ONE_DOCUMENT, _file(_order("<comment>Болти &amp; гайки</comment>"))),
    "truncated": (_WHOLE, _file()),
    "incomplete": (_WHOLE, _file()),
    "unsafe": (T("The file has no <!DOCTYPE …> and no entities of its own."), _file()),
    "encoding": (_ENCODING, _file()),
    "guessed-encoding": (_ENCODING, _file()),
    "bom": (T("The file begins with <?xml …?>, without a byte order mark."), _file()),
    "too-large": (_SMALL, _file()),
    "too-deep": (_SMALL, _file()),
    "version": (_ROOT, _file()),
    "wrong-root": (_ROOT, _file()),
    "xsd-root": (_ROOT, _file()),
    "no-namespace": (_ROOT, _file()),
    "lost-copy": (_STAYS, _file()),
    "changed": (_STAYS, _file()),
    "twin-order": (
        T("An order stands once in a file, and its <id> is no other order's. A changed order comes in a new file."),
        _file(_order(), _order(number=4712)),
    ),
    "no-items": (T("An order has one <item> at least, in <items>."), _bare(f"    <items>\n{_ITEM}\n    </items>")),
    "no-code": (
        T("Each <item> has its article in <code>, just as the catalogue that the site was given has it."),
        _bare(_ITEM),
    ),
    "quantity": (T("A quantity is more than 0."), _bare(_ITEM)),
    "price": (T("A price is 0 or more; a gift is an item of price 0.00."), _bare(_ITEM.replace("389.50", "0.00"))),
    "discount": (_LINE, _bare(_DISCOUNTED)),
    "line-total": (_LINE, _bare(_ITEM.replace("      </item>", "        <total>779.00</total>\n      </item>"))),
    "subtotal": (T("<subtotal> is the sum of the lines, to the cent."), _bare(_order("<subtotal>779.00</subtotal>"))),
    "totals": (_SUMS, _bare(_SUMMED)),
    "negative": (
        T("Discounts, delivery cost and total are 0 or more: a discount is written without a minus."),
        _bare(_SUMMED),
    ),
    "number": (
        T("Numbers are those of an order: at most 10 digits before the point, and 4 after it."),
        _bare(_order()),
    ),
    "taxes": (_TAXES, _bare(_WITH_TAX)),
    "tax-rate": (T("Where <taxes> states a tax, each taxed <item> names its <tax-rate>."), _bare(_WITH_TAX)),
    "draft": (T("An order is sent when it is placed, not while the buyer is still filling it in."), _bare(_order())),
    "currency": (T("The currency is its three letters of ISO 4217: UAH, USD, EUR."), "<currency>UAH</currency>"),
    "garbled": (
        T("Texts are in the encoding that the file declares; the site reads its database as UTF-8 and writes UTF-8."),
        "<name>Ґрунт акриловий 4+1 сірий, 0,8 л</name>",
    ),
    "phone": (T("A telephone has its country code, or is a Ukrainian one."), "<phone>+380671234567</phone>"),
    "edrpou": (T("EDRPOU has 8 digits, and its last one proves the others."), "<edrpou>32855961</edrpou>"),
    "email": (T("A mail address is name@domain."), "<email>office@avtofarba.example</email>"),
}

_SCHEMA = frozenset({"xsd-missing", "xsd-unexpected", "xsd-attribute", "xsd-text", "xsd-value", "value"})
#: An order is shown with sums that agree, which examples of its elements one by one would not.
_COMPOSED = {"orders": _file(), "orders/order": _bare(_order()), "orders/order/items": _BY_CODE["no-items"][1]}


def explain(finding: Finding, settings: Any, base: Path, language: str) -> Explained | None:
    """The rule and a right example for a finding of a file of this format; None for what is no mistake of a site.

    ``language`` is that of the schema's own documentation in the rule (``uk`` or ``en``). Raises ConfigError when the
    client's own schema cannot be read.
    """
    if finding.code in _BY_CODE:
        rule, example = _BY_CODE[finding.code]
        return Explained(rule, example)
    if finding.code not in _SCHEMA:
        return None
    own = getattr(settings, "xsd", None)
    schema = Schema.load(base / own if own else schemas() / "order.xsd")
    path = finding.where.element or next(iter(schema.declarations.roots))
    plain = "/".join(step.partition("[")[0] for step in path.split("/"))
    if finding.code == "xsd-unexpected":
        plain = plain.rpartition("/")[0] or plain
    declared = find_declared(schema.declarations, plain)
    if declared is None:
        return None
    composed = "" if own else _COMPOSED.get(plain, "")
    return Explained(_WORDS[finding.code](declared, schema, language), composed or example_of(declared))


def _required(declared: Declared, _schema: Schema, language: str) -> Text:
    names = ", ".join(f"<{child.name}>" for child in declared.children if child.required)
    return T(
        "{meaning} In <{name}> must stand: {names}.", meaning=_said(declared, language), name=declared.name, names=names
    )


def _allowed(declared: Declared, _schema: Schema, language: str) -> Text:
    names = ", ".join(child.name for child in declared.children)
    return T(
        "{meaning} <{name}> may hold these elements, each once where it is no list: {names}.",
        meaning=_said(declared, language),
        name=declared.name,
        names=names,
    )


def _attributes(declared: Declared, _schema: Schema, language: str) -> Text:
    if not declared.attributes:
        return T("{meaning} <{name}> has no attributes.", meaning=_said(declared, language), name=declared.name)
    names = ", ".join(f'{name}="…"' for name, _required in declared.attributes)
    return T(
        "{meaning} <{name}> has these attributes and no others: {names}.",
        meaning=_said(declared, language),
        name=declared.name,
        names=names,
    )


def _value(declared: Declared, schema: Schema, language: str) -> Text:
    if declared.children:
        return _required(declared, schema, language)
    simple = schema.declarations.simple_types().get(declared.type_name)
    form = simple.docs.get(language, "") if simple else _BUILT_IN.get(declared.base, verbatim(declared.base))
    if declared.allowed:
        return T(
            "<{name}>: {meaning} Allowed: {allowed}.",
            name=declared.name,
            meaning=_said(declared, language),
            allowed=", ".join(declared.allowed),
        )
    return T("<{name}>: {meaning} {form}", name=declared.name, meaning=_said(declared, language), form=form)


def _said(declared: Declared, language: str) -> Text:
    return verbatim(declared.docs.get(language) or declared.docs.get("en", ""))


_BUILT_IN: Mapping[str, Text] = {
    "boolean": T("true, false, 1 or 0."),
    "date": T("A date: 2026-11-23."),
    "decimal": T("A number with a decimal point, without spaces."),
}
_WORDS: Mapping[str, Callable[[Declared, Schema, str], Text]] = {
    "xsd-missing": _required,
    "xsd-unexpected": _allowed,
    "xsd-attribute": _attributes,
    "xsd-text": _allowed,
    "xsd-value": _value,
    "value": _value,
}
