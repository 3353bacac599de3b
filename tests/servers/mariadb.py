"""Debian's MariaDB: a server of its own in a temporary folder, on a loopback port and a unix socket, with TLS on offer.

It is the database that shops on OpenCart have. Data files are not synced: a test machine's power does not fail.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.servers.certs import self_signed
from tests.servers.common import HOST, Server, free_port, open_folder, require, used

#: Several of them start at once on small machines.
SMALL = "--innodb-buffer-pool-size=32M"


@dataclass
class MariaDb(Server):
    """A running MariaDB. ``user`` may do anything; :meth:`login` makes a user with just the rights that are named."""

    def connect(self, database: str = "") -> Any:
        """A PyMySQL connection of the admin, each statement for itself. Values come as the server writes them."""
        import pymysql

        return pymysql.connect(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password,
            database=database or None,
            charset="utf8mb4",
            autocommit=True,
        )

    @contextmanager
    def cursor(self, database: str = "") -> Iterator[Any]:
        """A cursor of the admin."""
        connection = self.connect(database)
        try:
            with connection.cursor() as cursor:
                yield cursor
        finally:
            connection.close()

    def create(self) -> str:
        """A new, empty database; its name."""
        name = f"t{secrets.token_hex(6)}"
        with self.cursor() as cursor:
            cursor.execute(f"create database {name} character set utf8mb4 collate utf8mb4_unicode_ci")
        return name

    def drop(self, name: str) -> None:
        """Take a database away."""
        with self.cursor() as cursor:
            cursor.execute(f"drop database if exists {name}")

    def login(self, *grants: str) -> tuple[str, str]:
        """A user with these statements' rights: ``grant select on shop.* to {user}``; its name and password."""
        name, password = f"u{secrets.token_hex(6)}", secrets.token_hex(8)
        with self.cursor() as cursor:
            cursor.execute(f"create user '{name}'@'%%' identified by '{password}'", ())
            for grant in grants:
                cursor.execute(grant.format(user=f"'{name}'@'%'"))
        return name, password

    def kill(self) -> None:
        """As the machine's power does: no goodbye, nothing flushed."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)
        self.process = None

    def start(self) -> None:
        """Start it (again) and wait until it answers as a database, not only as a port."""
        super().start()
        end = time.monotonic() + 20
        while time.monotonic() < end:
            # after a crash the port is open before the tables are recovered
            with socket.create_connection((self.host, self.port), timeout=5) as sock:
                if sock.recv(5)[4:5] == b"\x0a":
                    return
            time.sleep(0.05)
        pytest.fail("MariaDB does not greet", pytrace=False)


def start(*, tls: bool = True) -> MariaDb:
    """A MariaDB, with TLS on offer or without. ``extra``: ``ca`` (its certificate), ``socket``."""
    program, install = require("mariadbd"), require("mariadb-install-db")
    folder = open_folder("mistok-mariadb-")
    data = folder / "data"
    certificate = self_signed(folder)
    password = secrets.token_hex(12)
    # it does not run as root without being told to; Debian's package brings a user for it
    user = _user()
    bootstrap = folder / "init.sql"
    bootstrap.write_text(
        f"create user if not exists 'admin'@'%' identified by '{password}';\n"
        "grant all privileges on *.* to 'admin'@'%' with grant option;\n"
        "delete from mysql.global_priv where user = '';\nflush privileges;\n",
        encoding="ascii",
    )
    own = [f"--user={user}"] if user else []
    _install(
        [install, "--no-defaults", f"--datadir={data}", "--skip-test-db", "--skip-name-resolve", *own, SMALL], data
    )
    if user:
        for path in (folder, data, certificate, bootstrap):
            shutil.chown(path, user)
    port, sock = free_port(), folder / "sock"
    command = [
        program,
        "--no-defaults",
        *own,
        f"--datadir={data}",
        # in a folder that is shared one that starts takes away the temporary tables of others that are at work
        f"--tmpdir={data}",
        f"--socket={sock}",
        f"--pid-file={folder / 'pid'}",
        f"--port={port}",
        f"--bind-address={HOST}",
        f"--init-file={bootstrap}",
        *([f"--ssl-{part}={certificate}" for part in ("cert", "key", "ca")] if tls else ["--skip-ssl"]),
        "--skip-name-resolve",
        "--performance-schema=0",
        SMALL,
        "--innodb-flush-log-at-trx-commit=2",
        "--key-buffer-size=8M",
    ]
    server = MariaDb(
        "mariadb",
        "?",
        port,
        "admin",
        password,
        data,
        folder,
        command,
        extra={"ca": str(certificate), "socket": str(sock)},
    )
    server.start()
    with server.cursor() as cursor:
        cursor.execute("select version()")
        server.version = str(cursor.fetchone()[0]).partition("-")[0]
    used(server.name, server.version)
    return server


def _install(command: list[str], data: Path) -> None:
    """The system tables, made in an empty folder; its own words where that fails, and once more: machines get short."""
    said = ""
    for _ in range(3):
        shutil.rmtree(data, ignore_errors=True)
        data.mkdir()
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=120)
        if done.returncode == 0:
            return
        said = (done.stdout + done.stderr)[-3000:]
        time.sleep(1)
    pytest.fail(f"MariaDB's system tables cannot be made: {said}", pytrace=False)


def _user() -> str:
    """Whom a root lets it run as; "" where we are not root."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return ""
    return "mysql" if "mysql:" in Path("/etc/passwd").read_text(encoding="utf-8") else "root"
