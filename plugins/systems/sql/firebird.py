"""Firebird's driver, where it or its dialect for SQLAlchemy needs a hand. Loaded only for a Firebird."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from firebird import driver
from sqlalchemy import URL, Engine

#: A dead line refuses to end each of its parts: the two transactions that it always has, and itself.
_PARTS = 4


def connect(url: URL, seconds: int) -> Any:
    """A connection by the address itself: the dialect keeps one server for each path, whatever the host is.

    Rows are seen as they are committed, and another program's lock is waited for so many seconds.
    """
    host = f"[{url.host}]" if url.host and ":" in url.host else url.host
    place = f"{host}/{url.port or 3050}:{url.database}" if host else str(url.database)
    options = {"charset": "UTF8"}
    options |= {name: str(value) for name, value in url.query.items() if name in ("charset", "role")}
    # the server's words come in the connection's character set, and the driver reads them in that of the machine
    words = driver.core.CHARSET_MAP.get(options["charset"].upper()) or "utf-8"
    driver.interfaces.iUtil_v2.format_status.__defaults__ = (words,)
    connection = driver.connect(place, user=url.username or "", password=url.password or "", **options)
    isolation = driver.Isolation.READ_COMMITTED_RECORD_VERSION
    connection.main_transaction.default_tpb = driver.tpb(isolation, lock_timeout=seconds)
    return connection


def mend(engine: Engine) -> None:
    """Let the dialect end lines that are dead, and tell them from errors that carry no code."""
    dialect: Any = engine.dialect
    asked = dialect.is_disconnect

    def is_disconnect(error: Any, connection: Any, cursor: Any) -> bool:
        return bool(getattr(error, "gds_codes", None)) and bool(asked(error, connection, cursor))

    dialect.is_disconnect = is_disconnect
    dialect.do_terminate = let_go


def let_go(connection: Any) -> None:
    """End a connection whatever its server says, or does not say."""
    for _ in range(_PARTS):
        if connection.is_closed():
            break
        with suppress(driver.Error):
            connection.close()
