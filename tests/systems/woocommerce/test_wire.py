"""The connector to WooCommerce when the shop is busy, fails, falls silent, or tells what it should not."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import pytest

from pipeline.testing.wire_contract import Wire, WireContract
from plugins.systems.woocommerce import PLUGIN
from plugins.systems.woocommerce.fake import SECRET
from tests.systems.woocommerce.conftest import Clock
from tests.systems.woocommerce.shops import served
from tests.systems.woocommerce.test_contract import subject_of


class TestWooCommerce(WireContract):
    @pytest.fixture
    def wire(self, clock: Clock) -> Iterator[Wire]:
        with served(clock, page=20, batch=10) as shop:

            def refuse(codes: Collection[str]) -> None:
                shop.fake.shop.unreachable |= {_picture(code) for code in codes}

            def values(code: str) -> Mapping[str, Any]:
                return {"images": (_picture(code),)}

            yield Wire(
                subject=subject_of(shop),
                api=shop.fake,
                plugin=PLUGIN,
                config=shop.config(),
                clock=clock,  # type: ignore[arg-type]  # of a clock only the time is asked
                expire=shop.fake.shop.keys.clear,
                secret=SECRET,
                cap={"max_pages": 2},
                codes=lambda: [row["sku"] for row in shop.fake.products.rows()],
                refuse=refuse,
                values=values,
            )


def _picture(code: str) -> str:
    return f"https://erp.example/{code}.jpg"
