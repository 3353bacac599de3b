"""Prunes an archive of everything that may go, and kills its own process (SIGKILL) at a point or a delete.

``python prune_and_die.py CONFIG POINT NTH``; POINT is one of retention's, or ``remove`` for the nth file deleted.
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

from pipeline.archive import disk, upkeep
from pipeline.config.load import load_config
from pipeline.engine import retention
from pipeline.engine.runtime import Client
from tests.faults.conftest import Later


def main(path: str, point: str, nth: str) -> int:
    left = int(nth)

    def reach(name: str) -> None:
        nonlocal left
        if name == point:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))

    real = disk.remove

    def remove(one: Path) -> None:
        real(one)
        reach("remove")

    setattr(upkeep, "remove", remove)  # noqa: B010 - it is the name that upkeep has imported
    config = load_config(Path(path))
    clock = Later()
    clock.ahead = timedelta(days=3)
    with Client.open(config, clock=clock) as client:
        settings = config.archive.model_copy(update={"keep_days": 1})
        done = retention.prune(client.ledger, client.archive, settings, reach=reach)
    print(len(done.dropped.copies), file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
