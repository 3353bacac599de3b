"""Every mistake that can reach a site's developer is explained: by its rule, and by an example that is right itself."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from lxml import etree

from pipeline.cli.validate import judge
from pipeline.engine.cards.rules import RULES
from pipeline.errors import Finding, Where
from pipeline.flow import Explained, InboundStep, PlanContext
from pipeline.ports import FormatContext, OrderFormat
from pipeline.registry import load_registry
from pipeline.resources import samples, schemas
from pipeline.texts import T
from pipeline.xmlio import Schema
from pipeline.xmlio.example import example_of, find_declared
from pipeline.xmlio.parser import parse
from plugins.formats.order_xml import NAMESPACE

ROOT = Path(__file__).parents[2]
#: Where findings come from that a file or an order brings about.
ROOMS = ("pipeline/xmlio", "pipeline/engine", "pipeline/rules", "plugins/formats", "plugins/steps")
#: Codes made there that say `site` by default and never stand on a card of a file or an order, with the reason.
ELSEWHERE = {
    "nothing-to-do": "an end state, no card",
    "catalogue-altered": "a remark of an export",
    "csv-more": "of a catalogue",
    "csv-read-back": "of a catalogue",
    "csv-backslash": "a remark of an export",
    "csv-encoding": "of a catalogue",
    "csv-read": "of a catalogue",
    "xml-read": "of a catalogue",
    "twin-code": "of a catalogue",
    "no-category": "of a catalogue",
    "ambiguous-article": "of products in a sync, with its own advice",
    "no-article": "of products in a sync, with its own advice",
    "no-name": "of products in a sync, with its own advice",
    "no-price": "of products in a sync, with its own advice",
    "category-loop": "of products in a sync, with its own advice",
    "category-nameless": "of products in a sync, with its own advice",
    "no-paper": "of a copy of our own making, which no site has written",
    "differs": "a remark of a sync",
    "image-missing": "a remark of an export",
    "stopped": "of a run",
    "worker-lost": "of a run",
    "quiet-shop": "an alarm of a job, no card: nothing came that could be mended",
    "read-again": "an end state, no card",
}


#: Files of a client's own shape have codes of their own, and none of the order schema's.
DECLARED = re.compile(r"plugins/formats/(_declared/\w+|(xml|json|csv)_orders)\.py")
NATIVE = re.compile(r"plugins/formats/_?order_xml\w*\.py|pipeline/xmlio/schema\.py")

#: It has codes and rules of its own: see tests/formats/test_commerceml.py.
COMMERCEML = Path("plugins/formats/commerceml.py")
#: Its codes are the names of its rules.
XML_SCHEMA = Path("pipeline/xmlio/schema.py")
#: Files of goods hold no order, and nobody is written a letter about them.
GOODS = re.compile(r"plugins/formats/(_goods/\w+|(xml|json|csv)_goods)\.py")

#: Files whose codes are given to a function of their own.
FINDERS = {"_order_xml.py": ("_find", "_agrees"), "assemble.py": ("find", "_agrees"), "take.py": ("find",)}


def _constant(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _whose(call: ast.Call, place: int) -> str:
    """``site``, ``accountant`` … as the call says; the default of findings is the site."""
    given = next((one.value for one in call.keywords if one.arg == "who"), None)
    if given is None and len(call.args) > place:
        given = call.args[place]
    return ast.unparse(given).rpartition(".")[2].lower() if given is not None else "site"


def _codes(tree: ast.Module, inside: Path) -> Iterator[str]:
    name = inside.name
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func).rpartition(".")[2]
        first = _constant(node.args[0]) if node.args else None
        if called == "Finding" and first and "site" in _whose(node, 4):
            yield first
        elif called == "Rejected" and "site" in _whose(node, 99):
            code = next((_constant(one.value) for one in node.keywords if one.arg == "code"), None)
            if code:
                yield code
        elif called in FINDERS.get(name, ()) and first:
            yield first
        elif called == "_refused" and name == "jsontext.py" and (second := _constant(node.args[1])):
            yield second
    if inside == XML_SCHEMA:
        rules = {
            node.value.elts[0].value
            for node in ast.walk(tree)
            if isinstance(node, ast.Return)
            and isinstance(node.value, ast.Tuple)
            and node.value.elts
            and isinstance(node.value.elts[0], ast.Constant)
            and isinstance(node.value.elts[0].value, str)
        }
        assert {"missing", "unexpected", "value", "attribute", "text", "root"} <= rules
        yield from (f"xsd-{rule}" for rule in rules)
    if name == "import_orders.py":  # codes that stand in a table there
        yield from ("quantity", "price", "discount")


def site_codes(but: re.Pattern[str]) -> set[str]:
    found: set[str] = set()
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            inside = path.relative_to(ROOT)
            if inside != COMMERCEML and not any(one.fullmatch(inside.as_posix()) for one in (GOODS, but)):
                found.update(_codes(ast.parse(path.read_text("utf-8")), inside))
    return found - ELSEWHERE.keys()


@cache
def codes() -> list[str]:
    """Of orders in the shop's own XML; read from the code once, and not before a test asks."""
    return sorted(site_codes(DECLARED))


