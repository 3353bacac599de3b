"""The books through the faults that every system goes through in a sync."""

from __future__ import annotations

import pytest

from pipeline.testing.sync_subject import Subject
from tests.systems.books.conftest import Place
from tests.systems.books.seeded import subject_of
from tests.systems.walk_contract import SourceWalk, TargetWalk


@pytest.fixture
def subject(lite: Place) -> Subject:
    return subject_of(lite)


class TestFrom(SourceWalk):
    """Read."""


class TestTo(TargetWalk):
    """Written."""
