"""Fetching the next batches of files while the run is at work on this one.

Reading changes nothing on the server, and the ledger knows nothing of it: what came is handed to the walk, which takes
each batch through all of its steps before the next one, in the same order as ever. Where there is a second process
(:mod:`pipeline.engine.second`), what is whole is kept in the archive and read by it, too. As long as a thread reads
from a connection nobody else uses it: whoever asks for it waits (:meth:`RunContext.transport`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog

from pipeline.archive import ArchiveCopy, ArchiveItem
from pipeline.engine import second
from pipeline.engine.context import RunContext
from pipeline.engine.second import Second
from pipeline.ports import Decoded, ReadResult, RemoteFile, Transport, read_small

log = structlog.get_logger("mistok.inbound")

#: A smaller batch is there as soon as it is asked for, and needs no thread.
LEAST = 64
#: Bytes of a file that goes to the archive from memory, without a copy on the disk before.
SMALL = 16 * 1024
#: Seconds that a broken-off run waits for a server's answer that nobody wants any more.
_PATIENCE = 5.0

#: What goes into the archive of a file that came; None: it is not whole, or no affair of the second process.
Item = Callable[[ReadResult], ArchiveItem | None]


class Fetch:
    """The files of one batch on their way here. :meth:`close` it when its orders are booked, or not wanted."""

    def __init__(self, ctx: RunContext, inbox: str, files: Sequence[RemoteFile]) -> None:
        self._ctx, self._inbox = ctx, inbox
        self._files = files
        self._folder = TemporaryDirectory(dir=ctx.temp, prefix="stage-", ignore_cleanup_errors=True)
        self._thread: threading.Thread | None = None
        self._came: list[ReadResult] = []
        self._here = threading.Event()
        self._error: BaseException | None = None
        self._wanted = True
        self._given: list[RemoteFile] = []  #: to the second process
        self._copies: Mapping[RemoteFile, ArchiveCopy] = {}
        self._kept = threading.Event()
        self._answers: list[bytearray] = []
        self._more = threading.Condition()
        self._over = True  #: no more answers come
        self._read: dict[RemoteFile, Decoded | None] = {}

    @property
    def started(self) -> bool:
        """Whether they are on their way."""
        return self._thread is not None

    def start(self, helper: Second | None, item: Item) -> None:
        """Fetch them in a thread of its own, and have ``helper`` keep and read what it can."""
        transport, before = self._ctx.in_turn(self._inbox, self._wait)
        self._over = helper is None
        self._thread = threading.Thread(
            target=self._run, args=(transport, before, helper, item), name="mistok-ahead", daemon=True
        )
        self._thread.start()

    def results(self) -> Sequence[ReadResult]:
        """What came of each file, in any order. Raises what the transport raises."""
        if self._thread is None:
            self._fetch(self._ctx.transport(self._inbox))
        else:
            self._here.wait()
            if self._error is not None:
                raise self._error
        came, self._came = self._came, []
        return came

    def copies(self) -> Mapping[RemoteFile, ArchiveCopy]:
        """The archive's copies that were made already."""
        if self._thread is not None:
            self._kept.wait()
        return self._copies

    def decoded(self, file: RemoteFile) -> Decoded | None:
        """What was read of a file already, once; None: it is still to be read."""
        while file not in self._read:
            if not self._next_answer():
                return None
        return self._read.pop(file)

    def close(self) -> None:
        """What was fetched is not needed any more."""
        self._wanted = False
        if self._thread is not None:
            self._thread.join(_PATIENCE)
        if self._thread is None or not self._thread.is_alive():
            self._folder.cleanup()  # else it goes with the run's own folder

    def _wait(self) -> None:
        self._here.wait()

    def _next_answer(self) -> bool:
        with self._more:
            self._more.wait_for(lambda: self._answers or self._over)
            if not self._answers:
                return False
            answer = self._answers.pop(0)
        given, self._given = self._given[: second.AT_ONCE], self._given[second.AT_ONCE :]
        self._read.update(zip(given, second.orders_of(answer), strict=False))
        return True

    def _run(self, transport: Transport, before: Callable[[], None], helper: Second | None, item: Item) -> None:
        try:
            before()
            self._fetch(transport)
            items = {result.file: one for result in self._came if helper and (one := item(result)) is not None}
            self._given = list(items)
        except BaseException as error:  # noqa: BLE001 - raised again by whoever wants the files
            self._error, items = error, {}
        self._here.set()
        try:
            if helper is not None and items and self._wanted:
                self._hand_over(helper, list(items.values()))
        except second.Lost:
            log.warning("second_process_lost", files=len(items))
        finally:
            self._kept.set()
            with self._more:
                self._over = True
                self._more.notify_all()

    def _hand_over(self, helper: Second, items: Sequence[ArchiveItem]) -> None:
        with helper.turn():
            copies = helper.give(items)
            if copies is None:
                return
            self._copies = dict(zip(self._given, copies, strict=True))
            self._kept.set()
            for _ in range(0, len(items), second.AT_ONCE):
                answer = helper.answer()
                with self._more:
                    self._answers.append(answer)
                    self._more.notify_all()

    def _fetch(self, transport: Transport) -> None:
        for result in read_small(transport, self._files, Path(self._folder.name), SMALL):
            if not self._wanted:
                return
            self._came.append(result)
