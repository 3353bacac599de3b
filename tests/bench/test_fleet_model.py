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
    enough,
    look,
    model_words,
    parts,
    shares,
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


def test_parts_are_as_even_as_can_be() -> None:
    assert shares(3_001, 4) == (751, 750, 750, 750)
    assert shares(17, 3) == (6, 6, 5)
    assert shares(2, 2) == (1, 1)


def test_a_worker_takes_no_run_of_another_part() -> None:
    """Three parts of 24 clients whose runs take 2 s: the one of a single worker works as long as if it were alone."""
    load = Load(72, 60, wait=2.0, group=24)
    alone = wave(Shape(1, 3), replace(load, clients=24), FREE)
    told = wave(Shape(5, 3), load, FREE)
    assert 72 / told.rate == pytest.approx(24 / alone.rate) == 16.0
    assert told.of_parts[:2] == (6.0, 6.0), "two workers each"
    assert told.of_parts[2] == told.late == alone.late == 14.0
    together = wave(Shape(5, 3), replace(load, group=72), FREE)
    assert 72 / together.rate == 10.0, "and of one part all take what there is"


def test_workers_that_are_fewer_than_parts_have_more_of_the_clients() -> None:
    told = wave(Shape(2, 3), Load(72, 60, wait=2.0, group=24), FREE)
    assert len(told.of_parts) == 2
    assert 72 / told.rate == 24.0


def test_a_part_without_workers_enough_is_not_hidden_by_the_others() -> None:
    """Of ten parts one is short of a worker: nine runs of ten begin at once, and the tenth ever later."""
    load = Load(10 * 90, 10, wait=1.0, group=90)  # nine places a part
    costs = replace(FREE, run=0.01)
    (*others, short) = steady(Shape(29, 4), load, costs, seconds=200).of_parts
    assert max(others) < 0.5
    assert short > 5.0


@pytest.mark.parametrize("clients", [100, 250, 700])
def test_the_fewest_is_the_fewest(clients: int) -> None:
    load = Load(clients, 25, wait=1.0, work=0.05, group=350)
    found = smallest(load, REAL, at_once=8)
    assert found is not None
    shape, told = found
    assert told.late <= 5.0
    assert len(told.of_parts) == load.groups

    def late(workers: int, seconds: float) -> float:
        return steady(replace(shape, workers=workers), load, REAL, seconds).late

    assert late(shape.workers, 300) <= 5.0, "it holds for longer than it was tried for"
    assert late(shape.workers + 1, 150) <= 5.0, "one more does not hurt"
    if shape.workers > load.groups:
        soon, later = late(shape.workers - 1, 200), late(shape.workers - 1, 400)
        assert later > soon, "with one less they wait longer and longer"
        assert later > 5.0


def test_each_part_has_the_workers_that_it_needs_by_itself() -> None:
    one = smallest(Load(500, 25, wait=1.0, work=0.05, group=500), REAL, at_once=8)
    three = smallest(Load(1_500, 25, wait=1.0, work=0.05, group=500), REAL, at_once=8)
    assert one is not None
    assert three is not None
    assert three[0].workers == 3 * one[0].workers


def test_workers_that_are_needed_whatever_else_there_is() -> None:
    load = Load(100, 10, wait=1.0)
    assert enough(load, FREE, at_once=8, cores=4) == 2  # ten places, of eight each
    assert enough(replace(load, clients=80), FREE, at_once=8, cores=4) == 2, "eight of eight is no rest at all"
    assert enough(replace(load, clients=79), FREE, at_once=8, cores=4) == 1
    assert enough(replace(load, work=1.0), FREE, at_once=80, cores=4) == 3, "ten cores, of four each"
    assert enough(replace(load, group=50), FREE, at_once=8, cores=4) == 2, "one for each part"
    assert enough(replace(load, clients=210, group=105), FREE, at_once=8, cores=4) == 4
    assert enough(replace(load, clients=160, group=81), FREE, at_once=8, cores=4) == 4
    assert enough(replace(load, clients=159, group=80), FREE, at_once=8, cores=4) == 3, "80 and 79 of them"


def test_what_is_checked_and_what_is_not_is_told() -> None:
    points = [{"workers": 4, "at_once": 2, "rate": 5.9, "cores": 0.5, "cores_here": 2}]
    told = " ".join(" ".join(model_words(REAL, points)).split())
    assert "up to 4 workers" in told
    assert "the workers used 25 % of the cores at most" in told


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
    assert f"| 10,000 | 400.0 | 10 | {rows[-1]['workers']} |" in table
    assert f"There are to be {rows[-1]['workers']} workers" in told
    none = "\n".join(words(list(sizing(replace(REAL, queue=0.1))), REAL))
    assert "one queue is not enough" in none


def test_the_page_says_what_was_measured() -> None:
    figures = json.loads(FIGURES.read_text("utf-8"))
    text = PAGE.read_text("utf-8")
    for name, made in parts(figures).items():
        told = text.partition(f"<!-- {name}: begin -->\n")[2].partition(f"\n<!-- {name}: end -->")[0]
        assert told == made, f"{name}: uv run python -m tests.bench.fleet_model --given --docs"
