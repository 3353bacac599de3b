"""``mistok serve DIR``: many clients in one service, none of which disturbs another."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.e2e.command import mistok
from tests.e2e.many import ORDERS, Many, silent, until

pytestmark = pytest.mark.full
HEALTHY = ("anna", "bohdan", "vira")


@dataclass
class Served:
    """The service after all that could be done was done, still at work."""

    many: Many
    running: subprocess.Popen[bytes]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    many = Many(tmp_path_factory.mktemp("many") / "clients")
    many.folder.mkdir()
    (many.folder / "service.yaml").write_text("language: en\nworkers: 2\nslice: 1ms\n", "utf-8")
    with ExitStack() as stack:
        many.add_dead("dead", stack.enter_context(silent()))
        many.add_hanging("hang")
        many.add("flood", orders=8, more=", batch: 1")
        for name in HEALTHY:
            many.add(name, orders=2)
        broken = many.add("broken")
        (broken / "config.yaml").write_text("client: broken\nlanguage: en\njobz: {}\n", "utf-8")
        many.add("twin")
        (many.add("twin-too") / "config.yaml").write_bytes((many.folder / "twin" / "config.yaml").read_bytes())
        running = stack.enter_context(many.serving())
        until(lambda: all(len(many.documents(name)) == 2 for name in HEALTHY), running, many)
        until(lambda: any(state == "timed_out" for state, *_ in many.runs("hang")), running, many)
        until(lambda: len(many.documents("flood")) == 8, running, many)
        until(
            lambda: len(many.runs("flood")) >= 8, running, many
        )  # a document is there before the run that made it ends
        yield Served(many, running)


def test_each_client_gets_its_work_done_whatever_the_others_do(served: Served) -> None:
    many = served.many
    for name in HEALTHY:
        assert sorted(many.documents(name)) == ["2001", "2002"], "in its own books"
        assert list((many.folder / name / "site" / "orders").iterdir()) == []
    assert many.runs("hang")[0][0] == "timed_out"
    assert all(state != "done" for state, *_ in many.runs("dead"))


def test_a_flood_is_worked_in_slices_between_which_others_run(served: Served) -> None:
    flood = [(started, ended) for _, started, ended in served.many.runs("flood")]
    assert len(flood) >= 8, "a batch at a time"
    through = flood[-1][1]
    for name in HEALTHY:
        (_, _, ended), *_ = served.many.runs(name)
        assert ended < through, "it did not wait until the flood was over"


def test_what_is_wrong_is_told_with_its_place_and_stops_nobody(served: Served) -> None:
    said, folder = served.many.said(), served.many.folder
    assert f"{folder / 'broken' / 'config.yaml'}:3:1 jobz: Key `jobz` is not known here." in said
    for this, other in (("twin", "twin-too"), ("twin-too", "twin")):
        words = f"Client twin is here twice: in {folder / this / 'config.yaml'} and in {folder / other / 'config.yaml'}"
        assert words in said
        assert not (folder / this / "ledger.sqlite3").exists()


def test_secrets_of_a_client_are_in_its_processes_alone(served: Served) -> None:
    found = (served.many.folder / "hang" / "plugins" / "environment").read_text("utf-8")
    assert "'SECRET_OF': 'hang'" in found
    if sys.platform == "linux":
        own = str(served.many.folder / "hang")  # a process that looks at its edited config is its own as well
        for process in (psutil.Process(served.running.pid), *psutil.Process(served.running.pid).children()):
            with suppress(psutil.NoSuchProcess):
                if own not in " ".join(process.cmdline()):
                    assert "SECRET_OF" not in process.environ()


def test_the_log_tells_whose_each_line_is(served: Served) -> None:
    own = (served.many.folder / "anna" / "logs" / "mistok.log").read_text("utf-8")
    assert '"event": "run_ended"' in own
    assert all('"client": "anna"' in line for line in own.splitlines())
    whole = (served.many.folder / "logs" / "mistok.log").read_text("utf-8")
    assert {name for name in HEALTHY if f'"client": "{name}"' in whole} == set(HEALTHY)


def test_how_each_stands_is_told_in_one_call(served: Served) -> None:
    folder = served.many.folder
    said = mistok("status", str(folder), "--json", cwd=folder)
    levels = {row["client"]: row["level"] for row in said.json()["clients"]}
    assert {name: levels[name] for name in (*HEALTHY, "flood", "broken", "twin", "hang")} == {
        **dict.fromkeys((*HEALTHY, "flood"), "well"),
        "broken": "wrong",
        "twin": "wrong",
        "hang": "trouble",
    }
    assert said.code == 2
    assert "bohdan" in mistok("status", str(folder), cwd=folder).out
    nagios = mistok("--config", str(folder), "status", "--nagios", cwd=folder)
    assert nagios.code == 3
    assert "wrong config: 4" in nagios.out or "wrong config: 3" in nagios.out
    said = mistok("check", str(folder), cwd=folder)
    assert said.code == 2
    assert f"{folder / 'broken' / 'config.yaml'}:3:1" in said.out
    said = mistok("--config", str(folder), "orders", cwd=folder)
    assert said.code == 2
    assert "many clients" in said.err


def test_a_client_whose_folder_somebody_copies_is_served_on_and_the_copy_is_told(served: Served) -> None:
    many, running = served.many, served.running
    copy = many.folder / "aaa"  # before the other one by its name
    copy.mkdir()
    (copy / "config.yaml").write_bytes((many.folder / "anna" / "config.yaml").read_bytes())
    words = f"Client anna is here twice: in {copy / 'config.yaml'} and in {many.folder / 'anna' / 'config.yaml'}"
    until(lambda: words in many.said(), running, many)
    shutil.copy(ORDERS[5], many.folder / "anna" / "site" / "orders")
    until(lambda: len(many.documents("anna")) == 3, running, many)
    levels = {row["client"]: row["level"] for row in mistok("status", str(many.folder), "--json").json()["clients"]}
    assert (levels["anna"], levels["aaa"]) == ("well", "wrong")
    shutil.rmtree(copy)


def test_clients_come_go_and_are_mended_while_it_works(served: Served) -> None:
    many, running = served.many, served.running
    many.add("broken", orders=1)
    many.add("new", orders=1)
    (many.folder / "vira" / "config.yaml").rename(many.folder / "vira" / "config.off")
    until(lambda: many.documents("broken") and many.documents("new"), running, many)
    until(lambda: "client_gone" in many.said(), running, many)
    config = many.folder / "anna" / "config.yaml"
    before = many.runs("bohdan")
    config.write_text(config.read_text("utf-8").replace("poll: 1h", "poll: 2h"), "utf-8")
    until(lambda: "config_changed" in many.said() and many.said().count("client=anna jobs=1") == 2, running, many)
    assert many.runs("bohdan") == before, "nobody else is started anew"
    config.write_text("client: [\n", "utf-8")
    until(lambda: many.said().count("config_wrong") >= 3, running, many)
    for order in ORDERS[5:6]:
        (many.folder / "anna" / "site" / "orders" / order.name).write_bytes(order.read_bytes())
    until(lambda: len(many.documents("anna")) == 3, running, many)


@pytest.mark.skipif(sys.platform == "win32", reason="a signal of POSIX")
def test_it_stops_when_it_is_told_to(served: Served) -> None:
    """The last one: it ends the service of them all."""
    served.running.send_signal(signal.SIGTERM)
    assert served.running.wait(240) == 0
    assert "Stopped." in served.many.said()
    beats = served.many.rows("anna", "SELECT value FROM \"values\" WHERE kind = 'heartbeat'")
    assert '"state":"stopped"' in beats[-1][0]


def test_a_folder_without_clients_is_told_of(tmp_path: Path) -> None:
    said = mistok("--language", "en", "serve", str(tmp_path), cwd=tmp_path)
    assert said.code == 2
    said = mistok("--language", "en", "serve", str(tmp_path / "nothing"), cwd=tmp_path)
    assert said.code == 2
    assert "There is no folder" in said.err
