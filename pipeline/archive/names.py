"""Names that every disk takes."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterator

_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}


def safe_name(name: str) -> str:
    """A name that every disk takes: no separators, control characters, reserved Windows names, over 150 characters."""
    flat = unicodedata.normalize("NFC", name.encode("utf-8", "replace").decode())
    flat = re.sub(r'[<>:"/\\|?*\x00-\x1f\x7f\ufffd]', "_", flat).strip(" .")
    if not flat or set(flat) <= {".", "_"}:
        flat = "file"
    stem, dot, ending = flat.rpartition(".")
    if (stem or ending).split(".")[0].lower() in _RESERVED:
        flat = "_" + flat
    if len(flat.encode()) > 150:
        mark = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        tail = f"~{mark}{dot}{ending[:10]}"
        flat = flat.encode()[: 150 - len(tail.encode())].decode("utf-8", "ignore") + tail
    return flat


def names_for(folder: str, name: str) -> Iterator[str]:
    """``name`` in ``folder``, then ``name~2``, ``name~3`` …: one of them is free."""
    yield f"{folder}{os.sep}{name}"
    stem, dot, ending = name.rpartition(".")
    number = 2
    while True:
        yield folder + os.sep + (f"{stem}~{number}.{ending}" if dot and stem else f"{name}~{number}")
        number += 1
