"""Orders in KeyCRM that are brought to another content, or cancelled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from pipeline.api import (
    Amendment,
    Cancellation,
    Delivery,
    DocumentOutcome,
    DocumentRef,
    Held,
    Order,
    OrderLine,
)
from pipeline.testing.documents_contract import AmendContract, Subject, drafts_of, larger, order
from plugins.systems.keycrm.fake import Quirks
from tests.systems.keycrm.account import Account, account
from tests.systems.keycrm.ordering import ACCOUNTS, BY_NAME, CODES, DOCUMENTS, make, stocked, total


@pytest.fixture
def one() -> Iterator[Account]:
    with account(documents=DOCUMENTS) as opened:
        yield stocked(opened)


# --- amended ---------------------------------------------------------------------------------------------------------


def amend(one: Account, newer: Order, number: int = 1, **more: Any) -> DocumentOutcome:
    session = one.open()
    (draft,) = drafts_of(session, [newer])
    ref = DocumentRef(str(number), str(number), "demo/shop/1/create/0")
    (outcome,) = session.amend([Amendment(key="demo/shop/1/amend/2", ref=ref, draft=replace(draft, **more))])
    return outcome


@pytest.mark.parametrize("line_discount", ["line", "unit"])
@pytest.mark.parametrize("nested_put", ["merge", "replace"])
def test_f19_an_order_is_brought_to_the_new_content_and_twice_is_once(line_discount: Any, nested_put: Any) -> None:
    with account(Quirks(line_discount=line_discount, nested_put=nested_put), documents=DOCUMENTS) as one:
        stocked(one)
        make(one, order(1, CODES))
        newer = replace(larger(CODES), comment="Інакше", status="confirmed")
        outcome = amend(one, newer)
        assert outcome.error is None
        assert not outcome.existed
        assert outcome.ref is not None
        assert (outcome.ref.id, outcome.ref.total) == ("1", Decimal("1359.30"))
        row = one.fake.order(1)
        assert (row["grand_total"], row["buyer_comment"], row["status_id"]) == (Decimal("1359.30"), "Інакше", 2)
        assert one.fake.reserve("COF-1") == 3
        one.fake.forget()
        assert amend(one, newer).existed
        assert one.asked("PUT") == []
        assert amend(one, order(1, CODES)).error is None
        assert total(one) == Decimal("969.80")


class TestKeyCrmChanged(AmendContract):
    @pytest.fixture(params=ACCOUNTS.values(), ids=list(ACCOUNTS))
    def subject(self, request: pytest.FixtureRequest) -> Iterator[Subject]:
        statuses = {"new": "Новий", "paid": "Погоджено", "cancelled": "Скасовано", "refunded": "Відправлено"}
        with account(Quirks(**request.param), documents={**DOCUMENTS, "statuses": statuses}) as one:
            stocked(one)
            named = {row["id"]: row["name"] for row in one.fake.account.table("statuses").values()}
            ours = {name: status for status, name in statuses.items()}
            yield Subject(
                one.open,
                CODES,
                lambda: len(one.fake.account.table("orders")),
                lambda number: one.fake.order(int(number))["grand_total"],
                one.fake.reserve,
                status=lambda number: ours[named[one.fake.order(int(number))["status_id"]]],
                lacks={
                    "lines": "its API takes no item out of an order that is there: such a change is held",
                    "close": "KeyCRM closes no order against changes",
                },
            )


def test_only_what_changes_of_an_order_is_sent(one: Account) -> None:
    make(one, order(1, CODES))
    one.fake.forget()
    amend(one, larger(CODES))
    assert one.fake.asked("PUT")[0].json() == {"products": [{"id": 1, "quantity": 3}], "discount_amount": 20}
    assert [problem for problem in one.undocumented() if BY_NAME not in problem] == []


def test_two_items_of_one_article_are_told_apart(one: Account) -> None:
    line = OrderLine(code="COF-1", name="Кава", quantity=Decimal(1), price=Decimal(10))
    base = replace(order(1, CODES), discounts=(), delivery=Delivery(), total=Decimal(20))
    made = replace(base, lines=(line, replace(line, price=Decimal(0)), replace(line, price=Decimal(10))))
    make(one, made)
    newer = replace(
        made, lines=(replace(line, price=Decimal(0)), replace(line, price=Decimal(12)), line), total=Decimal(22)
    )
    assert amend(one, newer).error is None
    assert sorted(line["price"] for line in one.fake.order(1)["lines"]) == [0, 10, 12]
    assert total(one) == 22


@pytest.mark.parametrize("kind", ["added", "removed", "delivery", "totals"])
def test_what_the_api_cannot_change_is_held_and_nothing_is_changed(one: Account, kind: str) -> None:
    make(one, order(1, CODES))
    one.fake.forget()
    base = order(1, CODES)
    newer = {
        "added": replace(base, lines=(*base.lines, replace(base.lines[2], code="TEA-1"))),
        "removed": replace(base, lines=base.lines[:2]),
        "delivery": replace(base, delivery=replace(base.delivery, cost=Decimal(80)), total=Decimal("979.80")),
        "totals": replace(base, total=Decimal("969.79")),
    }[kind]
    outcome = amend(one, newer)
    assert isinstance(outcome.error, Held)
    assert one.asked("PUT") == []
    assert total(one) == Decimal("969.80")


def test_a_failure_of_one_amendment_spares_its_siblings(one: Account) -> None:
    for n in (1, 3):
        make(one, order(n, CODES))
    session = one.open()
    drafts = drafts_of(session, [larger(CODES, n) for n in (1, 2, 3)])
    refs = [DocumentRef(number, number) for number in ("1", "987654321", "2")]
    outcomes = session.amend(
        [Amendment(key=f"k{n}", ref=ref, draft=draft) for n, (ref, draft) in enumerate(zip(refs, drafts, strict=True))]
    )
    assert [outcome.error is None for outcome in outcomes] == [True, False, True]
    assert isinstance(outcomes[1].error, Held)
    assert [total(one, n) for n in (1, 2)] == [Decimal("1359.30")] * 2
    assert session.amend([]) == session.cancel([]) == []


def test_a_new_address_and_a_tracking_code_go_in_and_an_old_code_stays(one: Account) -> None:
    make(one, order(1, CODES))
    moved = replace(order(1, CODES), delivery=replace(order(1, CODES).delivery, branch="40", tracking="T-1"))
    assert amend(one, moved).error is None
    shipping = one.fake.order(1)["shipping"]
    assert (shipping["shipping_receive_point"], shipping["tracking_code"]) == ("40", "T-1")
    again = replace(moved, delivery=replace(moved.delivery, tracking="T-2"))
    assert amend(one, again).existed, "KeyCRM takes no second tracking code"


# --- cancelled -------------------------------------------------------------------------------------------------------


def cancel(one: Account, status: str = "cancelled", number: str = "1") -> DocumentOutcome:
    ref = DocumentRef(number, number, "demo/shop/1/create/0")
    (outcome,) = one.open().cancel([Cancellation(key="demo/shop/1/cancel/2", ref=ref, status=status)])
    return outcome


def test_f43_a_cancelled_order_frees_its_reserve_once(one: Account) -> None:
    make(one, order(1, CODES))
    assert one.fake.reserve("COF-1") == 2
    for existed in (False, True, True):
        outcome = cancel(one)
        assert outcome.error is None
        assert outcome.existed is existed
        assert one.fake.reserve("COF-1") == 0
    assert total(one) == Decimal("969.80"), "what it says else stays"
    assert amend(one, replace(order(1, CODES), status="confirmed")).error is None
    assert one.fake.reserve("COF-1") == 2, "it lives again"


def test_without_a_word_of_the_settings_the_only_status_of_failure_is_meant(one: Account) -> None:
    one.settings["documents"] = {"payments": {"Післяплата": ""}}
    make(one, order(1, CODES))
    one.fake.add_status("Повернення", group=6)
    outcome = cancel(one, "refunded")
    assert isinstance(outcome.error, Held)
    assert "statuses: {cancelled: …}" in str(outcome.error.hint)
    one.fake.set_status(1, 19)
    assert cancel(one, "refunded").existed, "it came to nothing already"
    assert isinstance(cancel(one, number="99").error, Held)
