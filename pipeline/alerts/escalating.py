"""Tells somewhere else what nobody has clicked in time, in a process that lives on (``mistok serve``)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog

from pipeline.alerts.notices import stacked
from pipeline.alerts.popups import digest
from pipeline.alerts.routing import Ways, facts_of
from pipeline.errors import Transient
from pipeline.ledger import escalations, pcs
from pipeline.ledger.store import Ledger
from pipeline.ports import Delivered, Notice, Notifier
from pipeline.repeats import Repeats
from pipeline.rules.telling import TOO_OLD, Escalation, escalates_at
from pipeline.texts import TN, T, Text

_log = logging.getLogger("mistok.alerts")
_slog = structlog.get_logger("mistok.alerts")
#: How long a channel may take before another process may try, and the pauses after it refused; the last one repeats.
LEASE = timedelta(minutes=5)
BACK_OFF = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2))


@dataclass(frozen=True, slots=True)
class Escalated:
    """A rule with its channel, opened."""

    rule: Escalation
    channel: Notifier


class Escalator:
    """Looks for what is due at each :meth:`tick`, or by itself between :meth:`start` and :meth:`stop`.

    Args:
        ledger: its clock gives the moment.
        ways: what the config says of kinds, quiet hours, bursts.
        rules: each tells a notice once; it owns their channels and closes them.
        language: of the reader.
    """

    def __init__(self, ledger: Ledger, ways: Ways, rules: Sequence[Escalated], *, language: str) -> None:
        self._ledger, self._ways, self._rules, self._language = ledger, ways, tuple(rules), language
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._repeats = Repeats()
        self._said = False

    def tick(self) -> int:
        """Tell what is due now; how many notices were told. Raises Transient when the ledger does not answer."""
        return sum(self._tell(one) for one in self._rules)

    def start(self, every: float = 2.0) -> None:
        """Tick in a thread of its own, ``every`` seconds, until :meth:`stop`. Without rules it does nothing."""
        if self._rules and self._thread is None:
            self._thread = threading.Thread(target=self._run, args=(every,), name="mistok-escalate", daemon=True)
            self._thread.start()

    def stop(self, timeout: float = 10) -> None:
        """End the thread, and close the channels."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout)
        for one in self._rules:
            one.channel.close()

    def _run(self, every: float) -> None:
        while not self._stop.wait(every):
            try:
                self.tick()
                self._said = False
                self._repeats.well(_slog, "escalating_failed")
            except Transient as error:
                if not self._said:
                    self._said = True
                    _log.warning("%s", error.text.render(self._language))
            except Exception as error:  # noqa: BLE001 - the thread outlives what nobody thought of; the notices stay
                self._repeats.tell(_slog, "escalating_failed", error)

    def _tell(self, one: Escalated) -> int:
        rule, now = one.rule, self._ledger.clock.now()
        with self._ledger.read() as conn:
            since = now - TOO_OLD - rule.after
            found = escalations.candidates(conn, self._ledger.client, rule.name, now, since)
            known = pcs.order_facts(conn, {row["subject"] for row in found})
        due: dict[int, tuple[Mapping[str, Any], int]] = {}
        for row in found:
            facts = facts_of(row, known.get(row["subject"]))
            hours = self._ways.hours_of(facts.kind)
            at = escalates_at(rule, self._ways.kinds, facts, row["created"], hours, self._ways.zone)
            if at is not None and at <= now:
                due[row["id"]] = (row, row["told_tries"] or 0)
        if not due:
            return 0
        with self._ledger.begin() as conn:
            args = (list(due), rule.name, one.channel.name, now, now + LEASE)
            mine = escalations.claim(conn, self._ledger.client, *args)
        rows = [due[number] for number in mine]
        parts = [rows] if len(rows) > self._ways.burst else [[row] for row in rows]
        return sum(self._send(one, part) for part in parts)

    def _send(self, one: Escalated, part: Sequence[tuple[Mapping[str, Any], int]]) -> int:
        ids = [row["id"] for row, _ in part]
        answer = _shown(one.channel, _notice([row for row, _ in part], one.rule), self._language)
        now = self._ledger.clock.now()
        values: dict[str, Any] = {"state": escalations.SENT, "at": now, "next_try": None, "why": None}
        if not answer.shown:
            tries = max(tries for _, tries in part)
            why = answer.why or T("It gave no reason.")
            wait = BACK_OFF[min(tries, len(BACK_OFF) - 1)]
            values = {"state": escalations.FAILED, "next_try": now + wait, "why": why.to_json()}
            words = T("{channel} did not take an escalation: {why}", channel=one.channel.name, why=why)
            _log.warning("%s", words.render(self._language))
        with self._ledger.begin() as conn:
            escalations.settle(conn, ids, one.rule.name, **values)
        return len(ids) if answer.shown else 0


def _shown(channel: Notifier, notice: Notice, language: str) -> Delivered:
    try:
        answer = channel.available()
        return channel.send(notice, language) if answer.shown else answer
    except Exception as error:  # noqa: BLE001 - a client's own channel may be broken: it is tried again
        _log.exception("channel %s is broken", channel.name)
        return Delivered(False, T("The channel is broken: {words}", words=f"{type(error).__name__}: {error}"))


def _notice(rows: Sequence[Mapping[str, Any]], rule: Escalation) -> Notice:
    minutes = max(1, int(rule.after.total_seconds() // 60))
    why = TN("Nobody clicked within {n} minute.", "Nobody clicked within {n} minutes.", minutes)
    if len(rows) > 1:
        title, lines = digest(rows)
        return Notice(kind="summary", title=title, body=stacked([*lines, why]))
    (row,) = rows
    body = stacked([Text.from_json(row["body"]), why])
    return Notice(
        kind=row["kind"],
        subject=row["subject"],
        title=Text.from_json(row["title"]),
        body=body,
        created_at=row["created"],
        id=row["id"],
        data=row["data"] or {},
    )
