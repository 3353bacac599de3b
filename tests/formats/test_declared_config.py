"""Mistakes of a mapping are told by ``mistok check`` before any file comes: each at its line, with what to write."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.load import load_config
from pipeline.errors import ConfigError, Finding
from pipeline.flow import FormatSpec
from pipeline.texts import Text

HEAD = """\
client: demo
connections: {site: {type: local, path: site}, books: {type: books}}
jobs:
  orders:
    steps:
      - step: import-orders
        inbox: site
        into: books
        format:
"""
WHOLE = """\
          xml:
            order: /shop/o
            items: i
            fields:
              id: "@id"
              created_at: date
              total: sum
            item: {code: sku, quantity: n, price: p}
"""


@pytest.fixture
def load(tmp_path: Path) -> Callable[[str], Any]:
    def one(text: str) -> Any:
        path = tmp_path / "config.yaml"
        path.write_text(HEAD + text, encoding="utf-8")
        return load_config(path, environ={}).jobs["orders"].steps[0]

    return one


@pytest.fixture
def told(load: Callable[[str], Any]) -> Callable[[str], list[str]]:
    def lines(text: str) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            load(text)
        return [line_of(finding) for finding in caught.value.findings]

    return lines


def line_of(finding: Finding) -> str:
    where = finding.where
    place = (where.element or "-").removeprefix("jobs.orders.steps[0].format").removeprefix(".")
    hint = f" -> {finding.hint.render('en')}" if finding.hint else ""
    return f"{where.line}:{where.column} {place}: {finding.text.render('en')}{hint}"


def test_the_short_form_is_the_long_one(load: Callable[[str], Any]) -> None:
    short = load(WHOLE)
    long = load(WHOLE.replace("          xml:\n", "          type: xml\n").replace("            ", "          "))
    assert short.params.format.type == long.params.format.type == "xml"
    assert short.format_params == long.format_params
    assert FormatSpec.model_validate({"xml": {"a": 1}}) == FormatSpec.model_validate({"type": "xml", "a": 1})


XPATH = " -> Write such as `customer/phone`, `@id`, `param[@name='color']`."
#: What is changed (the mark ¦ shows where the mistake is to be told), the key, what is told.
MISTAKES: tuple[tuple[str, str, str, str], ...] = (
    ("xml:", "¦xnl:", "xnl", "Format `xnl` is not known. -> Did you mean `xml`?"),
    (
        "xml:",
        "¦joomshopping-csv:",
        "joomshopping-csv",
        (
            "Format `joomshopping-csv` is of the wrong kind for step `import-orders`. "
            "-> Known: commerceml, csv, json, order-xml, xml."
        ),
    ),
    (
        "xml:\n            order: /shop/o\n            items: i",
        "¦xml:\n            order: /shop/o",
        "xml.items",
        "`items` is missing.",
    ),
    ("/shop/o", "¦/shop/o[", "xml.order", f"`/shop/o[` is no XPath: Invalid expression.{XPATH}"),
    (
        "date",
        "¦o:date",
        "xml.fields.created_at",
        '`o:date` uses a namespace prefix that is not declared. -> Declare it: `namespaces: {o: "urn:…"}`.',
    ),
    (
        "date",
        "{path: date, convert: {dates: ¦'%d.%m'}}",
        "xml.fields.created_at.convert.dates",
        "`%d.%m` has no day, month and year. -> Write `iso`, `unix`, `unix-ms`, or one such as `%d.%m.%Y %H:%M`.",
    ),
    ("total: sum", "¦totl: sum", "xml.fields.totl", "Key `totl` is not known here. -> Did you mean `total`?"),
    (
        'id: "@id"\n              created_at: date\n              total: sum',
        '¦id: "@id"\n              created_at: date',
        "xml.fields",
        "An order has no `total`. -> Map `total`, or write `reckon_total: true` when the file has none.",
    ),
    (
        'id: "@id"\n              created_at: date\n              total: sum\n',
        '¦id: "@id"\n              created_at: date\n              total: sum\n            reckon_total: true\n',
        "xml.fields",
        "`reckon_total` is for files without a total, and `total` is mapped. -> Leave out one of them.",
    ),
    (
        "sum",
        "{path: sum, default: ¦'1,5'}",
        "xml.fields.total.default",
        "`1,5` is no number. -> Write it with a point, without blanks: 1240.50.",
    ),
    (
        "sum",
        "sum\n              status: {path: s, table: {a: new, b: ¦confirmd}}",
        "xml.fields.status.table.b",
        "`confirmd` is no status of an order. -> Did you mean `confirmed`?",
    ),
    (
        "sum",
        "sum\n              delivery: {service: {value: ¦drone}}",
        "xml.fields.delivery.service.value",
        "`drone` is no kind of delivery. -> Known: branch, locker, courier, pickup, other.",
    ),
    (
        "sum",
        "sum\n              payment: {status: {path: s, default: ¦payed}}",
        "xml.fields.payment.status.default",
        "`payed` is no status of a payment. -> Did you mean `paid`?",
    ),
    (
        "sum",
        "sum\n              customer: {kind: {value: ¦robot}}",
        "xml.fields.customer.kind.value",
        "`robot` is no kind of customer. -> Known: person, company.",
    ),
    (
        "sum",
        "sum\n              currency: {value: ¦грн}",
        "xml.fields.currency.value",
        "`грн` is no code of a currency. -> Write the three letters of ISO 4217: UAH.",
    ),
    (
        "sum",
        "sum\n              prices_include_tax: {value: ¦maybe}",
        "xml.fields.prices_include_tax.value",
        "`maybe` is neither true nor false. -> Write `true` or `false`.",
    ),
    (
        "sum",
        "sum\n              updated_at: {path: c, default: ¦yesterday}",
        "xml.fields.updated_at.default",
        "`yesterday` is no date. -> Write it as 2026-11-28 or 2026-11-28T14:05:00.",
    ),
    (
        "sum",
        "sum\n              discounts: [¦{name: a}]",
        "xml.fields.discounts[0]",
        "A discount has one of `amount`, `percent` and `leaves`.",
    ),
    (
        "sum",
        "sum\n              discounts: [{each: ¦'d[', amount: a}]",
        "xml.fields.discounts[0].each",
        f"`d[` is no XPath: Invalid expression.{XPATH}",
    ),
    (
        "sum",
        "sum\n              taxes: [{each: ¦'d[', rate: a, sum: b}]",
        "xml.fields.taxes[0].each",
        f"`d[` is no XPath: Invalid expression.{XPATH}",
    ),
    (
        "sum",
        "sum\n              named_extra: {each: ¦'d[', name: a, value: b}",
        "xml.fields.named_extra.each",
        f"`d[` is no XPath: Invalid expression.{XPATH}",
    ),
    ("sku", "{path: sku, convert: ¦uper}", "xml.item.code.convert", "`uper` is no converter. -> Did you mean `upper`?"),
    (
        "sku",
        "{path: sku, convert: [{regex: ¦'(a'}]}",
        "xml.item.code.convert[0].regex",
        "`(a` is no regular expression: missing ), unterminated subpattern at position 0.",
    ),
    ("sku", "{path: sku, convert: ¦{regex: a, group: 2}}", "xml.item.code.convert", "`a` has no group 2."),
    (
        "sku",
        "{path: sku, convert: ¦{numbers: '1234,56'}}",
        "xml.item.code.convert",
        (
            "This field holds a text: `numbers`, `dates`, `yes` and `no` do not belong here. -> "
            "Use `regex`, `replace` or a `table`."
        ),
    ),
    (
        "sku",
        "{path: sku, convert: {¦uper: true}}",
        "xml.item.code.convert.uper",
        "Key `uper` is not known here. -> Known: dates, group, no, numbers, regex, replace, strip, timezone, to, yes.",
    ),
    (
        "price: p",
        "price: {path: p, convert: ¦{dates: iso}}",
        "xml.item.price.convert",
        "This field takes `numbers`, not this.",
    ),
    (
        "price: p",
        "price: {path: p, convert: {numbers: ¦'1 234,5'}}",
        "xml.item.price.convert.numbers",
        "`1 234,5` is not one of the words known here. -> Did you mean `1 234,56`?",
    ),
    (
        "price: p",
        "price: ¦{path: p, value: '1'}",
        "xml.item.price",
        "A field has either `path` or `value`. -> Write a path, or `{value: …}` for the same always.",
    ),
    (
        "price: p",
        "price: ¦{value: '1', required: true}",
        "xml.item.price",
        "With `value` nothing else is needed: it is taken as it is.",
    ),
    (
        "price: p",
        "price: ¦{path: p, default: '1', required: true}",
        "xml.item.price",
        "`required` has no meaning where there is a `default`.",
    ),
    ("price: p", "price: ¦''", "xml.item.price", "The path is empty."),
    ("price: p", "price: ¦{path: [p, '']}", "xml.item.price", "The path is empty."),
    ("price: p", "price: ¦{path: p, keep: true}", "xml.item.price", "`keep` belongs to `table`."),
    (
        "            item:",
        "            encoding: ¦klingon\n            item:",
        "xml.encoding",
        "`klingon` is no encoding; write windows-1251, utf-8 or utf-16.",
    ),
    (
        "            item:",
        "            timezone: ¦Europe/Nowhere\n            item:",
        "xml.timezone",
        "There is no time zone Europe/Nowhere. -> Write it such as Europe/Kyiv",
    ),
    (
        "            item:",
        "            dates: ¦morning\n            item:",
        "xml.dates",
        "`morning` is no pattern of a date. -> Write `iso`, `unix`, `unix-ms`, or one such as `%d.%m.%Y %H:%M`.",
    ),
)


@pytest.mark.parametrize(("old", "new", "key", "expected"), MISTAKES, ids=lambda word: word if "¦" in word else "")
def test_a_mistake_is_told_at_its_place(
    told: Callable[[str], list[str]], old: str, new: str, key: str, expected: str
) -> None:
    assert WHOLE.count(old) == 1
    text = WHOLE.replace(old, new)
    before = (HEAD + text).partition("¦")[0]
    place = f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"
    assert told(text.replace("¦", "")) == [f"{place} {key}: {expected}"]


OTHERS = """\
          {form}
            fields: {{id: {id}, created_at: date, total: sum}}
            item: {{code: {code}, quantity: n, price: p}}
