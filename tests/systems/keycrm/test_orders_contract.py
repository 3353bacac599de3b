"""KeyCRM through the faults of order documents that every target goes through."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pipeline.testing.orders_contract import OrdersContract, Target
from plugins.systems.keycrm.fake import Quirks
from tests.systems.keycrm.account import WAREHOUSES, Account, account
from tests.systems.keycrm.ordering import CODES, DOCUMENTS, SWITCHED, stocked, total
from tests.systems.killed import kill_waiting


def target_of(one: Account) -> Target:
    fake = one.fake

    def adds(asked: Any) -> bool:
        return bool(asked.method == "POST" and asked.path == "/v1/order")

    def refuse(words: str) -> Callable[[], None]:
        fake.fail(422, {"message": words, "errors": {"products": [words]}}, times=99, when=adds)
        return fake.forget

    def count() -> int:
        return len(fake.account.table("orders"))

    given = {"key": "key", "url": f"{one.url}/v1", "warehouses": WAREHOUSES, **one.settings}
    return Target(
        open=one.open,
        codes=CODES,
        count=count,
        total=lambda number: total(one, int(number)),
        reserved=fake.reserve,
        refuse=refuse,
        lose_answer=lambda: fake.lose_reply(when=adds),
        kill=lambda: kill_waiting(fake, lambda: count() > 0, "keycrm", given, CODES, adds),
        lacks={"close_period": "a CRM closes no periods"},
    )


class TestOrders(OrdersContract):
    @pytest.fixture(params=[{}, SWITCHED], ids=["likeliest", "otherwise"])
    def target(self, request: pytest.FixtureRequest) -> Iterator[Target]:
        with account(Quirks(**request.param), documents=DOCUMENTS) as one:
            yield target_of(stocked(one))
