"""What the engine asks of a place with files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

from pipeline.errors import Finding, MistokError


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file in a listing. ``size`` and ``modified`` are what the server said, and identify the version seen."""

    folder: str  #: as asked for, ``/``-separated, relative to the connection's start
    name: str  #: decoded for people; never used to build a local path
    size: int  #: bytes
    modified: datetime | None = None  #: aware; None where the server does not say. A hint, never an age.
    raw: bytes | None = None  #: the name on the wire when it differs from ``name`` in UTF-8


def wire_text(file: RemoteFile) -> str:
    """The name of a listed file as its server has it, bytes that are no UTF-8 as lone surrogates: one for each file.

    Two names may read alike (one in UTF-8, one in windows-1251). Never to be stored or shown.
    """
    return file.name if file.raw is None else file.raw.decode("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True)
class ReadResult:
    """What came of one file of ``read_many``: a whole local copy at ``path``, or ``error``. Of ``read_small`` maybe its
    bytes, ``data``, instead of a copy."""

    file: RemoteFile
    path: Path | None = None
    size: int = 0
    sha256: str = ""
    error: MistokError | None = None
    data: bytes | None = None


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """What came of one file of ``delete_many`` or ``move_many``. ``gone``: it was not there, which counts as done."""

    file: RemoteFile
    done: bool
    gone: bool = False
    error: MistokError | None = None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a server was seen to allow, by :meth:`Transport.probe`. None: not tried or not known."""

    listing: bool | None = None
    write: bool | None = None
    rename: bool | None = None
    rename_over: bool | None = None  #: a rename replaces an existing file in one act
    delete: bool | None = None
    rename_by: Literal["", "rename", "posix-rename", "swap"] = ""  #: how a file is put in the place of an older one
    exact_times: bool | None = None  #: modification times with seconds, in a known zone
    compare_and_delete: bool = False  #: False: between the last look and the delete a window remains
    server: str = ""  #: banner or product, as it says
    features: tuple[str, ...] = ()  #: protocol extensions that it names, such as ``MLST`` or ``fsync@openssh.com``
    empty_reply: str = ""  #: its words, when it answers the listing of an empty folder with an error
    round_trip: float | None = None  #: seconds of one small question and its answer: the median of a few
    findings: tuple[Finding, ...] = ()  #: what was refused, in words


@runtime_checkable
class Transport(Protocol):
    """Files in folders, somewhere. One object serves one thread at a time; it connects at first use.

    Folders are ``/``-separated and relative to the connection's configured root; ``""`` is the root itself.
    """

    name: str  #: the connection's name in the YAML

    def list(self, folder: str) -> Sequence[RemoteFile]:
        """The regular files directly in ``folder``, in any order; an empty folder is an empty list.

        Raises FolderMissing (no such folder), Refused (login, rights, host), Transient (network).
        """
        ...

    def read_many(self, files: Iterable[RemoteFile], into: Path) -> Iterator[ReadResult]:
        """Fetch each file whole into the existing local folder ``into`` under a name of our own making.

        One result a file, in any order. A result is an error when the size differs from the listing (Changed), the
        file is gone (Changed), unreadable (Refused) or the connection broke (Transient); partial copies are removed.
        A dead connection is reopened for the files that follow.
        """
        ...

    def write(self, folder: str, name: str, source: Path | bytes) -> RemoteFile:
        """Put ``source`` as ``name``: upload under a partial name, verify its size, rename over.

        A reader of the server sees the old file or the new one, whole. On failure the partial is removed and the old
        file still stands. Raises FolderMissing, Refused, Transient.
        """
        ...

    def delete_many(self, files: Iterable[RemoteFile]) -> Sequence[FileOutcome]:
        """Delete each file if it still is the version listed. Gone is done; altered is an outcome with Changed."""
        ...

    def move_many(self, files: Iterable[RemoteFile], to: str) -> Sequence[FileOutcome]:
        """Move each file into folder ``to`` (made if missing); an existing name there is never overwritten."""
        ...

    def make_folder(self, folder: str) -> None:
        """Make ``folder`` and its parents; existing is fine. Raises Refused, Transient."""
        ...

    def folders(self, folder: str) -> Sequence[str]:
        """The names of the folders directly in ``folder``, in any order. Raises as ``list`` does."""
        ...

    def remove_folder(self, folder: str) -> None:
        """Remove an empty folder below the root; gone is fine. Raises Refused (not empty, rights), Transient."""
        ...

    def probe(self, folder: str) -> Capabilities:
        """Try what the server allows in ``folder`` with a file of our own, and clean up. Raises as ``list`` does."""
        ...

    def local_path(self, folder: str) -> Path | None:
        """The real path of ``folder`` when it lies on this machine (for watching), else None."""
        ...

    def close(self) -> None:
        """End the session; the next call opens a new one."""
        ...


@dataclass(frozen=True, slots=True)
class Upload:
    """One file that is to be written, as of :meth:`Transport.write`."""

    folder: str
    name: str
    source: Path | bytes


@dataclass(frozen=True, slots=True)
class Written:
    """What came of one :class:`Upload`: the file as the server has it now, or ``error``."""

    upload: Upload
    file: RemoteFile | None = None
    error: MistokError | None = None


@runtime_checkable
class WritesMany(Protocol):
    """A transport that writes several files side by side."""

    def write_many(self, uploads: Iterable[Upload]) -> Iterator[Written]:
        """Each with all that :meth:`Transport.write` promises for it. One result an upload, in any order."""
        ...


def write_many(transport: Transport, uploads: Iterable[Upload]) -> Iterator[Written]:
    """Write files, side by side where the transport can do that. One result an upload, in any order."""
    if isinstance(transport, WritesMany):
        return transport.write_many(uploads)
    return write_each(transport, uploads)


def write_each(transport: Transport, uploads: Iterable[Upload]) -> Iterator[Written]:
    """Write files one after another; an error of one is its result."""
    for upload in uploads:
        try:
            written = Written(upload, transport.write(upload.folder, upload.name, upload.source))
        except MistokError as error:
            written = Written(upload, error=error)
        yield written


@runtime_checkable
class ReadsSmall(Protocol):
    """A transport that can hand over small files without a copy on the disk."""

    def read_small(self, files: Iterable[RemoteFile], into: Path, limit: int) -> Iterator[ReadResult]:
        """As :meth:`Transport.read_many`; files of up to ``limit`` bytes may come as their bytes."""
        ...


def read_small(transport: Transport, files: Iterable[RemoteFile], into: Path, limit: int) -> Iterator[ReadResult]:
    """Fetch files, those of up to ``limit`` bytes without a copy on the disk where the transport can do that."""
    if isinstance(transport, ReadsSmall):
        return transport.read_small(files, into, limit)
    return transport.read_many(files, into)
