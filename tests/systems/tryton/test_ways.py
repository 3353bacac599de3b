"""The ways that the settings leave open: how far an order is taken, how it is shipped, how far a payment goes."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from pipeline.api import Held, Party, PaymentDraft
from pipeline.testing.documents_contract import amendment_of, drafts_of, larger, order
from pipeline.testing.following_subject import coming_back, held, one, part, shipment
from tests.systems.tryton.world import CODES, DOCUMENTS, World, long

pytestmark = [pytest.mark.server("tryton"), pytest.mark.xdist_group("tryton"), long]
WAYS: dict[str, dict[str, Any]] = {
    "manual": {"shipping": "manual", "state": "draft"},
    "processing": {"invoicing": "fulfillment", "state": "processing"},
}


@pytest.mark.parametrize("way", ["manual", "processing"])
def test_it_is_shipped_in_parts_and_comes_back_whatever_the_methods_of_the_sale(world: World, way: str) -> None:
    system = world.open(documents={**DOCUMENTS, **WAYS[way]})
    (draft,) = drafts_of(system, [order(1, CODES)])
    ref = one(system.create([draft]))
    assert world.sale(ref.id).state == WAYS[way]["state"]
    assert ref.number
    (amended,) = system.amend([amendment_of(system, larger(CODES), ref, "2")])
    assert isinstance(amended.error, Held) == (way == "processing")
    system.amend([amendment_of(system, order(1, CODES), ref, "3")])
    first = one(system.ship([shipment(ref, part(draft, 1, 0, 1), "1")]))
    second = one(system.ship([shipment(ref, part(draft, 1, 3, 0), "2")]))
    assert [world.on_hand(code) for code in CODES] == [998, 997, 999]
    one(system.take_back([coming_back(ref, first, part(draft, 1, 0, 1), "1")]))
    held(system.take_back([coming_back(ref, first, part(draft, 1, 0, 0), "2")])[0])
    one(system.take_back([coming_back(ref, second, part(draft, 1, 3, 0), "3")]))
    assert [world.on_hand(code) for code in CODES] == [1000, 1000, 1000]
    assert set(system.returns_of([first, second])) == {first.id, second.id}


def test_a_submitted_payment_and_an_order_of_nobody(world: World) -> None:
    nobody = world.server.model("party.party")(name="Роздріб", code="0042")
    nobody.addresses.new()
    nobody.save()
    system = world.open(documents={**DOCUMENTS, "payments": "submitted", "party": "0042", "account": "Каса"})
    (draft,) = drafts_of(system, [replace(order(1, CODES), customer=Party())])
    ref = one(system.create([draft]))
    assert world.sale(ref.id).party.name == "Роздріб"
    pay = PaymentDraft(key="demo/shop/1/pay/1", order=ref, amount=Decimal("969.80"), currency="UAH")
    one(system.pay([pay]))
    assert world.server.one("select state from account_payment") == "submitted"
    (outcome,) = world.open().create(drafts_of(system, [replace(order(2, CODES), customer=Party())]))
    assert isinstance(outcome.error, Held)
    # paid, and so neither amended nor cancelled by Tryton, in its own words
    (amended,) = system.amend([amendment_of(system, replace(larger(CODES), customer=Party()), ref, "2")])
    assert isinstance(amended.error, Held)
    assert world.total(ref.id) == Decimal("969.80")
