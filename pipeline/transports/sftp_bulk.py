"""Large files over SFTP: read and sent in windows of requests, sent over several channels at once to a far server.

A server lets so many bytes be on their way to a channel (OpenSSH: 2 MiB), which caps what a far one is sent in a
second; each channel more has a window of its own. All write to the same partial file, each at its own places.
"""

from __future__ import annotations

import contextvars
import hashlib
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import MistokError
from pipeline.transports import common
from pipeline.transports import sftp_wire as w

#: Bytes of one file that are asked for before they have come.
READ_AHEAD = 32 * w.LARGE_CHUNK
#: … in so many requests at most.
REQUESTS = 128
#: The smallest pieces in which a file is asked for.
SHORTEST = 1024
#: Bytes of one file that are sent before they are answered: more than the window of one channel.
SEND_AHEAD = 16 * w.LARGE_CHUNK
#: Pieces that one channel takes at once, so that it reads and writes a stretch of the file.
STRETCH = 8
#: From so many bytes on a file may be sent over several channels …
WIDE = 16_000_000
#: … to a server whose answers take longer than this, in seconds.
FAR = 0.01


class Pieces:
    """The pieces of ``source`` that are still to be sent, for several threads. Reads ``size`` bytes in all, at most."""

    def __init__(self, source: Path | bytes, size: int, chunk: int) -> None:
        self._source, self.size, self.chunk = source, size, chunk
        self._next = 0
        self._lock = threading.Lock()
        self.stopped = False  #: nobody takes any more

    def take(self) -> Iterator[tuple[int, bytes]]:
        """(offset, bytes) of pieces that nobody else has taken. Raises Transient when ``source`` cannot be read."""
        with ExitStack() as opened:
            stream: BinaryIO | None = None
            while (start := self._stretch()) is not None:
                try:
                    if stream is None:
                        stream = opened.enter_context(self._opened())
                    stream.seek(start)
                    end = min(self.size, start + STRETCH * self.chunk)
                    pieces = [(at, stream.read(min(self.chunk, end - at))) for at in range(start, end, self.chunk)]
                except OSError as error:
                    assert isinstance(self._source, Path)
                    raise common.unreadable(self._source, error) from error
                for at, piece in pieces:
                    if self.stopped or not piece:
                        return
                    yield at, piece

    def _opened(self) -> BinaryIO:
        return BytesIO(self._source) if isinstance(self._source, bytes) else self._source.open("rb")

    def _stretch(self) -> int | None:
        with self._lock:
            start = self._next
            if self.stopped or start >= self.size:
                return None
            self._next += STRETCH * self.chunk
            return start


def fetch(handle: bytes, size: int, target: BinaryIO, chunk: int) -> w.Task[tuple[int, str, w.Attributes]]:
    """Read up to one byte more than the ``size`` that was listed; gives bytes, SHA-256 and the attributes at the end.
    A window of requests slides over the file. After a short piece it is asked anew from there, in pieces of that size.
    Raises SftpStatus, and OSError of ``target``."""
    digest, offset, limit = hashlib.sha256(), 0, size + 1
    while True:
        window = max(1, min(REQUESTS, READ_AHEAD // chunk))
        asked, whole, spans, attributes = offset, True, deque[tuple[int, int]](), w.Attributes()
        while True:
            requests = w.Ahead()
            while whole and asked < limit and len(spans) < window:
                spans.append((asked, min(chunk, limit - asked)))
                requests.append(w.read(handle, *spans[-1]))
                asked += spans[-1][1]
                if asked == limit:
                    spans.append((limit, 0))
                    requests.append(w.fstat(handle))
            if not spans:
                break
            for reply in (yield requests):
                _, length = spans.popleft()
                if not length:
                    attributes = reply.attributes()
                elif whole:  # else an earlier piece came short
                    data = reply.view()
                    target.write(data)
                    digest.update(data)
                    offset += len(data)
                    whole = len(data) == length
        if not whole and asked < limit:
            (seen,) = yield [w.fstat(handle)]
            attributes = seen.attributes()
        if not data or offset >= limit or (attributes.size is not None and offset >= attributes.size):
            return offset, digest.hexdigest(), attributes
        chunk = max(SHORTEST, len(data))


def send(handle: bytes, pieces: Pieces) -> w.Task[int]:
    """Write what it can take of ``pieces``; gives the bytes that were written. Raises SftpStatus, Transient."""
    requests, awaited, sent, window = w.Ahead(), 0, 0, max(1, SEND_AHEAD // pieces.chunk)
    for offset, piece in pieces.take():
        requests.append(w.write(handle, offset, piece))
        sent += len(piece)
        if awaited + len(requests) >= window:
            awaited += len(requests)
            for reply in (yield requests):
                awaited -= 1
                reply.check()
            requests = w.Ahead()
    for reply in (yield list(requests)):
        reply.check()
    return sent


class Lanes:
    """``count`` further channels that send pieces of the file at ``path``, each in a thread of its own, until all are
    taken. ``call`` gives a channel more, or None when there is none to be had; ``drive`` runs a task on it.
    """

    def __init__(
        self,
        path: bytes,
        pieces: Pieces,
        call: Callable[[], w.Wire | None],
        drive: Callable[[w.Wire, w.Task[int]], int],
        count: int,
    ) -> None:
        self._path, self._pieces, self._call, self._drive = path, pieces, call, drive
        self._threads: list[threading.Thread] = []
        self._count = count
        self.sent = 0
        self.failed: BaseException | None = None
        self._lock = threading.Lock()

    def start(self) -> None:
        """Set all to work: the file is there."""
        for _ in range(self._count):
            context = contextvars.copy_context()
            thread = threading.Thread(target=context.run, args=(self._work,), name="mistok-sftp", daemon=True)
            self._threads.append(thread)
            thread.start()

    def join(self, limit: float | None = None) -> int:
        """Wait for all, each for ``limit`` seconds; gives the bytes that they have sent. Raises what one of them
        failed with."""
        for thread in self._threads:
            thread.join(limit)
        if self.failed:
            raise self.failed
        return self.sent

    def _work(self) -> None:
        try:
            wire = self._call()
            if wire is None:
                return
            sent = self._drive(wire, self._lane())
            with self._lock:
                self.sent += sent
        except BaseException as error:  # noqa: BLE001 - told where the caller waits
            self.failed = error
            self._pieces.stopped = True

    def _lane(self) -> w.Task[int]:
        (opened,) = yield [w.open_more(self._path)]
        handle = opened.handle()
        try:
            sent = yield from send(handle, self._pieces)
        except (w.SftpStatus, MistokError):
            yield [w.close(handle)]
            raise
        (closed,) = yield [w.close(handle)]
        closed.check()
        return sent
