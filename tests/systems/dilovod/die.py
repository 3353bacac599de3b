"""A process that makes one document in Dilovod, and is killed while it waits for the answer."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.api import DocumentRef, Return, Shipment, SystemEnv
from pipeline.testing.documents_contract import drafts_of, order
from plugins.systems.dilovod import open_base
from plugins.systems.dilovod.settings import DilovodSettings
from plugins.systems.dilovod.system import Dilovod

DOCUMENTS = {"delivery": "DELIVERY", "storage": "Основний склад"}
CODES = ("COF-1", "TEA-1", "GIFT-1")


class Now:
    """The real time."""

    def now(self) -> datetime:
        """The moment."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Nobody sleeps here."""


def session(url: str) -> Dilovod:
    """A session as the engine opens it."""
    settings: Any = {"key": "key", "url": url, "documents": DOCUMENTS, "per_second": 50}
    env = SystemEnv("erp", "demo", Path(), "UAH", "Europe/Kyiv", Now())
    return open_base(DilovodSettings(**settings), env)


def act(system: Dilovod, what: str, order_id: str = "", shipment: str = "") -> Any:
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
