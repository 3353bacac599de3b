"""The base of fake HTTP APIs: routes, a log of what was asked, and faults that a test scripts. Loopback only.

A system's ``fake.py`` makes a :class:`FakeApi`, decorates its handlers with :meth:`FakeApi.route`, and keeps its state
in plain attributes; :class:`FakeServer` serves it in threads of this process. Every request is handled under one lock,
so that a handler may change state as if it were alone, as a real API's database transaction does.
"""

from __future__ import annotations

import json
import re
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

MAX_BODY = 64_000_000
HELD = 60.0  # seconds that an answer is held at the longest, so that a test that fails ends
_SLASH = "\ue000"  # stands for an encoded slash while routes are matched


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came. Header names are lower-case; ``query`` keeps order and repeated names."""

    method: str
    path: str  #: decoded, without the query
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    address: str = "127.0.0.1"  #: of the asker
    raw_path: str = ""  #: as it stood on the wire, still percent-encoded: tells ``/`` from ``%2F``

    def param(self, name: str, default: str = "") -> str:
        """The last value of ``name`` in the query."""
        return next((value for key, value in reversed(self.query) if key == name), default)

    def json(self) -> Any:
        """The body as JSON, numbers with a point as Decimal. Raises Answered (400) when it is none (NaN is none)."""
        try:
            return json.loads(self.body or b"null", parse_float=Decimal, parse_constant=_no_constant)
        except ValueError:
            raise Answered(Answer(400, {"message": "The body is no JSON."})) from None

    def form(self) -> dict[str, str]:
        """The body as a form (``application/x-www-form-urlencoded``)."""
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply. ``body``: bytes and str go as they are, anything else as JSON (Decimal as a number)."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = ""

    def raw(self) -> tuple[bytes, str]:
        """The bytes on the wire, and their type."""
        if isinstance(self.body, bytes):
            return self.body, self.content_type or "application/octet-stream"
        if isinstance(self.body, str):
            return self.body.encode(), self.content_type or "text/html; charset=utf-8"
        if self.body is None and self.status == 204:
            return b"", self.content_type
        text = json.dumps(self.body, ensure_ascii=False, default=_number)
        return text.encode(), self.content_type or "application/json"


class Answered(Exception):
    """Raised by a handler to answer at once."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _number(value: object) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(type(value).__name__)


@dataclass(frozen=True, slots=True)
class Logged:
    """A request and the status that it was answered with; 0: the connection was dropped without an answer."""

    asked: Asked
    status: int
    at: float  #: monotonic seconds
    answer: Answer | None = None  #: what was answered


@dataclass(slots=True)
class Fault:
    """Something that goes wrong with the next ``times`` requests that match; see the makers of FakeApi."""

    matches: Callable[[Asked], bool]
    times: int
    answer: Answer | None = None  #: given in place of the handler's, which is not called unless ``handled``
    handled: bool = False  #: the handler does its work before the fault strikes
    drop: bool = False  #: the connection is closed without an answer
    delay: float = 0.0  #: seconds before anything is answered
    until: threading.Event | None = None  #: nothing is answered before it is set (or HELD seconds have passed)
    cut: int | None = None  #: only so many bytes of the answer's body are sent


Handler = Callable[..., Answer | Any]
Matcher = Callable[[Asked], bool]


