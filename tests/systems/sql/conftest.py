"""Databases of a closed program: SQLite always, real servers built once a module and emptied between tests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers import firebird, mariadb
from tests.systems.sql.world import FOLLOWING, World


@pytest.fixture(scope="session")
def firebird_server() -> Iterator[firebird.Firebird]:
    """One Firebird for the session."""
    server = firebird.start()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def lite_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite database with the tables, to be copied."""
    base = tmp_path_factory.mktemp("sql")
    (base / "shop.sqlite3").touch()
    world = World("sqlite", "sqlite:///shop.sqlite3", base)
    world.build()
    world.leave()
    return base / "shop.sqlite3"


@pytest.fixture
def lite(lite_file: Path, tmp_path: Path) -> Iterator[World]:
    """On SQLite."""
    shutil.copy(lite_file, tmp_path / "shop.sqlite3")
    world = World("sqlite", "sqlite:///shop.sqlite3", tmp_path)
    yield world
    world.leave()


@pytest.fixture(scope="session")
def built_postgresql(postgres_server: Any) -> Iterator[World]:
    """Tables on a real PostgreSQL."""
    postgres_server.psql("create database mistok_sql;")
    world = World("postgresql", str(postgres_server.get_uri(database="mistok_sql")), Path.cwd(), usual=FOLLOWING)
    world.build()
    yield world
    world.leave()


@pytest.fixture(scope="session")
def built_mariadb(mariadb_server: mariadb.MariaDb) -> Iterator[World]:
    """Tables on a real MariaDB."""
    name = mariadb_server.create()
    login = f"{mariadb_server.user}:{mariadb_server.password}"
    url = f"mariadb://{login}@{mariadb_server.host}:{mariadb_server.port}/{name}"
    world = World("mariadb", url, Path.cwd(), usual=FOLLOWING)
    world.build()
    yield world
    world.leave()


@pytest.fixture(scope="session")
def built_firebird(firebird_server: firebird.Firebird) -> Iterator[World]:
    """Tables on a real Firebird, numbered by generators and triggers."""
    world = World("firebird", firebird_server.create(), Path.cwd(), usual=FOLLOWING)
    world.build()
    yield world
    world.leave()


def real(request: pytest.FixtureRequest, kind: str) -> Iterator[World]:
    """The database of that server, emptied."""
    world: World = request.getfixturevalue(f"built_{kind}")
    world.clean()
    yield world
    world.close()


@pytest.fixture
def pg(request: pytest.FixtureRequest) -> Iterator[World]:
    """On a real PostgreSQL."""
    yield from real(request, "postgresql")


@pytest.fixture
def maria(request: pytest.FixtureRequest) -> Iterator[World]:
    """On a real MariaDB."""
    yield from real(request, "mariadb")


@pytest.fixture
def fire(request: pytest.FixtureRequest) -> Iterator[World]:
    """On a real Firebird."""
    yield from real(request, "firebird")
