"""KeyCRM's connector when the service is busy, fails, falls silent, or tells what it should not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipeline.testing.wire_contract import Wire, WireContract
from plugins.systems.keycrm import PLUGIN
from tests.systems.keycrm.account import WAREHOUSES, account, subject_of

SECRET = "secret-of-the-account"


class TestKeyCrm(WireContract):
    @pytest.fixture
    def wire(self) -> Iterator[Wire]:
        with account() as one:
            one.fake.keys = {"key", SECRET}

            def expire() -> None:
                one.fake.keys = {"another"}

            yield Wire(
                subject=subject_of(one, open=one.open),
                api=one.fake,
                plugin=PLUGIN,
                config={"key": SECRET, "url": f"{one.url}/v1", "warehouses": WAREHOUSES},
                clock=one.clock,
                expire=expire,
                secret=SECRET,
                cap={"max_pages": 2},
                codes=lambda: [row["sku"] for row in one.fake.account.table("offers").values()],
            )
