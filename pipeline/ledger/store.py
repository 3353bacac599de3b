"""The ledger's door: engine, transactions, leases, values, events. One object serves one client."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import sqlite3
import sys
import threading
import time
import uuid
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, OperationalError

from pipeline.errors import ConfigError, Transient, system_words
from pipeline.jsonwords import writer
from pipeline.ledger import reaching
from pipeline.ledger import tables as t
from pipeline.ledger.place import make_folder
from pipeline.ledger.reserve import Reserve
from pipeline.manyrows import insert_rows, look_up
from pipeline.pgsilence import to_connect
from pipeline.ports import Clock, Notice
from pipeline.sqlitefile import file_engine
from pipeline.sqlstates import NO_RIGHTS, READ_ONLY, passing, words_of
from pipeline.texts import T, Text

#: The newest migration; a ledger at another version is migrated when it is opened.
HEAD = "0007"
#: The lock of a PostgreSQL ledger that is being made or migrated: one at a time.
MIGRATING = 727275
NEWER = "ledger-newer"  #: code of the error that is raised for a ledger that a newer Mistok wrote
DAMAGED = "ledger-damaged"  #: code of the error that is raised for a file that is no sound database
#: Named once, so that types are checked for every system on any.
PLATFORM: str = sys.platform
#: How long a writer waits for another one of SQLite, in milliseconds.
BUSY = 15_000
#: Leases (owner, name, fence) that this process has let go of without being able to say so, as on a full disk.
_let_go: set[tuple[str, str, int]] = set()
#: For so many seconds it is tried; the time of no lease is longer.
_LET_GO_TRIES = 300.0


@dataclass(frozen=True, slots=True)
class Lease:
    """A right to be the only one, until ``until``. ``fence`` grows with each holder."""

    name: str
    owner: str
    fence: int
    until: datetime


def owner_name() -> str:
    """Who holds a lease: machine, process and a random part. A dead process's lease is known by it."""
    import psutil

    started = int(psutil.Process().create_time())
    return f"{socket.gethostname()}:{os.getpid()}:{started}:{uuid.uuid4().hex[:8]}"


def owner_is_dead(owner: str) -> bool:
    """Whether the holder was a process of this machine that is gone. A holder elsewhere is never called dead."""
    import psutil

    match = re.fullmatch(r"(.+):(\d+):(\d+):[0-9a-f]+", owner)
    if not match or match[1] != socket.gethostname():
        return False
    try:
        holder = psutil.Process(int(match[2]))
        # one that has ended may stay in the table for long where nobody collects it, as in a container without init
        return abs(holder.create_time() - int(match[3])) > 2 or holder.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False


