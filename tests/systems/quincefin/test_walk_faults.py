"""Quincefin through the faults that every system goes through in a sync."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipeline.testing.sync_subject import Subject
from tests.systems.quincefin.test_sync_contract import one_without_goods, subject_of
from tests.systems.walk_contract import SourceWalk


@pytest.fixture
def subject() -> Iterator[Subject]:
    with one_without_goods() as one:
        yield subject_of(one)


class TestFrom(SourceWalk):
    """Read."""
