"""One page for many clients: a list of them, and the page of each under ``/c/NAME/``, as if it stood alone.

Those who look after all of them are users of the service itself (``service.sqlite3`` in the folder); they see the list
and, with the same role, the page of every client. A client's own users log in below its address and see that client
alone: each page has cookies of its own name, and is given no other's.
"""

from __future__ import annotations

import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import structlog
from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.config.clients import ENVIRONMENT, Found, Roster, Stamp, client_folders, stamp_of
from pipeline.config.load import FILE_NAME, files_of, hash_now
from pipeline.config.model import ClientConfig, WebConfig
from pipeline.engine.clientread import NOT_CHECKED, Read, Reading
from pipeline.engine.configwatch import AGAIN
from pipeline.engine.runtime import Client
from pipeline.engine.shown.standings import Standing, standing
from pipeline.errors import MistokError
from pipeline.registry import Registry, load_registry
from pipeline.repeats import Repeats
from pipeline.texts import T
from pipeline.web.entry import MANY_COOKIE
from pipeline.web.site import Site, SupportParts

log = structlog.get_logger("mistok.web")

#: So many clients' pages are kept open; seconds between two looks at whether a config was edited.
OPEN, LOOK_EVERY = 24, 5.0
#: How each client stands is looked at in turns; one look at all of them takes so many seconds at least. Between them
#: those whose files were edited are looked at; seconds between two looks at the files.
ROUND, EDITS_EVERY = 20.0, 2.0
_ADDRESS = re.compile(r"/c/([A-Za-z0-9][A-Za-z0-9_.-]{0,63})(/.*)?", re.DOTALL)
#: Addresses in a page. What people wrote is escaped, without quotes: these are our templates' own. One in single
#: quotes is meant for the list of all clients, and stays.
_LINKS = re.compile(rb'((?:href|src|action|formaction|hx-get|hx-post)=")/(?!/|static/)')
_OURS = ("mistok", "mistok_csrf")


@dataclass(eq=False)
class _Open:
    folder: Path
    client: Client
    site: Site
    app: ASGIApp
    stamp: Stamp
    files: tuple[Path, ...]
    looked: float


