"""Many things that may hang, asked beside whoever wants to know: one that hangs keeps none of the others waiting."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from pipeline.engine.sidebyside import Beside


@pytest.fixture
def go_on() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_all_answers_are_given(go_on: threading.Event) -> None:
    beside = Beside[int]()
    assert beside.ask({}, 0) == {}
    assert beside.ask({str(number): lambda number=number: number for number in range(50)}, 200) == {  # type: ignore[misc]
        str(number): number for number in range(50)
    }
    assert beside.hanging == frozenset()
    assert beside.ask({"bad": lambda: 1 // 0, "good": lambda: 1}, 200) == {"good": 1}


def test_one_that_hangs_is_left_behind_and_its_answer_is_given_later(go_on: threading.Event) -> None:
    beside, asked = Beside[int](each=0.2), list[str]()

    def hang() -> int:
        asked.append("hangs")
        go_on.wait(250)
        return 7

    found: dict[str, int] = {}
    while len(found) < 2:  # the last one is begun when the first one hangs
        found |= beside.ask({"hangs": hang, "one": lambda: 1, "two": lambda: 2}, 2)
    assert found == {"one": 1, "two": 2}
    assert beside.hanging == {"hangs"}
    assert beside.ask({"hangs": hang, "one": lambda: 3}, 200) == {"one": 3}
    assert asked == ["hangs"], "not again while it hangs"
    go_on.set()
    while beside.hanging:
        time.sleep(0.01)
    assert beside.ask({}, 200) == {"hangs": 7}
    assert beside.ask({"hangs": lambda: 8}, 200) == {"hangs": 8}


def test_where_all_hang_no_more_than_some_are_asked(go_on: threading.Event) -> None:
    beside, asked = Beside[bool](each=0.05, most=3), list[str]()

    def hang(name: str) -> bool:
        asked.append(name)
        return go_on.wait(250)

    while len(beside.hanging) < 3:
        beside.ask({f"c{number}": lambda number=number: hang(f"c{number}") for number in range(10)}, 1)  # type: ignore[misc]
    assert beside.ask({f"c{number}": lambda: True for number in range(10)}, 1) == {}
    assert asked == ["c0", "c1", "c2"]
    go_on.set()
    while beside.hanging:
        time.sleep(0.01)
    assert beside.ask({f"c{number}": lambda: True for number in range(10)}, 200).keys() == {
        f"c{number}" for number in range(10)
    }
