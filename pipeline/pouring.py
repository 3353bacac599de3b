"""The bytes of one file into another by the system itself, where it can: it shares blocks where the disk can."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import BinaryIO

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_AT_ONCE = 1 << 30


def poured(source: Path, target: BinaryIO) -> bool:
    """Whether all bytes of ``source`` are in ``target``, an empty file just opened; False: it is as empty as before.

    Raises OSError for a full disk; any other reason not to (an old kernel, a share) is none against copying by hand.
    """
    if sys.platform == "linux":
        try:
            with source.open("rb", buffering=0) as reader:
                while os.copy_file_range(reader.fileno(), target.fileno(), _AT_ONCE):
                    pass
                # some file systems give nothing, and no error either
                if os.fstat(reader.fileno()).st_size == os.fstat(target.fileno()).st_size:
                    return True
        except OSError as error:
            if error.errno in FULL:
                raise
        target.seek(0)
        target.truncate()
    return False
