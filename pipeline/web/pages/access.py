"""Who is let in: people's PCs with their popups, and the users of the page. Tokens and links are shown once."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from pipeline.errors import ConfigError
from pipeline.ledger import pcs, people
from pipeline.ledger.invitations import invited, revoked
from pipeline.texts import T, Text
from pipeline.web.access import ROLES, Person, Right, Role
from pipeline.web.entry import Form, TheSite, acting, having
from pipeline.web.names import name_trouble
from pipeline.web.render import page
from pipeline.web.site import Site
from pipeline.web.welcome import make_welcome, until

router = APIRouter(include_in_schema=False)
ForPcs = Annotated[Person, Depends(acting(Right.PCS))]
ForUsers = Annotated[Person, Depends(acting(Right.USERS))]
#: A PC that was silent for so long follows no more: its connection is written down once a minute.
FOLLOWS = timedelta(minutes=2)


@router.get("/access")
def access(request: Request, site: TheSite, who: Annotated[Person, Depends(having(Right.PCS))]) -> Response:
    """The PCs, and for administrators the users."""
    return _shown(request, site, who)


@router.post("/access/pcs")
def invite_pc(request: Request, site: TheSite, who: ForPcs, fields: Form) -> Response:
    """Let a PC in; its token is on the page that answers, and nowhere after."""
    name = fields.get("name", "").strip()
    if (wrong := name_trouble(name)) is not None:
        return _shown(request, site, who, wrong=wrong)
    token, new = invited(site.client.ledger, name, by=who.name, role=who.role, address=who.address)
    return _shown(request, site, who, pc={"name": name.casefold(), "token": token, "new": new})


@router.post("/access/pcs/revoke")
def revoke_pc(site: TheSite, who: ForPcs, fields: Form) -> Response:
    """Take its token back."""
    name = fields.get("name", "")
    if not revoked(site.client.ledger, name, by=who.name, role=who.role, address=who.address):
        raise ConfigError(T("There is no PC {name}.", name=name), code="not-found")
    return RedirectResponse("/access", HTTPStatus.SEE_OTHER)


@router.post("/access/users")
def invite_user(request: Request, site: TheSite, who: ForUsers, fields: Form) -> Response:
    """Add a user, or give one that is there a new link to choose its password by."""
    name, role = fields.get("name", "").strip(), fields.get("role", "")
    if (wrong := name_trouble(name)) is not None:
        return _shown(request, site, who, wrong=wrong)
    ledger, now = site.client.ledger, site.now()
    with ledger.begin() as conn:
        known = people.by_name(conn, ledger.client, name)
        if known is None:
            people.keep(conn, ledger.client, name, role=_role(role), password=None, now=now)
            known = people.by_name(conn, ledger.client, name)
            assert known is not None
        token = "" if _named_by_proxy(site) else make_welcome(ledger, conn, known)
    data = {"role": known["role"]}
    site.record(who, "user-invited" if token else "user-added", known["name"], data=data)
    return _shown(request, site, who, user={"name": known["name"], "token": token})


@router.post("/access/users/role")
def change_role(request: Request, site: TheSite, who: ForUsers, fields: Form) -> Response:
    """Give a user another role; it logs in anew."""
    name, role = fields.get("name", ""), _role(fields.get("role", ""))
    if name.casefold() == who.name:
        return _shown(request, site, who, wrong=_NOT_ONESELF)
    ledger = site.client.ledger
    with ledger.begin() as conn:
        _must_be(people.by_name(conn, ledger.client, name), name)
        people.keep(conn, ledger.client, name, role=role, password=None, now=site.now())
    site.record(who, "user-changed", name.casefold(), data={"role": str(role)})
    return RedirectResponse("/access", HTTPStatus.SEE_OTHER)


@router.post("/access/users/remove")
def remove_user(request: Request, site: TheSite, who: ForUsers, fields: Form) -> Response:
    """Remove a user; what it did stays in the log."""
    name = fields.get("name", "")
    if name.casefold() == who.name:
        return _shown(request, site, who, wrong=_NOT_ONESELF)
    ledger = site.client.ledger
    with ledger.begin() as conn:
        _must_be(people.by_name(conn, ledger.client, name), name)
        people.remove(conn, ledger.client, name)
    site.record(who, "user-removed", name.casefold())
    return RedirectResponse("/access", HTTPStatus.SEE_OTHER)


_NOT_ONESELF = T("Nobody changes or removes oneself: another administrator does that.")


def _must_be(row: people.Row | None, name: str) -> None:
    if row is None:
        raise ConfigError(T("There is no user {name}.", name=name), code="not-found")


def _role(word: str) -> Role:
    try:
        return Role(word)
    except ValueError:
        raise ConfigError(
            T("There is no role {name}.", name=word), hint=T("Roles: {names}.", names=", ".join(Role))
        ) from None


def _named_by_proxy(site: Site) -> bool:
    return site.settings.proxy is not None and bool(site.settings.proxy.user_header)


def _shown(
    request: Request,
    site: Site,
    who: Person,
    *,
    wrong: Text | None = None,
    pc: dict[str, Any] | None = None,
    user: dict[str, Any] | None = None,
) -> Response:
    own = (site.settings.url or str(request.base_url)).rstrip("/")
    if site.house is not None:  # one of many
        own += f"/c/{site.client.config.client}"
    data = {
        **view(site, who),
        "wrong": wrong,
        "pc": pc,
        "user": user,
        "address": own,
        "by_proxy": _named_by_proxy(site),
    }
    status = HTTPStatus.OK if wrong is None else HTTPStatus.UNPROCESSABLE_ENTITY
    return page(request, "access.html", who, data, status=status, here="access")


def view(site: Site, who: Person) -> dict[str, Any]:
    """What the page shows."""
    ledger, zone, now = site.client.ledger, site.client.config.zone, site.now()
    with ledger.read() as conn:
        found = pcs.listing(conn, ledger.client)
        known = people.listing(conn, ledger.client) if who.may(Right.USERS) else []
        links = {row["id"]: until(ledger, conn, row) for row in known}
    return {
        "pcs": [
            {
                **row,
                "live": row["token"] is not None,
                "created": row["created"].astimezone(zone),
                "seen": row["seen"].astimezone(zone) if row["seen"] else None,
                "follows": row["token"] is not None and row["seen"] is not None and now - row["seen"] < FOLLOWS,
            }
            for row in found
        ],
        "users": [
            {
                "name": row["name"],
                "role": row["role"],
                "role_text": str(ROLES[Role(row["role"])]),
                "password": bool(row["password"]),
                "created": row["created"].astimezone(zone),
                "link": links[row["id"]],
                "oneself": row["name"] == who.name,
            }
            for row in known
        ],
        "roles": [(str(role), str(words)) for role, words in ROLES.items()],
    }
