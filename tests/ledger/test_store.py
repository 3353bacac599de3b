"""The ledger on both databases: transactions, leases, values, migrations."""

from __future__ import annotations

import multiprocessing
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from pipeline.clock import SystemClock
from pipeline.errors import ConfigError, Transient
from pipeline.ledger import tables as t
from pipeline.ledger.migrate import upgrade
from pipeline.ledger.store import HEAD, Ledger, owner_is_dead
from pipeline.ports import Notice
from pipeline.texts import T

Open = Callable[[], Ledger]


@pytest.fixture(params=["sqlite", "postgres"])
def open_ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Opens the same ledger again and again, on each database."""
    url = "sqlite:///ledger.sqlite3" if request.param == "sqlite" else request.getfixturevalue("postgres")
    return lambda: Ledger(url, client="acme", base=tmp_path, clock=SystemClock())


def schema_of(engine: sa.Engine) -> dict[str, Any]:
    """All that a database tells of its tables."""
    looked = sa.inspect(engine)

    def shown(things: Sequence[Mapping[str, Any]]) -> list[str]:
        return sorted(str({key: str(value) for key, value in thing.items()}) for thing in things)

    return {
        name: [
            shown(looked.get_columns(name)),
            shown([looked.get_pk_constraint(name)] if name != "alembic_version" else []),  # theirs has a name
            shown(looked.get_unique_constraints(name)),
            shown(looked.get_foreign_keys(name)),
            shown(looked.get_indexes(name)),
            shown(looked.get_check_constraints(name)),
        ]
        for name in looked.get_table_names()
    }


def test_the_migrations_make_exactly_the_tables_of_the_code(open_ledger: Open) -> None:
    ledger = open_ledger()
    made = schema_of(ledger.engine)
    with ledger.engine.begin() as conn:
        t.metadata.drop_all(conn)
        conn.execute(sa.text("DROP TABLE alembic_version"))
    upgrade(ledger.engine)
    assert schema_of(ledger.engine) == made
    with ledger.engine.connect() as conn:
        differences = compare_metadata(MigrationContext.configure(conn), t.metadata)
        version = conn.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one()
    assert differences == []
    assert version == HEAD
    ledger.close()


def test_tables_of_somebody_else_are_not_built_upon(open_ledger: Open) -> None:
    ledger = open_ledger()
    with ledger.engine.begin() as conn:
        t.metadata.drop_all(conn)
        conn.execute(sa.text("DROP TABLE alembic_version"))
        conn.execute(sa.text("CREATE TABLE users (mine VARCHAR(10))"))
    ledger.close()
    with pytest.raises(ConfigError, match="tables of something else: users"):
        open_ledger()


def test_a_transaction_that_fails_leaves_nothing(open_ledger: Open) -> None:
    ledger = open_ledger()

    def fail() -> None:
        with ledger.begin() as conn:
            ledger.set_value(conn, "cursor", "a", 1)
            ledger.notify(conn, Notice("order", T("a"), T("b")))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with ledger.read() as conn:
        assert ledger.get_value(conn, "cursor", "a") is None
        assert conn.execute(sa.select(sa.func.count()).select_from(t.notices)).scalar_one() == 0
    ledger.close()


def test_nothing_in_a_column_of_findings_is_nothing_for_the_database_too(open_ledger: Open) -> None:
    ledger = open_ledger()
    column = t.runs.c.error
    row = {"client": "acme", "job": "orders", "trigger": "person", "started": datetime.now(UTC), "state": "failed"}
    with ledger.begin() as conn:
        for error in (None, {"code": "x"}):
            conn.execute(t.runs.insert().values(**row, error=error))
        conn.execute(t.runs.insert().values(**row))
        conn.execute(t.runs.update().where(t.runs.c.id == 2).values(error=None))
        assert conn.execute(sa.select(sa.func.count()).where(column.is_not(None))).scalar_one() == 0
    columns = [column for table in t.metadata.sorted_tables for column in table.c if column.nullable]
    assert [str(one) for one in columns if isinstance(one.type, sa.JSON) and not one.type.none_as_null] == []
    ledger.close()


def test_values_are_kept_and_replaced(open_ledger: Open) -> None:
    ledger = open_ledger()
    for value in ({"n": 1}, "Привіт", None):
        with ledger.begin() as conn:
            ledger.set_value(conn, "cursor", "a", value)
        with ledger.read() as conn:
            assert ledger.get_value(conn, "cursor", "a") == value
    ledger.close()


def test_what_is_written_lightly_is_seen_by_all_and_only_the_disk_is_not_waited_for(open_ledger: Open) -> None:
    ledger, other = open_ledger(), open_ledger()
    synced: list[Any] = []

    def write(begin: Callable[[], AbstractContextManager[sa.Connection]], value: int) -> None:
        with begin() as conn:
            ledger.set_value(conn, "cursor", "a", value)
            if ledger.path:
                synced.append(conn.exec_driver_sql("PRAGMA synchronous").scalar_one())

    for value, begin in enumerate((ledger.begin, ledger.begin_lightly, ledger.begin_lightly, ledger.begin)):
        write(begin, value)
        with other.read() as conn:
            assert other.get_value(conn, "cursor", "a") == value
    assert synced == ([2, 1, 1, 2] if ledger.path else []), "FULL is 2, NORMAL 1"

    def fail() -> None:
        with ledger.begin_lightly() as conn:
            ledger.set_value(conn, "cursor", "a", 4)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with ledger.read() as conn:
        assert ledger.get_value(conn, "cursor", "a") == 3
    for one in (ledger, other):
        one.close()


def test_whether_somebody_has_written_is_known_without_asking_the_database(open_ledger: Open) -> None:
    ledger, other = open_ledger(), open_ledger()
    with ledger.read() as conn:
        ledger.get_value(conn, "cursor", "a")
    before = ledger.written()
    if ledger.path is None or sys.platform == "win32":
        assert before is None
    else:
        assert ledger.written() == before
        with other.begin() as conn:
            other.set_value(conn, "cursor", "a", 1)
        assert ledger.written() != before
    for one in (ledger, other):
        one.close()
    if ledger.path:
        ledger.path.unlink()
        ledger.written()  # gone, and no reason to fail


def test_times_come_back_aware_and_naive_ones_are_refused(open_ledger: Open) -> None:
    ledger = open_ledger()
    with ledger.begin() as conn:
        ledger.event(conn, "file:1", "archived", {"size": 3})
        at = conn.execute(sa.select(t.events.c.at)).scalar_one()
    assert at.tzinfo is UTC
    with pytest.raises((ValueError, sa.exc.StatementError), match="aware"), ledger.begin() as conn:
        conn.execute(t.events.insert().values(client="a", at=datetime(2026, 1, 1), subject="x", event="y"))  # noqa: DTZ001
    ledger.close()


def test_a_lease_has_one_holder_and_a_growing_fence(open_ledger: Open) -> None:
    first, second = open_ledger(), open_ledger()
    held = first.acquire("inbox", timedelta(minutes=1))
    assert held is not None
    assert second.acquire("inbox", timedelta(minutes=1)) is None
    assert first.renew(held, timedelta(minutes=1))
    first.release(held)
    taken = second.acquire("inbox", timedelta(minutes=1))
    assert taken is not None
    assert taken.fence > held.fence
    assert not first.renew(held, timedelta(minutes=1)), "the fence was passed on"
    first.release(held)  # changes nothing
    assert second.renew(taken, timedelta(minutes=1))
    first.close()
    second.close()


def test_a_lease_whose_time_is_over_is_taken_over(open_ledger: Open) -> None:
    first, second = open_ledger(), open_ledger()
    assert first.acquire("inbox", timedelta(seconds=-1)) is not None
    assert second.acquire("inbox", timedelta(minutes=1)) is not None
    first.close()
    second.close()


def _hold_and_die(base: Path) -> None:
    ledger = Ledger("sqlite:///ledger.sqlite3", client="acme", base=base, clock=SystemClock())
    assert ledger.acquire("inbox", timedelta(hours=1)) is not None
    os._exit(9)


def test_a_lease_that_could_not_be_given_back_is_given_back_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk that is the rule; a service's worker lives on, so that nobody would take its lease for dead."""
    ledger = Ledger("sqlite:///ledger.sqlite3", client="acme", base=tmp_path, clock=SystemClock())
    other = Ledger("sqlite:///ledger.sqlite3", client="acme", base=tmp_path, clock=SystemClock())
    lease = ledger.acquire("job:orders", timedelta(minutes=2))
    assert lease is not None
    assert other.acquire("job:orders", timedelta(minutes=2)) is None
    room = threading.Event()
    real = Ledger.begin

    def begin(self: Ledger) -> AbstractContextManager[sa.Connection]:
        if self is ledger and not room.is_set():
            raise Transient(T("The disk is full."), code="disk-full")
        return real(self)

    monkeypatch.setattr(Ledger, "begin", begin)
    with pytest.raises(Transient):
        ledger.release(lease)
    again = other.acquire("job:orders", timedelta(minutes=2))
    assert again is not None, "in this process it is free at once"
    other.release(again)

    room.set()
    lease = ledger.acquire("job:catalogue", timedelta(minutes=2))
    assert lease is not None
    room.clear()
    with pytest.raises(Transient):
        ledger.release(lease)
    room.set()
    until = time.monotonic() + 20
    with sqlite3.connect(tmp_path / "ledger.sqlite3") as conn:
        while conn.execute("SELECT owner FROM leases WHERE name = 'job:catalogue'").fetchone() != ("",):
            assert time.monotonic() < until, "other processes must be told"
            time.sleep(0.05)
    conn.close()
    other.close()


