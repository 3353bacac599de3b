"""F30: the server's clock, the computer's clock and the listing's zone are wrong: age is counted from our own look."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta

import pytest

from pipeline.engine.runtime import RunOptions, run_job
from tests.faults import tally
from tests.faults.conftest import Victim

Make = Callable[[str, str], Victim]
AGE = timedelta(minutes=2)


@pytest.mark.parametrize("transport", ["local", "sshd", "vsftpd-explicit", "pyftpdlib-list"])
@pytest.mark.parametrize("hours", [-30, 11])
def test_f30_a_files_age_is_counted_from_our_own_first_look(make_victim: Make, transport: str, hours: int) -> None:
    victim = make_victim(transport, "sqlite")
    victim.step = f"min_age: {int(AGE.total_seconds())}s"
    victim.drop_twenty()
    for path in victim.inbox.iterdir():  # as a server whose clock is wrong, or which lists in a zone of its own
        at = path.stat().st_mtime + hours * 3600
        os.utime(path, (at, at))

    def look() -> int:
        options = RunOptions(trigger="schedule")
        return run_job(victim.config(), "orders", options, clock=victim.clock).counts.get("created", 0)

    assert look() == 0, "seen for the first time"
    victim.clock.ahead += AGE / 2
    assert look() == 0, "not old enough by our own clock"
    victim.clock.ahead += AGE / 2
    assert look() == 20
    assert list(victim.inbox.iterdir()) == []
    tally.note("transport", transport)
    victim.check()


@pytest.mark.parametrize("hours", [-9, 9])
def test_f30_the_computers_clock_is_set_while_files_wait(make_victim: Make, hours: int) -> None:
    victim = make_victim("local", "sqlite")
    victim.step = f"min_age: {int(AGE.total_seconds())}s"
    victim.drop_twenty()

    def look() -> int:
        options = RunOptions(trigger="schedule")
        return run_job(victim.config(), "orders", options, clock=victim.clock).counts.get("created", 0)

    assert look() == 0
    victim.clock.ahead += timedelta(hours=hours)
    made = look()
    for _ in range(4):  # it is put right again, or stays: what waits is taken all the same, and once
        victim.clock.ahead += AGE
        made += look()
    if hours < 0:
        victim.clock.ahead -= timedelta(hours=hours)
        made += look()
    assert made == 20
    victim.check()
