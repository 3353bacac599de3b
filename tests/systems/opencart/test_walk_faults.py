"""OpenCart on a real MariaDB through the faults that every system goes through in a sync."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pipeline.testing.sync_subject import Subject
from tests.systems.opencart.shops import VERSIONS, Shop
from tests.systems.opencart.test_contract import subject_of
from tests.systems.walk_contract import SourceWalk, TargetWalk

pytestmark = [pytest.mark.server("mariadb"), pytest.mark.xdist_group("mariadb-2")]


@pytest.fixture
def subject(copied: Callable[[str, bool], Shop]) -> Subject:
    return subject_of(copied(VERSIONS[-1], False))


class TestFrom(SourceWalk):
    """Read."""


class TestTo(TargetWalk):
    """Written."""
