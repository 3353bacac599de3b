"""Logging in and out, the first user, and the language."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from pipeline.ledger import people
from pipeline.ledger.invitations import hashed
from pipeline.texts import LANGUAGES, TN, T, Text
from pipeline.web import passwords
from pipeline.web import setup as setup_link
from pipeline.web.access import Person, Role
from pipeline.web.entry import (
    COOKIE,
    CSRF_COOKIE,
    Forbidden,
    Form,
    NeedsLogin,
    Someone,
    TheSite,
    cookie_name,
    is_ours,
    whoever,
)
from pipeline.web.guard import LANGUAGE_COOKIE
from pipeline.web.names import name_trouble
from pipeline.web.render import drop_cookie, page, set_cookie
from pipeline.web.site import Site
from pipeline.web.welcome import forget_welcome, welcomed

router = APIRouter(include_in_schema=False)


@router.get("/login")
def form(
    request: Request,
    site: TheSite,
    who: Annotated[Person | None, Depends(whoever)],
    next: str = "",  # noqa: A002
) -> Response:
    """The form; who is logged in already goes on."""
    if who is not None:
        return RedirectResponse(_within(next), HTTPStatus.SEE_OTHER)
    return _form(request, site, next_page=next)


@router.post("/login")
def log_in(request: Request, site: TheSite, fields: Form) -> Response:
    """Check name and password; on success begin a session."""
    _check(request, fields)
    name, password = fields.get("name", "").strip(), fields.get("password", "")
    address, ledger = request.state.address, site.client.ledger
    stranger = Person(name[:64].casefold() or "?", Role.VIEWER, address, "")
    if (wait := site.attempts.wait(name, address)) is not None:
        site.record(stranger, "login", outcome="refused", data={"why": "limit"})
        minutes = int(wait.total_seconds() // 60) + 1
        words = TN(
            "Too many attempts. Try again in {n} minute.", "Too many attempts. Try again in {n} minutes.", minutes
        )
        return _form(request, site, words, name, fields.get("next", ""), status=HTTPStatus.TOO_MANY_REQUESTS)
    with ledger.read() as conn:
        user = people.by_name(conn, ledger.client, name)
    if not site.passwords.fits(user["password"] if user else None, password) or user is None:
        site.attempts.failed(name, address)
        site.record(stranger, "login", outcome="refused")
        words = T("The name or the password is wrong.")
        return _form(request, site, words, name, fields.get("next", ""), status=HTTPStatus.UNAUTHORIZED)
    site.attempts.went_well(name, address)
    if site.passwords.is_old(user["password"]):
        with ledger.begin() as conn:
            people.rehash(conn, user["id"], site.passwords.hashed(password))
    answer = RedirectResponse(_within(fields.get("next", "")), HTTPStatus.SEE_OTHER)
    _begin(request, site, answer, user["id"], user["name"], Role(user["role"]))
    return answer


@router.post("/logout")
def log_out(request: Request, site: TheSite, who: Someone, fields: Form) -> Response:
    """End the session."""
    if not is_ours(request, fields.get("csrf", ""), who.csrf):
        raise Forbidden("form")
    ledger = site.client.ledger
    with ledger.begin() as conn:
        people.end_session(conn, who.token)
    if site.house is not None:  # who looks after all clients leaves all their pages
        with site.house.client.ledger.begin() as conn:
            people.end_session(conn, who.token)
    site.record(who, "logout")
    answer = RedirectResponse("/login", HTTPStatus.SEE_OTHER)
    drop_cookie(answer, request, COOKIE)
    return answer


@router.get("/setup/{token}")
def setup(request: Request, site: TheSite, token: str) -> Response:
    """Where the first user is made, by the link that the start has printed."""
    if not setup_link.is_setup(site.client.ledger, token):
        raise NeedsLogin
    return _setup(request, token)


@router.post("/setup/{token}")
def make_first(request: Request, site: TheSite, token: str, fields: Form) -> Response:
    """Make the first user, an administrator, and log it in."""
    _check(request, fields)
    if not setup_link.is_setup(site.client.ledger, token):
        raise NeedsLogin
    name, password = fields.get("name", "").strip(), fields.get("password", "")
    wrong = name_trouble(name) or passwords.trouble(password, name)
    if wrong is None and password != fields.get("again", ""):
        wrong = T("The two passwords are not the same.")
    if wrong is not None:
        return _setup(request, token, wrong, name, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    ledger = site.client.ledger
    with ledger.begin() as conn:
        kept = site.passwords.hashed(password)
        number, _new = people.keep(conn, ledger.client, name, role=Role.ADMIN, password=kept, now=site.now())
    setup_link.forget_setup(ledger)
    first = Person(name.casefold(), Role.ADMIN, request.state.address, "")
    site.record(first, "user-added", first.name, data={"role": str(Role.ADMIN)})
    answer = RedirectResponse("/", HTTPStatus.SEE_OTHER)
    _begin(request, site, answer, number, first.name, Role.ADMIN)
    return answer


@router.get("/welcome/{token}")
def welcome(request: Request, site: TheSite, token: str) -> Response:
    """Where an invited user chooses its password, by the link that an administrator was shown."""
    with site.client.ledger.read() as conn:
        user = welcomed(site.client.ledger, conn, token)
    if user is None:
        raise NeedsLogin
    return _welcome(request, token, user["name"])


@router.post("/welcome/{token}")
def choose_password(request: Request, site: TheSite, token: str, fields: Form) -> Response:
    """Keep the password and log the user in; the link counts no more."""
    _check(request, fields)
    ledger = site.client.ledger
    with ledger.read() as conn:
        user = welcomed(ledger, conn, token)
    if user is None:
        raise NeedsLogin
    password = fields.get("password", "")
    wrong = passwords.trouble(password, user["name"])
    if wrong is None and password != fields.get("again", ""):
        wrong = T("The two passwords are not the same.")
    if wrong is not None:
        return _welcome(request, token, user["name"], wrong, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    kept = site.passwords.hashed(password)
    with ledger.begin() as conn:
        user = welcomed(ledger, conn, token)  # nobody else has used it meanwhile
        if user is None:
            raise NeedsLogin
        people.keep(conn, ledger.client, user["name"], role=user["role"], password=kept, now=site.now())
        forget_welcome(ledger, conn, user)
    site.record(Person(user["name"], Role(user["role"]), request.state.address, ""), "user-joined", user["name"])
    answer = RedirectResponse("/", HTTPStatus.SEE_OTHER)
    _begin(request, site, answer, user["id"], user["name"], Role(user["role"]))
    return answer


@router.get("/language/{code}")
def language(request: Request, code: str, next: str = "") -> Response:  # noqa: A002
    """Choose the language, for a year."""
    answer = RedirectResponse(_within(next), HTTPStatus.SEE_OTHER)
    if code in LANGUAGES:
        answer.set_cookie(
            LANGUAGE_COOKIE, code, max_age=31_536_000, path="/", samesite="lax", secure=request.state.https
        )
    return answer


def _begin(request: Request, site: Site, answer: Response, user_id: int, name: str, role: Role) -> None:
    token, csrf, now = secrets.token_urlsafe(32), secrets.token_urlsafe(24), site.now()
    ledger, settings = site.client.ledger, site.settings
    with ledger.begin() as conn:
        people.begin_session(
            conn,
            ledger.client,
            user_id,
            token=hashed(token),
            csrf=csrf,
            address=request.state.address,
            now=now,
            until=now + settings.longest,
        )
    site.record(Person(name, role, request.state.address, ""), "login")
    set_cookie(answer, request, COOKIE, token, int(settings.longest.total_seconds()))
    drop_cookie(answer, request, CSRF_COOKIE)


def _check(request: Request, fields: Form) -> None:
    """Before there is a session, the form's secret is a cookie. Raises Forbidden."""
    if not is_ours(request, fields.get("csrf", ""), request.cookies.get(cookie_name(CSRF_COOKIE, request), "")):
        raise Forbidden("form")


