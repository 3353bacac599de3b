"""Backups of a ledger that any ledger can be made of again: SQLite or PostgreSQL, of this version or an older one.

A backup is a text of JSON lines (gzip when its name ends in ``.gz``): a head with the version, then each table with its
columns and one line a row, then an end with the number of rows and a hash of all before it. It is read in one
transaction of the database, so that it is of one moment although a run writes meanwhile. A backup without its end was
cut off, and is refused.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, cast

import sqlalchemy as sa

from pipeline.errors import ConfigError, Transient, system_words
from pipeline.ledger import tables as t
from pipeline.ledger.migrate import upgrade_to
from pipeline.texts import T

FORMAT = 1
KIND = "mistok-ledger"
_PAGE = 500  #: rows in one statement
_LEFT_BEHIND = 3600  #: seconds after which an unfinished restore is surely nobody's
#: (done, total): called often
Tell = Callable[[int, int | None], None]

#: What a value of a column is, by the name that a backup has for it.
_TYPES: Mapping[str, sa.types.TypeEngine[Any]] = {
    "int": sa.BigInteger(),
    "text": sa.Text(),
    "json": sa.JSON(),
    "moment": t.Moment(),
}


def quiet(_done: int, _total: int | None) -> None:
    """Nobody watches."""


@dataclass(frozen=True, slots=True)
class Head:
    """What a backup is of."""

    version: str  #: of the ledger: its newest migration
    made: datetime
    mistok: str = ""
    clients: Mapping[str, int] = field(default_factory=dict)  #: files and orders of each


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was written or read."""

    head: Head
    rows: Mapping[str, int]  #: by table

    @property
    def total(self) -> int:
        """All rows."""
        return sum(self.rows.values())


# --- writing ---------------------------------------------------------------------------------------------------------


