"""Orders go to another process and come back as they were."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from pipeline.model import Address, Delivery, Discount, Order, OrderLine, Party, Payment
from pipeline.ports import Decoded, DecodedOrder

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
BUYER = Party(kind="company", company="Лак", edrpou="01234567", address=Address(city="Дніпро", house="4"))
ORDER = Order(
    id="7",
    number="№7",
    source="shop",
    created_at=NOON,
    currency="UAH",
    customer=BUYER,
    lines=(OrderLine(code="A", name="Ґрунт", quantity=Decimal(2), price=Decimal("1.50"), attributes={"колір": "a"}),),
    total=Decimal("3.00"),
    delivery=Delivery(recipient=BUYER, planned_for=date(2026, 11, 21)),
    payment=Payment(paid=Decimal(1), paid_at=NOON),
    discounts=(Discount(amount=Decimal("0.10"), code="X"),),
    taxes=((Decimal(20), Decimal("0.50")),),
    extra={"a": "b"},
)
READ = Decoded((DecodedOrder(ORDER, fragment=b"<order/>", line=3),), version="1")


@pytest.mark.parametrize("value", [ORDER, BUYER, BUYER.address, ORDER.payment, ORDER.discounts[0], READ])
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_what_is_pickled_comes_back_as_it_was(value: object, protocol: int) -> None:
    back = pickle.loads(pickle.dumps(value, protocol))
    assert back == value
    assert type(back) is type(value)
    assert copy.deepcopy(value) == value


def test_it_stays_frozen() -> None:
    back = pickle.loads(pickle.dumps(ORDER))
    with pytest.raises(AttributeError):
        back.number = "8"
    assert hash(back.payment) == hash(ORDER.payment)
