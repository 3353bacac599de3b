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
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline.archive.journal import Entry, Journal
from pipeline.archive.names import names_for, safe_name
from pipeline.archive.syncing import Syncing
from pipeline.errors import MistokError, Transient, system_words
from pipeline.texts import T

_BLOCK = 1 << 20
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
        self._objects = str(root / "objects")
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
            with Syncing(self._partial_folder()) as disk:
                while True:
                    copies = self._kept_and_shown(items, disk)
                    written = self._enter(items, copies) if copies is not None else None
                    if copies is not None and written is not None:
                        break
                    # some were here from long ago, and retention has dropped them between our look and now
                self._sync_folders({copy.view.parent for copy in copies}, disk, written)
        except OSError as error:
            raise _trouble(error, self.root) from error
        return copies

    def _kept_and_shown(self, items: Sequence[ArchiveItem], disk: Syncing) -> list[ArchiveCopy] | None:
        """The copies, read back; None when one of them is gone again."""
        hashes = self._store([item.path for item in items], disk)
        copies = []
        for item, (sha, size) in zip(items, hashes, strict=True):
            path = self._object(sha)
            try:
                found, data = _read_back(str(path))
                if found == sha:
                    copies.append(ArchiveCopy(sha, size, path, self._show(item, sha, data)))
                    continue
            except FileNotFoundError:
                if path.exists():
                    raise
                return None
            raise MistokError(
                T("The archive copy {name} does not read back as written.", name=sha),
                code="archive",
                hint=T("Check the disk of the archive; nothing was deleted on the server."),
            )
        return copies

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
            raise self._unsound(sha256)
        return data

    def _unsound(self, sha256: str) -> MistokError:
        return MistokError(
            T("The archive has no sound copy of {name}.", name=sha256),
            code="archive",
            hint=T("Restore the archive's folder {folder} from a backup.", folder=str(self.root)),
        )

    def sound(self, sha256: str) -> Path:
        """Where the bytes of a hash lie, for what is read in pieces. Raises MistokError as :meth:`read` does."""
        if not self.verify(sha256):
            raise self._unsound(sha256)
        return self._object(sha256)

    def verify(self, sha256: str) -> bool:
        """Read the copy again and compare its hash."""
        try:
            return _read_back(self._name(sha256))[0] == sha256
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
            with Syncing(partial.parent) as disk:
                return digest(partial) == sha256 and bool(self._store([partial], disk)) and self.verify(sha256)
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
        return Path(self._name(sha256))

    def _name(self, sha256: str) -> str:
        return f"{self._objects}{os.sep}{sha256[:2]}{os.sep}{sha256}"

    def _store(self, sources: Sequence[Path], disk: Syncing) -> list[tuple[str, int]]:
        """Hash and size of each; their bytes are on the disk under their hashes when this returns."""
        stored: list[tuple[str, int]] = []
        partials: dict[str, str] = {}
        partial_folder = str(self._partial_folder())
        folders: dict[str, Path] = {}
        try:
            for source in sources:
                sha, data = _read_back(str(source))
                stored.append((sha, len(data) if data is not None else source.stat().st_size))
                if sha in partials:
                    continue
                if sha[:2] not in folders:
                    folders[sha[:2]] = self._object(sha).parent
                    folders[sha[:2]].mkdir(parents=True, exist_ok=True)
                if not self.verify(sha):
                    partials[sha] = f"{partial_folder}{os.sep}{uuid.uuid4().hex}"
                    _write_read_only(data, source, partials[sha])
            if os.name == "nt":  # it syncs no file that is read-only
                for partial in partials.values():
                    _finish(Path(partial))
            else:
                disk.sync(list(map(Path, partials.values())))
            for sha, partial in list(partials.items()):
                target = self._object(sha)
                # A copy that is there but unsound (a broken disk) is set aside under another name, never overwritten.
                if target.exists():
                    if self.verify(sha):
                        continue  # another process was quicker
                    target.rename(target.with_name(f"{sha}.unsound-{uuid.uuid4().hex[:8]}"))
                Path(partial).rename(target)
                del partials[sha]
        finally:
            for partial in partials.values():
                remove(Path(partial))
        # also of copies that were there already: whoever put them there may have been killed before this
        self._sync_folders(folders.values(), disk)
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

    def _sync_folders(self, folders: Iterable[Path], disk: Syncing, files: Collection[Path] = ()) -> None:
        """Their names, and those of the folders above them, which may be as new; with them the bytes of ``files``."""
        if os.name == "nt":
            disk.sync(files)
            return  # NTFS keeps names in its journal; a folder cannot be opened for syncing there
        above = {
            parent for folder in (*folders, *(file.parent for file in files)) for parent in (folder, *folder.parents)
        }
        within = [folder for folder in above if folder.is_relative_to(self.root)]
        if not self._rooted:
            within += self._above_root()
        disk.sync([*files, *within])
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

    def _show(self, item: ArchiveItem, sha256: str, data: bytes | None) -> Path:
        """The name in the view; ``data`` are the bytes, unless they are many."""
        folder = self.root / "view" / item.at.strftime("%Y-%m-%d") / safe_name(item.client)
        partial = self.root / "partial" / uuid.uuid4().hex
        written = False
        try:
            for path in names_for(folder, safe_name(item.name)):
                if path.exists():
                    if path.is_file() and digest(path) == sha256:
                        return path
                    continue  # another file of this name, or this one after somebody edited it
                if not written:
                    folder.mkdir(parents=True, exist_ok=True)
                    if data is None:
                        _copy(self._object(sha256), partial)
                    else:
                        partial.write_bytes(data)
                    written = True
                if _named(partial, path):
                    return path
        finally:
            if written:
                partial.unlink(missing_ok=True)
        raise AssertionError("unreachable: the names never end")


def _read_back(path: str) -> tuple[str, bytes | None]:
    """The hash of a file, and its bytes unless they are many."""
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - called for every copy again and again: the quicker one
        if os.fstat(file.fileno()).st_size > _BLOCK:
            return hashlib.file_digest(file, "sha256").hexdigest(), None
        data = file.readall()
        return hashlib.sha256(data).hexdigest(), data


def _write_read_only(data: bytes | None, source: Path, target: str) -> None:
    """A new file of these bytes, or those of ``source``, that nobody writes to any more."""
    # opened for writing by us alone: the rights are for whoever opens it next; Windows gives them when it is synced
    rights = 0o666 if os.name == "nt" else 0o444
    writer = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), rights)
    with os.fdopen(writer, "wb") as sink:
        if data is not None:
            sink.write(data)
        else:
            with source.open("rb") as reader:
                shutil.copyfileobj(reader, sink, _BLOCK)


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
