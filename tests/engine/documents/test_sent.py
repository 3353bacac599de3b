"""What is changed in the source after its goods have left: asked about in one way, whatever the target."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pipeline.engine.documents import sent
from pipeline.engine.documents.plan import Plan, plan
from pipeline.model import Address, Delivery, Discount, Order, Party
from tests.engine.documents.making import D, draft, line, moved, order, settings, standing
from tests.engine.documents.world import World

FIRST = order(line(), line("AB-2", "1", "50.00"))


def planned(now: Order, before: Order = FIRST, acts: tuple[str, ...] = ("order", "ship"), **more: Any) -> Plan:
    """The plan of an order that was shipped as ``before`` and is ``now``."""
    said = settings(**more.pop("settings", {}))
    accepted, goods_alone = more.pop("accepted", ()), more.pop("goods_alone", False)
    shipments = more.pop("shipments", (replace(moved(before), whole=True),))
    there = standing(before, written=more.pop("written", before), shipments=shipments, **more)
    return plan(now, acts, there, draft(now), said, accepted=accepted, goods_alone=goods_alone)  # type: ignore[arg-type]


def told(found: Plan) -> list[str]:
    return [str(one.text) for one in found.findings if one.code == "difference"]


@pytest.mark.parametrize("acts", [("order",), ("order", "ship")])
@pytest.mark.parametrize(
    ("now", "words"),
    [
        (order(line(price="90.00"), line("AB-2", "1", "50.00")), "items / AB-1 / price: 100.00"),
        (order(line(), line("AB-2", "1", "50.00", discount=D("5.00"))), "items / AB-2 / discount"),
        (order(line(), line("AB-2", "1", "50.00"), delivery=Delivery(cost=D("40.00"))), "delivery / cost"),
        (order(line(), line("AB-2", "1", "50.00"), line("AB-3", "1", "5.00"), delivery=Delivery(cost=D("40.00"))),
         "delivery / cost"),
        (replace(FIRST, currency="USD"), "currency: UAH"),
    ],
    ids=["price", "discount", "delivery", "delivery-and-more-goods", "currency"],
)  # fmt: skip
def test_another_sum_of_what_has_left_is_asked_about_field_by_field(
    now: Order, words: str, acts: tuple[str, ...]
) -> None:
    found = planned(now, acts=acts)
    assert (found.findings[0].code, found.doings) == (sent.SENT, ())
    assert any(words in one for one in told(found)), told(found)
    assert "S-1" in str(found.findings[0].text)


def test_what_delivery_costs_changes_nothing_of_a_shipment_that_has_goods_alone() -> None:
    now = order(line(), line("AB-2", "1", "50.00"), delivery=Delivery(cost=D("40.00")))
    found = planned(now, acts=("order",), goods_alone=True)
    assert (found.words, found.findings, found.notes) == (("amend",), (), ())
    dearer = order(line(price="90.00"), line("AB-2", "1", "50.00"), delivery=Delivery(cost=D("40.00")))
    found = planned(dearer, goods_alone=True)
    assert found.findings[0].code == sent.SENT
    assert not any("delivery" in one for one in told(found)), told(found)


def test_accepted_it_is_amended_and_the_shipment_that_keeps_its_sum_is_told() -> None:
    found = planned(order(line(price="90.00"), line("AB-2", "1", "50.00")), accepted={sent.SENT})
    assert (found.words, found.findings) == (("amend",), ())
    (note,) = found.notes
    assert (note.code, "S-1" in str(note.text), "250.00" in str(note.text)) == ("shipment-differs", True, True)


@pytest.mark.parametrize("policy", ["amend", "hold"])
def test_what_was_accepted_once_is_not_asked_about_with_the_next_address(policy: str) -> None:
    cheaper = order(line(price="90.00"), line("AB-2", "1", "50.00"))
    moved_on = replace(cheaper, delivery=Delivery(address=Address(city="Львів")))
    found = planned(moved_on, written=cheaper, settings={"changed": policy}, booked="other")
    assert found.words == (("amend",) if policy == "amend" else ())
    assert [one.code for one in found.findings][:1] == ([] if policy == "amend" else ["changed-order"])


@pytest.mark.parametrize(
    "now",
    [
        replace(FIRST, customer=Party(last_name="Їжак", phone="+380501112233")),
        replace(FIRST, delivery=Delivery(address=Address(city="Львів"))),
        order(line(), line("AB-2", "1", "50.00"), line("AB-3", "4", "5.00")),
        order(line(quantity="5"), line("AB-2", "1", "50.00")),
        replace(FIRST, lines=(replace(FIRST.lines[0], name="Нова назва"), FIRST.lines[1])),
    ],
    ids=["buyer", "address", "more-goods", "more-of-it", "name"],
)
def test_what_changes_no_sum_of_what_has_left_is_amended_as_ever(now: Order) -> None:
    found = planned(now)
    assert (found.findings, found.words[0]) == ((), "amend")


def test_an_older_ledger_that_knows_no_written_order_is_held_by_the_shipment_alone() -> None:
    assert planned(order(line(price="90.00"), line("AB-2", "1", "50.00")), written=None).findings
    assert not planned(replace(FIRST, comment="завтра"), written=None).findings


def test_each_part_is_held_against_its_own_goods() -> None:
    """Two were sent in one shipment, one in another; only the second has another price by now."""
    one, other = order(line()), order(line("AB-2", "1", "50.00"))
    parts = (moved(one, "1"), moved(other, "2"))
    found = planned(order(line(), line("AB-2", "1", "45.00")), shipments=parts)
    assert "S-2" in str(found.findings[0].text)
    assert "S-1" not in str(found.findings[0].text)
    delivered = order(line(), line("AB-2", "1", "50.00"), delivery=Delivery(cost=D("40.00")))
    assert not planned(delivered, shipments=parts).findings, "parts have no cost of delivery"


def test_what_has_come_back_asks_nobody() -> None:
    back = moved(FIRST, "9", base="s1")
    found = planned(order(line(price="90.00"), line("AB-2", "1", "50.00")), acts=("order",), returns=(back,))
    assert (found.words, found.findings) == (("amend",), ())


def test_a_discount_spread_anew_over_more_goods_asks_only_where_it_is_more_than_a_cent() -> None:
    before = order(line("AB-1", "1", "10.00"), line("AB-2", "1", "20.00"), discounts=(Discount(amount=D("1.00")),))
    same = order(line("AB-1", "1", "10.00"), line("AB-2", "1", "20.00"), line("AB-3", "1", "30.00"),
                 discounts=(Discount(amount=D("2.00")),))  # fmt: skip
    assert not planned(same, before).findings
    other = replace(same, discounts=(Discount(amount=D("12.00")),), total=D("48.00"))
    assert planned(other, before).findings[0].code == sent.SENT


def test_a_piece_more_of_an_order_with_a_discount_waits_and_is_shipped_once_that_is_accepted() -> None:
    """2 pieces bore all of the discount; of 3 they bear two thirds: the shipment's sum is another one."""
    before = order(line(price="460.00"), discounts=(Discount(amount=D("7.77")),))
    now = order(line(price="460.00", quantity="3"), discounts=(Discount(amount=D("7.77")),))
    found = planned(now, before)
    assert (found.findings[0].code, found.doings) == (sent.SENT, ())
    found = planned(now, before, accepted={sent.SENT})
    assert (found.words, [one.code for one in found.notes]) == (("amend", "ship"), ["shipment-differs"])
    (shipment,) = (one.draft for one in found.doings if one.what == "ship")
    assert shipment is not None
    assert [(one.quantity, one.discount) for one in shipment.order.lines] == [(D(1), D("2.59"))]


