"""Which order stands in which file: a small database beside the config, durable before a file goes out.

A file is ``sending`` with all that it holds before anything goes out, then ``written``. What a crash leaves sending is
looked for: a file that is there is written; one that is not may have been taken away already, and its orders are in
``doubt``, for a person. Of a file that surely did not go out, ``void``, the orders are free again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from pipeline.api import ConfigError, T, Transient

_SCHEMA = """
create table if not exists files (
    id integer primary key, name text not null unique, size integer not null, state text not null, made text not null
);
create table if not exists orders (
    id integer primary key, source text not null, order_id text not null, key text not null, number text not null,
    total text not null, currency text not null, made text not null,
    file_id integer not null references files(id), unique (source, order_id)
);
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """An order, and the file that it stands in."""

    id: int
    source: str
    order_id: str
    key: str
    number: str
    total: Decimal
    currency: str
    made: datetime
    file: str
    size: int
    state: str


@dataclass(frozen=True, slots=True)
class NewEntry:
    """An order that is to go into a file."""

    source: str
    order_id: str
    key: str
    number: str
    total: Decimal
    currency: str


class Journal:
    """The database. Each act is a transaction of its own; one that only reads never makes it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self.path, timeout=30, isolation_level=None)) as connection:
                connection.executescript(_SCHEMA)
                connection.execute("begin immediate")
                with connection:  # commits, or rolls back what SQLite itself has not rolled back (as on a full disk)
                    yield connection
        except sqlite3.OperationalError as error:
            raise Transient(
                T("The journal {path} cannot be used: {words}", path=str(self.path), words=str(error))
            ) from error
        except sqlite3.DatabaseError as error:
            raise ConfigError(
                T("The journal {path} is no database of ours: {words}", path=str(self.path), words=str(error)),
                hint=T("Bring it back from a backup: it keeps which order stands in which file."),
            ) from error

    def entries(self, wanted: Sequence[tuple[str, str]] | None = None) -> dict[tuple[str, str], Entry]:
        """By (source, order id): those of ``wanted``, or all, in the order of their making."""
        if not self.path.exists():
            return {}
        with self._open() as connection:
            rows = connection.execute(
                "select o.id, o.source, o.order_id, o.key, o.number, o.total, o.currency, o.made, f.name, f.size, "
                "f.state from orders o join files f on f.id = o.file_id order by o.id"
            ).fetchall()
        found = {}
        only = None if wanted is None else set(wanted)
        for row in rows:
            if only is None or (row[1], row[2]) in only:
                key, number, total, currency, made, file, size, state = row[3:]
                entry = Entry(
                    row[0], row[1], row[2], key, number, Decimal(total), currency, datetime.fromisoformat(made), file,
                    size, state,
                )  # fmt: skip
                found[entry.source, entry.order_id] = entry
        return found

    def plan(self, name: str, size: int, orders: Sequence[NewEntry], at: datetime) -> None:
        """A file that is about to go out, with its orders. An order stands in one file alone: raises Transient where
        another process has been faster."""
        made = at.astimezone(UTC).isoformat()
        try:
            with self._open() as connection:
                file = connection.execute(
                    "insert into files (name, size, state, made) values (?, ?, 'sending', ?)", (name, size, made)
                ).lastrowid
                connection.executemany(
                    "insert into orders (source, order_id, key, number, total, currency, made, file_id) "
                    "values (?, ?, ?, ?, ?, ?, ?, ?)",
                    [(one.source, one.order_id, one.key, one.number, str(one.total), one.currency, made, file)
                     for one in orders],
                )  # fmt: skip
        except ConfigError as error:
            if isinstance(error.__cause__, sqlite3.IntegrityError):
                raise Transient(T("Another run writes the same orders.")) from error
            raise

    def state(self, name: str, state: str) -> None:
        """What became of a file."""
        with self._open() as connection:
            connection.execute("update files set state = ? where name = ?", (state, name))

    def take_back(self, name: str) -> None:
        """Nothing of a file went out: its orders stand in no file."""
        with self._open() as connection:
            connection.execute("delete from orders where file_id in (select id from files where name = ?)", (name,))
            connection.execute("update files set state = 'void' where name = ?", (name,))  # its number stays taken

    def release(self, entry: Entry) -> None:
        """A person says that an order in doubt is in no file that was taken: it may go into another one."""
        with self._open() as connection:
            connection.execute("delete from orders where id = ?", (entry.id,))

    def next_number(self) -> int:
        """The number of the next file; numbers are not used again."""
        with self._open() as connection:
            return int(connection.execute("select coalesce(max(id), 0) + 1 from files").fetchone()[0])
