"""One API key's allowance, shared through the ledger by all jobs, processes and machines of one client."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import uuid4

import sqlalchemy as sa

from pipeline import allowance
from pipeline.allowance import Allowance
from pipeline.errors import Transient
from pipeline.ledger import tables as t
from pipeline.ledger.store import Lease, Ledger, owner_is_dead
from pipeline.ports import Limits, Pacer

KIND = "pace"
#: A request under way counts so long at most when its process is gone without a word.
FLIGHT = timedelta(seconds=allowance.FLIGHT)
_LOOK = 0.02  #: seconds between two looks for a free place


@dataclass
class _Turn:
    """One turn that is waited for. What it has slept has passed, whatever a clock says that stands still."""

    name: str = field(default_factory=lambda: uuid4().hex)
    began: datetime | None = None
    slept: float = 0.0  #: seconds

    def now(self, told: datetime) -> datetime:
        """The moment, when the ledger's clock says ``told``."""
        if self.began is None:
            self.began = told
        return max(told, self.began + timedelta(seconds=self.slept))


class LedgerPacer:
    """See :class:`pipeline.ports.Pacer`. Times are those of the ledger's database, which all machines share."""

    def __init__(self, ledger: Ledger, sleep: Callable[[float], None] = time.sleep) -> None:
        self._ledger, self._sleep = ledger, sleep

    @contextmanager
    def turn(self, key: str, limits: Limits) -> Iterator[None]:
        """See Pacer. Raises Transient when the ledger does not answer."""
        lease = self._board(key, limits.in_flight) if limits.in_flight else None
        try:
            if not limits.per_minute and not limits.per_second:
                yield
                return
            turn = _Turn()
            while wait := self._wait(key, limits, turn):
                self._nap(wait, turn)
            try:
                yield
            finally:
                if limits.per_minute:
                    self._land(key, turn)
        finally:
            if lease is not None:
                self._ledger.release(lease)

    def leave_alone(self, key: str, seconds: float) -> None:
        """See Pacer."""
        with self._ledger.begin() as conn:
            self._alone(conn, key)
            now = self._ledger.database_now(conn).timestamp()
            used = Allowance.read(self._ledger.get_value(conn, KIND, key), now)
            used.until = max(used.until, now + seconds)
            self._ledger.set_value(conn, KIND, key, used.said)

    def _nap(self, seconds: float, turn: _Turn) -> None:
        self._sleep(seconds)
        turn.slept += seconds

    def _wait(self, key: str, limits: Limits, turn: _Turn) -> float:
        """Seconds until the next turn; 0: it is ours, and counted."""
        with self._ledger.begin() as conn:
            self._alone(conn, key)
            now = turn.now(self._ledger.database_now(conn)).timestamp()
            used = Allowance.read(self._ledger.get_value(conn, KIND, key), now)
            wait = used.wait(now, limits)
            if wait <= 0:
                used.take(turn.name, now, limits)
                self._ledger.set_value(conn, KIND, key, used.said)
            return wait

    def _land(self, key: str, turn: _Turn) -> None:
        """The request is answered: from now on it counts by this moment."""
        with suppress(Transient), self._ledger.begin() as conn:  # unsaid, it counts as under way a while longer
            self._alone(conn, key)
            now = turn.now(self._ledger.database_now(conn)).timestamp()
            used = Allowance.read(self._ledger.get_value(conn, KIND, key), now)
            used.land(turn.name, now)
            self._ledger.set_value(conn, KIND, key, used.said)

    def _board(self, key: str, places: int) -> Lease:
        turn = _Turn()
        while True:
            for place in range(places):
                lease = self._take(f"flight:{key}:{place}", turn)
                if lease is not None:
                    return lease
            self._nap(_LOOK, turn)

    def _take(self, name: str, turn: _Turn) -> Lease | None:
        """The lease of one place. Unlike a job's it excludes this very process too: its threads share an owner."""
        ledger, row = self._ledger, t.leases
        with ledger.begin() as conn:
            self._alone(conn, name)
            now = turn.now(ledger.database_now(conn))
            held = conn.execute(row.select().where(row.c.client == ledger.client, row.c.name == name)).first()
            if held and held.owner and held.until > now and not owner_is_dead(held.owner):
                return None
            lease = Lease(name, ledger.owner, (held.fence if held else 0) + 1, now + FLIGHT)
            values = {"client": ledger.client, "name": name, "owner": lease.owner, "until": lease.until}
            ledger.upsert(conn, row, values | {"fence": lease.fence}, keys=("client", "name"))
        return lease

    @staticmethod
    def _alone(conn: sa.Connection, name: str) -> None:
        if conn.dialect.name == "postgresql":  # SQLite's writing transactions exclude each other anyway
            conn.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(f"{KIND}:{name}"))))


_pacer: type[Pacer] = LedgerPacer
