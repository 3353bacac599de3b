"""Debian's Firebird 3: a server of its own on a loopback port, with its own security database, locks and files.

It is the database of many closed accounting programs of this region. Its root folder is made of links to Debian's, with
our own configuration. https://firebirdsql.org/file/documentation/html/en/firebirddocs/ (firebird.conf)
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.servers.common import HOST, Server, free_port, missing, open_folder, require, used

_LINKED = ("UDF", "lib", "plugins", "firebird.msg", "plugins.conf")
_SCHEMA = Path("/usr/share/firebird/3.0/security.sql")


@dataclass
class Firebird(Server):
    """A running Firebird. The login may do anything."""

    def create(self, charset: str = "UTF8") -> str:
        """A new, empty database; its SQLAlchemy URL."""
        from firebird import driver

        path = self.root / f"t{secrets.token_hex(6)}.fdb"
        driver.create_database(
            f"{self.host}/{self.port}:{path}", user=self.user, password=self.password, charset=charset
        ).close()
        return f"firebird://{self.user}:{self.password}@{self.host}:{self.port}/{path}"

    def connect(self, url: str, charset: str = "UTF8", user: str = "", password: str = "") -> Any:
        """A connection of firebird-driver to what :meth:`create` made."""
        from firebird import driver

        path = "/" + url.partition("://")[2].partition("/")[2].partition("?")[0].lstrip("/")
        return driver.connect(
            f"{self.host}/{self.port}:{path}",
            user=user or self.user,
            password=password or self.password,
            charset=charset,
        )

    def start(self) -> None:
        """Start it (again) and wait until it answers as a database, not only as a port."""
        super().start()
        from firebird import driver

        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                driver.connect_server(f"{self.host}/{self.port}", user=self.user, password=self.password).close()
                return
            except driver.DatabaseError:
                time.sleep(0.05)
        pytest.fail("Firebird does not greet", pytrace=False)

    def kill(self) -> None:
        """As the machine's power does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)
        self.process = None

    def remove(self) -> None:
        """End it at once and clean up: asked politely, it waits for whoever is connected."""
        if self.process is not None:
            self.kill()
        super().remove()


def start() -> Firebird:
    """A Firebird of its own."""
    program, isql = require("firebird"), require("isql-fb")
    home = next(iter(sorted(Path("/usr/lib").glob("*/firebird/3.0"))), None)
    if home is None or not _SCHEMA.exists():
        missing("firebird3.0-server is not installed (.ci/install-servers installs it)")
        raise AssertionError("missing() does not return")
    folder = open_folder("mistok-firebird-")
    root, locks, temporary, data = (folder / name for name in ("root", "locks", "tmp", "data"))
    for path in (root, locks, temporary, data):
        path.mkdir()
    for name in _LINKED:
        (root / name).symlink_to(home / name)
    (root / "intl").mkdir()
    shutil.copy(home / "intl" / "libfbintl.so", root / "intl")  # its character sets are not taken by a link
    port, security = free_port(), folder / "security3.fdb"
    (root / "firebird.conf").write_text(
        f"RemoteServicePort = {port}\nRemoteBindAddress = {HOST}\nSecurityDatabase = {security}\nUdfAccess = None\n"
        "DefaultDbCachePages = 256\nDatabaseAccess = Full\n",
        encoding="ascii",
    )
    (root / "databases.conf").write_text(
        f"security.db = {security}\n{{\n  RemoteAccess = false\n}}\n", encoding="ascii"
    )
    environment = {**os.environ, "FIREBIRD": str(root), "FIREBIRD_LOCK": str(locks), "FIREBIRD_TMP": str(temporary)}
    password = secrets.token_hex(8)
    scripts: tuple[tuple[list[str], str], ...] = (
        ([], f"create database '{security}';\n"),
        (["-i", str(_SCHEMA), str(security)], ""),
        ([str(security)], f"create user sysdba password '{password}';\ncommit;\n"),
    )
    for arguments, words in scripts:
        subprocess.run(
            [isql, "-q", "-user", "SYSDBA", *arguments],
            input=words.encode(), env=environment, check=True, capture_output=True,
        )  # fmt: skip
    command = ["env", *(f"{name}={environment[name]}" for name in environment if name.startswith("FIREBIRD")), program]
    server = Firebird("firebird", "?", port, "SYSDBA", password, data, folder, command)
    server.start()
    from firebird import driver

    with driver.connect_server(f"{HOST}/{port}", user="SYSDBA", password=password) as service:
        server.version = str(service.info.version)
    used(server.name, server.version)
    return server
