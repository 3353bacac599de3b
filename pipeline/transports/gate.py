"""What every connection to a server passes through, so that a server which refuses is not asked again and again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

R = TypeVar("R")


class Gate(Protocol):
    """Decides whether a server may be asked now, and hears how it went."""

    def __call__(self, connect: Callable[[], R]) -> R:
        """``connect()``'s answer. Raises what it raises, or BackingOff without having called it."""
        ...


def open_gate(connect: Callable[[], R]) -> R:
    """Always open: for a person who tries one server, and for tests."""
    return connect()
