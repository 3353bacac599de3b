"""Clients whose own plugins hang or end the program as they are loaded: a worker tells of them and goes on."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import AbstractContextManager
from multiprocessing import get_context
from pathlib import Path

import psutil
import pytest

from pipeline.engine import configwatch
from pipeline.engine.fleet.roster import Clients
from tests.engine.fleet import clients
from tests.faults.fleet import Fleet
from tests.faults.serving import started

#: A worker that waits a moment for what takes a minute otherwise.
HASTY = (
    sys.executable,
    "-c",
    "from pipeline.engine import configwatch; configwatch.CHECK_LIMIT = 3; from pipeline.cli import main; main()",
)
HANGS = """\
import os
import time
from pathlib import Path

with Path(__file__).with_name("pids").open("a") as pids:
    print(os.getpid(), file=pids)
time.sleep(600)
"""
DIES = "import os; os._exit(7)\n"
GOOD = """\
from pipeline.api import FreeStep, Settings, StepPlugin, StepResult, T

PLUGIN = StepPlugin("own-step", T("Counts."), Settings, FreeStep(lambda settings, context: StepResult({"own": 1})))
"""
BELL = """
from pipeline.api import ChannelPlugin

class Ring(Settings):
    times: int = 1

class Bell:
    def __init__(self, settings):
        pass

PLUGINS = (PLUGIN, ChannelPlugin("bell", T("Rings."), Ring, Bell))
"""


def with_plugin(folder: Path, source: str) -> None:
    """Give a client this plugin of its own, whole from the first moment on."""
    (folder / "making").mkdir()
    (folder / "making" / "own.py").write_text(source, encoding="utf-8")
    (folder / "making").rename(folder / "plugins")


def hanging(folder: Path) -> list[int]:
    """The processes that have begun to load its plugin."""
    path = folder / "plugins" / "pids"
    return [int(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def bad(fleet: Fleet, name: str, source: str) -> Path:
    """A client with such a plugin, there from one moment to the next."""
    made = clients.write(fleet.folder.parent / "made", name).parent
    with_plugin(made, source)
    return Path(shutil.move(made, fleet.folder / name))


@pytest.fixture
def fleet(tmp_path: Path, queue_url: str) -> Fleet:
    folder = tmp_path / "clients"
    folder.mkdir()
    return Fleet(folder, None, "sqlite:///ledger.sqlite3", queue_url, every="3s")


def worker(
    fleet: Fleet, *words: str, program: tuple[str, ...] = HASTY
) -> AbstractContextManager[subprocess.Popen[bytes]]:
    env = {**os.environ, "MISTOK_QUEUE": fleet.queue}
    call = ("worker", str(fleet.folder), "--silence", "3", *words)
    return started(call, fleet.folder / "worker.log", env=env, program=program)


def whole(fleet: Fleet) -> str:
    return (fleet.folder / "worker.log").read_text("utf-8", "replace")


def until_told(fleet: Fleet, one: subprocess.Popen[bytes], client: str, words: str) -> None:
    """Wait until the worker's log says so of the client."""

    def told() -> bool:
        assert one.poll() is None, fleet.said()
        return any(f"client={client} " in f"{line} " and words in line for line in whole(fleet).splitlines())

    fleet.until(told)


@pytest.mark.full
@pytest.mark.skipif(sys.platform == "win32", reason="told to end by a signal here; the rest is the same there")
def test_a_worker_goes_on_with_the_others(fleet: Fleet) -> None:
    fleet.add("acme", 1)
    bad(fleet, "hangs", HANGS)
    bad(fleet, "dies", DIES)
    with worker(fleet) as one:
        # there from the start
        fleet.until(lambda: one.poll() is not None or not fleet.left())
        for name in ("hangs", "dies"):
            until_told(fleet, one, name, "could not be checked")
        assert one.poll() is None, fleet.said()
        # new while it runs
        bad(fleet, "hangs-too", HANGS)
        bad(fleet, "dies-too", DIES)
        fleet.add("bravo", 1)
        fleet.drop("acme", 1)
        fleet.until(lambda: one.poll() is not None or not fleet.left())
        for name in ("hangs-too", "dies-too"):
            until_told(fleet, one, name, "could not be checked")
        assert one.poll() is None, fleet.said()
        # new of a client that is served
        with_plugin(fleet.folder / "acme", HANGS)
        until_told(fleet, one, "acme", "the old one")
        fleet.drop("acme", 1)
        fleet.until(lambda: one.poll() is not None or not fleet.left())
        assert one.poll() is None, fleet.said()
        # mended
        (fleet.folder / "hangs" / "plugins" / "own.py").write_text(GOOD, encoding="utf-8")
        fleet.until(lambda: one.poll() is not None or "hangs" in served(fleet))
        one.send_signal(signal.SIGTERM)
        assert one.wait(120) == 0, fleet.said()
    assert "Traceback" not in whole(fleet)
    fleet.until(lambda: not left(fleet))
    shutil.rmtree(fleet.folder / "acme" / "plugins")
    fleet.check()


