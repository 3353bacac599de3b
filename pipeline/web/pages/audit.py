"""The log of who did what on the page."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from pipeline.ledger import people
from pipeline.texts import T, Text
from pipeline.web.access import ROLES, Person, Right, Role
from pipeline.web.entry import TheSite, having
from pipeline.web.render import page
from pipeline.web.site import Site

router = APIRouter(include_in_schema=False)
SHOWN = 100
ACTS: dict[str, Text] = {
    "login": T("log in"),
    "logout": T("log out"),
    "answer": T("answer a card"),
    "replay": T("replay"),
    "download": T("download a copy"),
    "report": T("download the sheet of a day"),
    "support-bundle": T("make a support bundle"),
    "run": T("run a job"),
    "dry-run": T("dry run of a job"),
    "pause": T("pause a job"),
    "resume": T("let a job run again"),
    "user-added": T("add a user"),
    "user-invited": T("invite a user"),
    "user-joined": T("choose one's password"),
    "user-changed": T("change a user"),
    "user-removed": T("remove a user"),
    "pc-invited": T("invite a PC"),
    "pc-revoked": T("revoke a PC"),
}
OUTCOMES: dict[str, Text] = {"done": T("done"), "refused": T("refused"), "failed": T("failed")}

#: What is written down with an act.
DATA: dict[str, Text] = {
    "role": T("role"),
    "why": T("why"),
    "files": T("files"),
    "did": T("done"),
    "days": T("days"),
    "orders": T("orders"),
}
WHYS: dict[str, Text] = {"limit": T("too many attempts")}


def _told(name: str, value: Any) -> Any:
    if name == "role" and value in set(Role):
        return str(ROLES[Role(value)])
    return str(WHYS[value]) if name == "why" and value in WHYS else value


@router.get("/audit")
def audit(
    request: Request,
    site: TheSite,
    who: Annotated[Person, Depends(having(Right.AUDIT))],
    by: str = "",
    below: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
) -> Response:
    """What was done, newest first."""
    return page(request, "audit.html", who, view(site, by, below), here="audit")


def view(site: Site, by: str = "", below: int | None = None) -> dict[str, Any]:
    """What the page shows."""
    client = site.client
    with client.ledger.read() as conn:
        found = people.acts(conn, client.config.client, who=by.strip(), below=below, most=SHOWN + 1)
        names = [row["name"] for row in people.listing(conn, client.config.client)]
    rows = [
        {
            **row,
            "at": row["at"].astimezone(client.config.zone),
            "act_text": str(ACTS.get(row["act"], row["act"])),
            "outcome_text": str(OUTCOMES.get(row["outcome"], row["outcome"])),
            "role_text": str(ROLES[Role(row["role"])]) if row["role"] else "",
            "data": {str(DATA.get(name, name)): _told(name, value) for name, value in (row["data"] or {}).items()},
        }
        for row in found[:SHOWN]
    ]
    return {"acts": rows, "by": by, "names": names, "below": rows[-1]["id"] if len(found) > SHOWN else None}
