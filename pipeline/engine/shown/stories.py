"""The whole story of an order, of a file that came, or of a file that was published."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pipeline.engine.shown.jobs import TRIGGERS
from pipeline.engine.shown.rows import POLICIES, file_row, publication_row, rows_of_orders
from pipeline.engine.shown.told import told_rows
from pipeline.errors import Finding
from pipeline.texts import T, Text, verbatim

if TYPE_CHECKING:
    from pipeline.engine.runtime import Client

MOST_ORDERS = 200  #: of one file, whose events and notices are told in its story
#: The event of a run that a person started by hand; its data are ``user`` and ``host``.
STARTED_BY = "started-by"
EVENTS: Mapping[str, Text] = {
    "archived": T("fetched; a copy in the archive was read back and is sound"),
    "incomplete": T("looked at: its end was missing"),
    "shipped": T("shipment made"),
    "returned": T("return made"),
    "paid": T("payment noted"),
    "restated": T("status set"),
    "party-added": T("the buyer was added"),
    "product-added": T("a product was added for it"),
    "told-back": T("the source was told"),
    "not-told-back": T("the source did not take what it was told"),
    "remarks": T("remarks"),
    "alike": T("the buyer may be another who is there"),
    "not-read": T("could not be read"),
    "quarantined": T("quarantined"),
    "quarantined-again": T("looked at again, with the same outcome"),
    "read-again": T("read again from the archive: it can be read now"),
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
    "paid-back": T("paid back, as a person entered it in the target"),
    "amended": T("came again with other content: the document was brought to it"),
    "amended-by-hand": T("brought to its order in the target by hand, as a person said"),
    "cancelled": T("cancelled by the shop: the document was marked so, and its stock is free"),
    "ignored": T("came again with other content: left as it is, as the config says"),
    "older": T("came with older content than is known: the document was left as it is"),
    "gone-back": T("came again with what the document has, while a person is asked about other content"),
    "rejected-again": T("came again with content that was rejected: the document was left as it is"),
    "not-amended": T("the document is not brought to it yet; will be tried again"),
    "in-doubt": T("the target gave no clear answer; it is being looked up"),
    "looked-up": T("looked for in the target: not found yet"),
    "not-created": T("not made yet; will be tried again"),
    "nothing_to_do": T("nothing to do"),
    "mapped": T("told what a code means"),
    "accepted": T("accepted as it is"),
    "adopted": T("a person said which document is its own"),
    "rejected": T("rejected"),
    "tried-again": T("tried again by a person's word"),
    "brake": T("stopped by a brake: nothing was published"),
    "published": T("published"),
    "reported": T("the sheet of a day was written"),
    "plan-waits": T("stopped by a brake: nothing was applied"),
    "synced": T("brought in step"),
    "stock-disagrees": T("the stock of both sides does not agree"),
    "marked": T("the marker that it is complete was put beside it"),
    "paused": T("paused"),
    "resumed": T("not paused any more"),
}


def stories_of(client: Client, what: str) -> list[dict[str, Any]]:
    from pipeline.ledger.search import find_files, find_publications, orders_called
    from pipeline.rules.searching import fold

    name = client.config.client
    with client.ledger.read() as conn:
        stories = [order_story(client, conn, row) for row in orders_called(conn, name, what.strip())]
        if not stories:
            came = find_files(conn, name, what, 20)
            sent = find_publications(conn, name, what, 200)
            same = [row for row in (*came, *sent) if fold(row["name"]) == fold(what)]
            stories = [file_story(client, conn, row) for row in came if not same or row in same]
            published: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
            for row in sent:
                if not same or row in same:
                    published.setdefault((row["connection"], row["folder"], row["name"]), []).append(row)
            stories.extend(_publication_story(client, conn, rows) for rows in published.values())
    return stories


def _publication_story(client: Client, conn: Any, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The story of one published name: each time that it went out, newest first in ``rows``."""
    told = [publication_row(row, client) for row in rows]
    jobs = list(dict.fromkeys(f"job:{row['job']}" for row in rows))
    events = [
        {
            "at": row["first_seen"],
            "what": row["name"],
            "event": "published",
            "text": str(
                T(
                    "published by job {job}: {rows} rows, {size} bytes, SHA-256 {sha}",
                    job=row["job"],
                    rows=row["rows"],
                    size=row["size"],
                    sha=row["sha256"][:12],
                )
            ),
            "data": {"sha256": row["sha256"], "rows": row["rows"], "archive": row["archive"]},
        }
        for row in reversed(told)
    ]
    notices = [one for one in notices_of(client, conn, jobs) if one["data"].get("name") == rows[0]["name"]]
    return {"kind": "publication", **told[0], "events": events, "notices": notices}


