"""What an SFTP server's replies mean to the transport: done or not, which kind of entry, when it was written."""

from __future__ import annotations

import stat
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache

from pipeline.transports import common
from pipeline.transports import sftp_wire as w


def checked(requests: list[w.Request]) -> w.Task[None]:
    """A task that does these and is content with none of them refused. Raises SftpStatus."""
    for reply in (yield requests):
        reply.check()


def failed(reply: w.Reply) -> bool:
    """Whether the server said no."""
    try:
        reply.check()
    except w.SftpStatus:
        return True
    return False


def is_kind(
    attributes: w.Attributes, long_name: bytes, kind: Callable[[int], bool], marks: Sequence[bytes], *, listed: bool
) -> bool:
    """By its mode; where the server tells none, by whether the long name begins with one of ``marks`` (``listed``) or
    with none of them. Symbolic links are left alone: what they point to may lie anywhere and be deleted by nobody."""
    if attributes.mode is not None:
        return kind(attributes.mode)
    return (long_name[:1] in marks) is listed


def moment(attributes: w.Attributes) -> datetime | None:
    """When it was written, if the server tells."""
    return _at(attributes.mtime) if attributes.mtime is not None else None


_at = lru_cache(maxsize=4096)(common.from_epoch)  # asked when a file is listed, read and deleted


def entries(folder: bytes, *, far: bool = False) -> w.Task[list[tuple[bytes, bytes, w.Attributes]]]:
    """Everything in ``folder`` but itself and its parent: (name, long name, attributes). ``far``: an answer more takes
    less time than one round trip more. Raises SftpStatus."""
    (opened,) = yield [w.simple(w.OPENDIR, folder)]
    handle = opened.handle()
    found: list[tuple[bytes, bytes, w.Attributes]] = []
    ahead, ended = (32 if far else 4), False  # so that of most folders the end comes with the names
    while not ended:
        replies = yield [w.readdir(handle)] * ahead
        ahead = max(ahead, 16)  # a folder that does not fit one packet is likely a large one
        for reply in replies:
            try:
                found += [entry for entry in reply.names() if entry[0] not in (b".", b"..")]
            except w.SftpStatus as status:
                if status.code != w.EOF:
                    raise
                ended = True
    yield w.Aside([w.close(handle)])
    return found


def made_folder(path: bytes) -> w.Task[None]:
    """Make the folder, unless it is there. Raises SftpStatus."""
    (made,) = yield [w.mkdir(path)]
    if failed(made):
        (seen,) = yield [w.simple(w.STAT, path)]
        if failed(seen) or not stat.S_ISDIR(seen.attributes().mode or stat.S_IFDIR):
            made.check()


def removed_folder(path: bytes, shown: str) -> w.Task[None]:
    """Remove the empty folder, unless it is gone. Raises Refused, with its name as ``shown``, and SftpStatus."""
    (gone,) = yield [w.simple(w.RMDIR, path)]
    if failed(gone):
        (seen,) = yield [w.simple(w.LSTAT, path)]
        try:
            seen.attributes()
            gone.check()
        except w.SftpStatus as status:
            if status.code == w.NO_SUCH_FILE:
                return
            raise common.not_empty(shown, status.words) from status
