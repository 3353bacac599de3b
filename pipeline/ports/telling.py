"""Alerts, and time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from pipeline.texts import Text


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to tell a person. Written with the order, delivered after it."""

    kind: str  #: order, held, quarantined, catalogue, failure, summary …
    title: Text
    body: Text
    subject: str = ""  #: what it is about: ``order:<id>``, ``file:<id>``, ``job:<name>``
    created_at: datetime | None = None
    id: int = 0
    data: Mapping[str, Any] = field(default_factory=dict)  #: number, customer, sum … for rules and summaries


@dataclass(frozen=True, slots=True)
class Delivered:
    """Whether a channel showed a notice, and why not."""

    shown: bool
    why: Text | None = None


class Notifier(Protocol):
    """A channel to a person. ``send`` never raises."""

    name: str

    def available(self) -> Delivered:
        """Whether it could show anything now, and why not."""
        ...

    def send(self, notice: Notice, language: str) -> Delivered:
        """Show it; shown only when the far end said so."""
        ...

    def close(self) -> None:
        """Let go of what it holds."""
        ...


class Asker(Notifier, Protocol):
    """A channel whose reader can answer."""

    def ask(
        self, notice: Notice, language: str, answers: Mapping[str, Text], answered: Callable[[str], None]
    ) -> Delivered:
        """Show it with ``answers`` (name -> words) to choose from; ``answered`` is told the name of the chosen one.

        Where the popup itself can be clicked, that is the first answer. ``answered`` is called from another thread,
        at any time later, and returns at once.
        """
        ...


class Clock(Protocol):
    """Time, so that tests can own it."""

    def now(self) -> datetime:
        """The aware moment, in UTC."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...
