"""Buyers become partners with a contract: found among all, made once, never made one, never changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from pipeline.api import Held, Party
from pipeline.testing.documents_contract import drafts_of, order
from plugins.systems.quincefin.fake import Quirks
from plugins.systems.quincefin.parties import partner, partner_body, phone_key
from plugins.systems.quincefin.settings import FieldNames, QuincefinSettings
from tests.systems.quincefin.account import CODES, Account, account


@pytest.fixture
def one() -> Iterator[Account]:
    with account() as opened:
        yield opened


def make(one: Account, buyer: Party, **given: Any) -> Any:
    system = one.open(**given)
    (draft,) = drafts_of(system, [replace(order(1, CODES), customer=buyer)])
    (outcome,) = system.create([draft])
    return outcome


def settings(**more: Any) -> QuincefinSettings:
    return QuincefinSettings.model_validate({"url": "https://q.example", "token": "k", **more})


@pytest.mark.parametrize("pages", [1, 3])
@pytest.mark.parametrize("contacts", ["list", "flat"])
def test_a_buyer_is_found_among_all_by_phone_or_mail(pages: int, contacts: Any) -> None:
    with account(Quirks(contacts=contacts)) as one:
        for n in range(100 * pages - 1):
            rows = [{"Type": "phone", "Value": f"050 000 {n:04d}"}]
            one.fake.put("partner", Name=f"П {n}", ParentFolder=None, Contacts=rows)
        rows = [{"Type": "phone", "Value": "(067) 111-22-33"}, {"Type": "email", "Value": "O@Example.com "}]
        wanted = one.fake.put("partner", Name="Олена", ParentFolder=None, Contacts=rows)
        assert make(one, Party(first_name="О", phone="+380671112233"), contacts=contacts).error is None
        assert one.order()["Partner"] == wanted
        system = one.open(contacts=contacts)
        assert [[ref.id for ref in refs] for refs in system.find_parties([Party(email="o@example.com"), Party()])] == [
            [str(wanted)], [],
        ]  # fmt: skip


def test_one_who_came_since_is_not_made_twice(one: Account) -> None:
    system = one.open()
    system.find_parties([Party(phone="+380671112233")])
    rows = [{"Type": "phone", "Value": "0671112233"}]  # Quincefin's own exchange was faster
    theirs = one.fake.put("partner", Name="Олена", ParentFolder=None, Contacts=rows)
    assert system.create_party(Party(first_name="Олена", phone="+380671112233")).id == str(theirs)
    assert len(one.fake.rows("partner")) == 1


def test_two_who_may_be_meant_are_told_and_never_made_one(one: Account) -> None:
    for name in ("А", "Б"):
        rows = [{"Type": "phone", "Value": "0671112233"}]
        one.fake.put("partner", Name=name, ParentFolder=None, Contacts=rows)
    outcome = make(one, Party(first_name="Олена", phone="+380671112233"))
    assert isinstance(outcome.error, Held)
    assert outcome.error.code == "ambiguous-party"
    assert one.fake.orders() == []


def test_unknown_buyers_are_held_where_the_account_is_not_to_grow(one: Account) -> None:
    given = {"orders": {**one.settings["orders"], "partners": "find"}}
    outcome = make(one, Party(first_name="Олена", phone="+380671112233"), **given)
    assert isinstance(outcome.error, Held)
    assert one.fake.rows("partner") == []


@pytest.mark.parametrize("field", ["", "Edrpou"])
def test_a_company_is_known_by_its_edrpou_and_not_by_a_phone(one: Account, field: str) -> None:
    company = Party(kind="company", company="ТОВ «Інтеріор»", edrpou="14360570", last_name="Бойко", phone="0445556677")
    given = {"fields": {"edrpou": field}}
    assert make(one, company, **given).error is None
    (row,) = one.fake.rows("partner")
    assert row["Name"] == "ТОВ «Інтеріор»"
    assert row["Comment"] == ("Бойко" if field else "Бойко; ЄДРПОУ 14360570")
    system = one.open(**given)
    other = Party(kind="company", company="ТОВ «Інша»", edrpou="00032112", phone="0445556677")
    assert [len(refs) for refs in system.find_parties([company, replace(company, phone=""), other])] == [1, 1, 0]


def test_a_sole_trader_s_number_is_the_tax_number() -> None:
    assert partner_body(Party(last_name="А", edrpou="1234567890"), settings())["TaxNumber"] == "1234567890"
    body = partner_body(Party(company="Б", edrpou="14360570", tax_number="143605704021"), settings(partner_folder=5))
    assert (body["TaxNumber"], body["Comment"], body["ParentFolder"]) == ("143605704021", "ЄДРПОУ 14360570", 5)


def test_types_of_contacts_are_those_of_the_settings(one: Account) -> None:
    given = {"fields": {"phone": "Телефон", "email": "Пошта"}}
    assert make(one, Party(first_name="О", phone="0671112233", email="o@example.com"), **given).error is None
    (row,) = one.fake.rows("partner")
    assert [contact["Type"] for contact in row["Contacts"]] == ["Телефон", "Пошта"]
    assert len(one.open(**given).find_parties([Party(phone="0671112233")])[0]) == 1


@pytest.mark.parametrize(
    "row",
    [
        {"Id": 1},
        {"Id": 1, "Name": None, "Contacts": None},
        {"Id": 1, "Name": 5, "Contacts": "0671112233"},
        {"Id": 1, "Name": "<b>А</b>", "Contacts": [None, 1, {}, {"Type": None, "Value": None}]},
        {"Id": "1", "Name": "А", "Contacts": [{"Type": "phone", "Value": "—"}, {"Type": "email", "Value": "нема"}]},
    ],
)
def test_cards_of_any_kind_are_read(row: dict[str, Any]) -> None:
    found = partner(row, FieldNames())
    assert found is not None
    assert (found.id, found.phones, found.mails) == (1, frozenset(), frozenset())


def test_a_phone_that_cannot_be_read_is_known_by_its_digits() -> None:
    assert phone_key("067 111 22 33") == "+380671112233"
    assert phone_key("+99 000 000 00 00 00") == "99000000000000"
    assert phone_key("12-34") == ""


# --- contracts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("edition", ["both", "new", "old"])
@pytest.mark.parametrize("cyrillic", [True, False])
def test_a_contract_that_fits_is_taken_and_no_other_is_made(edition: Any, cyrillic: bool) -> None:
    with account(Quirks(contract_edition=edition, cyrillic_currency=cyrillic)) as one:
        rows = [{"Type": "phone", "Value": "0671112233"}]
        key = one.fake.put("partner", Name="Олена", ParentFolder=None, Contacts=rows)
        other = one.fake.put("companies", Name="Інша")
        common = {"Name": "Д", "Partner": key, "Kind": "P", "Currency": "UAH", "Company": one.ids["company"]}
        if edition != "new":  # the new one tells neither currency nor organisation
            one.fake.put("contract", **{**common, "Currency": "USD"})
            one.fake.put("contract", **{**common, "Company": other})
        if edition != "old":  # the old one tells no kind
            one.fake.put("contract", **{**common, "Kind": "M"})
        right = one.fake.put("contract", **common)
        before = len(one.fake.rows("contract"))
        assert make(one, Party(first_name="Олена", phone="0671112233")).error is None
        assert one.order()["Contract"] == right
        assert len(one.fake.rows("contract")) == before


@pytest.mark.parametrize(("contracts", "held"), [("find", True), ("off", False)])
def test_contracts_are_made_only_where_that_is_wanted(one: Account, contracts: str, held: bool) -> None:
    given = {"orders": {**one.settings["orders"], "contracts": contracts}}
    outcome = make(one, Party(first_name="Олена", phone="0671112233"), **given)
    assert isinstance(outcome.error, Held) is held
    assert one.fake.rows("contract") == []


def test_a_contract_has_the_price_type_and_name_of_the_settings(one: Account) -> None:
    given = {
        "orders": {**one.settings["orders"], "contract_name": "Роздріб"},
        "price_types": {"retail": one.ids["retail"]},
    }
    make(one, Party(first_name="Олена", phone="0671112233"), **given)
    (row,) = one.fake.rows("contract")
    assert (row["Name"], row["PriceType"], row["Company"]) == ("Роздріб", one.ids["retail"], one.ids["company"])
