"""What the transports share: names that are safe to send, names for partial files, comparing what was listed."""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Self

from pipeline.errors import Changed, ConfigError, Finding, MistokError, Refused, Transient, Who, system_words
from pipeline.ports import FileOutcome, ReadResult, RemoteFile, Upload
from pipeline.texts import T, Text

#: Ending of files that are still being written. InboundSettings.ignore leaves such names alone by default.
PARTIAL = ".part"
#: Ending of the old file while a server that cannot rename over has the new one moved in.
BACKUP = ".old.part"
#: File systems allow 255 bytes in a name.
NAME_BYTES = 255
CHUNK = 1 << 18
#: So many names are tried before a move gives up: ``order.xml``, ``order-1.xml``, …
MAX_TWINS = 1000

#: A probe asks so often to learn how long a small question takes.
QUESTIONS = 5

#: What a probe tries, for people.
ACTS: Mapping[str, Text] = {
    "write": T("writing a file"),
    "rename": T("renaming a file"),
    "rename-over": T("renaming over an existing file"),
    "delete": T("deleting a file"),
}


#: No name, the folder itself, the one above it, or a control character or separator anywhere.
_UNUSABLE = re.compile(r"\A\.{0,2}\Z|[/\x00-\x1f\x7f]")


@lru_cache(maxsize=256)  # asked again for each of a folder's files
def clean_folder(folder: str) -> str:
    """``/inbox//new/`` -> ``inbox/new``. Raises ConfigError for ``..``, NUL, control characters."""
    parts = [part for part in folder.replace("\\", "/").split("/") if part not in ("", ".")]
    if ".." in parts or any(ord(c) < 32 or ord(c) == 127 for c in folder):
        raise ConfigError(
            T("Folder {folder} leads out of the connection's root.", folder=repr(folder)),
            hint=T("Give folders relative to the connection's root, without “..”; put an outer folder in root."),
        )
    return "/".join(parts)


def removable(folder: str) -> str:
    """``folder`` cleaned, when it may be removed. Raises ConfigError for the root itself."""
    folder = clean_folder(folder)
    if not folder:
        raise ConfigError(T("The root of a connection is never removed."))
    return folder


def not_empty(folder: str, words: Text | str = "") -> Refused:
    """A folder that is to be removed has something in it, or may not be removed; ``words``: what the server says."""
    return Refused(
        T("Folder {folder} was not removed: {words}", folder=folder, words=words or T("the folder is not empty")),
        hint=T("Look what is in it and whether the login may remove folders, and remove it on the server."),
    )


def median_time(ask: Callable[[], object]) -> float:
    """Seconds that a small question takes: the median of a few."""
    took = []
    for _ in range(QUESTIONS):
        before = time.perf_counter()
        ask()
        took.append(time.perf_counter() - before)
    return sorted(took)[QUESTIONS // 2]


def clean_name(name: str) -> str:
    """``name`` itself, when a file may be written under it. Raises ConfigError."""
    if usable(name) is not None or name != name.strip("\r\n"):
        raise ConfigError(
            T("{name} cannot be the name of a file.", name=repr(name)), hint=T("Use a plain name without a folder.")
        )
    return name


def usable(name: str) -> MistokError | None:
    """Why a name from a listing must not be sent back to a server or a disk; None when it may be.

    A listing is a stranger's word: a name with a separator in it would reach another folder than the one listed.
    """
    return _unusable(name) if _UNUSABLE.search(name) else None


def _unusable(name: str) -> Refused:
    return Refused(
        T("The server lists a file under the name {name}, which cannot be used.", name=repr(name)),
        hint=T("Rename the file on the server."),
    )


def unusable(file: RemoteFile) -> MistokError | None:
    """As :func:`usable`, for the bytes by which the server knows ``file``."""
    if usable(wire_name(file).decode("latin-1")) is None:
        return None
    return usable(file.name) or _unusable(file.name)


def apart(uploads: Sequence[Upload]) -> tuple[list[Upload], list[Upload]]:
    """(those that may be written side by side, the rest): no two of the first touch one name on the server."""
    taken: set[tuple[str, str]] = set()
    first: list[Upload] = []
    rest: list[Upload] = []
    for upload in uploads:
        home = upload.folder.replace("\\", "/").strip("/").casefold()
        names = (upload.name, partial_name(upload.name), partial_name(upload.name, BACKUP))
        mine = {(home, name.casefold()) for name in names}
        (rest if taken & mine else first).append(upload)
        taken |= mine
    return first, rest


def partial_name(name: str, ending: str = PARTIAL) -> str:
    """The name under which ``name`` is written until it is whole: the same each time, so that a later upload takes
    over what a killed one left."""
    if len(name.encode("utf-8", "surrogateescape")) + len(ending) <= NAME_BYTES:
        return name + ending
    return "mistok-" + hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:24] + ending


#: How the names of a probe's own files begin.
PROBE = ".mistok-probe-"


def probe_name() -> str:
    """A name of our own that no one else uses and that every inbox ignores (it begins with a dot)."""
    return f"{PROBE}{secrets.token_hex(6)}"


def local_copy(into: Path) -> Path:
    """A fresh local path for a fetched file, with nothing of the remote name in it."""
    return into / f"{secrets.token_hex(12)}.in"


