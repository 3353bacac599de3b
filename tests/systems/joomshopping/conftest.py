"""Sessions to shops are closed at the end of each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.systems.joomshopping.site import Site


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while Site.opened:
        Site.opened.pop().close()
