"""Codes that the shop takes for one, in memory and in the temporary file alike."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.formats._joomshopping.codes import Codes


@pytest.mark.parametrize("held", [0, 3, 100])
def test_twins_are_told_with_the_first_that_had_the_code(held: int) -> None:
    codes = Codes(held)
    assert codes.add(["a", "b"], ["A", "B"]) == {}
    assert codes.add(["c", "a", "c"], ["C", "a", "c"]) == {1: "A", 2: "C"}
    assert codes.add(["d", "ї", ""], ["D", "Ї", ""]) == {}
    assert codes.add(["b", "d", "d"], ["b", "B", "d"]) == {0: "B", 1: "D", 2: "D"}


@given(st.lists(st.lists(st.sampled_from("abcdeїЇ"), max_size=5), max_size=6), st.integers(0, 12))
def test_the_file_tells_what_memory_tells(batches: list[list[str]], held: int) -> None:
    def told(most: int) -> list[Mapping[int, str]]:
        codes, number = Codes(most), 0
        found = []
        for batch in batches:
            found.append(codes.add(batch, [f"{code}{number + place}" for place, code in enumerate(batch)]))
            number += len(batch)
        return found

    assert told(held) == told(1000)
