"""A ledger in a file, a clock that is told the time, and channels that do as they are told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.ledger.store import Ledger
from pipeline.ports import Delivered, Notice
from pipeline.texts import T, Text, verbatim


class ToldClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.at = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)

    def forward(self, **units: float) -> None:
        self.at += timedelta(**units)


class Recorder:
    """A channel that keeps what it was given. ``why``: it cannot show anything; ``refuses``: only certain titles."""

    def __init__(self, name: str = "screen", why: str = "", refuses: str = "") -> None:
        self.name = name
        self.why = why
        self.refuses = refuses
        self.shown: list[tuple[str, str]] = []
        self.asked = 0
        self.closed = False
        self.after_show: Callable[[], None] = lambda: None

    def available(self) -> Delivered:
        self.asked += 1
        return Delivered(False, verbatim(self.why)) if self.why else Delivered(True)

    def send(self, notice: Notice, language: str) -> Delivered:
        title = notice.title.render(language)
        if self.why or (self.refuses and self.refuses in title):
            return Delivered(False, verbatim(self.why or "refused"))
        self.shown.append((title, notice.body.render(language)))
        self.after_show()
        return Delivered(True)

    def close(self) -> None:
        self.closed = True

    @property
    def titles(self) -> list[str]:
        return [title for title, _ in self.shown]


@pytest.fixture
def clock() -> ToldClock:
    return ToldClock()


@pytest.fixture
def ledger(tmp_path: Path, clock: ToldClock) -> Iterator[Ledger]:
    opened = Ledger("sqlite:///ledger.sqlite3", client="shop", base=tmp_path, clock=clock)
    yield opened
    opened.close()


@pytest.fixture
def write(ledger: Ledger) -> Callable[..., list[int]]:
    """Write notices, as the engine does it: in a transaction of the ledger."""

    def _write(*given: Notice) -> list[int]:
        with ledger.begin() as conn:
            return [ledger.notify(conn, notice) for notice in given]

    return _write


def plain(kind: str, title: Text | str) -> Notice:
    """A notice with little in it."""
    return Notice(kind=kind, title=verbatim(title) if isinstance(title, str) else title, body=T(""))
