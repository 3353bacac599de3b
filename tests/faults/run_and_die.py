"""Runs one job and kills its own process (SIGKILL) when a named point of the walk is reached for the nth time.

``python run_and_die.py CONFIG JOB POINT NTH [ahead|leaving]``; with ``ahead`` small batches are fetched, kept and read
ahead as large ones are, by a second process that is started anew; with ``leaving`` by one that is forked, and it dies
while files leave the server beside the run: half of a batch are gone by then. Exits 0 when the point was never reached,
so that a test can tell.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

from pipeline.config.load import load_config
from pipeline.engine import ahead, second
from pipeline.engine.runtime import run_job
from pipeline.engine.selftest.child import kill_at
from pipeline.ports import FileOutcome, RemoteFile
from pipeline.transports.wrap import Retrying

LIMIT = 120.0


def main(config: str, job: str, point: str, nth: str, early: str = "") -> int:
    half_gone = threading.Event()
    if early:
        ahead.LEAST = 2
    if early == "ahead":
        second.ANEW = 2
    if early == "leaving":
        _hold(half_gone)

    def before() -> None:
        if early == "leaving" and not half_gone.wait(LIMIT):
            raise AssertionError("no file leaves beside the run")

    report = run_job(load_config(Path(config)), job, reach=kill_at(point, int(nth), before=before))
    print(report, file=sys.stderr)
    return 0


def _hold(half_gone: threading.Event) -> None:
    """Let half of the files that leave beside the run go, and no answer come."""
    delete = Retrying.delete_many

    def held(self: Retrying, files: Iterable[RemoteFile]) -> Sequence[FileOutcome]:
        every = list(files)
        if threading.current_thread() is threading.main_thread():
            return delete(self, every)
        delete(self, every[: len(every) // 2])
        half_gone.set()
        threading.Event().wait(LIMIT)
        raise AssertionError("it was not killed")

    Retrying.delete_many = held  # type: ignore[method-assign]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
