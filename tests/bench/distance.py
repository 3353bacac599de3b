"""A server that is far away: a proxy in a process of its own that lets everything through, half a round trip late.

Bandwidth is not limited and what is on its way does not wait for what went before, as on a long line. A connection is
there for the server when the third packet of its making would have come: one and a half round trips after it began.

As a program (``python -m tests.bench.distance HOST PORT ROUND_TRIP [PORT …]``) it listens on ``HOST`` at every port
after the first, which lead to the same port of 127.0.0.1, and at a free one that leads to PORT, and prints that one.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

HERE = "127.0.0.1"
ROUND_TRIP = 0.04


@contextmanager
def far(port: int, *, host: str = HERE, others: Sequence[int] = (), round_trip: float = ROUND_TRIP) -> Iterator[int]:
    """The port (of ``host``) at which local ``port`` seems to be ``round_trip`` seconds away.

    ``others``: ports of 127.0.0.1 that are as far away under their own numbers (an FTP server's passive ports).
    """
    words = [sys.executable, "-m", "tests.bench.distance", host, str(port), str(round_trip), *map(str, others)]
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.kill()


class _Way(asyncio.Protocol):
    """One direction of one connection: what comes in leaves by ``other`` after ``late`` seconds."""

    def __init__(self, late: float) -> None:
        self._late = late
        self.transport: asyncio.Transport | None = None
        self.other: _Way | None = None
        self._waiting: deque[bytes | None] = deque()  #: None: its end

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._later(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._later(None)

    def join(self, other: _Way) -> None:
        """The other side is there: what has waited for it goes on."""
        self.other = other
        while self._waiting:
            self._pass(self._waiting.popleft())

    def _later(self, data: bytes | None) -> None:
        asyncio.get_running_loop().call_later(self._late, self._arrived, data)

    def _arrived(self, data: bytes | None) -> None:
        if self.other is None:
            self._waiting.append(data)
        else:
            self._pass(data)

    def _pass(self, data: bytes | None) -> None:
        assert self.other is not None
        sink = self.other.transport
        if sink is None or sink.is_closing():
            return
        if data is None:
            sink.close()  # what was written before still goes out
        else:
            sink.write(data)


class _Near(_Way):
    """The client's side, which calls the server."""

    def __init__(self, late: float, port: int) -> None:
        super().__init__(late)
        self._port = port
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._task = asyncio.get_running_loop().create_task(self._call())

    async def _call(self) -> None:
        await asyncio.sleep(3 * self._late)
        beyond = _Way(self._late)
        try:
            await asyncio.get_running_loop().create_connection(lambda: beyond, HERE, self._port)
        except OSError:
            if self.transport is not None:
                self.transport.abort()
            return
        beyond.join(self)
        self.join(beyond)


async def _serve(host: str, port: int, round_trip: float, others: Sequence[int]) -> None:
    loop = asyncio.get_running_loop()
    for other in others:
        await loop.create_server(lambda other=other: _Near(round_trip / 2, other), host, other)  # type: ignore[misc]
    first = await loop.create_server(lambda: _Near(round_trip / 2, port), host, 0)
    print(first.sockets[0].getsockname()[1], flush=True)
    await first.serve_forever()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), [int(one) for one in sys.argv[4:]]))
