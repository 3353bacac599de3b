"""A client's own plugins under the real ``mistok serve``: in worker processes, again and again, within their time."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.signals import SIGKILL

ROOT = Path(__file__).parents[2]
MISTOK = [sys.executable, "-c", "from pipeline.cli import main; main()"]
README_STEP = (ROOT / "README.md").read_text("utf-8").split("```python\n")[1].split("```")[0]

HEAD = "from pipeline.api import *\n"
STEP = """
class Own(Settings):
    way: str = ""

def run(settings, context):
    if settings.way == "hang":
        import time
        while True:
            time.sleep(1)
    if settings.way == "deaf":
        import os, re, signal
        for name in ("SIGTERM", "SIGINT", "SIGUSR1", "SIGUSR2"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), signal.SIG_IGN)
        with open("pid.txt", "a") as file:
            print(os.getpid(), file=file)
        re.match(r"(a+)+$", "a" * 64 + "b")  # years, and no other thread runs meanwhile
    if settings.way == "exit":
        import sys
        sys.exit(3)
    if settings.way == "interrupt":
        raise KeyboardInterrupt
    if settings.way == "wrong":
        return 5
    return StepResult({"files": 7})

PLUGIN = StepPlugin(name="own-step", summary=T("x"), settings=Own, kind=FreeStep(run))
"""
FORMAT = """
class Lines(Settings):
    word: str

class Code:
    def decode(self, data, settings, context):
        raise Rejected(T("The word is {word}.", word=settings.word), code="own-format")

    def complete(self, tail, settings):
        return True

PLUGIN = FormatPlugin(name="own-format", summary=T("x"), format=Code(), settings=Lines)
"""


@contextmanager
def service(folder: Path, plugins: dict[str, str], config: str) -> Iterator[subprocess.Popen[bytes]]:
    (folder / "plugins").mkdir()
    for name, code in plugins.items():
        (folder / "plugins" / name).write_text(code, "utf-8")
    (folder / "site").mkdir()
    head = "client: own\nlanguage: en\nconnections: {site: {type: local, path: site}, books: {type: books}}\n"
    (folder / "config.yaml").write_text(head + config, "utf-8")
    with (folder / "screen.txt").open("wb") as screen:
        started = subprocess.Popen([*MISTOK, "serve"], cwd=folder, stdout=screen, stderr=screen)
    try:
        yield started
        if started.poll() == -SIGKILL:  # by the test
            return
        started.send_signal(signal.SIGTERM)
        assert started.wait(30) == 0, (folder / "screen.txt").read_text("utf-8")
    finally:
        started.kill()
        started.wait()


def status(folder: Path) -> tuple[int, str]:
    """Exit code and words of ``mistok status``."""
    done = subprocess.run(
        [*MISTOK, "--language", "en", "status"], cwd=folder, capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout


def runs(folder: Path, job: str) -> list[tuple[str, str]]:
    """State and code of the error of each ended run; on a busy machine a slot may meet the run before it."""
    if not (folder / "ledger.sqlite3").exists():
        return []
    with sqlite3.connect(folder / "ledger.sqlite3") as ledger:
        try:
            rows = ledger.execute(
                "SELECT state, error FROM runs WHERE job = ? AND ended IS NOT NULL AND state != 'skipped' ORDER BY id",
                [job],
            ).fetchall()
        except sqlite3.OperationalError:
            rows = []  # not made yet
    ledger.close()
    return [(state, (json.loads(error or "null") and json.loads(error)["code"]) or "") for state, error in rows]


def until(folder: Path, true: Callable[[], object], seconds: float = 40.0) -> None:
    start = time.monotonic()
    while not true():
        assert time.monotonic() - start < seconds, (folder / "screen.txt").read_text("utf-8")
        time.sleep(0.05)


@pytest.mark.full
def test_the_readmes_plugin_runs_again_and_again(tmp_path: Path) -> None:
    config = "jobs: {count: {every: 1s, steps: [{step: count-files, where: site}]}}\n"
    with service(tmp_path, {"count_files.py": README_STEP}, config):
        (tmp_path / "site/one.txt").touch()
        until(tmp_path, lambda: len(runs(tmp_path, "count")) >= 3)
        # what is edited while the service runs does not concern it, nor the workers that it starts later
        (tmp_path / "plugins/count_files.py").write_text("broken(", "utf-8")
        until(tmp_path, lambda: len(runs(tmp_path, "count")) >= 5)
    assert {state for state, _ in runs(tmp_path, "count")} == {"done"}
    assert "Traceback" not in (tmp_path / "screen.txt").read_text("utf-8")


@pytest.mark.full
def test_a_step_that_hangs_is_ended_and_the_others_go_on(tmp_path: Path) -> None:
    config = """\
