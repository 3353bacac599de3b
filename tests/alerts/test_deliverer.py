"""The deliverer of `mistok serve`."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import pytest

from pipeline.alerts.claims import PATIENCE
from pipeline.alerts.deliverer import FIRST_WAIT, LONGEST_WAIT, SETTLE, Deliverer
from pipeline.errors import Transient
from pipeline.ledger.store import Ledger
from pipeline.texts import T
from tests.alerts.conftest import Recorder, ToldClock, plain

Write = Callable[..., list[int]]


def make(ledger: Ledger, *channels: Recorder) -> Deliverer:
    return Deliverer(ledger, channels, burst=4, kinds=("order", "failure"), language="uk")


def test_a_tick_shows_what_is_due(ledger: Ledger, write: Write) -> None:
    write(plain("order", "One"))
    screen = Recorder()
    assert make(ledger, screen).tick().shown == 1
    assert screen.titles == ["One"]


def test_a_silent_desktop_is_asked_with_back_off_and_named_in_the_log_once(
    ledger: Ledger, write: Write, clock: ToldClock, caplog: pytest.LogCaptureFixture
) -> None:
    screen = Recorder(why="no desktop")
    deliverer = make(ledger, screen)
    with caplog.at_level(logging.WARNING):
        for number in range(20):
            write(plain("order", str(number)))
            deliverer.tick()
    assert screen.asked == 1
    assert len(caplog.records) == 1
    waited = FIRST_WAIT
    while waited < LONGEST_WAIT:
        clock.at += waited
        deliverer.tick()
        waited *= 2
    assert screen.asked < 10
    asked = screen.asked
    clock.at += LONGEST_WAIT - clock.at.resolution
    deliverer.tick()
    assert screen.asked in (asked, asked + 1)
    screen.why = ""
    clock.at += LONGEST_WAIT
    assert deliverer.tick().summarised == 20
    assert screen.titles == ["20 нових замовлень"]


def test_a_ledger_that_does_not_answer_stops_nothing(
    ledger: Ledger, write: Write, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def locked() -> None:
        raise Transient(T("The ledger is locked."))

    deliverer = make(ledger, screen := Recorder())
    write(plain("order", "One"))
    with monkeypatch.context() as broken:
        broken.setattr(ledger, "read", locked)
        deliverer.tick()
        deliverer.tick()
    assert len(caplog.records) == 1
    assert deliverer.tick().shown == 1
    assert screen.titles == ["One"]


def test_its_thread_shows_a_popup_within_a_second_and_what_is_left_at_the_end(ledger: Ledger, write: Write) -> None:
    seen = threading.Event()
    screen = Recorder()
    screen.after_show = seen.set
    deliverer = make(ledger, screen)
    deliverer.start(every=0.2)
    deliverer.start(every=0.2)  # twice is the same as once
    write(plain("order", "One"))
    began = time.monotonic()
    assert seen.wait(10)
    assert time.monotonic() - began < 5
    write(plain("order", "Two"))
    deliverer.stop()
    assert screen.titles == ["One", "Two"]
    assert screen.closed


def test_a_burst_that_comes_in_batches_is_one_summary(ledger: Ledger, write: Write, clock: ToldClock) -> None:
    screen = Recorder()
    deliverer = make(ledger, screen)
    for batch in range(10):
        write(*[plain("order", f"{batch}/{n}") for n in range(50)])
        clock.forward(seconds=1)
        deliverer.tick()
    write(plain("failure", "Trouble"))
    deliverer.tick()
    assert screen.titles == ["Trouble"]  # another kind does not wait for it
    clock.at += SETTLE
    deliverer.tick()
    assert screen.titles == ["Trouble", "500 нових замовлень"]


def test_a_burst_that_never_ends_is_told_of_all_the_same(ledger: Ledger, write: Write, clock: ToldClock) -> None:
    screen = Recorder()
    deliverer = make(ledger, screen)
    for _second in range(int(PATIENCE.total_seconds()) // 2 + 1):
        write(*[plain("order", "x")] * 3)
        clock.forward(seconds=2)
        deliverer.tick()
    assert screen.shown
    assert len(screen.shown) < 10


def test_at_the_end_a_burst_is_told_of_at_once(ledger: Ledger, write: Write) -> None:
    screen = Recorder()
    deliverer = make(ledger, screen)
    write(*[plain("order", str(n)) for n in range(50)])
    deliverer.start(every=30)
    deliverer.stop()
    assert screen.titles == ["50 нових замовлень"]
