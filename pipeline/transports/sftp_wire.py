"""The SFTP protocol, version 3, spoken over an SSH channel with many requests in flight.

Paramiko's own client decodes every name as UTF-8 (a windows-1251 name ends the listing) and waits for each reply before
it asks again (a file costs seven round trips). This one keeps names as bytes and runs many small tasks at once; it uses
nothing of paramiko but the public channel.

A *task* is a generator: it yields a list of requests and is given the list of their replies. A task that moves a large
file yields :class:`Ahead` instead, and is given replies as they come, while others are still awaited; one that needs no
reply yields :class:`Aside`.
"""

from __future__ import annotations

import struct
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

R = TypeVar("R")

INIT, VERSION, OPEN, CLOSE, READ, WRITE, LSTAT, FSTAT = 1, 2, 3, 4, 5, 6, 7, 8
OPENDIR, READDIR, REMOVE, MKDIR, RMDIR, REALPATH, STAT, RENAME = 11, 12, 13, 14, 15, 16, 17, 18
STATUS, HANDLE, DATA, NAME, ATTRS, EXTENDED, EXTENDED_REPLY = 101, 102, 103, 104, 105, 200, 201

OK, EOF, NO_SUCH_FILE, PERMISSION_DENIED, FAILURE, BAD_MESSAGE = 0, 1, 2, 3, 4, 5
NO_CONNECTION, CONNECTION_LOST, UNSUPPORTED = 6, 7, 8

FLAG_READ, FLAG_WRITE, FLAG_CREATE, FLAG_TRUNCATE = 1, 2, 8, 16
POSIX_RENAME = b"posix-rename@openssh.com"
LIMITS = b"limits@openssh.com"

#: Every server must take packets of this many data bytes.
SAFE_CHUNK = 32 * 1024
#: What OpenSSH is asked for when it says that it allows it.
LARGE_CHUNK = 255 * 1024
#: So many bytes of requests are gathered before they are sent, unless there is something to wait for.
_SEND = 32 * 1024
#: The channel is given no more at once, and fills one SSH packet with it: it copies what is left of a longer text for
#: each packet anew.
_PIECE = 32 * 1024 - 64
#: While at least so many requests wait for their answers, further ones are gathered until there are so many of them: a
#: server that is slower than we are answers one by one, and each answer would send off one request by itself.
BUSY, GATHER = 128, 32
#: The head of a request, and of each reply but VERSION: length of what follows it, kind, number.
_HEAD = struct.Struct(">IBI")
_INT = struct.Struct(">I")
_PLACE = struct.Struct(">QI")
#: As much is taken of the channel at once: what is left there is moved in memory each time.
_TAKE = 1 << 24
#: A longer packet is not SFTP (a login banner read as a length, most often).
MAX_PACKET = 1 << 20


class Channel(Protocol):
    """What is needed of ``paramiko.Channel``."""

    def sendall(self, s: bytes, /) -> object: ...

    def recv(self, nbytes: int, /) -> bytes: ...

    def close(self) -> object: ...


class SftpStatus(Exception):
    """The server answered a request with an error."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words or f"status {code}")
        self.code = code
        self.words = words or f"status {code}"


class ProtocolError(Exception):
    """What came is not SFTP, or the stream ended."""


@dataclass(frozen=True, slots=True)
class Attributes:
    """What a server says of a file; None where it is silent."""

    size: int | None = None
    mode: int | None = None
    mtime: int | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One packet to send."""

    kind: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """One packet that came."""

    kind: int
    body: bytes

    def check(self) -> Reply:
        """Itself. Raises SftpStatus when it is an error (end of file included)."""
        if self.kind == STATUS:
            code = _int(self.body, 0)
            if code != OK:
                words = _text(self.body, 4)[0] if len(self.body) > 4 else b""
                raise SftpStatus(code, words.decode("utf-8", "replace"))
        return self

    def handle(self) -> bytes:
        """The handle that an open gave. Raises SftpStatus."""
        return _text(self.expect(HANDLE).body, 0)[0]

    def data(self) -> bytes:
        """The bytes that a read gave; empty at the end of the file. Raises SftpStatus."""
        if self.kind == STATUS and _int(self.body, 0) == EOF:
            return b""
        return _text(self.expect(DATA).body, 0)[0]

    def view(self) -> memoryview:
        """As ``data``, without a copy."""
        if self.kind == STATUS and _int(self.body, 0) == EOF:
            return memoryview(b"")
        body = self.expect(DATA).body
        size = _int(body, 0)
        if 4 + size > len(body):
            raise ProtocolError("a packet is too short")
        return memoryview(body)[4 : 4 + size]

    def attributes(self) -> Attributes:
        """What a stat gave. Raises SftpStatus."""
        return _attributes(self.expect(ATTRS).body, 0)[0]

    def names(self) -> Iterator[tuple[bytes, bytes, Attributes]]:
        """(name, long name, attributes) of a listing's packet. Raises SftpStatus."""
        body = self.expect(NAME).body
        at = 4
        for _ in range(_int(body, 0)):
            name, at = _text(body, at)
            long_name, at = _text(body, at)
            attributes, at = _attributes(body, at)
            yield name, long_name, attributes

    def expect(self, kind: int) -> Reply:
        """Itself when of this kind. Raises SftpStatus, ProtocolError."""
        if self.check().kind != kind:
            raise ProtocolError(f"reply {self.kind} where {kind} was due")
        return self


