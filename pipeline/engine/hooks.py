"""Webhooks: a system posts that something has changed, and the jobs that read from it look at once.

A hook is a hint and nothing more: whatever it says, the job reads the system itself. Each connection has an address
of its own, ``/hooks/CONNECTION/SECRET``; a KIND behind it (``orders``, ``stock``, ``catalogue``) says what it is about,
for systems that do not say so themselves. It is answered before anything is done: systems repeat what is answered late.
"""

from __future__ import annotations

import hmac
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import structlog

from pipeline.alerts import notices
from pipeline.config.model import ClientConfig, HooksConfig
from pipeline.documents import DocumentsSettings
from pipeline.errors import ConfigError, MistokError, system_words
from pipeline.flow import InboundSettings, SystemEnv
from pipeline.ledger.store import Ledger
from pipeline.ports import Clock, Webhooks
from pipeline.registry import load_registry
from pipeline.syncing import CatalogueSyncSettings, StockSyncSettings, SyncSettings
from pipeline.texts import T

log = structlog.get_logger("mistok.hooks")

KINDS = frozenset({"orders", "stock", "catalogue"})
MAX_BODY = 1_000_000
#: Wrong secrets are logged this often at most (seconds).
_TOLD_EVERY = 60.0
#: A sender that stays silent in the middle of a request is left (seconds).
_PATIENCE = 10


def jobs_for(config: ClientConfig, connection: str, kinds: frozenset[str]) -> set[str]:
    """The jobs that read from this connection something of these kinds (any, when there are none)."""
    found = set()
    for name, job in config.jobs.items():
        if not job.enabled:
            continue
        for spec in job.steps:
            params = spec.params
            if isinstance(params, SyncSettings) and params.source == connection:
                about = "stock" if isinstance(params, StockSyncSettings) else "orders"
                about = "catalogue" if isinstance(params, CatalogueSyncSettings) else about
                if not kinds or about in kinds:
                    found.add(name)
            if (
                isinstance(params, DocumentsSettings)
                and params.source == connection
                and (not kinds or "orders" in kinds)
            ):
                found.add(name)
            if isinstance(params, InboundSettings) and params.inbox == connection:
                found.add(name)
    return found


class Hooks:
    """Listens for one client, in threads of the service.

    Args:
        hint: called with the name of each job that is to look; safe from threads.
    """

    def __init__(self, config: ClientConfig, settings: HooksConfig, hint: Callable[[str], None], clock: Clock) -> None:
        self._config, self._settings, self._hint, self._clock = config, settings, hint, clock
        self._told = float("-inf")
        self._server: _Server | None = None

    @property
    def port(self) -> int:
        """Where it listens; 0 when it does not."""
        return int(self._server.server_address[1]) if self._server else 0

    def start(self) -> None:
        """Listen. Raises ConfigError when the address cannot be had."""
        host, port = self._settings.address()
        try:
            self._server = _Server((host, port), _Handler)
        except OSError as error:
            raise ConfigError(
                T("{address} cannot be listened on: {words}", address=self._settings.listen, words=system_words(error)),
                hint=T("Another program has it: set another `listen` of `hooks`."),
            ) from error
        self._server.hooks = self
        threading.Thread(target=self._server.serve_forever, args=(0.2,), daemon=True, name="hooks").start()
        log.info("hooks_listen", address=self._settings.listen)

    def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def take(self, path: str, headers: Mapping[str, str], body: bytes) -> bool:
        """Act on one call; False: it is none of ours. Never raises."""
        parts = [unquote(part) for part in urlsplit(path).path.split("/") if part]
        if len(parts) not in (3, 4) or parts[0] != "hooks":
            return False
        secret = self._settings.secret.get_secret_value()
        connection = parts[1]
        if not hmac.compare_digest(parts[2].encode(), secret.encode()) or connection not in self._config.connections:
            self._strange()
            return False
        kinds = frozenset(parts[3:])
        if kinds - KINDS:
            self._strange()
            return False
        kinds = kinds or self._meant(connection, headers, body)
        jobs = jobs_for(self._config, connection, kinds)
        for job in sorted(jobs):
            self._hint(job)
        log.info("hook", connection=connection, about=sorted(kinds), jobs=sorted(jobs))
        return True

    def _strange(self) -> None:
        if time.monotonic() - self._told > _TOLD_EVERY:
            self._told = time.monotonic()
            log.warning("hook_refused", why="wrong secret, connection or kind")

    def _meant(self, connection: str, headers: Mapping[str, str], body: bytes) -> frozenset[str]:
        """What the system's own plugin reads out of it; nothing: it may be anything."""
        spec, config = self._config.connections[connection], self._config
        # this process loads no plugin of a client's own: such a system's hooks mean anything
        plugin = load_registry().systems.get(spec.type)
        if plugin is None:
            return frozenset()
        env = SystemEnv(
            connection, config.client, config.base, config.currency, config.timezone, self._clock, dry_run=True
        )
        try:
            system = plugin.open(spec.params, env)
        except MistokError:
            return frozenset()
        try:
            return system.hint(headers, body).kinds & KINDS if isinstance(system, Webhooks) else frozenset()
        finally:
            with suppress(OSError):
                system.close()


def start_hooks(config: ClientConfig, ledger: Ledger, hint: Callable[[str], None]) -> Hooks | None:
    """The client's hooks, listening. None: it has none, or the address cannot be had, which is told: the jobs run all
    the same, by their schedules.
    """
    if config.hooks is None:
        return None
    hooks = Hooks(config, config.hooks, hint, ledger.clock)
    try:
        hooks.start()
    except ConfigError as error:
        log.error("hooks_failed", error=error.text.render("en"))
        with ledger.begin() as conn:
            ledger.notify(conn, notices.failure("hooks", "hooks", error.findings[0]))
        return None
    return hooks


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    hooks: Hooks


class _Handler(BaseHTTPRequestHandler):
    timeout = _PATIENCE
    server: _Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's own name
        """Nothing: the path holds the secret."""

    def _serve(self) -> None:
        size = self.headers.get("Content-Length", "0")
        if not size.isdigit() or int(size) > MAX_BODY:
            self._answer(413)
            return
        body = self.rfile.read(int(size))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self._answer(204 if self.server.hooks.take(self.path, headers, body) else 404)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True

    def version_string(self) -> str:
        """No word about what runs here."""
        return "mistok"

    do_POST = do_GET = do_PUT = _serve  # noqa: N815 - the base class's own names
