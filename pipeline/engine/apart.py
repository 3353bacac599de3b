"""Something done in a process of its own, as it loads a client's own plugins.

Those may hang, crash or end the program: that is told as the answer then.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from pipeline.engine import configwatch, offspring
from pipeline.engine.worker import be_quiet_and_mortal
from pipeline.errors import system_words
from pipeline.texts import T, Text

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess


class NoAnswer(Exception):
    """It took too long, or its process ended first. ``why``: in words, as the rest of a sentence."""

    def __init__(self, why: Text) -> None:
        super().__init__(why.render("en"))
        self.why = why


class Apart:
    """``call(*given)`` in a process of its own, which lives no longer than this one. Nothing here blocks: ask
    :meth:`result` when :attr:`waitable` is ready, or after :attr:`left` seconds.

    Raises :class:`NoAnswer` when there can be no process.

    Args:
        how: a context of ``multiprocessing``.
        limited: whether it is ended when it takes longer than the check of an edited config may.
    """

    def __init__(self, how: Any, call: Callable[..., object], *given: object, limited: bool = True) -> None:
        self._pipe, theirs = how.Pipe(duplex=False)
        self._process: BaseProcess | None = how.Process(target=_main, args=(theirs, call, given), name="mistok-read")
        try:
            self._process.start()
        except OSError as error:
            self._pipe.close()
            raise NoAnswer(T("it could not be started: {words}", words=system_words(error))) from error
        finally:
            theirs.close()
        self._limit = configwatch.CHECK_LIMIT if limited else float("inf")
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
        if self._pipe.poll():
            try:
                made = pickle.loads(self._pipe.recv_bytes())  # noqa: S301 - of our own process
            except (EOFError, OSError, ImportError, AttributeError, pickle.UnpicklingError) as error:
                raise NoAnswer(T("the check ended without an answer")) from error
            finally:
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


def _main(pipe: Connection, call: Callable[..., object], given: tuple[object, ...]) -> None:
    be_quiet_and_mortal()
    pipe.send_bytes(pickle.dumps(call(*given)))
