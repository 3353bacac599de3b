"""``mistok serve`` beside other programs: how soon it takes what they drop, how it stops, what a kill costs."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from tests.conftest import Servers
from tests.e2e.command import ROOT, mistok, start
from tests.servers.common import Server

ORDERS = sorted((ROOT / "samples/orders/twenty").glob("*.xml"))

CONFIG = """\
client: acme
timezone: Europe/Kyiv
language: en
connections:
  near: {{type: local, path: near}}
  far:
    type: sftp
    host: {server.host}
    port: {server.port}
    user: {server.user}
    password: ${{env:FAR_PASSWORD}}
    host_key: {server.extra[fingerprint]}
  books: {{type: books, url: "sqlite:///books.sqlite3", seed: ["{samples}/products.csv", "{samples}/references.csv"]}}
jobs:
  near:
    watch: true
    every: 1h
    steps: [{{step: import-orders, inbox: near, folder: orders, into: books}}]
  far:
    watch: true
    poll: 2s
    every: 1h
    steps: [{{step: import-orders, inbox: far, folder: "{folder}", into: books}}]
alerts: {{channels: []}}
"""

#: Writes a file under its final name in as many pieces as told, over so many seconds; prints when it was complete.
WRITER = """
import sys, time, pathlib
source, target, pieces, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
data = pathlib.Path(source).read_bytes()
size = len(data) // pieces + 1
with open(target, "wb", buffering=0) as out:
    for start in range(0, len(data), size):
        out.write(data[start:start + size])
        if start + size < len(data):
            time.sleep(seconds / (pieces - 1))
print(time.time())
"""


@dataclass
class Client:
    folder: Path
    near: Path
    far: Path
    server: Server

    @property
    def screen(self) -> Path:
        return self.folder / "screen.txt"

    @contextmanager
    def serving(self) -> Iterator[subprocess.Popen[bytes]]:
        self.screen.write_text("", "utf-8")
        running = start("serve", cwd=self.folder, env={"FAR_PASSWORD": self.server.password}, screen=self.screen)
        try:
            until(lambda: " serving " in self.screen.read_text("utf-8"), self)
            yield running
        finally:
            for process in family(running.pid):
                process.kill()
            running.kill()
            running.wait()
        assert "Traceback" not in self.screen.read_text("utf-8")

    def write(self, source: Path, to: Path, pieces: int = 1, seconds: float = 0.0) -> float:
        """Another program writes an order; when (epoch seconds) its last byte was there."""
        target = to / source.name
        if to == self.far and self.server.owner:
            target.touch()
            self.server.owner.own(target)
        done = subprocess.run(
            [sys.executable, "-S", "-c", WRITER, str(source), str(target), str(pieces), str(seconds)],
            check=True,
            capture_output=True,
        )
        return float(done.stdout)

    def drop_twenty(self, to: Path) -> None:
        for path in ORDERS:
            shutil.copyfile(path, to / path.name)
            if to == self.far and self.server.owner:
                self.server.owner.own(to / path.name)

    def documents(self) -> dict[str, list[float]]:
        """Order number -> when its document was made (epoch seconds), one for each document."""
        if not (self.folder / "books.sqlite3").exists():
            return {}
        found: dict[str, list[float]] = {}
        books = sqlite3.connect(self.folder / "books.sqlite3", timeout=30)
        try:
            if books.execute("SELECT 1 FROM sqlite_master WHERE name = 'documents'").fetchone():
                for number, made in books.execute("SELECT order_number, created_at FROM documents"):
                    at = datetime.fromisoformat(made).replace(tzinfo=UTC)
                    found.setdefault(number, []).append(at.timestamp())
        finally:
            books.close()
        return found


@pytest.fixture
def client(tmp_path: Path, servers: Servers) -> Client:
    server = servers.get("sshd")
    name = f"s{abs(hash(str(tmp_path))) % 10**10}"
    far = server.fresh(name)
    near = tmp_path / "near" / "orders"
    near.mkdir(parents=True)
    text = CONFIG.format(server=server, folder=name, samples=(ROOT / "samples").as_posix())
    (tmp_path / "config.yaml").write_text(text, "utf-8")
    return Client(tmp_path, near, far, server)


def family(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def until(true: Callable[[], object], client: Client, seconds: float = 60) -> float:
    """When (epoch seconds) it came true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, client.screen.read_text("utf-8")
        time.sleep(0.01)
    return time.time()


def number_of(path: Path) -> str:
    golden = json.loads(path.with_suffix("").with_suffix(".expected.json").read_text("utf-8"))
    number: str = golden["orders"][0]["number"]
    return number


def taken(client: Client, order: Path, to: Path, pieces: int = 1, seconds: float = 0) -> None:
    """A document comes of a file while the job's own hour has not passed, and not before the file is complete."""
    number = number_of(order)
    complete = client.write(order, to, pieces, seconds)
    until(lambda: number in client.documents(), client)
    [made] = client.documents()[number]
    assert made > complete - seconds / max(pieces - 1, 1) * 0.5, "a file was taken before it was complete"
    until(lambda: not (to / order.name).exists(), client)


def test_what_is_dropped_is_taken_soon_and_a_term_signal_ends_it_well(client: Client) -> None:
    orders = iter(ORDERS)
    with client.serving() as service:
        taken(client, next(orders), client.near)
        taken(client, next(orders), client.near, pieces=4, seconds=1.5)
        taken(client, next(orders), client.far)
        service.send_signal(signal.SIGTERM)
        assert service.wait(30) == 0
        assert "Stopped." in client.screen.read_text("utf-8")
    assert mistok("jobs", "--json", cwd=client.folder, env={"FAR_PASSWORD": "x"}).json()["serving"] is None


def test_a_term_signal_in_the_middle_of_work_lets_it_end(client: Client) -> None:
    with client.serving() as service:
        client.drop_twenty(client.near)
        until((client.folder / "archive").exists, client)
        service.send_signal(signal.SIGTERM)
        assert service.wait(30) == 0
        assert len(client.documents()) == 20, "what was begun is brought to its end"
        assert list(client.near.iterdir()) == []


def test_killed_hard_and_started_again_nothing_is_lost_or_doubled(client: Client) -> None:
    with client.serving() as service:
        client.drop_twenty(client.far)
        until(client.documents, client)
        workers = family(service.pid)
        assert workers
        service.kill()
        service.wait()
        gone, alive = psutil.wait_procs(workers, timeout=20)
        assert not alive, "a worker outlives its service"
        assert gone
    with client.serving() as service:
        until(lambda: len(client.documents()) == 20 and not list(client.far.iterdir()), client)
        service.send_signal(signal.SIGTERM)
        assert service.wait(30) == 0
    assert {number: len(made) for number, made in client.documents().items()} == {number_of(p): 1 for p in ORDERS}


def test_a_wrong_config_is_refused_with_its_report(client: Client) -> None:
    text = (client.folder / "config.yaml").read_text("utf-8")
    (client.folder / "config.yaml").write_text(
        text.replace("watch: true\n    poll: 2s", "watch: true\n    pol: 2s"), "utf-8"
    )
    said = mistok("serve", cwd=client.folder, env={"FAR_PASSWORD": "x"})
    assert said.code == 2
    assert "config.yaml:21:5" in said.err.replace("\n", "")
    assert "poll" in said.err
    assert not (client.folder / "ledger.sqlite3").exists()
