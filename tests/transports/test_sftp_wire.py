"""The SFTP protocol over a channel that is made up: however the answers are cut, in whatever order they come, and how
few packets the questions take. The socket under it, read in large pieces."""

from __future__ import annotations

import random
import socket
import struct
from collections import deque
from collections.abc import Iterator

import pytest

from pipeline.transports import sftp_wire as w
from pipeline.transports.sftp_line import AT_ONCE, Line
from pipeline.transports.sftp_replies import entries

_VERSION = struct.pack(">IBI", 5, w.VERSION, 3)


def _packets(data: bytearray) -> Iterator[tuple[int, int, bytes]]:
    """Kind, number and further content of each request that is whole; they are taken away."""
    while len(data) >= 9:
        length, kind, number = struct.unpack_from(">IBI", data)
        if len(data) < 4 + length:
            return
        content = bytes(data[9 : 4 + length])
        del data[: 4 + length]
        yield kind, number, content


class _Answers:
    """A channel whose server answers each request with its own content, as DATA. ``most`` bytes are given at once; of
    answers ``together`` (0: all that there are) are on their way together."""

    def __init__(self, most: int = 1 << 20, together: int = 0) -> None:
        self._most, self._together = most, together
        self._answers: deque[bytes] = deque()
        self._here, self._asked = b"", bytearray()
        self.sent: list[int] = []  #: requests in each piece that was sent
        self.unanswered: list[int] = []  #: answers that were still to come when something was sent

    def sendall(self, s: bytes, /) -> None:
        self._asked += s
        requests = list(_packets(self._asked))
        self.sent.append(len(requests))
        self.unanswered.append(len(self._answers))
        for kind, number, content in requests:
            answer = w.string(content)
            whole = struct.pack(">IBI", 5 + len(answer), w.DATA, number) + answer
            self._answers.append(_VERSION if kind == w.INIT else whole)

    def recv(self, nbytes: int, /) -> bytes:
        if not self._here:
            assert self._answers, "an answer is waited for that nobody was asked for"
            count = self._together or len(self._answers)
            self._here = b"".join(self._answers.popleft() for _ in range(min(count, len(self._answers))))
        size = min(nbytes, self._most)
        piece, self._here = self._here[:size], self._here[size:]
        return piece

    def close(self) -> None:
        pass


def _task(number: int, steps: int, size: int) -> w.Task[bool]:
    for step in range(steps):
        content = bytes([number % 251, step]) * size
        (reply,) = yield [w.Request(w.READ, content)]
        if reply.data() != content:
            return False
    return True


@pytest.mark.parametrize("most", [1, 2, 3, 7, 8, 9, 10, 1000, 1 << 20])
@pytest.mark.parametrize("size", [0, 1, 300])
def test_answers_are_read_however_they_are_cut(most: int, size: int) -> None:
    wire = w.Wire(_Answers(most))
    tasks = [(number, _task(number, 3, size), 1) for number in range(20)]
    assert dict(wire.run_many(tasks, in_flight=8, budget=100)) == dict.fromkeys(range(20), True)
    assert wire.settled


def test_a_long_answer_in_many_pieces() -> None:
    wire = w.Wire(_Answers(999))
    content = bytes(range(256)) * 1000
    assert wire.one(w.Request(w.READ, content)).data() == content


def test_a_server_that_answers_one_by_one_is_not_asked_one_by_one() -> None:
    channel = _Answers(together=1)
    wire = w.Wire(channel)
    tasks = [(number, _task(number, 2, 1), 1) for number in range(1000)]
    results = dict(wire.run_many(tasks, in_flight=512, budget=10_000))
    assert results == dict.fromkeys(range(1000), True)
    assert sum(channel.sent) == 2001
    assert len([count for count in channel.sent if count == 1]) <= w.BUSY + 2  # the last ones, and the greeting
    assert len(channel.sent) <= w.BUSY + 2 + 2000 / w.GATHER
    gathered = [left for count, left in zip(channel.sent, channel.unanswered, strict=True) if count == w.GATHER]
    assert len(gathered) > 40
    assert min(gathered) >= w.BUSY - w.GATHER  # it had enough to do meanwhile


def test_with_few_in_flight_nothing_waits() -> None:
    channel = _Answers(together=1)
    wire = w.Wire(channel)
    tasks = [(number, _task(number, 2, 1), 1) for number in range(100)]
    assert len(dict(wire.run_many(tasks, in_flight=16, budget=1000))) == 100
    assert channel.sent == [1, 16, *[1] * 184]


def _closes(number: int) -> w.Task[int]:
    (reply,) = yield [w.Request(w.READ, b"%d" % number)]
    yield w.Aside([w.close(b"h"), w.close(b"i")])
    return int(reply.data())


