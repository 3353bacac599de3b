"""Connections of psycopg that are given up when the server says nothing for too long while it owes an answer.

For statements that are short by nature. The limit is on silence: bytes that come, however slowly, begin it anew, and a
connection that only listens is never cut.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextvars import ContextVar
from typing import Any, TypeVar

import psycopg
from psycopg import pq

R = TypeVar("R")
#: Seconds that a connection whose statement was cancelled is waited for.
ENDING = 1.0
#: Of a pause between two looks no more counts (seconds): it is this process, or its machine, that slept.
_TICK = 1.0
#: Gives for how many seconds a server may be silent; None: for ever. It is asked again and again.
Patience = Callable[[], float | None]


def _for_ever() -> None:
    return None


#: That of the task that uses a connection of :class:`WatchedAsync`.
PATIENCE: ContextVar[Patience] = ContextVar("patience", default=_for_ever)


class Silent(psycopg.OperationalError):
    """The server owed an answer, and said nothing for too long."""


def was_silent(error: BaseException | None) -> bool:
    """Whether a server said nothing, rather than something: on an open connection, or to who wanted to be let in."""
    return isinstance(error, (Silent, psycopg.errors.ConnectionTimeout))


def until_silent(
    waits: Generator[Any, Any, R], connection: pq.abc.PGconn, patience: Patience
) -> Generator[Any, Any, R]:
    """What psycopg waits by (a generator that is sent what became ready, nothing every tenth of a second), and that
    ends the connection when there was nothing for too long. Raises Silent.
    """
    silence, last, ended = 0.0, time.monotonic(), False
    try:
        wanted = next(waits)
        while True:
            ready = yield wanted
            now = time.monotonic()
            silence, last = silence + min(now - last, _TICK), now
            if ready is None:  # begun anew: its task was cancelled, and the statement is to be
                silence, ended, ready = 0.0, True, 0
            elif ready:
                silence = 0.0
            elif connection.transaction_status == pq.TransactionStatus.ACTIVE:
                longest = ENDING if ended else patience()
                if longest is not None and silence > longest:
                    connection.finish()
                    if ended:  # which psycopg takes for the end of the statement
                        raise psycopg.errors.QueryCanceled("it said nothing to the cancelling of a statement")
                    raise Silent(f"it said nothing for {longest:g} seconds")
            wanted = waits.send(ready)
    except StopIteration as over:
        result: R = over.value
        return result


class Watched(psycopg.Connection[Any]):
    """One whose server may be silent for as long as ``patience`` says."""

    patience: Patience = staticmethod(_for_ever)

    def wait(self, gen: Generator[Any, Any, R], *words: Any, **named: Any) -> R:
        """As its parent's."""
        return super().wait(until_silent(gen, self.pgconn, self.patience), *words, **named)


class WatchedAsync(psycopg.AsyncConnection[Any]):
    """The same, for as long as :data:`PATIENCE` says; where nothing is said, for ever."""

    async def wait(self, gen: Generator[Any, Any, R], *words: Any, **named: Any) -> R:
        """As its parent's."""
        patience = PATIENCE.get()
        return await super().wait(until_silent(gen, self.pgconn, patience), *words, **named)

    async def cancel_safe(self, *, timeout: float = ENDING) -> None:  # noqa: ASYNC109 - its parent's
        """As its parent's; a server that is silent to it is not waited for any longer."""
        await super().cancel_safe(timeout=min(timeout, ENDING))