def twins(name: str) -> Iterator[str]:
    """``a.xml``, ``a-1.xml``, ``a-2.xml``, …: names for a file whose own name is taken."""
    yield name
    path = PurePosixPath(name)
    suffix = path.suffix
    stem = name[: len(name) - len(suffix)] if suffix else name
    for number in range(1, MAX_TWINS):
        yield f"{stem}-{number}{suffix}"


def from_epoch(seconds: float) -> datetime:
    """Seconds since 1970 -> an aware datetime in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def decode_name(raw: bytes) -> tuple[str, bytes | None]:
    """A name on the wire -> the name for people, and the raw bytes where the two differ.

    UTF-8 first; what is not UTF-8 is most often windows-1251 in these parts. A NUL, which some databases cannot keep,
    is shown by its sign.
    """
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp1251", "replace").replace("\0", "\u2400"), raw
    return (name, None) if "\0" not in name else (name.replace("\0", "\u2400"), raw)


def wire_name(file: RemoteFile) -> bytes:
    """The bytes by which the server knows ``file``."""
    return file.raw if file.raw is not None else file.name.encode("utf-8", "surrogateescape")


def altered(file: RemoteFile, size: int | None, modified: datetime | None) -> Changed | None:
    """Changed when ``size`` or ``modified`` (as seen now) are not those of the listing; None when they are."""
    if size is not None and size != file.size:
        return Changed(
            T(
                "{name} has changed: it was {old} bytes when listed and is {new} now.",
                name=file.name,
                old=file.size,
                new=size,
            ),
            hint=T("Nothing to do: the new version is taken on the next run."),
        )
    if file.modified is not None and modified is not None and modified != file.modified:
        return Changed(
            T(
                "{name} has changed: it was written at {old} when listed and at {new} now.",
                name=file.name,
                old=file.modified,
                new=modified,
            ),
            hint=T("Nothing to do: the new version is taken on the next run."),
        )
    return None


def vanished(file: RemoteFile) -> Changed:
    """The file was listed and is not there any more."""
    return Changed(
        T("{name} is gone from the server.", name=file.name),
        hint=T("Nothing to do, if the site took it back; it is read when it comes again."),
    )


def short(name: str, expected: int, got: int) -> Transient:
    """An upload or a download came out in another size than it should."""
    return Transient(
        T("{name} came through with {got} of {expected} bytes.", name=name, got=got, expected=expected),
        hint=T("It is tried again; when it goes on, look at the server's disk space and at the line."),
        code="short",
    )


def no_free_name(file: RemoteFile, to: str) -> Refused:
    """Every name that a move could use is taken."""
    return Refused(
        T("{name} cannot be moved to {folder}: every name for it is taken there.", name=file.name, folder=to),
        hint=T("Clear out that folder."),
    )


def failed(file: RemoteFile, error: MistokError) -> ReadResult:
    """A read that failed."""
    return ReadResult(file, error=error)


def undone(file: RemoteFile, error: MistokError) -> FileOutcome:
    """A delete or move that was not done."""
    return FileOutcome(file, done=False, error=error)


def cannot_rename_over(server: str) -> Finding:
    """A probe's remark on a server that refuses to rename over an existing file."""
    return Finding(
        "no-rename-over",
        T("{host} cannot rename over an existing file: for a moment between two renames there is none.", host=server),
        hint=T("Nothing to do: the old file is put back when the second rename fails."),
        who=Who.ADMIN,
    )


def source_size(source: Path | bytes) -> int:
    """How many bytes ``source`` has. Raises Transient when it cannot be read."""
    if isinstance(source, bytes):
        return len(source)
    try:
        return source.stat().st_size
    except OSError as error:
        raise unreadable(source, error) from error


def size_if_any(source: Path | bytes) -> int:
    """As ``source_size``; 0 when it cannot be read, which whoever sends it is told."""
    try:
        return source_size(source)
    except Transient:
        return 0


def source_chunks(source: Path | bytes, size: int = CHUNK) -> Iterator[bytes]:
    """The bytes of ``source``, piece by piece. Raises Transient when it cannot be read."""
    if isinstance(source, bytes):
        for start in range(0, len(source), size):
            yield source[start : start + size]
        return
    try:
        with source.open("rb") as stream:
            while piece := stream.read(size):
                yield piece
    except OSError as error:
        raise unreadable(source, error) from error


def disk(path: Path, error: OSError) -> Transient:
    """This machine's own disk failed at ``path``."""
    return Transient(
        T("{path} could not be written: {words}", path=str(path), words=system_words(error)),
        hint=T("Look at this machine's disk: is there room, may Mistok write there?"),
    )


def unreadable(source: Path, error: OSError) -> Transient:
    """A local file that is to be sent cannot be read."""
    return Transient(
        T("{path} could not be read: {words}", path=str(source), words=system_words(error)),
        hint=T("Look at this machine's disk and at the rights on the file."),
    )


class LocalCopy:
    """A file of this machine, whose errors are not taken for the network's."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Self:
        try:
            self._stream = self._path.open("wb", buffering=0)
        except OSError as error:
            raise disk(self._path, error) from error
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def write(self, piece: bytes) -> int:
        """Write it all."""
        try:
            left = memoryview(piece)
            while left:
                left = left[self._stream.write(left) :]
        except OSError as error:
            raise disk(self._path, error) from error
        return len(piece)
