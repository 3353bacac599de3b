"""Deleting (or moving) a batch's files on the server while the run is at work on the next batch.

By then the ledger says of each of them that it is done, so that nothing depends on what comes of it. A run that is
killed meanwhile leaves what one leaves that is killed in the middle of its deletes: files that are done in the ledger,
which the next run deletes, or finds gone. What came of them is written down by the run itself, in its own thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pipeline.engine.context import RunContext
from pipeline.ports import FileOutcome, RemoteFile, Transport

#: Seconds that a broken-off run waits for a server's answer that nobody wants any more.
_PATIENCE = 5.0


class Removal:
    """Files of one batch that leave the server beside the run, each with its row in the ledger."""

    def __init__(self, rows: Mapping[RemoteFile, dict[str, Any]], act: Callable[[Transport], Sequence[FileOutcome]]):
        self.rows = rows
        self._act = act
        self._outcomes: Sequence[FileOutcome] = ()
        self._error: BaseException | None = None
        self._over = threading.Event()
        self._wanted = True
        self._thread: threading.Thread | None = None

    def start(self, ctx: RunContext, inbox: str) -> None:
        """Have it done in a thread of its own, when nothing else is at work on the connection any more."""
        transport, before = ctx.in_turn(inbox, self._wait)
        self._thread = threading.Thread(target=self._run, args=(transport, before), name="mistok-behind", daemon=True)
        self._thread.start()

    @property
    def over(self) -> bool:
        """Whether there is nothing more to wait for."""
        return self._over.is_set()

    def outcomes(self) -> Sequence[FileOutcome]:
        """What came of the files. Raises what the transport raised."""
        self._over.wait()
        if self._error is not None:
            raise self._error
        return self._outcomes

    def close(self) -> None:
        """Nobody waits for it any more: it is not begun, or has a moment to come to its end."""
        self._wanted = False
        if self._thread is not None:
            self._thread.join(_PATIENCE)

    def _wait(self) -> None:
        self._over.wait()

    def _run(self, transport: Transport, before: Callable[[], None]) -> None:
        try:
            before()
            if self._wanted:
                self._outcomes = self._act(transport)
        except BaseException as error:  # noqa: BLE001 - raised again by whoever wants the outcomes
            self._error = error
        finally:
            self._over.set()
