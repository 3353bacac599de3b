"""The line to the database: one transaction for one order, time-outs, and its errors as ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from pipeline.api import ConfigError, InDoubt, MistokError, Refused, SystemEnv, T, postgresql_parameters
from plugins.systems.sql.refusals import kind_of, ours, words_of
from plugins.systems.sql.settings import SqlSettings

#: Nothing is cut to fit in silence, and what a table's engine is stays said.
_MODE = "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION"


class Again(Exception):
    """The transaction was rolled back whole, for another one's sake or because such a key is there by now."""

    def __init__(self, error: MistokError, *, unique: bool) -> None:
        super().__init__(str(error))
        self.error, self.unique = error, unique


class Database:
    """One database. Nothing is opened before it is asked for."""

    def __init__(self, settings: SqlSettings, env: SystemEnv) -> None:
        self._env, self._timeout = env, max(1, round(settings.timeout.total_seconds()))
        try:
            url = make_url(settings.url)
        except (ArgumentError, ValueError):  # the latter of a port that is no number
            raise _unreadable() from None
        if settings.password is not None and url.get_backend_name() != "sqlite":
            url = url.set(password=settings.password.get_secret_value())
        self.dialect = url.get_backend_name()
        self.shown = f"{url.database or ''} ({url.host})" if url.host else str(url.database or "")
        self._url = self._at(url, env.base)
        self._made: Engine | None = None

    @staticmethod
    def _at(url: URL, base: Path) -> URL:
        if url.get_backend_name() != "sqlite":
            return url
        path = (base / str(url.database)).absolute()
        # a database that is not there is a mistake in the config: SQLite would make an empty one
        return url.set(database=path.as_uri(), query={"mode": "rw", "uri": "true"})

    # --- work on it ----------------------------------------------------------------------------------------------

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads. Raises Transient, Refused, ConfigError."""
        with self._transaction(writes=False) as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction, committed at the end and rolled back on any error.

        Raises Held for what the database will not take, :class:`Again` where another try may do, InDoubt when nobody
        can say whether it was committed, and what :meth:`read` raises. In a dry run nothing is written: Refused.
        """
        if self._env.dry_run:
            raise Refused(T("This is a dry run: nothing is written into {database}.", database=self.shown))
        with self._transaction(writes=True) as connection:
            yield connection

    @contextmanager
    def _transaction(self, *, writes: bool) -> Iterator[Connection]:
        committing = False
        try:
            with self._engine().connect() as connection:
                if self.dialect == "sqlite":
                    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
                try:
                    yield connection
                    committing = writes
                    connection.commit() if writes else connection.rollback()
                except BaseException:
                    # on a line that is dead it has ended already, and the first error is the one to tell
                    with suppress(DBAPIError):
                        connection.rollback()
                    raise
        except DBAPIError as error:
            kind = kind_of(self.dialect, error)
            if committing and kind == "lost":
                raise InDoubt(
                    T("The database broke off while it was told to keep what was written: {words}",
                      words=words_of(error)),
                    hint=T("It is looked up by itself whether it was done."),
                ) from error  # fmt: skip
            told = ours(self.dialect, error, self.shown)
            if writes and kind in ("unique", "again"):
                raise Again(told, unique=kind == "unique") from error
            raise told from error
        except (UnicodeEncodeError, OverflowError) as error:  # drivers' own, before they ask the server
            raise ours(self.dialect, DBAPIError("", None, error), self.shown) from error

    def close(self) -> None:
        """Close every connection."""
        if self._made is not None:
            self._made.dispose()

    # --- connecting ----------------------------------------------------------------------------------------------

    def _engine(self) -> Engine:
        if self._made is None:
            try:
                engine = create_engine(
                    self._url, connect_args=self._arguments(), pool_pre_ping=self.dialect != "sqlite"
                )
            except ArgumentError:  # a file with a host, say
                raise _unreadable() from None
            event.listen(engine, "do_connect", self._connect)
            if self.dialect == "sqlite":
                event.listen(engine, "connect", self._prepare_sqlite)
            elif self.dialect == "firebird":
                from plugins.systems.sql import firebird  # it needs the driver

                firebird.mend(engine)
            self._made = engine
        return self._made

    def _arguments(self) -> dict[str, Any]:
        seconds = self._timeout
        match self.dialect:
            case "sqlite":
                return {"timeout": seconds}
            case "postgresql":
                return {**postgresql_parameters(seconds), "options": f"-c lock_timeout={seconds * 1000}"}
            case "mysql" | "mariadb":
                mode = f"SET SESSION sql_mode = '{_MODE}', innodb_lock_wait_timeout = {seconds}"
                most = {"connect_timeout": seconds, "read_timeout": 4 * seconds, "write_timeout": 4 * seconds}
                return {"charset": "utf8mb4", **most, "init_command": mode}
            case "mssql":
                return {"timeout": seconds}
            case _:
                return {}

    def _connect(self, dialect: Any, _record: object, arguments: list[Any], named: dict[str, Any]) -> Any:
        """A new connection, through the gate that remembers refusals."""

        def connect() -> Any:
            try:
                if self.dialect == "firebird":
                    from plugins.systems.sql import firebird  # it needs the driver

                    return firebird.connect(self._url, self._timeout)
                return dialect.connect(*arguments, **named)
            except dialect.dbapi.Error as error:
                raise ours(self.dialect, DBAPIError("", None, error), self.shown) from error
            except RuntimeError as error:  # a way of logging in that PyMySQL has no library for
                raise Refused(T("The database {database} refuses the login: {words}", database=self.shown,
                                words=str(error))) from error  # fmt: skip

        try:
            return self._env.gate(connect)
        except ConfigError as error:  # with a connection there is nothing yet that could differ but the address
            raise ConfigError(
                error.text, hint=T("Check `url`: the host, and the name or path of the database.")
            ) from error

    @staticmethod
    def _prepare_sqlite(connection: Any, _record: object) -> None:
        # transactions are begun by us: the driver's own idea of when to begin takes no lock before it writes
        connection.isolation_level = None
        connection.execute("PRAGMA foreign_keys = ON")


def _unreadable() -> ConfigError:
    """Without the address itself: it may hold a password."""
    return ConfigError(
        T("The address of the database cannot be read."),
        hint=T("Special characters of a password are written as in web addresses; or give it by `password`."),
    )
