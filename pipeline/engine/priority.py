"""Letting other processes have the processor first: for work that is long and that nobody waits for file by file."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

#: What it has of a core that another process wants as well is about a tenth (see sched(7): a step is a quarter more or
#: less). All of what nobody wants it has, as ever.
NICENESS = 10


def give_way() -> None:
    """Put this process below others, and what it starts from now on; a second time changes nothing.

    There is no way back, which on POSIX only root has: a process that gave way is for such work alone, or ends.
    """
    if sys.platform == "win32":
        import psutil

        # a sandbox may refuse: then its share is as before
        with suppress(psutil.Error, OSError):
            psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
    else:
        with suppress(OSError):  # who was started lower already stays where it is
            os.setpriority(os.PRIO_PROCESS, 0, max(os.getpriority(os.PRIO_PROCESS, 0), NICENESS))
