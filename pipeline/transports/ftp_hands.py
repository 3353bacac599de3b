"""Several connections to one FTP server: it carries one file at a time on each, so only more of them are quicker.

The first connection is the transport's own and does what only one can do. The others, its hands, are made when there
are many files: each that is let in calls two more, up to the limit of the config. A server that lets no more in has
said its own limit: it is not asked again, and the files go on with those that are there.
"""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, Protocol, TypeVar

import structlog

from pipeline.errors import MistokError

log = structlog.get_logger("mistok.transports")

#: A hand more is worth its log-in when so many files are left for each.
WORTH = 4
_MOMENT = 0.5  #: seconds


class Outcome(Protocol):
    """What a hand gives back of one file: a ReadResult or a FileOutcome."""

    @property
    def error(self) -> MistokError | None: ...


class Hand(Protocol):
    """One more connection."""

    @property
    def connected(self) -> bool: ...

    def connect(self) -> None:
        """Connect, unless it is. Raises MistokError."""
        ...

    def close(self) -> None: ...


H = TypeVar("H", bound=Hand)
R = TypeVar("R", bound=Outcome)
U = TypeVar("U")  #: what is taken at once: a file, or a handful of them


class Hands(Generic[H]):
    """The further connections of one transport. ``make`` gives one that is not connected yet."""

    def __init__(self, name: str, most: int, make: Callable[[], H]) -> None:
        self._name = name
        self._most = most  #: less when the server lets fewer in
        self._make = make
        self._idle: list[H] = []
        self._lock = threading.Lock()
        self._told = False
        self.stopped = False  #: all were told to let go

    def share(
        self,
        units: Sequence[U],
        act: Callable[[H, U], Sequence[R]],
        own: Callable[[Iterator[U]], Iterator[R]],
        *,
        worth: int = WORTH,
    ) -> Iterator[R]:
        """Do ``act`` on each of ``units`` with all hands; ``own`` does the same, one by one, on the first connection.
        A hand more is called when ``worth`` units are left for each.

        What a hand could not do because its connection was lost is done by the first one. All outcomes, in no order,
        when nothing is on its way any more.
        """
        if min(self._most, len(units) // worth) < 1:
            yield from own(iter(units))
            return
        self.stopped = False
        shift = _Shift(self, deque(units), act, worth)
        try:
            for _ in range(1 + len(self._idle)):
                shift.call()
            outcomes = list(own(shift.next_ones()))
            outcomes += shift.ended()
        except BaseException:
            shift.stop()
            raise
        yield from outcomes
        yield from own(iter(shift.again))

    def close(self) -> None:
        """Close them all."""
        with self._lock:
            idle, self._idle = self._idle, []
        for hand in idle:
            hand.close()

    def take(self) -> H:
        """One that is idle, or a new one."""
        with self._lock:
            return self._idle.pop() if self._idle else self._make()

    def give(self, hand: H) -> None:
        """It has nothing to do."""
        with self._lock:
            self._idle.append(hand)

    def wanted(self, at_work: int, worth: int) -> bool:
        """Whether one more is worth it, when there is work for so many."""
        return at_work < min(self._most, worth)

    def refused(self, at_work: int, error: MistokError) -> None:
        """One more was not let in while so many were. It is said once."""
        with self._lock:
            self._most = min(self._most, at_work)
            first, self._told = not self._told, True
        if first:
            log.info("fewer_connections", connection=self._name, connections=at_work + 1, words=str(error))


class _Shift(Generic[H, R, U]):
    """One sharing of work among hands."""

    def __init__(self, hands: Hands[H], units: deque[U], act: Callable[[H, U], Sequence[R]], worth: int) -> None:
        self._hands, self._units, self._act, self._worth = hands, units, act, worth
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._busy: list[H] = []
        self._stopped = False
        self._outcomes: list[R] = []
        self._broken: list[BaseException] = []
        self.again: list[U] = []  #: what has to be done on the first connection

    def next_ones(self) -> Iterator[U]:
        """What nobody has taken yet."""
        while True:
            try:
                unit = self._units.popleft()
            except IndexError:
                return
            yield unit

    def call(self) -> None:
        """Set one more hand to work, if that is worth it."""
        with self._lock:
            if self._stopped or not self._hands.wanted(len(self._busy), len(self._units) // self._worth):
                return
            hand = self._hands.take()
            self._busy.append(hand)
            context = contextvars.copy_context()
            thread = threading.Thread(target=context.run, args=(self._work, hand), name="mistok-ftp", daemon=True)
            self._threads.append(thread)
            thread.start()

    def ended(self) -> list[R]:
        """What they have done, when all are ready."""
        at = 0
        while at < len(self._threads):  # those at work may still call others
            self._threads[at].join()
            at += 1
        if self._broken:
            raise self._broken[0]
        return self._outcomes

    def stop(self) -> None:
        """Let all go, whatever they are at. One in the midst of a file gets a moment, and is left to itself then."""
        self._hands.stopped = True
        with self._lock:
            self._stopped = True
            self._units.clear()
            busy = list(self._busy)
        for hand in busy:
            hand.close()
        for thread in self._threads:
            thread.join(_MOMENT)

    def _work(self, hand: H) -> None:
        try:
            if self._ready(hand):
                for unit in self.next_ones():
                    outcomes = self._act(hand, unit)
                    if not hand.connected and any(outcome.error is not None for outcome in outcomes):
                        self.again.append(unit)
                        break
                    self._outcomes += outcomes
        except BaseException as error:  # noqa: BLE001 - it is raised again where the caller waits
            self._broken.append(error)
        finally:
            with self._lock:
                self._busy.remove(hand)
            self._hands.give(hand)

    def _ready(self, hand: H) -> bool:
        """Whether it is let in; then it calls others."""
        try:
            hand.connect()
        except MistokError as error:
            with self._lock:
                at_work, stopped = sum(one.connected for one in self._busy), self._stopped
            if not stopped:
                self._hands.refused(at_work, error)
            return False
        self.call()
        self.call()
        return True
