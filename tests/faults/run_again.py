"""Runs one job again and again, as a watching service does, until told to end.

``python run_again.py CONFIG JOB END [POINT]``: ends when the file END exists. With POINT it stops itself (SIGSTOP) when
that point of the walk is first reached, and says so by making the file END.stopped; woken (SIGCONT), it goes on.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from pathlib import Path

from pipeline.config.load import load_config
from pipeline.engine.runtime import RunOptions, run_job


def main(config: str, job: str, end: str, point: str = "") -> int:
    settings = load_config(Path(config))
    stopped = Path(f"{end}.stopped")
    created = 0

    def reach(name: str) -> None:
        if name == point and not stopped.exists():
            stopped.write_text(f"{os.getpid()} {socket.gethostname()}", encoding="utf-8")
            os.kill(os.getpid(), getattr(signal, "SIGSTOP", signal.SIGTERM))

    while not Path(end).exists():
        report = run_job(settings, job, RunOptions(trigger="watch"), reach=reach)
        made = report.counts.get("created", 0)
        created += made
        print(report.state, dict(report.counts), [str(step.findings) for step in report.steps], flush=True)
        if point and stopped.exists():
            return 0  # it woke, and its run is over
        # who made something leaves a gap: a loop without one has the lease again before the other has asked for it
        time.sleep(0.5 if made else 0.02)
    print("created", created, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
