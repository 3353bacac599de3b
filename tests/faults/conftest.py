"""A client on any transport and any ledger, for killing."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pipeline.clock import SystemClock
from pipeline.config.load import load_config
from pipeline.config.model import ClientConfig
from pipeline.engine import mending
from pipeline.engine.runtime import Client, RunOptions, RunReport, run_job
from pipeline.flow import InboundSettings
from pipeline.resources import samples
from pipeline.testing.sftpd import SftpServer
from tests.conftest import Servers
from tests.faults import ends, forks, invariants, tally
from tests.servers.common import Server

CONFIG = """\
client: acme
timezone: Europe/Kyiv
language: uk
connections:
  site:
{site}
  images: {{type: local, path: images}}
  books: {target}
ledger: {{url: "{ledger}"}}
log: {{file: null}}
jobs:
  orders:
    steps:
      - {{step: import-orders, inbox: site, folder: "{folder}", into: books,
          client: "0042", object: "01", user: anna, executor: petro{step}}}
  catalogue:
    steps:
      - {{step: export-catalogue, from: books, to: site, folder: "{goods}", {catalogue}}}
"""


TARGET = '{{type: books, url: "{books}", seed: ["{samples}/products.csv", "{samples}/references.csv"]}}'
SCRIPTED = '{type: scripted-target, url: "sqlite:///books.sqlite3"}'  #: see pipeline.testing.target


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """A test of a fault that does not end by the check of the promises fails, see :mod:`tests.faults.ends`."""
    course = ends.begin()
    result = yield
    if words := ends.wrong(item.nodeid, course, [mark.args for mark in item.iter_markers("unchecked")]):
        pytest.fail(words, pytrace=False)
    return result


class Later(SystemClock):
    """The machine's clock, some time from now: a test goes on in time by ``ahead``."""

    ahead = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self.ahead


