"""Tables of a closed program through the faults of order documents that every target goes through."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from pipeline.testing.orders_contract import OrdersContract, Target
from tests.systems.killed import kill
from tests.systems.sql.world import CODES, FOLLOWING, SETTINGS, World


def target_of(world: World) -> Target:
    def refuse(words: str) -> Callable[[], None]:
        world.refuse_in("ORDERS", "insert", words)
        return world.allow

    def close_period(moment: datetime) -> None:
        limit = moment.astimezone(ZoneInfo("Europe/Kyiv")).strftime("%Y-%m-%d %H:%M:%S")
        world.refuse_in("ORDERS", "insert", "Період закрито", f"new.ORDER_DATE <= '{limit}'")

    given = {"url": world.url, **SETTINGS, **FOLLOWING}
    return Target(
        open=world.open,
        codes=CODES,
        count=lambda: world.count("ORDERS"),
        total=world.total,
        refuse=refuse,
        lose_answer=world.lose_answer,
        close_period=close_period,
        kill=lambda: kill("sql", given, CODES, base=world.base, called="shop"),
        lacks={
            "reserved": "the tables of another program: what it reserves is its own",
            "on_hand": "the tables of another program: what it has is its own",
        },
    )


class TestOrders(OrdersContract):
    """On SQLite; on the servers see test_servers."""

    @pytest.fixture
    def target(self, lite: World) -> Target:
        lite.usual = FOLLOWING
        lite.open()
        return target_of(lite)
