"""What an SFTP server's replies mean to the transport: done or not, which kind of entry, when it was written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

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
    return common.from_epoch(attributes.mtime) if attributes.mtime is not None else None
