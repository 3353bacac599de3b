"""The outbox: notices lie in the ledger, written with the outcome that they tell of, and are delivered from here.

What holds:

* A notice is never lost: it waits in the ledger until a channel said that it was shown; ``mistok notices`` lists it.
* Two deliverers never show one notice twice: each claims its rows by one conditional update, for LEASE.
* A deliverer killed between showing and recording leaves a claim that runs out; the notice is then shown once more.
  That is the one possible duplicate: a screen cannot be asked what it showed.
* Many at once become one summary, by kind; so do those that waited for longer than LATE.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import partial
from itertools import islice
from typing import Any

import sqlalchemy as sa

from pipeline.alerts import notices as words
from pipeline.ledger.store import Ledger
from pipeline.ledger.tables import Moment, notices, row_dict
from pipeline.ports import Delivered, Notice, Notifier
from pipeline.texts import T, Text

_log = logging.getLogger("mistok.alerts")

#: How long a deliverer may take to show what it claimed, before another may.
LEASE = timedelta(minutes=2)
#: Older than this is told in a summary only.
LATE = timedelta(hours=12)
#: While a burst still grows, its summary waits, but no longer than this.
PATIENCE = timedelta(minutes=5)
#: What was shown alone within this time counts towards a burst.
JUST_NOW = timedelta(seconds=30)
#: Waits between tries of one notice that a channel refused; the last one repeats.
BACK_OFF = (timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10), timedelta(hours=1))
_CHUNK = 500


class NoticeState(StrEnum):
    """Where a notice is on its way."""

    WAITING = "waiting"  #: written, not yet tried
    SENDING = "sending"  #: a deliverer holds it, until ``next_try``
    SHOWN = "shown"
    SUMMARISED = "summarised"  #: a summary stands for it
    UNDELIVERED = "undelivered"  #: no channel could show it; ``why``. Tried again.
    MUTED = "muted"  #: of a kind that ``alerts.kinds`` leaves out


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """What a delivery did: how many notices were shown, told in a summary, are still untold, and why."""

    shown: int = 0
    summarised: int = 0
    undelivered: int = 0
    muted: int = 0
    why: Text | None = None


@dataclass(slots=True)
class _Tally:
    shown: int = 0
    undelivered: int = 0
    why: Text | None = None
    down: set[str] = field(default_factory=set)


def deliver(
    ledger: Ledger,
    channels: Sequence[Notifier],
    *,
    burst: int,
    kinds: Collection[str],
    language: str,
    silent: Collection[str] = (),
    settle: timedelta = timedelta(0),
) -> DeliveryReport:
    """Show every notice of the ledger's client that is due, oldest first, by the first channel that can.

    Args:
        ledger: its clock gives the moment.
        channels: in the order in which they are tried.
        burst: more than this of one kind at once become one summary.
        kinds: which kinds are shown; others stay in ``mistok notices`` only. Summaries always are.
        language: of the reader.
        silent: reasons (as JSON text) already logged, which are not logged again.
        settle: a burst that got another notice within this time is left until it is whole, for PATIENCE at most.

    Raises Transient when the ledger does not answer; never for a channel.
    """
    now = ledger.clock.now()
    muted = _mute(ledger, kinds)
    if not _anything(ledger, now):
        return DeliveryReport(muted=muted)
    live, why = _live(channels)
    if not live:
        left = _leave(ledger, why)
        if left and str(why.to_json()) not in silent:
            _log.warning("%s", T("No popup can be shown; see mistok notices. {why}", why=why).render(language))
        return DeliveryReport(undelivered=left, muted=muted, why=why)
    singles, summarised = _claim(ledger, now, burst, settle)
    tally = _Tally()
    for notice, tries in singles:
        _send_one(ledger, live, notice, tries, language, tally)
    if tally.why and str(tally.why.to_json()) not in silent:
        _log.warning("%s", T("A popup was not shown; it will be tried again. {why}", why=tally.why).render(language))
    return DeliveryReport(tally.shown, summarised, tally.undelivered, muted, tally.why)


def listing(
    ledger: Ledger, *, state: str | None = None, limit: int = 50, subject: str | None = None
) -> list[dict[str, Any]]:
    """The notices of the ledger's client, newest first, as rows with ``title``, ``body`` and ``why`` as Text."""
    n = notices
    query = sa.select(n).where(n.c.client == ledger.client).order_by(n.c.id.desc()).limit(limit)
    if state:
        query = query.where(n.c.state == state)
    if subject:
        query = query.where(n.c.subject == subject)
    with ledger.read() as conn:
        rows = [row_dict(row) for row in conn.execute(query)]
    for row in rows:
        row["title"] = Text.from_json(row["title"])
        row["body"] = Text.from_json(row["body"])
        row["why"] = Text.from_json(row["why"]) if row["why"] else None
    return rows


