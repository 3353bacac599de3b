"""Every test function runs every day, and of its many variants a few that do not lie beside one another."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.everyday import FEW, left_out, spread


class Item:
    """A test, as pytest collects it."""

    def __init__(self, nodeid: str, *marks: str) -> None:
        self.nodeid, self.marks = nodeid, marks

    def get_closest_marker(self, name: str) -> str | None:
        return name if name in self.marks else None


@given(number=st.integers(1, 500))
def test_few_are_taken_and_both_ends_are_among_them(number: int) -> None:
    taken = spread(number)
    assert len(taken) == len(set(taken)) == min(number, FEW)
    assert {0, number - 1} <= set(taken)
    assert max(taken) < number


def items(function: str, number: int, *marks: str) -> list[Any]:
    return [Item(f"{function}[{n}]", *marks) for n in range(number)]


def test_what_runs_jobs_in_many_variants_runs_in_few() -> None:
    left = left_out(items("tests/systems/crm/test_a.py::TestCrm::test_b", 9))
    assert sorted(left) == [f"tests/systems/crm/test_a.py::TestCrm::test_b[{n}]" for n in range(1, 8)]


def test_what_is_for_ci_alone_is_left_out_and_takes_no_place_among_the_few() -> None:
    few = [*items("tests/faults/test_f01.py::test_f01", FEW), Item("tests/faults/test_f01.py::test_f01[long]", "full")]
    assert left_out(few) == {"tests/faults/test_f01.py::test_f01[long]"}
    assert left_out(items("tests/rules/test_money.py::test_cents", 2, "full")) == {
        "tests/rules/test_money.py::test_cents[0]",
        "tests/rules/test_money.py::test_cents[1]",
    }


@pytest.mark.parametrize(
    "all_of",
    [
        items("tests/faults/test_f01.py::test_f01", FEW),
        items("tests/faults/test_f01.py::test_f01", 9, "whole"),
        items("tests/rules/test_money.py::test_cents", 9),
        items("tests/contracts/test_transports.py::TestServers::test_list", 9),
        [Item(f"tests/faults/test_f01.py::test_{n}") for n in range(9)],
        [one for n in range(9) for one in items(f"tests/faults/test_f01.py::test_{n}", 1)],
    ],
)
def test_the_others_run_whole(all_of: list[Any]) -> None:
    assert left_out(all_of) == set()
