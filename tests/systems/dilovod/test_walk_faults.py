"""Dilovod through the faults that every system goes through in a sync."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipeline.testing.sync_subject import Subject
from tests.systems.dilovod.base import SYNCED, base, subject_of, with_cost_type
from tests.systems.walk_contract import SourceWalk


@pytest.fixture
def subject() -> Iterator[Subject]:
    with base(page=50) as one:
        one.settings |= SYNCED
        yield subject_of(with_cost_type(one))


class TestFrom(SourceWalk):
    """Read."""
