"""F14, F27, F28, F56: hanging transfers, long runs, missed times and stops, all in a real ``mistok serve``."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from pipeline.config.load import load_config
from pipeline.engine.runtime import Client
from pipeline.ledger import tables as t
from tests.faults import invariants, tally
from tests.faults.conftest import Victim
from tests.faults.proxied import Orders, proxied
from tests.faults.serving import as_json, mistok, runs, scheduled, screen, serving, states, until
from tests.signals import SIGKILL

Make = Callable[[str, str], Victim]


@pytest.mark.full
def test_f14_a_transfer_that_hangs_is_ended_by_its_limit_and_the_next_run_works(
    request: pytest.FixtureRequest, make_victim: Make
) -> None:
    with proxied(request, make_victim, "sshd") as (victim, proxy):
        scheduled(victim, "every: 1s\ntime_limit: 3s")
        victim.path.write_text(victim.path.read_text("utf-8").replace("timeout: 10s", "timeout: 5m"), "utf-8")
        Orders().drop(victim, 20)
        proxy.hang(after=20_000, direction="down")
        with serving(victim) as service:
            until(lambda: "timed_out" in states(victim), victim)
            assert proxy.hanging, "it hung to the end; nobody closed anything"
            proxy.forgive()
            until(lambda: not list(victim.inbox.iterdir()), victim)
            until(lambda: states(victim)[-1] == "done", victim)
            assert service.poll() is None
            told = as_json(victim, "status")
            assert told["services"][0]["life"] == "alive"
            service.send_signal(signal.SIGTERM)
            assert service.wait(30) == 0
        ended = next(run for run in runs(victim) if run["state"] == "timed_out")
        assert timedelta(seconds=2) < ended["ended"] - ended["started"] < timedelta(seconds=15)
        assert ended["error"]["code"] == "time-limit"
        assert len(invariants.books_rows(load_config(victim.path))) == 20
        victim.check()
    tally.note("kills")


def test_f27_a_run_longer_than_its_interval_skips_the_next_and_says_so(
    request: pytest.FixtureRequest, make_victim: Make
) -> None:
    with proxied(request, make_victim, "sshd") as (victim, proxy):
        scheduled(victim, "every: 1s")
        Orders().drop(victim, 3)
        proxy.delay(0.06)
        with serving(victim):
            until(lambda: states(victim).count("done") >= 2 and states(victim).count("skipped") >= 2, victim)
            job = next(one for one in as_json(victim, "jobs")["jobs"] if one["job"] == "orders")
            words = mistok(victim, "jobs")[1]
        assert job["left_out"]["busy"] >= 2
        assert "skipped" in words
        worked = [run for run in runs(victim) if run["state"] == "done"]
        assert all(a["ended"] <= b["started"] for a, b in pairwise(worked)), "never two at once"
        proxy.delay(0)
        victim.check(work_left=True)  # of the run in which the service was killed


def _earlier(victim: Victim, hours: float) -> None:
    """As if so much time had passed since the ledger was written."""
    with Client.open(load_config(victim.path)) as client, client.ledger.begin() as conn:
        for name in ("orders", "catalogue"):
            known = client.ledger.get_value(conn, "schedule", name)
            if known:
                since = datetime.fromisoformat(known["since"]) - timedelta(hours=hours)
                client.ledger.set_value(conn, "schedule", name, {**known, "since": since.isoformat()})
        for row in conn.execute(t.runs.select()).all():
            past = timedelta(hours=hours)
            moved = {"scheduled_for": row.scheduled_for - past if row.scheduled_for else None}
            conn.execute(
                t.runs.update()
                .where(t.runs.c.id == row.id)
                .values(started=row.started - past, ended=row.ended - past if row.ended else None, **moved)
            )


@pytest.mark.full
@pytest.mark.parametrize(("policy", "made_up", "missed"), [("last", 1, 2), ("none", 0, 3)])
def test_f28_times_slept_over_are_made_up_for_by_policy_and_shown(
    make_victim: Make, policy: str, made_up: int, missed: int
) -> None:
    victim = make_victim("local", "sqlite")
    zone = victim.config().zone
    now = datetime.now(UTC)
    times = ", ".join(f'"{(now - timedelta(minutes=m)).astimezone(zone):%H:%M}"' for m in (170, 110, 50))
    scheduled(victim, f"at: [{times}]\ncatch_up: {policy}", "every: 1h")
    with serving(victim) as service:
        until(lambda: states(victim, "catalogue"), victim)
        service.send_signal(signal.SIGTERM)
        assert service.wait(30) == 0
    assert states(victim) == [], "a new job has missed nothing"
    _earlier(victim, 3.2)
    victim.drop_twenty()
    with serving(victim) as service:
        until(lambda: len(states(victim, "catalogue")) >= 2 and "done" in states(victim, "catalogue")[-1:], victim)
        wanted = made_up or 1
        until(lambda: len(states(victim)) >= wanted and "running" not in states(victim), victim)
        time.sleep(0.5)
        jobs = {job["job"]: job for job in as_json(victim, "jobs")["jobs"]}
        words = mistok(victim, "jobs")[1]
        service.send_signal(signal.SIGTERM)
        assert service.wait(30) == 0
    caught = [run for run in runs(victim) if run["trigger"] == "catch-up" and run["state"] == "done"]
    assert len(caught) == made_up
    assert jobs["orders"]["left_out"].get("missed", 0) == missed
    assert "missed" in words
    assert jobs["catalogue"]["last"]["trigger"] == "catch-up", "an interval slept over is seen as such, too"
    assert "caught up" in words
    victim.check(work_left=True)  # the orders have reserved goods: the catalogue tells fewer


@pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM")
def test_f56_a_stop_in_the_middle_of_a_run_lets_it_end(request: pytest.FixtureRequest, make_victim: Make) -> None:
    with proxied(request, make_victim, "sshd") as (victim, proxy):
        scheduled(victim, "every: 1h")
        Orders().drop(victim, 4)
        proxy.delay(0.06)
        with serving(victim, "--drain", "60") as service:
            until(lambda: "running" in states(victim), victim)
            service.send_signal(signal.SIGTERM)
            assert service.wait(60) == 0
        assert states(victim) == ["done"]
        assert "Stopped." in screen(victim)
        assert mistok(victim, "status")[0] == 3, "a service that was stopped does not work"
        assert len(invariants.books_rows(load_config(victim.path))) == 4
        victim.check()


@pytest.mark.full
@pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM")
@pytest.mark.parametrize("how", ["term", "kill"])
def test_f56_a_run_that_does_not_end_in_time_is_cut_off_and_goes_on_later(
    request: pytest.FixtureRequest, make_victim: Make, how: str
) -> None:
    with proxied(request, make_victim, "sshd") as (victim, proxy):
        scheduled(victim, "every: 1h\ntime_limit: 5m")
        Orders().drop(victim, 20)
        proxy.hang(after=20_000, direction="down")
        with serving(victim, "--drain", "1") as service:
            until(lambda: proxy.hanging and "running" in states(victim), victim)
            service.send_signal(signal.SIGTERM if how == "term" else SIGKILL)
            assert service.wait(120) == (0 if how == "term" else -9)  # the run would hang for five minutes
        if how == "term":
            assert states(victim) == ["interrupted"]
        else:
            tally.note("kills")
            code, words = mistok(victim, "status")
            assert code == 3
            assert "DEAD" in words
        proxy.forgive()
        _earlier(victim, 2)
        with serving(victim):
            until(lambda: not list(victim.inbox.iterdir()) and states(victim)[-1] == "done", victim)
        assert states(victim)[0] == "interrupted"
        assert len(invariants.books_rows(load_config(victim.path))) == 20
        victim.check()
