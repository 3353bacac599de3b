"""F37, F39-F42: what orders say, and what becomes of it in the books, read by plain SQL."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from pipeline.errors import Finding
from pipeline.resources import samples, schemas
from tests.faults import tally
from tests.faults.conftest import Victim

Make = Callable[[str, str], Victim]
GOOD = next(samples().glob("orders/good/single.xml")).read_text("utf-8")
LEDGERS = pytest.mark.parametrize("ledger", ["sqlite", "postgres"])


def books(victim: Victim, query: str) -> list[tuple[Any, ...]]:
    path = victim.folder / "books.sqlite3"
    if not path.exists():
        return []
    with closing(sqlite3.connect(path)) as conn:
        return [tuple(row) for row in conn.execute(query)]


def findings(victim: Victim, where: str = "state = 'open'") -> list[Finding]:
    """Of the cards, as a person would be told."""
    rows = victim.ledger_rows(f"SELECT findings FROM cards WHERE {where} ORDER BY id")
    return [
        Finding.from_json(one) for (words,) in rows for one in (json.loads(words) if isinstance(words, str) else words)
    ]


def order(number: int, **changes: str) -> str:
    """The sample order under another id; ``changes``: element -> its new content."""
    text = GOOD.replace("4701", f"{number}")
    for name, value in changes.items():
        begin, end = text.index(f"<{name}>"), text.index(f"</{name}>")
        text = f"{text[:begin]}<{name}>{value}{text[end:]}"
    return text


# --- F37 ---------------------------------------------------------------------------------------------------------

NAME = "Ґалаґан-Їжакевич"
ENCODED = {
    "utf-8": (GOOD.replace("Шевченко", NAME).encode(), True),
    "utf-8-bom": (b"\xef\xbb\xbf" + GOOD.replace("Шевченко", NAME).encode(), True),
    "windows-1251": (GOOD.replace("UTF-8", "windows-1251").replace("Шевченко", NAME).encode("cp1251"), True),
    "cp1251 in another spelling": (GOOD.replace("UTF-8", "CP1251").replace("Шевченко", NAME).encode("cp1251"), True),
    "utf-16 with BOM": (GOOD.replace("UTF-8", "UTF-16").replace("Шевченко", NAME).encode("utf-16"), True),
    "utf-16-be with BOM": (
        b"\xfe\xff" + GOOD.replace("UTF-8", "UTF-16").replace("Шевченко", NAME).encode("utf-16-be"),
        True,
    ),
    "undeclared utf-8": (GOOD.split("\n", 1)[1].replace("Шевченко", NAME).encode(), True),
    "undeclared windows-1251": (GOOD.split("\n", 1)[1].replace("Шевченко", NAME).encode("cp1251"), False),
    "declared utf-8, is windows-1251": (GOOD.replace("Шевченко", NAME).encode("cp1251"), False),
    "declared windows-1251, is utf-8": (
        GOOD.replace("UTF-8", "windows-1251").replace("Шевченко", NAME).encode(),
        False,
    ),
    "BOM of utf-8, is windows-1251": (b"\xef\xbb\xbf" + GOOD.replace("Шевченко", NAME).encode("cp1251"), False),
    "one broken byte": (GOOD.replace("Шевченко", NAME).encode().replace("Ї".encode(), b"\xd0"), False),
    "an encoding that nobody knows": (GOOD.replace("UTF-8", "martian-8").encode(), False),
    "utf-7": (GOOD.replace("UTF-8", "UTF-7").replace("Шевченко", "+BBY-").encode(), False),
    "letters garbled by the site": (
        GOOD.replace("Шевченко", "Шевченко".encode().decode("cp1251", "replace")).encode(),
        False,
    ),
}


@LEDGERS
def test_f37_every_encoding_is_read_rightly_or_not_at_all(make_victim: Make, ledger: str) -> None:
    victim = make_victim("local", ledger)
    for n, (data, _taken) in enumerate(ENCODED.values()):
        number = f"{5000 + n}"
        wide = data[:2] in (b"\xff\xfe", b"\xfe\xff")
        kind = ("utf-16-be" if data[:2] == b"\xfe\xff" else "utf-16-le") if wide else "ascii"
        victim.drop(f"{n:02}.xml", data.replace("4701".encode(kind), number.encode(kind)))
    tally.note("inputs", sum(not taken for _data, taken in ENCODED.values()))
    for _ in range(2):
        victim.run()
        victim.clock.ahead += timedelta(minutes=11)
    booked = dict(books(victim, "SELECT order_id, customer FROM documents"))
    for n, (name, (_data, taken)) in enumerate(ENCODED.items()):
        assert (f"{5000 + n}" in booked) == taken, name
        if taken:
            assert NAME in str(json.loads(booked[f"{5000 + n}"])), name
    everything = str(books(victim, "SELECT * FROM documents")) + str(books(victim, "SELECT * FROM document_lines"))
    assert "\ufffd" not in everything
    assert not any(sign in everything for sign in ("Ð", "Ñ", "РЎ", "Р°", "вЂ"))
    victim.check(lasting=True)

    # what declares nothing is read as the admin says
    victim.step = "format: {type: order-xml, encoding: windows-1251}"
    victim.run()
    place = 5000 + list(ENCODED).index("undeclared windows-1251")
    ((customer,),) = books(victim, f"SELECT customer FROM documents WHERE order_id = '{place}'")
    assert NAME in str(json.loads(customer))
    victim.check()


# --- F39 ---------------------------------------------------------------------------------------------------------

ORDER_STATUS = '<xs:element name="status" type="Status" minOccurs="0">'


@LEDGERS
def test_f39_a_new_element_of_the_shop_is_told_and_a_new_schema_mends_all(make_victim: Make, ledger: str) -> None:
    victim = make_victim("local", ledger)
    number = 5
    for n in range(number):
        text = order(6000 + n).replace("    <items>", "    <gift-wrap>стрічка</gift-wrap>\n    <items>")
        victim.drop(f"{n}.xml", text)
    victim.drop("company.xml")
    tally.note("inputs", number)
    report = victim.run()
    assert (report.counts["held"], report.counts["created"]) == (number, 1)
    found = findings(victim)
    assert len(found) == number
    line = text.splitlines().index("    <gift-wrap>стрічка</gift-wrap>") + 1
    for one in found:
        assert (one.where.line, one.where.column) == (line, 5)
        assert one.where.element == "orders/order/gift-wrap"
        for language in ("uk", "en"):
            words = one.text.render(language)
            assert "gift-wrap" in words
    assert found[0].text.render("uk") != found[0].text.render("en")
    victim.check(lasting=True)

    xsd = (schemas() / "order.xsd").read_text("utf-8")
    assert xsd.count(ORDER_STATUS) == 1
    known = '<xs:element name="gift-wrap" type="Line" minOccurs="0"/>'
    (victim.folder / "ours.xsd").write_text(xsd.replace(ORDER_STATUS, known + ORDER_STATUS), "utf-8")
    victim.step = "format: {type: order-xml, xsd: ours.xsd}"
    assert victim.run().counts == {"created": number}
    assert len(books(victim, "SELECT id FROM documents")) == number + 1
    assert findings(victim) == []
    victim.check()


@LEDGERS
def test_f39_files_of_a_new_vocabulary_are_quarantined_and_read_again_under_a_new_schema(
    make_victim: Make, ledger: str
) -> None:
    victim = make_victim("local", ledger)
    stamp = "  <export-id>77</export-id>\n  <order>"
    for n in range(3):
        victim.drop(f"{n}.xml", order(6100 + n).replace("  <order>", stamp, 1))
    tally.note("inputs", 3)
    assert victim.run().counts["quarantined"] == 3
    for one in findings(victim):
        assert (one.where.line, one.where.column, one.where.element) == (3, 3, "orders/export-id")
    xsd = (schemas() / "order.xsd").read_text("utf-8")
    old = '<xs:element name="order" type="Order" maxOccurs="unbounded"/>'
    assert xsd.count(old) == 1
    (victim.folder / "ours.xsd").write_text(
        xsd.replace(old, '<xs:element name="export-id" type="Line" minOccurs="0"/>' + old), "utf-8"
    )
    victim.check(lasting=True)
    victim.step = "format: {type: order-xml, xsd: ours.xsd}"
    victim.run()
    assert len(books(victim, "SELECT id FROM documents")) == 3, findings(victim)
    assert findings(victim) == []
    assert list(victim.inbox.iterdir()) == []
    victim.check()


# --- F40 ---------------------------------------------------------------------------------------------------------

OWN_STATUS = """
from dataclasses import replace
from pipeline.api import FormatPlugin, T, Decoded
from plugins.formats.order_xml import PLUGIN as ORIGINAL

