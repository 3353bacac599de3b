"""What the main job means by done: a new client folder, a real server, twenty orders, and a process killed on its way.

Each part is looked at with other means than the program's own: the books by plain SQL, the archive by ``sha256`` of its
files, the published catalogue by Python's ``csv``, the inbox by looking into the server's folder.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest

from tests.conftest import Servers
from tests.e2e.command import ROOT, Said, environment, mistok, start
from tests.servers.common import Server

ORDERS = sorted((ROOT / "samples/orders/twenty").glob("*.xml"))
CATALOGUE = ROOT / "samples/products.csv"
RUN_AND_DIE = ROOT / "tests/faults/run_and_die.py"


@dataclass
class Client:
    """A client's folder, and the shop's folders as they lie on the server."""

    folder: Path
    goods: Path
    inbox: Path
    server: Server
    tmp: Path

    def say(self, *words: object, stdin: str = "") -> Said:
        return mistok("-c", self.folder / "config.yaml", "--language", "en", *words, cwd=self.tmp, stdin=stdin)

    def drop_twenty(self) -> None:
        for path in ORDERS:
            target = self.inbox / path.name
            shutil.copyfile(path, target)
            if self.server.owner:
                self.server.owner.own(target)

    def die(self, point: str, nth: int = 1) -> None:
        """The run is killed by itself, as hard as a power cut, at a named point of its walk."""
        done = subprocess.run(
            [sys.executable, str(RUN_AND_DIE), str(self.folder / "config.yaml"), "orders", point, str(nth)],
            env=environment(),
            capture_output=True,
            timeout=120,
        )
        assert done.returncode == -9, done.stderr.decode()

    def kill_when(self, true: Callable[[], bool]) -> int:
        """``mistok run orders`` killed from outside as soon as something is to be seen; how it ended."""
        running = start(
            "-c", self.folder / "config.yaml", "run", "orders", cwd=self.tmp, screen=self.tmp / "screen.txt"
        )
        end = time.monotonic() + 60
        while running.poll() is None and not true():
            assert time.monotonic() < end, (self.tmp / "screen.txt").read_text("utf-8")
            time.sleep(0.002)
        running.kill()
        return running.wait(30)

    def documents(self) -> list[tuple[str, Decimal]]:
        """(order number, total) of every document."""
        if not (self.folder / "books.sqlite3").exists():
            return []
        books = sqlite3.connect(self.folder / "books.sqlite3", timeout=30)
        try:
            rows = books.execute("SELECT order_number, total FROM documents ORDER BY order_number, id").fetchall()
        finally:
            books.close()
        return [(number, Decimal(total) / 1_000_000) for number, total in rows]

    def copies(self) -> set[str]:
        """What the archive's files really hold, by the hash of their bytes; each must be what its name says."""
        found = set()
        for path in (self.folder / "archive/objects").glob("*/*"):
            really = hashlib.sha256(path.read_bytes()).hexdigest()
            assert path.name == really
            found.add(really)
        return found


KINDS = (
    pytest.param("sshd-password", marks=pytest.mark.full),
    "sshd-key",
    pytest.param("vsftpd-explicit", marks=pytest.mark.full),
)


