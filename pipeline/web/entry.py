"""Who is asking, and whether the form is ours: what the routes depend on."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends, Request

from pipeline.ledger import people
from pipeline.ledger.invitations import hashed
from pipeline.web.access import Person, Right, Role
from pipeline.web.proxy import named_user
from pipeline.web.site import Site

#: What an open page fetches by itself has this header (static/mistok.js): nobody may be sitting there.
LIVE = "mistok-live"
COOKIE, CSRF_COOKIE = "mistok", "mistok_csrf"
MANY_COOKIE = "mistok_all"  #: of many clients: the session of one who looks after all of them, see street.py
MOST = 200_000  #: bytes of a form


class NeedsLogin(Exception):
    """Nobody is logged in."""


class Forbidden(Exception):
    """Somebody is, and may not; or the form is not one of ours. ``why``: ``role``, ``form``, ``user``."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class TooLarge(Exception):
    """A form of this size is none of ours."""


def site_of(request: Request) -> Site:
    """The page's site."""
    site: Site = request.app.state.site
    return site


def cookie_name(name: str, request: Request) -> str:
    """With https, browsers let nobody but this very host set it."""
    return f"__Host-{name}" if request.state.https else name


TheSite = Annotated[Site, Depends(site_of)]


def whoever(request: Request, site: TheSite) -> Person | None:
    """Whoever is logged in; None: nobody."""
    ledger, now = site.client.ledger, site.now()
    if name := named_user(request.state.peer, request.headers, site.settings.proxy):
        return _by_proxy(request, site, name)
    token = request.cookies.get(cookie_name(COOKIE, request), "")
    if not token:
        return _of_the_house(request, site)
    with ledger.read() as conn:
        row = people.session(conn, ledger.client, hashed(token), now, site.settings.idle)
    if row is None:
        return _of_the_house(request, site)
    if LIVE not in request.headers and people.is_stale(row, now):
        with ledger.begin() as conn:
            people.touch(conn, row["token"], now)
    return Person(row["name"], Role(row["role"]), request.state.address, row["csrf"], row["token"])


def _of_the_house(request: Request, site: Site) -> Person | None:
    """One who looks after all clients, logged in there; None: this is no page of many, or nobody is."""
    token = request.cookies.get(cookie_name(MANY_COOKIE, request), "")
    if site.house is None or not token:
        return None
    ledger, now = site.house.client.ledger, site.now()
    with ledger.read() as conn:
        row = people.session(conn, ledger.client, hashed(token), now, site.settings.idle)
    if row is None:
        return None
    if LIVE not in request.headers and people.is_stale(row, now):
        with ledger.begin() as conn:
            people.touch(conn, row["token"], now)
    return Person(row["name"], Role(row["role"]), request.state.address, row["csrf"], row["token"])


def _by_proxy(request: Request, site: Site, name: str) -> Person:
    ledger, proxy = site.client.ledger, site.settings.proxy
    with ledger.read() as conn:
        known = people.by_name(conn, ledger.client, name)
    role = known["role"] if known else proxy.role if proxy else None
    if role is None:
        raise Forbidden("user")
    # without a session of ours the secret of the forms is a cookie that no other site can read
    csrf = request.cookies.get(cookie_name(CSRF_COOKIE, request)) or secrets.token_urlsafe(24)
    return Person(name.casefold(), Role(role), request.state.address, csrf)


def person(who: Annotated[Person | None, Depends(whoever)]) -> Person:
    """Whoever is logged in. Raises NeedsLogin."""
    if who is None:
        raise NeedsLogin
    return who


Someone = Annotated[Person, Depends(person)]


def having(right: Right) -> Callable[[Person], Person]:
    """A dependency: somebody who has this right. Raises NeedsLogin or Forbidden."""

    def check(who: Someone) -> Person:
        if not who.may(right):
            raise Forbidden("role")
        return who

    return check


async def form(request: Request) -> Mapping[str, str]:
    """The fields of a form, as browsers send them. Raises TooLarge."""
    size, parts = 0, []
    async for part in request.stream():
        size += len(part)
        if size > MOST:
            raise TooLarge
        parts.append(part)
    text = b"".join(parts).decode("utf-8", "replace")
    return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=200))


Form = Annotated[Mapping[str, str], Depends(form)]


def is_ours(request: Request, given: str, known: str) -> bool:
    """Whether a form was sent by a page of ours: the browser says so, and it has the secret of the session."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    return bool(known) and secrets.compare_digest(given.encode(), known.encode())


def acting(right: Right) -> Callable[[Request, Person, Mapping[str, str]], Person]:
    """A dependency of a form: somebody with this right, by a form of ours. Raises NeedsLogin, Forbidden, TooLarge."""

    def check(request: Request, who: Someone, fields: Form) -> Person:
        if not is_ours(request, fields.get("csrf", ""), who.csrf):
            raise Forbidden("form")
        if not who.may(right):
            raise Forbidden("role")
        return who

    return check


def calling(right: Right) -> Callable[[Request, Person], Person]:
    """The same for the JSON API, where the secret is the header ``X-CSRF-Token``."""

    def check(request: Request, who: Someone) -> Person:
        if not is_ours(request, request.headers.get("x-csrf-token", ""), who.csrf):
            raise Forbidden("form")
        if not who.may(right):
            raise Forbidden("role")
        return who

    return check
