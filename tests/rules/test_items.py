"""Nothing is made of nothing, and no quantity is cut in silence."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from pipeline.errors import Held
from pipeline.model import OrderLine
from pipeline.rules.items import check_items
from tests.engine.documents.making import line, order

MILLI = Decimal("0.001")


@pytest.mark.parametrize("quantity", ["1", "0.001", "1000000", "12.500"])
def test_what_the_system_keeps_goes_on(quantity: str) -> None:
    check_items(order(replace(line(), quantity=Decimal(quantity))), 1, MILLI, "Dilovod")


@pytest.mark.parametrize(("quantity", "code"), [("0", "empty"), ("-1", "empty"), ("0.0005", "quantity")])
def test_what_it_does_not_keep_is_held(quantity: str, code: str) -> None:
    with pytest.raises(Held) as told:
        check_items(order(replace(line(), quantity=Decimal(quantity))), 1, MILLI, "Dilovod")
    assert told.value.code == code


@pytest.mark.parametrize(("lines", "paired"), [((), 0), ((line(),), 0), ((line(), line("AB-2")), 1)])
def test_an_empty_order_and_one_of_unknown_products_make_no_document(lines: tuple[OrderLine, ...], paired: int) -> None:
    with pytest.raises(Held, match="an empty document is never made"):
        check_items(replace(order(), lines=lines), paired, MILLI, "Dilovod")
