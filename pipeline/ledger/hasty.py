"""The ledger as a service of many clients opens it: one that does not answer must not hold up the others."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from pipeline.errors import Transient
from pipeline.ledger.store import Ledger

#: It is left alone for so long after it did not answer (seconds): at first, and at most.
FIRST, LONGEST = 2.0, 60.0


class HastyLedger(Ledger):
    """Waits a second, and then says at once that it does not answer, until it is time to ask again."""

    busy = 1000
    to_connect = {"connect_timeout": "3"}  # noqa: RUF012 - as declared above it, never changed
    _away_until = 0.0
    _wait = 0.0
    _error: Transient | None = None

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """As of every ledger."""
        with self._asked(), super().begin() as connection:
            yield connection

    @contextmanager
    def begin_lightly(self) -> Iterator[sa.Connection]:
        """As of every ledger."""
        with self._asked(), super().begin_lightly() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """As of every ledger."""
        with self._asked(), super().read() as connection:
            yield connection

    @contextmanager
    def _asked(self) -> Iterator[None]:
        if self._error is not None and time.monotonic() < self._away_until:
            raise Transient(findings=self._error.findings)
        try:
            yield
        except Transient as error:
            if error.code == "ledger":
                self._wait = min(max(self._wait * 2, FIRST), LONGEST)
                self._away_until, self._error = time.monotonic() + self._wait, error
            raise
        self._error, self._wait = None, 0.0


class QuickLedger(Ledger):
    """Waits for no server longer than a moment: for who looks at the ledgers of many clients, or is about to end."""

    busy = 5000
    to_connect = HastyLedger.to_connect
