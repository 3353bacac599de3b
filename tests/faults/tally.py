"""What a fault test did, counted while it runs, for the table of faults: kills, points, inputs, documents.

A note goes into pytest's ``user_properties`` of the test under way, which reach the controller of xdist too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from pipeline.engine.runtime import Client
from pipeline.ledger import tables as t

#: of the test under way; None outside of tests
_properties: list[tuple[str, object]] | None = None


def begin(properties: list[tuple[str, object]] | None) -> None:
    """From now on notes belong to this test (None: to nobody)."""
    global _properties  # noqa: PLW0603 - one test runs at a time in a process
    _properties = properties


def note(name: str, value: object = 1) -> None:
    """Count for this test: ``kills``, ``inputs`` (bad ones tried) or a ``point``, ``transport``, ``ledger``."""
    if _properties is not None:
        _properties.append((f"fault:{name}", value))


def count_documents(
    client: Client, documents: list[tuple[str, Any, Any]], unheard: Collection[str], *, final: bool
) -> None:
    """Note the documents that exist in the target, and how many orders have none, or more than one.

    ``documents``: (order id, total, number) of each, as a query of our own found them. ``unheard``: orders that were
    delivered, and of which the ledger does not even know. ``final``: not while a fault lasts, so that a document is
    counted once.
    """
    with client.ledger.read() as conn:
        query = sa.select(t.orders.c.order_id, t.orders.c.state).where(t.orders.c.client == client.ledger.client)
        orders = [(row.order_id, row.state) for row in conn.execute(query)]
    times = Counter(order_id for order_id, _total, _number in documents)
    meant = Counter(order_id for order_id, state in orders if state == "created")
    if final:
        note("documents", len(documents))
    note("doubled", sum(max(times[one] - max(meant[one], 1), 0) for one in times))
    note("lost", sum(max(meant[one] - times[one], 0) for one in meant) + len(unheard))
