"""Messages between two processes of ours, over a pair of sockets: a length, then so many bytes.

No more than the system itself gives, as a process that is kept small loads this, too.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from contextlib import suppress
from typing import Any

_LENGTH = 8  #: bytes
_PIECE = 1 << 18
#: Windows had none before Python 3.12; nothing of this is used there, and types are checked all the same.
_set_blocking: Callable[[int, bool], None] = getattr(os, "set_blocking", lambda _descriptor, _blocking: None)


class Wire:
    """One end. Writing raises OSError where the other end is gone; reading EOFError, too.

    ``patience``: seconds that the other end may keep us waiting in the middle of a message (TimeoutError, an OSError);
    None: for ever.
    """

    def __init__(self, descriptor: int, patience: float | None = None) -> None:
        self._descriptor, self._patience = descriptor, patience
        if patience is not None:
            _set_blocking(descriptor, False)

    def fileno(self) -> int:
        """Its number."""
        return self._descriptor

    def __del__(self) -> None:
        # not sooner: a thread may still be listening, and would hear what somebody else has opened by this number
        with suppress(OSError):
            os.close(self._descriptor)

    def send_bytes(self, data: bytes) -> None:
        """A message."""
        for part in (len(data).to_bytes(_LENGTH, "big"), data):
            left = memoryview(part)
            while left:
                try:
                    left = left[os.write(self._descriptor, left) :]
                except BlockingIOError:
                    self._wait(self._patience, writing=True)

    def recv_bytes(self) -> bytearray:
        """The next message."""
        return self._exactly(int.from_bytes(self._exactly(_LENGTH), "big"))

    def send(self, words: object) -> None:
        """Something that can be pickled."""
        self.send_bytes(pickle.dumps(words, pickle.HIGHEST_PROTOCOL))

    def recv(self) -> Any:
        """What was sent so."""
        return pickle.loads(self.recv_bytes())  # noqa: S301 - of our own

    def poll(self, seconds: float = 0.0) -> bool:
        """Whether there is something to read, or the other end is gone, within so many seconds."""
        try:
            self._wait(seconds)
        except TimeoutError:
            return False
        return True

    def _exactly(self, count: int) -> bytearray:
        data, here = bytearray(count), 0
        while here < count:
            try:
                piece = os.read(self._descriptor, min(count - here, _PIECE))
            except BlockingIOError:
                self._wait(self._patience)
                continue
            if not piece:
                raise EOFError
            data[here : here + len(piece)] = piece
            here += len(piece)
        return data

    def _wait(self, seconds: float | None, *, writing: bool = False) -> None:
        import selectors  # where somebody waits only

        with selectors.DefaultSelector() as look:
            look.register(self._descriptor, selectors.EVENT_WRITE if writing else selectors.EVENT_READ)
            if not look.select(seconds):
                raise TimeoutError
