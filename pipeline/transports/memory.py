"""A transport without a server: for tests, and for what a step does with files before there is a connection."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline.errors import FolderMissing, MistokError
from pipeline.ports import Capabilities, FileOutcome, ReadResult, RemoteFile, Transport
from pipeline.texts import T
from pipeline.transports import common

_START = datetime(2026, 1, 1, tzinfo=UTC)


class MemoryTransport:
    """See :class:`pipeline.ports.Transport`. ``files`` is what is there: folder -> name -> (bytes, modified).

    Its clock ticks a second with each write, so that versions differ.
    """

    def __init__(self, name: str = "memory", folders: Iterable[str] = ("",)) -> None:
        self.name = name
        self.files: dict[str, dict[str, tuple[bytes, datetime]]] = {folder: {} for folder in folders}
        self._ticks = 0

    def list(self, folder: str) -> Sequence[RemoteFile]:
        folder = common.clean_folder(folder)
        return [RemoteFile(folder, name, len(data), at) for name, (data, at) in dict(self._folder(folder)).items()]

    def read_many(self, files: Iterable[RemoteFile], into: Path) -> Iterator[ReadResult]:
        for file in files:
            try:
                data, modified = self._look(file)
            except KeyError:
                yield common.failed(file, common.vanished(file))
                continue
            except MistokError as error:
                yield common.failed(file, error)
                continue
            if changed := common.altered(file, len(data), modified):
                yield common.failed(file, changed)
                continue
            copy = common.local_copy(into)
            copy.write_bytes(data)
            yield ReadResult(file, copy, len(data), hashlib.sha256(data).hexdigest())

    def write(self, folder: str, name: str, source: Path | bytes) -> RemoteFile:
        folder, name = common.clean_folder(folder), common.clean_name(name)
        home = self._folder(folder)
        self._ticks += 1
        data, at = b"".join(common.source_chunks(source)), _START + timedelta(seconds=self._ticks)
        home.pop(common.partial_name(name), None)
        home[name] = (data, at)
        return RemoteFile(folder, name, len(data), at)

    def delete_many(self, files: Iterable[RemoteFile]) -> Sequence[FileOutcome]:
        return [self._each(file, lambda _: None) for file in files]

    def move_many(self, files: Iterable[RemoteFile], to: str) -> Sequence[FileOutcome]:
        self.make_folder(to)
        target = self._folder(common.clean_folder(to))

        def put(file: RemoteFile) -> None:
            free = next(name for name in common.twins(file.name) if name not in target)
            target[free] = self._look(file)

        return [self._each(file, put) for file in files]

    def _each(self, file: RemoteFile, act: Callable[[RemoteFile], None]) -> FileOutcome:
        try:
            data, modified = self._look(file)
            if error := common.altered(file, len(data), modified):
                return common.undone(file, error)
            act(file)
            del self._folder(file.folder)[file.name]
        except KeyError:
            return FileOutcome(file, done=True, gone=True)
        except MistokError as error:
            return common.undone(file, error)
        except StopIteration:
            return common.undone(file, common.no_free_name(file, file.folder))
        return FileOutcome(file, done=True)

    def make_folder(self, folder: str) -> None:
        parts = common.clean_folder(folder).split("/")
        for depth in range(1, len(parts) + 1):
            self.files.setdefault("/".join(parts[:depth]), {})

    def folders(self, folder: str) -> Sequence[str]:
        folder = common.clean_folder(folder)
        self._folder(folder)
        inside = folder + "/" if folder else ""
        below = (name.removeprefix(inside) for name in self.files if name and name.startswith(inside))
        return [name for name in below if "/" not in name]

    def remove_folder(self, folder: str) -> None:
        folder = common.removable(folder)
        if folder in self.files and (self.files[folder] or self.folders(folder)):
            raise common.not_empty(folder)
        self.files.pop(folder, None)

    def probe(self, folder: str) -> Capabilities:
        self.list(folder)
        return Capabilities(
            listing=True,
            write=True,
            rename=True,
            rename_over=True,
            rename_by="rename",
            delete=True,
            exact_times=True,
            compare_and_delete=True,
            server="memory",
        )

    def local_path(self, folder: str) -> Path | None:  # noqa: ARG002 - it lies nowhere
        return None

    def close(self) -> None:
        """Nothing is held."""

    def _folder(self, folder: str) -> dict[str, tuple[bytes, datetime]]:
        try:
            return self.files[folder]
        except KeyError:
            raise FolderMissing(T("Folder {folder} does not exist.", folder=folder)) from None

    def _look(self, file: RemoteFile) -> tuple[bytes, datetime]:
        if error := common.unusable(file):
            raise error
        return self._folder(common.clean_folder(file.folder))[file.name]


_: type[Transport] = MemoryTransport
