"""KeepinCRM through the faults that every system goes through in a sync."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import stamina

from pipeline.testing.fakehttp import FakeServer
from pipeline.testing.sync_subject import Subject
from plugins.systems.keepincrm.fake import FakeKeepin
from tests.systems.keepincrm.world import Clock, World
from tests.systems.walk_contract import SourceWalk, TargetWalk


@pytest.fixture
def subject(fake: FakeKeepin, clock: Clock, tmp_path: Path) -> Iterator[Subject]:
    with FakeServer(fake) as server, stamina.set_testing(True, attempts=4):
        made = World(fake, server.url, clock, tmp_path)
        yield made.subject()
        made.close()


class TestFrom(SourceWalk):
    """Read."""


class TestTo(TargetWalk):
    """Written."""
