"""The cycle collector during a run: seldom, and as before afterwards."""

from __future__ import annotations

import gc

from pipeline.engine import garbage


def test_it_collects_seldom_inside_and_as_before_afterwards() -> None:
    before = gc.get_threshold()
    with garbage.seldom():
        assert gc.get_threshold()[0] >= garbage.YOUNGEST
        assert gc.get_freeze_count() > 0
        with garbage.seldom():
            assert gc.get_threshold()[0] >= garbage.YOUNGEST
        assert gc.get_threshold()[0] >= garbage.YOUNGEST, "the outer block still runs"
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


def test_a_collector_that_is_switched_off_stays_so() -> None:
    before = gc.get_threshold()
    gc.set_threshold(0)
    try:
        with garbage.seldom():
            assert gc.get_threshold()[0] == 0
    finally:
        gc.set_threshold(*before)


def test_circles_are_freed_inside_as_well() -> None:
    class Node:
        alive = 0

        def __init__(self) -> None:
            self.me = self
            Node.alive += 1

        def __del__(self) -> None:
            Node.alive -= 1

    made = 3 * garbage.YOUNGEST
    with garbage.seldom():
        for _ in range(made):
            Node()
        assert Node.alive < made
