"""The programs that a step has started, and those that they started in turn: they end with it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil


def of_process(pid: int | None = None) -> list[psutil.Process]:
    """All processes that come from ``pid`` (this one by default); none when it is gone.

    One that has cut itself loose, as its parent ended before, is not found.
    """
    import psutil

    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []


def spent_by(pid: int | None) -> float | None:
    """How many seconds of a processor a process has used so far, without those that it started; None: it is gone."""
    import psutil

    if pid is None:
        return None
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return None
    return float(times.user + times.system)


def kill(processes: Iterable[psutil.Process]) -> None:
    """End them now. Those that ended meanwhile are left out, also where another process has their number by now."""
    import psutil

    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.kill()
