"""Rows of the files of an inbox, found by what its server lists."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.clock import SystemClock
from pipeline.ledger import files
from pipeline.ledger.store import Ledger
from pipeline.ledger.tables import FileState, row_dict
from pipeline.ledger.tables import files as table
from pipeline.ports import RemoteFile

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
PLACE = ("shop", "site", "inbox")
OPEN = (FileState.SEEN, FileState.CLAIMED)


@pytest.fixture(params=["sqlite", "postgres"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    url = "sqlite:///ledger.sqlite3" if request.param == "sqlite" else request.getfixturevalue("postgres")
    opened = Ledger(url, client="shop", base=tmp_path, clock=SystemClock())
    yield opened
    opened.close()


def _file(name: str, size: int = 1, raw: bytes | None = None) -> RemoteFile:
    return RemoteFile("inbox", name, size, NOW - timedelta(seconds=size), raw)


def test_the_newest_row_of_each_listed_file_is_found_as_the_table_has_it(ledger: Ledger) -> None:
    # two names that read alike are two files
    listed = [_file("a.xml"), _file("замовлення.xml", 2), _file("замовлення.xml", 3, "замовлення.xml".encode("cp1251"))]
    with ledger.begin() as conn:
        files.insert_seen(conn, "shop", "site", listed, NOW)
        files.insert_seen(conn, "shop", "site", [_file("a.xml", 7)], NOW + timedelta(hours=1))
        files.insert_seen(conn, "shop", "other", [_file("a.xml", 8)], NOW)
        found = files.latest(conn, *PLACE, [*listed, _file("new.xml")])
        rows = [row_dict(row) for row in conn.execute(sa.select(table))]
    assert [found[file]["size"] for file in listed] == [7, 2, 3]
    assert len(found) == 3
    known = {row["id"]: row for row in rows}
    for row in found.values():
        lease = {"lease_owner": None, "lease_until": None, "fence": 0}
        assert row | lease == known[row["id"]]


def test_rows_whose_files_are_not_listed_are_told_oldest_first(ledger: Ledger) -> None:
    twins = [_file("б.xml"), _file("б.xml", 1, "б.xml".encode("cp1251"))]
    with ledger.begin() as conn:
        files.insert_seen(conn, "shop", "site", [*twins, _file("later.xml")], NOW + timedelta(hours=1))
        files.insert_seen(conn, "shop", "site", [_file("done.xml"), _file("first.xml")], NOW)
        rows = files.in_states(conn, *PLACE, OPEN)
        done = next(row["id"] for row in rows if row["name"] == "done.xml")
        files.update(conn, [done], NOW, state=FileState.DONE)
        gone = files.missing(conn, *PLACE, OPEN, twins[:1])
        assert [(row["name"], row["raw"] is not None) for row in gone] == [
            ("first.xml", False),
            ("б.xml", True),
            ("later.xml", False),
        ]
        assert gone == [row for row in files.in_states(conn, *PLACE, OPEN) if row["id"] != gone[1]["id"] - 1]
        assert files.missing(conn, *PLACE, OPEN, [*twins, _file("later.xml"), _file("first.xml")]) == []
