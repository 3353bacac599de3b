"""Opens the database, keeps its schema in step, and turns its errors into ours."""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, select, text
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, NoSuchModuleError, OperationalError
from sqlalchemy.pool import QueuePool

from pipeline.api import ConfigError, Held, Refused, T, Transient, file_engine, postgresql_parameters
from plugins.systems.books import tables as t
from plugins.systems.books.migrations import MIGRATIONS

#: Linux alone tells what a process has open, and only there one is forked off.
_OPEN = Path("/proc/self/fd")
_PG_LOCK = 0x6D69_7374_6F6B  # one migrating process at a time


class Database:
    """One database of books. Safe to share between threads; each transaction has its own connection.

    With ``dry_run`` it never creates or changes one: a SQLite file is read into memory and worked on there, PostgreSQL
    is asked in read-only transactions; where there is nothing yet, it is an empty database in memory.
    """

    def __init__(self, url: str, base: Path, lock_timeout: float = 15.0, *, dry_run: bool = False) -> None:
        """Nothing is opened yet. Raises ConfigError for a URL that cannot be."""
        self.dry_run, self.in_memory = dry_run, False
        self._keeper: sqlite3.Connection | None = None
        try:
            parsed = make_url(url)
        except ArgumentError:
            raise ConfigError(
                T("The books' url is not a database URL."),
                hint=T("Write sqlite:///books.sqlite3 or postgresql+psycopg://USER:PASSWORD@HOST/NAME."),
            ) from None
        self.sqlite = parsed.get_backend_name() == "sqlite"
        if not self.sqlite and parsed.get_backend_name() != "postgresql":
            raise ConfigError(
                T("The books cannot live in {kind}.", kind=parsed.get_backend_name()),
                hint=T("Write sqlite:///books.sqlite3 or postgresql+psycopg://USER:PASSWORD@HOST/NAME."),
            )
        self.path: Path | None = None
        arguments: dict[str, Any] = {}
        if self.sqlite:
            if parsed.database not in (None, "", ":memory:"):
                self.path = base / Path(str(parsed.database))
                parsed = parsed.set(database=str(self.path))
            arguments = {"timeout": lock_timeout}
        else:
            arguments = {**postgresql_parameters(but=parsed.query)}
        self.shown = parsed.render_as_string(hide_password=True)
        self._lock_timeout = lock_timeout
        try:
            self._engine: Engine = (
                file_engine(parsed, connect_args=arguments)
                if self.path is not None
                else create_engine(parsed, connect_args=arguments, pool_pre_ping=not self.sqlite)
            )
        except (NoSuchModuleError, ModuleNotFoundError) as error:
            raise ConfigError(
                T("The driver of {url} is not installed: {words}", url=self.shown, words=str(error)),
                hint=T("Install it with: pip install 'mistok[postgres]'"),
            ) from None
        if self.sqlite:
            event.listen(self._engine, "connect", self._prepare_sqlite)
        self._ready = False

    def use_memory(self) -> None:
        """Go on with a copy in memory: of the SQLite file when there is one, else of nothing."""
        name = f"file:books-{secrets.token_hex(8)}?mode=memory&cache=shared"
        engine = create_engine(
            f"sqlite:///{name}&uri=true",
            connect_args={"timeout": self._lock_timeout, "check_same_thread": False},
            poolclass=QueuePool,
        )
        event.listen(engine, "connect", self._prepare_sqlite)
        with self.guard():
            self._keeper = sqlite3.connect(name, uri=True, check_same_thread=False)  # it lives as long as this is open
            if self.path is not None and self.path.exists():
                # a file that nobody has open is read as it lies: even a reader would put its -shm file beside it
                quiet = not self.path.with_name(self.path.name + "-wal").exists()
                address = self.path.absolute().as_uri() + ("?mode=ro&immutable=1" if quiet else "?mode=ro")
                with closing(sqlite3.connect(address, uri=True, timeout=self._lock_timeout)) as file:
                    file.backup(self._keeper)
        self._engine.dispose()
        self._engine, self.sqlite, self.in_memory, self._ready = engine, True, True, False

    def _prepare_sqlite(self, connection: Any, _record: object) -> None:
        # Transactions are begun by us: the driver's own idea of when to begin loses savepoints and read snapshots.
        connection.isolation_level = None
        for pragma in (
            f"busy_timeout = {int(self._lock_timeout * 1000)}",
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that may write: committed at the end, rolled back on any error.

        On SQLite it holds the only write lock from its start. Raises Transient, Refused.
        """
        self.prepare()
        if self.dry_run and not self.in_memory:
            raise Refused(T("This is a dry run: nothing is written into the books {url}.", url=self.shown))
        with self.guard(), self._engine.connect() as connection:
            if self.sqlite:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            with _ended(connection):
                yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A read-only transaction that sees one moment, however long it lasts."""
        self.prepare()
        with self.guard(), self._engine.connect() as connection:
            if self.sqlite:
                connection.exec_driver_sql("BEGIN")
            else:
                # in place
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with _ended(connection):
                yield connection

    @contextmanager
    def watched(self) -> Iterator[Callable[[], bool]]:
        """Gives what tells whether nothing was written into the database since; False where that cannot be told.

        On a file of SQLite's. See https://www.sqlite.org/pragma.html#pragma_data_version: the number changes, for one
        connection, with each commit of any other one, also one of another process.
        """
        self.prepare()
        if not self.sqlite or self.in_memory:
            yield lambda: False
            return
        with self.guard(), self._engine.connect() as connection:

            def version() -> int:
                with self.guard():
                    return int(connection.exec_driver_sql("PRAGMA data_version").scalar_one())

            before = version()
            yield lambda: version() == before

    def let_go(self) -> bool:
        """Close all connections to a file of SQLite's. Whether it is closed, and another process may be forked off.

        A process may neither use a connection that was there before it was forked, nor open the same file while this
        library thinks that it has it open: see https://www.sqlite.org/howtocorrupt.html (2.6).
        """
        self.prepare()
        if not self.sqlite or self.in_memory or self.path is None or not _OPEN.exists():
            return False
        self._engine.dispose()
        try:
            ours = self.path.stat()
            return not any(_is_open_as(number, ours) for number in os.listdir(_OPEN))  # noqa: PTH208
        except OSError:
            return False

    def prepare(self) -> None:
        """Create or migrate the schema, once. Raises ConfigError when the database is newer than this program."""
        if self._ready:
            return
        if self.dry_run and self.sqlite and not self.in_memory:
            self.use_memory()
        if self.path is not None and not self.in_memory:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise Refused(
                    T("The folder of the books {path} cannot be made: {words}", path=str(self.path), words=str(error)),
                    hint=T("Mend the rights, or choose another place by `url`."),
                ) from None
        with self.guard(), self._engine.connect() as connection:
            if self.sqlite:
                connection.exec_driver_sql("BEGIN")
            with _ended(connection):
                current = self._version(connection)
        if current < len(MIGRATIONS) and self.dry_run and not self.in_memory:
            if current:
                raise ConfigError(
                    T("The books {url} are of an older Mistok, and a dry run does not change them.", url=self.shown),
                    hint=T("Run the job once without --dry-run, or look at the books with any verb of theirs."),
                )
            self.use_memory()
            self.prepare()
            return
        if current < len(MIGRATIONS):
            with self.guard(), self._engine.connect() as connection:
                if self.sqlite:
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                else:
                    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _PG_LOCK})
                with _ended(connection):
                    # asked again: another process may have done it while we waited
                    for step in range(self._version(connection), len(MIGRATIONS)):
                        MIGRATIONS[step](connection)
                        connection.execute(t.version.delete())
                        connection.execute(t.version.insert().values(version=step + 1))
        self._ready = True

    def _version(self, connection: Connection) -> int:
        if not inspect(connection).has_table(t.version.name):
            return 0
        current = connection.execute(select(t.version.c.version)).scalar() or 0
        if current > len(MIGRATIONS):
            raise ConfigError(
                T(
                    "The books {url} were written by a newer Mistok (schema {found}; this one knows {known}).",
                    url=self.shown,
                    found=current,
                    known=len(MIGRATIONS),
                ),
                hint=T("Install that newer version, or restore a copy made before it."),
            )
        return int(current)

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Turn the database's errors into ours: locked, unreachable, full -> Transient; login, damage -> Refused."""
        try:
            yield
        except DBAPIError as error:
            raise self.translate(error) from error
        except sqlite3.Error as error:  # while a connection is prepared, before SQLAlchemy wraps errors
            raise self.translate(OperationalError("", None, error)) from error

    def translate(self, error: DBAPIError) -> Transient | Refused | Held:
        """Ours for one of the database's; Held when it is the data that it will not take."""
        words = str(error.orig).strip()
        low = words.lower()
        if isinstance(error, (DataError, IntegrityError)):
            return Held(
                T("The books refuse what was to be written: {words}", words=words.splitlines()[0]),
                hint=T("Look whether all that it refers to is still in the books, and whether nothing is too long."),
                code="books-refuse",
            )
        if "password authentication" in low or "permission denied" in low or "readonly" in low:
            return Refused(
                T("The books {url} refuse: {words}", url=self.shown, words=words),
                hint=T("Check the login and the rights in `url`."),
            )
        if "malformed" in low or "not a database" in low:
            return Refused(
                T("The books {url} are damaged: {words}", url=self.shown, words=words),
                hint=T("Restore them from a copy. Nothing was changed."),
            )
        if isinstance(error, OperationalError) and "locked" in low:
            return Transient(
                T("The books {url} are in use by another program.", url=self.shown),
                hint=T("It is tried again by itself. Close programs that keep the file open for long."),
            )
        return Transient(
            T("The books {url} did not answer as they should: {words}", url=self.shown, words=words),
            hint=None if self.sqlite else T("Check that the database server runs and can be reached."),
        )

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()
        if self._keeper is not None:
            self._keeper.close()
            self._keeper, self._ready = None, False


def _is_open_as(number: str, file: os.stat_result) -> bool:
    try:
        found = os.fstat(int(number))
    except OSError:  # that of the listing itself
        return False
    return (found.st_dev, found.st_ino) == (file.st_dev, file.st_ino)


@contextmanager
def _ended(connection: Connection) -> Iterator[None]:
    try:
        yield
        connection.commit()
    except BaseException:
        connection.rollback()
        raise


def in_doubt(error: DBAPIError) -> bool:
    """Whether the connection broke, so that a commit just sent may or may not have happened."""
    return error.connection_invalidated or isinstance(error, OperationalError)