@dataclass
class Victim:
    """A client whose runs are killed: its folder, the shop's folders as they lie on the server, what was dropped."""

    folder: Path
    inbox: Path
    goods: Path
    site: str
    remote_inbox: str
    remote_goods: str
    ledger: str
    books: str = "sqlite:///books.sqlite3"
    own: Callable[[Path], None] = lambda _path: None
    catalogue: str = ""  #: more parameters of the export, as YAML
    step: str = ""  #: more parameters of the import, as YAML
    target: str = ""  #: the connection that takes the orders, as YAML, in place of the books
    clock: Later = field(default_factory=Later)
    dropped: dict[str, bytes] = field(default_factory=dict)
    last_words: str = ""
    edited: bool = False  #: the config lies there with more in it than is said here

    def __post_init__(self) -> None:
        ends.made()

    @property
    def path(self) -> Path:
        return self.folder / "config.yaml"

    def config(self) -> ClientConfig:
        usual = [one for one in ("stable: 10ms", "batch: 7") if f"{one.split(':')[0]}:" not in self.step]
        text = CONFIG.format(
            site="\n".join(f"    {line}" for line in self.site.splitlines()),
            target=self.target or TARGET.format(books=self.books, samples=samples().as_posix()),
            step="".join(f", {one}" for one in (*usual, self.step) if one),
            ledger=self.ledger,
            folder=self.remote_inbox,
            goods=self.remote_goods,
            catalogue=self.catalogue,
        )
        self.path.write_text(text, encoding="utf-8")
        return load_config(self.path)

    def drop_twenty(self) -> None:
        """The twenty sample orders, as a site would leave them."""
        for path in sorted(samples().glob("orders/twenty/*.xml")):
            target = self.inbox / path.name
            shutil.copyfile(path, target)
            self.own(target)
            self.dropped[path.name] = path.read_bytes()

    def drop(self, name: str, data: bytes | str | None = None) -> Path:
        """A file as a site leaves it: these bytes, or the sample order file of that name."""
        if data is None:
            data = next(samples().glob(f"orders/*/{name}")).read_bytes()
        whole = data.encode() if isinstance(data, str) else data
        target = self.inbox / name
        target.write_bytes(whole)
        self.own(target)
        self.dropped[name] = whole
        return target

    def plugin(self, name: str, code: str) -> None:
        """A plugin of the client's own."""
        folder = self.folder / "plugins"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.py").write_text(code, encoding="utf-8")

    def scripted(self) -> Path:
        """Let the orders go into a scripted target; gives its database."""
        self.plugin("target", "from pipeline.testing.target import PLUGIN\n")
        self.target = SCRIPTED
        return self.folder / "books.sqlite3"

    def run(self, job: str = "orders", **options: Any) -> RunReport:
        ends.happened(f"a run of {job}")
        return run_job(self.config(), job, RunOptions(**options), clock=self.clock)

    def measure(self, job: str = "orders") -> dict[str, Any]:
        """Run the job in a process of its own: its counts, ``seconds``, and ``rise``, MB that the run took."""
        ends.happened(f"a run of {job}")
        self.config()
        script = Path(__file__).with_name("run_and_measure.py")
        done = subprocess.run(
            [sys.executable, str(script), str(self.path), job], timeout=280, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return told

    def ledger_rows(self, query: str) -> list[tuple[Any, ...]]:
        """What a query of our own finds in the ledger."""
        with Client.open(self.written()) as client, client.ledger.read() as conn:
            return [tuple(row) for row in conn.execute(sa.text(query))]

    def written(self) -> ClientConfig:
        """The config as it lies there, where a test has written more into it than there is a word for here."""
        return load_config(self.path) if self.edited else self.config()

    def check(self, *, lasting: bool = False, work_left: bool = False) -> None:
        """The promises. Every test ends by this; ``lasting``: it does not end yet, as the fault goes on.

        At the end each job that ran does so by its schedule, when the longest of all pauses is over: nobody helps it
        on. ``work_left``: it has something to do then; else it finds nothing.
        """
        config = self.written()
        before = self.clock.ahead

        def again(job: str) -> RunReport:
            # a catalogue waits for no pause, and on some days it is another one seven hours later
            imports = any(isinstance(step.params, InboundSettings) for step in config.jobs[job].steps)
            self.clock.ahead = before + (mending.LONGEST_PAUSE + timedelta(hours=1) if imports else timedelta(0))
            return run_job(config, job, RunOptions(trigger="schedule"), clock=self.clock)

        invariants.check(
            config,
            inboxes=[self.inbox],
            dropped=self.dropped,
            goods=self.goods,
            again=None if lasting else again,
            work_left=work_left,
        )

    def die(self, point: str, nth: int = 1, job: str = "orders", *, beside: str = "") -> int:
        """Run the job in a process of its own that is killed at the point; its return code (0: never got there).

        ``beside``: what goes on beside it then, as in a large import: "ahead", the next batch is fetched, kept and
        read; "leaving", the files of the batch before leave the server.
        """
        ends.happened(f"a run that was killed at {point}")
        self.config()
        done = forks.run("tests.faults.run_and_die", self.path, job, point, nth, *([beside] if beside else []))
        assert done.returncode in (0, -9, 1), done.stderr
        if done.returncode == 1:
            raise AssertionError(done.stderr)
        self.last_words = done.stderr
        if done.returncode == -9:
            tally.note("kills")
            tally.note("point", point)
        return done.returncode


def site_yaml(server: Server) -> str:
    """The connection to a real server, as an admin writes it."""
    lines = [f"host: {server.host}", f"port: {server.port}", f"user: {server.user}", f"password: {server.password}"]
    if server.name == "sshd":
        lines += ["type: sftp", f"host_key: {server.extra['fingerprint']}"]
    else:
        lines += ["type: ftp"]
        if "ca" in server.extra:
            lines += ["tls: explicit", f"ca: {server.extra['ca']}"]
    return "\n".join(lines)


TRANSPORTS = ("local", "sftp", "sshd", "vsftpd-explicit", "proftpd-explicit", "pyftpdlib-explicit")


@pytest.fixture
def make_victim(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[[str, str], Victim]]:
    """``make_victim("sshd", "postgres")``: a client on that transport and that ledger."""
    closing: list[SftpServer] = []

    def make(transport: str, ledger: str) -> Victim:
        tally.note("transport", transport)
        tally.note("ledger", ledger)
        folder = tmp_path / "client"
        folder.mkdir()
        url = "sqlite:///ledger.sqlite3" if ledger == "sqlite" else request.getfixturevalue("postgres_ledger")
        if transport in ("local", "sftp"):
            root = tmp_path / "site"
            (root / "orders").mkdir(parents=True)
            (root / "goods").mkdir()
            site = f"type: local\npath: {root.as_posix()}"
            if transport == "sftp":
                server = SftpServer(root, user="shop", password="secret-1").start()
                closing.append(server)
                site = (
                    f"type: sftp\nhost: 127.0.0.1\nport: {server.port}\nuser: shop\n"
                    f"password: secret-1\nhost_key: {server.fingerprint}"
                )
            return Victim(folder, root / "orders", root / "goods", site, "orders", "goods", url)
        servers: Servers = request.getfixturevalue("servers")
        real = servers.get(transport)
        name = f"t{abs(hash(request.node.nodeid)) % 10**10}"
        real.fresh(name)
        inbox, goods = real.fresh(f"{name}/orders"), real.fresh(f"{name}/goods")

        def own(path: Path) -> None:
            if real.owner:
                real.owner.own(path)

        return Victim(folder, inbox, goods, site_yaml(real), f"{name}/orders", f"{name}/goods", url, own=own)

    yield make
    for server in closing:
        server.stop()
