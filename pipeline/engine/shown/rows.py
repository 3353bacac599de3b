"""Rows of the ledger about orders and files, for tables and JSON."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pipeline.errors import Finding
from pipeline.model import cents
from pipeline.texts import TN, T, Text

if TYPE_CHECKING:
    from pipeline.engine.runtime import Client

ORDER_STATES: Mapping[str, Text] = {
    "new": T("new"),
    "creating": T("being made"),
    "created": T("document made"),
    "held": T("held: waits for a person"),
    "in_doubt": T("in doubt"),
    "rejected": T("rejected"),
    "nothing_to_do": T("nothing to do"),
}
#: The shop's own word for where an order stands, where it is one that the order format knows.
SHOP_STATUSES: Mapping[str, Text] = {
    "new": T("new"),
    "confirmed": T("confirmed"),
    "paid": T("paid"),
    "shipped": T("shipped"),
    "completed": T("completed"),
    "cancelled": T("cancelled"),
    "refunded": T("refunded"),
}
FILE_STATES: Mapping[str, Text] = {
    "seen": T("seen"),
    "claimed": T("being fetched"),
    "archived": T("in the archive"),
    "checked": T("read, orders on their way"),
    "quarantined": T("quarantined"),
    "done": T("done, still on the server"),
    "acknowledged": T("done"),
}
POLICIES: Mapping[str, Text] = {
    "deleted": T("deleted on the server"),
    "gone": T("already gone from the server"),
    "moved": T("moved on the server"),
    "kept": T("left on the server"),
    "asked": T("read from the system, no file of a server"),
    "replaced": T("replaced on the server by a newer file"),
    "vanished": T("taken away by the site before it was complete"),
    "rejected": T("moved to the rejected folder"),
}


def shop_status(code: str | None) -> str:
    """The shop's own status of an order for people; a word that is not known as it is."""
    return str(SHOP_STATUSES.get(code or "", code or ""))


def state_words(row: Mapping[str, Any], stands: Collection[str] = ()) -> Text:
    """Where an order stands, with what became of its document since (``stands``, of an order of a system)."""
    if row["state"] != "created":
        return ORDER_STATES[row["state"]]
    if "cancelled" in stands and "returned" in stands:
        return T("goods came back, document marked cancelled")
    if "cancelled" in stands or any(one["code"] == "document-cancelled" for one in row["findings"] or ()):
        return T("document marked cancelled")
    if "returned" in stands:
        return T("goods came back")
    if "shipped" in stands:
        return T("shipped")
    if row["amended"]:
        return T("document made, amended since")
    return ORDER_STATES[row["state"]]


def rows_of_orders(conn: Any, rows: Sequence[Mapping[str, Any]], client: Client) -> list[dict[str, Any]]:
    """Ledger rows of orders for tables and JSON, with how far their documents have come."""
    from pipeline.ledger import acts

    stands = acts.stand(conn, [row["id"] for row in rows])
    return [order_row(row, client, stands.get(row["id"], ())) for row in rows]


def order_row(row: Mapping[str, Any], client: Client, stands: Collection[str] = ()) -> dict[str, Any]:
    """An order's ledger row for tables and JSON; ``stands``: how far its documents have come, where that is known."""
    return {
        "number": row["number"],
        "id": row["order_id"],
        "source": row["source"],
        "at": row["created"].astimezone(client.config.zone),
        "customer": row["customer"],
        "total": cents(Decimal(row["total"])) if row["total"] else None,
        "currency": row["currency"],
        "items": row["items"],
        "state": row["state"],
        "state_text": str(state_words(row, stands)),
        "stands": list(stands),
        "status": row["status"],
        "amended": row["amended"].astimezone(client.config.zone) if row["amended"] else None,
        "document": row["document_number"],
        "key": row["key"],
        "findings": [Finding.from_json(data) for data in row["findings"] or ()],
    }


DIRECTIONS: Mapping[str, Text] = {"in": T("came"), "out": T("published")}


def publication_row(row: Mapping[str, Any], client: Client) -> dict[str, Any]:
    """A published file's ledger row for tables and JSON, with the names that files which came have."""
    return {
        "id": row["id"],
        "direction": "out",
        "name": row["name"],
        "connection": row["connection"],
        "folder": row["folder"],
        "size": row["size"],
        "first_seen": row["at"].astimezone(client.config.zone),
        "state": "published",
        "state_text": str(TN("published: {n} row", "published: {n} rows", row["rows"])),
        "job": row["job"],
        "rows": row["rows"],
        "sha256": row["sha256"],
        "archive": client.archive.find(row["sha256"]),
        "pruned": row["pruned"].astimezone(client.config.zone) if row["pruned"] else None,
        "findings": [],
    }


def file_row(row: Mapping[str, Any], client: Client) -> dict[str, Any]:
    """A file's ledger row for tables and JSON."""
    words = str(FILE_STATES[row["state"]])
    if row["duplicate_of"]:
        words = str(T("known already"))
    if row["policy"] in POLICIES:
        words += " · " + str(POLICIES[row["policy"]])
    copy = client.archive.find(row["sha256"]) if row["sha256"] else None
    return {
        "id": row["id"],
        "direction": "in",
        "name": row["name"],
        "connection": row["connection"],
        "folder": row["folder"],
        "size": row["size"],
        "first_seen": row["first_seen"].astimezone(client.config.zone),
        "state": row["state"],
        "state_text": words,
        "policy": row["policy"],
        "duplicate_of": row["duplicate_of"],
        "sha256": row["sha256"],
        "archive": copy,
        "pruned": row["pruned"].astimezone(client.config.zone) if row["pruned"] else None,
        "findings": [Finding.from_json(data) for data in row["findings"] or ()],
    }
