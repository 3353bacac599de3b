"""The six invariants of the house plan, checked in one place after every fault."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import sqlalchemy as sa

from pipeline.config.model import ClientConfig
from pipeline.engine.runtime import Client
from pipeline.engine.selftest.promises import broken_promises, unheard_of
from tests.faults import amended, tally
from tests.faults.plain import order_ids


def books_rows(config: ClientConfig) -> list[tuple[str, str, str]]:
    """(order id, total, number) of every document, read by a query of our own from the books' database."""
    url = sa.make_url(config.connections["books"].params.model_dump()["url"])
    if url.drivername.startswith("sqlite"):
        url = url.set(database=str(config.base / str(url.database)))
    engine = sa.create_engine(url)
    try:
        if not sa.inspect(engine).has_table("documents"):
            return []
        with engine.connect() as conn:
            rows = conn.execute(sa.text("SELECT order_id, total, number FROM documents ORDER BY id")).all()
    finally:
        engine.dispose()
    return [(str(row[0]), str(row[1]), str(row[2])) for row in rows]


def check(config: ClientConfig, *, inbox: Path, dropped: dict[str, bytes]) -> None:
    """Raise AssertionError when a promise is broken. ``dropped``: every file the shop ever delivered whole, by name.

    What the promises are is told once, for these tests and for ``mistok selftest``; the documents, and the orders in
    what was delivered, are read past it.
    """
    documents = books_rows(config)
    remaining = {path.name for path in inbox.iterdir()}
    delivered = {name: order_ids(data) for name, data in dropped.items()}
    with Client.open(config) as client:
        booked = {order_id for order_id, _total, _number in documents}
        unheard = unheard_of(client, booked, remaining=remaining, dropped=dropped, delivered=delivered)
        tally.count_documents(client, documents, unheard={order for order, _file in unheard})
        broken = broken_promises(
            client,
            [(order_id, _amount(total)) for order_id, total, _number in documents],
            remaining=remaining,
            dropped=dropped,
            delivered=delivered,
        )
    assert not broken, "\n".join(f"{one.code}: {one.text.render('en')}" for one in broken)
    if documents and config.connections["books"].type == "books":
        amended.check(config)


def _amount(stored: str) -> Decimal:
    """Of a total as the books' database has it: SQLite keeps millionths."""
    return Decimal(stored) / (1 if "." in stored else 1_000_000)
