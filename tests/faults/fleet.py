"""Many clients and some workers, as an integrator has them: real processes, a PostgreSQL that can be restarted."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import sqlalchemy as sa

from pipeline.archive import Archive
from pipeline.clock import SystemClock
from pipeline.config.load import load_config
from pipeline.engine import asking
from pipeline.engine.fleet import standing
from pipeline.engine.runtime import Client, RunOptions, RunReport, run_job
from pipeline.flow import SystemEnv
from pipeline.ledger import tables as t
from pipeline.resources import samples
from tests.faults import ends, invariants, tally
from tests.faults.plain import order_ids
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
    every: {every}
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
    concurrency: int = 1  #: of each worker
    every: str = "3s"  #: how often each client's job runs
    clients: list[str] = field(default_factory=list)
    dropped: dict[str, dict[str, bytes]] = field(default_factory=dict)
    _books: Path | None = None  #: with their goods, as each client's begin

    def restart_postgresql(self, how: str) -> None:
        """``how``: as ``pg_ctl --mode`` names it."""
        assert self.server is not None
        self.server.restart(how)
        tally.note("restarts")

    def add(self, name: str, files: int) -> None:
        """A client with so many order files in its inbox."""
        ends.made()
        folder = self.folder / name
        (folder / "site" / "orders").mkdir(parents=True)
        text = CONFIG.format(name=name, samples=samples().as_posix(), ledger=self.ledger, every=self.every)
        (folder / "config.yaml").write_text(text, encoding="utf-8")
        if self._books is None:
            self._books = self.folder.parent / "books.sqlite3"
            _make_books(self._books)
        shutil.copyfile(self._books, folder / "books.sqlite3")
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

    def settled(self) -> bool:
        """Whether the inboxes are empty, and the ledgers know it: who is killed now leaves nothing to do."""
        return not self.left() and all(self._written(name) for name in self.clients)

    def _written(self, name: str) -> bool:
        with Client.open(load_config(self.folder / name)) as client, client.ledger.read() as conn:
            query = sa.select(t.files.c.state).where(t.files.c.client == name)
            return list(conn.execute(query).scalars()) == ["acknowledged"] * len(self.dropped[name])

    def said(self) -> str:
        """What the workers said."""
        return "\n".join(path.read_text("utf-8", "replace")[-3000:] for path in sorted(self.folder.glob("*.log")))

    @contextmanager
    def worker(self, name: str, *words: str) -> Iterator[subprocess.Popen[bytes]]:
        """A worker; killed at the end when it still runs."""
        ends.happened("a worker")
        words = ("worker", str(self.folder), "--silence", "3", "--concurrency", str(self.concurrency), *words)
        env = {**os.environ, "MISTOK_QUEUE": self.queue}
        with started(words, self.folder / f"{name}.log", env=env) as process:
            yield process

    def state(self) -> standing.FleetState:
        return standing.look(self.queue)

    def until(self, true: Callable[[], object], seconds: float = 0) -> None:
        """Wait for it; fails with what the workers said."""
        start, seconds = time.monotonic(), seconds or max(240, 8 * len(self.clients))
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
        """The promises, client by client: of all what was booked, kept and written down; and of each, or where there
        are many of those that the faults hit and some more, all of them with another run.
        """
        for name in self.clients:
            self._each_once(name)
        for name in self._chosen():
            config = load_config(self.folder / name)

            def again(job: str, config: object = config) -> RunReport:
                return run_job(config, job, RunOptions(trigger="schedule"))  # type: ignore[arg-type]

            invariants.check(config, inboxes=[self.inbox(name)], dropped=self.dropped[name], again=again)
        tally.note("ledger", "postgres" if self.ledger.startswith("postgres") else "sqlite")

    def _each_once(self, name: str) -> None:
        """Each order of a client is one document, its file is in the archive as it came, and no more in the inbox."""
        with closing(sqlite3.connect(self.folder / name / "books.sqlite3")) as books:
            booked = sorted(str(row[0]) for row in books.execute("SELECT order_id FROM documents"))
        assert booked == sorted(one for data in self.dropped[name].values() for one in order_ids(data)), name
        archive = Archive(self.folder / name / "archive")
        for file, data in self.dropped[name].items():
            assert archive.read(sha256(data).hexdigest()) == data, f"{name}: {file}"
        assert not list(self.inbox(name).iterdir()), name

    def _chosen(self) -> list[str]:
        """The clients that are looked at closely: all of few; of many those with a run that did not end well, a run
        that was put back, or a file that was taken up again, as far as there are not too many, and some of the others.
        """
        if len(self.clients) <= ALL_OF or self.server is None:
            return self.clients
        engine = sa.create_engine(self.ledger, poolclass=sa.NullPool)
        with engine.connect() as conn:
            hit = [str(row.client) for row in conn.execute(sa.text(_HIT))]
            states = {tuple(row) for row in conn.execute(sa.text(_STATES))}
        assert states == {(name, "acknowledged", "created", len(files)) for name, files in self.dropped.items()}
        chosen = sorted({*hit[:ALL_OF], *self.clients[:: len(self.clients) // FEW]})
        # those of the chosen ones are counted where they are looked at closely
        tally.note("documents", sum(len(files) for name, files in self.dropped.items() if name not in chosen))
        return chosen


#: So many clients are looked at closely; of more, those that were hit, and so many of the others.
ALL_OF, FEW = 12, 6
#: Clients whose runs did not all end well.
_HIT = """
SELECT client, count(*) FILTER (WHERE state <> 'done') AS broken FROM runs
GROUP BY client HAVING count(*) FILTER (WHERE state <> 'done') > 0 ORDER BY broken DESC, client
"""
_STATES = """
SELECT o.client, f.state, o.state, count(*) FROM orders o JOIN files f ON f.id = o.file_id AND f.client = o.client
GROUP BY 1, 2, 3
"""


def _make_books(path: Path) -> None:
    """Books with the goods of the samples, to be copied: loading them anew for each of many clients takes long."""
    from plugins.systems.books.settings import BooksSettings
    from plugins.systems.books.system import Books

    goods = samples()
    settings = BooksSettings(url=f"sqlite:///{path}", seed=(goods / "products.csv", goods / "references.csv"))
    env = SystemEnv("books", "first", path.parent, "UAH", "Europe/Kyiv", SystemClock(), dry_run=False)
    with closing(Books(settings, env)) as books:
        books.make_ready()


def kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL: what it was at breaks off where it is, its step processes with it."""
    process.kill()
    process.wait()
    tally.note("kills")