class Ahead(list[Request]):
    """Requests (or none) that are sent besides those that the task still awaits. It goes on with the reply to the
    oldest of all of them, and to those after it that have come as well. A task that has asked so takes all replies
    before it yields a plain list again."""


class Aside(list[Request]):
    """Requests whose replies nobody waits for, such as to close what was read to its end: the task goes on at once,
    with no replies. It has taken all those to other requests before."""


Task = Generator[list[Request], list[Reply], R]


@dataclass(slots=True)
class _Running(Generic[R]):
    task: Task[R]
    weight: int
    missing: int = 0
    ahead: bool = False  #: it goes on with the first reply, not with the last
    base: int = 0  #: the number of the first of ``replies`` in all that it has asked
    replies: deque[Reply | None] = field(default_factory=deque)

    def ready(self) -> list[Reply] | None:
        """The replies with which it can go on; None while they are to come."""
        if self.missing and not self.ahead:
            return None
        taken: list[Reply] = []
        while self.replies and (reply := self.replies[0]) is not None:
            taken.append(reply)
            self.replies.popleft()
        self.base += len(taken)
        return taken or None


class Wire:
    """One SFTP session. Errors: SftpStatus (the server says no), ProtocolError, OSError and the channel's own."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._buffer = b""
        self._at = 0  #: so much of the buffer was read already
        self._ready = bytearray()  #: packets that go out before the next wait, together …
        self._unsent = 0  #: … so many
        self._next = 0
        #: Seconds of the quickest exchange so far: a round trip, when one of them asked once.
        self.quickest = float("inf")
        self._expected: dict[int, tuple[_Running[object], int]] = {}
        self._aside: set[int] = set()  #: numbers of requests whose replies are let go
        self._sending = False
        begun = time.monotonic()
        channel.sendall(_HEAD.pack(5, INIT, 3))
        kind, _, body = self._packet()
        if kind != VERSION:
            raise ProtocolError("no SFTP version came")
        self.quickest = time.monotonic() - begun
        self.extensions: dict[bytes, bytes] = {}
        at = 0
        while at < len(body):
            key, at = _text(body, at)
            value, at = _text(body, at)
            self.extensions[key] = value
        self.chunk = LARGE_CHUNK if LIMITS in self.extensions else SAFE_CHUNK

    @property
    def settled(self) -> bool:
        """Whether every question has had its answer. One that was stopped in between (Ctrl-C) is of no more use: its
        answers are still to come, or half of a question is on its way."""
        return not self._expected and not self._sending

    def one(self, request: Request) -> Reply:
        """Send ``request`` and wait for its reply (unchecked)."""

        def task() -> Task[Reply]:
            (reply,) = yield [request]
            return reply

        return self.run(task())

    def run(self, task: Task[R]) -> R:
        """Drive one task to its end."""
        results: list[R] = []
        begun = time.monotonic()
        for _, result in self.run_many([((), task, 1)], in_flight=1, budget=1):
            results.append(result)
        self.quickest = min(self.quickest, time.monotonic() - begun)
        return results[0]

    def run_many(
        self, tasks: Iterable[tuple[object, Task[R], int]], *, in_flight: int, budget: int
    ) -> Iterator[tuple[object, R]]:
        """Drive (key, task, weight) side by side and give (key, result) as each ends.

        At most ``in_flight`` tasks at once, and while more than one runs, no more than ``budget`` of summed weight
        (bytes that may be in memory). A task must not raise what it wants to tell: it returns it.
        """
        if not self.settled:
            raise ProtocolError("the session was stopped in the middle of a question")
        running: dict[int, tuple[object, _Running[R]]] = {}
        try:
            yield from self._drive(iter(tasks), running, in_flight, budget)
        finally:
            for _, state in running.values():  # so that each clears up after itself when the session dies
                state.task.close()

    def _drive(
        self,
        waiting: Iterator[tuple[object, Task[R], int]],
        running: dict[int, tuple[object, _Running[R]]],
        in_flight: int,
        budget: int,
    ) -> Iterator[tuple[object, R]]:
        done: deque[tuple[object, R]] = deque()
        held: tuple[object, Task[R], int] | None = None
        load, exhausted = 0, False
        while True:
            while not exhausted and len(running) < in_flight:
                if held is None:
                    held = next(waiting, None)
                if held is None:
                    exhausted = True
                    break
                key, task, weight = held
                if running and load + weight > budget:
                    break
                held = None
                state: _Running[R] = _Running(task, weight)
                running[id(state)] = (key, state)
                load += weight
                if (end := self._advance(state, None)) is not None:
                    del running[id(state)]
                    load -= weight
                    done.append((key, end[0]))
            while done:
                yield done.popleft()
            if not running:
                if exhausted:
                    if self._ready:  # nobody waits, so that nothing else sends it
                        self._send()
                    return
                continue
            state = self._receive()
            if (replies := state.ready()) is None:
                continue
            if (end := self._advance(state, replies)) is not None:
                key, _ = running.pop(id(state))
                load -= state.weight
                done.append((key, end[0]))

    def close(self) -> None:
        """End the session."""
        self._channel.close()

    def _advance(self, state: _Running[R], replies: list[Reply] | None) -> tuple[R] | None:
        try:
            requests = next(state.task) if replies is None else state.task.send(replies)
            while isinstance(requests, Aside) or not (requests or state.replies):
                for request in requests:
                    self._aside.add(self._ask(request))
                requests = state.task.send([])
        except StopIteration as stop:
            return (stop.value,)
        state.ahead = isinstance(requests, Ahead)
        for request in requests:
            position = state.base + len(state.replies)
            state.replies.append(None)
            state.missing += 1
            self._expected[self._next] = (state, position)  # type: ignore[assignment]  # each run's own kind of result
            self._ask(request)
        return None

    def _ask(self, request: Request) -> int:
        """Have it sent, and give its number."""
        number = self._next
        self._next = (number + 1) & 0xFFFFFFFF
        packets = self._ready
        packets += _HEAD.pack(len(request.body) + 5, request.kind, number)
        packets += request.body
        self._unsent += 1
        if len(packets) >= _SEND:
            self._send()
        return number

    def _send(self) -> None:
        self._sending = True  # whoever is stopped in here has sent half of it
        packets, self._ready, self._unsent = self._ready, bytearray(), 0
        with memoryview(packets) as view:
            for at in range(0, len(view), _PIECE):
                self._channel.sendall(bytes(view[at : at + _PIECE]))
        self._sending = False

    def _receive(self) -> _Running[R]:
        kind, number, body = self._packet()
        while (entry := self._expected.pop(number, None)) is None and number in self._aside:
            self._aside.remove(number)
            kind, number, body = self._packet()
        if entry is None:
            raise ProtocolError("a reply came that nobody asked for")
        state, position = entry
        state.replies[position - state.base] = Reply(kind, body)
        state.missing -= 1
        return state  # type: ignore[return-value]  # the run that asked is the run that reads

    def _packet(self) -> tuple[int, int, bytes]:
        """Kind, number and further content of the next packet."""
        if len(self._buffer) - self._at < 4:
            self._fill(4)
        length = _int(self._buffer, self._at)
        if not 5 <= length <= MAX_PACKET:
            raise ProtocolError("what came is not SFTP (does the server print something at login?)")
        if len(self._buffer) - self._at < 4 + length:
            self._fill(4 + length)
        _, kind, number = _HEAD.unpack_from(self._buffer, self._at)
        start = self._at + _HEAD.size
        self._at += 4 + length
        return kind, number, self._buffer[start : self._at]

    def _fill(self, size: int) -> None:
        """At least ``size`` unread bytes in the buffer."""
        missing = size - len(self._buffer) + self._at
        if missing <= 0:
            return
        # we are going to wait: what is to be asked goes out first
        if self._unsent and (self._unsent >= GATHER or len(self._expected) - self._unsent < BUSY):
            self._send()
        rest, self._buffer, self._at = self._buffer[self._at :], b"", 0  # what was read is held no longer
        pieces = [rest] if rest else []
        while missing > 0:
            piece = self._channel.recv(_TAKE)
            if not piece:
                raise ProtocolError("the server closed the session")
            pieces.append(piece)
            missing -= len(piece)
        self._buffer = b"".join(pieces)


# --- packets -----------------------------------------------------------------------------------------------------


def string(value: bytes) -> bytes:
    """A counted string."""
    return _INT.pack(len(value)) + value


def open_read(path: bytes) -> Request:
    """Open for reading."""
    return Request(OPEN, string(path) + struct.pack(">II", FLAG_READ, 0))


def open_write(path: bytes) -> Request:
    """Open for writing, empty."""
    return Request(OPEN, string(path) + struct.pack(">II", FLAG_WRITE | FLAG_CREATE | FLAG_TRUNCATE, 0))


def open_more(path: bytes) -> Request:
    """Open a file for writing that is written to already, as it is."""
    return Request(OPEN, string(path) + struct.pack(">II", FLAG_WRITE, 0))


def read(handle: bytes, offset: int, length: int) -> Request:
    """Read ``length`` bytes at ``offset``."""
    return Request(READ, string(handle) + _PLACE.pack(offset, length))


def write(handle: bytes, offset: int, data: bytes) -> Request:
    """Write ``data`` at ``offset``."""
    return Request(WRITE, b"".join((string(handle), _PLACE.pack(offset, len(data)), data)))


def close(handle: bytes) -> Request:
    """Close a handle."""
    return Request(CLOSE, string(handle))


def fstat(handle: bytes) -> Request:
    """Attributes of an open file."""
    return Request(FSTAT, string(handle))


def readdir(handle: bytes) -> Request:
    """The next names of an open folder."""
    return Request(READDIR, string(handle))


def simple(kind: int, path: bytes) -> Request:
    """LSTAT, STAT, OPENDIR, REMOVE, REALPATH of a path."""
    return Request(kind, string(path))


def mkdir(path: bytes) -> Request:
    """Make a folder with the server's own rights."""
    return Request(MKDIR, string(path) + struct.pack(">I", 0))