def order_story(client: Client, conn: Any, row: Mapping[str, Any]) -> dict[str, Any]:
    from pipeline.ledger import files as file_rows
    from pipeline.ledger import orders as order_rows

    ids = order_rows.files_of(conn, row["id"])
    found = [file for file in (file_rows.by_id(conn, file_id) for file_id in ids) if file]
    subjects = [f"order:{row['id']}", *(f"file:{file['id']}" for file in found)]
    return {
        "kind": "order",
        **rows_of_orders(conn, [row], client)[0],
        "files": [file_row(file, client) for file in found],
        "events": events_of(client, conn, subjects, {file["id"]: file["name"] for file in found}),
        "notices": notices_of(client, conn, [subjects[0]]),
    }


def file_story(client: Client, conn: Any, row: Mapping[str, Any]) -> dict[str, Any]:
    from pipeline.ledger import orders as order_rows

    orders = order_rows.in_file(conn, row["id"])
    # the whole story: what became of its orders, and who was told of them, belongs to it
    subjects = [f"file:{row['id']}", *(f"order:{one['id']}" for one in orders[:MOST_ORDERS])]
    return {
        "kind": "file",
        **file_row(row, client),
        "orders": rows_of_orders(conn, orders, client),
        "events": events_of(
            client, conn, subjects, {row["id"]: row["name"]}, {one["id"]: one["number"] for one in orders}
        ),
        "notices": notices_of(client, conn, subjects),
    }


def _what(kind: str, name: str, files: Mapping[int, str], orders: Mapping[int, str]) -> str:
    match kind:
        case "file":
            return files.get(int(name), name)
        case "order":
            return _order_words(orders, int(name))
        case _:
            return name or kind


def _order_words(numbers: Mapping[int, str], row_id: int) -> str:
    return str(T("order №{number}", number=numbers[row_id])) if row_id in numbers else str(T("order"))


def events_of(
    client: Client,
    conn: Any,
    subjects: Sequence[str],
    names: Mapping[int, str],
    numbers: Mapping[int, str] = MappingProxyType({}),
) -> list[dict[str, Any]]:
    import sqlalchemy as sa

    from pipeline.ledger.tables import events

    query = (
        sa.select(events)
        .where(events.c.client == client.config.client, events.c.subject.in_(list(subjects)))
        .order_by(events.c.id)
    )
    rows = []
    found = list(conn.execute(query))
    starters = _starters(client, conn, {row.run_id for row in found if row.run_id is not None})
    for row in found:
        kind, _, number = row.subject.partition(":")
        data = row.data or {}
        rows.append(
            {
                "at": row.at.astimezone(client.config.zone),
                "what": _what(kind, number, names, numbers),
                "event": row.event,
                "text": event_words(row.event, data),
                "data": data,
                "run": row.run_id,
                "by": starters.get(row.run_id),
            }
        )
    return rows


def _starters(client: Client, conn: Any, runs: Collection[int]) -> dict[int, str]:
    """Who or what started each of these runs, in words: the job, how it was started, and by whom where known."""
    import sqlalchemy as sa

    from pipeline.ledger import tables as t

    wanted = sorted(runs)
    people: dict[int, Mapping[str, Any]] = {}
    started = []
    for start in range(0, len(wanted), 400):
        part = wanted[start : start + 400]
        called = (t.events.c.client == client.config.client) & (t.events.c.event == STARTED_BY)
        for row in conn.execute(sa.select(t.events).where(called, t.events.c.run_id.in_(part))):
            people[row.run_id] = row.data or {}
        started.extend(conn.execute(sa.select(t.runs).where(t.runs.c.id.in_(part))))
    found = {}
    for run in started:
        how = TRIGGERS.get(run.trigger, Text(run.trigger))
        who = people.get(run.id)
        words = (
            T("{job}, {how}: {user} on {host}", job=run.job, how=how, user=who["user"], host=who["host"])
            if who
            else T("{job}, {how}", job=run.job, how=how)
        )
        found[run.id] = str(words)
    return found


