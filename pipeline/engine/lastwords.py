"""What is said and written down of a run that had to be ended while it held the interpreter.

A thread of its own cannot end such a run (a hopeless regular expression, a library in C that never comes back): no
line of Python runs any more. The interpreter's own watchdog (:func:`faulthandler.dump_traceback_later`, a thread in C)
ends the process all the same, but tells nobody. So a small process waits beside the run, for no longer than the step
lasts: what the watchdog writes, it takes for the word to speak. It reads one line of JSON, then nothing, or a trace.
"""

from __future__ import annotations

import faulthandler
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.errors import Finding
    from pipeline.ledger.store import Ledger


@contextmanager
def ended_after(
    limit: timedelta, ledger: Ledger, run_id: int | None, job: str, finding: Finding, words: Sequence[str]
) -> Iterator[None]:
    """End this whole process, with exit code 1, when the body takes longer than ``limit``, whatever holds it up.

    The run is recorded as ended by its time limit, with ``finding``, and ``words`` are printed.
    """
    said = {
        "path": [place for place in sys.path if place],
        "words": list(words),
        "url": ledger.url.render_as_string(hide_password=False),
        "base": str(ledger.base),
        "client": ledger.client,
        "run": run_id,
        "job": job,
        "finding": finding.to_json(),
    }
    # isolated and without site: it is there in a few milliseconds
    speaker = subprocess.Popen([sys.executable, "-I", "-S", __file__], stdin=subprocess.PIPE)  # noqa: S603 - ourselves
    assert speaker.stdin is not None
    try:
        with suppress(BrokenPipeError):
            speaker.stdin.write(json.dumps(said).encode() + b"\n")
            speaker.stdin.flush()
        faulthandler.dump_traceback_later(limit.total_seconds(), exit=True, file=speaker.stdin)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
    finally:
        with suppress(BrokenPipeError):
            speaker.stdin.close()
        speaker.wait()


def _speak(said: dict[str, Any]) -> None:
    for words in said["words"]:
        print(words, flush=True)  # noqa: T201 - the last words of a process that could not say them
    sys.path[:] = said["path"]
    from pipeline.clock import SystemClock
    from pipeline.engine.endings import record_end
    from pipeline.errors import Finding
    from pipeline.ledger.store import Ledger

    ledger = Ledger(said["url"], client=said["client"], base=Path(said["base"]), clock=SystemClock())
    try:
        record_end(ledger, said["run"], said["job"], "timed_out", finding=Finding.from_json(said["finding"]))
    finally:
        ledger.close()


if __name__ == "__main__":
    first, _, trace = sys.stdin.buffer.read().partition(b"\n")
    if trace:  # else the step ended in time, or its process died in another way
        _speak(json.loads(first))
