"""``mistok orders`` and ``mistok files``: find an order, a file that came, or a file that was published."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pipeline.cli import common
from pipeline.engine.shown.rows import DIRECTIONS, ORDER_STATES, file_row, publication_row, rows_of_orders, shop_status
from pipeline.texts import T, Text

Limit = Annotated[
    int | None,
    typer.Option("--limit", "-n", min=1, help=str(T("How many at the most (a table: 50; JSON: all of them)."))),
]
SHOWN = 50
ALL = 1_000_000_000
AsJson = Annotated[bool, typer.Option("--json", help=str(T("Print JSON.")))]


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
                rows = rows_of_orders(conn, found, client)
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
