"""What `mistok check --connect` tells of an account, with and without writing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.api import Finding, Who
from plugins.systems.quincefin.fake import Quirks
from plugins.systems.quincefin.probe import TITLE
from tests.systems.quincefin.account import Account, account


@pytest.fixture
def one() -> Iterator[Account]:
    with account() as opened:
        yield opened


def wrong(one: Account, **settings: Any) -> dict[str, Finding]:
    return {finding.code: finding for finding in one.open(**settings).check() if finding.who is not Who.ACCOUNTANT}


def filled(one: Account) -> None:
    """An account in which people have worked."""
    partner = one.fake.put("partner", Name="А", ParentFolder=None, Contacts=[{"Type": "phone", "Value": "1"}])
    one.fake.put("contract", Name="Договір", Kind="P", Currency="UAH", Company=one.ids["company"], Partner=partner)
    one.fake.put(
        "order", Company=one.ids["company"], Partner=partner, Contract=None, Store=one.ids["main"], Currency="UAH",
        Status=one.ids["new"], Source=one.ids["shop"], Manager=one.ids["user"], Author=None, Address="", Comment="",
        Discount=0, Delivery=0, DeliveryService=None,
        Products=[{"Product": one.ids["COF-1"], "Quantity": 1, "Price": 5, "Discount": 0}],
    )  # fmt: skip


def test_a_good_account_has_only_remarks_and_nothing_is_written(one: Account) -> None:
    filled(one)
    before = one.fake.dump()
    findings = one.open().check()
    assert {finding.who for finding in findings} == {Who.ACCOUNTANT}
    told = "\n".join(str(finding.text) for finding in findings)
    assert f"Роздріб: {one.ids['retail']}" in told
    assert "P: 3" in told
    assert "document/outgoing_return" in told
    assert "no record shows" in told, "the fake has neither units nor barcodes for these goods"
    assert one.fake.dump() == before
    assert {path.rsplit("/", 1)[1] for path in one.asked()} == {"list"}


def test_names_and_numbers_seen_in_orders_are_told(one: Account) -> None:
    filled(one)
    one.fake.behave(references="objects")
    told = "\n".join(str(finding.text) for finding in one.open(company=None).check())
    assert f"for `statuses`: new: {one.ids['new']}." in told
    assert f"for `warehouses`: Основний: {one.ids['main']}." in told
    assert f"Own organisations seen in contracts: {one.ids['company']}." in told


@pytest.mark.parametrize(
    ("quirks", "settings", "code", "hint"),
    [
        ({"date_input": "day"}, {}, "quincefin-dates", "dates: day"),
        ({"date_input": "moment"}, {"dates": "day"}, "quincefin-dates", "dates: moment"),
        ({"contacts": "flat"}, {}, "quincefin-contacts", "contacts: flat"),
        ({}, {"contacts": "flat"}, "quincefin-contacts", "contacts: list"),
        ({"article_field": "Code"}, {}, "quincefin-no-field", "Code"),
        ({"balance_field": "Rests"}, {}, "quincefin-no-balances", "Rests"),
        ({}, {"shipments": True}, "quincefin-no-method", "Switch it off"),
        ({}, {"price_types": {"retail": 7777}}, "quincefin-no-price-type", ""),
        ({}, {"orders": {"statuses": {"new": "Загадковий"}}}, "quincefin-unknown-name", "number"),
    ],
)
def test_what_is_not_as_the_settings_say_is_told_with_what_is(
    quirks: dict[str, Any], settings: dict[str, Any], code: str, hint: str
) -> None:
    with account(Quirks(**quirks)) as one:
        filled(one)
        found = wrong(one, **settings)
        assert set(found) == {code}
        assert hint in str(found[code].hint or "")


def test_an_account_that_has_more_is_told(one: Account) -> None:
    one.fake.behave(outgoing=True, cash_income=True)
    told = "\n".join(str(finding.text) for finding in one.open().check())
    assert "documents of document/outgoing." in told
    assert wrong(one, shipments=True, payments=True) == {}


def test_an_empty_account_is_not_judged(one: Account) -> None:
    for table in ("product", "service", "price_type"):
        one.fake.account.tables[table].clear()
    assert wrong(one) == {}


# --- by writing ------------------------------------------------------------------------------------------------------


def tried(one: Account, **settings: Any) -> list[tuple[bool | None, str]]:
    return [(each.works, str(each.text)) for each in one.open(**settings).try_writes()]


@pytest.mark.parametrize("archive", ["also", "only"])
@pytest.mark.parametrize("add_answer", ["ids", "records"])
def test_a_probe_makes_one_partner_and_takes_it_away(archive: Any, add_answer: Any) -> None:
    with account(Quirks(archive=archive, add_answer=add_answer)) as one:
        found = tried(one)
        assert [works for works, _text in found] == [True] * 4
        (row,) = one.fake.rows("partner")
        assert row["Name"].startswith(TITLE)
        assert row["Archive"] is True
        assert one.fake.orders() == [], "an order could not be taken away again"


@pytest.mark.parametrize(
    ("quirks", "settings", "words"),
    [
        ({"bodies": "array"}, {}, "`body: array`"),
        ({"bodies": "object"}, {"body": "array"}, "`body: object`"),
        ({"update": "full"}, {}, "`update: full`"),
        ({}, {"update": "full"}, "`update: partial`"),
        ({"contacts": "flat", "unknown_fields": "dropped"}, {}, "are not kept"),
    ],
)
def test_what_a_write_does_otherwise_is_told_by_the_setting(
    quirks: dict[str, Any], settings: dict[str, Any], words: str
) -> None:
    with account(Quirks(**quirks)) as one:
        found = list(one.open(**settings).try_writes())
        assert any(words in str(each.text) or words in str(each.hint) for each in found)
        assert any(each.works is False and each.needed for each in found)
        assert [row["Archive"] for row in one.fake.rows("partner")] == [True], "it is taken away all the same"


def test_a_probe_that_is_broken_off_takes_its_record_away(one: Account) -> None:
    walk = iter(one.open().try_writes())
    next(walk)
    walk.close()  # type: ignore[attr-defined]
    assert [row["Archive"] for row in one.fake.rows("partner")] == [True]


def test_a_probe_whose_answer_is_lost_finds_its_record(one: Account) -> None:
    one.fake.lose_reply(path="/api/v2/partner/add")
    assert all(works for works, _text in tried(one))
    assert [row["Archive"] for row in one.fake.rows("partner")] == [True]


def test_what_cannot_be_archived_is_told_with_its_number(one: Account) -> None:
    one.fake.fail(400, {"success": False, "error": "Ні"}, path="/api/v2/partner/update", times=9)
    found = list(one.open().try_writes())
    (row,) = one.fake.rows("partner")
    assert str(row["Id"]) in str(found[-1].text)
    assert (found[-1].works, found[-1].needed) == (False, True)


def test_an_account_that_takes_nothing_is_told(one: Account) -> None:
    one.fake.fail(400, {"success": False, "error": "лише читання"}, path="/api/v2/partner/add", times=2)
    found = list(one.open().try_writes())
    assert [each.works for each in found] == [False, False]
    assert "лише читання" in str(found[0].text)
    assert one.fake.rows("partner") == []


def test_another_key_at_the_same_address_is_another_account(one: Account) -> None:
    first, again, other = one.open().account, one.open().account, one.open(token="another-key").account
    assert first == again != other
    assert "another-key" not in other
