"""A TCP proxy that misbehaves as told: it cuts, resets, hangs, delays, or loses the reply. For tests in front of real
servers::

    with TcpProxy((server.host, server.port)) as proxy:
        proxy.cut(after=5000)             # every connection ends when 5000 bytes have passed, both ways together
        proxy.lose(when=lambda: not file.exists())   # the server did it, and its answer never arrives
        proxy.hang(after=2000, direction="down")     # silence from there on, until proxy.release()
        … connect to (proxy.host, proxy.port) …
        assert proxy.fired == 1

FTP has a second connection for each transfer, to a port that the server names. Under TLS no proxy can rewrite that
name. So the proxy listens on *another loopback address* (``host="127.0.0.2"``) and forwards the server's whole range of
passive ports one to one (``ports=range(…)``): clients that take the port from the answer and the address from their own
connection, as ftplib and every careful client do, come through it.

All bytes of all connections are counted together, in the order in which they pass, so that a sweep over positions of a
session is a sweep over its control and data connections alike. Everything runs in threads of this process, on loopback
addresses only.
"""

from __future__ import annotations

import selectors
import socket
import struct
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

Direction = Literal["up", "down"]  #: up: from the client to the server
Act = Literal["cut", "reset", "hang", "lose"]
Kind = Literal["main", "extra"]
_CHUNK = 65_536
_UNIX: int | None = getattr(socket, "AF_UNIX", None)


@dataclass
class _Script:
    act: Act
    after: int
    direction: Direction | None
    on: Kind | None
    when: Callable[[], bool] | None
    times: int | None
    linger: float
    passed: int = 0

    def watches(self, kind: Kind, direction: Direction) -> bool:
        return self.on in (None, kind) and self.direction in (None, direction)

    def due(self) -> bool:
        return self.passed >= self.after and (self.when is None or self.when())


@dataclass(eq=False)
class Connection:
    """One connection through the proxy. ``sent`` and ``got`` are kept when the proxy records."""

    kind: Kind  #: ``main``, or ``extra`` for one of the additional ports (FTP's data)
    client: socket.socket = field(repr=False)
    server: socket.socket = field(repr=False)
    up: int = 0  #: bytes that went from the client to the server
    down: int = 0  #: bytes that went from the server to the client
    sent: bytearray = field(default_factory=bytearray, repr=False)
    got: bytearray = field(default_factory=bytearray, repr=False)
    open_ways: int = 2

    def end(self, *, reset: bool = False) -> None:
        """Close both sides: with a goodbye, or as a reset."""
        for sock in (self.client, self.server):
            with suppress(OSError):
                if reset:
                    # linger with no time to do so is how a program asks its system for a reset
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                else:
                    sock.shutdown(socket.SHUT_RDWR)
            # a reset by close() waits for a recv() of another thread; the shutdown of reading only wakes that one
            with suppress(OSError):
                if reset:
                    sock.shutdown(socket.SHUT_RD)
            with suppress(OSError):
                sock.close()