def test_what_nobody_waits_for_is_sent_all_the_same_and_its_answer_let_go() -> None:
    channel = _Answers(together=1)
    wire = w.Wire(channel)
    for number in range(3):
        assert wire.run(_closes(number)) == number
        assert wire.settled
    assert channel.sent == [1, 1, 2, 1, 2, 1, 2]
    tasks = [(number, _closes(number), 1) for number in range(300)]
    assert dict(wire.run_many(tasks, in_flight=200, budget=1000)) == {number: number for number in range(300)}
    assert sum(channel.sent) == 1 + 3 * 3 + 3 * 300
    assert wire.one(w.Request(w.READ, b"last")).data() == b"last"
    assert not wire._aside


def test_whoever_is_stopped_in_the_middle_of_a_packet_is_not_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = w.Wire(channel := _Answers())
    wire.run(_closes(1))

    def stopped(_s: bytes, /) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(channel, "sendall", stopped)

    def only_closes() -> w.Task[None]:
        yield w.Aside([w.close(b"h")])

    with pytest.raises(KeyboardInterrupt):
        wire.run(only_closes())
    assert not wire.settled
    with pytest.raises(w.ProtocolError, match="stopped"):
        wire.one(w.close(b"h"))


def _names(*names: bytes) -> w.Reply:
    each = b"".join(w.string(name) + w.string(b"-rw " + name) + struct.pack(">I", 0) for name in names)
    return w.Reply(w.NAME, struct.pack(">I", len(names)) + each)


@pytest.mark.parametrize("far", [False, True])
@pytest.mark.parametrize("packets", [0, 1, 3, 4, 5, 31, 32, 70])
def test_a_listing_asks_for_all_of_most_folders_at_once(far: bool, packets: int) -> None:
    left = deque(_names(b".", b"..", b"%d" % number) for number in range(packets))
    task = entries(b"inbox", far=far)
    handle = w.Reply(w.HANDLE, w.string(b"h"))
    end = w.Reply(w.STATUS, struct.pack(">I", w.EOF))
    asked = [request.kind for request in next(task)]
    assert asked == [w.OPENDIR]
    requests, round_trips = task.send([handle]), 1
    while not isinstance(requests, w.Aside):
        assert {request.kind for request in requests} == {w.READDIR}
        round_trips += 1
        requests = task.send([left.popleft() if left else end for _ in requests])
    assert [request.kind for request in requests] == [w.CLOSE]
    with pytest.raises(StopIteration) as stop:
        task.send([])
    assert [name for name, _, _ in stop.value.value] == [b"%d" % number for number in range(packets)]
    if packets < (32 if far else 4):
        assert round_trips == 2


class _Said(_Answers):
    """Says this and ends."""

    def __init__(self, words: bytes) -> None:
        super().__init__()
        self._here, self._over = words, False

    def recv(self, nbytes: int, /) -> bytes:
        piece, self._here = self._here[:nbytes], b""
        return piece


@pytest.mark.parametrize(
    "words",
    [
        b"Welcome to our server!\r\n",
        b"",
        b"\0\0",
        b"\0\0\0\x00",
        b"\0\0\0\x01\x02",
        b"\0\0\0\x04\x02\0\0\0",
        b"\0\0\0\x09\x02\0\0\0\x03",
        struct.pack(">IBI", 5, w.STATUS, 3),
    ],
)
def test_what_is_not_sftp_is_told_as_such(words: bytes) -> None:
    with pytest.raises(w.ProtocolError):
        w.Wire(_Said(words))


def test_an_answer_that_nobody_asked_for() -> None:
    words = _VERSION + struct.pack(">IBII", 9, w.STATUS, 7, 0)
    with pytest.raises(w.ProtocolError, match="nobody asked"):
        w.Wire(_Said(words)).one(w.simple(w.STAT, b"a"))


def test_a_socket_read_in_large_pieces_gives_what_came() -> None:
    content = random.Random(7).randbytes(3 * AT_ONCE)
    near, beyond = socket.socketpair()
    near.settimeout(60)
    with Line(near) as line, beyond:
        assert line.gettimeout() == 60
        got, sent = b"", 0
        sizes = [16, 1, 0, 5000, AT_ONCE, AT_ONCE + 1, 40_000]
        while len(got) < len(content):
            if sent < len(content):
                sent += beyond.send(content[sent : sent + 30_000])
            piece = line.recv(sizes[len(got) % len(sizes)] or 16)
            assert piece
            got += piece
        assert got == content
        beyond.sendall(b"last")
        beyond.close()
        assert [line.recv(2), line.recv(16), line.recv(16)] == [b"la", b"st", b""]


def test_a_socket_that_nothing_comes_to_is_told_as_ever() -> None:
    near, beyond = socket.socketpair()
    near.settimeout(0.001)
    with Line(near) as line, beyond:
        with pytest.raises(TimeoutError):
            line.recv(16)
        beyond.sendall(b"12")
        line.settimeout(60)
        assert line.recv(1) == b"1"
        line.settimeout(0.001)
        assert line.recv(1) == b"2"  # it is here already
        with pytest.raises(TimeoutError):
            line.recv(16)
    assert near.fileno() == -1