@dataclass
class Street:
    """Answers for all clients of a folder. ``house``: the site of the service's own users; ``front``: its pages."""

    folder: Path
    house: Site
    front: ASGIApp
    settings: WebConfig
    parts: SupportParts | None = None
    make: Callable[[Site], ASGIApp] | None = None
    _open: OrderedDict[str, _Open] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._registry: Registry = load_registry()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        address = _ADDRESS.fullmatch(scope.get("path", "")) if scope["type"] == "http" else None
        if address is None:
            await self.front(scope, receive, send)
            return
        name, path = address[1], address[2] or "/"
        from anyio.to_thread import run_sync

        try:
            app = await run_sync(self._app, name)
        except MistokError as error:
            # the words are for those who look after it, and tell of files: the list has them
            log.warning("page_of_client_failed", client=name, error=error.text.render("en"))
            app = None
        if app is None:
            await PlainTextResponse(str(T("There is no such page.")), 404)(scope, receive, send)
            return
        prefix = f"/c/{name}"
        inner = {**scope, "path": path, "raw_path": path.encode(), "headers": _asked(scope["headers"], name)}
        await app(inner, receive, _Answer(send, prefix, name))

    def _app(self, name: str) -> ASGIApp | None:
        """The page of a client, opened when it is asked for and anew when its config was edited.

        While the config is wrong the page goes on by the one before it, as the client's jobs do.
        """
        with self._lock:
            known = self._open.get(name)
            now = time.monotonic()
            if known is not None:
                if now - known.looked < LOOK_EVERY or stamp_of(known.files) == known.stamp:
                    known.looked = max(known.looked, now - LOOK_EVERY / 2)
                    self._open.move_to_end(name)
                    return known.app
                known.looked = now  # who asks meanwhile gets what there is
        files = _files(known.folder) if known is not None else ()
        stamp = stamp_of(files)
        # plugins of its own may take their minute to load: the others' pages do not wait for that
        found = self._find(name, known.folder if known is not None else None)
        with self._lock:
            now_open = self._open.get(name)
            if now_open is not None and now_open is not known:  # somebody else has asked for it meanwhile
                return now_open.app
            if known is not None and found is not None and found.config is None:
                if any(finding.code == NOT_CHECKED for finding in found.findings):
                    known.looked = time.monotonic() + AGAIN
                else:
                    known.files, known.stamp = files, stamp
                return known.app
            if found is None or found.config is None:
                if now_open is not None:
                    self._close(self._open.pop(name))
                return None
            made = self._begin(found)
            if now_open is not None:
                self._close(now_open)
            self._open[name] = made
            self._open.move_to_end(name)
            while len(self._open) > OPEN:
                quiet = next((one for one, page in self._open.items() if not page.site.streams.listened), None)
                if quiet is None or quiet == name:
                    break
                self._close(self._open.pop(quiet))
            return made.app

    def _find(self, name: str, known: Path | None = None) -> Found | None:
        """The client of this name; its own plugins are not loaded into this process, which is for all.

        ``known``: the folder that it was in when it was found last; without a config: what is wrong there now. Of one
        whose config is wrong and that has no page yet, what it was before.
        """
        folders = client_folders(self.folder)
        # mostly the folder has the client's name
        for folder in sorted(folders, key=lambda one: (one != known, one.name != name)):
            found = _read(folder).found
            if found.config is not None:
                if found.config.client == name:
                    return found
            elif folder == known:
                return found
            elif (before := self._before(folder)) is not None and before.name == name:
                return before
        return None

    def _before(self, folder: Path) -> Found | None:
        return self.house.standings.last_right(folder) if self.house.standings is not None else None

    def _begin(self, found: Found) -> _Open:
        config = found.config
        assert config is not None
        client = Client.open(config, registry=self._registry)
        site = Site(client, self.settings, support_parts=self.parts, house=self.house)
        site.streams.start()
        files = _files(found.folder)
        # what was edited meanwhile, or is wrong since, is looked at once more
        stamp = stamp_of(files) if hash_now(found.source) == config.config_hash else ()
        assert self.make is not None
        return _Open(found.folder, client, site, self.make(site), stamp, files, time.monotonic())

    def _close(self, page: _Open) -> None:
        page.site.streams.close()
        page.client.close()

    def close(self) -> None:
        """End every stream, and close what is open."""
        with self._lock:
            for page in self._open.values():
                self._close(page)
            self._open.clear()


def _files(folder: Path) -> tuple[Path, ...]:
    return (*files_of(folder / FILE_NAME), folder / ENVIRONMENT)


def _read(folder: Path) -> Read:
    reading = Reading(folder, get_context("spawn"))
    try:
        while (read := reading.result()) is None:
            time.sleep(0.05)
        return read
    finally:
        reading.close()


class Standings:
    """How every client stands, looked at by a thread again and again, so that a list of hundreds is there at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._registry = load_registry()
        self._rows: dict[Path, Standing] = {}
        self._found: dict[Path, Found] = {}
        self._right: dict[Path, Found] = {}  #: the same, as it was when its config was right
        self._next = 0.0  #: when files are looked at for edits
        self._end = threading.Event()
        self._repeats = Repeats()
        self.through = threading.Event()  #: each was looked at once

    def rows(self) -> list[Standing]:
        """All of them, by name."""
        return sorted(self._rows.copy().values(), key=lambda one: one.client.casefold())

    def start(self) -> None:
        """Begin to look."""
        threading.Thread(target=self._run, name="mistok-standings", daemon=True).start()

    def close(self) -> None:
        """Look no more."""
        self._end.set()

    def last_right(self, folder: Path) -> Found | None:
        """What this folder's client was when its config was right last; None: it never was, or the folder is gone."""
        return self._right.get(folder)

    def _run(self) -> None:
        roster = self._roster = Roster(self._folder)
        while not self._end.is_set():
            begun = time.monotonic()
            for folder in roster.folders:
                self._look_for_edits()
                if self._end.is_set():
                    return
                took = time.monotonic()
                self._stand(folder)
                # a tenth of a core at most, however many there are
                self._end.wait((time.monotonic() - took) * 9 if self.through.is_set() else 0)
            self.through.set()
            until = max(begun + ROUND, time.monotonic() + 1.0)
            while not self._end.is_set() and (left := until - time.monotonic()) > 0:
                self._end.wait(min(left, EDITS_EVERY))
                self._look_for_edits()

    def _look_for_edits(self) -> None:
        """Who was edited is looked at now, and does not wait for its turn."""
        begun = time.monotonic()
        if begun < self._next:
            return
        changes = self._roster.look()
        self._next = time.monotonic() + max((time.monotonic() - begun) * 9, EDITS_EVERY)
        for folder in changes.gone:
            for kept in (self._found, self._rows, self._right):
                kept.pop(folder, None)
        for folder in (*changes.edited, *changes.added):
            self._found.pop(folder, None)
            if self._end.is_set():
                return
            self._stand(folder)

    def _stand(self, folder: Path) -> None:
        if folder not in self._roster.folders:
            return
        if folder not in self._found:
            found = self._found[folder] = _read(folder).found
            if found.config is not None:
                self._right[folder] = found
        try:
            self._rows[folder] = standing(self._found[folder], self._registry)
        except Exception:  # the thread outlives what nobody thought of; the others are looked at
            log.exception("standing_failed", client=folder.name)


