"""F29: 03:00 in Kyiv does not exist on 2026-03-29 and comes twice on 2026-10-25: one run each, as foretold."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine

from pipeline.cli.jobs import _next_words
from pipeline.config.load import load_config
from pipeline.engine import history
from pipeline.engine.runtime import Client, RunOptions, run_job
from pipeline.engine.scheduler import Scheduler
from pipeline.engine.shown.jobs import gather
from pipeline.ledger import tables as t
from tests.faults.conftest import Victim
from tests.faults.serving import scheduled

KYIV = ZoneInfo("Europe/Kyiv")


@pytest.mark.parametrize(
    ("evening", "ran_at", "said"),
    [
        ("2026-03-28T20:00", "2026-03-29T04:00+03:00", "03:00 does not exist on this night: runs at 04:00"),
        ("2026-10-24T20:00", "2026-10-25T03:00+03:00", "03:00 comes twice on this night: runs the first time only"),
    ],
)
@pytest.mark.parametrize("restarts", [False, True])
def test_f29_one_run_on_each_odd_night(
    make_victim: Callable[[str, str], Victim],
    monkeypatch: pytest.MonkeyPatch,
    evening: str,
    ran_at: str,
    said: str,
    restarts: bool,
) -> None:
    victim = make_victim("local", "sqlite")
    scheduled(victim, "enabled: false", 'at: ["03:00"]')
    config = load_config(victim.path)
    start = datetime.fromisoformat(evening).replace(tzinfo=KYIV)
    steady = [time.monotonic()]
    with time_machine.travel(start, tick=False) as traveller:
        monkeypatch.setattr("time.monotonic", lambda: steady[0])
        with Client.open(config) as client:
            ledger = client.ledger
            words = "\n".join(_next_words(row) for row in gather(config, ledger))
            assert said in words
            jobs = {name: job for name, job in config.jobs.items() if job.enabled}

            def begin() -> Scheduler:
                return Scheduler(jobs, config.zone, ledger.clock.now, history.last_slots(ledger, jobs))

            scheduler = begin()
            for _ in range(13 * 6):  # to the morning, ten minutes at a time
                traveller.shift(timedelta(minutes=10))
                steady[0] += 600
                if restarts:
                    scheduler = begin()
                for due in scheduler.due():
                    with redirect_stdout(io.StringIO()):
                        options = RunOptions(trigger=due.trigger, scheduled_for=due.scheduled_for)
                        assert run_job(config, due.job, options).state == "done"
            with ledger.read() as conn:
                ran = conn.execute(t.runs.select()).all()
    assert [row.scheduled_for for row in ran] == [datetime.fromisoformat(ran_at).astimezone(UTC)]
    assert [row.state for row in ran] == ["done"]
    assert list(victim.goods.iterdir())
    victim.check(work_left=True)  # special prices begin and end between that night and today