class Free:
    def decode(self, data, settings, context):
        found = ORIGINAL.format.decode(data, settings, context)
        orders = tuple(
            replace(one, order=one.order and replace(one.order, status=one.order.manager_comment or "new"))
            for one in found.orders
        )
        return replace(found, orders=orders)

    def complete(self, tail, settings):
        return True

PLUGIN = FormatPlugin("free-status", T("reads the status from elsewhere"), Free(), ORIGINAL.settings)
"""
#: what is unknown -> (changes of the sample order, code of the finding, what it is about, the mapping that frees it)
UNKNOWN = {
    "product": ({"code": "НЕМА-77"}, "unknown-product", "sku:НЕМА-77", "sku: {НЕМА-77: '0042'}"),
    "currency": ({"currency": "XXX"}, "unknown-currency", "currency:XXX", "currency: {XXX: UAH}"),
    "warehouse": ({}, "unknown-warehouse", "warehouse:Склад 3", "warehouse: {Склад 3: main}"),
    "status": ({}, "unknown-status", "status:в обробці", "status: {В обробці: new}"),
}


@pytest.mark.parametrize("kind", UNKNOWN)
@LEDGERS
def test_f40_what_is_unknown_is_held_with_the_mapping_that_is_missing(
    make_victim: Make, ledger: str, kind: str
) -> None:
    changes, code, about, mapping = UNKNOWN[kind]
    victim = make_victim("local", ledger)
    text = order(6200, **changes)
    if kind == "warehouse":
        text = text.replace("    <items>", "    <warehouse>Склад 3</warehouse>\n    <items>")
    if kind == "status":
        victim.plugin("free", OWN_STATUS)
        text = text.replace("    <items>", "    <manager-comment>В обробці</manager-comment>\n    <items>")
    form = "format: {type: free-status}" if kind == "status" else ""
    victim.step = form
    victim.drop("a.xml", text)
    victim.drop("b.xml", text.replace("6200", "6201"))
    victim.drop("company.xml")
    tally.note("inputs", 2)
    report = victim.run()
    assert (report.counts["held"], report.counts["created"]) == (2, 1)
    assert [(one.code, one.about) for one in findings(victim)] == [(code, about)] * 2
    assert books(victim, "SELECT order_id FROM documents") == [("4705",)], "no default takes its place"
    victim.check()
    victim.step = ", ".join(part for part in (form, f"mappings: {{{mapping}}}") if part)
    assert victim.run().counts == {"created": 2}, "one mapping frees all that waited for it"
    assert findings(victim) == []
    victim.check()


def test_f40_a_tax_that_cannot_be_placed_is_held_and_goes_on_when_the_site_has_mended_it(make_victim: Make) -> None:
    victim = make_victim("local", "sqlite")
    tally.note("inputs")
    text = (
        order(6300, total="927.80")
        .replace("          <tax-rate>20</tax-rate>\n", "")
        .replace("        <tax-rate>20</tax-rate>\n", "")
    )
    taxes = (
        "    <prices-include-tax>false</prices-include-tax>\n"
        "    <taxes>\n      <tax><rate>7</rate><sum>70.00</sum></tax>\n"
        "      <tax><rate>20</rate><sum>8.80</sum></tax>\n    </taxes>\n"
    )  # fmt: skip
    victim.drop("a.xml", text.replace("    <currency>", taxes + "    <currency>"))
    assert victim.run().counts["held"] == 1
    assert {one.code for one in findings(victim)} == {"taxes"}
    assert books(victim, "SELECT order_id FROM documents") == []
    victim.check(lasting=True)
    victim.drop("a.xml", order(6300))
    assert victim.run().counts["created"] == 1
    victim.check()


# --- F41 ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("total", "step", "held", "rounding"),
    [
        ("849.00", "", False, "0.00"),
        ("849.01", "", False, "0.01"),
        ("848.99", "", False, "-0.01"),
        ("849.02", "", True, ""),
        ("848.98", "", True, ""),
        ("850.00", "", True, ""),
        ("849.01", "rounding: hold", True, ""),
        ("849.50", "tolerance: 0.50", False, "0.50"),
        ("849.51", "tolerance: 0.50", True, ""),
        ("849.01", "tolerance: 0", True, ""),
    ],
)
def test_f41_a_total_that_disagrees_is_held_or_evened_out_as_declared(
    make_victim: Make, total: str, step: str, held: bool, rounding: str
) -> None:
    victim = make_victim("local", "sqlite")
    victim.step = step
    tally.note("inputs")
    victim.drop("a.xml", order(6400, total=total))
    report = victim.run()
    rows = books(victim, "SELECT total, rounding, lines_sum, delivery_cost FROM documents")
    if held:
        assert report.counts["held"] == 1
        assert [one.code for one in findings(victim)] == ["totals"]
        assert rows == []
        text = findings(victim)[0].text.render("en")
        assert total.replace(".00", "") in text or total in text
    else:
        assert report.counts["created"] == 1
        ((booked, line, goods, delivery),) = [[Decimal(value) / 1_000_000 for value in row] for row in rows]
        assert booked == Decimal(total)
        assert line == Decimal(rounding)
        assert goods + delivery + line == booked
    victim.check()


# --- F42 ---------------------------------------------------------------------------------------------------------


@LEDGERS
def test_f42_a_gift_and_two_prices_of_one_product_are_lines_of_their_own(make_victim: Make, ledger: str) -> None:
    victim = make_victim("local", ledger)
    victim.drop("gift-and-two-prices.xml")
    tally.note("inputs")
    assert victim.run().counts["created"] == 1
    rows = books(victim, "SELECT code, quantity, price, sum FROM document_lines ORDER BY position")
    lines = [(code, *(Decimal(value) / 1_000_000 for value in numbers)) for code, *numbers in rows]
    assert lines == [
        ("D-150-P80", Decimal(10), Decimal("14.2"), Decimal(142)),
        ("D-150-P80", Decimal(5), Decimal("12.5"), Decimal("62.5")),
        ("MIX-600", Decimal(1), Decimal(0), Decimal(0)),
    ]
    ((total,),) = books(victim, "SELECT total FROM documents")
    assert Decimal(total) / 1_000_000 == Decimal("269.50")
    reserved = books(
        victim,
        "SELECT p.code, s.reserved FROM stock s JOIN products p ON p.id = s.product_id"
        " WHERE p.code IN ('D-150-P80', 'MIX-600') AND s.reserved > 0 ORDER BY 1",
    )
    assert [(code, Decimal(value) / 1_000_000) for code, value in reserved] == [
        ("D-150-P80", Decimal(15)),
        ("MIX-600", Decimal(1)),
    ]
    victim.check()
