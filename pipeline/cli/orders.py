"""``mistok orders``, ``mistok files`` and ``mistok trace``: find an order or file, and see what happened to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli import common
from pipeline.errors import Finding
from pipeline.texts import T, Text

if TYPE_CHECKING:
    from pipeline.engine.runtime import Client

Limit = Annotated[int, typer.Option("--limit", "-n", min=1, help=str(T("How many at the most.")))]
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
        str | None, typer.Argument(help=str(T("Number, document, phone or customer (a part is enough).")))
    ] = None,
    state: Annotated[
        list[str] | None, typer.Option("--state", "-s", help=str(T("Only orders in this state (may be repeated).")))
    ] = None,
    limit: Limit = 50,
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
            from pipeline.ledger import orders as order_rows

            with client.ledger.read() as conn:
                found = order_rows.search(conn, client.config.client, text, state or (), limit)
            rows = [order_row(row, client) for row in found]
        if as_json:
            common.print_json(rows)
            return
        common.table(
            (
                ("number", T("Order")),
                ("at", T("Taken")),
                ("customer", T("Customer")),
                ("total", T("Sum")),
                ("currency", T("Currency")),
                ("state_text", T("State")),
                ("document", T("Document")),
            ),
            rows,
            empty=T("No orders yet."),
        )


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
        "state_text": str(ORDER_STATES[row["state"]]),
        "document": row["document_number"],
        "key": row["key"],
        "findings": [Finding.from_json(data) for data in row["findings"] or ()],
    }


def files(
    context: typer.Context,
    text: Annotated[str | None, typer.Argument(help=str(T("Part of a name, or the beginning of a SHA-256.")))] = None,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List files that came, newest first."""
    with common.cards(as_json=as_json):
        with common.client(context) as client:
            from pipeline.ledger import files as file_rows

            with client.ledger.read() as conn:
                found = file_rows.search(conn, client.config.client, text, limit)
            rows = [file_row(row, client) for row in found]
        if as_json:
            common.print_json(rows)
            return
        common.table(
            (
                ("name", T("File")),
                ("first_seen", T("First seen")),
                ("size", T("Bytes")),
                ("state_text", T("State")),
                ("sha", T("SHA-256")),
            ),
            [{**row, "sha": (row["sha256"] or "")[:12]} for row in rows],
            empty=T("No files yet."),
        )


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
        "findings": [Finding.from_json(data) for data in row["findings"] or ()],
    }


EVENTS: Mapping[str, Text] = {
    "archived": T("fetched; a copy in the archive was read back and is sound"),
    "incomplete": T("looked at: its end was missing"),
    "not-read": T("could not be read"),
    "quarantined": T("quarantined"),
    "set-aside": T("moved to the rejected folder"),
    "not-set-aside": T("could not be moved to the rejected folder"),
    "known": T("came again with the same content: nothing was made"),
    "checked": T("checked and read; some of its orders are on their way"),
    "done": T("checked and read; every order of it is settled"),
    "acknowledged": T("the remote file was dealt with"),
    "not-acknowledged": T("the remote file could not be dealt with"),
    "archive-unsound": T("the archive copy was found damaged; it is fetched again"),
    "vanished": T("taken away by the site"),
    "read": T("read from a file"),
    "held": T("held: waits for a person"),
    "created": T("document made"),
    "existed": T("document found: a run that was cut short had made it"),
    "changed": T("came again with other content: the document was left as it is"),
    "in-doubt": T("the target gave no clear answer; it is being looked up"),
    "not-created": T("not made yet; will be tried again"),
    "nothing_to_do": T("nothing to do"),
}


def trace(
    context: typer.Context,
    what: Annotated[str, typer.Argument(help=str(T("Number of an order or document, name or SHA-256 of a file.")))],
    as_json: AsJson = False,
) -> None:
    """Tell the whole story of an order or a file: what came, when, what was checked, which document, who was told."""
    with common.cards(as_json=as_json):
        with common.client(context) as client:
            stories = _stories(client, what)
        if as_json:
            common.print_json(stories)
        elif not stories:
            common.usage(
                T("Nothing is known of {what}.", what=what),
                T("Look with mistok orders or mistok files; a part of the number or name is enough there."),
            )
        else:
            for story in stories:
                _tell(story)
    if not stories:
        raise typer.Exit(common.WRONG)


def _stories(client: Client, what: str) -> list[dict[str, Any]]:
    from pipeline.ledger import files as file_rows
    from pipeline.ledger import orders as order_rows

    with client.ledger.read() as conn:
        orders_found = [
            row
            for row in order_rows.search(conn, client.config.client, what, (), 20)
            if what in (row["number"], row["order_id"], row["document_number"])
        ]
        stories = [_order_story(client, conn, row) for row in orders_found]
        if not stories:
            files_found = file_rows.search(conn, client.config.client, what, 20)
            exact = [row for row in files_found if row["name"] == what] or files_found
            stories = [_file_story(client, conn, row) for row in exact]
    return stories


