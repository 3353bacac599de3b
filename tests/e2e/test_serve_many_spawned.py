"""``mistok serve DIR`` where no process is forked, as on Windows and macOS: every worker is started anew."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil

from tests.e2e.many import ORDERS, Many, until

#: The service as it is where FORKS is False. Its workers read the module anew, and do not ask.
SPAWNING = (
    sys.executable,
    "-c",
    "from pipeline.engine import nursery; nursery.FORKS = False; from pipeline.cli import main; main()",
)
OWN = """\
from pipeline.api import FreeStep, Settings, StepPlugin, StepResult, T

def run(settings, context):
    return StepResult({"own": 1})

PLUGIN = StepPlugin("own-step", T("Counts."), Settings, FreeStep(run))
"""


def _family(running: subprocess.Popen[bytes]) -> list[str]:
    """What the processes were started with that come from the service now."""
    words = []
    for process in psutil.Process(running.pid).children(recursive=True):
        with suppress(psutil.Error):
            words.append(" ".join(process.cmdline()))
    return words


def test_clients_are_served_by_workers_that_are_started_anew(tmp_path: Path) -> None:
    many = Many(tmp_path / "clients")
    many.folder.mkdir()
    (many.folder / "service.yaml").write_text("language: en\nworkers: 2\nslice: 1ms\n", "utf-8")
    many.add_hanging("hang")
    many.add("anna", orders=2)
    many.add("flood", orders=3, more=", batch: 1")
    own = many.add("own", orders=1)
    (own / "plugins").mkdir()
    (own / "plugins" / "own.py").write_text(OWN, "utf-8")
    text = (own / "config.yaml").read_text("utf-8")
    (own / "config.yaml").write_text(text.replace("alerts:", "    # then\n      - {step: own-step}\nalerts:"), "utf-8")
    with many.serving(program=SPAWNING) as running:
        started: set[str] = set()

        def through() -> bool:
            started.update(_family(running))
            return len(many.documents("anna")) == 2 and len(many.documents("flood")) == 3

        until(through, running, many)
        until(lambda: any(state == "done" for state, *_ in many.runs("own")), running, many)
        until(lambda: any(state == "timed_out" for state, *_ in many.runs("hang")), running, many)
        # the same service goes on with what comes, after it has ended a process
        shutil.copy(ORDERS[5], many.folder / "anna" / "site" / "orders")
        until(lambda: len(many.documents("anna")) == 3, running, many)
        until(lambda: len(many.runs("flood")) >= 3, running, many)
        assert many.documents("own") == ["2001"]
        assert any("multiprocessing.spawn" in words for words in started)
        assert not [words for words in started if "forkserver" in words]
        assert "'SECRET_OF': 'hang'" in (many.folder / "hang" / "plugins" / "environment").read_text("utf-8")
        if sys.platform != "win32":
            running.send_signal(signal.SIGTERM)
            assert running.wait(240) == 0, many.said()
            assert "Stopped." in many.said()
