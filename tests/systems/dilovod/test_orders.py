"""Orders, shipments and returns in Dilovod: each once, to the cent, never empty, and with every name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.api import (
    Amendment,
    Cancellation,
    Delivery,
    Discount,
    DocumentDraft,
    InDoubt,
    OrderLine,
    Party,
    Payment,
    Ref,
    Refused,
    Return,
    Shipment,
    Transient,
    order_totals,
)
from pipeline.testing.documents_contract import drafts_of, larger, order
from plugins.systems.dilovod._fake_schema import GOODS, ORDER, PERSONS, RETURN, SALE
from plugins.systems.dilovod._fake_seeds import FIRM, NEW, STORAGE, UAH
from plugins.systems.dilovod.fake import Quirks, action
from plugins.systems.dilovod.marks import Mark, changed, marks_in, with_mark
from tests.systems.dilovod.base import (
    CODES,
    DOCUMENTS,
    Base,
    amount,
    base,
    blocked,
    element,
    good_of,
    stocked,
    text_of,
    total_of,
)
from tests.systems.dilovod.making import FULL, KEY, done, draft_of, make, only, why


@pytest.fixture
def one() -> Iterator[Base]:
    with base(documents=DOCUMENTS) as opened:
        yield stocked(opened)


# --- what is made ----------------------------------------------------------------------------------------------------


def test_an_order_goes_in_with_all_that_it_says(one: Base) -> None:
    channel = element(one.fake, "catalogs.tradeChanels", "shop")
    manager = one.fake.add_element("catalogs.employees", "Ганна Менеджер")
    author = one.fake.add_element("catalogs.users", "Ганна")
    element(one.fake, "catalogs.deliveryMethods", "Нова Пошта")
    ref = done(make(one, FULL, comment="shop № 5501", user=Ref(author, ""), executor=Ref(manager, "")))
    row = only(one)
    assert (ref.id, ref.number, ref.total, ref.currency) == (row["id"], row["number"], Decimal("969.80"), "UAH")
    assert row["date"] == "2026-11-22 14:00:00", "of Kyiv, without a zone"
    assert (row["firm"], row["storage"], row["currency"]) == (FIRM, STORAGE, UAH)
    assert (row["state"], row["tradeChanel"], row["manager"], row["author"]) == (NEW, channel, manager, author)
    assert row["deliveryMethod"] == element(one.fake, "catalogs.deliveryMethods", "Нова Пошта")
    assert (row["posted"], row["delMark"], row["amountCur"]) == ("1", "0", "969.80")
    assert row["remarkFromPerson"] == "Подзвонити"
    assert row["remark"].split("\n") == [
        "shop № 5501",
        "Delivery: Київ, Київська, Відділення 12, вул. Хрещатик 1, 7",
        "Recipient: Бойко Ганна, +380671112234",
        "Parcel: T-1",
        "Payment: Картка",
        "(Mistok demo/shop/5501)",
    ]
    names = ("good", "qty", "baseQty", "price", "priceAmount", "discount", "amountCur")
    goods = [good_of(one, code) for code in (*CODES, "DELIVERY")]
    assert [tuple(line[name] for name in names) for line in row["parts"]["tpGoods"]] == [
        (goods[0], "2.000", "2.000", "389.50000", "779.00", "16.94", "762.06"),
        (goods[1], "3.000", "3.000", "48.60000", "145.80", "8.06", "137.74"),
        (goods[2], "1.000", "1.000", "0.00000", "0.00", "0.00", "0.00"),
        (goods[3], "1.000", "1.000", "70.00000", "70.00", "0.00", "70.00"),
    ]


def test_d_first_and_last_names_always_arrive(one: Base) -> None:
    done(make(one, FULL))
    (party,) = (row for row in one.fake.rows(PERSONS) if row["id"] == only(one)["person"])
    assert party["name"] == {"uk": "Шевченко Олена Петрівна", "ru": "Шевченко Олена Петрівна"}
    assert (party["phone"], party["email"]) == ("380671112233", "olena@example.com")
    assert party["address"] == "", "the address of an order is not the party's"


def test_a_buyer_who_is_there_is_taken_and_never_changed(one: Base) -> None:
    known = one.open().create_party(Party(first_name="О.", phone="+380671112233"))
    before = one.fake.one(known.id)
    done(make(one, FULL))
    assert only(one)["person"] == known.id
    assert one.fake.one(known.id) == before


def test_a_name_that_did_not_arrive_is_told(one: Base) -> None:
    one.fake.add_element(PERSONS, "x")
    real = one.fake.saves.save

    def forgetful(params: Any, key: Any) -> Any:
        if params["header"]["id"] == PERSONS:
            params = {**params, "header": {**params["header"], "name": ""}}
        return real(params, key)

    one.fake.saves.save = forgetful  # type: ignore[method-assign]
    (outcome,) = make(one, FULL)
    assert "shows the name — for the party Шевченко Олена Петрівна" in why(outcome)
    assert one.fake.rows(ORDER) == []


def test_an_order_of_nobody_is_held_or_booked_on_the_party_of_the_settings(one: Base) -> None:
    nobody = replace(order(1, CODES), customer=Party())
    (outcome,) = make(one, nobody)
    assert "no buyer" in why(outcome)
    assert "documents: {person: …}" in why(outcome)
    done(make(one, nobody, settings={**DOCUMENTS, "person": "1100100000000001"}))
    assert only(one)["person"] == "1100100000000001"


def test_a_buyer_who_is_there_twice_holds_the_order(one: Base) -> None:
    for name in ("Олена", "Олена Ш."):
        party = one.fake.add_element(PERSONS, name)
        one.fake.base.objects[party]["values"]["phone"] = "(067) 111-22-33"
    (outcome,) = make(one, FULL)
    assert "Several parties of Dilovod are" in why(outcome)


# --- D: what was found in real projects ------------------------------------------------------------------------------


@pytest.mark.parametrize("lines", [(), (Decimal(0),), (Decimal(-1),), (Decimal("0.0004"),), (Decimal("1.2345"),)])
def test_d_no_empty_order_is_ever_made(one: Base, lines: tuple[Decimal, ...]) -> None:
    rows = tuple(OrderLine(code=CODES[0], name="Ґрунт", quantity=qty, price=Decimal(10)) for qty in lines)
    empty = replace(order(1, CODES), lines=rows, discounts=(), delivery=Delivery(), total=Decimal(0))
    (outcome,) = make(one, empty)
    assert why(outcome)
    assert one.packets("saveObject") == one.packets("call") == []


@pytest.mark.parametrize("count", [0, 1, 4])
def test_d_nor_one_whose_goods_were_not_all_found(one: Base, count: int) -> None:
    draft = draft_of(one)
    (outcome,) = one.open().create([replace(draft, products=(draft.products * 2)[:count])])
    assert "an empty document is never made" in why(outcome)
    assert one.fake.rows(ORDER) == []


def test_d_no_empty_shipment_or_return_is_ever_made(one: Base) -> None:
    ref = done(make(one, order(1, CODES)))
    draft = draft_of(one)
    empty = replace(draft, products=(), order=replace(draft.order, lines=()))
    (outcome,) = one.open().ship([Shipment(key="demo/shop/1/ship/1", order=ref, draft=empty)])
    assert "an empty document is never made" in why(outcome)
    shipped = done(one.open().ship([Shipment(key="demo/shop/1/ship/2", order=ref, draft=draft)]))
    (outcome,) = one.open().take_back([Return(key="demo/shop/1/return/1", order=ref, shipment=shipped, draft=empty)])
    assert "an empty document is never made" in why(outcome)
    assert len(one.fake.rows(SALE)) == 1
    assert one.fake.rows(RETURN) == []


def test_d_weights_and_sizes_are_never_sent(one: Base) -> None:
    """Whole life of an order, and new goods: not one packet has a weight, and no card of a good is saved."""
    goods = {row["id"]: row for row in one.fake.rows(GOODS)}
    session = one.open()
    draft = draft_of(one)
    ref = done(session.create([draft]))
    session.amend([Amendment(key="demo/shop/1/amend/2", ref=ref, draft=draft_of(one, larger(CODES)))])
    shipped = done(session.ship([Shipment(key="demo/shop/1/ship/1", order=ref, draft=draft)]))
    done(session.take_back([Return(key="demo/shop/1/return/1", order=ref, shipment=shipped, draft=draft)]))
    done(session.cancel([Cancellation(key="demo/shop/1/cancel/3", ref=ref, status="cancelled")]))
    for packet in one.packets("saveObject"):
        for word in ("weight", "packageRatio", "length", "width", "height"):
            assert word not in text_of(packet)
    assert one.saved(GOODS) == []
    assert {row["id"]: row for row in one.fake.rows(GOODS)} == goods


@pytest.mark.parametrize("base_qty", ["computed", "sent"])
def test_d_the_stock_moves_by_every_shipment(base_qty: Any) -> None:
    with base(Quirks(base_qty=base_qty), documents=DOCUMENTS) as one:
        stocked(one, 10)
        ref = done(make(one, order(1, CODES)))
        done(one.open().ship([Shipment(key="demo/shop/1/ship/1", order=ref, draft=draft_of(one))]))
        assert [one.fake.stock(good_of(one, code)) for code in CODES] == [8, 7, 9]
        levels = {level.code: level.on_hand for level in one.open().levels() if level.warehouse == "Основний склад"}
        assert [levels[code] for code in CODES] == [8, 7, 9], "and so it is told"


def test_d_a_shipment_that_could_not_be_posted_is_never_passed_off_as_one(one: Base) -> None:
    """The write-off is there and the stock is as before: it is held, and the next try posts it."""
    ref = done(make(one, order(1, CODES)))
    real = one.fake.saves._post

    def saved_only(row: Any, save_type: int, *, changed: bool) -> None:
        real(row, 0 if row["type"] == SALE and not row["id"] else save_type, changed=changed)

    one.fake.saves._post = saved_only  # type: ignore[method-assign]
    wanted = Shipment(key="demo/shop/1/ship/1", order=ref, draft=draft_of(one))
    one.fake.fail(200, blocked("applicationLayerError Період закрито"), when=lambda asked: b'"saveType":1' in asked.body
                  and b"documents.sale" not in asked.body)  # fmt: skip
    (outcome,) = one.open().ship([wanted])
    assert "is saved and could not be posted: Dilovod refuses it: Період закрито" in why(outcome)
    assert one.fake.stock(good_of(one, CODES[0])) == 1000
    assert one.open().find_shipments([wanted.key])[wanted.key].unfinished
    (again,) = one.open().ship([wanted])
    assert again.existed
    assert not one.open().find_shipments([wanted.key])[wanted.key].unfinished
    assert one.fake.stock(good_of(one, CODES[0])) == 998
    assert len(one.fake.rows(SALE)) == 1


# --- to the cent -----------------------------------------------------------------------------------------------------

money = st.decimals(1, 2000, places=2)


@given(
    st.lists(st.tuples(money, st.integers(1, 4), st.decimals(0, 1, places=2)), min_size=1, max_size=4),
    st.decimals(0, 5, places=2),
    st.decimals(0, 2000, places=2),
    st.decimals(0, 30, places=2),
    st.sampled_from([Decimal(0), Decimal("0.01"), Decimal("-0.01")]),
    st.booleans(),
)
def test_f41_any_order_comes_to_its_total(
    lines: list[tuple[Decimal, int, Decimal]],
    off: Decimal,
    cost: Decimal,
    fee: Decimal,
    rounding: Decimal,
    included: bool,
) -> None:
    from plugins.systems.dilovod.mapping import Good
    from plugins.systems.dilovod.order_out import Services, Sums, new_lines

    good = Good("1100300000001001", "", "A", "x", "", False, False, "", "", "", "", None)
    made = replace(
        order(1, CODES),
        lines=tuple(
            OrderLine(code=CODES[0], name="x", quantity=Decimal(count), price=price, discount=less,
                      tax_rate=Decimal(20))
            for price, count, less in lines
        ),
        discounts=(Discount(amount=off),) if off else (),
        delivery=Delivery(cost=cost, tax_rate=Decimal(20)),
        payment=Payment(fee=fee, tax_rate=Decimal(7)),
        prices_include_tax=included,
    )  # fmt: skip
    if order_totals(made).total + rounding < 0:
        rounding = Decimal(0)  # no site asks for less than nothing
    made = replace(made, total=order_totals(made).total + rounding)
    draft = DocumentDraft(key=KEY, order=made, products=tuple(Ref(good.id, "A") for _ in lines), rounding=rounding)
    sums = Sums.of(draft)
    rows = new_lines(draft, [good] * len(lines), Services(good, good), sums)
    assert sum(amount(row["amountCur"]) for row in rows) == made.total == sums.total
    for row in rows:
        assert amount(row["priceAmount"]) - amount(row["discount"]) == amount(row["amountCur"])
        assert amount(row["discount"]) >= 0


def test_taxes_on_top_are_in_the_lines(one: Base) -> None:
    taxed = replace(order(1, CODES), prices_include_tax=False, delivery=Delivery(), discounts=(),
                    total=Decimal("1103.76"))  # fmt: skip
    done(make(one, taxed))
    assert total_of(one, only(one)["id"]) == Decimal("1103.76")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"delivery": Delivery(cost=Decimal(70))}, "documents: {delivery: …}"),
        ({"payment": Payment(fee=Decimal(70)), "delivery": Delivery()}, "documents: {fee: …}"),
    ],
)
def test_a_cost_without_a_service_holds_the_order(one: Base, more: Any, words: str) -> None:
    (outcome,) = make(one, replace(order(1, CODES), **more), settings={"storage": STORAGE})
    assert words in why(outcome)
    assert one.fake.rows(ORDER) == []
    delivery = one.fake.good("DELIVERY")["id"]
    if "delivery" in words:
        done(make(one, replace(order(1, CODES), **more), settings={"storage": STORAGE}, delivery=Ref(delivery, "")))
        assert total_of(one, only(one)["id"]) == Decimal("969.80")


def test_a_document_that_does_not_say_what_was_sent_is_told_with_its_number(one: Base) -> None:
    real = one.fake.saves._fill_part

    def lossy(row: Any, part: str, rows: Any) -> None:
        real(row, part, rows[:-1])

    one.fake.saves._fill_part = lossy  # type: ignore[method-assign]
    (outcome,) = make(one, order(1, CODES))
    assert "does not say what was sent: 899.80 for 969.80" in why(outcome)
    (again,) = make(one, order(1, CODES))
    assert again.existed
    assert again.ref is not None
    assert again.ref.total == Decimal("899.80"), "whoever looks it up sees the difference"


# --- what is not known -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "change", "words"),
    [
        ({"firm": "ТОВ"}, {}, "no firm ТОВ"),
        ({"storage": "Підвал"}, {}, "no storage Підвал"),
        ({"storage": None}, {}, "It has: Основний склад, Магазин"),
        ({"business": "Опт"}, {}, "no business Опт"),
        ({"states": {"new": "Немає"}}, {}, "no order state Немає"),
        ({"sources": {"shop": "Немає"}}, {}, "no trade channel Немає"),
        ({"payments": {"Післяплата": "Немає"}}, {}, "no payment form Немає"),
        ({"deliveries": {"nova-poshta": "Немає"}}, {}, "no delivery method Немає"),
        ({"delivery": "NONE"}, {}, "documents: {delivery: …}"),
        ({}, {"currency": "PLN"}, "no currency PLN"),
        ({}, {"currency": "USD"}, "would reckon it by its own"),
        ({}, {"currency": "USD", "rate": Decimal("41.50")}, "in USD at 41.50"),
    ],
)
def test_f40_what_is_not_known_holds_the_order_with_what_there_is(
    one: Base, settings: Any, change: Any, words: str
) -> None:
    (outcome,) = make(one, replace(order(1, CODES), **change), settings={**DOCUMENTS, **settings})
    assert words in why(outcome)
    assert one.fake.rows(ORDER) == []


def test_a_good_that_is_to_be_deleted_by_now_holds_the_order(one: Base) -> None:
    session = one.open()
    (draft,) = drafts_of(session, [order(1, CODES)])
    one.fake.mark(good_of(one, CODES[1]))
    (outcome,) = session.create([draft])
    assert "TEA-1" in why(outcome)


@pytest.mark.parametrize("key", ["", "x", "a/b/c", "//1/create/0"])
def test_a_key_that_is_none_is_held(one: Base, key: str) -> None:
    (outcome,) = one.open().create([draft_of(one, key=key)])
    assert "is no key" in why(outcome)
    assert one.open().find([key]) == {}


# --- once ------------------------------------------------------------------------------------------------------------


def test_f03_a_lost_answer_is_in_doubt_and_found_by_a_look(one: Base) -> None:
    one.fake.lose_reply(when=action("saveObject", ORDER))
    first, second = make(one, order(1, CODES), order(2, CODES))
    assert isinstance(first.error, InDoubt)
    assert second.error is None
    assert set(one.open().find([KEY])) == {KEY}
    (again,) = make(one, order(1, CODES))
    assert again.existed
    assert len(one.fake.rows(ORDER)) == 2


def test_f07_what_was_lost_before_it_was_made_is_made_by_the_next_try(one: Base) -> None:
    one.fake.drop(when=action("saveObject", ORDER))
    (first,) = make(one, order(1, CODES))
    assert isinstance(first.error, InDoubt)
    assert len(one.saved(ORDER)) == 1, "never sent again blindly"
    (again,) = make(one, order(1, CODES))
    assert not again.existed
    assert len(one.fake.rows(ORDER)) == 1


def test_a_time_out_while_it_is_made_is_in_doubt_and_a_look_waits_for_its_end(one: Base) -> None:
    session = one.open(timeout=0.3)
    (draft,) = drafts_of(session, [order(1, CODES)])
    session.create([])
    event = one.fake.hold(when=action("saveObject", ORDER))
    (first,) = session.create([draft])
    assert isinstance(first.error, InDoubt)
    with pytest.raises(Transient) as caught:
        session.find([KEY])
    assert caught.value.code == "parallel", "it is still under way: nothing says that it is not there"
    event.set()
    while one.fake._flying:
        pass
    (again,) = session.create([draft])
    assert again.existed
    assert len(one.fake.rows(ORDER)) == 1


def test_f08_a_service_that_fails_ends_the_batch_and_rejects_nothing(one: Base) -> None:
    session = one.open()
    drafts = drafts_of(session, [order(1, CODES), order(2, CODES)])
    session.find([KEY])
    one.fake.fail(503, b"<html>maintenance</html>", times=6, when=action("request", ORDER))
    outcomes = session.create(drafts)
    assert [type(outcome.error) for outcome in outcomes] == [Transient, Transient]
    assert [outcome.error for outcome in make(one, order(1, CODES), order(2, CODES))] == [None, None]


def test_f09_a_refused_order_is_held_in_dilovod_s_words_and_its_siblings_are_made(one: Base) -> None:
    words = "applicationLayerError Документ не збережено. <b>Період закрито</b>"
    one.fake.fail(200, blocked(words), when=action("saveObject", ORDER))
    bad, good = make(one, order(1, CODES), order(2, CODES))
    assert "Документ не збережено. Період закрито" in why(bad)
    assert good.error is None


def test_an_expired_key_strikes_all_that_are_left(one: Base) -> None:
    session = one.open()
    drafts = drafts_of(session, [order(n, CODES) for n in (1, 2, 3)])
    done(session.create(drafts[:1]))
    one.fake.fail(200, blocked("bad key"), when=action("saveObject", ORDER))
    outcomes = session.create(drafts[1:])
    assert [type(outcome.error) for outcome in outcomes] == [Refused, Refused]
    assert len(one.saved(ORDER)) == 2


def test_a_role_that_may_not_write_orders_is_told_once(one: Base) -> None:
    one.fake.add_key("reader", {"*": "read", PERSONS: "read+write"})
    session = one.open(key="reader")
    outcomes = session.create(drafts_of(session, [order(1, CODES), order(2, CODES)]))
    assert [type(outcome.error) for outcome in outcomes] == [Refused, Refused]
    assert "documents.saleOrder" in str(outcomes[0].error)


def test_an_order_that_somebody_has_open_waits_and_its_siblings_do_not(one: Base) -> None:
    first, second = (outcome.ref for outcome in make(one, order(1, CODES), order(2, CODES)))
    assert first is not None
    assert second is not None
    one.fake.lock_object(first.id)
    drafts = drafts_of(one.open(), [larger(CODES, 1), larger(CODES, 2)])
    outcomes = one.open().amend([
        Amendment(key=f"demo/shop/{n}/amend/2", ref=ref, draft=draft)
        for n, ref, draft in zip((1, 2), (first, second), drafts, strict=True)
    ])  # fmt: skip
    assert isinstance(outcomes[0].error, Transient)
    assert outcomes[1].error is None


# --- marks -----------------------------------------------------------------------------------------------------------


@given(*[st.text(min_size=1, max_size=8)] * 3)
def test_a_mark_reads_back_whatever_the_number_is(client: str, source: str, order_id: str) -> None:
    mark = Mark(client, source, order_id)
    assert marks_in(f"перед {mark.text} після") == [mark]
    assert marks_in(f"{mark.text}{Mark(client, source, order_id + '1').text}")[0] == mark
    follows = Mark(client, source, order_id, "ship", "a/b")
    assert marks_in(follows.text) == [follows]
    assert follows.text not in mark.text
    assert mark.text not in follows.text


def test_marks_of_keys() -> None:
    assert Mark.of_key("demo/shop/17%2F2/ship/3", action=True) == Mark("demo", "shop", "17/2", "ship", "3")
    assert Mark.of_key("demo/shop/17%2F2/ship/3") == Mark("demo", "shop", "17/2")
    assert Mark("demo", "shop", "17/2").key == "demo/shop/17%2F2/create/0"
    assert changed(with_mark(Mark("a", "b", "1"), "x") + "\nвід людини", Mark("a", "b", "1"), "y") == (
        "y\n(Mistok a/b/1)\nвід людини"
    )


def test_one_number_is_not_another_that_begins_so(one: Base) -> None:
    done(make(one, order(11, CODES)))
    assert one.open().find([KEY]) == {}
    done(make(one, order(1, CODES)))
    assert len(one.fake.rows(ORDER)) == 2


def test_orders_of_other_clients_and_of_people_are_not_ours(one: Base) -> None:
    line = {"good": good_of(one, CODES[0]), "qty": 1, "baseQty": 1}
    for remark in ("shop/1", "(Mistok other/shop/1)", "(Mistok demo/shop/1/ship/1)", "(mistok demo/shop/1)"):
        one.fake.document(ORDER, [line], storage=STORAGE, remark=remark)
    assert one.open().find([KEY]) == {}
    assert list(one.open().all_documents()) == []


def test_of_two_with_one_mark_the_live_one_is_meant(one: Base) -> None:
    first = done(make(one, order(1, CODES)))
    line = {"good": good_of(one, CODES[0]), "qty": 1, "baseQty": 1, "amountCur": "5.00"}
    second = one.fake.document(ORDER, [line], storage=STORAGE, remark="(Mistok demo/shop/1)")
    assert one.open().find([KEY])[KEY].id == first.id
    one.fake.mark(first.id)
    assert one.open().find([KEY])[KEY].id == second
