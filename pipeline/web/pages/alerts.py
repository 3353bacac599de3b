"""Notices for people's own PCs: the stream that ``mistok alerts`` follows, and what it reports back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from pipeline.alerts.popups import popups_of
from pipeline.ledger import pcs
from pipeline.ledger.invitations import hashed
from pipeline.texts import LANGUAGES
from pipeline.web.entry import TheSite
from pipeline.web.site import Site

router = APIRouter(include_in_schema=False)
#: Seconds without anything after which a sign of life is sent; a reader who gets none for three of them is cut off.
HEARTBEAT = 15.0
#: Seconds of being away that mean anything: a PC that says more was off for a year.
_LONGEST = 366 * 86_400
#: The largest number that both databases keep.
_LARGEST = 2**63 - 1
Row = Mapping[str, Any]
Number = Annotated[int, Field(ge=1, le=_LARGEST)]


class Stranger(Exception):
    """The token is none of ours (any more), or there were too many wrong ones; ``wait``: seconds until the next try."""

    def __init__(self, wait: int = 0) -> None:
        super().__init__(wait)
        self.wait = wait


class Report(BaseModel):
    """What a person did with the popups from ``first`` to ``last``, so many seconds ``ago``."""

    first: Number
    last: Number
    did: Literal["shown", "clicked", "done"]
    ago: Annotated[float, Field(ge=0, le=30 * 86_400)] = 0.0


class Reports(BaseModel):
    """Several of them."""

    reports: Annotated[list[Report], Field(max_length=500)]


def pc_of(request: Request, site: TheSite, authorization: Annotated[str, Header()] = "") -> Row:
    """The PC whose token came with the request. Raises Stranger.

    Wrong tokens are counted by address, apart from those of the log-in. They hinder no right one: many PCs may come
    from one address, and one of them is revoked. (A token is too long to be guessed.)
    """
    address: str = request.state.address
    kind, _, token = authorization.partition(" ")
    ledger = site.client.ledger
    if kind.lower() == "bearer" and token.strip():
        with ledger.read() as conn:
            row = pcs.by_token(conn, ledger.client, hashed(token.strip()))
        if row is not None:
            return row
    if (wait := site.attempts.wait("", f"pc {address}")) is not None:
        raise Stranger(int(wait.total_seconds()) + 1)
    site.attempts.failed("", f"pc {address}")
    raise Stranger


ThePC = Annotated[Row, Depends(pc_of)]


def refuse(_request: Request, error: Exception) -> Response:
    """The answer to a stranger."""
    assert isinstance(error, Stranger)
    if error.wait:
        headers = {"Retry-After": str(error.wait)}
        return JSONResponse({"error": "wait"}, HTTPStatus.TOO_MANY_REQUESTS, headers)
    return JSONResponse({"error": "token"}, HTTPStatus.UNAUTHORIZED, {"WWW-Authenticate": "Bearer"})


@router.get("/alerts/stream")
async def stream(
    request: Request,
    site: TheSite,
    pc: ThePC,
    last_event_id: Annotated[str, Header()] = "",
    user_agent: Annotated[str, Header()] = "",
    language: str = "",
    away: str = "",
) -> Response:
    """What comes for a PC, from the popup after ``Last-Event-ID`` on.

    ``away``: seconds since it last heard of us, as it knows itself. A PC that falls asleep closes no connection, so
    that it seems to be here for a while; one that was off or has just been started only we know of.
    """
    known = _number(last_event_id, _LARGEST)
    chosen = language if language in LANGUAGES else site.streams.language
    gone = timedelta(seconds=_number(away, _LONGEST))
    if pc["seen"] is not None:
        gone = max(gone, site.now() - pc["seen"])
    events = _events(site, pc, known, chosen, gone, request.state.address, user_agent[:128])
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(events, media_type="text/event-stream", headers=headers)


def _number(text: str, largest: int) -> int:
    return min(int(text[:20]), largest) if text.isascii() and text.isdigit() else 0


async def _events(
    site: Site, pc: Row, known: int, language: str, away: timedelta, address: str, program: str
) -> AsyncIterator[bytes]:
    listener = site.streams.join(pc["id"], pc["token"])
    touched = site.now()
    try:
        last = await run_in_threadpool(_begin, site, pc, known, address, program)
        yield _event("hello", last, {"pc": pc["name"], "last": last, "language": language})
        while not listener.over:
            listener.awake.clear()
            for popup in await run_in_threadpool(_news, site, pc, last, language, away):
                last = popup["last"]
                yield _event("notice", last, popup)
            away = timedelta(0)
            try:
                await asyncio.wait_for(listener.awake.wait(), HEARTBEAT)
            except TimeoutError:
                yield b"event: beat\ndata: {}\n\n"
            if site.now() - touched >= pcs.TOUCH:  # also when there is news all the time and never a beat
                touched = site.now()
                await run_in_threadpool(_touch, site, pc, address, program)
    finally:
        site.streams.leave(listener)


def _event(name: str, number: int, data: Mapping[str, Any]) -> bytes:
    said = json.dumps(data, ensure_ascii=False)
    return f"id: {number}\nevent: {name}\ndata: {said}\n\n".encode()


def _begin(site: Site, pc: Row, known: int, address: str, program: str) -> int:
    ledger = site.client.ledger
    with ledger.begin() as conn:
        pcs.touch(conn, pc["id"], site.now(), address=address, program=program)
        return pcs.begin_at(conn, ledger.client, pc["id"], known)


def _news(site: Site, pc: Row, last: int, language: str, away: timedelta) -> list[dict[str, Any]]:
    with site.client.ledger.read() as conn:
        rows = pcs.after(conn, pc["id"], last)
    return [one.to_json(language) for one in popups_of(rows, site.now(), site.streams.ways.burst, away)]


def _touch(site: Site, pc: Row, address: str, program: str) -> None:
    ledger, now = site.client.ledger, site.now()
    with ledger.read() as conn:
        row = pcs.by_name(conn, ledger.client, pc["name"])
    if row is not None and pcs.is_stale(row, now):
        with ledger.begin() as conn:
            pcs.touch(conn, pc["id"], now, address=address, program=program)


@router.post("/alerts/reports")
def reports(site: TheSite, pc: ThePC, given: Reports) -> Response:
    """What people did with popups; the same may be said again."""
    ledger, now = site.client.ledger, site.now()
    with ledger.begin() as conn:
        for one in given.reports:
            pcs.report(conn, pc, one.first, one.last, one.did, now - timedelta(seconds=one.ago))
    return JSONResponse({"taken": len(given.reports)})
