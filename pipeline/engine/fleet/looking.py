"""How a worker looks for work: Procrastinate's manager of jobs, with our own way to the next one.

See :mod:`pipeline.engine.fleet.schema` for what is in the database.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable
from typing import Any

import psycopg
from procrastinate.exceptions import ConnectorException, UniqueViolation
from procrastinate.jobs import Job
from procrastinate.manager import JobManager, NotificationCallback

from pipeline.engine.fleet import schema
from pipeline.engine.fleet.queue import Names

#: Seconds between two looks because a run was asked for. Of hundreds a second, most are for other workers.
WAKE_EVERY = 0.05
#: Seconds between two times that a worker tells that it uses a set.
_TOLD_EVERY = 3600.0

KEEP_SET = """
WITH made AS (
    INSERT INTO mistok_queue_sets (id) VALUES (%(set_id)s)
    ON CONFLICT (id) DO UPDATE SET used = clock_timestamp() RETURNING id
)
INSERT INTO mistok_set_queues (set_id, queue_name)
SELECT made.id, name FROM made, unnest(%(names)s::text[]) AS name ON CONFLICT DO NOTHING
"""
FORGET_SETS = f"""
WITH gone AS (
    DELETE FROM mistok_queue_sets WHERE used < clock_timestamp() - interval '{schema.KEPT_FOR}' RETURNING id
)
DELETE FROM mistok_set_queues AS one USING gone WHERE one.set_id = gone.id
"""  # noqa: S608 - a constant of our own
FETCH_ONE = f"""
SELECT id, status, task_name, priority, lock, queueing_lock, args, scheduled_at, queue_name, attempts, worker_id
FROM {schema.FETCH}(%(set_id)s, %(timers)s, %(worker_id)s)
"""  # noqa: S608 - the same


class LookingManager(JobManager):
    """As its parent; looks for work by :data:`pipeline.engine.fleet.schema.FETCH` where it is given :class:`Names`."""

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> Job | None:
        """The next job of these queues, which is this worker's from now on."""
        if not isinstance(queues, Names):
            return await super().fetch_job(queues, worker_id)
        if queues.gate is not None and not await queues.gate.opens():
            return None
        if time.monotonic() - queues.told > _TOLD_EVERY:
            await self._tell(queues)
        try:
            row = await self._fetch(queues, worker_id)
        except UniqueViolation:  # another run of the same client was begun in the same moment: look again later
            return None
        except ConnectorException as error:
            if not isinstance(error.__cause__, psycopg.errors.NoDataFound):
                raise
            await self._tell(queues)  # it was forgotten, as after a very long sleep
            row = await self._fetch(queues, worker_id)
        if row["id"] is None:
            return None
        if queues.gate is not None:
            queues.gate.passed()
        return Job.from_row(row)

    async def _fetch(self, names: Names, worker_id: int) -> dict[str, Any]:
        return await self.connector.execute_query_one_async(
            FETCH_ONE, set_id=names.set_id, timers=names.timers, worker_id=worker_id
        )

    async def _tell(self, names: Names) -> None:
        now, set_id = time.monotonic(), names.set_id
        await self.connector.execute_query_async(KEEP_SET, set_id=set_id, names=list(names))
        await self.connector.execute_query_async(FORGET_SETS)
        if set_id == names.set_id:
            names.told = now

    async def listen_for_jobs(
        self, *, on_notification: NotificationCallback, queues: Iterable[str] | None = None
    ) -> None:
        """Hear of runs that are asked for, whoever's they are: of the first at once, of many together."""
        del queues
        loop = asyncio.get_running_loop()
        heard_at = float("-inf")
        waking: set[asyncio.Task[None]] = set()  #: the one that is on its way

        async def wake(channel: str, payload: str, wait: float) -> None:
            nonlocal heard_at
            await asyncio.sleep(wait)
            heard_at = loop.time()
            await on_notification(channel=channel, notification=json.loads(payload))

        async def heard(channel: str, payload: str) -> None:
            if any(not one.done() for one in waking):
                return  # it finds this run as well
            wait = heard_at + WAKE_EVERY - loop.time()
            if wait <= 0:
                await wake(channel, payload, 0)
            else:
                waking.clear()
                waking.add(asyncio.create_task(wake(channel, payload, wait)))

        try:
            await self.connector.listen_notify(on_notification=heard, channels=[schema.RUNS])
        finally:
            for one in waking:
                one.cancel()
