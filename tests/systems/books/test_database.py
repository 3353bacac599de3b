"""Opening: schema versions, settings of SQLite, first use by many at once, damage."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, inspect, select, update

from pipeline.api import ConfigError, MistokError, Refused
from plugins.systems.books import tables as t
from plugins.systems.books.database import MIGRATIONS

if TYPE_CHECKING:
    from tests.systems.books.conftest import Place


def test_a_newer_schema_is_refused_with_words(place: Place) -> None:
    with place.open().database.write() as connection:
        connection.execute(update(t.version).values(version=len(MIGRATIONS) + 1))
    with pytest.raises(ConfigError, match="written by a newer Mistok"):
        place.open().check()


def test_many_may_open_it_for_the_first_time_at_once(place: Place) -> None:
    opened = [place.open(seed=()) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda books: [finding.code for finding in books.check()], opened))
    assert found == [["no-products"]] * 6
    with place.open().reading() as connection:
        assert connection.execute(select(func.count()).select_from(t.version)).scalar_one() == 1
        assert set(t.metadata.tables) <= set(inspect(connection).get_table_names())


def test_sqlite_syncs_every_commit_and_keeps_references(lite: Place) -> None:
    with lite.open().database.read() as connection:
        settings = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_the_file_lies_beside_the_config(lite: Place) -> None:
    place = replace(lite, url="sqlite:///data/deep/books.sqlite3")
    place.open().check()
    assert (lite.base / "data/deep/books.sqlite3").exists()


def test_a_damaged_file_is_refused_and_left_alone(lite: Place) -> None:
    path = lite.base / "books.sqlite3"
    path.write_bytes(b"not a database at all" * 500)
    with pytest.raises(Refused, match="damaged"):
        lite.open().check()
    assert path.read_bytes() == b"not a database at all" * 500


@pytest.mark.parametrize("url", ["nonsense", "mysql://h/x", "sqlite:/x"])
def test_a_url_that_cannot_be_is_a_config_error(lite: Place, url: str) -> None:
    with pytest.raises(ConfigError):
        replace(lite, url=url).open()


def test_amounts_are_whole_numbers_of_millionths_in_sqlite(lite: Place) -> None:
    lite.sample().close()
    with sqlite3.connect(lite.base / "books.sqlite3") as raw:
        found = raw.execute(
            "select typeof(amount), amount from prices join products on product_id = id where code = '0042'"
        )
        assert ("integer", 389500000) in found.fetchall()
    raw.close()


def test_the_seed_is_loaded_once_and_its_mistakes_are_told(lite: Place) -> None:
    path = lite.base / "p.csv"
    path.write_text("code;price\n1;x\n2;y\n", encoding="utf-8")
    with pytest.raises(MistokError) as caught:
        lite.open(seed="p.csv").check()
    assert [finding.where.line for finding in caught.value.findings] == [2, 3]
    path.write_text("code;price\n1;5\n", encoding="utf-8")
    assert lite.open(seed="p.csv").count() == 1
    path.write_text("code;price\n1;5\n2;6\n", encoding="utf-8")
    assert lite.open(seed="p.csv").count() == 1
