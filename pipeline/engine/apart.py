"""Something done in a process of its own, as it loads a client's own plugins.

Those may hang, crash or end the program: that is told as the answer then.
"""

from __future__ import annotations

import gc
import pickle
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pipeline import lightlog  # noqa: F401 - before all that loads structlog
from pipeline.engine import configwatch, offspring
from pipeline.engine.worker import be_quiet_and_mortal
from pipeline.errors import system_words
from pipeline.texts import T, Text

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess


K = TypeVar("K")
#: Seconds between two looks at what is under way, where nothing tells of it.
_LONGEST_WAIT = 1.0


class NoAnswer(Exception):
    """It took too long, or its process ended first. ``why``: in words, as the rest of a sentence."""

    def __init__(self, why: Text) -> None:
        super().__init__(why.render("en"))
        self.why = why


@dataclass(frozen=True, slots=True)
class _Word:
    value: Any


@dataclass(frozen=True, slots=True)
class _Limit:
    limited: bool


class Mouth:
    """How a call tells of what it is at, in its own process."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def say(self, value: Any) -> None:
        """Something that is worth knowing even when no answer follows."""
        self._pipe.send_bytes(pickle.dumps(_Word(value)))

    def limit(self, limited: bool) -> None:
        """From now on, and anew, it has so long; or as long as it takes."""
        self._pipe.send_bytes(pickle.dumps(_Limit(limited)))


class Apart:
    """``call(*given)`` in a process of its own, which lives no longer than this one. Nothing here blocks: ask
    :meth:`result` when :attr:`waitable` is ready, or after :attr:`left` seconds.

    Raises :class:`NoAnswer` when there can be no process.

    Args:
        how: a context of ``multiprocessing``.
        heard: told of what the call says on its way, from within :meth:`result`; the call is given a :class:`Mouth` for
            it, behind ``given``.

    It is ended when it takes longer than the check of an edited config may, unless it says otherwise on its way.
    """

    def __init__(
        self,
        how: Any,
        call: Callable[..., object],
        *given: object,
        heard: Callable[[Any], None] | None = None,
    ) -> None:
        self._pipe, theirs = how.Pipe(duplex=False)
        self._heard = heard
        self._process: BaseProcess | None = how.Process(
            target=_main, args=(theirs, call, given, heard is not None), name="mistok-read"
        )
        try:
            self._process.start()
        except OSError as error:
            self._pipe.close()
            raise NoAnswer(T("it could not be started: {words}", words=system_words(error))) from error
        finally:
            theirs.close()
        self._limit = configwatch.CHECK_LIMIT
        self._until = time.monotonic() + self._limit

    @property
    def waitable(self) -> Any:
        """What becomes ready with the answer."""
        return self._pipe

    @property
    def left(self) -> float:
        """Seconds until its time is over; infinite when it has no limit."""
        return max(self._until - time.monotonic(), 0.0)

    def result(self) -> Any:
        """What the call gave; None: not yet. Raises :class:`NoAnswer`. Either way its process is gone then."""
        while self._pipe.poll():
            try:
                made = pickle.loads(self._pipe.recv_bytes())  # noqa: S301 - of our own process
            except (EOFError, OSError, ImportError, AttributeError, pickle.UnpicklingError) as error:
                self.close()
                raise NoAnswer(T("the check ended without an answer")) from error
            if isinstance(made, _Limit):
                self._until = time.monotonic() + self._limit if made.limited else float("inf")
            elif isinstance(made, _Word):
                assert self._heard is not None  # else it has no mouth
                self._heard(made.value)
            else:
                self.close()
                return made
        if self.left:
            return None
        self.close()
        raise NoAnswer(T("the check took longer than {n} seconds", n=round(self._limit)))

    def close(self) -> None:
        """End it and what it has started, whether it is through or not."""
        if self._process is None:
            return
        if self._process.is_alive():
            started = offspring.of_process(self._process.pid)
            self._process.kill()
            offspring.kill(started)
        self._process.join()
        self._process.close()
        self._process = None
        self._pipe.close()


class SideBySide(Generic[K]):
    """Several of them, begun in their order, so many at once: who hangs holds up nobody but itself.

    Args:
        begin: makes the one of this key. It may raise :class:`NoAnswer`.
    """

    def __init__(self, keys: Iterable[K], begin: Callable[[K], Apart], at_once: int) -> None:
        self._waiting, self._begin, self._at_once = deque(keys), begin, at_once
        self._under_way: dict[K, Apart] = {}
        self._through: dict[K, Any] = {}

    def go_on(self) -> None:
        """Take what is there, and begin the next ones; waits for nothing."""
        for key, one in list(self._under_way.items()):
            try:
                made = one.result()
            except NoAnswer as error:
                made = error
            if made is not None:
                del self._under_way[key]
                self._through[key] = made
        while self._waiting and len(self._under_way) < self._at_once:
            key = self._waiting.popleft()
            try:
                self._under_way[key] = self._begin(key)
            except NoAnswer as error:
                self._through[key] = error

    def result(self, key: K) -> Any:
        """What came of this one, once; waits for it. Raises :class:`NoAnswer`."""
        self.go_on()
        while key not in self._through:
            longest = min(_LONGEST_WAIT, *(one.left for one in self._under_way.values()))
            wait([one.waitable for one in self._under_way.values()], longest)
            self.go_on()
        made = self._through.pop(key)
        if isinstance(made, NoAnswer):
            raise made
        return made

    def close(self) -> None:
        """End all; none is begun any more."""
        self._waiting.clear()
        for one in self._under_way.values():
            one.close()
        self._under_way.clear()


def _main(pipe: Connection, call: Callable[..., object], given: tuple[object, ...], says: bool) -> None:
    be_quiet_and_mortal()
    gc.freeze()  # what all share is not looked through again in each
    pipe.send_bytes(pickle.dumps(call(*given, Mouth(pipe)) if says else call(*given)))
