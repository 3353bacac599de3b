"""Which runs that broke off are made up for before their next time by the schedule."""

from __future__ import annotations

from pipeline.engine.fleet.room import Broken
from pipeline.engine.fleet.timers import LONGEST_BREAK
from pipeline.engine.fleet.worker import AFTER_BREAK, MADE_UP_FOR, made_up_for
from pipeline.errors import Finding
from pipeline.texts import T


def broken(state: str, code: str) -> Broken:
    return Broken(state, Finding(code, T("No.")))


def test_whose_ledger_was_away_and_whose_process_died_are_made_up_for_ever_later() -> None:
    for one in (broken("failed", "ledger"), broken("interrupted", "run")):
        seconds = [made_up_for(one, tries) for tries in range(MADE_UP_FOR)]
        assert seconds[:3] == [AFTER_BREAK, 2 * AFTER_BREAK, 4 * AFTER_BREAK]
        assert seconds == sorted(seconds, key=lambda one: one or 0)
        assert seconds[-1] == LONGEST_BREAK
        assert made_up_for(one, MADE_UP_FOR) is None, "then its schedule is enough"


def test_a_step_that_took_too_long_or_broke_by_itself_waits_for_its_schedule() -> None:
    assert made_up_for(broken("timed_out", "time-limit"), 0) is None
    assert made_up_for(broken("failed", "bug"), 0) is None