def served(fleet: Fleet) -> set[str]:
    return {name for one in fleet.state().workers for name in one.clients}


def left(fleet: Fleet) -> list[int]:
    """Those of the processes that loaded a hanging plugin and are still there."""
    found = [pid for folder in fleet.folder.iterdir() if folder.is_dir() for pid in hanging(folder)]
    return [pid for pid in found if _lives(pid)]


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.full
@pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM is POSIX")
@pytest.mark.parametrize("signals", [1, 2])
def test_it_ends_when_told_while_a_plugin_hangs(fleet: Fleet, signals: int) -> None:
    fleet.add("acme", 0)
    with worker(fleet, program=PATIENT) as one:
        fleet.until(lambda: one.poll() is not None or "At work" in whole(fleet))
        hangs = bad(fleet, "hangs", HANGS)
        fleet.until(lambda: one.poll() is not None or hanging(hangs))
        for _ in range(signals):
            one.send_signal(signal.SIGTERM)
        assert one.wait(120) == 0, fleet.said()
    assert "Stopped." in whole(fleet)
    fleet.until(lambda: not left(fleet))


#: One for which a plugin that hangs is under way as long as the test lasts.
PATIENT = (HASTY[0], HASTY[1], HASTY[2].replace("= 3", "= 3000"))


@pytest.mark.full
@pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM is POSIX")
@pytest.mark.parametrize("words", [(), ("--check",)])
def test_it_ends_when_told_while_it_starts(fleet: Fleet, words: tuple[str, ...]) -> None:
    hangs = bad(fleet, "hangs", HANGS)
    with worker(fleet, *words, program=PATIENT) as one:
        fleet.until(lambda: one.poll() is not None or hanging(hangs))
        one.send_signal(signal.SIGTERM)
        assert one.wait(120) == -signal.SIGTERM, fleet.said()
    fleet.until(lambda: not left(fleet))


@pytest.mark.full
def test_check_tells_them_and_shows_the_others(fleet: Fleet) -> None:
    clients.write(fleet.folder, "acme")
    bad(fleet, "hangs", HANGS)
    bad(fleet, "dies", DIES)
    with worker(fleet, "--check") as one:
        assert one.wait(240) == 2
    said = " ".join(fleet.said().split())
    assert said.count("The config could not be checked") == 2
    assert "acme" in said
    fleet.until(lambda: not left(fleet))


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configwatch, "CHECK_LIMIT", 1.0)


def roster(folder: Path) -> Clients:
    return Clients(folder, how=lambda: get_context("spawn"))


@pytest.mark.parametrize("settings", ["Ring", "Settings"])
def test_one_with_a_plugin_of_its_own_joins_when_it_was_read(tmp_path: Path, settings: str) -> None:
    clients.write(tmp_path, "acme")
    own = clients.write(tmp_path, "own")
    with_plugin(own.parent, GOOD + BELL.replace("Ring, Bell", f"{settings}, Bell"))
    text = own.read_text("utf-8") + "  counts: {every: 1h, steps: [{step: own-step}]}\n"
    alerts = "alerts: {channels: [{type: bell}], escalate: [{name: boss, channel: {type: bell}}]}\n"
    own.write_text(text + alerts, encoding="utf-8")
    found = roster(tmp_path)
    try:
        found.wait(for_all=False)
        assert sorted(found.members) == ["acme"], "who can be worked on is not kept waiting"
        assert not found.look()
        found.wait(for_all=True)
        assert sorted(found.members) == ["acme", "own"]
        own_one = found.members["own"]
        assert own_one.load.own
        assert sorted(own_one.config.jobs) == ["counts", "orders"]
        assert own_one.tells, "by a channel that this process does not know"
        assert not own_one.config.alerts.channels
        assert own_one.escalates
        assert not own_one.config.alerts.escalate
        assert "own-step" in own_one.config.jobs["counts"].steps[0].step
        assert not [name for name in sys.modules if "own" in name and str(tmp_path) in str(sys.modules[name])]
    finally:
        found.close()


@pytest.mark.usefixtures("limit")
def test_one_that_could_not_be_read_is_tried_again_though_nobody_touched_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.engine.fleet.roster.AGAIN", 0.0)
    hangs = clients.write(tmp_path, "hangs").parent
    with_plugin(hangs, HANGS)
    found = roster(tmp_path)
    try:
        found.wait(for_all=True)
        (told,) = found.broken
        assert told.findings[0].code == "config-not-checked"
        assert "longer than 1 seconds" in told.findings[0].text.render("en")
        found.look()
        assert found._readings.under_way
        shutil.rmtree(hangs)
        found.look()
        assert not found._readings.under_way, "nobody waits for one that is gone"
    finally:
        found.close()