def rename(old: bytes, new: bytes) -> Request:
    """Rename; servers refuse an existing ``new``."""
    return Request(RENAME, string(old) + string(new))


def posix_rename(old: bytes, new: bytes) -> Request:
    """Rename over an existing ``new``, in one act."""
    return Request(EXTENDED, string(POSIX_RENAME) + string(old) + string(new))


def _int(body: bytes, at: int) -> int:
    try:
        value: int = _INT.unpack_from(body, at)[0]
    except struct.error as error:
        raise ProtocolError("a packet is too short") from error
    return value


def _text(body: bytes, at: int) -> tuple[bytes, int]:
    end = at + 4 + _int(body, at)
    if end > len(body):
        raise ProtocolError("a packet is too short")
    return body[at + 4 : end], end


def _attributes(body: bytes, at: int) -> tuple[Attributes, int]:
    flags = _int(body, at)
    at += 4
    size = mode = mtime = None
    try:
        if flags & 1:
            size = struct.unpack_from(">Q", body, at)[0]
            at += 8
        if flags & 2:
            at += 8
        if flags & 4:
            mode = _int(body, at)
            at += 4
        if flags & 8:
            mtime = _int(body, at + 4)
            at += 8
    except struct.error as error:
        raise ProtocolError("a packet is too short") from error
    if flags & 0x80000000:
        count = _int(body, at)
        at += 4
        for _ in range(count * 2):
            _, at = _text(body, at)
    return Attributes(size, mode, mtime), at
