"""Clients whose ledger cannot be used: what verbs over a folder of clients say of them, and that they say it soon."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from pipeline.clock import SystemClock
from pipeline.config.clients import read_clients
from pipeline.engine.fleet import queue
from pipeline.engine.shown import standings
from pipeline.ledger.hasty import QuickLedger
from pipeline.ledger.store import Ledger
from pipeline.registry import load_registry
from tests.e2e.command import mistok
from tests.engine.fleet import clients
from tests.servers.postgresql import Postgres


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A client as it should be, and one whose ledger's folder is a file."""
    clients.write(tmp_path, "good")
    clients.write(tmp_path, "infile", "sqlite:///state/ledger.sqlite3")
    (tmp_path / "infile" / "state").write_text("no folder")
    return tmp_path


def test_check_and_status_see_a_folder_that_cannot_be_made(folder: Path) -> None:
    said = mistok("--language", "en", "check", folder)
    assert said.code == 1
    assert "cannot be made: it is not a folder" in " ".join(said.all.split())
    rows = mistok("--language", "en", "status", folder, "--json").json()["clients"]
    assert [row["level"] for row in rows] == ["down", "down"]
    assert "No service is at work" in rows[0]["troubles"][0]
    assert "cannot be made" in rows[1]["troubles"][0]
    (folder / "infile" / "state").unlink()
    assert mistok("--language", "en", "check", folder).code == 0
    assert not (folder / "infile" / "state").exists()


def test_a_workers_check_sees_bad_ledgers(folder: Path, postgres_server: Postgres) -> None:
    with postgres_server.database("queue", queue.prepare) as url:
        call = ("--language", "en", "worker", folder, "--check")
        said = mistok(*call, env={"MISTOK_QUEUE": url})
        assert said.code == 1
        assert "Client infile cannot be worked on now" in said.all
        told = mistok(*call, "--json", env={"MISTOK_QUEUE": url}).json()["ledgers"]
        assert [one["client"] for one in told] == ["infile"]
        (folder / "infile" / "state").unlink()
        assert mistok(*call, env={"MISTOK_QUEUE": url}).code == 0


def test_a_worker_that_cannot_begin_says_that_it_has_ended(folder: Path) -> None:
    said = mistok("--language", "en", "worker", folder, "--queue-database", "postgresql://nobody@127.0.0.1:9/none")
    assert said.code == 3
    words = " ".join(said.err.split())
    assert "This worker has ended" in words
    assert "Restart=always" in words


def test_many_silent_ledgers_are_asked_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(QuickLedger, "to_connect", {"connect_timeout": "2"})
    monkeypatch.setattr(standings, "PATIENCE", 200.0)
    with socket.create_server(("127.0.0.1", 0), backlog=100) as silent:
        url = f"postgresql+psycopg://user:word@127.0.0.1:{silent.getsockname()[1]}/db"
        for number in range(3):
            clients.write(tmp_path, f"silent{number}", f"{url}{number}")
        clients.write(tmp_path, "good")
        found = read_clients(tmp_path)
        rows = {row.client: row for row in standings.standings(found, load_registry())}
        monkeypatch.setattr(QuickLedger, "to_connect", {"connect_timeout": "300"})  # one that the limit ends
        monkeypatch.setattr(standings, "PATIENCE", 1.0)
        began = time.monotonic()
        late = {row.client: row for row in standings.standings(found[1:], load_registry())}
        assert time.monotonic() - began < 200
    assert [name for name, row in rows.items() if "does not answer" in row.told] == ["silent0", "silent1", "silent2"]
    assert "No service is at work" in rows["good"].told
    assert all("no answer in 1 seconds" in row.told for row in late.values())


def test_a_ledger_that_may_only_be_read_is_told_and_not_that_no_service_is_at_work(
    tmp_path: Path, postgres_ledger: str
) -> None:
    clients.write(tmp_path, "acme", f"{postgres_ledger}&options=-cdefault_transaction_read_only%3Don")
    Ledger(postgres_ledger, client="acme", base=tmp_path, clock=SystemClock()).close()
    (row,) = standings.standings(read_clients(tmp_path), load_registry())
    assert "read-only" in row.told
