"""The six invariants of the house plan, checked in one place after every fault."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import sqlalchemy as sa

from pipeline.archive import Archive
from pipeline.config.model import ClientConfig
from pipeline.engine.runtime import Client
from pipeline.ledger import tables as t
from tests.faults import tally


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
    """Raise AssertionError when a promise is broken. ``dropped``: every file the shop ever delivered whole, by name."""
    import hashlib

    archive = Archive(config.path(config.archive.path))
    with Client.open(config) as client, client.ledger.read() as conn:
        files = [t.row_dict(row) for row in conn.execute(sa.select(t.files))]
        orders = [t.row_dict(row) for row in conn.execute(sa.select(t.orders))]
        notices = [t.row_dict(row) for row in conn.execute(sa.select(t.notices))]
        cards = {row.subject for row in conn.execute(sa.select(t.cards).where(t.cards.c.state == "open"))}
    documents = books_rows(config)
    tally.count_documents(config, documents)

    # I1: each order is exactly one document, an end state with its reason, or an open card
    twice = [order_id for order_id, times in Counter(row[0] for row in documents).items() if times > 1]
    assert not twice, f"documents made twice: {twice}"
    booked = {row[0] for row in documents}
    for order in orders:
        if order["state"] == "created":
            assert order["order_id"] in booked, order
        elif order["state"] in ("held", "in_doubt"):
            assert f"order:{order['id']}" in cards, order
        elif order["state"] in ("rejected", "nothing_to_do"):
            assert order["findings"], order
        else:
            raise AssertionError(f"an order was left on its way: {order}")
    # one in doubt may have its document: its card says so
    known = {order["order_id"] for order in orders if order["state"] in ("created", "in_doubt")}
    assert booked <= known, "a document nobody knows of"

    # I2: nothing is gone from the server without a verified copy and a committed row
    hashes = set(archive.hashes())
    by_hash = {row["sha256"]: row for row in files if row["sha256"]}
    remaining = {path.name for path in inbox.iterdir()}
    for name, data in dropped.items():
        sha = hashlib.sha256(data).hexdigest()
        if name not in remaining:
            assert sha in hashes, f"{name} is gone without a copy"
            assert by_hash[sha]["state"] == "acknowledged", by_hash[sha]

    # I3: the archive holds what it says
    assert all(archive.verify(sha) for sha in hashes)
    assert not list(archive.root.rglob("*.unsound-*"))

    # I5: sums agree to the cent
    totals = {order["order_id"]: order["total"] for order in orders}
    for order_id, total, _number in documents:
        cents = round(float(total) / (1_000_000 if "." not in total else 1) * 100)
        assert cents == round(float(totals[order_id]) * 100), (order_id, total, totals[order_id])

    # told once: one notice for each booked order
    told = Counter(notice["subject"] for notice in notices if notice["kind"] == "order")
    assert all(times == 1 for times in told.values()), told
    assert set(told) == {f"order:{order['id']}" for order in orders if order["state"] == "created"}
