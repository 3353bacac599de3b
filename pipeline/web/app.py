"""The application: pages and JSON API of one client, put together."""

from __future__ import annotations

import secrets
from http import HTTPStatus
from pathlib import Path
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from pipeline import __version__
from pipeline.engine.endings import unexpected
from pipeline.engine.shown.words import finding_row
from pipeline.errors import Finding, MistokError, Transient, Who
from pipeline.texts import T, Text
from pipeline.web.entry import Forbidden, NeedsLogin, TooLarge
from pipeline.web.guard import Guard
from pipeline.web.render import link, page
from pipeline.web.site import Site

log = structlog.get_logger("mistok.web")
WHY = {
    "role": T("Your role does not let you do this."),
    "form": T("This form is out of date, or was not sent from this page. Load the page again and repeat it."),
    "user": T("The reverse proxy names a user whom Mistok does not know."),
}
NO_PAGE = T("There is no such page.")


def make_app(site: Site) -> FastAPI:
    """The page of a client, as an ASGI application."""
    from pipeline.web import api, metrics
    from pipeline.web.pages import (
        access,
        alerts,
        audit,
        cards,
        catalogue,
        config,
        jobs,
        login,
        orders,
        replay,
        report,
        support,
        sync,
        tasks,
        today,
    )

    app = FastAPI(title="Mistok", version=__version__, docs_url=None, redoc_url=None, openapi_url="/api/openapi.json")
    app.state.site = site
    for room in (
        login,
        today,
        report,
        orders,
        cards,
        replay,
        jobs,
        tasks,
        catalogue,
        sync,
        config,
        audit,
        access,
        support,
        alerts,
        metrics,
        api,
    ):
        app.include_router(room.router)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static")
    app.add_middleware(Guard, site=site)
    app.add_exception_handler(alerts.Stranger, alerts.refuse)
    _tell_errors(app)
    return app


def make_front(site: Site) -> FastAPI:
    """The pages of those who look after many clients: the list of them, and who may see it."""
    from pipeline.web.pages import access, audit, clients, login

    app = FastAPI(title="Mistok", version=__version__, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.site = site
    for room in (login, clients, access, audit):
        app.include_router(room.router)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static")
    app.add_middleware(Guard, site=site)
    _tell_errors(app)
    return app


def _tell_errors(app: FastAPI) -> None:
    @app.exception_handler(NeedsLogin)
    def needs_login(request: Request, _error: NeedsLogin) -> Response:
        if is_api(request):
            return told(request, HTTPStatus.UNAUTHORIZED, T("Log in first."))
        if request.headers.get("hx-request"):  # a page that is open still: the whole of it goes to the log-in
            return Response(status_code=HTTPStatus.UNAUTHORIZED, headers={"HX-Redirect": "/login"})
        back = request.url.path if request.method == "GET" else "/"
        if request.url.query and request.method == "GET":
            back += f"?{request.url.query}"
        return RedirectResponse(link("/login", next="" if back == "/" else back), HTTPStatus.SEE_OTHER)

    @app.exception_handler(Forbidden)
    def forbidden(request: Request, error: Forbidden) -> Response:
        return told(request, HTTPStatus.FORBIDDEN, WHY[error.why])

    @app.exception_handler(TooLarge)
    def too_large(request: Request, _error: TooLarge) -> Response:
        return told(request, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, T("This is too much for one form."))

    @app.exception_handler(HTTPException)
    def no_page(request: Request, error: HTTPException) -> Response:
        words = NO_PAGE if error.status_code == HTTPStatus.NOT_FOUND else T("This cannot be done so.")
        answer = told(request, HTTPStatus(error.status_code), words)
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(RequestValidationError)
    def strange(request: Request, error: RequestValidationError) -> Response:
        words = "; ".join(f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors()[:5])
        return told(request, HTTPStatus.UNPROCESSABLE_ENTITY, T("This call is not right: {words}", words=words))

    @app.exception_handler(MistokError)
    def refused(request: Request, error: MistokError) -> Response:
        status = HTTPStatus.SERVICE_UNAVAILABLE if isinstance(error, Transient) else HTTPStatus.CONFLICT
        if error.code == "not-found":
            status = HTTPStatus.NOT_FOUND
        return told_all(request, status, error.findings)

    @app.exception_handler(Exception)
    def failed(request: Request, error: Exception) -> Response:
        reference = secrets.token_hex(4)
        log.error("page_failed", path=request.url.path, reference=reference, exc_info=error)
        return told_all(request, HTTPStatus.INTERNAL_SERVER_ERROR, (unexpected("mistok", error, reference),))


def is_api(request: Request) -> bool:
    """Whether JSON is expected."""
    return request.url.path.startswith("/api/")


def told(request: Request, status: HTTPStatus, words: Text) -> Response:
    """What went wrong, as a page or as JSON."""
    return told_all(request, status, (Finding(str(status.phrase.lower().replace(" ", "-")), words, who=Who.ADMIN),))


def told_all(request: Request, status: HTTPStatus, findings: tuple[Finding, ...]) -> Response:
    """The same of several."""
    if is_api(request):
        rows: list[dict[str, Any]] = [finding_row(finding) for finding in findings]
        return JSONResponse({"findings": rows}, status_code=status)
    return page(request, "error.html", None, {"findings": findings, "status": int(status)}, status=status)
