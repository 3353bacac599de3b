"""Which tests run every day, so that all takes minutes: of those that are slow a part, and all with MISTOK_FULL (CI).

In the rooms whose tests run jobs, processes, databases and servers, a function that is tried on many variants
(servers, switches of a fake, damages) runs on one of them, which one is of its name: so each function runs, and each
variant under some of them. Where every test starts programs or kills them (``faults``, ``e2e``), each file runs its
first function, so that each fault is tried once. Elsewhere a test marked ``whole`` runs on all variants always; one
marked ``full`` runs in CI alone. Whoever names tests on the command line (``FILE::TEST``) gets them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

import pytest

#: A variant of each function.
ROOMS = frozenset(
    {"alerts", "cli", "contracts", "e2e", "engine", "faults", "formats", "ledger", "samples", "systems", "web"}
)
#: The first function of each file.
FIRST = frozenset({"e2e", "faults"})


def taken(function: str, number: int) -> int:
    """Which of a function's ``number`` variants is for every day: by its name, so that each variant takes part."""
    return crc32(function.encode()) % number


def left_out(items: Sequence[pytest.Item]) -> set[str]:
    """The node ids that are not for every day, of all that were collected."""
    variants: dict[str, list[str]] = {}
    left: set[str] = set()
    first: dict[str, str] = {}
    for item in items:
        function, bracket, _ = item.nodeid.partition("[")
        file, _, _ = function.partition("::")
        room = file.removeprefix("tests/").partition("/")[0]
        if item.get_closest_marker("full") is not None:
            left.add(item.nodeid)
            continue
        others = room in FIRST and first.setdefault(file, function) != function
        if others:
            left.add(item.nodeid)
        elif room in FIRST or (bracket and room in ROOMS and item.get_closest_marker("whole") is None):
            variants.setdefault(function, []).append(item.nodeid)
    for function, names in variants.items():
        left.update(name for place, name in enumerate(names) if place != taken(function, len(names)))
    return left
