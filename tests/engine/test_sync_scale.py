"""Many products between two systems: only what changed is written, in the largest batches, inside the API's limit."""

from __future__ import annotations

from math import ceil
from pathlib import Path
from typing import Any

import pytest

from tests.engine.limited import PAGE, Quirks, Scale, scale

SMALL, LARGE = 600, 10_000


def counts(made: Scale, **options: Any) -> dict[str, int]:
    report = made.run(**options)
    assert report.state == "done", [str(one.text) for step in report.steps for one in step.findings]
    return dict(report.counts)


@pytest.mark.parametrize("count", [SMALL, pytest.param(LARGE, marks=pytest.mark.full)])
def test_only_what_changed_is_written(tmp_path: Path, count: int) -> None:
    with scale(tmp_path) as made:
        made.fill(count)
        assert counts(made) == {"new": count}
        assert len(made.api.asked("POST")) == ceil(count / 500)
        changed = made.change(100)
        made.api.forget()
        assert counts(made)["updated"] == changed
        assert len(made.api.written) == changed
        assert all(row.keys() == {"price"} for _own, row in made.api.written)
        assert len(made.api.asked("PUT")) == ceil(changed / 500)
        assert made.api.asked("GET") == [], "between two looks at everything the target is not read"
        made.api.forget()
        assert counts(made, full=True) == {"matched": count}
        assert {one.method for one in made.api.asked()} == {"GET"}
        assert made.api.refused == 0


@pytest.mark.parametrize("window", ["sliding", "fixed"])
def test_the_limit_is_used_fully_and_never_broken(tmp_path: Path, window: Any) -> None:
    """Two minutes' worth of writes and one more, right after the reading: the last goes when two minutes are over."""
    with scale(tmp_path, quirks=Quirks(window=window), per_minute=10, largest=5) as made:
        made.fill(105)
        counts(made)
        made.clock.sleep(120)
        assert made.change(1) == 105
        made.api.forget()
        begun = made.clock.seconds
        assert counts(made)["updated"] == 105
        assert len(made.api.asked("PUT")) == 21
        assert made.clock.seconds - begun <= 1.05 * 2 * 60
        assert made.api.refused == 0


def test_what_comes_while_pages_are_read_is_neither_lost_nor_doubled(tmp_path: Path) -> None:
    with scale(tmp_path) as made:
        made.fill(3 * PAGE)
        counts(made)
        made.api.meanwhile = [{"sku": f"NEW-{n}", "name": "Нове", "price": 1, "weight": 1} for n in range(2)]
        assert counts(made, full=True) == {"matched": 3 * PAGE}
        assert made.api.written == []
