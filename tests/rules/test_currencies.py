"""Orders in another currency: a rate is never made up, and never lost in silence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

import pytest
from babel.numbers import list_currencies

from pipeline.errors import Held, Who
from pipeline.model import Order
from pipeline.rules.currencies import check_foreign, rate_line, rate_of
from pipeline.rules.currencycodes import CODES
from pipeline.rules.orders import is_currency
from pipeline.testing.documents_contract import order

OWN = order(1, ("A", "B", "C"))
FOREIGN = replace(OWN, currency="USD")
STATED = replace(FOREIGN, rate=Decimal("41.5000"))


@pytest.mark.parametrize(
    ("given", "rates", "rate"),
    [
        (OWN, {}, "1"),
        (replace(OWN, rate=Decimal(2)), {"UAH": Decimal(3)}, "1"),
        (STATED, {}, "41.5000"),
        (STATED, {"USD": Decimal(40)}, "41.5000"),
        (FOREIGN, {"USD": Decimal(40)}, "40"),
    ],
)
def test_the_rate_is_the_orders_own_else_that_of_the_config(
    given: Order, rates: Mapping[str, Decimal], rate: str
) -> None:
    assert str(rate_of(given, "UAH", rates, "rates")) == rate


@pytest.mark.parametrize("rate", [None, Decimal(0), Decimal(-1)])
def test_without_a_rate_it_is_held_and_the_card_says_where_it_is_given(rate: Decimal | None) -> None:
    with pytest.raises(Held) as caught:
        rate_of(replace(FOREIGN, rate=rate), "UAH", {"EUR": Decimal(45)}, "rates")
    (finding,) = caught.value.findings
    assert (finding.code, finding.who, finding.where.order) == ("no-rate", Who.ADMIN, "00000001")
    assert "USD" in str(finding.text)
    assert "`rates: {USD: 41.50}`" in str(finding.hint)


@pytest.mark.parametrize("given", [FOREIGN, STATED])
def test_a_system_that_takes_no_rate_gets_no_order_in_another_currency_unasked(given: Order) -> None:
    setting = "`documents: {foreign: own_rate}`"
    check_foreign(OWN, "UAH", "Dilovod", taken=False, setting=setting)
    check_foreign(given, "UAH", "Dilovod", taken=True, setting=setting)
    with pytest.raises(Held) as caught:
        check_foreign(given, "UAH", "Dilovod", taken=False, setting=setting)
    (finding,) = caught.value.findings
    assert finding.code == "foreign-currency"
    assert ("41.5" in str(finding.text)) == (given is STATED)
    assert setting in str(finding.hint)


def test_a_stated_rate_is_told_in_words() -> None:
    assert rate_line(OWN, "UAH") == rate_line(FOREIGN, "UAH") == rate_line(STATED, "USD") == ()
    (line,) = rate_line(STATED, "UAH")
    assert "41.5000" in line


def test_the_codes_are_those_of_babel() -> None:
    assert frozenset(list_currencies()) == CODES
    assert is_currency("UAH")
    assert not is_currency("UAX")
    assert not is_currency("")
