"""A world for the tests of the documents walk."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.documents.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)
