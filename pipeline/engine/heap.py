"""What a process that runs jobs gets of the C library's memory: one heap for all of its threads.

glibc gives threads heaps of their own, and keeps in each what was freed there. The interpreter lets one thread work at
a time, so that they have little of it: an import with four threads holds 5 MiB less with one heap, and is as quick.
"""

from __future__ import annotations

import sys
from functools import cache

_ARENA_MAX = -8  #: M_ARENA_MAX, see mallopt(3)
#: Named once, so that types are checked for every system on any.
_PLATFORM: str = sys.platform


@cache
def one_heap() -> bool:
    """Have threads that are begun from now on share the heap; False where there is no such thing (it is glibc's)."""
    if not _PLATFORM.startswith("linux"):
        return False
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and mallopt(_ARENA_MAX, 1) == 1
