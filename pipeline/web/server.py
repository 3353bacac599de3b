"""The page's own process: the service starts it, ends it, and starts it again when it dies.

It is a process of its own because it loads a client's plugins and works on what people ask for, neither of which may
hold up the service or bring it down. It lives no longer than the service.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import multiprocessing
import os
import pickle
import socket
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import structlog

from pipeline.config.model import ClientConfig, WebConfig
from pipeline.engine.pool import Wire, write_line
from pipeline.engine.worker import Boot, LogLine, Mouth, be_quiet_and_mortal, boot_for, send_logs
from pipeline.errors import ConfigError, MistokError, system_words
from pipeline.texts import T, Text

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

    from pipeline.ledger.store import Ledger
    from pipeline.web.site import SupportParts

log = structlog.get_logger("mistok.web")
#: Seconds it may take to end, and the pauses before it is started again after it died.
ENDING, AGAIN = 5.0, (1.0, 5.0, 30.0, 120.0)
#: A page that has worked for so many seconds begins to count its deaths anew.
LIVED = 300.0


def bound(settings: WebConfig) -> socket.socket:
    """A socket that listens where the settings say. Raises ConfigError when the address cannot be had."""
    host, port = settings.address()
    try:
        family, kind, proto, _name, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        made = socket.socket(family, kind, proto)
        try:
            if os.name == "posix":  # elsewhere it means that two may listen on one address
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(place)
            made.listen(128)
        except OSError:
            made.close()
            raise
    except OSError as error:
        raise ConfigError(
            T("{address} cannot be listened on: {words}", address=settings.listen, words=system_words(error)),
            hint=_what_to_do(error),
        ) from error
    return made


def _what_to_do(error: OSError) -> Text:
    # look-ups of names (gaierror) have numbers of their own
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return T("This machine has no such address: set one that it has as `listen` of `web`.")
    if error.errno in (errno.EACCES, errno.EPERM):
        return T("The system keeps this port for others: set one from 1024 on in `listen` of `web`.")
    return T("Another program has it: set another `listen` of `web`.")


class Door:
    """The socket of the page. It is kept while the service starts anew, so that who calls then waits, and is served."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._settings: WebConfig | None = None

    def open(self, settings: WebConfig) -> socket.socket:
        """The socket that listens where the settings say: the one that there is when it does.

        Raises ConfigError when the address cannot be had. The old one listens on then, where it could be kept.
        """
        before, old = self._socket, self._settings
        if before is not None and old is not None and old.listen == settings.listen:
            return before
        try:
            made = bound(settings)
        except ConfigError:
            if before is None or old is None or old.address()[1] != settings.address()[1]:
                raise
            # the same port of another address: our own old one may be what is in the way
            self.close()
            try:
                made = bound(settings)
            except ConfigError:
                self._socket, self._settings = bound(old), old
                raise
        self.close()
        self._socket, self._settings = made, settings
        return made

    def close(self) -> None:
        """Listen no more."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class Page:
    """The page of one client, as the service sees it.

    Args:
        config: the client's.
        settings: of its page.
        say: is given one line for people (where it listens, the link of the first user).
        support_parts: makes what only the command line knows of a support bundle; a function of a module.
    """

    def __init__(
        self,
        config: ClientConfig,
        settings: WebConfig,
        say: Callable[[str], None],
        support_parts: SupportParts | None = None,
    ) -> None:
        self._settings, self._say = settings, say
        self._boot, self._main = self._life(config, settings, support_parts)
        self._door = Door()
        self._socket: socket.socket | None = None
        self._place = settings.address()
        self._process: SpawnProcess | None = None
        self._pipe: Wire | None = None
        self._ended = threading.Event()
        self._keeper: threading.Thread | None = None

    def _life(
        self, config: ClientConfig, settings: WebConfig, parts: SupportParts | None
    ) -> tuple[Boot, Callable[[Connection, Boot, socket.socket], None]]:
        """What its process is started with, and what it does."""
        boot = boot_for(config)
        return Boot("", (*boot.payload, settings, parts), boot.log_level, boot.secrets), main

    @property
    def address(self) -> str:
        """Where it is reached."""
        host, port = self._place
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def start(self, ledger: Ledger, listening: socket.socket | None = None) -> None:
        """Listen, and tell where. Raises ConfigError when the address cannot be had.

        ``listening``: serve what comes there; it is left open at the end. Without it the page has a socket of its own.
        """
        self._socket = listening or self._door.open(self._settings)
        self._place = self._socket.getsockname()[:2]
        outside = (self._settings.url or self.address).rstrip("/")
        self._say(str(T("The page: {address}", address=outside)))
        if setup := first_link(ledger, self._settings):
            self._say(str(T("It has no users yet; this link makes the first one, once, within a day:")))
            self._say(f"  {outside}/setup/{setup}")
        self._begin()
        self._keeper = threading.Thread(target=self._keep, name="mistok-page", daemon=True)
        self._keeper.start()

    def stop(self) -> None:
        """End it."""
        self._ended.set()
        if self._pipe is not None:
            self._pipe.close()
        if self._process is not None:
            self._process.join(ENDING)
            if self._process.is_alive():
                self._process.kill()
                self._process.join(ENDING)
        if self._keeper is not None:
            self._keeper.join(ENDING)
        self._door.close()

    def _begin(self) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        assert self._socket is not None
        self._process = context.Process(
            target=self._main, args=(theirs, self._boot, self._socket), name="mistok-page", daemon=False
        )
        self._process.start()
        theirs.close()
        self._pipe = ours

    def _keep(self) -> None:
        """Write its log lines; start it again when it dies."""
        deaths = 0
        while not self._ended.is_set():
            began = time.monotonic()
            self._listen()
            if self._ended.is_set():
                return
            deaths = 0 if time.monotonic() - began > LIVED else deaths
            pause = AGAIN[min(deaths, len(AGAIN) - 1)]
            deaths += 1
            log.error("page_died", exit_code=self._process.exitcode if self._process else None, again_in=pause)
            if self._ended.wait(pause):
                return
            self._begin()

    def _listen(self) -> None:
        assert self._pipe is not None
        with contextlib.suppress(EOFError, OSError):
            while True:
                message = self._pipe.recv()
                if isinstance(message, LogLine):
                    write_line(message)
        if self._process is not None:
            self._process.join(ENDING)


class ManyPage(Page):
    """The page of many clients. ``config``: of the service itself, see ``pipeline.web.street.house_config``."""

    def _life(
        self, config: ClientConfig, settings: WebConfig, parts: SupportParts | None
    ) -> tuple[Boot, Callable[[Connection, Boot, socket.socket], None]]:
        boot = boot_for(config)
        return Boot("", (*boot.payload, settings, parts), boot.log_level, boot.secrets), main_of_many


def main_of_many(pipe: Connection, boot: Boot, listening: socket.socket) -> None:
    """The life of the page of many clients."""
    be_quiet_and_mortal()
    send_logs(Mouth(pipe), boot)
    try:
        _serve_many(pipe, boot.payload, listening)
    except MistokError as error:
        log.error("page_failed", error=error.text.render("en"))
        raise SystemExit(1) from error


def _serve_many(pipe: Connection, payload: Any, listening: socket.socket) -> None:
    from pipeline.engine.runtime import Client
    from pipeline.web.app import make_app, make_front
    from pipeline.web.site import Site
    from pipeline.web.street import Standings, Street

    _sources, pickled, settings, parts = payload
    config: ClientConfig = pickle.loads(pickled)  # noqa: S301 - made by our own parent a moment ago
    with Client.open(config) as client:
        standings = Standings(config.base)
        site = Site(client, settings, standings=standings)
        street = Street(config.base, site, make_front(site), settings, parts, make_app)
        standings.start()

        def end() -> None:
            standings.close()
            street.close()

        _answer(street, listening, pipe, end)


def first_link(ledger: Ledger, settings: WebConfig) -> str:
    """A token of the link that makes the first user; empty when there are users, or the proxy names them."""
    from pipeline.ledger import people
    from pipeline.web.setup import make_setup

    if settings.proxy is not None and settings.proxy.user_header:
        return ""
    with ledger.read() as conn:
        if people.listing(conn, ledger.client):
            return ""
    return make_setup(ledger)


def main(pipe: Connection, boot: Boot, listening: socket.socket) -> None:
    """The page's life: load, then serve until ``pipe`` is closed."""
    be_quiet_and_mortal()
    send_logs(Mouth(pipe), boot)
    try:
        _serve(pipe, boot.payload, listening)
    except MistokError as error:
        log.error("page_failed", error=error.text.render("en"))
        raise SystemExit(1) from error


