"""What a client wants looked after besides its runs; a single service does it beside them, a fleet as a job of its own.

Every few minutes, by any worker: whether its inboxes are unusually quiet, whether somebody is to be told elsewhere of
what nobody has clicked, whether this machine has the client's archive; once a day the tidying of the archive; and which
moments somebody has set by hand at which a job wants to run besides its schedule.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import structlog

from pipeline.config.model import ClientConfig
from pipeline.engine import history, quiet, sharing
from pipeline.engine.retention import LEASE, Daily
from pipeline.engine.runtime import Client
from pipeline.engine.sync.store import wakes
from pipeline.engine.tell import escalator
from pipeline.errors import MistokError

log = structlog.get_logger("mistok.care")

#: Seconds between two looks at a client. A silence is told of after hours, and this late at most; where somebody is to
#: be told elsewhere of what nobody has clicked, minutes count.
EVERY, EVERY_TELLING = 600.0, 60.0
#: How long one may take: the tidying of a large archive is the longest of it.
LIMIT = LEASE
#: A moment that is over for longer was seen, or its job does not run.
_OVER = timedelta(seconds=3 * EVERY)


def every(config: ClientConfig) -> float:
    """Seconds between two looks at this client."""
    return EVERY_TELLING if config.alerts.escalate else EVERY


def care(client: Client) -> dict[str, datetime]:
    """Look after the client. What fails is told in the log, and the rest is done all the same.

    Gives, by job, the moments (UTC) at which it wants to run besides its schedule and has not run since.
    """
    ledger, config = client.ledger, client.config
    moments: dict[str, datetime] = {}
    with _of_its_own("quiet"):
        quiet.alarm(ledger, config, quiet.examine(ledger, config, quiet.Habits()))
    with _of_its_own("escalate"):
        elsewhere = escalator(client)
        try:
            elsewhere.tick()
        finally:
            elsewhere.stop()
    with _of_its_own("archive"):
        sharing.alarm(ledger, sharing.missing_here(ledger, client.archive))
        daily = Daily(config, ledger)
        daily.tick()
        daily.wait()
        history.forget_old_beats(ledger)
    with _of_its_own("wakes"):
        moments.update(_wakes(client))
    return moments


def _wakes(client: Client) -> Iterator[tuple[str, datetime]]:
    """What a single service finds out as it begins: a moment that is over counts when no run has begun since."""
    ledger, now = client.ledger, client.clock.now()
    found = [(job, at) for job, at in wakes(ledger) if job in client.config.jobs and at > now - _OVER]
    last = history.last_runs(ledger, {job for job, _ in found}) if found else {}
    for job, moment in sorted(found, key=lambda one: one[1], reverse=True):  # of two the first one stays
        before = last.get(job)
        if moment > now or before is None or before.started < moment:
            yield job, moment


@contextmanager
def _of_its_own(what: str) -> Iterator[None]:
    try:
        yield
    except MistokError as error:
        log.error("care_failed", doing=what, code=error.code, error=error.text.render("en"))
