"""A client on any transport and any ledger, for killing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pipeline.config.load import load_config
from pipeline.config.model import ClientConfig
from pipeline.engine.runtime import RunReport, run_job
from pipeline.resources import samples
from pipeline.testing.sftpd import SftpServer
from tests.conftest import Servers
from tests.faults import tally
from tests.servers.common import Server

CONFIG = """\
client: acme
timezone: Europe/Kyiv
language: uk
connections:
  site:
{site}
  images: {{type: local, path: images}}
  books: {{type: books, url: "{books}", seed: ["{samples}/products.csv", "{samples}/references.csv"]}}
ledger: {{url: "{ledger}"}}
log: {{file: null}}
jobs:
  orders:
    steps:
      - {{step: import-orders, inbox: site, folder: "{folder}", into: books, stable: 10ms, batch: 7,
          client: "0042", object: "01", user: anna, executor: petro}}
  catalogue:
    steps:
      - {{step: export-catalogue, from: books, to: site, folder: "{goods}", {catalogue}}}
"""


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
    dropped: dict[str, bytes] = field(default_factory=dict)
    last_words: str = ""

    @property
    def path(self) -> Path:
        return self.folder / "config.yaml"

    def config(self) -> ClientConfig:
        text = CONFIG.format(
            site="\n".join(f"    {line}" for line in self.site.splitlines()),
            samples=samples().as_posix(),
            books=self.books,
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

    def run(self, job: str = "orders") -> RunReport:
        return run_job(self.config(), job)

    def die(self, point: str, nth: int = 1, job: str = "orders") -> int:
        """Run the job in a process of its own that is killed at the point; its return code (0: never got there)."""
        self.config()
        script = Path(__file__).with_name("run_and_die.py")
        done = subprocess.run(
            [sys.executable, str(script), str(self.path), job, point, str(nth)],
            timeout=120,
            capture_output=True,
            text=True,
        )
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
        url = "sqlite:///ledger.sqlite3" if ledger == "sqlite" else request.getfixturevalue("postgres")
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
