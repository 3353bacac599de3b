"""An exchange by CommerceML through the faults that every system goes through in a sync."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.testing.sync_subject import Subject
from tests.systems.commerceml.test_contracts import ACCOUNTING, accounting_subject, shop_subject
from tests.systems.walk_contract import SourceWalk, TargetWalk


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    return accounting_subject(next(iter(ACCOUNTING.values()))(tmp_path))


class TestFrom(SourceWalk):
    """An accounting program is read."""

    shrunk = "done"


class TestTo(TargetWalk):
    """A shop is written to."""

    @pytest.fixture
    def subject(self, tmp_path: Path) -> Subject:
        return shop_subject(tmp_path)