class Ledger:
    """State of one client, in SQLite or PostgreSQL.

    Args:
        url: SQLAlchemy URL; a relative SQLite file is taken from ``base``.
        client: whose rows.
        clock: gives the time of every row.

    Raises ConfigError for a URL that cannot be used, Transient when the database does not answer.
    """

    #: How long a writer waits for another one of SQLite (milliseconds), what a server's driver is told besides, and for
    #: how many seconds the server may say nothing to a statement (None: for ever; see :meth:`at_length`).
    busy: int = BUSY
    to_connect: Mapping[str, Any] = to_connect()
    silence: float | None = None

    def __init__(self, url: str, *, client: str, base: Path, clock: Clock) -> None:
        self.client = client
        self.clock = clock
        self.base = base
        self.owner = owner_name()
        self._here = threading.local()
        self.url = _resolve(url, base)
        self.path = Path(self.url.database) if self.url.drivername.startswith("sqlite") and self.url.database else None
        self.reserve = Reserve(self.path) if self.path else None
        if self.path:
            make_folder(self.path)
        try:
            self.engine = (
                file_engine(self.url, to_json=_to_json)
                if self.path
                else sa.create_engine(self.url, json_serializer=_to_json, **reaching.pool(self.url, self.to_connect))
            )
        except (ImportError, sa.exc.ArgumentError) as error:
            raise ConfigError(
                T("The ledger's url cannot be used: {words}", words=str(error)),
                hint=T("PostgreSQL needs the extra: pip install mistok[postgres]")
                if self.url.drivername.startswith("postgres")
                else T("Write sqlite:///ledger.sqlite3, for example."),
            ) from error
        if self.path:
            _tune_sqlite(self.engine, self.busy)
        else:
            sa.event.listen(self.engine, "handle_error", reaching.let_go_of_readers)
            if self.silence is not None:
                reaching.watch(self.engine, lambda: None if getattr(self._here, "at_length", False) else self.silence)
        with contextlib.ExitStack() as opened:
            opened.callback(self.engine.dispose)
            try:
                self._migrate()
            except Transient:
                if not self.make_room(to_open=True):
                    raise
                self._migrate()
            opened.pop_all()
        if self.reserve:
            self.reserve.ensure()

    # --- transactions --------------------------------------------------------------------------------------------

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """A writing transaction: committed at the end, rolled back on an error. Raises Transient when locked."""
        with self.translated(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def begin_lightly(self) -> Iterator[sa.Connection]:
        """A writing transaction of what means nothing after the machine has lost its power, such as a sign of life.

        All see it at once, as any other; only the disk is not waited for. The file stays whole whatever happens.
        """
        light = self.engine.connect().execution_options
        with self.translated(), light(mistok_light=True) as connection, connection.begin():
            yield connection

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A reading transaction that waits for no writer."""
        with self.translated(), self.engine.connect().execution_options(mistok_read=True) as connection:
            yield connection

    @contextmanager
    def at_length(self) -> Iterator[None]:
        """Statements of this thread may take as long as they do meanwhile."""
        self._here.at_length = True
        try:
            yield
        finally:
            self._here.at_length = False

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Errors of the database as ours: ConfigError for a damaged one, Transient for one that does not answer or
        cannot be used now, such as one that is read-only or has not given us the rights.
        """
        try:
            yield
        except (sqlite3.DatabaseError, DBAPIError) as error:
            if "not a database" in str(error) or "malformed" in str(error):
                raise ConfigError(
                    T("The ledger {url} is damaged or is no database.", url=self.url.render_as_string()),
                    code=DAMAGED,
                    hint=T(
                        "Restore a backup of it: mistok ledger restore FILE. Without one: mistok ledger rebuild makes "
                        "it anew from the archive. No order is booked twice: each is known by its document."
                    ),
                ) from error
            if isinstance(error, DBAPIError) and (known := passing(error.orig)) is not None:
                raise self._not_now(known) from error
            if not isinstance(error, OperationalError):
                if not isinstance(error, DBAPIError) or not error.connection_invalidated:
                    raise
                raise Transient(
                    T("The ledger {url} broke the connection.", url=self.url.render_as_string()), code="ledger"
                ) from error
            if "disk is full" in str(error) or (self.reserve is not None and self.reserve.disk_is_full()):
                raise Transient(
                    T("The disk of the ledger {url} is full.", url=self.url.render_as_string()),
                    code="disk-full",
                    hint=T("Make room; nothing was deleted on the server, and Mistok goes on by itself."),
                ) from error
            raise self.no_answer(str(error.orig)) from error

    def no_answer(self, words: str | Text) -> Transient:
        """What is said of one that does not answer, for this reason."""
        return Transient(
            T("The ledger {url} does not answer: {words}", url=self.url.render_as_string(), words=words),
            code="ledger",
            hint=T("Check that its disk has room and that no other program holds it; Mistok tries again."),
        )

    def must_be_writable(self) -> None:
        """Raise Transient for one on a server that may only be read now, or only by us; nothing is written."""
        if self.engine.dialect.name != "postgresql":
            return
        with self.read() as conn:
            only_read = conn.execute(sa.text("SHOW transaction_read_only")).scalar_one() == "on"
            may = conn.execute(sa.text("SELECT has_table_privilege('values', 'INSERT')")).scalar_one()
        known = words_of(READ_ONLY) if only_read else None if may else words_of(NO_RIGHTS)
        if known is not None:
            raise self._not_now(known)

    def _not_now(self, known: tuple[Text, Text]) -> Transient:
        return Transient(
            T("The ledger {url} cannot be used now: {words}.", url=self.url.render_as_string(), words=known[0]),
            code="ledger",
            hint=known[1],
        )

    def make_room(self, *, to_open: bool = False) -> bool:
        """On a full disk, give away the room that was kept for telling of it; False when there is none to give."""
        return self.reserve is not None and self.reserve.disk_is_full() and self.reserve.free(to_open=to_open)

    def written(self) -> Hashable | None:
        """What is another value after somebody has written; None where only the database itself can tell.

        A file's times and sizes cost no thousandth of a query. Windows tells them late, while the file is open.
        """
        if self.path is None or PLATFORM == "win32":
            return None
        found: list[tuple[int, int] | None] = []
        for path in (self.path, self.path.with_name(self.path.name + "-wal")):
            try:
                status = path.stat()
            except OSError:
                found.append(None)
            else:
                found.append((status.st_mtime_ns, status.st_size))
        return tuple(found)

    def close(self) -> None:
        """Let go of the database."""
        self.engine.dispose()

    # --- events, notices, values ---------------------------------------------------------------------------------

    def event(
        self,
        conn: sa.Connection,
        subject: str,
        event: str,
        data: Mapping[str, Any] | None = None,
        *,
        run_id: int | None = None,
    ) -> None:
        """Append one line to the story of ``subject`` (``file:12``, ``order:7``, ``job:orders``)."""
        conn.execute(t.events.insert(), [self.event_row(subject, event, data, run_id=run_id)])

    def event_row(
        self, subject: str, event: str, data: Mapping[str, Any] | None = None, *, run_id: int | None = None
    ) -> dict[str, Any]:
        """An event as a row, as of now."""
        return {
            "client": self.client,
            "at": self.clock.now(),
            "run_id": run_id,
            "subject": subject,
            "event": event,
            "data": dict(data) if data else None,
        }

    def notify(self, conn: sa.Connection, notice: Notice) -> int:
        """Write a notice, to be delivered after the transaction that it is part of. Gives its id."""
        return _new_id(conn.execute(t.notices.insert().values(self.notice_row(notice))))

    def notice_row(self, notice: Notice) -> dict[str, Any]:
        """A notice as a row, as of now."""
        return {
            "client": self.client,
            "kind": notice.kind,
            "subject": notice.subject,
            "title": notice.title.to_json(),
            "body": notice.body.to_json(),
            "data": dict(notice.data),
            "created": self.clock.now(),
            "state": "waiting",
            "tries": 0,
        }

    def append(
        self, conn: sa.Connection, events: Sequence[Mapping[str, Any]], notices: Sequence[Mapping[str, Any]]
    ) -> None:
        """Write many rows of :meth:`event_row` and :meth:`notice_row`, in one statement each."""
        for table, rows in ((t.events, events), (t.notices, notices)):
            insert_rows(conn, table, rows)

    def get_value(self, conn: sa.Connection, kind: str, name: str) -> Any:
        """The small value kept under ``kind`` and ``name``, or None."""
        found = look_up(conn, _VALUE, client=self.client, kind=kind, name=name)
        return found[0][0] if found else None

    def set_value(self, conn: sa.Connection, kind: str, name: str, value: Any) -> None:
        """Keep a small value."""
        row = {"client": self.client, "kind": kind, "name": name, "value": value, "updated": self.clock.now()}
        self.upsert(conn, t.values, row, keys=("client", "kind", "name"))

    def upsert(self, conn: sa.Connection, table: sa.Table, row: Mapping[str, Any], keys: tuple[str, ...]) -> None:
        """Insert ``row``, or update the one with the same ``keys``."""
        insert: Any = _inserting(conn, table).values(dict(row))
        changes = {name: insert.excluded[name] for name in row if name not in keys}
        conn.execute(insert.on_conflict_do_update(index_elements=list(keys), set_=changes))

    def upsert_many(
        self, conn: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]], keys: tuple[str, ...]
    ) -> None:
        """The same for many rows of the same columns, sent together."""
        if not rows:
            return
        insert: Any = _inserting(conn, table)
        changes = {name: insert.excluded[name] for name in rows[0] if name not in keys}
        statement = insert.on_conflict_do_update(index_elements=list(keys), set_=changes)
        conn.execute(statement, [dict(row) for row in rows])

    # --- leases --------------------------------------------------------------------------------------------------

    def acquire(self, name: str, ttl: timedelta) -> Lease | None:
        """Become the only holder of ``name`` for ``ttl``; None when somebody alive holds it.

        A lease whose time is over, or whose holder was a process of this machine that is gone, is taken over.
        """
        lease = t.leases
        where = (lease.c.client == self.client) & (lease.c.name == name)
        with self.begin() as conn:
            now = self.database_now(conn)
            row = conn.execute(sa.select(lease).where(where).with_for_update()).first()
            mine = row and (row.owner == self.owner or (row.owner, name, row.fence) in _let_go)
            if row and row.owner and row.until > now and not mine and not owner_is_dead(row.owner):
                return None
            fence = (row.fence if row else 0) + 1
            values = {
                "client": self.client,
                "name": name,
                "owner": self.owner,
                "until": now + ttl,
                "fence": fence,
            }
            self.upsert(conn, lease, values, keys=("client", "name"))
        return Lease(name, self.owner, fence, now + ttl)

    def holds(self, lease: Lease) -> bool:
        """Whether nobody else took it over."""
        with self.read() as conn:
            return self.holds_in(conn, lease)

    def holds_in(self, conn: sa.Connection, lease: Lease, *, lock: bool = False) -> bool:
        """The same inside a transaction; ``lock`` keeps anybody from taking it over until the transaction ends."""
        found = look_up(conn, _FENCE_LOCKED if lock else _FENCE, client=self.client, name=lease.name)
        return bool(found) and found[0][0] == lease.fence

    def database_now(self, conn: sa.Connection) -> datetime:
        """The time by which leases are judged: the server's, which all machines share; for a file, this machine's."""
        if conn.dialect.name == "postgresql":
            moment: datetime = conn.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
            return moment
        return self.clock.now()

    def renew(self, lease: Lease, ttl: timedelta) -> bool:
        """Hold it longer. False: somebody else took it over, and the holder must stop writing."""
        row = t.leases
        with self.begin_lightly() as conn:
            result = conn.execute(
                row.update()
                .where(row.c.client == self.client, row.c.name == lease.name, row.c.fence == lease.fence)
                .values(until=self.database_now(conn) + ttl)
            )
        return result.rowcount == 1

    def release(self, lease: Lease) -> None:
        """Let go; a lease taken over meanwhile is left alone.

        Raises Transient when that cannot be written down now, as on a full disk: it is written down later, and this
        process takes it for free from now on.
        """
        try:
            self._write_release(lease)
        except Transient:
            _let_go.add((lease.owner, lease.name, lease.fence))
            threading.Thread(target=self._release_later, args=(lease,), name="mistok-release", daemon=True).start()
            raise

    def _write_release(self, lease: Lease) -> None:
        row = t.leases
        with self.begin() as conn:
            conn.execute(
                row.update()
                .where(row.c.client == self.client, row.c.name == lease.name, row.c.fence == lease.fence)
                .values(owner="", until=self.database_now(conn))
            )

    def _release_later(self, lease: Lease) -> None:
        """Else other processes would wait for its time to run out, since this one lives."""
        until = time.monotonic() + _LET_GO_TRIES
        while time.monotonic() < until:
            time.sleep(0.5)
            with contextlib.suppress(Transient):
                self._write_release(lease)
                break
        _let_go.discard((lease.owner, lease.name, lease.fence))
        self.close()

    def release_all(self) -> None:
        """Let go of whatever this object holds: its run has ended without being able to say so."""
        row = t.leases
        with self.begin() as conn:
            conn.execute(
                row.update()
                .where(row.c.client == self.client, row.c.owner == self.owner)
                .values(owner="", until=self.database_now(conn))
            )

    # --- migrations ----------------------------------------------------------------------------------------------

    def _migrate(self) -> None:
        with self.translated():
            with self.engine.connect().execution_options(mistok_read=True) as conn:
                version = _version(conn)
            if version == HEAD:
                return
            if version and version > HEAD:
                raise ConfigError(
                    T(
                        "The ledger was written by a newer Mistok ({version}); this one knows {head}.",
                        version=version,
                        head=HEAD,
                    ),
                    code=NEWER,
                    hint=T(
                        "Install that version, or restore the backup that lies beside it: "
                        "mistok ledger restore FILE --replace"
                    ),
                )
            with self.at_length():
                if not version and self._created():
                    return
                if version:
                    self._backup(version)
                from pipeline.ledger.migrate import upgrade

                upgrade(self.engine)

    def _created(self) -> bool:
        """Make a new ledger's tables at once, as all migrations would (a test compares them), without alembic.

        False: another process has made them meanwhile, maybe of an older version.
        """
        with self.engine.begin() as conn:
            if conn.dialect.name == "postgresql":
                conn.execute(sa.text(f"SELECT pg_advisory_xact_lock({MIGRATING})"))
            if _version(conn):
                return False
            if taken := sorted(t.metadata.tables.keys() & set(sa.inspect(conn).get_table_names())):
                raise ConfigError(
                    T("The database of the ledger holds tables of something else: {tables}.", tables=", ".join(taken)),
                    hint=T("Give the ledger a database of its own: set another `url` of `ledger`."),
                )
            t.metadata.create_all(conn, checkfirst=False)
            conn.execute(sa.text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
            conn.execute(sa.text("INSERT INTO alembic_version VALUES (:head)"), {"head": HEAD})
        return True

    def _backup(self, version: str) -> None:
        """A copy of a ledger that is about to be migrated: beside it, or in the client's folder for a server's."""
        from pipeline.ledger import backup

        now = self.clock.now()
        stamp = f"before-{version}-{now.strftime('%Y%m%dT%H%M%SZ')}"
        if self.path is None:
            backup.dump(self.engine, self.base / f"ledger.{stamp}.jsonl.gz", now)
            return
        target = self.path.with_name(f"{self.path.name}.{stamp}")
        try:
            backup.copy_file(self.path, target)
        except OSError as error:
            raise Transient(
                T("{path} cannot be written: {words}", path=str(target), words=system_words(error)),
                code="ledger",
                hint=T("The ledger is copied before it is brought to a new version: make room, or mend the rights."),
            ) from error


def _resolve(url: str, base: Path) -> sa.URL:
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise ConfigError(
            T("The ledger's url is not a database URL."), hint=T("Write sqlite:///ledger.sqlite3, for example.")
        ) from error
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername.startswith("sqlite") and parsed.database and parsed.database != ":memory:":
        parsed = parsed.set(database=str((base / parsed.database).resolve()))
    return parsed


def shown_url(url: str, base: Path) -> str:
    """A ledger's URL for people: whole, and without its password."""
    return _resolve(url, base).render_as_string(hide_password=True)


_VALUE = sa.select(t.values.c.value).where(
    t.values.c.client == sa.bindparam("client"),
    t.values.c.kind == sa.bindparam("kind"),
    t.values.c.name == sa.bindparam("name"),
)
_FENCE = sa.select(t.leases.c.fence).where(
    t.leases.c.client == sa.bindparam("client"), t.leases.c.name == sa.bindparam("name")
)
_FENCE_LOCKED = _FENCE.with_for_update()
to_json = writer(ensure_ascii=False, separators=(",", ":"))


class Written(dict[str, Any]):
    """A value of a JSON column whose ``words``, as of :func:`to_json`, are at hand."""

    words: str


def _to_json(value: Any) -> str:
    return value.words if type(value) is Written else to_json(value)


def _tune_sqlite(engine: sa.Engine, busy: int) -> None:
    # pysqlite's own transactions begin late and silently; ours begin at once (writers) or on purpose (readers).
    @sa.event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (f"busy_timeout={busy}", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def _on_begin(connection: sa.Connection) -> None:
        options = connection.get_execution_options()
        reading, synced = options.get("mistok_read"), "NORMAL" if options.get("mistok_light") else "FULL"
        if not reading and connection.info.setdefault("mistok_synced", "FULL") != synced:
            connection.exec_driver_sql(f"PRAGMA synchronous={synced}")
            connection.info["mistok_synced"] = synced
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _inserting(conn: sa.Connection, table: sa.Table) -> Any:
    """An INSERT that may say what happens where the row is there already."""
    if conn.dialect.name == "postgresql":  # all of this dialect is 2 MiB, which a ledger in SQLite needs for nothing
        from sqlalchemy.dialects.postgresql import insert as of_postgresql

        return of_postgresql(table)
    from sqlalchemy.dialects.sqlite import insert as of_sqlite

    return of_sqlite(table)


def _version(conn: sa.Connection) -> str | None:
    if conn.dialect.name == "postgresql":  # asked by each run of a fleet: a tenth of what SQLAlchemy's question costs
        there = conn.execute(sa.text("SELECT to_regclass('alembic_version')")).scalar_one() is not None
    else:
        there = sa.inspect(conn).has_table("alembic_version")
    if not there:
        return None
    value = conn.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    return str(value) if value else None


def _new_id(result: sa.CursorResult[Any]) -> int:
    key = result.inserted_primary_key
    assert key is not None
    return int(key[0])
