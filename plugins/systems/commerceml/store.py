"""What an exchange remembers, in a SQLite file of its own: goods that came, documents to go out, sessions.

Every change is one transaction, durable before anything is acknowledged. A session of ours opens the file anew; two
processes (a served address and a run) work on it at the same time.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.api import Finding, Refused, T, Transient, verbatim

FORM = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS form (version INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS groups (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, parent TEXT NOT NULL, deleted INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS properties (id TEXT PRIMARY KEY, name TEXT NOT NULL, listed TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS price_types (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, currency TEXT NOT NULL, place INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS warehouses (id TEXT PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS goods (
    id TEXT PRIMARY KEY, fields TEXT NOT NULL, deleted INTEGER NOT NULL, hidden INTEGER NOT NULL DEFAULT 0,
    changed TEXT NOT NULL, session INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS offers (
    id TEXT PRIMARY KEY, good TEXT NOT NULL, fields TEXT NOT NULL, deleted INTEGER NOT NULL,
    hidden INTEGER NOT NULL DEFAULT 0, changed TEXT NOT NULL, session INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS offers_good ON offers (good);
CREATE TABLE IF NOT EXISTS sessions (
    id INTEGER PRIMARY KEY AUTOINCREMENT, token TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, begun TEXT NOT NULL,
    last TEXT NOT NULL, state TEXT NOT NULL, full INTEGER, offers_full INTEGER, goods INTEGER NOT NULL DEFAULT 0,
    words TEXT NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS session_files (
    session INTEGER NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL, PRIMARY KEY (session, name));
CREATE TABLE IF NOT EXISTS documents (
    place INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, key TEXT NOT NULL, source TEXT NOT NULL,
    order_id TEXT NOT NULL, number TEXT NOT NULL, total TEXT NOT NULL, currency TEXT NOT NULL, body TEXT NOT NULL,
    status TEXT NOT NULL, revision INTEGER NOT NULL, taken INTEGER NOT NULL, created TEXT NOT NULL,
    UNIQUE (source, order_id));
CREATE TABLE IF NOT EXISTS snapshots (
    holder TEXT NOT NULL, document TEXT NOT NULL, revision INTEGER NOT NULL, PRIMARY KEY (holder, document));
CREATE TABLE IF NOT EXISTS states (
    id TEXT PRIMARY KEY, number TEXT NOT NULL, told TEXT NOT NULL, revision TEXT NOT NULL, changed TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS orders (
    id TEXT PRIMARY KEY, body TEXT NOT NULL, revision TEXT NOT NULL, changed TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS answers (id TEXT PRIMARY KEY, told TEXT NOT NULL, sent INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS published (name TEXT PRIMARY KEY, at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS taken (sha256 TEXT PRIMARY KEY, name TEXT NOT NULL, at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, finding TEXT NOT NULL UNIQUE);
"""


class Store:
    """One file. ``memory``: a copy is worked on, and thrown away (nothing may be changed)."""

    def __init__(self, path: Path, *, memory: bool = False) -> None:
        self.path, self._memory = path, memory
        self._connection: sqlite3.Connection | None = None

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that nobody else writes beside. Raises Transient when the file is in use, Refused."""
        connection = self._open()
        with _errors(self.path):
            connection.execute("BEGIN IMMEDIATE")
            with connection:  # commits, or rolls back what SQLite itself has not rolled back (as on a full disk)
                yield connection

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One state of all tables, whatever is written meanwhile."""
        connection = self._open()
        with _errors(self.path):
            if connection.in_transaction:
                yield connection
                return
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.execute("ROLLBACK")

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            with _errors(self.path):
                self._connection = self._copy() if self._memory else self._file()
        return self._connection

    def _file(self) -> sqlite3.Connection:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Refused(
                T("The folder {path} cannot be made: {words}", path=str(self.path.parent), words=verbatim(str(error)))
            ) from error
        connection = sqlite3.connect(self.path, timeout=60, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        return _ready(connection)

    def _copy(self) -> sqlite3.Connection:
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        if self.path.exists():
            there = sqlite3.connect(f"{self.path.resolve().as_uri()}?mode=ro", uri=True, timeout=30)
            try:
                there.backup(connection)
            finally:
                there.close()
        return _ready(connection)


def _ready(connection: sqlite3.Connection) -> sqlite3.Connection:
    connection.row_factory = sqlite3.Row
    connection.executescript(_SCHEMA)
    found = connection.execute("SELECT version FROM form").fetchone()
    if found is None:
        connection.execute("INSERT INTO form (version) SELECT ? WHERE NOT EXISTS (SELECT 1 FROM form)", [FORM])
    elif found["version"] > FORM:
        connection.close()
        raise Refused(T("The state of the exchange was written by a newer version of Mistok."), code="newer-state")
    return connection


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        said = str(error)
        if "locked" in said or "busy" in said or "full" in said:
            raise Transient(T("{path} is in use: {words}", path=str(path), words=verbatim(said))) from error
        raise Refused(
            T("{path} cannot be used: {words}", path=str(path), words=verbatim(said)), code="state"
        ) from error
    except sqlite3.DatabaseError as error:
        raise Refused(
            T("{path} cannot be used: {words}", path=str(path), words=verbatim(str(error))), code="state"
        ) from error


def dump(value: Any) -> str:
    """JSON, the same for the same value."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def note(connection: sqlite3.Connection, *findings: Finding) -> None:
    """Keep findings for those who ask what was noticed, each once."""
    connection.executemany(
        "INSERT OR IGNORE INTO notes (finding) VALUES (?)", [[dump(one.to_json())] for one in findings]
    )


def take_notes(connection: sqlite3.Connection) -> list[Finding]:
    """What was noticed since the last call."""
    rows = connection.execute("SELECT finding FROM notes ORDER BY id").fetchall()
    connection.execute("DELETE FROM notes")
    return [Finding.from_json(json.loads(row["finding"])) for row in rows]
