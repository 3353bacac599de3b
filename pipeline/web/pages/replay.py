"""Archive and replay: what ever came or was published, what a replay of it would do, and doing it."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException

from pipeline.engine.replay.apply import JOB, apply
from pipeline.engine.replay.choose import Asked, Pick, choose
from pipeline.engine.replay.lines import Line
from pipeline.engine.replay.look import look
from pipeline.engine.shown.rows import DIRECTIONS, file_row, publication_row
from pipeline.engine.shown.stories import STARTED_BY
from pipeline.errors import ConfigError, MistokError
from pipeline.ledger import files as file_rows
from pipeline.ledger import orders as order_rows
from pipeline.ledger.search import find_files, find_publications
from pipeline.texts import T, Text
from pipeline.web.access import Person, Right
from pipeline.web.entry import Form, Someone, TheSite, acting, having
from pipeline.web.render import page
from pipeline.web.site import Site
from pipeline.web.tasks import Task

router = APIRouter(include_in_schema=False)
Replayer = Annotated[Person, Depends(acting(Right.REPLAY))]
SHOWN = 50


@dataclass(frozen=True, slots=True)
class Told:
    """A replay that was looked at or done."""

    picks: Sequence[Pick]
    lines: Sequence[Line]

    @property
    def acts(self) -> int:
        """How many of them something would be, or was, done for."""
        return sum(line.acts for line in self.lines)


@router.get("/archive")
def archive(
    request: Request, site: TheSite, who: Someone, q: str = "", since: str = "", until: str = "", more: int = 1
) -> Response:
    """What came and what was published, newest first."""
    found = listing(site, q.strip()[:200], since, until, SHOWN * min(max(more, 1), 20))
    return page(request, "archive.html", who, {**found, "more": more}, here="archive")


def listing(site: Site, q: str, since: str, until: str, most: int = SHOWN) -> dict[str, Any]:
    """What the list shows: files of these days of the client's zone."""
    client = site.client
    zone = client.config.zone
    start, end = moments(since, until, zone)
    with client.ledger.read() as conn:
        came = find_files(conn, client.config.client, q, most + 1, since=start, until=end)
        sent = find_publications(conn, client.config.client, q, most + 1, since=start, until=end)
    rows = [*(file_row(row, client) for row in came), *(publication_row(row, client) for row in sent)]
    rows.sort(key=lambda row: row["first_seen"], reverse=True)
    return {
        "q": q,
        "since": since,
        "until": until,
        "files": rows[:most],
        "is_more": len(rows) > most,
        "directions": DIRECTIONS,
    }


def moments(since: str, until: str, zone: ZoneInfo) -> tuple[datetime | None, datetime | None]:
    """The days of a form, the last one included. Raises ConfigError when one is none."""
    first, last = _day(since), _day(until)
    start = datetime.combine(first, time(), zone) if first else None
    return start, datetime.combine(last + timedelta(days=1), time(), zone) if last else None


def _day(text: str) -> date | None:
    if not text.strip():
        return None
    try:
        found = date.fromisoformat(text.strip())
    except ValueError as error:
        raise ConfigError(
            T("{text} is not a date.", text=text), hint=T("Write it as {example}.", example="2026-11-01")
        ) from error
    if not date(1970, 1, 2) <= found <= date(9000, 1, 1):
        raise _no_date(text)
    return found


def _no_date(text: str) -> ConfigError:
    return ConfigError(T("{text} is not a date.", text=text), hint=T("Write it as {example}.", example="2026-11-01"))


@router.get("/archive/{sha256}")
def copy(
    site: TheSite, who: Annotated[Person, Depends(having(Right.PERSONAL))], sha256: str, name: str = ""
) -> Response:
    """The copy itself, to be kept; never shown as a page of ours."""
    if len(sha256) != 64 or set(sha256) - set("0123456789abcdef") or site.client.archive.find(sha256) is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    if not _is_clients(site, sha256):
        raise HTTPException(HTTPStatus.NOT_FOUND)
    data = site.client.archive.read(sha256)
    site.record(who, "download", f"sha:{sha256[:12]}")
    headers = {"content-disposition": f"attachment; filename*=UTF-8''{quote(name[:200] or sha256)}"}
    return Response(data, media_type="application/octet-stream", headers=headers)


