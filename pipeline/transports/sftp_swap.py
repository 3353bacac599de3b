"""Puts a file in the place of an older one on an SFTP server: in one act, or by a swap that can be undone."""

from __future__ import annotations

import stat

from pipeline.transports import sftp_wire as w
from pipeline.transports.sftp_replies import checked, failed


class Swap:
    """What one server allows, and the tasks."""

    def __init__(self) -> None:
        self._posix: bool | None = None  #: False: it does not know posix-rename

    def replace(self, partial: bytes, target: bytes, backup: bytes) -> w.Task[w.Attributes]:
        """Rename ``partial`` over ``target``. Servers that cannot do it in one act get a swap through ``backup``."""
        if self._posix is not False:
            (reply,) = yield [w.posix_rename(partial, target)]
            try:
                reply.check()
            except w.SftpStatus as status:
                if status.code in (w.NO_SUCH_FILE, w.PERMISSION_DENIED):
                    raise
                if status.code == w.UNSUPPORTED:
                    self._posix = False
                yield from self._swap(partial, target, backup)
        else:
            yield from self._swap(partial, target, backup)
        (seen,) = yield [w.simple(w.LSTAT, target)]
        # the file is in place, and its size was checked before: a refused look does not undo that
        return w.Attributes() if failed(seen) else seen.attributes()

    def _swap(self, partial: bytes, target: bytes, backup: bytes) -> w.Task[None]:
        (direct,) = yield [w.rename(partial, target)]
        if not failed(direct):
            yield [w.simple(w.REMOVE, backup)]  # what a killed swap left
            return
        (there,) = yield [w.simple(w.LSTAT, target)]
        if failed(there) or not stat.S_ISREG(there.attributes().mode or stat.S_IFREG):
            direct.check()
        yield [w.simple(w.REMOVE, backup)]
        yield from checked([w.rename(target, backup)])
        (moved,) = yield [w.rename(partial, target)]
        if failed(moved):
            yield from checked([w.rename(backup, target)])
            moved.check()
        yield [w.simple(w.REMOVE, backup)]

    def undo(self, target: bytes, backup: bytes) -> w.Task[None]:
        """A swap that was cut in the middle left the old file under its other name: it is served again."""
        old, now = yield [w.simple(w.LSTAT, backup), w.simple(w.LSTAT, target)]
        if failed(old):
            return
        if failed(now):
            yield from checked([w.rename(backup, target)])
        else:
            yield [w.simple(w.REMOVE, backup)]
