"""Procrastinate's way to PostgreSQL, for workers that outlive a restart of the database: they wait for it.

Procrastinate's own worker ends when its heartbeat, its listening or its asking for jobs meets a broken connection. Here
each statement is tried again until the database is back, or can be written again. One that says nothing on an open
connection is away, too: all statements of a queue are short. Said twice, none does harm: an ask
that was heard the first time is refused by its ``queueing_lock``, an end that was written is not found again, and a job
that was handed out and never arrived is put back (:meth:`pipeline.engine.fleet.queue.Queue.put_back_one`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import psycopg
import psycopg.rows
import structlog
from procrastinate import PsycopgConnector
from procrastinate.connector import Notify
from procrastinate.exceptions import ConnectorException
from procrastinate.sync_psycopg_connector import wrap_exceptions

from pipeline.pgwatched import ENDING, PATIENCE, Silent, WatchedAsync
from pipeline.sqlstates import READ_ONLY, passing, sqlstate

log = structlog.get_logger("mistok.queue")

R = TypeVar("R")


@dataclass(eq=False, slots=True)
class _Call:
    """A statement under way, and whether it was ended since the worker ends."""

    task: asyncio.Task[Any]
    ended: bool = False


async def _awaited(do: Callable[[], Awaitable[R]]) -> R:
    return await do()


#: Seconds between two tries: the first, and the longest.
FIRST, LONGEST = 0.2, 5.0
#: Seconds that the database may be silent while it owes an answer: for one statement, and where it waits for other
#: workers. Each time longer, up to the last: one that has very much to do gets through.
SILENCE, SILENCE_IN_TURN, LONGEST_SILENCE = 10.0, 30.0, 120.0
#: Seconds that a statement waits for a connection, before the database is taken for away.
PLACE = 15.0
#: What is under way is given so many seconds when the worker ends at once.
_LAST_MOMENT = 2.0
#: A statement that took so many seconds was one of a database that was as good as away: others' signs of life may be
#: old for the same reason.
AS_GOOD_AS_AWAY = 5.0


class PatientConnector(PsycopgConnector):
    """As its parent, patient."""

    def __init__(self, **words: Any) -> None:
        super().__init__(connection_class=WatchedAsync, timeout=PLACE, **words)
        self.away = False  #: whether the database did not answer the last time
        self.back = float("-inf")  #: when it was back from being away, by the steady clock
        self.given_up = False  #: the worker ends at once: no more patience
        self._calls: set[_Call] = set()

    def give_up(self) -> None:
        """From now on nothing is waited for any longer than a moment. From the loop."""
        self.given_up = True
        asyncio.get_running_loop().call_later(_LAST_MOMENT, self._end_calls)

    def _end_calls(self) -> None:
        for call in self._calls:
            call.ended = True
            call.task.cancel()

    async def execute_query_async(self, query: Any, **arguments: Any) -> None:
        """One statement. The end of a job that is over already, or was put back meanwhile, is no news."""
        try:
            await self._patiently(lambda: super(PatientConnector, self).execute_query_async(query, **arguments))
        except ConnectorException as error:
            if not isinstance(error.__cause__, psycopg.errors.RaiseException) or "was not found" not in str(
                error.__cause__
            ):
                raise
            log.warning("job_ended_twice", error=str(error.__cause__).splitlines()[0])

    async def execute_query_one_async(self, query: Any, **arguments: Any) -> dict[str, Any]:
        """One statement that gives one row."""
        one: Callable[[], Awaitable[dict[str, Any]]] = lambda: super(  # noqa: E731 - so that mypy knows what it gives
            PatientConnector, self
        ).execute_query_one_async(query, **arguments)
        return await self._patiently(one)

    async def execute_query_all_async(self, query: Any, **arguments: Any) -> list[dict[str, Any]]:
        """One statement that gives rows."""
        rows: Callable[[], Awaitable[list[dict[str, Any]]]] = lambda: super(  # noqa: E731 - the same
            PatientConnector, self
        ).execute_query_all_async(query, **arguments)
        return await self._patiently(rows)

    async def in_transaction(self, work: Callable[[psycopg.AsyncCursor[dict[str, Any]]], Awaitable[R]]) -> R:
        """Several statements as one transaction; after a break all of it anew."""

        async def once() -> R:
            with wrap_exceptions():
                async with (
                    self.pool.connection() as conn,
                    _no_reader(conn),
                    conn.transaction(),
                    conn.cursor(row_factory=psycopg.rows.dict_row) as cursor,
                ):
                    return await work(cursor)

        return await self._patiently(once, SILENCE_IN_TURN)

    async def listen_notify(self, on_notification: Notify, channels: Iterable[str]) -> None:
        """Listen, for as long as it is wanted."""
        names = list(channels)
        await self._patiently(lambda: super(PatientConnector, self).listen_notify(on_notification, names))

    @asynccontextmanager
    async def _get_cursor(self, connection: psycopg.AsyncConnection[Any] | None = None) -> AsyncIterator[Any]:
        async with super()._get_cursor(connection) as cursor, _no_reader(cursor.connection):
            yield cursor

    async def _patiently(self, do: Callable[[], Awaitable[R]], silence: float | None = None) -> R:
        wait, longest = FIRST, SILENCE if silence is None else silence
        while True:
            began = time.monotonic()
            before = PATIENCE.set(partial(self._patience, longest))
            try:
                result = await self._call(do)
            except ConnectorException as error:
                if self.given_up or not is_broken(error):
                    raise
                if isinstance(error.__cause__, Silent):
                    longest = min(longest * 2, LONGEST_SILENCE)
                if not self.away:
                    self.away = True
                    log.error("queue_away", error=str(error.__cause__).strip())
            else:
                if self.away or (silence is None and time.monotonic() - began > AS_GOOD_AS_AWAY):
                    self.back = time.monotonic()
                if self.away:
                    self.away = False
                    log.info("queue_back")
                return result
            finally:
                PATIENCE.reset(before)
            await asyncio.sleep(wait)
            wait = min(wait * 2, LONGEST)

    async def _call(self, do: Callable[[], Awaitable[R]]) -> R:
        task = asyncio.current_task()
        assert task is not None
        if self.given_up:
            try:
                return await asyncio.wait_for(_awaited(do), _LAST_MOMENT)
            except TimeoutError as error:
                raise ConnectorException from error
        call = _Call(task)
        self._calls.add(call)
        try:
            return await do()
        except asyncio.CancelledError as error:
            if not call.ended:
                raise
            task.uncancel()
            raise ConnectorException from error
        finally:
            self._calls.discard(call)

    def _patience(self, seconds: float) -> float:
        return ENDING if self.given_up else seconds


@asynccontextmanager
async def _no_reader(connection: psycopg.AsyncConnection[Any]) -> AsyncIterator[None]:
    """Ends a session that may only read: it stays so when its server can write again, and a new one does not."""
    try:
        yield
    except psycopg.Error as error:
        if sqlstate(error) == READ_ONLY:
            await connection.close()
        raise


def is_broken(error: ConnectorException) -> bool:
    """Whether the connection broke or could not be had, or the database cannot be used now, such as one that is
    read-only after a failover; rather than the database having an objection.
    """
    cause = error.__cause__
    return isinstance(cause, _BROKEN) or passing(cause) is not None


#: The last one: the database ended a transaction in which we said nothing for too long, as after a sleep.
_BROKEN = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.IdleInTransactionSessionTimeout)