"""


@pytest.mark.parametrize(
    ("form", "ids", "code", "expected"),
    [
        ("json:", "id", "sku", "10:11 json.items: `items` is missing."),
        (
            "json:\n            items: items",
            "'a[b]'",
            "sku",
            (
                "12:26 json.fields.id: `a[b]` is no path into JSON. -> "
                "Write such as `customer.phone`, `items[*]`, `phones[0]`, `totals[code=shipping].value`."
            ),
        ),
        (
            "csv:\n            delimiter: ;;",
            "id",
            "sku",
            "11:24 csv.delimiter: The text is too long: at most 1 characters.",
        ),
        (
            "csv:\n            header: no",
            "'#1'",
            "'#2'",
            "12:44 csv.fields.created_at: Without a header a column goes by its number: `#1`, `#2`, …",
        ),
        (
            "csv:\n            items: {column: x, pattern: '(?P<sku>.*)'}",
            "id",
            "sky",
            "13:26 csv.item.code: `sky` is no group of `pattern`. -> Known: sku.",
        ),
        (
            "csv:\n            rows: {column: a, order: H}",
            "id",
            "sku",
            "11:13 csv.rows.item: `item` is missing.",
        ),
    ],
)
def test_mistakes_of_the_other_formats(
    told: Callable[[str], list[str]], form: str, ids: str, code: str, expected: str
) -> None:
    assert told(OTHERS.format(form=form, id=ids, code=code))[0] == expected


def test_mistakes_speak_ukrainian_too(load: Callable[[str], Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        load(WHOLE.replace("/shop/o", "/shop/o[").replace("price: p", "price: {path: p, default: x}"))
    for finding in caught.value.findings:
        assert isinstance(finding.hint, Text)
        for text in (finding.text, finding.hint):
            assert any("а" <= letter <= "я" for letter in text.render("uk"))


def test_all_mistakes_of_paths_are_told_at_once(told: Callable[[str], list[str]]) -> None:
    text = WHOLE.replace("items: i", "items: i[").replace("total: sum", "total: [sum, 'a[']").replace("sku", "s:k")
    assert [line.partition(":")[0] for line in told(text)] == ["12", "16", "17"]
    assert told(text)[1].startswith("16:28 xml.fields.total[1]")
