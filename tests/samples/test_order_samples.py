"""Every sample has a golden and every golden a sample; what the format makes of each is what the golden says.

Findings "by" the step or the engine (unknown product, totals, a repeated order) are not the format's to find: here such
orders must be read without a finding.
"""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pipeline.api import Decoded, Finding, FormatContext, Rejected, Schema, cents, parse_xml, schemas
from plugins.formats.order_xml import PLUGIN, OrderXmlSettings

ORDERS = Path(__file__).parents[2] / "samples" / "orders"
SAMPLES = sorted(ORDERS.rglob("*.xml"))
OUTCOMES = {"accepted", "known", "held", "quarantined"}


def golden(sample: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(sample.with_suffix(".expected.json").read_text(encoding="utf-8"))
    return data


def decode(sample: Path, **settings: Any) -> Decoded:
    context = FormatContext(
        client="demo",
        timezone=ZoneInfo("Europe/Kyiv"),
        currency="UAH",
        language="uk-UA",
        now=datetime(2026, 11, 22, tzinfo=UTC),
        file=sample.name,
    )
    decoded = PLUGIN.format.decode(sample.read_bytes(), OrderXmlSettings(**settings), context)  # type: ignore[union-attr]
    assert isinstance(decoded, Decoded)
    return decoded


def said(findings: tuple[Finding, ...]) -> list[tuple[str, int | None, str | None]]:
    return [(finding.code, finding.where.line, finding.where.element) for finding in findings]


def wanted(findings: list[dict[str, Any]]) -> list[tuple[str, int | None, str | None]]:
    return [(f["code"], f.get("line"), f.get("element")) for f in findings if f["by"] == "format"]


def identity(path: Path) -> str:
    return path.relative_to(ORDERS).as_posix()


def test_there_are_samples_and_each_has_its_golden_and_each_golden_its_sample() -> None:
    assert len(SAMPLES) >= 50
    missing = [identity(sample) for sample in SAMPLES if not sample.with_suffix(".expected.json").exists()]
    orphans = [
        identity(path)
        for path in ORDERS.rglob("*")
        if path.is_file() and path not in SAMPLES and Path(str(path).replace(".expected.json", ".xml")) not in SAMPLES
    ]
    assert (missing, orphans) == ([], [])


@pytest.mark.parametrize("sample", SAMPLES, ids=identity)
def test_a_sample_is_read_as_its_golden_says(sample: Path) -> None:
    expected = golden(sample)
    assert expected["outcome"] in OUTCOMES
    assert expected["about"]
    if expected["outcome"] == "quarantined":
        with pytest.raises(Rejected) as refused:
            decode(sample)
        # a rule of the golden without an element leaves it open
        got = [
            (code, line, element if want[2] else None)
            for (code, line, element), want in zip(
                said(refused.value.findings), wanted(expected["findings"]), strict=True
            )
        ]
        assert got == wanted(expected["findings"])
        return
    decoded = decode(sample)
    assert [note.code for note in decoded.notes] == expected["notes"]
    assert [(order.id, order.number) for order in decoded.orders] == [
        (o["id"], o["number"]) for o in expected["orders"]
    ]
    for order, want in zip(decoded.orders, expected["orders"], strict=True):
        assert said(order.findings) == wanted(want["findings"])
        assert all(finding.hint for finding in order.findings)
        assert (order.order is None) == bool(wanted(want["findings"]))
        if order.order is not None:
            assert (str(order.order.total), order.order.currency) == (want["total"], want["currency"])
            assert len(order.order.lines) == want["lines"]


@pytest.mark.parametrize("sample", SAMPLES, ids=identity)
def test_sums_agree_by_the_documented_rule_unless_the_golden_says_not(sample: Path) -> None:
    expected = golden(sample)
    if expected["outcome"] == "quarantined":
        return
    for decoded, want in zip(decode(sample).orders, expected["orders"], strict=True):
        order = decoded.order
        if order is None:
            continue
        total = sum((cents(line.price * line.quantity) - line.discount for line in order.lines), Decimal(0))
        total += order.delivery.cost + order.payment.fee - sum((d.amount for d in order.discounts), Decimal(0))
        if not order.prices_include_tax:
            total += sum((amount for _, amount in order.taxes), Decimal(0))
        disagrees = any(finding["code"] == "totals" for finding in want["findings"])
        assert (total != order.total) == disagrees


def test_every_code_is_a_sellable_product_of_the_sample_catalogue() -> None:
    with (ORDERS.parent / "products.csv").open(encoding="utf-8-sig", newline="") as source:
        rows = list(csv.DictReader(source, delimiter=";"))
    codes = {row["code"] for row in rows} - {row["parent"] for row in rows}
    for sample in SAMPLES:
        expected = golden(sample)
        if expected["outcome"] == "quarantined":
            continue
        unknown = any(finding["code"] == "unknown-product" for o in expected["orders"] for finding in o["findings"])
        used = {line.code for decoded in decode(sample).orders if decoded.order for line in decoded.order.lines}
        assert bool(used - codes) == unknown, identity(sample)


def test_twenty_is_twenty_orders_of_one_file_each() -> None:
    orders = [decode(sample).orders for sample in SAMPLES if sample.parent.name == "twenty"]
    assert len(orders) == 20
    assert len({found[0].id for found in orders if len(found) == 1 and found[0].order}) == 20


def test_ids_are_unique_but_for_the_samples_that_repeat_one() -> None:
    seen: dict[str, str] = {}
    for sample in SAMPLES:
        expected = golden(sample)
        for order in expected["orders"]:
            if "after" not in expected:
                assert order["id"] not in seen, f"{identity(sample)} and {seen.get(order['id'])}"
                seen[order["id"]] = identity(sample)
            else:
                assert (ORDERS / expected["after"]).exists()


def test_the_good_samples_show_every_element_of_the_schema() -> None:
    schema = Schema.load(schemas() / "order.xsd")
    declared = {entry.name for _, entry in schema.declarations.walk()}
    used: set[str] = set()
    for sample in (ORDERS / "good").glob("*.xml"):
        root = parse_xml(sample.read_bytes(), file=sample.name).root
        used |= {str(element.tag).rpartition("}")[2] for element in root.iter()}
    assert declared - used == set()


def test_undeclared_windows_1251_is_read_when_it_is_the_clients_default() -> None:
    sample = ORDERS / "bad" / "undeclared-1251.xml"
    order = decode(sample, encoding="windows-1251").orders[0].order
    assert order is not None
    assert order.customer.title == "Ґалаґан Євген Ігорович"
    assert order.lines[0].name == "Лак аерозольний глянцевий, 500 мл"


def test_the_autumn_hour_without_a_zone_is_the_clients_summer_time() -> None:
    first, second = decode(ORDERS / "good" / "autumn-night.xml").orders
    assert first.order is not None
    assert second.order is not None
    assert first.order.created_at.astimezone(UTC) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert second.order.created_at.astimezone(UTC) == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
