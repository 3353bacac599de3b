"""Where the files are that ship with Mistok: in a checkout beside the package, in a wheel inside it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pipeline.errors import MistokError
from pipeline.texts import T

_PACKAGE = Path(__file__).resolve().parent


def schemas() -> Path:
    """Folder of the XSDs and of ``config.schema.json``. Raises MistokError when the installation is broken."""
    return _folder("schemas")


def samples() -> Path:
    """Folder of the sample catalogue and orders. Raises MistokError when the installation is broken."""
    return _folder("samples")


@cache
def _folder(name: str) -> Path:
    for folder in (_PACKAGE / "_data" / name, _PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise MistokError(
        T("The folder {name} that ships with Mistok is not there.", name=name), hint=T("Install Mistok again.")
    )