def _order_story(client: Client, conn: Any, row: Mapping[str, Any]) -> dict[str, Any]:
    from pipeline.ledger import files as file_rows
    from pipeline.ledger import orders as order_rows

    ids = order_rows.files_of(conn, row["id"])
    found = [file for file in (file_rows.by_id(conn, file_id) for file_id in ids) if file]
    subjects = [f"order:{row['id']}", *(f"file:{file['id']}" for file in found)]
    return {
        "kind": "order",
        **order_row(row, client),
        "files": [file_row(file, client) for file in found],
        "events": _events(client, conn, subjects, {file["id"]: file["name"] for file in found}),
        "notices": _notices(client, conn, [subjects[0]]),
    }


def _file_story(client: Client, conn: Any, row: Mapping[str, Any]) -> dict[str, Any]:
    from pipeline.ledger import orders as order_rows

    subject = f"file:{row['id']}"
    return {
        "kind": "file",
        **file_row(row, client),
        "orders": [order_row(one, client) for one in order_rows.in_file(conn, row["id"])],
        "events": _events(client, conn, [subject], {row["id"]: row["name"]}),
        "notices": _notices(client, conn, [subject]),
    }


def _events(client: Client, conn: Any, subjects: Sequence[str], names: Mapping[int, str]) -> list[dict[str, Any]]:
    import sqlalchemy as sa

    from pipeline.ledger.tables import events

    query = (
        sa.select(events)
        .where(events.c.client == client.config.client, events.c.subject.in_(list(subjects)))
        .order_by(events.c.id)
    )
    rows = []
    for row in conn.execute(query):
        kind, _, number = row.subject.partition(":")
        data = row.data or {}
        rows.append(
            {
                "at": row.at.astimezone(client.config.zone),
                "what": f"{names.get(int(number), number)}" if kind == "file" else str(T("order")),
                "event": row.event,
                "text": _event_words(row.event, data),
                "data": data,
                "run": row.run_id,
            }
        )
    return rows


def _event_words(event: str, data: Mapping[str, Any]) -> str:
    words = str(EVENTS.get(event, event))
    if data.get("document"):
        words += f": {data['document']}"
    if data.get("policy") in POLICIES:
        words += f": {POLICIES[data['policy']]}"
    if data.get("findings"):
        words += ": " + "; ".join(str(Finding.from_json(one).text) for one in data["findings"])
    return words


def _notices(client: Client, conn: Any, subjects: Sequence[str]) -> list[dict[str, Any]]:
    import sqlalchemy as sa

    from pipeline.ledger.tables import notices

    query = (
        sa.select(notices)
        .where(notices.c.client == client.config.client, notices.c.subject.in_(list(subjects)))
        .order_by(notices.c.id)
    )
    return [
        {
            "at": row.created.astimezone(client.config.zone),
            "title": str(Text.from_json(row.title)),
            "state": row.state,
            "channel": row.channel,
            "shown": row.shown.astimezone(client.config.zone) if row.shown else None,
            "why": str(Text.from_json(row.why)) if row.why else None,
        }
        for row in conn.execute(query)
    ]


NOTICE_STATES: Mapping[str, Text] = {
    "waiting": T("waits to be shown"),
    "shown": T("shown"),
    "summarised": T("told in a summary"),
    "undelivered": T("not shown"),
}


def _tell(story: Mapping[str, Any]) -> None:
    from rich.text import Text as Rich

    out = common.console()
    if story["kind"] == "order":
        head = T("Order №{number} of {source}", number=story["number"], source=story["source"] or "?")
    else:
        head = T("File {name}, {size} bytes", name=story["name"], size=story["size"])
    out.print(Rich(str(head), style="bold"))
    lines = [(T("State"), story["state_text"])]
    if story.get("customer"):
        lines.append((T("Customer"), story["customer"]))
    if story.get("total") is not None:
        lines.append((T("Sum"), f"{common.cell(story['total'])} {story['currency']}"))
    if story.get("document"):
        lines.append((T("Document"), story["document"]))
    if story.get("sha256"):
        lines.append((T("SHA-256"), story["sha256"]))
        lines.append((T("Archive copy"), str(story["archive"] or T("missing"))))
    for file in story.get("files", ()):
        lines.append((T("File"), f"{file['name']} ({file['connection']}/{file['folder']}): {file['state_text']}"))
        if file["sha256"]:
            lines.append((T("SHA-256"), file["sha256"]))
        lines.append((T("Archive copy"), str(file["archive"] or T("missing"))))
    lines.extend(
        (T("Order"), f"№{order['number']}: {order['state_text']} {order['document'] or ''}".rstrip())
        for order in story.get("orders", ())
    )
    for heading, words in lines:
        out.print(Rich(f"  {heading}: ", style="dim") + Rich(words))
    common.show_findings(story["findings"])
    rows = [{"at": row["at"], "what": row["what"], "text": row["text"]} for row in story["events"]]
    for notice in story["notices"]:
        words = f"{notice['title']} ({NOTICE_STATES.get(notice['state'], notice['state'])}"
        words += f": {notice['channel']})" if notice["channel"] else ")"
        rows.append({"at": notice["at"], "what": str(T("notice")), "text": words})
    common.table(
        (("at", T("When")), ("what", T("What")), ("text", T("What happened"))),
        sorted(rows, key=lambda row: row["at"]),
        empty=T("No events."),
    )
