"""``check`` and ``status`` of many clients, some of whom have plugins of their own that hang or end the program."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.e2e.command import Said, environment, mistok
from tests.engine.fleet import clients

#: Waits a moment for what takes a minute otherwise; and the same where nothing is forked.
HASTY = "from pipeline.engine import configwatch; configwatch.CHECK_LIMIT = 3; from pipeline.cli import main; main()"
WAYS = {"forked": HASTY, "anew": "from pipeline.engine import nursery; nursery.FORKS = False; " + HASTY}
BAD = {
    "hangs": "import os, time, pathlib\npathlib.Path(__file__).with_name('pid').write_text(str(os.getpid()))\n"
    "time.sleep(600)\n",
    "dies": "import os; os._exit(7)\n",
}
OWN = """\
from pipeline.api import FreeStep, Settings, StepPlugin, StepResult, T

class Counting(Settings):
    limit: int
    '''How many at most.'''

PLUGIN = StepPlugin("own-step", T("Counts."), Counting, FreeStep(lambda settings, context: StepResult({"own": 1})))
"""
LATE = """\
import os, time, pathlib
if pathlib.Path(__file__).with_name("seen").exists():
    DO
pathlib.Path(__file__).with_name("seen").touch()
"""


def with_plugin(folder: Path, name: str, source: str, job: str = "") -> Path:
    path = clients.write(folder, name)
    (path.parent / "plugins").mkdir()
    (path.parent / "plugins" / "own.py").write_text(source, encoding="utf-8")
    path.write_text(path.read_text("utf-8") + job, encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a good client and two whose plugins let nobody read them."""
    clients.write(tmp_path, "acme")
    for name, source in BAD.items():
        with_plugin(tmp_path, name, source)
    return tmp_path


def hasty(program: str, *words: object) -> Said:
    done = subprocess.run(
        [sys.executable, "-c", program, "--language", "en", *map(str, words)],
        env=environment(),
        capture_output=True,
        timeout=250,
        stdin=subprocess.DEVNULL,
    )
    return Said(done.returncode, done.stdout.decode(), done.stderr.decode())


def until_gone(folder: Path) -> None:
    """Wait until no process is left that has begun to load the plugin that hangs."""
    path, end = folder / "hangs" / "plugins" / "pid", time.monotonic() + 120
    if not path.exists() or not (pid := path.read_text("utf-8")):  # it was ended before it was there
        return
    while True:
        try:
            if psutil.Process(int(pid)).status() == psutil.STATUS_ZOMBIE:
                return
        except psutil.NoSuchProcess:
            return
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.full
@pytest.mark.parametrize("way", WAYS)
def test_each_is_told_and_the_others_are_shown(folder: Path, way: str) -> None:
    said = hasty(WAYS[way], "check", folder)
    assert said.code == 2, said.all
    assert f"{folder / 'acme' / 'config.yaml'} is right" in said.out
    for name in BAD:
        assert f"{name}: the config is wrong." in said.out
        assert f"{folder / name / 'config.yaml'}: The config could not be checked" in said.out
    assert "3 clients, 1 of them with a good config." in said.out
    assert said.err == ""
    until_gone(folder)
    said = hasty(WAYS[way], "status", folder, "--json")
    assert said.code == 3, "nobody serves the good one"
    rows = {row["client"]: row for row in said.json()["clients"]}
    assert {name: row["level"] for name, row in rows.items()} == {"acme": "down", "hangs": "wrong", "dies": "wrong"}
    assert "could not be checked" in rows["hangs"]["troubles"][0]


@pytest.mark.full
def test_the_same_in_short_and_in_the_words_of_the_service(folder: Path) -> None:
    said = hasty(HASTY, "status", folder, "--nagios")
    assert said.code == 2
    assert said.out == "MISTOK CRITICAL - down: 1; wrong config: 2 (acme, dies, hangs)\n"
    said = hasty(HASTY, "check", folder, "--json")
    assert said.code == 2
    rows = {row["client"]: row for row in said.json()["clients"]}
    assert {name: row["exit_code"] for name, row in rows.items()} == {"acme": 0, "dies": 2, "hangs": 2}
    assert rows["hangs"]["findings"][0]["code"] == "config-not-checked"
    assert "the check took longer than 3 seconds" in rows["hangs"]["findings"][0]["text"]


