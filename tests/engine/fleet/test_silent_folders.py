"""A client's folder that gives no answer, as on a dead share, holds up no sign of life and no other client."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from pipeline.archive import Archive
from pipeline.engine.fleet import queue
from pipeline.engine.fleet import worker as worker_module
from pipeline.engine.fleet.roster import APART, Clients, Other
from pipeline.engine.fleet.worker import FleetWorker
from tests.engine.fleet import clients
from tests.faults.fleet import Fleet

SHARED = "postgresql+psycopg://u:p@h/d"


@pytest.fixture
def go_on() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def hangs(monkeypatch: pytest.MonkeyPatch, go_on: threading.Event) -> list[str]:
    """The archives of the clients that are named here hang, until ``go_on``."""
    names: list[str] = []
    real = Archive.identity

    def identity(self: Archive, **words: Any) -> str:
        if self.root.parent.name in names:
            go_on.wait(250)
        return real(self, **words)

    monkeypatch.setattr(Archive, "identity", identity)
    return names


def signs(fleet: Fleet) -> list[Any]:
    """When the workers were heard last."""
    with queue.connect(fleet.queue) as conn:
        return [row["seen"] for row in conn.execute("SELECT seen FROM mistok_workers ORDER BY owner")]


def test_one_whose_archive_hangs_is_not_told_of_until_it_answers(
    tmp_path: Path, hangs: list[str], go_on: threading.Event
) -> None:
    for name in ("far", "near"):
        clients.write(tmp_path, name, SHARED)
    roster = Clients(tmp_path)
    roster.settled = frozenset()
    hangs.append("far")
    with capture_logs() as said:
        while not (told := roster.said(1)):  # the second one is asked when the first one hangs
            time.sleep(0.01)
        assert sorted(told) == ["near"]
        roster.settle([], told)
        assert sorted(roster.served) == ["near"], "whether it is another machine's as well is not known"
        theirs = {"far": {"config": "", "ledger": "", "archive": "b" * 32}}
        roster.compare([Other("pc2:1:1:aa", "2026-01-01", "pc2", theirs)], "2026-01-02", "me", told, 1)
        assert not roster.findings
        assert roster.said(1) is told
        go_on.set()
        while "far" not in (told := roster.said()):
            time.sleep(0.01)
    assert [line["event"] for line in said if line["client"] == "far"] == ["archive_silent", "archive_back"]
    roster.compare([Other("pc2:1:1:aa", "2026-01-01", "pc2", theirs)], "2026-01-02", "me", told)
    assert roster.findings["far"].code == APART


def test_one_whose_archive_hangs_later_is_worked_on_as_before(
    tmp_path: Path, hangs: list[str], go_on: threading.Event
) -> None:
    for name in ("far", "near"):
        clients.write(tmp_path, name, SHARED)
    roster = Clients(tmp_path)
    told = roster.said()
    roster.settle([], told)
    hangs.append("far")
    with capture_logs() as said:
        assert roster.said(1) is told
        roster.settle([], told)
    assert sorted(roster.served) == ["far", "near"]
    assert not said
    assert not go_on.is_set()


def test_folders_that_hang_are_heard_of_later(
    tmp_path: Path, queue_url: str, monkeypatch: pytest.MonkeyPatch, go_on: threading.Event
) -> None:
    clients.write(tmp_path, "acme")
    roster = Clients(tmp_path)
    looks: list[bool] = []

    def look() -> bool:
        looks.append(go_on.wait(250))
        return True

    monkeypatch.setattr(roster, "look", look)
    monkeypatch.setattr(worker_module, "FOLDERS", 0.2)
    worker = FleetWorker(roster, queue_url)

    async def live() -> None:
        assert not await worker._look_at_folders()
        assert not await worker._look_at_folders()
        go_on.set()
        while not await worker._look_at_folders():  # noqa: ASYNC110 - it is what is tested
            await asyncio.sleep(0.01)

    with capture_logs() as said:
        asyncio.run(live())
    assert looks == [True], "one look, however often it was asked for"
    assert [line["event"] for line in said] == ["folders_silent", "folders_back"]


@pytest.mark.full
@pytest.mark.skipif(sys.platform == "win32", reason="pipes with names, and SIGTERM, are POSIX")
def test_a_worker_works_on_the_others_and_ends_in_its_time(
    tmp_path: Path, queue_url: str, postgres_ledger: str
) -> None:
    fleet = Fleet(tmp_path / "clients", None, postgres_ledger, queue_url)
    fleet.folder.mkdir()
    fleet.add("far", 1)
    fleet.add("near", 1)
    archive = fleet.folder / "far" / "archive"
    archive.mkdir()
    make_pipe = getattr(os, "mkfifo", None)  # no such name on Windows, where types are checked, too
    assert make_pipe is not None
    make_pipe(archive / "identity")  # who reads it waits for somebody who writes
    with fleet.worker("w1") as worker:
        fleet.until(lambda: worker.poll() is not None or not list(fleet.inbox("near").iterdir()))
        fleet.until(lambda: worker.poll() is not None or "archive_silent" in fleet.said())
        before = signs(fleet)
        fleet.until(lambda: worker.poll() is not None or signs(fleet) != before)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(200) == 0, fleet.said()
    assert list(fleet.inbox("far").iterdir()), "it was not worked on"
    with fleet.worker("w2") as worker:
        fleet.until(lambda: worker.poll() is not None or fleet.said().count("archive_silent") == 2)
        answer = os.open(archive / "identity", os.O_RDWR)
        (archive / "identity").unlink()
        os.write(answer, b"a" * 32 + b"\n")
        os.close(answer)
        fleet.until(lambda: worker.poll() is not None or fleet.settled())
        assert worker.poll() is None, fleet.said()
    fleet.check()
