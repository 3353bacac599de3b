"""The pure parts of import-orders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.api import (
    Action,
    CreateDocument,
    Discount,
    Found,
    HoldOrder,
    NothingToDo,
    Order,
    OrderLine,
    Party,
    PlanContext,
    Ref,
)
from plugins.steps.import_orders import PLUGIN, ImportOrdersSettings, normalise, plan, validate, wanted

D = Decimal
NOW = datetime(2026, 11, 22, tzinfo=UTC)
CONTEXT = PlanContext("demo", "UAH", NOW)
KNOWN = {
    ("currency", "UAH"): Ref("1", "UAH"),
    ("party", "0042"): Ref("5", "0042"),
    ("object", "01"): Ref("6", "01"),
    ("user", "anna"): Ref("7", "anna"),
    ("executor", "petro"): Ref("8", "petro"),
    ("warehouse", "main"): Ref("9", "main"),
}


def settings(**more: Any) -> ImportOrdersSettings:
    return ImportOrdersSettings.model_validate({"inbox": "site", "into": "books", **more})


def order(**more: Any) -> Order:
    values: dict[str, Any] = {
        "id": "1",
        "number": "00000001",
        "source": "shop",
        "created_at": NOW,
        "currency": "UAH",
        "customer": Party(first_name=" Олена ", phone="067 123 45 67", email="O@Example.com"),
        "lines": (
            OrderLine(code="A", name="Ґрунт", quantity=D(2), price=D("10.00"), number=1, source_line=12),
            OrderLine(code="B", name="Лак", quantity=D(1), price=D("0.00"), number=2, source_line=20),
        ),
        "total": D("20.00"),
    }
    return Order(**values | more)


def found(products: Mapping[str, int] | None = None, **references: Ref) -> Found:
    asked = {"A": 1, "B": 1} if products is None else products
    refs = {
        code: tuple(Ref(f"{n}", f"{code}{n or ''}") for n in range(count)) for code, count in asked.items() if count
    }
    return Found(refs, {**KNOWN, **{("warehouse", name): ref for name, ref in references.items()}})


def act(one: Order, options: ImportOrdersSettings | None = None, seen: Found | None = None, **context: Any) -> Action:
    return plan(one, "demo/shop/1/create/0", options or settings(), replace(CONTEXT, **context), seen or found())


def held(action: Action) -> list[str]:
    assert isinstance(action, HoldOrder)
    return [finding.code for finding in action.findings]


def wrong(one: Order, **options: Any) -> list[str]:
    return [finding.code for finding in validate(one, settings(**options), CONTEXT)]


def test_a_good_order_becomes_a_document() -> None:
    one = normalise(order(comment="Дзвоніть  ввечері", source_number="MP-7"), settings(), CONTEXT)
    assert validate(one, settings(), CONTEXT) == ()
    action = act(one)
    assert isinstance(action, CreateDocument)
    draft = action.draft
    assert draft.key == "demo/shop/1/create/0"
    assert [ref.code for ref in draft.products] == ["A", "B"]
    assert draft.client is draft.object is draft.user is draft.executor is draft.warehouse is None
    assert draft.comment == "shop № 00000001 MP-7\nДзвоніть ввечері"
    assert draft.rounding is None
    assert action.notes == ()


def test_normalising_is_tidy_and_loses_nothing() -> None:
    one = normalise(order(currency=" uah", status=" New "), settings(), CONTEXT)
    assert (one.currency, one.status, one.customer.first_name) == ("UAH", "new", "Олена")
    assert (one.customer.phone, one.customer.email) == ("+380671234567", "o@example.com")
    assert len(one.lines) == 2
    assert normalise(one, settings(), CONTEXT) == one


def test_defaults_are_constants_or_taken_from_the_order() -> None:
    options = settings(
        client={"from": "customer.code", "else": "0042"},
        object="01",
        user={"from": "manager", "map": {"Анна К.": "anna"}},
        executor={"from": "manager", "else": "petro"},
    )
    one = order(manager="Анна К.")
    assert wanted(one, options, CONTEXT).references == {
        ("currency", "UAH"),
        ("party", "0042"),
        ("object", "01"),
        ("user", "anna"),
        ("executor", "Анна К."),
    }
    assert held(act(one, options)) == ["unknown-executor"]  # never the default in its place
    action = act(replace(one, manager=""), options)
    assert isinstance(action, CreateDocument)
    codes = [
        ref and ref.code for ref in (action.draft.client, action.draft.object, action.draft.user, action.draft.executor)
    ]
    assert codes == ["0042", "01", None, "petro"]


def test_the_orders_own_warehouse_is_used_when_it_names_one() -> None:
    action = act(order(warehouse="main"))
    assert isinstance(action, CreateDocument)
    assert action.draft.warehouse == Ref("9", "main")
    assert held(act(order(warehouse="Склад 3"))) == ["unknown-warehouse"]
    mapped = {("warehouse", "Склад 3"): "main"}
    assert isinstance(act(order(warehouse="Склад 3"), mappings=mapped), CreateDocument)
    assert ("warehouse", "main") in wanted(
        order(warehouse="Склад 3"), settings(), replace(CONTEXT, mappings=mapped)
    ).references


@pytest.mark.parametrize("status", ["cancelled", "refunded", "Cancelled"])
def test_f43_cancelled_before_it_came_is_nothing_to_do(status: str) -> None:
    one = order(status=status, lines=(), total=D("99.00"))
    assert wrong(one) == []
    assert wanted(one, settings(), CONTEXT).products == frozenset()
    action = act(one)
    assert isinstance(action, NothingToDo)
    assert status in action.reason.render("en")


def test_statuses_can_be_told_otherwise() -> None:
    assert isinstance(act(order(status="cancelled"), settings(statuses={"cancelled": "create"})), CreateDocument)
    assert held(act(order(status="new"), settings(statuses={"NEW": "hold"}))) == ["status"]
    assert isinstance(act(order(status="refunded"), settings(statuses={"draft": "nothing"})), NothingToDo)


def test_f40_what_is_not_known_is_held_with_the_mapping_that_is_missing() -> None:
    action = act(order(currency="EUR"), settings(object="09"), found({"A": 0, "B": 2}))
    assert held(action) == ["unknown-product", "ambiguous-product", "unknown-object", "unknown-currency"]
    assert isinstance(action, HoldOrder)
    missing, several = action.findings[:2]
    assert (missing.where.order, missing.where.order_line, missing.where.line) == ("00000001", 1, 12)
    assert missing.hint is not None
    assert "mappings: {sku: {A: …}}" in missing.hint.render("en")
    assert "B, B1" in several.text.render("en")


def test_a_mapping_of_a_product_is_used() -> None:
    mapped = {("sku", "A"): "REAL"}
    assert wanted(order(), settings(), replace(CONTEXT, mappings=mapped)).products == {"REAL", "B"}
    action = act(order(), seen=found({"REAL": 1, "B": 1}), mappings=mapped)
    assert isinstance(action, CreateDocument)
    assert action.draft.products[0].code == "REAL"


def test_only_the_named_currencies_are_taken() -> None:
    assert held(act(order(), settings(currencies=["EUR"]))) == ["unknown-currency"]


def test_f41_totals_that_disagree_are_held_with_both_sums_and_the_difference() -> None:
    (finding,) = validate(order(total=D("19.50")), settings(), CONTEXT)
    assert finding.code == "totals"
    assert finding.text.render("en") == ("Order 00000001 says 19.50 UAH, its parts make 20.00: a difference of -0.50.")


def test_f41_a_cent_is_evened_out_or_held_as_told() -> None:
    one = order(total=D("20.01"))
    assert wrong(one) == []
    action = act(one)
    assert isinstance(action, CreateDocument)
    assert action.draft.rounding == D("0.01")
    assert wrong(one, rounding="hold") == ["totals"]
    assert wrong(order(total=D("20.02"))) == ["totals"]
    assert wrong(order(total=D("20.02")), tolerance="0.05") == []


@given(st.decimals("-3", "3", places=2))
def test_within_tolerance_the_document_always_has_the_stated_total(difference: Decimal) -> None:
    one = order(total=D("20.00") + difference)
    if validate(one, settings(tolerance="1"), CONTEXT):
        assert abs(difference) > 1
    else:
        action = act(one)
        assert isinstance(action, CreateDocument)
        assert D("20.00") + (action.draft.rounding or 0) == one.total


def line(**more: Any) -> Order:
    return order(lines=(replace(order().lines[0], **more),))


@pytest.mark.parametrize(
    ("one", "codes"),
    [
        (order(lines=(), total=D(0)), ["no-items"]),
        (line(code=""), ["no-code"]),
        (line(quantity=D(-1)), ["quantity"]),
        (line(quantity=D(0)), ["quantity"]),
        (line(price=D(-1)), ["price"]),
        (line(discount=D("-0.01")), ["discount"]),
        (line(discount=D("20.01")), ["discount"]),
        (order(currency="грн"), ["currency"]),
        (order(discounts=(Discount(amount=D(-5)),)), ["negative"]),
        (order(total=D(-20)), ["negative"]),
    ],
)
def test_what_is_wrong_in_itself(one: Order, codes: list[str]) -> None:
    assert wrong(one) == codes


@pytest.mark.parametrize(
    "one",
    [
        line(price=D(10) ** 13),
        line(price=D(10) ** 11, quantity=D(10) ** 11),
        line(quantity=D(10) ** 40),
        line(discount=D("NaN")),
        order(total=D("Infinity")),
        order(discounts=(Discount(amount=D(10) ** 30),)),
    ],
)
def test_numbers_that_break_reckoning_are_findings(one: Order) -> None:
    assert wrong(one) == ["number"]


@pytest.mark.parametrize(
    ("discount", "total", "codes"),
    [
        ("0.0050", "19.9950", []),
        ("0.0050", "20.00", []),
        ("0.0050", "19.99", []),
        ("13.3333", "6.6667", []),
        ("13.3333", "6.67", []),
        ("13.3333", "6.66", []),
        ("13.3333", "6.65", ["totals"]),
    ],
)
def test_parts_finer_than_a_cent_are_rounded_once(discount: str, total: str, codes: list[str]) -> None:
    one = line(discount=D(discount))
    one = replace(one, total=D(total))
    assert wrong(one) == codes
    for finding in validate(one, settings(), CONTEXT):
        assert finding.text.render("en").endswith("says 6.65 UAH, its parts make 6.67: a difference of -0.02.")


def test_a_shop_that_rounds_every_line_is_right_and_so_is_one_that_rounds_the_end() -> None:
    five = order(lines=(replace(order().lines[0], quantity=D(1), price=D("33.335")),) * 5)
    for total in ("166.675", "166.68", "166.70"):
        assert wrong(replace(five, total=D(total)), rounding="hold") == [], total
    assert wrong(replace(five, total=D("166.60"))) == ["totals"]


def taxed(*taxes: tuple[str, str], rate: str | None = "20", **more: Any) -> Order:
    one = line(tax_rate=D(rate) if rate else None)
    return replace(one, taxes=tuple((D(a), D(b)) for a, b in taxes), **more)


def test_stated_taxes_are_compared_by_rate_and_both_sums_are_told() -> None:
    assert wrong(taxed(("20", "3.33"))) == []
    assert wrong(taxed(("20", "3.35"))) == []  # two cents
    (finding,) = validate(taxed(("20", "99.00")), settings(), CONTEXT)
    assert finding.code == "taxes"
    assert finding.text.render("en") == "Order 00000001 states a tax of 20 % of 99.00, its items make 3.33."
    other, missing = validate(taxed(("7", "1.31")), settings(), CONTEXT)
    assert other.text.render("en") == "Order 00000001 states a tax of 7 % of 1.31, its items make 0.00."
    assert missing.text.render("en") == "Order 00000001 states no tax of 20 %, its items make 3.33."


def test_a_stated_rate_that_no_item_names_is_a_remark() -> None:
    for tax, words in (("3.33", "20 % is taken"), ("1.00", "it is not booked")):
        one = taxed(("20", tax), rate=None)
        assert wrong(one) == []
        action = act(one, seen=found({"A": 1}))
        assert isinstance(action, CreateDocument)
        assert [note.code for note in action.notes] == ["tax-rate"]
        assert words in action.notes[0].text.render("en")


def test_tax_that_is_added_must_be_told_apart_and_explains_a_total() -> None:
    added: dict[str, Any] = {"prices_include_tax": False}
    assert wrong(taxed(("20", "4.00"), total=D("24.00"), **added)) == []
    assert wrong(taxed(("20", "4.02"), total=D("24.02"), **added)) == []  # the shop's own rounding
    assert wrong(taxed(("20", "4.02"), total=D("24.02"), **added), rounding="hold") == ["totals"]
    assert wrong(taxed(("20", "1.00"), total=D("21.00"), **added)) == ["taxes"]
    assert wrong(taxed(("20", "4.00"), rate=None, total=D("24.00"), **added)) == []
    assert wrong(taxed(("20", "1.00"), rate=None, total=D("21.00"), **added)) == ["taxes"]


def test_a_wrong_edrpou_is_a_remark_and_stops_nothing() -> None:
    one = order(customer=Party(kind="company", company="ТОВ", edrpou="12345679"))
    assert wrong(one) == []
    action = act(one)
    assert isinstance(action, CreateDocument)
    assert [note.code for note in action.notes] == ["edrpou"]


@pytest.mark.parametrize(
    "more",
    [
        {"client": {"from": "customer.kode"}},
        {"client": {"else": "0042"}},
        {"comment": "{numbr}"},
        {"comment": "{number.__class__}"},
        {"tolerance": "5"},
        {"statuses": {"new": "skip"}},
        {"colour": "red"},
    ],
)
def test_parameters_that_cannot_be_are_refused(more: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings(**more)


def test_it_is_registered_and_has_a_schema() -> None:
    assert PLUGIN.name == "import-orders"
    schema = ImportOrdersSettings.model_json_schema()
    assert {"client", "object", "user", "executor", "warehouse", "inbox", "into"} <= set(schema["properties"])


def test_a_currency_that_iso_4217_does_not_know_is_held_unless_it_is_mapped_or_named() -> None:
    assert wrong(order(currency="XYZ")) == ["currency"]
    assert wrong(order(currency="XYZ"), currencies=("XYZ",)) == []
    context = PlanContext(client="acme", currency="UAH", now=NOW, mappings={("currency", "GRN"): "UAH"})
    assert [one.code for one in validate(order(currency="GRN"), settings(), context)] == []


def chosen(one: Order, context: PlanContext = CONTEXT, **more: Any) -> dict[str, Any]:
    action = plan(one, "key", settings(**more), context, Found({}, KNOWN))
    assert isinstance(action, (CreateDocument, HoldOrder, NothingToDo))
    return {choice.field: choice for choice in action.choices}


def test_each_choice_tells_the_keys_that_made_it() -> None:
    more: dict[str, Any] = {
        "client": "0042",
        "user": {"from": "manager", "map": {"3": "olha"}, "else": "anna"},
        "warehouse": {"from": "warehouse", "map": {"Склад 3": "wh3"}},
        "mappings": {"warehouse": {"wh3": "main"}},
        "statuses": {"Confirmed": "hold"},
    }
    written = {("warehouse", "wh3"): "main", ("user", "olha"): "o.k"}
    context = replace(CONTEXT, mappings=written, people=frozenset({("user", "olha")}))
    said = chosen(order(warehouse="Склад 3", manager="3", status="confirmed"), context, **more)
    assert said["party"].keys == (("client",),)
    assert (said["party"].value, said["party"].by) == ("0042", "config")
    assert said["warehouse"].value == "main"
    assert said["warehouse"].keys == (
        ("warehouse", "from"),
        ("warehouse", "map", "Склад 3"),
        ("mappings", "warehouse", "wh3"),
    )
    assert (said["user"].value, said["user"].by, said["user"].said) == ("o.k", "person", "3")
    assert (said["rule"].value, said["rule"].keys) == ("hold", (("statuses", "Confirmed"),))
    assert said["executor"].by == "target"
    without = chosen(order(), context, **more)
    assert (without["user"].value, without["user"].keys) == ("anna", (("user", "else"),))
    assert (without["warehouse"].value, without["warehouse"].by) == ("", "target")
    assert without["rule"].by == "built-in"
    for choice in (*said.values(), *without.values()):
        assert type(choice).from_json(choice.to_json()) == choice