def _serve(pipe: Connection, payload: Any, listening: socket.socket) -> None:
    from pipeline.config.masking import mask
    from pipeline.engine.runtime import Client
    from pipeline.registry import load_registry
    from pipeline.texts import hide_from_now_on
    from pipeline.web.app import make_app
    from pipeline.web.site import Site

    sources, pickled, settings, parts = payload
    registry = load_registry(sources=sources)
    config: ClientConfig = pickle.loads(pickled)  # noqa: S301 - made by our own parent a moment ago
    hide_from_now_on(lambda words: mask(words, config.secrets))
    with Client.open(config, registry=registry) as client:
        site = Site(client, settings, support_parts=parts)
        site.streams.start()
        # streams would hold the server up: nobody ends them but we
        _answer(make_app(site), listening, pipe, site.streams.close)


def _answer(app: Any, listening: socket.socket, pipe: Connection, at_the_end: Callable[[], None]) -> None:
    """Answer requests until ``pipe`` is closed; ``at_the_end`` ends what goes on by itself."""
    import uvicorn

    logging.getLogger("uvicorn").setLevel(logging.WARNING)  # that it has started is said by us
    # proxy_headers: whom to believe is ours to say, see proxy.py
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=2,
            h11_max_incomplete_event_size=32_768,
        )
    )
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined] # the service says when to end

    def end() -> None:
        with contextlib.suppress(EOFError, OSError):
            pipe.recv()
        server.should_exit = True
        at_the_end()

    threading.Thread(target=end, name="mistok-page-end", daemon=True).start()
    server.run(sockets=[listening])
