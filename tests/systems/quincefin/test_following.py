"""Shipments, returns, payments, statuses, parties and cards of goods keep what the suites of the ports promise."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from pipeline.api import (
    Address,
    DocumentDraft,
    DocumentRef,
    Party,
    full_name,
)
from pipeline.testing.following_contract import ReturnContract, ShipContract
from pipeline.testing.following_subject import Kind, Subject
from pipeline.testing.naming_contract import AddProductsContract, PartiesContract, ProductNamesContract
from pipeline.testing.settling_contract import PaymentsContract, StatusesContract
from plugins.systems.quincefin.fake import FakeQuincefin, Quirks
from plugins.systems.quincefin.parties import contacts
from plugins.systems.quincefin.settings import FieldNames
from tests.systems.quincefin.account import CODES, Account, account

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
    "other writes": (
        {"bodies": "array", "contacts": "flat", "update": "full", "zone": "Europe/Kyiv", "date_to": "exclusive",
         "article_field": "Code", "base_field": "Parent", "lines_field": "Lines", "unknown_fields": "dropped"},
        {"body": "array", "contacts": "flat", "update": "full", "zone": "Europe/Kyiv",
         "fields": {"article": "Code", "base": "Parent", "lines": "Lines"}},
    ),
    "delivery as a line": ({}, {"orders": {"delivery": "line"}}),
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
