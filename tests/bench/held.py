"""How much memory a program and its children hold."""

from __future__ import annotations

from contextlib import suppress

import psutil


def held_by(root: psutil.Process) -> int:
    """The bytes that a process and its children hold together: of these, as of Mistok's, what they share with nobody.
    Raises psutil.NoSuchProcess when it is gone."""
    held = int(root.memory_info().rss)
    for one in root.children(recursive=True):
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            held += int(one.memory_full_info().uss)
    return held
