"""The connector keeps the promises of the ports, whatever of the API is as it was guessed, or otherwise."""

from __future__ import annotations

import os
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from pipeline.testing import documents_contract
from pipeline.testing.documents_contract import AmendContract, DocumentsContract
from plugins.systems.quincefin.fake import Quirks
from tests.systems.quincefin.account import CODES, Account, account

#: How an account may be, and the settings for it. What a setting is not named for must be understood as it comes.
ACCOUNTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "likeliest": ({}, {}),
    "other forms": (
        {
            "ids": "text",
            "sums": "text",
            "references": "objects",
            "fixed_form": "number",
            "filtered_order": "newest",
            "past_end": "refused",
            "totals": True,
            "add_answer": "records",
            "cyrillic_currency": True,
            "contract_edition": "old",
            "archive_default": "all",
            "selectors": "narrow",
            "error_status": 200,
            "error_in": "errors",
            "error_form": "list",
            "fold_names": False,
            "required": True,
            "unknown_fields": "refused",
            "unknown_filter": "refused",
            "unique_site_number": True,
            "json_type_checked": True,
        },
        {},
    ),
    "other writes": (
        {"bodies": "array", "contacts": "flat", "update": "full", "date_to": "exclusive", "zone": "Europe/Kyiv",
         "contract_edition": "new", "references": "ids", "lines_field": "Lines", "article_field": "Code",
         "unknown_fields": "dropped", "verbs": "any", "default_kind": "all", "arrays": "first"},
        {"body": "array", "contacts": "flat", "update": "full", "zone": "Europe/Kyiv",
         "fields": {"lines": "Lines", "article": "Code"}},
    ),
    "days": (
        {"date_input": "day", "error_status": 422, "error_in": "message", "error_form": "object",
         "fixed_everywhere": False, "update_fixed": "refused"},
        {"dates": "day"},
    ),
    "moments": ({"date_input": "moment", "lax_dates": True, "id_without_dates": True}, {}),
    "discounts on lines": ({}, {"orders": {"discounts": "lines", "contracts": "off"}}),
    "discounts in prices": ({}, {"orders": {"discounts": "prices", "contracts": "off"}}),
    "sums as sent": ({"sum_computed": False}, {"new_names": True}),
}  # fmt: skip


#: A quick run takes those that differ in most.
CHOSEN = list(ACCOUNTS) if os.environ.get("MISTOK_FULL") else ["likeliest", "other forms", "other writes"]


@pytest.fixture(params=[ACCOUNTS[name] for name in CHOSEN], ids=CHOSEN)
def one(request: pytest.FixtureRequest) -> Iterator[Account]:
    quirks, settings = request.param
    with account(Quirks(**quirks)) as opened:
        orders = {**opened.settings["orders"], **settings.get("orders", {})}
        opened.settings |= {**settings, "orders": orders}
        yield opened


def total(one: Account, key: str) -> Decimal:
    return Decimal(one.fake.one("order", int(key))["Sum"])


def status(one: Account, key: str) -> str:
    told = one.fake.one("order", int(key)).get("Status")
    return next((name for name, number in one.settings["statuses"].items() if number == told), "")


class TestDocuments(DocumentsContract):
    @pytest.fixture
    def subject(self, one: Account) -> documents_contract.Subject:
        return documents_contract.Subject(
            open=one.open,
            codes=CODES,
            count=lambda: len(one.fake.orders()),
            total=lambda key: total(one, key),
            lacks={"reserved": "whether Quincefin reserves is not known"},
        )


class TestAmend(AmendContract):
    @pytest.fixture
    def subject(self, one: Account) -> documents_contract.Subject:
        def close(number: str) -> None:
            one.fake.close("2026-11-24")

        return documents_contract.Subject(
            open=one.open,
            codes=CODES,
            count=lambda: len(one.fake.orders()),
            total=lambda key: total(one, key),
            status=lambda key: status(one, key),
            close=close,
            lacks={"reserved": "whether Quincefin reserves is not known"},
        )