class FakeApi:
    """Routes, log and faults. A handler gets the request and the groups of its path, and gives an Answer or JSON."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.log: list[Logged] = []
        self.faults: list[Fault] = []
        self.crashes: list[BaseException] = []  #: of handlers: a fault of the fake itself, which FakeServer.stop raises
        self._routes: list[tuple[str, re.Pattern[str], Handler]] = []

    # --- what a fake declares --------------------------------------------------------------------------------------

    def route(self, method: str, pattern: str) -> Callable[[Handler], Handler]:
        """Register a handler: ``@api.route("GET", "/orders/{id}")``; ``{id}`` is one path segment, ``{rest*}`` all.

        Segments are told apart before they are decoded, so that ``a%2Fb`` is one.
        """

        def register(handler: Handler) -> Handler:
            self.add(method, pattern, handler)
            return handler

        return register

    def add(self, method: str, pattern: str, handler: Handler) -> None:
        """The same for a bound method."""
        regex = re.sub(r"\\{(\w+)\\\*\\}", r"(?P<\1>.+)", re.escape(pattern))
        regex = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", regex)
        self._routes.append((method, re.compile(regex), handler))

    def arrive(self, asked: Asked) -> None:
        """Told of each request as it comes, in its own thread and before it waits for the lock: it is in flight now."""

    def leave(self, asked: Asked) -> None:
        """Told of the same request when its answer is about to go out, or its connection to be dropped: delays and
        holds of faults are over."""

    def before(self, asked: Asked) -> None:
        """Asked before every handler: authentication, rate limits. Raise Answered to refuse."""

    def after(self, asked: Asked, answer: Answer) -> Answer:  # noqa: ARG002 - for those who override it
        """Asked after every handler and every refusal, not for scripted faults: headers, the look of errors."""
        return answer

    def unknown(self, asked: Asked) -> Answer:
        """The answer for a path without a route."""
        return Answer(404, {"message": f"No route {asked.method} {asked.path}"})

    def methods(self, asked: Asked) -> tuple[str, ...]:
        """The methods that the path has a route for, sorted."""
        path = _segments(asked)
        return tuple(sorted({method for method, regex, _ in self._routes if regex.fullmatch(path)}))

    # --- what a test scripts -----------------------------------------------------------------------------------------

    def fail(
        self,
        status: int,
        body: Any = None,
        *,
        times: int = 1,
        method: str = "",
        path: str = "",
        headers: Mapping[str, str] | None = None,
        handled: bool = False,
        when: Matcher | None = None,
    ) -> None:
        """Answer the next ``times`` matching requests with ``status``; ``handled``: after doing what was asked.

        ``when``, here and below: a request matches only if this says so, too (of one by its body, for example).
        """
        answer = Answer(status, {"message": "scripted"} if body is None else body, headers or {})
        self.faults.append(Fault(_matching(method, path, when), times, answer, handled=handled))

    def lose_reply(self, *, times: int = 1, method: str = "", path: str = "", when: Matcher | None = None) -> None:
        """Do what is asked, then drop the connection without a word."""
        self.faults.append(Fault(_matching(method, path, when), times, handled=True, drop=True))

    def drop(self, *, times: int = 1, method: str = "", path: str = "", when: Matcher | None = None) -> None:
        """Drop the connection before anything is done."""
        self.faults.append(Fault(_matching(method, path, when), times, drop=True))

    def delay(
        self,
        seconds: float,
        *,
        times: int = 1,
        method: str = "",
        path: str = "",
        handled: bool = True,
        when: Matcher | None = None,
    ) -> None:
        """Answer late. ``handled``: what is asked is done first, so that a time-out leaves it done."""
        self.faults.append(Fault(_matching(method, path, when), times, handled=handled, delay=seconds))

    def hold(self, *, times: int = 1, method: str = "", path: str = "", when: Matcher | None = None) -> threading.Event:
        """Do what is asked, but answer only when the event that this gives is set (after a minute at the latest)."""
        event = threading.Event()
        self.faults.append(Fault(_matching(method, path, when), times, handled=True, until=event))
        return event

    def cut(self, size: int, *, times: int = 1, method: str = "", path: str = "", when: Matcher | None = None) -> None:
        """Send only the first ``size`` bytes of the answer, then close."""
        self.faults.append(Fault(_matching(method, path, when), times, handled=True, cut=size))

    def asked(self, method: str = "", path: str = "") -> list[Asked]:
        """What was asked so far, by method and beginning or pattern of the path."""
        matches = _matching(method, path)
        with self.lock:
            return [one.asked for one in self.log if matches(one.asked)]

    def forget(self) -> None:
        """Empty the log and the script."""
        with self.lock:
            self.log.clear()
            self.faults.clear()

    # --- serving -----------------------------------------------------------------------------------------------------

    def serve(self, asked: Asked) -> tuple[Answer | None, Fault | None]:
        """The answer to one request and the fault that struck it; no answer: the connection is dropped."""
        with self.lock:
            fault = next((one for one in self.faults if one.times > 0 and one.matches(asked)), None)
            if fault:
                fault.times -= 1
            answer: Answer | None
            if fault and not fault.handled and (fault.answer or fault.drop):
                answer = fault.answer
            else:
                answer = self._handle(asked)
                if fault and (fault.answer or fault.drop):
                    answer = fault.answer
            if fault and fault.drop:
                answer = None
            self.log.append(Logged(asked, answer.status if answer else 0, time.monotonic(), answer))
        return answer, fault

    def _handle(self, asked: Asked) -> Answer:
        return self.after(asked, self._answer(asked))

    def _answer(self, asked: Asked) -> Answer:
        try:
            self.before(asked)
            path = _segments(asked)
            for method, regex, handler in self._routes:
                found = regex.fullmatch(path)
                if found and method == asked.method:
                    result = handler(
                        asked, **{name: part.replace(_SLASH, "/") for name, part in found.groupdict().items()}
                    )
                    return result if isinstance(result, Answer) else Answer(200, result)
            return self.unknown(asked)
        except Answered as answered:
            return answered.answer


def _segments(asked: Asked) -> str:
    """The path, decoded, with the slashes inside of segments told apart."""
    return "/".join(unquote(part).replace("/", _SLASH) for part in (asked.raw_path or asked.path).split("/"))


def _matching(method: str, path: str, when: Matcher | None = None) -> Matcher:
    regex = re.compile(path)
    return lambda asked: (
        (not method or asked.method == method) and bool(regex.match(asked.path)) and (when is None or when(asked))
    )


class FakeServer:
    """Serves a FakeApi on a free port of loopback, or on ``port``. A context manager; ``url`` has no final slash."""

    def __init__(self, api: FakeApi, port: int = 0) -> None:
        self.api = api
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.api = api
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._started = False

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Its base."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Self:
        """Listen."""
        self._started = True
        self._thread.start()
        return self

    def stop(self) -> None:
        """End, with every connection that is open. Raises RuntimeError when a handler of the fake has crashed."""
        if self._started:
            self._server.shutdown()
            self._thread.join(5)
        self._server.server_close()
        self._server.end_connections()
        if self.api.crashes:
            crash = self.api.crashes.pop(0)
            raise RuntimeError(f"a handler of the fake crashed: {crash!r}") from crash

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_exc: object) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    api: FakeApi

    def __init__(self, *args: Any) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(*args)

    def server_bind(self) -> None:
        """Without looking up the machine's name, which asks the network and may take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def end_connections(self) -> None:
        for one in list(self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base class's own form
        """A client that went away is no news; anything else would look like a lost reply, and is kept to be raised."""
        error = sys.exception()
        if error is not None and not isinstance(error, OSError):
            self.api.crashes.append(error)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's own name
        """Keep quiet: the log is the api's."""

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        size = int(self.headers.get("Content-Length") or 0)
        if size > MAX_BODY:
            self.send_error(413)
            return
        asked = Asked(
            self.command,
            unquote(parts.path),
            tuple(parse_qsl(parts.query, keep_blank_values=True)),
            {name.lower(): value for name, value in self.headers.items()},
            self.rfile.read(size) if size else b"",
            str(self.client_address[0]),
            parts.path,
        )
        api = self.server.api
        api.arrive(asked)
        try:
            answer, fault = api.serve(asked)
            if fault and fault.delay:
                time.sleep(fault.delay)
            if fault and fault.until:
                fault.until.wait(HELD)
        finally:
            api.leave(asked)
        if answer is None:
            self.close_connection = True
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
            return
        body, kind = answer.raw()
        self.send_response(answer.status)
        if kind:
            self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if fault and fault.cut is not None:
            body, self.close_connection = body[: fault.cut], True
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _serve  # noqa: N815 - the base class's own names


def pages(rows: Sequence[Any], page: int, size: int) -> Sequence[Any]:
    """The rows of page ``page`` (from 1)."""
    start = max(page - 1, 0) * size
    return rows[start : start + size]
