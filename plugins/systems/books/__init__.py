"""``books``: the embedded accounting, in a SQLite file or on PostgreSQL. See docs/books.md."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pipeline.api import SystemEnv, SystemPlugin, T
from plugins.systems.books.settings import BooksSettings

if TYPE_CHECKING:
    import typer

    from plugins.systems.books.system import Books


def open_books(settings: BooksSettings, env: SystemEnv) -> Books:
    """The books that ``settings`` describe; the database is opened at first use."""
    from plugins.systems.books.system import Books  # SQLAlchemy is loaded only when books are opened

    return Books(settings, env)


def verbs(get: Callable[[], tuple[Any, SystemEnv]]) -> typer.Typer:
    """The verbs of ``mistok books``."""
    from plugins.systems.books.cli import make_app

    return make_app(get)


def classes() -> tuple[type, ...]:
    """What may be opened."""
    from plugins.systems.books.system import Books

    return (Books,)


PLUGIN = SystemPlugin(
    name="books",
    summary=T("The embedded accounting: products, stock, parties and order documents in a database of its own"),
    settings=BooksSettings,
    open=open_books,
    cli=verbs,
    classes=classes,
    exports=True,
)
