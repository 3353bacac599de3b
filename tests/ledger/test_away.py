"""A ledger that cannot be used now: what is said of it, and that it is used again once it can be."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from pipeline import pgsilence
from pipeline.clock import SystemClock
from pipeline.errors import Transient
from pipeline.ledger.place import can_be_made
from pipeline.ledger.store import Ledger
from pipeline.sqlstates import passing
from tests.servers.postgresql import Postgres


def opened(url: str, base: Path) -> Ledger:
    return Ledger(url, client="acme", base=base, clock=SystemClock())


@contextmanager
def read_only(server: Postgres, url: str) -> Iterator[None]:
    """Its database takes no more writes, as after a failover; who was connected is cut off."""
    name = sa.make_url(url).database
    server.admin.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    server.admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
    try:
        yield
    finally:
        server.admin.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")


@pytest.mark.parametrize("path", ["state/ledger.sqlite3", "state/deeper/ledger.sqlite3"])
def test_a_file_in_the_place_of_its_folder_is_told_and_gone_is_no_trouble(tmp_path: Path, path: str) -> None:
    (tmp_path / "state").write_text("a file")
    url = f"sqlite:///{path}"
    for look in (lambda: opened(url, tmp_path), lambda: can_be_made(tmp_path / path)):
        with pytest.raises(Transient) as told:
            look()
        assert told.value.code == "ledger"
        assert "cannot be made" in told.value.text.render("en")
        assert told.value.hint is not None
    (tmp_path / "state").unlink()
    can_be_made(tmp_path / path)
    assert not (tmp_path / "state").exists()  # it was only looked at
    opened(url, tmp_path).close()
    can_be_made(tmp_path / path)


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), FileNotFoundError(2, "No such file")])
def test_a_folder_that_may_not_be_made_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError) -> None:
    def refuse(*_words: object, **_more: object) -> None:
        raise error

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(Transient, match="cannot be made"):
        opened("sqlite:///state/ledger.sqlite3", tmp_path)


def test_a_user_without_rights_is_told_and_works_once_it_has_them(postgres_server: Postgres, tmp_path: Path) -> None:
    with postgres_server.database() as url:
        opened(url, tmp_path).close()
        name = sa.make_url(url).database
        postgres_server.admin.execute(f"CREATE ROLE r{name} LOGIN")
        try:
            poor = sa.make_url(url).set(username=f"r{name}").render_as_string(hide_password=False)
            with pytest.raises(Transient) as told:
                opened(poor, tmp_path)
            assert told.value.code == "ledger"
            assert "rights" in told.value.text.render("en")
            assert told.value.hint is not None
            with psycopg.connect(postgres_server.get_uri(str(name)), autocommit=True) as conn:
                conn.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO r{name}")
                ledger = opened(poor, tmp_path)
                with pytest.raises(Transient, match="rights"):
                    ledger.must_be_writable()
                ledger.close()
                conn.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO r{name}")
            ledger = opened(poor, tmp_path)
            ledger.must_be_writable()
            with ledger.begin() as found:
                ledger.set_value(found, "test", "here", 1)
            ledger.close()
        finally:
            with psycopg.connect(postgres_server.get_uri(str(name)), autocommit=True) as conn:
                conn.execute(f"DROP OWNED BY r{name}")
            postgres_server.admin.execute(f"DROP ROLE r{name}")


def test_a_database_that_became_read_only_is_waited_for(postgres_server: Postgres, tmp_path: Path) -> None:
    with postgres_server.database() as url:
        ledger = opened(url, tmp_path)
        with read_only(postgres_server, url):
            for _ in range(2):  # the first finds its connection cut off, or a new one that may only read
                with pytest.raises(Transient) as told, ledger.begin() as conn:
                    ledger.set_value(conn, "test", "here", 1)
                assert told.value.code == "ledger"
            assert "read-only" in told.value.text.render("en")
            with ledger.read() as conn:  # this session keeps that it may only read
                assert ledger.get_value(conn, "test", "here") is None
        with pytest.raises(Transient, match="read-only"), ledger.begin() as conn:
            ledger.set_value(conn, "test", "here", 1)
        with ledger.begin() as conn:
            ledger.set_value(conn, "test", "here", 2)
        ledger.close()


def test_a_host_that_says_nothing_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Ledger.to_connect["connect_timeout"] == str(pgsilence.CONNECT_TIMEOUT)
    monkeypatch.setattr(Ledger, "to_connect", {"connect_timeout": "2"})
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with pytest.raises(Transient, match="does not answer"):
            opened(f"postgresql://user:word@127.0.0.1:{silent.getsockname()[1]}/db", tmp_path)
        assert time.monotonic() - began < 100  # the driver's own limit is 130 s


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("25006", "read-only"),
        ("42501", "rights"),
        ("53100", "disk"),
        ("53300", "no connection left"),
        ("57P01", "stopped or started"),
        ("57P03", "stopped or started"),
        ("40001", "another transaction"),
        ("40P01", "another transaction"),
    ],
)
def test_what_passes_is_known_by_its_code(code: str, words: str) -> None:
    found = passing(psycopg.errors.lookup(code)("said by the server"))
    assert found is not None
    assert words in found[0].render("en")


def test_a_mistake_of_ours_is_none_that_passes() -> None:
    assert passing(psycopg.errors.UndefinedTable("no such table")) is None
    assert passing(ValueError()) is None
