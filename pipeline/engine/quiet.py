"""Nothing has arrived for unusually long: is the shop quiet, or is the pipe broken?

The habit of each inbox is learned from the client's own ledger (:mod:`pipeline.rules.arrivals`). What the last look at
the folder saw, how the connection stands and when anybody looked at all decide what is said, and to whom.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
import structlog

from pipeline.alerts import notices
from pipeline.config.model import ClientConfig, JobConfig
from pipeline.engine import backoff, history
from pipeline.engine.inbox import chosen
from pipeline.errors import Finding, Who
from pipeline.flow import InboundSettings
from pipeline.ledger import tables as t
from pipeline.ledger.store import Ledger
from pipeline.rules import arrivals
from pipeline.rules.arrivals import Habit
from pipeline.texts import TN, T, Text

log = structlog.get_logger("mistok.quiet")

_SIGHT = "sight"
#: What a look saw is written down this often at most, while it is the same.
_SIGHT_EVERY = timedelta(minutes=1)
#: A habit is learned anew after this.
LEARN_EVERY = timedelta(hours=6)
#: Nobody has looked when the last look is older than this and than three turns of the job.
_NO_LOOK = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Inbox:
    """How it stands with one inbox."""

    job: str
    connection: str
    folder: str
    last: datetime | None  #: when the last file came, by our own first look at it
    looked: datetime | None  #: when the folder was last listed
    listed: int | None  #: how many files it had then
    rule: str  #: learned, fixed, learning (too little is known yet) or off
    alarm_at: datetime | None  #: from when on silence is unusual
    finding: Finding | None = None  #: why, when it is unusual now

    @property
    def name(self) -> str:
        """For people: ``site/orders``."""
        return f"{self.connection}/{self.folder}".rstrip("/")


class Habits:
    """What is usual, learned when first asked for and now and then anew."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], tuple[datetime, Habit | None]] = {}

    def of(self, ledger: Ledger, config: ClientConfig, settings: InboundSettings) -> Habit | None:
        """The habit of an inbox, or None when too little is known. Raises Transient (ledger)."""
        now, key = ledger.clock.now(), (settings.inbox, settings.folder)
        known = self._known.get(key)
        if known is None or not timedelta(0) <= now - known[0] < LEARN_EVERY:
            known = self._known[key] = now, arrivals.learn(_arrivals(ledger, *key, now), config.zone, now)
        return known[1]


def saw(ledger: Ledger, settings: InboundSettings, names: Iterable[str]) -> None:
    """A look at an inbox listed these names: write down how many, unless the same was written a moment ago."""
    name, now = f"{settings.inbox}/{settings.folder}", ledger.clock.now()
    whole = settings.model_copy(update={"pattern": "*"})  # what is still being written, or hidden, is no file yet
    files = [file for file in names if chosen(file, whole)]
    value = {"listed": len(files), "chosen": sum(chosen(file, settings) for file in files)}
    with ledger.read() as conn:
        before = ledger.get_value(conn, _SIGHT, name)
    if before and {key: before[key] for key in value} == value:
        age = now - datetime.fromisoformat(before["at"])
        if timedelta(0) <= age < _SIGHT_EVERY:
            return
    with ledger.begin() as conn:
        ledger.set_value(conn, _SIGHT, name, {**value, "at": now.isoformat()})


def examine(ledger: Ledger, config: ClientConfig, habits: Habits) -> list[Inbox]:
    """How it stands with every inbox of jobs that are enabled. Raises Transient (ledger)."""
    found: dict[tuple[str, str], Inbox] = {}
    for name, job in config.jobs.items():
        for step in job.steps:
            if isinstance(step.params, InboundSettings) and job.enabled:
                key = (step.params.inbox, step.params.folder)
                if key not in found:
                    found[key] = _examine(ledger, config, habits, name, job, step.params)
    return list(found.values())


def alarm(ledger: Ledger, config: ClientConfig, inboxes: list[Inbox]) -> None:
    """Tell of each unusual silence once until it changes, and of its end. Raises Transient (ledger)."""
    for inbox in inboxes:
        subject = f"inbox:{inbox.name}"[:80]
        code = inbox.finding.code if inbox.finding else ""
        with ledger.read() as conn:
            before = ledger.get_value(conn, "alarm", subject) or {}
        if before.get("code", "") == code:
            continue
        now = ledger.clock.now()
        with ledger.begin() as conn:
            since = before.get("since") if before.get("code") else None
            if inbox.finding is not None:
                since = since or (inbox.last or now).isoformat()
                ledger.notify(conn, notices.quiet(subject, inbox.name, inbox.finding))
                log.warning("quiet", inbox=inbox.name, code=code, since=since)
            elif since is not None and inbox.last is not None and inbox.last > datetime.fromisoformat(since):
                zone = config.zone
                told = datetime.fromisoformat(since).astimezone(zone)
                ledger.notify(conn, notices.quiet_no_more(subject, inbox.name, told, inbox.last.astimezone(zone)))
                log.info("quiet_no_more", inbox=inbox.name)
            ledger.set_value(conn, "alarm", subject, {"code": code, "at": now.isoformat(), "since": since})


# --- one inbox ---------------------------------------------------------------------------------------------------


