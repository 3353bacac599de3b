"""Opening: schema versions, settings of SQLite, first use by many at once, damage."""

from __future__ import annotations

import sqlite3
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import func, inspect, select, update
from sqlalchemy.exc import InternalError

from pipeline.api import ConfigError, MistokError, Refused
from plugins.systems.books import tables as t
from plugins.systems.books.database import Database
from plugins.systems.books.migrations import MIGRATIONS
from tests.systems.books.conftest import Place


def test_a_newer_schema_is_refused_with_words(place: Place) -> None:
    with place.open().database.write() as connection:
        connection.execute(update(t.version).values(version=len(MIGRATIONS) + 1))
    with pytest.raises(ConfigError, match="written by a newer Mistok"):
        place.open().check()


def test_many_may_open_it_for_the_first_time_at_once(bare: Place) -> None:
    opened = [bare.open(seed=()) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda books: [finding.code for finding in books.check()], opened))
    assert found == [["no-products"]] * 6
    with bare.open().reading() as connection:
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
        Database(url, lite.base)


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


def old_books(place: Place) -> None:
    """A database as schema 1 made it, with two documents in it."""
    database = place.open().database
    script = (Path(__file__).parent / "schema1" / ("sqlite.sql" if database.sqlite else "postgresql.sql")).read_text(
        encoding="utf-8"
    )
    rows = """
    INSERT INTO books_version (version) VALUES (1);
    INSERT INTO counters (name, last) VALUES ('order', 2);
    INSERT INTO currencies (id, code, name) VALUES (1, 'UAH', '');
    INSERT INTO sources (id, code, name) VALUES (1, 'shop', '');
    INSERT INTO statuses (id, code, name) VALUES (1, 'new', '');
    INSERT INTO parties (id, code, kind, name, first_name, last_name, middle_name, edrpou, tax_number, phone, phone_key,
        email, email_key, created_at) VALUES (1, 'B1', 'person', 'Олена', '', '', '', '', '', '', '', '', '',
        '2026-11-20 10:00:00');
    INSERT INTO products (id, code, normal, unit, currency, barcode, manufacturer, published, service, content,
        updated_at) VALUES (1, '0042', '0042', '', 'UAH', '', '', TRUE, FALSE, '', '2026-11-20 10:00:00');
    """
    for n, key in ((1, "acme/shop/41/create/0"), (2, "other/shop/42/create/0")):
        rows += f"""
    INSERT INTO documents (id, kind, number, key, source_id, order_id, order_number, source_number, ordered_at,
        created_at, status_id, party_id, currency_id, prices_include_tax, lines_sum, discount, delivery_cost,
        payment_fee, tax, rounding, total, customer, delivery_carrier, delivery_service, delivery_city,
        delivery_branch, delivery_recipient, delivery_phone, delivery_tracking, delivery, payment_method,
        payment_status, payment, comment) VALUES ({n}, 'order', '00000{n}', '{key}', 1, '4{n}', '4{n}', '',
        '2026-11-20 10:00:00', '2026-11-20 10:00:00', 1, 1, 1, TRUE, 5000000, 0, 0, 0, 833333, 0, 5000000,
        '{{"phone": "1"}}', '', '', '', '', '', '', '', '{{}}', '', '', '{{}}', 'так');
    INSERT INTO document_lines (document_id, position, product_id, code, name, quantity, unit, price, discount, sum,
        comment) VALUES ({n}, 1, 1, '0042', 'Ґрунт', 1000000, 'шт', 5000000, 0, 5000000, '');
    INSERT INTO document_taxes (document_id, position, rate, base, tax) VALUES ({n}, 1, 20000000, 4166667, 833333);
        """
    with database._engine.connect() as connection:
        for statement in (script + rows).split(";\n"):
            if statement.strip():
                connection.exec_driver_sql(statement)
        connection.commit()


def test_books_of_schema_1_keep_everything_and_learn_their_clients(bare: Place) -> None:
    old_books(bare)
    books = bare.open()
    with books.reading() as connection:
        assert connection.execute(select(t.version.c.version)).scalar_one() == len(MIGRATIONS)
        found = connection.execute(select(t.documents).order_by(t.documents.c.id)).all()
        assert [(row.client, row.order_id, row.customer, row.comment, row.manager) for row in found] == [
            ("acme", "41", {"phone": "1"}, "так", ""),
            ("other", "42", {"phone": "1"}, "так", ""),
        ]
        assert {row.total for row in found} == {Decimal("5.00") if books.database.sqlite else Decimal(5000000)}
        assert found[0].created_at.isoformat() == "2026-11-20T10:00:00+00:00"
        lines = connection.execute(select(t.document_lines)).all()
        assert [(row.document_id, row.name, row.barcode) for row in lines] == [(1, "Ґрунт", ""), (2, "Ґрунт", "")]
        assert len(connection.execute(select(t.document_taxes)).all()) == 2
        tables = inspect(connection)
        assert [
            one["column_names"] for one in tables.get_unique_constraints("documents") if len(one["column_names"]) > 2
        ] == [["kind", "client", "source_id", "order_id"]]
        assert set(tables.get_table_names()) == set(t.metadata.tables)
        for table in t.metadata.sorted_tables:
            assert [c["name"] for c in tables.get_columns(table.name)] != []
            assert {c["name"] for c in tables.get_columns(table.name)} == {c.name for c in table.columns}
            if not books.database.sqlite:
                dialect = connection.dialect
                made = {c["name"]: str(c["type"].compile(dialect)) for c in tables.get_columns(table.name)}
                assert made == {c.name: str(c.type.compile(dialect)) for c in table.columns}


