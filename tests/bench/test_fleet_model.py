"""The model of docs/scaling.md: where the answer can be reckoned by hand, it says just that."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.bench.fleet_model import (
    FIGURES,
    PAGE,
    Costs,
    Load,
    Shape,
    check,
    costs_table,
    look,
    parts,
    sizing,
    sizing_table,
    smallest,
    steady,
    wave,
    words,
    write,
)

FREE = Costs(run=0, database=0, queue=0, fetch=0, fetch_other=0, sign=0, start=1, memory=100, memory_run=20, trip=2.0)
REAL = Costs(
    run=0.1,
    database=0.02,
    queue=0.003,
    fetch=0.0003,
    fetch_other=1e-6,
    sign=5e-5,
    start=3,
    memory=200,
    memory_run=90,
    trip=1.06,
)


def test_runs_that_only_wait_go_as_fast_as_there_are_places() -> None:
    load = Load(24, 60, wait=2.0)
    for workers, seconds in ((1, 16.0), (2, 8.0), (4, 4.0)):
        told = wave(Shape(workers, 3), load, FREE)
        assert told.rate == pytest.approx(24 / seconds)
        assert told.places == pytest.approx(1.0)


def test_runs_that_only_work_go_as_fast_as_there_are_cores() -> None:
    told = wave(Shape(2, 8, cores=2), Load(80, 60, wait=0.0, work=1.0), FREE)
    assert told.rate == pytest.approx(4.0, rel=0.01)
    assert told.cores == pytest.approx(1.0, rel=0.01)
    alone = wave(Shape(2, 8, cores=2, one_machine=True), Load(80, 60, wait=0.0, work=1.0), FREE)
    assert alone.rate == pytest.approx(2.0, rel=0.01), "two workers on one machine share its cores"


def test_the_queues_postgresql_is_the_end_of_it() -> None:
    costs = replace(FREE, queue=0.1)
    load = Load(1_000, 60, wait=0.0)
    told = steady(Shape(4, 8, database_cores=1), load, costs, seconds=60)
    assert told.rate < 1 / 0.1 + 0.5
    assert told.queue > 0.99
    assert smallest(load, costs, at_once=8, database_cores=1) is None


def test_the_ledgers_are_spread_over_as_many_servers_as_they_need() -> None:
    found = smallest(Load(1_000, 10, wait=0.5), replace(FREE, database=0.1), at_once=8, database_cores=4)
    assert found is not None
    shape, told = found
    assert shape.ledgers == 4  # a hundred runs in a second take ten cores, and of four seven tenths may be used
    assert told.database == pytest.approx(10 / 16, rel=0.1)


def test_a_fleet_that_is_large_enough_begins_runs_in_time() -> None:
    load = Load(300, 30, wait=1.0, work=0.05)
    found = smallest(load, REAL, at_once=8)
    assert found is not None
    shape, told = found
    assert told.late <= 5.0
    assert told.rate == pytest.approx(10.0, rel=0.1)
    assert 1 <= shape.workers <= 4


def test_the_tables_are_written_between_their_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    marks = "".join(f"<!-- {name}: begin -->\nold\n<!-- {name}: end -->\n" for name in ("costs", "model"))
    page.write_text(f"before\n{marks}after\n", encoding="utf-8")
    points = [{"workers": 1, "at_once": 2, "rate": 1.5, "cores": 0.3, "cores_here": 2}]
    parts = {"costs": "\n".join(costs_table(REAL)), "model": "\n".join(check(REAL, points))}
    write(page, parts)
    write(page, parts)
    text = page.read_text("utf-8")
    assert "old" not in text
    assert text.count("| 1 | 2 | 1.50 |") == 1
    assert text.startswith("before\n")
    assert text.endswith("after\n")


def test_a_look_passes_over_what_is_due_and_another_groups() -> None:
    costs = replace(FREE, fetch=1e-3, fetch_other=1e-5)
    assert look(costs, Load(1_000, 10, wait=1.0, group=1_000)) == pytest.approx(1e-3)
    assert look(costs, Load(1_000, 10, wait=1.0, group=500)) == pytest.approx(1e-3 + 1e-5 * 100 * 0.25 / 2)


def test_what_breaks_first_is_told_with_the_tables_figures() -> None:
    rows = list(sizing(REAL))
    told = "\n".join(words(rows, REAL))
    table = "\n".join(sizing_table(rows))
    assert [row["clients"] for row in rows] == [100, 300, 1_000, 3_000, 10_000]
    assert f"| 10,000 | 400.0 | {rows[-1]['workers']} |" in table
    assert f"There are to be {rows[-1]['workers']} workers" in told
    none = "\n".join(words(list(sizing(replace(REAL, queue=0.1))), REAL))
    assert "one queue is not enough" in none


def test_the_page_says_what_was_measured() -> None:
    figures = json.loads(FIGURES.read_text("utf-8"))
    text = PAGE.read_text("utf-8")
    for name, made in parts(figures).items():
        told = text.partition(f"<!-- {name}: begin -->\n")[2].partition(f"\n<!-- {name}: end -->")[0]
        assert told == made, f"{name}: uv run python -m tests.bench.fleet_model --given --docs"
