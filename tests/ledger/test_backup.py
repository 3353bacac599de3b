"""Backups: of one moment while a run writes, from any database into any, whole or refused."""

from __future__ import annotations

import gzip
import json
import os
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pipeline.clock import SystemClock
from pipeline.errors import ConfigError
from pipeline.ledger import backup
from pipeline.ledger import tables as t
from pipeline.ledger.store import HEAD, Ledger
from pipeline.ports import Notice
from pipeline.texts import T

NOW = datetime(2026, 11, 22, 14, 5, tzinfo=UTC)
Open = Callable[[str], Ledger]


@pytest.fixture
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """A ledger on ``sqlite`` or ``postgres``."""
    made: list[Ledger] = []

    def make(kind: str) -> Ledger:
        url = "sqlite:///ledger.sqlite3" if kind == "sqlite" else request.getfixturevalue("postgres")
        made.append(Ledger(url, client="acme", base=tmp_path, clock=SystemClock()))
        return made[-1]

    yield make
    for ledger in made:
        ledger.close()


def fill(ledger: Ledger) -> None:
    """A row of every difficult kind: a pointer to a later row, JSON null and no JSON, letters, times, big numbers."""
    with ledger.begin() as conn:
        late = ledger.notify(conn, Notice("order", T("Замовлення №1 «так»"), T("b")))
        summary = ledger.notify(conn, Notice("summary", T("two"), T("b")))
        conn.execute(t.notices.update().where(t.notices.c.id == late).values(summary_id=summary))
        ledger.set_value(conn, "cursor", "nothing", None)
        ledger.set_value(conn, "cursor", "all", {"n": 2**53 + 1, "s": "\u2028'\";\\"})
        ledger.event(conn, "file:1", "archived", {"size": 2**40})
        ledger.event(conn, "file:1", "done")
        file = {
            "client": "acme",
            "connection": "site",
            "folder": "orders",
            "name": "a\nb.xml",
            "size": 2**40,
            "modified": NOW,
            "sha256": "ab" * 32,
            "state": "acknowledged",
            "first_seen": NOW,
            "last_look": NOW,
            "stable_since": NOW,
            "tries": 0,
            "fence": 0,
            "updated": NOW,
        }
        for _ in range(1100):  # more than a page of rows
            conn.execute(t.files.insert().values(**file))
        conn.execute(t.files.update().where(t.files.c.id == 2).values(duplicate_of=1100))
    assert ledger.acquire("serve", NOW - NOW.replace(minute=0))


def content(ledger: Ledger) -> dict[str, list[dict[str, Any]]]:
    found = {}
    with ledger.read() as conn:
        for table in t.metadata.sorted_tables:
            rows = conn.execute(sa.select(table).order_by(*table.primary_key.columns))
            found[table.name] = [t.row_dict(row) for row in rows]
    return found


@pytest.mark.parametrize(("source", "target"), [("sqlite", "sqlite"), ("sqlite", "postgres"), ("postgres", "sqlite")])
@pytest.mark.parametrize("name", ["ledger.jsonl", "ledger.jsonl.gz"])
def test_what_is_restored_is_what_was_backed_up(
    opened: Open, tmp_path: Path, source: str, target: str, name: str
) -> None:
    ledger = opened(source)
    fill(ledger)
    before = content(ledger)
    path = tmp_path / name
    outcome = backup.dump(ledger.engine, path, NOW, mistok="1.0")
    assert outcome == backup.verify(path, HEAD)
    assert outcome.rows["files"] == 1100
    assert outcome.head.clients["acme"] == 1100
    ledger.close()
    if target == "sqlite":
        restored, aside = backup.restore_file(path, tmp_path / "ledger.sqlite3", HEAD, NOW)
        assert (aside is not None) == (source == "sqlite")
    else:
        restored = backup.restore_server(opened("postgres").engine, path, HEAD)
    assert restored.rows == outcome.rows
    again = opened(target)
    after = content(again)
    [lease] = after.pop("leases")
    [held] = before.pop("leases")
    assert (lease["owner"], lease["fence"]) == ("", held["fence"]), "nobody holds it, and the fence goes on"
    assert after == before
    with again.begin() as conn:
        counts = t.events.c.data.is_(None)
        assert conn.execute(sa.select(sa.func.count()).select_from(t.events).where(counts)).scalar_one() == 1
        # new rows get new ids
        conn.execute(t.files.insert().values({k: v for k, v in before["files"][0].items() if k != "id"}))