@cache
def declared_codes() -> list[str]:
    """Of files of one's own shape."""
    return sorted(site_codes(NATIVE))


#: One process of several: the whole code is read for them.
pytestmark = pytest.mark.xdist_group("codes")
PLUGIN = load_registry().formats["order-xml"]
SETTINGS = PLUGIN.settings()


def explain(code: str, element: str | None = None, language: str = "en") -> Explained | None:
    assert PLUGIN.explain is not None
    finding = Finding(code, T("Something."), Where("order.xml", 3, 5, element))
    return PLUGIN.explain(finding, SETTINGS, Path(), language)


def test_the_codes_are_found_by_reading_the_code() -> None:
    assert {"totals", "taxes", "not-xml", "truncated", "encoding", "unsafe", "twin-order", "garbled", "draft"} <= set(
        codes()
    )
    assert {"no-items", "subtotal", "line-total", "value", "version", "wrong-root", "xsd-missing"} <= set(codes())
    assert "unknown-product" not in codes()  # the accountant's
    assert len(codes()) > 30


@pytest.mark.parametrize("language", ["en", "uk"])
def test_each_code_that_can_reach_a_site_has_a_rule_and_an_example(language: str) -> None:
    for code in codes():
        found = explain(code, "orders/order/items/item[2]/price", language)
        assert found is not None, f"nobody tells a site what {code} means: see plugins/formats/_order_xml_rules.py"
        assert len(found.rule.render(language)) > 20, code
        assert found.example, code
        assert_valid(found.example, "orders/order/items/item/price")


@pytest.mark.parametrize("name", ["xml", "json", "csv"])
def test_each_code_of_a_file_of_one_s_own_shape_has_a_rule(name: str) -> None:
    plugin = load_registry().formats[name]
    assert plugin.explain is not None
    assert {"missing", "value", "no-orders", "columns", "not-csv", "not-json", "twin-key", "totals"} <= set(
        declared_codes()
    )
    assert not [code for code in declared_codes() if code.startswith("xsd-")]
    for code in declared_codes():
        found = plugin.explain(Finding(code, T("Something."), Where("orders", 3)), None, Path(), "en")
        rule = found.rule if found is not None else RULES.get(code)
        assert rule is not None, f"nobody tells a site what {code} means: see plugins/formats/_declared/explain.py"
        assert len(rule.render("en")) > 20


SCHEMA = Schema.load(schemas() / "order.xsd")
FULL = (samples() / "orders" / "good" / "full.xml").read_bytes()
PATHS = [path for path, _declared in SCHEMA.declarations.walk()]


def assert_valid(example: str, path: str) -> None:
    """Put the example into a whole file in the place of its element (the one at ``path``, else any of its name)."""
    fragment = etree.fromstring(example.encode())
    for element in fragment.iter():
        element.tag = f"{{{NAMESPACE}}}{str(element.tag).rpartition('}')[2]}"
    root: Any = etree.fromstring(FULL)
    steps = [f"{{{NAMESPACE}}}{step}" for step in path.split("/")]
    if fragment.tag == root.tag:
        root = fragment
    elif fragment.tag == steps[-1]:
        above = root
        for step in steps[1:-1]:  # what the whole file has not got is made: elements may stand in any order
            below = above.find(step)
            above = etree.SubElement(above, step) if below is None else below
        for twin in above.findall(fragment.tag)[:1]:
            above.remove(twin)
        above.append(fragment)
    else:
        target = next(root.iter(fragment.tag))
        target.getparent().replace(target, fragment)
    errors = SCHEMA.check(parse(etree.tostring(root), file="example.xml"))
    assert not errors, [str(error.message) for error in errors]


