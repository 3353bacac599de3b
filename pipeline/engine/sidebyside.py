"""Calls that may hang, such as those to many clients' ledgers, each in a thread that nobody has to wait for."""

from __future__ import annotations

import contextvars
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import ParamSpec, TypeVar

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
