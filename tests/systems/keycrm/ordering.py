"""Orders that are made in a fake KeyCRM."""

from __future__ import annotations

import os
from dataclasses import replace
from decimal import Decimal
from typing import Any

from pipeline.api import (
    DocumentOutcome,
    Order,
)
from pipeline.testing.documents_contract import drafts_of
from tests.systems.keycrm.account import Account

CODES = ("COF-1", "TEA-1", "GIFT-1")
DOCUMENTS: dict[str, Any] = {
    "payments": {"Післяплата": "Готівка"},
    "statuses": {"confirmed": "Погоджено", "cancelled": "Скасовано"},
}
#: The other side of each switch that documents can come to feel.
SWITCHED: dict[str, Any] = {
    "duplicate_source_uuid": "refuse",
    "line_discount": "unit",
    "strings": "all",
    "dates": "plain",
    "errors_map": False,
    "default_order": "-id",
    "buyer_match": "none",
    "nested_put": "replace",
    "total_adds": ("shipping_price",),
}
#: ``source_name`` is not in the document; running code uses it (see the sheet), and the fake has a switch for it.
BY_NAME = "source_"
EACH = {name: {name: value} for name, value in SWITCHED.items()}
ACCOUNTS = {"likeliest": {}, "otherwise": SWITCHED, **(EACH if os.environ.get("MISTOK_FULL") else {})}


def stocked(one: Account) -> Account:
    for n, code in enumerate(CODES):
        one.fake.add_product(f"Товар {code}", code, price=100 + n, stock=1000)
    return one


def make(one: Account, *orders: Order, **more: Any) -> list[DocumentOutcome]:
    session = one.open()
    drafts = [replace(draft, **more) for draft in drafts_of(session, orders)]
    return list(session.create(drafts))


def total(one: Account, number: int = 1) -> Decimal:
    found: Decimal = one.fake.order(number)["grand_total"]
    return found
