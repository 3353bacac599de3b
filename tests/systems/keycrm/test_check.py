"""What `mistok check --connect` tells of an account."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from pipeline.api import Refused, Who
from tests.systems.keycrm.account import Account, account, set_stock


@pytest.fixture
def one() -> Iterator[Account]:
    with account() as opened:
        yield opened


def told(one: Account, **settings: Any) -> list[tuple[str, str]]:
    return [(finding.code, str(finding.text)) for finding in one.open(**settings).check()]


def test_a_good_account_has_only_remarks(one: Account) -> None:
    one.fake.add_product("Кава", "COF-1", category_id=one.fake.add_category("Кава"))
    set_stock(one, {("1", "second"): (Decimal(1), Decimal(0))})
    findings = one.open().check()
    assert {finding.who for finding in findings} == {Who.ACCOUNTANT}
    assert [str(finding.text) for finding in findings] == [
        "Offers in KeyCRM: 1; categories: 1.",
        "Warehouses seen in the first products (name: id): Магазин: 2.",
    ]
    assert {line.split()[0] for line in one.asked()} == {"GET"}, "it only reads"
    assert one.undocumented() == []


def test_an_account_in_which_nothing_lies_anywhere_is_told(one: Account) -> None:
    one.fake.add_product("Кава", "COF-1")
    assert told(one)[1][1].startswith("Nothing lies in any warehouse")


def test_stock_that_is_not_told_by_warehouse_is_a_fault(one: Account) -> None:
    row = {"id": 1, "sku": "A-1", "quantity": 5, "reserve": 0}
    one.fake.fail(200, {"data": [row], "total": 1}, method="GET", path="/v1/offers/stocks")
    (finding,) = (one for one in one.open().check() if one.code == "no-details")
    assert finding.who is Who.ADMIN


def test_custom_fields_that_the_settings_name_are_looked_for(one: Account) -> None:
    one.fake.add_custom_field("CT_1", "crm_product", kind="float", name="Акція")
    one.fake.add_custom_field("CT_2", "client", kind="date")
    one.fake.add_custom_field("CT_3", "crm_product", kind="switcher")
    one.fake.add_custom_field("OR_1", "order", kind="text")
    one.fake.add_custom_field("OR_1", "order", kind="text")
    special = {"price": "CT_1", "start": "CT_2", "end": "CT_3"}
    # fields of clients are not among those of orders and products
    assert [code for code, _words in told(one, special=special)[1:]] == ["no-field", "other-type"]
    assert told(one, orders={"number_field": "OR_1"})[1:] == []
    assert told(one, orders={"number_field": "CT_1"})[1:] == [
        ("other-field", "Custom field CT_1 is of crm_product, not of order.")
    ]


def test_names_that_the_settings_have_are_looked_for(one: Account) -> None:
    assert told(one, orders={"statuses": {"19": "cancelled", "Погоджено": "confirmed", "77": "new"}})[1:] == [
        ("unknown-name", "KeyCRM has no order status 77, which the connection names.")
    ]


def test_a_wrong_key_is_refused(one: Account) -> None:
    one.fake.keys = set()
    with pytest.raises(Refused):
        one.open().check()


def test_lists_are_told_for_a_person_to_choose_from(one: Account) -> None:
    session = one.open()
    assert [(ref.code, ref.name) for ref in session.references("status")] == [
        ("1", "Новий"), ("12", "Виконано"), ("19", "Скасовано"), ("2", "Погоджено"), ("3", "Відправлено"),
    ]  # fmt: skip
    assert [ref.name for ref in session.references("user")] == ["Олена Власник"]
    assert [ref.code for ref in session.references("warehouse")] == ["main", "second"]
    assert session.references("party") == ()
    before = len(one.fake.asked())
    session.references("status")
    assert len(one.fake.asked()) == before, "each list is read once"
