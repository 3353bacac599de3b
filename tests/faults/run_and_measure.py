"""Runs one job in this process and tells what it took: ``python run_and_measure.py CONFIG JOB``, one line of JSON.

``rise``: how many MB the highest resident size during the run is above the one before it; ``seconds`` of the run.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

import psutil

from pipeline.clock import SystemClock
from pipeline.config.load import load_config
from pipeline.engine.ownplugins import plugin_folder
from pipeline.engine.runtime import run_job
from pipeline.engine.warming import warm
from pipeline.registry import load_registry


def main(config: str, job: str) -> int:
    client = load_config(Path(config))
    warm(client, load_registry(plugin_folder(client)), SystemClock())
    me = psutil.Process()
    before = me.memory_info().rss
    over = threading.Event()
    highest = before

    def watch() -> None:
        nonlocal highest
        while not over.wait(0.005):
            highest = max(highest, me.memory_info().rss)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    start = time.monotonic()
    report = run_job(client, job)
    seconds = time.monotonic() - start
    over.set()
    watcher.join()
    rise = (highest - before) / 1e6
    print(json.dumps({"rise": rise, "seconds": seconds, "counts": dict(report.counts), "state": report.state}))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
