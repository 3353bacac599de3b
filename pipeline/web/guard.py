"""Around every request: where it comes from, the language, the headers that browsers are to keep."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.texts import LANGUAGES, use_language
from pipeline.web.proxy import address_of, is_https
from pipeline.web.site import Site

LANGUAGE_COOKIE = "mistok_language"
#: No script, style, frame or form of anybody else, and none written into a page.
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class Guard:
    """An ASGI layer: sets ``request.state.address``, ``.peer``, ``.https``, the language, and the headers."""

    def __init__(self, app: ASGIApp, site: Site) -> None:
        self.app, self.site = app, site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        proxy = self.site.settings.proxy
        peer = (scope.get("client") or ("", 0))[0]
        state: MutableMapping[str, Any] = scope.setdefault("state", {})
        state["peer"] = peer
        state["address"] = address_of(peer, headers, proxy)
        state["https"] = self.site.https or is_https(scope["scheme"], peer, headers, proxy)
        language = language_of(headers, self.site.client.config.language)
        state["language"] = language
        use_language(language)
        keeps = scope["path"].startswith("/static/")

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                out = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    out[name] = value
                out.setdefault("cache-control", "public, max-age=86400" if keeps else "no-store")
                if state["https"]:
                    out["strict-transport-security"] = "max-age=31536000"
            await send(message)

        await self.app(scope, receive, answer)


def language_of(headers: Headers, default: str) -> str:
    """The language that the reader has chosen, else the first that its browser asks for, else the client's."""
    for part in headers.get("cookie", "").split(";"):
        name, _, value = part.strip().partition("=")
        if name == LANGUAGE_COOKIE and value in LANGUAGES:
            return value
    asked: list[tuple[float, int, str]] = []
    for place, part in enumerate(headers.get("accept-language", "")[:400].split(",")):
        code, _, weight = part.strip().partition(";q=")
        try:
            asked.append((-float(weight or 1), place, code[:2].lower()))
        except ValueError:
            continue
    return next((code for _weight, _place, code in sorted(asked) if code in LANGUAGES), default)
