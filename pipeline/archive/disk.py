"""Files of the archive on its disk: read back, written once, named without overwriting.

All of this is done for every copy again and again, so paths are texts here and files are read and written by the
system's own calls: a small file costs a few of them.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from pathlib import Path
from typing import BinaryIO

from pipeline.pouring import FULL, poured

BLOCK = 1 << 20  #: bytes; a larger file is never in memory as a whole
_BINARY = getattr(os, "O_BINARY", 0)


def read_back(path: str) -> tuple[str, bytes | None]:
    """The hash of a file, and its bytes unless they are many. Raises OSError."""
    data = _bytes(path)
    if data is not None:
        return hashlib.sha256(data).hexdigest(), data
    return digest(Path(path)), None


def still_is(path: str, sha256: str, data: bytes | None = None) -> bool:
    """Whether a file, read from the disk, has this hash. ``data``: the bytes of that hash, where they are at hand: then
    it is compared with them. Raises OSError, FileNotFoundError when there is none."""
    read = _bytes(path)
    if read is None:
        return digest(Path(path)) == sha256
    return read == data if data is not None else hashlib.sha256(read).hexdigest() == sha256


def _bytes(path: str) -> bytes | None:
    """All bytes of a file; None when they are many."""
    reader = os.open(path, os.O_RDONLY | _BINARY)
    try:
        size = os.fstat(reader).st_size
        if size > BLOCK:
            return None
        data = os.read(reader, size + 1)
        if len(data) != size:  # it grows, or the system gives less than it was asked for
            pieces = [data]
            while piece := os.read(reader, BLOCK):
                pieces.append(piece)
            data = b"".join(pieces)
        return data
    finally:
        os.close(reader)


def write_read_only(data: bytes | None, source: Path | None, target: str) -> None:
    """A new file of these bytes, or else those of ``source``, that nobody writes to any more. Raises OSError."""
    # opened for writing by us alone: the rights are for whoever opens it next; Windows gives them when it is synced
    rights = 0o666 if os.name == "nt" else 0o444
    writer = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, rights)
    if data is not None:
        try:
            _write(writer, data)
        finally:
            os.close(writer)
        return
    assert source is not None
    with os.fdopen(writer, "wb") as sink:
        _fill(sink, source)


def linked_read_only(source: Path, target: str) -> bool:
    """Whether ``target`` now is a second name of a file that nobody writes to any more, its first one included; False
    where that cannot be: another disk, or one without links. Raises OSError."""
    if os.name == "nt":  # a file that is read-only could not be deleted by its first name either
        return False
    try:
        os.link(source, target)
    except OSError:  # whatever it is, a copy shows whether it is in the way of that, too
        return False
    os.chmod(target, stat.S_IMODE(os.stat(target).st_mode) & 0o444)  # noqa: PTH101, PTH116 - a text, as it goes on
    return True


def new_file(data: bytes, path: str) -> None:
    """A new file of these bytes, which people may edit. Raises OSError."""
    writer = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o666)
    try:
        _write(writer, data)
    finally:
        os.close(writer)


def _write(writer: int, data: bytes) -> None:
    done = os.write(writer, data)
    while done < len(data):
        done += os.write(writer, data[done:])


def digest(path: Path) -> str:
    """The hash of a file. Raises OSError."""
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def copy(source: Path, target: Path) -> None:
    """The bytes of ``source`` under a new name, with the rights of any new file. Raises OSError."""
    with target.open("xb") as writer:
        _fill(writer, source)


def _fill(writer: BinaryIO, source: Path) -> None:
    if not poured(source, writer):
        with source.open("rb") as reader:
            shutil.copyfileobj(reader, writer, BLOCK)


def renamed(path: str, target: str) -> None:
    """Give a file another name; the folder of it is made when there is none. Raises OSError."""
    try:
        os.rename(path, target)  # noqa: PTH104
    except FileNotFoundError:
        os.makedirs(os.path.dirname(target), exist_ok=True)  # noqa: PTH103, PTH120
        os.rename(path, target)  # noqa: PTH104


def named(partial: Path, path: Path) -> bool:
    """Whether ``partial`` now is ``path``; False when that name was taken: it is never overwritten. Raises OSError."""
    if os.name != "nt":
        try:
            # a rename would overwrite
            os.link(partial, path)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno in FULL or path.exists():
                raise
        else:
            partial.unlink()
            return True
    try:
        partial.rename(path)  # Windows refuses a taken name; disks without links have no better way
    except FileExistsError:
        return False
    return True


def finish(path: Path) -> None:
    """Nobody writes to it any more, and its bytes are on the disk. Raises OSError."""
    # opened for writing: Windows syncs nothing else
    with path.open("r+b") as file:
        path.chmod(stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o444)
        os.fsync(file.fileno())


def remove(path: Path) -> None:
    """Delete one of our own copies, if it is there, also where a read-only file cannot be deleted. Raises OSError."""
    try:
        path.unlink(missing_ok=True)
    except PermissionError:
        path.chmod(0o600)
        path.unlink(missing_ok=True)
