"""JoomShopping's files through the faults that every system goes through in a sync."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.testing.sync_subject import Subject
from tests.systems.joomshopping.site import Site
from tests.systems.joomshopping.test_contract import subject_of
from tests.systems.walk_contract import SourceWalk, TargetWalk


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    return subject_of(Site(tmp_path))


class TestFrom(SourceWalk):
    """Read."""


class TestTo(TargetWalk):
    """Written."""
