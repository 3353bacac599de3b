"""Runs one job and kills its own process (SIGKILL) when a named point of the walk is reached for the nth time.

``python run_and_die.py CONFIG JOB POINT NTH [ahead]``; with ``ahead`` small batches are fetched, kept and read ahead as
large ones are. Exits 0 when the point was never reached, so that a test can tell.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pipeline.config.load import load_config
from pipeline.engine import ahead
from pipeline.engine.runtime import run_job
from pipeline.engine.selftest.child import kill_at


def main(config: str, job: str, point: str, nth: str, early: str = "") -> int:
    if early:
        ahead.LEAST = 2
    report = run_job(load_config(Path(config)), job, reach=kill_at(point, int(nth)))
    print(report, file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
