"""Engines of SQLite files that share what they have learnt.

SQLAlchemy compiles a statement once for each engine, which takes a millisecond of a processor. A run has some sixty
statements and an engine of its own, and a service of many clients has an engine for each of them: here all engines of
files in a process have one dialect and one cache of compiled statements, and each its own pool of connections.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pipeline.jsonwords import writer

if TYPE_CHECKING:
    from sqlalchemy import URL, Engine

#: Statements that are kept compiled.
KEPT = 1000
_to_json = writer()


def file_engine(
    url: URL, *, connect_args: Mapping[str, Any] | None = None, to_json: Callable[[Any], str] | None = None
) -> Engine:
    """An engine for the SQLite file that ``url`` names, as ``create_engine`` makes it. Nothing is opened.

    ``to_json`` writes JSON columns (without it: as ``json.dumps`` does); engines with the same one share. Raises
    sqlalchemy.exc.ArgumentError.
    """
    from sqlalchemy import Engine, event

    first = _first(url.drivername, to_json)
    dialect: Any = first.dialect
    words, named = dialect.create_connect_args(url)
    named = {**named, **(connect_args or {})}
    pool = dialect.get_dialect_pool_class(url)(lambda: dialect.connect(*words, **named), dialect=dialect)
    prepare = dialect.on_connect_url(url)
    if prepare is not None:
        event.listen(pool, "connect", lambda connection, _record: prepare(connection))
    return Engine(pool, dialect, url, query_cache_size=0, execution_options={"compiled_cache": _kept(first)})


@lru_cache(maxsize=16)
def _first(driver: str, to_json: Callable[[Any], str] | None) -> Engine:
    """The engine whose dialect the others take: it has asked SQLite once what it is."""
    from pipeline.lightsql import lightly

    with lightly():
        from sqlalchemy import create_engine
        from sqlalchemy.pool import NullPool

        engine = create_engine(f"{driver}://", json_serializer=to_json or _to_json, poolclass=NullPool)
    with engine.connect():
        pass
    return engine


@lru_cache(maxsize=16)
def _kept(_engine: Engine) -> Any:
    from sqlalchemy.util import LRUCache

    return LRUCache(KEPT)