# --- what is due -------------------------------------------------------------------------------------------------


def _due(now: datetime) -> sa.ColumnElement[bool]:
    n = notices
    fresh = n.c.state == NoticeState.WAITING
    # Never tried, because nothing could show it then: due as soon as a channel answers. Refused: after its back-off.
    again = (n.c.state == NoticeState.UNDELIVERED) & ((n.c.tries == 0) | (n.c.next_try <= now))
    abandoned = (n.c.state == NoticeState.SENDING) & (n.c.next_try <= now)
    return fresh | again | abandoned


def _anything(ledger: Ledger, now: datetime) -> bool:
    query = sa.select(notices.c.id).where(notices.c.client == ledger.client, _due(now)).limit(1)
    with ledger.read() as conn:
        return conn.execute(query).first() is not None


def _mute(ledger: Ledger, kinds: Collection[str]) -> int:
    n = notices
    unwanted = (n.c.client == ledger.client) & (n.c.state == NoticeState.WAITING) & n.c.kind.not_in([*kinds, "summary"])
    with ledger.read() as conn:
        if conn.execute(sa.select(n.c.id).where(unwanted).limit(1)).first() is None:
            return 0
    why = T("Notices of this kind are left out by alerts.kinds in the config.")
    with ledger.begin() as conn:
        return conn.execute(n.update().where(unwanted).values(state=NoticeState.MUTED, why=why.to_json())).rowcount


def _live(channels: Sequence[Notifier]) -> tuple[list[Notifier], Text]:
    live: list[Notifier] = []
    why = T("No alert channel is set up in the config.")
    for channel in channels:
        answer = _ask(channel.available, channel)
        if answer.shown:
            live.append(channel)
        elif answer.why and not live:
            why = T("{channel}: {why}", channel=channel.name, why=answer.why)
    return live, why


def _leave(ledger: Ledger, why: Text) -> int:
    """Nothing can show anything now: say so in the new rows. They are not counted as tried."""
    n = notices
    new = (n.c.client == ledger.client) & (n.c.state == NoticeState.WAITING)
    with ledger.read() as conn:
        if conn.execute(sa.select(n.c.id).where(new).limit(1)).first() is None:
            return 0
    with ledger.begin() as conn:
        changed = n.update().where(new).values(state=NoticeState.UNDELIVERED, why=why.to_json())
        return conn.execute(changed).rowcount


# --- claiming ----------------------------------------------------------------------------------------------------


def _claim(ledger: Ledger, now: datetime, burst: int, settle: timedelta) -> tuple[list[tuple[Notice, int]], int]:
    """Take all that is due; bursts and late ones go into summaries. What to show, and how many were summarised."""
    n = notices
    hold = {"state": NoticeState.SENDING, "next_try": now + LEASE}
    with ledger.begin() as conn:
        due = (n.c.client == ledger.client) & _due(now)
        recent = _recent(conn, ledger.client, now)
        growing = _growing(conn, due, recent, now, burst, settle) if settle else []
        mine = conn.execute(
            n.update().where(due, n.c.kind.not_in(growing)).values(**hold).returning(n.c.id, n.c.kind, n.c.created)
        ).all()
        groups: dict[str, list[tuple[int, datetime]]] = defaultdict(list)
        for row_id, kind, created in sorted(mine, key=lambda row: row[0]):
            groups[kind].append((row_id, created))
        show: list[int] = []
        summarised = 0
        for kind, rows in groups.items():
            crowd, alone, late = (
                _split(rows, now, burst - recent.get(kind, 0))
                if kind != "summary"
                else ([], [i for i, _ in rows], False)
            )
            show.extend(alone)
            if crowd:
                show.append(_summarise(ledger, conn, kind, crowd, hold, late=late))
                summarised += len(crowd)
        return list(_load(conn, sorted(show))), summarised


def _growing(
    conn: sa.Connection,
    due: sa.ColumnElement[bool],
    recent: Mapping[str, int],
    now: datetime,
    burst: int,
    settle: timedelta,
) -> list[str]:
    """The kinds of which a burst is under way: ten thousand orders that come in batches are still one summary."""
    n = notices
    newest, oldest = sa.func.max(n.c.created, type_=Moment), sa.func.min(n.c.created, type_=Moment)
    query = sa.select(n.c.kind, sa.func.count(), newest, oldest).where(due).group_by(n.c.kind)
    return [
        kind
        for kind, count, last, first in conn.execute(query)
        if count + recent.get(kind, 0) > burst and now - last < settle and now - first < PATIENCE
    ]


