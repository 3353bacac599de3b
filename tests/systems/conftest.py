"""What of the shared cases of systems runs in CI alone."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent
#: A process of its own for each target takes seconds.
LONG = "test_a_process_that_is_killed_before_it_could_tell_made_one_document"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark it."""
    for item in items:
        if HERE in item.path.parents and item.name.partition("[")[0] == LONG:
            item.add_marker(pytest.mark.full)
