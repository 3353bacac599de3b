"""The scripted proxy does what it says, on a server that counts and echoes."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from pipeline.testing.tcpproxy import TcpProxy
from tests.servers.common import require_address


class Echo:
    """Answers every byte with itself, and remembers what arrived."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self._listener = socket.create_server((host, port))
        self.port: int = self._listener.getsockname()[1]
        self.got = bytearray()
        self.ends: list[str] = []
        self._threads = [threading.Thread(target=self._serve, daemon=True)]
        self._threads[0].start()

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._threads.append(threading.Thread(target=self._talk, args=(sock,), daemon=True))
            self._threads[-1].start()

    def _talk(self, sock: socket.socket) -> None:
        with sock:
            try:
                while data := sock.recv(65536):
                    self.got += data
                    sock.sendall(data)
            except OSError as error:
                self.ends.append(type(error).__name__)
            else:
                self.ends.append("closed")

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.close()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[TcpProxy]:
    with TcpProxy(("127.0.0.1", echo.port), record=True) as running:
        yield running


def client(proxy: TcpProxy) -> socket.socket:
    return socket.create_connection((proxy.host, proxy.port), timeout=3)


def until(sock: socket.socket, size: int) -> bytes:
    """So many bytes, or what came until the end."""
    data = b""
    while len(data) < size and (piece := sock.recv(size - len(data))):
        data += piece
    return data


def eventually(true: object) -> bool:
    assert callable(true)
    end = time.monotonic() + 30
    while not true() and time.monotonic() < end:
        time.sleep(0.01)
    return bool(true())


def test_bytes_pass_as_they_are_and_are_counted(proxy: TcpProxy, echo: Echo) -> None:
    data = bytes(range(256)) * 2000
    with client(proxy) as sock:
        sender = threading.Thread(target=sock.sendall, args=(data,))
        sender.start()
        assert until(sock, len(data)) == data
        sender.join()
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(1) == b"", "the end passes as well"
    assert (proxy.up_bytes, proxy.down_bytes, proxy.total) == (len(data), len(data), 2 * len(data))
    (one,) = proxy.connections
    assert bytes(one.sent) == bytes(one.got) == data
    assert echo.ends == ["closed"]
    assert proxy.fired == 0


@pytest.mark.parametrize("after", [0, 1, 999, 1000])
@pytest.mark.parametrize("reset", [False, True])
def test_a_cut_lets_exactly_so_many_bytes_up(proxy: TcpProxy, echo: Echo, after: int, reset: bool) -> None:
    (proxy.reset if reset else proxy.cut)(after=after, direction="up")
    with client(proxy) as sock:
        sock.sendall(b"x" * 1000)
        if reset:
            with pytest.raises(ConnectionResetError):
                until(sock, 2000)
        else:
            until(sock, 2000)
    assert eventually(lambda: echo.ends)
    assert (proxy.fired, proxy.up_bytes) == (1, after)
    # a reset throws away what was not read yet
    assert (reset and len(echo.got) <= after) or eventually(lambda: len(echo.got) == after)
    assert echo.ends == (["ConnectionResetError"] if reset else ["closed"])
    with client(proxy) as sock:  # once only
        sock.sendall(b"again")
        assert until(sock, 5) == b"again"


def test_a_cut_counts_down_and_may_come_each_time(proxy: TcpProxy) -> None:
    proxy.cut(after=3, direction="down", times=None)
    for _ in range(3):
        with client(proxy) as sock:
            sock.sendall(b"12345")
            assert until(sock, 5) == b"123"
    assert proxy.fired == 3
    proxy.forgive()
    with client(proxy) as sock:
        sock.sendall(b"12345")
        assert until(sock, 5) == b"12345"


def test_a_hang_holds_all_and_keeps_all(proxy: TcpProxy, echo: Echo) -> None:
    proxy.hang(after=4, direction="up")
    with client(proxy) as sock, client(proxy) as other:
        sock.sendall(b"12345678")
        other.sendall(b"other")
        assert eventually(lambda: proxy.hanging)
        sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            until(sock, 8)
        assert len(echo.got) <= 4
        proxy.release()
        sock.settimeout(3)
        assert until(other, 5) == b"other"
    assert proxy.fired == 1


def test_a_lost_reply_was_asked_for_and_never_comes(proxy: TcpProxy, echo: Echo) -> None:
    proxy.lose(when=lambda: b"DELE" in echo.got)
    with client(proxy) as sock:
        sock.sendall(b"LIST")
        assert until(sock, 4) == b"LIST"
        sock.sendall(b"DELE")
        assert until(sock, 4) == b"", "nothing, and then the end"
    assert eventually(lambda: bytes(echo.got) == b"LISTDELE")
    proxy.lose(after=2, linger=0.1)
    with client(proxy) as sock:
        sock.sendall(b"abcd")
        assert until(sock, 4) == b""
    assert eventually(lambda: bytes(echo.got).endswith(b"abcd")), "what the client says still arrives"
    with client(proxy) as sock:
        sock.sendall(b"well")
        assert until(sock, 4) == b"well"


def test_a_delay_delays(proxy: TcpProxy) -> None:
    proxy.delay(0.6, "down")
    with client(proxy) as sock:
        began = time.monotonic()
        sock.sendall(b"1")
        assert until(sock, 1) == b"1"
        assert time.monotonic() - began >= 0.6
        proxy.delay(600, "down")  # longer than anybody waits here
        proxy.delay(0)
        sock.sendall(b"1")
        assert until(sock, 1) == b"1"


def test_more_ports_go_to_the_same_ports_of_the_server(echo: Echo) -> None:
    require_address("127.0.0.2")
    data = Echo()
    try:
        with TcpProxy(("127.0.0.1", echo.port), host="127.0.0.2", ports=[data.port]) as proxy:
            proxy.cut(after=2, on="extra")
            with client(proxy) as sock, socket.create_connection(("127.0.0.2", data.port), timeout=3) as extra:
                sock.sendall(b"main")
                assert until(sock, 4) == b"main"
                extra.sendall(b"data")
                assert until(extra, 4) == b""
                sock.sendall(b"goes on")
                assert until(sock, 7) == b"goes on", "only the other one was cut"
            assert [one.kind for one in proxy.connections] == ["main", "extra"]
            assert eventually(lambda: bytes(data.got) == b"da")
    finally:
        data.close()


def test_it_stops_and_starts_on_the_same_port_and_leaves_nothing(echo: Echo) -> None:
    before = threading.active_count()
    proxy = TcpProxy(("127.0.0.1", echo.port)).start()
    port = proxy.port
    sock = client(proxy)
    sock.sendall(b"x")
    assert until(sock, 1) == b"x"
    proxy.hang()
    proxy.stop()
    assert sock.recv(1) == b""
    sock.close()
    with pytest.raises(ConnectionRefusedError):
        client(proxy)
    proxy.start()
    assert proxy.port == port
    with client(proxy) as sock:
        sock.sendall(b"x")
        assert until(sock, 1) == b"x"
    proxy.stop()
    assert eventually(lambda: threading.active_count() <= before + 2), "the echo's own threads"


def test_a_server_that_is_away_ends_the_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with TcpProxy(("127.0.0.1", port)) as proxy, client(proxy) as sock:
        assert sock.recv(1) == b""
