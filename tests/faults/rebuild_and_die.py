"""Rebuilds a ledger and kills its own process (SIGKILL) at a point.

``python rebuild_and_die.py CONFIG POINT``; POINT is one of the rebuild's, or ``rebuild:middle``: half of its one
transaction is sent. Exits 0 when the point was never reached.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from pipeline.config.load import load_config
from pipeline.engine import rebuild, rebuilt
from pipeline.engine.selftest.child import kill_at


def main(path: str, point: str) -> int:
    reach = kill_at(point, 1)
    real = rebuilt._sight

    def sight(*words: Any) -> None:
        real(*words)
        reach("rebuild:middle")

    setattr(rebuilt, "_sight", sight)  # noqa: B010 - half-way through the writing there is no named point
    rebuild.rebuild(load_config(Path(path)), apply=True, reach=reach)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
