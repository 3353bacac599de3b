"""Many clients and some workers, as an integrator has them: real processes, a PostgreSQL that can be restarted."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from pipeline.config.load import load_config
from pipeline.engine import asking
from pipeline.engine.fleet import standing
from pipeline.engine.runtime import Client, RunOptions, RunReport, run_job
from pipeline.ledger import tables as t
from pipeline.resources import samples
from tests.faults import ends, invariants, tally
from tests.faults.serving import started
from tests.servers.postgresql import Postgres

CONFIG = """\
client: {name}
timezone: Europe/Kyiv
language: uk
connections:
  site: {{type: local, path: site}}
  books: {{type: books, url: "sqlite:///books.sqlite3", seed: ["{samples}/products.csv", "{samples}/references.csv"]}}
ledger: {{url: "{ledger}"}}
log: {{file: null}}
jobs:
  orders:
    every: 3s
    steps:
      - {{step: import-orders, inbox: site, folder: orders, into: books, stable: 10ms, batch: 2,
          client: "0042", object: "01", user: anna, executor: petro}}
"""


@dataclass
class Fleet:
    """So many clients in one folder, one ledger database for all of them, and a queue."""

    folder: Path
    server: Postgres | None  #: None: each ledger is a file
    ledger: str
    queue: str
    clients: list[str] = field(default_factory=list)
    dropped: dict[str, dict[str, bytes]] = field(default_factory=dict)

    def restart_postgresql(self, how: str) -> None:
        """``how``: as ``pg_ctl --mode`` names it."""
        assert self.server is not None
        self.server.restart(how)

    def add(self, name: str, files: int) -> None:
        """A client with so many order files in its inbox."""
        ends.made()
        folder = self.folder / name
        (folder / "site" / "orders").mkdir(parents=True)
        text = CONFIG.format(name=name, samples=samples().as_posix(), ledger=self.ledger)
        (folder / "config.yaml").write_text(text, encoding="utf-8")
        self.clients.append(name)
        self.dropped[name] = {}
        self.drop(name, files)

    def drop(self, name: str, count: int) -> None:
        """So many more order files, as a site leaves them."""
        text = (samples() / "orders/twenty/order-00002001.xml").read_text("utf-8")
        for number in range(len(self.dropped[name]), len(self.dropped[name]) + count):
            data = text.replace("<id>2001<", f"<id>9{number:04d}<")
            data = data.replace("<number>00002001<", f"<number>9{number:04d}<")
            partial = self.inbox(name) / f"{number:04d}.part"
            partial.write_bytes(data.encode())
            partial.rename(partial.with_suffix(".xml"))
            self.dropped[name][f"{number:04d}.xml"] = data.encode()

    def inbox(self, name: str) -> Path:
        return self.folder / name / "site" / "orders"

    def left(self) -> int:
        """How many order files lie in all inboxes."""
        return sum(len(list(self.inbox(name).glob("*.xml"))) for name in self.clients)

    def said(self) -> str:
        """What the workers said."""
        return "\n".join(path.read_text("utf-8", "replace")[-3000:] for path in sorted(self.folder.glob("*.log")))

    @contextmanager
    def worker(self, name: str, *words: str) -> Iterator[subprocess.Popen[bytes]]:
        """A worker; killed at the end when it still runs."""
        ends.happened("a worker")
        words = ("worker", str(self.folder), "--silence", "3", "--concurrency", "1", *words)
        env = {**os.environ, "MISTOK_QUEUE": self.queue}
        with started(words, self.folder / f"{name}.log", env=env) as process:
            yield process

    def state(self) -> standing.FleetState:
        return standing.look(self.queue)

    def until(self, true: Callable[[], object], seconds: float = 240) -> None:
        """Wait for it; fails with what the workers said."""
        start = time.monotonic()
        while not true():
            assert time.monotonic() - start < seconds, self.said()
            time.sleep(0.02)

    def ask(self, name: str, *, by: str) -> None:
        """Somebody wants its job run now, on the page."""
        with Client.open(load_config(self.folder / name)) as client:
            asking.run_now(client.ledger, "orders", by=by)

    def triggers(self, name: str) -> list[str]:
        """What began the runs that are over, oldest first."""
        with Client.open(load_config(self.folder / name)) as client, client.ledger.read() as conn:
            r = t.runs.c
            query = sa.select(r.trigger).where(r.client == name, r.state == "done").order_by(r.id)
            return list(conn.execute(query).scalars())

    def check(self) -> None:
        """The promises, client by client."""
        for name in self.clients:
            config = load_config(self.folder / name)

            def again(job: str, config: object = config) -> RunReport:
                return run_job(config, job, RunOptions(trigger="schedule"))  # type: ignore[arg-type]

            invariants.check(config, inboxes=[self.inbox(name)], dropped=self.dropped[name], again=again)
            made = len(invariants.books_rows(config))
            assert made == len(self.dropped[name]), f"{name}: {made} documents of {len(self.dropped[name])} orders"
        tally.note("ledger", "postgres" if self.ledger.startswith("postgres") else "sqlite")


def kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL: what it was at breaks off where it is, its step processes with it."""
    process.kill()
    process.wait()
    tally.note("kills")