def _is_clients(site: Site, sha256: str) -> bool:
    with site.client.ledger.read() as conn:
        client = site.client.config.client
        return bool(find_files(conn, client, sha256, 1) or find_publications(conn, client, sha256, 1))


@router.post("/replay")
def preview(site: TheSite, who: Replayer, fields: Form) -> Response:
    """Show what a replay would do."""
    zone = site.client.config.zone
    start, end = moments(fields.get("since", ""), fields.get("until", ""), zone)
    asked = Asked(
        words=tuple(fields.get("words", "").split()),
        all_held=fields.get("held") == "yes",
        since=start,
        until=end,
    )
    title, picks = named(site, fields)
    task = begin_look(site, who, picks, asked, title)
    return RedirectResponse(f"/tasks/{task.id}", HTTPStatus.SEE_OTHER)


def named(site: Site, fields: Form) -> tuple[Text, list[Pick] | None]:
    """The one order or file that a button stands beside, and what it is called; None when words say what is meant."""
    client, chosen = site.client, fields.get("order") or fields.get("file") or ""
    if not chosen:
        return T("Replay"), None
    number = int(chosen) if chosen.isascii() and chosen.isdigit() and len(chosen) < 19 else 0
    with client.ledger.read() as conn:
        if "order" in fields:
            row = order_rows.by_ids(conn, [number]).get(number)
            title = T("Replay of order №{number}", number=row["number"] if row else "?")
            picks = [Pick(row["file_id"], frozenset({number}))] if row else []
        else:
            row = file_rows.by_id(conn, number)
            title = T("Replay of {name}", name=row["name"] if row else "?")
            picks = [Pick(row["duplicate_of"] or number)] if row else []
    if row is None or row["client"] != client.config.client:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return title, picks


def begin_look(site: Site, who: Person, picks: list[Pick] | None, asked: Asked, title: Text) -> Task:
    """Begin to look at what a replay would do. Raises ConfigError when nothing is named."""
    if picks is None and not asked:
        raise ConfigError(T("Say what to replay: an order, a file, a time, or all that waits."))

    def work(task: Task) -> Told:
        chosen = picks if picks is not None else choose(site.client, asked, report=task.report)
        return Told(chosen, list(look(site.client, chosen, report=task.report)))

    return site.tasks.start("replay-look", who.name, title, work)


@router.post("/replay/apply")
def do(site: TheSite, who: Replayer, fields: Form) -> Response:
    """Do what was shown."""
    shown = site.tasks.find(fields.get("task", ""), who.name)
    if shown is None or shown.kind != "replay-look" or not isinstance(shown.result, Told):
        raise ConfigError(T("This preview is not known any more."), hint=T("Look at it again, then apply it."))
    task = begin_apply(site, who, shown.result.picks, shown.title)
    return RedirectResponse(f"/tasks/{task.id}", HTTPStatus.SEE_OTHER)


def begin_apply(site: Site, who: Person, picks: Sequence[Pick], title: Text) -> Task:
    """Begin a replay."""
    client = site.client

    def started(run_id: int) -> None:
        with client.ledger.begin() as conn:
            data = {"user": who.name, "host": socket.gethostname()}
            client.ledger.event(conn, f"job:{JOB}", STARTED_BY, data, run_id=run_id)

    def work(task: Task) -> Told:
        lines: list[Line] = []
        try:
            with closing(apply(client, picks, by=who.name, report=task.report, started=started)) as told:
                lines.extend(told)
        except MistokError:
            site.record(who, "replay", str(title.render("en")), outcome="failed", data={"files": len(picks)})
            raise
        done = Told(picks, lines)
        site.record(who, "replay", str(title.render("en")), data={"files": len(picks), "did": done.acts})
        return done

    return site.tasks.start("replay-apply", who.name, title, work)
