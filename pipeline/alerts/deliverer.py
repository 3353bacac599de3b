"""Delivers notices in a process that lives on (``mistok serve``), beside the work and never in its way."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

import structlog

from pipeline.alerts.outbox import DeliveryReport, deliver
from pipeline.errors import Transient
from pipeline.ledger.store import Ledger
from pipeline.ports import Clock, Delivered, Notice, Notifier
from pipeline.repeats import Repeats

_log = logging.getLogger("mistok.alerts")
_slog = structlog.get_logger("mistok.alerts")

#: A channel that does not answer is asked again after this, doubled each time up to the second.
FIRST_WAIT = timedelta(seconds=5)
LONGEST_WAIT = timedelta(minutes=5)
#: A burst that grew within this time is not summed up yet.
SETTLE = timedelta(seconds=3)


class Patient:
    """A channel that is not asked again at once when it said that it can show nothing."""

    def __init__(self, channel: Notifier, clock: Clock) -> None:
        self.name = channel.name
        self._channel = channel
        self._clock = clock
        self._no: Delivered | None = None
        self._until: datetime | None = None
        self._wait = FIRST_WAIT

    def available(self) -> Delivered:
        """What the channel says, or what it said last, while its back-off lasts."""
        now = self._clock.now()
        if self._no and self._until and now < self._until:
            return self._no
        answer = self._channel.available()
        if answer.shown:
            self._no, self._wait = None, FIRST_WAIT
        else:
            self._no, self._until = answer, now + self._wait
            self._wait = min(self._wait * 2, LONGEST_WAIT)
        return answer

    def send(self, notice: Notice, language: str) -> Delivered:
        """Show it."""
        return self._channel.send(notice, language)

    def close(self) -> None:
        """Let go of what it holds."""
        self._channel.close()


class Deliverer:
    """Delivers what is due at each :meth:`tick`, or by itself in a thread between :meth:`start` and :meth:`stop`.

    The parameters are those of :func:`pipeline.alerts.outbox.deliver`. It owns the channels and closes them.
    """

    def __init__(
        self, ledger: Ledger, channels: Sequence[Notifier], *, burst: int, kinds: Collection[str], language: str
    ) -> None:
        self._ledger = ledger
        self._channels = [Patient(channel, ledger.clock) for channel in channels]
        self._burst = burst
        self._kinds = tuple(kinds)
        self._language = language
        self._said: set[str] = set()
        self._repeats = Repeats()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def tick(self, settle: timedelta = SETTLE) -> DeliveryReport:
        """Deliver what is due now, but for a burst that still grows (``settle``, as for ``deliver``).

        A ledger that does not answer is logged once; the notices stay for the next tick.
        """
        try:
            report = deliver(
                self._ledger,
                self._channels,
                burst=self._burst,
                kinds=self._kinds,
                language=self._language,
                silent=self._said,
                settle=settle,
            )
        except Transient as error:
            if "ledger" not in self._said:
                self._said.add("ledger")
                _log.warning("%s", error.text.render(self._language))
            return DeliveryReport(why=error.text)
        self._said.discard("ledger")
        if report.shown:
            self._said.clear()
        if report.why:
            self._said.add(str(report.why.to_json()))
        return report

    def start(self, every: float = 0.5) -> None:
        """Tick in a thread of its own, ``every`` seconds, until :meth:`stop`."""
        if self._thread is None:
            self._stop.clear()
            self._thread = threading.Thread(target=self._run, args=(every,), name="mistok-alerts", daemon=True)
            self._thread.start()

    def stop(self, timeout: float = 10) -> None:
        """Deliver what is due once more, end the thread within ``timeout`` seconds, and close the channels."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout)
            self._thread = None
        for channel in self._channels:
            channel.close()

    def _run(self, every: float) -> None:
        while True:
            last = self._stop.is_set()
            try:
                self.tick(timedelta(0) if last else SETTLE)
            except Exception as error:  # noqa: BLE001 - the thread outlives what nobody thought of; the notices stay
                self._repeats.tell(_slog, "alerts_thread_failed", error)
            else:
                self._repeats.well(_slog, "alerts_thread_failed")
            if last:
                return
            self._stop.wait(every)
