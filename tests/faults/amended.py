"""What amendments promise besides the six invariants: checked after each of their tests, by queries of our own."""

from __future__ import annotations

from decimal import Decimal

import sqlalchemy as sa

from pipeline.engine.runtime import Client
from pipeline.ledger import tables as t

_DOCUMENTS = """
SELECT d.order_id, d.total, d.cancelled_at, s.code
FROM documents d JOIN statuses s ON s.id = d.status_id ORDER BY d.id
"""
_RESERVED = """
SELECT l.product_id, d.warehouse_id, SUM(l.reserved), SUM(CASE WHEN d.cancelled_at IS NULL THEN 0 ELSE l.reserved END)
FROM document_lines l JOIN documents d ON d.id = l.document_id WHERE d.closed_at IS NULL
GROUP BY l.product_id, d.warehouse_id
"""


def check(client: Client) -> None:
    """Documents agree to the cent with the content that the ledger says they have; stock is reserved for them, once."""
    config = client.config
    url = sa.make_url(config.connections["books"].params.model_dump()["url"])
    if url.drivername.startswith("sqlite"):
        url = url.set(database=str(config.base / str(url.database)))
    engine = sa.create_engine(url)
    with engine.connect() as conn:
        documents = {row[0]: row for row in conn.execute(sa.text(_DOCUMENTS))}
        lines = list(conn.execute(sa.text(_RESERVED)))
        stock = {
            (row[0], row[1]): row[2]
            for row in conn.execute(sa.text("SELECT product_id, warehouse_id, reserved FROM stock"))
        }
    engine.dispose()
    micro = 1_000_000 if url.drivername.startswith("sqlite") else 1
    mine = (t.orders.c.state == "created") & (t.orders.c.client == client.ledger.client)
    with client.ledger.read() as conn:
        orders = [t.row_dict(row) for row in conn.execute(sa.select(t.orders).where(mine))]
        open_cards = {row.subject for row in conn.execute(sa.select(t.cards).where(t.cards.c.state == "open"))}
        seen = list(conn.execute(sa.select(t.sightings)))
        files = {row.id: row for row in conn.execute(sa.select(t.files))}
        contents = {
            row["id"]: client.archive.read(files[row["file_id"]].sha256).decode(errors="replace")
            for row in orders
            if files[row["file_id"]].pruned is None
        }
    assert not [row for row in seen if row.outcome == "amending"], "an amendment was left on its way"
    for row in (row for row in seen if row.outcome == "blocked"):
        assert f"order:{row.order_row}" in open_cards, "an amendment waits, and nobody is told"
    for order in orders:
        _id, total, cancelled, status = documents[order["order_id"]]
        assert Decimal(total) / micro == Decimal(order["total"]), order
        marked = [one for one in order["findings"] or () if one["code"] == "document-cancelled"]
        assert bool(cancelled) == bool(marked), order
        if (
            order["id"] in contents and order["amended"] and not cancelled
        ):  # the newest content that came to the document, from the archive
            assert f"<total>{order['total']}</total>" in contents[order["id"]], order
        if cancelled:
            assert status in ("cancelled", "refunded")
    for product, warehouse, quantity, of_cancelled in lines:
        assert stock[product, warehouse] == quantity, (product, warehouse)
        assert not of_cancelled, "a cancelled document still reserves"
    held = {(row[0], row[1]) for row in lines}
    assert not [place for place, quantity in stock.items() if quantity and place not in held]
