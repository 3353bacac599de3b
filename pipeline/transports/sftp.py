"""Folders of an SFTP server. Small files travel side by side, with many requests in flight on one channel."""

from __future__ import annotations

import hashlib
import stat
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TypeAlias, TypeVar

import structlog

from pipeline.errors import FolderMissing, MistokError, Refused, Transient
from pipeline.ports import (
    Capabilities,
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
from pipeline.texts import T
from pipeline.transports import common
from pipeline.transports import sftp_wire as w
from pipeline.transports.sftp_bulk import FAR, READ_AHEAD, WIDE, Lanes, Pieces, fetch, send
from pipeline.transports.sftp_probe import Probed, probe
from pipeline.transports.sftp_replies import checked, entries, failed, is_kind, made_folder, moment, removed_folder
from pipeline.transports.sftp_session import BROKEN_LOGIN, Session, SftpSettings, connect, said
from pipeline.transports.sftp_swap import Swap

log = structlog.get_logger("mistok.transports")
R = TypeVar("R")
U = TypeVar("U")

#: Bytes of files that may be in memory at once.
BUDGET = 8_000_000
#: Files are read and handed over in groups of this size, so that nothing is in flight while the caller works.
GROUP = 512
#: Small files that are written side by side.
WRITES = 32
_MOMENT = 0.5  #: seconds
__all__ = ["SftpSettings", "SftpTransport"]


Numbers: TypeAlias = list[int]  # inside the class, list is the port's own word
_Act: TypeAlias = Callable[[], R]
_Each: TypeAlias = Callable[[RemoteFile], "w.Task[FileOutcome]"]


@lru_cache(maxsize=256)  # asked again for each of a folder's files
def _home(root: str, folder: str) -> bytes:
    parts = [root.rstrip("/") or "/"] if root else []
    parts += [folder] if folder else []
    return "/".join(parts).replace("//", "/").encode("utf-8", "surrogateescape")


class _NotOpened(Transient):
    """A file that the server did not open, without saying why: it may have too many open already."""


class SftpTransport:
    """See :class:`pipeline.ports.Transport`."""

    def __init__(self, name: str, settings: SftpSettings, *, base: Path, gate: Gate = open_gate) -> None:
        self.name = name
        self._settings = settings
        self._base = base
        self._gate = gate
        self._session: Session | None = None
        self._broken_logins = 0
        self._swap = Swap()
        self._alone = False  #: a file goes over one channel: the server has let no more in, or failed with them
        self._in_flight = settings.in_flight  #: less when the server does not open so many files at once

    # --- the port ------------------------------------------------------------------------------------------------

    def list(self, folder: str) -> Sequence[RemoteFile]:
        folder = common.clean_folder(folder)
        return self._run(self._list(folder), folder)

    def read_many(self, files: Iterable[RemoteFile], into: Path) -> Iterator[ReadResult]:
        return self.read_small(files, into, -1)  # not even an empty one

    def read_small(self, files: Iterable[RemoteFile], into: Path, limit: int) -> Iterator[ReadResult]:
        waiting = iter(files)
        while group := list(islice(waiting, GROUP)):
            yield from self._read_group(group, into, limit)

    def write(self, folder: str, name: str, source: Path | bytes) -> RemoteFile:
        folder, name, partial, target, backup = self._places(folder, name)
        expected = common.source_size(source)
        self._run(self._swap.undo(target, backup), folder)
        try:
            size = self._put(partial, source, expected, folder)
            if size != expected or common.source_size(source) != expected:
                raise common.short(name, expected, size)
            seen = self._run(self._swap.replace(partial, target, backup), folder)
        except MistokError:
            with suppress(MistokError):
                self._run(self._swap.undo(target, backup), folder)
            with suppress(MistokError, w.SftpStatus):
                self._run(checked([w.simple(w.REMOVE, partial)]), folder)
            raise
        return RemoteFile(folder, name, seen.size if seen.size is not None else size, moment(seen))

    def write_many(self, uploads: Iterable[Upload]) -> Iterator[Written]:
        waiting = list(uploads)
        while waiting:
            some, waiting = common.apart(waiting)
            small = [upload for upload in some if common.size_if_any(upload.source) < WIDE]
            yield from self._write_together(small)
            yield from write_each(self, [upload for upload in some if upload not in small])

    def delete_many(self, files: Iterable[RemoteFile]) -> Sequence[FileOutcome]:
        return self._outcomes(files, self._delete)

    def move_many(self, files: Iterable[RemoteFile], to: str) -> Sequence[FileOutcome]:
        to = common.clean_folder(to)
        self.make_folder(to)
        # one after another: two files of one name must not look at the same free name together
        return self._outcomes(files, lambda file: self._move(file, to), in_flight=1)

    def make_folder(self, folder: str) -> None:
        folder = common.clean_folder(folder)
        parts = folder.split("/") if folder else []
        for depth in range(1, len(parts) + 1):
            self._run(made_folder(self._path("/".join(parts[:depth]))), "/".join(parts[:depth]))

    def folders(self, folder: str) -> Sequence[str]:
        folder = common.clean_folder(folder)
        return self._run(self._folders(folder), folder)

    def remove_folder(self, folder: str) -> None:
        folder = common.removable(folder)
        self._run(removed_folder(self._path(folder), self._shown(folder)), folder)

    def probe(self, folder: str) -> Capabilities:
        folder = common.clean_folder(folder)
        listed = self.list(folder)
        return self._run(self._probe(folder, listed), folder)

    def local_path(self, folder: str) -> Path | None:  # noqa: ARG002 - nothing of a server lies here
        return None

    def close(self) -> None:
        session, self._session = self._session, None
        if session:
            session.close()

    # --- the session ---------------------------------------------------------------------------------------------

    def _wire(self) -> w.Wire:
        if self._session is not None and not self._session.wire.settled:
            self.close()  # stopped between a question and its answer, which nothing else may be taken for
        if self._session is None:
            self._session = self._gate(self._connect)
        return self._session.wire

    def _connect(self) -> Session:
        try:
            session = connect(self.name, self._settings, self._base)
        except Transient as error:
            if error.code != BROKEN_LOGIN:
                raise
            self._broken_logins += 1
            if self._broken_logins > 1:  # a line does not break twice at the same place: somebody shuts us out
                raise Refused(error.text, code="login", hint=error.hint) from error
            raise
        self._broken_logins = 0
        return session

    def _run(self, task: w.Task[R], folder: str = "") -> R:
        """Drive one task. A server's "no" becomes our error; after a broken connection the session is dropped."""
        try:
            with said(self._settings):
                return self._spoken(lambda: self._wire().run(task))
        except w.SftpStatus as status:
            raise self._refused(status, self._shown(folder)) from status
        except Transient:
            self.close()
            raise
        finally:
            task.close()

    def _spoken(self, act: _Act[R]) -> R:
        try:
            return act()
        except w.ProtocolError as error:
            host, port = self._settings.host, str(self._settings.port)
            raise Transient(
                T("The connection to {host}:{port} failed: {words}", host=host, port=port, words=str(error)),
                hint=T("It is tried again; when it goes on, look at the network, the firewall and the server."),
            ) from error

    def _path(self, folder: str, name: str | bytes = b"") -> bytes:
        home = _home(self._settings.root, folder)
        raw = name if isinstance(name, bytes) else name.encode("utf-8", "surrogateescape")
        if not raw:
            return home or b"."
        return (b"/" if home == b"/" else home + b"/" if home else b"") + raw

    def _shown(self, folder: str) -> str:
        return self._path(folder).decode("utf-8", "replace")

    def _refused(self, status: w.SftpStatus, what: str) -> MistokError:
        host = self._settings.host
        if status.code == w.NO_SUCH_FILE:
            return FolderMissing(
                T("Folder {folder} does not exist on {host}.", folder=what, host=host),
                hint=T("Make it on the server, or mend root or folder in the config."),
            )
        if status.code in (w.PERMISSION_DENIED, w.UNSUPPORTED):
            return Refused(
                T("{host} refuses {path}: {words}", host=host, path=what, words=status.words),
                hint=T("Ask the server's admin for the right to do this as user {user}.", user=self._settings.user),
            )
        return Transient(
            T("{host} failed at {path}: {words}", host=host, path=what, words=status.words),
            hint=T("It is tried again; when it goes on, look at the server: is its disk full, is the file locked?"),
        )

    # --- reading -------------------------------------------------------------------------------------------------

    def _read_group(self, group: Sequence[RemoteFile], into: Path, limit: int) -> Iterator[ReadResult]:
        """Read them. Those under way when a session breaks are suspects: they are read once more on a new session, one
        by one, so that a file which kills the connection spoils only itself. Those that the server would not open
        beside so many others are read again with fewer at once."""
        left = dict(enumerate(group))
        suspects: Sequence[int] = ()
        closed: set[int] = set()  # files that the server did not open when there were more at once
        in_flight = self._in_flight
        while left:
            batch = {number: left[number] for number in suspects if number in left} or dict(left)
            began: Numbers = []
            at_once = 1 if suspects else in_flight
            refused: set[int] = set()
            try:
                wire = self._wire()
                for number, outcome in self._results(wire, self._reads(batch, into, limit, began, wire.chunk), at_once):
                    if isinstance(outcome.error, _NotOpened) and at_once > 1:
                        refused.add(number)
                        continue
                    if number in closed and outcome.error is None:
                        self._in_flight = in_flight  # it was the crowd, and would be again
                    del left[number]
                    yield outcome
                suspects = ()
                if refused:
                    closed, in_flight = refused, max(1, in_flight // 4)
            except MistokError as error:
                self.close()
                if not began:  # no connection at all: nothing of the rest can be read now
                    yield from (common.failed(file, error) for file in left.values())
                    return
                for number in began:
                    if number in left and number in suspects:
                        yield common.failed(left.pop(number), error)
                suspects = [number for number in (*suspects, *began) if number in left]

    def _reads(
        self, batch: dict[int, RemoteFile], into: Path, limit: int, began: Numbers, chunk: int
    ) -> Iterator[tuple[object, w.Task[ReadResult], int]]:
        for number, file in batch.items():
            began.append(number)
            yield number, self._read(file, into, limit, chunk), min(file.size, READ_AHEAD) + 1

    def _results(
        self, wire: w.Wire, tasks: Iterable[tuple[object, w.Task[ReadResult], int]], in_flight: int
    ) -> Iterator[tuple[int, ReadResult]]:
        """All results, then the failure if there was one: while the caller works on them nothing is in flight."""
        results: list[tuple[int, ReadResult]] = []

        def drive() -> None:
            for key, result in wire.run_many(tasks, in_flight=in_flight, budget=BUDGET):
                assert isinstance(key, int)
                results.append((key, result))

        failure: MistokError | None = None
        try:
            with said(self._settings):
                self._spoken(drive)
        except MistokError as error:
            failure = error
        yield from results
        if failure:
            raise failure

    def _read(self, file: RemoteFile, into: Path, limit: int, chunk: int) -> w.Task[ReadResult]:
        if error := common.unusable(file):
            return common.failed(file, error)
        path = self._path(file.folder, common.wire_name(file))
        handle, result, begun = b"", None, False
        kept: bytes | None = None
        copy: Path | None = None
        try:
            (opened,) = yield [w.open_read(path)]
            handle = opened.handle()
            begun, whole = True, None
            if file.size < chunk:
                # answered in this order, and sparing a round trip
                replies = yield [w.read(handle, 0, file.size + 1), w.fstat(handle), w.close(handle)]
                handle = b""
                data, attributes = replies[0].data(), replies[1].attributes()
                if len(data) >= file.size or attributes.size != file.size:
                    whole = len(data), hashlib.sha256(data).hexdigest(), attributes
                    if file.size <= limit:
                        kept = data
                    else:
                        copy = common.local_copy(into)
                        copy.write_bytes(data)
                else:  # the server gives a file in smaller pieces
                    (opened,) = yield [w.open_read(path)]
                    handle = opened.handle()
            if whole is None:
                copy = common.local_copy(into)
                with copy.open("wb") as target:
                    whole = yield from fetch(handle, file.size, target, chunk)
                yield [w.close(handle)]
                handle = b""
            size, digest, attributes = whole
            if error := common.altered(file, max(size, attributes.size or 0), moment(attributes)):
                return common.failed(file, error)
            if size != file.size:
                return common.failed(file, common.short(file.name, file.size, size))
            result = ReadResult(file, copy, size, digest, data=kept)
        except w.SftpStatus as status:
            if handle:
                yield [w.close(handle)]
            if status.code == w.NO_SUCH_FILE:
                return common.failed(file, common.vanished(file))
            error = self._refused(status, path.decode("utf-8", "replace"))
            if status.code == w.FAILURE and not begun:
                error = _NotOpened(findings=error.findings)
            return common.failed(file, error)
        except OSError as problem:
            if handle:
                yield [w.close(handle)]
            return common.failed(file, common.disk(copy or into, problem))
        finally:
            if result is None and copy is not None:  # also when the session died under it
                copy.unlink(missing_ok=True)
        return result

    # --- tasks ---------------------------------------------------------------------------------------------------

    def _list(self, folder: str) -> w.Task[Sequence[RemoteFile]]:
        found: list[RemoteFile] = []
        for raw, long_name, attributes in (yield from self._entries(folder)):
            if is_kind(attributes, long_name, stat.S_ISREG, (b"d", b"l"), listed=False):
                name, kept = common.decode_name(raw)
                found.append(RemoteFile(folder, name, attributes.size or 0, moment(attributes), kept))
        return found

    def _entries(self, folder: str) -> w.Task[Sequence[tuple[bytes, bytes, w.Attributes]]]:
        far = self._session is not None and self._session.wire.quickest > FAR
        return (yield from entries(self._path(folder), far=far))

    def _folders(self, folder: str) -> w.Task[Sequence[str]]:
        return [
            common.decode_name(raw)[0]
            for raw, long_name, attributes in (yield from self._entries(folder))
            if is_kind(attributes, long_name, stat.S_ISDIR, (b"d",), listed=True)
        ]

    def _put(self, path: bytes, source: Path | bytes, size: int, folder: str) -> int:
        """Send ``source`` to the partial file at ``path``: a large one to a far server over several channels, where it
        allows them. Gives its size as the server tells it."""
        wire = self._wire()
        if self._settings.channels > 1 and not self._alone and size >= WIDE and wire.quickest > FAR:
            try:
                return self._put_wide(wire, path, source, size, folder)
            except MistokError:
                self._alone = True  # whatever it was: over one channel it works, or says what it is
        return self._run(self._upload(path, Pieces(source, size, self._wire().chunk)), folder)

    def _put_wide(self, wire: w.Wire, path: bytes, source: Path | bytes, size: int, folder: str) -> int:
        session, settings = self._session, self._settings
        assert session is not None
        pieces, told = Pieces(source, size, wire.chunk), threading.Lock()

        def drive(lane: w.Wire, task: w.Task[int]) -> int:
            with said(settings):
                sent = self._spoken(lambda: lane.run(task))
            session.give(lane)
            return sent

        def call() -> w.Wire | None:
            try:
                return session.lane(settings)
            except Exception as error:  # noqa: BLE001 - whatever hinders one more channel, the first one is there
                with told:
                    first, self._alone = not self._alone, True
                if first:
                    log.info("fewer_channels", connection=self.name, words=str(error))
                return None

        lanes = Lanes(path, pieces, call, drive, settings.channels - 1)
        try:
            return self._run(self._upload(path, pieces, lanes), folder)
        except BaseException:
            pieces.stopped = True
            self.close()  # which ends what the others are at
            with suppress(Exception):
                lanes.join(_MOMENT)
            raise

    def _write_together(self, uploads: Sequence[Upload]) -> Iterator[Written]:
        """Small files side by side. Those that were not written for a reason that may pass get a second chance, on a
        new session or beside fewer others."""
        left = dict(enumerate(uploads))
        for at_once in (min(WRITES, self._in_flight), 1):
            results: dict[int, Written] = {}
            broken: MistokError | None = None
            try:
                with said(self._settings):
                    wire = self._wire()
                    weights = {number: common.size_if_any(upload.source) + 1 for number, upload in left.items()}
                    tasks = [(at, self._store(upload, wire.chunk), weights[at]) for at, upload in left.items()]
                    self._spoken(lambda: _collect(wire, tasks, at_once, left, results))  # noqa: B023 - called at once
            except MistokError as error:
                self.close()
                broken = error
            for number, written in results.items():
                if isinstance(written.error, Transient) and at_once > 1:
                    left[number] = written.upload
                else:
                    yield written
            if not left:
                return
        for upload in left.values():
            assert broken is not None
            yield Written(upload, error=broken)

    def _store(self, upload: Upload, chunk: int) -> w.Task[Written]:
        """As :meth:`write`, as one task; an error is a result."""
        folder = upload.folder
        partial = b""
        try:
            folder, name, path, target, backup = self._places(folder, upload.name)
            expected = common.source_size(upload.source)
            yield from self._swap.undo(target, backup)
            partial = path
            size = yield from self._upload(partial, Pieces(upload.source, expected, chunk))
            if size != expected or common.source_size(upload.source) != expected:
                raise common.short(name, expected, size)
            seen = yield from self._swap.replace(partial, target, backup)
            size = seen.size if seen.size is not None else size
            return Written(upload, RemoteFile(folder, name, size, moment(seen)))
        except (w.SftpStatus, MistokError) as problem:
            error = problem if isinstance(problem, MistokError) else self._refused(problem, self._shown(folder))
            if partial:
                with suppress(w.SftpStatus):
                    yield from self._swap.undo(target, backup)
                yield [w.simple(w.REMOVE, partial)]
            return Written(upload, error=error)

    def _places(self, folder: str, name: str) -> tuple[str, str, bytes, bytes, bytes]:
        """Folder and name cleaned, and the paths of the partial file, of the file, and of the old one in a swap."""
        folder, name = common.clean_folder(folder), common.clean_name(name)
        partial, backup = common.partial_name(name), common.partial_name(name, common.BACKUP)
        return folder, name, self._path(folder, partial), self._path(folder, name), self._path(folder, backup)

    def _upload(self, path: bytes, pieces: Pieces, lanes: Lanes | None = None) -> w.Task[int]:
        (opened,) = yield [w.open_write(path)]
        handle = opened.handle()
        try:
            if lanes:
                lanes.start()
            sent = yield from send(handle, pieces)
            if lanes:
                sent += lanes.join()
            (seen,) = yield [w.fstat(handle)]
            size = seen.attributes().size
        except (w.SftpStatus, MistokError):
            yield [w.close(handle)]
            raise
        yield from checked([w.close(handle)])
        # what is told is never what was expected when anything is amiss: not all sent, or another size over there
        return sent if size is None or sent != pieces.size else size

    def _outcomes(self, files: Iterable[RemoteFile], act: _Each, in_flight: int = 0) -> Sequence[FileOutcome]:
        results: dict[int, FileOutcome] = {}
        at_once = in_flight or self._in_flight
        left = dict(enumerate(files))
        order = list(left)
        again = True
        while left:
            try:
                with said(self._settings):
                    wire = self._wire()
                    tasks = ((number, act(file), 1) for number, file in list(left.items()))
                    self._spoken(lambda: _collect(wire, tasks, at_once, left, results))  # noqa: B023 - called at once
            except MistokError as error:
                self.close()
                if not again:
                    results.update({number: common.undone(file, error) for number, file in left.items()})
                    break
                again = False
        return [results[number] for number in order]

    def _delete(self, file: RemoteFile) -> w.Task[FileOutcome]:
        if error := common.unusable(file):
            return common.undone(file, error)
        path = self._path(file.folder, common.wire_name(file))
        (seen,) = yield [w.simple(w.LSTAT, path)]
        try:
            attributes = seen.attributes()
            if changed := common.altered(file, attributes.size, moment(attributes)):
                return common.undone(file, changed)
            (reply,) = yield [w.simple(w.REMOVE, path)]
            reply.check()
        except w.SftpStatus as status:
            return (yield from self._not_done(file, status, path))
        return FileOutcome(file, done=True)

    def _move(self, file: RemoteFile, to: str) -> w.Task[FileOutcome]:
        if error := common.unusable(file):
            return common.undone(file, error)
        raw = common.wire_name(file)
        path = self._path(file.folder, raw)
        (seen,) = yield [w.simple(w.LSTAT, path)]
        try:
            attributes = seen.attributes()
            if changed := common.altered(file, attributes.size, moment(attributes)):
                return common.undone(file, changed)
            for name in common.twins(raw.decode("utf-8", "surrogateescape")):
                target = self._path(to, name)
                (there,) = yield [w.simple(w.LSTAT, target)]
                if not failed(there):
                    continue
                (moved,) = yield [w.rename(path, target)]
                (there,) = yield [w.simple(w.LSTAT, target)]
                if failed(moved) and not failed(there):
                    continue  # another one took the name between look and rename
                moved.check()
                return FileOutcome(file, done=True)
        except w.SftpStatus as status:
            return (yield from self._not_done(file, status, path))
        return common.undone(file, common.no_free_name(file, to))

    def _not_done(self, file: RemoteFile, status: w.SftpStatus, path: bytes) -> w.Task[FileOutcome]:
        if status.code == w.NO_SUCH_FILE:
            (home,) = yield [w.simple(w.STAT, self._path(file.folder))]
            if not failed(home):
                return FileOutcome(file, done=True, gone=True)
            return common.undone(file, self._refused(status, self._shown(file.folder)))
        return common.undone(file, self._refused(status, path.decode("utf-8", "replace")))

    def _probe(self, folder: str, listed: Sequence[RemoteFile]) -> w.Task[Capabilities]:
        one = common.probe_name()
        return probe(
            Probed(
                folder=self._path(folder),
                files=(self._path(folder, one), self._path(folder, one + "-2")),
                shown=self._shown(folder),
                host=self._settings.host,
                user=self._settings.user,
                server=self._session.server if self._session else "",
                extensions=tuple(sorted(name.decode("utf-8", "replace") for name in self._wire().extensions)),
                times=any(file.modified for file in listed),
            )
        )


def _collect(
    wire: w.Wire,
    tasks: Iterable[tuple[object, w.Task[R], int]],
    in_flight: int,
    left: dict[int, U],
    results: dict[int, R],
) -> None:
    for key, result in wire.run_many(tasks, in_flight=in_flight, budget=BUDGET):
        assert isinstance(key, int)
        results[key] = result
        del left[key]


_: type[Transport] = SftpTransport
