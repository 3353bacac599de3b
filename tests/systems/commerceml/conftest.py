"""Whatever was opened is closed at the end of each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.systems.commerceml.world import World


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while World.opened:
        World.opened.pop().close()
