"""Which tests run every day, so that all takes minutes: of those that are slow a part, and all with MISTOK_FULL (CI).

In the rooms whose tests run jobs, processes, databases and servers, a function that is tried on many variants
(servers, switches of a fake, damages) runs on one of them, which one is of its name: so each function runs, and each
variant under some of them. Where one system is asked by one suite in several ways (the classes of a file), each test of
the suite runs in one of them. Where every test starts programs or kills them (``faults``, ``e2e``), each file runs its
first function, so that each fault is tried once. Elsewhere a test marked ``whole`` runs on all variants always; one
marked ``full`` runs in CI alone. Whoever names tests on the command line (``FILE::TEST``) gets them all. A test of a
property makes a fifth of its examples every day.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from zlib import crc32

import pytest

#: A variant of each function.
ROOMS = frozenset(
    {"alerts", "cli", "contracts", "e2e", "engine", "faults", "formats", "ledger", "samples", "systems", "web"}
)
#: The first function of each file.
FIRST = frozenset({"e2e", "faults"})
#: What classes of a file have from one suite is a variant as well.
SUITES = frozenset({"systems"})


#: Read when the tests are loaded: the environment is made plain before each of them.
_FULL = bool(os.environ.get("MISTOK_FULL"))


def examples(whole: int) -> int:
    """How many examples a property is tried on: ``whole`` in CI, every day a fifth of them, but 20 at least."""
    return whole if _FULL else min(whole, max(whole // 5, 20))


def taken(function: str, number: int) -> int:
    """Which of a function's ``number`` variants is for every day: by its name, so that each variant takes part."""
    return crc32(function.encode()) % number


def _of_a_suite(item: pytest.Item) -> bool:
    """Whether the test is one that its class has from a suite of another module."""
    function = getattr(item, "function", None)
    return function is not None and function.__module__ != getattr(item, "module").__name__  # noqa: B009 - of functions


def left_out(items: Sequence[pytest.Item]) -> set[str]:
    """The node ids that are not for every day, of all that were collected."""
    variants: dict[str, list[str]] = {}
    left: set[str] = set()
    first: dict[str, str] = {}
    for item in items:
        function = item.nodeid.partition("[")[0]
        file, _, _ = function.partition("::")
        room = file.removeprefix("tests/").partition("/")[0]
        if item.get_closest_marker("full") is not None:
            left.add(item.nodeid)
            continue
        others = room in FIRST and first.setdefault(file, function) != function
        if others:
            left.add(item.nodeid)
        elif room in FIRST:
            variants.setdefault(function, []).append(item.nodeid)
        elif room in ROOMS and item.get_closest_marker("whole") is None:
            if room in SUITES and _of_a_suite(item):
                function = f"{file}::{function.rpartition('::')[2]}"
            variants.setdefault(function, []).append(item.nodeid)
    for function, names in variants.items():
        left.update(name for place, name in enumerate(names) if place != taken(function, len(names)))
    return left
