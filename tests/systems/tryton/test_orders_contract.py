"""Tryton, a real server, through the faults of order documents that every target goes through."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pipeline.testing.orders_contract import OrdersContract, Target
from tests.servers.tryton import NAME
from tests.systems.killed import kill
from tests.systems.tryton.world import CODES, DOCUMENTS, GOODS, World, method, user_error

pytestmark = [pytest.mark.server("tryton"), pytest.mark.xdist_group("tryton")]


def target_of(world: World) -> Target:
    between = world.between

    def refuse(words: str) -> Callable[[], None]:
        between.fail(200, user_error(words), times=99, when=method("sale.sale.create"))
        return between.forget

    def kill_one() -> None:
        answer = between.hold(when=method("sale.sale.create"))
        came = between.watch(method("sale.sale.create"))
        given = {
            "url": world.url, "database": NAME, "user": "admin", "password": "admin-of-the-tests",
            "documents": DOCUMENTS, "goods": GOODS,
        }  # fmt: skip
        kill("tryton", given, CODES, waits=lambda: came.wait(0.2))
        answer.set()

    return Target(
        open=world.open,
        codes=CODES,
        count=lambda: world.count("sale_sale"),
        total=world.total,
        on_hand=world.on_hand,
        refuse=refuse,
        lose_answer=lambda: between.lose_reply(when=method("sale.sale.create")),
        kill=kill_one,
        lacks={
            "close_period": "a sale is of no period: only its shipments, returns and invoices are",
            "reserved": "a sale reserves nothing in Tryton before it is processed",
        },
    )


class TestOrders(OrdersContract):
    @pytest.fixture
    def target(self, world: World) -> Target:
        return target_of(world)
