"""Which tests of a function that stands in many variants run every day: few of them, and all with MISTOK_FULL (CI).

In the rooms whose tests run jobs, processes, databases and servers, a function that is tried on more than a few
variants (servers, switches of a fake, damages) runs on some, spread evenly over the list: the first, the last, and
what lies between. Each function runs at least so often. A test marked ``whole`` runs on all of them always; one marked
``full`` runs in CI alone. Whoever names tests on the command line (``FILE::TEST``) gets them all.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

ROOMS = frozenset({"alerts", "cli", "e2e", "engine", "faults", "ledger", "systems"})
FEW = 2  #: variants of a test function


def spread(number: int, few: int = FEW) -> list[int]:
    """The places of a list of ``number`` that are taken: ``few`` of them, evenly, with both ends; all when no more."""
    if number <= few:
        return list(range(number))
    return sorted({round(n * (number - 1) / (few - 1)) for n in range(few)})


def left_out(items: Sequence[pytest.Item]) -> set[str]:
    """The node ids that are not for every day, of all that were collected."""
    variants: dict[str, list[str]] = {}
    alone: set[str] = set()
    for item in items:
        if item.get_closest_marker("full") is not None:
            alone.add(item.nodeid)
            continue
        function, bracket, _ = item.nodeid.partition("[")
        room = function.removeprefix("tests/").partition("/")[0]
        if bracket and room in ROOMS and item.get_closest_marker("whole") is None:
            variants.setdefault(function, []).append(item.nodeid)
    few = {name for names in variants.values() for place, name in enumerate(names) if place not in spread(len(names))}
    return few | alone
