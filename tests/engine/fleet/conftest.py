"""A queue of one's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipeline.engine.fleet.queue import prepare
from tests.servers.postgresql import Postgres


@pytest.fixture
def queue_url(postgres_server: Postgres) -> Iterator[str]:
    """URL of a database that is an empty queue; dropped after the test."""
    with postgres_server.database("queue", prepare) as url:
        yield url
