"""Messages between two processes of ours come whole, and nobody waits for ever in the middle of one."""

from __future__ import annotations

import os
import socket
import sys
import threading

import pytest

from pipeline.engine.wire import Wire

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a socket is no file there; nothing of this is used")


def pair(patience: float | None = None) -> tuple[Wire, Wire]:
    one, other = socket.socketpair()
    return Wire(one.detach(), patience), Wire(other.detach())


@pytest.mark.parametrize("patience", [None, 60.0])
@pytest.mark.parametrize("size", [0, 1, 3_000_000])
def test_a_message_comes_as_it_was_sent(patience: float | None, size: int) -> None:
    ours, theirs = pair(patience)
    data = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    back = threading.Thread(target=lambda: theirs.send(theirs.recv()))
    back.start()
    ours.send({"data": data})
    assert ours.recv() == {"data": data}
    back.join()


def test_whether_there_is_something_to_hear() -> None:
    ours, theirs = pair(60.0)
    assert not ours.poll()
    theirs.send_bytes(b"")
    assert ours.poll(60)
    assert ours.recv_bytes() == b""
    del theirs
    assert ours.poll(60), "that it is gone"
    with pytest.raises(EOFError):
        ours.recv_bytes()
    with pytest.raises(OSError):  # noqa: PT011 - which one depends on how much was sent
        ours.send_bytes(b"x")


def test_one_that_hangs_in_the_middle_of_a_message_is_given_up() -> None:
    ours, theirs = pair(0.05)
    with pytest.raises(TimeoutError):
        ours.send_bytes(bytes(50_000_000))
    ours, theirs = pair(0.05)
    os.write(theirs.fileno(), bytes(7))
    with pytest.raises(TimeoutError):
        ours.recv_bytes()