def test_less_than_has_left_is_told_as_that_whatever_the_rule_does() -> None:
    for acts in (("order",), ("order", "ship")):
        found = planned(order(line(quantity="1"), line("AB-2", "1", "50.00")), acts=acts)
        assert [one.code for one in found.findings] == ["shipped-more"]


def test_a_change_that_a_person_is_to_see_is_told_field_by_field() -> None:
    now = order(line(), line("AB-2", "1", "50.00"), delivery=Delivery(address=Address(city="Львів")))
    found = planned(now, shipments=(), acts=("order",), settings={"changed": "hold"})
    assert found.findings[0].code == "changed-order"
    assert told(found) == ["delivery / address / city: — → Львів"]


# --- the walk --------------------------------------------------------------------------------------------------------


def cheaper() -> dict[str, Any]:
    return {"lines": (line(price="90.00"), line("AB-2", "1", "50.00")), "total": D("230.00")}


def test_a_price_changed_after_the_shipment_waits_for_a_person_and_is_brought_in_by_his_word(world: World) -> None:
    world.put("12")
    world.run()
    world.move("12", **cheaper())
    assert world.run().counts == {"held": 1}
    (card,) = world.cards()
    assert [one["code"] for one in card["findings"]] == [sent.SENT, "difference", "difference"]
    assert world.sql("SELECT total FROM documents WHERE kind = 'create'") == [("250.00",)]
    assert (world.run().counts, len(world.cards())) == ({"held": 1}, 1)
    world.resolve("accept")
    assert world.cards() == []
    assert world.sql("SELECT kind, total FROM documents ORDER BY id") == [("create", "230.00"), ("ship", "250.00")]
    ((told_of,),) = world.rows("SELECT findings FROM orders")
    assert "shipment-differs" in str(told_of)
    world.later(days=1)
    assert world.run(full=True).counts == {"known": 1}
    world.move("12", comment="після обіду")
    assert world.run().counts == {"amended": 1}, "what was decided is decided"
    world.move("20")
    assert world.run().counts == {"returned": 1, "cancelled": 1}


def test_one_that_is_rejected_stays_as_it_is_and_goes_on_with_its_status(world: World) -> None:
    world.put("12")
    world.run()
    world.move("12", **cheaper())
    world.run()
    said = world.resolve("reject", why="помилка менеджера").said
    assert "its document stays as it is" in str(said[0])
    assert (world.run(full=True).counts, world.cards()) == ({}, [])
    world.move("20")
    assert world.run().counts == {"returned": 1, "cancelled": 1}
    assert world.sql("SELECT total FROM documents ORDER BY id") == [("250.00",)] * 3


def test_one_that_the_source_takes_back_closes_its_card(world: World) -> None:
    world.put("12")
    world.run()
    world.move("12", **cheaper())
    world.run()
    world.move("12", lines=(line(), line("AB-2", "1", "50.00")), total=D("250.00"))
    assert world.run().counts == {"known": 1}
    assert world.cards() == []
