"""Which cases of a matrix run: all of them where MISTOK_FULL is set (CI), else few in which every pair stands."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import combinations, product
from typing import Any

FULL = bool(os.environ.get("MISTOK_FULL"))
Case = tuple[Any, ...]


def of(case: Case) -> set[tuple[Any, ...]]:
    """The pairs of values that stand in a case."""
    return {(a, case[a], b, case[b]) for a, b in combinations(range(len(case)), 2)}


def pairs(*axes: Sequence[Any]) -> list[Case]:
    """A small set of cases in which each value of an axis meets each value of every other one. The same every time."""
    rest = list(product(*axes))
    wanted = set().union(*map(of, rest))
    found: list[Case] = []
    while wanted:
        best = max(rest, key=lambda case: len(of(case) & wanted))
        rest.remove(best)
        wanted -= of(best)
        found.append(best)
    return sorted(found, key=lambda case: [list(axis).index(value) for axis, value in zip(axes, case, strict=True)])


def chosen(*axes: Sequence[Any]) -> list[Case]:
    """The cases of this session."""
    return list(product(*axes)) if FULL else pairs(*axes)


def in_turn(*axes: Sequence[Any]) -> list[Case]:
    """The same for axes of which only the first is new here, as the others meet in another matrix: by default each of
    its values once, with the others' by turns."""
    if FULL:
        return list(product(*axes))
    return [
        (value, *(axis[place // (i + 1) % len(axis)] for i, axis in enumerate(axes[1:])))
        for place, value in enumerate(axes[0])
    ]
