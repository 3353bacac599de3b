"""How a ledger's database server is reached: what its driver is told, and when a silent server is given up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from pipeline.sqlstates import READ_ONLY, sqlstate


def pool(url: sa.URL, to_connect: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of SQLAlchemy's engine. ``to_connect``: parameters of libpq; what the URL says itself goes before."""
    if url.drivername.startswith("sqlite"):
        return {}
    known = url.get_driver_name() in ("psycopg", "psycopg2")  # others name it otherwise
    told = {name: value for name, value in to_connect.items() if known and name not in url.query}
    settings: dict[str, Any] = {"pool_pre_ping": True, "pool_size": 5, "connect_args": told}
    if url.get_driver_name() == "psycopg":
        settings["use_native_hstore"] = False  # a type of PostgreSQL that is not used: each connection would ask for it
    return settings


def watch(engine: sa.Engine, patience: Callable[[], float | None]) -> None:
    """Give up its connections whose server is silent for as many seconds as ``patience`` says (None: for ever)."""
    if engine.url.get_driver_name() != "psycopg":
        return

    @sa.event.listens_for(engine, "do_connect")
    def _connect(_dialect: Any, _record: Any, words: list[Any], named: dict[str, Any]) -> Any:
        from pipeline.pgwatched import Watched

        connection = Watched.connect(*words, **named)
        connection.patience = patience
        return connection


def let_go_of_readers(context: sa.engine.ExceptionContext) -> None:
    """A session that began while its server could only read stays so: all are let go of, and new ones are begun."""
    if sqlstate(context.original_exception) == READ_ONLY:
        context.is_disconnect = True


def was_silent(error: BaseException) -> bool:
    """Whether an error of ours was made of a server's silence, and of nothing that it said."""
    cause = getattr(error.__cause__, "orig", None)
    if type(cause).__module__.partition(".")[0] not in ("psycopg", "pipeline"):
        return False
    from pipeline.pgwatched import was_silent as so

    return so(cause)
