"""The line to the shop's database: TLS, time-outs, one moment for one page, and its errors as ours.

Values come as the server writes them: dates as text, since ``0000-00-00`` is one that Python does not have, decimals as
Decimal. See docs/systems/opencart.md for the rights that the login needs.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from pipeline.api import ConfigError, Held, MistokError, Refused, SystemEnv, T, Text, Transient, verbatim
from plugins.systems.opencart.settings import OpenCartSettings

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

R = TypeVar("R")
TRIES = 3  #: for one page, each on a new connection, before a reading gives up
_WAIT = 0.5  #: seconds before the second try; twice as long before each further one
#: Zero dates are compared and written, and nothing is cut to fit in silence.
_MODE = "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION"
_LOGIN = {1044, 1045, 1130, 1698, 1227, 1251, 1862, 2059, 3118, 4151}
_RIGHTS = {1142, 1143, 1290, 1370, 1792, 1836}
_BROKEN = {126, 127, 130, 144, 145, 1034, 1035, 1194, 1195}
_DATA = {1048, 1264, 1265, 1366, 1406, 1452, 1062, 1690}


class Database:
    """Connections to one shop's database, opened at first use. One object serves one thread at a time."""

    def __init__(self, settings: OpenCartSettings, env: SystemEnv) -> None:
        self._settings, self._env = settings, env
        where = str(settings.socket) if settings.socket else f"{settings.host}:{settings.port}"
        self.shown = f"{settings.database} ({where})"
        self._made: Engine | None = None

    # --- work on it ------------------------------------------------------------------------------------------------

    def read(self, work: Callable[[Connection], R]) -> R:
        """``work`` on one moment of the database (as far as its tables keep moments), read-only.

        A connection that breaks is tried anew, and ``work`` begun again. Raises Transient, Refused, ConfigError.
        """
        for attempt in range(1, TRIES + 1):
            try:
                with self._connected() as connection:
                    # a snapshot is one of repeatable reads, whatever the server's default is
                    connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                    connection.exec_driver_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
                    try:
                        return work(connection)
                    finally:
                        self._end(connection, "COMMIT")
            except Transient:
                if attempt == TRIES:
                    raise
                self._env.clock.sleep(_WAIT * 2 ** (attempt - 1))
        raise AssertionError("every try returns or raises")

    def write(self, work: Callable[[Connection], R]) -> R:
        """``work`` in a transaction: all of it or nothing, where the tables can. Raises as :meth:`read`, and Held.

        It is never tried twice by itself. In a dry run nothing is written: Refused.
        """
        if self._env.dry_run:
            raise Refused(T("This is a dry run: nothing is written into {shop}.", shop=self.shown))
        with self._connected() as connection:
            connection.exec_driver_sql("START TRANSACTION")
            try:
                done = work(connection)
                connection.exec_driver_sql("COMMIT")
            except BaseException:
                self._end(connection, "ROLLBACK")
                raise
            return done

    def close(self) -> None:
        """Close every connection."""
        if self._made is not None:
            self._made.dispose()

    # --- connecting --------------------------------------------------------------------------------------------------

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        from sqlalchemy.exc import DBAPIError

        try:
            with self._engine().connect() as connection:
                yield connection
        except DBAPIError as error:
            raise self._ours(error.orig or error) from error

    @staticmethod
    def _end(connection: Connection, how: str) -> None:
        """End a transaction; on a line that is dead it has ended already, and the first error is the one to tell."""
        from sqlalchemy.exc import DBAPIError

        if not connection.invalidated:
            try:
                connection.exec_driver_sql(how)
            except DBAPIError:
                connection.invalidate()

    def _engine(self) -> Engine:
        if self._made is None:
            from sqlalchemy import create_engine

            self._made = create_engine(
                "mysql+pymysql://", creator=self._open, pool_size=1, pool_pre_ping=True, isolation_level="AUTOCOMMIT"
            )
        return self._made

    def _open(self) -> Any:
        """A new connection, through the gate that remembers refusals."""
        return self._env.gate(self._connect)

    def _connect(self) -> Any:
        import pymysql
        from pymysql.constants import FIELD_TYPE
        from pymysql.converters import conversions

        settings = self._settings
        days = {FIELD_TYPE.DATE, FIELD_TYPE.NEWDATE, FIELD_TYPE.DATETIME, FIELD_TYPE.TIMESTAMP, FIELD_TYPE.TIME}
        place: dict[str, Any] = {"host": settings.host, "port": settings.port}
        if settings.socket is not None:
            place = {"unix_socket": str(self._env.base / settings.socket)}
        try:
            return pymysql.connect(
                **place,
                **self._tls(),
                user=settings.user,
                password=settings.password.get_secret_value(),
                database=settings.database,
                charset="utf8mb4",
                connect_timeout=max(1, round(settings.connect_timeout.total_seconds())),
                read_timeout=max(1.0, settings.timeout.total_seconds()),
                write_timeout=max(1.0, settings.timeout.total_seconds()),
                conv={kind: convert for kind, convert in conversions.items() if kind not in days},
                init_command=f"SET SESSION sql_mode = '{_MODE}'",
                autocommit=True,
            )
        except (pymysql.err.Error, OSError, RuntimeError) as error:
            # RuntimeError: a way of logging in that the driver has no library for
            raise self._ours(error) from error

    def _tls(self) -> dict[str, Any]:
        if self._settings.tls == "none":
            return {"ssl_disabled": True}
        ca = self._settings.ca
        path: Path | None = self._env.base / ca if ca is not None else None
        try:
            return {"ssl": ssl.create_default_context(cafile=path)}
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                T("The file of CA certificates {path} cannot be used: {words}", path=str(path), words=str(error)),
                hint=T("Give a PEM file by `ca`."),
            ) from None

    # --- its errors ------------------------------------------------------------------------------------------------

    def _ours(self, error: BaseException) -> MistokError:
        """Ours for one of the driver's: see the groups of numbers above."""
        cause = getattr(error, "original_exception", None)
        code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
        words = verbatim(str(error.args[1] if len(error.args) > 1 else error).strip() or type(error).__name__)
        named: dict[str, str | Text] = {"shop": self.shown, "words": words}
        if isinstance(cause, ssl.SSLError) or code == 2026:
            return Refused(
                T("The database {shop} cannot be spoken to by TLS: {words}", **named),
                hint=T("Give its CA certificate by `ca`, and the name that its certificate has as `host`; `tls: none` "
                       "is for a tunnel."),
                code="tls",
            )  # fmt: skip
        if code in _LOGIN or isinstance(error, RuntimeError):
            return Refused(
                T("The database {shop} refuses the login: {words}", **named),
                hint=T("Check `user`, `password` and `database`, and from which addresses that user may come."),
            )
        if code in _RIGHTS:
            return Refused(
                T("The database {shop} refuses: {words}", **named),
                hint=T("docs/systems/opencart.md has the rights that the user needs, ready to be given."),
                code="rights",
            )
        if code == 1049:
            return ConfigError(T("On {shop} there is no such database: {words}", **named), hint=T("Check `database`."))
        if code in (1146, 1054):
            return ConfigError(
                T("The database {shop} is not as OpenCart 3.0 or 4.1 makes it: {words}", **named),
                hint=T("Check `prefix`; `mistok check --connect` tells what is missing."),
            )
        if code in _BROKEN:
            return Refused(
                T("A table in {shop} is damaged: {words}", **named),
                hint=T("Have the shop's admin run REPAIR TABLE on it, as after a crash of the server."),
                code="table-damaged",
            )
        if code in _DATA:
            return Held(T("The shop's database will not take this: {words}", **named), code="shop-refuses")
        return Transient(
            T("The database {shop} did not answer as it should: {words}", **named),
            hint=T("It is tried again by itself. Check that the server runs and can be reached (the tunnel is up)."),
        )


def missing_driver() -> NoReturn:
    """Say that the driver is not installed."""
    raise ConfigError(
        T("The driver of MySQL and MariaDB is not installed."), hint=T("Install it: pip install 'mistok[mysql]'")
    )
