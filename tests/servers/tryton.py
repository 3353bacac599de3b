"""Tryton 8 from PyPI on SQLite: a server of its own in a temporary folder, on a loopback port.

A database with its modules takes half a minute to make: it is made once for a machine and a version, kept in the
temporary folder of the machine, and copied. A test gets an unused one by :meth:`TrytonServer.restore`, which takes
milliseconds: the file is written over by SQLite itself while the server runs.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import urllib.request
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata, util
from pathlib import Path
from typing import Any

from tests.servers.common import HOST, ROOT, Server, free_port, missing
from tests.servers.tryton_base import PASSWORD

NAME = "base"
USER = "admin"
_PACKAGES = ("trytond", "trytond_sale", "trytond_sale_payment", "trytond_stock", "trytond_account", "proteus")


@dataclass
class TrytonServer(Server):
    """A running Tryton with one database. ``root`` is the folder of the database."""

    made: Path = field(default_factory=Path)  #: the database as it was made
    session: str = ""  #: one that is kept when the database is restored: a login takes the server long, as it should
    _proteus: Any = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://{self.host}:{self.port}"

    @property
    def database(self) -> Path:
        """The file of its database."""
        return self.root / f"{NAME}.sqlite"

    def restore(self) -> None:
        """Everything as it was made; sessions are gone but for ``session``."""
        with closing(sqlite3.connect(self.made)) as source, closing(sqlite3.connect(self.database, timeout=30)) as to:
            source.backup(to)

    def log_in(self) -> None:
        """Begin ``session``."""
        body = {"id": 1, "method": "common.db.login", "params": [USER, {"password": PASSWORD}, "en"]}
        asked = urllib.request.Request(
            f"{self.url}/{NAME}/rpc/", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(asked, timeout=60) as reply:
            user, key, *_ = json.load(reply)["result"]
        self.session = base64.b64encode(f"{USER}:{user}:{key}".encode()).decode()
        fresh = self.folder / "fresh.sqlite"
        with closing(sqlite3.connect(self.database, timeout=30)) as source, closing(sqlite3.connect(fresh)) as to:
            source.backup(to)
        self.made = fresh

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """What plain SQL says of the database."""
        with closing(sqlite3.connect(f"{self.database.as_uri()}?mode=ro", uri=True, timeout=30)) as connection:
            return connection.execute(statement, values).fetchall()

    def one(self, statement: str, *values: object) -> Any:
        """The first value that plain SQL gives."""
        (row,) = self.rows(statement, *values)
        return row[0]

    def proteus(self) -> Any:
        """Tryton's own client, logged in; ``proteus.Model`` and ``proteus.Wizard`` take it as ``config``."""
        from proteus import config

        self._proteus = config.set_xmlrpc(f"http://{USER}:{PASSWORD}@{self.host}:{self.port}/{NAME}/rpc/")
        return self._proteus

    def model(self, name: str) -> Any:
        """A model by proteus."""
        from proteus import Model

        return Model.get(name, config=self._proteus or self.proteus())


def made_base() -> Path:
    """The database as it is made, from the temporary folder of this machine, or made now."""
    for package in _PACKAGES:
        if util.find_spec(package.replace("trytond_", "trytond.modules.")) is None:
            missing(f"{package} is not installed (uv sync installs it)")
    script = Path(__file__).with_name("tryton_base.py")
    versions = [f"{one} {metadata.version(one)}" for one in _PACKAGES]
    known = "\n".join([script.read_text("utf-8"), *versions, str(datetime.now(UTC).year), sys.version])
    owner = getattr(os, "getuid", lambda: 0)()
    digest = hashlib.sha256(known.encode()).hexdigest()[:16]
    kept = Path(tempfile.gettempdir()) / f"mistok-tryton-{owner}-{digest}.sqlite"
    if not kept.exists():
        with tempfile.TemporaryDirectory(prefix="mistok-tryton-") as folder:
            file = Path(folder) / f"{NAME}.sqlite"
            done = subprocess.run(
                [sys.executable, "-m", "tests.servers.tryton_base", str(file)],
                cwd=ROOT, capture_output=True, check=False, timeout=280,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr.decode()[-3000:]
            whole = kept.with_suffix(f".{os.getpid()}")
            with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(whole)) as to:
                source.backup(to)
            whole.replace(kept)  # whoever else made it meanwhile made the same
    return kept


def start() -> TrytonServer:
    """A Tryton with the database of the tests."""
    made = made_base()
    folder = Path(tempfile.mkdtemp(prefix="mistok-trytond-"))
    shutil.copy(made, folder / f"{NAME}.sqlite")
    port = free_port()
    conf = folder / "trytond.conf"
    conf.write_text(
        f"[database]\nuri = sqlite://\npath = {folder}\n[web]\nlisten = {HOST}:{port}\n"
        "[session]\nmax_attempt = 1000\nmax_attempt_ip_network = 1000\n",
        "utf-8",
    )
    server = TrytonServer(
        name="trytond",
        version=metadata.version("trytond"),
        port=port,
        user=USER,
        password=PASSWORD,
        root=folder,
        folder=folder,
        command=[sys.executable, "-c", "from trytond.cli import main; main()", "-c", str(conf), "-d", NAME],
        made=made,
    )
    server.start()
    server.log_in()
    return server
