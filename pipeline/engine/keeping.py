"""Keeps a lease for as long as the work takes, so that a lease can be short and a dead machine's is soon free."""

from __future__ import annotations

import threading
from datetime import timedelta

import structlog

from pipeline.errors import MistokError
from pipeline.ledger.store import Lease, Ledger

log = structlog.get_logger("mistok.lease")

#: Of an inbox. It is made longer again and again while a run works on it.
LEASE = timedelta(seconds=90)


class Keeper:
    """Makes a lease longer, again and again, while the block runs; ends with it, or with its process.

    A process that is stopped (and not killed) stops renewing with all its threads. When it wakes after its lease was
    taken over, it renews nothing, and its next transaction finds out.
    """

    def __init__(self, ledger: Ledger, lease: Lease, ttl: timedelta) -> None:
        self._ledger, self._lease, self._ttl = ledger, lease, ttl
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="mistok-lease", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_exc: object) -> None:
        self._over.set()
        self._thread.join()

    def _keep(self) -> None:
        while not self._over.wait(self._ttl.total_seconds() / 4):
            try:
                if not self._ledger.renew(self._lease, self._ttl):
                    return  # taken over: the run notices at its next transaction
            except MistokError as error:
                log.warning("lease_not_renewed", lease=self._lease.name, error=error.text.render("en"))
