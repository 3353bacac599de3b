"""A folder of clients, and ``mistok serve`` at work on it."""

from __future__ import annotations

import shutil
import socket
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.e2e.command import MISTOK, ROOT, start

ORDERS = sorted((ROOT / "samples/orders/twenty").glob("*.xml"))
CONFIG = """\
client: {name}
language: en
connections:
  site: {site}
  books: {{type: books, url: "sqlite:///books.sqlite3", seed: ["{samples}/products.csv", "{samples}/references.csv"]}}
jobs:
  orders:
    watch: true
    poll: 1h
    every: 1h
    steps:
      - {{step: import-orders, inbox: site, folder: orders, into: books, stable: 10ms, grace: 0s{more}}}
alerts: {{channels: []}}
"""
LOCAL = "{type: local, path: site}"
HANG = """\
client: {name}
language: en
connections: {{site: {{type: local, path: site}}}}
jobs:
  hang: {{every: 1h, time_limit: 1s, steps: [{{step: own-hang}}]}}
alerts: {{channels: []}}
"""
PLUGIN = """\
import os
import time
from pathlib import Path

from pipeline.api import FreeStep, Settings, StepPlugin, T

if "SECRET_OF" in os.environ:  # in a process that runs its steps; here, as the limit of a step is short
    Path(__file__).with_name("environment").write_text(repr(dict(os.environ)))

def run(settings, context):
    time.sleep(1000)

PLUGIN = StepPlugin("own-hang", T("Hangs."), Settings, FreeStep(run))
"""


@dataclass
class Many:
    """The folder and what serves it."""

    folder: Path
    served: psutil.Process | None = None

    @property
    def screen(self) -> Path:
        return self.folder.with_name("screen.txt")

    def said(self) -> str:
        return self.screen.read_text("utf-8") if self.screen.exists() else ""

    def add(self, name: str, *, site: str = LOCAL, orders: int = 0, more: str = "") -> Path:
        """A client with so many orders in its inbox."""
        made = self.folder / name
        for folder in ("orders", "goods"):
            (made / "site" / folder).mkdir(parents=True, exist_ok=True)
        for order in ORDERS[:orders]:
            shutil.copy(order, made / "site" / "orders")
        samples = (ROOT / "samples").as_posix()
        text = CONFIG.format(name=name, site=site, samples=samples, more=more)
        (made / "config.yaml").write_text(text, "utf-8")
        return made

    def add_hanging(self, name: str) -> Path:
        made = self.folder / name
        (made / "plugins").mkdir(parents=True)
        (made / "plugins" / "hang.py").write_text(PLUGIN, "utf-8")
        (made / "service.env").write_text(f"SECRET_OF={name}\n", "utf-8")
        (made / "config.yaml").write_text(HANG.format(name=name), "utf-8")
        return made

    def add_dead(self, name: str, port: int) -> Path:
        key = "SHA256:" + "A" * 43
        login = f'{{type: sftp, host: 127.0.0.1, port: {port}, user: u, password: p, host_key: "{key}"}}'
        return self.add(name, site=login)

    @contextmanager
    def serving(self, *words: str, program: Sequence[str] = MISTOK) -> Iterator[subprocess.Popen[bytes]]:
        """The service in a process of its own; it and all that it started are gone at the end."""
        running = start("serve", str(self.folder), *words, cwd=self.folder, screen=self.screen, program=program)
        try:
            yield running
        finally:
            family = psutil.Process(running.pid).children(recursive=True) if running.poll() is None else []
            running.kill()
            running.wait()
            psutil.wait_procs(family, 60)
        assert "Traceback" not in self.said(), self.said()

    def rows(self, name: str, query: str) -> list[Any]:
        path = self.folder / name / "ledger.sqlite3"
        if not path.exists():
            return []
        with closing(sqlite3.connect(path, timeout=30)) as ledger:
            return ledger.execute(query).fetchall() if _has(ledger, "runs") else []

    def runs(self, name: str) -> list[tuple[str, str, str]]:
        """(state, started, ended) of all that ended, oldest first."""
        return self.rows(name, "SELECT state, started, ended FROM runs WHERE ended IS NOT NULL ORDER BY id")

    def documents(self, name: str) -> list[str]:
        """Order ids of the documents."""
        path = self.folder / name / "books.sqlite3"
        if not path.exists():
            return []
        with closing(sqlite3.connect(path, timeout=30)) as books:
            if not _has(books, "documents"):
                return []
            return [row[0] for row in books.execute("SELECT order_id FROM documents ORDER BY id")]


def _has(database: sqlite3.Connection, table: str) -> bool:
    return bool(database.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone())


@contextmanager
def silent() -> Iterator[int]:
    """The port of a server that takes calls and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listening:
        yield int(listening.getsockname()[1])


def until(true: Callable[[], object], running: subprocess.Popen[bytes], many: Many) -> None:
    """Wait for it, as long as a busy machine needs."""
    end = time.monotonic() + 240
    while not true():
        assert running.poll() is None, many.said()
        assert time.monotonic() < end, many.said()
        time.sleep(0.05)
