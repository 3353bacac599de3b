"""An FTP or FTPS server over several connections at once: for reading and deleting many files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path
from typing import TypeVar

from pipeline.errors import MistokError, Transient
from pipeline.ports import (
    FileOutcome,
    Gate,
    ReadResult,
    RemoteFile,
    Transport,
    Upload,
    Written,
    open_gate,
    write_each,
)
from pipeline.transports import common
from pipeline.transports.ftp import FtpTransport
from pipeline.transports.ftp_hands import WORTH, Hands
from pipeline.transports.ftp_session import AHEAD
from pipeline.transports.ftp_settings import FtpSettings

R = TypeVar("R")

#: Files are read and handed over in groups of this size, so that nothing is on its way while the caller works.
GROUP = 512


class FtpHand(FtpTransport):
    """One connection more."""

    @property
    def connected(self) -> bool:
        """Whether it has a session."""
        return self._session is not None

    def connect(self) -> None:
        """Connect, unless it is. Raises MistokError."""
        self._run(self._connected)


class FtpManyTransport(FtpTransport):
    """As :class:`FtpTransport`, with up to ``connections`` of them for many files."""

    def __init__(self, name: str, settings: FtpSettings, *, base: Path, gate: Gate = open_gate) -> None:
        super().__init__(name, settings, base=base, gate=gate)
        self._hands = Hands(name, settings.connections - 1, self._hand)

    def read_small(self, files: Iterable[RemoteFile], into: Path, limit: int) -> Iterator[ReadResult]:
        def read(hand: FtpHand, file: RemoteFile) -> Sequence[ReadResult]:
            return list(hand.read_small([file], into, limit))

        def own(some: Iterator[RemoteFile]) -> Iterator[ReadResult]:
            return FtpTransport.read_small(self, some, into, limit)

        waiting = iter(files)
        while group := list(islice(waiting, GROUP)):
            yield from self._hands.share(group, read, own) if self._there() else own(iter(group))

    def delete_many(self, files: Iterable[RemoteFile]) -> Sequence[FileOutcome]:
        def delete(hand: FtpHand, some: Sequence[RemoteFile]) -> Sequence[FileOutcome]:
            return hand.delete_many(some)

        def own(groups: Iterator[Sequence[RemoteFile]]) -> Iterator[FileOutcome]:
            yield from FtpTransport.delete_many(self, chain.from_iterable(groups))

        files = list(files)
        for file in files:
            self._times.get(file.folder, {}).pop(common.wire_name(file), None)
        together = 1 if self._manners.ahead is False else AHEAD
        if len(files) <= together or not self._there():
            return FtpTransport.delete_many(self, files)
        groups = [files[at : at + together] for at in range(0, len(files), together)]
        shared = self._hands.share(groups, delete, own, worth=WORTH if together == 1 else 1)
        outcomes = {outcome.file: outcome for outcome in shared}
        return [outcomes[file] for file in files]

    def write_many(self, uploads: Iterable[Upload]) -> Iterator[Written]:
        """See :class:`pipeline.ports.WritesMany`."""

        def store(hand: FtpHand, upload: Upload) -> Sequence[Written]:
            return list(write_each(hand, [upload]))

        def own(some: Iterator[Upload]) -> Iterator[Written]:
            return write_each(self, some)

        waiting = list(uploads)
        while waiting:
            some, waiting = common.apart(waiting)
            yield from self._hands.share(some, store, own) if len(some) > 1 and self._there() else own(iter(some))
            for upload in some:
                self._times.pop(upload.folder.strip("/"), None)  # what a hand wrote has another time now

    def close(self) -> None:
        super().close()
        self._hands.close()

    def _there(self) -> bool:
        """Whether the first connection is: where it is not, more of them are none either."""
        with suppress(MistokError):
            self._run(lambda: self._ftp.try_ahead())  # noqa: PLW0108 - there is no session before it runs
        return self._session is not None

    def _hand(self) -> FtpHand:
        return FtpHand(self.name, self._settings, base=self._base, gate=self._while_wanted, manners=self._manners)

    def _while_wanted(self, connect: Callable[[], R]) -> R:
        if self._hands.stopped:
            raise Transient("stopped")  # a hand that was told to let go has lost its connection, and calls again
        return connect()


_: type[Transport] = FtpManyTransport
