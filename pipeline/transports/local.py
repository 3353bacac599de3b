"""Folders of this machine, or of a share that it has mounted."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from pipeline.errors import Finding, FolderMissing, MistokError, Refused, Transient, Who, system_words
from pipeline.ports import Capabilities, FileOutcome, ReadResult, RemoteFile, Transport
from pipeline.pouring import FULL, poured
from pipeline.settings import Settings
from pipeline.texts import T
from pipeline.transports import common

R = TypeVar("R")

#: Windows says these while a scanner or another program holds the file: sharing and lock violations.
_BUSY = (32, 33)
_NOT_EMPTY = 145  #: ERROR_DIR_NOT_EMPTY
_PATIENCE = (0.05, 0.2, 0.5)


class LocalSettings(Settings):
    """A folder of this machine."""

    path: Path
    """Folder, relative to the config file."""
    create: bool = False
    """Make the folder when it is missing."""


class LocalTransport:
    """See :class:`pipeline.ports.Transport`. Symbolic links are not followed: nothing outside is reached."""

    def __init__(self, name: str, settings: LocalSettings, *, base: Path) -> None:
        self.name = name
        self.root = Path(os.path.normpath(base / settings.path.expanduser()))
        self._create = settings.create
        self._inside: dict[str, tuple[int, int]] = {}  #: folders that were seen to lie below the root: device, inode

    def list(self, folder: str) -> Sequence[RemoteFile]:
        folder = common.clean_folder(folder)
        found: list[RemoteFile] = []
        with self._said(folder), os.scandir(self._folder(folder)) as entries:
            for entry in entries:
                try:
                    if not entry.is_file(follow_symlinks=False):
                        continue
                    # not entry.stat(): Windows fills that from the directory, which lags behind a growing file
                    status = Path(entry.path).lstat()
                except FileNotFoundError:
                    continue  # it went away while we looked, as if it had gone before
                found.append(_remote(folder, entry.name, status))
        return found

    def read_many(self, files: Iterable[RemoteFile], into: Path) -> Iterator[ReadResult]:
        return self.read_small(files, into, -1)  # not even an empty one

    def read_small(self, files: Iterable[RemoteFile], into: Path, limit: int) -> Iterator[ReadResult]:
        for file in files:
            yield self._read(file, None if file.size <= limit else common.local_copy(into))

    def _read(self, file: RemoteFile, copy: Path | None) -> ReadResult:
        """``copy``: where its bytes go; None: into memory."""
        try:
            with self._said(file.folder, file):
                return _patiently(lambda: self._fetch(file, copy))
        except MistokError as error:
            if copy is not None:
                with suppress(FileNotFoundError):
                    copy.unlink()
            return common.failed(file, error)

    def _fetch(self, file: RemoteFile, copy: Path | None) -> ReadResult:
        path = self._path(file)
        digest, size, data = hashlib.sha256(), 0, None
        with path.open("rb", buffering=0) as source:
            if not stat.S_ISREG(path.lstat().st_mode):
                raise common.vanished(file)
            if copy is None:
                pieces = []
                while size <= file.size and (piece := source.read(file.size + 1 - size)):
                    pieces.append(piece)
                    size += len(piece)
                data = b"".join(pieces)
                digest.update(data)
            else:
                with copy.open("wb") as target:
                    while size <= file.size and (piece := source.read(common.CHUNK)):
                        digest.update(piece)
                        size += target.write(piece)
            status = os.fstat(source.fileno())
        if error := common.altered(file, max(size, status.st_size), common.from_epoch(status.st_mtime)):
            raise error
        if size != file.size:
            raise common.short(file.name, file.size, size)
        return ReadResult(file, copy, size, digest.hexdigest(), data=data)

    def write(self, folder: str, name: str, source: Path | bytes) -> RemoteFile:
        folder, name = common.clean_folder(folder), common.clean_name(name)
        with self._said(folder):
            home = self._folder(folder)
            if not home.is_dir():
                raise FileNotFoundError(errno.ENOENT, "no such folder")
            partial, target = home / common.partial_name(name), home / name
            try:
                with partial.open("wb") as stream:
                    if isinstance(source, bytes) or not poured(source, stream):
                        for piece in common.source_chunks(source):
                            stream.write(piece)
                    stream.flush()
                    os.fsync(stream.fileno())
                size, expected = partial.stat().st_size, common.source_size(source)
                if size != expected:
                    raise common.short(name, expected, size)  # noqa: TRY301 - the partial is removed below
                _patiently(lambda: partial.replace(target))
            except BaseException:
                with suppress(OSError):
                    partial.unlink()
                raise
            sync_folder(home)
            return _remote(folder, name, target.lstat())

    def delete_many(self, files: Iterable[RemoteFile]) -> Sequence[FileOutcome]:
        return [self._each(file, Path.unlink) for file in files]

    def move_many(self, files: Iterable[RemoteFile], to: str) -> Sequence[FileOutcome]:
        self.make_folder(to)
        home = self._folder(common.clean_folder(to))

        def move(path: Path) -> None:
            for name in common.twins(path.name):
                if _moved(path, home / name):
                    return
            raise OSError(errno.EEXIST, "every name is taken")

        return [self._each(file, move) for file in files]

    def _each(self, file: RemoteFile, act: Callable[[Path], None]) -> FileOutcome:
        try:
            with self._said(file.folder, file):
                path = self._path(file)
                try:
                    status = path.lstat()
                    if error := common.altered(file, status.st_size, common.from_epoch(status.st_mtime)):
                        return common.undone(file, error)
                    _patiently(lambda: act(path))
                except FileNotFoundError:
                    if not self._folder(file.folder).is_dir():
                        raise  # an unmounted share is not an empty one
                    return FileOutcome(file, done=True, gone=True)
        except MistokError as error:
            return common.undone(file, error)
        return FileOutcome(file, done=True)

    def make_folder(self, folder: str) -> None:
        folder = common.clean_folder(folder)
        with self._said(folder):
            if folder and not self._create and not self.root.is_dir():
                raise FileNotFoundError(errno.ENOENT, "no such folder")
            self._folder(folder).mkdir(parents=True, exist_ok=True)

    def folders(self, folder: str) -> Sequence[str]:
        folder = common.clean_folder(folder)
        with self._said(folder), os.scandir(self._folder(folder)) as entries:
            return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]

    def remove_folder(self, folder: str) -> None:
        folder = common.removable(folder)
        try:
            with self._said(folder):
                _patiently(lambda: self._remove(self._folder(folder)))
        except FolderMissing:
            return

    def _remove(self, path: Path) -> None:
        try:
            path.rmdir()
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST) and getattr(error, "winerror", None) != _NOT_EMPTY:
                raise
            raise common.not_empty(str(path)) from error

    def probe(self, folder: str) -> Capabilities:
        self.list(folder)
        home = self._folder(common.clean_folder(folder))
        path = home / common.probe_name()
        other = path.with_name(path.name + "-2")
        findings: list[Finding] = []

        def tried(act: Callable[[], object], word: str) -> bool:
            try:
                act()
            except OSError as error:
                findings.append(
                    Finding(
                        f"rights-{word}",
                        T(
                            "{folder}: {act} is refused: {words}",
                            folder=str(home),
                            act=common.ACTS[word],
                            words=system_words(error),
                        ),
                        hint=T("Give the account that Mistok runs under this right on the folder."),
                        who=Who.ADMIN,
                    )
                )
                return False
            return True

        write = tried(lambda: path.write_bytes(b"mistok"), "write")
        rename = over = delete = None
        if write:
            rename = tried(lambda: path.replace(other), "rename")
            if rename:
                path.write_bytes(b"mistok 2")
                over = tried(lambda: path.replace(other), "rename-over")
            delete = tried((other if rename else path).unlink, "delete")
            for left in (path, other):
                with suppress(OSError):
                    left.unlink()
        return Capabilities(
            listing=True,
            write=write,
            rename=rename,
            rename_over=over,
            rename_by="rename" if over else "",
            delete=delete,
            exact_times=True,
            server=str(home),
            round_trip=common.median_time(home.stat),
            findings=tuple(findings),
        )

    def local_path(self, folder: str) -> Path | None:
        return self._folder(common.clean_folder(folder))

    def close(self) -> None:
        """Nothing is held."""

    def _folder(self, folder: str) -> Path:
        folder = common.clean_folder(folder)
        if self._create and not self.root.exists():
            self.root.mkdir(parents=True, exist_ok=True)
        path = self.root / folder
        if folder:
            self._stays_inside(folder, path)
        return path

    def _stays_inside(self, folder: str, path: Path) -> None:
        """Raises Refused when a link leads out of the root. Asked for every file: a folder that still is the very one
        that was found inside need not be followed through all of its links again."""
        known = self._inside.get(folder)
        if known is not None:
            with suppress(OSError):
                status = path.stat()
                if (status.st_dev, status.st_ino) == known:
                    return
        real, root = Path(os.path.realpath(path)), Path(os.path.realpath(self.root))
        if real != root and root not in real.parents:
            raise Refused(
                T("Folder {folder} is a link that leads out of {root}.", folder=folder, root=str(self.root)),
                hint=T("Put a real folder there, or a connection of its own on the place that it leads to."),
            )
        self._inside.pop(folder, None)
        with suppress(OSError):
            status = real.lstat()
            if stat.S_ISDIR(status.st_mode) and status.st_ino:  # some shares number nothing
                self._inside[folder] = (status.st_dev, status.st_ino)

    def _path(self, file: RemoteFile) -> Path:
        if error := common.unusable(file):
            raise error
        if os.name == "nt" and ("\\" in file.name or ":" in file.name):
            raise Refused(T("{name} cannot be a file name on Windows.", name=repr(file.name)))
        return self._folder(file.folder) / os.fsdecode(common.wire_name(file))

    def _said(self, folder: str, file: RemoteFile | None = None) -> _Said:
        return _Said(self.root, folder, file)


class _Said:
    """Turns the system's errors into ours."""

    def __init__(self, root: Path, folder: str, file: RemoteFile | None) -> None:
        self._place, self._file = (root, folder), file

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, OSError):
            raise self._ours(error) from error

    def _ours(self, error: OSError) -> MistokError:
        home = self._place[0] / self._place[1]
        file, folder = self._file, str(home)
        if isinstance(error, (FileNotFoundError, NotADirectoryError)):
            if file and home.is_dir():
                return common.vanished(file)
            return FolderMissing(
                T("Folder {folder} does not exist.", folder=folder),
                hint=T("Make it, or mend path or folder in the config; for a share, see whether it is mounted."),
            )
        what = str(home / file.name) if file else folder
        if _busy(error):
            return Transient(
                T("{path} is held by another program: {words}", path=what, words=system_words(error)),
                hint=T("It is tried again; when it goes on, see which program (antivirus, editor) holds it."),
            )
        if error.errno in FULL:
            return Transient(
                T("The disk is full: {path} was not written.", path=what), hint=T("Make room; nothing was lost.")
            )
        if isinstance(error, PermissionError) or error.errno in (errno.EROFS, errno.EEXIST):
            return Refused(
                T("{path} is refused: {words}", path=what, words=system_words(error)),
                hint=T("Give the account that Mistok runs under the right to do this."),
            )
        return Transient(T("{path} could not be used: {words}", path=what, words=system_words(error)))


