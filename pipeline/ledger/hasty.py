"""The ledger as a service of many clients opens it: one that does not answer must not hold up the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa

from pipeline import pgsilence
from pipeline.errors import Transient
from pipeline.ledger.reaching import was_silent
from pipeline.ledger.store import Ledger
from pipeline.texts import T

#: It is left alone for so long after it did not answer (seconds): at first, and at most.
FIRST, LONGEST = 2.0, 60.0


@dataclass(slots=True)
class _Silence:
    """A server that said nothing: for how many seconds it is left alone, and until when."""

    wait: float = 0.0
    until: float = float("-inf")


class _Servers:
    """Database servers that say nothing, whatever ledger on them is asked: not every client finds out by itself."""

    def __init__(self) -> None:
        self._silent: dict[object, _Silence] = {}
        self._lock = threading.Lock()

    def left_alone(self, url: sa.URL) -> bool:
        """Whether this one is left alone now."""
        with self._lock:
            known = self._silent.get(_server(url))
            return known is not None and time.monotonic() < known.until

    def was_silent(self, url: sa.URL) -> None:
        """It said nothing just now: it is left alone, ever longer."""
        with self._lock:
            known = self._silent.setdefault(_server(url), _Silence())
            known.wait = min(max(known.wait * 2, FIRST), LONGEST)
            known.until = time.monotonic() + known.wait

    def answered(self, url: sa.URL) -> None:
        """It is there."""
        if self._silent:
            with self._lock:
                self._silent.pop(_server(url), None)


def _server(url: sa.URL) -> object:
    return url.host, url.port, url.query.get("host"), url.query.get("port")


_servers = _Servers()


class HastyLedger(Ledger):
    """Waits a moment, and then says at once that it does not answer, until it is time to ask again."""

    busy = 1000
    to_connect = pgsilence.to_connect(3)
    silence = 5.0
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

    def _migrate(self) -> None:
        with self._asked():
            super()._migrate()

    @contextmanager
    def _asked(self) -> Iterator[None]:
        if self._error is not None and time.monotonic() < self._away_until:
            raise Transient(findings=self._error.findings)
        if self.path is None and _servers.left_alone(self.url):
            raise self.no_answer(T("its database server said nothing a moment ago"))
        try:
            yield
        except Transient as error:
            if error.code == "ledger":
                self._wait = min(max(self._wait * 2, FIRST), LONGEST)
                self._away_until, self._error = time.monotonic() + self._wait, error
                if self.path is None and was_silent(error):
                    _servers.was_silent(self.url)
            raise
        self._error, self._wait = None, 0.0
        if self.path is None:
            _servers.answered(self.url)


class QuickLedger(Ledger):
    """Waits for no server longer than a moment: for who looks at the ledgers of many clients, or is about to end."""

    busy = 5000
    to_connect = HastyLedger.to_connect
    silence = 15.0
