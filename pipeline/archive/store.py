"""The copies: every file ever fetched or published, named by its SHA-256, written once, never changed.

``objects/ab/abcdef…`` holds the bytes, read-only; ``view/2026-11-22/client/name`` is a second copy under a name for
people, who may open, edit or delete it as they like: no link leads from it to the bytes that are kept. (Where the disk
can share blocks until one side is changed, as Btrfs and XFS can, the second copy takes no room.) A file that is ours
alone, and that nobody writes to any more, is not copied where it lies on the same disk: it is given the object's name.
``index`` is the journal: what each copy is, where it came from and when. A file counts as kept only after its object
was synced to disk and read back, and its line of the journal was written. Only these two are promised: files of the
view are not synced one by one, and after a power cut one may be missing or empty.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.archive.disk import (
    BLOCK,
    copy,
    digest,
    finish,
    linked_read_only,
    named,
    new_file,
    read_back,
    remove,
    renamed,
    still_is,
    write_read_only,
)
from pipeline.archive.journal import Entry, Journal
from pipeline.archive.names import names_for, safe_name
from pipeline.archive.syncing import Syncing
from pipeline.errors import MistokError, Transient, system_words
from pipeline.model import quickly_pickled
from pipeline.pouring import FULL
from pipeline.texts import T

#: Bytes of a file that may wait in memory for the others of its batch.
SMALL = 32 * 1024
_LEFT_BEHIND = 86_400  #: seconds after which a file that nobody finished is surely nobody's


@quickly_pickled
@dataclass(frozen=True, slots=True)
class ArchiveItem:
    """A file to keep: where it lies (or its bytes, when it is in memory), and the name people know it by."""

    path: Path | None
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
    data: bytes | None = None  #: its bytes, where it lies nowhere yet
    sha256: str = ""  #: of its bytes, where that is known: they are read back as these, or they are not kept
    left: bool = False  #: nobody writes to the file at ``path`` any more, by no name: it may become the copy itself


@quickly_pickled
@dataclass(frozen=True, slots=True)
class ArchiveCopy:
    """A kept file: its hash, where its bytes lie, and its name in the view (both also as texts)."""

    sha256: str
    size: int
    place: str
    shown: str

    @property
    def path(self) -> Path:
        """Where its bytes lie."""
        return Path(self.place)

    @property
    def view(self) -> Path:
        """Its name in the view."""
        return Path(self.shown)


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
                self._sync_folders({os.path.dirname(copy.shown) for copy in copies}, disk, written)  # noqa: PTH120
        except OSError as error:
            raise _trouble(error, self.root) from error
        return copies

    def _kept_and_shown(self, items: Sequence[ArchiveItem], disk: Syncing) -> list[ArchiveCopy] | None:
        """The copies, read back; None when one of them is gone again."""
        stored = self._store(items, disk)
        days: dict[tuple[datetime, str], str] = {}
        copies = []
        for item, one in zip(items, stored, strict=True):
            if (item.at, item.client) not in days:
                days[item.at, item.client] = self._day(item)
            day, name = days[item.at, item.client], self._name(one.sha256)
            with self._for_people(day, item, one) as second:
                try:
                    sound = still_is(name, one.sha256, one.data)
                except FileNotFoundError:
                    if os.path.exists(name):  # noqa: PTH110 - a text, as it goes on
                        raise
                    return None
                if not sound:
                    raise MistokError(
                        T("The archive copy {name} does not read back as written.", name=one.sha256),
                        code="archive",
                        hint=T("Check the disk of the archive; nothing was deleted on the server."),
                    )
                view = self._show(day, item, one, second)
            copies.append(ArchiveCopy(one.sha256, one.size, name, view))
        return copies

    def _enter(self, items: Sequence[ArchiveItem], copies: Sequence[ArchiveCopy]) -> set[Path] | None:
        """Write down what the copies are; gives the journal's files, still to be synced, or None when one is gone.

        From then on nobody drops them: retention looks at the journal under the same lock.
        """
        with self.journal.locked():
            if not all(os.path.isfile(copy.place) for copy in copies):  # noqa: PTH113 - texts, as they go on
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
            view=copy.shown[len(str(self.root)) :].replace(os.sep, "/").lstrip("/"),
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
                    finish(partial)
                    named(partial, path)  # or another process was quicker
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
            return still_is(self._name(sha256), sha256)
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
            copy(path, partial)
            with Syncing(partial.parent) as disk:
                return digest(partial) == sha256 and bool(self._store_one(partial, disk)) and self.verify(sha256)
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

    def _store_one(self, source: Path, disk: Syncing) -> Sequence[_Stored]:
        return self._store([ArchiveItem(source, source.name, "", datetime.now(UTC))], disk)

    def _store(self, items: Sequence[ArchiveItem], disk: Syncing) -> list[_Stored]:
        """Hash, size and (of all but large files) bytes of each; they are on the disk when this returns."""
        stored: list[_Stored] = []
        partials: dict[str, str] = {}
        batch = f"{self._partial_folder()}{os.sep}{uuid.uuid4().hex}-"
        try:
            for item in items:
                one = _read(item)
                sha = one.sha256
                if sha not in partials and not self.verify(sha):
                    partials[sha] = f"{batch}{len(stored)}"
                    if not (item.left and item.path is not None and linked_read_only(item.path, partials[sha])):
                        write_read_only(one.data, item.path, partials[sha])
                # of a whole batch only small files are in memory
                stored.append(one if one.size <= SMALL else replace(one, data=None))
            if os.name == "nt":  # it syncs no file that is read-only
                for partial in partials.values():
                    finish(Path(partial))
            else:
                disk.sync(list(partials.values()))
            for sha, partial in list(partials.items()):
                target = self._name(sha)
                # A copy that is there but unsound (a broken disk) is set aside under another name, never overwritten.
                if os.path.exists(target):  # noqa: PTH110 - a text, as it goes on
                    if self.verify(sha):
                        continue  # another process was quicker
                    renamed(target, f"{target}.unsound-{uuid.uuid4().hex[:8]}")
                renamed(partial, target)
                del partials[sha]
        finally:
            for partial in partials.values():
                remove(Path(partial))
        # also of copies that were there already: whoever put them there may have been killed before this
        self._sync_folders({os.path.dirname(self._name(one.sha256)) for one in stored}, disk)  # noqa: PTH120
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

    def _sync_folders(self, folders: Iterable[str | Path], disk: Syncing, files: Collection[Path] = ()) -> None:
        """Their names, and those of the folders above them, which may be as new; with them the bytes of ``files``."""
        if os.name == "nt":
            disk.sync(files)
            return  # NTFS keeps names in its journal; a folder cannot be opened for syncing there
        root = str(self.root)
        within = {root}
        for folder in (*map(str, folders), *(str(file.parent) for file in files)):
            above = folder
            while above and above not in within:  # all of them lie below the root
                within.add(above)
                above = os.path.dirname(above)  # noqa: PTH120 - of hundreds, the quicker one
        disk.sync([*files, *within, *(() if self._rooted else self._above_root())])
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

    def _day(self, item: ArchiveItem) -> str:
        return str(self.root / "view" / item.at.strftime("%Y-%m-%d") / safe_name(item.client))

    @contextlib.contextmanager
    def _for_people(self, folder: str, item: ArchiveItem, one: _Stored) -> Iterator[Callable[[], Path]]:
        """What makes a second copy of the bytes, under a partial name, which is gone at the end.

        A large one is begun at once, beside what is done meanwhile, unless there is a file of its name.
        """
        partial = self.root / "partial" / uuid.uuid4().hex
        begun = False

        def make() -> Path:
            nonlocal begun
            if begun:
                return partial
            begun = True
            if one.data is None:
                copy(self._object(one.sha256), partial)
            else:
                new_file(one.data, str(partial))
            return partial

        try:
            if one.size <= BLOCK or os.path.lexists(next(names_for(folder, safe_name(item.name)))):
                yield make
                return
            from concurrent.futures import ThreadPoolExecutor

            with ThreadPoolExecutor(1, "mistok-view") as pool:
                yield pool.submit(make).result
        finally:
            if begun:
                partial.unlink(missing_ok=True)

    def _show(self, folder: str, item: ArchiveItem, one: _Stored, second: Callable[[], Path]) -> str:
        """The name in the view's ``folder``. It appears with all its bytes: a kill leaves no half of them under it."""
        for path in names_for(folder, safe_name(item.name)):
            if os.path.lexists(path):
                if os.path.isfile(path) and still_is(path, one.sha256, one.data):  # noqa: PTH113
                    return path
                continue  # another file of this name, or this one after somebody edited it
            partial = second()
            os.makedirs(folder, exist_ok=True)  # noqa: PTH103
            if named(partial, Path(path)):
                return path
        raise AssertionError("unreachable: the names never end")


@dataclass(frozen=True, slots=True)
class _Stored:
    sha256: str
    size: int
    data: bytes | None  #: of a small file


def _read(item: ArchiveItem) -> _Stored:
    if item.path is None:
        data = item.data or b""
        return _Stored(hashlib.sha256(data).hexdigest(), len(data), data)
    if item.sha256:
        return _Stored(item.sha256, item.path.stat().st_size, None)
    sha, read = read_back(str(item.path))
    return _Stored(sha, len(read) if read is not None else item.path.stat().st_size, read)


def _trouble(error: OSError, root: Path) -> Transient:
    if error.errno in FULL:
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
