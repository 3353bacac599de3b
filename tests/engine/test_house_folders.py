"""Folders of clients that are renamed, taken away or brought back while they are served."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from signal import SIGTERM
from typing import cast

import pytest
import structlog

from pipeline.engine.house import House
from pipeline.engine.members import Member
from pipeline.engine.supervisor import Supervisor
from tests.engine.fleet import clients
from tests.faults.fleet import Fleet
from tests.faults.serving import started

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a folder in use cannot be renamed there")


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    folder = tmp_path / "clients"
    folder.mkdir()
    fleet = Fleet(folder, None, "sqlite:///ledger.sqlite3", "", every="1s")
    for name in ("anna", "bohdan"):
        fleet.add(name, 1)
    return fleet


def said(fleet: Fleet) -> str:
    """All that the service said."""
    return (fleet.folder / "serve.log").read_text("utf-8")


@contextmanager
def served(fleet: Fleet) -> Iterator[subprocess.Popen[bytes]]:
    """The service of them, when each client's first file was taken; it ends well, and has taken nobody for a twin."""
    with started(("serve", str(fleet.folder), "--workers", "2"), fleet.folder / "serve.log") as service:
        fleet.until(lambda: service.poll() is not None or not fleet.left())
        yield service
        service.send_signal(SIGTERM)
        assert service.wait(240) == 0, fleet.said()
    assert "here twice" not in said(fleet), said(fleet)


def is_through(fleet: Fleet, name: str) -> bool:
    """Whether all that came is through: what cuts a run in its middle is tested elsewhere."""
    with closing(sqlite3.connect(fleet.folder / name / "ledger.sqlite3")) as ledger:
        rows = ledger.execute("SELECT count(*) FROM files WHERE state = 'acknowledged'").fetchone()
    return bool(rows[0] == len(fleet.dropped[name]))


def renamed(fleet: Fleet, name: str, new: str) -> None:
    fleet.until(lambda: is_through(fleet, name))
    (fleet.folder / name).rename(fleet.folder / new)
    fleet.clients[fleet.clients.index(name)] = new
    fleet.dropped[new] = fleet.dropped.pop(name)


def takes(fleet: Fleet, name: str) -> None:
    """An order that comes now is taken."""
    fleet.drop(name, 1)
    fleet.until(lambda: not fleet.left())


def test_a_folder_that_is_renamed_is_served_under_its_new_name(fleet: Fleet) -> None:
    with served(fleet):
        renamed(fleet, "bohdan", "bohdan-new")
        takes(fleet, "bohdan-new")
        renamed(fleet, "bohdan-new", "bohdan-again")
        takes(fleet, "bohdan-again")
        takes(fleet, "anna")
    fleet.check()


def test_a_twin_is_served_when_the_other_one_is_gone(fleet: Fleet, tmp_path: Path) -> None:
    with started(("serve", str(fleet.folder)), fleet.folder / "serve.log") as service:
        fleet.until(lambda: service.poll() is not None or not fleet.left())
        shutil.copytree(fleet.folder / "bohdan", fleet.folder / "copy")
        fleet.until(lambda: service.poll() is not None or "here twice" in said(fleet))
        path = fleet.folder / "bohdan" / "config.yaml"
        path.write_text(path.read_text("utf-8").replace("client: bohdan", "client: petro"), encoding="utf-8")
        fleet.clients.append("copy")  # it has the name alone now
        fleet.dropped["copy"] = dict(fleet.dropped["bohdan"])
        takes(fleet, "copy")
        takes(fleet, "bohdan")
        shutil.copytree(fleet.folder / "anna", fleet.folder / "second")
        fleet.until(lambda: service.poll() is not None or "second/config.yaml" in said(fleet))
        (fleet.folder / "anna").rename(tmp_path / "anna")
        fleet.clients.remove("anna")
        fleet.clients.append("second")
        fleet.dropped["second"] = fleet.dropped.pop("anna")
        takes(fleet, "second")


def test_a_folder_that_is_taken_away_is_told_in_a_line(fleet: Fleet) -> None:
    with served(fleet):
        shutil.rmtree(fleet.folder / "bohdan")
        fleet.clients.remove("bohdan")
        fleet.until(lambda: "client_gone" in said(fleet))
        takes(fleet, "anna")


class Torn:
    """A supervisor whose ledger's folder is gone."""

    def close(self) -> None:
        raise RuntimeError("unable to open database file")


@pytest.mark.parametrize("there", [True, False])
def test_what_fails_since_the_folder_is_gone_has_no_traceback(tmp_path: Path, there: bool) -> None:
    path = clients.write(tmp_path, "acme")
    if not there:
        shutil.rmtree(path.parent)
    served, member = House(tmp_path), Member(path.parent)
    member.supervisor = cast("Supervisor", Torn())
    with structlog.testing.capture_logs() as said:
        served._shut(member)
        member.supervisor = cast("Supervisor", Torn())
        with served._guarded(member):
            member.supervisor.close()
    failed = [line for line in said if line["event"] == "client_failed"]
    assert failed
    assert {bool(line.get("exc_info")) for line in failed} == {there}
    assert there or {line["error"] for line in failed} == {"its folder is gone"}
