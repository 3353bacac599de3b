"""A fleet for the bench: so many workers and clients, whose runs wait for a server 40 ms away.

As a program: ``python -m tests.bench.fleet FOLDER WORKERS CLIENTS AT_ONCE TRIPS`` times one wave of runs.
"""

from __future__ import annotations

import os
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench import distance
from tests.bench.child import Stopwatch, tell

_MAIN = "from pipeline.cli import main; main()"
_WAIT = 240.0

CONFIG = """\
client: {name}
language: en
connections:
  here: {{type: local, path: .}}
ledger: {{url: "{ledger}"}}
log: {{file: null}}
jobs:
  wait: {{steps: [{{step: far-away, port: {port}, trips: {trips}}}]}}
  warm: {{steps: [{{step: far-away, port: {port}, trips: 1}}]}}
"""

PLUGIN = '''\
import socket

from pipeline.api import FreeStep, Settings, StepPlugin, StepResult, T


class FarAway(Settings):
    port: int
    """Where the server is."""
    trips: int
    """How often to wait for it."""


def run(params, ctx):
    with socket.create_connection(("127.0.0.1", params.port)) as line:
        for _ in range(params.trips):
            line.sendall(b"?")
            assert line.recv(1) == b"!"
    return StepResult()


PLUGIN = StepPlugin("far-away", T("Wait for a server."), FarAway, FreeStep(run))
'''


class _Answers(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        """A sign for a sign."""
        while self.request.recv(1):
            self.request.sendall(b"!")


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 256


@contextmanager
def far_server() -> Iterator[int]:
    """The port of a server that answers, 40 ms away."""
    with _Server(("127.0.0.1", 0), _Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with distance.far(int(server.server_address[1])) as port:
            yield port
        server.shutdown()


@dataclass
class Fleet:
    """Clients in a folder, and PostgreSQL with their ledgers and the queue."""

    folder: Path
    ledger: str
    queue: str
    names: list[str]

    def worker(self, at_once: int, more: ExitStack) -> subprocess.Popen[bytes]:
        """A worker, ended with ``more``."""
        words = [
            sys.executable,
            "-c",
            _MAIN,
            "--language",
            "en",
            "worker",
            str(self.folder),
            "--concurrency",
            str(at_once),
            "--waiting",
            "0",  # else those that only wait make room for more
        ]
        said = more.enter_context((self.folder.parent / f"worker-{time.monotonic_ns()}.log").open("wb"))
        process = subprocess.Popen(words, env={**os.environ, "MISTOK_QUEUE": self.queue}, stdout=said, stderr=said)
        more.callback(process.wait, _WAIT)
        more.callback(process.terminate)
        return process

    def ask(self, job: str, names: list[str]) -> None:
        """Have each of them run."""
        from pipeline.engine.fleet.queue import Ask, ask_on, connect

        with connect(self.queue) as conn:
            for name in names:
                assert ask_on(conn, Ask(name, job, "person"))

    def done(self, job: str) -> int:
        """How many runs are over."""
        return int(
            self._connection()
            .execute("SELECT count(*) FROM runs WHERE job = %s AND state = 'done'", [job])
            .fetchone()[0]
        )

    def wait(self, job: str, count: int) -> None:
        """Until so many are over."""
        begun = time.monotonic()
        while self.done(job) < count:
            if time.monotonic() - begun > _WAIT:
                sys.exit(f"only {self.done(job)} of {count} were done")
            time.sleep(0.05)  # what is asked so often is done by the same cores

    def wait_for_workers(self, count: int) -> None:
        """Until so many have said that they work."""
        from pipeline.engine.fleet.standing import look

        begun = time.monotonic()
        while sum(one.alive for one in look(self.queue).workers) < count:
            if time.monotonic() - begun > _WAIT:
                sys.exit("the workers did not start")
            time.sleep(0.1)

    def asks_from(self) -> int:
        """The process of PostgreSQL that answers how many runs are over."""
        return int(self._connection().info.backend_pid)

    def _connection(self) -> Any:
        import psycopg

        if not hasattr(self, "_kept"):
            self._kept = psycopg.connect(self.ledger.replace("postgresql+psycopg", "postgresql"), autocommit=True)
        return self._kept


@contextmanager
def fleet(work: Path, clients: int, trips: int) -> Iterator[Fleet]:
    """A fleet on a PostgreSQL of its own, which syncs as it should."""
    from pipeline.clock import SystemClock
    from pipeline.engine.fleet.queue import prepare
    from pipeline.ledger.store import Ledger
    from tests.servers import postgresql

    server = postgresql.start()
    try:
        for switch in ("fsync", "synchronous_commit", "full_page_writes"):
            server.admin.execute(f"ALTER SYSTEM SET {switch} = on")
        server.admin.execute("SELECT pg_reload_conf()")
        with server.database() as ledger, server.database() as queue, far_server() as port:
            Ledger(ledger, client="c000", base=work, clock=SystemClock()).close()
            prepare(queue)
            folder = work / "clients"
            names = [f"c{number:03}" for number in range(clients)]
            for name in names:
                (folder / name / "plugins").mkdir(parents=True)
                (folder / name / "plugins" / "far.py").write_text(PLUGIN, encoding="utf-8")
                text = CONFIG.format(name=name, ledger=ledger, port=port, trips=trips)
                (folder / name / "config.yaml").write_text(text, encoding="utf-8")
            yield Fleet(folder, ledger, queue, names)
    finally:
        server.remove()


def main(work: Path, workers: int, clients: int, at_once: int, trips: int) -> None:
    """One wave, timed."""
    # PostgreSQL runs as a user of its own, who may not enter the bench's folder
    os.environ.pop("TMPDIR", None)
    tempfile.tempdir = None
    watch = Stopwatch()
    with fleet(work, clients, trips) as it, ExitStack() as until_the_end:
        for _ in range(workers):
            it.worker(at_once, until_the_end)
        it.wait_for_workers(workers)
        it.ask("warm", it.names)  # the first run of a config writes it down
        it.wait("warm", clients)
        with watch.running():
            it.ask("wait", it.names)
            it.wait("wait", clients)
        done = it.done("wait")
    tell(watch, done)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *(int(word) for word in sys.argv[2:6]))
