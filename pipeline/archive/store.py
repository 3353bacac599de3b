"""The copies: every file ever fetched or published, named by its SHA-256, written once, never changed.

``objects/ab/abcdef…`` holds the bytes, read-only; ``view/2026-11-22/client/name`` is a second copy under a name for
people, who may open, edit or delete it as they like: no link leads from it to the bytes that are kept. (Where the disk
can share blocks until one side is changed, as Btrfs and XFS can, the second copy takes no room.) ``index`` is the
journal: what each copy is, where it came from and when. A file counts as kept only after its object was synced to disk
and read back, and its line of the journal was written. Only these two are promised: files of the view are not synced
one by one, and after a power cut one may be missing or empty.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
import stat
import sys
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline.archive.journal import Entry, Journal
from pipeline.archive.names import names_for, safe_name
from pipeline.errors import MistokError, Transient, system_words
from pipeline.texts import T

_BLOCK = 1 << 20
SYNCS = 8  #: at once
#: A share's own server syncs what it takes; asked to sync a folder, it says one of these.
_NO_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_LEFT_BEHIND = 86_400  #: seconds after which a file that nobody finished is surely nobody's


@dataclass(frozen=True, slots=True)
class ArchiveItem:
    """A local file to keep: where it lies, and the name people know it by."""

    path: Path
    name: str
    client: str
    at: datetime  #: aware, in the client's zone: its date names the view's folder
    direction: str = "in"  #: in: it came; out: it is published
    connection: str = ""
    folder: str = ""
    modified: datetime | None = None  #: aware; as the server said
    raw: bytes | None = None  #: the name on the wire where it is not UTF-8 of ``name``
    job: str = ""
    rows: int | None = None  #: products in a published catalogue


@dataclass(frozen=True, slots=True)
class ArchiveCopy:
    """A kept file: its hash, where its bytes lie, and its name in the view."""

    sha256: str
    size: int
    path: Path
    view: Path


class Archive:
    """Copies under ``root``. Every method is safe to repeat and safe beside another process."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.journal = Journal(root)
        self._rooted = False

    def keep(self, path: Path, *, client: str, name: str, at: datetime, **more: Any) -> ArchiveCopy:
        """Keep one file; ``more`` as in ArchiveItem.

        Raises Transient when the disk is full or unreachable; nothing half-written is ever named.
        """
        return self.keep_many([ArchiveItem(path, name, client, at, **more)])[0]

    def keep_many(self, items: Sequence[ArchiveItem]) -> list[ArchiveCopy]:
        """Keep files, synced together and read back: when this returns, copies and journal survive a power cut.

        Raises Transient (disk full, unreachable) or MistokError when a copy does not read back as written.
        """
        try:
            self._sweep()
            while True:
                copies = self._kept_and_shown(items)
                written = self._enter(items, copies) if copies is not None else None
                if copies is not None and written is not None:
                    break
                # some were here from long ago, and retention has dropped them between our look and now
            self._sync_folders({copy.view.parent for copy in copies}, written)
        except OSError as error:
            raise _trouble(error, self.root) from error
        return copies

    def _kept_and_shown(self, items: Sequence[ArchiveItem]) -> list[ArchiveCopy] | None:
        """The copies, read back; None when one of them is gone again."""
        hashes = self._store([item.path for item in items])
        for sha, _size in hashes:
            if not self.verify(sha):
                if not self._object(sha).exists():
                    return None
                raise MistokError(
                    T("The archive copy {name} does not read back as written.", name=sha),
                    code="archive",
                    hint=T("Check the disk of the archive; nothing was deleted on the server."),
                )
        try:
            return [
                ArchiveCopy(sha, size, self._object(sha), self._show(item, sha))
                for item, (sha, size) in zip(items, hashes, strict=True)
            ]
        except FileNotFoundError:
            if all(self._object(sha).exists() for sha, _size in hashes):
                raise
            return None

    def _enter(self, items: Sequence[ArchiveItem], copies: Sequence[ArchiveCopy]) -> set[Path] | None:
        """Write down what the copies are; gives the journal's files, still to be synced, or None when one is gone.

        From then on nobody drops them: retention looks at the journal under the same lock.
        """
        with self.journal.locked():
            if not all(copy.path.is_file() for copy in copies):
                return None
            entries = [self._entry(item, copy) for item, copy in zip(items, copies, strict=True)]
            return self.journal.append(entries, sync=False)

    def _entry(self, item: ArchiveItem, copy: ArchiveCopy) -> Entry:
        return Entry(
            sha256=copy.sha256,
            client=item.client,
            at=item.at,
            size=copy.size,
            name=item.name,
            direction=item.direction,
            connection=item.connection,
            folder=item.folder,
            modified=item.modified,
            raw=item.raw.hex() if item.raw is not None else "",
            job=item.job,
            rows=item.rows,
            view=copy.view.relative_to(self.root).as_posix(),
        )

    def identity(self, *, make: bool = True) -> str:
        """Which archive this is: a random name that lies in it. ``make`` False: empty when it has none yet.

        Raises Transient when the disk is full or does not answer.
        """
        path = self.root / "identity"
        try:
            if not path.is_file():
                if not make:
                    return ""
                partial = self._partial_folder() / uuid.uuid4().hex
                try:
                    partial.write_text(uuid.uuid4().hex + "\n", encoding="ascii")
                    _finish(partial)
                    _named(partial, path)  # or another process was quicker
                finally:
                    remove(partial)
            return path.read_text(encoding="ascii").strip()
        except OSError as error:
            raise _trouble(error, self.root) from error

    def find(self, sha256: str) -> Path | None:
        """Where the bytes of a hash lie, or None when they are not here."""
        path = self._object(sha256)
        return path if path.is_file() else None

    def read(self, sha256: str) -> bytes:
        """The bytes of a hash. Raises MistokError when they are not here or have changed."""
        path = self.find(sha256)
        data = path.read_bytes() if path else b""
        if path is None or hashlib.sha256(data).hexdigest() != sha256:
            raise MistokError(
                T("The archive has no sound copy of {name}.", name=sha256),
                code="archive",
                hint=T("Restore the archive's folder {folder} from a backup.", folder=str(self.root)),
            )
        return data

    def verify(self, sha256: str) -> bool:
        """Read the copy again and compare its hash."""
        path = self._object(sha256)
        try:
            with path.open("rb") as source:
                return hashlib.file_digest(source, "sha256").hexdigest() == sha256
        except FileNotFoundError:
            return False

    def hashes(self) -> Iterator[str]:
        """Every hash that is kept, in order."""
        for folder in sorted((self.root / "objects").glob("??")):
            yield from sorted(path.name for path in folder.iterdir() if re.fullmatch(r"[0-9a-f]{64}", path.name))

    def restore(self, path: Path, sha256: str) -> bool:
        """Put a file's bytes where the copy of this hash is missing or unsound; False when they are not its bytes.

        Raises OSError when the disk is full or does not answer.
        """
        partial = self._partial_folder() / uuid.uuid4().hex
        try:
            _copy(path, partial)
            return digest(partial) == sha256 and bool(self._store([partial])) and self.verify(sha256)
        finally:
            with contextlib.suppress(OSError):  # what went wrong is told by the error before it
                remove(partial)

    def object_of(self, sha256: str) -> Path:
        """Where the bytes of a hash lie when they are here."""
        return self._object(sha256)

    def set_aside(self) -> list[Path]:
        """Copies that were found unsound and put aside when a sound one came."""
        return sorted((self.root / "objects").glob("??/*.unsound-*"))

    def trouble(self, error: OSError) -> Transient:
        """What is said when the disk of the archive does not do what it should."""
        return _trouble(error, self.root)

    def view_of(self, sha256: str) -> list[Path]:
        """The names in the view that lead to these bytes, oldest first."""
        target = self.find(sha256)
        if target is None:
            return []
        size = target.stat().st_size
        return [
            path
            for path in sorted((self.root / "view").glob("*/*/*"))
            if path.stat().st_size == size and digest(path) == sha256
        ]

    def _object(self, sha256: str) -> Path:
        return self.root / "objects" / sha256[:2] / sha256

    def _store(self, sources: Sequence[Path]) -> list[tuple[str, int]]:
        """Hash and size of each; their bytes are on the disk under their hashes when this returns."""
        stored = [(digest(source), source.stat().st_size) for source in sources]
        partials: dict[str, Path] = {}
        partial_folder = self._partial_folder()
        for folder in {self._object(sha).parent for sha, _size in stored}:
            folder.mkdir(parents=True, exist_ok=True)
        try:
            for source, (sha, _size) in zip(sources, stored, strict=True):
                if sha in partials or self.verify(sha):
                    continue
                partials[sha] = partial_folder / uuid.uuid4().hex
                with source.open("rb") as reader, partials[sha].open("xb") as writer:
                    shutil.copyfileobj(reader, writer, _BLOCK)
            _at_once(_finish, partials.values())
            for sha, partial in partials.items():
                target = self._object(sha)
                # A copy that is there but unsound (a broken disk) is set aside under another name, never overwritten.
                if target.exists():
                    if self.verify(sha):
                        continue  # another process was quicker
                    target.rename(target.with_name(f"{sha}.unsound-{uuid.uuid4().hex[:8]}"))
                partial.rename(target)
        finally:
            for partial in partials.values():
                remove(partial)
        # also of copies that were there already: whoever put them there may have been killed before this
        self._sync_folders({self._object(sha).parent for sha, _size in stored})
        return stored

    def _partial_folder(self) -> Path:
        """Where copies are written until they are whole. What a killed run left there is none, and goes after a day."""
        folder = self.root / "partial"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _sweep(self) -> None:
        for path in (self.root / "partial").glob("*"):
            with contextlib.suppress(FileNotFoundError):  # another process is as tidy
                if time.time() - path.stat().st_mtime > _LEFT_BEHIND:
                    remove(path)

    def _sync_folders(self, folders: Iterable[Path], files: Collection[Path] = ()) -> None:
        """Their names, and those of the folders above them, which may be as new; with them the bytes of ``files``."""
        if os.name == "nt":
            _at_once(_sync_file, files)
            return  # NTFS keeps names in its journal; a folder cannot be opened for syncing there
        above = {
            parent for folder in (*folders, *(file.parent for file in files)) for parent in (folder, *folder.parents)
        }
        within = [folder for folder in above if folder.is_relative_to(self.root)]
        if not self._rooted:
            within += self._above_root()
        _at_once(_sync, [*files, *within])
        self._rooted = True

    def _above_root(self) -> Iterator[Path]:
        """Where the root itself, or a folder above it, may be a new name: up to the disk's own first folder."""
        root = self.root.absolute()
        disk = root.stat().st_dev
        for folder in root.parents:
            if folder.stat().st_dev != disk:
                return
            if os.access(folder, os.R_OK):  # one that we may not even read had its names before us
                yield folder

    def _show(self, item: ArchiveItem, sha256: str) -> Path:
        folder = self.root / "view" / item.at.strftime("%Y-%m-%d") / safe_name(item.client)
        folder.mkdir(parents=True, exist_ok=True)
        target = self._object(sha256)
        partial = self._partial_folder() / uuid.uuid4().hex
        try:
            for path in names_for(folder, safe_name(item.name)):
                if path.exists():
                    if path.is_file() and path.stat().st_size == target.stat().st_size and digest(path) == sha256:
                        return path
                    continue  # another file of this name, or this one after somebody edited it
                if not partial.exists():
                    _copy(target, partial)
                if _named(partial, path):
                    return path
        finally:
            partial.unlink(missing_ok=True)
        raise AssertionError("unreachable: the names never end")


