"""KeepinCRM's connector when the account is busy, fails, falls silent, or tells what it should not."""

from __future__ import annotations

import pytest

from pipeline.testing.wire_contract import Wire, WireContract
from tests.systems.keepincrm.world import World


class TestKeepin(WireContract):
    @pytest.fixture
    def wire(self, world: World) -> Wire:
        return world.wire()