@pytest.mark.skipif(sys.platform == "win32", reason="zombies")
def test_a_holder_that_ended_and_was_not_collected_is_dead() -> None:
    import psutil

    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as holder:
        started = int(psutil.Process(holder.pid).create_time())
        owner = f"{socket.gethostname()}:{holder.pid}:{started}:00000000"
        assert not owner_is_dead(owner)
        holder.kill()
        until = time.monotonic() + 10
        while psutil.Process(holder.pid).status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < until
            time.sleep(0.01)
        assert owner_is_dead(owner)


def test_the_lease_of_a_killed_process_is_taken_over_at_once(tmp_path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=_hold_and_die, args=(tmp_path,))
    process.start()
    process.join(60)
    assert process.exitcode == 9
    ledger = Ledger("sqlite:///ledger.sqlite3", client="acme", base=tmp_path, clock=SystemClock())
    with ledger.read() as conn:
        assert owner_is_dead(conn.execute(sa.select(t.leases.c.owner)).scalar_one())
    assert not owner_is_dead(ledger.owner)
    assert not owner_is_dead("elsewhere:1:1:00000000"), "a holder on another machine is never called dead"
    assert ledger.acquire("inbox", timedelta(minutes=1)) is not None
    ledger.close()


def test_a_ledger_of_a_newer_version_is_refused_with_words(tmp_path: Path) -> None:
    Ledger("sqlite:///ledger.sqlite3", client="acme", base=tmp_path, clock=SystemClock()).close()
    with sqlite3.connect(tmp_path / "ledger.sqlite3") as conn:
        conn.execute("UPDATE alembic_version SET version_num = '9999'")
    conn.close()
    with pytest.raises(ConfigError, match="newer Mistok"):
        Ledger("sqlite:///ledger.sqlite3", client="acme", base=tmp_path, clock=SystemClock())


def test_a_file_that_is_no_database_is_refused_with_words(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite3").write_text("I am a letter to my grandmother, not a database." * 50)
    with pytest.raises((ConfigError, Transient), match="ledger"):
        Ledger("sqlite:///ledger.sqlite3", client="acme", base=tmp_path, clock=SystemClock())


def test_a_url_that_is_none_is_refused_with_words(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="URL"):
        Ledger("what is this", client="acme", base=tmp_path, clock=SystemClock())


def test_a_locked_ledger_is_a_transient_error(tmp_path: Path) -> None:
    ledger = Ledger("sqlite:///ledger.sqlite3", client="acme", base=tmp_path, clock=SystemClock())
    other = sqlite3.connect(tmp_path / "ledger.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    sa.event.listen(ledger.engine, "checkout", lambda dbapi, *_: dbapi.execute("PRAGMA busy_timeout=50"))
    with pytest.raises(Transient, match="does not answer"), ledger.begin():
        pass
    other.close()
    ledger.close()
