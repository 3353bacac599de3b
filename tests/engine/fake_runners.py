"""Runners for the service's tests: each run leaves a line in a file and behaves as its job's name says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from pipeline.engine.stopping import Stop
from pipeline.engine.worker import Ended, Order, Runner
from pipeline.errors import ConfigError
from pipeline.texts import T


def recording(payload: Path) -> Runner:
    """``payload``: the folder for the record. Jobs: ``hang…``, ``die…``, ``slow…`` (1 s), ``raise…``, ``again…``, and
    ``flood…`` (three slices)."""
    runs = 0

    def write(name: str, **more: object) -> None:
        line = {"job": name, "pid": os.getpid(), "at": time.time(), **more}
        with (payload / "runs.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")

    def run(order: Order, step_begins: Callable[[int], None]) -> Ended:
        nonlocal runs
        runs += 1
        slot = str(order.scheduled_for) if order.scheduled_for else None
        niceness = int(psutil.Process().nice())
        write(order.job, trigger=order.trigger, slot=slot, by=order.by, goes_on=order.goes_on, niceness=niceness)
        step_begins(0)
        counts = {"files": len(list((payload / "inbox").glob("*"))) if (payload / "inbox").exists() else 0}
        if "parent" in order.job:
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
            write(order.job + ":child", child=child.pid)
        if order.job.startswith("hang-stubborn"):
            while True:
                try:
                    time.sleep(60)
                except Stop:
                    write(order.job + ":asked")
        if order.job.startswith("hang"):
            first = payload / f"{order.job}.hung"
            if not first.exists():
                first.touch()
                time.sleep(60)
        if order.job.startswith("die"):
            first = payload / f"{order.job}.died"
            if not first.exists():
                first.touch()
                psutil.Process().kill()
        if order.job.startswith("slow"):
            time.sleep(1)
        if order.job.startswith("raise"):
            raise ZeroDivisionError
        if order.job.startswith("exit"):
            sys.exit(3)
        if order.job.startswith("interrupt"):
            raise KeyboardInterrupt
        write(order.job + ":end", files=counts["files"])
        again = 0.3 if order.job.startswith("again") and not (payload / "again.done").exists() else None
        if again:
            (payload / "again.done").touch()
        if order.job.startswith("flood"):
            more = runs % 3 != 0
            return Ended(order.number, "done", counts, 0.0 if more else None, more=more)
        return Ended(order.number, "done", counts, again)

    return run


def broken(payload: Path) -> Runner:
    """A worker that cannot load."""
    raise ConfigError(T("Plugin {path} does not load.", path=str(payload)))


def vanishing(_payload: Path) -> Runner:
    """A worker whose process ends while it loads."""
    sys.exit(3)