def test_one_that_ends_the_program_is_told_at_once(tmp_path: Path) -> None:
    clients.write(tmp_path, "acme")
    with_plugin(tmp_path, "dies", BAD["dies"])
    said = mistok("--language", "en", "check", tmp_path)
    assert said.code == 2
    assert "The config could not be checked: the check ended without an answer." in said.out
    assert "2 clients, 1 of them with a good config." in said.out


def test_of_good_plugins_all_is_told_as_before(tmp_path: Path) -> None:
    job = "  own: {every: 1h, steps: [{step: own-step, limit: LIMIT}]}\n"
    with_plugin(tmp_path, "good", OWN, job.replace("LIMIT", "5"))
    wrong = with_plugin(tmp_path, "wrong", OWN, job.replace("LIMIT", "many"))
    both = mistok("--language", "en", "check", tmp_path, "--json").json()["clients"]
    alone = {
        name: json.loads(mistok("--language", "en", "check", tmp_path / name, "--json").out)
        for name in ("good", "wrong")
    }
    assert both[0] == alone["good"]
    assert both[1]["findings"] == alone["wrong"]["findings"]
    assert str(wrong) in both[1]["findings"][0]["file"]
    assert mistok("check", tmp_path).code == 2
    assert mistok("check", tmp_path, "--connect").code == 2
    levels = {one["client"]: one["level"] for one in mistok("status", tmp_path, "--json").json()["clients"]}
    assert levels == {"good": "down", "wrong": "wrong"}


def test_one_that_breaks_while_its_servers_are_looked_at_is_told_and_the_others_are_looked_at(tmp_path: Path) -> None:
    clients.write(tmp_path, "zeta")
    with_plugin(tmp_path, "dies", LATE.replace("DO", "os._exit(7)") + OWN)
    said = mistok("--language", "en", "check", tmp_path, "--json")
    first, second = said.json()["clients"]
    assert (said.code, first["exit_code"], second["exit_code"]) == (2, 2, 0)
    assert first["connections"][0]["findings"][0]["code"] == "config-not-checked"


@pytest.mark.full
@pytest.mark.skipif(os.name == "nt", reason="no Ctrl-C can be sent to one process alone there")
def test_ctrl_c_ends_it_and_what_it_has_started(folder: Path) -> None:
    running = subprocess.Popen(
        [sys.executable, "-c", HASTY.replace("= 3", "= 3000"), "check", str(folder)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        pid = folder / "hangs" / "plugins" / "pid"
        end = time.monotonic() + 240
        while not (pid.exists() and pid.read_text("utf-8")):
            assert running.poll() is None
            assert time.monotonic() < end
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        said, _ = running.communicate(timeout=120)
    finally:
        running.kill()
        running.wait()
    assert running.returncode == 130, said
    assert b"Traceback" not in said
    until_gone(folder)


MUTE = """\
import time
from pipeline.api import Settings, SystemPlugin, T

class Mute:
    def __init__(self, settings, env):
        self.name = env.name

    def check(self):
        time.sleep(600)

    def close(self):
        pass

PLUGIN = SystemPlugin("mute", T("Says nothing."), Settings, Mute)
"""


@pytest.mark.full
def test_a_system_of_its_own_that_never_answers_is_told_beside_what_was_found_and_the_others_are_looked_at(
    tmp_path: Path,
) -> None:
    path = with_plugin(tmp_path, "acme", MUTE)
    path.write_text(path.read_text("utf-8").replace("  books:", "  silent: {type: mute}\n  books:"), encoding="utf-8")
    clients.write(tmp_path, "bravo")
    for way in WAYS.values():
        said = hasty(way.replace("= 3", "= 20"), "check", tmp_path, "--connect", "--json")
        assert said.code == 2, said.all
        first, second = said.json()["clients"]
        assert (first["client"], first["exit_code"]) == ("acme", 2)
        assert [one["name"] for one in first["connections"]] == ["site", "silent"]
        (told,) = first["connections"][1]["findings"]
        assert told["code"] == "config-not-checked"
        assert told["text"] == "The config could not be checked: the check took longer than 20 seconds."
        assert (second["client"], second["exit_code"]) == ("bravo", 0)
        assert [one["name"] for one in second["connections"]] == ["site", "books"]