def digest(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def _copy(source: Path, target: Path) -> None:
    """The bytes of ``source`` under a new name, with the rights of any new file."""
    with source.open("rb") as reader, target.open("xb") as writer:
        if sys.platform == "linux":
            try:
                # shares the blocks where the disk can
                while os.copy_file_range(reader.fileno(), writer.fileno(), 1 << 30):
                    pass
            except OSError as error:
                if error.errno in _FULL:
                    raise  # every other reason not to (an old kernel, a share) is none against copying by hand
                reader.seek(0)
                writer.seek(0)
                writer.truncate()
        shutil.copyfileobj(reader, writer, _BLOCK)


def _named(partial: Path, path: Path) -> bool:
    """Whether ``partial`` now is ``path``; False when that name was taken: it is never overwritten."""
    if os.name != "nt":
        try:
            # a rename would overwrite
            os.link(partial, path)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno in _FULL or path.exists():
                raise
        else:
            partial.unlink()
            return True
    try:
        partial.rename(path)  # Windows refuses a taken name; disks without links have no better way
    except FileExistsError:
        return False
    return True


def _finish(path: Path) -> None:
    """Nobody writes to it any more, and its bytes are on the disk."""
    # opened for writing: Windows syncs nothing else
    with path.open("r+b") as file:
        path.chmod(stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o444)
        os.fsync(file.fileno())


def remove(path: Path) -> None:
    """Delete one of our own copies, if it is there, also where a read-only file cannot be deleted."""
    try:
        path.unlink(missing_ok=True)
    except PermissionError:
        path.chmod(0o600)
        path.unlink(missing_ok=True)


def _sync_file(path: Path) -> None:
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def _sync(path: Path) -> None:
    if path.is_dir():
        _sync_folder(path)
    else:
        _sync_file(path)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    finally:
        with contextlib.suppress(OSError):
            os.close(descriptor)


def _at_once(sync: Callable[[Path], None], paths: Collection[Path]) -> None:
    """Sync paths side by side: the disk then does in one go what it would do one by one. Raises the first error."""
    if len(paths) < 2:
        for path in paths:
            sync(path)
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(min(SYNCS, len(paths)), "mistok-sync") as pool:
        for _done in pool.map(sync, paths):
            pass


def _trouble(error: OSError, root: Path) -> Transient:
    if error.errno in _FULL:
        return Transient(
            T("The disk of the archive {folder} is full.", folder=str(root)),
            code="disk-full",
            hint=T("Make room; nothing was deleted on the server, and Mistok goes on by itself."),
        )
    return Transient(
        T("The archive {folder} cannot be written: {words}", folder=str(root), words=system_words(error)),
        code="archive",
        hint=T("Check the folder, its rights and its disk."),
    )