@pytest.mark.parametrize("rule", ["xsd-missing", "xsd-unexpected", "xsd-attribute", "xsd-text", "xsd-value", "value"])
def test_every_element_of_the_schema_is_explained(rule: str) -> None:
    for path in PATHS:
        for language in ("en", "uk"):
            element = f"{path}/nonsense" if rule == "xsd-unexpected" else path
            found = explain(rule, element, language)
            assert found is not None, path
            words = found.rule.render(language)
            assert path.rpartition("/")[2] in words, (path, words)
            assert_valid(found.example, path)


def test_each_element_s_example_is_valid_where_it_stands() -> None:
    tried = 0
    for path, declared in SCHEMA.declarations.walk():
        assert find_declared(SCHEMA.declarations, path) == declared
        assert_valid(example_of(declared), path)
        tried += 1
    assert tried == len(PATHS) > 100


def test_the_schema_s_words_are_in_the_rule() -> None:
    found = explain("xsd-value", "orders/order/items/item[2]/price")
    assert found is not None
    assert "no spaces" in found.rule.render("en")
    assert found.example == "<price>620.25</price>"
    found = explain("xsd-value", "orders/order/status", "uk")
    assert found is not None
    assert "cancelled" in found.rule.render("uk")
    assert "Стан замовлення" in found.rule.render("uk")
    missing = explain("xsd-missing", "orders/order")
    assert missing is not None
    assert "<currency>" in missing.rule.render("en")


def test_whole_examples_are_orders_that_the_import_takes() -> None:
    """Valid is not enough: their sums agree, and a step finds nothing wrong with them."""
    step = load_registry().steps["import-orders"]
    assert isinstance(step.kind, InboundStep)
    assert isinstance(PLUGIN.format, OrderFormat)
    context = FormatContext("acme", ZoneInfo("Europe/Kyiv"), "UAH", "uk-UA", datetime.now(UTC))
    tried = 0
    for code in codes():
        found = explain(code, "orders/order")
        assert found is not None, code
        example = found.example
        if example.startswith("<order>"):
            example = f'<?xml version="1.0" encoding="UTF-8"?>\n<orders xmlns="{NAMESPACE}">{example}</orders>'
        if not example.startswith("<?xml"):
            continue
        decoded = PLUGIN.format.decode(example.encode(), SETTINGS, context)
        assert not decoded.notes, code
        for one in decoded.orders:
            assert one.order is not None, (code, one.findings)
            values = PlanContext("acme", "UAH", datetime.now(UTC))
            settings = step.settings.model_construct()
            order = step.kind.normalise(deepcopy(one.order), settings, values)
            assert not step.kind.validate(order, settings, values), code
            tried += 1
    assert tried > 20


@pytest.mark.parametrize("path", sorted((samples() / "orders" / "bad").glob("*.xml")), ids=lambda path: path.stem)
def test_every_bad_sample_gets_its_rule(path: Path) -> None:
    (verdict,) = judge([path], {})
    told = [*verdict.findings, *(finding for one in verdict.orders for finding in one.findings)]
    expected = json.loads(path.with_suffix(".expected.json").read_text("utf-8"))
    if expected["outcome"] == "quarantined":
        assert told
    for finding in told:
        assert PLUGIN.explain is not None
        found = PLUGIN.explain(finding, SETTINGS, Path(), "en")
        assert found is not None, finding
        assert found.example
        assert_valid(found.example, re.sub(r"\[\d+\]", "", finding.where.element or "orders"))


def test_a_schema_of_one_s_own_explains_itself(tmp_path: Path) -> None:
    text = (schemas() / "order.xsd").read_text("utf-8").replace("(product_item_price)", "(our own words)")
    (tmp_path / "own.xsd").write_text(text, "utf-8")
    assert PLUGIN.explain is not None
    finding = Finding("xsd-value", T("Something."), Where("order.xml", 3, 5, "orders/order/items/item/price"))
    found = PLUGIN.explain(finding, PLUGIN.settings.model_validate({"xsd": "own.xsd"}), tmp_path, "en")
    assert found is not None
    assert "(our own words)" in found.rule.render("en")
