"""An exchange by CommerceML through the faults of order documents that every target goes through."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.testing.orders_contract import OrdersContract, Target
from tests.systems.commerceml.test_contracts import CODES, documents_of
from tests.systems.commerceml.world import PASSWORD, PRICES, USER, Accounting, document_total
from tests.systems.killed import kill

_OWN = "documents stand in the exchange's own file until the accounting program fetches them"


class TestOrders(OrdersContract):
    @pytest.fixture
    def target(self, tmp_path: Path) -> Target:
        world = Accounting(tmp_path, http=True)
        subject = documents_of(world)
        given = {
            "role": "shop", "prices": PRICES, "image_url": "https://shop.example/img/",
            "server": {"user": USER, "password": PASSWORD, "port": 0, "file_limit": 3000},
        }  # fmt: skip
        return Target(
            open=world.open,
            codes=CODES,
            count=subject.count,
            total=lambda own: document_total(world, own),
            kill=lambda: kill("commerceml", given, CODES, base=tmp_path, called="1c"),
            lacks={
                "reserved": f"{_OWN}: what it reserves is its own",
                "on_hand": f"{_OWN}: what it has is its own",
                "refuse": f"{_OWN}: nobody is asked who could refuse",
                "lose_answer": f"{_OWN}: there is no answer that could be lost",
                "close_period": f"{_OWN}: its periods are its own, and it tells what became of each",
            },
        )
