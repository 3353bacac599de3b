"""What a measured process tells of itself: one line of JSON at its end."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Stopwatch:
    """Seconds of the work alone, without the start-up before it: by the clock, and of this process on a core."""

    seconds = 0.0
    cpu = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count what happens inside."""
        begun, cpu = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - begun
            self.cpu += time.process_time() - cpu


def tell(watch: Stopwatch, done: int, **figures: float) -> None:
    """The last words of a measured process: how long the work took, how much was done, peak memory; figures of its
    own by their names."""
    said = {"seconds": watch.seconds, "cpu": watch.cpu, "done": done, "peak_mib": peak_mib(), "figures": figures}
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
