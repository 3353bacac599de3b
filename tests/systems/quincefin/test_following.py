"""Shipments, returns, payments, statuses, parties and cards of goods keep what the suites of the ports promise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from pipeline.api import (
    Address,
    DocumentDraft,
    DocumentRef,
    Held,
    InDoubt,
    Party,
    PaymentDraft,
    Payments,
    Ref,
    ReturnDocuments,
    ShipDocuments,
    full_name,
)
from pipeline.testing.following_contract import ReturnContract, ShipContract
from pipeline.testing.following_subject import Kind, Subject, coming_back, held, one, ordered, part, shipment
from pipeline.testing.naming_contract import AddProductsContract, PartiesContract, ProductNamesContract
from pipeline.testing.settling_contract import PaymentsContract, StatusesContract
from plugins.systems.quincefin.fake import FakeQuincefin, Quirks
from plugins.systems.quincefin.parties import contacts
from plugins.systems.quincefin.settings import FieldNames
from plugins.systems.quincefin.system import Quincefin
from tests.systems.quincefin.account import CODES, STATUSES, Account, account

EVERY: dict[str, Any] = {"outgoing": True, "return_writes": True, "cash_income": True}
ON: dict[str, Any] = {"shipments": True, "returns": True, "payments": True}
#: The other side of what these documents can come to feel.
ACCOUNTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "likeliest": ({}, {}),
    "other forms": (
        {"ids": "text", "sums": "text", "references": "objects", "fixed_form": "number", "filtered_order": "newest",
         "fixed_everywhere": False, "error_status": 200, "error_form": "object", "unknown_fields": "refused",
         "add_answer": "records"},
        {},
    ),
    "other writes, delivery as a line": (
        {"bodies": "array", "contacts": "flat", "update": "full", "zone": "Europe/Kyiv", "date_to": "exclusive",
         "article_field": "Code", "base_field": "Parent", "lines_field": "Lines", "unknown_fields": "dropped"},
        {"body": "array", "contacts": "flat", "update": "full", "zone": "Europe/Kyiv",
         "fields": {"article": "Code", "base": "Parent", "lines": "Lines"}, "orders": {"delivery": "line"}},
    ),
}  # fmt: skip
PATHS: dict[Kind, str] = {
    "order": "order",
    "ship": "document/outgoing",
    "return": "document/outgoing_return",
    "pay": "document/money_bank_income",
    "party": "partner",
}


@pytest.fixture(params=ACCOUNTS.values(), ids=list(ACCOUNTS))
def world(request: pytest.FixtureRequest) -> Iterator[Account]:
    quirks, settings = request.param
    with account(Quirks(**EVERY, **quirks)) as opened:
        orders = {**opened.settings["orders"], "delivery_service": opened.ids["delivery"], **settings.get("orders", {})}
        opened.settings |= {**ON, **settings, "orders": orders}
        yield opened


@pytest.fixture
def likeliest() -> Iterator[Account]:
    with account(Quirks(**EVERY)) as opened:
        opened.settings |= ON
        yield opened


def count(fake: FakeQuincefin, kind: Kind) -> int:
    if kind == "product":
        return len(fake.rows("product")) + len(fake.rows("service"))
    return len(fake.rows(PATHS[kind]))


def party_of(fake: FakeQuincefin, key: str) -> Party:
    row = fake.one("partner", int(key))
    phones, mails = contacts(row, FieldNames())
    last, first, middle = full_name(row["Name"])
    comment = row.get("Comment") or ""
    company = row["Name"] if "«" in row["Name"] else ""
    return Party(
        last_name=last,
        first_name=first,
        middle_name=middle,
        company=company,
        edrpou=comment.removeprefix("ЄДРПОУ ") if comment.startswith("ЄДРПОУ") else "",
        phone=next(iter(phones), ""),
        email=next(iter(mails), ""),
        address=Address(text=str(row.get("Address") or "")),
    )


def product_of(fake: FakeQuincefin, key: str) -> dict[str, str]:
    rows = [row for path in ("product", "service") for row in fake.rows(path, Id=int(key))]
    base = rows[0].get("Base")
    return {"name": rows[0]["Name"], "base": fake.one("product", base)["Article"] if base else ""}


def on_hand(world: Account, code: str) -> Decimal:
    found = world.fake.rows("product", Article=code)
    return world.fake.balance(found[0]["Id"]) if found else Decimal(0)


@pytest.fixture
def subject(world: Account) -> Subject:
    fake = world.fake

    def by_hand(ref: DocumentRef, draft: DocumentDraft) -> None:
        lines = [
            {"Product": int(product.id), "Quantity": line.quantity, "Price": line.price}
            for product, line in zip(draft.products, draft.order.lines, strict=True)
        ]
        fake.put("document/outgoing", Order=int(ref.id), Products=lines, Fixed=True)

    def twin(party: Party) -> None:
        rows = [{"Type": "phone", "Value": party.phone}, {"Type": "email", "Value": party.email}]
        fake.put("partner", Name=party.title, Contacts=rows, ParentFolder=None)

    def status(key: str) -> str:
        return str(fake.one("order", int(key)).get("Status") or "")

    return Subject(
        open=world.open,
        codes=CODES,
        count=lambda kind: count(fake, kind),
        on_hand=lambda code: on_hand(world, code),
        status=status,
        party=lambda key: party_of(fake, key),
        product=lambda key: product_of(fake, key),
        close_period=lambda at: fake.close(f"{at + timedelta(days=1):%Y-%m-%d}"),
        by_hand=by_hand,
        twin=twin,
        lose_answer=lambda: fake.lose_reply(path=r"/api/v2/.*/(add|update)$"),
        lacks={"close": "Quincefin closes no single document"},
        refuse=lambda words: fake.fail(400, {"success": False, "error": words}, path=r"/api/v2/.*/(add|update)$"),
    )


class TestShipments(ShipContract):
    """Of an account that has them."""


class TestReturns(ReturnContract):
    """Of an account that makes them."""


class TestPayments(PaymentsContract):
    """Into a bank account."""


class TestStatuses(StatusesContract):
    """By their numbers."""


class TestParties(PartiesContract):
    """Partners."""


class TestProductNames(ProductNamesContract):
    """Goods and services."""


class TestAddProducts(AddProductsContract):
    """Goods, SKUs below their base, services."""


# --- Quincefin's own -------------------------------------------------------------------------------------------------


def paid(system: Quincefin, there: Account, **more: Any) -> tuple[Payments, PaymentDraft]:
    draft, ref = ordered(system, Subject(open=there.open, codes=CODES, count=lambda _kind: 0))
    assert isinstance(system, Payments)
    given = {"key": "demo/shop/1/pay/1", "order": ref, "amount": draft.order.total, "currency": "UAH", **more}
    return system, PaymentDraft(**given)


def shipped(there: Account, system: Quincefin, **more: Any) -> tuple[DocumentDraft, DocumentRef, Any]:
    draft, ref = ordered(system, Subject(open=there.open, codes=CODES, count=lambda _kind: 0))
    assert isinstance(system, ShipDocuments)
    (outcome,) = system.ship([replace(shipment(ref, draft), **more)])
    return draft, ref, outcome


def test_an_account_has_only_the_capabilities_that_are_switched_on(likeliest: Account) -> None:
    for name, port in (("shipments", ShipDocuments), ("returns", ReturnDocuments), ("payments", Payments)):
        for on in (True, False):
            others = {other: not on for other in ON if other != name}
            assert isinstance(likeliest.open(**{name: on, **others}), port) is on


def test_a_shipment_stands_on_its_order_and_has_the_goods_alone(likeliest: Account) -> None:
    made = one([shipped(likeliest, likeliest.open())[2]])
    row = likeliest.fake.one("document/outgoing", int(made.id))
    order = likeliest.order()
    assert (row["Order"], row["Partner"], row["Contract"], row["Store"], row["Company"], row["Fixed"]) == (
        order["Id"], order["Partner"], order["Contract"], order["Store"], order["Company"], True,
    )  # fmt: skip
    assert row["Comment"] == "[mistok:shop/1/ship/1]"
    assert row["Sum"] == Decimal("899.80"), "the delivery is on the order's own tab"
    assert made.total is None, "it is not the order's total, and is not told as if it were"


def test_a_shipment_that_stays_a_draft_is_told_each_time(likeliest: Account) -> None:
    likeliest.fake.behave(fixed_by_api=False)
    system = likeliest.open()
    draft, ref, outcome = shipped(likeliest, system)
    assert "stays a draft" in held(outcome)
    (row,) = likeliest.fake.rows("document/outgoing")
    assert isinstance(system, ShipDocuments)
    assert "stays a draft" in held(system.ship([shipment(ref, draft)])[0])
    likeliest.fake.change("document/outgoing", row["Id"], Fixed=True)  # a person posts it
    other = likeliest.open()
    assert isinstance(other, ShipDocuments)
    (outcome,) = other.ship([shipment(ref, draft)])
    assert outcome.existed
    assert len(likeliest.fake.rows("document/outgoing")) == 1


def test_a_draft_that_can_be_posted_later_is(likeliest: Account) -> None:
    likeliest.fake.behave(fixed_by_api=False)
    system = likeliest.open()
    draft, ref, _outcome = shipped(likeliest, system)
    likeliest.fake.behave(fixed_by_api=True)
    assert isinstance(system, ShipDocuments)
    wanted = shipment(ref, draft)
    assert system.find_shipments([wanted.key])[wanted.key].unfinished, "whoever comes after a kill posts it"
    (outcome,) = system.ship([wanted])
    assert outcome.error is None
    assert not likeliest.open().find_shipments([wanted.key])[wanted.key].unfinished  # type: ignore[attr-defined]
    assert likeliest.fake.rows("document/outgoing")[0]["Fixed"] is True


def test_drafts_are_made_where_that_is_wanted(likeliest: Account) -> None:
    made = one([shipped(likeliest, likeliest.open(post=[]))[2]])
    assert likeliest.fake.one("document/outgoing", int(made.id))["Fixed"] is False


def test_a_warehouse_of_the_shipment_s_own(likeliest: Account) -> None:
    second = likeliest.fake.put("stores", Name="Другий")
    system = likeliest.open(warehouses={"main": likeliest.ids["main"], "second": second})
    draft, ref = ordered(system, Subject(open=likeliest.open, codes=CODES, count=lambda _kind: 0))
    draft = replace(draft, warehouse=Ref(str(second), "second"))
    assert isinstance(system, ShipDocuments)
    made = one(system.ship([shipment(ref, draft)]))
    assert likeliest.fake.one("document/outgoing", int(made.id))["Store"] == second


def test_a_status_whose_number_is_not_known_stops_nothing_else(likeliest: Account) -> None:
    """Cancelled orders have one that the account has not told yet: none is seen to have it, but by its name."""
    known = {name: likeliest.ids[name] for name in STATUSES if name not in ("cancelled", "refunded")}
    system = likeliest.open(statuses=known)
    draft, ref, outcome = shipped(likeliest, system)
    assert one([outcome]).id
    likeliest.fake.change("order", int(ref.id), Status=likeliest.ids["cancelled"])
    likeliest.fake.behave(references="objects")
    other = likeliest.open(statuses=known)
    assert isinstance(other, ShipDocuments)
    assert "is cancelled in Quincefin" in held(other.ship([shipment(ref, draft, "2")])[0])


@pytest.mark.parametrize("path", ["outgoing", "outgoing_return", "money_bank_income"])
def test_f03_a_lost_answer_is_looked_up_and_nothing_is_made_twice(likeliest: Account, path: str) -> None:
    system = likeliest.open()
    likeliest.fake.lose_reply(path=f"/api/v2/document/{path}/add")
    draft, ref, outcome = shipped(likeliest, system)
    made = one([outcome])
    assert isinstance(system, ReturnDocuments)
    one(system.take_back([coming_back(ref, made, draft)]))
    assert isinstance(system, Payments)
    payment = PaymentDraft(key="demo/shop/1/pay/1", order=ref, amount=Decimal(5), currency="UAH")
    one(system.pay([payment]))
    assert len(likeliest.fake.rows(f"document/{path}")) == 1
    likeliest.fake.drop(path="/api/v2/document/money_bank_income/add")
    (outcome,) = system.pay([replace(payment, key="demo/shop/1/pay/2")])
    assert isinstance(outcome.error, InDoubt)


def test_an_api_without_the_method_holds_each_and_says_which_setting(likeliest: Account) -> None:
    system = likeliest.open()
    draft, ref, outcome = shipped(likeliest, system)
    made = one([outcome])
    likeliest.fake.behave(return_writes=False, bank_writes=False)
    assert isinstance(system, ReturnDocuments)
    assert "`returns`" in held(system.take_back([coming_back(ref, made, draft)])[0])
    assert isinstance(system, Payments)
    payment = PaymentDraft(key="demo/shop/1/pay/1", order=ref, amount=Decimal(5), currency="UAH")
    assert "`payments`" in held(system.pay([payment])[0])


def test_a_return_of_what_is_far_back_is_found(likeliest: Account) -> None:
    system = likeliest.open()
    draft, ref, outcome = shipped(likeliest, system, at=datetime.fromisoformat("2026-08-01T10:00+03:00"))
    made = one([outcome])
    assert isinstance(system, ReturnDocuments)
    one(system.take_back([coming_back(ref, made, draft)]))
    other = likeliest.open()
    assert isinstance(other, ReturnDocuments)
    assert "than was shipped" in held(other.take_back([coming_back(ref, made, part(draft, 1, 0, 0), "2")])[0])


def test_money_goes_to_the_account_or_cash_desk_that_is_named(likeliest: Account) -> None:
    system, payment = paid(likeliest.open(account="Рахунок"), likeliest)
    one(system.pay([payment]))
    (row,) = likeliest.fake.rows("document/money_bank_income")
    assert (row["MoneyAccount"], row["Sum"], row["Order"], row["Currency"], row["Fixed"]) == (
        likeliest.ids["bank"], Decimal("969.80"), likeliest.order()["Id"], "UAH", True,
    )  # fmt: skip
    cash = replace(payment, key="demo/shop/1/pay/2", account=Ref(str(likeliest.ids["cash"]), "Каса"), amount=Decimal(1))
    one(system.pay([cash]))
    (row,) = likeliest.fake.rows("document/money_cash_income")
    assert row["MoneyAccount"] == likeliest.ids["cash"]
    assert set(system.find_payments([payment.key, cash.key])) == {payment.key, cash.key}
    other = likeliest.open()
    assert isinstance(other, Payments)
    assert other.pay([cash])[0].existed
    unknown = replace(payment, key="demo/shop/1/pay/3", account=Ref("", "Нема"))
    assert "Нема" in held(system.pay([unknown])[0])
    fine = replace(payment, key="demo/shop/1/pay/4", amount=Decimal("0.005"))
    assert "no amount" in held(system.pay([fine])[0])


def test_a_cash_desk_without_its_method_keeps_nobody_else_waiting(likeliest: Account) -> None:
    likeliest.fake.behave(cash_income=False)
    system, payment = paid(likeliest.open(), likeliest)
    cash = replace(payment, key="demo/shop/1/pay/2", account=Ref(str(likeliest.ids["cash"]), "Каса"))
    first, second = system.pay([cash, payment])
    assert "money_cash_income/add" in held(first)
    one([second])
    assert set(system.find_payments([payment.key, cash.key])) == {payment.key}


def test_without_a_comment_nothing_is_made_that_would_not_be_known_again(likeliest: Account) -> None:
    outcome = shipped(likeliest, likeliest.open(fields={"comment": ""}))[2]
    assert isinstance(outcome.error, Held)
    assert likeliest.fake.rows("document/outgoing") == []


def test_every_status_of_the_settings_is_told(likeliest: Account) -> None:
    assert {ref.code for ref in likeliest.open().references("status")} == set(STATUSES)
