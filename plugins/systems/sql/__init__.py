"""``sql``: order documents written straight into the tables of any database that SQLAlchemy reaches.

See docs/systems/sql.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.api import SystemEnv, SystemPlugin, T
from plugins.systems.sql.settings import SqlSettings

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    import typer

    from plugins.systems.sql.system import SqlTables


def open_tables(settings: SqlSettings, env: SystemEnv) -> SqlTables:
    """The tables that ``settings`` declare; the database is asked at first use."""
    from plugins.systems.sql.system import opened  # SQLAlchemy is loaded only when one is opened

    return opened(settings, env)


def make_app(get: Callable[..., tuple[Any, SystemEnv]]) -> typer.Typer:
    """Its verbs, loaded when they are asked for."""
    from plugins.systems.sql.cli import make_app as make

    return make(get)


def classes() -> tuple[type, ...]:
    """Tables as the settings may declare them: all that can be, and only what must be."""
    from plugins.systems.sql.system import SqlTables, WithAll

    return (SqlTables, WithAll)


PLUGIN = SystemPlugin(
    name="sql",
    summary=T("Orders as rows of declared tables: PostgreSQL, MariaDB, MySQL, Firebird, SQLite, SQL Server"),
    settings=SqlSettings,
    open=open_tables,
    cli=make_app,
    classes=classes,
)
