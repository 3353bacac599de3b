"""What a client wants looked after besides its runs; a single service does it beside them, a fleet as jobs of its own.

Now and then, by any worker: whether its inboxes are unusually quiet, whether this machine has the client's archive, and
which moments somebody has set by hand at which a job wants to run besides its schedule (``care``); whether somebody is
to be told elsewhere of what nobody has clicked (``escalate``); once a day the tidying of the archive (``tidy``). What
may hang or take long is a job apart from what is quick, and is waited for by nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import structlog

from pipeline.engine import history, quiet, retention, sharing
from pipeline.engine.retention import LEASE, Daily
from pipeline.engine.runtime import Client
from pipeline.engine.sync.store import wakes
from pipeline.engine.tell import escalator
from pipeline.errors import MistokError

log = structlog.get_logger("mistok.care")

#: Seconds between two looks. A silence is told of after hours, and this late at most; where somebody is to be told
#: elsewhere of what nobody has clicked, minutes count. Whether a day is over is asked of the ledger.
EVERY = {"care": 600.0, "escalate": 60.0, "tidy": 600.0}
#: How long one may take.
LIMITS = {"care": timedelta(minutes=2), "escalate": timedelta(minutes=2), "tidy": LEASE}
#: After one that was ended at its limit the next comes later and later, up to so many seconds: many clients whose
#: channels hang must not have all places all the time.
LONGEST = {"care": 3600.0, "escalate": 600.0, "tidy": 21600.0}
#: A moment that is over for longer was seen, or its job does not run.
_OVER = timedelta(seconds=3 * EVERY["care"])


def following(why: str, tries: int) -> float:
    """Seconds until the next look of this kind, after ``tries`` in a row that were ended at their limit."""
    return min(EVERY[why] * 2.0 ** min(tries, 10), LONGEST[why]) if tries else EVERY[why]


def care(client: Client) -> dict[str, datetime]:
    """Look after the client. What fails is told in the log, and the rest is done all the same.

    Gives, by job, the moments (UTC) at which it wants to run besides its schedule and has not run since.
    """
    ledger, config = client.ledger, client.config
    moments: dict[str, datetime] = {}
    with _of_its_own("quiet"):
        quiet.alarm(ledger, config, quiet.examine(ledger, config, quiet.Habits()))
    with _of_its_own("archive"):
        sharing.alarm(ledger, sharing.missing_here(ledger, client.archive))
        history.forget_old_beats(ledger)
    with _of_its_own("wakes"):
        moments.update(_wakes(client))
    return moments


def escalate(client: Client) -> None:
    """Tell elsewhere what nobody has clicked in time. Raises Transient when the ledger does not answer."""
    elsewhere = escalator(client)
    try:
        elsewhere.tick()
    finally:
        elsewhere.stop()


def tidy(client: Client) -> datetime:
    """Drop what the client's archive need not keep, if the last time is a day ago; what fails is told as an alarm.

    Gives when it is to be done next (UTC). Raises Transient when the ledger does not answer.
    """
    daily = Daily(client.config, client.ledger)
    daily.tick()
    daily.wait()
    return retention.following(client.ledger)


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
