"""How many files a service of many clients may have open."""

from __future__ import annotations

import sys
from contextlib import suppress

#: So many ledgers that are files are held open, and fewer where the system does not allow so many files: each
#: may take ``FILES_EACH``. The others are opened when their client has its turn, which is what costs a service most.
LEDGERS_OPEN, FILES_EACH, FILES_BESIDE = 1000, 8, 256


def ledgers_open(files: int) -> int:
    """How many ledgers may be open at once, where so many files may be."""
    return min(max((files - FILES_BESIDE) // FILES_EACH, 8), LEDGERS_OPEN)


def more_files() -> int:
    """Ledgers, pipes and logs of many clients are many files; the system's usual limit is for one program's own. Gives
    how many there may be."""
    if sys.platform == "win32":
        files = 8192  # of handles there are more; what may be open through the C library is this
    else:
        import resource

        files, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
        if files == resource.RLIM_INFINITY or files >= wanted:
            return wanted
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            files = wanted
    return files
