"""Books to test on: SQLite, and a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from pipeline.api import SystemEnv
from plugins.systems.books import tables as t
from plugins.systems.books.settings import BooksSettings
from plugins.systems.books.system import Books
from tests.servers.postgresql import Postgres

SAMPLES = Path(__file__).parents[3] / "samples"


class Fixed:
    """A clock that stands still unless moved."""

    moment = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        raise AssertionError("books never sleep")


@dataclass
class Place:
    """One database, and how to open books on it."""

    url: str
    base: Path
    clock: Fixed = field(default_factory=Fixed)
    client: str = "demo"
    dry_run: bool = False
    opened: list[Books] = field(default_factory=list)

    def open(self, **settings: Any) -> Books:
        env = SystemEnv("books", self.client, self.base, "UAH", "Europe/Kyiv", self.clock, dry_run=self.dry_run)
        books = Books(BooksSettings(url=self.url, **settings), env)
        self.opened.append(books)
        return books

    def sample(self, **settings: Any) -> Books:
        books = self.open(seed=(SAMPLES / "references.csv", SAMPLES / "products.csv"), **settings)
        books.make_ready()
        return books

    def count(self) -> int:
        with self.open().reading() as connection:
            return int(connection.execute(select(func.count()).select_from(t.documents)).scalar_one())

    def total(self, document: str) -> Decimal:
        with self.open().reading() as connection:
            found = connection.execute(
                select(t.documents.c.total).where(t.documents.c.id == int(document))
            ).scalar_one()
            assert isinstance(found, Decimal)
            return found

    def status(self, document: str) -> str:
        with self.open().reading() as connection:
            here = select(t.statuses.c.code).join(t.documents).where(t.documents.c.id == int(document))
            return str(connection.execute(here).scalar_one())

    def reserved(self, code: str) -> Decimal:
        with self.open().reading() as connection:
            rows = connection.execute(select(t.stock.c.reserved).join(t.products).where(t.products.c.code == code))
            return sum((row.reserved for row in rows), Decimal(0))


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """An empty database: once on SQLite, once on PostgreSQL (there with the tables)."""
    if request.param == "sqlite":
        place = Place("sqlite:///books.sqlite3", tmp_path)
    else:
        server: Postgres = request.getfixturevalue("postgres_server")
        place = Place(request.getfixturevalue("stack").enter_context(server.database("books", with_tables)), tmp_path)
    yield place
    for books in place.opened:
        books.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def bare(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A database with nothing in it, not even tables: once on SQLite, once on PostgreSQL."""
    url = "sqlite:///books.sqlite3" if request.param == "sqlite" else request.getfixturevalue("postgres")
    place = Place(url, tmp_path)
    yield place
    for books in place.opened:
        books.close()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """What is closed after the test."""
    with ExitStack() as opened:
        yield opened


def with_tables(url: str) -> None:
    """Make the books' tables in an empty database, as the first start does."""
    place = Place(url, Path.cwd())
    place.open().make_ready()
    for books in place.opened:
        books.close()


@pytest.fixture
def lite(tmp_path: Path) -> Iterator[Place]:
    """An empty SQLite database."""
    place = Place("sqlite:///books.sqlite3", tmp_path)
    yield place
    for books in place.opened:
        books.close()