def dump(engine: sa.Engine, target: Path, now: datetime, *, mistok: str = "", tell: Tell = quiet) -> Outcome:
    """Write the whole ledger, every client's rows, to ``target``; an existing file is replaced by a whole one only.

    Raises Transient when the disk is full or the folder cannot be written, and the database's own errors.
    """
    partial = target.with_name(target.name + ".partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _snapshot(engine) as conn, _writing(partial, packed=target.name.endswith(".gz")) as out:
            outcome = _dump(conn, out, now, mistok, tell)
        with partial.open("r+b") as file:
            os.fsync(file.fileno())
        partial.replace(target)
    except OSError as error:
        raise Transient(
            T("{path} cannot be written: {words}", path=str(target), words=system_words(error)),
            code="backup",
            hint=T("Name another file, or make room."),
        ) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
    return outcome


@contextmanager
def _snapshot(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A reading transaction that sees one moment and stops nobody."""
    options: dict[str, Any] = {"mistok_read": True}
    if engine.dialect.name == "postgresql":
        options["isolation_level"] = "REPEATABLE READ"
    with engine.connect().execution_options(**options) as conn:
        yield conn


@contextmanager
def _writing(path: Path, *, packed: bool) -> Iterator[IO[bytes]]:
    with path.open("wb") as file:
        if packed:
            with gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=6, mtime=0) as out:
                yield cast(IO[bytes], out)
        else:
            yield file


def _dump(conn: sa.Connection, out: IO[bytes], now: datetime, mistok: str, tell: Tell) -> Outcome:
    digest = hashlib.sha256()

    def write(data: Any) -> None:
        line = json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        digest.update(line)
        out.write(line)

    inspector = sa.inspect(conn)
    there = set(inspector.get_table_names())
    tables = [
        (table, [column for column in table.columns if column.name in _columns(inspector, table)])
        for table in t.metadata.sorted_tables
        if table.name in there
    ]
    counts = {table.name: _count(conn, table) for table, _columns_there in tables}
    head = Head(version_of(conn) or "", now, mistok, _clients(conn, there))
    write(
        {
            "kind": KIND,
            "format": FORMAT,
            "version": head.version,
            "mistok": head.mistok,
            "made": now.isoformat(),
            "clients": dict(head.clients),
        }
    )
    total, done = sum(counts.values()), 0
    for table, columns in tables:
        write({"table": table.name, "columns": [[column.name, kind_of(column)] for column in columns]})
        order = [column for column in columns if column.primary_key]
        rows = conn.execute(sa.select(*columns).order_by(*order), execution_options={"yield_per": _PAGE})
        for row in rows:
            write([_out(value) for value in row])
            done += 1
            if done % _PAGE == 0:
                tell(done, total)
    tell(done, total)
    out.write(_end(counts, digest.hexdigest()))
    return Outcome(head, counts)


def _end(counts: Mapping[str, int], sha256: str) -> bytes:
    return json.dumps({"end": True, "rows": dict(counts), "sha256": sha256}, separators=(",", ":")).encode() + b"\n"


def _columns(inspector: sa.Inspector, table: sa.Table) -> set[str]:
    return {column["name"] for column in inspector.get_columns(table.name)}


def _count(conn: sa.Connection, table: sa.Table) -> int:
    return int(conn.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def _clients(conn: sa.Connection, there: set[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for table in (t.files, t.orders, t.runs, t.publications):
        if table.name in there:
            query = sa.select(table.c.client, sa.func.count()).group_by(table.c.client)
            for client, number in conn.execute(query):
                found[client] = found.get(client, 0) + int(number)
    return found


def kind_of(column: sa.Column[Any]) -> str:
    """What a backup calls the values of a column."""
    match column.type:
        case t.Moment():
            return "moment"
        case sa.JSON():
            return "json"
        case sa.Integer():
            return "int"
        case _:
            return "text"


def _out(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def version_of(conn: sa.Connection) -> str | None:
    """The newest migration that the database had; None when it has no tables of ours."""
    if not sa.inspect(conn).has_table("alembic_version"):
        return None
    value = conn.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    return str(value) if value else None


# --- reading ---------------------------------------------------------------------------------------------------------


def read_head(path: Path) -> Head:
    """What a backup is of. Raises ConfigError when the file is none."""
    with _lines(path) as lines:
        return _head(path, next(lines, b""))


def verify(path: Path, newest: str, tell: Tell = quiet) -> Outcome:
    """Read a backup whole and compare it with its end; changes nothing.

    Raises ConfigError when it is none, was cut off or altered, or is of a newer version than ``newest``.
    """
    with _lines(path) as lines:
        head = _head(path, next(lines, b""))
        if head.version > newest:
            raise ConfigError(
                T(
                    "{path} is of a ledger of a newer Mistok ({version}); this one knows {head}.",
                    path=str(path),
                    version=head.version,
                    head=newest,
                ),
                hint=T("Install that version and restore with it."),
            )
        counts = _walk(path, lines, lambda _table, _columns, _rows: None, tell)
    return Outcome(head, counts)


def fill(conn: sa.Connection, path: Path, newest: str, tell: Tell = quiet) -> Outcome:
    """Make the ledger's tables in an empty database and fill them from a backup; an older one is migrated.

    All in the caller's transaction. Raises ConfigError as :func:`verify` does.
    """
    outcome = verify(path, newest)
    upgrade_to(conn, outcome.head.version)

    later: list[tuple[str, str, int, int]] = []  # rows that point to rows of their own table, which may come later

    def insert(table: str, columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[Any]]) -> None:
        target = sa.table(table, *(sa.column(name, _type(table, name, kind)) for name, kind in columns))
        values = [{name: _in(value, kind) for (name, kind), value in zip(columns, row, strict=True)} for row in rows]
        for name in _POINTERS.get(table, ()):
            for row in values:
                if row.get(name) is not None:
                    later.append((table, name, row["id"], row[name]))
                    row[name] = None
        conn.execute(target.insert(), values)

    with _lines(path) as lines:
        head = _head(path, next(lines, b""))
        _walk(path, lines, insert, tell)
    for table, name in {(table, name) for table, name, _id, _to in later}:
        rows = [{"row_id": one, "to": to} for at, column, one, to in later if (at, column) == (table, name)]
        target = t.metadata.tables[table]
        conn.execute(
            target.update().where(target.c.id == sa.bindparam("row_id")).values({name: sa.bindparam("to")}), rows
        )
    # whoever held a lease when the backup was made holds none now; the fences go on from where they were
    conn.execute(t.leases.update().values(owner="", until=head.made))
    if conn.dialect.name == "postgresql":
        set_sequences(conn)
    upgrade_to(conn, newest)
    return outcome


#: Columns that point to rows of their own table.
_POINTERS = {
    table.name: [key.parent.name for key in table.foreign_keys if key.column.table is table]
    for table in t.metadata.sorted_tables
}


def _type(table: str, name: str, kind: str) -> sa.types.TypeEngine[Any]:
    column = t.metadata.tables[table].c.get(name)
    # in a column that may be empty, nothing is nothing, and not a JSON null
    return sa.JSON(none_as_null=True) if kind == "json" and column is not None and column.nullable else _TYPES[kind]


def set_sequences(conn: sa.Connection) -> None:
    """PostgreSQL counts ids by itself, and knows nothing of those that were given."""
    for table in t.metadata.sorted_tables:
        if "id" in table.c and sa.inspect(conn).has_table(table.name):
            name = conn.dialect.identifier_preparer.format_table(table)
            conn.execute(
                sa.text(
                    f"SELECT setval(pg_get_serial_sequence(:name, 'id'), "  # noqa: S608 - names of our own tables
                    f"COALESCE((SELECT MAX(id) FROM {name}), 0) + 1, false)"
                ),
                {"name": name},
            )


@contextmanager
def _lines(path: Path) -> Iterator[Iterator[bytes]]:
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            with gzip.open(raw) if packed else contextlib.nullcontext(raw) as file:
                yield iter(cast(IO[bytes], file))
    except (EOFError, gzip.BadGzipFile, UnicodeDecodeError) as error:
        raise _cut_off(path) from error
    except OSError as error:
        raise ConfigError(T("{path} cannot be read: {words}", path=str(path), words=system_words(error))) from error


def _head(path: Path, line: bytes) -> Head:
    try:
        data = json.loads(line)
        known = data["kind"] == KIND and data["format"] == FORMAT
        head = Head(data["version"], datetime.fromisoformat(data["made"]), data.get("mistok", ""), data["clients"])
    except (ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise ConfigError(
            T("{path} is no backup of a ledger.", path=str(path)),
            hint=T("mistok ledger backup makes one."),
        )
    return head


def _walk(
    path: Path,
    lines: Iterator[bytes],
    take: Callable[[str, Sequence[tuple[str, str]], Sequence[Sequence[Any]]], None],
    tell: Tell,
) -> dict[str, int]:
    """Give the rows of each table to ``take``, some at a time; gives the numbers of rows."""
    digest = hashlib.sha256(_again(path))
    counts: dict[str, int] = {}
    table = ""
    columns: list[tuple[str, str]] = []
    rows: list[list[Any]] = []
    known = {one.name for one in t.metadata.sorted_tables}
    done = 0
    for line in lines:
        try:
            data = json.loads(line)
        except ValueError as error:
            raise _cut_off(path) from error
        if isinstance(data, dict) and data.get("end"):
            if rows:
                take(table, columns, rows)
            if data.get("sha256") != digest.hexdigest() or data.get("rows") != counts:
                raise _cut_off(path)
            tell(done, done)
            return counts
        digest.update(line)
        if isinstance(data, dict):
            if rows:
                take(table, columns, rows)
            table, rows = str(data.get("table")), []
            columns = [(str(name), str(kind)) for name, kind in data.get("columns", ())]
            if table not in known or any(kind not in _TYPES for _name, kind in columns):
                raise _cut_off(path)
            counts[table] = 0
            continue
        if not isinstance(data, list) or len(data) != len(columns):
            raise _cut_off(path)
        rows.append(data)
        counts[table] += 1
        done += 1
        if len(rows) == _PAGE:
            take(table, columns, rows)
            rows = []
            tell(done, None)
    raise _cut_off(path)


def _again(path: Path) -> bytes:
    with _lines(path) as lines:
        return next(lines, b"")


def _in(value: Any, kind: str) -> Any:
    return datetime.fromisoformat(value) if kind == "moment" and value is not None else value


def _cut_off(path: Path) -> ConfigError:
    return ConfigError(
        T("The backup {path} was cut off or altered: it does not agree with its own end.", path=str(path)),
        code="backup-damaged",
        hint=T("Take another one. The archive's journal can make a ledger too: mistok ledger rebuild."),
    )


@contextmanager
def portable(path: Path) -> Iterator[Path]:
    """``path`` as a backup of lines: a SQLite ledger is read into a temporary one. Raises ConfigError, Transient."""
    try:
        with path.open("rb") as file:
            database = file.read(16) == b"SQLite format 3\0"
    except OSError as error:
        raise ConfigError(T("{path} cannot be read: {words}", path=str(path), words=system_words(error))) from error
    if not database:
        yield path
        return
    with TemporaryDirectory(prefix="mistok-", ignore_cleanup_errors=True) as folder:
        lines, copy = Path(folder) / "ledger.jsonl.gz", Path(folder) / "ledger.sqlite3"
        try:
            copy_file(path, copy)
            engine = sa.create_engine(sa.URL.create("sqlite", database=str(copy)))
            try:
                dump(engine, lines, datetime.fromtimestamp(path.stat().st_mtime, UTC))
            finally:
                engine.dispose()
        except (sqlite3.DatabaseError, sa.exc.DatabaseError) as error:
            raise ConfigError(
                T("{path} is no sound ledger: {words}", path=str(path), words=str(error)),
                hint=T("Take another backup. The archive can make a ledger too: mistok ledger rebuild."),
            ) from error
        yield lines


# --- restoring -------------------------------------------------------------------------------------------------------


def restore_file(
    path: Path, target: Path, newest: str, now: datetime, tell: Tell = quiet
) -> tuple[Outcome, Path | None]:
    """Make the SQLite ledger ``target`` of a backup: filled beside, checked, then put in its place in one act.

    What lay there is set aside, never deleted. Gives the outcome and where that is. Raises ConfigError as
    :func:`verify` does, Transient when the disk is full.
    """
    partial = target.with_name(f"{target.name}.restoring-{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target, now)
        engine = sa.create_engine(sa.URL.create("sqlite", database=str(partial)), json_serializer=_to_json)
        try:
            with engine.begin() as conn:
                outcome = fill(conn, path, newest, tell)
        finally:
            engine.dispose()
        _check_file(partial, path)
        with partial.open("r+b") as file:
            os.fsync(file.fileno())
        aside = set_aside(target, now)
        partial.rename(target)
    except sa.exc.OperationalError as error:
        raise Transient(
            T("The ledger {path} cannot be written: {words}", path=str(target), words=str(error.orig)),
            code="ledger",
            hint=T("Make room; what was there is untouched."),
        ) from error
    except OSError as error:
        raise Transient(
            T("The ledger {path} cannot be written: {words}", path=str(target), words=system_words(error)),
            code="ledger",
            hint=T("Make room; what was there is untouched."),
        ) from error
    finally:
        for name in (partial, *_beside(partial)):
            with contextlib.suppress(OSError):
                name.unlink(missing_ok=True)
    return outcome, aside


def _sweep(target: Path, now: datetime) -> None:
    """Take away what restores that were killed have left: one that is at work writes all the time."""
    for left in target.parent.glob(f"{target.name}.restoring-*"):
        with contextlib.suppress(OSError):
            if now.timestamp() - left.stat().st_mtime > _LEFT_BEHIND:
                left.unlink()


def _check_file(made: Path, path: Path) -> None:
    with contextlib.closing(sqlite3.connect(made)) as conn:
        sound = conn.execute("PRAGMA integrity_check").fetchone()
        broken = conn.execute("PRAGMA foreign_key_check").fetchone()
    if sound[0] != "ok" or broken is not None:
        raise _cut_off(path)


def set_aside(target: Path, now: datetime) -> Path | None:
    """Rename a SQLite ledger, with what belongs to it, out of the way; None when there is none. Raises OSError."""
    if not target.exists():
        for rest in _beside(target):  # a leftover log of changes would be taken for one of the new file
            rest.unlink(missing_ok=True)
        return None
    stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    aside = target.with_name(f"{target.name}.replaced-{stamp}")
    number = 2
    while aside.exists():
        aside = target.with_name(f"{target.name}.replaced-{stamp}~{number}")
        number += 1
    # the log goes first: a ledger without it is a little older, a log without its ledger would spoil the next one
    for rest, name in zip(_beside(target), _beside(aside), strict=True):
        if rest.exists():
            rest.rename(name)
    target.rename(aside)
    return aside


def _beside(path: Path) -> tuple[Path, Path]:
    return path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")


def restore_server(engine: sa.Engine, path: Path, newest: str, tell: Tell = quiet) -> Outcome:
    """Fill a PostgreSQL database from a backup, in one transaction: what was there before is gone with its commit.

    Raises ConfigError as :func:`verify` does, and the database's own errors.
    """
    with engine.begin() as conn:
        conn.execute(sa.text("SELECT pg_advisory_xact_lock(727275)"))  # as migrations take it
        there = set(sa.inspect(conn).get_table_names())
        ours = [table for table in reversed(t.metadata.sorted_tables) if table.name in there]
        for table in ours:
            table.drop(conn)
        if "alembic_version" in there:
            conn.execute(sa.text("DROP TABLE alembic_version"))
        return fill(conn, path, newest, tell)


def copy_file(source: Path, target: Path) -> None:
    """A whole copy of a SQLite ledger, also while somebody writes to it; named when it is whole. Raises OSError."""
    partial = target.with_name(target.name + ".partial")
    try:
        with contextlib.closing(sqlite3.connect(source)) as old, contextlib.closing(sqlite3.connect(partial)) as new:
            old.backup(new)
        with partial.open("r+b") as file:
            os.fsync(file.fileno())
        partial.replace(target)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def _to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
