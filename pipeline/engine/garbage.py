"""The cycle collector while a job runs: it leaves alone what was loaded before, and looks less often.

Nearly everything that a run makes is freed by its reference counts. A collector that walks through all loaded code
again and again finds nothing there, and took a fifth of an import's time.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

#: New containers between two looks at the youngest: a MB or two.
YOUNGEST = 20_000

_lock = threading.Lock()
_inside = 0
_before = gc.get_threshold()


@contextmanager
def seldom() -> Iterator[None]:
    """Collect seldom while the block runs, and as before after the last such block of the process has ended."""
    global _before, _inside  # noqa: PLW0603 - the collector is the process's own as well
    with _lock:
        _inside += 1
        if _inside == 1:
            _before = gc.get_threshold()
            gc.freeze()
            if _before[0]:  # zero: somebody has switched it off
                gc.set_threshold(max(_before[0], YOUNGEST), *_before[1:])
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                gc.set_threshold(*_before)
                gc.unfreeze()
