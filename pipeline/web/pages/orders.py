"""Orders and files: one search for any of them, and the whole story of each."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException

from pipeline.engine.shown import lines
from pipeline.engine.shown.cards import card_row
from pipeline.engine.shown.rows import DIRECTIONS, ORDER_STATES, file_row, publication_row, rows_of_orders, shop_status
from pipeline.engine.shown.stories import copy_words, notice_words, one_file, one_order
from pipeline.ledger import cards as card_rows
from pipeline.ledger.search import find_files, find_orders, find_publications
from pipeline.web.access import Person, Right
from pipeline.web.entry import Someone, TheSite
from pipeline.web.render import page
from pipeline.web.site import Site

router = APIRouter(include_in_schema=False)
SHOWN = 50
#: SQLite's and PostgreSQL's largest number of a row.
RowId = Annotated[int, Query(ge=1, le=2**63 - 1)]


@router.get("/orders")
def search(request: Request, site: TheSite, who: Someone, q: str = "", state: str = "", more: int = 1) -> Response:
    """Orders and files that match, newest first; the order itself when it is the only one."""
    q = q.strip()[:200]
    found = listing(site, who, q, state, most=SHOWN * min(max(more, 1), 20))
    if q and not state and len(found["orders"]) == 1 and not found["exact_files"]:
        return RedirectResponse(f"/orders/{found['orders'][0]['row']}", HTTPStatus.SEE_OTHER)
    return page(request, "orders.html", who, {**found, "more": more}, here="orders")


def listing(site: Site, who: Person, q: str, state: str, most: int = SHOWN) -> dict[str, Any]:
    """What the list shows. Who may not see customers cannot look for them either."""
    client = site.client
    name = client.config.client
    personal = who.may(Right.PERSONAL)
    states = (state,) if state in ORDER_STATES else ()
    with client.ledger.read() as conn:
        found = find_orders(conn, name, q, states, most + 1, personal=personal)
        came = find_files(conn, name, q, 21) if q else []
        sent = find_publications(conn, name, q, 21) if q else []
        told = rows_of_orders(conn, found, client)
    rows = [{**one, "row": row["id"]} for one, row in zip(told, found, strict=True)]
    files = [*(file_row(row, client) for row in came), *(publication_row(row, client) for row in sent)]
    files.sort(key=lambda row: row["first_seen"], reverse=True)
    if not personal:
        rows = [hidden(row) for row in rows]
    return {
        "q": q,
        "state": state if states else "",
        "states": ORDER_STATES,
        "orders": rows[:most],
        "is_more": len(rows) > most,
        "files": files[:20],
        "exact_files": [row for row in files if row["name"].casefold() == q.casefold()],
        "directions": DIRECTIONS,
        "shop_status": shop_status,
    }


def hidden(row: dict[str, Any]) -> dict[str, Any]:
    """A row without anybody's name, or words in which one may stand."""
    return {**row, "customer": None, "findings": []}


@router.get("/orders/{row_id}")
def order(request: Request, site: TheSite, who: Someone, row_id: int) -> Response:
    """The story of one order."""
    told = order_view(site, who, row_id)
    if told is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return page(request, "order.html", who, told, here="orders")


def order_view(site: Site, who: Person, row_id: int) -> dict[str, Any] | None:
    """What is told of an order, as far as this person may know it; None when there is none."""
    client = site.client
    story = one_order(client, row_id) if 0 < row_id < 2**63 else None
    if story is None:
        return None
    with client.ledger.read() as conn:
        kept = card_rows.of_subjects(conn, client.config.client, [f"order:{row_id}"])
        known = card_rows.by_numbers(conn, client.config.client, [one["id"] for one in kept])
    personal = who.may(Right.PERSONAL)
    if not personal:
        story = without_people(hidden(story))
    return {
        "story": story,
        "cards": [card_row(known[one["id"]], client) for one in kept] if personal else [],
        "lines": lines.of_order(client, row_id) if personal else [],
        "events": timeline(story),
        "copy_words": copy_words,
        "shop_status": shop_status,
        "notice_words": notice_words,
    }


@router.get("/files/{row_id}")
def file(request: Request, site: TheSite, who: Someone, row_id: int) -> Response:
    """The story of one file that came."""
    told = file_view(site, who, row_id)
    if told is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return page(request, "file.html", who, told, here="orders")


def file_view(site: Site, who: Person, row_id: int) -> dict[str, Any] | None:
    """What is told of a file, as far as this person may know it; None when there is none."""
    client = site.client
    story = one_file(client, row_id) if 0 < row_id < 2**63 else None
    if story is None:
        return None
    with client.ledger.read() as conn:
        open_cards = card_rows.open_of_file(conn, client.config.client, row_id)
    personal = who.may(Right.PERSONAL)
    if not personal:
        story = without_people(hidden(story))
        story["orders"] = [hidden(row) for row in story["orders"]]
    return {
        "story": story,
        "cards": [card_row(row, client) for row in open_cards] if personal else [],
        "lines": lines.of_file(client, row_id) if personal else [],
        "events": timeline(story),
        "copy_words": copy_words,
        "notice_words": notice_words,
    }


def without_people(story: dict[str, Any]) -> dict[str, Any]:
    """A story without what people are named in: events keep their kind only, notices are left out."""
    from pipeline.engine.shown.stories import EVENTS

    events = [
        {**row, "text": str(EVENTS.get(row["event"], row["event"])), "data": {}, "by": None} for row in story["events"]
    ]
    return {**story, "events": events, "notices": []}


def timeline(story: dict[str, Any]) -> list[dict[str, Any]]:
    """Events and notices in the order in which they happened."""
    rows = [{"at": row["at"], "what": row["what"], "text": row["text"], "by": row["by"]} for row in story["events"]]
    rows += [
        {"at": one["shown"] or one["at"], "what": "", "text": str(notice_words(one)), "by": None, "notice": True}
        for one in story["notices"]
    ]
    return sorted(rows, key=lambda row: row["at"])