def house_config(folder: Path, language: str) -> ClientConfig:
    """The service itself, as far as its page is one of a client: its users, its log of what they did."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", folder.name).strip("-._") or "clients"
    return ClientConfig.model_validate(
        {
            "client": name[:64],
            "language": language,
            "connections": {},
            "jobs": {},
            "ledger": {"url": "sqlite:///service.sqlite3"},
            "base": folder,
            "source": folder / "service.yaml",
        }
    )


def _asked(headers: Any, name: str) -> list[tuple[bytes, bytes]]:
    """The request's headers with this client's cookies, and no other's."""
    cookies: list[str] = []
    rest = []
    for key, value in headers:
        if key != b"cookie":
            rest.append((key, value))
            continue
        for part in value.decode("latin-1").split(";"):
            cookie, _, told = part.strip().partition("=")
            host = "__Host-" if cookie.startswith("__Host-") else ""
            bare = cookie.removeprefix(host)
            if bare in _OURS:
                if bare == _OURS[0]:  # the service's own user
                    cookies.append(f"{host}{MANY_COOKIE}={told}")
            elif "." in bare and bare.partition(".")[0] in _OURS:
                own, _, whose = bare.partition(".")
                if whose == name:
                    cookies.append(f"{host}{own}={told}")
            else:
                cookies.append(f"{cookie}={told}")
    if cookies:
        rest.append((b"cookie", "; ".join(cookies).encode("latin-1")))
    return rest


class _Answer:
    """Sends what a client's page answers, with its addresses below the client's own."""

    def __init__(self, send: Send, prefix: str, name: str) -> None:
        self._send, self._prefix, self._name = send, prefix, name
        self._start: Message | None = None
        self._parts: list[bytes] = []

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for header in ("location", "hx-redirect"):
                if (value := headers.get(header, "")).startswith("/") and not value.startswith(("//", "/static/")):
                    headers[header] = self._prefix + value
            message["headers"] = [
                (key, self._cookie(value) if key == b"set-cookie" else value) for key, value in message["headers"]
            ]
            if headers.get("content-type", "").startswith("text/html"):
                self._start = message
                return
        elif self._start is not None:
            self._parts.append(message.get("body", b""))
            if message.get("more_body"):
                return
            body = _LINKS.sub(rb"\1" + self._prefix.encode() + rb"/", b"".join(self._parts))
            MutableHeaders(scope=self._start)["content-length"] = str(len(body))
            await self._send(self._start)
            await self._send({"type": "http.response.body", "body": body})
            return
        await self._send(message)

    def _cookie(self, value: bytes) -> bytes:
        cookie, equals, rest = value.decode("latin-1").partition("=")
        bare = cookie.removeprefix("__Host-")
        return f"{cookie}.{self._name}{equals}{rest}".encode("latin-1") if bare in _OURS else value
