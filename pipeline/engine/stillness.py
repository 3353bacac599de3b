"""Waits while files lie still in a folder of this machine, and no longer than they do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.ports import Clock

#: Seconds between two glances: a few calls of the system each.
GLANCE = 0.05
#: So many files are glanced at; of more, those that came first.
MOST = 64
Stamp = tuple[tuple[int, int] | None, ...]


def rest(clock: Clock, seconds: float, folder: Path, names: Sequence[str]) -> bool:
    """Sleep for so long, or until something came into ``folder``, left it, or one of the files there changed.

    Gives whether something did. A glance is no look: whoever waits lists the folder anew. What cannot be read is
    taken for unchanged; on a share a change may be seen late, which a look at the end of the time makes up for.
    """
    paths = (folder, *(folder / name for name in names[:MOST]))
    before = _stamp(paths)
    while seconds > 0:
        clock.sleep(min(seconds, GLANCE))
        seconds -= GLANCE
        if seconds > 0 and _stamp(paths) != before:
            return True
    return False


def _stamp(paths: Sequence[Path]) -> Stamp:
    found: list[tuple[int, int] | None] = []
    for path in paths:
        try:
            status = path.stat()
        except (OSError, ValueError):
            found.append(None)
        else:
            found.append((status.st_mtime_ns, status.st_size))
    return tuple(found)
