"""What the walk of documents promises besides the six invariants: every act left exactly its document, and no other.

Checked after each fault of that walk, by queries of our own on the scripted target's database.
"""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal

import sqlalchemy as sa

from pipeline.engine.runtime import Client
from pipeline.ledger import tables as t
from pipeline.testing import documents_target

_MAKING = ("create", "pay", "ship", "return")  #: acts that leave a document of their own
_DOCUMENTS = "SELECT kind, key, order_id, lines, cancelled FROM documents"


def broken(client: Client) -> list[str]:
    """Every promise that does not hold, in words."""
    documents = [
        row
        for one in client.config.connections.values()
        if one.type == documents_target.PLUGIN.name
        for row in documents_target.rows(client.config.base / one.params.model_dump()["file"], _DOCUMENTS)
    ]
    with client.ledger.read() as conn:
        acts = [t.row_dict(row) for row in conn.execute(sa.select(t.acts))]
        orders = {row.id: t.row_dict(row) for row in conn.execute(sa.select(t.orders))}
        files = list(conn.execute(sa.select(t.files)))
        waiting = {row.subject for row in conn.execute(sa.select(t.cards).where(t.cards.c.state == "open"))}
    copies = set(client.archive.hashes())
    found = [f"I2: no copy of {row.name} is kept" for row in files if row.sha256 not in copies and not row.pruned]
    found += [
        f"I1: the act {act['key']} was left {act['state']}, and no card says so"
        for act in acts
        if act["state"] in ("begun", "in_doubt") and f"order:{act['order_row']}" not in waiting
    ]
    made = Counter((kind, key) for kind, key, *_rest in documents)
    meant = {(act["act"], act["key"]): orders[act["order_row"]] for act in acts if act["act"] in _MAKING}
    found += [f"I1: {kind} {key} is there {times} times" for (kind, key), times in made.items() if times > 1]
    found += [f"I1: nothing here knows of {kind} {key}" for kind, key in made if (kind, key) not in meant]
    done = {(act["act"], act["key"]) for act in acts if act["act"] in _MAKING and act["state"] == "done"}
    found += [f"I1: {kind} {key} is done, and not there" for kind, key in done - set(made)]
    return found + _goods(documents)


def _goods(documents: list[tuple[str, str, str, str, int]]) -> list[str]:
    """No more leaves than is ordered, none of what is cancelled, and no more comes back than left."""
    moved: Counter[tuple[str, str]] = Counter()
    found = []
    for kind, key, order, lines, _cancelled in documents:
        if kind in ("ship", "return") and not json.loads(lines):
            found.append(f"an empty document: {key}")
        for article, quantity, *_price in json.loads(lines or "[]"):
            moved[order, article] += Decimal(quantity) * {"ship": 1, "return": -1}.get(kind, 0)  # type: ignore[assignment]
    ordered: Counter[tuple[str, str]] = Counter()
    cancelled = set()
    for kind, _key, order, lines, off in documents:
        if kind == "create":
            cancelled |= {order} if off else set()
            for article, quantity, *_price in json.loads(lines):
                ordered[order, article] += Decimal(quantity)  # type: ignore[assignment]
    for (order, article), away in moved.items():
        most = 0 if order in cancelled else ordered[order, article]
        if not 0 <= away <= most:
            found.append(f"of {article} of order {order}, {away} are with the buyer, of {most}")
    return found
