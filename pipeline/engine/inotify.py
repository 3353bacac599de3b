"""One watcher of folders for many clients: one descriptor of the kernel's, and no thread. Linux only: inotify(7)."""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import structlog

from pipeline.config.model import ClientConfig
from pipeline.engine.watch import NoWatch, Watch, inboxes_of, is_share, watch_for

log = structlog.get_logger("mistok.watch")

_CLOSE_WRITE, _MOVED_TO, _CREATE, _MODIFY, _ATTRIB = 0x8, 0x80, 0x100, 0x2, 0x4
_DELETE_SELF, _MOVE_SELF, _OVERFLOW, _IGNORED = 0x400, 0x800, 0x4000, 0x8000
_MASK = _CLOSE_WRITE | _MOVED_TO | _CREATE | _MODIFY | _ATTRIB | _DELETE_SELF | _MOVE_SELF
_EVENT = struct.Struct("iIII")
#: As inotify_init1(2) has them; systems without it have not.
_FLAGS = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
#: Named once, so that types are checked for every system on any.
PLATFORM: str = sys.platform


class Inotify:
    """Watches of many folders. :meth:`read` tells whom to hint when its descriptor is ready."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = int(self._libc.inotify_init1(_FLAGS))
        if self._fd < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        self._hints: dict[int, dict[int, Callable[[], None]]] = {}  #: watch -> its listeners by a number
        self._count = 0

    def fileno(self) -> int:
        """To wait on."""
        return self._fd

    def add(self, folder: Path, hint: Callable[[], None]) -> tuple[int, int]:
        """Call ``hint`` when something comes or changes directly in ``folder``. Raises OSError."""
        watch = int(self._libc.inotify_add_watch(self._fd, os.fsencode(folder), _MASK))
        if watch < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
        self._count += 1
        self._hints.setdefault(watch, {})[self._count] = hint
        return watch, self._count

    def drop(self, key: tuple[int, int]) -> None:
        """No more hints for this one."""
        listeners = self._hints.get(key[0], {})
        listeners.pop(key[1], None)
        if not listeners and self._hints.pop(key[0], None) is not None:
            self._libc.inotify_rm_watch(self._fd, key[0])

    def knows(self, key: tuple[int, int]) -> bool:
        """Whether the folder is still watched: the kernel drops the watch of one that is gone."""
        return key[1] in self._hints.get(key[0], {})

    def read(self) -> None:
        """Give the hints of what happened."""
        hints: dict[int, Callable[[], None]] = {}
        while True:
            try:
                data = os.read(self._fd, 65_536)
            except BlockingIOError:
                break
            place = 0
            while place < len(data):
                watch, mask, _cookie, length = _EVENT.unpack_from(data, place)
                place += _EVENT.size + length
                if mask & _OVERFLOW:  # nobody knows where
                    for listeners in self._hints.values():
                        hints.update(listeners)
                hints.update(self._hints.get(watch, {}))
                if mask & (_IGNORED | _DELETE_SELF | _MOVE_SELF):
                    self._hints.pop(watch, None)
        for hint in hints.values():
            hint()

    def close(self) -> None:
        """Watch nothing more."""
        os.close(self._fd)


class SharedWatch:
    """The watch of one job's inboxes, see :class:`pipeline.engine.watch.Watch`."""

    def __init__(self, inotify: Inotify, job: str, folders: list[Path], hint: Callable[[], None]) -> None:
        self._inotify, self._job, self._folders, self._hint = inotify, job, folders, hint
        self._keys: dict[Path, tuple[tuple[int, int], tuple[int, int]]] = {}
        self._said: dict[Path, str] = {}

    def ensure(self) -> None:
        """Watch every folder that is there, anew where it was replaced."""
        for folder in self._folders:
            try:
                status = folder.stat()
                identity = (status.st_dev, status.st_ino)
                known = self._keys.get(folder)
                if known is not None and known[1] == identity and self._inotify.knows(known[0]):
                    continue
                self._forget(folder)
                self._keys[folder] = (self._inotify.add(folder, self._hint), identity)
            except OSError as error:
                self._forget(folder)
                self._say(folder, str(error))
                continue
            self._say(folder, "")
            self._hint()  # what came before the watch began

    def stop(self) -> None:
        """Give no more hints."""
        for folder in list(self._keys):
            self._forget(folder)

    def _forget(self, folder: Path) -> None:
        known = self._keys.pop(folder, None)
        if known is not None:
            self._inotify.drop(known[0])

    def _say(self, folder: Path, error: str) -> None:
        """Once, until it changes."""
        if self._said.get(folder) == error:
            return
        self._said[folder] = error
        if error:
            log.warning("cannot_watch", job=self._job, folder=str(folder), error=error, instead="looked at every poll")
        else:
            log.info("watching", job=self._job, folder=str(folder))


def inotify() -> Inotify | None:
    """A watcher for many, where the system has one."""
    if PLATFORM != "linux":
        return None
    try:
        return Inotify()
    except OSError as error:
        log.warning("cannot_watch", error=str(error), instead="looked at every poll")
        return None


def shared_watch(shared: Inotify | None, config: ClientConfig, job: str, hint: Callable[[], None]) -> Watch:
    """What watches the inboxes of ``job``: by ``shared`` where there is one; a network share by its polls alone."""
    if shared is None:
        return watch_for(config, job, hint)
    folders = [folder for folder in inboxes_of(config, job) if not is_share(folder)]
    return SharedWatch(shared, job, folders, hint) if folders else NoWatch()
