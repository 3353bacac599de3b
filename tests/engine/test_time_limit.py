"""The time limit of a step under ``mistok run``: it ends the step whatever holds it up, and what it has started."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from pipeline.engine.endings import timed_out
from tests.e2e.command import ROOT, environment

CONFIG = """\
client: acme
language: en
connections:
  site: {type: local, path: .}
log: {file: null}
jobs:
  hang: {time_limit: 1s, steps: [{step: hang, how: HOW}]}
"""
STEP = """\
import re, subprocess, sys
from pathlib import Path
from pipeline.api import FreeStep, Settings, StepPlugin, StepResult, T

class Hang(Settings):
    how: str
    \"\"\"In which way.\"\"\"

def run(settings, context):
    if settings.how == "holds-the-interpreter":
        re.match(r"(a+)+$", "a" * 60 + "b")
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path(__file__).with_name("child.txt").write_text(str(child.pid))
    child.wait()
    return StepResult()

PLUGIN = StepPlugin("hang", T("Hangs."), Hang, FreeStep(run))
"""
#: As a person calls it, but the watchdog waits for less long.
MISTOK = """\
from datetime import timedelta
from pipeline.engine import runtime
runtime.HARD = timedelta(seconds=1)
from pipeline.cli import main
main()
"""


@pytest.mark.full
@pytest.mark.parametrize("how", ["holds-the-interpreter", "starts-a-child"])
def test_f14_a_step_is_ended_whatever_holds_it_up(tmp_path: Path, how: str) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "hang.py").write_text(STEP, encoding="utf-8")
    (tmp_path / "config.yaml").write_text(CONFIG.replace("HOW", how), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", MISTOK, "-c", str(tmp_path / "config.yaml"), "run", "hang"],
        env=environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    # who speaks for a process that could not any more holds its output open until the ledger knows, too
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("Step hang of job hang was ended: it took longer than 1 s.")
    assert "raise time_limit of the job" in done.stdout
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite3")) as ledger:
        ((state, error),) = ledger.execute("SELECT state, error FROM runs").fetchall()
        assert (state, json.loads(error)["code"]) == ("timed_out", "time-limit")
        assert ledger.execute("SELECT kind FROM notices").fetchall() == [("failure",)]
    if how == "starts-a-child":
        child = int((tmp_path / "plugins" / "child.txt").read_text())
        assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize(("limit", "said"), [(0.5, "longer than 0.5 s."), (90, "longer than 90 s.")])
def test_a_limit_of_less_than_a_second_is_told_as_it_is(limit: float, said: str) -> None:
    assert said in timed_out("orders", "import-orders", timedelta(seconds=limit)).text.render("en")
