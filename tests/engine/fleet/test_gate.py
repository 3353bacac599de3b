"""A worker takes a run out of the queue only where it has a place for it."""

from __future__ import annotations

import asyncio

from pipeline.engine.fleet import gate
from pipeline.engine.fleet.gate import RunGate


def test_it_is_open_for_as_many_as_have_a_place_and_those_on_their_way_count() -> None:
    async def live() -> None:
        places = 2
        it = RunGate(lambda: places)
        for _ in range(2):
            assert await it.opens()
            it.passed()
        looking = asyncio.create_task(it.opens())
        await asyncio.sleep(0)
        assert not looking.done()
        it.arrived()
        it.freed()
        assert await looking
        it.passed()
        places = 3
        assert await it.opens()
        it.shut()
        assert not await it.opens(), "for good"

    asyncio.run(live())


def test_a_look_does_not_wait_for_long() -> None:
    async def live() -> None:
        assert not await RunGate(lambda: 0).opens()

    assert gate._LONGEST <= 1.0
    asyncio.run(live())
