"""``mistok serve`` as a user starts it: real steps, real worker processes, a file dropped by another program."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MISTOK = [sys.executable, "-c", "from pipeline.cli import main; main()"]
ORDERS = sorted((ROOT / "samples/orders/twenty").glob("*.xml"))

#: writes the first half, waits, writes the rest: the moment of the last byte is printed
DROPPER = """
import sys, time, pathlib
data = pathlib.Path(sys.argv[1]).read_bytes()
with open(sys.argv[2], "wb") as target:
    target.write(data[:len(data) // 2]); target.flush(); time.sleep(0.7); target.write(data[len(data) // 2:])
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    text = (ROOT / "config.yaml").read_text("utf-8")
    assert "channels: [desktop]" in text
    (tmp_path / "config.yaml").write_text(text.replace("channels: [desktop]", "channels: []"), "utf-8")
    shutil.copytree(ROOT / "samples", tmp_path / "samples")
    return tmp_path


@contextmanager
def service(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "screen.txt").open("wb") as screen:
        started = subprocess.Popen([*MISTOK, "serve"], cwd=folder, stdout=screen, stderr=screen)
    try:
        yield started
    finally:
        started.kill()
        started.wait()


def until(true: Callable[[], object], seconds: float = 60.0) -> float:
    start = time.monotonic()
    while not true():
        assert time.monotonic() - start < seconds, "it did not come"
        time.sleep(0.01)
    return time.monotonic() - start


def screen(folder: Path) -> str:
    return (folder / "screen.txt").read_text("utf-8")


@pytest.mark.full
def test_serve_takes_a_dropped_file_when_it_is_complete(folder: Path) -> None:
    inbox = folder / "demo-data/site/orders"
    with service(folder) as running:
        until(lambda: "run_ended" in screen(folder))
        for order in ORDERS[:3]:
            target = inbox / order.name
            subprocess.run([sys.executable, "-S", "-c", DROPPER, str(order), str(target)], check=True)
            until(lambda path=target: not path.exists())  # type: ignore[misc]
        running.send_signal(signal.SIGTERM)
        assert running.wait(25) == 0
    books = sqlite3.connect(folder / "demo-data/books.sqlite3")
    tables = {name for (name,) in books.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    documents = next(name for name in ("documents", "orders") if name in tables)
    assert books.execute(f"SELECT count(*) FROM {documents}").fetchone() == (3,)
    books.close()
    assert "Traceback" not in screen(folder)


def test_serve_refuses_to_start_with_a_wrong_config(folder: Path) -> None:
    text = (folder / "config.yaml").read_text("utf-8")
    (folder / "config.yaml").write_text(text.replace("watch: true", "wach: true"), "utf-8")
    done = subprocess.run([*MISTOK, "--language", "en", "serve"], cwd=folder, capture_output=True, timeout=60)
    assert done.returncode == 2
    assert b"config.yaml:" in done.stderr
    assert b"wach" in done.stderr
    assert not (folder / "demo-data").exists()


@pytest.mark.full
def test_the_very_first_file_is_taken_too(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    subprocess.run([*MISTOK, "--language", "en", "init", str(folder)], check=True, capture_output=True)
    text = (folder / "config.yaml").read_text("utf-8")
    assert "channels: [desktop]" in text
    (folder / "config.yaml").write_text(text.replace("channels: [desktop]", "channels: []"), "utf-8")
    target = folder / "site/orders/first.xml"
    with service(folder) as running:
        until(lambda: "Ctrl-C" in screen(folder), 60)
        shutil.copyfile(folder / "samples/single.xml", target)
        until(lambda: not target.exists())
        running.send_signal(signal.SIGTERM)
        assert running.wait(25) == 0
    with closing(sqlite3.connect(folder / "ledger.sqlite3")) as ledger:
        rows = ledger.execute("SELECT trigger FROM runs WHERE job = 'orders' AND counts LIKE '%created%'").fetchall()
    assert rows in ([("watch",)], [("schedule",)]), "by the look at the start, or by the watch; once"