def test_a_backup_is_of_one_moment_while_others_write(opened: Open, tmp_path: Path) -> None:
    ledger = opened("sqlite")
    fill(ledger)
    stop = threading.Event()
    written: list[int] = []

    def write() -> None:
        other = Ledger("sqlite:///ledger.sqlite3", client="acme", base=tmp_path, clock=SystemClock())
        while not stop.is_set():
            with other.begin() as conn:  # always two together
                for name in ("one", "two"):
                    other.set_value(conn, "pair", name, len(written))
            written.append(1)
        other.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(5):
            path = tmp_path / f"{number}.jsonl"
            backup.dump(ledger.engine, path, NOW)
            rows = [json.loads(line) for line in path.read_bytes().splitlines()]
            pair = [row[3] for row in rows if isinstance(row, list) and row[1:2] == ["pair"]]
            assert len(set(pair)) <= 1, pair
    finally:
        stop.set()
        writer.join()
    assert len(written) > 5


@pytest.mark.parametrize("how", ["cut", "end", "changed", "row", "gzip", "none", "empty"])
def test_a_backup_that_is_not_whole_is_refused_and_changes_nothing(opened: Open, tmp_path: Path, how: str) -> None:
    ledger = opened("sqlite")
    fill(ledger)
    before = content(ledger)
    path = tmp_path / "ledger.jsonl"
    backup.dump(ledger.engine, path, NOW)
    lines = path.read_bytes().splitlines(keepends=True)
    match how:
        case "cut":
            path.write_bytes(b"".join(lines)[:-2000])
        case "end":
            path.write_bytes(b"".join(lines[:-1]))
        case "changed":
            path.write_bytes(b"".join(lines).replace(b"site", b"SITE", 1))
        case "row":
            path.write_bytes(b"".join([*lines[:50], *lines[51:]]))
        case "gzip":
            path.write_bytes(gzip.compress(b"".join(lines))[:-100])
        case "none":
            path.write_text("Dear Anna,\n")
        case "empty":
            path.write_bytes(b"")
    ledger.close()
    with pytest.raises(ConfigError, match=r"cut off or altered|no backup"):
        backup.restore_file(path, tmp_path / "ledger.sqlite3", HEAD, NOW)
    assert content(opened("sqlite")) == before
    assert not list(tmp_path.glob("*restoring*"))


def test_a_backup_of_a_newer_version_is_refused(opened: Open, tmp_path: Path) -> None:
    ledger = opened("sqlite")
    path = tmp_path / "ledger.jsonl"
    backup.dump(ledger.engine, path, NOW)
    with pytest.raises(ConfigError, match="newer Mistok"):
        backup.verify(path, "0001")


def test_a_sqlite_ledger_is_a_backup_too(opened: Open, tmp_path: Path) -> None:
    ledger = opened("sqlite")
    fill(ledger)
    backup.copy_file(tmp_path / "ledger.sqlite3", tmp_path / "copy.sqlite3")
    with backup.portable(tmp_path / "copy.sqlite3") as lines:
        assert backup.verify(lines, HEAD).rows["files"] == 1100
    (tmp_path / "bad.sqlite3").write_bytes(b"SQLite format 3\0" + b"\xa5" * 9000)
    with pytest.raises(ConfigError, match="no sound ledger"), backup.portable(tmp_path / "bad.sqlite3"):
        pass


def test_what_lay_there_is_set_aside_with_its_log(opened: Open, tmp_path: Path) -> None:
    target = tmp_path / "x.sqlite3"
    for name in ("", "-wal", "-shm"):
        (tmp_path / f"x.sqlite3{name}").write_text(name)
    first = backup.set_aside(target, NOW)
    assert first is not None
    assert (tmp_path / (first.name + "-wal")).read_text() == "-wal"
    assert not list(tmp_path.glob("x.sqlite3-*"))
    target.write_text("2")
    second = backup.set_aside(target, NOW)
    assert second is not None
    assert first.read_text() == ""
    assert second.read_text() == "2"
    (tmp_path / "x.sqlite3-wal").write_text("left behind")
    assert backup.set_aside(target, NOW) is None
    assert not (tmp_path / "x.sqlite3-wal").exists()


def test_what_killed_restores_have_left_goes_with_the_next_one(opened: Open, tmp_path: Path) -> None:
    ledger = opened("sqlite")
    fill(ledger)
    lines = tmp_path / "lines.jsonl.gz"
    backup.dump(ledger.engine, lines, NOW)
    target = tmp_path / "new" / "ledger.sqlite3"
    target.parent.mkdir()
    old, young = (target.with_name(f"{target.name}.restoring-{pid}") for pid in (1, 2))
    for path, age in ((old, 7200), (target.with_name(old.name + "-journal"), 7200), (young, 60)):
        path.write_text("half")
        os.utime(path, (NOW.timestamp() - age,) * 2)
    backup.restore_file(lines, target, HEAD, NOW)
    assert sorted(path.name for path in target.parent.iterdir()) == [target.name, young.name]
