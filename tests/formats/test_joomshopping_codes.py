"""Codes that the shop takes for one, in memory and in the temporary file alike."""

from __future__ import annotations

import hashlib
import tempfile
import tracemalloc
from collections.abc import Mapping
from pathlib import Path

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

    def plainly() -> list[Mapping[int, str]]:
        known: dict[str, str] = {}
        found: list[Mapping[int, str]] = []
        number = 0
        for batch in batches:
            products = [f"{code}{number + place}" for place, code in enumerate(batch)]
            firsts = [known.setdefault(code, product) for code, product in zip(batch, products, strict=True)]
            found.append({at: first for at, first in enumerate(firsts) if first != products[at]})
            number += len(batch)
        return found

    assert told(held) == told(1000) == plainly()


@given(st.lists(st.text("abcї\n", max_size=2), max_size=30), st.integers(1, 5), st.integers(0, 3))
def test_codes_in_order_are_looked_up_as_soon_as_one_is_not(codes: list[str], size: int, late: int) -> None:
    ordered = sorted(set(codes))
    found: list[str] = []
    both = Codes(0), Codes(1000)
    for start in range(0, len(ordered), size):
        piece = ordered[start : start + size]
        assert [one.add(piece, piece) for one in both] == [{}, {}]
    for code in codes[:late]:
        found += [told[0] for one in both if (told := one.add([code], ["late"]))]
    assert found == [code for code in codes[:late] for _ in range(2)]


@given(
    st.sets(st.text("abїЇ ", max_size=2)),
    st.sets(st.text("abїЇ ", max_size=2)),
    st.sampled_from([0, 1000]),
    st.booleans(),
)
def test_two_parts_know_whether_they_have_a_code_in_common(
    one: set[str], two: set[str], held: int, ordered: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rest"
        rest, first = Codes(path=path), Codes(held)
        theirs, ours = [sorted(codes) if ordered else [*codes] for codes in (two, one)]
        for start in range(0, len(theirs), 2):
            rest.add(theirs[start : start + 2], theirs[start : start + 2])
        rest.leave()
        first.add(ours, ours)
        assert first.apart(path) == one.isdisjoint(two)
        # it goes on as if it had not been asked
        assert first.add([*two], [*two]).keys() == {place for place, code in enumerate(two) if code in one}


def test_what_was_not_left_whole_is_not_sure(tmp_path: Path) -> None:
    first = Codes()
    first.add(["a"], ["A"])
    assert not first.apart(tmp_path / "nothing")
    (tmp_path / "torn").write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    assert not first.apart(tmp_path / "torn")
    assert first.add(["a", "b"], ["a", "b"]) == {0: "A"}


def test_memory_does_not_grow_with_codes_that_come_in_order(tmp_path: Path) -> None:
    def codes(number: int) -> list[str]:
        return [f"{n:07}{hashlib.sha256(str(n).encode()).hexdigest()[:24]}" for n in range(number, number + 1000)]

    def held(count: int) -> int:
        tracemalloc.start()
        try:
            rest, first = Codes(path=tmp_path / f"rest-{count}"), Codes()
            for number in range(0, count, 1000):
                products = codes(number)
                assert first.add(products, products) == rest.add(codes(number + count), products) == {}
            rest.leave()
            assert first.apart(tmp_path / f"rest-{count}")
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    held(1000)  # what is loaded once
    some = held(20_000)
    assert held(100_000) < some + 200_000