class TcpProxy:
    """Between a client and ``target`` (address, port; or the path of a socket of this machine). ``port`` is known after
    :meth:`start`, and kept over a stop.

    Args:
        ports: more ports that are forwarded to the same ports of the target (FTP's passive range).
        record: keep every byte that went through, in :attr:`connections`.
    """

    def __init__(
        self,
        target: tuple[str, int] | Path,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        ports: Iterable[int] = (),
        record: bool = False,
    ) -> None:
        self.target = target
        self.host = host
        self.port = port
        self.ports = tuple(ports)
        self.record = record
        self.connections: list[Connection] = []  #: all that there were, oldest first
        self.fired = 0  #: how often a scripted fault has happened
        self.down_bytes = 0
        self.up_bytes = 0
        self._script: _Script | None = None
        self._delays: dict[Direction, float] = {}
        self._losing = False
        self._lock = threading.RLock()
        self._going = threading.Event()
        self._going.set()
        self._stopping = threading.Event()
        self._listeners: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._wake: tuple[socket.socket, socket.socket] | None = None

    # --- life ----------------------------------------------------------------------------------------------------

    def start(self) -> Self:
        """Listen."""
        self._stopping.clear()
        main = socket.create_server((self.host, self.port), backlog=64)
        self.port = main.getsockname()[1]
        self._listeners = [main]
        try:
            for number in self.ports:
                self._listeners.append(socket.create_server((self.host, number), backlog=8))
        except OSError:
            for listener in self._listeners:
                listener.close()
            raise
        self._wake = socket.socketpair()
        self._spawn(self._accept, "tcpproxy")
        return self

    def stop(self) -> None:
        """End every connection and listen no more; :meth:`start` listens again on the same port."""
        self._stopping.set()
        if self._wake:
            self._wake[1].send(b"x")
        self.forgive()
        self.end_all()
        for thread in self._threads:
            thread.join(5)
        self._threads = []
        for sock in (*self._listeners, *(self._wake or ())):
            sock.close()
        self._listeners, self._wake = [], None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()

    # --- the script ----------------------------------------------------------------------------------------------

    def cut(
        self,
        *,
        after: int = 0,
        direction: Direction | None = None,
        on: Kind | None = None,
        when: Callable[[], bool] | None = None,
        times: int | None = 1,
    ) -> None:
        """End the connections without a word once ``after`` more bytes have passed in ``direction`` (None: both ways
        together) and ``when`` (if given; asked before bytes of that direction pass on) says yes.

        ``on``: only the connections of that kind are counted and ended. ``times``: how often; None for always.
        """
        self._set("cut", after, direction, on, when, times)

    def reset(
        self,
        *,
        after: int = 0,
        direction: Direction | None = None,
        on: Kind | None = None,
        when: Callable[[], bool] | None = None,
        times: int | None = 1,
    ) -> None:
        """As :meth:`cut`, with a TCP reset."""
        self._set("reset", after, direction, on, when, times)

    def hang(
        self,
        *,
        after: int = 0,
        direction: Direction | None = None,
        on: Kind | None = None,
        when: Callable[[], bool] | None = None,
    ) -> None:
        """From there on nothing passes any more, on no connection and on no new one, and nothing is closed; until
        :meth:`release`, :meth:`forgive` or :meth:`stop`."""
        self._set("hang", after, direction, on, when, 1)

    def lose(
        self,
        *,
        after: int = 0,
        direction: Direction | None = "up",
        on: Kind | None = None,
        when: Callable[[], bool] | None = None,
        times: int | None = 1,
        linger: float = 0.2,
    ) -> None:
        """From there on what the client says still arrives, and what the server answers is lost; ``linger`` seconds
        later the connections end. With ``when`` use ``direction="down"`` to be asked before each answer passes."""
        self._set("lose", after, "down" if when is not None else direction, on, when, times, linger)

    def delay(self, seconds: float, direction: Direction | None = None) -> None:
        """Hold every piece of bytes back for so long; 0 ends it."""
        with self._lock:
            ways: tuple[Direction, ...] = (direction,) if direction else ("up", "down")
            self._delays.update(dict.fromkeys(ways, seconds))

    def forgive(self) -> None:
        """Everything works again from here on; counting of bytes goes on."""
        with self._lock:
            self._script = None
            self._losing = False
            self._delays.clear()
        self.release()

    def release(self) -> None:
        """End a hang: what was held back arrives."""
        with self._lock:
            if self._script and self._script.act == "hang":
                self._script = None
            self._going.set()

    def end_all(self, *, on: Kind | None = None, reset: bool = False) -> None:
        """End every connection now; new ones are welcome."""
        with self._lock:
            victims = [one for one in self.connections if one.open_ways > 0 and on in (None, one.kind)]
            for one in victims:
                one.open_ways = 0  # from here on nothing of it passes, not even its goodbye
        for one in victims:
            one.end(reset=reset)

    @property
    def hanging(self) -> bool:
        """Whether it holds everything back just now."""
        return not self._going.is_set()

    @property
    def total(self) -> int:
        """Bytes that have passed, both ways."""
        return self.up_bytes + self.down_bytes

    # --- the wire ------------------------------------------------------------------------------------------------

    def _set(
        self,
        act: Act,
        after: int,
        direction: Direction | None,
        on: Kind | None,
        when: Callable[[], bool] | None,
        times: int | None,
        linger: float = 0.0,
    ) -> None:
        with self._lock:
            self._losing = False
            self._script = _Script(act, after, direction, on, when, times, linger)

    def _spawn(self, act: Callable[..., None], name: str, *args: object) -> None:
        thread = threading.Thread(target=act, args=args, name=name, daemon=True)
        self._threads = [old for old in self._threads if old.is_alive()] + [thread]
        thread.start()

    def _accept(self) -> None:
        assert self._wake
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake[0], selectors.EVENT_READ)
            for listener in self._listeners:
                selector.register(listener, selectors.EVENT_READ)
            while not self._stopping.is_set():
                for key, _ in selector.select():
                    if key.fileobj is not self._wake[0] and not self._stopping.is_set():
                        assert isinstance(key.fileobj, socket.socket)
                        self._welcome(key.fileobj)

    def _welcome(self, listener: socket.socket) -> None:
        client, _ = listener.accept()
        number = listener.getsockname()[1]
        main = listener is self._listeners[0]
        try:
            server = self._connect(None if main else number)
        except OSError:
            client.close()  # nobody is behind it: the client sees a connection that ends at once
            return
        for sock in (client, server):
            sock.settimeout(None)
            if sock.family != _UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        one = Connection("main" if main else "extra", client, server)
        with self._lock:
            self.connections.append(one)
        self._spawn(self._pump, "tcpproxy-up", one, "up")
        self._spawn(self._pump, "tcpproxy-down", one, "down")

    def _connect(self, port: int | None) -> socket.socket:
        if not isinstance(self.target, Path):
            return socket.create_connection((self.target[0], port or self.target[1]), timeout=10)
        assert _UNIX is not None  # Windows has none
        made = socket.socket(_UNIX)
        try:
            made.settimeout(10)
            made.connect(str(self.target))
        except OSError:
            made.close()
            raise
        return made

    def _pump(self, one: Connection, way: Direction) -> None:
        source, sink = (one.client, one.server) if way == "up" else (one.server, one.client)
        try:
            while data := source.recv(_CHUNK):
                if seconds := self._delays.get(way):
                    self._stopping.wait(seconds)
                while data:
                    data = self._pass(one, way, sink, data)
            if one.open_ways <= 0 or (self._losing and way == "down"):
                return  # its goodbye is lost as well
            with suppress(OSError):
                sink.shutdown(socket.SHUT_WR)
        except OSError:
            one.open_ways = 0
            one.end()
            return
        one.open_ways -= 1
        if one.open_ways <= 0:
            one.end()

    def _pass(self, one: Connection, way: Direction, sink: socket.socket, data: bytes) -> bytes:
        """Let some of ``data`` through, as the script says; what is left is to be passed on later."""
        self._going.wait()
        with self._lock:
            if not self._going.is_set():
                return data
            if one.open_ways <= 0 or (self._losing and way == "down"):
                return b""
            script = self._script
            watched = script is not None and not self._losing and script.watches(one.kind, way)
            if script is None or not watched:
                now, later, last = data, b"", False
            elif script.due():
                self._do(script)
                return data if script.act in ("hang", "lose") else b""
            else:
                room = max(script.after - script.passed, 0) or len(data)
                now, later = data[:room], data[room:]
                script.passed += len(now)
                # with a question to ask, it is asked before the next bytes; without one it happens here and now
                last = script.when is None and script.due()
                if last:
                    self._going.clear()  # nothing else slips through between these bytes and what happens after them
            self._count(one, way, now)
        try:
            sink.sendall(now)
        finally:
            if last and script is not None:
                with self._lock:
                    self._do(script)
                    if script.act != "hang":
                        self._going.set()
        return later if not last or (script and script.act in ("hang", "lose")) else b""

    def _count(self, one: Connection, way: Direction, data: bytes) -> None:
        if way == "up":
            one.up += len(data)
            self.up_bytes += len(data)
        else:
            one.down += len(data)
            self.down_bytes += len(data)
        if self.record:
            (one.sent if way == "up" else one.got).extend(data)

    def _do(self, script: _Script) -> None:
        self.fired += 1
        if script.act == "hang":
            self._going.clear()
            return
        if script.act == "lose":
            self._losing = True
            self._spawn(self._stop_losing, "tcpproxy-lose", script)
            return
        self._served(script)
        self.end_all(on=script.on, reset=script.act == "reset")

    def _stop_losing(self, script: _Script) -> None:
        self._stopping.wait(script.linger)
        with self._lock:  # for a new connection it is over at the same moment as for the old ones
            self.end_all(on=script.on)
            self._losing = False
            if self._script is script:
                self._served(script)

    def _served(self, script: _Script) -> None:
        script.passed = 0
        if script.times is not None:
            script.times -= 1
            if script.times <= 0:
                self._script = None