def _recent(conn: sa.Connection, client: str, now: datetime) -> dict[str, int]:
    """How many of each kind were shown alone just now. Only the newest rows are looked at."""
    n = notices
    newest = sa.select(sa.func.max(n.c.id)).scalar_subquery()
    shown = (n.c.client == client) & (n.c.state == NoticeState.SHOWN) & (n.c.shown > now - JUST_NOW)
    query = sa.select(n.c.kind, sa.func.count()).where(n.c.id > newest - 1000, shown).group_by(n.c.kind)
    return {row[0]: row[1] for row in conn.execute(query)}


def _split(rows: Sequence[tuple[int, datetime]], now: datetime, burst: int) -> tuple[list[int], list[int], bool]:
    """(ids for a summary, ids shown alone, whether the summary tells of old ones)."""
    old = [row_id for row_id, created in rows if now - created > LATE]
    if len(rows) > max(burst, 1):
        return [row_id for row_id, _ in rows], [], len(old) == len(rows)
    if len(old) > 1:
        return old, [row_id for row_id, created in rows if now - created <= LATE], True
    return [], [row_id for row_id, _ in rows], False


def _summarise(
    ledger: Ledger,
    conn: sa.Connection,
    kind: str,
    ids: Sequence[int],
    hold: Mapping[str, Any],
    *,
    late: bool,
) -> int:
    n = notices
    totals: dict[str, Decimal] = defaultdict(Decimal)
    names: list[str] = []
    for chunk in _chunks(ids):
        for (data,) in conn.execute(sa.select(n.c.data).where(n.c.id.in_(chunk)).order_by(n.c.id)):
            said = data or {}
            if kind == "order" and said.get("currency"):
                totals[said["currency"]] += Decimal(said["total"])
            if len(names) < words.NAMED:
                names.append(said.get("number") or said.get("name") or said.get("job") or "")
    names = list(dict.fromkeys(name for name in names if name))
    summary_id = ledger.notify(conn, words.summary(kind, len(ids), names, totals, late=late))
    conn.execute(n.update().where(n.c.id == summary_id).values(**hold))
    for chunk in _chunks(ids):
        told = {"state": NoticeState.SUMMARISED, "summary_id": summary_id, "next_try": None, "why": None}
        conn.execute(n.update().where(n.c.id.in_(chunk)).values(**told))
    return summary_id


def _load(conn: sa.Connection, ids: Sequence[int]) -> Iterator[tuple[Notice, int]]:
    n = notices
    for chunk in _chunks(ids):
        for row in conn.execute(sa.select(n).where(n.c.id.in_(chunk)).order_by(n.c.id)):
            notice = Notice(
                kind=row.kind,
                subject=row.subject,
                title=Text.from_json(row.title),
                body=Text.from_json(row.body),
                created_at=row.created,
                id=row.id,
                data=row.data or {},
            )
            yield notice, row.tries


def _chunks(ids: Sequence[int]) -> Iterator[list[int]]:
    rest = iter(ids)
    while chunk := list(islice(rest, _CHUNK)):
        yield chunk


# --- showing -----------------------------------------------------------------------------------------------------


def _send_one(
    ledger: Ledger, channels: Sequence[Notifier], notice: Notice, tries: int, language: str, tally: _Tally
) -> None:
    why = tally.why
    tried = False
    for channel in channels:
        if channel.name in tally.down:
            continue
        tried = True
        answer = _ask(partial(channel.send, notice, language), channel)
        if answer.shown:
            _record(
                ledger,
                notice.id,
                state=NoticeState.SHOWN,
                channel=channel.name,
                shown=ledger.clock.now(),
                tries=tries + 1,
                next_try=None,
                why=None,
            )
            tally.shown += 1
            return
        why = T("{channel}: {why}", channel=channel.name, why=answer.why or T("It gave no reason."))
        # Gone altogether, or only unwilling to show this one? The next notices need not wait for its time limit.
        if not _ask(channel.available, channel).shown:
            tally.down.add(channel.name)
    tally.why = why
    tally.undelivered += 1
    if tried and len(tally.down) < len(channels):
        wait = BACK_OFF[min(tries, len(BACK_OFF) - 1)]
        values = {"tries": tries + 1, "next_try": ledger.clock.now() + wait}
    else:
        values = {"tries": 0, "next_try": None}
    _record(ledger, notice.id, state=NoticeState.UNDELIVERED, why=why.to_json() if why else None, **values)


def _ask(question: Callable[[], Delivered], channel: Notifier) -> Delivered:
    try:
        return question()
    except Exception as error:  # noqa: BLE001 - a client's own channel may be broken: the next one is tried
        _log.exception("channel %s is broken", channel.name)
        return Delivered(False, T("The channel is broken: {words}", words=f"{type(error).__name__}: {error}"))


def _record(ledger: Ledger, notice_id: int, **values: Any) -> None:
    n = notices
    with ledger.begin() as conn:
        mine = (n.c.id == notice_id) & (n.c.state == NoticeState.SENDING)
        conn.execute(n.update().where(mine).values(**values))
