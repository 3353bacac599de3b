"""A disk on which each sync takes longer, and on which syncs are counted: a small library put before the C library.

Linux, with a C compiler. Real disks of servers take 1 to 10 ms for a sync; the disk below is that of this machine.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

_SOURCE = Path(__file__).with_name("disk.c")
_COUNT = "BENCH_SYNC_COUNT"


def slow(folder: Path, milliseconds: float) -> Mapping[str, str]:
    """The environment of a process for which a sync takes so much longer. ``folder``: for the library and the count.

    Raises NotHere.
    """
    from tests.bench.stage import NotHere  # a measured process needs none of what the stage loads, as its memory counts

    compiler = shutil.which("cc") or shutil.which("gcc")
    if platform.system() != "Linux" or compiler is None:
        raise NotHere("not on this machine (Linux with a C compiler)")
    library, count = folder / "disk.so", folder / "syncs"
    if not library.exists():
        command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(_SOURCE), "-ldl"]
        subprocess.run(command, check=True, capture_output=True)
    count.write_bytes(bytes(8))
    delay = str(round(milliseconds * 1000))
    return {"LD_PRELOAD": str(library), _COUNT: str(count), "BENCH_SYNC_DELAY_US": delay}


def syncs() -> int | None:
    """How many syncs this process and its family have asked for so far; None where nobody counts."""
    path = os.environ.get(_COUNT)
    return int.from_bytes(Path(path).read_bytes(), sys.byteorder) if path else None
