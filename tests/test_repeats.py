"""A trouble that comes back each time is told whole once, then counted, and its end is told."""

from __future__ import annotations

import structlog
from structlog.testing import capture_logs

from pipeline.errors import Transient
from pipeline.repeats import Repeats
from pipeline.texts import T

log = structlog.get_logger("mistok.test")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def broken(words: str = "no") -> Exception:
    try:
        raise RuntimeError(words)  # noqa: TRY301 - an error with a place is wanted
    except RuntimeError as error:
        return error


def other() -> Exception:
    try:
        raise RuntimeError("elsewhere")  # noqa: TRY301 - an error with a place is wanted
    except RuntimeError as error:
        return error


def test_the_same_is_told_whole_once_and_then_ever_more_seldom() -> None:
    clock = Clock()
    repeats = Repeats(clock)
    told = []
    with capture_logs() as said:
        for second in range(3 * 3600):
            clock.now = 1000.0 + second
            before = len(said)
            repeats.tell(log, "not_seen", broken(f"at {second}"))
            told += [second] * (len(said) - before)
        repeats.well(log, "not_seen")
        repeats.well(log, "not_seen")
    assert told == [0, 60, 660, 4260, 7860]
    assert [("exc_info" in line, line.get("times")) for line in said[:3]] == [(True, None), (False, 61), (False, 661)]
    assert said[1]["error"] == "RuntimeError: at 60"
    assert [line["event"] for line in said[-2:]] == ["not_seen", "well_again"]
    assert (said[-1]["after"], said[-1]["times"]) == ("not_seen", 3 * 3600)


def test_another_trouble_is_told_whole_beside_it_and_after_it() -> None:
    repeats = Repeats(Clock())
    with capture_logs() as said:
        for error in (broken(), other(), broken(), other(), ValueError()):
            repeats.tell(log, "not_seen", error)
        repeats.tell(log, "not_seen", broken(), "another client", client="b")
        repeats.well(log, "not_seen")
        repeats.tell(log, "not_seen", broken())
    assert [("exc_info" in line, line.get("client")) for line in said if line["event"] == "not_seen"] == [
        (True, None),
        (True, None),
        (True, None),
        (True, "b"),
        (True, None),
    ]


def test_ours_are_told_in_a_line_and_are_over_after_a_while() -> None:
    clock = Clock()
    repeats = Repeats(clock)
    with capture_logs() as said:
        for _ in range(3):
            repeats.tell(log, "ledger_failed", Transient(T("No."), code="ledger"), doing="beat")
            repeats.well(log, "ledger_failed", calm=60)
        clock.now += 61
        repeats.well(log, "ledger_failed", calm=60)
    assert [line["event"] for line in said] == ["ledger_failed", "well_again"]
    assert (said[0]["error"], said[0]["doing"]) == ("No.", "beat")


def test_troubles_that_are_others_each_time_do_not_fill_the_memory() -> None:
    repeats = Repeats(Clock())
    kinds = [type(f"E{number}", (Exception,), {}) for number in range(100)]
    assert sum(repeats.met("it", kind()) is not None for kind in kinds) == 21
    assert repeats.over("it") == 100
