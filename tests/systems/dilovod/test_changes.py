"""What becomes of orders in Dilovod: changed, cancelled, shipped, taken back, paid."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from pipeline.api import (
    Amendment,
    Cancellation,
    Delivery,
    DocumentOutcome,
    DocumentRef,
    Order,
    PaymentDraft,
    Ref,
    Return,
    Shipment,
    StatusChange,
)
from pipeline.testing.documents_contract import MOMENT, larger, order
from plugins.systems.dilovod._fake_schema import RETURN, SALE
from plugins.systems.dilovod._fake_seeds import STORAGE
from plugins.systems.dilovod.fake import Quirks
from tests.systems.dilovod.base import (
    CODES,
    DOCUMENTS,
    Base,
    base,
    good_of,
    stocked,
    total_of,
)
from tests.systems.dilovod.making import FULL, done, draft_of, make, only, why


@pytest.fixture
def one() -> Iterator[Base]:
    with base(documents=DOCUMENTS) as opened:
        yield stocked(opened)


# --- changing --------------------------------------------------------------------------------------------------------


def amend(one: Base, ref: DocumentRef, newer: Order, **more: Any) -> DocumentOutcome:
    draft = replace(draft_of(one, newer), **more)
    (outcome,) = one.open().amend([Amendment(key="demo/shop/1/amend/2", ref=ref, draft=draft)])
    return outcome


@pytest.mark.parametrize("edit_posted", ["refused", "kept", "unposted"])
@pytest.mark.parametrize("parts_replace", [True, False])
def test_a_posted_order_is_changed_and_posted_again(edit_posted: Any, parts_replace: bool) -> None:
    quirks = Quirks(edit_posted=edit_posted, parts_replace=parts_replace, posting_reserves=True)
    with base(quirks, documents=DOCUMENTS) as one:
        stocked(one)
        ref = done(make(one, order(1, CODES)))
        newer = larger(CODES)
        fewer = replace(newer, lines=(newer.lines[0],), total=Decimal("1218.50"), discounts=(),
                        delivery=Delivery(cost=Decimal(50)))  # fmt: skip
        outcome = amend(one, ref, fewer)
        assert outcome.error is None
        assert only(one)["posted"] == "1"
        assert total_of(one, ref.id) == Decimal("1218.50")
        assert [one.fake.reserved(good_of(one, code)) for code in CODES] == [3, 0, 0]
        assert amend(one, ref, fewer).existed


def test_notes_that_people_wrote_behind_the_mark_stay(one: Base) -> None:
    ref = done(make(one, order(1, CODES)))
    one.fake.edit(ref.id, save_type=2, remark=only(one)["remark"] + "\nзателефонувати ввечері")
    assert amend(one, ref, larger(CODES), comment="нове").error is None
    assert only(one)["remark"].split("\n")[0] == "нове"
    assert only(one)["remark"].endswith("(Mistok demo/shop/1)\nзателефонувати ввечері")
    assert only(one)["person"] == one.fake.one(ref.id)["person"]


def test_an_order_that_was_unposted_in_the_cabinet_is_posted_again_by_an_amendment(one: Base) -> None:
    ref = done(make(one, order(1, CODES)))
    one.fake.edit(ref.id, save_type=2)
    outcome = amend(one, ref, order(1, CODES))
    assert not outcome.existed
    assert only(one)["posted"] == "1"


def test_f03_an_order_that_was_saved_and_not_posted_by_a_killed_run_is_posted_by_the_next(one: Base) -> None:
    ref = done(make(one, order(1, CODES)))
    one.fake.edit(ref.id, save_type=2)
    key = "demo/shop/1/create/0"
    assert one.open().find([key])[key].unfinished
    (again,) = make(one, order(1, CODES))
    assert (again.error, again.existed) == (None, True)
    assert only(one)["posted"] == "1"
    assert not one.open().find([key])[key].unfinished


def test_what_has_been_shipped_is_not_changed_any_more(one: Base) -> None:
    ref = done(make(one, order(1, CODES)))
    done(one.open().ship([Shipment(key="demo/shop/1/ship/1", order=ref, draft=draft_of(one))]))
    assert "has been shipped by 0000000001" in why(amend(one, ref, larger(CODES)))
    assert total_of(one, ref.id) == Decimal("969.80")
    assert amend(one, ref, replace(order(1, CODES), status="paid")).error is None, "its state may"


@pytest.mark.parametrize("lift_mark", [True, False])
def test_a_deletion_mark_is_lifted_or_it_is_said_that_it_could_not_be(lift_mark: bool) -> None:
    with base(Quirks(lift_mark=lift_mark), documents=DOCUMENTS) as one:
        stocked(one)
        ref = done(make(one, order(1, CODES)))
        done(one.open().cancel([Cancellation(key="demo/shop/1/cancel/2", ref=ref, status="cancelled")]))
        outcome = amend(one, ref, order(1, CODES))
        if lift_mark:
            assert outcome.error is None
            assert (only(one)["delMark"], only(one)["posted"]) == ("0", "1")
        else:
            assert "its mark could not be lifted" in why(outcome)


@pytest.mark.parametrize("mark_posted", ["unposts", "keeps", "refused"])
def test_a_cancelled_order_is_marked_and_holds_nothing_back(mark_posted: Any) -> None:
    with base(Quirks(mark_posted=mark_posted, posting_reserves=True), documents=DOCUMENTS) as one:
        stocked(one)
        ref = done(make(one, order(1, CODES)))
        cancellation = Cancellation(key="demo/shop/1/cancel/2", ref=ref, status="cancelled")
        assert [one.open().cancel([cancellation])[0].existed for _ in range(2)] == [False, True]
        row = one.fake.one(ref.id)
        assert (row["delMark"], row["posted"], row["state"]) == ("1", "0", "1111500000000007")
        assert one.fake.reserved(good_of(one, CODES[0])) == 0
        assert len(row["parts"]["tpGoods"]) == 4, "what it says stays"


@pytest.mark.parametrize("mark_shipped", ["allowed", "refused"])
@pytest.mark.parametrize("mark_posted", ["unposts", "keeps", "refused"])
def test_d_returned_is_a_return_on_the_shipment_and_a_mark_on_the_order(mark_posted: Any, mark_shipped: Any) -> None:
    with base(Quirks(mark_posted=mark_posted, mark_shipped=mark_shipped), documents=DOCUMENTS) as one:
        stocked(one, 10)
        session, draft = one.open(), draft_of(one)
        ref = done(session.create([draft]))
        shipped = done(session.ship([Shipment(key="demo/shop/1/ship/1", order=ref, draft=draft)]))
        cancellation = Cancellation(key="demo/shop/1/cancel/2", ref=ref, status="cancelled")
        assert "have not come back" in why(session.cancel([cancellation])[0])
        back = done(session.take_back([Return(key="demo/shop/1/return/1", order=ref, shipment=shipped, draft=draft)]))
        row = one.fake.one(back.id)
        assert (row["type"], row["baseDoc"], row["contract"]) == (RETURN, shipped.id, ref.id)
        assert (row["docMode"], row["posted"]) == ("1004000000000354", "1")
        assert [one.fake.stock(good_of(one, code)) for code in CODES] == [10, 10, 10]
        (outcome,) = session.cancel([cancellation])
        if mark_shipped == "refused":
            assert "На підставі замовлення є відвантаження" in why(outcome)
            assert one.fake.one(ref.id)["posted"] == "1", "left as it was"
        else:
            assert outcome.error is None
            assert one.fake.one(ref.id)["delMark"] == "1"
            assert session.cancel([cancellation])[0].existed
        assert [one.fake.stock(good_of(one, code)) for code in CODES] == [10, 10, 10]


@pytest.mark.parametrize("edit_posted", ["refused", "kept", "unposted"])
def test_a_state_is_set_on_a_posted_order_that_stays_posted(edit_posted: Any) -> None:
    with base(Quirks(edit_posted=edit_posted), documents=DOCUMENTS) as one:
        stocked(one)
        ref = done(make(one, order(1, CODES)))
        status = one.open().find_references("status", ["Виконано"])["Виконано"]
        change = StatusChange(key="demo/shop/1/status/1", ref=ref, status=status)
        assert [one.open().set_statuses([change])[0].existed for _ in range(2)] == [False, True]
        assert (only(one)["state"], only(one)["posted"]) == (status.id, "1")


# --- shipments, returns, payments ------------------------------------------------------------------------------------


def test_a_shipment_says_what_its_order_says_and_nothing_that_is_refused_there(one: Base) -> None:
    ref = done(make(one, FULL))
    moment = datetime(2026, 11, 23, 7, 30, tzinfo=UTC)
    draft = draft_of(one, FULL, comment="відправка")
    made = done(one.open().ship([Shipment(key="demo/shop/5501/ship/1", order=ref, draft=draft, at=moment)]))
    row, sold = one.fake.one(made.id), only(one)
    assert (row["baseDoc"], row["contract"], row["docMode"]) == (ref.id, ref.id, "1004000000000350")
    assert {row[name] == sold[name] for name in ("firm", "person", "storage", "currency", "priceType")} == {True}
    assert (row["date"], row["amountCur"], row["posted"]) == ("2026-11-23 09:30:00", "969.80", "1")
    assert row["remark"].startswith("відправка\nDelivery: Київ")
    assert row["remark"].endswith("(Mistok demo/shop/5501/ship/1)")
    assert [line["amountCur"] for line in row["parts"]["tpGoods"]] == [
        line["amountCur"] for line in sold["parts"]["tpGoods"]
    ]


def test_goods_leave_the_warehouse_that_is_named(one: Base) -> None:
    for code in CODES:
        one.fake.receive(good_of(one, code), 5, storage=one.second)
    ref = done(make(one, order(1, CODES)))
    draft = draft_of(one, warehouse=Ref(one.second, "second"))
    done(one.open().ship([Shipment(key="demo/shop/1/ship/1", order=ref, draft=draft)]))
    assert one.fake.stock(good_of(one, CODES[0]), one.second) == 3
    assert one.fake.stock(good_of(one, CODES[0]), STORAGE) == 1000


def test_too_little_stock_is_held_in_dilovod_s_words_and_nothing_is_left(one: Base) -> None:
    poor = one.fake.add_good("Рідкість", "RARE", stock=1)
    assert poor
    ref = done(make(one, order(1, ("RARE", *CODES[1:]))))
    draft = draft_of(one, order(1, ("RARE", *CODES[1:])))
    (outcome,) = one.open().ship([Shipment(key="demo/shop/1/ship/1", order=ref, draft=draft)])
    assert "Недостатня кількість. Рідкість: потрібно 2.000, є 1.000" in why(outcome)
    assert "<span>" not in why(outcome)
    assert one.fake.rows(SALE, marked=None) == []


def test_a_shipment_that_people_marked_for_deletion_is_not_made_again_in_silence(one: Base) -> None:
    ref = done(make(one, order(1, CODES)))
    wanted = Shipment(key="demo/shop/1/ship/1", order=ref, draft=draft_of(one))
    made = done(one.open().ship([wanted]))
    one.fake.mark(made.id)
    assert one.open().find_shipments([wanted.key]) == {}
    assert one.open().shipments_of([ref]) == {}
    assert "was marked for deletion" in why(one.open().ship([wanted])[0])
    done(one.open().ship([replace(wanted, key="demo/shop/1/ship/2")]))


def test_a_return_that_names_its_order_alone_counts(one: Base) -> None:
    """As some clients make them: by `contract`, without a base."""
    session, draft = one.open(), draft_of(one)
    ref = done(session.create([draft]))
    shipped = done(session.ship([Shipment(key="demo/shop/1/ship/1", order=ref, draft=draft)]))
    line = {"good": good_of(one, CODES[0]), "qty": 1, "baseQty": 1}
    by_hand = one.fake.document(RETURN, [line], post=True, storage=STORAGE, contract=ref.id)
    assert [one_of.id for one_of in session.returns_of([shipped])[shipped.id]] == [by_hand]
    (outcome,) = session.take_back([Return(key="demo/shop/1/return/1", order=ref, shipment=shipped, draft=draft)])
    assert "has 1.000 of Товар COF-1 left to come back; 2.000 was to" in why(outcome)


def test_a_payment_waits_for_a_person_unless_the_settings_post_it(one: Base) -> None:
    account = one.fake.add_element("catalogs.cashAccounts", "Каса")
    ref = done(make(one, order(1, CODES)))
    wanted = PaymentDraft(
        key="demo/shop/1/pay/1", order=ref, amount=Decimal("969.80"), currency="UAH", comment="LiqPay"
    )
    done(one.open(documents={**DOCUMENTS, "account": "Каса"}).pay([wanted]))
    row = only(one, "documents.cashIn")
    assert (row["amountCur"], row["baseDoc"], row["cashAccount"]) == ("969.80", ref.id, account)
    assert (row["person"], row["posted"]) == (only(one)["person"], "0")
    assert row["remark"] == "LiqPay\n(Mistok demo/shop/1/pay/1)"
    second = replace(wanted, key="demo/shop/1/pay/2", account=Ref(account, ""))
    made = done(one.open(documents={**DOCUMENTS, "post_payments": True}).pay([second]))
    assert one.fake.one(made.id)["posted"] == "1"


def test_settings_may_leave_orders_unposted(one: Base) -> None:
    done(make(one, order(1, CODES), settings={**DOCUMENTS, "post": False}))
    assert only(one)["posted"] == "0"


def test_a_base_that_keeps_several_businesses_is_told_which(one: Base) -> None:
    one.fake.behave(business_required=True)
    ref = done(make(one, order(1, CODES)))
    wanted = Shipment(key="demo/shop/1/ship/1", order=ref, draft=draft_of(one))
    assert "Set `documents: {business: …}`" in why(one.open().ship([wanted])[0])
    one.fake.add_element("catalogs.business", "Роздріб")
    second = done(make(one, order(2, CODES), settings={**DOCUMENTS, "business": "Роздріб"}))
    done(one.open().ship([Shipment(key="demo/shop/2/ship/1", order=second, draft=draft_of(one, order(2, CODES)))]))
    assert MOMENT
