"""What connections share: the gate to a server, the allowance of an API key."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeVar

R = TypeVar("R")


class Gate(Protocol):
    """Decides whether a server may be asked now, and hears how it went."""

    def __call__(self, connect: Callable[[], R]) -> R:
        """``connect()``'s answer. Raises what it raises, or BackingOff without having called it."""
        ...


def open_gate(connect: Callable[[], R]) -> R:
    """The gate that is always open: for a person who tries one server, and for tests."""
    return connect()


@dataclass(frozen=True, slots=True)
class Limits:
    """What an API allows one key. None: no limit."""

    per_minute: int | None = None  #: requests in any 60 seconds
    per_second: float | None = None  #: the pace within them
    in_flight: int | None = None  #: requests at one time


class Pacer(Protocol):
    """Shares one API key's allowance between all threads, processes and machines that use it."""

    def turn(self, key: str, limits: Limits) -> AbstractContextManager[None]:
        """Wait until one more request is allowed, and count it; held while it is under way. Raises Transient."""
        ...

    def leave_alone(self, key: str, seconds: float) -> None:
        """The server asked for patience: no request of this key for so long."""
        ...
