"""Every function runs every day in one of its variants; of what starts programs, the first function of each file."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.everyday import left_out, taken


class Item:
    """A test, as pytest collects it."""

    def __init__(self, nodeid: str, *marks: str) -> None:
        self.nodeid, self.marks = nodeid, marks

    def get_closest_marker(self, name: str) -> str | None:
        return name if name in self.marks else None


@given(number=st.integers(1, 500))
def test_one_is_taken_always_the_same(number: int) -> None:
    assert 0 <= taken("test_a", number) < number
    assert taken("test_a", number) == taken("test_a", number)


def test_all_variants_take_part_under_some_function() -> None:
    assert {taken(f"tests/systems/crm/test_a.py::test_{n}", 3) for n in range(50)} == {0, 1, 2}


def items(function: str, number: int, *marks: str) -> list[Any]:
    return [Item(f"{function}[{n}]", *marks) for n in range(number)]


def test_what_runs_jobs_in_many_variants_runs_in_one() -> None:
    function = "tests/systems/crm/test_a.py::TestCrm::test_b"
    run = {item.nodeid for item in items(function, 9)} - left_out(items(function, 9))
    assert run == {f"{function}[{taken(function, 9)}]"}


def test_what_one_suite_asks_of_one_system_in_several_ways_is_asked_in_one() -> None:
    file, own = "tests/systems/crm/test_contract.py", SimpleNamespace(__name__="tests.systems.crm.test_contract")

    def of_class(name: str, function: str, number: int, module: str) -> list[Any]:
        made = items(f"{file}::{name}::{function}", number)
        for item in made:
            item.function, item.module = SimpleNamespace(__module__=module), own
        return made

    suite = "pipeline.testing.sync_contract"
    few = [*of_class("TestA", "test_b", 2, suite), *of_class("TestC", "test_b", 1, suite)]
    assert len(few) - len(left_out(few)) == 1
    many = [one for n in range(30) for name in ("TestA", "TestC") for one in of_class(name, f"test_{n}", 1, suite)]
    run = {item.nodeid for item in many} - left_out(many)
    assert len(run) == 30
    assert {one.split("::")[1] for one in run} == {"TestA", "TestC"}
    # what a class says itself is said by no other
    assert (
        left_out([*of_class("TestA", "test_b", 1, own.__name__), *of_class("TestC", "test_b", 1, own.__name__)])
        == set()
    )


def test_of_what_kills_programs_the_first_function_of_each_file_runs() -> None:
    file = "tests/faults/test_f01.py"
    few: list[Any] = [
        Item(f"{file}::test_long", "full"),
        *items(f"{file}::test_f01", 2, "whole"),
        Item(f"{file}::test_f02"),
    ]
    run = {item.nodeid for item in few} - left_out(few)
    assert run == {f"{file}::test_f01[{taken(f'{file}::test_f01', 2)}]"}


def test_what_is_for_ci_alone_is_left_out() -> None:
    one: list[Any] = [Item("tests/engine/test_a.py::test_b"), Item("tests/engine/test_a.py::test_b[long]", "full")]
    assert left_out(one) == {"tests/engine/test_a.py::test_b[long]"}
    assert left_out(items("tests/rules/test_money.py::test_cents", 2, "full")) == {
        "tests/rules/test_money.py::test_cents[0]",
        "tests/rules/test_money.py::test_cents[1]",
    }


@pytest.mark.parametrize(
    "all_of",
    [
        items("tests/engine/test_hiding.py::test_it", 9, "whole"),
        items("tests/rules/test_money.py::test_cents", 9),
        items("tests/xmlio/test_parse.py::test_list", 9),
        [Item(f"tests/engine/test_a.py::test_{n}") for n in range(9)],
        [one for n in range(9) for one in items(f"tests/engine/test_a.py::test_{n}", 1)],
        [Item(f"tests/faults/test_f0{n}.py::test_f") for n in range(9)],
    ],
)
def test_the_others_run_whole(all_of: list[Any]) -> None:
    assert left_out(all_of) == set()
