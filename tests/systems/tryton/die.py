"""A process that makes one document in Tryton, and is killed while it waits for the answer."""

from __future__ import annotations

import sys
from typing import Any

from pipeline.api import DocumentRef, Return, Shipment
from pipeline.testing.documents_contract import drafts_of, order
from plugins.systems.tryton.system import Tryton
from tests.systems.tryton.world import CODES, session


def act(system: Tryton, what: str, order_id: str = "", shipment: str = "") -> Any:
    """Make an order, a shipment or a return, with the key that it always has."""
    (draft,) = drafts_of(system, [order(1, CODES)])
    ref = DocumentRef(order_id, "")
    if what == "order":
        return system.create([draft])
    if what == "ship":
        return system.ship([Shipment(key="demo/shop/1/ship/1", order=ref, draft=draft)])
    back = Return(key="demo/shop/1/return/1", order=ref, shipment=DocumentRef(shipment, ""), draft=draft)
    return system.take_back([back])


if __name__ == "__main__":
    url, *rest = sys.argv[1:]
    act(session(url), *rest)