def _examine(
    ledger: Ledger, config: ClientConfig, habits: Habits, name: str, job: JobConfig, settings: InboundSettings
) -> Inbox:
    now = ledger.clock.now()
    with ledger.read() as conn:
        sight: dict[str, Any] = ledger.get_value(conn, _SIGHT, f"{settings.inbox}/{settings.folder}") or {}
        last = _last_arrival(conn, ledger.client, settings)
    looked = datetime.fromisoformat(sight["at"]) if sight else None
    habit = None
    if settings.quiet_alarm == "off" or last is None:
        rule, at = ("off" if settings.quiet_alarm == "off" else "learning"), None
    elif isinstance(settings.quiet_alarm, timedelta):
        rule, at = "fixed", last + settings.quiet_alarm
    else:
        habit = habits.of(ledger, config, settings)
        rule = "learned" if habit else "learning"
        at = arrivals.alarm_at(habit, last) if habit else None
    finding = None
    if at is not None and now >= at and last is not None:
        usual = round(arrivals.expected(habit, last, now)) if habit else None
        finding = _why(ledger, config, name, job, settings, _Silence(last, now, usual, sight, looked))
    return Inbox(name, settings.inbox, settings.folder, last, looked, sight.get("listed"), rule, at, finding)


@dataclass(frozen=True, slots=True)
class _Silence:
    last: datetime
    now: datetime
    usual: int | None
    sight: dict[str, Any]
    looked: datetime | None


def _why(
    ledger: Ledger, config: ClientConfig, name: str, job: JobConfig, settings: InboundSettings, silence: _Silence
) -> Finding:
    """What is said of an unusual silence: the pipe is looked at first, the shop last."""
    inbox, zone = f"{settings.inbox}/{settings.folder}".rstrip("/"), config.zone
    head = _head(inbox, silence, zone)
    standing = backoff.standings(ledger, [settings.inbox]).get(settings.inbox)
    if standing is not None and standing.since is not None and standing.finding is not None:
        failing = T(
            "{head} The server cannot be used since {since}: {words}",
            head=head,
            since=standing.since.astimezone(zone),
            words=standing.finding.text,
        )
        return Finding("quiet-connection", failing, hint=standing.finding.hint, who=standing.finding.who)
    run = history.last_runs(ledger, [name]).get(name)
    if run is not None and run.error is not None and run.error.code == "folder-missing":
        gone = T("{head} The folder is not there: {words}", head=head, words=run.error.text)
        return Finding("quiet-folder", gone, hint=run.error.hint, who=Who.ADMIN)
    turn = job.every or (job.poll if job.watch else timedelta(hours=24))
    if silence.looked is None or silence.now - silence.looked > max(turn * 3, _NO_LOOK):
        return Finding("quiet-no-look", _nobody_looks(head, name, silence, zone), who=Who.ADMIN, hint=_look_hint(run))
    if silence.sight["listed"] > silence.sight["chosen"] and not silence.sight["chosen"]:
        passed_by = TN(
            "{head} The server answers; {n} file lies in the folder, but its name does not fit {pattern}.",
            "{head} The server answers; {n} files lie in the folder, but their names do not fit {pattern}.",
            silence.sight["listed"],
            head=head,
            pattern=settings.pattern,
        )
        hint = T("Has the shop given its files other names? Then mend pattern of the step.")
        return Finding("quiet-names", passed_by, hint=hint, who=Who.ADMIN)
    if silence.sight["chosen"]:
        old = TN(
            "{head} The server answers; the {n} file in the folder is known already.",
            "{head} The server answers; the {n} files in the folder are known already.",
            silence.sight["chosen"],
            head=head,
        )
    else:
        old = T("{head} The server answers and the folder is empty.", head=head)
    hint = T("Look whether the shop still takes and sends orders. (A public holiday is not known to Mistok.)")
    return Finding("quiet-shop", old, hint=hint, who=Who.SITE)


def _head(inbox: str, silence: _Silence, zone: Any) -> Text:
    since = silence.last.astimezone(zone)
    if not silence.usual:
        return T("No file has come to {inbox} since {since}.", inbox=inbox, since=since)
    return T(
        "No file has come to {inbox} since {since}; usually about {n} would have come by now.",
        inbox=inbox,
        since=since,
        n=silence.usual,
    )


def _nobody_looks(head: Text, job: str, silence: _Silence, zone: Any) -> Text:
    if silence.looked is None:
        return T("{head} Job {job} has never listed the folder.", head=head, job=job)
    looked = silence.looked.astimezone(zone)
    return T("{head} Job {job} has not listed the folder since {looked}.", head=head, job=job, looked=looked)


def _look_hint(run: history.LastRun | None) -> Text:
    if run is not None and run.error is not None:
        return T("Its last run ended so: {words}", words=run.error.text)
    return T("Look whether `mistok serve` is at work: mistok status.")


# --- the ledger --------------------------------------------------------------------------------------------------


def _inbox(client: str, connection: str, folder: str) -> sa.ColumnElement[bool]:
    f = t.files.c
    return (f.client == client) & (f.connection == connection) & (f.folder == folder)


def _last_arrival(conn: sa.Connection, client: str, settings: InboundSettings) -> datetime | None:
    newest = sa.func.max(t.files.c.first_seen, type_=t.Moment)
    return conn.execute(sa.select(newest).where(_inbox(client, settings.inbox, settings.folder))).scalar_one_or_none()


def _arrivals(ledger: Ledger, connection: str, folder: str, now: datetime) -> list[datetime]:
    """One moment for each ten minutes in which files came: few rows, however many files."""
    seen = t.files.c.first_seen
    where = _inbox(ledger.client, connection, folder) & (seen >= now - arrivals.HISTORY)
    with ledger.read() as conn:
        if conn.dialect.name == "postgresql":
            ten = sa.func.date_bin(sa.text("interval '10 minutes'"), seen, sa.text("timestamptz 'epoch'"))
        else:
            ten = sa.func.substr(sa.type_coerce(seen, sa.String), 1, 15)  # 2026-11-22 23:1
        first = sa.func.min(seen, type_=t.Moment)
        return list(conn.execute(sa.select(first).where(where).group_by(ten)).scalars())
