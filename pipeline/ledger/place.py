"""The folder of a ledger that is a file: made when it is missing, or seen whether it could be. Loads no database."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from pipeline.errors import Transient, system_words
from pipeline.texts import T


def make_folder(path: Path) -> None:
    """Make the folder of this ledger. Raises Transient where that cannot be done."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _no_folder(path, error) from error


def can_be_made(path: Path) -> None:
    """Raise Transient when this ledger is not there and could not be made; nothing is written."""
    try:
        if path.exists():
            return
        above = next(folder for folder in path.parents if folder.exists())
        folder = above.is_dir()
    except OSError as error:
        raise _no_folder(path, error) from error
    if not folder:
        raise _no_folder(path, NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)))
    if not os.access(above, os.W_OK | os.X_OK):
        raise _no_folder(path, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))


def _no_folder(path: Path, error: OSError) -> Transient:
    if isinstance(error, FileExistsError):  # something is there, and no folder
        error = NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    return Transient(
        T("The folder of the ledger {path} cannot be made: {words}.", path=str(path), words=system_words(error)),
        code="ledger",
        hint=T("See what stands in its place and who may write there, or set another `url` of `ledger`."),
    )
