"""How often a job looks because of hints."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pipeline.config.model import JobConfig
from pipeline.engine.desks import AT_ONCE, GAP, Desk


@pytest.fixture
def desk() -> Desk:
    return Desk("orders", JobConfig(steps=(), every=timedelta(hours=1)))


def test_files_dropped_one_by_one_are_each_looked_at_at_once(desk: Desk) -> None:
    for begun in range(AT_ONCE):
        assert desk.not_before(begun * 0.1) == begun * 0.1
        desk.begins(begun * 0.1, "watch")


def test_a_folder_that_changes_all_the_time_gives_a_run_every_half_second_on_average(desk: Desk) -> None:
    now, begun = 100.0, 0
    while now < 200:
        now = desk.not_before(now + 0.02)  # a hint at once after each run
        desk.begins(now, "watch")
        begun += 1
    assert begun <= 100 / GAP + AT_ONCE
