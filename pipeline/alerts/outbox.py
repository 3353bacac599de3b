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
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import sqlalchemy as sa

from pipeline.alerts.claims import LEASE, NoticeState, claim, is_due
from pipeline.ledger import pcs
from pipeline.ledger.pcs import of_notices
from pipeline.ledger.store import Ledger
from pipeline.ledger.tables import notices, row_dict
from pipeline.ports import Delivered, Notice, Notifier
from pipeline.texts import T, Text

_log = logging.getLogger("mistok.alerts")

#: Waits between tries of one notice that a channel refused; the last one repeats.
BACK_OFF = (timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10), timedelta(hours=1))


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
        followed = not channels and _has_pcs(ledger)
        if followed:
            why = T("No PC has shown it yet.")
        left = _leave(ledger, why)
        if left and not followed and str(why.to_json()) not in silent:
            _log.warning("%s", T("No popup can be shown; see mistok notices. {why}", why=why).render(language))
        return DeliveryReport(undelivered=left, muted=muted, why=why)
    singles, summarised = claim(ledger, now, burst, settle)
    tally = _Tally()
    for position, (notice, tries) in enumerate(singles):
        if ledger.clock.now() - now > LEASE / 2:
            # The channels are slow; what is left goes back before somebody else may take it.
            _give_back(ledger, [left.id for left, _ in singles[position:]])
            break
        _send_one(ledger, live, notice, tries, language, tally)
    if tally.why and str(tally.why.to_json()) not in silent:
        _log.warning("%s", T("A popup was not shown; it will be tried again. {why}", why=tally.why).render(language))
    return DeliveryReport(tally.shown, summarised, tally.undelivered, muted, tally.why)


def listing(
    ledger: Ledger, *, state: str | None = None, limit: int = 50, subject: str | None = None
) -> list[dict[str, Any]]:
    """The notices of the ledger's client, newest first, as rows with ``title``, ``body`` and ``why`` as Text.

    ``told``: what became of each on people's PCs, and where else it was told (of ``pipeline.ledger.pcs``).
    """
    n = notices
    query = sa.select(n).where(n.c.client == ledger.client).order_by(n.c.id.desc()).limit(limit)
    if state:
        query = query.where(n.c.state == state)
    if subject:
        query = query.where(n.c.subject == subject)
    with ledger.read() as conn:
        rows = [row_dict(row) for row in conn.execute(query)]
        told = of_notices(conn, [row["id"] for row in rows])
    for row in rows:
        row["told"] = told.get(row["id"], [])
        row["title"] = Text.from_json(row["title"])
        row["body"] = Text.from_json(row["body"])
        row["why"] = Text.from_json(row["why"]) if row["why"] else None
    return rows


# --- what is due -------------------------------------------------------------------------------------------------


def _anything(ledger: Ledger, now: datetime) -> bool:
    query = sa.select(notices.c.id).where(notices.c.client == ledger.client, is_due(now)).limit(1)
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


def _has_pcs(ledger: Ledger) -> bool:
    """Whether people's own PCs are told: then no channel here is no fault."""
    with ledger.read() as conn:
        return bool(pcs.listing(conn, ledger.client, live=True))


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


def _give_back(ledger: Ledger, ids: Sequence[int]) -> None:
    n = notices
    mine = n.c.id.in_(ids) & (n.c.state == NoticeState.SENDING)
    with ledger.begin() as conn:
        conn.execute(n.update().where(mine).values(state=NoticeState.WAITING, next_try=None))


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
