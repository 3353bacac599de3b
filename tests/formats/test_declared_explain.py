"""What a letter to a site says of a mistake in a file of its own shape: where a field stands and how it is written."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pipeline.api import Finding, FormatContext, T, Text, Where, field_name
from plugins.formats.csv_orders import PLUGIN as CSV
from plugins.formats.json_orders import PLUGIN as JSON
from plugins.formats.xml_orders import PLUGIN as XML

CONTEXT = FormatContext("demo", ZoneInfo("Europe/Kyiv"), "UAH", "uk-UA", datetime(2026, 11, 28, tzinfo=UTC), "x", "in")
FIELDS: dict[str, Any] = {"id": "@id", "created_at": "date", "total": "sum"}
ITEM: dict[str, Any] = {"code": "sku", "quantity": "n", "price": "p"}


def mapping(fields: dict[str, Any] | None = None, item: dict[str, Any] | None = None, **more: Any) -> Any:
    both = {"fields": {**FIELDS, **(fields or {})}, "item": {**ITEM, **(item or {})}}
    return XML.settings.model_validate({"order": "/shop/o", "items": "i", **more, **both})


def rule(by: Any, *names: str, code: str = "value", plugin: Any = XML) -> str:
    field = field_name(names)
    told = T("{field} cannot be read: {why}.", field=field, why=T("it is no number as {example}", example="1234.56"))
    told = Text.from_json(told.to_json())  # as it comes from the ledger
    found = plugin.explain(Finding(code, told, Where("x", 3)), by, Path(), "en")
    assert found is not None
    assert found.example == ""
    return str(found.rule.render("en"))


def test_the_rule_of_a_number_is_where_it_stands_and_how_it_is_written() -> None:
    by = mapping(numbers="1 234,56")
    assert rule(by, "total") == "total stands at `sum` and is written as here: 1 234,56. Every order has it."
    assert rule(by, "lines", "price") == (
        "items / price stands at `p` and is written as here: 1 234,56. Every item has it."
    )
    by = mapping({"delivery": {"cost": ["ship/cost", "ship"]}})
    assert rule(by, "delivery", "cost") == (
        "delivery / cost stands at `ship/cost`, `ship` and is written as here: 1234.56."
    )
    by = mapping({"delivery": {"cost": {"path": "ship", "convert": {"numbers": "1,234.56"}, "required": True}}})
    assert rule(by, "delivery", "cost").endswith("1,234.56. Every order has it.")


@pytest.mark.parametrize(
    ("rules", "example"),
    [
        ({"path": "date"}, "2026-11-28T14:05:00"),
        ({"path": "date", "convert": {"dates": "%d.%m.%Y %H:%M"}}, "28.11.2026 14:05"),
        ({"path": "date", "convert": {"dates": ["%d.%m.%y", "unix"]}}, "28.11.26, 1795874700"),
        ({"path": "date", "convert": {"dates": "unix-ms"}}, "1795874700000"),
    ],
)
def test_the_rule_of_a_date_has_a_date(rules: dict[str, Any], example: str) -> None:
    by = mapping({"created_at": rules})
    words = rule(by, "created_at")
    assert f"and is written as here: {example}. Every order has it." in words
    # and what it says is what is read
    if "," not in example:
        text = f'<shop><o id="1"><date>{example}</date><sum>1</sum><i><sku>a</sku><n>1</n><p>1</p></i></o></shop>'
        (order,) = XML.format.decode(text.encode(), by, CONTEXT).orders  # type: ignore[union-attr]
        assert order.findings == ()


def test_the_rule_of_a_table_names_what_it_knows() -> None:
    by = mapping({"status": {"path": "st", "table": {"Нове": "new", "Готово": "completed"}}})
    assert rule(by, "status") == "status stands at `st` and is one of these: Нове, Готово."
    by = mapping({"status": {"path": "st", "table": {f"s{n}": "new" for n in range(30)}}})
    assert rule(by, "status").endswith("s18, s19, ….")
    by = mapping({"status": {"path": "st", "table": {"Нове": "new"}, "keep": True}})
    assert "is written as here: new, confirmed, paid, shipped" in rule(by, "status")


def test_the_rule_of_yes_and_no() -> None:
    by = mapping({"prices_include_tax": "vat"}, yes=["да", "так"], no=["ні"])
    assert rule(by, "prices_include_tax").endswith("is written as here: да, так, ні.")
    by = mapping({"prices_include_tax": {"path": "vat", "convert": {"yes": ["+"]}}})
    assert rule(by, "prices_include_tax").endswith("is written as here: +.")
    assert rule(mapping({"prices_include_tax": "vat"}), "prices_include_tax").endswith("as here: true, false.")


def test_what_is_cut_out_of_another_text_has_no_example() -> None:
    by = mapping({"currency": {"path": "sum", "convert": "currency"}, "total": {"path": "sum", "convert": "money"}})
    assert rule(by, "currency") == "currency stands at `sum`."
    assert "1234.56" in rule(by, "total")
    assert rule(mapping({"number": {"path": "@n", "convert": {"regex": "№(.*)"}}}), "number") == (
        "order number stands at `@n`."
    )


def test_names_that_the_mapping_gives_are_found_too() -> None:
    by = mapping(
        {"extra": {"source_page": "page"}, "taxes": [{"rate": "vat/@rate", "sum": "vat"}]},
        {"attributes": {"Колір": "colour"}},
    )
    assert "`page`" in rule(by, "extra", "source_page")
    assert "`vat/@rate`" in rule(by, "taxes", "tax_rate")
    assert "`vat`" in rule(by, "taxes", "amount")
    assert "`colour`" in rule(by, "lines", "Колір")


def test_what_one_field_cannot_explain_is_explained_in_general() -> None:
    general = "A field says one thing, in the way that was agreed"
    by = mapping({"discounts": [{"amount": "a"}, {"amount": "b"}]})
    assert general in rule(by, "discounts", "amount")  # one of two
    assert general in rule(by, "comment")  # not mapped
    assert general in rule(None, "total")
    assert "are there in every order" in rule(None, "total", code="missing")


def test_json_and_csv_explain_themselves_as_well() -> None:
    fields = {"id": "id", "created_at": "at", "total": "sum"}
    item = {"code": "sku", "quantity": "n", "price": "p"}
    by = JSON.settings.model_validate({"order": "orders[*]", "items": "items[*]", "fields": fields, "item": item})
    assert "`sum`" in rule(by, "total", plugin=JSON)
    by = CSV.settings.model_validate({"order": "id", "numbers": "1234,56", "fields": fields, "item": item})
    assert "1234,56" in rule(by, "lines", "price", plugin=CSV)


def test_what_is_no_mistake_of_a_site_has_no_rule() -> None:
    assert XML.explain is not None
    assert XML.explain(Finding("unknown-product", T("No such product."), Where("x")), mapping(), Path(), "en") is None
