"""Calls that may hang, such as those to many clients' ledgers, each in a thread that nobody has to wait for."""

from __future__ import annotations

import contextvars
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Generic, ParamSpec, TypeVar

K = TypeVar("K", bound=Hashable)
P = ParamSpec("P")
R = TypeVar("R")


def in_a_thread(do: Callable[P, R], *given: P.args, **named: P.kwargs) -> Future[R]:
    """Have it done by a thread of its own, which a program that ends does not wait for."""
    answer: Future[R] = Future()
    context = contextvars.copy_context()

    def work() -> None:
        try:
            made = context.run(do, *given, **named)
        except BaseException as error:  # noqa: BLE001 - whoever asks for the answer is told
            answer.set_exception(error)
        else:
            answer.set_result(made)

    answer.set_running_or_notify_cancel()
    threading.Thread(target=work, name=f"mistok-aside-{getattr(do, '__name__', '')}", daemon=True).start()
    return answer


def side_by_side(keys: Iterable[K], do: Callable[[K], R], *, at_once: int, seconds: float) -> dict[K, Future[R]]:
    """``do`` for each of the keys, so many at once; gives the answers of those that are done.

    Who takes longer than ``seconds`` from its begin is waited for no more and does not count among ``at_once``: it
    holds up no other, and its answer is not there.
    """
    waiting, begun = deque(keys), dict[K, tuple[float, Future[R]]]()
    ended: SimpleQueue[object] = SimpleQueue()
    while True:
        now = time.monotonic()
        left = [at + seconds - now for at, answer in begun.values() if not answer.done() and at + seconds > now]
        while waiting and len(left) < at_once:
            key = waiting.popleft()
            answer = in_a_thread(do, key)
            begun[key] = now, answer
            left.append(seconds)
            answer.add_done_callback(ended.put)
        if not left:
            return {key: answer for key, (_, answer) in begun.items() if answer.done()}
        with suppress(Empty):
            ended.get(timeout=min(left))


@dataclass(eq=False, slots=True)
class _Turn(Generic[R]):
    """What is asked at one time: what is left to ask, and those of it that are being asked."""

    left: deque[tuple[str, Callable[[], R]]]
    asked: set[str] = field(default_factory=set)


class Beside(Generic[R]):
    """Asks many things one after the other in a thread. One that hangs is left behind in its thread, and another one
    asks the rest; it is not asked again while it hangs, and its answer is given when it has come.

    ``each``: seconds after which one is left behind; ``most``: how many may hang before no more is asked.
    """

    def __init__(self, each: float = 1.0, most: int = 8) -> None:
        self._each, self._most = each, most
        self._changed = threading.Condition()
        self._since: dict[str, float] = {}  #: those that are being asked
        self._answers: dict[str, R] = {}

    @property
    def hanging(self) -> frozenset[str]:
        """What was asked and has given no answer yet."""
        with self._changed:
            return frozenset(self._since)

    def ask(self, what: Mapping[str, Callable[[], R]], seconds: float) -> dict[str, R]:
        """The answers that came within so many seconds, and those that came too late the last time. What is asked
        should raise nothing: who does has no answer.
        """
        until = time.monotonic() + seconds
        with self._changed:
            turn = _Turn(deque((name, call) for name, call in what.items() if name not in self._since))
            while turn.left or turn.asked:
                now = time.monotonic()
                hang = sum(now - since >= self._each for since in self._since.values())
                works = any(now - self._since[name] < self._each for name in turn.asked)
                if turn.left and not works:
                    if hang >= self._most:
                        break
                    in_a_thread(self._work, turn, *self._next(turn))
                if now >= until:
                    break
                self._changed.wait(min(until - now, self._each))
            turn.left.clear()
            answers, self._answers = self._answers, {}
        return answers

    def _next(self, turn: _Turn[R]) -> tuple[str, Callable[[], R]]:
        name, call = turn.left.popleft()
        self._since[name] = time.monotonic()
        turn.asked.add(name)
        return name, call

    def _work(self, turn: _Turn[R], name: str, call: Callable[[], R]) -> None:
        while True:
            answer: list[R] = []
            with suppress(Exception):
                answer.append(call())
            with self._changed:
                del self._since[name]
                turn.asked.discard(name)
                self._answers.update((name, one) for one in answer)
                if not turn.left:
                    self._changed.notify()
                    return
                name, call = self._next(turn)
