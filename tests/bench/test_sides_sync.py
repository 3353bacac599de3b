"""The line of a sync's plan: what either side's clock counts, and that both see the same changes."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import pytest

from pipeline.engine.sync import pooled
from pipeline.model import Offer
from tests.bench import child, made_sync, sides_sync
from tests.bench.made_sync import EVERY

COUNT = 3 * EVERY


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether the clock goes, as its only element."""
    going = [False]
    running = child.Stopwatch.running

    @contextmanager
    def noted(watch: child.Stopwatch) -> Iterator[None]:
        assert not gc.isenabled(), "the collector is off on either side"
        with running(watch):
            going[0] = True
            yield
            going[0] = False

    monkeypatch.setattr(child.Stopwatch, "running", noted)
    return going


@pytest.mark.parametrize("side", [sides_sync.plan, sides_sync.compare])
def test_making_the_offers_is_not_counted(
    side: Callable[[int], None], begun: list[bool], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made: list[bool] = []
    each = made_sync.each

    def noted(*args: object, **words: object) -> Iterator[Offer]:
        made.append(begun[0])
        return each(*args, **words)  # type: ignore[arg-type]

    monkeypatch.setattr(sides_sync, "each", noted)
    side(COUNT)
    assert json.loads(capsys.readouterr().out)["done"] == COUNT
    assert len(made) >= 2
    assert not any(made)


@pytest.mark.parametrize("whole", [False, True])
def test_keeping_equal_values_once_is_counted_where_that_is_said(
    begun: list[bool], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], whole: bool
) -> None:
    kept: list[bool] = []
    keep = pooled.Pool.kept

    def noted(pool: pooled.Pool, offers: Iterable[Offer]) -> Iterator[Offer]:
        for offer in keep(pool, offers):
            kept.append(begun[0])
            yield offer

    monkeypatch.setattr(pooled.Pool, "kept", noted)
    sides_sync.plan(COUNT, whole=whole)
    assert json.loads(capsys.readouterr().out)["done"] == COUNT
    assert kept == [whole] * 2 * COUNT, "both sides, as in a run"


def test_a_page_is_made_when_the_one_before_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sides_sync, "_PAGE", 40)
    pages = list(sides_sync._pages(100, "s", changed=True))
    assert [len(page) for page in pages] == [40, 40, 20]
    assert [one.id for page in pages for one in page] == [f"s{n}" for n in range(100)]
