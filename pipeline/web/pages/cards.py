"""Cards: what waits for a person, what happened, what can be done about it, and a letter to whoever must mend it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException

from pipeline.engine.cards.story import load
from pipeline.engine.deciding import STOPPED, Resolved, asked_for, closed_words, refusal
from pipeline.engine.fleet import hinting
from pipeline.engine.shown.answers import ACTS, Answer, answered
from pipeline.engine.shown.cards import KINDS, card_row, history_of, story_data, write_letter
from pipeline.engine.shown.words import WHO
from pipeline.errors import ConfigError, MistokError, Who
from pipeline.ledger.cards import by_numbers, listing
from pipeline.texts import LANGUAGES, T
from pipeline.web.access import Person, Right
from pipeline.web.entry import Forbidden, Form, TheSite, acting, having
from pipeline.web.render import page
from pipeline.web.site import Site
from pipeline.web.tasks import Task

router = APIRouter(include_in_schema=False)
Insider = Annotated[Person, Depends(having(Right.PERSONAL))]
SHOWN = 100


@router.get("/cards")
def cards(
    request: Request,
    site: TheSite,
    who: Insider,
    kind: str = "",
    mender: str = "",
    closed: bool = False,
    more: int = 1,
) -> Response:
    """The cards, newest first."""
    told = view(site, kind, mender, closed=closed, most=SHOWN * min(max(more, 1), 20))
    return page(request, "cards.html", who, {**told, "more": more}, here="cards")


def view(site: Site, kind: str = "", mender: str = "", *, closed: bool = False, most: int = SHOWN) -> dict[str, Any]:
    """What the list shows."""
    client = site.client
    with client.ledger.read() as conn:
        found = listing(conn, client.config.client, closed=closed, kinds=[kind] if kind in KINDS else ())
    rows = [card_row(row, client) for row in reversed(found)]
    rows = [row for row in rows if not mender or mender in row["who"]]
    return {
        "cards": rows[:most],
        "is_more": len(rows) > most,
        "kinds": KINDS,
        "kind": kind if kind in KINDS else "",
        "mender": mender,
        "closed": closed,
    }


@router.get("/cards/{number}")
def card(request: Request, site: TheSite, who: Insider, number: int, near: bool = False) -> Response:
    """One card. ``near``: with what may be meant, for which its target is asked."""
    row = found(site, number)
    (story,) = load(site.client, [row])
    told = story_data(site.client, story, propose=near)
    data = {
        "card": told,
        "story": story,
        "history": history_of(told),
        "asked": asked_for(row) if row["state"] == "open" else (),
        "near": told["near"] if near else None,
        "may": row["state"] == "open" and may_answer(who, row),
        "acts": offered(row, told["acceptable"]),
        "is_brake": row["kind"] in STOPPED,
        "closed_words": closed_words(row, site.client) if row["state"] != "open" else None,
        "languages": LANGUAGES,
        "letter_language": site.client.config.language,
    }
    return page(request, "card.html", who, data, here="cards")


def found(site: Site, number: int) -> dict[str, Any]:
    """The card of that number. Raises HTTPException when there is none."""
    with site.client.ledger.read() as conn:
        known = by_numbers(conn, site.client.config.client, [number]) if 0 < number < 2**63 else {}
    if number not in known:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return known[number]


def may_answer(who: Person, row: dict[str, Any]) -> bool:
    """Whether this person may answer a card of this kind."""
    return who.may(Right.APPROVE if row["kind"] in STOPPED else Right.RESOLVE)


def offered(row: dict[str, Any], acceptable: Any) -> set[str]:
    """The answers that go with a card."""
    acts = {"reject"}
    if acceptable:
        acts.add("accept")
    if row["kind"] in ("held", "in_doubt"):
        acts |= {"retry", "document"}
    elif row["kind"] in (*STOPPED, "sync"):
        acts.add("retry")
    if asked_for(row):
        acts.add("map")
    return acts


@router.post("/cards/{number}/answer")
def answer(
    request: Request,  # noqa: ARG001 - the form's check reads it
    site: TheSite,
    who: Annotated[Person, Depends(acting(Right.PERSONAL))],
    number: int,
    fields: Form,
) -> Response:
    """Answer a card; what waited for it goes on at once."""
    row = found(site, number)
    given = {}
    for place, about in enumerate(asked_for(row)):
        meant = (fields.get(f"meant-{place}") or fields.get(f"near-{place}") or "").strip()
        if meant:
            given[about] = meant
    asked = Answer(
        fields.get("act", ""), given, fields.get("document", "").strip(), (fields.get("why") or "").strip() or None
    )
    task = begin(site, who, row, asked)
    return RedirectResponse(f"/tasks/{task.id}", HTTPStatus.SEE_OTHER)


def begin(site: Site, who: Person, row: dict[str, Any], asked: Answer) -> Task:
    """Begin to do what a person has answered. Raises Forbidden, ConfigError when it does not go with the card."""
    number = row["id"]
    if not may_answer(who, row):
        site.record(who, "answer", f"card:{number}", outcome="refused", data={"act": asked.act})
        raise Forbidden("role")
    if asked.act not in ACTS:
        raise ConfigError(T("It is not said how to resolve it."))
    if asked.act == "reject" and not asked.why:
        raise ConfigError(T("A rejection needs a reason."), hint=T("Go back and write why it is not wanted."))
    if asked.act == "map" and not asked.maps:
        raise refusal(row, T("It is not said what is meant."))
    if asked.act == "document" and not asked.document:
        raise ConfigError(T("The number of the document is needed."))

    def work(task: Task) -> list[Resolved]:
        data = {"act": asked.act, "why": asked.why, **({"maps": dict(asked.maps)} if asked.maps else {})}
        if asked.document:
            data["document"] = asked.document
        try:
            done = answered(site.client, row, asked, by=who.name, report=task.report)
        except MistokError:
            site.record(who, "answer", f"card:{number}", outcome="failed", data=data)
            raise
        site.record(who, "answer", f"card:{number}", data=data)
        hinting.answered(site.client.config)
        return done

    return site.tasks.start("answer", who.name, T("Card {n}", n=number), work, asked={"card": number})


@router.get("/cards/{number}/letter")
def letter(request: Request, site: TheSite, who: Insider, number: int, to: str = "", lang: str = "") -> Response:
    """A letter about the card, to copy or to open in a mail program."""
    row = found(site, number)
    chosen = Who(to) if to in {str(one) for one in Who} else None
    language = lang if lang in LANGUAGES else site.client.config.language
    written, others = write_letter(site.client, row, chosen, language)
    data = {
        "number": number,
        "letter": written,
        "people": [written.to, *others],
        "names": WHO,
        "languages": LANGUAGES,
    }
    return page(request, "letter.html", who, data, here="cards")
