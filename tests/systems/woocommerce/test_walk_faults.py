"""WooCommerce through the faults that every system goes through in a sync."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipeline.testing.sync_subject import Subject
from tests.systems.walk_contract import SourceWalk, TargetWalk
from tests.systems.woocommerce.conftest import Clock
from tests.systems.woocommerce.shops import served
from tests.systems.woocommerce.test_contract import subject_of


@pytest.fixture
def subject(clock: Clock) -> Iterator[Subject]:
    with served(clock, page=20, batch=10) as shop:
        yield subject_of(shop)


class TestFrom(SourceWalk):
    """Read."""


class TestTo(TargetWalk):
    """Written."""
