"""Engines of SQLite files: each with its own file and connections, all with the same compiled statements."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.sql.compiler import SQLCompiler

from pipeline.sqlitefile import file_engine

META = sa.MetaData()
GOODS = sa.Table("goods", META, sa.Column("code", sa.String, primary_key=True), sa.Column("more", sa.JSON))


def _to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _engine(path: Path, **more: Any) -> sa.Engine:
    engine = file_engine(sa.URL.create("sqlite", database=str(path)), to_json=_to_json, **more)
    META.create_all(engine)
    return engine


def _codes(engine: sa.Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.scalars(sa.select(GOODS.c.code).where(GOODS.c.code != "")))


def test_each_has_its_own_file_and_a_statement_is_compiled_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = _engine(tmp_path / "one"), _engine(tmp_path / "other")
    compiled: list[str] = []
    select: Any = SQLCompiler.visit_select

    def seen(self: Any, *args: Any, **named: Any) -> Any:
        compiled.append("select")
        return select(self, *args, **named)

    with one.begin() as connection:
        connection.execute(GOODS.insert(), [{"code": "Ґ-1", "more": {"назва": "Ґрунт"}}])
    monkeypatch.setattr(type(one.dialect).statement_compiler, "visit_select", seen)
    for engine, expected in ((one, ["Ґ-1"]), (other, []), (_engine(tmp_path / "third"), [])):
        assert _codes(engine) == expected
    assert len(compiled) <= 1
    with one.connect() as connection:
        assert connection.exec_driver_sql("SELECT more FROM goods").scalar_one() == '{"назва": "Ґрунт"}'
    for engine in (one, other):
        engine.dispose()


def test_what_is_done_to_one_is_not_done_to_the_others(tmp_path: Path) -> None:
    one, other = _engine(tmp_path / "one"), _engine(tmp_path / "other")
    begun: list[sa.Engine] = []
    sa.event.listen(one, "begin", lambda connection: begun.append(connection.engine))
    _codes(one)
    _codes(other)
    assert begun == [one]
    one.dispose()
    assert _codes(other) == []
    other.dispose()


def test_others_that_write_json_in_another_way_do_not_share(tmp_path: Path) -> None:
    url = sa.URL.create("sqlite", database=str(tmp_path / "one"))
    assert file_engine(url, to_json=_to_json).dialect is not file_engine(url).dialect
    assert file_engine(url).dialect is file_engine(url).dialect


def test_arguments_of_its_own_reach_its_connections(tmp_path: Path) -> None:
    engine = _engine(tmp_path / "one", connect_args={"timeout": 0.01})
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one() == 10
    engine.dispose()


def test_threads_use_it_at_once(tmp_path: Path) -> None:
    engine = _engine(tmp_path / "one")
    found: list[list[str]] = []
    threads = [threading.Thread(target=lambda: found.append(_codes(engine))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[]] * 8
    engine.dispose()
