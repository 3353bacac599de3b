"""Wrappers around the Transport port: retry what may work later, hold back in a dry run, write it down.

Each is a transport itself, so that business code never asks which mode it runs in. Systems are never wrapped so: what
may have been done there must be looked up, not repeated.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pipeline.errors import MistokError, Transient
from pipeline.ports import (
    Capabilities,
    FileOutcome,
    ReadResult,
    RemoteFile,
    Transport,
    Upload,
    Written,
    read_small,
    write_each,
    write_many,
)
from pipeline.transports import common

R = TypeVar("R")

#: Seconds between the attempts. Few and short: the job's next run is the long retry.
PAUSES = (0.5, 2.0)


class Log(Protocol):
    """What is needed of a structlog logger."""

    def debug(self, event: str, **fields: Any) -> Any:
        """Write a detail."""
        ...

    def info(self, event: str, **fields: Any) -> Any:
        """Write what was done."""
        ...

    def warning(self, event: str, **fields: Any) -> Any:
        """Write what failed."""
        ...


class _Wrapper:
    """Hands everything on."""

    def __init__(self, inner: Transport) -> None:
        self.inner = inner
        self.name = inner.name

    def local_path(self, folder: str) -> Path | None:
        """See the port."""
        return self.inner.local_path(folder)

    def close(self) -> None:
        """See the port."""
        self.inner.close()


class Retrying(_Wrapper):
    """Tries again what failed with Transient, on a new session: whole calls, and single files of many.

    Safe because every call of the port may be repeated: a write replaces, what is gone counts as deleted or moved.
    Refused is never repeated: that is how accounts get locked.
    """

    def __init__(
        self, inner: Transport, *, pauses: Sequence[float] = PAUSES, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        super().__init__(inner)
        self._pauses = pauses
        self._sleep = sleep

    def list(self, folder: str) -> Sequence[RemoteFile]:
        return self._try(lambda: self.inner.list(folder))

    def read_many(self, files: Iterable[RemoteFile], into: Path) -> Iterator[ReadResult]:
        return self._read(files, lambda some: self.inner.read_many(some, into))

    def read_small(self, files: Iterable[RemoteFile], into: Path, limit: int) -> Iterator[ReadResult]:
        return self._read(files, lambda some: read_small(self.inner, some, into, limit))

    def _read(
        self, files: Iterable[RemoteFile], read: Callable[[Iterable[RemoteFile]], Iterator[ReadResult]]
    ) -> Iterator[ReadResult]:
        for pause in self._pauses:
            again: Files = []
            for result in read(files):
                if isinstance(result.error, Transient):
                    again.append(result.file)
                else:
                    yield result
            if not again:
                return
            files = again
            self._wait(pause)
        yield from read(files)

    def write(self, folder: str, name: str, source: Path | bytes) -> RemoteFile:
        return self._try(lambda: self.inner.write(folder, name, source))

    def write_many(self, uploads: Iterable[Upload]) -> Iterator[Written]:
        for pause in self._pauses:
            again: Uploads = []
            for written in write_many(self.inner, uploads):
                if isinstance(written.error, Transient):
                    again.append(written.upload)
                else:
                    yield written
            if not again:
                return
            uploads = again
            self._wait(pause)
        yield from write_many(self.inner, uploads)

    def delete_many(self, files: Iterable[RemoteFile]) -> Sequence[FileOutcome]:
        return self._each(files, self.inner.delete_many)

    def move_many(self, files: Iterable[RemoteFile], to: str) -> Sequence[FileOutcome]:
        return self._each(files, lambda some: self._try(lambda: self.inner.move_many(some, to)))

    def make_folder(self, folder: str) -> None:
        self._try(lambda: self.inner.make_folder(folder))

    def folders(self, folder: str) -> Sequence[str]:
        return self._try(lambda: self.inner.folders(folder))

    def remove_folder(self, folder: str) -> None:
        self._try(lambda: self.inner.remove_folder(folder))

    def probe(self, folder: str) -> Capabilities:
        return self._try(lambda: self.inner.probe(folder))

    def _try(self, act: Callable[[], R]) -> R:
        for pause in self._pauses:
            try:
                return act()
            except Transient:
                self._wait(pause)
        return act()

    def _each(
        self, files: Iterable[RemoteFile], act: Callable[[Sequence[RemoteFile]], Sequence[FileOutcome]]
    ) -> Sequence[FileOutcome]:
        outcomes = list(act(tuple(files)))
        for pause in self._pauses:
            again = [at for at, outcome in enumerate(outcomes) if isinstance(outcome.error, Transient)]
            if not again:
                break
            self._wait(pause)
            for at, outcome in zip(again, act([outcomes[at].file for at in again]), strict=True):
                outcomes[at] = outcome
        return outcomes

    def _wait(self, pause: float) -> None:
        self.inner.close()
        self._sleep(pause)


class DryRun(_Wrapper):
    """Reads as ever; writes, deletes, moves and new folders are not done and answered as if they had been."""

    def list(self, folder: str) -> Sequence[RemoteFile]:
        return self.inner.list(folder)

    def read_many(self, files: Iterable[RemoteFile], into: Path) -> Iterator[ReadResult]:
        return self.inner.read_many(files, into)

    def read_small(self, files: Iterable[RemoteFile], into: Path, limit: int) -> Iterator[ReadResult]:
        return read_small(self.inner, files, into, limit)

    def write(self, folder: str, name: str, source: Path | bytes) -> RemoteFile:
        return RemoteFile(common.clean_folder(folder), common.clean_name(name), common.source_size(source))

    def write_many(self, uploads: Iterable[Upload]) -> Iterator[Written]:
        return write_each(self, uploads)

    def delete_many(self, files: Iterable[RemoteFile]) -> Sequence[FileOutcome]:
        return [FileOutcome(file, done=True) for file in files]

    def move_many(self, files: Iterable[RemoteFile], to: str) -> Sequence[FileOutcome]:
        common.clean_folder(to)
        return [FileOutcome(file, done=True) for file in files]

    def make_folder(self, folder: str) -> None:
        common.clean_folder(folder)

    def folders(self, folder: str) -> Sequence[str]:
        return self.inner.folders(folder)

    def remove_folder(self, folder: str) -> None:
        common.removable(folder)

    def probe(self, folder: str) -> Capabilities:
        self.inner.list(folder)
        return Capabilities(listing=True)


class Logged(_Wrapper):
    """Writes down what was asked and what came of it, by connection."""

    def __init__(self, inner: Transport, log: Log) -> None:
        super().__init__(inner)
        self._log = log

    def list(self, folder: str) -> Sequence[RemoteFile]:
        files = self._told("list", lambda: self.inner.list(folder), folder=folder)
        self._log.debug("list", connection=self.name, folder=folder, files=len(files))
        return files

    def read_many(self, files: Iterable[RemoteFile], into: Path) -> Iterator[ReadResult]:
        return self._read(self.inner.read_many(files, into))

    def read_small(self, files: Iterable[RemoteFile], into: Path, limit: int) -> Iterator[ReadResult]:
        return self._read(read_small(self.inner, files, into, limit))

    def _read(self, results: Iterator[ReadResult]) -> Iterator[ReadResult]:
        for result in results:
            self._file("read", result.file, result.error)
            yield result

    def write(self, folder: str, name: str, source: Path | bytes) -> RemoteFile:
        file = self._told("write", lambda: self.inner.write(folder, name, source), folder=folder, name=name)
        self._file("write", file, None)
        return file

    def write_many(self, uploads: Iterable[Upload]) -> Iterator[Written]:
        for written in write_many(self.inner, uploads):
            upload = written.upload
            self._file("write", written.file or RemoteFile(upload.folder, upload.name, 0), written.error)
            yield written

    def delete_many(self, files: Iterable[RemoteFile]) -> Sequence[FileOutcome]:
        return self._outcomes("delete", self._told("delete", lambda: self.inner.delete_many(files)))

    def move_many(self, files: Iterable[RemoteFile], to: str) -> Sequence[FileOutcome]:
        return self._outcomes("move", self._told("move", lambda: self.inner.move_many(files, to), to=to))

    def make_folder(self, folder: str) -> None:
        self._told("make_folder", lambda: self.inner.make_folder(folder), folder=folder)

    def folders(self, folder: str) -> Sequence[str]:
        return self._told("folders", lambda: self.inner.folders(folder), folder=folder)

    def remove_folder(self, folder: str) -> None:
        self._told("remove_folder", lambda: self.inner.remove_folder(folder), folder=folder)
        self._log.info("remove_folder", connection=self.name, folder=folder)

    def probe(self, folder: str) -> Capabilities:
        return self._told("probe", lambda: self.inner.probe(folder), folder=folder)

    def _told(self, act: str, call: Callable[[], R], **fields: Any) -> R:
        try:
            return call()
        except MistokError as error:
            self._log.warning(act, connection=self.name, code=error.findings[0].code, words=str(error), **fields)
            raise

    def _outcomes(self, act: str, outcomes: Sequence[FileOutcome]) -> Sequence[FileOutcome]:
        for outcome in outcomes:
            self._file(act, outcome.file, outcome.error, gone=outcome.gone)
        return outcomes

    def _file(self, act: str, file: RemoteFile, error: MistokError | None, **fields: Any) -> None:
        where = {"connection": self.name, "folder": file.folder, "name": file.name, "size": file.size}
        if error:
            self._log.warning(act, **where, code=error.findings[0].code, words=str(error), **fields)
        else:
            self._log.info(act, **where, **fields)


Uploads = list[Upload]
Files = list[RemoteFile]  # inside the classes, list is the port's own word
_retrying: type[Transport] = Retrying
_dry: type[Transport] = DryRun
_logged: type[Transport] = Logged
