"""``mistok worker``: what it says before it works; that it works is in tests/faults/test_f61_f62_fleet.py."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.engine.fleet import queue
from tests.e2e.command import mistok
from tests.servers.postgresql import Postgres

CONFIG = """\
client: {name}
connections:
  site: {{type: local, path: site}}
  books: {{type: books}}
jobs:
  orders:
    every: 5m
    steps:
      - {{step: import-orders, inbox: site, folder: orders, into: books,
          client: "0042", object: "01", user: anna, executor: petro}}
"""


@pytest.fixture
def clients(tmp_path: Path) -> Path:
    """A folder with three clients, one of which has a mistake."""
    for name in ("acme", "bravo"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").write_text(CONFIG.format(name=name), encoding="utf-8")
    (tmp_path / "wrong").mkdir()
    text = CONFIG.format(name="wrong").replace("every: 5m", "every: often")
    (tmp_path / "wrong" / "config.yaml").write_text(text, encoding="utf-8")
    return tmp_path


def test_it_says_what_it_needs(clients: Path) -> None:
    said = mistok("--language", "en", "worker", clients)
    assert said.code == 2
    assert "MISTOK_QUEUE is not set" in said.err
    said = mistok("--language", "en", "worker", clients, "--queue-database", "sqlite:///queue.db")
    assert said.code == 2
    assert "PostgreSQL" in said.err
    url = "postgresql://nobody:secret-word@127.0.0.1:9/none"
    said = mistok("--language", "en", "worker", clients / "acme", "--queue-database", url)
    assert said.code == 3
    assert "The queue does not answer" in said.err
    assert "secret-word" not in said.all
    (clients / "empty").mkdir()
    said = mistok("--language", "en", "worker", clients / "empty", "--queue-database", url)
    assert said.code == 2
    assert "can be worked on" in said.err


def test_check_shows_the_clients_and_who_works_on_them(clients: Path, postgres_server: Postgres) -> None:
    with postgres_server.database("queue", queue.prepare) as url:
        with queue.connect(url) as conn:
            said = '{"host": "pc7", "since": "2026-11-29T00:00:00+00:00", "state": "working", "silence": 30}'
            conn.execute(
                "INSERT INTO mistok_workers (owner, said, clients) VALUES ('pc7:1', %s, '{\"acme\": {}}')", [said]
            )
        queue.ask_now(url, queue.Ask("gone", "orders", "person"))
        call = ("--language", "en", "worker", clients, "--check")
        env = {"MISTOK_QUEUE": url}
        told = mistok(*call, env=env)
        assert told.code == 2
        assert "wrong" in told.err
        assert "often" in told.err
        rows = [line.split() for line in told.out.splitlines()]
        assert ["acme", "1", "SQLite", "pc7"] in rows
        assert ["bravo", "1", "SQLite"] in rows
        data = mistok(*call, "--json", env=env).json()
        assert [row["client"] for row in data["clients"]] == ["acme", "bravo"]
        assert data["clients"][0]["workers"] == ["pc7"]
        assert [row["client"] for row in data["broken"]] == ["wrong"]
        assert data["queue"]["unserved"] == ["gone"]
        assert data["apart"] == []
        only = mistok(*call, "--only", "a*", "--json", env=env)
        assert only.code == 0
        assert [row["client"] for row in only.json()["clients"]] == ["acme"]


def test_check_tells_of_clients_that_differ_between_machines(clients: Path, postgres_server: Postgres) -> None:
    with postgres_server.database("queue", queue.prepare) as url:
        with queue.connect(url) as conn:
            for host, apart, state in (
                ("pc7", {"acme": "clients-apart", "bravo": "clients-versions", "gone": "clients-apart"}, "working"),
                ("pc8", {"acme": "clients-apart"}, "draining"),
                ("pc9", {"acme": "clients-apart"}, "stopped"),
            ):
                said = {"host": host, "since": "2026-11-29T00:00:00+00:00", "state": state, "silence": 3000}
                conn.execute(
                    "INSERT INTO mistok_workers (owner, said, clients) VALUES (%s, %s, '{}')",
                    [f"{host}:1", json.dumps({**said, "apart": apart})],
                )
        call = ("--language", "en", "worker", clients, "--check", "--only", "[ab]*")
        env = {"MISTOK_QUEUE": url}
        told = mistok(*call, env=env)
        assert told.code == 2
        assert "Client acme has not the same ledger and archive everywhere: so say workers of pc7, pc8." in told.out
        assert "one archive folder for all" in told.out
        assert "Client bravo has not the same config everywhere: so say workers of pc7." in told.out
        assert "to the same state on all machines" in told.out
        assert "gone" not in told.all
        data = mistok(*call, "--json", env=env)
        assert data.code == 2
        assert [(row["client"], row["code"]) for row in data.json()["apart"]] == [
            ("acme", "clients-apart"),
            ("bravo", "clients-versions"),
        ]
        assert all(row["hint"] for row in data.json()["apart"])


def test_check_tells_of_a_machine_whose_clock_is_off(clients: Path, postgres_server: Postgres) -> None:
    with postgres_server.database("queue", queue.prepare) as url:
        call = ("--language", "en", "worker", clients, "--check", "--only", "[ab]*")
        env = {"MISTOK_QUEUE": url}
        with queue.connect(url) as conn:
            for host, ahead, state in (("pc7", 300.0, "working"), ("pc8", 2.0, "working"), ("pc9", 900.0, "stopped")):
                said = {"host": host, "state": state, "silence": 3000, "ahead": ahead}
                conn.execute(
                    "INSERT INTO mistok_workers (owner, said, clients) VALUES (%s, %s, '{}')",
                    [f"{host}:1", json.dumps(said)],
                )
        told = mistok(*call, env=env)
        assert told.code == 1
        assert "The clock of pc7 is 5 min ahead" in told.out
        assert "NTP" in told.out
        assert "pc8" not in told.out
        assert "pc9" not in told.out
        data = mistok(*call, "--json", env=env)
        assert data.code == 1
        assert [row["code"] for row in data.json()["clocks"]] == ["clock"]
        assert [one["ahead"] for one in data.json()["queue"]["workers"]] == [300.0, 2.0, 900.0]
