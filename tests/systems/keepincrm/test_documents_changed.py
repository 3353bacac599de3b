"""Agreements of KeepinCRM that cannot be made, are changed, or cancelled."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.api import (
    Amendment,
    Cancellation,
    ConfigError,
    DocumentOutcome,
    DocumentRef,
    Held,
    InDoubt,
    Order,
    Party,
    Ref,
)
from pipeline.testing.documents_contract import (
    drafts_of,
    larger,
    order,
)
from plugins.systems.keepincrm.order_settings import OrderSettings
from tests.systems.keepincrm.agreeing import (
    CODES,
    STAGES,
    make,
    posted,
    row,
    settings,
    stage,
    stocked,
)
from tests.systems.keepincrm.world import World


@pytest.fixture
def shop(world: World) -> World:
    return stocked(world)


# --- what does not go ------------------------------------------------------------------------------------------------


def test_an_agreement_that_says_something_else_is_told_and_found_again(shop: World) -> None:
    shop.fake.behave(price_list=True)
    found = shop.fake.agreements.tell
    shop.fake.agreements.tell = lambda told, **how: {**found(told, **how), "total": 1, "total_amount": 1}  # type: ignore[method-assign]
    (outcome,) = make(shop, order(1, CODES))
    assert isinstance(outcome.error, Held)
    assert "its total is 1.00 instead of 969.80" in str(outcome.error)
    assert make(shop, order(1, CODES))[0].existed, "whoever looks it up sees the difference"


def test_a_client_of_the_step_s_own_choice(shop: World) -> None:
    number = shop.fake.add_client("Оптовик", phones=["+380440000000"])
    session = shop.open(**settings(shop))
    found = session.find_references("party", [str(number), "999999", "x", "²"])
    assert found == {str(number): Ref(str(number), str(number), "Оптовик")}
    (outcome,) = make(shop, order(1, CODES), client=found[str(number)])
    assert outcome.error is None
    assert row(shop)["client_id"] == number
    assert "client_attributes" not in posted(shop)
    shop.fake.behave(client_by_id=False)
    (outcome,) = make(shop, order(2, CODES), client=found[str(number)])
    assert isinstance(outcome.error, Held)
    assert "its client is not Оптовик" in str(outcome.error)


def test_an_office_is_named_by_its_sign(shop: World) -> None:
    office = shop.fake.add_office("Магазин", "a1b2")
    options = {**settings(shop), "offices": {"Магазин": {"id": office, "hash": "a1b2"}, "Склад": 9}}
    found = shop.open(**options).find_references("warehouse", ["Магазин", "Склад", "Нема"])
    assert set(found) == {"Магазин", "Склад"}
    (outcome,) = make(shop, order(1, CODES), options=options, warehouse=found["Магазин"])
    assert outcome.error is None
    assert row(shop)["office_id"] == office
    (outcome,) = make(shop, order(2, CODES), options=options, warehouse=found["Склад"])
    assert isinstance(outcome.error, Held)
    assert "{Склад: {id: 9, hash: …}}" in str(outcome.error.hint)


def test_goods_that_lines_cannot_name_are_held(shop: World) -> None:
    session = shop.open(**settings(shop))
    (draft,) = drafts_of(session, [order(1, CODES)])
    lost = replace(draft, products=(Ref(draft.products[0].id, "another"), *draft.products[1:]))
    bare = replace(draft, products=(Ref("999", ""), *draft.products[1:]))
    assert [isinstance(one.error, Held) for one in session.create([lost, bare])] == [True, True]
    shop.fake.add_material("LMP-9", "Двійник")
    session = shop.open(**settings(shop))
    drafts = drafts_of(session, [order(1, CODES)])
    (outcome,) = session.create(drafts)
    assert isinstance(outcome.error, Held)
    assert "Several products" in str(outcome.error)
    assert shop.fake.asked("POST") == [], "the CRM would have made a product of it"


@pytest.mark.parametrize("quantity", [0, -1])
def test_a_line_without_a_quantity_is_held(shop: World, quantity: int) -> None:
    base = order(1, CODES)
    (outcome,) = make(shop, replace(base, lines=(replace(base.lines[2], quantity=Decimal(quantity)), *base.lines)))
    assert isinstance(outcome.error, Held)
    assert shop.fake.asked("POST") == []


def test_references_are_what_the_config_names(shop: World) -> None:
    options = settings(shop, users={"olena": 7, "anna": 8}, sources={"shop": 5}, currencies=["UAH", "EUR"])
    session = shop.open(**options, offices={"Склад": 9})
    assert [ref.code for ref in session.references("currency")] == ["EUR", "UAH"]
    assert [ref.id for ref in session.references("executor")] == ["8", "7"]
    assert [ref.code for ref in session.references("status")] == sorted(STAGES)
    assert session.references("warehouse") == [Ref("9", "Склад", "Склад")]
    assert session.references("party") == session.references("object") == []
    assert session.ensure("source", "shop") == Ref("5", "shop", "shop")
    with pytest.raises(ConfigError, match="ivan"):
        session.ensure("user", "ivan")
    assert shop.fake.asked() == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"title": "Замовлення {id}"},
        {"title": "{id} {source} {total}"},
        {"title": "{id!r} {source}"},
        {"title": "{id"},
        {"stage": "Нема"},
        {"stage_for": {"new": "Нема"}},
        {"number_comment": "№"},
        {"tracking_comment": "{number}"},
        {"stages": {"Нове": 0}},
    ],
)
def test_a_config_that_cannot_be_meant_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        OrderSettings.model_validate(wrong)


# --- changed ---------------------------------------------------------------------------------------------------------


def amend(world: World, newer: Order, options: dict[str, Any] | None = None, **more: Any) -> DocumentOutcome:
    session = world.open(**(settings(world) if options is None else options))
    (draft,) = drafts_of(session, [newer])
    ref = DocumentRef(str(row(world)["id"]), str(row(world)["id"]), "demo/shop/1/create/0")
    (outcome,) = session.amend([Amendment(key="demo/shop/1/amend/2", ref=ref, draft=replace(draft, **more))])
    return outcome


def patches(world: World) -> list[Any]:
    return [asked.json() for asked in world.fake.asked("PATCH")]


def test_f19_plain_fields_of_a_changed_order_are_written_and_twice_is_once(shop: World) -> None:
    make(shop, order(1, CODES), comment="shop № 1")
    row(shop)["comment"] += "\nКлієнт просив дзвонити після 17:00"
    base = order(1, CODES)
    newer = replace(base, status="paid", delivery=replace(base.delivery, branch="40", tracking="T-1"))
    outcome = amend(shop, newer, comment="shop № 1\nТерміново")
    assert outcome.error is None
    assert not outcome.existed
    assert outcome.ref is not None
    assert (outcome.ref.total, outcome.ref.key) == (Decimal("969.80"), "demo/shop/1/create/0")
    assert patches(shop) == [
        {
            "comment": "shop № 1\nДоставка: nova-poshta, Київ, відділення № 40\nОплата: Післяплата\n"
            "Клієнт просив дзвонити після 17:00\nshop № 1\nТерміново\nТТН: T-1",
            "stage_id": stage(shop, "Оплачено"),
        }
    ]
    assert amend(shop, newer, comment="shop № 1\nТерміново").existed
    assert len(patches(shop)) == 1


@pytest.mark.parametrize("quirks", [{}, {"job_ids": False}, {"jobs_read": "absent"}, {"patch_jobs": "taken"}])
@pytest.mark.parametrize("change_lines", [False, True])
def test_lines_that_cannot_be_changed_are_held_and_nothing_is_changed(
    shop: World, quirks: dict[str, Any], change_lines: bool
) -> None:
    if not quirks and change_lines:
        return  # then they can be
    make(shop, order(1, CODES))
    before = [dict(job) for job in row(shop)["jobs"]]
    shop.fake.behave(**quirks)
    outcome = amend(shop, larger(CODES), settings(shop, change_lines=change_lines))
    assert isinstance(outcome.error, Held)
    assert row(shop)["jobs"] == before
    assert row(shop)["total"] == Decimal("969.80")
    if not change_lines:
        assert patches(shop) == []


def test_only_lines_that_differ_are_exchanged(shop: World) -> None:
    make(shop, order(1, CODES))
    first = row(shop)["jobs"][0]["id"]
    assert first
    base = order(1, CODES)
    newer = replace(base, delivery=replace(base.delivery, cost=Decimal(80)), total=Decimal("979.80"))
    options = settings(shop, change_lines=True)
    assert amend(shop, newer, options).error is None
    (body,) = patches(shop)
    gone, come = body["jobs_attributes"]
    assert gone["_destroy"] is True
    assert come["product_attributes"] == {"sku": "DELIVERY", "title": "Доставка", "price": 80, "currency": "UAH"}
    assert body["total"] == Decimal("979.8")
    assert row(shop)["jobs"][0]["id"] == first
    assert amend(shop, newer, options).existed


@pytest.mark.parametrize("made", [True, False])
def test_f07_a_lost_answer_to_new_lines_is_looked_up(shop: World, made: bool) -> None:
    make(shop, order(1, CODES))
    fault = shop.fake.lose_reply if made else shop.fake.drop
    fault(method="PATCH")
    options = settings(shop, change_lines=True)
    outcome = amend(shop, larger(CODES), options)
    assert len(patches(shop)) == 1, "never sent twice blindly"
    assert isinstance(outcome.error, InDoubt) is not made
    assert amend(shop, larger(CODES), options).existed is made
    amounts = {sku: sum(job["amount"] for job in row(shop)["jobs"] if job["sku"] == sku) for sku in CODES}
    assert amounts == dict(zip(CODES, (3, 3, 1), strict=True))
    assert row(shop)["total"] == Decimal("1359.30")


def test_an_account_that_adds_lines_all_the_same_is_told(shop: World) -> None:
    make(shop, order(1, CODES))
    shown = shop.fake.agreements.tell(row(shop))
    shop.fake.fail(200, {**shown, "jobs": [*shown["jobs"], *shown["jobs"]]}, method="PATCH")
    outcome = amend(shop, larger(CODES), settings(shop, change_lines=True))
    assert isinstance(outcome.error, Held)
    assert "its lines are not those of the order" in str(outcome.error)


def test_new_lines_name_no_product_that_is_gone(shop: World) -> None:
    make(shop, order(1, CODES))
    session = shop.open(**settings(shop, change_lines=True))
    (draft,) = drafts_of(session, [larger(CODES)])
    draft = replace(draft, products=(Ref("999", "GONE"), *draft.products[1:]))
    ref = DocumentRef(str(row(shop)["id"]), "", "demo/shop/1/create/0")
    (outcome,) = session.amend([Amendment(key="k", ref=ref, draft=draft)])
    assert isinstance(outcome.error, Held)
    assert patches(shop) == []


@pytest.mark.parametrize(
    ("customer", "held"),
    [
        (Party(first_name="Олена", last_name="Шевченко-Бойко", phone="067 000 00 01"), False),
        (Party(first_name="Олена", last_name="Шевченко", phone="+380501112233", email="x@y.ua"), False),
        (Party(first_name="Шевченко", last_name="Олена"), False),
        (Party(first_name="Ганна", last_name="Бойко", email="O1@example.com"), False),
        (Party(first_name="Ганна", last_name="Бойко", phone="+380501112233"), True),
        (Party(), False),
    ],
)
def test_another_buyer_is_held_and_a_name_that_was_put_right_is_not(shop: World, customer: Party, held: bool) -> None:
    make(shop, order(1, CODES))
    outcome = amend(shop, replace(order(1, CODES), customer=customer))
    assert isinstance(outcome.error, Held) is held
    assert outcome.existed is not held


def test_another_currency_is_held(shop: World) -> None:
    make(shop, order(1, CODES))
    assert isinstance(amend(shop, replace(order(1, CODES), currency="EUR")).error, Held)


def test_a_comment_that_is_not_told_is_not_written_over(shop: World) -> None:
    make(shop, order(1, CODES))
    shown = {name: value for name, value in shop.fake.agreements.tell(row(shop)).items() if name != "comment"}
    shop.fake.fail(200, shown, method="GET", path=f"/v1/agreements/{row(shop)['id']}")
    assert isinstance(amend(shop, order(1, CODES)).error, Held)
    assert patches(shop) == []


# --- cancelled -------------------------------------------------------------------------------------------------------


def cancel(world: World, options: dict[str, Any], status: str = "cancelled", number: str = "") -> DocumentOutcome:
    ref = DocumentRef(number or str(row(world)["id"]), "", "demo/shop/1/create/0")
    (outcome,) = world.open(**options).cancel([Cancellation(key="demo/shop/1/cancel/2", ref=ref, status=status)])
    return outcome


def test_f43_a_cancelled_order_moves_its_agreement_once(shop: World) -> None:
    make(shop, order(1, CODES))
    for existed in (False, True, True):
        outcome = cancel(shop, settings(shop), "відмова")
        assert outcome.error is None
        assert outcome.existed is existed
    assert row(shop)["stage_id"] == stage(shop, "Скасовано")
    assert patches(shop) == [{"stage_id": stage(shop, "Скасовано")}]
    assert isinstance(cancel(shop, settings(shop), number="99").error, Held)


def test_without_a_stage_it_is_closed_as_lost_where_that_is_set(shop: World) -> None:
    make(shop, order(1, CODES))
    outcome = cancel(shop, settings(shop, stage_for={}))
    assert isinstance(outcome.error, Held)
    assert "stage_for" in str(outcome.error.hint)
    options = settings(shop, stage_for={}, close=True)
    assert [cancel(shop, options).existed for _ in range(2)] == [False, True]
    assert row(shop)["result"] == "failed"
    assert cancel(shop, settings(shop)).existed, "it came to nothing already"
    assert isinstance(amend(shop, order(1, CODES)).error, Held), "it cannot be opened without `close`"
    assert amend(shop, order(1, CODES), options).error is None
    assert (row(shop)["result"], row(shop)["stage_id"]) == (None, stage(shop, "Нове")), "it lives again"


def test_an_account_that_does_not_close_is_told(shop: World) -> None:
    make(shop, order(1, CODES))
    shop.fake.behave(result_write=False)
    outcome = cancel(shop, settings(shop, stage_for={}, close=True))
    assert isinstance(outcome.error, Held)
    assert "orders.close: false" in str(outcome.error.hint)


def test_a_cancelled_one_lives_again_only_where_the_config_says_at_which_stage(shop: World) -> None:
    make(shop, order(1, CODES))
    cancel(shop, settings(shop))
    options = settings(shop, stage=None, stage_for={"cancelled": "Скасовано"})
    outcome = amend(shop, order(1, CODES), options)
    assert isinstance(outcome.error, Held)
    assert "orders: {stage: …}" in str(outcome.error.hint)
