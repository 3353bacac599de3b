"""How much is tried: the same examples at every run by default, more with MISTOK_FULL, others with MISTOK_FUZZ."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings

#: read when the tests are collected: the environment is made plain before each test
_FULL = bool(os.environ.get("MISTOK_FULL"))
#: a number of examples, chosen anew at each run: for a night, not for CI
_FREE = int(os.environ.get("MISTOK_FUZZ") or 0)


def examples(few: int, many: int) -> Callable[[Any], Any]:
    """Settings of a property test: ``few`` examples, ``many`` in the full matrix; reproducible, without deadlines."""
    return settings(
        max_examples=_FREE or (many if _FULL else few),
        derandomize=not _FREE,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
