"""Servers that take calls and never say a word, more of them than there are places: the others' runs go on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.config.load import load_config
from pipeline.engine.runtime import Client
from pipeline.ledger import tables as t
from tests.engine.fleet.test_lanes import Deaf
from tests.faults.fleet import Fleet
from tests.faults.serving import started

WELL = ("m1", "m2", "m3")
#: Of each, some clients whose names come before all others.
HOSTS, OF_EACH = 3, 4


@pytest.fixture
def silent() -> Iterator[list[Deaf]]:
    with ExitStack() as open_till_the_end:
        made = [Deaf() for _ in range(HOSTS)]
        for one in made:
            open_till_the_end.callback(one.close)
        yield made


def fill(fleet: Fleet, silent: list[Deaf]) -> None:
    """Clients with files in a folder of their own, and more than places of silent servers that are given an hour."""
    fleet.folder.mkdir()
    for name in WELL:
        fleet.add(name, 1)
    for number in range(OF_EACH):
        for host, one in enumerate(silent):
            name = f"a{number}{host}"
            fleet.add(name, 0)
            login = f'host: 127.0.0.1, port: {one.port}, user: u, password: p, host_key: "SHA256:{"A" * 43}"'
            path = fleet.folder / name / "config.yaml"
            text = path.read_text("utf-8").replace(
                "{type: local, path: site}", f"{{type: sftp, {login}, connect_timeout: 1h, timeout: 1h}}"
            )
            path.write_text(text.replace("    steps:", "    time_limit: 2h\n    steps:"), encoding="utf-8")


def ended(fleet: Fleet, name: str) -> int:
    """How many of a client's runs are over."""
    if not (fleet.folder / name / "ledger.sqlite3").exists():
        return 0
    with Client.open(load_config(fleet.folder / name)) as client, client.ledger.read() as conn:
        over = sa.select(sa.func.count()).select_from(t.runs)
        return int(conn.execute(over.where(t.runs.c.ended.is_not(None), t.runs.c.state == "done")).scalar_one())


def goes_on(fleet: Fleet, silent: list[Deaf]) -> None:
    """All that are well have their files booked, and run again and again."""
    fleet.until(lambda: all(one.taken for one in silent))
    fleet.until(lambda: not fleet.left())
    before = {name: ended(fleet, name) for name in WELL}
    fleet.until(lambda: all(ended(fleet, name) >= before[name] + 2 for name in WELL))
    assert not [name for name in fleet.clients if name not in WELL and ended(fleet, name)]


@pytest.mark.full
def test_in_one_service_however_many_servers_are_silent(tmp_path: Path, silent: list[Deaf]) -> None:
    fleet = Fleet(tmp_path / "clients", None, "sqlite:///ledger.sqlite3", "", every="2s")
    fill(fleet, silent)
    (fleet.folder / "service.yaml").write_text("language: en\nworkers: 2\n", encoding="utf-8")
    with started(("serve", str(fleet.folder)), fleet.folder / "serve.log"):
        goes_on(fleet, silent)


@pytest.mark.full
def test_in_a_worker_however_many_servers_are_silent(tmp_path: Path, silent: list[Deaf], queue_url: str) -> None:
    fleet = Fleet(tmp_path / "clients", None, "sqlite:///ledger.sqlite3", queue_url, every="2s")
    fill(fleet, silent)
    words = ("worker", str(fleet.folder), "--concurrency", "2", "--silence", "120")
    with started(words, fleet.folder / "worker.log", env={**os.environ, "MISTOK_QUEUE": queue_url}):
        goes_on(fleet, silent)
