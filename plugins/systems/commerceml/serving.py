"""The rim of a served exchange: Python's own HTTP server around :class:`~.exchange.Exchange`."""

from __future__ import annotations

import logging
import socket
import socketserver
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from pipeline.api import Refused, SystemEnv, T, verbatim
from plugins.systems.commerceml.exchange import Answer, Asked, Exchange, failure, state_folder
from plugins.systems.commerceml.settings import CommerceMLSettings, ServerSettings
from plugins.systems.commerceml.store import Store

_log = logging.getLogger("mistok.commerceml")
_ROOM = 65_536  #: bytes that a request may have beyond ``file_limit``, so that one that is too large is told so
_SILENT = 60.0  #: seconds without a byte of a request


class ExchangeServer:
    """Serves one exchange. A context manager; or ``serve`` until it is stopped. Raises Refused: the port is taken."""

    def __init__(self, settings: CommerceMLSettings, env: SystemEnv, *, port: int | None = None) -> None:
        server = settings.server
        if server is None:
            raise Refused(T("The connection {name} has no `server`: it is not asked over HTTP.", name=env.name))
        path = state_folder(settings, env) / "state.sqlite3"
        self._exchange = Exchange(settings, server, env, lambda: Store(path))
        address = (server.listen, server.port if port is None else port)
        try:
            self._server = _Server(address, _Handler)
        except OSError as error:
            self._exchange.close()
            raise Refused(
                T("{host}:{port} cannot be listened on: {words}", host=address[0], port=str(address[1]),
                  words=verbatim(error.strerror or str(error))),
                code="port",
                hint=T("Another program may have the port: choose another one (`server: {port: …}`)."),
            ) from error  # fmt: skip
        self._server.exchange, self._server.settings = self._exchange, server
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The address that is entered in the accounting program."""
        host, port = self._server.server_address[:2]
        name = host.decode() if isinstance(host, bytes) else str(host)
        return f"http://{name}:{port}{self._server.settings.path}"

    def serve(self) -> None:
        """Answer until :meth:`stop` is called from another thread, or the process is interrupted."""
        self._server.serve_forever(0.2)

    def start(self) -> Self:
        """Answer in a thread of its own."""
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """End; what is being imported is finished first."""
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join(10)
        self._server.server_close()
        self._exchange.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_exc: object) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    exchange: Exchange
    settings: ServerSettings

    def server_bind(self) -> None:
        """Without looking up the machine's name, which asks the network and may take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base class's own form
        """Who went away is no news."""
        error = sys.exception()
        if error is not None and not isinstance(error, OSError):
            _log.error("an exchange failed", exc_info=error)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _SILENT
    server: _Server

    def version_string(self) -> str:
        """No versions to strangers."""
        return "Mistok"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's own name
        _log.debug(format, *args)

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        if parts.path.rstrip("/") != self.server.settings.path.rstrip("/"):
            self.send_error(404)
            return
        told = self.headers.get("Content-Length") or "0"
        size = int(told) if told.isascii() and told.isdigit() else -1
        most = self.server.settings.file_limit + _ROOM
        if size < 0 or size > most or self.headers.get("Transfer-Encoding"):
            self.close_connection = True
            self._answer(failure(T("A part is larger than the {limit} bytes of file_limit.",
                                   limit=self.server.settings.file_limit)))  # fmt: skip
            return
        body = self.rfile.read(size) if size else b""
        if len(body) < size:
            self.close_connection = True  # the rest was lost: nothing is taken of it
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        self._answer(
            self.server.exchange.answer(Asked(_query(parts.query), headers, body, str(self.client_address[0])))
        )

    def _answer(self, answer: Answer) -> None:
        self.send_response(200)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Cache-Control", "no-store")
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    do_GET = do_POST = do_HEAD = _serve  # noqa: N815 - the base class's own names


def _query(raw: str) -> dict[str, str]:
    """Names of files in UTF-8, or in windows-1251 where they are no UTF-8."""
    for codec in ("utf-8", "cp1251"):
        try:
            return dict(parse_qsl(raw, keep_blank_values=True, encoding=codec, errors="strict", max_num_fields=50))
        except ValueError:
            continue
    return {}
