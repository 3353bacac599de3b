"""What a measured process tells of itself: one line of JSON at its end."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Stopwatch:
    """Seconds of the work alone, without the start-up before it: by the clock, and on a core, of this process and of
    those that it forked off; the most memory that these held besides it."""

    seconds = 0.0
    cpu = 0.0
    others_mib = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count what happens inside."""
        over = threading.Event()
        watch = threading.Thread(target=self._look, args=(over,), daemon=True)
        watch.start()
        begun, cpu = time.perf_counter(), _cpu()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - begun
            self.cpu += _cpu() - cpu
            over.set()
            watch.join()

    def _look(self, over: threading.Event) -> None:
        while not over.wait(_LOOK):
            self.others_mib = max(self.others_mib, sum(map(_own_mib, _children())))


def _cpu() -> float:
    family = os.times()
    return time.process_time() + family.children_user + family.children_system


def _children() -> list[str]:
    """The ids of processes that this one forked off; none where that cannot be told."""
    lists = Path("/proc/self/task").glob("*/children")
    try:
        return [pid for one in lists for pid in one.read_text(encoding="ascii").split()]
    except OSError:  # a thread that has just ended
        return []


def _own_mib(pid: str) -> float:
    """What a process holds that it does not share with the one it was forked off."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:  # it has just ended
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private")) / 1024


#: Seconds between two looks at the memory of others.
_LOOK = 0.2


def tell(watch: Stopwatch, done: int, **figures: float) -> None:
    """The last words of a measured process: how long the work took, how much was done, peak memory; figures of its
    own by their names."""
    peak = peak_mib() + watch.others_mib
    said = {"seconds": watch.seconds, "cpu": watch.cpu, "done": done, "peak_mib": peak, "figures": figures}
    print(json.dumps(said))


def peak_mib() -> float:
    """The most memory that this process held at once, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():
        # not getrusage: on Linux a child begins with the peak of the process that started it
        words = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM"))
        return int(words.split()[1]) / 1024
    if sys.platform == "win32":
        import psutil

        return float(psutil.Process().memory_info().peak_wset) / 2**20
    else:  # noqa: RET505 - mypy takes what follows a return under this condition for dead code on Windows
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)