def _form(
    request: Request,
    site: Site,
    words: Text | None = None,
    name: str = "",
    next_page: str = "",
    *,
    status: HTTPStatus = HTTPStatus.OK,
) -> Response:
    return _with_secret(
        request,
        "login.html",
        {"words": words, "name": name, "next_page": _within(next_page), "nobody": not site.has_users()},
        status,
    )


def _setup(
    request: Request, token: str, words: Text | None = None, name: str = "", *, status: HTTPStatus = HTTPStatus.OK
) -> Response:
    data = {"words": words, "name": name, "token": token, "shortest": passwords.SHORTEST}
    return _with_secret(request, "setup.html", data, status)


def _welcome(
    request: Request, token: str, name: str, words: Text | None = None, *, status: HTTPStatus = HTTPStatus.OK
) -> Response:
    data = {"words": words, "name": name, "token": token, "shortest": passwords.SHORTEST}
    return _with_secret(request, "welcome.html", data, status)


def _with_secret(request: Request, template: str, data: Mapping[str, object], status: HTTPStatus) -> Response:
    csrf = request.cookies.get(cookie_name(CSRF_COOKIE, request)) or secrets.token_urlsafe(24)
    answer = page(request, template, None, {**data, "csrf": csrf}, status=status)
    set_cookie(answer, request, CSRF_COOKIE, csrf)
    return answer


def _within(next_page: str) -> str:
    """A page of ours to go on to: never another site's, whatever the link says."""
    parts = urlsplit(next_page)
    fine = next_page.startswith("/") and not next_page.startswith(("//", "/\\")) and not (parts.scheme or parts.netloc)
    return next_page if fine and "\\" not in next_page and not next_page.startswith("/login") else "/"
