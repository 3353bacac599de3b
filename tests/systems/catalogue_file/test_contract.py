"""A catalogue file keeps the contract of a sync's source, and goes through its faults."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.testing.sync_contract import SyncContract
from pipeline.testing.sync_subject import Subject
from tests.systems.catalogue_file.shelf import Shelf, subject_of
from tests.systems.walk_contract import SourceWalk


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    folder = tmp_path / "box"
    folder.mkdir()
    return subject_of(Shelf(folder))


class TestFile(SyncContract):
    """Told."""


class TestFrom(SourceWalk):
    """Read."""