def event_words(event: str, data: Mapping[str, Any]) -> str:
    """What happened, in the language in use."""
    # the paper of an order that was asked for, not a file that came
    words = str(T("read from its system") if event == "read" and "status" in data else EVENTS.get(event, event))
    if event == "vanished" and "target" in data:  # a product of a sync, not a file that came
        words = str(T("vanished from the source"))
        words += f": {data['title']}" if data.get("title") else ""
    if data.get("document"):
        words += f": {data['document']}"
    if data.get("meant"):
        words += f": {data['kind']}:{data['code']} = {data['meant']}"
    if data.get("by"):
        reason = f" ({data['why']})" if data.get("why") else ""
        words += f": {data['by']}{reason}"
    if data.get("policy") in POLICIES:
        words += f": {POLICIES[data['policy']]}"
    if data.get("findings"):
        words += ": " + "; ".join(str(Finding.from_json(one).text) for one in data["findings"])
    if data.get("differences"):
        words += ": " + "; ".join(str(Text.from_json(one["text"])) for one in data["differences"])
    return words


def notices_of(client: Client, conn: Any, subjects: Sequence[str]) -> list[dict[str, Any]]:
    import sqlalchemy as sa

    from pipeline.ledger.pcs import of_notices
    from pipeline.ledger.tables import notices

    summary = notices.alias("summary")  # where a notice was told that a summary stands for
    query = (
        sa.select(notices, summary.c.channel.label("summary_channel"), summary.c.shown.label("summary_shown"))
        .outerjoin(summary, summary.c.id == notices.c.summary_id)
        .where(notices.c.client == client.config.client, notices.c.subject.in_(list(subjects)))
        .order_by(notices.c.id)
    )
    rows = []
    found = list(conn.execute(query))
    told = of_notices(conn, [row.id for row in found])
    for row in found:
        shown = row.shown or row.summary_shown
        rows.append(
            {
                "at": row.created.astimezone(client.config.zone),
                "title": str(Text.from_json(row.title)),
                "state": row.state,
                "channel": row.channel or row.summary_channel,
                "shown": shown.astimezone(client.config.zone) if shown else None,
                "why": str(Text.from_json(row.why)) if row.why else None,
                "data": row.data or {},
                "told": told_rows(told.get(row.id, ()), client.config.zone),
            }
        )
    return rows


def notice_words(notice: Mapping[str, Any]) -> Text:
    """What became of a notice: on the server's own channels, on people's PCs, and elsewhere."""
    words = _channel_words(notice)
    for one in notice["told"]:
        words = T("{first}; {second}", first=words, second=one["text"])
    return words


def _channel_words(notice: Mapping[str, Any]) -> Text:
    if notice["told"] and not notice["shown"]:  # it need not be shown on the server
        return verbatim(notice["title"])
    state = NOTICE_STATES.get(notice["state"], Text(notice["state"]))
    if notice["channel"] and notice["shown"]:
        return T(
            "{title}: {state} by {channel}, {when}",
            title=notice["title"],
            state=state,
            channel=notice["channel"],
            when=notice["shown"],
        )
    if notice["why"]:
        return T("{title}: {state}: {why}", title=notice["title"], state=state, why=notice["why"])
    return T("{title}: {state}", title=notice["title"], state=state)


def copy_words(file: Mapping[str, Any]) -> str:
    """Where a file's archive copy lies, or why it does not."""
    if file["archive"]:
        return str(file["archive"])
    if not file["sha256"]:
        return str(T("none yet"))
    if file.get("pruned"):
        return str(T("dropped by retention on {when}", when=file["pruned"]))
    return str(T("missing"))


#: Where a notice stands.
NOTICE_STATES: Mapping[str, Text] = {
    "waiting": T("waits to be shown"),
    "sending": T("is being shown"),
    "shown": T("shown"),
    "summarised": T("told in a summary"),
    "undelivered": T("not shown"),
    "muted": T("kept here only"),
}


def one_order(client: Client, row_id: int) -> dict[str, Any] | None:
    """The story of the order of this number in the ledger; None when the client has none."""
    from pipeline.ledger import orders as order_rows

    with client.ledger.read() as conn:
        row = order_rows.by_ids(conn, [row_id]).get(row_id)
        if row is None or row["client"] != client.config.client:
            return None
        return {"row": row_id, **order_story(client, conn, row)}


def one_file(client: Client, row_id: int) -> dict[str, Any] | None:
    """The story of the file of this number in the ledger; None when the client has none."""
    from pipeline.ledger import files as file_rows
    from pipeline.ledger import orders as order_rows

    with client.ledger.read() as conn:
        row = file_rows.by_id(conn, row_id)
        if row is None or row["client"] != client.config.client:
            return None
        story = file_story(client, conn, row)
        rows = order_rows.in_file(conn, row_id)
        return {
            **story,
            "orders": [{**told, "row": one["id"]} for told, one in zip(story["orders"], rows, strict=True)],
        }
