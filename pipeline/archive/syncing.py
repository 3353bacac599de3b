"""Bytes and names on the disk, for certain: many at once cost little more than one.

A few paths are synced one by one, side by side in threads. For many, Linux has ``syncfs``: everything that the file
system still holds in memory is written in one go. It is used only where it is known to do so and to tell of errors:
since Linux 5.8 (syncfs(2): "may return an error"), on the file systems of local disks; a share or a program that plays
file system may take it for nothing to do.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Callable, Collection
from functools import cache
from pathlib import Path
from typing import Self

SYNCS = 8  #: at once
MANY = 16  #: from so many paths on, the file system is synced as a whole
#: A share's own server syncs what it takes; asked to sync a folder, it says one of these.
_NO_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP})
#: Their magic numbers (statfs(2)): ext2 to ext4, XFS, Btrfs, F2FS, ZFS.
_LOCAL = frozenset({0xEF53, 0x58465342, 0x9123683E, 0xF2F52010, 0x2FC12FC1})


class Syncing:
    """Syncs what is written to one disk while it is open.

    It is opened before anything is written: what Linux could not write is told to those only who were there before.
    """

    def __init__(self, folder: Path) -> None:
        """``folder`` exists. Raises OSError."""
        self._all = _syncfs()
        self._descriptor = os.open(folder, os.O_RDONLY) if self._all is not None else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def sync(self, paths: Collection[Path | str]) -> None:
        """These files and folders are safe from a power cut when this returns. Raises OSError, the first that happens.

        Files of Windows must be writable.
        """
        if len(paths) < MANY or not self._whole(paths):
            _at_once(_sync, [Path(path) for path in paths])

    def _whole(self, paths: Collection[Path | str]) -> bool:
        if self._all is None or self._descriptor is None:
            return False
        disk = os.fstat(self._descriptor).st_dev
        return all(os.stat(path).st_dev == disk for path in paths) and self._all(self._descriptor)  # noqa: PTH116


@cache
def _syncfs() -> Callable[[int], bool] | None:
    """Sync the file system that an open file lies on; gives False where it is none that is known to do so."""
    if sys.platform == "linux":
        version = os.uname().release.split(".")
        if os.uname().machine in ("x86_64", "aarch64") and all(part.isdigit() for part in version[:2]):
            return _of_linux() if tuple(map(int, version[:2])) >= (5, 8) else None
    return None


def _of_linux() -> Callable[[int], bool] | None:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if not (hasattr(libc, "syncfs") and hasattr(libc, "fstatfs")):
        return None

    def sync(descriptor: int) -> bool:
        told = (ctypes.c_long * 32)()  # struct statfs begins with f_type, and has 120 bytes on these machines
        if libc.fstatfs(descriptor, told) or told[0] not in _LOCAL:
            return False
        if libc.syncfs(descriptor):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return True

    return sync


def _at_once(sync: Callable[[Path], None], paths: Collection[Path]) -> None:
    """Sync paths side by side: the disk then does in one go what it would do one by one. Raises the first error."""
    if len(paths) < 2:
        for path in paths:
            sync(path)
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(min(SYNCS, len(paths)), "mistok-sync") as pool:
        for _done in pool.map(sync, paths):
            pass


def _sync(path: Path) -> None:
    if path.is_dir():
        _sync_folder(path)
    elif os.name == "nt":
        with path.open("r+b") as file:  # it syncs nothing that is open for reading
            os.fsync(file.fileno())
    else:
        with path.open("rb") as file:
            os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    finally:
        with contextlib.suppress(OSError):
            os.close(descriptor)
