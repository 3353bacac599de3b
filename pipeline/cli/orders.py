"""``mistok orders`` and ``mistok files``: find an order, a file that came, or a file that was published."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli import common
from pipeline.errors import Finding
from pipeline.texts import TN, T, Text

if TYPE_CHECKING:
    from pipeline.engine.runtime import Client

Limit = Annotated[
    int | None,
    typer.Option("--limit", "-n", min=1, help=str(T("How many at the most (a table: 50; JSON: all of them)."))),
]
SHOWN = 50
ALL = 1_000_000_000
AsJson = Annotated[bool, typer.Option("--json", help=str(T("Print JSON.")))]

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
    "replaced": T("replaced on the server by a newer file"),
    "vanished": T("taken away by the site before it was complete"),
    "rejected": T("moved to the rejected folder"),
}


def orders(
    context: typer.Context,
    text: Annotated[
        str | None, typer.Argument(help=str(T("Number, document, phone, customer or file: words of it, in any order.")))
    ] = None,
    state: Annotated[
        list[str] | None, typer.Option("--state", "-s", help=str(T("Only orders in this state (may be repeated).")))
    ] = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """List orders, newest first."""
    with common.cards(as_json=as_json):
        unknown = sorted(set(state or ()) - set(ORDER_STATES))
        if unknown:
            common.usage(
                T("There is no state {name}.", name=unknown[0]), T("States: {names}.", names=", ".join(ORDER_STATES))
            )
        with common.client(context) as client:
            from pipeline.ledger.search import find_orders

            with client.ledger.read() as conn:
                found = find_orders(conn, client.config.client, text, state or (), asked(limit, as_json=as_json))
            rows = [order_row(row, client) for row in found]
        if as_json:
            common.print_json(rows)
            return
        rows = cut(rows, limit)
        common.table(
            (
                ("number", T("Order")),
                ("at", T("Taken")),
                ("customer", T("Customer")),
                ("total", T("Sum")),
                ("currency", T("Currency")),
                ("state_text", T("State")),
                *((("shop", T("In the shop")),) if any(row["status"] not in (None, "new") for row in rows) else ()),
                ("document", T("Document")),
            ),
            [{**row, "shop": shop_status(row["status"])} for row in rows],
            empty=nothing_found(text, T("No order is in this state.") if state else T("No orders yet.")),
        )


def asked(limit: int | None, *, as_json: bool) -> int:
    """How many rows to look for: for a table one more than are shown, so that it can say whether there are more."""
    if as_json:
        return limit or ALL
    return (limit or SHOWN) + 1


def cut(rows: list[dict[str, Any]], limit: int | None) -> list[dict[str, Any]]:
    """The rows that a table shows; says so when there are more."""
    most = limit or SHOWN
    if len(rows) > most:
        words = T("Only the newest {n} are shown; -n {more} shows more, --json all.", n=most, more=most * 10)
        common.console(stderr=True).print(str(words))
    return rows[:most]


def nothing_found(text: str | None, nothing: Text) -> Text:
    """What to say of an empty list: that nothing matches what was looked for, or that there is nothing at all."""
    return T("Nothing matches {text}.", text=text.strip()) if text and text.strip() else nothing


def shop_status(code: str | None) -> str:
    """The shop's own status of an order for people; a word that is not known as it is."""
    return str(SHOP_STATUSES.get(code or "", code or ""))


def state_words(row: Mapping[str, Any]) -> Text:
    """Where an order stands, with what became of its document since."""
    if row["state"] == "created" and any(one["code"] == "document-cancelled" for one in row["findings"] or ()):
        return T("document marked cancelled")
    if row["state"] == "created" and row["amended"]:
        return T("document made, amended since")
    return ORDER_STATES[row["state"]]


def order_row(row: Mapping[str, Any], client: Client) -> dict[str, Any]:
    """An order's ledger row for tables and JSON."""
    return {
        "number": row["number"],
        "id": row["order_id"],
        "source": row["source"],
        "at": row["created"].astimezone(client.config.zone),
        "customer": row["customer"],
        "total": Decimal(row["total"]) if row["total"] else None,
        "currency": row["currency"],
        "items": row["items"],
        "state": row["state"],
        "state_text": str(state_words(row)),
        "status": row["status"],
        "amended": row["amended"].astimezone(client.config.zone) if row["amended"] else None,
        "document": row["document_number"],
        "key": row["key"],
        "findings": [Finding.from_json(data) for data in row["findings"] or ()],
    }


DIRECTIONS: Mapping[str, Text] = {"in": T("came"), "out": T("published")}


def files(
    context: typer.Context,
    text: Annotated[
        str | None, typer.Argument(help=str(T("Words of the name, or the beginning of a SHA-256.")))
    ] = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """List files that came and files that were published, newest first."""
    with common.cards(as_json=as_json):
        with common.client(context) as client:
            from pipeline.ledger.search import find_files, find_publications

            with client.ledger.read() as conn:
                most = asked(limit, as_json=as_json)
                came = find_files(conn, client.config.client, text, most)
                sent = find_publications(conn, client.config.client, text, most)
            rows = [*(file_row(row, client) for row in came), *(publication_row(row, client) for row in sent)]
            rows = sorted(rows, key=lambda row: row["first_seen"], reverse=True)
        if as_json:
            common.print_json(rows[:most])
            return
        rows = cut(rows, limit)
        common.table(
            (
                ("name", T("File")),
                ("way", T("Direction")),
                ("place", T("Connection")),
                ("first_seen", T("When")),
                ("size", T("Bytes")),
                ("state_text", T("State")),
                ("sha", T("SHA-256")),
            ),
            [
                {
                    **row,
                    "sha": (row["sha256"] or "")[:12],
                    "way": DIRECTIONS[row["direction"]],
                    "place": f"{row['connection']}/{row['folder']}".rstrip("/"),
                }
                for row in rows
            ],
            empty=nothing_found(text, T("No files yet.")),
        )


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