def sync_folder(path: Path) -> None:
    """Make the names in ``path`` durable, where the system knows how (Windows does so by itself)."""
    if os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        # shares say so when they cannot; their own server is then the one that keeps the promise
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)


def _moved(path: Path, target: Path) -> bool:
    """Whether ``path`` now is ``target``; False when that name was taken. A hard link decides, so that of two movers
    only one gets the name; file systems without links fall back to a look before the rename."""
    if os.name == "nt":
        try:
            path.rename(target)  # refuses an existing name on Windows
        except FileExistsError:
            return False
        return True
    try:
        os.link(path, target, follow_symlinks=False)
    except FileExistsError:
        return False
    except (PermissionError, OSError) as error:
        if isinstance(error, FileNotFoundError) or error.errno not in (
            errno.EPERM,
            errno.ENOTSUP,
            errno.ENOSYS,
            errno.EXDEV,
            errno.EMLINK,
        ):
            raise
        if os.path.lexists(target):
            return False
        path.rename(target)
        return True
    path.unlink()
    return True


def _patiently(act: Callable[[], R]) -> R:
    for pause in _PATIENCE:
        try:
            return act()
        except OSError as error:
            if not _busy(error):
                raise
        time.sleep(pause)
    return act()


def _busy(error: OSError) -> bool:
    return getattr(error, "winerror", None) in _BUSY or error.errno in (errno.EBUSY, errno.EAGAIN)


def _remote(folder: str, name: str, status: os.stat_result) -> RemoteFile:
    raw = os.fsencode(name)
    shown, raw_kept = common.decode_name(raw)
    return RemoteFile(folder, shown, status.st_size, common.from_epoch(status.st_mtime), raw_kept)


_: type[Transport] = LocalTransport