@pytest.fixture(params=KINDS)
def client(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> Client:
    """A new client folder pointed at a real server, as an admin makes it; nothing is trusted yet."""
    kind: str = request.param
    server = servers.get("sshd" if kind.startswith("sshd") else kind)
    root = f"d{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:10]}"
    server.fresh(root)
    goods, inbox = server.fresh(f"{root}/goods"), server.fresh(f"{root}/orders")
    folder = tmp_path / "shop"
    words = ["--server", "sftp" if kind.startswith("sshd") else "ftps", "--host", server.host, "--port", server.port]
    words += ["--user", server.user, "--root", root, "--language", "en"]
    words += ["--key", server.extra["key"]] if kind == "sshd-key" else ["--password-stdin"]
    made = mistok("--language", "en", "init", folder, *words, stdin=server.password + "\n", cwd=tmp_path)
    assert made.code == 0, made.all
    assert server.password not in made.all
    return Client(folder, goods, inbox, server, tmp_path)


def test_a_new_client_folder_does_the_whole_job_on_a_real_server(client: Client) -> None:
    # --- nothing is sent to a server that nobody has vouched for
    stranger = client.say("check", "--connect")
    assert stranger.code == 3, stranger.all
    assert "mistok trust site" in stranger.all.replace("\n", " "), "the words name the command that mends it"
    other = client.say("trust", "site", "--fingerprint", "SHA256:" + "A" * 43)
    assert other.code == 2, other.all
    shown = client.say("trust", "site", "--show", "--json")
    assert shown.code == 0, shown.all
    seen = shown.json()
    assert seen["trusted"] is False
    if client.server.name == "sshd":
        assert seen["fingerprint"] == client.server.extra["fingerprint"]
    pinned = client.say("trust", "site", "--fingerprint", seen["fingerprint"])
    assert pinned.code == 0, pinned.all

    # --- the books are filled, and all is well
    for table in ("products.csv", "references.csv"):
        loaded = client.say("books", "load", ROOT / "samples" / table)
        assert loaded.code == 0, loaded.all
    well = client.say("check", "--connect")
    assert well.code == 0, well.all
    assert not list(client.goods.iterdir()), "looking leaves nothing behind"
    assert not list(client.inbox.iterdir())

    # --- the catalogue goes out
    out = client.say("run", "catalogue")
    assert out.code == 0, out.all
    assert [path.name for path in client.goods.iterdir()] == ["catalogue.csv"]
    published = read_table((client.goods / "catalogue.csv").read_text("utf-8-sig"))
    expected = [row for row in read_table(CATALOGUE.read_text("utf-8-sig")) if row["published"] == "так"]
    assert {row["ean"]: row["name_uk-UA"] for row in published} == {
        row["code"]: row["name_uk-UA"] for row in expected if not row["parent"]
    }
    prices = {row["ean"]: Decimal(row["price"]) for row in published}
    assert prices["0042"] == Decimal("389.50")
    assert client.say("run", "catalogue", "--json").json()["counts"].get("unchanged") == 1

    # --- the orders come in; the process is killed on its way, and started again
    client.drop_twenty()
    client.die("inbound:created")
    assert len(list(client.inbox.iterdir())) == 20, "no file goes before its order is recorded"
    client.kill_when(lambda: len(list(client.inbox.iterdir())) < 20)
    ended = client.say("run", "orders")
    assert ended.code == 0, ended.all
    assert list(client.inbox.iterdir()) == []
    assert client.documents() == expected_documents()
    assert {hashlib.sha256(path.read_bytes()).hexdigest() for path in ORDERS} <= client.copies()
    assert client.say("run", "orders", "--json").json()["counts"] == {}
    listed = client.say("orders", "--json").json()
    assert [row["state"] for row in listed] == ["created"] * 20
    everything_but_the_secret(client)


@pytest.mark.parametrize(
    "client", [pytest.param("sshd-password", marks=pytest.mark.full), "vsftpd-explicit"], indirect=True
)
def test_killed_by_another_program_again_and_again(client: Client) -> None:
    """Not at a named point but whenever it happens: at the first copy, the first document, the first deletion."""
    assert client.say("trust", "site", "--yes").code == 0
    for table in ("products.csv", "references.csv"):
        assert client.say("books", "load", ROOT / "samples" / table).code == 0
    client.drop_twenty()
    moments: tuple[Callable[[], bool], ...] = (
        lambda: any((client.folder / "archive").rglob("*")),
        lambda: len(client.documents()) > 0,
        lambda: len(list(client.inbox.iterdir())) < 20,
    )
    ends = [client.kill_when(moment) for moment in moments]
    assert -9 in ends, f"it was never killed on its way: {ends}"
    assert client.say("run", "orders").code == 0
    assert list(client.inbox.iterdir()) == []
    assert client.documents() == expected_documents()
    assert {hashlib.sha256(path.read_bytes()).hexdigest() for path in ORDERS} <= client.copies()


def everything_but_the_secret(client: Client) -> None:
    """No file of the client's folder holds the password, but the one made for it."""
    secret = client.server.password.encode()
    for path in client.folder.rglob("*"):
        if path.is_file() and path != client.folder / "secrets/site-password":
            assert secret not in path.read_bytes(), path


def read_table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=";"))


def expected_documents() -> list[tuple[str, Decimal]]:
    found = []
    for path in ORDERS:
        golden = json.loads(path.with_suffix("").with_suffix(".expected.json").read_text("utf-8"))
        found += [(order["number"], Decimal(order["total"])) for order in golden["orders"]]
    assert len(found) == 20
    return sorted(found)