jobs:
  hang: {every: 1h, time_limit: 1s, steps: [{step: own-step, way: hang}]}
  good: {every: 1s, steps: [{step: own-step}]}
"""
    with service(tmp_path, {"own.py": HEAD + STEP}, config):
        until(tmp_path, lambda: runs(tmp_path, "hang"))
        before = len(runs(tmp_path, "good"))
        until(tmp_path, lambda: len(runs(tmp_path, "good")) >= before + 2)
    assert runs(tmp_path, "hang") == [("timed_out", "time-limit")]
    assert {state for state, _ in runs(tmp_path, "good")} == {"done"}


@pytest.mark.full
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_a_step_deep_in_c_code_is_ended_by_its_limit_and_with_its_service(tmp_path: Path) -> None:
    """It hears no signal and lets no thread run: only the kernel ends it."""
    config = "jobs: {deaf: {every: 1s, time_limit: 1s, steps: [{step: own-step, way: deaf}]}}\n"

    def workers() -> list[int]:
        told = tmp_path / "pid.txt"
        return [int(line) for line in told.read_text("utf-8").split()] if told.exists() else []

    def ended(pid: int) -> bool:
        try:
            return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    with service(tmp_path, {"own.py": HEAD + STEP}, config) as started:
        until(tmp_path, lambda: ("timed_out", "time-limit") in runs(tmp_path, "deaf"))
        until(tmp_path, lambda: len(workers()) >= 2)
        assert ended(workers()[0])
        code, words = status(tmp_path)
        assert code == 1, "while it tries once more it is no better than before"
        assert "deaf: ended by its time limit" in words
        started.kill()
        started.wait()
        if sys.platform == "linux":
            until(tmp_path, lambda: all(ended(pid) for pid in workers()), 5)
        code, words = status(tmp_path)
        assert (code, "DEAD" in words) == (3, True)


@pytest.mark.full
@pytest.mark.parametrize(
    ("way", "code"),
    [
        ("exit", "unexpected"),
        pytest.param("interrupt", "unexpected", marks=pytest.mark.full),
        pytest.param("wrong", "plugin-error", marks=pytest.mark.full),
    ],
)
def test_a_step_that_misbehaves_is_a_failed_run_and_not_an_open_one(tmp_path: Path, way: str, code: str) -> None:
    config = f"jobs: {{bad: {{every: 1s, steps: [{{step: own-step, way: {way}}}]}}}}\n"
    with service(tmp_path, {"own.py": HEAD + STEP}, config):
        until(tmp_path, lambda: len(runs(tmp_path, "bad")) >= 2)
    assert set(runs(tmp_path, "bad")) == {("failed", code)}


def test_a_format_of_the_clients_own_reads_what_comes(tmp_path: Path) -> None:
    config = """\
jobs:
  orders:
    watch: true
    poll: 1s
    steps:
      - {step: import-orders, inbox: site, into: books, format: {type: own-format, word: Привіт}}
"""
    with service(tmp_path, {"own.py": HEAD + FORMAT}, config):
        (tmp_path / "site/a.xml").write_text("<a/>", "utf-8")
        until(tmp_path, lambda: ("waiting", "") in runs(tmp_path, "orders"))
    with sqlite3.connect(tmp_path / "ledger.sqlite3") as ledger:
        told = str(ledger.execute("SELECT * FROM files").fetchall())
    ledger.close()
    assert "own-format" in told
    assert json.dumps("Привіт").strip('"') in told or "Привіт" in told
