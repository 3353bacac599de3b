"""Fetching the next batch of files while the run is at work on this one.

Reading changes nothing on the server, and nothing here goes into the archive or the ledger: what came is handed to the
walk, which takes each batch through all of its steps before the next one, in the same order as ever. As long as a
thread reads from a connection nobody else uses it: whoever asks for it waits (:meth:`RunContext.transport`).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.engine.context import RunContext
from pipeline.ports import ReadResult, RemoteFile, Transport, read_small

#: A smaller batch is there as soon as it is asked for, and needs no thread.
LEAST = 64
#: Bytes of a file that goes to the archive from memory, without a copy on the disk before.
SMALL = 16 * 1024
#: Seconds that a broken-off run waits for a server's answer that nobody wants any more.
_PATIENCE = 5.0


class Fetch:
    """The files of one batch on their way here. :meth:`close` it when its files are in the archive, or not wanted."""

    def __init__(self, ctx: RunContext, inbox: str, files: Sequence[RemoteFile]) -> None:
        self._ctx, self._inbox = ctx, inbox
        self._files = files
        self._folder = TemporaryDirectory(dir=ctx.temp, prefix="stage-", ignore_cleanup_errors=True)
        self._thread: threading.Thread | None = None
        self._found: list[ReadResult] = []
        self._error: BaseException | None = None
        self._wanted = True

    def start(self) -> None:
        """Fetch them in a thread of its own."""
        transport = self._ctx.transport(self._inbox)
        self._thread = threading.Thread(target=self._run, args=(transport,), name="mistok-ahead", daemon=True)
        self._ctx.occupy(self._inbox, self._thread.join)
        self._thread.start()

    def results(self) -> Sequence[ReadResult]:
        """What came of each file, in any order. Raises what the transport raises."""
        if self._thread is None:
            self._read(self._ctx.transport(self._inbox))
        else:
            self._thread.join()
            if self._error is not None:
                raise self._error
        return self._found

    def close(self) -> None:
        """What was fetched is not needed any more."""
        self._wanted = False
        if self._thread is not None:
            self._thread.join(_PATIENCE)
        if self._thread is None or not self._thread.is_alive():
            self._folder.cleanup()  # else it goes with the run's own folder

    def _run(self, transport: Transport) -> None:
        try:
            self._read(transport)
        except BaseException as error:  # noqa: BLE001 - raised again by whoever wants the files
            self._error = error

    def _read(self, transport: Transport) -> None:
        for result in read_small(transport, self._files, Path(self._folder.name), SMALL):
            if not self._wanted:
                return
            self._found.append(result)
