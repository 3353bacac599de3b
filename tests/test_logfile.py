"""The log's file: never more than it may be, whoever writes to it, whatever the disk says."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline import logfile
from pipeline.logfile import LogFile

ROOT = Path(__file__).resolve().parents[1]


def line(words: str) -> logging.LogRecord:
    return logging.LogRecord("mistok", logging.INFO, "x.py", 1, words, (), None)


def made(path: Path, **more: object) -> LogFile:
    return LogFile(path, **{"max_size": 1000, "keep": 3, "keep_days": 30, **more})  # type: ignore[arg-type] # settings


def total(folder: Path) -> int:
    return sum(one.stat().st_size for one in folder.iterdir())


@pytest.mark.parametrize("share", [False, True])
def test_it_never_takes_more_than_it_may(tmp_path: Path, share: bool) -> None:
    log = made(tmp_path / "mistok.log", share=share)
    for number in range(500):
        log.emit(line(f"{number:050}"))
    log.close()
    assert sorted(one.name for one in tmp_path.iterdir()) == [
        "mistok.log", "mistok.log.1", "mistok.log.2", "mistok.log.3",
    ]  # fmt: skip
    assert total(tmp_path) <= 4 * 1000
    assert (tmp_path / "mistok.log").read_text(encoding="utf-8").rstrip().endswith("499")


@pytest.mark.parametrize("share", [False, True])
def test_several_write_to_one(tmp_path: Path, share: bool) -> None:
    path = tmp_path / "mistok.log"
    both = [made(path, share=share, keep=100) for _ in range(2)]
    for number in range(200):
        both[number % 2].emit(line(f"{number:050}"))
    for log in both:
        log.close()
    words = [row for one in tmp_path.iterdir() for row in one.read_text(encoding="utf-8").split()]
    assert sorted(words) == [f"{number:050}" for number in range(200)]  # none lost, none in the wrong file
    assert all(one.stat().st_size <= 1000 for one in tmp_path.iterdir())


def test_processes_write_to_one(tmp_path: Path) -> None:
    call = (
        "import logging,sys; from pathlib import Path; from pipeline.logfile import LogFile\n"
        "log = LogFile(Path(sys.argv[1]), max_size=5000, keep=100, keep_days=30)\n"
        "for n in range(300): log.emit(logging.LogRecord('m', 20, 'x', 1, f'{sys.argv[2]}{n:050}', (), None))\n"
    )
    path = tmp_path / "mistok.log"
    running = [subprocess.Popen([sys.executable, "-c", call, str(path), name], cwd=ROOT) for name in "ab"]
    assert [one.wait(60) for one in running] == [0, 0]
    words = [row for one in tmp_path.iterdir() for row in one.read_text(encoding="utf-8").split()]
    # a line on its way while the file is put aside goes to the one that was put aside, and is not lost
    assert sorted(words) == sorted(f"{name}{n:050}" for name in "ab" for n in range(300))


def test_old_ones_and_those_too_many_are_dropped(tmp_path: Path) -> None:
    for number in range(1, 8):
        (tmp_path / f"mistok.log.{number}").write_text("x", encoding="utf-8")
    os.utime(tmp_path / "mistok.log.2", (0, time.time() - 31 * 86400))
    (tmp_path / "mistok.log.notes").write_text("mine", encoding="utf-8")
    made(tmp_path / "mistok.log").close()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["mistok.log.1", "mistok.log.3", "mistok.log.notes"]


def test_a_file_that_cannot_be_put_aside_stays_within_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: LogFile, source: str, target: str) -> None:
        raise PermissionError(32, "The process cannot access the file", source)

    monkeypatch.setattr(LogFile, "rotate", refuse)
    log = made(tmp_path / "mistok.log")
    for number in range(200):
        log.emit(line(f"{number:050}"))
    assert 1000 < (tmp_path / "mistok.log").stat().st_size <= 2100
    monkeypatch.undo()  # the other has let go
    (tmp_path / "mistok.log").write_text("", encoding="utf-8")
    log.emit(line("again"))
    log.close()
    assert "again" in (tmp_path / "mistok.log").read_text(encoding="utf-8")


def test_a_full_disk_does_not_stop_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = made(tmp_path / "mistok.log")

    class Full:
        def write(self, words: str) -> None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(LogFile, "_follow", lambda self: setattr(self, "stream", Full()))
    monkeypatch.setattr(LogFile, "shouldRollover", lambda self, record: False)
    log.emit(line("lost"))
    log.stream = None  # nothing to be closed
    assert capsys.readouterr().err == ""


def test_a_lock_of_a_killed_process_does_not_hold_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "mistok.log"
    path.write_text("x" * 2000, encoding="utf-8")
    lock = tmp_path / "mistok.log.lock"
    lock.write_text("", encoding="utf-8")
    log = made(path)
    log.emit(line("one"))
    assert path.stat().st_size > 2000  # somebody is at it
    os.utime(lock, (0, time.time() - logfile.STALE - 5))
    log.emit(line("two"))
    log.close()
    assert path.read_text(encoding="utf-8") == "two\n"
    assert not lock.exists()
