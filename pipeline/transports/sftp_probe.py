"""What an SFTP server lets a user do in a folder, found out with two small files that are removed again."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

from pipeline.errors import Finding, Who
from pipeline.ports import Capabilities
from pipeline.texts import T
from pipeline.transports import common
from pipeline.transports import sftp_wire as w
from pipeline.transports.sftp_replies import failed


@dataclass(frozen=True, slots=True)
class Probed:
    """A folder that is probed, two names in it that nobody uses, and what is known of its server.

    ``times``: whether a listing told any.
    """

    folder: bytes
    files: tuple[bytes, bytes]
    shown: str
    host: str
    user: str
    server: str
    extensions: tuple[str, ...]
    times: bool


def probe(place: Probed) -> w.Task[Capabilities]:
    """Write, rename, rename over, delete; measure a round trip. What is refused is a finding, no error."""
    first, second = place.files
    findings: list[Finding] = []

    def tried(reply: w.Reply, word: str) -> bool:
        try:
            reply.check()
        except w.SftpStatus as status:
            findings.append(_lacks(place, word, status))
            return False
        return True

    def put(path: bytes) -> w.Task[bool]:
        (opened,) = yield [w.open_write(path)]
        if not tried(opened, "write"):
            return False
        written, _ = yield [w.write(opened.handle(), 0, b"mistok"), w.close(opened.handle())]
        return tried(written, "write")

    rename = over = delete = None
    by: Literal["", "rename", "posix-rename", "swap"] = ""
    times = place.times
    write = yield from put(first)
    if write:
        (seen,) = yield [w.simple(w.LSTAT, first)]
        times = not failed(seen) and seen.attributes().mtime is not None
        (moved,) = yield [w.rename(first, second)]
        rename = tried(moved, "rename")
        if rename and (yield from put(first)):
            (moved,) = yield [w.posix_rename(first, second)]
            by = "posix-rename"
            if failed(moved):
                (moved,) = yield [w.rename(first, second)]  # some servers overwrite by their plain rename
                by = "swap" if failed(moved) else "rename"
            over = by != "swap"
            if not over:
                findings.append(common.cannot_rename_over(place.host))
        (gone,) = yield [w.simple(w.REMOVE, second if rename else first)]
        delete = tried(gone, "delete")
        yield [w.simple(w.REMOVE, first), w.simple(w.REMOVE, second)]
    took: list[float] = []
    for _ in range(common.QUESTIONS):
        before = time.perf_counter()
        yield [w.simple(w.STAT, place.folder)]
        took.append(time.perf_counter() - before)
    return Capabilities(
        listing=True,
        write=write,
        rename=rename,
        rename_over=over,
        rename_by=by,
        delete=delete,
        exact_times=times,
        server=place.server,
        features=place.extensions,
        round_trip=sorted(took)[common.QUESTIONS // 2],
        findings=tuple(findings),
    )


def _lacks(place: Probed, word: str, status: w.SftpStatus) -> Finding:
    return Finding(
        f"rights-{word}",
        T("{folder}: {act} is refused: {words}", folder=place.shown, act=common.ACTS[word], words=status.words),
        hint=T("Ask the server's admin for the right to do this as user {user}.", user=place.user),
        who=Who.ADMIN,
    )
