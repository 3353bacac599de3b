"""KeepinCRM through the faults of order documents that every target goes through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pipeline.testing.orders_contract import OrdersContract, Target
from tests.systems.keepincrm.agreeing import CHANGING, CODES, SWITCHED, settings, stocked, subject_of
from tests.systems.keepincrm.world import World
from tests.systems.killed import kill_waiting


def target_of(world: World) -> Target:
    fake, subject = world.fake, subject_of(world, change_lines=True)

    def adds(asked: Any) -> bool:
        return bool(asked.method == "POST" and str(asked.path).endswith("/agreements"))

    def refuse(words: str) -> Callable[[], None]:
        fake.fail(422, {"errors": {"base": [words]}}, times=99, when=adds)
        return fake.forget

    given = {"token": world.token, "url": f"{world.url}/v1", "untried_writes": True}
    given |= settings(world, change_lines=True)
    return Target(
        open=subject.open,
        codes=CODES,
        count=subject.count,
        total=subject.total,
        refuse=refuse,
        lose_answer=lambda: fake.lose_reply(when=adds),
        kill=lambda: kill_waiting(fake, lambda: subject.count() > 0, "keepincrm", given, CODES, adds),
        lacks={
            "close_period": "a CRM closes no periods",
            "reserved": "an agreement reserves nothing that the API tells",
        },
    )


class TestOrders(OrdersContract):
    @pytest.fixture(params=[{}, SWITCHED], ids=["likeliest", "otherwise"])
    def target(self, request: pytest.FixtureRequest, world: World) -> Target:
        world.fake.behave(**{**request.param, **CHANGING})
        return target_of(stocked(world))
