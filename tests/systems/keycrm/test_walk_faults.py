"""KeyCRM through the faults that every system goes through in a sync."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipeline.testing.sync_subject import Subject
from tests.systems.keycrm.account import account, subject_of
from tests.systems.walk_contract import SourceWalk, TargetWalk


@pytest.fixture
def subject() -> Iterator[Subject]:
    with account() as one:
        yield subject_of(one)


class TestFrom(SourceWalk):
    """Read."""


class TestTo(TargetWalk):
    """Written."""