def trial(place: Place) -> Place:
    return replace(place, dry_run=True)


def test_a_dry_run_makes_no_file_and_works_on_the_seed_in_memory(lite: Place) -> None:
    place = replace(trial(lite), url="sqlite:///data/books.sqlite3")
    books = place.sample()
    assert books.count() == 43
    assert set(books.find_products(["0042"])) == {"0042"}
    assert set(books.find_references("party", ["0042"])) == {"0042"}
    with books.reading():
        assert len(next(iter(books.batches(["code"], at=place.clock.now()))).columns["code"]) == 43
    books.close()
    assert list(lite.base.iterdir()) == []


def test_a_dry_run_reads_the_file_that_is_there_and_leaves_it_as_it_is(lite: Place) -> None:
    lite.sample().close()
    before = {path.name: path.read_bytes() for path in lite.base.iterdir()}
    for running in (False, True):
        if running:
            lite.open().ensure("object", "99", "Новий")  # stays open: what is not in the file itself yet is seen too
            before = {path.name: path.read_bytes() for path in lite.base.iterdir() if not path.name.endswith("-shm")}
        books = trial(lite).open()
        assert books.count() == 43
        assert bool(books.find_references("object", ["99"])) == running
        books.ensure("object", "77")
        books.close()
        after = {path.name: path.read_bytes() for path in lite.base.iterdir() if not path.name.endswith("-shm")}
        assert after == before
    assert lite.open().find_references("object", ["77"]) == {}


def test_a_dry_run_reads_books_of_an_older_schema_and_does_not_migrate_them(lite: Place) -> None:
    old_books(lite)
    lite.opened[0].close()
    assert trial(lite).open().find_references("source", ["shop"])
    with closing(sqlite3.connect(lite.base / "books.sqlite3")) as raw:
        assert raw.execute("select version from books_version").fetchall() == [(1,)]


def test_a_dry_run_changes_nothing_on_a_server(postgres: str, tmp_path: Path) -> None:
    place = Place(postgres, tmp_path)
    tried = trial(place).sample()
    assert tried.count() == 43
    engine = place.open().database._engine
    assert inspect(engine).get_table_names() == []
    place.sample()
    books = trial(place).open()
    assert books.count() == 43
    with pytest.raises(Refused, match="dry run"):
        books.ensure("object", "77")
    with books.reading() as connection, pytest.raises(InternalError, match="read-only"):
        connection.execute(update(t.version).values(version=9))
    for one in (tried, books, *place.opened):
        one.close()


def test_a_dry_run_does_not_migrate_a_server_and_says_so(postgres: str, tmp_path: Path) -> None:
    place = Place(postgres, tmp_path)
    old_books(place)
    with pytest.raises(ConfigError, match="older Mistok"):
        trial(place).open().count()
    for one in place.opened:
        one.close()


def test_what_was_written_since_is_noticed(lite: Place) -> None:
    database = lite.open().database
    with database.watched() as unmoved, database.read() as connection:
        connection.execute(select(func.count()).select_from(t.products)).scalar_one()
        assert unmoved()
        with lite.open().database.read() as other:
            other.execute(select(func.count()).select_from(t.products)).scalar_one()
        assert unmoved()
        with lite.open().database.write() as writing:
            writing.execute(update(t.version).values(version=t.version.c.version))
            assert unmoved()
        assert not unmoved()


@pytest.mark.skipif(sys.platform != "linux", reason="no process is forked off a run there")
def test_it_is_let_go_of_only_where_nobody_in_this_process_has_it_open(lite: Place) -> None:
    database = lite.open().database
    assert database.let_go()
    with database.read() as connection:
        assert connection.execute(select(t.version.c.version)).scalar_one()
    assert database.let_go()
    with closing(sqlite3.connect(lite.base / "books.sqlite3")) as other:
        other.execute("SELECT count(*) FROM products").fetchone()
        assert not database.let_go()
    assert database.let_go()


def test_a_database_that_no_other_process_can_open_is_never_let_go(place: Place, tmp_path: Path) -> None:
    database = place.open().database
    if not database.sqlite:
        assert not database.let_go()
    memory = Database("sqlite:///none.sqlite3", tmp_path, dry_run=True)
    assert not memory.let_go()
    with memory.watched() as unmoved:
        assert not unmoved()
