"""A queue as a worker has it open, for tests of what lies in it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from pipeline.engine.fleet.queue import Queue


def within(url: str, work: Callable[[Queue, int], Awaitable[Any]]) -> Any:
    """Do it with an open queue, as a worker."""

    async def live() -> Any:
        it = Queue(url)
        async with it.app.open_async():
            return await work(it, await it.app.job_manager.register_worker())

    return asyncio.run(live())
